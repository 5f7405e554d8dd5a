//! The contract that every launcher must keep.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::TryStreamExt;
use wharf::{
    adapters::{
        local::{Local, SandboxProgram, Sandboxes},
        oci,
        parts::{Parts, Surroundings},
        shared::http,
    },
    core::{
        base::{context::Context, error::Kind, text::now},
        image::model::Image,
        launch::{
            form::{Answers, Form},
            logs::{LogRange, split},
            plan::{State, Workload},
        },
        portal::Portal,
        ports::{Ability, ByteStream, Launcher, Runtime, Supply},
    },
};

use crate::{
    lab::{self, Home, need},
    register_backends,
};

pub(crate) fn answers(pairs: &[(&str, &str)]) -> Answers {
    Answers(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect::<BTreeMap<_, _>>())
}

pub(crate) async fn supply(portal: &Portal, image: &Image) -> Supply {
    let reference = image.pinned.clone().unwrap().reference;
    Supply {
        image: image.pinned.clone().unwrap(),
        content: Some(lab::place(portal, &reference).content),
        disks: None,
        credentials: None,
        known: Default::default(),
    }
}

pub(crate) async fn until(launcher: &Arc<dyn Launcher>, id: &str, wanted: impl Fn(&State) -> bool) -> Workload {
    let began = Instant::now();
    loop {
        let (all, _) = launcher.workloads(&Context::default()).await.unwrap();
        let found = all.into_iter().find(|workload| workload.id == id);
        match found {
            Some(workload) if wanted(&workload.state) => return workload,
            other => assert!(began.elapsed() < Duration::from_secs(30), "it stays {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) async fn logs(launcher: &Arc<dyn Launcher>, id: &str) -> String {
    let chunks: Vec<_> =
        launcher.logs(&Context::default(), id, LogRange::following()).await.unwrap().try_collect().await.unwrap();
    String::from_utf8_lossy(&chunks.concat()).into_owned()
}

/// Reads until these words have come; gives all that came.
pub(crate) async fn until_it_says(stream: &mut ByteStream, words: &str) -> String {
    let mut text = String::new();
    while let Some(bytes) = stream.try_next().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&bytes));
        if text.contains(words) {
            return text;
        }
    }
    panic!("it ended without '{words}': {text}");
}

/// The contract of every launcher, whatever else it can do: `Launcher`'s documentation, sentence by sentence.
pub(crate) async fn contract(launcher: &Arc<dyn Launcher>, image: &Image, supply: &Supply, first: &[(&str, &str)]) {
    let cx = Context::default();
    let name = launcher.name().to_owned();
    launcher.accepts(image).unwrap();
    let form = launcher.form(&cx, image).await.unwrap();
    assert!(form.check(&form.defaults()).is_ok(), "{name}: its own defaults fit");
    let titles: std::collections::BTreeSet<_> = form.sections.iter().map(|section| section.title).collect();
    assert_eq!(titles.len(), form.sections.len(), "{name}: each section has a title of its own");
    assert!(form.sections.iter().all(|section| !section.fields.is_empty()), "{name}: no section is empty");
    let unknown = launcher.plan(&cx, image, &answers(&[("colour", "red")])).await.unwrap_err();
    assert_eq!(unknown.kind, Kind::Usage, "{name}: {unknown}");
    let (before, _) = launcher.workloads(&cx).await.unwrap();
    let plan = launcher.plan(&cx, image, &answers(first)).await.unwrap();
    assert_eq!(plan.privileged, form.privileged, "{name}: the form says what the plan will");
    let other = launcher.plan(&cx, image, &answers(first)).await.unwrap();
    assert_eq!(plan.backend, name);
    assert_ne!(plan.idempotency_key, other.idempotency_key, "{name}: two plans are two launches");
    assert!(plan.shown().contains(plan.image.digest.as_str()), "{name}: the plan names the digest");
    assert!(plan.risks.iter().any(|risk| risk.text.contains("none of your files")), "{name}: careful by default");
    let (after, _) = launcher.workloads(&cx).await.unwrap();
    assert_eq!(before.len(), after.len(), "{name}: a plan makes nothing");
    let made = launcher.launch(&cx, &plan, supply).await.unwrap();
    let again = launcher.launch(&cx, &plan, supply).await.unwrap();
    assert_eq!(made.id, again.id, "{name}: a plan carried out twice is one workload");
    let found = until(launcher, &made.id, |_| true).await;
    assert_eq!((found.digest.as_str(), found.backend), (plan.image.digest.as_str(), name.clone()));
    refuses(launcher, &made.id).await;
    for _ in 0..2 {
        launcher.stop(&cx, &made.id).await.unwrap();
    }
    until(launcher, &made.id, |state| !state.may_stop()).await;
    if launcher.abilities().contains(&Ability::Remove) {
        for _ in 0..2 {
            launcher.remove(&cx, &made.id).await.unwrap();
        }
        assert!(!launcher.workloads(&cx).await.unwrap().0.iter().any(|workload| workload.id == made.id), "{name}");
        let gone = launcher.stop(&cx, &made.id).await.unwrap_err();
        assert_eq!(gone.kind, Kind::NotFound, "{name}: {gone}");
    }
}

/// An ability that a launcher does not list is refused with a reason, and does not fail in another way.
async fn refuses(launcher: &Arc<dyn Launcher>, id: &str) {
    let cx = Context::default();
    let can = |ability| launcher.abilities().contains(&ability);
    let volume = "volume://site/x".parse().unwrap();
    let refusals = [
        (Ability::Logs, launcher.logs(&cx, id, LogRange::default()).await.err()),
        (Ability::Volumes, launcher.detach(&cx, id, &volume).await.err()),
    ];
    for (ability, refused) in refusals.into_iter().filter(|(ability, _)| !can(*ability)) {
        assert_eq!(refused.unwrap().kind, Kind::Unsupported, "{ability:?}");
    }
    if !can(Ability::Exec) {
        assert_eq!(launcher.exec(&cx, id, vec!["true".into()]).await.unwrap_err().kind, Kind::Unsupported);
    }
    for (ability, command) in [(Ability::Terminal, Some(vec!["sh".to_owned()])), (Ability::Attach, None)] {
        if !can(ability) {
            let refused = launcher.terminal(&cx, id, command, (80, 24)).await.err().unwrap();
            assert_eq!(refused.kind, Kind::Unsupported, "{ability:?}");
        }
    }
    for ability in Ability::ALL {
        let refused = launcher.must(*ability, id);
        assert_eq!(refused.is_ok(), can(*ability));
        assert!(refused.err().is_none_or(|error| error.kind == Kind::Unsupported && !error.why.is_empty()));
    }
    if !can(Ability::Snapshot) {
        assert_eq!(launcher.snapshot(&cx, id, "x").await.unwrap_err().kind, Kind::Unsupported);
    }
    if !can(Ability::Resize) {
        assert_eq!(launcher.sizes(&cx, id).await.unwrap_err().kind, Kind::Unsupported);
        assert_eq!(launcher.resize(&cx, id, &Answers::default()).await.unwrap_err().kind, Kind::Unsupported);
    }
    if !can(Ability::Start) {
        assert_eq!(launcher.start(&cx, id, false).await.unwrap_err().kind, Kind::Unsupported);
    }
    if !can(Ability::Usage) {
        assert_eq!(launcher.usage(&cx, id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn the_example_backend_keeps_the_contract() {
    let home = Home::new();
    let around = Surroundings {
        prepared: Default::default(),
        vault: lab::vault(&home),
        reach: http::AllowedServers::default(),
        make_registry: oci::source,
        open_registry: oci::open,
        cache_dir: home.path("cache"),
        state_dir: home.path("state"),
    };
    let mut parts = Parts::default();
    register_backends(&home.config(), &around, &mut parts).unwrap();
    let launcher = parts.launchers.remove(0);
    let portal = lab::portal(&home, Vec::new());
    let image = portal.sources.image(&Context::default(), &lab::starter().parse().unwrap(), None).await.unwrap();
    let supply = supply(&portal, &image).await;
    contract(&launcher, &image, &supply, &[]).await;
}

/// The name that an example gives itself in quotes after `before`, and the other files that contain it.
pub(crate) fn naming(example: &str, before: &str) -> (String, Vec<String>) {
    fn files(folder: &Path, all: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() { files(&path, all) } else { all.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let own = root.join(example);
    // The name is read from the example's own file: if it were written here, one more file would contain it.
    let text = std::fs::read_to_string(&own).unwrap();
    let after = text.split_once(before).unwrap().1;
    let name = after.split('"').nth(1).unwrap();
    let mut all = Vec::new();
    for folder in ["src", "tests", "assets", ".github", ".ci"] {
        files(&root.join(folder), &mut all);
    }
    all.extend([root.join("README.md"), root.join("Cargo.toml")]);
    let names = |path: &&PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        String::from_utf8_lossy(&bytes).to_lowercase().contains(name)
    };
    let naming = all.iter().filter(|path| **path != own).filter(names);
    let below = |path: &PathBuf| path.strip_prefix(root).unwrap().display().to_string();
    (name.to_owned(), naming.map(below).collect())
}

/// What CONTRIBUTING promises: a backend is a folder and a word. Only its own files and the one that registers it name
/// it.
#[test]
fn the_example_backend_is_named_where_it_is_registered_only() {
    let (own, naming) = naming("tests/examples/backend.rs", "fn name(&self)");
    assert_eq!(naming, ["tests/stories/main.rs"], "{own}");
}

/// A prepared image runs by its command line alone, without cache, registry or keeper: so a batch script can run it on
/// a node.
#[tokio::test(flavor = "multi_thread")]
async fn a_prepared_image_runs_by_the_words_of_its_runtime() {
    let Some(program) = SandboxProgram::find() else { return eprintln!("left out: bwrap and unshare are missing") };
    let home = Home::new();
    let portal = lab::portal(&home, Vec::new());
    let cx = Context::default();
    let image = portal.sources.image(&cx, &lab::starter().parse().unwrap(), None).await.unwrap();
    let supply = supply(&portal, &image).await;
    let runtime = Sandboxes::new(Some(program));
    runtime.accepts(&image).unwrap();
    let answers = Form::new(runtime.questions(&image)).check(&answers(&[("writable", "yes")])).unwrap();
    let described = runtime.describe(&image, &answers).await.unwrap();
    assert_eq!(described, runtime.describe(&image, &answers).await.unwrap(), "it says the same again");
    let (images, folder) = (home.path("shared"), home.path("job"));
    let words = runtime.argv(&folder).unwrap();
    std::fs::create_dir(&folder).unwrap();
    for _ in 0..2 {
        runtime.prepare(&cx, &supply, &described.process, &images, &folder).await.unwrap();
    }
    assert_eq!(words, runtime.argv(&folder).unwrap(), "a plan shows what is sent");
    for _ in 0..2 {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_wharf"))
            .args(&words[1..])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .output()
            .unwrap();
        let text = lab::said(&ran);
        assert!(text.contains("look: what a program here can see"), "{text}{}", lab::complained(&ran));
        assert!(text.contains("CapEff:\t0000000000000000") && text.contains("NoNewPrivs:\t1"), "{text}");
        assert_eq!(ran.status.code(), Some(0));
    }
}

/// Form, plan, launch, logs; then a running workload: found again, entered, measured, stopped, removed.
async fn story(launcher: Arc<dyn Launcher>, portal: &Portal, running: Option<&str>) {
    let cx = Context::default();
    let name = launcher.name().to_owned();
    let look = portal.sources.image(&cx, &lab::starter().parse().unwrap(), None).await.unwrap();
    // Rootless Podman's private network needs /dev/net/tun, which not every machine has.
    let first = if name == "rootless" { vec![("network", "none")] } else { Vec::new() };
    let supply_of_look = supply(portal, &look).await;
    contract(&launcher, &look, &supply_of_look, &first).await;
    let plan = launcher.plan(&cx, &look, &answers(&first)).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply_of_look).await.unwrap();
    let text = logs(&launcher, &made.id).await;
    assert!(
        text.contains("look: what a program here can see") && text.contains("CapEff:\t0000000000000000"),
        "{name}: {text}"
    );
    assert!(text.contains("NoNewPrivs:\t1"), "{name}: {text}");
    let ended = until(&launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(0), "{name}");
    assert_eq!(ended.digest, plan.image.digest.to_string(), "{name}: found again by its digest");
    launcher.remove(&cx, &made.id).await.unwrap();
    launcher.remove(&cx, &made.id).await.unwrap();
    assert!(!launcher.workloads(&cx).await.unwrap().0.iter().any(|workload| workload.id == made.id));
    let Some(reference) = running else { return };
    let image = portal.sources.image(&cx, &reference.parse().unwrap(), None).await.unwrap();
    let plan = launcher.plan(&cx, &image, &answers(&[("command", "sleep 300"), ("network", "none")])).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(portal, &image).await).await.unwrap();
    until(&launcher, &made.id, |state| *state == State::Running).await;
    let (said, code) = launcher.exec(&cx, &made.id, vec!["cat".into(), "/etc/os-release".into()]).await.unwrap();
    assert!(
        String::from_utf8_lossy(&said).contains("Alpine") && code == 0,
        "{name}: {}",
        String::from_utf8_lossy(&said)
    );
    let (_, code) = launcher.exec(&cx, &made.id, vec!["false".into()]).await.unwrap();
    assert_eq!(code, 1, "{name}: the exit code comes back");
    let mut terminal = launcher.terminal(&cx, &made.id, Some(vec!["/bin/sh".into()]), (80, 24)).await.unwrap();
    terminal.input.send("echo $((40+2)); exit\r".into()).await.unwrap();
    let mut typed = String::new();
    while let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_secs(20), terminal.output.try_next()).await {
        typed.push_str(&String::from_utf8_lossy(&bytes));
        if typed.contains("42") {
            break;
        }
    }
    assert!(typed.contains("42"), "{name}: the terminal answers: {typed}");
    launcher.stop(&cx, &made.id).await.unwrap();
    launcher.stop(&cx, &made.id).await.unwrap();
    until(&launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    launcher.remove(&cx, &made.id).await.unwrap();
    attached(&launcher, portal, &image).await;
    watched(&launcher, portal, &image).await;
    reached(&launcher, portal, &image).await;
}

/// A busy program is measured, and its output has times if they are requested.
async fn watched(launcher: &Arc<dyn Launcher>, portal: &Portal, image: &Image) {
    let cx = Context::default();
    let name = launcher.name().to_owned();
    let command = "sh -c 'echo begun; while :; do :; done'";
    let plan = launcher.plan(&cx, image, &answers(&[("command", command), ("network", "none")])).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(portal, image).await).await.unwrap();
    let read = async |wanted: LogRange| -> String {
        let chunks: Vec<_> = launcher.logs(&cx, &made.id, wanted).await.unwrap().try_collect().await.unwrap();
        String::from_utf8_lossy(&chunks.concat()).into_owned()
    };
    let began = Instant::now();
    while !read(LogRange::default()).await.contains("begun") {
        assert!(began.elapsed() < Duration::from_secs(30), "{name}: it printed nothing");
    }
    let timed = read(LogRange { times: true, ..LogRange::default() }).await;
    let (time, line) = split(timed.lines().next().unwrap()).unwrap_or_else(|| panic!("{name}: no time in {timed:?}"));
    assert!((time - now()).abs() < 120 && line == "begun", "{name}: {timed:?}");
    let since = async |since| read(LogRange { since: Some(since), ..LogRange::default() }).await;
    assert_eq!((since(time - 60).await.as_str(), since(now() + 60).await.as_str()), ("begun\n", ""), "{name}");
    if name != "rootless" {
        // Rootless Podman does not measure with this lab's control groups.
        let first = launcher.usage(&cx, &made.id).await.unwrap().expect("engines tell");
        assert!(first.memory.unwrap() > 0 && first.cpu_percent.is_none(), "{name}: {first:?}");
        let used = loop {
            let usage = launcher.usage(&cx, &made.id).await.unwrap().unwrap();
            match usage.cpu_percent {
                Some(percent) if percent > 5.0 => break percent,
                _ => assert!(began.elapsed() < Duration::from_secs(60), "{name}: it does not count as busy: {usage:?}"),
            }
        };
        assert!(used < 100.0 * 64.0, "{name}: one loop takes one processor, not {used} %");
    }
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// Published ports are listed with the address that they listen on.
async fn reached(launcher: &Arc<dyn Launcher>, portal: &Portal, image: &Image) {
    let cx = Context::default();
    let name = launcher.name().to_owned();
    let port = lab::free_port();
    let given = answers(&[("command", "sleep 300"), ("ports", &format!("{port}:80"))]);
    let plan = launcher.plan(&cx, image, &given).await.unwrap();
    let launched = launcher.launch(&cx, &plan, &supply(portal, image).await).await;
    let made = match launched {
        Ok(made) => made,
        Err(error) => return eprintln!("left out: {name} has no private network here: {error}"),
    };
    let told: Vec<String> = made.ports.iter().map(ToString::to_string).collect();
    launcher.remove(&cx, &made.id).await.unwrap();
    if name == "docker" && told.is_empty() {
        return eprintln!("left out: the lab's docker has no private network to publish from");
    }
    assert_eq!(told, [format!("127.0.0.1:{port} → 80/tcp")], "{name}");
}

/// A program with its own terminal is attached to, answers typed input, and ends with it.
async fn attached(launcher: &Arc<dyn Launcher>, portal: &Portal, image: &Image) {
    let cx = Context::default();
    let name = launcher.name().to_owned();
    let given = answers(&[("command", "/bin/sh"), ("terminal", "yes"), ("network", "none")]);
    let plan = launcher.plan(&cx, image, &given).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(portal, image).await).await.unwrap();
    until(launcher, &made.id, |state| *state == State::Running).await;
    let mut terminal = launcher.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
    let mut seen = String::new();
    terminal.input.send("echo $((40+2))\r".into()).await.unwrap();
    loop {
        let next = tokio::time::timeout(Duration::from_secs(20), terminal.output.try_next()).await;
        let bytes = next.unwrap_or_else(|_| panic!("{name}: nothing came after {seen:?}"));
        seen.push_str(&String::from_utf8_lossy(&bytes.unwrap().expect("it has not ended")));
        if seen.contains("42") {
            break;
        }
    }
    // A body in the attach request would have been typed into the shell.
    assert!(!seen.contains("{}"), "{name}: {seen:?}");
    terminal.input.send("exit 3\r".into()).await.unwrap();
    let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(3), "{name}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn bwrap_launches_without_a_daemon() {
    sandbox(SandboxProgram::Bwrap).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unshare_launches_without_a_daemon() {
    sandbox(SandboxProgram::Unshare).await;
}

/// The daemonless backend starts our own program as keeper, which must be the real one here: so this test uses the
/// command line.
async fn sandbox(runtime: SandboxProgram) {
    if wharf::adapters::shared::exec::on_path(runtime.name()).is_none() {
        return eprintln!("left out: {} is not installed", runtime.name());
    }
    let home = Home::new();
    // A path with only what this runtime needs: without bwrap, unshare is used.
    let bin = home.path("bin");
    std::fs::create_dir(&bin).unwrap();
    for program in [runtime.name(), "nsenter", "cp"] {
        std::os::unix::fs::symlink(wharf::adapters::shared::exec::on_path(program).unwrap(), bin.join(program))
            .unwrap();
    }
    let local = Local::new(&home.path("cache"), &home.path("state"), Some(runtime));
    let health = local.health(&Context::default()).await.unwrap();
    assert!(health.note.contains(runtime.name()), "{health:?}");
    let run = |arguments: &[&str]| {
        home.wharf(arguments)
            .env("PATH", &bin)
            .env("WHARF_DISCOVER", "yes")
            .env("WHARF_REGISTRIES", open())
            .output()
            .unwrap()
    };
    let plan = run(&["launch", &lab::starter(), "--on", "local", "--plan", "--json"]);
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    let spec: serde_json::Value = serde_json::from_str(plan["steps"][1]["text"].as_str().unwrap()).unwrap();
    assert_eq!(spec["argv"][0], runtime.name());
    let looked = run(&["launch", &lab::starter(), "--on", "local", "--follow"]);
    let text = lab::said(&looked);
    assert!(
        text.contains("user 1000 group 1000")
            && text.contains("CapEff:\t0000000000000000")
            && text.contains("NoNewPrivs:\t1"),
        "{text}{}",
        lab::complained(&looked)
    );
    assert!(!text.contains("eth0"), "no network unless asked: {text}");
    let Some(host) = lab::part("WHARF_LAB_OPEN") else { return };
    let alpine = format!("{host}/library/alpine:latest");
    let launched = run(&["launch", &alpine, "--on", "local", "--json", "--set", "name=napper", "--", "sleep", "300"]);
    let workload: serde_json::Value =
        serde_json::from_slice(&launched.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&launched)));
    let id = workload["id"].as_str().unwrap();
    // Wharf has ended; the workload runs on and is found again.
    let listed = lab::said(&run(&["workloads"]));
    assert!(listed.contains("napper") && listed.contains("running"), "{listed}");
    let inside = run(&["exec", id, "--", "cat", "/etc/os-release"]);
    assert!(lab::said(&inside).contains("Alpine"), "{}{}", lab::said(&inside), lab::complained(&inside));
    assert_eq!(
        run(&["exec", id, "--", "sh", "-c", "echo x > /etc/evil"]).status.code(),
        Some(1),
        "the image cannot be changed"
    );
    let listed: serde_json::Value = serde_json::from_slice(&run(&["workloads", "--json"]).stdout).unwrap();
    let napper = listed.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap();
    assert!(napper["usage"]["memory"].as_u64().unwrap() > 0 && napper["usage"]["cpu_percent"].is_number(), "{napper}");
    assert_eq!((&napper["usage"]["network"], &napper["ports"]), (&serde_json::Value::Null, &serde_json::json!([])));
    for option in ["--timestamps", "--since=1h"] {
        let refused = run(&["logs", id, option]);
        assert_eq!(refused.status.code(), Some(1));
        let said = lab::complained(&refused);
        assert!(said.contains("without times") && lab::said(&refused).is_empty(), "{said}");
    }
    assert_eq!(run(&["stop", id]).status.code(), Some(0));
    let listed = lab::said(&run(&["workloads"]));
    assert!(listed.contains("stopped"), "it was asked, not killed: {listed}");
    for verb in [vec!["start", id], vec!["snapshot", id, "x"], vec!["console", id]] {
        let refused = lab::complained(&run(&verb));
        assert!(
            refused.contains("launch") || refused.contains("open a shell"),
            "what to do instead is said: {refused}"
        );
        assert!(refused.contains("on local"), "{refused}");
    }
    // A program that wants to clean up before it ends can do so.
    let script = "trap 'echo tidied; exit 7' TERM; echo ready; while :; do sleep 0.1; done";
    let tidy = run(&["launch", &alpine, "--on", "local", "--json", "--set", "name=tidy", "--", "sh", "-c", script]);
    let tidy: serde_json::Value = serde_json::from_slice(&tidy.stdout).unwrap();
    let tidy = tidy["id"].as_str().unwrap();
    let began = Instant::now();
    while !lab::said(&run(&["logs", tidy])).contains("ready") {
        assert!(began.elapsed() < Duration::from_secs(20));
    }
    assert_eq!(run(&["stop", tidy]).status.code(), Some(0));
    assert!(lab::said(&run(&["logs", tidy])).contains("tidied"));
    assert!(lab::said(&run(&["workloads"])).contains("exit 7"));
    let one =
        run(&["launch", &alpine, "--on", "local", "--follow", "--set", "cpus=1", "--", "cat", "/proc/self/status"]);
    let status = lab::said(&one);
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default().trim();
    assert!(allowed.parse::<u32>().is_ok(), "one processor: '{allowed}' {}", lab::complained(&one));
    // A private copy can be changed, the shared one stays as it was.
    let wrote = run(&[
        "launch",
        &alpine,
        "--on",
        "local",
        "--follow",
        "--set",
        "writable=yes",
        "--",
        "sh",
        "-c",
        "echo changed > /etc/mark; cat /etc/mark",
    ]);
    assert!(lab::said(&wrote).contains("changed"), "{}", lab::complained(&wrote));
    let read = run(&["launch", &alpine, "--on", "local", "--follow", "--", "cat", "/etc/mark"]);
    assert_ne!(read.status.code(), Some(0));
    assert_eq!(run(&["remove", id]).status.code(), Some(0));
}

fn open() -> String {
    std::env::var("WHARF_LAB_OPEN").map(|host| format!("http://{host}")).unwrap_or_default()
}

async fn engine(name: &str, socket: &str, open: &str) {
    contract_of_engine(lab::engine(name, socket), open).await;
}

/// The contract story for an engine.
pub(crate) async fn contract_of_engine(engine: wharf::core::config::ConfigEntry, open: &str) {
    let home = Home::new();
    let mut config = home.config();
    let name = &engine.name.clone();
    config.sources = vec![lab::registry("open", open), engine];
    std::fs::create_dir(home.path("images")).unwrap();
    config.image_folders = vec![home.path("images")];
    let parts = wharf::adapters::parts_of(config).unwrap();
    let launcher = parts.launchers.iter().find(|launcher| launcher.name() == name).unwrap().clone();
    let portal = Portal::new(parts);
    story(launcher, &portal, Some(&format!("{open}/library/alpine:latest"))).await;
    // It was pulled by digest, so the engine has no tag for it: its row opens nevertheless.
    let row = portal.sources.row(name, &format!("{open}/library/alpine"), None).unwrap();
    let image = portal.sources.image(&Context::default(), &row, None).await.unwrap();
    assert!(image.pinned.is_some(), "{name}");
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_launches() {
    engine("docker", &need!("WHARF_LAB_DOCKER"), &need!("WHARF_LAB_OPEN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_launches() {
    engine("podman", &need!("WHARF_LAB_PODMAN"), &need!("WHARF_LAB_OPEN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rootless_podman_launches() {
    engine("rootless", &need!("WHARF_LAB_ROOTLESS"), &need!("WHARF_LAB_OPEN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_gets_other_limits_while_it_runs() {
    let (docker, open) = (need!("WHARF_LAB_DOCKER"), need!("WHARF_LAB_OPEN"));
    let home = Home::new();
    let sources = vec![lab::registry("open", &open), lab::engine("docker", &docker)];
    let parts = wharf::adapters::parts_of(wharf::core::config::Config { sources, ..home.config() }).unwrap();
    let launcher = parts.launchers.iter().find(|launcher| launcher.name() == "docker").unwrap().clone();
    let portal = Portal::new(parts);
    let cx = Context::default();
    let reference = format!("oci://{open}/library/alpine:latest").parse().unwrap();
    let image = portal.sources.image(&cx, &reference, None).await.unwrap();
    let given = [("command", "sleep 300"), ("memory", "64M"), ("network", "none")];
    let plan = launcher.plan(&cx, &image, &answers(&given)).await.unwrap();
    let made = launcher.launch(&cx, &plan, &supply(&portal, &image).await).await.unwrap();
    let form = launcher.sizes(&cx, &made.id).await.unwrap();
    assert_eq!(form.field("memory").unwrap().default, "64M");
    for _ in 0..2 {
        let asked = form.check(&answers(&[("memory", "128M"), ("cpus", "2")])).unwrap();
        launcher.resize(&cx, &made.id, &asked).await.unwrap();
    }
    let form = launcher.sizes(&cx, &made.id).await.unwrap();
    assert_eq!(["memory", "cpus"].map(|key| form.field(key).unwrap().default.clone()), ["128M", "2"]);
    let usage = launcher.usage(&cx, &made.id).await.unwrap().unwrap();
    assert_eq!(usage.memory_limit, Some(128 << 20), "it has it while it runs");
    launcher.remove(&cx, &made.id).await.unwrap();
}
