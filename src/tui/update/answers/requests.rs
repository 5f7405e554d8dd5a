//! Answers about requests, notices, and the person's rights in the store.

use crate::{
    flows::request,
    msg::{Effect, RequestNews},
    popups::Popup,
    state::{Screen, State},
};

/// Handles news of requests.
pub(super) fn arrived(state: &mut State, news: RequestNews) -> Vec<Effect> {
    match news {
        RequestNews::Requests { which, skip, result } => {
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.arrived(which, skip, result);
            }
        }
        RequestNews::Queue(result) => {
            let lists_queue = matches!(state.screen(), Screen::Requests(page) if page.decides());
            if let Ok((me, ..)) = &result {
                state.approver = me.approver;
            }
            // Groups are read with the queue only.
            if let (Ok((me, _, groups)), true) = (&result, lists_queue) {
                let waiting = groups.iter().map(|group| group.count).sum::<i64>();
                state.to_decide = usize::try_from(waiting).ok().filter(|_| me.approver).unwrap_or(0);
            }
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.set_queue(result);
                if page.wants_queue() {
                    page.turn_list(true);
                    return vec![page.again()];
                }
            }
        }
        RequestNews::Overview(result) => {
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.set_overview(result);
            }
        }
        RequestNews::RequestTold(result) => match *result {
            Ok((request, text)) => {
                let title = format!("Request {}: {}", request.id, request.asked.title);
                state.open_unasked(Popup::text(title, text));
            }
            Err(error) => state.fail(&error),
        },
        RequestNews::Inbox(result) => {
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.arrived(result);
            }
        }
        RequestNews::Unread(count) => state.unread = count,
        RequestNews::Warnings(warnings) => {
            if let Some(page) = topmost!(state, Screen::Workloads) {
                page.warnings = warnings;
            }
        }
        RequestNews::News => return request::news(state),
        RequestNews::Me(me) => state.approver = me.approver,
    }
    Vec::new()
}
