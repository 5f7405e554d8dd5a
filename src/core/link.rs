//! A link: `wharf:` + the pinned reference + a query that says how it was seen and by whom.
//!
//! Text only, no secrets, so that it survives mail and chat. The `sig` field is kept as it came:
//! signing arrives with evidence, and a link that carries one must not lose it on the way.

use std::{fmt, str::FromStr};

use super::{
    clean,
    digest::Digest,
    error::{Error, Result},
    model::{Pinned, Platform},
    reference::ImageRef,
    text,
};

/// A reference as text that somebody else can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Pinned to a digest.
    pub reference: ImageRef,
    /// The tag it was seen under.
    pub tag: Option<String>,
    /// The platform the sender looked at.
    pub platform: Option<Platform>,
    /// Who sent it, as they call themselves. A claim until links are signed.
    pub sender: Option<String>,
    /// Seconds since 1970 after which it should no longer be used.
    pub until: Option<i64>,
    /// Signature, carried through unread.
    pub signature: Option<String>,
}

impl Link {
    /// A link to `pinned`.
    pub fn to(pinned: &Pinned, sender: Option<String>, until: Option<i64>) -> Self {
        Self {
            tag: pinned.reference.tag().map(str::to_owned),
            reference: pinned.reference.with_digest(&pinned.digest),
            platform: pinned.platform.clone(),
            sender,
            until,
            signature: None,
        }
    }

    /// The link as a QR code of half blocks, for a dark terminal; `margin` adds the quiet zone that cameras like.
    pub fn code(&self, margin: bool) -> Result<String> {
        use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
        let code = QrCode::with_error_correction_level(self.to_string(), EcLevel::L)
            .map_err(|error| Error::failed("draw the QR code", error))?;
        // A terminal's dark ground stands for the light of paper.
        let mut drawing = code.render::<Dense1x2>();
        Ok(drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(margin).build())
    }

    /// The digest it is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        self.reference.digest()
    }

    /// Whether it is past its date at `now`.
    pub fn is_expired(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until < now)
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bare = self.reference.clone();
        if let ImageRef::Oci(name) | ImageRef::Engine(name) = &mut bare {
            name.tag = None;
        }
        write!(f, "wharf:{bare}")?;
        let fields = [
            ("tag", self.tag.clone()),
            ("platform", self.platform.as_ref().map(ToString::to_string)),
            ("from", self.sender.clone()),
            ("until", self.until.map(text::timestamp)),
            ("sig", self.signature.clone()),
        ];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in fields {
            if let Some(value) = value {
                query.append_pair(key, &value);
            }
        }
        let query = query.finish();
        if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
    }
}

/// Characters of the longest link.
const LONGEST: usize = 4096;

impl FromStr for Link {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let given = given.trim();
        let what = format!("link '{}'", clean::short(given, 100));
        let body = given
            .strip_prefix("wharf:")
            .ok_or_else(|| Error::usage(&what, "a link starts with wharf:").hint("paste the whole line"))?;
        let too_long = || Error::usage(&what, "longer than any link Wharf makes");
        if given.len() > LONGEST {
            return Err(too_long());
        }
        let (reference, query) = body.split_once('?').unwrap_or((body, ""));
        let reference: ImageRef = reference.parse()?;
        if matches!(reference, ImageRef::Oci(_) | ImageRef::Engine(_)) && reference.digest().is_none() {
            return Err(Error::usage(what, "the reference is not pinned to a digest")
                .hint("ask the sender to make it with 'wharf share --link'"));
        }
        let mut link = Self { reference, tag: None, platform: None, sender: None, until: None, signature: None };
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = clean::line(&value).into_owned();
            match &*key {
                "tag" => link.tag = Some(value),
                "platform" => link.platform = Some(value.parse()?),
                "from" => link.sender = Some(value),
                "until" => {
                    link.until = Some(
                        text::parse_timestamp(&value).ok_or_else(|| Error::usage(&what, "'until' is not a time"))?,
                    );
                }
                "sig" => link.signature = Some(value),
                // Later versions may say more; what is not understood must not be trusted, nor break the link.
                _ => {}
            }
        }
        // A tag inside the reference says the same as the field.
        link.tag = link.tag.take().or_else(|| link.reference.tag().map(str::to_owned));
        if let (Some(tag), ImageRef::Oci(name) | ImageRef::Engine(name)) = (&link.tag, &mut link.reference) {
            if !super::reference::is_tag(tag) {
                return Err(Error::usage(what, "'tag' is not a tag"));
            }
            name.tag = Some(tag.clone());
        }
        // Signs that are written out become longer: what is read must be a link that can be sent on.
        if link.to_string().len() > LONGEST {
            return Err(too_long());
        }
        Ok(link)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_link_that_would_be_too_long_to_send_on_is_refused() {
        let link = |sender: &str| format!("wharf:oci://r.example/a@{DIGEST}?from={sender}").parse::<Link>();
        assert!(link(&"é".repeat(600)).is_ok());
        let error = link(&"é".repeat(1500)).unwrap_err();
        assert!(error.why.contains("longer"), "{error}");
    }

    #[test]
    fn a_link_reads_back_as_it_was_made() {
        let text = format!(
            "wharf:oci://r.example:5000/physics/gromacs@{DIGEST}?tag=2024.1&platform=linux%2Famd64&from=Ada+L&until=2030-01-01T00%3A00%3A00Z&sig=abc"
        );
        let link: Link = text.parse().unwrap();
        assert_eq!(link.tag.as_deref(), Some("2024.1"));
        assert_eq!(link.sender.as_deref(), Some("Ada L"));
        assert!(!link.is_expired(0) && link.is_expired(i64::MAX));
        assert_eq!(link.to_string(), text);
    }

    #[test]
    fn a_tag_inside_the_reference_is_kept() {
        let link: Link = format!("wharf:oci://r.example/a/b:1.0@{DIGEST}").parse().unwrap();
        assert_eq!(link.tag.as_deref(), Some("1.0"));
        assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
    }

    #[test]
    fn links_without_a_digest_or_with_nonsense_are_refused() {
        for bad in [
            "http://x",
            "wharf:oci://h/a:latest",
            "wharf:",
            &format!("wharf:oci://h/a@{DIGEST}?until=soon"),
            &format!("wharf:oci://h/a@{DIGEST}?tag=..%2F.."),
            // Found by fuzzing: the end of such a path was lost when the link was written again.
            "wharf:file:a\n?x",
            "wharf:file:a ?x",
        ] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "wharf:\\PC{0,80}") {
            let _ = text.parse::<Link>();
        }
    }
}
