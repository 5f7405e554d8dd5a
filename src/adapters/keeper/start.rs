//! Starting a keeper, from a Wharf that may end before it.

use std::{
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use wharf_core::base::error::{During, Error, Result};

use super::{log, running::NOTE, wait::Changes};

/// How long to wait until a program was started: then it is listed as starting.
const PATIENCE: Duration = Duration::from_secs(2);
/// The most time between two looks; a change is looked at at once.
const PAUSE: Duration = Duration::from_millis(50);

/// The words that run this program again with the inner verb `verb`, as the keeper of what is in `folder`.
pub fn words(verb: &str, folder: &Path, what: &str) -> Result<Vec<String>> {
    let program = std::env::current_exe().during(what)?;
    Ok([program.as_path(), Path::new(verb), folder].map(|word| word.display().to_string()).to_vec())
}

/// Runs a keeper by its [`words`], with the standard input `input`, and waits until the program that it keeps runs or has
/// ended, for at most two seconds.
pub async fn start(words: &[String], folder: &Path, input: Stdio, what: &str) -> Result<()> {
    let (program, arguments) = words.split_first().ok_or_else(|| Error::usage(what, "this plan starts no program"))?;
    let mut changes = Changes::of(folder);
    let keeper = std::process::Command::new(program)
        .args(arguments)
        // The keeper outlives this session and must not depend on its environment.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut keeper = keeper.during(what)?;
    // Waits for the keeper while Wharf runs; afterwards the system's init does.
    tokio::task::spawn_blocking(move || keeper.wait());
    let end = Instant::now() + PATIENCE;
    while !folder.join(NOTE).is_file() && log::exit_code(folder).is_none() && Instant::now() < end {
        changes.next(PAUSE).await;
    }
    Ok(())
}
