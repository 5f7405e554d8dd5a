//! A machine as libvirt's domain (<https://libvirt.org/formatdomain.html>). Pure functions: what a plan shows is what is
//! defined.

use wharf_core::launch::published::Published;

use crate::machines::{acceleration::Acceleration, ask::Network};

/// The namespace of what Wharf notes in a domain.
const NOTE: &str = "urn:org.wharf:launch:1";

/// A machine to be defined.
pub(super) struct Domain<'a> {
    /// The name: letters, digits and `-`.
    pub name: &'a str,
    pub key: &'a str,
    pub reference: &'a str,
    pub digest: &'a str,
    /// The memory in bytes.
    pub memory: u64,
    pub processors: u64,
    pub acceleration: Acceleration,
    /// Whether UEFI starts its disk.
    pub is_uefi: bool,
    pub network: Network,
    pub ports: &'a [Published],
    /// The machine's own disk, the seed, and the console's socket and output.
    pub disk: &'a str,
    pub seed: &'a str,
    pub console: &'a str,
    pub log: &'a str,
}

/// What UEFI without keys of its own is, in libvirt's words.
const NOT_SECURE: &str = "<firmware><feature enabled=\"no\" name=\"enrolled-keys\"/>\
                          <feature enabled=\"no\" name=\"secure-boot\"/></firmware>";

/// A text as XML has it, also in an attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // XML 1.0 has no other control characters, and these would be blanks.
            '\n' | '\r' | '\t' => out.push_str(&format!("&#{};", u32::from(c))),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// An id that is the same for the same key, so that a domain that is defined twice is one.
pub(super) fn uuid(key: &str) -> String {
    let digest = wharf_core::base::digest::Digest::of(format!("wharf {key}").as_bytes());
    let hex = digest.hex();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    // Version 8 (RFC 9562, section 5.8): made in a way of our own.
    format!("{}-{}-8{}-8{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
}

impl Domain<'_> {
    /// The document.
    pub(super) fn xml(&self) -> String {
        let (kind, cpu) = match self.acceleration {
            Acceleration::Kvm => ("kvm", "host-passthrough"),
            Acceleration::Software(_) => ("qemu", "maximum"),
        };
        let memory = self.memory >> 10;
        // libvirt chooses it by the same descriptions, and copies its variables.
        let (how, features) = if self.is_uefi { (" firmware=\"efi\"", NOT_SECURE) } else { ("", "") };
        let disk = |file: &str, target: &str, order: &str, only: &str| {
            format!(
                "    <disk type=\"file\" device=\"disk\">\n      <driver name=\"qemu\" type=\"qcow2\" discard=\"unmap\" \
                 error_policy=\"report\"/>\n      <source file=\"{}\"/>\n      <target dev=\"{target}\" \
                 bus=\"virtio\"/>\n{order}{only}    </disk>\n",
                escaped(file)
            )
        };
        let own = disk(self.disk, "vda", "      <boot order=\"1\"/>\n", "");
        let seed = disk(self.seed, "vdb", "", "      <readonly/>\n");
        format!(
            "<domain type=\"{kind}\" xmlns:qemu=\"http://libvirt.org/schemas/domain/qemu/1.0\">\n  \
             <name>{}</name>\n  <uuid>{}</uuid>\n  \
             <metadata><wharf:launch xmlns:wharf=\"{NOTE}\" key=\"{}\" digest=\"{}\" reference=\"{}\"/></metadata>\n  \
             <memory unit=\"KiB\">{memory}</memory>\n  <vcpu>{}</vcpu>\n  \
             <os{how}><type arch=\"x86_64\" machine=\"q35\">hvm</type>{features}</os>\n  \
             <features><acpi/></features>\n  <cpu mode=\"{cpu}\"/>\n  \
             <on_poweroff>destroy</on_poweroff>\n  <on_reboot>restart</on_reboot>\n  <on_crash>destroy</on_crash>\n  \
             <devices>\n{own}{seed}    \
             <serial type=\"unix\"><source mode=\"bind\" path=\"{}\"/><log file=\"{}\" append=\"on\"/><target port=\"0\"/></serial>\n    \
             <rng model=\"virtio\"><backend model=\"random\">/dev/urandom</backend></rng>\n    \
             <memballoon model=\"none\"/>\n  </devices>\n{}</domain>\n",
            escaped(self.name),
            uuid(self.key),
            escaped(self.key),
            escaped(self.digest),
            escaped(self.reference),
            self.processors,
            escaped(self.console),
            escaped(self.log),
            self.commands(),
        )
    }

    /// The network: libvirt has no word for one that answers at forwarded ports and reaches nothing.
    fn commands(&self) -> String {
        let Some(card) = self.network.netdev("wharf0", self.ports) else { return String::new() };
        let words = ["-netdev", &card, "-device", "virtio-net-pci,netdev=wharf0,addr=0x10"];
        let words = words.map(|word| format!("    <qemu:arg value=\"{}\"/>\n", escaped(word))).concat();
        format!("  <qemu:commandline>\n{words}  </qemu:commandline>\n")
    }
}

/// The description of a copy of a machine's own disk into a new file.
pub(super) fn backup(file: &str) -> String {
    format!(
        "<domainbackup mode=\"push\">\n  <disks>\n    <disk name=\"vda\" type=\"file\" backup=\"yes\">\n      \
         <target file=\"{}\"/>\n      <driver type=\"qcow2\"/>\n    </disk>\n    \
         <disk name=\"vdb\" backup=\"no\"/>\n  </disks>\n</domainbackup>\n",
        escaped(file)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn xml(network: Network, reference: &str) -> String {
        let port = Published { address: "127.0.0.1".into(), port: 8080, inside: 80, protocol: "tcp".into() };
        Domain {
            name: "lab-1a2b",
            key: "1a2b",
            reference,
            digest: "sha256:00",
            memory: 256 << 20,
            processors: 2,
            acceleration: Acceleration::Software("test"),
            network,
            ports: &[port],
            disk: "/state/a&b/overlay.qcow2",
            seed: "/state/seed.qcow2",
            is_uefi: false,
            console: "/state/console.sock",
            log: "/state/log.0",
        }
        .xml()
    }

    #[test]
    fn a_domain_reaches_what_was_chosen_and_says_what_it_is() {
        let closed = xml(Network::Restricted, "file:/x");
        assert!(closed.contains("restrict=on,hostfwd=tcp:127.0.0.1:8080-:80"), "{closed}");
        assert!(closed.contains("key=\"1a2b\" digest=\"sha256:00\" reference=\"file:/x\""), "{closed}");
        assert!(closed.contains("<memory unit=\"KiB\">262144</memory>"));
        assert!(xml(Network::User, "").contains("restrict=off"));
        assert!(!xml(Network::None, "").contains("commandline"));
    }

    #[test]
    fn nothing_in_a_name_becomes_a_part_of_the_document() {
        let odd = xml(Network::None, "file:/x\"/><devices>&\u{1b}\n");
        assert!(odd.contains("reference=\"file:/x&quot;/&gt;&lt;devices&gt;&amp;\u{fffd}&#10;\""), "{odd}");
        assert!(odd.contains("/state/a&amp;b/overlay.qcow2"));
    }

    #[test]
    fn the_same_key_is_the_same_domain() {
        let id = uuid("1a2b");
        assert_eq!(id, uuid("1a2b"));
        assert!(id != uuid("1a2c") && wharf_core::base::text::is_uuid(&id), "{id}");
    }
}
