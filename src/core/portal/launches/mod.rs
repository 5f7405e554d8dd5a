//! Launching images, and managing the workloads. Each backend is found by its name.

mod measure;
pub mod workloads;

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use super::{evidence::Evidence, journal::Journal, sources::Sources, uses::Uses};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    image::model::{Health, Image},
    launch::{
        form::{Answers, Form},
        plan::{Plan, Workload},
    },
    ports::{Ability, KnownAttachments, Launcher, Supply, store::UseKind},
};

/// Launches images and manages their workloads.
pub struct Launches {
    sources: Arc<Sources>,
    launchers: Vec<Arc<dyn Launcher>>,
    evidence: Arc<Evidence>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
}

impl Launches {
    /// Launches of images from these sources by these launchers, gated by the policy.
    pub(super) fn new(
        sources: Arc<Sources>,
        launchers: Vec<Arc<dyn Launcher>>,
        evidence: Arc<Evidence>,
        uses: Arc<Uses>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { sources, launchers, evidence, uses, journal }
    }

    /// The names of all backends.
    pub fn backends(&self) -> Vec<&str> {
        self.launchers.iter().map(|launcher| launcher.name()).collect()
    }

    /// The names of the backends that can launch this image, the preferred one first.
    pub fn backends_for(&self, image: &Image) -> Vec<&str> {
        let accepts = |launcher: &&Arc<dyn Launcher>| launcher.accepts(image).is_ok();
        self.launchers.iter().filter(accepts).map(|launcher| launcher.name()).collect()
    }

    /// What each backend cannot do with a workload: backend, ability, reason with what to do instead.
    pub fn lacking(&self) -> Vec<(String, Ability, String)> {
        let all = self.launchers.iter().flat_map(|launcher| Ability::ALL.iter().map(move |one| (launcher, *one)));
        let lacking = all.filter(|(launcher, ability)| !launcher.abilities().contains(ability));
        let told = lacking.map(|(launcher, ability)| {
            let (why, instead) = launcher.instead(ability);
            let why = if instead.is_empty() { why.to_owned() } else { format!("{why}: {instead}") };
            (launcher.name().to_owned(), ability, why)
        });
        told.collect()
    }

    /// Fails if no backend has this ability, and says why. Contacts nobody.
    pub fn some_can(&self, ability: Ability, id: &str) -> Result<()> {
        let refused = self.launchers.iter().map(|launcher| launcher.must(ability, id)).collect::<Vec<_>>();
        let first = refused.iter().find_map(|one| one.as_ref().err().cloned());
        first.filter(|_| refused.iter().all(Result::is_err)).map_or(Ok(()), Err)
    }

    /// Fails if this backend lacks an ability, and says why and what to do instead. Contacts nobody.
    pub fn must(&self, backend: &str, ability: Ability, id: &str) -> Result<()> {
        self.launcher(Some(backend), None)?.must(ability, id)
    }

    /// Fails if no backend takes this image, with the reason of each. Contacts nobody.
    pub fn some_takes(&self, image: &Image) -> Result<()> {
        self.launcher(None, Some(image)).map(|_| ())
    }

    /// The launcher with this name (if several have it, one that accepts the image); without a name, the first that
    /// accepts the image.
    pub(crate) fn launcher(&self, name: Option<&str>, image: Option<&Image>) -> Result<Arc<dyn Launcher>> {
        image.map_or(Ok(()), Image::must_run)?;
        let known = || self.launchers.iter().map(|launcher| launcher.name()).collect::<Vec<_>>().join(", ");
        match name {
            Some(name) => {
                let own = self.launchers.iter().filter(|launcher| launcher.name() == name);
                let also = self.launchers.iter().filter(|launcher| launcher.also_called() == Some(name));
                let called: Vec<_> = own.chain(also).collect();
                let takes = |launcher: &&&Arc<dyn Launcher>| image.is_none_or(|image| launcher.accepts(image).is_ok());
                let chosen = called.iter().find(takes).or(called.first());
                chosen.map(|launcher| Arc::clone(launcher)).ok_or_else(|| {
                    Error::not_found(format!("backend '{name}'"), "there is no such backend here")
                        .hint(format!("backends here: {}", known()))
                })
            }
            None => {
                let mut reasons = Vec::new();
                for launcher in &self.launchers {
                    match image.map_or(Ok(()), |image| launcher.accepts(image)) {
                        Ok(()) => return Ok(launcher.clone()),
                        Err(error) => reasons.push(format!("{}: {}", launcher.name(), error.why)),
                    }
                }
                Err(Error::unsupported(
                    "choose a backend",
                    if reasons.is_empty() { "none was found".to_owned() } else { reasons.join("; ") },
                )
                .hint("'wharf doctor' says what is missing"))
            }
        }
    }

    /// The form of a backend for an image, with the policy's gate.
    pub async fn form(&self, cx: &Context, backend: &str, image: &Image) -> Result<Form> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        let what = format!("ask {backend}");
        // Both are asked at the same time.
        let (form, judged) =
            tokio::join!(cx.run(&what, launcher.form(cx, image)), self.evidence.judged_by_what_is_there(image));
        let mut form = form?;
        form.gate = Some(self.evidence.gate_for(image, &judged, form.privileged));
        Ok(form)
    }

    /// The plan: exactly what would be sent to a backend.
    pub async fn plan(&self, cx: &Context, backend: &str, image: &Image, answers: &Answers) -> Result<Plan> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        // The digest of a file is computed only now: lists and pages do without.
        let image = &self.evidence.pinned(cx, image.clone()).await?;
        let mut plan = cx.run(&format!("plan on {backend}"), launcher.plan(cx, image, answers)).await?;
        plan.risks.extend(self.evidence.risks(image, plan.privileged).await);
        Ok(plan)
    }

    /// Carries out a plan; `because` is the person's reason where the policy wants an approval and accepts a reason
    /// instead.
    pub async fn launch(&self, cx: &Context, plan: &Plan, because: Option<&str>) -> Result<Workload> {
        let launcher = self.launcher(Some(&plan.backend), None)?;
        let image = &plan.image;
        let entry = self.journal.open_entry("launch", format!("{} on {}", image.reference, plan.backend));
        entry.set_digest(&image.digest);
        let launching = async {
            cx.progress.phase("asking the policy");
            entry.set_verdict(self.evidence.gate(cx, plan, because).await?.describe());
            let source = self.sources.source(&image.reference)?;
            let credentials = source.catalog.credentials(&image.reference).await;
            let supply = Supply {
                image: image.clone(),
                content: source.content.clone(),
                credentials,
                known: KnownAttachments::default(),
            };
            let what = format!("launch on {}", plan.backend);
            let workload = cx.unless_cancelled(&what, launcher.launch(cx, plan, &supply)).await?;
            // Later entries about the workload name its id.
            entry.add_to_subject(&format!(": {} ({})", workload.name, workload.id));
            Ok(workload)
        };
        let workload = self.journal.recorded_as(&entry, launching).await?;
        let place = format!("{}/{}", workload.backend, workload.name);
        self.uses.remember(UseKind::Launched, &image.reference, &image.digest, &place).await;
        Ok(workload)
    }

    /// The health of every backend with its name, asked at the same time.
    pub async fn health(&self, cx: &Context) -> Vec<(String, Result<Health>)> {
        let asked: Vec<_> = self.launchers.iter().map(|launcher| ask_health(cx, launcher.clone())).collect();
        stream::iter(asked).buffered(64).collect().await
    }
}

async fn ask_health(cx: &Context, launcher: Arc<dyn Launcher>) -> (String, Result<Health>) {
    let name = launcher.name().to_owned();
    let answer = cx.run(&format!("ask {name}"), launcher.health(cx)).await;
    (name, answer)
}
