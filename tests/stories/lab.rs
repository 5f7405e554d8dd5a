//! The lab as tests see it, and a separate home for each test.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
};

use wharf::{
    adapters,
    core::{
        config::{Config, ConfigEntry},
        image::reference::ImageRef,
        portal::Portal,
        transfer::copy::CopyEnd,
    },
};

/// Runs an ignored test as a person without rights, with these variables and no others of this process.
pub(crate) fn as_person(test: &str, variables: &[(&str, &str)]) {
    let person = "wharf-lab";
    let made = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/person")).arg(person).status();
    if !made.is_ok_and(|status| status.success()) {
        return eprintln!("left out: only root makes the person {person}");
    }
    let run = |program: &str, arguments: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", person, "--regid", person, "--init-groups", "--", program]).args(arguments);
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", format!("/home/{person}"));
        command.env("USER", person).env("LOGNAME", person).envs(variables.iter().copied());
        command.current_dir("/").output().unwrap()
    };
    let ours = std::env::current_exe().unwrap();
    let program = ours.to_str().unwrap();
    if !run("test", &["-x", program]).status.success() {
        return eprintln!("left out: {person} may not read {program}");
    }
    let output = run(program, &["--exact", test, "--ignored", "--nocapture"]);
    let said = format!("{}{}", said(&output), complained(&output));
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

/// The address of a part of the lab, from its variable. `None` means that it does not run: the test says so and ends.
pub(crate) fn part(name: &str) -> Option<String> {
    let found = std::env::var(name).ok().filter(|value| !value.is_empty());
    if found.is_none() {
        eprintln!("left out: {name} is not up (tests/run starts the lab)");
    }
    found
}

/// Skips a test whose part of the lab does not run.
macro_rules! need {
    ($name:literal) => {
        match crate::lab::part($name) {
            Some(value) => value,
            None => return,
        }
    };
}
pub(crate) use need;

/// The variables of the lab's parts: each folder's `up` names its own, and `tests/run` those of the parts that it
/// starts separately.
fn variables() -> std::collections::BTreeSet<String> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let parts = std::fs::read_dir(tests.join("lab")).unwrap().map(|entry| entry.unwrap().path().join("up"));
    let files = parts.filter(|file| file.is_file()).chain([tests.join("run")]);
    let texts: Vec<String> = files.map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let set = texts.iter().flat_map(|text| text.split("\"WHARF_LAB_").skip(1));
    set.filter_map(|rest| rest.split_once('=')).map(|(name, _)| format!("WHARF_LAB_{name}")).collect()
}

/// In CI no part may be missing without being noticed.
#[test]
fn the_lab_is_whole_where_it_must_be() {
    let all = variables();
    for known in ["OPEN", "DOCKER", "CLOUDS"] {
        assert!(all.contains(&format!("WHARF_LAB_{known}")), "{all:?}");
    }
    if std::env::var("CI").is_ok_and(|ci| ci == "true") {
        for name in all {
            assert!(std::env::var(&name).is_ok_and(|value| !value.is_empty()), "{name} is missing");
        }
    }
}

/// The empty site file: a file that is named must exist.
pub(crate) const NO_SITE: &str = "/dev/null";

/// A path that does not exist.
pub(crate) fn nowhere() -> &'static str {
    static NOWHERE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
        // The folder is removed as soon as its name is known, and no other folder gets that name.
        let folder = tempfile::tempdir().unwrap();
        folder.path().join("nothing").display().to_string()
    });
    &NOWHERE
}

/// A home folder, with cache and state in it.
pub(crate) struct Home {
    /// The folder, which is deleted at the end.
    pub folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A home with this configuration file.
    pub(crate) fn configured(text: &str) -> Self {
        let home = Self::new();
        let folder = home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("wharf.toml"), text).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration without discovery.
    pub(crate) fn config(&self) -> Config {
        Config {
            cache_dir: self.path("cache"),
            state_dir: self.path("state"),
            secret_file: true,
            person: "ada".into(),
            ..Config::default()
        }
    }

    /// The program with this home, separated from the machine's own settings.
    pub(crate) fn wharf(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wharf"));
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.folder.path())
            .env("TERM", "xterm-256color");
        command
            .env("WHARF_CACHE_DIR", self.path("cache"))
            .env("WHARF_STATE_DIR", self.path("state"))
            .env("WHARF_SECRET_FILE", "yes");
        // Sockets of the machine itself are not part of the test.
        command.env("WHARF_DISCOVER", "no").env("WHARF_SITE", NO_SITE).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.wharf(arguments).output().unwrap()
    }
}

/// Whether this session has a kernel keyring of its own: then nobody is asked about a file.
pub(crate) fn keyring_lasts() -> bool {
    let output = Home::new().wharf(&["doctor"]).env("WHARF_SECRET_FILE", "no").output().unwrap();
    let lasts = said(&output).contains("kernel keyring (this");
    if lasts {
        eprintln!("left out: this session has a kernel keyring of its own");
    }
    lasts
}

/// A configuration entry with only an address.
pub(crate) fn written(name: &str, kind: &str, url: &str) -> ConfigEntry {
    ConfigEntry::new(name, kind, "test", toml::Table::from_iter([("url".to_owned(), url.into())]))
}

/// A registry as source.
pub(crate) fn registry(name: &str, host: &str) -> ConfigEntry {
    written(name, "oci", &format!("http://{host}"))
}

/// An engine as source and backend.
pub(crate) fn engine(name: &str, url: &str) -> ConfigEntry {
    written(name, "engine", url)
}

/// A portal over these sources.
pub(crate) fn portal(home: &Home, sources: Vec<ConfigEntry>) -> Arc<Portal> {
    Arc::new(adapters::build(Config { sources, ..home.config() }).unwrap())
}

/// The bytes of an image, over the port that the adapters make for this portal's configuration.
pub(crate) fn place(portal: &Portal, at: &ImageRef) -> CopyEnd {
    let parts = adapters::parts_of(portal.config().clone()).unwrap();
    let own = parts.sources.iter().find(|source| source.catalog.owns(at)).cloned();
    let source = own.unwrap_or_else(|| (parts.open)(at).unwrap());
    CopyEnd { content: source.content.unwrap(), at: at.clone() }
}

/// The secret store of this home.
pub(crate) fn vault(home: &Home) -> Arc<dyn wharf::core::ports::Vault> {
    Arc::new(adapters::vault::Keeper::new(&home.config().state_dir, true))
}

/// The starter image of this repository as a reference.
pub(crate) fn starter() -> String {
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/starter/layout");
    format!("file:{}:1", layout.display())
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A name that no earlier run has used, because a lab that stays up keeps what tests leave in it.
pub(crate) fn fresh(name: &str) -> String {
    static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    // Two tests may ask in the same microsecond.
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 1000;
    format!("{name}-{}{number:03}", now.as_micros())
}

/// Runs a program with this text on its standard input.
pub(crate) fn with_input(mut command: Command, text: &str) -> Output {
    use std::{io::Write, process::Stdio};
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

/// The standard output of a program.
pub(crate) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The standard error of a program.
pub(crate) fn complained(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
