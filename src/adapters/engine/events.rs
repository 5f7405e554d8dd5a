//! What an engine tells of its containers by itself (`GET /events`, Docker Engine API; Podman has the same).

use futures_util::{TryStreamExt, stream};
use serde::Deserialize;

use super::Engine;
use crate::shared::lines;
use wharf_core::{
    base::error::Result,
    ports::{ByteStream, Changes},
};

/// The events of containers: `{"type":["container"]}`, encoded as in a web address.
const PATH: &str = "/events?filters=%7B%22type%22%3A%5B%22container%22%5D%7D";
/// The most bytes of an event that are read. Labels make events long.
const LONGEST: usize = 64 << 10;

impl Engine {
    /// Tells when the list of containers may have changed.
    pub(super) async fn changes(&self) -> Result<Changes> {
        let what = format!("watch the containers of {}", self.name);
        let bytes = self.connection().await?.stream(PATH, &what).await?;
        Ok(Box::pin(stream::try_unfold(Events { bytes, line: Vec::new() }, Events::next)))
    }
}

/// The events of an engine, a line of JSON each.
struct Events {
    bytes: ByteStream,
    line: Vec<u8>,
}

impl Events {
    async fn next(mut self) -> Result<Option<((), Self)>> {
        while let Some(bytes) = self.bytes.try_next().await? {
            if take(&mut self.line, &bytes) {
                return Ok(Some(((), self)));
            }
        }
        Ok(None)
    }
}

/// Adds bytes to a line that has begun; whether a line that is complete now tells of a change.
fn take(line: &mut Vec<u8>, bytes: &[u8]) -> bool {
    let mut changed = false;
    lines::complete(line, bytes, LONGEST, |line| changed |= is_change(line));
    changed
}

/// Whether an event changes what a list shows. One that cannot be read may.
fn is_change(line: &[u8]) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Event {
        // Docker tells the same in both; Podman in one of them.
        #[serde(rename = "Action")]
        action: Option<String>,
        status: Option<String>,
    }
    // Commands in a container, terminals and copies of files change nothing of it.
    const OTHERS: [&str; 7] = ["attach", "detach", "resize", "top", "export", "archive-path", "extract-to-dir"];
    let Ok(event) = serde_json::from_slice::<Event>(line) else { return !line.trim_ascii().is_empty() };
    let action = event.action.or(event.status).unwrap_or_default();
    !action.starts_with("exec") && !OTHERS.contains(&action.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changes_a_list_is_told_however_the_bytes_arrive() {
        for (event, changes) in [
            (r#"{"Type":"container","Action":"start","Actor":{"ID":"3f2a"}}"#, true),
            (r#"{"Type":"container","Action":"die"}"#, true),
            (r#"{"Type":"container","Action":"health_status: healthy"}"#, true),
            (r#"{"Type":"container","Action":"exec_create: sh -c true"}"#, false),
            (r#"{"status":"exec_start: true","Type":"container","Action":"exec_start: true"}"#, false),
            (r#"{"status":"start","Type":"container","Action":"start"}"#, true),
            (r#"{"Type":"container","Action":"top"}"#, false),
            (r#"{"Type":"container","Action":7}"#, true),
            ("", false),
        ] {
            let mut line = Vec::new();
            let whole = format!("{event}\n");
            let told: Vec<bool> = whole.as_bytes().chunks(5).map(|bytes| take(&mut line, bytes)).collect();
            assert_eq!(told.contains(&true), changes, "{event}");
            assert_eq!(told.iter().position(|told| *told), changes.then_some(told.len() - 1), "{event}");
            assert!(line.is_empty());
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_kept() {
        let mut line = Vec::new();
        for _ in 0..1000 {
            take(&mut line, &[b'x'; 1000]);
            assert!(line.len() <= LONGEST);
        }
    }
}
