//! Ending a workload.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::{KeptWorkload, Local, confine::Limits, gvisor, image_server, sandbox_program::SandboxProgram};
use crate::keeper::{processes, running::RunningProgram};
use wharf_core::{
    base::error::{Error, Kind, Result},
    launch::plan::State,
};

/// How long a workload that is starting is waited for, and the pause between two looks.
const BEGINS: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(50);
/// How often it is asked to end: its process is another one once its image was unpacked instead of mounted.
const ASKED: usize = 3;

impl Local {
    /// Ends a workload: its program is asked to end first; when its sandbox ends, everything in it does.
    pub(super) async fn end(&self, id: &str) -> Result<()> {
        let what = format!("stop {id}");
        let mut before = None;
        for _ in 0..ASKED {
            let Some((kept, pid)) = self.begun(id, &what).await? else { return Ok(()) };
            if before.replace(pid) == Some(pid) {
                break;
            }
            ask(&kept, pid).await;
            if RunningProgram::<Limits>::ends(&kept.folder).await {
                return Ok(());
            }
        }
        let Some((kept, _)) = self.begun(id, &what).await? else { return Ok(()) };
        let (sandboxed, folder) = (&kept.spec.sandboxed, &kept.folder);
        if sandboxed.runtime == SandboxProgram::Runsc {
            let _ = gvisor::signal(folder, sandboxed.inside.network, "KILL").await;
            if RunningProgram::<Limits>::ends(folder).await {
                return Ok(());
            }
        }
        let Some((kept, pid)) = self.begun(id, &what).await? else { return Ok(()) };
        signal(pid, Signal::KILL);
        if RunningProgram::<Limits>::ends(&kept.folder).await {
            return Ok(());
        }
        // A process that waits for a part of its image ends when nobody answers any more.
        image_server::end_noted(&kept.folder);
        if RunningProgram::<Limits>::ends(&kept.folder).await {
            return Ok(());
        }
        Err(Error::new(Kind::Unavailable, what, "it does not end").hint(format!("its process is {pid}")))
    }

    /// A workload with its process, once it has begun; `None` if it has ended.
    async fn begun(&self, id: &str, what: &str) -> Result<Option<(KeptWorkload, u32)>> {
        let end = Instant::now() + BEGINS;
        loop {
            let kept = self.find(id).await?;
            if matches!(kept.workload.state, State::Exited(_)) {
                return Ok(None);
            }
            let kept = kept.here(what)?;
            if let Some(pid) = kept.pid {
                return Ok(Some((kept, pid)));
            }
            let why = match kept.workload.state {
                State::Created => "it is still starting",
                // Its keeper is at work: it writes how it ended, or starts it in another way.
                State::Running => "its keeper is at work",
                _ => return Ok(None),
            };
            if Instant::now() >= end {
                return Err(Error::new(Kind::Unavailable, what, why).hint("stop it again in a moment"));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Asks the program of a workload to end.
async fn ask(kept: &KeptWorkload, pid: u32) {
    let sandboxed = &kept.spec.sandboxed;
    if sandboxed.runtime == SandboxProgram::Runsc {
        // A signal to gVisor's own processes would not reach the program.
        let _ = gvisor::signal(&kept.folder, sandboxed.inside.network, "TERM").await;
    } else {
        signal(processes::program(pid).unwrap_or(pid), Signal::TERM);
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}
