//! Copies of the disk of a machine that runs, by QEMU itself.

use std::{path::Path, time::Duration};

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    machine::{COPIES, DISK},
    qmp::Connection,
};
use crate::machines::{size, snapshots::images};
use wharf_core::base::{
    clean,
    context::Context,
    error::{During, Error, Result},
};

/// The pause between two looks at a copy of a running machine.
const LOOK: Duration = Duration::from_millis(200);
/// How long a copy that is ended may take to end.
const CLEANED: Duration = Duration::from_secs(10);
/// The name of the copy and of its file in QEMU.
const JOB: &str = "wharf-snapshot";
/// A copy that QEMU makes, as it lists it.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Job {
    id: String,
    status: String,
    current_progress: u64,
    total_progress: u64,
    #[serde(default)]
    error: Option<String>,
}

/// A disk or file that QEMU has open.
#[derive(Deserialize)]
struct Node {
    #[serde(rename = "node-name", default)]
    name: String,
}

/// Copies the disk of a machine that runs, as it is when the copy begins: QEMU keeps what is written meanwhile apart.
pub(super) async fn copy_running(cx: &Context, folder: &Path, to: &Path, what: &str) -> Result<()> {
    let (size, to) = (size::of_disk(folder, what).await?, to.display().to_string());
    images(&["create", "-q", "-f", "qcow2", &to, &size.to_string()], what).await?;
    let mut machine = Connection::open(folder, COPIES).await?;
    // Nobody else talks to it at this socket: what is found was left by a Wharf that was ended or cancelled.
    clean_up(&mut machine, what).await?;
    let file = json!({"driver": "qcow2", "node-name": JOB, "file": {"driver": "file", "filename": to}});
    machine.execute("blockdev-add", file).await?;
    let copied = cx.unless_cancelled(what, copy(cx, &mut machine, what)).await;
    let cleaned = clean_up(&mut machine, what).await;
    copied.and(cleaned)
}

/// Ends a copy and closes its file, as far as there are any.
async fn clean_up(machine: &mut Connection, what: &str) -> Result<()> {
    let end = Instant::now() + CLEANED;
    while let Some(job) = job(machine, what).await? {
        let (command, arguments) = match job.status.as_str() {
            "concluded" => ("job-dismiss", json!({ "id": JOB })),
            _ => ("block-job-cancel", json!({ "device": JOB, "force": true })),
        };
        // It may have ended meanwhile.
        let _ = machine.execute(command, arguments).await;
        if Instant::now() > end {
            return Err(Error::failed(what, "an earlier copy of its disk does not end").hint("try again in a while"));
        }
        tokio::time::sleep(LOOK).await;
    }
    let nodes: Vec<Node> =
        serde_json::from_value(machine.execute("query-named-block-nodes", json!({"flat": true})).await?)
            .during(what)?;
    if nodes.iter().any(|node| node.name == JOB) {
        machine.execute("blockdev-del", json!({ "node-name": JOB })).await?;
    }
    Ok(())
}

/// The copy that there is, if there is one.
async fn job(machine: &mut Connection, what: &str) -> Result<Option<Job>> {
    let jobs: Vec<Job> = serde_json::from_value(machine.execute("query-jobs", json!({})).await?).during(what)?;
    Ok(jobs.into_iter().find(|job| job.id == JOB))
}

/// Has the machine copy its disk into the file that was added, and waits for the end.
async fn copy(cx: &Context, machine: &mut Connection, what: &str) -> Result<()> {
    let asked = json!({"job-id": JOB, "device": DISK, "target": JOB, "sync": "full", "auto-dismiss": false});
    machine.execute("blockdev-backup", asked).await?;
    loop {
        let job = job(machine, what)
            .await?
            .ok_or_else(|| Error::failed(what, "the machine does not know the copy any more"))?;
        cx.progress.set(job.current_progress, Some(job.total_progress));
        if job.status == "concluded" {
            return job.error.map_or(Ok(()), |why| Err(Error::failed(what, clean::short(&why, 200))));
        }
        tokio::time::sleep(LOOK).await;
    }
}
