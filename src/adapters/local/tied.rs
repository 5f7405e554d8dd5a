//! Running a program that ends with the process that started it, however that ends: `wharf __tied PARENT PROGRAM
//! WORD…`, which becomes the program.

use std::{ffi::OsString, os::unix::process::CommandExt, process::Command};

use rustix::process::Signal;
use wharf_core::base::error::{During, Error, Result};

/// The inner verb of the command line.
pub(super) const VERB: &str = "__tied";

/// The words before those of a program that ends with this process. `ourselves` is the path of this program. The thread
/// that starts it must stay as long as it runs (prctl(2), PR_SET_PDEATHSIG).
pub(super) fn words(ourselves: &str) -> Vec<String> {
    vec![ourselves.to_owned(), VERB.to_owned(), std::process::id().to_string()]
}

/// Becomes the program. Returns only if that fails.
pub(super) fn run(words: &[OsString]) -> Result<u8> {
    let what = "run a program";
    let usage = || Error::usage(what, "it is called by Wharf only");
    let [parent, program, rest @ ..] = words else { return Err(usage()) };
    let parent: i32 = parent.to_str().and_then(|number| number.parse().ok()).ok_or_else(usage)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(what)?;
    // It may have ended before.
    if rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get()) != Some(parent) {
        return Err(Error::failed(what, "the process that wanted it has ended"));
    }
    let error = Command::new(program).args(rest).exec();
    Err(Error::failed(format!("run {}", program.display()), error))
}
