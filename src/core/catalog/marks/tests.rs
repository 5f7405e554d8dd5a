use std::collections::BTreeSet;

use super::*;

fn of_trust(signature: Signature, publisher: Publisher) -> Marks {
    Marks { trust: Trust { signature, publisher }, ..Marks::default() }
}

fn scanned(counts: Counts) -> Marks {
    Marks { scan: ScanMark { state: Scan::Findings, counts, fixable: None }, ..Marks::default() }
}

#[test]
fn short_words_fit_their_column_and_each_means_one_state() {
    for facet in Facet::ALL {
        let words: Vec<_> = facet.words().into_iter().map(|(short, _)| short).collect();
        assert_eq!(words.len(), words.iter().collect::<BTreeSet<_>>().len(), "{words:?}");
    }
    let signatures = Signature::ALL.iter().map(|state| of_trust(*state, Publisher::Unknown).short(Facet::Trust));
    let publishers = Publisher::ALL.iter().map(|state| of_trust(Signature::NotChecked, *state).short(Facet::Trust));
    let scans = Scan::ALL.iter().map(|state| ScanMark { state: *state, ..ScanMark::default() }.short());
    let verdicts =
        Verdict::ALL.iter().map(|verdict| Marks { verdict: *verdict, ..Marks::default() }.short(Facet::Verdict));
    for badge in signatures.chain(publishers).chain(scans).chain(verdicts) {
        assert!(badge.word.width() <= 9 && badge.sign.width() == 1, "{badge}");
        assert!(badge.to_string().width() <= WIDTH, "{badge}");
    }
}

#[test]
fn only_what_was_checked_and_found_good_is_green() {
    let good_signatures = [Signature::Verified, Signature::CoveredByIndex];
    for signature in Signature::ALL {
        for publisher in Publisher::ALL {
            let mark = of_trust(*signature, *publisher).short(Facet::Trust);
            let approved = *publisher == Publisher::SiteApproved
                && matches!(signature, Signature::NotChecked | Signature::NoneFound);
            assert_eq!(mark.tone == Tone::Good, good_signatures.contains(signature) || approved, "{mark}");
        }
    }
    for state in Scan::ALL {
        let counts = Counts { low: 1, ..Counts::default() };
        for counts in [counts, Counts::default()] {
            let mark = ScanMark { state: *state, counts, fixable: None }.short();
            assert_eq!(mark.tone == Tone::Good, *state == Scan::Clean, "{mark}");
        }
    }
    for verdict in Verdict::ALL {
        let mark = Marks { verdict, ..Marks::default() }.short(Facet::Verdict);
        assert_eq!(mark.tone == Tone::Good, verdict == Verdict::Allow, "{mark}");
    }
    for facet in Facet::ALL {
        assert_eq!(Marks::default().short(facet).tone, Tone::Unknown);
    }
}

#[test]
fn findings_show_the_two_worst_severities_and_what_is_exploited() {
    let word = |counts| scanned(counts).short(Facet::Scan).to_string();
    assert_eq!(word(Counts { critical: 2, high: 5, medium: 9, ..Counts::default() }), "! C2 H5");
    assert_eq!(word(Counts { low: 3, ..Counts::default() }), "! L3");
    assert_eq!(word(Counts { medium: 1, known_exploited: 1, ..Counts::default() }), "!! M1");
    assert_eq!(word(Counts { critical: 1_001, high: 12_345, ..Counts::default() }), "! C2k H13k");
    assert_eq!(word(Counts { critical: 123_456, high: 999_999, ..Counts::default() }), "! C124k H1M");
    assert_eq!(word(Counts::default()), "! findings", "a scan of which only the state is known");
    assert_eq!(scanned(Counts { medium: 1, ..Counts::default() }).short(Facet::Scan).tone, Tone::Caution);
    assert_eq!(scanned(Counts { low: 1, known_exploited: 1, ..Counts::default() }).short(Facet::Scan).tone, Tone::Bad);
}

#[test]
fn a_publisher_counts_only_where_no_signature_is_known() {
    let word = |signature, publisher| of_trust(signature, publisher).short(Facet::Trust).to_string();
    assert_eq!(word(Signature::NoneFound, Publisher::Official), "◆ official");
    assert_eq!(word(Signature::Invalid, Publisher::Official), "✗ FAILED");
    assert_eq!(word(Signature::Unreachable, Publisher::Official), "? no answer");
    assert_eq!(word(Signature::NotChecked, Publisher::Unknown), "· unchecked");
    let listed = Marks::default().with_publisher(Publisher::ProjectMember);
    assert_eq!(listed.short(Facet::Trust).to_string(), "◇ project");
}

#[test]
fn a_word_means_the_state_of_that_name_before_others_that_have_it_in_theirs() {
    assert_eq!(Facet::Trust.states("verified"), ["verified"], "not whom only the source vouches for");
    assert_eq!(Facet::Trust.states("failed"), ["FAILED"]);
    assert_eq!(Facet::Verdict.states("needs-approval"), ["ask"]);
    assert_eq!(Facet::Verdict.states("approval"), ["ask"]);
    assert_eq!(Facet::Verdict.states("ask"), ["ask"]);
    assert_eq!(Facet::Scan.states("stale"), ["stale"]);
    assert_eq!(Facet::Scan.states("not-scanned"), ["unscanned"]);
    assert_eq!(Facet::Scan.states("hi"), ["high", "high+fix"], "half typed");
    assert!(Facet::Scan.states("purple").is_empty());
}

#[test]
fn what_nobody_looked_at_is_in_no_good_state() {
    let unknown = Marks::default();
    assert!(Facet::Trust.fits(&Facet::Trust.states("not-checked"), &unknown));
    let vendor = unknown.with_publisher(Publisher::VendorVerified);
    assert!(!Facet::Trust.fits(&Facet::Trust.states("verified"), &vendor));
    let official = unknown.with_publisher(Publisher::Official);
    assert!(Facet::Trust.fits(&Facet::Trust.states("official"), &official));
    assert!(Facet::Verdict.fits(&Facet::Verdict.states("undecided"), &unknown));
    assert!(!Facet::Scan.fits(&Facet::Scan.states("clean"), &unknown));
}

#[test]
fn a_severity_means_findings_that_severe_or_worse() {
    let mut marks = scanned(Counts { critical: 1, low: 4, ..Counts::default() });
    let fits = |marks: &Marks, typed: &str| Facet::Scan.fits(&Facet::Scan.states(typed), marks);
    for typed in ["critical", "high", "medium", "low", "findings"] {
        assert!(fits(&marks, typed), "{typed}");
    }
    assert!(!fits(&marks, "high+fix") && !fits(&marks, "exploited"));
    marks.scan.fixable = Some(Severity::Low);
    assert!(fits(&marks, "low+fix") && !fits(&marks, "high+fix"));
}

#[test]
fn unknown_images_come_last_in_every_order() {
    let known = [
        of_trust(Signature::Invalid, Publisher::Unknown),
        scanned(Counts { low: 1, ..Counts::default() }),
        Marks { verdict: Verdict::Deny, ..Marks::default() },
    ];
    for (facet, marks) in Facet::ALL.into_iter().zip(known) {
        assert!(marks.rank(facet) < Marks::default().rank(facet), "{facet:?}");
    }
    let worse = scanned(Counts { critical: 1, ..Counts::default() });
    let better = scanned(Counts { high: 9, ..Counts::default() });
    assert!(worse.rank(Facet::Scan) < better.rank(Facet::Scan));
}
