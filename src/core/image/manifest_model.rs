//! The data types for manifests: descriptors, what a manifest or index contains, and their media types.

use std::collections::BTreeMap;

use super::platform::Platform;
use crate::base::digest::Digest;

/// Media type of an OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Media type of a Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Media type of a Docker manifest list, schema 2.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// All supported types, for the header `Accept`.
pub const ALL_TYPES: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// What to fetch: type, digest and size, and what an index adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The media type of the content.
    pub media_type: String,
    /// The digest of the content.
    pub digest: Digest,
    /// The size of the content in bytes.
    pub size: u64,
    /// The platform, in an index.
    pub platform: Option<Platform>,
    /// The type of an attached artifact, in a list of referrers.
    pub artifact_type: Option<String>,
    /// The content itself, if the descriptor contains it; not verified.
    pub data: Option<bytes::Bytes>,
}

/// The content of a manifest or index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manifest {
    /// A manifest of a single image or artifact.
    Image {
        /// The descriptor of the configuration.
        config: Descriptor,
        /// The layers, the lowest first.
        layers: Vec<Descriptor>,
        /// Annotations of the manifest, cleaned.
        annotations: BTreeMap<String, String>,
        /// What it is attached to.
        subject: Option<Descriptor>,
        /// The type of artifact that it states.
        artifact_type: Option<String>,
    },
    /// An index: several manifests, by platform.
    Index {
        /// The descriptors of the manifests, in their order.
        manifests: Vec<Descriptor>,
        /// Annotations of the index, cleaned.
        annotations: BTreeMap<String, String>,
        /// What it is attached to.
        subject: Option<Descriptor>,
        /// The type of artifact that it states.
        artifact_type: Option<String>,
    },
}

impl Descriptor {
    /// A blob of this type, digest and size in bytes, of which nothing else is said.
    pub fn blob(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self { media_type: media_type.into(), digest, size, platform: None, artifact_type: None, data: None }
    }

    /// Whether it is kept at another address by design (Windows base layers), and not copied.
    pub fn is_foreign(&self) -> bool {
        self.media_type.contains("foreign") || self.media_type.contains("nondistributable")
    }

    /// Whether it means a manifest or an index, and no blob.
    pub fn is_manifest(&self) -> bool {
        ALL_TYPES.contains(&self.media_type.as_str())
    }

    /// Whether it means an index.
    pub fn is_index(&self) -> bool {
        is_index(&self.media_type)
    }
}

impl Manifest {
    /// The descriptor of what it is attached to, if it is attached to something.
    pub fn subject(&self) -> Option<&Descriptor> {
        let (Self::Image { subject, .. } | Self::Index { subject, .. }) = self;
        subject.as_ref()
    }

    /// The type of artifact that lists of attachments show: if an image's manifest states none, it is the type of its
    /// configuration (distribution specification 1.1, "Pushing Manifests with Subject").
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::Image { artifact_type, config, .. } => Some(artifact_type.as_deref().unwrap_or(&config.media_type)),
            Self::Index { artifact_type, .. } => artifact_type.as_deref(),
        }
    }
}

/// Whether a media type is that of an index.
pub fn is_index(kind: &str) -> bool {
    matches!(kind, OCI_INDEX | DOCKER_LIST)
}

/// The media type as it is usually written; `None` if it is that of no manifest or index.
pub(super) fn known(kind: &str) -> Option<&'static str> {
    ALL_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(kind))
}
