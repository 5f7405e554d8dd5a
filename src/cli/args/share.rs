//! Verbs for sharing.

use clap::{Args, Subcommand};

use super::images::CopyOptions;

/// The arguments of `wharf share`: which image, with whom, in which way.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub struct Share {
    /// The image.
    pub reference: String,
    /// A project of the same registry or cloud, HOST/PROJECT of another registry, CLOUD/PROJECT of another cloud, or a
    /// person, who gets a link: their mail address, or a contact by name or key. May be given several times.
    #[arg(long, value_name = "RECEIVER", num_args = 1.., required_unless_present_any = ["link", "give", "community", "public"])]
    pub to: Vec<String>,
    /// Share an image of a cloud with everybody there who searches for it or has its id.
    #[arg(long, conflicts_with = "link")]
    pub community: bool,
    /// Put an image of a cloud into everybody's list. Needs a role that few people have.
    #[arg(long, conflicts_with_all = ["link", "community"])]
    pub public: bool,
    /// Transfer a volume to whoever has the transfer key, which is shown once. You lose the volume when it is accepted.
    #[arg(long, conflicts_with_all = ["to", "link", "community", "public"])]
    pub give: bool,
    /// Print a link instead.
    #[arg(long, conflicts_with = "to")]
    pub link: bool,
    /// When it ends, as a time or like 7d, 12h. A link ends by itself; what was shared with projects is then taken back by
    /// 'wharf shared --take-back-ended'.
    #[arg(long, value_name = "WHEN", conflicts_with = "give")]
    pub until: Option<String>,
    /// Print how the image would be shared, and share nothing.
    #[arg(long, conflicts_with = "link")]
    pub plan: bool,
    /// With --link: send it by the site's mail, too.
    #[arg(long, value_name = "ADDRESS", requires = "link")]
    pub mail: Vec<String>,
    /// With --link: send it to the site's webhook, too.
    #[arg(long, requires = "link")]
    pub post: bool,
    /// With --link: print a QR code, too.
    #[arg(long, requires = "link")]
    pub qr: bool,
    #[command(flatten)]
    pub options: CopyOptions,
}

/// The arguments of `wharf shares`: of which image.
#[derive(Debug, Args)]
pub struct Shares {
    /// The image.
    pub reference: String,
}

/// The arguments of `wharf shared`.
#[derive(Debug, Args)]
pub struct Shared {
    /// Take back what is past its end: grants are revoked, and copies are removed unless their names mean other images now.
    #[arg(long)]
    pub take_back_ended: bool,
}

/// The arguments of `wharf revoke`: which share, admission or class, and why.
#[derive(Debug, Args)]
pub struct Revoke {
    /// The share's id, as 'wharf shares' shows it; the number of a request whose admission is taken back; or class:N.
    pub what: String,
    /// The reason. Everybody who uses the image reads it when its admission is taken back.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// With class:N: take back what was admitted by the class, too.
    #[arg(long)]
    pub admitted: bool,
    /// The key to sign the withdrawal of an admission with: a file, keyring:NAME or pkcs11:URI.
    #[arg(long)]
    pub key: Option<String>,
}

/// The arguments of `wharf offers`: list all, or answer one.
#[derive(Debug, Args)]
pub struct Offers {
    /// What to do with an offer; without it, offers are listed.
    #[command(subcommand)]
    pub answer: Option<Answer>,
}

/// The answers to an offer.
#[derive(Debug, Subcommand)]
pub enum Answer {
    /// Accept an offer: the image appears in your project's list. For CLOUD/transfer/ID, the transfer key is asked for
    /// (or read from standard input), and the volume becomes your project's.
    Accept {
        /// The offer's id, or a link to the image that is offered.
        id: String,
    },
    /// Cancel a volume transfer that nobody has accepted yet.
    Cancel {
        /// The offer's id.
        id: String,
    },
    /// Reject an offer: hide it from your lists. The image stays usable by its id.
    Reject {
        /// The offer's id.
        id: String,
    },
}

/// The arguments of `wharf open`: which link to read.
#[derive(Debug, Args)]
pub struct OpenLink {
    /// The link, beginning with wharf:.
    pub link: String,
}

/// The arguments of `wharf contacts`: list all, or add or remove one.
#[derive(Debug, Args)]
pub struct Contacts {
    /// What to do; without it, they are listed.
    #[command(subcommand)]
    pub verb: Option<ContactsVerb>,
}

/// What `wharf contacts` does.
#[derive(Debug, Subcommand)]
pub enum ContactsVerb {
    /// Add somebody. Compare the key with what they tell you by another way: from then on, links signed with it are theirs.
    Add {
        /// What they are called; if it is the name in their links, a link in that name by another key is refused.
        name: String,
        /// What their 'wharf key' prints, or a link of theirs.
        key: String,
        /// Their mail address: then they can be chosen where an image is shared.
        #[arg(long, value_name = "ADDRESS")]
        mail: Option<String>,
    },
    /// Remove somebody.
    Remove {
        /// What they are called.
        name: String,
    },
}
