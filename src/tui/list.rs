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

/// What a screen lets one go through.
pub struct Shown<'a> {
    /// Where one stands.
    pub at: &'a mut Position,
    /// How many there are.
    pub count: usize,
    /// Lines of the terminal above the first.
    pub above: u16,
    /// Lines of the terminal that each takes.
    pub each: u16,
    /// Whether one of them is chosen; a text only scrolls.
    pub chosen: bool,
}

impl Shown<'_> {
    /// Keeps what is chosen inside and in sight; a page has two lines above it.
    pub fn settle(self, page: usize) {
        let height = page.saturating_sub(usize::from(self.above.saturating_sub(2))) / usize::from(self.each);
        if self.chosen { self.at.settle(self.count, height) } else { self.at.clamp(self.count) }
    }

    /// The one that stands on a line of the terminal.
    pub fn at_line(&self, line: u16) -> Option<usize> {
        let line = line.checked_sub(self.above).filter(|_| self.chosen)?;
        Some(self.at.top + usize::from(line / self.each)).filter(|at| *at < self.count)
    }
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
