//! What a name without a registry means: by Docker's rule, or by what this machine has configured for Podman
//! (containers-registries.conf(5), "Short-Name Aliasing").

use std::collections::BTreeMap;

use super::reference::{self, ImageRef};
use crate::base::error::{Error, Result};

/// What to do if several registries could be meant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// They are searched in their order.
    #[default]
    InOrder,
    /// The name is refused rather than guessed.
    Enforcing,
}

/// What short names mean on a machine. By default nothing is configured, and Docker's rule holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShortNames {
    /// Full names by short ones, both without tag and digest.
    pub aliases: BTreeMap<String, String>,
    /// The registries in which a short name is searched.
    pub search: Vec<String>,
    /// What to do if there are several of them.
    pub mode: Mode,
}

impl ShortNames {
    /// The references that a typed text may mean, in the order of searching; at least one.
    pub fn candidates(&self, text: &str) -> Result<Vec<ImageRef>> {
        let Some(name) = reference::short_name(text) else { return Ok(vec![text.parse()?]) };
        // A text that is no name of an image fails as it was typed.
        let plain: ImageRef = text.parse()?;
        if let Some(whole) = self.aliases.get(name) {
            return Ok(vec![format!("{whole}{}", &text[name.len()..]).parse()?]);
        }
        let search = self.search.iter().map(|host| format!("{}/{text}", host.trim_end_matches('/')));
        match self.search.as_slice() {
            [] => Ok(vec![plain]),
            [_, _, ..] if self.mode == Mode::Enforcing => {
                let meant: Vec<String> = search.collect();
                Err(Error::usage(format!("reference '{text}'"), "it may be in more than one registry here")
                    .hint(format!("write which is meant: {}", meant.join(" or "))))
            }
            _ => search.map(|whole| whole.parse()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &ShortNames, text: &str) -> Vec<String> {
        names.candidates(text).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_alias_counts_before_registries_and_keeps_tag_and_digest() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let names = ShortNames {
            aliases: [("fedora", "registry.fedoraproject.org/fedora"), ("ubi8/nodejs", "r.example/ubi8/nodejs")]
                .map(|(short, whole)| (short.to_owned(), whole.to_owned()))
                .into(),
            search: vec!["one.example".into(), "docker.io".into()],
            mode: Mode::InOrder,
        };
        for (text, meant) in [
            ("fedora", vec!["oci://registry.fedoraproject.org/fedora".to_owned()]),
            ("fedora:41", vec!["oci://registry.fedoraproject.org/fedora:41".to_owned()]),
            (&format!("fedora@{digest}"), vec![format!("oci://registry.fedoraproject.org/fedora@{digest}")]),
            (&format!("fedora:41@{digest}"), vec![format!("oci://registry.fedoraproject.org/fedora:41@{digest}")]),
            ("ubi8/nodejs:1", vec!["oci://r.example/ubi8/nodejs:1".to_owned()]),
            ("ubi8", vec!["oci://one.example/ubi8".to_owned(), "oci://docker.io/library/ubi8".to_owned()]),
            ("me/tool:1", vec!["oci://one.example/me/tool:1".to_owned(), "oci://docker.io/me/tool:1".to_owned()]),
        ] {
            assert_eq!(read(&names, text), meant, "{text}");
        }
        // A name with a registry, or of another place, is left as it is.
        for whole in ["localhost/fedora", "docker.io/library/fedora", "r.example:1/fedora", "h:1/a"] {
            assert_eq!(read(&names, whole), [format!("oci://{whole}")]);
        }
        for other in [
            "file:/fedora",
            "engine://podman/fedora",
            "glance://lab/fedora",
            "./fedora",
            "oci://docker.io/library/fedora",
        ] {
            assert_eq!(read(&names, other), [other.parse::<ImageRef>().unwrap().to_string()]);
        }
    }

    #[test]
    fn where_nothing_is_written_down_dockers_rule_holds() {
        assert_eq!(read(&ShortNames::default(), "fedora:41"), ["oci://docker.io/library/fedora:41"]);
    }

    #[test]
    fn of_several_registries_none_is_guessed_where_that_is_wanted() {
        let mut names = ShortNames { search: vec!["a.example".into()], mode: Mode::Enforcing, ..ShortNames::default() };
        assert_eq!(read(&names, "tool:1"), ["oci://a.example/tool:1"]);
        names.search.push("b.example:5000".into());
        let error = names.candidates("tool:1").unwrap_err();
        assert!(error.hint.contains("a.example/tool:1 or b.example:5000/tool:1"), "{error}");
        assert!(names.candidates("UPPER").is_err() && names.candidates("").is_err());
    }
}
