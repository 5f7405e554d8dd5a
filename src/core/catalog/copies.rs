//! Where else the same bytes are: an index from digests to the sources that list them.

use super::search::{RowId, RowSets};

/// The rows of all sources by their digest. It is built once for some lists, and then asked for any number of images.
#[derive(Debug, Clone, Default)]
pub struct DigestIndex {
    /// The names of the sources, in the order of their lists.
    names: Vec<String>,
    /// Rows whose digest is known, with it, sorted by the digest.
    rows: Vec<(Box<str>, RowId)>,
}

impl DigestIndex {
    /// The index of these lists.
    pub fn new(sets: &RowSets) -> Self {
        let mut rows: Vec<(Box<str>, RowId)> = Vec::new();
        for (set, (_, list)) in sets.iter().enumerate() {
            for at in 0..list.len() {
                let digest = list.digest(at);
                if !digest.is_empty() {
                    rows.push((digest.into(), RowId { set: set as u32, row: at as u32 }));
                }
            }
        }
        rows.sort_unstable();
        Self { names: sets.iter().map(|(name, _)| name.clone()).collect(), rows }
    }

    /// The rows that have this digest, each with the name of its source.
    fn rows<'a>(&'a self, digest: &str) -> impl Iterator<Item = (&'a str, RowId)> {
        let first = self.rows.partition_point(|(known, _)| **known < *digest);
        let end = self.rows.partition_point(|(known, _)| **known <= *digest);
        let same = self.rows.get(first..end).unwrap_or_default();
        same.iter().filter_map(|(_, id)| Some((self.names.get(id.set as usize)?.as_str(), *id)))
    }

    /// The other sources that list the same digest, each once, in the order of the sources.
    pub fn also_in(&self, digest: &str, source: &str) -> Vec<&str> {
        let mut found: Vec<(u32, &str)> =
            self.rows(digest).filter(|(name, _)| *name != source).map(|(name, id)| (id.set, name)).collect();
        found.sort_unstable();
        found.dedup_by_key(|(_, name)| *name);
        found.into_iter().map(|(_, name)| name).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        base::digest::Digest,
        catalog::rows::{Row, RowSet},
    };

    fn digest(of: usize) -> Digest {
        Digest::of(of.to_string().as_bytes())
    }

    /// A list with rows of these numbers, each with a digest of its own.
    fn list(numbers: impl Iterator<Item = usize>) -> Arc<RowSet> {
        let row =
            |number: usize| Row { name: format!("p/{number:06}"), digest: Some(digest(number)), ..Row::default() };
        Arc::new(RowSet::build(numbers.map(row).collect()))
    }

    #[test]
    fn one_index_of_a_hundred_thousand_rows_answers_for_every_image() {
        let bare = Row { name: "x".into(), ..Row::default() };
        let some = RowSet::build(vec![bare, Row { name: "y".into(), digest: Some(digest(4)), ..Row::default() }]);
        let sets = vec![
            ("site".to_owned(), list(0..50_000)),
            ("hub".to_owned(), list((0..50_000).map(|number| number * 2))),
            ("docker".to_owned(), Arc::new(some)),
        ];
        let index = DigestIndex::new(&sets);
        assert_eq!(index.rows.len(), 100_001);
        assert_eq!(index.also_in(digest(4).as_str(), "site"), ["hub", "docker"]);
        assert_eq!(index.also_in(digest(4).as_str(), "docker"), ["site", "hub"]);
        assert!(index.also_in(digest(5).as_str(), "site").is_empty());
        assert!(index.also_in(digest(1_000_001).as_str(), "site").is_empty());
        // The same index is asked for all of them: where an even number is listed twice, an odd one is not.
        let twice = (0..50_000).filter(|number| !index.also_in(digest(*number).as_str(), "site").is_empty()).count();
        assert_eq!(twice, 25_000);
        assert_eq!(index.rows(digest(6).as_str()).count(), 2);
    }

    #[test]
    fn a_source_that_lists_the_bytes_under_two_names_is_named_once() {
        let row = |name: &str| Row { name: name.into(), digest: Some(digest(1)), ..Row::default() };
        let both = Arc::new(RowSet::build(vec![row("a"), row("b")]));
        let more = Arc::new(RowSet::build(vec![row("c")]));
        let sets = vec![("site".to_owned(), both.clone()), ("hub".to_owned(), both), ("hub".to_owned(), more)];
        let index = DigestIndex::new(&sets);
        assert_eq!(index.also_in(digest(1).as_str(), "site"), ["hub"]);
    }
}
