//! Evidence: a recorded check of one digest. A badge is drawn from a record, never from a guess.

use serde::{Deserialize, Serialize};

use super::terms::Terms;
use crate::core::{
    base::{
        badge::{Badge, Scan, Signature, Tone},
        digest::Digest,
        text,
    },
    image::model::{Pinned, Platform},
};

pub use super::findings::{Counts, MOST_FINDINGS, Severity, Vulnerability};

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
    /// Whether and by whom it is signed.
    Signature,
    /// Which known vulnerabilities it has.
    Scan,
    /// What is in it.
    Software,
    /// What somebody says of vulnerabilities: that they do no harm here, or do.
    Statements,
    /// That a check had nothing to say.
    Nothing,
}

impl Kind {
    /// The kinds that a verdict stands on.
    pub const JUDGED: [Self; 2] = [Self::Signature, Self::Scan];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Scan => "scan",
            Self::Software => "software",
            Self::Statements => "vex",
            Self::Nothing => "nothing",
        }
    }
}

/// Who made the check. This decides what counts, and never a name that a report or an image gives itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum By {
    /// This program, on these bytes.
    Wharf,
    /// Whoever may admit images made it, and it is part of what they signed; the id of their key.
    Signer(String),
    /// The source says so; nobody here checked it.
    Source,
    /// Somebody attached it to the image.
    Attached,
}

impl By {
    /// Whether a scan by them is one that somebody made who is trusted, and not only said.
    pub fn has_scanned(&self) -> bool {
        matches!(self, Self::Wharf | Self::Signer(_))
    }

    /// Whether what they found is of the bytes alone, wherever these are.
    pub fn is_of_bytes(&self) -> bool {
        *self == Self::Wharf
    }

    /// The word that the cache keeps, and what a scan of theirs is, in a sentence.
    pub fn words(&self) -> (&'static str, &'static str) {
        match self {
            Self::Wharf => ("wharf", "was made here"),
            Self::Signer(_) => ("signer", "is what its signer states"),
            Self::Source => ("source", "is only what the source says"),
            Self::Attached => ("attached", "is only what somebody attached to it"),
        }
    }

    /// What stands behind the tool's name; empty where it was Wharf.
    pub fn note(&self) -> &'static str {
        match self {
            Self::Wharf => "",
            Self::Signer(_) => ", stated by the signer",
            Self::Source | Self::Attached => ", asserted by the source",
        }
    }

    /// How much it counts beside others.
    fn weight(&self) -> u8 {
        match self {
            Self::Wharf | Self::Signer(_) => 2,
            Self::Source => 1,
            Self::Attached => 0,
        }
    }
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The result of verifying signatures.
    Signature {
        /// How they stand together: the best that counts.
        state: Signature,
        /// Who signed: key id or identity; empty if nobody did.
        signer: String,
    },
    /// The result of a scan for vulnerabilities.
    Scan {
        /// The state that the badge shows.
        state: Scan,
        /// All findings, counted by severity.
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
    /// A list of what is in it.
    Software {
        /// The form it came in: `CycloneDX 1.5`, `SPDX-2.3`, a scanner's own.
        form: String,
        /// How many packages it tells of.
        total: u64,
        /// The packages, by name, at most [`MOST_PACKAGES`].
        packages: Vec<Package>,
    },
    /// Statements on vulnerabilities (VEX). They inform; they take nothing away.
    Statements {
        /// Who makes the statements.
        author: String,
        /// When, seconds since 1970.
        made: Option<i64>,
        /// What they say, at most [`MOST_FINDINGS`].
        statements: Vec<Statement>,
    },
    /// A check was made and had nothing to say: remembered, so that it is not made again soon, and shown to nobody.
    Nothing,
}

impl Outcome {
    /// A scan of which only its state is known.
    pub fn stands(state: Scan) -> Self {
        let counts = Counts::default();
        Self::Scan { state, counts, packages: 0, scanned: None, database: None, worst: Vec::new() }
    }
}

/// How long it is remembered that a check had nothing to say.
const NOTHING: i64 = 3_600;

/// Packages that are kept of one list; the total tells of all.
pub const MOST_PACKAGES: usize = 10_000;

/// One package of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Package {
    /// The package's name.
    pub name: String,
    /// The installed version.
    pub version: String,
    /// What kind of package: `apk`, `deb`, `pypi`; empty where nobody says.
    pub kind: String,
}

/// What somebody says of one vulnerability.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The vulnerability's identifier, like `CVE-2024-3094`.
    pub vulnerability: String,
    /// `not_affected`, `affected`, `fixed` or `under_investigation` (OpenVEX).
    pub status: String,
    /// Why, in their words.
    pub why: String,
}

/// One check of one digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// The image that was checked, by digest.
    pub subject: Subject,
    /// The check that made it: [`Checker::name`](crate::core::ports::Checker::name). Set where checks are run.
    #[serde(default)]
    pub check: String,
    /// By which tool, with its version; words, which decide nothing.
    pub tool: String,
    /// What it was checked with: keys, database.
    pub inputs: Vec<String>,
    /// Who made the check.
    pub by: By,
    /// Seconds since 1970 when it was done.
    pub at: i64,
    /// Until when it counts.
    pub valid_until: i64,
    /// What the check found.
    pub outcome: Outcome,
    /// Why, in words; and where it was found.
    pub reason: String,
    /// What a signature that counts says beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terms: Option<Terms>,
}

impl Record {
    /// A check of now, which counts for so many seconds; without inputs and reason.
    pub fn now(pinned: &Pinned, by: By, tool: impl Into<String>, outcome: Outcome, valid: i64) -> Self {
        let now = text::now();
        Self {
            subject: Subject::of(pinned),
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

    /// That a check had nothing to say of an image.
    pub fn nothing(pinned: &Pinned, check: &str, inputs: Vec<String>) -> Self {
        Self { inputs, ..Self::now(pinned, By::Wharf, check, Outcome::Nothing, NOTHING) }
    }

    /// Which kind of check it is.
    pub fn kind(&self) -> Kind {
        match self.outcome {
            Outcome::Signature { .. } => Kind::Signature,
            Outcome::Scan { .. } => Kind::Scan,
            Outcome::Software { .. } => Kind::Software,
            Outcome::Statements { .. } => Kind::Statements,
            Outcome::Nothing => Kind::Nothing,
        }
    }

    /// Whether it is of the bytes alone, and counts wherever they are. A signature is of the place that it was found in,
    /// and so is what it states, what a source says or somebody attached, and that nothing was found.
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

    /// Whether it is a signature that counts.
    pub fn is_good_signature(&self) -> bool {
        matches!(self.outcome, Outcome::Signature { state, .. } if state.is_good())
    }

    /// When what a scan knows was known: that of its database, where it tells.
    fn known(&self) -> i64 {
        match self.outcome {
            Outcome::Scan { scanned: Some(scanned), database, .. } => database.unwrap_or(scanned).min(scanned),
            _ => self.at,
        }
    }

    /// Whether it still counts.
    pub fn is_valid(&self, now: i64) -> bool {
        now < self.valid_until && now + 300 >= self.at
    }

    /// The badge that shows this record alone.
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

/// What the part of a check is called that reads all data of a disk image: it is kept beside what the rest of the check
/// says, which is looked at more often.
pub fn data_check(check: &str) -> String {
    format!("{check} data")
}

/// What a check of Wharf's own is called in records.
pub fn tool(check: &str) -> String {
    format!("wharf {} {check}", env!("CARGO_PKG_VERSION"))
}

/// The record of a kind that counts now: what was checked before what was only said; of scans the one that knows most,
/// of others the newest.
///
/// Of signatures, several schemes may have something to say of the same bytes: one that fails outweighs all, one good
/// one outweighs those that found nothing.
pub fn best(records: &[Record], kind: Kind, now: i64) -> Option<&Record> {
    let weight = |record: &&Record| match record.outcome {
        Outcome::Signature { state, .. } => state.weight(),
        Outcome::Scan { state, .. } => u8::from(state != Scan::Failed),
        _ => 0,
    };
    records
        .iter()
        .filter(|record| record.kind() == kind && record.is_valid(now))
        .max_by_key(|record| (record.by.weight(), weight(record), record.known(), record.at))
}
