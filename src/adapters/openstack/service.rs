//! The services of a cloud, and requests to them.

use reqwest::Method;
use url::Url;

/// The services that are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Service {
    /// Keystone, the identity service.
    Identity,
    /// Glance, the image service.
    Image,
    /// Nova, the compute service.
    Compute,
    /// Cinder, the block storage service.
    Volume,
    /// Neutron, the network service.
    Network,
}

impl Service {
    /// The service types under which catalogues name it, the official one first (service-types.openstack.org).
    pub(super) fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Identity => &["identity"],
            Self::Image => &["image"],
            Self::Compute => &["compute"],
            Self::Volume => &["block-storage", "volumev3", "volume", "volumev2", "block-store"],
            Self::Network => &["network"],
        }
    }

    /// The root of the API version that is used here, with a slash at its end. The catalogue's address may be the
    /// service's own, or that of this or an older version.
    pub(super) fn root(self, named: &Url, project: &str) -> Url {
        let version = match self {
            Self::Identity | Self::Volume => "v3",
            Self::Image => "v2",
            Self::Compute => "v2.1",
            Self::Network => "v2.0",
        };
        let is_version = |part: &&str| part.starts_with('v') && part[1..].starts_with(|c: char| c.is_ascii_digit());
        let parts: Vec<&str> = named.path().split('/').filter(|part| !part.is_empty()).collect();
        let before: Vec<&str> = parts.iter().take_while(|part| !is_version(part)).copied().collect();
        // Nova's v2.1 may be named v2, with the project's id; Cinder needs the project's id.
        let mut path = [before, vec![version]].concat();
        if self == Self::Volume && !project.is_empty() {
            path.push(project);
        }
        let mut root = named.clone();
        root.set_path(&format!("{}/", path.join("/")));
        root.set_query(None);
        root
    }

    /// The service in a word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Volume => "volume",
            Self::Network => "network",
        }
    }

    /// The service's name in the header that selects a microversion.
    pub(super) fn header(self) -> &'static str {
        if self == Self::Volume { "volume" } else { self.name() }
    }
}

/// A request below the root of a service.
pub(super) struct Request<'a> {
    /// The HTTP method of the request.
    pub method: Method,
    /// Path and query, without a slash at the beginning.
    pub path: &'a str,
    /// The microversion to ask for.
    pub version: Option<&'a str>,
    /// The body to send.
    pub body: Body,
}

/// The body of a request.
pub(super) enum Body {
    /// No body is sent.
    None,
    /// A body of type `application/json`.
    Json(serde_json::Value),
    /// A JSON patch of an image, which has its own media type.
    ImagePatch(serde_json::Value),
}

impl<'a> Request<'a> {
    /// A GET request without a microversion.
    pub(super) fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, version: None, body: Body::None }
    }

    /// A request that changes something.
    pub(super) fn new(method: Method, path: &'a str, body: Body) -> Self {
        Self { method, path, version: None, body }
    }

    /// The request with a microversion.
    #[must_use]
    pub(super) fn at(self, version: &'a str) -> Self {
        Self { version: Some(version), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_that_is_spoken_is_below_whatever_a_catalogue_names() {
        for (service, named, root) in [
            (Service::Image, "http://c.example:9292", "http://c.example:9292/v2/"),
            (Service::Image, "http://c.example/image/v2/", "http://c.example/image/v2/"),
            (Service::Compute, "https://c.example/compute/v2.1", "https://c.example/compute/v2.1/"),
            (Service::Compute, "http://c.example:8774/v2/p1", "http://c.example:8774/v2.1/"),
            (Service::Volume, "http://c.example:8776/v3/p1", "http://c.example:8776/v3/p1/"),
            (Service::Volume, "http://c.example:8776/v2/p1", "http://c.example:8776/v3/p1/"),
            (Service::Volume, "http://c.example/volume/", "http://c.example/volume/v3/p1/"),
            (Service::Network, "http://c.example:9696/", "http://c.example:9696/v2.0/"),
            (Service::Identity, "http://c.example/identity", "http://c.example/identity/v3/"),
        ] {
            assert_eq!(service.root(&Url::parse(named).unwrap(), "p1").as_str(), root, "{named}");
        }
    }
}
