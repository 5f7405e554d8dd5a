//! The images that a cluster's folder keeps, and which jobs use them.

use std::{collections::BTreeMap, path::Path, time::Duration};

use super::{cluster::Slurm, folder};
use crate::prepared::kept;
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Result},
    },
    launch::kept::KeptImage,
};

/// How long nothing may have changed in the folder of a launch without a job until it counts as abandoned. While its image
/// is prepared, a lease protects that.
const ABANDONED: Duration = Duration::from_secs(15 * 60);

impl Slurm {
    /// The images in the folder of this cluster, with the jobs that use them. Where Slurm does not answer, every launch
    /// whose end is not known counts as a job.
    pub(super) async fn kept(&self) -> Result<Vec<KeptImage>> {
        let what = format!("list images that {} keeps", self.name);
        let busy = self.busy(&what).await?;
        let (images, name) = (self.root.images(), self.name.clone());
        blocking(move || kept::list(&images, &name, &busy)).await.during(what)
    }

    /// Removes an image that no job uses.
    pub(super) async fn remove_kept(&self, id: &str) -> Result<()> {
        let what = format!("remove {id} of {}", self.name);
        let busy = self.busy(&what).await?;
        let (images, id) = (self.root.images(), id.to_owned());
        blocking(move || kept::remove(&images, &id, &busy)).await.during(what)?
    }

    /// Who uses which image, by the digits of its manifest.
    async fn busy(&self, what: &str) -> Result<BTreeMap<String, String>> {
        // What ended is noted in the launches' folders by this list.
        self.lists.forget_older().await;
        let over: Vec<String> = match self.list().await {
            Ok(list) => {
                let over = list.all.iter().filter(|known| known.workload.state.has_ended());
                over.filter_map(|known| Some(known.launched.as_ref()?.record.key.clone())).collect()
            }
            Err(error) => {
                tracing::debug!(%error, "which jobs have ended is not known");
                Vec::new()
            }
        };
        let launches = self.root.launches();
        blocking(move || users(&launches, &over)).await.during(what)?
    }
}

/// The launches that are not over and the images that they use.
///
/// # Errors
/// Where a launch cannot be read: which image it uses is not known then.
fn users(launches: &Path, over: &[String]) -> Result<BTreeMap<String, String>> {
    let what = format!("learn which images are used by {}", launches.display());
    let entries = match std::fs::read_dir(launches) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        other => other.during(&what)?,
    };
    let mut busy: BTreeMap<String, String> = BTreeMap::new();
    for entry in entries {
        let folder = entry.during(&what)?.path();
        let Some(record) = folder::record(&folder) else {
            if folder.join("launch.json").symlink_metadata().is_ok() {
                let why = format!("{} cannot be read", folder.join("launch.json").display());
                return Err(Error::failed(what, why).hint("remove that launch, if it is over, or try again"));
            }
            continue;
        };
        let launched = folder::launched(&folder);
        let who = match &launched {
            Some(launched) if launched.ended.is_some() => continue,
            Some(launched) => format!("job {}", launched.job),
            None if is_abandoned(&folder) => continue,
            None => format!("the launch of {}", record.name),
        };
        if over.contains(&record.key) {
            continue;
        }
        // A job says more than a launch on its way.
        match launched {
            Some(_) => _ = busy.insert(record.manifest, who),
            None => _ = busy.entry(record.manifest).or_insert(who),
        }
    }
    Ok(busy)
}

/// Whether nothing was written for a launch for a while.
fn is_abandoned(folder: &Path) -> bool {
    let old = |folder: &Path| {
        let changed = folder.metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > ABANDONED))
    };
    // What was sent may be a job of which Slurm has not told yet.
    !folder.join("sending").exists() && old(folder) && old(&folder.join(super::script::PROCESS))
}
