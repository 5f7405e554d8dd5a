//! The tabs of the panes, with what each holds: drawn and clicked from the same words.

use unicode_width::UnicodeWidthStr;

use super::{Page, Pane};
use crate::kit::list::Scrollable;
use wharf_core::{
    base::text,
    catalog::marks::Facet,
    evidence::record::{Kind, Outcome},
};

impl Page {
    /// The panes with the words of their tabs, that of the shown one in brackets. Counts are left out where there is no
    /// room for all of them.
    pub(super) fn tabs(&self, columns: u16, now: i64) -> Vec<(Pane, String)> {
        let tab = |pane: Pane, holds: &str| {
            let words = if holds.is_empty() { pane.title().to_owned() } else { format!("{} {holds}", pane.title()) };
            let words = if pane == self.pane { format!("[{words}]") } else { format!(" {words} ") };
            (pane, words)
        };
        let panes = self.panes();
        let full: Vec<(Pane, String)> = panes.iter().map(|pane| tab(*pane, &self.holds(*pane, now))).collect();
        let width: usize = full.iter().map(|(_, words)| words.width()).sum();
        if width <= usize::from(columns) { full } else { panes.iter().map(|pane| tab(*pane, "")).collect() }
    }

    /// The pane whose tab is at this column of a screen of so many columns.
    pub(super) fn pane_at(&self, column: u16, columns: u16, now: i64) -> Option<Pane> {
        let mut end = 0;
        let tabs = self.tabs(columns, now);
        let hit = tabs.into_iter().find(|(_, words)| {
            end += words.width();
            usize::from(column) < end
        });
        hit.map(|(pane, _)| pane)
    }

    /// What a pane holds, in a word: a number or a mark; empty if that is not known.
    fn holds(&self, pane: Pane, now: i64) -> String {
        let count = |count: usize| if count == 0 { String::new() } else { text::count(count as u64) };
        let mark = |of: Facet| match &self.verified {
            Some(Ok(verified)) => Some(verified.marks(now).short(of)),
            _ => None,
        };
        match pane {
            Pane::Overview => String::new(),
            Pane::Versions => count(self.tags.as_ref().and_then(|tags| tags.as_ref().ok()).map_or(0, Vec::len)),
            Pane::Layers => count(self.image.as_ref().map_or(0, |image| image.layers.len())),
            Pane::Shares => count(self.shares.as_ref().and_then(|one| one.as_ref().ok()).map_or(0, Scrollable::count)),
            Pane::Trust => mark(Facet::Trust).map_or_else(String::new, |mark| mark.sign.to_owned()),
            Pane::Scan => mark(Facet::Scan).map_or_else(String::new, |mark| mark.to_string()),
            Pane::Software => match self.record(Kind::Software, now).map(|record| &record.outcome) {
                Some(Outcome::Software { total, .. }) => text::count(*total),
                _ => String::new(),
            },
        }
    }
}
