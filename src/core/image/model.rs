//! The data types for images: kinds, platforms, and an image as its page shows it.

use std::{collections::BTreeMap, str::FromStr};

use serde::{Deserialize, Serialize};

use super::reference::ImageRef;
use crate::base::{
    badge::Publisher,
    digest::Digest,
    error::{Error, Result},
};

pub use super::platform::Platform;

/// A SIF file in words.
pub const SIF_NAME: &str = "Singularity image (SIF)";

/// The kinds of things that can be launched or shared.
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
    /// Something else in a registry: a chart, an SBOM, a signature.
    Artifact,
}

impl ImageKind {
    /// All kinds, in the order of menus.
    pub const ALL: [Self; 7] =
        [Self::Container, Self::Vm, Self::Sif, Self::Volume, Self::Snapshot, Self::Backup, Self::Artifact];

    /// The kind in a word, for lists, filters and JSON.
    pub fn name(self) -> &'static str {
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
        Self::ALL.into_iter().find(|kind| kind.name() == text).ok_or_else(|| {
            Error::usage(format!("kind '{text}'"), "not a kind of image")
                .hint("use container, vm, sif, volume, snapshot, backup or artifact")
        })
    }
}

/// A reference resolved to the exact bytes that it meant at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pinned {
    /// The reference with its digest; its tag only tells where it was found.
    pub reference: ImageRef,
    /// The digest of the index or manifest that the reference meant.
    pub digest: Digest,
    /// The platform that was chosen, if it was an index.
    pub platform: Option<Platform>,
    /// The digest of the platform's manifest; equal to `digest` for a plain manifest.
    pub manifest: Digest,
}

/// A platform in an image index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlatformEntry {
    /// The platform that the manifest is built for.
    pub platform: Platform,
    /// The digest of its manifest.
    pub digest: Digest,
}

/// A layer; layers are listed in the order in which they are applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// The digest of the stored (usually compressed) blob.
    pub digest: Option<Digest>,
    /// The size of the stored blob, in bytes.
    pub size: u64,
    /// The media type, as the manifest states it.
    pub media_type: String,
    /// The build step that made it, cleaned; empty if the history does not tell.
    pub created_by: String,
}

/// Text of an image that a program receives: it is passed on unchanged and shown cleaned.
///
/// Its original text is available through [`Foreign::raw`] only, which is for running it; screens use `Display`. In
/// JSON it is complete, and what may not be shown is escaped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Foreign(String);

impl Foreign {
    /// Stores the text unchanged.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The original text, for running it and never for showing it.
    pub fn raw(&self) -> &str {
        &self.0
    }

    /// Whether the text is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&crate::base::clean::short(&self.0, 4000))
    }
}

/// Several texts, cleaned for showing.
pub fn shown(all: &[Foreign]) -> Vec<String> {
    all.iter().map(ToString::to_string).collect()
}

/// How a container image is run (OCI image specification, `config`).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RunConfig {
    /// The program that is started, with its first arguments.
    pub entrypoint: Vec<Foreign>,
    /// Arguments after the entry point, if the launch gives none.
    pub command: Vec<Foreign>,
    /// The user (and group) inside; empty means root.
    pub user: Foreign,
    /// Environment variables, each as `NAME=value`.
    pub environment: Vec<Foreign>,
    /// The ports, like `80/tcp`.
    pub ports: Vec<String>,
    /// The paths that should be volumes.
    pub volumes: Vec<String>,
    /// The folder in which the program starts.
    pub working_dir: Foreign,
    /// Labels of the configuration, cleaned.
    pub labels: BTreeMap<String, String>,
    /// The names of fields that exist but cannot be read, like `config.User`.
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

    /// Whether its program runs as root where nobody names another user.
    pub fn runs_as_root(&self) -> bool {
        self.user.is_empty() || matches!(self.user.raw().split(':').next(), Some("0" | "root"))
    }

    /// Whether it is not known as which user it runs.
    pub fn hides_user(&self) -> bool {
        self.unread.iter().any(|field| field == "config.User" || field == "config")
    }

    /// Which fields could not be read, in words; `None` if all could.
    pub fn unread_fields(&self) -> Option<String> {
        (!self.unread.is_empty()).then(|| {
            let shown: Vec<&str> = self.unread.iter().take(5).map(String::as_str).collect();
            let more = if self.unread.len() > shown.len() { ", …" } else { "" };
            format!("its configuration has fields that cannot be read: {}{more}", shown.join(", "))
        })
    }
}

/// How a kernel is started that needs no disk: a unikernel, or the kernel of Linux.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BootProtocol {
    /// As the kernel of Linux.
    Linux,
    /// Xen's PVH, which most unikernels and microVMs use.
    Pvh,
    /// Multiboot, version 1.
    Multiboot,
    /// The same, in a file of 64 bits without addresses of its own, which QEMU does not load.
    Multiboot64,
    /// Multiboot, version 2.
    Multiboot2,
}

impl BootProtocol {
    /// It in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Linux => "Linux",
            Self::Pvh => "PVH",
            Self::Multiboot => "Multiboot",
            Self::Multiboot64 => "Multiboot (64 bits)",
            Self::Multiboot2 => "Multiboot 2",
        }
    }
}

/// What is known about a disk image from its header, or from the cloud that keeps it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DiskFacts {
    /// The format: `qcow2`, `raw`, `vmdk`, `sif`, `kernel`, …
    pub format: String,
    /// The size of the disk that a machine would see, in bytes.
    pub virtual_size: Option<u64>,
    /// Warnings about the header, in words.
    pub warnings: Vec<String>,
    /// Whether the header names other files, which must not be followed.
    pub refers: bool,
    /// The smallest disk that a machine needs for it, in bytes; 0 if unknown.
    pub least_disk: u64,
    /// The least memory that a machine needs, in bytes; 0 if unknown.
    pub least_memory: u64,
    /// Whether it is a file in the file system of a container image (KubeVirt's containerDisk).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub in_image: bool,
    /// The processor that it needs, in Go's words; empty if unknown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// How it is started, where it is a kernel and no disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boots: Option<BootProtocol>,
}

impl DiskFacts {
    /// The format under which a cloud takes a disk of this one: what it has no word for is data.
    pub fn format_in_cloud(format: &str) -> &str {
        if ["kernel", "program"].contains(&format) { "raw" } else { format }
    }
}

/// A signed statement in the properties of a disk image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Statement {
    /// What is signed, in JSON: its digest is the hash that the cloud keeps.
    pub payload: String,
    /// The signature over the payload, in base64.
    pub signature: String,
}

impl Statement {
    /// The names of the properties that contain it.
    pub const PROPERTIES: [&str; 2] = ["wharf_statement", "wharf_signature"];
}

/// A signature over the data of a disk image, in Glance's `img_signature*` properties.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DataSignature {
    /// The signature over the data, in base64.
    pub signature: String,
    /// The name of the hash, like `SHA-256`.
    pub hash: String,
    /// The type of the key in Glance's words: `RSA-PSS`, `ECC_SECP384R1`.
    pub key_type: String,
    /// The id of the signer's certificate in the cloud's key manager.
    pub certificate: String,
}

impl DataSignature {
    /// The properties that contain it, without a certificate that is not known.
    pub fn properties(&self) -> Vec<(String, String)> {
        let all = [
            ("img_signature", &self.signature),
            ("img_signature_hash_method", &self.hash),
            ("img_signature_key_type", &self.key_type),
            ("img_signature_certificate_uuid", &self.certificate),
        ];
        let known = all.into_iter().filter(|(_, value)| !value.is_empty());
        known.map(|(name, value)| (name.to_owned(), value.clone())).collect()
    }

    /// The same for a place that does not know the signer's certificate.
    #[must_use]
    pub fn without_certificate(self) -> Self {
        Self { certificate: String::new(), ..self }
    }
}

/// An image as its page shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Image {
    /// The reference as it was asked for.
    pub reference: ImageRef,
    /// What kind of image it is.
    pub kind: ImageKind,
    /// The exact bytes for the chosen platform; `None` if the place has no digests.
    pub pinned: Option<Pinned>,
    /// The media type, or the format of a disk image.
    pub media_type: String,
    /// When it was built, in seconds since 1970, if it says so.
    pub created: Option<i64>,
    /// The platforms that it is built for; a single one for a plain image.
    pub platforms: Vec<PlatformEntry>,
    /// How it is run, for container images.
    pub config: RunConfig,
    /// Annotations of the manifest, cleaned.
    pub annotations: BTreeMap<String, String>,
    /// The layers of the chosen platform.
    pub layers: Vec<Layer>,
    /// All steps of the build, the newest last, cleaned.
    pub history: Vec<String>,
    /// Bytes to fetch for the chosen platform: configuration and layers.
    pub size: u64,
    /// What is known about the disk, for disk images.
    pub disk: Option<DiskFacts>,
    /// A signature over its data, which is only a claim until the data was read and hashed.
    pub signed: Option<DataSignature>,
    /// A signed statement over the hash that its cloud keeps, which admits it.
    pub statement: Option<Statement>,
    /// What it is, if it is no image but something else in a registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// Who made it, as the source says.
    pub publisher: Publisher,
}

impl Image {
    /// Fails if it is something that cannot be run.
    pub fn must_run(&self) -> Result<()> {
        let Some(artifact) = &self.artifact else { return Ok(()) };
        let why = format!("it is no image that runs: {}", artifact.name);
        Err(Error::unsupported(format!("launch {}", self.reference), why)
            .hint("'wharf pull' saves it to a file for the program that uses it"))
    }

    /// What kind of thing it is, in words.
    pub fn kind_words(&self) -> String {
        self.artifact.as_ref().map_or_else(|| self.kind.name().to_owned(), |artifact| artifact.name.clone())
    }

    /// The media type from which that is known.
    pub fn kind_type(&self) -> &str {
        self.artifact.as_ref().map_or(&self.media_type, |artifact| &artifact.media_type)
    }

    /// Its name in titles: the last part of the reference, or the name of a cloud's image.
    pub fn title(&self) -> String {
        match (&self.reference, self.annotations.get("name")) {
            (ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. }, Some(name)) => {
                format!("{name} on {cloud}")
            }
            (reference, _) => reference.title(),
        }
    }
}

/// When an image was last pulled from its place, by whomever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LastPull {
    /// Nobody has pulled it yet.
    Never,
    /// At this time, in seconds since 1970.
    At(i64),
}

/// A version of an image: a tag and what it means, as far as known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Version {
    /// The name of the tag.
    pub tag: String,
    /// The digest that the tag means now.
    pub digest: Option<Digest>,
    /// When the image was built, in seconds since 1970, if it says so.
    pub created: Option<i64>,
    /// Bytes to fetch for the default platform.
    pub size: Option<u64>,
    /// The platforms that it is built for.
    pub platforms: Vec<Platform>,
    /// What kind of image it is, as far as known.
    pub kind: ImageKind,
    /// What it is in words, if it is no container image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

impl Version {
    /// The kind and the note of a list's row with this kind and note, now that this is known of it.
    pub fn kind_and_note<'a>(&'a self, kind: ImageKind, note: &'a str) -> (ImageKind, &'a str) {
        match &self.artifact {
            // Lists that know disks by themselves say more of them.
            Some(words) if self.kind != ImageKind::Vm || kind != ImageKind::Vm => (self.kind, words.as_str()),
            _ => (kind, note),
        }
    }

    /// The version that an image's details describe.
    pub fn from_image(image: &Image) -> Self {
        Self {
            tag: image.reference.tag().unwrap_or("latest").to_owned(),
            digest: image.pinned.as_ref().map(|pinned| pinned.digest.clone()),
            created: image.created,
            size: Some(image.size),
            platforms: image.platforms.iter().map(|entry| entry.platform.clone()).collect(),
            kind: image.kind,
            artifact: match (image.kind, &image.disk) {
                (ImageKind::Sif, _) => Some(SIF_NAME.to_owned()),
                (ImageKind::Vm, Some(disk)) => Some(format!("disk image ({})", disk.format)),
                _ => image.artifact.as_ref().map(|artifact| artifact.name.clone()),
            },
        }
    }
}

/// The state of a source or backend, and the account in use.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether the source answered.
    pub reachable: bool,
    /// The account in use; empty if anonymous.
    pub account: String,
    /// Where the credentials came from, in words.
    pub credentials: String,
    /// Version, remaining limits and the like, in words.
    pub note: String,
}

/// A thing in a registry that is no image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Artifact {
    /// Its type in words: `Helm chart`.
    pub name: String,
    /// The media type from which that is known.
    pub media_type: String,
}
