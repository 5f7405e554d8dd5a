//! What runs, on all backends.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    core::{
        base::{error::Error, text},
        launch::plan::Workload,
    },
    tui::{
        list::{Rows, Walk},
        theme::Theme,
        widgets::{above, below, cell, failures, gone_words, put, row, select, state_role},
    },
};

/// The screen's state.
#[derive(Debug, Default)]
pub struct Page {
    /// What runs, once it is known.
    pub rows: Rows<Workload>,
    /// Backends that did not answer.
    pub failed: Vec<(String, Error)>,
}

impl Page {
    /// Takes news in.
    pub fn arrived(&mut self, all: Vec<Workload>, failed: Vec<(String, Error)>) {
        self.rows.set(all);
        self.failed = failed;
    }

    /// Draws the list.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, now: i64) {
        let area = failures(frame, area, &self.failed, theme);
        let Some(all) = self.rows.all() else {
            return put(frame, row(area, 1), Line::styled("  asking the backends…", theme.style("dim")));
        };
        if all.is_empty() {
            put(frame, row(area, 1), Line::styled("  nothing runs", theme.style("text")));
            return put(
                frame,
                row(area, 2),
                Line::styled("  go to the images (1), choose one, and press l to launch it", theme.style("dim")),
            );
        }
        let width = area.width as usize;
        let name = (width / 5).clamp(8, 24);
        let backend = if width > 70 { 12 } else { 0 };
        let image = width.saturating_sub(name + backend + 12 + 9 + 6);
        put(
            frame,
            row(area, 0),
            Line::styled(
                format!(
                    " {}{}{}{}{}",
                    cell("NAME", name),
                    cell("STATE", 12),
                    cell("BACKEND", backend),
                    cell("AGE", 9),
                    cell("IMAGE", image)
                ),
                theme.style("dim"),
            ),
        );
        let mut area = below(area, 1);
        if let Some(gone) = self.rows.gone() {
            put(
                frame,
                row(area, area.height.saturating_sub(1)),
                Line::styled(format!("  {}", gone_words(gone)), theme.style("dim")),
            );
            area = above(area, 1);
        }
        let top = self.rows.window(area.height as usize);
        for (number, workload) in all.iter().enumerate().skip(top).take(area.height as usize) {
            let (sign, word) = workload.state.words();
            let age = workload.created.map(|created| text::age(created, now)).unwrap_or_default();
            let line = Line::from(vec![
                Span::styled(format!(" {}", cell(&workload.name, name)), theme.style("text")),
                Span::styled(cell(&format!("{sign} {word}"), 12), theme.style(state_role(&workload.state))),
                Span::styled(cell(&workload.backend, backend), theme.style("dim")),
                Span::styled(cell(&age, 9), theme.style("dim")),
                Span::styled(cell(&workload.image_words(), image), theme.style("text")),
            ]);
            put(frame, row(area, (number - top) as u16), select(line, self.rows.place() == Some(number), theme));
        }
    }
}
