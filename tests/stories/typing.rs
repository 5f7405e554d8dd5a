//! Keys in text fields, keys that leave, and screens that change without a key: `update` alone.

use wharf::{
    core::{
        base::badge::Verdict,
        launch::{
            isolation::Isolation,
            plan::{State as Runs, Step, Workload},
            room::{Gate, GateRequirement},
        },
    },
    tui::{
        hints,
        kit::action::Action,
        msg::{Effect, ImageNews, JobNews, Msg, RunEffect, RunNews},
        screens::console,
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{launching, plan, press, run, state},
    screens::draw,
};

fn notice(state: &State) -> &str {
    state.notice.as_ref().map_or("", |notice| notice.text.as_str())
}

#[test]
fn a_text_that_is_pasted_by_mistake_is_refused_at_once_and_nothing_of_it_is_kept() {
    let mut state = state();
    press(&mut state, "/ a");
    let effects = update(&mut state, Msg::Paste("x y\n".repeat(300_000)));
    assert_eq!(effects, []);
    assert!(notice(&state).contains("not pasted"), "{}", notice(&state));
    assert_eq!(state.catalog.input.text, "a");
    press(&mut state, "ctrl-c :");
    update(&mut state, Msg::Paste("x".repeat(5000)));
    assert!(notice(&state).contains("not pasted"));
    update(&mut state, Msg::Paste(format!("wharf:oci://{}", "x".repeat(1_000_000))));
    assert!(matches!(state.screen(), Screen::Catalog));
}

#[test]
fn ctrl_c_leaves_a_text_and_a_popup_and_ctrl_z_is_the_shells_everywhere() {
    let mut state = state();
    press(&mut state, "/ a b ctrl-z");
    assert!(std::mem::take(&mut state.suspend), "also while a text is typed");
    press(&mut state, "ctrl-c");
    assert_eq!((state.catalog.typing, state.catalog.input.text.as_str()), (false, ""));
    press(&mut state, ": q ctrl-z ctrl-c");
    assert!(state.popups.is_empty() && state.suspend && !state.quit);
}

#[test]
fn panes_are_gone_through_in_both_directions_whatever_their_number() {
    let mut state = state();
    press(&mut state, "j enter");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    let pane = |state: &State| match state.screen() {
        Screen::Image(page) => page.pane,
        _ => panic!(),
    };
    let Screen::Image(page) = state.screen() else { panic!() };
    let panes = page.panes();
    for place in (0..panes.len()).rev() {
        press(&mut state, "left");
        assert_eq!(pane(&state), panes[place]);
    }
    press(&mut state, "left tab");
    assert_eq!(pane(&state), panes[0]);
}

fn workload(state: Runs) -> Workload {
    Workload {
        id: "3f2a9c0d11e8".into(),
        backend: "docker".into(),
        name: "gromacs-3f2a".into(),
        image: "lab.example/physics/gromacs:latest".into(),
        digest: String::new(),
        state,
        created: None,
        ports: Vec::new(),
        addresses: Vec::new(),
        note: String::new(),
        facts: Vec::new(),
    }
}

#[test]
fn the_output_of_a_workload_that_is_started_again_comes_by_itself() {
    let mut state = state();
    press(&mut state, "2");
    fake::listed(&mut state, vec![workload(Runs::Exited(0))], Vec::new());
    press(&mut state, "enter");
    update(&mut state, Msg::Run(RunNews::Log(b"the first run\n".to_vec().into())));
    update(&mut state, Msg::Run(RunNews::LogEnd(Ok(()))));
    let job = match press(&mut state, "S").as_slice() {
        [Effect::Run(RunEffect::Start { job, .. })] => *job,
        other => panic!("{other:?}"),
    };
    let follows =
        |effects: &[Effect]| effects.iter().any(|effect| matches!(effect, Effect::Run(RunEffect::Logs { .. })));
    assert!(follows(&update(&mut state, Msg::Job(JobNews::JobDone(job, Ok(("started".into(), None)))))));
    // Somebody else starts it.
    fake::listed(&mut state, vec![workload(Runs::Exited(1))], Vec::new());
    assert!(follows(&fake::listed(&mut state, vec![workload(Runs::Running)], Vec::new())));
    assert!(!follows(&fake::listed(&mut state, vec![workload(Runs::Running)], Vec::new())));
    let Screen::Workload(page) = state.screen() else { panic!() };
    assert!(page.output.count() == 0 && page.ended.is_none(), "it is told from its beginning");
}

#[test]
fn the_end_of_a_plan_stays_in_sight() {
    let mut state = state();
    crate::keys::launching(&mut state);
    let mut long = plan(&state);
    let step = |number| Step::Wait { until: format!("step {number} {}", "of many words ".repeat(12)) };
    let last = long.steps.split_off(1);
    long.steps = (0..60).map(step).chain(last).collect();
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(long.clone())))));
    for size in [(80, 24), (120, 30), (50, 20)] {
        let effects = update(&mut state, Msg::Resize(size.0, size.1));
        run(&mut state, effects);
        press(&mut state, "tab g G");
        assert!(draw(&mut state, size).contains("\"Image\""), "{}", draw(&mut state, size));
        press(&mut state, "tab");
    }
    long.steps.truncate(1);
    press(&mut state, "tab G tab");
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(long)))));
    assert!(draw(&mut state, (120, 40)).contains("step 0"), "a plan that became shorter is shown whole");
}

#[test]
fn hints_name_only_keys_that_do_something_here() {
    let mut state = state();
    state.stack.push(Screen::Console(Box::new(console::Page::new(
        "Workloads › w › Terminal".into(),
        "w".into(),
        (80, 24),
    ))));
    let shown: Vec<String> = hints::shown_hints(&state).into_iter().map(|hint| hint.key).collect();
    assert_eq!(shown, ["ctrl-]"], "all other keys go to what runs there");
    let mut inbox = crate::keys::requests("inbox", "7 j");
    let launches =
        |state: &State| hints::shown_hints(state).iter().filter(|hint| hint.action == Action::Launch).count();
    assert_eq!(launches(&inbox), 1);
    press(&mut inbox, "j");
    assert_eq!(launches(&inbox), 0, "what waits for a decision has nothing to launch");
}

#[test]
fn a_typed_answer_stays_with_its_question_whatever_the_mouse_does() {
    let mut state = state();
    launching(&mut state);
    press(&mut state, "G enter 4");
    let at = |state: &State| match state.screen() {
        Screen::Launch(page) => (page.at.selected, page.editing.clone(), page.in_plan),
        _ => panic!("{:?}", state.screen()),
    };
    let before = at(&state);
    assert!(before.1.is_some());
    for lines in [3, -3] {
        update(&mut state, Msg::Scroll(lines));
    }
    let body = state.body();
    for line in body.top()..body.bottom() {
        for column in [body.left() + 4, body.right() - 4] {
            update(&mut state, Msg::Click(column, line));
        }
    }
    assert_eq!(at(&state), before);
}

#[test]
fn nothing_is_completed_where_the_cursor_has_left_the_word() {
    let mut state = state();
    press(&mut state, "/ s o left tab");
    assert_eq!(state.catalog.input.text, "so");
    press(&mut state, "right tab");
    assert_eq!(state.catalog.input.text, "source:");
}

#[test]
fn keys_go_to_the_list_again_once_the_facets_have_no_room_or_a_source_is_opened() {
    let mut state = state();
    let resized = update(&mut state, Msg::Resize(200, 50));
    run(&mut state, resized);
    press(&mut state, "f");
    update(&mut state, Msg::Resize(120, 40));
    assert!(hints::shown_hints(&state).iter().all(|hint| hint.words != "choose"));
    press(&mut state, "/ z z z enter");
    press(&mut state, "esc");
    assert_eq!(state.catalog.input.text, "", "esc was for the filter");
    let resized = update(&mut state, Msg::Resize(200, 50));
    run(&mut state, resized);
    press(&mut state, "f 4 enter");
    let before = state.catalog.at.selected;
    press(&mut state, "j");
    assert_ne!(state.catalog.at.selected, before);
}

#[test]
fn the_gate_is_that_of_the_shown_plan_and_not_of_the_older_form() {
    let mut state = state();
    launching(&mut state);
    let gate = |verdict, passage| Gate { verdict, isolation: Isolation::SharedKernel, passage, grounds: "told".into() };
    for (verdict, passage, words) in [
        (Verdict::Allow, GateRequirement::Open, "L launches now"),
        (Verdict::Deny, GateRequirement::Closed, "held back"),
    ] {
        let news = RunNews::Gate("docker".into(), Box::new(gate(verdict, passage)));
        update(&mut state, Msg::Run(news));
        // One of another backend is of a plan that was left.
        let other = gate(Verdict::Undecided, GateRequirement::WithReason);
        update(&mut state, Msg::Run(RunNews::Gate("local".into(), Box::new(other))));
        let plan = plan(&state);
        update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(plan)))));
        assert!(draw(&mut state, (120, 40)).contains(words), "{words}");
    }
}
