//! What the screens show and no screen owns: sources, jobs, and the line at the bottom. Below all screens, so that each may
//! use it; plain data.

use crate::core::{
    base::{context::Note, error::Error},
    ports::Listing,
};

/// What is known of a source without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceLine {
    /// Its name.
    pub name: String,
    /// Its adapter.
    pub adapter: String,
    /// Its address.
    pub address: String,
    /// Where it was found.
    pub origin: String,
    /// How it can be listed.
    pub listing: Listing,
    /// Whether rows on the screen may be looked at without being asked to.
    pub cheap: bool,
    /// Whether one signs in there.
    pub signs_in: bool,
    /// Whether its images are shared by grant, and not by copy.
    pub grants: bool,
}

impl SourceLine {
    /// Host and port of its address.
    pub fn host(&self) -> &str {
        let address = self.address.as_str();
        address.split_once("://").map_or(address, |(_, rest)| rest).trim_end_matches('/')
    }
}

/// A write that runs or ran.
#[derive(Debug)]
pub struct Job {
    /// Its number.
    pub id: u64,
    /// What it is.
    pub title: String,
    /// How far it is.
    pub note: Note,
    /// Seconds since 1970 when it began.
    pub started: i64,
    /// How it ended.
    pub ended: Option<Result<String, Error>>,
}

/// One line at the bottom, until the next key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// The line.
    pub text: String,
    /// What kind of line it is.
    pub tone: Tone,
}

/// What kind of line a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Something was done.
    Done,
    /// Something to know; nothing happened.
    Told,
    /// Something failed.
    Failed,
}
