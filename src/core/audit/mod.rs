//! The audit: what was changed by whom, and on which verdict, as lines that each hold the hash of the one before.
//!
//! What the chain proves: a line that is changed, left out or put in breaks it from there on. What it does not: it has no
//! key, so whoever owns the file can write all of it anew, cut its end, or remove it. That is seen where the shared store
//! has kept its ends ([`super::audit::witness`]), and only as far as they were told to it. What somebody does without Wharf is in
//! no audit.
//!
//! A line that was not written whole (a full disk, a lost power) costs that line: the next one stands on a line of its own
//! and follows the last whole one. Cutting a whole line looks the same only until one follows it: that one does not fit.

pub mod witness;

use serde::{Deserialize, Serialize};

use super::base::{
    clean,
    digest::Digest,
    error::{During, Error, Kind, Result},
    text,
};

/// The chain before its first line.
const BEGIN: &str = "begin";
/// Characters that are kept of one field: references and reasons are far shorter.
const LONGEST: usize = 1000;

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it was done (RFC 3339, UTC).
    pub at: String,
    /// The login of the person who did it.
    pub who: String,
    /// What: `launch`, `share`, …
    pub action: String,
    /// What it was done to: a reference, a workload, a request.
    pub subject: String,
    /// Its digest, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The verdict that let it pass or held it back, where one was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<String>,
    /// How it ended: `done`, or why it did not.
    pub outcome: String,
}

impl Entry {
    /// An entry of now.
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

    /// The same in clean lines of bounded length.
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

/// An entry as it stands in the file: with the hash of all before it and itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The entry as it was written.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 over the chain of the line before, and the entry.
    pub chain: String,
}

/// An entry as it is hashed.
pub fn body(entry: &Entry) -> Result<String> {
    serde_json::to_string(entry).during("write the audit")
}

/// The hash of an entry (as it is hashed) after the hash before it.
///
/// ```
/// use wharf::core::audit::chain;
///
/// let first = chain(None, "{}");
/// assert_ne!(chain(Some(&first), "{}"), first, "the same entry has another hash at another place");
/// ```
pub fn chain(before: Option<&str>, body: &str) -> String {
    Digest::of(format!("{}\n{body}", before.unwrap_or(BEGIN)).as_bytes()).hex().to_owned()
}

/// The line that follows `last`.
pub fn next(last: Option<&Line>, entry: Entry) -> Result<Line> {
    let entry = entry.cleaned();
    let chain = chain(last.map(|line| line.chain.as_str()), &body(&entry)?);
    Ok(Line { entry, chain })
}

/// A line as it was written; none if it is no whole one.
pub fn line(raw: &str) -> Option<Line> {
    let line: Line = serde_json::from_str(raw).ok()?;
    // Anything beside what is hashed would be words that no hash covers.
    (serde_json::to_string(&line).ok()? == raw.trim_end()).then_some(line)
}

/// What is read of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Whole lines, each with its number in the file.
    pub lines: Vec<(usize, Line)>,
    /// Numbers of the lines that were not written whole.
    pub torn: Vec<usize>,
    /// The first line that was changed after it was written, and how that is seen.
    pub changed: Option<(usize, &'static str)>,
}

impl Reading {
    /// An error that names the first line that was changed.
    pub fn whole(&self) -> Result<()> {
        let Some((number, why)) = self.changed else { return Ok(()) };
        Err(Error::new(Kind::Integrity, "verify the audit", format!("line {number}: {why}"))
            .hint("it was changed after it was written; what stands before that line is whole"))
    }

    /// The hash that the last line ends in.
    pub fn end(&self) -> Option<&str> {
        self.lines.last().map(|(_, line)| line.chain.as_str())
    }
}

/// Reads a file of lines and follows its chain, over what was torn. After a change it goes on with what is said there.
pub fn read(text: &str) -> Reading {
    let mut reading = Reading::default();
    // Torn lines before which the chain is whole: they are cut ones if the next line does not fit.
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
                Some(cut) => (*cut, "it is no whole entry, and what follows it does not follow the one before"),
                None => (number, "it does not follow the one before"),
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
            // The third was torn; the fourth follows the second.
            let two = read(&lines[..2].join("\n"));
            let fourth = next(two.lines.last().map(|(_, line)| line), Entry::new("ada", "stop", "x")).unwrap();
            let fourth = serde_json::to_string(&fourth).unwrap();
            let read = read(&[lines[0], lines[1], &lines[2][..cut], &fourth].join("\n"));
            assert_eq!((read.lines.len(), &read.torn[..], read.changed), (3, &[3][..], None));
        }
        // The second was cut after it was written: the third does not follow the first.
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
