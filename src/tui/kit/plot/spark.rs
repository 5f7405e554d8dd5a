//! A history in one line of blocks.

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The value at the upper end of a plot: the limit, or without one the largest value. More than 0 in any case.
pub fn upper_end(values: &[f64], limit: Option<f64>) -> f64 {
    let largest = || values.iter().copied().filter(|value| value.is_finite()).fold(0.0, f64::max);
    let end = limit.filter(|limit| limit.is_finite() && *limit > 0.0).unwrap_or_else(largest);
    if end > 0.0 { end } else { 1.0 }
}

/// The share of `end` that a value takes, between 0 and 1; what is no number takes nothing.
pub fn share(value: f64, end: f64) -> f64 {
    if value.is_finite() && end > 0.0 { (value / end).clamp(0.0, 1.0) } else { 0.0 }
}

/// The last `width` values as blocks of different heights, scaled to the limit, or without one to the largest shown.
pub fn sparkline(values: &[f64], limit: Option<f64>, width: usize) -> String {
    let shown = values.get(values.len().saturating_sub(width)..).unwrap_or_default();
    let end = upper_end(shown, limit);
    shown.iter().map(|value| BLOCKS[((share(*value, end) * 7.0).round() as usize).min(7)]).collect()
}
