//! Keys to sign with, in the secret store or in files: making, importing, showing and forgetting them.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Serialize;

use super::{journal::Journal, secrets::Secrets};
use crate::ports::signer::Curve;
use crate::{
    audit::Entry,
    base::{
        blocking::blocking,
        error::{During, Error, Kind, Result},
        secret::Secret,
    },
    ports::{Asker, Keeps, Question, QuestionKind, Signers},
};

/// The prefix of a key in the secret store, as `--key` takes it.
pub const KEYRING: &str = "keyring:";

/// Where a key is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyLocation {
    /// In the secret store, under this name.
    Store(String),
    /// In the file at this path.
    File(PathBuf),
}

impl KeyLocation {
    /// Where a new key goes: a path (with a `/`, or ending in `.key` or `.pem`) is a file; anything else, and
    /// `keyring:NAME`, is a name in the secret store.
    pub fn parse(wanted: &str) -> Result<Self> {
        let what = || format!("make the key '{wanted}'");
        if wanted.starts_with("pkcs11:") {
            return Err(Error::usage(what(), "keys in hardware are made by the tools of that hardware")
                .hint("pkcs11-tool --keypairgen --key-type EC:prime256v1 --label NAME"));
        }
        if let Some(name) = wanted.strip_prefix(KEYRING) {
            return check_name(name).map(|()| Self::Store(name.to_owned()));
        }
        let ends = |ending: &str| Path::new(wanted).extension().is_some_and(|found| found == ending);
        if wanted.contains('/') || ends("key") || ends("pem") {
            let path = std::path::absolute(wanted).during(what())?;
            if wanted.ends_with('/') || path.file_name().is_none() {
                return Err(Error::usage(what(), "it is a folder").hint("name the file: FOLDER/NAME.key"));
            }
            return Ok(Self::File(path));
        }
        check_name(wanted).map(|()| Self::Store(wanted.to_owned()))
    }
}

/// What may be shown of a key: the public half and where the private half is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PublicHalf {
    /// The key's name, as `--key` takes it.
    pub key: String,
    /// SHA-256 of the public half, in hexadecimal.
    pub id: String,
    /// The public half (PEM): what a policy names in `[signature] keys`.
    pub public: String,
    /// The file with the public half, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_file: Option<PathBuf>,
    /// Where the private half is, in words.
    pub kept: String,
    /// A warning that the key is kept where it will be lost, with what to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// The vault's name for a key in the secret store.
pub fn vault_key(name: &str) -> String {
    format!("signing key {name}")
}

fn check_name(name: &str) -> Result<()> {
    let fine = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    if fine {
        Ok(())
    } else {
        Err(Error::usage(format!("key '{name}'"), "a key's name is letters, figures, - _ .")
            .hint("a key in a file is named by its path: ./NAME.key"))
    }
}

fn taken(name: &str, what: &str) -> Error {
    Error::usage(what, "there is one of that name")
        .hint(format!("choose another name, or forget it: wharf key forget {name}"))
}

/// Answers with a passphrase that was typed just before; passes all other questions on.
struct KnownPassphrase(Secret, Arc<dyn Asker>);

#[async_trait]
impl Asker for KnownPassphrase {
    async fn ask(&self, question: Question) -> Result<Secret> {
        match question.kind {
            QuestionKind::Secret => Ok(self.0.clone()),
            _ => self.1.ask(question).await,
        }
    }
}

/// Asks for a new passphrase, typed twice.
async fn new_passphrase(asker: &dyn Asker, what: &str) -> Result<Secret> {
    let ask = |words: &str| asker.ask(Question { words: words.to_owned(), kind: QuestionKind::Secret });
    let first = ask("passphrase of the new key").await?;
    if first.reveal().is_empty() {
        return Err(Error::usage(what, "an empty passphrase protects nothing").hint("leave out --passphrase"));
    }
    if ask("the same once more").await? == first {
        Ok(first)
    } else {
        Err(Error::usage(what, "the two are different").hint("try again; nothing was made"))
    }
}

/// Keys of this person: in the secret store, in files, and wherever else `--key` can name one.
pub struct Keys {
    signers: Arc<Signers>,
    secrets: Arc<Secrets>,
    journal: Arc<Journal>,
}

impl Keys {
    /// Keys that are opened with `signers` and kept in `secrets`.
    pub(super) fn new(signers: Arc<Signers>, secrets: Arc<Secrets>, journal: Arc<Journal>) -> Self {
        Self { signers, secrets, journal }
    }

    /// The public half of any key that `--key` takes.
    pub async fn public_half(&self, asker: Arc<dyn Asker>, key: &str) -> Result<PublicHalf> {
        let signer = (self.signers.open)(key, asker).await?;
        Ok(PublicHalf {
            key: key.to_owned(),
            id: signer.key_id(),
            public: signer.public_pem(),
            public_file: None,
            kept: signer.describe(),
            warning: self.passing(key).await,
        })
    }

    /// A warning if the key is kept where it will be lost, in words; `None` if the place is lasting.
    pub async fn passing(&self, key: &str) -> Option<String> {
        let name = key.strip_prefix(KEYRING)?;
        let (keeps, place) = self.secrets.keeps().await?;
        let when = match keeps {
            Keeps::ForGood => return None,
            Keeps::ForNow(when) => when,
            Keeps::UntilTheEnd => "when this program ends",
        };
        Some(format!(
            "the key '{name}' is gone {when}, and nobody can make it again (it is in the {place}): for a steward make a key \
             file ('wharf key new FOLDER/{name}.key'), or use hardware"
        ))
    }

    /// Makes a key and keeps it where `wanted` says ([`KeyLocation::parse`]); with `locked`, behind a passphrase that is asked
    /// for. An existing key is never replaced.
    pub async fn make(&self, asker: Arc<dyn Asker>, wanted: &str, curve: Curve, locked: bool) -> Result<PublicHalf> {
        let what = format!("make the key '{wanted}'");
        let holder = KeyLocation::parse(wanted)?;
        match &holder {
            KeyLocation::Store(name) => self.is_free(name, &what).await?,
            KeyLocation::File(path) if path.symlink_metadata().is_ok() => {
                return Err(Error::usage(what, "there is a file of that name").hint("choose another name"));
            }
            KeyLocation::File(_) => {}
        }
        let passphrase = if locked { Some(new_passphrase(&*asker, &what).await?) } else { None };
        let (make, typed) = (self.signers.make.clone(), passphrase.clone());
        let new = blocking(move || make(curve, typed.as_ref())).await.during(&what)??;
        let path = match holder {
            KeyLocation::File(path) => path,
            KeyLocation::Store(name) => {
                let asker = match passphrase {
                    Some(passphrase) => Arc::new(KnownPassphrase(passphrase, asker)),
                    None => asker,
                };
                return self.keep(asker, &name, new.private).await;
            }
        };
        let (write, target, id, public) =
            (self.signers.write.clone(), path.clone(), new.id.clone(), new.public.clone());
        let entry = self.journal.entry("make-key", format!("{} ({id})", path.display()));
        let written = async { blocking(move || write(&target, &new)).await.during(&what)? };
        let public_file = self.journal.recorded(entry, written).await?;
        Ok(PublicHalf {
            key: path.display().to_string(),
            id,
            public,
            public_file: Some(public_file),
            kept: format!("the key in {}", path.display()),
            warning: None,
        })
    }

    async fn is_free(&self, name: &str, what: &str) -> Result<()> {
        if self.secrets.get(&vault_key(name), what).await?.is_none() { Ok(()) } else { Err(taken(name, what)) }
    }

    /// Keeps a private key (PEM) in the secret store. An existing key is never replaced.
    pub async fn keep(&self, asker: Arc<dyn Asker>, name: &str, pem: Secret) -> Result<PublicHalf> {
        let name = name.strip_prefix(KEYRING).unwrap_or(name);
        check_name(name)?;
        let what = format!("keep the key '{name}'");
        let place = vault_key(name);
        let keeping = async {
            // Looked at and kept as one step: another program may keep one of that name at the same time.
            if !self.secrets.add(&place, name, &pem, &what).await? {
                return Err(taken(name, &what));
            }
            let key = format!("{KEYRING}{name}");
            // The kept key is opened to try it; one that cannot be opened is forgotten again.
            let mut half = match self.public_half(asker.clone(), &key).await {
                Ok(half) => half,
                Err(error) => {
                    self.secrets.delete(&place, &what).await?;
                    return Err(error);
                }
            };
            self.secrets.agree_to_keep(&*asker, &what).await?;
            if !self.secrets.is_lasting() {
                self.secrets.delete(&place, &what).await?;
                let hint = format!(
                    "keep it in a file: wharf key new ./{name}.key; or agree to one for all secrets: secret_file = true"
                );
                let why = "no secret store works here: nothing was kept";
                return Err(Error::new(Kind::Unsupported, &what, why).hint(hint));
            }
            half.warning = self.passing(&key).await;
            Ok(half)
        };
        let told = |entry: &mut Entry, half: &PublicHalf| entry.subject = format!("{name} ({})", half.id);
        self.journal.recorded_with(self.journal.entry("keep-key", name), keeping, told).await
    }

    /// Removes a key from the secret store; its signatures stay valid.
    pub async fn forget(&self, name: &str) -> Result<()> {
        let name = name.strip_prefix(KEYRING).unwrap_or(name);
        check_name(name)?;
        let what = format!("forget the key '{name}'");
        if self.secrets.get(&vault_key(name), &what).await?.is_none() {
            return Err(Error::not_found(what, "no key has that name"));
        }
        let entry = self.journal.entry("forget-key", name);
        self.journal.recorded(entry, self.secrets.delete(&vault_key(name), &what)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_and_a_bare_word_is_a_name_in_the_secret_store() {
        let here = std::env::current_dir().unwrap();
        for (wanted, holder) in [
            ("steward", KeyLocation::Store("steward".into())),
            ("keyring:steward", KeyLocation::Store("steward".into())),
            ("keyring:a.key", KeyLocation::Store("a.key".into())),
            ("steward.key", KeyLocation::File(here.join("steward.key"))),
            ("steward.pem", KeyLocation::File(here.join("steward.pem"))),
            ("./steward", KeyLocation::File(here.join("steward"))),
            ("/etc/wharf/steward", KeyLocation::File("/etc/wharf/steward".into())),
        ] {
            assert_eq!(KeyLocation::parse(wanted).unwrap(), holder, "{wanted}");
        }
        for wanted in [
            "",
            "a b",
            "keyring:",
            "keyring:../x",
            "keyring:/x.key",
            "folder/",
            "/",
            "pkcs11:token=t?module-path=/x.so",
        ] {
            assert_eq!(KeyLocation::parse(wanted).unwrap_err().kind, Kind::Usage, "{wanted}");
        }
    }
}
