//! Terminals in containers: attach and exec. Attach sends no body, which Podman would give to the program as input.

use std::pin::Pin;

use bollard::{
    Docker,
    container::LogOutput,
    exec::{CreateExecOptions, ResizeExecOptions, StartExecOptions, StartExecResults},
    query_parameters::{AttachContainerOptionsBuilder, InspectContainerOptions, ResizeContainerTTYOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    sync::mpsc,
};

use super::Engine;
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
    },
    ports::{ByteStream, Terminal},
};

type Output = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;
type Input = Pin<Box<dyn AsyncWrite + Send>>;

/// Most bytes of output that are kept of a command without a terminal.
const OUTPUT_LIMIT: usize = 16 << 20;

/// Attaches to the terminal of a container, which must have been launched with one.
pub(super) async fn attach(
    engine: &Engine,
    docker: Docker,
    id: &str,
    size: (u16, u16),
    what: &str,
) -> Result<Terminal> {
    let inspected = docker
        .inspect_container(id, None::<InspectContainerOptions>)
        .await
        .map_err(|error| engine.library_error(what, &error))?;
    if inspected.config.and_then(|config| config.tty) != Some(true) {
        return Err(Error::unsupported(what, "it was launched without a terminal")
            .hint("open a shell in it instead, or follow its logs"));
    }
    let options =
        AttachContainerOptionsBuilder::default().stdin(true).stdout(true).stderr(true).stream(true).logs(true).build();
    let attached =
        docker.attach_container(id, Some(options)).await.map_err(|error| engine.library_error(what, &error))?;
    let (resize, mut sizes) = mpsc::channel::<(u16, u16)>(4);
    let id = id.to_owned();
    tokio::spawn(async move {
        while let Some((columns, rows)) = sizes.recv().await {
            let options = ResizeContainerTTYOptionsBuilder::default().w(i32::from(columns)).h(i32::from(rows)).build();
            let _ = docker.resize_container_tty(&id, options).await;
        }
    });
    let _ = resize.try_send(size);
    Ok(join(attached.output, attached.input, resize, what))
}

/// Runs a command in a container with a terminal of its own.
pub(super) async fn exec(
    engine: &Engine,
    docker: Docker,
    id: &str,
    command: Vec<String>,
    size: (u16, u16),
    what: &str,
) -> Result<Terminal> {
    let options = CreateExecOptions {
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        env: Some(vec!["TERM=xterm-256color".to_owned()]),
        cmd: Some(command),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(id, options).await.map_err(|error| engine.library_error(what, &error))?;
    let start = StartExecOptions { detach: false, tty: true, output_capacity: None };
    let StartExecResults::Attached { output, input } =
        docker.start_exec(&created.id, Some(start)).await.map_err(|error| engine.library_error(what, &error))?
    else {
        return Err(Error::failed(what, "the engine did not attach"));
    };
    let (resize, mut sizes) = mpsc::channel::<(u16, u16)>(4);
    tokio::spawn(async move {
        while let Some((width, height)) = sizes.recv().await {
            let _ = docker.resize_exec(&created.id, ResizeExecOptions { width, height }).await;
        }
    });
    let _ = resize.try_send(size);
    Ok(join(output, input, resize, what))
}

/// Runs a command in a container without a terminal, and waits for its end.
pub(super) async fn run(
    engine: &Engine,
    docker: Docker,
    id: &str,
    command: Vec<String>,
    what: &str,
) -> Result<(Vec<u8>, i64)> {
    let options = CreateExecOptions {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(command),
        ..CreateExecOptions::default()
    };
    let created = docker.create_exec(id, options).await.map_err(|error| engine.library_error(what, &error))?;
    let mut collected = Vec::new();
    if let StartExecResults::Attached { mut output, .. } = docker
        .start_exec(&created.id, None::<StartExecOptions>)
        .await
        .map_err(|error| engine.library_error(what, &error))?
    {
        while let Some(chunk) = output.next().await {
            let chunk = chunk.map_err(|error| engine.library_error(what, &error))?.into_bytes();
            if collected.len() < OUTPUT_LIMIT {
                collected.extend_from_slice(&chunk);
            }
        }
    }
    let inspected = docker.inspect_exec(&created.id).await.map_err(|error| engine.library_error(what, &error))?;
    Ok((collected, inspected.exit_code.unwrap_or(-1)))
}

fn join(output: Output, mut input: Input, resize: mpsc::Sender<(u16, u16)>, what: &str) -> Terminal {
    let (typed, mut keys) = mpsc::channel::<Bytes>(64);
    tokio::spawn(async move {
        while let Some(bytes) = keys.recv().await {
            if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
                break;
            }
        }
    });
    let what = what.to_owned();
    let output: ByteStream = Box::pin(
        output
            .map_ok(LogOutput::into_bytes)
            .map_err(move |error| Error::failed(&what, clean::short(&error.to_string(), 200))),
    );
    Terminal { output, input: typed, resize }
}
