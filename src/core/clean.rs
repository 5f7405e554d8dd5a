//! Cleaning of foreign text: nothing from outside reaches a terminal as it came.
//!
//! Names, annotations and messages may carry escape sequences, bidirectional overrides or
//! zero-width characters that make one name look like another. Adapters clean once, on entry.

use std::borrow::Cow;

/// What a removed character is shown as, so that a doctored name does not look like the honest one.
const MARK: char = '\u{FFFD}';

/// Whether a character may be shown as it is on one line.
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'))
}

/// One clean line: control, bidi and zero-width characters become `U+FFFD`, white space a space.
///
/// ```
/// # use wharf::core::clean::line;
/// assert_eq!(line("gro\u{1b}[31mmacs"), "gro\u{fffd}[31mmacs");
/// assert_eq!(line("two\nlines"), "two lines");
/// ```
pub fn line(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.chars()
            .map(|c| match c {
                '\n' | '\t' | '\r' => ' ',
                c if is_plain(c) => c,
                _ => MARK,
            })
            .collect(),
    )
}

/// Clean text that keeps its line breaks; tabs become four spaces.
pub fn lines(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => clean.push('\n'),
            '\r' => {}
            '\t' => clean.push_str("    "),
            c if is_plain(c) => clean.push(c),
            _ => clean.push(MARK),
        }
    }
    clean
}

/// A clean line of at most `most` characters; a longer one ends in an ellipsis.
pub fn short(text: &str, most: usize) -> String {
    let clean = line(text);
    if clean.chars().count() <= most {
        return clean.into_owned();
    }
    let mut cut: String = clean.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_bidi_and_zero_width_characters_are_marked() {
        assert_eq!(line("a\u{202e}b\u{200b}c\u{7}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(line("\u{9b}31m"), "\u{fffd}31m");
        assert_eq!(line("plain ünïcode 日本"), "plain ünïcode 日本");
    }

    #[test]
    fn line_breaks_survive_where_they_are_wanted() {
        assert_eq!(lines("a\r\nb\tc\u{1b}"), "a\nb    c\u{fffd}");
    }

    proptest::proptest! {
        #[test]
        fn cleaned_text_never_holds_a_control_character(text in "\\PC*|.*") {
            proptest::prop_assert!(line(&text).chars().all(is_plain));
            proptest::prop_assert_eq!(line(&line(&text)).into_owned(), line(&text).into_owned());
        }
    }
}
