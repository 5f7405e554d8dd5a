//! What several adapters use: HTTP, running programs, private files, attachments of images, terminals.

pub mod apptainer;
pub mod attachments;
pub mod exec;
pub mod file_end;
pub mod gpg;
pub mod http;
pub mod in_front;
pub mod lines;
pub mod origin;
pub mod partial;
pub mod private;
pub mod room;
pub mod samples;
pub mod settings;
pub mod socket;
pub mod terminal;
pub mod typed;
pub mod unless_cancelled;
