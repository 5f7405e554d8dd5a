//! Keeping what a person chose about their sources.

use crate::{base::error::Result, config::SourceChoice};

/// The file of sources that a person added from within Wharf or leaves out of lists.
pub trait SourceChoices: Send + Sync {
    /// Changes the file as the choice says, completely or not at all. The file is read anew before, so that choices of
    /// another Wharf stay. It is in force for a portal that is built afterwards. Repeating `Hide` and `Show` changes
    /// nothing.
    ///
    /// # Errors
    /// Those of [`SourceChoice::applied_to`], and why the file cannot be written.
    fn keep_choice(&self, choice: &SourceChoice) -> Result<()>;
}
