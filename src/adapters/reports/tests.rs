//! Every form as its scanner writes it, shortened; and what is no report, or one of another image.

use super::*;
use crate::core::findings::MOST_FINDINGS;

const TRIVY: &str = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T06:00:00Z","Results":[{"Type":"alpine","Packages":[{"Name":"zlib","Version":"1"},{}],
    "Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"CRITICAL","FixedVersion":"2","Title":"\u001b[31mred"}]},{"Vulnerabilities":null}]}"#;

fn scanned(document: Option<Document>) -> (Report, crate::core::findings::Counts, Vec<Vulnerability>) {
    let Some(Document::Scan(report)) = document else { panic!("{document:?}") };
    let (counts, worst) = report.tally.clone().finish(&Exploited::default());
    (report, counts, worst)
}

fn digest() -> Digest {
    Digest::of(b"image")
}

fn statement(kind: &str, predicate: &str, digest: &Digest) -> String {
    format!(
        r#"{{"_type":"https://in-toto.io/Statement/v1","subject":[{{"name":"a","digest":{{"sha256":"{}"}}}}],"predicateType":"{kind}","predicate":{predicate}}}"#,
        digest.hex()
    )
}

#[test]
fn scans_of_every_form_are_read_and_their_text_is_cleaned() {
    let (report, counts, worst) = scanned(read(TRIVY.as_bytes(), &[]));
    assert_eq!((report.packages.total(), counts.critical, counts.fixable_critical), (2, 1, 1));
    assert_eq!(report.scanned, text::parse_timestamp("2026-11-20T06:00:00Z"));
    assert!(!worst[0].title.contains('\u{1b}'));
    let sarif = r#"{"version":"2.1.0","runs":[{"results":[{"ruleId":"CVE-1","message":{"text":"bad"}},{"ruleId":"CVE-2","level":"warning"}],
        "tool":{"driver":{"name":"Trivy","rules":[{"id":"CVE-1","properties":{"security-severity":"9.8"}}]}}}]}"#;
    let (report, counts, _) = scanned(read(sarif.as_bytes(), &[]));
    assert_eq!((counts.critical, counts.medium, report.tool.as_str()), (1, 1, "SARIF of Trivy"));
    let grype = r#"{"matches":[{"vulnerability":{"id":"CVE-3","severity":"High","namespace":"alpine:distro:alpine:3.17","fix":{"versions":["1.2"],"state":"fixed"}},
        "artifact":{"name":"zlib","version":"1.1","type":"apk"}}],"descriptor":{"name":"grype","version":"0.90.0","timestamp":"2026-11-20T06:00:00Z","db":{"status":{"built":"2026-11-19T00:00:00Z"}}}}"#;
    let (report, counts, worst) = scanned(read(grype.as_bytes(), &[]));
    assert_eq!((counts.high, worst[0].fixed.as_str(), report.tool.as_str()), (1, "1.2", "grype 0.90.0"));
    assert_eq!(report.database, text::parse_timestamp("2026-11-19T00:00:00Z"));
}

#[test]
fn what_registries_scanners_answer_is_read() {
    let quay = r#"{"status":"scanned","data":{"Layer":{"Features":[{"Name":"zlib","Version":"1","VersionFormat":"apk","Vulnerabilities":[
        {"Name":"CVE-4","Severity":"Critical","FixedBy":"2","NamespaceName":"alpine"}]},{"Name":"musl","Version":"1","Vulnerabilities":[]}]}}}"#;
    let Some(quay::Answer::Scanned(report)) = quay::read(quay.as_bytes()) else { panic!() };
    assert_eq!((report.packages.total(), report.tally.finish(&Exploited::default()).0.fixable_critical), (2, 1));
    for (status, wanted) in [
        ("queued", quay::Answer::Queued),
        ("failed", quay::Answer::Failed),
        ("unsupported", quay::Answer::Unsupported),
        ("scanned", quay::Answer::Unsupported),
    ] {
        assert_eq!(quay::read(format!(r#"{{"status":"{status}","data":null}}"#).as_bytes()), Some(wanted));
    }
    let clair = r#"{"manifest_hash":"sha256:x","packages":{"1":{"name":"zlib","version":"1","kind":"binary"},"2":{"name":"zlib","version":"1","kind":"source"}},
        "vulnerabilities":{"9":{"name":"CVE-5","normalized_severity":"Medium","fixed_in_version":"2"}},"package_vulnerabilities":{"1":["9"]}}"#;
    let report = clair::read(clair.as_bytes()).unwrap();
    assert_eq!((report.packages.total(), report.tally.finish(&Exploited::default()).0.medium), (1, 1));
    let harbor = r#"{"application/vnd.security.vulnerability.report; version=1.1":{"generated_at":"2026-11-20T06:00:00Z","scanner":{"name":"Trivy","vendor":"Aqua","version":"v0.60"},
        "severity":"High","vulnerabilities":[{"id":"CVE-6","package":"zlib","version":"1","fix_version":"2","severity":"High"}]}}"#;
    let report = harbor::read(harbor.as_bytes()).unwrap();
    assert_eq!(
        (report.tool.as_str(), report.scanned),
        ("Harbor's Trivy v0.60", text::parse_timestamp("2026-11-20T06:00:00Z"))
    );
}

#[test]
fn statements_are_read_for_their_own_image_only() {
    for scanner in [
        format!(r#""scanner":{{"uri":"trivy","result":{TRIVY}}}"#),
        format!(r#""scanners":[{{"uri":"trivy","result":{TRIVY}}}]"#),
    ] {
        let predicate = format!(r#"{{{scanner},"metadata":{{"scanFinishedOn":"2026-11-21T00:00:00Z"}}}}"#);
        let text = statement("https://cosign.sigstore.dev/attestation/vuln/v1", &predicate, &digest());
        let envelope = format!(
            r#"{{"payloadType":"application/vnd.in-toto+json","payload":"{}","signatures":[]}}"#,
            base64(&text)
        );
        let bundle =
            format!(r#"{{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{envelope}}}"#);
        for form in [&text, &envelope, &bundle] {
            let (report, counts, _) = scanned(read(form.as_bytes(), &[&Digest::of(b"index"), &digest()]));
            assert_eq!((counts.critical, report.tool.as_str()), (1, "attestation of trivy"));
            assert_eq!(report.scanned, text::parse_timestamp("2026-11-21T00:00:00Z"));
            assert_eq!(read(form.as_bytes(), &[&Digest::of(b"other")]), None, "it speaks of another image");
        }
    }
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    STANDARD.encode(text)
}

#[test]
fn software_lists_and_vex_are_read_bare_and_as_predicates() {
    let cyclonedx = r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"openssl","version":"3.1.4","purl":"pkg:apk/alpine/openssl@3.1.4"},
        {"type":"library","group":"org.apache","name":"log4j","version":"2"},{"type":"operating-system","name":"alpine"}]}"#;
    let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"img","primaryPackagePurpose":"CONTAINER"},{"name":"zlib","versionInfo":"1.2",
        "externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/debian/zlib@1.2"}]}]}"#;
    let vex = r#"{"@context":"https://openvex.dev/ns/v0.2.0","author":"Ada","timestamp":"2026-11-20T06:00:00Z","statements":[
        {"vulnerability":{"name":"CVE-1"},"status":"not_affected","justification":"vulnerable_code_not_in_execute_path"},{"vulnerability":"CVE-2","status":"fixed"}]}"#;
    let software = |document| match document {
        Some(Document::Software(software)) => software,
        other => panic!("{other:?}"),
    };
    for wrapped in [false, true] {
        let form = |kind: &str, text: &str| if wrapped { statement(kind, text, &digest()) } else { text.to_owned() };
        let list = software(read(form("https://cyclonedx.org/bom", cyclonedx).as_bytes(), &[&digest()]));
        assert_eq!((list.form.as_str(), list.packages.total()), ("CycloneDX 1.5", 2));
        assert_eq!(list.packages.list[0].kind, "apk");
        let list = software(read(form("https://spdx.dev/Document", spdx).as_bytes(), &[&digest()]));
        assert_eq!((list.form.as_str(), list.packages.list[0].kind.as_str()), ("SPDX-2.3", "deb"));
        let Some(Document::Statements(said)) =
            read(form("https://openvex.dev/ns/v0.2.0", vex).as_bytes(), &[&digest()])
        else {
            panic!()
        };
        assert_eq!((said.author.as_str(), said.statements.len()), ("Ada", 2));
        assert_eq!(said.statements[0].status, "not_affected");
    }
}

#[test]
fn fifty_thousand_findings_and_endless_nesting_are_no_danger() {
    let finding = r#"{"VulnerabilityID":"CVE-2","PkgName":"p","Severity":"LOW"},"#.repeat(50_000);
    let text = format!(
        r#"{{"SchemaVersion":2,"Results":[{{"Packages":[{{}}],"Vulnerabilities":[{}]}}]}}"#,
        finding.trim_end_matches(',')
    );
    let (report, counts, worst) = scanned(read(text.as_bytes(), &[]));
    assert_eq!((counts.low, worst.len()), (50_000, MOST_FINDINGS));
    assert!(matches!(report.outcome(&Exploited::default()), Outcome::Scan { state: Scan::Findings, .. }));
    assert_eq!(read("[".repeat(1 << 20).as_bytes(), &[]), None);
    assert_eq!(read(format!("{{\"runs\":{}", "[".repeat(1 << 20)).as_bytes(), &[]), None);
    for nothing in ["{}", "[", "null", r#"{"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}"#] {
        assert_eq!(read(nothing.as_bytes(), &[]), None, "{nothing}");
    }
    // No packages is nothing that the scanner knows, and never clean.
    let empty = scan(br#"{"SchemaVersion":2,"Results":[]}"#).unwrap().outcome(&Exploited::default());
    assert!(matches!(empty, Outcome::Scan { state: Scan::Unsupported, .. }));
}

#[test]
fn one_odd_field_never_makes_a_report_unreadable() {
    let finding = r#"{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"CRITICAL","FixedVersion":"2""#;
    for odd in [
        r#""Title":null"#,
        r#""Title":7"#,
        r#""Title":1.5"#,
        r#""Title":true"#,
        r#""Title":["a",{"b":null}]"#,
        r#""Title":{"a":["b"]}"#,
        r#""SeveritySource":null,"InstalledVersion":-1"#,
        r#""unknown":{"a":[null]}"#,
    ] {
        let text = format!(
            r#"{{"SchemaVersion":2,"CreatedAt":null,"Trivy":null,"Results":[null,{{"Packages":[{{"Name":"zlib"}}],"Vulnerabilities":[{finding},{odd}}}]}}]}}"#
        );
        let (report, counts, worst) = scanned(read(text.as_bytes(), &[]));
        assert_eq!((report.packages.total(), counts.critical, worst[0].id.as_str()), (1, 1, "CVE-1"), "{odd}");
    }
    // A finding of which nothing can be read is a finding; none at all is none.
    let odd = r#"{"SchemaVersion":2,"Results":[{"Packages":[{"Name":"zlib"}],"Vulnerabilities":["CVE-1",null,{}]}]}"#;
    assert_eq!(scanned(read(odd.as_bytes(), &[])).1.unknown, 2);
    // A list of findings that is no list is not an empty one.
    let broken = r#"{"SchemaVersion":2,"Results":[{"Packages":[{"Name":"zlib"}],"Vulnerabilities":"CVE-1"}]}"#;
    assert_eq!(read(broken.as_bytes(), &[]), None);
    let marked = format!("\u{feff}{TRIVY}");
    assert_eq!(scanned(read(marked.as_bytes(), &[])).1.critical, 1, "a mark of byte order before it");
    let grype = r#"{"matches":[{"vulnerability":{"id":"CVE-3","severity":"High","fix":{"versions":null}},"artifact":null},
        {"vulnerability":{"id":"CVE-4","severity":"High","fix":{"versions":"1.2"}}}],"descriptor":{"db":null,"version":null}}"#;
    assert_eq!(scanned(read(grype.as_bytes(), &[])).1.high, 2);
    assert_eq!(scanned(read(br#"{"matches":null,"descriptor":{"name":"grype"}}"#, &[])).1.total(), 0);
    let clair = r#"{"packages":{"1":null},"vulnerabilities":{"9":{"name":"CVE-5","normalized_severity":"Medium","updater":null}},"package_vulnerabilities":{"1":["9","8"],"2":null}}"#;
    let counts = clair::read(clair.as_bytes()).unwrap().tally.finish(&Exploited::default()).0;
    assert_eq!((counts.medium, counts.unknown), (1, 1), "one that is not described is a finding");
    let harbor = r#"{"application/vnd.x.report":null,"application/vnd.security.vulnerability.report; version=1.1":{"scanner":null,"vulnerabilities":[{"id":"CVE-6","severity":"High","links":null,"description":null}]}}"#;
    assert_eq!(harbor::read(harbor.as_bytes()).unwrap().tally.finish(&Exploited::default()).0.high, 1);
    assert_eq!(harbor::read(br#"{"application/vnd.security.vulnerability.report; version=1.1":null}"#), None);
    let vex = r#"{"@context":"c","author":null,"statements":[{"vulnerability":{"@id":"CVE-1","name":null},"status":"fixed","justification":null},{"vulnerability":null}]}"#;
    let Some(Document::Statements(said)) = read(vex.as_bytes(), &[]) else { panic!("not read") };
    assert_eq!((said.statements.len(), said.statements[0].vulnerability.as_str()), (2, "CVE-1"));
}

#[test]
fn sarif_is_read_as_its_specification_says() {
    let of = |results: &str| {
        let text = format!(
            r#"{{"version":"2.1.0","runs":[{{"results":[{results}],"tool":{{"driver":{{"name":"x","rules":[
                {{"id":"CVE-1","properties":{{"security-severity":"9.8"}}}},{{"id":"CVE-2","defaultConfiguration":{{"level":"error"}}}}]}},
                "extensions":[{{"rules":[{{"id":"CVE-3","properties":{{"security-severity":4.5}}}}]}}]}}}}]}}"#
        );
        let counts = scanned(read(text.as_bytes(), &[])).1;
        [counts.critical, counts.high, counts.medium, counts.low, counts.unknown]
    };
    for (result, counts) in [
        (r#"{"ruleId":"CVE-1"}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleIndex":0}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1","ruleIndex":-1}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1/sub/x"}"#, [1, 0, 0, 0, 0]),
        (r#"{"rule":{"id":"CVE-1"}}"#, [1, 0, 0, 0, 0]),
        (r#"{"rule":{"index":0}}"#, [1, 0, 0, 0, 0]),
        (r#"{"rule":{"index":0,"toolComponent":{"index":0}}}"#, [0, 0, 1, 0, 0]),
        (r#"{"ruleId":"CVE-3"}"#, [0, 0, 1, 0, 0]),
        (r#"{"ruleId":"CVE-2"}"#, [0, 1, 0, 0, 0]),
        (r#"{"ruleId":"CVE-2","level":"note"}"#, [0, 0, 0, 1, 0]),
        (r#"{"ruleId":"CVE-9"}"#, [0, 0, 0, 0, 1]),
        (r#"{"ruleId":"CVE-1","kind":"pass","level":"none"}"#, [0; 5]),
        (r#"{"ruleId":"CVE-1","kind":"notApplicable"}"#, [0; 5]),
        (r#"{"ruleId":"CVE-1","kind":"review"}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1","suppressions":[]}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1","suppressions":null}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1","suppressions":[{"kind":"inSource"}]}"#, [0; 5]),
        (r#"{"ruleId":"CVE-1","suppressions":[{"status":"accepted"},{"status":"underReview"}]}"#, [1, 0, 0, 0, 0]),
        (r#"{"ruleId":"CVE-1","suppressions":[{"status":"rejected"}]}"#, [1, 0, 0, 0, 0]),
    ] {
        assert_eq!(of(result), counts, "{result}");
    }
}

#[test]
fn components_in_components_are_components() {
    let bom =
        |components: &str| format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":{components}}}"#);
    let count = |text: String| match read(text.as_bytes(), &[]) {
        Some(Document::Software(list)) => list.packages.total(),
        other => panic!("{other:?}"),
    };
    assert_eq!(count(bom(r#"[{"name":"a","components":[{"name":"b","components":[{"name":"c"}]},null]}]"#)), 3);
    assert_eq!(count(bom(r#"[{"type":"file","name":"f","components":[{"name":"in it"}]}]"#)), 1);
    assert_eq!(count(bom(r#"[{"name":"a","version":null,"components":null,"purl":3}]"#)), 1);
    assert_eq!(count(bom("null")), 0);
    let deep = format!(r#"{}{{"name":"x"}}{}"#, r#"{"components":["#.repeat(500), "]}".repeat(500));
    assert_eq!(read(bom(&format!("[{deep}]")).as_bytes(), &[]), None, "no reader goes that deep");
    let spdx = r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"a","externalRefs":null},{"name":"b","externalRefs":"x"},{"name":"c","versionInfo":null}]}"#;
    assert_eq!(count(spdx.to_owned()), 3);
}
