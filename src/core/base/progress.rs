//! How far a running task is: what it reports, and where that is read.

use tokio::sync::watch;

/// The progress of a running task. Only the latest note is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// What it is doing, in a few words.
    pub phase: String,
    /// Bytes done so far.
    pub done: u64,
    /// Bytes in all, when known.
    pub total: Option<u64>,
    /// Bytes that did not have to be moved, because they were there already or mounted.
    pub spared: u64,
    /// Bytes that were moved once more, because a connection broke.
    pub again: u64,
    /// The id under which a transfer is kept, if it is one.
    pub transfer: Option<String>,
    /// How many of the parts, which are layers of an image, are there, and how many there are; 0 where it has none.
    pub parts: (usize, usize),
    /// The parts that are being moved.
    pub moving: Vec<Part>,
}

/// A part that is being moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is called: the beginning of its digest.
    pub name: String,
    /// Its bytes that were moved.
    pub done: u64,
    /// Its bytes in all.
    pub size: u64,
}

/// Where a task reports its progress.
#[derive(Debug, Clone)]
pub struct Progress(watch::Sender<Note>);

impl Progress {
    /// A progress and its reader.
    pub fn channel() -> (Self, watch::Receiver<Note>) {
        let (sender, receiver) = watch::channel(Note::default());
        (Self(sender), receiver)
    }

    /// A progress without a reader.
    pub fn silent() -> Self {
        Self::channel().0
    }

    /// Sets what is being done now.
    pub fn phase(&self, phase: impl Into<String>) {
        let phase = phase.into();
        self.0.send_modify(|note| note.phase = phase);
    }

    /// Sets the number of bytes to expect.
    pub fn total(&self, bytes: u64) {
        self.0.send_modify(|note| note.total = Some(bytes));
    }

    /// Sets the bytes done and to expect, for tasks that know absolute numbers.
    pub fn set(&self, done: u64, total: Option<u64>) {
        self.0.send_modify(|note| {
            note.done = done;
            note.total = total;
        });
    }

    /// Adds bytes that were moved.
    pub fn add(&self, bytes: u64) {
        self.0.send_modify(|note| note.done += bytes);
    }

    /// Sets the number of parts.
    pub fn parts(&self, count: usize) {
        self.0.send_modify(|note| note.parts = (0, count));
    }

    /// A part is at this byte.
    pub fn part(&self, name: &str, done: u64, size: u64) {
        self.0.send_modify(|note| match note.moving.iter_mut().find(|part| part.name == name) {
            Some(part) => part.done = done,
            None => note.moving.push(Part { name: name.to_owned(), done, size }),
        });
    }

    /// A part is there; or it is given up, and counts no more.
    pub fn part_ended(&self, name: &str, is_there: bool) {
        self.0.send_modify(|note| {
            note.moving.retain(|part| part.name != name);
            note.parts.0 += usize::from(is_there);
        });
    }

    /// Adds bytes that were moved once more.
    pub fn add_again(&self, bytes: u64) {
        self.0.send_modify(|note| note.again += bytes);
    }

    /// Sets the id under which the transfer is kept.
    pub fn kept_as(&self, id: &str) {
        self.0.send_modify(|note| note.transfer = Some(id.to_owned()));
    }

    /// Takes back bytes that seemed to be there and are moved after all.
    pub fn take_back(&self, bytes: u64) {
        self.0.send_modify(|note| {
            note.done = note.done.saturating_sub(bytes);
            note.spared = note.spared.saturating_sub(bytes);
        });
    }

    /// Shows this in place of what was reported before.
    pub fn show(&self, shown: Note) {
        self.0.send_replace(shown);
    }

    /// How far it is now.
    pub fn note(&self) -> Note {
        self.0.borrow().clone()
    }

    /// Adds bytes that did not have to be moved.
    pub fn add_saved_bytes(&self, bytes: u64) {
        self.0.send_modify(|note| {
            note.done += bytes;
            note.spared += bytes;
        });
    }
}
