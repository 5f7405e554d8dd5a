//! Planning a job: the answers are checked against what the cluster allows, and become a batch script.

use std::path::PathBuf;

use rustix::fs::{StatVfsMountFlags, statvfs};

use super::{
    check::{self, Fate},
    cluster::Slurm,
    facts::Need,
    form,
    inside::{self, Offer},
    job::{After, Job},
    queue::Row,
    script,
    site::Site,
};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{Error, Kind, Result},
        text,
    },
    image::model::Image,
    launch::{
        form::Answers,
        isolation::Isolation,
        plan::{Plan, State, Step, key},
        questions,
    },
};

/// Answers that fit the cluster, and the job that they ask for.
struct Checked {
    site: Site,
    /// The name of the runtime.
    runtime: String,
    answers: Answers,
    job: Job,
}

impl Checked {
    fn new(site: Site, offers: &[Offer], given: &Answers, sends_script: bool, what: &str) -> Result<Self> {
        // Told before the form refuses it: why a partition that is there is not among the choices.
        check::partition(&site, given.get(form::key::PARTITION), what)?;
        let asked = form::form(&site, inside::sections(offers), sends_script).check(given)?;
        let (runtime, answers) = inside::chosen(offers, &form::form(&site, Vec::new(), sends_script), asked)?;
        let job = Job::from_answers(&answers)?;
        check::limits(&job, &site, what)?;
        Ok(Self { runtime: runtime.to_owned(), site, answers, job })
    }
}

impl Slurm {
    /// Exactly what would be done for a launch.
    pub(super) async fn plan(&self, image: &Image, answers: &Answers) -> Result<Plan> {
        let what = format!("plan on {}", self.name);
        let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
        let Checked { site, runtime, answers, job } =
            Box::pin(self.checked(&self.offers(image)?, answers, &what)).await?;
        let runtime = self.runtime_called(&runtime, &what)?;
        self.may_begin_after(&job.after, &what).await?;
        if let Some(output) = &job.output {
            if !tokio::fs::metadata(output).await.is_ok_and(|meta| meta.is_dir()) {
                let why =
                    format!("its output folder {} is not there: the job would end without a word", output.display());
                return Err(Error::usage(what, why).hint("make the folder, or leave the answer empty"));
            }
        }
        let mut described = runtime.describe(image, &answers).await?;
        let key = key();
        let folder = self.root.launch(&key)?;
        let prepared = folder.join(script::PROCESS);
        let mut reference = pinned.reference.to_string();
        if !reference.contains(pinned.digest.as_str()) {
            reference = format!("{reference} {}", pinned.digest);
        }
        let check = runtime.check(&described.process, &prepared)?;
        if check.is_none() {
            self.may_run_what_is_unpacked(&what).await?;
        }
        let started = script::Started {
            key: &key,
            folder: &folder,
            image: &reference,
            runtime: runtime.name(),
            check: check.as_deref(),
            words: &runtime.argv(&prepared)?,
            process: &described.process,
        };
        let script = script::script(&job, &started)?;
        let layers = text::plural(image.layers.len() as u64, "layer", "layers");
        let file = folder.join(script::FILE).display().to_string();
        let by =
            ["launch", &pinned.reference.to_string(), "--on", &self.name, "--prepare", &folder.display().to_string()];
        let by = vec![Step::Wharf { arguments: by.map(str::to_owned).to_vec() }];
        let prepare = |by: Vec<Step>| Step::Prepare {
            what: format!("the image, {layers}"),
            to: format!("{}, once for all jobs", self.root.images().display()),
            bytes: Some(image.size),
            by,
        };
        let steps = match &self.rest {
            // The script is in what is sent, and in no file.
            Some(rest) => {
                let call = rest.call(&what, &job, &folder, &key, &script).await?;
                vec![prepare(Vec::new()), Step::Send(call)]
            }
            None => {
                let try_it =
                    (!check::surely_fits(&job, &site)).then(|| self.commands.step("sbatch", &["--test-only", &file]));
                let send_it = self.commands.step("sbatch", &["--parsable", &file]);
                let first = [Step::write(&file, script), prepare(by)];
                first.into_iter().chain(try_it).chain([send_it]).collect()
            }
        };
        // What the runtime says of memory is one line with what Slurm gives the job.
        let limit = questions::memory_limit(&answers, None);
        let before = described.risks.len();
        described.risks.retain(|risk| *risk != limit);
        let is_limited = described.risks.len() < before && job.memory.is_some();
        Ok(Plan {
            backend: self.name.clone(),
            image: pinned,
            steps,
            risks: check::risks(&job, &site, is_limited).into_iter().chain(described.risks).collect(),
            privileged: false,
            isolation: Isolation::SharedKernel,
            answers,
            idempotency_key: key,
        })
    }

    /// Fails if no program can be started from the folder where images are unpacked. A prepared file is mounted in a way of
    /// its own, which has the right.
    async fn may_run_what_is_unpacked(&self, what: &str) -> Result<()> {
        let images = self.root.images();
        let is_noexec = |folder: PathBuf| {
            let there = folder.ancestors().find(|above| above.exists());
            there
                .and_then(|above| statvfs(above).ok())
                .is_some_and(|told| told.f_flag.contains(StatVfsMountFlags::NOEXEC))
        };
        let folder = images.clone();
        if !blocking(move || is_noexec(folder)).await.unwrap_or_default() {
            return Ok(());
        }
        let why = format!("no program can be started from {}: it is mounted with noexec", images.display());
        Err(Error::unsupported(what, why)
            .hint("set folder of this backend to one on another file system that all nodes share"))
    }

    /// The answers as the cluster takes them. What is refused by facts that were kept is checked again by new ones.
    async fn checked(&self, offers: &[Offer], given: &Answers, what: &str) -> Result<Checked> {
        let seen = self.facts.seen(Need::Limits, what).await?;
        let (is_new, sends_script) = (seen.is_new(), self.rest.is_none());
        match Checked::new(seen.site, offers, given, sends_script, what) {
            Err(error) if error.kind == Kind::Usage && !is_new => {
                tracing::debug!(%error, "the cluster is asked again before this is refused");
                let site = self.facts.seen(Need::Anew, what).await?.site;
                Checked::new(site, offers, given, sends_script, what)
            }
            other => other,
        }
    }

    /// Refuses dependencies that can never come true. What cannot be learnt is left to Slurm.
    async fn may_begin_after(&self, after: &[After], what: &str) -> Result<()> {
        let mut ids: Vec<String> = after.iter().flat_map(|one| one.jobs.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        ids.sort();
        ids.dedup();
        let (Ok(queue), Ok(accounts)) = (self.jobs_of_all(what, &ids).await, self.accounts(what, &ids).await) else {
            return Ok(());
        };
        let rows: Vec<Row> = queue.into_iter().chain(accounts).collect();
        let fate = |id: &str| {
            let of: Vec<&Row> = rows.iter().filter(|row| row.whole == id || row.id == id).collect();
            let ended = |good: bool| of.iter().any(|row| row.over && (row.state == State::Exited(0)) == good);
            match () {
                () if of.is_empty() && id.contains('_') => Fate::Open,
                () if of.is_empty() => Fate::Unknown,
                () if of.iter().any(|row| !row.over) => Fate::Open,
                () if ended(false) => Fate::Bad,
                () => Fate::Good,
            }
        };
        check::after(after, fate, what)
    }
}
