//! What stewards keep of a round of the site's mirror, for the next one and for `wharf doctor`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::mirroring::Mirrored;
use crate::{
    base::{clean, text},
    transfer::{mirror::MirrorImage, pauses::HostPauses},
};

/// How many failures, and how many characters of each, are kept.
const FAILURES: usize = 20;
const LETTERS: usize = 500;

/// A round of the site's mirror, as it is kept in the store.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MirrorRound {
    /// The registries that are left alone for a while.
    pub pauses: HostPauses,
    /// How many images were there already.
    pub same: usize,
    /// How many were copied.
    pub copied: usize,
    /// How many were left for later.
    pub later: usize,
    /// How many could not be copied.
    pub failed: usize,
    /// Why, of the first of these, one sentence each.
    pub failures: Vec<String>,
    /// Lines about the others for the steward's log, which are not kept.
    #[serde(skip)]
    pub lines: BTreeSet<String>,
}

impl MirrorRound {
    /// Counts what became of an image.
    pub fn note(&mut self, image: &MirrorImage, result: &Mirrored) {
        match result {
            Mirrored::Same => self.same += 1,
            Mirrored::Copied { .. } => {
                self.copied += 1;
                self.lines.extend(result.describe().map(|words| format!("{}: {words}", image.from)));
            }
            // Of many images that wait for one registry, one line is enough.
            Mirrored::Later { .. } => {
                self.later += 1;
                self.lines.extend(result.describe());
            }
            Mirrored::Failed { .. } => {
                self.failed += 1;
                if self.failures.len() < FAILURES {
                    let words = result.describe().unwrap_or_default();
                    self.failures.push(clean::short(&format!("{}: {words}", image.from), LETTERS));
                }
            }
        }
    }

    /// The counts, and the registries that are left alone, in words.
    pub fn describe(&self, now: i64) -> String {
        let counts =
            [(self.copied, "copied"), (self.same, "unchanged"), (self.later, "later"), (self.failed, "failed")];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        let alone = self.pauses.all_standing(now);
        let alone = alone.map(|(host, pause)| format!("{host} is asked again at {}", text::timestamp(pause.until)));
        let parts: Vec<String> = counts.chain(alone).collect();
        if parts.is_empty() { "nothing was to do".to_owned() } else { parts.join(", ") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_is_counted_and_says_each_reason_once() {
        let image = |tag: &str| MirrorImage {
            from: format!("docker.io/library/debian:{tag}").parse().unwrap(),
            to: format!("oci://registry.example.org/mirror/debian:{tag}").parse().unwrap(),
            platforms: Vec::new(),
        };
        let mut round = MirrorRound::default();
        round.note(&image("1"), &Mirrored::Same);
        for tag in ["2", "3"] {
            round.note(&image(tag), &Mirrored::Later { why: "too many requests".into(), again: None });
        }
        for tag in 0..FAILURES + 5 {
            round.note(&image(&tag.to_string()), &Mirrored::Failed { why: "no".into(), hint: String::new() });
        }
        assert_eq!((round.same, round.later, round.lines.len(), round.failures.len()), (1, 2, 1, FAILURES));
        assert_eq!(round.describe(0), "1 unchanged, 2 later, 25 failed");
        round.pauses.refused("docker.io", Some(3600), 0, "too many requests");
        assert!(round.describe(0).ends_with(", docker.io is asked again at 1970-01-01T01:00:00Z"));
        let kept: MirrorRound = serde_json::from_str(&serde_json::to_string(&round).unwrap()).unwrap();
        assert_eq!((kept.pauses, kept.failed, kept.lines.len()), (round.pauses, 25, 0));
        // What an older or a newer program has kept does not stop a round.
        assert_eq!(serde_json::from_str::<MirrorRound>("{\"copied\": 2, \"more\": 1}").unwrap().copied, 2);
    }
}
