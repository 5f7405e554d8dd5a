//! What a disk needs and what it was made of, in the words of each place: annotations in registries, properties in clouds.
//! So both are kept when it goes from one to the other.
//!
//! What it was made of is a link without sender (`wharf:…`), or the address of a file on the web. It is a claim of whoever
//! wrote it, and is told as one. It is never cut: half a link is none, and half an address is another one.

use std::collections::BTreeMap;

use super::{
    link::{Link, is_link},
    model::{DiskFacts, Image},
    reference::ImageRef,
};
use crate::base::clean;

/// The annotation of what an image in a registry was made of.
pub const FROM: &str = "org.wharf.disk.from";
/// The property of the same in a cloud.
pub const FROM_IN_CLOUD: &str = "wharf_from";
/// The properties of its halves, where it is too long for one: so neither is taken for the whole.
const HALVES_IN_CLOUD: [&str; 2] = ["wharf_from_1", "wharf_from_2"];
/// The most characters of a property that Glance keeps.
const LONGEST_IN_CLOUD: usize = 255;
/// Details of a file that tell what it was made of, and where it was fetched.
const FROM_OF_FILES: [&str; 2] = ["made from", "fetched from"];
/// The detail of a cloud's image that names the image of the machine that it is a snapshot of.
const SNAPSHOT_OF: &str = "made from image";
/// Annotations of a disk's needs: bytes, and words of Glance's properties.
const LEAST_DISK: &str = "org.wharf.disk.min-disk";
const LEAST_MEMORY: &str = "org.wharf.disk.min-memory";
const FIRMWARE: &str = "org.wharf.disk.firmware";
/// The annotation of the processor that a disk needs, in Go's words.
pub const ARCHITECTURE: &str = "org.wharf.disk.architecture";
/// The annotation of a disk's format, which each image has that was made of a disk file here.
pub const FORMAT: &str = "org.wharf.disk.format";
/// The detail of a cloud's image with its firmware.
const FIRMWARE_DETAIL: &str = "firmware";
const FIRMWARE_IN_CLOUD: &str = "hw_firmware_type";
/// Glance's older and newer name of one property.
const ARCHITECTURES_IN_CLOUD: [&str; 2] = ["architecture", "hw_architecture"];
/// Processors in Go's words, and in the kernel's (`uname -m`), which are those of clouds.
const PROCESSORS: [(&str, &str); 5] =
    [("amd64", "x86_64"), ("arm64", "aarch64"), ("386", "i686"), ("arm", "armv7l"), ("loong64", "loongarch64")];
/// The most characters of what it was made of, where that is no link.
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
    let named = claimed(&image.annotations, matches!(image.reference, ImageRef::File { .. }));
    match (&image.reference, image.annotations.get(SNAPSHOT_OF)) {
        (ImageRef::Glance { cloud, .. }, Some(of)) if named.is_empty() && !of.is_empty() => {
            format!("glance://{cloud}/{of}")
        }
        _ => named,
    }
}

fn claimed(annotations: &BTreeMap<String, String>, is_file: bool) -> String {
    let told = |key: &str| annotations.get(key).filter(|value| !value.is_empty()).cloned();
    let halves = || Some([told(HALVES_IN_CLOUD[0])?, told(HALVES_IN_CLOUD[1])?].concat());
    let file = || is_file.then(|| FROM_OF_FILES.into_iter().find_map(told)).flatten();
    let from = told(FROM).or_else(|| told(FROM_IN_CLOUD)).or_else(halves).or_else(file);
    from.map(|from| public(&from)).unwrap_or_default()
}

/// The processor that a cloud's image needs, in Go's words, by the values of its properties; empty if they say nothing.
pub fn architecture_in_cloud(property: impl Fn(&str) -> String) -> String {
    let told = ARCHITECTURES_IN_CLOUD.into_iter().map(property).find(|told| !told.is_empty()).unwrap_or_default();
    let known = PROCESSORS.into_iter().find(|(_, in_cloud)| *in_cloud == told);
    known.map_or(told, |(here, _)| here.to_owned())
}

/// What may be published of where something is from: of an address on the web, no account and no query, in which tokens
/// often are. Of what was cut on its way, nothing.
fn public(from: &str) -> String {
    if from.trim_end().ends_with('…') {
        return String::new();
    }
    if is_link(from) {
        return from.parse::<Link>().map(|link| clean::line(&link.to_string()).into_owned()).unwrap_or_default();
    }
    let from = clean::line(from).trim().to_owned();
    let told = match url::Url::parse(&from) {
        Ok(mut url) if url.has_host() && url.scheme() != "wharf" => {
            url.set_query(None);
            url.set_fragment(None);
            // Neither fails for an address with a host.
            let _ = (url.set_username(""), url.set_password(None));
            url.to_string()
        }
        _ => from,
    };
    if told.chars().count() > LONGEST { String::new() } else { told }
}

/// A link of at most so many characters if it can be one: the bytes that are meant are found without its region and its tag.
fn shortened(from: &str, most: usize) -> String {
    let Ok(link) = from.parse::<Link>() else { return from.to_owned() };
    if from.chars().count() <= most {
        return from.to_owned();
    }
    // A signature would not fit any more.
    let mut link = Link { sender: None, until: None, key: None, signature: None, ..link };
    if let Some(cloud) = &mut link.cloud {
        cloud.region = None;
    }
    let with_tag = link.to_string();
    if with_tag.chars().count() <= most { with_tag } else { Link { tag: None, ..link }.to_string() }
}

/// What something was made of as properties of a cloud's image: one, or two halves; none where it is longer.
fn in_cloud(from: &str) -> Vec<(&'static str, String)> {
    let from = shortened(from, LONGEST_IN_CLOUD);
    if from.chars().count() <= LONGEST_IN_CLOUD {
        return vec![(FROM_IN_CLOUD, from)];
    }
    // Each half is cleaned by itself when it is read, which must change nothing.
    let is_plain = from.bytes().all(|byte| byte.is_ascii_graphic());
    match from.split_at_checked(LONGEST_IN_CLOUD) {
        Some((first, second)) if is_plain && second.len() <= LONGEST_IN_CLOUD => {
            HALVES_IN_CLOUD.into_iter().zip([first.to_owned(), second.to_owned()]).collect()
        }
        _ => Vec::new(),
    }
}

impl DiskNeeds {
    /// What an image tells; `from` is what it is itself, for whoever makes something of it.
    pub fn of(image: &Image, from: String) -> Self {
        let disk = Self::add_to(image.disk.clone().unwrap_or_default(), &image.annotations);
        // What an index lists it for, where its publisher has said so.
        let platform = image.pinned.as_ref().and_then(|pinned| pinned.platform.as_ref());
        let chosen = platform.map(|platform| platform.architecture.clone()).unwrap_or_default();
        Self {
            least_disk: disk.least_disk,
            least_memory: disk.least_memory,
            architecture: if disk.architecture.is_empty() { chosen } else { disk.architecture },
            from,
            ..Self::told(&image.annotations)
        }
    }

    /// What annotations of a registry, or details of a cloud's image, say of a disk's needs. What makes no sense counts as
    /// not said.
    pub fn told(annotations: &BTreeMap<String, String>) -> Self {
        let told = |key: &str| annotations.get(key).map(String::as_str);
        let number = |key: &str| told(key).and_then(|value| value.parse().ok()).unwrap_or(0);
        let firmware = [FIRMWARE, FIRMWARE_DETAIL].into_iter().filter_map(told).find(|told| !told.is_empty());
        let firmware = firmware.filter(|firmware| ["uefi", "bios"].contains(firmware));
        let is_word = |word: &&str| word.len() <= 32 && word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        Self {
            least_disk: number(LEAST_DISK),
            least_memory: number(LEAST_MEMORY),
            firmware: firmware.unwrap_or_default().to_owned(),
            architecture: told(ARCHITECTURE).filter(is_word).unwrap_or_default().to_owned(),
            from: told(FROM).unwrap_or_default().to_owned(),
        }
    }

    /// As annotations of an image in a registry.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        let number = |bytes: u64| if bytes == 0 { String::new() } else { bytes.to_string() };
        let all = [
            (LEAST_DISK, number(self.least_disk)),
            (LEAST_MEMORY, number(self.least_memory)),
            (FIRMWARE, self.firmware.clone()),
            (ARCHITECTURE, self.architecture.clone()),
            (FROM, self.from.clone()),
        ];
        all.into_iter().filter(|(_, value)| !value.is_empty()).map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// As properties of an image in a cloud, without those that Glance has as fields. None is longer than Glance keeps.
    pub fn properties(&self) -> Vec<(String, String)> {
        let known = PROCESSORS.into_iter().find(|(here, _)| *here == self.architecture);
        let architecture = known.map_or(self.architecture.as_str(), |(_, in_cloud)| in_cloud);
        let needs = [(FIRMWARE_IN_CLOUD, self.firmware.clone()), (ARCHITECTURES_IN_CLOUD[0], architecture.to_owned())];
        needs
            .into_iter()
            .chain(in_cloud(&self.from))
            .filter(|(_, value)| !value.is_empty() && value.chars().count() <= LONGEST_IN_CLOUD)
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }

    /// Adds what annotations say to what was read of a disk itself, which counts more.
    pub fn add_to(disk: DiskFacts, annotations: &BTreeMap<String, String>) -> DiskFacts {
        let told = Self::told(annotations);
        let or = |known: u64, told: u64| if known == 0 { told } else { known };
        DiskFacts {
            least_disk: or(disk.least_disk, told.least_disk),
            least_memory: or(disk.least_memory, told.least_memory),
            architecture: if disk.architecture.is_empty() { told.architecture } else { disk.architecture },
            ..disk
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHA256: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// What a cloud's image says after an upload of something that was made of this.
    fn through_a_cloud(from: &str) -> String {
        let needs = DiskNeeds { from: from.to_owned(), ..DiskNeeds::default() };
        let properties = needs.properties();
        assert!(properties.iter().all(|(_, value)| value.chars().count() <= 255), "{properties:?}");
        claimed(&properties.into_iter().map(|(key, value)| (key, clean::short(&value, 400))).collect(), false)
    }

    /// A link to a cloud's image with the hash that Glance keeps.
    fn of_a_cloud(host: &str, region: &str) -> String {
        let (hash, id) = (format!("sha512%3A{}", "0123456789abcdef".repeat(8)), "0b5f3a70-1111-2222-3333-444455556666");
        format!("wharf:glance://{host}/{id}?hash={hash}&at=https%3A%2F%2F{host}%3A5000%2Fv3&region={region}")
    }

    #[test]
    fn a_link_is_never_cut_on_its_way_through_a_cloud() {
        let short = format!("wharf:oci://r.example/a@{SHA256}?tag=1");
        assert_eq!(through_a_cloud(&short), short);
        for link in [of_a_cloud("c.example", "RegionOne"), of_a_cloud("cloud.science.university.example.org", "one")] {
            assert!(link.len() > LONGEST_IN_CLOUD, "{link}");
            let (sent, came): (Link, Link) = (link.parse().unwrap(), through_a_cloud(&link).parse().unwrap());
            assert_eq!((came.digest(), &came.reference), (sent.digest(), &sent.reference));
            assert!(came.cloud.unwrap().is_same_as(&sent.cloud.unwrap()));
        }
        // What fits nowhere is left out, and so is what somebody has cut, or of which a half is missing.
        let endless = format!("wharf:oci://r.example/{}@{SHA256}", "a".repeat(600));
        assert_eq!(through_a_cloud(&endless), "");
        assert_eq!(through_a_cloud(&format!("https://x.example/{}", "é".repeat(250))), "");
        let link = of_a_cloud("cloud.science.university.example.org", "one");
        let halves: BTreeMap<String, String> =
            DiskNeeds { from: link.clone(), ..DiskNeeds::default() }.properties().into_iter().collect();
        assert_eq!(halves.len(), 2, "{halves:?}");
        for (key, value) in halves {
            assert_eq!(claimed(&BTreeMap::from([(key, value)]), false), "");
        }
        let cut = BTreeMap::from([(FROM_IN_CLOUD.to_owned(), clean::short(&link, 255))]);
        assert_eq!(claimed(&cut, false), "");
    }

    proptest::proptest! {
        #[test]
        fn what_comes_out_of_a_cloud_is_what_went_in_or_nothing(
            host in "[a-z]{1,60}(\\.[a-z]{1,60}){1,3}",
            path in "[a-z]{1,300}",
            tag in "[a-z0-9]{1,100}",
            region in "[A-Za-z0-9 é]{1,100}",
        ) {
            for link in [of_a_cloud(&host, &region), format!("wharf:oci://{host}/{path}@{SHA256}?tag={tag}")] {
                let came = through_a_cloud(&link);
                if !came.is_empty() {
                    let (sent, came): (Link, Link) = (link.parse().unwrap(), came.parse().unwrap());
                    proptest::prop_assert_eq!(came.digest(), sent.digest());
                    proptest::prop_assert_eq!(came.reference.without_version(), sent.reference.without_version());
                }
            }
        }
    }

    #[test]
    fn tokens_and_accounts_of_an_address_are_not_published() {
        let link = format!("wharf:oci://r.example/a@{SHA256}?tag=1");
        for (from, told) in [
            ("https://ada:secret@x.example/disk.img?user=1&_auth_=abc#x", "https://x.example/disk.img"),
            ("ftp://x.example/a.img", "ftp://x.example/a.img"),
            (&*link, &*link),
            ("wharf:oci://r.example/a@sha256:e3b0c4…", ""),
            ("wharf:oci://r.example/a@sha256:e3b0c4", ""),
            ("https://x.example/a/very/long/na…", ""),
            (&*format!("https://x.example/{}", "a".repeat(LONGEST)), ""),
            ("docker.io/library/alpine:3", "docker.io/library/alpine:3"),
        ] {
            assert_eq!(public(from), told);
        }
    }

    #[test]
    fn processors_have_their_words_in_each_place() {
        for (here, there) in PROCESSORS.into_iter().chain([("s390x", "s390x")]) {
            let needs = DiskNeeds { architecture: here.into(), ..DiskNeeds::default() };
            assert_eq!(needs.properties(), [("architecture".to_owned(), there.to_owned())]);
            for name in ARCHITECTURES_IN_CLOUD {
                let property = |asked: &str| if asked == name { there.to_owned() } else { String::new() };
                assert_eq!(architecture_in_cloud(property), here);
            }
        }
        assert_eq!(architecture_in_cloud(|_| String::new()), "");
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
        assert_eq!(DiskNeeds::told(&annotations), needs);
        let disk = DiskNeeds::add_to(DiskFacts::default(), &annotations);
        assert_eq!((disk.least_disk, disk.least_memory), (10 << 30, 512 << 20));
        assert_eq!(disk.architecture, "amd64");
        let known = DiskFacts { least_disk: 1, architecture: "arm64".into(), ..DiskFacts::default() };
        let known = DiskNeeds::add_to(known, &annotations);
        assert_eq!((known.least_disk, known.architecture.as_str()), (1, "arm64"), "what was read counts more");
        let hostile = [(LEAST_DISK, "-1".to_owned()), (LEAST_MEMORY, "9".repeat(40)), (ARCHITECTURE, "a b".to_owned())]
            .map(|(key, value)| (key.to_owned(), value));
        let hostile = DiskNeeds::add_to(DiskFacts::default(), &hostile.into_iter().collect());
        assert_eq!((hostile.least_disk, hostile.least_memory, hostile.architecture.as_str()), (0, 0, ""));
        assert_eq!(
            needs.properties(),
            [("hw_firmware_type", "uefi"), ("architecture", "x86_64"), ("wharf_from", needs.from.as_str())]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
        );
        assert!(DiskNeeds::default().annotations().is_empty() && DiskNeeds::default().properties().is_empty());
    }
}
