//! The launches of a backend whose programs are kept: a folder for each, in which everything is found again.

use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    node::{Node, NodeRelation},
    running::RunningProgram,
    standing::{Standing, has_ended},
    usage::Measurements,
};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Result},
        small_file,
    },
    launch::{
        plan::{State, Workload},
        usage::Usage,
    },
};

/// The file that describes a launch in its folder.
pub const SPEC: &str = "spec.json";
/// How long a launch may be on its way to its description; what is older was interrupted.
const LONGEST: Duration = Duration::from_secs(3600);
/// The pause between two looks at a launch that changes.
const LOOK: Duration = Duration::from_millis(20);

/// What is known of every launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Launched {
    /// The name in lists.
    pub name: String,
    /// The pinned reference.
    pub reference: String,
    /// The pinned digest.
    pub digest: String,
    /// The key of the launch.
    pub key: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The machine that it runs on.
    pub machine: Node,
}

/// The description of a launch: what a plan shows, and what the keeper carries out.
pub trait Spec: DeserializeOwned + Send + 'static {
    /// What is noted of its program besides where it runs.
    type Note: Serialize + DeserializeOwned + Send + 'static;

    /// What is known of every launch.
    fn launched(&self) -> &Launched;
}

/// A launch that is kept in a folder.
#[derive(Debug)]
pub struct Kept<S: Spec> {
    /// The folder.
    pub folder: PathBuf,
    /// What was launched.
    pub spec: S,
    /// As it is listed.
    pub workload: Workload,
    /// Where it runs, if it does so on this machine.
    pub running: Option<RunningProgram<S::Note>>,
    /// How the machine that it was launched on relates to this one.
    pub relation: NodeRelation,
}

/// Reads the description in the folder of a launch.
///
/// # Errors
/// Where there is none, or it is damaged.
pub fn read<S: Spec>(folder: &Path) -> Result<S> {
    let what = format!("read {}", folder.display());
    serde_json::from_slice(&small_file::bytes(folder.join(SPEC)).during(&what)?).during(what)
}

impl<S: Spec> Kept<S> {
    /// Reads the folder of a launch of this backend; `None` if it is incomplete or damaged.
    pub fn load(folder: &Path, backend: &str) -> Option<Self> {
        let spec: S = read(folder).ok()?;
        let launched = spec.launched();
        let stands = Standing::of(folder, launched.created, &launched.machine);
        let workload = Workload {
            name: launched.name.clone(),
            image: launched.reference.clone(),
            digest: launched.digest.clone(),
            created: Some(launched.created),
            ..Workload::new(backend, launched.key.clone(), stands.state)
        };
        Some(Self { folder: folder.to_owned(), spec, workload, running: stands.running, relation: stands.relation })
    }

    /// Whether it has ended for certain: with an exit code, or when this machine restarted.
    pub fn is_over_here(&self) -> bool {
        matches!(self.workload.state, State::Exited(_)) || self.relation == NodeRelation::Before
    }

    /// Whether the launch in a folder writes nothing more, as far as this machine can tell.
    pub fn is_over(folder: &Path) -> bool {
        Self::load(folder, "").is_none_or(|kept| has_ended(&kept.workload.state))
    }
}

/// Whether a launch below a folder is on its way: which image it uses is not known.
pub fn is_launching(launches: &Path) -> bool {
    let entries = std::fs::read_dir(launches).into_iter().flatten().flatten();
    let mut incomplete = entries.filter(|entry| entry.path().join(SPEC).symlink_metadata().is_err());
    incomplete.any(|entry| {
        let changed = entry.metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age < LONGEST))
    })
}

/// The launches of one backend.
#[derive(Debug)]
pub struct Launches<S> {
    folder: PathBuf,
    backend: String,
    kind: PhantomData<fn() -> S>,
}

impl<S: Spec> Launches<S> {
    /// The launches in `folder` of the backend of this name.
    pub fn new(folder: PathBuf, backend: String) -> Self {
        Self { folder, backend, kind: PhantomData }
    }

    /// The folder with those of all launches.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All launches that are complete.
    ///
    /// # Errors
    /// None that depend on a launch.
    pub async fn all(&self) -> Result<Vec<Kept<S>>> {
        let (folder, backend) = (self.folder.clone(), self.backend.clone());
        let read = move || {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            let complete = entries.filter(|entry| !entry.file_name().to_string_lossy().contains('.'));
            complete.filter_map(|entry| Kept::load(&entry.path(), &backend)).collect()
        };
        blocking(read).await.during(format!("list workloads of {}", self.backend))
    }

    /// The launch with this key.
    ///
    /// # Errors
    /// `NotFound` where there is none.
    pub async fn find(&self, id: &str) -> Result<Kept<S>> {
        let inside = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
        let (folder, backend) = (self.folder.join(id), self.backend.clone());
        let kept = blocking(move || Kept::load(&folder, &backend)).await.during("read a workload")?;
        kept.filter(|_| inside).ok_or_else(|| {
            Error::not_found(format!("workload '{}'", clean::short(id, 60)), "there is no such workload")
        })
    }

    /// What a launch uses now, as far as it runs here.
    ///
    /// # Errors
    /// `NotFound` where it does not.
    pub async fn usage(&self, id: &str, measurements: &Measurements) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let running = self.find(id).await?.running;
        let running = running.ok_or_else(|| Error::not_found(&what, "it is not running here"))?;
        measurements.take(id, running.pid, &what).await.map(Some)
    }

    /// Waits until a launch is in a state that is wanted, or time is up; gives it as it is then.
    ///
    /// # Errors
    /// Those of [`find`](Self::find).
    pub async fn until(&self, id: &str, patience: Duration, wanted: impl Fn(&State) -> bool) -> Result<Kept<S>> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            let kept = self.find(id).await?;
            if wanted(&kept.workload.state) || tokio::time::Instant::now() >= end {
                return Ok(kept);
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Description(Launched);

    impl Spec for Description {
        type Note = ();

        fn launched(&self) -> &Launched {
            &self.0
        }
    }

    #[tokio::test]
    async fn a_launch_without_its_description_is_on_its_way_and_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        let launches = Launches::<Description>::new(folder.path().to_owned(), "test".into());
        assert!(!is_launching(folder.path()));
        std::fs::create_dir(folder.path().join("a1")).unwrap();
        assert!(is_launching(folder.path()) && launches.all().await.unwrap().is_empty());
        std::fs::write(folder.path().join("a1").join(SPEC), "broken").unwrap();
        assert!(!is_launching(folder.path()) && launches.all().await.unwrap().is_empty());
    }
}
