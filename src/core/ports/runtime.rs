//! How a pinned image becomes a process on a machine, for backends that start none by themselves: a scheduler's batch
//! script, or this machine without a daemon.

use std::path::Path;

use async_trait::async_trait;

use super::launcher::Supply;
use crate::{
    base::{context::Context, error::Result},
    image::model::Image,
    launch::{
        form::{Answers, Section},
        plan::Risk,
    },
};

/// One process in an image, as its runtime writes it down: shown in a plan, and given back to the runtime unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process(pub serde_json::Value);

/// What a process would be, before anything is made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The process; it holds no secret.
    pub process: Process,
    /// What it may do, in words.
    pub risks: Vec<Risk>,
}

/// Something that runs images as processes of the person.
///
/// The order is: [`accepts`](Self::accepts), [`questions`](Self::questions), [`describe`](Self::describe), then once
/// [`prepare`](Self::prepare), and from then on the words of [`argv`](Self::argv), as often as wanted. Those words run on any
/// machine that has this program under the same path, the runtime's own programs, and both folders under the same paths: a
/// node needs neither a registry nor this person's cache. Everything that a process is told is in its folder, so that
/// nothing of it stands on a command line that others can read.
///
/// Errors say what failed and where: `Unsupported` for an image or a machine that it does not fit, `Usage` for answers that
/// do not fit its questions, `Integrity` where bytes are not those that were pinned.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Its name, for settings and messages: one word, the same in every run.
    fn name(&self) -> &str;

    /// Why it cannot run this image, if it cannot. Asks nobody and looks at this machine only as it was at the start.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Its questions for this image, to stand among those of the backend that uses it. The defaults fit together and give
    /// nothing away.
    fn questions(&self, image: &Image) -> Vec<Section>;

    /// What a process of this image is with these answers, and what it may do. Before: the answers fit the questions. After:
    /// nothing was made and nobody was asked; looking at the mounts may touch this machine's file systems. Repeated, it says
    /// the same.
    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description>;

    /// Makes everything that the process needs. `images` is for what images have in common, `folder` for this one process
    /// alone; for a process on another node both are on a file system that the node shares. Before: `folder` is there.
    /// After: the words of [`argv`](Self::argv) run it. The image is put into `images` once for each digest, compared with
    /// the pinned one, and used again by whoever comes next; several may do so at once. Repeated, a folder that is prepared
    /// stays as it is. An error leaves nothing that runs.
    async fn prepare(
        &self,
        cx: &Context,
        supply: &Supply,
        process: &Process,
        images: &Path,
        folder: &Path,
    ) -> Result<()>;

    /// The words that run what is or will be prepared in `folder`: a program and its arguments, as a shell gets them after
    /// quoting. Makes nothing and asks nobody, so that a plan can show them before anything is prepared. The program takes
    /// the place of whoever runs the words: output, errors, signals and the exit code are those of the process.
    fn argv(&self, folder: &Path) -> Result<Vec<String>>;
}
