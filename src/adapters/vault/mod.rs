//! Where secrets are kept: Secret Service, else a file if somebody agreed to one, else the kernel's keyring, else nowhere.
//!
//! Each store is probed by writing, reading and deleting before it is believed: on a login node the
//! first two are often there in name only.

mod file;
mod stores;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::core::{
    base::{error::Result, secret::Secret},
    ports::{Keeps, Vault},
};

/// How long a bus may take to answer.
const BUS_PATIENCE: Duration = Duration::from_secs(1);

/// The first store that works.
pub struct Keeper {
    state_dir: PathBuf,
    file_agreed: bool,
    chosen: RwLock<Option<Chosen>>,
    generation: AtomicU64,
}

#[derive(Clone)]
struct Chosen {
    store: Store,
    refused: Vec<String>,
}

#[derive(Clone)]
enum Store {
    /// Outlives the program.
    Lasting(Arc<dyn Vault>),
    /// Does not.
    Memory(Arc<Memory>),
}

impl Store {
    fn vault(&self) -> &dyn Vault {
        match self {
            Self::Lasting(store) => &**store,
            Self::Memory(store) => &**store,
        }
    }
}

impl Keeper {
    /// A keeper that looks for its store when it is first needed: nobody waits for a bus at start.
    ///
    /// A secret file that is there already was agreed to when it was made.
    pub fn new(state_dir: &Path, file_agreed: bool) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            file_agreed: file_agreed || file::File::is_there(state_dir),
            chosen: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    fn chosen(&self) -> Chosen {
        let known = self.chosen.read().unwrap_or_else(PoisonError::into_inner).clone();
        known.unwrap_or_else(|| {
            let mut chosen = self.chosen.write().unwrap_or_else(PoisonError::into_inner);
            chosen.get_or_insert_with(|| choose(&self.state_dir, self.file_agreed)).clone()
        })
    }

    fn changed(&self) {
        self.generation.fetch_add(1, Ordering::Release);
    }
}

fn choose(state_dir: &Path, file_agreed: bool) -> Chosen {
    let mut refused = Vec::new();
    match stores::secret_service(BUS_PATIENCE) {
        Ok(store) => return Chosen { store: Store::Lasting(store.into()), refused },
        Err(why) => refused.push(format!("Secret Service: {why}")),
    }
    // Before the keyring, which forgets: whoever agreed to a file wants what they keep to last, and finds it there again.
    if file_agreed {
        match file::File::open(state_dir) {
            Ok(store) => return Chosen { store: Store::Lasting(Arc::new(store)), refused },
            Err(error) => refused.push(format!("file: {}", error.why)),
        }
    } else {
        refused.push("file: you have not agreed to it ('wharf login' asks, or secret_file = true)".into());
    }
    match stores::kernel() {
        Ok(store) => return Chosen { store: Store::Lasting(store.into()), refused },
        Err(why) => refused.push(format!("kernel keyring: {why}")),
    }
    Chosen { store: Store::Memory(Arc::default()), refused }
}

impl Vault for Keeper {
    fn describe(&self) -> String {
        self.chosen().store.vault().describe()
    }

    fn refused(&self) -> Vec<String> {
        self.chosen().refused
    }

    fn keeps(&self) -> Keeps {
        self.chosen().store.vault().keeps()
    }

    /// What was kept until the end of the program only moves into the file.
    fn agree(&self) -> Result<()> {
        let before = self.chosen();
        let Store::Memory(memory) = before.store else { return Ok(()) };
        let file = file::File::open(&self.state_dir)?;
        for (place, (account, secret)) in memory.all().iter() {
            file.set(place, account, secret)?;
        }
        *self.chosen.write().unwrap_or_else(PoisonError::into_inner) =
            Some(Chosen { store: Store::Lasting(Arc::new(file)), refused: before.refused });
        Ok(())
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    fn get(&self, place: &str) -> Result<Option<(String, Secret)>> {
        self.chosen().store.vault().get(place)
    }

    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()> {
        let kept = self.chosen().store.vault().set(place, account, secret);
        self.changed();
        kept
    }

    fn delete(&self, place: &str) -> Result<()> {
        let gone = self.chosen().store.vault().delete(place);
        self.changed();
        gone
    }
}

/// No store that lasts: what is typed is kept until the program ends, and asked for again the next time.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (String, Secret)>>);

impl Memory {
    fn all(&self) -> MutexGuard<'_, BTreeMap<String, (String, Secret)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for Memory {
    fn describe(&self) -> String {
        "none: you are asked each time".into()
    }

    fn keeps(&self) -> Keeps {
        Keeps::UntilTheEnd
    }

    fn get(&self, place: &str) -> Result<Option<(String, Secret)>> {
        Ok(self.all().get(place).cloned())
    }

    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()> {
        self.all().insert(place.to_owned(), (account.to_owned(), secret.clone()));
        Ok(())
    }

    fn delete(&self, place: &str) -> Result<()> {
        self.all().remove(place);
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
