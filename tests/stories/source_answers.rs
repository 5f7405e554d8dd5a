//! What sources and backends answer is shown one by one, with how long it took; that is kept from start to start.

use std::time::Duration;

use futures_util::StreamExt;
use wharf::{
    core::{
        base::{
            context::Context,
            error::{Error, Kind, Result},
        },
        image::model::Health,
        portal::answers::HealthAnswer,
    },
    tui::{
        kept::response_times,
        msg::{Effect, Msg},
        state::State,
        update::update,
    },
};

use crate::{
    keys,
    lab::{self, Home},
    pty, screens,
};

const WIDE: (u16, u16) = (120, 40);

/// An answer that took so many milliseconds.
pub(crate) fn answer(name: &str, kind: &'static str, took: u64, answer: Result<Health>) -> HealthAnswer {
    HealthAnswer { name: name.to_owned(), kind, took: Duration::from_millis(took), answer }
}

fn works(name: &str, kind: &'static str, took: u64) -> HealthAnswer {
    answer(name, kind, took, Ok(Health { reachable: true, ..Health::default() }))
}

fn gone(name: &str) -> HealthAnswer {
    answer(name, "oci", 8_000, Err(Error::new(Kind::Unavailable, format!("ask {name}"), "it does not answer")))
}

/// The line of the screen that begins with a name.
fn line(state: &mut State, name: &str) -> String {
    let screen = screens::draw(state, WIDE);
    let is_it = |line: &&str| line.trim_start_matches(['"', '▌', ' ']).starts_with(name);
    screen.lines().find(is_it).unwrap_or_else(|| panic!("no {name} in\n{screen}")).to_owned()
}

#[test]
fn an_answer_is_shown_while_others_are_still_waited_for() {
    let mut state = keys::state();
    keys::press(&mut state, "4");
    update(&mut state, Msg::Health(works("lab", "oci", 40)));
    assert!(line(&mut state, "lab").contains("✓ answers"));
    assert!(line(&mut state, "hub").contains("… asking"));
    update(&mut state, Msg::Health(gone("hub")));
    assert!(line(&mut state, "hub").contains("✗ no answer"));
    // A later answer takes the place of the earlier one.
    update(&mut state, Msg::Health(works("hub", "hub", 90)));
    assert!(line(&mut state, "hub").contains("✓ answers"));
    let effects = keys::press(&mut state, "r");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Health)), "{effects:?}");
    assert!(line(&mut state, "lab").contains("… asking"));
}

#[test]
fn the_slowest_source_stands_first_among_the_times() {
    let mut state = keys::state();
    keys::press(&mut state, "4");
    for took in [400, 100, 42] {
        update(&mut state, Msg::Health(works("lab", "oci", took)));
    }
    update(&mut state, Msg::Health(gone("hub")));
    let screen = screens::draw(&mut state, WIDE);
    let plot = screen.split("How long they take").nth(1).unwrap_or_else(|| panic!("{screen}"));
    let (hub, lab) = (plot.find("no answer"), plot.find("42 ms"));
    assert!(hub.is_some() && hub < lab, "{screen}");
    // Blocks are to the longest of them; an answer that did not come has none.
    assert!(plot.contains("█▃▂") && plot.contains("·"), "{screen}");
}

#[test]
fn a_backend_of_a_sources_name_adds_no_time_of_its_own() {
    let mut state = keys::state();
    let name = state.sources[0].name.clone();
    update(&mut state, Msg::Health(works(&name, "oci", 40)));
    update(&mut state, Msg::Health(works(&name, "backend", 900)));
    assert_eq!(state.response_times.of(&name), [Some(Duration::from_millis(40))]);
}

#[test]
fn times_are_kept_for_the_next_start_though_one_source_never_answers() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let state = home.path("state").display().to_string();
    let config = home.path("two.toml").display().to_string();
    let folder = home.path("images");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(home.path("state/welcome"), "closed\n").unwrap();
    let entry = |name: &str, kind: &str, url: &str| {
        format!("[[source]]\nname = \"{name}\"\ntype = \"{kind}\"\nurl = \"{url}\"\n")
    };
    let silent = format!("http://{}", silent.local_addr().unwrap());
    let text = entry("own", "files", &folder.display().to_string()) + &entry("silent", "oci", &silent);
    std::fs::write(&config, text).unwrap();
    let variables = [("WHARF_DISCOVER", "no"), ("WHARF_CONFIG", &*config), ("WHARF_STATE_DIR", &*state)];
    for kept in [1, 2] {
        let mut screen = pty::Screen::open(120, 40, &variables);
        screen.until("2 sources");
        screen.keys("4");
        screen.until("✓ answers");
        screen.until("How long they take");
        screen.keys("q");
        assert_eq!(screen.ended(), 0);
        assert_eq!(response_times::response_times(std::path::Path::new(&state)).of("own").len(), kept);
    }
}

#[test]
fn a_source_that_refuses_has_answered() {
    let refused = Error::new(Kind::NotAllowed, "ask lab", "it wants you to sign in");
    let mut state = keys::state();
    update(&mut state, Msg::Health(answer("lab", "oci", 30, Err(refused))));
    assert_eq!(state.response_times.of("lab"), [Some(Duration::from_millis(30))]);
}

#[tokio::test]
async fn a_source_that_never_answers_holds_up_no_other() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let home = Home::new();
    let folder = home.path("images");
    std::fs::create_dir_all(&folder).unwrap();
    let host = silent.local_addr().unwrap().to_string();
    let sources = vec![lab::registry("silent", &host), lab::written("own", "files", &folder.display().to_string())];
    let portal = lab::portal(&home, sources);
    let cx = Context::default();
    let mut answers = std::pin::pin!(portal.doctor.health_as_it_comes(&cx));
    let first = answers.next().await.unwrap();
    assert_eq!((first.name.as_str(), first.answer.is_ok()), ("own", true));
}
