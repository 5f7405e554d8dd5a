//! What a cluster has and allows: its partitions, and this person's accounts and groups.

use super::partitions::Partition;
use wharf_core::launch::duration::parse_duration;

/// An account of this person, and what may be used with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Account {
    /// Its name.
    pub name: String,
    /// The qualities of service that may be used with it.
    pub qualities: Vec<String>,
}

/// A quality of service (QOS).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Quality {
    /// Its name.
    pub name: String,
    /// The most time of a job, in seconds; `None` for no limit.
    pub most: Option<u64>,
}

/// What a cluster has and allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Site {
    /// All partitions, also those that this person may not use.
    pub partitions: Vec<Partition>,
    /// The accounts of this person; empty where the cluster keeps none.
    pub accounts: Vec<Account>,
    /// The qualities of service of the cluster; empty where it has none.
    pub qualities: Vec<Quality>,
    /// The groups of this person.
    pub groups: Vec<String>,
    /// Whether this person is root, who may use every partition.
    pub root: bool,
}

impl Site {
    /// The partition of this name; for an empty name, the one that Slurm takes then.
    pub(super) fn partition(&self, name: &str) -> Option<&Partition> {
        self.partitions.iter().find(|one| if name.is_empty() { one.default } else { one.name == name })
    }

    /// The partitions that this person's groups may use.
    pub(super) fn open(&self) -> impl Iterator<Item = &Partition> {
        self.partitions.iter().filter(|one| self.lets_in(one))
    }

    /// Whether this person's groups may use a partition.
    pub(super) fn lets_in(&self, partition: &Partition) -> bool {
        self.root || partition.groups.is_empty() || partition.groups.iter().any(|group| self.groups.contains(group))
    }
}

/// The accounts in the answer of `sacctmgr -nP show assoc`: `account|qos,qos`; one account may have several lines.
pub(super) fn accounts_of(text: &str) -> Vec<Account> {
    let mut all: Vec<Account> = Vec::new();
    for (name, qualities) in text.lines().filter_map(|line| line.split_once('|')).filter(|(name, _)| !name.is_empty()) {
        let qualities = qualities.split(',').filter(|one| !one.is_empty()).map(str::to_owned);
        match all.iter_mut().find(|account| account.name == name) {
            Some(known) => known.qualities.extend(qualities),
            None => all.push(Account { name: name.to_owned(), qualities: qualities.collect() }),
        }
    }
    all
}

/// The qualities of service in the answer of `sacctmgr -nP show qos`: `name|most time`.
pub(super) fn qualities_of(text: &str) -> Vec<Quality> {
    let lines = text.lines().filter_map(|line| line.split_once('|')).filter(|(name, _)| !name.is_empty());
    lines.map(|(name, most)| Quality { name: name.to_owned(), most: parse_duration(most) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_and_qualities_are_read_as_sacctmgr_writes_them() {
        let accounts = accounts_of("chemistry|normal\nphysics|normal,short,wide\nphysics|long\n|x\nbroken\n");
        assert_eq!(accounts.len(), 2);
        assert_eq!(accounts[1].qualities, ["normal", "short", "wide", "long"]);
        let qualities = qualities_of("normal|\nshort|00:05:00\nweek|7-00:00:00\n");
        assert_eq!(qualities.iter().map(|one| one.most).collect::<Vec<_>>(), [None, Some(300), Some(7 * 86_400)]);
    }

    #[test]
    fn only_members_of_its_groups_may_use_a_partition() {
        let partition = |groups: &[&str]| Partition {
            groups: groups.iter().map(ToString::to_string).collect(),
            ..Partition::default()
        };
        let site = Site { groups: vec!["users".into(), "physics".into()], ..Site::default() };
        assert!(site.lets_in(&partition(&[])) && site.lets_in(&partition(&["physics", "x"])));
        assert!(!site.lets_in(&partition(&["chemistry"])));
        assert!(Site { root: true, ..site }.lets_in(&partition(&["chemistry"])));
    }
}
