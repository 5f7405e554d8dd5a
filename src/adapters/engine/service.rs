//! Podman needs no daemon, but its interface does: where nothing answers at its socket, its service is started for this
//! person (podman-system-service(1)). It ends by itself when it is no longer asked; containers do not depend on it.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    net::UnixStream,
    process::{Child, Command},
    sync::Mutex,
    time::Instant,
};

use super::connection::{Address, Settings};
use crate::shared::{exec, private, settings::AdapterEntry};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        digest::Digest,
        error::{During, Error, Kind, Result},
    },
    launch::step::Step,
};

/// The seconds after which it ends if nobody asks: long enough for a person who reads.
const IDLE: u64 = 60;
/// How long it may take to answer: the first start of all prepares Podman's storage.
const PATIENCE: Duration = Duration::from_secs(30);
/// The time between two looks whether it answers.
const PAUSE: Duration = Duration::from_millis(10);
/// The most bytes of its complaint that are read.
const COMPLAINT: u64 = 4 << 10;

/// The service of a Podman that is started when it is needed.
pub(super) struct Service {
    program: PathBuf,
    socket: PathBuf,
    starting: Mutex<()>,
}

/// The place of the socket for a service of this person, in the folder of their session if they have one, else in Wharf's
/// folder. The name tells the machine, because the latter may be on a network file system.
pub(super) fn place(state: &Path) -> PathBuf {
    let user = rustix::process::getuid().as_raw();
    let session = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let session = session.unwrap_or_else(|| PathBuf::from(format!("/run/user/{user}")));
    let folder = if private::is_closed(&session) { session.join("wharf") } else { state.join("engine") };
    // Names of nodes may be longer than that of a socket, and differ at any place.
    let node = Digest::of(rustix::system::uname().nodename().to_bytes());
    folder.join(format!("podman-{}.sock", node.short()))
}

/// The Podman on the path, if this person could run containers with it without being root.
pub(super) fn rootless_podman() -> Option<PathBuf> {
    (!rustix::process::geteuid().is_root()).then(|| exec::on_path("podman")).flatten()
}

impl Service {
    /// The service of an engine, if its settings name a program that has to be started.
    pub(super) fn of(config: &AdapterEntry<Settings>) -> Option<Self> {
        let program = config.settings.program.clone()?;
        let Ok(Address::Socket(socket)) = Address::parse(config) else { return None };
        Some(Self { program, socket, starting: Mutex::default() })
    }

    /// What is run to start it.
    fn words(&self) -> Vec<String> {
        let socket = format!("unix://{}", self.socket.display());
        let program = self.program.display().to_string();
        // Its warnings are about every connection that ends.
        let words = [&program, "--log-level", "error", "system", "service", "--time", &IDLE.to_string(), &socket];
        words.map(str::to_owned).to_vec()
    }

    /// The step of a plan by which it is there.
    pub(super) fn step(&self) -> Step {
        Step::Serve { argv: self.words(), socket: self.socket.display().to_string() }
    }

    /// Starts the service unless it answers, and waits until it does.
    pub(super) async fn ready(&self) -> Result<()> {
        if self.answers().await {
            return Ok(());
        }
        let _one = self.starting.lock().await;
        let what = format!("start {} system service", self.program.display());
        // Two services would take the socket from each other.
        let _alone = self.lock(&what).await?;
        // Somebody else may have started it meanwhile.
        if self.answers().await {
            return Ok(());
        }
        self.start(&what).await
    }

    async fn answers(&self) -> bool {
        UnixStream::connect(&self.socket).await.is_ok()
    }

    /// The lock of this person's Wharfs on this node.
    async fn lock(&self, what: &str) -> Result<File> {
        let (path, task) = (self.socket.with_extension("lock"), what.to_owned());
        let lock = move || {
            path.parent().map_or(Ok(()), private::home)?;
            let file = private::open(&path, |options| options.write(true).create(true))?;
            private::lock(&file, PATIENCE, &task).map(|()| file)
        };
        blocking(lock).await.during(what)?
    }

    async fn start(&self, what: &str) -> Result<()> {
        // A file, not a pipe: the service goes on after this program, and may complain then, too.
        let complaints = private::open(&self.socket.with_extension("log"), |options| {
            options.read(true).write(true).create(true).truncate(true)
        })?;
        let mut service = Command::new(&self.program)
            .args(self.words().iter().skip(1))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(complaints.try_clone().during(what)?)
            .process_group(0)
            .spawn()
            .during(what)?;
        let end = Instant::now() + PATIENCE;
        while !self.answers().await {
            if service.try_wait().during(what)?.is_some() || Instant::now() > end {
                return Err(refused(what, &mut service, complaints));
            }
            tokio::time::sleep(PAUSE).await;
        }
        // Waits for it while this program runs; afterwards the system's init does.
        tokio::spawn(async move { service.wait().await });
        Ok(())
    }
}

/// The error for a service that has ended, or that does not answer: then it is stopped.
fn refused(what: &str, service: &mut Child, mut complaints: File) -> Error {
    let _ = service.start_kill();
    let mut said = Vec::new();
    let _ = complaints.seek(SeekFrom::Start(0));
    let _ = complaints.take(COMPLAINT).read_to_end(&mut said);
    let said = String::from_utf8_lossy(&said);
    // Podman warns first, and says why it fails last.
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it does not answer");
    Error::new(Kind::Unavailable, what, clean::short(last.trim(), 300)).hint(
        "see whether 'podman info' works for you: Podman without root needs numbers in /etc/subuid and /etc/subgid, and a \
         home folder on this machine's own disk",
    )
}
