//! What several adapters use: HTTP, running programs, private files, attachments of images, terminals.

pub mod attachments;
pub mod exec;
pub mod http;
pub mod private;
pub mod settings;
pub mod terminal;
