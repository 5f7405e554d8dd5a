//! What stands beside a form's questions: how much room there is for a launch, and whether the policy lets it pass.

use serde::Serialize;

use crate::base::{badge::Verdict, text};

/// What an amount is counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Things that are counted: processors, servers, nodes.
    Count,
    /// Bytes.
    Bytes,
}

/// How much there is of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// What is used of how much. What is not known is left out; a `total` of nothing with something used has no limit.
    Measured { unit: Unit, used: Option<u64>, total: Option<u64> },
    /// In the backend's words, where it has no figures.
    Told { text: String },
}

/// One thing that launches take, and how much of it there is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Room {
    /// What it is: `memory`, `servers`, `partition gpu`.
    pub label: String,
    /// How much.
    #[serde(flatten)]
    pub amount: Amount,
}

impl Room {
    /// Something that is counted.
    pub fn count(label: impl Into<String>, used: Option<u64>, total: Option<u64>) -> Self {
        Self { label: label.into(), amount: Amount::Measured { unit: Unit::Count, used, total } }
    }

    /// Something that is measured in bytes.
    pub fn bytes(label: impl Into<String>, used: Option<u64>, total: Option<u64>) -> Self {
        Self { label: label.into(), amount: Amount::Measured { unit: Unit::Bytes, used, total } }
    }

    /// Something that its backend tells in words.
    pub fn told(label: impl Into<String>, words: impl Into<String>) -> Self {
        Self { label: label.into(), amount: Amount::Told { text: words.into() } }
    }

    /// How much there is, in words: `71.0 GiB of 128 GiB free`, `4 in use, no limit`, `16`.
    pub fn words(&self) -> String {
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

    /// What is used and how much there is, where both are known.
    pub fn share(&self) -> Option<(u64, u64)> {
        match self.amount {
            Amount::Measured { used: Some(used), total: Some(total), .. } => Some((used, total)),
            _ => None,
        }
    }

    /// Whether nothing is left.
    pub fn is_full(&self) -> bool {
        self.share().is_some_and(|(used, total)| used >= total)
    }
}

/// What stands between an image and its launch on a backend: the verdict of the policy, from evidence that is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gate {
    /// What the policy says.
    pub verdict: Verdict,
    /// Whether a launch goes on, and what it needs if not.
    pub passage: Passage,
    /// Why, in the policy's words.
    pub grounds: String,
}

/// How a launch gets through the gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Passage {
    /// It goes on.
    Open,
    /// These checks are made when it is launched; then the policy decides.
    Checked(Vec<String>),
    /// It goes on if the person gives a reason.
    WithReason,
    /// It is held back.
    Closed,
}

impl Gate {
    /// A short line: the verdict, and what a launch does.
    pub fn words(&self) -> String {
        let word = self.verdict.word();
        match &self.passage {
            Passage::Open => format!("{word}: it launches now"),
            Passage::Checked(checks) => format!("its {} will be checked when it is launched", checks.join(" and ")),
            Passage::WithReason => format!("{word}: held back unless you give a reason"),
            Passage::Closed => format!("{word}: held back"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_says_what_is_known_and_nothing_else() {
        let words = |room: Room| room.words();
        assert_eq!(words(Room::count("servers", Some(3), Some(10))), "7 of 10 free");
        assert_eq!(words(Room::count("servers", Some(12), Some(10))), "0 of 10 free");
        assert_eq!(words(Room::count("servers", Some(3), None)), "3 in use, no limit");
        assert_eq!(words(Room::bytes("memory", None, Some(2 << 30))), text::size(2 << 30));
        assert_eq!(words(Room::told("partition gpu", "2 of 4 nodes idle")), "2 of 4 nodes idle");
        assert!(Room::count("servers", Some(10), Some(10)).is_full());
        assert!(!Room::count("servers", Some(10), None).is_full());
    }
}
