//! Every screen as it is drawn, at four sizes; and no panic at any size.

use std::sync::Arc;

use ratatui::{Terminal, backend::TestBackend};
use wharf::{
    core::{
        base::{
            badge::{Publisher, Verdict},
            context::Note,
            error::{Error, Kind},
        },
        catalog::rows::{Row, RowSet},
        image::model::{Health, Version},
        launch::{
            form::{Field, FieldKind, Form, Section},
            isolation::Isolation,
            plan::{State as Run, Workload},
            published::Published,
            room::{Gate, GateRequirement, Room},
            usage::Usage,
        },
        portal::doctor::{self, Finding},
        ports::{Question, QuestionKind},
        sharing::{
            offer::{Offer, Project, Share, ShareStatus, VolumeTransfer},
            receiver::Receiver,
        },
    },
    tui::{
        kit::{
            glyphs::Glyphs,
            theme::{Depth, Theme},
        },
        msg::{Effect, ImageEffect, ImageNews, JobNews, ListNews, Msg, RunNews, ShareEffect, ShareNews, SourceNews},
        state::State,
        update::update,
        view::view,
    },
};

use crate::{fake, keys};

const SIZES: [(u16, u16); 4] = [(200, 50), (120, 40), (80, 24), (44, 14)];

pub(crate) fn draw(state: &mut State, size: (u16, u16)) -> String {
    let resized = update(state, Msg::Resize(size.0, size.1));
    keys::run(state, resized);
    let printable = size.0 > 0;
    let theme = Theme::load("default", None, Depth::True);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    terminal.draw(|frame| view(state, frame, &theme)).unwrap();
    // The test's terminal cannot print lines without width.
    if printable { terminal.backend().to_string() } else { String::new() }
}

/// The states whose pictures are kept.
pub(crate) fn pictures() -> Vec<(&'static str, State)> {
    let mut all = Vec::new();
    let mut first = State::new(keys::state().model.sources, Vec::new(), wharf::tui::kit::keymap::Keymap::load(None));
    first.now = 1_764_000_000;
    first.begin();
    all.push(("first-run", first));
    let mut empty = keys::state();
    let none = update(&mut empty, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::default()))));
    keys::run(&mut empty, none);
    all.push(("empty", empty));
    let mut list = keys::state();
    let rows = RowSet::build(vec![
        Row {
            size: Some(35 << 20),
            updated: Some(1_763_000_000),
            ..fake::row("physics/gromacs", &["2023.3", "2024.1", "latest"])
        },
        Row { publisher: Publisher::Official, note: "★2 ↓9".into(), ..fake::row("library/alpine", &["3.19"]) },
        fake::row("evil/\u{1b}[31mred\u{202e}", &["x\u{200b}"]),
        fake::row("日本語/イメージ", &["v1"]),
    ]);
    let listed = update(&mut list, Msg::List(ListNews::Listed("lab".into(), Ok(Arc::new(rows)))));
    keys::run(&mut list, listed);
    let failed = Error::new(Kind::Unavailable, "search hub", "its name is not known")
        .hint("check the spelling, the network or the proxy");
    update(&mut list, Msg::List(ListNews::Listed("hub".into(), Err(failed))));
    keys::press(&mut list, "j _");
    all.push(("catalog", list));
    let mut typing = keys::state();
    keys::press(&mut typing, "/ g m x");
    all.push(("catalog-filter", typing));
    let page = || {
        let mut state = keys::state();
        keys::press(&mut state, "j enter");
        update(
            &mut state,
            Msg::Image(ImageNews::Image(Box::new(Ok(fake::image(
                "lab.example/physics/gromacs:latest".parse().unwrap(),
            ))))),
        );
        update(&mut state, Msg::Image(ImageNews::Tags(Ok(vec!["2023.3".into(), "2024.1".into(), "latest".into()]))));
        state
    };
    for (name, tabs) in [
        ("image-overview", ""),
        ("image-versions", "tab"),
        ("image-layers", "tab tab"),
        ("image-trust", "tab tab tab"),
        ("image-scan", "tab tab tab tab"),
        ("image-trust-verified", "tab tab tab"),
        ("image-scan-findings", "tab tab tab tab"),
        ("image-software-findings", "tab tab tab tab tab"),
    ] {
        let mut state = page();
        if name.ends_with("verified") || name.ends_with("findings") {
            let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
            update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(fake::verified(&image, 1_764_000_000))))));
        }
        if !tabs.is_empty() {
            keys::press(&mut state, tabs);
        }
        let digest = fake::image("x/y".parse().unwrap()).pinned.unwrap().digest;
        update(
            &mut state,
            Msg::Image(ImageNews::Version(
                Version {
                    tag: "latest".into(),
                    digest: Some(digest),
                    created: Some(1_700_000_000),
                    size: Some(35 << 20),
                    platforms: Vec::new(),
                    kind: wharf::core::image::model::ImageKind::Container,
                    artifact: None,
                },
                None,
            )),
        );
        all.push((name, state));
    }
    for (name, keys) in [
        ("requests-empty", "6"),
        ("requests-mine", "6"),
        ("requests-queue", "6 tab m"),
        ("requests-lately", "6 tab"),
        ("requests-told", "6 enter"),
        ("inbox", "7 j"),
        ("inbox-empty", "7"),
        ("request-reason", "j R"),
    ] {
        all.push((name, keys::requests(name, keys)));
    }
    let mut missing = keys::state();
    keys::press(&mut missing, "j enter");
    update(
        &mut missing,
        Msg::Image(ImageNews::Image(Box::new(Err(Error::not_found(
            "show lab.example/physics/gromacs:latest",
            "it is not there, or hidden from you",
        )
        .hint("check the name and the tag, or sign in"))))),
    );
    all.push(("image-missing", missing));
    let mut launch = page();
    keys::press(&mut launch, "l");
    let text = |key, label, kind, default| Field::new(key, label, "what the workload is called", kind, default);
    let network = FieldKind::Choice(vec!["private".into(), "none".into()]);
    let network = Field::new("network", "Network", "none cannot talk to anyone", network, "private");
    let sections = vec![
        Section::new("Basics", "what it is called and what it runs", vec![text("name", "Name", FieldKind::Text, "")]),
        Section::new("Network", "whom it can reach", vec![network]),
        Section::new("Resources", "how much it may use", vec![text("memory", "Memory", FieldKind::Bytes, "2G")]),
        Section::new("Advanced", "", vec![text("user", "User", FieldKind::Text, "")]).folded(),
    ];
    let gate = Gate {
        verdict: Verdict::Allow,
        isolation: Isolation::SharedKernel,
        passage: GateRequirement::Open,
        grounds: "verified".into(),
    };
    let room = vec![
        Room::bytes("memory", Some(57 << 30), Some(128 << 30)),
        Room::count("servers", Some(10), Some(10)),
        Room::described("partition gpu", "2 of 4 nodes idle"),
    ];
    let form = Form { room, gate: Some(gate), ..Form::new(sections) };
    update(&mut launch, Msg::Run(RunNews::Form(Ok(("docker".into(), form)))));
    let plan = keys::plan(&launch);
    update(&mut launch, Msg::Run(RunNews::Plan(Box::new(Ok(plan)))));
    keys::press(&mut launch, "j j j j");
    all.push(("launch", launch));
    let workload = |name: &str, state: Run| Workload {
        id: format!("{name}id"),
        backend: "docker".into(),
        name: name.into(),
        image: format!("oci://lab.example/physics/gromacs:latest@sha256:{}", "4f".repeat(32)),
        digest: String::new(),
        state,
        created: Some(1_763_999_000),
        ports: vec![Published { address: "127.0.0.1".into(), port: 8080, inside: 80, protocol: "tcp".into() }],
        addresses: Vec::new(),
        note: "Up 2 minutes".into(),
        facts: vec![("partition".into(), "gpu\u{1b}[31m".into()), ("node".into(), "n12".into())],
    };
    let mut runs = keys::state();
    keys::press(&mut runs, "2");
    let broken = Error::new(Kind::Unavailable, "list workloads of podman", "nothing answers at /run/podman.sock")
        .hint("start podman");
    fake::listed(
        &mut runs,
        vec![
            workload("brave", Run::Running),
            workload("quiet", Run::Running),
            Workload {
                backend: "site".into(),
                ports: Vec::new(),
                addresses: vec!["10.0.0.7".into()],
                ..workload("node", Run::Running)
            },
            workload("tired", Run::Exited(0)),
            workload("broken", Run::Exited(3)),
        ],
        vec![("podman".into(), broken)],
    );
    let usage = |cpu: f64, memory: u64| Usage { cpu_percent: Some(cpu), memory: Some(memory), ..Usage::default() };
    let full = Usage { memory_limit: Some(2 << 30), ..usage(187.25, 2 << 30) };
    update(&mut runs, Msg::Run(RunNews::Usage(("docker".into(), "braveid".into()), Ok(Some(full)))));
    update(&mut runs, Msg::Run(RunNews::Usage(("site".into(), "nodeid".into()), Ok(None))));
    update(&mut runs, Msg::Run(RunNews::Usage(("docker".into(), "quietid".into()), Ok(Some(usage(0.0, 456 << 10))))));
    let brave = ("docker".to_owned(), "braveid".to_owned());
    let verified = fake::verified(&fake::image("lab.example/physics/gromacs:latest".parse().unwrap()), 1_764_000_000);
    let verdict = Box::new((verified.marks(1_764_000_000), verified.brief(1_764_000_000)));
    update(&mut runs, Msg::Run(RunNews::Described(brave.clone(), Some(verdict))));
    update(&mut runs, Msg::Run(RunNews::Tail(brave, "step 1\nERROR no space\n\u{1b}[31mstep 2\u{1b}[0m\n".into())));
    all.push(("workloads", runs));
    let mut nothing = keys::state();
    keys::press(&mut nothing, "2");
    fake::listed(&mut nothing, Vec::new(), Vec::new());
    all.push(("workloads-none", nothing));
    let mut one = keys::state();
    keys::press(&mut one, "2");
    fake::listed(&mut one, vec![workload("brave", Run::Running)], Vec::new());
    keys::press(&mut one, "enter");
    update(&mut one, Msg::Run(RunNews::Log("first line\n\u{1b}[31mred\u{1b}[0m line\nunfinished".into())));
    for cpu_percent in [1.0, 50.0, 99.5] {
        update(
            &mut one,
            Msg::Run(RunNews::Usage(
                ("docker".into(), "braveid".into()),
                Ok(Some(Usage {
                    cpu_percent: Some(cpu_percent),
                    memory: Some(1 << 30),
                    memory_limit: Some(2 << 30),
                    processes: Some(3),
                    ..Usage::default()
                })),
            )),
        );
    }
    all.push(("workload", one));
    let mut searching = keys::state();
    keys::press(&mut searching, "2");
    fake::listed(&mut searching, vec![workload("brave", Run::Running)], Vec::new());
    keys::press(&mut searching, "enter");
    for step in 0..200 {
        let more = if step % 7 == 0 { " Error: could not write checkpoint" } else { "" };
        update(&mut searching, Msg::Run(RunNews::Log(format!("step {step}, time {}.0 ps{more}\n", step * 2).into())));
    }
    keys::press(&mut searching, "/ e r r o r enter N");
    all.push(("workload-search", searching));
    let mut removing = keys::state();
    let asked = keys::press(&mut removing, "j D");
    let Some(Effect::Image(ImageEffect::Removals(targets))) = asked.last() else { panic!("{asked:?}") };
    update(&mut removing, Msg::Image(ImageNews::Removals(targets.clone(), removals())));
    all.push(("removing", removing));
    let mut jobs = keys::state();
    let asked = keys::press(&mut jobs, "j s c h e m enter");
    keys::agree(&mut jobs, &asked);
    let id = jobs.jobs.all().unwrap()[0].id;
    update(
        &mut jobs,
        Msg::Job(JobNews::JobNote(
            id,
            Note {
                phase: "copying layers".into(),
                done: 300 << 20,
                total: Some(1 << 30),
                spared: 0,
                ..Note::default()
            },
        )),
    );
    keys::press(&mut jobs, "3");
    all.push(("transfers", jobs));
    let mut sources = keys::state();
    keys::press(&mut sources, "4");
    let answered = Health {
        reachable: true,
        account: "ada".into(),
        credentials: "wharf login".into(),
        note: "96 of 100 pulls left".into(),
    };
    for took in [40, 41, 38, 44, 120, 43] {
        let answer = crate::source_answers::answer("lab", "oci", took, Ok(answered.clone()));
        update(&mut sources, Msg::Health(answer));
    }
    let gone = Error::new(Kind::Unavailable, "ask hub", "its name is not known")
        .hint("check the spelling, the network or the proxy");
    for hub in [Ok(Health::default()), Err(gone)] {
        update(&mut sources, Msg::Health(crate::source_answers::answer("hub", "hub", 1_204, hub)));
    }
    let key = Finding::new(
        "steward's key",
        doctor::State::Bad,
        "/etc/wharf/steward.key: there is no such file",
        "make it: wharf key new /etc/wharf/steward.key",
    );
    let old = Finding::new("scanner", doctor::State::Caution, "trivy 0.70, its data is of 9 days ago", "fetch it");
    update(&mut sources, Msg::Checks(vec![Finding::works("secret store", "kernel keyring"), old, key]));
    all.push(("sources", sources));
    let mut adding = crate::own_sources::asked();
    let trial = crate::own_sources::trial();
    update(&mut adding, Msg::Source(SourceNews::Tried("r.example".into(), Box::new(Ok(trial)))));
    all.push(("adding", adding));
    let mut welcome = keys::state();
    update(&mut welcome, Msg::Key(crossterm::event::KeyCode::F(1).into()));
    all.push(("welcome", welcome));
    for (name, keys) in
        [("help", "?"), ("palette", ": l a u"), ("facets", "f"), ("share", "j s"), ("copy", "j C"), ("sign-in", "i")]
    {
        let mut state = keys::state();
        keys::press(&mut state, keys);
        all.push((name, state));
    }
    let mut cloud = keys::state();
    let mut site = cloud.sources[0].clone();
    (site.name, site.adapter, site.cheap) = ("site".into(), "openstack".into(), false);
    site.abilities = Default::default();
    cloud.sources.push(site);
    let reference: wharf::core::image::reference::ImageRef =
        "glance://site/4927d4b2-2172-447d-aeb3-8a95a05361ec".parse().unwrap();
    keys::press(&mut cloud, "j enter");
    let mut disk = fake::image(reference.clone());
    disk.kind = wharf::core::image::model::ImageKind::Vm;
    disk.platforms.truncate(1);
    (disk.layers, disk.history, disk.config) = Default::default();
    disk.media_type = "qcow2".into();
    disk.annotations = [("name", "ubuntu-22.04"), ("visibility", "shared"), ("needs a disk of", "1 GiB")]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into();
    disk.disk = Some(wharf::core::image::model::DiskFacts {
        format: "qcow2".into(),
        virtual_size: Some(64 << 20),
        warnings: vec!["it is queued, not active: it cannot be launched".into()],
        refers: false,
        ..wharf::core::image::model::DiskFacts::default()
    });
    update(&mut cloud, Msg::Image(ImageNews::Image(Box::new(Ok(disk)))));
    let project = |name: &str, id: char| Project { name: name.into(), id: id.to_string().repeat(32) };
    let share = |project: Project, standing: ShareStatus| Share {
        id: format!("site/x/{}", project.id),
        reference: reference.clone(),
        project,
        standing,
        created: Some(1_763_999_000),
    };
    let shares =
        vec![share(project("biology", 'b'), ShareStatus::Accepted), share(project("", 'c'), ShareStatus::Pending)];
    update(&mut cloud, Msg::Share(ShareNews::Shares(Ok(shares))));
    all.push(("cloud-image", cloud));
    let mut shared = keys::state();
    std::mem::swap(&mut shared, &mut all.last_mut().unwrap().1);
    keys::press(&mut shared, "tab");
    let copy = draw(&mut shared, (80, 24));
    assert!(copy.contains("biology") && copy.contains("accepted"), "{copy}");
    keys::press(&mut shared, "x");
    assert!(draw(&mut shared, (80, 24)).contains("Take it back from biology?"));
    keys::press(&mut shared, "enter");
    all.last_mut().unwrap().1 = shared;
    let mut plan = keys::state();
    plan.sources[0].grants = true;
    keys::press(&mut plan, "j s");
    let known = ["biology", "chemistry"].map(|name| project(name, name.chars().next().unwrap()));
    update(&mut plan, Msg::Share(ShareNews::Projects("lab".into(), Ok(known.to_vec()))));
    all.push(("share-cloud", plan));
    let mut plan = keys::state();
    plan.sources[0].grants = true;
    keys::press(&mut plan, "j s");
    update(&mut plan, Msg::Share(ShareNews::Projects("lab".into(), Ok(known.to_vec()))));
    let asked = keys::press(&mut plan, "_ _ n o b o d y enter");
    let Some(Effect::Share(ShareEffect::SharePlans(target, _, to, _))) = asked.last() else { panic!("{asked:?}") };
    let unseen = Error::new(Kind::NotFound, "plan a share", "you may not see a project called 'nobody' on lab")
        .hint("ask the other project for its id and give that");
    let [biology, chemistry, nobody] = to.as_slice() else { panic!("{to:?}") };
    assert_eq!(*nobody, Receiver::Project("nobody".into()));
    let mut other = fake::share_plan();
    other.steps[1] = "POST /v2/images/4f0e/members: c20".into();
    let plans =
        vec![(biology.clone(), Ok(fake::share_plan())), (chemistry.clone(), Ok(other)), (nobody.clone(), Err(unseen))];
    update(&mut plan, Msg::Share(ShareNews::SharePlans(target.clone(), plans)));
    // On a wide screen the link stands beside it.
    let asked = update(&mut plan, Msg::Resize(120, 40));
    let [Effect::Image(ImageEffect::Link(wish))] = asked.as_slice() else { panic!("{asked:?}") };
    let link = crate::sharing::link();
    let code = link.code(false).unwrap();
    update(&mut plan, Msg::Image(ImageNews::Link(wish.clone(), Ok((link, code)))));
    all.push(("share-plan", plan));
    let mut gift = keys::state();
    let key = wharf::core::base::secret::Secret::new("46ca709f313b07a8");
    let (id, transfer) = ("site/transfer/x".to_owned(), "9a1e7a3c-0f4e-4d6b-9a39-6f0a3d1c7b55".to_owned());
    update(&mut gift, Msg::Share(ShareNews::Given(VolumeTransfer { id, transfer, title: "data".into(), key })));
    all.push(("gift", gift));
    let mut offers = keys::state();
    keys::press(&mut offers, "5");
    let offer = |title: &str, from: Project| Offer {
        id: "site/x".into(),
        source: "site".into(),
        title: title.into(),
        reference: reference.clone(),
        from,
        since: Some(1_763_999_000),
        note: "qcow2 2.31 MiB".into(),
        ignored: "it stays usable by its id, and is in no list".into(),
        outgoing: false,
    };
    let waiting = vec![offer("snap-1", project("biology", 'b')), offer("debian-13", project("", 'c'))];
    let broken =
        Error::new(Kind::NotAllowed, "list offers of other", "the cloud does not take this account and secret")
            .hint("check clouds.yaml");
    update(&mut offers, Msg::Share(ShareNews::Offers(waiting, vec![("other".into(), broken)])));
    all.push(("offers", offers));
    let mut none = keys::state();
    keys::press(&mut none, "5");
    update(&mut none, Msg::Share(ShareNews::Offers(Vec::new(), Vec::new())));
    all.push(("offers-none", none));
    let mut platforms = page();
    keys::press(&mut platforms, "p");
    all.push(("platforms", platforms));
    let mut password = keys::state();
    let question = Question { words: "password of ada at lab.example".into(), kind: QuestionKind::Secret };
    update(&mut password, Msg::Job(JobNews::Question(1, question)));
    keys::press(&mut password, "h u n t e r 2");
    all.push(("password", password));
    all
}

#[test]
fn every_screen_is_drawn_as_it_was() {
    for (name, mut state) in pictures() {
        for size in SIZES {
            insta::assert_snapshot!(format!("{name}-{}x{}", size.0, size.1), draw(&mut state, size));
        }
    }
}

/// The drawn screen in ASCII, as lines.
fn in_ascii(state: &mut State, size: (u16, u16)) -> String {
    update(state, Msg::Resize(size.0, size.1));
    let theme = Theme::load("default", None, Depth::None);
    let mut terminal = Terminal::new(TestBackend::new(size.0, size.1)).unwrap();
    let draw = |frame: &mut ratatui::Frame<'_>| {
        view(state, frame, &theme);
        Glyphs::Ascii.apply(frame.buffer_mut());
    };
    terminal.draw(draw).unwrap();
    terminal.backend().to_string()
}

#[test]
fn in_ascii_only_names_from_elsewhere_have_other_characters() {
    for (name, mut state) in pictures() {
        for size in SIZES {
            let drawn = in_ascii(&mut state, size);
            let foreign: String = drawn.chars().filter(|c| !c.is_ascii() && !"日本語イメージ".contains(*c)).collect();
            assert_eq!(foreign, "", "{name} at {size:?}:\n{drawn}");
        }
    }
}

#[test]
fn no_screen_panics_at_any_size() {
    for (name, mut state) in pictures() {
        for columns in 0..=30 {
            for rows in 0..=10 {
                draw(&mut state, (columns, rows));
            }
        }
        for (columns, rows) in [(1, 200), (300, 1), (300, 100), (80, 5), (20, 4)] {
            draw(&mut state, (columns, rows));
        }
        assert!(!name.is_empty());
    }
}

#[test]
fn hostile_names_reach_no_screen_as_they_came() {
    for (_, mut state) in pictures() {
        let drawn = draw(&mut state, (120, 40));
        assert!(!drawn.chars().any(|c| c.is_control() && c != '\n'
            || ('\u{200b}'..='\u{200f}').contains(&c)
            || ('\u{202a}'..='\u{202e}').contains(&c)));
    }
}

/// What removing an image with many consequences says, and one that may not be removed.
fn removals() -> Vec<wharf::core::base::error::Result<wharf::core::ports::upkeep::Removal>> {
    let digest = wharf::core::base::digest::Digest::of(b"gromacs");
    let reference: wharf::core::image::reference::ImageRef = "lab.example/physics/gromacs:2024.1".parse().unwrap();
    let goes = wharf::core::ports::upkeep::Removal {
        title: "the image, with its last tag 2024.1".into(),
        removes: vec![reference.with_digest(&digest)],
        digest: Some(digest),
        along: vec![
            "attached to it: 2 signatures, 1 software list".into(),
            "its admission: the site let everybody launch it by this name".into(),
        ],
        stays: vec!["the images of its platforms, without a tag, until the registry clears up".into()],
        reference,
    };
    let refused = Error::failed("remove glance://lab/debian-12", "it is protected against that")
        .hint("if you are sure: openstack image set --unprotected debian-12");
    vec![Ok(goes), Err(refused)]
}
