//! A line of text that is typed and edited with the keys of a shell.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use wharf_core::base::{clean, text};

/// Most characters in a line; the same as Linux terminals take in one line.
pub const LONGEST: usize = 4096;

/// A text and a cursor in it, whose position is counted in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// The text typed so far.
    pub text: String,
    /// How many characters stand before the cursor.
    pub cursor: usize,
}

impl Input {
    /// A text with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.chars().count(), text }
    }

    /// Edits the text as the key says; `false` if the key does not edit text.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char(c) if control && !alt => match c {
                'a' => self.cursor = 0,
                'e' => self.cursor = self.end(),
                'b' => self.cursor = self.cursor.saturating_sub(1),
                'f' => self.cursor = (self.cursor + 1).min(self.end()),
                'h' => self.delete_before(self.cursor.saturating_sub(1)),
                'd' => self.delete_after(self.cursor + 1),
                'k' => self.delete_after(self.end()),
                'u' => self.delete_before(0),
                'w' => self.delete_before(self.before(|c| !c.is_whitespace())),
                _ => return false,
            },
            KeyCode::Char(c) if alt && !control => match c {
                'b' => self.cursor = self.before(char::is_alphanumeric),
                'f' => self.cursor = self.after(char::is_alphanumeric),
                'd' => self.delete_after(self.after(char::is_alphanumeric)),
                _ => return false,
            },
            // Some keyboards type characters with control and alt together (AltGr).
            KeyCode::Char(c) => self.insert(c),
            KeyCode::Backspace if alt || control => self.delete_before(self.before(char::is_alphanumeric)),
            KeyCode::Backspace => self.delete_before(self.cursor.saturating_sub(1)),
            KeyCode::Delete if alt || control => self.delete_after(self.after(char::is_alphanumeric)),
            KeyCode::Delete => self.delete_after(self.cursor + 1),
            KeyCode::Left if alt || control => self.cursor = self.before(char::is_alphanumeric),
            KeyCode::Right if alt || control => self.cursor = self.after(char::is_alphanumeric),
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.end()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.end(),
            _ => return false,
        }
        true
    }

    /// Inserts pasted text, cleaned and on one line. Fails with the reason if it is too long.
    pub fn paste(&mut self, text: &str) -> Result<(), String> {
        fits(text)?;
        let line = clean::line(text.trim()).into_owned();
        let count = line.chars().count();
        if self.end() + count > LONGEST {
            return Err(too_long(self.end() + count));
        }
        let at = self.byte(self.cursor);
        self.text.insert_str(at, &line);
        self.cursor += count;
        Ok(())
    }

    /// The part of the text that fits into `columns`, and the cursor's column in it.
    pub fn window(&self, columns: usize) -> (String, usize) {
        let before = self.text.get(..self.byte(self.cursor)).unwrap_or_default();
        // The cursor itself takes a column, too.
        let mut hidden = 0;
        let mut width = before.width();
        for c in before.chars() {
            if width < columns.max(1) {
                break;
            }
            width -= c.width().unwrap_or(0);
            hidden += 1;
        }
        (self.text.chars().skip(hidden).collect(), width)
    }

    fn insert(&mut self, c: char) {
        if self.text.len() < LONGEST || self.end() < LONGEST {
            let at = self.byte(self.cursor);
            self.text.insert(at, c);
            self.cursor += 1;
        }
    }

    fn end(&self) -> usize {
        self.text.chars().count()
    }

    /// The position where the word before the cursor begins.
    fn before(&self, in_word: impl Fn(char) -> bool) -> usize {
        let before: Vec<char> = self.text.chars().take(self.cursor).collect();
        let gap = before.iter().rev().take_while(|c| !in_word(**c)).count();
        let word = before.iter().rev().skip(gap).take_while(|c| in_word(**c)).count();
        before.len() - gap - word
    }

    /// The position where the word after the cursor ends.
    fn after(&self, in_word: impl Fn(char) -> bool) -> usize {
        let after: Vec<char> = self.text.chars().skip(self.cursor).collect();
        let gap = after.iter().take_while(|c| !in_word(**c)).count();
        self.cursor + gap + after.iter().skip(gap).take_while(|c| in_word(**c)).count()
    }

    /// Removes the characters from a position up to the cursor.
    fn delete_before(&mut self, from: usize) {
        self.text.replace_range(self.byte(from)..self.byte(self.cursor), "");
        self.cursor = from;
    }

    /// Removes the characters from the cursor up to a position.
    fn delete_after(&mut self, to: usize) {
        self.text.replace_range(self.byte(self.cursor)..self.byte(to), "");
    }

    fn byte(&self, place: usize) -> usize {
        self.text.char_indices().nth(place).map_or(self.text.len(), |(at, _)| at)
    }
}

/// Whether a pasted text is short enough for a line; else the reason.
pub fn fits(text: &str) -> Result<(), String> {
    // A character takes at most four bytes: a far too long text is refused without counting its characters.
    if text.len() <= LONGEST {
        Ok(())
    } else {
        Some(text.chars().count()).filter(|count| *count > LONGEST).map_or(Ok(()), |count| Err(too_long(count)))
    }
}

fn too_long(count: usize) -> String {
    format!("not pasted: {} characters, and a line takes {}", text::count(count as u64), text::count(LONGEST as u64))
}

/// Whether a key leaves the text field: esc, or ctrl-c as in a shell.
pub fn leaves(key: &KeyEvent) -> bool {
    key.code == KeyCode::Esc || (key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL))
}

/// Whether a key cannot be part of a text: a function key, or one with control or alt.
pub fn is_command(key: &KeyEvent) -> bool {
    matches!(key.code, KeyCode::F(_)) || key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text after typing keys, with the cursor shown as `|`.
    fn after(text: &str, keys: &str) -> String {
        let mut input = Input::new(text);
        for key in keys.split(' ') {
            let (modifiers, name) = match key.split_once('-') {
                Some(("ctrl", name)) => (KeyModifiers::CONTROL, name),
                Some(("alt", name)) => (KeyModifiers::ALT, name),
                _ => (KeyModifiers::NONE, key),
            };
            let code = match name {
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "delete" => KeyCode::Delete,
                "backspace" => KeyCode::Backspace,
                letter => KeyCode::Char(letter.chars().next().unwrap()),
            };
            assert!(input.key(&KeyEvent::new(code, modifiers)), "{key}");
        }
        let at = input.byte(input.cursor);
        format!("{}|{}", &input.text[..at], &input.text[at..])
    }

    #[test]
    fn text_is_edited_as_in_a_shell() {
        for (text, keys, expected) in [
            ("one two", "ctrl-a x", "x|one two"),
            ("one two", "ctrl-a ctrl-e x", "one twox|"),
            ("one two", "ctrl-h", "one tw|"),
            ("one two", "home ctrl-d delete", "|e two"),
            ("one two", "alt-b ctrl-k", "one |"),
            ("one two", "left ctrl-u", "|o"),
            ("a path/of/it", "ctrl-w", "a |"),
            ("a path/of/it", "alt-backspace alt-backspace", "a path/|"),
            ("wörter  und", "home alt-f alt-d", "wörter|"),
            ("one two three", "ctrl-left alt-left ctrl-right", "one two| three"),
            ("one two", "home ctrl-f right ctrl-b end backspace", "one tw|"),
            ("日本", "left backspace", "|本"),
            ("", "ctrl-h ctrl-w ctrl-u ctrl-k ctrl-d alt-b alt-f alt-d left right", "|"),
        ] {
            assert_eq!(after(text, keys), expected, "{text} {keys}");
        }
        let mut input = Input::default();
        assert!(!input.key(&KeyEvent::from(KeyCode::Enter)));
        assert!(!input.key(&KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)));
    }

    #[test]
    fn what_is_pasted_is_one_clean_line_and_what_is_too_long_is_refused_whole() {
        let mut input = Input::new("gromacs ");
        assert_eq!(input.paste("a\nb\u{1b}"), Ok(()));
        assert_eq!(input.text, "gromacs a b\u{fffd}");
        let why = input.paste(&"é".repeat(LONGEST)).unwrap_err();
        assert!(why.contains("4,10") && why.contains("4,096"), "{why}");
        assert_eq!(input.text, "gromacs a b\u{fffd}", "nothing of it is taken");
        let mut full = Input::new("x".repeat(LONGEST));
        full.key(&KeyEvent::from(KeyCode::Char('y')));
        assert_eq!(full.text.len(), LONGEST);
    }

    #[test]
    fn the_cursor_of_a_long_text_is_in_sight() {
        let mut input = Input::new("0123456789");
        assert_eq!(input.window(20), ("0123456789".into(), 10));
        assert_eq!(input.window(5), ("6789".into(), 4));
        input.cursor = 2;
        assert_eq!(input.window(5), ("0123456789".into(), 2));
    }
}
