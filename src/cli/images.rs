//! `wharf images`.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use serde::Serialize;
use tokio::sync::mpsc;

use super::output;
use crate::{
    args::Images,
    core::{
        error::{Error, Kind, Result},
        portal::{Listed, Portal, Source},
        ports::Listing,
        progress::Context,
        query::Query,
        rows::RowSet,
        search::{self, Sort},
        text,
    },
};

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    name: &'a str,
    kind: &'a str,
    tags: Vec<&'a str>,
    reference: Option<String>,
    size: Option<u64>,
    updated: Option<String>,
    publisher: &'a str,
    note: &'a str,
}

/// Lists what fits, best match first. A source that fails is a remark; only if all fail is it an error.
pub async fn run(portal: &Portal, args: &Images, json: bool) -> Result<u8> {
    let mut words = args.query.join(" ");
    if let Some(kind) = &args.kind {
        kind.parse::<crate::core::model::ImageKind>()?;
        words.push_str(&format!(" kind:{kind}"));
    }
    let query = Query::parse(&words);
    let wanted: Vec<Source> = match &args.source {
        Some(name) => vec![portal.source(name)?.clone()],
        None => portal.sources.clone(),
    };
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
    let found = search::search(&sets, &query, &search::order(&sets, Sort::Name));
    let mut lines = Vec::new();
    for id in found {
        let Some((source, set)) = sets.get(id.set as usize) else { continue };
        let Some(row) = set.get(id.row as usize) else { continue };
        let reference =
            portal.source(source).and_then(|known| known.catalog.reference(row.name, row.favourite_tag())).ok();
        lines.push(Line {
            source,
            name: row.name,
            kind: row.kind.word(),
            tags: row.tags.split(' ').filter(|tag| !tag.is_empty()).collect(),
            reference: reference.map(|reference| reference.to_string()),
            size: row.size,
            updated: row.updated.map(text::timestamp),
            publisher: row.publisher.badge().word,
            note: row.note,
        });
    }
    print(&lines, json)?;
    // A list that is not complete is no success, though others are.
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
                [.., last] => format!("{} (+{})", last, line.tags.len() - 1),
            };
            vec![
                line.source.to_owned(),
                line.name.to_owned(),
                tags,
                line.kind.to_owned(),
                line.size.map(text::size).unwrap_or_default(),
                line.note.to_owned(),
            ]
        })
        .collect();
    output::table(&["SOURCE", "NAME", "TAGS", "KIND", "SIZE", "NOTE"], &rows)
}

type Sets = Vec<(String, Arc<RowSet>)>;

async fn cached(portal: &Portal, wanted: &[Source]) -> Result<Sets> {
    let all = portal.cache.load().await?;
    Ok(all
        .into_iter()
        .filter(|list| wanted.iter().any(|source| source.name == list.source))
        .map(|list| (list.source, list.rows))
        .collect())
}

async fn fresh(portal: &Portal, cx: &Context, wanted: Vec<Source>, words: &str) -> (Sets, Vec<(String, Error)>) {
    let asked: Vec<_> = wanted
        .into_iter()
        // A place that only searches has nothing to say without words.
        .filter(|source| source.catalog.listing() != Listing::SearchOnly || !words.is_empty())
        .flat_map(|source| {
            let searched = match source.catalog.listing() {
                Listing::Whole => vec![None],
                Listing::SearchOnly => vec![Some(words)],
                Listing::WholeAndMore if words.is_empty() => vec![None],
                Listing::WholeAndMore => vec![None, Some(words)],
            };
            searched.into_iter().map(move |query| (source.clone(), query))
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

async fn ask(portal: &Portal, cx: &Context, source: Source, query: Option<&str>) -> (String, Result<Listed>) {
    let (out, _) = mpsc::channel(1);
    let answer = portal.list(cx, &source, query, out).await;
    (source.name, answer)
}
