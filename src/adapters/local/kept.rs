//! The images that this machine keeps unpacked, and which workloads use them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::Local;
use crate::prepared::kept;
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
    },
    launch::{kept::KeptImage, plan::State},
    ports::Launcher,
};

/// Why nothing is removed while a launch has not got its folder yet: which image it uses is not known.
const LAUNCHING: &str = "a launch is on its way";
/// How long a launch may be on its way; what is older was interrupted.
const LONGEST: Duration = Duration::from_secs(3600);

/// Whether a launch has not got its folder yet.
fn is_launching(workloads: &Path) -> bool {
    let entries = std::fs::read_dir(workloads).into_iter().flatten().flatten();
    let mut hidden = entries.filter(|entry| entry.file_name().to_string_lossy().starts_with('.'));
    hidden.any(|entry| {
        let changed = entry.metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age < LONGEST))
    })
}

impl Local {
    /// The unpacked images, with the workloads that use them.
    pub(super) async fn kept(&self) -> Result<Vec<KeptImage>> {
        let (busy, roots, name) = (self.busy().await?, self.roots.clone(), self.name().to_owned());
        let workloads = self.workloads.clone();
        let list = move || {
            let mut all = kept::list(&roots, &name, &busy);
            if is_launching(&workloads) {
                for one in &mut all {
                    one.busy.get_or_insert_with(|| LAUNCHING.to_owned());
                }
            }
            all
        };
        blocking(list).await.during("list unpacked images")
    }

    /// Removes an unpacked image that no workload uses.
    pub(super) async fn remove_kept(&self, id: &str) -> Result<()> {
        let (busy, roots, id) = (self.busy().await?, self.roots.clone(), id.to_owned());
        let (workloads, what) = (self.workloads.clone(), "remove an unpacked image");
        let remove = move || {
            if is_launching(&workloads) {
                return Err(Error::usage(what, LAUNCHING).hint("try again in a while"));
            }
            kept::remove(&roots, &id, &busy)
        };
        blocking(remove).await.during(what)?
    }

    /// Who uses which image, by the digits of its manifest: the name of the folder that holds its root.
    async fn busy(&self) -> Result<BTreeMap<String, String>> {
        let all = self.all().await?;
        let alive = all.into_iter().filter(|kept| !matches!(kept.workload.state, State::Exited(_)));
        let named = alive.filter_map(|kept| {
            let home = kept.spec.sandboxed.inside.root.parent()?.file_name()?.to_str()?.to_owned();
            Some((home, format!("workload {}", kept.workload.name)))
        });
        Ok(named.collect())
    }
}
