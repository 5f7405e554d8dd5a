//! The port for removing and tagging images.

use async_trait::async_trait;

use crate::{
    base::{clean, context::Context, digest::Digest, error::Result},
    image::reference::{ImageRef, Name},
};
use serde::Serialize;

/// A place whose images can be tagged and removed by their owners.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The digest that a reference with a tag or a digest means now. Changes nothing; repeated, it asks again. Errors:
    /// `NotFound` if it means nothing.
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest>;

    /// What removing these images one after the other would do, in their order. Changes nothing. An image that may not
    /// be removed gives an error: it is protected, in use or somebody else's.
    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>>;

    /// Removes one thing that a [`Removal`] names: a tag alone, or the image of a digest or an id. Before: the person
    /// was shown what goes with it. Repeated, what is gone counts as removed. Errors: `NotAllowed` where the person may
    /// not, `Unsupported` where the place removes nothing.
    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()>;

    /// Makes a tag of the same place point to this image, whatever it pointed to before. Repeated, it changes nothing.
    /// Errors: `NotFound` for an image that is gone, `NotAllowed` where the person may not write.
    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()>;
}

/// What removing an image would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// What was asked to be removed, named exactly.
    pub reference: ImageRef,
    /// A description of it: `the tag 1.0`, `the image and its last tag 1.0`.
    pub title: String,
    /// The digest that is removed, or that loses a tag.
    pub digest: Option<Digest>,
    /// What is removed, in this order, each with a call of its own.
    pub removes: Vec<ImageRef>,
    /// What else is removed, and who loses it.
    pub along: Vec<String>,
    /// What stays although people might expect it to go.
    pub stays: Vec<String>,
}

impl Removal {
    /// The removal of one tag of an image that has others; `others` are those that it keeps.
    pub fn for_tag(reference: &ImageRef, tag: &str, digest: Digest, others: &[String]) -> Self {
        let stays = if others.is_empty() {
            Vec::new()
        } else {
            vec![format!("the image itself, as {}", tags_in_words(others))]
        };
        Self {
            reference: reference.clone(),
            title: format!("the tag {tag}"),
            digest: Some(digest),
            removes: vec![reference.clone()],
            along: Vec::new(),
            stays,
        }
    }

    /// The removal of a whole image, named by its last tag or by its digest; `others` are tags that go with it.
    pub fn for_image(reference: &ImageRef, tag: Option<&str>, digest: Digest, others: &[String]) -> Self {
        let title = match tag {
            Some(tag) => format!("the image, with its last tag {tag}"),
            None => format!("the image {}", digest.short()),
        };
        let tags = if others.len() == 1 { "its tag" } else { "its tags" };
        let along = if others.is_empty() { Vec::new() } else { vec![format!("{tags} {}", tags_in_words(others))] };
        let removes = match reference {
            ImageRef::Oci(name) => {
                vec![ImageRef::Oci(Name { tag: None, digest: Some(digest.clone()), ..name.clone() })]
            }
            other => vec![other.clone()],
        };
        Self { reference: reference.clone(), title, digest: Some(digest), removes, along, stays: Vec::new() }
    }

    /// The whole description, line by line; `written` formats a digest.
    pub fn lines(&self, written: impl Fn(&Digest) -> String) -> Vec<String> {
        let facts = |label: &str, all: &[String]| -> Vec<String> {
            all.iter().map(|line| format!("{label:<6} {line}")).collect()
        };
        // A name that contains the digest shows it already.
        let said = self.reference.digest().is_some();
        let digest = self.digest.iter().filter(|_| !said).map(|digest| format!("digest {}", written(digest)));
        let own = format!("goes   {}", self.title);
        [own].into_iter().chain(digest).chain(facts("also", &self.along)).chain(facts("stays", &self.stays)).collect()
    }
}

/// Tags in a sentence; only the first ones if there are many.
pub fn tags_in_words(tags: &[String]) -> String {
    const SHOWN: usize = 12;
    let more = tags.len().saturating_sub(SHOWN);
    let shown = tags.iter().take(SHOWN).map(|tag| clean::short(tag, 128)).collect::<Vec<_>>().join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}

/// How a removal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Removed {
    /// It was removed now.
    Removed,
    /// It was gone already.
    Gone,
}
