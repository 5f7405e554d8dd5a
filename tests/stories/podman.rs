//! Podman with its own storage and mounts, to compare what other engines make of an image.

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use crate::lab;

/// Podman in a mount namespace of its own: its mounts disappear with it.
pub(crate) struct Podman {
    folder: tempfile::TempDir,
    keeper: Child,
}

impl Podman {
    /// Starts it if podman is installed and namespaces can be made.
    pub(crate) fn start() -> Option<Self> {
        lab::part("WHARF_LAB_PODMAN")?;
        let folder = tempfile::tempdir().unwrap();
        // Like the lab's own: without managing systemd and cgroups, and within the limits that a container may set.
        let settings = "[containers]\ndefault_ulimits = [\"nofile=1024:1024\", \"nproc=4096:4096\"]\n\
            [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n";
        std::fs::write(folder.path().join("containers.conf"), settings).unwrap();
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", "echo ready; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        BufReader::new(keeper.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n", "podman needs a mount namespace");
        Some(Self { folder, keeper })
    }

    /// A command of podman's.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{}/ns/mnt", self.keeper.id())).args([
            "podman",
            "--storage-driver",
            "overlay",
        ]);
        for (option, name) in [("--root", "storage"), ("--runroot", "run"), ("--tmpdir", "libpod")] {
            command.arg(option).arg(self.folder.path().join(name));
        }
        command.args(arguments).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        command.env("HOME", self.folder.path()).env("CONTAINERS_CONF", self.folder.path().join("containers.conf"));
        command.stdin(Stdio::null());
        command
    }

    /// The output of a podman command that must succeed.
    pub(crate) fn run(&self, arguments: &[&str]) -> String {
        let output: Output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "podman {arguments:?}: {}", lab::complained(&output));
        lab::said(&output).trim_end().to_owned()
    }

    /// The files of an image, as seen from outside of the namespace.
    pub(crate) fn mount(&self, image: &str) -> PathBuf {
        let at = self.run(&["image", "mount", image]);
        Path::new(&format!("/proc/{}/root", self.keeper.id())).join(at.trim_start_matches('/'))
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}
