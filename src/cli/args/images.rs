//! Verbs for images: list, show, compare, copy, tag and remove.

use clap::Args;

use super::transfers::PaceOptions;

/// The arguments of `wharf images`: which images to list.
#[derive(Debug, Args)]
pub struct Images {
    /// Words to search for. Facets narrow the list: tag:1.2, kind:vm, project:physics, source:lab, label:team=x,
    /// platform:arm64, trust:verified, verdict:allow, size:>1G, age:<30d, used:me (launched, copied or shared by you).
    /// scan:clean, scan:stale, scan:unscanned name the state of the scan; scan:high has findings that severe or worse,
    /// scan:high+fix such with a fix. A minus excludes: -kind:vm, -test.
    pub query: Vec<String>,
    /// List only this source.
    #[arg(long, value_name = "NAME")]
    pub source: Option<String>,
    /// List only this kind: container, vm, sif, volume, snapshot, backup or artifact.
    #[arg(long)]
    pub kind: Option<String>,
    /// Sort by name, source, age, size, trust, scan or verdict; default: the best match, then the name.
    #[arg(long, value_name = "ORDER")]
    pub sort: Option<String>,
    /// Print the lists of the last run; no source is contacted.
    #[arg(long)]
    pub cached: bool,
}

/// The arguments of `wharf show`: which image, for which platform.
#[derive(Debug, Args)]
pub struct Show {
    /// The image.
    pub reference: String,
    /// Platform, like linux/arm64; default: this machine's.
    #[arg(long)]
    pub platform: Option<String>,
}

/// The arguments of `wharf diff`: which two images, with which checks.
#[derive(Debug, Args)]
pub struct Diff {
    /// The image to compare with.
    pub before: String,
    /// The image that is compared; :TAG is another tag of the first one.
    pub after: String,
    /// Platform of both, like linux/arm64; default: this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Compare what is known or found quickly; scan nothing.
    #[arg(long)]
    pub quick: bool,
}

/// Options of every verb that copies an image.
#[derive(Debug, Args)]
pub struct CopyOptions {
    /// Copy only these platforms, like linux/amd64.
    #[arg(long, value_name = "PLATFORM")]
    pub platform: Vec<String>,
    /// Leave out signatures and other attachments.
    #[arg(long)]
    pub bare: bool,
    /// Go on although the policy demands an approval, where it lets you. Your reason is kept in the audit log.
    #[arg(long, value_name = "REASON")]
    pub because: Option<String>,
    /// How many blobs are copied at a time.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=32))]
    pub parallel: u8,
    /// Put a disk into a registry as a containerDisk, which every registry and engine takes, or as an artifact with the file
    /// itself as its layer (ORAS).
    #[arg(long = "as", value_name = "FORM", default_value = "disk", value_parser = ["disk", "file"])]
    pub form: String,
    #[command(flatten)]
    pub pace: PaceOptions,
}

/// The arguments of `wharf copy`: from where to where, with which options.
#[derive(Debug, Args)]
pub struct Copy {
    /// The image.
    pub reference: String,
    /// The name of the copy, as a reference; several are copied to at once, and the image is read once.
    #[arg(required = true)]
    pub destination: Vec<String>,
    #[command(flatten)]
    pub options: CopyOptions,
}

/// The arguments of `wharf pull`: which image, into which file.
#[derive(Debug, Args)]
pub struct Pull {
    /// The image.
    pub reference: String,
    /// A folder, or a file ending in .tar; default: the image's name in this folder.
    pub file: Option<String>,
    #[command(flatten)]
    pub options: CopyOptions,
}

/// The arguments of `wharf push`: which file, to where.
#[derive(Debug, Args)]
pub struct Push {
    /// An OCI layout folder or an archive, with :TAG if it holds several images; a disk image; or the URL of one,
    /// which the cloud fetches itself.
    pub file: String,
    /// The name of the copy, as a reference.
    pub reference: String,
    #[command(flatten)]
    pub options: CopyOptions,
}

/// The arguments of `wharf fetch`: which file, to where, and what it must be equal to.
#[derive(Debug, Args)]
pub struct Fetch {
    /// The address of an image (https, http, ftp), or a name of the site's list; without one, the list is printed.
    pub url: Option<String>,
    /// A file, a folder, oci://HOST/NAME or glance://CLOUD/NAME; the first folder of images if left out.
    pub to: Option<String>,
    /// The address of its list of checksums, where that does not lie beside it.
    #[arg(long, value_name = "URL", conflicts_with = "digest")]
    pub sums: Option<String>,
    /// The SHA-256 or SHA-512 that it must have, in place of a list.
    #[arg(long, value_name = "HEX")]
    pub digest: Option<String>,
    /// Fetch at most this much.
    #[arg(long, value_name = "SIZE", default_value = "64G")]
    pub at_most: String,
}

/// The arguments of `wharf tag`: which image gets which tag.
#[derive(Debug, Args)]
pub struct Tag {
    /// The image, in a registry or an engine.
    pub reference: String,
    /// Its new tag, like 1.2, in the same repository; in an engine also a whole name, like engine://docker/team/tool:1.2.
    pub new: String,
    /// Move the tag if another image has it.
    #[arg(long = "move")]
    pub moves: bool,
}

/// The arguments of `wharf remove-image`: what to remove, and whether to ask.
#[derive(Debug, Args)]
pub struct RemoveImage {
    /// What to remove: host/repository:TAG for a tag (the image goes with its last tag), host/repository@sha256:… for an
    /// image with all its tags, engine://NAME/repository:TAG, glance://CLOUD/ID-or-name, volume://CLOUD/ID-or-name,
    /// volume://CLOUD/snapshots/ID, volume://CLOUD/backups/ID.
    #[arg(value_name = "REF", required = true)]
    pub references: Vec<String>,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
}

/// The arguments of `wharf prune`: which repository, by which rule.
#[derive(Debug, Args)]
pub struct Prune {
    /// The repository, in a registry: host/repository, without a tag.
    pub repository: String,
    /// How many of the newest images stay.
    #[arg(long, value_name = "NUMBER", required_unless_present = "older_than")]
    pub keep: Option<usize>,
    /// Remove only what was made longer ago than this: 90d, 12w, 48h.
    #[arg(long, value_name = "SPAN", required_unless_present = "keep")]
    pub older_than: Option<String>,
    /// Print what would be removed, and remove nothing.
    #[arg(long)]
    pub plan: bool,
    /// Remove without asking.
    #[arg(long, conflicts_with = "plan")]
    pub yes: bool,
}
