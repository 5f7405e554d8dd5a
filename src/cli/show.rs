//! `wharf show`: all about one image.

use serde::Serialize;

use super::output;
use crate::args::Show;
use wharf_core::{
    base::{context::Context, error::Result, text},
    catalog::tags::TagMove,
    image::{
        lineage::made_from,
        model::{Image, shown},
    },
    launch::form::join_words,
    portal::Portal,
};

async fn image(portal: &Portal, args: &Show) -> Result<Image> {
    let reference = portal.sources.resolve(&args.reference).await?;
    let platform = args.platform.as_deref().map(str::parse).transpose()?;
    portal.catalog.image(&Context::default(), &reference, platform.as_ref()).await
}

/// An image as JSON, with the moves of its tags.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    image: &'a Image,
    /// The tags that were seen to move, the newest move first.
    moves: Vec<TagMove>,
}

/// Most moves of tags that are printed; `--json` has all.
const MOST_MOVES: usize = 5;

/// Prints the same facts that the page of an image shows.
pub(crate) async fn show(portal: &Portal, args: &Show, json: bool) -> Result<u8> {
    let image = image(portal, args).await?;
    let moves = portal.catalog.tag_moves_of(&image.reference).await.unwrap_or_else(|error| {
        output::remark(&error.to_string());
        Vec::new()
    });
    if json {
        output::json(&Shown { image: &image, moves })?;
    } else {
        for (label, value) in facts(&image) {
            output::line(&format!("{label:<12} {value}"))?;
        }
        for one in moves.iter().take(MOST_MOVES) {
            output::line(&format!("{:<12} {}", "tag", one.describe(text::now())))?;
        }
    }
    Ok(0)
}

/// The facts of an image as labels and values, for text output. Empty values are left out.
pub(crate) fn facts(image: &Image) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("reference", image.reference.to_string()),
        ("kind", format!("{} ({})", image.kind_words(), image.kind_type())),
    ];
    let mut add = |label, value: String| {
        if !value.is_empty() {
            facts.push((label, value));
        }
    };
    if let Some(pinned) = &image.pinned {
        add("digest", pinned.digest.to_string());
        if pinned.manifest != pinned.digest {
            add(
                "manifest",
                format!(
                    "{} for {}",
                    pinned.manifest,
                    pinned.platform.as_ref().map(ToString::to_string).unwrap_or_default()
                ),
            );
        }
    }
    add(
        "created",
        image
            .created
            .map(|created| format!("{} ({})", text::timestamp(created), text::ago(created, text::now())))
            .unwrap_or_default(),
    );
    add("size", text::size(image.size));
    add("made from", text::with_short_digests(&made_from(image)));
    if let Some(disk) = &image.disk {
        let least = [(disk.least_disk, "disk"), (disk.least_memory, "memory")];
        let least = least.iter().filter(|(bytes, _)| *bytes > 0);
        add("needs", least.map(|(bytes, of)| format!("{} of {of}", text::size(*bytes))).collect::<Vec<_>>().join(", "));
        add("disk", disk.virtual_size.map(text::size).unwrap_or_default());
        for warning in &disk.warnings {
            add("warning", warning.clone());
        }
    }
    add("platforms", image.platforms.iter().map(|entry| entry.platform.to_string()).collect::<Vec<_>>().join(", "));
    let config = &image.config;
    add("entry point", join_words(&shown(&config.entrypoint)));
    add("command", join_words(&shown(&config.command)));
    if image.disk.is_none() && image.artifact.is_none() {
        add("user", config.user_words());
        add("warning", config.unread_fields().unwrap_or_default());
    }
    add("ports", config.ports.join(", "));
    add("volumes", config.volumes.join(", "));
    for layer in &image.layers {
        add("layer", format!("{:>9}  {}", text::size(layer.size), layer.created_by));
    }
    for (key, value) in image.annotations.iter().chain(&config.labels) {
        add("label", format!("{key}={value}"));
    }
    facts
}
