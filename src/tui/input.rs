//! One line of typed text.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

/// Text with a cursor, counted in characters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    /// What was typed.
    pub text: String,
    /// Characters before the cursor.
    pub cursor: usize,
}

impl Input {
    /// Text with the cursor at its end.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { cursor: text.chars().count(), text }
    }

    /// Takes a key; `false` if it is none that edits text.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => *self = Self::default(),
            KeyCode::Char('w') if control => {
                let kept = self.text.chars().take(self.cursor).collect::<String>();
                let kept = kept.trim_end().rfind(' ').map_or("", |at| &kept[..=at]).to_owned();
                let rest: String = self.text.chars().skip(self.cursor).collect();
                self.cursor = kept.chars().count();
                self.text = kept + &rest;
            }
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => self.insert(c),
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                let at = self.byte();
                self.text.remove(at);
            }
            KeyCode::Backspace => {}
            KeyCode::Delete => {
                let at = self.byte();
                if at < self.text.len() {
                    self.text.remove(at);
                }
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.chars().count()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.chars().count(),
            _ => return false,
        }
        true
    }

    /// Inserts pasted text as one clean line.
    pub fn paste(&mut self, text: &str) {
        for c in crate::core::clean::line(text.trim()).chars() {
            self.insert(c);
        }
    }

    fn insert(&mut self, c: char) {
        let at = self.byte();
        self.text.insert(at, c);
        self.cursor += 1;
    }

    fn byte(&self) -> usize {
        self.text.char_indices().nth(self.cursor).map_or(self.text.len(), |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_in_the_middle_of_wide_text() {
        let mut input = Input::new("grömacs kind:vm");
        for code in [KeyCode::Home, KeyCode::Right, KeyCode::Right, KeyCode::Delete, KeyCode::Char('o')] {
            assert!(input.key(&KeyEvent::from(code)));
        }
        assert_eq!(input.text, "gromacs kind:vm");
        input.key(&KeyEvent::from(KeyCode::End));
        input.key(&KeyEvent::new(KeyCode::Char('w'), KeyModifiers::CONTROL));
        assert_eq!((input.text.as_str(), input.cursor), ("gromacs ", 8));
        input.paste("a\nb\u{1b}");
        assert_eq!(input.text, "gromacs a b\u{fffd}");
        assert!(!input.key(&KeyEvent::from(KeyCode::Enter)));
    }
}
