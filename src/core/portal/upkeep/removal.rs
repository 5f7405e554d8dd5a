//! Removing an image: shown first, then exactly that.

use std::sync::Arc;

use super::Upkeep;
use crate::ports::upkeep::{Removal, Removed};
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
    ports,
};

impl Upkeep {
    /// What removing these images one after the other would do. Changes nothing.
    pub async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>> {
        let mut told: Vec<Option<Result<Removal>>> = Vec::new();
        // References into one source are looked up together.
        let mut places: Vec<(String, Arc<dyn ports::Upkeep>, Vec<usize>)> = Vec::new();
        for (at, reference) in references.iter().enumerate() {
            match self.place_of_removal(reference) {
                Err(error) => told.push(Some(Err(error))),
                Ok((place, upkeep)) => {
                    told.push(None);
                    match places.iter_mut().find(|(known, ..)| *known == place) {
                        Some((_, _, all)) => all.push(at),
                        None => places.push((place, upkeep, vec![at])),
                    }
                }
            }
        }
        for (_, upkeep, all) in places {
            let asked: Vec<ImageRef> = all.iter().filter_map(|at| references.get(*at).cloned()).collect();
            let answers = upkeep.removals(cx, &asked).await;
            for (at, answer) in all.into_iter().zip(answers) {
                if let Some(place) = told.get_mut(at) {
                    *place = Some(answer.map(|removal| self.with_admission(removal)));
                }
            }
        }
        let unasked = || Error::failed("remove images", "one of them was not looked at");
        told.into_iter().map(|one| one.unwrap_or_else(|| Err(unasked()))).collect()
    }

    fn place_of_removal(&self, reference: &ImageRef) -> Result<(String, Arc<dyn ports::Upkeep>)> {
        let what = format!("remove {reference}");
        if reference.name().is_some_and(|name| name.tag.is_none() && name.digest.is_none()) {
            return Err(Error::usage(what, "it names all versions at once").hint(
                "name one by :tag, or an image with all its tags by @sha256:…; wharf prune clears out old ones",
            ));
        }
        let upkeep = self.port(reference, &what)?;
        Ok((self.sources.source(reference)?.name, upkeep))
    }

    fn with_admission(&self, mut removal: Removal) -> Removal {
        if removal.reference.name().is_some_and(|name| self.config.requests.admits_into(name)) {
            removal.along.push("its admission: the site let everybody launch it by this name".to_owned());
        }
        removal
    }

    /// Removes what was shown, one after the other; a failure does not stop the others. What is gone counts as removed;
    /// where the removal would do anything else than was shown, nothing is removed.
    pub async fn remove_images(&self, cx: &Context, told: &[Removal]) -> Vec<Result<Removed>> {
        let references: Vec<ImageRef> = told.iter().map(|one| one.reference.clone()).collect();
        let now = self.removals(cx, &references).await;
        let mut done = Vec::new();
        for (told, now) in told.iter().zip(now) {
            let mut entry = self.journal.entry("remove-image", told.reference.to_string());
            entry.digest.clone_from(&told.digest);
            done.push(self.journal.recorded(entry, self.remove_as_told(cx, told, now)).await);
        }
        done
    }

    /// Removes a copy that this person has made; what is gone counts as removed. `false`, if its name means another image
    /// than that of this digest: nothing is removed then.
    pub async fn remove_copy(&self, cx: &Context, copy: &ImageRef, digest: &Digest) -> Result<bool> {
        let what = format!("remove {copy}");
        match self.removals(cx, std::slice::from_ref(copy)).await.pop() {
            Some(Ok(removal)) if removal.digest.as_ref() == Some(digest) => {
                let done = self.remove_images(cx, &[removal]).await.pop();
                done.unwrap_or_else(|| Err(Error::failed(what, "it was not looked at"))).map(|_| true)
            }
            Some(Ok(_)) => Ok(false),
            Some(Err(error)) if error.kind == Kind::NotFound => Ok(true),
            Some(Err(error)) => Err(error),
            None => Err(Error::failed(what, "it was not looked at")),
        }
    }

    /// Removes exactly what was shown, if the new computation `now` is the same.
    async fn remove_as_told(&self, cx: &Context, told: &Removal, now: Result<Removal>) -> Result<Removed> {
        let what = format!("remove {}", told.reference);
        match now {
            Ok(now) if now == *told => {}
            Ok(_) => {
                return Err(Error::failed(what, "it has changed since you were told what goes: nothing was removed")
                    .hint("look at it again, then remove it"));
            }
            Err(error) if error.kind == Kind::NotFound => return Ok(Removed::Gone),
            Err(error) => return Err(error),
        }
        let upkeep = self.port(&told.reference, &what)?;
        for (done, one) in told.removes.iter().enumerate() {
            if let Err(error) = cx.unless_cancelled(&what, upkeep.remove(cx, one)).await {
                let left: Vec<String> = told.removes.iter().skip(done).map(ToString::to_string).collect();
                let why =
                    if done == 0 { error.why } else { format!("{}; not removed: {}", error.why, left.join(", ")) };
                return Err(Error { what, why, ..error });
            }
        }
        Ok(Removed::Removed)
    }
}
