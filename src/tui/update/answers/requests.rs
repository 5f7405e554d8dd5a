//! Answers about requests, notices, and the person's rights in the store.

use std::ops::ControlFlow::{self, Break, Continue};

use crate::{
    flows::request,
    msg::{Effect, Msg},
    popups::Popup,
    state::{Screen, State},
};

/// Handles an answer about requests; returns any other message unhandled.
pub fn arrived(state: &mut State, msg: Msg) -> ControlFlow<Vec<Effect>, Msg> {
    match msg {
        Msg::Requests { which, skip, result } => {
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.arrived(which, skip, result);
            }
        }
        Msg::Queue(result) => {
            if let Ok((me, ..)) = &result {
                state.approver = me.approver;
            }
            if let Some(page) = topmost!(state, Screen::Requests) {
                page.stands(result);
                if page.wants_queue() {
                    page.turn(true);
                    return Break(vec![page.again()]);
                }
            }
        }
        Msg::RequestTold(result) => match *result {
            Ok((request, text)) => {
                let title = format!("Request {}: {}", request.id, request.asked.title);
                state.come(Popup::text(title, text));
            }
            Err(error) => state.fail(&error),
        },
        Msg::Inbox(result) => {
            if let Some(page) = topmost!(state, Screen::Inbox) {
                page.arrived(result);
            }
        }
        Msg::Unread(count) => state.unread = count,
        Msg::News => return Break(request::news(state)),
        Msg::Me(me) => state.approver = me.approver,
        other => return Continue(other),
    }
    Break(Vec::new())
}
