//! The port for shares that are to end.

use crate::{base::error::Result, sharing::ending::Endings};

/// Keeps which shares of this person are to end. All calls may block.
pub trait KeepEndings: Send + Sync {
    /// All of them. Changes nothing. Errors: they cannot be read.
    fn all(&self) -> Result<Endings>;
    /// Changes them, whole or not at all, also when several programs do so at once. Errors: those of reading and writing;
    /// then nothing has changed.
    fn change(&self, change: &dyn Fn(&mut Endings)) -> Result<()>;
}
