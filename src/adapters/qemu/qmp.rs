//! The few commands that a machine is given: QEMU's machine protocol, one JSON document a line
//! (QEMU `docs/interop/qmp-spec.rst`).

use std::{path::Path, time::Duration};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
};

use super::machine::QMP;
use crate::shared::socket;
use wharf_core::base::{
    clean,
    context::timed_out,
    error::{During, Error, Kind, Result},
};

/// How long an answer may take; another Wharf that asks at the same time is waited for within it.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most bytes of an answer: what runs in the machine can influence some.
const LONGEST: u64 = 1 << 20;

/// A message of QEMU, as far as it matters.
#[derive(Deserialize)]
struct Message {
    #[serde(rename = "return")]
    returned: Option<Value>,
    error: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    desc: String,
}

/// A connection to the machine of a launch.
pub(super) struct Connection {
    answers: BufReader<OwnedReadHalf>,
    commands: OwnedWriteHalf,
}

impl Connection {
    /// Connects to a socket of the machine whose launch is in `folder`. There is one connection at a time: another Wharf
    /// waits.
    ///
    /// # Errors
    /// `Unavailable` where the machine does not answer in time.
    pub(super) async fn open(folder: &Path, name: &str) -> Result<Self> {
        let what = "talk to the machine";
        let connected = tokio::time::timeout(PATIENCE, socket::connect(folder, name)).await;
        let stream = connected.map_err(|_| timed_out(what, PATIENCE))?;
        let stream = stream.map_err(|error| Error::new(Kind::Unavailable, what, error.to_string()))?;
        let (reader, commands) = stream.into_split();
        let mut connection = Self { answers: BufReader::new(reader), commands };
        connection.execute("qmp_capabilities", json!({})).await?;
        Ok(connection)
    }

    /// Gives a command, and waits for its answer.
    ///
    /// # Errors
    /// `Unavailable` where none comes in time; `Failed` where the machine refuses.
    pub(super) async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let what = format!("give the machine the command {command}");
        let line = json!({ "execute": command, "arguments": arguments }).to_string() + "\n";
        let told = async {
            self.commands.write_all(line.as_bytes()).await.during(&what)?;
            self.answer(&what).await
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap_or_else(|_| Err(timed_out(&what, PATIENCE)))
    }

    /// Waits for the answer to the last command; greetings and events are passed over.
    async fn answer(&mut self, what: &str) -> Result<Value> {
        loop {
            let mut line = Vec::new();
            let read = (&mut self.answers).take(LONGEST).read_until(b'\n', &mut line).await.during(what)?;
            if read == 0 || !line.ends_with(b"\n") {
                return Err(Error::new(Kind::Unavailable, what, "it closed the connection, or its answer has no end"));
            }
            let message: Message = serde_json::from_slice(&line).during(what)?;
            if let Some(refusal) = message.error {
                return Err(Error::failed(what, clean::short(&refusal.desc, 200)));
            }
            if let Some(returned) = message.returned {
                return Ok(returned);
            }
        }
    }
}

/// Presses the power button of the machine whose launch is in `folder`; the guest may ignore it.
///
/// # Errors
/// Those of [`Connection`].
pub(super) async fn press_power_button(folder: &Path) -> Result<()> {
    Connection::open(folder, QMP).await?.execute("system_powerdown", json!({})).await.map(|_| ())
}

/// Ends the machine at once, whatever it does.
///
/// # Errors
/// Those of [`Connection`].
pub(super) async fn quit(folder: &Path) -> Result<()> {
    Connection::open(folder, QMP).await?.execute("quit", json!({})).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    /// Answers each connection with these lines, and gives what was asked.
    async fn told(lines: &'static [u8]) -> Result<()> {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(QMP)).unwrap();
        let served = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.write_all(lines).await;
            let mut asked = vec![0; 1024];
            while stream.read(&mut asked).await.is_ok_and(|count| count > 0) {}
        };
        let answer = press_power_button(folder.path());
        tokio::select! {
            answer = answer => answer,
            () = served => panic!("it went away first"),
        }
    }

    #[tokio::test]
    async fn greetings_and_events_are_passed_over_and_a_refusal_is_told() {
        let good = b"{\"QMP\": {}}\n{\"return\": {}}\n{\"event\": \"POWERDOWN\"}\n{\"return\": {}}\n";
        told(good).await.unwrap();
        let refused =
            b"{\"QMP\": {}}\n{\"return\": {}}\n{\"error\": {\"class\": \"x\", \"desc\": \"not \\u001b[31mnow\"}}\n";
        let error = told(refused).await.unwrap_err();
        assert!(error.why.contains("now") && !error.why.contains('\u{1b}'), "{error}");
        assert!(told(b"{\"QMP\": {}}\nnonsense\n").await.is_err());
    }

    #[tokio::test]
    async fn an_answer_without_an_end_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(QMP)).unwrap();
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            while stream.write_all(&[b' '; 4096]).await.is_ok() {}
        });
        assert!(quit(folder.path()).await.is_err());
        served.await.unwrap();
    }
}
