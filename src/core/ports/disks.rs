//! Disk images as whole files.

use std::path::Path;

use async_trait::async_trait;

use super::cannot;
use std::path::PathBuf;

use super::content::Outcome;
use crate::core::{
    base::{context::Context, error::Result},
    image::reference::ImageRef,
};

/// A place that keeps disk images whose bytes can be sent and fetched.
#[async_trait]
pub trait Disks: Send + Sync {
    /// Sends a file; one that is there already is not sent again. Nothing half-made is left behind.
    async fn upload(&self, cx: &Context, upload: &Upload) -> Result<(ImageRef, Outcome)>;

    /// Lets the place fetch an image by itself; what is there already from there is not fetched again.
    async fn import(&self, cx: &Context, import: &Import) -> Result<(ImageRef, Outcome)>;

    /// Lets an image of one's own to others, under a name and with properties; let already is fine.
    async fn publish(&self, _cx: &Context, reference: &ImageRef, _as: &Published) -> Result<()> {
        Err(cannot(&reference.to_string(), "publish"))
    }

    /// Deletes an image by its id; one that is gone is deleted already.
    async fn forget(&self, _cx: &Context, reference: &ImageRef) -> Result<()> {
        Err(cannot(&reference.to_string(), "delete"))
    }

    /// Fetches an image into a file, which appears whole and with the right hash, or not at all.
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
