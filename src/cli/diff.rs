//! `wharf diff`: the differences between two images.

use super::{output, progress};
use crate::args::Diff;
use wharf_core::{base::error::Result, portal::Portal};

/// Compares two images. A second reference that begins with a colon is another tag of the first image.
pub(crate) async fn run(portal: &Portal, args: &Diff, json: bool) -> Result<u8> {
    let before = portal.sources.resolve(&args.before).await?;
    let after = match args.after.strip_prefix(':') {
        Some(tag) => before.with_tag(tag),
        None => portal.sources.resolve(&args.after).await?,
    };
    let platform = args.platform.as_deref().map(str::parse).transpose()?;
    let diff = portal.evidence.diff(&progress::context(), &before, &after, platform.as_ref(), args.quick).await?;
    if json {
        output::json(&diff)?;
    } else {
        output::text(&diff.describe())?;
    }
    Ok(0)
}
