//! Keys in popups, and what is done with the person's answer.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use crate::{
    flows::{again, copy, open, request, share, sources, tour, upkeep},
    kit::{
        action::Action,
        input::{Input, leaves},
        list::{ListCursor, SeenRow},
    },
    msg::{
        Effect, ImageEffect, LinkWish, ListEffect, Navigation, RequestInput, RunEffect, ShareEffect, Slot,
        TransferEffect,
    },
    popups::{
        self, Ask, Confirmation, Popup, adding, conditions,
        pick::{Outcome, Purpose},
        removing, share as dialog,
    },
    rows::WorkloadId,
    state::{Screen, State},
};
use wharf_core::{base::secret::Secret, image::reference::is_on_the_web};

/// Handles a key while a popup is open.
pub fn key(state: &mut State, key: KeyEvent) -> Vec<Effect> {
    let key = if leaves(&key) { KeyEvent::from(KeyCode::Esc) } else { key };
    if let Some(why) = state.popup_refuses(&key) {
        state.say(why);
        return Vec::new();
    }
    let size = state.size;
    match state.popups.last_mut() {
        Some(Popup::Pick(pick)) => {
            let outcome = pick.key(&key);
            picked(state, outcome)
        }
        Some(Popup::Line { .. }) => line_key(state, &key),
        Some(Popup::Confirm { sure, .. }) => {
            let sure = sure.clone();
            state.popups.pop();
            confirmed(state, sure, matches!(key.code, KeyCode::Char('y' | 'Y')))
        }
        Some(Popup::Share(dialog)) => {
            let outcome = dialog.key(&key, Rect::new(0, 0, size.0, size.1));
            sharing(state, outcome)
        }
        Some(Popup::Conditions(form)) => match form.key(&key) {
            conditions::Outcome::Stay => Vec::new(),
            conditions::Outcome::Close => {
                state.popups.pop();
                Vec::new()
            }
            conditions::Outcome::Go(requests, ruling) => {
                state.popups.pop();
                request::conditions_confirmed(state, requests, ruling)
            }
        },
        Some(Popup::Removing(removing)) => match removing.key(&key) {
            removing::Outcome::Stay => Vec::new(),
            removing::Outcome::Close => {
                state.popups.pop();
                vec![Effect::Leave(&[Slot::Removals])]
            }
            removing::Outcome::Go(removals) => {
                state.popups.pop();
                upkeep::removal_confirmed(state, removals)
            }
        },
        Some(Popup::Tour(shown)) => {
            let outcome = shown.key(&key);
            tour::goes(state, outcome)
        }
        Some(Popup::Adding(adding)) => {
            let outcome = adding.key(&key);
            address_tried(state, outcome)
        }
        Some(Popup::Text { copy, top, text, link, .. }) => match key.code {
            KeyCode::Char('u') if link.is_some() => {
                let wish = link.clone();
                state.popups.pop();
                if let Some(wish) = wish {
                    state.popups.push(link_end(wish, Input::default()));
                }
                Vec::new()
            }
            KeyCode::Char('c') if copy.is_some() => {
                let text = copy.clone().unwrap_or_default();
                state.done("copied, where the terminal allows it");
                vec![Effect::Copy(text)]
            }
            _ => {
                match popups::scroll::scrolled(*top, popups::view::folded(text, size.0).len(), &key) {
                    Some(to) => *top = to,
                    None => drop(state.popups.pop()),
                }
                Vec::new()
            }
        },
        None => Vec::new(),
    }
}

/// Handles a key while a line is typed into a popup.
fn line_key(state: &mut State, key: &KeyEvent) -> Vec<Effect> {
    let Some(Popup::Line { input, ask, .. }) = state.popups.last_mut() else { return Vec::new() };
    match key.code {
        KeyCode::Esc => {
            let ask = ask.clone();
            state.popups.pop();
            match ask {
                Ask::Question(id, _) => vec![Effect::Answer(id, None)],
                _ => Vec::new(),
            }
        }
        KeyCode::Enter => {
            let ask = ask.clone();
            // A password or key may begin or end with a space.
            let text =
                if matches!(ask, Ask::Question(..) | Ask::TransferKey(..)) { &input.text } else { input.text.trim() }
                    .to_owned();
            state.popups.pop();
            answered(state, &ask, text)
        }
        _ => {
            input.key(key);
            Vec::new()
        }
    }
}

/// Does what a key in the popup about a typed address has led to.
fn address_tried(state: &mut State, outcome: adding::Outcome) -> Vec<Effect> {
    match outcome {
        adding::Outcome::Stay => return Vec::new(),
        adding::Outcome::Copy(lines) => {
            state.done("copied, where the terminal allows it");
            return vec![Effect::Copy(lines)];
        }
        _ => drop(state.popups.pop()),
    }
    match outcome {
        adding::Outcome::Keep(trial) => sources::keep(state, *trial),
        adding::Outcome::Again(typed) => {
            let mut effects = vec![Effect::Leave(&[Slot::Trial])];
            effects.extend(sources::add(state, typed));
            effects
        }
        _ => vec![Effect::Leave(&[Slot::Trial])],
    }
}

/// Does what a key or a click in a list to choose from has led to.
pub(super) fn picked(state: &mut State, outcome: Outcome) -> Vec<Effect> {
    let Some(Popup::Pick(pick)) = state.popups.last_mut() else { return Vec::new() };
    let purpose = pick.purpose.clone();
    match outcome {
        // A theme is shown while one moves over it.
        Outcome::Stay if purpose == Purpose::Theme => {
            pick.selected().map(|item| Effect::TryTheme(item.value.clone())).into_iter().collect()
        }
        Outcome::Stay => Vec::new(),
        Outcome::Close => {
            state.popups.pop();
            if purpose == Purpose::Theme { vec![Effect::TryTheme(state.theme.clone())] } else { Vec::new() }
        }
        Outcome::Chosen(values) => {
            state.popups.pop();
            chosen(state, purpose, &values)
        }
    }
}

/// Does what a key or a click in the dialog that shares an image has led to.
pub(super) fn sharing(state: &mut State, outcome: dialog::Outcome) -> Vec<Effect> {
    let Some(Popup::Share(open)) = state.popups.last_mut() else { return Vec::new() };
    match outcome {
        dialog::Outcome::Stay => Vec::new(),
        dialog::Outcome::Close => {
            state.popups.pop();
            share::next(state)
        }
        dialog::Outcome::Plan => {
            let mut effects = share::marked(open);
            effects.extend(share::link_where_seen(state));
            effects
        }
        dialog::Outcome::OtherPlatform => {
            let mut effects = vec![Effect::Leave(&[Slot::Link])];
            effects.extend(share::marked(open));
            effects.extend(share::link_where_seen(state));
            effects
        }
        dialog::Outcome::Go(receivers) => {
            let (target, platform) = (open.target.clone(), open.chosen_platform().map(str::to_owned));
            // The plan that was shown is for these: without a name it was never made.
            let Ok(terms) = open.terms() else { return Vec::new() };
            state.popups.pop();
            let mut effects = share::next(state);
            effects.extend(share::plans_confirmed(state, &target, platform.as_deref(), &terms, receivers));
            effects
        }
        dialog::Outcome::Give => {
            let target = open.target.clone();
            state.popups.pop();
            share::ask_to_give(state, target)
        }
        dialog::Outcome::Link => share::make_link(state),
        dialog::Outcome::OtherEnd => {
            let mut effects = share::marked(open);
            effects.extend(share::make_link(state));
            effects
        }
        dialog::Outcome::Copy(link) => {
            "copied, where the terminal allows it".clone_into(&mut open.remark);
            vec![Effect::Copy(link)]
        }
        dialog::Outcome::TakeBack => share::take_back(state),
    }
}

/// The question how long a link is to be valid.
fn link_end(wish: LinkWish, input: Input) -> Popup {
    let about = vec!["30d, 12h or 2030-01-31T12:00:00Z; nothing: it does not end".to_owned()];
    Popup::Line { title: "How long the link is good".to_owned(), about, input, ask: Ask::LinkEnd(wish) }
}

/// Does what a choice from a list was for.
pub fn chosen(state: &mut State, purpose: Purpose, values: &[String]) -> Vec<Effect> {
    let first = values.first().cloned().unwrap_or_default();
    match purpose {
        Purpose::Command => match Action::named(&first) {
            Some(action) => vec![Effect::Go(Navigation::Do(action))],
            None => Vec::new(),
        },
        Purpose::Facet => {
            for facet in values {
                state.catalog.toggle(facet);
            }
            state.catalog.typed()
        }
        Purpose::Filter => {
            state.catalog.input = Input::new(first);
            state.catalog.typed()
        }
        Purpose::Theme => {
            state.theme.clone_from(&first);
            vec![Effect::Theme(first)]
        }
        Purpose::TakeAt(transfer, key) => share::accept_transfer(state, &first, &transfer, key),
        Purpose::Snapshot(workload, name) => share::snapshot_for(state, workload, name, values),
        Purpose::Task(backend) => {
            let chosen = state.lists.parts(&backend).find(|one| one.id == first).cloned();
            chosen.map(|one| Effect::Go(Navigation::Workload(Box::new(one)))).into_iter().collect()
        }
        Purpose::Again(open) => again::chosen(state, open, first),
        Purpose::Import(url) => copy::import(state, url, first),
        Purpose::CopyTo(target, platform) => copy::copy(state, target, platform, first),
        Purpose::Platform => match state.stack.last_mut() {
            Some(Screen::Image(page)) => page.choose_platform(first),
            _ => Vec::new(),
        },
        Purpose::SignIn => copy::sign_in_to(state, first),
    }
}

/// Does what a typed line was for.
pub fn answered(state: &mut State, ask: &Ask, text: String) -> Vec<Effect> {
    match ask {
        Ask::Question(id, _) => vec![Effect::Answer(*id, Some(Secret::new(text)))],
        Ask::Narrow => {
            if let Some(Screen::Image(page)) = state.stack.last_mut() {
                page.narrowed = text;
                page.at = ListCursor::default();
            }
            Vec::new()
        }
        Ask::Reason(target) => request::reason_typed(state, target.clone(), &text),
        Ask::Approval(seen) => request::approved(state, seen.clone(), text),
        _ if text.is_empty() && !matches!(ask, Ask::LinkEnd(_)) => Vec::new(),
        Ask::Refusal(seen) => request::refused(state, seen.clone(), text),
        Ask::TakeBack(seen) => request::revoke_reason_typed(state, seen.clone(), text),
        Ask::AskedBack(seen) => request::speak(state, seen.clone(), RequestInput::Question(text)),
        Ask::Addition(seen) => request::speak(state, seen.clone(), RequestInput::More(text)),
        Ask::Class(base, rule) => request::class(state, base.clone(), rule.clone(), &text),
        Ask::Transfer => share::transfer_pasted(state, &text),
        Ask::TransferKey(cloud, transfer) => share::accept_transfer(state, cloud, transfer, Some(Secret::new(text))),
        Ask::Tag(target) => upkeep::tagged(state, target.clone(), text),
        Ask::SnapshotName(workload) => share::snapshot_named(state, workload.clone(), text),
        Ask::Web if !is_on_the_web(&text) => {
            state.say("a URL begins with https:// or http://");
            Vec::new()
        }
        Ask::Web => copy::import_into(state, text),
        Ask::FilterName => {
            let filter = state.catalog.input.text.clone();
            state.catalog.saved.retain(|(name, _)| *name != text);
            state.catalog.saved.push((text.clone(), filter.clone()));
            let key = state.keymap.label("catalog", Action::SavedFilters);
            state.done(format!("kept as '{text}': {key} uses it"));
            vec![Effect::List(ListEffect::SaveFilter(text, filter))]
        }
        Ask::LinkEnd(wish) => {
            match (!text.is_empty()).then(|| wharf_core::base::text::parse_future_time(&text)).transpose() {
                Ok(until) => vec![Effect::Image(ImageEffect::Link(LinkWish { until, ..wish.clone() }))],
                Err(error) => {
                    state.fail(&error);
                    state.popups.push(link_end(wish.clone(), Input::new(text)));
                    Vec::new()
                }
            }
        }
        Ask::Link => open::link(state, &text),
        Ask::SourceAddress => sources::address_typed(state, text),
    }
}

fn confirmed(state: &mut State, sure: Confirmation, yes: bool) -> Vec<Effect> {
    match sure {
        Confirmation::Question(id) => vec![Effect::Answer(id, Some(Secret::new(if yes { "yes" } else { "no" })))],
        _ if !yes => Vec::new(),
        Confirmation::Quit => {
            // When the loop ends, it cancels all jobs.
            state.quit = true;
            Vec::new()
        }
        Confirmation::CancelTransfer(id) => {
            state.say("cancelling it, and removing what it has left");
            vec![Effect::Transfer(TransferEffect::Cancel(id))]
        }
        Confirmation::Give(target) => share::create_transfer(state, target),
        Confirmation::Withdraw(seen) => request::speak(state, seen, RequestInput::Withdrawn),
        Confirmation::Remove(workload) => {
            if matches!(state.stack.last(), Some(Screen::Workload(_))) {
                let mut effects = vec![Effect::Go(Navigation::Back)];
                effects.extend(remove(state, workload));
                return effects;
            }
            remove(state, workload)
        }
        Confirmation::Revoke(share) => {
            let job = state.job(format!("take the share back from {}", share.called()));
            vec![Effect::Share(ShareEffect::Revoke { job, share })]
        }
    }
}

fn remove(state: &mut State, workload: SeenRow<WorkloadId>) -> Vec<Effect> {
    let job = state.job(format!("remove {}", workload.called()));
    vec![Effect::Run(RunEffect::Remove { job, workload })]
}
