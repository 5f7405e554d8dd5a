//! The file in which the facts of a cluster are kept. Whatever is not exactly what this program has written for this
//! cluster is ignored: then the cluster is asked.

use std::{
    fs::File,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::kept_facts::Known;
use crate::shared::private;
use wharf_core::base::{
    digest::Digest,
    error::{During, Result},
};

/// The version of the format.
const FORMAT: u32 = 1;
/// The most bytes that are read or written: thousands of partitions and accounts.
const LARGEST: u64 = 4 << 20;

/// The file of one cluster and one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FactsFile {
    path: PathBuf,
    /// Which cluster the facts are of, and who asked.
    of: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    format: u32,
    of: String,
    facts: Known,
}

/// Only the version, which every format has.
#[derive(Deserialize)]
struct Version {
    format: u32,
}

impl FactsFile {
    /// The file in `folder` for the cluster of this name, which is asked at `address` as `user`. Facts from before a
    /// change of the configuration `conf` are those of another cluster.
    pub(super) fn new(folder: &Path, name: &str, address: &str, user: &str, conf: Option<&Path>) -> Self {
        let stamp =
            conf.and_then(|conf| conf.metadata().ok()).map(|meta| (meta.mtime(), meta.mtime_nsec(), meta.len()));
        let mut who = format!("{name}\n{address}\n{user}\n{}", rustix::process::geteuid().as_raw());
        if conf.is_none() {
            // Where nothing names the cluster, machines with one home folder may belong to different ones.
            let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
            who = format!("{who}\n{machine}");
        }
        let file = format!("{}.json", Digest::of(who.as_bytes()).hex());
        Self { path: folder.join(file), of: format!("{who}\n{stamp:?}") }
    }

    /// The facts that are kept; `None` where there are none that can be used.
    pub(super) fn read(&self) -> Option<Known> {
        let file = private::open(&self.path, |options| options.read(true)).ok()?;
        let mut bytes = Vec::new();
        File::take(file, LARGEST + 1).read_to_end(&mut bytes).ok()?;
        if bytes.len() as u64 > LARGEST || serde_json::from_slice::<Version>(&bytes).ok()?.format != FORMAT {
            return None;
        }
        let written: Written = serde_json::from_slice(&bytes).ok()?;
        (written.of == self.of).then_some(written.facts)
    }

    /// Keeps the facts, completely or not at all. What would be too large to be read is not kept.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub(super) fn write(&self, facts: &Known) -> Result<()> {
        let what = "keep the facts of a cluster";
        let written = Written { format: FORMAT, of: self.of.clone(), facts: facts.clone() };
        let bytes = serde_json::to_vec(&written).during(what)?;
        if bytes.len() as u64 > LARGEST {
            return Ok(());
        }
        if let Some(folder) = self.path.parent() {
            private::folder(folder)?;
        }
        private::write(&self.path, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::slurm::kept_facts::{Membership, Told};

    fn facts() -> Known {
        let people = Membership { groups: vec!["users".into()], is_whole: true, ..Membership::default() };
        Known { partitions: None, people: Some(Told { at: 7, value: people }), tried: 7 }
    }

    fn file(folder: &Path) -> FactsFile {
        FactsFile::new(folder, "lab", "/etc/lab.conf", "ada", None)
    }

    #[test]
    fn what_was_kept_is_read_again_by_the_same_person_for_the_same_cluster() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("slurm");
        assert_eq!(file(&folder).read(), None);
        file(&folder).write(&facts()).unwrap();
        assert_eq!(file(&folder).read(), Some(facts()));
        for other in [
            FactsFile::new(&folder, "lab", "/etc/lab.conf", "bob", None),
            FactsFile::new(&folder, "lab", "/etc/other.conf", "ada", None),
            FactsFile::new(&folder, "two", "/etc/lab.conf", "ada", None),
        ] {
            assert_eq!(other.read(), None);
        }
        // One that has the name of another is not taken for it.
        let other = FactsFile { of: "another".into(), ..file(&folder) };
        assert_eq!(other.read(), None);
        assert_eq!(file(&folder).path.metadata().unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_change_of_the_configuration_ends_what_was_kept() {
        let home = tempfile::tempdir().unwrap();
        let conf = home.path().join("slurm.conf");
        let file = || FactsFile::new(home.path(), "lab", "x", "ada", Some(&conf));
        std::fs::write(&conf, "ClusterName=lab\n").unwrap();
        file().write(&facts()).unwrap();
        assert_eq!(file().read(), Some(facts()));
        std::fs::write(&conf, "ClusterName=lab\nPartitionName=new\n").unwrap();
        assert_eq!(file().read(), None);
    }

    #[test]
    fn what_is_damaged_huge_newer_or_no_file_is_ignored() {
        let home = tempfile::tempdir().unwrap();
        let file = file(home.path());
        file.write(&facts()).unwrap();
        let good = wharf_core::base::small_file::bytes(&file.path).unwrap();
        for cut in 0..good.len() {
            std::fs::write(&file.path, &good[..cut]).unwrap();
            assert_eq!(file.read(), None);
        }
        let newer = String::from_utf8(good.clone()).unwrap().replace("\"format\":1", "\"format\":2");
        std::fs::write(&file.path, newer).unwrap();
        assert_eq!(file.read(), None);
        let mut huge = good.clone();
        huge.resize(LARGEST as usize + 1, b' ');
        std::fs::write(&file.path, huge).unwrap();
        assert_eq!(file.read(), None);
        std::fs::remove_file(&file.path).unwrap();
        let elsewhere = home.path().join("elsewhere");
        std::fs::write(&elsewhere, &good).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &file.path).unwrap();
        assert_eq!(file.read(), None, "a link is not followed");
        // What is written replaces the link, and not what it leads to.
        file.write(&Known::default()).unwrap();
        assert_eq!(std::fs::metadata(&elsewhere).unwrap().len(), good.len() as u64);
        assert_eq!(file.read(), Some(Known::default()));
    }
}
