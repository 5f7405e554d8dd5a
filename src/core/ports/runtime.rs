//! How a pinned image becomes a process, for backends that cannot start containers on their own: a scheduler's batch
//! script, or this machine without a daemon.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;

use super::launcher::Supply;
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    image::model::Image,
    launch::{
        form::{Answers, Section},
        plan::Risk,
    },
};

/// A process in an image, in the runtime's own format: shown in a plan, and given back to the runtime unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process(pub serde_json::Value);

/// A process as it would be, before anything is made for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The process in the runtime's format; it holds no secret.
    pub process: Process,
    /// What the process gives away, in words.
    pub risks: Vec<Risk>,
}

/// Something that runs images as processes of the person.
///
/// The order of calls is: [`accepts`](Self::accepts), [`questions`](Self::questions), [`describe`](Self::describe),
/// then once [`prepare`](Self::prepare), and from then on the command line of [`argv`](Self::argv), as often as wanted.
/// It runs on any machine that has this program, the runtime's own programs and both folders under the same paths: a
/// node needs neither a registry nor this person's cache. Everything that a process is told is in its folder, so that
/// nothing of it is on a command line that others can read.
///
/// Errors say what failed and where: `Unsupported` for an image or a machine that does not fit, `Usage` for answers
/// that do not fit its questions, `Integrity` where bytes are not those that were pinned.
#[async_trait]
pub trait Runtime: Send + Sync {
    /// Its name, for settings and messages: one word, the same in every run.
    fn name(&self) -> &str;

    /// Fails if it cannot run this image, and says why. Uses only what was learnt about this machine at the start.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Its questions for this image, to be shown among those of the backend that uses it. The defaults fit together and
    /// give nothing away.
    fn questions(&self, image: &Image) -> Vec<Section>;

    /// The process of this image with these answers, and its risks. Before: the answers fit the questions. After:
    /// nothing was made and nobody was contacted; reading the mounts may touch this machine's file systems. Repeated,
    /// the result is the same.
    async fn describe(&self, image: &Image, answers: &Answers) -> Result<Description>;

    /// Makes everything that the process needs. `images` is for what images share, `folder` for this process alone; for
    /// a process on another node both are on a file system that the node shares. Before: `folder` exists. After: the
    /// words of [`argv`](Self::argv) run the process. Each digest is unpacked into `images` once, compared with the
    /// pinned one, and used again later; several calls at once are fine. Repeated, a prepared folder stays as it is. An
    /// error leaves nothing that runs.
    async fn prepare(
        &self,
        cx: &Context,
        supply: &Supply,
        process: &Process,
        images: &Path,
        folder: &Path,
    ) -> Result<()>;

    /// The program and the arguments that run what is or will be prepared in `folder`, as after a shell's unquoting.
    /// Makes nothing and contacts nobody, so that a plan can show them first. The program replaces the process that
    /// runs it (exec): output, errors, signals and the exit code are those of the workload. Whoever wants to enter the
    /// process adds one word: an existing folder for this process alone, in which it notes where it is. A file
    /// `environment` in that folder has variables for the process, `NAME=value` a line; those that it has already stay.
    fn argv(&self, folder: &Path) -> Result<Vec<String>>;

    /// The words that compare what is or will be prepared in `folder` with what it was when it was prepared: run where
    /// the process is about to run, they end with 0 only if nothing was changed. Makes nothing and contacts nobody, so
    /// that a plan can show them first. `None` where nothing has to be compared, or cannot be.
    fn check(&self, _process: &Process, _folder: &Path) -> Result<Option<Vec<String>>> {
        Ok(None)
    }

    /// The same runtime, which first looks for prepared images in this folder of the site and only reads there; `None`
    /// where it knows no such folder.
    fn with_site_store(&self, _site: &Path) -> Option<Arc<dyn Runtime>> {
        None
    }

    /// Fails if such a process cannot be entered while it runs, and says why and what to do instead. Uses only what the
    /// process tells.
    fn may_enter(&self, _process: &Process) -> Result<()> {
        Err(Error::unsupported("enter what runs", format!("the runtime {} cannot enter what runs", self.name()))
            .hint("choose another runtime (inside)"))
    }

    /// The words that, followed by a command, run that command inside a process: `folder` is what was prepared, `place`
    /// the folder that the process was given to note where it is. They must be run on the node where the process is;
    /// with `terminal` in a terminal. The exit code is that of the command. Makes nothing and contacts nobody; looks at most
    /// at the folders. `Unsupported` where this runtime cannot.
    fn enter(&self, folder: &Path, _place: &Path, _terminal: bool) -> Result<Vec<String>> {
        let what = format!("enter what runs from {}", folder.display());
        Err(Error::unsupported(what, format!("the runtime {} cannot enter what runs", self.name())))
    }
}
