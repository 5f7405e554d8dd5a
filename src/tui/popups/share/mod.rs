//! The dialog that shares an image: to whom, how, what happens, or a link; and who has it already.

pub mod dialog;
mod keys;
pub mod lines;
mod regions;
mod view;

pub use dialog::{Ends, Facts, Link, Part, Sharing, Target, Way};
pub use keys::Outcome;
pub use regions::WIDE;
