//! The questions of a cluster, and the risks of their answers.

use super::{facts::Facts, kind::Kind};
use wharf_core::{
    base::clean,
    image::model::Image,
    launch::{
        form::{Answers, AskedWith, Field, FieldKind, Form, Section},
        isolation::{self, Isolation},
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

/// Whether an image names no program: then only a machine can be made of it, from the disk inside.
fn has_no_program(image: &Image) -> bool {
    image.config.entrypoint.is_empty() && image.config.command.is_empty()
}

fn asked_with(kinds: &[Kind], field: Field) -> Field {
    let answers = kinds.iter().map(|kind| kind.word().to_owned()).collect();
    Field { asked_with: Some(AskedWith { key: AS, answers }), ..field }
}

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
    let machine = facts.machines && has_no_program(image);
    let kinds: Vec<&str> =
        Kind::ALL.into_iter().filter(|kind| *kind != Kind::Machine || machine).map(Kind::word).collect();
    let usual = if machine { Kind::Machine } else { Kind::Job };
    let what = "job runs to its end; pod has a terminal; vmi is a machine (KubeVirt) from the disk inside";
    let containers = |field: Field| if machine { asked_with(&[Kind::Job, Kind::Pod], field) } else { field };
    let mut basics = vec![
        questions::name("what it is called; empty names it after its image", ""),
        Field::new(AS, "Launch as", what, choice(&kinds), usual.word()),
        containers(questions::command(&image.config)),
        containers(questions::environment()),
    ];
    let levels = facts.levels();
    let isolation = questions::isolation(&levels).or_else(|| {
        // A machine has a kernel of its own, so what a container has is told apart by a question with one answer.
        machine
            .then(|| Field::new(isolation::KEY, "Isolation", "", choice(&[Isolation::SharedKernel.name()]), "shared"))
    });
    basics.extend(isolation.map(containers));
    let resources = vec![
        questions::memory("what it gets and may use at most, like 512M or 2G", "2G"),
        Field::new("cpus", "Processors", "what it gets and may use at most, like 2 or 500m", FieldKind::Text, "1"),
        containers(Field::new("gpus", "GPUs", "of NVIDIA", FieldKind::Number { least: 0, most: 64 }, "0")),
        containers(Field::new(
            "time",
            "Time limit",
            "when it is ended, counted from its start; empty for none",
            FieldKind::Duration { least: 1, most: LONGEST },
            "",
        )),
    ];
    let ports = Field::new("ports", "Ports", "those inside, like 8080; the cluster opens none", FieldKind::Words, "");
    let mut advanced = vec![
        containers(Field::new(
            "user",
            "User",
            "uid[:gid] inside; empty is what the image says",
            FieldKind::Text,
            user(image),
        )),
        containers(Field::new(
            "rights",
            "Rights",
            "none drops all capabilities; service keeps six harmless ones; default is the cluster's own set",
            choice(&["none", "service", "default"]),
            "none",
        )),
        containers(Field::new(
            "readonly",
            "Read-only",
            "the image's files cannot be changed; /tmp can",
            FieldKind::Flag,
            "no",
        )),
        Field::new(
            "pull-secret",
            "Pull secret",
            "the cluster's secret for a private image; empty for none",
            FieldKind::Text,
            "",
        ),
        asked_with(
            &[Kind::Job],
            Field::new(
                "keep",
                "Keep",
                "how long the cluster keeps it and its output afterwards; empty until it is removed",
                FieldKind::Duration { least: 60, most: LONGEST },
                "7d",
            ),
        ),
    ];
    if machine {
        let public = "your public key, with which you sign in";
        advanced.push(asked_with(&[Kind::Machine], Field::new("key", "Public key", public, FieldKind::Text, "")));
        let own = "cloud-init's user-data in place of the key";
        advanced.push(asked_with(&[Kind::Machine], Field::new("user-data", "User data", own, FieldKind::Lines, "")));
    }
    let sections: Vec<Section> = vec![
        questions::basics(basics),
        questions::resources(resources),
        questions::network("how it is reached", vec![ports]),
        questions::advanced(advanced),
    ];
    Form {
        room: facts.room(),
        isolation: if machine { Isolation::OwnKernel } else { levels.first().copied().unwrap_or_default() },
        ..Form::new(sections)
    }
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
            "service" => Risk::harmless("six harmless capabilities, and it cannot gain privileges"),
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
