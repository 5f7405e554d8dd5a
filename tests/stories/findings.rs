//! The findings of an image, as its page shows them: the selected one is read without a key, and nothing waits for it.

use std::collections::{BTreeMap, BTreeSet};

use wharf::{
    core::{
        base::{digest::Digest, error::Error},
        evidence::record::{CheckedBy, Outcome, Record, Severity, Subject, Vulnerability},
        image::model::Image,
        launch::plan::Workload,
        portal::evidence::{Verified, about::AboutFindings},
        ports::Cache,
    },
    tui::{
        msg::{Effect, ImageEffect, ImageNews, Msg},
        state::State,
        update::update,
    },
};

use crate::{
    fake,
    keys::{press, state},
    lab,
    screens::draw,
};

const WIDE: (u16, u16) = (120, 40);
const SMALL: (u16, u16) = (80, 24);
const TINY: (u16, u16) = (44, 14);
const NOW: i64 = 1_764_000_000;
const EXPLOITED: &str = "CVE-2022-37434";

fn gromacs() -> Image {
    fake::image("lab.example/physics/gromacs:latest".parse().unwrap())
}

/// The findings of the scan among this evidence.
fn findings(verified: &mut Verified) -> &mut Vec<Vulnerability> {
    let scans = verified.records.iter_mut().filter_map(|record| match &mut record.outcome {
        Outcome::Scan { worst, .. } => Some(worst),
        _ => None,
    });
    scans.last().unwrap()
}

/// The scan pane of an image with this evidence, and what was asked for on the way there.
fn on_scan_with(verified: Verified) -> (State, Vec<Effect>) {
    let mut state = state();
    press(&mut state, "j enter");
    update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(gromacs())))));
    let mut effects = update(&mut state, Msg::Image(ImageNews::Verified(Box::new(Ok(verified)))));
    assert!(!effects.iter().any(is_about), "nobody looks at the findings yet: {effects:?}");
    effects.extend(press(&mut state, "tab tab tab tab"));
    (state, effects)
}

fn on_scan() -> (State, Vec<Effect>) {
    on_scan_with(fake::verified(&gromacs(), NOW))
}

fn is_about(effect: &Effect) -> bool {
    matches!(effect, Effect::Image(ImageEffect::AboutFindings(_)))
}

/// What is known besides: of three other images two have the first finding, one of them with this digest.
fn about(digest: &Digest) -> AboutFindings {
    let scanned = vec![
        BTreeSet::from([digest.clone()]),
        BTreeSet::from([Digest::of(b"second")]),
        BTreeSet::from([Digest::of(b"third")]),
    ];
    AboutFindings {
        scanned,
        others: BTreeMap::from([(EXPLOITED.to_owned(), BTreeSet::from([0, 1]))]),
        accepted: BTreeMap::from([(
            "CVE-2024-9143".to_owned(),
            "EX-1 of ada until 2026-01-04: not started".to_owned(),
        )]),
    }
}

fn told(state: &mut State, about: AboutFindings) {
    let manifest = gromacs().pinned.unwrap().manifest;
    update(state, Msg::Image(ImageNews::AboutFindings(manifest, Ok(about))));
}

#[test]
fn the_selected_finding_is_read_beside_the_list_or_below_it_without_a_key() {
    let (mut state, _) = on_scan();
    let drawn = draw(&mut state, WIDE);
    for words in
        ["── CVE-2022-37434 ─", "1 of 2 ──", "zlib 1.2.12-r1", "→ fixed in 1.2.12-r4", "exploited  known to be"]
    {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    press(&mut state, "j");
    let drawn = draw(&mut state, WIDE);
    for words in ["── CVE-2024-9143 ─", "2 of 2 ──", "no fix yet", "exploited  not known to be", "by Ada"] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    let drawn = draw(&mut state, SMALL);
    for words in ["── CVE-2024-9143 ─", "no fix yet ──", "VEX: not affected (vulnerable_code_not_present) by Ada"]
    {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    // Where the screen is too low, the list has all lines.
    let drawn = draw(&mut state, TINY);
    assert!(drawn.contains("CVE-2024-9143") && !drawn.contains("── CVE-2024-9143"), "{drawn}");
    for size in [WIDE, SMALL] {
        press(&mut state, "\\");
        let drawn = draw(&mut state, size);
        assert!(drawn.contains("CVE-2024-9143") && !drawn.contains("── CVE-2024-9143"), "{drawn}");
        press(&mut state, "\\");
    }
}

#[test]
fn what_is_known_besides_the_scan_is_asked_for_once_where_somebody_looks_at_findings() {
    let (mut state, effects) = on_scan();
    assert_eq!(effects.iter().filter(|effect| is_about(effect)).count(), 1, "{effects:?}");
    assert!(!press(&mut state, "j k o").iter().any(is_about), "it is being read");
    assert!(draw(&mut state, WIDE).contains("also in    reading…"));
    // What is about another image is not taken.
    update(&mut state, Msg::Image(ImageNews::AboutFindings(Digest::of(b"other"), Ok(AboutFindings::default()))));
    assert!(draw(&mut state, WIDE).contains("also in    reading…"));
    told(&mut state, about(&Digest::of(b"first")));
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("also in    2 of 3 other scanned images") && drawn.contains("accepted   no"), "{drawn}");
    press(&mut state, "G");
    let drawn = draw(&mut state, SMALL);
    assert!(drawn.contains("accepted: EX-1 of ada until 2026-01-04"), "{drawn}");
    let failed = Error::failed("read the scans", "the disk is gone");
    let manifest = gromacs().pinned.unwrap().manifest;
    update(&mut state, Msg::Image(ImageNews::AboutFindings(manifest, Err(failed))));
    assert!(draw(&mut state, WIDE).contains("also in    not known: the disk is gone"));
}

#[test]
fn workloads_that_run_with_a_finding_are_named_as_far_as_backends_have_told() {
    let (mut state, _) = on_scan();
    assert!(draw(&mut state, SMALL).contains("running: unknown until docker and local answer"));
    let digest = Digest::of(b"first");
    told(&mut state, about(&digest));
    let launched = |name: &str, digest: &str| Workload {
        image: "oci://lab.example/x:1".into(),
        digest: digest.into(),
        ..fake::workload("docker", name)
    };
    let own = gromacs().pinned.unwrap().digest;
    let all = vec![
        launched("md-long", own.as_str()),
        launched("elsewhere", digest.as_str()),
        launched("third", Digest::of(b"third").as_str()),
    ];
    fake::listed(&mut state, all, Vec::new());
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("● md-long on docker") && drawn.contains("elsewhere"), "{drawn}");
    press(&mut state, "j");
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("● md-long on docker") && !drawn.contains("elsewhere"), "{drawn}");
}

#[test]
fn a_hostile_description_is_cleaned_and_leaves_the_facts_on_the_screen() {
    let mut verified = fake::verified(&gromacs(), NOW);
    let worst = findings(&mut verified);
    worst[0].title = format!("\u{1b}]0;title\u{7}\u{1b}[2J\u{202e}drow {}", "t".repeat(10_000));
    worst[0].description =
        format!("\u{1b}[31m\r\n{} \u{202e}\u{2066}\u{200f}שלום {}", "long ".repeat(2_000), "\u{301}".repeat(500));
    worst[0].package = "zl\u{1b}[1mib".into();
    worst[0].layer = "sha256:\u{1b}[0m".into();
    worst[0].installed = "9".repeat(10_000);
    let (mut state, _) = on_scan_with(verified);
    for size in [WIDE, SMALL, TINY, (200, 50), (110, 20), (80, 5), (1, 1)] {
        let drawn = draw(&mut state, size);
        for bad in ['\u{1b}', '\u{7}', '\r', '\u{202e}', '\u{2066}', '\u{200f}'] {
            assert!(!drawn.contains(bad), "{bad:?} at {size:?}");
        }
    }
    worst_stays(&mut state);
}

fn worst_stays(state: &mut State) {
    let drawn = draw(state, (200, 50));
    for words in ["exploited  known to be", "accepted", "running", " …"] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
}

#[test]
fn score_and_layer_are_shown_where_the_report_has_them() {
    let mut verified = fake::verified(&gromacs(), NOW);
    let layer = gromacs().layers[0].digest.clone().unwrap().to_string();
    let worst = findings(&mut verified);
    (worst[0].score, worst[0].layer) = (Some(98), layer);
    worst[0].description = "An attacker who can make a program inflate a crafted file reads out of bounds.".into();
    worst[1].layer = format!("sha256:{}", "ab".repeat(32));
    let (mut state, _) = on_scan_with(verified);
    told(&mut state, about(&Digest::of(b"first")));
    let drawn = draw(&mut state, WIDE);
    for words in ["critical (nvd) · CVSS 9.8", "in layer 1 of 2: ADD root /", "An attacker who can"] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    for size in [WIDE, SMALL] {
        insta::assert_snapshot!(format!("finding-{}x{}", size.0, size.1), draw(&mut state, size));
    }
    press(&mut state, "j");
    assert!(draw(&mut state, WIDE).contains("in layer abababababab"));
}

#[test]
fn words_that_no_finding_has_say_so_and_a_click_selects_a_finding() {
    let (mut state, _) = on_scan();
    let drawn = draw(&mut state, WIDE);
    let line = drawn.lines().position(|line| line.contains("CVE-2024-9143")).unwrap();
    update(&mut state, Msg::Click(5, line as u16));
    assert!(draw(&mut state, WIDE).contains("── CVE-2024-9143 ─"));
    press(&mut state, "/ x y z enter");
    let drawn = draw(&mut state, WIDE);
    assert!(drawn.contains("no finding has 'xyz'"), "{drawn}");
}

fn scan(of: &str, named: &str, found: &[&str]) -> Record {
    let worst =
        found.iter().map(|id| Vulnerability { id: (*id).into(), severity: Severity::High, ..Vulnerability::default() });
    let mut record = fake::verified(&gromacs(), wharf::core::base::text::now()).records.pop().unwrap();
    record.subject = Subject {
        name: format!("oci://{named}.example/a"),
        digest: Digest::of(of.as_bytes()),
        manifest: Digest::of(of.as_bytes()),
        ..record.subject
    };
    record.by = CheckedBy::Wharf;
    if let Outcome::Scan { worst: all, .. } = &mut record.outcome {
        *all = worst.collect();
    }
    record
}

#[tokio::test]
async fn scans_are_kept_and_handed_over_one_by_one_whatever_else_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let caches: [Box<dyn Cache>; 2] = [
        Box::new(wharf::adapters::store::sqlite::Sqlite::new(folder.path().join(lab::fresh("cache")))),
        Box::new(wharf::adapters::store::memory::Memory::default()),
    ];
    for cache in caches {
        for record in fake::verified(&gromacs(), NOW).records {
            cache.keep_evidence(&record).await.unwrap();
        }
        cache.keep_evidence(&scan("other", "lab", &["CVE-1"])).await.unwrap();
        let mut seen = Vec::new();
        cache.each_scan(&mut |record| seen.push(record.subject.digest)).await.unwrap();
        seen.sort_by_key(ToString::to_string);
        let mut wanted = vec![gromacs().pinned.unwrap().digest, Digest::of(b"other")];
        wanted.sort_by_key(ToString::to_string);
        assert_eq!(seen, wanted);
    }
}
