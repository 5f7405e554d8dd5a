//! A machine as the words that start it (qemu(1)). Files are named relative to the folder of the launch.

use serde_json::{Value, json};

use crate::machines::{
    acceleration::Acceleration,
    ask::Network,
    firmware::{Firmware, VARIABLES},
    kernel::Kernel,
    overlay::OVERLAY,
    seed,
    size::Size,
};
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
    /// The kernel that it starts; `None` where it starts from its disk.
    pub kernel: Option<&'a Kernel>,
    /// The UEFI firmware that starts its disk; `None` for the machine's own.
    pub firmware: Option<&'a Firmware>,
}

/// A machine with hardly any devices, and with what kernels for usual machines expect (QEMU `docs/system/i386/microvm.rst`).
const MICROVM: &str = "microvm,acpi=off,pit=on,pic=on,rtc=on";

impl Machine<'_> {
    /// The words that start it. Its console is QEMU's standard input and output.
    pub(super) fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = vec![PROGRAM.to_owned(), "-name".to_owned(), format!("guest={}", self.name)];
        let mut add = |option: &str, value: String| words.extend([option.to_owned(), value]);
        for pair in self.acceleration.options().chunks_exact(2) {
            add(pair[0], pair[1].to_owned());
        }
        let is_micro = self.kernel.is_some_and(|kernel| kernel.is_micro);
        // Where there is no PCI, devices are found in memory.
        let bus = if is_micro { "device" } else { "pci" };
        let usual = if self.firmware.is_some() { "q35,pflash0=code0,pflash1=vars0" } else { "q35" };
        add("-machine", if is_micro { MICROVM } else { usual }.to_owned());
        for device in self.firmware.map(flash).into_iter().flatten() {
            add("-blockdev", disk(&device));
        }
        add(PROCESSORS, self.processors.to_string());
        add(MEMORY, format!("{}K", self.memory >> 10));
        add("-display", "none".to_owned());
        add("-vga", "none".to_owned());
        // What breaks out of the machine can start nothing and gain nothing.
        add("-sandbox", "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny".to_owned());
        for (option, value) in self.kernel.map_or_else(from_disk, from_kernel) {
            add(option, value);
        }
        if let Some(network) = self.network.netdev("net0", self.ports) {
            add("-netdev", network);
            add("-device", format!("virtio-net-{bus},netdev=net0"));
        }
        add("-device", format!("virtio-rng-{bus}"));
        add("-chardev", "stdio,id=console0,signal=off".to_owned());
        add("-serial", "chardev:console0".to_owned());
        for (id, socket) in [("qmp0", QMP), ("qmp1", COPIES)] {
            add("-chardev", format!("socket,id={id},path={socket},server=on,wait=off"));
            add("-mon", format!("chardev={id},mode=control"));
        }
        words.extend(["-nodefaults", "-no-user-config"].map(str::to_owned));
        // A kernel that ends by a reset has ended.
        words.extend(self.kernel.map(|_| "-no-reboot".to_owned()));
        words
    }
}

/// The words before the processors, and before the memory in KiB.
const PROCESSORS: &str = "-smp";
const MEMORY: &str = "-m";

/// The size of a machine that these words start; `disk` is that of its own disk.
pub(super) fn size(words: &[String], disk: Option<u64>) -> Option<Size> {
    let after = |option: &str| words.iter().skip_while(|word| *word != option).nth(1);
    let memory: u64 = after(MEMORY)?.strip_suffix('K')?.parse().ok()?;
    Some(Size { memory: memory.checked_shl(10)?, processors: after(PROCESSORS)?.parse().ok()?, disk })
}

/// Gives the machine that these words start another size.
pub(super) fn set_size(words: &mut [String], size: Size) {
    for (option, value) in [(PROCESSORS, size.processors.to_string()), (MEMORY, format!("{}K", size.memory >> 10))] {
        let place = words.iter_mut().skip_while(|word| *word != option).nth(1);
        if let Some(word) = place {
            *word = value;
        }
    }
}

/// UEFI firmware, and the machine's own copy of its variables.
fn flash(firmware: &Firmware) -> [Value; 2] {
    let file = |path: &str| json!({ "driver": "file", "filename": path });
    [
        json!({"driver": "raw", "file": file(&firmware.code.display().to_string()), "node-name": "code0", "read-only": true}),
        json!({"driver": "raw", "file": file(VARIABLES), "node-name": "vars0"}),
    ]
}

/// The machine's own disk, and the seed.
fn from_disk() -> Vec<(&'static str, String)> {
    let own = json!({"driver": "file", "filename": OVERLAY, "node-name": "file0", "discard": "unmap"});
    let seed =
        json!({"driver": "vvfat", "dir": seed::FOLDER, "label": seed::LABEL, "read-only": true, "node-name": "seed0"});
    vec![
        ("-blockdev", disk(&own)),
        ("-blockdev", disk(&json!({"driver": "qcow2", "file": "file0", "node-name": DISK, "discard": "unmap"}))),
        // QEMU would else stop the machine where this machine's disk is full, and nobody would let it go on.
        ("-device", format!("virtio-blk-pci,drive={DISK},bootindex=1,werror=report")),
        ("-blockdev", disk(&seed)),
        ("-device", "virtio-blk-pci,drive=seed0".to_owned()),
    ]
}

/// The kernel, and what is loaded with it.
fn from_kernel(kernel: &Kernel) -> Vec<(&'static str, String)> {
    let mut options = vec![("-kernel", kernel.file.display().to_string())];
    if !kernel.arguments.is_empty() {
        options.push(("-append", kernel.arguments.clone()));
    }
    options.extend(kernel.initrd.as_ref().map(|file| ("-initrd", file.display().to_string())));
    // How a kernel without a power switch ends: with twice what it writes there, and one.
    options.push(("-device", "isa-debug-exit,iobase=0xf4,iosize=4".to_owned()));
    options
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
        Machine {
            name: "lab",
            memory: 256 << 20,
            processors: 1,
            network,
            ports,
            acceleration,
            kernel: None,
            firmware: None,
        }
        .words()
    }

    #[test]
    fn a_machine_gets_another_size_and_nothing_else_changes() {
        let mut words = machine(Network::Restricted, &[]);
        let first = size(&words, None).unwrap();
        assert_eq!((first.memory, first.processors), (256 << 20, 1));
        let before = words.join(" ");
        set_size(&mut words, Size { memory: 1 << 30, processors: 2, disk: None });
        assert_eq!(words.join(" "), before.replace("-smp 1 -m 262144K", "-smp 2 -m 1048576K"));
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
