//! What a disk needs and what it was made of, in the words of each place: annotations in registries, properties in clouds.
//! So both are kept when it goes from one to the other.
//!
//! What it was made of is a link without sender (`wharf:…`), or the address of a file on the web. It is a claim of whoever
//! wrote it, and is told as one.

use std::collections::BTreeMap;

use super::{
    model::{DiskFacts, Image},
    reference::ImageRef,
};
use crate::base::clean;

/// The annotation of what an image in a registry was made of.
pub const FROM: &str = "org.wharf.disk.from";
/// The property of the same in a cloud.
pub const FROM_IN_CLOUD: &str = "wharf_from";
/// Details of a file that tell what it was made of, and where it was fetched.
const FROM_OF_FILES: [&str; 2] = ["made from", "fetched from"];
/// The detail of a cloud's image that names the image of the machine that it is a snapshot of.
const SNAPSHOT_OF: &str = "made from image";
/// Annotations of a disk's needs: bytes, and words of Glance's properties.
const LEAST_DISK: &str = "org.wharf.disk.min-disk";
const LEAST_MEMORY: &str = "org.wharf.disk.min-memory";
const FIRMWARE: &str = "org.wharf.disk.firmware";
/// The detail of a cloud's image with its firmware.
const FIRMWARE_DETAIL: &str = "firmware";
const FIRMWARE_IN_CLOUD: &str = "hw_firmware_type";
const ARCHITECTURE_IN_CLOUD: &str = "architecture";
/// The most characters of what it was made of.
const LONGEST: usize = 500;

/// What a disk needs, and what it was made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DiskNeeds {
    /// The smallest disk in bytes; 0 if unknown.
    pub least_disk: u64,
    /// The least memory in bytes; 0 if unknown.
    pub least_memory: u64,
    /// `uefi` or `bios`; empty if unknown.
    pub firmware: String,
    /// The processor in Go's words; empty if unknown.
    pub architecture: String,
    /// A link or an address; empty if unknown.
    pub from: String,
}

/// What an image says that it was made of; empty if it says nothing.
pub fn made_from(image: &Image) -> String {
    let told = |key: &str| image.annotations.get(key).filter(|value| !value.is_empty());
    let is_file = matches!(image.reference, ImageRef::File { .. });
    let file = is_file.then(|| FROM_OF_FILES.into_iter().find_map(told)).flatten();
    let named = told(FROM).or_else(|| told(FROM_IN_CLOUD)).or(file).map(|from| public(from));
    let snapshot = || match &image.reference {
        ImageRef::Glance { cloud, .. } => Some(format!("glance://{cloud}/{}", told(SNAPSHOT_OF)?)),
        _ => None,
    };
    named.or_else(snapshot).unwrap_or_default()
}

/// What may be published of where something is from: of an address on the web, no account and no query, in which tokens
/// often are.
fn public(from: &str) -> String {
    let from = clean::short(from, LONGEST);
    match url::Url::parse(&from) {
        Ok(mut url) if url.has_host() && url.scheme() != "wharf" => {
            url.set_query(None);
            url.set_fragment(None);
            // Neither fails for an address with a host.
            let _ = (url.set_username(""), url.set_password(None));
            url.to_string()
        }
        _ => from,
    }
}

impl DiskNeeds {
    /// What an image tells; `from` is what it is itself, for whoever makes something of it.
    pub fn of(image: &Image, from: String) -> Self {
        let disk = image.disk.clone().unwrap_or_default();
        let told = |key: &str| image.annotations.get(key).cloned().unwrap_or_default();
        let firmware = [FIRMWARE, FIRMWARE_DETAIL].into_iter().map(told).find(|told| !told.is_empty());
        let firmware = firmware.filter(|firmware| ["uefi", "bios"].contains(&firmware.as_str()));
        Self {
            least_disk: disk.least_disk,
            least_memory: disk.least_memory,
            firmware: firmware.unwrap_or_default(),
            architecture: disk.architecture,
            from,
        }
    }

    /// As annotations of an image in a registry.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let number = |bytes: u64| if bytes == 0 { String::new() } else { bytes.to_string() };
        let all = [
            (LEAST_DISK, number(self.least_disk)),
            (LEAST_MEMORY, number(self.least_memory)),
            (FIRMWARE, self.firmware.clone()),
            (FROM, self.from.clone()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// As properties of an image in a cloud, without those that Glance has as fields.
    pub fn properties(&self) -> Vec<(String, String)> {
        // Glance's words are the kernel's (uname -m).
        let architecture = match self.architecture.as_str() {
            "amd64" => "x86_64",
            "arm64" => "aarch64",
            other => other,
        };
        let all = [
            (FIRMWARE_IN_CLOUD, self.firmware.as_str()),
            (ARCHITECTURE_IN_CLOUD, architecture),
            (FROM_IN_CLOUD, self.from.as_str()),
        ];
        all.into_iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    /// Adds what annotations say to what was read of a disk itself, which counts more.
    pub fn add_to(disk: DiskFacts, annotations: &BTreeMap<String, String>) -> DiskFacts {
        let number = |key: &str| annotations.get(key).and_then(|value| value.parse().ok()).unwrap_or(0);
        let or = |known: u64, key: &str| if known == 0 { number(key) } else { known };
        DiskFacts {
            least_disk: or(disk.least_disk, LEAST_DISK),
            least_memory: or(disk.least_memory, LEAST_MEMORY),
            ..disk
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_accounts_of_an_address_are_not_published() {
        for (from, told) in [
            ("https://ada:secret@x.example/disk.img?user=1&_auth_=abc#x", "https://x.example/disk.img"),
            ("ftp://x.example/a.img", "ftp://x.example/a.img"),
            ("wharf:oci://r.example/a@sha256:1?tag=1", "wharf:oci://r.example/a@sha256:1?tag=1"),
            ("docker.io/library/alpine:3", "docker.io/library/alpine:3"),
        ] {
            assert_eq!(public(from), told);
        }
    }

    #[test]
    fn needs_survive_the_way_through_a_registry() {
        let needs = DiskNeeds {
            least_disk: 10 << 30,
            least_memory: 512 << 20,
            firmware: "uefi".into(),
            architecture: "amd64".into(),
            from: "wharf:glance://c.example/x?hash=sha512:1".into(),
        };
        let annotations = needs.annotations();
        let disk = DiskNeeds::add_to(DiskFacts { architecture: "amd64".into(), ..DiskFacts::default() }, &annotations);
        assert_eq!((disk.least_disk, disk.least_memory), (10 << 30, 512 << 20));
        let known = DiskFacts { least_disk: 1, ..DiskFacts::default() };
        assert_eq!(DiskNeeds::add_to(known, &annotations).least_disk, 1, "what was read counts more");
        let hostile = [(LEAST_DISK.to_owned(), "-1".to_owned()), (LEAST_MEMORY.to_owned(), "9".repeat(40))];
        let hostile = DiskNeeds::add_to(DiskFacts::default(), &hostile.into_iter().collect());
        assert_eq!((hostile.least_disk, hostile.least_memory), (0, 0));
        assert_eq!(
            needs.properties(),
            [("hw_firmware_type", "uefi"), ("architecture", "x86_64"), ("wharf_from", needs.from.as_str())]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert!(DiskNeeds::default().annotations().is_empty() && DiskNeeds::default().properties().is_empty());
    }
}
