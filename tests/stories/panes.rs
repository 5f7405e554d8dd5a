//! One pane alone on the screen: which panes of a screen can have it, and what stays of the others.

use wharf::tui::{
    kit::layout::{Alone, View},
    msg::Effect,
    popups::Popup,
    state::State,
};

use crate::{
    keys::{press, requests},
    screens::{draw, pictures},
};

const WIDE: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (80, 24);

/// The picture of this name.
fn picture(name: &str) -> State {
    pictures().into_iter().find(|(known, _)| *known == name).unwrap().1
}

/// The screens with several panes, and how often the key is pressed until all of them are shown again.
const SCREENS: [(&str, usize); 8] = [
    ("catalog", 3),
    ("image-overview", 3),
    ("image-scan-findings", 3),
    ("workloads", 3),
    ("workload", 2),
    ("requests-queue", 3),
    ("inbox", 3),
    ("sources", 2),
];

#[test]
fn each_pane_alone_has_nothing_beside_it_and_the_last_press_shows_all_again() {
    for (name, presses) in SCREENS {
        let mut state = picture(name);
        for size in [WIDE, SMALL] {
            let all = draw(&mut state, size);
            let mut seen = vec![all.clone()];
            for number in 1..presses {
                press(&mut state, "z");
                let drawn = draw(&mut state, size);
                // The bar of screens has a line after the program's name, and a chart one at its scale.
                let further = |line: &str| line.chars().skip(8).any(|c| "│┃┬├".contains(c));
                let beside = drawn.lines().skip(1).filter(|line| further(line)).count();
                assert_eq!(beside, 0, "{name} after {number} at {size:?}:\n{drawn}");
                assert!(drawn.contains("z panes"), "{name} after {number} at {size:?}:\n{drawn}");
                assert!(!seen.contains(&drawn), "{name} after {number} shows nothing new:\n{drawn}");
                if size == SMALL || name != "sources" {
                    insta::assert_snapshot!(format!("{name}-alone-{number}-{}x{}", size.0, size.1), drawn);
                }
                seen.push(drawn);
            }
            press(&mut state, "z");
            assert_eq!(draw(&mut state, size), all, "{name} is as it was");
        }
    }
}

#[test]
fn a_pane_alone_is_drawn_at_any_size() {
    for (_, mut state) in pictures() {
        let scope = state.scope();
        for alone in Alone::BOTH {
            state.views.set(scope, View { hidden: false, alone });
            for size in [(0, 0), (1, 1), (20, 4), (30, 5), (44, 14), (80, 5), (300, 1), (250, 80)] {
                draw(&mut state, size);
            }
        }
    }
}

#[test]
fn what_is_chosen_is_kept_for_each_screen() {
    let mut state = requests("requests-queue", "6 tab");
    let effects = press(&mut state, "z z");
    let alone = View { hidden: false, alone: Alone::Other };
    assert!(effects.contains(&Effect::KeepView("requests", alone)), "{effects:?}");
    press(&mut state, "esc");
    assert_eq!(state.views.of("catalog"), View::default(), "another screen has its own");
    press(&mut state, "\\");
    assert_eq!(state.views.of("catalog"), View { hidden: true, alone: Alone::None });
    press(&mut state, "6");
    assert_eq!(state.views.of("requests"), alone, "it is as it was left");
}

#[test]
fn the_key_of_the_preview_shows_all_panes_where_one_is_alone() {
    let mut state = picture("catalog");
    press(&mut state, "z z \\");
    assert_eq!(state.views.of("catalog"), View::default());
}

#[test]
fn while_one_types_the_list_is_shown() {
    let mut state = picture("catalog");
    press(&mut state, "z z / g r o");
    assert!(draw(&mut state, WIDE).contains("NAME ▲"));
    press(&mut state, "enter");
    assert!(!draw(&mut state, WIDE).contains("NAME ▲"));
}

#[test]
fn a_screen_of_one_pane_says_so() {
    let mut state = picture("image-layers");
    press(&mut state, "z");
    assert_eq!(state.notice.as_ref().unwrap().text, "panes: there is one pane only");
}

#[test]
fn without_the_dossier_on_the_screen_a_key_alone_approves_nothing() {
    let mut state = requests("requests-queue", "6 tab");
    draw(&mut state, WIDE);
    press(&mut state, "z a");
    assert!(matches!(state.popups.last(), Some(Popup::Line { .. })), "what is taken is read first");
    press(&mut state, "esc z");
    let effects = press(&mut state, "a");
    assert!(state.popups.is_empty() && !effects.is_empty(), "the dossier says what is taken: {effects:?}");
}
