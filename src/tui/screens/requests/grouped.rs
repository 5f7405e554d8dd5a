//! What the groups of the queue are told apart by, which of them are folded, and which one is selected.

use std::collections::BTreeSet;

use wharf_core::request::Request;

/// What a group has in common: the rule that blocks its requests, and their base image.
pub(super) type GroupKey = (String, String);

/// The key of a request's group.
pub(super) fn key_of(one: &Request) -> GroupKey {
    (one.rule().to_owned(), one.base().to_owned())
}

/// Which groups are folded, and which is selected.
#[derive(Debug, Clone, Default)]
pub(super) struct Groups {
    /// Those of which only their own line is shown.
    pub folded: BTreeSet<GroupKey>,
    /// The one whose line is selected. Then the first of its requests is the selected one of the rows.
    pub on: Option<GroupKey>,
}

impl Groups {
    /// The same groups folded, and none of them selected.
    pub(super) fn for_another_list(&self) -> Self {
        Self { folded: self.folded.clone(), on: None }
    }
}
