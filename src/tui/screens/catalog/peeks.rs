//! The answers about the images of a list that were selected last.

use std::{collections::VecDeque, sync::Arc};

use crate::msg::{Peek, PeekedRow};
use wharf_core::catalog::copies::DigestIndex;

/// For how many images the answers are kept.
const KEPT: usize = 64;

/// What was read about images that were selected.
#[derive(Debug, Default)]
pub(super) struct Peeks {
    /// What was asked last.
    pub(super) asked: Option<PeekedRow>,
    /// The answers, the newest last.
    answers: VecDeque<(PeekedRow, Peek)>,
    /// In which sources each digest of the lists is; `None` until it was built for the present lists.
    pub(super) index: Option<Arc<DigestIndex>>,
}

impl Peeks {
    /// The lists have changed: where else a digest is has to be found anew.
    pub(super) fn lists_changed(&mut self) {
        (self.index, self.asked) = (None, None);
    }

    /// Evidence has changed: what follows from it has to be read anew.
    pub(super) fn evidence_changed(&mut self) {
        self.answers.clear();
        self.asked = None;
    }

    /// Keeps an answer in the place of an older one about the same row.
    pub(super) fn keep(&mut self, row: PeekedRow, peek: Peek) {
        self.answers.retain(|(known, _)| *known != row);
        self.answers.push_back((row, peek));
        if self.answers.len() > KEPT {
            self.answers.pop_front();
        }
    }

    /// The kept answer about a row.
    pub(super) fn answer(&self, row: &PeekedRow) -> Option<&Peek> {
        self.answers.iter().find(|(known, _)| known == row).map(|(_, peek)| peek)
    }
}
