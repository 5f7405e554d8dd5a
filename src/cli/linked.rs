//! What a `wharf:` link names, for the verbs that take a link in place of a reference.

use super::output;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    image::{
        link::{Link, is_link},
        reference::ImageRef,
    },
    portal::{OpenedLink, Portal},
};

/// Opens a link to do something with what it names, and tells who sent it.
///
/// # Errors
/// `Denied` where it is past its date; those of opening it.
pub(crate) async fn opened(portal: &Portal, cx: &Context, verb: &str, link: &Link) -> Result<OpenedLink> {
    link.not_past(verb, text::now())?;
    let opened = portal.catalog.open_link(cx, link).await?;
    output::remark(&format!("a link: {}", opened.proof.words(opened.from.as_deref())));
    Ok(opened)
}

/// The reference that was typed: a name, or that of the image that a link pins.
///
/// # Errors
/// Those of names and of links.
pub(crate) async fn reference(portal: &Portal, verb: &str, typed: &str) -> Result<ImageRef> {
    if !is_link(typed) {
        return portal.sources.resolve(typed).await;
    }
    let image = opened(portal, &Context::default(), verb, &typed.parse()?).await?.image;
    image
        .pinned
        .map(|pinned| pinned.reference)
        .ok_or_else(|| Error::unsupported(format!("{verb} a link"), "its digest is unknown"))
}
