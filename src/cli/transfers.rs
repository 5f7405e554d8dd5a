//! `wharf transfers`.

use super::{
    copy::{paced, told, warned},
    output,
    share::print_share,
};
use crate::args::{Transfers, TransfersVerb};
use wharf_core::{
    base::{
        context::Context,
        error::{During, Result},
        text,
    },
    image::reference::ImageRef,
    portal::{Portal, resuming::Resumed},
    ports::transfer_record::{KeptTransfer, TransferState},
};

/// Lists transfers, or pauses, resumes or cancels some.
pub(crate) async fn run(portal: &Portal, args: &Transfers, json: bool) -> Result<u8> {
    let Some(verb) = &args.verb else { return list(portal, args.all, json).await };
    let mut results = output::Results::under_key(json, "transfer");
    match verb {
        TransfersVerb::Pause { id } => {
            for id in id {
                let paused = portal.kept_transfers.pause(id).await;
                results.add(id, changed(paused, json));
            }
        }
        TransfersVerb::Cancel { id } => {
            for id in id {
                let cancelled = portal.kept_transfers.cancel(&Context::default(), id).await;
                results.add(id, changed(cancelled, json));
            }
        }
        TransfersVerb::Resume { id, pace } => {
            let ids = if id.is_empty() { waiting(portal, json).await? } else { id.clone() };
            for id in &ids {
                let resumed = resume(portal, id, &paced(pace)?, json).await;
                results.add(id, resumed);
            }
        }
    }
    results.finish()
}

/// The ids of all transfers that wait.
async fn waiting(portal: &Portal, json: bool) -> Result<Vec<String>> {
    let all = portal.kept_transfers.all().await?;
    let ids: Vec<String> = all.into_iter().filter(KeptTransfer::waits).map(|kept| kept.record.id).collect();
    if ids.is_empty() && !json {
        output::remark("no transfer waits");
    }
    Ok(ids)
}

async fn resume(portal: &Portal, id: &str, cx: &Context, json: bool) -> Result<serde_json::Value> {
    let kept = portal.kept_transfers.meant(id).await?;
    warned(portal, (&kept.record.from, &kept.record.to), json);
    let started = std::time::Instant::now();
    let resumed = portal.resuming.resume(cx, &kept.record.id).await?;
    let mut answer =
        serde_json::json!({"transfer": kept.record.id, "to": kept.record.to, "outcome": resumed.outcome()});
    match &resumed {
        Resumed::Copied(outcome) if !json => told(&kept.record.to, outcome, started.elapsed())?,
        Resumed::Copied(_) => {}
        Resumed::Shared(shared) => {
            print_share(shared, json)?;
            answer["shared"] = serde_json::to_value(shared).during("tell of a share")?;
        }
    }
    Ok(answer)
}

/// What has become of a transfer, printed at once without `--json`.
fn changed(kept: Result<KeptTransfer>, json: bool) -> Result<serde_json::Value> {
    let kept = kept?;
    if !json {
        output::line(&format!("{} is {}", kept.record.id, kept.word()))?;
    }
    Ok(object(&kept))
}

async fn list(portal: &Portal, ended: bool, json: bool) -> Result<u8> {
    let mut all = portal.kept_transfers.all().await?;
    let kept = all.len();
    all.retain(|kept| ended || kept.record.is_open());
    if json {
        output::json(&all.iter().map(object).collect::<Vec<_>>())?;
        return Ok(0);
    }
    if all.is_empty() {
        let more = if kept > 0 { "; --all lists those that have ended" } else { "" };
        output::line(&format!("no transfer runs or waits{more}"))?;
        return Ok(0);
    }
    let now = text::now();
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|kept| {
            let record = &kept.record;
            vec![
                record.id.clone(),
                kept.word().to_owned(),
                progress(kept),
                without_digest(&record.from),
                record.to.to_string(),
                text::ago(record.began, now),
            ]
        })
        .collect();
    output::fitting_table(&[("ID", 0), ("STATE", 0), ("DONE", 0), ("FROM", 1), ("TO", 1), ("BEGUN", 0)], &rows)?;
    for kept in &all {
        if let TransferState::Broken { why, .. } = &kept.record.state {
            output::remark(&format!("{}: {why}", kept.record.id));
        }
    }
    if all.iter().any(KeptTransfer::waits) {
        output::remark("'wharf transfers resume' lets those that wait go on, 'wharf transfers cancel ID' removes one");
    }
    Ok(0)
}

/// The reference as people write it: its digest is in the JSON.
fn without_digest(from: &ImageRef) -> String {
    let full = from.to_string();
    match from.digest().and_then(|digest| full.strip_suffix(&format!("@{digest}"))) {
        Some(short) if from.tag().is_some() => short.to_owned(),
        _ => text::with_short_digests(&full),
    }
}

fn progress(kept: &KeptTransfer) -> String {
    let progress = &kept.record.progress;
    match progress.total.filter(|total| *total > 0) {
        Some(total) => text::size_of(progress.done.min(total), total),
        None => String::new(),
    }
}

fn object(kept: &KeptTransfer) -> serde_json::Value {
    let mut object = serde_json::to_value(&kept.record).unwrap_or_default();
    if let Some(object) = object.as_object_mut() {
        object.insert("runs".into(), kept.runs.into());
        object.insert("word".into(), kept.word().into());
    }
    object
}
