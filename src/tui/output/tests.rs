use proptest::prelude::*;

use super::*;
use crate::kit::theme::{Depth, Theme};

fn output(lines: usize) -> Output {
    let mut output = Output::default();
    for number in 0..lines {
        output.append(format!("step {number}{}\n", if number % 10 == 3 { " Error" } else { "" }).as_bytes(), 0);
    }
    output
}

fn room(height: usize) -> Room {
    Room { height, width: 40 }
}

fn search_line(output: &mut Output, words: &str, height: usize) -> String {
    output.begin();
    output.typing.as_mut().unwrap().input = Input::new(words);
    output.typed(room(height));
    output.search_words().unwrap().1
}

fn texts(output: &Output, room: Room) -> Vec<String> {
    let theme = Theme::load("default", None, Depth::None);
    output.shown(room, &theme).iter().map(ToString::to_string).collect()
}

#[test]
fn a_search_begins_at_the_newest_and_goes_round() {
    let mut output = output(100);
    assert_eq!(search_line(&mut output, "error", 10), "10 of 10 lines");
    assert!(output.window(room(10)).contains(&93), "it is in sight");
    output.next(false, room(10));
    assert!(output.window(room(9)).contains(&83) && output.search_words().unwrap().1 == "9 of 10 lines");
    output.next(true, room(10));
    output.next(true, room(10));
    assert!(output.window(room(10)).contains(&3), "from the last to the first: {:?}", output.window(room(10)));
    // New lines are searched too, and the selected match stays selected.
    output.append(b"one more ERROR\n", 0);
    assert_eq!(output.search_words().unwrap().1, "1 of 11 lines");
    assert_eq!(search_line(&mut output, "ERROR", 10), "1 of 1 line", "large letters mean large ones");
    assert_eq!(search_line(&mut output, "nothing", 10), "no line has it");
    output.end(false);
    assert!(!output.searches() && !output.forget());
}

#[test]
fn more_letters_search_only_what_was_found_and_find_the_same() {
    let mut output = output(500);
    for words in ["s", "st", "step 4", "step 49", "step 493 E"] {
        search_line(&mut output, words, 10);
        let narrowed = output.search.as_ref().unwrap().found.clone();
        assert_eq!(narrowed, output.found(output.search.as_ref().unwrap(), None), "{words}");
    }
    assert_eq!(search_line(&mut output, "step 4", 10).split(' ').next(), Some("111"), "fewer letters search all again");
}

#[test]
fn leaving_a_search_leads_back_to_where_one_was() {
    let mut output = output(100);
    output.go(Action::Up, room(10));
    search_line(&mut output, "step 7", 10);
    assert!(output.below(room(10)) > 1);
    output.end(false);
    assert_eq!(output.below(room(10)), 1);
}

#[test]
fn what_was_dropped_is_not_found() {
    let mut output = output(KEPT);
    let _ = search_line(&mut output, "error", 10);
    output.end(true);
    for _ in 0..14 {
        output.append(b"more\n", 0);
    }
    assert_eq!(output.search.as_ref().unwrap().found.front(), Some(&23));
    output.next(true, room(10));
    assert!(texts(&output, room(10)).iter().any(|line| line.starts_with("▸ step 23 ")));
    assert_eq!((output.total(), output.number(0)), (KEPT, Some(14)));
}

#[test]
fn what_is_read_stays_while_more_comes_and_the_newest_is_followed_again() {
    let mut output = output(100);
    assert!(output.follows());
    output.go(Action::PageUp, room(10));
    let before = texts(&output, room(10));
    output.append(b"more\n", 0);
    assert_eq!((texts(&output, room(10)), output.follows(), output.below(room(10))), (before, false, 10));
    output.go(Action::Last, room(10));
    assert!(output.follows() && texts(&output, room(10)).last().is_some_and(|line| line == "more"));
    output.toggle_follow();
    output.append(b"later\n", 0);
    assert!(texts(&output, room(10)).last().is_some_and(|line| line == "more"), "it stays where it is");
    output.toggle_follow();
    assert_eq!((output.below(room(10)), output.follows()), (0, true));
}

#[test]
fn levels_are_counted_and_filter_the_lines_with_what_continues_them() {
    let mut output = Output::default();
    output.append(b"INFO begun\nERROR it broke\n  at main\n\tat start\nplain\nWARN slow\nDEBUG x\n", 0);
    assert_eq!((output.tells(Level::Error), output.tells(Level::Warning), output.total()), (3, 1, 7));
    output.set_least(Some(Level::Warning));
    assert_eq!(output.count(), 4);
    assert_eq!(texts(&output, room(9)), ["ERROR it broke", "  at main", "\tat start", "WARN slow"].map(clean::lines));
    output.append(b"ERROR again\nINFO on\n", 0);
    assert_eq!(output.text().lines().count(), 5, "a file gets what is shown");
    assert_eq!(search_line(&mut output, "o", 9), "3 of 3 lines", "what is not shown is not found");
    output.set_least(None);
    assert_eq!((output.count(), output.search_words().unwrap().1.as_str()), (9, "4 of 5 lines"));
}

#[test]
fn only_matching_lines_are_shown_where_that_is_wanted() {
    let mut output = output(100);
    search_line(&mut output, "error", 10);
    output.end(true);
    output.toggle_only();
    assert_eq!((output.count(), output.total()), (10, 100));
    output.append(b"no match\na further error\n", 0);
    assert_eq!(output.count(), 11);
    assert!(texts(&output, room(20)).iter().all(|line| line.to_lowercase().contains("error")));
    assert!(output.forget() && output.count() == 102);
}

#[test]
fn the_next_error_is_at_first_the_newest_and_then_goes_round() {
    let mut output = Output::default();
    for number in 0..100 {
        output.append(format!("{} {number}\n", if number % 40 == 0 { "ERROR" } else { "step" }).as_bytes(), 0);
    }
    for expected in ["▸ ERROR 80", "▸ ERROR 0", "▸ ERROR 40", "▸ ERROR 80"] {
        assert!(output.next_error(room(10)));
        assert!(texts(&output, room(10)).iter().any(|line| line == expected), "{expected}");
    }
    assert!(output.forget() && !Output::default().next_error(room(10)));
}

#[test]
fn long_lines_go_on_in_the_next_row_and_the_first_line_can_be_reached() {
    let mut output = Output { wrap: true, ..Output::default() };
    for number in 0..20 {
        output.append(format!("{number:02} {}\n", "x".repeat(97)).as_bytes(), 0);
    }
    let shown = texts(&output, room(10));
    assert_eq!((shown.len(), shown[0].len(), shown[2].len()), (9, 40, 20), "{shown:?}");
    assert!(shown[6].starts_with("19 "));
    output.go(Action::First, room(10));
    assert!(texts(&output, room(10))[0].starts_with("00 "));
    for _ in 0..20 {
        output.go(Action::PageDown, room(10));
    }
    assert_eq!((output.below(room(10)), output.follows()), (0, true));
    // A line that is higher than the screen is shown from its beginning.
    assert!(texts(&output, Room { height: 2, width: 10 })[0].starts_with("19 "));
    assert_eq!(folded("日本語", 4), [0..6, 6..9]);
    assert_eq!(folded("", 4).len(), 1, "an empty line takes a row");
}

proptest! {
    #[test]
    fn whatever_is_pressed_the_rows_fit_and_the_place_is_inside(
        keys in prop::collection::vec(0u8..14, 0..60),
        height in 0usize..12,
        width in 0usize..30,
    ) {
        let room = Room { height, width };
        let mut output = Output::default();
        for (number, key) in keys.into_iter().enumerate() {
            match key {
                0 => _ = output.go(Action::Up, room),
                1 => _ = output.go(Action::Down, room),
                2 => _ = output.go(Action::PageUp, room),
                3 => _ = output.go(Action::First, room),
                4 => _ = output.go(Action::Last, room),
                5 => output.wrap = !output.wrap,
                6 => output.toggle_follow(),
                7 => output.set_least(if number % 2 == 0 { Some(Level::Note) } else { None }),
                8 => output.toggle_only(),
                9 => _ = output.next_error(room),
                10 => {
                    output.begin();
                    output.typing.as_mut().unwrap().input = Input::new("r");
                    output.typed(room);
                    output.end(number % 3 > 0);
                }
                11 => output.next(true, room),
                12 => _ = output.forget(),
                _ => output.append("ERROR r 日本語 and so on and on\nWARN\nplain\n".as_bytes(), 0),
            }
            let shown = texts(&output, room);
            prop_assert!(shown.len() <= height && output.below(room) <= output.count());
            prop_assert!(height == 0 || output.count() == 0 || !shown.is_empty());
        }
    }
}
