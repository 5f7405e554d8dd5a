//! The severities of vulnerabilities, and how many findings there are of each.

use serde::{Deserialize, Serialize};

use super::text;

/// The severity of a vulnerability, the worst first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Critical, as CVSS calls 9.0 to 10.0.
    Critical,
    /// High, as CVSS calls 7.0 to 8.9.
    High,
    /// Medium, as CVSS calls 4.0 to 6.9.
    Medium,
    /// Low, as CVSS calls less than 4.0, or negligible.
    Low,
    /// The report gives no severity.
    #[default]
    Unknown,
}

impl Severity {
    /// The severity that a report's word means, in any case; unknown for other words.
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" | "error" => Self::High,
            "medium" | "moderate" | "warning" => Self::Medium,
            "low" | "negligible" | "minor" | "note" => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// All severities, the worst first.
    pub const ALL: [Self; 5] = [Self::Critical, Self::High, Self::Medium, Self::Low, Self::Unknown];

    /// The letter that stands for it in a column.
    pub fn letter(self) -> char {
        match self {
            Self::Critical => 'C',
            Self::High => 'H',
            Self::Medium => 'M',
            Self::Low => 'L',
            Self::Unknown => 'U',
        }
    }

    /// The severity in lower case, as lists show it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "unknown",
        }
    }
}

/// The number of findings of each severity in a scan.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Findings of critical severity.
    pub critical: u64,
    /// Findings of high severity.
    pub high: u64,
    /// Findings of medium severity.
    pub medium: u64,
    /// Findings of low severity.
    pub low: u64,
    /// Findings without a severity.
    pub unknown: u64,
    /// Critical findings for which there is a fixed version.
    pub fixable_critical: u64,
    /// Findings known to be exploited.
    pub known_exploited: u64,
}

impl Counts {
    /// The number of all findings.
    pub fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low + self.unknown
    }

    /// The number of findings of one severity.
    pub fn of(&self, severity: Severity) -> u64 {
        match severity {
            Severity::Critical => self.critical,
            Severity::High => self.high,
            Severity::Medium => self.medium,
            Severity::Low => self.low,
            Severity::Unknown => self.unknown,
        }
    }

    /// How bad the findings are, for comparing: what is exploited first, then by severity.
    pub fn weight(&self) -> [u64; 6] {
        [self.known_exploited, self.critical, self.high, self.medium, self.low, self.unknown]
    }

    /// The worst severity of which there are findings; `None` without findings.
    pub fn worst(&self) -> Option<Severity> {
        Severity::ALL.into_iter().find(|severity| self.of(*severity) > 0)
    }

    /// The counts in words: `2 critical (1 fixable), 7 high`; empty without findings.
    pub fn describe(&self) -> String {
        let mut parts = Vec::new();
        for (count, word) in [
            (self.critical, "critical"),
            (self.high, "high"),
            (self.medium, "medium"),
            (self.low, "low"),
            (self.unknown, "of unknown severity"),
        ] {
            if count > 0 {
                parts.push(format!("{} {word}", text::count(count)));
            }
        }
        if self.fixable_critical > 0 {
            parts.push(format!("{} of the critical fixable", text::count(self.fixable_critical)));
        }
        if self.known_exploited > 0 {
            parts.push(format!("{} known to be exploited", text::count(self.known_exploited)));
        }
        parts.join(", ")
    }
}
