//! `wharf fetch`.

use super::{output, progress};
use crate::args::Fetch;
use wharf_core::{
    base::{
        digest::Digest,
        error::{Error, Result},
        text,
    },
    portal::{
        Portal,
        fetching::{Compared, FetchOrder},
    },
};

/// A digest as people write it: with its kind, or by its length.
fn digest(written: &str) -> Result<Digest> {
    let plain = written.trim().to_ascii_lowercase();
    let named = match plain.len() {
        64 => format!("sha256:{plain}"),
        128 => format!("sha512:{plain}"),
        _ => plain,
    };
    named.parse().map_err(|error: Error| error.hint("write the 64 digits of a SHA-256, or the 128 of a SHA-512"))
}

/// With what a file was compared, in words.
fn words(compared: &Compared) -> String {
    match compared {
        Compared::Given => "it has the digest that you gave".to_owned(),
        Compared::Signed { list, key, trusted: true } => {
            format!("it is what {list} says, which is signed by a key of your policy ({key})")
        }
        Compared::Signed { list, key, .. } => format!("it is what {list} says, which is signed by the key {key}"),
        Compared::Listed { list, .. } => format!("it is what {list} says"),
        Compared::Nothing => "it was compared with nothing".to_owned(),
    }
}

/// Fetches a file, or prints the site's list.
pub(crate) async fn run(portal: &Portal, args: &Fetch, json: bool) -> Result<u8> {
    let Some(url) = &args.url else {
        let known: Vec<(&str, &str)> = portal.fetching.known().collect();
        if json {
            let rows: Vec<_> =
                known.iter().map(|(name, url)| serde_json::json!({ "name": name, "url": url })).collect();
            output::json(&rows)?;
        } else if known.is_empty() {
            output::remark("no list here ([[fetch]] in the site's file): name the address of an image");
        } else {
            for (name, url) in known {
                output::text(&format!("{name:<24}  {url}"))?;
            }
        }
        return Ok(0);
    };
    let most = text::parse_bytes(&args.at_most).ok_or_else(|| {
        Error::usage(format!("--at-most {}", args.at_most), "it is no size").hint("write a size like 20G")
    })?;
    let order = FetchOrder {
        url: url.clone(),
        to: args.to.clone(),
        sums: args.sums.clone(),
        digest: args.digest.as_deref().map(digest).transpose()?,
        most,
    };
    let fetched = portal.fetching.fetch(&progress::context(), &order).await?;
    if json {
        output::json(&fetched)?;
        return Ok(0);
    }
    output::text(&format!("{}\n{}", fetched.reference, fetched.digest))?;
    if fetched.there {
        output::remark("it was there already");
    } else if fetched.resumed > 0 {
        let (resumed, size) = (text::size(fetched.resumed), text::size(fetched.size));
        output::remark(&format!("{size}, of which {resumed} had arrived before"));
    }
    if let Some(disk) = &fetched.disk {
        let large = disk.virtual_size.map(|size| format!(", {} large", text::size(size))).unwrap_or_default();
        output::remark(&format!("{}{large}", disk.format));
    }
    output::remark(&words(&fetched.compared));
    for caution in &fetched.cautions {
        output::remark(&format!("! {caution}"));
    }
    Ok(0)
}
