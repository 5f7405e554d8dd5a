//! Starting a keeper, from a Wharf that may end before it.

use std::{path::Path, process::Stdio, time::Duration};

use wharf_core::base::error::{During, Result};

use super::{log, running::NOTE};

/// How long to wait until a program was started: then it is listed as starting.
const PATIENCE: u32 = 200;
const PAUSE: Duration = Duration::from_millis(10);

/// Starts this program again with the inner verb `verb` as the keeper of what is in `folder`, and waits until the program
/// runs or has ended, for at most two seconds.
pub async fn start(verb: &str, folder: &Path, what: &str) -> Result<()> {
    let program = std::env::current_exe().during(what)?;
    let keeper = std::process::Command::new(program)
        .arg(verb)
        .arg(folder)
        // The keeper outlives this session and must not depend on its environment.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut keeper = keeper.during(what)?;
    // Waits for the keeper while Wharf runs; afterwards the system's init does.
    tokio::task::spawn_blocking(move || keeper.wait());
    for _ in 0..PATIENCE {
        if folder.join(NOTE).is_file() || log::exit_code(folder).is_some() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}
