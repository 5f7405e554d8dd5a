//! Content digests of the OCI image specification ("descriptor", section Digests).

use std::{
    fmt,
    str::FromStr,
    sync::{Arc, mpsc},
};

use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use super::error::{Error, Result};

/// What is read at once.
const PART: usize = 128 << 10;
/// How many parts a reader may be ahead of the slowest hasher.
const PARTS_AHEAD: usize = 4;

/// `sha256:<64 hex>` or `sha512:<128 hex>`, always lower case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl Digest {
    /// The SHA-256 digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = Hasher::default();
        hasher.update(bytes);
        hasher.finish()
    }

    fn written(algorithm: &str, bytes: &[u8]) -> Self {
        Self(format!("{algorithm}:{}", super::text::hex(bytes)))
    }

    /// The whole text, `algorithm:hex`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The algorithm, `sha256` or `sha512`.
    pub fn algorithm(&self) -> &str {
        self.0.split_once(':').map_or("", |(algorithm, _)| algorithm)
    }

    /// The part after the algorithm, in lower-case hexadecimal.
    pub fn hex(&self) -> &str {
        self.0.split_once(':').map_or("", |(_, hex)| hex)
    }

    /// The first twelve hexadecimal digits, for narrow columns.
    pub fn short(&self) -> &str {
        self.hex().get(..12).unwrap_or_default()
    }

    /// Fails if `bytes` do not have this digest, by its own algorithm.
    ///
    /// ```
    /// use wharf_core::base::digest::Digest;
    ///
    /// let digest: Digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".parse()?;
    /// assert!(digest.check(b"", "read the empty blob").is_ok());
    /// assert!(digest.check(b"other bytes", "read the empty blob").is_err());
    /// # Ok::<(), wharf_core::base::error::Error>(())
    /// ```
    pub fn check(&self, bytes: &[u8], what: &str) -> Result<()> {
        let mut hasher = self.hasher();
        hasher.update(bytes);
        self.matches(&hasher.finish(), what)
    }

    /// A hasher with the digest's algorithm.
    pub fn hasher(&self) -> Hasher {
        Hasher::of(self.algorithm())
    }

    /// The tag under which a registry without referrers API lists what is attached to this digest: algorithm and
    /// hexadecimal digits, cut to the length of a tag (distribution specification 1.1, "Referrers Tag Schema").
    pub fn referrers_tag(&self) -> String {
        let part = |text: &str, most: usize| -> String {
            let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
            text.chars().take(most).map(|letter| if allowed(letter) { letter } else { '-' }).collect()
        };
        format!("{}-{}", part(self.algorithm(), 32), part(self.hex(), 64))
    }

    /// cosign's tag with this ending (`.sig`, `.att`, `.sbom`). `None` if it would be too long for a tag, as for
    /// SHA-512.
    pub fn attached_tag(&self, ending: &str) -> Option<String> {
        let tag = format!("{}-{}{ending}", self.algorithm(), self.hex());
        is_tag(&tag).then_some(tag)
    }

    /// Fails if `found` is another digest.
    pub fn matches(&self, found: &Self, what: &str) -> Result<()> {
        if self == found {
            return Ok(());
        }
        Err(Error::new(super::error::Kind::Integrity, what, format!("the bytes have digest {found}, not {self}"))
            .hint("do not use it; tell the administrators of the source"))
    }
}

impl FromStr for Digest {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let sized = match text.split_once(':') {
            Some(("sha256", hex)) => hex.len() == 64 && is_hex(hex),
            Some(("sha512", hex)) => hex.len() == 128 && is_hex(hex),
            _ => false,
        };
        if sized {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::usage(
                format!("digest '{}'", super::clean::short(text, 80)),
                "expected sha256: and 64 lower-case hexadecimal figures",
            ))
        }
    }
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

impl TryFrom<String> for Digest {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hashes bytes piece by piece; SHA-256 unless another algorithm was chosen.
#[derive(Clone)]
pub struct Hasher(Algorithm);

#[derive(Clone)]
enum Algorithm {
    Sha256(sha2::Sha256),
    Sha512(sha2::Sha512),
}

impl Default for Hasher {
    fn default() -> Self {
        Self(Algorithm::Sha256(sha2::Sha256::default()))
    }
}

impl Hasher {
    /// A hasher for an algorithm's name: `sha256`, else SHA-512.
    pub fn of(algorithm: &str) -> Self {
        if algorithm == "sha256" { Self::default() } else { Self(Algorithm::Sha512(sha2::Sha512::default())) }
    }

    /// Adds bytes to the hash.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            Algorithm::Sha256(hasher) => hasher.update(bytes),
            Algorithm::Sha512(hasher) => hasher.update(bytes),
        }
    }

    /// Adds everything from a reader to the hash.
    pub fn update_from(&mut self, mut reader: impl std::io::Read) -> std::io::Result<()> {
        let mut buffer = vec![0; PART];
        loop {
            match reader.read(&mut buffer)? {
                0 => return Ok(()),
                count => self.update(&buffer[..count]),
            }
        }
    }

    /// The digest of all bytes that were added.
    pub fn finish(self) -> Digest {
        match self.0 {
            Algorithm::Sha256(hasher) => Digest::written("sha256", &hasher.finalize()),
            Algorithm::Sha512(hasher) => Digest::written("sha512", &hasher.finalize()),
        }
    }
}

/// Hashes everything from a reader with several hashers at once, each on a thread of its own: SHA-512 takes three times as
/// long as SHA-256 where processors compute the latter. Returns how many bytes there were.
pub fn hash_all(mut reader: impl std::io::Read, hashers: &mut [Hasher]) -> std::io::Result<u64> {
    std::thread::scope(|scope| {
        let mut senders = Vec::new();
        for hasher in hashers {
            let (sender, parts) = mpsc::sync_channel::<Arc<[u8]>>(PARTS_AHEAD);
            scope.spawn(move || parts.iter().for_each(|part| hasher.update(&part)));
            senders.push(sender);
        }
        let (mut buffer, mut total) = (vec![0; PART], 0);
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(total);
            }
            total += count as u64;
            let part: Arc<[u8]> = buffer[..count].into();
            for sender in &senders {
                sender.send(part.clone()).map_err(std::io::Error::other)?;
            }
        }
    })
}

/// Whether a text is a tag by the distribution specification.
pub fn is_tag(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 128
        && bytes.first().is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken;

    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("a disk that breaks"))
        }
    }

    #[test]
    fn only_well_formed_digests_parse() {
        assert!(Digest::of(b"x").as_str().parse::<Digest>().is_ok());
        for bad in ["", "sha256:", "sha256:xyz", "md5:00", &format!("sha256:{}", "A".repeat(64)), "sha256:../../etc"] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }

    #[test]
    fn several_hashers_read_the_same_bytes_at_once() {
        let bytes: Vec<u8> = (0..3 * PART + 17).map(|at| (at % 251) as u8).collect();
        let mut hashers = [Hasher::of("sha256"), Hasher::of("sha512")];
        hashers[0].update(b"head");
        assert_eq!(hash_all(&*bytes, &mut hashers).unwrap(), bytes.len() as u64);
        let [mut short, mut long] = [Hasher::of("sha256"), Hasher::of("sha512")];
        short.update(b"head");
        short.update(&bytes);
        long.update(&bytes);
        assert_eq!(hashers.map(Hasher::finish), [short.finish(), long.finish()]);
        let broken = std::io::Read::chain(&*bytes, Broken);
        assert!(hash_all(broken, &mut [Hasher::default()]).is_err());
    }

    #[test]
    fn bytes_are_hashed_by_the_algorithm_that_their_digest_names() {
        let mut hasher = Hasher::of("sha512");
        hasher.update(b"x");
        let long = hasher.finish();
        assert!(long.check(b"x", "read").is_ok() && long.check(b"y", "read").is_err());
        assert!(Digest::of(b"x").check(b"x", "read").is_ok());
    }

    #[test]
    fn tags_of_attachments_are_as_the_specification_has_them() {
        let digest = |algorithm: &str, count| format!("{algorithm}:{}", "a".repeat(count)).parse::<Digest>().unwrap();
        let (short, long) = (digest("sha256", 64), digest("sha512", 128));
        assert_eq!(short.referrers_tag(), format!("sha256-{}", "a".repeat(64)));
        assert_eq!(long.referrers_tag(), format!("sha512-{}", "a".repeat(64)));
        assert_eq!(short.attached_tag(".sig"), Some(format!("sha256-{}.sig", "a".repeat(64))));
        // It would have 139 characters, and a tag has at most 128.
        assert_eq!(long.attached_tag(".sig"), None);
    }

    #[test]
    fn the_empty_digest_is_the_published_one() {
        assert_eq!(Digest::of(b"").short(), "e3b0c44298fc");
        let long = Hasher::of("sha512").finish();
        assert_eq!((long.algorithm(), long.short()), ("sha512", "cf83e1357eef"));
        assert!(long.as_str().parse::<Digest>().is_ok());
    }
}
