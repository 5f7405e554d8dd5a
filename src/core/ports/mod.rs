//! The traits that adapters implement. Each adapter implements those it can; the others are answered with [`cannot`].
//!
//! All are `dyn`-safe. Every call takes a [`Context`](super::base::context::Context): deadline, cancellation, lossy
//! progress. A call that reads may be repeated at will; one that writes says what it does when it is repeated.

pub mod catalog;
pub mod checker;
pub mod choices;
pub mod contacts;
pub mod content;
pub mod disks;
pub mod editor;
pub mod endings;
pub mod keep;
pub mod launcher;
pub mod lock_files;
pub mod notifier;
pub mod runtime;
pub mod sharer;
pub mod signer;
pub mod store;
pub mod transfer_log;
pub mod transfer_record;
mod unsupported;
pub mod upkeep;
pub mod web;

pub use self::{
    catalog::{Catalog, Extent, Listing, SignInServer},
    checker::Checker,
    choices::SourceChoices,
    contacts::KeepContacts,
    content::{BlobSource, Content, InMemory},
    disks::Disks,
    editor::{Editor, FileInEditor},
    endings::KeepEndings,
    keep::{Audit, Cache, CachedRows, Keeps, Ledger, Vault},
    launcher::{Ability, Changes, KnownAttachments, Launcher, Listed, Supply, Terminal},
    lock_files::LockFiles,
    notifier::Notifier,
    runtime::{Description, Process, Runtime},
    sharer::Sharer,
    signer::{DescribeKey, MakeKey, NamedKeys, OpenSigner, Signer, Signers, Trusted, WriteKey},
    transfer_log::{TakenTransfer, TransferLog},
    unsupported::cannot,
    upkeep::Upkeep,
};
pub use super::base::{
    ask::{Asker, Question, QuestionKind},
    bytes::ByteStream,
};
