//! Manifests, indexes and configurations (OCI image specification, and Docker's schema 2).

use super::{
    artifact::Artifact,
    configuration::Configuration,
    document::{self, Refusal},
    model::{Image, ImageKind, Layer, Pinned, PlatformEntry},
    platform::{self, Platform},
    reference::ImageRef,
};
use crate::base::{
    clean,
    digest::Digest,
    error::{Error, Kind, Result},
    json, text,
};

pub use super::manifest_model::{
    ALL_TYPES, DOCKER_LIST, DOCKER_MANIFEST, Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST,
};

/// Largest manifest in bytes; the specification asks registries to accept 4 MiB.
pub const MANIFEST_LIMIT: usize = 4 << 20;
/// Largest configuration in bytes.
pub const CONFIG_LIMIT: usize = 8 << 20;

impl Descriptor {
    /// Fails if a manifest does not have the digest, size and type that this descriptor states.
    pub fn verify(&self, manifest: &RawManifest, what: &str) -> Result<()> {
        self.digest.matches(&manifest.digest, what)?;
        let (size, kind) = (manifest.bytes.len(), &manifest.media_type);
        let wrong = |why: String| {
            Err(Error::new(Kind::Integrity, what, why).hint("do not use it; tell the publisher of the image"))
        };
        if self.size != size as u64 {
            return wrong(format!("{} has {size} bytes, and is said to have {}", self.digest.short(), self.size));
        }
        if self.media_type != *kind {
            return wrong(format!("{} is a '{kind}', and is said to be a '{}'", self.digest.short(), self.media_type));
        }
        Ok(())
    }
}

/// A manifest or index with its bytes. Documents that could be read in two ways are refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// The media type, as stated by its place or by itself.
    pub media_type: String,
    /// The original bytes, which the digest is of.
    pub bytes: bytes::Bytes,
    /// The digest, computed here from the bytes.
    pub digest: Digest,
    /// The content of the document.
    said: Manifest,
}

impl RawManifest {
    /// Reads and hashes bytes. If the place states no useful type, the document's own is used.
    pub fn new(media_type: Option<&str>, bytes: bytes::Bytes, what: &str) -> Result<Self> {
        let digest = Digest::of(&bytes);
        Self::hashed(digest, media_type, bytes, what)
    }

    /// Reads bytes that must have this digest.
    pub fn with_digest(digest: &Digest, media_type: Option<&str>, bytes: bytes::Bytes, what: &str) -> Result<Self> {
        digest.check(&bytes, what)?;
        Self::hashed(digest.clone(), media_type, bytes, what)
    }

    fn hashed(digest: Digest, stated: Option<&str>, bytes: bytes::Bytes, what: &str) -> Result<Self> {
        let refused = |refusal| match refusal {
            Refusal::Unknown(why) => {
                let stated = stated.filter(|_| bytes.first() != Some(&b'{'));
                let came_as =
                    stated.map_or_else(String::new, |kind| format!(" (it came as {})", clean::short(kind, 60)));
                Error::new(Kind::Failed, what, format!("not a manifest we know: {why}{came_as}"))
                    .hint("tell the publisher of the image")
            }
            Refusal::Ambiguous(why) => {
                Error::new(Kind::Integrity, what, format!("the manifest can be read in more than one way: {why}"))
                    .hint("do not use it: another program may take it for another image")
            }
        };
        let (kind, said) = document::manifest(stated, &bytes).map_err(refused)?;
        Ok(Self { media_type: kind.to_owned(), bytes, digest, said })
    }

    /// The content of the document.
    pub fn parsed(&self) -> &Manifest {
        &self.said
    }
}

fn unreadable(what: &str, why: &str) -> Error {
    Error::new(Kind::Failed, what, format!("the manifest cannot be read: {why}"))
        .hint("tell the publisher of the image")
}

/// The entry of an index for the platform `wanted`: the best fit, and the first of equal ones ("the first matching
/// entry SHOULD be used", image specification 1.1, image-index.md). Statements about images (`unknown/unknown`) and
/// entries without a platform never fit.
pub fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform, what: &str) -> Result<&'a Descriptor> {
    let level = platform::processor_level();
    let fit = |entry: &&Descriptor| entry.platform.as_ref().and_then(|platform| platform.fit(wanted, level));
    let images = manifests.iter().filter(|entry| !entry.is_index());
    // An entry of unknown type is taken only if there is no other, and then reported as such.
    images.filter(|entry| fit(entry).is_some()).min_by_key(|entry| (!entry.is_manifest(), fit(entry))).ok_or_else(
        || {
            let offered: Vec<_> = platforms_of(manifests).iter().map(|entry| entry.platform.to_string()).collect();
            Error::not_found(what, format!("it is not built for {wanted}")).hint(if offered.is_empty() {
                "the index names no platforms".to_owned()
            } else {
                format!("it is built for {}: choose one with --platform", offered.join(", "))
            })
        },
    )
}

/// The platforms of an index, without statements about images.
pub fn platforms_of(manifests: &[Descriptor]) -> Vec<PlatformEntry> {
    manifests
        .iter()
        .filter(|entry| !entry.is_index())
        .filter_map(|entry| {
            let platform = entry.platform.clone().filter(Platform::is_known)?;
            Some(PlatformEntry { platform, digest: entry.digest.clone() })
        })
        .collect()
}

/// The parts from which an image's page is built.
pub struct ImageParts<'a> {
    /// The reference as the person named it.
    pub reference: &'a ImageRef,
    /// The document that the reference means.
    pub top: &'a RawManifest,
    /// The entries of the index, including those of indexes in it; empty for a plain image.
    pub listed: &'a [Descriptor],
    /// The platform's manifest; the same as `top` for a plain image.
    pub manifest: &'a RawManifest,
    /// The bytes of the configuration, verified by digest.
    pub config: &'a [u8],
}

/// Builds an image's page from verified bytes.
pub fn describe(parts: &ImageParts<'_>, what: &str) -> Result<Image> {
    let Manifest::Image { config: config_descriptor, layers, annotations, .. } = parts.manifest.parsed() else {
        return Err(unreadable(what, "it is an index, not one image"));
    };
    let mut annotations = annotations.clone();
    let mut platforms = platforms_of(parts.listed);
    if let Manifest::Index { annotations: outer, .. } = parts.top.parsed() {
        for (key, value) in outer {
            annotations.entry(key.clone()).or_insert_with(|| value.clone());
        }
    }
    readable_alike(parts.config, what)?;
    // Artifacts (an SBOM, a signature) have other configurations, and no facts about running.
    let config = Configuration::parse(parts.config);
    let artifact = Artifact::from_manifest(parts.manifest.parsed(), config.as_ref());
    let is_sif = artifact.as_ref().is_some_and(|artifact| artifact.is_sif(parts.manifest.parsed()));
    let artifact = artifact.filter(|_| !is_sif);
    let own = config.as_ref().and_then(|config| config.platform.clone());
    // An entry may name no platform; its configuration does.
    let named = platforms.iter().any(|entry| entry.digest == parts.manifest.digest);
    if let (false, Some(platform)) = (named, own.clone().filter(Platform::is_known)) {
        platforms.push(PlatformEntry { platform, digest: parts.manifest.digest.clone() });
    }
    let Configuration { created, run, history, .. } = config.unwrap_or_default();
    let mut steps = history.iter().filter(|(_, empty)| !empty).map(|(step, _)| step.clone());
    let layers: Vec<Layer> = layers
        .iter()
        .map(|layer| Layer {
            digest: Some(layer.digest.clone()),
            size: layer.size,
            media_type: layer.media_type.clone(),
            created_by: steps.next().unwrap_or_default(),
        })
        .collect();
    let annotated = annotations.get("org.opencontainers.image.created");
    let created = created.or_else(|| annotated.and_then(|time| text::parse_timestamp(time)));
    Ok(Image {
        reference: parts.reference.clone(),
        kind: match artifact {
            _ if is_sif => ImageKind::Sif,
            Some(_) => ImageKind::Artifact,
            None => ImageKind::Container,
        },
        pinned: Some(Pinned {
            reference: parts.reference.with_digest(&parts.top.digest),
            digest: parts.top.digest.clone(),
            platform: own,
            manifest: parts.manifest.digest.clone(),
        }),
        media_type: parts.top.media_type.clone(),
        created,
        platforms,
        config: run,
        annotations,
        size: layers.iter().map(|layer| layer.size).fold(config_descriptor.size, u64::saturating_add),
        layers,
        history: history.into_iter().map(|(step, _)| step).collect(),
        disk: None,
        signed: None,
        statement: None,
        artifact,
        publisher: crate::base::badge::Publisher::Unknown,
    })
}

/// The keys with a meaning in an image's configuration.
const CONFIG_NAMES: &[&str] = &[
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "config",
    "rootfs",
    "diff_ids",
    "history",
    "created",
    "created_by",
    "empty_layer",
    "Entrypoint",
    "Cmd",
    "Env",
    "User",
    "WorkingDir",
    "ExposedPorts",
    "Volumes",
    "Labels",
    "StopSignal",
    "Shell",
    "Healthcheck",
];

/// Fails if an engine could read the configuration otherwise than it is shown and judged here.
fn readable_alike(config: &[u8], what: &str) -> Result<()> {
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(config).is_ok();
    match json::same_to_all(config, CONFIG_NAMES) {
        Err(why) if is_json => {
            let why = format!("its configuration can be read in more than one way: {}", clean::short(&why, 160));
            Err(Error::new(Kind::Integrity, what, why).hint("do not use it: an engine may run something else in it"))
        }
        _ => Ok(()),
    }
}

/// The platform that a configuration names; `None` if the bytes are no configuration of an image.
pub fn platform_of(config: &[u8]) -> Option<Platform> {
    Configuration::parse(config)?.platform
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Result<RawManifest> {
        RawManifest::new(None, bytes::Bytes::copy_from_slice(text.as_bytes()), "show x")
    }

    /// An index with entries for these platforms, each with a digest of its own.
    fn index(platforms: &[&str]) -> Vec<Descriptor> {
        let entry = |(number, platform): (usize, &&str)| Descriptor {
            media_type: OCI_MANIFEST.into(),
            digest: Digest::of(&[number as u8]),
            size: 2,
            platform: platform.parse().ok(),
            artifact_type: None,
            data: None,
        };
        platforms.iter().enumerate().map(entry).collect()
    }

    #[test]
    fn the_type_is_read_from_the_document_when_nothing_else_says() {
        let config = format!(r#"{{"mediaType":"x","digest":"{}","size":1}}"#, Digest::of(b"x"));
        assert_eq!(raw(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap().media_type, OCI_INDEX);
        let image = format!(r#"{{"schemaVersion":2,"layers":[],"config":{config}}}"#);
        assert_eq!(raw(&image).unwrap().media_type, OCI_MANIFEST);
        assert!(raw(r#"{"schemaVersion":1,"fsLayers":[]}"#).is_err());
        assert!(raw("<html>").is_err());
        let both = raw(&image.replace("{\"schema", "{\"manifests\":[],\"schema")).unwrap_err();
        assert!(both.kind == Kind::Integrity && both.why.contains("more than one way"), "{both}");
    }

    #[test]
    fn a_manifest_is_what_its_descriptor_says_or_it_is_refused() {
        let text = r#"{"schemaVersion":2,"manifests":[]}"#;
        let index = raw(text).unwrap();
        let names = |digest: &Digest, size: usize, kind: &str| {
            let descriptor = Descriptor {
                media_type: kind.into(),
                digest: digest.clone(),
                size: size as u64,
                platform: None,
                artifact_type: None,
                data: None,
            };
            descriptor.verify(&index, "show x")
        };
        assert!(names(&index.digest, text.len(), OCI_INDEX).is_ok());
        assert!(names(&index.digest, text.len() - 1, OCI_INDEX).is_err(), "another size");
        assert!(names(&index.digest, text.len(), OCI_MANIFEST).is_err(), "another type");
        assert!(names(&Digest::of(b""), text.len(), OCI_INDEX).is_err(), "other bytes");
        // Bytes that are named by a longer digest keep that name.
        let mut hasher = crate::base::digest::Hasher::of("sha512");
        hasher.update(text.as_bytes());
        let long = hasher.finish();
        let longer = RawManifest::with_digest(&long, None, text.as_bytes().into(), "show x").unwrap();
        assert_eq!(longer.digest, long);
        assert!(RawManifest::with_digest(&Digest::of(b""), None, text.as_bytes().into(), "show x").is_err());
    }

    #[test]
    fn an_image_for_another_platform_says_which_it_is_built_for() {
        let manifests = index(&["unknown/unknown", "linux/arm64/v8", ""]);
        assert!(choose(&manifests, &"linux/arm64".parse().unwrap(), "x").is_ok());
        let error = choose(&manifests, &"linux/amd64".parse().unwrap(), "show x").unwrap_err();
        assert!(error.to_string().contains("linux/arm64/v8"), "{error}");
    }

    #[test]
    fn of_two_that_fit_as_well_the_first_is_taken() {
        let manifests = index(&["linux/arm64", "linux/amd64/v4", "linux/amd64", "linux/amd64"]);
        let chosen = choose(&manifests, &"linux/amd64".parse().unwrap(), "x").unwrap();
        assert_eq!(chosen.digest, manifests[2].digest);
    }

    #[test]
    fn a_configuration_that_engines_read_otherwise_is_refused() {
        for bad in
            [r#"{"config":{"Cmd":["a"],"cmd":["b"]}}"#, r#"{"config":{"User":"1","User":"0"}}"#, r#"{"Config":{}}"#]
        {
            let error = readable_alike(bad.as_bytes(), "show x").unwrap_err();
            assert_eq!(error.kind, Kind::Integrity, "{bad}: {error}");
        }
        for good in ["not JSON", "{}", r#"{"config":{"Labels":{"a":"1","A":"2"},"Cmd":["a"]},"container_config":{}}"#] {
            assert!(readable_alike(good.as_bytes(), "show x").is_ok(), "{good}");
        }
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            let _ = RawManifest::new(Some(OCI_MANIFEST), bytes.into(), "x");
        }
    }
}
