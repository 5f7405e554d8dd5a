//! Taking the bytes that the lock file of this folder names, or those of today, in a launch screen.

use super::{
    Page,
    locked::{Lock, Named},
};
use wharf_core::{base::error::Result, image::model::Image, launch::lock::LockedHere};

impl Page {
    /// The same screen, which launches what the lock file of this folder names; for this platform if one was chosen.
    #[must_use]
    pub fn by_lock_file(mut self, platform: Option<String>) -> Self {
        self.lock = Lock { platform, named: Named::Unread, ..Lock::default() };
        self
    }

    /// Takes what the lock file of this folder names, or why it cannot be used: then nothing is launched unless the person
    /// wants what the name means now.
    pub fn lock_arrived(&mut self, result: Result<Option<LockedHere>>) {
        self.lock.named = match result {
            Ok(None) => Named::Nothing,
            Ok(Some(here)) => {
                let now = std::mem::replace(&mut self.image, here.image.clone());
                Named::Bytes(Box::new(here), Box::new(now))
            }
            Err(error) => {
                self.error = Some(error.clone());
                Named::Refused(error)
            }
        };
    }

    /// Takes the bytes of the lock file in place of those of today, or the other way round.
    pub(super) fn turn_lock(&mut self) {
        self.lock.is_left = !self.lock.is_left;
        // The backend that is shown stays, also where its form does not come at once.
        self.chosen = true;
        if let Named::Bytes(here, now) = &self.lock.named {
            self.image = if self.lock.is_left { Image::clone(now) } else { here.image.clone() };
        }
        self.drop_form();
    }
}
