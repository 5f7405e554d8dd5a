use proptest::prelude::*;

use super::*;
use crate::{
    base::badge::{Scan, Verdict},
    evidence::{findings::Counts, terms::AttestedScan},
    request::{
        Admission, Class, Dossier, RequestedImage, Stage, StoredReason,
        admission::{AdmissionToSign, Decided, KnownDecision},
    },
};

fn name() -> Name {
    match "oci://r.example/admitted/a".parse().unwrap() {
        ImageRef::Oci(name) => name,
        _ => unreachable!(),
    }
}

fn digest() -> Digest {
    Digest::of(b"image")
}

fn stated() -> SignatureClaims {
    SignatureClaims {
        terms: Terms {
            until: Some(2_000_000_000),
            only: true,
            exceptions: vec!["CVE-1".into(), "CVE-2".into()],
            rules: vec!["scan.missing".into()],
        },
        only: Some("r.example/admitted/a".into()),
        approver: "carol".into(),
        request: "12".into(),
        scan: Some(AttestedScan {
            state: Scan::Clean,
            counts: Counts::default(),
            packages: 14,
            scanned: 1_900_000_000,
            database: None,
            tool: "trivy 0.70".into(),
            named: Vec::new(),
        }),
        at: 1_900_000_100,
    }
}

fn written(stated: &SignatureClaims) -> String {
    Statement::build(CLASSIC, &AdmissionPlace::Repository(name()), &digest(), stated, None).text
}

fn read(text: &str) -> SignatureClaims {
    match Payload::parse(text.as_bytes()) {
        Some(Payload::Image { stated, .. }) => stated,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_plain_signature_is_what_cosign_writes() {
    let hex = digest().hex().to_owned();
    assert_eq!(
        Statement::for_image(&name(), &digest()).text(),
        format!(
            r#"{{"critical":{{"identity":{{"docker-reference":"r.example/admitted/a"}},"image":{{"docker-manifest-digest":"sha256:{hex}"}},"type":"cosign container image signature"}},"optional":null}}"#
        )
    );
}

#[test]
fn what_is_signed_reads_back_and_a_condition_is_never_dropped() {
    let text = written(&stated());
    assert_eq!(read(&text), stated());
    let name = "r.example/admitted/a";
    assert_eq!((stated().why_ended(1_999_999_999), stated().is_elsewhere(name)), (None, None));
    assert!(stated().why_ended(2_000_000_000).is_some_and(|why| why.contains("ended")));
    assert!(stated().is_elsewhere("r.example/other/a").is_some_and(|why| why.contains("only as")));
    let broken = text.replace("2033-05-18T03:33:20Z", "some day");
    assert_ne!(broken, text);
    assert!(read(&broken).why_ended(1).is_some(), "an end that cannot be read is over");
    let broken = text.replace(r#""wharf.only":"r.example/admitted/a""#, r#""wharf.only":3"#);
    assert!(read(&broken).is_elsewhere(name).is_some());
    assert_eq!(Payload::parse(b"[]"), None);
    let conditions = stated().conditions();
    assert!(conditions.is_elsewhere("r.example/other/a").is_some(), "conditions bind whoever signed");
    assert!(!conditions.admits() && conditions.scan.is_none() && conditions.terms.rules.is_empty());
}

#[test]
fn a_statement_of_one_kind_is_none_of_another() {
    let id = "3f9e0c4e-0000-4000-8000-000000000001";
    let disk = Statement::build(DISK, &AdmissionPlace::Disk(id.into()), &digest(), &stated(), None);
    assert!(matches!(Payload::parse(disk.bytes()), Some(Payload::Disk { .. })));
    let back = Statement::for_revocation(&AdmissionPlace::Repository(name()), &digest(), 12, ("carol", "it leaks"), 5);
    assert!(matches!(Payload::parse(back.bytes()), Some(Payload::TakenBack { reason, .. }) if reason == "it leaks"));
    // A type that does not fit its fields means nothing.
    for (text, from, to) in [
        (disk.text(), DISK, CLASSIC),
        (written(&stated()).as_str(), CLASSIC, DISK),
        (Statement::class_author("layer x", "signature", &Terms::default()).text(), CLASS, CLASSIC),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        assert_eq!(Payload::parse(changed.as_bytes()), None, "{changed}");
    }
    // Nor does a payload that names two things, or one twice.
    let both = disk.text().replace("{\"data-digest\"", "{\"docker-manifest-digest\":\"sha256:00\",\"data-digest\"");
    assert_eq!(Payload::parse(both.replace(DISK, CLASSIC).as_bytes()), None);
    let twice =
        written(&stated()).replacen("\"image\":", "\"image\":{\"docker-manifest-digest\":\"sha256:00\"},\"image\":", 1);
    assert_eq!(Payload::parse(twice.as_bytes()), None);
}

fn dossier(findings: &[&str]) -> Dossier {
    let ground = |rule: &str, findings: &[&str]| StoredReason {
        verdict: Verdict::NeedsApproval,
        rule: rule.into(),
        words: "w".into(),
        step: String::new(),
        findings: findings.iter().map(|one| (*one).to_owned()).collect(),
    };
    let mut grounds = vec![ground("signature", &[])];
    if !findings.is_empty() {
        grounds.push(ground("scan.fixable_critical", findings));
    }
    Dossier {
        verdict: Verdict::NeedsApproval,
        policy: "p".into(),
        grounds,
        evidence: Vec::new(),
        base: "layer sha256:1".into(),
        diff: String::new(),
        fixes: Vec::new(),
        quarantine: String::new(),
        scan: None,
        tag: None,
        at: 1,
    }
}

fn request(from: &str, destination: &str) -> Request {
    let asked = RequestedImage { from: from.into(), digest: digest().to_string(), ..RequestedImage::default() };
    Request { stage: Stage::Admitting, dossier: Some(dossier(&[])), ..Request::new(12, asked, destination, 1) }
}

fn decision(by: &str, digest: &str) -> Decision {
    Decision {
        by: by.into(),
        at: 3,
        approve: true,
        reason: "r".into(),
        terms: Terms::default(),
        digest: digest.into(),
        payload: String::new(),
        signature: String::new(),
    }
}

#[test]
fn a_class_takes_one_rule_and_the_findings_that_it_names_and_no_other() {
    let terms = |rules: &[&str], exceptions: &[&str]| Terms {
        rules: rules.iter().map(|one| (*one).to_owned()).collect(),
        exceptions: exceptions.iter().map(|one| (*one).to_owned()).collect(),
        ..Terms::default()
    };
    assert!(Class::accepts_all(&dossier(&[]), "signature", &terms(&["signature"], &[])));
    assert!(!Class::accepts_all(&dossier(&[]), "signature", &terms(&[], &[])));
    assert!(!Class::accepts_all(
        &dossier(&["CVE-1"]),
        "signature",
        &terms(&["signature", "scan.fixable_critical"], &[])
    ));
    assert!(Class::accepts_all(&dossier(&["CVE-1"]), "signature", &terms(&["signature"], &["CVE-1"])));
    assert!(!Class::accepts_all(&dossier(&["CVE-1", "CVE-2"]), "signature", &terms(&["signature"], &["CVE-1"])));
}

#[test]
fn only_the_key_that_signed_exactly_this_request_has_approved_it() {
    let request = request("oci://r.example/a@sha256:1", "oci://r.example/admitted/a");
    let mut signed = decision("carol", digest().as_str());
    signed.payload = Statement::for_approval(&request, &signed, 7).unwrap().text().to_owned();
    signed.signature = "c2ln".into();
    let known = KnownDecision { key: Some("k".into()), signed: true, ..KnownDecision::default() };
    let with = |decision: &Decision| Request { decision: Some(decision.clone()), ..request.clone() };
    assert!(Decided::new(&with(&signed), &known).is_ok_and(|decided| decided.is_signed()));
    assert!(Decided::new(&with(&signed), &KnownDecision { key: None, ..known.clone() }).is_err());
    for changed in [
        Decision { by: "dora".into(), ..signed.clone() },
        Decision { terms: Terms { until: Some(9), ..Terms::default() }, ..signed.clone() },
        Decision { terms: Terms { exceptions: vec!["CVE-1".into()], ..Terms::default() }, ..signed.clone() },
        Decision { signature: String::new(), ..signed.clone() },
        Decision { approve: false, ..signed.clone() },
    ] {
        assert!(Decided::new(&with(&changed), &known).is_err(), "{changed:?}");
    }
    for other in [
        Request { id: 13, ..with(&signed) },
        Request { destination: "oci://r.example/admitted/b".into(), ..with(&signed) },
        Request {
            asked: RequestedImage { digest: Digest::of(b"other").to_string(), ..request.asked.clone() },
            ..with(&signed)
        },
    ] {
        assert!(Decided::new(&other, &known).is_err());
    }
    let policy = with(&decision("policy site", digest().as_str()));
    assert!(
        Decided::new(&policy, &known).is_err(),
        "what a row says of the policy counts only once the policy says it"
    );
    assert!(Decided::new(&policy, &KnownDecision { policy: Some(Verdict::Allow), ..known.clone() }).is_ok());
    let class = with(&Decision { by: Decision::class_author("carol", 3), ..signed });
    assert!(Decided::new(&class, &known).is_err());
}

#[test]
fn a_stated_admission_is_said_again_only_of_what_is_admitted_there() {
    let decided = |request: &Request| {
        let known = KnownDecision { policy: Some(Verdict::Allow), ..KnownDecision::default() };
        Decided::new(request, &known).unwrap()
    };
    let place = AdmissionPlace::Repository(name());
    let mut one = request("oci://r.example/a@sha256:1", "oci://r.example/admitted/a");
    one.decision = Some(decision("policy site", digest().as_str()));
    let admitting = AdmissionToSign::new(&one, &decided(&one), place.clone(), &digest()).unwrap();
    assert!(AdmissionToSign::new(&one, &decided(&one), place.clone(), &Digest::of(b"other")).is_err(), "other bytes");
    let payload = Statement::for_admission(&admitting, None, 5);
    let admitted = Admission {
        reference: "r".into(),
        digest: digest().to_string(),
        signers: Vec::new(),
        at: 1,
        untagged: String::new(),
    };
    let there = Request { stage: Stage::Admitted, admitted: Some(admitted), ..one.clone() };
    let again = |payload: &Statement, request: &Request, place: &AdmissionPlace, digest: &Digest| {
        AdmissionToSign::stated_before(payload.bytes(), request, place, digest)
    };
    assert_eq!(again(&payload, &there, &place, &digest()).as_ref(), Some(&admitting));
    let elsewhere = AdmissionPlace::Repository(Name { repository: "mal/evil".into(), ..name() });
    assert_eq!(again(&payload, &there, &elsewhere, &digest()), None);
    assert_eq!(again(&payload, &there, &place, &Digest::of(b"evil")), None);
    assert_eq!(again(&payload, &one, &place, &digest()), None, "not admitted yet");
    assert_eq!(again(&payload, &Request { id: 99, ..there.clone() }, &place, &digest()), None);
    assert_eq!(again(&Statement::for_image(&name(), &digest()), &there, &place, &digest()), None);
    let back = Statement::for_revocation(&place, &digest(), 12, ("carol", "r"), 9);
    assert_eq!(again(&back, &there, &place, &digest()), None);
}

fn foreign() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,40}",
        "\\PC{0,40}",
        Just(r#"ubuntu"},"image":{"docker-manifest-digest":"sha256:EVIL"},"type":"cosign container image signature"},"_":{"_":{"_":""#.to_owned()),
        Just("\"}\u{2028}\n\r\\".to_owned()),
        Just("x".repeat(10_000)),
    ]
}

proptest! {
    /// Whatever texts come from people, rows and clouds: a statement names its own digest and place, no others, and is
    /// of its own kind.
    #[test]
    fn words_from_others_never_change_what_a_statement_is_about(
        id in foreign(), approver in foreign(), reason in foreign(), rule in foreign(), finding in foreign(),
    ) {
        let stated = SignatureClaims {
            terms: Terms { rules: vec![rule.clone()], exceptions: vec![finding], ..Terms::default() },
            approver: approver.clone(),
            request: "12".into(),
            at: 5,
            ..SignatureClaims::default()
        };
        let disk = Statement::build(DISK, &AdmissionPlace::Disk(id.clone()), &digest(), &stated, None);
        match Payload::parse(disk.bytes()) {
            Some(Payload::Disk { id: of, digest: over, .. }) => {
                prop_assert_eq!(of, id.clone());
                prop_assert_eq!(over, digest().to_string());
            }
            other => prop_assert!(false, "{:?}", other),
        }
        let back = Statement::for_revocation(&AdmissionPlace::Repository(name()), &digest(), 1, (&approver, &reason), 5);
        let same = matches!(Payload::parse(back.bytes()), Some(Payload::TakenBack { digest: of, .. }) if of == digest().as_str());
        prop_assert!(same);
        let class = Statement::class_author(&id, &rule, &stated.terms);
        prop_assert!(Statement::is_of_class(class.text()));
        prop_assert_eq!(Payload::parse(class.bytes()), None);
    }

    #[test]
    fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Payload::parse(&bytes);
    }
}
