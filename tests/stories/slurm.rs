//! Images as jobs of a real Slurm cluster, of each version that the lab has started. A person without rights does all of
//! it: jobs of root would prove nothing.

use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use wharf::{
    adapters::{
        local::{SandboxProgram, Sandboxes},
        shared::settings::AdapterEntry,
        slurm::{Settings, Slurm},
    },
    core::{
        base::{
            context::Context,
            error::{Kind, Result},
        },
        image::model::Image,
        launch::{
            form::{Answers, Section},
            plan::{State, Step, Workload},
            usage::UNTOLD,
        },
        portal::Portal,
        ports::{Description, Extent, Launcher, Process, Runtime, Supply},
    },
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, contract, logs, supply, until},
};

/// The runtime of this program, which a test is not.
struct Ours(Sandboxes);

impl Ours {
    fn program(words: Vec<String>) -> Vec<String> {
        std::iter::once(env!("CARGO_BIN_EXE_wharf").to_owned()).chain(words.into_iter().skip(1)).collect()
    }
}

#[async_trait]
impl Runtime for Ours {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        self.0.accepts(image)
    }

    fn questions(&self, image: &Image) -> Vec<Section> {
        self.0.questions(image)
    }

    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description> {
        self.0.describe(image, answers).await
    }

    async fn prepare(
        &self,
        cx: &Context,
        supply: &Supply,
        process: &Process,
        images: &Path,
        folder: &Path,
    ) -> Result<()> {
        self.0.prepare(cx, supply, process, images, folder).await
    }

    fn argv(&self, folder: &Path) -> Result<Vec<String>> {
        self.0.argv(folder).map(Self::program)
    }

    fn may_enter(&self, process: &Process) -> Result<()> {
        self.0.may_enter(process)
    }

    fn enter(&self, folder: &Path, place: &Path, terminal: bool) -> Result<Vec<String>> {
        self.0.enter(folder, place, terminal).map(Self::program)
    }
}

/// What a test says to itself as another person.
pub(crate) const CONF: &str = "WHARF_STORY_CONF";
pub(crate) const BIN: &str = "WHARF_STORY_BIN";

/// The folder with Apptainer, where the lab has it.
pub(crate) const APPTAINER: &str = "WHARF_LAB_APPTAINER";

/// Runs an ignored test as the lab's person, on one cluster.
pub(crate) fn as_person(test: &str, conf: &str, bin: &str, also: &[(&str, &str)]) {
    let (Some(person), Some(open)) = (lab::part("WHARF_LAB_SLURM_USER"), lab::part("WHARF_LAB_OPEN")) else { return };
    let ours = std::env::current_exe().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &person, "--regid", &person, "--init-groups", "--", program]).args(arguments);
        let home = Path::new("/home").join(&person);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home).env("USER", &person);
        command.env("LOGNAME", &person).env("WHARF_LAB_OPEN", &open).env(CONF, conf).env(BIN, bin).current_dir("/");
        command.envs(std::env::var_os(APPTAINER).map(|folder| (APPTAINER, folder)));
        command.envs(also.iter().copied());
        command.output().unwrap()
    };
    let program = ours.to_str().unwrap();
    if !run("test", &["-x", program]).status.success() {
        return eprintln!("left out: {person} may not read {program}");
    }
    let output = run(program, &["--exact", test, "--ignored", "--nocapture"]);
    let said = format!("{}{}", lab::said(&output), lab::complained(&output));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

macro_rules! on_each_cluster {
    ($($name:ident $conf:literal $bin:literal;)+) => {
        $(#[test]
        fn $name() {
            let (conf, bin) = (need!($conf), need!($bin));
            as_person("slurm::a_person_launches_jobs", &conf, &bin, &[]);
        })+
    };
}

on_each_cluster! {
    slurm_22_05_launches "WHARF_LAB_SLURM_2205_CONF" "WHARF_LAB_SLURM_2205_BIN";
    slurm_24_11_launches "WHARF_LAB_SLURM_2411_CONF" "WHARF_LAB_SLURM_2411_BIN";
    slurm_26_05_launches "WHARF_LAB_SLURM_2605_CONF" "WHARF_LAB_SLURM_2605_BIN";
}

/// A cluster, and what a person has there.
pub(crate) struct Stage {
    pub home: Home,
    pub portal: Arc<Portal>,
    pub conf: PathBuf,
    pub bin: PathBuf,
}

impl Stage {
    pub(crate) fn new() -> Option<Self> {
        let (conf, bin) = (std::env::var_os(CONF)?.into(), std::env::var_os(BIN)?.into());
        let home = Home::new();
        let portal = lab::portal(&home, vec![lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap())]);
        Some(Self { home, portal, conf, bin })
    }

    /// The backend with these commands.
    fn launcher(&self, bin: &Path) -> Arc<dyn Launcher> {
        self.launcher_asking(bin, 1)
    }

    /// The same, asking for lists at most once in so many seconds.
    fn launcher_asking(&self, bin: &Path, pace: u64) -> Arc<dyn Launcher> {
        let (bin, conf) = (Some(bin.to_owned()), Some(self.conf.clone()));
        self.launcher_with(Settings { bin, conf, pace: Some(pace), ..Settings::default() })
    }

    /// The backend with these settings, whose runtime is this program.
    pub(crate) fn launcher_with(&self, settings: Settings) -> Arc<dyn Launcher> {
        self.backend(settings, vec![Arc::new(Ours(Sandboxes::new(SandboxProgram::find())))])
    }

    /// The backend with these settings and runtimes, and launches in a folder of this test.
    pub(crate) fn backend(&self, settings: Settings, runtimes: Vec<Arc<dyn Runtime>>) -> Arc<dyn Launcher> {
        let settings = Settings { folder: settings.folder.or_else(|| Some(self.home.path("shared"))), ..settings };
        let wanted = AdapterEntry { name: "lab".into(), origin: "test".into(), settings };
        Slurm::new(&wanted, &self.home.path("state"), runtimes).into_launcher()
    }

    pub(crate) async fn image(&self, reference: &str) -> Image {
        self.portal.sources.image(&Context::default(), &reference.parse().unwrap(), None).await.unwrap()
    }

    pub(crate) async fn alpine(&self) -> Image {
        self.image(&format!("{}/library/alpine:latest", std::env::var("WHARF_LAB_OPEN").unwrap())).await
    }

    pub(crate) async fn launch(&self, launcher: &Arc<dyn Launcher>, image: &Image, given: &[(&str, &str)]) -> Workload {
        let cx = Context::default();
        let plan = launcher.plan(&cx, image, &answers(given)).await.unwrap();
        launcher.launch(&cx, &plan, &supply(&self.portal, image).await).await.unwrap()
    }

    /// One of Slurm's commands.
    pub(crate) fn slurm(&self, program: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(self.bin.join(program));
        let output = command.args(arguments).env("SLURM_CONF", &self.conf).current_dir("/tmp").output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", lab::complained(&output));
        lab::said(&output).trim().to_owned()
    }

    /// Slurm's commands, of which `program` is this script; `REAL` in it is the real one.
    pub(crate) fn commands(&self, name: &str, program: &str, script: &str) -> PathBuf {
        let folder = self.home.path(name);
        std::fs::create_dir(&folder).unwrap();
        for entry in std::fs::read_dir(&self.bin).unwrap().flatten() {
            if entry.file_name() != program {
                std::os::unix::fs::symlink(entry.path(), folder.join(entry.file_name())).unwrap();
            }
        }
        let real = self.bin.join(program).display().to_string();
        let own = folder.join(program);
        std::fs::write(&own, script.replace("REAL", &real)).unwrap();
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o755)).unwrap();
        folder
    }
}

/// The pause between two looks at a condition.
pub(crate) async fn between_looks() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

pub(crate) async fn exists(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "{} does not appear", path.display());
        between_looks().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the tests of the clusters start it as another person"]
async fn a_person_launches_jobs() {
    let Some(stage) = Stage::new() else { return };
    let launcher = stage.launcher(&stage.bin);
    let look = stage.image(&lab::starter()).await;
    contract(&launcher, &look, &supply(&stage.portal, &look).await, &[]).await;
    what_would_never_start_is_refused(&stage, &launcher, &look).await;
    its_output_and_its_end_are_told(&stage, &launcher, &look).await;
    sbatch_is_run_exactly_as_the_plan_says(&stage, &look).await;
    a_trial_refuses_no_more_of_a_job_that_fits(&stage);
    let alpine = stage.alpine().await;
    a_running_job_is_entered(&stage, &launcher, &alpine).await;
    an_array_is_one_workload(&stage, &launcher, &alpine).await;
    jobs_of_others_making_are_listed(&stage, &launcher).await;
    slurm_is_asked_seldom(&stage).await;
    nothing_is_sent_twice(&stage, &alpine).await;
    the_command_line_does_the_same(&stage);
}

async fn what_would_never_start_is_refused(stage: &Stage, launcher: &Arc<dyn Launcher>, image: &Image) {
    let cx = Context::default();
    let form = launcher.form(&cx, image).await.unwrap();
    assert!(
        form.room.iter().any(|room| room.label == "partition short" && room.describe().contains("of 2 nodes idle"))
    );
    let before = stage.slurm("squeue", &["--me", "-h", "-o", "%i"]);
    let ended = stage.slurm("sbatch", &["--parsable", "-o", "/dev/null", "--wrap", "true"]);
    for (given, why) in [
        (vec![("partition", "down")], "partition down is down"),
        (vec![("partition", "closed")], "only for the groups"),
        (vec![("partition", "nowhere")], "choose one of"),
        (vec![("partition", "short"), ("time", "2h")], "01:00:00 at most"),
        (vec![("qos", "short"), ("time", "10m")], "00:05:00 at most"),
        (vec![("after", "afterok:99999999")], "Slurm knows no job"),
        (vec![("output", "/nowhere/at/all")], "is not there"),
        (vec![("array", "9-1")], "it is no array"),
        (vec![("memory", "900G")], "that much memory"),
    ] {
        let error = launcher.plan(&cx, image, &answers(&given)).await.unwrap_err();
        assert!(error.kind == Kind::Usage && error.to_string().contains(why), "{given:?}: {error}");
    }
    // Every script names its own folder; jobs of other stories have theirs.
    let after = stage.slurm("squeue", &["--me", "-h", "-o", "%i %Z"]);
    let own = stage.home.path("").display().to_string();
    let is_new = |line: &&str| {
        line.split_once(' ').is_some_and(|(id, at)| !before.contains(id) && *id != ended && at.starts_with(&own))
    };
    assert_eq!(after.lines().find(is_new), None, "nothing was sent");
    // What only Slurm can know, it is asked before the job is sent.
    let plan = launcher.plan(&cx, image, &answers(&[("array", "1-19999"), ("time", "5m")])).await.unwrap();
    let mut other = plan.clone();
    let Step::Write { text, .. } = &mut other.steps[0] else { panic!("{plan:?}") };
    *text = text.replace("--partition=short", "--partition=gone");
    let error = launcher.launch(&cx, &other, &supply(&stage.portal, image).await).await.unwrap_err();
    assert!(error.why.contains("nvalid partition"), "{error}");
}

async fn sbatch_is_run_exactly_as_the_plan_says(stage: &Stage, image: &Image) {
    let log = stage.home.path("told");
    let script = format!(
        "#!/bin/sh\n{{ for word in \"$0\" \"$@\"; do printf '%s\\0' \"$word\"; done; echo; }} >>{}\nexec REAL \"$@\"\n",
        log.display()
    );
    let bin = stage.commands("recording", "sbatch", &script);
    let (launcher, cx) = (stage.launcher(&bin), Context::default());
    let plan = launcher.plan(&cx, image, &answers(&[("time", "5m")])).await.unwrap();
    assert!(!log.exists(), "a plan runs nothing");
    let made = launcher.launch(&cx, &plan, &supply(&stage.portal, image).await).await.unwrap();
    let ran = std::fs::read_to_string(&log).unwrap();
    let words = |line: &str| line.trim_end_matches('\0').split('\0').map(str::to_owned).collect::<Vec<_>>();
    let ran: Vec<Vec<String>> = ran.lines().map(words).collect();
    let run = |step: &Step| if let Step::Run { argv, .. } = step { Some(argv.clone()) } else { None };
    let shown: Vec<Vec<String>> = plan.steps.iter().filter_map(run).collect();
    assert_eq!(ran, shown);
    let (path, text) = plan.written("compare").unwrap();
    assert_eq!(std::fs::read_to_string(path).unwrap(), text);
    until(&launcher, &made.id, |state| !state.may_stop()).await;
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// Besides that no node fits, whatever Slurm refuses on trial it refuses in the same words when the job is sent: so a job
/// for which a node is known is sent without a trial.
fn a_trial_refuses_no_more_of_a_job_that_fits(stage: &Stage) {
    let script = stage.home.path("fits.sh");
    std::fs::write(&script, "#!/bin/sh\ntrue\n").unwrap();
    for options in [
        "--partition=nowhere",
        "--partition=closed",
        "--account=nobody",
        "--qos=nothing",
        "--account=chemistry --qos=short",
        "--array=9-1",
        "--array=1-2000000",
        "--mail-type=nothing",
    ] {
        let refused = |how: &str| {
            let mut command = Command::new(stage.bin.join("sbatch"));
            command.args([how, "--output=/dev/null"]).args(options.split(' ')).arg(&script);
            let output = command.env("SLURM_CONF", &stage.conf).current_dir("/tmp").output().unwrap();
            let said = lab::complained(&output);
            (output.status.success(), said.trim().rsplit(": ").next().unwrap_or_default().to_owned())
        };
        let (sent, tried) = (refused("--parsable"), refused("--test-only"));
        assert!(tried.0 || sent == tried, "{options}: {sent:?} {tried:?}");
    }
    // Newer versions let a closed partition pass both times.
    stage.slurm("scancel", &["--me", "--name=fits.sh"]);
}

pub(crate) async fn its_output_and_its_end_are_told(stage: &Stage, launcher: &Arc<dyn Launcher>, image: &Image) {
    let made = stage.launch(launcher, image, &[("time", "5m"), ("memory", "300M")]).await;
    let text = logs(launcher, &made.id).await;
    assert!(text.contains("look: what a program here can see"), "{text}");
    assert!(text.contains("CapEff:\t0000000000000000") && text.contains("NoNewPrivs:\t1"), "{text}");
    let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!((ended.state, ended.digest.is_empty()), (State::Exited(0), false));
    assert!(ended.facts.iter().any(|(name, value)| name == "partition" && value == "short"), "{:?}", ended.facts);
    launcher.remove(&Context::default(), &made.id).await.unwrap();
}

/// A shell in a terminal of the job, which is asked something.
pub(crate) async fn a_terminal_answers(launcher: &Arc<dyn Launcher>, id: &str) {
    let shell = Some(vec!["/bin/sh".to_owned()]);
    let mut terminal = launcher.terminal(&Context::default(), id, shell, (80, 24)).await.unwrap();
    terminal.input.send("[ -t 0 ] && echo $((40+2)) $TERM; exit\r".into()).await.unwrap();
    let mut typed = String::new();
    while let Ok(Ok(Some(bytes))) =
        tokio::time::timeout(Duration::from_secs(20), futures_util::TryStreamExt::try_next(&mut terminal.output)).await
    {
        typed.push_str(&String::from_utf8_lossy(&bytes));
        if typed.contains("42 xterm") {
            break;
        }
    }
    assert!(typed.contains("42 xterm"), "the terminal answers: {typed}");
}

async fn a_running_job_is_entered(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let command = "sh -c 'echo task $SLURM_JOB_ID; mkdir -p /tmp/here; while :; do sleep 1; done'";
    let made = stage.launch(launcher, alpine, &[("command", command), ("time", "10m")]).await;
    let running = until(launcher, &made.id, |state| *state == State::Running).await;
    for fact in ["partition", "node", "time left"] {
        assert!(running.facts.iter().any(|(name, value)| name == fact && !value.is_empty()), "{:?}", running.facts);
    }
    let began = Instant::now();
    let (said, code) = loop {
        // The batch script starts a moment after Slurm says that the job runs.
        match launcher
            .exec(&cx, &made.id, vec!["sh".into(), "-c".into(), "cat /etc/os-release; ls /tmp; exit 7".into()])
            .await
        {
            Ok((said, 7)) => break (said, 7),
            other => assert!(began.elapsed() < Duration::from_secs(30), "{other:?}"),
        }
    };
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(said.contains("Alpine") && said.contains("here") && code == 7, "it is inside the same sandbox: {said}");
    a_terminal_answers(launcher, &made.id).await;
    let began = Instant::now();
    loop {
        let usage = launcher.usage(&cx, &made.id).await.unwrap().expect("jobs are measured");
        if usage.memory_words() != UNTOLD {
            break;
        }
        // A busy node may tell nothing for a while.
        assert!(began.elapsed() < Duration::from_secs(120), "nothing is measured: {usage:?}");
        between_looks().await;
    }
    for _ in 0..2 {
        launcher.stop(&cx, &made.id).await.unwrap();
    }
    let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(143), "it was stopped");
    let text = logs(launcher, &made.id).await;
    assert!(text.contains(&format!("task {}", made.id)), "the program knows its job: {text}");
    accounting_may_be_away(stage, &made).await;
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// Without accounting the list stays, and says what it does not know; it ends where a program does not.
async fn accounting_may_be_away(stage: &Stage, ended: &Workload) {
    let away = "#!/bin/sh\necho 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1\n";
    // How it ended was kept when accounting told it: without that, it would be asked again.
    for kept in std::fs::read_dir(stage.home.path("shared/launches")).unwrap().flatten() {
        let _ = std::fs::remove_file(kept.path().join("ended"));
    }
    let launcher = stage.launcher(&stage.commands("away", "sacct", away));
    let (all, extent) = launcher.workloads(&Context::default()).await.unwrap();
    assert!(all.iter().any(|one| one.id == ended.id && one.digest == ended.digest), "{all:?}");
    assert!(matches!(&extent, Extent::Cut(why) if why.contains("accounting does not answer")), "{extent:?}");
    let gone = "#!/bin/sh\necho 'squeue: error: Unable to contact slurm controller (connect failure)' >&2; exit 1\n";
    let launcher = stage.launcher(&stage.commands("gone", "squeue", gone));
    let error = launcher.workloads(&Context::default()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Unavailable, "{error}");
}

async fn an_array_is_one_workload(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let command = "sh -c 'echo I am $SLURM_ARRAY_TASK_ID; [ $SLURM_ARRAY_TASK_ID != 3 ] || sleep 300'";
    let made = stage.launch(launcher, alpine, &[("command", command), ("array", "1-10"), ("time", "10m")]).await;
    let (all, _) = launcher.workloads(&cx).await.unwrap();
    assert_eq!(all.iter().filter(|one| one.id.starts_with(&made.id)).count(), 1, "{all:?}");
    for refused in [
        launcher.logs(&cx, &made.id, Default::default()).await.err(),
        launcher.exec(&cx, &made.id, vec!["true".into()]).await.err(),
    ] {
        assert!(refused.is_some_and(|error| error.kind == Kind::Usage && error.hint.contains("_1")));
    }
    let tasks = |one: &Workload| {
        one.facts.iter().find(|(name, _)| name == "tasks").map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let began = Instant::now();
    loop {
        let (all, _) = launcher.workloads(&cx).await.unwrap();
        let one = all.iter().find(|one| one.id == made.id).unwrap();
        if tasks(one).contains("9 done") && tasks(one).contains("1 running") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(90), "{one:?}");
        between_looks().await;
    }
    let third = format!("{}_3", made.id);
    launcher.stop(&cx, &third).await.unwrap();
    let ended = until(launcher, &made.id, |state| !state.may_stop() && *state != State::Stopping).await;
    let ended = if tasks(&ended) == "10: 1 stopped, 9 done" {
        ended
    } else {
        // Accounting hears of the last task a moment later.
        until(launcher, &made.id, |state| *state == State::Exited(143)).await
    };
    assert!(tasks(&ended).contains("9 done") && tasks(&ended).contains("1 stopped"), "{ended:?}");
    let text = logs(launcher, &format!("{}_7", made.id)).await;
    assert_eq!(text, "I am 7\n");
    launcher.remove(&cx, &made.id).await.unwrap();
    assert_eq!(launcher.stop(&cx, &third).await.unwrap_err().kind, Kind::NotFound);
}

async fn jobs_of_others_making_are_listed(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let name = "two\nlines|pipe \u{1b}[31mred\u{1f}1\u{1f}2";
    let hostile = stage.slurm(
        "sbatch",
        &["--parsable", "--hold", "-o", "/dev/null", "-J", name, "--comment", "c1\nc2", "--wrap", "true"],
    );
    let plain = stage.slurm("sbatch", &["--parsable", "--hold", "-o", "/dev/null", "-J", "plain", "--wrap", "true"]);
    let held = until(launcher, &plain, |state| matches!(state, State::Queued { .. })).await;
    assert_eq!((held.name.as_str(), held.state.label().1.as_str()), ("plain", "queued: it is held"));
    let odd = until(launcher, &hostile, |_| true).await;
    assert!(odd.name.contains("two lines|pipe") && !odd.name.contains(['\u{1b}', '\n']), "{odd:?}");
    assert_eq!(launcher.remove(&cx, &plain).await.unwrap_err().kind, Kind::Unsupported, "it is not ours");
    for id in [&hostile, &plain] {
        launcher.stop(&cx, id).await.unwrap();
        until(launcher, id, |state| !state.may_stop()).await;
    }
    assert_eq!(launcher.stop(&cx, "99999999").await.unwrap_err().kind, Kind::NotFound);
    for odd in ["", "1;rm", "-x", "1_", "_1", "1_2_3", "job"] {
        assert_eq!(launcher.stop(&cx, odd).await.unwrap_err().kind, Kind::NotFound, "{odd:?}");
    }
}

/// However often and by how many a list is wanted, Slurm is asked once, also while it does not answer.
async fn slurm_is_asked_seldom(stage: &Stage) {
    let asked = stage.home.path("asked");
    let count = || std::fs::read_to_string(&asked).unwrap().lines().count();
    for (name, then) in [("counted", "exec REAL \"$@\""), ("counted-gone", "exit 1")] {
        std::fs::write(&asked, "").unwrap();
        let script = format!("#!/bin/sh\necho asked >>{}\n{then}\n", asked.display());
        let launcher = stage.launcher_asking(&stage.commands(name, "squeue", &script), 600);
        let cx = Context::default();
        for _ in 0..3 {
            let _ = tokio::join!(launcher.workloads(&cx), launcher.workloads(&cx));
        }
        assert_eq!(count(), 1, "{name}");
    }
}

/// Wharf is ended between sending a job and hearing of it: once after Slurm has taken it, and once while the program
/// that sends it is still at work.
async fn nothing_is_sent_twice(stage: &Stage, alpine: &Image) {
    let cx = Context::default();
    let sent = stage.home.path("sent");
    let marked = sent.display();
    let tries = "case \"$*\" in *--test-only*) exec REAL \"$@\";; esac\n";
    let taken = format!("#!/bin/sh\n{tries}REAL \"$@\"; touch {marked}; sleep 60\n");
    let slow = format!(
        "#!/bin/sh\n{tries}setsid sh -c 'sleep 3; REAL \"$@\"' sh \"$@\" >/dev/null &\ntouch {marked}; sleep 60\n"
    );
    for (name, script) in [("taken", taken), ("slow", slow)] {
        let first = stage.launcher(&stage.commands(name, "sbatch", &script));
        let given = answers(&[("command", "sleep 300"), ("time", "10m")]);
        let plan = first.plan(&cx, alpine, &given).await.unwrap();
        let supply = supply(&stage.portal, alpine).await;
        let (copy, bytes) = (plan.clone(), supply.clone());
        let launching = tokio::spawn(async move { first.launch(&Context::default(), &copy, &bytes).await });
        exists(&sent).await;
        launching.abort();
        std::fs::remove_file(&sent).unwrap();
        let second = stage.launcher(&stage.bin);
        if name == "taken" {
            // Nobody has launched it again, and yet the list knows what it is.
            let (all, _) = second.workloads(&cx).await.unwrap();
            assert!(all.iter().any(|one| one.digest == plan.image.digest.to_string()), "{all:?}");
        }
        let made = second.launch(&cx, &plan, &supply).await.unwrap();
        assert_eq!(second.launch(&cx, &plan, &supply).await.unwrap().id, made.id, "{name}");
        let comments = stage.slurm("squeue", &["--me", "-h", "-O", "Comment:200"]);
        let count = comments.lines().filter(|comment| comment.contains(&plan.idempotency_key)).count();
        assert_eq!(count, 1, "{name}: {comments}");
        until(&second, &made.id, |state| *state == State::Running).await;
        second.remove(&cx, &made.id).await.unwrap();
    }
}

fn the_command_line_does_the_same(stage: &Stage) {
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    let site = stage.home.path("site.toml");
    let (conf, bin, folder) = (stage.conf.display(), stage.bin.display(), stage.home.path("shared"));
    let entry = format!(
        "[[backend]]\nname = \"lab\"\ntype = \"slurm\"\nconf = \"{conf}\"\nbin = \"{bin}\"\nfolder = \"{}\"\npace = 1\n",
        folder.display()
    );
    std::fs::write(&site, entry).unwrap();
    let wharf = |arguments: &[&str]| {
        let mut command = stage.home.wharf(arguments);
        command.env("WHARF_SITE", &site).env("WHARF_REGISTRIES", format!("http://{open}")).output().unwrap()
    };
    let alpine = format!("{open}/library/alpine:latest");
    let command = ["--", "sh", "-c", "echo task $SLURM_ARRAY_TASK_ID; sleep 300"];
    let asked = |more: &[&str]| {
        let given = ["--on", "lab", "--set", "array=1-2", "--set", "time=10m", "--set", "name=pair"];
        wharf(&[&["launch", &alpine], &given[..], more, &command[..]].concat())
    };
    let planned = lab::said(&asked(&["--plan"]));
    for line in
        ["#SBATCH --array=1-2", "#SBATCH --time=00:10:00", "#SBATCH --export=NONE", "partition short", "sha256:"]
    {
        assert!(planned.contains(line), "{line}: {planned}");
    }
    let launched = asked(&["--json"]);
    let launched: serde_json::Value =
        serde_json::from_slice(&launched.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&launched)));
    let id = launched["id"].as_str().unwrap();
    let began = Instant::now();
    let (second, nobody) = (format!("{id}_2"), format!("{id}_7x"));
    while !lab::said(&wharf(&["logs", &second])).contains("task 2") {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", lab::complained(&wharf(&["logs", &second])));
    }
    let listed = lab::said(&wharf(&["workloads"]));
    assert!(listed.contains("pair") && listed.contains("tasks 2: 2 running"), "{listed}");
    let inside = wharf(&["exec", &second, "--", "sh", "-c", "cat /etc/os-release; echo $SLURM_ARRAY_TASK_ID"]);
    let said = lab::said(&inside);
    assert!(said.contains("Alpine") && said.trim_end().ends_with('2'), "{said}{}", lab::complained(&inside));
    let failed = wharf(&["exec", &second, "--", "sh", "-c", "echo why >&2; exit 3"]);
    assert_eq!((failed.status.code(), lab::said(&failed).trim()), (Some(3), "why"), "{}", lab::complained(&failed));
    assert_eq!(wharf(&["stop", &nobody]).status.code(), Some(6));
    assert_eq!(wharf(&["stop", &second]).status.code(), Some(0));
    while !lab::said(&wharf(&["workloads"])).contains("1 running, 1 stopped") {
        assert!(began.elapsed() < Duration::from_secs(90), "{}", lab::said(&wharf(&["workloads"])));
    }
    the_script_of_a_plan_sends_the_same(stage, &wharf, &alpine);
    let removed = wharf(&["remove", &format!("lab:{id}")]);
    assert_eq!(removed.status.code(), Some(0), "{}", lab::complained(&removed));
    assert!(!lab::said(&wharf(&["workloads"])).contains("pair"));
    // Without any configuration it is found by its commands and its slurm.conf.
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let mut found = stage.home.wharf(&["launch", &lab::starter(), "--on", "slurm", "--plan"]);
    let found = found.env("PATH", path).env("WHARF_DISCOVER", "yes").env("SLURM_CONF", &stage.conf).output().unwrap();
    assert!(lab::said(&found).contains("#SBATCH --ntasks=1"), "{}{}", lab::said(&found), lab::complained(&found));
}

/// The script of a plan is run by a shell: it writes the batch script, has the image prepared by Wharf, and sends it.
fn the_script_of_a_plan_sends_the_same(stage: &Stage, wharf: &dyn Fn(&[&str]) -> std::process::Output, image: &str) {
    let planned = wharf(&[
        "launch",
        image,
        "--on",
        "lab",
        "--set",
        "time=5m",
        "--set",
        "name=scripted",
        "--plan=script",
        "--",
        "sleep",
        "300",
    ]);
    let (script, site) = (stage.home.path("launch.sh"), stage.home.path("site.toml"));
    std::fs::write(&script, &planned.stdout).unwrap();
    let text = lab::said(&planned);
    assert!(text.contains("# This needs Wharf.") && text.contains("sbatch"), "{text}{}", lab::complained(&planned));
    let folder = Path::new(env!("CARGO_BIN_EXE_wharf")).parent().unwrap().display().to_string();
    // The program's own environment, with it on the path.
    let mut command = stage.home.wharf(&[]);
    let variables: Vec<_> =
        command.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    command = Command::new("sh");
    command.arg(&script).env_clear().envs(variables).env("WHARF_SITE", &site);
    command.env("WHARF_REGISTRIES", format!("http://{}", std::env::var("WHARF_LAB_OPEN").unwrap()));
    command.env("PATH", format!("{folder}:{}", std::env::var("PATH").unwrap()));
    let done = command.output().unwrap();
    assert!(done.status.success(), "{}{}", lab::said(&done), lab::complained(&done));
    let job = lab::said(&done).trim().lines().last().unwrap().to_owned();
    let began = Instant::now();
    while stage.slurm("squeue", &["-h", "-j", &job, "-o", "%T"]) != "RUNNING" {
        assert!(began.elapsed() < Duration::from_secs(60), "job {job} does not run");
    }
    assert!(stage.slurm("squeue", &["-h", "-j", &job, "-o", "%j"]).contains("scripted"));
    assert_eq!(wharf(&["stop", &format!("lab:{job}")]).status.code(), Some(0));
}
