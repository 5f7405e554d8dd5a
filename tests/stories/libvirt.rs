//! Virtual machines by the real libvirt, in the session of a person without rights.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use wharf::core::{
    base::{context::Context, error::Kind},
    image::{model::Image, reference::ImageRef},
    launch::{
        listing::ListScope,
        logs::LogRange,
        plan::{State, Workload},
    },
    portal::Portal,
    ports::Launcher,
};

use crate::{
    lab::{self, Home, need},
    launchers::{answers, contract, supply, until, until_it_says},
};

const GUEST: &str = "WHARF_LAB_QEMU";
const DAEMON: &str = "WHARF_LAB_LIBVIRT";
/// The folder for the session's sockets, which must have a short path.
const SESSION: &str = "XDG_RUNTIME_DIR";

#[test]
fn libvirt_launches_machines() {
    let (guest, daemon) = (need!("WHARF_LAB_QEMU"), need!("WHARF_LAB_LIBVIRT"));
    let session = tempfile::tempdir().unwrap();
    let at = session.path().display().to_string();
    // The person of the test makes it their own.
    std::fs::set_permissions(&at, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let session = format!("{at}/s");
    lab::as_person("libvirt::a_person_launches_machines", &[(GUEST, &guest), (DAEMON, &daemon), (SESSION, &session)]);
}

/// The daemon of a session, which is ended with the test.
pub(crate) struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    /// Starts it for the person with this home, with its sockets below a new folder.
    pub(crate) fn start(session: &Path, home: &Path) -> Self {
        std::fs::create_dir(session).unwrap();
        std::fs::set_permissions(session, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        let mut command = Command::new(std::env::var(DAEMON).unwrap());
        command.env("HOME", home).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Self(command.spawn().unwrap());
        let began = Instant::now();
        while !session.join("libvirt/libvirt-sock").exists() {
            assert!(began.elapsed() < Duration::from_secs(20), "libvirt does not start");
            std::thread::park_timeout(Duration::from_millis(20));
        }
        daemon
    }
}

struct Stage {
    home: Home,
    portal: Arc<Portal>,
    launcher: Arc<dyn Launcher>,
    _daemon: Daemon,
}

impl Stage {
    fn new() -> Self {
        let home = Home::new();
        let session = PathBuf::from(std::env::var(SESSION).unwrap());
        let daemon = Daemon::start(&session, home.folder.path());
        let guest = std::env::var(GUEST).unwrap();
        std::fs::copy(format!("{guest}/disk.qcow2"), home.path("disk.qcow2")).unwrap();
        let written = wharf::core::config::ConfigEntry::new("libvirt", "libvirt", "test", toml::Table::new());
        let config = wharf::core::config::Config { backends: vec![written], ..home.config() };
        let parts = wharf::adapters::parts_of(config).unwrap();
        let launcher = parts.launchers.iter().find(|one| one.name() == "libvirt").unwrap().clone();
        Self { home, portal: Arc::new(Portal::new(parts)), launcher, _daemon: daemon }
    }

    async fn image(&self, name: &str) -> Image {
        let (cx, reference) = (Context::default(), format!("file:{}", self.home.path(name).display()));
        let image = self.portal.sources.image(&cx, &reference.parse().unwrap(), None).await.unwrap();
        self.portal.evidence.pinned(&cx, image).await.unwrap()
    }

    async fn launch(&self, given: &[(&str, &str)]) -> Workload {
        let (cx, image) = (Context::default(), self.image("disk.qcow2").await);
        let plan = self.launcher.plan(&cx, &image, &answers(given)).await.unwrap();
        self.launcher.launch(&cx, &plan, &supply(&self.portal, &image).await).await.unwrap()
    }
}

fn virsh(arguments: &[&str]) -> String {
    let output = Command::new("virsh").args(["-q", "-c", "qemu:///session"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", lab::complained(&output));
    lab::said(&output)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_launches_machines() {
    let stage = Stage::new();
    let (cx, launcher) = (Context::default(), &stage.launcher);
    assert!(launcher.health(&cx).await.unwrap().note.contains("your session"));
    let image = stage.image("disk.qcow2").await;
    contract(launcher, &image, &supply(&stage.portal, &image).await, &[("memory", "256M"), ("cpus", "1")]).await;
    let script = "#!/bin/sh\necho \"seeded: $(hostname)\" >/dev/console\n";
    let given =
        [("name", "lab"), ("memory", "256M"), ("cpus", "1"), ("disk", "1G"), ("ports", "22 80"), ("user-data", script)];
    let made = stage.launch(&given).await;
    let mut output = launcher.logs(&cx, &made.id, LogRange::following()).await.unwrap();
    let told = until_it_says(&mut output, "guest: ready").await;
    assert!(told.contains("seeded: lab-"), "{told}");
    it_is_known_to_libvirt_and_reached(launcher, &made).await;
    // Its power button is pressed, and it shuts down; an image of it is one like any other; it starts again.
    let running = launcher.snapshot(&cx, &made.id, "while-it-runs").await.unwrap();
    assert_eq!(launcher.snapshot(&cx, &made.id, "while-it-runs").await.unwrap(), running, "again is the same");
    let cancelled = Context::default();
    cancelled.cancel.cancel();
    assert_eq!(launcher.snapshot(&cancelled, &made.id, "cancelled").await.unwrap_err().kind, Kind::Cancelled);
    let ImageRef::File { path, .. } = &running else { panic!("{running}") };
    let names = std::fs::read_dir(Path::new(path).parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(names.collect::<Vec<_>>(), ["while-it-runs.qcow2"], "nothing is left of it");
    launcher.stop(&cx, &made.id).await.unwrap();
    assert_eq!(until(launcher, &made.id, State::has_ended).await.state, State::Exited(0));
    assert!(until_it_says(&mut output, "power button").await.contains("power button"), "it was not killed");
    let snapshot = launcher.snapshot(&cx, &made.id, "afterwards").await.unwrap();
    assert_eq!(launcher.snapshot(&cx, &made.id, "afterwards").await.unwrap(), snapshot, "again is the same");
    for made in [&snapshot, &running] {
        let disk = stage.portal.sources.image(&cx, made, None).await.unwrap().disk.unwrap();
        assert_eq!((disk.virtual_size, disk.refers), (Some(1 << 30), false), "{made}");
    }
    let form = launcher.sizes(&cx, &made.id).await.unwrap();
    assert_eq!((&*form.field("memory").unwrap().default, &*form.field("disk").unwrap().default), ("256M", "1024M"));
    let asked = form.check(&answers(&[("memory", "384M"), ("cpus", "2"), ("disk", "2G")])).unwrap();
    launcher.resize(&cx, &made.id, &asked).await.unwrap();
    let form = launcher.sizes(&cx, &made.id).await.unwrap();
    let has = ["memory", "cpus", "disk"].map(|key| form.field(key).unwrap().default.clone());
    assert_eq!(has, ["384M", "2", "2048M"]);
    launcher.start(&cx, &made.id, false).await.unwrap();
    until(launcher, &made.id, |state| *state == State::Running).await;
    let running = launcher.resize(&cx, &made.id, &form.defaults()).await.unwrap_err();
    assert!(running.why.contains("it runs"), "{running}");
    // What others do with it by virsh is seen.
    virsh(&["destroy", &made.name]);
    assert_eq!(until(launcher, &made.id, State::has_ended).await.state.label().1, "killed");
    virsh(&["undefine", &made.name]);
    let gone = until(launcher, &made.id, State::has_ended).await;
    assert!(gone.state.label().1.contains("does not know it any more"), "{gone:?}");
    launcher.remove(&cx, &made.id).await.unwrap();
    assert!(launcher.workloads(&cx).await.unwrap().0.is_empty());
    libvirt_finds_the_firmware_that_is_asked_for(&stage).await;
    those_of_others_are_listed_and_left_alone(&stage).await;
}

async fn libvirt_finds_the_firmware_that_is_asked_for(stage: &Stage) {
    let given = [("memory", "256M"), ("cpus", "1"), ("network", "none"), ("firmware", "uefi")];
    let made = stage.launch(&given).await;
    let xml = virsh(&["dumpxml", &made.name]);
    assert!(xml.contains("OVMF") && xml.contains("pflash") && !xml.contains("secure='yes'"), "{xml}");
    until(&stage.launcher, &made.id, |state| *state == State::Running).await;
    stage.launcher.remove(&Context::default(), &made.id).await.unwrap();
}

async fn it_is_known_to_libvirt_and_reached(launcher: &Arc<dyn Launcher>, made: &Workload) {
    let cx = Context::default();
    let xml = virsh(&["dumpxml", &made.name]);
    assert!(xml.contains(&format!("key=\"{}\"", made.id)) || xml.contains(&format!("key='{}'", made.id)), "{xml}");
    assert!(xml.contains(&made.digest), "{xml}");
    let found = until(launcher, &made.id, |state| *state == State::Running).await;
    assert!(found.ports.iter().all(|port| port.address == "127.0.0.1") && found.ports.len() == 2, "{found:?}");
    assert!(found.facts.iter().any(|(_, value)| value.starts_with("ssh -p ")), "{:?}", found.facts);
    let mut terminal = launcher.terminal(&cx, &made.id, None, (80, 24)).await.unwrap();
    terminal.input.send("echo $((40+2)) sectors $(cat /sys/block/vda/size)\r".into()).await.unwrap();
    until_it_says(&mut terminal.output, "42 sectors 2097152").await;
    // It reaches nothing, neither this machine.
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let own = listener.local_addr().unwrap().port();
    let knock = format!("nc -w 3 10.0.2.2 {own} </dev/null; echo knocked: $?\r");
    terminal.input.send(knock.into()).await.unwrap();
    until_it_says(&mut terminal.output, "knocked: 1").await;
    let command = launcher.terminal(&cx, &made.id, Some(vec!["sh".into()]), (80, 24)).await.err().unwrap();
    assert_eq!(command.kind, Kind::Unsupported);
}

async fn those_of_others_are_listed_and_left_alone(stage: &Stage) {
    let cx = Context::default();
    let xml = "<domain type='qemu'><name>by-hand</name><memory>65536</memory><os><type>hvm</type></os></domain>";
    let file = stage.home.path("by-hand.xml");
    std::fs::write(&file, xml).unwrap();
    virsh(&["define", file.to_str().unwrap()]);
    assert!(stage.launcher.workloads(&cx).await.unwrap().0.is_empty());
    let listed = stage.launcher.list(&cx, ListScope { everybody: true, since: None }).await.unwrap();
    let names: Vec<&str> = listed.workloads.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["by-hand"]);
    assert_eq!(stage.launcher.stop(&cx, "by-hand").await.unwrap_err().kind, Kind::NotFound);
    stage.launcher.remove(&cx, "by-hand").await.unwrap();
    assert!(virsh(&["list", "--all", "--name"]).contains("by-hand"));
}
