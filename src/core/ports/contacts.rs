//! The port for the people whose keys are known.

use crate::{base::error::Result, sharing::sender::Contacts};

/// Keeps the contacts of this person. All calls may block.
pub trait KeepContacts: Send + Sync {
    /// The contacts. Changes nothing. Errors: they cannot be read; then nobody is known.
    fn all(&self) -> Result<Contacts>;
    /// Changes them, whole or not at all, also when several programs do so at once; gives them as they are then. Errors:
    /// those of the change, and those of writing: then nothing has changed.
    fn change(&self, change: &dyn Fn(&mut Contacts) -> Result<()>) -> Result<Contacts>;
}
