//! Copies between places in memory: what is attached comes before the tag, and nothing of it is lost in silence.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;

use super::{
    blob::CopyEnd,
    copy::{Options, copy},
};
use crate::{
    base::{
        bytes::ByteStream,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::attachments::{Attachment, Attachments},
    image::{
        manifest::{Descriptor, RawManifest},
        reference::ImageRef,
    },
    ports::{BlobSource, Content, content::Outcome},
};

/// A place with every blob. It tells what was written, in order: names of manifests, and `NAME as TAG`.
#[derive(Default)]
struct Place {
    manifests: BTreeMap<Digest, RawManifest>,
    names: BTreeMap<Digest, &'static str>,
    /// What is attached to what.
    attached: Vec<(Digest, Digest)>,
    /// A manifest that cannot be read or written, and the kind of the error.
    failing: Option<(Digest, Kind)>,
    by_digest: bool,
    written: Mutex<Vec<String>>,
}

impl Place {
    fn keep(&mut self, name: &'static str) -> Digest {
        let text = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"c","digest":"{}","size":1}},"layers":[],"annotations":{{"name":"{name}"}}}}"#,
            Digest::of(b"c")
        );
        let raw = RawManifest::new(None, text.into_bytes().into(), "keep").unwrap();
        let digest = raw.digest.clone();
        self.manifests.insert(digest.clone(), raw);
        self.names.insert(digest.clone(), name);
        digest
    }

    fn fails(&self, digest: &Digest) -> Result<()> {
        match &self.failing {
            Some((failing, kind)) if failing == digest => Err(Error::new(*kind, "move it", "it does not want to")),
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Content for Place {
    fn place(&self) -> String {
        "memory".into()
    }
    async fn manifest(&self, _: &Context, at: &ImageRef) -> Result<RawManifest> {
        let digest = at.digest().ok_or_else(|| Error::not_found("read", "tags are not kept"))?;
        self.fails(digest)?;
        self.manifests.get(digest).cloned().ok_or_else(|| Error::not_found("read", "no such manifest"))
    }
    async fn blob(&self, _: &Context, _: &ImageRef, _: &Descriptor, _: u64) -> Result<ByteStream> {
        Err(Error::not_found("read", "no blobs here"))
    }
    async fn attached(&self, _: &Context, at: &ImageRef, digest: &Digest) -> Result<Attachments> {
        let found = self.attached.iter().filter(|(to, _)| to == digest);
        let found = found.map(|(_, one)| Attachment { at: at.with_digest(one), tag: None, kind: String::new() });
        Ok(Attachments { found: found.collect(), unseen: Vec::new() })
    }
    async fn has_blob(&self, _: &Context, _: &ImageRef, _: &Descriptor) -> Result<bool> {
        Ok(true)
    }
    async fn put_blob(&self, _: &Context, _: &ImageRef, _: &Descriptor, _: &dyn BlobSource) -> Result<()> {
        Ok(())
    }
    async fn put_manifest(&self, _: &Context, _: &ImageRef, tag: Option<&str>, manifest: &RawManifest) -> Result<()> {
        self.fails(&manifest.digest)?;
        let name = self.names[&manifest.digest];
        self.written.lock().unwrap().push(tag.map_or_else(|| name.to_owned(), |tag| format!("{name} as {tag}")));
        Ok(())
    }
    fn puts_by_digest(&self, _: &ImageRef) -> bool {
        self.by_digest
    }
}

/// An image with a bill of materials that is signed, and a signature of its own.
struct Story {
    from: Place,
    to: Place,
    image: Digest,
    bill: Digest,
}

fn story() -> Story {
    let mut from = Place::default();
    let [image, bill, of_bill, signature] = ["image", "bill", "signature of bill", "signature"].map(|n| from.keep(n));
    from.attached = vec![(image.clone(), bill.clone()), (image.clone(), signature), (bill.clone(), of_bill)];
    let to = Place { names: from.names.clone(), by_digest: true, ..Place::default() };
    Story { from, to, image, bill }
}

async fn copied(Story { from, to, image, .. }: Story) -> (Result<Outcome>, Vec<String>) {
    let at = ImageRef::oci("r.example", "a", Some("1".to_owned()));
    let to = Arc::new(to);
    let ends = [CopyEnd { content: Arc::new(from), at: at.with_digest(&image) }, CopyEnd { content: to.clone(), at }];
    let outcome = copy(&Context::default(), &ends[0], &ends[1], &Options::default()).await;
    let written = to.written.lock().unwrap().clone();
    (outcome, written)
}

#[tokio::test]
async fn an_image_gets_its_tag_after_all_that_is_attached_to_it_and_to_that() {
    let (outcome, written) = copied(story()).await;
    assert_eq!(written, ["image", "bill", "signature", "signature of bill", "image as 1"]);
    let outcome = outcome.unwrap();
    assert_eq!((outcome.attachments, outcome.left.len()), (3, 0));
    let mut whole = story();
    whole.to.by_digest = false;
    assert_eq!(copied(whole).await.1, ["image as 1", "bill", "signature", "signature of bill"]);
    let mut plain = story();
    plain.from.attached.clear();
    assert_eq!(copied(plain).await.1, ["image as 1"], "without attachments it is written once");
}

#[tokio::test]
async fn an_attachment_that_may_come_later_keeps_the_copy_open_and_others_are_told() {
    for side in ["from", "to"] {
        for (kind, is_open) in [(Kind::Unavailable, true), (Kind::Unsupported, false), (Kind::NotAllowed, false)] {
            let mut story = story();
            let failing = Some((story.bill.clone(), kind));
            if side == "from" {
                story.from.failing = failing
            } else {
                story.to.failing = failing
            }
            let (outcome, written) = copied(story).await;
            assert_eq!(written.contains(&"image as 1".to_owned()), !is_open, "{side} {kind:?}: {written:?}");
            match outcome {
                Ok(outcome) => assert_eq!((is_open, outcome.attachments, outcome.left.len()), (false, 1, 1)),
                Err(error) => {
                    assert!(is_open && error.kind == kind, "{side}: {error}");
                    assert!(error.hint.contains("--bare"), "{error}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_attached_in_a_circle_or_a_long_chain_ends() {
    let mut circle = story();
    let (image, bill) = (circle.image.clone(), circle.bill.clone());
    circle.from.attached = vec![(image.clone(), bill.clone()), (bill, image)];
    assert_eq!(copied(circle).await.1, ["image", "bill", "image as 1"]);
    let mut chain = story();
    let links = ["one", "two", "three", "four"].map(|name| chain.from.keep(name));
    chain.to.names = chain.from.names.clone();
    let mut below = chain.image.clone();
    chain.from.attached.clear();
    for link in links {
        chain.from.attached.push((std::mem::replace(&mut below, link.clone()), link));
    }
    assert_eq!(copied(chain).await.1, ["image", "one", "two", "three", "image as 1"]);
}
