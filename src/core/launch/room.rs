//! What is shown beside a form's questions: the backend's free capacity, and whether the policy lets the launch pass.

use serde::Serialize;

use super::isolation::{self, Isolation};
use crate::base::{badge::Verdict, text};

/// The unit of an amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Countable things: processors, servers, nodes.
    Count,
    /// Amounts of memory or disk space, in bytes.
    Bytes,
}

/// How much there is of one resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// What is used, of which total. Unknown numbers are `None`; a total of 0 with something used means no limit.
    Measured { unit: Unit, used: Option<u64>, total: Option<u64> },
    /// In the backend's words, where it gives no numbers.
    Told { text: String },
}

/// One resource that launches need, and how much of it there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// The name of the resource: `memory`, `servers`, `partition gpu`.
    pub label: String,
    /// What is used, of which total.
    #[serde(flatten)]
    pub amount: Amount,
}

impl Room {
    /// A resource that is counted.
    pub fn count(label: impl Into<String>, used: Option<u64>, total: Option<u64>) -> Self {
        Self { label: label.into(), amount: Amount::Measured { unit: Unit::Count, used, total } }
    }

    /// A resource that is measured in bytes.
    pub fn bytes(label: impl Into<String>, used: Option<u64>, total: Option<u64>) -> Self {
        Self { label: label.into(), amount: Amount::Measured { unit: Unit::Bytes, used, total } }
    }

    /// A resource that the backend describes in words.
    pub fn described(label: impl Into<String>, words: impl Into<String>) -> Self {
        Self { label: label.into(), amount: Amount::Told { text: words.into() } }
    }

    /// How much there is, in words: `71.0 GiB of 128 GiB free`, `4 in use, no limit`, `16`.
    pub fn describe(&self) -> String {
        let Amount::Measured { unit, used, total } = &self.amount else {
            return if let Amount::Told { text } = &self.amount { text.clone() } else { String::new() };
        };
        let written = |amount: u64| match unit {
            Unit::Count => text::count(amount),
            Unit::Bytes => text::size(amount),
        };
        match (used, total) {
            (Some(used), Some(total)) => {
                format!("{} of {} free", written(total.saturating_sub(*used)), written(*total))
            }
            (Some(used), None) => format!("{} in use, no limit", written(*used)),
            (None, Some(total)) => written(*total),
            (None, None) => "unknown".to_owned(),
        }
    }

    /// What is used and the total, where both are known.
    pub fn share(&self) -> Option<(u64, u64)> {
        match self.amount {
            Amount::Measured { used: Some(used), total: Some(total), .. } => Some((used, total)),
            _ => None,
        }
    }

    /// Whether nothing is left of it.
    pub fn is_full(&self) -> bool {
        self.share().is_some_and(|(used, total)| used >= total)
    }
}

/// What the policy says about launching an image on a backend, from the evidence that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// The policy's verdict from kept evidence.
    pub verdict: Verdict,
    /// The least isolation that the policy demands.
    pub isolation: Isolation,
    /// Whether a launch may go on, and what it needs if not.
    pub passage: GateRequirement,
    /// The reasons for the verdict, in the policy's words.
    pub grounds: String,
}

/// Answers under a name that are offered beside a form.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferedPreset {
    /// The preset's name.
    pub name: String,
    /// Its answers by key.
    pub answers: std::collections::BTreeMap<String, String>,
}

/// What a launch needs to pass the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateRequirement {
    /// Nothing: the launch goes on.
    Open,
    /// These checks run at the launch; then the policy decides.
    Checked(Vec<String>),
    /// The launch must be isolated at least like this.
    Isolated(Isolation),
    /// The person must give a reason.
    WithReason,
    /// It cannot pass: the launch is held back.
    Closed,
}

impl Gate {
    /// The gate of a launch with this isolation, instead of the form's default.
    #[must_use]
    pub fn with(&self, given: Isolation) -> Self {
        let mut gate = self.clone();
        if given < self.isolation && self.passage == GateRequirement::Open {
            gate.verdict = Verdict::NeedsIsolation;
            gate.passage = GateRequirement::Isolated(self.isolation);
        }
        gate
    }

    /// One short line: the verdict, and what it means for a launch.
    pub fn describe(&self) -> String {
        let word = self.verdict.name();
        match &self.passage {
            GateRequirement::Open => format!("{word}: it launches now"),
            GateRequirement::Checked(checks) => {
                format!("its {} will be checked when it is launched", checks.join(" and "))
            }
            GateRequirement::Isolated(least) => {
                format!("{word}: held back unless {} is {}", isolation::KEY, least.name())
            }
            GateRequirement::WithReason => format!("{word}: held back unless you give a reason"),
            GateRequirement::Closed => format!("{word}: held back"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_says_what_is_known_and_nothing_else() {
        let words = |room: Room| room.describe();
        assert_eq!(words(Room::count("servers", Some(3), Some(10))), "7 of 10 free");
        assert_eq!(words(Room::count("servers", Some(12), Some(10))), "0 of 10 free");
        assert_eq!(words(Room::count("servers", Some(3), None)), "3 in use, no limit");
        assert_eq!(words(Room::bytes("memory", None, Some(2 << 30))), text::size(2 << 30));
        assert_eq!(words(Room::described("partition gpu", "2 of 4 nodes idle")), "2 of 4 nodes idle");
        assert!(Room::count("servers", Some(10), Some(10)).is_full());
        assert!(!Room::count("servers", Some(10), None).is_full());
    }
}
