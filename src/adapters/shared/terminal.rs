//! A program of this machine in a terminal of its own, as one that a person can be connected to.

use bytes::Bytes;
use futures_util::stream;
use portable_pty::{CommandBuilder, PtySize, native_pty_system};
use tokio::sync::mpsc;

use wharf_core::{
    base::error::{During, Result},
    ports::Terminal,
};

/// Starts `argv` with only this environment, as `NAME=value`, in a new terminal of `size` columns and rows. The program
/// ends when nobody reads its output any more.
///
/// # Errors
/// Where there is no terminal to be had, or the program cannot be started.
pub fn open(what: &str, argv: &[String], environment: &[String], size: (u16, u16)) -> Result<Terminal> {
    let pair = native_pty_system()
        .openpty(PtySize { rows: size.1, cols: size.0, pixel_width: 0, pixel_height: 0 })
        .during(what)?;
    let mut builder = CommandBuilder::from_argv(argv.iter().map(Into::into).collect());
    builder.env_clear();
    for (name, value) in environment.iter().filter_map(|pair| pair.split_once('=')) {
        builder.env(name, value);
    }
    let mut child = pair.slave.spawn_command(builder).during(what)?;
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().during(what)?;
    let mut writer = pair.master.take_writer().during(what)?;
    let (output, shown) = mpsc::channel::<Result<Bytes>>(64);
    tokio::task::spawn_blocking(move || {
        let mut buffer = vec![0; 16 << 10];
        while let Ok(count) = std::io::Read::read(&mut reader, &mut buffer) {
            if count == 0 || output.blocking_send(Ok(Bytes::copy_from_slice(&buffer[..count]))).is_err() {
                break;
            }
        }
        let _ = child.kill();
        let _ = child.wait();
    });
    let (input, mut typed) = mpsc::channel::<Bytes>(64);
    let (resize, mut sizes) = mpsc::channel::<(u16, u16)>(4);
    let master = pair.master;
    tokio::task::spawn_blocking(move || {
        while let Some(bytes) = typed.blocking_recv() {
            let written = std::io::Write::write_all(&mut writer, &bytes);
            if written.and_then(|()| std::io::Write::flush(&mut writer)).is_err() {
                break;
            }
        }
    });
    tokio::spawn(async move {
        while let Some((cols, rows)) = sizes.recv().await {
            let _ = master.resize(PtySize { rows, cols, pixel_width: 0, pixel_height: 0 });
        }
    });
    let output = stream::unfold(shown, |mut shown| async move { shown.recv().await.map(|chunk| (chunk, shown)) });
    Ok(Terminal { output: Box::pin(output), input, resize })
}
