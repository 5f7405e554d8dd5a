//! The name that a person gives a copy in its receiver.

use std::{fmt, str::FromStr};

use crate::{
    base::error::{Error, Result},
    image::reference::ImageRef,
};

/// Stands for the place of a copy while its name is checked.
const PLACE: &str = "project";

/// The name of a copy behind the project that gets it: `gromacs:2024.2`, `tools/gromacs`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyName {
    /// The path of the repository below the project.
    pub path: String,
    /// The tag; that of the image where none is given.
    pub tag: Option<String>,
}

/// By the grammar of references, with a message that says what is wrong.
impl FromStr for CopyName {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let text = text.trim();
        let what = format!("name the copy '{text}'");
        let hint = "write a name and a tag, like gromacs:2024.2";
        if text.is_empty() {
            return Err(Error::usage("name the copy", "no name is given").hint(hint));
        }
        if text.contains('@') {
            return Err(Error::usage(what, "its digest is that of the image and cannot be chosen").hint(hint));
        }
        let parsed: Result<ImageRef> = format!("oci://registry.invalid/{PLACE}/{text}").parse();
        let reference = parsed.map_err(|error| Error::usage(what.clone(), error.why).hint(hint))?;
        let path = reference.name().and_then(|name| {
            let path = name.repository.strip_prefix(PLACE)?.strip_prefix('/')?;
            Some((path.to_owned(), name.tag.clone()))
        });
        let (path, tag) = path.ok_or_else(|| Error::usage(what, "that is no name below a project").hint(hint))?;
        Ok(Self { path, tag })
    }
}

impl fmt::Display for CopyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        self.tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_path_below_the_project_with_or_without_a_tag_and_nothing_else() {
        for good in ["gromacs", "gromacs:2024.2", "tools/gromacs:1"] {
            assert_eq!(good.parse::<CopyName>().unwrap().to_string(), good);
        }
        let long = "x".repeat(5_000);
        for bad in [
            "",
            " ",
            "..",
            "../x",
            "a/../b",
            "a//b",
            "/a",
            "a:",
            "a:b:c",
            "a b",
            "A",
            "a@sha256:1",
            "a\u{1b}[2J",
            "a:\u{202e}",
            "ä",
            &long,
        ] {
            let error = bad.parse::<CopyName>().unwrap_err();
            assert!(!error.why.is_empty() && !error.hint.is_empty(), "{bad}");
        }
    }
}
