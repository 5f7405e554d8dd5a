//! The secret store for the use cases. It may block on a message bus, so it is called outside of the runtime's threads.

use std::sync::Arc;

use crate::{
    base::{
        blocking::blocking,
        error::{During, Result},
        secret::Secret,
    },
    ports::{Asker, Keeps, Question, QuestionKind, Vault},
};

/// This person's secret store.
pub(super) struct Secrets {
    vault: Arc<dyn Vault>,
}

impl Secrets {
    /// The secrets in this vault.
    pub(super) fn new(vault: Arc<dyn Vault>) -> Self {
        Self { vault }
    }

    /// Which store is in use, in words.
    pub(super) fn describe(&self) -> String {
        self.vault.describe()
    }

    /// Whether secrets outlive the program.
    pub(super) fn is_lasting(&self) -> bool {
        self.vault.is_lasting()
    }

    /// For how long secrets are kept, and where, in words; `None` if the vault panicked.
    pub(super) async fn keeps(&self) -> Option<(Keeps, String)> {
        let vault = self.vault.clone();
        blocking(move || (vault.keeps(), vault.describe())).await.ok()
    }

    /// Which store is in use, why others are not, and for how long it keeps secrets; `None` if the vault panicked.
    pub(super) async fn standing(&self) -> Option<(String, Vec<String>, Keeps)> {
        let vault = self.vault.clone();
        blocking(move || (vault.describe(), vault.refused(), vault.keeps())).await.ok()
    }

    /// The account and the secret for a place, if there are any.
    pub(super) async fn get(&self, place: &str, what: &str) -> Result<Option<(String, Secret)>> {
        let (vault, place) = (self.vault.clone(), place.to_owned());
        blocking(move || vault.get(&place)).await.during(what)?
    }

    /// Keeps the secret of an account at a place.
    pub(super) async fn set(&self, place: &str, account: &str, secret: &Secret, what: &str) -> Result<()> {
        let (vault, place, account, secret) =
            (self.vault.clone(), place.to_owned(), account.to_owned(), secret.clone());
        blocking(move || vault.set(&place, &account, &secret)).await.during(what)?
    }

    /// The same, unless a secret is there: `false` where one is, also where another program keeps one at the same time.
    pub(super) async fn add(&self, place: &str, account: &str, secret: &Secret, what: &str) -> Result<bool> {
        let (vault, place, account, secret) =
            (self.vault.clone(), place.to_owned(), account.to_owned(), secret.clone());
        blocking(move || vault.add(&place, &account, &secret)).await.during(what)?
    }

    /// Forgets the secret for a place; where there is none, it does nothing.
    pub(super) async fn delete(&self, place: &str, what: &str) -> Result<()> {
        let (vault, place) = (self.vault.clone(), place.to_owned());
        blocking(move || vault.delete(&place)).await.during(what)?
    }

    /// If no lasting store is available, asks whether a file may keep secrets. Without anybody to ask, or without an
    /// answer, secrets are kept until the program ends.
    pub(super) async fn agree_to_keep(&self, asker: &dyn Asker, what: &str) -> Result<()> {
        if self.vault.is_lasting() {
            return Ok(());
        }
        let words = "no secret store works here: keep it in a file that only you can read?".to_owned();
        let answer = asker.ask(Question { words, kind: QuestionKind::Confirm }).await;
        if answer.is_ok_and(|answer| answer.reveal() == "yes") {
            let vault = self.vault.clone();
            blocking(move || vault.agree()).await.during(what)??;
        }
        Ok(())
    }
}
