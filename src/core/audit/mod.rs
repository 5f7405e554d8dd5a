//! The audit: who changed what, and on which verdict, as lines that each contain the hash of the line before.
//!
//! The chain proves that no line was changed, left out or inserted: that breaks it from there on. It has no key, so the
//! file's owner can still rewrite all of it, cut its end, or remove it. That is detected where the shared store has
//! kept the ends of chains ([`super::audit::witness`]), as far as it was told of them. What is done without Wharf is in
//! no audit.
//!
//! A line that was not written completely (a full disk, a loss of power) is lost, but only that one: the next line
//! begins on a line of its own and follows the last complete one. A complete line that is cut later is detected by the
//! line after it.

pub mod witness;

use serde::{Deserialize, Serialize};

use super::base::{
    clean,
    digest::Digest,
    error::{During, Error, Kind, Result},
    text,
};

/// What the first line of a chain follows.
const BEGIN: &str = "begin";
/// Most characters of a field that are kept; references and reasons are far shorter.
const LONGEST: usize = 1000;

/// An action that was carried out or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was done (RFC 3339, UTC).
    pub at: String,
    /// The login of the person who did it.
    pub who: String,
    /// The action: `launch`, `share`, …
    pub action: String,
    /// What it was done to: a reference, a workload, a request.
    pub subject: String,
    /// The digest of the subject, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The verdict that allowed it or held it back, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// How it ended: `done`, or the reason of the failure.
    pub outcome: String,
}

impl Entry {
    /// An entry with the present time.
    pub fn new(who: &str, action: &str, subject: impl Into<String>) -> Self {
        Self {
            at: text::timestamp(text::now()),
            who: who.to_owned(),
            action: action.to_owned(),
            subject: subject.into(),
            digest: None,
            verdict: None,
            outcome: "done".to_owned(),
        }
    }

    /// The entry with all its fields cleaned and cut to 1000 characters.
    #[must_use]
    pub fn cleaned(self) -> Self {
        let short = |text: &str| clean::short(text, LONGEST);
        Self {
            at: short(&self.at),
            who: short(&self.who),
            action: short(&self.action),
            subject: short(&self.subject),
            digest: self.digest,
            verdict: self.verdict.as_deref().map(short),
            outcome: short(&self.outcome),
        }
    }
}

/// An entry as a line of the file, with the hash over all lines up to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The entry as it was written.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 over the chain of the line before, and the entry.
    pub chain: String,
}

/// The JSON of an entry over which the hash is computed.
pub fn body(entry: &Entry) -> Result<String> {
    serde_json::to_string(entry).during("write the audit")
}

/// The hash of an entry's JSON after the hash before it, in hexadecimal.
///
/// ```
/// use wharf_core::audit::chain;
///
/// let first = chain(None, "{}");
/// assert_ne!(chain(Some(&first), "{}"), first, "the same entry has another hash at another place");
/// ```
pub fn chain(before: Option<&str>, body: &str) -> String {
    Digest::of(format!("{}\n{body}", before.unwrap_or(BEGIN)).as_bytes()).hex().to_owned()
}

/// The line for an entry after `last`.
pub fn next(last: Option<&Line>, entry: Entry) -> Result<Line> {
    let entry = entry.cleaned();
    let chain = chain(last.map(|line| line.chain.as_str()), &body(&entry)?);
    Ok(Line { entry, chain })
}

/// Reads a line; `None` if it was not written completely.
pub fn line(raw: &str) -> Option<Line> {
    let line: Line = serde_json::from_str(raw).ok()?;
    // A field that is not hashed could contain anything, so it is refused.
    (serde_json::to_string(&line).ok()? == raw.trim_end()).then_some(line)
}

/// The content of an audit file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// The complete lines, each with its number in the file.
    pub lines: Vec<(usize, Line)>,
    /// The numbers of the lines that were not written completely.
    pub torn: Vec<usize>,
    /// The number of the first line that was changed later, and how that is known.
    pub changed: Option<(usize, &'static str)>,
}

impl Reading {
    /// Fails if a line was changed, naming the first one.
    pub fn whole(&self) -> Result<()> {
        let Some((number, why)) = self.changed else { return Ok(()) };
        Err(Error::new(Kind::Integrity, "verify the audit", format!("line {number}: {why}"))
            .hint("it was changed after it was written; what stands before that line is whole"))
    }

    /// The hash of the last line.
    pub fn end(&self) -> Option<&str> {
        self.lines.last().map(|(_, line)| line.chain.as_str())
    }
}

/// Reads a file and follows its chain, across incomplete lines. After a change it continues from the hash that is
/// there.
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    // Incomplete lines after which the chain still fits; they were cut later if the next line does not fit.
    let mut torn = Vec::new();
    for (number, raw) in text.lines().enumerate().filter(|(_, raw)| !raw.trim().is_empty()) {
        let number = number + 1;
        let Some(line) = line(raw) else {
            torn.push(number);
            continue;
        };
        let follows = body(&line.entry).is_ok_and(|body| chain(reading.end(), &body) == line.chain);
        if follows || reading.changed.is_some() {
            reading.torn.append(&mut torn);
        } else {
            reading.changed = Some(match torn.first() {
                Some(cut) => (
                    *cut,
                    "it is no whole entry, and what follows its hash does not match the entry before: the log was edited, or an entry is missing",
                ),
                None => {
                    (number, "its hash does not match the entry before: the log was edited, or an entry is missing")
                }
            });
            reading.torn.append(&mut torn);
        }
        reading.lines.push((number, line));
    }
    reading.torn.append(&mut torn);
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(count: usize) -> String {
        let mut lines: Vec<Line> = Vec::new();
        for number in 0..count {
            let entry = Entry::new("ada", "launch", format!("image-{number}"));
            lines.push(next(lines.last(), entry).unwrap());
        }
        lines.iter().map(|line| serde_json::to_string(line).unwrap() + "\n").collect()
    }

    #[test]
    fn what_was_written_reads_back_and_whatever_is_changed_is_seen() {
        let text = written(5);
        let fine = read(&text);
        assert_eq!((fine.lines.len(), fine.torn.len(), fine.changed), (5, 0, None));
        assert_eq!(read(""), Reading::default());
        let first = |text: &str| read(text).changed.map(|(number, _)| number);
        assert_eq!(first(&text.replace("image-2", "image-x")), Some(3));
        assert_eq!(
            first(&text.replacen("\"who\"", "\"with\":\"more\",\"who\"", 1)),
            Some(1),
            "words that no hash covers"
        );
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(first(&[&lines[..1], &lines[2..]].concat().join("\n")), Some(2));
        assert_eq!(first(&[lines[1], lines[0]].join("\n")), Some(1));
        assert!(read(&text.replace("image-2", "image-x")).whole().unwrap_err().why.starts_with("line 3"));
    }

    #[test]
    fn a_torn_line_costs_itself_and_a_cut_one_is_seen() {
        let text = written(3);
        let lines: Vec<&str> = text.lines().collect();
        for cut in [1, 20, lines[2].len() - 1] {
            // The third line was not written completely; the fourth follows the second.
            let two = read(&lines[..2].join("\n"));
            let fourth = next(two.lines.last().map(|(_, line)| line), Entry::new("ada", "stop", "x")).unwrap();
            let fourth = serde_json::to_string(&fourth).unwrap();
            let read = read(&[lines[0], lines[1], &lines[2][..cut], &fourth].join("\n"));
            assert_eq!((read.lines.len(), &read.torn[..], read.changed), (3, &[3][..], None));
        }
        // The second line was cut later: the third does not follow the first.
        let read = read(&[lines[0], &lines[1][..20], lines[2]].join("\n"));
        assert_eq!(read.changed.map(|(number, _)| number), Some(2));
    }

    #[test]
    fn entries_are_short_and_clean() {
        let entry =
            Entry { outcome: "x\n\u{1b}[31m".repeat(10_000), ..Entry::new("ada", "launch", "y".repeat(100_000)) };
        let line = serde_json::to_string(&next(None, entry).unwrap()).unwrap();
        assert!(line.len() < 8000 && !line.contains('\u{1b}') && !line.contains("\\n"));
    }
}
