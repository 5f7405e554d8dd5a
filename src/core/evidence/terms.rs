//! What a signature of an approval says beside "this image": until when, where, which findings were taken, and how the
//! scan stood. It is part of what is signed, so that a badge needs no database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    findings::{Counts, Severity, Vulnerability},
    record::{By, Outcome, Record},
};
use crate::core::base::{badge::Scan, clean, text};

/// Keys of cosign's `optional` part of a payload.
const UNTIL: &str = "wharf.until";
const ONLY: &str = "wharf.only";
const EXCEPTIONS: &str = "wharf.exceptions";
const APPROVER: &str = "wharf.approver";
const REQUEST: &str = "wharf.request";
const SCAN: &str = "wharf.scan";
const RULES: &str = "wharf.rules";
const AT: &str = "wharf.at";

/// The conditions of an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Until when it counts, seconds since 1970.
    pub until: Option<i64>,
    /// Whether it counts only where it was admitted, and not in other projects it is copied to.
    pub only: bool,
    /// Findings that were looked at and taken.
    pub exceptions: Vec<String>,
    /// Rules of the policy that held it back and were taken: their keys, `signature` or `scan.missing`.
    pub rules: Vec<String>,
}

/// A scan as a signature states it: one that whoever signed has made, never one that came with the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// The state of the scan when it was signed.
    pub state: Scan,
    /// All findings, counted by severity.
    pub counts: Counts,
    /// Packages that were seen.
    pub packages: u64,
    /// When it was made.
    pub scanned: i64,
    /// When the scanner's database was made.
    pub database: Option<i64>,
    /// The scanner, with its version.
    pub tool: String,
    /// Its critical findings and those known to be exploited, at most 50.
    #[serde(default)]
    pub named: Vec<Vulnerability>,
}

/// Findings that a signature names; the counts tell of all.
const MOST_NAMED: usize = 50;

/// What a payload says, as far as Wharf wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stated {
    /// The conditions of the admission.
    pub terms: Terms,
    /// Where it counts, where that is a condition.
    pub only: Option<String>,
    /// Who approved; empty where the policy did.
    pub approver: String,
    /// The number of the request.
    pub request: String,
    /// How the scan stood.
    pub scan: Option<Attested>,
    /// When it was stated, seconds since 1970; 0 where it does not say.
    pub at: i64,
}

impl Terms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.until.is_none() && !self.only && self.exceptions.is_empty() && self.rules.is_empty()
    }

    /// The conditions as one phrase; empty without any.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if let Some(until) = self.until {
            parts.push(format!("until {}", text::timestamp(until)));
        }
        if self.only {
            parts.push("only in this project".to_owned());
        }
        let taken: Vec<&str> = self.rules.iter().chain(&self.exceptions).map(String::as_str).collect();
        if !taken.is_empty() {
            parts.push(format!("taking {}", taken.join(", ")));
        }
        parts.join(", ")
    }
}

/// The scan of a record as a signature may state it; `None` of one that was not made here: what came with an image, or
/// what another signature states, is nobody's to sign again.
pub fn attested(record: &Record) -> Option<Attested> {
    match &record.outcome {
        _ if record.by != By::Wharf => None,
        Outcome::Scan { state, counts, packages, scanned, database, worst } => Some(Attested {
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
                .map(|one| Vulnerability { title: String::new(), source: String::new(), ..one.clone() })
                .collect(),
        }),
        _ => None,
    }
}

impl Stated {
    /// As cosign's annotations: names and texts.
    pub fn annotations(&self) -> BTreeMap<&'static str, String> {
        let mut all = BTreeMap::new();
        let mut put = |key: &'static str, value: String| {
            if !value.is_empty() {
                all.insert(key, value);
            }
        };
        put(UNTIL, self.terms.until.map(text::timestamp).unwrap_or_default());
        put(ONLY, self.only.clone().unwrap_or_default());
        put(EXCEPTIONS, self.terms.exceptions.join(" "));
        put(APPROVER, self.approver.clone());
        put(REQUEST, self.request.clone());
        put(RULES, self.terms.rules.join(" "));
        put(AT, if self.at == 0 { String::new() } else { text::timestamp(self.at) });
        put(SCAN, self.scan.as_ref().and_then(|scan| serde_json::to_string(scan).ok()).unwrap_or_default());
        all
    }

    /// Reads cosign's annotations. A condition that cannot be read is not met: none is ever dropped.
    pub(in crate::core) fn of_annotations(all: &BTreeMap<String, serde_json::Value>) -> Self {
        let text = |key: &str| all.get(key).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
        let words = |key: &str| text(key).split_whitespace().map(str::to_owned).collect();
        let until = all.get(UNTIL).map(|_| text::parse_timestamp(&text(UNTIL)).unwrap_or(0));
        let only = all.get(ONLY).map(|_| text(ONLY));
        Self {
            terms: Terms { until, only: only.is_some(), exceptions: words(EXCEPTIONS), rules: words(RULES) },
            only,
            approver: text(APPROVER),
            request: text(REQUEST),
            scan: serde_json::from_str(&text(SCAN)).ok(),
            at: text::parse_timestamp(&text(AT)).unwrap_or(0),
        }
    }

    /// What is left of it where whoever signed may not admit images: its conditions bind, what it takes and says does not.
    #[must_use]
    pub fn conditions(self) -> Self {
        let terms = Terms { exceptions: Vec::new(), rules: Vec::new(), ..self.terms };
        Self { terms, only: self.only, ..Self::default() }
    }

    /// Whether it says that it admits an image.
    pub fn admits(&self) -> bool {
        !self.request.is_empty()
    }

    /// Who signed, with who approved.
    pub fn signer(&self, key: String) -> String {
        if self.approver.is_empty() {
            return key;
        }
        let until = self.terms.until.map(|until| format!(", until {}", text::timestamp(until))).unwrap_or_default();
        let only = if self.only.is_some() { ", only here" } else { "" };
        format!("{key}, approved by {}{until}{only}", clean::short(&self.approver, 60))
    }

    /// Why it counts no more; `None` if it does.
    pub fn is_over(&self, now: i64) -> Option<String> {
        let until = self.terms.until.filter(|until| now >= *until)?;
        Some(format!("its approval ended on {}", text::timestamp(until)))
    }

    /// Why it does not count for an image of this name; `None` if it does.
    pub fn is_elsewhere(&self, name: &str) -> Option<String> {
        let elsewhere = self.only.as_deref().filter(|only| *only != name);
        elsewhere.map(|only| format!("it is approved only as {}", clean::short(only, 80)))
    }
}
