//! `wharf copy`, `wharf pull` and `wharf push`.

use super::{linked, output, progress};
use std::time::Duration;

use crate::args::{Copy, CopyOptions, PaceOptions, Pull};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        pace::Pace,
        text,
    },
    image::reference::{ImageRef, is_on_the_web},
    portal::{Portal, transfers::Transfers},
    ports::content::Outcome,
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
        as_file: copy_options.form == "file",
        ..Options::default()
    })
}

/// A path as a `file:` reference; a text with a scheme stays as it is.
pub(crate) fn file_reference(file: &str) -> String {
    if file.starts_with("file:") || file.contains("://") { file.to_owned() } else { format!("file:{file}") }
}

/// Copies an image to a file or folder; without a name for it, the image's own name is used.
pub(crate) async fn pull(portal: &Portal, args: &Pull, json: bool) -> Result<u8> {
    let reference = linked::reference(portal, "pull", &args.reference).await?;
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
    let from = linked::reference(portal, "copy", from).await?;
    to = named(&from, to);
    warned(portal, (&from, &to), json);
    let started = std::time::Instant::now();
    let outcome = portal.transfers.copy(&paced(&copy_options.pace)?, &from, &to, &options(copy_options)?).await?;
    if json {
        output::json(&serde_json::json!({"from": from, "to": to, "outcome": outcome}))?;
    } else {
        told(&to, &outcome, started.elapsed())?;
    }
    Ok(0)
}

/// Carries out `wharf copy`: to one destination, or to several at once.
pub(crate) async fn run(portal: &Portal, args: &Copy, json: bool) -> Result<u8> {
    if let [only] = args.destination.as_slice() {
        return copy(portal, &args.reference, only, &args.options, json).await;
    }
    let destinations: Vec<ImageRef> =
        args.destination.iter().map(|to| portal.sources.destination(to)).collect::<Result<_>>()?;
    if is_on_the_web(&args.reference) {
        return Err(Error::usage(format!("copy {}", args.reference), "what is on the web is fetched to one place")
            .hint("fetch it first, then copy it to the others"));
    }
    let from = linked::reference(portal, "copy", &args.reference).await?;
    let destinations: Vec<ImageRef> = destinations.into_iter().map(|to| named(&from, to)).collect();
    for to in &destinations {
        warned(portal, (&from, to), json);
    }
    let started = std::time::Instant::now();
    let (cx, options) = (paced(&args.options.pace)?, options(&args.options)?);
    let results = portal.transfers.copy_to_all(&cx, &from, &destinations, &options).await;
    let mut answers = output::Results::under_key(json, "copies");
    for (to, result) in destinations.iter().zip(results) {
        if let (Ok(outcome), false) = (&result, json) {
            told(to, outcome, started.elapsed())?;
        }
        answers.add(&to.to_string(), result.map(|outcome| serde_json::json!({"to": to, "outcome": outcome})));
    }
    answers.finish()
}

/// The context of a copy, no faster than this.
///
/// # Errors
/// `Usage` for what is no rate, and for what are no hours.
pub(crate) fn paced(pace: &PaceOptions) -> Result<Context> {
    let rate = pace.rate.as_deref().map(str::parse).transpose()?;
    let hours = pace.hours.as_deref().map(str::parse).transpose()?;
    Ok(Context { pace: Pace::new(rate, hours), ..progress::context() })
}

/// The destination with the tag of the image, where it has none and can have one.
fn named(from: &ImageRef, to: ImageRef) -> ImageRef {
    if !Transfers::moves_disk(from, &to) && to.tag().is_none() {
        return to.with_tag(from.tag().unwrap_or("latest"));
    }
    to
}

/// Says before a copy begins, without `--json`, where it could not go on after a break.
pub(crate) fn warned(portal: &Portal, (from, to): (&ImageRef, &ImageRef), json: bool) {
    if let Some(words) = portal.sources.begins_again(from, to).filter(|_| !json) {
        output::remark(&words);
    }
}

/// Tells what was copied.
pub(crate) fn told(to: &ImageRef, outcome: &Outcome, took: Duration) -> Result<()> {
    output::text(&format!("{to}\n{}", outcome.digest))?;
    output::remark(&format!(
        "{} moved ({}), {} were there or mounted, {}",
        text::size(outcome.moved),
        text::rate(outcome.moved, took.as_secs_f64()),
        text::size(outcome.spared),
        text::plural(outcome.attachments as u64, "attachment", "attachments")
    ));
    outcome.left.iter().for_each(|left| output::remark(&format!("left behind: {left}")));
    Ok(())
}
