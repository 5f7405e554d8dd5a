//! What the shared store has seen of people's audits: the ends of their chains, and their entries.
//!
//! People can only add to this, under their own name and the store's own clock. So if a person removes, cuts or
//! rewrites their file, `wharf audit verify` tells them, and people who may read all audits see it. What the store was
//! never told is not missed, and a program that tells it something false is not detected.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Entry, Reading};
use crate::{
    audit,
    base::{clean, error::Result, text},
};

/// Most entries that are sent to the store at once; the rest is sent with the next action.
pub const AT_ONCE: usize = 200;
/// Longest entry in bytes that the store keeps; of a longer one it keeps the hash only.
pub const LONGEST: usize = 8000;

/// A chain, which is the audit file of one folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// A random id that is kept beside the file: 16 hexadecimal digits.
    pub id: String,
    /// Where the folder is: machine or file server, and path.
    pub place: String,
}

/// A position in a chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The number of entries up to here.
    pub number: i64,
    /// The hash of the entry here, which covers all before it.
    pub hash: String,
    /// The entry's JSON as it was hashed; may be empty.
    pub body: String,
}

/// A position in a person's chain, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessedPosition {
    /// The person, as the store knows them.
    pub person: String,
    /// The chain that it belongs to.
    #[serde(flatten)]
    pub chain: Chain,
    /// The entry and the number of entries up to it.
    #[serde(flatten)]
    pub mark: Mark,
    /// When the store was told, by its own clock, in seconds since 1970.
    pub at: i64,
}

impl WitnessedPosition {
    /// The entry, if the store has it; its person is the one the store knows, whatever the entry says.
    pub fn entry(&self) -> Option<Entry> {
        let entry = serde_json::from_str::<Entry>(&self.mark.body).ok()?.cleaned();
        Some(Entry { who: clean::short(&self.person, 200), ..entry })
    }
}

/// Whose entries are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AuditScope {
    /// Those of one of the caller's chains.
    Chain(String),
    /// All of the caller's: of each chain the last entries first.
    Mine,
    /// Everybody's: of each person the newest first.
    Everybody,
}

/// Something that was decided or done about a request, as the store keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When, by the store's clock; seconds since 1970.
    pub at: i64,
    /// The login of the person or steward.
    pub who: String,
    /// The event: `approved`, `admitted`, …
    pub what: String,
    /// The number of the request.
    pub request: i64,
    /// The title of the requested image.
    pub title: String,
    /// The digest of the requested image.
    pub digest: String,
    /// The reason or remark that was given with it.
    pub detail: String,
}

fn number(of: usize) -> i64 {
    i64::try_from(of).unwrap_or(i64::MAX)
}

/// The entries that the store is to be told of, given the position that it knows: all after that; or only the last one,
/// if that position is no longer in the file, so that this is noticed.
pub fn untold(reading: &Reading, known: Option<&Mark>) -> Result<Vec<Mark>> {
    let mark = |at: usize| -> Result<Option<Mark>> {
        let Some((_, line)) = reading.lines.get(at) else { return Ok(None) };
        let body = audit::body(&line.entry)?;
        let body = if body.len() > LONGEST { String::new() } else { body };
        Ok(Some(Mark { number: number(at) + 1, hash: line.chain.clone(), body }))
    };
    let count = reading.lines.len();
    let first = match known {
        None => 0,
        Some(known) => {
            let at = usize::try_from(known.number).unwrap_or(0);
            let there = at.checked_sub(1).and_then(|at| reading.lines.get(at));
            if there.is_some_and(|(_, line)| line.chain == known.hash) { at } else { count.saturating_sub(1) }
        }
    };
    (first..count.min(first + AT_ONCE)).filter_map(|at| mark(at).transpose()).collect()
}

/// What is wrong with the caller's own file by what the store has seen, one sentence each, the worst first.
pub fn compare(reading: &Reading, chain: &Chain, seen: &[WitnessedPosition]) -> Vec<String> {
    let mut faults = Vec::new();
    let count = number(reading.lines.len());
    let own = || seen.iter().filter(|seen| seen.chain.id == chain.id);
    if let Some(most) = own().map(|seen| seen.mark.number).max().filter(|most| *most > count) {
        faults.push(format!(
            "the store has seen {most} entries of it, {count} are here: its end was cut off, or it was removed"
        ));
    }
    let other = own().filter(|seen| {
        let at = usize::try_from(seen.mark.number - 1).ok();
        at.and_then(|at| reading.lines.get(at)).is_some_and(|(_, line)| line.chain != seen.mark.hash)
    });
    if let Some(first) = other.map(|seen| seen.mark.number).min() {
        faults.push(format!(
            "entry {first} differs from what the store has seen: the log was rewritten from there or before"
        ));
    }
    let mut replaced: BTreeMap<&str, i64> = BTreeMap::new();
    for seen in seen.iter().filter(|seen| seen.chain.id != chain.id && seen.chain.place == chain.place) {
        let most = replaced.entry(&seen.chain.id).or_default();
        *most = seen.mark.number.max(*most);
    }
    for most in replaced.values() {
        faults.push(format!(
            "the store has seen an audit of {most} entries in this folder that is not here any more: it was removed"
        ));
    }
    faults
}

/// What the store has seen of the caller's own audit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WitnessState {
    /// The last position it was told of: the number of entries, and when (seconds since 1970).
    pub told: Option<(i64, i64)>,
    /// What does not fit, one sentence each.
    pub faults: Vec<String>,
}

/// What the store knows about one chain of a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The person whose chain it is.
    pub person: String,
    /// The chain: its machine and file.
    #[serde(flatten)]
    pub chain: Chain,
    /// How many entries the store knows of.
    pub entries: i64,
    /// When the store was last told of it, in seconds since 1970.
    pub at: i64,
    /// What is wrong with it, one sentence each.
    pub faults: Vec<String>,
}

/// What the store alone can tell about chains; `seen` in the order in which it was told.
pub fn summaries(seen: &[WitnessedPosition]) -> Vec<Summary> {
    let mut chains: BTreeMap<(&str, &str), Vec<&WitnessedPosition>> = BTreeMap::new();
    for seen in seen {
        chains.entry((&seen.person, &seen.chain.id)).or_default().push(seen);
    }
    chains.into_values().filter_map(|seen| summary(&seen)).collect()
}

fn summary(seen: &[&WitnessedPosition]) -> Option<Summary> {
    let last = seen.last()?;
    let mut by_number: BTreeMap<i64, &Mark> = BTreeMap::new();
    let (mut faults, mut most) = (Vec::new(), 0);
    for seen in seen {
        let mark = &seen.mark;
        if by_number.get(&mark.number).is_some_and(|before| before.hash != mark.hash) {
            faults.push(format!("entry {} was told twice, and differently: the log was rewritten", mark.number));
        } else if mark.number < most {
            faults.push(format!("after {most} entries it had {}: it was cut", mark.number));
        }
        most = most.max(mark.number);
        by_number.entry(mark.number).or_insert(mark);
    }
    let mut before: Option<&Mark> = None;
    for mark in by_number.values().copied() {
        match before {
            Some(before) if before.number + 1 < mark.number => {
                faults.push(format!("entries {} to {} were not told", before.number + 1, mark.number - 1));
            }
            Some(before) if !mark.body.is_empty() && audit::chain(Some(&before.hash), &mark.body) != mark.hash => {
                faults.push(format!("entry {} does not follow the one before", mark.number));
            }
            None if mark.number == 1 && !mark.body.is_empty() && audit::chain(None, &mark.body) != mark.hash => {
                faults.push("its first entry is no beginning".to_owned());
            }
            _ => {}
        }
        before = Some(mark);
    }
    let silent = seen.iter().filter(|seen| seen.mark.body.is_empty()).count();
    if silent > 0 {
        faults.push(format!("{} told without what they say", text::plural(silent as u64, "entry was", "entries were")));
    }
    faults.truncate(20);
    Some(Summary { person: last.person.clone(), chain: last.chain.clone(), entries: most, at: last.at, faults })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(id: &str) -> Chain {
        Chain { id: id.into(), place: "node:/home/ada/state".into() }
    }

    fn reading(names: &[&str]) -> Reading {
        let mut text = String::new();
        let mut last = None;
        for name in names {
            let line = audit::next(last.as_ref(), Entry::new("ada", "launch", *name)).unwrap();
            text += &(serde_json::to_string(&line).unwrap() + "\n");
            last = Some(line);
        }
        audit::read(&text)
    }

    fn told(reading: &Reading, id: &str) -> Vec<WitnessedPosition> {
        let marks = untold(reading, None).unwrap();
        let kept = |mark| WitnessedPosition { person: "ada".into(), chain: chain(id), mark, at: 1 };
        marks.into_iter().map(kept).collect()
    }

    #[test]
    fn what_is_told_is_what_the_store_lacks() {
        let three = reading(&["a", "b", "c"]);
        let all = untold(&three, None).unwrap();
        assert_eq!(all.iter().map(|mark| mark.number).collect::<Vec<_>>(), [1, 2, 3]);
        assert_eq!(untold(&three, Some(&all[1])).unwrap(), all[2..]);
        assert!(untold(&three, Some(&all[2])).unwrap().is_empty());
        // What the store knows is no longer in the file: it is told what is.
        let other = reading(&["x", "y"]);
        let told = untold(&other, Some(&all[2])).unwrap();
        assert_eq!(told.iter().map(|mark| mark.number).collect::<Vec<_>>(), [2]);
        assert!(untold(&reading(&[]), Some(&all[2])).unwrap().is_empty());
    }

    #[test]
    fn a_file_that_was_removed_cut_or_rewritten_is_seen() {
        let three = reading(&["a", "b", "c"]);
        let seen = told(&three, "1");
        let here = chain("1");
        assert!(compare(&three, &here, &seen).is_empty());
        for (file, said) in [
            (reading(&[]), "0 are here"),
            (reading(&["a", "b"]), "2 are here"),
            (reading(&["x", "y", "z", "a"]), "entry 1 differs"),
        ] {
            let faults = compare(&file, &here, &seen);
            assert!(faults.iter().any(|fault| fault.contains(said)), "{said}: {faults:?}");
        }
        // The id was removed with the file, but the place is the same.
        assert!(compare(&reading(&["d"]), &chain("2"), &seen)[0].contains("an audit of 3 entries"));
        let elsewhere = Chain { id: "2".into(), place: "other:/home/ada/state".into() };
        assert!(compare(&reading(&["d"]), &elsewhere, &seen).is_empty(), "another machine's is another one");
    }

    #[test]
    fn a_site_sees_forks_cuts_gaps_and_lies() {
        let (one, other) = (told(&reading(&["a", "b", "c"]), "1"), told(&reading(&["a", "x"]), "1"));
        let faults = |seen: &[WitnessedPosition]| summaries(seen)[0].faults.join("; ");
        assert_eq!(faults(&one), "");
        assert!(faults(&[&one[..], &other[1..]].concat()).contains("entry 2 was told twice"));
        assert!(faults(&[one[0].clone(), one[2].clone()]).contains("entries 2 to 2 were not told"));
        assert!(faults(&[one[0].clone(), one[2].clone(), one[1].clone()]).contains("it was cut"));
        let mut lie = one.clone();
        lie[1].mark.body = lie[1].mark.body.replace("\"b\"", "\"x\"");
        assert!(faults(&lie).contains("entry 2 does not follow"));
    }
}
