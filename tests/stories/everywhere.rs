//! One form for every backend: the same words launch one container image, and one disk image, wherever the site can.

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    clouds, disks,
    kubernetes::conforms,
    lab::{self, Home, need},
    slurm::{self, BIN, CONF},
};

/// Somebody whose configuration has these backends.
struct Person {
    home: Home,
    path: String,
}

impl Person {
    fn new(config: &str) -> Self {
        Self { home: Home::configured(config), path: std::env::var("PATH").unwrap() }
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.wharf(words);
        command.env("PATH", &self.path);
        for name in ["XDG_RUNTIME_DIR", "USER", "OS_CLIENT_CONFIG_FILE"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn json(&self, words: &[&str]) -> Value {
        let output = self.run(&[words, &["--json"]].concat());
        assert!(output.status.success(), "{words:?}: {}", lab::complained(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Launches the image on a backend with the one form, follows it to its end, and finds it in the list of all.
    fn launches(&self, image: &str, backend: &str, isolation: &str) {
        let name = lab::fresh("same");
        let (named, isolated) = (format!("name={name}"), format!("isolation={isolation}"));
        let mut words = vec!["launch", image, "--on", backend, "--follow"];
        for set in [&named, "memory=64M", "cpus=1"] {
            words.extend(["--set", set]);
        }
        if !isolation.is_empty() {
            words.extend(["--set", &isolated]);
        }
        words.extend(["--", "sh", "-c", "echo same $((40+2)); exit 7"]);
        let output = self.run(&words);
        let told = lab::said(&output) + &lab::complained(&output);
        assert_eq!(output.status.code(), Some(7), "{backend} {isolation}: {told}");
        assert!(lab::said(&output).contains("same 42"), "{backend} {isolation}: {told}");
        let listed = self.json(&["workloads"]);
        let own = |one: &&Value| one["backend"] == backend && one["name"].as_str().unwrap().contains(&name);
        let found = listed.as_array().unwrap().iter().find(own).unwrap_or_else(|| panic!("{backend}: {listed:#}"));
        assert!(found["state"].to_string().contains("exited"), "{backend}: {found:#}");
        let id = found["id"].as_str().unwrap().to_owned();
        assert!(self.run(&["remove", &id]).status.success(), "{backend} {id}");
    }
}

fn registry() -> (String, String) {
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    (
        format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n"),
        format!("{open}/library/alpine:latest"),
    )
}

fn backend(name: &str, kind: &str, more: &str) -> String {
    format!("[[backend]]\nname = \"{name}\"\ntype = \"{kind}\"\n{more}\n")
}

#[test]
fn one_container_image_is_launched_on_engines_and_a_cluster_with_the_same_words() {
    need!("WHARF_LAB_OPEN");
    let (mut config, image) = registry();
    let mut there = Vec::new();
    for (name, variable) in
        [("docker", "WHARF_LAB_DOCKER"), ("podman", "WHARF_LAB_PODMAN"), ("hardened", "WHARF_LAB_GVISOR_DOCKER")]
    {
        if let Some(url) = lab::part(variable) {
            config += &backend(name, "engine", &format!("url = \"{url}\""));
            there.push((name, if name == "hardened" { "gvisor" } else { "" }));
        }
    }
    if let Some(folder) = lab::part("WHARF_LAB_KUBERNETES") {
        config += &backend("cluster", "kubernetes", &format!("kubeconfig = \"{folder}/alice.kubeconfig\""));
        there.push(("cluster", ""));
    }
    let ada = Person::new(&config);
    for (backend, isolation) in there {
        ada.launches(&image, backend, isolation);
    }
}

#[test]
fn one_container_image_is_launched_on_this_machine_and_a_slurm_cluster_with_the_same_words() {
    let (conf, bin) = (need!("WHARF_LAB_SLURM_2205_CONF"), need!("WHARF_LAB_SLURM_2205_BIN"));
    let runsc = need!("WHARF_LAB_RUNSC");
    slurm::as_person("everywhere::a_person_on_a_cluster", &conf, &bin, &[("WHARF_LAB_RUNSC", &runsc)]);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_on_a_cluster() {
    let (source, image) = registry();
    let (conf, bin) = (std::env::var(CONF).unwrap(), std::env::var(BIN).unwrap());
    let shared = tempfile::tempdir().unwrap();
    let more = format!("conf = \"{conf}\"\nbin = \"{bin}\"\npace = 1\nfolder = \"{}\"", shared.path().display());
    let mut ada = Person::new(&(source + &backend("jobs", "slurm", &more)));
    let runsc = std::env::var("WHARF_LAB_RUNSC").unwrap();
    let folder = std::path::Path::new(&runsc).parent().unwrap().display().to_string();
    ada.path = format!("{folder}:{}", ada.path);
    for (backend, isolation) in [("local", "shared"), ("local", "gvisor"), ("jobs", "")] {
        ada.launches(&image, backend, isolation);
    }
}

#[test]
fn one_disk_image_is_launched_on_a_cloud_and_on_this_machine_with_the_same_words() {
    let (guest, clouds) = (need!("WHARF_LAB_QEMU"), need!("WHARF_LAB_CLOUDS"));
    let daemon = need!("WHARF_LAB_LIBVIRT");
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let session = folder.path().join("s").display().to_string();
    let clouds = std::fs::read_to_string(clouds).unwrap();
    let variables = [
        ("WHARF_LAB_QEMU", guest.as_str()),
        ("WHARF_LAB_LIBVIRT", &daemon),
        ("XDG_RUNTIME_DIR", &session),
        (disks::CLOUDS, &clouds),
    ];
    lab::as_person("everywhere::a_person_with_a_disk", &variables);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_with_a_disk() {
    let session = std::env::var("XDG_RUNTIME_DIR").unwrap();
    let home = Home::new();
    let _daemon = crate::libvirt::Daemon::start(session.as_ref(), home.folder.path());
    let clouds = home.path("clouds.yaml").display().to_string();
    std::fs::write(&clouds, std::env::var(disks::CLOUDS).unwrap()).unwrap();
    let alice = clouds::Person::new("alice", &clouds);
    let file = alice.home.path(".config/wharf/wharf.toml");
    let config =
        std::fs::read_to_string(&file).unwrap() + &backend("qemu", "qemu", "") + &backend("libvirt", "libvirt", "");
    std::fs::write(&file, config).unwrap();
    let image = format!("glance://site/{}", lab::fresh("same"));
    let guest = format!("{}/disk.qcow2", std::env::var("WHARF_LAB_QEMU").unwrap());
    alice.json(&["push", &guest, &image]);
    let mut made = Vec::new();
    for backend in ["site", "qemu", "libvirt"] {
        let named = format!("name={}", lab::fresh(&format!("same-{backend}")));
        // Only their size is asked for in the cloud's own way.
        let size = if backend == "site" { "flavor=tiny" } else { "memory=256M" };
        made.push((backend, alice.json(&["launch", &image, "--on", backend, "--set", &named, "--set", size])));
    }
    let listed = alice.json(&["workloads"]);
    for (backend, server) in &made {
        let id = server["id"].as_str().unwrap();
        let one =
            listed.as_array().unwrap().iter().find(|one| one["id"] == *id).unwrap_or_else(|| panic!("{listed:#}"));
        assert_eq!((&one["backend"], &one["state"]), (&Value::from(*backend), &Value::from("running")), "{one:#}");
        assert!(alice.run(&["remove", id]).status.success(), "{backend}");
    }
}

#[test]
fn the_same_disk_in_a_registry_is_a_machine_of_kubevirt() {
    let folder = need!("WHARF_LAB_KUBERNETES");
    need!("WHARF_LAB_OPEN");
    let (source, _) = registry();
    let more = format!("kubeconfig = \"{folder}/alice.kubeconfig\"");
    let ada = Person::new(&(source + &backend("cluster", "kubernetes", &more)));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let image = runtime.block_on(disks::container_disk());
    let plan = ada.json(&["launch", &image, "--on", "cluster", "--set", "name=same", "--set", "memory=256M", "--plan"]);
    let steps = plan["steps"].as_array().unwrap();
    let sent = steps.iter().find(|step| step["step"] == "send").unwrap_or_else(|| panic!("{plan:#}"));
    assert_eq!(sent["body"]["kind"], "VirtualMachineInstance", "{sent:#}");
    conforms(&sent["body"], "V1VirtualMachineInstance");
}
