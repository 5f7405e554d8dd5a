//! `wharf cache`: the images that backends keep unpacked or prepared.

use super::{
    ask,
    output::{self, Results},
    progress,
};
use crate::args::{Cache, CacheClear, CacheVerb};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    launch::kept::{ClearRule, Clearing, KeptImage},
    portal::Portal,
};

/// Lists the kept images, or clears some.
pub(crate) async fn run(portal: &Portal, args: &Cache, json: bool) -> Result<u8> {
    match &args.verb {
        None => list(portal, json).await,
        Some(CacheVerb::Clear(args)) => clear(portal, args, json).await,
    }
}

/// The images, and the exit code of what could not be asked, which is told at once.
async fn kept(portal: &Portal, cx: &Context, json: bool) -> (Vec<KeptImage>, u8) {
    let (all, failed) = portal.launches.kept_images(cx).await;
    if !json {
        for (_, error) in &failed {
            output::report(error, false);
        }
    }
    let code = failed.first().map_or(0, |(_, error)| error.kind.exit_code());
    (all, code)
}

async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let (all, code) = kept(portal, &Context::default(), json).await;
    if json {
        output::json(&all)?;
        return Ok(code);
    }
    if all.is_empty() {
        output::line("no backend keeps images here")?;
        return Ok(code);
    }
    let now = text::now();
    let ago = |time: Option<i64>| time.map_or_else(|| "unknown".to_owned(), |then| text::ago(then, now));
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|image| {
            vec![
                image.backend.clone(),
                title(image),
                text::size(image.size),
                ago(image.made),
                image.busy.clone().unwrap_or_else(|| ago(image.used)),
                image.place.clone(),
            ]
        })
        .collect();
    output::table(&["backend", "image", "size", "made", "used", "place"], &rows)?;
    Ok(code)
}

/// What an image is called: its reference, else its digest.
fn title(image: &KeptImage) -> String {
    if !image.source.is_empty() {
        return image.source.clone();
    }
    image.digest.chars().take(19).collect()
}

/// The rule that the arguments mean.
fn rule(args: &CacheClear) -> Result<ClearRule> {
    let what = "clear the cache";
    let older_than = args.older_than.as_deref().map(|given| {
        text::span(given)
            .ok_or_else(|| Error::usage(what, format!("'{given}' is no span of time")).hint("write 30d, 12w or 48h"))
    });
    let keep_under = args.keep_under.as_deref().map(|given| {
        text::parse_bytes(given)
            .ok_or_else(|| Error::usage(what, format!("'{given}' is no size")).hint("write 20G or 500M"))
    });
    Ok(ClearRule { older_than: older_than.transpose()?, keep_under: keep_under.transpose()? })
}

async fn clear(portal: &Portal, args: &CacheClear, json: bool) -> Result<u8> {
    let rule = rule(args)?;
    let cx = progress::context();
    let (all, code) = kept(portal, &cx, json).await;
    let clearing = rule.clearing(all, text::now());
    if args.plan && json {
        output::json(&clearing)?;
        return Ok(code);
    }
    if !json {
        lines(&clearing).iter().try_for_each(|line| output::line(line))?;
    }
    if args.plan {
        return Ok(code);
    }
    let mut ends = Results::under_key(json, "image");
    if !clearing.goes.is_empty() {
        let count = text::plural(clearing.goes.len() as u64, "image", "images");
        let size = clearing.goes.iter().map(|image| image.size).fold(0, u64::saturating_add);
        let question = format!("Remove {count}, {}? A later launch makes them again", text::size(size));
        if !ask::confirm(question, "clear the cache", args.yes).await? {
            output::remark("nothing was removed");
            return Ok(1);
        }
    }
    for image in &clearing.goes {
        let removed = portal.launches.remove_kept_image(&cx, image).await;
        if removed.is_ok() && !json {
            output::line(&format!("removed {} of {}", title(image), image.backend))?;
        }
        ends.add(&image.id, removed.map(|()| serde_json::json!({"image": image.id, "done": "removed"})));
    }
    let ended = ends.finish()?;
    Ok(if ended == 0 { code } else { ended })
}

/// What goes and what stays, an image a line.
fn lines(clearing: &Clearing) -> Vec<String> {
    let goes = clearing.goes.iter().map(|image| {
        format!("goes   {}  {}; {} of {}", title(image), text::size(image.size), image.form, image.backend)
    });
    let stays = clearing.stays.iter().map(|one| format!("stays  {}  {}", title(&one.image), one.why));
    let mut lines: Vec<String> = goes.chain(stays).collect();
    if clearing.goes.is_empty() {
        lines.push("nothing goes".to_owned());
    }
    lines
}
