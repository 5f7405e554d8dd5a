//! Where the findings of the first page stand: for drawing and clicking alike.

use ratatui::layout::Rect;

use super::findings::FOUND;
use crate::kit::widgets::below;

/// The most columns of the page.
const COLUMNS: u16 = 98;

/// The page's own area in the middle of a body.
pub(super) fn area(body: Rect) -> Rect {
    let width = body.width.min(COLUMNS);
    Rect { x: body.x + (body.width - width) / 2, width, ..body }
}

/// The lines of the findings, two for each, below an empty line and a rule.
pub(super) fn rows(body: Rect) -> Rect {
    let rest = below(area(body), 2);
    Rect { height: rest.height.min(2 * FOUND as u16), ..rest }
}
