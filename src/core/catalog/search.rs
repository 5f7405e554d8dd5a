//! Finding rows: masks reject most rows, a scan of bytes ranks the rest, and the fuzzy matcher sorts the best.
//!
//! `fuzzy-matcher` takes about 2.5 µs per row, too long for a million of them. It sees the [`SCORED`] rows that have
//! the best rank, and its score decides their order; the others follow by rank. A row matches exactly if its letters
//! are there in order, as in the matcher itself.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    thread,
};

use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};
use memchr::memmem::Finder;

use super::{
    marks::{Facet, Marks},
    query::{Field, Query},
    rows::{CAPITALS, RowSet, mask},
};

/// How many of the best rows the fuzzy matcher scores.
pub const SCORED: usize = 1000;
const RANKS: usize = 8;
const ROWS_PER_THREAD: usize = 20_000;

/// A row of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowId {
    /// The index of the source's set in the catalog.
    pub set: u32,
    /// The index of the row in the set.
    pub row: u32,
}

/// The lists of all sources, in the order of the sources.
pub type RowSets = [(String, Arc<RowSet>)];

/// What is known besides the rows themselves, for filters, orders and facets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The present time, in seconds since 1970.
    pub now: i64,
    /// The marks of the rows whose digest is known.
    pub marks: HashMap<RowId, Marks>,
    /// The rows whose image the person has used; only needed for a filter that asks for it.
    pub used: HashSet<RowId>,
}

/// The order of the list while no words are typed; with words, the best match comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sort {
    /// By name, in the order of its bytes.
    #[default]
    Name,
    /// By source, then name.
    Source,
    /// By last change, the newest first.
    Updated,
    /// By size, the largest first.
    Size,
    /// By one of the marks: the most trusted first, the worst findings first, what is allowed first. What is unknown
    /// comes last.
    Mark(Facet),
}

impl Sort {
    /// All orders, as the sort key goes through them.
    pub const ALL: [Self; 7] = [
        Self::Name,
        Self::Source,
        Self::Updated,
        Self::Size,
        Self::Mark(Facet::Trust),
        Self::Mark(Facet::Scan),
        Self::Mark(Facet::Verdict),
    ];

    /// The order after this one, which the sort key changes to.
    #[must_use]
    pub fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL.into_iter().cycle().nth(at + 1).unwrap_or_default()
    }

    /// Whether it depends on the marks of the rows.
    pub fn is_by_mark(self) -> bool {
        matches!(self, Self::Mark(_))
    }

    /// The order with this name, as people type it; `None` if there is none.
    pub fn from_name(word: &str) -> Option<Self> {
        match word {
            "age" => Some(Self::Updated),
            "size" => Some(Self::Size),
            word => Self::ALL.into_iter().find(|sort| sort.name() == word),
        }
    }

    /// The head of the column by which the rows are sorted.
    pub fn head(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Source => "SOURCE",
            Self::Updated => "CHANGED",
            Self::Size => "SIZE",
            Self::Mark(Facet::Trust) => "TRUST",
            Self::Mark(Facet::Scan) => "SCAN",
            Self::Mark(Facet::Verdict) => "VERDICT",
        }
    }

    /// The order in a word, for the title line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Source => "source",
            Self::Updated => "newest",
            Self::Size => "largest",
            Self::Mark(facet) => facet.name(),
        }
    }
}

/// All rows in this order.
pub fn order(sets: &RowSets, sort: Sort, known: &Known) -> Vec<RowId> {
    let total = sets.iter().map(|(_, set)| set.len()).sum();
    let mut ids = Vec::with_capacity(total);
    for (set, (_, rows)) in sets.iter().enumerate() {
        ids.extend((0..rows.len() as u32).map(|row| RowId { set: set as u32, row }));
    }
    let rows = |id: &RowId| &sets[id.set as usize].1;
    // Each set is sorted by name already: a stable merge sort finds these runs and only merges them.
    let by_name = |ids: &mut Vec<RowId>| {
        if sets.len() > 1 {
            ids.sort_by(|a, b| rows(a).name(a.row as usize).cmp(rows(b).name(b.row as usize)));
        }
    };
    match sort {
        Sort::Source => {}
        Sort::Name => by_name(&mut ids),
        Sort::Mark(facet) => {
            by_name(&mut ids);
            ids.sort_by_cached_key(|id| marks_of(sets, *id, known).rank(facet));
        }
        Sort::Updated => {
            ids.sort_by_cached_key(|id| std::cmp::Reverse(rows(id).get(id.row as usize).and_then(|row| row.updated)))
        }
        Sort::Size => {
            ids.sort_by_cached_key(|id| std::cmp::Reverse(rows(id).get(id.row as usize).and_then(|row| row.size)))
        }
    }
    ids
}

/// The marks of a row: those that are known of its digest, with the publisher that its list names.
pub fn marks_of(sets: &RowSets, id: RowId, known: &Known) -> Marks {
    let publisher = sets.get(id.set as usize).map(|(_, rows)| rows.publisher(id.row as usize)).unwrap_or_default();
    known.marks.get(&id).copied().unwrap_or_default().with_publisher(publisher)
}

/// The rows among `candidates` that fit `query`, best first; rows of equal score keep their order. The marks that the
/// query asks for are not looked at, because they become known later: [`Query::matches_marks`].
pub fn search(sets: &RowSets, query: &Query, candidates: &[RowId], known: &Known) -> Vec<RowId> {
    if query.is_empty() {
        return candidates.to_vec();
    }
    if !query.unknown.is_empty() {
        return Vec::new();
    }
    let scan = Scan::new(sets, query, known);
    let threads = thread::available_parallelism().map_or(1, usize::from).min(candidates.len() / ROWS_PER_THREAD + 1);
    let share = candidates.len().div_ceil(threads.max(1)).max(1);
    let parts: Vec<[Vec<RowId>; RANKS]> = if threads <= 1 {
        vec![scan.run(candidates)]
    } else {
        thread::scope(|scope| {
            let running: Vec<_> = candidates.chunks(share).map(|chunk| scope.spawn(|| scan.run(chunk))).collect();
            running.into_iter().filter_map(|part| part.join().ok()).collect()
        })
    };
    let mut hits = Vec::with_capacity(parts.iter().flatten().map(Vec::len).sum());
    for rank in (0..RANKS).rev() {
        for part in &parts {
            hits.extend_from_slice(&part[rank]);
        }
    }
    score_best(sets, query, &mut hits);
    hits
}

/// The positions (in characters) of `name` that the query's words matched, for highlighting.
pub fn matched(name: &str, query: &Query) -> Vec<usize> {
    let matcher = SkimMatcherV2::default().ignore_case();
    let mut positions: Vec<usize> =
        query.words.iter().filter_map(|word| matcher.fuzzy_indices(name, word)).flat_map(|(_, at)| at).collect();
    positions.sort_unstable();
    positions.dedup();
    positions
}

fn score_best(sets: &RowSets, query: &Query, hits: &mut [RowId]) {
    if query.words.is_empty() {
        return;
    }
    let matcher = SkimMatcherV2::default().ignore_case();
    let most = hits.len().min(SCORED);
    let best = &mut hits[..most];
    best.sort_by_cached_key(|id| {
        let name = sets[id.set as usize].1.name(id.row as usize);
        let score: i64 = query.words.iter().filter_map(|word| matcher.fuzzy_match(name, word)).sum();
        (std::cmp::Reverse(score), name.len())
    });
}

struct Scan<'a> {
    sets: &'a RowSets,
    query: &'a Query,
    known: &'a Known,
    allowed: Vec<bool>,
    words: Vec<Word<'a>>,
    beside: Vec<(Field, &'a str, u64)>,
}

/// A word to search for, prepared for a quick search.
struct Word<'a> {
    letters: &'a [u8],
    mask: u64,
    finder: Finder<'a>,
}

impl<'a> Scan<'a> {
    fn new(sets: &'a RowSets, query: &'a Query, known: &'a Known) -> Self {
        let allowed = sets
            .iter()
            .map(|(name, _)| {
                query.sources.is_empty()
                    || query.sources.iter().any(|wanted| name.to_lowercase().contains(wanted.as_str()))
            })
            .collect();
        Self {
            sets,
            query,
            known,
            allowed,
            words: query
                .words
                .iter()
                .map(|word| Word { letters: word.as_bytes(), mask: mask(word), finder: Finder::new(word.as_bytes()) })
                .collect(),
            beside: query.beside.iter().map(|(field, text)| (*field, text.as_str(), mask(text))).collect(),
        }
    }

    fn run(&self, candidates: &[RowId]) -> [Vec<RowId>; RANKS] {
        let mut ranks: [Vec<RowId>; RANKS] = Default::default();
        for &id in candidates {
            if let Some(rank) = self.rank(id) {
                ranks[rank].push(id);
            }
        }
        ranks
    }

    /// The rank of a row, which is the worst rank among the words; `None` if it does not fit.
    fn rank(&self, id: RowId) -> Option<usize> {
        if !self.allowed[id.set as usize] || self.query.used.is_some_and(|used| used != self.known.used.contains(&id)) {
            return None;
        }
        let set = &*self.sets[id.set as usize].1;
        let row = id.row as usize;
        let (in_name, in_rest) = set.masks(row);
        // The mask comes first, because it needs no text.
        if self.words.iter().any(|word| word.mask & !in_name != 0 && word.mask & !in_rest != 0) {
            return None;
        }
        if self.query.kind.is_some_and(|kind| kind != set.kind(row))
            || self.beside.iter().any(|(.., wanted)| wanted & !in_rest != 0)
        {
            return None;
        }
        let name = set.name(row);
        if self.query.project.as_deref().is_some_and(|project| project != super::rows::project_of(name)) {
            return None;
        }
        let rest = || set.whole(row).get(name.len()..).unwrap_or("");
        if !self.beside.is_empty() || !self.query.without.is_empty() || !self.query.limits.is_empty() {
            let view = set.get(row)?;
            let lacks = |(field, wanted, _): &(Field, &str, u64)| {
                !contains_folded(field.text(&view).as_bytes(), wanted.as_bytes())
            };
            let source = &self.sets[id.set as usize].0;
            if self.beside.iter().any(lacks)
                || !self.query.keeps_row(source, &view)
                || !self.query.keeps_limits(&view, self.known.now)
            {
                return None;
            }
        }
        let mut worst = RANKS - 1;
        for word in &self.words {
            let by_name = if word.mask & !in_name == 0 { rank_name(name.as_bytes(), word, in_name) } else { None };
            let rank = by_name.or_else(|| {
                let beside = word.letters.len() > 1 && word.mask & !in_rest == 0;
                (beside && contains_folded(rest().as_bytes(), word.letters)).then_some(0)
            })?;
            worst = worst.min(rank);
        }
        Some(worst)
    }
}

/// The rank of a name for a word: 7 the last path part begins with the word, 6 a part does, 5 a piece after a sign
/// does, 4 it is in one piece somewhere, 3 to 1 its letters are there in order, the closer the better.
fn rank_name(name: &[u8], word: &Word<'_>, mask: u64) -> Option<usize> {
    // Most names have no capitals and are searched as they are, many bytes at a time.
    let plain = mask & CAPITALS == 0;
    let found = if plain { word.finder.find(name) } else { find_folded(name, word.letters) };
    if let Some(at) = found {
        return Some(match at.checked_sub(1).map(|before| name[before]) {
            None => {
                if name.contains(&b'/') {
                    6
                } else {
                    7
                }
            }
            Some(b'/') => {
                if name[at..].contains(&b'/') {
                    6
                } else {
                    7
                }
            }
            Some(b'-' | b'_' | b'.' | b':') => 5,
            Some(_) => 4,
        });
    }
    let next = |letter: u8, rest: &[u8]| {
        if plain {
            memchr::memchr(letter, rest)
        } else {
            rest.iter().position(|byte| byte.to_ascii_lowercase() == letter)
        }
    };
    let mut at = 0;
    let mut first = None;
    for letter in word.letters {
        at += next(*letter, &name[at..])? + 1;
        first.get_or_insert(at - 1);
    }
    let gaps = at.saturating_sub(first.unwrap_or(0)).saturating_sub(word.letters.len());
    Some(match gaps {
        0..=3 => 3,
        4..=9 => 2,
        _ => 1,
    })
}

fn contains_folded(text: &[u8], word: &[u8]) -> bool {
    find_folded(text, word).is_some()
}

/// The position of `word` (lower case) in `text`, ignoring ASCII case. For short names a plain scan is fastest.
fn find_folded(text: &[u8], word: &[u8]) -> Option<usize> {
    let (&first, tail) = word.split_first()?;
    let last_start = text.len().checked_sub(word.len())?;
    (0..=last_start)
        .find(|&at| text[at].to_ascii_lowercase() == first && text[at + 1..at + word.len()].eq_ignore_ascii_case(tail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::badge::Verdict, catalog::rows::Row};

    fn sets() -> Vec<(String, Arc<RowSet>)> {
        let set = |names: &[(&str, &str)]| {
            Arc::new(RowSet::build(
                names
                    .iter()
                    .map(|(name, tags)| Row {
                        name: (*name).into(),
                        tags: tags.split(' ').map(str::to_owned).collect(),
                        ..Row::default()
                    })
                    .collect(),
            ))
        };
        vec![
            (
                "lab".into(),
                set(&[
                    ("physics/gromacs", "2023.3 2024.1"),
                    ("physics/lammps", "edge"),
                    ("biology/samtools", "1.19"),
                    ("team/go-rom-acs", "x"),
                ]),
            ),
            ("docker".into(), set(&[("gromacs", "latest"), ("alpine", "3.19")])),
        ]
    }

    fn find(text: &str) -> Vec<String> {
        let sets = sets();
        let all = order(&sets, Sort::Name, &Known::default());
        search(&sets, &Query::parse(text), &all, &Known::default())
            .iter()
            .map(|id| format!("{} {}", sets[id.set as usize].0, sets[id.set as usize].1.name(id.row as usize)))
            .collect()
    }

    #[test]
    fn the_whole_word_comes_before_scattered_letters() {
        assert_eq!(find("gromacs"), ["docker gromacs", "lab physics/gromacs", "lab team/go-rom-acs"]);
        assert_eq!(find("stools"), ["lab biology/samtools"]);
    }

    #[test]
    fn tags_facets_and_several_words_narrow() {
        assert_eq!(find("gromacs:2024"), ["lab physics/gromacs"]);
        assert_eq!(find("2024.1"), ["lab physics/gromacs"]);
        assert_eq!(find("source:dock al"), ["docker alpine"]);
        assert_eq!(find("project:physics la"), ["lab physics/lammps"]);
        assert_eq!(find("phys gro"), ["lab physics/gromacs"]);
        assert!(find("kind:vm").is_empty());
        assert!(find("zzz").is_empty());
    }

    #[test]
    fn rows_are_ordered_by_their_marks_and_unknown_ones_come_last() {
        let sets = sets();
        let id = |name: &str| {
            let set = sets.iter().position(|(_, rows)| rows.find(name).is_some()).unwrap();
            RowId { set: set as u32, row: sets[set].1.find(name).unwrap() as u32 }
        };
        let allowed = Marks { verdict: Verdict::Allow, ..Marks::default() };
        let denied = Marks { verdict: Verdict::Deny, ..Marks::default() };
        let known = Known {
            marks: HashMap::from([(id("physics/lammps"), denied), (id("team/go-rom-acs"), allowed)]),
            used: HashSet::from([id("alpine")]),
            now: 0,
        };
        let sorted = order(&sets, Sort::Mark(Facet::Verdict), &known);
        let names: Vec<_> = sorted.iter().map(|id| sets[id.set as usize].1.name(id.row as usize)).collect();
        assert_eq!(
            names,
            ["team/go-rom-acs", "physics/lammps", "alpine", "biology/samtools", "gromacs", "physics/gromacs"]
        );
        assert_eq!(search(&sets, &Query::parse("used:me"), &sorted, &known), [id("alpine")]);
        assert_eq!(search(&sets, &Query::parse("-used:me a"), &sorted, &known).len(), 5);
        assert_eq!(Sort::ALL.iter().fold(Sort::Name, |sort, _| sort.next()), Sort::Name, "the key goes round");
    }

    #[test]
    fn without_words_the_order_is_the_chosen_one() {
        assert_eq!(
            find(""),
            [
                "docker alpine",
                "lab biology/samtools",
                "docker gromacs",
                "lab physics/gromacs",
                "lab physics/lammps",
                "lab team/go-rom-acs"
            ]
        );
    }

    proptest::proptest! {
        /// Masks, threads and ranks only order rows: they never hide a row that the matcher itself would find.
        #[test]
        fn a_row_is_found_exactly_when_the_matcher_finds_it(names in proptest::collection::vec("[a-cA-C/.-]{1,12}", 1..40), word in "[a-c.-]{1,4}") {
            let set = Arc::new(RowSet::build(names.iter().map(|name| Row { name: name.clone(), ..Row::default() }).collect()));
            let sets = vec![("s".to_owned(), set.clone())];
            let found = search(&sets, &Query { words: vec![word.clone()], ..Query::default() }, &order(&sets, Sort::Name, &Known::default()), &Known::default());
            let matcher = SkimMatcherV2::default().ignore_case();
            let expected = (0..set.len()).filter(|row| matcher.fuzzy_match(set.name(*row), &word).is_some()).count();
            proptest::prop_assert_eq!(found.len(), expected);
        }

        #[test]
        fn narrowing_the_last_hits_finds_the_same_as_starting_over(names in proptest::collection::vec("[a-d/]{1,10}", 1..40), word in "[a-d]{2,4}") {
            let sets = vec![("s".to_owned(), Arc::new(RowSet::build(names.iter().map(|name| Row { name: name.clone(), ..Row::default() }).collect())))];
            let known = Known::default();
            let all = order(&sets, Sort::Name, &known);
            let first = search(&sets, &Query::parse(&word[..1]), &all, &known);
            let mut narrowed = search(&sets, &Query::parse(&word), &first, &known);
            let mut fresh = search(&sets, &Query::parse(&word), &all, &known);
            narrowed.sort();
            fresh.sort();
            proptest::prop_assert_eq!(narrowed, fresh);
        }
    }
}
