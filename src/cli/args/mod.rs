//! The command line's types, a file for each group of verbs. What the verbs do is in `cli`.

mod evidence;
mod images;
mod launch;
mod requests;
mod share;
mod sources;
mod transfers;

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand, ValueHint};

pub use self::{
    evidence::{Audit, Key, KeyVerb, Policy, PolicyVerb, Sign, Verify},
    images::{Copy, CopyOptions, Diff, Fetch, Images, Prune, Pull, Push, RemoveImage, Show, Tag},
    launch::{
        Cache, CacheClear, CacheVerb, Exec, Launch, Lock, LockVerb, Logs, PlanFormat, Resize, Snapshot, VolumeIn,
        WholeWorkload, Workload, Workloads,
    },
    requests::{Approve, Inbox, Reject, Request, Requests, RequestsVerb, Steward},
    share::{Answer, Contacts, ContactsVerb, Offers, OpenLink, Revoke, Share, Shared, Shares},
    sources::{Login, Logout, Sources, SourcesVerb},
    transfers::{Mirror, PaceOptions, Transfers, TransfersVerb},
};

/// The minus sign that `core::query` reads as "leave out". clap would take a word with `-` for a flag.
const MINUS: char = '\u{2212}';

/// Browse, check, share and launch the images you may use.
///
/// Without a verb the portal opens. REF is oci://host/repository:tag (or host/repository:tag, or repository:tag
/// on Docker Hub), engine://NAME/repository:tag, glance://CLOUD/ID-or-name, volume://CLOUD/ID-or-name, or file:PATH,
/// with :tag where the file holds several images.
///
/// Exit codes: 0 done, 1 failed, 2 usage, 3 needs approval, 4 denied by policy, 5 undecided, 6 not found,
/// 7 not allowed, 8 a source or backend did not answer, 9 needs isolation.
#[derive(Debug, Parser)]
#[command(name = "wharf", version, max_term_width = 100)]
pub struct Cli {
    /// Read this file instead of your configuration file.
    #[arg(long, global = true, help_heading = "Global options", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Theme of the portal.
    #[arg(long, global = true, help_heading = "Global options", value_name = "NAME")]
    pub theme: Option<String>,
    /// Print the portal as plain lines, for screen readers.
    #[arg(long, global = true, help_heading = "Global options")]
    pub plain: bool,
    /// Print JSON instead of text.
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub verb: Option<Verb>,
}

/// The arguments as clap can read them: after `images`, a word like `-kind:vm` is a filter and not a flag, so its minus is
/// written as a minus sign that clap lets pass. Flags of one letter (`-h`) and words that begin with `--` stay as they are.
pub fn prepared(words: Vec<OsString>) -> Vec<OsString> {
    let verb = words.iter().skip(1).position(|word| word == "images").filter(|at| {
        // Another verb may have an argument of that name: only flags may come before.
        words.iter().skip(1).take(*at).all(|word| word.as_encoded_bytes().starts_with(b"-"))
    });
    let Some(verb) = verb else { return words };
    let filters = verb + 2;
    words
        .into_iter()
        .enumerate()
        .map(|(at, word)| match word.to_str().and_then(|text| text.strip_prefix('-')) {
            Some(rest) if at >= filters && !rest.starts_with('-') && rest.chars().nth(1).is_some() => {
                OsString::from(format!("{MINUS}{rest}"))
            }
            _ => word,
        })
        .collect()
}

/// What `wharf` is asked to do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the images of all sources.
    Images(Images),
    /// Show one image: digest, platforms, entry point, layers.
    Show(Show),
    /// Check an image against the policy (exit 0 allow, 3 needs approval, 4 deny, 5 undecided, 9 needs isolation).
    Verify(Verify),
    /// Compare two images: settings, size, software, known vulnerabilities.
    Diff(Diff),
    /// Launch an image.
    Launch(Launch),
    /// List the workloads of all backends.
    Workloads(Workloads),
    /// Print a workload's output.
    Logs(Logs),
    /// Run a command in a workload.
    Exec(Exec),
    /// Attach your terminal to a workload that was launched with one.
    Console(Workload),
    /// Stop a workload.
    Stop(WholeWorkload),
    /// Start a stopped workload.
    Start(WholeWorkload),
    /// Restart a running workload.
    #[command(alias = "reboot")]
    Restart(WholeWorkload),
    /// Make an image of a server's disk as it is now, and share it if you like.
    Snapshot(Snapshot),
    /// Attach a volume to a server of the same cloud.
    Attach(VolumeIn),
    /// Detach a volume from a server.
    Detach(VolumeIn),
    /// Show the size of a workload, or give it another one.
    Resize(Resize),
    /// Stop and remove a workload.
    Remove(WholeWorkload),
    /// List the images that are kept ready for launches: size, age, last use, place; or clear some.
    Cache(Cache),
    /// Share an image with projects, or print a link to it.
    Share(Share),
    /// Show who may use an image of a cloud.
    Shares(Shares),
    /// List what you have shared: with whom, since when, and how it stands.
    Shared(Shared),
    /// Take back a share, the admission of an image, or the approval of a class.
    Revoke(Revoke),
    /// List what other projects offer to yours; accept or reject an offer.
    Offers(Offers),
    /// Show what a link points to, and whether its tag has moved since.
    Open(OpenLink),
    /// Copy an image between registries, engines, clouds and files.
    Copy(Copy),
    /// List copies that run, wait or have ended; pause one, let it go on, or cancel it.
    Transfers(Transfers),
    /// Keep images of other registries in the site's, by digest and with their signatures. Runs until a signal, as a
    /// service of the steward's account.
    Mirror(Mirror),
    /// Copy an image into a file or folder (OCI layout).
    Pull(Pull),
    /// Copy an image from a file or folder to a registry, an engine or a cloud.
    Push(Push),
    /// Fetch a disk image from the web or an FTP server, and compare it with the checksums beside it.
    Fetch(Fetch),
    /// Give an image another tag.
    Tag(Tag),
    /// Remove images, tags, volumes and snapshots, after showing what goes with them.
    RemoveImage(RemoveImage),
    /// Remove the old versions of a repository by a rule, after showing which.
    Prune(Prune),
    /// List sources and backends: whether they answer, and as whom you are signed in; add, hide or remove a source.
    Sources(Sources),
    /// Sign in to a registry or cloud.
    Login(Login),
    /// Sign out: delete what is stored for signing in.
    Logout(Logout),
    /// Print the policy in force, or try another one on recent images.
    Policy(Policy),
    /// Sign an image as cosign does, with a key from a file, the secret store or hardware.
    Sign(Sign),
    /// Create, import, show or delete signing keys.
    Key(Key),
    /// Fix the bytes of images in a file of this folder, so that launches there are the same next year.
    Lock(Lock),
    /// List the people whose portal keys you know; add or remove one.
    Contacts(Contacts),
    /// Show what was done here and under which verdict, or verify that the audit log was not changed.
    Audit(Audit),
    /// Request the admission of an image.
    ///
    /// The request is pinned to the image's digest. The steward judges it; a person decides only where the policy
    /// demands one.
    Request(Request),
    /// List requests; show, answer, withdraw or renew one.
    Requests(Requests),
    /// Approve requests, or everything that one rule blocks on one base image.
    Approve(Approve),
    /// Reject requests, with a reason.
    Reject(Reject),
    /// Run the steward: gather evidence for requests, admit what the policy allows, watch what was admitted.
    Steward(Steward),
    /// Show what concerns you: news of your requests, warnings, offers.
    Inbox(Inbox),
    /// Report what was found on this machine, what is missing and how to get it.
    Doctor,
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page.
    Man,
}
