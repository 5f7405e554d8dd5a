//! The list of a mirror: which images of other registries a site keeps in its own.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    base::{
        blocking::blocking,
        digest::Digest,
        error::{During, Error, Result},
        mistakes,
        pace::{Hours, Rate},
        small_file, text,
    },
    image::{manifest::Manifest, model::Platform, reference::ImageRef},
};

/// The most images in a list.
const MOST: usize = 5000;
/// The largest image that is mirrored where the list does not say otherwise, in bytes.
const LARGEST: u64 = 50 << 30;
/// The pause between two rounds where the list does not say otherwise, in seconds.
const EVERY: i64 = 6 * 3600;
/// The shortest pause between two rounds, in seconds: the registries outside are everybody's.
pub const SHORTEST: i64 = 300;

/// The annotations of an index that was written for chosen platforms: the digest of what it was made of, and for which
/// platforms. They are in the site's registry, so that any later round on any machine knows it.
const SOURCE: &str = "org.wharf.mirror.source-digest";
const PLATFORMS: &str = "org.wharf.mirror.platforms";

/// A list as it is written (TOML).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// `HOST/PROJECT` of the registry that the copies go into.
    into: String,
    /// How fast, and at which hours.
    rate: Option<Rate>,
    hours: Option<Hours>,
    /// The pause between two rounds, like `6h`.
    every: Option<String>,
    /// The largest image, in MiB.
    largest_mib: Option<u64>,
    #[serde(default)]
    image: Vec<WrittenImage>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenImage {
    name: String,
    tags: Vec<String>,
    #[serde(default)]
    platforms: Vec<Platform>,
    /// Where it goes below `into`; its own path where it is empty.
    #[serde(default)]
    to: String,
}

/// The list of a mirror.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorList {
    /// How fast bytes are moved at most.
    pub rate: Option<Rate>,
    /// At which hours bytes are moved.
    pub hours: Option<Hours>,
    /// The pause between two rounds, in seconds.
    pub every: i64,
    /// The largest image, in bytes.
    pub largest: u64,
    /// All images, in the order of the list.
    pub images: Vec<MirrorImage>,
}

/// An image that is mirrored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MirrorImage {
    /// The image outside, with its tag.
    pub from: ImageRef,
    /// Its name in the site's registry.
    pub to: ImageRef,
    /// The platforms that are copied; all where there are none.
    pub platforms: Vec<Platform>,
}

impl MirrorImage {
    /// The annotations of the index that is written for the chosen platforms of `source`; none where all are copied.
    pub fn annotations(&self, source: &Digest) -> BTreeMap<String, String> {
        if self.platforms.is_empty() {
            return BTreeMap::new();
        }
        let platforms: Vec<String> = self.platforms.iter().map(ToString::to_string).collect();
        BTreeMap::from([(SOURCE.to_owned(), source.to_string()), (PLATFORMS.to_owned(), platforms.join(","))])
    }

    /// Whether a manifest in the site's registry is what is made of `source` for the chosen platforms.
    pub fn is_made_of(&self, kept: &Manifest, source: &Digest) -> bool {
        let Manifest::Index { annotations, .. } = kept else { return false };
        let wanted = self.annotations(source);
        !wanted.is_empty() && wanted.iter().all(|(key, value)| annotations.get(key) == Some(value))
    }
}

impl MirrorList {
    /// Reads the list in a file.
    ///
    /// # Errors
    /// `Failed` where it cannot be read, else those of [`parse`](Self::parse).
    pub async fn read(file: &Path) -> Result<Self> {
        let (what, file) = (format!("read {}", file.display()), file.to_owned());
        let read = blocking(move || small_file::text(&file)).await.during(&what)?;
        Self::parse(&read.during(&what)?, &what)
    }

    /// Reads a list. Names mean what they mean to Podman without short names: `debian` is on Docker Hub.
    ///
    /// # Errors
    /// `Usage` with the line of the mistake.
    pub fn parse(written: &str, what: &str) -> Result<Self> {
        let wrong = |why: String| Error::usage(what, why).hint("the manual page has an example: wharf man");
        let (list, mistakes) = mistakes::parse::<Written>(written);
        if let Some(first) = mistakes.first() {
            return Err(wrong(format!("line {}: {}", first.line, first.words)));
        }
        let list = list.ok_or_else(|| wrong("it is no list".to_owned()))?;
        let every = match &list.every {
            None => EVERY,
            Some(every) => text::span(every).ok_or_else(|| wrong(format!("every: '{every}' is no time like 6h")))?,
        };
        let mut images = Vec::new();
        for image in &list.image {
            for tag in &image.tags {
                let named = format!("{}:{tag}", image.name);
                let from: ImageRef = named.parse().map_err(|error: Error| wrong(error.to_string()))?;
                let (ImageRef::Oci(name), true) = (&from, from.digest().is_none() && from.tag() == Some(tag)) else {
                    return Err(wrong(format!("'{named}' is no image of a registry with a tag")));
                };
                let path = if image.to.is_empty() { name.repository.clone() } else { image.to.clone() };
                let target = format!("oci://{}/{path}:{tag}", list.into.trim_end_matches('/'));
                let to: ImageRef = target.parse().map_err(|error: Error| wrong(error.to_string()))?;
                let inside = to.name().is_some_and(|there| {
                    let (host, project) = list.into.split_once('/').unwrap_or((&list.into, ""));
                    there.host == host && there.repository.starts_with(&format!("{project}/"))
                });
                if !inside || list.into.split_once('/').is_none_or(|(_, project)| project.is_empty()) {
                    return Err(wrong(format!("'{target}' is not below into = \"{}\" (HOST/PROJECT)", list.into)));
                }
                if images.iter().any(|known: &MirrorImage| known.to == to) {
                    return Err(wrong(format!("two images go to '{target}'")));
                }
                images.push(MirrorImage { from, to, platforms: image.platforms.clone() });
            }
        }
        if images.len() > MOST {
            return Err(wrong(format!("it has more than {MOST} images")));
        }
        Ok(Self {
            rate: list.rate,
            hours: list.hours,
            every: every.max(SHORTEST),
            largest: list.largest_mib.map_or(LARGEST, |mib| mib.saturating_mul(1 << 20)),
            images,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tag_of_a_list_goes_below_the_sites_project() {
        let list = MirrorList::parse(
            "into = \"registry.example.org/mirror\"\nrate = \"50M\"\nevery = \"2h\"\nlargest_mib = 1024\n\
             [[image]]\nname = \"debian\"\ntags = [\"12\", \"11\"]\nplatforms = [\"linux/amd64\"]\n\
             [[image]]\nname = \"quay.io/bio/blast\"\ntags = [\"2.15\"]\nto = \"blast\"\n",
            "read",
        )
        .unwrap();
        let pairs: Vec<(String, String)> =
            list.images.iter().map(|image| (image.from.to_string(), image.to.to_string())).collect();
        let pair = |from: &str, to: &str| (format!("oci://{from}"), format!("oci://registry.example.org/mirror/{to}"));
        assert_eq!(
            pairs,
            [
                pair("docker.io/library/debian:12", "library/debian:12"),
                pair("docker.io/library/debian:11", "library/debian:11"),
                pair("quay.io/bio/blast:2.15", "blast:2.15"),
            ]
        );
        assert_eq!((list.every, list.largest), (7200, 1 << 30));
    }

    #[test]
    fn what_was_made_of_the_same_source_for_the_same_platforms_is_known_again() {
        let of = |platforms: &[&str]| MirrorImage {
            from: "docker.io/library/debian:12".parse().unwrap(),
            to: "oci://registry.example.org/mirror/debian:12".parse().unwrap(),
            platforms: platforms.iter().map(|platform| platform.parse().unwrap()).collect(),
        };
        let kept =
            |annotations| Manifest::Index { manifests: Vec::new(), annotations, subject: None, artifact_type: None };
        let (source, newer) = (Digest::of(b"source"), Digest::of(b"newer"));
        let two = of(&["linux/amd64", "linux/arm64"]);
        let made = kept(two.annotations(&source));
        assert!(two.is_made_of(&made, &source));
        assert!(!two.is_made_of(&made, &newer), "the tag has moved");
        assert!(!of(&["linux/amd64"]).is_made_of(&made, &source), "other platforms are wanted now");
        assert!(!two.is_made_of(&kept(BTreeMap::new()), &source), "nobody says what it was made of");
        assert!(!of(&[]).is_made_of(&made, &source) && of(&[]).annotations(&source).is_empty());
    }

    #[test]
    fn a_list_that_leads_out_of_its_project_or_has_no_tags_is_refused() {
        let image = |name: &str, tag: &str, to: &str| {
            format!("[[image]]\nname = \"{name}\"\ntags = [\"{tag}\"]\nto = \"{to}\"\n")
        };
        let into = "into = \"r.example/mirror\"\n";
        for wrong in [
            String::new(),
            image("debian", "12", ""),
            format!("into = \"r.example\"\n{}", image("debian", "12", "")),
            format!("{into}{}", image("debian", "1 2", "")),
            format!("{into}{}", image("file:/etc/passwd", "12", "")),
            format!("{into}{}", image("debian", "12", "../other")),
            format!("{into}{}", image("debian@sha256:12", "12", "")),
            format!("{into}{}{}", image("debian", "12", "one"), image("ubuntu", "12", "one")),
            format!("{into}every = \"soon\"\n"),
            format!("{into}speed = 3\n"),
        ] {
            assert!(MirrorList::parse(&wrong, "read").is_err(), "{wrong}");
        }
        let list = MirrorList::parse(&format!("{into}every = \"1min\"\n"), "read").unwrap();
        assert_eq!(list.every, SHORTEST);
    }
}
