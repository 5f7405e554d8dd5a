//! `wharf tag`, `wharf remove-image` and `wharf prune`.

use super::{
    ask,
    output::{self, Results},
    progress,
};
use crate::args::{Prune, RemoveImage, Tag};
use wharf_core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Result},
        text,
    },
    image::reference::ImageRef,
    portal::{
        Portal,
        upkeep::{
            PruneRule, Pruning,
            tag::{Move, new_reference},
        },
    },
    ports::upkeep::{Removal, Removed},
};

/// Sets another tag on an image. If the tag names another image, it is moved only with `--move` or when the person
/// agrees.
pub(crate) async fn tag(portal: &Portal, args: &Tag, json: bool) -> Result<u8> {
    let reference = portal.sources.reference(&args.reference)?;
    let new = new_reference(&reference, &args.new)?;
    let moves = match args.moves {
        true => Move::Always,
        false if ask::is_there() && !json => Move::Ask(ask::asker()),
        false => Move::Never,
    };
    let tagged = portal.upkeep.tag(&Context::default(), &reference, &new, moves).await?;
    if json {
        output::json(&tagged)?
    } else {
        output::line(&tagged.describe())?
    }
    Ok(0)
}

/// Prints what a removal would do, and returns it as JSON.
fn print_removal(removal: &Removal, json: bool) -> Result<serde_json::Value> {
    if !json {
        output::line(&removal.reference.to_string())?;
        removal.lines(Digest::to_string).iter().try_for_each(|line| output::line(&format!("   {line}")))?;
    }
    Ok(serde_json::json!({"reference": removal.reference, "plan": removal}))
}

/// Prints that an image was removed, and returns that as JSON.
fn removed(reference: &ImageRef, how: Removed, json: bool) -> Result<serde_json::Value> {
    if !json {
        output::line(&match how {
            Removed::Removed => format!("removed {reference}"),
            Removed::Gone => format!("{reference} was gone already"),
        })?;
    }
    Ok(serde_json::json!({"reference": reference, "done": how}))
}

/// Removes images, after showing what would be removed and asking.
pub(crate) async fn remove(portal: &Portal, args: &RemoveImage, json: bool) -> Result<u8> {
    let cx = progress::context();
    let references: Vec<ImageRef> =
        args.references.iter().map(|reference| portal.sources.reference(reference)).collect::<Result<Vec<_>>>()?;
    let mut ends = Results::under_key(json, "reference");
    let mut meant = Vec::new();
    for (reference, told) in references.iter().zip(portal.upkeep.removals(&cx, &references).await) {
        match told {
            Ok(removal) => meant.push(removal),
            Err(error) => ends.add(&reference.to_string(), Err(error)),
        }
    }
    if args.plan {
        for removal in &meant {
            ends.add(&removal.reference.to_string(), Ok(print_removal(removal, json)?));
        }
        return ends.finish();
    }
    if !args.yes && !json {
        meant.iter().try_for_each(|removal| print_removal(removal, false).map(|_| ()))?;
    }
    finish(portal, &cx, ends, json, &meant, ("remove images", args.yes)).await
}

/// Removes images from a repository by a rule, after showing what would be removed and what stays, and asking.
pub(crate) async fn prune(portal: &Portal, args: &Prune, json: bool) -> Result<u8> {
    let what = format!("clear out {}", args.repository);
    let repository = portal.sources.reference(&args.repository)?;
    let older_than = match args.older_than.as_deref() {
        None => 0,
        Some(given) => text::span(given).ok_or_else(|| {
            Error::usage(&what, format!("'{given}' is no span of time")).hint("write 90d, 12w or 48h")
        })?,
    };
    let cx = progress::context();
    let pruning =
        portal.upkeep.pruning(&cx, &repository, &PruneRule { keep: args.keep.unwrap_or(0), older_than }).await?;
    let ends = Results::under_key(json, "reference");
    if args.plan && json {
        output::json(&pruning)?;
        return Ok(0);
    }
    if !json {
        pruning_lines(&pruning).iter().try_for_each(|line| output::line(line))?;
    }
    let meant: Vec<Removal> = pruning.goes.into_iter().map(|one| one.removal).collect();
    if args.plan || meant.is_empty() {
        return ends.finish();
    }
    finish(portal, &cx, ends, json, &meant, (&what, args.yes)).await
}

/// What would be removed and what stays, one image or tag per line.
fn pruning_lines(pruning: &Pruning) -> Vec<String> {
    let tags: Vec<String> = pruning.goes.iter().map(|one| one.tags.join(", ")).collect();
    let shown = tags.iter().chain(pruning.kept.iter().map(|kept| &kept.tag));
    let width = shown.map(|tags| tags.chars().count()).max().unwrap_or(0).min(40);
    let mut lines = Vec::new();
    for (one, tags) in pruning.goes.iter().zip(&tags) {
        let day = one.created.split('T').next().unwrap_or_default();
        let digest = one.removal.digest.as_ref().map(|digest| digest.short().to_owned()).unwrap_or_default();
        let also = one.removal.along.iter().filter(|line| !line.starts_with("its tag"));
        let made = format!("made {day}");
        let facts: Vec<&str> =
            [digest.as_str(), &made].into_iter().chain(also.chain(&one.removal.stays).map(String::as_str)).collect();
        lines.push(format!("goes   {tags:<width$}  {}", facts.join("; ")));
    }
    lines.extend(pruning.kept.iter().map(|kept| format!("stays  {:<width$}  {}", kept.tag, kept.why)));
    if pruning.goes.is_empty() {
        lines.push("nothing goes by this rule".to_owned());
    }
    lines
}

/// Asks, unless `--yes` was given, and removes the images.
async fn finish(
    portal: &Portal,
    cx: &Context,
    mut ends: Results,
    json: bool,
    meant: &[Removal],
    (what, yes): (&str, bool),
) -> Result<u8> {
    let count = meant.len() as u64;
    let question = match meant {
        [one] => format!("Remove {}? This cannot be undone", one.title),
        _ => format!("Remove {}? This cannot be undone", text::plural(count, "image", "images")),
    };
    if !meant.is_empty() {
        if !ask::confirm(question, what, yes).await? {
            output::remark("nothing was removed");
            return Ok(1);
        }
        for (removal, done) in meant.iter().zip(portal.upkeep.remove_images(cx, meant).await) {
            let reference = &removal.reference;
            match done {
                Ok(how) => ends.add(&reference.to_string(), Ok(removed(reference, how, json)?)),
                Err(error) => ends.add(&reference.to_string(), Err(error)),
            }
        }
    }
    ends.finish()
}
