//! The port for launching images and managing workloads.

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::BoxStream;
use tokio::sync::{Mutex, mpsc};

use super::{catalog::Extent, content::Content, disks::Disks, unsupported::cannot};
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
        ability::Refusal,
        form::{Answers, Form},
        kept::KeptImage,
        listing::ListScope,
        logs::LogRange,
        plan::{Plan, Workload},
        usage::Usage,
    },
};

pub use crate::launch::ability::Ability;

/// The image to launch and where its bytes are.
#[derive(Clone)]
pub struct Supply {
    /// The image with its digest.
    pub image: Pinned,
    /// Where its bytes can be read; `None` for images that their own cloud launches.
    pub content: Option<Arc<dyn Content>>,
    /// Where it can be downloaded as a file; `None` for images that are none of a cloud.
    pub disks: Option<Arc<dyn Disks>>,
    /// What an engine needs to pull it without Wharf; `None` if nothing.
    pub credentials: Option<Credentials>,
    /// Attachments that are known already, so that several checks read them only once.
    pub known: KnownAttachments,
}

/// Attachments by the digest that they are attached to.
pub type KnownAttachments = Arc<Mutex<HashMap<Digest, Arc<Attachments>>>>;

impl Supply {
    /// What is attached to a digest of the image; read only once. Whoever asks about one of the image's two digests asks
    /// about the other one next, so both are read at the same time.
    pub async fn attached(&self, cx: &Context, digest: &Digest) -> Result<Arc<Attachments>> {
        let mut known = self.known.lock().await;
        if let Some(found) = known.get(digest) {
            return Ok(found.clone());
        }
        let content = self.bytes()?;
        let read = |digest: Digest| {
            let content = content.clone();
            async move { Ok::<_, Error>(Arc::new(content.attached(cx, &self.image.reference, &digest).await?)) }
        };
        let other = [&self.image.manifest, &self.image.digest].into_iter().find(|one| *one != digest);
        match other.filter(|other| !known.contains_key(other)) {
            Some(other) => {
                let (found, others) = futures_util::join!(read(digest.clone()), read(other.clone()));
                if let Ok(others) = others {
                    known.insert(other.clone(), others);
                }
                known.insert(digest.clone(), found?);
            }
            None => {
                known.insert(digest.clone(), read(digest.clone()).await?);
            }
        }
        known.get(digest).cloned().ok_or_else(|| Error::failed(digest.to_string(), "what is attached was not kept"))
    }

    /// Where its bytes can be read.
    ///
    /// # Errors
    /// `Unsupported` where the image's source does not let them be read.
    pub fn bytes(&self) -> Result<Arc<dyn Content>> {
        self.content.clone().ok_or_else(|| cannot(&self.image.reference.to_string(), "read the bytes of"))
    }

    /// Where it can be downloaded as a file.
    ///
    /// # Errors
    /// `Unsupported` where the image's source has no such files.
    pub fn files(&self) -> Result<Arc<dyn Disks>> {
        self.disks.clone().ok_or_else(|| cannot(&self.image.reference.to_string(), "download"))
    }
}

/// A terminal that is connected to a workload.
pub struct Terminal {
    /// Output of the program.
    pub output: ByteStream,
    /// Input that the person types.
    pub input: mpsc::Sender<Bytes>,
    /// Changes of the terminal's size: columns, rows.
    pub resize: mpsc::Sender<(u16, u16)>,
}

/// The time between two lists of a backend that is asked again and again, where it says nothing else.
const PACE: Duration = Duration::from_secs(2);

/// Gives an item when workloads may have changed. What changes in quick succession may be told once. It ends, or gives an
/// error, when the backend tells nothing any more; whoever wants to know on asks for a new one.
pub type Changes = BoxStream<'static, Result<()>>;

/// What a backend tells of its workloads when it is asked for a list.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Listed {
    /// The workloads.
    pub workloads: Vec<Workload>,
    /// Whether these are all of them.
    pub extent: Extent,
    /// What cannot be done with single ones, or with parts of them, although the backend has the ability, with the reason,
    /// so that screens need not offer it.
    pub refusals: Vec<Refusal>,
    /// Their parts that are workloads themselves, such as the tasks of an array: at most a thousand of each.
    pub parts: Vec<Workload>,
}

/// Something that launches images: an engine, a cloud, a scheduler. `launch` takes only plans, and plans only pinned
/// images.
///
/// Every call ends by the context's deadline and when it is cancelled. Errors say what failed and where: `NotFound` for
/// an id that does not exist, `Denied` where the person may not, `Unavailable` where the backend does not answer,
/// `Unsupported` for an [`Ability`] that it lacks, `Usage` for answers that do not fit the form.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// The name for `--on`: one word, the same in every run.
    fn name(&self) -> &str;

    /// Another name that people use, where its own name was taken by another backend.
    fn also_called(&self) -> Option<&str> {
        None
    }

    /// What it can do besides launching, listing and stopping.
    fn abilities(&self) -> &[Ability] {
        &[]
    }

    /// Why it lacks an ability, and what to do instead: two sentences, the second may be empty. Called only for
    /// abilities that it lacks.
    fn instead(&self, _ability: Ability) -> (&'static str, &'static str) {
        ("this kind of backend cannot do that", "")
    }

    /// Fails if it lacks this ability; the error says why and what to do instead. Contacts nobody.
    fn must(&self, ability: Ability, id: &str) -> Result<()> {
        if self.abilities().contains(&ability) { Ok(()) } else { Err(self.lacks(ability, id)) }
    }

    /// The error for an ability that it lacks, about the workload `id`.
    fn lacks(&self, ability: Ability, id: &str) -> Error {
        let (why, instead) = self.instead(ability);
        Error::unsupported(format!("{} {id} on {}", ability.label(), self.name()), why).hint(instead)
    }

    /// Fails if it cannot launch this image, and says why. Contacts nobody, so that lists can ask for every row.
    fn accepts(&self, image: &Image) -> Result<()>;

    /// Its questions for this image, the free capacity, and whether a launch has root rights. The defaults fit together
    /// and give nothing away: they can be launched unchanged. Capacity that cannot be learnt in time is left out. The
    /// gate is left empty.
    async fn form(&self, cx: &Context, image: &Image) -> Result<Form>;

    /// Exactly what would be done, as steps in their order, and its risks. Sends nothing and makes nothing. Answers that the form does not have,
    /// or that are not valid, are refused. The plan names the image by its digest and holds no secret.
    async fn plan(&self, cx: &Context, image: &Image, answers: &Answers) -> Result<Plan>;

    /// The text of a plan in which a person may add lines, as an editor shows it, where its forms are
    /// [editable](Form::editable).
    ///
    /// # Errors
    /// `Unsupported` where a plan has no such text.
    fn editable_text(&self, _plan: &Plan) -> Result<String> {
        Err(Error::unsupported("edit the plan", format!("a plan of {} has no text that could be edited", self.name()))
            .hint("change the answers of the form"))
    }

    /// The answers whose plan has the lines that were added to the text of this one.
    ///
    /// # Errors
    /// `Usage` where something else was changed, or a line cannot be added.
    fn edited(&self, plan: &Plan, _text: &str) -> Result<Answers> {
        self.editable_text(plan).map(|_| plan.answers.clone())
    }

    /// Carries out the steps of a plan: writes, runs and sends exactly what they hold, and reads it nowhere else. If the plan was carried out before, gives that workload: its
    /// key is kept with the workload. What runs is compared with the pinned digest.
    async fn launch(&self, cx: &Context, plan: &Plan, supply: &Supply) -> Result<Workload>;

    /// Prepares what a plan's script needs before it is sent: `folder` is where that script is, which somebody else writes
    /// and sends. Before: the plan was made by this backend. After: the script can be sent. Repeated, what is prepared
    /// stays. `Integrity` where the script is of another image.
    async fn prepare(&self, _cx: &Context, folder: &Path, _supply: &Supply) -> Result<()> {
        let what = format!("prepare {}", folder.display());
        Err(Error::unsupported(what, format!("{} prepares nothing apart from a launch", self.name())))
    }

    /// The person's own workloads on this backend, and whether the list is complete. A workload that cannot be read
    /// leaves the rest of the list intact.
    async fn workloads(&self, cx: &Context) -> Result<(Vec<Workload>, Extent)>;

    /// The same, of what a scope asks for, with all that is known of single workloads. A backend that only knows the
    /// person's own workloads, or that cannot choose by time, need not do anything here: what the scope does not cover is
    /// left out by whoever asked.
    async fn list(&self, cx: &Context, _scope: ListScope) -> Result<Listed> {
        let (workloads, extent) = self.workloads(cx).await?;
        Ok(Listed { workloads, extent, ..Listed::default() })
    }

    /// How long to wait between two lists while somebody looks at them.
    fn pace(&self) -> Duration {
        PACE
    }

    /// Tells of changes from now on, where the backend tells of them by itself; `None` where its list has to be asked for
    /// again at its pace.
    async fn watch(&self, _cx: &Context) -> Result<Option<Changes>> {
        Ok(None)
    }

    /// The id of the listed workload that `id` is a part of, such as a task of an array; `None` where it is no part. All
    /// that is done with a workload can then be done with that part. Contacts nobody.
    fn whole<'a>(&self, _id: &'a str) -> Option<&'a str> {
        None
    }

    /// Stops it and waits until it is stopped or certain to stop. A workload that is stopped stays so; one that is gone
    /// is `NotFound`.
    async fn stop(&self, cx: &Context, id: &str) -> Result<()>;

    /// The images that it keeps ready in folders of this person, so that a launch need not fetch them again, each with who
    /// uses it; none where it keeps none. Changes nothing.
    async fn kept_images(&self, _cx: &Context) -> Result<Vec<KeptImage>> {
        Ok(Vec::new())
    }

    /// Removes an image that it keeps; one that is gone counts as removed. One that is in use is refused with `Usage`. A
    /// later launch makes it again.
    async fn remove_kept_image(&self, _cx: &Context, id: &str) -> Result<()> {
        Err(Error::not_found(format!("the image {id} of {}", self.name()), "this backend keeps no images"))
    }

    /// Whether it answers, its version, and which account is used there.
    async fn health(&self, cx: &Context) -> Result<Health>;

    /// Waits for a moment for what it does in the background, so that the next run of the program finds its result.
    /// Called when a command has told its answer; nothing depends on it.
    async fn settle(&self) {}

    /// The output so far, and more as `wanted` says. With times, each line begins with its own; a backend that keeps
    /// none refuses with [`Kind::Unsupported`](crate::base::error::Kind::Unsupported) before it reads anything. Bytes
    /// are as the program wrote them: the code that shows them cleans them.
    async fn logs(&self, _cx: &Context, id: &str, _wanted: LogRange) -> Result<ByteStream> {
        Err(self.lacks(Ability::Logs, id))
    }

    /// A terminal: attached to the workload itself, or to a new process in it where a command is given.
    async fn terminal(
        &self,
        _cx: &Context,
        id: &str,
        command: Option<Vec<String>>,
        _size: (u16, u16),
    ) -> Result<Terminal> {
        Err(self.lacks(if command.is_some() { Ability::Terminal } else { Ability::Attach }, id))
    }

    /// Runs a command in the workload without a terminal; gives its output and its exit code.
    async fn exec(&self, _cx: &Context, id: &str, _command: Vec<String>) -> Result<(Vec<u8>, i64)> {
        Err(self.lacks(Ability::Exec, id))
    }

    /// What it uses right now; `None` where this backend does not measure, so that it is not asked again. Unknown
    /// numbers are left out, never guessed. It answers at once: processor use is that since the previous call for the
    /// same workload, and the first call has none.
    async fn usage(&self, _cx: &Context, _id: &str) -> Result<Option<Usage>> {
        Ok(None)
    }

    /// Attaches a volume of the same cloud, and waits until it is there; attached already is fine.
    async fn attach(&self, _cx: &Context, id: &str, _volume: &ImageRef) -> Result<()> {
        Err(self.lacks(Ability::Volumes, id))
    }

    /// Detaches a volume, and waits until it is free; not attached is fine.
    async fn detach(&self, _cx: &Context, id: &str, _volume: &ImageRef) -> Result<()> {
        Err(self.lacks(Ability::Volumes, id))
    }

    /// What can be asked for as its size, with what it has now as the defaults. Changes nothing; repeated, it asks again.
    async fn sizes(&self, _cx: &Context, id: &str) -> Result<Form> {
        Err(self.lacks(Ability::Resize, id))
    }

    /// Gives it another size, and waits until it has it; what the answers leave out stays as it is. Before: they are fit
    /// for [`sizes`](Self::sizes). Repeated, it changes nothing. Errors: `Usage` where it has to be stopped first, or for
    /// a disk that would shrink.
    async fn resize(&self, _cx: &Context, id: &str, _answers: &Answers) -> Result<()> {
        Err(self.lacks(Ability::Resize, id))
    }

    /// Starts it after it was stopped, or restarts it with `again`; one that runs stays as it is, unless `again`.
    async fn start(&self, _cx: &Context, id: &str, _again: bool) -> Result<()> {
        Err(self.lacks(Ability::Start, id))
    }

    /// Makes an image of it as it is now, under `name`. Repeated with the same name, it gives the same image.
    async fn snapshot(&self, _cx: &Context, id: &str, _name: &str) -> Result<ImageRef> {
        Err(self.lacks(Ability::Snapshot, id))
    }

    /// Whether it makes SIF files of container images: [`make_sif`](Self::make_sif).
    fn makes_sif(&self) -> bool {
        false
    }

    /// Makes a SIF file of a pinned container image. Before: nothing is at `to`. After: the file is complete and names the
    /// image with its digest as what it was made from, or nothing is there. Gives the hash of the file; made twice, it may
    /// be another one. Errors: `Integrity` where layers are not those that were pinned.
    async fn make_sif(&self, _cx: &Context, supply: &Supply, _to: &Path) -> Result<Digest> {
        Err(Error::unsupported(format!("make a SIF of {}", supply.image.reference), "this backend makes none"))
    }

    /// Removes it with all that it wrote; one that is gone counts as removed.
    async fn remove(&self, _cx: &Context, id: &str) -> Result<()> {
        Err(self.lacks(Ability::Remove, id))
    }
}
