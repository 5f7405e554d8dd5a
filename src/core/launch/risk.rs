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
