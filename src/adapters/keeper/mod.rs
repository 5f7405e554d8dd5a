//! The keeper of programs that outlive Wharf: one process beside each program, which keeps its output and its exit code in
//! a folder.
//!
//! It knows nothing of images and sandboxes: an adapter gives it a folder and the command to run. In the folder are the
//! output (`log.N`), the exit code (`exit`), and a note of the process (`running`), by which any later Wharf finds it again.

pub mod changes;
pub mod claim;
pub mod follow;
pub mod launches;
pub mod log;
pub mod node;
pub mod processes;
pub mod running;
pub mod standing;
pub mod start;
pub mod supervise;
pub mod usage;
mod wait;
