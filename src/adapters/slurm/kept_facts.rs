//! The facts of a cluster as they are kept, each part with the time at which it was told.

use serde::{Deserialize, Serialize};

use super::{
    partitions::Partition,
    site::{Account, Quality, Site},
};
use wharf_core::base::text;

/// Facts that are not older than so many seconds are not asked for again because they led to a refusal.
const MOMENT: i64 = 5;

/// Something that was told, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told<T> {
    /// When, in seconds since 1970.
    pub at: i64,
    /// What was told.
    pub value: T,
}

impl<T> Told<T> {
    /// Whether it was told within the last `seconds`. What comes from the future does not count: a clock was wrong.
    pub(super) fn is_within(&self, seconds: i64, now: i64) -> bool {
        (0..seconds).contains(&now.saturating_sub(self.at))
    }
}

/// What this person may use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Membership {
    /// The accounts; empty where the cluster keeps none.
    pub accounts: Vec<Account>,
    /// The qualities of service of the cluster; empty where it has none.
    pub qualities: Vec<Quality>,
    /// The groups.
    pub groups: Vec<String>,
    /// Whether the database has told it, which knows more than the controller.
    pub is_whole: bool,
}

/// The facts at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    /// What the cluster has and allows.
    pub site: Site,
    /// When the oldest of it was asked, in seconds since 1970.
    pub at: i64,
}

impl Seen {
    /// Whether it is of this moment.
    pub(super) fn is_new(&self) -> bool {
        (0..=MOMENT).contains(&text::now().saturating_sub(self.at))
    }
}

/// What is known of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Its partitions with their nodes.
    pub partitions: Option<Told<Vec<Partition>>>,
    /// What this person may use.
    pub people: Option<Told<Membership>>,
    /// When the database was last asked about that in the background, in seconds since 1970.
    #[serde(default)]
    pub tried: i64,
}

/// What was asked; `None` for what was not.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The partitions.
    pub partitions: Option<Vec<Partition>>,
    /// What this person may use.
    pub people: Option<Membership>,
}

impl Known {
    /// Takes what was told now.
    pub(super) fn take(&mut self, answer: Answer, now: i64) {
        if let Some(value) = answer.partitions {
            self.partitions = Some(Told { at: now, value });
        }
        if let Some(value) = answer.people {
            self.people = Some(Told { at: now, value });
        }
    }

    /// Goes on with what is known of this person's accounts, or without: they could not be learnt now. What is known keeps
    /// its age. The groups are those of this moment, as far as they are known.
    pub(super) fn go_on(&mut self, groups: Vec<String>, now: i64) {
        let Told { at, value } = self.people.take().unwrap_or(Told { at: now, value: Membership::default() });
        let groups = if groups.is_empty() { value.groups.clone() } else { groups };
        self.people = Some(Told { at, value: Membership { groups, is_whole: false, ..value } });
    }

    /// All of it as one.
    pub(super) fn seen(&self) -> Seen {
        let people = self.people.as_ref().map(|told| told.value.clone()).unwrap_or_default();
        let partitions = self.partitions.as_ref().map(|told| told.value.clone()).unwrap_or_default();
        let times = [self.partitions.as_ref().map(|told| told.at), self.people.as_ref().map(|told| told.at)];
        let site = Site {
            partitions,
            accounts: people.accounts,
            qualities: people.qualities,
            groups: people.groups,
            root: rustix::process::geteuid().is_root(),
        };
        Seen { site, at: times.into_iter().map(Option::unwrap_or_default).min().unwrap_or_default() }
    }
}
