//! How serious a line of output is, by the words that programs begin their lines with.

/// A level of output, the least serious first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For whoever looks for a mistake in the program.
    Debug,
    /// The usual course of things.
    Info,
    /// Something to know.
    Note,
    /// Something that may go wrong.
    Warning,
    /// Something that went wrong.
    Error,
}

/// The words of each level, as syslog (RFC 5424, section 6.2.1) and the usual libraries write them.
const WORDS: [(Level, &[&str]); 5] = [
    (Level::Debug, &["DEBUG", "TRACE", "VERBOSE"]),
    (Level::Info, &["INFO"]),
    (Level::Note, &["NOTE", "NOTICE"]),
    (Level::Warning, &["WARN", "WARNING"]),
    (Level::Error, &["ERROR", "ERR", "FATAL", "CRITICAL", "CRIT", "SEVERE", "ALERT", "EMERG", "PANIC"]),
];

/// How many letters at the beginning of a line may hold the word of its level: programs write a time and a name first.
const BEGINNING: usize = 40;

impl Level {
    /// The level in a word, as settings and screens have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Note => "note",
            Self::Warning => "warn",
            Self::Error => "error",
        }
    }

    /// The level that a word means, in capital or small letters; `None` for any other word.
    pub fn named(word: &str) -> Option<Self> {
        WORDS
            .iter()
            .find(|(_, words)| words.iter().any(|known| known.eq_ignore_ascii_case(word)))
            .map(|(level, _)| *level)
    }

    /// The level of a line: of the `level` in a line of JSON, else of a word in the first 40 letters that is written as
    /// levels are: `ERROR`, `[error]`, `level=error`, `Error:`. `None` where there is none.
    pub fn of(line: &str) -> Option<Self> {
        let line = line.trim_start();
        if line.starts_with('{') {
            return ["\"level\"", "\"severity\""].into_iter().find_map(|key| in_json(line, key));
        }
        let end = line.char_indices().nth(BEGINNING).map_or(line.len(), |(at, _)| at);
        // A word that begins there is read to its end.
        let end = line
            .get(end..)
            .and_then(|rest| rest.find(|c: char| !c.is_alphanumeric()))
            .map_or(line.len(), |more| end + more);
        let beginning = line.get(..end)?;
        let mut from = 0;
        for word in beginning.split(|c: char| !c.is_alphanumeric()) {
            let at = from;
            from = at + word.len() + beginning.get(at + word.len()..)?.chars().next().map_or(0, char::len_utf8);
            if let Some(level) = Self::named(word).filter(|_| is_written_as_level(line, at, word)) {
                return Some(level);
            }
        }
        None
    }
}

/// Whether a word at a byte of the line stands there as levels do, and not as part of a sentence.
fn is_written_as_level(line: &str, at: usize, word: &str) -> bool {
    let before = line.get(..at).unwrap_or_default();
    let after = line.get(at + word.len()..).unwrap_or_default();
    let is_capital = word.chars().all(char::is_uppercase);
    let is_bracketed = before.ends_with(['[', '<']) && after.starts_with([']', '>']);
    let is_field = before.ends_with("level=") || before.ends_with("level=\"");
    let begins = before.is_empty() || word.starts_with(char::is_uppercase);
    is_capital || is_bracketed || is_field || (begins && after.starts_with(':'))
}

/// The level that a key of a line of JSON has.
fn in_json(line: &str, key: &str) -> Option<Level> {
    let rest = line.get(line.find(key)? + key.len()..)?.trim_start().strip_prefix(':')?.trim_start();
    let word = rest.strip_prefix('"')?.split('"').next()?;
    Level::named(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_read_where_programs_write_them() {
        for (line, level) in [
            ("12:42:41  ERROR could not write checkpoint", Some(Level::Error)),
            ("2025-11-24T12:43:07.123Z  WARN wharf::tui: slow", Some(Level::Warning)),
            ("2025/11/24 12:43:07 [error] 31#31: *1 open() failed", Some(Level::Error)),
            ("time=\"2025\" level=warning msg=x", Some(Level::Warning)),
            ("time=\"2025\" level=\"info\" msg=x", Some(Level::Info)),
            ("{\"ts\":1,\"level\": \"error\",\"msg\":\"x\"}", Some(Level::Error)),
            ("{\"severity\":\"NOTICE\"}", Some(Level::Note)),
            ("error: could not compile", Some(Level::Error)),
            ("step 7 Error: could not write", Some(Level::Error)),
            ("DEBUG x", Some(Level::Debug)),
            ("FATAL:  password authentication failed", Some(Level::Error)),
            ("日本語 ERROR", Some(Level::Error)),
        ] {
            assert_eq!(Level::of(line), level, "{line}");
        }
    }

    #[test]
    fn words_of_a_sentence_are_no_levels() {
        for line in [
            "",
            "no error so far",
            "info about the run",
            "the word comes too late in this long line: ERROR",
            "TERRORS and INFORMATION",
            "{\"message\":\"ERROR\"}",
            "{\"level\":30}",
        ] {
            assert_eq!(Level::of(line), None, "{line}");
        }
        assert!(Level::Error > Level::Warning && Level::Debug < Level::Info);
        assert!(WORDS.iter().all(|(level, _)| Level::named(level.word()) == Some(*level)));
    }
}
