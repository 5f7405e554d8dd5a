//! Calls of virsh: with argument lists, deadlines and bounds, and its errors in words.

use std::time::Duration;

use crate::shared::exec;
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
    },
    launch::plan::Step,
};

/// The program.
pub(super) const PROGRAM: &str = "virsh";
/// How long a call may take: the first one of a day starts a daemon.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most bytes of an answer.
const OUTPUT: usize = 8 << 20;

/// A libvirt as virsh speaks to it.
#[derive(Clone)]
pub(super) struct Virsh {
    uri: String,
}

impl Virsh {
    pub(super) fn new(uri: String) -> Self {
        Self { uri }
    }

    /// The words of a call.
    fn words(&self, arguments: &[&str]) -> Vec<String> {
        [PROGRAM, "-q", "-c", &self.uri].iter().chain(arguments).map(ToString::to_string).collect()
    }

    /// The step of a call.
    pub(super) fn step(&self, arguments: &[&str]) -> Step {
        let names = environment().iter().filter_map(|pair| Some(pair.split_once('=')?.0.to_owned())).collect();
        Step::Run { argv: self.words(arguments), environment: names }
    }

    /// Calls it; gives its answer.
    pub(super) async fn call(&self, cx: &Context, arguments: &[&str], what: &str) -> Result<String> {
        run(cx, &self.words(arguments), what).await
    }
}

/// The variables that libvirt needs to find this person's session, and nothing else; its words in English, because they
/// are read here.
pub(super) fn environment() -> Vec<String> {
    const KEPT: [&str; 8] = [
        "HOME",
        "USER",
        "LOGNAME",
        "XDG_RUNTIME_DIR",
        "XDG_CONFIG_HOME",
        "XDG_CACHE_HOME",
        "XDG_DATA_HOME",
        "XDG_STATE_HOME",
    ];
    let kept = KEPT.iter().filter_map(|name| Some(format!("{name}={}", std::env::var(name).ok()?)));
    exec::path_alone().into_iter().chain(kept).chain(["LC_ALL=C".to_owned()]).collect()
}

/// Runs a call that a plan shows.
pub(super) async fn run(cx: &Context, words: &[String], what: &str) -> Result<String> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let environment = environment();
    let called = exec::run_in(&words, Some(&environment), b"", OUTPUT, PATIENCE);
    let output = cx.unless_cancelled(what, called).await?;
    if output.code == 0 {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(refused(what, &output.stderr))
}

/// What virsh says, as an error.
fn refused(what: &str, said: &str) -> Error {
    let line = said.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let why = clean::short(line.strip_prefix("error: ").unwrap_or(line), 300);
    let why = if why.is_empty() { "virsh failed without a word".to_owned() } else { why };
    let says = |words: &str| said.contains(words);
    if says("failed to get domain") || says("Domain not found") {
        return Error::not_found(what, why);
    }
    if says("failed to connect") || says("Failed to connect") || says("Cannot recv data") {
        return Error::new(Kind::Unavailable, what, why)
            .hint("'virsh -c qemu:///session list' starts its daemon, and says the same");
    }
    Error::failed(what, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_virsh_says_is_told_apart() {
        let kind = |said: &str| refused("stop a", said).kind;
        assert_eq!(kind("error: failed to get domain 'a'\n"), Kind::NotFound);
        assert_eq!(
            kind("error: failed to connect to the hypervisor\nerror: Failed to connect socket"),
            Kind::Unavailable
        );
        let other = refused("start a", "error: Failed to start domain 'a'\nerror: internal error: no \u{1b}[1mport\n");
        assert_eq!(other.kind, Kind::Failed);
        assert!(other.why.starts_with("internal error") && !other.why.contains('\u{1b}'), "{other}");
        assert!(!refused("start a", "").why.is_empty());
    }
}
