//! Signatures as cosign writes them: classic `.sig` tags and Sigstore bundles, found by tag, by the referrers interface
//! and by its fallback tag; verified with the keys that the policy names. No network but the image's own registry.

pub mod keyless;
pub mod payload;

use std::{collections::BTreeSet, sync::OnceLock};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};

use self::{
    keyless::{Answer, Keyless},
    payload::{Bundle, Miss},
};
use crate::{
    adapters::{
        Parts, Surroundings,
        attachments::{self, Layer},
        keys::Key,
    },
    core::{
        clean,
        config::Config,
        digest::Digest,
        error::{Kind as ErrorKind, Result},
        evidence::Signature,
        model::{Image, Pinned},
        policy::SignatureRules,
        ports::{Checker, Content, Supply},
        progress::Context,
        record::{By, Kind, Outcome, Record, STATED, tool},
        reference::{ImageRef, Name},
        request::{
            Terms,
            terms::{Attested, Stated},
        },
        sign::{ANNOTATION, PAYLOAD},
        text,
    },
};

/// No payload or bundle is larger.
const LIMIT: usize = 2 << 20;
/// How long a signature that was found counts, and how long its absence.
const FOUND: i64 = 86_400;
const ABSENT: i64 = 3_600;
/// How the tags of classic signatures end; those of attestations end otherwise.
const SIGNATURE_TAG: &str = ".sig";
/// The type of a bundle's layer.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";

/// Checks signatures with the policy's keys.
pub struct Cosign {
    keys: Vec<Key>,
    rules: SignatureRules,
    /// Made when the first certificate is seen: roots take a while to read.
    keyless: OnceLock<Result<Keyless>>,
}

/// What one signature says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    state: Signature,
    signer: String,
    reason: String,
    stated: Stated,
}

impl Cosign {
    /// What signatures over a message say, once it is known that the message is of this image.
    fn judged(&self, message: &[u8], signatures: &[Vec<u8>], hint: &str, place: &str) -> Found {
        let fits = |key: &&Key| signatures.iter().any(|signature| key.verifies(message, signature));
        if let Some(key) = self.keys.iter().find(fits) {
            return Found {
                state: Signature::Verified,
                signer: key.label(),
                reason: place.to_owned(),
                stated: Stated::default(),
            };
        }
        let none = |state, reason: &str| Found {
            state,
            signer: String::new(),
            reason: format!("{reason} ({place})"),
            stated: Stated::default(),
        };
        if self.keys.iter().any(|key| key.is_hinted(hint)) {
            return none(Signature::Invalid, "it says it was made by a trusted key, and does not fit");
        }
        if self.keys.is_empty() {
            return none(Signature::NoKey, "the policy names no key to check it with");
        }
        none(Signature::Untrusted, "it fits none of the policy's keys")
    }

    /// What a signature with a certificate says.
    fn certified(&self, ask: impl FnOnce(&Keyless) -> Answer, place: &str) -> Found {
        let found = |state, signer: String, reason: String| {
            let reason = if reason.is_empty() { place.to_owned() } else { format!("{reason} ({place})") };
            Found { state, signer, reason, stated: Stated::default() }
        };
        let keyless = match self.keyless.get_or_init(|| Keyless::new(&self.rules)) {
            Ok(keyless) => keyless,
            Err(error) => {
                return found(Signature::Unreachable, String::new(), format!("{}: {}", error.what, error.why));
            }
        };
        match ask(keyless) {
            Answer::Trusted(who) => found(Signature::Verified, who, String::new()),
            Answer::Stranger(who) => found(Signature::Untrusted, who, "the policy does not name them".into()),
            Answer::NoRule(who) => found(Signature::NoKey, who, "the policy names no identity".into()),
            Answer::Unrooted(why) => found(Signature::Untrusted, String::new(), why),
            Answer::Wrong(why) => found(Signature::Invalid, String::new(), why),
            Answer::Unknown(why) => found(Signature::Unreachable, String::new(), why),
        }
    }

    /// What a layer of an attached manifest says of `digest`; `None` if it is no signature.
    async fn of_layer(
        &self,
        cx: &Context,
        content: &dyn Content,
        at: &ImageRef,
        layer: &Layer,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Result<Option<Found>> {
        let classic = layer.media_type == PAYLOAD;
        if !classic && !layer.media_type.starts_with(BUNDLE) {
            return Ok(None);
        }
        let place = at.spoken();
        let wrong = |why: String| Found {
            state: Signature::Invalid,
            signer: String::new(),
            reason: format!("{why} ({place})"),
            stated: Stated::default(),
        };
        let bytes = match layer.read(cx, content, at, LIMIT).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind == ErrorKind::Integrity => return Ok(Some(wrong(error.why))),
            Err(error) => return Err(error),
        };
        if classic {
            return Ok(match payload::classic_misses(&bytes, digest, tag) {
                Some(Miss::Other(_)) => None,
                Some(Miss::Wrong(why)) => Some(wrong(why)),
                None => {
                    let text = layer.annotations.get(ANNOTATION).map_or("", String::as_str);
                    let signatures: Vec<Vec<u8>> = STANDARD.decode(text.trim()).into_iter().collect();
                    let by_key = bound(self.judged(&bytes, &signatures, "", &place), &bytes, at);
                    if by_key.state == Signature::Verified || !layer.annotations.contains_key(keyless::CERTIFICATE) {
                        return Ok(Some(by_key));
                    }
                    let ask = |keyless: &Keyless| {
                        let none = || Answer::Unknown("it has no certificate".to_owned());
                        keyless.classic(&bytes, text, &layer.annotations).unwrap_or_else(none)
                    };
                    Some(self.certified(ask, &place))
                }
            });
        }
        let Some(bundle) = Bundle::read(&bytes) else { return Ok(None) };
        Ok(match bundle.misses(digest) {
            Some(Miss::Other(_)) => None,
            Some(Miss::Wrong(why)) => Some(wrong(why)),
            None if bundle.is_keyless() => Some(self.certified(|keyless| keyless.bundle(&bytes, digest), &place)),
            None => {
                bundle.signed().map(|(message, signatures)| self.judged(&message, &signatures, bundle.hint(), &place))
            }
        })
    }
}

/// Which of several signatures tells how an image stands: the best; of two that count, the one that is bound to less,
/// then the one that says more.
fn standing(found: &Found) -> (u8, bool, bool) {
    let bound = found.stated.terms.until.is_some() || found.stated.only.is_some();
    (found.state.weight(), !bound, !found.stated.request.is_empty())
}

/// A good signature with what it states: one whose conditions are not met does not count here and now.
fn bound(mut found: Found, payload: &[u8], at: &ImageRef) -> Found {
    if found.state != Signature::Verified {
        return found;
    }
    let name = at.name().map(Name::bare).unwrap_or_default();
    found.stated = Stated::read(payload);
    if let Some(why) = found.stated.misses(&name, text::now()) {
        found.state = Signature::Expired;
        found.reason = format!("{why} ({})", found.reason);
    }
    found.signer = found.stated.signer(found.signer);
    found
}

#[async_trait]
impl Checker for Cosign {
    fn name(&self) -> &'static str {
        "cosign"
    }

    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn made(&self, record: &Record) -> bool {
        record.kind() == Kind::Signature && record.tool.ends_with(" cosign") || record.tool.ends_with(STATED)
    }

    fn inputs(&self) -> Vec<String> {
        let keys = self.keys.iter().map(|key| key.id.clone());
        keys.chain(self.rules.identity.iter().map(|rule| format!("{} by {}", rule.identity, rule.issuer))).collect()
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>> {
        let (Some(pinned), Some(content)) = (&image.pinned, &supply.content) else { return Ok(Vec::new()) };
        if !matches!(pinned.reference, ImageRef::Oci(_)) {
            return Ok(Vec::new());
        }
        let tag = pinned.reference.tag();
        let mut best = Found {
            state: Signature::NoneFound,
            signer: String::new(),
            reason: String::new(),
            stated: Stated::default(),
        };
        let mut scan: Option<Attested> = None;
        let (mut taken, mut ends) = (BTreeSet::new(), i64::MAX);
        // The platform's own manifest first; then the index, whose signature covers what it lists.
        let listed = image.platforms.iter().any(|entry| entry.digest == pinned.manifest);
        let index = (pinned.digest != pinned.manifest && listed).then_some(&pinned.digest);
        for digest in std::iter::once(&pinned.manifest).chain(index) {
            for attached in attachments::of(cx, supply, digest).await? {
                if attached.tag.as_ref().is_some_and(|tag| !tag.ends_with(SIGNATURE_TAG)) {
                    continue;
                }
                for layer in &attached.layers {
                    let found = self.of_layer(cx, &**content, &attached.at, layer, digest, tag).await?;
                    let Some(mut one) = found else { continue };
                    if one.state == Signature::Verified && *digest != pinned.manifest {
                        one.state = Signature::CoveredByIndex;
                    }
                    let good = one.state.is_good();
                    if let Some(stated) = one.stated.scan.take().filter(|_| good) {
                        if scan.as_ref().is_none_or(|known| known.scanned < stated.scanned) {
                            scan = Some(stated);
                        }
                    }
                    if good && !one.stated.terms.exceptions.is_empty() {
                        taken.extend(one.stated.terms.exceptions.iter().cloned());
                        ends = ends.min(one.stated.terms.until.unwrap_or(i64::MAX));
                    }
                    if standing(&one) > standing(&best) {
                        best = one;
                    }
                }
            }
        }
        if best.reason.is_empty() {
            best.reason.push_str("looked for a signature tag, referrers, and their fallback tag");
        }
        let valid = if best.state == Signature::NoneFound { ABSENT } else { FOUND };
        let outcome = Outcome::Signature { state: best.state, signer: best.signer };
        let signed = Record::now(pinned, By::Wharf, tool("cosign"), outcome, valid);
        let own_end = best.stated.terms.until.filter(|_| best.state != Signature::Expired).unwrap_or(i64::MAX);
        let ends = ends.min(own_end);
        // What one of them has taken is taken, also where another has signed without a word.
        let terms = Terms { exceptions: taken.into_iter().collect(), ..best.stated.terms };
        let terms = Some(terms).filter(|terms| !terms.is_empty());
        let valid_until = signed.valid_until.min(ends);
        let mut records = vec![Record { inputs: self.inputs(), reason: best.reason, terms, valid_until, ..signed }];
        records.extend(scan.map(|scan| self.stated(pinned, scan)));
        Ok(records)
    }
}

impl Cosign {
    /// The scan that a good signature states, as evidence: whoever may admit images has made it.
    fn stated(&self, pinned: &Pinned, scan: Attested) -> Record {
        let outcome = Outcome::Scan {
            state: scan.state,
            counts: scan.counts,
            packages: scan.packages,
            scanned: Some(scan.scanned),
            database: scan.database,
            worst: scan.named,
        };
        let tool = format!("{}, {STATED}", clean::short(&scan.tool, 60));
        let record = Record::now(pinned, By::Wharf, tool, outcome, FOUND);
        let reason = "it is part of what is signed".to_owned();
        Record { at: scan.scanned.min(record.at), inputs: self.inputs(), reason, ..record }
    }
}

/// The checker, with the policy's keys. A key that cannot be read makes nothing trusted, and is a finding.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut keys = Vec::new();
    for path in &config.policy.signature.keys {
        match Key::load(path) {
            Ok(key) => {
                parts.note("signature key", true, format!("{} ({})", path.display(), &key.id[..16]), "");
                keys.push(key);
            }
            Err(error) => parts.note("signature key", false, format!("{}: {}", error.what, error.why), &error.hint),
        }
    }
    parts.checkers.push(std::sync::Arc::new(Cosign {
        keys,
        rules: config.policy.signature.clone(),
        keyless: OnceLock::new(),
    }));
    Ok(())
}
