//! Where secrets are kept: Secret Service, else the kernel's keyring, else a file, else nowhere.
//!
//! Each store is probed by writing, reading and deleting before it is believed: on a login node the
//! first two are often there in name only.

mod file;
mod stores;

use std::{path::Path, sync::OnceLock, time::Duration};

use crate::core::{
    error::{Error, Kind, Result},
    ports::Vault,
    secret::Secret,
};

/// How long a bus may take to answer.
const BUS_PATIENCE: Duration = Duration::from_secs(1);

/// The first store that works.
pub struct Keeper {
    state_dir: std::path::PathBuf,
    file_agreed: bool,
    chosen: OnceLock<(Box<dyn Vault>, Vec<String>)>,
}

impl Keeper {
    /// A keeper that looks for its store when it is first needed: nobody waits for a bus at start.
    pub fn new(state_dir: &Path, file_agreed: bool) -> Self {
        Self { state_dir: state_dir.to_owned(), file_agreed, chosen: OnceLock::new() }
    }

    fn store(&self) -> &dyn Vault {
        &*self.chosen.get_or_init(|| choose(&self.state_dir, self.file_agreed)).0
    }
}

fn choose(state_dir: &Path, file_agreed: bool) -> (Box<dyn Vault>, Vec<String>) {
    let mut refused = Vec::new();
    match stores::secret_service(BUS_PATIENCE) {
        Ok(store) => return (store, refused),
        Err(why) => refused.push(format!("Secret Service: {why}")),
    }
    match stores::kernel() {
        Ok(store) => return (store, refused),
        Err(why) => refused.push(format!("kernel keyring: {why}")),
    }
    if !file_agreed {
        refused.push("file: you have not agreed to it (secret_file = true, or WHARF_SECRET_FILE=yes)".into());
        return (Box::new(Nowhere), refused);
    }
    match file::File::open(state_dir) {
        Ok(store) => (Box::new(store), refused),
        Err(error) => {
            refused.push(format!("file: {}", error.why));
            (Box::new(Nowhere), refused)
        }
    }
}

impl Vault for Keeper {
    fn describe(&self) -> String {
        self.store().describe()
    }

    fn refused(&self) -> Vec<String> {
        self.store();
        self.chosen.get().map(|(_, refused)| refused.clone()).unwrap_or_default()
    }

    fn get(&self, place: &str) -> Result<Option<(String, Secret)>> {
        self.store().get(place)
    }

    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()> {
        self.store().set(place, account, secret)
    }

    fn delete(&self, place: &str) -> Result<()> {
        self.store().delete(place)
    }
}

/// No store at all: Wharf asks each time.
struct Nowhere;

impl Vault for Nowhere {
    fn describe(&self) -> String {
        "none: you are asked each time".into()
    }

    fn get(&self, _place: &str) -> Result<Option<(String, Secret)>> {
        Ok(None)
    }

    fn set(&self, place: &str, _account: &str, _secret: &Secret) -> Result<()> {
        Err(Error::new(Kind::Unsupported, format!("keep the secret of {place}"), "no secret store works here").hint(
            "agree to a file that only you can read: WHARF_SECRET_FILE=yes, or secret_file = true in the configuration",
        ))
    }

    fn delete(&self, _place: &str) -> Result<()> {
        Ok(())
    }
}

/// Account and secret as one text, for stores that keep one.
fn join(account: &str, secret: &Secret) -> String {
    serde_json::json!([account, secret.reveal()]).to_string()
}

fn split(text: &str) -> Option<(String, Secret)> {
    let (account, secret): (String, String) = serde_json::from_str(text).ok()?;
    Some((account, Secret::new(secret)))
}
