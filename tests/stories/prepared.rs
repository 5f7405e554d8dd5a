//! Images that are prepared once for a cluster, and run there by Apptainer, Podman and Charliecloud: with a real Slurm, as a person
//! without rights.

use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use wharf::{
    adapters::{
        local::SandboxProgram,
        runtimes::{Apptainer, Charliecloud, Podman},
        shared::exec,
        slurm::Settings,
    },
    core::{
        base::context::{Context, Progress},
        image::model::Image,
        launch::plan::{Plan, State, Workload},
        ports::{Launcher, Runtime, Supply},
    },
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, logs, supply, until},
    slurm::{APPTAINER, Stage, a_terminal_answers, as_person, between_looks, exists},
};

#[test]
fn clusters_run_prepared_images() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    need!("WHARF_LAB_CHARLIECLOUD");
    as_person("prepared::jobs_run_prepared_images", &conf, &bin, &[]);
}

#[test]
fn jobs_of_the_oldest_cluster_are_entered() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    need!("WHARF_LAB_CHARLIECLOUD");
    as_person("prepared::jobs_in_prepared_images_are_entered", &conf, &bin, &[]);
}

#[test]
fn jobs_of_the_newest_cluster_are_entered() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2605_CONF"), need!("WHARF_LAB_SLURM_2605_BIN"));
    need!("WHARF_LAB_CHARLIECLOUD");
    as_person("prepared::jobs_in_prepared_images_are_entered", &conf, &bin, &[]);
}

/// The runtimes of the lab that are there.
fn runtimes() -> Vec<Arc<dyn Runtime>> {
    let mut all: Vec<Arc<dyn Runtime>> = Vec::new();
    match std::env::var(APPTAINER) {
        Ok(folder) => all.push(Arc::new(Apptainer::new(Path::new(&folder).join("apptainer")))),
        Err(_) => eprintln!("left out: {APPTAINER} is not up"),
    }
    match exec::on_path("podman") {
        Some(program) => all.push(Arc::new(Podman::new(program))),
        None => eprintln!("left out: Podman is not installed"),
    }
    all.push(Arc::new(Charliecloud::new(exec::on_path("ch-run").unwrap())));
    all
}

fn settings(stage: &Stage, folder: &str) -> Settings {
    Settings {
        bin: Some(stage.bin.clone()),
        conf: Some(stage.conf.clone()),
        folder: Some(stage.home.path(folder)),
        pace: Some(1),
        ..Settings::default()
    }
}

/// The answers with which a runtime runs this shell script.
fn asked<'a>(runtime: &'a str, script: &'a str) -> Vec<(&'a str, &'a str)> {
    let mut given = vec![("command", script), ("time", "10m"), ("env", "VALUE='two words'")];
    if runtime == "charliecloud" {
        given.push(("network", "host"));
    }
    given
}

/// The image of a supply without its bytes: whoever wants to read some fails.
fn without_bytes(supply: &Supply) -> Supply {
    Supply { content: None, ..supply.clone() }
}

/// The only prepared image below the folder of a cluster.
fn prepared_file(stage: &Stage, folder: &str) -> PathBuf {
    let images = stage.home.path(folder).join("images");
    let mut all: Vec<PathBuf> = std::fs::read_dir(&images).unwrap().flatten().map(|entry| entry.path()).collect();
    assert_eq!(all.len(), 1, "one image, and nothing beside it: {all:?}");
    all.remove(0).join("image.sqfs")
}

async fn ends(launcher: &Arc<dyn Launcher>, id: &str, code: i64) -> Workload {
    // The queue tells that it failed before accounting tells its exit code.
    let ended = until(launcher, id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(code), "{}", logs(launcher, id).await);
    ended
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the tests of the clusters start it as another person"]
async fn jobs_run_prepared_images() {
    let Some(stage) = Stage::new() else { return };
    let alpine = stage.alpine().await;
    let supply = supply(&stage.portal, &alpine).await;
    for runtime in runtimes() {
        each_runtime_runs_the_same_file(&stage, runtime, &alpine, &supply).await;
    }
    the_form_asks_which(&stage, &alpine).await;
    a_changed_file_does_not_run(&stage, &alpine, &supply).await;
    the_sites_store_is_used(&stage, &alpine, &supply).await;
    somebody_who_prepares_it_is_waited_for(&stage, &alpine, &supply).await;
    what_a_job_uses_stays_in_the_cache(&stage, &alpine, &supply).await;
}

/// The first job prepares the image, whichever runtime it has; every other moves no byte.
async fn each_runtime_runs_the_same_file(stage: &Stage, runtime: Arc<dyn Runtime>, alpine: &Image, supply: &Supply) {
    let cx = Context::default();
    let name = runtime.name().to_owned();
    let launcher = stage.backend(settings(stage, "shared"), vec![runtime]);
    let script = "sh -c 'echo \"value $VALUE of $SLURM_JOB_ID\"; cat /etc/os-release /proc/self/status; ls /home; touch /here; exit 7'";
    let plan = launcher.plan(&cx, alpine, &answers(&asked(&name, script))).await.unwrap();
    let shown = plan.shown();
    assert!(shown.contains("sha256sum --quiet --strict --check") && shown.contains(&name), "{shown}");
    assert!(plan.risks.iter().any(|risk| risk.text.contains("compares its sha256")), "{:?}", plan.risks);
    let first = !stage.home.path("shared/images").exists();
    let before = (!first).then(|| prepared_file(stage, "shared").metadata().unwrap());
    let given = if first { supply.clone() } else { without_bytes(supply) };
    let made = launcher.launch(&cx, &plan, &given).await.unwrap();
    let ended = ends(&launcher, &made.id, 7).await;
    let text = logs(&launcher, &made.id).await;
    let value = format!("value two words of {}", made.id);
    assert!(text.contains(&value) && text.contains("Alpine"), "{name}: {text}");
    assert!(text.contains("CapEff:\t0000000000000000") && text.contains("NoNewPrivs:\t1"), "{name}: {text}");
    assert!(text.contains("/here: Read-only file system"), "{name}: {text}");
    assert!(!text.contains("WARNING"), "{name}: {text}");
    let file = prepared_file(stage, "shared");
    let after = file.metadata().unwrap();
    let facts = std::fs::read(file.with_file_name("facts.json")).unwrap();
    let facts: serde_json::Value = serde_json::from_slice(&facts).unwrap();
    assert_eq!(facts["user"]["uid"], 0, "whom its program runs as, for those who mount it: {facts}");
    if let Some(before) = before {
        assert_eq!((before.ino(), before.mtime()), (after.ino(), after.mtime()), "{name}: it is the same file");
    }
    let second = launcher.plan(&cx, alpine, &answers(&asked(&name, "true"))).await.unwrap();
    let second = launcher.launch(&cx, &second, &without_bytes(supply)).await.unwrap();
    ends(&launcher, &second.id, 0).await;
    assert_eq!(file.metadata().unwrap().ino(), after.ino());
    let entered = launcher.exec(&cx, &ended.id, vec!["true".into()]).await.unwrap_err();
    assert!(!entered.why.is_empty(), "{entered}");
    for id in [&made.id, &second.id] {
        launcher.remove(&cx, id).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the tests of the clusters start it as another person"]
async fn jobs_in_prepared_images_are_entered() {
    let Some(stage) = Stage::new() else { return };
    let alpine = stage.alpine().await;
    let supply = supply(&stage.portal, &alpine).await;
    for runtime in runtimes() {
        a_job_is_entered(&stage, runtime, &alpine, &supply).await;
    }
}

/// What is run in a job is where its program is, with what the image and Slurm say, and with nothing of whoever runs it.
async fn a_job_is_entered(stage: &Stage, runtime: Arc<dyn Runtime>, alpine: &Image, supply: &Supply) {
    let cx = Context::default();
    let name = runtime.name().to_owned();
    let launcher = stage.backend(settings(stage, "shared"), vec![runtime]);
    let script = "sh -c 'env >/tmp/program; readlink /proc/self/ns/net >>/tmp/program; while :; do sleep 1; done'";
    let mut given = asked(&name, script);
    // A file of the node's file system that a program of the node would load, and a value that a shell would read.
    given.retain(|(key, _)| *key != "env");
    given.push(("env", r#"VALUE='$(id) "a" `b`' ODD="it's" LD_PRELOAD=/tmp/preloaded.so"#));
    let plan = launcher.plan(&cx, alpine, &answers(&given)).await.unwrap();
    let made = launcher.launch(&cx, &plan, supply).await.unwrap();
    until(&launcher, &made.id, |state| *state == State::Running).await;
    let run = |script: &str| {
        let command = ["sh", "-c", script].map(str::to_owned).to_vec();
        let (launcher, id, cx) = (&launcher, &made.id, &cx);
        async move {
            let (said, code) = launcher.exec(cx, id, command).await.unwrap();
            (String::from_utf8_lossy(&said).into_owned(), code)
        }
    };
    let began = Instant::now();
    let (said, code) = loop {
        // The batch script starts a moment after Slurm says that the job runs.
        let (said, code) = run("cat /etc/os-release /tmp/program /proc/self/status; echo why >&2; exit 7").await;
        if code == 7 && said.contains("net:[") {
            break (said, code);
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{name}: {said}");
    };
    assert!(said.contains("Alpine") && said.contains("CapEff:\t0000000000000000"), "{name}: {said}");
    assert!(said.contains("NoNewPrivs:\t1") && said.ends_with("why\n") && code == 7, "{name}: {said}");
    let program: Vec<&str> = said.lines().filter(|line| line.contains('=') || line.starts_with("net:")).collect();
    let (inside, _) = run("env; readlink /proc/self/ns/net; id -u").await;
    for fact in ["VALUE=", "ODD=", "LD_PRELOAD=", "HOME=", "PATH=", "PWD=", "SLURM_JOB_ID=", "net:["] {
        let its = program.iter().find(|line| line.starts_with(fact)).unwrap_or_else(|| panic!("{name} {fact}: {said}"));
        assert!(inside.lines().any(|line| line == *its), "{name}: {its} in {inside}");
    }
    let uid = rustix::process::getuid().as_raw().to_string();
    assert!(inside.lines().any(|line| line == uid), "{name}: {inside}");
    for line in inside.lines().filter(|line| ["SLURM_", "WHARF_"].iter().any(|name| line.starts_with(name))) {
        assert!(program.contains(&line), "{name}: nothing of whoever runs it: {line}");
    }
    assert_eq!(run("true").await, (String::new(), 0), "{name}");
    assert!(run("kill -KILL $$").await.1 > 128, "{name}");
    a_terminal_answers(&launcher, &made.id).await;
    launcher.stop(&cx, &made.id).await.unwrap();
    until(&launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    let over = launcher.exec(&cx, &made.id, vec!["true".into()]).await.unwrap_err();
    assert!(over.why.contains("it does not run"), "{name}: {over}");
    assert_eq!(nothing_is_left_on_the_node(stage).await, usize::from(name == "podman"), "{name}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// The folders in which Podman had its own files end with the jobs, and with them all that was started there. Gives how many
/// jobs had one.
async fn nothing_is_left_on_the_node(stage: &Stage) -> usize {
    let mut noted_by = 0;
    let below = |folder: PathBuf| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let launches = below(stage.home.path("shared/launches")).flat_map(|launch| below(launch.join("tasks")));
    for noted in launches.map(|task| task.join("podman")).filter(|noted| noted.exists()) {
        let folder = std::fs::read_to_string(noted).unwrap().trim().to_owned();
        let began = Instant::now();
        while Path::new(&folder).exists() {
            assert!(began.elapsed() < Duration::from_secs(30), "{folder} is still there");
            between_looks().await;
        }
        let left = Command::new("pgrep").args(["-a", "-f", &folder]).output().unwrap();
        assert!(left.stdout.is_empty(), "{}", lab::said(&left));
        noted_by += 1;
    }
    noted_by
}

async fn the_form_asks_which(stage: &Stage, alpine: &Image) {
    let cx = Context::default();
    let launcher = stage.backend(settings(stage, "shared"), runtimes());
    let form = launcher.form(&cx, alpine).await.unwrap();
    if runtimes().len() > 1 {
        assert_eq!(form.field("inside").unwrap().default, "apptainer");
        let open = launcher.plan(&cx, alpine, &answers(&[("inside", "charliecloud")])).await.unwrap_err();
        assert!(open.to_string().contains("choose one of host"), "{open}");
        let given = [("inside", "charliecloud"), ("network", "host")];
        let plan = launcher.plan(&cx, alpine, &answers(&given)).await.unwrap();
        assert!(plan.risks.iter().any(|risk| risk.text.contains("your other processes")), "{:?}", plan.risks);
        let home = launcher.plan(&cx, alpine, &answers(&[("env", "HOME=/x")])).await.unwrap_err();
        assert!(home.why.contains("sets HOME itself"), "{home}");
    }
    let given = [("inside", "charliecloud"), ("network", "host"), ("mounts", "/etc:/mnt")];
    let given = if runtimes().len() > 1 { &given[..] } else { &given[2..] };
    let mounted = launcher.plan(&cx, alpine, &answers(given)).await.unwrap_err();
    assert!(mounted.why.contains("cannot mount /etc read-only"), "{mounted}");
}

/// A job waits behind another one while somebody changes the prepared file.
async fn a_changed_file_does_not_run(stage: &Stage, alpine: &Image, supply: &Supply) {
    let cx = Context::default();
    for runtime in runtimes() {
        let name = runtime.name().to_owned();
        let launcher = stage.backend(settings(stage, "shared"), vec![runtime]);
        let first = stage.slurm("sbatch", &["--parsable", "-o", "/dev/null", "--wrap", "sleep 300"]);
        let after = format!("afterany:{first}");
        let mut given = asked(&name, "echo it runs");
        given.push(("after", &after));
        let plan = launcher.plan(&cx, alpine, &answers(&given)).await.unwrap();
        let made = launcher.launch(&cx, &plan, supply).await.unwrap();
        assert!(matches!(made.state, State::Queued { .. }), "{made:?}");
        let file = prepared_file(stage, "shared");
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        stage.slurm("scancel", &[&first]);
        ends(&launcher, &made.id, 1).await;
        let text = logs(&launcher, &made.id).await;
        assert!(text.contains("was changed or removed") && !text.contains("it runs"), "{name}: {text}");
        launcher.remove(&cx, &made.id).await.unwrap();
        several_nodes_compare_it(stage, &launcher, &name, alpine, supply).await;
        // The next launch prepares it again; what was changed is kept aside, because a job may still have it open.
        let plan = launcher.plan(&cx, alpine, &answers(&asked(&name, "echo it runs"))).await.unwrap();
        let made = launcher.launch(&cx, &plan, supply).await.unwrap();
        ends(&launcher, &made.id, 0).await;
        assert!(logs(&launcher, &made.id).await.contains("it runs"));
        launcher.remove(&cx, &made.id).await.unwrap();
        remove_what_was_put_aside(stage);
    }
}

fn remove_what_was_put_aside(stage: &Stage) {
    for entry in std::fs::read_dir(stage.home.path("shared/images")).unwrap().flatten() {
        if entry.path().extension().is_some_and(|ending| ending == "aside") {
            std::fs::remove_dir_all(entry.path()).unwrap();
        }
    }
}

/// Six tasks need two nodes, each of which compares the file: unchanged they all run, changed none does.
async fn several_nodes_compare_it(
    stage: &Stage,
    launcher: &Arc<dyn Launcher>,
    name: &str,
    alpine: &Image,
    supply: &Supply,
) {
    let cx = Context::default();
    for changed in [false, true] {
        let first = stage.slurm("sbatch", &["--parsable", "-o", "/dev/null", "--wrap", "sleep 300"]);
        let after = format!("afterany:{first}");
        let given =
            [asked(name, "sh -c 'echo it runs on $SLURM_JOB_NUM_NODES'"), vec![("tasks", "6"), ("after", &after)]]
                .concat();
        let plan = launcher.plan(&cx, alpine, &answers(&given)).await.unwrap();
        let made = launcher.launch(&cx, &plan, supply).await.unwrap();
        remove_what_was_put_aside(stage);
        if changed {
            let file = prepared_file(stage, "shared");
            let mut bytes = std::fs::read(&file).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(&file, bytes).unwrap();
        }
        stage.slurm("scancel", &[&first]);
        ends(launcher, &made.id, i64::from(changed)).await;
        let text = logs(launcher, &made.id).await;
        let runs = text.matches("it runs on 2").count();
        assert_eq!(
            (runs, text.contains("was changed or removed")),
            (if changed { 0 } else { 6 }, changed),
            "{name}: {text}"
        );
        launcher.remove(&cx, &made.id).await.unwrap();
    }
}

/// A folder that only the site may write to has the image: nothing is prepared.
async fn the_sites_store_is_used(stage: &Stage, alpine: &Image, supply: &Supply) {
    let cx = Context::default();
    let site = stage.home.path("site");
    std::fs::create_dir(&site).unwrap();
    let own = prepared_file(stage, "shared").parent().unwrap().to_owned();
    let kept = site.join(own.file_name().unwrap());
    std::fs::create_dir(&kept).unwrap();
    for name in ["image.sqfs", "facts.json"] {
        std::fs::copy(own.join(name), kept.join(name)).unwrap();
    }
    let mode = |folder: &Path, mode| std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(&kept, 0o555);
    let runtime = Arc::new(Charliecloud::new(exec::on_path("ch-run").unwrap()));
    let settings = Settings { prepared: Some(site.clone()), ..settings(stage, "of-site") };
    let launcher = stage.backend(settings, vec![runtime]);
    let plan = launcher.plan(&cx, alpine, &answers(&asked("charliecloud", "echo from the site"))).await.unwrap();
    let made = launcher.launch(&cx, &plan, &without_bytes(supply)).await.unwrap();
    ends(&launcher, &made.id, 0).await;
    assert!(logs(&launcher, &made.id).await.contains("from the site"));
    assert_eq!(std::fs::read_dir(stage.home.path("of-site/images")).unwrap().count(), 0, "nothing was prepared");
    launcher.remove(&cx, &made.id).await.unwrap();
    // Others may write to it: then its bytes are nobody's.
    mode(&kept, 0o777);
    let plan = launcher.plan(&cx, alpine, &answers(&asked("charliecloud", "true"))).await.unwrap();
    assert!(launcher.launch(&cx, &plan, &without_bytes(supply)).await.is_err());
    mode(&kept, 0o755);
}

/// One process that prepares the image is killed in the middle; another that waits for it says so, and finishes.
async fn somebody_who_prepares_it_is_waited_for(stage: &Stage, alpine: &Image, supply: &Supply) {
    let tools = stage.home.path("tools");
    std::fs::create_dir(&tools).unwrap();
    let (slow, begun) = (tools.join("mksquashfs"), tools.join("begun"));
    let script = format!(
        "#!/bin/sh\ncase $1 in -version) exit 0 ;; esac\necho $$ >{0}.new; mv {0}.new {0}\nexec sleep 300\n",
        begun.display()
    );
    std::fs::write(&slow, script).unwrap();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    let image = format!("{open}/library/alpine:latest");
    let mut first: Command = stage.home.wharf(&["launch", &image, "--on", "lab", "--set", "time=5m", "--", "true"]);
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    first.env("PATH", path).env("WHARF_SITE", site(stage)).env("WHARF_REGISTRIES", format!("http://{open}"));
    let mut first = first.stdin(std::process::Stdio::null()).spawn().unwrap();
    exists(&begun).await;
    let launcher =
        stage.backend(settings(stage, "two"), vec![Arc::new(Charliecloud::new(exec::on_path("ch-run").unwrap()))]);
    let plan: Plan =
        launcher.plan(&Context::default(), alpine, &answers(&asked("charliecloud", "echo second"))).await.unwrap();
    assert!(plan.written("compare").is_ok());
    let (progress, notes) = Progress::channel();
    let cx = Context { progress, ..Context::default() };
    let (launching, bytes) = (launcher.clone(), supply.clone());
    let second = tokio::spawn(async move { launching.launch(&cx, &plan, &bytes).await });
    let began = Instant::now();
    loop {
        let phase = notes.borrow().phase.clone();
        if phase.contains("prepares it: packing it into one file") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(60) && !second.is_finished(), "it does not wait: {phase}");
        between_looks().await;
    }
    first.kill().unwrap();
    first.wait().unwrap();
    let made = second.await.unwrap().unwrap();
    let left = std::fs::read_to_string(&begun).unwrap();
    assert!(Command::new("kill").arg(left.trim()).status().unwrap().success());
    ends(&launcher, &made.id, 0).await;
    assert!(logs(&launcher, &made.id).await.contains("second"));
    prepared_file(stage, "two");
    launcher.remove(&Context::default(), &made.id).await.unwrap();
    // What was killed has left the folder of its launch, which counts as a use of the image for a while.
    for launch in std::fs::read_dir(stage.home.path("two/launches")).unwrap().flatten() {
        assert!(!launch.path().join("sending").exists());
        std::fs::remove_dir_all(launch.path()).unwrap();
    }
}

/// The site's file with the cluster whose folder is `two`.
fn site(stage: &Stage) -> PathBuf {
    let site = stage.home.path("prepared.toml");
    let entry = format!(
        "[[backend]]\nname = \"lab\"\ntype = \"slurm\"\nconf = \"{}\"\nbin = \"{}\"\nfolder = \"{}\"\nruntime = \"charliecloud\"\npace = 1\n",
        stage.conf.display(),
        stage.bin.display(),
        stage.home.path("two").display()
    );
    std::fs::write(&site, entry).unwrap();
    site
}

/// A queued job uses the image: clearing leaves it. After the job is removed, nothing does.
async fn what_a_job_uses_stays_in_the_cache(stage: &Stage, alpine: &Image, supply: &Supply) {
    let cx = Context::default();
    let wharf = |arguments: &[&str]| {
        let output = stage.home.wharf(arguments).env("WHARF_SITE", site(stage)).output().unwrap();
        format!("{}{}", lab::said(&output), lab::complained(&output))
    };
    let launcher =
        stage.backend(settings(stage, "two"), vec![Arc::new(Charliecloud::new(exec::on_path("ch-run").unwrap()))]);
    let first = stage.slurm("sbatch", &["--parsable", "-o", "/dev/null", "--wrap", "sleep 300"]);
    let after = format!("afterany:{first}");
    let mut given = asked("charliecloud", "true");
    given.push(("after", &after));
    let plan = launcher.plan(&cx, alpine, &answers(&given)).await.unwrap();
    let made = launcher.launch(&cx, &plan, supply).await.unwrap();
    let file = prepared_file(stage, "two");
    let told = wharf(&["cache", "clear", "--yes"]);
    assert!(told.contains("stays") && told.contains(&format!("in use: job {}", made.id)), "{told}");
    assert!(file.is_file());
    let listed: serde_json::Value = serde_json::from_str(&wharf(&["cache", "--json"])).unwrap();
    let size = listed[0]["size"].as_u64().unwrap();
    assert!(size >= file.metadata().unwrap().len() && listed[0]["form"] == "squashfs", "{listed}");
    launcher.remove(&cx, &made.id).await.unwrap();
    stage.slurm("scancel", &[&first]);
    let young = wharf(&["cache", "clear", "--older-than", "1d", "--keep-under", "10G", "--yes"]);
    assert!(young.contains("nothing goes") && file.is_file(), "{young}");
    let told = wharf(&["cache", "clear", "--yes"]);
    assert!(told.contains("removed") && !file.exists(), "{told}");
    assert!(wharf(&["cache"]).contains("no backend keeps images"));
}

#[test]
fn the_cache_has_what_local_workloads_were_unpacked_for() {
    if SandboxProgram::find().is_none() {
        return eprintln!("left out: bwrap and unshare are missing");
    }
    let home = Home::new();
    let launched = home.run(&["launch", &lab::starter(), "--on", "local", "--follow"]);
    assert!(launched.status.success(), "{}", lab::complained(&launched));
    let listed = lab::said(&home.run(&["cache"]));
    assert!(listed.contains("local") && listed.contains("roots"), "{listed}");
    let asked = home.run(&["cache", "clear"]);
    assert_eq!(asked.status.code(), Some(2), "nobody can be asked: {}", lab::said(&asked));
    let wrong = home.run(&["cache", "clear", "--keep-under", "much", "--yes"]);
    assert!(wrong.status.code() == Some(2) && lab::complained(&wrong).contains("no size"));
    assert!(lab::said(&home.run(&["cache", "clear", "--plan"])).contains("goes"));
    assert!(lab::said(&home.run(&["cache", "clear", "--older-than", "1d", "--yes"])).contains("nothing goes"));
    assert!(lab::said(&home.run(&["cache", "clear", "--yes"])).contains("removed"));
    assert!(lab::said(&home.run(&["cache"])).contains("no backend keeps images"));
    let audit = lab::said(&home.run(&["audit"]));
    assert!(audit.contains("clear-cache"), "{audit}");
}
