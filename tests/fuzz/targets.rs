//! What is done with bytes from outside, for fuzzers and for `tests/stories/hostile.rs`: nothing here may panic, hang or
//! write outside of its folder, whatever the bytes are.

use std::{io::Read, path::Path, sync::OnceLock};

use wharf::{
    adapters::{
        cosign::{
            keyless::{Answer, Keyless},
            payload,
        },
        formats::{
            archive::Index,
            certificates, disk_header,
            keys::Key,
            layer::{Budget, LONGEST_NAME, Layer},
            reports, sif,
        },
        notary::tuf,
        oci::{challenge, referrers},
        prepared::unpack::Root,
        store::shared,
    },
    core::{
        audit::{self, witness::untold},
        base::{clean, digest::Digest},
        catalog::{query::Query, rows::RowSet},
        evidence::{findings::Exploited, record::Outcome},
        image::{
            link::Link,
            manifest::{ImageParts, Manifest, RawManifest, describe},
            reference::ImageRef,
        },
        policy::{Policy, SignatureRules},
        request::{
            Decision, Pace, Request, RequestedImage, Terms,
            notice::Notice,
            statement::{Payload, Statement},
        },
    },
};

/// A name, what is done with the bytes, and bytes to begin with.
pub(super) type Target = (&'static str, fn(&[u8]), fn() -> Vec<Vec<u8>>);

/// All of them.
pub(super) const TARGETS: &[Target] = &[
    ("text", text, seeds_of_text),
    ("manifest", manifest, seeds_of_manifests),
    ("referrers", referrers, seeds_of_referrers),
    ("rows", rows, seeds_of_rows),
    ("header", disk_header, seeds_of_headers),
    ("archive", archive, seeds_of_archives),
    ("unpack", unpack, seeds_of_layers),
    ("layer", layer, seeds_of_layers),
    ("evidence", evidence, seeds_of_evidence),
    ("report", report, seeds_of_reports),
    ("trust", trust, seeds_of_trust),
    ("sif", sif, seeds_of_sif),
    ("request", request, seeds_of_requests),
];

/// References, links, filters, challenges, and the cleaning of text.
fn text(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(reference) = text.parse::<ImageRef>() {
        let again: ImageRef = reference.to_string().parse().expect("what is printed can be read");
        assert_eq!(again, reference);
    }
    if let Ok(link) = text.parse::<Link>() {
        let again: Link = link.to_string().parse().expect("a printed link can be read");
        assert_eq!(again.reference, link.reference);
    }
    let _ = Query::parse(&text);
    let _ = challenge::parse(&text);
    let cleaned = clean::line(&text);
    assert!(!cleaned.chars().any(|c| c.is_control()), "{cleaned:?}");
    assert_eq!(clean::line(&cleaned), cleaned, "cleaning twice changes nothing");
}

/// A manifest, and a configuration behind the first line.
fn manifest(bytes: &[u8]) {
    let (top, config) = bytes.iter().position(|byte| *byte == b'\n').map_or((bytes, &b""[..]), |at| bytes.split_at(at));
    let Ok(raw) = RawManifest::new(None, bytes::Bytes::copy_from_slice(top), "read") else { return };
    let is_index = matches!(raw.parsed(), Manifest::Index { .. });
    let document: serde_json::Value = serde_json::from_slice(top).expect("it was read");
    for (key, value) in document.as_object().expect("it is an object") {
        // A reader that takes no notice of case finds nothing else in it.
        let of = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(key)) && !value.is_null();
        assert!(!(is_index && of(&["config", "layers"])), "an index is no image, too");
        assert!(is_index || !of(&["manifests"]), "an image is no index, too");
    }
    let reference: ImageRef = "r.example/a:1".parse().expect("a reference");
    let listed = match raw.parsed() {
        Manifest::Index { manifests, .. } => manifests.clone(),
        Manifest::Image { .. } => Vec::new(),
    };
    let pieces = ImageParts { reference: &reference, top: &raw, listed: &listed, manifest: &raw, config };
    if let Ok(image) = describe(&pieces, "show") {
        assert!(image.platforms.iter().all(|entry| entry.platform.is_known()), "what nobody knows is no platform");
    }
}

/// What a registry answers that is asked for what is attached to an image.
fn referrers(bytes: &[u8]) {
    for kind in ["application/vnd.oci.image.index.v1+json", "text/html", ""] {
        assert!(referrers::foreign(kind, bytes) <= bytes.len());
    }
}

fn seeds_of_referrers() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"x");
    [
        format!(
            r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2,"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","annotations":{{"a":"b"}}}}]}}"#
        ),
        r#"{"schemaVersion":2,"manifests":null}"#.to_owned(),
        "<html></html>".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// A list as kept on disk.
fn rows(bytes: &[u8]) {
    if let Ok(set) = RowSet::from_bytes(bytes) {
        for row in 0..set.len() {
            let _ = set.get(row).and_then(|view| view.favourite_tag());
        }
        let _ = set.head(3).to_bytes();
    }
}

/// The head of a disk image, with a size that its first bytes choose.
fn disk_header(bytes: &[u8]) {
    let size = bytes.first_chunk::<8>().map_or(0, |eight| u64::from_le_bytes(*eight));
    let _ = disk_header::read(bytes, bytes.len() as u64);
    let _ = disk_header::read(bytes, size);
}

/// An image archive.
fn archive(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.tar");
    std::fs::write(&path, bytes).expect("a file");
    if let Ok(index) = Index::scan(&path) {
        let _ = index.contents();
    }
}

/// The entries of a layer: what is kept of each is bounded, and each has been paid for with a header.
fn layer(bytes: &[u8]) {
    let mut budget = Budget::default();
    let Ok(mut layer) = Layer::new(bytes, &budget) else { return };
    let mut length = 0;
    while let Ok(Some(item)) = layer.next(&mut budget) {
        assert!(item.name.len() as u64 <= LONGEST_NAME && item.target.len() as u64 <= LONGEST_NAME);
        length += std::io::copy(&mut (&mut layer).take(1 << 20), &mut std::io::sink()).unwrap_or(0);
    }
    // 100 times what was read, and a gibibyte.
    assert!(length <= 100 * bytes.len() as u64 + (1 << 30));
}

/// A layer, unpacked twice: the second time over what the first one left.
fn unpack(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    std::fs::create_dir(&root).expect("a folder");
    std::fs::write(folder.path().join("canary"), "alive").expect("a file");
    for _ in 0..2 {
        if let Ok(mut root) = Root::new(&root) {
            let _ = root.apply(bytes, None, "unpack");
        }
    }
    let names = |at: &Path| {
        let mut names: Vec<_> =
            std::fs::read_dir(at).into_iter().flatten().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names(folder.path()), ["canary", "root"], "nothing appeared beside the root");
    assert_eq!(std::fs::read(folder.path().join("canary")).expect("it is there"), b"alive");
}

/// Payloads and bundles of signatures, keys, reports of scanners, policies, lines of the audit.
fn evidence(bytes: &[u8]) {
    let digest = Digest::of(b"image");
    // A payload that is not of this image must say so.
    if payload::classic_misses(bytes, &digest, Some("1")).is_none() {
        assert!(String::from_utf8_lossy(bytes).contains(digest.hex()), "it names the image");
    }
    if let Some(bundle) = payload::Bundle::read(bytes) {
        let _ = (bundle.misses(&digest), bundle.signed(), bundle.hint().len());
    }
    let text = String::from_utf8_lossy(bytes);
    if let Some(key) = Key::parse(&text) {
        assert!(!key.verifies(b"message", bytes), "what is no signature verifies nothing");
    }
    if let Ok(policy) = Policy::parse(&text, "fuzz") {
        let judgement = policy.judge(&Default::default(), 0);
        assert!(!judgement.reasons.is_empty());
    }
    let reading = audit::read(&text);
    let _ = untold(&reading, None);
}

/// Reports of scanners and registries, lists of software, statements; bare, signed and bundled.
fn report(bytes: &[u8]) {
    let digest = Digest::of(b"image");
    let registries = [reports::clair::read(bytes), reports::harbor::read(bytes)];
    let quay = match reports::quay::read(bytes) {
        Some(reports::quay::Answer::Scanned(report)) => Some(report),
        _ => None,
    };
    let attached = match reports::read(bytes, &[&digest]) {
        Some(reports::Document::Scan(report)) => Some(report),
        _ => None,
    };
    for report in registries.into_iter().chain([quay, attached]).flatten() {
        let Outcome::Scan { counts, worst, .. } = report.outcome(&Exploited::default()) else { continue };
        assert!(worst.len() as u64 <= counts.total());
        assert!(!worst.iter().any(|one| one.title.contains('\u{1b}')), "text of a report is cleaned");
    }
}

/// Trust data of a Notary server, certificates, bundles without a key: what nobody signed is trusted by nobody.
fn trust(bytes: &[u8]) {
    static KEYLESS: OnceLock<Keyless> = OnceLock::new();
    let pins = ["0".repeat(64)];
    let seen = tuf::Versions::default();
    let watch = tuf::Watch { gun: "r.example/a", pins: &pins, seen: &seen, now: 1_800_000_000 };
    assert!(tuf::trusted(bytes, &[bytes.to_vec()], &watch).is_err(), "no key of it is pinned");
    let _ = tuf::Root::read(bytes);
    let read = certificates::ParsedCertificate::from_der(bytes);
    for certificate in certificates::all_from_pem(&String::from_utf8_lossy(bytes)).into_iter().chain(read) {
        assert!(certificate.leads_to(&[], &[], 1_800_000_000).is_err(), "nobody is trusted");
        let _ = certificate.key();
    }
    let keyless = KEYLESS.get_or_init(|| Keyless::new(&SignatureRules::default()).expect("the built-in root"));
    let answer = keyless.bundle(bytes, &Digest::of(b"image"));
    assert!(!matches!(answer, Answer::Trusted(_) | Answer::NoRule(_)), "nobody signed that image: {answer:?}");
}

fn seeds_of_trust() -> Vec<Vec<u8>> {
    vec![
        include_bytes!("../fixtures/notary/root.json").to_vec(),
        include_bytes!("../fixtures/notary/timestamp.json").to_vec(),
        include_bytes!("../fixtures/notary/snapshot.json").to_vec(),
        include_bytes!("../fixtures/notary/targets.json").to_vec(),
        include_bytes!("../fixtures/sigstore/conda-attestation.sigstore.json").to_vec(),
        include_bytes!("../fixtures/sigstore/cosign-v3-blob.sigstore.json").to_vec(),
    ]
}

/// What a signature states, and requests as others may have written them into the shared store.
fn request(bytes: &[u8]) {
    let digest = Digest::of(b"image");
    match Payload::parse(bytes) {
        Some(
            Payload::Image { digest: of, .. }
            | Payload::Disk { digest: of, .. }
            | Payload::TakenBack { digest: of, .. },
        ) if of == digest.as_str() => {
            assert!(String::from_utf8_lossy(bytes).contains(digest.hex()), "it names the image");
        }
        _ => {}
    }
    let text = String::from_utf8_lossy(bytes);
    if let Ok(request) = shared::read::<Request>(&text, "fuzz") {
        let told = request.describe(&[], Pace::default(), 1, 1_800_000_000);
        assert!(!told.contains('\u{1b}') && !told.contains('\u{202e}'), "text of others is cleaned");
        // Whatever stands in a row: what is signed names the digest that is asked for, and the place.
        if let Ok(statement) = Statement::for_approval(&request, &decision(&request), 1) {
            if let Some(Payload::Image { repository, digest: of, .. }) = Payload::parse(statement.bytes()) {
                assert_eq!(of, request.asked.digest);
                assert!(request.destination.ends_with(&repository) || request.destination.contains(&repository));
            }
        }
    }
    if let Ok(notice) = shared::read::<Notice>(&text, "fuzz") {
        let (subject, body) = notice.letter();
        assert!(!subject.contains('\u{1b}') && !body.contains('\u{1b}'), "text of others is cleaned");
    }
}

/// What somebody decides who approves a request as it is.
fn decision(request: &Request) -> Decision {
    Decision {
        by: "carol".into(),
        at: 1,
        approve: true,
        reason: "fine".into(),
        terms: Terms { only: true, ..Terms::default() },
        digest: request.asked.digest.clone(),
        payload: String::new(),
        signature: String::new(),
    }
}

fn seeds_of_requests() -> Vec<Vec<u8>> {
    let asked =
        RequestedImage { from: "oci://r.example/a:1".into(), title: "a\u{1b}[31m".into(), ..RequestedImage::default() };
    let request = Request::new(1, asked.clone(), "oci://r.example/admitted/a", 1_700_000_000);
    let signed = Request {
        asked: RequestedImage { digest: Digest::of(b"image").to_string(), ..asked.clone() },
        ..request.clone()
    };
    let statement = Statement::for_approval(&signed, &decision(&signed), 1).expect("a statement");
    let notice = r#"{"id":1,"at":1,"to":"ada","topic":"vulnerability","key":"k","title":"t","words":"w","request":null,"warning":{"reference":"r","digest":"d","findings":[["CVE-1","openssl","3.1"]],"fixed":null,"workloads":["local/a"],"because":["you launched it"]},"seen":false}"#;
    vec![serde_json::to_vec(&request).expect("a seed"), statement.bytes().to_vec(), notice.into()]
}

/// The objects of a SIF file.
fn sif(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("image.sif");
    std::fs::write(&path, bytes).expect("a file");
    for object in sif::objects(&path).unwrap_or_default() {
        assert!(object.offset + object.size <= bytes.len() as u64, "it is within the file");
        let _ = sif::small(&path, &object);
    }
    let _ = sif::lineage(&path);
}

fn seeds_of_sif() -> Vec<Vec<u8>> {
    let recipe = b"bootstrap: docker\nfrom: alpine\n";
    let mut file = vec![0; 128 + 585];
    file[32..42].copy_from_slice(b"SIF_MAGIC\0");
    file[88] = 1;
    file[96] = 128;
    file[128..132].copy_from_slice(&0x4001_i32.to_le_bytes());
    file[132] = 1;
    let begin = file.len() as u64;
    file[145..153].copy_from_slice(&begin.to_le_bytes());
    file[153..161].copy_from_slice(&(recipe.len() as u64).to_le_bytes());
    file.extend_from_slice(recipe);
    vec![file]
}

fn seeds_of_reports() -> Vec<Vec<u8>> {
    [
        r#"{"SchemaVersion":2,"Results":[{"Packages":[{"Name":"zlib"}],"Vulnerabilities":[{"VulnerabilityID":"CVE-1","PkgName":"zlib","Severity":"CRITICAL","FixedVersion":"2","Title":"x\u001b[31m"}]}]}"#,
        r#"{"runs":[{"results":[{"ruleId":"CVE-1","level":"error","message":{"text":"x"}}],"tool":{"driver":{"name":"T","rules":[{"id":"CVE-1","properties":{"security-severity":"9.8"}}]}}}]}"#,
        r#"{"matches":[{"vulnerability":{"id":"CVE-1","severity":"High","fix":{"versions":["2"]}},"artifact":{"name":"z","version":"1","type":"apk"}}],"descriptor":{"name":"grype"}}"#,
        r#"{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{"type":"library","name":"z","version":"1","purl":"pkg:apk/z@1"}]}"#,
        r#"{"spdxVersion":"SPDX-2.3","packages":[{"name":"z","versionInfo":"1","externalRefs":[{"referenceType":"purl","referenceLocator":"pkg:deb/z@1"}]}]}"#,
        r#"{"@context":"https://openvex.dev/ns/v0.2.0","author":"Ada","statements":[{"vulnerability":{"name":"CVE-1"},"status":"fixed"}]}"#,
        r#"{"status":"scanned","data":{"Layer":{"Features":[{"Name":"z","Version":"1","Vulnerabilities":[{"Name":"CVE-1","Severity":"High"}]}]}}}"#,
        r#"{"packages":{"1":{"name":"z"}},"vulnerabilities":{"2":{"name":"CVE-1","normalized_severity":"Low"}},"package_vulnerabilities":{"1":["2"]}}"#,
        r#"{"application/vnd.security.vulnerability.report; version=1.1":{"vulnerabilities":[{"id":"CVE-1","severity":"High"}]}}"#,
        r#"{"payloadType":"application/vnd.in-toto+json","payload":"e30="}"#,
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

fn seeds_of_evidence() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"image");
    let classic = format!(
        r#"{{"critical":{{"identity":{{"docker-reference":"r.example/a:1"}},"image":{{"docker-manifest-digest":"{digest}"}},"type":"cosign container image signature"}},"optional":null}}"#
    );
    let bundle = r#"{"verificationMaterial":{"publicKey":{"hint":"AA=="}},"dsseEnvelope":{"payload":"e30=","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"AAAA"}]}}"#;
    let key = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n-----END PUBLIC KEY-----\n";
    let line = audit::next(None, audit::Entry::new("ada", "launch", "x")).expect("a seed");
    vec![
        classic.into_bytes(),
        bundle.into(),
        key.into(),
        wharf::core::policy::BUILT_IN.into(),
        serde_json::to_vec(&line).expect("a seed"),
    ]
}

fn seeds_of_text() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"x");
    [
        format!("oci://r.example:5000/physics/gromacs:2024.1@{digest}"),
        format!(
            "wharf:oci://r.example/a@{digest}?tag=1&platform=linux%2Farm64&from=Ada&until=2030-01-01T00%3A00%3A00Z"
        ),
        "file:/home/ada/images/x.tar:1.0".to_owned(),
        "engine://docker/library/alpine:latest".to_owned(),
        "gromacs:2024 source:lab kind:vm project:physics label:a=b".to_owned(),
        r#"Bearer realm="https://auth.example/token",service="r",scope="repository:a:pull", Basic realm="x""#
            .to_owned(),
        "a\u{1b}[31mred\u{202e}\u{200b}".to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

fn seeds_of_manifests() -> Vec<Vec<u8>> {
    let digest = Digest::of(b"x");
    let image = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{digest}","size":2}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{digest}","size":9}}],"annotations":{{"a":"b"}}}}
{{"architecture":"amd64","os":"linux","config":{{"Entrypoint":["/x"],"Env":["A=b"],"Labels":{{"l":"v"}}}},"rootfs":{{"type":"layers","diff_ids":["{digest}"]}},"history":[{{"created":"2024-01-01T00:00:00Z","created_by":"RUN x"}}]}}"#
    );
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":2,"platform":{{"os":"linux","architecture":"arm64","variant":"v8"}}}}]}}"#
    );
    vec![image.into_bytes(), index.into_bytes()]
}

fn seeds_of_rows() -> Vec<Vec<u8>> {
    let row = |name: &str| wharf::core::catalog::rows::Row {
        name: name.into(),
        tags: vec!["1".into(), "latest".into()],
        ..Default::default()
    };
    vec![RowSet::build(vec![row("a/b"), row("c")]).to_bytes(), RowSet::default().to_bytes()]
}

fn seeds_of_headers() -> Vec<Vec<u8>> {
    let mut qcow = b"QFI\xfb\0\0\0\x03".to_vec();
    qcow.resize(512, 0);
    qcow[31] = 1;
    let mut vmdk = b"KDMV\x01\0\0\0".to_vec();
    vmdk.resize(512, 0);
    let mut sif = b"#!/usr/bin/env run-singularity\n\0SIF_MAGIC\0".to_vec();
    sif.resize(512, 0);
    let text =
        b"# Disk DescriptorFile\nversion=1\ncreateType=\"monolithicSparse\"\nRW 4 SPARSE \"/etc/passwd\"\n".to_vec();
    vec![qcow, vmdk, sif, text, vec![0; 512]]
}

fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, *data).expect("a seed");
    }
    builder.into_inner().expect("a seed")
}

fn seeds_of_archives() -> Vec<Vec<u8>> {
    let config = br#"{"rootfs":{"diff_ids":[]}}"#;
    let saved =
        tar_of(&[("c.json", config), ("manifest.json", br#"[{"Config":"c.json","RepoTags":["a:1"],"Layers":[]}]"#)]);
    let none = Digest::of(b"{}");
    let manifest = format!(
        r#"{{"schemaVersion":2,"layers":[],"config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{none}","size":2}}}}"#
    );
    let manifest = manifest.as_bytes();
    let digest = Digest::of(manifest);
    let index = format!(r#"{{"manifests":[{{"digest":"{digest}","size":{}}}]}}"#, manifest.len());
    let layout = tar_of(&[(&format!("blobs/sha256/{}", digest.hex()), manifest), ("index.json", index.as_bytes())]);
    vec![saved, layout]
}

fn seeds_of_layers() -> Vec<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut add = |kind: tar::EntryType, name: &str, target: &str, data: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.as_mut_bytes()[157..157 + target.len()].copy_from_slice(target.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(0o755);
        header.set_size(data.len() as u64);
        header.set_cksum();
        builder.append(&header, data).expect("a seed");
    };
    add(tar::EntryType::Directory, "a/", "", b"");
    add(tar::EntryType::Regular, "a/file", "", b"data");
    add(tar::EntryType::Symlink, "a/link", "../../canary", b"");
    add(tar::EntryType::Link, "a/hard", "a/file", b"");
    add(tar::EntryType::Regular, "a/.wh.file", "", b"");
    add(tar::EntryType::Regular, "a/.wh..wh..opq", "", b"");
    add(tar::EntryType::Symlink, "up", "..", b"");
    add(tar::EntryType::Regular, "up/canary", "", b"dead");
    add(tar::EntryType::Char, "null", "", b"");
    let plain = builder.into_inner().expect("a seed");
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, &plain).expect("a seed");
    vec![plain, packed.finish().expect("a seed")]
}
