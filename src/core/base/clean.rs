//! Cleaning text from outside, so that nothing in it controls a terminal.
//!
//! Names, annotations and messages may contain escape sequences, bidirectional overrides, or invisible characters that
//! make one name look like another. Adapters clean such text once, when they read it.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// What a removed character is replaced by, so that a manipulated name does not look like the real one.
const MARK: char = '\u{FFFD}';

/// Whether a character may be shown unchanged on a line.
fn is_plain(c: char) -> bool {
    !(c.is_control()
        || is_blank(c)
        || matches!(c,
            '\u{00AD}' | '\u{034F}' | '\u{061C}' | '\u{115F}' | '\u{1160}' | '\u{17B4}' | '\u{17B5}' | '\u{180B}'..='\u{180F}'
            | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{3164}'
            | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}' | '\u{FFF0}'..='\u{FFFB}'
            | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0000}'..='\u{E0FFF}'))
}

/// Whether a character is not seen, or stands for one that was not.
pub(super) fn is_hidden(c: char) -> bool {
    c == MARK || !is_plain(c)
}

/// Whether an invisible character belongs to the one before it: a joiner inside a word of a script that uses joiners,
/// or between the parts of an emoji; a variation selector after an emoji or ideograph. Elsewhere it could hide in a
/// name. (Unicode Standard, 23.2 and 23.4; RFC 5892, appendix A; UTS #51, section 2.)
fn belongs(c: char, before: char, after: Option<char>) -> bool {
    let follows = |fits: fn(char) -> bool| after.is_none_or(fits);
    match c {
        '\u{200C}' => is_joined(before) && (is_virama(before) || follows(is_joined)),
        '\u{200D}' if is_joined(before) => is_virama(before) || follows(is_joined),
        '\u{200D}' => {
            (is_picture(before) || matches!(before, '\u{FE0F}' | '\u{1F3FB}'..='\u{1F3FF}')) && follows(is_picture)
        }
        '\u{FE0E}' | '\u{FE0F}' if matches!(before, '0'..='9' | '#' | '*') => follows(|c| c == '\u{20E3}'),
        '\u{FE0E}' | '\u{FE0F}' => is_picture(before) || is_ideograph(before),
        '\u{FE00}'..='\u{FE0D}' => {
            is_ideograph(before) || is_picture(before) || matches!(before, '\u{1000}'..='\u{109F}')
        }
        '\u{E0100}'..='\u{E01EF}' => is_ideograph(before),
        '\u{180B}'..='\u{180D}' => matches!(before, '\u{1820}'..='\u{18AA}'),
        _ => false,
    }
}

/// Whether a character belongs to a script that uses joiners.
fn is_joined(c: char) -> bool {
    is_plain(c)
        && matches!(c,
            '\u{0620}'..='\u{109F}' | '\u{1780}'..='\u{18AF}' | '\u{1A20}'..='\u{1AAF}' | '\u{1B00}'..='\u{1C4F}'
            | '\u{A800}'..='\u{AAFF}' | '\u{ABC0}'..='\u{ABFF}' | '\u{FB50}'..='\u{FDFF}' | '\u{FE70}'..='\u{FEFC}'
            | '\u{10A00}'..='\u{10FFF}' | '\u{11000}'..='\u{11FFF}' | '\u{1E900}'..='\u{1E95F}')
}

/// Whether it is a virama, which removes a letter's vowel; after it a joiner may end a word.
fn is_virama(c: char) -> bool {
    matches!(
        c,
        '\u{094D}'
            | '\u{09CD}'
            | '\u{0A4D}'
            | '\u{0ACD}'
            | '\u{0B4D}'
            | '\u{0BCD}'
            | '\u{0C4D}'
            | '\u{0CCD}'
            | '\u{0D4D}'
            | '\u{0DCA}'
            | '\u{1039}'
            | '\u{103A}'
            | '\u{17D2}'
    )
}

/// Whether it may be shown as an emoji.
fn is_picture(c: char) -> bool {
    matches!(c,
        '\u{A9}' | '\u{AE}' | '\u{203C}' | '\u{2049}' | '\u{2122}' | '\u{2139}' | '\u{2190}'..='\u{2BFF}' | '\u{3030}'
        | '\u{303D}' | '\u{3297}' | '\u{3299}' | '\u{1F000}'..='\u{1FAFF}')
        && !is_blank(c)
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3001}' | '\u{3002}' | '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{FF00}'..='\u{FF60}' | '\u{20000}'..='\u{3FFFD}')
}

/// The characters as they are shown, each judged with its neighbours.
fn shown(text: &str, mut show: impl FnMut(char) -> Option<char>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = without_piles(text).peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let is = if belongs(c, before, Some(chars.peek().copied().unwrap_or(' '))) { Some(c) } else { show(c) };
        if let Some(is) = is {
            out.push(is);
            before = is;
        }
    }
    out
}

/// Whether it looks like a space but is none.
fn is_blank(c: char) -> bool {
    matches!(c, '\u{A0}' | '\u{1680}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' | '\u{2800}' | '\u{3000}')
}

/// Most combining marks on a letter: no script needs more, and many of them cover the lines around it.
const MARKS: usize = 4;

/// The characters without combining marks beyond [`MARKS`] on one letter.
fn without_piles(text: &str) -> impl Iterator<Item = char> {
    let mut piled = 0;
    text.chars().filter(move |c| {
        piled = if !c.is_control() && c.width() == Some(0) { piled + 1 } else { 0 };
        piled <= MARKS
    })
}

/// One clean line: control, bidi and zero-width characters become `U+FFFD`, white space a space.
///
/// ```
/// # use wharf_core::base::clean::line;
/// assert_eq!(line("gro\u{1b}[31mmacs"), "gro\u{fffd}[31mmacs");
/// assert_eq!(line("two\nlines"), "two lines");
/// ```
pub fn line(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && text.chars().all(is_plain)
        || text.chars().all(is_plain) && without_piles(text).count() == text.chars().count()
    {
        return Cow::Borrowed(text);
    }
    Cow::Owned(shown(text, |c| {
        Some(match c {
            '\n' | '\t' | '\r' => ' ',
            c if is_blank(c) => ' ',
            c if is_plain(c) => c,
            _ => MARK,
        })
    }))
}

/// Cleans text but keeps its line breaks; tabs become four spaces.
pub fn lines(text: &str) -> String {
    let clean = shown(text, |c| match c {
        '\n' | '\t' => Some(c),
        c if is_blank(c) => Some(' '),
        '\r' => None,
        c if is_plain(c) => Some(c),
        _ => Some(MARK),
    });
    if clean.contains('\t') { clean.replace('\t', "    ") } else { clean }
}

/// Cleans text to one line of at most `most` characters; a cut line ends in `…`.
pub fn short(text: &str, most: usize) -> String {
    let clean = line(text);
    if clean.chars().count() <= most {
        return clean.into_owned();
    }
    let mut cut: String = clean.chars().take(most.saturating_sub(1)).collect();
    cut.push('…');
    cut
}

/// JSON in which everything that may not be shown is escaped; it means the same to programs.
pub fn json(text: &str) -> Cow<'_, str> {
    // Outside of strings, JSON contains no such characters but line breaks.
    let fits = |c: char| c == '\n' || is_plain(c);
    if text.chars().all(fits) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if fits(c) {
            escaped.push(c);
        } else {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
        }
    }
    Cow::Owned(escaped)
}

/// Removes from a program's output what a log does not need, piece by piece as it arrives.
///
/// Text, line breaks, tabs, colours and "clear to the end of this line" are kept. Titles, the clipboard, cursor
/// movements, the screen, queries to the terminal and hidden characters are removed. (ECMA-48, section 5.4; xterm's
/// control sequences.)
#[derive(Debug, Default)]
pub struct Output {
    state: Sequence,
    /// The bytes of a character that has not arrived completely.
    partial: Vec<u8>,
    coloured: bool,
    /// The last character that was shown.
    before: char,
}

/// Where in an escape sequence the stream is.
#[derive(Debug, Default)]
enum Sequence {
    #[default]
    None,
    /// After ESC and its intermediate bytes.
    Escape,
    /// A control sequence so far, without its introducer.
    Control(String),
    /// A string for the terminal, which is dropped; `true` if the last byte was ESC, which begins its end.
    Text(bool),
}

/// Longest control sequence for colours.
const LONGEST_CONTROL: usize = 64;

impl Output {
    /// What may be shown of the next bytes.
    pub fn pass(&mut self, bytes: &[u8]) -> String {
        let mut all = std::mem::take(&mut self.partial);
        all.extend_from_slice(bytes);
        let mut shown = String::with_capacity(all.len());
        let chunks: Vec<_> = all.utf8_chunks().collect();
        let last = chunks.len().saturating_sub(1);
        for (number, chunk) in chunks.into_iter().enumerate() {
            chunk.valid().chars().for_each(|c| self.take(c, &mut shown));
            let invalid = chunk.invalid();
            // The character may continue in the next piece; every other one cannot be read.
            if number == last
                && invalid.len() < 4
                && std::str::from_utf8(invalid).is_err_and(|e| e.error_len().is_none())
            {
                self.partial = invalid.to_vec();
            } else if !invalid.is_empty() {
                self.take(MARK, &mut shown);
            }
        }
        shown
    }

    /// What to print at the end: the reset of colours, if some were set.
    pub fn finish(&mut self) -> &'static str {
        if std::mem::take(&mut self.coloured) { "\u{1b}[0m" } else { "" }
    }

    fn take(&mut self, c: char, shown: &mut String) {
        // A line break ends every sequence, so that none can swallow the lines after it.
        if c == '\n' {
            self.state = Sequence::None;
            return shown.push(c);
        }
        match std::mem::take(&mut self.state) {
            Sequence::None => match c {
                '\u{1b}' => self.state = Sequence::Escape,
                '\u{7}' | '\0' => {}
                '\t' | '\r' => shown.push(c),
                // The character after it is not known yet.
                c => {
                    self.before = if is_plain(c) || belongs(c, self.before, None) { c } else { MARK };
                    shown.push(self.before);
                }
            },
            Sequence::Escape => match c {
                '[' => self.state = Sequence::Control(String::new()),
                ']' | 'P' | 'X' | '^' | '_' => self.state = Sequence::Text(false),
                '\u{1b}' | ' '..='/' => self.state = Sequence::Escape,
                _ => {}
            },
            Sequence::Control(mut so_far) => match c {
                '\u{1b}' => self.state = Sequence::Escape,
                ' '..='?' if so_far.len() < LONGEST_CONTROL => {
                    so_far.push(c);
                    self.state = Sequence::Control(so_far);
                }
                'm' | 'K' if so_far.chars().all(|c| c.is_ascii_digit() || matches!(c, ';' | ':')) => {
                    self.coloured |= c == 'm';
                    shown.push_str(&format!("\u{1b}[{so_far}{c}"));
                }
                _ => {}
            },
            Sequence::Text(ending) => match c {
                '\u{7}' | '\u{9c}' | '\u{18}' | '\u{1a}' => {}
                '\\' if ending => {}
                c => self.state = Sequence::Text(c == '\u{1b}'),
            },
        }
    }
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

    fn may_belong(c: char) -> bool {
        matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}' | '\u{180B}'..='\u{180D}' | '\u{E0100}'..='\u{E01EF}')
    }

    #[test]
    fn joiners_and_forms_stay_where_a_script_or_a_picture_has_them_and_are_marked_where_they_hide() {
        for good in [
            "\u{6a9}\u{62a}\u{627}\u{628}\u{200c}\u{62e}\u{627}\u{646}\u{647}",
            "\u{915}\u{94d}\u{200d}\u{937} \u{930}\u{94d}\u{200d}",
            "\u{2764}\u{fe0f}\u{200d}\u{1f525} x",
            "\u{1f469}\u{1f3fd}\u{200d}\u{1f4bb}",
            "\u{2139}\u{fe0f} 1\u{fe0f}\u{20e3}",
            "\u{845b}\u{e0100}",
        ] {
            assert_eq!(line(good), good);
            assert_eq!(lines(good), good);
            assert_eq!(passed(&[good.as_bytes()]), good);
        }
        for (hidden, marked) in [
            ("gro\u{200d}macs", "gro\u{fffd}macs"),
            ("a\u{fe0f}b", "a\u{fffd}b"),
            ("\u{200d}\u{1f525}", "\u{fffd}\u{1f525}"),
            ("\u{628}\u{200c}x", "\u{628}\u{fffd}x"),
            ("\u{1f525}\u{200d}a", "\u{1f525}\u{fffd}a"),
            ("1\u{fe0f}2", "1\u{fffd}2"),
            ("\u{628}\u{200c}\u{200c}\u{628}", "\u{628}\u{fffd}\u{fffd}\u{628}"),
            ("\u{628}\u{202e}\u{628}", "\u{628}\u{fffd}\u{628}"),
        ] {
            assert_eq!(line(hidden), marked, "{hidden:?}");
        }
    }

    #[test]
    fn piles_of_marks_and_false_spaces_are_taken_away() {
        let zalgo = format!("a{}b", "\u{301}".repeat(300));
        assert_eq!(line(&zalgo), format!("a{}b", "\u{301}".repeat(MARKS)));
        assert_eq!(lines(&zalgo).chars().count(), 2 + MARKS);
        assert_eq!(line("e\u{301}tage"), "e\u{301}tage");
        assert_eq!(line("✓\u{a0}ok\u{2800}x\u{3000}y"), "✓ ok x y");
        assert_eq!(line("a\u{2028}b\u{2029}c\u{85}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
    }

    #[test]
    fn line_breaks_survive_where_they_are_wanted() {
        assert_eq!(lines("a\r\nb\tc\u{1b}"), "a\nb    c\u{fffd}");
    }

    #[test]
    fn json_says_the_same_without_anything_that_a_terminal_would_obey() {
        let value = serde_json::json!({"a": "\u{9b}31m\u{202e}\u{1b}[2J\u{e0041}\n"});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let shown = json(&text);
        assert!(shown.chars().all(|c| c == '\n' || is_plain(c)), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    fn passed(pieces: &[&[u8]]) -> String {
        let mut output = Output::default();
        pieces.iter().map(|piece| output.pass(piece)).collect::<String>() + output.finish()
    }

    #[test]
    fn output_keeps_text_and_colours_and_loses_what_commands_the_terminal() {
        assert_eq!(
            passed(&[b"one\ttwo\r\n\x1b[1;31mred\x1b[K\x1b[0m"]),
            "one\ttwo\r\n\u{1b}[1;31mred\u{1b}[K\u{1b}[0m\u{1b}[0m"
        );
        for command in [
            "\x1b]52;c;ZXZpbA==\x07",
            "\x1b]0;title\x1b\\",
            "\x1b[2J",
            "\x1b[6n",
            "\x1bc",
            "\x1b(0",
            "\x1bP+q\x1b\\",
            "\x1b[?1049h",
        ] {
            assert_eq!(passed(&[b"a", command.as_bytes(), b"b"]), "ab", "{command:?}");
            let bytes: Vec<&[u8]> = command.as_bytes().chunks(1).collect();
            assert_eq!(passed(&bytes), "", "{command:?} byte by byte");
        }
        assert_eq!(passed(&["\u{9b}31m\u{202e}".as_bytes(), b"\x9b\x08"]), "\u{fffd}31m\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(passed(&[b"\xc3", b"\xa9"]), "\u{e9}", "a character in two pieces");
        assert_eq!(passed(&[b"\x1b]0;never ended\nnext line"]), "\nnext line", "no line is swallowed");
    }

    proptest::proptest! {
        #[test]
        fn output_commands_nothing_however_it_comes(pieces in proptest::collection::vec(proptest::collection::vec(proptest::prelude::any::<u8>(), 0..20), 0..20)) {
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let shown = passed(&pieces);
            for (at, _) in shown.match_indices('\u{1b}') {
                let rest = &shown[at + 1..];
                let end = rest.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                proptest::prop_assert!(rest.starts_with('[') && matches!(&rest[end..=end], "m" | "K"));
            }
            let fits = |c| matches!(c, '\n' | '\t' | '\r' | '\u{1b}') || may_belong(c) || is_plain(c);
            proptest::prop_assert!(shown.chars().all(fits));
        }

        #[test]
        fn cleaned_text_never_holds_a_control_character(text in "\\PC*|.*") {
            proptest::prop_assert!(line(&text).chars().all(|c| is_plain(c) || may_belong(c)));
            proptest::prop_assert_eq!(line(&line(&text)).into_owned(), line(&text).into_owned());
        }
    }
}
