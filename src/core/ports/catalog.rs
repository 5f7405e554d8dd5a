//! What lists images and describes them.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::base::ask::Asker;
use crate::{
    base::{context::Context, error::Result, secret::Credentials},
    catalog::rows::Row,
    image::{
        link::CloudPlace,
        model::{Health, Image, Platform, Version},
        reference::ImageRef,
    },
};

/// How a source can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It lists everything it has.
    Whole,
    /// It answers searches only.
    SearchOnly,
    /// It lists what it shows by itself, and finds more by words.
    WholeAndMore,
}

/// Whether a list holds all that its place has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Extent {
    /// All of it.
    Whole,
    /// It ends before, and why, in words.
    Cut(String),
}

impl Extent {
    /// That of a list that ended for this reason, if for any.
    pub fn of(cut: Option<String>) -> Self {
        cut.map_or(Self::Whole, Self::Cut)
    }
}

/// The server that a sign-in really goes to, where that is not the place itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInServer {
    /// Scheme, host and port.
    pub address: String,
    /// Whether it is of the same people, by its name, or was agreed to before. Nothing secret goes to any other.
    pub known: bool,
}

impl SignInServer {
    /// Where the vault keeps which one was agreed to for `host`.
    pub fn place(host: &str) -> String {
        format!("sign-in server of {host}")
    }
}

/// A place whose images can be listed and described.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// How it can be listed: whole, by search only, or both. The same in every call; asks nobody.
    fn listing(&self) -> Listing {
        Listing::Whole
    }

    /// Sends rows in pages as they become known; a row sent again under the same name replaces the earlier one. Before:
    /// a place that answers searches only is given a query. After: everything that was read has been sent; however long
    /// the list is, so much is read that it fits the memory, and the answer says whether that was all. Repeated, it
    /// reads anew. Errors: `NotAllowed` where the person may not list, `Unavailable` where nothing answers; what was
    /// sent before stays good.
    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent>;

    /// The reference of a row of this source, with `tag` where one is given. Asks nobody, and does not say that it is
    /// there. Errors: `Usage` for a name that no image can have.
    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef>;

    /// Where a cloud is, by what everybody calls it, so that links into it open elsewhere; `None` for what is no cloud.
    /// Asks nobody.
    fn cloud_place(&self) -> Option<CloudPlace> {
        None
    }

    /// Whether `reference` is in this source, by its address alone: it need not be there. Asks nobody.
    fn owns(&self, reference: &ImageRef) -> bool;

    /// The image behind a reference, pinned where its digest is known without reading all of it, for `platform` or this
    /// machine's. Changes nothing; repeated, it reads anew. Errors: `NotFound` for a reference that means nothing or is
    /// hidden, `Unsupported` where no such platform is in it, `Integrity` where bytes are not those of their digest.
    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image>;

    /// The same image with the digest of its bytes, where a look at it did not read them all; one that is pinned is
    /// given back as it is. Errors: those of reading it, and `Unsupported` where the place keeps no digest and lets
    /// nobody read it.
    async fn pin(&self, _cx: &Context, image: &Image) -> Result<Image> {
        Ok(image.clone())
    }

    /// The tags of an image, oldest first where the source tells. Changes nothing; repeated, it reads anew. Errors:
    /// `NotFound` where there is no such image.
    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>>;

    /// What one tag points to: digest, date and size, as far as the place tells them. Changes nothing; repeated, it
    /// reads anew. Errors: those of [`image`](Self::image).
    async fn version(&self, cx: &Context, reference: &ImageRef) -> Result<Version> {
        Ok(Version::of(&self.image(cx, reference, None).await?))
    }

    /// The name of this source's secret in the vault; `None` where nobody signs in. The same in every call; asks
    /// nobody.
    fn sign_in_place(&self) -> Option<String> {
        None
    }

    /// The server that a sign-in there goes to, where it is another one. Sends nothing secret. Repeated, it asks anew.
    /// Errors: `Unavailable` where the place does not answer.
    async fn sign_in_server(&self, _cx: &Context) -> Result<Option<SignInServer>> {
        Ok(None)
    }

    /// Whether a sign-in there takes an account and a secret that the vault keeps. Asks nobody.
    fn keeps_a_secret(&self) -> bool {
        true
    }

    /// Signs in with what the vault keeps, and asks the person for what is good for one time only. After: the next
    /// calls are made as that account. Repeated, it signs in anew. Errors: `NotAllowed` where the secret is refused,
    /// `Cancelled` where the person gives no answer.
    async fn sign_in(&self, cx: &Context, _asker: Arc<dyn Asker>) -> Result<()> {
        cx.run("sign in", self.health(cx)).await.map(|_| ())
    }

    /// Whether a look at one image is cheap: it counts against no limit, so that rows on the screen may be looked at.
    /// Asks nobody.
    fn looks_are_cheap(&self) -> bool {
        false
    }

    /// Whether it answers, and who I am there. Changes nothing; repeated, it asks anew. Errors: `Unavailable` where
    /// nothing answers, `NotAllowed` where what is kept is refused.
    async fn health(&self, cx: &Context) -> Result<Health>;

    /// What an engine needs to pull `reference` by itself; `None` where it needs nothing or must not be given it. Asks
    /// nobody but the vault; a vault that fails is none.
    async fn credentials(&self, _reference: &ImageRef) -> Option<Credentials> {
        None
    }
}
