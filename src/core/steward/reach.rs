//! Where a steward goes: to the sources that its site has configured, and nowhere else. Whoever asks for an image or says
//! that they use one writes an address; a steward works with its own rights, from inside the site's network.
//!
//! [`SiteReference`] is made here only. The portal that a steward works with ([`PortalParts::for_stewards`]) holds no other
//! source, so that whatever is looked up on the way (tags, attachments, a fixed version) stays within them, too.

use std::path::{Component, Path};

use crate::core::{
    base::error::{Error, Kind, Result},
    config::{Config, Requests},
    image::reference::{ImageRef, Name},
    portal::{Portal, PortalParts, Source},
};

/// Sources that are this machine's own: nobody else means anything by a name in them.
const LOCAL: [&str; 2] = ["files", "engine"];

/// A reference into a place that the site has configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SiteReference(ImageRef);

impl SiteReference {
    /// The reference.
    pub fn get(&self) -> &ImageRef {
        &self.0
    }
}

fn out_of_reach(what: &str, at: &ImageRef) -> Error {
    let hint = "if it should, whoever runs the site names that place in site.toml as a [[source]]";
    let place = match at {
        ImageRef::Oci(name) => name.host.as_str(),
        ImageRef::Glance { cloud, .. } => cloud,
        _ => {
            return Error::new(Kind::Denied, what, "it is in no registry and no cloud")
                .hint("a steward reads nothing else");
        }
    };
    Error::new(Kind::Denied, what, format!("the site has no source for {place}, and a steward goes nowhere else"))
        .hint(hint)
}

/// Whether a source is one of the site's: configured, or the cloud that takes its disk images.
fn is_of_site(config: &Config, source: &Source) -> bool {
    let named =
        config.sources.iter().any(|written| written.name == source.name) || config.requests.cloud == source.name;
    named && !LOCAL.contains(&source.adapter)
}

/// Whether a repository is at a registry where the site admits or judges images.
fn is_own_registry(rules: &Requests, name: &Name) -> bool {
    let host = |place: &str| place.split('/').next().is_some_and(|host| !host.is_empty() && host == name.host);
    host(&rules.admitted) || host(&rules.quarantine)
}

/// Whether a repository is one where requests are judged: it is nobody's to ask for.
pub fn is_quarantined(rules: &Requests, name: &Name) -> bool {
    rules.quarantine.split_once('/').is_some_and(|(host, project)| {
        name.host == host && name.repository.strip_prefix(project).is_some_and(|rest| rest.starts_with('/'))
    })
}

/// Whether a path is below a folder as it is written, without a way up.
fn is_below(path: &Path, folder: &Path) -> bool {
    path.starts_with(folder) && !path.components().any(|part| part == Component::ParentDir)
}

impl PortalParts {
    /// These parts for somebody who works for others: with the site's sources alone.
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

impl Portal {
    /// What somebody wrote as the place of an image, if it is in one of the site's sources.
    pub(super) fn of_site(&self, what: &str, written: &str) -> Result<SiteReference> {
        let reference: ImageRef = written.parse().map_err(|error: Error| Error { kind: Kind::Denied, ..error })?;
        let owned = |reference: &ImageRef| {
            self.sources.all().iter().any(|source| is_of_site(&self.config, source) && source.catalog.owns(reference))
        };
        let cloud = &self.config.requests.cloud;
        let rules = &self.config.requests;
        match &reference {
            ImageRef::Oci(name) if is_quarantined(rules, name) => {
                Err(Error::new(Kind::Denied, what, "it is in the quarantine, where others' images are judged")
                    .hint("ask for it where it comes from"))
            }
            ImageRef::Oci(name) if is_own_registry(rules, name) || owned(&reference) => Ok(SiteReference(reference)),
            // People name clouds as they like: the id is the same everywhere in one.
            ImageRef::Glance { image, .. } if !cloud.is_empty() && !owned(&reference) => {
                Ok(SiteReference(ImageRef::Glance { cloud: cloud.clone(), image: image.clone() }))
            }
            ImageRef::Glance { .. } if owned(&reference) => Ok(SiteReference(reference)),
            _ => Err(out_of_reach(what, &reference)),
        }
    }

    /// What the watch looks at: images of registries, and what the site's own cloud has.
    pub(super) fn watched_at(&self, what: &str, written: &str) -> Result<SiteReference> {
        let at = self.of_site(what, written)?;
        match at.get() {
            ImageRef::Glance { cloud, .. } if *cloud != self.config.requests.cloud => Err(out_of_reach(what, at.get())),
            _ => Ok(at),
        }
    }
}

/// An address on the web from which the site lets its cloud fetch disk images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(String);

impl WebAddress {
    /// `address`, where `[requests] web` names its host. Without an account, and on plain http only where that is written.
    pub fn of(rules: &Requests, what: &str, address: &str) -> Result<Self> {
        let denied = |why: String| {
            Error::new(Kind::Denied, what, why)
                .hint("whoever runs the site names the host in site.toml: [requests] web = [\"host\"]")
        };
        let (scheme, rest) = address.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() || host.contains('@') || !matches!(scheme.as_str(), "http" | "https") {
            return Err(denied("an address without an account or password is needed".to_owned()));
        }
        // What programs read differently is nobody's address.
        if !address.chars().all(|c| c.is_ascii_graphic() && !"\\\"<>^`{|}".contains(c)) {
            return Err(denied("an address holds letters, figures and -._~:/?#[]@!$&'()*+,;=% only".to_owned()));
        }
        let named = |allowed: &String| {
            let (of, name) = allowed.split_once("://").unwrap_or(("https", allowed));
            let usual = if scheme == "https" { ":443" } else { ":80" };
            let bare = |host: &str| host.trim_end_matches('/').trim_end_matches(usual).to_ascii_lowercase();
            of == scheme && bare(name) == bare(&host)
        };
        if rules.web.iter().any(named) {
            return Ok(Self(address.to_owned()));
        }
        Err(denied(format!("the site does not let its cloud fetch images from {scheme}://{host}")))
    }

    /// The address.
    pub fn get(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_fetches_only_from_hosts_that_are_named_and_on_plain_http_only_where_that_is_written() {
        let rules =
            Requests { web: vec!["Images.example.org".into(), "http://10.0.0.7:8080".into()], ..Requests::default() };
        let of = |address: &str| WebAddress::of(&rules, "import", address).is_ok();
        for fine in [
            "https://images.example.org/a.qcow2",
            "https://images.example.org:443/a",
            "HTTPS://IMAGES.example.org/a?b#c",
            "http://10.0.0.7:8080/a",
        ] {
            assert!(of(fine), "{fine}");
        }
        for refused in [
            "http://images.example.org/a",
            "https://images.example.org:8443/a",
            "https://images.example.org@evil.example/a",
            "https://evil.example/images.example.org",
            "https://images.example.org.evil.example/",
            "https://evil.example\\@images.example.org/a",
            "https://images.example.org\\@evil.example/a b",
            "https://10.0.0.7:8080/a",
            "http://10.0.0.7/a",
            "file:///etc/passwd",
            "ftp://images.example.org/a",
            "https://",
            "",
        ] {
            assert!(!of(refused), "{refused}");
        }
        assert!(WebAddress::of(&Requests::default(), "import", "https://images.example.org/a").is_err());
    }

    #[test]
    fn what_others_asked_for_is_not_asked_for_in_the_quarantine() {
        let rules = Requests { quarantine: "r.example/quarantine".into(), ..Requests::default() };
        let name = |text: &str| match text.parse::<ImageRef>() {
            Ok(ImageRef::Oci(name)) => name,
            other => unreachable!("{other:?}"),
        };
        assert!(is_quarantined(&rules, &name("r.example/quarantine/request-1/secret:1")));
        for other in ["r.example/quarantined/x", "s.example/quarantine/x", "r.example/physics/quarantine/x"] {
            assert!(!is_quarantined(&rules, &name(other)), "{other}");
        }
        assert!(!is_quarantined(&Requests::default(), &name("r.example/quarantine/x")));
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
