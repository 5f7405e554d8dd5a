//! The filters that were used earlier: going through them in the field, and what is kept of them.

use wharf::tui::{
    msg::{Effect, Msg},
    state::State,
    update::update,
};

use crate::{
    keys::{press, state},
    screens::draw,
};

/// A person who has used these filters, the newest first.
fn used(filters: &[&str]) -> State {
    let mut state = state();
    state.catalog.set_older_filters(filters.iter().map(|filter| (*filter).to_owned()).collect());
    state
}

fn text(state: &State) -> &str {
    &state.catalog.input.text
}

fn selected(state: &State) -> String {
    state.catalog.selected().map(|(_, row)| row.name.to_owned()).unwrap_or_default()
}

#[test]
fn up_on_the_first_row_goes_through_older_filters_and_down_back_to_what_was_typed() {
    let mut state = used(&["lammps", "gro", "tag:edge"]);
    press(&mut state, "/ p h y");
    for (key, filter) in [
        ("up", "lammps"),
        ("up", "gro"),
        ("up", "tag:edge"),
        ("up", "tag:edge"),
        ("down", "gro"),
        ("down", "lammps"),
        ("down", "phy"),
    ] {
        press(&mut state, key);
        assert_eq!(text(&state), filter, "after {key}");
    }
    assert_eq!(state.catalog.count(), 2);
    press(&mut state, "up up enter");
    assert_eq!((text(&state), selected(&state).as_str()), ("gro", "physics/gromacs"));
}

#[test]
fn arrows_still_move_in_the_list_while_one_types() {
    let mut state = used(&["lammps"]);
    press(&mut state, "/ p h y");
    let first = selected(&state);
    press(&mut state, "down");
    assert_eq!((text(&state), selected(&state) == first), ("phy", false));
    press(&mut state, "up");
    assert_eq!((text(&state), selected(&state) == first), ("phy", true), "it moves to the first row");
    press(&mut state, "up");
    assert_eq!(text(&state), "lammps");
    // What is typed on is no older filter any more: down moves again.
    press(&mut state, "backspace down");
    assert_eq!(text(&state), "lammp");
}

#[test]
fn a_filter_is_kept_when_it_is_taken_and_when_it_is_cleared_with_images_below_it() {
    let mut state = used(&["lammps", "gro"]);
    let kept = |effects: &[Effect]| effects.iter().filter(|one| matches!(one, Effect::KeepFilter(_))).count();
    let effects = press(&mut state, "/ g r o enter");
    assert!(effects.contains(&Effect::KeepFilter("gro".into())), "{effects:?}");
    assert_eq!(kept(&press(&mut state, "esc")), 0, "it is the newest one already");
    let effects = press(&mut state, "/ s a m esc");
    assert!(effects.contains(&Effect::KeepFilter("sam".into())), "{effects:?}");
    assert_eq!(kept(&press(&mut state, "/ z z z z esc")), 0, "nothing fits it");
    press(&mut state, "/");
    for filter in ["sam", "gro", "lammps", "lammps"] {
        press(&mut state, "up");
        assert_eq!(text(&state), filter, "each is there once, the newest first");
    }
}

#[test]
fn without_older_filters_up_changes_nothing() {
    let mut state = state();
    press(&mut state, "/ p h y up up");
    assert_eq!((text(&state), state.catalog.count()), ("phy", 2));
    assert!(!draw(&mut state, (120, 40)).contains("older filters"));
}

#[test]
fn the_line_below_the_filter_names_the_keys() {
    let mut state = used(&["lammps", "gro"]);
    press(&mut state, "/");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("↑ older filters") && !drawn.contains("ctrl-s keeps"), "{drawn}");
    press(&mut state, "s c a n :");
    update(&mut state, Msg::Drawn);
    let drawn = draw(&mut state, (120, 40));
    assert!(drawn.contains("tab takes it · ↑ older filters · ctrl-s keeps"), "{drawn}");
    press(&mut state, "up");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("older filter 1 of 2: ↑ ↓ · ctrl-s keeps"), "{drawn}");
    insta::assert_snapshot!("older-filters-80x24", drawn);
}
