//! Servers, and what they are made from (Compute API v2.1, Networking API v2.0).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::reading::Listed;
use wharf_core::{base::clean, launch::usage::Traffic};

/// The answer of `GET /servers/ID` and `POST /servers`.
#[derive(Debug, Deserialize)]
pub(crate) struct ServerAnswer {
    /// The server in the answer.
    pub server: Server,
}

/// A server (Compute API v2.1). The answer to its creation has little more than the id.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Server {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub name: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub status: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub created: Option<String>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub metadata: BTreeMap<String, String>,
    /// An object with an id, or an empty text for a server that booted from a volume.
    pub image: serde_json::Value,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub addresses: BTreeMap<String, Vec<Address>>,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub fault: Option<Fault>,
    #[serde(rename = "OS-EXT-STS:task_state", deserialize_with = "super::reading::lenient")]
    pub task: Option<String>,
}

impl Listed for Server {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A network address of a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Address {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub addr: String,
}

/// Why a server is in the status ERROR.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Fault {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub message: String,
}

impl Server {
    /// Status and task in words.
    pub(crate) fn state_words(&self) -> String {
        let status = clean::short(&self.status.to_lowercase(), 20);
        match self.task.as_deref().filter(|task| !task.is_empty()) {
            Some(task) => format!("{status}: {}", clean::short(&task.replace('_', " "), 40)),
            None => status,
        }
    }

    /// Why it failed; empty if it did not.
    pub(crate) fn fault_words(&self) -> String {
        clean::short(self.fault.as_ref().map_or("", |fault| &fault.message), 300)
    }

    /// Its first eight addresses, cleaned.
    pub(crate) fn address_words(&self) -> Vec<String> {
        let all = self.addresses.values().flatten().map(|address| clean::short(&address.addr, 60));
        all.take(8).collect()
    }

    /// The id of the image that it booted from; `None` if it booted from a volume.
    pub(crate) fn image_id(&self) -> Option<String> {
        self.image.get("id").and_then(serde_json::Value::as_str).map(|id| clean::short(id, 80))
    }
}

/// A flavor: memory in MiB, disk in GiB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Flavor {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub name: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub ram: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub vcpus: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub disk: u64,
}

impl Listed for Flavor {
    fn id(&self) -> &str {
        &self.id
    }
}

/// A network that servers can be connected to.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Network {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub id: String,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub name: String,
}

impl Listed for Network {
    fn id(&self) -> &str {
        &self.id
    }
}

/// The answer of `GET /os-keypairs`, in which each key pair is wrapped once more.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyPairs {
    pub keypairs: Vec<KeyPairAnswer>,
}

/// The wrapper of a key pair.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyPairAnswer {
    pub keypair: KeyPair,
}

/// A public key that the cloud keeps.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct KeyPair {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub name: String,
}

/// The answer of `GET /os-availability-zone`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Zones {
    #[serde(rename = "availabilityZoneInfo")]
    pub zones: Vec<Zone>,
}

/// An availability zone, in which servers can be launched.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Zone {
    #[serde(rename = "zoneName", deserialize_with = "super::reading::lenient")]
    pub name: String,
    #[serde(rename = "zoneState", deserialize_with = "super::reading::lenient")]
    pub state: ZoneState,
}

/// The state of an availability zone.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ZoneState {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub available: bool,
}

/// The answer of `GET /limits`.
#[derive(Debug, Deserialize)]
pub(crate) struct LimitsAnswer {
    /// The limits in the answer.
    pub limits: LimitsBody,
}

/// The body of the limits.
#[derive(Debug, Deserialize)]
pub(crate) struct LimitsBody {
    /// The limits of the project; the others are those of the API.
    pub absolute: Limits,
}

/// What the project uses, and its quota; -1 means no limit.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(from = "RawLimits")]
pub(crate) struct Limits {
    /// Servers: used, and quota.
    pub instances: (u64, i64),
    /// Processors: used, and quota.
    pub cores: (u64, i64),
    /// Memory in MiB: used, and quota.
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

/// What a server was given, as it says from microversion 2.47 on; memory in MiB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ServerFlavor {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub vcpus: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    pub ram: u64,
    /// The name of the flavor.
    #[serde(deserialize_with = "super::reading::lenient")]
    pub original_name: String,
}

/// The answer of `GET /servers/ID` from microversion 2.47 on.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FlavorServerAnswer {
    /// The server in the answer, with its flavor.
    pub server: FlavorServer,
}

/// The part of a server that says what it was given.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct FlavorServer {
    #[serde(deserialize_with = "super::reading::lenient")]
    pub flavor: ServerFlavor,
}

/// The answer of `GET /servers/ID/diagnostics` from microversion 2.48 on. Its memory is not read: the unit is not
/// certain.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DiagnosticsAnswer {
    #[serde(deserialize_with = "super::reading::lenient")]
    cpu_details: Vec<ProcessorTime>,
    #[serde(deserialize_with = "super::reading::lenient")]
    nic_details: Vec<Octets>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ProcessorTime {
    #[serde(deserialize_with = "super::reading::lenient")]
    time: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Octets {
    #[serde(deserialize_with = "super::reading::lenient")]
    rx_octets: u64,
    #[serde(deserialize_with = "super::reading::lenient")]
    tx_octets: u64,
}

/// What a server uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Diagnostics {
    /// Processor time of all its processors, in nanoseconds.
    pub processor_time: Option<u64>,
    /// The traffic over its network interfaces.
    pub network: Option<Traffic>,
}

impl DiagnosticsAnswer {
    /// The sums over all processors and network interfaces.
    pub(crate) fn diagnostics(&self) -> Diagnostics {
        let times: Vec<u64> = self.cpu_details.iter().filter_map(|one| one.time).collect();
        let octets = self.nic_details.iter().map(|one| (one.rx_octets, one.tx_octets));
        Diagnostics {
            processor_time: (!times.is_empty()).then(|| times.into_iter().fold(0, u64::saturating_add)),
            network: (!self.nic_details.is_empty()).then(|| Traffic::sum(octets)),
        }
    }
}

/// The answer of `GET /servers/ID/os-volume_attachments`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct AttachmentsAnswer {
    #[serde(deserialize_with = "super::reading::lenient")]
    volume_attachments: Vec<VolumeAttachment>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct VolumeAttachment {
    #[serde(deserialize_with = "super::reading::lenient")]
    volume_id: String,
}

impl AttachmentsAnswer {
    /// The ids of the volumes that are attached to the server.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = &str> {
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
