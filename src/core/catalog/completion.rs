//! What the word that is being typed into the filter may become.

use super::{
    marks::Facet,
    query::{FACETS, MINUS},
};

/// Most completions that are offered.
const MOST: usize = 12;

/// A word that the typed one may become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// The word, with the minus sign that was typed.
    pub word: String,
    /// The rows that it leaves; `None` if they were not counted.
    pub rows: Option<usize>,
}

/// The last word of a filter, and the minus sign before it; the word is empty after a space.
fn last_word(filter: &str) -> (&str, &str) {
    let word = filter.rsplit(char::is_whitespace).next().unwrap_or_default();
    let rest = word.trim_start_matches(['-', MINUS]);
    (&word[..word.len() - rest.len()], rest)
}

/// What the last word of a filter may become: a facet's name, or a facet's value that is among `counted`, the most rows
/// first. Nothing is offered for an empty word, nor for one that is complete.
///
/// ```
/// use wharf_core::catalog::completion::completions;
///
/// let counted = [("scan:high".to_owned(), 31), ("scan:high+fix".to_owned(), 22), ("kind:vm".to_owned(), 3)];
/// let words: Vec<String> = completions("gro scan:hi", &counted).into_iter().map(|one| one.word).collect();
/// assert_eq!(words, ["scan:high", "scan:high+fix"]);
/// ```
pub fn completions(filter: &str, counted: &[(String, usize)]) -> Vec<Completion> {
    let (minus, typed) = last_word(filter);
    let typed = typed.to_lowercase();
    if typed.is_empty() {
        return Vec::new();
    }
    let Some((facet, value)) = typed.split_once(':') else {
        let names = FACETS.into_iter().filter(|name| name.starts_with(&typed));
        return names.map(|name| Completion { word: format!("{minus}{name}:"), rows: None }).collect();
    };
    let mut found: Vec<(String, Option<usize>)> = counted
        .iter()
        .filter(|(word, _)| word.to_lowercase().starts_with(&typed))
        .map(|(word, rows)| (word.clone(), Some(*rows)))
        .collect();
    found.sort_by_key(|(_, rows)| std::cmp::Reverse(*rows));
    // Words that no row has yet can be typed, too: marks become known while one looks at rows.
    let others = words_of(facet).into_iter().map(|word| format!("{facet}:{word}"));
    for word in others.filter(|word| word.starts_with(&typed)) {
        if found.iter().all(|(known, _)| *known != word) {
            found.push((word, None));
        }
    }
    let complete = |(word, _): &(String, Option<usize>)| !value.is_empty() && word.to_lowercase() == typed;
    if found.len() == 1 && found.iter().all(complete) {
        return Vec::new();
    }
    found.into_iter().take(MOST).map(|(word, rows)| Completion { word: format!("{minus}{word}"), rows }).collect()
}

/// The values of a facet that are the same everywhere.
fn words_of(facet: &str) -> Vec<String> {
    let mark = [Facet::Trust, Facet::Scan, Facet::Verdict].into_iter().find(|mark| mark.name() == facet);
    match (facet, mark) {
        (_, Some(mark)) => mark.choices().split(", ").map(str::to_owned).collect(),
        ("used", None) => vec!["me".to_owned()],
        ("size", None) => [">1G", "<100M"].map(str::to_owned).to_vec(),
        ("age", None) => ["<7d", "<30d", ">1y"].map(str::to_owned).to_vec(),
        _ => Vec::new(),
    }
}

/// The filter with its last word completed: to what all of the completions begin with, or to the first other one where that
/// adds nothing. `None` if there is nothing to complete.
pub fn completed(filter: &str, found: &[Completion]) -> Option<String> {
    let (minus, typed) = last_word(filter);
    let (before, whole) = filter.split_at(filter.len() - minus.len() - typed.len());
    let first = found.first()?;
    let common = found.iter().fold(first.word.as_str(), |common, one| {
        let same = common.chars().zip(one.word.chars()).take_while(|(a, b)| a == b);
        &common[..same.map(|(a, _)| a.len_utf8()).sum()]
    });
    let other = || found.iter().map(|one| one.word.as_str()).find(|word| *word != whole);
    let word = if common.len() > whole.len() { common } else { other()? };
    Some(format!("{before}{word}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::query::Query;

    fn counted() -> Vec<(String, usize)> {
        [("source:site", 132), ("source:hub", 61), ("scan:high", 31), ("scan:high+fix", 22), ("kind:vm", 3)]
            .map(|(word, rows)| (word.to_owned(), rows))
            .to_vec()
    }

    fn words(filter: &str) -> Vec<String> {
        completions(filter, &counted()).into_iter().map(|one| one.word).collect()
    }

    #[test]
    fn names_of_facets_and_their_values_are_offered_and_the_minus_stays() {
        assert_eq!(words("gromacs s"), ["source:", "scan:", "size:"]);
        assert_eq!(words("-sou"), ["-source:"]);
        assert_eq!(words("-source:"), ["-source:site", "-source:hub"]);
        assert_eq!(words("scan:hi"), ["scan:high", "scan:high+fix"]);
        assert!(words("verdict:").contains(&"verdict:ask".to_owned()), "although no row has it yet");
        assert_eq!(words("used:"), ["used:me"]);
        for nothing in ["", "gromacs ", "gromacs", "kind:vm", "tag:2024"] {
            assert!(words(nothing).is_empty(), "{nothing}: {:?}", words(nothing));
        }
    }

    #[test]
    fn what_is_offered_is_understood() {
        for filter in ["trust:", "scan:", "verdict:", "used:", "size:", "age:", "source:", "kind:"] {
            for word in words(filter) {
                assert!(Query::parse(&word).unknown.is_empty(), "{word}");
            }
        }
    }

    #[test]
    fn a_completion_takes_what_is_common_first() {
        let complete = |filter: &str| completed(filter, &completions(filter, &counted()));
        assert_eq!(complete("a scan:h").as_deref(), Some("a scan:high"));
        assert_eq!(complete("a scan:high").as_deref(), Some("a scan:high+fix"), "what is there already is not it");
        assert_eq!(complete("a -sou").as_deref(), Some("a -source:"));
        assert_eq!(complete("source:").as_deref(), Some("source:site"), "the one with the most rows");
        assert_eq!(complete("gromacs"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_text_can_be_completed(filter in "\\PC{0,24}", names in proptest::collection::vec("\\PC{0,8}", 0..4)) {
            let counted: Vec<(String, usize)> = names.into_iter().map(|name| (format!("source:{name}"), 1)).collect();
            let found = completions(&filter, &counted);
            if let Some(text) = completed(&filter, &found) {
                proptest::prop_assert!(!text.is_empty());
            }
        }
    }
}
