//! What a cluster has and allows: its partitions, and this person's accounts and groups.

use serde::{Deserialize, Serialize};

use super::partitions::Partition;
use wharf_core::launch::duration::parse_duration;

/// An account of this person, and what may be used with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Account {
    /// Its name.
    pub name: String,
    /// The qualities of service that may be used with it; empty where they are not known yet.
    pub qualities: Vec<String>,
}

/// A quality of service (QOS).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
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

    /// Whether another look at the same cluster allows the same; what is in use does not count.
    pub(super) fn allows_the_same(&self, other: &Self) -> bool {
        let limits = |site: &Self| {
            let unused = |one: &Partition| Partition {
                nodes: (one.nodes.0, 0),
                processors: (one.processors.0, 0),
                kinds: Vec::new(),
                ..one.clone()
            };
            site.partitions.iter().map(unused).collect::<Vec<_>>()
        };
        limits(self) == limits(other)
            && (&self.accounts, &self.qualities, &self.groups) == (&other.accounts, &other.qualities, &other.groups)
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

/// The accounts of a person and the qualities of service in the answer of `scontrol -o show assoc_mgr`, which the controller
/// gives from its memory. It does not tell which qualities may be used with which account.
pub(super) fn of_controller(text: &str, user: &str) -> (Vec<Account>, Vec<Quality>) {
    let (mut accounts, mut qualities) = (Vec::<Account>::new(), Vec::new());
    // A name is followed by its number in brackets.
    let bare = |word: &str| word.rsplit_once('(').map_or(word, |(name, _)| name).to_owned();
    for line in text.lines() {
        let value = |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        if let Some(name) = line.strip_prefix("QOS=").and_then(|rest| rest.split_whitespace().next()) {
            let minutes = value("MaxWallPJ").and_then(|minutes| minutes.parse::<u64>().ok());
            qualities.push(Quality { name: bare(name), most: minutes.and_then(|minutes| minutes.checked_mul(60)) });
        } else if let (Some(name), Some(of)) = (value("Account"), value("UserName")) {
            let is_mine = bare(of) == user && !user.is_empty();
            if is_mine && !name.is_empty() && !accounts.iter().any(|known| known.name == name) {
                accounts.push(Account { name: name.to_owned(), qualities: Vec::new() });
            }
        }
    }
    (accounts, qualities)
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
    fn the_controller_tells_accounts_and_qualities_from_its_memory() {
        let text = "Current Association Manager state\nAssociation Records\n\
            ClusterName=lab Account=physics UserName= Partition= ID=5 ParentAccount=root(1)\n\
            ClusterName=lab Account=physics UserName=ada(1001) Partition= ID=6 DefAssoc=Yes MaxJobs=4(0)\n\
            ClusterName=lab Account=physics UserName=ada(1001) Partition=long ID=8\n\
            ClusterName=lab Account=biology UserName=bob(1002) Partition= ID=9\n\
            QOS Records\nQOS=normal(1) UsageRaw=0.0 MaxWallPJ= MaxTRESPJ=\nQOS=short(2) UsageRaw=0.0 MaxWallPJ=5 X=\n";
        let (accounts, qualities) = of_controller(text, "ada");
        assert_eq!(accounts, [Account { name: "physics".into(), qualities: Vec::new() }]);
        let quality = |name: &str, most| Quality { name: name.to_owned(), most };
        assert_eq!(qualities, [quality("normal", None), quality("short", Some(300))]);
        assert_eq!(of_controller(text, "").0, []);
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
