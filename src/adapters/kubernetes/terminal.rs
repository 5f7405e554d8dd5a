//! Terminals and commands in pods, by the library's WebSocket.

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api,
    api::{AttachParams, AttachedProcess, TerminalSize},
};
use tokio::{io::AsyncWriteExt, sync::mpsc};
use tokio_util::io::ReaderStream;

use super::{
    cluster::{Cluster, Refused},
    find::Found,
    objects::Container,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
    },
    ports::{ByteStream, Terminal},
};

/// The most bytes of output that are kept of a command without a terminal.
const OUTPUT_LIMIT: u64 = 16 << 20;
/// The bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// The pod of a workload, its container, and the library's way to it.
async fn way(cluster: &Cluster, found: &Found, what: &str) -> Result<(Api<Pod>, String, String)> {
    let Some(pod) = found.pod.as_ref().filter(|_| found.state().is_live()) else {
        return Err(Error::unsupported(what, "it does not run").hint("read its output instead"));
    };
    let place = cluster.place(what).await?;
    let api = Api::namespaced(place.client.clone(), &place.namespace);
    let main = pod.spec.containers.as_deref().and_then(<[Container]>::first).map(|one| one.name.clone());
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
        other => {
            Error::new(Kind::Unavailable, what, clean::short(&crate::shared::http::causes(&other).join(": "), 300))
        }
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
    let (api, pod, container) = way(cluster, found, what).await?;
    let has_terminal = found.pod.as_ref().is_some_and(|pod| {
        pod.spec.containers.iter().flatten().any(|one| one.name == container && one.tty == Some(true))
    });
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

/// The library's process as a terminal. When it ends, the reason of a failure is told.
fn joined(mut process: AttachedProcess, size: (u16, u16), what: &str) -> Result<Terminal> {
    let closed = || Error::failed(what, "the cluster gave no terminal");
    let mut input = process.stdin().ok_or_else(closed)?;
    let output = process.stdout().ok_or_else(closed)?;
    let mut sizes = process.terminal_size().ok_or_else(closed)?;
    let status = process.take_status();
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
    let (named, task) = (what.to_owned(), what.to_owned());
    let end = async move {
        // The connection lives as long as this is kept.
        let _kept = process;
        let status = status?.await?;
        let message = status
            .message
            .filter(|_| exit_code(&status.details).is_none() && status.status.as_deref() != Some("Success"))?;
        Some(Err(Error::failed(task, clean::short(&message, 300))))
    };
    let output = ReaderStream::with_capacity(output, BUFFER).map_err(move |error| Error::failed(&named, error));
    let end = stream::once(end).filter_map(std::future::ready);
    let output: ByteStream = Box::pin(output.chain(end));
    Ok(Terminal { output, input: typed, resize })
}

/// The exit code of a command (`metav1.Status`: a cause with the reason `ExitCode`).
fn exit_code(details: &Option<k8s_openapi::apimachinery::pkg::apis::meta::v1::StatusDetails>) -> Option<i64> {
    let causes = details.as_ref()?.causes.iter().flatten();
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
    let (api, pod, container) = way(cluster, found, what).await?;
    let parameters = parameters(container).stdin(false).stdout(true).stderr(true).tty(false);
    let begun = async { api.exec(&pod, command, &parameters).await.map_err(|error| failed(what, error)) };
    let mut process = cx.run(what, begun).await?;
    let (output, errors, status) = (process.stdout(), process.stderr(), process.take_status());
    let status = cx
        .unless_cancelled(what, async {
            let (sender, mut received) = mpsc::channel::<Bytes>(16);
            let read = |from: Option<tokio::io::ReadHalf<tokio::io::SimplexStream>>, to: mpsc::Sender<Bytes>| async move {
                let mut parts = from.map(|from| ReaderStream::with_capacity(from, BUFFER));
                while let Some(Some(Ok(bytes))) = match &mut parts {
                    Some(parts) => Some(parts.next().await),
                    None => None,
                } {
                    if to.send(bytes).await.is_err() {
                        break;
                    }
                }
            };
            let collect = async {
                let mut all = Vec::new();
                while let Some(bytes) = received.recv().await {
                    if (all.len() as u64) < OUTPUT_LIMIT {
                        all.extend_from_slice(&bytes);
                    }
                }
                all
            };
            let (_, _, all) = tokio::join!(read(output, sender.clone()), read(errors, sender), collect);
            let status = match status {
                Some(status) => status.await,
                None => None,
            };
            Ok((all, status))
        })
        .await?;
    let (all, status) = status;
    let Some(status) = status else {
        return Err(Error::new(Kind::Unavailable, what, "the connection ended before the command did"));
    };
    if status.status.as_deref() == Some("Success") {
        return Ok((all, 0));
    }
    match exit_code(&status.details) {
        Some(code) => Ok((all, code)),
        None => Err(Error::failed(what, clean::short(&status.message.unwrap_or_default(), 300))),
    }
}
