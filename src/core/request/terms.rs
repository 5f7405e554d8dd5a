//! What a signature of an approval says beside "this image": until when, where, which findings were taken, and how the
//! scan stood. It is part of what is signed, so that a badge needs no database.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::core::{
    clean,
    digest::Digest,
    evidence::Scan,
    findings::{Counts, Severity, Vulnerability},
    record::{Outcome, Record},
    text,
};

/// The type that cosign's payloads say they are.
pub const CLASSIC: &str = "cosign container image signature";

/// Keys of cosign's `optional` part of a payload.
const UNTIL: &str = "wharf.until";
const ONLY: &str = "wharf.only";
const EXCEPTIONS: &str = "wharf.exceptions";
const APPROVER: &str = "wharf.approver";
const REQUEST: &str = "wharf.request";
const SCAN: &str = "wharf.scan";
const TAG: &str = "wharf.tag";

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
}

/// A scan as a signature states it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attested {
    /// How it stood.
    pub state: Scan,
    /// Findings by severity.
    pub counts: Counts,
    /// Packages that were seen.
    pub packages: u64,
    /// When it was made.
    pub scanned: i64,
    /// When the scanner's database was made.
    pub database: Option<i64>,
    /// By which tool.
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
    /// The conditions.
    pub terms: Terms,
    /// Where it counts, where that is a condition.
    pub only: Option<String>,
    /// Who approved; empty where the policy did.
    pub approver: String,
    /// The request.
    pub request: String,
    /// The tag that it was asked for under.
    pub tag: String,
    /// How the scan stood.
    pub scan: Option<Attested>,
}

impl Terms {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.until.is_none() && !self.only && self.exceptions.is_empty()
    }

    /// In words.
    pub fn words(&self) -> String {
        let mut parts = Vec::new();
        if let Some(until) = self.until {
            parts.push(format!("until {}", text::timestamp(until)));
        }
        if self.only {
            parts.push("only in this project".to_owned());
        }
        if !self.exceptions.is_empty() {
            parts.push(format!("taking {}", self.exceptions.join(", ")));
        }
        parts.join(", ")
    }

    /// A text that says the same, to be signed.
    pub fn statement(&self) -> String {
        let until = self.until.map(text::timestamp).unwrap_or_default();
        format!("until {until}\nonly {}\nexceptions {}\n", self.only, self.exceptions.join(" "))
    }
}

/// The scan that a signature may state: the one of our own that counts.
pub fn attested(record: &Record) -> Option<Attested> {
    match &record.outcome {
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
        put(TAG, self.tag.clone());
        put(SCAN, self.scan.as_ref().and_then(|scan| serde_json::to_string(scan).ok()).unwrap_or_default());
        all
    }

    /// The payload over an image: it must name the digest and the repository, and no tag, since tags move.
    pub fn payload(&self, name: &str, digest: &Digest) -> String {
        let annotations = self.annotations();
        let optional = if annotations.is_empty() {
            "null".to_owned()
        } else {
            serde_json::to_string(&annotations).unwrap_or_else(|_| "null".to_owned())
        };
        // Written by hand, as cosign writes it: signed are these bytes, in this order.
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"{name}"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"{CLASSIC}"}},"optional":{optional}}}"#
        )
    }

    /// Whether a payload is an image signature over this digest.
    pub fn is_about(payload: &[u8], digest: &Digest) -> bool {
        let Ok(all) = serde_json::from_slice::<serde_json::Value>(payload) else { return false };
        let text = |pointer: &str| all.pointer(pointer).and_then(serde_json::Value::as_str);
        text("/critical/type") == Some(CLASSIC)
            && text("/critical/image/docker-manifest-digest") == Some(digest.as_str())
    }

    /// Reads the `optional` part of a payload. An end that cannot be read is over: a condition is never dropped.
    pub fn read(payload: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Payload {
            #[serde(default)]
            optional: Option<BTreeMap<String, serde_json::Value>>,
        }
        let all = serde_json::from_slice::<Payload>(payload).ok().and_then(|payload| payload.optional);
        let all = all.unwrap_or_default();
        let text = |key: &str| all.get(key).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
        let until = all.get(UNTIL).map(|_| text::parse_timestamp(&text(UNTIL)).unwrap_or(0));
        let only = all.get(ONLY).map(|_| text(ONLY));
        let exceptions = text(EXCEPTIONS).split_whitespace().map(str::to_owned).collect();
        Self {
            terms: Terms { until, only: only.is_some(), exceptions },
            only,
            approver: text(APPROVER),
            request: text(REQUEST),
            tag: text(TAG),
            scan: serde_json::from_str(&text(SCAN)).ok(),
        }
    }

    /// Who signed, with who approved.
    pub fn signer(&self, key: String) -> String {
        if self.approver.is_empty() {
            return key;
        }
        format!("{key}, approved by {}", clean::short(&self.approver, 60))
    }

    /// Why it counts no more; `None` if it does.
    pub fn is_over(&self, now: i64) -> Option<String> {
        let until = self.terms.until.filter(|until| now >= *until)?;
        Some(format!("its approval ended on {}", text::timestamp(until)))
    }

    /// Why it does not count for an image of this name now; `None` if it does.
    pub fn misses(&self, name: &str, now: i64) -> Option<String> {
        if let Some(why) = self.is_over(now) {
            return Some(why);
        }
        let elsewhere = self.only.as_deref().filter(|only| *only != name);
        elsewhere.map(|only| format!("it is approved only as {}", clean::short(only, 80)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stated() -> Stated {
        Stated {
            terms: Terms { until: Some(2_000_000_000), only: true, exceptions: vec!["CVE-1".into(), "CVE-2".into()] },
            only: Some("r.example/admitted/a".into()),
            approver: "carol".into(),
            request: "12".into(),
            tag: "1".into(),
            scan: Some(Attested {
                state: Scan::Clean,
                counts: Counts::default(),
                packages: 14,
                scanned: 1_900_000_000,
                database: None,
                tool: "trivy 0.70".into(),
                named: Vec::new(),
            }),
        }
    }

    #[test]
    fn what_is_signed_reads_back_and_a_condition_is_never_dropped() {
        let digest = Digest::of(b"image");
        let text = stated().payload("r.example/admitted/a", &digest);
        assert_eq!(Stated::read(text.as_bytes()), stated());
        assert!(Stated::default().payload("r/a", &digest).ends_with(r#""optional":null}"#));
        let name = "r.example/admitted/a";
        assert_eq!(stated().misses(name, 1_999_999_999), None);
        assert!(stated().misses(name, 2_000_000_000).is_some_and(|why| why.contains("ended")));
        assert!(stated().misses("r.example/other/a", 0).is_some_and(|why| why.contains("only as")));
        let broken = text.replace("2033-05-18T03:33:20Z", "some day");
        assert_ne!(broken, text);
        assert!(Stated::read(broken.as_bytes()).misses(name, 1).is_some(), "an end that cannot be read is over");
        let broken = text.replace(r#""wharf.only":"r.example/admitted/a""#, r#""wharf.only":3"#);
        assert!(Stated::read(broken.as_bytes()).misses(name, 1).is_some());
        assert_eq!(Stated::read(b"[]"), Stated::default());
    }
}
