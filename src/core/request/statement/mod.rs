//! What keys sign: statements of a few kinds, each in a domain of its own. A [`Signer`](crate::ports::Signer)
//! takes nothing else, and a [`Statement`] is made only here (of an admission in [`admission`](super::admission)), from
//! values that were checked: text cannot become one.
//!
//! | kind | `type` | who signs |
//! |---|---|---|
//! | image | `cosign container image signature` (cosign's simple signing) | a person; an approver; a steward, of an admission |
//! | disk | `wharf disk image admission` | a steward |
//! | approval of a disk | `wharf disk image approval` | an approver |
//! | class | `wharf class approval` | an approver |
//! | link | `wharf link` (not JSON) | a person, with their portal key |
//! | taken back | `wharf admission taken back` | an approver, and the steward |

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{decision::Decision, model::Request};
use crate::evidence::terms::{SignatureClaims, Terms};
use crate::{
    base::{
        digest::Digest,
        error::{Error, Result},
    },
    image::{
        link::Link,
        reference::{ImageRef, Name},
    },
};

/// The type in cosign's payloads.
pub const CLASSIC: &str = "cosign container image signature";
/// Wharf's own types, which no program takes for a container's signature.
pub(super) const DISK: &str = "wharf disk image admission";
const DISK_APPROVAL: &str = "wharf disk image approval";
const CLASS: &str = "wharf class approval";
/// No payload of another kind begins so: those are JSON.
const LINK: &str = "wharf link";
const TAKEN_BACK: &str = "wharf admission taken back";

/// The place where something is admitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdmissionPlace {
    /// A repository of the site's registry.
    Repository(Name),
    /// An image in a cloud, by its id.
    Disk(String),
}

/// The exact bytes that are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    text: String,
    says_more: bool,
}

/// cosign's payload: its critical and its optional part, with the fields in cosign's order.
#[derive(Serialize, Deserialize)]
struct Envelope {
    critical: Critical,
    #[serde(default)]
    optional: Option<BTreeMap<String, serde_json::Value>>,
}

#[derive(Serialize, Deserialize)]
struct Critical {
    #[serde(default)]
    identity: Identity,
    image: Signed,
    #[serde(rename = "type")]
    kind: String,
}

/// The place: a repository, or the id of a cloud's image.
#[derive(Default, Serialize, Deserialize)]
struct Identity {
    #[serde(default, rename = "docker-reference", skip_serializing_if = "Option::is_none")]
    repository: Option<String>,
    #[serde(default, rename = "cloud-image", skip_serializing_if = "Option::is_none")]
    disk: Option<String>,
}

/// What is signed: a manifest, or the data of a disk image.
#[derive(Serialize, Deserialize)]
struct Signed {
    #[serde(default, rename = "docker-manifest-digest", skip_serializing_if = "Option::is_none")]
    manifest: Option<String>,
    #[serde(default, rename = "data-digest", skip_serializing_if = "Option::is_none")]
    data: Option<String>,
}

/// The content of a payload, read strictly: a payload of any other kind means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A signature of a container image.
    Image {
        /// The repository that it was signed for; may be empty, or have a tag.
        repository: String,
        /// The digest, as it is written.
        digest: String,
        /// What it states besides the digest.
        stated: SignatureClaims,
    },
    /// The admission of a disk image.
    Disk {
        /// The id of the image in its cloud.
        id: String,
        /// The hash, as it is written.
        digest: String,
        /// What it states besides the hash.
        stated: SignatureClaims,
    },
    /// The revocation of an admission.
    TakenBack {
        /// The digest, as it is written.
        digest: String,
        /// The place: a repository, or the id of a cloud's image.
        place: String,
        /// The approver, the request and the time.
        stated: SignatureClaims,
        /// Why the admission was revoked.
        reason: String,
    },
}

/// The key of the reason in the payload's optional part.
const REASON: &str = "wharf.reason";

impl Payload {
    /// Whether it states more than "I sign this image"; of several by one key, the newest then counts.
    pub fn says_more(&self) -> bool {
        match self {
            Self::Image { stated, .. } => *stated != SignatureClaims::default(),
            Self::Disk { .. } | Self::TakenBack { .. } => true,
        }
    }

    /// Reads a payload; `None` if it is of no known kind, or of two at once.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let all: Envelope = serde_json::from_slice(bytes).ok()?;
        let beside = all.optional.unwrap_or_default();
        let stated = SignatureClaims::from_annotations(&beside);
        let Critical { identity, image, kind } = all.critical;
        match (kind.as_str(), image.manifest, image.data) {
            (CLASSIC, Some(digest), None) => {
                Some(Self::Image { repository: identity.repository.unwrap_or_default(), digest, stated })
            }
            (DISK, None, Some(digest)) => Some(Self::Disk { id: identity.disk?, digest, stated }),
            (TAKEN_BACK, Some(digest), None) | (TAKEN_BACK, None, Some(digest)) => {
                let reason = beside.get(REASON).and_then(serde_json::Value::as_str).unwrap_or("").to_owned();
                Some(Self::TakenBack { digest, place: identity.repository.or(identity.disk)?, stated, reason })
            }
            _ => None,
        }
    }
}

/// What an approver of a disk image signs.
#[derive(Serialize)]
struct DiskApproval<'a> {
    r#type: &'static str,
    request: i64,
    from: &'a str,
    digest: &'a str,
    destination: &'a str,
    terms: &'a Terms,
}

/// What an approver of a class signs.
#[derive(Serialize)]
struct ClassApproval<'a> {
    r#type: &'static str,
    base: &'a str,
    rule: &'a str,
    terms: &'a Terms,
}

impl Statement {
    /// The bytes to sign.
    pub fn bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The bytes as text, which is JSON.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it states more than "I sign this image"; of several by one key, the newest then counts.
    pub fn says_more(&self) -> bool {
        self.says_more
    }

    fn written(value: &impl Serialize, says_more: bool) -> Self {
        // Maps of text can always be written; an empty text would verify for nothing.
        Self { text: serde_json::to_string(value).unwrap_or_default(), says_more }
    }

    /// A statement about a digest in a place.
    pub(super) fn build(
        kind: &str,
        place: &AdmissionPlace,
        digest: &Digest,
        stated: &SignatureClaims,
        reason: Option<&str>,
    ) -> Self {
        let mut beside: BTreeMap<String, serde_json::Value> =
            stated.annotations().into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        beside.extend(reason.map(|reason| (REASON.to_owned(), reason.into())));
        let (identity, image) = match place {
            AdmissionPlace::Repository(name) => (
                Identity { repository: Some(name.bare()), disk: None },
                Signed { manifest: Some(digest.to_string()), data: None },
            ),
            AdmissionPlace::Disk(id) => (
                Identity { repository: None, disk: Some(id.clone()) },
                Signed { manifest: None, data: Some(digest.to_string()) },
            ),
        };
        let says_more = !beside.is_empty();
        let optional = says_more.then_some(beside);
        Self::written(&Envelope { critical: Critical { identity, image, kind: kind.to_owned() }, optional }, says_more)
    }

    /// A person's signature of an image, as `cosign sign` writes it: with the digest and the repository, but no tag,
    /// since tags move.
    pub fn for_image(name: &Name, digest: &Digest) -> Self {
        Self::build(CLASSIC, &AdmissionPlace::Repository(name.clone()), digest, &SignatureClaims::default(), None)
    }

    /// A person's signature of a link that they send.
    pub fn for_link(link: &Link) -> Self {
        Self { text: format!("{LINK}\n{}", link.signed_text()), says_more: false }
    }

    /// An approver's signature of a request. For a container image it is attached to the admitted image; for a disk
    /// image the steward's statement is attached, and this one says that a person approved it.
    ///
    /// It states no scan, because the approver has not made one.
    pub fn for_approval(request: &Request, decision: &Decision, at: i64) -> Result<Self> {
        match request.destination.parse()? {
            ImageRef::Oci(name) => {
                let digest = request.asked.digest.parse()?;
                let stated = SignatureClaims {
                    only: decision.terms.only.then(|| name.bare()),
                    terms: decision.terms.clone(),
                    approver: decision.by.clone(),
                    request: request.id.to_string(),
                    at,
                    ..SignatureClaims::default()
                };
                Ok(Self::build(CLASSIC, &AdmissionPlace::Repository(name), &digest, &stated, None))
            }
            ImageRef::Glance { .. } => {
                let approval = DiskApproval {
                    r#type: DISK_APPROVAL,
                    request: request.id,
                    from: &request.asked.from,
                    digest: &request.asked.digest,
                    destination: &request.destination,
                    terms: &decision.terms,
                };
                Ok(Self::written(&approval, true))
            }
            other => {
                let what = format!("approve {}", request.called());
                Err(Error::usage(what, format!("nothing is admitted as {other}")))
            }
        }
    }

    /// Whether a text is exactly what the approver would have signed for this request, whatever the time.
    pub fn is_approval_of(text: &str, request: &Request, decision: &Decision) -> bool {
        let at = match Payload::parse(text.as_bytes()) {
            Some(Payload::Image { stated, .. }) => stated.at,
            _ => 0,
        };
        Self::for_approval(request, decision, at).is_ok_and(|statement| statement.text == text)
    }

    /// An approver's signature of a class: everything that one rule blocks on one base image.
    pub fn class_author(base: &str, rule: &str, terms: &Terms) -> Self {
        Self::written(&ClassApproval { r#type: CLASS, base, rule, terms }, true)
    }

    /// Whether a text is the approval of a class.
    pub fn is_of_class(text: &str) -> bool {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        serde_json::from_str::<Kind>(text).is_ok_and(|kind| kind.r#type == CLASS)
    }

    /// The revocation of an admission: earlier statements about these bytes in this place are not trusted any longer.
    pub fn for_revocation(
        place: &AdmissionPlace,
        digest: &Digest,
        request: i64,
        (by, reason): (&str, &str),
        now: i64,
    ) -> Self {
        let stated = SignatureClaims {
            approver: by.to_owned(),
            request: request.to_string(),
            at: now,
            ..SignatureClaims::default()
        };
        Self::build(TAKEN_BACK, place, digest, &stated, Some(reason))
    }
}

#[cfg(test)]
mod tests;
