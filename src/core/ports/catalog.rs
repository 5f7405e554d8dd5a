//! The port for listing and describing images.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::mpsc;

use crate::base::ask::Asker;
use crate::{
    base::{context::Context, error::Result, secret::Credentials},
    catalog::rows::Row,
    image::{
        link::CloudPlace,
        model::{Health, Image, LastPull, Platform, Version},
        reference::ImageRef,
    },
};

/// How a source can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It lists all that it has.
    Whole,
    /// It only answers searches.
    SearchOnly,
    /// It lists a part, and finds more by searching.
    WholeAndMore,
}

/// Whether a list is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use]
pub enum Extent {
    /// The list is complete.
    #[default]
    Whole,
    /// The list is cut short: why, in words.
    Cut(String),
}

impl Extent {
    /// Cut short for this reason, if there is one; otherwise complete.
    pub fn cut_short(cut: Option<String>) -> Self {
        cut.map_or(Self::Whole, Self::Cut)
    }
}

/// The server that a sign-in really goes to, where that is not the source itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInServer {
    /// Its address: scheme, host and port.
    pub address: String,
    /// Whether its name shows that it belongs to the same people, or the person agreed to it. No secret goes to any
    /// other.
    pub known: bool,
}

impl SignInServer {
    /// The vault's key for the server that the person agreed to for `host`.
    pub fn place(host: &str) -> String {
        format!("sign-in server of {host}")
    }
}

/// A place whose images can be listed and described.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// How it can be listed: whole, by search only, or both. The same in every call; contacts nobody.
    fn listing(&self) -> Listing {
        Listing::Whole
    }

    /// Sends rows in pages as they become known; a row sent again under the same name replaces the earlier one. Before:
    /// a source that only answers searches is given a query. After: everything that was read has been sent. A very long
    /// list is cut so that it fits into memory, and the answer says whether it is complete. Repeated, it reads again.
    /// Errors: `NotAllowed` where the person may not list, `Unavailable` where nothing answers; rows sent before stay
    /// valid.
    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent>;

    /// The reference of a row of this source, with `tag` where one is given. Contacts nobody, so the image need not
    /// exist. Errors: `Usage` for a name that no image can have.
    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef>;

    /// The cloud's address as everybody knows it, so that links into it open on other machines; `None` if the source is
    /// not a cloud. Contacts nobody.
    fn cloud_place(&self) -> Option<CloudPlace> {
        None
    }

    /// Whether `reference` belongs to this source, by its address alone: it need not exist. Contacts nobody.
    fn owns(&self, reference: &ImageRef) -> bool;

    /// The image behind a reference, for `platform` or this machine's; pinned where the digest is known without reading
    /// all its bytes. Changes nothing; repeated, it reads again. Errors: `NotFound` for a reference that does not exist
    /// or is hidden, `Unsupported` where it has no such platform, `Integrity` where bytes do not have their digest.
    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image>;

    /// The same image with its digest, computed from its bytes where that is needed; a pinned image is given back as it
    /// is. Errors: those of reading it, and `Unsupported` where the source keeps no digest and lets nobody read the
    /// bytes.
    async fn pin(&self, _cx: &Context, image: &Image) -> Result<Image> {
        Ok(image.clone())
    }

    /// The tags of an image, oldest first where the source knows. Changes nothing; repeated, it reads again. Errors:
    /// `NotFound` where there is no such image.
    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>>;

    /// What one tag points to: digest, date and size, as far as the source tells. Changes nothing; repeated, it reads
    /// again. Errors: those of [`image`](Self::image).
    async fn version(&self, cx: &Context, reference: &ImageRef) -> Result<Version> {
        Ok(Version::from_image(&self.image(cx, reference, None).await?))
    }

    /// When an image was last pulled; `None` where the source does not keep that. Changes nothing; repeated, it reads again.
    /// Errors: `NotFound` where there is no such image.
    async fn last_pull(&self, _cx: &Context, _reference: &ImageRef) -> Result<Option<LastPull>> {
        Ok(None)
    }

    /// The vault's key for this source's secret; `None` where nobody signs in. The same in every call; contacts nobody.
    fn sign_in_place(&self) -> Option<String> {
        None
    }

    /// The server that a sign-in really goes to; `None` if that is the source itself. Sends no secret. Repeated, it
    /// asks again. Errors: `Unavailable` where the source does not answer.
    async fn sign_in_server(&self, _cx: &Context) -> Result<Option<SignInServer>> {
        Ok(None)
    }

    /// Whether a sign-in takes an account and a secret that the vault keeps. Contacts nobody.
    fn keeps_a_secret(&self) -> bool {
        true
    }

    /// Signs in with the secret in the vault, and asks the person for one-time secrets. After: later calls use that
    /// account. Repeated, it signs in again. Errors: `NotAllowed` where the secret is refused, `Cancelled` where the
    /// person does not answer.
    async fn sign_in(&self, cx: &Context, _asker: Arc<dyn Asker>) -> Result<()> {
        cx.run("sign in", self.health(cx)).await.map(|_| ())
    }

    /// Whether describing one image is cheap and counts against no rate limit, so that the rows on the screen may be
    /// described. Contacts nobody.
    fn describes_cheaply(&self) -> bool {
        false
    }

    /// Whether it answers, and which account is used there. Changes nothing; repeated, it asks again. Errors:
    /// `Unavailable` where nothing answers, `NotAllowed` where the kept secret is refused.
    async fn health(&self, cx: &Context) -> Result<Health>;

    /// What an engine needs to pull `reference` without Wharf; `None` where it needs nothing or must not get it. Reads
    /// only the vault; a vault that fails counts as empty.
    async fn credentials(&self, _reference: &ImageRef) -> Option<Credentials> {
        None
    }
}
