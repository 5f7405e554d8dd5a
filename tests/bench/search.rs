//! The search of the list beside the matchers it is compared with, one key typed after the other. usage: search [COUNT...]
//!
//! All look at the same names with the same query, score and sort what fits, on all processors. Figures are the
//! median of several runs, in milliseconds.

mod tools;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};
use wharf::core::catalog::{
    query::Query,
    rows::{Row, RowSet},
    search::{self, Known, Sort},
};

/// A name with its place, for nucleo, which gives back what it was given.
struct Named<'a>((usize, &'a String));

impl AsRef<str> for Named<'_> {
    fn as_ref(&self) -> &str {
        self.0.1
    }
}

fn name(number: usize) -> String {
    format!(
        "registry{}.example.org/project{:03}/{}-{number:07}",
        number % 3,
        number % 997,
        tools::TOOLS[number % tools::TOOLS.len()]
    )
}

fn median(mut runs: Vec<Duration>) -> f64 {
    runs.sort();
    runs[runs.len() / 2].as_secs_f64() * 1000.0
}

fn timed<T>(count: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let runs = if count > 500_000 { 7 } else { 21 };
    let mut last = work();
    let times = (0..runs)
        .map(|_| {
            let began = Instant::now();
            last = work();
            began.elapsed()
        })
        .collect();
    (median(times), last)
}

/// Splits the names over all processors and joins what each part found.
fn parts<T: Send>(names: &[String], work: impl Fn(&[String]) -> Vec<T> + Sync) -> Vec<T> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let size = names.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let running: Vec<_> = names.chunks(size).map(|chunk| scope.spawn(|| work(chunk))).collect();
        running.into_iter().flat_map(|part| part.join().unwrap_or_default()).collect()
    })
}

fn main() {
    let mut counts: Vec<usize> = std::env::args().skip(1).filter_map(|count| count.parse().ok()).collect();
    if counts.is_empty() {
        counts = vec![100_000, 1_000_000];
    }
    println!(
        "{:>9} {:<8} {:>8} {:>9} {:>9} {:>9} {:>9}   wharf/frizbee",
        "rows", "query", "hits", "wharf", "frizbee", "nucleo", "skim"
    );
    for count in counts {
        let names: Vec<String> = (0..count).map(name).collect();
        let rows = names.iter().map(|name| Row { name: name.clone(), ..Row::default() }).collect();
        let sets = vec![("bench".to_owned(), Arc::new(RowSet::build(rows)))];
        let order = search::order(&sets, Sort::Name, &Known::default());
        for query in ["g", "gromac", "pyt12", "p001lam"] {
            let parsed = Query::parse(query);
            let (wharf, hits) = timed(count, || search::search(&sets, &parsed, &order, &Known::default()).len());
            let threads = std::thread::available_parallelism().map_or(1, usize::from);
            let mut matcher = frizbee::Matcher::new(query, &frizbee::Config::default());
            let (frizbee, found) = timed(count, || matcher.match_list_parallel(&names, threads).len());
            let (nucleo, _) = timed(count, || {
                let mut found = parts(&names, |names| {
                    let mut matcher = nucleo_matcher::Matcher::new(nucleo_matcher::Config::DEFAULT);
                    let pattern = nucleo_matcher::pattern::Pattern::parse(
                        query,
                        nucleo_matcher::pattern::CaseMatching::Ignore,
                        nucleo_matcher::pattern::Normalization::Never,
                    );
                    let found = pattern.match_list(names.iter().enumerate().map(Named), &mut matcher);
                    found.into_iter().map(|(Named((at, _)), score)| (score, at)).collect()
                });
                found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
                found.len()
            });
            let (skim, _) = timed(count, || {
                let mut found = parts(&names, |names| {
                    let matcher = SkimMatcherV2::default().ignore_case();
                    names
                        .iter()
                        .enumerate()
                        .filter_map(|(at, name)| Some((matcher.fuzzy_match(name, query)?, at)))
                        .collect()
                });
                found.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
                found.len()
            });
            let same = if hits == found { "" } else { "  (frizbee finds another number)" };
            println!(
                "{count:>9} {query:<8} {hits:>8} {wharf:>9.2} {frizbee:>9.2} {nucleo:>9.2} {skim:>9.2}   {:.2}{same}",
                wharf / frizbee
            );
        }
    }
}
