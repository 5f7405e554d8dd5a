//! Where the parts of the dialog are: one geometry for drawing and for the mouse.

use ratatui::layout::Rect;

use super::dialog::{Part, Sharing};
use crate::kit::widgets::{above, below, middle};

/// From how many columns the link stands beside the rest.
pub const WIDE: u16 = 110;
/// How many lines the holders take below the link: a rule and their rows.
const HOLDERS: u16 = 9;

/// The places of the dialog.
pub(super) struct Regions {
    /// The whole box with its frame.
    pub area: Rect,
    /// The line with what is known of the image, if there is one.
    pub facts: Option<Rect>,
    /// The parts that are drawn, each with its rule.
    pub panes: Vec<(Part, Rect)>,
    /// The rows of receivers.
    pub list: Rect,
    /// The line with the keys.
    pub hint: Rect,
    /// The column of the line between the halves, if there are two.
    pub divider: Option<u16>,
}

/// The places on a screen of this size.
pub(super) fn regions(dialog: &Sharing, whole: Rect) -> Regions {
    let wide = whole.width >= WIDE;
    let width = match whole.width {
        160.. => 150,
        WIDE..160 => whole.width - 4,
        narrow => narrow,
    };
    // The bar and the line of messages stay in sight where there is room.
    let height = if whole.height >= 20 { whole.height - 2 } else { whole.height };
    let area = middle(whole, width, height.min(44));
    let inner = Rect::new(area.x + 1, area.y + 1, area.width.saturating_sub(2), area.height.saturating_sub(2));
    let hint = Rect::new(inner.x, inner.y + inner.height.saturating_sub(1), inner.width, inner.height.min(1));
    // What is shared stands above its receivers, where there is room.
    let told = !dialog.known.badges.is_empty() && inner.height >= 18;
    let facts = told.then_some(Rect { height: 1, ..inner });
    let body = below(above(inner, 1), u16::from(told));
    let (left, right) = if wide {
        let half = body.width / 2;
        (
            Rect::new(body.x, body.y, half, body.height),
            Some(Rect::new(body.x + half + 1, body.y, body.width - half - 1, body.height)),
        )
    } else {
        (body, None)
    };
    let mut panes = Vec::new();
    let mut list = Rect::default();
    match right {
        None if matches!(dialog.part, Part::Link | Part::Holders) => panes.push((dialog.part, left)),
        _ => {
            let most = if dialog.cloud.is_some() { 3 } else { 4 };
            let how = if left.height >= 16 { most } else { 2 };
            let rest = left.height.saturating_sub(how);
            // A rule, the typed line, the rows; the plan has the other half.
            let wanted = (dialog.count().max(4) as u16).saturating_add(2);
            let most = if dialog.plans.is_some() && dialog.part == Part::Plan { rest / 3 } else { rest - rest / 2 };
            let to = wanted.min(most).max(3).min(rest);
            let top = Rect { height: to, ..left };
            list = below(top, 2);
            // Once there is a plan, it needs the lines more than what is the same for all.
            let how = if dialog.plans.is_some() && left.height < 24 { 2 } else { how };
            panes.push((Part::To, top));
            panes.push((Part::How, Rect { height: how.min(left.height - to), ..below(left, to) }));
            panes.push((Part::Plan, below(left, to + how)));
        }
    }
    if let Some(right) = right {
        let holders = if dialog.keeps_holders { HOLDERS.min(right.height / 3) } else { 0 };
        panes.push((Part::Link, above(right, holders)));
        if holders > 0 {
            panes.push((Part::Holders, below(right, right.height - holders)));
        }
    }
    Regions { area, facts, panes, list, hint, divider: right.map(|right| right.x - 1) }
}
