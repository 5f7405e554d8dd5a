//! What is shown of the image of a link at once, until its place has answered: what the link itself says, and what this machine
//! remembers of its digest. Nothing is done with it before the place has answered.

use ratatui::text::Line;

use super::{Page, overview::fact_lines};
use crate::{kit::theme::Theme, popups::share::Facts};
use wharf_core::{
    base::{clean, text},
    image::link::Link,
    portal::evidence::Verified,
    sharing::sender::Proof,
};

impl Page {
    /// Shows what an opened link says, with what a list knows of the same digest.
    pub fn remember_row(&mut self, link: &Link, row: &Facts) {
        let digest = link.digest().map(ToString::to_string).unwrap_or_default();
        let mut facts = vec![("Reference", clean::line(&link.reference.to_string()).into_owned())];
        if row.digest == digest {
            facts.extend(row.size.map(|size| ("Size", text::size(size))));
            facts.extend(row.verdict.as_ref().map(|(badge, _)| ("Verdict", format!("{} {}", badge.sign, badge.word))));
        }
        facts.insert(1, ("Digest", digest));
        self.remembered = facts;
    }

    /// Adds what this machine knows of the sender and of the digest, unless the image has arrived meanwhile.
    pub fn remember(&mut self, link: &Link, proof: Option<&Proof>, known: Option<&Verified>) {
        if self.image.is_some() || self.link.as_ref() != Some(link) {
            return;
        }
        self.remembered.extend(proof.map(|proof| ("Sender", proof.words(link.sender.as_deref()))));
        if let Some(known) = known {
            self.remembered.retain(|(label, _)| *label != "Verdict");
            self.remembered.push(("Verdict", format!("{}, as last known here", known.verdict_line())));
        }
    }

    /// The lines of what is remembered, in so many columns.
    pub(super) fn remembered_lines(&self, columns: u16, theme: &Theme) -> Vec<Line<'static>> {
        let facts = self.remembered.iter();
        let facts = facts.flat_map(|(label, value)| fact_lines(label, value, columns, theme));
        self.link_lines(theme).into_iter().chain(facts).collect()
    }

    /// What is said about the link that the page was opened from.
    pub(super) fn link_lines(&self, theme: &Theme) -> Vec<Line<'static>> {
        let line = |(fine, words): &(bool, String)| {
            let (sign, role) = if *fine { ("✓", "good") } else { ("!", "caution") };
            Line::styled(format!("{sign} {words}"), theme.style(role))
        };
        self.from_link.iter().map(line).collect()
    }
}
