//! Where one stands in a list.

use super::action::Action;

/// Selected line and first visible line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// The selected line.
    pub selected: usize,
    /// The first line on the screen; moved by `window`.
    pub top: usize,
}

impl Position {
    /// Moves by an action; `false` if it is no movement.
    pub fn go(&mut self, action: Action, count: usize, page: usize) -> bool {
        let last = count.saturating_sub(1);
        self.selected = match action {
            Action::Down => (self.selected + 1).min(last),
            Action::Up => self.selected.saturating_sub(1),
            Action::PageDown => (self.selected + page.max(1)).min(last),
            Action::PageUp => self.selected.saturating_sub(page.max(1)),
            Action::First => 0,
            Action::Last => last,
            _ => return false,
        };
        true
    }

    /// Keeps the selection inside a list that became shorter.
    pub fn clamp(&mut self, count: usize) {
        self.selected = self.selected.min(count.saturating_sub(1));
    }

    /// The first visible line for `height` lines, so that the selection is seen. Pure: a view may call it.
    pub fn window(&self, count: usize, height: usize) -> usize {
        let top = self.top.min(count.saturating_sub(height));
        if self.selected < top {
            self.selected
        } else if self.selected >= top + height.max(1) {
            self.selected + 1 - height.max(1)
        } else {
            top
        }
    }

    /// The same, remembered.
    pub fn settle(&mut self, count: usize, height: usize) {
        self.clamp(count);
        self.top = self.window(count, height);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_inside_and_in_sight() {
        let mut at = Position::default();
        for (action, selected) in
            [(Action::Up, 0), (Action::PageDown, 10), (Action::Last, 99), (Action::Down, 99), (Action::First, 0)]
        {
            assert!(at.go(action, 100, 10));
            assert_eq!(at.selected, selected);
            at.settle(100, 10);
            assert!((at.top..at.top + 10).contains(&at.selected));
        }
        at.selected = 99;
        at.settle(3, 10);
        assert_eq!((at.selected, at.top), (2, 0));
        at.settle(0, 0);
        assert_eq!(at.selected, 0);
    }
}
