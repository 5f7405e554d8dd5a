//! Links: `wharf:` with a pinned reference and a query that says under which tag and by whom it was seen.
//!
//! Every link is pinned: by the digest in its reference, or for a cloud's image by the hash that the cloud keeps
//! (`hash`). People give clouds their own names, so a link to a cloud's image contains the address of the identity
//! service (`at`) and the region, which are looked up in the receiver's configuration.
//!
//! Links are text without secrets, so that they survive mail and chat. `sig` is the sender's signature over the whole link
//! without it, and `by` the key that made it; both are short forms ([`ShortKeys`](crate::ports::signer::ShortKeys)). Fields
//! that this version does not know are kept, so that the signature over them still fits.

use std::{fmt, str::FromStr};

use super::{
    model::{Pinned, Platform},
    reference::ImageRef,
};
use crate::base::{
    clean,
    digest::Digest,
    error::{Error, Kind, Result},
    text,
};

/// A pinned reference as text that somebody else can open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The reference with its digest; a cloud's image is pinned by `hash` instead.
    pub reference: ImageRef,
    /// The hash of a cloud's image, for which its reference has no place.
    pub hash: Option<Digest>,
    /// The cloud that the image is in.
    pub cloud: Option<CloudPlace>,
    /// The tag under which the sender saw it.
    pub tag: Option<String>,
    /// The platform that the sender looked at.
    pub platform: Option<Platform>,
    /// The sender's name as they give it, which is not proven.
    pub sender: Option<String>,
    /// When the link ends, in seconds since 1970.
    pub until: Option<i64>,
    /// Fields that this version does not know, in their order.
    pub others: Vec<(String, String)>,
    /// The key that has signed it, in its short form.
    pub key: Option<String>,
    /// The signature by that key, in its short form.
    pub signature: Option<String>,
}

/// A cloud, named in a way that is the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudPlace {
    /// The address of the identity service.
    pub address: String,
    /// The region, if one is configured.
    pub region: Option<String>,
}

impl CloudPlace {
    /// Whether both are the same cloud: the same identity service, and not two different regions.
    pub fn is_same_as(&self, other: &Self) -> bool {
        let key = |address: &str| {
            let url = url::Url::parse(address).ok()?;
            let path = url.path().trim_end_matches('/').trim_end_matches("/v3").trim_end_matches('/').to_owned();
            Some((url.scheme().to_owned(), url.host_str()?.to_ascii_lowercase(), url.port_or_known_default(), path))
        };
        let regions = self.region.as_ref().zip(other.region.as_ref());
        key(&self.address).is_some_and(|own| Some(own) == key(&other.address)) && regions.is_none_or(|(a, b)| a == b)
    }

    /// The name in a link's reference: the host of the address.
    fn name(&self) -> String {
        let host = url::Url::parse(&self.address).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_default()
    }
}

/// Whether a text is a link, and not a reference.
pub fn is_link(text: &str) -> bool {
    text.trim_start().starts_with("wharf:")
}

impl Link {
    /// A link to `pinned`; `cloud` is the place of a cloud's image.
    pub fn to(pinned: &Pinned, cloud: Option<CloudPlace>, sender: Option<String>, until: Option<i64>) -> Self {
        let in_cloud = matches!(pinned.reference, ImageRef::Glance { .. });
        Self {
            hash: in_cloud.then(|| pinned.digest.clone()),
            cloud: cloud.filter(|_| in_cloud),
            tag: pinned.reference.tag().map(str::to_owned),
            reference: pinned.reference.with_digest(&pinned.digest),
            platform: pinned.platform.clone(),
            sender,
            until,
            others: Vec::new(),
            key: None,
            signature: None,
        }
    }

    /// The link as a QR code in half blocks for a dark terminal; `margin` adds the empty border that cameras expect.
    pub fn code(&self, margin: bool) -> Result<String> {
        use qrcode::{EcLevel, QrCode, render::unicode::Dense1x2};
        let code = QrCode::with_error_correction_level(self.to_string(), EcLevel::L)
            .map_err(|error| Error::failed("draw the QR code", error))?;
        // On a dark terminal, filled blocks are light.
        let mut drawing = code.render::<Dense1x2>();
        Ok(drawing.dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).quiet_zone(margin).build())
    }

    /// The link in so few characters that it can be sent, [`MOST_SENT`], where `more` are added to it yet. If it takes that it
    /// is without what only describes it: the sender's name, then the tag. All that says which bytes are meant, and until
    /// when, stays.
    ///
    /// # Errors
    /// `Unsupported` where even that is too long.
    pub fn fitted(mut self, more: usize) -> Result<Self> {
        let is_long = |link: &Self| link.to_string().len() + more > MOST_SENT;
        if is_long(&self) {
            self.sender = None;
        }
        if is_long(&self) {
            self.tag = None;
            if let ImageRef::Oci(name) | ImageRef::Engine(name) = &mut self.reference {
                name.tag = None;
            }
        }
        if !is_long(&self) {
            return Ok(self);
        }
        let what = format!("make a link to {}", clean::short(&self.reference.to_string(), 100));
        let length = self.to_string().len() + more;
        let why = format!("it would have {length} characters: more than {MOST_SENT} are cut by mail and chats");
        Err(Error::unsupported(what, why).hint("copy the image to a place with a shorter name, and share that"))
    }

    /// The text that a signature is over: the link without key and signature.
    pub fn signed_text(&self) -> String {
        Self { key: None, signature: None, ..self.clone() }.to_string()
    }

    /// The digest that it is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        self.reference.digest().or(self.hash.as_ref())
    }

    /// The reference for the receiver, who names the cloud `cloud`.
    pub fn reference_in(&self, cloud: &str) -> ImageRef {
        match &self.reference {
            ImageRef::Glance { image, .. } => ImageRef::Glance { cloud: cloud.to_owned(), image: image.clone() },
            other => other.clone(),
        }
    }

    /// Fails if the link has ended at `now`: then it can be looked at, but nothing is done (`verb`) with what it names.
    ///
    /// # Errors
    /// `Denied`, with the date.
    pub fn not_past(&self, verb: &str, now: i64) -> Result<()> {
        if !self.is_expired(now) {
            return Ok(());
        }
        let until = self.until.map(text::timestamp).unwrap_or_default();
        Err(Error::new(Kind::Denied, format!("{verb} a link"), format!("it is past its date, {until}"))
            .hint(format!("ask the sender for a new one, or {verb} what it names: {}", self.reference)))
    }

    /// Whether the link has ended at `now`.
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
        if let (ImageRef::Glance { cloud, .. }, Some(place)) = (&mut bare, &self.cloud) {
            *cloud = place.name();
        }
        write!(f, "wharf:{bare}")?;
        let fields = [
            ("hash", self.hash.as_ref().map(ToString::to_string)),
            ("at", self.cloud.as_ref().map(|cloud| cloud.address.clone())),
            ("region", self.cloud.as_ref().and_then(|cloud| cloud.region.clone())),
            ("tag", self.tag.clone()),
            ("platform", self.platform.as_ref().map(ToString::to_string)),
            ("from", self.sender.clone()),
            ("until", self.until.map(text::timestamp)),
        ];
        let signed = [("by", self.key.as_ref()), ("sig", self.signature.as_ref())];
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (key, value) in fields {
            if let Some(value) = value {
                query.append_pair(key, &value);
            }
        }
        query.extend_pairs(&self.others);
        query.extend_pairs(signed.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))));
        let query = query.finish();
        if query.is_empty() { Ok(()) } else { write!(f, "?{query}") }
    }
}

/// Most characters of a link that Wharf makes, signed: mail and chats leave it whole, and its QR code can be scanned.
pub const MOST_SENT: usize = 500;
/// Most characters of a link that is read: later versions may add fields.
const LONGEST: usize = 4096;
/// The most characters that are read of what was typed or pasted, line breaks and margins among them.
const MOST_TYPED: usize = 4 * LONGEST;

impl FromStr for Link {
    type Err = Error;

    fn from_str(given: &str) -> Result<Self> {
        let given = in_one_line(given);
        let given = given.as_str();
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
        let mut link = Self {
            reference,
            hash: None,
            cloud: None,
            tag: None,
            platform: None,
            sender: None,
            until: None,
            others: Vec::new(),
            key: None,
            signature: None,
        };
        let (mut address, mut region) = (None, None);
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
                "hash" => link.hash = Some(value.parse()?),
                "at" => address = Some(value),
                "region" => region = Some(value),
                "by" => link.key = Some(value),
                "sig" => link.signature = Some(value),
                // Later versions may add fields: an unknown one is not trusted, but does not make the link invalid.
                other => link.others.push((clean::line(other).into_owned(), value)),
            }
        }
        let in_cloud = matches!(link.reference, ImageRef::Glance { .. });
        link.hash = link.hash.take().filter(|_| in_cloud);
        link.cloud = match address.filter(|_| in_cloud) {
            Some(address) => Some(CloudPlace { address: identity_address(&address, &what)?, region }),
            None => None,
        };
        if link.digest().is_none() {
            return Err(Error::usage(what, "it is not pinned to a digest")
                .hint("ask the sender to make it with 'wharf share --link'"));
        }
        // A tag in the reference means the same as the field.
        link.tag = link.tag.take().or_else(|| link.reference.tag().map(str::to_owned));
        if let (Some(tag), ImageRef::Oci(name) | ImageRef::Engine(name)) = (&link.tag, &mut link.reference) {
            if !super::reference::is_tag(tag) {
                return Err(Error::usage(what, "'tag' is not a tag"));
            }
            name.tag = Some(tag.clone());
        }
        // Some characters become longer when written: a link that is read must be short enough to be sent on.
        if link.to_string().len() > LONGEST {
            return Err(too_long());
        }
        Ok(link)
    }
}

/// A link as it was before it was copied off a screen, whose line breaks and margins are in it then. Only names of files and
/// of images in clouds have spaces of their own, one at a time.
fn in_one_line(given: &str) -> String {
    let given: String = given.trim().chars().take(MOST_TYPED).collect();
    let mut whole = String::with_capacity(given.len());
    let mut gap = String::new();
    for c in given.chars() {
        if c.is_whitespace() {
            gap.push(c);
            continue;
        }
        if gap == " " && !whole.contains('?') {
            whole.push(' ');
        }
        gap.clear();
        whole.push(c);
    }
    whole
}

/// An address that a link may contain: of a web server, without an account in it.
fn identity_address(text: &str, what: &str) -> Result<String> {
    let url = url::Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https") && url.username().is_empty() && url.password().is_none()
    });
    url.filter(|url| url.host_str().is_some_and(|host| !host.is_empty()))
        .map(|url| url.to_string())
        .ok_or_else(|| Error::usage(what, "'at' is not the address of a cloud"))
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
    fn a_link_that_is_sent_is_short_whatever_the_image_and_its_sender_are_called() {
        let more = 9 + 44 + 86;
        let digests = [DIGEST.to_owned(), format!("sha512:{}", "ab".repeat(64))];
        for (digest, long) in digests.iter().flat_map(|digest| (1..250).step_by(7).map(move |long| (digest, long))) {
            let query =
                format!("tag={}&platform=linux%2Famd64&until=2030-01-01T00%3A00%3A00Z", "t".repeat(long / 4 + 1));
            let text = format!("wharf:oci://r.example/{}@{digest}?{query}&from={}", "n".repeat(long), "é".repeat(long));
            let whole: Link = text.parse().unwrap();
            let bare = Link { sender: None, tag: None, ..whole.clone() }.to_string();
            match whole.clone().fitted(more) {
                Ok(link) => {
                    let written = link.to_string();
                    assert!(written.len() + more <= MOST_SENT, "{written}");
                    assert_eq!(written.parse::<Link>().unwrap(), link);
                    assert_eq!(link.digest(), whole.digest());
                    assert_eq!((&link.platform, link.until), (&whole.platform, whole.until));
                    assert!(link.tag.is_some() || link.sender.is_none(), "the name goes first: {written}");
                }
                Err(error) => assert!(
                    bare.len() + more > MOST_SENT && error.why.contains("more than 500") && !error.hint.is_empty(),
                    "{error}"
                ),
            }
        }
        let short: Link = format!("wharf:oci://r.example/a@{DIGEST}?tag=1&from=ada").parse().unwrap();
        assert_eq!(short.clone().fitted(more).unwrap(), short, "nothing is left out without need");
    }

    #[test]
    fn a_link_reads_back_as_it_was_made() {
        let text = format!(
            "wharf:oci://r.example:5000/physics/gromacs@{DIGEST}?tag=2024.1&platform=linux%2Famd64&from=Ada+L&until=2030-01-01T00%3A00%3A00Z&later=x&by=key&sig=abc"
        );
        let link: Link = text.parse().unwrap();
        assert_eq!(link.tag.as_deref(), Some("2024.1"));
        assert_eq!(link.sender.as_deref(), Some("Ada L"));
        assert_eq!((link.key.as_deref(), link.signature.as_deref()), (Some("key"), Some("abc")));
        assert_eq!(link.signed_text(), text.trim_end_matches("&by=key&sig=abc"), "all of it is signed");
        assert!(!link.is_expired(0) && link.is_expired(i64::MAX));
        assert!(link.not_past("launch", 0).is_ok());
        let past = link.not_past("launch", i64::MAX).unwrap_err();
        assert!(past.kind == Kind::Denied && past.why.ends_with("2030-01-01T00:00:00Z"), "{past}");
        assert!(past.hint.contains("launch what it names: oci://r.example:5000/physics/gromacs"), "{past}");
        assert_eq!(link.to_string(), text);
    }

    #[test]
    fn a_tag_inside_the_reference_is_kept() {
        let link: Link = format!("wharf:oci://r.example/a/b:1.0@{DIGEST}").parse().unwrap();
        assert_eq!(link.tag.as_deref(), Some("1.0"));
        assert_eq!(link.to_string().parse::<Link>().unwrap(), link);
    }

    #[test]
    fn a_link_that_was_copied_over_several_lines_is_the_same_link() {
        let whole = format!("wharf:oci://lab.example/physics/gromacs@{DIGEST}?tag=2024.2");
        let broken: Vec<String> =
            whole.as_bytes().chunks(30).map(|part| String::from_utf8_lossy(part).into()).collect();
        let link: Link = whole.parse().unwrap();
        assert_eq!(broken.join("  \n  ").parse::<Link>().unwrap(), link);
        assert_eq!(broken.join("\r\n\u{a0}").parse::<Link>().unwrap(), link);
        let spaced = format!("wharf:file:/home/ada/my images/a b@{DIGEST}");
        assert!(spaced.parse::<Link>().unwrap().to_string().contains("/my images/a b"));
        let endless = format!("{whole}{}", " ".repeat(10_000_000));
        assert_eq!(endless.parse::<Link>().unwrap(), link);
        assert!(format!("{whole}{}", "a ".repeat(10_000_000)).parse::<Link>().is_err());
    }

    #[test]
    fn links_without_a_digest_or_with_nonsense_are_refused() {
        for bad in [
            "http://x",
            "wharf:oci://h/a:latest",
            "wharf:",
            // References of all kinds. Without a digest a link could mean anything by the time it is opened.
            "wharf:file:/tmp/pipe",
            "wharf:file:disk.qcow2",
            "wharf:glance://site/0b5f3a70-1111-2222-3333-444455556666",
            "wharf:glance://site/0b5f3a70-1111-2222-3333-444455556666?at=https%3A%2F%2Fc.example%2Fv3",
            &format!("wharf:volume://site/data?hash={DIGEST}"),
            &format!("wharf:oci://h/a?hash={DIGEST}"),
            &format!("wharf:glance://site/x?hash={DIGEST}&at=file%3A%2F%2F%2Fetc"),
            &format!("wharf:glance://site/x?hash={DIGEST}&at=https%3A%2F%2Fada%3Asecret%40c.example"),
            "wharf:glance://site/x?hash=sha256:12",
            &format!("wharf:oci://h/a@{DIGEST}?until=soon"),
            &format!("wharf:oci://h/a@{DIGEST}?tag=..%2F.."),
            // Found by fuzzing: the end of such a path was lost when the link was written again.
            "wharf:file:a\n?x",
            "wharf:file:a ?x",
        ] {
            assert!(bad.parse::<Link>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_cloud_is_known_by_its_identity_service_and_region_however_they_are_written() {
        let place = |address: &str, region: Option<&str>| CloudPlace {
            address: address.into(),
            region: region.map(str::to_owned),
        };
        let one = place("https://cloud.example.org:5000/v3", Some("one"));
        for same in
            ["https://Cloud.example.org:5000", "https://cloud.example.org:5000/v3/", "https://cloud.example.org:5000/"]
        {
            assert!(place(same, None).is_same_as(&one) && place(same, Some("one")).is_same_as(&one), "{same}");
        }
        assert!(!place("https://cloud.example.org:5000/v3", Some("two")).is_same_as(&one));
        for other in [
            "https://cloud.example.org/v3",
            "http://cloud.example.org:5000/v3",
            "https://cloud.example.org:5000/other/v3",
        ] {
            assert!(!place(other, None).is_same_as(&one), "{other}");
        }
    }

    #[test]
    fn a_clouds_link_carries_the_hash_and_what_everybody_calls_the_cloud() {
        let pinned = Pinned {
            reference: "glance://my-own-name/0b5f3a70-1111-2222-3333-444455556666".parse().unwrap(),
            digest: DIGEST.parse().unwrap(),
            platform: None,
            manifest: DIGEST.parse().unwrap(),
        };
        let place = CloudPlace { address: "https://cloud.example.org:5000/v3".into(), region: Some("one".into()) };
        let text = Link::to(&pinned, Some(place.clone()), None, None).to_string();
        assert!(!text.contains("my-own-name") && text.starts_with("wharf:glance://cloud.example.org/0b5f"), "{text}");
        let read: Link = text.parse().unwrap();
        assert_eq!((read.digest(), read.cloud.as_ref()), (Some(&pinned.digest), Some(&place)));
        assert_eq!(read.reference_in("theirs").to_string(), "glance://theirs/0b5f3a70-1111-2222-3333-444455556666");
        assert_eq!(read.to_string(), text);
        // An older form of links: the sender's name for the cloud, but with a hash.
        let old: Link = format!("wharf:glance://lab/x?hash={DIGEST}").parse().unwrap();
        assert!(old.cloud.is_none() && old.digest().is_some());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(text in "wharf:\\PC{0,80}") {
            let _ = text.parse::<Link>();
        }
    }
}
