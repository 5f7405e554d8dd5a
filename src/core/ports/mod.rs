//! The traits that adapters implement. Each adapter implements those it can; the others are answered with [`cannot`].
//!
//! All are `dyn`-safe. Every call takes a [`Context`](super::base::context::Context): deadline, cancellation, lossy
//! progress. A call that reads may be repeated at will; one that writes says what it does when it is repeated.

pub mod catalog;
pub mod checker;
pub mod content;
pub mod disks;
pub mod keep;
pub mod launcher;
pub mod notifier;
pub mod runtime;
pub mod sharer;
pub mod signer;
pub mod store;
pub mod upkeep;

pub use self::{
    catalog::{Catalog, Extent, Listing, SignInServer},
    checker::Checker,
    content::{BlobSource, Content, InMemory},
    disks::Disks,
    keep::{Audit, Cache, CachedRows, Keeps, Vault},
    launcher::{Ability, KnownAttachments, Launcher, Supply, Terminal},
    notifier::Notifier,
    runtime::{Description, Process, Runtime},
    sharer::Sharer,
    signer::{LookAtKey, MakeKey, NamedKeys, OpenSigner, Signer, Signers, Trusted, WriteKey},
    upkeep::Upkeep,
};
use super::base::error::Error;
pub use super::base::{
    ask::{Asker, Question, QuestionKind},
    bytes::ByteStream,
};

/// The error for a port that a place does not implement. `what` is what was asked of it.
pub fn cannot(place: &str, what: &str) -> Error {
    Error::unsupported(format!("{what} {place}"), "this kind of place cannot do that")
}
