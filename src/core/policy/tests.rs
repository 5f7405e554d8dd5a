//! The policy's verdicts for evidence: tables, and properties that must hold for all evidence.

use super::{judge::DAY, *};
use crate::{
    base::{
        badge::{Scan, Signature},
        digest::Digest,
    },
    evidence::record::{CheckedBy, Counts, Outcome, Record, Severity, Subject, Vulnerability},
};

const NOW: i64 = 1_800_000_000;

fn subject() -> Subject {
    let digest = Digest::of(b"image");
    Subject { name: "oci://r.example/a".into(), tag: None, digest: digest.clone(), platform: None, manifest: digest }
}

fn record(outcome: Outcome) -> Record {
    Record {
        subject: subject(),
        check: "test".into(),
        tool: "test".into(),
        inputs: Vec::new(),
        by: CheckedBy::Wharf,
        at: NOW - 10,
        valid_until: NOW + DAY,
        outcome,
        reason: String::new(),
        terms: None,
    }
}

fn signature(state: Signature) -> Record {
    record(Outcome::Signature { state, signer: "key 1".into() })
}

fn scan(state: Scan, counts: Counts, days: i64) -> Record {
    let worst = (0..counts.fixable_critical)
        .map(|at| Vulnerability {
            severity: Severity::Critical,
            id: format!("CVE-{at}"),
            package: "p".into(),
            installed: "1".into(),
            fixed: "2".into(),
            ..Vulnerability::default()
        })
        .collect();
    let scanned = Some(NOW - days * DAY);
    record(Outcome::Scan { state, counts, packages: 5, scanned, database: None, worst })
}

fn judged(policy: &Policy, records: &[Record], privileged: Option<bool>) -> Judgement {
    let facts =
        Facts { records, digests: vec![subject().digest], name: "oci://r.example/a", privileged, ..Facts::default() };
    policy.judge(&facts, NOW)
}

fn critical(fixable_critical: u64) -> Counts {
    Counts { critical: fixable_critical, fixable_critical, ..Counts::default() }
}

#[test]
fn the_written_default_is_the_one_in_force() {
    assert_eq!(Policy::parse(BUILT_IN, "built in").unwrap(), Policy::default());
}

#[test]
fn the_default_policy_is_that_of_the_design() {
    use Verdict::{Allow, Deny, NeedsApproval, Undecided};
    let clean = || scan(Scan::Clean, Counts::default(), 1);
    let good = || signature(Signature::Verified);
    for (name, records, privileged, wanted) in [
        ("verified, fresh, clean, unprivileged", vec![good(), clean()], Some(false), Allow),
        ("covered by a signed index", vec![signature(Signature::CoveredByIndex), clean()], Some(false), Allow),
        ("nothing checked", vec![], None, Undecided),
        ("only one kind checked", vec![good()], None, NeedsApproval),
        ("unsigned", vec![signature(Signature::NoneFound), clean()], None, NeedsApproval),
        ("signed, no key", vec![signature(Signature::NoKey), clean()], None, NeedsApproval),
        ("signed by a stranger", vec![signature(Signature::Untrusted), clean()], None, NeedsApproval),
        ("could not be checked", vec![signature(Signature::Unreachable), clean()], None, NeedsApproval),
        ("FAILED", vec![signature(Signature::Invalid), clean()], None, Deny),
        ("stale", vec![good(), scan(Scan::Clean, Counts::default(), 8)], None, NeedsApproval),
        ("unsupported", vec![good(), scan(Scan::Unsupported, Counts::default(), 1)], None, NeedsApproval),
        ("fixable critical", vec![good(), scan(Scan::Findings, critical(1), 1)], None, NeedsApproval),
        (
            "findings that nobody can fix",
            vec![good(), scan(Scan::Findings, Counts { critical: 1, ..Counts::default() }, 1)],
            None,
            Allow,
        ),
        ("privileged", vec![good(), clean()], Some(true), NeedsApproval),
        ("scanned by somebody else", vec![good(), Record { by: CheckedBy::Source, ..clean() }], None, NeedsApproval),
    ] {
        let judgement = judged(&Policy::default(), &records, privileged);
        assert_eq!(judgement.verdict, wanted, "{name}: {judgement:?}");
        let has_step = judgement.reasons.iter().all(|reason| reason.verdict == Allow || !reason.step.is_empty());
        assert!(has_step, "{name}: each reason says what to do");
    }
}

#[test]
fn the_deny_list_and_a_dangerous_format_outweigh_everything() {
    let records = [signature(Signature::Verified), scan(Scan::Clean, Counts::default(), 0)];
    let mut policy = Policy::default();
    policy.deny.push(Denied { digest: subject().digest, reason: "miner".into() });
    assert_eq!(judged(&policy, &records, None).verdict, Verdict::Deny);
    let facts = Facts { records: &records, broken_format: true, ..Facts::default() };
    assert_eq!(Policy::default().judge(&facts, NOW).verdict, Verdict::Deny);
}

#[test]
fn an_exception_counts_for_its_image_until_its_day_and_no_longer() {
    let records = [signature(Signature::Verified), scan(Scan::Findings, critical(1), 1)];
    let with = |repository: &str, expires: i64| {
        let mut policy = Policy::default();
        policy.exception.push(Exception {
            id: "EX-1".into(),
            vulnerability: "CVE-0".into(),
            digest: None,
            repository: Some(repository.into()),
            owner: "ada".into(),
            reason: "not started".into(),
            expires: text::timestamp(expires),
        });
        let facts = Facts { records: &records, name: "oci://r.example/a", ..Facts::default() };
        let words = policy.accepted(&facts, "CVE-0", NOW);
        let until = format!("EX-1 of ada until {}: not started", text::timestamp(expires));
        let counts = repository == "oci://r.example/" && expires > NOW;
        assert_eq!(words, counts.then_some(until));
        assert_eq!(policy.accepted(&facts, "CVE-9", NOW), None);
        judged(&policy, &records, None)
    };
    let taken = with("oci://r.example/", NOW + 5);
    assert_eq!((taken.verdict, taken.exceptions), (Verdict::Allow, vec!["EX-1".to_owned()]));
    assert_eq!(with("oci://r.example/", NOW - 5).verdict, Verdict::NeedsApproval);
    assert_eq!(with("oci://other.example/", NOW + 5).verdict, Verdict::NeedsApproval);
    for bad in [
        "[[exception]]\nid='x'\nvulnerability='c'\nowner='o'\nreason='r'\nexpires='soon'\nrepository='a'",
        "[[exception]]\nid='x'\nvulnerability='c'\nowner='o'\nreason='r'\nexpires='2030-01-01T00:00:00Z'",
        "[scan]\nfresh=1",
    ] {
        assert!(Policy::parse(bad, "test").is_err(), "{bad}");
    }
}

#[test]
fn the_users_file_makes_the_sites_stricter_and_never_milder() {
    let site = Policy { enforce: true, publishers: vec![Publisher::Official], ..Policy::default() };
    let mut user = Policy { name: "mine".into(), enforce: false, privileged: Consequence::DENY, ..Policy::default() };
    user.scan.missing = Consequence::ALLOW;
    user.signature.keys.push("mine.pub".into());
    user.exception.push(Exception {
        id: "x".into(),
        vulnerability: "CVE-0".into(),
        digest: None,
        repository: Some("oci://".into()),
        owner: String::new(),
        reason: String::new(),
        expires: text::timestamp(NOW + DAY),
    });
    let both = site.tightened_by(&user);
    assert!(both.enforce && both.publishers.is_empty() && both.signature.keys.is_empty() && both.exception.is_empty());
    assert_eq!((both.privileged, both.scan.missing), (Consequence::DENY, Consequence::NEEDS_APPROVAL));
}

#[test]
fn platforms_age_limits_and_publishers_of_a_source_are_the_sites_own() {
    use Verdict::{Allow, Deny, NeedsApproval};
    let amd64: Platform = "linux/amd64".parse().unwrap();
    let arm64: Platform = "linux/arm64".parse().unwrap();
    let policy = Policy::parse(
        "publisher = [{ repository = \"oci://r.example/\", class = \"site-approved\" }]\n[image]\n\
         platforms = [\"linux/amd64\"]\nother_platform = \"deny\"\nold_days = 100\n[scan]\nmost_high = 2\n",
        "test",
    )
    .unwrap();
    let high = |high| scan(Scan::Findings, Counts { high, ..Counts::default() }, 1);
    for (name, platform, days, high_ones, wanted) in [
        ("r.example/a", &amd64, Some(10), 2, Allow),
        ("other.example/a", &amd64, Some(10), 2, NeedsApproval),
        ("r.example/a", &arm64, Some(10), 2, Deny),
        ("r.example/a", &amd64, Some(101), 2, NeedsApproval),
        ("r.example/a", &amd64, None, 2, NeedsApproval),
        ("r.example/a", &amd64, Some(10), 3, NeedsApproval),
    ] {
        let records = [signature(Signature::NoneFound), high(high_ones)];
        let name = format!("oci://{name}");
        let created = days.map(|days| NOW - days * DAY);
        let facts = Facts { records: &records, name: &name, platform: Some(platform), created, ..Facts::default() };
        let judgement = policy.judge(&facts, NOW);
        assert_eq!(judgement.verdict, wanted, "{name} {platform} {days:?} {high_ones}: {judgement:?}");
    }
    // The user's file cannot loosen any of it.
    let mut user = Policy::default();
    user.image.platforms = Some(vec![arm64]);
    user.image.old_days = Some(1000);
    user.overriding = Overriding::Anyone;
    user.publisher.push(Published { repository: "oci://".into(), class: Publisher::SiteApproved });
    let both = policy.tightened_by(&user);
    assert_eq!((both.image.platforms, both.image.old_days, both.publisher.len()), (Some(vec![]), Some(100), 1));
    assert_eq!((both.scan.most_high, both.overriding), (Some(2), Overriding::Nobody));
}

proptest::proptest! {
    #[test]
    fn bad_news_missing_news_and_time_never_make_a_verdict_better(
        state in 0..Signature::ALL.len(), scanned in 0..Scan::ALL.len(), days in 0i64..60,
        critical in 0u64..3, exploited in 0u64..2, later in 0i64..90, privileged: bool,
    ) {
        let policy = Policy::default();
        let counts = |critical, exploited| Counts { critical, fixable_critical: critical, known_exploited: exploited, ..Counts::default() };
        let signed = signature(Signature::ALL[state]);
        let seen = scan(Scan::ALL[scanned], counts(critical, exploited), days);
        let rank_of = |records: &[Record], now: i64, privileged: Option<bool>| {
            let facts = Facts { records, digests: vec![subject().digest], name: "n", privileged, ..Facts::default() };
            policy.judge(&facts, now).verdict.strictness()
        };
        let wrong = matches!(Signature::ALL[state], Signature::Invalid | Signature::TakenBack);
        let before = rank_of(&[signed.clone(), seen.clone()], NOW, Some(privileged));
        // A bad fact is added.
        let worse = scan(Scan::ALL[scanned], counts(critical + 1, exploited + 1), days);
        proptest::prop_assert!(rank_of(&[signed.clone(), worse], NOW, Some(privileged)) >= before);
        proptest::prop_assert!(rank_of(&[signed.clone(), seen.clone()], NOW, Some(true)) >= before);
        // A part is missing; a wrong signature is no part that would be missed.
        proptest::prop_assert!(rank_of(std::slice::from_ref(&signed), NOW, Some(privileged)) >= before);
        if !wrong {
            proptest::prop_assert!(rank_of(std::slice::from_ref(&seen), NOW, Some(privileged)) >= before);
        }
        // Time passes while the evidence counts, and after it has stopped counting.
        if !wrong {
            proptest::prop_assert!(rank_of(&[signed, seen], NOW + later * DAY, Some(privileged)) >= before);
        }
    }
}

/// The verdict on a launch with this isolation; `None` is no launch.
fn isolated(policy: &Policy, records: &[Record], isolation: Option<Isolation>) -> Judgement {
    let privileged = isolation.map(|_| false);
    let facts =
        Facts { records, digests: vec![subject().digest], name: "n", privileged, isolation, ..Facts::default() };
    policy.judge(&facts, NOW)
}

#[test]
fn a_rule_may_demand_isolation_instead_of_an_approval() {
    use Isolation::{OwnKernel, SharedKernel, UserSpaceKernel};
    use Verdict::{Allow, NeedsApproval, NeedsIsolation, Undecided};
    let text = "enforce = true\n[signature]\nmissing = { isolation = \"gvisor\" }\n\
                [scan]\nfixable_critical = { isolation = \"own\" }\n";
    let policy = Policy::parse(text, "test").unwrap();
    let unsigned = || vec![signature(Signature::NoneFound), scan(Scan::Clean, Counts::default(), 1)];
    let both = || vec![signature(Signature::NoneFound), scan(Scan::Findings, critical(1), 1)];
    for (name, records, isolation, wanted, demanded, passes) in [
        ("not launched", unsigned(), None, NeedsIsolation, UserSpaceKernel, false),
        ("plain", unsigned(), Some(SharedKernel), NeedsIsolation, UserSpaceKernel, false),
        ("as demanded", unsigned(), Some(UserSpaceKernel), Allow, UserSpaceKernel, true),
        ("more than demanded", unsigned(), Some(OwnKernel), Allow, UserSpaceKernel, true),
        ("the higher of two demands", both(), Some(UserSpaceKernel), NeedsIsolation, OwnKernel, false),
        ("both demands", both(), Some(OwnKernel), Allow, OwnKernel, true),
        ("nothing checked", vec![], Some(OwnKernel), Undecided, UserSpaceKernel, false),
    ] {
        let judgement = isolated(&policy, &records, isolation);
        assert_eq!((judgement.verdict, judgement.isolation), (wanted, demanded), "{name}: {judgement:?}");
        assert_eq!(judgement.passes(), passes, "{name}: {judgement:?}");
    }
    // An admission lets everybody launch it as they like, so that a person must agree.
    let admission = isolated(&policy, &unsigned(), None).for_admission();
    assert_eq!(admission.verdict, NeedsApproval, "{admission:?}");
    // Whoever launches can isolate it, so that this is held back also where approvals are only recommended.
    let milder = Policy { enforce: false, ..policy };
    assert!(!isolated(&milder, &unsigned(), Some(SharedKernel)).passes());
    assert!(isolated(&milder, &unsigned(), None).passes(), "a copy cannot be isolated");
}

#[test]
fn a_demand_of_the_site_stays_where_the_persons_file_wants_an_approval() {
    let mut site = Policy { enforce: true, ..Policy::default() };
    site.signature.missing = Consequence::isolated(Isolation::UserSpaceKernel);
    let both = site.tightened_by(&Policy::default());
    assert_eq!(
        both.signature.missing,
        Consequence { isolation: Isolation::UserSpaceKernel, ..Consequence::NEEDS_APPROVAL }
    );
    assert!(both.demands_isolation() && !Policy::default().demands_isolation());
    let records = [signature(Signature::NoneFound), scan(Scan::Clean, Counts::default(), 1)];
    let judgement = isolated(&both, &records, Some(Isolation::SharedKernel));
    assert_eq!((judgement.verdict, judgement.lacks_isolation()), (Verdict::NeedsApproval, true));
}

proptest::proptest! {
    #[test]
    fn more_isolation_is_never_refused_where_less_is_allowed(
        state in 0..Signature::ALL.len(), scanned in 0..Scan::ALL.len(), days in 0i64..60, found in 0u64..3,
        rules in proptest::collection::vec((0usize..3, 0usize..3), 6), enforce: bool, checked in 0usize..3,
    ) {
        let consequence = |(agreement, isolation): (usize, usize)| Consequence {
            agreement: [Agreement::Allow, Agreement::NeedsApproval, Agreement::Deny][agreement],
            isolation: Isolation::ALL[isolation],
        };
        let mut policy = Policy { enforce, unreachable: consequence(rules[0]), privileged: consequence(rules[1]), ..Policy::default() };
        policy.signature.missing = consequence(rules[2]);
        policy.signature.invalid = consequence(rules[3]);
        policy.scan.missing = consequence(rules[4]);
        policy.scan.fixable_critical = consequence(rules[5]);
        let records = [signature(Signature::ALL[state]), scan(Scan::ALL[scanned], critical(found), days)];
        let records = &records[..checked];
        for pair in Isolation::ALL.windows(2) {
            let (less, more) = (isolated(&policy, records, Some(pair[0])), isolated(&policy, records, Some(pair[1])));
            proptest::prop_assert!(more.verdict.strictness() <= less.verdict.strictness(), "{less:?} {more:?}");
            proptest::prop_assert!(more.passes() || !less.passes(), "{less:?} {more:?}");
            // What is demanded does not depend on what is given, and nothing passes with less.
            proptest::prop_assert_eq!(more.isolation, less.isolation);
            proptest::prop_assert!(!less.passes() || pair[0] >= less.isolation);
        }
    }

    #[test]
    fn the_demand_of_two_rules_is_the_higher_one(first in 0usize..3, second in 0usize..3) {
        let mut policy = Policy::default();
        policy.signature.missing = Consequence::isolated(Isolation::ALL[first]);
        policy.scan.missing = Consequence::isolated(Isolation::ALL[second]);
        let records = [signature(Signature::NoneFound), scan(Scan::Stale, Counts::default(), 1)];
        let judgement = isolated(&policy, &records, None);
        proptest::prop_assert_eq!(judgement.isolation, Isolation::ALL[first.max(second)]);
    }
}
