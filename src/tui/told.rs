//! The last message and the errors of the shown screen in full, for which a line has no room; and all last messages.

use super::{
    message,
    model::{Model, Notice},
    state::State,
};
use wharf_core::base::text;

/// The text, or `None` if there is no message and no error.
pub fn in_full(state: &State) -> Option<String> {
    let last = state.messages.front().map(|(_, notice)| in_words(notice));
    let mut parts: Vec<String> = last.into_iter().collect();
    parts.extend(state.shown().failures());
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}

/// The last messages with their age, the newest first; `None` if nothing was said.
pub fn messages(model: &Model) -> Option<String> {
    let line = |(then, notice): &(i64, Notice)| format!("{}  {}", text::ago(*then, model.now), in_words(notice));
    let lines: Vec<String> = model.messages.iter().map(line).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn in_words(notice: &Notice) -> String {
    let (sign, _) = message::sign(notice.tone);
    let advice = if notice.advice.is_empty() { String::new() } else { format!("\n  → {}", notice.advice) };
    format!("{sign} {}{advice}", notice.text)
}
