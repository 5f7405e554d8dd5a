//! The port for making evidence of images.

use std::path::Path;

use async_trait::async_trait;

use super::launcher::Supply;
use crate::{
    base::{context::Context, error::Result},
    evidence::record::{self, Record},
    image::model::Image,
};

/// A check that makes evidence of images.
#[async_trait]
pub trait Checker: Send + Sync {
    /// The name, the same in every run: evidence is kept under it.
    fn name(&self) -> &'static str;

    /// The kind of evidence that it makes. The same in every call.
    fn kind(&self) -> record::Kind;

    /// Ids of the keys that it checks with, so that evidence made with other keys does not count; empty if it needs
    /// none. Contacts nobody.
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a record was made with the keys that it checks with now. Contacts nobody.
    fn inputs_fit(&self, record: &Record) -> bool {
        matches!(record.by, record::CheckedBy::Source | record::CheckedBy::Attached) || record.inputs == self.inputs()
    }

    /// Whether the check takes so long that it runs only on demand. The same in every call.
    fn is_slow(&self) -> bool {
        false
    }

    /// Checks exactly the bytes that the image is pinned to; gives no record where the check does not apply to such
    /// images. Before: the image is pinned. After: nothing has changed anywhere. Repeated, it checks again. A bad
    /// result is a record; an error means that the check could not run.
    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>>;

    /// Asks the source to scan the image again, and waits for the result; does nothing where it cannot. Repeated, it is
    /// scanned once more. Errors: `NotAllowed` where the person may not start a scan.
    async fn start(&self, _cx: &Context, _image: &Image) -> Result<()> {
        Ok(())
    }

    /// Which program or server it uses and how old its data is; `None` for a check that needs no program. Changes
    /// nothing; the error says what is missing and how to get it.
    async fn ready(&self, _cx: &Context) -> Option<Result<CheckTool>> {
        None
    }

    /// The identity of its vulnerability data: when it changes, images are judged again; `None` where it has none.
    /// Changes nothing and never waits for a network.
    async fn data(&self) -> Option<String> {
        None
    }

    /// Checks the data of a disk image that was downloaded into a file; `None` where the check does not apply. Before:
    /// the file is complete. Changes nothing. An error means that the check could not run.
    async fn check_data(&self, _cx: &Context, _image: &Image, _file: &Path) -> Result<Option<Record>> {
        Ok(None)
    }
}

/// The program that a check uses, and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTool {
    /// The program's name and version, or the server that does its work.
    pub tool: String,
    /// Whether a server does the work: then the data is on the server.
    pub served: bool,
    /// When the data was made, in seconds since 1970; `None` where there is none.
    pub database: Option<i64>,
    /// How to get newer data, in words.
    pub renew: &'static str,
}
