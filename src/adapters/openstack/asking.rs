//! The library's questions at a sign-in: answered from the vault, else by the person.

use std::sync::Arc;

use async_trait::async_trait;
use openstack_sdk::auth::auth_helper::{AuthHelper, AuthHelperError};
use secrecy::SecretString;

use super::cloud::Cloud;
use crate::core::{
    clean,
    ports::{Asker, Question, QuestionKind, Vault},
    secret::Secret,
};

/// Answers the library's questions: from the vault, else by asking the person where somebody is there.
#[derive(Clone)]
pub struct Answers {
    /// The cloud's name.
    pub cloud: String,
    /// Where a kept secret is.
    pub vault: Arc<dyn Vault>,
    /// Whom to ask, if somebody is there.
    pub asker: Option<Arc<dyn Asker>>,
}

impl Answers {
    async fn ask(&self, key: &str, kind: QuestionKind) -> Result<Secret, AuthHelperError> {
        let missing = || AuthHelperError::Other(format!("{NOT_KNOWN} {key}"));
        let asker = self.asker.as_ref().ok_or_else(missing)?;
        let words = format!("{} for {}", word_of(key), self.cloud);
        asker.ask(Question { words, kind }).await.map_err(|_| missing())
    }
}

/// What an answer that nobody gave is called; the error of the sign-in is made from it.
pub const NOT_KNOWN: &str = "auth helper: nobody told the";

/// What people call a key of the library.
pub fn word_of(key: &str) -> String {
    match key.trim_end_matches(':') {
        "passcode" => "one-time passcode".to_owned(),
        other => clean::short(&other.replace('_', " "), 60),
    }
}

#[async_trait]
impl AuthHelper for Answers {
    fn clone_box(&self) -> Box<dyn AuthHelper> {
        Box::new(self.clone())
    }

    async fn get(&self, key: String, _connection: Option<String>) -> Result<String, AuthHelperError> {
        self.ask(&key, QuestionKind::Text).await.map(|answer| answer.reveal().to_owned())
    }

    async fn get_secret(&self, key: String, _connection: Option<String>) -> Result<SecretString, AuthHelperError> {
        // A passcode is good for one time only: keeping one would be keeping nothing.
        if key != "passcode" {
            let (vault, place) = (self.vault.clone(), Cloud::place(&self.cloud));
            let kept = tokio::task::spawn_blocking(move || vault.get(&place)).await;
            if let Some((_, secret)) = kept.ok().and_then(Result::ok).flatten() {
                return Ok(secret.reveal().to_owned().into());
            }
        }
        self.ask(&key, QuestionKind::Secret).await.map(|answer| answer.reveal().to_owned().into())
    }
}
