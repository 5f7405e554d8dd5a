//! Carrying out effects about launches and workloads.

use std::{fs::OpenOptions, io::Write, os::unix::fs::OpenOptionsExt, path::PathBuf, time::Duration};

use futures_util::{StreamExt, TryStreamExt};

use super::{Jobs, describing, effects::GLANCE, following, post::Post};
use crate::msg::{EarlierLaunch, LockWish, RunEffect, RunNews, Slot};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Result},
        text,
    },
    image::model::Image,
    launch::{ledger::LaunchAgain, logs::LogRange, plan::Workload, usage::WorkloadId},
    portal::Portal,
};

/// The time between two measurements of the workload whose page is shown.
const WATCH: Duration = Duration::from_secs(2);
/// The time between two measurements of several shown workloads, and that before the second one.
const MEASURE: Duration = Duration::from_secs(5);
const SOON: Duration = Duration::from_secs(1);

impl Jobs {
    /// Starts an effect about launches and workloads.
    pub(super) fn start_running(&mut self, effect: RunEffect) {
        let portal = self.portal.clone();
        match effect {
            RunEffect::Form { backend, image, lock } => self.read(Slot::Form, move |post| async move {
                let Some(image) = to_launch(&portal, image, lock, &post).await else { return };
                let form = portal.launches.form(&Context::default(), &backend, &image).await;
                post.send(RunNews::Form(form.map(|form| (backend, form)))).await;
            }),
            RunEffect::Plan { backend, image, answers } => self.read(Slot::Plan, move |post| async move {
                let plan = match portal.launches.gated_plan(&Context::default(), &backend, &image, &answers).await {
                    Ok((plan, gate)) => {
                        // What the gate's line says and what the plan's risks say come from one answer.
                        post.send(RunNews::Gate(plan.backend.clone(), Box::new(gate))).await;
                        Ok(plan)
                    }
                    Err(error) => Err(error),
                };
                post.send(RunNews::Plan(Box::new(plan))).await;
            }),
            RunEffect::Launches => self.read(Slot::Again, move |post| async move {
                post.send(RunNews::Launches(portal.launches.kept().await)).await;
            }),
            RunEffect::Again(of) => self.read(Slot::Again, move |post| async move {
                post.send(RunNews::Again(Box::new(again(&portal, of).await))).await;
            }),
            RunEffect::Follow(backends) => {
                let at_once = self.at_once.begin(backends);
                self.read(Slot::Workloads, move |post| async move { following::lists(&portal, at_once, &post).await });
            }
            RunEffect::Workloads => self.at_once.all(),
            RunEffect::Logs { backend, id, times } => self.read(Slot::Logs, move |post| async move {
                let ended = follow(&portal, &backend, &id, times, &post).await;
                post.send(RunNews::LogEnd(ended)).await;
            }),
            RunEffect::Describe(workload) => {
                self.read(
                    Slot::Describe,
                    move |post| async move { describing::describe(&portal, workload, &post).await },
                );
            }
            RunEffect::Usage(of) => {
                self.read(Slot::Usage, move |post| async move { measure(&portal, of, &post).await })
            }
            RunEffect::Terminal { backend, id, command, size } => self.terminal(backend, id, command, size),
            RunEffect::Edit { plan, size } => self.edit(plan, size),
            RunEffect::Type(bytes) => {
                if let Some(keys) = &self.keys {
                    let _ = keys.try_send(bytes);
                }
            }
            RunEffect::Resize(columns, rows) => {
                if let Some(sizes) = &self.sizes {
                    let _ = sizes.try_send((columns, rows));
                }
            }
            RunEffect::Launch { job, plan } => self.change(job, plan.backend.clone(), move |cx| async move {
                let workload = portal.launches.launch(&cx, &plan, None).await?;
                Ok((format!("launched {} on {}", workload.name, workload.backend), Some(workload)))
            }),
            RunEffect::Finish { job, backend, key } => {
                self.change(job, backend, move |cx| async move { finish(&portal, &cx, &key).await });
            }
            RunEffect::SaveScript { job, name, text } => self.write(job, move |_| async move {
                let at = saved("the script", name, text, 0o700).await?;
                Ok((format!("the script is {}", at.display()), None))
            }),
            RunEffect::SaveOutput { job, name, lines, text } => self.write(job, move |_| async move {
                let at = saved("the output", name, text, 0o600).await?;
                let lines = text::plural(lines as u64, "line", "lines");
                Ok((format!("saved {lines} as {}", at.display()), None))
            }),
            RunEffect::Stop { job, workload } => self.change(job, workload.id().0.clone(), move |cx| async move {
                let (backend, id) = workload.id();
                portal.launches.stop(&cx, backend, id).await?;
                Ok((format!("stopped {}", workload.called()), None))
            }),
            RunEffect::Start { job, workload, again } => {
                self.change(job, workload.id().0.clone(), move |cx| async move {
                    let (backend, id) = workload.id();
                    portal.launches.start(&cx, backend, id, again).await?;
                    Ok((format!("{} {}", if again { "restarted" } else { "started" }, workload.called()), None))
                })
            }
            RunEffect::Snapshot { job, workload, name, to } => self.write(job, move |cx| async move {
                let (backend, id) = workload.id();
                let (image, shares) = portal.sharing.snapshot(&cx, backend, id, &name, &to).await?;
                let (done, failed): (Vec<_>, Vec<_>) = shares.into_iter().partition(Result::is_ok);
                match failed.into_iter().find_map(Result::err) {
                    // The snapshot exists although sharing failed: the same command again shares it with those that are
                    // left.
                    Some(error) => Err(error.during(format!("{image} is made, and shared with {}", done.len()))),
                    None if to.is_empty() => Ok((format!("{name} is {image}"), None)),
                    None => Ok((format!("{name} is {image}, shared with {}", done.len()), None)),
                }
            }),
            RunEffect::Remove { job, workload } => self.change(job, workload.id().0.clone(), move |cx| async move {
                let (backend, id) = workload.id();
                portal.launches.remove(&cx, backend, id).await?;
                Ok((format!("removed {}", workload.called()), None))
            }),
        }
    }
}

impl Jobs {
    /// A write that changes what a backend lists: its list is asked for as soon as the write has ended.
    fn change<F>(&mut self, job: u64, backend: String, work: impl FnOnce(Context) -> F + Send + 'static)
    where
        F: Future<Output = Result<(String, Option<Workload>)>> + Send + 'static,
    {
        let at_once = self.at_once.clone();
        self.write(job, move |cx| async move {
            let done = work(cx).await;
            // A write that failed may have changed something, too.
            at_once.one(&backend);
            done
        });
    }
}

/// Carries out a plan once more of which nobody knows what it made, unless its end is known by now.
async fn finish(portal: &Portal, cx: &Context, key: &str) -> Result<(String, Option<Workload>)> {
    let record = portal.launches.kept_launch(key).await?;
    if !record.is_open() {
        return Ok((format!("its end is known by now: {}", clean::line(&record.outcome_words())), None));
    }
    portal.launches.still_fits(cx, &record.plan).await?;
    let workload = portal.launches.launch(cx, &record.plan, None).await?;
    Ok((format!("{} is there on {}", workload.name, workload.backend), Some(workload)))
}

/// The image whose form is asked for: with `lock` that which the lock file of this folder names in its place, which is told.
/// `None` where it cannot be had, which is told, too.
async fn to_launch(portal: &Portal, image: Box<Image>, lock: Option<LockWish>, post: &Post) -> Option<Box<Image>> {
    let Some(LockWish { platform }) = lock else { return Some(image) };
    let locked = async {
        let platform = platform.map(|platform| platform.parse()).transpose()?;
        portal.catalog.locked_here(&Context::default(), &image.reference, platform.as_ref()).await
    };
    let locked = locked.await;
    let chosen = match &locked {
        Ok(Some(here)) => Some(Box::new(here.image.clone())),
        Ok(None) => Some(image),
        Err(_) => None,
    };
    post.send(RunNews::Locked(Box::new(locked))).await;
    chosen
}

/// What is needed to launch something again.
async fn again(portal: &Portal, of: EarlierLaunch) -> Result<LaunchAgain> {
    let record = match of {
        EarlierLaunch::Of((backend, id)) => portal.launches.launch_of(&backend, &id).await?,
        EarlierLaunch::Key(key) => portal.launches.kept_launch(&key).await?,
    };
    portal.launches.again(&Context::default(), record).await
}

/// Writes a text into a file that did not exist, with these rights; gives its path. `called` is the text in words.
async fn saved(called: &'static str, name: String, text: String, rights: u32) -> Result<PathBuf> {
    let write = move || {
        let at = std::path::absolute(name).during("find the folder that Wharf was started in")?;
        let what = format!("save {called} as {}", at.display());
        let file = OpenOptions::new().write(true).create_new(true).mode(rights).open(&at);
        file.and_then(|mut file| file.write_all(text.as_bytes())).during(what)?;
        Ok(at)
    };
    blocking(write).await.during(format!("save {called}"))?
}

/// Measures workloads repeatedly until none of them gives readings. The second reading follows soon after the first,
/// because the use of processors is computed between two readings.
async fn measure(portal: &Portal, mut of: Vec<WorkloadId>, post: &Post) {
    // Workloads that are only scrolled past are not measured.
    tokio::time::sleep(GLANCE).await;
    let alone = of.len() == 1;
    let mut pause = SOON;
    while !of.is_empty() {
        let mut answers = std::pin::pin!(portal.launches.measure(std::mem::take(&mut of)));
        while let Some((id, told)) = answers.next().await {
            if !matches!(told, Ok(None)) {
                of.push(id.clone());
            }
            post.send(RunNews::Usage(id, told)).await;
        }
        tokio::time::sleep(pause).await;
        pause = if alone { WATCH } else { MEASURE };
    }
}

async fn follow(portal: &Portal, backend: &str, id: &str, times: bool, post: &Post) -> Result<()> {
    let wanted = LogRange { times, ..LogRange::following() };
    let mut stream = portal.launches.logs(&Context::default(), backend, id, wanted).await?;
    while let Some(bytes) = stream.try_next().await? {
        post.send(RunNews::Log(bytes)).await;
    }
    Ok(())
}
