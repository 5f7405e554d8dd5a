//! Keys on workloads: for each backend and state, those that mean something; the others are grey, with the reason.

use std::{path::Path, sync::Arc};

use wharf::{
    adapters::{
        apptainer::{Apptainer, Program},
        local::Local,
        shared::settings::AdapterEntry,
        slurm::{Settings, Slurm},
    },
    core::{
        base::error::{Error, Kind},
        launch::{
            ability::{Ability, Refusal},
            listing::BackendList,
            plan::{State as Run, Workload},
        },
        portal::Portal,
        ports::Launcher,
    },
    tui::{
        hints,
        kit::action::Action,
        msg::{Effect, Msg, RunNews},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
    lab::{self, Home},
    screens::draw,
};

/// The backends of the program that can be made without contacting anybody. A cloud is not among
/// them: it has to answer first.
fn backends(home: &Home) -> Vec<Arc<dyn Launcher>> {
    let (cache, state) = (home.path("cache"), home.path("state"));
    let slurm = |name: &str, url: Option<&str>| {
        let settings = Settings { url: url.map(str::to_owned), folder: Some(state.clone()), ..Settings::default() };
        Slurm::new(&AdapterEntry { name: name.into(), origin: "test".into(), settings }, &state, Vec::new())
            .into_launcher()
    };
    let engine = lab::engine("docker", &format!("unix://{}", lab::nowhere()));
    let config = wharf::core::config::Config { sources: vec![engine], ..home.config() };
    let built = wharf::adapters::parts_of(config).unwrap().launchers;
    let mut all: Vec<Arc<dyn Launcher>> = built.into_iter().filter(|one| one.name() == "docker").collect();
    all.push(Arc::new(Local::new(&cache, &state, None)));
    let program = Program::new(Path::new(lab::nowhere()).to_owned());
    all.push(Arc::new(Apptainer::new("apptainer".into(), program, &cache, &state)));
    all.push(slurm("slurm", None));
    all.push(slurm("slurmrestd", Some("http://127.0.0.1:9")));
    all
}

const ACTIONS: [(Action, &str); 7] = [
    (Action::Shell, "shell"),
    (Action::Attach, "console"),
    (Action::Stop, "stop"),
    (Action::Start, "start"),
    (Action::Restart, "restart"),
    (Action::Snapshot, "snapshot"),
    (Action::Remove, "remove"),
];

/// The words of the actions that mean something for this workload; each of the others has a reason.
fn usable(state: &State) -> String {
    let can = ACTIONS.iter().filter(|(action, _)| match hints::disabled(state, *action) {
        Some(why) => {
            assert!(why.len() > 10, "{action:?}: '{why}' is no reason");
            false
        }
        None => true,
    });
    can.map(|(_, word)| *word).collect::<Vec<_>>().join(" ")
}

#[test]
fn why_backends_failed_is_told_whole_and_none_is_left_out_in_silence() {
    let error = |name: &str| {
        let why = format!("nothing answers at /run/user/1000/{name}/podman.sock, which the environment names");
        (name.to_owned(), Error::new(Kind::Unavailable, "ask", why).hint("start podman's service, then r asks again"))
    };
    let mut state = state();
    press(&mut state, "2");
    let some = vec![fake::workload("docker", "brave"), fake::workload("docker", "calm")];
    fake::listed(&mut state, some.clone(), vec![error("podman")]);
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("✗ podman: nothing answers") && drawn.contains("then r asks again"), "{drawn}");
    assert!(drawn.contains("brave") && drawn.contains("calm"), "{drawn}");
    let many: Vec<_> = (0..9).map(|number| error(&format!("engine{number}"))).collect();
    fake::listed(&mut state, some, many);
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("✗ engine0: nothing") && drawn.contains(" more"), "{drawn}");
}

#[test]
fn each_key_is_grey_with_its_reason_where_a_backend_or_a_state_does_not_have_it() {
    let home = Home::new();
    let mut parts = fake::parts(&[]);
    parts.launchers = backends(&home);
    let names: Vec<String> = parts.launchers.iter().map(|one| one.name().to_owned()).collect();
    assert_eq!(names, ["docker", "local", "apptainer", "slurm", "slurmrestd"]);
    let lacking = Portal::new(parts).launches.lacking();
    let queued = Run::Queued { reason: "resources".into(), starts: None };
    let engine_end = "start restart snapshot remove";
    for (run, engine, own, cluster, rest) in [
        (
            Run::Running,
            "shell console stop restart snapshot remove",
            "shell stop remove",
            "shell stop remove",
            "stop remove",
        ),
        (Run::Paused, "stop restart snapshot remove", "stop remove", "stop remove", "stop remove"),
        (queued, "stop restart snapshot remove", "stop remove", "stop remove", "stop remove"),
        (Run::Starting, "stop restart snapshot remove", "stop remove", "stop remove", "stop remove"),
        (Run::Stopping, "restart snapshot remove", "remove", "remove", "remove"),
        (Run::Exited(0), engine_end, "remove", "remove", "remove"),
        (Run::Exited(143), engine_end, "remove", "remove", "remove"),
        (Run::Failed("out of memory".into()), engine_end, "remove", "remove", "remove"),
        (Run::Created, engine_end, "remove", "remove", "remove"),
        (Run::Other("lost".into()), engine_end, "remove", "remove", "remove"),
    ] {
        for (backend, wanted) in
            [("docker", engine), ("local", own), ("apptainer", own), ("slurm", cluster), ("slurmrestd", rest)]
        {
            let mut state = state();
            (state.model.backends, state.model.lacking) = (names.clone(), lacking.clone());
            press(&mut state, "2");
            let one = Workload { state: run.clone(), ..fake::workload(backend, "one") };
            fake::listed(&mut state, vec![one], Vec::new());
            assert_eq!(usable(&state), wanted, "{backend}, {run:?}, in the list");
            press(&mut state, "enter");
            assert!(matches!(state.screen(), Screen::Workload(_)));
            assert_eq!(usable(&state), wanted, "{backend}, {run:?}, on its page");
        }
    }
}

#[test]
fn a_finished_workload_is_not_stopped_and_the_reason_is_said() {
    let mut state = state();
    press(&mut state, "2");
    let done = Workload { state: Run::Exited(0), ..fake::workload("docker", "done") };
    fake::listed(&mut state, vec![done], Vec::new());
    for (key, why) in [("s", "it has ended"), ("e", "it has ended")] {
        let effects = press(&mut state, key);
        assert!(effects.is_empty(), "{effects:?}");
        assert!(state.notice.as_ref().unwrap().text.contains(why), "{:?}", state.notice);
    }
}

#[test]
fn what_one_workload_cannot_is_grey_for_it_alone() {
    let mut state = state();
    press(&mut state, "2");
    let (odd, other) = (fake::workload("docker", "odd"), fake::workload("docker", "plain"));
    let why = "its image has no shell: read its output";
    let refusals = Refusal::of(&odd.id, &[Ability::Terminal], why);
    let list = BackendList::new("docker", Ok((vec![odd, other], None)), Default::default());
    update(&mut state, Msg::Run(RunNews::Workloads(BackendList { refusals, ..list })));
    assert_eq!(hints::disabled(&state, Action::Shell).as_deref(), Some(why));
    assert_eq!(hints::disabled(&state, Action::Stop), None);
    press(&mut state, "j");
    assert_eq!(hints::disabled(&state, Action::Shell), None);
}

#[test]
fn an_id_is_shown_and_copied_with_its_backend() {
    let mut state = state();
    press(&mut state, "2");
    let one = Workload { id: "329".into(), ..fake::workload("slurm", "blast") };
    fake::listed(&mut state, vec![one], Vec::new());
    assert_eq!(press(&mut state, "c"), [Effect::Copy("slurm:329".into())]);
    assert_eq!(state.notice.as_ref().unwrap().text, "copied slurm:329");
    press(&mut state, "enter");
    assert!(draw(&mut state, (80, 24)).contains("slurm:329"));
    assert_eq!(press(&mut state, "c"), [Effect::Copy("slurm:329".into())]);
}

#[test]
fn a_task_of_an_array_is_chosen_on_its_page_and_has_a_page_of_its_own() {
    let mut state = state();
    press(&mut state, "2");
    let array = Workload { id: "329".into(), ..fake::workload("slurm", "blast") };
    let task = |number: u32, run| Workload {
        id: format!("329_{number}"),
        name: format!("blast_{number}"),
        state: run,
        ..fake::workload("slurm", "")
    };
    let list = |second| {
        let list = BackendList::new("slurm", Ok((vec![array.clone()], None)), Default::default());
        BackendList { parts: vec![task(1, Run::Exited(0)), task(2, second)], ..list }
    };
    update(&mut state, Msg::Run(RunNews::Workloads(list(Run::Running))));
    press(&mut state, "enter");
    assert_eq!(hints::disabled(&state, Action::Open), None);
    press(&mut state, "enter");
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("slurm:329_1") && drawn.contains("● running"), "{drawn}");
    press(&mut state, "down enter");
    let Screen::Workload(page) = state.screen() else { panic!() };
    assert_eq!(page.workload.full_id(), "slurm:329_2");
    assert_eq!(hints::disabled(&state, Action::Open).as_deref(), Some("no tasks of it are known"));
    update(&mut state, Msg::Run(RunNews::Workloads(list(Run::Exited(143)))));
    assert_eq!(hints::disabled(&state, Action::Stop).as_deref(), Some("it has ended"));
    press(&mut state, "esc");
    let Screen::Workload(page) = state.screen() else { panic!() };
    assert_eq!(page.workload.full_id(), "slurm:329", "back to the array");
}
