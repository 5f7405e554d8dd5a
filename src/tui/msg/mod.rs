//! What can happen (`Msg`), by subject in `news`, and what the loop is asked to do, in `effect`. All are plain data that
//! can be printed and replayed.

mod effect;
mod news;
mod subject;

use crossterm::event::KeyEvent;

use wharf_core::portal::{answers::HealthAnswer, doctor::Finding};

pub use self::{
    effect::{
        Effect, ImageEffect, ListEffect, Navigation, RequestEffect, RunEffect, ShareEffect, SharedIds, SharedSets,
        Slot, SourceEffect, TransferEffect,
    },
    news::{ImageNews, JobNews, ListNews, Peek, RequestNews, RunNews, ShareNews, SourceNews},
    subject::{
        DescribedWorkload, EarlierLaunch, Ids, ImageTarget, LinkWish, LockWish, PeekedRow, RequestInput, SharedRowSets,
    },
};

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
    /// The terminal has got the focus, or lost it.
    Focus(bool),
    /// A frame was drawn: what it showed counts as seen.
    Drawn,
    /// The program was asked to end (SIGHUP, SIGTERM, SIGINT), or the terminal has closed.
    Ended,
    /// What a source or backend answered when it was asked whether it works.
    Health(HealthAnswer),
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
    /// What has become known of an address that was typed.
    Source(SourceNews),
    /// News of jobs, and questions that they ask.
    Job(JobNews),
}

impl From<ListNews> for Msg {
    fn from(news: ListNews) -> Self {
        Self::List(news)
    }
}

impl From<ImageNews> for Msg {
    fn from(news: ImageNews) -> Self {
        Self::Image(news)
    }
}

impl From<RunNews> for Msg {
    fn from(news: RunNews) -> Self {
        Self::Run(news)
    }
}

impl From<ShareNews> for Msg {
    fn from(news: ShareNews) -> Self {
        Self::Share(news)
    }
}

impl From<RequestNews> for Msg {
    fn from(news: RequestNews) -> Self {
        Self::Request(news)
    }
}

impl From<JobNews> for Msg {
    fn from(news: JobNews) -> Self {
        Self::Job(news)
    }
}
