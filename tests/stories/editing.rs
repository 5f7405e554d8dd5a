//! Adding lines to the text of a plan: what the launch page does with what came from the editor.

use wharf::{
    core::{
        base::error::Error,
        launch::form::{Answers, Field, FieldKind, Form, Section},
    },
    tui::{
        msg::{Effect, Msg, RunEffect, RunNews},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    keys::{launching, plan, press, state},
    screens::draw,
};

/// The launch page of a backend whose plans may be edited, with a plan.
fn launch_page() -> State {
    let mut state = state();
    launching(&mut state);
    let fields = vec![
        Field::new("setup", "Setup", "", FieldKind::Lines, ""),
        Field::new("memory", "Memory", "like 2G", FieldKind::Bytes, "2G"),
    ];
    let form = Form { editable: true, ..Form::new(vec![Section::new("Script", "", fields)]) };
    update(&mut state, Msg::Run(RunNews::Form(Ok(("docker".into(), form)))));
    let made = plan(&state);
    update(&mut state, Msg::Run(RunNews::Plan(Box::new(Ok(made)))));
    state
}

/// The answers of the plan with lines of one's own.
fn with_setup(state: &State, lines: &str) -> Answers {
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    let mut answers = page.plan.as_deref().unwrap().answers.clone();
    answers.0.insert("setup".into(), lines.into());
    answers
}

#[test]
fn what_was_added_in_the_editor_becomes_answers_and_a_new_plan() {
    let mut state = launch_page();
    let answers = with_setup(&state, "module load a\necho b");
    let effects = press(&mut state, "e");
    let [Effect::Run(RunEffect::Edit { size, .. })] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(size.0 > 40 && matches!(state.screen(), Screen::Console(_)));
    assert!(draw(&mut state, (80, 24)).contains("save and quit to use it"));
    let effects = update(&mut state, Msg::Run(RunNews::Edited(Ok(answers))));
    assert!(
        effects.iter().any(|effect| matches!(effect, Effect::Run(RunEffect::Plan { answers, .. })
            if answers.get("setup") == "module load a\necho b")),
        "{effects:?}"
    );
    let shown = draw(&mut state, (80, 24));
    assert!(shown.contains("2 lines: module load a"), "{shown}");
}

#[test]
fn an_answer_of_several_lines_is_given_in_the_editor() {
    let mut state = launch_page();
    press(&mut state, "j");
    let effects = press(&mut state, "enter");
    assert!(matches!(effects.as_slice(), [Effect::Run(RunEffect::Edit { .. })]), "{effects:?}");
}

#[test]
fn what_is_not_taken_is_told_in_full_and_changes_nothing() {
    let mut state = launch_page();
    press(&mut state, "e");
    let error = Error::usage("edit the script", "this line of Wharf's was changed: exec y").hint("edit it again");
    update(&mut state, Msg::Run(RunNews::Edited(Err(error))));
    let shown = draw(&mut state, (80, 24));
    assert!(shown.contains("Not taken") && shown.contains("exec y") && shown.contains("edit it again"), "{shown}");
    press(&mut state, "esc");
    let Screen::Launch(page) = state.screen() else { panic!("the launch page is below") };
    assert!(page.plan.is_some() && page.answers.0.is_empty());
    // Nothing was added: the plan stays.
    let same = with_setup(&state, "");
    let same = Answers(same.0.into_iter().filter(|(key, _)| key != "setup").collect());
    press(&mut state, "e");
    assert!(
        update(&mut state, Msg::Run(RunNews::Edited(Ok(same))))
            .iter()
            .all(|effect| !matches!(effect, Effect::Run(RunEffect::Plan { .. })))
    );
    assert!(draw(&mut state, (80, 24)).contains("nothing was added"));
}

#[test]
fn an_editor_that_is_left_changes_nothing_and_a_plan_without_text_says_so() {
    let mut state = launch_page();
    let answers = with_setup(&state, "late");
    press(&mut state, "e ctrl-]");
    assert!(matches!(state.screen(), Screen::Launch(_)));
    update(&mut state, Msg::Run(RunNews::Edited(Ok(answers))));
    let Screen::Launch(page) = state.screen() else { panic!("the launch page stays") };
    assert!(page.answers.0.is_empty());
    let mut other = crate::keys::state();
    launching(&mut other);
    assert!(press(&mut other, "e").is_empty());
    assert!(draw(&mut other, (80, 24)).contains("no text that could be edited"));
}
