//! Manifests, indexes and configurations of the OCI image specification and their Docker schema 2 forms.

use std::collections::BTreeMap;

use oci_spec::image::{Descriptor as OciDescriptor, ImageConfiguration, ImageIndex, ImageManifest};
use serde::Deserialize;

use super::{
    clean,
    digest::Digest,
    error::{Error, Kind, Result},
    model::{Image, ImageKind, Layer, Pinned, Platform, PlatformEntry, RunConfig},
    reference::ImageRef,
    text,
};

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list, schema 2.
pub const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// Everything we read, for `Accept`.
pub const ALL_TYPES: [&str; 4] = [OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST];

/// No manifest is this large; the specification asks registries for 4 MiB.
pub const MANIFEST_LIMIT: usize = 4 << 20;
/// No configuration is this large.
pub const CONFIG_LIMIT: usize = 8 << 20;

/// What to fetch: type, digest and size, plus what an index adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Media type.
    pub media_type: String,
    /// Digest of the bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// Platform, in an index.
    pub platform: Option<Platform>,
    /// Type of an attached artifact, in a referrers list.
    pub artifact_type: Option<String>,
}

impl Descriptor {
    /// Whether it names a manifest or an index, not a blob.
    pub fn is_manifest(&self) -> bool {
        ALL_TYPES.contains(&self.media_type.as_str())
    }

    fn from_oci(from: &OciDescriptor) -> Result<Self> {
        let platform = from.platform().as_ref().map(|platform| Platform {
            os: clean::short(&platform.os().to_string(), 32),
            architecture: clean::short(&platform.architecture().to_string(), 32),
            variant: platform.variant().as_deref().map(|variant| clean::short(variant, 16)),
        });
        Ok(Self {
            media_type: clean::short(from.media_type().as_ref(), 200),
            digest: from.digest().to_string().parse()?,
            size: from.size(),
            platform,
            artifact_type: from.artifact_type().as_ref().map(|kind| clean::short(kind.as_ref(), 200)),
        })
    }
}

/// A manifest or index as bytes, which is what digests are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// Media type the place gave.
    pub media_type: String,
    /// The bytes, never re-serialised.
    pub bytes: bytes::Bytes,
    /// Their digest, computed by us.
    pub digest: Digest,
}

impl RawManifest {
    /// Wraps bytes and hashes them; the type is read from the document when the place says nothing useful.
    pub fn new(media_type: Option<&str>, bytes: bytes::Bytes, what: &str) -> Result<Self> {
        let digest = Digest::of(&bytes);
        let stated = media_type
            .map(|kind| kind.split(';').next().unwrap_or(kind).trim())
            .filter(|kind| ALL_TYPES.contains(kind));
        let media_type = match stated {
            Some(stated) => stated.to_owned(),
            None => sniff(&bytes)
                .ok_or_else(|| {
                    unreadable(
                        what,
                        &format!("not a manifest we know ({})", clean::short(media_type.unwrap_or("no type"), 60)),
                    )
                })?
                .to_owned(),
        };
        Ok(Self { media_type, bytes, digest })
    }

    /// Reads it.
    pub fn parse(&self, what: &str) -> Result<Manifest> {
        let unfit = |error: oci_spec::OciSpecError| unreadable(what, &clean::short(&error.to_string(), 160));
        if matches!(self.media_type.as_str(), OCI_INDEX | DOCKER_LIST) {
            let index = ImageIndex::from_reader(&*self.bytes).map_err(unfit)?;
            let manifests = index.manifests().iter().map(Descriptor::from_oci).collect::<Result<_>>()?;
            return Ok(Manifest::Index { manifests, annotations: clean_map(index.annotations().iter().flatten()) });
        }
        let manifest = ImageManifest::from_reader(&*self.bytes).map_err(unfit)?;
        Ok(Manifest::Image {
            config: Descriptor::from_oci(manifest.config())?,
            layers: manifest.layers().iter().map(Descriptor::from_oci).collect::<Result<_>>()?,
            annotations: clean_map(manifest.annotations().iter().flatten()),
            subject: manifest.subject().as_ref().map(Descriptor::from_oci).transpose()?,
        })
    }
}

fn unreadable(what: &str, why: &str) -> Error {
    Error::new(Kind::Failed, what, format!("the manifest cannot be read: {why}"))
        .hint("tell whoever published the image")
}

fn sniff(bytes: &[u8]) -> Option<&'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Probe {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        layers: Option<serde::de::IgnoredAny>,
    }
    let probe: Probe = serde_json::from_slice(bytes).ok()?;
    if let Some(named) = probe.media_type {
        return ALL_TYPES.into_iter().find(|kind| *kind == named);
    }
    match (probe.manifests, probe.layers) {
        (Some(_), None) => Some(OCI_INDEX),
        (None, Some(_)) => Some(OCI_MANIFEST),
        _ => None,
    }
}

/// A parsed manifest: one image, or a list of them by platform.
#[derive(Debug, Clone)]
pub enum Manifest {
    /// One image or artifact.
    Image {
        config: Descriptor,
        layers: Vec<Descriptor>,
        annotations: BTreeMap<String, String>,
        subject: Option<Descriptor>,
    },
    /// Several, by platform.
    Index { manifests: Vec<Descriptor>, annotations: BTreeMap<String, String> },
}

/// Picks the entry of an index that serves `wanted`; attestation entries (`unknown/unknown`) never do.
pub fn choose<'a>(manifests: &'a [Descriptor], wanted: &Platform, what: &str) -> Result<&'a Descriptor> {
    manifests.iter().find(|entry| entry.platform.as_ref().is_some_and(|platform| platform.serves(wanted))).ok_or_else(
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

/// The real platforms of an index.
pub fn platforms_of(manifests: &[Descriptor]) -> Vec<PlatformEntry> {
    manifests
        .iter()
        .filter_map(|entry| {
            let platform = entry.platform.clone().filter(|platform| platform.os != "unknown")?;
            Some(PlatformEntry { platform, digest: entry.digest.clone() })
        })
        .collect()
}

fn clean_map<'a>(map: impl IntoIterator<Item = (&'a String, &'a String)>) -> BTreeMap<String, String> {
    map.into_iter().take(500).map(|(key, value)| (clean::short(key, 200), clean::short(value, 4000))).collect()
}

/// The parts from which an image page is built.
pub struct Pieces<'a> {
    /// As the person named it.
    pub reference: &'a ImageRef,
    /// What the tag pointed to.
    pub top: &'a RawManifest,
    /// The platform's own manifest; the same as `top` for a plain image.
    pub manifest: &'a RawManifest,
    /// Bytes of the configuration blob, checked by digest.
    pub config: &'a [u8],
}

/// Builds the image page's data from verified bytes.
pub fn describe(parts: &Pieces<'_>, what: &str) -> Result<Image> {
    let Manifest::Image { config: config_descriptor, layers, mut annotations, .. } = parts.manifest.parse(what)? else {
        return Err(unreadable(what, "an index inside an index"));
    };
    let mut platforms = Vec::new();
    if let Manifest::Index { manifests, annotations: outer } = parts.top.parse(what)? {
        platforms = platforms_of(&manifests);
        for (key, value) in outer {
            annotations.entry(key).or_insert(value);
        }
    }
    // Artifacts (an SBOM, a signature) have other configurations; they are shown without run-time facts.
    let config = ImageConfiguration::from_reader(parts.config).ok();
    let own = config.as_ref().map(|config| Platform {
        os: clean::short(&config.os().to_string(), 32),
        architecture: clean::short(&config.architecture().to_string(), 32),
        variant: config.variant().as_deref().map(|variant| clean::short(variant, 16)),
    });
    if let (true, Some(platform)) = (platforms.is_empty(), own.clone()) {
        platforms.push(PlatformEntry { platform, digest: parts.manifest.digest.clone() });
    }
    let history: Vec<(String, bool)> = config
        .iter()
        .flat_map(|config| config.history().iter().flatten())
        .map(|step| {
            (
                clean::short(step.created_by().as_deref().or(step.comment().as_deref()).unwrap_or(""), 2000),
                step.empty_layer().unwrap_or(false),
            )
        })
        .collect();
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
    let created = config
        .as_ref()
        .and_then(|config| config.created().clone())
        .or_else(|| annotations.get("org.opencontainers.image.created").cloned())
        .and_then(|time| text::parse_timestamp(&time));
    Ok(Image {
        reference: parts.reference.clone(),
        kind: ImageKind::Container,
        pinned: Some(Pinned {
            reference: parts.reference.with_digest(&parts.top.digest),
            digest: parts.top.digest.clone(),
            platform: own,
            manifest: parts.manifest.digest.clone(),
        }),
        media_type: parts.top.media_type.clone(),
        created,
        platforms,
        config: config.as_ref().map(run_config).unwrap_or_default(),
        annotations,
        size: layers.iter().map(|layer| layer.size).fold(config_descriptor.size, u64::saturating_add),
        layers,
        history: history.into_iter().map(|(step, _)| step).collect(),
        disk: None,
        signed: None,
        statement: None,
        publisher: super::evidence::Publisher::Unknown,
    })
}

fn run_config(config: &ImageConfiguration) -> RunConfig {
    let Some(run) = config.config() else { return RunConfig::default() };
    let list = |items: &Option<Vec<String>>| {
        items.iter().flatten().map(|item| clean::line(item).into_owned()).collect::<Vec<_>>()
    };
    RunConfig {
        entrypoint: list(run.entrypoint()),
        command: list(run.cmd()),
        user: clean::short(run.user().as_deref().unwrap_or(""), 100),
        environment: list(run.env()),
        ports: list(run.exposed_ports()),
        volumes: list(run.volumes()),
        working_dir: clean::short(run.working_dir().as_deref().unwrap_or(""), 500),
        labels: clean_map(run.labels().iter().flatten()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Result<RawManifest> {
        RawManifest::new(None, bytes::Bytes::copy_from_slice(text.as_bytes()), "show x")
    }

    #[test]
    fn the_type_is_read_from_the_document_when_nothing_else_says() {
        assert_eq!(raw(r#"{"schemaVersion":2,"manifests":[]}"#).unwrap().media_type, OCI_INDEX);
        assert_eq!(raw(r#"{"schemaVersion":2,"layers":[],"config":{}}"#).unwrap().media_type, OCI_MANIFEST);
        assert!(raw(r#"{"schemaVersion":1,"fsLayers":[]}"#).is_err());
        assert!(raw("<html>").is_err());
    }

    #[test]
    fn an_image_for_another_platform_says_which_it_is_built_for() {
        let digest = Digest::of(b"x");
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[
            {{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":2,"platform":{{"os":"unknown","architecture":"unknown"}}}},
            {{"mediaType":"{OCI_MANIFEST}","digest":"{digest}","size":2,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#
        );
        let Manifest::Index { manifests, .. } = raw(&index).unwrap().parse("x").unwrap() else {
            panic!("not an index")
        };
        assert!(choose(&manifests, &"linux/arm64".parse().unwrap(), "x").is_ok());
        let error = choose(&manifests, &"linux/amd64".parse().unwrap(), "show x").unwrap_err();
        assert!(error.to_string().contains("linux/arm64/v8"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
            if let Ok(manifest) = RawManifest::new(Some(OCI_MANIFEST), bytes.into(), "x") { let _ = manifest.parse("x"); }
        }
    }
}
