//! The statement in an approval's signature: until when and where it counts, which findings were accepted, and the
//! result of the scan. It is signed too, so that a badge needs no database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::findings::{Counts, Vulnerability};
use crate::base::{badge::Scan, clean, text};

/// The keys in the `optional` part of cosign's payload.
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
    /// When it stops counting, in seconds since 1970; never if `None`.
    pub until: Option<i64>,
    /// Whether it counts only where the image was admitted, not in places it is copied to.
    pub only: bool,
    /// The identifiers of the findings that were accepted.
    pub exceptions: Vec<String>,
    /// The rules that held it back and were accepted, by their keys in the policy: `signature` or `scan.missing`.
    pub rules: Vec<String>,
}

/// A scan as a signature states it: one that the signer has made, never one that came with the image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttestedScan {
    /// The state of the scan when it was signed.
    pub state: Scan,
    /// All findings, counted by severity.
    pub counts: Counts,
    /// The number of packages that were seen.
    pub packages: u64,
    /// When it was made, in seconds since 1970.
    pub scanned: i64,
    /// When the scanner's database was made, in seconds since 1970.
    pub database: Option<i64>,
    /// The scanner and its version.
    pub tool: String,
    /// The critical findings and those known to be exploited, at most 50.
    #[serde(default)]
    pub named: Vec<Vulnerability>,
}

/// What a signature states besides the digest, as far as Wharf wrote it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SignatureClaims {
    /// The conditions of the admission.
    pub terms: Terms,
    /// The only place where it counts, if that is a condition.
    pub only: Option<String>,
    /// The approver; empty if the policy approved.
    pub approver: String,
    /// The number of the request.
    pub request: String,
    /// The scan at that time.
    pub scan: Option<AttestedScan>,
    /// When it was stated, in seconds since 1970; 0 if it does not say.
    pub at: i64,
}

impl Terms {
    /// Whether there are no conditions.
    pub fn is_empty(&self) -> bool {
        self.until.is_none() && !self.only && self.exceptions.is_empty() && self.rules.is_empty()
    }

    /// The conditions in one phrase; empty if there are none.
    pub fn describe(&self) -> String {
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

impl SignatureClaims {
    /// As annotations of cosign's payload: keys and texts.
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

    /// Reads the annotations of cosign's payload. A condition that cannot be read counts as not met: none is dropped.
    pub(crate) fn from_annotations(all: &BTreeMap<String, serde_json::Value>) -> Self {
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

    /// What remains if the signer may not admit images: the conditions hold, everything else is not believed.
    #[must_use]
    pub fn conditions(self) -> Self {
        let terms = Terms { exceptions: Vec::new(), rules: Vec::new(), ..self.terms };
        Self { terms, only: self.only, ..Self::default() }
    }

    /// Whether it says that it admits an image.
    pub fn admits(&self) -> bool {
        !self.request.is_empty()
    }

    /// The signer's key with the approver and the conditions, in words.
    pub fn signer(&self, key: String) -> String {
        if self.approver.is_empty() {
            return key;
        }
        let until = self.terms.until.map(|until| format!(", until {}", text::timestamp(until))).unwrap_or_default();
        let only = if self.only.is_some() { ", only here" } else { "" };
        format!("{key}, approved by {}{until}{only}", clean::short(&self.approver, 60))
    }

    /// Why it no longer counts; `None` if it does.
    pub fn why_ended(&self, now: i64) -> Option<String> {
        let until = self.terms.until.filter(|until| now >= *until)?;
        Some(format!("its approval ended on {}", text::timestamp(until)))
    }

    /// Why it does not count for an image with this name; `None` if it does.
    pub fn is_elsewhere(&self, name: &str) -> Option<String> {
        let elsewhere = self.only.as_deref().filter(|only| *only != name);
        elsewhere.map(|only| format!("it is approved only as {}", clean::short(only, 80)))
    }
}
