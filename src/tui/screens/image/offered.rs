//! The offer of the image that a link names: it is accepted where the link was opened.

use super::Page;
use crate::{
    kit::{action::Action, list::DrawnItem},
    model::Model,
    msg::{Effect, ShareEffect},
};
use wharf_core::{base::clean, image::reference::ImageRef, sharing::offer::Offer};

impl Page {
    /// Reads whether the image of the opened link is offered to this person: only clouds have offers.
    pub(super) fn reads_offers(&self, image: &ImageRef) -> Option<Effect> {
        let may_be = self.link.is_some() && matches!(image, ImageRef::Glance { .. });
        may_be.then_some(Effect::Share(ShareEffect::Offers))
    }

    /// Takes the offers of other projects, of which that of the link's image can be accepted here.
    pub fn offered(&mut self, offers: &[Offer]) {
        let image = self.image.as_ref().filter(|_| self.link.is_some());
        let found = image.and_then(|image| offers.iter().find(|offer| offer.is_of(&image.reference))).cloned();
        match (&mut self.offer, found) {
            (Some(shown), Some(offer)) => shown.set(offer),
            (shown, found) => *shown = found.map(DrawnItem::new),
        }
    }

    /// Who offers the image, in words; `None` where nobody does.
    pub(super) fn offer_words(&self) -> Option<String> {
        let offer = self.offer.as_ref()?;
        let from = clean::line(&offer.from.label()).into_owned();
        Some(format!("{from} offers it to your project: accepted, it is in your list"))
    }

    /// Accepts the offer, as a job.
    pub(super) fn accept(&self, model: &mut Model) -> Vec<Effect> {
        let Some(offer) = self.offer.as_ref() else { return Vec::new() };
        model.answer_offer(Action::Accept, &offer.source, offer.seen())
    }
}
