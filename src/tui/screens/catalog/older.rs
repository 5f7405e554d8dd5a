//! Going through the filters that were used earlier in the filter's field, and keeping those that are used.

use super::Catalog;
use crate::{
    kit::{action::Action, input::Input},
    msg::Effect,
};

impl Catalog {
    /// Takes the filters that were used before this start, the newest first.
    pub fn set_older_filters(&mut self, all: Vec<String>) {
        self.older.set(all);
    }

    /// Notes that the filter in the field is used, and keeps it for the next start.
    pub fn filter_used(&mut self) -> Option<Effect> {
        self.older.leave();
        let filter = self.input.text.trim().to_owned();
        let is_news = !filter.is_empty() && self.older.add(&filter);
        is_news.then_some(Effect::KeepFilter(filter))
    }

    /// Clears the filter. One that has found something counts as used, so that it is not lost.
    pub fn clear_filter(&mut self) -> Vec<Effect> {
        let used = if self.hits.is_empty() { None } else { self.filter_used() };
        self.older.leave();
        self.input = Input::default();
        used.into_iter().chain(self.typed()).collect()
    }

    /// Goes to an older filter, or back to a newer one; `None` where the key moves in the list: everywhere below the
    /// first row, and downwards unless an older filter was taken just now.
    pub(super) fn walk_older(&mut self, walk: Action) -> Option<Vec<Effect>> {
        let older = walk == Action::Up;
        if !older && walk != Action::Down || older && self.at.selected > 0 {
            return None;
        }
        let text = self.older.step(older, &self.input.text)?;
        if text == self.input.text {
            return Some(Vec::new());
        }
        self.input = Input::new(text);
        Some(self.typed())
    }
}
