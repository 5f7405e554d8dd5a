//! Evidence of an image: recorded checks, findings, and the statements of signatures.

pub mod attachments;
pub mod findings;
pub mod record;
pub mod terms;
