//! Answers of the services, as far as Wharf reads them. Names as in the API reference of each service.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::core::{
    clean,
    digest::{Digest, Hasher},
    evidence::Publisher,
    model::{DiskFacts, Image, ImageKind, Pinned, Platform, PlatformEntry, RunConfig},
    reference::ImageRef,
    rows::Row,
    text,
};

/// Properties that are shown under other words, or to nobody.
const SHOWN: [&str; 14] = [
    "architecture",
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

/// A page of `GET /v2/images`.
#[derive(Debug, Deserialize)]
pub struct ImagePage {
    /// The images.
    #[serde(default)]
    pub images: Vec<GlanceImage>,
}

/// One image (Image API v2). What has no field of its own is a property.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct GlanceImage {
    pub id: String,
    pub name: Option<String>,
    pub status: String,
    pub visibility: String,
    pub owner: Option<String>,
    pub protected: bool,
    pub size: Option<u64>,
    pub virtual_size: Option<u64>,
    pub disk_format: Option<String>,
    pub container_format: Option<String>,
    pub min_disk: u64,
    pub min_ram: u64,
    pub checksum: Option<String>,
    pub os_hash_algo: Option<String>,
    pub os_hash_value: Option<String>,
    pub os_hidden: bool,
    pub created_at: Option<String>,
    pub updated_at: Option<String>,
    pub tags: Vec<String>,
    #[serde(flatten)]
    pub properties: BTreeMap<String, serde_json::Value>,
}

/// A project that an image is shared with (`/v2/images/ID/members`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Member {
    /// The project's id.
    pub member_id: String,
    /// The image's id.
    pub image_id: String,
    /// `pending`, `accepted` or `rejected`.
    pub status: String,
    /// When it was shared.
    pub created_at: Option<String>,
}

/// `GET /v2/images/ID/members`.
#[derive(Debug, Deserialize)]
pub struct Members {
    /// All of them.
    #[serde(default)]
    pub members: Vec<Member>,
}

/// `GET /servers/ID`, and the answer to `POST /servers`.
#[derive(Debug, Deserialize)]
pub struct ServerAnswer {
    /// The server.
    pub server: Server,
}

/// `GET /servers/detail`.
#[derive(Debug, Deserialize)]
pub struct Servers {
    /// All of the project.
    #[serde(default)]
    pub servers: Vec<Server>,
}

/// A server (Compute API v2.1). The answer to its making has little more than the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub status: String,
    pub created: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// An object with an id, or an empty text for a server that booted from a volume.
    pub image: serde_json::Value,
    pub addresses: BTreeMap<String, Vec<Address>>,
    pub fault: Option<Fault>,
    #[serde(rename = "OS-EXT-STS:task_state")]
    pub task: Option<String>,
}

/// An address of a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Address {
    pub addr: String,
}

/// Why a server is in error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fault {
    pub message: String,
}

impl Server {
    /// Where it stands, in words.
    pub fn state_words(&self) -> String {
        let status = clean::short(&self.status.to_lowercase(), 20);
        match self.task.as_deref().filter(|task| !task.is_empty()) {
            Some(task) => format!("{status}: {}", clean::short(&task.replace('_', " "), 40)),
            None => status,
        }
    }

    /// Why it failed; empty if it did not.
    pub fn fault_words(&self) -> String {
        clean::short(self.fault.as_ref().map_or("", |fault| &fault.message), 300)
    }

    /// Its addresses.
    pub fn address_words(&self) -> String {
        let all = self.addresses.values().flatten().map(|address| clean::short(&address.addr, 60));
        all.take(4).collect::<Vec<_>>().join(" ")
    }

    /// The image it booted from.
    pub fn image_id(&self) -> Option<String> {
        self.image.get("id").and_then(serde_json::Value::as_str).map(|id| clean::short(id, 80))
    }
}

/// `GET /flavors/detail`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Flavors {
    pub flavors: Vec<Flavor>,
}

/// A size of servers: memory in MiB, disk in GiB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Flavor {
    pub id: String,
    pub name: String,
    pub ram: u64,
    pub vcpus: u64,
    pub disk: u64,
}

/// `GET /v2.0/networks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Networks {
    pub networks: Vec<Network>,
}

/// A network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Network {
    pub id: String,
    pub name: String,
}

/// `GET /os-keypairs`: each wrapped once more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyPairs {
    pub keypairs: Vec<KeyPairAnswer>,
}

/// One of them.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyPairAnswer {
    pub keypair: KeyPair,
}

/// A public key that the cloud keeps.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct KeyPair {
    pub name: String,
}

/// `GET /os-availability-zone`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Zones {
    #[serde(rename = "availabilityZoneInfo")]
    pub zones: Vec<Zone>,
}

/// An availability zone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Zone {
    #[serde(rename = "zoneName")]
    pub name: String,
    #[serde(rename = "zoneState")]
    pub state: ZoneState,
}

/// Whether it takes servers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ZoneState {
    pub available: bool,
}

/// `GET /limits`.
#[derive(Debug, Deserialize)]
pub struct LimitsAnswer {
    /// The limits.
    pub limits: LimitsBody,
}

/// Their body.
#[derive(Debug, Deserialize)]
pub struct LimitsBody {
    /// Of the project; the others are of the interface.
    pub absolute: Limits,
}

/// What of the project's quota is used, and how much there is; -1 for no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "RawLimits")]
pub struct Limits {
    /// Servers.
    pub instances: (u64, i64),
    /// Processors.
    pub cores: (u64, i64),
    /// Memory in MiB.
    pub memory: (u64, i64),
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct RawLimits {
    max_total_instances: i64,
    total_instances_used: u64,
    max_total_cores: i64,
    total_cores_used: u64,
    #[serde(rename = "maxTotalRAMSize")]
    max_memory: i64,
    #[serde(rename = "totalRAMUsed")]
    used_memory: u64,
}

impl From<RawLimits> for Limits {
    fn from(raw: RawLimits) -> Self {
        Self {
            instances: (raw.total_instances_used, raw.max_total_instances),
            cores: (raw.total_cores_used, raw.max_total_cores),
            memory: (raw.used_memory, raw.max_memory),
        }
    }
}

/// What something is called: its name, cleaned; its id where it has none.
pub fn title(name: Option<&str>, id: &str) -> String {
    let name = clean::short(name.unwrap_or(""), 200);
    if name.is_empty() { id.to_owned() } else { name }
}

/// Gives everything of a list a name of its own: people look for names, and clouds let many things have one.
#[derive(Default)]
pub struct Names(BTreeMap<String, usize>);

impl Names {
    /// The title for the first that has it, with the beginning of its id for the others.
    pub fn unique(&mut self, title: String, id: &str) -> String {
        let same = self.0.entry(title.clone()).or_default();
        *same += 1;
        if *same == 1 { title } else { format!("{title} {}", id.get(..8).unwrap_or(id)) }
    }
}

impl GlanceImage {
    /// What it is called.
    pub fn title(&self) -> String {
        title(self.name.as_deref(), &self.id)
    }

    /// A property as text, cleaned; empty where it is not there.
    pub fn property(&self, name: &str) -> String {
        match self.properties.get(name) {
            Some(serde_json::Value::String(text)) => clean::short(text, 400),
            Some(serde_json::Value::Null) | None => String::new(),
            Some(other) => clean::short(&other.to_string(), 400),
        }
    }

    /// The digest of its bytes, where the cloud keeps one that counts. `checksum` is MD5 and does not.
    pub fn digest(&self) -> Option<Digest> {
        format!("{}:{}", self.os_hash_algo.as_deref()?, self.os_hash_value.as_deref()?).parse().ok()
    }

    /// A hasher for its bytes; clouds hash with SHA-512 unless they say otherwise.
    pub fn hasher(&self) -> Hasher {
        Hasher::of(self.os_hash_algo.as_deref().unwrap_or("sha512"))
    }

    fn platform(&self) -> Option<Platform> {
        let architecture = match self.property("architecture").as_str() {
            "" => return None,
            "x86_64" => "amd64".to_owned(),
            "aarch64" => "arm64".to_owned(),
            other => other.to_owned(),
        };
        let os = match self.property("os_type").as_str() {
            "" => "linux".to_owned(),
            other => other.to_owned(),
        };
        Some(Platform { os, architecture, variant: None })
    }

    fn system(&self) -> String {
        format!("{} {}", self.property("os_distro"), self.property("os_version")).trim().to_owned()
    }

    /// What a person must know before launching it.
    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.status != "active" {
            warnings.push(format!("it is {}, not active: it cannot be launched", clean::short(&self.status, 40)));
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

    /// The row of the list. `name` is unique in its source.
    pub fn row(&self, name: String, pending: bool) -> Row {
        let format = clean::short(self.disk_format.as_deref().unwrap_or("no format"), 20);
        let mut note = vec![format!("{format} {}", clean::short(&self.visibility, 20))];
        if pending {
            note.push("offered to you".to_owned());
        }
        if self.status != "active" {
            note.push(clean::short(&self.status, 20));
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

    /// The image page. `cloud` is the source's name; `project` the id of the project that looks.
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
        add("status", clean::short(&self.status, 40));
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
                format!("claimed, {key} with {hash}, not checked")
            },
        );
        for name in self.properties.keys().filter(|name| !SHOWN.contains(&name.as_str())).take(60) {
            let shown = clean::short(name, 100);
            if !shown.starts_with("owner_specified.") && !shown.starts_with("img_signature") {
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
            }),
            publisher: Publisher::Unknown,
        }
    }
}
