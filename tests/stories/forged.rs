//! What nobody can get at a site: a steward's signature over something that was not admitted, or an approval that
//! counts for another image, place or time.

use std::process::Command;

use crate::{
    lab,
    requests::{site, skopeo_copy},
    scans::attach_to,
    site::Person,
};

/// Runs a person's program without an installed scanner.
fn without_scanner(person: &Person<'_>, arguments: &[&str]) -> std::process::Output {
    person.wharf(arguments).env("PATH", "/usr/bin:/bin").output().unwrap()
}

/// The payloads of all signatures of a digest.
fn payloads(repository: &str, digest: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let from = format!("docker://{repository}:{}.sig", digest.replace(':', "-"));
    let to = format!("dir:{}", folder.path().display());
    let copied = Command::new("skopeo").args(["copy", "-q", "--src-tls-verify=false", &from, &to]).output().unwrap();
    assert!(copied.status.success(), "{}", lab::complained(&copied));
    let manifest = std::fs::read(folder.path().join("manifest.json")).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&manifest).unwrap();
    let hex = |layer: &serde_json::Value| layer["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.map(|layer| std::fs::read_to_string(folder.path().join(hex(layer))).unwrap()).collect()
}

fn bare(image: &str) -> &str {
    image.trim_start_matches("oci://").rsplit_once(":1").unwrap().0
}

#[tokio::test]
async fn a_steward_signs_nothing_that_somebody_only_used() {
    let Some(site) = site("").await else { return };
    let (ada, mallory, mut steward) = (site.person("ada"), site.person("bob"), site.steward());
    let good = site.image(&ada, "good", &[("musl", "1.6-r0")], true);
    let id = ada.ask(&good, "for the paper");
    steward.run(&["steward", "--once"]);
    let admitted = ada.request(id)["admitted"]["reference"].as_str().unwrap().to_owned();
    let digest = admitted.rsplit_once('@').unwrap().1.to_owned();
    // The site's own signature of the good image is copied to the place of another image's signature, and that image is
    // used.
    let evil = site.image(&mallory, "evil", &[("musl", "6.6-r0")], false);
    let shown = mallory.json(0, &["show", &evil]);
    let evil_digest = shown["pinned"]["digest"].as_str().unwrap().to_owned();
    assert_ne!(evil_digest, digest);
    let tag = |digest: &str| format!("{}.sig", digest.replace(':', "-"));
    skopeo_copy([
        format!("docker://{}:{}", bare(&admitted), tag(&digest)),
        format!("docker://{}:{}", bare(&evil), tag(&evil_digest)),
    ]);
    let folder = mallory.home.path("taken");
    let pulled = mallory.run(&["pull", &evil, folder.to_str().unwrap(), "--because", "I like it"]);
    let used = pulled.status.success();
    let database = site.database.as_ref().unwrap();
    let name = evil.trim_end_matches(":1");
    let says = format!("SELECT wharf.use('launched', '{evil_digest}', 'oci://{name}@{evil_digest}', 'x', 0)");
    let by_hand = database.psql("bob", &database.name, &says).0;
    assert!(used || by_hand, "a use was written down: {}", lab::complained(&pulled));
    // New vulnerability data makes the steward judge everything again.
    site.advise(&[r#"{"id": "CVE-2026-1", "platform": "alpine 3.17", "pkg": "musl", "fixed": "9.9-r0", "severity": "LOW", "title": "new"}"#]);
    for _ in 0..2 {
        steward.run(&["steward", "--once"]);
    }
    for payload in payloads(bare(&evil), &evil_digest) {
        assert!(!payload.contains(&evil_digest), "signed: {payload}");
    }
    let verified = ada.run(&["verify", &evil]);
    assert!(matches!(verified.status.code(), Some(3 | 4)), "{}", lab::said(&verified));
    assert!(!lab::said(&verified).contains("✓ verified"), "{}", lab::said(&verified));
    // The admission was stated again: with the data that is known now, and by the same approval.
    let stated = payloads(bare(&admitted), &digest);
    assert!(stated.iter().any(|payload| payload.contains("wharf.scan") && payload.contains(&digest)), "{stated:?}");
    steward.name.clear();
}

#[tokio::test]
async fn what_was_found_in_one_place_counts_there_whoever_looked_where_first() {
    let Some(site) = site("").await else { return };
    let (ada, carol, steward) = (site.person("ada"), site.person("carol"), site.steward());
    // Signed by its vendor, and verified there first; scanned by nobody but the steward.
    let image = site.image(&ada, "looked-at", &[("musl", "1.7-r0")], true);
    let first = without_scanner(&ada, &["verify", &image]);
    assert_eq!(first.status.code(), Some(3), "{}", lab::said(&first));
    let id = ada.ask(&image, "for the paper");
    steward.run(&["steward", "--once"]);
    let admitted = ada.request(id)["admitted"]["reference"].as_str().unwrap().to_owned();
    let there = without_scanner(&ada, &["verify", &admitted]);
    assert_eq!(there.status.code(), Some(0), "{}", lab::said(&there));
    // And the reverse: an approval for one place does not count for the same bytes in another, even after it was
    // verified.
    let image = site.image(&ada, "only", &[("musl", "1.8-r0")], false);
    let id = ada.ask(&image, "for the paper").to_string();
    steward.run(&["steward", "--once"]);
    let approved = carol.run(&["approve", &id, "--only"]);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    steward.run(&["steward", "--once"]);
    let admitted = ada.request(id.parse().unwrap())["admitted"]["reference"].as_str().unwrap().to_owned();
    assert_eq!(ada.run(&["verify", &image]).status.code(), Some(3));
    assert_eq!(ada.run(&["verify", &admitted]).status.code(), Some(0));
    let again = ada.run(&["verify", &image]);
    assert_eq!(again.status.code(), Some(3), "{}", lab::said(&again));
    assert_eq!(ada.run(&["launch", &image, "--on", "local"]).status.code(), Some(3));
}

#[tokio::test]
async fn a_signature_counts_in_the_repository_that_it_was_made_in() {
    let Some(site) = site("").await else { return };
    let ada = site.person("ada");
    let image = site.image(&ada, "tool", &[("musl", "1.9-r1")], true);
    let digest = ada.json(0, &["show", &image])["pinned"]["digest"].as_str().unwrap().to_owned();
    let elsewhere = format!("{}/{}:1", site.upstream, lab::fresh("mirror/gromacs"));
    let tag = format!("{}.sig", digest.replace(':', "-"));
    for version in ["1", &tag] {
        skopeo_copy([
            format!("docker://{}:{version}", bare(&image)),
            format!("docker://{}:{version}", bare(&elsewhere)),
        ]);
    }
    assert_eq!(ada.run(&["verify", &image]).status.code(), Some(0));
    let moved = ada.run(&["verify", &elsewhere]);
    assert_eq!(moved.status.code(), Some(3), "{}", lab::said(&moved));
    assert!(lab::said(&moved).contains("signed for another place"), "{}", lab::said(&moved));
    // A site that mirrors images says so in its policy.
    let file = ada.home.path("site.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let mirror = format!(
        "[[policy.signature.mirror]]\nrepository = \"{}\"\nsigned = \"{}\"\n",
        bare(&elsewhere).rsplit_once('/').unwrap().0,
        bare(&image).rsplit_once('/').unwrap().0,
    );
    // Only names that are the same below both prefixes.
    std::fs::write(&file, format!("{text}\n{mirror}")).unwrap();
    assert_eq!(ada.run(&["verify", &elsewhere]).status.code(), Some(3));
    let same = format!("{}/mirrored/{}:1", site.upstream, bare(&image).rsplit_once('/').unwrap().1);
    for version in ["1", &tag] {
        skopeo_copy([format!("docker://{}:{version}", bare(&image)), format!("docker://{}:{version}", bare(&same))]);
    }
    let mirror = mirror.replace("/mirror\"", "/mirrored\"");
    std::fs::write(&file, format!("{text}\n{mirror}")).unwrap();
    let fine = ada.run(&["verify", &same]);
    assert_eq!(fine.status.code(), Some(0), "{}", lab::said(&fine));
}

#[tokio::test]
async fn what_the_site_knows_and_what_was_taken_back_stops_a_launch_at_once() {
    let Some(site) = site("").await else { return };
    let (ada, bob, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let image = site.image(&bob, "turns-bad", &[("curl", "8.1-r0")], true);
    let other = site.image(&bob, "taken-back", &[("musl", "1.8-r3")], true);
    let (first, second) = (ada.ask(&image, "for the paper"), ada.ask(&other, "for the paper"));
    steward.run(&["steward", "--once"]);
    let place = |id| ada.request(id)["admitted"]["reference"].as_str().unwrap().to_owned();
    let (bad, back) = (place(first), place(second));
    // Also for people who verified it a moment ago.
    for image in [&bad, &back] {
        assert_eq!(ada.run(&["verify", image]).status.code(), Some(0));
    }
    site.advise(&[r#"{"id": "CVE-2026-2", "platform": "alpine 3.17", "pkg": "curl", "fixed": "9.9-r0", "severity": "CRITICAL", "title": "new"}"#]);
    steward.run(&["steward", "--once"]);
    let now = without_scanner(&ada, &["verify", &bad]);
    assert_eq!(now.status.code(), Some(4), "{}", lab::said(&now));
    assert!(lab::said(&now).contains("CVE-2026-2"), "{}", lab::said(&now));
    assert_eq!(without_scanner(&ada, &["launch", &bad, "--on", "local"]).status.code(), Some(4));
    // Revoking is for approvers, needs a reason, and counts before any steward has signed it.
    let number = second.to_string();
    assert_eq!(ada.run(&["revoke", &number, "--reason", "x"]).status.code(), Some(7));
    assert_eq!(carol.run(&["revoke", &number]).status.code(), Some(2));
    let taken = carol.run(&["revoke", &number, "--reason", "it sends mail"]);
    assert_eq!(taken.status.code(), Some(0), "{}", lab::complained(&taken));
    let now = ada.run(&["verify", &back]);
    assert_eq!(now.status.code(), Some(4), "{}", lab::said(&now));
    assert!(lab::said(&now).contains("taken back by carol"), "{}", lab::said(&now));
    let inbox = lab::said(&ada.run(&["inbox"]));
    assert!(inbox.contains("was taken back by carol: it sends mail"), "{inbox}");
    // Once it is signed, people who ask no store see it, too.
    steward.run(&["steward", "--once"]);
    assert_eq!(ada.request(second)["stage"], "revoked");
    let alone = site.person("dora");
    let file = alone.home.path("site.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let without: Vec<&str> = text.lines().filter(|line| !line.starts_with("store")).collect();
    std::fs::write(&file, without.join("\n")).unwrap();
    let now = alone.run(&["verify", &back]);
    assert_eq!(now.status.code(), Some(4), "{}", lab::said(&now));
    assert!(lab::said(&now).contains("taken back"), "{}", lab::said(&now));
    let audit = lab::said(&carol.run(&["audit"]));
    assert!(audit.contains("take back"), "{audit}");
}

#[tokio::test]
async fn an_approval_takes_what_held_the_image_back_and_says_so() {
    let Some(site) = site("").await else { return };
    let (ada, carol, steward) = (site.person("ada"), site.person("carol"), site.steward());
    // Nobody has a scanner: the image is neither signed nor scanned.
    let image = site.image(&ada, "unscanned", &[("musl", "1.8-r4")], false);
    let id = ada.ask(&image, "for the paper").to_string();
    without_scanner(&steward, &["steward", "--once"]);
    let approved = without_scanner(&carol, &["approve", &id]);
    let said = lab::said(&approved);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    assert!(said.contains("signature") && said.contains("scan.missing"), "{said}");
    without_scanner(&steward, &["steward", "--once"]);
    let request = ada.request(id.parse().unwrap());
    let admitted = request["admitted"]["reference"].as_str().unwrap_or_else(|| panic!("{request:#}")).to_owned();
    let verified = without_scanner(&ada, &["verify", &admitted]);
    assert_eq!(verified.status.code(), Some(0), "{}", lab::said(&verified));
    assert!(lab::said(&verified).contains("taken by its approval"), "{}", lab::said(&verified));
    // The approval accepted that there was no scan, not any finding of one.
    let scanned = ada.run(&["verify", &admitted, "--again"]);
    assert_eq!(scanned.status.code(), Some(0), "{}", lab::said(&scanned));
}

#[tokio::test]
async fn what_an_image_says_of_its_base_and_of_its_scan_admits_nothing() {
    let Some(site) = site("").await else { return };
    let (ada, mallory, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let image = site.image(&ada, "based", &[("musl", "1.8-r5")], false);
    let id = ada.ask(&image, "for the paper");
    steward.run(&["steward", "--once"]);
    let base = ada.request(id)["dossier"]["base"].as_str().unwrap().to_owned();
    assert!(base.starts_with("layer sha256:"), "{base}");
    let class = ["approve", "--rule", "signature", "--base", &base, "--until", "30d", "--reason", "our base"];
    let approved = carol.run(&class);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    steward.run(&["steward", "--once"]);
    assert_eq!(ada.request(id)["stage"], "admitted");
    // Another image, which only claims to be built on that base.
    let claims = site.image_that_says(
        &mallory,
        "claims",
        &[("musl", "6.6-r1")],
        &[("org.opencontainers.image.base.name", &base), ("org.opencontainers.image.base.digest", &base)],
    );
    let id = mallory.ask(&claims, "please");
    steward.run(&["steward", "--once"]);
    assert_eq!(mallory.request(id)["stage"], "waiting");
    // A report that came with an image is not stated by anybody, and stops no scanner, whatever it calls itself.
    let report = r#"{"matches":[],"descriptor":{"name":"grype","version":"1, stated by the signer","timestamp":"2026-11-01T00:00:00Z","db":{"built":"2026-11-01T00:00:00Z"}},"source":{"type":"image"}}"#;
    let reported = site.image(&mallory, "reported", &[("zlib", "1.2.12-r0")], false);
    attach_to(&reported, "application/vnd.anchore.grype.report+json", report);
    let verified = ada.run(&["verify", &reported]);
    assert_eq!(verified.status.code(), Some(4), "{}", lab::said(&verified));
    assert!(lab::said(&verified).contains("trivy"), "{}", lab::said(&verified));
    let quiet = site.image(&mallory, "quiet", &[("musl", "1.8-r7")], false);
    attach_to(&quiet, "application/vnd.anchore.grype.report+json", report);
    let id = mallory.ask(&quiet, "please").to_string();
    without_scanner(&steward, &["steward", "--once"]);
    without_scanner(&carol, &["approve", &id]);
    without_scanner(&steward, &["steward", "--once"]);
    let request = mallory.request(id.parse().unwrap());
    let admitted = request["admitted"]["reference"].as_str().unwrap_or_else(|| panic!("{request:#}")).to_owned();
    let digest = admitted.rsplit_once('@').unwrap().1.to_owned();
    for payload in payloads(bare(&admitted), &digest) {
        assert!(!payload.contains("wharf.scan"), "a scan is stated that nobody has made: {payload}");
    }
}

/// An admission counts where it was made, with its conditions, until it is revoked: neither a copy nor a new request
/// gives another one.
#[tokio::test]
async fn conditions_of_an_admission_are_not_washed_off_by_copies_or_by_asking_for_it_again() {
    let Some(site) = site("").await else { return };
    let (ada, mallory, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let image = site.image(&ada, "on-conditions", &[("musl", "1.8-r6")], false);
    let id = ada.ask(&image, "for the paper");
    steward.run(&["steward", "--once"]);
    let approved = carol.run(&["approve", &id.to_string(), "--until", "30d", "--reason", "for the workshop"]);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    // Everybody can read what carol has signed at once, and it counts only where it says.
    let shown = mallory.json(0, &["show", &image]);
    let digest = shown["pinned"]["digest"].as_str().unwrap().to_owned();
    steward.run(&["steward", "--once"]);
    let admitted = ada.request(id)["admitted"]["reference"].as_str().unwrap().to_owned();
    let told = lab::said(&ada.run(&["verify", &admitted]));
    assert!(told.contains("approved by carol, until "), "{told}");
    let copied = site.image(&mallory, "copied", &[("musl", "1.8-r7")], false);
    let tag = format!("{}.sig", digest.replace(':', "-"));
    skopeo_copy([format!("docker://{}:{tag}", bare(&admitted)), format!("docker://{}:{tag}", bare(&copied))]);
    skopeo_copy([format!("docker://{}@{digest}", bare(&admitted)), format!("docker://{}:1", bare(&copied))]);
    let there = mallory.run(&["verify", &copied, "--again"]);
    assert_eq!(there.status.code(), Some(3), "{}", lab::said(&there));
    assert!(lab::said(&there).contains("signed for another place"), "{}", lab::said(&there));
    // Requested from where it is admitted, the policy would allow it, without an end and without carol.
    let again = mallory.run(&["request", &admitted, "--reason", "again"]);
    assert_eq!(again.status.code(), Some(2), "{}", lab::said(&again));
    assert!(lab::complained(&again).contains("own place"), "{}", lab::complained(&again));
    // Nor can it be done with psql.
    let database = site.database.as_ref().unwrap();
    let from = format!("oci://{}@{digest}", bare(&admitted));
    let host = bare(&admitted).split('/').next().unwrap();
    let destination = format!("oci://{host}/admitted/{}", bare(&admitted).split_once('/').unwrap().1);
    let asked =
        serde_json::json!({"from": from, "title": "x", "tag": null, "digest": digest, "platforms": [], "size": 1});
    let sql = format!("SELECT id FROM wharf.submit('{asked}', '{destination}', 'r', NULL, false)");
    let (went, said) = database.psql("bob", &database.name, &sql);
    assert!(went, "{said}");
    let forged: i64 = said.trim().parse().unwrap();
    steward.run(&["steward", "--once"]);
    assert_ne!(mallory.request(forged)["stage"], "admitted");
}
