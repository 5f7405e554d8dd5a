//! Things in a registry that are no container images, named by their type (image specification 1.1, "Guidelines for
//! Artifact Usage").

use super::{
    configuration::Configuration,
    manifest_model::{Descriptor, Manifest},
    model::SIF_NAME,
};

pub use super::model::Artifact;

/// The type of an empty configuration; the artifact's type is then in another field.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// What the type of a layer that is a SIF file begins with (Singularity's "ORAS" images).
pub const SIF_LAYER: &str = "application/vnd.sylabs.sif.layer.";
/// The media type of the layer and of the configuration (`{}`) in the manifests that Apptainer writes.
pub const SIF_LAYER_TYPE: &str = "application/vnd.sylabs.sif.layer.v1.sif";
/// See [`SIF_LAYER_TYPE`].
pub const SIF_CONFIG_TYPE: &str = "application/vnd.sylabs.sif.config.v1+json";
/// The media types of image configurations (OCI and Docker).
const IMAGES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];

/// Types by a part of their media type, and their names in words. The first that fits is used.
const KNOWN: [(&str, &str); 46] = [
    ("vnd.cncf.helm.", "Helm chart"),
    ("cyclonedx", "SBOM (CycloneDX)"),
    ("spdx", "SBOM (SPDX)"),
    ("vnd.syft", "SBOM (Syft)"),
    ("sbom", "SBOM"),
    ("openvex", "VEX document"),
    ("csaf", "VEX document"),
    ("vnd.cyclonedx.vex", "VEX document"),
    ("vnd.dev.cosign.artifact.sig", "signature"),
    ("vnd.dev.cosign.simplesigning", "signature"),
    ("vnd.dev.sigstore.bundle", "signature"),
    ("vnd.cncf.notary", "signature"),
    ("pkcs7-signature", "signature"),
    ("vnd.in-toto", "attestation"),
    ("vnd.dsse.envelope", "attestation"),
    ("sarif", "scan report"),
    ("vnd.security.vulnerability.report", "scan report"),
    ("vnd.aquasec.trivy.db", "Trivy database"),
    ("vnd.aquasec.trivy", "Trivy data"),
    ("vnd.wasm.", "WebAssembly module"),
    ("application/wasm", "WebAssembly module"),
    ("+wasm", "WebAssembly module"),
    ("wasm.config", "WebAssembly module"),
    ("vnd.sylabs.sif", SIF_NAME),
    ("qcow2", "disk image"),
    ("vnd.diskimage", "disk image"),
    ("disk-image", "disk image"),
    ("disk.image", "disk image"),
    ("x-qemu-disk", "disk image"),
    ("x-raw-disk", "disk image"),
    ("vmdk", "disk image"),
    ("iso9660", "disk image"),
    ("vhd", "disk image"),
    ("vnd.cncf.flux", "Flux manifests"),
    ("vnd.cncf.kustomize", "Kustomize files"),
    ("vnd.cncf.openpolicyagent", "OPA policies"),
    ("vnd.cncf.kyverno", "Kyverno policies"),
    ("vnd.cncf.falco", "Falco rules"),
    ("vnd.docker.compose", "Compose project"),
    ("compose.project", "Compose project"),
    ("devcontainers", "development container feature"),
    ("vnd.cncf.model", "AI model"),
    ("vnd.docker.ai.model", "AI model"),
    ("vnd.ollama", "AI model"),
    ("vnd.docker.plugin", "Docker plugin"),
    ("vnd.cncf.brigade", "Brigade script"),
];

fn word(kind: &str) -> Option<&'static str> {
    let kind = kind.to_ascii_lowercase();
    KNOWN.iter().find(|(part, _)| kind.contains(part)).map(|(_, word)| *word)
}

impl Artifact {
    /// Whether this artifact, as found in a manifest, is one SIF file and nothing else.
    pub fn is_sif(&self, manifest: &Manifest) -> bool {
        let Manifest::Image { layers, .. } = manifest else { return false };
        self.name == SIF_NAME && matches!(layers.as_slice(), [layer] if layer.media_type.starts_with(SIF_LAYER))
    }

    fn from_type(kind: &str) -> Self {
        let name = word(kind).map_or_else(|| format!("artifact of type {kind}"), str::to_owned);
        Self { name, media_type: kind.to_owned() }
    }

    /// The artifact in a manifest; `None` if it is an image. Its type is that of the artifact, else of the
    /// configuration, else of its content. `config` is the configuration, if it is one of an image.
    pub fn from_manifest(manifest: &Manifest, config: Option<&Configuration>) -> Option<Self> {
        let Manifest::Image { config: entry, layers, artifact_type, .. } = manifest else { return None };
        let is_image_type = |kind: &str| IMAGES.iter().any(|image| image.eq_ignore_ascii_case(kind));
        let said = artifact_type.as_deref().filter(|kind| !is_image_type(kind));
        let other_config = Some(entry.media_type.as_str()).filter(|kind| *kind != EMPTY && !is_image_type(kind));
        let known = said.into_iter().chain(other_config).find(|kind| word(kind).is_some());
        if let Some(kind) = known {
            return Some(Self::from_type(kind));
        }
        let contents = || layers.iter().map(|layer: &Descriptor| layer.media_type.as_str());
        let held = contents().find(|kind| word(kind).is_some());
        match (config, held) {
            // Whatever type it states: an engine would run it.
            (Some(_), None) => None,
            (_, Some(kind)) => Some(Self::from_type(kind)),
            (None, None) => {
                let kind = said.or(other_config).or(contents().next()).unwrap_or(entry.media_type.as_str());
                Some(Self::from_type(kind))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{base::digest::Digest, image::document};

    const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    fn found(kind: Option<&str>, config: &str, layers: &[&str], is_image: bool) -> Option<String> {
        let entry = |kind: &str| serde_json::json!({"mediaType": kind, "digest": Digest::of(b"x"), "size": 1});
        let layers: Vec<_> = layers.iter().map(|layer| entry(layer)).collect();
        let text = serde_json::json!({"schemaVersion": 2, "artifactType": kind, "config": entry(config),
            "layers": layers});
        let (_, manifest) = document::manifest(None, text.to_string().as_bytes()).unwrap();
        let config = Configuration::default();
        Artifact::from_manifest(&manifest, is_image.then_some(&config)).map(|artifact| artifact.name)
    }

    #[test]
    fn an_artifact_is_named_by_its_type_its_configuration_or_what_is_in_it() {
        for (kind, config, layer, name) in [
            (
                None,
                "application/vnd.cncf.helm.config.v1+json",
                "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
                "Helm chart",
            ),
            (Some("application/vnd.cyclonedx+json"), EMPTY, "application/vnd.cyclonedx+json", "SBOM (CycloneDX)"),
            (Some("application/spdx+json"), EMPTY, "application/spdx+json", "SBOM (SPDX)"),
            (None, IMAGES[0], "text/spdx", "SBOM (SPDX)"),
            (
                Some("application/vnd.dev.sigstore.bundle.v0.3+json"),
                EMPTY,
                "application/vnd.dev.sigstore.bundle.v0.3+json",
                "signature",
            ),
            (None, IMAGES[0], "application/vnd.dev.cosign.simplesigning.v1+json", "signature"),
            (Some("application/vnd.cncf.notary.signature"), EMPTY, "application/jose+json", "signature"),
            (None, IMAGES[0], "application/vnd.in-toto+json", "attestation"),
            (None, "application/vnd.wasm.config.v0+json", "application/wasm", "WebAssembly module"),
            (
                None,
                "application/vnd.wasm.config.v1+json",
                "application/vnd.wasm.content.layer.v1+wasm",
                "WebAssembly module",
            ),
            (
                None,
                "application/vnd.sylabs.sif.config.v1",
                "application/vnd.sylabs.sif.layer.v1.sif",
                "Singularity image (SIF)",
            ),
            (None, EMPTY, "application/vnd.sylabs.sif.layer.v1.sif", "Singularity image (SIF)"),
            (Some("application/x-qcow2"), EMPTY, "application/octet-stream", "disk image"),
            (None, IMAGES[1], "application/vnd.ollama.image.model", "AI model"),
            (Some("application/vnd.example+type"), EMPTY, EMPTY, "artifact of type application/vnd.example+type"),
            (None, EMPTY, "text/plain", "artifact of type text/plain"),
            (
                None,
                "application/vnd.unknown.config.v1+json",
                "application/x-tar",
                "artifact of type application/vnd.unknown.config.v1+json",
            ),
        ] {
            assert_eq!(found(kind, config, &[layer], false).as_deref(), Some(name), "{kind:?} {config} {layer}");
        }
        assert_eq!(found(None, EMPTY, &[], false), Some(format!("artifact of type {EMPTY}")));
    }

    #[test]
    fn what_an_engine_would_run_is_an_image_whatever_it_calls_itself() {
        for (kind, config) in [
            (None, IMAGES[0]),
            (None, IMAGES[1]),
            (None, "application/octet-stream"),
            (Some("application/vnd.example+type"), IMAGES[0]),
            (Some(IMAGES[1]), IMAGES[0]),
        ] {
            assert_eq!(found(kind, config, &[LAYER], true), None, "{kind:?} {config}");
        }
        assert_eq!(found(None, IMAGES[0], &[], true), None, "an image may have no layers");
        // By its own type it is no image, whatever its configuration contains.
        assert!(found(None, "application/vnd.wasm.config.v0+json", &["application/wasm"], true).is_some());
    }
}
