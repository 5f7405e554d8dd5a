//! The groups of the queue: rows of their own that fold, and what keys do on them; what is drawn below it.

use wharf::{
    core::{
        base::error::{Error, Kind},
        request::{Caller, Pace, QueueOverview, Request, RequestFilter, Stage},
    },
    tui::{
        msg::{Msg, RequestNews},
        popups::{Ask, Popup},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    keys::{overview, press, request, requests, rush},
    screens::draw,
};

const WIDE: (u16, u16) = (120, 40);

/// The queue of three requests in two groups: request 1, and requests 2 and 3.
fn queue() -> State {
    let mut state = requests("requests-queue", "6 tab");
    draw(&mut state, WIDE);
    state
}

/// The queue as the store has it now, without counts of its groups.
fn listed(state: &mut State, result: Result<Vec<Request>, Error>) {
    let which = RequestFilter::Queue;
    update(state, Msg::Request(RequestNews::Requests { which, skip: 0, result }));
    let me = Caller { person: "carol".into(), approver: true, steward: false, own: false };
    update(state, Msg::Request(RequestNews::Queue(Ok((me, Pace::default(), Vec::new())))));
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
fn requests_that_are_each_alone_in_their_group_stand_without_lines_above_them() {
    let mut state = queue();
    let alone = (1..=3).map(|id| request(id, Stage::Waiting, "signature", &format!("layer {id}"))).collect();
    listed(&mut state, Ok(alone));
    let drawn = draw(&mut state, WIDE);
    assert!(!drawn.contains('▾'), "{drawn}");
    press(&mut state, "g");
    assert!(selected(&mut state).starts_with("▌ 1 "));
    press(&mut state, "j");
    assert!(selected(&mut state).starts_with("▌ 2 "));
    // A second one of a group brings the lines of all groups back.
    let two = (1..=3).map(|id| request(id, Stage::Waiting, "signature", &format!("layer {}", id / 2))).collect();
    listed(&mut state, Ok(two));
    assert_eq!(draw(&mut state, WIDE).matches('▾').count(), 2);
}

#[test]
fn a_request_that_is_selected_in_place_of_its_group_is_decided_on_only_once_it_was_shown() {
    let mut state = queue();
    press(&mut state, "G k k");
    assert!(selected(&mut state).starts_with("▌▾ signature"));
    let alone = |id, rule: &str| request(id, Stage::Waiting, rule, "alpine:3.17");
    // Somebody else has decided on the third one.
    listed(&mut state, Ok(vec![alone(1, "scan"), alone(2, "signature")]));
    assert!(rush(&mut state, "a").is_empty());
    assert!(state.popups.is_empty(), "{:?}", state.popups);
    assert!(selected(&mut state).starts_with("▌ 2 "));
    // A second one comes, and nothing jumps.
    listed(&mut state, Ok(vec![alone(1, "scan"), alone(2, "signature"), alone(3, "signature")]));
    assert!(selected(&mut state).starts_with("▌ 2 "));
}

#[test]
fn why_the_queue_cannot_be_read_is_told_whole() {
    let mut state = queue();
    let why = "its group may write to it, and its members could decide for one another ".repeat(3);
    let error = Error::failed("open the store /srv/wharf/requests.db", format!("{why}at last"))
        .hint("take PostgreSQL, which knows its people");
    listed(&mut state, Err(error));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("at last") && drawn.contains("which knows its people"), "{drawn}");
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

/// The same with how requests went lately.
fn lately() -> State {
    let mut state = requests("requests-lately", "6 tab");
    draw(&mut state, WIDE);
    state
}

fn told(state: &mut State, known: Result<QueueOverview, Error>) {
    update(state, Msg::Request(RequestNews::Overview(known)));
}

fn fill(state: &mut State, count: i64) {
    let all: Vec<Request> = (1..=count).map(|id| request(id, Stage::Waiting, "signature", "alpine:3.17")).collect();
    update(state, Msg::Request(RequestNews::Requests { which: RequestFilter::Queue, skip: 0, result: Ok(all) }));
}

#[test]
fn what_was_asked_for_and_decided_and_what_ends_soon_are_drawn_where_lines_are_left() {
    let mut state = lately();
    for size in [WIDE, (200, 50)] {
        let drawn = draw(&mut state, size);
        for words in [
            "Asked for and decided ─",
            "30 days (UTC), up to 12 a day",
            " asked    ▁",
            " decided  ▁",
            "Approvals that end soon ─",
            "◷ ml/pytorch:2.6",
            "in 3 d",
            "no new findings",
            "new findings: unknown",
            "! astro/casa:6.6",
            "in 9 d",
            "a new finding: CVE-2026-0001",
        ] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
        assert!(!drawn.contains('\u{1b}'), "nothing from outside reaches the terminal as it is");
    }
    let small = draw(&mut state, (80, 24));
    assert!(!small.contains("Asked for and decided") && !small.contains("end soon"), "{small}");
    // On the other lists nothing of it stands.
    press(&mut state, "tab");
    assert!(!draw(&mut state, WIDE).contains("Asked for and decided"));
}

#[test]
fn no_row_that_waits_is_left_out_for_a_plot() {
    let mut state = lately();
    let is_row = |line: &&str| line.chars().take(40).collect::<String>().contains(" physics/gromacs-");
    let rows = |drawn: &str| drawn.lines().filter(is_row).count();
    for count in 1..45 {
        fill(&mut state, count);
        told(&mut state, Ok(overview()));
        let with = draw(&mut state, WIDE);
        told(&mut state, Ok(QueueOverview::default()));
        let without = draw(&mut state, WIDE);
        assert_eq!(rows(&with), rows(&without), "{count} wait: {with}");
        // A part is there with its title and at least one line, or not at all.
        let lines: Vec<&str> = with.lines().collect();
        let below = |title: &str| lines.iter().position(|line| line.contains(title)).map(|at| lines[at + 1]);
        assert!(below("Asked for and decided").is_none_or(|line| line.contains(" asked ")), "{with}");
        assert!(below("Approvals that end soon").is_none_or(|line| line.contains("ml/pytorch")), "{with}");
    }
    told(&mut state, Ok(overview()));
    assert!(!draw(&mut state, WIDE).contains("Asked for and decided"));
}

#[test]
fn of_approvals_without_a_line_the_number_is_told() {
    let mut state = lately();
    let one = overview().ending[0].clone();
    let ending = vec![one; 10];
    told(&mut state, Ok(QueueOverview { ending, ending_in_all: 31, ..overview() }));
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("in 14 days, 10 of 31"), "{drawn}");
}

#[test]
fn where_nothing_was_ever_asked_for_there_is_no_plot() {
    let mut state = lately();
    told(&mut state, Ok(QueueOverview::new(1_764_000_000, &[], Vec::new(), 0)));
    let drawn = draw(&mut state, WIDE);
    assert!(!drawn.contains("Asked for and decided") && !drawn.contains("end soon"), "{drawn}");
    // With an empty queue, too; but where something was asked for, it is told there.
    fill(&mut state, 0);
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("Nothing waits for a decision.") && !drawn.contains("Asked for"), "{drawn}");
    told(&mut state, Ok(overview()));
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("Nothing waits for a decision.") && drawn.contains("! astro/casa:6.6"), "{drawn}");
    assert!(!draw(&mut state, (80, 24)).contains("Asked for and decided"));
}

#[test]
fn what_the_store_does_not_say_is_called_unknown_with_the_reason() {
    let mut state = lately();
    told(&mut state, Err(Error::new(Kind::Unavailable, "read how requests went lately", "it did not answer in time")));
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("unknown: read how requests went lately") && !drawn.contains("end soon"), "{drawn}");
}
