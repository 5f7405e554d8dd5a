//! The facets beside the list of images, and what the typed word of the filter may become.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    Catalog,
    facet_column::{facet_line, lines_of},
};
use crate::{
    kit::{
        action::Action,
        input::Input,
        keymap::Keymap,
        panel,
        theme::Theme,
        widgets::{fit, put, row, select},
    },
    msg::{Effect, ListEffect, SharedSets},
};
use wharf_core::{base::text, catalog::completion};

impl Catalog {
    /// Counts the facets again where they are shown and something has changed that they depend on. One count runs at a
    /// time, because a long list's takes a while and nothing can end it.
    pub(super) fn wants_facets(&mut self, shown: bool) -> Option<Effect> {
        let of = (self.number, self.marks.len());
        if !(shown || self.typing) || self.searching || self.facets.counting || self.facets.counted_of == Some(of) {
            return None;
        }
        self.facets.counted_of = Some(of);
        self.facets.counting = true;
        Some(self.count_facets(false))
    }

    /// Counts the facets of the rows that the filter leaves.
    pub(super) fn count_facets(&self, dialog: bool) -> Effect {
        Effect::List(ListEffect::Facets {
            sets: SharedSets(self.sets.clone()),
            filter: self.input.text.clone(),
            known: Box::new(self.known()),
            dialog,
        })
    }

    /// Takes the counted facets. The selection stays on its facet.
    pub fn counted(&mut self, counted: Vec<(String, usize)>) {
        let facets = &mut self.facets;
        let selected = facets.selected();
        facets.counting = false;
        facets.lines = lines_of(&counted);
        facets.counted = counted;
        facets.at.selected = selected.and_then(|word| facets.line_of(&word)).unwrap_or(facets.at.selected);
        facets.at.clamp(facets.lines.len());
        self.offer_completions();
    }

    /// Adds the selected facet to the filter, or removes it; on a facet's name, removes all of its values.
    pub(super) fn toggle_selected_facet(&mut self) -> Vec<Effect> {
        let Some(word) = self.facets.selected() else { return Vec::new() };
        let before = self.input.text.clone();
        if word.ends_with(':') {
            let words = self.input.text.split_whitespace();
            let kept: Vec<&str> = words.filter(|typed| !typed.starts_with(word.as_str())).collect();
            self.input = Input::new(kept.join(" "));
        } else {
            self.toggle(&word);
        }
        if self.input.text == before { Vec::new() } else { self.typed() }
    }

    /// Finds what the typed word may become.
    pub(super) fn offer_completions(&mut self) {
        let at_end = self.input.cursor == self.input.text.chars().count();
        let typing = self.typing && at_end;
        self.facets.offered =
            if typing { completion::completions(&self.input.text, &self.facets.counted) } else { Vec::new() };
    }

    /// Whether the line below the filter has something to say: what the typed word may become, or older filters.
    pub(super) fn helps_typing(&self) -> bool {
        self.typing && !(self.facets.offered.is_empty() && self.older.is_empty())
    }

    /// Completes the typed word.
    pub(super) fn complete(&mut self) -> Vec<Effect> {
        match completion::completed(&self.input.text, &self.facets.offered) {
            Some(text) => {
                self.input = Input::new(text);
                self.typed()
            }
            None => Vec::new(),
        }
    }

    /// Draws what the typed word may become, the best first, and the keys that help.
    pub(super) fn draw_typing_help(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, keymap: &Keymap) {
        let width = usize::from(area.width);
        let keys = self.typing_keys(keymap);
        let mut spans = vec![Span::raw("  ")];
        let mut used = 2;
        for (number, one) in self.facets.offered.iter().enumerate() {
            let rows = one.rows.map_or_else(String::new, |rows| format!(" {}", text::count(rows as u64)));
            let wide = one.word.width() + rows.width() + 3;
            if number > 0 && used + wide + keys.width() > width {
                break;
            }
            used += wide;
            let role = if number == 0 { "key" } else { "text" };
            spans.push(Span::styled(fit(&one.word, one.word.width().min(width)), theme.style(role)));
            spans.push(Span::styled(format!("{rows}   "), theme.style("dim")));
        }
        let keys = fit(&keys, keys.width().min(width.saturating_sub(used)));
        spans.push(Span::styled(keys, theme.style("dim")));
        put(frame, area, Line::from(spans));
    }

    /// The keys that help while the filter is typed.
    fn typing_keys(&self, keymap: &Keymap) -> String {
        let mut keys = Vec::new();
        if !self.facets.offered.is_empty() {
            keys.push("tab takes it".to_owned());
        }
        match self.older.place() {
            Some((at, of)) => keys.push(format!("older filter {at} of {of}: ↑ ↓")),
            None if !self.older.is_empty() => keys.push("↑ older filters".to_owned()),
            None => {}
        }
        let keep = keymap.label("catalog", Action::SaveFilter);
        if !self.input.text.trim().is_empty() && !keep.is_empty() {
            keys.push(format!("{keep} keeps"));
        }
        keys.join(" · ")
    }

    /// Draws the facets with their numbers of rows; those that the filter names have a dot.
    pub(super) fn draw_facets(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
        let focused = self.facets.focused;
        let inside = panel::titled(frame, area, "Narrow by", "", focused, theme);
        if self.facets.lines.is_empty() && self.facets.counting {
            put(frame, row(inside, 0), Line::styled("  counting…", theme.style("dim")));
        }
        let height = usize::from(inside.height);
        let top = self.facets.at.window(self.facets.lines.len(), height);
        let width = usize::from(inside.width);
        let named: Vec<String> = self.input.text.split_whitespace().map(str::to_lowercase).collect();
        for (line, at) in self.facets.lines.iter().skip(top).take(height).zip(0_u16..) {
            let selected = focused && usize::from(at) + top == self.facets.at.selected;
            put(frame, row(inside, at), select(facet_line(line, &named, width, theme), selected, theme));
        }
    }
}
