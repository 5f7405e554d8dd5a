//! Verbs for launching and for workloads.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people.
    Text,
    /// A POSIX shell script.
    Script,
    /// One object with `backend`, `image`, `answers`, `steps`, `risks`, `privileged`, `idempotency_key` and `form`.
    Json,
}

/// The arguments of `wharf launch`: which image, on which backend, with which answers.
#[derive(Debug, Args)]
pub struct Launch {
    /// The image.
    #[arg(required_unless_present = "again", conflicts_with = "again")]
    pub reference: Option<String>,
    /// Launch again what was launched before, with the same digest and answers, and show first what differs. ID is a
    /// launch or its workload; without ID, list the last launches. One that had no answer is found, or finished.
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = "")]
    pub again: Option<String>,
    /// With --again: the image that the tag means today.
    #[arg(long)]
    pub latest: bool,
    /// Answers that are kept under this name; those given by --set are taken first.
    #[arg(long, value_name = "NAME", conflicts_with = "again")]
    pub preset: Option<String>,
    /// Keep the answers given here under this name, if the launch goes well.
    #[arg(long, value_name = "NAME", conflicts_with = "plan")]
    pub save_preset: Option<String>,
    /// The backend; default: the first that takes the image.
    #[arg(long, value_name = "BACKEND")]
    pub on: Option<String>,
    /// An answer to the backend's form, as KEY=VALUE. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Print exactly what would be sent, and send nothing: for people, as a shell script that does the same without
    /// Wharf, or as JSON.
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true, default_missing_value = "text")]
    pub plan: Option<PlanFormat>,
    /// Only prepare the image for the batch script in this folder, which the script of a plan has written.
    #[arg(long, value_name = "FOLDER", requires = "on", conflicts_with_all = ["plan", "again", "set", "follow"])]
    pub prepare: Option<PathBuf>,
    /// Launch only what the lock file of this folder names.
    #[arg(long, conflicts_with_all = ["again", "unlocked"])]
    pub locked: bool,
    /// Do not use the lock file of this folder.
    #[arg(long)]
    pub unlocked: bool,
    /// Platform, like linux/arm64; default: this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Follow the output until the workload ends, and exit with its code.
    #[arg(long, short)]
    pub follow: bool,
    /// Pass escape sequences to the terminal unfiltered; without it, only colours are kept.
    #[arg(long)]
    pub raw: bool,
    /// Go on although the policy demands an approval, where it lets you. Your reason is kept in the audit log.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// The command: added to the image's entry point where it has one, else run instead of the image's command.
    #[arg(last = true)]
    pub command: Vec<String>,
}

/// A workload that is shown.
#[derive(Debug, Args)]
pub struct Workload {
    /// The workload's id or name, or the beginning of one.
    pub id: String,
}

/// A workload that is changed or ended.
#[derive(Debug, Args)]
pub struct WholeWorkload {
    /// The workload's whole name, or its id.
    pub id: String,
}

/// The arguments of `wharf attach` and `wharf detach`: which volume, which server.
#[derive(Debug, Args)]
pub struct VolumeIn {
    /// The volume: volume://CLOUD/NAME, or its name or id in the server's cloud.
    pub volume: String,
    /// The server's whole name, or its id.
    pub server: String,
}

/// The arguments of `wharf resize`: which workload, and what it is to have.
#[derive(Debug, Args)]
pub struct Resize {
    /// The workload's whole name, or its id.
    pub id: String,
    /// What it is to have, as KEY=VALUE; without any, what it has is shown. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The arguments of `wharf snapshot`: which workload, and who gets its image.
#[derive(Debug, Args)]
pub struct Snapshot {
    /// The server's whole name, or its id.
    pub id: String,
    /// The name of the image. Repeated with the same name, no second image is made.
    pub name: String,
    /// Projects to share it with.
    #[arg(long, value_name = "PROJECT", num_args = 1..)]
    pub to: Vec<String>,
}

/// The arguments of `wharf workloads`: which of them.
#[derive(Debug, Args)]
pub struct Workloads {
    /// Those of other people, too, where a backend shows them: Slurm tells what everybody has in its queue.
    #[arg(long)]
    pub everybody: bool,
    /// Leave out what ended and was launched before then: 30min, 12h or 7d ago, or a time like 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
}

/// The arguments of `wharf logs`: which workload, and which part of its output.
#[derive(Debug, Args)]
pub struct Logs {
    /// The workload's id or name, or the beginning of one.
    pub id: String,
    /// Keep printing as more output arrives.
    #[arg(long, short)]
    pub follow: bool,
    /// Print the time before each line, as the engine recorded it (RFC 3339).
    #[arg(long, short)]
    pub timestamps: bool,
    /// Only output since then: 30min, 12h or 7d ago, or a time like 2030-01-31T12:00:00Z.
    #[arg(long, value_name = "WHEN")]
    pub since: Option<String>,
    /// Pass escape sequences to the terminal unfiltered; without it, only colours are kept.
    #[arg(long)]
    pub raw: bool,
}

/// The arguments of `wharf exec`: which command, in which workload.
#[derive(Debug, Args)]
pub struct Exec {
    /// The workload's whole name, or its id; with --terminal the beginning of one is enough.
    pub id: String,
    /// With a terminal, for shells. What the command prints is not filtered.
    #[arg(long, short)]
    pub terminal: bool,
    /// Pass escape sequences to the terminal unfiltered; without it, only colours are kept.
    #[arg(long)]
    pub raw: bool,
    /// The command.
    #[arg(last = true, required = true)]
    pub command: Vec<String>,
}

/// The arguments of `wharf cache`: list the images that are kept ready, or clear some.
#[derive(Debug, Args)]
pub struct Cache {
    /// What to do; without it, the images are listed.
    #[command(subcommand)]
    pub verb: Option<CacheVerb>,
}

/// What `wharf cache` does.
#[derive(Debug, Subcommand)]
pub enum CacheVerb {
    /// Remove images that nothing uses; without a rule, all of them. A later launch makes them again.
    Clear(CacheClear),
}

/// The arguments of `wharf cache clear`: by which rule, and whether to ask.
#[derive(Debug, Args)]
pub struct CacheClear {
    /// Remove what no launch has used for longer than this: 30d, 12w, 48h.
    #[arg(long, value_name = "SPAN")]
    pub older_than: Option<String>,
    /// Remove the least recently used until the others take at most this: 20G, 500M.
    #[arg(long, value_name = "SIZE")]
    pub keep_under: Option<String>,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
}

/// The arguments of `wharf lock`: list what is locked, or add, update or remove some.
#[derive(Debug, Args)]
pub struct Lock {
    /// What to do; without it, what is locked here is listed.
    #[command(subcommand)]
    pub verb: Option<LockVerb>,
}

/// What `wharf lock` does.
#[derive(Debug, Subcommand)]
pub enum LockVerb {
    /// Fix the bytes of images as they are now. Launches in this folder, and below it, use these from then on.
    Add {
        /// The images, by their tags.
        #[arg(required = true)]
        reference: Vec<String>,
        /// The platform, like linux/arm64; default: whichever a launch needs.
        #[arg(long)]
        platform: Option<String>,
    },
    /// Show what has changed since in packages, findings and size, and take it if you say so.
    Update {
        /// The images; default: all.
        reference: Vec<String>,
        /// Take all without asking.
        #[arg(long)]
        yes: bool,
        /// Compare what is known or found quickly; scan nothing.
        #[arg(long)]
        quick: bool,
    },
    /// Tell whether what is locked can be had, and whether its tags still mean it; change nothing.
    Check,
    /// Forget images.
    Remove {
        /// The images.
        #[arg(required = true)]
        reference: Vec<String>,
    },
}
