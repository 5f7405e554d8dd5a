//! Evidence: a recorded check of one digest. A badge is drawn from a record, never from a guess.

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    evidence::{Badge, Scan, Signature},
    model::{Pinned, Platform},
    text,
};

/// What was checked: exact bytes, and the names they were seen under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Source and name, without a tag.
    pub name: String,
    /// The tag it was seen under; tags move, the digest counts.
    pub tag: Option<String>,
    /// Digest of the index or manifest, or the hash that a cloud keeps.
    pub digest: Digest,
    /// The platform that was chosen.
    pub platform: Option<Platform>,
    /// Digest of that platform's own manifest.
    pub manifest: Digest,
}

impl Subject {
    /// The subject of checks of a pinned image.
    pub fn of(pinned: &Pinned) -> Self {
        let bare = pinned.reference.without_version();
        Self {
            name: bare.to_string(),
            tag: pinned.reference.tag().map(str::to_owned),
            digest: pinned.digest.clone(),
            platform: pinned.platform.clone(),
            manifest: pinned.manifest.clone(),
        }
    }
}

/// Which kind of check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Signatures.
    Signature,
    /// Known vulnerabilities.
    Scan,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Signature, Self::Scan];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Scan => "scan",
        }
    }
}

/// Who made the check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// This program, on these bytes.
    Wharf,
    /// The source says so; nobody here checked it.
    Source,
}

/// Findings by severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Critical ones.
    pub critical: u64,
    /// High ones.
    pub high: u64,
    /// Medium ones.
    pub medium: u64,
    /// Low ones.
    pub low: u64,
    /// Those without a severity.
    pub unknown: u64,
    /// Critical ones for which there is a fixed version.
    pub fixable_critical: u64,
    /// Those known to be exploited.
    pub known_exploited: u64,
}

impl Counts {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.critical + self.high + self.medium + self.low + self.unknown
    }

    /// `2 critical (1 fixable), 7 high`; empty without findings.
    pub fn words(&self) -> String {
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

/// One known vulnerability in one package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Vulnerability {
    /// How bad, the worst first.
    pub severity: Severity,
    /// `CVE-2024-3094` and the like.
    pub id: String,
    /// The package.
    pub package: String,
    /// Its version in the image.
    pub installed: String,
    /// The version that has it no more; empty if there is none.
    pub fixed: String,
    /// Who says how bad it is.
    pub source: String,
    /// A line about it.
    pub title: String,
    /// Whether it is known to be exploited.
    pub exploited: bool,
}

/// How bad a vulnerability is, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worst.
    Critical,
    /// Bad.
    High,
    /// Less bad.
    Medium,
    /// Hardly.
    Low,
    /// Nobody says.
    Unknown,
}

impl Severity {
    /// The word, and from a report's word in any case.
    pub fn read(word: &str) -> Self {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Self::Critical,
            "high" | "important" | "error" => Self::High,
            "medium" | "moderate" | "warning" => Self::Medium,
            "low" | "negligible" | "minor" | "note" => Self::Low,
            _ => Self::Unknown,
        }
    }

    /// The word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "unknown",
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Of signatures.
    Signature {
        /// How they stand together: the best that counts.
        state: Signature,
        /// Who signed: key id or identity; empty if nobody did.
        signer: String,
    },
    /// Of a scan.
    Scan {
        /// How it stands.
        state: Scan,
        /// Findings by severity.
        counts: Counts,
        /// Packages that were seen; 0 is "nothing the scanner knows", never "clean".
        packages: u64,
        /// When it was scanned, seconds since 1970.
        scanned: Option<i64>,
        /// When the scanner's database was made.
        database: Option<i64>,
        /// The worst findings, at most [`MOST_FINDINGS`].
        worst: Vec<Vulnerability>,
    },
}

/// Findings that are kept of one scan; the counts tell of all.
pub const MOST_FINDINGS: usize = 2000;

/// One check of one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What was checked.
    pub subject: Subject,
    /// By which tool, with its version.
    pub tool: String,
    /// What it was checked with: keys, database.
    pub inputs: Vec<String>,
    /// Who made the check.
    pub by: By,
    /// Seconds since 1970 when it was done.
    pub at: i64,
    /// Until when it counts.
    pub valid_until: i64,
    /// What was found.
    pub outcome: Outcome,
    /// Why, in words; and where it was found.
    pub reason: String,
}

impl Record {
    /// Which kind of check it is.
    pub fn kind(&self) -> Kind {
        match self.outcome {
            Outcome::Signature { .. } => Kind::Signature,
            Outcome::Scan { .. } => Kind::Scan,
        }
    }

    /// Whether it still counts.
    pub fn is_valid(&self, now: i64) -> bool {
        now < self.valid_until && now + 300 >= self.at
    }

    /// Its badge.
    pub fn badge(&self) -> Badge {
        match self.outcome {
            Outcome::Signature { state, .. } => state.badge(),
            Outcome::Scan { state, .. } => state.badge(),
        }
    }
}

/// The record of a kind that counts now: our own before the source's, the newest of them.
pub fn best(records: &[Record], kind: Kind, now: i64) -> Option<&Record> {
    let own = |record: &&Record| record.by == By::Wharf;
    records
        .iter()
        .filter(|record| record.kind() == kind && record.is_valid(now))
        .max_by_key(|record| (own(record), record.at))
}
