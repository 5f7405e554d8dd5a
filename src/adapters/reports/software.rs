//! Lists of software: CycloneDX (JSON, 1.2 and later) and SPDX (JSON, 2.2 and later).

use serde::Deserialize;

use super::{Each, Fold, Packages, Software};
use crate::core::clean;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CycloneDx {
    spec_version: String,
    components: Each<Components>,
}

#[derive(Default)]
struct Components(Packages);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    r#type: String,
    group: String,
    name: String,
    version: String,
    purl: String,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spdx {
    spdx_version: String,
    packages: Each<Listed>,
}

#[derive(Default)]
struct Listed(Packages);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpdxPackage {
    name: String,
    version_info: String,
    primary_package_purpose: String,
    external_refs: Vec<Reference>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    reference_type: String,
    reference_locator: String,
}

/// `pkg:apk/alpine/zlib@1.2` is an `apk` (package URL specification).
fn kind_of(purl: &str) -> &str {
    purl.strip_prefix("pkg:").and_then(|rest| rest.split('/').next()).unwrap_or("")
}

impl Fold for Components {
    type Item = Component;
    fn take(&mut self, item: Component) {
        // Files and the operating system are no packages.
        if matches!(item.r#type.as_str(), "file" | "operating-system") {
            return;
        }
        let name = if item.group.is_empty() { item.name } else { format!("{}/{}", item.group, item.name) };
        self.0.add(&name, &item.version, kind_of(&item.purl));
    }
}

impl Fold for Listed {
    type Item = SpdxPackage;
    fn take(&mut self, item: SpdxPackage) {
        if matches!(item.primary_package_purpose.as_str(), "CONTAINER" | "OPERATING-SYSTEM" | "OPERATING_SYSTEM") {
            return;
        }
        let purl = item.external_refs.iter().find(|one| one.reference_type == "purl");
        self.0.add(&item.name, &item.version_info, purl.map_or("", |one| kind_of(&one.reference_locator)));
    }
}

/// Reads a CycloneDX document.
pub fn cyclonedx(bytes: &[u8]) -> Option<Software> {
    let bom: CycloneDx = serde_json::from_slice(bytes).ok()?;
    let form = format!("CycloneDX {}", clean::short(&bom.spec_version, 10));
    Some(Software { form, packages: bom.components.0.0 })
}

/// Reads an SPDX document.
pub fn spdx(bytes: &[u8]) -> Option<Software> {
    let document: Spdx = serde_json::from_slice(bytes).ok()?;
    Some(Software { form: clean::short(&document.spdx_version, 20), packages: document.packages.0.0 })
}
