//! Names of images in kinds of places that only an adapter knows: `scheme://place/path[@digest]`.
//!
//! The grammar is a strict part of RFC 3986: the scheme of section 3.1 in lower case, and a path of section 3.3 without
//! `@`, which begins a digest, and `:`, which begins a tag elsewhere. Such a name has no query, so that a link can
//! contain it. `is_other` in the database's `schema.sql` says the same.

use std::fmt;

use crate::base::{
    digest::Digest,
    error::{Error, Result},
};

/// Most characters of a scheme.
const SCHEME: usize = 32;
/// Most characters of a place.
const PLACE: usize = 255;
/// Most characters of a path.
const PATH: usize = 500;

/// The name of an image in a kind of place that an adapter has registered. What place and path mean, only the adapter
/// knows.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OtherName {
    scheme: String,
    place: String,
    path: String,
    /// The digest, if the name is pinned.
    pub digest: Option<Digest>,
}

impl OtherName {
    /// A name from its parts, not pinned; `Usage` for a part that is not of the grammar.
    pub(super) fn new(scheme: &str, place: &str, path: &str) -> Result<Self> {
        let name = Self { scheme: scheme.to_owned(), place: place.to_owned(), path: path.to_owned(), digest: None };
        let wrong = name.mistake();
        wrong.map_or(Ok(name), |why| {
            Err(Error::usage("name an image", why).hint("write scheme://place/path or scheme://place/path@sha256:…"))
        })
    }

    /// The same from `place/path[@digest]`, the text after `scheme://`.
    pub(super) fn parse(scheme: &str, rest: &str, what: &str) -> Result<Self> {
        let (named, digest) = match rest.split_once('@') {
            Some((named, digest)) => (named, Some(digest.parse()?)),
            None => (rest, None),
        };
        let (place, path) = named.split_once('/').unwrap_or((named, ""));
        let name = Self::new(scheme, place, path).map_err(|error| error.during(what))?;
        Ok(Self { digest, ..name })
    }

    /// The word before `://` that names the kind of place.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// Which of these places it is, like a host.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The image within the place: parts between slashes, none of them empty, `.` or `..`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last part of the path.
    pub fn base(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// What does not fit the grammar, in words.
    fn mistake(&self) -> Option<&'static str> {
        let scheme_fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b);
        let place_fits = |b: u8| b.is_ascii_alphanumeric() || b"-._:[]".contains(&b);
        if !self.scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !self.scheme.bytes().all(scheme_fits) {
            return Some("the word before :// is lower-case letters, digits and + - . only");
        }
        if self.place.is_empty() || !self.place.bytes().all(place_fits) {
            return Some("a place is letters, digits and . _ - : only");
        }
        if !self.path.split('/').all(is_part) {
            return Some("a path is letters, digits, % and . _ ~ ! $ & ' ( ) * + , ; = - between slashes");
        }
        let too_long = self.scheme.len() > SCHEME || self.place.len() > PLACE || self.path.len() > PATH;
        too_long.then_some("it is longer than any name of an image")
    }
}

/// Whether a text is a segment of a path (RFC 3986, section 3.3), and leads neither nowhere nor upwards.
fn is_part(part: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"%._~!$&'()*+,;=-".contains(&b);
    !["", ".", ".."].contains(&part) && part.bytes().all(fits)
}

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/{}", self.scheme, self.place, self.path)?;
        self.digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use crate::{base::error::Kind, image::reference::ImageRef};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_name_of_any_scheme_reads_back_as_it_is_written_and_keeps_its_digest() {
        for text in ["board://wall/pin", "x-1.y+z://h:5000/a/B/c%20d;1", "s3://[::1]:1/a~b(1)"] {
            let plain: ImageRef = text.parse().unwrap();
            assert_eq!((plain.to_string().as_str(), plain.digest()), (text, None));
            let pinned: ImageRef = format!("{text}@{DIGEST}").parse().unwrap();
            assert_eq!(pinned.to_string(), format!("{text}@{DIGEST}"));
            assert_eq!(pinned, plain.with_digest(&DIGEST.parse().unwrap()));
            assert_eq!((pinned.without_version(), pinned.short_text().as_str()), (plain, text));
            let kept = serde_json::to_string(&pinned).unwrap();
            assert_eq!(serde_json::from_str::<ImageRef>(&kept).unwrap(), pinned);
        }
        let named: ImageRef = "board://wall/notes/pin".parse().unwrap();
        assert_eq!((named.scheme(), named.title().as_str(), named.tag()), ("board", "pin", None));
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        let long = |count: usize| "a".repeat(count);
        for bad in [
            "Board://wall/pin",
            "1board://wall/pin",
            "://wall/pin",
            "bo_ard://wall/pin",
            "board://wall",
            "board://wall/",
            "board:///pin",
            "board://wall//pin",
            "board://wall/../pin",
            "board://wall/a/.",
            "board://wall/pin:1",
            "board://wall/pin?x",
            "board://wall/pin#x",
            "board://wall/pin@sha256:12",
            "board://wall/pin@",
            "board://ada@wall/pin",
            "board://wall/two words",
            "board://wall/two\nlines",
            "board://wall/\u{202e}nip",
            "board://wall/é",
            "https://wall/pin",
            "http://wall/pin",
            &format!("{}://wall/pin", long(33)),
            &format!("board://{}/pin", long(256)),
            &format!("board://wall/{}", long(501)),
        ] {
            let error = bad.parse::<ImageRef>().unwrap_err();
            assert_eq!(error.kind, Kind::Usage, "{bad}");
        }
    }
}
