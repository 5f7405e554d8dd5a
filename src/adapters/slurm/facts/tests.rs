use std::{
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::*;
use crate::slurm::commands::Commands;

/// A cluster whose commands write down how they were called. The database knows the account that is in a file.
struct Lab(tempfile::TempDir);

impl Lab {
    fn new() -> Self {
        let lab = Self(tempfile::tempdir().unwrap());
        let me = whoami::username().unwrap();
        lab.command("scontrol", &format!(
            "case \"$*\" in\n*assoc_mgr*) echo 'ClusterName=l Account=physics UserName={me}(1) X='; echo 'QOS=normal(1) MaxWallPJ=';;\n\
             *) cat \"$DATA/partition\";;\nesac"
        ));
        lab.command("sinfo", "printf 'short\\03711\\037idle\\0370/4/0/4\\0374\\0378000\\037(null)\\037(null)\\036\\n'");
        lab.command("sacctmgr", "case \"$*\" in *assoc*) cat \"$DATA/accounts\";; *) echo 'normal|';; esac");
        lab.partition("UP");
        lab.accounts("physics|normal,short\n");
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn command(&self, name: &str, then: &str) {
        let data = self.0.path().display();
        let text = format!("#!/bin/sh\nDATA={data}\necho \"{name} $*\" >>\"$DATA/log\"\n{then}\n");
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn partition(&self, state: &str) {
        let text = format!("PartitionName=short Default=YES State={state} MaxTime=01:00:00\n");
        std::fs::write(self.path("partition"), text).unwrap();
    }

    fn accounts(&self, text: &str) {
        std::fs::write(self.path("accounts"), text).unwrap();
    }

    /// How often a command was called.
    fn asked(&self, name: &str) -> usize {
        let text = wharf_core::base::small_file::text(self.path("log")).unwrap_or_default();
        text.lines().filter(|line| line.starts_with(name)).count()
    }

    fn facts(&self, file: Option<FactsFile>) -> Arc<Facts> {
        let commands = Commands { bin: Some(self.0.path().to_owned()), conf: None };
        Arc::new(Facts::new(Questions { commands, rest: None }, file))
    }

    fn file(&self) -> FactsFile {
        FactsFile::new(&self.path("cache"), "lab", "x", "ada", None)
    }

    /// Makes what is kept older.
    fn age(&self, seconds: i64) {
        let mut known = self.file().read().unwrap();
        known.tried -= seconds;
        known.partitions.as_mut().unwrap().at -= seconds;
        known.people.as_mut().unwrap().at -= seconds;
        self.file().write(&known).unwrap();
    }
}

fn accounts(seen: &Seen) -> String {
    let each = seen.site.accounts.iter().map(|one| format!("{}:{}", one.name, one.qualities.join(",")));
    each.collect::<Vec<_>>().concat()
}

#[tokio::test]
async fn another_process_asks_nothing_again() {
    let lab = Lab::new();
    let first = lab.facts(Some(lab.file()));
    let seen = first.seen(Need::Limits, "x").await.unwrap();
    assert_eq!(
        (accounts(&seen).as_str(), seen.site.partitions.len()),
        ("physics:", 1),
        "what the controller remembers"
    );
    first.settle().await;
    let asked = (lab.asked("scontrol"), lab.asked("sinfo"), lab.asked("sacctmgr"));
    assert_eq!(asked, (2, 1, 2), "the database has completed it");
    let second = lab.facts(Some(lab.file()));
    let seen = second.seen(Need::Limits, "x").await.unwrap();
    second.settle().await;
    assert_eq!(accounts(&seen), "physics:normal,short");
    assert_eq!((lab.asked("scontrol"), lab.asked("sinfo"), lab.asked("sacctmgr")), asked);
}

#[tokio::test]
async fn what_is_free_is_asked_anew_and_accounts_in_the_background() {
    let lab = Lab::new();
    let first = lab.facts(Some(lab.file()));
    first.seen(Need::Room, "x").await.unwrap();
    first.settle().await;
    lab.age(ROOM + 1);
    let second = lab.facts(Some(lab.file()));
    second.seen(Need::Limits, "x").await.unwrap();
    assert_eq!(lab.asked("sinfo"), 1, "limits may be older");
    second.seen(Need::Room, "x").await.unwrap();
    second.settle().await;
    assert_eq!((lab.asked("sinfo"), lab.asked("sacctmgr")), (2, 2));
    lab.age(PEOPLE + 1);
    lab.accounts("biology|normal\n");
    let third = lab.facts(Some(lab.file()));
    let seen = third.seen(Need::Limits, "x").await.unwrap();
    assert_eq!(accounts(&seen), "physics:normal,short", "nobody waits for the database");
    third.settle().await;
    assert_eq!(accounts(&lab.facts(Some(lab.file())).seen(Need::Limits, "x").await.unwrap()), "biology:normal");
    // After a day it is not used any more.
    lab.age(PEOPLE_MEANWHILE + 1);
    assert_eq!(accounts(&lab.facts(Some(lab.file())).seen(Need::Limits, "x").await.unwrap()), "physics:");
}

#[tokio::test]
async fn without_the_database_the_rest_is_told_and_it_is_asked_seldom() {
    let lab = Lab::new();
    lab.command("sacctmgr", "echo 'sacctmgr: error: Problem talking to the database' >&2; exit 1");
    for _ in 0..3 {
        let facts = lab.facts(Some(lab.file()));
        assert_eq!(accounts(&facts.seen(Need::Limits, "x").await.unwrap()), "physics:");
        facts.settle().await;
    }
    assert_eq!(lab.asked("sacctmgr"), 2, "one try");
    // The controller is away, too.
    lab.command("scontrol", "echo 'Unable to contact slurm controller' >&2; exit 1");
    lab.age(LIMITS + 1);
    let error = lab.facts(Some(lab.file())).seen(Need::Limits, "x").await.unwrap_err();
    assert_eq!(error.kind, wharf_core::base::error::Kind::Unavailable);
}

#[tokio::test]
async fn a_clock_that_was_wrong_makes_nothing_new() {
    let lab = Lab::new();
    let first = lab.facts(Some(lab.file()));
    first.seen(Need::Limits, "x").await.unwrap();
    first.settle().await;
    // What was kept is from the future.
    lab.age(-7200);
    lab.facts(Some(lab.file())).seen(Need::Limits, "x").await.unwrap();
    assert_eq!(lab.asked("sinfo"), 2);
}

#[tokio::test]
async fn a_refusal_says_whether_the_facts_had_changed() {
    let lab = Lab::new();
    let first = lab.facts(Some(lab.file()));
    first.seen(Need::Limits, "x").await.unwrap();
    first.settle().await;
    lab.age(60);
    let refused = || Error::failed("launch", "Slurm says: Invalid account").hint("change it");
    let same = lab.facts(Some(lab.file()));
    assert_eq!(same.after_refusal(refused(), "x").await.hint, "change it");
    lab.age(60);
    lab.accounts("biology|normal\n");
    let changed = lab.facts(Some(lab.file()));
    let told = changed.after_refusal(refused(), "x").await;
    assert!(told.hint.contains("read anew") && told.hint.contains("change it"), "{told}");
    assert_eq!(accounts(&changed.seen(Need::Limits, "x").await.unwrap()), "biology:normal");
}

#[test]
fn the_file_is_in_a_folder_of_its_own() {
    let lab = Lab::new();
    lab.file().write(&Known::default()).unwrap();
    assert!(Path::new(&lab.path("cache")).is_dir());
}
