//! The console of a machine. What it writes goes into the log of its keeper; what is typed comes to the keeper by a socket,
//! from any number of terminals.

use std::{
    io::{PipeReader, PipeWriter, Read, Write},
    os::unix::net::UnixListener,
    path::Path,
    sync::Arc,
};

use tokio::{io::AsyncWriteExt, sync::mpsc};

use crate::{keeper::follow, shared::socket};
use wharf_core::{
    base::error::{During, Error, Kind, Result},
    launch::logs::LogRange,
    ports::Terminal,
};

/// The socket for what is typed.
const SOCKET: &str = "console.sock";
/// The most terminals at a time.
const TERMINALS: usize = 16;

/// Listens for what is typed, in the keeper of the launch in `folder`; gives the machine's end of it.
pub(super) fn typed(folder: &Path) -> Result<PipeReader> {
    let what = "open the console";
    let (reader, writer) = std::io::pipe().during(what)?;
    let listener = socket::listen(folder, SOCKET).during(what)?;
    std::thread::spawn(move || accept(&listener, &Arc::new(writer)));
    Ok(reader)
}

fn accept(listener: &UnixListener, writer: &Arc<PipeWriter>) {
    for terminal in listener.incoming() {
        let Ok(mut terminal) = terminal else { return };
        // Each terminal has the writer as long as it is there.
        if Arc::strong_count(writer) > TERMINALS {
            continue;
        }
        let writer = writer.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = terminal.read(&mut buffer) {
                if (&*writer).write_all(buffer.get(..count).unwrap_or_default()).is_err() {
                    return;
                }
            }
        });
    }
}

/// Connects to the console of the launch in `folder`, beginning with the last lines that fill a terminal of `rows` rows.
pub(super) async fn open(folder: &Path, rows: u16, is_ended: fn(&Path) -> bool) -> Result<Terminal> {
    let what = "open the console of the machine";
    let connected = socket::connect(folder, SOCKET).await;
    let mut keyboard = connected.map_err(|error| {
        Error::new(Kind::Unavailable, what, error.to_string()).hint("look at its output: it may have ended")
    })?;
    let wanted = LogRange { last: Some(usize::from(rows)), ..LogRange::following() };
    let output = follow::output(folder.to_owned(), what.to_owned(), wanted, is_ended);
    let (input, mut typed) = mpsc::channel::<bytes::Bytes>(64);
    tokio::spawn(async move {
        while let Some(bytes) = typed.recv().await {
            if keyboard.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
    // A serial line knows no size.
    let (resize, mut sizes) = mpsc::channel(4);
    tokio::spawn(async move { while sizes.recv().await.is_some() {} });
    Ok(Terminal { output, input, resize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_several_terminals_type_comes_to_the_machine() {
        let folder = tempfile::tempdir().unwrap();
        let mut machine = typed(folder.path()).unwrap();
        let mut seen = [0; 3];
        for (number, letter) in [b"a", b"b", b"c"].into_iter().enumerate() {
            let mut terminal = socket::connect(folder.path(), SOCKET).await.unwrap();
            terminal.write_all(letter).await.unwrap();
            machine.read_exact(&mut seen[number..=number]).unwrap();
        }
        assert_eq!(&seen, b"abc");
    }
}
