//! Reading manifests and indexes. A digest has only one meaning.
//!
//! A document that some programs would read as an image and others as an index is refused (CVE-2021-41190; image
//! specification 1.1: manifest.md, image-index.md, considerations.md "JSON").

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{
    Deserialize,
    de::{DeserializeOwned, IgnoredAny},
};

use super::{
    manifest_model::{Descriptor, Manifest, OCI_INDEX, OCI_MANIFEST, known},
    platform::Platform,
};
use crate::base::{clean, digest::Digest, json};

pub use super::manifest_model::is_index;

/// The keys with a meaning in manifests, indexes and descriptors, including older versions of them.
const NAMES: &[&str] = &[
    "schemaVersion",
    "mediaType",
    "artifactType",
    "config",
    "layers",
    "manifests",
    "subject",
    "annotations",
    "digest",
    "size",
    "urls",
    "data",
    "platform",
    "architecture",
    "os",
    "os.version",
    "os.features",
    "variant",
    "features",
    "fsLayers",
    "history",
    "signatures",
    "blobs",
];
/// Most entries of a document that are read.
const MOST: usize = 10_000;

/// Why a document is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It is no supported manifest or index.
    Unknown(String),
    /// Other programs may read something else in it.
    Ambiguous(String),
}

impl Refusal {
    fn unknown(why: impl Into<String>) -> Self {
        Self::Unknown(why.into())
    }

    fn ambiguous(why: impl Into<String>) -> Self {
        Self::Ambiguous(why.into())
    }
}

/// A list that may be `null`.
type List<T> = Option<Vec<T>>;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: Option<u64>,
    media_type: Option<String>,
    artifact_type: Option<String>,
    config: Option<Entry>,
    layers: List<Entry>,
    manifests: List<Entry>,
    fs_layers: Option<IgnoredAny>,
    blobs: Option<IgnoredAny>,
    subject: Option<Entry>,
    annotations: Option<BTreeMap<String, Option<String>>>,
}

/// A descriptor as it is written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    media_type: Option<String>,
    digest: Option<String>,
    size: Option<u64>,
    artifact_type: Option<String>,
    platform: Option<Place>,
    data: Option<String>,
}

#[derive(Deserialize)]
struct Place {
    os: Option<String>,
    architecture: Option<String>,
    variant: Option<String>,
}

impl Entry {
    /// The descriptor, or what is wrong with it. An incomplete platform counts as none: the configuration names it.
    pub fn parse(self) -> Result<Descriptor, String> {
        let digest = self.digest.unwrap_or_default();
        let digest: Digest = digest.parse().map_err(|_| {
            format!("the digest '{}' is of no kind that is supported (sha256, sha512)", clean::short(&digest, 80))
        })?;
        let short = digest.short();
        let media_type = self.media_type.filter(|kind| !kind.is_empty());
        let platform = self.platform.and_then(|place| {
            let filled = |text: Option<String>| text.filter(|text| !text.is_empty());
            let (os, architecture) = (filled(place.os)?, filled(place.architecture)?);
            let variant = place.variant.map(|variant| clean::short(&variant, 16));
            Some(Platform::new(&clean::short(&os, 32), &clean::short(&architecture, 32), variant.as_deref()))
        });
        Ok(Descriptor {
            media_type: clean::short(&media_type.ok_or_else(|| format!("{short} has no media type"))?, 200),
            // The specification has an int64 here.
            size: self
                .size
                .filter(|size| i64::try_from(*size).is_ok())
                .ok_or_else(|| format!("{short} has no size"))?,
            platform,
            artifact_type: self.artifact_type.filter(|kind| !kind.is_empty()).map(|kind| clean::short(&kind, 200)),
            data: self.data.and_then(|data| STANDARD.decode(data).ok()).map(Into::into),
            digest,
        })
    }
}

/// Reads JSON into a type; refuses text that readers may disagree about.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let words = |error: serde_json::Error| Refusal::unknown(clean::short(&error.to_string(), 160));
    // First it must be JSON at all: a web page is no manifest, but not ambiguous.
    serde_json::from_slice::<IgnoredAny>(bytes).map_err(words)?;
    json::same_to_all(bytes, NAMES).map_err(|why| Refusal::ambiguous(clean::short(&why, 160)))?;
    serde_json::from_slice(bytes).map_err(words)
}

/// Reads the bytes of a manifest or index; `stated` is the type that its place states.
pub fn manifest(stated: Option<&str>, bytes: &[u8]) -> Result<(&'static str, Manifest), Refusal> {
    let document: Document = parse(bytes)?;
    let kind = document.kind(stated)?;
    Ok((kind, document.manifest(kind)?))
}

impl Document {
    /// The type of the document. What its place states, its own `mediaType` and its content must agree.
    fn kind(&self, stated: Option<&str>) -> Result<&'static str, Refusal> {
        if self.schema_version != Some(2) {
            let version = self.schema_version.map_or("none".to_owned(), |version| version.to_string());
            return Err(Refusal::unknown(format!("its schema version is {version}, not 2")));
        }
        let stated = stated.map(|kind| kind.split(';').next().unwrap_or(kind).trim());
        let of_itself = self.media_type.as_deref().filter(|kind| !kind.is_empty());
        let named =
            |kind: &str| known(kind).ok_or_else(|| Refusal::unknown(format!("it is a '{}'", clean::short(kind, 80))));
        // Files and plain web servers state no useful type.
        let stated = stated.filter(|kind| kind.starts_with("application/vnd.")).map(named).transpose()?;
        let of_itself = of_itself.map(named).transpose()?;
        let (lists, holds) = (self.manifests.is_some(), self.config.is_some() || self.layers.is_some());
        let kind = match (stated, of_itself) {
            (Some(stated), Some(own)) if stated != own => {
                return Err(Refusal::ambiguous(format!(
                    "it came as '{stated}', and says of itself that it is '{own}'"
                )));
            }
            (Some(kind), _) | (None, Some(kind)) => kind,
            (None, None) if lists && !holds => OCI_INDEX,
            (None, None) if holds && !lists => OCI_MANIFEST,
            (None, None) if lists => return Err(Refusal::ambiguous("it is an index and an image at once")),
            (None, None) => return Err(Refusal::unknown("it has neither layers nor a list of manifests")),
        };
        let old = self.fs_layers.is_some() || self.blobs.is_some();
        match (is_index(kind), lists, holds) {
            (true, _, true) => Err(Refusal::ambiguous("it is an index, and has a configuration or layers, too")),
            (false, true, _) => Err(Refusal::ambiguous("it is an image, and has a list of manifests, too")),
            _ if old => Err(Refusal::ambiguous("it has the fields of an older form, too")),
            (true, false, _) => Err(Refusal::unknown("it has no list of manifests")),
            _ => Ok(kind),
        }
    }

    fn manifest(self, kind: &str) -> Result<Manifest, Refusal> {
        let one = |entry: Entry| entry.parse().map_err(Refusal::Unknown);
        let all = |entries: List<Entry>| {
            let entries = entries.unwrap_or_default();
            if entries.len() > MOST {
                return Err(Refusal::unknown(format!("it has {} entries, more than Wharf accepts", entries.len())));
            }
            entries.into_iter().map(one).collect::<Result<Vec<_>, _>>()
        };
        let annotations: BTreeMap<String, String> = self
            .annotations
            .unwrap_or_default()
            .into_iter()
            .take(500)
            .map(|(key, value)| (clean::short(&key, 200), clean::short(&value.unwrap_or_default(), 4000)))
            .collect();
        let subject = self.subject.map(one).transpose()?;
        let artifact_type = self.artifact_type.filter(|kind| !kind.is_empty()).map(|kind| clean::short(&kind, 200));
        if is_index(kind) {
            return Ok(Manifest::Index { manifests: all(self.manifests)?, annotations, subject, artifact_type });
        }
        let config = self.config.ok_or_else(|| Refusal::unknown("it has no configuration"))?;
        Ok(Manifest::Image { config: one(config)?, layers: all(self.layers)?, annotations, subject, artifact_type })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::manifest::DOCKER_MANIFEST;
    use crate::image::manifest_model::DOCKER_LIST;

    /// A descriptor with further fields.
    fn entry(more: &str) -> String {
        format!(r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1{more}}}"#, Digest::of(b"x"))
    }

    fn read_as(stated: Option<&str>, fields: &str) -> Result<&'static str, Refusal> {
        manifest(stated, format!("{{{fields}}}").as_bytes()).map(|(kind, _)| kind)
    }

    #[test]
    fn a_document_has_one_reading_or_none() {
        let (config, list) = (entry(""), entry(""));
        let image = format!(r#""config":{config},"layers":[]"#);
        let index = format!(r#""manifests":[{list}]"#);
        let good = |stated: Option<&str>, fields: &str| read_as(stated, &format!(r#""schemaVersion":2,{fields}"#));
        let ambiguous = |stated: Option<&str>, fields: &str| {
            let found = good(stated, fields);
            assert!(matches!(found, Err(Refusal::Ambiguous(_))), "{fields}: {found:?}");
        };
        assert_eq!(good(None, &image), Ok(OCI_MANIFEST));
        assert_eq!(good(None, &index), Ok(OCI_INDEX));
        assert_eq!(good(Some("application/json"), &index), Ok(OCI_INDEX));
        assert_eq!(good(Some(&format!("{DOCKER_LIST}; charset=utf-8")), &index), Ok(DOCKER_LIST));
        assert_eq!(good(Some(DOCKER_MANIFEST), &format!(r#"{image},"manifests":null"#)), Ok(DOCKER_MANIFEST));
        assert_eq!(good(Some(OCI_INDEX), r#""manifests":[]"#), Ok(OCI_INDEX));
        // Both an image and an index, whatever type is stated.
        for stated in [None, Some(OCI_INDEX), Some(OCI_MANIFEST), Some(DOCKER_LIST), Some(DOCKER_MANIFEST)] {
            ambiguous(stated, &format!("{image},{index}"));
            ambiguous(stated, &format!(r#"{index},"config":{config}"#));
            ambiguous(stated, &format!(r#"{index},"layers":[]"#));
        }
        // Its place, its own type and its content disagree.
        ambiguous(Some(OCI_INDEX), &format!(r#""mediaType":"{OCI_MANIFEST}",{image}"#));
        ambiguous(Some(OCI_MANIFEST), &format!(r#""mediaType":"{DOCKER_MANIFEST}",{image}"#));
        ambiguous(Some(OCI_INDEX), &image);
        ambiguous(Some(OCI_MANIFEST), &index);
        ambiguous(None, &format!(r#""mediaType":"{OCI_INDEX}",{image}"#));
        ambiguous(None, &format!(r#"{image},"fsLayers":[]"#));
        // Go reads these keys too.
        ambiguous(None, &format!(r#"{image},"Layers":[]"#));
        ambiguous(None, &format!(r#"{image},"layers":[]"#));
        ambiguous(None, &format!(r#"{image},"Manifests":[{list}]"#));
        ambiguous(None, &format!(r#"{image},"MediaType":"{OCI_INDEX}""#));
        ambiguous(None, &format!(r#""layers":[],"config":{}"#, entry(r#","Digest":"sha256:0""#)));
    }

    #[test]
    fn what_is_no_manifest_is_not_read_as_one() {
        let unknown = |text: &str| {
            let found = manifest(None, text.as_bytes());
            assert!(matches!(found, Err(Refusal::Unknown(_))), "{text}: {found:?}");
        };
        let image = format!(r#""config":{},"layers":[]"#, entry(""));
        for text in ["", "[]", "null", "<html></html>", "{}", r#"{"schemaVersion":2}"#, r#"{"manifests":"#] {
            unknown(text);
        }
        unknown(&format!("{{{image}}}"));
        unknown(&format!(r#"{{"schemaVersion":1,{image}}}"#));
        unknown(&format!(r#"{{"schemaVersion":3,{image}}}"#));
        unknown(&format!(r#"{{"schemaVersion":"2",{image}}}"#));
        unknown(&format!(r#"{{"schemaVersion":2,"mediaType":"application/vnd.example+json",{image}}}"#));
        unknown(r#"{"schemaVersion":2,"layers":[]}"#);
        unknown(&format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}"}}"#));
        // A digest of an unknown kind, and sizes that are missing or invalid.
        for bad in [
            r#"{"mediaType":"x","digest":"blake3:aa","size":1}"#,
            r#"{"mediaType":"x","size":1}"#,
            &entry("").replace(r#""size":1"#, r#""size":-1"#),
            &entry("").replace(r#","size":1"#, ""),
            &entry("").replace(r#""size":1"#, r#""size":1.5"#),
        ] {
            unknown(&format!(r#"{{"schemaVersion":2,"config":{bad},"layers":[]}}"#));
            unknown(&format!(r#"{{"schemaVersion":2,"manifests":[{bad}]}}"#));
        }
        let many = vec![entry(""); MOST + 1].join(",");
        unknown(&format!(r#"{{"schemaVersion":2,"manifests":[{many}]}}"#));
    }

    #[test]
    fn an_entry_without_a_whole_platform_has_none() {
        let index = |platform: &str| {
            let text = format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entry(platform));
            match manifest(None, text.as_bytes()).unwrap().1 {
                Manifest::Index { manifests, .. } => manifests[0].platform.clone().map(|found| found.to_string()),
                Manifest::Image { .. } => panic!("not an index"),
            }
        };
        assert_eq!(index(""), None);
        assert_eq!(index(r#","platform":null"#), None);
        assert_eq!(index(r#","platform":{"architecture":"amd64"}"#), None);
        assert_eq!(index(r#","platform":{"os":"","architecture":"amd64"}"#), None);
        assert_eq!(index(r#","platform":{"os":"linux","architecture":"x86_64"}"#).as_deref(), Some("linux/amd64"));
    }

    /// A field as Go's reader takes it: ignoring case, the last one counts.
    fn as_go<'a>(fields: &'a [(String, String)], name: &str) -> Option<&'a str> {
        let same = |key: &str| key.to_lowercase().replace('ſ', "s").replace('\u{212a}', "k") == name.to_lowercase();
        fields.iter().rev().find(|(key, _)| same(key)).map(|(_, value)| value.as_str()).filter(|value| *value != "null")
    }

    proptest::proptest! {
        #[test]
        fn what_is_accepted_is_read_alike_by_readers_that_take_no_notice_of_case(
            picks in proptest::collection::vec((0usize..12, 0usize..4), 0..7),
        ) {
            const KEYS: [&str; 12] = ["layers", "Layers", "LAYERS", "layerſ", "config", "Config", "manifests", "Manifests",
                "manifeſts", "mediaType", "MediaType", "other"];
            let layer = entry("").replace("\"size\":1", "\"size\":2");
            let value = |key: &str, form: usize| match (key.to_lowercase().as_str(), form) {
                (_, 0) => "null".to_owned(),
                ("config", _) => entry(""),
                ("mediatype", 1) => format!("\"{OCI_INDEX}\""),
                ("mediatype", _) => format!("\"{OCI_MANIFEST}\""),
                (_, 1) => "[]".to_owned(),
                (_, 2) => format!("[{}]", entry("")),
                _ => format!("[{layer}]"),
            };
            let mut fields = vec![("schemaVersion".to_owned(), "2".to_owned())];
            fields.extend(picks.iter().map(|(key, form)| (KEYS[*key].to_owned(), value(KEYS[*key], *form))));
            let text: Vec<String> = fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
            let text = format!("{{{}}}", text.join(","));
            let Ok((_, read)) = manifest(None, text.as_bytes()) else { return Ok(()) };
            let sizes = |list: Option<&str>| -> Vec<u64> {
                let list: Vec<serde_json::Value> = serde_json::from_str(list.unwrap_or("[]")).unwrap();
                list.iter().map(|one| one["size"].as_u64().unwrap()).collect()
            };
            let of = |list: &[Descriptor]| list.iter().map(|one| one.size).collect::<Vec<_>>();
            match read {
                Manifest::Index { manifests, .. } => {
                    proptest::prop_assert_eq!(of(&manifests), sizes(as_go(&fields, "manifests")));
                    proptest::prop_assert!(as_go(&fields, "layers").is_none() && as_go(&fields, "config").is_none());
                }
                Manifest::Image { layers, .. } => {
                    proptest::prop_assert_eq!(of(&layers), sizes(as_go(&fields, "layers")));
                    proptest::prop_assert!(as_go(&fields, "manifests").is_none() && as_go(&fields, "config").is_some());
                }
            }
        }
    }
}
