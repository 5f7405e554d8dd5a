//! What is typed in the filter: words and facets.
//!
//! `gromacs 2024` – every word must be found, fuzzily in the name or as it is in tags and labels.
//! `source:lab kind:vm project:physics platform:arm64 tag:2024.1 label:org=x digest:sha256:…` narrow it down.
//! `name:tag` looks for the tag in what the name finds.

use super::model::ImageKind;

/// A filter, read once and then used on every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Words, lower case.
    pub words: Vec<String>,
    /// Only these sources.
    pub sources: Vec<String>,
    /// Only this kind.
    pub kind: Option<ImageKind>,
    /// Only this project.
    pub project: Option<String>,
    /// Must all be in the row beside its name: tags, labels, platforms, digest; lower case.
    pub beside: Vec<String>,
}

impl Query {
    /// Reads what was typed. Nothing is an error: an unknown facet is a word.
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for part in text.split_whitespace() {
            let lower = part.to_lowercase();
            match lower.split_once(':') {
                Some(("source", name)) => query.sources.extend(some(name)),
                Some(("kind", name)) => match name.parse() {
                    Ok(kind) => query.kind = Some(kind),
                    // Half typed: `kind:v`.
                    Err(_) => {
                        query.kind = ImageKind::ALL
                            .into_iter()
                            .find(|kind| !name.is_empty() && kind.word().starts_with(name))
                            .or(query.kind)
                    }
                },
                Some(("project", name)) => query.project = some(name).or(query.project),
                Some(("platform" | "tag" | "label", value)) => query.beside.extend(some(value)),
                Some(("digest", value)) => query.beside.extend(some(value)),
                Some(("sha256", _)) => query.beside.push(lower),
                Some((name, tag)) => {
                    query.words.extend(some(name));
                    query.beside.extend(some(tag));
                }
                None => query.words.push(lower),
            }
        }
        query
    }

    /// Whether it lets every row through.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Whether every row that fits `self` also fits `older`, so that its hits can be narrowed.
    pub fn narrows(&self, older: &Self) -> bool {
        let extends = |new: &[String], old: &[String]| {
            new.len() >= old.len() && old.iter().zip(new).all(|(old, new)| new.starts_with(old.as_str()))
        };
        self.sources == older.sources
            && (older.kind.is_none() || older.kind == self.kind)
            && (older.project.is_none() || older.project == self.project)
            && extends(&self.words, &older.words)
            && extends(&self.beside, &older.beside)
    }
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facets_tags_and_words_are_told_apart() {
        let query = Query::parse("Gromacs:2024 source:lab kind:vm project:physics platform:arm64 label:a=b sha256:abc");
        assert_eq!(query.words, ["gromacs"]);
        assert_eq!(query.beside, ["2024", "arm64", "a=b", "sha256:abc"]);
        assert_eq!(
            (query.kind, query.project.as_deref(), query.sources.as_slice()),
            (Some(ImageKind::Vm), Some("physics"), &["lab".to_owned()][..])
        );
    }

    #[test]
    fn longer_words_narrow_and_changed_ones_do_not() {
        let narrows = |new: &str, old: &str| Query::parse(new).narrows(&Query::parse(old));
        assert!(narrows("grom", "gro"));
        assert!(narrows("gro kind:vm", "gro"));
        assert!(narrows("gro mac", "gro"));
        assert!(!narrows("gro", "grom"));
        assert!(!narrows("source:b gro", "gro"));
        assert!(!narrows("kind:sif", "kind:vm"));
    }
}
