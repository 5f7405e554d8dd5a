//! What makes evidence of an image.

use std::path::Path;

use async_trait::async_trait;

use super::launcher::Supply;
use crate::{
    base::{context::Context, error::Result},
    evidence::record::{self, Record},
    image::model::Image,
};

/// Something that makes evidence of images.
#[async_trait]
pub trait Checker: Send + Sync {
    /// Its name, the same in every run: evidence is kept under it.
    fn name(&self) -> &'static str;

    /// Which kind of evidence it makes. The same in every call.
    fn kind(&self) -> record::Kind;

    /// What it checks with, so that evidence made with something else does not count: ids of keys. Asks nobody; nothing
    /// where it needs none.
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a record of this check was made with what it checks with now. Asks nobody.
    fn inputs_fit(&self, record: &Record) -> bool {
        matches!(record.by, record::By::Source | record::By::Attached) || record.inputs == self.inputs()
    }

    /// Whether a check takes so long that nobody waits for it unasked. The same in every call.
    fn is_slow(&self) -> bool {
        false
    }

    /// Checks exactly the bytes that the image is pinned to; no record where it has nothing to say about such images.
    /// Before: the image is pinned. After: nothing has changed anywhere. Repeated, it looks anew. A bad result is a
    /// record and no error; errors mean that the check could not run.
    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>>;

    /// Lets the source scan the image anew, and waits until it has; does nothing where it cannot. Repeated, it is
    /// scanned once more. Errors: `NotAllowed` where the person may not ask for a scan.
    async fn start(&self, _cx: &Context, _image: &Image) -> Result<()> {
        Ok(())
    }

    /// What it works with and how old its data is, where it is a program that may be missing; nothing else says so.
    /// Changes nothing; the error says what is missing and how to get it.
    async fn ready(&self, _cx: &Context) -> Option<Result<Ready>> {
        None
    }

    /// The identity of what it knows of vulnerabilities: another one means that images are judged again; `None` where
    /// it keeps none. Changes nothing and never waits for a network.
    async fn data(&self) -> Option<String> {
        None
    }

    /// Checks the data of a disk image that has arrived in a file; nothing where it has nothing to say about it.
    /// Before: the file is whole. Changes nothing. Errors mean that the check could not run.
    async fn check_data(&self, _cx: &Context, _image: &Image, _file: &Path) -> Result<Option<Record>> {
        Ok(None)
    }
}

/// What a program works with that makes evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// Its name and version, or the server that does its work.
    pub tool: String,
    /// Whether a server does its work: then the data is there.
    pub served: bool,
    /// When its data was made, seconds since 1970; `None` where it has none.
    pub database: Option<i64>,
    /// How it gets newer data.
    pub renew: &'static str,
}
