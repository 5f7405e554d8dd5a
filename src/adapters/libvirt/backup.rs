//! Copies of the disk of a machine that runs, by libvirt itself (libvirt "Full domain backup", `backup-begin`).
//!
//! libvirt goes on with a copy when whoever wanted it is gone.

use std::{path::Path, time::Duration};

use super::{domain, virsh::Virsh};
use crate::shared::private;
use wharf_core::base::{
    blocking::blocking,
    context::Context,
    error::{During, Error, Kind, Result},
};

/// The pause between two looks at a copy.
const LOOK: Duration = Duration::from_millis(300);
/// The description of the copy, beside it.
const BACKUP: &str = "backup.xml";

/// Copies the disk of a running domain, as it is when the copy begins, into a new file.
pub(super) async fn copy_running(virsh: &Virsh, cx: &Context, domain: &str, to: &Path, what: &str) -> Result<()> {
    // Beside the copy, where nobody else writes.
    let (at, text) = (to.with_file_name(BACKUP), domain::backup(&to.display().to_string()));
    let file = at.display().to_string();
    blocking(move || private::write(&at, text.as_bytes())).await.during(what)??;
    let domain = format!("--domain={domain}");
    let mut leaving = AbortOnDrop(Some((virsh.clone(), domain.clone())));
    let begun = virsh.call(cx, &["backup-begin", &domain, &format!("--backupxml={file}")], what).await;
    if begun.as_ref().is_err_and(|error| error.kind == Kind::Failed) {
        // It did not begin: what the domain does is somebody else's.
        leaving.0 = None;
    }
    begun?;
    cx.progress.phase("libvirt copies its disk");
    ended(virsh, cx, &domain, what).await?;
    leaving.0 = None;
    Ok(())
}

/// Ends the copy of a domain where this is dropped before it is done: nobody wants it any more.
struct AbortOnDrop(Option<(Virsh, String)>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let (Some((virsh, domain)), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                let _ = virsh.call(&Context::default(), &["domjobabort", &domain], "end a copy").await;
            });
        }
    }
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
