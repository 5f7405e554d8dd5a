//! The images that this machine keeps unpacked, and which workloads use them.

use std::collections::BTreeMap;

use super::Local;
use crate::prepared::kept;
use wharf_core::{
    base::error::{During, Result},
    launch::{kept::KeptImage, plan::State},
    ports::Launcher,
};

impl Local {
    /// The unpacked images, with the workloads that use them.
    pub(super) async fn kept(&self) -> Result<Vec<KeptImage>> {
        let (busy, roots, name) = (self.busy().await?, self.roots.clone(), self.name().to_owned());
        tokio::task::spawn_blocking(move || kept::list(&roots, &name, &busy)).await.during("list unpacked images")
    }

    /// Removes an unpacked image that no workload uses.
    pub(super) async fn remove_kept(&self, id: &str) -> Result<()> {
        let (busy, roots, id) = (self.busy().await?, self.roots.clone(), id.to_owned());
        tokio::task::spawn_blocking(move || kept::remove(&roots, &id, &busy))
            .await
            .during("remove an unpacked image")?
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
