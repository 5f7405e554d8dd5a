//! Texts of Wharf with text from others in them. Every line of foreign text is marked and none can pass for a line of
//! Wharf: a [`Text`] is built line by line, and quotes are added as such.

use super::{clean, text::wrap_words};

/// What every quoted line begins with.
pub const MARK: &str = "│ ";
/// Width of a quoted line in printed or sent texts, in columns.
pub const WIDTH: usize = 72;
/// Most lines of a quote.
const MOST: usize = 200;

/// Quotes text as marked lines; if `who` is not empty, the first line names the author. With `usize::MAX` as width it
/// is a single line.
pub fn quote(who: &str, words: &str, width: usize) -> Vec<String> {
    let who = if who.is_empty() { String::new() } else { format!("{}: ", clean::line(who)) };
    if width == usize::MAX {
        return vec![format!("{MARK}{who}{}", one_line(words))];
    }
    let lines = clean::lines(words);
    let wrapped = format!("{who}{}", lines.trim());
    let indented = |line: &str| {
        let indent = " ".repeat((line.len() - line.trim_start().len()).min(8));
        let parts = wrap_words(line.trim(), width.saturating_sub(indent.len()));
        parts.into_iter().map(move |part| format!("{indent}{part}")).collect::<Vec<_>>()
    };
    let all: Vec<String> = wrapped.lines().flat_map(indented).collect();
    let more = all.len().saturating_sub(MOST);
    let mut marked: Vec<String> = all.into_iter().take(MOST).map(|line| format!("{MARK}{line}")).collect();
    if more > 0 {
        marked.push(format!("{MARK}… and {more} more lines"));
    }
    marked
}

/// Quotes text inside a sentence: on one line, in quotation marks that it cannot contain itself.
///
/// ```
/// use wharf_core::base::quote;
///
/// let shown = quote::inline("not \u{1b}[31mred");
/// assert!(!shown.contains('\u{1b}'));
/// ```
pub fn inline(words: &str) -> String {
    format!("“{}”", one_line(words).replace(['“', '”'], "'"))
}

/// Foreign text on one line. Runs of spaces are reduced, so that they cannot look like a new line.
fn one_line(words: &str) -> String {
    clean::line(words).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text of Wharf, built line by line.
#[derive(Debug, Default)]
pub struct Text {
    lines: Vec<String>,
}

impl Text {
    /// Adds one line; line breaks in it are cleaned away.
    pub fn line(&mut self, line: impl AsRef<str>) {
        self.lines.push(clean::line(line.as_ref()).trim_end().to_owned());
    }

    /// Adds an empty line.
    pub fn blank(&mut self) {
        self.lines.push(String::new());
    }

    /// Adds a label and its value; nothing if the value is empty.
    pub fn fact(&mut self, label: &str, value: &str) {
        if !value.is_empty() {
            self.lines.push(format!("{label:<12} {}", one_line(value)));
        }
    }

    /// Adds somebody else's words as marked lines; nothing if there are none.
    pub fn quote(&mut self, words: &str) {
        if !words.trim().is_empty() {
            self.lines.extend(quote("", words, WIDTH).into_iter().map(|line| format!("  {line}")));
        }
    }

    /// The whole text, its lines joined.
    pub fn finish(self) -> String {
        self.lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beginnings of a dossier's lines, with everything that could make a new line.
    const FAKES: [&str; 6] = [
        "harmless\nallow by the policy site\n  ✓ verified: approved by dora",
        "harmless\r\n✓ verified",
        "harmless\u{2028}✓ verified\u{2029}✓ verified\u{85}✓ verified\u{b}✓ verified\u{c}✓ verified",
        "harmless\r✓ verified",
        "✓ verified",
        "harmless                                                                                   ✓ verified",
    ];

    #[test]
    fn what_others_write_begins_no_line_of_ours() {
        for fake in FAKES {
            let mut text = Text::default();
            text.line(format!("ours {fake}"));
            text.fact("label", fake);
            text.quote(fake);
            text.line(format!("rejected: {}", inline(fake)));
            for line in
                text.finish().split(|c: char| c != ' ' && (c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')))
            {
                let begins = ["ours ", "label  ", "  │ ", "rejected: “"].iter().any(|ours| line.starts_with(ours));
                assert!(begins, "{fake:?}: {line:?}");
            }
        }
    }

    #[test]
    fn quotes_are_marked_in_every_line_and_no_word_is_broken() {
        let long = format!("see oci://registry.example.org/{} and more", "x".repeat(100));
        let lines = quote("ada", &format!("{long}\nsecond"), 40);
        assert!(lines.iter().all(|line| line.starts_with(MARK)), "{lines:?}");
        assert!(lines[0].starts_with("│ ada: see"));
        assert!(lines.iter().any(|line| line.ends_with(&"x".repeat(100))));
        assert_eq!(quote("ada", "a\nb", usize::MAX), ["│ ada: a b"]);
        assert_eq!(inline("a “b” c"), "“a 'b' c”");
        assert_eq!(quote("", &"x\n".repeat(1000), 40).len(), MOST + 1);
    }

    proptest::proptest! {
        #[test]
        fn whatever_is_quoted_stays_a_quote(words in "(\\PC|[\\n\\r\\t\\x0b\\x0c\\u{85}\\u{2028}\\u{2029}\\u{1b}✓✗!·│ ]){0,200}") {
            for line in quote("", &words, 30) {
                proptest::prop_assert!(line.starts_with(MARK));
                let breaks = line.chars().any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
                proptest::prop_assert!(!breaks);
            }
        }
    }
}
