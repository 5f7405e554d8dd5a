//! The output of pods.

use std::{sync::Arc, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream};

use super::{
    cluster::{Cluster, JSON, Refused},
    find::{self, Found},
    kind::Kind,
};
use crate::shared::http::encoded;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    launch::logs::LogRange,
    ports::ByteStream,
};

/// How many of the last lines are given, unless a time or a number is asked for.
const MOST_LINES: usize = 5000;
/// The pause between two looks at a pod that has not started.
const LOOK: Duration = Duration::from_millis(500);

/// The output of a workload. Where more is wanted as it is written, a pod that has not started is waited for.
pub(super) async fn read(cluster: Arc<Cluster>, cx: &Context, id: &str, wanted: LogRange) -> Result<ByteStream> {
    let what = format!("read the logs of {id}");
    let found = find::find(&cluster, cx, id, &what).await?;
    if found.kind() == Kind::Machine {
        return Err(console(&cluster, cx, id, &what).await);
    }
    if let Some(bytes) = open(&cluster, cx, &found, wanted, &what).await? {
        return Ok(bytes);
    }
    if !wanted.follow {
        return Ok(Box::pin(stream::empty()));
    }
    let (cx, id) = (cx.clone(), id.to_owned());
    let later = async move {
        loop {
            tokio::time::sleep(LOOK).await;
            let found = find::find(&cluster, &cx, &id, &what).await?;
            if let Some(bytes) = open(&cluster, &cx, &found, wanted, &what).await? {
                return Ok(bytes);
            }
            if found.state().has_ended() {
                return Ok(Box::pin(stream::empty()) as ByteStream);
            }
        }
    };
    Ok(stream::once(later).try_flatten().boxed())
}

/// The output of the pod that runs a workload; `None` while there is none to read.
async fn open(
    cluster: &Cluster,
    cx: &Context,
    found: &Found,
    wanted: LogRange,
    what: &str,
) -> Result<Option<ByteStream>> {
    let Some(pod) = found.pod() else { return Ok(None) };
    let namespace = &cluster.place(cx, what).await?.namespace;
    let main = pod.main().map_or("", |one| one.name.as_str());
    let path = format!(
        "{}/{}/log?container={}{}",
        Kind::Pod.path(namespace),
        pod.metadata.name,
        encoded(main),
        range(wanted, text::now())
    );
    match cluster.stream(cx, &path, &format!("{JSON}, */*"), what).await? {
        Ok(bytes) => Ok(Some(bytes)),
        Err(refused) if has_not_started(&refused) => Ok(None),
        Err(refused) => Err(refused.error(what)),
    }
}

/// Whether there is no output because nothing was started yet: a kubelet says so in words alone.
fn has_not_started(refused: &Refused) -> bool {
    let says = |words: &str| refused.message.contains(words);
    refused.code == 400
        && (says("waiting to start") || says("is not available") || says("does not have a host assigned"))
        || refused.code == 404 && says("not found")
}

/// The part of the output, as a query.
fn range(wanted: LogRange, now: i64) -> String {
    let mut query = String::new();
    if wanted.follow {
        query.push_str("&follow=true");
    }
    if wanted.times {
        query.push_str("&timestamps=true");
    }
    match (wanted.since, wanted.last) {
        (Some(since), _) => query.push_str(&format!("&sinceSeconds={}", (now - since).max(1))),
        (None, last) => query.push_str(&format!("&tailLines={}", last.unwrap_or(MOST_LINES))),
    }
    query
}

/// The error that a machine's console is read by another program.
pub(super) async fn console(cluster: &Cluster, cx: &Context, id: &str, what: &str) -> Error {
    let name = id.rsplit('/').next().unwrap_or(id);
    let line = match cluster.place(cx, what).await {
        Ok(place) => format!("virtctl --context {} -n {} console {name}", place.context, place.namespace),
        Err(_) => format!("virtctl console {name}"),
    };
    Error::unsupported(what, "the console of a machine is KubeVirt's own").hint(format!("run '{line}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_in_the_apis_words() {
        assert_eq!(range(LogRange::default(), 100), "&tailLines=5000");
        assert_eq!(range(LogRange::following(), 100), "&follow=true&tailLines=5000");
        let since = LogRange { since: Some(40), times: true, last: Some(3), ..LogRange::default() };
        assert_eq!(range(since, 100), "&timestamps=true&sinceSeconds=60");
        assert_eq!(range(LogRange { since: Some(400), ..LogRange::default() }, 100), "&sinceSeconds=1");
        assert_eq!(range(LogRange { last: Some(3), ..LogRange::default() }, 100), "&tailLines=3");
    }
}
