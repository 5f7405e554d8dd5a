//! The objects that a launch creates. Pure functions: what a plan shows is what is sent.

use serde_json::{Map, Value, json};

use super::{
    kind::Kind,
    objects::{ACCOUNT, MAIN, MANAGER},
    quantity,
};
use wharf_core::{
    base::error::{Error, Result},
    image::{model::Pinned, reference::ImageRef},
    launch::{form::Answers, plan::label, questions},
};

/// The annotation with the digest of the platform's manifest.
pub(super) const MANIFEST: &str = "org.wharf.manifest";
/// Seconds that a program has to end when it is stopped.
const GRACE: u64 = 10;
/// The same of a machine.
const MACHINE_GRACE: u64 = 30;
/// The resource of NVIDIA's GPUs.
const GPU: &str = "nvidia.com/gpu";

/// What a launch is made of besides its answers.
pub(super) struct Launch<'a> {
    pub kind: Kind,
    pub pinned: &'a Pinned,
    pub answers: &'a Answers,
    /// The name of the object.
    pub name: &'a str,
    pub key: &'a str,
    /// The login of the person.
    pub account: &'a str,
    /// The RuntimeClass; `None` for the cluster's own.
    pub runtime: Option<&'a str>,
}

impl Launch<'_> {
    /// The object that is created.
    pub(super) fn body(&self) -> Result<Value> {
        let metadata = json!({ "name": self.name, "labels": self.labels(), "annotations": self.annotations() });
        let mut body = json!({ "apiVersion": self.kind.version(), "kind": self.kind.api_name(), "metadata": metadata });
        body["spec"] = match self.kind {
            Kind::Pod => self.pod_spec(true)?,
            Kind::Machine => self.machine_spec()?,
            Kind::Job => {
                let template = json!({
                    "metadata": { "labels": self.labels(), "annotations": self.annotations() },
                    "spec": self.pod_spec(false)?,
                });
                let mut job = json!({ "backoffLimit": 0, "template": template });
                if let Some(keep) = self.answers.duration("keep") {
                    job["ttlSecondsAfterFinished"] = json!(keep);
                }
                job
            }
        };
        Ok(body)
    }

    /// The pod that the cluster will make of it, for a trial; `None` where the cluster's own program makes it.
    pub(super) fn pod(&self) -> Result<Option<Value>> {
        match self.kind {
            Kind::Machine => Ok(None),
            kind => {
                let pod = Launch { kind: Kind::Pod, ..*self };
                let mut body = pod.body()?;
                body["spec"] = self.pod_spec(kind == Kind::Pod)?;
                Ok(Some(body))
            }
        }
    }

    /// The name of the image, by the digest of the manifest that was judged.
    pub(super) fn image(&self) -> Result<String> {
        match &self.pinned.reference {
            ImageRef::Oci(name) => Ok(format!("{}@{}", name.bare(), self.pinned.manifest)),
            other => Err(Error::unsupported(format!("launch {other}"), "a cluster pulls from registries alone")),
        }
    }

    fn labels(&self) -> Value {
        json!({ MANAGER.0: MANAGER.1, ACCOUNT: self.account, label::KEY: self.key })
    }

    fn annotations(&self) -> Value {
        json!({
            label::WHARF: env!("CARGO_PKG_VERSION"),
            label::REFERENCE: self.pinned.reference.to_string(),
            label::DIGEST: self.pinned.digest.as_str(),
            MANIFEST: self.pinned.manifest.as_str(),
        })
    }

    fn pod_spec(&self, terminal: bool) -> Result<Value> {
        let answers = self.answers;
        let user = User::parse(answers.get("user"))?;
        let mut security = json!({ "seccompProfile": { "type": "RuntimeDefault" } });
        if let Some(user) = &user {
            security["runAsUser"] = json!(user.user);
            security["runAsNonRoot"] = json!(user.user != 0);
            if let Some(group) = user.group {
                security["runAsGroup"] = json!(group);
            }
        }
        let mut spec = json!({
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": GRACE,
            "securityContext": security,
            "containers": [self.container(terminal)?],
        });
        if let Some(platform) = &self.pinned.platform {
            spec["nodeSelector"] =
                json!({ "kubernetes.io/os": platform.os, "kubernetes.io/arch": platform.architecture });
        }
        if let Some(seconds) = answers.duration("time") {
            spec["activeDeadlineSeconds"] = json!(seconds);
        }
        if let Some(class) = self.runtime {
            spec["runtimeClassName"] = json!(class);
        }
        if !answers.get("pull-secret").trim().is_empty() {
            spec["imagePullSecrets"] = json!([{ "name": answers.get("pull-secret").trim() }]);
        }
        if answers.is("readonly") {
            spec["volumes"] = json!([{ "name": "tmp", "emptyDir": { "sizeLimit": "256Mi" } }]);
        }
        Ok(spec)
    }

    fn container(&self, terminal: bool) -> Result<Value> {
        let answers = self.answers;
        let mut limits = Map::new();
        if let Some(bytes) = answers.bytes("memory") {
            limits.insert("memory".into(), json!(bytes.to_string()));
        }
        limits.insert("cpu".into(), json!(processors(answers)?));
        if answers.get("gpus").parse::<u64>().is_ok_and(|count| count > 0) {
            limits.insert(GPU.into(), json!(answers.get("gpus")));
        }
        let capabilities = match answers.get("rights") {
            "none" => json!({ "drop": ["ALL"] }),
            "service" => json!({ "drop": ["ALL"], "add": questions::SERVICE_CAPABILITIES }),
            _ => json!({}),
        };
        let mut container = json!({
            "name": MAIN,
            "image": self.image()?,
            "imagePullPolicy": "IfNotPresent",
            "resources": { "limits": limits, "requests": limits },
            "securityContext": { "allowPrivilegeEscalation": false, "capabilities": capabilities },
        });
        let arguments: Vec<String> = answers.split_words("command").iter().map(|word| literal(word)).collect();
        if !arguments.is_empty() {
            container["args"] = json!(arguments);
        }
        let variables: Vec<Value> = answers
            .split_words("env")
            .iter()
            .filter_map(|word| word.split_once('='))
            .map(|(name, value)| json!({ "name": name, "value": literal(value) }))
            .collect();
        if !variables.is_empty() {
            container["env"] = json!(variables);
        }
        let ports: Vec<Value> = ports(answers)?.iter().map(|port| json!({ "containerPort": port })).collect();
        if !ports.is_empty() {
            container["ports"] = json!(ports);
        }
        if terminal {
            container["stdin"] = json!(true);
            container["tty"] = json!(true);
        }
        if answers.is("readonly") {
            container["securityContext"]["readOnlyRootFilesystem"] = json!(true);
            container["volumeMounts"] = json!([{ "name": "tmp", "mountPath": "/tmp" }]);
        }
        Ok(container)
    }

    /// A machine of KubeVirt that starts from a disk in a container image.
    fn machine_spec(&self) -> Result<Value> {
        let answers = self.answers;
        let memory = answers.bytes("memory").map_or_else(|| "1Gi".to_owned(), |bytes| bytes.to_string());
        let ports: Vec<Value> = ports(answers)?.iter().map(|port| json!({ "port": port })).collect();
        let mut interface = json!({ "name": "default", "masquerade": {} });
        if !ports.is_empty() {
            interface["ports"] = json!(ports);
        }
        let mut disk = json!({ "image": self.image()?, "imagePullPolicy": "IfNotPresent" });
        if !answers.get("pull-secret").trim().is_empty() {
            disk["imagePullSecret"] = json!(answers.get("pull-secret").trim());
        }
        Ok(json!({
            "terminationGracePeriodSeconds": MACHINE_GRACE,
            "domain": {
                "cpu": { "cores": quantity::whole(processors(answers)?).unwrap_or(1) },
                "memory": { "guest": memory },
                "devices": {
                    "rng": {},
                    "disks": [
                        { "name": "image", "disk": { "bus": "virtio" }, "bootOrder": 1 },
                        { "name": "seed", "disk": { "bus": "virtio" } },
                    ],
                    "interfaces": [interface],
                },
            },
            "networks": [{ "name": "default", "pod": {} }],
            "volumes": [
                { "name": "image", "containerDisk": disk },
                { "name": "seed", "cloudInitNoCloud": { "userData": user_data(answers) } },
            ],
        }))
    }
}

/// What cloud-init is told: the person's own text, or their public key.
fn user_data(answers: &Answers) -> String {
    let (own, key) = (answers.get("user-data"), answers.get("key").trim());
    match (own.is_empty(), key.is_empty()) {
        (false, _) => own.to_owned(),
        // A text of JSON is one of YAML too, so nothing in a key becomes part of the document.
        (true, false) => format!("#cloud-config\nssh_authorized_keys:\n- {}\n", json!(key)),
        (true, true) => "#cloud-config\n{}\n".to_owned(),
    }
}

/// Whom a container runs as.
struct User {
    user: u32,
    group: Option<u32>,
}

impl User {
    /// `uid[:gid]`; `None` for what the image says.
    fn parse(text: &str) -> Result<Option<Self>> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
        let number = |text: &str| text.parse::<u32>().ok();
        match (number(user), group.map(number)) {
            (Some(user), None) => Ok(Some(Self { user, group: None })),
            (Some(user), Some(Some(group))) => Ok(Some(Self { user, group: Some(group) })),
            _ => Err(Error::usage(format!("user '{text}'"), "Kubernetes takes numbers")
                .hint("write uid[:gid], like 1000:1000")),
        }
    }
}

/// The processors in the answers, as a quantity.
fn processors(answers: &Answers) -> Result<&str> {
    let asked = answers.get("cpus").trim();
    match quantity::thousandths(asked) {
        Some(1..) => Ok(asked),
        _ => Err(Error::usage(format!("processors '{asked}'"), "not a number of processors")
            .hint("write a number like 2, 0.5, or 500m")),
    }
}

/// The ports in the answers.
///
/// # Errors
/// `Usage` for a word that is none.
pub(super) fn ports(answers: &Answers) -> Result<Vec<u16>> {
    let port = |word: &String| word.parse::<u16>().ok().filter(|port| *port > 0);
    let read = |word: &String| {
        port(word).ok_or_else(|| {
            Error::usage(format!("port '{word}'"), "not a port").hint("write the ports inside, like 8080 5432")
        })
    };
    answers.split_words("ports").iter().map(read).collect()
}

/// A text that a container gets unchanged. Kubernetes replaces `$(NAME)` in arguments and variables, and makes one `$` of
/// two (documentation of `Container.args`).
pub(super) fn literal(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '$' {
            written.push(c);
            continue;
        }
        let mut count = 1;
        while chars.next_if_eq(&'$').is_some() {
            count += 1;
        }
        let alone = count == 1 && chars.peek() != Some(&'(');
        written.extend(std::iter::repeat_n('$', if alone { 1 } else { count * 2 }));
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    /// What a kubelet makes of a text without any variable (`third_party/forked/golang/expansion`, as documented).
    fn expanded(text: &str) -> String {
        let mut out = String::new();
        let all: Vec<char> = text.chars().collect();
        let mut at = 0;
        while at < all.len() {
            match (all[at], all.get(at + 1)) {
                ('$', Some('$')) => {
                    out.push('$');
                    at += 2;
                }
                ('$', Some('(')) => match all[at + 2..].iter().position(|c| *c == ')') {
                    Some(_) => return "a variable was expanded".to_owned(),
                    None => {
                        out.push_str("$(");
                        at += 2;
                    }
                },
                ('$', Some(other)) => {
                    out.extend(['$', *other]);
                    at += 2;
                }
                (c, _) => {
                    out.push(c);
                    at += 1;
                }
            }
        }
        out
    }

    #[test]
    fn a_dollar_that_means_nothing_to_kubernetes_stays_readable() {
        assert_eq!(literal("echo $HOME; echo $? $"), "echo $HOME; echo $? $");
        assert_eq!(literal("echo $(date) $$"), "echo $$(date) $$$$");
    }

    proptest! {
        #[test]
        fn every_text_reaches_the_container_unchanged(text in "[a$()\\\\ {}é]{0,24}") {
            prop_assert_eq!(expanded(&literal(&text)), text);
        }
    }

    fn pinned() -> Pinned {
        let digest = |of: char| format!("sha256:{}", of.to_string().repeat(64)).parse().unwrap();
        Pinned {
            reference: "oci://registry.example/team/tool:1".parse().unwrap(),
            digest: digest('a'),
            platform: Some("linux/amd64".parse().unwrap()),
            manifest: digest('b'),
        }
    }

    fn answers(pairs: &[(&str, &str)]) -> Answers {
        Answers(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect())
    }

    fn body(kind: Kind, pairs: &[(&str, &str)]) -> Value {
        let (pinned, answers) = (pinned(), answers(pairs));
        let runtime = Some("gvisor");
        Launch { kind, pinned: &pinned, answers: &answers, name: "tool-1a2b", key: "1a2b", account: "ada", runtime }
            .body()
            .unwrap()
    }

    /// Every answer given once.
    const ALL: [(&str, &str); 15] = [
        ("cpus", "2"),
        ("memory", "2G"),
        ("gpus", "1"),
        ("time", "1:00:00"),
        ("keep", "1d"),
        ("command", "sh -c 'echo $(id)'"),
        ("env", "A=1 B='two words'"),
        ("ports", "8080 9090"),
        ("user", "1000:100"),
        ("rights", "service"),
        ("readonly", "yes"),
        ("pull-secret", "site"),
        ("key", "ssh-ed25519 AAAA ada"),
        ("user-data", ""),
        ("name", "tool"),
    ];

    /// Fails if a body has a field that Kubernetes' own types do not have: it would be dropped without a word.
    fn is_whole<T: Serialize + DeserializeOwned>(body: &Value) {
        let typed: T = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(&serde_json::to_value(typed).unwrap(), body);
    }

    #[test]
    fn bodies_have_only_fields_that_kubernetes_has() {
        is_whole::<k8s_openapi::api::batch::v1::Job>(&body(Kind::Job, &ALL));
        is_whole::<k8s_openapi::api::core::v1::Pod>(&body(Kind::Pod, &ALL));
        is_whole::<k8s_openapi::api::batch::v1::Job>(&body(Kind::Job, &[("cpus", "1")]));
    }

    #[test]
    fn a_pod_is_as_careful_as_the_answers_allow() {
        let job = body(Kind::Job, &[("cpus", "1"), ("rights", "none"), ("user", "1000")]);
        let spec = &job["spec"]["template"]["spec"];
        assert_eq!(spec["automountServiceAccountToken"], json!(false));
        assert_eq!(spec["securityContext"]["runAsNonRoot"], json!(true));
        assert_eq!(spec["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
        assert_eq!(spec["containers"][0]["securityContext"]["capabilities"], json!({ "drop": ["ALL"] }));
        assert_eq!(spec["containers"][0]["securityContext"]["allowPrivilegeEscalation"], json!(false));
        assert_eq!(spec["containers"][0]["image"], format!("registry.example/team/tool@{}", pinned().manifest));
        assert_eq!(spec["nodeSelector"]["kubernetes.io/arch"], "amd64");
        let root = body(Kind::Pod, &[("cpus", "1"), ("user", "0")]);
        assert_eq!(root["spec"]["securityContext"]["runAsNonRoot"], json!(false));
        assert_eq!(root["spec"]["containers"][0]["tty"], json!(true));
        let own = body(Kind::Pod, &[("cpus", "1")]);
        assert!(own["spec"]["securityContext"].get("runAsUser").is_none());
    }

    #[test]
    fn answers_that_are_no_users_or_ports_are_refused() {
        for (key, value) in [
            ("user", "ada"),
            ("user", "1000:"),
            ("user", "-1"),
            ("ports", "0"),
            ("ports", "80:80"),
            ("cpus", "0"),
            ("cpus", "many"),
        ] {
            let (pinned, answers) = (pinned(), answers(&[("cpus", "1"), (key, value)]));
            let launch = Launch {
                kind: Kind::Pod,
                pinned: &pinned,
                answers: &answers,
                name: "a",
                key: "a",
                account: "a",
                runtime: None,
            };
            assert!(launch.body().is_err(), "{key}={value}");
        }
    }

    #[test]
    fn a_key_cannot_become_a_part_of_the_seed() {
        let odd = user_data(&answers(&[("key", "ssh-rsa A\nruncmd: [reboot]")]));
        assert!(odd.lines().all(|line| !line.starts_with("runcmd")), "{odd}");
        assert_eq!(user_data(&answers(&[("user-data", "#!/bin/sh\n")])), "#!/bin/sh\n");
    }
}
