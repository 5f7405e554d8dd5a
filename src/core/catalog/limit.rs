//! Limits of a row's size and age, as people type them: `size:>1G`, `age:<30d`.

use std::cmp::Ordering;

use super::rows::RowView;
use crate::base::text;

/// Which side of a limit a value must be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Smaller than the limit.
    Below,
    /// At most the limit.
    UpTo,
    /// Larger than the limit.
    Above,
    /// At least the limit.
    From,
}

impl Side {
    /// How each is written; of two that begin alike, the longer first.
    const ALL: [(&'static str, Self); 4] =
        [("<=", Self::UpTo), (">=", Self::From), ("<", Self::Below), (">", Self::Above)];

    /// Whether a value is on this side, by how it compares with the limit.
    fn has(self, compared: Ordering) -> bool {
        match self {
            Self::Below => compared.is_lt(),
            Self::UpTo => compared.is_le(),
            Self::Above => compared.is_gt(),
            Self::From => compared.is_ge(),
        }
    }
}

/// A limit that a row's size or age is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// Of the size, in bytes.
    Size(Side, u64),
    /// Of the time since the last change, in seconds.
    Age(Side, i64),
}

impl Limit {
    /// Whether a row is within the limit at `now` (seconds since 1970); `None` if its size or age is unknown.
    pub fn fits(self, row: &RowView<'_>, now: i64) -> Option<bool> {
        match self {
            Self::Size(side, bytes) => row.size.map(|size| side.has(size.cmp(&bytes))),
            Self::Age(side, seconds) => row.updated.map(|then| side.has(now.saturating_sub(then).cmp(&seconds))),
        }
    }
}

/// The limit of a size: `>1G`, `<=500M`; without a unit in bytes. `None` if it is only half typed, an error with an
/// example if it is none.
pub(super) fn size(typed: &str) -> Result<Option<Limit>, String> {
    let none = || format!("size:{typed} is no limit of a size: write size:>1G or size:<500M");
    let (side, rest) = side(typed).ok_or_else(none)?;
    if rest.is_empty() { Ok(None) } else { bytes(rest).map(|bytes| Some(Limit::Size(side, bytes))).ok_or_else(none) }
}

/// The limit of an age: `<30d`, `>=1y`. `None` if it is only half typed, an error with an example if it is none.
pub(super) fn age(typed: &str) -> Result<Option<Limit>, String> {
    let none = || format!("age:{typed} is no limit of an age: write age:<30d or age:>1y (units min, h, d, w, y)");
    let (side, rest) = side(typed).ok_or_else(none)?;
    if rest.is_empty() { Ok(None) } else { seconds(rest).map(|span| Some(Limit::Age(side, span))).ok_or_else(none) }
}

/// The side that was typed, and the text behind it; `None` if there is none.
fn side(typed: &str) -> Option<(Side, &str)> {
    Side::ALL.into_iter().find_map(|(sign, side)| typed.strip_prefix(sign).map(|rest| (side, rest)))
}

/// Bytes with a binary unit: `1G`, `1.5gib`, `700`.
fn bytes(typed: &str) -> Option<u64> {
    let (number, unit) = typed.split_at(typed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(typed.len()));
    let shift = text::binary_shift(unit)?;
    let number: f64 = number.parse().ok()?;
    Some((number * (1_u64 << shift) as f64) as u64)
}

/// Seconds of a time span, in years as well.
fn seconds(typed: &str) -> Option<i64> {
    match typed.strip_suffix('y') {
        Some(years) => years.parse::<u32>().ok().map(|years| i64::from(years) * 31_557_600),
        None => text::span(typed),
    }
}
