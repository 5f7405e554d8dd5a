//! `wharf audit`: what was done here and whether the record of it is complete; for approvers, what was done at the
//! site.

use super::output;
use crate::args::Audit;
use wharf_core::{
    audit::{
        self, Entry,
        witness::{self, Decided, Summary, WitnessedPosition},
    },
    base::{
        error::{Error, Kind, Result},
        text,
    },
    portal::Portal,
};

/// Lists the entries, newest last; exports or verifies them if that was asked for.
pub(crate) async fn run(portal: &Portal, args: &Audit, json: bool) -> Result<u8> {
    if args.site {
        return site(portal, args.limit, json).await;
    }
    let written = portal.journal.written().await?;
    if args.what.as_deref() == Some("export") {
        return output::exact(written.trim_end()).map(|()| 0);
    }
    if args.verify || args.what.is_some() {
        return verify(portal, &written, json).await;
    }
    let reading = audit::read(&written);
    if json {
        output::json(&reading.lines.iter().map(|(_, line)| line).collect::<Vec<_>>())?;
    } else if reading.lines.is_empty() && reading.torn.is_empty() {
        output::line("the audit log is empty")?;
    } else {
        list(&reading)?;
    }
    for number in &reading.torn {
        output::remark(&format!("line {number} of the audit is torn: that entry was not written whole and is lost"));
    }
    reading.whole().map(|()| 0)
}

fn cells(at: &str, entry: &Entry) -> Vec<String> {
    vec![
        at.to_owned(),
        entry.who.clone(),
        entry.action.clone(),
        entry.subject.clone(),
        entry.verdict.clone().unwrap_or_default(),
        entry.outcome.clone(),
    ]
}

const HEAD: [&str; 6] = ["WHEN", "WHO", "WHAT", "ON", "VERDICT", "OUTCOME"];

fn list(reading: &audit::Reading) -> Result<()> {
    let torn = |number: usize| vec![String::new(), String::new(), "torn".into(), format!("line {number}")];
    let mut rows: Vec<(usize, Vec<String>)> = reading
        .lines
        .iter()
        .map(|(number, line)| {
            let entry = line.entry.clone().cleaned();
            (*number, cells(&entry.at, &entry))
        })
        .chain(reading.torn.iter().map(|number| (*number, torn(*number))))
        .collect();
    rows.sort_by_key(|(number, _)| *number);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    output::table(&HEAD, &rows)
}

/// Verifies the chain of hashes in the file, and compares it with what the store has seen of it.
async fn verify(portal: &Portal, written: &str, json: bool) -> Result<u8> {
    let reading = audit::read(written);
    reading.whole()?;
    let store = portal.journal.seen(&reading).await;
    let end = reading.end().unwrap_or_default();
    let (told, faults, unasked) = match &store {
        Ok(seen) => (seen.told, seen.faults.clone(), None),
        Err(error) => (None, Vec::new(), Some(error)),
    };
    if json {
        output::json(&serde_json::json!({"entries": reading.lines.len(), "chain": end, "torn": reading.torn,
            "store": {"place": portal.requests.store_name(), "told": told.map(|(number, at)| serde_json::json!({"number": number, "at": at})), "faults": faults,
                "unasked": unasked.map(ToString::to_string)}}))?;
    } else {
        let sign = if faults.is_empty() { "✓" } else { "✗" };
        let entries = text::plural(reading.lines.len() as u64, "entry", "entries");
        let end = if end.is_empty() { String::new() } else { format!("; it ends in {end}") };
        output::line(&format!("{sign} {entries}, the chain is complete{end}"))?;
        for number in &reading.torn {
            output::line(&format!("! line {number} is torn: that entry was not written whole and is lost"))?;
        }
        match (told, unasked) {
            (Some((number, at)), _) if faults.is_empty() => output::line(&format!(
                "✓ the store has seen {} of it, the last at {}: {}",
                text::plural(number.unsigned_abs(), "entry", "entries"),
                text::timestamp(at),
                portal.requests.store_name()
            ))?,
            (None, None) if faults.is_empty() => output::line(
                "? the store has seen nothing of it: that it was cut or removed before would not be noticed",
            )?,
            (_, Some(error)) => output::line(&format!(
                "? the store was not asked, so that a cut or removed audit is not noticed: {error}"
            ))?,
            _ => {}
        }
    }
    if !faults.is_empty() {
        return Err(Error::new(Kind::Integrity, "verify the audit", faults.join("; "))
            .hint("who may read everybody's sees what the store has: wharf audit --site"));
    }
    // A store that cannot exist (a file on a network's file system) was not needed; one that does not answer was not
    // asked.
    Ok(unasked.filter(|error| error.kind != Kind::Unsupported).map_or(0, |error| error.kind.exit_code()))
}

/// Lists what was decided, admitted and done at the site, and whether each person's chain is complete.
async fn site(portal: &Portal, limit: i64, json: bool) -> Result<u8> {
    let (seen, decided) = portal.journal.site_audit(limit).await?;
    let chains = witness::summaries(&seen.iter().rev().cloned().collect::<Vec<_>>());
    if json {
        let seen: Vec<_> = seen.iter().map(|seen| serde_json::json!({"at": text::timestamp(seen.at), "person": seen.person,
            "place": seen.chain.place, "chain": seen.chain.id, "number": seen.mark.number, "hash": seen.mark.hash, "entry": seen.entry()})).collect();
        let decided: Vec<_> = decided
            .iter()
            .map(|it| {
                serde_json::json!({"at": text::timestamp(it.at), "who": it.who, "what": it.what,
            "request": it.request, "title": it.title, "digest": it.digest, "detail": it.detail})
            })
            .collect();
        let chains: Vec<_> = chains
            .iter()
            .map(|it| {
                serde_json::json!({"person": it.person, "place": it.chain.place, "chain": it.chain.id,
            "entries": it.entries, "at": text::timestamp(it.at), "faults": it.faults})
            })
            .collect();
        output::json(&serde_json::json!({"decided": decided, "done": seen, "chains": chains}))?;
        return Ok(0);
    }
    let mut rows: Vec<(i64, Vec<String>)> = decided.iter().map(decision).chain(seen.iter().filter_map(done)).collect();
    rows.sort_by_key(|(at, _)| *at);
    let rows: Vec<Vec<String>> = rows.into_iter().map(|(_, row)| row).collect();
    if rows.is_empty() && chains.is_empty() {
        return output::line("the store knows of nothing that was done").map(|()| 0);
    }
    output::table(&HEAD, &rows)?;
    output::line("")?;
    output::table(
        &["AUDIT OF", "IN", "ENTRIES", "TOLD LAST", "SEEN"],
        &chains.iter().map(standing).collect::<Vec<_>>(),
    )?;
    Ok(0)
}

fn one_line(text: &str) -> String {
    wharf_core::base::clean::short(text, 200)
}

fn decision(it: &Decided) -> (i64, Vec<String>) {
    let on = format!("request {}: {}", it.request, one_line(&it.title));
    (
        it.at,
        vec![text::timestamp(it.at), one_line(&it.who), one_line(&it.what), on, String::new(), one_line(&it.detail)],
    )
}

/// An entry that the store was told of, with the time and person that the store itself recorded.
fn done(seen: &WitnessedPosition) -> Option<(i64, Vec<String>)> {
    let entry = Entry { who: one_line(&seen.person), ..seen.entry()? };
    Some((seen.at, cells(&text::timestamp(seen.at), &entry)))
}

fn standing(it: &Summary) -> Vec<String> {
    let faults = if it.faults.is_empty() { "✓ whole".to_owned() } else { format!("✗ {}", it.faults.join("; ")) };
    vec![one_line(&it.person), one_line(&it.chain.place), it.entries.to_string(), text::timestamp(it.at), faults]
}
