//! `wharf lock`, and what it means for a launch.

use std::path::PathBuf;

use super::{ask, linked, output, progress};
use crate::args::{Launch, Lock as Args, LockVerb};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        link::Link,
        model::{Image, Platform},
        reference::ImageRef,
    },
    launch::lock::{LockedImage, name_of},
    portal::{Portal, evidence::Freshness},
};

/// Lists what is locked here, or changes it.
pub(crate) async fn run(portal: &Portal, args: &Args, json: bool) -> Result<u8> {
    match &args.verb {
        None => list(portal, json).await,
        Some(LockVerb::Add { reference, platform }) => add(portal, reference, platform.as_deref(), json).await,
        Some(LockVerb::Update { reference, yes, quick }) => update(portal, reference, (*yes, *quick), json).await,
        Some(LockVerb::Check) => check(portal, json).await,
        Some(LockVerb::Remove { reference }) => remove(portal, reference, json).await,
    }
}

/// The image that the lock file of this folder names for a launch; `None` where it names none.
///
/// # Errors
/// `Integrity` where its place has other bytes; those of reading the file.
pub(crate) async fn locked(
    portal: &Portal,
    cx: &Context,
    reference: &ImageRef,
    args: &Launch,
    platform: Option<&Platform>,
) -> Result<Option<Image>> {
    if args.unlocked {
        return Ok(None);
    }
    let here = portal.catalog.locked_here(cx, reference, platform).await?;
    Ok(here.map(|here| {
        output::remark(&here.words(None));
        here.image
    }))
}

/// Fails unless the lock file of this folder names these bytes, however the image was named.
///
/// # Errors
/// `Denied` where it does not.
pub(crate) async fn must_be_locked(portal: &Portal, image: &Image) -> Result<()> {
    let here = portal.locks.here().await?;
    let digest = image.pinned.as_ref().map(|pinned| &pinned.digest);
    let of_this = |one: &LockedImage| {
        let same_place = one.link("read the lock").is_ok_and(|link| {
            link.reference.without_version() == image.reference.without_version() || link.cloud.is_some()
        });
        Some(&one.digest) == digest && same_place
    };
    if here.is_some_and(|(_, lock)| lock.images.iter().any(of_this)) {
        return Ok(());
    }
    let reference = &image.reference;
    Err(Error::new(Kind::Denied, format!("launch {reference}"), "no lock file here names these bytes")
        .hint(format!("'wharf lock add {reference}' adds them")))
}

async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let here = portal.locks.here().await?;
    if json {
        let found = here.map(|(path, lock)| serde_json::json!({"file": path, "images": lock.images}));
        output::json(&found.unwrap_or_else(|| serde_json::json!({"file": null, "images": []})))?;
        return Ok(0);
    }
    let Some((path, lock)) = here else {
        output::line("there is no wharf.lock here: 'wharf lock add REF' makes one")?;
        return Ok(0);
    };
    let row = |image: &LockedImage| {
        let locked = text::parse_timestamp(&image.locked).map(|at| text::ago(at, text::now())).unwrap_or_default();
        vec![image.name.clone(), image.digest.short().to_owned(), image.verdict.clone(), locked]
    };
    let rows: Vec<Vec<String>> = lock.images.iter().map(row).collect();
    output::fitting_table(&[("NAME", 1), ("DIGEST", 0), ("VERDICT", 0), ("LOCKED", 0)], &rows)?;
    output::remark(&format!("from {}", path.display()));
    Ok(0)
}

/// What an image is now, as it is locked.
async fn now(portal: &Portal, reference: &ImageRef, platform: Option<&Platform>) -> Result<LockedImage> {
    let cx = progress::context();
    let image = portal.sources.image(&cx, reference, platform).await?;
    let digest = image.pinned.as_ref().map(|pinned| pinned.digest.clone()).ok_or_else(|| {
        Error::unsupported(format!("lock {reference}"), "its digest is unknown: nothing says which bytes it is")
    })?;
    let verified = portal.evidence.verify_image(&cx, &image, Freshness::Now, true).await?;
    let link = Link { platform: platform.cloned(), ..portal.sources.link_to(&image)? };
    Ok(LockedImage {
        name: name_of(reference),
        digest,
        platform: platform.map(ToString::to_string),
        verdict: verified.judgement.verdict.name().to_owned(),
        locked: text::timestamp(text::now()),
        link: link.to_string(),
    })
}

/// Writes an image into the lock file of this folder; gives the file's path.
async fn put(portal: &Portal, words: &str, image: &LockedImage) -> Result<PathBuf> {
    let change = portal.locks.change(words, |lock| {
        lock.put(image.clone());
        Ok(())
    });
    change.await
}

async fn add(portal: &Portal, references: &[String], platform: Option<&str>, json: bool) -> Result<u8> {
    let platform = platform.map(str::parse::<Platform>).transpose()?;
    let mut results = output::Results::under_key(json, "image");
    for typed in references {
        let added = async {
            let reference = linked::reference(portal, "lock", typed).await?;
            let image = now(portal, &reference, platform.as_ref()).await?;
            let path = put(portal, &format!("add {} {}", image.name, image.digest), &image).await?;
            if !json {
                let (digest, verdict) = (&image.digest, &image.verdict);
                output::line(&format!("{} is {digest} in {} ({verdict})", image.name, path.display()))?;
            }
            Ok(serde_json::json!({"image": image.name, "digest": image.digest, "file": path}))
        };
        results.add(typed, added.await);
    }
    results.finish()
}

/// The locked images that are meant: those named, or all.
async fn meant(portal: &Portal, references: &[String], what: &str) -> Result<Vec<LockedImage>> {
    let Some((path, lock)) = portal.locks.here().await? else {
        return Err(Error::not_found(what, "there is no wharf.lock here").hint("'wharf lock add REF' makes one"));
    };
    if references.is_empty() {
        return Ok(lock.images);
    }
    let mut found = Vec::new();
    for typed in references {
        let reference = portal.sources.resolve(typed).await?;
        let image = lock.find(&reference).cloned();
        found.push(image.ok_or_else(|| Error::not_found(what, format!("{} does not name {typed}", path.display())))?);
    }
    Ok(found)
}

/// Shows for each image what has changed since, and takes what the person wants.
async fn update(portal: &Portal, references: &[String], (yes, quick): (bool, bool), json: bool) -> Result<u8> {
    let mut results = output::Results::under_key(json, "image");
    for known in meant(portal, references, "update the lock").await? {
        let updated = async {
            let reference: ImageRef = known.name.parse()?;
            let platform = known.platform.as_deref().map(str::parse::<Platform>).transpose()?;
            let image = now(portal, &reference, platform.as_ref()).await?;
            if image.digest == known.digest {
                if !json {
                    output::line(&format!("{} is the same", known.name))?;
                }
                return Ok(serde_json::json!({"image": known.name, "digest": known.digest, "changed": false}));
            }
            let (before, after) = (reference.with_digest(&known.digest), reference.with_digest(&image.digest));
            let diff = portal.evidence.diff(&progress::context(), &before, &after, platform.as_ref(), quick).await;
            if !json {
                output::line(&format!("{}: {} -> {}", known.name, known.digest.short(), image.digest.short()))?;
                match &diff {
                    Ok(diff) => output::text(&diff.describe())?,
                    Err(error) => output::remark(&format!("what has changed is not known: {}", error.why)),
                }
                output::line(&format!("verdict {} -> {}", known.verdict, image.verdict))?;
            }
            let taken = ask::confirm(format!("lock {} as it is now?", known.name), "update the lock", yes).await?;
            if taken {
                let words = format!("update {} {} -> {}", known.name, known.digest, image.digest);
                put(portal, &words, &image).await?;
            }
            Ok(serde_json::json!({"image": known.name, "before": known.digest, "digest": image.digest,
                "changed": true, "taken": taken, "diff": diff.ok()}))
        };
        results.add(&known.name, updated.await);
    }
    results.finish()
}

async fn check(portal: &Portal, json: bool) -> Result<u8> {
    let mut results = output::Results::under_key(json, "image");
    for known in meant(portal, &[], "check the lock").await? {
        let checked = async {
            let link = known.link("check the lock")?;
            portal.catalog.linked(&Context::default(), &link).await?;
            let reference: ImageRef = known.name.parse()?;
            let today = match portal.sources.image(&Context::default(), &reference, link.platform.as_ref()).await {
                Ok(image) => Some(image),
                Err(error) if error.kind == Kind::NotFound => None,
                Err(error) => return Err(error),
            };
            let moved = today.and_then(|image| image.pinned).map(|pinned| pinned.digest != known.digest);
            if !json {
                let tag = match moved {
                    Some(true) => "its tag has moved since",
                    Some(false) => "its tag still means it",
                    None => "its tag is gone",
                };
                output::line(&format!("{}: {} can be had; {tag}", known.name, known.digest.short()))?;
            }
            Ok(serde_json::json!({"image": known.name, "digest": known.digest, "moved": moved}))
        };
        results.add(&known.name, checked.await);
    }
    results.finish()
}

async fn remove(portal: &Portal, references: &[String], json: bool) -> Result<u8> {
    let mut results = output::Results::under_key(json, "image");
    for typed in references {
        let removed = async {
            let reference = portal.sources.resolve(typed).await?;
            let name = name_of(&reference);
            let words = format!("remove {name}");
            let change = portal.locks.change(&words, |lock| {
                if lock.remove(&reference) {
                    return Ok(());
                }
                Err(Error::not_found("change the lock", format!("it does not name {typed}")))
            });
            let path = change.await?;
            if !json {
                output::line(&format!("{name} is not locked any more ({})", path.display()))?;
            }
            Ok(serde_json::json!({"image": name, "done": "removed", "file": path}))
        };
        results.add(typed, removed.await);
    }
    results.finish()
}
