//! The first page of a newcomer: when it opens and goes, what it says, and what its keys do.

use std::sync::Arc;

use wharf::{
    core::catalog::rows::RowSet,
    tui::{
        hints,
        kit::{action::Action, keymap::Keymap},
        msg::{Effect, ListEffect, ListNews, Msg, SourceEffect},
        popups::Popup,
        state::{Screen, State},
        update::update,
    },
};

use crate::{fake, keys, lab::Home, pty, screens};

/// A state in which the page may open, whose source is still being listed.
fn beginning() -> State {
    let mut state = State::new(keys::state().model.sources, vec!["docker".into()], Keymap::load(None));
    state.model.welcome = true;
    let began = state.begin();
    keys::run(&mut state, began);
    update(&mut state, Msg::List(ListNews::Cached(Ok(Vec::new()))));
    state
}

fn listed(state: &mut State, count: usize) {
    let rows = (0..count).map(|number| fake::row(&format!("physics/tool{number}"), &["1"])).collect();
    let effects = update(state, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(RowSet::build(rows))))));
    keys::run(state, effects);
}

#[test]
fn it_opens_once_the_sources_have_answered_with_few_images() {
    let mut state = beginning();
    assert!(matches!(state.screen(), Screen::Catalog), "the source may have many");
    listed(&mut state, 3);
    assert!(matches!(state.screen(), Screen::Welcome(_)));
    listed(&mut state, 10);
    assert!(matches!(state.screen(), Screen::Catalog), "it goes when there are many");
    let mut many = beginning();
    listed(&mut many, 10);
    assert!(matches!(many.screen(), Screen::Catalog));
    let mut busy = beginning();
    keys::press(&mut busy, "j");
    listed(&mut busy, 3);
    assert!(matches!(busy.screen(), Screen::Catalog), "not after a key, which was meant for the list");
}

#[test]
fn its_keys_mend_what_is_missing_and_closing_it_is_kept() {
    let mut state = beginning();
    listed(&mut state, 1);
    // Registries are the third finding: the one that is here is shown; clouds are the fourth: a text says where they go.
    keys::press(&mut state, "j j j enter");
    assert!(matches!(state.popups.last(), Some(Popup::Text { text, .. }) if text.contains("auth_url")));
    keys::press(&mut state, "esc");
    let effects = keys::press(&mut state, "esc");
    assert!(effects.contains(&Effect::CloseWelcome), "{effects:?}");
    assert!(matches!(state.screen(), Screen::Catalog));
    keys::press(&mut state, ": w e l c o m e enter");
    assert!(matches!(state.screen(), Screen::Welcome(_)), "the palette brings it back");
    let effects = keys::press(&mut state, "a r . e x enter");
    assert!(effects.contains(&Effect::Source(SourceEffect::Try { address: "r.ex".into() })), "{effects:?}");
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::List(ListEffect::List { .. }))), "{effects:?}");
}

#[test]
fn its_texts_name_the_keys_in_use_and_the_filter_key_goes_to_the_list() {
    let mut state = beginning();
    listed(&mut state, 3);
    keys::press(&mut state, "/ t o");
    assert!(matches!(state.screen(), Screen::Catalog) && state.catalog.input.text == "to");
    let mut state = beginning();
    let home = Home::new();
    let file = home.path("keys.toml");
    std::fs::write(&file, "[welcome]\nopen-link = [\"z\"]\nfilter = [\"x\"]\n").unwrap();
    state.model.keymap = Keymap::load(Some(&file));
    listed(&mut state, 3);
    let drawn = screens::draw(&mut state, (120, 40));
    assert!(drawn.contains("z opens a link") && drawn.contains("x and two letters"), "{drawn}");
}

#[test]
fn the_mouse_alone_leaves_it_for_good() {
    let mut state = beginning();
    listed(&mut state, 3);
    state.model.size = (160, 40);
    update(&mut state, Msg::Drawn);
    let back = hints::placed(&state, state.size.0).into_iter().find(|(_, hint)| hint.action == Action::Back);
    let (column, line) = (back.unwrap().0, state.chrome().hints.y);
    let effects = update(&mut state, Msg::Click(column, line));
    assert!(effects.contains(&Effect::CloseWelcome), "{effects:?}");
    update(&mut state, Msg::Focus(true));
    assert!(matches!(state.screen(), Screen::Catalog));
    let mut busy = beginning();
    update(&mut busy, Msg::Scroll(3));
    listed(&mut busy, 3);
    assert!(matches!(busy.screen(), Screen::Catalog), "not after the wheel, which was meant for the list");
}

#[test]
fn the_selected_finding_is_in_sight_on_a_low_terminal() {
    let mut state = beginning();
    listed(&mut state, 3);
    state.model.size = (80, 12);
    assert!(screens::draw(&mut state, (80, 12)).contains("1 backend"));
    keys::press(&mut state, "j j j j");
    let drawn = screens::draw(&mut state, (80, 12));
    assert!(drawn.contains("no policy") && !drawn.contains("1 backend"), "{drawn}");
}

#[test]
fn a_newcomer_sees_it_once() {
    let mut screen =
        pty::Screen::newcomer(120, 40, &[("WHARF_DISCOVER", "yes"), ("DOCKER_HOST", "unix:///nonexistent")]);
    screen.until("What was found here");
    screen.until("0 clouds");
    screen.keys("\u{1b}");
    screen.until("press / to filter");
    screen.keys("q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn the_tour_shows_each_screen_and_any_other_key_leaves_it() {
    let mut state = beginning();
    listed(&mut state, 3);
    assert!(screens::draw(&mut state, (120, 40)).contains("f3 shows you round"));
    keys::press(&mut state, "f3");
    let mut seen = Vec::new();
    for card in 1..=8 {
        let drawn = screens::draw(&mut state, (80, 24));
        assert!(drawn.contains(&format!("{card} of 8")), "{drawn}");
        let here = drawn.split_once('[').and_then(|(_, rest)| rest.split_once(']')).unwrap().0.to_owned();
        seen.push(here.split(' ').next().unwrap().to_owned());
        if card < 8 {
            keys::press(&mut state, "enter");
        }
    }
    assert_eq!(seen.join(""), "11234567");
    keys::press(&mut state, "left");
    assert!(screens::draw(&mut state, (80, 24)).contains("7 of 8"));
    keys::press(&mut state, "x");
    assert!(state.popups.is_empty() && matches!(state.screen(), Screen::Catalog));
    // It is found again by its words.
    keys::press(&mut state, ": m i n u t e enter");
    assert!(screens::draw(&mut state, (44, 14)).contains("1 of 8"));
}
