//! The trust pane: the verdict with its reasons, and who checked what, when, with which tool.

use ratatui::text::{Line, Span};

use super::Page;
use crate::{
    kit::{
        fold::fold_all,
        theme::Theme,
        widgets::{badge, fact, failure, fit, tone, wrap},
    },
    popups::share::Facts,
};
use wharf_core::{
    base::{
        badge::{Scan, Signature},
        text,
    },
    catalog::marks::Facet,
    evidence::record::{Kind, Outcome, Record, best},
    image::{model::Image, reference::ImageRef},
    portal::evidence::Verified,
};

/// Width of a label, in columns.
const LABEL: usize = 13;

pub(super) fn labelled(label: &str, span: Span<'static>, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(fit(label, LABEL), theme.style("dim")), span])
}

impl Page {
    /// Whether the image may be used: the verdict with its reasons, or why there is none.
    pub(super) fn may_i(&self, image: &Image, width: usize, theme: &Theme) -> Vec<Line<'static>> {
        match &self.verified {
            None if image.pinned.is_some() => vec![Line::styled("looking for signatures…", theme.style("dim"))],
            None if matches!(image.reference, ImageRef::File { .. }) => {
                let words = "it has no digest until all of it was read: verify reads and checks it";
                vec![Line::styled(words, theme.style("text"))]
            }
            None => vec![Line::styled("it has no digest: nothing can be said of it", theme.style("text"))],
            Some(Err(error)) => failure(error, width, theme),
            Some(Ok(verified)) => verdict(verified, width, theme),
        }
    }

    /// One line for each signature scheme that gave a valid result, with who checked it, and the publisher. The
    /// signature that counts for the badge comes first.
    pub(super) fn who_says_so(&self, image: &Image, width: usize, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let best = self.record(Kind::Signature, now);
        let others = match &self.verified {
            Some(Ok(verified)) => verified.records.as_slice(),
            _ => &[],
        };
        let others = others.iter().filter(|record| {
            record.kind() == Kind::Signature && record.is_valid(now) && best.is_some_and(|best| best != *record)
        });
        let state = best.map_or(Signature::NotChecked.badge(), Record::badge);
        lines.push(labelled("Signature", badge(state, theme), theme));
        lines.extend(best.into_iter().flat_map(|record| record_lines(record, width, theme, now)));
        for record in others {
            lines.push(labelled("  and", badge(record.badge(), theme), theme));
            lines.extend(record_lines(record, width, theme, now));
        }
        lines.push(labelled("Publisher", badge(image.publisher.badge(), theme), theme));
        lines
    }

    /// The lines of the trust pane: verdict, reasons, signatures and publisher.
    pub(super) fn trust_lines(&self, image: &Image, columns: u16, theme: &Theme, now: i64) -> Vec<Line<'static>> {
        let width = usize::from(columns).saturating_sub(4).max(10);
        let mut lines = self.may_i(image, width, theme);
        lines.push(Line::raw(""));
        lines.extend(self.who_says_so(image, width, theme, now));
        if let Some(pinned) = &image.pinned {
            lines.push(Line::raw(""));
            lines.push(fact("About", pinned.digest.to_string(), theme));
        }
        let words = "A launch uses exactly this digest, whatever the tag points to by then.";
        lines.push(Line::styled(words, theme.style("dim")));
        fold_all(lines, usize::from(columns), LABEL)
    }

    /// What is known of the image, for a dialog about it.
    pub fn facts_of(&self, now: i64) -> Facts {
        let Some(image) = &self.image else { return Facts::default() };
        let mut badges = vec![self.record(Kind::Signature, now).map_or(Signature::NotChecked.badge(), Record::badge)];
        let verdict = match &self.verified {
            Some(Ok(verified)) => {
                let marks = verified.marks(now);
                Some((marks.badge(Facet::Verdict), marks.receiver_words()))
            }
            _ => {
                badges.push(self.record(Kind::Scan, now).map_or(Scan::NotScanned.badge(), Record::badge));
                None
            }
        };
        let digest = image.pinned.as_ref().map(|pinned| pinned.digest.to_string()).unwrap_or_default();
        Facts { digest, badges, verdict, size: Some(image.size) }
    }

    /// The record of this kind that counts for the badge.
    pub(super) fn record(&self, kind: Kind, now: i64) -> Option<&Record> {
        match &self.verified {
            Some(Ok(verified)) => best(&verified.records, kind, now),
            _ => None,
        }
    }
}

fn verdict(verified: &Verified, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let judgement = &verified.judgement;
    let mut lines = vec![labelled("Verdict", badge(judgement.verdict.badge(), theme), theme)];
    for reason in &judgement.reasons {
        let shown = reason.verdict.badge();
        let step = if reason.step.is_empty() { String::new() } else { format!(" → {}", reason.step) };
        for (number, part) in wrap(&format!("{}{step}", reason.words), width).into_iter().enumerate() {
            let sign = if number == 0 { shown.sign } else { " " };
            lines.push(Line::from(vec![
                Span::styled(format!("  {sign} "), theme.style(tone(shown.tone))),
                Span::styled(part, theme.style("text")),
            ]));
        }
    }
    let policy = match judgement.only_said() {
        Some(said) => format!("{}: it {said}", judgement.policy),
        None => judgement.policy.clone(),
    };
    lines.push(fact("Policy", policy, theme));
    lines
}

/// The lines of a record: its signer, who checked it, when and with which tool, and what was found.
pub(super) fn record_lines(record: &Record, width: usize, theme: &Theme, now: i64) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    if let Outcome::Signature { signer, .. } = &record.outcome {
        if !signer.is_empty() {
            lines.push(fact("  by", signer.clone(), theme));
        }
    }
    let who = format!("{}{}", record.tool, record.by.note());
    lines.push(fact("  checked", format!("{} by {who}", text::ago(record.at, now)), theme));
    if matches!(record.outcome, Outcome::Scan { .. }) {
        lines.extend(record.inputs.iter().map(|input| fact("  with", input.clone(), theme)));
    }
    for (number, part) in wrap(&record.reason, width.saturating_sub(LABEL).max(10)).into_iter().enumerate() {
        lines.push(fact(if number == 0 { "  found" } else { "" }, part, theme));
    }
    lines
}
