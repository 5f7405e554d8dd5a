//! Dialogs and the mouse: `update` without a terminal, a network or a clock.

use wharf::{
    core::{
        model::Version,
        ports::{Question, QuestionKind},
        secret::Secret,
    },
    tui::{
        msg::{Effect, Msg, Target},
        popups::Popup,
        screens::image::Pane,
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
};

fn on_image_page() -> State {
    let mut state = state();
    press(&mut state, "j enter");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(Box::new(Ok(image))));
    state
}

fn labels(state: &State) -> Vec<String> {
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!("no list is open: {:?}", state.popups) };
    pick.items.iter().map(|item| format!("{} = {}", item.label, item.value)).collect()
}

#[test]
fn an_image_can_be_copied_to_engines_folders_and_other_registries_or_where_one_types() {
    let mut state = state();
    let line = |name: &str, adapter: &str, address: &str| {
        let mut line = state.sources[0].clone();
        (line.name, line.adapter, line.address) = (name.into(), adapter.into(), address.into());
        line
    };
    let more = [
        line("docker", "engine", "unix:///run/docker.sock"),
        line("files", "files", "/home/ada/images"),
        line("site", "oci", "https://site.example/"),
    ];
    state.sources.extend(more);
    press(&mut state, "j C");
    assert_eq!(
        labels(&state),
        [
            "into docker = engine://docker/lab.example/physics/gromacs:latest",
            "into the folder /home/ada/images = file:/home/ada/images/gromacs:latest",
            "to site = oci://site.example/physics/gromacs:latest",
            "into a folder here = file:./gromacs:latest",
        ]
    );
    let effects = press(&mut state, "enter");
    assert!(
        matches!(effects.as_slice(), [Effect::CopyTo { destination, platform: None, .. }] if destination.starts_with("engine://docker/")),
        "{effects:?}"
    );
    assert_eq!(state.running(), 1, "it shows in the transfers");
    press(&mut state, "C");
    let effects = press(&mut state, "x . e x a m p l e / z : 1 enter");
    assert!(matches!(effects.as_slice(), [Effect::CopyTo { destination, .. }] if destination == "x.example/z:1"));
}

#[test]
fn a_chosen_platform_is_what_is_shown_shared_and_linked() {
    let mut state = on_image_page();
    press(&mut state, "p");
    assert_eq!(labels(&state), ["linux/amd64 = linux/amd64", "linux/arm64/v8 = linux/arm64/v8"]);
    let arm = Some("linux/arm64/v8".to_owned());
    let effects = press(&mut state, "down enter");
    assert!(matches!(effects.as_slice(), [Effect::Image { platform, .. }] if *platform == arm), "{effects:?}");
    assert!(matches!(press(&mut state, "y").as_slice(), [Effect::Link(_, platform)] if *platform == arm));
    let effects = press(&mut state, "s c h e m enter");
    assert!(matches!(effects.as_slice(), [Effect::Share { platform, .. }] if *platform == arm), "{effects:?}");
}

#[test]
fn signing_in_asks_in_popups_and_lists_the_source_anew() {
    let mut state = state();
    press(&mut state, "i");
    let effects = press(&mut state, "enter");
    let [Effect::SignIn { job, source }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(source, "lab");
    let ask = |state: &mut State, id, kind| {
        update(state, Msg::Question(id, Question { words: "account at lab.example".into(), kind }));
    };
    ask(&mut state, 1, QuestionKind::Text);
    assert_eq!(press(&mut state, "a d a enter"), [Effect::Answer(1, Some(Secret::new("ada")))]);
    ask(&mut state, 2, QuestionKind::Secret);
    assert_eq!(press(&mut state, "_ q enter"), [Effect::Answer(2, Some(Secret::new(" q")))], "q is a letter here");
    ask(&mut state, 3, QuestionKind::Confirm);
    assert_eq!(press(&mut state, "enter"), [Effect::Answer(3, Some(Secret::new("no")))], "the careful answer");
    ask(&mut state, 4, QuestionKind::Text);
    assert_eq!(press(&mut state, "esc"), [Effect::Answer(4, None)]);
    let effects = update(&mut state, Msg::JobDone(*job, Ok(("signed in".into(), None))));
    assert!(matches!(effects.as_slice(), [Effect::List { source, query: None }] if source == "lab"), "{effects:?}");
}

#[test]
fn rows_on_the_screen_are_looked_at_once_and_show_what_was_told() {
    let mut state = crate::keys::state();
    let effects = press(&mut state, "r");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Look(rows) if rows.len() == 3)), "{effects:?}");
    assert_eq!(press(&mut state, "j"), [], "they are being looked at");
    let version = Version {
        tag: "1.19".into(),
        digest: None,
        created: Some(1_763_999_000),
        size: Some(5 << 20),
        platforms: Vec::new(),
    };
    let told = Msg::Looked("lab".into(), "biology/samtools".into(), Some(version));
    assert!(update(&mut state, told).is_empty(), "one answer does not ask for the others again");
    let drawn = crate::screens::draw(&mut state, (120, 20));
    assert!(drawn.contains("5.00 MiB"), "{drawn}");
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut state = state();
    update(&mut state, Msg::Click(5, 4));
    assert_eq!(state.catalog.at.selected, 1);
    let effects = update(&mut state, Msg::Click(5, 4));
    assert!(
        matches!(effects.as_slice(), [Effect::Image { target: Target::Row { name, .. }, .. }] if name == "physics/gromacs")
    );
    // The tabs of the page that opened.
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(Box::new(Ok(image))));
    update(&mut state, Msg::Tags(Ok(vec!["1".into(), "2".into(), "3".into()])));
    update(&mut state, Msg::Click(14, 1));
    let Screen::Image(page) = state.screen() else { panic!() };
    assert_eq!(page.pane, Pane::Versions);
    update(&mut state, Msg::Click(5, 6));
    let Screen::Image(page) = state.screen() else { panic!() };
    assert_eq!(page.at.selected, 2);
    // Past the end nothing happens.
    assert!(update(&mut state, Msg::Click(5, 20)).is_empty());
}

#[test]
fn a_click_chooses_in_a_popup_and_outside_of_it_nothing_happens() {
    let mut state = state();
    press(&mut state, "f");
    update(&mut state, Msg::Click(0, 0));
    assert_eq!(state.popups.len(), 1);
    // 80x24, four choices: the box begins at line 7, its list two lines below.
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!() };
    let area = wharf::tui::widgets::middle(ratatui::layout::Rect::new(0, 0, 80, 24), pick.size().0, pick.size().1);
    update(&mut state, Msg::Click(area.x + 4, area.y + 2 + 2));
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!() };
    assert_eq!(pick.marked.len(), 1, "where several can be chosen a click marks");
    press(&mut state, "enter");
    assert_eq!(state.catalog.input.text, "project:physics");
}

#[test]
fn offers_are_answered_with_one_key_and_what_that_changes_is_asked_for_again() {
    use wharf::core::share::{Offer, Project};
    let mut state = state();
    assert_eq!(press(&mut state, "5"), [Effect::Offers]);
    assert!(press(&mut state, "a").is_empty(), "nothing is there yet");
    let offer = Offer {
        id: "site/x".into(),
        source: "lab".into(),
        title: "snap".into(),
        reference: "glance://site/x".parse().unwrap(),
        from: Project { name: "biology".into(), id: "b".into() },
        since: None,
        note: String::new(),
        ignored: "it stays usable by its id".into(),
        outgoing: false,
    };
    update(&mut state, Msg::Offers(vec![offer], Vec::new()));
    let effects = press(&mut state, "a");
    let [Effect::AnswerOffer { job, accept: true, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let after = update(&mut state, Msg::JobDone(*job, Ok(("accepted".into(), None))));
    assert_eq!(after, [Effect::List { source: "lab".into(), query: None }, Effect::Offers]);
    assert!(matches!(press(&mut state, "x").as_slice(), [Effect::AnswerOffer { accept: false, .. }]));
}

#[test]
fn a_clouds_image_is_shared_with_projects_that_the_cloud_names_or_any_id() {
    use wharf::core::share::Project;
    let mut state = state();
    state.sources[0].adapter = "openstack".into();
    state.sources[0].grants = true;
    assert_eq!(press(&mut state, "j s"), [Effect::Projects("lab".into())]);
    let projects = vec![Project { name: "biology".into(), id: "b".repeat(32) }];
    update(&mut state, Msg::Projects("lab".into(), Ok(projects)));
    assert_eq!(labels(&state), [format!("biology = {}", "b".repeat(32))]);
    let effects = press(&mut state, "enter");
    assert!(matches!(effects.as_slice(), [Effect::Share { project, .. }] if *project == "b".repeat(32)), "{effects:?}");
}
