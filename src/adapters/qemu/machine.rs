//! A machine as the words that start it (qemu(1)). Files are named relative to the folder of the launch.

use serde_json::{Value, json};

use crate::machines::{acceleration::Acceleration, form::Network, overlay::OVERLAY, seed};
use wharf_core::launch::published::Published;

/// The program that runs machines.
pub(super) const PROGRAM: &str = "qemu-system-x86_64";
/// The name of that disk in QEMU.
pub(super) const DISK: &str = "disk0";
/// The socket that takes commands.
pub(super) const QMP: &str = "qmp.sock";
/// The socket for commands that copy a disk. QEMU talks to one at a time at each socket, and copies take long.
pub(super) const COPIES: &str = "copies.sock";

/// A machine to be started.
#[derive(Debug, Clone)]
pub(super) struct Machine<'a> {
    /// Its name: letters, digits and `-`.
    pub name: &'a str,
    /// Its memory in bytes.
    pub memory: u64,
    /// Its processors.
    pub processors: u64,
    /// What it can reach.
    pub network: Network,
    /// The ports that lead to it.
    pub ports: &'a [Published],
    /// How its instructions are carried out.
    pub acceleration: Acceleration,
}

impl Machine<'_> {
    /// The words that start it. Its console is QEMU's standard input and output.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = vec![PROGRAM.to_owned(), "-name".to_owned(), format!("guest={}", self.name)];
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        for pair in self.acceleration.options().chunks_exact(2) {
            add(pair[0], pair[1].to_owned());
        }
        add("-machine", "q35".to_owned());
        add("-smp", self.processors.to_string());
        add("-m", format!("{}K", self.memory >> 10));
        add("-display", "none".to_owned());
        add("-vga", "none".to_owned());
        // What breaks out of the machine can start nothing and gain nothing.
        add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".to_owned());
        add(
            "-blockdev",
            disk(&json!({"driver": "file", "filename": OVERLAY, "node-name": "file0", "discard": "unmap"})),
        );
        add("-blockdev", disk(&json!({"driver": "qcow2", "file": "file0", "node-name": DISK, "discard": "unmap"})));
        // QEMU would else stop the machine where this machine's disk is full, and nobody would let it go on.
        add("-device", format!("virtio-blk-pci,drive={DISK},bootindex=1,werror=report"));
        let label = seed::LABEL;
        let seed =
            json!({"driver": "vvfat", "dir": seed::FOLDER, "label": label, "read-only": true, "node-name": "seed0"});
        add("-blockdev", disk(&seed));
        add("-device", "virtio-blk-pci,drive=seed0".to_owned());
        if let Some(network) = self.network.netdev("net0", self.ports) {
            add("-netdev", network);
            add("-device", "virtio-net-pci,netdev=net0".to_owned());
        }
        add("-device", "virtio-rng-pci".to_owned());
        add("-chardev", "stdio,id=console0,signal=off".to_owned());
        add("-serial", "chardev:console0".to_owned());
        for (id, socket) in [("qmp0", QMP), ("qmp1", COPIES)] {
            add("-chardev", format!("socket,id={id},path={socket},server=on,wait=off"));
            add("-mon", format!("chardev={id},mode=control"));
        }
        words.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        words
    }
}

/// A block device as QEMU reads it.
fn disk(device: &Value) -> String {
    device.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn machine(network: Network, ports: &[Published]) -> Vec<String> {
        let acceleration = Acceleration::Software("test");
        Machine { name: "lab", memory: 256 << 20, processors: 1, network, ports, acceleration }.words()
    }

    #[test]
    fn a_machine_is_closed_and_answers_on_this_machine_only() {
        let port = Published { address: "127.0.0.1".into(), port: 8080, inside: 80, protocol: "tcp".into() };
        let words = machine(Network::Restricted, &[port]).join(" ");
        for part in [
            "-accel tcg -cpu max",
            "-m 262144K",
            "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
            "-netdev user,id=net0,restrict=on,hostfwd=tcp:127.0.0.1:8080-:80",
            "-nodefaults -no-user-config",
            r#""dir":"seed""#,
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(machine(Network::User, &[]).join(" ").contains("restrict=off"));
        assert!(!machine(Network::None, &[]).join(" ").contains("-netdev"));
    }
}
