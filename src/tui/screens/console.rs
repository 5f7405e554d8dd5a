//! A terminal inside a workload, or of the person's editor, shown in the screen. All keys go to it except ctrl-], which leaves.

use bytes::Bytes;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::{Frame, layout::Rect, text::Line};
use tui_term::widget::PseudoTerminal;

use crate::{
    kit::{
        action::Action,
        layout,
        theme::Theme,
        widgets::{above, fit, put, row},
    },
    model::Model,
    msg::{Effect, Navigation, RunEffect, Slot},
};
use wharf_core::base::error::Error;

/// The page of an embedded terminal.
pub struct Page {
    /// The path in the header.
    path: String,
    /// What is in the terminal, and how to leave it.
    about: String,
    /// What the terminal shows: its output, interpreted as a VT100.
    pub parser: vt100::Parser,
    /// How the terminal ended; `None` while it is open.
    pub ended: Option<Result<(), Error>>,
}

impl std::fmt::Debug for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Page").field("path", &self.path).field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The size of the embedded terminal on a screen of this size (columns, lines): the lines around it are Wharf's own.
pub fn inner(size: (u16, u16)) -> (u16, u16) {
    let body = layout::chrome(Rect::new(0, 0, size.0, size.1), false).body;
    (body.width.max(1), body.height.saturating_sub(1).max(1))
}

impl Page {
    /// The page of a terminal that has no output yet: its path in the header, and what is in it and how to leave it. `size` is
    /// that of the whole screen.
    pub fn new(path: String, about: String, size: (u16, u16)) -> Self {
        let (columns, rows) = inner(size);
        Self { path, about, parser: vt100::Parser::new(rows, columns, 0), ended: None }
    }

    /// Changes the terminal's size; `size` is that of the whole screen.
    pub fn resize(&mut self, size: (u16, u16)) {
        let (columns, rows) = inner(size);
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// Draws the terminal and, on the last line, how to leave it or how it ended.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let bottom = row(area, area.height.saturating_sub(1));
        frame.render_widget(PseudoTerminal::new(self.parser.screen()), above(area, 1));
        let words = match &self.ended {
            None => self.about.clone(),
            Some(Ok(())) => "it ended: any key goes back".to_owned(),
            Some(Err(error)) => format!("✗ {}: any key goes back", error.why),
        };
        put(frame, bottom, Line::styled(fit(&format!(" {words}"), bottom.width as usize), theme.style("selected")));
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "console"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        (self.path.clone(), String::new())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, _model: &Model) {
        self.view(frame, area, theme);
    }

    fn offered(&self) -> &'static [Action] {
        &[]
    }

    fn is_typing(&self) -> bool {
        true
    }

    fn takes_all_keys(&self) -> bool {
        true
    }

    fn typing_hints(&self) -> (Action, &'static [(&'static str, &'static str)]) {
        (Action::Back, &[("ctrl-]", "leave")])
    }

    fn type_key(&mut self, key: &KeyEvent, _model: &mut Model) -> Vec<Effect> {
        if self.ended.is_some() || leaves(key) {
            return vec![Effect::Go(Navigation::Back)];
        }
        let application = self.parser.screen().application_cursor();
        bytes(key, application).map(|bytes| Effect::Run(RunEffect::Type(Bytes::from(bytes)))).into_iter().collect()
    }

    fn paste(&mut self, text: &str, _model: &mut Model) -> Result<Vec<Effect>, String> {
        Ok(vec![Effect::Run(RunEffect::Type(Bytes::copy_from_slice(text.as_bytes())))])
    }

    fn resized(&mut self, model: &Model) -> Vec<Effect> {
        self.resize(model.size);
        let (columns, rows) = inner(model.size);
        vec![Effect::Run(RunEffect::Resize(columns, rows))]
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Terminal]
    }
}

/// Whether the key leaves the terminal: ctrl-].
pub fn leaves(key: &KeyEvent) -> bool {
    key.modifiers.contains(KeyModifiers::CONTROL) && matches!(key.code, KeyCode::Char(']' | '5'))
}

/// The bytes that xterm sends for a key (xterm control sequences); `None` if it sends none. `application`: whether the
/// program has turned on application cursor keys.
pub fn bytes(key: &KeyEvent, application: bool) -> Option<Vec<u8>> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let mut out = Vec::new();
    if key.modifiers.contains(KeyModifiers::ALT) {
        out.push(0x1b);
    }
    let arrow = |letter: u8| vec![0x1b, if application { b'O' } else { b'[' }, letter];
    match key.code {
        KeyCode::Char(c) if control => out.push(match c {
            ' ' | '@' => 0,
            c if c.is_ascii_alphabetic() || ('['..='_').contains(&c) => (c.to_ascii_uppercase() as u8) & 0x1f,
            _ => return None,
        }),
        KeyCode::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        KeyCode::Enter => out.push(b'\r'),
        KeyCode::Backspace => out.push(0x7f),
        KeyCode::Tab => out.push(b'\t'),
        KeyCode::BackTab => out.extend_from_slice(b"\x1b[Z"),
        KeyCode::Esc => out.push(0x1b),
        KeyCode::Up => out.extend(arrow(b'A')),
        KeyCode::Down => out.extend(arrow(b'B')),
        KeyCode::Right => out.extend(arrow(b'C')),
        KeyCode::Left => out.extend(arrow(b'D')),
        KeyCode::Home => out.extend(arrow(b'H')),
        KeyCode::End => out.extend(arrow(b'F')),
        KeyCode::Insert => out.extend_from_slice(b"\x1b[2~"),
        KeyCode::Delete => out.extend_from_slice(b"\x1b[3~"),
        KeyCode::PageUp => out.extend_from_slice(b"\x1b[5~"),
        KeyCode::PageDown => out.extend_from_slice(b"\x1b[6~"),
        KeyCode::F(number @ 1..=4) => out.extend_from_slice(&[0x1b, b'O', b'O' + number]),
        KeyCode::F(number @ 5..=12) => {
            let code = [15, 17, 18, 19, 20, 21, 23, 24][usize::from(number) - 5];
            out.extend_from_slice(format!("\x1b[{code}~").as_bytes());
        }
        _ => return None,
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sent_as_terminals_send_them() {
        let key = |code, modifiers| bytes(&KeyEvent::new(code, modifiers), false);
        assert_eq!(key(KeyCode::Char('c'), KeyModifiers::CONTROL), Some(vec![3]));
        assert_eq!(key(KeyCode::Up, KeyModifiers::NONE), Some(b"\x1b[A".to_vec()));
        assert_eq!(key(KeyCode::Char('é'), KeyModifiers::NONE), Some("é".as_bytes().to_vec()));
        assert_eq!(key(KeyCode::F(5), KeyModifiers::NONE), Some(b"\x1b[15~".to_vec()));
        assert!(leaves(&KeyEvent::new(KeyCode::Char(']'), KeyModifiers::CONTROL)));
    }
}
