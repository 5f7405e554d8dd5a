//! FTP servers, by the program curl: it speaks FTP in all its kinds, and is on every login node.

use std::{path::Path, process::Stdio};

use futures_util::{StreamExt, stream};
use tokio::{io::AsyncReadExt, process::Command};
use tokio_util::io::ReaderStream;
use url::Url;

use super::opened::Opened;
use crate::shared::exec;
use wharf_core::base::{
    clean,
    context::Context,
    error::{During, Error, Kind, Result},
};

/// The most bytes of what curl says about a file.
const HEADERS: usize = 64 << 10;
/// The most bytes of its errors.
const ERRORS: u64 = 4 << 10;
/// The bytes that are read at once.
const BUFFER: usize = 64 << 10;

/// The words of a call, before those that say what to do: no settings of the person's, no other protocol.
const WORDS: [&str; 9] =
    ["--disable", "--silent", "--show-error", "--fail", "--globoff", "--proto", "=ftp,ftps", "--connect-timeout", "20"];

/// Opens a file from byte `from` on; `None` where there is none.
pub(super) async fn open(curl: &Path, cx: &Context, url: &Url, from: u64, what: &str) -> Result<Option<Opened>> {
    let program = curl.display().to_string();
    let asked: Vec<&str> = [program.as_str()].into_iter().chain(WORDS).chain(["--head", "--", url.as_str()]).collect();
    let said = cx.run(what, exec::run_in(&asked, Some(&exec::path_alone()), b"", HEADERS, cx.deadline)).await?;
    if is_missing(said.code) {
        return Ok(None);
    }
    if said.code != 0 {
        return Err(failed(what, said.code, &said.stderr));
    }
    let headers = String::from_utf8_lossy(&said.stdout).into_owned();
    let told = |name: &str| headers.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let total = told("Content-Length:").and_then(|length| length.parse().ok());
    let version = told("Last-Modified:").unwrap_or_default().to_owned();
    if total == Some(from) && from > 0 {
        return Ok(Some(Opened { bytes: Box::pin(stream::empty()), from, total, version }));
    }
    let offset = from.to_string();
    let mut child = Command::new(curl)
        .args(WORDS)
        .args(["--continue-at", &offset, "--output", "-", "--", url.as_str()])
        .env_clear()
        .envs(exec::path_alone().iter().filter_map(|pair| pair.split_once('=')))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .during(what)?;
    let output = child.stdout.take().ok_or_else(|| Error::failed(what, "curl has no output"))?;
    let task = what.to_owned();
    let read = ReaderStream::with_capacity(output, BUFFER).map({
        let task = task.clone();
        move |part| part.map_err(|error| Error::failed(&task, error))
    });
    // How it ended is known when all of its output has come.
    let end = stream::once(async move {
        let mut errors = Vec::new();
        if let Some(pipe) = child.stderr.take() {
            let _ = pipe.take(ERRORS).read_to_end(&mut errors).await;
        }
        let status = child.wait().await.during(&task)?;
        match status.code() {
            Some(0) => Ok(None),
            code => Err(failed(&task, code.unwrap_or(-1), &String::from_utf8_lossy(&errors))),
        }
    });
    let end = end.filter_map(|end: Result<Option<bytes::Bytes>>| std::future::ready(end.transpose()));
    Ok(Some(Opened { bytes: Box::pin(read.chain(end)), from, total, version }))
}

/// Whether curl says that there is no such file (curl(1), "EXIT CODES": 9, 19 and 78).
fn is_missing(code: i32) -> bool {
    matches!(code, 9 | 19 | 78)
}

/// What curl says, as an error.
fn failed(what: &str, code: i32, said: &str) -> Error {
    let said = said.trim();
    let why = said.strip_prefix("curl: ").unwrap_or(said);
    let why = if why.is_empty() { format!("curl ended with {code}") } else { clean::short(why, 200) };
    match code {
        67 => Error::new(Kind::NotAllowed, what, format!("the server wants an account ({why})"))
            .hint("what needs an account is downloaded by hand"),
        31 | 36 => Error::unsupported(what, "the server cannot go on in the middle of a file"),
        // A name, a connection, an answer or a transfer that broke off.
        5..=8 | 12 | 13 | 18 | 28 | 52 | 55 | 56 => Error::new(Kind::Unavailable, what, why).hint("try again"),
        _ => Error::failed(what, why),
    }
}
