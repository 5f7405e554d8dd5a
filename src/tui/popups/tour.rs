//! A tour of one minute: a card for each screen, drawn below while the screen itself is shown.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
    widgets::Clear,
};

use crate::kit::{
    theme::Theme,
    widgets::{boxed_at, key_line, put, row, wrap},
};

/// The widest that a card is drawn.
const WIDEST: u16 = 84;

/// One card of the tour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What it is about.
    pub title: String,
    /// What the screen is for.
    pub words: &'static str,
    /// Keys, and what each does.
    pub keys: Vec<(String, &'static str)>,
}

/// The tour at one of its cards.
#[derive(Debug)]
pub struct Tour {
    /// The card that is shown.
    pub card: Card,
    /// Its number, from 0, and the number of cards.
    pub place: (usize, usize),
}

/// What a key in the tour does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The card of this number is shown.
    Go(usize),
    /// The tour is over, or the person has left it.
    Leave,
}

impl Tour {
    /// Keys that go forward and back; every other key leaves.
    pub fn key(&self, key: &KeyEvent) -> Outcome {
        let (at, count) = self.place;
        match key.code {
            KeyCode::Enter | KeyCode::Char(' ') | KeyCode::Right | KeyCode::Tab if at + 1 < count => {
                Outcome::Go(at + 1)
            }
            KeyCode::Left | KeyCode::BackTab => Outcome::Go(at.saturating_sub(1)),
            _ => Outcome::Leave,
        }
    }

    /// Draws the card at the lower end of the screen, so that most of the screen that it tells of is seen.
    pub(super) fn view(&self, frame: &mut Frame<'_>, theme: &Theme) {
        let whole = frame.area();
        let width = whole.width.min(WIDEST);
        let inside = usize::from(width.saturating_sub(4)).max(8);
        let mut lines: Vec<Line<'static>> =
            wrap(self.card.words, inside).into_iter().map(|line| Line::styled(line, theme.style("text"))).collect();
        lines.extend(self.card.keys.iter().map(|(label, does)| key_line(label, does, theme)));
        let (at, count) = self.place;
        let goes = if at + 1 < count { "enter goes on, ← back, any other key leaves" } else { "any key ends it" };
        lines.push(Line::styled(format!("{} of {count} · {goes}", at + 1), theme.style("dim")));
        let height = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(2).min(whole.height);
        let area = Rect::new(whole.x + (whole.width - width) / 2, whole.bottom() - height, width, height);
        // What is left and right of the card would be read as its ends.
        frame.render_widget(Clear, Rect { y: area.y, height, ..whole });
        let inner = boxed_at(frame, area, &self.card.title, theme);
        for (number, mut line) in (0..inner.height).zip(lines) {
            line.spans.insert(0, Span::raw(" "));
            put(frame, row(inner, number), line);
        }
    }
}
