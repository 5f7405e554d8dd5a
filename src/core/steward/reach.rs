//! Restricts a steward to the site's configured sources. A requester, or a person who records a use, writes an address;
//! a steward has rights of its own and works from inside the site's network.
//!
//! [`SiteReference`] is created here only. The portal that a steward works with ([`PortalParts::for_stewards`]) has no
//! other sources, so that all further reads (tags, attachments, a fixed version) stay within them, too.

use std::{
    path::{Component, Path},
    sync::Arc,
};

use crate::{
    base::error::{Error, Kind, Result},
    config::{Config, Requests},
    image::reference::{ImageRef, Name},
    portal::{PortalParts, Source, Sources, stewardship::Stewardship},
};

/// A reference into a source that the site has configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteReference(ImageRef);

impl SiteReference {
    /// The reference itself, for calls that read it.
    pub fn get(&self) -> &ImageRef {
        &self.0
    }
}

fn out_of_reach(what: &str, at: &ImageRef) -> Error {
    let hint = "if it should, the site's administrators name that place in site.toml as a [[source]]";
    let place = match at {
        ImageRef::Oci(name) => name.host.as_str(),
        ImageRef::Glance { cloud, .. } => cloud,
        ImageRef::Other(name) => name.place(),
        ImageRef::Engine(_) | ImageRef::Volume { .. } | ImageRef::File { .. } => {
            return Error::new(Kind::Denied, what, "it is in no registry and no cloud")
                .hint("a steward reads nothing else");
        }
    };
    Error::new(Kind::Denied, what, format!("the site has no source for {place}, and a steward goes nowhere else"))
        .hint(hint)
}

/// Whether a source belongs to the site: it is configured, or it is the cloud that takes disk images.
fn is_of_site(config: &Config, source: &Source) -> bool {
    let named =
        config.sources.iter().any(|written| written.name == source.name) || config.requests.cloud == source.name;
    named && !source.abilities.is_local
}

/// Whether a repository is at a registry where the site admits or judges images.
fn is_own_registry(rules: &Requests, name: &Name) -> bool {
    let host = |place: &str| place.split('/').next().is_some_and(|host| !host.is_empty() && host == name.host);
    host(&rules.admitted) || host(&rules.quarantine)
}

/// Whether a path is below a folder, as written and without `..`.
fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) && !path.components().any(|part| part == Component::ParentDir)
}

impl PortalParts {
    /// The same parts with the site's sources only, for work on behalf of others.
    #[must_use]
    pub fn for_stewards(mut self) -> Self {
        let config = &self.config;
        self.sources.retain(|source| is_of_site(config, source));
        let (rules, quarantine) = (config.requests.clone(), config.state_dir.join("quarantine"));
        let open = self.open;
        self.open = Box::new(move |reference| {
            let own = match reference {
                ImageRef::Oci(name) => is_own_registry(&rules, name),
                ImageRef::File { path, .. } => is_below(Path::new(path), &quarantine),
                _ => false,
            };
            if own { open(reference) } else { Err(out_of_reach(&format!("read {reference}"), reference)) }
        });
        self
    }
}

/// The sources that a steward may contact.
pub(super) struct ReachableSources {
    config: Arc<Config>,
    sources: Arc<Sources>,
}

impl ReachableSources {
    /// The sources of a steward's site.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self { config: parts.config.clone(), sources: parts.sources.clone() }
    }

    /// Checks that a reference that somebody wrote is in one of the site's sources.
    pub(super) fn resolve(&self, what: &str, written: &str) -> Result<SiteReference> {
        let reference: ImageRef = written.parse().map_err(|error: Error| Error { kind: Kind::Denied, ..error })?;
        let owned = |reference: &ImageRef| {
            self.sources.all().iter().any(|source| is_of_site(&self.config, source) && source.catalog.owns(reference))
        };
        let cloud = &self.config.requests.cloud;
        let rules = &self.config.requests;
        match &reference {
            ImageRef::Oci(name) if rules.judges_in(name) => {
                Err(Error::new(Kind::Denied, what, "it is in the quarantine, where others' images are judged")
                    .hint("ask for it where it comes from"))
            }
            ImageRef::Oci(name) if is_own_registry(rules, name) || owned(&reference) => Ok(SiteReference(reference)),
            // People give clouds their own names; the id of an image is the same under all of them.
            ImageRef::Glance { image, .. } if !cloud.is_empty() && !owned(&reference) => {
                Ok(SiteReference(ImageRef::Glance { cloud: cloud.clone(), image: image.clone() }))
            }
            ImageRef::Glance { .. } | ImageRef::Other(_) if owned(&reference) => Ok(SiteReference(reference)),
            _ => Err(out_of_reach(what, &reference)),
        }
    }

    /// Checks a reference of the watch: of images in clouds, only those in the site's own cloud are judged again.
    pub(super) fn watched_at(&self, what: &str, written: &str) -> Result<SiteReference> {
        let at = self.resolve(what, written)?;
        match at.get() {
            ImageRef::Glance { cloud, .. } if *cloud != self.config.requests.cloud => Err(out_of_reach(what, at.get())),
            _ => Ok(at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_asked_for_is_not_asked_for_in_the_quarantine() {
        let rules = Requests { quarantine: "r.example/quarantine".into(), ..Requests::default() };
        let name = |text: &str| match text.parse::<ImageRef>() {
            Ok(ImageRef::Oci(name)) => name,
            other => unreachable!("{other:?}"),
        };
        assert!(rules.judges_in(&name("r.example/quarantine/request-1/secret:1")));
        for other in ["r.example/quarantined/x", "s.example/quarantine/x", "r.example/physics/quarantine/x"] {
            assert!(!rules.judges_in(&name(other)), "{other}");
        }
        assert!(!Requests::default().judges_in(&name("r.example/quarantine/x")));
    }

    #[test]
    fn a_path_is_below_a_folder_only_without_a_way_up() {
        let folder = Path::new("/state/quarantine");
        assert!(is_below(Path::new("/state/quarantine/request-1"), folder));
        for other in ["/state/quarantine/../key", "/state/quarantined/x", "/etc/passwd", "state/quarantine/x"] {
            assert!(!is_below(Path::new(other), folder), "{other}");
        }
    }
}
