//! The program `apptainer` (or `singularity`) of this machine: its calls, its version, how it is installed.

use std::{path::PathBuf, time::Duration};

use tokio::sync::OnceCell;

use super::exec::{self, Output};
use wharf_core::base::{
    clean,
    error::{Error, Result},
};

/// The most time of a call that only asks.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most output of such a call, in bytes.
const ANSWER: usize = 1 << 20;
/// Variables of this session that Apptainer needs to find its instances and a place for large files. No others reach it:
/// `APPTAINER_BIND` and its kind would change what a plan has shown.
const KEPT: [&str; 9] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "XDG_RUNTIME_DIR",
    "APPTAINER_CONFIGDIR",
    "APPTAINER_TMPDIR",
    "SINGULARITY_CONFIGDIR",
    "SINGULARITY_TMPDIR",
];

/// What is known of the installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// What it says of its version: `apptainer version 1.4.5`.
    pub version: String,
    /// Whether its starter is setuid root; `None` if that cannot be learnt.
    pub setuid: Option<bool>,
}

impl Installation {
    /// What variables for the workload begin with: the two programs read different ones.
    pub fn prefix(&self) -> &'static str {
        if self.version.contains("singularity") { "SINGULARITYENV_" } else { "APPTAINERENV_" }
    }
}

/// The program.
#[derive(Debug)]
pub struct Program {
    path: PathBuf,
    known: OnceCell<Installation>,
}

impl Program {
    /// The program at this path.
    pub fn new(path: PathBuf) -> Self {
        Self { path, known: OnceCell::new() }
    }

    /// The path as a word of a command line.
    ///
    /// # Errors
    /// `Unsupported` for a path that is not text.
    pub fn word(&self) -> Result<String> {
        self.path.to_str().map(str::to_owned).ok_or_else(|| {
            Error::unsupported("call apptainer", format!("its path {} is not text", self.path.display()))
        })
    }

    /// Runs it with these arguments and asks for its answer.
    ///
    /// # Errors
    /// If it cannot be started or takes too long; not if it ends with another exit code than 0.
    pub async fn ask(&self, arguments: &[&str]) -> Result<Output> {
        let program = self.word()?;
        let argv: Vec<&str> = std::iter::once(program.as_str()).chain(arguments.iter().copied()).collect();
        exec::run_in(&argv, Some(&environment()), b"", ANSWER, PATIENCE).await
    }

    /// Its version and how it is installed; learnt once.
    ///
    /// # Errors
    /// If it does not answer.
    pub async fn installation(&self) -> Result<&Installation> {
        let learn = || async {
            let what = format!("ask {} for its version", self.path.display());
            // Each costs a start of the program.
            let (said, told) = tokio::join!(self.ask(&["--version"]), self.ask(&["buildcfg"]));
            let said = said?;
            if said.code != 0 {
                return Err(Error::failed(what, said.stderr).hint("'apptainer --version' shows what is wrong"));
            }
            let version = clean::short(String::from_utf8_lossy(&said.stdout).trim(), 80);
            let setuid = setuid(&String::from_utf8_lossy(&told?.stdout));
            Ok(Installation { version, setuid })
        };
        self.known.get_or_try_init(learn).await
    }
}

/// Whether the starter is setuid root, by what `buildcfg` says.
fn setuid(buildcfg: &str) -> Option<bool> {
    let value = buildcfg.lines().find_map(|line| line.split_once("_SUID_INSTALL=").map(|(_, value)| value.trim()))?;
    match value {
        "0" => Some(false),
        "1" => Some(true),
        _ => None,
    }
}

/// A mount as a value of `--mount`, which is a line of comma-separated values (RFC 4180): of a path of this machine at a path
/// inside. A line has no line breaks: such a path is refused by Apptainer.
pub fn mount(host: &str, inside: &str, writes: bool) -> String {
    let field = |key: &str, path: &str| {
        let text = format!("{key}={path}");
        if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let ending = if writes { "" } else { ",ro" };
    format!("type=bind,{},{}{ending}", field("source", host), field("destination", inside))
}

/// The environment in which it is called.
pub fn environment() -> Vec<String> {
    let kept = KEPT.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    kept.chain(["LANG=C".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_comma_is_one_field() {
        assert_eq!(mount("/data", "/in", false), "type=bind,source=/data,destination=/in,ro");
        let odd = mount("/a,b \"c\"", "/in", true);
        assert_eq!(odd, "type=bind,\"source=/a,b \"\"c\"\"\",destination=/in");
    }

    #[test]
    fn a_setuid_installation_is_told_from_one_without() {
        assert_eq!(setuid("PREFIX=/usr\nAPPTAINER_SUID_INSTALL=0\n"), Some(false));
        assert_eq!(setuid("SINGULARITY_SUID_INSTALL=1\n"), Some(true));
        assert_eq!((setuid(""), setuid("APPTAINER_SUID_INSTALL=perhaps")), (None, None));
    }
}
