//! What goes wrong with a machine, with the real QEMU: it is killed, floods its console, claims a huge disk, is started by two
//! at once, or its disk is in use elsewhere.

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use wharf::core::{
    base::context::Context,
    launch::{logs::LogRange, plan::State},
    ports::Launcher,
};

use crate::{
    lab::{self, need},
    launchers::{answers, logs, supply, until, until_it_says},
    qemu::Stage,
};

/// The most that is kept of a console, in bytes: two parts, and what is written while they are exchanged.
const KEPT: u64 = 80 << 20;

#[test]
fn faults_of_machines_are_told_and_cost_nothing_else() {
    let guest = need!("WHARF_LAB_QEMU");
    lab::as_person("machine_faults::a_persons_machines_fail", &[("WHARF_LAB_QEMU", &guest)]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_persons_machines_fail() {
    let stage = Stage::new();
    let launcher = stage.launcher();
    let id = a_machine(&stage, &launcher).await;
    a_flood_on_the_console_is_bounded(&stage, &launcher, &id).await;
    what_is_killed_is_told_and_starts_again(&stage, &launcher, &id).await;
    a_disk_that_is_in_use_elsewhere_is_told(&stage, &launcher, &id).await;
    launcher.remove(&Context::default(), &id).await.unwrap();
    a_huge_disk_takes_up_nothing(&stage, &launcher).await;
}

async fn ready(launcher: &Arc<dyn Launcher>, id: &str) {
    let wanted = LogRange { last: Some(50), ..LogRange::following() };
    let mut output = launcher.logs(&Context::default(), id, wanted).await.unwrap();
    until_it_says(&mut output, "guest: ready").await;
}

async fn a_machine(stage: &Stage, launcher: &Arc<dyn Launcher>) -> String {
    let given = [("memory", "256M"), ("cpus", "1"), ("network", "none")];
    let id = stage.launch(launcher, &given).await.id;
    ready(launcher, &id).await;
    id
}

/// The bytes of all files in a folder that hold output.
fn output_in(folder: &Path) -> u64 {
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    files
        .filter(|file| file.file_name().to_string_lossy().starts_with("log"))
        .map(|file| file.metadata().unwrap().len())
        .sum()
}

async fn a_flood_on_the_console_is_bounded(stage: &Stage, launcher: &Arc<dyn Launcher>, id: &str) {
    let cx = Context::default();
    let mut terminal = launcher.terminal(&cx, id, None, (80, 24)).await.unwrap();
    // A line without an end. A serial line is slow where a machine runs in software: the flood is a small one.
    terminal.input.send("head -c 200000 /dev/zero | tr '\\0' x; echo flood $((40+2))\r".into()).await.unwrap();
    until_it_says(&mut terminal.output, "flood 42").await;
    let kept = output_in(&stage.home.path(&format!("state/qemu/{id}")));
    assert!(kept > 200_000 && kept < KEPT, "{kept} bytes are kept");
}

async fn what_is_killed_is_told_and_starts_again(stage: &Stage, launcher: &Arc<dyn Launcher>, id: &str) {
    let cx = Context::default();
    let running = std::fs::read_to_string(stage.home.path(&format!("state/qemu/{id}/running"))).unwrap();
    let running: serde_json::Value = serde_json::from_str(&running).unwrap();
    let pid = running["pid"].as_u64().unwrap().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
    let ended = until(launcher, id, State::has_ended).await;
    assert_eq!(ended.state, State::Exited(137));
    // Two start it at once: it runs once.
    let other = stage.launcher();
    let (first, second) = tokio::join!(launcher.start(&cx, id, false), other.start(&cx, id, false));
    assert!(first.is_ok() && second.is_ok(), "{first:?} {second:?}");
    until(launcher, id, |state| *state == State::Running).await;
    let pattern = "qemu-system-x86_64.*guest=disk";
    let machines = lab::said(&Command::new("pgrep").args(["-u", "wharf-lab", "-f", pattern]).output().unwrap());
    let own = |pid: &&str| std::fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.ends_with(id));
    assert_eq!(machines.lines().filter(own).count(), 1, "{machines}");
    ready(launcher, id).await;
    launcher.stop(&cx, id).await.unwrap();
}

async fn a_disk_that_is_in_use_elsewhere_is_told(stage: &Stage, launcher: &Arc<dyn Launcher>, id: &str) {
    let cx = Context::default();
    let disk = stage.home.path(&format!("state/qemu/{id}/overlay.qcow2")).display().to_string();
    let drive = format!("file={disk},format=qcow2,if=virtio");
    let words = ["-display", "none", "-S", "-nodefaults", "-drive", &drive];
    let mut elsewhere =
        Command::new("qemu-system-x86_64").args(words).stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let began = Instant::now();
    let refused = loop {
        // Its lock comes a moment after its start.
        match launcher.start(&cx, id, false).await {
            Err(error) => break error,
            Ok(()) => launcher.stop(&cx, id).await.unwrap(),
        }
        assert!(began.elapsed() < Duration::from_secs(60), "it is not in use");
    };
    elsewhere.kill().unwrap();
    elsewhere.wait().unwrap();
    assert!(refused.why.contains("ended at once"), "{refused}");
    assert!(logs(launcher, id).await.contains("lock"), "QEMU says which lock it did not get");
}

async fn a_huge_disk_takes_up_nothing(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let cx = Context::default();
    let huge = stage.home.path("huge.qcow2");
    let options = ["create", "-q", "-f", "qcow2", "-o", "cluster_size=2M"];
    assert!(Command::new("qemu-img").args(options).arg(&huge).arg("128T").status().unwrap().success());
    let image = stage.image("huge.qcow2").await;
    let plan = launcher.plan(&cx, &image, &answers(&[("memory", "64M"), ("network", "none")])).await.unwrap();
    let told: Vec<&str> = plan.risks.iter().map(|risk| risk.text.as_str()).collect();
    assert!(told.iter().any(|line| line.contains("it claims to be 128 TiB large")), "{told:?}");
    let made = launcher.launch(&cx, &plan, &supply(&stage.portal, &image).await).await.unwrap();
    let folder = stage.home.path(&format!("state/qemu/{}", made.id));
    let taken = std::fs::metadata(folder.join("overlay.qcow2")).unwrap().len();
    assert!(taken < 1 << 30, "{taken}");
    launcher.remove(&cx, &made.id).await.unwrap();
    assert!(!folder.exists());
}
