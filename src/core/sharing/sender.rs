//! Who sent a link: people are known by their portal keys, which somebody has added to the contacts.

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clean,
        digest::Digest,
        error::{Error, Result},
        lookalike::{folded, look_alike},
    },
    image::link::{Link, is_link},
    sharing::receiver::is_mail_address,
};

/// The most characters of a contact's name.
const LONGEST: usize = 60;
/// The most characters of a key in its short form.
const LONGEST_KEY: usize = 100;
/// What a key's line begins with.
pub(super) const LINE: &str = "wharf-key:";

/// Somebody whose key is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// What they are called here.
    pub name: String,
    /// Their portal key in its short form.
    pub key: String,
    /// When they were added, in seconds since 1970.
    pub since: i64,
    /// Their mail address, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<String>,
}

/// The contacts of a person, and their own keys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contacts {
    /// The person's own portal key in its short form, once it was made.
    pub own: Option<String>,
    /// Their other keys: earlier ones, and those that `link_key` has named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other_own: Vec<String>,
    /// Others, by name.
    pub others: Vec<Contact>,
}

/// What is known of the sender of a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "sender")]
pub enum Proof {
    /// Nobody has signed it: anybody could have written it.
    Unsigned,
    /// It says that it is from a contact, and nobody has signed it.
    Stripped {
        /// The contact whose name it uses.
        name: String,
    },
    /// The person themselves has signed it.
    Own,
    /// A contact has signed it.
    Known {
        /// What the contact is called.
        name: String,
    },
    /// Somebody whose key is not among the contacts has signed it.
    Unknown {
        /// The key in its short form.
        key: String,
    },
    /// It says that it is from a contact, and somebody else's key has signed it.
    OtherKey {
        /// The contact whose name it uses.
        name: String,
        /// The key in its short form.
        key: String,
    },
    /// The signature does not fit: the link was changed after it was signed.
    Changed,
}

impl Contacts {
    /// What is known of the sender of a link. `fits` tells whether its signature is by its key, over all of it.
    pub fn judge(&self, link: &Link, fits: impl Fn(&Link) -> bool) -> Proof {
        let claimed = link.sender.as_deref().unwrap_or_default();
        let Some(key) = link.key.as_ref().filter(|_| link.signature.is_some()) else {
            // Whoever has their key does not take a link without their signature for theirs.
            return match self.claimed(claimed) {
                Some(contact) => Proof::Stripped { name: contact.name.clone() },
                None => Proof::Unsigned,
            };
        };
        if !fits(link) {
            return Proof::Changed;
        }
        if self.is_own(key) {
            return Proof::Own;
        }
        if let Some(contact) = self.others.iter().find(|contact| contact.key == *key) {
            return Proof::Known { name: contact.name.clone() };
        }
        match self.claimed(claimed) {
            Some(contact) => Proof::OtherKey { name: contact.name.clone(), key: key.clone() },
            None => Proof::Unknown { key: key.clone() },
        }
    }

    /// Whether a key is one of the person's own.
    pub fn is_own(&self, key: &str) -> bool {
        self.own.as_deref() == Some(key) || self.other_own.iter().any(|own| own == key)
    }

    /// Notes the portal key that was made here; one that was there before stays the person's own.
    pub fn note_made(&mut self, key: &str) {
        if self.own.as_deref() != Some(key) {
            self.other_own.retain(|own| own != key);
            self.other_own.extend(self.own.replace(key.to_owned()));
        }
    }

    /// Notes another key of the person's own.
    pub fn note_own(&mut self, key: &str) {
        if !self.is_own(key) {
            self.other_own.push(key.to_owned());
        }
    }

    /// The contact of this name, however it is capitalised and in whichever normal form its letters are.
    pub fn named(&self, name: &str) -> Option<&Contact> {
        let exactly = self.others.iter().find(|contact| contact.name == name.trim());
        let wanted = folded(name);
        exactly.or_else(|| self.others.iter().find(|contact| !wanted.is_empty() && folded(&contact.name) == wanted))
    }

    /// The contact for whom people take a name that they see.
    fn claimed(&self, name: &str) -> Option<&Contact> {
        self.named(name).or_else(|| self.others.iter().find(|contact| look_alike(&contact.name, name)))
    }

    /// Adds somebody.
    ///
    /// # Errors
    /// `Usage` where the key is one of somebody else, or the name, or one that looks like it: nobody's key is replaced
    /// silently, and nobody is taken for another.
    pub fn add(&mut self, contact: Contact) -> Result<()> {
        let what = format!("add the contact '{}'", clean::short(&contact.name, LONGEST));
        let name = contact.name.trim();
        if folded(name).is_empty() || name.chars().count() > LONGEST || clean::line(name) != name {
            return Err(Error::usage(what, format!("a name has 1 to {LONGEST} visible characters")));
        }
        if self.is_own(&contact.key) {
            return Err(Error::usage(what, "that is your own key"));
        }
        if let Some(mail) = contact.mail.as_deref().filter(|mail| !is_mail_address(mail)) {
            return Err(Error::usage(what, format!("'{}' is no mail address", clean::short(mail, LONGEST))));
        }
        let called = |known: &&mut Contact| folded(&known.name) == folded(name);
        if let Some(known) = self.others.iter_mut().find(called) {
            if known.key == contact.key {
                // Added again, somebody can get an address.
                known.mail = contact.mail.or(known.mail.take());
                return Ok(());
            }
            return Err(Error::usage(what, "somebody of that name is there, with another key").hint(format!(
                "ask them by another way which key is theirs; then: wharf contacts remove {name}, and add them again"
            )));
        }
        if let Some(known) = self.others.iter().find(|known| known.key == contact.key) {
            return Err(Error::usage(what, format!("that is the key of '{}'", known.name))
                .hint("remove that contact first, if the name is to be another"));
        }
        if let Some(known) = self.claimed(name) {
            return Err(Error::usage(what, format!("that name looks like the one of '{}'", known.name))
                .hint("give them a name that you can tell from it"));
        }
        self.others.push(Contact { name: name.to_owned(), ..contact });
        self.others.sort_by_key(|contact| contact.name.to_lowercase());
        Ok(())
    }

    /// Removes somebody; `false` where nobody has that name.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.others.len();
        let wanted = self.named(name).map(|contact| contact.name.clone());
        self.others.retain(|contact| Some(&contact.name) != wanted.as_ref());
        self.others.len() < before
    }
}

impl Proof {
    /// In words, with the name that the link itself gives.
    pub fn words(&self, claimed: Option<&str>) -> String {
        let says = claimed.map_or_else(
            || "it names no sender".to_owned(),
            |name| format!("it says that it is from {}", clean::short(name, LONGEST)),
        );
        match self {
            Self::Unsigned => format!("{says} (not proven: it is not signed)"),
            Self::Stripped { name } => format!("{says}, but it is NOT signed, and you know the key of {name}"),
            Self::Own => "from yourself (signed with your key)".to_owned(),
            Self::Known { name } => match claimed.filter(|claimed| folded(claimed) != folded(name)) {
                Some(claimed) => {
                    format!(
                        "from {name} (signed with their key); there they are called {}",
                        clean::short(claimed, LONGEST)
                    )
                }
                None => format!("from {name} (signed with their key)"),
            },
            Self::Unknown { key } => format!("{says}, signed with a key that you do not know: {}", fingerprint(key)),
            Self::OtherKey { name, key } => format!(
                "{says}, but it is NOT signed with the key of your contact {name}: the key is {}",
                fingerprint(key)
            ),
            Self::Changed => format!("{says}, but it was CHANGED after it was signed"),
        }
    }

    /// What to do about it; empty where nothing is to be done.
    pub fn advice(&self) -> &'static str {
        match self {
            Self::Own | Self::Known { .. } => "",
            Self::Stripped { .. } => "ask them for a signed link: 'wharf share REF --link' makes one",
            Self::Unsigned => "ask the sender for a signed link: 'wharf share REF --link' makes one",
            Self::Unknown { .. } => "ask them what 'wharf key' prints; if it is the same: wharf contacts add NAME LINK",
            Self::OtherKey { .. } => "ask them by another way before you use it",
            Self::Changed => "ask the sender for it again",
        }
    }

    /// Whether it is known who sent it.
    pub fn is_known(&self) -> bool {
        matches!(self, Self::Own | Self::Known { .. })
    }

    /// Fails where somebody tries to deceive: such a link is shown, and nothing is done with it.
    ///
    /// # Errors
    /// `Integrity` for a link that was changed, `Denied` for one in somebody else's name.
    pub fn usable(&self, what: &str, claimed: Option<&str>) -> Result<()> {
        let refused = |error: Error| Err(error.hint(self.advice()));
        match self {
            Self::Changed => refused(Error::new(crate::base::error::Kind::Integrity, what, self.words(claimed))),
            Self::OtherKey { .. } | Self::Stripped { .. } => {
                refused(Error::new(crate::base::error::Kind::Denied, what, self.words(claimed)))
            }
            _ => Ok(()),
        }
    }
}

/// The begin of the SHA-256 of a key in its short form, as people compare it: `4f2a 91c0 5d3e 7712`.
pub fn fingerprint(key: &str) -> String {
    let digest = Digest::of(key.as_bytes());
    let hex: Vec<char> = digest.hex().chars().take(16).collect();
    hex.chunks(4).map(|four| four.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}

/// A key as a line that is sent to others.
pub fn line(name: &str, key: &str) -> String {
    format!("{LINE}{key} {name}").trim_end().to_owned()
}

/// The key in what somebody was sent: a line, a link, or a key alone.
///
/// # Errors
/// `Usage` where it is none of these.
pub fn key_in(given: &str) -> Result<String> {
    let given = given.trim();
    let what = format!("read the key '{}'", clean::short(given, LONGEST));
    if is_link(given) {
        let link: Link = given.parse()?;
        return link
            .key
            .ok_or_else(|| Error::usage(what, "the link is not signed").hint("ask the sender for their key"));
    }
    let key = given.strip_prefix(LINE).unwrap_or(given).split_whitespace().next().unwrap_or_default();
    let is_key = (20..=LONGEST_KEY).contains(&key.len())
        && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    if is_key {
        return Ok(key.to_owned());
    }
    Err(Error::usage(what, "it is no key").hint("'wharf key' prints yours as others need it: wharf-key:…"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn contacts() -> Contacts {
        let others = vec![Contact { name: "Ada".into(), key: "ada-key".repeat(5), since: 1, mail: None }];
        Contacts { own: Some("own-key".repeat(5)), others, ..Contacts::default() }
    }

    fn link(sender: &str, key: &str, signature: &str) -> Link {
        format!("wharf:oci://r.example/a@{DIGEST}?tag=1&from={sender}&by={key}&sig={signature}").parse().unwrap()
    }

    /// A signature is right where it is the key that should have made it.
    fn verifies(link: &Link) -> bool {
        link.key == link.signature
    }

    #[test]
    fn a_sender_is_known_by_the_key_and_by_nothing_else() {
        let (ada, own, other) = ("ada-key".repeat(5), "own-key".repeat(5), "xyz-key".repeat(5));
        let known = contacts();
        for (sender, key, signature, proof, usable) in [
            ("ada", &ada, &ada, Proof::Known { name: "Ada".into() }, true),
            ("bob", &ada, &ada, Proof::Known { name: "Ada".into() }, true),
            ("me", &own, &own, Proof::Own, true),
            ("bob", &other, &other, Proof::Unknown { key: other.clone() }, true),
            ("ada", &other, &other, Proof::OtherKey { name: "Ada".into(), key: other.clone() }, false),
            ("ADA", &other, &other, Proof::OtherKey { name: "Ada".into(), key: other.clone() }, false),
            ("ada", &ada, &other, Proof::Changed, false),
        ] {
            let link = link(sender, key, signature);
            let judged = known.judge(&link, verifies);
            assert_eq!(judged, proof, "{sender}");
            assert_eq!(judged.usable("open", link.sender.as_deref()).is_ok(), usable, "{sender}");
        }
        let bare: Link = format!("wharf:oci://r.example/a@{DIGEST}?from=ada").parse().unwrap();
        assert_eq!(known.judge(&bare, verifies), Proof::Stripped { name: "Ada".into() });
        assert!(known.judge(&bare, verifies).usable("open", Some("ada")).is_err());
        assert_eq!(Contacts::default().judge(&bare, verifies), Proof::Unsigned);
        assert!(Proof::Unsigned.words(Some("ada")).contains("not proven"));
    }

    #[test]
    fn a_name_that_looks_like_a_contacts_is_taken_for_it() {
        let contact = |name: &str, key: &str| Contact { name: name.into(), key: key.repeat(5), since: 1, mail: None };
        let mut known = Contacts::default();
        for (name, key) in [("Zo\u{eb}", "zoe-key"), ("Ian", "ian-key"), ("Ada", "ada-key")] {
            known.add(contact(name, key)).unwrap();
        }
        let other = "xyz-key".repeat(5);
        for (claimed, name) in [
            ("Zoe%CC%88", "Zo\u{eb}"),
            ("ZOE%CC%88", "Zo\u{eb}"),
            ("lan", "Ian"),
            ("%D0%90da", "Ada"),
            ("Ada%C2%A0", "Ada"),
            ("A%E2%80%8Bda", "Ada"),
        ] {
            let bare: Link = format!("wharf:oci://r.example/a@{DIGEST}?from={claimed}").parse().unwrap();
            assert_eq!(known.judge(&bare, verifies), Proof::Stripped { name: name.into() }, "{claimed}");
            let signed = link(claimed, &other, &other);
            let proof = Proof::OtherKey { name: name.into(), key: other.clone() };
            assert_eq!(known.judge(&signed, verifies), proof, "{claimed}");
        }
        for name in ["Zoe\u{308}", "lan", "\u{410}da"] {
            assert_eq!(known.add(contact(name, "new-key")).unwrap_err().kind, Kind::Usage, "{name}");
        }
        known.add(contact("Zoe\u{308}", "zoe-key")).unwrap();
        assert_eq!(known.others.len(), 3, "the same name with the same key is the same contact");
        assert!(!known.remove("lan") && known.remove("zoe\u{308}"), "only a name of theirs removes somebody");
    }

    #[test]
    fn every_key_of_ones_own_is_ones_own_and_nobody_elses() {
        let [made, configured, newer] = ["own-key", "cfg-key", "new-key"].map(|key| key.repeat(5));
        let old = format!(r#"{{"own": "{made}", "others": []}}"#);
        let mut known: Contacts = serde_json::from_str(&old).unwrap();
        assert_eq!(serde_json::to_value(&known).unwrap(), serde_json::from_str::<serde_json::Value>(&old).unwrap());
        known.note_own(&made);
        known.note_own(&configured);
        known.note_made(&newer);
        known.note_made(&newer);
        assert_eq!((known.own.as_ref(), &known.other_own), (Some(&newer), &vec![configured.clone(), made.clone()]));
        for key in [made, configured, newer] {
            assert_eq!(known.judge(&link("me", &key, &key), verifies), Proof::Own);
            let contact = Contact { name: "Ada".into(), key, since: 1, mail: None };
            assert_eq!(known.add(contact).unwrap_err().kind, Kind::Usage);
        }
        known.note_made(&"own-key".repeat(5));
        assert_eq!(known.other_own.len(), 2, "each key is there once: {known:?}");
    }

    #[test]
    fn nobodys_key_is_replaced_silently() {
        let mut known = contacts();
        let contact = |name: &str, key: &str| Contact { name: name.into(), key: key.repeat(5), since: 2, mail: None };
        known.add(contact("ada", "ada-key")).unwrap();
        for (name, key) in [
            ("ADA", "new-key"),
            ("eve", "ada-key"),
            ("me", "own-key"),
            ("", "new-key"),
            ("\u{fffd}", "k"),
            ("a\u{1b}[m", "k"),
        ] {
            assert_eq!(known.add(contact(name, key)).unwrap_err().kind, Kind::Usage, "{name}");
        }
        known.add(contact("bob", "bob-key")).unwrap();
        assert!(known.remove("Bob") && !known.remove("Bob"));
        assert_eq!(known, contacts());
    }

    #[test]
    fn a_key_is_read_from_whatever_somebody_was_sent() {
        let key = "Abc-_123".repeat(5);
        let link = link("ada", &key, "s");
        for given in [key.clone(), line("ada l", &key), format!("  {}\n", line("", &key)), link.to_string()] {
            assert_eq!(key_in(&given).unwrap(), key, "{given}");
        }
        for wrong in ["", "ada", "ssh-ed25519 AAAA", &"a".repeat(200), "wharf:oci://r/a:1"] {
            assert!(key_in(wrong).is_err(), "{wrong}");
        }
        assert_eq!(fingerprint(&key).len(), 19);
    }
}
