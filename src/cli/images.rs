//! `wharf images`: the list of images.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use super::output;
use crate::args::Images;
use wharf_core::{
    base::{
        badge::Publisher,
        context::Context,
        error::{Error, Kind, Result},
        severity::{Counts, Severity},
        text,
    },
    catalog::{
        marks::{Facet, Marks},
        query::Query,
        rows::RowSet,
        search::{self, Known, RowId, Sort, marks_of},
    },
    evidence::record::Subject,
    image::reference::ImageRef,
    portal::{Listed, Portal, SourceFacts, doctor::State},
    ports::Listing,
};

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    name: &'a str,
    kind: &'a str,
    tags: Vec<&'a str>,
    /// The tag that the marks are about.
    #[serde(skip)]
    tag: Option<&'a str>,
    reference: Option<String>,
    size: Option<u64>,
    updated: Option<String>,
    publisher: &'a str,
    note: &'a str,
    trust: Option<&'a str>,
    scan: Option<&'a str>,
    verdict: Option<&'a str>,
    /// The number of findings of each severity; `None` unless the image was scanned.
    findings: Option<Counts>,
    /// The worst severity of a finding that could be fixed.
    fixable: Option<&'a str>,
    /// What was looked up: the digest that the shown tag means.
    digest: Option<String>,
    #[serde(skip)]
    spoken: String,
    #[serde(skip)]
    shown: [String; 3],
}

/// How many rows are looked up for their digest, and for how long in all. More and longer if the filter or the order asks
/// for marks.
const GLANCE: (usize, Duration) = (50, Duration::from_secs(3));
const LOOK: (usize, Duration) = (1000, Duration::from_secs(60));
/// How many rows are looked up at the same time.
const LOOKS: usize = 16;

/// Lists the images that fit, the best match first. A source that fails is a remark; if all fail it is an error.
pub(crate) async fn run(portal: &Portal, args: &Images, json: bool) -> Result<u8> {
    let mut words = args.query.join(" ");
    if let Some(kind) = &args.kind {
        kind.parse::<wharf_core::image::model::ImageKind>()?;
        words.push_str(&format!(" kind:{kind}"));
    }
    let query = Query::parse(&words);
    query.unknown.iter().for_each(|why| output::remark(why));
    let wanted: Vec<SourceFacts> = match &args.source {
        Some(name) => vec![portal.sources.facts_of(name)?],
        // What the person leaves out of lists is listed only by its name.
        None => portal.sources.listed(),
    };
    let sort = args.sort.as_deref().map(sort_called).transpose()?;
    let plain = query.words.join(" ");
    let cx = Context::default();
    let (sets, failed) = if args.cached {
        (cached(portal, &wanted).await?, Vec::new())
    } else {
        fresh(portal, &cx, wanted, &plain).await
    };
    for (name, error) in &failed {
        let hint = if error.hint.is_empty() { String::new() } else { format!(": {}", error.hint) };
        output::remark(&format!("{name}: {}{hint}", error.why));
    }
    let mut known = Known { now: text::now(), ..Known::default() };
    if query.used.is_some() {
        known.used = portal.catalog.used(&sets).await;
    }
    let mut found = search::search(&sets, &query, &search::order(&sets, Sort::Name, &known), &known);
    let wants_marks = !query.marks.is_empty() || sort.is_some_and(Sort::is_by_mark);
    let looked = if args.cached { HashMap::new() } else { look(portal, &cx, &sets, wants_marks, &found).await };
    let (sets, is_news) = learnt(portal, sets).await;
    if is_news {
        // What turned out to be of another kind may not fit any more.
        let fits: HashSet<RowId> =
            search::search(&sets, &query, &search::order(&sets, Sort::Name, &known), &known).into_iter().collect();
        found.retain(|id| fits.contains(id));
    }
    known.marks = looked.iter().map(|(id, (_, marks))| (*id, *marks)).collect();
    if let Some(sort) = sort {
        let fits: HashSet<RowId> = found.into_iter().collect();
        found = search::order(&sets, sort, &known).into_iter().filter(|id| fits.contains(id)).collect();
    }
    let mut lines = Vec::new();
    for id in found {
        let Some((source, set)) = sets.get(id.set as usize) else { continue };
        let Some(row) = set.get(id.row as usize) else { continue };
        if !query.matches_marks(&marks_of(&sets, id, &known)) {
            continue;
        }
        let (subject, marks) = looked.get(&id).map(|(subject, marks)| (subject, *marks)).unzip();
        let reference = portal.sources.row(source, row.name, row.favourite_tag()).ok();
        lines.push(Line {
            source,
            name: row.name,
            kind: row.kind.name(),
            tags: row.tags.split(' ').filter(|tag| !tag.is_empty()).collect(),
            tag: row.favourite_tag(),
            spoken: reference.as_ref().map(ImageRef::short_text).unwrap_or_default(),
            reference: reference.map(|reference| reference.to_string()),
            trust: marks.map(|marks| marks.trust.signature.badge().word),
            scan: marks.map(|marks| marks.scan.state.badge().word),
            verdict: marks.map(|marks| marks.verdict.name()),
            findings: marks.filter(|marks| marks.scan.state.has_result()).map(|marks| marks.scan.counts),
            fixable: marks.and_then(|marks| marks.scan.fixable).map(Severity::name),
            digest: subject.map(|subject: &Subject| subject.digest.to_string()),
            shown: Facet::ALL.map(|facet| cell(marks, row.publisher, facet)),
            size: row.size,
            updated: row.updated.map(text::timestamp),
            publisher: row.publisher.badge().word,
            note: row.note,
        });
    }
    if lines.is_empty() {
        // What was set up and does not work may be why.
        let bad = portal.doctor.findings().iter().filter(|finding| finding.state == State::Bad);
        bad.for_each(|finding| output::remark(&format!("{}: {}: {}", finding.what, finding.found, finding.advice)));
    }
    print(&lines, json)?;
    // An incomplete list is not a success, even if other sources are complete.
    let cut = failed.iter().find(|(name, _)| sets.iter().any(|(known, _)| known == name));
    match (cut, failed.first()) {
        (Some((_, error)), _) => Ok(error.kind.exit_code()),
        (None, Some((_, error))) if sets.is_empty() => Err(error.clone()),
        _ => Ok(0),
    }
}

fn print(lines: &[Line<'_>], json: bool) -> Result<()> {
    if json {
        return output::json(&lines);
    }
    if lines.is_empty() {
        return output::line("no image fits");
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let tags = match line.tags.as_slice() {
                [] => String::new(),
                [one] => (*one).to_owned(),
                [.., last] => format!("{} (+{})", line.tag.unwrap_or(last), line.tags.len() - 1),
            };
            vec![
                line.source.to_owned(),
                line.name.to_owned(),
                tags,
                line.kind.to_owned(),
                line.size.map(text::size).unwrap_or_default(),
                line.shown[0].clone(),
                line.shown[1].clone(),
                line.shown[2].clone(),
                line.spoken.clone(),
                line.note.to_owned(),
            ]
        })
        .collect();
    output::fitting_table(&COLUMNS, &rows)
}

/// The columns; of those that do not fit into the terminal, the one with the highest number is left out first.
const COLUMNS: [(&str, u8); 10] = [
    ("SOURCE", 6),
    ("NAME", 0),
    ("TAGS", 4),
    ("KIND", 7),
    ("SIZE", 8),
    ("TRUST", 2),
    ("SCAN", 3),
    ("VERDICT", 1),
    ("REFERENCE", 5),
    ("NOTE", 10),
];

/// One of the marks in its column; `–` if nothing is known. The publisher that a list names is known without a look.
fn cell(marks: Option<Marks>, publisher: Publisher, facet: Facet) -> String {
    let listed = || (facet == Facet::Trust && publisher != Publisher::Unknown).then(Marks::default);
    let known = marks.or_else(listed).map(|marks| marks.with_publisher(publisher));
    known.map_or_else(|| "–".to_owned(), |marks| marks.short(facet).to_string())
}

/// The order with this name.
fn sort_called(name: &str) -> Result<Sort> {
    Sort::from_name(name).ok_or_else(|| {
        Error::usage(format!("--sort {name}"), "there is no such order")
            .hint("use name, source, age, size, trust, scan or verdict")
    })
}

/// What is known of rows whose source describes them cheaply: their digests and marks. Rows that are not described in
/// time have none.
async fn look(
    portal: &Portal,
    cx: &Context,
    sets: &RowSets,
    wants_marks: bool,
    found: &[RowId],
) -> HashMap<RowId, (Subject, Marks)> {
    let (most, time) = if wants_marks { LOOK } else { GLANCE };
    let all = std::sync::Mutex::new(HashMap::new());
    let cheap = |source: &str| portal.sources.facts_of(source).is_ok_and(|source| source.describes_cheaply);
    let rows: Vec<_> = found
        .iter()
        .filter_map(|id| sets.get(id.set as usize).map(|(source, set)| (*id, source, set)))
        .filter(|(_, source, _)| cheap(source))
        .filter_map(|(id, source, set)| {
            let row = set.get(id.row as usize)?;
            Some((id, source.as_str(), row.name, row.favourite_tag()?))
        })
        .collect();
    if wants_marks && rows.len() > most {
        output::remark(&format!("of {} images, the first {} were looked at: type more words", rows.len(), most));
    }
    let looks = rows.into_iter().take(most).map(|(id, source, name, tag)| {
        let all = &all;
        async move {
            let Ok((_, image)) = portal.catalog.look(cx, source, name, tag).await else { return };
            if let Ok(marked) = portal.evidence.mark(&image).await {
                all.lock().unwrap_or_else(PoisonError::into_inner).insert(id, marked);
            }
        }
    });
    let _ = tokio::time::timeout(time, stream::iter(looks).for_each_concurrent(LOOKS, |look| look)).await;
    all.into_inner().unwrap_or_else(PoisonError::into_inner)
}

type RowSets = Vec<(String, Arc<RowSet>)>;

/// The lists with what was learnt by looking at their rows, which is kept for later lists, too; and whether that is
/// anything.
async fn learnt(portal: &Portal, sets: RowSets) -> (RowSets, bool) {
    let (mut all, mut is_news) = (Vec::new(), false);
    for (source, rows) in sets {
        let Some(more) = portal.catalog.told_more(&source, &rows) else {
            all.push((source, rows));
            continue;
        };
        if let Err(error) = portal.catalog.learn(&source).await {
            output::remark(&format!("{source}: what was learnt was not kept: {}", error.why));
        }
        is_news = true;
        all.push((source, Arc::new(more)));
    }
    (all, is_news)
}

async fn cached(portal: &Portal, wanted: &[SourceFacts]) -> Result<RowSets> {
    let all = portal.catalog.kept_lists().await?;
    Ok(all
        .into_iter()
        .filter(|list| wanted.iter().any(|source| source.name == list.source))
        .map(|list| (list.source, list.rows))
        .collect())
}

async fn fresh(
    portal: &Portal,
    cx: &Context,
    wanted: Vec<SourceFacts>,
    words: &str,
) -> (RowSets, Vec<(String, Error)>) {
    let asked: Vec<_> = wanted
        .into_iter()
        // A source that can only be searched has nothing to list without words.
        .filter(|source| source.listing != Listing::SearchOnly || !words.is_empty())
        .flat_map(|source| {
            let searched = match source.listing {
                Listing::Whole => vec![None],
                Listing::SearchOnly => vec![Some(words)],
                Listing::WholeAndMore if words.is_empty() => vec![None],
                Listing::WholeAndMore => vec![None, Some(words)],
            };
            searched.into_iter().map(move |query| (source.name.clone(), query))
        })
        .map(|(source, query)| ask(portal, cx, source, query))
        .collect();
    let answers: Vec<_> = stream::iter(asked).buffered(16).collect().await;
    let mut sets = Vec::new();
    let mut failed = Vec::new();
    for (name, answer) in answers {
        match answer {
            Ok(Listed { rows, missing }) => {
                failed.extend(missing.map(|error| (name.clone(), error)));
                sets.push((name, rows));
            }
            Err(error) if error.kind == Kind::Cancelled => {}
            Err(error) => failed.push((name, error)),
        }
    }
    (sets, failed)
}

async fn ask(portal: &Portal, cx: &Context, source: String, query: Option<&str>) -> (String, Result<Listed>) {
    let (out, _) = mpsc::channel(1);
    let answer = portal.catalog.list(cx, &source, query, out).await;
    (source, answer)
}
