//! `wharf copy`, `wharf pull` and `wharf push`.

use super::{output, progress};
use crate::args::{CopyOptions, Pull};
use wharf_core::{
    base::{error::Result, text},
    image::reference::{ImageRef, is_on_the_web},
    portal::{Portal, transfers::Transfers},
    transfer::copy::Options,
};

/// The options of a copy; a platform that cannot be parsed is a usage error.
pub(crate) fn options(copy_options: &CopyOptions) -> Result<Options> {
    let platforms = copy_options.platform.iter().map(|platform| platform.parse()).collect::<Result<Vec<_>>>()?;
    Ok(Options {
        platforms: (!platforms.is_empty()).then_some(platforms),
        attachments: !copy_options.bare,
        parallel: usize::from(copy_options.parallel),
        because: copy_options.because.clone(),
    })
}

/// A path as a `file:` reference; a text with a scheme stays as it is.
pub(crate) fn file_reference(file: &str) -> String {
    if file.starts_with("file:") || file.contains("://") { file.to_owned() } else { format!("file:{file}") }
}

/// Copies an image to a file or folder; without a name for it, the image's own name is used.
pub(crate) async fn pull(portal: &Portal, args: &Pull, json: bool) -> Result<u8> {
    let reference = portal.sources.resolve(&args.reference).await?;
    let tag = reference.tag().unwrap_or("latest");
    let file = match &args.file {
        Some(file) => file.clone(),
        None => reference.title().split(':').next().unwrap_or("image").to_owned(),
    };
    let mut to = file_reference(&file);
    // A disk image is a single file, without tags in it.
    let is_disk = matches!(reference, ImageRef::Glance { .. });
    if !is_disk && to.parse::<ImageRef>()?.tag().is_none() {
        to = format!("{to}:{tag}");
    }
    copy(portal, &reference.to_string(), &to, &args.options, json).await
}

/// Copies an image between two places. A source on the web is fetched by the cloud that it is copied to.
pub(crate) async fn copy(portal: &Portal, from: &str, to: &str, copy_options: &CopyOptions, json: bool) -> Result<u8> {
    let mut to = portal.sources.destination(to)?;
    if is_on_the_web(from) {
        let outcome = portal.transfers.import(&progress::context(), from, &to).await?;
        if json {
            output::json(&serde_json::json!({"from": from, "to": to, "outcome": outcome}))?;
        } else {
            output::text(&format!("{to}\n{}", outcome.digest))?;
            output::remark("the cloud fetched it by itself");
        }
        return Ok(0);
    }
    let from = portal.sources.resolve(from).await?;
    if !Transfers::moves_disk(&from, &to) && to.tag().is_none() {
        to = to.with_tag(from.tag().unwrap_or("latest"));
    }
    let started = std::time::Instant::now();
    let outcome = portal.transfers.copy(&progress::context(), &from, &to, &options(copy_options)?).await?;
    if json {
        output::json(&serde_json::json!({"from": from, "to": to, "outcome": outcome}))?;
    } else {
        let seconds = started.elapsed().as_secs_f64();
        output::text(&format!("{to}\n{}", outcome.digest))?;
        output::remark(&format!(
            "{} moved ({}), {} were there or mounted, {}",
            text::size(outcome.moved),
            text::rate(outcome.moved, seconds),
            text::size(outcome.spared),
            text::plural(outcome.attachments as u64, "attachment", "attachments")
        ));
        outcome.left.iter().for_each(|left| output::remark(&format!("left behind: {left}")));
    }
    Ok(0)
}
