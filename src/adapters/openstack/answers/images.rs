//! Images and their members in answers of Glance (Image API v2).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reading::{Listed, title};

use wharf_core::{
    base::{
        badge::Publisher,
        clean,
        digest::{Digest, Hasher},
        text,
    },
    catalog::rows::Row,
    image::{
        lineage::architecture_in_cloud,
        model::{DataSignature, DiskFacts, Image, ImageKind, Pinned, Platform, PlatformEntry, RunConfig, Statement},
        reference::ImageRef,
    },
};

/// Properties that are shown under other names, or not at all.
const SHOWN: [&str; 15] = [
    "architecture",
    "hw_architecture",
    "os_type",
    "os_distro",
    "os_version",
    "hw_firmware_type",
    "instance_uuid",
    "base_image_ref",
    "self",
    "file",
    "schema",
    "direct_url",
    "locations",
    "stores",
    "block_device_mapping",
];

/// Longest statement that is read, in bytes.
const LONGEST: usize = 64 << 10;

/// An image (Image API v2). All fields without a name here are properties.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GlanceImage {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub name: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub status: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub visibility: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub owner: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub protected: bool,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub size: Option<u64>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub virtual_size: Option<u64>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub disk_format: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub container_format: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub min_disk: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub min_ram: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub checksum: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub os_hash_algo: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub os_hash_value: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub os_hidden: bool,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub created_at: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub updated_at: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub tags: Vec<String>,
    #[serde(flatten)]
    pub properties: BTreeMap<String, serde_json::Value>,
}

impl Listed for GlanceImage {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A project that an image is shared with (`/v2/images/ID/members`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Member {
    /// The id of the project that the image is shared with.
    pub member_id: String,
    /// The id of the image that is shared.
    pub image_id: String,
    /// The project's answer: `pending`, `accepted` or `rejected`.
    pub status: String,
    /// When the image was shared, as RFC 3339.
    pub created_at: Option<String>,
}

/// The answer of `GET /v2/images/ID/members`.
#[derive(Debug, Deserialize)]
pub(crate) struct Members {
    /// All members of the image.
    #[serde(default)]
    pub members: Vec<Member>,
}

impl GlanceImage {
    /// The name, cleaned; the id if it has none.
    pub fn title(&self) -> String {
        title(self.name.as_deref(), &self.id)
    }

    /// The status in words (Image API v2, "Image statuses").
    pub fn state_words(&self) -> String {
        match self.status.as_str() {
            "" => "in a state that the cloud does not tell".to_owned(),
            "queued" => "queued, without data yet".to_owned(),
            "saving" | "uploading" => "being uploaded".to_owned(),
            "importing" => "being imported".to_owned(),
            "killed" => "killed, its upload failed".to_owned(),
            "deactivated" => "deactivated by an administrator".to_owned(),
            "pending_delete" | "deleted" => "deleted".to_owned(),
            other => clean::short(other, 40),
        }
    }

    /// A property as cleaned text; empty if it is not set.
    pub fn property(&self, name: &str) -> String {
        match self.properties.get(name) {
            Some(serde_json::Value::String(text)) => clean::short(text, 400),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(other) => clean::short(&other.to_string(), 400),
        }
    }

    /// The signature over the image's data; `None` unless all four properties are set.
    fn data_signature(&self) -> Option<DataSignature> {
        let text = |name: &str| {
            let value = self.properties.get(name)?.as_str()?.trim();
            (!value.is_empty()).then(|| clean::short(value, 4096))
        };
        Some(DataSignature {
            signature: text("img_signature")?,
            hash: text("img_signature_hash_method")?,
            key_type: text("img_signature_key_type")?,
            certificate: text("img_signature_certificate_uuid")?,
        })
    }

    /// The statement that admits the image, not cleaned, because the signature is over its exact text.
    fn statement(&self) -> Option<Statement> {
        let text = |name: &str| self.properties.get(name)?.as_str().filter(|text| text.len() <= LONGEST);
        let [payload, signature] = Statement::PROPERTIES.map(text);
        Some(Statement { payload: payload?.to_owned(), signature: signature?.to_owned() })
    }

    /// The digest of the image's data, if the cloud keeps one that is secure: `checksum` is MD5 and does not count.
    pub fn digest(&self) -> Option<Digest> {
        format!("{}:{}", self.os_hash_algo.as_deref()?, self.os_hash_value.as_deref()?).parse().ok()
    }

    /// A hasher for the image's data; clouds use SHA-512 unless they say otherwise.
    pub fn hasher(&self) -> Hasher {
        Hasher::of(self.os_hash_algo.as_deref().unwrap_or("sha512"))
    }

    fn platform(&self) -> Option<Platform> {
        let architecture = architecture_in_cloud(|name| self.property(name));
        if architecture.is_empty() {
            return None;
        }
        let os = match self.property("os_type").as_str() {
            "" => "linux".to_owned(),
            other => other.to_owned(),
        };
        Some(Platform { os, architecture, variant: None })
    }

    fn system(&self) -> String {
        format!("{} {}", self.property("os_distro"), self.property("os_version")).trim().to_owned()
    }

    /// What a person should know before launching the image.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.status != "active" {
            warnings.push(format!("it is {}: it cannot be launched", self.state_words()));
        }
        if self.digest().is_none() && self.checksum.is_some() {
            warnings.push("the cloud keeps only an MD5 checksum of it, which proves nothing".to_owned());
        }
        if !self.property("block_device_mapping").is_empty() {
            warnings.push("it is a snapshot of a server on volumes: its bytes are in a volume snapshot".to_owned());
        }
        if self.os_hidden {
            warnings.push("its owner has hidden it: a newer one is meant to be used".to_owned());
        }
        warnings
    }

    /// The image's row in the list; `name` is unique in the source.
    pub fn row(&self, name: String, pending: bool) -> Row {
        let format = clean::short(self.disk_format.as_deref().unwrap_or("no format"), 20);
        let mut note = vec![format!("{format} {}", clean::short(&self.visibility, 20))];
        if pending {
            note.push("offered to you".to_owned());
        }
        if self.status != "active" {
            note.push(self.state_words());
        }
        if self.os_hidden {
            note.push("hidden by its owner".to_owned());
        }
        note.extend(Some(self.system()).filter(|system| !system.is_empty()));
        let labels = [
            ("visibility", self.visibility.clone()),
            ("owner", self.owner.clone().unwrap_or_default()),
            ("format", format),
            ("os", self.property("os_distro")),
            ("status", self.status.clone()),
            ("offer", if pending { "pending".to_owned() } else { String::new() }),
        ];
        Row {
            name,
            kind: ImageKind::Vm,
            tags: vec![self.id.clone()],
            digest: self.digest(),
            labels: labels
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| format!("{key}={}", clean::short(&value, 80)))
                .collect(),
            platforms: self.platform().map(|platform| platform.to_string()).into_iter().collect(),
            size: self.size,
            updated: self.updated_at.as_deref().and_then(text::parse_timestamp),
            publisher: Publisher::Unknown,
            note: note.join(" · "),
        }
    }

    /// The image for its page. `cloud` is the name of the source, `project` the id of the person's project.
    pub fn image(&self, cloud: &str, project: &str) -> Image {
        let reference = ImageRef::Glance { cloud: cloud.to_owned(), image: self.id.clone() };
        let platform = self.platform();
        let mut facts: BTreeMap<String, String> = BTreeMap::new();
        let mut add = |key: &str, value: String| {
            if !value.is_empty() {
                facts.insert(key.to_owned(), value);
            }
        };
        add("name", self.title());
        add("status", self.state_words());
        add("visibility", clean::short(&self.visibility, 40));
        let owner = clean::short(self.owner.as_deref().unwrap_or(""), 80);
        add("owner", if owner == project { format!("{owner} (this project)") } else { owner });
        add("protected", if self.protected { "yes: it cannot be deleted".into() } else { "no".into() });
        add("container format", clean::short(self.container_format.as_deref().unwrap_or(""), 40));
        if self.min_disk > 0 {
            add("needs a disk of", format!("{} GiB", self.min_disk));
        }
        if self.min_ram > 0 {
            add("needs memory of", format!("{} MiB", self.min_ram));
        }
        add("operating system", self.system());
        add("firmware", self.property("hw_firmware_type"));
        add("MD5 checksum", clean::short(self.checksum.as_deref().unwrap_or(""), 64));
        add("snapshot of server", self.property("instance_uuid"));
        add("made from image", self.property("base_image_ref"));
        add(
            "signature",
            if self.property("img_signature").is_empty() {
                String::new()
            } else {
                let (key, hash) = (self.property("img_signature_key_type"), self.property("img_signature_hash_method"));
                if self.property("img_signature_certificate_uuid").is_empty() {
                    format!("claimed, {key} with {hash}, by nobody that it names: it cannot be verified")
                } else {
                    format!("claimed, {key} with {hash}: see Trust")
                }
            },
        );
        for name in self.properties.keys().filter(|name| !SHOWN.contains(&name.as_str())).take(60) {
            let shown = clean::short(name, 100);
            let is_signature = shown.starts_with("img_signature") || Statement::PROPERTIES.contains(&shown.as_str());
            if !shown.starts_with("owner_specified.") && !is_signature {
                facts.insert(shown, self.property(name));
            }
        }
        if !self.tags.is_empty() {
            facts.insert(
                "tags".into(),
                self.tags.iter().map(|tag| clean::short(tag, 60)).collect::<Vec<_>>().join(", "),
            );
        }
        Image {
            pinned: self.digest().map(|digest| Pinned {
                reference: reference.clone(),
                digest: digest.clone(),
                platform: platform.clone(),
                manifest: digest,
            }),
            reference,
            kind: ImageKind::Vm,
            media_type: clean::short(self.disk_format.as_deref().unwrap_or("no format"), 40),
            created: self.created_at.as_deref().and_then(text::parse_timestamp),
            platforms: platform
                .clone()
                .into_iter()
                .zip(self.digest())
                .map(|(platform, digest)| PlatformEntry { platform, digest })
                .collect(),
            config: RunConfig::default(),
            annotations: facts,
            layers: Vec::new(),
            history: Vec::new(),
            size: self.size.unwrap_or(0),
            disk: Some(DiskFacts {
                format: clean::short(self.disk_format.as_deref().unwrap_or("no format"), 40),
                virtual_size: self.virtual_size,
                warnings: self.warnings(),
                refers: false,
                least_disk: self.min_disk.saturating_mul(1 << 30),
                least_memory: self.min_ram.saturating_mul(1 << 20),
                architecture: platform.map(|platform| platform.architecture).unwrap_or_default(),
                ..DiskFacts::default()
            }),
            signed: self.data_signature(),
            statement: self.statement(),
            artifact: None,
            publisher: Publisher::Unknown,
        }
    }
}
