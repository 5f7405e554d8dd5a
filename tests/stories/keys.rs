//! From keys to state and effects: `update` without a terminal, a network or a clock.

use std::sync::Arc;

use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use wharf::{
    core::{
        base::{
            badge::Verdict,
            error::{Error, Kind},
        },
        catalog::{facets, rows::RowSet, search},
        image::link::Link,
        launch::{
            form::{Field, FieldKind, Form, Section},
            plan::{Call, Plan, Risk, Step},
            room::OfferedPreset,
        },
        portal::{Abilities, Copies, requests::RequestDetails},
        ports::Listing,
        request::{
            Admission, Caller, EndingApproval, Group, Pace, QueueOverview, Request, RequestFilter, RequestedImage,
            RequestedUse, Stage,
            notice::{Notice, Topic, Warning},
        },
        sharing::{receiver::Receiver, sender::Proof},
    },
    tui::{
        kit::{action::Action, keymap::Keymap},
        model::SourceLine,
        msg::{
            Effect, ImageEffect, ImageNews, ImageTarget, JobNews, ListEffect, ListNews, Msg, RequestEffect,
            RequestNews, RunEffect, RunNews, ShareEffect, ShareNews, Slot,
        },
        popups::Popup,
        state::{Screen, State},
        update::update,
    },
};

use crate::{fake, screens};

/// A request's image with a digest that is short enough for a screen.
fn asked() -> RequestedImage {
    let (digest, from) = ("sha256:a".to_owned(), "oci://lab.example/physics/a@sha256:a".to_owned());
    RequestedImage { digest, from, ..crate::stores::asked("a") }
}

/// A request as a steward leaves it.
pub(crate) fn request(id: i64, stage: Stage, rule: &str, base: &str) -> Request {
    let now = 1_764_000_000;
    let name = format!("physics/gromacs-{id}");
    let mut dossier = crate::stores::dossier(Verdict::NeedsApproval, rule, base);
    dossier.at = now - 60;
    dossier.evidence = vec!["signature: ○ unsigned · wharf cosign".into(), "scan: ✓ clean 14 packages · trivy".into()];
    let mut request = Request::new(id, asked(), "oci://lab.example/admitted/gromacs", now - 120);
    request.asked.title = name;
    request.stage = stage;
    request.dossier = Some(*dossier);
    for (person, reason) in [("ada", "for the paper"), ("bob", "course next week, 30 people")] {
        request.wishes.push(RequestedUse {
            person: person.into(),
            since: now - 120,
            ..crate::stores::wish(reason, false)
        });
    }
    if stage == Stage::Admitted {
        let reference = "oci://lab.example/admitted/gromacs:1@sha256:aa".to_owned();
        request.admitted = Some(Admission {
            reference,
            digest: "sha256:aa".into(),
            signers: vec!["the steward".into()],
            at: now,
            untagged: String::new(),
        });
    }
    request
}

/// Notices, one of each kind.
pub(crate) fn notices() -> Vec<Notice> {
    let notice = |id, topic, words: &str, seen| Notice {
        id,
        at: 1_764_000_000 - id * 100,
        to: "ada".into(),
        topic,
        key: id.to_string(),
        title: "physics/gromacs:1".into(),
        words: words.into(),
        request: (topic != Topic::Vulnerability).then_some(id),
        warning: None,
        seen,
    };
    let digest = "1".repeat(64);
    let warning = Warning {
        reference: format!("oci://lab.example/admitted/gromacs:1@sha256:{digest}"),
        digest: format!("sha256:{digest}"),
        findings: vec![("CVE-2026-0001".into(), "openssl".into(), "3.0.9-r1".into())],
        fixed: Some(format!("oci://lab.example/admitted/gromacs:2@sha256:{}", "2".repeat(64))),
        workloads: vec!["local/look-1".into()],
        because: vec!["you launched it".into()],
    };
    vec![
        notice(
            1,
            Topic::Request,
            &format!("was admitted: oci://lab.example/admitted/gromacs:1@sha256:{digest}"),
            false,
        ),
        Notice { words: warning.describe(), warning: Some(warning), ..notice(2, Topic::Vulnerability, "", false) },
        notice(3, Topic::Decision, "waits for a decision: signature: unsigned", true),
    ]
}

/// How requests went lately, with approvals that end soon.
pub(crate) fn overview() -> QueueOverview {
    let now = 1_764_000_000;
    let day = now / 86_400;
    let counts: Vec<(i64, u64, u64)> =
        (0..20u64).map(|ago| (day - ago as i64, (ago * 5) % 13, (ago * 3) % 11)).collect();
    let ending = |request, title: &str, days: i64, new: Option<&[&str]>| EndingApproval {
        request,
        title: title.into(),
        reference: format!("oci://lab.example/admitted/{title}@sha256:{}", "1".repeat(64)),
        until: now + days * 86_400,
        new_findings: new.map(|all| all.iter().map(|one| (*one).to_owned()).collect()),
    };
    let ending = vec![
        ending(11, "ml/pytorch:2.6", 3, Some(&[])),
        ending(12, "bio/star:2.7.10\u{1b}[31m", 6, None),
        ending(13, "astro/casa:6.6", 9, Some(&["CVE-2026-0001"])),
    ];
    QueueOverview::new(now, &counts, ending, 3)
}

/// A state after these keys, with the answers of a store.
pub(crate) fn requests(name: &str, keys: &str) -> State {
    let mut state = state();
    state.unread = if name.ends_with("empty") { 0 } else { 2 };
    let empty = name.ends_with("empty");
    for key in keys.split(' ') {
        press(&mut state, key);
        let list = match state.screen() {
            Screen::Requests(page) if page.rows.all().is_none() => Some(page.which),
            _ => None,
        };
        if let Some(which) = list {
            let mine = [Stage::Gathering, Stage::Admitted, Stage::Rejected, Stage::Asked];
            let all: Vec<Request> = match which {
                _ if empty => Vec::new(),
                RequestFilter::Queue => {
                    [("scan", "alpine:3.17"), ("signature", "alpine:3.17"), ("signature", "alpine:3.17")]
                        .iter()
                        .enumerate()
                        .map(|(at, (rule, base))| request(at as i64 + 1, Stage::Waiting, rule, base))
                        .collect()
                }
                _ => mine
                    .iter()
                    .enumerate()
                    .map(|(at, stage)| request(at as i64 + 1, *stage, "signature", "alpine:3.17"))
                    .collect(),
            };
            update(&mut state, Msg::Request(RequestNews::Requests { which, skip: 0, result: Ok(all) }));
            let me = Caller { person: "carol".into(), approver: !empty, steward: false, own: false };
            let groups = if which == RequestFilter::Queue && !empty {
                let group = |rule: &str, count| Group { rule: rule.into(), base: "alpine:3.17".into(), count };
                vec![group("signature", 2), group("scan", 1)]
            } else {
                Vec::new()
            };
            let pace = Pace { automatic: Some(4), by_person: Some(7200), no_steward: false };
            update(&mut state, Msg::Request(RequestNews::Queue(Ok((me, pace, groups)))));
            if name == "requests-lately" {
                update(&mut state, Msg::Request(RequestNews::Overview(Ok(overview()))));
            }
        }
        if matches!(state.screen(), Screen::Inbox(page) if page.rows.all().is_none()) {
            update(&mut state, Msg::Request(RequestNews::Inbox(Ok(if empty { Vec::new() } else { notices() }))));
        }
    }
    if name == "requests-told" {
        let one = request(1, Stage::Waiting, "signature", "alpine:3.17");
        let text = one.describe(&[], Pace::default(), 3, 1_764_000_000);
        update(&mut state, Msg::Request(RequestNews::RequestTold(Box::new(Ok((one, text))))));
    }
    state
}

/// The abilities of a registry.
pub(crate) fn registry(host: &str) -> Abilities {
    Abilities { copies: Copies::Registry(host.to_owned()), answers_anyone: true, ..Abilities::default() }
}

/// A state with one source of three images, its list searched.
pub(crate) fn state() -> State {
    let source = SourceLine {
        name: "lab".into(),
        adapter: "oci".into(),
        address: "https://lab.example/".into(),
        origin: "test".into(),
        listing: Listing::Whole,
        cheap: true,
        signs_in: true,
        grants: false,
        holds_disks: false,
        begins_again: false,
        abilities: registry("lab.example"),
        added: false,
        hidden: false,
    };
    let hub = SourceLine {
        name: "hub".into(),
        adapter: "hub".into(),
        address: "https://hub.example/".into(),
        origin: "built in".into(),
        listing: Listing::SearchOnly,
        cheap: false,
        signs_in: true,
        grants: false,
        holds_disks: false,
        begins_again: false,
        abilities: registry("docker.io"),
        added: false,
        hidden: false,
    };
    let mut state = State::new(vec![source, hub], vec!["docker".into(), "local".into()], Keymap::load(None));
    state.now = 1_764_000_000;
    let rows = RowSet::build(vec![
        fake::row("biology/samtools", &["1.17", "1.19"]),
        fake::row("physics/gromacs", &["2023.3", "2024.1", "latest"]),
        fake::row("physics/lammps", &["edge", "stable"]),
    ]);
    let began = state.begin();
    run(&mut state, began);
    let effects = update(&mut state, Msg::List(ListNews::Cached(Ok(Vec::new()))));
    run(&mut state, effects);
    let effects = update(&mut state, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(rows)))));
    run(&mut state, effects);
    state
}

/// Answers the plans that were requested, and agrees to them.
pub(crate) fn agree(state: &mut State, asked: &[Effect]) -> Vec<Effect> {
    let Some(Effect::Share(ShareEffect::SharePlans(target, _, to, _))) = asked.last() else {
        panic!("no plan is asked for: {asked:?}")
    };
    assert!(press(state, "enter").is_empty(), "without a plan nothing is shared");
    let plans = to.iter().map(|to| (to.clone(), Ok(fake::share_plan()))).collect();
    update(state, Msg::Share(ShareNews::SharePlans(target.clone(), plans)));
    // A plan that does not fit is read to its end first.
    (0..5).map(|_| press(state, "enter")).find(|effects| !effects.is_empty()).unwrap_or_default()
}

/// Runs the searches and counts among the effects, as the jobs would; gives the other effects.
pub(crate) fn run(state: &mut State, effects: Vec<Effect>) -> Vec<Effect> {
    let mut others = Vec::new();
    for effect in effects {
        match effect {
            Effect::List(ListEffect::Search { number, sets, query, sort, order, from, known }) => {
                let order = order.map_or_else(|| Arc::new(search::order(&sets.0, sort, &known)), |order| order.0);
                let candidates = from.map_or_else(|| order.clone(), |from| from.0);
                let hits = Arc::new(search::search(&sets.0, &query, &candidates, &known));
                let more = update(state, Msg::List(ListNews::Found { number, order: Some(order), hits }));
                others.extend(run(state, more));
            }
            Effect::List(ListEffect::Facets { sets, filter, known, dialog }) => {
                let counted = facets::count(&sets.0, &filter, &known);
                let more = update(state, Msg::List(ListNews::Facets { counted, dialog }));
                others.extend(run(state, more));
            }
            other => others.push(other),
        }
    }
    others
}

/// Presses keys written as in the key map (`_` is a space), like a person who sees every frame and takes their time;
/// gives all effects except searches.
pub(crate) fn press(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut all = Vec::new();
    for key in keys.split(' ') {
        update(state, Msg::Drawn);
        state.clock += 1000;
        all.extend(rush(state, key));
    }
    all
}

/// The same without any frame drawn before or between the keys.
pub(crate) fn rush(state: &mut State, keys: &str) -> Vec<Effect> {
    let mut all = Vec::new();
    for key in keys.split(' ') {
        let event = match key {
            "enter" => KeyEvent::from(KeyCode::Enter),
            "esc" => KeyEvent::from(KeyCode::Esc),
            "tab" => KeyEvent::from(KeyCode::Tab),
            "right" => KeyEvent::from(KeyCode::Right),
            "left" => KeyEvent::from(KeyCode::Left),
            "down" => KeyEvent::from(KeyCode::Down),
            "up" => KeyEvent::from(KeyCode::Up),
            "backspace" => KeyEvent::from(KeyCode::Backspace),
            "_" => KeyEvent::from(KeyCode::Char(' ')),
            "f3" => KeyEvent::from(KeyCode::F(3)),
            key => match key.strip_prefix("ctrl-") {
                Some(letter) => KeyEvent::new(KeyCode::Char(letter.chars().next().unwrap()), KeyModifiers::CONTROL),
                None => KeyEvent::from(KeyCode::Char(key.chars().next().unwrap())),
            },
        };
        let effects = update(state, Msg::Key(event));
        all.extend(run(state, effects));
    }
    all
}

fn selected(state: &State) -> String {
    state.catalog.selected().map(|(_, row)| row.name.to_owned()).unwrap_or_default()
}

#[test]
fn moving_and_filtering() {
    let mut state = state();
    for (keys, name) in [
        ("j", "physics/gromacs"),
        ("j", "physics/lammps"),
        ("j", "physics/lammps"),
        ("g", "biology/samtools"),
        ("G", "physics/lammps"),
        ("/ s a m t", "biology/samtools"),
    ] {
        press(&mut state, keys);
        assert_eq!(selected(&state), name, "after {keys}");
    }
    assert_eq!(state.catalog.count(), 1);
    press(&mut state, "esc");
    assert_eq!((state.catalog.count(), state.catalog.typing), (3, false));
}

#[test]
fn q_is_a_letter_while_typing_and_leaves_otherwise() {
    let mut state = state();
    press(&mut state, "/ q");
    assert!(!state.quit);
    press(&mut state, "esc q");
    assert!(state.quit);
}

#[test]
fn a_tag_that_was_asked_for_is_the_one_that_opens() {
    let mut state = state();
    press(&mut state, "/ g r o : 2 0 2 3 . 3 enter");
    let effects = press(&mut state, "enter");
    let target = ImageTarget::Row { source: "lab".into(), name: "physics/gromacs".into(), tag: Some("2023.3".into()) };
    assert_eq!(effects, [Effect::Image(ImageEffect::Image { target, platform: None })]);
}

#[test]
fn enter_in_the_filter_also_asks_those_who_only_search_and_typing_does_not() {
    let mut state = state();
    assert_eq!(press(&mut state, "/ c u d a"), []);
    assert_eq!(
        press(&mut state, "enter"),
        [
            Effect::List(ListEffect::List { source: "hub".into(), query: Some("cuda".into()) }),
            Effect::KeepFilter("cuda".into())
        ]
    );
    assert_eq!(press(&mut state, "/ enter"), [], "the same words are not asked twice");
}

#[test]
fn keys_that_come_before_the_search_has_answered_mean_its_rows() {
    let mut state = state();
    let mut search = None;
    for key in ["/", "l", "a", "m", "enter", "l"] {
        let event = if key == "enter" { KeyCode::Enter } else { KeyCode::Char(key.chars().next().unwrap()) };
        for effect in update(&mut state, Msg::Key(KeyEvent::from(event))) {
            match effect {
                Effect::List(ListEffect::Search { .. }) => search = Some(effect),
                Effect::List(ListEffect::Facets { dialog: false, .. }) => {}
                other => panic!("{other:?} came before the rows"),
            }
        }
    }
    let effects = run(&mut state, search.into_iter().collect());
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Image(ImageEffect::Image { target: ImageTarget::Row { name, .. }, .. }) if name == "physics/lammps")),
        "{effects:?}"
    );
}

#[test]
fn a_filter_of_any_length_that_finds_nothing_leaves_room_for_what_helps() {
    let mut state = state();
    press(&mut state, "/");
    let effects = update(&mut state, Msg::Paste("nonsense".repeat(400)));
    run(&mut state, effects);
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("Nothing fits 'nonsense") && drawn.contains("clears the filter"), "{drawn}");
}

#[test]
fn late_search_results_are_dropped() {
    let mut state = state();
    let late = Msg::List(ListNews::Found { number: 0, order: None, hits: Arc::default() });
    update(&mut state, late);
    assert_eq!(state.catalog.count(), 3);
}

#[test]
fn key_releases_do_nothing() {
    let mut state = state();
    let release = KeyEvent::new_with_kind(KeyCode::Char('q'), KeyModifiers::NONE, KeyEventKind::Release);
    update(&mut state, Msg::Key(release));
    assert!(!state.quit);
}

#[test]
fn leaving_an_image_page_ends_its_reads() {
    let mut state = state();
    press(&mut state, "enter");
    assert!(matches!(state.screen(), Screen::Image(_)));
    assert!(
        matches!(press(&mut state, "esc").as_slice(), [Effect::Leave(slots)] if slots.contains(&Slot::Image) && slots.contains(&Slot::Tags))
    );
    // Results for a page that was left change nothing.
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    assert_eq!(update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image))))), []);
    assert!(matches!(state.screen(), Screen::Catalog));
}

pub(crate) fn launching(state: &mut State) {
    press(state, "j l");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    let effects = update(state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    assert!(
        effects
            .iter()
            .any(|effect| matches!(effect, Effect::Run(RunEffect::Form { backend, .. }) if backend == "docker")),
        "{effects:?}"
    );
    let private = FieldKind::Choice(vec!["private".into(), "none".into()]);
    let fields = vec![
        Field::new("command", "Command", "", FieldKind::Words, ""),
        Field::new("network", "Network", "", private, "private"),
        Field::new("memory", "Memory", "like 2G", FieldKind::Bytes, "2G"),
    ];
    let form = Form::new(vec![Section::new("Basics", "", fields)]);
    let effects = update(state, Msg::Run(RunNews::Form(Ok(("docker".into(), form)))));
    assert!(matches!(effects.as_slice(), [Effect::Run(RunEffect::Plan { .. })]));
}

pub(crate) fn plan(state: &State) -> Plan {
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    Plan {
        backend: "docker".into(),
        image: page.image.pinned.clone().unwrap(),
        answers: page.answers.clone(),
        steps: vec![
            Step::Prepare { what: "gromacs".into(), to: "docker".into(), bytes: Some(3 << 20), by: Vec::new() },
            Step::Send(
                Call::new("POST", "unix:///var/run/docker.sock", "/containers/create")
                    .body(serde_json::json!({"Image": "lab.example/physics/gromacs@sha256:4f4f"})),
            ),
        ],
        risks: vec![
            Risk::harmless("none of your files are mounted"),
            Risk::caution("runs as root inside"),
            Risk::danger("shares this machine's network"),
        ],
        privileged: false,
        isolation: wharf::core::launch::isolation::Isolation::SharedKernel,
        idempotency_key: "key".into(),
    }
}

#[test]
fn presets_are_gone_through_with_one_key() {
    let mut state = state();
    launching(&mut state);
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    let preset = |name: &str, pairs: &[(&str, &str)]| OfferedPreset {
        name: name.into(),
        answers: pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
    };
    let presets = vec![preset("alone", &[("network", "none"), ("gone", "x")]), preset("small", &[("memory", "64M")])];
    let form = Form { presets, ..page.form.clone().unwrap() };
    update(&mut state, Msg::Run(RunNews::Form(Ok(("docker".into(), form)))));
    for (wanted, said) in [
        (vec![("network", "none")], "alone"),
        (vec![("memory", "64M")], "small"),
        (vec![], "the form's own"),
        (vec![("network", "none")], "alone"),
    ] {
        let effects = press(&mut state, "p");
        let [Effect::Run(RunEffect::Plan { answers, .. })] = effects.as_slice() else { panic!("{effects:?}") };
        let asked: Vec<(&str, &str)> = answers.0.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(asked, wanted);
        assert!(state.notice.as_ref().unwrap().text.contains(said));
    }
    // What the person answered is not lost: it comes after the last preset again.
    press(&mut state, "p p j j right");
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    let own = page.answers.clone();
    assert!(!own.0.is_empty());
    press(&mut state, "p p p");
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    assert_eq!(page.answers, own);
    assert!(state.notice.as_ref().unwrap().text.contains("your own"));
}

#[test]
fn answers_that_were_changed_are_counted_and_forgotten_and_what_is_sent_is_read_in_full() {
    let mut state = state();
    launching(&mut state);
    assert!(
        press(&mut state, "J").is_empty() && state.notice.as_ref().unwrap().text.contains("plan is still being made")
    );
    press(&mut state, "j j right");
    let drawn = crate::screens::draw(&mut state, (120, 40));
    assert!(drawn.contains("1 changed") && drawn.contains("‹ none ›  private"), "{drawn}");
    let effects = press(&mut state, "r");
    assert!(
        matches!(effects.as_slice(), [Effect::Run(RunEffect::Plan { answers, .. })] if answers.0.is_empty()),
        "{effects:?}"
    );
    assert!(!crate::screens::draw(&mut state, (120, 40)).contains("1 changed"));
    press(&mut state, "r");
    assert!(state.notice.as_ref().unwrap().text.contains("already"));
    let ready = plan(&state);
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(ready)))));
    let drawn = crate::screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("tab reads it all, J what is sent"), "{drawn}");
    assert!(drawn.contains("shares this machine's network · runs as root inside"), "{drawn}");
    assert!(!drawn.contains("What happens"), "{drawn}");
    press(&mut state, "tab");
    let drawn = crate::screens::draw(&mut state, (80, 24));
    for section in ["What it may do", "What happens", "What will be sent"] {
        assert!(drawn.contains(section), "{section}: {drawn}");
    }
    press(&mut state, "tab J");
    assert!(matches!(state.popups.last(), Some(Popup::Text { text, .. }) if text.contains("/containers/create")));
}

#[test]
fn a_launch_needs_a_plan_of_the_answers_that_are_shown() {
    let mut state = state();
    launching(&mut state);
    assert_eq!(press(&mut state, "L"), [], "there is no plan yet");
    assert!(state.notice.as_ref().unwrap().text.contains("nothing was sent: the plan is still being made"));
    let ready = plan(&state);
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(ready)))));
    // Another answer makes the shown plan invalid.
    assert!(
        matches!(press(&mut state, "j j right").as_slice(), [Effect::Run(RunEffect::Plan { answers, .. })] if answers.get("network") == "none")
    );
    assert_eq!(press(&mut state, "L"), []);
    let ready = plan(&state);
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(ready)))));
    assert_eq!(press(&mut state, "p"), [], "there are no presets");
    let saved = press(&mut state, "w");
    let [Effect::Run(RunEffect::SaveScript { name, text, .. })] = saved.as_slice() else { panic!("{saved:?}") };
    assert!(name == "launch-key.sh" && text.starts_with("#!/bin/sh\n"), "{name}: {text}");
    assert!(matches!(press(&mut state, "L").as_slice(), [Effect::Run(RunEffect::Launch { .. })]));
    assert_eq!(press(&mut state, "L"), [], "pressed twice is launched once");
    assert_eq!(state.running(), 2);
}

#[test]
fn answers_that_do_not_fit_are_refused_while_typing() {
    let mut state = state();
    launching(&mut state);
    press(&mut state, "j j j enter ctrl-u l o t s enter");
    assert!(state.notice.as_ref().unwrap().text.contains("512M"));
    let Screen::Launch(page) = state.screen() else { panic!() };
    assert!(page.editing.is_some(), "what was typed is still there");
}

#[test]
fn sections_are_folded_and_unfolded_and_stay_so() {
    let mut state = state();
    launching(&mut state);
    let network = FieldKind::Choice(vec!["private".into(), "none".into()]);
    let form = || {
        Form::new(vec![
            Section::new("Basics", "", vec![Field::new("command", "Command", "", FieldKind::Words, "")]),
            Section::new("Advanced", "", vec![Field::new("network", "Network", "", network.clone(), "private")])
                .folded(),
        ])
    };
    update(&mut state, Msg::Run(RunNews::Form(Ok(("docker".into(), form())))));
    let page = |state: &State| {
        let Screen::Launch(page) = state.screen() else { panic!("not launching") };
        (page.count(), page.field().map(|field| field.key))
    };
    assert_eq!(page(&state), (4, None), "the backend, a title, a question, a folded title");
    assert_eq!(press(&mut state, "_"), [], "the backend is in no section");
    assert_eq!(page(&state).0, 4);
    press(&mut state, "G _ j");
    assert_eq!(page(&state), (5, Some("network")), "unfolded by its title");
    press(&mut state, "_");
    assert_eq!(page(&state), (4, None), "folded from one of its questions: the title is selected");
    press(&mut state, "right right");
    assert_eq!(page(&state), (5, None), "opened by the arrow, which does not close");
    press(&mut state, "left left");
    assert_eq!(page(&state), (4, None), "closed by the other");
    press(&mut state, "enter g right");
    let Screen::Launch(launch) = state.screen() else { panic!("not launching") };
    let backend = launch.backend_name();
    update(&mut state, Msg::Run(RunNews::Form(Ok((backend, form())))));
    assert_eq!(page(&state).0, 5, "another backend's section of that name stays unfolded");
}

#[test]
fn what_a_backend_cannot_do_is_not_offered_and_says_what_to_do_instead() {
    use wharf::{core::ports::Ability, tui::hints};
    let mut state = state();
    state.lacking = vec![("docker".into(), Ability::Snapshot, "nothing is kept: launch it elsewhere".into())];
    press(&mut state, "2");
    let one = wharf::core::launch::plan::Workload {
        id: "1".into(),
        backend: "docker".into(),
        name: "web".into(),
        image: String::new(),
        digest: String::new(),
        state: wharf::core::launch::plan::State::Queued { reason: "Priority".into(), starts: None },
        created: None,
        ports: Vec::new(),
        addresses: Vec::new(),
        note: String::new(),
        facts: Vec::new(),
    };
    fake::listed(&mut state, vec![one], Vec::new());
    for _ in 0..2 {
        let why = |action| hints::disabled(&state, action);
        assert_eq!(why(Action::Snapshot).as_deref(), Some("nothing is kept: launch it elsewhere"));
        assert_eq!(why(Action::Start).as_deref(), Some("it is about to start"));
        assert_eq!(why(Action::Remove), None);
        assert_eq!(why(Action::Stop), None, "what waits for its turn can be stopped");
        press(&mut state, "enter");
    }
}

#[test]
fn another_backend_asks_its_own_questions() {
    let mut state = state();
    launching(&mut state);
    assert!(
        matches!(press(&mut state, "right").as_slice(), [Effect::Run(RunEffect::Form { backend, .. })] if backend == "local")
    );
    // The form of the previous backend arrives too late.
    let effects = update(&mut state, Msg::Run(RunNews::Form(Ok(("docker".into(), Form::default())))));
    assert_eq!(effects, []);
}

#[test]
fn a_failed_launch_is_kept_on_screen_and_can_be_tried_again() {
    let mut state = state();
    launching(&mut state);
    let ready = plan(&state);
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(ready)))));
    let job = match press(&mut state, "L").as_slice() {
        [Effect::Run(RunEffect::Launch { job, .. })] => *job,
        other => panic!("{other:?}"),
    };
    let failed = Error::new(Kind::Failed, "launch on docker", "no space left").hint("remove something");
    let effects = update(&mut state, Msg::Job(JobNews::JobDone(job, Err(failed))));
    assert!(matches!(effects.as_slice(), [Effect::Run(RunEffect::Plan { .. })]), "a new try has a plan of its own");
    assert!(state.notice.as_ref().unwrap().text.contains("no space left"));
}

#[test]
fn sharing_several_marked_images_into_several_projects() {
    let mut state = state();
    press(&mut state, "_ _ s");
    assert_eq!(state.popups.len(), 2, "one dialog for each image");
    let asked = press(&mut state, "_ _ enter");
    let first = agree(&mut state, &asked);
    assert_eq!(first.iter().filter(|effect| matches!(effect, Effect::Share(ShareEffect::Share { .. }))).count(), 2);
    assert_eq!(state.running(), 2);
}

#[test]
fn a_project_that_is_not_listed_can_be_typed() {
    let mut state = state();
    press(&mut state, "j s");
    let asked = press(&mut state, "c h e m enter");
    let effects = agree(&mut state, &asked);
    assert!(
        matches!(effects.as_slice(), [Effect::Leave(_), Effect::Share(ShareEffect::Share { to: Receiver::Project(project), .. })] if project == "chem")
    );
}

#[test]
fn quitting_during_work_asks_first() {
    let mut state = state();
    let asked = press(&mut state, "j s c h e m enter");
    agree(&mut state, &asked);
    press(&mut state, "q");
    assert!(!state.quit && matches!(state.popups.last(), Some(Popup::Confirm { .. })));
    press(&mut state, "enter");
    assert!(!state.quit, "the careful answer is the default");
    let effects = press(&mut state, "q y");
    assert!(state.quit && effects.is_empty(), "at its end the loop cancels all that runs: {effects:?}");
}

#[test]
fn a_failing_source_is_one_line_and_keeps_its_old_rows() {
    let mut state = state();
    let error = Error::new(Kind::Unavailable, "list lab", "nothing listens").hint("check");
    let effects = update(&mut state, Msg::List(ListNews::Listed("lab".into(), Err(error))));
    run(&mut state, effects);
    assert_eq!(state.catalog.count(), 3);
    assert!(state.catalog.feeds[0].error.is_some());
}

#[test]
fn the_list_stays_at_its_top_until_somebody_presses_a_key() {
    let mut state = state();
    let rows = RowSet::build(vec![fake::row("a/first", &[]), fake::row("biology/samtools", &[])]);
    let effects = update(&mut state, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(rows)))));
    run(&mut state, effects);
    assert_eq!(selected(&state), "a/first");
}

#[test]
fn the_selection_stays_on_its_image_when_the_list_grows() {
    let mut state = state();
    press(&mut state, "j");
    let rows = RowSet::build(vec![
        fake::row("a/first", &[]),
        fake::row("biology/samtools", &[]),
        fake::row("physics/gromacs", &[]),
    ]);
    let effects = update(&mut state, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(rows)))));
    run(&mut state, effects);
    assert_eq!(selected(&state), "physics/gromacs");
}

#[test]
fn facets_beside_the_list_are_chosen_with_the_keys_of_a_list() {
    let mut state = state();
    let resized = update(&mut state, Msg::Resize(200, 50));
    run(&mut state, resized);
    let drawn = |state: &mut State| screens::draw(state, (200, 50));
    let first = drawn(&mut state);
    assert!(first.contains("Narrow by") && first.contains("SOURCE") && !first.contains('●'), "{first}");
    // The first line names a facet: space on it would remove its values from the filter.
    press(&mut state, "f down _");
    let word = state.catalog.input.text.clone();
    assert_eq!(word, "source:lab", "{}", drawn(&mut state));
    assert!(drawn(&mut state).contains("● lab"));
    press(&mut state, "k _");
    assert_eq!(state.catalog.input.text, "");
    press(&mut state, "G k f");
    assert!(state.popups.iter().any(|popup| matches!(popup, Popup::Pick(_))), "f again offers all of them");
    press(&mut state, "esc");
    let before = state.catalog.at.selected;
    press(&mut state, "esc down");
    assert_ne!(state.catalog.at.selected, before, "esc goes back to the list");
    press(&mut state, "f");
    update(&mut state, Msg::Resize(120, 40));
    press(&mut state, "k");
    assert_eq!(state.catalog.at.selected, before, "where the facets have no room, keys go to the list");
}

#[test]
fn the_typed_word_of_the_filter_is_completed() {
    let mut state = state();
    press(&mut state, "/ s o");
    assert!(screens::draw(&mut state, (120, 40)).contains("source:   tab takes it"));
    press(&mut state, "tab");
    assert_eq!(state.catalog.input.text, "source:");
    press(&mut state, "tab");
    assert_eq!(state.catalog.input.text, "source:lab");
    press(&mut state, "_ - k tab c");
    assert_eq!(state.catalog.input.text, "source:lab -kind:c");
    assert!(screens::draw(&mut state, (80, 24)).contains("-kind:container"));
    press(&mut state, "tab");
    assert_eq!(state.catalog.input.text, "source:lab -kind:container");
    assert!(!screens::draw(&mut state, (80, 24)).contains("tab takes it"), "it is complete");
    press(&mut state, "esc / z z tab");
    assert_eq!(state.catalog.input.text, "zz", "nothing to complete");
}

#[test]
fn facets_are_words_of_the_filter() {
    let mut state = state();
    press(&mut state, "f p h y s enter");
    assert_eq!((state.catalog.input.text.as_str(), state.catalog.count()), ("project:physics", 2));
    press(&mut state, "f p h y s enter");
    assert_eq!((state.catalog.input.text.as_str(), state.catalog.count()), ("", 3));
}

#[test]
fn a_filter_can_be_kept_and_used_again() {
    let mut state = state();
    press(&mut state, "/ l a m enter");
    assert_eq!(
        press(&mut state, "ctrl-s m d enter"),
        [Effect::List(ListEffect::SaveFilter("md".into(), "lam".into()))]
    );
    press(&mut state, "esc F enter");
    assert_eq!(selected(&state), "physics/lammps");
}

#[test]
fn lists_are_fresh_for_whoever_comes_back_and_nothing_is_asked_meanwhile() {
    let mut state = state();
    let lists =
        |effects: &[Effect]| effects.iter().filter(|one| matches!(one, Effect::List(ListEffect::List { .. }))).count();
    state.now += 299;
    assert_eq!(lists(&press(&mut state, "down")), 0);
    state.now += 3600;
    assert_eq!(lists(&update(&mut state, Msg::Resize(80, 24))), 0, "nobody is there");
    assert_eq!(lists(&press(&mut state, "down")), 1, "only what can be listed whole");
    assert_eq!(lists(&press(&mut state, "up")), 0, "once");
    assert_eq!(lists(&press(&mut state, "r")), 1, "unless that is asked for");
}

#[test]
fn a_link_can_end() {
    let mut state = state();
    let link: Link =
        format!("wharf:oci://lab.example/physics/gromacs@sha256:{}?tag=latest", "4f".repeat(32)).parse().unwrap();
    let effects = press(&mut state, "y");
    let Some(Effect::Image(ImageEffect::Link(wish))) = effects.last() else { panic!("{effects:?}") };
    assert_eq!(wish.until, None);
    update(&mut state, Msg::Image(ImageNews::Link(wish.clone(), Ok((link.clone(), String::new())))));
    press(&mut state, "u s o o n enter");
    assert!(state.notice.as_ref().unwrap().text.contains("not a time"), "{:?}", state.notice);
    let again = wharf::core::base::text::now();
    let effects = press(&mut state, "ctrl-u 2 d enter");
    let Some(Effect::Image(ImageEffect::Link(wish))) = effects.last() else { panic!("{effects:?}") };
    assert!(wish.until.unwrap() >= again + 2 * 86_400);
    update(&mut state, Msg::Image(ImageNews::Link(wish.clone(), Ok((link.clone(), String::new())))));
    assert!(
        press(&mut state, "u enter")
            .iter()
            .any(|one| matches!(one, Effect::Image(ImageEffect::Link(wish)) if wish.until.is_none()))
    );
}

#[test]
fn a_pasted_link_opens() {
    let mut state = state();
    let link = format!("wharf:oci://lab.example/physics/gromacs@sha256:{}?tag=latest", "4f".repeat(32));
    let effects = update(&mut state, Msg::Paste(link));
    let [Effect::Image(ImageEffect::OpenLink(link))] = effects.as_slice() else {
        panic!("{effects:?} {:?}", state.notice)
    };
    assert!(matches!(state.screen(), Screen::Image(_)));
    // What the link says, and what is known here of its digest, is shown before its place has answered.
    let digest = format!("sha256:{}", "4f".repeat(32));
    let shown = crate::screens::draw(&mut state, (140, 40));
    assert!(shown.contains("asking for") && shown.contains(&digest), "{shown}");
    let image = fake::image(link.reference.clone());
    let known = Box::new(fake::verified(&image, wharf::core::base::text::now()));
    let news = ImageNews::Remembered(Box::new(link.clone()), Some(Proof::Unsigned), Some(known));
    update(&mut state, Msg::Image(news));
    let shown = crate::screens::draw(&mut state, (140, 40));
    assert!(shown.contains("not proven: it is not signed") && shown.contains("as last known here"), "{shown}");
    assert_eq!(press(&mut state, "l"), [], "nothing is done with it before");
}

#[test]
fn what_a_link_past_its_date_names_is_looked_at_and_nothing_else() {
    let mut state = state();
    let digest = "4f".repeat(32);
    let past = format!("wharf:oci://lab.example/physics/gromacs@sha256:{digest}?until=1990-01-01T00:00:00Z");
    update(&mut state, Msg::Paste(past));
    let image = fake::image(format!("lab.example/physics/gromacs@sha256:{digest}").parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    for key in ["l", "C", "s", "y"] {
        let effects = press(&mut state, key);
        assert!(matches!(state.screen(), Screen::Image(_)) && effects.is_empty(), "{key}: {effects:?}");
        let told = &state.notice.as_ref().unwrap().text;
        assert!(told.contains("past its date, 1990-01-01") && told.contains("ask the sender"), "{key}: {told}");
    }
    assert!(press(&mut state, "v").iter().any(|one| matches!(one, Effect::Image(ImageEffect::Verify { .. }))));
}

#[test]
fn a_key_that_cannot_be_used_says_why() {
    let mut state = state();
    press(&mut state, "2");
    fake::listed(&mut state, Vec::new(), Vec::new());
    press(&mut state, "s");
    assert!(state.notice.as_ref().unwrap().text.contains("nothing is selected"));
}

#[test]
fn findings_are_narrowed_and_ordered_and_a_version_is_compared_with_the_shown_one() {
    let mut state = state();
    press(&mut state, "j enter");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image.clone())))));
    update(&mut state, Msg::Image(ImageNews::Tags(Ok(vec!["2023.3".into(), "latest".into()]))));
    update(
        &mut state,
        Msg::Image(ImageNews::Verified(Box::new(Ok(fake::verified(&image, wharf::core::base::text::now()))))),
    );
    let words = |state: &State| match state.screen() {
        Screen::Image(page) => (page.narrowed.clone(), page.order.label()),
        _ => panic!(),
    };
    assert_eq!(press(&mut state, "d"), [], "no version is chosen");
    let compared = press(&mut state, "tab j d");
    let other = |effect: &Effect| matches!(effect, Effect::Image(ImageEffect::Compare { after, .. }) if after.tag() == Some("2023.3"));
    assert!(compared.iter().any(other), "{compared:?}");
    press(&mut state, "tab tab tab / l o w enter o");
    assert_eq!(words(&state), ("low".to_owned(), "by package"));
    press(&mut state, "tab");
    assert_eq!(words(&state).0, "", "words for findings mean nothing for packages");
}

#[test]
fn an_image_is_asked_for_with_a_reason_and_a_queue_is_worked_off_with_one_or_two_keys() {
    let mut state = state();
    press(&mut state, "j R");
    assert!(matches!(state.popups.last(), Some(Popup::Line { .. })));
    press(&mut state, "enter");
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("a reason is needed")));
    press(&mut state, "R");
    for letter in "until:30d private the paper".chars() {
        update(&mut state, Msg::Key(KeyEvent::from(KeyCode::Char(letter))));
    }
    let asked = press(&mut state, "enter");
    let fits = |asking: &RequestDetails| asking.reason == "the paper" && asking.private && asking.until.is_some();
    assert!(
        matches!(&asked[..], [Effect::Request(RequestEffect::Request { asking, .. })] if fits(asking)),
        "{asked:?}"
    );
    // Where nothing can be admitted, the key says why.
    state.requests = false;
    press(&mut state, "R");
    assert!(state.notice.as_ref().is_some_and(|notice| notice.text.contains("[requests] admitted")));
    // One key approves; marked requests are approved together.
    let ids = |effects: &[Effect]| match effects {
        [Effect::Request(RequestEffect::Decide { requests, ruling, .. })] => {
            (requests.iter().map(|one| *one.id()).collect::<Vec<_>>(), ruling.clone())
        }
        other => panic!("{other:?}"),
    };
    let mut queue = requests("queue", "6 tab");
    let (one, ruling) = ids(&press(&mut queue, "a"));
    assert_eq!((one, ruling.approve), (vec![1], true));
    let mut queue = requests("queue", "6 tab j m");
    let (group, ruling) = ids(&press(&mut queue, "x n o enter"));
    assert_eq!((group, ruling.approve, ruling.reason.as_str()), (vec![2, 3], false, "no"));
    let mut queue = requests("queue", "6 tab A");
    press(&mut queue, "3 0 d tab _ tab");
    for letter in "checked by hand".chars() {
        update(&mut queue, Msg::Key(KeyEvent::from(KeyCode::Char(letter))));
    }
    let (_, ruling) = ids(&press(&mut queue, "enter"));
    assert_eq!((ruling.reason.as_str(), ruling.terms.only), ("checked by hand", true));
    assert!(ruling.terms.until.is_some());
    let mut queue = requests("queue", "6 tab C");
    for letter in "90d our base".chars() {
        update(&mut queue, Msg::Key(KeyEvent::from(KeyCode::Char(letter))));
    }
    let class = press(&mut queue, "enter");
    assert!(
        matches!(&class[..], [Effect::Request(RequestEffect::ApproveClass { rule, base, .. })] if rule == "scan" && base == "alpine:3.17"),
        "{class:?}"
    );
    // A person's own request is not theirs to approve, and a person who may not decide is told so.
    let mut own = requests("queue", "6 tab");
    let me = Caller { person: "ada".into(), approver: true, steward: false, own: false };
    update(&mut own, Msg::Request(RequestNews::Queue(Ok((me.clone(), Pace::default(), Vec::new())))));
    assert!(press(&mut own, "a").is_empty());
    assert!(own.notice.as_ref().is_some_and(|notice| notice.text.contains("your own")));
    update(
        &mut own,
        Msg::Request(RequestNews::Queue(Ok((Caller { approver: false, ..me }, Pace::default(), Vec::new())))),
    );
    assert!(press(&mut own, "x").is_empty());
    assert!(own.notice.as_ref().is_some_and(|notice| notice.text.contains("not an approver")));
}

#[test]
fn the_inbox_opens_what_it_is_about_and_launches_the_fixed_version_with_one_key() {
    let mut inbox = requests("inbox", "7");
    let opened = press(&mut inbox, "enter");
    assert!(
        matches!(&opened[..], [Effect::Request(RequestEffect::Seen(ids)), Effect::Request(RequestEffect::RequestTold(1))] if ids == &[1]),
        "{opened:?}"
    );
    press(&mut inbox, "j");
    let launched = press(&mut inbox, "l");
    let fixed = |target: &ImageTarget| {
        target.label().contains("gromacs:2")
            || matches!(target, ImageTarget::Reference(reference) if reference.to_string().contains("gromacs:2"))
    };
    assert!(
        matches!(&launched[..], [Effect::Image(ImageEffect::Image { target, .. })] if fixed(target)),
        "{launched:?}"
    );
    let mut inbox = requests("inbox", "7 j j");
    assert!(press(&mut inbox, "l").is_empty());
    let read = press(&mut inbox, "m");
    assert!(matches!(&read[..], [Effect::Request(RequestEffect::Seen(ids))] if ids == &[1, 2]), "{read:?}");
    // Offers are one line of it, which leads to the screen where they are answered.
    let offer = crate::fake::offer("gromacs");
    let mut inbox = requests("inbox", "7");
    update(&mut inbox, Msg::Share(ShareNews::Offers(vec![offer], Vec::new())));
    assert!(matches!(&press(&mut inbox, "g enter")[..], [Effect::Share(ShareEffect::Offers)]));
    // More of a long list is read as the selection moves on.
    let mut long = requests("empty", "6");
    let many = (0..200).map(|id| request(id, Stage::Waiting, "scan", "x")).collect();
    update(&mut long, Msg::Request(RequestNews::Requests { which: RequestFilter::Mine, skip: 0, result: Ok(many) }));
    let more = press(&mut long, "G");
    assert!(
        more.iter().any(|effect| matches!(effect, Effect::Request(RequestEffect::Requests { skip: 200, .. }))),
        "{more:?}"
    );
}

#[test]
fn the_key_that_shares_is_grey_where_nothing_can_be_shared_and_says_why() {
    let mut state = state();
    let why = |state: &State| wharf::tui::hints::disabled(state, wharf::tui::kit::action::Action::Share);
    assert_eq!(why(&state), None);
    state.model.sources[0].abilities = Abilities::default();
    assert!(why(&state).unwrap().contains("copy it to one first"));
    assert!(press(&mut state, "s").is_empty() && state.popups.is_empty());
}

#[test]
fn a_long_message_without_advice_has_no_empty_line_of_advice() {
    let mut state = state();
    state.say("a message that is longer than one line of this terminal and says nothing of what to do next, at all");
    let drawn = screens::draw(&mut state, (80, 24));
    assert!(drawn.contains("at all") && !drawn.contains('→'), "{drawn}");
}
