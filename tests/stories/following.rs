//! Lists of workloads while somebody looks: each backend at its own pace, and none waits for another.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::{Notify, mpsc};
use wharf::{
    core::{
        base::{
            context::Context,
            error::{Error, Result},
        },
        image::model::{Health, Image},
        launch::{
            form::{Answers, Form},
            listing::BackendList,
            plan::{Plan, Workload},
        },
        portal::Portal,
        ports::{Changes, Extent, Launcher, Supply},
    },
    tui::{
        msg::{Effect, Msg, RunEffect, RunNews, Slot},
        state::Screen,
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
    lab::{self, Home, need},
    launchers::answers,
    screens::draw,
};

/// How long to wait for what must come.
const PATIENCE: Duration = Duration::from_secs(20);
/// A pace at which nothing is listed a second time during a test.
const NEVER: Duration = Duration::from_secs(3600);

/// A backend that only lists: one workload, and how often it was asked.
struct Lister {
    name: &'static str,
    pace: Duration,
    asked: AtomicUsize,
    /// Where it is there, a list is only given after this.
    held: Option<Notify>,
    changes: Mutex<Option<mpsc::UnboundedReceiver<Result<()>>>>,
}

impl Lister {
    fn new(name: &'static str, pace: Duration) -> Self {
        Self { name, pace, asked: AtomicUsize::new(0), held: None, changes: Mutex::default() }
    }
}

#[async_trait]
impl Launcher for Lister {
    fn name(&self) -> &str {
        self.name
    }

    fn accepts(&self, _image: &Image) -> Result<()> {
        Err(Error::unsupported("launch", "it only lists"))
    }

    async fn form(&self, _cx: &Context, _image: &Image) -> Result<Form> {
        Err(Error::unsupported("ask", "it only lists"))
    }

    async fn plan(&self, _cx: &Context, _image: &Image, _answers: &Answers) -> Result<Plan> {
        Err(Error::unsupported("plan", "it only lists"))
    }

    async fn launch(&self, _cx: &Context, _plan: &Plan, _supply: &Supply) -> Result<Workload> {
        Err(Error::unsupported("launch", "it only lists"))
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(held) = &self.held {
            held.notified().await;
        }
        Ok((vec![fake::workload(self.name, "one")], Extent::Whole))
    }

    fn pace(&self) -> Duration {
        self.pace
    }

    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        let changes = self.changes.lock().unwrap().take();
        Ok(changes.map(|changes| -> Changes {
            Box::pin(stream::unfold(changes, |mut changes| async { Some((changes.recv().await?, changes)) }))
        }))
    }

    async fn stop(&self, _cx: &Context, _id: &str) -> Result<()> {
        Ok(())
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        Err(Error::unsupported("ask", "it only lists"))
    }
}

/// A portal over these backends, and the lists of all that are followed.
fn followed(all: &[Arc<Lister>]) -> (mpsc::Receiver<BackendList>, Vec<Arc<Notify>>) {
    let mut parts = fake::parts(&[]);
    parts.launchers.clear();
    for one in all {
        parts.launchers.push(one.clone());
    }
    let portal = Arc::new(Portal::new(parts));
    let (out, lists) = mpsc::channel(8);
    let follow = |one: &Arc<Lister>| {
        let (portal, out, at_once, name) = (portal.clone(), out.clone(), Arc::new(Notify::new()), one.name);
        let asked = at_once.clone();
        tokio::spawn(async move { portal.launches.follow_list(name, &asked, &out).await });
        at_once
    };
    let at_once = all.iter().map(follow).collect();
    (lists, at_once)
}

async fn next(lists: &mut mpsc::Receiver<BackendList>) -> BackendList {
    tokio::time::timeout(PATIENCE, lists.recv()).await.expect("no list came").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_answer_delays_no_other() {
    let slow = Arc::new(Lister { held: Some(Notify::new()), ..Lister::new("slow", NEVER) });
    let quick = Arc::new(Lister::new("quick", Duration::from_millis(5)));
    let (mut lists, _) = followed(&[slow.clone(), quick]);
    for _ in 0..3 {
        let list = next(&mut lists).await;
        assert_eq!((list.backend.as_str(), list.workloads.len()), ("quick", 1));
    }
    slow.held.as_ref().unwrap().notify_one();
    while next(&mut lists).await.backend != "slow" {}
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_is_asked_at_its_pace_and_at_once_after_a_change_of_the_person() {
    let calm = Arc::new(Lister::new("calm", NEVER));
    let lively = Arc::new(Lister::new("lively", Duration::from_millis(5)));
    let (mut lists, at_once) = followed(&[calm.clone(), lively.clone()]);
    while lively.asked.load(Ordering::SeqCst) < 5 {
        next(&mut lists).await;
    }
    assert_eq!(calm.asked.load(Ordering::SeqCst), 1, "its pace is an hour");
    at_once[0].notify_one();
    while calm.asked.load(Ordering::SeqCst) < 2 {
        next(&mut lists).await;
    }
    drop(lists);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_tells_of_changes_is_asked_then_and_many_changes_are_one() {
    let (tell, told) = mpsc::unbounded_channel();
    let one = Arc::new(Lister { changes: Mutex::new(Some(told)), ..Lister::new("telling", NEVER) });
    let (mut lists, _) = followed(std::slice::from_ref(&one));
    // Once at the beginning, and once more since it tells of changes.
    next(&mut lists).await;
    next(&mut lists).await;
    assert_eq!(one.asked.load(Ordering::SeqCst), 2);
    tell.send(Ok(())).unwrap();
    next(&mut lists).await;
    assert_eq!(one.asked.load(Ordering::SeqCst), 3);
    for _ in 0..1000 {
        tell.send(Ok(())).unwrap();
    }
    next(&mut lists).await;
    assert!(one.asked.load(Ordering::SeqCst) <= 5, "it was asked {} times", one.asked.load(Ordering::SeqCst));
}

/// The backends that are followed from now on, if that changes.
fn follows(effects: &[Effect]) -> Option<Vec<String>> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Run(RunEffect::Follow(backends)) => Some(backends.clone()),
        Effect::Leave(slots) if slots.contains(&Slot::Workloads) => Some(Vec::new()),
        _ => None,
    })
}

#[test]
fn only_what_is_looked_at_is_listed() {
    let mut state = state();
    let all = || Some(vec!["docker".to_owned(), "local".to_owned()]);
    assert_eq!(follows(&press(&mut state, "2")), all());
    assert_eq!(follows(&fake::listed(&mut state, vec![fake::workload("docker", "one")], Vec::new())), None);
    assert_eq!(follows(&press(&mut state, "j ?")), None, "a popup hides nothing");
    assert_eq!(follows(&press(&mut state, "esc enter")), Some(vec!["docker".into()]), "its page");
    assert_eq!(follows(&press(&mut state, "e")), Some(Vec::new()), "the terminal in it hides the page");
    update(&mut state, Msg::Run(RunNews::TerminalEnd(Ok(()))));
    while matches!(state.screen(), Screen::Console(_)) {
        let effects = press(&mut state, "esc");
        if !matches!(state.screen(), Screen::Console(_)) {
            assert_eq!(follows(&effects), Some(vec!["docker".into()]));
        }
    }
    assert_eq!(follows(&press(&mut state, "esc")), all());
    assert_eq!(follows(&press(&mut state, "4")), Some(Vec::new()), "another screen");
    assert_eq!(follows(&press(&mut state, "esc")), all());
    assert_eq!(follows(&press(&mut state, "1")), Some(Vec::new()));
}

#[test]
fn rows_of_a_backend_appear_as_soon_as_it_answers_and_nothing_runs_is_said_last() {
    let mut state = state();
    press(&mut state, "2");
    let list = |backend: &str, workloads| BackendList::new(backend, Ok((workloads, None)), Default::default());
    update(&mut state, Msg::Run(RunNews::Workloads(list("local", Vec::new()))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("asking docker") && !drawn.contains("Nothing runs"), "{drawn}");
    update(&mut state, Msg::Run(RunNews::Workloads(list("docker", Vec::new()))));
    assert!(draw(&mut state, (80, 24)).contains("Nothing runs"));
    press(&mut state, "2");
    update(&mut state, Msg::Run(RunNews::Workloads(list("local", vec![fake::workload("local", "mine")]))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("mine") && drawn.contains("1 running · asking docker"), "{drawn}");
    // A backend that is asked again does not take the rows of another away.
    update(&mut state, Msg::Run(RunNews::Workloads(list("docker", vec![fake::workload("docker", "theirs")]))));
    update(&mut state, Msg::Run(RunNews::Workloads(list("docker", Vec::new()))));
    let drawn = draw(&mut state, (80, 24));
    assert!(drawn.contains("mine") && !drawn.contains("theirs") && !drawn.contains("asking"), "{drawn}");
}

/// An engine tells of what is launched, stopped and removed, by whomever.
async fn tells(name: &str, socket: &str, open: &str) {
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", open), lab::engine(name, socket)]);
    let launchers = wharf::adapters::parts_of(portal.config().clone()).unwrap().launchers;
    let launcher = launchers.into_iter().find(|one| one.name() == name).unwrap();
    let cx = Context::default();
    let reference = format!("oci://{open}/library/alpine:latest").parse().unwrap();
    let image = portal.sources.image(&cx, &reference, None).await.unwrap();
    let given = answers(&[("command", "sleep 300"), ("network", "none")]);
    let plan = portal.launches.plan(&cx, name, &image, &given).await.unwrap();
    let mut changes = launcher.watch(&cx).await.unwrap().expect("engines tell of changes");
    let mut told = async |what: &str| {
        let change = tokio::time::timeout(PATIENCE, changes.next()).await;
        assert!(matches!(change, Ok(Some(Ok(())))), "{name} does not tell of {what}: {change:?}");
    };
    let made = portal.launches.launch(&cx, &plan, None).await.unwrap();
    told("a launch").await;
    portal.launches.stop(&cx, name, &made.id).await.unwrap();
    told("a stop").await;
    portal.launches.remove(&cx, name, &made.id).await.unwrap();
    told("a removal").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_tells_of_changes() {
    tells("docker", &need!("WHARF_LAB_DOCKER"), &need!("WHARF_LAB_OPEN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn podman_tells_of_changes() {
    tells("podman", &need!("WHARF_LAB_PODMAN"), &need!("WHARF_LAB_OPEN")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rootless_podman_tells_of_changes() {
    tells("rootless", &need!("WHARF_LAB_ROOTLESS"), &need!("WHARF_LAB_OPEN")).await;
}
