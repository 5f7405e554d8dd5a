//! Dialogs and the mouse: `update` without a terminal, a network or a clock.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent};
use wharf::{
    core::{
        base::{
            error::{Error, Kind},
            secret::Secret,
        },
        catalog::rows::RowSet,
        image::model::{Image, ImageKind, Version},
        portal::{Abilities, Copies, OpenedLink},
        ports::{Question, QuestionKind, upkeep::Removal},
        sharing::{
            offer::{Offer, Project, VolumeTransfer},
            receiver::Receiver,
            sender::Proof,
        },
    },
    tui::{
        msg::{
            Effect, ImageEffect, ImageNews, ImageTarget, JobNews, ListEffect, ListNews, Msg, RunEffect, ShareEffect,
            ShareNews,
        },
        popups::Popup,
        screens::image::Pane,
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, run, state},
    lab,
};

fn on_image_page() -> State {
    let mut state = state();
    press(&mut state, "j enter");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    state
}

/// A state with two clouds, lab and other.
fn with_clouds() -> State {
    let mut state = state();
    let cloud = &mut state.sources[0];
    (cloud.adapter, cloud.grants, cloud.holds_disks) = ("openstack".into(), true, true);
    cloud.abilities = Abilities::default();
    let mut other = state.sources[0].clone();
    other.name = "other".into();
    state.sources.push(other);
    state
}

fn labels(state: &State) -> Vec<String> {
    match state.popups.last() {
        Some(Popup::Pick(pick)) => pick.items.iter().map(|item| format!("{} = {}", item.label, item.value)).collect(),
        Some(Popup::Share(dialog)) => {
            dialog.receivers.iter().map(|target| format!("{} = {}", target.label, target.value)).collect()
        }
        other => panic!("no list is open: {other:?}"),
    }
}

#[test]
fn an_image_can_be_copied_to_engines_folders_and_other_registries_or_where_one_types() {
    let mut state = state();
    let line = |name: &str, address: &str, copies: Copies| {
        let mut line = state.sources[0].clone();
        (line.name, line.address, line.abilities.copies) = (name.into(), address.into(), copies);
        line
    };
    let more = [
        line("docker", "unix:///run/docker.sock", Copies::Engine),
        line("files", "/home/ada/images", Copies::Folder),
        line("starter", "/home/ada/.cache/starter", Copies::Refused),
        line("site", "https://site.example/", Copies::Registry("site.example".into())),
        line("also", "https://site.example/", Copies::Registry("site.example".into())),
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
            "to hub = oci://docker.io/physics/gromacs:latest",
        ]
    );
    let effects = press(&mut state, "enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::CopyTo { destination, platform: None, .. })] if destination.starts_with("engine://docker/")),
        "{effects:?}"
    );
    assert_eq!(state.running(), 1, "it shows in the transfers");
    press(&mut state, "C");
    let effects = press(&mut state, "x . e x a m p l e / z : 1 enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::CopyTo { destination, .. })] if destination == "x.example/z:1")
    );
}

/// A state with a Harbor, Docker Hub and a registry whose name begins like the Harbor's, each made by its adapter;
/// every source lists one image.
fn over_registries() -> State {
    let home = lab::Home::new();
    let sources = vec![
        lab::written("longer", "oci", "https://harbor.example.org"),
        lab::written("site", "harbor", "https://harbor.example"),
        lab::written("hub", "hub", "https://hub.example"),
    ];
    let mut state = wharf::tui::initial_state(&lab::portal(&home, sources));
    let began = state.begin();
    run(&mut state, began);
    let effects = update(&mut state, Msg::List(ListNews::Cached(Ok(Vec::new()))));
    run(&mut state, effects);
    for (source, row) in [("longer", "astronomy/a"), ("site", "physics/gromacs"), ("hub", "bitnami/redis")] {
        let rows = RowSet::build(vec![fake::row(row, &["1"])]);
        let effects = update(&mut state, Msg::List(ListNews::Listed(source.into(), Ok(Arc::new(rows)))));
        run(&mut state, effects);
    }
    state
}

#[test]
fn an_image_of_a_harbor_or_of_docker_hub_is_shared_and_copied_as_one_of_any_registry() {
    for (row, own, elsewhere, copies) in [
        (
            "gromacs",
            "physics = physics",
            "astronomy = harbor.example.org/astronomy",
            ["to longer = oci://harbor.example.org/physics/gromacs", "to hub = oci://docker.io/physics/gromacs"],
        ),
        // Results of a search on Hub are other people's projects: none of them is offered.
        (
            "redis",
            "physics = harbor.example/physics",
            "astronomy = harbor.example.org/astronomy",
            ["to longer = oci://harbor.example.org/bitnami/redis", "to site = oci://harbor.example/bitnami/redis"],
        ),
    ] {
        let keys = row.chars().map(|c| c.to_string()).collect::<Vec<_>>().join(" ");
        let mut state = over_registries();
        press(&mut state, &format!("/ {keys} enter s"));
        let shared = labels(&state);
        assert!(shared.contains(&own.to_owned()) && shared.contains(&elsewhere.to_owned()), "{row}: {shared:?}");
        assert!(!shared.iter().any(|label| label.contains("bitnami")), "{row}: {shared:?}");
        press(&mut state, "esc C");
        let copied = labels(&state);
        for copy in copies {
            assert!(copied.iter().any(|label| label.starts_with(copy)), "{row}: {copy}: {copied:?}");
        }
        let home = copied.iter().filter(|label| label.starts_with("to site") || label.starts_with("to hub"));
        assert_eq!(home.count(), 1, "never to where it is: {copied:?}");
    }
}

#[test]
fn a_registry_whose_name_only_begins_like_another_is_another() {
    let mut state = over_registries();
    let reference = "harbor.example/physics/gromacs:1".parse().unwrap();
    wharf::tui::flows::share::share(&mut state, ImageTarget::Reference(reference), None);
    let first = labels(&state).first().cloned();
    assert_eq!(first.as_deref(), Some("physics = physics"), "its own projects are those of its own registry");
}

#[test]
fn a_chosen_platform_is_what_is_shown_shared_and_linked() {
    let mut state = on_image_page();
    press(&mut state, "p");
    assert_eq!(labels(&state), ["linux/amd64 = linux/amd64", "linux/arm64/v8 = linux/arm64/v8"]);
    let arm = Some("linux/arm64/v8".to_owned());
    let effects = press(&mut state, "down enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::Image { platform, .. })] if *platform == arm),
        "{effects:?}"
    );
    assert!(
        matches!(press(&mut state, "y").as_slice(), [Effect::Image(ImageEffect::Link(wish))] if wish.platform == arm)
    );
    let asked = press(&mut state, "s c h e m enter");
    let effects = crate::keys::agree(&mut state, &asked);
    assert!(
        matches!(effects.as_slice(), [Effect::Leave(_), Effect::Share(ShareEffect::Share { platform, .. })] if *platform == arm),
        "{effects:?}"
    );
}

fn removal(reference: &str, stays: &[&str]) -> Removal {
    Removal {
        reference: reference.parse().unwrap(),
        title: "the tag 2024.1".into(),
        digest: None,
        removes: vec![reference.parse().unwrap()],
        along: vec!["physics (8052dcaf) loses it (accepted)".into()],
        stays: stays.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn nothing_is_removed_before_what_goes_was_shown_and_agreed_to() {
    let one = || removal("lab.example/physics/gromacs:2024.1", &["the image itself, as latest"]);
    // Before the consequences are known no key removes; afterwards only y does.
    for (before, after, goes) in [
        ("y", "", false),
        ("", "enter", false),
        ("", "n", false),
        ("", "esc", false),
        ("", "D", false),
        ("", "y", true),
    ] {
        let mut state = state();
        let effects = press(&mut state, "j D");
        let [Effect::Image(ImageEffect::Removals(targets))] = effects.as_slice() else { panic!("{effects:?}") };
        let targets = targets.clone();
        assert_eq!(targets.len(), 1);
        if !before.is_empty() {
            assert!(press(&mut state, before).is_empty(), "{before}");
        }
        update(&mut state, Msg::Image(ImageNews::Removals(targets, vec![Ok(one())])));
        let effects = if after.is_empty() { Vec::new() } else { press(&mut state, after) };
        let removed = effects
            .iter()
            .any(|effect| matches!(effect, Effect::Image(ImageEffect::RemoveImages { removals, .. }) if *removals == [one()]));
        assert_eq!(removed, goes, "{after}: {effects:?}");
        assert_eq!(state.running(), usize::from(goes), "it shows in the transfers");
    }
}

#[test]
fn of_marked_images_those_that_may_not_go_are_told_and_the_others_removed() {
    let mut state = state();
    let effects = press(&mut state, "j _ _ D");
    let Some(Effect::Image(ImageEffect::Removals(targets))) = effects.last() else { panic!("{effects:?}") };
    let targets = targets.clone();
    assert_eq!(targets.len(), 2, "{targets:?}");
    let refused = Error::new(Kind::NotAllowed, "remove glance://lab/x", "it belongs to another project");
    let fine = removal("lab.example/physics/lammps:1", &[]);
    update(&mut state, Msg::Image(ImageNews::Removals(targets.clone(), vec![Err(refused.clone()), Ok(fine.clone())])));
    let Some(Popup::Removing(popup)) = state.popups.last() else { panic!("{:?}", state.popups) };
    let lines: Vec<String> = popup.lines().into_iter().map(|(_, line)| line).collect();
    assert!(lines.iter().any(|line| line.contains("it belongs to another project")), "{lines:?}");
    let effects = press(&mut state, "y");
    let [Effect::Image(ImageEffect::RemoveImages { job, removals })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(*removals, [fine]);
    assert!(state.catalog.marked.is_empty());
    // Its source is listed again.
    let effects = update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("removed".into(), None)))));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::List(ListEffect::List { source, .. }) if source == "lab")),
        "{effects:?}"
    );
    // If none may be removed, y only closes.
    let effects = press(&mut state, "D");
    let Some(Effect::Image(ImageEffect::Removals(targets))) = effects.last() else { panic!("{effects:?}") };
    update(&mut state, Msg::Image(ImageNews::Removals(targets.clone(), vec![Err(refused)])));
    assert!(
        !press(&mut state, "y").iter().any(|effect| matches!(effect, Effect::Image(ImageEffect::RemoveImages { .. })))
    );
}

#[test]
fn on_a_page_the_version_that_is_selected_is_tagged_and_removed() {
    let mut state = on_image_page();
    update(&mut state, Msg::Image(ImageNews::Tags(Ok(vec!["1.0".into(), "2.0".into()]))));
    press(&mut state, "tab");
    let effects = press(&mut state, "j t n e w enter");
    let Some(Effect::Image(ImageEffect::Tag { target: ImageTarget::Reference(reference), new, .. })) = effects.last()
    else {
        panic!("{effects:?}")
    };
    assert_eq!((reference.to_string().as_str(), new.as_str()), ("oci://lab.example/physics/gromacs:1.0", "new"));
    let effects = press(&mut state, "D");
    let expected = ImageTarget::Reference("lab.example/physics/gromacs:1.0".parse().unwrap());
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::Removals(targets))] if *targets == [expected]),
        "{effects:?}"
    );
}

#[test]
fn signing_in_asks_in_popups_and_lists_the_source_anew() {
    let mut state = state();
    press(&mut state, "i");
    let effects = press(&mut state, "enter");
    let [Effect::SignIn { job, source }] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!(source, "lab");
    let ask = |state: &mut State, id, kind| {
        update(state, Msg::Job(JobNews::Question(id, Question { words: "account at lab.example".into(), kind })));
    };
    ask(&mut state, 1, QuestionKind::Text);
    assert_eq!(press(&mut state, "a d a enter"), [Effect::Answer(1, Some(Secret::new("ada")))]);
    ask(&mut state, 2, QuestionKind::Secret);
    assert_eq!(press(&mut state, "_ q enter"), [Effect::Answer(2, Some(Secret::new(" q")))], "q is a letter here");
    ask(&mut state, 3, QuestionKind::Confirm);
    assert_eq!(press(&mut state, "enter"), [Effect::Answer(3, Some(Secret::new("no")))], "the careful answer");
    ask(&mut state, 4, QuestionKind::Text);
    assert_eq!(press(&mut state, "esc"), [Effect::Answer(4, None)]);
    let effects = update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("signed in".into(), None)))));
    assert!(
        matches!(effects.as_slice(), [Effect::List(ListEffect::List { source, query: None })] if source == "lab"),
        "{effects:?}"
    );
}

#[test]
fn rows_on_the_screen_are_looked_at_once_and_show_what_was_told() {
    let mut state = crate::keys::state();
    let effects = press(&mut state, "r");
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::List(ListEffect::Look(rows)) if rows.len() == 3)),
        "{effects:?}"
    );
    assert_eq!(press(&mut state, "j"), [], "they are being looked at");
    let version = Version {
        tag: "1.19".into(),
        digest: None,
        created: Some(1_763_999_000),
        size: Some(5 << 20),
        platforms: Vec::new(),
        kind: ImageKind::Container,
        artifact: None,
    };
    let told = Msg::List(ListNews::Looked("lab".into(), "biology/samtools".into(), Some(version)));
    assert!(update(&mut state, told).is_empty(), "one answer does not ask for the others again");
    let drawn = crate::screens::draw(&mut state, (200, 20));
    assert!(drawn.contains("5.00 MiB"), "{drawn}");
}

#[test]
fn a_click_selects_and_a_second_one_opens() {
    let mut state = state();
    update(&mut state, Msg::Click(5, 4));
    assert_eq!(state.catalog.at.selected, 1);
    let effects = update(&mut state, Msg::Click(5, 4));
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::Image { target: ImageTarget::Row { name, .. }, .. })] if name == "physics/gromacs")
    );
    // The tabs of the page that opened.
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    update(&mut state, Msg::Image(ImageNews::Tags(Ok(vec!["1".into(), "2".into(), "3".into()]))));
    update(&mut state, Msg::Click(14, 2));
    let Screen::Image(page) = state.screen() else { panic!() };
    assert_eq!(page.pane, Pane::Versions);
    update(&mut state, Msg::Click(5, 7));
    let Screen::Image(page) = state.screen() else { panic!() };
    assert_eq!(page.at.selected, 2);
    // Past the end nothing happens.
    assert!(update(&mut state, Msg::Click(5, 20)).is_empty());
}

#[test]
fn a_key_hides_the_pane_about_the_selected_image_and_shows_it_again() {
    let mut state = state();
    assert!(crate::screens::draw(&mut state, (120, 40)).contains('┬'));
    press(&mut state, "\\");
    assert!(!crate::screens::draw(&mut state, (120, 40)).contains('┬'));
    press(&mut state, "\\");
    assert!(crate::screens::draw(&mut state, (120, 40)).contains('┬'));
}

#[test]
fn a_click_on_the_bar_goes_to_a_screen_and_one_on_a_key_presses_it() {
    let mut state = state();
    let drawn = crate::screens::draw(&mut state, (120, 40));
    let column = |line: &str, word: &str| line.split(word).next().unwrap().chars().count() as u16 - 1;
    let bar = drawn.lines().next().unwrap();
    update(&mut state, Msg::Click(column(bar, "4 Sources"), 0));
    assert!(matches!(state.screen(), Screen::Sources(_)));
    let drawn = crate::screens::draw(&mut state, (120, 40));
    let hints = drawn.lines().last().unwrap();
    update(&mut state, Msg::Click(column(hints, "? keys"), 39));
    assert_eq!(state.popups.last().map(|popup| popup.title().to_owned()).as_deref(), Some("Keys"));
}

#[test]
fn a_click_chooses_in_a_popup_and_outside_of_it_nothing_happens() {
    let mut state = state();
    press(&mut state, "f");
    update(&mut state, Msg::Drawn);
    update(&mut state, Msg::Click(0, 0));
    assert_eq!(state.popups.len(), 1);
    // 80x24, four choices: the box begins at line 7, its list two lines below.
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!() };
    let area = wharf::tui::kit::widgets::middle(ratatui::layout::Rect::new(0, 0, 80, 24), pick.size().0, pick.size().1);
    update(&mut state, Msg::Click(area.x + 4, area.y + 2 + 2));
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!() };
    assert_eq!(pick.marked.len(), 1, "where several can be chosen a click marks");
    press(&mut state, "enter");
    assert_eq!(state.catalog.input.text, "project:physics");
}

/// The offer of another project at the lab's cloud.
fn an_offer() -> Offer {
    Offer {
        id: "site/x".into(),
        source: "lab".into(),
        title: "snap".into(),
        reference: "glance://site/x".parse().unwrap(),
        from: Project { name: "biology".into(), id: "b".into() },
        since: None,
        note: String::new(),
        ignored: "it stays usable by its id".into(),
        outgoing: false,
    }
}

#[test]
fn what_an_opened_link_names_is_accepted_on_its_page_where_it_is_offered() {
    let mut state = with_clouds();
    let hash = "4f".repeat(32);
    let link = format!("wharf:glance://cloud.example/x?hash=sha256:{hash}&at=https://cloud.example/v3");
    update(&mut state, Msg::Paste(link));
    let opened = OpenedLink {
        image: fake::image("glance://site/x".parse().unwrap()),
        moved: None,
        now_at: None,
        expired: false,
        from: Some("zoe".into()),
        proof: Proof::Unsigned,
        until: None,
    };
    let effects = update(&mut state, Msg::Image(ImageNews::Opened(Box::new(Ok(opened)))));
    assert!(effects.contains(&Effect::Share(ShareEffect::Offers)), "{effects:?}");
    assert!(press(&mut state, "a").is_empty(), "nobody offers it yet");
    let others = Offer { reference: "glance://site/y".parse().unwrap(), ..an_offer() };
    update(&mut state, Msg::Share(ShareNews::Offers(vec![others], Vec::new())));
    assert!(press(&mut state, "a").is_empty(), "it is another image");
    update(&mut state, Msg::Share(ShareNews::Offers(vec![an_offer()], Vec::new())));
    let shown = crate::screens::draw(&mut state, (140, 50));
    assert!(shown.contains("biology (b) offers it to your project"), "{shown}");
    let effects = press(&mut state, "a");
    let [Effect::Share(ShareEffect::AnswerOffer { job, accept: true, offer })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!(offer.id(), "site/x");
    let after = update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("accepted".into(), None)))));
    assert!(after.contains(&Effect::Share(ShareEffect::Offers)), "{after:?}");
    update(&mut state, Msg::Share(ShareNews::Offers(Vec::new(), Vec::new())));
    assert!(press(&mut state, "a").is_empty(), "it is accepted");
}

#[test]
fn offers_are_answered_with_one_key_and_what_that_changes_is_asked_for_again() {
    let mut state = state();
    assert_eq!(press(&mut state, "5"), [Effect::Share(ShareEffect::Offers)]);
    assert!(press(&mut state, "a").is_empty(), "nothing is there yet");
    update(&mut state, Msg::Share(ShareNews::Offers(vec![an_offer()], Vec::new())));
    let effects = press(&mut state, "a");
    let [Effect::Share(ShareEffect::AnswerOffer { job, accept: true, .. })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    let after = update(&mut state, Msg::Job(JobNews::JobDone(*job, Ok(("accepted".into(), None)))));
    assert_eq!(
        after,
        [Effect::List(ListEffect::List { source: "lab".into(), query: None }), Effect::Share(ShareEffect::Offers)]
    );
    assert!(matches!(
        press(&mut state, "x").as_slice(),
        [Effect::Share(ShareEffect::AnswerOffer { accept: false, .. })]
    ));
}

#[test]
fn a_clouds_image_is_shared_with_projects_that_the_cloud_names_or_any_id() {
    let mut state = with_clouds();
    assert!(matches!(
        press(&mut state, "j s").as_slice(),
        [
            Effect::Share(ShareEffect::Projects(lab)),
            Effect::Share(ShareEffect::Holders(_)),
            Effect::Share(ShareEffect::Contacts)
        ] if lab == "lab"
    ));
    let projects = vec![Project { name: "biology".into(), id: "b".repeat(32) }];
    update(&mut state, Msg::Share(ShareNews::Projects("lab".into(), Ok(projects))));
    let biology = "b".repeat(32);
    assert_eq!(
        labels(&state),
        [
            format!("biology = {biology}"),
            "community = :community".into(),
            "public = :public".into(),
            "copy to other = other/".into(),
        ]
    );
    let asked = press(&mut state, "_ _ enter");
    let [
        Effect::Share(ShareEffect::SharePlans(_, _, one, _)),
        Effect::Share(ShareEffect::SharePlans(target, _, to, _)),
    ] = asked.as_slice()
    else {
        panic!("{asked:?}")
    };
    assert_eq!(one, &[Receiver::Project(biology.clone())]);
    assert_eq!(to, &[Receiver::Project(biology.clone()), Receiver::Community]);
    // One of them cannot: the others still can, and the reason is shown.
    let refused = Error::new(Kind::NotFound, "plan a share", "you may not see it").hint("ask for its id");
    let plans = vec![(to[0].clone(), Ok(fake::share_plan())), (to[1].clone(), Err(refused))];
    update(&mut state, Msg::Share(ShareNews::SharePlans(target.clone(), plans)));
    let drawn = crate::screens::draw(&mut state, (120, 30));
    for words in ["no bytes move", "membership", "by its id", "1. PATCH", "✗ community", "ask for its id"] {
        assert!(drawn.contains(words), "{words} is missing:\n{drawn}");
    }
    let effects = press(&mut state, "enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Leave(_), Effect::Share(ShareEffect::Share { to: Receiver::Project(project), .. })] if *project == biology),
        "{effects:?}"
    );
}

#[test]
fn a_volume_is_given_away_after_a_warning_and_its_key_is_shown_once() {
    let mut state = with_clouds();
    let mut volume = fake::row("data", &["volumes/2f1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55"]);
    volume.kind = ImageKind::Volume;
    let effects =
        update(&mut state, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(RowSet::build(vec![volume]))))));
    crate::keys::run(&mut state, effects);
    assert!(matches!(
        press(&mut state, "s").as_slice(),
        [Effect::Share(ShareEffect::Projects(lab))] if lab == "lab"
    ));
    assert_eq!(labels(&state)[0], "give it away = :give");
    assert!(matches!(press(&mut state, "enter").as_slice(), [Effect::Leave(_)]), "only the dialog's reads end");
    assert!(crate::screens::draw(&mut state, (100, 24)).contains("You lose it"));
    assert!(press(&mut state, "enter").is_empty(), "the careful answer is the default");
    press(&mut state, "s enter");
    let effects = press(&mut state, "y");
    let [Effect::Share(ShareEffect::Give { job, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    let job = *job;
    let given = VolumeTransfer {
        id: "lab/transfer/x".into(),
        transfer: "9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55".into(),
        title: "data".into(),
        key: Secret::new("0123abcd"),
    };
    update(&mut state, Msg::Share(ShareNews::Given(given)));
    assert!(crate::screens::draw(&mut state, (100, 24)).contains("0123abcd"));
    let copied = press(&mut state, "c");
    assert_eq!(copied, [Effect::Copy("transfer 9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55 key 0123abcd".into())]);
    press(&mut state, "esc");
    let after = update(&mut state, Msg::Job(JobNews::JobDone(job, Ok(("it waits".into(), None)))));
    assert!(after.contains(&Effect::List(ListEffect::List { source: "lab".into(), query: None })), "{after:?}");
    assert!(!crate::screens::draw(&mut state, (100, 24)).contains("0123abcd"));
}

#[test]
fn a_gift_is_taken_with_the_line_that_its_giver_sent() {
    let mut state = with_clouds();
    press(&mut state, "5 t");
    update(&mut state, Msg::Paste("transfer 9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55 key 0123abcd".into()));
    assert!(press(&mut state, "enter").is_empty(), "there are two clouds: which one?");
    let effects = press(&mut state, "down enter");
    let [Effect::Share(ShareEffect::Take { offer, key, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    assert_eq!((offer.as_str(), key.reveal()), ("other/transfer/9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55", "0123abcd"));
    // If the key is missing, it is asked for and not shown.
    press(&mut state, "t");
    update(&mut state, Msg::Paste("lab/transfer/9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55".into()));
    press(&mut state, "enter q w e");
    assert!(!crate::screens::draw(&mut state, (100, 24)).contains("qwe"));
    let effects = press(&mut state, "enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Share(ShareEffect::Take { key, .. })] if key.reveal() == "qwe"),
        "{effects:?}"
    );
    press(&mut state, "t n o enter");
    assert!(state.notice.as_ref().unwrap().text.contains("no transfer in it"));
}

#[test]
fn a_server_is_made_into_an_image_that_is_shared_in_one_go() {
    let mut state = with_clouds();
    press(&mut state, "2");
    let workload = fake::workload("lab", "web");
    fake::listed(&mut state, vec![workload], Vec::new());
    assert!(matches!(press(&mut state, "R").as_slice(), [Effect::Run(RunEffect::Start { again: true, .. })]));
    assert!(press(&mut state, "S").is_empty(), "it runs already");
    press(&mut state, "I enter");
    update(
        &mut state,
        Msg::Share(ShareNews::Projects("lab".into(), Ok(vec![Project { name: "biology".into(), id: "b".into() }]))),
    );
    assert_eq!(labels(&state), ["biology = b", "nobody = :nobody"]);
    let effects = press(&mut state, "enter");
    let [Effect::Run(RunEffect::Snapshot { workload, name, to, .. })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((workload.id().0.as_str(), name.as_str()), ("lab", "web-2025-11-24"));
    assert_eq!(to, &[Receiver::Project("b".into())]);
}

#[test]
fn a_badge_can_be_asked_why_and_the_answer_copied() {
    let mut state = on_image_page();
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    press(&mut state, "e");
    assert!(state.popups.is_empty() && state.notice.as_ref().unwrap().text.contains("not arrived"));
    let verified = fake::verified(&image, state.now);
    update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(verified)))));
    press(&mut state, "e");
    let drawn = crate::screens::draw(&mut state, (120, 30));
    for words in [
        "needs approval by the policy",
        "[scan.known_exploited]",
        "→ take a version",
        "key 3f2a9c0d11e85b77",
        "trivy 0.70.0",
    ] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    assert!(matches!(press(&mut state, "c").as_slice(), [Effect::Copy(text)] if text.contains("sha256:")));
    // From the list as well.
    press(&mut state, "esc esc");
    assert!(matches!(
        press(&mut state, "e").as_slice(),
        [Effect::Image(ImageEffect::Explain(ImageTarget::Row { .. }))]
    ));
    let checked = press(&mut state, "enter");
    assert!(matches!(checked.as_slice(), [Effect::Image(ImageEffect::Image { .. })]));
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image.clone())))));
    assert!(matches!(press(&mut state, "v").as_slice(), [Effect::Image(ImageEffect::Verify { anew: true, .. })]));
}

#[test]
fn a_cloud_fetches_from_the_web_what_is_typed() {
    let mut state = with_clouds();
    press(&mut state, "u");
    update(&mut state, Msg::Paste("ftp://x".into()));
    press(&mut state, "enter");
    assert!(state.notice.as_ref().unwrap().text.contains("https://"));
    press(&mut state, "u");
    update(&mut state, Msg::Paste("https://images.example/debian-12.qcow2".into()));
    press(&mut state, "enter");
    assert_eq!(labels(&state), ["lab = glance://lab/debian-12", "other = glance://other/debian-12"]);
    let effects = press(&mut state, "enter");
    assert!(
        matches!(effects.as_slice(), [Effect::Image(ImageEffect::Import { destination, .. })] if destination == "glance://lab/debian-12")
    );
}

#[test]
fn a_theme_is_shown_while_one_moves_over_it_and_esc_restores() {
    let open = || {
        let mut state = state();
        state.themes = ["default", "light", "mono"].map(str::to_owned).to_vec();
        state.theme = "light".into();
        update(&mut state, Msg::Key(KeyCode::F(8).into()));
        state
    };
    let tried = |name: &str| vec![Effect::TryTheme(name.to_owned())];
    let mut state = open();
    assert_eq!(press(&mut state, "down"), tried("mono"), "it begins at the one in use");
    assert_eq!(press(&mut state, "d e f"), [tried("default"), tried("default"), tried("default")].concat());
    assert_eq!(press(&mut state, "esc"), tried("light"));
    assert_eq!(state.theme, "light");
    let mut state = open();
    press(&mut state, "down");
    assert_eq!(press(&mut state, "enter"), [Effect::Theme("mono".into())]);
    assert_eq!(state.theme, "mono");
}

#[test]
fn the_palette_finds_a_command_by_words_by_its_key_and_by_the_verb_of_the_command_line() {
    let chosen = |keys: &str| {
        let mut state = crate::keys::state();
        press(&mut state, ":");
        for letter in keys.chars() {
            update(&mut state, Msg::Key(KeyEvent::from(KeyCode::Char(letter))));
        }
        match state.popups.last() {
            Some(Popup::Pick(pick)) => pick.selected().map(|item| item.value.clone()).unwrap_or_default(),
            _ => panic!("{keys}"),
        }
    };
    for (typed, action) in
        [("ctrl-s", "save-filter"), ("wharf login", "sign-in"), ("launch this", "launch"), ("wharf copy", "copy-to")]
    {
        assert_eq!(chosen(typed), action, "{typed}");
    }
    // What only moves comes after everything that does something.
    let mut state = crate::keys::state();
    press(&mut state, ":");
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!() };
    let names: Vec<&str> = pick.items.iter().map(|item| item.value.as_str()).collect();
    let first_move = names.iter().position(|name| *name == "down").unwrap();
    assert!(names.iter().position(|name| *name == "quit").unwrap() < first_move, "{names:?}");
    assert_eq!(names[0], "open", "what the screen offers is first");
    // A command that cannot be used says why, and keeps its key.
    let mut empty = crate::keys::requests("empty", "6");
    press(&mut empty, ":");
    for letter in "launch this".chars() {
        update(&mut empty, Msg::Key(KeyEvent::from(KeyCode::Char(letter))));
    }
    let drawn = crate::screens::draw(&mut empty, (80, 24));
    assert!(drawn.contains("wharf launch") && drawn.contains("not now: nothing is selected"), "{drawn}");
}

#[test]
fn the_help_names_all_keys_of_a_screen_by_what_they_are_for() {
    for size in [(120, 60), (80, 100)] {
        let mut state = crate::keys::state();
        state.size = size;
        press(&mut state, "?");
        let drawn = crate::screens::draw(&mut state, size);
        for words in ["Find", "Trust", "Run", "Share", "Decide", "Everywhere", "Move", "Launch this image", "ctrl-s"] {
            assert!(drawn.contains(words), "{words}: {drawn}");
        }
    }
}

#[test]
fn a_file_that_nobody_has_read_whole_yet_is_launched_from_its_page() {
    let mut state = on_image_page();
    let image = |reference: &str| Image { pinned: None, ..fake::image(reference.parse().unwrap()) };
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image("glance://lab/disk"))))));
    press(&mut state, "l");
    assert!(!matches!(state.screen(), Screen::Launch(_)), "a cloud without a hash cannot say what it starts");
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image("file:/srv/disk.qcow2"))))));
    press(&mut state, "l");
    assert!(matches!(state.screen(), Screen::Launch(_)), "its plan hashes it");
}

#[test]
fn what_was_shared_is_under_a_tab_of_the_offers_and_taken_back_with_one_key() {
    use wharf::core::{
        portal::sharing::given::SharedByMe,
        sharing::given::{Given, Way},
    };
    let mut state = state();
    press(&mut state, "5");
    assert_eq!(press(&mut state, "tab"), [Effect::Share(ShareEffect::SharedByMe)]);
    let shared = |to: &str, id: Option<&str>| SharedByMe {
        given: Given {
            what: "glance://site/x".into(),
            reference: "glance://site/x".parse().ok(),
            to: to.into(),
            way: Way::Share,
            since: 0,
            digest: None,
        },
        until: None,
        standing: Some("accepted".into()),
        pulled: None,
        id: id.map(str::to_owned),
        copy: None,
    };
    let copied = SharedByMe { copy: "r.example/zz/x:1".parse().ok(), ..shared("geology", None) };
    let all = vec![shared("biology", Some("site/x/b")), shared("chemistry", None), copied];
    update(&mut state, Msg::Share(ShareNews::SharedByMe(Ok(all))));
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("Shared by you") && drawn.contains("biology") && drawn.contains("accepted"), "{drawn}");
    press(&mut state, "x");
    assert!(crate::screens::draw(&mut state, (80, 24)).contains("Take it back from biology?"));
    press(&mut state, "esc j");
    crate::screens::draw(&mut state, (80, 24));
    assert!(press(&mut state, "x").is_empty(), "it is gone: there is nothing to take back");
    press(&mut state, "j");
    crate::screens::draw(&mut state, (80, 24));
    let asked = press(&mut state, "x");
    assert!(matches!(&asked[..], [Effect::Image(ImageEffect::Removals(of))] if of.len() == 1), "{asked:?}");
    press(&mut state, "esc");
    assert_eq!(press(&mut state, "tab"), [Effect::Share(ShareEffect::Offers)]);
}
