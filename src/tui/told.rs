//! What a line had no room for: the last message and what failed on this screen, in full.

use super::{
    model::Tone,
    state::{Screen, State},
};
use crate::core::base::error::Error;

/// The text, if there is anything to tell.
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
    let named = |failed: &[(String, Error)]| failed.iter().map(|(_, error)| error.told()).collect::<Vec<_>>();
    parts.extend(match state.screen() {
        Screen::Catalog => state.catalog.feeds.iter().filter_map(|feed| feed.error.as_ref()).map(Error::told).collect(),
        Screen::Workloads(page) => named(&page.failed),
        Screen::Offers(page) => named(&page.failed),
        Screen::Image(page) => page.error.iter().map(Error::told).collect(),
        Screen::Launch(page) => page.error.iter().map(Error::told).collect(),
        Screen::Requests(page) => page.error.iter().map(Error::told).collect(),
        Screen::Inbox(page) => page.error.iter().map(Error::told).collect(),
        Screen::Workload(page) => page.ended.iter().filter_map(|ended| ended.as_ref().err()).map(Error::told).collect(),
        Screen::Transfers | Screen::Console(_) | Screen::Sources(_) => Vec::new(),
    });
    parts.dedup();
    (!parts.is_empty()).then(|| parts.join("\n\n"))
}
