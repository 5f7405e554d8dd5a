//! One finding in words: what it is, what mends it, and what is known of it besides the scan. Nothing is read for it.

use ratatui::text::{Line, Span};

use super::{Page, around::unanswered_words};
use crate::{
    kit::{
        theme::Theme,
        widgets::{fit, wrap},
    },
    model::Model,
};
use wharf_core::{
    base::clean,
    evidence::record::{Kind, Outcome, Severity, Statement, Vulnerability},
    launch::plan::Workload,
};

/// Width of a label, in columns, with the space before it.
const LABEL: usize = 12;
/// The most workloads that are named as running with a finding.
const RUNS: usize = 3;
/// The most characters that are shown of the step that made a layer, of a fact, and of a description.
const STEP: usize = 60;
const FACT: usize = 200;
const DESCRIPTION: usize = 2_000;

/// The theme's role of a severity.
pub(super) fn role(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "bad",
        Severity::Medium => "caution",
        Severity::Low | Severity::Unknown => "text",
    }
}

/// What a VEX statement says, in words.
pub(super) fn stated(said: &Statement) -> String {
    let why = if said.why.is_empty() { String::new() } else { format!(" ({})", said.why) };
    clean::line(&format!("{}{why}", said.status.replace('_', " "))).into_owned()
}

/// All that is known of a finding, in clean words.
pub(super) struct Told {
    /// Its identifier.
    pub id: String,
    /// What mends it, or that nothing does.
    pub fixed: String,
    severity: String,
    role: &'static str,
    package: String,
    layer: String,
    title: String,
    description: String,
    exploited: bool,
    statement: Option<String>,
    exception: String,
    /// Whether it is known to be accepted.
    accepted: bool,
    others: String,
    runs: String,
}

impl Page {
    /// The statement on a vulnerability, and its author.
    pub(super) fn statement(&self, vulnerability: &str, now: i64) -> Option<(&Statement, &str)> {
        let Outcome::Statements { author, statements, .. } = &self.record(Kind::Statements, now)?.outcome else {
            return None;
        };
        let said = statements.iter().find(|statement| statement.vulnerability == vulnerability)?;
        Some((said, author))
    }

    /// All that is known of a finding.
    pub(super) fn told(&self, one: &Vulnerability, model: &Model) -> Told {
        let clean = |text: &str| clean::short(text, FACT);
        let score = one.score_words().map(|score| format!(" · CVSS {score}")).unwrap_or_default();
        let statement = self.statement(&one.id, model.now);
        let accepted = self.besides.words(|about| about.accepted_by(&one.id).unwrap_or("no").to_owned());
        Told {
            id: clean(&one.id),
            fixed: if one.fixed.is_empty() {
                "no fix yet".to_owned()
            } else {
                format!("fixed in {}", clean(&one.fixed))
            },
            severity: format!("{}{score}", clean(&one.severity_by())),
            role: role(one.severity),
            package: clean(format!("{} {}", one.package, one.installed).trim()),
            layer: self.layer_words(&one.layer),
            title: clean::short(&one.title, DESCRIPTION),
            description: clean::short(&one.description, DESCRIPTION),
            exploited: one.exploited,
            statement: statement
                .map(|(said, author)| format!("{} by {}: it only informs", stated(said), clean(author))),
            exception: clean(&accepted),
            accepted: self.besides.known().is_some_and(|about| about.accepted_by(&one.id).is_some()),
            others: clean(&self.besides.words(|about| match (about.count(&one.id), about.scanned_count()) {
                (_, 0) => "no other image here was scanned".to_owned(),
                (0, scanned) => format!("none of {scanned} other scanned images"),
                (others, scanned) => format!("{others} of {scanned} other scanned images"),
            })),
            runs: clean(&self.run_words(one, model)),
        }
    }

    /// The layer that a package is in: its place among the layers and the step that made it, else its digest.
    fn layer_words(&self, layer: &str) -> String {
        if layer.is_empty() {
            return String::new();
        }
        let layers = self.image.as_ref().map(|image| image.layers.as_slice()).unwrap_or_default();
        let is = |digest: &wharf_core::base::digest::Digest| digest.as_str() == layer;
        let at = layers.iter().position(|one| one.digest.as_ref().is_some_and(is));
        let Some((at, found)) = at.and_then(|at| Some((at, layers.get(at)?))) else {
            let hex = layer.rsplit(':').next().unwrap_or(layer);
            return format!("layer {}", clean::line(&hex.chars().take(12).collect::<String>()));
        };
        let step = clean::short(&found.created_by, STEP);
        let step = if step.is_empty() { String::new() } else { format!(": {step}") };
        format!("layer {} of {}{step}", at + 1, layers.len())
    }

    /// Which workloads run with a finding: those of this image, and of other images that have it, as far as backends have
    /// told.
    fn run_words(&self, one: &Vulnerability, model: &Model) -> String {
        let pinned = self.image.as_ref().and_then(|image| image.pinned.as_ref());
        let reference = self.image.as_ref().map(|image| image.reference.to_string()).unwrap_or_default();
        let has_it = |workload: &Workload| match workload.digest.as_str() {
            "" => !reference.is_empty() && workload.image == reference,
            digest => {
                pinned.is_some_and(|pinned| digest == pinned.digest.as_str() || digest == pinned.manifest.as_str())
                    || self.besides.known().is_some_and(|about| about.is_in(&one.id, digest))
            }
        };
        let run = model.lists.live_where(has_it);
        let mut names: Vec<String> =
            run.iter().take(RUNS).map(|workload| format!("{} on {}", workload.name, workload.backend)).collect();
        if run.len() > RUNS {
            names.push(format!("{} more", run.len() - RUNS));
        }
        match (names.is_empty(), unanswered_words(model)) {
            (false, _) => format!("● {}", names.join(", ")),
            (true, None) => "none of your workloads".to_owned(),
            (true, Some(unknown)) => unknown,
        }
    }
}

impl Told {
    /// The lines of a pane of this size. Where there is no room for all of the description, it is cut; what is known
    /// besides it stays.
    pub(super) fn lines(&self, (width, height): (usize, usize), theme: &Theme) -> Vec<Line<'static>> {
        let room = width.saturating_sub(2).max(8);
        let say = |words: &str, role: &str| -> Vec<Line<'static>> {
            let style = theme.style(role);
            wrap(words, room).into_iter().map(|line| Line::styled(format!(" {line}"), style)).collect()
        };
        let mut lines = say(&self.severity, self.role);
        lines.extend(say(&self.package, "text"));
        if !self.layer.is_empty() {
            lines.extend(say(&format!("in {}", self.layer), "dim"));
        }
        lines.extend(if self.fixed.starts_with("fixed") {
            say(&format!("→ {}", self.fixed), "good")
        } else {
            say(&self.fixed, "dim")
        });
        let facts = self.facts(width, theme);
        let mut words = say(&self.title, "text");
        if !self.description.is_empty() {
            words.extend(say(&self.description, "dim"));
        }
        // A free line before the words and one after them.
        let left = height.saturating_sub(lines.len() + facts.len() + 2);
        if words.len() > left {
            words.truncate(left);
            if let Some(last) = words.last_mut() {
                let style = last.style;
                *last = Line::styled(format!("{} …", fit(&last.to_string(), room.saturating_sub(1)).trim_end()), style);
            }
        }
        if !words.is_empty() {
            lines.push(Line::raw(""));
            lines.extend(words);
            lines.push(Line::raw(""));
        }
        lines.extend(facts);
        lines
    }

    /// What is known besides the description, a label before each.
    fn facts(&self, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        let (exploited, role) = if self.exploited { ("known to be", "bad") } else { ("not known to be", "text") };
        let facts: [(&str, &str, &str); 5] = [
            ("exploited", exploited, role),
            ("VEX", self.statement.as_deref().unwrap_or("nothing said"), "text"),
            ("accepted", &self.exception, "text"),
            ("also in", &self.others, "text"),
            ("running", &self.runs, "text"),
        ];
        let room = width.saturating_sub(LABEL + 1).max(8);
        let lines = facts.into_iter().flat_map(|(label, words, role)| {
            wrap(words, room).into_iter().enumerate().map(move |(number, part)| (number, label, part, role))
        });
        lines
            .map(|(number, label, part, role)| {
                let label = fit(&format!(" {}", if number == 0 { label } else { "" }), LABEL);
                Line::from(vec![Span::styled(label, theme.style("dim")), Span::styled(part, theme.style(role))])
            })
            .collect()
    }

    /// The same on a few lines below the list, what says most first.
    pub(super) fn strip(&self, width: usize, lines: usize, theme: &Theme) -> Vec<Line<'static>> {
        let room = width.saturating_sub(2).max(8);
        let mut first = vec![self.severity.clone(), self.package.clone()];
        first.extend(self.exploited.then(|| "known to be exploited".to_owned()));
        first.extend(Some(self.layer.clone()).filter(|layer| !layer.is_empty()));
        let mut second: Vec<String> = Vec::new();
        second.extend(self.accepted.then(|| format!("accepted: {}", self.exception)));
        second.extend(self.statement.iter().map(|words| format!("VEX: {words}")));
        second.push(format!("also in {}", self.others));
        second.push(format!("running: {}", self.runs));
        let words = if self.description.is_empty() { &self.title } else { &self.description };
        let drawn = |words: &str, role: &str| Line::styled(format!(" {}", fit(words, room)), theme.style(role));
        let all = [(first.join(" · "), self.role), (second.join(" · "), "text"), (words.clone(), "dim")];
        all.iter().take(lines).map(|(words, role)| drawn(words, role)).collect()
    }
}
