//! Who is meant by a receiver that somebody has typed: a person by their address, their name or their key, or a project.

use super::{
    receiver::{Receiver, in_registry},
    sender::{Contact, Contacts, LINE, key_in},
};
use crate::base::{
    clean,
    error::{Error, Result},
};

/// Before the name of a project that is also the name of a contact.
const PROJECT: &str = "project:";

/// Who is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Meant {
    /// This receiver.
    One(Receiver),
    /// A contact of this name, unless there is a project of that name.
    Called {
        /// The name.
        name: String,
        /// The contact.
        contact: Receiver,
    },
}

impl Meant {
    /// Who is meant by a text. Nobody is asked.
    ///
    /// # Errors
    /// `NotFound` where a contact is meant that there is not, `Usage` for a key that cannot be read.
    pub fn typed(text: &str, contacts: &Contacts) -> Result<Self> {
        let text = text.trim();
        if let Some(name) = text.strip_prefix(Receiver::CONTACT) {
            return contacts.named(name).map(|contact| Self::One(receiver(contact))).ok_or_else(|| nobody(name));
        }
        if text.starts_with(LINE) {
            let key = key_in(text)?;
            let contact = contacts.others.iter().find(|contact| contact.key == key);
            return contact.map(|contact| Self::One(receiver(contact))).ok_or_else(|| nobody(text));
        }
        // A registry may be called so, too: then a port follows.
        if let Some(name) = text.strip_prefix(PROJECT).filter(|_| in_registry(text).is_none()) {
            return Ok(Self::One(Receiver::Project(name.to_owned())));
        }
        match (Receiver::typed(text), contacts.others.iter().find(|contact| contact.name == text)) {
            (Receiver::Project(name), Some(contact)) => Ok(Self::Called { name, contact: receiver(contact) }),
            (to, _) => Ok(Self::One(to)),
        }
    }
}

/// The receiver that a contact is: by mail where their address is known.
pub fn receiver(contact: &Contact) -> Receiver {
    contact.mail.clone().map_or_else(|| Receiver::Contact(contact.name.clone()), Receiver::Person)
}

/// A contact and a project have the same name.
pub fn both(name: &str) -> Error {
    let name = clean::short(name, 60);
    Error::usage(format!("share with '{name}'"), "a contact of yours is called so, and a project there may be, too")
        .hint(format!("say which: {}{name} or {PROJECT}{name}", Receiver::CONTACT))
}

fn nobody(typed: &str) -> Error {
    let typed = clean::short(typed, 60);
    Error::not_found(format!("share with '{typed}'"), "it is none of your contacts")
        .hint("'wharf contacts' lists them; wharf contacts add NAME LINK-OR-KEY adds somebody")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;

    #[test]
    fn a_contact_is_meant_by_name_or_key_and_a_project_where_that_is_said() {
        let contact = |name: &str, key: &str, mail: Option<&str>| Contact {
            name: name.into(),
            key: key.repeat(40),
            since: 1,
            mail: mail.map(str::to_owned),
        };
        let others = vec![contact("Ada", "a", None), contact("Bob", "b", Some("bob@x.example"))];
        let contacts = Contacts { others, ..Contacts::default() };
        let meant = |typed: &str| Meant::typed(typed, &contacts);
        let (ada, bob) = (Receiver::Contact("Ada".into()), Receiver::Person("bob@x.example".into()));
        let one = |to: &Receiver| Meant::One(to.clone());
        let called = |name: &str, to: &Receiver| Meant::Called { name: name.into(), contact: to.clone() };
        assert_eq!(meant(" Ada ").unwrap(), called("Ada", &ada));
        assert_eq!(meant("Bob").unwrap(), called("Bob", &bob));
        for (typed, to) in [
            ("contact:ada", &ada),
            ("contact:Bob", &bob),
            (format!("wharf-key:{} ada l", "a".repeat(40)).as_str(), &ada),
            ("project:Ada", &Receiver::Project("Ada".into())),
            ("ada", &Receiver::Project("ada".into())),
            ("project:5000/ada", &Receiver::Project("project:5000/ada".into())),
            ("eve@x.example", &Receiver::Person("eve@x.example".into())),
        ] {
            assert_eq!(meant(typed).unwrap(), one(to), "{typed}");
        }
        for nobody in ["contact:eve", &format!("wharf-key:{}", "c".repeat(40))] {
            assert_eq!(meant(nobody).unwrap_err().kind, Kind::NotFound, "{nobody}");
        }
        assert!(both("Ada").hint.contains("contact:Ada or project:Ada"));
    }
}
