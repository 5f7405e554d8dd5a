//! What a cluster tells of its jobs and pods by itself (`watch`, Kubernetes API concepts: "Efficient detection of changes").

use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Deserialize;

use super::{
    cluster::{Cluster, JSON},
    kind::Kind,
    list,
    objects::Page,
};
use crate::shared::{http::encoded, lines};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind as Failure, Result},
    },
    ports::{ByteStream, Changes},
};

/// Only the metadata of what has changed: a pod is some kilobytes.
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
/// The most bytes of an event.
const LONGEST: usize = 1 << 20;
/// Seconds after which the server ends a watch by itself.
const LASTS: u32 = 1800;

/// Tells when the jobs or pods of the namespace may have changed. It ends when the server does not know any more what was
/// seen last (410); whoever wants to know on asks for a new one.
pub(super) async fn changes(cluster: &Cluster, cx: &Context) -> Result<Changes> {
    let what = format!("watch the workloads of {}", cluster.name);
    let jobs = begin(cluster, cx, Kind::Job, &what).await?;
    let pods = begin(cluster, cx, Kind::Pod, &what).await?;
    let told = |bytes: ByteStream| {
        let events = Events { bytes, line: Vec::new(), what: what.clone() };
        // When one of the two has ended, nothing would tell of its changes.
        stream::try_unfold(events, Events::next).map(Some).chain(stream::iter([None]))
    };
    let both = stream::select(Box::pin(told(jobs)), Box::pin(told(pods)));
    Ok(both.take_while(|one| std::future::ready(one.is_some())).filter_map(std::future::ready).boxed())
}

/// Begins to watch from now on.
async fn begin(cluster: &Cluster, cx: &Context, kind: Kind, what: &str) -> Result<ByteStream> {
    let path = kind.path(&cluster.place(cx, what).await?.namespace);
    let now = list::page::<serde::de::IgnoredAny>(cluster, cx, &path, "limit=1", what).await?;
    let now: Page<_> = now.map_err(|refused| refused.error(what))?;
    let version = encoded(&now.metadata.resource_version.unwrap_or_default());
    let path = format!("{path}?watch=true&resourceVersion={version}&timeoutSeconds={LASTS}");
    let accept = format!("{METADATA}, {JSON};q=0.5");
    cluster.stream(cx, &path, &accept, what).await?.map_err(|refused| refused.error(what))
}

/// The events of a watch, a line of JSON each.
struct Events {
    bytes: ByteStream,
    line: Vec<u8>,
    what: String,
}

/// What a line of a watch says.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Change,
    /// What was seen last is too old.
    Over,
    Refused(String),
}

impl Events {
    async fn next(mut self) -> Result<Option<((), Self)>> {
        while let Some(bytes) = self.bytes.try_next().await? {
            match take(&mut self.line, &bytes) {
                None => {}
                Some(Told::Change) => return Ok(Some(((), self))),
                Some(Told::Over) => return Ok(None),
                Some(Told::Refused(why)) => return Err(Error::new(Failure::Unavailable, &self.what, why)),
            }
        }
        Ok(None)
    }
}

/// Adds bytes to a line that has begun; what the lines that are complete now say.
fn take(line: &mut Vec<u8>, bytes: &[u8]) -> Option<Told> {
    let mut told = None;
    lines::complete(line, bytes, LONGEST, |line| match read(line) {
        Some(Told::Change) => told = told.take().or(Some(Told::Change)),
        Some(end) => told = Some(end),
        None => {}
    });
    told
}

fn read(line: &[u8]) -> Option<Told> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Event {
        #[serde(rename = "type")]
        kind: String,
        object: Object,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Object {
        code: Option<u16>,
        message: Option<String>,
    }
    if line.trim_ascii().is_empty() {
        return None;
    }
    match serde_json::from_slice::<Event>(line) {
        Ok(event) => match event.kind.as_str() {
            "BOOKMARK" => None,
            "ERROR" if event.object.code == Some(410) => Some(Told::Over),
            "ERROR" => Some(Told::Refused(clean::short(&event.object.message.unwrap_or_default(), 200))),
            _ => Some(Told::Change),
        },
        // What cannot be read may be a change.
        Err(_) => Some(Told::Change),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_however_their_bytes_arrive() {
        for (event, wanted) in [
            (r#"{"type":"ADDED","object":{"kind":"PartialObjectMetadata"}}"#, Some(Told::Change)),
            (r#"{"type":"DELETED","object":{}}"#, Some(Told::Change)),
            (r#"{"type":"BOOKMARK","object":{"metadata":{"resourceVersion":"12"}}}"#, None),
            (r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#, Some(Told::Over)),
            (
                r#"{"type":"ERROR","object":{"code":500,"message":"etcd is gone"}}"#,
                Some(Told::Refused("etcd is gone".into())),
            ),
            ("nonsense", Some(Told::Change)),
            ("", None),
        ] {
            let (mut line, mut told) = (Vec::new(), None);
            for bytes in format!("{event}\n").as_bytes().chunks(7) {
                told = told.or(take(&mut line, bytes));
            }
            assert_eq!(told, wanted, "{event}");
            assert!(line.is_empty());
        }
    }

    #[test]
    fn an_event_without_an_end_is_not_kept() {
        let mut line = Vec::new();
        for _ in 0..2000 {
            take(&mut line, &[b'x'; 1000]);
            assert!(line.len() <= LONGEST + 1000);
        }
    }
}
