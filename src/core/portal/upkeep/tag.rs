//! A new tag for an image: what it may mean, and the result of giving it.

use std::sync::Arc;

use serde::Serialize;

use crate::{
    base::{
        digest::Digest,
        error::{Error, Result},
    },
    image::reference::{ImageRef, is_tag},
    ports::Asker,
};

/// The result of tagging an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TagResult {
    /// The image under its new tag.
    pub reference: ImageRef,
    /// The digest that the tag means now.
    pub digest: Digest,
    /// The digest that the tag meant before; `None` if the tag is new.
    pub before: Option<Digest>,
}

impl TagResult {
    /// One line about what was done.
    pub fn describe(&self) -> String {
        let (name, now) = (self.reference.short_text(), self.digest.short());
        match &self.before {
            None => format!("{name} means {now} now"),
            Some(before) if *before == self.digest => format!("{name} means {now} already"),
            Some(before) => format!("{name} means {now} now; it meant {}", before.short()),
        }
    }
}

/// What to do with a tag that means another image.
pub enum Move {
    /// Leave it, and fail.
    Never,
    /// Move it to the new image.
    Always,
    /// Ask the person through this asker.
    Ask(Arc<dyn Asker>),
}

/// The reference that a new tag means: `1.2` or `:1.2` in the same repository, or a whole reference.
pub fn new_reference(reference: &ImageRef, new: &str) -> Result<ImageRef> {
    let what = format!("tag {reference} as '{new}'");
    let bare = new.strip_prefix(':').unwrap_or(new);
    let to = if is_tag(bare) {
        reference.with_tag(bare)
    } else {
        new.parse::<ImageRef>().map_err(|error| error.during(&what))?
    };
    let (Some(from), Some(name)) = (reference.name(), to.name()) else {
        return Err(Error::unsupported(what, "only images of registries and engines have tags")
            .hint("an image of a cloud is found by its name or id; wharf copy gives it another name"));
    };
    if name.digest.is_some() || name.tag.is_none() {
        return Err(Error::usage(what, "a new tag is a name, not a digest").hint("write one like 1.2 or latest"));
    }
    let same_kind = std::mem::discriminant(reference) == std::mem::discriminant(&to);
    // Engines keep images under any name; a registry tags only within one repository.
    let same_place =
        from.host == name.host && (matches!(to, ImageRef::Engine(_)) || from.repository == name.repository);
    if !same_kind || !same_place {
        return Err(Error::usage(what, "a tag is given within one repository")
            .hint(format!("to bring it elsewhere: wharf copy {reference} {to}")));
    }
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::error::Kind;

    #[test]
    fn a_new_tag_stays_in_its_repository_and_on_an_engine_in_that_engine() {
        let image: ImageRef = "r.example:5000/team/tool:1.0".parse().unwrap();
        for (new, expected) in [
            ("1.1", Some("oci://r.example:5000/team/tool:1.1")),
            (":1.1", Some("oci://r.example:5000/team/tool:1.1")),
            ("r.example:5000/team/tool:latest", Some("oci://r.example:5000/team/tool:latest")),
            ("r.example:5000/team/other:1.1", None),
            ("q.example/team/tool:1.1", None),
            ("engine://docker/team/tool:1.1", None),
            ("r.example:5000/team/tool", None),
            ("-x", None),
            ("", None),
        ] {
            assert_eq!(new_reference(&image, new).ok().map(|to| to.to_string()).as_deref(), expected, "{new}");
        }
        let local: ImageRef = "engine://docker/tool:1.0".parse().unwrap();
        let to = new_reference(&local, "engine://docker/r.example/team/tool:2").unwrap();
        assert_eq!(to.to_string(), "engine://docker/r.example/team/tool:2");
        assert!(new_reference(&local, "engine://podman/tool:2").is_err());
        let disk: ImageRef = "glance://lab/debian".parse().unwrap();
        assert_eq!(new_reference(&disk, "new").unwrap_err().kind, Kind::Unsupported);
    }
}
