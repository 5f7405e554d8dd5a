//! SIF files and container images under the real Apptainer, and SIF files without it, by a person without rights.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use futures_util::TryStreamExt;
use wharf::{
    adapters::apptainer::{Apptainer, Program},
    core::{
        base::{context::Context, error::Kind},
        image::model::{Image, ImageKind},
        launch::plan::{State, Workload},
        portal::Portal,
        ports::Launcher,
    },
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, contract, logs, supply, until},
};

/// Where the person is told what the lab has.
const BIN: &str = "WHARF_STORY_APPTAINER";

/// Runs a test of this file as a person without rights.
fn as_person(test: &str) {
    let (Some(bin), Some(open)) = (lab::part("WHARF_LAB_APPTAINER"), lab::part("WHARF_LAB_OPEN")) else { return };
    lab::as_person(test, &[(BIN, &bin), ("WHARF_LAB_OPEN", &open)]);
}

#[test]
fn apptainer_launches() {
    need!("WHARF_LAB_APPTAINER");
    as_person("apptainer::a_person_launches_images");
}

#[test]
fn sif_files_are_launched_pushed_and_pulled() {
    need!("WHARF_LAB_APPTAINER");
    as_person("apptainer::a_person_moves_sif_files");
}

/// A person with a home, images of the lab's registry, and Apptainer.
struct Stage {
    home: Home,
    portal: Arc<Portal>,
    bin: PathBuf,
}

impl Stage {
    fn new() -> Option<Self> {
        let bin = std::env::var_os(BIN)?.into();
        let home = Home::new();
        std::fs::create_dir(home.path("images")).unwrap();
        let mut config = home.config();
        config.sources = vec![lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap())];
        config.image_folders = vec![home.path("images")];
        let portal = Arc::new(Portal::new(wharf::adapters::parts_of(config).unwrap()));
        Some(Self { home, portal, bin })
    }

    /// The backend, as a Wharf that was just started has it.
    fn launcher(&self) -> Arc<dyn Launcher> {
        let program = Program::new(self.bin.join("apptainer"));
        let backend = Apptainer::new("apptainer".into(), program, &self.home.path("cache"), &self.home.path("state"));
        Arc::new(backend.kept_by(env!("CARGO_BIN_EXE_wharf").into()))
    }

    async fn image(&self, reference: &str) -> Image {
        let cx = Context::default();
        let image = self.portal.sources.image(&cx, &reference.parse().unwrap(), None).await.unwrap();
        self.portal.evidence.pinned(&cx, image).await.unwrap()
    }

    async fn alpine(&self) -> Image {
        self.image(&format!("{}/library/alpine:latest", std::env::var("WHARF_LAB_OPEN").unwrap())).await
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

    fn apptainer(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = Command::new(self.bin.join("apptainer"));
        command.arg("--silent").args(arguments).current_dir(self.home.path("images")).output().unwrap()
    }

    /// A SIF file of the lab's image, made by the real program.
    fn sif(&self, name: &str) -> PathBuf {
        let open = std::env::var("WHARF_LAB_OPEN").unwrap();
        let path = self.home.path("images").join(name);
        let from = format!("docker://{open}/library/alpine:latest");
        let made = self.apptainer(&["build", "--no-https", path.to_str().unwrap(), &from]);
        assert!(made.status.success(), "{}", lab::complained(&made));
        path
    }

    /// The command line with this home and Apptainer on the path.
    fn wharf(&self, arguments: &[&str]) -> std::process::Output {
        self.on_path(&format!("{}:{}", self.bin.display(), std::env::var("PATH").unwrap()), arguments)
    }

    /// The command line with this home and these programs.
    fn on_path(&self, path: &str, arguments: &[&str]) -> std::process::Output {
        let open = format!("http://{}", std::env::var("WHARF_LAB_OPEN").unwrap());
        let mut command = self.home.wharf(arguments);
        command.env("PATH", path).env("WHARF_DISCOVER", "yes").env("WHARF_REGISTRIES", open);
        command.current_dir(self.home.path("images")).output().unwrap()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_launches_images() {
    let stage = Stage::new().unwrap();
    let (cx, launcher) = (Context::default(), stage.launcher());
    assert!(launcher.health(&cx).await.unwrap().note.contains("apptainer version"));
    // An image without a shell: no instance, but it runs.
    let look = stage.image(&lab::starter()).await;
    contract(&launcher, &look, &supply(&stage.portal, &look).await, &[]).await;
    let (text, code) = stage.ran(&launcher, &look, &[]).await;
    assert!(code == 0 && text.contains("CapEff:\t0000000000000000") && text.contains("NoNewPrivs:\t1"), "{text}");
    assert!(!text.contains("eth0") && !text.contains("/home"), "nothing of this machine is inside: {text}");
    let alpine = stage.alpine().await;
    contract(&launcher, &alpine, &supply(&stage.portal, &alpine).await, &[("command", "sleep 300")]).await;
    closed_unless_asked(&stage, &launcher, &alpine).await;
    entered_and_found_again(&stage, &alpine).await;
    lost_keeper(&stage, &launcher, &alpine).await;
}

/// What is inside, and what is not.
async fn closed_unless_asked(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let script = "echo \"$FOO|$HOME_SECRET\"; pwd; echo x >/etc/x; ls /home; exit 4";
    let command = format!("sh -c '{script}'");
    let (text, code) = stage.ran(launcher, alpine, &[("command", &command), ("env", "'FOO=a $(id) \"b\", c'")]).await;
    assert_eq!(code, 4, "{text}");
    assert!(text.contains("a $(id) \"b\", c|\n/\n") && text.contains("Read-only"), "{text}");
    let data = stage.home.path("da,ta");
    std::fs::create_dir(&data).unwrap();
    std::fs::write(data.join("in"), "from outside").unwrap();
    let mount = format!("'{}:/data'", data.display());
    let command = "sh -c 'cat /data/in; echo y >/data/out || echo no; echo x >/new && cat /new'";
    let (text, _) = stage.ran(launcher, alpine, &[("command", command), ("mounts", &mount), ("writable", "yes")]).await;
    assert!(text.contains("from outside") && text.contains("no\nx"), "{text}");
}

/// A workload is entered, asked to end, and found again by another Wharf.
async fn entered_and_found_again(stage: &Stage, alpine: &Image) {
    let (cx, launcher) = (Context::default(), stage.launcher());
    let script = "trap \"echo tidied; exit 7\" TERM; echo ready; while :; do sleep 0.1; done";
    let made = stage.launch(&launcher, alpine, &[("command", &format!("sh -c '{script}'")), ("name", "napper")]).await;
    let other = stage.launcher();
    until(&other, &made.id, |state| *state == State::Running).await;
    let (said, code) = other.exec(&cx, &made.id, vec!["cat".into(), "/etc/os-release".into()]).await.unwrap();
    assert!(code == 0 && String::from_utf8_lossy(&said).contains("Alpine"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(other.exec(&cx, &made.id, vec!["false".into()]).await.unwrap().1, 1);
    let mut terminal = other.terminal(&cx, &made.id, Some(vec!["/bin/sh".into()]), (80, 24)).await.unwrap();
    terminal.input.send("echo $((40+2)); exit\r".into()).await.unwrap();
    let mut typed = String::new();
    while let Ok(Ok(Some(bytes))) = tokio::time::timeout(Duration::from_secs(20), terminal.output.try_next()).await {
        typed.push_str(&String::from_utf8_lossy(&bytes));
        if typed.contains("42") {
            break;
        }
    }
    assert!(typed.contains("42"), "{typed}");
    other.stop(&cx, &made.id).await.unwrap();
    let ended = until(&other, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!((ended.state, ended.name.as_str()), (State::Exited(7), "napper"));
    assert!(logs(&other, &made.id).await.contains("tidied"), "it was asked, not killed");
    other.remove(&cx, &made.id).await.unwrap();
}

/// Without its keeper a workload has no exit code, but nothing of it stays.
async fn lost_keeper(stage: &Stage, launcher: &Arc<dyn Launcher>, alpine: &Image) {
    let cx = Context::default();
    let made = stage.launch(launcher, alpine, &[("command", "sleep 300")]).await;
    until(launcher, &made.id, |state| *state == State::Running).await;
    let ours =
        Command::new("pgrep").args(["-u", "wharf-lab", "-f", &format!("__keep_apptainer.*{}", made.id)]).output();
    let keeper = lab::said(&ours.unwrap());
    let killed = Command::new("kill").arg("-KILL").args(keeper.split_whitespace()).status().unwrap();
    assert!(killed.success(), "{keeper}");
    launcher.stop(&cx, &made.id).await.unwrap();
    until(launcher, &made.id, |state| !state.may_stop()).await;
    let listed = lab::said(&stage.apptainer(&["instance", "list", "--json"]));
    assert!(!listed.contains(&made.id), "{listed}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_moves_sif_files() {
    let stage = Stage::new().unwrap();
    let launcher = stage.launcher();
    let path = stage.sif("alpine.sif");
    let file = format!("file:{}", path.display());
    let image = stage.image(&file).await;
    assert_eq!(image.kind, ImageKind::Sif);
    contract(&launcher, &image, &supply(&stage.portal, &image).await, &[("command", "sleep 300")]).await;
    // By the command line, with Apptainer and without it.
    for backend in ["apptainer", "local"] {
        let command =
            ["launch", &file, "--on", backend, "--follow", "--", "sh", "-c", "id -u; cat /etc/os-release; exit 5"];
        let ran = stage.wharf(&command);
        let text = lab::said(&ran);
        assert_eq!(ran.status.code(), Some(5), "{backend}: {text}{}", lab::complained(&ran));
        let own = format!("{}\n", rustix::process::geteuid().as_raw());
        assert!(text.contains("Alpine") && text.starts_with(&own), "{backend}: {text}");
    }
    in_a_registry(&stage, &launcher, &path).await;
    changed_meanwhile(&stage, &launcher, &path).await;
    broken(&stage, &launcher, &path).await;
}

/// Pushed, shown, launched from there, pulled again, and pulled by Apptainer.
async fn in_a_registry(stage: &Stage, launcher: &Arc<dyn Launcher>, path: &Path) {
    let host = std::env::var("WHARF_LAB_OPEN").unwrap();
    let place = format!("{host}/{}:1", lab::fresh("sif"));
    let done = |arguments: &[&str]| {
        let ran = stage.wharf(arguments);
        assert!(ran.status.success(), "{arguments:?}: {}{}", lab::said(&ran), lab::complained(&ran));
        lab::said(&ran)
    };
    done(&["push", &path.display().to_string(), &place]);
    let shown: serde_json::Value = serde_json::from_str(&done(&["show", &place, "--json"])).unwrap();
    assert_eq!(shown["kind"], "sif", "{shown}");
    let image = stage.image(&format!("oci://{place}")).await;
    assert_eq!(image.kind, ImageKind::Sif);
    let (text, code) = stage.ran(launcher, &image, &[("command", "sh -c 'cat /etc/os-release; exit 3'")]).await;
    assert!(code == 3 && text.contains("Alpine"), "{text}");
    let local = stage.wharf(&["launch", &place, "--on", "local", "--follow", "--", "sh", "-c", "exit 6"]);
    assert_eq!(local.status.code(), Some(6), "{}", lab::complained(&local));
    done(&["pull", &place, "again.sif"]);
    let bytes = |name: &str| std::fs::read(stage.home.path("images").join(name)).unwrap();
    assert!(bytes("again.sif") == std::fs::read(path).unwrap(), "the same file comes back");
    // An image of layers becomes one, which says what it was made from.
    let alpine = format!("{host}/library/alpine:latest");
    let refused = stage.on_path(&std::env::var("PATH").unwrap(), &["pull", &alpine, "made.sif"]);
    assert!(lab::complained(&refused).contains("is not here"), "{}", lab::complained(&refused));
    assert!(!stage.home.path("images/made.sif").exists());
    done(&["pull", &alpine, "made.sif"]);
    let shown = done(&["show", "./made.sif"]);
    let digest = stage.alpine().await.pinned.unwrap().digest;
    assert!(shown.contains(&format!("{alpine}@{digest}")), "{shown}");
    let (text, _) = stage
        .ran(
            launcher,
            &stage.image(&format!("file:{}", stage.home.path("images/made.sif").display())).await,
            &[("command", "cat /etc/os-release")],
        )
        .await;
    assert!(text.contains("Alpine"), "{text}");
    let pulled = stage.apptainer(&["pull", "--no-https", "theirs.sif", &format!("oras://{place}")]);
    assert!(pulled.status.success(), "{}", lab::complained(&pulled));
    assert!(bytes("theirs.sif") == bytes("again.sif"), "apptainer pulls what was pushed");
    // And what apptainer pushes is an image here.
    let theirs = format!("{host}/{}:1", lab::fresh("theirs"));
    let pushed = stage.apptainer(&["push", "--no-https", "again.sif", &format!("oras://{theirs}")]);
    assert!(pushed.status.success(), "{}", lab::complained(&pushed));
    let shown: serde_json::Value = serde_json::from_str(&done(&["show", &theirs, "--json"])).unwrap();
    assert_eq!(shown["kind"], "sif", "{shown}");
}

/// A file that is another one than when it was pinned is not run.
async fn changed_meanwhile(stage: &Stage, launcher: &Arc<dyn Launcher>, path: &Path) {
    let cx = Context::default();
    let copy = stage.home.path("images/copy.sif");
    std::fs::copy(path, &copy).unwrap();
    let image = stage.image(&format!("file:{}", copy.display())).await;
    let plan = launcher.plan(&cx, &image, &answers(&[])).await.unwrap();
    let mut bytes = std::fs::read(&copy).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&copy, bytes).unwrap();
    let refused = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity, "{refused}");
}

/// Broken headers are refused in words, before anything is started.
async fn broken(stage: &Stage, launcher: &Arc<dyn Launcher>, path: &Path) {
    let cx = Context::default();
    let good = std::fs::read(path).unwrap();
    let list = u64::from_le_bytes(good[96..104].try_into().unwrap()) as usize;
    let primary =
        (0..48).map(|number| list + number * 585).find(|at| good[*at..*at + 4] == 0x4004_i32.to_le_bytes()).unwrap();
    for (name, at, bytes, why) in [
        ("count.sif", 88, (1_u64 << 31).to_le_bytes().to_vec(), "2147483648 objects"),
        ("end.sif", primary + 17, (1_i64 << 40).to_le_bytes().to_vec(), "not in the file"),
        ("other.sif", primary + 209, b"11".to_vec(), "built for s390x"),
        ("locked.sif", primary + 201, 5_i32.to_le_bytes().to_vec(), "encrypted"),
    ] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(&bytes);
        let file = stage.home.path("images").join(name);
        std::fs::write(&file, bad).unwrap();
        let image = stage.image(&format!("file:{}", file.display())).await;
        let refused = launcher.plan(&cx, &image, &answers(&[])).await.unwrap_err();
        assert!(refused.why.contains(why), "{name}: {refused}");
        let local = stage.wharf(&["launch", file.to_str().unwrap(), "--on", "local"]);
        assert!(lab::complained(&local).contains(why), "{name}: {}", lab::complained(&local));
    }
}
