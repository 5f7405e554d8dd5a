//! Carrying out effects. A newer read of the same kind replaces the older one; a write runs to its end unless the
//! person cancels it.

mod describing;
mod effects;
mod following;
mod images;
mod lists;
mod post;
pub mod prompter;
mod requests;
mod running;
mod sharing;
mod sources;
mod transfers;

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use tokio::{
    sync::{mpsc, watch},
    task::AbortHandle,
};
use tokio_util::sync::CancellationToken;

use super::{
    kept::output::Switches,
    kit::layout::View,
    msg::{JobNews, ListNews, Msg, RunNews, Slot},
};
pub use post::{Delivery, Post};
use prompter::{Prompter, Questions};
use wharf_core::{
    base::{
        context::{Context, Note, Progress},
        error::{Error, Result},
    },
    launch::plan::{Plan, Workload},
    portal::{Listed, Portal},
    ports::{FileInEditor, Listing, Terminal},
};

/// The shortest time between two progress messages of a job.
const NOTES: Duration = Duration::from_millis(100);

/// What a write does, and what came of it: what is told, and the workload that was made, if any.
type Work = BoxFuture<'static, Result<(String, Option<Workload>)>>;

/// The reads and writes that run beside the loop, and the channel that their messages come through.
pub struct Jobs {
    portal: Arc<Portal>,
    out: mpsc::Sender<Delivery>,
    arriving: mpsc::Receiver<Delivery>,
    reads: HashMap<Slot, (u64, AbortHandle)>,
    lists: HashMap<(String, bool), AbortHandle>,
    writes: HashMap<u64, CancellationToken>,
    keys: Option<mpsc::Sender<bytes::Bytes>>,
    sizes: Option<mpsc::Sender<(u16, u16)>>,
    number: u64,
    questions: Questions,
    at_once: following::AtOnce,
}

/// What a person types into an open terminal, and its sizes.
struct Typing {
    typed: mpsc::Receiver<bytes::Bytes>,
    resized: mpsc::Receiver<(u16, u16)>,
}

/// Passes on what a terminal shows and what is typed, until it ends.
async fn connected(terminal: Terminal, mut typing: Typing, post: &Post) -> Result<()> {
    let Terminal { mut output, input, resize } = terminal;
    loop {
        tokio::select! {
            chunk = output.try_next() => match chunk? {
                Some(bytes) => post.send(RunNews::Terminal(bytes)).await,
                None => return Ok(()),
            },
            Some(bytes) = typing.typed.recv() => { let _ = input.send(bytes).await; }
            Some(size) = typing.resized.recv() => { let _ = resize.try_send(size); }
        }
    }
}

impl Jobs {
    /// Jobs over a portal; nothing runs yet.
    pub fn new(portal: Arc<Portal>) -> Self {
        let (out, arriving) = mpsc::channel(256);
        Self {
            portal,
            out,
            arriving,
            reads: HashMap::new(),
            lists: HashMap::new(),
            writes: HashMap::new(),
            keys: None,
            sizes: None,
            number: 0,
            questions: Questions::default(),
            at_once: following::AtOnce::default(),
        }
    }

    fn asker(&self) -> Prompter {
        Prompter::new(Post { out: self.out.clone(), read: None }, self.questions.clone())
    }

    /// The next message, dropping those of reads that a newer one has replaced. Waits for ever if no job can send any
    /// more.
    pub async fn next(&mut self) -> Msg {
        loop {
            let Some(delivery) = self.arriving.recv().await else { return std::future::pending().await };
            if let Some(msg) = self.current_message(delivery) {
                return msg;
            }
        }
    }

    /// The next message if one has arrived already.
    pub fn ready(&mut self) -> Option<Msg> {
        loop {
            let delivery = self.arriving.try_recv().ok()?;
            if let Some(msg) = self.current_message(delivery) {
                return Some(msg);
            }
        }
    }

    /// The message, unless its read was replaced or ended meanwhile. This is the only place where late answers are
    /// dropped.
    fn current_message(&self, delivery: Delivery) -> Option<Msg> {
        match delivery.read {
            Some((slot, number)) if self.reads.get(&slot).map(|(newest, _)| *newest) != Some(number) => None,
            _ => Some(delivery.msg),
        }
    }

    /// The state folder; `None` where nothing is kept.
    fn state_folder(&self) -> Option<&Path> {
        let folder = &self.portal.config().state_dir;
        (!folder.as_os_str().is_empty()).then_some(folder)
    }

    /// Saves the chosen theme in the state folder, for the next start.
    pub fn keep_theme(&self, name: &str) -> std::io::Result<()> {
        let theme = &self.portal.config().theme;
        self.state_folder().map_or(Ok(()), |folder| crate::kept::keep(folder, theme, name))
    }

    /// Saves in the state folder how output is read, for the next start.
    pub fn keep_switches(&self, switches: Switches) -> std::io::Result<()> {
        self.state_folder().map_or(Ok(()), |folder| crate::kept::output::keep(folder, switches))
    }

    /// Saves in the state folder which panes a screen shows, for the next start.
    pub fn keep_view(&self, scope: &str, view: View) -> std::io::Result<()> {
        self.state_folder().map_or(Ok(()), |folder| crate::kept::views::keep(folder, scope, view))
    }

    /// Saves in the state folder that a filter was used, for the next start.
    pub fn keep_filter(&self, filter: &str) -> std::io::Result<()> {
        self.state_folder().map_or(Ok(()), |folder| crate::kept::filters::keep(folder, filter))
    }

    /// Saves in the state folder that the first page was closed.
    pub fn close_welcome(&self) -> std::io::Result<()> {
        self.state_folder().map_or(Ok(()), crate::kept::welcome::close)
    }

    fn read<F: Future<Output = ()> + Send + 'static>(&mut self, slot: Slot, work: impl FnOnce(Post) -> F) {
        self.end(slot);
        self.number += 1;
        let number = self.number;
        let work = work(Post { out: self.out.clone(), read: Some((slot, number)) });
        let task = spawned(work.boxed());
        self.reads.insert(slot, (number, task));
    }

    /// Work that goes to its end whatever is pressed meanwhile, and is no job of its own.
    fn beside<F: Future<Output = ()> + Send + 'static>(&self, work: impl FnOnce(Post) -> F) {
        spawned(work(Post { out: self.out.clone(), read: None }).boxed());
    }

    fn end(&mut self, slot: Slot) {
        if let Some((_, task)) = self.reads.remove(&slot) {
            task.abort();
        }
        if slot == Slot::Terminal {
            self.keys = None;
            self.sizes = None;
        }
    }

    /// Lists a source, or searches it for `query`. Each source has one read for its list and one for its search.
    fn list(&mut self, source: String, query: Option<String>) {
        let portal = self.portal.clone();
        let post = Post { out: self.out.clone(), read: None };
        let name = source.clone();
        let beside = query.is_some();
        let work = async move {
            let Ok(found) = portal.sources.facts_of(&name) else { return };
            let more = query.is_some() && found.listing == Listing::WholeAndMore;
            let (sender, mut growing) = mpsc::channel(2);
            let cx = Context::default();
            let work = std::panic::AssertUnwindSafe(portal.catalog.list(&cx, &found.name, query.as_deref(), sender))
                .catch_unwind();
            let forward = async {
                while let Some(rows) = growing.recv().await {
                    if !more {
                        post.send(ListNews::Rows(name.clone(), rows)).await;
                    }
                }
            };
            let (listed, ()) = tokio::join!(work, forward);
            let listed = match listed.unwrap_or_else(|_| Err(crashed(&format!("list {name}")))) {
                Ok(Listed { rows, missing: None }) => Ok(rows),
                // A list that came in part is shown, and then why the rest is missing.
                Ok(Listed { rows, missing: Some(error) }) => {
                    let came = if more {
                        Msg::List(ListNews::More(name.clone(), Ok(rows)))
                    } else {
                        Msg::List(ListNews::Rows(name.clone(), rows))
                    };
                    post.send(came).await;
                    Err(error)
                }
                Err(error) => Err(error),
            };
            post.send(if more {
                Msg::List(ListNews::More(name, listed))
            } else {
                Msg::List(ListNews::Listed(name, listed))
            })
            .await;
        };
        if let Some(older) = self.lists.insert((source, beside), spawned(work.boxed())) {
            older.abort();
        }
    }

    fn write<F>(&mut self, job: u64, work: impl FnOnce(Context) -> F + Send + 'static)
    where
        F: Future<Output = Result<(String, Option<Workload>)>> + Send + 'static,
    {
        let (progress, notes) = Progress::channel();
        let cx = Context { progress, ..Context::default() }.asking(Arc::new(self.asker()));
        self.writes.insert(job, cx.cancel.clone());
        let post = Post { out: self.out.clone(), read: None };
        let portal = self.portal.clone();
        // What the work does before its first wait belongs to it, too.
        let work = async move { work(cx).await }.boxed();
        spawned(async move { finish(job, work, notes, &post, &portal).await }.boxed());
    }

    fn terminal(&mut self, backend: String, id: String, command: Option<Vec<String>>, size: (u16, u16)) {
        let portal = self.portal.clone();
        self.read_terminal(move |post, typing| async move {
            let opened = portal.launches.terminal(&Context::default(), (&backend, &id), command, size).await;
            let ended = match opened {
                Err(error) => Err(error),
                Ok(terminal) => connected(terminal, typing, &post).await,
            };
            post.send(RunNews::TerminalEnd(ended)).await;
        });
    }

    /// Opens the person's editor with the text of a plan, and reads what was added when it has ended.
    fn edit(&mut self, plan: Box<Plan>, size: (u16, u16)) {
        let portal = self.portal.clone();
        self.read_terminal(move |post, typing| async move {
            let (terminal, path) = match portal.launches.edit(&plan, size).await {
                Ok(FileInEditor { terminal, path }) => (terminal, path),
                Err(error) => return post.send(RunNews::TerminalEnd(Err(error))).await,
            };
            match connected(terminal, typing, &post).await {
                Ok(()) => post.send(RunNews::Edited(portal.launches.edited(&plan, &path).await)).await,
                Err(error) => post.send(RunNews::TerminalEnd(Err(error))).await,
            }
        });
    }

    /// Reads a terminal, to which all keys go from now on, and the sizes of the screen.
    fn read_terminal<F>(&mut self, work: impl FnOnce(Post, Typing) -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (keys, typed) = mpsc::channel(256);
        let (sizes, resized) = mpsc::channel(4);
        self.read(Slot::Terminal, move |post| work(post, Typing { typed, resized }));
        // The read before has ended with its own.
        self.keys = Some(keys);
        self.sizes = Some(sizes);
    }

    /// Asks all writes to stop, when the program ends.
    pub fn cancel_all(&self) {
        self.writes.values().for_each(CancellationToken::cancel);
    }
}

impl Drop for Jobs {
    /// Reads are for the loop that asked: one that follows has a portal of its own, and asks again.
    fn drop(&mut self) {
        let lists = self.lists.values();
        self.reads.values().map(|(_, task)| task).chain(lists).for_each(AbortHandle::abort);
    }
}

/// Runs a task beside the loop. All have one type, so that the machinery of tasks is built once and not for each.
fn spawned(work: BoxFuture<'static, ()>) -> AbortHandle {
    tokio::spawn(work).abort_handle()
}

/// Does the work of a write to its end, and tells its progress and what came of it.
async fn finish(job: u64, work: Work, mut notes: watch::Receiver<Note>, post: &Post, portal: &Portal) {
    let mut work = std::panic::AssertUnwindSafe(work).catch_unwind();
    let done = loop {
        tokio::select! {
            biased;
            done = &mut work => break done,
            Ok(()) = notes.changed() => {
                let note = notes.borrow_and_update().clone();
                post.send(JobNews::JobNote(job, note)).await;
                tokio::select! {
                    done = &mut work => break done,
                    () = tokio::time::sleep(NOTES) => {}
                }
            }
        }
    };
    let done = done.unwrap_or_else(|_| Err(crashed("run a task")));
    post.send(JobNews::JobDone(job, with_troubles(done, &portal.journal.troubles()))).await;
}

/// Adds what the journal could not write to the message of a task's end.
fn with_troubles<T>(done: Result<(String, T)>, troubles: &[String]) -> Result<(String, T)> {
    if troubles.is_empty() {
        return done;
    }
    let troubles = troubles.join("; ");
    match done {
        Ok((told, made)) => Ok((format!("{troubles} (done: {told})"), made)),
        Err(error) => Err(Error { why: format!("{}; {troubles}", error.why), ..error }),
    }
}

fn crashed(what: &str) -> Error {
    Error::failed(what, "Wharf made a mistake here")
        .hint("run it again with WHARF_LOG=debug and report what the log says")
}
