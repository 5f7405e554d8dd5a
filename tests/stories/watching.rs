//! Watching workloads: what they use, and their output.

use wharf::{
    core::{
        base::error::{Error, Kind},
        launch::{
            plan::{State as Run, Workload},
            usage::{Traffic, Usage},
        },
    },
    tui::{
        kept::output::Switches,
        kit::plot::chart::Charts,
        msg::{Effect, JobNews, Msg, RequestNews, RunEffect, RunNews, Slot},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
    screens::draw,
};

fn stopped(name: &str) -> Workload {
    Workload { state: Run::Exited(0), ..fake::workload("docker", name) }
}

/// The workloads that are to be measured from now on, if that changes.
fn measured(effects: &[Effect]) -> Option<Vec<&str>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Run(RunEffect::Usage(of)) => Some(of.iter().map(|(_, id)| id.as_str()).collect()),
        Effect::Leave(slots) if slots.contains(&Slot::Usage) => Some(Vec::new()),
        _ => None,
    })
}

#[test]
fn only_what_runs_and_is_looked_at_is_measured() {
    let mut state = state();
    press(&mut state, "2");
    let all = || vec![fake::workload("docker", "busy"), stopped("done"), fake::workload("docker", "idle")];
    let effects = fake::listed(&mut state, all(), Vec::new());
    assert_eq!(measured(&effects), Some(vec!["busy-id", "idle-id"]));
    let effects = fake::listed(&mut state, all(), Vec::new());
    assert_eq!(measured(&effects), None, "it goes on by itself");
    assert_eq!(measured(&press(&mut state, "enter")), Some(vec!["busy-id"]), "its page");
    assert_eq!(measured(&press(&mut state, "esc")), Some(vec!["busy-id", "idle-id"]), "the list again");
    assert_eq!(measured(&press(&mut state, "3")), Some(Vec::new()), "nobody looks");
    assert_eq!(measured(&press(&mut state, "esc")), Some(vec!["busy-id", "idle-id"]));
    let effects = fake::listed(&mut state, vec![stopped("busy"), stopped("done")], Vec::new());
    assert_eq!(measured(&effects), Some(Vec::new()), "nothing runs any more");
}

#[test]
fn of_a_long_list_what_is_on_the_screen_is_measured() {
    let mut state = state();
    press(&mut state, "2");
    let all: Vec<Workload> = (0..500).map(|number| fake::workload("docker", &format!("w{number:03}"))).collect();
    let effects = fake::listed(&mut state, all, Vec::new());
    assert!(measured(&effects).is_some_and(|of| of.len() < 24 && of[0] == "w000-id"));
    let effects = press(&mut state, "G");
    assert!(measured(&effects).is_some_and(|of| of.len() < 24 && of.last() == Some(&"w499-id")));
}

#[test]
fn what_a_backend_does_not_tell_is_said_and_never_a_figure() {
    let mut state = state();
    press(&mut state, "2");
    let (node, lost) = (fake::workload("site", "node"), fake::workload("docker", "lost"));
    fake::listed(&mut state, vec![node.clone(), lost.clone(), stopped("done")], Vec::new());
    update(&mut state, Msg::Run(RunNews::Usage(node.key(), Ok(None))));
    let error = Error::new(Kind::Unavailable, "measure lost", "no answer within 4 s");
    update(&mut state, Msg::Run(RunNews::Usage(lost.key(), Err(error.clone()))));
    let drawn = draw(&mut state, (80, 24));
    for name in ["node", "lost"] {
        let line = drawn.lines().find(|line| line.contains(name)).unwrap();
        assert!(line.contains(" - ") && !line.contains('0') && !line.contains('%'), "{line}");
    }
    let done = drawn.lines().find(|line| line.contains("done") && line.contains('✓')).unwrap();
    assert!(!done.contains(" - "), "what stands still uses nothing: {done}");
    press(&mut state, "enter");
    update(&mut state, Msg::Run(RunNews::Usage(node.key(), Ok(None))));
    assert!(draw(&mut state, (80, 24)).contains("site does not tell what it uses"));
    update(&mut state, Msg::Run(RunNews::Usage(node.key(), Err(error))));
    assert!(draw(&mut state, (80, 24)).contains("not known: no answer within 4 s"));
    let given = Usage { processors: Some(2), memory_limit: Some(4 << 30), ..Usage::default() };
    update(&mut state, Msg::Run(RunNews::Usage(node.key(), Ok(Some(given)))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("- of 2 cpus") && drawn.contains("memory - of 4.00 GiB"), "{drawn}");
    // A late measurement of another workload is not shown for this one.
    update(
        &mut state,
        Msg::Run(RunNews::Usage(lost.key(), Ok(Some(Usage { memory: Some(1 << 40), ..Usage::default() })))),
    );
    assert!(!draw(&mut state, (80, 24)).contains("TiB"));
}

/// The page of a workload that has printed a hundred lines.
fn printing() -> State {
    let mut state = state();
    press(&mut state, "2");
    fake::listed(&mut state, vec![fake::workload("docker", "md")], Vec::new());
    press(&mut state, "enter");
    for step in 0..100 {
        let end = if step % 10 == 0 { " ERROR \u{1b}[31mdisk full\u{1b}[0m" } else { "" };
        update(&mut state, Msg::Run(RunNews::Log(format!("step {step:03}{end}\n").into())));
    }
    state
}

#[test]
fn the_output_is_searched_while_one_types_and_more_comes() {
    let mut state = printing();
    press(&mut state, "/ d i s k");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("/disk") && drawn.contains("10 of 10 lines") && drawn.contains("▸ step 090"), "{drawn}");
    press(&mut state, "enter N");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("9 of 10 lines") && drawn.contains("▸ step 080"), "{drawn}");
    press(&mut state, "n n");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("1 of 10 lines") && drawn.contains("▸ step 000"), "from the last to the first: {drawn}");
    update(&mut state, Msg::Run(RunNews::Log("once more the disk\n".into())));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("1 of 11 lines") && drawn.contains("▸ step 000"), "one stays: {drawn}");
    press(&mut state, "esc");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("output: 101 lines") && !drawn.contains('▸'), "esc ends the search first: {drawn}");
    press(&mut state, "esc");
    assert!(matches!(state.screen(), Screen::Workloads(_)));
}

#[test]
fn keys_that_mean_something_elsewhere_are_text_in_a_search() {
    let mut state = printing();
    press(&mut state, "/ x q s 2");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("/xqs2") && drawn.contains("no line has it"), "{drawn}");
    update(&mut state, Msg::Paste("  ste\u{1b}p 09 \n".into()));
    press(&mut state, "esc");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("step 099") && drawn.contains("output: 100 lines"), "as it was before: {drawn}");
    press(&mut state, "n");
    assert!(state.notice.as_ref().unwrap().text.contains("/ begins a search"));
}

#[test]
fn times_are_asked_for_and_where_there_are_none_that_is_said_and_the_output_stays() {
    let mut state = printing();
    state.now = 1_764_000_000;
    let asks = |effects: &[Effect]| {
        effects.iter().find_map(|effect| match effect {
            Effect::Run(RunEffect::Logs { times, .. }) => Some(*times),
            _ => None,
        })
    };
    assert_eq!(asks(&press(&mut state, "t")), Some(true));
    update(&mut state, Msg::Run(RunNews::Log("2025-11-24T16:00:00.123Z begun\n".into())));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("16:00:00 begun") && drawn.contains("times are UTC"), "{drawn}");
    assert_eq!(asks(&press(&mut state, "t")), Some(false));
    press(&mut state, "t");
    let none = Error::unsupported("read the logs of md", "local workloads keep their output without times");
    assert_eq!(asks(&update(&mut state, Msg::Run(RunNews::LogEnd(Err(none))))), Some(false));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("without times") && !drawn.contains("times are UTC"), "{drawn}");
}

/// How output is read from now on, if that is to be kept.
fn kept(effects: &[Effect]) -> Option<Switches> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::KeepSwitches(switches) => Some(*switches),
        _ => None,
    })
}

#[test]
fn how_output_is_read_is_switched_shown_and_kept_for_the_next_page() {
    let mut state = printing();
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("f follow on   w wrap off   t times off   v level all   / search"), "{drawn}");
    assert!(drawn.contains("output: 100 lines · 10 errors"), "{drawn}");
    assert!(kept(&press(&mut state, "w")).unwrap().wrap);
    press(&mut state, "v v v v");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("wrap on") && drawn.contains("level error") && !drawn.contains("step 001"), "{drawn}");
    press(&mut state, "esc enter");
    let Screen::Workload(page) = state.screen() else { panic!() };
    assert!(page.output.wrap, "the next page has it, too");
    assert_eq!(page.output.least(), None, "what hides lines is of one workload");
    press(&mut state, "v v v v v");
    let Screen::Workload(page) = state.screen() else { panic!() };
    assert_eq!(page.output.least(), None, "after the highest level come all lines");
}

#[test]
fn only_lines_that_match_are_shown_and_what_is_shown_is_saved() {
    let mut state = printing();
    press(&mut state, "&");
    assert!(state.notice.as_ref().unwrap().text.contains("/ begins a search"));
    press(&mut state, "/ d i s k enter &");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("only matches on") && drawn.contains("step 000") && !drawn.contains("step 001"), "{drawn}");
    state.now = 1_764_000_000;
    let effects = press(&mut state, "o");
    let [Effect::Run(RunEffect::SaveOutput { name, lines, text, .. })] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert_eq!((name.as_str(), *lines, text.lines().count()), ("md-2025-11-24T160000Z.log", 10, 10));
    assert!(!text.contains('\u{1b}'));
    press(&mut state, "esc");
    assert!(draw(&mut state, (80, 24)).contains("step 099"), "esc shows all lines again");
}

#[test]
fn scrolling_up_stays_there_and_says_how_much_is_below() {
    let mut state = printing();
    press(&mut state, "k k");
    update(&mut state, Msg::Run(RunNews::Log("one\ntwo\n".into())));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("4 lines below: G follows again") && drawn.contains("follow off"), "{drawn}");
    press(&mut state, "f");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("two") && drawn.contains("follow on") && !drawn.contains("lines below"), "{drawn}");
    press(&mut state, "E");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("▸ step 090 ERROR"), "the newest error: {drawn}");
    press(&mut state, "E");
    assert!(draw(&mut state, (80, 24)).contains("▸ step 000 ERROR"), "after the last one the first");
}

#[test]
fn charts_go_to_their_limits_and_a_steady_growth_is_foretold() {
    let mut state = printing();
    update(&mut state, Msg::Resize(120, 40));
    let id = fake::workload("docker", "md").key();
    for step in 0..60u64 {
        state.clock = step * 2_000;
        let usage = Usage {
            cpu_percent: Some(800.0),
            processors: Some(16),
            memory: Some((1 << 30) + (step << 20)),
            memory_limit: Some(4 << 30),
            network: Some(Traffic { received: (step * 24) << 10, sent: (step * 6) << 10 }),
            ..Usage::default()
        };
        update(&mut state, Msg::Run(RunNews::Usage(id.clone(), Ok(Some(usage)))));
    }
    let drawn = draw(&mut state, (120, 40));
    for words in
        ["800 % of 1600 %", " 1600┤", "1.06 of 4 GiB", " 4G┤", "full in 1 h", "in 12.0 KiB/s", "out 3.00 KiB/s"]
    {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    let filled = |line: &&str| line.contains('⣿');
    assert_eq!(drawn.lines().filter(filled).count(), 2, "half of its limit is half as high: {drawn}");
    state.charts = Charts::Off;
    assert!(draw(&mut state, (120, 40)).contains("memory 1.06 of 4 GiB"), "without charts the numbers stay");
    let narrow = draw(&mut state, (80, 24));
    assert!(narrow.contains("cpu 800.0% of 16 cpus"), "{narrow}");
}

/// The workload that is to be described beside the list from now on, if that changes.
fn described(effects: &[Effect]) -> Option<&str> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Run(RunEffect::Describe(workload)) => Some(workload.id.1.as_str()),
        Effect::Leave(slots) if slots.contains(&Slot::Describe) => Some(""),
        _ => None,
    })
}

#[test]
fn the_output_beside_the_list_is_followed_again_after_a_restart() {
    let mut state = state();
    press(&mut state, "2");
    let all = || vec![fake::workload("docker", "md")];
    fake::listed(&mut state, all(), Vec::new());
    let md = fake::workload("docker", "md").key();
    update(&mut state, Msg::Run(RunNews::Described(md.clone(), None)));
    // Output that ends at once cannot be followed there: it is not read again and again.
    update(&mut state, Msg::Run(RunNews::TailEnd(md.clone(), Ok(()))));
    assert_eq!(described(&fake::listed(&mut state, all(), Vec::new())), None);
    update(&mut state, Msg::Run(RunNews::Described(md.clone(), None)));
    state.model.clock += 10_000;
    update(&mut state, Msg::Run(RunNews::TailEnd(md.clone(), Ok(()))));
    assert_eq!(described(&fake::listed(&mut state, all(), Vec::new())), Some("md-id"), "it was started again");
    assert_eq!(described(&fake::listed(&mut state, all(), Vec::new())), None, "once");
    // A restart of the person's own is known from its job.
    let asked = press(&mut state, "R");
    let job = asked.iter().find_map(|effect| match effect {
        Effect::Run(RunEffect::Start { job, .. }) => Some(*job),
        _ => None,
    });
    let done = Msg::Job(JobNews::JobDone(job.unwrap(), Ok(("started".into(), None))));
    assert_eq!(described(&update(&mut state, done)), Some("md-id"));
}

#[test]
fn the_selected_workload_is_described_beside_the_list_while_somebody_looks() {
    let mut state = state();
    press(&mut state, "2");
    let all = || vec![fake::workload("docker", "md"), fake::workload("docker", "web")];
    assert_eq!(described(&fake::listed(&mut state, all(), Vec::new())), Some("md-id"));
    assert_eq!(described(&fake::listed(&mut state, all(), Vec::new())), None, "it goes on by itself");
    assert_eq!(described(&press(&mut state, "j")), Some("web-id"));
    assert_eq!(described(&update(&mut state, Msg::Focus(false))), Some(""), "nobody looks");
    assert_eq!(described(&update(&mut state, Msg::Focus(true))), Some("web-id"));
    assert_eq!(described(&press(&mut state, "3")), Some(""), "another screen");
    assert_eq!(described(&press(&mut state, "esc")), Some("web-id"));
    assert_eq!(described(&press(&mut state, "\\")), Some(""), "the pane is hidden");
    assert_eq!(described(&press(&mut state, "\\")), Some("web-id"));
    let web = fake::workload("docker", "web").key();
    update(&mut state, Msg::Run(RunNews::Described(web.clone(), None)));
    update(&mut state, Msg::Run(RunNews::Tail(web.clone(), "listening\nGET /index".into())));
    for size in [(120, 40), (80, 24)] {
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("listening") && !drawn.contains("GET /index"), "whole lines are shown: {drawn}");
    }
    assert!(draw(&mut state, (120, 40)).contains("nothing is known of its image"));
    update(&mut state, Msg::Run(RunNews::TailEnd(web, Ok(()))));
    assert!(draw(&mut state, (80, 24)).contains("GET /index"), "the last line has no end");
    press(&mut state, "k");
    assert!(!draw(&mut state, (80, 24)).contains("listening"), "it is of another workload");
}

#[test]
fn what_needs_the_person_is_listed_below_with_the_key_that_helps() {
    use wharf::core::request::notice::Warning;
    let mut state = state();
    state.now = 1_764_000_000;
    press(&mut state, "2");
    let made = |name: &str, run: Run, days: i64| Workload {
        state: run,
        created: Some(1_764_000_000 - days * 86_400),
        ..fake::workload("docker", name)
    };
    let all = vec![
        made("web", Run::Running, 1),
        made("fine", Run::Running, 1),
        made("still", Run::Paused, 5),
        made("big", Run::OutOfMemory, 3),
        made("odd", Run::Exited(3), 2),
        made("stopped", Run::Exited(137), 2),
        made("forgotten", Run::Exited(3), 30),
    ];
    fake::listed(&mut state, all, Vec::new());
    let warning = Warning {
        findings: vec![("CVE-2025-2201".into(), "nginx".into(), "1.27.3".into())],
        workloads: vec!["docker/web".into()],
        ..Warning::default()
    };
    update(&mut state, Msg::Request(RequestNews::Warnings(vec![warning])));
    let drawn = draw(&mut state, (120, 40));
    let below = drawn.split_once("Look at these").unwrap().1;
    for (name, words, key) in [
        ("web", "CVE-2025-2201 in nginx", "7 reads the warning"),
        ("still", "is paused", "R restarts it"),
        ("big", "its memory was used up", "S starts it again"),
        ("odd", "ended with exit 3", "enter opens it"),
    ] {
        let line = below.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("{name}: {drawn}"));
        assert!(line.contains(words) && line.contains(key), "{line}");
    }
    for name in ["fine", "stopped", "forgotten"] {
        assert!(!below.contains(name), "{name} needs nobody: {drawn}");
    }
    assert!(drawn.lines().any(|line| line.contains("big") && line.contains("out of memory")), "{drawn}");
    let selected = |state: &State| match state.screen() {
        Screen::Workloads(page) => page.rows.selected().unwrap().name.clone(),
        _ => String::new(),
    };
    let gone_to: Vec<String> = (0..4)
        .map(|_| {
            press(&mut state, "n");
            selected(&state)
        })
        .collect();
    assert_eq!(gone_to.last(), Some(&"web".to_owned()), "after the last one the first: {gone_to:?}");
    assert!(!gone_to.contains(&"fine".to_owned()), "{gone_to:?}");
}

#[test]
fn nothing_is_read_again_and_again_while_the_terminal_has_no_focus() {
    let mut state = printing();
    let lost = update(&mut state, Msg::Focus(false));
    assert!(lost.contains(&Effect::Leave(&[Slot::Workloads])) && measured(&lost) == Some(Vec::new()), "{lost:?}");
    assert!(!state.awaits(), "nothing turns where nobody looks");
    let news = RunNews::LogEnd(Ok(()));
    assert!(update(&mut state, Msg::Run(news)).is_empty(), "an end does not begin it again");
    let back = update(&mut state, Msg::Focus(true));
    assert!(
        back.contains(&Effect::Run(RunEffect::Follow(vec!["docker".into()]))) && measured(&back) == Some(vec!["md-id"]),
        "{back:?}"
    );
    assert!(state.awaits(), "the first measurement is awaited");
    // Where the terminal does not tell that it has the focus again, a key does.
    update(&mut state, Msg::Focus(false));
    assert!(press(&mut state, "k").contains(&Effect::Run(RunEffect::Follow(vec!["docker".into()]))));
    press(&mut state, "1");
    assert!(update(&mut state, Msg::Focus(false)).is_empty(), "other screens read nothing by themselves");
}
