//! Evidence of an image: recorded checks, findings, and what a signature states.

pub mod attachments;
pub mod findings;
pub mod record;
pub mod terms;
