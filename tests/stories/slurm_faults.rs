//! What goes wrong around a real cluster: clocks that differ, file systems that are full or start no programs. And what
//! processes of one person know from each other.

use std::{
    ffi::OsStr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use wharf::{
    adapters::{runtimes::Charliecloud, shared::exec, slurm::Settings},
    core::{
        base::{context::Context, error::Kind},
        launch::plan::State,
    },
};

use crate::{
    lab::{self, need},
    launchers::{answers, logs, supply, until},
    slurm::{BIN, CONF, Stage, as_person},
};

/// Where the file systems of these tests are, for the person.
const SMALL: &str = "WHARF_STORY_SMALL";
const NOEXEC: &str = "WHARF_STORY_NOEXEC";

/// A file system of its own, which ends with the test.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let at = folder.path().join("at");
        std::fs::create_dir(&at).unwrap();
        let options = format!("mode=1777,{options}");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&at).status().unwrap();
        assert!(mounted.success(), "tmpfs with {options}");
        Self(folder)
    }

    fn path(&self) -> String {
        self.0.path().join("at").display().to_string()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").args(["--lazy", &self.path()]).status();
    }
}

#[test]
fn a_full_disk_and_one_without_programs_are_told() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    let (small, noexec) = (Mounted::new("size=256k"), Mounted::new("noexec,size=256m"));
    let places = [(SMALL, small.path()), (NOEXEC, noexec.path())];
    let places = places.each_ref().map(|(name, path)| (*name, path.as_str()));
    as_person("slurm_faults::a_person_meets_odd_disks", &conf, &bin, &places);
}

#[test]
fn processes_know_from_each_other_and_clocks_may_differ() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    as_person("slurm_faults::a_person_starts_one_process_after_the_other", &conf, &bin, &[]);
}

fn settings(stage: &Stage, folder: PathBuf) -> Settings {
    let (bin, conf) = (Some(stage.bin.clone()), Some(stage.conf.clone()));
    Settings { bin, conf, folder: Some(folder), pace: Some(1), ..Settings::default() }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the tests of the clusters start it as another person"]
async fn a_person_meets_odd_disks() {
    let (Some(stage), Some(small), Some(noexec)) = (Stage::new(), std::env::var_os(SMALL), std::env::var_os(NOEXEC))
    else {
        return;
    };
    a_disk_is_full_while_a_job_writes(&stage, Path::new(&small)).await;
    a_launch_finds_a_full_disk(&stage, Path::new(&small)).await;
    no_program_can_be_started_from_a_folder(&stage, Path::new(&noexec)).await;
    a_partition_is_closed_between_plan_and_launch(&stage).await;
}

async fn a_partition_is_closed_between_plan_and_launch(stage: &Stage) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    let given = answers(&[("partition", "long"), ("time", "5m"), ("memory", "100M")]);
    let folder = stage.home.path("shared");
    let plan = stage.launcher_with(settings(stage, folder.clone())).plan(&cx, &alpine, &given).await.unwrap();
    let script = "#!/bin/sh\nREAL \"$@\" | sed -e '/PartitionName=long/s/State=UP/State=INACTIVE/'\n";
    let bin = Some(stage.commands("closing", "scontrol", script));
    let launcher = stage.launcher_with(Settings { bin, ..settings(stage, folder) });
    let error = launcher.launch(&cx, &plan, &supply(&stage.portal, &alpine).await).await.unwrap_err();
    assert!(error.why.contains("partition long is inactive"), "{error}");
    let comments = stage.slurm("squeue", &["--me", "-h", "-O", "Comment:200"]);
    assert!(!comments.contains(&plan.idempotency_key), "nothing was sent: {comments}");
}

async fn a_disk_is_full_while_a_job_writes(stage: &Stage, small: &Path) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    let launcher = stage.launcher_with(settings(stage, stage.home.path("shared")));
    let output = small.join("out");
    std::fs::create_dir(&output).unwrap();
    let output = output.display().to_string();
    let given = [("command", "cat /proc/self/exe"), ("time", "5m"), ("output", &output)];
    let made = stage.launch(&launcher, &alpine, &given).await;
    let ended = until(&launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(1), "the program was told that the disk is full");
    let text = logs(&launcher, &made.id).await;
    assert!(text.contains("ELF"), "what had room is there: {} bytes", text.len());
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn a_launch_finds_a_full_disk(stage: &Stage, small: &Path) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    let folder = small.join("launches-of-ada");
    std::fs::create_dir(&folder).unwrap();
    let _ = std::fs::write(small.join("rest"), vec![0; 1 << 20]);
    let launcher = stage.launcher_with(settings(stage, folder));
    let plan = launcher.plan(&cx, &alpine, &answers(&[("time", "5m")])).await.unwrap();
    let error = launcher.launch(&cx, &plan, &supply(&stage.portal, &alpine).await).await.unwrap_err();
    assert!(error.to_string().contains("No space left"), "{error}");
    let comments = stage.slurm("squeue", &["--me", "-h", "-O", "Comment:200"]);
    assert!(!comments.contains(&plan.idempotency_key), "nothing was sent: {comments}");
}

async fn no_program_can_be_started_from_a_folder(stage: &Stage, noexec: &Path) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    let launcher = stage.launcher_with(settings(stage, noexec.join("unpacked")));
    let error = launcher.plan(&cx, &alpine, &answers(&[])).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
    assert!(error.why.contains("noexec") && error.hint.contains("folder"), "{error}");
    let Some(program) = exec::on_path("ch-run") else { return eprintln!("left out: ch-run is not here") };
    // A prepared file is mounted where it is run.
    let runtime = Arc::new(Charliecloud::new(program));
    let launcher = stage.backend(settings(stage, noexec.join("prepared")), vec![runtime]);
    let given = [("command", "echo it runs"), ("network", "host"), ("time", "5m")];
    let made = stage.launch(&launcher, &alpine, &given).await;
    let ended = until(&launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    let text = logs(&launcher, &made.id).await;
    assert_eq!((ended.state, text.as_str()), (State::Exited(0), "it runs\n"));
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// The program with a configuration of one cluster, whose commands are in `bin`; `before` are the words before it.
fn wharf(stage: &Stage, bin: &Path, before: &[&str], arguments: &[&str]) -> Output {
    let site = stage.home.path("site.toml");
    let (conf, folder) = (stage.conf.display(), stage.home.path("shared"));
    let entry = format!(
        "[[backend]]\nname = \"lab\"\ntype = \"slurm\"\nconf = \"{conf}\"\nbin = \"{}\"\nfolder = \"{}\"\npace = 1\n",
        bin.display(),
        folder.display()
    );
    std::fs::write(&site, entry).unwrap();
    let plain = stage.home.wharf(arguments);
    let words: Vec<_> =
        before.iter().map(|word| OsStr::new(*word)).chain([plain.get_program()]).chain(plain.get_args()).collect();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).env_clear();
    command.envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("WHARF_SITE", &site).env("WHARF_REGISTRIES", format!("http://{}", open())).output().unwrap()
}

fn open() -> String {
    std::env::var("WHARF_LAB_OPEN").unwrap()
}

#[test]
#[ignore = "the tests of the clusters start it as another person"]
fn a_person_starts_one_process_after_the_other() {
    if std::env::var_os(CONF).is_none() || std::env::var_os(BIN).is_none() {
        return;
    }
    let Some(stage) = Stage::new() else { return };
    another_process_asks_the_database_nothing(&stage);
    this_machines_clock_is_wrong(&stage);
}

fn another_process_asks_the_database_nothing(stage: &Stage) {
    let log = stage.home.path("asked");
    let script = format!("#!/bin/sh\necho asked >>{}\nexec REAL \"$@\"\n", log.display());
    let bin = stage.commands("counting", "sacctmgr", &script);
    let image = format!("{}/library/alpine:latest", open());
    let plan = |more: &[&str]| {
        let done = wharf(stage, &bin, &[], &[&["launch", &image, "--on", "lab", "--plan"], more].concat());
        assert!(done.status.success(), "{}", lab::complained(&done));
        lab::said(&done)
    };
    let count = || std::fs::read_to_string(&log).unwrap().lines().count();
    assert!(plan(&[]).contains("#SBATCH --partition=short"));
    assert_eq!(count(), 2, "accounts and qualities of service, after the answer");
    let with = plan(&["--set", "account=physics", "--set", "qos=short", "--set", "time=4m"]);
    assert!(with.contains("#SBATCH --qos=short"), "{with}");
    assert_eq!(count(), 2);
    // Damaged, it is as if nothing was kept.
    for entry in std::fs::read_dir(stage.home.path("cache/slurm")).unwrap().flatten() {
        std::fs::write(entry.path(), "{\"format\":1,").unwrap();
    }
    assert!(plan(&[]).contains("#SBATCH --partition=short"));
    assert_eq!(count(), 4);
    let doctor = wharf(stage, &bin, &[], &["doctor"]);
    assert!(lab::said(&doctor).contains("lab"), "{}", lab::said(&doctor));
    assert_eq!(count(), 6, "whoever looks after the cluster gets it anew");
}

/// Slurm's own programs have the right time; the program is two hours before them, and after.
fn this_machines_clock_is_wrong(stage: &Stage) {
    if exec::on_path("faketime").is_none() {
        return eprintln!("left out: faketime is not here");
    }
    let image = format!("{}/library/alpine:latest", open());
    for wrong in ["+2h", "-2h"] {
        let before = ["faketime", "-f", wrong];
        let command = ["launch", &image, "--on", "lab", "--set", "time=5m", "--follow", "--"];
        let command = [&command[..], &["sh", "-c", "echo told; exit 3"]].concat();
        let done = wharf(stage, &stage.bin, &before, &command);
        let told = format!("{wrong}: {}{}", lab::said(&done), lab::complained(&done));
        assert!(done.status.code() == Some(3) && lab::said(&done).contains("told"), "{told}");
    }
}
