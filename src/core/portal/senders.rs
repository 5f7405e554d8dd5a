//! Who sends and who sent: this person's portal key, which signs their links, and the contacts whose keys are known.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{journal::Journal, keys::Keys, secrets::Secrets};
use crate::{
    base::{
        blocking::blocking,
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
        secret::Secret,
        text,
    },
    config::Config,
    image::{
        link::{Link, is_link},
        model::{ImageKind, Platform},
    },
    ports::{Asker, KeepContacts, Keeps, Notifier, Question, Signer, Signers, signer::Curve},
    request::statement::Statement,
    sharing::{
        letter::Letter,
        sender::{Contact, Contacts, Proof, fingerprint, key_in},
    },
};

/// The portal key that is made at first use.
const OWN: &str = "keyring:portal";

/// How long a look at the configured key may take: it may be in hardware.
const LOOK: Duration = Duration::from_secs(5);

/// Who is asked about the key.
fn asker(cx: &Context) -> Arc<dyn Asker> {
    cx.asking.0.clone().unwrap_or_else(|| Arc::new(Nobody))
}

/// Answers no question: whoever makes a link is asked for nothing where nobody said so.
struct Nobody;

#[async_trait]
impl Asker for Nobody {
    async fn ask(&self, question: Question) -> Result<Secret> {
        Err(Error::unsupported(question.words, "nobody can be asked here"))
    }
}

/// The most characters that this key and its signature add to a link. Both are written in the same way, and a signature has
/// less than twice the bytes of a key.
fn signed_room(key: &str) -> usize {
    "&by=&sig=".len() + 3 * key.len()
}

/// This person's portal key, as others may see it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct PortalKey {
    /// The key in its short form.
    pub key: String,
    /// What people compare.
    pub fingerprint: String,
    /// Where its private half is, in words.
    pub kept: String,
}

/// Signs links, and tells who has signed one.
pub struct Senders {
    signers: Arc<Signers>,
    keys: Arc<Keys>,
    secrets: Arc<Secrets>,
    contacts: Arc<dyn KeepContacts>,
    journal: Arc<Journal>,
    ways: Vec<Arc<dyn Notifier>>,
    config: Arc<Config>,
}

impl Senders {
    /// Links are signed with the configured key, or with one that is made at first use where none is.
    pub(super) fn new(
        (signers, keys, secrets): (Arc<Signers>, Arc<Keys>, Arc<Secrets>),
        contacts: Arc<dyn KeepContacts>,
        (journal, ways): (Arc<Journal>, Vec<Arc<dyn Notifier>>),
        config: Arc<Config>,
    ) -> Self {
        Self { signers, keys, secrets, contacts, journal, ways, config }
    }

    /// This person's portal key; made now if there is none yet.
    ///
    /// # Errors
    /// Those of opening it; `Unsupported` where no store keeps a key for good.
    pub async fn own_key(&self, asker: Arc<dyn Asker>) -> Result<PortalKey> {
        let (signer, key) = self.opened(asker).await?;
        Ok(PortalKey { fingerprint: fingerprint(&key), key, kept: signer.describe() })
    }

    /// Signs a link with this person's portal key; made now if there is none yet. What only describes the link is left out
    /// if it would be too long.
    ///
    /// # Errors
    /// `Unsupported` where it is too long all the same; those of [`own_key`](Self::own_key), and of signing.
    pub async fn signed(&self, asker: Arc<dyn Asker>, link: Link) -> Result<Link> {
        let (signer, key) = self.opened(asker).await?;
        let link = link.fitted(signed_room(&key))?;
        self.signed_by(signer.as_ref(), key, link).await
    }

    /// Signs a link with an opened key.
    async fn signed_by(&self, signer: &dyn Signer, key: String, link: Link) -> Result<Link> {
        let what = "sign the link";
        // What is signed is the link as others read it.
        let link: Link = link.to_string().parse()?;
        let made = signer.sign(&Statement::for_link(&link)).await?;
        let short = (self.signers.short.signature)(&key, &made);
        let signed = short.map(|signature| Link { key: Some(key), signature: Some(signature), ..link });
        let fits = |signed: &Link| signed.to_string().parse::<Link>().is_ok_and(|read| self.fits(&read));
        signed.filter(fits).ok_or_else(|| {
            Error::unsupported(what, "the key makes no signatures that links can carry")
                .hint("name another one, on P-256: link_key")
        })
    }

    /// The portal key, and its short form.
    async fn opened(&self, asker: Arc<dyn Asker>) -> Result<(Arc<dyn Signer>, String)> {
        let what = "open your portal key";
        let own = self.config.link_key.is_empty();
        let wanted = if own { OWN } else { &self.config.link_key };
        let signer = match (self.signers.open)(wanted, asker.clone()).await {
            Err(error) if own && error.kind == Kind::NotFound => self.made(what, asker).await?,
            opened => opened?,
        };
        let key = (self.signers.short.of)(&signer.public_pem()).ok_or_else(|| {
            Error::unsupported(what, "links are signed with keys on P-256 or P-384, or of Ed25519")
                .hint("name another one: link_key")
        })?;
        let (contacts, noting) = (self.contacts.clone(), key.clone());
        let noted = move || {
            contacts.change(&|known: &mut Contacts| {
                if own {
                    known.note_made(&noting)
                } else {
                    known.note_own(&noting)
                }
                Ok(())
            })
        };
        if let Err(error) = blocking(noted).await.during(what).and_then(|noted| noted) {
            tracing::info!(%error, "your own key was not written down");
        }
        Ok((signer, key))
    }

    /// Makes the portal key and opens it; where another program has made it meanwhile, that one.
    async fn made(&self, what: &str, asker: Arc<dyn Asker>) -> Result<Arc<dyn Signer>> {
        if let Some(known) = self.contacts().await?.own {
            // It may have been made and written down since nobody found it.
            let opened = (self.signers.open)(OWN, asker).await;
            let why =
                format!("your key {} is in another secret store than the one that answers here", fingerprint(&known));
            let elsewhere = Error::not_found(what, why)
                .hint("unlock that store ('wharf doctor' says which one answers), or name a key of your own: link_key");
            return opened.map_err(|error| if error.kind == Kind::NotFound { elsewhere } else { error });
        }
        if self.secrets.keeps().await.is_none_or(|(keeps, _)| keeps != Keeps::ForGood) {
            return Err(Error::unsupported(what, "no secret store here keeps a key for good").hint(
                "set link_key to a key of yours ('wharf key new FILE.key'), or agree to a file: secret_file = true",
            ));
        }
        let made = self.keys.make(asker.clone(), OWN, Curve::P256, false).await;
        match ((self.signers.open)(OWN, asker).await, made) {
            (Ok(opened), _) => Ok(opened),
            (Err(_), Err(refused)) => Err(refused),
            (Err(error), Ok(_)) => Err(error),
        }
    }

    /// Whether the signature of a link is by its key, over all of it.
    fn fits(&self, link: &Link) -> bool {
        match (&link.key, &link.signature) {
            (Some(key), Some(signature)) => {
                (self.signers.short.verifies)(key, Statement::for_link(link).bytes(), signature)
            }
            _ => false,
        }
    }

    /// The configured portal key in its short form, as far as that is seen without a passphrase or a PIN. It counts as the
    /// person's own also where it has signed nothing yet.
    async fn configured(&self) -> Option<String> {
        let named = Some(&self.config.link_key).filter(|named| !named.is_empty())?;
        let looked = tokio::time::timeout(LOOK, (self.signers.look)(named)).await;
        looked.ok()?.inspect_err(|error| tracing::info!(%error, "the configured key was not looked at")).ok()?.short
    }

    /// What is known of the sender of a link. Asks no place.
    ///
    /// # Errors
    /// Where the contacts cannot be read: then nobody can be told from anybody else.
    pub async fn proof(&self, link: &Link) -> Result<Proof> {
        let proof = self.contacts().await?.judge(link, |link| self.fits(link));
        let (Proof::Unknown { key } | Proof::OtherKey { key, .. }) = &proof else { return Ok(proof) };
        Ok(if self.configured().await.as_ref() == Some(key) { Proof::Own } else { proof })
    }

    /// A link of this person: for `platform` only if they chose one; `until` is its end, in seconds since 1970.
    fn own_link(&self, to: Link, platform: Option<&Platform>, until: Option<i64>) -> Link {
        let sender = (!self.config.person.is_empty()).then(|| self.config.person.clone());
        // The receiver's machine may be of another platform: that is left open unless the sender chose one.
        Link { sender, until, platform: to.platform.clone().filter(|_| platform.is_some()), ..to }
    }

    /// The same, signed with this person's portal key.
    ///
    /// # Errors
    /// Those of [`signed`](Self::signed).
    pub async fn signed_link(
        &self,
        cx: &Context,
        to: Link,
        platform: Option<&Platform>,
        until: Option<i64>,
    ) -> Result<Link> {
        self.signed(asker(cx), self.own_link(to, platform, until)).await
    }

    /// The same; where no key can be had it is not signed, which becomes a trouble.
    ///
    /// # Errors
    /// `Cancelled` where the person cancels a question about the key; `Unsupported` where it would be too long to be sent.
    pub async fn link(&self, cx: &Context, to: Link, platform: Option<&Platform>, until: Option<i64>) -> Result<Link> {
        let link = self.own_link(to, platform, until);
        let signed = match self.opened(asker(cx)).await {
            // A link that is too long is refused: leaving the signature out is no way to shorten it.
            Ok((signer, key)) => {
                let link = link.clone().fitted(signed_room(&key))?;
                self.signed_by(signer.as_ref(), key, link).await
            }
            Err(error) => Err(error),
        };
        match signed {
            Ok(signed) => Ok(signed),
            Err(error) if error.kind == Kind::Cancelled => Err(error),
            Err(error) => {
                let hint = if error.hint.is_empty() { String::new() } else { format!(": {}", error.hint) };
                self.journal.trouble(format!("the link is not signed: {}{hint}", error.why));
                link.fitted(0)
            }
        }
    }

    /// A letter of this person about a link; without an address for the site's webhook.
    pub fn letter(&self, link: &Link, kind: ImageKind, to: &str) -> Letter {
        Letter::new(link, kind, &self.config.person, (to, &self.config.mail))
    }

    /// The way of sending by this name.
    ///
    /// # Errors
    /// `Unsupported` where the site has none.
    pub fn way(&self, name: &str, what: &str) -> Result<&Arc<dyn Notifier>> {
        self.ways.iter().find(|known| known.name() == name).ok_or_else(|| {
            Error::unsupported(what, format!("the site has no {name}: [notify] {name}"))
                .hint("copy the link and send it yourself")
        })
    }

    /// Sends a letter by the site's mail, or to the site's webhook where it has no address.
    ///
    /// # Errors
    /// `Unsupported` where the site has no such way, and those of sending.
    pub async fn send(&self, cx: &Context, letter: &Letter) -> Result<()> {
        let to = if letter.to.is_empty() { "the site's webhook" } else { &letter.to };
        let entry = self.journal.entry("send-link", format!("{} to {to}", letter.link));
        self.journal.recorded(entry, self.deliver(cx, letter)).await
    }

    /// The same, for whoever writes the entry of the audit.
    pub(super) async fn deliver(&self, cx: &Context, letter: &Letter) -> Result<()> {
        let (way, to) =
            if letter.to.is_empty() { ("webhook", "the site's webhook") } else { ("mail", letter.to.as_str()) };
        let what = format!("send the link to {}", clean::short(to, 100));
        if cx.run(&what, self.way(way, &what)?.send(cx, letter)).await? {
            return Ok(());
        }
        Err(Error::unsupported(&what, "its receiver cannot be reached this way"))
    }

    /// The people whose keys are known.
    ///
    /// # Errors
    /// Where they cannot be read.
    pub async fn contacts(&self) -> Result<Contacts> {
        let contacts = self.contacts.clone();
        blocking(move || contacts.all()).await.during("read the contacts")?
    }

    /// Adds somebody by what they were sent of theirs: their key, its line, or a link; with their mail address, if it is known.
    ///
    /// # Errors
    /// `Usage` where it holds no key, for what is no address, and where the name or the key is one of somebody else; `Integrity` for a link that was
    /// changed.
    pub async fn add(&self, name: &str, given: &str, mail: Option<&str>) -> Result<Contact> {
        let key = &key_in(given)?;
        let what = format!("add the contact '{}'", clean::short(name, 60));
        if is_link(given) && !self.fits(&given.parse()?) {
            return Err(Error::new(Kind::Integrity, what, "the link was changed after it was signed")
                .hint("ask the sender for it again"));
        }
        if !(self.signers.short.is_key)(key) {
            return Err(
                Error::usage(what, "it is no key").hint("'wharf key' prints yours as others need it: wharf-key:…")
            );
        }
        let contact = Contact {
            name: name.trim().to_owned(),
            key: key.to_owned(),
            since: text::now(),
            mail: mail.map(str::to_owned),
        };
        let at = mail.map(|mail| format!(", {mail}")).unwrap_or_default();
        let entry = self.journal.entry("add-contact", format!("{name} ({}{at})", fingerprint(key)));
        let (added, configured) = (contact.clone(), self.configured().await);
        let change = move |known: &mut Contacts| {
            if let Some(own) = &configured {
                known.note_own(own);
            }
            known.add(added.clone())
        };
        let known = self.changed(entry, change).await?;
        Ok(known.named(name).cloned().unwrap_or(contact))
    }

    /// Removes somebody by name.
    ///
    /// # Errors
    /// `NotFound` where nobody has that name.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let (what, entry) = (format!("remove the contact '{name}'"), self.journal.entry("remove-contact", name));
        let name = name.to_owned();
        let missing = move || Error::not_found(&what, "nobody has that name").hint("'wharf contacts' lists them");
        let change = move |known: &mut Contacts| if known.remove(&name) { Ok(()) } else { Err(missing()) };
        self.changed(entry, change).await.map(|_| ())
    }

    async fn changed(
        &self,
        entry: crate::audit::Entry,
        change: impl Fn(&mut Contacts) -> Result<()> + Send + 'static,
    ) -> Result<Contacts> {
        let contacts = self.contacts.clone();
        let changing = async { blocking(move || contacts.change(&change)).await.during("change the contacts")? };
        self.journal.recorded(entry, changing).await
    }
}
