//! The bundle from which an OCI runtime runs a workload (OCI runtime specification, "config.json"). Pure: from the
//! sandbox as data to the file as data.

use std::path::Path;

use serde_json::{Value, json};

use super::sandboxed::Sandboxed;
use crate::prepared::people::ImageUser;
use wharf_core::image::model::Foreign;

/// The name of the folder with the texts of a sandbox, in its bundle.
pub(super) const TEXTS: &str = "texts";

/// The process of a workload, or a further one in it: without rights, within the limits of each process.
pub(super) fn process(sandboxed: &Sandboxed, who: &ImageUser, argv: &[Foreign], terminal: bool) -> Value {
    let inside = &sandboxed.inside;
    let raw = |all: &[Foreign]| all.iter().map(|one| one.raw().to_owned()).collect::<Vec<_>>();
    let folder = Path::new("/").join(inside.working_dir.raw().trim_start_matches('/'));
    let limit = |kind: &str, most: u64| json!({"type": kind, "hard": most, "soft": most});
    let limits = [("RLIMIT_AS", sandboxed.memory), ("RLIMIT_NPROC", sandboxed.processes)];
    let limits = limits.into_iter().filter(|(_, most)| *most > 0).map(|(kind, most)| limit(kind, most));
    json!({
        "terminal": terminal,
        "user": {"uid": who.uid, "gid": who.gid},
        "args": raw(argv),
        "env": raw(&inside.environment),
        "cwd": folder,
        "capabilities": {},
        "rlimits": limits.chain([limit("RLIMIT_CORE", 0)]).collect::<Vec<_>>(),
        "noNewPrivileges": true,
    })
}

/// The configuration of a workload whose bundle is in the folder `bundle`. It has no user namespace: a runtime without
/// root rights makes its own.
pub(super) fn config(sandboxed: &Sandboxed, who: &ImageUser, bundle: &Path) -> Value {
    let inside = &sandboxed.inside;
    let bind = |host: &Path, at: &Path, writes: bool| {
        let options = ["rbind", "nosuid", "nodev", if writes { "rw" } else { "ro" }];
        json!({"destination": at, "type": "bind", "source": host, "options": options})
    };
    let own = |at: &str| json!({"destination": at, "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "nodev"]});
    let proc = json!({"destination": "/proc", "type": "proc", "source": "proc"});
    let texts = inside.texts.iter().enumerate();
    let mounts = [proc, own("/tmp"), own("/run")]
        .into_iter()
        .chain(inside.mounts.iter().map(|mount| bind(&mount.host, &mount.inside, mount.writes)))
        .chain(texts.map(|(number, text)| bind(&text_file(bundle, number), &text.at, false)));
    let kinds = ["pid", "mount", "ipc", "uts", "network"].into_iter();
    let kinds = kinds.filter(|kind| *kind != "network" || !inside.network).map(|kind| json!({"type": kind}));
    json!({
        "ociVersion": "1.0.2",
        "hostname": inside.hostname,
        "root": {"path": inside.root, "readonly": !inside.writable},
        "process": process(sandboxed, who, &inside.argv, false),
        "mounts": mounts.collect::<Vec<_>>(),
        "linux": {"namespaces": kinds.collect::<Vec<_>>()},
    })
}

/// The file in a bundle for the text with this number.
pub(super) fn text_file(bundle: &Path, number: usize) -> std::path::PathBuf {
    bundle.join(TEXTS).join(number.to_string())
}

#[cfg(test)]
mod tests {
    use wharf_core::launch::plan::Mount;

    use super::*;
    use crate::local::{
        inside::{SandboxLayout, Text},
        sandbox_program::SandboxProgram,
    };

    fn sandboxed(network: bool) -> Sandboxed {
        Sandboxed {
            runtime: SandboxProgram::Runsc,
            argv: Vec::new(),
            inside: SandboxLayout {
                root: "/cache/roots/4f/root".into(),
                mounts: vec![Mount { host: "/data".into(), inside: "/in".into(), writes: false }],
                texts: vec![Text { at: "/etc/hosts".into(), text: "127.0.0.1 localhost\n".into() }],
                argv: vec![Foreign::new("/bin/it")],
                environment: vec![Foreign::new("A=b")],
                working_dir: Foreign::new("work"),
                hostname: "it".into(),
                network,
                ..SandboxLayout::default()
            },
            mounted: None,
            user: Foreign::new("7"),
            who: None,
            memory: 1 << 30,
            processors: 1,
            processes: 0,
        }
    }

    #[test]
    fn a_bundle_has_no_rights_and_no_network_unless_it_was_asked_for() {
        let who = ImageUser { uid: 7, gid: 8, home: String::new() };
        let written = config(&sandboxed(false), &who, Path::new("/state/bundle"));
        let process = &written["process"];
        assert_eq!((&process["capabilities"], &process["noNewPrivileges"]), (&json!({}), &json!(true)));
        assert_eq!((&process["cwd"], &process["user"]["uid"]), (&json!("/work"), &json!(7)));
        assert_eq!(process["rlimits"][0], json!({"type": "RLIMIT_AS", "hard": 1 << 30, "soft": 1 << 30}));
        assert_eq!(written["root"]["readonly"], json!(true));
        let mounts = written["mounts"].as_array().unwrap();
        assert!(mounts.iter().any(|mount| mount["source"] == "/state/bundle/texts/0"), "{mounts:?}");
        assert!(mounts.iter().any(|mount| mount["source"] == "/data" && mount["options"][3] == "ro"), "{mounts:?}");
        let has_own = |written: &Value| written["linux"]["namespaces"].to_string().contains("network");
        assert!(has_own(&written) && !has_own(&config(&sandboxed(true), &who, Path::new("/b"))));
        assert!(!written.to_string().contains("\"user\"}"), "a user namespace is the runtime's own");
    }
}
