//! Launching again from the screens: the same answers, and what differs from then.

use wharf::{
    core::{
        base::error::Error,
        launch::{
            form::{Field, FieldKind, Form, Section},
            ledger::{LaunchAgain, LaunchRecord, Outcome},
            plan::Risk,
        },
    },
    tui::{
        msg::{EarlierLaunch, Effect, Msg, RunEffect, RunNews, Slot},
        popups::Popup,
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{launching, plan, press, state},
    screens::draw,
};

/// What was launched then: with an answer that the form of today does not have.
fn before() -> LaunchAgain {
    let mut then = state();
    launching(&mut then);
    let Screen::Launch(page) = then.screen() else { panic!("not launching") };
    let image = page.image.clone();
    let mut plan = plan(&then);
    for (key, answer) in [("memory", "1G"), ("partition", "old")] {
        plan.answers.0.insert(key.into(), answer.into());
    }
    plan.risks = vec![Risk::harmless("policy: allow: signed")];
    let mut record = LaunchRecord::new(&plan, "ada", "allow: signed");
    record.outcome = Outcome::Made { id: "one-id".into(), name: "one".into() };
    LaunchAgain { record, image, tag: Some("the tag latest has moved since: today it is sha256:aa".into()) }
}

fn workloads() -> State {
    let mut state = state();
    press(&mut state, "2");
    fake::listed(&mut state, vec![fake::workload("docker", "one")], Vec::new());
    state
}

fn arrived(state: &mut State, again: LaunchAgain) -> Vec<Effect> {
    update(state, Msg::Run(RunNews::Again(Box::new(Ok(again)))))
}

#[test]
fn a_workload_is_launched_again_with_its_answers_and_what_differs_is_told() {
    let mut state = workloads();
    let asked = press(&mut state, "l");
    let wanted = EarlierLaunch::Of(("docker".into(), "one-id".into()));
    assert!(asked.contains(&Effect::Run(RunEffect::Again(wanted))), "{asked:?}");
    let asked = arrived(&mut state, before());
    assert!(
        asked.iter().any(|one| matches!(one, Effect::Run(RunEffect::Form { backend, .. }) if backend == "docker")),
        "{asked:?}"
    );
    let fields = vec![Field::new("memory", "Memory", "like 2G", FieldKind::Bytes, "2G")];
    let form = Form::new(vec![Section::new("Basics", "", fields)]);
    let asked = update(&mut state, Msg::Run(RunNews::Form(Ok(("docker".into(), form)))));
    let [Effect::Run(RunEffect::Plan { answers, .. })] = asked.as_slice() else { panic!("{asked:?}") };
    assert_eq!((answers.get("memory"), answers.0.contains_key("partition")), ("1G", false));
    let mut now = plan(&state);
    now.risks = vec![Risk::caution("policy: needs approval: not scanned")];
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(now)))));
    let shown = draw(&mut state, (140, 50));
    for part in [
        "── Again ─",
        "on this verdict: allow: signed",
        "the tag latest has moved since",
        "partition was 'old': this backend does not ask for it",
        "- ✓ policy: allow: signed",
        "+ ! policy: needs approval",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[test]
fn a_launch_whose_workload_is_gone_is_chosen_from_those_that_are_kept() {
    let mut state = workloads();
    assert_eq!(press(&mut state, "L"), [Effect::Run(RunEffect::Launches)]);
    let record = before().record;
    update(&mut state, Msg::Run(RunNews::Launches(Ok(vec![record]))));
    assert!(matches!(state.popups.last(), Some(Popup::Pick(pick)) if pick.items.len() == 1));
    let asked = press(&mut state, "_ _ enter");
    assert!(asked.contains(&Effect::Run(RunEffect::Again(EarlierLaunch::Key("key".into())))), "{asked:?}");
    // Nothing opens over another screen.
    assert!(press(&mut state, "1").contains(&Effect::Leave(&[Slot::Warnings, Slot::Again])));
    assert_eq!(arrived(&mut state, before()), []);
    assert!(matches!(state.screen(), Screen::Catalog));
}

#[test]
fn a_launch_without_an_answer_is_finished_by_its_own_plan() {
    let mut state = workloads();
    press(&mut state, "L");
    let (mut open, made) = (before().record, before().record);
    open.began = state.now - 3600;
    open.outcome = Outcome::Unanswered { why: "the connection broke".into() };
    open.plan.idempotency_key = "lost".into();
    update(&mut state, Msg::Run(RunNews::Launches(Ok(vec![open.clone(), made]))));
    let Some(Popup::Pick(pick)) = state.popups.last() else { panic!("{:?}", state.popups) };
    let values: Vec<&str> = pick.items.iter().map(|item| item.value.as_str()).collect();
    assert_eq!(values, ["finish lost", "lost", "key"]);
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("find or finish it"), "{drawn}");
    let effects = press(&mut state, "enter");
    let asked = Effect::Run(RunEffect::Finish { job: 1, backend: open.plan.backend.clone(), key: "lost".into() });
    assert!(effects.contains(&asked), "the same plan, whose key finds what was made: {effects:?}");
    assert_eq!(state.running(), 1);
    // What was begun a moment ago is under way.
    press(&mut state, "L");
    let under_way = LaunchRecord { began: state.now - 5, outcome: Outcome::Begun, ..open };
    update(&mut state, Msg::Run(RunNews::Launches(Ok(vec![under_way]))));
    assert!(matches!(state.popups.last(), Some(Popup::Pick(pick)) if pick.items.len() == 1), "{:?}", state.popups);
}

#[test]
fn what_wharf_has_not_launched_or_may_have_made_already_is_told() {
    let mut state = workloads();
    let error = Error::not_found("launch docker:one-id again", "it was not launched with Wharf");
    update(&mut state, Msg::Run(RunNews::Again(Box::new(Err(error)))));
    assert!(state.notice.as_ref().unwrap().text.contains("not launched with Wharf"));
    press(&mut state, "r");
    let mut open = before();
    (open.record.outcome, open.record.plan.backend) = (Outcome::Begun, "gone".into());
    arrived(&mut state, open);
    let shown = draw(&mut state, (140, 50));
    assert!(shown.contains("nobody knows whether it made a workload"), "{shown}");
    assert!(shown.contains("the backend gone is not here any more"), "{shown}");
}
