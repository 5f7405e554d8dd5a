//! A line of output in as many rows as it needs.

use std::ops::Range;

use unicode_width::UnicodeWidthChar;

/// A line in parts of at most `width` columns, as ranges of bytes; at least one. Cut as a terminal cuts it, so that what
/// is copied from the screen is the line.
pub(super) fn folded(line: &str, width: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut begin, mut used) = (0, 0);
    for (at, c) in line.char_indices() {
        let columns = c.width().unwrap_or(0);
        if used + columns > width.max(1) && at > begin {
            parts.push(begin..at);
            (begin, used) = (at, 0);
        }
        used += columns;
    }
    parts.push(begin..line.len());
    parts
}
