//! Where secrets are kept: Secret Service, else a file if the person agreed to it, else the kernel's keyring, else
//! memory.
//!
//! Each store is tried by writing, reading and deleting before it is used: on login nodes the first two often exist but
//! do not work.

mod entry;
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

use crate::shared::private;
use wharf_core::{
    base::{error::Result, secret::Secret},
    ports::{Keeps, Vault},
};

/// How long the desktop's bus may take to answer.
const BUS_PATIENCE: Duration = Duration::from_secs(1);

/// The vault that uses the first store that works.
pub struct Keeper {
    state_dir: PathBuf,
    file_agreed: bool,
    chosen: RwLock<Option<ChosenVault>>,
    generation: AtomicU64,
}

#[derive(Clone)]
struct ChosenVault {
    store: Store,
    refused: Vec<String>,
}

#[derive(Clone)]
enum Store {
    /// Keeps secrets after the program's end.
    Lasting(Arc<dyn Vault>),
    /// Keeps secrets until the program's end.
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
    /// A keeper that looks for its store when it is first needed, so that starting does not wait for a bus.
    ///
    /// A secret file that exists was agreed to when it was created.
    pub fn new(state_dir: &Path, file_agreed: bool) -> Self {
        Self {
            state_dir: state_dir.to_owned(),
            file_agreed: file_agreed || file::File::is_there(state_dir),
            chosen: RwLock::default(),
            generation: AtomicU64::new(0),
        }
    }

    fn chosen(&self) -> ChosenVault {
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

/// Keeps a secret in a store of several programs, unless one is there: under a lock, since a keyring has no such step.
fn added(store: &dyn Vault, state_dir: &Path, place: &str, account: &str, secret: &Secret) -> Result<bool> {
    private::folder(state_dir)?;
    let lock =
        private::open(&state_dir.join("secrets.lock"), |options| options.create(true).truncate(false).write(true))?;
    private::lock(&lock, private::PATIENCE, &format!("keep the secret of {place}"))?;
    store.add(place, account, secret)
}

fn choose(state_dir: &Path, file_agreed: bool) -> ChosenVault {
    let mut refused = Vec::new();
    match stores::secret_service(BUS_PATIENCE) {
        Ok(store) => return ChosenVault { store: Store::Lasting(store.into()), refused },
        Err(why) => refused.push(format!("Secret Service: {why}")),
    }
    // The file comes before the kernel's keyring, which forgets: people who agreed to the file want their secrets to
    // last.
    if file_agreed {
        match file::File::open(state_dir) {
            Ok(store) => return ChosenVault { store: Store::Lasting(Arc::new(store)), refused },
            Err(error) => refused.push(format!("file: {}", error.why)),
        }
    } else {
        refused.push("file: you have not agreed to it ('wharf login' asks, or secret_file = true)".into());
    }
    match stores::kernel() {
        Ok(store) => return ChosenVault { store: Store::Lasting(store.into()), refused },
        Err(why) => refused.push(format!("kernel keyring: {why}")),
    }
    ChosenVault { store: Store::Memory(Arc::default()), refused }
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

    /// Moves the secrets that were kept in memory into the file.
    fn agree(&self) -> Result<()> {
        let before = self.chosen();
        let Store::Memory(memory) = before.store else { return Ok(()) };
        let file = file::File::open(&self.state_dir)?;
        for (place, (account, secret)) in memory.all().iter() {
            file.set(place, account, secret)?;
        }
        *self.chosen.write().unwrap_or_else(PoisonError::into_inner) =
            Some(ChosenVault { store: Store::Lasting(Arc::new(file)), refused: before.refused });
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

    fn add(&self, place: &str, account: &str, secret: &Secret) -> Result<bool> {
        let kept = match self.chosen().store {
            Store::Lasting(store) => added(&*store, &self.state_dir, place, account, secret),
            Store::Memory(memory) => memory.add(place, account, secret),
        };
        self.changed();
        kept
    }

    fn delete(&self, place: &str) -> Result<()> {
        let gone = self.chosen().store.vault().delete(place);
        self.changed();
        gone
    }
}

/// Secrets in memory: they are asked for again at the next start.
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

    fn add(&self, place: &str, account: &str, secret: &Secret) -> Result<bool> {
        let mut all = self.all();
        let is_free = !all.contains_key(place);
        if is_free {
            all.insert(place.to_owned(), (account.to_owned(), secret.clone()));
        }
        Ok(is_free)
    }

    fn delete(&self, place: &str) -> Result<()> {
        self.all().remove(place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_that_keep_a_secret_at_once_one_does() {
        let folder = tempfile::tempdir().unwrap();
        let keeps = |number: usize| {
            let store = file::File::open(folder.path()).unwrap();
            added(&store, folder.path(), "signing key portal", "portal", &Secret::new(number.to_string())).unwrap()
        };
        let kept: Vec<usize> = std::thread::scope(|scope| {
            let all: Vec<_> = (0..8).map(|number| (number, scope.spawn(move || keeps(number)))).collect();
            all.into_iter().filter_map(|(number, one)| one.join().unwrap().then_some(number)).collect()
        });
        let there = file::File::open(folder.path()).unwrap().get("signing key portal").unwrap();
        assert_eq!(kept.len(), 1);
        assert_eq!(there, Some(("portal".into(), Secret::new(kept[0].to_string()))));
        let memory = Memory::default();
        assert!(memory.add("a", "b", &Secret::new("1")).unwrap() && !memory.add("a", "b", &Secret::new("2")).unwrap());
        assert_eq!(memory.get("a").unwrap(), Some(("b".into(), Secret::new("1"))));
    }
}
