//! Sharing with a person: a signed link, by the site's mail. It gives no right to what it names.

use super::{Sharing, shared::ShareResult};
use crate::{
    base::{context::Context, error::Result, text},
    image::{
        model::{Image, Platform},
        reference::ImageRef,
    },
    sharing::offer::SharePlan,
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

    /// Sends a link to a person.
    pub(super) async fn send_to_person(
        &self,
        cx: &Context,
        image: &Image,
        platform: Option<&Platform>,
        (address, until): (&str, Option<i64>),
    ) -> Result<ShareResult> {
        let link = self.senders.link(cx, self.sources.link_to(image)?, platform, until).await?;
        self.senders.send(cx, &self.senders.letter(&link, image.kind, address)).await?;
        Ok(ShareResult::Sent { person: address.to_owned(), link: link.to_string() })
    }
}
