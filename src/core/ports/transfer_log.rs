//! The port for the list of transfers, which outlives the program.

use std::sync::Arc;

use super::transfer_record::{KeptTransfer, TransferRecord, Wish};
use crate::base::{
    checkpoint::{Checkpoint, Checkpoints},
    error::Result,
};

/// The transfers of this person that are kept. All calls may block.
pub trait TransferLog: Send + Sync {
    /// Takes a transfer, so that no other program carries it out: the kept one that is the same and waits, else a new
    /// one. After: it is on the disk, and only this person can read it. It is held until what is returned is dropped, or
    /// the program ends. Errors: it cannot be written.
    fn take(&self, wanted: &TransferRecord) -> Result<Arc<dyn TakenTransfer>>;
    /// Takes the kept transfer of this id. Errors: `NotFound` where it is not kept, `Unavailable` where another program
    /// carries it out.
    fn take_kept(&self, id: &str) -> Result<Arc<dyn TakenTransfer>>;
    /// The kept transfers, the newest first. Changes nothing. One that cannot be read is left out.
    fn all(&self) -> Result<Vec<KeptTransfer>>;
    /// Tells the program that carries out a transfer what shall become of it. Repeated, the last wish holds.
    fn wish(&self, id: &str, wish: Wish) -> Result<()>;
}

/// A transfer that this program carries out. All calls may block, besides those that say otherwise.
pub trait TakenTransfer: Checkpoints {
    /// What is kept of it.
    fn record(&self) -> TransferRecord;
    /// Keeps what became of it, in place of what was kept. After: it is on the disk. Repeated, it changes nothing.
    fn keep_record(&self, record: &TransferRecord) -> Result<()>;
    /// What somebody wants to become of it; `None` as long as it shall go on. Changes nothing.
    fn wish(&self) -> Option<Wish>;
    /// From now on it shall pause where it can go on. Does not block.
    fn pause(&self);
    /// How far its parts are. Changes nothing.
    fn parts(&self) -> Vec<Checkpoint>;
}
