//! The audit: what was changed by whom, and on which verdict, as lines that each hold the hash of the one before.
//!
//! A line that is changed, left out or put in breaks the chain from there on.

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    error::{During, Error, Kind, Result},
    text,
};

/// The chain before its first line.
const BEGIN: &str = "begin";

/// Something that was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, RFC 3339.
    pub at: String,
    /// Who.
    pub who: String,
    /// What: `launch`, `share`, …
    pub action: String,
    /// On what.
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
}

/// An entry as it stands in the file: with the hash of all before it and itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The entry.
    #[serde(flatten)]
    pub entry: Entry,
    /// SHA-256 over the chain of the line before, and the entry.
    pub chain: String,
}

fn chain(before: &str, entry: &Entry) -> Result<String> {
    let body = serde_json::to_string(entry).during("write the audit")?;
    Ok(Digest::of(format!("{before}\n{body}").as_bytes()).hex().to_owned())
}

/// The line that follows `last`.
pub fn next(last: Option<&Line>, entry: Entry) -> Result<Line> {
    let before = last.map_or(BEGIN, |line| line.chain.as_str());
    let chain = chain(before, &entry)?;
    Ok(Line { entry, chain })
}

/// Reads a file of lines and checks its chain; an error names the first line that does not follow.
pub fn read(text: &str) -> Result<Vec<Line>> {
    let mut lines: Vec<Line> = Vec::new();
    for (number, raw) in text.lines().enumerate().filter(|(_, raw)| !raw.trim().is_empty()) {
        let broken = |why: &str| {
            Error::new(Kind::Integrity, "verify the audit", format!("line {}: {why}", number + 1))
                .hint("it was changed after it was written; what stands before that line is whole")
        };
        let line: Line = serde_json::from_str(raw).map_err(|_| broken("it is no entry"))?;
        let before = lines.last().map_or(BEGIN, |line| line.chain.as_str());
        if chain(before, &line.entry)? != line.chain {
            return Err(broken("it does not follow the one before"));
        }
        lines.push(line);
    }
    Ok(lines)
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
        assert_eq!(read(&text).unwrap().len(), 5);
        assert_eq!(read("").unwrap(), []);
        let changed = text.replace("image-2", "image-x");
        assert!(read(&changed).unwrap_err().why.starts_with("line 3"));
        let lines: Vec<&str> = text.lines().collect();
        let missing = [&lines[..1], &lines[2..]].concat().join("\n");
        assert!(read(&missing).unwrap_err().why.starts_with("line 2"));
        let swapped = [lines[1], lines[0]].join("\n");
        assert!(read(&swapped).is_err());
    }
}
