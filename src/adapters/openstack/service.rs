//! The services of a cloud, and a request to one of them.

use http::Method;
use openstack_sdk::types::ServiceType;

/// The services that are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// Keystone.
    Identity,
    /// Glance.
    Image,
    /// Nova.
    Compute,
    /// Cinder.
    Volume,
    /// Neutron.
    Network,
}

impl Service {
    pub fn kind(self) -> ServiceType {
        match self {
            Self::Identity => ServiceType::Identity,
            Self::Image => ServiceType::Image,
            Self::Compute => ServiceType::Compute,
            Self::Volume => ServiceType::BlockStorage,
            Self::Network => ServiceType::Network,
        }
    }

    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Image => "image",
            Self::Compute => "compute",
            Self::Volume => "volume",
            Self::Network => "network",
        }
    }

    /// Its name in the header that chooses a microversion.
    pub fn header(self) -> &'static str {
        if self == Self::Volume { "volume" } else { self.word() }
    }
}

/// A request below the root of a service.
pub struct Request<'a> {
    /// How.
    pub method: Method,
    /// Path and query, without a slash before it.
    pub path: &'a str,
    /// The microversion to ask for.
    pub version: Option<&'a str>,
    /// What is sent along.
    pub body: Body,
}

/// What is sent along.
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(serde_json::Value),
    /// A patch of an image's properties, which has a type of its own.
    ImagePatch(serde_json::Value),
}

impl<'a> Request<'a> {
    /// Reads.
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, version: None, body: Body::None }
    }

    /// Writes.
    pub fn new(method: Method, path: &'a str, body: Body) -> Self {
        Self { method, path, version: None, body }
    }

    /// The same, at a microversion.
    #[must_use]
    pub fn at(self, version: &'a str) -> Self {
        Self { version: Some(version), ..self }
    }
}

/// A text as the value of a query.
pub fn query(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
