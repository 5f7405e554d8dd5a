//! Verbs for copies that run, wait or have ended.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// The arguments of `wharf transfers`: list all, or pause, resume or cancel some.
#[derive(Debug, Args)]
pub struct Transfers {
    /// What to do with a transfer; without it, transfers are listed.
    #[command(subcommand)]
    pub verb: Option<TransfersVerb>,
    /// List those that are done or cancelled, too.
    #[arg(long)]
    pub all: bool,
}

/// What to do with transfers.
#[derive(Debug, Subcommand)]
pub enum TransfersVerb {
    /// Stop a running transfer where it can go on, also one of another Wharf on this machine.
    Pause {
        /// The ids of transfers; the first characters suffice.
        #[arg(required = true)]
        id: Vec<String>,
    },
    /// Let transfers go on where they stopped, at the same rate and hours. The policy is asked again.
    Resume {
        /// The ids of transfers; without one, all that wait.
        id: Vec<String>,
        #[command(flatten)]
        pace: PaceOptions,
    },
    /// Give transfers up, and remove what they have left.
    Cancel {
        /// The ids of transfers; the first characters suffice.
        #[arg(required = true)]
        id: Vec<String>,
    },
}

/// How fast bytes are moved, and when.
#[derive(Debug, Args)]
pub struct PaceOptions {
    /// Move at most this many bytes a second, like 50M.
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// Move bytes at these hours of the day only, like 20:00-06:00.
    #[arg(long, value_name = "HOURS")]
    pub hours: Option<String>,
}

/// The arguments of `wharf mirror`: which list, once or again and again.
#[derive(Debug, Args)]
pub struct Mirror {
    /// The list: into = "HOST/PROJECT", and name and tags in an entry for each image; platforms, to, and for all of them every,
    /// rate, hours and largest_mib may be set.
    #[arg(value_hint = ValueHint::FilePath)]
    pub file: PathBuf,
    /// Go through it once, and exit.
    #[arg(long)]
    pub once: bool,
    /// Print what would go where, and copy nothing.
    #[arg(long, conflicts_with = "once")]
    pub plan: bool,
}
