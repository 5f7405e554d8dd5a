//! Verbs for requests and their decision, the steward and the inbox.

use clap::{Args, Subcommand};

/// The arguments of `wharf request`: which image, why, and for how long.
#[derive(Debug, Args)]
pub struct Request {
    /// The image, or the URL of a disk image.
    pub reference: String,
    /// The reason; approvers read it.
    #[arg(long, short)]
    pub reason: String,
    /// The project of the site's registry that the image is admitted into, if not the usual one.
    #[arg(long, value_name = "PROJECT")]
    pub to: Option<String>,
    /// Until when the image is needed, as a time or like 30d.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Show the request to approvers only.
    #[arg(long)]
    pub private: bool,
    /// Wait until the image is admitted, or an approver has to decide.
    #[arg(long, short)]
    pub wait: bool,
}

/// The arguments of `wharf requests`: which requests to list, or what to do with one.
#[derive(Debug, Args)]
pub struct Requests {
    /// Everybody's requests, as far as you may see them.
    #[arg(long, global = true)]
    pub all: bool,
    /// Requests that wait for a decision, by the rule that blocks them and their base image.
    #[arg(long, global = true)]
    pub queue: bool,
    /// What to do with a request; without it, requests are listed.
    #[command(subcommand)]
    pub what: Option<RequestsVerb>,
}

/// What `wharf requests` does with one.
#[derive(Debug, Subcommand)]
pub enum RequestsVerb {
    /// Show a request with its evidence, its conversation and its history.
    Show {
        /// The request's number.
        id: i64,
    },
    /// Add a remark to a request; it answers an open question.
    Add {
        /// The request's number.
        id: i64,
        /// The remark.
        words: String,
    },
    /// Ask the requester a question; the request waits for the answer.
    Ask {
        /// The request's number.
        id: i64,
        /// The question.
        words: String,
    },
    /// Withdraw a request.
    Withdraw {
        /// The request's number.
        id: i64,
    },
    /// Request another version instead: the present image of its tag, or another reference.
    Renew {
        /// The request's number.
        id: i64,
        /// The reference of the other version.
        reference: Option<String>,
    },
    /// For approvers: what was asked for and decided on each of the last 30 days (UTC), and approvals that end within 14.
    Overview,
    /// List the approvals of classes that are in force.
    Classes,
    /// End an approval of a class.
    EndClass {
        /// The class's number.
        id: i64,
    },
}

/// The arguments of `wharf approve`: which requests or class, on which conditions.
#[derive(Debug, Args)]
pub struct Approve {
    /// The requests' numbers.
    #[arg(required_unless_present = "rule")]
    pub ids: Vec<i64>,
    /// The reason, or the purpose that it is approved for.
    #[arg(long, default_value = "approved")]
    pub reason: String,
    /// When the approval ends, as a time or like 90d.
    #[arg(long, value_name = "WHEN")]
    pub until: Option<String>,
    /// Valid only at the place of admission, not for copies in other projects.
    #[arg(long)]
    pub only: bool,
    /// A finding that is accepted. May be given several times.
    #[arg(long = "except", value_name = "CVE")]
    pub exceptions: Vec<String>,
    /// The key to sign the approval with: a file, keyring:NAME or pkcs11:URI. Without one, only the steward signs.
    #[arg(long, value_name = "FILE|keyring:NAME|pkcs11:URI")]
    pub key: Option<String>,
    /// Approve everything that this rule blocks, later requests included. Needs --until.
    #[arg(long, conflicts_with = "ids", requires = "until")]
    pub rule: Option<String>,
    /// With --rule: only images built on this base image.
    #[arg(long, requires = "rule", default_value = "", hide_default_value = true)]
    pub base: String,
}

/// The arguments of `wharf reject`: which requests, and why.
#[derive(Debug, Args)]
pub struct Reject {
    /// The requests' numbers.
    #[arg(required = true)]
    pub ids: Vec<i64>,
    /// The reason; the requester reads it.
    #[arg(long, short)]
    pub reason: String,
}

/// The arguments of `wharf steward`: work until stopped, do one round, or set up the store.
#[derive(Debug, Args)]
pub struct Steward {
    /// Do what is due, and exit.
    #[arg(long)]
    pub once: bool,
    /// Create or update the store's tables, functions and rights, and exit. Needs the rights of the store's owner.
    #[arg(long, conflicts_with = "once")]
    pub set_up: bool,
}

/// The arguments of `wharf inbox`: which notices to show or mark as read.
#[derive(Debug, Args)]
pub struct Inbox {
    /// Show only unread messages.
    #[arg(long)]
    pub unread: bool,
    /// Mark the messages shown as read.
    #[arg(long)]
    pub read: bool,
}
