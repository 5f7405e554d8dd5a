//! Container images under the real Charliecloud, by a person without rights.

use std::{process::Command, sync::Arc};

use wharf::{
    adapters::{charliecloud::Charliecloud, runtimes, shared::exec},
    core::{
        base::{context::Context, error::Kind},
        image::model::Image,
        launch::plan::{State, Workload},
        portal::Portal,
        ports::Launcher,
    },
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, contract, logs, supply, until},
};

#[test]
fn charliecloud_launches() {
    let open = need!("WHARF_LAB_OPEN");
    if exec::on_path("ch-run").is_none() {
        return eprintln!("left out: ch-run is not installed");
    }
    lab::as_person("charliecloud::a_person_launches_images", &[("WHARF_LAB_OPEN", &open)]);
}

/// A person with a home and images of the lab's registry.
struct Stage {
    home: Home,
    portal: Arc<Portal>,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        let mut config = home.config();
        config.sources = vec![lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap())];
        let portal = Arc::new(Portal::new(wharf::adapters::parts_of(config).unwrap()));
        Self { home, portal }
    }

    /// The backend, as a Wharf that was just started has it.
    fn launcher(&self) -> Arc<dyn Launcher> {
        let runtime = Arc::new(runtimes::Charliecloud::new(exec::on_path("ch-run").unwrap()));
        let (cache, state) = (self.home.path("cache"), self.home.path("state"));
        let backend = Charliecloud::new("charliecloud".into(), runtime, &cache, &state);
        Arc::new(backend.kept_by(env!("CARGO_BIN_EXE_wharf").into()))
    }

    async fn image(&self, reference: &str) -> Image {
        let cx = Context::default();
        let image = self.portal.sources.image(&cx, &reference.parse().unwrap(), None).await.unwrap();
        self.portal.evidence.pinned(&cx, image).await.unwrap()
    }

    async fn launch(&self, launcher: &Arc<dyn Launcher>, image: &Image, given: &[(&str, &str)]) -> Workload {
        let cx = Context::default();
        let plan = launcher.plan(&cx, image, &answers(given)).await.unwrap();
        launcher.launch(&cx, &plan, &supply(&self.portal, image).await).await.unwrap()
    }

    /// Runs something to its end; gives its output and exit code.
    async fn ran(&self, launcher: &Arc<dyn Launcher>, image: &Image, given: &[(&str, &str)]) -> (String, i64) {
        let made = self.launch(launcher, image, given).await;
        let text = logs(launcher, &made.id).await;
        let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
        launcher.remove(&Context::default(), &made.id).await.unwrap();
        let State::Exited(code) = ended.state else { unreachable!() };
        (text, code)
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_launches_images() {
    let stage = Stage::new();
    let (cx, launcher) = (Context::default(), stage.launcher());
    assert!(launcher.health(&cx).await.unwrap().note.contains("version 0."), "{:?}", launcher.health(&cx).await);
    let look = stage.image(&lab::starter()).await;
    contract(&launcher, &look, &supply(&stage.portal, &look).await, &[]).await;
    let alpine = stage.image(&format!("{}/library/alpine:latest", std::env::var("WHARF_LAB_OPEN").unwrap())).await;
    contract(&launcher, &alpine, &supply(&stage.portal, &alpine).await, &[("command", "sleep 300")]).await;
    closed_unless_asked(&stage, &launcher, &alpine).await;
    a_stop_reaches_all_of_its_processes(&stage, &alpine).await;
    it_is_entered_while_it_runs(&stage, &launcher, &alpine).await;
    what_it_leaves_running_ends_with_it(&stage, &launcher, &alpine).await;
    launched_twice_at_once_it_runs_once(&stage, &launcher, &alpine).await;
    without_its_keeper_it_is_lost_and_can_be_stopped(&stage, &launcher, &alpine).await;
    a_changed_image_is_prepared_anew(&stage, &launcher, &alpine).await;
}

/// What is inside, and what is not.
async fn closed_unless_asked(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let script = "echo \"$FOO|$WHARF_LAB_OPEN\"; pwd; ls -A /home; echo x >/etc/x; exit 4";
    let command = format!("sh -c '{script}'");
    let (text, code) = stage.ran(launcher, alpine, &[("command", &command), ("env", "FOO=a-b")]).await;
    assert!(code == 4 && text.starts_with("a-b|\n/\n") && text.contains("Read-only"), "{text}");
    assert!(!text.contains("wharf-lab"), "no home is inside: {text}");
    let shared = stage.home.path("mounted");
    std::fs::create_dir(&shared).unwrap();
    let mount = format!("{}:/mnt:rw", shared.display());
    let (text, code) =
        stage.ran(launcher, alpine, &[("command", "sh -c 'echo kept >/mnt/file'"), ("mounts", &mount)]).await;
    assert_eq!((code, std::fs::read_to_string(shared.join("file")).unwrap().as_str()), (0, "kept\n"), "{text}");
    let reads = mount.replace(":rw", "");
    let refused =
        launcher.plan(&Context::default(), alpine, &answers(&[("command", "true"), ("mounts", &reads)])).await;
    assert_eq!(refused.unwrap_err().kind, Kind::Usage, "it mounts nothing read-only");
}

/// A Wharf that is started later finds it, measures it and stops it, with what it has started.
async fn a_stop_reaches_all_of_its_processes(stage: &Stage, alpine: &Image) {
    let cx = Context::default();
    let script = "trap 'echo tidied; exit 7' TERM; sleep 4711 & echo ready; while :; do sleep 0.1; done";
    let made = stage.launch(&stage.launcher(), alpine, &[("command", &format!("sh -c \"{script}\""))]).await;
    let later = stage.launcher();
    until(&later, &made.id, |state| *state == State::Running).await;
    let usage = later.usage(&cx, &made.id).await.unwrap().unwrap();
    assert!(usage.memory.is_some_and(|bytes| bytes > 0), "{usage:?}");
    let kept = later.kept_images(&cx).await.unwrap();
    let one = kept.iter().find(|kept| kept.busy.is_some()).unwrap_or_else(|| panic!("it is in use: {kept:?}"));
    assert!(later.remove_kept_image(&cx, &one.id).await.is_err(), "an image in use stays");
    until_it_says(&later, &made.id, "ready").await;
    later.stop(&cx, &made.id).await.unwrap();
    let ended = until(&later, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!(ended.state, State::Exited(7), "it was asked, not killed");
    assert!(logs(&later, &made.id).await.contains("tidied"));
    let left = Command::new("pgrep").args(["-u", "wharf-lab", "-f", "^sleep 4711"]).output().unwrap();
    assert_eq!(lab::said(&left), "", "nothing of it runs on");
    later.remove(&cx, &made.id).await.unwrap();
}

async fn it_is_entered_while_it_runs(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let given = [("command", "sh -c 'echo inside >/tmp/own; echo ready; sleep 300'"), ("env", "FOO=bar")];
    let made = stage.launch(launcher, alpine, &given).await;
    until_it_says(launcher, &made.id, "ready").await;
    let command = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let script = "cat /tmp/own /etc/os-release; echo $FOO; exit 7";
    let (said, code) = launcher.exec(&cx, &made.id, command(&["sh", "-c", script])).await.unwrap();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(code == 7 && said.contains("inside") && said.contains("Alpine") && said.contains("bar"), "{code}: {said}");
    launcher.stop(&cx, &made.id).await.unwrap();
    let over = launcher.exec(&cx, &made.id, command(&["true"])).await.unwrap_err();
    assert_eq!(over.kind, Kind::Unsupported, "{over}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// Also what has left its group and its parent.
async fn what_it_leaves_running_ends_with_it(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let (_, code) = stage.ran(launcher, alpine, &[("command", "sh -c 'setsid sleep 4712 & exit 3'")]).await;
    let left = Command::new("pgrep").args(["-u", "wharf-lab", "-f", "^sleep 4712"]).output().unwrap();
    assert_eq!((code, lab::said(&left).as_str()), (3, ""), "nothing of it runs on");
}

async fn launched_twice_at_once_it_runs_once(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let plan = launcher.plan(&cx, alpine, &answers(&[("command", "echo once")])).await.unwrap();
    let supply = supply(&stage.portal, alpine).await;
    let other = stage.launcher();
    let (one, two) = tokio::join!(launcher.launch(&cx, &plan, &supply), other.launch(&cx, &plan, &supply));
    let made: Vec<Workload> = [one, two].into_iter().flatten().collect();
    assert!(made.iter().all(|made| made.id == plan.idempotency_key) && !made.is_empty(), "{made:?}");
    until(launcher, &plan.idempotency_key, |state| matches!(state, State::Exited(0))).await;
    assert_eq!(logs(launcher, &plan.idempotency_key).await, "once\n");
    launcher.remove(&cx, &plan.idempotency_key).await.unwrap();
}

/// Waits until the output of a workload has these words.
async fn until_it_says(launcher: &Arc<dyn Launcher>, id: &str, words: &str) {
    use futures_util::TryStreamExt;
    use wharf::core::launch::logs::LogRange;
    let mut stream = launcher.logs(&Context::default(), id, LogRange::following()).await.unwrap();
    let mut text = String::new();
    while let Some(bytes) = stream.try_next().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&bytes));
        if text.contains(words) {
            return;
        }
    }
    panic!("it ended without '{words}': {text}");
}

async fn without_its_keeper_it_is_lost_and_can_be_stopped(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let made = stage.launch(launcher, alpine, &[("command", "sleep 300")]).await;
    until(launcher, &made.id, |state| *state == State::Running).await;
    let pattern = format!("__keep_charliecloud.*{}", made.id);
    let keeper = lab::said(&Command::new("pgrep").args(["-u", "wharf-lab", "-f", &pattern]).output().unwrap());
    assert!(Command::new("kill").arg("-KILL").args(keeper.split_whitespace()).status().unwrap().success(), "{keeper}");
    launcher.stop(&cx, &made.id).await.unwrap();
    until(launcher, &made.id, |state| !state.may_stop()).await;
    launcher.remove(&cx, &made.id).await.unwrap();
}

/// The prepared file is exchanged after it was prepared: it is not what runs.
async fn a_changed_image_is_prepared_anew(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let digits = alpine.pinned.as_ref().unwrap().manifest.hex().to_owned();
    let find = |folder: std::path::PathBuf| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path()).collect()
    };
    let prepared = find(stage.home.path("cache/prepared"));
    let folder = prepared.into_iter().find(|path| path.to_string_lossy().contains(&digits)).unwrap();
    let file = find(folder).into_iter().find(|path| path.extension().is_some_and(|end| end == "sqfs")).unwrap();
    let before = std::fs::read(&file).unwrap();
    let mut bytes = before.clone();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let (text, code) = stage.ran(launcher, alpine, &[("command", "echo it ran")]).await;
    assert_eq!((text.as_str(), code), ("it ran\n", 0));
    assert!(std::fs::read(&file).unwrap() == before, "it is the prepared file again");
    // Exchanged between the launch and the keeper, it does not run.
    let plan = launcher.plan(&Context::default(), alpine, &answers(&[("command", "echo it ran")])).await.unwrap();
    let key = plan.idempotency_key.clone();
    let made = launcher.launch(&Context::default(), &plan, &supply(&stage.portal, alpine).await).await.unwrap();
    until(launcher, &made.id, |state| matches!(state, State::Exited(0))).await;
    let folder = stage.home.path(&format!("state/charliecloud/{key}"));
    std::fs::remove_file(folder.join("exit")).unwrap();
    let hash = std::fs::read_to_string(folder.join("image.sha256")).unwrap();
    let other = if hash.starts_with('0') { "1" } else { "0" };
    std::fs::write(folder.join("image.sha256"), format!("{other}{}", &hash[1..])).unwrap();
    let keeper = Command::new(env!("CARGO_BIN_EXE_wharf")).arg("__keep_charliecloud").arg(&folder).status().unwrap();
    let text = logs(launcher, &made.id).await;
    assert!(text.contains("not what was prepared") && text.matches("it ran").count() == 1, "{keeper}: {text}");
}
