//! What launches images and keeps an eye on what it launched.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{Mutex, mpsc};

use super::{cannot, catalog::Extent, content::Content};
use crate::{
    base::{
        bytes::ByteStream,
        context::Context,
        digest::Digest,
        error::{Error, Result},
        secret::Credentials,
    },
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

/// What a backend can do besides launching, listing and stopping. What is not named here it refuses with
/// [`Kind::Unsupported`](crate::base::error::Kind::Unsupported), and screens do not offer it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// Shows what a workload has printed: [`Launcher::logs`].
    Logs,
    /// Runs a command in a workload: [`Launcher::exec`].
    Exec,
    /// Opens a terminal with a command in a workload: [`Launcher::terminal`] with a command.
    Terminal,
    /// Connects to the terminal of a workload's own program: [`Launcher::terminal`] without a command.
    Attach,
    /// Measures a workload: [`Launcher::usage`].
    Usage,
    /// Starts a stopped workload: [`Launcher::start`].
    Start,
    /// Makes an image of a workload: [`Launcher::snapshot`].
    Snapshot,
    /// Puts volumes into a workload and takes them out: [`Launcher::attach`], [`Launcher::detach`].
    Volumes,
    /// Removes a workload: [`Launcher::remove`].
    Remove,
}

impl Ability {
    /// Every ability.
    pub const ALL: &'static [Self] = &[
        Self::Logs,
        Self::Exec,
        Self::Terminal,
        Self::Attach,
        Self::Usage,
        Self::Start,
        Self::Snapshot,
        Self::Volumes,
        Self::Remove,
    ];

    /// What it does with a workload, as a verb with its object: `open a terminal in`.
    pub fn words(self) -> &'static str {
        match self {
            Self::Logs => "show the output of",
            Self::Exec => "run a command in",
            Self::Terminal => "open a terminal in",
            Self::Attach => "attach to",
            Self::Usage => "measure",
            Self::Start => "start",
            Self::Snapshot => "take a snapshot of",
            Self::Volumes => "attach or detach a volume of",
            Self::Remove => "remove",
        }
    }
}

/// Something that launches images: an engine, a cloud, a scheduler. `launch` takes only plans, and plans only pinned
/// images.
///
/// Every call ends by the context's deadline and when it is cancelled. Errors say what failed and where: `NotFound` for
/// an id that is not there, `Denied` where the person may not, `Unavailable` where the backend does not answer,
/// `Unsupported` for what it has no [`Ability`] for, `Usage` for answers that do not fit the form.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Its name, for `--on`: one word, the same in every run.
    fn name(&self) -> &str;

    /// What people call it too, where its own name had to be another one.
    fn also_called(&self) -> Option<&str> {
        None
    }

    /// What it can do besides launching, listing and stopping.
    fn abilities(&self) -> &[Ability] {
        &[]
    }

    /// Why it lacks an ability, and what to do instead: two sentences, the second may be empty. Asked only for abilities
    /// that it does not name.
    fn instead(&self, _ability: Ability) -> (&'static str, &'static str) {
        ("this kind of backend cannot do that", "")
    }

    /// That it has this ability, or the error that says why not and what to do instead. Asks nobody.
    fn must(&self, ability: Ability, id: &str) -> Result<()> {
        if self.abilities().contains(&ability) { Ok(()) } else { Err(self.lacks(ability, id)) }
    }

    /// The error for an ability that it lacks.
    fn lacks(&self, ability: Ability, id: &str) -> Error {
        let (why, instead) = self.instead(ability);
        Error::unsupported(format!("{} {id} on {}", ability.words(), self.name()), why).hint(instead)
    }

    /// Why it cannot launch this image, if it cannot. Asks nobody, so that lists can ask for every row.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Its questions for this image, the room there is, and whether a launch has root rights. The defaults fit together and
    /// give nothing away: they can be launched as they are. What it cannot learn in time is left out of the room, and is no
    /// error. The gate is left empty.
    async fn form(&self, cx: &Context, image: &Image) -> Result<Form>;

    /// What would be sent, and what that may do. Sends nothing and makes nothing. Answers that the form does not have, or
    /// that do not fit, are refused. The plan names the image by its digest and holds no secret.
    async fn plan(&self, cx: &Context, image: &Image, answers: &Answers) -> Result<Plan>;

    /// Carries out a plan, and sends exactly what it shows. A plan carried out already gives the workload that it made:
    /// its key is kept with the workload. What runs is compared with the pinned digest.
    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload>;

    /// The workloads of this backend that are the person's own, as far as the list can be read, and whether that is all.
    /// One that cannot be read costs its own row.
    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)>;

    /// Stops it; one that stands still is stopped already, one that is gone is `NotFound`. Comes back when it is stopped or will be by itself.
    async fn stop(&self, cx: &Context, id: &str) -> Result<()>;

    /// Whether it answers, its version and who I am there.
    async fn health(&self, cx: &Context) -> Result<Health>;

    /// Output so far, and what else is wanted of it. Where times are, each line begins with its own; a backend that
    /// keeps none refuses with [`Kind::Unsupported`](crate::base::error::Kind::Unsupported) before it reads
    /// anything. Bytes are as the program wrote them: whoever shows them cleans them.
    async fn logs(&self, _cx: &Context, id: &str, _wanted: Wanted) -> Result<ByteStream> {
        Err(self.lacks(Ability::Logs, id))
    }

    /// A terminal: attached to the workload, or to a new process in it where a command is given.
    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        _size: (u16, u16),
    ) -> Result<Terminal> {
        Err(self.lacks(if command.is_some() { Ability::Terminal } else { Ability::Attach }, id))
    }

    /// Runs a command in the workload without a terminal; gives its output and exit code.
    async fn exec(&self, _cx: &Context, id: &str, _command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        Err(self.lacks(Ability::Exec, id))
    }

    /// What it uses right now; `None` where this backend does not tell, so that nobody asks again. What it does not
    /// know is left out, never guessed. It answers at once and makes nothing: the use of processors is that since the
    /// call before, of the same workload, and the first call has none.
    async fn usage(&self, _cx: &Context, _id: &str) -> Result<Option<Usage>> {
        Ok(None)
    }

    /// Puts a volume of the same cloud into it, and comes back when it is there; there already is fine.
    async fn attach(&self, _cx: &Context, id: &str, _volume: &ImageRef) -> Result<()> {
        Err(self.lacks(Ability::Volumes, id))
    }

    /// Takes a volume out of it, and comes back when it is free; not there is fine.
    async fn detach(&self, _cx: &Context, id: &str, _volume: &ImageRef) -> Result<()> {
        Err(self.lacks(Ability::Volumes, id))
    }

    /// Starts it after it was stopped, or once more with `again`; one that runs is started already, unless `again`.
    async fn start(&self, _cx: &Context, id: &str, _again: bool) -> Result<()> {
        Err(self.lacks(Ability::Start, id))
    }

    /// Makes an image of it as it is now, under `name`. Asked for again under the same name, it is the same image.
    async fn snapshot(&self, _cx: &Context, id: &str, _name: &str) -> Result<ImageRef> {
        Err(self.lacks(Ability::Snapshot, id))
    }

    /// Removes it with what it wrote; one that is gone is removed already.
    async fn remove(&self, _cx: &Context, id: &str) -> Result<()> {
        Err(self.lacks(Ability::Remove, id))
    }
}
