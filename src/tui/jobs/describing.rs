//! Reading what is shown of a workload beside its list: the verdict on its image, and the last lines of its output.

use std::time::Duration;

use bytes::Bytes;
use futures_util::TryStreamExt;
use tokio::time::{Instant, timeout_at};

use super::{effects::REST, post::Post};
use crate::msg::{DescribedWorkload, RunNews};
use wharf_core::{
    base::{context::Context, digest::Digest, error::Result, text},
    catalog::marks::Marks,
    image::reference::ImageRef,
    launch::{logs::LogRange, usage::WorkloadId},
    portal::{Portal, evidence::brief::Brief},
};

/// How many of the last lines are asked for: more than a pane has.
const LINES: usize = 80;
/// How long output is gathered before it is shown, so that a program that prints much costs few frames.
const GATHERED: Duration = Duration::from_millis(100);
/// The most output that is shown at a time, in bytes: of more, the end.
const MOST: usize = 32 << 10;

/// Reads what is shown of a workload once the selection has rested, and follows its output until it ends.
pub(super) async fn describe(portal: &Portal, workload: DescribedWorkload, post: &Post) {
    tokio::time::sleep(REST).await;
    let verdict = verdict(portal, &workload).await;
    let id = workload.id;
    post.send(RunNews::Described(id.clone(), verdict)).await;
    let ended = follow(portal, &id, post).await;
    post.send(RunNews::TailEnd(id, ended)).await;
}

/// The verdict on the image that was launched, with what it rests on, from what is kept.
async fn verdict(portal: &Portal, workload: &DescribedWorkload) -> Option<Box<(Marks, Brief)>> {
    let (reference, digest): (ImageRef, Digest) = (workload.image.parse().ok()?, workload.digest.parse().ok()?);
    let known = portal.evidence.known_of(&reference, &digest).await;
    let verified = known.inspect_err(|error| tracing::info!(%error, "the verdict is not known")).ok()??;
    let now = text::now();
    Some(Box::new((verified.marks(now), verified.brief(now))))
}

async fn follow(portal: &Portal, (backend, id): &WorkloadId, post: &Post) -> Result<()> {
    let wanted = LogRange { last: Some(LINES), ..LogRange::following() };
    let mut stream = portal.launches.logs(&Context::default(), backend, id, wanted).await?;
    let send = |bytes: Vec<u8>| post.send(RunNews::Tail((backend.clone(), id.clone()), Bytes::from(bytes)));
    while let Some(first) = stream.try_next().await? {
        let mut gathered = first.to_vec();
        let until = Instant::now() + GATHERED;
        let ended = loop {
            shorten(&mut gathered);
            match timeout_at(until, stream.try_next()).await {
                Ok(Ok(Some(more))) => gathered.extend_from_slice(&more),
                Ok(end) => break Some(end.map(|_| ())),
                Err(_) => break None,
            }
        };
        send(gathered).await;
        if let Some(ended) = ended {
            return ended;
        }
    }
    Ok(())
}

/// Keeps the end of what is too much, from the beginning of a line if there is one.
fn shorten(bytes: &mut Vec<u8>) {
    if let Some(more) = bytes.len().checked_sub(MOST) {
        let line = bytes.iter().skip(more).position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        bytes.drain(..more + line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_much_output_the_last_whole_lines_are_kept() {
        let mut all: Vec<u8> = (0..9000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        shorten(&mut all);
        let text = String::from_utf8(all).unwrap();
        assert!(text.len() <= MOST && text.starts_with("line ") && text.ends_with("line 8999\n"));
        let mut few = b"one\n".to_vec();
        shorten(&mut few);
        assert_eq!(few, b"one\n");
    }
}
