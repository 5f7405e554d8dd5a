//! Servers and what they are made of (Compute API v2.1, Networking API v2.0).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Listed;
use crate::core::{base::clean, launch::usage::Traffic};

/// `GET /servers/ID`, and the answer to `POST /servers`.
#[derive(Debug, Deserialize)]
pub struct ServerAnswer {
    /// The server.
    pub server: Server,
}

/// A server (Compute API v2.1). The answer to its making has little more than the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Server {
    #[serde(deserialize_with = "super::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::lenient")]
    pub name: String,
    #[serde(deserialize_with = "super::lenient")]
    pub status: String,
    #[serde(deserialize_with = "super::lenient")]
    pub created: Option<String>,
    #[serde(deserialize_with = "super::lenient")]
    pub metadata: BTreeMap<String, String>,
    /// An object with an id, or an empty text for a server that booted from a volume.
    pub image: serde_json::Value,
    #[serde(deserialize_with = "super::lenient")]
    pub addresses: BTreeMap<String, Vec<Address>>,
    #[serde(deserialize_with = "super::lenient")]
    pub fault: Option<Fault>,
    #[serde(rename = "OS-EXT-STS:task_state", deserialize_with = "super::lenient")]
    pub task: Option<String>,
}

impl Listed for Server {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An address of a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Address {
    #[serde(deserialize_with = "super::lenient")]
    pub addr: String,
}

/// Why a server is in error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Fault {
    #[serde(deserialize_with = "super::lenient")]
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
    pub fn address_words(&self) -> Vec<String> {
        let all = self.addresses.values().flatten().map(|address| clean::short(&address.addr, 60));
        all.take(8).collect()
    }

    /// The image it booted from.
    pub fn image_id(&self) -> Option<String> {
        self.image.get("id").and_then(serde_json::Value::as_str).map(|id| clean::short(id, 80))
    }
}

/// A size of servers: memory in MiB, disk in GiB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Flavor {
    #[serde(deserialize_with = "super::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::lenient")]
    pub name: String,
    #[serde(deserialize_with = "super::lenient")]
    pub ram: u64,
    #[serde(deserialize_with = "super::lenient")]
    pub vcpus: u64,
    #[serde(deserialize_with = "super::lenient")]
    pub disk: u64,
}

impl Listed for Flavor {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Network {
    #[serde(deserialize_with = "super::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::lenient")]
    pub name: String,
}

impl Listed for Network {
    fn id(&self) -> &str {
        &self.id
    }
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
    #[serde(deserialize_with = "super::lenient")]
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
    #[serde(rename = "zoneName", deserialize_with = "super::lenient")]
    pub name: String,
    #[serde(rename = "zoneState", deserialize_with = "super::lenient")]
    pub state: ZoneState,
}

/// Whether it takes servers.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ZoneState {
    #[serde(deserialize_with = "super::lenient")]
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

/// What a server was given, as it tells from version 2.47 on: memory in MiB.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
pub struct Given {
    #[serde(deserialize_with = "super::lenient")]
    pub vcpus: u64,
    #[serde(deserialize_with = "super::lenient")]
    pub ram: u64,
}

/// `GET /servers/ID` from version 2.47 on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GivenAnswer {
    /// The server.
    pub server: GivenServer,
}

/// The part of it that says what it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct GivenServer {
    #[serde(deserialize_with = "super::lenient")]
    pub flavor: Given,
}

/// `GET /servers/ID/diagnostics` from version 2.48 on. Of its memory nobody can say in which unit it is told.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DiagnosticsAnswer {
    #[serde(deserialize_with = "super::lenient")]
    cpu_details: Vec<ProcessorTime>,
    #[serde(deserialize_with = "super::lenient")]
    nic_details: Vec<Octets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProcessorTime {
    #[serde(deserialize_with = "super::lenient")]
    time: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Octets {
    #[serde(deserialize_with = "super::lenient")]
    rx_octets: u64,
    #[serde(deserialize_with = "super::lenient")]
    tx_octets: u64,
}

/// What a server takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Nanoseconds of all its processors.
    pub processor_time: Option<u64>,
    /// What went over its network.
    pub network: Option<Traffic>,
}

impl DiagnosticsAnswer {
    /// The sums.
    pub fn diagnostics(&self) -> Diagnostics {
        let times: Vec<u64> = self.cpu_details.iter().filter_map(|one| one.time).collect();
        let octets = self.nic_details.iter().map(|one| (one.rx_octets, one.tx_octets));
        Diagnostics {
            processor_time: (!times.is_empty()).then(|| times.into_iter().fold(0, u64::saturating_add)),
            network: (!self.nic_details.is_empty()).then(|| Traffic::sum(octets)),
        }
    }
}

/// `GET /servers/ID/os-volume_attachments`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AttachmentsAnswer {
    #[serde(deserialize_with = "super::lenient")]
    volume_attachments: Vec<VolumeAttachment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeAttachment {
    #[serde(deserialize_with = "super::lenient")]
    volume_id: String,
}

impl AttachmentsAnswer {
    /// Ids of the volumes that are in it.
    pub fn volumes(&self) -> impl Iterator<Item = &str> {
        self.volume_attachments.iter().map(|one| one.volume_id.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn diagnostics_are_summed_and_what_is_not_there_is_not_told() {
        let read = |text: &str| serde_json::from_str::<DiagnosticsAnswer>(text).unwrap().diagnostics();
        let told = read(
            r#"{"cpu_details": [{"id": 0, "time": 5}, {"id": 1, "time": 6}], "nic_details": [{"rx_octets": 1, "tx_octets": 2}]}"#,
        );
        assert_eq!(told, Diagnostics { processor_time: Some(11), network: Some(Traffic { received: 1, sent: 2 }) });
        assert_eq!(read(r#"{"cpu_details": null, "nic_details": []}"#), Diagnostics::default());
        assert_eq!(read(r#"{"cpu_details": [{"id": 0, "time": null}]}"#), Diagnostics::default());
    }
}
