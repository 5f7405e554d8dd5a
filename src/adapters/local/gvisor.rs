//! gVisor without a daemon and without root rights: `runsc` runs the unpacked image behind a kernel in user space.
//!
//! Everything of it is in the workload's folder: the bundle, and the state by which `runsc` finds the workload again.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use serde::Deserialize;
use wharf_core::{
    base::error::{During, Error, Result},
    image::model::Foreign,
};

use super::{
    bundle,
    confine::{self, Files},
    sandbox_program::SandboxProgram,
    sandboxed::Sandboxed,
};
use crate::{
    keeper::supervise,
    prepared::people::ImageUser,
    shared::{exec, private},
};

/// The workload's name for `runsc`: each has a state folder of its own.
const ID: &str = "workload";
/// How long a question or a signal may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The folder for the state of `runsc`, in a workload's folder.
fn state(folder: &Path) -> PathBuf {
    folder.join("gvisor")
}

/// The folder for the bundle, in a workload's folder.
fn bundle_in(folder: &Path) -> PathBuf {
    folder.join("bundle")
}

/// The options and the verb of every call. Without control groups, which need root rights, and without an overlay:
/// nothing is written to the image.
fn words(folder: &str, network: bool, rest: &[&str]) -> Vec<String> {
    let network = if network { "--network=host" } else { "--network=none" };
    let state = state(Path::new(folder)).display().to_string();
    let options =
        [SandboxProgram::Runsc.name(), "--root", &state, "--rootless", "--ignore-cgroups", "--overlay2=none", network];
    options.iter().chain(rest).map(ToString::to_string).collect()
}

/// The command line that runs the workload in `folder`.
pub(super) fn argv(folder: &str, network: bool) -> Vec<String> {
    let bundle = bundle_in(Path::new(folder)).display().to_string();
    words(folder, network, &["run", "--bundle", &bundle, ID])
}

/// The path of `runsc` on this machine.
fn program() -> Result<PathBuf> {
    exec::on_path(SandboxProgram::Runsc.name()).ok_or_else(|| {
        Error::unsupported("start the sandbox", "runsc is not on the path of this machine")
            .hint("install gVisor here, or launch again with another isolation")
    })
}

/// The command of these words.
fn command(words: &[String]) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args(words.iter().skip(1)).env_clear();
    Ok(command)
}

/// Writes the bundle of a workload into its folder and gives the command that runs it.
pub(super) fn ready(sandboxed: &Sandboxed, who: &ImageUser, folder: &Path) -> Result<Command> {
    let what = "start the sandbox";
    let bundle = bundle_in(folder);
    private::folder(&state(folder))?;
    private::folder(&bundle.join(bundle::TEXTS))?;
    for (number, text) in sandboxed.inside.texts.iter().enumerate() {
        let file = bundle::text_file(&bundle, number);
        private::write(&file, text.text.as_bytes())?;
        // Programs that do not run as root read it too.
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        std::fs::set_permissions(&file, readable).during(what)?;
    }
    let config = bundle::config(sandboxed, who, &bundle);
    private::write(&bundle.join("config.json"), &serde_json::to_vec_pretty(&config).during(what)?)?;
    command(&argv(&folder.display().to_string(), sandboxed.inside.network))
}

/// Runs a command in a workload and gives its exit code.
pub(super) fn enter(sandboxed: &Sandboxed, folder: &Path, argv: &[Foreign], files: Files, what: &str) -> Result<u8> {
    let who = sandboxed.who(what)?;
    if files == Files::Together {
        rustix::stdio::dup2_stderr(std::io::stdout()).during(what)?;
    }
    confine::close_others(what)?;
    // The environment is told in a file, because others can read a command line.
    let process = bundle::process(sandboxed, who, argv, files == Files::Terminal);
    let file = private::beside(&bundle_in(folder).join("process"), "json");
    private::write(&file, &serde_json::to_vec(&process).during(what)?)?;
    let file_name = file.display().to_string();
    let folder = folder.display().to_string();
    let words = words(&folder, sandboxed.inside.network, &["exec", "--process", &file_name, ID]);
    // The person who entered it ends it; here nothing else is waited for.
    let started = command(&words).and_then(|mut command| command.spawn().during(what));
    let status = started.and_then(|mut child| child.wait().during(what));
    let _ = std::fs::remove_file(&file);
    Ok(u8::try_from(supervise::code(status?)).unwrap_or(1))
}

/// Sends a signal (`TERM`, `KILL`) to the program of a workload.
pub(super) async fn signal(folder: &Path, network: bool, name: &str) -> Result<()> {
    call(folder, network, &["kill", ID, name]).await.map(|_| ())
}

/// What a workload uses, as gVisor's own kernel counts it (`runsc events --stats`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counted {
    /// Memory in bytes.
    pub memory: Option<u64>,
    /// The number of processes.
    pub processes: Option<u64>,
}

/// Asks what a workload uses. Figures that are not told are left out.
pub(super) async fn usage(folder: &Path, network: bool) -> Result<Counted> {
    let answer = call(folder, network, &["events", "--stats", ID]).await?;
    Ok(counted(&answer))
}

/// The figures in an answer. Its processor time is that of the whole machine where there are no control groups.
fn counted(answer: &[u8]) -> Counted {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        data: Data,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Data {
        memory: Memory,
        pids: Processes,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Memory {
        usage: Used,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Used {
        usage: Option<u64>,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Processes {
        current: Option<u64>,
    }
    let data = serde_json::from_slice::<Answer>(answer).unwrap_or_default().data;
    let told = |figure: Option<u64>| figure.filter(|figure| *figure > 0);
    Counted { memory: told(data.memory.usage.usage), processes: told(data.pids.current) }
}

async fn call(folder: &Path, network: bool, rest: &[&str]) -> Result<Vec<u8>> {
    // Without an environment the program has to be named by its path.
    let program = program()?.display().to_string();
    let words = words(&folder.display().to_string(), network, rest);
    let words: Vec<&str> = std::iter::once(&program).chain(words.iter().skip(1)).map(String::as_str).collect();
    let output = exec::run_in(&words, Some(&[]), b"", 1 << 20, PATIENCE).await?;
    if output.code == 0 {
        return Ok(output.stdout);
    }
    Err(Error::failed(format!("ask runsc to {}", rest.first().unwrap_or(&"")), output.stderr.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_that_are_not_told_are_left_out() {
        let told = br#"{"type":"stats","data":{"cpu":{"usage":{"total":99}},"memory":{"usage":{"usage":7282688}},"pids":{"current":12}}}"#;
        assert_eq!(counted(told), Counted { memory: Some(7_282_688), processes: Some(12) });
        assert_eq!(counted(b"{}"), Counted::default());
        assert_eq!(counted(br#"{"data":{"pids":{"current":0}}}"#), Counted::default());
    }

    #[test]
    fn a_plan_shows_the_command_line() {
        let shown = argv("FOLDER", false).join(" ");
        assert_eq!(
            shown,
            "runsc --root FOLDER/gvisor --rootless --ignore-cgroups --overlay2=none --network=none run --bundle \
             FOLDER/bundle workload"
        );
    }
}
