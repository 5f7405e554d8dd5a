//! Tags as looks have seen them: since when each means a digest, and which have moved.

use std::cmp::Ordering;

use serde::Serialize;

use crate::base::{digest::Digest, text};

/// The most digests that are remembered of one tag, the newest.
pub const MOST_SEEN: usize = 20;

/// That a tag has meant a digest from some time on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenTag {
    /// The tag.
    pub tag: String,
    /// The digest that it meant.
    pub digest: Digest,
    /// When that was seen first, in seconds since 1970.
    pub since: i64,
}

/// Adds what a look has seen, unless it is what was seen of the tag last. `all` is sorted by time, the oldest first.
pub fn add(all: &mut Vec<SeenTag>, seen: &SeenTag) {
    let known = all.iter().rev().find(|known| known.tag == seen.tag);
    if known.is_some_and(|known| known.digest == seen.digest) {
        return;
    }
    all.push(seen.clone());
    all.sort_by_key(|seen| seen.since);
    let mut surplus = all.iter().filter(|known| known.tag == seen.tag).count().saturating_sub(MOST_SEEN);
    all.retain(|known| {
        let goes = known.tag == seen.tag && surplus > 0;
        surplus -= usize::from(goes);
        !goes
    });
}

/// What each tag was seen to mean last.
pub fn latest(seen: &[SeenTag]) -> Vec<&SeenTag> {
    let mut last: Vec<&SeenTag> = Vec::new();
    for one in seen {
        match last.iter_mut().find(|known| known.tag == one.tag) {
            Some(known) if known.since <= one.since => *known = one,
            Some(_) => {}
            None => last.push(one),
        }
    }
    last
}

/// A tag that was seen to mean another digest than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagMove {
    /// The tag that moved.
    pub tag: String,
    /// The digest that it meant before.
    pub from: Digest,
    /// The digest that it meant then.
    pub to: Digest,
    /// Another tag that was seen with the digest before, if there is one.
    pub from_tag: Option<String>,
    /// Another tag that was seen with the digest afterwards, if there is one.
    pub to_tag: Option<String>,
    /// When the new digest was seen first, in seconds since 1970.
    pub at: i64,
}

impl TagMove {
    /// The move in a line: `latest moved 2024.1 → 2024.2, 2 d ago`.
    pub fn describe(&self, now: i64) -> String {
        let named = |tag: &Option<String>, digest: &Digest| tag.clone().unwrap_or_else(|| digest.short().to_owned());
        let (from, to) = (named(&self.from_tag, &self.from), named(&self.to_tag, &self.to));
        format!("{} moved {from} → {to}, {}", self.tag, text::ago(self.at, now))
    }
}

/// The moves among what was seen of the tags of one image, the newest first.
pub fn moves(seen: &[SeenTag]) -> Vec<TagMove> {
    let mut sorted: Vec<&SeenTag> = seen.iter().collect();
    sorted.sort_by_key(|seen| seen.since);
    let other = |digest: &Digest, than: &str| {
        let tags = seen.iter().filter(|seen| seen.digest == *digest && seen.tag != than).map(|seen| &seen.tag);
        tags.max_by(|a, b| by_version(a, b)).cloned()
    };
    let mut all: Vec<TagMove> = Vec::new();
    for (at, now) in sorted.iter().enumerate() {
        let before = sorted.iter().take(at).rev().find(|seen| seen.tag == now.tag);
        if let Some(before) = before.filter(|before| before.digest != now.digest) {
            all.push(TagMove {
                tag: now.tag.clone(),
                from: before.digest.clone(),
                to: now.digest.clone(),
                from_tag: other(&before.digest, &now.tag),
                to_tag: other(&now.digest, &now.tag),
                at: now.since,
            });
        }
    }
    all.reverse();
    all
}

/// A tag in pieces: numbers, and what is between them.
fn pieces(tag: &str) -> Vec<(Option<u128>, &str)> {
    let mut rest = tag;
    let mut all = Vec::new();
    while let Some(first) = rest.chars().next() {
        let is_number = first.is_ascii_digit();
        let end = rest.find(|c: char| c.is_ascii_digit() != is_number).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        all.push((is_number.then(|| piece.parse().unwrap_or(u128::MAX)), piece));
        rest = after;
    }
    all
}

/// The order of tags as versions: numbers in them count as numbers, so that `1.10` comes after `1.9`.
pub fn by_version(a: &str, b: &str) -> Ordering {
    pieces(a).cmp(&pieces(b))
}

/// What a tag is besides its numbers: `-gpu` of `2024.2-gpu`. Versions of one series have the same.
fn series(tag: &str) -> Vec<&str> {
    pieces(tag).into_iter().map(|(number, piece)| if number.is_some() { "0" } else { piece }).collect()
}

/// Of some tags, the position of the one nearest to `tag`: the next version after it, else the last one before it. Tags
/// of the same series come before others. A tag without a number, like `latest`, is nearest to the newest version.
pub fn nearest(tag: &str, among: &[&str]) -> Option<usize> {
    let same: Vec<usize> = (0..among.len()).filter(|at| series(among[*at]) == series(tag)).collect();
    let of = if same.is_empty() { (0..among.len()).collect() } else { same };
    let compared = |at: &usize| by_version(among[*at], tag);
    let order = |a: &usize, b: &usize| by_version(among[*a], among[*b]);
    if !tag.contains(|c: char| c.is_ascii_digit()) {
        return of.iter().copied().max_by(order);
    }
    let after = of.iter().copied().filter(|at| compared(at) == Ordering::Greater).min_by(order);
    after.or_else(|| of.iter().copied().filter(|at| compared(at) == Ordering::Less).max_by(order))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(tag: &str, digest: &str, since: i64) -> SeenTag {
        SeenTag { tag: tag.into(), digest: Digest::of(digest.as_bytes()), since }
    }

    #[test]
    fn a_tag_that_moved_is_told_with_the_versions_that_it_meant() {
        const DAY: i64 = 86_400;
        let mut all = Vec::new();
        for one in [
            seen("2024.1", "a", 1),
            seen("latest", "a", 1),
            seen("latest", "a", 2),
            seen("2024.2", "b", 5 * DAY),
            seen("latest", "b", 5 * DAY),
            seen("latest", "c", 6 * DAY),
        ] {
            add(&mut all, &one);
        }
        assert_eq!(all.len(), 5, "what is seen again is not written again");
        let moves = moves(&all);
        assert_eq!(moves.len(), 2);
        assert_eq!(moves[1].describe(7 * DAY), "latest moved 2024.1 → 2024.2, 2 d ago");
        let short = Digest::of(b"c").short().to_owned();
        assert_eq!(moves[0].describe(7 * DAY), format!("latest moved 2024.2 → {short}, 1 d ago"));
        let last: Vec<_> = latest(&all).into_iter().map(|seen| (seen.tag.as_str(), seen.since)).collect();
        assert_eq!(last, [("2024.1", 1), ("latest", 6 * DAY), ("2024.2", 5 * DAY)]);
    }

    #[test]
    fn of_a_tag_that_moves_every_night_only_the_last_digests_are_kept() {
        let mut all = vec![seen("1.0", "x", 0)];
        for night in 1..100 {
            add(&mut all, &seen("nightly", &night.to_string(), night));
        }
        assert_eq!(all.len(), MOST_SEEN + 1);
        assert_eq!((all[0].tag.as_str(), all[1].since), ("1.0", 80), "other tags keep theirs");
    }

    #[test]
    fn the_nearest_version_is_the_next_one_of_the_same_series() {
        let pick = |tag: &str, among: &[&str]| nearest(tag, among).map(|at| among[at].to_owned());
        let among = ["2024.1", "2024.10", "2024.3", "2024.3-gpu", "latest"];
        assert_eq!(pick("2024.2", &among).as_deref(), Some("2024.3"));
        assert_eq!(pick("2024.9", &among).as_deref(), Some("2024.10"), "numbers count as numbers");
        assert_eq!(pick("2025.1", &among).as_deref(), Some("2024.10"), "none is newer");
        assert_eq!(pick("2024.1-gpu", &among).as_deref(), Some("2024.3-gpu"));
        assert_eq!(pick("stable", &["1.9", "1.10"]).as_deref(), Some("1.10"));
        assert_eq!(pick("1.0", &[]), None);
        assert_eq!(by_version("1.10", "1.9"), Ordering::Greater);
    }

    proptest::proptest! {
        #[test]
        fn any_tags_can_be_compared(a in "[a-z0-9.é-]{0,50}", b in "[a-z0-9.é-]{0,50}") {
            proptest::prop_assert_eq!(by_version(&a, &b), by_version(&b, &a).reverse());
            let _ = nearest(&a, &[&b]);
        }
    }
}
