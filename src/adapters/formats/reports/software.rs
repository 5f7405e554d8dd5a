//! Bills of materials: CycloneDX (JSON, 1.2 and later) and SPDX (JSON, 2.2 and later; 3.0 as a graph).

use serde::Deserialize;

use super::{
    lax::{Fold, LenientArray, StreamedArray, Text},
    model::{Packages, Software},
};
use wharf_core::base::clean;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CycloneDx {
    spec_version: Text,
    components: StreamedArray<Components>,
}

#[derive(Default)]
struct Components(Packages);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Component {
    r#type: Text,
    group: Text,
    name: Text,
    version: Text,
    purl: Text,
    /// Nested components, as deep as the JSON reader goes.
    components: LenientArray<Components>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spdx {
    spdx_version: Text,
    packages: StreamedArray<Listed>,
}

#[derive(Default)]
struct Listed(Packages);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SpdxPackage {
    name: Text,
    version_info: Text,
    primary_package_purpose: Text,
    external_refs: LenientArray<References>,
}

/// The package type that the first package URL among the references names.
#[derive(Default)]
struct References(String);

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Reference {
    reference_type: Text,
    reference_locator: Text,
}

/// An SPDX 3.0 document: elements of all kinds in one list.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Graph {
    #[serde(rename = "@graph")]
    elements: StreamedArray<Elements>,
}

#[derive(Default)]
struct Elements {
    version: String,
    packages: Packages,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Element {
    r#type: Text,
    name: Text,
    #[serde(rename = "specVersion")]
    spec_version: Text,
    #[serde(rename = "software_packageVersion")]
    version: Text,
    #[serde(rename = "software_packageUrl")]
    purl: Text,
    #[serde(rename = "software_primaryPurpose")]
    purpose: Text,
    #[serde(rename = "externalIdentifier")]
    identifiers: LenientArray<Identifiers>,
}

/// The package type that the first package URL among the identifiers names.
#[derive(Default)]
struct Identifiers(String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Identifier {
    #[serde(rename = "externalIdentifierType")]
    kind: Text,
    identifier: Text,
}

impl Fold for Identifiers {
    type Item = Identifier;
    fn add(&mut self, item: Identifier) {
        if self.0.is_empty() && matches!(&*item.kind, "packageUrl" | "packageURL") {
            self.0 = clean::short(kind_of(&item.identifier), 20);
        }
    }
}

impl Fold for Elements {
    type Item = Element;
    fn add(&mut self, item: Element) {
        if self.version.is_empty() && &*item.r#type == "CreationInfo" {
            self.version = clean::short(&item.spec_version, 10);
        }
        let is_package = &*item.r#type == "software_Package";
        if !is_package || matches!(&*item.purpose, "container" | "operatingSystem") {
            return;
        }
        let named = kind_of(&item.purl);
        let kind = if named.is_empty() { item.identifiers.0.0.as_str() } else { named };
        self.packages.add(&item.name, &item.version, kind);
    }
}

/// The type in a package URL: `apk` for `pkg:apk/alpine/zlib@1.2` (package URL specification).
fn kind_of(purl: &str) -> &str {
    purl.strip_prefix("pkg:").and_then(|rest| rest.split('/').next()).unwrap_or("")
}

impl Fold for Components {
    type Item = Component;
    fn add(&mut self, item: Component) {
        self.0.merge(item.components.0.0);
        // Files and the operating system are not packages.
        if matches!(&*item.r#type, "file" | "operating-system") {
            return;
        }
        let name = if item.group.is_empty() { item.name.0 } else { format!("{}/{}", &*item.group, &*item.name) };
        self.0.add(&name, &item.version, kind_of(&item.purl));
    }
}

impl Fold for References {
    type Item = Reference;
    fn add(&mut self, item: Reference) {
        if self.0.is_empty() && &*item.reference_type == "purl" {
            self.0 = clean::short(kind_of(&item.reference_locator), 20);
        }
    }
}

impl Fold for Listed {
    type Item = SpdxPackage;
    fn add(&mut self, item: SpdxPackage) {
        if matches!(&*item.primary_package_purpose, "CONTAINER" | "OPERATING-SYSTEM" | "OPERATING_SYSTEM") {
            return;
        }
        self.0.add(&item.name, &item.version_info, &item.external_refs.0.0);
    }
}

/// Reads a CycloneDX document; `None` if it is none.
pub(super) fn cyclonedx(bytes: &[u8]) -> Option<Software> {
    let bom: CycloneDx = serde_json::from_slice(bytes).ok()?;
    let form = format!("CycloneDX {}", clean::short(&bom.spec_version, 10));
    Some(Software { form, packages: bom.components.0.0 })
}

/// Reads an SPDX 3.0 document; `None` if its graph is of something else.
pub(super) fn spdx_graph(bytes: &[u8]) -> Option<Software> {
    let StreamedArray(Elements { version, packages }) = serde_json::from_slice::<Graph>(bytes).ok()?.elements;
    (!version.is_empty()).then(|| Software { form: format!("SPDX-{version}"), packages })
}

/// Reads an SPDX 2 document; `None` if it is none.
pub(super) fn spdx(bytes: &[u8]) -> Option<Software> {
    let document: Spdx = serde_json::from_slice(bytes).ok()?;
    Some(Software { form: clean::short(&document.spdx_version, 20), packages: document.packages.0.0 })
}
