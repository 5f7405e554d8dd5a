//! What several adapters do alike: HTTP, programs, private files, what is attached to an image.

pub mod attachments;
pub mod exec;
pub mod http;
pub mod private;
pub mod settings;
