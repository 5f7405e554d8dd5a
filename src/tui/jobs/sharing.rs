//! Carrying out effects about shares and offers.

use futures_util::{StreamExt, stream};

use super::{
    Jobs,
    effects::{GLANCE, LOOKS, options_for, resolve},
    post::Post,
};
use crate::msg::{ShareEffect, ShareNews, Slot};
use wharf_core::{
    base::{context::Context, error::Error},
    image::model::Platform,
    portal::sharing::ShareResult,
};

impl Jobs {
    /// Starts an effect about shares and offers.
    pub(super) fn start_sharing(&mut self, effect: ShareEffect) {
        let portal = self.portal.clone();
        match effect {
            ShareEffect::Shares(reference) => self.read(Slot::Shares, move |post| async move {
                post.send(ShareNews::Shares(portal.sharing.shares(&Context::default(), &reference).await)).await;
            }),
            ShareEffect::Offers => self.read(Slot::Offers, move |post| async move {
                let (offers, failed) = portal.sharing.offers(&Context::default()).await;
                post.send(ShareNews::Offers(offers, failed)).await;
            }),
            ShareEffect::SharedByMe => self.read(Slot::SharedByMe, move |post| async move {
                post.send(ShareNews::SharedByMe(portal.sharing.shared_by_me(&Context::default()).await)).await;
            }),
            ShareEffect::Projects(source) => self.read(Slot::Projects, move |post| async move {
                let projects = portal.sharing.projects(&Context::default(), &source).await;
                post.send(ShareNews::Projects(source, projects)).await;
            }),
            ShareEffect::Contacts => self.read(Slot::Contacts, move |post| async move {
                post.send(ShareNews::Contacts(portal.senders.contacts().await)).await;
            }),
            ShareEffect::SharePlans(target, platform, to, terms) => {
                self.read(Slot::SharePlans, move |post| async move {
                    // Another mark soon after this one replaces the read before anybody was asked.
                    tokio::time::sleep(GLANCE).await;
                    let cx = Context::default();
                    let plans = async {
                        let at = &resolve(&portal, &target)?;
                        let platform = platform.as_deref().map(str::parse::<Platform>).transpose()?;
                        let platform = platform.as_ref();
                        let (portal, cx, terms) = (&portal, &cx, &terms);
                        let plans = to.clone().into_iter().map(|to| async move {
                            let plan = portal.sharing.share_plan(cx, at, platform, &to, terms).await;
                            (to, plan)
                        });
                        Ok(stream::iter(plans).buffered(LOOKS).collect::<Vec<_>>().await)
                    };
                    let failed = |error: Error| to.iter().map(|to| (to.clone(), Err(error.clone()))).collect();
                    let plans = plans.await.unwrap_or_else(failed);
                    post.send(ShareNews::SharePlans(target, plans)).await;
                })
            }
            ShareEffect::Holders(target) => self.read(Slot::Holders, move |post| async move {
                let holders = async {
                    let at = resolve(&portal, &target)?;
                    portal.sharing.shares(&Context::default(), &at).await
                };
                let holders = holders.await;
                post.send(ShareNews::Holders(target, holders)).await;
            }),
            ShareEffect::Give { job, target } => {
                let post = Post { out: self.out.clone(), read: None };
                self.write(job, move |cx| async move {
                    let given = portal.sharing.create_transfer(&cx, &resolve(&portal, &target)?).await?;
                    let words = format!("{} waits until its receiver accepts it with the key", given.title);
                    // The key is shown once on the screen and is stored nowhere.
                    post.send(ShareNews::Given(given)).await;
                    Ok((words, None))
                });
            }
            ShareEffect::Take { job, offer, key } => self.write(job, move |cx| async move {
                let volume = portal.sharing.accept_transfer(&cx, &offer, &key).await?;
                Ok((format!("{volume} is your project's now"), None))
            }),
            ShareEffect::Revoke { job, share } => self.write(job, move |cx| async move {
                portal.sharing.revoke(&cx, share.id()).await?;
                Ok((format!("took the share back from {}", share.called()), None))
            }),
            ShareEffect::AnswerOffer { job, offer, accept } => self.write(job, move |cx| async move {
                portal.sharing.answer_offer(&cx, offer.id(), accept).await?;
                let what = offer.called();
                let done = if accept {
                    format!("accepted {what}: it is in your list now")
                } else {
                    format!("rejected {what}")
                };
                Ok((done, None))
            }),
            ShareEffect::Share { job, target, platform, to, terms } => {
                let post = Post { out: self.out.clone(), read: None };
                self.write(job, move |cx| async move {
                    let at = resolve(&portal, &target)?;
                    let options = options_for(platform)?;
                    let shared = portal.sharing.share_to(&cx, &at, &to, &terms, &options).await?;
                    let words = format!("shared: {}", shared.describe());
                    if let ShareResult::Handed { person, link } = shared {
                        post.send(ShareNews::Handed(person, link)).await;
                    }
                    Ok((words, None))
                });
            }
        }
    }
}
