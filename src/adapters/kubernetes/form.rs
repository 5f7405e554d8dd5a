//! The questions of a cluster, and the risks of their answers.

use super::{facts::Facts, kind::Kind};
use wharf_core::{
    base::clean,
    image::model::{Image, ImageKind},
    launch::{
        form::{Answers, AskedWith, Field, FieldKind, Form, Section},
        isolation::Isolation,
        plan::Risk,
        questions::{self, choice},
    },
};

/// The key of the question what is launched.
pub(super) const AS: &str = "as";
/// The user of programs whose image wants root or says nothing, where the person is root: the first one of most systems.
const SOMEBODY: &str = "1000:1000";
/// The longest times that are taken, in seconds: ten years.
const LONGEST: u64 = 10 * 365 * 24 * 3600;

/// The numeric user that the image names, if that is not root.
fn user(image: &Image) -> String {
    let raw = image.config.user.raw();
    let name = raw.split(':').next().unwrap_or_default();
    let numeric = raw.split(':').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    match name {
        "" | "0" | "root" => {
            let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
            if user.is_root() { SOMEBODY.to_owned() } else { format!("{}:{}", user.as_raw(), group.as_raw()) }
        }
        _ if numeric && raw.len() < 24 => raw.to_owned(),
        // A name is left to the image.
        _ => String::new(),
    }
}

/// The form for an image on this cluster.
pub(super) fn form(image: &Image, facts: &Facts) -> Form {
    let is_disk = image.kind == ImageKind::Vm;
    let mut basics = vec![questions::name("what it is called; empty names it after its image", "")];
    let mut resources = vec![
        questions::memory("what it gets and may use at most, like 512M or 2G", "2G"),
        Field::new("cpus", "Processors", "what it gets and may use at most, like 2 or 500m", FieldKind::Text, "1"),
    ];
    let secret = "the cluster's secret for a private image; empty for none";
    let mut advanced = vec![Field::new("pull-secret", "Pull secret", secret, FieldKind::Text, "")];
    if is_disk {
        let what = "vmi is a machine of KubeVirt, from the disk in the image";
        basics.push(Field::new(AS, "Launch as", what, choice(&[Kind::Machine.word()]), Kind::Machine.word()));
        basics.push(Field::new("key", "Public key", "your public key, with which you sign in", FieldKind::Text, ""));
        let own = "cloud-init's user-data in place of the key";
        advanced.push(Field::new("user-data", "User data", own, FieldKind::Lines, ""));
    } else {
        let kinds = [Kind::Job, Kind::Pod].map(Kind::word);
        let what = "job runs to its end; pod has a terminal";
        basics.push(Field::new(AS, "Launch as", what, choice(&kinds), Kind::Job.word()));
        basics.extend([questions::command(&image.config), questions::environment()]);
        basics.extend(questions::isolation(&facts.levels()));
        resources.extend(limits());
        advanced.splice(0..0, rights(image));
        advanced.push(keep());
    }
    let ports = Field::new("ports", "Ports", "those inside, like 8080; the cluster opens none", FieldKind::Words, "");
    let sections: Vec<Section> = vec![
        questions::basics(basics),
        questions::resources(resources),
        questions::network("how it is reached", vec![ports]),
        questions::advanced(advanced),
    ];
    let isolation = if is_disk { Isolation::OwnKernel } else { Isolation::SharedKernel };
    Form { room: facts.room(), isolation, ..Form::new(sections) }
}

/// What limits a container, besides memory and processors.
fn limits() -> [Field; 2] {
    let time = FieldKind::Duration { least: 1, most: LONGEST };
    [
        Field::new("gpus", "GPUs", "of NVIDIA", FieldKind::Number { least: 0, most: 64 }, "0"),
        Field::new("time", "Time limit", "when it is ended, counted from its start; empty for none", time, ""),
    ]
}

/// What a container may do.
fn rights(image: &Image) -> [Field; 3] {
    let own = "uid[:gid] inside; empty is what the image says";
    let sets = "none drops all capabilities; service keeps six harmless ones; default is the cluster's own set";
    [
        Field::new("user", "User", own, FieldKind::Text, user(image)),
        questions::rights(sets),
        Field::new("readonly", "Read-only", "the image's files cannot be changed; /tmp can", FieldKind::Flag, "no"),
    ]
}

/// How long a job is kept.
fn keep() -> Field {
    let help = "how long the cluster keeps it and its output afterwards; empty until it is removed";
    let kind = FieldKind::Duration { least: 60, most: LONGEST };
    let asked_with = Some(AskedWith { key: AS, answers: vec![Kind::Job.word().to_owned()] });
    Field { asked_with, ..Field::new("keep", "Keep", help, kind, "7d") }
}

/// The kind that is asked for.
pub(super) fn kind(answers: &Answers) -> Kind {
    Kind::from_word(answers.get(AS)).unwrap_or(Kind::Job)
}

/// The risk lines of a launch in a namespace.
pub(super) fn risks(image: &Image, facts: &Facts, answers: &Answers, namespace: &str) -> Vec<Risk> {
    let kind = kind(answers);
    let level = facts.isolation(kind, answers);
    let by = match (kind, facts.runtime(kind, answers)) {
        (Kind::Machine, _) => "KubeVirt".to_owned(),
        (_, Some(class)) => format!("the runtime class {class}"),
        (_, None) => "a process boundary".to_owned(),
    };
    let mut risks = vec![match (level, kind) {
        (Isolation::SharedKernel, _) => {
            Risk::caution("isolation is a process boundary: the kernel is shared with the others on its node")
        }
        (level, _) => questions::isolated(level, &by),
    }];
    if kind != Kind::Machine {
        let shown = image.config.user.to_string();
        let user = if answers.get("user").is_empty() { shown.as_str() } else { answers.get("user") };
        risks.push(match user.split(':').next().unwrap_or_default() {
            "" | "0" | "root" => {
                Risk::caution("runs as root inside, and that is root of its node unless the cluster remaps users")
            }
            _ => Risk::harmless(format!("runs as {} inside", clean::short(user, 60))),
        });
        risks.push(match answers.get("rights") {
            "none" => questions::no_rights(),
            "service" => questions::service_rights(),
            _ => Risk::caution("the cluster's default capabilities; it cannot gain more"),
        });
        risks.push(Risk::harmless("no token of the cluster is inside"));
    }
    risks.push(questions::nothing_mounted());
    risks.push(Risk::caution(format!(
        "whoever has rights in the namespace {namespace} sees it, its output and its variables"
    )));
    risks.push(Risk::caution("it is in the cluster's network: the cluster's rules say whom it reaches"));
    let host = image.reference.name().map(|name| clean::short(&name.host, 80)).unwrap_or_default();
    risks.push(match answers.get("pull-secret").trim() {
        "" => Risk::caution(format!("the cluster pulls it from {host} itself, without your credentials")),
        secret => {
            Risk::harmless(format!("the cluster pulls it from {host} with its secret {}", clean::short(secret, 60)))
        }
    });
    risks.push(match answers.bytes("memory") {
        None => Risk::caution("no memory limit"),
        Some(_) => Risk::harmless(format!(
            "at most {} of memory, {} of processors",
            answers.get("memory"),
            answers.get("cpus")
        )),
    });
    if answers.get("time").is_empty() {
        risks.push(Risk::harmless("no time limit: it runs until it ends or you stop it"));
    }
    risks
}
