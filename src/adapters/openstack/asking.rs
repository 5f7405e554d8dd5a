//! Answering what a sign-in needs: from the vault, otherwise by asking the person.

use std::sync::Arc;

use super::vault_key::place;
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{Error, Kind, Result},
        secret::Secret,
    },
    ports::{Asker, Question, QuestionKind, Vault},
};

/// Answers what the files leave open, from the vault or by asking the person if there is one.
#[derive(Clone)]
pub(super) struct Answers {
    /// The name of the cloud.
    pub cloud: String,
    /// The vault with the kept secrets.
    pub vault: Arc<dyn Vault>,
    /// Asks the person; `None` if nobody can be asked.
    pub asker: Option<Arc<dyn Asker>>,
}

impl Answers {
    /// A secret that the files lack: `key` is its name in `clouds.yaml`.
    pub(super) async fn secret(&self, key: &str) -> Result<Secret> {
        // A passcode is valid only once, so it is not kept.
        if key != "passcode" {
            if let Some((_, secret)) = self.kept().await {
                return Ok(secret);
            }
        }
        self.ask(key, QuestionKind::Secret).await
    }

    /// The account, if the files name none.
    pub(super) async fn account(&self) -> Result<String> {
        match self.kept().await {
            Some((account, _)) if !account.is_empty() => Ok(account),
            _ => self.ask("username", QuestionKind::Text).await.map(|answer| answer.reveal().to_owned()),
        }
    }

    /// The asker; fails with the advice how to sign in if nobody can be asked.
    pub(super) fn asker(&self) -> Result<&Arc<dyn Asker>> {
        self.asker.as_ref().ok_or_else(|| {
            let what = format!("sign in to {}", self.cloud);
            Error::new(Kind::NotAllowed, what, "it needs a sign-in with a browser, which has not been done yet")
                .hint(format!("run 'wharf login {}', or i in the portal", self.cloud))
                .sign_in_at(Some(place(&self.cloud)))
        })
    }

    /// Asks for a yes; anything else cancels the sign-in.
    pub(super) async fn confirm(&self, words: String) -> Result<()> {
        let answer = self.asker()?.ask(Question { words, kind: QuestionKind::Confirm }).await?;
        if answer.reveal() == "yes" { Ok(()) } else { Err(Error::cancelled(format!("sign in to {}", self.cloud))) }
    }

    /// Asks the person to open an address in a browser and type a code there, and waits for their yes.
    pub(super) async fn ask_to_open(&self, address: &str, code: &str) -> Result<()> {
        self.confirm(format!("Open {address} in any browser and type the code {code}. Have you")).await
    }

    async fn kept(&self) -> Option<(String, Secret)> {
        let (vault, place) = (self.vault.clone(), place(&self.cloud));
        // Secret stores may block.
        let kept = blocking(move || vault.get(&place)).await;
        kept.ok().and_then(Result::ok).flatten()
    }

    async fn ask(&self, key: &str, kind: QuestionKind) -> Result<Secret> {
        let word = setting_label(key);
        if let Some(asker) = &self.asker {
            let question = Question { words: format!("{word} for {}", self.cloud), kind };
            if let Ok(answer) = asker.ask(question).await {
                return Ok(answer);
            }
        }
        let what = format!("sign in to {}", self.cloud);
        Err(Error::new(Kind::NotAllowed, what, format!("it asks for the {word}"))
            .hint(format!("run 'wharf login {}', or put the secret into secure.yaml", self.cloud))
            .sign_in_at(Some(place(&self.cloud))))
    }
}

/// A setting's name in words.
fn setting_label(key: &str) -> String {
    match key {
        "passcode" => "one-time passcode".to_owned(),
        other => clean::short(&other.replace('_', " "), 60),
    }
}
