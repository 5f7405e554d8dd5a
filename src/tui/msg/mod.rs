//! What can happen (`Msg`), by subject in `news`, and what the loop is asked to do, in `effect`. All are plain data that
//! can be printed and replayed.

mod effect;
mod news;

use std::sync::Arc;

use crossterm::event::KeyEvent;

use wharf_core::{
    base::{error::Result, text},
    catalog::{rows::RowSet, search::RowId},
    image::{model::Health, reference::ImageRef},
    portal::doctor::Finding,
};

pub use self::{
    effect::{Effect, Go, ImageEffect, ListEffect, RequestEffect, RunEffect, ShareEffect, SharedIds, SharedSets, Slot},
    news::{ImageNews, JobNews, ListNews, RequestNews, RunNews, ShareNews},
};

/// The lists of all sources with their names, as the search takes them.
pub type Sets = Arc<Vec<(String, Arc<RowSet>)>>;
/// Row ids in the order of the list.
pub type Ids = Arc<Vec<RowId>>;

/// An image on a screen: a row of a list, or a reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A row of a source's list, with a tag if one is known.
    Row { source: String, name: String, tag: Option<String> },
    /// A full reference, perhaps pinned.
    Reference(ImageRef),
}

/// A link that the person wants to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkWish {
    /// The image that the link will name.
    pub target: Target,
    /// The chosen platform, like `linux/arm64`; all platforms if `None`.
    pub platform: Option<String>,
    /// When the link ends, in seconds since 1970; never if `None`.
    pub until: Option<i64>,
}

impl Target {
    /// The image's name in messages, before it has been resolved to a reference.
    pub fn words(&self) -> String {
        match self {
            // Clouds have ids in place of tags: the name alone says more.
            Self::Row { name, tag: Some(tag), .. } if !is_id(tag) => format!("{name}:{tag}"),
            Self::Row { name, .. } => name.clone(),
            Self::Reference(reference) => reference.spoken(),
        }
    }
}

/// Whether a tag is a cloud's id (a UUID), alone or after the path of its owner.
fn is_id(tag: &str) -> bool {
    text::is_uuid(tag.rsplit('/').next().unwrap_or(tag))
}

/// The health of a source or backend: its name, its adapter or `backend`, and its answer.
pub type HealthLine = (String, &'static str, Result<Health>);

/// What a person says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A question that the approver asks the requester.
    Question(String),
    /// A remark, or the answer to an open question.
    More(String),
    /// The requester withdraws the request.
    Withdrawn,
    /// The requester asks for the image that the tag names now.
    Newer,
}

/// Something that happened: an event of the terminal, or news from a job.
#[derive(Debug)]
pub enum Msg {
    /// A key was pressed, or released where the terminal reports that.
    Key(KeyEvent),
    /// Text was pasted, not cleaned yet.
    Paste(String),
    /// The mouse wheel was turned by so many lines: down, or up if negative.
    Scroll(i16),
    /// The mouse was clicked at a column and a line, both from 0.
    Click(u16, u16),
    /// The terminal has a new size: columns and lines.
    Resize(u16, u16),
    /// A frame was drawn: what it showed counts as seen.
    Drawn,
    /// The program was asked to end (SIGHUP, SIGTERM, SIGINT), or the terminal has closed.
    Ended,
    /// The health of all sources and backends.
    Health(Vec<HealthLine>),
    /// The checks of everything else that Wharf needs: keyring, policy, store, programs.
    Checks(Vec<Finding>),
    /// What has become known of lists and their rows.
    List(ListNews),
    /// What has become known of an image.
    Image(ImageNews),
    /// What has become known of launches and workloads.
    Run(RunNews),
    /// What has become known of shares and offers.
    Share(ShareNews),
    /// News of requests, notices and the person's rights in the store.
    Request(RequestNews),
    /// News of jobs, and questions that they ask.
    Job(JobNews),
}
