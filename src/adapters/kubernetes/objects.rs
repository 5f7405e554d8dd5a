//! The objects of the API, as far as they are read. Every field may be missing: servers of many versions answer.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The label by which Wharf finds its workloads.
pub(super) const MANAGER: (&str, &str) = ("app.kubernetes.io/managed-by", "wharf");
/// The label with the login of whoever launched it.
pub(super) const ACCOUNT: &str = "org.wharf.account";
/// The container that the person asked for.
pub(super) const MAIN: &str = "main";
/// The annotation that names the container of a pod that people mean (Kubernetes, "Well-known labels").
const DEFAULT: &str = "kubectl.kubernetes.io/default-container";
/// The annotation that a person stopped it.
pub(super) const STOPPED: &str = "org.wharf.stopped";

/// A page of a list.
#[derive(Debug, Deserialize)]
#[serde(default, bound(deserialize = "T: Deserialize<'de>"))]
pub(super) struct Page<T> {
    pub metadata: PageMeta,
    pub items: Option<Vec<T>>,
}

impl<T> Default for Page<T> {
    fn default() -> Self {
        Self { metadata: PageMeta::default(), items: None }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PageMeta {
    #[serde(rename = "continue")]
    pub next: Option<String>,
    pub resource_version: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Meta {
    pub name: String,
    pub uid: String,
    pub annotations: Option<BTreeMap<String, String>>,
    pub creation_timestamp: Option<String>,
    pub deletion_timestamp: Option<String>,
    pub owner_references: Option<Vec<Owner>>,
}

impl Meta {
    pub(super) fn annotation(&self, key: &str) -> &str {
        self.annotations.as_ref().and_then(|all| all.get(key)).map_or("", String::as_str)
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Owner {
    pub kind: String,
    pub uid: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Pod {
    pub metadata: Meta,
    pub spec: PodSpec,
    pub status: PodStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodSpec {
    pub node_name: Option<String>,
    pub runtime_class_name: Option<String>,
    pub service_account_name: Option<String>,
    pub host_network: Option<bool>,
    #[serde(rename = "hostPID")]
    pub host_pid: Option<bool>,
    #[serde(rename = "hostIPC")]
    pub host_ipc: Option<bool>,
    pub containers: Option<Vec<Container>>,
    pub init_containers: Option<Vec<Container>>,
    pub volumes: Option<Vec<Volume>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Container {
    pub name: String,
    pub image: Option<String>,
    pub tty: Option<bool>,
    pub stdin: Option<bool>,
    pub ports: Option<Vec<ContainerPort>>,
    pub security_context: Option<SecurityContext>,
    pub resources: Option<Resources>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Resources {
    pub limits: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct SecurityContext {
    pub privileged: Option<bool>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerPort {
    pub container_port: u16,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Volume {
    pub name: String,
    pub host_path: Option<serde::de::IgnoredAny>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PodStatus {
    pub phase: Option<String>,
    pub reason: Option<String>,
    pub message: Option<String>,
    #[serde(rename = "podIP")]
    pub pod_ip: Option<String>,
    pub start_time: Option<String>,
    pub conditions: Option<Vec<Condition>>,
    pub container_statuses: Option<Vec<ContainerStatus>>,
    pub init_container_statuses: Option<Vec<ContainerStatus>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub reason: Option<String>,
    pub message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct ContainerStatus {
    pub name: String,
    pub image: Option<String>,
    #[serde(rename = "imageID")]
    pub image_id: Option<String>,
    pub state: ContainerState,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerState {
    pub waiting: Option<Waiting>,
    pub running: Option<serde::de::IgnoredAny>,
    pub terminated: Option<Terminated>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Waiting {
    pub reason: Option<String>,
    pub message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Terminated {
    pub exit_code: i64,
    pub reason: Option<String>,
    pub message: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Job {
    pub metadata: Meta,
    pub spec: JobSpec,
    pub status: JobStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobSpec {
    pub template: Template,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Template {
    pub spec: PodSpec,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct JobStatus {
    pub conditions: Option<Vec<Condition>>,
    /// How many of its pods have not ended.
    pub active: Option<u32>,
}

/// A machine of KubeVirt (`VirtualMachineInstance`, `kubevirt.io/v1`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Machine {
    pub metadata: Meta,
    pub status: MachineStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct MachineStatus {
    pub phase: Option<String>,
    pub reason: Option<String>,
    pub node_name: Option<String>,
    pub conditions: Option<Vec<Condition>>,
    pub interfaces: Option<Vec<Interface>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Interface {
    pub ip_address: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Event {
    pub reason: Option<String>,
    pub message: Option<String>,
    pub last_timestamp: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Quota {
    pub metadata: Meta,
    pub status: QuotaStatus,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct QuotaStatus {
    pub hard: Option<BTreeMap<String, String>>,
    pub used: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct RuntimeClass {
    pub metadata: Meta,
    pub handler: Option<String>,
}

impl Pod {
    /// The container that was asked for: Wharf's own name for it, the one that the pod names, else the first. A cluster may
    /// put others before it.
    pub(super) fn main(&self) -> Option<&Container> {
        self.spec.main(self.metadata.annotation(DEFAULT))
    }

    /// The status of that container.
    pub(super) fn main_status(&self) -> Option<&ContainerStatus> {
        let all = self.status.container_statuses.as_deref().unwrap_or_default();
        let name = self.main().map(|main| main.name.as_str());
        all.iter().find(|one| Some(one.name.as_str()) == name).or(all.first())
    }
}

impl PodSpec {
    /// The same, where the pod names the container `default`.
    pub(super) fn main(&self, default: &str) -> Option<&Container> {
        let all = self.containers.as_deref().unwrap_or_default();
        let named = |name: &str| all.iter().find(|one| one.name == name);
        named(MAIN).or_else(|| named(default)).or(all.first())
    }
}

/// What the server answers in place of an object (`metav1.Status`).
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status {
    pub message: Option<String>,
    pub code: Option<u16>,
}
