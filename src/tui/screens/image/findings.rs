//! What the scan and software panes show: known vulnerabilities and packages, which can be narrowed by words and sorted,
//! and what stands above them.

use ratatui::text::{Line, Span};

use super::{Page, evidence, order::Order};
use crate::kit::{
    fold::fold_all,
    plot::severities::{Severity, severities},
    theme::Theme,
    widgets::{FACT, badge, fact, fit},
};
use wharf_core::{
    base::{badge::Scan, clean, text},
    evidence::record::{Kind, Outcome, Package, Record, Vulnerability},
    portal::evidence::{brief::by_severity, mending::Mend},
};

/// The most columns of the bars of severities.
const BARS: usize = 60;
/// The most versions that are named as mending an image.
const MENDS: usize = 3;
/// The columns from which the bars have the facts of the scan beside them.
const TWO_HALVES: usize = 72;

/// Whether a finding contains every word. `fixable`, `exploited` and the name of a severity are matched as such.
fn fits(one: &Vulnerability, words: &[String]) -> bool {
    words.iter().all(|word| match word.as_str() {
        "fixable" => !one.fixed.is_empty(),
        "exploited" => one.exploited,
        word if word == one.severity.name() => true,
        word => [&one.id, &one.package, &one.title].iter().any(|part| part.to_lowercase().contains(word)),
    })
}

impl Page {
    fn labels(&self) -> Vec<String> {
        self.narrowed.split_whitespace().map(str::to_lowercase).collect()
    }

    /// The findings that fit the typed words, sorted, and the number of all of them.
    pub(super) fn shown_findings(&self, now: i64) -> (Vec<&Vulnerability>, usize) {
        let Some(Outcome::Scan { worst, .. }) = self.record(Kind::Scan, now).map(|record| &record.outcome) else {
            return (Vec::new(), 0);
        };
        let words = self.labels();
        let mut shown: Vec<&Vulnerability> = worst.iter().filter(|one| fits(one, &words)).collect();
        match self.order {
            Order::Severity => {}
            Order::Package => shown.sort_by(|a, b| a.package.cmp(&b.package)),
            Order::Newest => shown.sort_by(|a, b| b.id.cmp(&a.id)),
            Order::Fixable => shown.sort_by_key(|one| one.fixed.is_empty()),
        }
        (shown, worst.len())
    }

    /// The packages that fit the typed words, and the number of all of them.
    fn shown_packages(&self, now: i64) -> (Vec<&Package>, usize) {
        let Some(Outcome::Software { packages, .. }) = self.record(Kind::Software, now).map(|record| &record.outcome)
        else {
            return (Vec::new(), 0);
        };
        let words = self.labels();
        let fits = |package: &&Package| {
            words.iter().all(|word| package.name.to_lowercase().contains(word) || package.kind == *word)
        };
        (packages.iter().filter(fits).collect(), packages.len())
    }

    /// The number of lines of the software pane, including its heading.
    pub(super) fn software_count(&self, now: i64) -> usize {
        self.shown_packages(now).0.len() + 8
    }

    /// How many entries are shown, of how many, and in which order.
    pub(super) fn narrowed_words(&self, shown: usize, all: usize) -> String {
        let order = if self.pane == super::Pane::Scan { format!(", {}", self.order.label()) } else { String::new() };
        if self.narrowed.is_empty() {
            format!("{}{order}", text::count(all as u64))
        } else {
            format!("{shown} of {all} with '{}'{order}", self.narrowed)
        }
    }

    /// Whether the scan that counts names findings.
    pub(super) fn has_findings(&self, now: i64) -> bool {
        let outcome = self.record(Kind::Scan, now).map(|record| &record.outcome);
        matches!(outcome, Some(Outcome::Scan { worst, .. }) if !worst.is_empty())
    }

    /// The lines of a scan pane without findings: that there is no scan, or what it found.
    pub(super) fn scan_words(&self, columns: u16, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        if self.record(Kind::Scan, now).is_some() {
            return self.scan_head(columns, true, theme, now);
        }
        let text = |words: &'static str| Line::styled(words, theme.style("text"));
        let lines = vec![
            evidence::labelled("Scan", badge(Scan::NotScanned.badge(), theme), theme),
            Line::raw(""),
            text("Not scanned for known vulnerabilities."),
            text("Not scanned is not the same as clean. Verify scans it, where trivy or grype is installed."),
        ];
        fold_all(lines, usize::from(columns), 0)
    }

    /// The lines above the findings: who scanned it with what, how bad it is, which versions mend it. All of them with
    /// `full`, else those that say most.
    pub(super) fn scan_head(&self, columns: u16, full: bool, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let Some(record) = self.record(Kind::Scan, now) else { return Vec::new() };
        let width = usize::from(columns);
        let groups: Vec<Severity> = by_severity(record).iter().map(Severity::from).collect();
        let bars = |width: usize| {
            let some = groups.iter().any(|group| group.count > 0);
            if some { severities(&groups, width.min(BARS), theme) } else { Vec::new() }
        };
        let mends =
            |most: usize| self.mends.iter().take(most).enumerate().map(move |(at, mend)| mended(at, mend, theme));
        let statements = self.record(Kind::Statements, now);
        if full {
            let mut lines = vec![evidence::labelled("Scan", badge(record.badge(), theme), theme)];
            lines.extend(evidence::record_lines(record, width.saturating_sub(4).max(10), theme, now));
            if let Outcome::Scan { counts, .. } = &record.outcome {
                lines.extend((counts.total() > 0).then(|| fact("Findings", counts.describe(), theme)));
            }
            lines.extend(bars(width));
            lines.extend(mends(MENDS));
            lines.extend(statements.map(|record| stated(record, theme)));
            return fold_all(lines, width, FACT);
        }
        let (shown, all) = self.shown_findings(now);
        let words = format!(" · {}", self.narrowed_words(shown.len(), all));
        let mut lines = vec![Line::from(vec![badge(record.badge(), theme), Span::styled(words, theme.style("dim"))])];
        if width < TWO_HALVES {
            lines.extend(bars(width));
        } else {
            let half = width / 2;
            let mut left = bars(half.saturating_sub(2)).into_iter();
            let mut right = self.scan_facts(record, width - half, theme, now).into_iter();
            loop {
                let (bar, fact) = (left.next(), right.next());
                if bar.is_none() && fact.is_none() {
                    break;
                }
                let mut line = bar.unwrap_or_default();
                let gap = half.saturating_sub(line.width());
                line.spans.push(Span::raw(" ".repeat(gap)));
                line.spans.extend(fact.into_iter().flatten());
                lines.push(line);
            }
        }
        lines.extend(mends(1));
        lines
    }

    /// Who scanned it with what, and what VEX says, in lines of at most so many columns.
    fn scan_facts(&self, record: &Record, width: usize, theme: &Theme, now: i64) -> Vec<Vec<Span<'static>>> {
        let by = format!("{}{}, {}", record.tool, record.by.note(), text::ago(record.at, now));
        let mut facts = vec![("by", by)];
        facts.extend(record.inputs.first().map(|input| ("with", input.clone())));
        facts.push(("seen", record.reason.clone()));
        if let Some(Outcome::Statements { author, statements, .. }) =
            self.record(Kind::Statements, now).map(|record| &record.outcome)
        {
            let count = text::plural(statements.len() as u64, "statement", "statements");
            facts.push(("VEX", format!("{count} by {author}")));
        }
        let room = width.saturating_sub(6).max(8);
        facts
            .into_iter()
            .filter(|(_, words)| !words.is_empty())
            .map(|(label, words)| {
                let words = fit(&clean::line(&words), room);
                vec![Span::styled(fit(label, 5), theme.style("dim")), Span::styled(words, theme.style("text"))]
            })
            .collect()
    }

    /// The lines of the software pane: the packages that a software bill of materials or a scan lists.
    pub(super) fn software_lines(&self, columns: u16, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let Some(record) = self.record(Kind::Software, now) else {
            return vec![
                Line::styled("There is no list of the software in this image.", theme.style("text")),
                Line::styled(
                    "v scans it, where trivy is installed; or attach a CycloneDX or SPDX document to it.",
                    theme.style("dim"),
                ),
            ];
        };
        let width = usize::from(columns).saturating_sub(4).max(10);
        let mut lines = Vec::new();
        if let Outcome::Software { form, total, .. } = &record.outcome {
            let words = format!("{} · {form}", text::plural(*total, "package", "packages"));
            lines.push(fact("Software", words, theme));
        }
        lines.extend(evidence::record_lines(record, width, theme, now));
        let (shown, all) = self.shown_packages(now);
        lines.push(fact("Shown", self.narrowed_words(shown.len(), all), theme));
        let name = (usize::from(columns) / 2).clamp(10, 60);
        lines.push(Line::raw(""));
        let head = format!(" {} {} VERSION", fit("PACKAGE", name), fit("KIND", 10));
        lines.push(Line::styled(head, theme.style("dim")));
        lines.extend(shown.into_iter().map(|package| {
            Line::from(vec![
                Span::styled(format!(" {} ", fit(&package.name, name)), theme.style("text")),
                Span::styled(format!("{} ", fit(&package.kind, 10)), theme.style("dim")),
                Span::styled(package.version.clone(), theme.style("text")),
            ])
        }));
        lines
    }
}

/// The line about a version that would mend the image: its tag, what it still has, and how many findings are gone.
fn mended(number: usize, mend: &Mend, theme: &Theme) -> Line<'static> {
    let left = mend.left.describe();
    let left = if left.is_empty() { "clean".to_owned() } else { left };
    let gone = text::plural(mend.gone, "finding", "findings");
    let words = format!("{}: {left} · {gone} gone · {}", mend.tag, mend.verdict.badge().word);
    fact(if number == 0 { "Mended by" } else { "" }, words, theme)
}

/// The line about VEX statements: how many, by whom, from when.
fn stated(record: &Record, theme: &Theme) -> Line<'static> {
    let Outcome::Statements { author, made, statements } = &record.outcome else { return Line::raw("") };
    let when = made.map(|made| format!(", {}", text::timestamp(made))).unwrap_or_default();
    let count = text::plural(statements.len() as u64, "statement", "statements");
    fact("VEX", format!("{count} by {author}{when}: they inform, and take nothing away"), theme)
}
