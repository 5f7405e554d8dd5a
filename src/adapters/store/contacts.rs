//! The contacts of a person and their own key, in a file that only they can write.

use std::path::{Path, PathBuf};

use crate::shared::private;
use wharf_core::{
    base::error::{During, Error, Result},
    ports::KeepContacts,
    sharing::sender::Contacts,
};

/// The largest file that is read, in bytes.
const LARGEST: u64 = 1 << 20;

/// The contacts in a file.
pub struct ContactsFile(PathBuf);

impl ContactsFile {
    /// The contacts in this state folder.
    pub fn new(state: &Path) -> Self {
        Self(state.join("contacts.json"))
    }
}

impl KeepContacts for ContactsFile {
    fn all(&self) -> Result<Contacts> {
        let what = format!("read {}", self.0.display());
        if !self.0.exists() {
            return Ok(Contacts::default());
        }
        let bytes = private::read(&self.0, LARGEST)
            .ok_or_else(|| Error::failed(&what, "it is no file of this person, or too large"))?;
        serde_json::from_slice(&bytes).during(what)
    }

    fn change(&self, change: &dyn Fn(&mut Contacts) -> Result<()>) -> Result<Contacts> {
        let what = format!("write {}", self.0.display());
        if let Some(folder) = self.0.parent() {
            private::folder(folder)?;
        }
        // Two programs that change it at the same time must not lose either.
        let lock = self.0.with_extension("lock");
        let lock = private::open(&lock, |options| options.create(true).truncate(false).write(true))?;
        private::lock(&lock, private::PATIENCE, &what)?;
        let before = self.all()?;
        let mut after = before.clone();
        change(&mut after)?;
        if after != before {
            private::write(&self.0, &serde_json::to_vec_pretty(&after).during(what)?)?;
        }
        Ok(after)
    }
}
