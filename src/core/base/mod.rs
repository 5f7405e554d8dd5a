//! What everything else uses: errors, texts, cleaning, digests, deadlines.

pub mod ask;
pub mod badge;
pub mod blocking;
pub mod budget;
pub mod bytes;
pub mod checkpoint;
pub mod clean;
pub mod context;
pub mod digest;
pub mod error;
pub mod json;
pub mod lookalike;
pub mod mistakes;
pub mod pace;
pub mod progress;
pub mod pulls_left;
pub mod quote;
pub mod secret;
pub mod severity;
pub mod small_file;
pub mod text;
