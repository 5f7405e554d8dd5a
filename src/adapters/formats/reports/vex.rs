//! VEX statements about vulnerabilities in an image: OpenVEX, CycloneDX without components, and CSAF (profile VEX).

use serde::Deserialize;
use serde_json::Value;

use super::{
    lax::{Fold, Lenient, LenientArray, StreamedArray, Text, Texts},
    model::{Vex, time},
};
use wharf_core::{
    base::clean,
    evidence::{findings::MOST_FINDINGS, record::Statement},
};

#[derive(Default, Deserialize)]
#[serde(default)]
struct Top {
    author: Text,
    timestamp: Text,
    statements: StreamedArray<Statements>,
}

#[derive(Default)]
struct Statements(Vec<Statement>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct VexProduct {
    vulnerability: Value,
    status: Text,
    justification: Text,
    impact_statement: Text,
    action_statement: Text,
}

/// A vulnerability's name: a text in OpenVEX 0.0, an object since then, with its `@id` if it has no name.
fn name_of(vulnerability: &Value) -> &str {
    let names = [Some(vulnerability), vulnerability.get("name"), vulnerability.get("@id")];
    names.into_iter().flatten().filter_map(Value::as_str).find(|name| !name.is_empty()).unwrap_or_default()
}

/// Adds a statement, up to the limit.
fn add(all: &mut Vec<Statement>, vulnerability: &str, status: &str, why: &[&str]) {
    if all.len() < MOST_FINDINGS {
        let why: Vec<&str> = why.iter().copied().filter(|part| !part.is_empty()).collect();
        all.push(Statement {
            vulnerability: clean::short(vulnerability, 60),
            status: clean::short(status, 30),
            why: clean::short(&why.join(": "), 200),
        });
    }
}

impl Fold for Statements {
    type Item = VexProduct;
    fn add(&mut self, item: VexProduct) {
        let why = [&*item.justification, &*item.impact_statement, &*item.action_statement];
        add(&mut self.0, name_of(&item.vulnerability), &item.status, &why);
    }
}

/// Reads an OpenVEX document; `None` if it is none.
pub(super) fn read(bytes: &[u8]) -> Option<Vex> {
    let top: Top = serde_json::from_slice(bytes).ok()?;
    let author = clean::short(&top.author, 80);
    Some(Vex { author, made: time(&top.timestamp), statements: top.statements.0.0 })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Bom {
    metadata: Lenient<BomMetadata>,
    components: LenientArray<Count>,
    vulnerabilities: StreamedArray<Analysed>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct BomMetadata {
    timestamp: Text,
    supplier: Lenient<Named>,
    manufacturer: Lenient<Named>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    name: Text,
}

/// The number of elements.
#[derive(Default)]
struct Count(usize);

impl Fold for Count {
    type Item = Named;
    fn add(&mut self, _: Named) {
        self.0 += 1;
    }
}

#[derive(Default)]
struct Analysed(Vec<Statement>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Weakness {
    id: Text,
    analysis: Lenient<Analysis>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Analysis {
    state: Text,
    justification: Text,
    detail: Text,
}

impl Fold for Analysed {
    type Item = Weakness;
    fn add(&mut self, item: Weakness) {
        // Translated into OpenVEX's words, which people are shown.
        let status = match &*item.analysis.state {
            "not_affected" | "false_positive" => "not_affected",
            "resolved" | "resolved_with_pedigree" => "fixed",
            "exploitable" => "affected",
            "in_triage" => "under_investigation",
            other => other,
        };
        if !status.is_empty() {
            add(&mut self.0, &item.id, status, &[&item.analysis.justification, &item.analysis.detail]);
        }
    }
}

/// Reads a CycloneDX document about vulnerabilities; `None` if it lists components, or states nothing.
pub(super) fn cyclonedx(bytes: &[u8]) -> Option<Vex> {
    let bom: Bom = serde_json::from_slice(bytes).ok()?;
    let statements = bom.vulnerabilities.0.0;
    let metadata = &bom.metadata;
    let author = if metadata.supplier.name.is_empty() { &metadata.manufacturer.name } else { &metadata.supplier.name };
    (bom.components.0.0 == 0 && !statements.is_empty()).then(|| Vex {
        author: clean::short(author, 80),
        made: time(&metadata.timestamp),
        statements,
    })
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Csaf {
    document: Lenient<CsafDocument>,
    vulnerabilities: StreamedArray<Judged>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct CsafDocument {
    category: Text,
    csaf_version: Text,
    publisher: Lenient<Named>,
    tracking: Lenient<Tracking>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tracking {
    current_release_date: Text,
}

#[derive(Default)]
struct Judged(Vec<Statement>);

#[derive(Default, Deserialize)]
#[serde(default)]
struct CsafWeakness {
    cve: Text,
    ids: LenientArray<Ids>,
    product_status: Lenient<Products>,
    flags: LenientArray<Labels>,
    threats: LenientArray<Threats>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Products {
    known_affected: Texts,
    first_affected: Texts,
    last_affected: Texts,
    under_investigation: Texts,
    fixed: Texts,
    first_fixed: Texts,
    known_not_affected: Texts,
}

/// The first text of a list that is of use.
#[derive(Default)]
struct Ids(String);
#[derive(Default)]
struct Labels(String);
#[derive(Default)]
struct Threats(String);

#[derive(Default, Deserialize)]
#[serde(default)]
struct CsafNote {
    text: Text,
    label: Text,
    category: Text,
    details: Text,
}

macro_rules! first {
    ($list:ty, $of:expr) => {
        impl Fold for $list {
            type Item = CsafNote;
            fn add(&mut self, item: CsafNote) {
                if self.0.is_empty() {
                    self.0 = clean::short(&$of(&item), 200);
                }
            }
        }
    };
}

first!(Ids, |item: &CsafNote| { item.text.0.clone() });
first!(Labels, |item: &CsafNote| { item.label.0.clone() });
first!(Threats, |item: &CsafNote| { if &*item.category == "impact" { item.details.0.clone() } else { String::new() } });

impl Fold for Judged {
    type Item = CsafWeakness;
    fn add(&mut self, item: CsafWeakness) {
        let of = &item.product_status;
        let any = |lists: &[&Texts]| lists.iter().any(|list| !list.is_empty());
        // Of several products the worst status counts: it is not known which of them is the image.
        let status = if any(&[&of.known_affected, &of.first_affected, &of.last_affected]) {
            "affected"
        } else if any(&[&of.under_investigation]) {
            "under_investigation"
        } else if any(&[&of.fixed, &of.first_fixed]) {
            "fixed"
        } else if any(&[&of.known_not_affected]) {
            "not_affected"
        } else {
            return;
        };
        let name = if item.cve.is_empty() { &item.ids.0.0 } else { &item.cve.0 };
        add(&mut self.0, name, status, &[&item.flags.0.0, &item.threats.0.0]);
    }
}

/// Reads a CSAF document; `None` if it is none.
pub(super) fn csaf(bytes: &[u8]) -> Option<Vex> {
    let top: Csaf = serde_json::from_slice(bytes).ok()?;
    let document = &top.document;
    let is_csaf = !document.csaf_version.is_empty() || document.category.starts_with("csaf_");
    is_csaf.then(|| Vex {
        author: clean::short(&document.publisher.name, 80),
        made: time(&document.tracking.current_release_date),
        statements: top.vulnerabilities.0.0,
    })
}
