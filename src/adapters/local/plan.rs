//! The form of the daemonless backend, and the plan made of its answers.

use std::path::Path;

use super::{Runtime, inside::Inside};
use crate::core::{
    error::{Error, Result},
    form::{Answers, Field, FieldKind, Form},
    launch::{Mount, Risk},
    model::Image,
    questions::{self, choice},
};

/// Where the root stands in a plan that has not been carried out.
pub const ROOT: &str = "ROOT";
const UID_OF: &str = "UID-OF:";
const GID_OF: &str = "GID-OF:";
/// For a user whom the image does not list.
const NOBODY: u32 = 65534;

/// The questions.
pub fn form(image: &Image) -> Form {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    Form {
        fields: vec![
            questions::name("what the workload is called", image.reference.title().split(':').next().unwrap_or("")),
            questions::command("arguments for the image's program, or the whole command if it has none"),
            questions::environment(),
            Field::new(
                "network",
                "Network",
                "none cannot talk to anyone; host shares this machine's network",
                choice(&["none", "host"]),
                "none",
            ),
            questions::mounts(),
            Field::new("writable", "Writable", "give it its own copy of the image to change", FieldKind::Flag, "no"),
            questions::memory("at most for each process, like 512M or 2G; empty for no limit", ""),
            questions::processors(processors),
            questions::processes(),
        ],
    }
}

/// The sandbox as data, from image and answers.
pub fn inside(image: &Image, answers: &Answers, root: &Path, name: &str) -> Result<Inside> {
    let words = answers.words("command");
    let argv = match (image.config.entrypoint.is_empty(), words.is_empty()) {
        (false, false) => [image.config.entrypoint.clone(), words].concat(),
        (false, true) => [image.config.entrypoint.clone(), image.config.command.clone()].concat(),
        (true, false) => words,
        (true, true) => image.config.command.clone(),
    };
    if argv.is_empty() {
        return Err(
            Error::usage("plan on local", "the image names no program").hint("give a command: --set command='…'")
        );
    }
    let mut environment = image.config.environment.clone();
    if !environment.iter().any(|pair| pair.starts_with("PATH=")) {
        environment.push("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into());
    }
    environment.extend(answers.words("env"));
    let mounts = questions::mounts_of(answers)?;
    Ok(Inside {
        root: root.to_owned(),
        writable: answers.is("writable"),
        mounts,
        argv,
        environment,
        working_dir: image.config.working_dir.clone(),
        hostname: name.to_owned(),
    })
}

/// User and group inside as words of the plan: numbers, or a stand-in for a name that only the unpacked image can tell.
pub fn user(image: &Image) -> (String, String) {
    let mut parts = image.config.user.splitn(2, ':');
    let (user, group) = (parts.next().filter(|user| !user.is_empty()).unwrap_or("0"), parts.next());
    let uid = if user.parse::<u32>().is_ok() { user.to_owned() } else { format!("{UID_OF}{user}") };
    let gid = match group {
        Some(group) if group.parse::<u32>().is_ok() => group.to_owned(),
        _ if user.parse::<u32>().is_ok() => user.to_owned(),
        _ => format!("{GID_OF}{user}"),
    };
    (uid, gid)
}

/// Replaces the stand-ins of a plan by what the unpacked image says.
pub fn fill_in(argv: &[String], root: &Path) -> Vec<String> {
    let passwd = std::fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    let field = |name: &str, at: usize| {
        passwd
            .lines()
            .map(|line| line.split(':').collect::<Vec<_>>())
            .find(|fields| fields.first() == Some(&name))
            .map_or(NOBODY, |fields| number(&fields, at))
            .to_string()
    };
    let fill = |word: &String| match (word.strip_prefix(UID_OF), word.strip_prefix(GID_OF)) {
        (Some(name), _) => field(name, 2),
        (_, Some(name)) => field(name, 3),
        _ if word == ROOT => root.display().to_string(),
        _ => word.clone(),
    };
    argv.iter().map(fill).collect()
}

fn number(fields: &[&str], at: usize) -> u32 {
    fields.get(at).and_then(|field| field.parse().ok()).unwrap_or(NOBODY)
}

/// The sandbox program and its arguments. `folder` is where the workload is written down.
pub fn argv(
    runtime: Runtime,
    inside: &Inside,
    (uid, gid): (String, String),
    network: &str,
    folder: &Path,
    own_program: &str,
) -> Vec<String> {
    let mut argv: Vec<String> = Vec::new();
    let mut add = |words: &[&str]| argv.extend(words.iter().map(ToString::to_string));
    if runtime == Runtime::Unshare {
        add(&[
            "unshare",
            "--user",
            "--map-user",
            &uid,
            "--map-group",
            &gid,
            "--keep-caps",
            "--mount",
            "--pid",
            "--fork",
            "--ipc",
            "--uts",
            "--kill-child",
        ]);
        if network == "none" {
            add(&["--net"]);
        }
        add(&["--", own_program, "__inside", &folder.display().to_string()]);
        return argv;
    }
    add(&[
        "bwrap",
        "--unshare-all",
        "--unshare-user",
        "--die-with-parent",
        "--new-session",
        "--cap-drop",
        "ALL",
        "--uid",
        &uid,
        "--gid",
        &gid,
        "--hostname",
        &inside.hostname,
    ]);
    if network == "host" {
        add(&["--share-net"]);
    }
    let root = inside.root.display().to_string();
    add(&[
        if inside.writable { "--bind" } else { "--ro-bind" },
        &root,
        "/",
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        "--tmpfs",
        "/tmp",
        "--tmpfs",
        "/run",
    ]);
    for Mount { host, inside: at, writes } in &inside.mounts {
        add(&[if *writes { "--bind" } else { "--ro-bind" }, &host.display().to_string(), &at.display().to_string()]);
    }
    add(&["--clearenv"]);
    for (name, value) in inside.environment.iter().filter_map(|pair| pair.split_once('=')) {
        add(&["--setenv", name, value]);
    }
    if !inside.working_dir.is_empty() {
        add(&["--chdir", &inside.working_dir]);
    }
    add(&["--"]);
    argv.extend(inside.argv.iter().cloned());
    argv
}

/// What the launch may do, in words.
pub fn risks(image: &Image, answers: &Answers, runtime: Runtime) -> Vec<Risk> {
    let user = if image.config.user.is_empty() { "root" } else { &image.config.user };
    let mut risks = vec![
        Risk::fine(format!("runs as {user} inside and as you outside: it can do nothing that you cannot")),
        questions::no_rights(),
        if answers.get("network") == "host" { questions::host_network() } else { questions::no_network() },
    ];
    risks.extend(questions::mount_risks(answers));
    risks.push(if answers.is("writable") {
        Risk::fine("it may change its own copy of the image")
    } else {
        Risk::fine("the image's files cannot be changed; /tmp can")
    });
    risks.push(Risk::fine(format!("at most {} processors", answers.get("cpus"))));
    risks.push(if rustix::process::geteuid().is_root() {
        Risk::caution("no limit of processes: the kernel lets root have any number")
    } else {
        Risk::fine(format!("at most {} processes more than you have now", answers.get("processes")))
    });
    risks.push(if answers.get("memory").is_empty() {
        Risk::caution("no memory limit")
    } else {
        Risk::fine(format!("at most {} of memory for each process", answers.get("memory")))
    });
    risks.push(Risk::caution(format!(
        "isolation is a user namespace ({}): the kernel is shared with this host",
        runtime.word()
    )));
    risks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_names_are_filled_in_from_the_image() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/passwd"), "root:x:0:0::/:/bin/sh\napp:x:1234:99::/:/bin/sh\n").unwrap();
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let filled = fill_in(&words(&["--uid", "UID-OF:app", "--gid", "GID-OF:app", "UID-OF:gone"]), root.path());
        assert_eq!(filled, words(&["--uid", "1234", "--gid", "99", "65534"]));
    }
}
