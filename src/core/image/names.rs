//! Names of disk images: what an address suggests, and what may be one.

/// The name that a URL's last part suggests.
pub fn name_of_url(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url).trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or("");
    let stem = last.rsplit_once('.').map_or(last, |(stem, _)| stem);
    crate::core::base::clean::short(if stem.is_empty() { "image" } else { stem }, 100)
}

/// Whether a disk image may be admitted under a name: letters, digits, spaces and a few signs, at most 255 of them, as
/// Glance takes them. Others have no place in lists, commands and file names of those who use it.
pub fn is_disk_name(name: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || " ._-+:@()[],~".contains(c);
    (1..=255).contains(&name.chars().count()) && name.trim() == name && name.chars().all(fits)
}
