//! Presets: answers under a name, from the configuration and from launches of this person.

use super::Launches;
use crate::{
    base::{
        blocking::blocking,
        error::{During, Result},
    },
    image::reference::ImageRef,
    launch::{
        form::Form,
        preset::{self, Preset},
        room::OfferedPreset,
    },
};

impl Launches {
    /// All presets: this person's own, then those of the configuration whose names are not taken.
    ///
    /// # Errors
    /// Where those that are kept cannot be read.
    pub async fn presets(&self) -> Result<Vec<Preset>> {
        let ledger = self.ledger.clone();
        let mut all = blocking(move || ledger.presets()).await.during("read the presets")??;
        let of_files = self.config.presets.iter().filter(|one| !all.iter().any(|known| known.name == one.name));
        let of_files: Vec<Preset> = of_files.cloned().collect();
        all.extend(of_files);
        Ok(all)
    }

    /// The preset of this name, for this image.
    ///
    /// # Errors
    /// `NotFound` where there is none, `Usage` where it is for other images.
    pub async fn preset(&self, name: &str, image: &ImageRef) -> Result<Preset> {
        preset::named(&self.presets().await?, name, image).cloned()
    }

    /// Keeps a preset for this person, in place of the one with the same name.
    ///
    /// # Errors
    /// `Usage` for a preset without a name or answers; and where it cannot be written.
    pub async fn keep_preset(&self, preset: Preset) -> Result<()> {
        let what = format!("keep the preset '{}'", preset.name);
        preset::keepable(&preset.name, &preset.answers())?;
        let ledger = self.ledger.clone();
        blocking(move || ledger.keep_preset(&preset)).await.during(what)?
    }

    /// The presets that a form offers, the answers of the last launch first. What cannot be read is left out.
    pub(super) async fn offered_presets(&self, image: &ImageRef, backend: &str, form: &Form) -> Vec<OfferedPreset> {
        let launches = self.kept().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the answers of the last launch are not offered");
            Vec::new()
        });
        let all = self.presets().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "presets are not offered");
            Vec::new()
        });
        let fits = all.into_iter().filter(|preset| preset.fits(image, backend));
        let given = fits.map(|preset| OfferedPreset { answers: preset.answers().0, name: preset.name });
        Preset::last_time(&launches, image, backend, form).into_iter().chain(given).collect()
    }
}
