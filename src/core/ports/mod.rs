//! The traits that adapters implement. Each adapter offers the ports it can; the rest is "cannot".
//!
//! All are `dyn`-safe. Every call takes a [`Context`]: deadline, cancellation, lossy progress.

pub mod store;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    pin::Pin,
    sync::Arc,
};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{Stream, future::BoxFuture};
use tokio::sync::{Mutex, mpsc};

use super::{
    audit::Entry,
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Result},
        secret::{Credentials, Secret},
    },
    catalog::rows::{Row, RowSet},
    evidence::{
        attachments::Attachments,
        record::{self, Record},
    },
    image::{
        link::CloudPlace,
        manifest::{Descriptor, RawManifest},
        model::{DataSignature, Health, Image, Pinned, Platform, Version},
        reference::ImageRef,
    },
    launch::{
        form::{Answers, Form},
        logs::Wanted,
        plan::{Plan, Workload},
        usage::Usage,
    },
    portal::{
        doctor::{Looked, Named, Ready},
        give_away::Receiver,
        keys::{Curve, NewKey},
        share::{Given, Offer, Project, Share, SharePlan},
        upkeep::Removal,
        witness::Chain,
    },
    request::statement::Statement,
    transfer::{
        copy::Outcome,
        disk::{Import, Published, Upload},
    },
};
use store::Due;

/// Bytes as they arrive.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// How a source can be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listing {
    /// It lists everything it has.
    Whole,
    /// It answers searches only.
    SearchOnly,
    /// It lists what it shows by itself, and finds more by words.
    WholeAndMore,
}

/// Whether a list holds all that its place has.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Extent {
    /// All of it.
    Whole,
    /// It ends before, and why, in words.
    Cut(String),
}

impl Extent {
    /// That of a list that ended for this reason, if for any.
    pub fn of(cut: Option<String>) -> Self {
        cut.map_or(Self::Whole, Self::Cut)
    }
}

/// The server that a sign-in really goes to, where that is not the place itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInServer {
    /// Scheme, host and port.
    pub address: String,
    /// Whether it is of the same people, by its name, or was agreed to before. Nothing secret goes to any other.
    pub known: bool,
}

impl SignInServer {
    /// Where the vault keeps which one was agreed to for `host`.
    pub fn place(host: &str) -> String {
        format!("sign-in server of {host}")
    }
}

/// A place whose images can be listed and described.
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Whether it lists everything or only answers searches.
    fn listing(&self) -> Listing {
        Listing::Whole
    }

    /// Sends rows in pages as they become known. A row sent again under the same name replaces the earlier one.
    /// However long it is, so much is read that it fits the memory; the answer says whether that was all.
    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent>;

    /// The reference of a row of this source.
    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef>;

    /// Where a cloud is, by what everybody calls it.
    fn cloud_place(&self) -> Option<CloudPlace> {
        None
    }

    /// Whether `reference` is in this source.
    fn owns(&self, reference: &ImageRef) -> bool;

    /// The image behind a reference, pinned, for `platform` or this machine's.
    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image>;

    /// The same image with the digest of its bytes, where a look at it did not read them all.
    async fn pin(&self, _cx: &Context, image: &Image) -> Result<Image> {
        Ok(image.clone())
    }

    /// The tags of an image, oldest first where the source tells.
    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>>;

    /// What one tag points to: digest, date and size.
    async fn version(&self, cx: &Context, reference: &ImageRef) -> Result<Version> {
        Ok(Version::of(&self.image(cx, reference, None).await?))
    }

    /// The place of this source's secret in the vault, where one signs in there.
    fn sign_in_place(&self) -> Option<String> {
        None
    }

    /// The server that a sign-in there goes to, where it is another one. Sends nothing secret.
    async fn sign_in_server(&self, _cx: &Context) -> Result<Option<SignInServer>> {
        Ok(None)
    }

    /// Whether a sign-in there takes an account and a secret that are kept.
    fn keeps_a_secret(&self) -> bool {
        true
    }

    /// Signs in with what was kept, and asks the person for what is good for one time only.
    async fn sign_in(&self, cx: &Context, _asker: Arc<dyn Asker>) -> Result<()> {
        cx.run("sign in", self.health(cx)).await.map(|_| ())
    }

    /// Whether a look at one image is cheap: it counts against no limit, so that rows on the screen may be looked at.
    fn looks_are_cheap(&self) -> bool {
        false
    }

    /// Who I am there and how it is.
    async fn health(&self, cx: &Context) -> Result<Health>;

    /// What an engine needs to pull `reference` by itself.
    async fn credentials(&self, _reference: &ImageRef) -> Option<Credentials> {
        None
    }
}

/// Where a blob can be read from, also from the middle after a broken connection.
#[async_trait]
pub trait BlobSource: Send + Sync {
    /// Opens it at byte `from`.
    async fn open(&self, from: u64) -> Result<ByteStream>;
}

/// Bytes that are there.
pub struct InMemory(pub Bytes);

#[async_trait]
impl BlobSource for InMemory {
    async fn open(&self, from: u64) -> Result<ByteStream> {
        let rest = self.0.slice(usize::try_from(from).unwrap_or(usize::MAX).min(self.0.len())..);
        Ok(Box::pin(futures_util::stream::iter([Ok(rest)])))
    }
}

/// A place whose manifests and blobs can be read, and perhaps written: registry, layout, engine.
#[async_trait]
pub trait Content: Send + Sync {
    /// Its name for messages.
    fn place(&self) -> String;

    /// The manifest or index that `at` names, its digest checked.
    async fn manifest(&self, cx: &Context, at: &ImageRef) -> Result<RawManifest>;

    /// A blob of the image `at`, from byte `from`. The caller checks the digest.
    async fn blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, from: u64) -> Result<ByteStream>;

    /// What is attached to `digest` (referrers API, its fallback tag, and the older tag scheme), and which of these places
    /// could not be looked at.
    async fn attached(&self, _cx: &Context, _at: &ImageRef, _digest: &Digest) -> Result<Attachments> {
        Ok(Attachments::default())
    }

    /// Whether a blob is there already.
    async fn has_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor) -> Result<bool>;

    /// Takes a blob over from another image of the same place without moving bytes; `false` where that cannot be.
    async fn mount(&self, _cx: &Context, _at: &ImageRef, _from: &ImageRef, _blob: &Descriptor) -> Result<bool> {
        Ok(false)
    }

    /// Writes a blob; nothing is visible before all of it has arrived and its digest was right.
    async fn put_blob(&self, cx: &Context, at: &ImageRef, blob: &Descriptor, source: &dyn BlobSource) -> Result<()>;

    /// Writes a manifest under `tag`, or by digest alone. Its blobs are there already.
    async fn put_manifest(&self, cx: &Context, at: &ImageRef, tag: Option<&str>, manifest: &RawManifest) -> Result<()>;

    /// Deletes a manifest by its digest; one that is gone is deleted already. `false` where the place lets none be deleted.
    async fn forget(&self, _cx: &Context, _at: &ImageRef) -> Result<bool> {
        Ok(false)
    }

    /// Whether this person may write there, tried without leaving anything.
    async fn may_write(&self, _cx: &Context, at: &ImageRef) -> Result<()> {
        Err(cannot(&at.to_string(), "try to write"))
    }

    /// Called once after everything was put, for places that take an image as a whole.
    async fn finish(&self, _cx: &Context, _at: &ImageRef) -> Result<()> {
        Ok(())
    }
}

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
    /// keeps none refuses with [`Kind::Unsupported`](super::base::error::Kind::Unsupported) before it reads anything.
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

/// A place whose images can be given more tags, and removed, by whoever they belong to.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// The digest that a reference with a tag or a digest means now; not found if it means nothing.
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest>;

    /// What removing these would do, one after the other. Changes nothing. It is an error where one may not be removed:
    /// it is protected, in use or somebody else's.
    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>>;

    /// Removes one thing that a [`Removal`] names: a tag alone, or what a digest or an id names; gone already is fine.
    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()>;

    /// Lets a tag of the same place mean this image; whatever it meant before.
    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()>;
}

/// A place whose images are shared by granting them to projects, which accept or reject.
#[async_trait]
pub trait Sharer: Send + Sync {
    /// Projects that this person may see.
    async fn projects(&self, cx: &Context) -> Result<Vec<Project>>;

    /// The project that this person works in.
    async fn own(&self, cx: &Context) -> Result<Project>;

    /// How a share would be made. Sends nothing.
    async fn plan(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<SharePlan>;

    /// Grants an image; granted already is fine. Of something else than an image, it grants an image made of it.
    async fn share(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share>;

    /// The image itself, or one that is made of a volume; made already is fine.
    async fn image_of(&self, cx: &Context, reference: &ImageRef) -> Result<ImageRef>;

    /// Who may use an image.
    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>>;

    /// Takes a grant back; taken back already is fine.
    async fn revoke(&self, cx: &Context, share: &str) -> Result<()>;

    /// What waits for an answer of this person's project.
    async fn offers(&self, cx: &Context) -> Result<Vec<Offer>>;

    /// Offers something that moves to whoever gets its key.
    async fn give(&self, cx: &Context, reference: &ImageRef) -> Result<Given>;

    /// Takes what was given, with its key.
    async fn take(&self, cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef>;

    /// Answers an offer; rejecting one of one's own takes it back.
    async fn answer(&self, cx: &Context, offer: &str, accept: bool) -> Result<()>;
}

/// Something that signs: its key never leaves it.
#[async_trait]
pub trait Signer: Send + Sync {
    /// Where the key is, in words.
    fn describe(&self) -> String;
    /// SHA-256 of its public half, in hexadecimal.
    fn key_id(&self) -> String;
    /// Its public half (PEM).
    fn public_pem(&self) -> String;
    /// Whether this key made a signature.
    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool;
    /// Signs a statement; ECDSA signatures are DER.
    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>>;
    /// Signs the data of a disk image as clouds verify it; `None` for keys of a kind that they do not take. The
    /// certificate is not the signer's to know.
    async fn sign_data(&self, _file: &Path) -> Result<Option<DataSignature>> {
        Ok(None)
    }
}

/// Keys to sign with.
pub struct Signers {
    /// Opens the key that somebody names; what it wants to know is asked for.
    pub open: OpenSigner,
    /// Makes a key, behind a passphrase if one is given. It may block.
    pub make: MakeKey,
    /// Writes a key into a file that is not there yet, its public half beside it; gives that one's path. It may block.
    pub write: WriteKey,
    /// Looks at a key without opening it; nobody is asked for anything.
    pub look: LookAtKey,
    /// What the policy names: keys and certificates, as far as they can be read. It may block.
    pub named: NamedKeys,
    /// The id of the policy's key that made a signature over a message, of those that may admit images; `None` if none did.
    pub trusted: Trusted,
}

/// Makes a key.
pub type MakeKey = Arc<dyn Fn(Curve, Option<&Secret>) -> Result<NewKey> + Send + Sync>;

/// Writes a key into a file.
pub type WriteKey = Arc<dyn Fn(&Path, &NewKey) -> Result<PathBuf> + Send + Sync>;

/// Looks at a key by its name.
pub type LookAtKey = Box<dyn Fn(&str) -> BoxFuture<'static, Result<Looked>> + Send + Sync>;

/// What the policy names.
pub type NamedKeys = Arc<dyn Fn() -> Vec<Named> + Send + Sync>;

/// Which of the policy's keys made a signature over a message.
pub type Trusted = Box<dyn Fn(&[u8], &[u8]) -> Option<String> + Send + Sync>;

/// A way to tell people what concerns them, beside the inbox.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Its name in the store: each notice goes each way once.
    fn way(&self) -> &'static str;
    /// Tells it; `false` where this way leads to nobody for this notice.
    async fn deliver(&self, cx: &Context, due: &Due) -> Result<bool>;
    /// Whether it could tell something now, without telling anything; what answers, in words.
    async fn ready(&self, cx: &Context) -> Result<String>;
}

/// Opens a key by its name.
pub type OpenSigner = Box<dyn Fn(&str, Arc<dyn Asker>) -> BoxFuture<'static, Result<Arc<dyn Signer>>> + Send + Sync>;

/// Something that makes evidence of images.
#[async_trait]
pub trait Checker: Send + Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// Which kind of evidence it makes.
    fn kind(&self) -> record::Kind;

    /// What it checks with, so that evidence made with something else does not count: ids of keys.
    fn inputs(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a record of this check was made with what it checks with now.
    fn inputs_fit(&self, record: &Record) -> bool {
        matches!(record.by, record::By::Source | record::By::Attached) || record.inputs == self.inputs()
    }

    /// Whether a check takes so long that nobody waits for it unasked.
    fn is_slow(&self) -> bool {
        false
    }

    /// Checks exactly the bytes that the image is pinned to; nothing where it has nothing to say about such images.
    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>>;

    /// Lets the source scan the image anew, and waits until it has; nothing where it cannot.
    async fn start(&self, _cx: &Context, _image: &Image) -> Result<()> {
        Ok(())
    }

    /// What it works with and how old its data is, where it is a program that may be missing; nothing else says so.
    async fn ready(&self, _cx: &Context) -> Option<Result<Ready>> {
        None
    }

    /// What it knows of vulnerabilities, by the identity of its data: another one means that images are judged again.
    async fn data(&self) -> Option<String> {
        None
    }

    /// Checks the data of a disk image that has arrived in a file; nothing where it has nothing to say about it.
    async fn check_data(&self, _cx: &Context, _image: &Image, _file: &Path) -> Result<Option<Record>> {
        Ok(None)
    }
}

/// A list as kept on disk.
#[derive(Debug, Clone)]
pub struct CachedRows {
    /// The source.
    pub source: String,
    /// Its rows, or the first of them.
    pub rows: Arc<RowSet>,
    /// How many there are in all.
    pub total: usize,
    /// Seconds since 1970 when they were fetched.
    pub fetched: i64,
}

/// What Wharf remembers between runs.
#[async_trait]
pub trait Cache: Send + Sync {
    /// The first rows of the last list of every source: a screenful, at once.
    async fn heads(&self) -> Result<Vec<CachedRows>>;
    /// The last list of every source.
    async fn load(&self) -> Result<Vec<CachedRows>>;
    /// The last list of one source.
    async fn last(&self, source: &str) -> Result<Option<CachedRows>>;
    /// Keeps a source's list.
    async fn save(&self, source: &str, rows: &RowSet, fetched: i64) -> Result<()>;
    /// Evidence of these digests, also such as counts no more.
    async fn evidence(&self, digests: &[Digest]) -> Result<Vec<Record>>;
    /// All evidence, the newest first, as far as anybody could read it.
    async fn all_evidence(&self) -> Result<Vec<Record>>;
    /// Keeps evidence; an older record of the same check of the same bytes is replaced.
    async fn keep_evidence(&self, record: &Record) -> Result<()>;
    /// Named filters.
    async fn filters(&self) -> Result<Vec<(String, String)>>;
    /// Keeps a filter under a name; an empty filter removes it.
    async fn save_filter(&self, name: &str, filter: &str) -> Result<()>;
}

/// Where what was done is written down. All calls may block.
pub trait Audit: Send + Sync {
    /// Adds an entry.
    fn append(&self, entry: Entry) -> Result<()>;
    /// The whole file, as it stands.
    fn read(&self) -> Result<String>;
    /// Which chain it is.
    fn chain(&self) -> Result<Chain>;
}

/// For how long a store keeps secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Until it is told to forget them.
    ForGood,
    /// Until something happens that nobody may notice, in words: `after a restart`.
    ForNow(&'static str),
    /// Until the program ends.
    UntilTheEnd,
}

/// Where secrets are kept.
pub trait Vault: Send + Sync {
    /// Which store is in use, in words.
    fn describe(&self) -> String;
    /// What was tried before it and why it was not taken, in words.
    fn refused(&self) -> Vec<String> {
        Vec::new()
    }
    /// For how long secrets are kept.
    fn keeps(&self) -> Keeps {
        Keeps::ForGood
    }
    /// Whether what is kept outlives the program.
    fn lasting(&self) -> bool {
        self.keeps() != Keeps::UntilTheEnd
    }
    /// Keeps secrets in a file that only the person can read, from now on: they agreed to it.
    fn agree(&self) -> Result<()> {
        Ok(())
    }
    /// Grows whenever a secret is kept or forgotten, so that whoever remembers one asks again.
    fn generation(&self) -> u64 {
        0
    }
    /// The secret of `account` at `place`.
    fn get(&self, place: &str) -> Result<Option<(String, Secret)>>;
    /// Keeps a secret.
    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()>;
    /// Forgets it; forgetting what is not there is fine.
    fn delete(&self, place: &str) -> Result<()>;
}

/// What the core may ask the person while it works; the front ends put it into words on their screen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The question itself.
    pub words: String,
    /// What sort of answer.
    pub kind: QuestionKind,
}

/// What sort of answer a question takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuestionKind {
    /// A line of text.
    Text,
    /// A secret, typed without echo.
    Secret,
    /// Yes or no; the answer is `yes` or anything else.
    Confirm,
}

/// The core asks the person; the front ends answer. Not answering is [`Error::cancelled`].
#[async_trait]
pub trait Asker: Send + Sync {
    /// Asks, and waits for the answer.
    async fn ask(&self, question: Question) -> Result<Secret>;
}

/// An error for a port that a place does not offer.
pub fn cannot(place: &str, what: &str) -> Error {
    Error::unsupported(format!("{what} {place}"), "this kind of place cannot do that")
}
