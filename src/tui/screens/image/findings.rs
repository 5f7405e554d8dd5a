//! The scan and software panes: known vulnerabilities and packages, which can be narrowed by words and sorted.

use ratatui::text::{Line, Span};

use super::{Page, evidence, order::Order};
use crate::kit::{
    plot::severities::{Severity, severities},
    theme::Theme,
    widgets::{badge, fact, fit},
};
use wharf_core::{
    base::{badge::Scan, text},
    evidence::record::{Kind, Outcome, Package, Record, Statement, Vulnerability},
    portal::evidence::{brief::by_severity, mending::Mend},
};

/// Width of a severity and its source, in columns.
const SEVERITY: usize = 16;

/// The most columns of the bars of severities.
const BARS: usize = 60;
/// The most versions that are named as mending an image.
const MENDS: usize = 3;

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
    fn shown_findings(&self, now: i64) -> (Vec<&Vulnerability>, usize) {
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

    /// The number of lines of the scan or software pane, including its heading.
    pub(super) fn listed(&self) -> usize {
        let now = text::now();
        match self.pane {
            super::Pane::Software => self.shown_packages(now).0.len() + 8,
            _ => self.shown_findings(now).0.len() + self.mends.len().min(MENDS) + 17,
        }
    }

    /// The line that says how many entries are shown, of how many, in which order.
    fn narrowing(&self, shown: usize, all: usize, theme: &Theme) -> Line<'static> {
        let order = if self.pane == super::Pane::Scan { format!(", {}", self.order.label()) } else { String::new() };
        let words = if self.narrowed.is_empty() {
            format!("{}{order}", text::count(all as u64))
        } else {
            format!("{shown} of {all} with '{}'{order}", self.narrowed)
        };
        fact("Shown", words, theme)
    }

    /// The lines of the scan pane: the newest scan that counts, and its findings.
    pub(super) fn scan_lines(&self, columns: u16, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let Some(record) = self.record(Kind::Scan, now) else {
            return vec![
                evidence::labelled("Scan", badge(Scan::NotScanned.badge(), theme), theme),
                Line::raw(""),
                Line::styled("Not scanned for known vulnerabilities.", theme.style("text")),
                Line::styled(
                    "Not scanned is not the same as clean. Verify scans it, where trivy or grype is installed.",
                    theme.style("text"),
                ),
            ];
        };
        let mut lines = vec![evidence::labelled("Scan", badge(record.badge(), theme), theme)];
        let width = usize::from(columns).saturating_sub(4).max(10);
        lines.extend(evidence::record_lines(record, width, theme, now));
        let Outcome::Scan { counts, worst, .. } = &record.outcome else { return lines };
        if counts.total() > 0 {
            lines.push(fact("Findings", counts.describe(), theme));
        }
        let groups: Vec<Severity> = by_severity(record).iter().map(Severity::from).collect();
        if groups.iter().any(|group| group.count > 0) {
            lines.extend(severities(&groups, usize::from(columns).min(BARS), theme));
        }
        lines.extend(self.mends.iter().take(MENDS).enumerate().map(|(number, mend)| mended(number, mend, theme)));
        let statements = self.record(Kind::Statements, now);
        lines.extend(statements.map(|record| stated(record, theme)));
        if worst.is_empty() {
            return lines;
        }
        let (shown, all) = self.shown_findings(now);
        lines.push(self.narrowing(shown.len(), all, theme));
        let package = (usize::from(columns) / 4).clamp(8, 30);
        let head =
            format!(" {} {} {} FIXED IN", fit("FINDING", 18), fit("SEVERITY", SEVERITY), fit("PACKAGE", package));
        lines.push(Line::raw(""));
        lines.push(Line::styled(head, theme.style("dim")));
        let said = |one: &Vulnerability| match statements.map(|record| &record.outcome) {
            Some(Outcome::Statements { statements, .. }) => {
                statements.iter().find(|statement| statement.vulnerability == one.id)
            }
            _ => None,
        };
        lines.extend(shown.into_iter().map(|one| finding(one, said(one), package, theme)));
        lines
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
        lines.push(self.narrowing(shown.len(), all, theme));
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

fn finding(one: &Vulnerability, said: Option<&Statement>, package: usize, theme: &Theme) -> Line<'static> {
    let role = match one.severity.name() {
        "critical" | "high" => "bad",
        "medium" => "caution",
        _ => "text",
    };
    let sign = if one.exploited { "!" } else { " " };
    let fixed = if one.fixed.is_empty() { "no fix yet" } else { &one.fixed };
    let mut about = one.title.clone();
    if one.exploited {
        about = format!("known to be exploited · {about}");
    }
    if let Some(said) = said {
        let why = if said.why.is_empty() { String::new() } else { format!(" ({})", said.why) };
        about = format!("VEX: {}{why} · {about}", said.status.replace('_', " "));
    }
    Line::from(vec![
        Span::styled(format!("{sign}{} ", fit(&one.id, 18)), theme.style("text")),
        Span::styled(format!("{} ", fit(&one.severity_by(), SEVERITY)), theme.style(role)),
        Span::styled(format!("{} ", fit(&format!("{} {}", one.package, one.installed), package)), theme.style("text")),
        Span::styled(format!("{fixed}  "), theme.style("text")),
        Span::styled(about, theme.style("dim")),
    ])
}
