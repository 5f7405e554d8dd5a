//! Where everything stands on the screen. Pure: drawing, clicking and paging use the same areas.

use ratatui::layout::{Constraint, Layout, Rect};

use super::widgets::{above, below};

/// Columns from which a list has its preview beside it.
pub const WIDE: u16 = 110;
/// Lines below which the bar of screens is left out.
const LOW: u16 = 10;
/// Lines below which an area is for its list first.
const FEW: u16 = 14;

/// The lines around a screen's own area, from top to bottom. A part without room has height 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chrome {
    /// The screens with their counts.
    pub bar: Rect,
    /// Where the person is: the filter of a list, or what is open.
    pub place: Rect,
    /// The screen's own area.
    pub body: Rect,
    /// What waits for the person.
    pub waiting: Rect,
    /// The keys.
    pub hints: Rect,
}

/// The parts of a terminal of this size. `waits`: whether something waits for the person.
pub fn chrome(area: Rect, waits: bool) -> Chrome {
    let bar = u16::from(area.height >= LOW);
    let [bar, place, body, waiting, hints] = Layout::vertical([
        Constraint::Length(bar),
        Constraint::Length(1),
        Constraint::Fill(1),
        Constraint::Length(u16::from(waits)),
        Constraint::Length(1),
    ])
    .areas(area);
    Chrome { bar, place, body, waiting, hints }
}

/// Which panes of a screen a person wants to see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct View {
    /// Whether the pane about the selected line is hidden.
    pub hidden: bool,
    /// Whether one pane has the screen.
    pub alone: Alone,
}

/// The pane that has the screen alone, so that nothing beside it is copied along.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Alone {
    /// None: all panes are shown.
    #[default]
    None,
    /// The one to which the keys go.
    Focused,
    /// The other one: what is known of the selected line.
    Other,
}

impl Alone {
    /// Both panes of a screen, in the order in which a key shows each of them alone.
    pub const BOTH: [Self; 2] = [Self::Focused, Self::Other];

    /// What comes after this one, of those that a screen has; after the last one all panes are shown.
    #[must_use]
    pub fn next(self, of: &[Self]) -> Self {
        let here = of.iter().position(|one| *one == self);
        of.get(here.map_or(0, |here| here + 1)).copied().unwrap_or(Self::None)
    }
}

/// A pane beside the main one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Side {
    /// The columns of the terminal from which there is room for it.
    pub from: u16,
    /// Its share of the columns, in percent.
    pub share: u16,
    /// Its least and its most columns.
    pub bounds: (u16, u16),
}

/// What a screen's area is divided into, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// The pane right of the main one.
    pub side: Side,
    /// Lines about the selected row below the main pane, where there is no room for the side.
    pub strip: u16,
}

/// The panes of a screen's area. A line of one column stands between neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Panes {
    /// The main pane.
    pub main: Rect,
    /// The pane right of the main one, if there is room.
    pub right: Option<Rect>,
    /// The lines below the main pane; height 0 if there are none.
    pub strip: Rect,
}

/// Divides an area into what the person wants to see of it.
pub fn panes(area: Rect, shape: Shape, view: View) -> Panes {
    let none = Rect { width: 0, height: 0, ..area };
    match view.alone {
        Alone::None => {}
        Alone::Focused => return Panes { main: area, right: None, strip: none },
        Alone::Other => return Panes { main: none, right: Some(area), strip: none },
    }
    let side = shape.side;
    let right = (area.width >= side.from && !view.hidden).then(|| {
        let wanted = u32::from(area.width) * u32::from(side.share) / 100;
        (wanted as u16).clamp(side.bounds.0, side.bounds.1)
    });
    // Below 14 lines a list keeps all of them.
    let strip = if right.is_none() && area.height >= FEW { shape.strip } else { 0 };
    let [middle, _, right_area] = Layout::horizontal([
        Constraint::Fill(1),
        Constraint::Length(u16::from(right.is_some())),
        Constraint::Length(right.unwrap_or(0)),
    ])
    .areas(area);
    let [main, strip] = Layout::vertical([Constraint::Fill(1), Constraint::Length(strip)]).areas(middle);
    Panes { main, right: right.map(|_| right_area), strip }
}

/// Divides an area into a narrow pane at its left and the rest, with a column for the line between them, if the area has
/// at least `from` columns.
pub fn left_pane(area: Rect, from: u16, width: u16) -> (Option<Rect>, Rect) {
    if area.width < from {
        return (None, area);
    }
    let [left, _, rest] =
        Layout::horizontal([Constraint::Length(width), Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    (Some(left), rest)
}

/// A list, and the pane in which all about its selected row is read: beside it where there is room, else below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListAndReading {
    /// The list.
    pub list: Rect,
    /// The pane to read in; empty if there is none.
    pub reading: Rect,
    /// Whether the pane has all lines of the area, beside the list or alone.
    pub beside: bool,
}

/// Divides an area into a list and the pane to read in.
pub fn list_and_reading(area: Rect, side: Side, alone: Alone) -> ListAndReading {
    let panes = panes(area, Shape { side, strip: 0 }, View { hidden: false, alone });
    if let Some(reading) = panes.right {
        return ListAndReading { list: panes.main, reading, beside: true };
    }
    if alone == Alone::Focused {
        return ListAndReading { list: panes.main, reading: panes.strip, beside: false };
    }
    let lines = if area.height < FEW { area.height / 3 } else { (area.height / 5 * 2).clamp(7, 18) };
    ListAndReading { list: above(area, lines), reading: below(area, area.height - lines), beside: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PREVIEW: Side = Side { from: WIDE, share: 38, bounds: (40, 60) };

    #[test]
    fn the_bar_goes_first_where_there_are_few_lines() {
        let parts = chrome(Rect::new(0, 0, 80, 24), false);
        assert_eq!((parts.bar.height, parts.place.y, parts.body), (1, 1, Rect::new(0, 2, 80, 21)));
        assert_eq!(chrome(Rect::new(0, 0, 80, 9), true).body, Rect::new(0, 1, 80, 6));
    }

    #[test]
    fn a_preview_stands_beside_the_list_where_there_is_room() {
        let shape = Shape { side: PREVIEW, strip: 1 };
        let wide = panes(Rect::new(0, 2, 120, 37), shape, View::default());
        assert_eq!((wide.main.width, wide.right.map(|area| (area.x, area.width))), (74, Some((75, 45))));
        let narrow = panes(Rect::new(0, 2, 80, 21), shape, View::default());
        assert_eq!((narrow.right, narrow.main.height, narrow.strip.height), (None, 20, 1));
        assert_eq!(panes(Rect::new(0, 2, 120, 37), shape, View { hidden: true, ..View::default() }).main.width, 120);
    }

    #[test]
    fn a_pane_alone_has_all_of_the_area_whatever_its_size() {
        let area = Rect::new(0, 2, 80, 21);
        let alone = |alone| panes(area, Shape { side: PREVIEW, strip: 1 }, View { hidden: true, alone });
        assert_eq!((alone(Alone::Focused).main, alone(Alone::Focused).right), (area, None));
        assert_eq!((alone(Alone::Other).main.is_empty(), alone(Alone::Other).right), (true, Some(area)));
        let steps = [Alone::None, Alone::Focused, Alone::Other];
        assert_eq!(steps.map(|from| from.next(&Alone::BOTH)), [Alone::Focused, Alone::Other, Alone::None]);
        assert_eq!(Alone::Other.next(&[Alone::Focused]), Alone::Focused);
    }

    proptest::proptest! {
        #[test]
        fn parts_never_leave_the_screen_nor_cover_each_other(columns in 0..300_u16, lines in 0..120_u16, waits: bool, hidden: bool, alone in 0..3_usize) {
            let area = Rect::new(0, 0, columns, lines);
            let parts = chrome(area, waits);
            let shape = Shape { side: PREVIEW, strip: 4 };
            let alone = [Alone::None, Alone::Focused, Alone::Other][alone];
            let inner = panes(parts.body, shape, View { hidden, alone });
            let all = [Some(parts.bar), Some(parts.place), Some(parts.waiting), Some(parts.hints), Some(inner.main), inner.right, Some(inner.strip)];
            let all: Vec<Rect> = all.into_iter().flatten().filter(|part| !part.is_empty()).collect();
            for (number, part) in all.iter().enumerate() {
                proptest::prop_assert_eq!(area.intersection(*part), *part);
                proptest::prop_assert!(all[number + 1..].iter().all(|other| !part.intersects(*other)), "{:?}", all);
            }
        }
    }
}
