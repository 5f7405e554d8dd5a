//! The rule for pruning old versions of a repository, and the plan that is made by it. Plain functions.

use serde::Serialize;

use crate::{
    base::{digest::Digest, text},
    ports::upkeep::Removal,
};

/// Which versions may be removed: those that neither condition keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PruneRule {
    /// How many of the newest images to keep.
    pub keep: usize,
    /// The age in seconds below which an image is kept.
    pub older_than: i64,
}

/// One image of a repository, with all its tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The digest that its tags mean.
    pub digest: Digest,
    /// Its tags, in the repository's order.
    pub tags: Vec<String>,
    /// When it was built, in seconds since 1970, if known.
    pub created: Option<i64>,
}

/// A tag that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptTag {
    /// The tag without its repository.
    pub tag: String,
    /// The reason, in words.
    pub why: String,
}

/// An image that would be removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PruneRemoval {
    /// Its tags, which are removed with it.
    pub tags: Vec<String>,
    /// When it was built (RFC 3339); empty if unknown.
    pub created: String,
    /// What removing it would do.
    pub removal: Removal,
}

/// The plan for pruning a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pruning {
    /// Images that would be removed, the oldest first.
    pub goes: Vec<PruneRemoval>,
    /// Tags that would be kept, each with the reason.
    pub kept: Vec<KeptTag>,
}

/// The tag that is used if none is named.
const LATEST: &str = "latest";

/// Sorts images into those that the rule removes, the oldest first, and the tags that stay. An image of unknown age
/// stays, as the date of a reproducible build tells nothing; so does the image of `latest`.
pub fn sorted(rule: &PruneRule, mut all: Vec<Candidate>, now: i64) -> (Vec<Candidate>, Vec<KeptTag>) {
    let known = |one: &Candidate| one.created.filter(|created| *created > 0);
    // Within one second, the repository's order of tags decides which one is newer.
    all.reverse();
    all.sort_by_key(|one| std::cmp::Reverse(known(one)));
    let (mut go, mut kept) = (Vec::new(), Vec::new());
    for (place, one) in all.into_iter().enumerate() {
        let why = match known(&one) {
            None => "its creation time is unknown".to_owned(),
            Some(_) if one.tags.iter().any(|tag| tag == LATEST) => "it is what 'latest' means".to_owned(),
            Some(_) if place < rule.keep => format!("one of the newest {}", rule.keep),
            Some(created) if now.saturating_sub(created) < rule.older_than => {
                format!("made {} ago", text::age(created, now))
            }
            Some(_) => {
                go.push(one);
                continue;
            }
        };
        kept.extend(one.tags.into_iter().map(|tag| KeptTag { tag, why: why.clone() }));
    }
    go.reverse();
    (go, kept)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DAY: i64 = 86_400;
    const NOW: i64 = 2_000_000_000;

    fn candidate(tags: &[&str], days: Option<i64>) -> Candidate {
        let tags: Vec<String> = tags.iter().map(ToString::to_string).collect();
        Candidate { digest: Digest::of(tags.concat().as_bytes()), tags, created: days.map(|days| NOW - days * DAY) }
    }

    fn gone(rule: PruneRule, all: Vec<Candidate>) -> Vec<String> {
        sorted(&rule, all, NOW).0.into_iter().flat_map(|one| one.tags).collect()
    }

    #[test]
    fn the_newest_stay_and_of_the_others_what_is_not_old_enough() {
        let all = || {
            vec![
                candidate(&["0.9"], Some(400)),
                candidate(&["1.0"], Some(300)),
                candidate(&["1.1"], Some(200)),
                candidate(&["1.2", "stable"], Some(100)),
                candidate(&["latest"], Some(500)),
                candidate(&["nightly"], Some(1)),
                candidate(&["reproducible"], None),
            ]
        };
        let rule = |keep, days: i64| PruneRule { keep, older_than: days * DAY };
        assert_eq!(gone(rule(2, 90), all()), ["0.9", "1.0", "1.1"]);
        assert_eq!(gone(rule(3, 250), all()), ["0.9", "1.0"]);
        assert_eq!(gone(rule(0, 90), all()), ["0.9", "1.0", "1.1", "1.2", "stable"]);
        assert_eq!(gone(rule(0, 0), all()).len(), 6, "all but what has no date, and latest");
        assert_eq!(gone(rule(9, 0), all()), Vec::<String>::new());
        // The date of reproducible builds counts as unknown.
        assert_eq!(
            gone(rule(0, 0), vec![Candidate { created: Some(0), ..candidate(&["a"], None) }]),
            Vec::<String>::new()
        );
    }

    proptest! {
        #[test]
        fn no_rule_lets_anything_go_that_it_keeps(ages in prop::collection::vec(prop::option::of(0_i64..1000), 0..20), keep in 0_usize..8, days in 0_i64..500) {
            let names: Vec<String> = (0..ages.len()).map(|at| format!("t{at}")).collect();
            let all: Vec<Candidate> = names.iter().zip(&ages).map(|(name, age)| candidate(&[name], *age)).collect();
            let rule = PruneRule { keep, older_than: days * DAY };
            let (go, kept) = sorted(&rule, all.clone(), NOW);
            prop_assert_eq!(go.len() + kept.len(), all.len());
            let dated = all.iter().filter(|one| one.created.is_some()).count();
            prop_assert!(go.len() <= dated.saturating_sub(keep));
            for one in &go {
                prop_assert!(one.created.is_some_and(|created| NOW - created >= days * DAY));
                // An image that is newer by a whole day is never removed in place of an older one.
                let newer = all.iter().filter(|other| other.created > one.created).count();
                prop_assert!(newer >= keep || all.iter().filter(|other| other.created >= one.created).count() > keep);
            }
        }
    }
}
