//! The contacts of a person and their own key, in a file that only they can write.

use std::path::Path;

use super::locked_file::LockedFile;
use wharf_core::{base::error::Result, ports::KeepContacts, sharing::sender::Contacts};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The contacts in a file.
pub struct ContactsFile(LockedFile<Contacts>);

impl ContactsFile {
    /// The contacts in this state folder.
    pub fn new(state: &Path) -> Self {
        Self(LockedFile::new(state.join("contacts.json"), LARGEST))
    }
}

impl KeepContacts for ContactsFile {
    fn all(&self) -> Result<Contacts> {
        self.0.read()
    }

    fn change(&self, change: &dyn Fn(&mut Contacts) -> Result<()>) -> Result<Contacts> {
        self.0.change(&format!("write {}", self.0.path().display()), change)
    }
}
