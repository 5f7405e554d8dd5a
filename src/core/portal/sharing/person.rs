//! Sharing with a person: a signed link, by the site's mail, or to be handed over by the sender. It gives no right to what it
//! names.

use super::{Sharing, shared::ShareResult};
use crate::{
    base::{context::Context, error::Result, text},
    image::{model::Platform, reference::ImageRef},
    sharing::{
        meant::{Meant, both},
        offer::SharePlan,
        receiver::Receiver,
    },
    transfer::copy::Options,
};

impl Sharing {
    /// How a person gets their link, in words.
    fn way_to_person(&self, reference: &ImageRef, to: &Receiver) -> Result<String> {
        let Receiver::Person(address) = to else {
            let name = person_called(to);
            return Ok(format!("show it to you: no mail address of {name} is known, so you hand it over"));
        };
        self.senders.way("mail", &format!("send a link to {reference}"))?;
        Ok(format!("send it to {address} by the site's mail"))
    }

    /// What sharing with a person would do.
    pub(super) async fn person_plan(
        &self,
        cx: &Context,
        reference: &ImageRef,
        platform: Option<&Platform>,
        (to, until): (&Receiver, Option<i64>),
    ) -> Result<SharePlan> {
        let sending = self.way_to_person(reference, to)?;
        let image = self.sources.image(cx, reference, platform).await?;
        let link = self.sources.link_to(&image)?;
        let end =
            until.map_or_else(|| "without an end".to_owned(), |end| format!("good until {}", text::timestamp(end)));
        let digest = link.digest().map_or("it", |digest| digest.short()).to_owned();
        Ok(SharePlan {
            steps: vec![format!("sign a link to {digest}, {end}"), sending],
            cost: "no bytes move".into(),
            rights: "none; it gives them none: they need their own to read it".into(),
            receiver: "opens the link: sees your name, the verdict, and launches it".into(),
        })
    }

    /// Makes a signed link for a person, and sends it where their mail address is known, if the policy lets the image pass.
    pub(super) async fn send_to_person(
        &self,
        cx: &Context,
        reference: &ImageRef,
        options: &Options,
        (to, until): (&Receiver, Option<i64>),
    ) -> Result<ShareResult> {
        self.way_to_person(reference, to)?;
        let platform = options.platforms.as_deref().and_then(<[Platform]>::first);
        let image = self.sources.image(cx, reference, platform).await?;
        let link = self.senders.signed_link(cx, self.sources.link_to(&image)?, platform, until).await?;
        let entry = self.journal.open_entry("send-link", format!("{link} to {}", person_called(to)));
        let sending = async {
            // The very image that the link is pinned to is judged, whatever the tag means by now.
            let pinned = image.pinned.as_ref().map_or(reference, |pinned| &pinned.reference);
            self.evidence.admit_copy(cx, &entry, (pinned, pinned), options).await?;
            match to {
                Receiver::Person(address) => {
                    self.senders.deliver(cx, &self.senders.letter(&link, image.kind, address)).await
                }
                _ => Ok(()),
            }
        };
        self.journal.recorded_as(&entry, sending).await?;
        let (person, link) = (person_called(to), link.to_string());
        Ok(match to {
            Receiver::Person(_) => ShareResult::Sent { person, link },
            _ => ShareResult::Handed { person, link },
        })
    }

    /// The receiver that somebody has typed: a contact by name or key, a mail address of a person, else a project. What looks
    /// like an address may be a project of the cloud all the same.
    ///
    /// # Errors
    /// `Usage` where a contact and a project have the same name, `NotFound` where a contact is meant that there is not; those
    /// of reading the contacts.
    pub async fn receiver(&self, cx: &Context, reference: &ImageRef, typed: &str) -> Result<Receiver> {
        match Meant::typed(typed, &self.senders.contacts().await?)? {
            Meant::Called { name, contact } => {
                if self.may_be_project(cx, reference, &name).await {
                    return Err(both(&name));
                }
                Ok(contact)
            }
            Meant::One(Receiver::Person(address)) if self.is_project(cx, reference, &address).await => {
                Ok(Receiver::Project(address))
            }
            Meant::One(receiver) => Ok(receiver),
        }
    }

    /// Whether there may be a project of this name: registries do not tell which they have.
    async fn may_be_project(&self, cx: &Context, reference: &ImageRef, name: &str) -> bool {
        Self::destination(reference, name, None).is_ok() || self.is_project(cx, reference, name).await
    }

    /// Whether the cloud of an image has a project of this name, as far as it tells.
    async fn is_project(&self, cx: &Context, reference: &ImageRef, name: &str) -> bool {
        let Ok(source) = self.sources.source(reference) else { return false };
        if source.sharer.is_none() {
            return false;
        }
        let projects = self.projects(cx, &source.name).await.unwrap_or_default();
        projects.iter().any(|project| project.name == name)
    }
}

/// What a person is called: their address, or the name of the contact.
fn person_called(to: &Receiver) -> String {
    match to {
        Receiver::Person(called) | Receiver::Contact(called) => called.clone(),
        other => other.to_string(),
    }
}
