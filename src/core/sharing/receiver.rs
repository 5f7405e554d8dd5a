//! The receivers of shares.

use std::fmt;

use serde::Serialize;

use super::naming::CopyName;

/// The receiver of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// A project by name or id; in another place as `HOST/PROJECT` or `CLOUD/PROJECT`.
    Project(String),
    /// Everybody in the cloud who searches for the image or has its id.
    Community,
    /// Everybody in the cloud; the image is in their lists.
    Public,
    /// A person, by their mail address: they are sent a signed link.
    Person(String),
    /// A contact whose mail address is not known, by name: a signed link to hand over to them is made.
    Contact(String),
}

/// What a person has chosen about a share besides its receivers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Terms {
    /// What a copy is called there; `None` where it keeps the name of the image.
    pub named: Option<CopyName>,
    /// When the link to a person ends, in seconds since 1970; `None` without an end.
    pub until: Option<i64>,
    /// When a grant or a copy ends, in seconds since 1970; `None` without an end. It does not end by itself: it is shown as
    /// past its end to whoever shared it, who takes it back.
    pub ends: Option<i64>,
}

impl Receiver {
    const COMMUNITY: &'static str = ":community";
    const PUBLIC: &'static str = ":public";
    /// Before the address of a person (RFC 6068).
    const PERSON: &'static str = "mailto:";
    /// Before the name of a contact.
    pub const CONTACT: &'static str = "contact:";

    /// Whether it is a person, who gets a link, and no place.
    pub fn is_person(&self) -> bool {
        matches!(self, Self::Person(_) | Self::Contact(_))
    }

    /// A receiver as somebody types it: a mail address is a person, anything else a project.
    pub fn typed(text: &str) -> Self {
        let text = text.trim();
        let address = text.strip_prefix(Self::PERSON).unwrap_or(text);
        if is_mail_address(address) { Self::Person(address.to_owned()) } else { Self::Project(text.to_owned()) }
    }
}

/// The registry's host and the project, where a receiver is named so: `HOST/PROJECT`.
pub fn in_registry(project: &str) -> Option<(&str, &str)> {
    let (host, path) = project.split_once('/')?;
    (host.contains(['.', ':']) || host == "localhost").then_some((host, path))
}

/// Whether a text is a mail address as people write it: `ada@physics.example.org`.
pub fn is_mail_address(text: &str) -> bool {
    let is_part = |part: &str| {
        let known = |c: char| c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(c);
        part.chars().all(known) && part.split('.').all(|word| !word.is_empty())
    };
    let is_domain = |domain: &str| {
        domain.contains('.')
            && domain.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'))
            && domain.chars().all(|c| c.is_alphanumeric() || ".-".contains(c))
    };
    text.len() <= 254 && text.split_once('@').is_some_and(|(local, domain)| is_part(local) && is_domain(domain))
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Person(address) => return write!(f, "{}{address}", Self::PERSON),
            Self::Contact(name) => return write!(f, "{}{name}", Self::CONTACT),
            Self::Project(name) => name,
            Self::Community => Self::COMMUNITY,
            Self::Public => Self::PUBLIC,
        })
    }
}

/// `:community`, `:public`, `mailto:ADDRESS` and `contact:NAME` for a person; everything else is a project.
impl From<&str> for Receiver {
    fn from(text: &str) -> Self {
        match text {
            Self::COMMUNITY => Self::Community,
            Self::PUBLIC => Self::Public,
            text => match text.strip_prefix(Self::PERSON).filter(|address| is_mail_address(address)) {
                Some(address) => Self::Person(address.to_owned()),
                None => match text.strip_prefix(Self::CONTACT) {
                    Some(name) => Self::Contact(name.to_owned()),
                    None => Self::Project(text.to_owned()),
                },
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_address_is_a_person_and_everything_else_a_project() {
        for (typed, is_person) in [
            ("bob@example.org", true),
            (" bob+wharf@phys.example.org ", true),
            ("mailto:bob@example.org", true),
            (":public", false),
            ("bjørn@example.org", true),
            ("biology", false),
            ("r.example:5000/biology", false),
            ("bob@localhost", false),
            ("@example.org", false),
            ("bob@", false),
            ("bob@example.org,eve@example.org", false),
            ("bob@example.org\nBcc: eve@example.org", false),
            ("bob@@example.org", false),
            ("Bob <bob@example.org>", false),
            ("bob@example..org", false),
            ("b..ob@example.org", false),
            ("bob@example-.org", false),
        ] {
            assert_eq!(matches!(Receiver::typed(typed), Receiver::Person(_)), is_person, "{typed}");
        }
        for receiver in [
            Receiver::Person("bob@example.org".into()),
            Receiver::Contact("Ada L".into()),
            Receiver::Community,
            Receiver::Project("a@b".into()),
        ] {
            assert_eq!(Receiver::from(receiver.to_string().as_str()), receiver);
        }
    }
}
