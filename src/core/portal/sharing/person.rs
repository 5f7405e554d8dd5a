//! Sharing with a person: a signed link, by the site's mail. It gives no right to what it names.

use super::{Sharing, shared::ShareResult};
use crate::{
    base::{context::Context, error::Result, text},
    image::{model::Platform, reference::ImageRef},
    sharing::{offer::SharePlan, receiver::Receiver},
    transfer::copy::Options,
};

impl Sharing {
    /// What sending a link to a person would do.
    pub(super) async fn person_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        (address, until): (&str, Option<i64>),
    ) -> Result<SharePlan> {
        let what = format!("send a link to {reference}");
        self.senders.way("mail", &what)?;
        let image = self.sources.image(cx, reference, platform).await?;
        let link = self.sources.link_to(&image)?;
        let end =
            until.map_or_else(|| "without an end".to_owned(), |end| format!("good until {}", text::timestamp(end)));
        let digest = link.digest().map_or("it", |digest| digest.short()).to_owned();
        Ok(SharePlan {
            steps: vec![format!("sign a link to {digest}, {end}"), format!("send it to {address} by the site's mail")],
            cost: "no bytes move".into(),
            rights: "none; it gives them none: they need their own to read it".into(),
            receiver: "opens the link: sees your name, the verdict, and launches it".into(),
        })
    }

    /// Sends a signed link to a person, if the policy lets the image pass.
    pub(super) async fn send_to_person(
        &self,
        cx: &Context,
        reference: &ImageRef,
        options: &Options,
        (address, until): (&str, Option<i64>),
    ) -> Result<ShareResult> {
        self.senders.way("mail", &format!("send a link to {reference}"))?;
        let platform = options.platforms.as_deref().and_then(<[Platform]>::first);
        let image = self.sources.image(cx, reference, platform).await?;
        let link = self.senders.signed_link(cx, self.sources.link_to(&image)?, platform, until).await?;
        let entry = self.journal.open_entry("send-link", format!("{link} to {address}"));
        let sending = async {
            // The very image that the link is pinned to is judged, whatever the tag means by now.
            let pinned = image.pinned.as_ref().map_or(reference, |pinned| &pinned.reference);
            self.evidence.admit_copy(cx, &entry, (pinned, pinned), options).await?;
            self.senders.deliver(cx, &self.senders.letter(&link, image.kind, address)).await
        };
        self.journal.recorded_as(&entry, sending).await?;
        Ok(ShareResult::Sent { person: address.to_owned(), link: link.to_string() })
    }

    /// The receiver that somebody has typed: a mail address is a person, unless the cloud has a project of that name.
    pub async fn receiver(&self, cx: &Context, reference: &ImageRef, typed: &str) -> Receiver {
        let receiver = Receiver::typed(typed);
        let (Receiver::Person(address), Ok(source)) = (&receiver, self.sources.source(reference)) else {
            return receiver;
        };
        let projects = match &source.sharer {
            Some(_) => self.projects(cx, &source.name).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let is_project = projects.iter().any(|project| project.name == *address);
        if is_project { Receiver::Project(address.clone()) } else { receiver }
    }
}
