//! Lists of checksums, as publishers put them beside their files: those of `sha256sum` (`HEX  NAME`), those with tags
//! (`SHA256 (NAME) = HEX`), and files with one sum alone. Pure functions.

use crate::base::{
    digest::Digest,
    error::{Error, Kind, Result},
};

/// The names of lists that publishers use, `{}` being the file's name. Those of the file alone come first.
pub const LISTS: [&str; 10] = [
    "{}.sha256",
    "{}.sha256sum",
    "{}.SHA256SUM",
    "{}.CHECKSUM",
    "{}.sha512",
    "{}.sha512sum",
    "SHA256SUMS",
    "SHA512SUMS",
    "CHECKSUM",
    "SHA256SUM",
];
/// The endings of the names of their signatures.
pub const SIGNATURES: [&str; 4] = [".gpg", ".sign", ".asc", ".sig"];

/// The sum of the file `name` in a list. With `alone`, the list is of this file only, and may hold nothing but the sum.
///
/// # Errors
/// `Integrity` where the list gives the file two sums of one kind.
pub fn find(list: &str, name: &str, alone: bool) -> Result<Option<Digest>> {
    let mut found: Vec<Digest> = Vec::new();
    for line in list.lines().map(str::trim).filter(|line| line.len() < 4096) {
        let named = tagged(line).or_else(|| plain(line));
        let digest = match named {
            Some((digest, of)) if of.strip_prefix("./").unwrap_or(of) == name => digest,
            None if alone => match sum(line) {
                Some(digest) => digest,
                None => continue,
            },
            _ => continue,
        };
        if found.iter().any(|other| other.algorithm() == digest.algorithm() && *other != digest) {
            return Err(Error::new(
                Kind::Integrity,
                format!("look for the checksum of {name}"),
                "the list has two of them",
            )
            .hint("tell its publisher"));
        }
        found.push(digest);
    }
    // The longer sum says more.
    found.sort_by_key(|digest| digest.hex().len());
    Ok(found.pop())
}

/// `SHA256 (NAME) = HEX`.
fn tagged(line: &str) -> Option<(Digest, &str)> {
    let (algorithm, rest) = line.split_once(" (")?;
    let (name, hex) = rest.rsplit_once(") = ")?;
    let digest = sum(hex)?;
    let named = algorithm.replace('-', "").to_ascii_lowercase();
    (named == digest.algorithm()).then_some((digest, name))
}

/// `HEX  NAME`, or `HEX *NAME` for a file that was read as binary.
fn plain(line: &str) -> Option<(Digest, &str)> {
    let (hex, name) = line.split_once([' ', '\t'])?;
    let name = name.trim_start();
    Some((sum(hex)?, name.strip_prefix('*').unwrap_or(name)))
}

/// A sum by its length: 64 digits are SHA-256, 128 are SHA-512. Shorter ones can be forged.
fn sum(hex: &str) -> Option<Digest> {
    let hex = hex.trim().to_ascii_lowercase();
    let algorithm = match hex.len() {
        64 => "sha256",
        128 => "sha512",
        _ => return None,
    };
    format!("{algorithm}:{hex}").parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(c: char, count: usize) -> String {
        c.to_string().repeat(count)
    }

    /// Lists as publishers write them.
    #[test]
    fn the_sum_of_a_file_is_found_in_every_form() {
        let (short, long) = (hex('a', 64), hex('b', 128));
        for (publisher, list, alone) in [
            ("Ubuntu", format!("{}  other.img\n{short} *noble.img\n", hex('c', 64)), false),
            ("Debian", format!("{short}  noble.img\n"), false),
            ("Fedora", format!("# noble.img: 12 bytes\nSHA256 (noble.img) = {short}\n"), false),
            ("Rocky", format!("SHA256 (noble.img) = {}\n", short.to_uppercase()), true),
            ("Alpine", format!("{short}\n"), true),
            ("FreeBSD", format!("SHA512 (x) = {}\nSHA-256 (noble.img) = {short}\n", hex('c', 128)), false),
            ("dot", format!("{short}  ./noble.img\r\n"), false),
        ] {
            let found = find(&list, "noble.img", alone).unwrap();
            assert_eq!(found.map(|digest| digest.hex().to_owned()), Some(short.clone()), "{publisher}");
        }
        let both = format!("{short}  noble.img\n{long}  noble.img\n");
        assert_eq!(find(&both, "noble.img", false).unwrap().unwrap().algorithm(), "sha512");
    }

    #[test]
    fn what_is_no_sum_of_this_file_is_none() {
        let short = hex('a', 64);
        for list in [
            format!("{short}\n"),
            format!("{short}  noble.img.old\n"),
            format!("{short}  dir/noble.img\n"),
            format!("{}  noble.img\n", hex('a', 32)),
            format!("{}  noble.img\n", hex('g', 64)),
            format!("MD5 (noble.img) = {short}\n"),
            "<html>404</html>".to_owned(),
            String::new(),
        ] {
            assert_eq!(find(&list, "noble.img", false).unwrap(), None, "{list}");
        }
        let two = format!("{short}  noble.img\n{}  noble.img\n", hex('b', 64));
        assert_eq!(find(&two, "noble.img", false).unwrap_err().kind, Kind::Integrity);
    }

    proptest! {
        #[test]
        fn no_list_breaks_it(list in "\\PC{0,200}", name in "\\PC{0,20}", alone in any::<bool>()) {
            let _ = find(&list, &name, alone);
        }
    }
}
