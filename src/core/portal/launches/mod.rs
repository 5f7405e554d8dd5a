//! Launching images, and managing the workloads. Each backend is found by its name.

mod editing;
mod follow;
mod kept;
mod ledger;
mod measure;
mod presets;
pub mod workloads;

use std::{path::Path, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    answers::{BACKEND, HealthAnswer, ask},
    evidence::Evidence,
    journal::Journal,
    locks::Locks,
    sources::Sources,
    uses::Uses,
};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    config::Config,
    image::model::{Image, Pinned},
    launch::{
        form::{Answers, Form},
        isolation,
        plan::{Plan, Workload},
        room::Gate,
        rules::Rules,
    },
    policy::LaunchFacts,
    ports::{Ability, Editor, KnownAttachments, Launcher, Ledger, Supply, store::UseKind},
};

/// Launches images and manages their workloads.
pub struct Launches {
    config: Arc<Config>,
    sources: Arc<Sources>,
    launchers: Vec<Arc<dyn Launcher>>,
    evidence: Arc<Evidence>,
    uses: Arc<Uses>,
    journal: Arc<Journal>,
    ledger: Arc<dyn Ledger>,
    editor: Arc<dyn Editor>,
    locks: Arc<Locks>,
}

impl Launches {
    /// Launches of images from these sources by these launchers, gated by the policy and written down in the ledger.
    pub(super) fn new(
        config: Arc<Config>,
        sources: Arc<Sources>,
        launchers: Vec<Arc<dyn Launcher>>,
        evidence: Arc<Evidence>,
        uses: Arc<Uses>,
        journal: Arc<Journal>,
        (ledger, editor, locks): (Arc<dyn Ledger>, Arc<dyn Editor>, Arc<Locks>),
    ) -> Self {
        Self { config, sources, launchers, evidence, uses, journal, ledger, editor, locks }
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

    /// The form of a backend for an image, as the configuration's rules leave it, with presets and the policy's gate.
    pub async fn form(&self, cx: &Context, backend: &str, image: &Image) -> Result<Form> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        let what = format!("ask {backend}");
        // Both are asked at the same time.
        let (form, judged) =
            tokio::join!(cx.run(&what, launcher.form(cx, image)), self.evidence.judged_by_what_is_there(image));
        let rules = Rules(&self.config.forms);
        let mut form = rules.whole(launcher.name(), form?)?;
        form.presets = self.offered_presets(&image.reference, launcher.name(), &form).await;
        form.demand(self.evidence.least_isolation(image, &judged, form.privileged));
        let launch = LaunchFacts { privileged: form.privileged, isolation: form.isolation_of(&Answers::default()) };
        form.gate = Some(self.evidence.gate_for(image, &judged, launch));
        // Where there is no question about it any more.
        form.isolation = launch.isolation;
        Ok(rules.shown(launcher.name(), form))
    }

    /// The plan: exactly what would be sent to a backend. Answers that the configuration's rules do not let pass are
    /// refused. Without an answer about isolation, it has the weakest that the policy lets pass, as the form shows it.
    pub async fn plan(&self, cx: &Context, backend: &str, image: &Image, answers: &Answers) -> Result<Plan> {
        self.gated_plan(cx, backend, image, answers).await.map(|(plan, _)| plan)
    }

    /// The plan, and the policy's gate for it, which its risks tell in words.
    pub async fn gated_plan(
        &self,
        cx: &Context,
        backend: &str,
        image: &Image,
        answers: &Answers,
    ) -> Result<(Plan, Gate)> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        launcher.accepts(image)?;
        // The digest of a file is computed only now: lists and pages do without.
        let image = &self.evidence.pinned(cx, image.clone()).await?;
        let what = format!("plan on {backend}");
        let (rules, name) = (Rules(&self.config.forms), launcher.name());
        let (is_ruled, mut answers) = (rules.say_something_of(name), answers.clone());
        let demands = self.evidence.may_demand_isolation() && !answers.0.contains_key(isolation::KEY);
        let form = if is_ruled || demands { cx.run(&what, launcher.form(cx, image)).await? } else { Form::default() };
        if demands {
            let judged = self.evidence.judged_by_what_is_there(image).await;
            let mut form = rules.whole(name, form.clone())?;
            form.demand(self.evidence.least_isolation(image, &judged, form.privileged));
            let asked = form.field(isolation::KEY).map(|field| (field.key.to_owned(), field.default.clone()));
            answers.0.extend(asked);
        }
        if is_ruled {
            answers = rules.answers(name, form.clone(), &answers)?;
        }
        let mut plan = cx.run(&what, launcher.plan(cx, image, &answers)).await?;
        if is_ruled {
            rules.planned(name, form, &plan.answers)?;
        }
        let launch = LaunchFacts { privileged: plan.privileged, isolation: plan.isolation };
        let gate = self.evidence.gate_for(image, &self.evidence.judged_by_what_is_there(image).await, launch);
        plan.risks.push(Evidence::risk(&gate));
        self.locks.tell_in(&mut plan, image).await;
        Ok((plan, gate))
    }

    /// Fails where the configuration's rules do not let a plan pass that was made before.
    ///
    /// # Errors
    /// `Usage` with the place of the rule; those of the image's source and of the backend.
    pub async fn still_fits(&self, cx: &Context, plan: &Plan) -> Result<()> {
        let rules = Rules(&self.config.forms);
        if !rules.say_something_of(&plan.backend) {
            return Ok(());
        }
        let image = self.sources.image(cx, &plan.image.reference, plan.image.platform.as_ref()).await?;
        let launcher = self.launcher(Some(&plan.backend), Some(&image))?;
        let form = cx.run(&format!("ask {}", plan.backend), launcher.form(cx, &image)).await?;
        rules.planned(&plan.backend, form, &plan.answers)
    }

    /// Prepares an image for a script that a plan has shown, which somebody else sends; the policy decides as about a
    /// launch. `folder` is where the script is.
    pub async fn prepare(
        &self,
        cx: &Context,
        backend: &str,
        image: &Image,
        folder: &Path,
        because: Option<&str>,
    ) -> Result<()> {
        let launcher = self.launcher(Some(backend), Some(image))?;
        let what = format!("prepare {} on {backend}", image.reference);
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let entry = self.journal.open_entry("prepare", format!("{} on {backend}", image.reference));
        entry.set_digest(&pinned.digest);
        let preparing = async {
            let form = cx.run(&what, launcher.form(cx, image)).await?;
            let launch = LaunchFacts { privileged: form.privileged, isolation: form.isolation_of(&Answers::default()) };
            entry.set_verdict(self.evidence.admit(cx, &what, image, Some(launch), because).await?.describe());
            let supply = self.supply(&pinned).await?;
            cx.unless_cancelled(&what, launcher.prepare(cx, folder, &supply)).await
        };
        self.journal.recorded_as(&entry, preparing).await
    }

    /// Where the bytes of a pinned image are.
    async fn supply(&self, image: &Pinned) -> Result<Supply> {
        let source = self.sources.source(&image.reference)?;
        let credentials = source.catalog.credentials(&image.reference).await;
        let (content, disks) = (source.content.clone(), source.disks.clone());
        Ok(Supply { image: image.clone(), content, disks, credentials, known: KnownAttachments::default() })
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
            let verdict = self.evidence.gate(cx, plan, because).await?.describe();
            entry.set_verdict(verdict.clone());
            let supply = self.supply(image).await?;
            let what = format!("launch on {}", plan.backend);
            let record = self.begun(plan, &verdict).await;
            let launched = cx.unless_cancelled(&what, launcher.launch(cx, plan, &supply)).await;
            self.ended(record, &launched).await;
            let workload = launched?;
            // Later entries about the workload name its id.
            entry.add_to_subject(&format!(": {} ({})", workload.name, workload.id));
            Ok(workload)
        };
        let workload = self.journal.recorded_as(&entry, launching).await?;
        let place = format!("{}/{}", workload.backend, workload.name);
        self.uses.remember(UseKind::Launched, &image.reference, &image.digest, &place).await;
        Ok(workload)
    }

    /// Waits for a moment for what backends do in the background: a command has told its answer.
    pub async fn settle(&self) {
        futures_util::future::join_all(self.launchers.iter().map(|launcher| launcher.settle())).await;
    }

    /// The questions to every backend whether it works, in their order.
    pub(super) fn health_questions<'a>(&'a self, cx: &'a Context) -> Vec<BoxFuture<'a, HealthAnswer>> {
        let question = |launcher: &'a Arc<dyn Launcher>| {
            ask(cx, (launcher.name().to_owned(), BACKEND), launcher.health(cx)).boxed()
        };
        self.launchers.iter().map(question).collect()
    }
}
