//! Each format as its scanner writes it, shortened; and documents that are no report, or about another image.

use super::*;
use wharf_core::{
    base::{badge::Scan, text},
    evidence::{
        findings::{Counts, Exploited, MOST_FINDINGS, Vulnerability},
        record::Outcome,
    },
};

const TRIVY: &str = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T06:00:00Z","Results":[{"Type":"alpine","Packages":[{"Name":"zlib","Version":"1"},{}],
    "Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"CRITICAL","FixedVersion":"2","Title":"\u001b[31mred"}]},{"Vulnerabilities":null}]}"#;

fn scanned(document: Option<Document>) -> (Report, Counts, Vec<Vulnerability>) {
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
fn score_layer_and_description_are_read_where_a_report_has_them() {
    let trivy = r#"{"SchemaVersion":2,"Results":[{"Packages":[{"Name":"zlib"}],"Vulnerabilities":[
        {"VulnerabilityID":"CVE-1","Severity":"HIGH","SeveritySource":"alpine","Title":"short","Description":"at\nlength \u001b[2J",
         "Layer":{"Digest":"sha256:1","DiffID":"sha256:2"},"CVSS":{"nvd":{"V3Score":8.1,"V2Score":5},"redhat":{"V3Score":9.8}}},
        {"VulnerabilityID":"CVE-2","Severity":"LOW","Description":"only this","Layer":{"DiffID":"sha256:2"},"CVSS":{"redhat":{"V2Score":3}}},
        {"VulnerabilityID":"CVE-3","Severity":"LOW","Layer":7,"CVSS":{"nvd":null,"a":{"V3Score":"NaN"},"b":{"V3Score":1e9}}}]}]}"#;
    let (_, _, worst) = scanned(read(trivy.as_bytes(), &[]));
    let told = |one: &Vulnerability| (one.score, one.layer.clone(), one.title.clone(), one.description.clone());
    let texts =
        |layer: &str, title: &str, description: &str| (layer.to_owned(), title.to_owned(), description.to_owned());
    let (layer, title, description) = texts("sha256:1", "short", "at length \u{fffd}[2J");
    assert_eq!(
        told(&worst[0]),
        (Some(81), layer, title, description),
        "the NVD's where the severity's source has none"
    );
    let (layer, title, description) = texts("sha256:2", "only this", "");
    assert_eq!(told(&worst[1]), (Some(30), layer, title, description));
    assert_eq!(told(&worst[2]), (None, String::new(), String::new(), String::new()));
    let long = "x".repeat(10_000);
    let grype = format!(
        r#"{{"matches":[{{"vulnerability":{{"id":"CVE-3","severity":"High","description":"{long}","cvss":[{{"metrics":{{"baseScore":7.5}}}},{{"metrics":{{}}}},7]}},
        "artifact":{{"name":"zlib","version":"1.1","type":"apk","locations":[{{"path":"/lib","layerID":"sha256:3"}}]}}}}],"descriptor":{{"name":"grype"}}}}"#
    );
    let (_, _, worst) = scanned(read(grype.as_bytes(), &[]));
    assert_eq!((worst[0].score, worst[0].layer.as_str()), (Some(75), "sha256:3"));
    assert_eq!((worst[0].title.chars().count(), worst[0].description.chars().count()), (160, 600));
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
    // Without packages the scanner does not know the image, which is never clean.
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
    // A finding that cannot be read counts as a finding; `null` does not.
    let odd = r#"{"SchemaVersion":2,"Results":[{"Packages":[{"Name":"zlib"}],"Vulnerabilities":["CVE-1",null,{}]}]}"#;
    assert_eq!(scanned(read(odd.as_bytes(), &[])).1.unknown, 2);
    // A value that is not a list is no empty list of findings.
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

/// The fields in trivy's own golden files (`integration/testdata`), with those that are left out or null.
#[test]
fn trivys_report_is_read_with_its_nulls_and_what_is_beside_vulnerabilities() {
    let text = r#"{"SchemaVersion":2,"ReportID":"x","CreatedAt":"2021-08-25T12:20:30.000000005Z","ArtifactName":"alpine-39.tar.gz",
        "ArtifactType":"container_image","Metadata":{"OS":{"Family":"alpine","Name":"3.9.4","EOSL":true},"ImageConfig":{"config":null}},
        "Results":[{"Target":"alpine-39.tar.gz (alpine 3.9.4)","Class":"os-pkgs","Type":"alpine",
        "Packages":[{"ID":"musl@1.1.20-r4","Name":"musl","Version":"1.1.20-r4","SrcName":null,"Layer":{}}],
        "Vulnerabilities":[{"VulnerabilityID":"CVE-2019-14697","VendorIDs":null,"PkgID":"musl@1.1.20-r4","PkgName":"musl",
        "InstalledVersion":"1.1.20-r4","FixedVersion":"1.1.20-r5","Status":"fixed","SeveritySource":"nvd","Severity":"CRITICAL","CVSS":null},
        {"VulnerabilityID":"CVE-2020-0001","PkgName":"musl","Status":"will_not_fix","Severity":"UNKNOWN","FixedVersion":null}],
        "ExperimentalModifiedFindings":[{"Type":"vulnerability","Status":"ignored","Finding":{"VulnerabilityID":"CVE-2019-1549","Severity":"HIGH"}}]},
        {"Target":"app","Class":"secret","Secrets":[{"RuleID":"x","Severity":"CRITICAL"}]},
        {"Target":"Dockerfile","Class":"config","Misconfigurations":[{"ID":"DS002","Severity":"HIGH","Status":"FAIL"}]},
        {"Target":"Python","Class":"lang-pkgs","Type":"python-pkg","Packages":null,"Vulnerabilities":null}]}"#;
    let (report, counts, worst) = scanned(read(text.as_bytes(), &[]));
    assert_eq!((counts.critical, counts.high, counts.total()), (1, 0, 2), "only vulnerabilities that nobody ignores");
    assert_eq!((report.packages.total(), report.packages.list[0].kind.as_str()), (1, "alpine"));
    assert_eq!((worst[0].fixed.as_str(), worst[0].source.as_str()), ("1.1.20-r5", "nvd"));
    for none in [r#""Results":null"#, r#""Results":[]"#, r#""ArtifactName":"x""#] {
        let (report, ..) = scanned(read(format!(r#"{{"SchemaVersion":2,{none}}}"#).as_bytes(), &[]));
        assert!(matches!(report.outcome(&Exploited::default()), Outcome::Scan { state: Scan::Unsupported, .. }));
    }
}

/// The fields in grype's snapshots (`grype/presenter/json`), old and new.
#[test]
fn grypes_report_is_read_in_its_older_and_newer_forms() {
    let one = r#"{"vulnerability":{"id":"CVE-1999-0001","dataSource":"","namespace":"source-1","severity":"Low","urls":[],"description":null,
        "cvss":[{"version":"3.1","metrics":{"baseScore":8.2},"vendorMetadata":null}],"fix":{"versions":["1.2.1","2.1.3","3.4.0"],"state":"fixed","available":null},"advisories":[]},
        "relatedVulnerabilities":null,"matchDetails":[{"type":"exact-direct-match"}],
        "artifact":{"id":"x","name":"package-1","version":"1.1.1","type":"rpm","locations":[],"upstreams":[],"purl":""}}"#;
    let two = r#"{"vulnerability":{"id":"CVE-2","severity":"Negligible","fix":{"versions":null,"state":"wont-fix"}},"artifact":null}"#;
    let ignored = r#""ignoredMatches":[{"vulnerability":{"id":"CVE-3","severity":"Critical"},"appliedIgnoreRules":[{"vulnerability":"CVE-3"}]}]"#;
    for database in [
        r#"{"built":"2020-02-01T00:00:00Z","schemaVersion":3,"location":"x","checksum":"","error":null}"#,
        r#"{"status":{"schemaVersion":"v6.0.2","from":"https://x","built":"2020-02-01T00:00:00Z","path":"x","valid":true},"providers":{}}"#,
    ] {
        let text = format!(
            r#"{{"matches":[{one},{two},null],{ignored},"source":{{"type":"image","target":{{}}}},"distro":{{"name":"centos","idLike":null}},
            "descriptor":{{"name":"grype","version":"[not provided]","configuration":null,"db":{database},"timestamp":"2020-02-02T00:00:00Z"}}}}"#
        );
        let (report, counts, worst) = scanned(read(text.as_bytes(), &[]));
        assert_eq!((counts.low, counts.critical, counts.total()), (2, 0, 2), "what is ignored is no finding");
        assert_eq!(report.database, text::parse_timestamp("2020-02-01T00:00:00Z"));
        assert!(worst.iter().any(|one| one.fixed == "1.2.1" && one.package == "package-1"));
    }
    for none in [r#""matches":null"#, r#""matches":[]"#] {
        let text = format!(r#"{{{none},"descriptor":{{"name":"grype","db":null}}}}"#);
        let (report, counts, _) = scanned(read(text.as_bytes(), &[]));
        assert_eq!(counts.total(), 0);
        assert!(matches!(report.outcome(&Exploited::default()), Outcome::Scan { state: Scan::Partial, .. }));
    }
}

#[test]
fn of_sarif_counts_what_is_open_and_what_has_no_word_is_a_warning() {
    let results = [
        (r#"{"ruleId":"A"}"#, 1),
        (r#"{"ruleId":"A","level":"error","kind":"fail"}"#, 1),
        (r#"{"ruleId":"A","baselineState":"absent"}"#, 0),
        (r#"{"ruleId":"A","baselineState":"unchanged"}"#, 1),
        (r#"{"ruleId":"A","suppressions":[]}"#, 1),
        (r#"{"ruleId":"A","suppressions":null}"#, 1),
        (r#"{"ruleId":"A","suppressions":[{"kind":"external"}]}"#, 0),
        (r#"{"ruleId":"A","suppressions":[{"kind":"external","status":"underReview"}]}"#, 1),
        (r#"{"ruleId":"A","suppressions":[{"status":"accepted"},{"status":"rejected"}]}"#, 1),
        (r#"{"ruleId":"A","kind":"pass","level":"none"}"#, 0),
    ];
    for (result, count) in results {
        let text = format!(
            r#"{{"version":"2.1.0","runs":[{{"tool":{{"driver":{{"name":"x","rules":[{{"id":"A"}}]}}}},"results":[{result}]}}]}}"#
        );
        let (_, counts, _) = scanned(read(text.as_bytes(), &[]));
        assert_eq!(counts.total(), count, "{result}");
        assert_eq!(counts.unknown, 0, "{result}");
    }
}

/// The examples in CycloneDX's own specification, 1.4 to 1.6.
#[test]
fn cyclonedx_is_a_list_of_software_or_says_what_vulnerabilities_are_worth() {
    for version in ["1.4", "1.5", "1.6"] {
        let list = format!(
            r#"{{"$schema":"http://cyclonedx.org/schema/bom-{version}.schema.json","bomFormat":"CycloneDX","specVersion":"{version}","serialNumber":"urn:uuid:x","version":1,
            "metadata":{{"timestamp":"2020-04-13T20:20:39+00:00","tools":{{"components":[{{"type":"application","name":"t"}}]}},"component":{{"type":"container","name":"img"}}}},
            "components":[{{"type":"library","bom-ref":"a","group":null,"name":"a","version":null,"purl":null,"licenses":null,"hashes":[]}},
            {{"type":"library","name":"b","version":"1","components":[{{"type":"library","name":"c","version":"2"}}]}},
            {{"type":"cryptographic-asset","name":"k"}},{{"type":"file","name":"/etc/passwd"}},null],"services":null,"dependencies":null,
            "vulnerabilities":[{{"id":"CVE-1","analysis":{{"state":"exploitable"}}}}]}}"#
        );
        let Some(Document::Software(list)) = read(list.as_bytes(), &[]) else { panic!("{version}") };
        assert_eq!((list.form, list.packages.total()), (format!("CycloneDX {version}"), 4));
        let vex = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"{version}","version":1,"metadata":{{"timestamp":"2022-03-03T00:00:00Z","supplier":{{"name":"Acme"}}}},
            "vulnerabilities":[{{"id":"CVE-2020-25649","source":{{"name":"NVD"}},"ratings":[{{"score":7.5,"severity":"high"}}],
            "analysis":{{"state":"not_affected","justification":"code_not_reachable","response":["will_not_fix"],"detail":"External."}},"affects":[{{"ref":"urn:cdx:x"}}]}},
            {{"id":"CVE-2","analysis":{{"state":"resolved","justification":null}}}},{{"id":"CVE-3","analysis":null}}]}}"#
        );
        let Some(Document::Statements(said)) = read(vex.as_bytes(), &[]) else { panic!("{version}") };
        let statements: Vec<(&str, &str)> =
            said.statements.iter().map(|one| (one.vulnerability.as_str(), one.status.as_str())).collect();
        assert_eq!(statements, [("CVE-2020-25649", "not_affected"), ("CVE-2", "fixed")]);
        assert_eq!((said.author.as_str(), said.statements[0].why.as_str()), ("Acme", "code_not_reachable: External."));
    }
}

#[test]
fn spdx_is_read_as_a_document_and_as_a_graph() {
    let old = r#"{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"x","documentNamespace":"https://x","creationInfo":{"created":"2010-01-29T18:30:22Z","creators":["Tool: x"]},
        "packages":[{"SPDXID":"SPDXRef-1","name":"glibc","downloadLocation":"NOASSERTION","versionInfo":"2.11.1","primaryPackagePurpose":"SOURCE","checksums":null,
        "externalRefs":[{"referenceCategory":"PACKAGE-MANAGER","referenceType":"purl","referenceLocator":"pkg:rpm/glibc@2.11.1","comment":null}]},
        {"SPDXID":"SPDXRef-2","name":"Jena","versionInfo":null,"externalRefs":null,"primaryPackagePurpose":null}],"files":null,"relationships":null}"#;
    let Some(Document::Software(list)) = read(old.as_bytes(), &[]) else { panic!() };
    assert_eq!((list.packages.total(), list.packages.list[0].kind.as_str()), (2, "rpm"));
    for version in ["3.0.0", "3.0.1"] {
        let graph = format!(
            r#"{{"@context":"https://spdx.org/rdf/{version}/spdx-context.jsonld","@graph":[{{"type":"CreationInfo","@id":"_:c","specVersion":"{version}","created":"2024-03-06T00:00:00Z"}},
            {{"type":"software_Package","spdxId":"https://x/1","creationInfo":"_:c","name":"zlib","software_packageVersion":"1.3","software_packageUrl":"pkg:apk/alpine/zlib@1.3"}},
            {{"type":"software_Package","name":"b","software_packageVersion":null,"externalIdentifier":[{{"type":"ExternalIdentifier","externalIdentifierType":"packageUrl","identifier":"pkg:npm/b@1"}}]}},
            {{"type":"software_Package","name":"img","software_primaryPurpose":"container"}},{{"type":"software_File","name":"f"}},{{"type":"Relationship","from":"x","to":["y"]}}]}}"#
        );
        let Some(Document::Software(list)) = read(graph.as_bytes(), &[]) else { panic!("{version}") };
        let kinds: Vec<&str> = list.packages.list.iter().map(|package| package.kind.as_str()).collect();
        assert_eq!((list.form, kinds), (format!("SPDX-{version}"), vec!["apk", "npm"]));
    }
    assert_eq!(read(br#"{"@context":"https://schema.org","@graph":[{"type":"Person","name":"x"}]}"#, &[]), None);
}

#[test]
fn vex_is_read_as_openvex_of_every_version_and_as_csaf() {
    let old = r#"{"@context":"https://openvex.dev/ns","@id":"https://x/vex-1","author":"Wolfi J Inkinson","role":"Document Creator","timestamp":"2023-01-08T18:02:03.647787998-06:00","version":"1",
        "statements":[{"vulnerability":"CVE-2023-12345","products":["pkg:apk/wolfi/git@2.39.0-r1?arch=armv7"],"status":"fixed"}]}"#;
    let new = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"Wolfi J. Inkinson","timestamp":"2023-01-08T18:02:03.647787998-06:00","version":1,"last_updated":null,"tooling":null,
        "statements":[{"vulnerability":{"@id":"https://nvd.nist.gov/vuln/detail/CVE-2023-12345","name":"CVE-2023-12345","aliases":["GHSA-x"]},"timestamp":null,
        "products":[{"@id":"pkg:apk/x","identifiers":{"purl":"pkg:x"},"subcomponents":null}],"status":"fixed","justification":null,"impact_statement":null,"status_notes":null}]}"#;
    for text in [old, new] {
        let Some(Document::Statements(said)) = read(text.as_bytes(), &[]) else { panic!("{text}") };
        assert!(said.made.is_some() && said.author.starts_with("Wolfi"));
        assert_eq!(
            (said.statements[0].vulnerability.as_str(), said.statements[0].status.as_str()),
            ("CVE-2023-12345", "fixed")
        );
    }
    let csaf = r#"{"document":{"category":"csaf_vex","csaf_version":"2.0","publisher":{"category":"vendor","name":"Example Company","namespace":"https://x"},
        "title":"x","tracking":{"current_release_date":"2022-03-03T11:00:00.000Z","id":"2022-EVD-UC-01","status":"final","version":"1"}},"product_tree":{"branches":[]},
        "vulnerabilities":[{"cve":"CVE-2021-44228","notes":null,"product_status":{"known_not_affected":["CSAFPID-0001"]},"flags":[{"label":"vulnerable_code_not_present","product_ids":["CSAFPID-0001"]}],
        "threats":[{"category":"impact","details":"Class was removed.","product_ids":["CSAFPID-0001"]}]},
        {"cve":"CVE-2","product_status":{"fixed":["A"],"known_affected":["B"]}},{"cve":null,"ids":[{"system_name":"x","text":"BUG-3"}],"product_status":{"under_investigation":["A"]}},{"cve":"CVE-4","product_status":null}]}"#;
    let Some(Document::Statements(said)) = read(csaf.as_bytes(), &[]) else { panic!() };
    let statements: Vec<(&str, &str)> =
        said.statements.iter().map(|one| (one.vulnerability.as_str(), one.status.as_str())).collect();
    assert_eq!(
        statements,
        [("CVE-2021-44228", "not_affected"), ("CVE-2", "affected"), ("BUG-3", "under_investigation")]
    );
    assert_eq!(said.statements[0].why, "vulnerable_code_not_present: Class was removed.");
    assert_eq!(read(br#"{"document":{"title":"a letter"}}"#, &[]), None);
}

#[test]
fn in_totos_own_list_of_vulnerabilities_is_read() {
    let predicate = r#"{"scanner":{"uri":"pkg:github/x@1","version":"1","db":{"uri":"https://x","version":"1","lastUpdate":"2026-11-19T00:00:00Z"},
        "result":[{"id":"CVE-1","severity":[{"method":"nvd","score":"4.2"},{"method":"cvss_score","score":"9.8"}],"annotations":null},
        {"id":"CVE-2","severity":[{"method":"vendor","score":"High"}]},{"id":"CVE-3","severity":null}]},
        "metadata":{"scanStartedOn":"2026-11-20T00:00:00Z","scanFinishedOn":"2026-11-20T06:00:00Z"}}"#;
    for version in ["v0.1", "v0.2"] {
        let text = statement(&format!("https://in-toto.io/attestation/vulns/{version}"), predicate, &digest());
        let (report, counts, _) = scanned(read(text.as_bytes(), &[&digest()]));
        assert_eq!((counts.critical, counts.high, counts.unknown), (1, 1, 1));
        assert_eq!(report.database, text::parse_timestamp("2026-11-19T00:00:00Z"));
    }
}
