//! Secret Service and the kernel's keyring, through stores of the keyring crates.
//!
//! The `keyring` facade supports Secret Service only and fails without it. Its authors recommend `keyring-core` with
//! the stores to applications, which is what is used here.

use std::{sync::Arc, time::Duration};

use keyring_core::{CredentialStore, Entry, Error as StoreError};

use super::entry::{join, split};
use wharf_core::{
    base::{
        error::{Error, Result},
        secret::Secret,
    },
    ports::{Keeps, Vault},
};

const SERVICE: &str = "wharf";
const PROBE: &str = "probe";

struct Ring {
    store: Arc<CredentialStore>,
    words: &'static str,
    keeps: Keeps,
}

/// The desktop's Secret Service, if its bus answers within `patience`.
pub(super) fn secret_service(patience: Duration) -> Result<Box<dyn Vault>, String> {
    // Without a bus address the library would start a bus.
    if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_none() {
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(std::path::PathBuf::from);
        if !runtime.is_some_and(|folder| folder.join("bus").exists()) {
            return Err("there is no session bus".into());
        }
    }
    let (sender, receiver) = std::sync::mpsc::channel();
    // A thread that hangs on a dead bus is left running; it ends with the program.
    std::thread::spawn(move || {
        let made = dbus_secret_service_keyring_store::Store::new().map(|store| Ring {
            store,
            words: "Secret Service (your desktop's keyring)",
            keeps: Keeps::ForGood,
        });
        let _ = sender.send(made.map_err(|error| error.to_string()).and_then(probed));
    });
    let ring = receiver.recv_timeout(patience).map_err(|_| format!("no answer within {} s", patience.as_secs()))??;
    Ok(Box::new(ring))
}

/// The kernel's keyring of this session.
pub(super) fn kernel() -> Result<Box<dyn Vault>, String> {
    let store = linux_keyutils_keyring_store::Store::new().map_err(|error| error.to_string())?;
    Ok(Box::new(probed(Ring {
        store,
        words: "kernel keyring (this machine only, gone after a restart or three days)",
        keeps: Keeps::ForNow("after a restart, or after three days without use"),
    })?))
}

/// Tries a store: it must keep a secret, return it and forget it, each in a thread of its own. Without a session
/// keyring the kernel would make one for each thread, in which other threads find nothing.
fn probed(ring: Ring) -> Result<Ring, String> {
    let secret = Secret::new("probe");
    let kept = aside(|| ring.set(PROBE, "probe", &secret));
    let back = kept.and_then(|()| aside(|| ring.get(PROBE)));
    let forgotten = aside(|| ring.delete(PROBE));
    match (back, forgotten) {
        (Ok(Some((_, back))), Ok(())) if back == secret => Ok(ring),
        (Ok(_), Ok(())) => Err("it forgets what it is given".into()),
        (Err(error), _) | (_, Err(error)) => Err(error.why),
    }
}

/// Runs `work` on a new thread.
fn aside<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = || Error::failed("probe a secret store", "its code made a mistake");
    std::thread::scope(|scope| scope.spawn(work).join().unwrap_or_else(|_| Err(failed())))
}

impl Ring {
    fn entry(&self, place: &str) -> Result<Entry> {
        self.store.build(SERVICE, place, None).map_err(|error| wrong(place, &error))
    }
}

fn wrong(place: &str, error: &StoreError) -> Error {
    Error::failed(format!("keep the secret of {place}"), error)
}

impl Vault for Ring {
    fn describe(&self) -> String {
        self.words.into()
    }

    fn keeps(&self) -> Keeps {
        self.keeps
    }

    fn get(&self, place: &str) -> Result<Option<(String, Secret)>> {
        match self.entry(place)?.get_password() {
            Ok(text) => Ok(split(&text)),
            Err(StoreError::NoEntry) => Ok(None),
            Err(error) => Err(wrong(place, &error)),
        }
    }

    fn set(&self, place: &str, account: &str, secret: &Secret) -> Result<()> {
        self.entry(place)?.set_password(&join(account, secret)).map_err(|error| wrong(place, &error))
    }

    fn delete(&self, place: &str) -> Result<()> {
        match self.entry(place)?.delete_credential() {
            Ok(()) | Err(StoreError::NoEntry) => Ok(()),
            Err(error) => Err(wrong(place, &error)),
        }
    }
}
