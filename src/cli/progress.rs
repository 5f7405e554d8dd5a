//! Progress of long work, drawn on standard error while it runs.

use std::io::IsTerminal;

use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use wharf_core::base::{
    clean,
    context::{Context, Note, Progress},
    text,
};

use super::{ask, output::beside};

/// A context that shows progress on standard error if that is a terminal, and that ctrl-c, or the end of the session, cancels.
pub(crate) fn context() -> Context {
    let (progress, notes) = Progress::channel();
    if std::io::stderr().is_terminal() {
        tokio::spawn(draw(notes));
    }
    let cx = Context { progress, ..Context::default() }.asking(ask::asker());
    let cancel = cx.cancel.clone();
    tokio::spawn(async move {
        if ended().await.is_ok() {
            cancel.cancel();
        }
    });
    cx
}

/// Waits until the person presses ctrl-c, or somebody ends the program.
async fn ended() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => pressed,
        _ = terminate.recv() => Ok(()),
        _ = hangup.recv() => Ok(()),
    }
}

async fn draw(mut notes: watch::Receiver<Note>) {
    let started = std::time::Instant::now();
    let mut drawn = false;
    loop {
        // At most ten updates a second.
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        if notes.changed().await.is_err() {
            break;
        }
        let note = notes.borrow_and_update().clone();
        let words = progress_words(&note, started.elapsed().as_secs_f64());
        beside(&format!("\r\x1b[K{}", clean::line(&words)));
        drawn = true;
    }
    if drawn {
        beside("\r\x1b[K");
    }
}

/// Progress in words: `copying layers 12.0 MiB of 1.00 GiB, 300 MiB/s`.
pub(crate) fn progress_words(note: &Note, seconds: f64) -> String {
    match note.total {
        Some(total) if total > 0 => format!(
            "{} {} of {}, {}",
            note.phase,
            text::size(note.done),
            text::size(total),
            text::rate(note.done - note.spared.min(note.done), seconds)
        ),
        _ if note.done > 0 => format!("{} {}", note.phase, text::size(note.done)),
        _ => note.phase.clone(),
    }
}
