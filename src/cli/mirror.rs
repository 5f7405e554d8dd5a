//! `wharf mirror`: keeps images of other registries in the site's, once or again and again.

use std::time::Duration;

use super::{output, progress};
use crate::args::Mirror;
use wharf_core::{
    base::{error::Result, text},
    portal::{Portal, mirroring::Mirrored},
    transfer::mirror::{MirrorImage, MirrorList, SHORTEST},
};

/// Goes through the list once, or until a signal. The list is read anew for each round.
pub(crate) async fn run(portal: &Portal, args: &Mirror, json: bool) -> Result<u8> {
    let cx = progress::context();
    let mut list = MirrorList::read(&args.file).await?;
    loop {
        if args.plan {
            for image in &list.images {
                output::line(&format!("{} -> {}", image.from, image.to))?;
            }
            return Ok(0);
        }
        let results = portal.mirroring.round(&cx, &list, &|image, result| told(image, result, json)).await;
        portal.journal.troubles().iter().for_each(|trouble| output::remark(trouble));
        let bad = results.iter().filter(|one| matches!(one, Mirrored::Failed { .. } | Mirrored::Later { .. })).count();
        if cx.cancel.is_cancelled() {
            return Ok(0);
        }
        if args.once {
            return Ok(u8::from(bad > 0));
        }
        let seconds = portal.mirroring.pauses().next_round(list.every, SHORTEST, text::now());
        let pause = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
        if cx.pause("wait for the next round", pause).await.is_err() {
            return Ok(0);
        }
        // Somebody may be writing it just now: the service goes on with the last one that could be read.
        match MirrorList::read(&args.file).await {
            Ok(newer) => list = newer,
            Err(error) => output::remark(&format!("the list stays as it was: {error}")),
        }
    }
}

/// Prints a line for each image that was not the same, with its time: a service's journal shows this.
fn told(image: &MirrorImage, result: &Mirrored, json: bool) {
    if json {
        let _ = output::json_line(&serde_json::json!({"from": image.from, "to": image.to, "mirrored": result}));
        return;
    }
    let at = text::timestamp(text::now());
    let Some(words) = result.describe() else { return };
    let _ = output::line(&format!("{at} {}: {words}", image.from));
}
