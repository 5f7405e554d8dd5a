//! The images of registries that were described just before, by their digests.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use crate::image::{
    model::{Image, Pinned},
    reference::ImageRef,
};

/// How long an image is remembered: somebody may take away the right to read it.
const REMEMBERED: Duration = Duration::from_secs(60);
/// How many images are remembered.
const MOST: usize = 16;

/// Images with the time at which they were described, the newest last.
#[derive(Default)]
pub(super) struct Described(Mutex<VecDeque<(Instant, Image)>>);

impl Described {
    /// Remembers an image, if its digest says all about it: that of an engine or a file can get other facts.
    pub(super) fn remember(&self, image: &Image) {
        let Some(pinned) = image.pinned.as_ref().filter(|pinned| is_content(pinned)) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(at, known)| at.elapsed() < REMEMBERED && known.pinned.as_ref() != Some(pinned));
        all.push_back((Instant::now(), image.clone()));
        if all.len() > MOST {
            all.pop_front();
        }
    }

    /// The image of exactly this digest, platform and place, if it was described just before.
    pub(super) fn recall(&self, pinned: &Pinned) -> Option<Image> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |(at, known): &&(Instant, Image)| at.elapsed() < REMEMBERED && known.pinned.as_ref() == Some(pinned);
        all.iter().find(is_it).map(|(_, image)| image.clone())
    }
}

fn is_content(pinned: &Pinned) -> bool {
    matches!(&pinned.reference, ImageRef::Oci(name) if name.digest.as_ref() == Some(&pinned.digest))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        base::{badge::Publisher, digest::Digest},
        image::model::{ImageKind, RunConfig},
    };

    fn image(reference: &str, bytes: &[u8]) -> Image {
        let digest = Digest::of(bytes);
        let reference: ImageRef = reference.parse().unwrap();
        let pinned =
            Pinned { reference: reference.with_digest(&digest), manifest: digest.clone(), digest, platform: None };
        Image {
            reference,
            kind: ImageKind::Container,
            pinned: Some(pinned),
            media_type: String::new(),
            created: None,
            platforms: Vec::new(),
            config: RunConfig::default(),
            annotations: BTreeMap::new(),
            layers: Vec::new(),
            history: Vec::new(),
            size: 0,
            disk: None,
            signed: None,
            statement: None,
            artifact: None,
            publisher: Publisher::Unknown,
        }
    }

    #[test]
    fn an_image_is_recalled_by_its_digest_and_place() {
        let described = Described::default();
        let one = image("oci://host.example/a:1", b"one");
        described.remember(&one);
        let pinned = one.pinned.clone().unwrap();
        assert!(described.recall(&pinned).is_some());
        let elsewhere = image("oci://other.example/a:1", b"one").pinned.unwrap();
        assert!(described.recall(&elsewhere).is_none());
        let other = Pinned { manifest: Digest::of(b"other"), ..pinned };
        assert!(described.recall(&other).is_none());
    }

    #[test]
    fn only_the_last_images_of_registries_are_remembered() {
        let described = Described::default();
        let first = image("oci://host.example/a:1", b"first");
        described.remember(&first);
        for number in 0..MOST {
            described.remember(&image("oci://host.example/a:1", format!("{number}").as_bytes()));
        }
        assert!(described.recall(&first.pinned.unwrap()).is_none());
        let own = image("engine://docker/a:1", b"own");
        described.remember(&own);
        assert!(described.recall(&own.pinned.unwrap()).is_none());
    }
}
