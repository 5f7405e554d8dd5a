//! What a launch may do, line by line, as it is shown before anything is sent.

use serde::{Deserialize, Serialize};

/// How serious a line of the risk preview is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weight {
    /// Harmless: the careful choice.
    Fine,
    /// To be considered before launching.
    Caution,
    /// Gives rights or data away in a way that cannot be undone.
    Danger,
}

impl Weight {
    /// The sign shown before the line.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Fine => "✓",
            Self::Caution => "!",
            Self::Danger => "▲",
        }
    }
}

/// One line of the risk preview.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Risk {
    /// How serious it is.
    pub weight: Weight,
    /// The line itself, in words.
    pub text: String,
}

impl Risk {
    /// A harmless line of the preview.
    pub fn harmless(text: impl Into<String>) -> Self {
        Self { weight: Weight::Fine, text: text.into() }
    }
    /// A line to be considered.
    pub fn caution(text: impl Into<String>) -> Self {
        Self { weight: Weight::Caution, text: text.into() }
    }
    /// A line about a danger.
    pub fn danger(text: impl Into<String>) -> Self {
        Self { weight: Weight::Danger, text: text.into() }
    }
}

/// How risky a launch is altogether, in five steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RiskLevel {
    /// Nothing has to be considered.
    None,
    /// One or two things are to be considered.
    Low,
    /// More than two things are to be considered.
    Some,
    /// There is a danger.
    High,
    /// There are several dangers.
    Severe,
}

impl RiskLevel {
    /// The level of a plan with these lines. It sums them up; it never replaces them.
    pub fn of_risks(risks: &[Risk]) -> Self {
        let count = |weight| risks.iter().filter(|risk| risk.weight == weight).count();
        match (count(Weight::Danger), count(Weight::Caution)) {
            (0, 0) => Self::None,
            (0, 1 | 2) => Self::Low,
            (0, _) => Self::Some,
            (1, _) => Self::High,
            _ => Self::Severe,
        }
    }

    /// The level in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Some => "some",
            Self::High => "high",
            Self::Severe => "severe",
        }
    }

    /// How many of the gauge's five parts are filled.
    pub fn parts(self) -> usize {
        self as usize + 1
    }

    /// The weight of a line that is as serious.
    pub fn weight(self) -> Weight {
        match self {
            Self::None => Weight::Fine,
            Self::Low | Self::Some => Weight::Caution,
            Self::High | Self::Severe => Weight::Danger,
        }
    }
}
