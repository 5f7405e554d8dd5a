//! What launches images and keeps an eye on what it launched.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

use super::{
    cannot,
    catalog::Extent,
    content::{ByteStream, Content},
};
use crate::core::{
    base::{context::Context, digest::Digest, error::Result, secret::Credentials},
    evidence::attachments::Attachments,
    image::{
        model::{Health, Image, Pinned},
        reference::ImageRef,
    },
    launch::{
        form::{Answers, Form},
        logs::Wanted,
        plan::{Plan, Workload},
        usage::Usage,
    },
};

/// How a launcher gets the bytes of an image.
#[derive(Clone)]
pub struct Supply {
    /// The image, pinned.
    pub image: Pinned,
    /// Where its bytes are; `None` for images that their own cloud launches.
    pub content: Option<Arc<dyn Content>>,
    /// What an engine needs to pull it by itself.
    pub credentials: Option<Credentials>,
    /// What is known to be attached to it, so that several checks look once.
    pub known: KnownAttachments,
}

/// What is attached, by the digest that it is attached to.
pub type KnownAttachments = Arc<Mutex<HashMap<Digest, Arc<Attachments>>>>;

impl Supply {
    /// What is attached to a digest of the image; asked for once.
    pub async fn attached(&self, cx: &Context, digest: &Digest) -> Result<Arc<Attachments>> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(digest) {
            return Ok(found.clone());
        }
        let found = Arc::new(self.bytes()?.attached(cx, &self.image.reference, digest).await?);
        known.insert(digest.clone(), found.clone());
        Ok(found)
    }

    /// Where its bytes are, for whoever needs them.
    pub fn bytes(&self) -> Result<Arc<dyn Content>> {
        self.content.clone().ok_or_else(|| cannot(&self.image.reference.to_string(), "read the bytes of"))
    }
}

/// A terminal connected to a workload.
pub struct Terminal {
    /// What the program writes.
    pub output: ByteStream,
    /// What the person types.
    pub input: mpsc::Sender<Bytes>,
    /// New sizes: columns, rows.
    pub resize: mpsc::Sender<(u16, u16)>,
}

/// Something that launches images. `launch` takes only plans, and plans only pinned images.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Its name, for `--on`.
    fn name(&self) -> &str;

    /// What people call it too, where its own name had to be another one.
    fn also_called(&self) -> Option<&str> {
        None
    }

    /// What it is, in a few words.
    fn describe(&self) -> String;

    /// Why it cannot launch this image, if it cannot.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Its questions for this image, with careful defaults.
    async fn form(&self, cx: &Context, image: &Image) -> Result<Form>;

    /// What would be sent, and what that may do. Sends nothing.
    async fn plan(&self, cx: &Context, image: &Image, answers: &Answers) -> Result<Plan>;

    /// Carries out a plan. A plan already carried out gives the workload it made.
    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload>;

    /// The workloads of this backend, as far as its list can be read, and whether that is all.
    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)>;

    /// Output so far, and what else is wanted of it. Where times are, each line begins with its own; a backend that
    /// keeps none refuses with [`Kind::Unsupported`](crate::core::base::error::Kind::Unsupported) before it reads anything.
    async fn logs(&self, cx: &Context, id: &str, wanted: Wanted) -> Result<ByteStream>;

    /// A terminal: attached to the workload, or to a new process in it.
    async fn terminal(
        &self,
        cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        size: (u16, u16),
    ) -> Result<Terminal>;

    /// Runs a command in the workload without a terminal; gives its output and exit code.
    async fn exec(&self, cx: &Context, id: &str, command: Vec<String>) -> Result<(Vec<u8>, i64)>;

    /// What it uses right now; `None` where this backend does not tell, so that nobody asks again. What it does not
    /// know is left out, never guessed. It answers at once and makes nothing: the use of processors is that since the
    /// call before, of the same workload, and the first call has none.
    async fn usage(&self, _cx: &Context, _id: &str) -> Result<Option<Usage>> {
        Ok(None)
    }

    /// Puts a volume of the same cloud into it, and comes back when it is there; there already is fine.
    async fn attach(&self, _cx: &Context, id: &str, volume: &ImageRef) -> Result<()> {
        Err(cannot(self.name(), &format!("attach {volume} to {id} on")))
    }

    /// Takes a volume out of it, and comes back when it is free; not there is fine.
    async fn detach(&self, _cx: &Context, id: &str, volume: &ImageRef) -> Result<()> {
        Err(cannot(self.name(), &format!("detach {volume} from {id} on")))
    }

    /// Stops it; one that stands still is stopped already.
    async fn stop(&self, cx: &Context, id: &str) -> Result<()>;

    /// Starts it after it was stopped, or once more with `again`.
    async fn start(&self, _cx: &Context, id: &str, _again: bool) -> Result<()> {
        Err(cannot(self.name(), &format!("start {id} on")))
    }

    /// Makes an image of it as it is now, under `name`. Asked for again under the same name, it is the same image.
    async fn snapshot(&self, _cx: &Context, id: &str, _name: &str) -> Result<ImageRef> {
        Err(cannot(self.name(), &format!("take a snapshot of {id} on")))
    }

    /// Removes it; one that is gone is removed already.
    async fn remove(&self, cx: &Context, id: &str) -> Result<()>;

    /// Whether it answers, its version and who I am there.
    async fn health(&self, cx: &Context) -> Result<Health>;
}
