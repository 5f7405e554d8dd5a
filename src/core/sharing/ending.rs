//! Shares that are to end: what is taken back then, exactly as it was made.

use serde::{Deserialize, Serialize};

use crate::{base::digest::Digest, image::reference::ImageRef};

/// The shares of a person that are to end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Endings {
    /// All of them, in no order.
    pub all: Vec<Ending>,
}

/// A share that is to end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ending {
    /// What was shared, as the person named it.
    pub what: String,
    /// With whom.
    pub to: String,
    /// When it is to end, in seconds since 1970.
    pub until: i64,
    /// What is taken back.
    pub given: Takeable,
}

/// Something that can be taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Takeable {
    /// The id of a grant.
    Grant(String),
    /// A copy, as long as its name means this digest.
    Copy {
        /// Where it is.
        at: ImageRef,
        /// Its digest there.
        digest: Digest,
    },
}

impl Takeable {
    /// Whether it is the same grant, or a copy under the same name.
    pub fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            // Of everybody there is one grant for each image, whatever it is called.
            (Self::Grant(one), Self::Grant(other)) => {
                one == other || everybody(one).is_some_and(|image| everybody(other) == Some(image))
            }
            (Self::Copy { at, .. }, Self::Copy { at: other, .. }) => at == other,
            _ => false,
        }
    }
}

/// The image of a grant to everybody.
fn everybody(grant: &str) -> Option<&str> {
    grant.strip_suffix("/community").or_else(|| grant.strip_suffix("/public"))
}

impl Endings {
    /// Notes a share. One that was made before for the same receiver ends as this one does, or not at all.
    pub fn note(&mut self, ending: Ending) {
        self.forget(&ending.given);
        self.all.push(ending);
    }

    /// Forgets when something ends.
    pub fn forget(&mut self, given: &Takeable) {
        self.all.retain(|known| !known.given.is_same(given));
    }

    /// When this is to end, if it is.
    pub fn end_of(&self, given: &Takeable) -> Option<i64> {
        self.all.iter().find(|known| known.given.is_same(given)).map(|known| known.until)
    }

    /// Those whose end has passed, the earliest first.
    pub fn due(&self, now: i64) -> Vec<Ending> {
        let mut due: Vec<Ending> = self.all.iter().filter(|one| one.until <= now).cloned().collect();
        due.sort_by_key(|one| one.until);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(given: Takeable, until: i64) -> Ending {
        Ending { what: "a".into(), to: "biology".into(), until, given }
    }

    #[test]
    fn what_is_shared_again_ends_as_was_said_last() {
        let grant = || Takeable::Grant("site/1/biology".into());
        let copy = |text: &str| Takeable::Copy {
            at: "oci://r.example/biology/a:1".parse().unwrap(),
            digest: Digest::of(text.as_bytes()),
        };
        let mut all = Endings::default();
        all.note(ending(grant(), 20));
        all.note(ending(copy("one"), 10));
        assert_eq!(all.due(9), []);
        assert_eq!(all.due(20).iter().map(|one| one.until).collect::<Vec<_>>(), [10, 20]);
        all.note(ending(copy("two"), 30));
        assert_eq!((all.all.len(), all.end_of(&copy("two")), all.due(20).len()), (2, Some(30), 1));
        let all_of = |how: &str| Takeable::Grant(format!("site/1/{how}"));
        assert!(all_of("community").is_same(&all_of("public")) && !all_of("community").is_same(&grant()));
        all.forget(&grant());
        assert_eq!((all.end_of(&grant()), all.due(i64::MAX).len()), (None, 1));
        let written = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Endings>(&written).unwrap(), all);
    }
}
