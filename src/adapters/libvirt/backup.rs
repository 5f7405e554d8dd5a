//! Copies of the disk of a machine that runs, by libvirt itself (libvirt "Full domain backup", `backup-begin`).

use std::{path::Path, time::Duration};

use super::{domain, virsh::Virsh};
use crate::shared::private;
use wharf_core::base::{
    blocking::blocking,
    context::Context,
    error::{During, Error, Result},
};

/// The pause between two looks at a copy.
const LOOK: Duration = Duration::from_millis(300);
/// The description of the copy, in the folder of the launch.
const BACKUP: &str = "backup.xml";

/// Copies the disk of a running domain, as it is when the copy begins, into a new file.
pub(super) async fn copy_running(
    virsh: &Virsh,
    cx: &Context,
    domain: &str,
    (folder, to): (&Path, &Path),
    what: &str,
) -> Result<()> {
    let (at, text) = (folder.join(BACKUP), domain::backup(&to.display().to_string()));
    let file = at.display().to_string();
    blocking(move || private::write(&at, text.as_bytes())).await.during(what)??;
    let domain = format!("--domain={domain}");
    virsh.call(cx, &["backup-begin", &domain, &format!("--backupxml={file}")], what).await?;
    cx.progress.phase("libvirt copies its disk");
    let copied = ended(virsh, cx, &domain, what).await;
    if copied.is_err() {
        // Also where the person does not want it any more.
        let _ = virsh.call(&Context::default(), &["domjobabort", &domain], what).await;
    }
    copied
}

/// Waits until the copy has ended.
async fn ended(virsh: &Virsh, cx: &Context, domain: &str, what: &str) -> Result<()> {
    while job(&virsh.call(cx, &["domjobinfo", domain], what).await?) != "None" {
        cx.pause(what, LOOK).await?;
    }
    let told = virsh.call(cx, &["domjobinfo", domain, "--completed", "--anystats"], what).await?;
    match job(&told) {
        "Completed" => Ok(()),
        _ => Err(Error::failed(what, "libvirt could not copy its disk").hint("check the space left for images")),
    }
}

/// The kind of a job, as `domjobinfo` tells it.
fn job(told: &str) -> &str {
    told.lines().find_map(|line| line.strip_prefix("Job type:")).unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_copy_is_read() {
        assert_eq!(job("Job type:         Unbounded   \nOperation:        Backup\n"), "Unbounded");
        assert_eq!(job("Job type:         None        \n"), "None");
        assert_eq!(job(""), "");
    }
}
