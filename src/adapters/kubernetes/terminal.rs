//! Terminals and commands in pods, by the library's WebSocket.

use std::{pin::Pin, time::Duration};

use bytes::Bytes;
use futures_util::{SinkExt, Stream, StreamExt, stream};
use k8s_openapi::{
    api::core::v1::Pod,
    apimachinery::pkg::apis::meta::v1::{Status, StatusDetails},
};
use kube::{
    Api,
    api::{AttachParams, AttachedProcess, TerminalSize},
};
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_util::io::ReaderStream;

use super::{
    cluster::{Cluster, Refused, no_answer},
    find::Found,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    ports::Terminal,
};

/// The most bytes of output that are kept of a command without a terminal.
const OUTPUT_LIMIT: u64 = 16 << 20;
/// How long what was written before an end may take to come.
const REST: Duration = Duration::from_millis(500);
/// The bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// The pod of a workload, its container, and the library's way to it.
async fn way(cluster: &Cluster, cx: &Context, found: &Found, what: &str) -> Result<(Api<Pod>, String, String)> {
    let Some(pod) = found.pod().filter(|_| found.state().is_live()) else {
        return Err(Error::unsupported(what, "it does not run").hint("read its output instead"));
    };
    let place = cluster.place(cx, what).await?;
    let api = Api::namespaced(place.client.clone(), &place.namespace);
    let main = pod.main().map(|one| one.name.clone());
    Ok((api, pod.metadata.name.clone(), main.unwrap_or_default()))
}

fn parameters(container: String) -> AttachParams {
    AttachParams::default()
        .container(container)
        .max_stdin_buf_size(BUFFER)
        .max_stdout_buf_size(BUFFER)
        .max_stderr_buf_size(BUFFER)
}

/// An error of the library as one of Wharf.
fn failed(what: &str, error: kube::Error) -> Error {
    match error {
        kube::Error::Api(status) => {
            Refused { code: status.code, message: clean::short(&status.message, 400) }.error(what)
        }
        other => no_answer(what, "the cluster", &other),
    }
}

/// A terminal in a workload: of a new program, or of its own one where no command is given.
pub(super) async fn open(
    cluster: &Cluster,
    cx: &Context,
    found: &Found,
    command: Option<Vec<String>>,
    size: (u16, u16),
    what: &str,
) -> Result<Terminal> {
    let (api, pod, container) = way(cluster, cx, found, what).await?;
    let has_terminal = found.pod().and_then(|pod| pod.main()).is_some_and(|main| main.tty == Some(true));
    if command.is_none() && !has_terminal {
        return Err(Error::unsupported(what, "it was launched without a terminal")
            .hint("open a shell in it, or launch it with as=pod"));
    }
    let parameters = parameters(container).stdin(true).stdout(true).stderr(false).tty(true);
    let process = cx
        .run(what, async {
            match command {
                Some(command) => api.exec(&pod, command, &parameters).await,
                None => api.attach(&pod, &parameters).await,
            }
            .map_err(|error| failed(what, error))
        })
        .await?;
    joined(process, size, what)
}

/// What a program writes, and how it ended. The library closes the output only where all went well: after a broken connection
/// nobody would hear of it, so that its end is heard of here.
struct Session {
    output: Pin<Box<dyn Stream<Item = std::io::Result<Bytes>> + Send>>,
    status: Pin<Box<dyn Future<Output = Option<Status>> + Send>>,
    what: String,
    /// The connection lives as long as this is kept.
    _process: AttachedProcess,
}

/// A part of what a program writes, or how it ended.
enum Part {
    Bytes(Bytes),
    End(Option<Status>),
}

impl Session {
    /// The next part; after an end, only what has come by then.
    async fn part(&mut self) -> Result<Part> {
        tokio::select! {
            biased;
            part = self.output.next() => match part {
                Some(bytes) => bytes.map(Part::Bytes).during(&self.what),
                None => Ok(Part::End(self.status.as_mut().await)),
            },
            status = self.status.as_mut() => Ok(Part::End(status)),
        }
    }

    /// What has come, and is not read yet, when it has ended.
    async fn rest(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        while let Ok(Some(Ok(bytes))) = tokio::time::timeout(REST, self.output.next()).await {
            all.extend_from_slice(&bytes);
            if all.len() as u64 > OUTPUT_LIMIT {
                break;
            }
        }
        all
    }

    /// The error of an end that is none of the program's own.
    fn failure(&self, status: Option<Status>) -> Option<Error> {
        let broke = || Error::new(Kind::Unavailable, &self.what, "the connection broke").hint("try again");
        let Some(status) = status else { return Some(broke()) };
        if status.status.as_deref() == Some("Success") || exit_code(status.details.as_ref()).is_some() {
            return None;
        }
        Some(Error::failed(&self.what, clean::short(&status.message.unwrap_or_default(), 300)))
    }

    async fn next(session: Option<Self>) -> Result<Option<(Bytes, Option<Self>)>> {
        let Some(mut session) = session else { return Ok(None) };
        match session.part().await? {
            Part::Bytes(bytes) => Ok(Some((bytes, Some(session)))),
            Part::End(status) => {
                let rest = session.rest().await;
                match session.failure(status) {
                    Some(error) if rest.is_empty() => Err(error),
                    // What was written is worth more than how it ended.
                    _ if !rest.is_empty() => Ok(Some((rest.into(), None))),
                    _ => Ok(None),
                }
            }
        }
    }
}

/// The library's process as a terminal. When it ends, the reason of a failure is told.
fn joined(mut process: AttachedProcess, size: (u16, u16), what: &str) -> Result<Terminal> {
    let closed = || Error::failed(what, "the cluster gave no terminal");
    let mut input = process.stdin().ok_or_else(closed)?;
    let output = process.stdout().ok_or_else(closed)?;
    let mut sizes = process.terminal_size().ok_or_else(closed)?;
    let status = status_of(&mut process);
    let (typed, mut keys) = mpsc::channel::<Bytes>(64);
    tokio::spawn(async move {
        while let Some(bytes) = keys.recv().await {
            if input.write_all(&bytes).await.is_err() || input.flush().await.is_err() {
                break;
            }
        }
    });
    let (resize, mut wanted) = mpsc::channel::<(u16, u16)>(4);
    tokio::spawn(async move {
        while let Some((width, height)) = wanted.recv().await {
            if sizes.send(TerminalSize { height, width }).await.is_err() {
                break;
            }
        }
    });
    let _ = resize.try_send(size);
    let session = Session {
        output: Box::pin(ReaderStream::with_capacity(output, BUFFER)),
        status,
        what: what.to_owned(),
        _process: process,
    };
    let output = stream::try_unfold(Some(session), Session::next);
    Ok(Terminal { output: Box::pin(output), input: typed, resize })
}

/// The exit code of a command (`metav1.Status`: a cause with the reason `ExitCode`).
fn exit_code(details: Option<&StatusDetails>) -> Option<i64> {
    let causes = details?.causes.iter().flatten();
    let code =
        causes.filter(|cause| cause.reason.as_deref() == Some("ExitCode")).find_map(|cause| cause.message.as_deref());
    code?.parse().ok()
}

/// Runs a command in a workload without a terminal, and waits for its end.
pub(super) async fn run(
    cluster: &Cluster,
    cx: &Context,
    found: &Found,
    command: Vec<String>,
    what: &str,
) -> Result<(Vec<u8>, i64)> {
    let (api, pod, container) = way(cluster, cx, found, what).await?;
    let parameters = parameters(container).stdin(false).stdout(true).stderr(true).tty(false);
    let begun = async { api.exec(&pod, command, &parameters).await.map_err(|error| failed(what, error)) };
    let mut process = cx.run(what, begun).await?;
    let status = status_of(&mut process);
    let parts = [process.stdout(), process.stderr()].into_iter().flatten();
    let parts = parts.map(|part| ReaderStream::with_capacity(part, BUFFER).boxed());
    let output = Box::pin(stream::select_all(parts));
    let mut session = Session { output, status, what: what.to_owned(), _process: process };
    cx.unless_cancelled(what, async {
        let mut all = Vec::new();
        let status = loop {
            match session.part().await? {
                Part::Bytes(bytes) if (all.len() as u64) < OUTPUT_LIMIT => all.extend_from_slice(&bytes),
                Part::Bytes(_) => {}
                Part::End(status) => break status,
            }
        };
        all.extend_from_slice(&session.rest().await);
        let code = status.as_ref().and_then(|status| exit_code(status.details.as_ref()));
        match session.failure(status) {
            Some(error) => Err(error),
            None => Ok((all, code.unwrap_or(0))),
        }
    })
    .await
}

/// How a process will have ended; `None` where the connection is lost before.
fn status_of(process: &mut AttachedProcess) -> Pin<Box<dyn Future<Output = Option<Status>> + Send>> {
    match process.take_status() {
        Some(status) => Box::pin(status),
        None => Box::pin(std::future::ready(None)),
    }
}
