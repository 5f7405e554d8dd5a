//! The selection in a list, and what the last frame showed of it.
//!
//! Lists change while they are shown. The selection follows a row's id, not its position, and what cannot be undone is
//! done only to rows that the last drawn frame showed as chosen: see [`Rows`] and [`SeenRow`].

use std::{collections::BTreeSet, fmt};

use ratatui::layout::Rect;

use super::action::Action;

/// Selected and first visible line of a text, or of a list that only this program changes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListCursor {
    /// Index of the selected line, from 0.
    pub selected: usize,
    /// Index of the first visible line, from 0; `settle` updates it.
    pub top: usize,
}

/// A list or text through which the movement keys go line by line.
pub trait Scrollable {
    /// The number of lines.
    fn count(&self) -> usize;
    /// The index of the selected line; `None` if nothing is selected.
    fn selected_index(&self) -> Option<usize>;
    /// The index of the first visible line.
    fn top(&self) -> usize;
    /// Moves the selection as the action says, by `page` lines for the page keys; `false` if the action is no movement.
    fn go(&mut self, action: Action, page: usize) -> bool;
    /// Selects a line by its index.
    fn select_index(&mut self, place: usize);
    /// Moves the selection into the list, and the first visible line so that the selection shows on `height` lines.
    /// With
    /// `None`, only the selection is moved into the list.
    fn keep_visible(&mut self, height: Option<usize>);
    /// The list has been drawn: what is selected and marked now has been seen.
    fn drawn(&mut self) {}
}

/// A [`ListCursor`] in a text or list of so many lines.
pub struct CursorLines<'a>(pub &'a mut ListCursor, pub usize);

impl Scrollable for CursorLines<'_> {
    fn count(&self) -> usize {
        self.1
    }
    fn selected_index(&self) -> Option<usize> {
        Some(self.0.selected)
    }
    fn top(&self) -> usize {
        self.0.top
    }
    fn go(&mut self, action: Action, page: usize) -> bool {
        self.0.go(action, self.1, page)
    }
    fn select_index(&mut self, place: usize) {
        self.0.selected = place;
    }
    fn keep_visible(&mut self, height: Option<usize>) {
        match height {
            Some(height) => self.0.keep_visible(self.1, height),
            None => self.0.clamp(self.1),
        }
    }
}

/// The list or text of a screen that the movement keys and clicks work on.
pub struct ScrollArea<'a> {
    /// The list or text with its selection.
    pub list: Box<dyn Scrollable + 'a>,
    /// Where the rows are drawn.
    pub area: Rect,
    /// How many lines of the terminal each row takes.
    pub each: u16,
    /// Whether a row is selected; `false` for a text that only scrolls.
    pub chosen: bool,
}

impl<'a> ScrollArea<'a> {
    /// A list whose rows take one line each and are drawn in `area`.
    pub fn new(list: impl Scrollable + 'a, area: Rect) -> Self {
        Self { list: Box::new(list), area, each: 1, chosen: true }
    }

    /// The number of rows that are on the screen at a time.
    pub fn page(&self) -> usize {
        usize::from(self.area.height / self.each.max(1)).max(1)
    }

    /// Keeps the selection inside the list and visible.
    pub fn keep_visible(mut self) {
        let height = usize::from(self.area.height / self.each.max(1));
        self.list.keep_visible(self.chosen.then_some(height));
    }

    /// The index of the row at a place of the terminal; `None` if no row is there, or in a text.
    pub fn at(&self, column: u16, line: u16) -> Option<usize> {
        let inside = self.chosen && self.area.contains((column, line).into());
        let line = line.checked_sub(self.area.y).filter(|_| inside)?;
        Some(self.list.top() + usize::from(line / self.each.max(1))).filter(|at| *at < self.list.count())
    }
}

impl ListCursor {
    /// Moves the selection in a list of `count` lines, by `page` lines for the page keys; `false` if it is no movement.
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

    /// Moves the selection to the last line if the list has become shorter.
    pub fn clamp(&mut self, count: usize) {
        self.selected = self.selected.min(count.saturating_sub(1));
    }

    /// The first visible line of `height` lines so that the selection shows. Changes nothing, so a view may call it.
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

    /// Moves the selection into the list and stores the first visible line.
    pub fn keep_visible(&mut self, count: usize, height: usize) {
        self.clamp(count);
        self.top = self.window(count, height);
    }
}

/// A row that others may change, remove or move while it is on the screen.
pub trait Row {
    /// What identifies the row, wherever it is in the list.
    type Id: Clone + Ord + fmt::Debug;
    /// The row's id, the same as long as it is the same thing.
    fn id(&self) -> Self::Id;
    /// The row's name in questions and messages.
    fn called(&self) -> String;
    /// What a decision depends on and can change under the same id. A row with another edition counts as not seen.
    fn edition(&self) -> String {
        String::new()
    }
}

/// A row that the last drawn frame showed as chosen. Only [`Rows`] and [`DrawnItem`] make it, and actions that cannot be
/// undone take only this: a person decides only on what was on the screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow<Id> {
    id: Id,
    called: String,
    edition: String,
}

impl<Id> SeenRow<Id> {
    fn new<T: Row<Id = Id>>(row: &T) -> Self {
        Self { id: row.id(), called: row.called(), edition: row.edition() }
    }

    /// The id of the row that was seen.
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The row's name as it was shown.
    pub fn called(&self) -> &str {
        &self.called
    }

    /// The row's edition as it was shown; see [`Row::edition`].
    pub fn edition(&self) -> &str {
        &self.edition
    }
}

/// Why nothing was done to the selected rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSeen {
    /// No row is selected.
    Nothing,
    /// The selected row was not on the screen, or was another edition there, when the key was pressed.
    Changed,
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nothing => "nothing is selected: ↑ ↓ choose one",
            Self::Changed => "nothing was done: the screen has just changed. Look, and press it again",
        })
    }
}

/// What is selected, followed by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selection<Id> {
    /// Nothing yet; the first row will be as soon as there is one.
    First,
    /// The row with this id; its name is kept for the case that it goes.
    Row(Id, String),
    /// Nothing: the selected or marked row with this name has gone.
    Gone(String),
}

/// The rows of a frame, each by its id and edition.
type DrawnRows<T> = Vec<(<T as Row>::Id, String)>;

/// Rows that others may change while they are on the screen.
///
/// The selection and the marks follow the ids. When the selected row or all marked rows are gone, nothing is selected
/// until a movement key selects a row again.
#[derive(Debug)]
pub struct Rows<T: Row> {
    all: Option<Vec<T>>,
    at: ListCursor,
    on: Selection<T::Id>,
    marked: BTreeSet<T::Id>,
    /// What the last drawn frame showed: the ids of all rows, the selected row, and the chosen ones (marked, else
    /// selected).
    frame: (Vec<T::Id>, DrawnRows<T>, DrawnRows<T>),
}

impl<'a, T: Row> IntoIterator for &'a Rows<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Row> Default for Rows<T> {
    fn default() -> Self {
        Self {
            all: None,
            at: ListCursor::default(),
            on: Selection::First,
            marked: BTreeSet::new(),
            frame: (Vec::new(), Vec::new(), Vec::new()),
        }
    }
}

impl<T: Row> Rows<T> {
    /// A list of these rows, the first one selected.
    pub fn new(all: Vec<T>) -> Self {
        let mut rows = Self::default();
        rows.set(all);
        rows
    }

    /// All rows; `None` until they have arrived.
    pub fn all(&self) -> Option<&[T]> {
        self.all.as_deref()
    }

    /// All rows; none until they have arrived.
    pub fn iter(&self) -> std::slice::Iter<'_, T> {
        self.all.as_deref().unwrap_or_default().iter()
    }

    /// Replaces the rows by newer ones. The selection and the marks follow their ids.
    pub fn set(&mut self, all: Vec<T>) {
        self.all = Some(all);
        self.follow();
    }

    /// Changes the rows in place. The selection and the marks follow their ids.
    pub fn change(&mut self, change: impl FnOnce(&mut Vec<T>)) {
        change(self.all.get_or_insert_default());
        self.follow();
    }

    /// Moves the selection to where its row is now, and drops the marks of rows that are gone.
    fn follow(&mut self) {
        let all = self.all.as_deref().unwrap_or_default();
        match &self.on {
            Selection::First => self.select_at(0),
            Selection::Row(id, called) => match all.iter().position(|row| row.id() == *id) {
                Some(place) => self.at.selected = place,
                None => self.on = Selection::Gone(called.clone()),
            },
            Selection::Gone(_) => {}
        }
        if !self.marked.is_empty() {
            let known: BTreeSet<T::Id> = self.iter().map(Row::id).collect();
            self.marked.retain(|id| known.contains(id));
            if self.marked.is_empty() {
                self.on = Selection::Gone("what was marked".to_owned());
            }
        }
        self.at.clamp(self.iter().len());
    }

    fn select_at(&mut self, place: usize) {
        self.at.selected = place;
        self.on = match self.iter().nth(place) {
            Some(row) => Selection::Row(row.id(), row.called()),
            None => Selection::First,
        };
    }

    /// The selected row, if one is selected.
    pub fn selected(&self) -> Option<&T> {
        matches!(self.on, Selection::Row(..)).then(|| self.iter().nth(self.at.selected))?
    }

    /// The name of the row that was selected or marked and is gone.
    pub fn vanished(&self) -> Option<&str> {
        match &self.on {
            Selection::Gone(called) => Some(called),
            _ => None,
        }
    }

    /// The index of the first visible row on a screen of `height` lines.
    pub fn window(&self, height: usize) -> usize {
        self.at.window(self.iter().len(), height)
    }

    /// Marks the selected row, or removes its mark, and selects the next one.
    pub fn mark(&mut self) {
        let Some(id) = self.selected().map(Row::id) else { return };
        if !self.marked.remove(&id) {
            self.marked.insert(id);
        }
        self.go(Action::Down, 1);
    }

    /// Marks all rows that fit.
    pub fn mark_all(&mut self, fits: impl Fn(&T) -> bool) {
        let ids: Vec<T::Id> = self.iter().filter(|row| fits(row)).map(Row::id).collect();
        self.marked.extend(ids);
    }

    /// The ids of the marked rows.
    pub fn marked(&self) -> &BTreeSet<T::Id> {
        &self.marked
    }

    /// Removes the marks of all rows.
    pub fn unmark(&mut self) {
        self.marked.clear();
    }

    /// The marked rows, or the selected one if none is marked.
    pub fn chosen(&self) -> Vec<&T> {
        if self.marked.is_empty() {
            return self.selected().into_iter().collect();
        }
        self.iter().filter(|row| self.marked.contains(&row.id())).collect()
    }

    /// The marked rows, or the selected one if none is marked; fails if the last frame showed them otherwise.
    pub fn seen(&self) -> Result<Vec<SeenRow<T::Id>>, NotSeen> {
        Self::compared(&self.chosen(), &self.frame.2)
    }

    /// The selected row; fails if the last frame showed it otherwise.
    pub fn seen_one(&self) -> Result<SeenRow<T::Id>, NotSeen> {
        let one: Vec<&T> = self.selected().into_iter().collect();
        Self::compared(&one, &self.frame.1)?.pop().ok_or(NotSeen::Nothing)
    }

    /// Forgets what the last frame showed: nothing can be decided on until the next one.
    pub fn unseen(&mut self) {
        self.frame = Default::default();
    }

    /// All rows; fails if the last frame showed other ones.
    pub fn seen_all(&self) -> Result<&[T], NotSeen> {
        let same = self.iter().map(Row::id).eq(self.frame.0.iter().cloned());
        if same { Ok(self.all.as_deref().unwrap_or_default()) } else { Err(NotSeen::Changed) }
    }

    fn compared(now: &[&T], drawn: &[(T::Id, String)]) -> Result<Vec<SeenRow<T::Id>>, NotSeen> {
        if now.is_empty() {
            return Err(NotSeen::Nothing);
        }
        if !Self::faces(now).eq(drawn) {
            return Err(NotSeen::Changed);
        }
        Ok(now.iter().map(|row| SeenRow::new(*row)).collect())
    }

    fn faces(rows: &[&T]) -> Vec<(T::Id, String)> {
        rows.iter().map(|row| (row.id(), row.edition())).collect()
    }
}

impl<T: Row> Scrollable for Rows<T> {
    fn count(&self) -> usize {
        self.iter().len()
    }
    fn selected_index(&self) -> Option<usize> {
        matches!(self.on, Selection::Row(..)).then_some(self.at.selected)
    }
    fn top(&self) -> usize {
        self.at.top
    }
    fn go(&mut self, action: Action, page: usize) -> bool {
        let (mut to, count) = (self.at, self.count());
        if !to.go(action, count, page) {
            return false;
        }
        // When the selected row is gone, the first movement selects the row that is in its place now.
        if self.selected_index().is_some() || matches!(action, Action::First | Action::Last) {
            self.at = to;
        }
        self.select_at(self.at.selected);
        true
    }
    fn select_index(&mut self, place: usize) {
        self.select_at(place);
    }
    fn keep_visible(&mut self, height: Option<usize>) {
        self.at.keep_visible(self.count(), height.unwrap_or(usize::MAX));
    }
    fn drawn(&mut self) {
        let one: Vec<&T> = self.selected().into_iter().collect();
        self.frame = (self.iter().map(Row::id).collect(), Self::faces(&one), Self::faces(&self.chosen()));
    }
}

/// A list that is borrowed from its owner.
impl<T: Row> Scrollable for &mut Rows<T> {
    fn count(&self) -> usize {
        (**self).count()
    }
    fn selected_index(&self) -> Option<usize> {
        (**self).selected_index()
    }
    fn top(&self) -> usize {
        (**self).top()
    }
    fn go(&mut self, action: Action, page: usize) -> bool {
        (**self).go(action, page)
    }
    fn select_index(&mut self, place: usize) {
        (**self).select_index(place);
    }
    fn keep_visible(&mut self, height: Option<usize>) {
        (**self).keep_visible(height);
    }
    fn drawn(&mut self) {
        (**self).drawn();
    }
}

/// The one thing that a whole screen is about, and whether a frame has shown it.
#[derive(Debug)]
pub struct DrawnItem<T: Row> {
    value: T,
    drawn: bool,
}

impl<T: Row> DrawnItem<T> {
    /// A value that no frame has shown yet.
    pub fn new(value: T) -> Self {
        Self { value, drawn: false }
    }

    /// Replaces the value by a newer one. With another id or edition it counts as not shown.
    pub fn set(&mut self, value: T) {
        self.drawn &= (value.id(), value.edition()) == (self.value.id(), self.value.edition());
        self.value = value;
    }

    /// Notes that a frame has shown the value.
    pub fn drawn(&mut self) {
        self.drawn = true;
    }

    /// The value as seen; fails if no frame has shown it yet.
    pub fn seen(&self) -> Result<SeenRow<T::Id>, NotSeen> {
        if self.drawn { Ok(SeenRow::new(&self.value)) } else { Err(NotSeen::Changed) }
    }
}

impl<T: Row> std::ops::Deref for DrawnItem<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone)]
    struct Thing(u8, &'static str);

    impl Row for Thing {
        type Id = u8;
        fn id(&self) -> u8 {
            self.0
        }
        fn called(&self) -> String {
            format!("thing {}", self.0)
        }
        fn edition(&self) -> String {
            self.1.to_owned()
        }
    }

    fn things(ids: &[u8]) -> Vec<Thing> {
        ids.iter().map(|id| Thing(*id, "")).collect()
    }

    fn ids(seen: Result<Vec<SeenRow<u8>>, NotSeen>) -> Result<Vec<u8>, NotSeen> {
        seen.map(|all| all.iter().map(|one| *one.id()).collect())
    }

    #[test]
    fn the_selection_stays_inside_and_in_sight() {
        let mut at = ListCursor::default();
        for (action, selected) in
            [(Action::Up, 0), (Action::PageDown, 10), (Action::Last, 99), (Action::Down, 99), (Action::First, 0)]
        {
            assert!(at.go(action, 100, 10));
            assert_eq!(at.selected, selected);
            at.keep_visible(100, 10);
            assert!((at.top..at.top + 10).contains(&at.selected));
        }
        at.selected = 99;
        at.keep_visible(3, 10);
        assert_eq!((at.selected, at.top), (2, 0));
        at.keep_visible(0, 0);
        assert_eq!(at.selected, 0);
    }

    #[test]
    fn the_selection_follows_its_row_and_where_that_is_gone_nothing_is_selected_until_a_movement() {
        let mut rows = Rows::new(things(&[1, 2, 3]));
        rows.go(Action::Down, 9);
        rows.set(things(&[9, 3, 2]));
        assert_eq!(rows.selected().map(|row| row.0), Some(2));
        rows.drawn();
        assert_eq!(ids(rows.seen()), Ok(vec![2]));
        rows.set(things(&[9, 3]));
        assert!(rows.selected().is_none() && rows.selected_index().is_none());
        assert_eq!(rows.vanished(), Some("thing 2"));
        rows.drawn();
        assert_eq!(ids(rows.seen()), Err(NotSeen::Nothing));
        // The row comes back, but the person has not selected it again.
        rows.set(things(&[2, 9, 3]));
        assert!(rows.selected().is_none());
        rows.set(things(&[9, 3]));
        rows.go(Action::Down, 9);
        assert_eq!(rows.selected().map(|row| row.0), Some(3), "what stands where it stood");
    }

    #[test]
    fn only_what_the_last_frame_showed_can_be_decided_on() {
        let mut rows = Rows::new(things(&[1, 2, 3]));
        assert_eq!(ids(rows.seen()), Err(NotSeen::Changed), "no frame has shown it");
        rows.drawn();
        rows.go(Action::Down, 9);
        assert_eq!(ids(rows.seen()), Err(NotSeen::Changed));
        assert_eq!(rows.seen_one(), Err(NotSeen::Changed));
        rows.drawn();
        rows.mark();
        assert_eq!(ids(rows.seen()), Ok(vec![2]), "the mark is on what was shown as selected");
        rows.drawn();
        assert_eq!(ids(rows.seen()), Ok(vec![2]));
        assert_eq!(rows.seen_one().map(|one| *one.id()), Ok(3));
        // The row is another edition now.
        rows.set(vec![Thing(2, "with a finding"), Thing(3, "")]);
        assert_eq!(ids(rows.seen()), Err(NotSeen::Changed));
        rows.drawn();
        assert_eq!(ids(rows.seen()), Ok(vec![2]));
        assert!(rows.seen_all().is_ok());
        rows.set(things(&[4, 2, 3]));
        assert!(rows.seen_all().is_err(), "one is new");
    }

    #[test]
    fn where_all_that_was_marked_is_gone_nothing_is_meant() {
        let mut rows = Rows::new(things(&[1, 2, 3]));
        rows.mark();
        rows.drawn();
        assert_eq!(ids(rows.seen()), Ok(vec![1]));
        rows.set(things(&[2, 3]));
        assert!(rows.chosen().is_empty(), "and not the row below");
    }

    proptest::proptest! {
        /// Whatever happens between the frame and the key, what is decided on was selected in that frame.
        #[test]
        fn nothing_that_was_not_shown_is_ever_decided_on(steps in proptest::collection::vec((0..6_u8, proptest::collection::vec(0..9_u8, 0..6)), 0..40)) {
            let mut rows = Rows::new(things(&[1, 2, 3]));
            let mut shown: Vec<u8> = Vec::new();
            for (step, mut some) in steps {
                some.sort_unstable();
                some.dedup();
                match step {
                    0 => rows.set(things(&some)),
                    1 => _ = rows.go(Action::Down, 3),
                    2 => _ = rows.go(Action::Up, 3),
                    3 => rows.mark(),
                    4 => rows.select_index(some.len()),
                    _ => {
                        rows.drawn();
                        shown = rows.chosen().iter().map(|row| row.0).collect();
                    }
                }
                if let Ok(seen) = ids(rows.seen()) {
                    proptest::prop_assert_eq!(&seen, &shown);
                    proptest::prop_assert!(seen.iter().all(|id| rows.iter().any(|row| row.0 == *id)));
                }
            }
        }
    }
}
