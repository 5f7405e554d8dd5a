//! `wharf sign`: signs an image.

use super::{ask, output, progress};
use crate::args::Sign;
use wharf_core::{base::error::Result, portal::Portal};

/// Signs an image with a key from a file or on hardware.
pub(crate) async fn run(portal: &Portal, args: &Sign, json: bool) -> Result<u8> {
    let reference = portal.sources.resolve(&args.reference).await?;
    let signed = portal.signing.sign(&progress::context(), ask::asker(), &reference, &args.key).await?;
    if json {
        output::json(&signed)?;
        return Ok(0);
    }
    let done = if signed.already { "was signed by this key already" } else { "is signed" };
    output::line(&format!("✓ {} {done}", signed.reference))?;
    output::line(&format!("key {} ({}); the signature is the tag {}", signed.key, signed.signer, signed.tag))?;
    Ok(0)
}
