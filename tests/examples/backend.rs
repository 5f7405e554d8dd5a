//! A complete small backend, to copy from: it keeps its workloads in memory and "runs" each for as long as nobody stops
//! it. It passes the launchers' contract (`tests/stories/launchers.rs`), as every backend must.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use wharf::adapters::{
    parts::{Parts, Surroundings},
    shared::settings,
};
use wharf::core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    config::{Config, EntryKind as ConfigKind},
    image::model::{Health, Image, Pinned},
    launch::{
        form::{Answers, Field, FieldKind, Form, Section},
        isolation::Isolation,
        plan::{Plan, Risk, State, Step, Workload, key, name_from},
    },
    ports::{Ability, Extent, Launcher, Supply},
};

/// A backend whose workloads live as long as it does.
#[derive(Default)]
pub struct Pinboard {
    /// The key of the plan that made each, and the workload.
    made: Mutex<Vec<(String, Workload)>>,
}

impl Pinboard {
    fn with<T>(&self, change: impl FnOnce(&mut Vec<(String, Workload)>) -> T) -> T {
        change(&mut self.made.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What its `[[backend]]` may say: nothing but its name.
pub const KIND: ConfigKind = ConfigKind::backend(settings::hosts::<settings::NameOnly>);

/// Adds the backend. A real one looks for its technology here, and tells with `parts.note` what it found.
pub fn register(_config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    parts.launchers.push(Arc::new(Pinboard::default()));
    Ok(())
}

/// What has no digest cannot be pinned, and what is not pinned is never launched.
fn pinned(image: &Image) -> Result<Pinned> {
    let why = "its digest is unknown, so it cannot be pinned";
    image.pinned.clone().ok_or_else(|| Error::unsupported("launch on pinboard", why))
}

/// The questions: the one thing that people may choose here.
fn questions(image: &Image) -> Form {
    let name = name_from(&image.reference.title());
    let help = "what it is called in the list of workloads";
    Form::new(vec![Section::new("Basics", "", vec![Field::new("name", "Name", help, FieldKind::Text, name)])])
}

#[async_trait]
impl Launcher for Pinboard {
    fn name(&self) -> &'static str {
        "pinboard"
    }

    fn abilities(&self) -> &[Ability] {
        &[Ability::Remove]
    }

    fn instead(&self, _ability: Ability) -> (&'static str, &'static str) {
        ("nothing runs here, only names are kept", "launch the image on another backend")
    }

    fn accepts(&self, image: &Image) -> Result<()> {
        pinned(image).map(|_| ())
    }

    async fn form(&self, _cx: &Context, image: &Image) -> Result<Form> {
        Ok(questions(image))
    }

    async fn plan(&self, _cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
        let (pinned, answers) = (pinned(image)?, questions(image).check(answers)?);
        Ok(Plan {
            backend: self.name().to_owned(),
            steps: vec![Step::Run {
                argv: ["remember", answers.get("name"), &pinned.reference.to_string(), pinned.digest.as_str()]
                    .map(str::to_owned)
                    .to_vec(),
                environment: Vec::new(),
            }],
            risks: vec![Risk::harmless("it runs nothing, and reads none of your files")],
            image: pinned,
            answers,
            privileged: false,
            isolation: Isolation::SharedKernel,
            idempotency_key: key(),
        })
    }

    async fn launch(&self, _cx: &Context, plan: &Plan, _supply: &Supply) -> Result<Workload> {
        Ok(self.with(|made| {
            // A plan that was carried out already gives the workload that it made.
            let done = made.iter().find(|(key, _)| *key == plan.idempotency_key);
            if let Some((_, known)) = done {
                return known.clone();
            }
            let id = format!("m{}", made.len() + 1);
            let workload = Workload {
                name: plan.answers.get("name").to_owned(),
                image: plan.image.reference.to_string(),
                digest: plan.image.digest.to_string(),
                created: Some(text::now()),
                facts: vec![("kept in".to_owned(), "memory".to_owned())],
                ..Workload::new(self.name(), id, State::Running)
            };
            made.push((plan.idempotency_key.clone(), workload.clone()));
            workload
        }))
    }

    async fn workloads(&self, _cx: &Context) -> Result<(Vec<Workload>, Extent)> {
        Ok((self.with(|made| made.iter().map(|(_, workload)| workload.clone()).collect()), Extent::Whole))
    }

    async fn stop(&self, _cx: &Context, id: &str) -> Result<()> {
        self.with(|made| match made.iter_mut().find(|(_, one)| one.id == id) {
            Some((_, one)) => {
                if one.state.may_stop() {
                    one.state = State::Exited(143);
                }
                Ok(())
            }
            None => Err(Error::new(Kind::NotFound, format!("stop {id}"), "pinboard has no such workload")),
        })
    }

    async fn remove(&self, _cx: &Context, id: &str) -> Result<()> {
        self.with(|made| made.retain(|(_, one)| one.id != id));
        Ok(())
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        Ok(Health { reachable: true, account: "you".into(), credentials: String::new(), note: "in memory".into() })
    }
}
