//! Virtual machines with the real QEMU and a real guest, by a person without rights.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    time::Duration,
};

use wharf::{
    adapters::qemu::Qemu,
    core::{
        base::{context::Context, error::Kind},
        image::model::Image,
        launch::{
            logs::LogRange,
            plan::{State, Workload},
        },
        portal::Portal,
        ports::{Launcher, Terminal},
    },
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, contract, logs, supply, until, until_it_says},
};

const GUEST: &str = "WHARF_LAB_QEMU";
/// What the guest prints once its ports answer.
const READY: &str = "guest: ready";

#[test]
fn qemu_launches_machines() {
    let guest = need!("WHARF_LAB_QEMU");
    lab::as_person("qemu::a_person_launches_machines", &[(GUEST, &guest)]);
}

#[test]
fn machines_keep_the_contract() {
    let guest = need!("WHARF_LAB_QEMU");
    lab::as_person("qemu::the_contract", &[(GUEST, &guest)]);
}

/// A person with a home and a disk image in it.
pub(crate) struct Stage {
    pub(crate) home: Home,
    pub(crate) portal: Arc<Portal>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let home = Home::new();
        let portal = Arc::new(Portal::new(wharf::adapters::parts_of(home.config()).unwrap()));
        let guest = std::env::var(GUEST).unwrap();
        std::fs::copy(format!("{guest}/disk.qcow2"), home.path("disk.qcow2")).unwrap();
        Self { home, portal }
    }

    /// The backend, as a Wharf that was just started has it.
    pub(crate) fn launcher(&self) -> Arc<dyn Launcher> {
        let backend = Qemu::new("qemu".into(), &self.home.path("state"), &self.home.path("images"));
        Arc::new(backend.kept_by(env!("CARGO_BIN_EXE_wharf").into()))
    }

    pub(crate) async fn image(&self, name: &str) -> Image {
        let (cx, reference) = (Context::default(), format!("file:{}", self.home.path(name).display()));
        let image = self.portal.sources.image(&cx, &reference.parse().unwrap(), None).await.unwrap();
        self.portal.evidence.pinned(&cx, image).await.unwrap()
    }

    pub(crate) async fn launch(&self, launcher: &Arc<dyn Launcher>, given: &[(&str, &str)]) -> Workload {
        let (cx, image) = (Context::default(), self.image("disk.qcow2").await);
        let plan = launcher.plan(&cx, &image, &answers(given)).await.unwrap();
        launcher.launch(&cx, &plan, &supply(&self.portal, &image).await).await.unwrap()
    }
}

/// What the machine printed until it was ready, in its `time`th run.
async fn ready(launcher: &Arc<dyn Launcher>, id: &str, time: usize) -> String {
    let mut stream = launcher.logs(&Context::default(), id, LogRange::following()).await.unwrap();
    let mut text = String::new();
    for _ in 0..time {
        text += &until_it_says(&mut stream, READY).await;
    }
    text
}

async fn typed(terminal: &mut Terminal, line: &'static str, answer: &str) -> String {
    terminal.input.send(line.into()).await.unwrap();
    until_it_says(&mut terminal.output, answer).await
}

fn page(port: u16) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn the_contract() {
    let stage = Stage::new();
    let launcher = stage.launcher();
    assert!(launcher.health(&Context::default()).await.unwrap().note.contains("version "));
    let image = stage.image("disk.qcow2").await;
    // It is stopped before its kernel listens to the power button, and ends nevertheless.
    contract(&launcher, &image, &supply(&stage.portal, &image).await, &[("memory", "256M")]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_launches_machines() {
    let stage = Stage::new();
    let launcher = stage.launcher();
    it_is_seeded_reached_and_typed_to(&stage, &launcher).await;
    a_port_that_is_taken_is_told(&stage, &launcher).await;
    without_its_keeper_it_is_found_and_stopped(&stage, &launcher).await;
    what_is_wrong_is_refused(&stage, &launcher).await;
}

async fn it_is_seeded_reached_and_typed_to(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let script = "#!/bin/sh\necho \"seeded: $(hostname)\" >/dev/console\n";
    let given = [("name", "lab-vm"), ("memory", "256M"), ("disk", "1G"), ("ports", "22 80"), ("user-data", script)];
    let made = stage.launch(launcher, &given).await;
    let told = ready(launcher, &made.id, 1).await;
    assert!(told.contains("seeded: lab-vm") && told.contains("instance-id: wharf-"), "{told}");
    // A Wharf that is started later finds it, and how it is reached.
    let later = stage.launcher();
    let found = until(&later, &made.id, |state| *state == State::Running).await;
    let inside = |port: u16| found.ports.iter().find(|published| published.inside == port).unwrap();
    assert!(found.ports.iter().all(|port| port.address == "127.0.0.1"), "{found:?}");
    assert!(page(inside(80).port).contains("hello from lab-vm"));
    let line = format!("ssh -p {} 127.0.0.1", inside(22).port);
    assert!(found.facts.iter().any(|(_, value)| *value == line), "{:?}", found.facts);
    let usage = later.usage(&cx, &made.id).await.unwrap().unwrap();
    assert!(usage.memory.is_some_and(|bytes| bytes > 32 << 20), "{usage:?}");
    // Its console is typed to, and it has the disk that was asked for.
    let mut terminal = later.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
    typed(&mut terminal, "echo $((40+2)) sectors $(cat /sys/block/vda/size)\r", "42 sectors 2097152").await;
    // It reaches nothing: neither this machine nor the port at which it is reached itself.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let knock = format!("nc -w 3 10.0.2.2 {own} </dev/null; echo knocked: $?\r");
    terminal.input.send(knock.into()).await.unwrap();
    let answer = until_it_says(&mut terminal.output, "knocked: 1").await;
    listener.set_nonblocking(true).unwrap();
    assert!(listener.accept().is_err(), "{answer}");
    // Its image's disk is in use, as long as there is the machine.
    let kept = later.kept_images(&cx).await.unwrap();
    assert!(kept.len() == 1 && kept[0].busy.is_some(), "{kept:?}");
    assert!(later.remove_kept_image(&cx, &kept[0].id).await.is_err());
    // An image of it is one like any other, while it runs and afterwards.
    let running = later.snapshot(&cx, &made.id, "while-it-runs").await.unwrap();
    assert_eq!(later.snapshot(&cx, &made.id, "while-it-runs").await.unwrap(), running, "again is the same");
    let cancelled = Context::default();
    cancelled.cancel.cancel();
    assert_eq!(later.snapshot(&cancelled, &made.id, "cancelled").await.unwrap_err().kind, Kind::Cancelled);
    let names = std::fs::read_dir(stage.home.path("images")).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["while-it-runs.qcow2"], "nothing is left of it");
    later.snapshot(&cx, &made.id, "cancelled").await.unwrap();
    // Its power button is pressed, and it shuts down; started again, it is the same machine.
    later.stop(&cx, &made.id).await.unwrap();
    let ended = until(&later, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_eq!((ended.state, ended.ports.len()), (State::Exited(0), 0));
    let told = logs(&later, &made.id).await;
    assert!(told.contains("guest: power button"), "{told}");
    for name in ["../x", ".x", "a b", ""] {
        assert_eq!(later.snapshot(&cx, &made.id, name).await.unwrap_err().kind, Kind::Usage, "{name}");
    }
    later.snapshot(&cx, &made.id, "afterwards").await.unwrap();
    for name in ["images/while-it-runs.qcow2", "images/afterwards.qcow2"] {
        let image = stage.image(name).await;
        later.accepts(&image).unwrap();
        assert_eq!(image.disk.unwrap().virtual_size, Some(1 << 30), "{name}");
    }
    it_gets_another_size_while_it_is_stopped(&later, &made.id).await;
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, inside(80).port)).unwrap();
    let refused = later.start(&cx, &made.id, false).await.unwrap_err();
    assert!(refused.why.contains("ended at once"), "{refused}");
    drop(taken);
    later.start(&cx, &made.id, false).await.unwrap();
    let told = ready(&later, &made.id, 2).await;
    let memory = told.lines().rfind(|line| line.contains("MiB, up")).unwrap();
    let (_, memory) = memory.split_once("processors, ").unwrap();
    let memory: u64 = memory.split(' ').next().unwrap().parse().unwrap();
    assert!((270..384).contains(&memory), "{told}");
    let refused = later.resize(&cx, &made.id, &later.sizes(&cx, &made.id).await.unwrap().defaults()).await.unwrap_err();
    assert!(refused.kind == Kind::Usage && refused.why.contains("it runs"), "{refused}");
    let mut terminal = later.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
    typed(&mut terminal, "echo $((40+2)) sectors $(cat /sys/block/vda/size)\r", "42 sectors 4194304").await;
    assert!(page(inside(80).port).contains("hello from lab-vm"));
    later.remove(&cx, &made.id).await.unwrap();
    let kept = later.kept_images(&cx).await.unwrap();
    later.remove_kept_image(&cx, &kept[0].id).await.unwrap();
    assert!(later.kept_images(&cx).await.unwrap().is_empty());
}

async fn it_gets_another_size_while_it_is_stopped(launcher: &Arc<dyn Launcher>, id: &str) {
    let cx = Context::default();
    let form = launcher.sizes(&cx, id).await.unwrap();
    let has = |key: &str| form.field(key).unwrap().default.clone();
    assert_eq!((has("memory").as_str(), has("disk").as_str()), ("256M", "1024M"));
    let asked = |given: &[(&str, &str)]| form.check(&answers(given)).unwrap();
    let refused = launcher.resize(&cx, id, &asked(&[("disk", "512M")])).await.unwrap_err();
    assert!(refused.why.contains("cannot shrink"), "{refused}");
    for _ in 0..2 {
        launcher.resize(&cx, id, &asked(&[("memory", "384M"), ("disk", "2G")])).await.unwrap();
    }
    let form = launcher.sizes(&cx, id).await.unwrap();
    assert_eq!((&*form.field("memory").unwrap().default, &*form.field("disk").unwrap().default), ("384M", "2048M"));
}

async fn a_port_that_is_taken_is_told(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = format!("{}:80", taken.local_addr().unwrap().port());
    let made = stage.launch(launcher, &[("memory", "256M"), ("ports", &port)]).await;
    let ended = until(launcher, &made.id, |state| matches!(state, State::Exited(_))).await;
    assert_ne!(ended.state, State::Exited(0));
    let told = logs(launcher, &made.id).await;
    assert!(told.contains("host forwarding"), "{told}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn without_its_keeper_it_is_found_and_stopped(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let made = stage.launch(launcher, &[("memory", "256M"), ("network", "none")]).await;
    ready(launcher, &made.id, 1).await;
    let taken = launcher.snapshot(&cx, &made.id, "afterwards").await.unwrap_err();
    assert_eq!(taken.kind, Kind::Usage, "another machine's image is not given as one of this: {taken}");
    let pattern = format!("__keep_qemu.*{}", made.id);
    let keeper = lab::said(&Command::new("pgrep").args(["-u", "wharf-lab", "-f", &pattern]).output().unwrap());
    assert!(Command::new("kill").arg("-KILL").args(keeper.split_whitespace()).status().unwrap().success(), "{keeper}");
    until(launcher, &made.id, |state| *state == State::Running).await;
    launcher.stop(&cx, &made.id).await.unwrap();
    until(launcher, &made.id, |state| !state.may_stop()).await;
    it_starts_again_after_this_machine_did(stage, launcher, &made.id).await;
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn it_starts_again_after_this_machine_did(stage: &Stage, launcher: &Arc<dyn Launcher>, id: &str) {
    let (cx, file) = (Context::default(), stage.home.path(&format!("state/qemu/{id}/spec.json")));
    let mut spec: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    if spec["machine"]["machine"] == "" {
        return eprintln!("left out: this machine has no id");
    }
    spec["machine"]["boot"] = "an earlier one".into();
    std::fs::write(&file, spec.to_string()).unwrap();
    let ended = |state: &State| matches!(state, State::Other(why) if why.contains("restarted"));
    until(launcher, id, ended).await;
    launcher.stop(&cx, id).await.unwrap();
    launcher.start(&cx, id, false).await.unwrap();
    ready(launcher, id, 2).await;
}

async fn what_is_wrong_is_refused(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let (cx, image) = (Context::default(), stage.image("disk.qcow2").await);
    for wrong in [("disk", "1M"), ("ports", "80:"), ("user", "Not A User"), ("key", "no key"), ("network", "host")] {
        let refused = launcher.plan(&cx, &image, &answers(&[wrong])).await.unwrap_err();
        assert_eq!(refused.kind, Kind::Usage, "{wrong:?}: {refused}");
    }
    // A header that names another file is never followed.
    let below = stage.home.path("below.qcow2");
    let disk = stage.home.path("disk.qcow2");
    let options = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b"];
    assert!(Command::new("qemu-img").args(options).arg(&disk).arg(&below).status().unwrap().success());
    let refused = launcher.accepts(&stage.image("below.qcow2").await).unwrap_err();
    assert!(refused.kind == Kind::Unsupported && refused.why.contains("backing file"), "{refused}");
    // What was changed since it was judged is not started, and nothing of it is kept.
    for kept in launcher.kept_images(&cx).await.unwrap() {
        launcher.remove_kept_image(&cx, &kept.id).await.unwrap();
    }
    let plan = launcher.plan(&cx, &image, &answers(&[])).await.unwrap();
    let mut bytes = std::fs::read(&disk).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&disk, bytes).unwrap();
    let refused = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap_err();
    assert_eq!(refused.kind, Kind::Integrity, "{refused}");
    assert!(launcher.workloads(&cx).await.unwrap().0.is_empty() && launcher.kept_images(&cx).await.unwrap().is_empty());
}
