//! Tagging and removing images on the screens: what a removal would do is found out and shown before it is asked for.

use crate::{
    msg::{Effect, ImageEffect, ImageTarget},
    popups::{Ask, Popup, removing::Removing},
    state::State,
};
use wharf_core::{
    base::{error::Result, text},
    image::reference::ImageRef,
    ports::upkeep::Removal,
};

/// Asks for a new tag of an image; images of clouds and files are told to have none.
pub fn tag(state: &mut State, target: ImageTarget) -> Vec<Effect> {
    if let ImageTarget::Reference(reference) = &target
        && reference.name().is_none()
    {
        state.say(format!("only images of registries and engines have tags: {} has none", reference.title()));
        return Vec::new();
    }
    state.popups.push(Popup::line(format!("Another tag of {}", target.label()), Ask::Tag(target)));
    Vec::new()
}

/// The new tag was typed: sets it, as a job.
pub fn tagged(state: &mut State, target: ImageTarget, new: String) -> Vec<Effect> {
    let job = state.job(format!("tag {} as {new}", target.label()));
    changes(state, job, &target);
    vec![Effect::Image(ImageEffect::Tag { job, target, new })]
}

/// Opens the popup of a removal and finds out what removing these images would do.
pub fn remove(state: &mut State, targets: Vec<ImageTarget>) -> Vec<Effect> {
    if targets.is_empty() {
        return Vec::new();
    }
    state.popups.push(Popup::Removing(Box::new(Removing::new(targets.clone()))));
    vec![Effect::Image(ImageEffect::Removals(targets))]
}

/// Hands what a removal would do to the popup that was opened for exactly these images.
pub fn removals_described(state: &mut State, targets: &[ImageTarget], answers: Vec<Result<Removal>>) {
    let waiting = state.popups.news().rev().find_map(|popup| match popup {
        Popup::Removing(removing) if removing.targets == targets && removing.told.is_none() => Some(removing),
        _ => None,
    });
    if let Some(removing) = waiting {
        removing.show_answers(answers);
    }
}

/// The person agreed: removes the images, as one job.
pub fn removal_confirmed(state: &mut State, removals: Vec<Removal>) -> Vec<Effect> {
    let words = match removals.as_slice() {
        [one] => format!("remove {}", one.reference.title()),
        many => format!("remove {}", text::plural(many.len() as u64, "image", "images")),
    };
    let job = state.job(words);
    for removal in &removals {
        changes(state, job, &ImageTarget::Reference(removal.reference.clone()));
    }
    state.catalog.marked.clear();
    vec![Effect::Image(ImageEffect::RemoveImages { job, removals })]
}

/// Notes that this job changes what the source of the image lists, so that the list is read again when it has ended.
fn changes(state: &mut State, job: u64, target: &ImageTarget) {
    let of = |reference: &ImageRef| {
        let named = match reference {
            ImageRef::Oci(name) | ImageRef::Engine(name) => name.host.clone(),
            ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. } => cloud.clone(),
            ImageRef::Other(name) => name.place().to_owned(),
            ImageRef::File { .. } => return None,
        };
        state
            .sources
            .iter()
            .find(|source| source.name == named || source.registry() == Some(named.as_str()))
            .map(|source| source.name.clone())
    };
    let source = match target {
        ImageTarget::Row { source, .. } => Some(source.clone()),
        ImageTarget::Reference(reference) => of(reference),
    };
    if let Some(change) = source.map(|source| (job, source)).filter(|change| !state.changing.contains(change)) {
        state.changing.push(change);
    }
}
