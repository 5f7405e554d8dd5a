//! Evidence: the recorded checks of a digest. Badges are made from records only.

use serde::{Deserialize, Serialize};

use super::terms::{AttestedScan, Terms};
use crate::{
    base::{
        badge::{Badge, Scan, Signature, Tone},
        digest::Digest,
        text,
    },
    image::model::{Pinned, Platform},
};

pub use super::findings::{Counts, MOST_FINDINGS, Severity, Vulnerability};

/// What was checked: exact bytes, and the name under which they were found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The reference without a tag.
    pub name: String,
    /// The tag under which it was found; tags move, so only the digest counts.
    pub tag: Option<String>,
    /// The digest of the index or manifest, or the hash that a cloud keeps.
    pub digest: Digest,
    /// The platform that was chosen, if there was a choice.
    pub platform: Option<Platform>,
    /// The digest of that platform's manifest.
    pub manifest: Digest,
}

impl Subject {
    /// The subject for checks of a pinned image.
    pub fn for_pinned(pinned: &Pinned) -> Self {
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

/// The kind of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Whether it is signed, and by whom.
    Signature,
    /// The known vulnerabilities of its packages.
    Scan,
    /// The packages in it.
    Software,
    /// VEX statements: whether vulnerabilities do harm here.
    Statements,
    /// The check had nothing to say.
    Nothing,
}

impl Kind {
    /// The kinds on which a verdict is based.
    pub const JUDGED: [Self; 2] = [Self::Signature, Self::Scan];

    /// The kind in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Scan => "scan",
            Self::Software => "software",
            Self::Statements => "vex",
            Self::Nothing => "nothing",
        }
    }
}

/// Who made the check. Only this decides what counts, never a name that a report or image gives itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckedBy {
    /// This program, on these bytes.
    Wharf,
    /// The holder of a key that may admit images, as part of what was signed; with the key's id.
    Signer(String),
    /// The source says it; it was not checked here.
    Source,
    /// It was attached to the image, by anybody who may push there.
    Attached,
}

impl CheckedBy {
    /// Whether a scan by them was made by somebody trusted, and is not only claimed.
    pub fn has_scanned(&self) -> bool {
        matches!(self, Self::Wharf | Self::Signer(_))
    }

    /// Whether their result holds for the bytes wherever they are.
    pub fn is_of_bytes(&self) -> bool {
        *self == Self::Wharf
    }

    /// The word that the cache keeps, and what a scan by them is, as the rest of a sentence.
    pub fn labels(&self) -> (&'static str, &'static str) {
        match self {
            Self::Wharf => ("wharf", "was made here"),
            Self::Signer(_) => ("signer", "is what its signer states"),
            Self::Source => ("source", "is only what the source says"),
            Self::Attached => ("attached", "was attached to it and not checked"),
        }
    }

    /// What is added to the tool's name; empty for Wharf itself.
    pub fn note(&self) -> &'static str {
        match self {
            Self::Wharf => "",
            Self::Signer(_) => ", stated by the signer",
            Self::Source | Self::Attached => ", asserted by the source",
        }
    }

    /// How much it counts among checks by others.
    fn weight(&self) -> u8 {
        match self {
            Self::Wharf | Self::Signer(_) => 2,
            Self::Source => 1,
            Self::Attached => 0,
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The result of verifying signatures.
    Signature {
        /// The state of all signatures together, which is the best one that counts.
        state: Signature,
        /// The signer: key id or identity; empty if there is none.
        signer: String,
    },
    /// The result of a scan for vulnerabilities.
    Scan {
        /// The state that the badge shows.
        state: Scan,
        /// All findings, counted by severity.
        counts: Counts,
        /// The number of packages that were seen; 0 means that the scanner knows nothing of the image, never "clean".
        packages: u64,
        /// When it was scanned, in seconds since 1970.
        scanned: Option<i64>,
        /// When the scanner's database was made, in seconds since 1970.
        database: Option<i64>,
        /// The worst findings, at most [`MOST_FINDINGS`].
        worst: Vec<Vulnerability>,
    },
    /// The packages in the image.
    Software {
        /// The format of the list: `CycloneDX 1.5`, `SPDX-2.3`, or a scanner's own.
        form: String,
        /// The number of packages in the list.
        total: u64,
        /// The packages sorted by name, at most [`MOST_PACKAGES`].
        packages: Vec<Package>,
    },
    /// VEX statements on vulnerabilities. They inform, but remove no finding.
    Statements {
        /// The author of the statements.
        author: String,
        /// When they were made, in seconds since 1970.
        made: Option<i64>,
        /// The statements, at most [`MOST_FINDINGS`].
        statements: Vec<Statement>,
    },
    /// The check had nothing to say. This is kept so that it is not run again soon, and not shown.
    Nothing,
}

impl Outcome {
    /// The outcome of a scan of which only the state is known.
    pub fn from_scan_state(state: Scan) -> Self {
        let counts = Counts::default();
        Self::Scan { state, counts, packages: 0, scanned: None, database: None, worst: Vec::new() }
    }
}

/// How long it is kept that a check had nothing to say, in seconds.
const NOTHING: i64 = 3_600;

/// Most packages that are kept of a list; the total includes all.
pub const MOST_PACKAGES: usize = 10_000;

/// A package in an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// The name of the package.
    pub name: String,
    /// The version that is installed.
    pub version: String,
    /// The type of package: `apk`, `deb`, `pypi`; empty if unknown.
    pub kind: String,
}

/// A VEX statement on one vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The vulnerability's identifier, like `CVE-2024-3094`.
    pub vulnerability: String,
    /// `not_affected`, `affected`, `fixed` or `under_investigation` (OpenVEX).
    pub status: String,
    /// The reason in the author's words.
    pub why: String,
}

/// A check of a digest and its result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The image that was checked, by digest.
    pub subject: Subject,
    /// The checker's name ([`Checker::name`](crate::ports::Checker::name)), which is set where checks are run.
    #[serde(default)]
    pub check: String,
    /// The tool with its version, in words, which decide nothing.
    pub tool: String,
    /// What else decides the result, like keys and databases: if it changes, the check is run again.
    pub inputs: Vec<String>,
    /// Who made the check.
    pub by: CheckedBy,
    /// When the check was made, in seconds since 1970.
    pub at: i64,
    /// When it stops counting, in seconds since 1970.
    pub valid_until: i64,
    /// What the check found.
    pub outcome: Outcome,
    /// The reason in words, and where it was found.
    pub reason: String,
    /// The conditions that a valid signature states.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl Record {
    /// A check made now that counts for `valid` seconds; without inputs and reason.
    pub fn now(pinned: &Pinned, by: CheckedBy, tool: impl Into<String>, outcome: Outcome, valid: i64) -> Self {
        let now = text::now();
        Self {
            subject: Subject::for_pinned(pinned),
            check: String::new(),
            tool: tool.into(),
            inputs: Vec::new(),
            by,
            at: now,
            valid_until: now + valid,
            outcome,
            reason: String::new(),
            terms: None,
        }
    }

    /// The record that a check had nothing to say about an image.
    pub fn no_statement(pinned: &Pinned, check: &str, inputs: Vec<String>) -> Self {
        Self { inputs, ..Self::now(pinned, CheckedBy::Wharf, check, Outcome::Nothing, NOTHING) }
    }

    /// The kind of the check.
    pub fn kind(&self) -> Kind {
        match self.outcome {
            Outcome::Signature { .. } => Kind::Signature,
            Outcome::Scan { .. } => Kind::Scan,
            Outcome::Software { .. } => Kind::Software,
            Outcome::Statements { .. } => Kind::Statements,
            Outcome::Nothing => Kind::Nothing,
        }
    }

    /// Whether the result holds for the bytes wherever they are. A signature holds for the place where it was found,
    /// and so does what it states, what a source says or somebody attached, and that nothing was found.
    pub fn is_of_bytes(&self) -> bool {
        self.by.is_of_bytes() && matches!(self.outcome, Outcome::Scan { .. } | Outcome::Software { .. })
    }

    /// Whether it says that the check could not run.
    pub fn could_not_look(&self) -> bool {
        match self.outcome {
            Outcome::Signature { state, .. } => state == Signature::Unreachable,
            Outcome::Scan { state, .. } => state == Scan::Failed,
            _ => false,
        }
    }

    /// Whether it is a valid signature by a trusted signer.
    pub fn is_good_signature(&self) -> bool {
        matches!(self.outcome, Outcome::Signature { state, .. } if state.is_good())
    }

    /// How recent a scan's knowledge is, in seconds since 1970: the age of its database, if known.
    fn known_until(&self) -> i64 {
        match self.outcome {
            Outcome::Scan { scanned: Some(scanned), database, .. } => database.unwrap_or(scanned).min(scanned),
            _ => self.at,
        }
    }

    /// Whether the record still counts at `now`.
    pub fn is_valid(&self, now: i64) -> bool {
        now < self.valid_until && now + 300 >= self.at
    }

    /// The badge for this record alone.
    pub fn badge(&self) -> Badge {
        match self.outcome {
            Outcome::Signature { state, .. } => state.badge(),
            Outcome::Scan { state, .. } => state.badge(),
            Outcome::Software { .. } => Badge { sign: "≡", word: "listed", tone: Tone::Unknown },
            Outcome::Statements { .. } => Badge { sign: "≡", word: "stated", tone: Tone::Unknown },
            Outcome::Nothing => Badge { sign: "·", word: "nothing to say", tone: Tone::Unknown },
        }
    }
}

/// The name for the part of a check that reads all data of a disk image. Its record is kept beside that of the rest,
/// which is renewed more often.
pub fn data_check(check: &str) -> String {
    format!("{check} data")
}

/// The tool name in records of Wharf's own checks.
pub fn tool(check: &str) -> String {
    format!("wharf {} {check}", env!("CARGO_PKG_VERSION"))
}

/// The record of a kind that counts now. Checked results come before claimed ones; of scans the one with the most
/// recent knowledge counts, of others the newest.
///
/// Several signature schemes may have a result for the same bytes: a failed one outweighs all, and a valid one
/// outweighs those that found nothing.
pub fn best(records: &[Record], kind: Kind, now: i64) -> Option<&Record> {
    let weight = |record: &&Record| match record.outcome {
        Outcome::Signature { state, .. } => state.weight(),
        Outcome::Scan { state, .. } => u8::from(state != Scan::Failed),
        _ => 0,
    };
    records
        .iter()
        .filter(|record| record.kind() == kind && record.is_valid(now))
        .max_by_key(|record| (record.by.weight(), weight(record), record.known_until(), record.at))
}

/// Most findings that a signature names; the counts include all.
const MOST_NAMED: usize = 50;

/// The scan in a record as a signature may state it. `None` if it was not made here: what came with an image, or what
/// another signature states, must not be signed again.
pub fn attested(record: &Record) -> Option<AttestedScan> {
    match &record.outcome {
        _ if record.by != CheckedBy::Wharf => None,
        Outcome::Scan { state, counts, packages, scanned, database, worst } => Some(AttestedScan {
            state: *state,
            counts: *counts,
            packages: *packages,
            scanned: (*scanned)?,
            database: *database,
            tool: record.tool.clone(),
            named: worst
                .iter()
                .filter(|one| one.exploited || one.severity == Severity::Critical)
                .take(MOST_NAMED)
                .map(Vulnerability::bare)
                .collect(),
        }),
        _ => None,
    }
}
