//! The command line's types. Words only; what they do is in `cli`.

use std::{ffi::OsString, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint};

/// As in `core::query`: this file names words only.
const MINUS: char = '\u{2212}';

/// Browse, check, share and launch the images you may use.
///
/// Without a verb it opens the portal. REF is oci://host/repository:tag (or host/repository:tag, or repository:tag
/// on Docker Hub), engine://NAME/repository:tag, glance://CLOUD/ID-or-name, volume://CLOUD/ID-or-name, or file:PATH,
/// with :tag where it holds several.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 needs approval, 4 denied by policy, 5 undecided, 6 not found,
/// 7 not allowed, 8 a source or backend did not answer.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100)]
pub struct Cli {
    /// Read this instead of your configuration file.
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Theme of the portal.
    #[arg(long, global = true, value_name = "NAME")]
    pub theme: Option<String>,
    /// Print JSON instead of text.
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The words of the command line as they are read: of `images`, a word that begins with a minus and is no flag excludes.
pub fn prepared(words: Vec<OsString>) -> Vec<OsString> {
    let images = words.iter().skip(1).position(|word| word == "images");
    let Some(images) =
        images.filter(|at| words.iter().skip(1).take(*at).all(|word| word.as_encoded_bytes().starts_with(b"-")))
    else {
        return words;
    };
    let of_images = images + 2;
    words
        .into_iter()
        .enumerate()
        .map(|(at, word)| match word.to_str().and_then(|text| text.strip_prefix('-')) {
            Some(rest) if at >= of_images && !rest.starts_with('-') && rest.chars().nth(1).is_some() => {
                OsString::from(format!("{MINUS}{rest}"))
            }
            _ => word,
        })
        .collect()
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List images of all sources.
    Images(Images),
    /// Show one image: digest, platforms, entry point, layers.
    Show(Show),
    /// Say what is known about an image's safety (exit 0 allow, 3 needs approval, 4 deny, 5 undecided).
    Verify(Verify),
    /// Say what is different between two images: settings, size, software, known vulnerabilities.
    Diff(Diff),
    /// Launch an image.
    Launch(Launch),
    /// List workloads of all backends.
    Workloads,
    /// Print a workload's output.
    Logs(Logs),
    /// Run a command in a workload.
    Exec(Exec),
    /// Attach your terminal to a workload that was launched with one.
    Console(Workload),
    /// Stop a workload.
    Stop(WholeWorkload),
    /// Start a workload again that was stopped.
    Start(WholeWorkload),
    /// Start a running workload anew.
    Reboot(WholeWorkload),
    /// Make an image of a server as it is now, and share it.
    Snapshot(Snapshot),
    /// Put a volume into a server of the same cloud.
    Attach(VolumeIn),
    /// Take a volume out of a server.
    Detach(VolumeIn),
    /// Stop and remove a workload.
    Remove(WholeWorkload),
    /// Share an image into projects of a registry, or print a link to it.
    Share(Share),
    /// Show who may use an image of a cloud.
    Shares(Shares),
    /// Take back a share, the admission of an image, or the approval of a class.
    Revoke(Revoke),
    /// List what other projects offer to yours; accept or reject it.
    Offers(Offers),
    /// Show what a link points to, and whether its tag has moved since.
    Open(Open),
    /// Copy an image between registries, engines and OCI layouts.
    Copy(Copy),
    /// Copy an image into a file or folder (OCI layout).
    Pull(Pull),
    /// Copy an image from a file or folder to a registry or engine.
    Push(Push),
    /// Give an image another tag.
    Tag(Tag),
    /// Remove images, tags, volumes, snapshots: what goes along is said first, and asked for.
    RemoveImage(RemoveImage),
    /// Clear out the old versions of a repository by a rule: the plan is shown first, and asked for.
    Prune(Prune),
    /// List sources and backends: who you are there and how they are.
    Sources,
    /// Sign in to a registry.
    Login(Login),
    /// Forget how to sign in to a registry.
    Logout(Logout),
    /// Print the policy in force, or rehearse another one.
    Policy(Policy),
    /// Sign an image, as cosign does, with a key of a file, of the secret store or of hardware.
    Sign(Sign),
    /// Make, bring, show or forget keys to sign with.
    Key(Key),
    /// Show what was done here and on which verdict, or check that nothing of it was changed.
    Audit(Audit),
    /// Ask for an image to be admitted: pinned to its digest, judged by itself, decided by a person only where the policy wants it.
    Request(Request),
    /// List requests; show, answer, withdraw or renew one.
    Requests(Requests),
    /// Approve requests, or everything that one rule blocks on one base.
    Approve(Approve),
    /// Reject requests, with a reason.
    Reject(Reject),
    /// Work as steward: fetch what is asked for, gather evidence, admit what the policy allows, watch what was admitted.
    Steward(Steward),
    /// Show what concerns you: news of requests, warnings, offers.
    Inbox(Inbox),
    /// Say what was found on this machine, what is missing and how to get it.
    Doctor,
    /// Print completions for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}

/// `wharf images`.
#[derive(Debug, Args)]
pub struct Images {
    /// Words to look for; facets narrow them down: tag:1.2, kind:vm, project:physics, source:lab, label:team=x,
    /// platform:arm64, trust:verified, scan:clean, verdict:allow. With a minus before it (-kind:vm, -test), what fits is
    /// left out.
    pub query: Vec<String>,
    /// Only this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// Only this kind: container, vm, sif, volume, snapshot, backup or artifact.
    #[arg(long)]
    pub kind: Option<String>,
    /// Use the last lists instead of asking.
    #[arg(long)]
    pub cached: bool,
}

/// `wharf verify`.
#[derive(Debug, Args)]
pub struct Verify {
    /// The image.
    pub reference: String,
    /// Platform, like linux/arm64; default this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Check again, whatever is known already.
    #[arg(long)]
    pub again: bool,
    /// Read all data of a cloud's image, to check what is signed over it.
    #[arg(long)]
    pub data: bool,
}

/// `wharf diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The one image.
    pub before: String,
    /// The other; :TAG is another tag of the first.
    pub after: String,
    /// Platform of both, like linux/arm64; default this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Use what is known or quick to find, and scan nothing.
    #[arg(long)]
    pub quick: bool,
}

/// `wharf show`.
#[derive(Debug, Args)]
pub struct Show {
    /// The image.
    pub reference: String,
    /// Platform, like linux/arm64; default this machine's.
    #[arg(long)]
    pub platform: Option<String>,
}

/// `wharf policy`.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub verb: PolicyVerb,
}

/// What `wharf policy` does.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Print the policy in force, as it would be written.
    Show {
        /// Print the built-in policy instead: every key with its default, and what it means.
        #[arg(long)]
        commented: bool,
    },
    /// Say what another policy would change for the images that were looked at or launched lately.
    Test {
        /// The other policy: a file of its own, or a configuration that has one in it.
        file: std::path::PathBuf,
        /// Days to look back.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
}

/// `wharf sign`.
#[derive(Debug, Args)]
pub struct Sign {
    /// The image, in a registry; what it means now is signed, by digest.
    pub reference: String,
    /// A file with a private key (PEM); keyring:NAME for one in the secret store (wharf key new NAME); or
    /// pkcs11:token=NAME;object=KEY?module-path=LIBRARY for one in hardware. A passphrase or PIN is asked for.
    #[arg(long, value_name = "FILE|keyring:NAME|pkcs11:URI")]
    pub key: String,
}

/// `wharf key`.
#[derive(Debug, Args)]
pub struct Key {
    /// What to do.
    #[command(subcommand)]
    pub verb: KeyVerb,
}

/// What `wharf key` does.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Make a key in a file, or in the secret store, and print its public half.
    New {
        /// A path (with a / in it, or ending in .key or .pem) is a file for you alone, with FILE.pub beside it; anything
        /// else is a name in the secret store.
        #[arg(value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
        name: String,
        /// What sort of key: p384 for what clouds verify of disk images.
        #[arg(long = "type", value_name = "p256|p384", default_value = "p256", value_parser = ["p256", "p384"])]
        curve: String,
        /// Protect it with a passphrase, which is asked for twice now, and once whenever it signs.
        #[arg(long)]
        passphrase: bool,
    },
    /// Keep the private key of a file in the secret store, and print its public half.
    Import {
        /// What it is called.
        name: String,
        /// The file (PEM).
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the public half of a key: what a policy names as keys of its signatures.
    Show {
        /// A file, keyring:NAME or pkcs11:URI.
        key: String,
    },
    /// Forget a key of the secret store.
    Forget {
        /// What it is called.
        name: String,
    },
}

/// `wharf audit`.
#[derive(Debug, Args)]
pub struct Audit {
    /// Check the chain of hashes, and print its end, which can be kept elsewhere; or print the file as it is.
    #[arg(value_name = "verify|export", value_parser = ["verify", "export"])]
    pub what: Option<String>,
    /// The same as verify.
    #[arg(long)]
    pub verify: bool,
    /// Everybody's, as the shared store knows it: what was decided, admitted and done. For those who decide, and stewards.
    #[arg(long, conflicts_with_all = ["what", "verify"])]
    pub site: bool,
    /// How many of the latest, with --site.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..=50_000))]
    pub limit: i64,
}

/// `wharf launch`.
#[derive(Debug, Args)]
pub struct Launch {
    /// The image.
    pub reference: String,
    /// Where; default the first backend that can.
    #[arg(long, value_name = "BACKEND")]
    pub on: Option<String>,
    /// An answer to the backend's form.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print exactly what would be sent, and send nothing.
    #[arg(long)]
    pub plan: bool,
    /// Platform, like linux/arm64; default this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Follow the output until it ends, and exit with its code.
    #[arg(long, short)]
    pub follow: bool,
    /// Pass escape sequences to the terminal as they come; else only colours are kept.
    #[arg(long)]
    pub raw: bool,
    /// Go on where the policy wants an approval and lets you; your reason is written into the audit.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// Command instead of the image's own.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// A workload that is shown.
#[derive(Debug, Args)]
pub struct Workload {
    /// Its id or name, or the beginning of one.
    pub id: String,
}

/// A workload that is changed or ended.
#[derive(Debug, Args)]
pub struct WholeWorkload {
    /// Its whole name, or its id.
    pub id: String,
}

/// `wharf attach` and `wharf detach`.
#[derive(Debug, Args)]
pub struct VolumeIn {
    /// The volume: volume://CLOUD/NAME, or its name or id in the server's cloud.
    pub volume: String,
    /// The server's whole name, or its id.
    pub server: String,
}

/// `wharf snapshot`.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// Its whole name, or its id.
    pub id: String,
    /// What the image is called; asked for again, the same name is the same image.
    pub name: String,
    /// Projects to share it with.
    #[arg(long, value_name = "PROJECT", num_args = 1..)]
    pub to: Vec<String>,
}

/// `wharf logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Its id or name, or the beginning of one.
    pub id: String,
    /// More as it comes.
    #[arg(long, short)]
    pub follow: bool,
    /// The time before each line, as the engine kept it (RFC 3339).
    #[arg(long, short)]
    pub timestamps: bool,
    /// Only what was printed since then: 30min, 12h, 7d ago, or 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Pass escape sequences to the terminal as they come; else only colours are kept.
    #[arg(long)]
    pub raw: bool,
}

/// `wharf exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// Its whole name, or its id; with --terminal the beginning of one will do.
    pub id: String,
    /// With a terminal, for shells: what it sends is not filtered.
    #[arg(long, short)]
    pub terminal: bool,
    /// Pass escape sequences to the terminal as they come; else only colours are kept.
    #[arg(long)]
    pub raw: bool,
    /// The command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// What to take along in copies.
#[derive(Debug, Args)]
pub struct Along {
    /// Only these platforms, like linux/amd64.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<String>,
    /// Leave signatures and other attachments behind.
    #[arg(long)]
    pub bare: bool,
    /// Go on where the policy wants an approval and lets you; your reason is written into the audit.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// Blobs at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
}

/// `wharf share`.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Share {
    /// The image.
    pub reference: String,
    /// A project of the same registry or cloud, HOST/PROJECT of another registry, or CLOUD/PROJECT of another cloud.
    /// May be given several times.
    #[arg(long, value_name = "PROJECT", num_args = 1.., required_unless_present_any = ["link", "give", "community", "public"])]
    pub to: Vec<String>,
    /// Share an image of a cloud with everybody there who looks for it or has its id.
    #[arg(long, conflicts_with = "link")]
    pub community: bool,
    /// Put an image of a cloud into everybody's list. Needs a role that few have.
    #[arg(long, conflicts_with_all = ["link", "community"])]
    pub public: bool,
    /// Give a volume to whoever gets its key, which is shown once. You lose the volume when it is taken.
    #[arg(long, conflicts_with_all = ["to", "link", "community", "public"])]
    pub give: bool,
    /// Print a link instead.
    #[arg(long, conflicts_with = "to")]
    pub link: bool,
    /// With --link: when it ends, as a time or like 7d, 12h.
    #[arg(long, value_name = "WHEN", requires = "link")]
    pub until: Option<String>,
    /// Print how it would be shared, and share nothing.
    #[arg(long, conflicts_with = "link")]
    pub plan: bool,
    /// With --link: also as a QR code.
    #[arg(long, requires = "link")]
    pub qr: bool,
    #[command(flatten)]
    pub along: Along,
}

/// `wharf shares`.
#[derive(Debug, Args)]
pub struct Shares {
    /// The image.
    pub reference: String,
}

/// `wharf tag`.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image, in a registry or an engine.
    pub reference: String,
    /// Its new tag, like 1.2, in the same repository; in an engine also a whole name, like engine://docker/team/tool:1.2.
    pub new: String,
    /// Let a tag that means another image mean this one from now on.
    #[arg(long = "move")]
    pub moves: bool,
}

/// `wharf remove-image`.
#[derive(Debug, Args)]
pub struct RemoveImage {
    /// What goes: host/repository:TAG for a tag (with its last tag the image goes, too), host/repository@sha256:… for an
    /// image with all its tags, engine://NAME/repository:TAG, glance://CLOUD/ID-or-name, volume://CLOUD/ID-or-name,
    /// volume://CLOUD/snapshots/ID, volume://CLOUD/backups/ID.
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
}

/// `wharf prune`.
#[derive(Debug, Args)]
pub struct Prune {
    /// The repository, in a registry: host/repository, without a tag.
    pub repository: String,
    /// So many of the newest images stay.
    #[arg(long, value_name = "NUMBER", required_unless_present = "older_than")]
    pub keep: Option<usize>,
    /// Only what was made longer ago goes: 90d, 12w, 48h.
    #[arg(long, value_name = "SPAN", required_unless_present = "keep")]
    pub older_than: Option<String>,
    /// Say what would go, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
}

/// `wharf revoke`.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The share's id, as 'wharf shares' shows it; the number of a request whose admission is taken back; or class:N.
    pub what: String,
    /// Why; everybody who uses an image whose admission is taken back reads it.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Of a class, take back what was admitted by it, too.
    #[arg(long)]
    pub admitted: bool,
    /// The key to sign with, that an admission was taken back.
    #[arg(long)]
    pub key: Option<String>,
}

/// `wharf offers`.
#[derive(Debug, Args)]
pub struct Offers {
    /// What to do with one; without it, they are listed.
    #[command(subcommand)]
    pub answer: Option<Answer>,
}

/// The answers to an offer.
#[derive(Debug, Subcommand)]
pub enum Answer {
    /// Accept an offer: it is in your project's list from now on. For CLOUD/transfer/ID the volume's key is asked for
    /// (or read from standard input), and the volume is your project's.
    Accept {
        /// Its id.
        id: String,
    },
    /// Take back a volume that you give and nobody has taken.
    Cancel {
        /// Its id.
        id: String,
    },
    /// Reject an offer: it is in no list; by its id it stays usable.
    Reject {
        /// Its id.
        id: String,
    },
}

/// `wharf open`.
#[derive(Debug, Args)]
pub struct Open {
    /// The link, beginning with wharf:.
    pub link: String,
}

/// `wharf copy`.
#[derive(Debug, Args)]
pub struct Copy {
    /// The image.
    pub reference: String,
    /// Where to.
    pub destination: String,
    #[command(flatten)]
    pub along: Along,
}

/// `wharf pull`.
#[derive(Debug, Args)]
pub struct Pull {
    /// The image.
    pub reference: String,
    /// A folder, or a file ending in .tar; default the image's name in this folder.
    pub file: Option<String>,
    #[command(flatten)]
    pub along: Along,
}

/// `wharf push`.
#[derive(Debug, Args)]
pub struct Push {
    /// An OCI layout folder, or an archive, with :TAG if it holds several; a disk image; or a URL, which the cloud
    /// fetches by itself.
    pub file: String,
    /// Where to.
    pub reference: String,
    #[command(flatten)]
    pub along: Along,
}

/// `wharf login`.
#[derive(Debug, Args)]
pub struct Login {
    /// A source's name or a registry's host.
    pub source: String,
    /// Account; asked for when left out.
    #[arg(long, short)]
    pub user: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    pub password_stdin: bool,
}

/// `wharf logout`.
#[derive(Debug, Args)]
pub struct Logout {
    /// A source's name or a registry's host.
    pub source: String,
}

/// `wharf request`.
#[derive(Debug, Args)]
pub struct Request {
    /// The image; or the address of a disk image on the web.
    pub reference: String,
    /// Why: whoever decides reads it.
    #[arg(long, short)]
    pub reason: String,
    /// A project of the admitted registry, other than the site's own.
    #[arg(long, value_name = "PROJECT")]
    pub to: Option<String>,
    /// Until when it is needed, as a time or like 30d.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Show it only to those who decide.
    #[arg(long)]
    pub private: bool,
    /// Wait until it is admitted, or somebody has to decide.
    #[arg(long, short)]
    pub wait: bool,
}

/// `wharf requests`.
#[derive(Debug, Args)]
pub struct Requests {
    /// Those of everybody, as far as you may see them.
    #[arg(long, global = true)]
    pub all: bool,
    /// Those that wait for a decision, by the rule that blocks them and what they are built on.
    #[arg(long, global = true)]
    pub queue: bool,
    /// What to do with one; without it, they are listed.
    #[command(subcommand)]
    pub what: Option<RequestsVerb>,
}

/// What `wharf requests` does with one.
#[derive(Debug, Subcommand)]
pub enum RequestsVerb {
    /// Show one with its evidence, what was said, and what happened.
    Show {
        /// Its number.
        id: i64,
    },
    /// Add something to one; where a question was asked, that is its answer.
    Add {
        /// Its number.
        id: i64,
        /// What.
        words: String,
    },
    /// Ask back: whoever asked for it is told, and it waits for their answer.
    Ask {
        /// Its number.
        id: i64,
        /// The question.
        words: String,
    },
    /// Take one back.
    Withdraw {
        /// Its number.
        id: i64,
    },
    /// Ask for another version instead: what its tag means now, or another reference.
    Renew {
        /// Its number.
        id: i64,
        /// The other version.
        reference: Option<String>,
    },
    /// List approvals of classes that still count.
    Classes,
    /// End an approval of a class.
    EndClass {
        /// Its number.
        id: i64,
    },
}

/// `wharf approve`.
#[derive(Debug, Args)]
pub struct Approve {
    /// Numbers of requests.
    #[arg(required_unless_present = "rule")]
    pub ids: Vec<i64>,
    /// Why, or what for.
    #[arg(long, default_value = "approved")]
    pub reason: String,
    /// Until when the approval counts, as a time or like 90d.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Only where it is admitted, not in projects that it is copied to.
    #[arg(long)]
    pub only: bool,
    /// A finding that was looked at and is taken. May be given several times.
    #[arg(long = "except", value_name = "CVE")]
    pub exceptions: Vec<String>,
    /// A key to sign the approval with: a file, keyring:NAME or pkcs11:URI. Without one, the steward signs alone.
    #[arg(long, value_name = "FILE|keyring:NAME|pkcs11:URI")]
    pub key: Option<String>,
    /// Approve everything that this rule blocks, also what is asked for later. Needs --until.
    #[arg(long, conflicts_with = "ids", requires = "until")]
    pub rule: Option<String>,
    /// With --rule: only what is built on this base.
    #[arg(long, requires = "rule", default_value = "")]
    pub base: String,
}

/// `wharf reject`.
#[derive(Debug, Args)]
pub struct Reject {
    /// Numbers of requests.
    #[arg(required = true)]
    pub ids: Vec<i64>,
    /// Why: whoever asked reads it.
    #[arg(long, short)]
    pub reason: String,
}

/// `wharf steward`.
#[derive(Debug, Args)]
pub struct Steward {
    /// Do what is there to do, and end.
    #[arg(long)]
    pub once: bool,
    /// Make the store's tables, functions and rights, or bring them up to date, and end. Needs the rights of its owner.
    #[arg(long, conflicts_with = "once")]
    pub set_up: bool,
}

/// `wharf inbox`.
#[derive(Debug, Args)]
pub struct Inbox {
    /// Only what was not read.
    #[arg(long)]
    pub unread: bool,
    /// Mark what is shown as read.
    #[arg(long)]
    pub read: bool,
}
