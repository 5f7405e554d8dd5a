//! Keeping the person's own images in order: tagging, removal, and pruning old versions.
//!
//! Nothing is removed that was not shown before: a [`Removal`] says what is removed, what goes with it and who loses
//! it. It is computed again right before it is carried out, and dropped if the result differs.

pub mod prune;
mod pruning;
pub mod removal;
pub mod tag;
mod tagging;

pub use crate::ports::upkeep::{Removal, Removed};
pub use prune::{Candidate, KeptTag, PruneRemoval, PruneRule, Pruning};
pub use tag::TagResult;

use std::sync::Arc;

use super::{journal::Journal, sources::Sources};
use crate::{
    base::error::{Error, Result},
    config::Config,
    image::reference::ImageRef,
    ports,
};

/// Tagging, removing and pruning the person's own images.
pub struct Upkeep {
    config: Arc<Config>,
    sources: Arc<Sources>,
    journal: Arc<Journal>,
}

impl Upkeep {
    /// Upkeep of images at these sources.
    pub(super) fn new(config: Arc<Config>, sources: Arc<Sources>, journal: Arc<Journal>) -> Self {
        Self { config, sources, journal }
    }

    /// The port for tagging and removing an image; `Unsupported` if its source has none.
    fn port(&self, reference: &ImageRef, what: &str) -> Result<Arc<dyn ports::Upkeep>> {
        if let ImageRef::File { path, .. } = reference {
            return Err(Error::unsupported(what, "it is a file of yours, and Wharf changes no files")
                .hint(format!("use the shell for {path}")));
        }
        let source = self.sources.source(reference)?;
        source.upkeep.ok_or_else(|| {
            let hint = match source.abilities.changed_at {
                "" => "use its own pages or programs".to_owned(),
                place => format!("its images are changed on {place} only"),
            };
            Error::unsupported(what, format!("{} does not support this through Wharf", source.name)).hint(hint)
        })
    }
}
