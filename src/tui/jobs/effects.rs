//! Carrying out effects through the portal, as the command line does. Each subject has a file of its own.

use std::{sync::Arc, time::Duration};

use futures_util::StreamExt;

use super::Jobs;
use crate::{
    kept::response_times::{self, ResponseTime},
    msg::{Effect, ImageTarget, Msg, Slot},
};
use wharf_core::{
    base::{
        blocking::blocking,
        context::Context,
        error::{Error, Result},
    },
    image::reference::ImageRef,
    portal::{Portal, sign_in::SignIn},
    transfer::copy::Options,
};

/// How long the shown rows or workloads must stay the same before details of them are fetched.
pub(super) const GLANCE: Duration = Duration::from_millis(150);
/// How long the selection must rest before what the store knows about its image is read.
pub(super) const REST: Duration = Duration::from_millis(120);
/// How long sources and backends have to say how they are.
pub(super) const ANSWER: Duration = Duration::from_secs(8);
/// How many rows are looked up at the same time.
pub(super) const LOOKS: usize = 6;

impl Jobs {
    /// The reference of a target. A row is resolved by its source's adapter; fails if the source is not known.
    pub fn resolve(&self, target: &ImageTarget) -> Result<ImageRef> {
        resolve(&self.portal, target)
    }

    /// Starts an effect and returns at once. Effects that only the loop can carry out are ignored.
    pub fn start(&mut self, effect: Effect) {
        let portal = self.portal.clone();
        match effect {
            Effect::List(effect) => self.start_lists(effect),
            Effect::Image(effect) => self.start_images(effect),
            Effect::Share(effect) => self.start_sharing(effect),
            Effect::Run(effect) => self.start_running(effect),
            Effect::Request(effect) => self.start_requests(effect),
            Effect::Source(effect) => self.start_sources(effect),
            Effect::Health => self.read(Slot::Health, move |post| async move {
                let cx = Context::default().with_deadline(ANSWER);
                // Each answer is shown as soon as it arrives.
                let health = async {
                    let mut answers = std::pin::pin!(portal.doctor.health_as_it_comes(&cx));
                    let sources = portal.sources.facts();
                    let is_source = |name: &str| sources.iter().any(|source| source.name == name);
                    while let Some(answer) = answers.next().await {
                        // Kept at once: nobody need wait for the slowest.
                        if let Some(time) = ResponseTime::that_counts(&answer, is_source) {
                            keep_response_time(&portal, time).await;
                        }
                        post.send(Msg::Health(answer)).await;
                    }
                };
                let checks = async { post.send(Msg::Checks(portal.doctor.checks().await)).await };
                tokio::join!(health, checks);
            }),
            Effect::Leave(slots) => {
                for slot in slots {
                    // A store that reports changes itself is listened to as long as the program runs.
                    if *slot != Slot::News || !portal.requests.is_notified_of_changes() {
                        self.end(*slot);
                    }
                }
            }
            Effect::SignIn { job, source } => {
                let asker = self.asker();
                self.write(job, move |cx| async move {
                    let wanted = SignIn { source, ..SignIn::default() };
                    let signed = portal.accounts.sign_in(&cx, Arc::new(asker), wanted).await?;
                    let kept = if signed.lasting { signed.store } else { "kept until Wharf ends".to_owned() };
                    Ok((format!("signed in to {} as {} · {kept}", signed.host, signed.account), None))
                });
            }
            Effect::Answer(id, answer) => self.questions.answer(id, answer),
            Effect::Transfer(transfer) => self.start_transfers(transfer),
            Effect::Cancel(job) => {
                if let Some(cancel) = self.writes.get(job.id()) {
                    cancel.cancel();
                }
            }
            // `update` has carried it out already.
            Effect::Go(_) => {}
            // These need the terminal: the loop in `tui` carries them out.
            Effect::Copy(_)
            | Effect::CopyReference(_)
            | Effect::Mouse(_)
            | Effect::Theme(_)
            | Effect::TryTheme(_)
            | Effect::CloseWelcome
            | Effect::KeepSwitches(_)
            | Effect::KeepView(..)
            | Effect::KeepFilter(_) => {}
        }
    }
}

/// The reference of a target. A row is resolved by its source's adapter.
pub(super) fn resolve(portal: &Portal, target: &ImageTarget) -> Result<ImageRef> {
    match target {
        ImageTarget::Reference(reference) => Ok(reference.clone()),
        ImageTarget::Row { source, name, tag } => portal.sources.row(source, name, tag.as_deref()),
    }
}

/// Copy options for one platform, or for all of them with `None`.
pub(super) fn options_for(platform: Option<String>) -> Result<Options> {
    let platforms = platform.map(|platform| Ok::<_, Error>(vec![platform.parse()?])).transpose()?;
    Ok(Options { platforms, ..Options::default() })
}

/// Keeps how long a source or backend took to answer, in the state folder if there is one.
async fn keep_response_time(portal: &Portal, time: ResponseTime) {
    let folder = portal.config().state_dir.clone();
    if folder.as_os_str().is_empty() {
        return;
    }
    let sources = portal.sources.facts().into_iter().map(|source| source.name);
    let names: Vec<String> = sources.chain(portal.launches.backends().into_iter().map(str::to_owned)).collect();
    match blocking(move || response_times::keep(&folder, &time, &names)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::info!(%error, "how long a source took to answer was not kept"),
        Err(error) => tracing::info!(%error, "how long a source took to answer was not kept"),
    }
}
