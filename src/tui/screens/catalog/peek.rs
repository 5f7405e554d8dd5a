//! What the store knows about the selected image beside its marks: moves of its tags, and the way out of a verdict. It
//! is read once the selection has rested, and kept for the images that were selected last.

use std::sync::Arc;

use super::Catalog;
use crate::msg::{Effect, ListEffect, Peek, PeekedRow, SharedSets};
use wharf_core::{
    base::{badge::Verdict, digest::Digest},
    catalog::copies::DigestIndex,
    image::{model::ImageKind, reference::ImageRef},
    portal::evidence::{brief::Brief, mending::Mend},
};

impl Catalog {
    /// The selected row with its digest, if that is known.
    fn selected_to_peek(&self) -> Option<PeekedRow> {
        let (source, view) = self.selected()?;
        let digest: Digest = self.digest(source, &view).parse().ok()?;
        let tag = view.favourite_tag()?.to_owned();
        Some(PeekedRow { source: source.to_owned(), name: view.name.to_owned(), tag, digest })
    }

    /// Reads what the store knows about the selected image, unless that has begun already.
    pub(super) fn wants_peek(&mut self) -> Option<Effect> {
        let row = self.selected_to_peek();
        if row == self.peeks.asked {
            return None;
        }
        self.peeks.asked.clone_from(&row);
        let row = row?;
        let sets = self.peeks.index.is_none().then(|| SharedSets(self.sets.clone()));
        if sets.is_none() && self.peeks.answer(&row).is_some() {
            return None;
        }
        Some(Effect::List(ListEffect::Peek { row, sets }))
    }

    /// Takes the index of the digests, unless the lists have changed since.
    pub fn indexed(&mut self, sets: &SharedSets, index: Arc<DigestIndex>) {
        if Arc::ptr_eq(&sets.0, &self.sets) {
            self.peeks.index = Some(index);
        }
    }

    /// Takes what the store knows about a row.
    pub fn peeked(&mut self, row: PeekedRow, peek: Peek) {
        self.peeks.keep(row, peek);
    }

    /// Takes what the marks of a digest rest on.
    pub(super) fn set_brief(&mut self, key: (String, Digest), brief: Brief) {
        if self.briefs.get(&key) != Some(&brief) {
            self.peeks.evidence_changed();
            self.briefs.insert(key, brief);
        }
    }

    /// What was read about the selected image.
    pub(super) fn peek(&self) -> Option<&Peek> {
        self.peeks.answer(&self.selected_to_peek()?)
    }

    /// What the selected image's marks rest on.
    pub(super) fn brief(&self) -> Option<&Brief> {
        let (source, view) = self.selected()?;
        let row = (source.to_owned(), view.name.to_owned());
        let digest: Digest = self.digest(source, &view).parse().ok()?;
        match self.places.get(&row) {
            Some(place) => self.briefs.get(&(place.clone(), digest)),
            // The same bytes may be admitted in one repository and unsigned in another.
            None if view.kind == ImageKind::Container => None,
            None => self.briefs.iter().find(|((_, known), _)| *known == digest).map(|(_, brief)| brief),
        }
    }

    /// The nearest version of the selected image that is allowed, where that image itself is not.
    pub(super) fn way_out(&self) -> Option<&(Mend, ImageRef)> {
        let (source, view) = self.selected()?;
        let allowed = self.shown_marks(source, &view).verdict == Verdict::Allow;
        self.peek().filter(|_| !allowed)?.allowed.as_ref()
    }

    /// Why no allowed version of the selected image can be launched; `None` if one can.
    pub(super) fn no_way_out(&self) -> Option<&'static str> {
        let Some((source, view)) = self.selected() else { return Some("no image is selected") };
        match self.peek() {
            _ if self.shown_marks(source, &view).verdict == Verdict::Allow => {
                Some("the policy allows this version: launch it as it is")
            }
            None => Some("what is kept of its versions has not been read: open the image"),
            Some(peek) if peek.allowed.is_none() => Some("no scanned version of this image is known to be allowed"),
            Some(_) => None,
        }
    }

    /// The other sources that have the same digest, as far as lists and looks tell.
    pub fn also_in(&self, source: &str, digest: &str) -> Vec<String> {
        if digest.is_empty() {
            return Vec::new();
        }
        let listed = self.peeks.index.iter().flat_map(|index| index.also_in(digest, source)).map(str::to_owned);
        let looked = self.looks.iter().filter(|((other, _), version)| {
            let known = version.as_ref().and_then(|version| version.digest.as_ref());
            *other != source && known.is_some_and(|known| known.to_string() == digest)
        });
        let mut all: Vec<String> = listed.chain(looked.map(|((other, _), _)| other.clone())).collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::SourceLine;
    use wharf_core::{
        catalog::{
            rows::{Row, RowSet},
            tags::TagMove,
        },
        ports::Listing,
    };

    fn source(name: &str) -> SourceLine {
        SourceLine {
            name: name.to_owned(),
            adapter: "oci".to_owned(),
            address: String::new(),
            origin: String::new(),
            listing: Listing::Whole,
            cheap: true,
            signs_in: false,
            grants: false,
            holds_disks: false,
            begins_again: false,
            abilities: wharf_core::portal::Abilities::default(),
            added: false,
            hidden: false,
        }
    }

    /// A list of two sources that both have the same image.
    fn catalog() -> Catalog {
        let mut catalog = Catalog::new(&[source("site"), source("hub")]);
        for source in ["site", "hub"] {
            let row = Row {
                name: "gromacs".to_owned(),
                digest: Some(Digest::of(b"gromacs")),
                tags: vec!["2024.2".to_owned()],
                ..Row::default()
            };
            let effects = catalog.listed(source, Ok(Arc::new(RowSet::build(vec![row]))), 0);
            let Some(Effect::List(ListEffect::Search { number, sets, .. })) = effects.into_iter().next() else {
                panic!("the list is searched")
            };
            let ids = (0..sets.0.len()).map(|set| wharf_core::catalog::search::RowId { set: set as u32, row: 0 });
            let hits = Arc::new(ids.collect::<Vec<_>>());
            catalog.found(number, Some(hits.clone()), hits);
        }
        catalog
    }

    #[test]
    fn a_selected_image_is_asked_for_once_and_its_answer_is_kept() {
        let mut catalog = catalog();
        let Some(Effect::List(ListEffect::Peek { row, sets: Some(sets) })) = catalog.wants_peek() else {
            panic!("the selected image is asked for, with the lists")
        };
        assert_eq!(catalog.wants_peek(), None);
        catalog.indexed(&sets, Arc::new(DigestIndex::new(&sets.0)));
        assert_eq!(catalog.also_in("site", &row.digest.to_string()), ["hub"]);
        let moved = TagMove {
            tag: "latest".to_owned(),
            from: Digest::of(b"a"),
            to: Digest::of(b"b"),
            from_tag: None,
            to_tag: None,
            at: 0,
        };
        catalog.peeked(row, Peek { moves: vec![moved], allowed: None });
        assert_eq!(catalog.peek().map(|peek| peek.moves.len()), Some(1));
        catalog.at.selected = 1;
        assert!(matches!(catalog.wants_peek(), Some(Effect::List(ListEffect::Peek { sets: None, .. }))));
        catalog.at.selected = 0;
        assert_eq!(catalog.wants_peek(), None, "the kept answer is shown");
    }

    #[test]
    fn without_an_allowed_version_the_key_says_why() {
        let mut catalog = catalog();
        assert!(catalog.no_way_out().is_some_and(|why| why.contains("has not been read")));
        let row = catalog.selected_to_peek().unwrap();
        catalog.peeked(row, Peek::default());
        assert!(catalog.no_way_out().is_some_and(|why| why.contains("no scanned version")));
        assert!(catalog.way_out().is_none());
    }
}
