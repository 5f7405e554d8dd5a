//! The port for disk images as whole files.

use std::path::Path;

use async_trait::async_trait;

use super::unsupported::cannot;
use std::path::PathBuf;

use super::content::Outcome;
use crate::{
    base::{checkpoint::Checkpoint, context::Context, error::Result},
    image::{lineage::DiskNeeds, model::DataSignature, reference::ImageRef},
};

/// The part of a transfer that is an image of a cloud for a volume alone: it is removed when the volume is there.
pub const FOR_VOLUME: &str = "image-for-volume";

/// A place that keeps disk images whose bytes can be sent and fetched.
#[async_trait]
pub trait Disks: Send + Sync {
    /// Sends a file. Before: its header was inspected. After: the image is there whole, and its digest is that of the
    /// file. Repeated, an image that is there already is not sent again. An error leaves nothing incomplete behind:
    /// `Integrity` where the place keeps other bytes, `NotAllowed` where the person may not, or the quota is used up.
    async fn upload(&self, cx: &Context, upload: &Upload) -> Result<(ImageRef, Outcome)>;

    /// Whether an upload that broke goes on where it was; where not, the next call sends all of it again. Changes nothing.
    fn goes_on(&self) -> bool {
        true
    }

    /// Makes the place fetch an image from the web, and waits until it is whole. Repeated, an image from the same
    /// address is not fetched again. Errors: `Unsupported` where the place cannot fetch, `Failed` with the place's own
    /// words where it gave up.
    async fn import(&self, cx: &Context, import: &Import) -> Result<(ImageRef, Outcome)>;

    /// Makes a volume of an image, and waits until the cloud has copied it. The volume gets this name, and at least so many
    /// bytes. Repeated within a transfer, the volume that was begun is waited for. Errors: `Usage` where there is a volume of
    /// that name, `Unsupported` where the place has no volumes, `NotAllowed` where the quota is used up, `Failed` with the
    /// place's own words where it gave up.
    async fn make_volume(&self, _cx: &Context, image: &ImageRef, _named: (&str, u64)) -> Result<ImageRef> {
        Err(cannot(&image.to_string(), "make a volume of"))
    }

    /// Sets name, visibility and properties of one of the person's own images. Repeated, it changes nothing. Errors:
    /// `NotAllowed` for an image of somebody else, `NotFound` for one that is gone.
    async fn publish(&self, _cx: &Context, reference: &ImageRef, _as: &Published) -> Result<()> {
        Err(cannot(&reference.to_string(), "publish"))
    }

    /// Deletes an image by its id. Repeated, an image that is gone counts as deleted. Errors: `NotAllowed` for one that
    /// is protected, in use or somebody else's.
    async fn forget(&self, _cx: &Context, reference: &ImageRef) -> Result<()> {
        Err(cannot(&reference.to_string(), "delete"))
    }

    /// Removes what is left of an upload that was begun and shall not be taken up. An image that is whole stays. Where
    /// nothing is left, it does nothing. Errors: something may be left.
    async fn give_up(&self, _cx: &Context, _reached: &Checkpoint) -> Result<()> {
        Ok(())
    }

    /// Downloads an image into the file `target`. After: the file is whole and has the right hash. After an error it is
    /// not there, and a later call may resume from what has arrived. Repeated, it downloads again. Errors: `Integrity`
    /// for other bytes, `NotFound` for an image that is gone.
    async fn download(&self, cx: &Context, reference: &ImageRef, target: &Path) -> Result<Outcome>;

    /// Downloads an image into a new file, which gets its name only after `fits` has looked at it. After an error it is
    /// not there. Where it is there already with the same bytes, they are only looked at. Errors: those of
    /// [`download`](Self::download) and of `fits`; `Usage`, before anything is downloaded, where another file is there.
    async fn download_new(
        &self,
        cx: &Context,
        reference: &ImageRef,
        target: &Path,
        fits: &dyn FitsFile,
    ) -> Result<Outcome>;
}

/// Says whether a file that has arrived whole may get its name.
#[async_trait]
pub trait FitsFile: Send + Sync {
    /// Looks at the file, which still has another name. Errors: `Integrity` where it is not what it should be: it is
    /// removed; after others it is looked at again by a later try.
    async fn fits(&self, file: &Path) -> Result<()>;
}

/// A disk image file that is sent to a cloud. Its header was inspected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The name that the image gets.
    pub name: String,
    /// Path of the file on this machine.
    pub file: PathBuf,
    /// The format that its header shows: `qcow2`, `raw`, `vmdk`.
    pub format: String,
    /// The file's size in bytes.
    pub size: u64,
    /// What the disk needs, and what it was made of.
    pub needs: DiskNeeds,
    /// A signature over exactly these bytes, which the image gets. A place that verifies it may refuse the image.
    pub signed: Option<DataSignature>,
}

/// A disk image that a cloud fetches from the web.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The name that the image gets.
    pub name: String,
    /// The address to fetch it from: `http` or `https`, without account or password.
    pub url: String,
}

/// How an image is published to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The name that the image gets.
    pub name: String,
    /// `community`, `public`, `shared` or `private`.
    pub visibility: String,
    /// Properties to set: name and value.
    pub properties: Vec<(String, String)>,
}
