//! Disk images as whole files.

use std::path::Path;

use async_trait::async_trait;

use super::cannot;
use std::path::PathBuf;

use super::content::Outcome;
use crate::{
    base::{context::Context, error::Result},
    image::reference::ImageRef,
};

/// A place that keeps disk images whose bytes can be sent and fetched.
#[async_trait]
pub trait Disks: Send + Sync {
    /// Sends a file. Before: its header was inspected. After: the image is there whole, and its digest is that of the
    /// file. Repeated, one that is there already is not sent again. Nothing half-made is left behind by an error:
    /// `Integrity` where the place keeps other bytes, `NotAllowed` where one may not, or the quota is used up.
    async fn upload(&self, cx: &Context, upload: &Upload) -> Result<(ImageRef, Outcome)>;

    /// Lets the place fetch an image by itself, and waits until it is whole. Repeated, what is there already from there
    /// is not fetched again. Errors: `Unsupported` where it fetches nothing, `Failed` with its own words where it gave
    /// up.
    async fn import(&self, cx: &Context, import: &Import) -> Result<(ImageRef, Outcome)>;

    /// Makes one of the person's own images visible to others, under a name and with properties. Repeated, it changes
    /// nothing. Errors: `NotAllowed` for an image of somebody else, `NotFound` for one that is gone.
    async fn publish(&self, _cx: &Context, reference: &ImageRef, _as: &Published) -> Result<()> {
        Err(cannot(&reference.to_string(), "publish"))
    }

    /// Deletes an image by its id. Repeated, one that is gone is deleted already. Errors: `NotAllowed` for one that is
    /// protected, in use or somebody else's.
    async fn forget(&self, _cx: &Context, reference: &ImageRef) -> Result<()> {
        Err(cannot(&reference.to_string(), "delete"))
    }

    /// Fetches an image into the file `target`. After: the file is there whole and with the right hash; on an error it
    /// is not there, and what has come may be gone on with. Repeated, it fetches anew. Errors: `Integrity` for other
    /// bytes, `NotFound` for an image that is gone.
    async fn download(&self, cx: &Context, reference: &ImageRef, target: &Path) -> Result<Outcome>;
}

/// A disk image file on its way into a cloud. Its header was inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// What it will be called.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// `qcow2`, `raw`, `vmdk`: what its header says it is.
    pub format: String,
    /// Its bytes.
    pub size: u64,
}

/// A disk image that a cloud fetches from the web by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// What it will be called.
    pub name: String,
    /// Where the cloud fetches it: `http` or `https`, without account or password.
    pub url: String,
}

/// How an image is let to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// What it is called.
    pub name: String,
    /// `community`, `public`, `shared` or `private`.
    pub visibility: String,
    /// Properties that are set, each with its value.
    pub properties: Vec<(String, String)>,
}
