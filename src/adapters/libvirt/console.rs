//! The console of a machine: what it has written, and a terminal at its socket.

use std::path::Path;

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_util::io::ReaderStream;

use super::folder::{self, CONSOLE};
use crate::{keeper::follow, shared::socket};
use wharf_core::{
    base::error::{Error, Kind, Result},
    launch::logs::LogRange,
    ports::Terminal,
};

/// Connects to the console of the launch in `folder`, beginning with the last lines that fill a terminal of `rows` rows.
/// QEMU talks to one at a time: a second one waits until the first has left.
pub(super) async fn open(folder: &Path, rows: u16) -> Result<Terminal> {
    let what = "open the console of the machine";
    let connected = socket::connect(folder, CONSOLE).await;
    let stream = connected.map_err(|error| {
        Error::new(Kind::Unavailable, what, error.to_string()).hint("look at its output: it may have ended")
    })?;
    let wanted = LogRange { last: Some(usize::from(rows)), ..LogRange::default() };
    let before = follow::output(folder.to_owned(), what.to_owned(), wanted, folder::is_over);
    let (read, mut write) = stream.into_split();
    let (input, mut keys) = mpsc::channel::<Bytes>(64);
    tokio::spawn(async move {
        while let Some(bytes) = keys.recv().await {
            if write.write_all(&bytes).await.is_err() {
                break;
            }
        }
    });
    // A serial line has no size.
    let (resize, mut sizes) = mpsc::channel(4);
    tokio::spawn(async move { while sizes.recv().await.is_some() {} });
    let now = ReaderStream::new(read).map(move |part| part.map_err(|error| Error::failed(what, error)));
    Ok(Terminal { output: Box::pin(before.chain(now)), input, resize })
}
