//! The form of an engine, and the plan that is made of the answers. Pure functions: the shown request is the sent one.

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, HostConfig, PortBinding};

use super::Facts;
use crate::shared::http::encoded;
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Result},
    },
    image::{
        model::{Image, Pinned},
        reference::{ImageRef, Name},
    },
    launch::{
        form::{Answers, Field, FieldKind, Form},
        isolation::{self, Isolation},
        plan::{Call, Plan, Risk, Step, label},
        questions::{self, choice},
        room::Room,
        step::ID,
    },
};

/// The form, with careful defaults for this image on this engine.
pub(super) fn form(image: &Image, facts: &Facts) -> Form {
    let mut basics = vec![
        questions::name("what the workload is called; empty names it after its image", ""),
        questions::command(&image.config),
        questions::environment(),
    ];
    let asked = questions::isolation(&facts.levels());
    basics.extend(asked.map(|field| Field { default: facts.usual().name().to_owned(), ..field }));
    let limits = [
        (facts.limits.0, questions::memory("at most, like 512M or 2G; empty for no limit", "2G")),
        (facts.limits.2, questions::processors(1024)),
        (facts.limits.1, questions::processes()),
    ];
    let limits: Vec<Field> = limits.into_iter().filter_map(|(can, field)| can.then_some(field)).collect();
    let network = vec![
        Field::new(
            "network",
            "Network",
            "none cannot talk to anyone; private reaches out; host shares this machine's network",
            choice(&["private", "none", "host"]),
            "private",
        ),
        Field::new(
            "ports",
            "Ports",
            "HOST:INSIDE pairs, open on 127.0.0.1 only; write 0.0.0.0:HOST:INSIDE for everyone",
            FieldKind::Words,
            "",
        ),
        questions::mounts(),
    ];
    let sections = vec![
        questions::basics(basics),
        questions::resources(limits),
        questions::network("whom it can reach, and which of your files it sees", network),
        questions::advanced(advanced(image)),
    ];
    let sections = sections.into_iter().filter(|section| !section.fields.is_empty()).collect();
    Form { room: room(facts), privileged: facts.is_privileged(), isolation: facts.usual(), ..Form::new(sections) }
}

/// The fields that most people leave as they are.
fn advanced(image: &Image) -> Vec<Field> {
    vec![
        Field::new(
            "terminal",
            "Terminal",
            "give it a terminal, for shells and other interactive programs",
            FieldKind::Flag,
            "no",
        ),
        Field::new(
            "user",
            "User",
            "uid[:gid] inside; empty is what the image says",
            FieldKind::Text,
            // A user that cannot be shown unchanged is left to the engine, which has the image.
            Some(image.config.user.raw()).filter(|user| clean::line(user) == *user).unwrap_or_default(),
        ),
        questions::rights(
            "none drops all capabilities; service keeps six harmless ones; default is the engine's own set",
        ),
        Field::new("readonly", "Read-only", "the image's files cannot be changed; /tmp can", FieldKind::Flag, "no"),
        Field::new("remove", "Remove after", "remove it when it ends, with its logs", FieldKind::Flag, "no"),
    ]
}

/// What the engine's host has, as the engine says. Engines tell the total, not how much of it is free.
fn room(facts: &Facts) -> Vec<Room> {
    let memory = facts.memory.map(|total| Room::bytes("memory", None, Some(total)));
    let processors = facts.processors.map(|total| Room::count("processors", None, Some(total)));
    memory.into_iter().chain(processors).collect()
}

/// Makes the plan. `answers` must have been checked against the form; `bytes` is how much of the image the engine lacks,
/// and `address` where it listens.
pub(super) fn plan(
    (backend, address): (&str, &str),
    image: &Image,
    facts: &Facts,
    bytes: u64,
    answers: Answers,
    key: String,
) -> Result<Plan> {
    let what = format!("plan on {backend}");
    let pinned = image.pinned.clone().ok_or_else(|| Error::unsupported(&what, "the image has no digest"))?;
    let body = body(&pinned, facts, &answers, &key)?;
    let name = answers.get("name");
    let name = if name.is_empty() { String::new() } else { format!("name={}&", encoded(name)) };
    let mut create = Call::new("POST", address, format!("/containers/create?{name}platform="))
        .body(serde_json::to_value(&body).during(&what)?);
    let by = match &pinned.reference {
        ImageRef::Oci(name) => vec![Step::Send(pull(address, name, &pinned))],
        ImageRef::Engine(_) => Vec::new(),
        // The engine itself names the image that is carried into it.
        _ => {
            create.completed.push(format!("Image, by which {backend} knows it then"));
            Vec::new()
        }
    };
    let prepare =
        Step::Prepare { what: body.image.clone().unwrap_or_default(), to: backend.to_owned(), bytes: Some(bytes), by };
    let start = Call::new("POST", address, format!("/containers/{ID}/start"));
    Ok(Plan {
        backend: backend.to_owned(),
        steps: vec![prepare, Step::Send(create), Step::Send(start)],
        risks: risks(image, facts, &answers),
        privileged: facts.is_privileged(),
        isolation: isolation(facts, &answers),
        image: pinned,
        answers,
        idempotency_key: key,
    })
}

/// The request by which an engine pulls exactly the manifest that was judged.
fn pull(address: &str, name: &Name, pinned: &Pinned) -> Call {
    let platform = pinned.platform.as_ref().map(ToString::to_string).unwrap_or_default();
    let (from, tag) = (name.bare(), pinned.manifest.as_str());
    let query = [("fromImage", from.as_str()), ("tag", tag), ("platform", &platform)]
        .map(|(key, value)| format!("{key}={}", encoded(value)))
        .join("&");
    Call::new("POST", address, format!("/images/create?{query}"))
}

/// The isolation of a launch with these answers.
fn isolation(facts: &Facts, answers: &Answers) -> Isolation {
    facts.runtime(answers.get(isolation::KEY)).map(|runtime| runtime.isolation).unwrap_or_default()
}

/// The name from which the engine creates the container: the digest of the judged manifest, never a tag or an index,
/// from which the engine would choose an entry.
pub(super) fn image_name(pinned: &Pinned) -> String {
    match &pinned.reference {
        ImageRef::Oci(name) => format!("{}@{}", name.bare(), pinned.manifest),
        _ => pinned.digest.to_string(),
    }
}

/// The request body of `POST /containers/create`.
pub(super) fn body(pinned: &Pinned, facts: &Facts, answers: &Answers, key: &str) -> Result<ContainerCreateBody> {
    let rights = answers.get("rights");
    let (exposed, bindings) = ports(&answers.split_words("ports"))?;
    let mounts: Vec<String> = questions::mounts_from(answers)?.iter().map(ToString::to_string).collect();
    let words = |key: &str| Some(answers.split_words(key)).filter(|words| !words.is_empty());
    let text = |key: &str| Some(answers.get(key).to_owned()).filter(|text| !text.is_empty());
    let host = HostConfig {
        cap_drop: (rights != "default").then(|| vec!["ALL".into()]),
        cap_add: (rights == "service")
            .then(|| questions::SERVICE_CAPABILITIES.iter().map(ToString::to_string).collect()),
        security_opt: Some(vec!["no-new-privileges".into()]),
        network_mode: match answers.get("network") {
            "none" => Some("none".into()),
            "host" => Some("host".into()),
            // Each engine has its own name for its private network.
            _ => None,
        },
        port_bindings: (!bindings.is_empty()).then_some(bindings),
        binds: (!mounts.is_empty()).then_some(mounts),
        readonly_rootfs: answers.is("readonly").then_some(true),
        tmpfs: answers
            .is("readonly")
            .then(|| HashMap::from([("/tmp".to_owned(), "rw,noexec,nosuid,size=256m".to_owned())])),
        auto_remove: answers.is("remove").then_some(true),
        memory: facts.limits.0.then(|| answers.bytes("memory")).flatten().and_then(|bytes| i64::try_from(bytes).ok()),
        nano_cpus: facts
            .limits
            .2
            .then(|| answers.get("cpus").parse::<i64>().ok())
            .flatten()
            .map(|cpus| cpus * 1_000_000_000),
        pids_limit: facts.limits.1.then(|| answers.get("processes").parse().ok()).flatten(),
        privileged: Some(false),
        runtime: facts.sent(answers.get(isolation::KEY)).map(str::to_owned),
        ..HostConfig::default()
    };
    let terminal = answers.is("terminal");
    Ok(ContainerCreateBody {
        image: Some(image_name(pinned)),
        cmd: words("command"),
        env: words("env"),
        user: text("user"),
        tty: Some(terminal),
        open_stdin: Some(terminal),
        exposed_ports: (!exposed.is_empty()).then_some(exposed),
        labels: Some(HashMap::from([
            (label::WHARF.to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
            (label::REFERENCE.to_owned(), pinned.reference.to_string()),
            (label::DIGEST.to_owned(), pinned.digest.to_string()),
            (label::KEY.to_owned(), key.to_owned()),
        ])),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    })
}

type Ports = (Vec<String>, HashMap<String, Option<Vec<PortBinding>>>);

/// Port mappings like `8080:80`, `0.0.0.0:8080:80` and `80/udp`; without an address, only this machine can reach them.
fn ports(words: &[String]) -> Result<Ports> {
    let mut exposed = Vec::new();
    let mut bindings = HashMap::new();
    for word in words {
        let bad = || {
            Error::usage(format!("port '{word}'"), "not a port").hint("write HOST:INSIDE, like 8080:80 or 8080:53/udp")
        };
        let (numbers, protocol) = word.split_once('/').unwrap_or((word, "tcp"));
        let parts: Vec<&str> = numbers.split(':').collect();
        let (address, host, inside) = match parts.as_slice() {
            [address, host, inside] => (*address, *host, *inside),
            [host, inside] => ("127.0.0.1", *host, *inside),
            [inside] => ("127.0.0.1", "", *inside),
            _ => return Err(bad()),
        };
        let number = |text: &str| text.is_empty() || text.parse::<u16>().is_ok();
        if inside.is_empty() || !number(inside) || !number(host) || !matches!(protocol, "tcp" | "udp") {
            return Err(bad());
        }
        let key = format!("{inside}/{protocol}");
        exposed.push(key.clone());
        bindings.insert(key, Some(vec![PortBinding { host_ip: Some(address.into()), host_port: Some(host.into()) }]));
    }
    Ok((exposed, bindings))
}

/// The risk lines of the launch.
fn risks(image: &Image, facts: &Facts, answers: &Answers) -> Vec<Risk> {
    let shown = image.config.user.to_string();
    let user = if answers.get("user").is_empty() { shown.as_str() } else { answers.get("user") };
    let is_root = matches!(user.split(':').next().unwrap_or(""), "" | "0" | "root");
    let mut risks = vec![match (is_root, facts.rootless, facts.remapped) {
        (true, true, _) => Risk::harmless("root inside is you outside: the engine is rootless"),
        (true, false, true) => Risk::harmless("root inside is an unprivileged user outside: the engine remaps users"),
        (true, false, false) => {
            Risk::caution("runs as root inside, and that is root outside: name a user, or use a rootless engine")
        }
        (false, true, _) => Risk::harmless(format!("runs as {user} inside, a sub-user of yours outside")),
        (false, false, _) => Risk::harmless(format!("runs as {user} inside and outside")),
    }];
    if image.config.hides_user() && answers.get("user").is_empty() {
        risks.push(Risk::danger("what the image says of its user cannot be read: name one"));
    }
    if !facts.rootless {
        risks.push(Risk::caution("access to this engine is equivalent to root on this host"));
    }
    risks.push(match answers.get("rights") {
        "none" => questions::no_rights(),
        "service" => questions::service_rights(),
        _ => Risk::caution("the engine's default capabilities (among them raw network access); it cannot gain more"),
    });
    risks.push(match answers.get("network") {
        "none" => questions::no_network(),
        "host" => questions::host_network(),
        _ => Risk::harmless("a private network with outgoing connections; incoming ones only through open ports"),
    });
    for port in answers.split_words("ports") {
        if port.split(':').count() > 2 && !port.starts_with("127.") {
            risks.push(Risk::caution(format!("port {port} is open to other machines")));
        }
    }
    risks.extend(questions::mount_risks(answers));
    let runtime = facts.runtime(answers.get(isolation::KEY));
    let counted = runtime.is_none_or(|runtime| runtime.counted);
    risks.push(match (questions::no_memory_limit(answers, facts.memory), facts.limits.0) {
        _ if !counted => Risk::caution(
            "this runtime uses no control groups: it may use all memory and processors, and its figures are not told",
        ),
        (_, false) => {
            Risk::caution("this engine cannot set limits here (cgroup v1 without rights): it may use all memory")
        }
        (Some(none), true) => none,
        (None, true) => Risk::harmless(format!(
            "at most {} of memory, {} processors, {} processes",
            answers.get("memory"),
            answers.get("cpus"),
            answers.get("processes")
        )),
    });
    risks.push(match runtime {
        Some(runtime) if runtime.isolation > Isolation::SharedKernel => {
            questions::isolated(runtime.isolation, &format!("the runtime {}", clean::short(&runtime.name, 60)))
        }
        _ => questions::isolated(Isolation::SharedKernel, "a process boundary"),
    });
    risks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_stay_on_this_machine_unless_written_out() {
        let (_, bindings) = ports(&["8080:80".into(), "0.0.0.0:53:53/udp".into()]).unwrap();
        let address = |key: &str| bindings[key].as_ref().unwrap()[0].host_ip.clone().unwrap();
        assert_eq!((address("80/tcp").as_str(), address("53/udp").as_str()), ("127.0.0.1", "0.0.0.0"));
        for bad in ["x", "1:2:3:4", "99999:80", "80/sctp", ":"] {
            assert!(ports(&[bad.to_owned()]).is_err(), "{bad}");
        }
    }
}
