//! What is known about an image, for lists and filters: its signatures, its scan, and the policy's verdict.

use crate::base::badge::{Badge, Publisher, Scan, Signature, Verdict};

/// The badges of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badges {
    /// The badge of a row that has room for only one.
    pub badge: Badge,
    /// What is known about signatures.
    pub trust: Badge,
    /// What is known about vulnerabilities.
    pub scan: Badge,
    /// The policy's verdict, as a badge.
    pub verdict: Badge,
}

impl Default for Badges {
    /// The badges of an image that nobody has checked.
    fn default() -> Self {
        let trust = Signature::default().badge();
        Self { badge: trust, trust, scan: Scan::default().badge(), verdict: Verdict::default().badge() }
    }
}

/// What a filter can ask about an image's badges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Facet {
    /// Signatures; or who made it, as the source says.
    Trust,
    /// What is known about vulnerabilities.
    Scan,
    /// The verdict that the policy gives.
    Verdict,
}

impl Facet {
    /// All states, in the words of the badges.
    fn labels(self) -> Vec<&'static str> {
        match self {
            Self::Trust => {
                let signatures = Signature::ALL.iter().map(|state| state.badge().word);
                signatures.chain(Publisher::ALL.iter().map(|state| state.badge().word)).collect()
            }
            Self::Scan => Scan::ALL.iter().map(|state| state.badge().word).collect(),
            Self::Verdict => Verdict::ALL.map(Verdict::name).to_vec(),
        }
    }

    /// The states that a typed word means: the one with that name, else those with a word in their name that begins
    /// like it.
    pub fn states(self, typed: &str) -> Vec<&'static str> {
        let all = self.labels();
        if let Some(exact) = all.iter().find(|word| as_typed(word) == typed) {
            return vec![exact];
        }
        let begins = |word: &&&str| {
            let word = as_typed(word);
            word.starts_with(typed) || word.split('-').any(|part| part.starts_with(typed))
        };
        all.iter().filter(begins).copied().collect()
    }

    /// The states as they are typed, for hints.
    pub fn choices(self) -> String {
        self.labels().into_iter().map(as_typed).collect::<Vec<_>>().join(", ")
    }

    /// Whether an image is in one of these states.
    pub fn fits(self, states: &[&'static str], standing: &Badges, publisher: Publisher) -> bool {
        let is = |badge: Badge| states.contains(&badge.word);
        match self {
            Self::Trust => is(standing.trust) || publisher != Publisher::Unknown && is(publisher.badge()),
            Self::Scan => is(standing.scan),
            Self::Verdict => is(standing.verdict),
        }
    }
}

/// A state as one word: `needs-approval`.
fn as_typed(words: &str) -> String {
    let letters = words.chars().filter(|c| *c != ',').map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_means_the_state_of_that_name_before_others_that_have_it_in_theirs() {
        assert_eq!(Facet::Trust.states("verified"), ["verified"], "not whom only the source vouches for");
        assert_eq!(Facet::Trust.states("failed"), ["signature FAILED"]);
        assert_eq!(Facet::Verdict.states("needs-approval"), ["needs approval"]);
        assert_eq!(Facet::Verdict.states("approval"), ["needs approval"]);
        assert_eq!(Facet::Scan.states("stale"), ["scan is stale"]);
        assert!(Facet::Scan.states("purple").is_empty());
    }

    #[test]
    fn what_nobody_looked_at_is_in_no_good_state() {
        let unknown = Badges::default();
        assert!(Facet::Trust.fits(&Facet::Trust.states("not-checked"), &unknown, Publisher::Unknown));
        assert!(!Facet::Trust.fits(&Facet::Trust.states("verified"), &unknown, Publisher::VendorVerified));
        assert!(Facet::Trust.fits(&Facet::Trust.states("official"), &unknown, Publisher::Official));
        assert!(Facet::Verdict.fits(&Facet::Verdict.states("undecided"), &unknown, Publisher::Unknown));
    }
}
