//! The groups of the queue: rows of their own that fold, and what keys do on them; the bars of what waits.

use wharf::tui::{
    popups::{Ask, Popup},
    state::{Screen, State},
};

use crate::{
    keys::{press, requests},
    screens::draw,
};

const WIDE: (u16, u16) = (120, 40);

/// The queue of three requests in two groups: request 1, and requests 2 and 3.
fn queue() -> State {
    let mut state = requests("requests-queue", "6 tab");
    draw(&mut state, WIDE);
    state
}

/// The ids of the marked requests.
fn marked(state: &State) -> Vec<i64> {
    let Screen::Requests(page) = state.screen() else { panic!("it is another screen") };
    page.rows.marked().iter().copied().collect()
}

/// The line of the list that is selected.
fn selected(state: &mut State) -> String {
    let drawn = draw(state, WIDE);
    let line = drawn.lines().find(|line| line.starts_with("\"▌")).unwrap_or_default();
    line.chars().skip(1).take(40).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn the_keys_go_through_groups_and_their_requests() {
    let mut state = queue();
    for (key, line) in [
        ("k", "▌▾ scan · built on"),
        ("k", "▌▾ scan · built on"),
        ("j", "▌ 1 physics/gromacs-1"),
        ("j", "▌▾ signature · built on"),
        ("j", "▌ 2 physics/gromacs-2"),
        ("G", "▌ 3 physics/gromacs-3"),
        ("g", "▌▾ scan · built on"),
    ] {
        press(&mut state, key);
        let now = selected(&mut state);
        assert!(now.starts_with(line), "after {key}: {now}");
    }
}

#[test]
fn space_folds_the_selected_group_and_unfolds_it() {
    let mut state = queue();
    press(&mut state, "G k k _");
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("▸ signature · built on “alpine:3.17” · 2 waiting"), "{drawn}");
    insta::assert_snapshot!("folded-120x40", drawn);
    insta::assert_snapshot!("folded-80x24", draw(&mut state, (80, 24)));
    // The requests of a folded group are no lines: from its line there is nowhere to go but up.
    press(&mut state, "j j");
    assert!(selected(&mut state).starts_with("▌▸ signature"));
    press(&mut state, "k");
    assert!(selected(&mut state).starts_with("▌ 1 "));
    press(&mut state, "j _ j");
    assert!(selected(&mut state).starts_with("▌ 2 "), "it is unfolded again");
}

#[test]
fn on_a_group_only_what_is_about_all_of_it_works() {
    let mut state = queue();
    press(&mut state, "G k k");
    for key in ["a", "x", "b", "n"] {
        assert!(press(&mut state, key).is_empty());
        assert!(state.popups.is_empty(), "{key} decides on no request that is not selected");
        assert!(state.notice.as_ref().unwrap().text.contains("a group is selected"), "{:?}", state.notice);
    }
    press(&mut state, "C");
    assert!(matches!(state.popups.last(), Some(Popup::Line { ask: Ask::Class(..), .. })));
    press(&mut state, "esc m");
    assert_eq!(marked(&state), [2, 3]);
    press(&mut state, "_");
    assert!(draw(&mut state, WIDE).contains("2 waiting · 2 marked"), "what is marked is told where it is folded");
    press(&mut state, "a");
    assert!(matches!(state.popups.last(), Some(Popup::Line { ask: Ask::Approval(seen), .. }) if seen.len() == 2));
}

#[test]
fn space_still_marks_a_request() {
    let mut state = queue();
    press(&mut state, "_");
    assert_eq!(marked(&state), [1]);
}

#[test]
fn after_a_decision_the_next_request_that_is_shown_is_selected() {
    let mut state = queue();
    press(&mut state, "G k k _ k");
    assert!(selected(&mut state).starts_with("▌ 1 "));
    press(&mut state, "a");
    assert!(!selected(&mut state).starts_with("▌ 2 "), "what is folded is not decided by the way");
}

#[test]
fn what_waits_is_drawn_as_bars_where_there_is_room() {
    let mut state = queue();
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("What waits") && drawn.contains("by rule"), "{drawn}");
    assert!(!draw(&mut state, (80, 24)).contains("What waits"));
    press(&mut state, "o");
    assert!(!draw(&mut state, WIDE).contains("What waits"), "one base image has nothing to be compared with");
}
