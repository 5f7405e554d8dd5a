//! Images as jobs of a real Slurm cluster by its slurmrestd, as where its commands are not installed.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use wharf::{
    adapters::slurm::Settings,
    core::{
        base::{context::Context, error::Kind},
        launch::{
            plan::{State, Workload},
            step::Step,
        },
        ports::{Ability, Launcher},
    },
};

use crate::{
    lab::need,
    launchers::{answers, contract, logs, supply, until},
    slurm::{Stage, as_person, between_looks, its_output_and_its_end_are_told},
};

/// What a test says to itself as another person.
const REST: &str = "WHARF_STORY_REST";
const SOCKET: &str = "WHARF_STORY_SOCKET";

macro_rules! on_each_cluster {
    ($($name:ident $conf:literal $bin:literal $rest:literal $socket:literal $token:literal;)+) => {
        $(#[test]
        fn $name() {
            let (conf, bin, rest) = (need!($conf), need!($bin), need!($rest));
            let (socket, token) = (need!($socket), need!($token));
            let also = [(REST, rest.as_str()), (SOCKET, socket.as_str()), ("SLURM_JWT", token.as_str())];
            as_person("slurm_rest::a_person_launches_jobs_without_commands", &conf, &bin, &also);
        })+
    };
}

on_each_cluster! {
    slurmrestd_22_05_launches "WHARF_LAB_SLURM_2205_CONF" "WHARF_LAB_SLURM_2205_BIN" "WHARF_LAB_SLURM_2205_REST"
        "WHARF_LAB_SLURM_2205_SOCKET" "WHARF_LAB_SLURM_2205_TOKEN";
    slurmrestd_24_11_launches "WHARF_LAB_SLURM_2411_CONF" "WHARF_LAB_SLURM_2411_BIN" "WHARF_LAB_SLURM_2411_REST"
        "WHARF_LAB_SLURM_2411_SOCKET" "WHARF_LAB_SLURM_2411_TOKEN";
    slurmrestd_26_05_launches "WHARF_LAB_SLURM_2605_CONF" "WHARF_LAB_SLURM_2605_BIN" "WHARF_LAB_SLURM_2605_REST"
        "WHARF_LAB_SLURM_2605_SOCKET" "WHARF_LAB_SLURM_2605_TOKEN";
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the tests of the clusters start it as another person"]
async fn a_person_launches_jobs_without_commands() {
    let (Some(stage), Ok(rest), Ok(socket)) = (Stage::new(), std::env::var(REST), std::env::var(SOCKET)) else {
        return;
    };
    let at = |url: &str| Settings { url: Some(url.to_owned()), pace: Some(1), ..Settings::default() };
    let launcher = stage.launcher_with(at(&rest));
    let look = stage.image(&crate::lab::starter()).await;
    contract(&launcher, &look, &supply(&stage.portal, &look).await, &[]).await;
    its_output_and_its_end_are_told(&stage, &launcher, &look).await;
    what_slurm_refuses_is_told(&stage, &launcher).await;
    an_array_is_one_workload(&stage, &launcher).await;
    let by_socket = stage.launcher_with(at(&format!("unix:{socket}")));
    its_output_and_its_end_are_told(&stage, &by_socket, &look).await;
    a_token_that_is_not_good_is_told(&stage, &rest).await;
}

async fn what_slurm_refuses_is_told(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    for (given, why) in [
        (vec![("partition", "down")], "partition down is down"),
        (vec![("partition", "short"), ("time", "2h")], "01:00:00 at most"),
        (vec![("after", "afterok:99999999")], "Slurm knows no job"),
        (vec![("memory", "900G")], "that much memory"),
    ] {
        let error = launcher.plan(&cx, &alpine, &answers(&given)).await.unwrap_err();
        assert!(error.kind == Kind::Usage && error.to_string().contains(why), "{given:?}: {error}");
    }
    // The partition is renamed between the plan and the launch.
    let mut plan = launcher.plan(&cx, &alpine, &answers(&[("time", "5m")])).await.unwrap();
    for step in &mut plan.steps {
        if let Step::Send(call) = step {
            call.body.as_mut().unwrap()["job"]["partition"] = "gone".into();
        }
    }
    assert!(
        plan.shown().contains("gone") && !plan.shown().contains("eyJ"),
        "the plan holds no token: {}",
        plan.shown()
    );
    let error = launcher.launch(&cx, &plan, &supply(&stage.portal, &alpine).await).await.unwrap_err();
    assert!(error.why.contains("nvalid partition"), "{error}");
    let left = stage.home.path("shared/launches").join(&plan.idempotency_key);
    assert!(!left.exists(), "nothing stays of what was refused");
    assert_eq!(launcher.stop(&cx, "99999999").await.unwrap_err().kind, Kind::NotFound);
    let lacks = launcher.exec(&cx, "1", vec!["true".into()]).await.unwrap_err();
    assert!(lacks.kind == Kind::Unsupported && !launcher.abilities().contains(&Ability::Exec), "{lacks}");
}

async fn an_array_is_one_workload(stage: &Stage, launcher: &Arc<dyn Launcher>) {
    let (cx, alpine) = (Context::default(), stage.alpine().await);
    let command = "sh -c 'echo I am $SLURM_ARRAY_TASK_ID; [ $SLURM_ARRAY_TASK_ID != 2 ] || sleep 300'";
    let made = stage.launch(launcher, &alpine, &[("command", command), ("array", "1-4"), ("time", "10m")]).await;
    let tasks = |one: &Workload| {
        one.facts.iter().find(|(name, _)| name == "tasks").map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let began = Instant::now();
    loop {
        let (all, _) = launcher.workloads(&cx).await.unwrap();
        let ours: Vec<_> = all.iter().filter(|one| one.id.starts_with(&made.id)).collect();
        let [one] = ours.as_slice() else { panic!("{ours:?}") };
        if tasks(one).contains("3 done") && tasks(one).contains("1 running") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(90), "{one:?}");
        between_looks().await;
    }
    launcher.stop(&cx, &format!("{}_2", made.id)).await.unwrap();
    let ended = until(launcher, &made.id, |state| *state == State::Exited(143)).await;
    assert!(tasks(&ended).contains("3 done") && tasks(&ended).contains("1 stopped"), "{ended:?}");
    assert_eq!(logs(launcher, &format!("{}_3", made.id)).await, "I am 3\n");
    for _ in 0..2 {
        launcher.stop(&cx, &made.id).await.unwrap();
    }
    launcher.remove(&cx, &made.id).await.unwrap();
}

async fn a_token_that_is_not_good_is_told(stage: &Stage, rest: &str) {
    let with = |file: &Path| {
        let (url, token_file) = (Some(rest.to_owned()), Some(file.to_owned()));
        stage.launcher_with(Settings { url, token_file, ..Settings::default() })
    };
    let missing = with(&stage.home.path("nowhere")).workloads(&Context::default()).await.unwrap_err();
    assert!(missing.kind == Kind::NotAllowed && missing.hint.contains("scontrol token"), "{missing}");
    let bad = stage.home.path("bad-token");
    std::fs::write(&bad, "SLURM_JWT=eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n").unwrap();
    let error = with(&bad).workloads(&Context::default()).await.unwrap_err();
    assert!(error.kind == Kind::NotAllowed && error.hint.contains("scontrol token"), "{error}");
}
