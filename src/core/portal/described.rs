//! The images of registries that were described just before, by their digests.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use crate::image::{
    model::{Image, Pinned},
    reference::ImageRef,
};

/// How many seconds an image is remembered: somebody may take away the right to read it.
const REMEMBERED: i64 = 60;
/// How many images are remembered.
const MOST: usize = 16;

/// Images with the time at which they were described, in seconds since 1970, the newest last.
#[derive(Default)]
pub(super) struct Described(Mutex<VecDeque<(i64, Image)>>);

impl Described {
    /// Remembers an image, if its digest says all about it: that of an engine or a file can get other facts.
    pub(super) fn remember(&self, image: &Image, now: i64) {
        let Some(pinned) = image.pinned.as_ref().filter(|pinned| is_content(pinned)) else { return };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(at, known)| is_recent(*at, now) && known.pinned.as_ref() != Some(pinned));
        all.push_back((now, image.clone()));
        if all.len() > MOST {
            all.pop_front();
        }
    }

    /// The image of exactly this digest, platform and place, if it was described just before.
    pub(super) fn recall(&self, pinned: &Pinned, now: i64) -> Option<Image> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |(at, known): &&(i64, Image)| is_recent(*at, now) && known.pinned.as_ref() == Some(pinned);
        all.iter().find(is_it).map(|(_, image)| image.clone())
    }
}

/// Not where the clock was set back since.
fn is_recent(at: i64, now: i64) -> bool {
    (0..REMEMBERED).contains(&(now - at))
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

    const NOW: i64 = 1_764_000_000;

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
        described.remember(&one, NOW);
        let pinned = one.pinned.clone().unwrap();
        assert!(described.recall(&pinned, NOW).is_some());
        let elsewhere = image("oci://other.example/a:1", b"one").pinned.unwrap();
        assert!(described.recall(&elsewhere, NOW).is_none());
        let other = Pinned { manifest: Digest::of(b"other"), ..pinned };
        assert!(described.recall(&other, NOW).is_none());
    }

    #[test]
    fn after_a_minute_or_where_the_clock_was_set_back_it_is_read_again() {
        let described = Described::default();
        let one = image("oci://host.example/a:1", b"one");
        described.remember(&one, NOW);
        let pinned = one.pinned.unwrap();
        let recalled = [-1, 0, 59, 60, 86_400].map(|later| described.recall(&pinned, NOW + later).is_some());
        assert_eq!(recalled, [false, true, true, false, false]);
    }

    #[test]
    fn only_the_last_images_of_registries_are_remembered() {
        let described = Described::default();
        let first = image("oci://host.example/a:1", b"first");
        described.remember(&first, NOW);
        for number in 0..MOST {
            described.remember(&image("oci://host.example/a:1", format!("{number}").as_bytes()), NOW);
        }
        assert!(described.recall(&first.pinned.unwrap(), NOW).is_none());
        let own = image("engine://docker/a:1", b"own");
        described.remember(&own, NOW);
        assert!(described.recall(&own.pinned.unwrap(), NOW).is_none());
    }
}
