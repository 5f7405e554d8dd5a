//! Reading a TOML file and reporting all its mistakes at once.

use serde::de::DeserializeOwned;

use super::{clean, text::line_of};

/// Most mistakes of a file that are reported.
pub const MOST: usize = 20;

/// A mistake in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with that line, as one sentence.
    pub words: String,
}

/// Reads a file; returns the value without the faulty lines, if that can be used, and all mistakes.
pub fn parse<T: DeserializeOwned>(text: &str) -> (Option<T>, Vec<Mistake>) {
    let (value, mut mistakes) = parse_leniently(text);
    mistakes.sort_by_key(|mistake| mistake.line);
    (value, mistakes)
}

fn parse_leniently<T: DeserializeOwned>(text: &str) -> (Option<T>, Vec<Mistake>) {
    let mut left = text.to_owned();
    let mut mistakes: Vec<Mistake> = Vec::new();
    loop {
        let error = match toml::from_str(&left) {
            Ok(value) => return (Some(value), mistakes),
            Err(error) => error,
        };
        let line = line_of(&left, error.span().map(|span| span.start));
        // If the file is no TOML only without that line, then the line itself was no mistake.
        let broken = toml::from_str::<toml::Table>(&left).is_err();
        if mistakes.len() == MOST || broken && !mistakes.is_empty() || mistakes.iter().any(|known| known.line == line) {
            return (None, mistakes);
        }
        let written = left.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        mistakes.push(Mistake { line, words: describe_message(error.message(), written) });
        if broken {
            return (None, mistakes);
        }
        left = without(&left, line);
    }
}

/// The text with this line emptied; all other lines keep their numbers. With the header of a table, the table goes: its
/// lines would else belong to the table before.
fn without(text: &str, line: usize) -> String {
    let is_header = |words: &str| words.trim_start().starts_with('[');
    let mut in_table = false;
    let lines = text.lines().enumerate().map(|(at, words)| {
        if at + 1 == line {
            in_table = is_header(words);
            return "";
        }
        in_table = in_table && !is_header(words);
        if in_table { "" } else { words }
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is wrong, in the words of the reader of TOML; a table that should be a list says how that is written.
fn describe_message(message: &str, header: &str) -> String {
    let words = clean::line(message);
    match header.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(name) if message.contains("invalid type: map, expected a sequence") => {
            format!("{words}: write [[{}]], once for each", clean::short(name, 40))
        }
        _ => words.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        name: Option<String>,
        size: Option<u8>,
    }

    #[test]
    fn every_wrong_line_is_told_and_the_others_are_used() {
        let (file, mistakes) = parse::<File>("colour = 1\nname = \"a\"\nsize = \"large\"\nshape = [\"x\"]\n");
        assert_eq!(file, Some(File { name: Some("a".into()), size: None }));
        assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1, 3, 4]);
        assert!(mistakes[0].words.contains("colour") && mistakes[2].words.contains("shape"), "{mistakes:?}");
    }

    #[test]
    fn what_is_no_toml_is_one_mistake_and_nothing_of_it_is_used() {
        let (file, mistakes) = parse::<File>("name = \"a\"\nsize = = 3\nshape = 1\n");
        assert_eq!((file, mistakes.len(), mistakes[0].line), (None, 1, 2));
        let (file, mistakes) = parse::<File>("shape = [\n  1,\n]\nname = 3\n");
        assert_eq!(file, None, "a value of several lines is not taken apart");
        assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1, 4]);
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Lists {
        entry: Vec<toml::Table>,
        last: Option<u8>,
    }

    #[test]
    fn a_wrong_header_is_one_mistake_and_its_lines_are_none() {
        let (lists, mistakes) = parse::<Lists>("[[entrys]]\nname = 1\nlast = 2\n[[entry]]\nname = 3\n");
        assert_eq!(mistakes.iter().map(|mistake| mistake.line).collect::<Vec<_>>(), [1], "{mistakes:?}");
        assert_eq!(lists.unwrap().entry.len(), 1);
        let (_, mistakes) = parse::<Lists>("[entry]\nname = 1\n");
        assert!(mistakes.len() == 1 && mistakes[0].words.contains("write [[entry]]"), "{mistakes:?}");
    }
}
