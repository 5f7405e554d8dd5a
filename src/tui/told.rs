//! The last message and the errors of the shown screen in full, for which a line has no room.

use super::{model::Tone, state::State};

/// The text, or `None` if there is no message and no error.
pub fn in_full(state: &State) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    if let Some(notice) = state.notice.as_ref().or(state.said.as_ref()) {
        let sign = match notice.tone {
            Tone::Done => "✓",
            Tone::Told => "·",
            Tone::Failed => "✗",
        };
        parts.push(format!("{sign} {}", notice.text));
    }
    parts.extend(state.shown().failures());
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
