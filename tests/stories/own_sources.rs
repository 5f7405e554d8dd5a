//! Sources that a person adds from within Wharf, hides and removes: on the command line, on the screens, and at the next
//! start.

use std::path::Path;

use serde_json::{Value, json};
use wharf::{
    core::{
        base::{
            context::Context,
            error::{Error, Kind},
        },
        config::{Config, ConfigEntry},
        image::model::Health,
        portal::own_sources::{Trial, TrialAnswer},
    },
    tui::{
        kit::keymap::Keymap,
        model::SourceLine,
        msg::{Effect, JobNews, ListEffect, Msg, SourceEffect, SourceNews},
        popups::Popup,
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    keys,
    lab::{self, Home},
    pty, screens,
    scripted::{Reply, Scripted},
};

fn json_of(home: &Home, arguments: &[&str]) -> Value {
    let output = home.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", lab::complained(&output)))
}

/// A folder with one image, in a home.
fn folder(home: &Home) -> String {
    let folder = home.path("pictures");
    std::fs::create_dir_all(folder.join("look")).unwrap();
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/starter/layout");
    copy(&layout, &folder.join("look"));
    folder.display().to_string()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &there)
        } else {
            _ = std::fs::copy(entry.path(), there).unwrap()
        }
    }
}

#[test]
fn a_folder_is_added_hidden_and_removed_without_touching_the_configuration() {
    let home = Home::new();
    let place = folder(&home);
    let unasked = home.run(&["sources", "add", &place]);
    assert_eq!(unasked.status.code(), Some(2), "{}", lab::complained(&unasked));
    assert!(lab::complained(&unasked).contains("--yes") && lab::said(&unasked).contains("[[source]]"));
    let added = home.run(&["sources", "add", &place, "--yes"]);
    assert_eq!(added.status.code(), Some(0), "{}", lab::complained(&added));
    // At the next start it is a source like any other, and its lines can be taken over.
    let listed = lab::said(&home.run(&["sources"]));
    let lines = format!("[[source]]\nname = \"pictures\"\ntype = \"files\"\nurl = \"{place}\"\n");
    assert!(listed.contains("added in Wharf") && listed.contains(&lines), "{listed}");
    assert_eq!(json_of(&home, &["sources"])[0]["added"], json!(lines.as_str()));
    assert!(lab::said(&home.run(&["images"])).contains("look"));
    // Taken over, it counts once, and nothing is told.
    let own = home.path("own.toml");
    std::fs::write(&own, &lines).unwrap();
    let both = home.run(&["--config", own.to_str().unwrap(), "doctor"]);
    assert!(!lab::said(&both).contains("sources.toml"), "{}", lab::said(&both));
    let twice = home.run(&["sources", "add", &place, "--yes"]);
    assert!(lab::complained(&twice).contains("a source here already: pictures"), "{}", lab::complained(&twice));
    // Hidden, it is in no list, but is told of, and listed by its name.
    assert_eq!(home.run(&["sources", "hide", "pictures"]).status.code(), Some(0));
    assert!(!lab::said(&home.run(&["images"])).contains("look"));
    assert!(lab::said(&home.run(&["images", "--source", "pictures"])).contains("look"));
    assert_eq!(json_of(&home, &["sources"])[0]["hidden"], json!(true));
    assert_eq!(home.run(&["sources", "show", "pictures"]).status.code(), Some(0));
    assert!(lab::said(&home.run(&["images"])).contains("look"));
    assert_eq!(home.run(&["sources", "remove", "pictures"]).status.code(), Some(0));
    assert_eq!(home.run(&["sources", "remove", "pictures"]).status.code(), Some(6));
    assert!(!lab::said(&home.run(&["sources"])).contains("pictures"));
    assert!(!home.path(".config/wharf").exists(), "the person's configuration is never written");
    let audit = lab::said(&home.run(&["audit"]));
    for action in ["add source", "hide source", "show source", "remove source"] {
        assert!(audit.contains(action), "{action}: {audit}");
    }
}

#[test]
fn mistakes_among_added_sources_never_keep_wharf_from_starting() {
    let home = Home::new();
    let place = folder(&home);
    assert_eq!(home.run(&["sources", "add", &place, "--yes"]).status.code(), Some(0));
    let file = home.path("state/sources.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (faulty, told) in [
        ("[[source]]\nname = \"odd\"\ntype = \"nothing\"\n", "not a type of source"),
        // What only shows when its source is made.
        ("[[source]]\nname = \"odd\"\ntype = \"oci\"\nurl = \"https://r.example\"\nca = \"/none.pem\"\n", "none.pem"),
        ("[[source]]\nname = \"odd\"\ntype = \"openstack\"\ncloud = \"none\"\n", "no cloud is called"),
    ] {
        std::fs::write(&file, format!("{good}\n{faulty}")).unwrap();
        let output = home.run(&["sources"]);
        assert_eq!(output.status.code(), Some(0), "{}", lab::complained(&output));
        assert!(lab::said(&output).contains("pictures"), "the others count: {}", lab::said(&output));
        let doctor = lab::said(&home.run(&["doctor"]));
        assert!(doctor.contains(told), "{told}: {doctor}");
    }
    std::fs::write(&file, "[[source").unwrap();
    assert_eq!(home.run(&["sources"]).status.code(), Some(0));
    let refused = home.run(&["sources", "hide", "pictures"]);
    assert_ne!(refused.status.code(), Some(0), "a broken file is not overwritten");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "[[source");
}

/// Tries an address without any source beside it.
async fn tried(address: &str) -> Result<Trial, Error> {
    let home = Home::new();
    let portal = lab::portal(&home, Vec::new());
    let cx = Context::default().with_deadline(std::time::Duration::from_secs(5));
    portal.own_sources.try_address(&cx, address).await
}

#[tokio::test]
async fn what_answers_decides_what_an_address_is() {
    let registry = Scripted::new();
    let found = tried(&registry.address).await.unwrap();
    assert_eq!(
        (found.entry.kind.as_str(), found.entry.text("url").unwrap()),
        ("oci", &*format!("http://{}", registry.address))
    );
    // A Harbor answers as a registry, too: its own interface tells more.
    registry.answers(|ask| match ask.path.as_str() {
        "/api/v2.0/systeminfo" => Some(Reply::json(200, &json!({"auth_mode": "db_auth", "harbor_version": "v2.12.0"}))),
        "/api/v2.0/users/current" => Some(Reply::error(401, "UNAUTHORIZED")),
        _ => None,
    });
    let found = tried(&format!("http://{}/harbor/projects", registry.address)).await.unwrap();
    assert_eq!(found.entry.kind, "harbor");
    assert!(matches!(&found.answer, TrialAnswer::Works(health) if health.note.contains("v2.12.0")), "{found:?}");
    // A repository behind the host is what is listed there.
    let found = tried(&format!("{}/physics/gromacs:1", registry.address)).await.unwrap();
    assert!(found.entry.settings.contains_key("repositories") || found.entry.kind == "harbor");
    let closed = Scripted::new();
    closed.answers(|_| Some(Reply::error(401, "UNAUTHORIZED").with("WWW-Authenticate", "Basic realm=\"r\"")));
    let found = tried(&closed.address).await.unwrap();
    assert!(matches!(&found.answer, TrialAnswer::WantsSignIn(why) if why.contains("sign in")), "{found:?}");
    let pages = Scripted::new();
    pages.answers(|_| Some(Reply::new(200, "<!doctype html><p>Welcome").with("Content-Type", "text/html")));
    assert!(tried(&pages.address).await.unwrap_err().why.contains("web page"));
    let nobody = format!("127.0.0.1:{}", lab::free_port());
    assert_eq!(tried(&nobody).await.unwrap_err().kind, Kind::Unavailable);
    for (words, why) in [("nonsense", "neither"), ("https://ada:secret@r.example", "no account and no password")] {
        let error = tried(words).await.unwrap_err();
        assert!(error.kind == Kind::Usage && error.why.contains(why), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn stewards_use_no_source_that_somebody_added() {
    let home = Home::new();
    let entry = lab::registry("mine", "127.0.0.1:9");
    let config = Config { sources: vec![entry], added: vec!["mine".into()], ..home.config() };
    let portal = wharf::adapters::build_for_stewards(config).unwrap();
    assert!(portal.sources.facts().is_empty());
}

pub(crate) fn trial() -> Trial {
    let settings = toml::from_str("url = \"https://r.example\"").unwrap();
    Trial {
        entry: ConfigEntry::new("r.example", "harbor", "typed", settings),
        address: "https://r.example/".into(),
        answer: TrialAnswer::Works(Health { reachable: true, note: "Harbor v2.12.0".into(), ..Health::default() }),
    }
}

/// A state in which the address `r.example` is tried.
pub(crate) fn asked() -> State {
    let mut state = keys::state();
    keys::press(&mut state, "4 a");
    let effects = keys::press(&mut state, "r . e x a m p l e enter");
    assert_eq!(effects, [Effect::Source(SourceEffect::Try { address: "r.example".into() })]);
    state
}

/// The same, and the address answers.
fn asked_on(mut state: State) -> State {
    keys::press(&mut state, "4 a r . e x a m p l e enter");
    update(&mut state, Msg::Source(SourceNews::Tried("r.example".into(), Box::new(Ok(trial())))));
    state
}

#[test]
fn an_address_is_shown_for_what_it_is_before_it_is_kept() {
    let mut state = asked();
    keys::press(&mut state, "y");
    assert!(matches!(state.popups.last(), Some(Popup::Adding(_))), "nothing is known yet");
    update(&mut state, Msg::Source(SourceNews::Tried("other.example".into(), Box::new(Ok(trial())))));
    assert!(matches!(state.popups.last(), Some(Popup::Adding(adding)) if adding.told.is_none()));
    update(&mut state, Msg::Source(SourceNews::Tried("r.example".into(), Box::new(Ok(trial())))));
    let kept = keys::press(&mut state, "y");
    let [Effect::Source(SourceEffect::Add { job, entry })] = kept.as_slice() else { panic!("{kept:?}") };
    assert_eq!(entry.name, "r.example");
    assert!(!state.starts_again());
    update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("added".into(), None)))));
    assert!(state.starts_again(), "the new source is used at once");
    // Not while the person is elsewhere: Wharf would lose what they do there.
    keys::press(&mut state, "1");
    assert!(!state.starts_again());
}

#[test]
fn an_address_that_does_not_answer_is_told_and_can_be_typed_again() {
    let mut state = asked();
    let error = Error::new(Kind::Unavailable, "add r.example", "nothing listens at that address");
    update(&mut state, Msg::Source(SourceNews::Tried("r.example".into(), Box::new(Err(error)))));
    keys::press(&mut state, "e");
    let Some(Popup::Line { input, .. }) = state.popups.last() else { panic!("{:?}", state.popups) };
    assert_eq!(input.text, "r.example");
}

#[test]
fn the_selected_source_is_listed_hidden_and_shown() {
    let mut state = keys::state();
    keys::press(&mut state, "4 j");
    let effects = keys::press(&mut state, "d");
    let [Effect::Source(SourceEffect::Hide { name, hidden: true, .. })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(name, "hub");
    // As if Wharf had started again with the change.
    state.model.again_after.clear();
    state.model.sources[1].hidden = true;
    let effects = keys::press(&mut state, "d");
    assert!(matches!(effects.as_slice(), [Effect::Source(SourceEffect::Hide { hidden: false, .. })]), "{effects:?}");
    state.model.again_after.clear();
    state.model.sources[1].added = true;
    let effects = keys::press(&mut state, "d");
    assert!(matches!(effects.as_slice(), [Effect::Source(SourceEffect::Remove { .. })]), "{effects:?}");
    // A backend holds no images.
    keys::press(&mut state, "j");
    assert!(keys::press(&mut state, "d").is_empty());
    keys::press(&mut state, "g");
    keys::press(&mut state, "enter");
    assert!(matches!(state.screen(), Screen::Catalog) && state.catalog.input.text == "source:lab");
    assert_eq!(state.catalog.count(), 3);
}

/// Starts again as the loop does after a change, with these sources.
fn restarted(before: State, sources: Vec<SourceLine>) -> State {
    assert!(before.starts_again());
    let mut state = State::new(sources, before.model.backends.clone(), Keymap::load(None));
    state.go_on_after(before);
    state
}

/// Leaves the selected source out, and ends that job.
fn left_out(state: &mut State) {
    let asked = keys::press(state, "d");
    let [Effect::Source(SourceEffect::Hide { job, .. })] = asked.as_slice() else { panic!("{asked:?}") };
    update(state, Msg::Job(JobNews::JobDone(*job, Ok(("done".into(), None)))));
}

fn selected(state: &State) -> Option<String> {
    let Screen::Sources(page) = state.screen() else { panic!("{:?}", state.screen()) };
    page.selected_name(&state.model)
}

#[test]
fn only_a_source_that_was_on_the_screen_is_left_out_opened_or_signed_in_to() {
    let mut state = keys::state();
    keys::press(&mut state, "4 j");
    for key in ["d", "i", "enter"] {
        assert!(keys::rush(&mut state, key).is_empty(), "{key}");
        assert!(state.notice.as_ref().unwrap().text.contains("has just changed"), "{key}");
    }
    assert!(matches!(state.screen(), Screen::Sources(_)));
    left_out(&mut state);
    let mut sources = state.model.sources.clone();
    sources[1].hidden = true;
    // No frame has shown what the key would do now: show it again.
    let mut state = restarted(state, sources);
    assert!(keys::rush(&mut state, "d").is_empty());
    assert!(matches!(
        keys::press(&mut state, "d").as_slice(),
        [Effect::Source(SourceEffect::Hide { hidden: false, .. })]
    ));
}

#[test]
fn the_person_stays_on_their_row_over_a_start_with_other_sources() {
    let mut state = keys::state();
    keys::press(&mut state, "4");
    let asked = keys::press(&mut state, "d");
    let [Effect::Source(SourceEffect::Hide { job, .. })] = asked.as_slice() else { panic!("{asked:?}") };
    keys::press(&mut state, "j");
    update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("done".into(), None)))));
    let mut sources = state.model.sources.clone();
    sources.insert(0, SourceLine { name: "first".into(), ..sources[0].clone() });
    let state = restarted(state, sources.clone());
    assert_eq!(selected(&state).as_deref(), Some("hub"));
    // What was added is selected where the person has waited for it.
    let mut state = asked_on(keys::state());
    let kept = keys::press(&mut state, "y");
    let [Effect::Source(SourceEffect::Add { job, .. })] = kept.as_slice() else { panic!("{kept:?}") };
    update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("added".into(), None)))));
    sources.push(SourceLine { name: "r.example".into(), ..sources[0].clone() });
    let state = restarted(state, sources);
    assert_eq!(selected(&state).as_deref(), Some("r.example"));
}

#[test]
fn a_change_waits_for_the_one_before_it_and_both_are_used() {
    let mut state = keys::state();
    keys::press(&mut state, "4");
    let asked = keys::press(&mut state, "d");
    let [Effect::Source(SourceEffect::Hide { job, .. })] = asked.as_slice() else { panic!("{asked:?}") };
    assert!(keys::press(&mut state, "j d").is_empty());
    assert!(state.notice.as_ref().unwrap().text.contains("still being made"));
    update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("done".into(), None)))));
    assert!(state.starts_again());
    assert!(keys::press(&mut state, "d").is_empty(), "what is shown is as it was before");
    // One that fails takes nothing away from the others.
    let mut state = asked_on(keys::state());
    let kept = keys::press(&mut state, "y");
    let [Effect::Source(SourceEffect::Add { job: first, .. })] = kept.as_slice() else { panic!("{kept:?}") };
    let mut state = asked_on(state);
    let kept = keys::press(&mut state, "y");
    let [Effect::Source(SourceEffect::Add { job: second, .. })] = kept.as_slice() else { panic!("{kept:?}") };
    let error = Error::failed("add the source", "it is there");
    update(&mut state, Msg::Job(JobNews::JobDone(*second, Err(error))));
    assert!(!state.starts_again());
    update(&mut state, Msg::Job(JobNews::JobDone(*first, Ok(("added".into(), None)))));
    assert!(state.starts_again());
}

#[test]
fn a_start_with_other_sources_loses_nothing_and_says_what_it_waits_for() {
    let mut state = keys::state();
    keys::press(&mut state, "2 4");
    state.model.waiting.push_back(Popup::text("Told", "words".to_owned()));
    left_out(&mut state);
    let sources = state.model.sources.clone();
    let mut state = restarted(state, sources);
    assert_eq!(state.waiting.len(), 1);
    keys::press(&mut state, "esc");
    assert!(matches!(state.screen(), Screen::Workloads(_)));
    // What an image's page reads would end.
    keys::press(&mut state, "1");
    let mut state = keys::state();
    keys::press(&mut state, "enter 4");
    left_out(&mut state);
    assert!(!state.starts_again());
    let told = state.notice.as_ref().unwrap().text.clone();
    assert!(told.contains("pages that you came from are closed (1, then 4)"), "{told}");
    keys::press(&mut state, "1");
    assert!(!state.starts_again());
    keys::press(&mut state, "4");
    assert!(state.starts_again());
}

#[test]
fn what_is_told_of_a_source_is_read_from_its_beginning_after_a_click() {
    let mut state = keys::state();
    state.model.size = (160, 12);
    keys::press(&mut state, "4 tab G");
    let before = screens::draw(&mut state, (160, 12));
    let click = |state: &mut State, line: u16| update(state, Msg::Click(3, line));
    let row = before.lines().position(|line| line.contains("hub")).unwrap() as u16;
    click(&mut state, row);
    let clicked = screens::draw(&mut state, (160, 12));
    keys::press(&mut state, "k j");
    assert_eq!(screens::draw(&mut state, (160, 12)), clicked);
    assert!(clicked.contains("it is being asked"), "{clicked}");
}

#[test]
fn a_hidden_source_is_in_no_list_of_images() {
    let mut sources = keys::state().model.sources;
    sources[0].hidden = true;
    let mut state = State::new(sources, Vec::new(), Keymap::load(None));
    let effects = state.begin();
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::List(ListEffect::List { .. }))), "{effects:?}");
    assert!(state.catalog.feeds.iter().all(|feed| feed.source != "lab"));
}

#[test]
fn an_added_source_is_used_at_once_on_the_screen() {
    let place = Home::new();
    let folder = folder(&place);
    let mut screen = pty::Screen::open(120, 40, &[("WHARF_DISCOVER", "no")]);
    screen.until("4 Sources");
    screen.keys("4");
    screen.until("On this machine");
    screen.keys("a");
    screen.until("Where are the images?");
    screen.keys(&format!("{folder}\r"));
    screen.until("y or enter keeps it");
    screen.keys("y");
    screen.until("added pictures");
    screen.until("added in Wharf: d removes it");
    screen.keys("\r");
    screen.until("source:pictures");
    screen.until("look");
    screen.keys("4");
    screen.until("added in Wharf: d removes it");
    screen.keys("d");
    screen.until("removed pictures");
    screen.until("0 sources");
    screen.keys("q");
    assert_eq!(screen.ended(), 0);
}

#[test]
fn a_source_without_images_says_so_and_not_that_the_filter_hides_them() {
    let mut state = keys::state();
    let none = wharf::core::catalog::rows::RowSet::build(Vec::new());
    let effects = wharf::tui::update::update(
        &mut state,
        Msg::List(wharf::tui::msg::ListNews::Listed("lab".into(), Ok(std::sync::Arc::new(none)))),
    );
    keys::run(&mut state, effects);
    let effects = keys::press(&mut state, "4 enter");
    keys::run(&mut state, effects);
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("lab has no images") && drawn.contains("clears the filter"), "{drawn}");
}
