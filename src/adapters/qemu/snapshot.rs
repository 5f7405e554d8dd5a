//! Images of machines: the whole disk as it is at one moment, in a new file that depends on no other.

use std::{
    fs::{File, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{CWD, RenameFlags, renameat_with},
    io::Errno,
};

use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use super::{
    disk::{self, MAKING},
    machine::{COPIES, DISK, IMAGES, OVERLAY},
    qmp::Connection,
};
use crate::shared::{
    exec,
    private::{self, Scratch},
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Result},
        small_file,
    },
    image::reference::ImageRef,
};

/// The most time in which the disk of a machine is copied.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
/// The most bytes of output of QEMU's programs.
const OUTPUT: usize = 64 << 10;
/// The pause between two looks at a copy of a running machine.
const LOOK: Duration = Duration::from_millis(200);
/// How long a copy that is ended may take to end.
const CLEANED: Duration = Duration::from_secs(10);
/// The name of the copy and of its file in QEMU.
const JOB: &str = "wharf-snapshot";
/// The file with the names of the images that were made of a machine.
const MADE: &str = "snapshots.json";

/// The folder for images of machines.
pub(super) struct Snapshots(pub PathBuf);

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

impl Snapshots {
    /// Makes the image `name` of the machine whose launch is in `folder`. While it runs, the image is as after a power
    /// cut. What was made of this machine under the name before is given again.
    ///
    /// # Errors
    /// `Usage` for a name that is none of a file, or that another image has.
    pub(super) async fn make(&self, cx: &Context, folder: &Path, runs: bool, name: &str) -> Result<ImageRef> {
        let what = format!("make the image {}", clean::short(name, 60));
        let name = name.strip_suffix(".qcow2").unwrap_or(name);
        let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(valid) {
            return Err(Error::usage(what, "it is no name of a file").hint("use letters, digits, -, _ and ."));
        }
        let image = self.0.join(format!("{name}.qcow2"));
        let reference = ImageRef::File { path: image.display().to_string(), tag: None, digest: None };
        let mut made = made(folder);
        if image.exists() {
            let known = made.iter().any(|known| known == name);
            let taken = Error::usage(what, format!("{} is there already", image.display())).hint("choose another name");
            return if known { Ok(reference) } else { Err(taken) };
        }
        let images = self.0.clone();
        let make = move || std::fs::create_dir_all(&images).map(|()| disk::remove_left(&images));
        blocking(make).await.during(&what)?.during(&what)?;
        // Its name begins with a dot, so that it is not listed as an image.
        let making = self.0.join(format!(".{name}.{}.{MAKING}", private::random()));
        let scratch = Scratch::make(making)?;
        let copy = scratch.path().join("disk.qcow2");
        if runs {
            copy_running(cx, folder, &copy, &what).await?;
        } else {
            cx.unless_cancelled(&what, copy_stopped(folder, &copy, &what)).await?;
        }
        made.push(name.to_owned());
        let (list, note) = (serde_json::to_vec(&made).during(&what)?, folder.join(MADE));
        let finish = move || {
            let what = "put the image into its place";
            // Whatever the machine had is in it.
            let file = File::open(&copy).during(what)?;
            file.set_permissions(Permissions::from_mode(0o600)).and_then(|()| file.sync_all()).during(what)?;
            // A name that was taken meanwhile is not written over.
            match renameat_with(CWD, &copy, CWD, &image, RenameFlags::NOREPLACE) {
                Err(Errno::INVAL | Errno::NOSYS) => std::fs::hard_link(&copy, &image).during(what)?,
                other => other.during(what)?,
            }
            private::write(&note, &list)
        };
        blocking(finish).await.during(&what)??;
        drop(scratch);
        Ok(reference)
    }
}

/// The names of the images that were made of a machine.
fn made(folder: &Path) -> Vec<String> {
    let text = small_file::bytes(folder.join(MADE)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Runs `qemu-img` with these words; gives its output.
async fn images(words: &[&str], what: &str) -> Result<Vec<u8>> {
    let words = [&[IMAGES], words].concat();
    let output = exec::run_in(&words, Some(&exec::path_alone()), b"", OUTPUT, LONGEST).await?;
    if output.code == 0 {
        return Ok(output.stdout);
    }
    Err(Error::failed(what, clean::short(output.stderr.trim(), 300)).hint("check the space left for images"))
}

/// Copies the disk of a machine that does not run.
async fn copy_stopped(folder: &Path, to: &Path, what: &str) -> Result<()> {
    let (from, to) = (folder.join(OVERLAY).display().to_string(), to.display().to_string());
    images(&["convert", "-q", "-f", "qcow2", "-O", "qcow2", &from, &to], what).await.map(|_| ())
}

/// Copies the disk of a machine that runs, as it is when the copy begins: QEMU keeps what is written meanwhile apart.
async fn copy_running(cx: &Context, folder: &Path, to: &Path, what: &str) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Info {
        virtual_size: u64,
    }
    let (overlay, to) = (folder.join(OVERLAY).display().to_string(), to.display().to_string());
    let told = images(&["info", "--output=json", "--force-share", "-f", "qcow2", &overlay], what).await?;
    let info: Info = serde_json::from_slice(&told).during(what)?;
    images(&["create", "-q", "-f", "qcow2", &to, &info.virtual_size.to_string()], what).await?;
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
