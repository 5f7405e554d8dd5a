//! Podman without a daemon: its service is started when it is needed, for a person without rights.

use std::{
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use wharf::core::config::ConfigEntry;

use crate::{
    lab::{self, Home, need},
    launchers,
};

const FOLDER: &str = "WHARF_TEST_PODMAN";

/// The folder for a person's Podman: its storage, its settings, and the folder of a session.
struct PersonsPodman {
    folder: tempfile::TempDir,
}

impl PersonsPodman {
    fn new(open: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        // Like the lab's own: without managing systemd and cgroups, and within the limits that a container may set.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        file("containers.conf", settings.to_owned());
        file("registries.conf", format!("[[registry]]\nlocation = \"{open}\"\ninsecure = true\n"));
        let id = |option: &str| -> u32 {
            let output = Command::new("id").args([option, "wharf-lab"]).output().unwrap();
            lab::said(&output).trim().parse().unwrap()
        };
        std::fs::create_dir(folder.path().join("run")).unwrap();
        for (name, mode) in [(".", 0o755), ("run", 0o700)] {
            let path = folder.path().join(name);
            chown(&path, Some(id("-u")), Some(id("-g"))).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        Self { folder }
    }

    fn run(&self, test: &str, open: &str) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        lab::as_person(
            test,
            &[
                (FOLDER, &path("")),
                ("WHARF_LAB_OPEN", open),
                ("XDG_RUNTIME_DIR", &path("run")),
                ("CONTAINERS_CONF", &path("containers.conf")),
                ("CONTAINERS_REGISTRIES_CONF", &path("registries.conf")),
                // Its storage is below it, and new: an image that another test has left would not be pulled.
                ("HOME", &path("")),
            ],
        );
    }
}

impl Drop for PersonsPodman {
    fn drop(&mut self) {
        // It keeps Podman's namespaces and mounts for as long as it runs.
        if let Ok(pid) = std::fs::read_to_string(self.folder.path().join("run/libpod/tmp/pause.pid")) {
            let _ = Command::new("kill").args(["-KILL", pid.trim()]).status();
        }
    }
}

fn own_folder() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).unwrap())
}

#[test]
fn podman_without_its_service_is_a_backend_like_others() {
    need!("WHARF_LAB_ROOTLESS");
    let open = need!("WHARF_LAB_OPEN");
    let podman = PersonsPodman::new(&open);
    podman.run("podman_service::the_contract", &open);
    podman.run("podman_service::found_by_itself", &open);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn the_contract() {
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    let socket = own_folder().join("run/contract/podman.sock");
    let program = wharf::adapters::shared::exec::on_path("podman").unwrap();
    let settings = [("url", format!("unix://{}", socket.display())), ("program", program.display().to_string())];
    let settings = settings.map(|(key, value)| (key.to_owned(), value.into()));
    launchers::contract_of_engine(
        ConfigEntry::new("rootless", "engine", "test", settings.into_iter().collect()),
        &open,
    )
    .await;
}

/// Wharf as this person, who has configured nothing about engines.
fn command(home: &Home, arguments: &[&str]) -> Command {
    let mut command = home.wharf(arguments);
    for name in ["XDG_RUNTIME_DIR", "CONTAINERS_CONF", "CONTAINERS_REGISTRIES_CONF", "HOME"] {
        command.env(name, std::env::var_os(name).unwrap());
    }
    command.env("WHARF_DISCOVER", "yes").env("USER", "wharf-lab");
    command.env("WHARF_REGISTRIES", format!("http://{}", std::env::var("WHARF_LAB_OPEN").unwrap()));
    command
}

fn json(home: &Home, arguments: &[&str]) -> Value {
    let output = command(home, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", lab::complained(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The process of the service at this socket.
fn service(socket: &Path) -> Option<u32> {
    let has_socket = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains("service") && line.contains(&socket.display().to_string())
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).find(has_socket)
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn found_by_itself() {
    let home = Home::new();
    let image = format!("{}/library/alpine:latest", std::env::var("WHARF_LAB_OPEN").unwrap());
    let on = ["--on", "podman-rootless", "--set", "network=none"];
    // It is found where only the program is, and several who need it at once get one answer each.
    let started: Vec<_> =
        (0..3).map(|_| command(&home, &["images", "--source", "podman-rootless", "--json"]).spawn().unwrap()).collect();
    for mut one in started {
        assert!(one.wait().unwrap().success());
    }
    let launched = json(&home, &[&["launch", &image, "--json"], &on[..], &["--", "sleep", "300"]].concat());
    let id = launched["id"].as_str().unwrap();
    // Its containers do not depend on the service: after its end the next question starts another one.
    let folder = own_folder().join("run/wharf");
    let socket = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path());
    let socket = socket.into_iter().find(|path| path.extension().is_some_and(|end| end == "sock")).unwrap();
    while let Some(pid) = service(&socket) {
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    }
    let entered = command(&home, &["exec", id, "--", "echo", "still", "here"]).output().unwrap();
    assert_eq!(lab::said(&entered), "still here\n", "{}", lab::complained(&entered));
    assert!(command(&home, &["stop", id]).output().unwrap().status.success());
    assert!(command(&home, &["remove", id]).output().unwrap().status.success());
    // The plan as a script starts it, too.
    while let Some(pid) = service(&socket) {
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    }
    let planned = [&["launch", &image, "--plan=script"], &on[..], &["--set", "name=by-script", "--", "true"]].concat();
    let script = command(&home, &planned).output().unwrap();
    let (script, file) = (lab::said(&script), home.path("script"));
    assert!(script.contains("system service"), "{script}");
    std::fs::write(&file, script).unwrap();
    while let Some(pid) = service(&socket) {
        Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap();
    }
    let mut by_shell = command(&home, &[]);
    let environment: Vec<_> =
        by_shell.get_envs().filter_map(|(name, value)| Some((name.to_owned(), value?.to_owned()))).collect();
    by_shell = Command::new("sh");
    let ran = by_shell.arg(&file).env_clear().envs(environment).output().unwrap();
    assert!(ran.status.success(), "{}", lab::complained(&ran));
    let listed = json(&home, &["workloads", "--json"]).to_string();
    assert!(listed.contains("by-script"), "{listed}");
}

#[test]
fn a_podman_that_cannot_start_says_why_in_its_last_words() {
    let home = Home::new();
    let program = home.path("podman");
    std::fs::write(
        &program,
        "#!/bin/sh\necho 'a warning' >&2\nprintf 'Error: no numbers \\033[31mhere\\n\\n' >&2\nexit 125\n",
    )
    .unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = |url: &str| {
        format!(
            "[[source]]\nname = \"mine\"\ntype = \"engine\"\nurl = \"{url}\"\nprogram = \"{}\"\n",
            program.display()
        )
    };
    let file = home.path("config.toml");
    let asked = |url: &str| {
        std::fs::write(&file, settings(url)).unwrap();
        home.run(&["--config", file.to_str().unwrap(), "images", "--source", "mine"])
    };
    let refused = asked(&format!("unix://{}", home.path("run/podman.sock").display()));
    let said = lab::complained(&refused);
    assert!(said.contains("Error: no numbers") && !said.contains("warning") && !said.contains('\u{1b}'), "{said}");
    assert!(said.contains("/etc/subuid"), "{said}");
    // What is started here answers here.
    let refused = asked("tcp://engine.example:2375");
    assert!(lab::complained(&refused).contains("program: it answers at a socket"), "{}", lab::complained(&refused));
}
