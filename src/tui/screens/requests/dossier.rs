//! All about one request, to read without opening anything: what the policy says and what would mend it, the scan, what
//! differs from what is admitted, who asks and why, what was said.

use crate::kit::{plot::severities::Severity as Bar, reading::Reading, widgets::tone};
use wharf_core::{
    base::{badge::Scan, clean, quote::inline, severity::Severity, text},
    catalog::marks::{ScanMark, ShortBadge},
    portal::evidence::brief::Findings,
    request::{Dossier, Pace, Request, Stage},
};

/// Up to this many rules and findings are taken by an approval with a key alone.
const FEW: usize = 6;

/// What the pane tells.
pub(super) struct Told {
    /// The text.
    pub text: Reading,
    /// How many of the first lines tell all that an approval takes; `None` if they do not tell all of it, or nothing is
    /// taken.
    pub taken: Option<usize>,
}

/// The theme's role for a stage.
pub(super) fn role(stage: Stage) -> &'static str {
    match stage {
        Stage::Admitted => "good",
        Stage::Waiting | Stage::Asked => "caution",
        Stage::Rejected | Stage::Failed | Stage::Revoking | Stage::Revoked => "bad",
        Stage::Withdrawn => "dim",
        Stage::Submitted | Stage::Gathering | Stage::Admitting => "text",
    }
}

/// What a dossier says of the scan, as a sign and a short word.
pub(super) fn scan_mark(dossier: &Dossier) -> ShortBadge {
    let known = dossier.scan.as_ref();
    let mark = known.map(|scan| ScanMark { state: scan.state, counts: scan.counts, ..ScanMark::default() });
    mark.unwrap_or_default().short()
}

/// All about a request, in lines of `width` columns. `roomy`: whether sections have a rule above them;
/// `queue`: whether it stands among requests to decide.
pub(super) fn told(one: &Request, pace: Pace, now: i64, width: u16, roomy: bool, queue: bool) -> Told {
    let mut out = Reading::new(width);
    // In the queue every request waits, and why it does is told by the policy.
    if !queue || one.question().is_some() {
        out.signed(one.stage.sign(), role(one.stage), &one.standing(pace, now));
    }
    let mut taken = None;
    if let Some(dossier) = &one.dossier {
        taken = policy(&mut out, one, dossier, roomy, now);
        scan(&mut out, dossier, roomy, now);
    }
    if roomy {
        out.section("Who asks", &text::plural(one.open_wishes().count() as u64, "person", "people"));
    }
    if roomy || one.dossier.is_none() {
        wishes(&mut out, one);
    }
    if roomy && !one.remarks.is_empty() {
        out.section("Said", "");
    }
    for remark in &one.remarks {
        out.quote(&format!("{}, {}, {}", remark.person, remark.kind.name(), text::ago(remark.at, now)), &remark.words);
    }
    if let Some(dossier) = one.dossier.as_ref().filter(|dossier| !dossier.diff.is_empty()) {
        if roomy {
            out.section("Compared with what is admitted", "");
        }
        out.quote("", &dossier.diff);
    }
    if let Some(decision) = &one.decision {
        if roomy {
            out.section("Decided", &text::ago(decision.at, now));
        }
        out.quote(&decision.by, &decision.reason);
    }
    if roomy {
        out.section("Image", &one.asked.size.map(text::size).unwrap_or_default());
    }
    out.say(&one.asked.from, "dim");
    out.say(&format!("into {}", one.admitted_at()), "dim");
    Told { text: out, taken }
}

/// Who asks, why, and until when.
fn wishes(out: &mut Reading, one: &Request) {
    for wish in one.open_wishes() {
        let until = wish.until.map(|until| format!(", until {}", text::timestamp(until))).unwrap_or_default();
        out.quote(&format!("{}{until}", wish.person), &wish.reason);
    }
}

/// What the policy says, and what would mend it. Returns how many lines tell all that an approval takes.
fn policy(out: &mut Reading, one: &Request, dossier: &Dossier, roomy: bool, now: i64) -> Option<usize> {
    let open = one.stage.is_open_to_decide();
    if roomy {
        out.section("What the policy says", &format!("{}: {}", clean::line(&dossier.policy), dossier.verdict.name()));
    }
    for ground in &dossier.grounds {
        let badge = ground.verdict.badge();
        let mend = if ground.step.is_empty() { String::new() } else { format!(" → {}", ground.step) };
        out.signed(badge.sign, tone(badge.tone), &format!("{}{mend}", ground.words));
    }
    let (rules, findings) = dossier.to_take();
    let all: Vec<String> = rules.iter().chain(&findings).map(|one| inline(one)).collect();
    let mut taken = None;
    if open && !all.is_empty() {
        let more = all.len().saturating_sub(FEW);
        let words = all.iter().take(FEW).map(String::as_str).collect::<Vec<_>>().join(", ");
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        out.say(&format!("approving takes {words}{rest}"), "key");
        taken = Some(out.count()).filter(|_| more == 0);
    }
    if !roomy {
        wishes(out, one);
    }
    for fix in &dossier.fixes {
        out.signed("→", "good", &format!("fix: {fix}"));
    }
    for line in &dossier.evidence {
        out.say(line, "text");
    }
    if !dossier.base.is_empty() {
        out.say(&format!("built on {} · looked at {}", inline(&dossier.base), text::ago(dossier.at, now)), "dim");
    }
    taken
}

/// The findings as bars, where a steward has scanned the image.
fn scan(out: &mut Reading, dossier: &Dossier, roomy: bool, now: i64) {
    let Some(scan) = &dossier.scan else { return };
    let counts = &scan.counts;
    if !roomy {
        return;
    }
    out.section("Scan", &text::plural(counts.total(), "finding", "findings"));
    if scan.state == Scan::Findings && counts.total() > 0 {
        // A scan tells of critical findings only how many can be fixed.
        let fixable = |severity| if severity == Severity::Critical { counts.fixable_critical } else { 0 };
        let groups = Severity::ALL.into_iter().filter(|one| *one != Severity::Unknown || counts.unknown > 0);
        let group = |severity| Findings { severity, count: counts.of(severity), fixable: fixable(severity) };
        out.bars(groups.map(|severity| Bar::from(&group(severity))).collect());
    } else {
        let badge = scan.state.badge();
        out.signed(badge.sign, tone(badge.tone), badge.word);
    }
    let packages = text::plural(scan.packages, "package", "packages");
    out.say(&format!("{packages} seen by {}, {}", clean::line(&scan.tool), text::ago(scan.scanned, now)), "dim");
}
