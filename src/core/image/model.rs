//! The nouns: kinds, platforms, and an image as the image page shows it. Data, no behaviour beyond words.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{artifact::Artifact, reference::ImageRef};
use crate::core::base::{
    badge::Publisher,
    digest::Digest,
    error::{Error, Result},
};

pub use super::platform::Platform;

/// What sort of thing can be launched or shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum ImageKind {
    /// A container image (OCI or Docker).
    #[default]
    Container,
    /// A VM disk image.
    Vm,
    /// A Singularity/Apptainer image file.
    Sif,
    /// A block volume of a cloud.
    Volume,
    /// A snapshot of a block volume.
    Snapshot,
    /// A backup of a block volume.
    Backup,
    /// Something else that a registry keeps: a chart, an SBOM, a signature.
    Artifact,
}

impl ImageKind {
    /// All kinds, in the order of menus.
    pub const ALL: [Self; 7] =
        [Self::Container, Self::Vm, Self::Sif, Self::Volume, Self::Snapshot, Self::Backup, Self::Artifact];

    /// The word in lists, filters and JSON.
    pub fn word(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Vm => "vm",
            Self::Sif => "sif",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::Backup => "backup",
            Self::Artifact => "artifact",
        }
    }
}

impl FromStr for ImageKind {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == text).ok_or_else(|| {
            Error::usage(format!("kind '{text}'"), "not a kind of image")
                .hint("use container, vm, sif, volume, snapshot, backup or artifact")
        })
    }
}

/// A reference resolved to the exact bytes it meant at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The reference, by digest; its tag is only what it was seen under.
    pub reference: ImageRef,
    /// Digest of the index or manifest the tag pointed to.
    pub digest: Digest,
    /// The platform chosen from an index, if it was one.
    pub platform: Option<Platform>,
    /// Digest of the platform's own manifest; equal to `digest` for a plain manifest.
    pub manifest: Digest,
}

/// One platform of an image index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformEntry {
    /// The platform that the manifest is built for.
    pub platform: Platform,
    /// Digest of its manifest.
    pub digest: Digest,
}

/// One layer, in the order of application.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Digest of the (compressed) blob.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// The media type as the manifest says.
    pub media_type: String,
    /// The build step that made it, cleaned, if the history tells.
    pub created_by: String,
}

/// Text of an image that a program is given: run byte for byte, shown cleaned.
///
/// There is no way to its bytes but [`Foreign::raw`], which only what runs it calls, and none to a screen but `Display`.
/// In JSON it is whole, for programs; what prints JSON escapes there what may not be shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Foreign(String);

impl Foreign {
    /// Takes the text as it came.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// As it came: for running it, never for showing it.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::core::base::clean::short(&self.0, 4000))
    }
}

/// Several of them as they are shown.
pub fn shown(all: &[Foreign]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// The run-time configuration of a container image (OCI image configuration, `config`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunConfig {
    /// The program that is started, with its first arguments.
    pub entrypoint: Vec<Foreign>,
    /// Arguments after the entry point, if none are given at the launch.
    pub command: Vec<Foreign>,
    /// User (and group) inside; empty means root.
    pub user: Foreign,
    /// Environment variables, each as `NAME=value`.
    pub environment: Vec<Foreign>,
    /// `80/tcp` and the like.
    pub ports: Vec<String>,
    /// Paths that want a volume.
    pub volumes: Vec<String>,
    /// Directory the program starts in.
    pub working_dir: Foreign,
    /// Labels of the configuration, cleaned.
    pub labels: BTreeMap<String, String>,
    /// Fields of the configuration that are there and cannot be read: `config.User`.
    pub unread: Vec<String>,
}

impl RunConfig {
    /// The user inside, in words.
    pub fn user_words(&self) -> String {
        if self.hides_user() {
            "unknown: what the image says of it cannot be read".to_owned()
        } else if self.user.is_empty() {
            "root (the image names none)".to_owned()
        } else {
            self.user.to_string()
        }
    }

    /// Whether nobody knows as whom it runs.
    pub fn hides_user(&self) -> bool {
        self.unread.iter().any(|field| field == "config.User" || field == "config")
    }

    /// What could not be read of it, in words; `None` if all could.
    pub fn unread_words(&self) -> Option<String> {
        (!self.unread.is_empty()).then(|| {
            let shown: Vec<&str> = self.unread.iter().take(5).map(String::as_str).collect();
            let more = if self.unread.len() > shown.len() { ", …" } else { "" };
            format!("its configuration has fields that cannot be read: {}{more}", shown.join(", "))
        })
    }
}

/// What the header of a disk image file says, or the cloud that keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DiskFacts {
    /// `qcow2`, `raw`, `vmdk`, `sif`, …
    pub format: String,
    /// Size of the disk as a machine sees it, bytes.
    pub virtual_size: Option<u64>,
    /// Things in the header that a careful person wants to know, in words.
    pub warnings: Vec<String>,
    /// Whether the header names other files: whoever follows it reads what it should not.
    pub refers: bool,
    /// The smallest disk that a machine needs for it, bytes; 0 where nobody says.
    pub least_disk: u64,
    /// The least memory that a machine needs, bytes; 0 where nobody says.
    pub least_memory: u64,
}

/// A signed statement that a disk image carries among its properties: the payload, and the signature over it in base64.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// What is signed: as over a container image, with the hash that the cloud keeps as digest.
    pub payload: String,
    /// The signature over the payload, in base64.
    pub signature: String,
}

impl Statement {
    /// The properties that it is kept in.
    pub const PROPERTIES: [&str; 2] = ["wharf_statement", "wharf_signature"];
}

/// A signature over the data of a disk image, as its cloud keeps it (Glance's `img_signature*` properties).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataSignature {
    /// The signature over the data, in base64.
    pub signature: String,
    /// `SHA-256` and the like.
    pub hash: String,
    /// Type of the key as Glance names it: `RSA-PSS`, `ECC_SECP384R1`.
    pub key_type: String,
    /// The id of the signer's certificate in the cloud's key manager.
    pub certificate: String,
}

/// An image as the image page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// What was asked for, as named.
    pub reference: ImageRef,
    /// What sort of thing it is.
    pub kind: ImageKind,
    /// The exact bytes, for the chosen platform. `None` where a place has no digests.
    pub pinned: Option<Pinned>,
    /// Media type or format.
    pub media_type: String,
    /// Seconds since 1970 when it was built, if it says.
    pub created: Option<i64>,
    /// The platforms offered; one entry for a plain image.
    pub platforms: Vec<PlatformEntry>,
    /// Run-time configuration, for container images.
    pub config: RunConfig,
    /// Annotations of the manifest, cleaned.
    pub annotations: BTreeMap<String, String>,
    /// Layers of the chosen platform.
    pub layers: Vec<Layer>,
    /// All build steps, newest last, cleaned.
    pub history: Vec<String>,
    /// Bytes to fetch for the chosen platform: configuration and layers.
    pub size: u64,
    /// What is known of the disk, for disk images.
    pub disk: Option<DiskFacts>,
    /// A signature over its data that comes with it, and is only a claim until the data was read.
    pub signed: Option<DataSignature>,
    /// A signed statement over the hash that its cloud keeps, which admits it.
    pub statement: Option<Statement>,
    /// What it is, where it is no image of a container but something else that a registry keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Who the source says made it.
    pub publisher: Publisher,
}

impl Image {
    /// An error where it is something that nothing runs.
    pub fn must_run(&self) -> Result<()> {
        let Some(artifact) = &self.artifact else { return Ok(()) };
        let why = format!("it is no image that runs: {}", artifact.name);
        Err(Error::unsupported(format!("launch {}", self.reference), why)
            .hint("'wharf pull' saves it to a file for the program that uses it"))
    }

    /// What sort of thing it is, in words.
    pub fn kind_words(&self) -> String {
        self.artifact.as_ref().map_or_else(|| self.kind.word().to_owned(), |artifact| artifact.name.clone())
    }

    /// The media type that says so.
    pub fn kind_type(&self) -> &str {
        self.artifact.as_ref().map_or(&self.media_type, |artifact| &artifact.media_type)
    }

    /// What to call it in titles: its reference's last part, or the name that a cloud has for an id.
    pub fn title(&self) -> String {
        match (&self.reference, self.annotations.get("name")) {
            (ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. }, Some(name)) => {
                format!("{name} on {cloud}")
            }
            (reference, _) => reference.title(),
        }
    }
}

/// One version of an image: a tag and what it points to, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The name of the tag.
    pub tag: String,
    /// Where it points now.
    pub digest: Option<Digest>,
    /// When the image was built, in seconds since 1970, if it says.
    pub created: Option<i64>,
    /// Bytes to fetch for the default platform.
    pub size: Option<u64>,
    /// What it is built for.
    pub platforms: Vec<Platform>,
    /// What it is, where it is no image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

impl Version {
    /// What a look at an image tells of its tag.
    pub fn of(image: &Image) -> Self {
        Self {
            tag: image.reference.tag().unwrap_or("latest").to_owned(),
            digest: image.pinned.as_ref().map(|pinned| pinned.digest.clone()),
            created: image.created,
            size: Some(image.size),
            platforms: image.platforms.iter().map(|entry| entry.platform.clone()).collect(),
            artifact: image.artifact.as_ref().map(|artifact| artifact.name.clone()),
        }
    }
}

/// Who I am at a source and how it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the source answered.
    pub reachable: bool,
    /// The account in use; empty for anonymous.
    pub account: String,
    /// Where the credentials came from, in words.
    pub credentials: String,
    /// Version, limits left and the like, in words.
    pub note: String,
}
