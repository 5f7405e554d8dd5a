//! What is kept of launches, on a file system that the nodes share: a folder for each, and one for all images.
//!
//! ```text
//! ROOT/images          what runtimes have unpacked, shared by all launches
//! ROOT/launches/KEY    launch.json  what was launched
//!                      job.sh       the script, whose path is the job's command
//!                      process/     what the runtime has prepared
//!                      sending      from before the script is sent, so that it is not sent twice
//!                      job          the job's id, once Slurm has told it
//!                      ended        how it ended, once accounting has told it
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::queue::is_number;
use crate::shared::private;
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file,
    },
    launch::plan::State,
};

/// Why a job of several tasks cannot be entered, and what to do instead.
pub(super) const SIDE_BY_SIDE: &str = "it has several processes side by side, none of which is the one to enter";
pub(super) const ONE_TASK: &str = "launch it with one task";

/// The root of all launches of one backend.
#[derive(Debug, Clone)]
pub(super) struct Root(pub PathBuf);

/// What is known of a launch without Slurm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The key of the plan.
    pub key: String,
    /// The job's name.
    pub name: String,
    /// The reference that was launched.
    pub reference: String,
    /// Its digest.
    pub digest: String,
    /// The digits of the manifest that is prepared for it, which name its folder; empty in records of older versions.
    #[serde(default)]
    pub manifest: String,
    /// When it was launched, in seconds since 1970.
    pub created: i64,
    /// The name of the runtime that starts it.
    pub runtime: String,
    /// How many tasks it has; `None` where it is no array.
    pub tasks: Option<u64>,
    /// Whether its process can be entered: one that Slurm starts several times cannot.
    pub enters: bool,
    /// Why its process cannot be entered, and what to do instead, where that was written down.
    #[serde(default)]
    pub closed: Option<(String, String)>,
    /// The path of its output, with Slurm's marks in it.
    pub output: String,
}

impl Record {
    /// Why its process cannot be entered, and what to do instead; `None` where it can.
    pub(super) fn closed(&self) -> Option<(&str, &str)> {
        let told = self.closed.as_ref().map(|(why, instead)| (why.as_str(), instead.as_str()));
        (!self.enters).then(|| told.unwrap_or((SIDE_BY_SIDE, ONE_TASK)))
    }
}

/// How a launch ended, as accounting told it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ended {
    /// Its state.
    pub state: State,
    /// Facts about it: name and value.
    pub facts: Vec<(String, String)>,
}

/// A launch that Slurm has taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launched {
    /// What was launched.
    pub record: Record,
    /// The job's id; for an array that of the whole.
    pub job: String,
    /// How it ended, once known for good.
    pub ended: Option<Ended>,
}

impl Root {
    /// The folder of unpacked images.
    pub(super) fn images(&self) -> PathBuf {
        self.0.join("images")
    }

    /// The folder of all launches.
    pub(super) fn launches(&self) -> PathBuf {
        self.0.join("launches")
    }

    /// The folder of one launch.
    ///
    /// # Errors
    /// `Usage` for a key that no plan has: it could lead out of the folder.
    pub(super) fn launch(&self, key: &str) -> Result<PathBuf> {
        let whole = !key.is_empty() && key.len() <= 64 && key.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if whole { Ok(self.launches().join(key)) } else { Err(Error::usage("find a launch", "its key is none")) }
    }

    /// Makes the folders for one launch, closed to others.
    ///
    /// # Errors
    /// Where the folder cannot be made, or others could change what is in it.
    pub(super) fn make(&self, key: &str) -> Result<PathBuf> {
        let folder = self.launch(key)?;
        private::home(&self.0)?;
        for one in [&self.images(), &folder, &folder.join(super::script::PROCESS)] {
            private::folder(one)?;
        }
        Ok(folder)
    }

    /// Notes the jobs of launches that were interrupted before Slurm's answer was kept: pairs of a launch's key and a
    /// job. What cannot be written is found again the next time.
    pub(super) fn adopt(&self, jobs: &[(String, String)]) {
        for (key, job) in jobs {
            let Ok(folder) = self.launch(key) else { continue };
            if folder.join("launch.json").is_file() && !folder.join("job").exists() {
                if let Err(error) = private::write(&folder.join("job"), job.as_bytes()) {
                    tracing::debug!(%error, "the job of an interrupted launch could not be noted");
                }
            }
        }
    }

    /// All launches that Slurm has taken. A folder that cannot be read is left out.
    pub(super) fn all(&self) -> Vec<Launched> {
        let entries = std::fs::read_dir(self.launches()).into_iter().flatten().flatten();
        entries.filter_map(|entry| launched(&entry.path())).collect()
    }
}

/// The launch in a folder, if Slurm has taken it.
pub(super) fn launched(folder: &Path) -> Option<Launched> {
    let record = record(folder)?;
    let job = small_file::text(folder.join("job")).ok()?.trim().to_owned();
    is_number(&job).then(|| Launched { record, job, ended: read(&folder.join("ended")) })
}

/// What is launched from a folder, whether Slurm has taken it or not.
pub(super) fn record(folder: &Path) -> Option<Record> {
    read(&folder.join("launch.json"))
}

fn read<T: DeserializeOwned>(file: &Path) -> Option<T> {
    serde_json::from_slice(&small_file::bytes(file).ok()?).ok()
}

/// Writes a value into a file of a launch's folder, completely or not at all.
///
/// # Errors
/// Where the file cannot be written.
pub(super) fn write<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<()> {
    let file = folder.join(name);
    let what = format!("write {}", file.display());
    private::write(&file, &serde_json::to_vec_pretty(value).during(what)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_tells_why_its_job_cannot_be_entered() {
        let record = |more: &str| {
            let text = format!(
                r#"{{"key":"k","name":"n","reference":"r","digest":"d","created":1,"runtime":"apptainer","tasks":null,
                "output":"o",{more}}}"#
            );
            let record: Record = serde_json::from_str(&text).unwrap();
            record.closed().map(|(why, instead)| format!("{why}: {instead}"))
        };
        assert_eq!(record(r#""enters":true"#), None);
        assert_eq!(record(r#""enters":false"#), Some(format!("{SIDE_BY_SIDE}: {ONE_TASK}")), "of an older version");
        let told = record(r#""enters":false,"closed":["it is setuid","choose another runtime"]"#);
        assert_eq!(told.as_deref(), Some("it is setuid: choose another runtime"));
    }

    #[test]
    fn a_key_never_leads_out_of_the_folder() {
        let root = Root("/shared".into());
        for key in ["", "..", "../x", "a/b", "/etc", "a\0"] {
            assert!(root.launch(key).is_err(), "{key:?}");
        }
        assert_eq!(root.launch("0123abcd").unwrap(), Path::new("/shared/launches/0123abcd"));
    }
}
