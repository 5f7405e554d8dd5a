//! The filter that a person types, with facets: `gromacs kind:vm source:lab tag:2024 -trust:unsigned size:>1G`.

use super::{
    limit::{self, Limit},
    marks::{Facet, Marks},
    rows::{RowView, project_of},
};
use crate::image::model::ImageKind;

/// The names of facets, which are typed before a colon.
pub(super) const FACETS: [&str; 13] = [
    "tag", "kind", "project", "source", "label", "platform", "digest", "trust", "scan", "verdict", "used", "size",
    "age",
];

/// A minus sign with which no command line flag begins.
pub const MINUS: char = '\u{2212}';

/// What a filter searches besides the name of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// One of the row's tags.
    Tag,
    /// One of the row's labels, as `key=value`.
    Label,
    /// One of the row's platforms, as `os/architecture`.
    Platform,
    /// The digest of the row's first tag.
    Digest,
}

impl Field {
    /// The text of the field in a row.
    pub fn text<'a>(self, row: &RowView<'a>) -> &'a str {
        match self {
            Self::Tag => row.tags,
            Self::Label => row.labels,
            Self::Platform => row.platforms,
            Self::Digest => row.digest,
        }
    }
}

/// What a fitting row must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exclusion {
    /// With this in its name.
    Word(String),
    /// From a source with this text in its name.
    Source(String),
    /// Rows of this kind of image.
    Kind(ImageKind),
    /// Rows of this project, the first part of their name.
    Project(String),
    /// With this in one of its other fields.
    Beside(Field, String),
}

/// A parsed filter, which is applied to every row.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Words that must be in the name, in lower case.
    pub words: Vec<String>,
    /// The sources whose rows fit; all if empty.
    pub sources: Vec<String>,
    /// The only kind that fits, if one is named.
    pub kind: Option<ImageKind>,
    /// The only project that fits, if one is named.
    pub project: Option<String>,
    /// Texts in lower case that must all be in these fields of the row.
    pub beside: Vec<(Field, String)>,
    /// What must not be true of the row.
    pub without: Vec<Exclusion>,
    /// The marks that the image must have, or with `false` must not have.
    pub marks: Vec<(bool, Facet, Vec<&'static str>)>,
    /// The sizes and ages that the row must have, or with `false` must not have.
    pub limits: Vec<(bool, Limit)>,
    /// Whether the person must have used the image, or with `false` must not have; `None` if that does not matter.
    pub used: Option<bool>,
    /// Facets that nothing can fit, with the reasons.
    pub unknown: Vec<String>,
}

impl Query {
    /// Parses a filter. Nothing is an error: an unknown facet is a word, and a facet that nothing can fit is explained.
    ///
    /// ```
    /// use wharf_core::catalog::query::Query;
    ///
    /// let query = Query::parse("gromacs source:site -test");
    /// assert_eq!(query.words, ["gromacs"]);
    /// assert_eq!(query.sources, ["site"]);
    /// assert_eq!(query.without.len(), 1);
    /// ```
    pub fn parse(text: &str) -> Self {
        let mut query = Self::default();
        for part in text.split_whitespace() {
            let lower = part.to_lowercase();
            match lower.strip_prefix(['-', MINUS]) {
                Some("") => {}
                Some(word) => query.take(word, false),
                None => query.take(&lower, true),
            }
        }
        query
    }

    fn take(&mut self, part: &str, wanted: bool) {
        let (facet, value) = part.split_once(':').unwrap_or(("", part));
        // A facet without a value yet narrows nothing.
        if value.is_empty() && FACETS.contains(&facet) {
            return;
        }
        let value = value.to_owned();
        match facet {
            "source" if wanted => self.sources.push(value),
            "source" => self.without.push(Exclusion::Source(value)),
            "kind" => match kind(&value) {
                Some(kind) if wanted => self.kind = Some(kind),
                Some(kind) => self.without.push(Exclusion::Kind(kind)),
                None => {
                    let all = ImageKind::ALL.map(ImageKind::name).join(", ");
                    self.unknown.push(format!("kind:{value} is no kind: {all}"));
                }
            },
            "project" if wanted => self.project = Some(value),
            "project" => self.without.push(Exclusion::Project(value)),
            "tag" => self.beside(Field::Tag, value, wanted),
            "label" => self.beside(Field::Label, value, wanted),
            "platform" => self.beside(Field::Platform, value, wanted),
            "digest" => self.beside(Field::Digest, value, wanted),
            "sha256" | "sha512" => self.beside(Field::Digest, part.to_owned(), wanted),
            "trust" => self.add_mark(Facet::Trust, &value, wanted),
            "scan" => self.add_mark(Facet::Scan, &value, wanted),
            "verdict" => self.add_mark(Facet::Verdict, &value, wanted),
            "used" if value == "me" => self.used = Some(wanted),
            // `me`, half typed.
            "used" if value == "m" => {}
            "used" => self.unknown.push(format!("used:{value} is nobody that Wharf can tell: write used:me")),
            "size" => self.add_limit(limit::size(&value), wanted),
            "age" => self.add_limit(limit::age(&value), wanted),
            "" if wanted => self.words.push(value),
            "" => self.without.push(Exclusion::Word(value)),
            // A name with its tag, as images are written.
            name if wanted => {
                self.words.push(name.to_owned());
                if !value.is_empty() {
                    self.beside(Field::Tag, value, true);
                }
            }
            name => self.without.push(Exclusion::Word(name.to_owned())),
        }
    }

    fn beside(&mut self, field: Field, value: String, wanted: bool) {
        if wanted {
            self.beside.push((field, value));
        } else {
            self.without.push(Exclusion::Beside(field, value));
        }
    }

    fn add_mark(&mut self, facet: Facet, value: &str, wanted: bool) {
        let states = facet.states(value);
        if states.is_empty() {
            self.unknown.push(format!("{}:{value} is none of {}", facet.name(), facet.choices()));
        }
        self.marks.push((wanted, facet, states));
    }

    fn add_limit(&mut self, read: Result<Option<Limit>, String>, wanted: bool) {
        match read {
            Ok(limit) => self.limits.extend(limit.map(|limit| (wanted, limit))),
            Err(why) => self.unknown.push(why),
        }
    }

    /// Whether every row fits.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The tags that are asked for.
    pub fn tags(&self) -> impl Iterator<Item = &str> {
        self.beside.iter().filter(|(field, _)| *field == Field::Tag).map(|(_, text)| text.as_str())
    }

    /// Whether nothing of what the filter excludes is true of a row.
    pub fn keeps_row(&self, source: &str, row: &RowView<'_>) -> bool {
        let holds = |text: &str, word: &str| text.to_lowercase().contains(word);
        !self.without.iter().any(|without| match without {
            Exclusion::Word(word) => holds(row.name, word),
            Exclusion::Source(name) => holds(source, name),
            Exclusion::Kind(kind) => row.kind == *kind,
            Exclusion::Project(project) => project_of(row.name).to_lowercase() == *project,
            Exclusion::Beside(field, text) => holds(field.text(row), text),
        })
    }

    /// Whether an image has the marks that the filter asks for.
    pub fn matches_marks(&self, marks: &Marks) -> bool {
        self.marks.iter().all(|(wanted, facet, states)| facet.fits(states, marks) == *wanted)
    }

    /// Whether a row has the sizes and ages that the filter asks for, at `now` in seconds since 1970. A row of unknown
    /// size or age is left out where one is asked for, and stays where one is excluded.
    pub fn keeps_limits(&self, row: &RowView<'_>, now: i64) -> bool {
        self.limits.iter().all(|(wanted, limit)| limit.fits(row, now).map_or(!wanted, |fits| fits == *wanted))
    }

    /// Whether every row that fits `self` also fits `older`, so that only the older hits need be searched.
    pub fn narrows(&self, older: &Self) -> bool {
        let extends = |new: &[String], old: &[String]| {
            new.len() >= old.len() && old.iter().zip(new).all(|(old, new)| new.starts_with(old.as_str()))
        };
        let beside = || {
            self.beside.len() >= older.beside.len()
                && older.beside.iter().zip(&self.beside).all(|(old, new)| old.0 == new.0 && new.1.starts_with(&old.1))
        };
        self.sources == older.sources
            && (older.kind.is_none() || older.kind == self.kind)
            && (older.project.is_none() || older.project == self.project)
            && extends(&self.words, &older.words)
            && beside()
            // A longer excluded word excludes fewer rows.
            && self.without.starts_with(&older.without)
            && self.marks == older.marks
            && self.limits.starts_with(&older.limits)
            && (older.used.is_none() || older.used == self.used)
            && older.unknown.is_empty()
    }
}

/// The kind with this name, or with a name that begins like this.
fn kind(name: &str) -> Option<ImageKind> {
    name.parse().ok().or_else(|| ImageKind::ALL.into_iter().find(|kind| kind.name().starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::badge::Publisher;

    #[test]
    fn facets_tags_and_words_are_told_apart() {
        let query = Query::parse("Gromacs:2024 source:lab kind:vm project:physics platform:arm64 label:a=b sha256:abc");
        assert_eq!(query.words, ["gromacs"]);
        assert_eq!(
            query.beside,
            [
                (Field::Tag, "2024".to_owned()),
                (Field::Platform, "arm64".to_owned()),
                (Field::Label, "a=b".to_owned()),
                (Field::Digest, "sha256:abc".to_owned())
            ]
        );
        assert_eq!(
            (query.kind, query.project.as_deref(), query.sources.as_slice()),
            (Some(ImageKind::Vm), Some("physics"), &["lab".to_owned()][..])
        );
        let half_typed = "tag: kind: trust: - used: used:m size: size:> age:<= -size:";
        assert!(Query::parse(half_typed).is_empty(), "what is half typed narrows nothing");
    }

    #[test]
    fn what_nothing_can_fit_says_why() {
        for (text, words) in [
            ("kind:mainframe", "container, vm"),
            ("-verdict:perhaps", "allow, isolate, ask, deny, unsure"),
            ("scan:purple", "high+fix"),
            ("used:bob", "used:me"),
            ("size:big", "size:>1G"),
            ("size:1G", "size:>1G"),
            ("size:>1X", "size:>1G"),
            ("age:<30", "age:<30d"),
            ("age:30d", "age:<30d"),
        ] {
            let query = Query::parse(text);
            assert!(query.unknown.len() == 1 && query.unknown[0].contains(words), "{:?}", query.unknown);
        }
        assert_eq!(Query::parse("kind:vol").kind, Some(ImageKind::Volume), "half typed");
    }

    #[test]
    fn a_minus_excludes() {
        let row = |name| RowView {
            name,
            tags: "1.0 latest",
            digest: "",
            labels: "team=physics",
            platforms: "linux/arm64",
            note: "",
            tag_count: 2,
            kind: ImageKind::Container,
            publisher: Publisher::Unknown,
            size: Some(2 << 30),
            updated: None,
        };
        let spares = |text: &str| Query::parse(text).keeps_row("lab", &row("physics/gromacs"));
        for excluded in [
            "-grom",
            "-source:lab",
            "-kind:container",
            "-project:physics",
            "-tag:latest",
            "-label:team",
            "\u{2212}platform:arm64",
        ] {
            assert!(!spares(excluded), "{excluded}");
        }
        for other in
            ["-lammps", "-source:docker", "-kind:vm", "-project:phys", "-tag:physics", "-label:1.0", "-platform:amd64"]
        {
            assert!(spares(other), "{other}: each facet is its own");
        }
    }

    #[test]
    fn sizes_and_ages_are_compared_and_what_is_unknown_is_neither() {
        const NOW: i64 = 1_800_000_000;
        let row = |size, updated| RowView {
            name: "a",
            tags: "",
            digest: "",
            labels: "",
            platforms: "",
            note: "",
            tag_count: 0,
            kind: ImageKind::Container,
            publisher: Publisher::Unknown,
            size,
            updated,
        };
        let keeps = |text: &str, size, updated| Query::parse(text).keeps_limits(&row(size, updated), NOW);
        let gibibytes = |count: u64| Some(count << 30);
        assert!(keeps("size:>1G", gibibytes(2), None) && !keeps("size:>1g", gibibytes(1), None));
        assert!(keeps("size:>=1GiB", gibibytes(1), None) && keeps("size:<1.5G", gibibytes(1), None));
        assert!(!keeps("size:<500M", gibibytes(1), None) && !keeps("-size:>1G", gibibytes(2), None));
        assert!(!keeps("size:>1G", None, None) && keeps("-size:>1G", None, None));
        let days_ago = |days: i64| Some(NOW - days * 86_400);
        assert!(keeps("age:<30d", None, days_ago(2)) && !keeps("age:<30d", None, days_ago(31)));
        assert!(keeps("age:>1y", None, days_ago(400)) && keeps("age:>=2w", None, days_ago(14)));
        assert!(!keeps("age:<30d", None, None) && keeps("-age:<30d", None, None));
    }

    #[test]
    fn longer_words_narrow_and_changed_ones_do_not() {
        let narrows = |new: &str, old: &str| Query::parse(new).narrows(&Query::parse(old));
        assert!(narrows("grom", "gro"));
        assert!(narrows("gro kind:vm", "gro"));
        assert!(narrows("gro mac", "gro"));
        assert!(narrows("gro -x", "gro"));
        assert!(!narrows("gro", "grom"));
        assert!(!narrows("source:b gro", "gro"));
        assert!(!narrows("kind:sif", "kind:vm"));
        assert!(!narrows("-grom", "-gro"), "it excludes less");
        assert!(!narrows("label:ab", "tag:a"));
        assert!(narrows("gro size:>1G used:me", "gro"));
        assert!(!narrows("gro size:>1G", "gro size:>2G"));
        assert!(!narrows("gro", "gro used:me"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_and_a_wrong_facet_says_why(text in "(-?(scan|trust|verdict|used|size|age|kind|zone)?:?[<>=]{0,2}[0-9.a-zA-Z+é ]{0,9} ){0,4}") {
            let query = Query::parse(&text);
            proptest::prop_assert!(query.unknown.iter().all(|why| why.contains(':')));
            proptest::prop_assert!(query.narrows(&query) || !query.unknown.is_empty());
        }

        #[test]
        fn a_word_of_no_facet_is_searched_for(word in "[a-z0-9]{1,9}", facet in "[a-z]{1,8}", value in "[a-z0-9]{1,9}") {
            proptest::prop_assert_eq!(Query::parse(&word).words, [word.as_str()]);
            if !FACETS.contains(&facet.as_str()) && facet != "sha256" && facet != "sha512" {
                let query = Query::parse(&format!("{facet}:{value}"));
                proptest::prop_assert_eq!(&query.words, &[facet]);
                proptest::prop_assert_eq!(query.tags().collect::<Vec<_>>(), [value.as_str()]);
            }
        }
    }
}
