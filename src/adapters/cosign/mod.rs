//! Signatures as cosign writes them: classic `.sig` tags and Sigstore bundles, found by tag, by the referrers interface
//! and by its fallback tag; verified with the keys that the policy names. No network but the image's own registry.

pub mod keyless;
pub mod payload;

use std::{collections::BTreeSet, sync::OnceLock};

use async_trait::async_trait;

use self::{
    keyless::{Answer, Keyless},
    payload::{Bundle, Miss},
};
use crate::{
    adapters::{
        Parts, Surroundings,
        attachments::{self, Layer, Wanted},
        keys::Key,
    },
    core::{
        clean,
        config::Config,
        digest::Digest,
        error::{Error, Kind as ErrorKind, Result},
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
/// How long it is remembered that something could not be read.
const SOON: i64 = 60;
/// The type of a bundle, and of its layer.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// What cosign calls a classic signature that it attaches as an artifact.
const CLASSIC_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// What holds signatures. The tags of attestations end otherwise.
const SIGNATURES: Wanted = Wanted {
    words: "signatures",
    tags: &[".sig"],
    kind: |kind| kind == CLASSIC_ARTIFACT || is_signature(kind),
    layer: is_signature,
};

fn is_signature(media_type: &str) -> bool {
    media_type == PAYLOAD || media_type.starts_with(BUNDLE)
}

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
            Answer::Unrooted(why) | Answer::Unclaimed(why) => found(Signature::Untrusted, String::new(), why),
            Answer::Wrong(why) => found(Signature::Invalid, String::new(), why),
            Answer::Unknown(why) => found(Signature::Unreachable, String::new(), why),
        }
    }

    /// What a layer of an attached manifest says of `digest`; `None` if it is no signature. An error means that it could
    /// not be read.
    ///
    /// Whoever may push may attach what they like. So a signature of another image is none of this one, and no failed one:
    /// only what claims this digest and a trusted key, and does not fit, is that.
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
        let place = at.spoken();
        let other = |why: String| Found {
            state: Signature::NoneFound,
            signer: String::new(),
            reason: format!("none of this image: something else is attached: {why} ({place})"),
            stated: Stated::default(),
        };
        let bytes = layer.read(cx, content, at, LIMIT).await?;
        if classic {
            return Ok(match payload::classic_misses(&bytes, digest, tag) {
                Some(Miss::Other(_)) => None,
                Some(Miss::Wrong(why)) => Some(other(why)),
                miss => {
                    let text = layer.annotations.get(ANNOTATION).map_or("", String::as_str);
                    let signatures: Vec<Vec<u8>> = payload::base64(text).into_iter().collect();
                    let by_key = bound(self.judged(&bytes, &signatures, "", &place), &bytes, at);
                    let by_key = for_tag(by_key, miss.as_ref());
                    if by_key.state == Signature::Verified || !layer.annotations.contains_key(keyless::CERTIFICATE) {
                        return Ok(Some(by_key));
                    }
                    let ask = |keyless: &Keyless| {
                        let none = || Answer::Unknown("it has no certificate".to_owned());
                        keyless.classic(&bytes, text, &layer.annotations).unwrap_or_else(none)
                    };
                    Some(for_tag(self.certified(ask, &place), miss.as_ref()))
                }
            });
        }
        let Some(bundle) = Bundle::read(&bytes) else { return Ok(None) };
        Ok(match bundle.misses(digest) {
            Some(Miss::Other(_)) => None,
            Some(Miss::Wrong(why) | Miss::Tag(why)) => Some(other(why)),
            None if bundle.is_keyless() => Some(self.certified(|keyless| keyless.bundle(&bytes, digest), &place)),
            None => {
                bundle.signed().map(|(message, signatures)| self.judged(&message, &signatures, bundle.hint(), &place))
            }
        })
    }
}

/// Which of several signatures tells how an image stands: the best; of two that count, the one that is bound to less,
/// then the one that says more.
///
/// One that fails takes nothing from a good one beside it: whoever may push could attach one to deny an image to all.
/// It outweighs everything else.
fn standing(found: &Found) -> (u8, bool, bool) {
    let bound = found.stated.terms.until.is_some() || found.stated.only.is_some();
    let weight = match found.state {
        Signature::Invalid => 2 * Signature::CoveredByIndex.weight() - 1,
        state => 2 * state.weight(),
    };
    (weight, !bound, !found.stated.request.is_empty())
}

/// A good signature that was made for another tag does not count for this one.
fn for_tag(mut found: Found, miss: Option<&Miss>) -> Found {
    if let (true, Some(Miss::Tag(why))) = (found.state.is_good(), miss) {
        found.state = Signature::Expired;
        found.reason = format!("{why} ({})", found.reason);
    }
    found
}

/// That something could not be looked at. Nobody knows what stands there: the image may be signed.
fn unseen(errors: &[Error]) -> Option<Found> {
    let words = attachments::unseen_words(errors);
    (!words.is_empty()).then(|| Found {
        state: Signature::Unreachable,
        signer: String::new(),
        reason: words,
        stated: Stated::default(),
    })
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
        let (mut taken, mut ends, mut blind) = (BTreeSet::new(), i64::MAX, Vec::new());
        // The platform's own manifest first; then the index, whose signature covers what it lists.
        let listed = image.platforms.iter().any(|entry| entry.digest == pinned.manifest);
        let index = (pinned.digest != pinned.manifest && listed).then_some(&pinned.digest);
        for digest in std::iter::once(&pinned.manifest).chain(index) {
            let looked = attachments::of(cx, supply, digest, &SIGNATURES).await?;
            blind.extend(looked.unseen);
            for attached in &looked.attached {
                for layer in &attached.layers {
                    let mut one = match self.of_layer(cx, &**content, &attached.at, layer, digest, tag).await {
                        Ok(Some(one)) => one,
                        Ok(None) => continue,
                        Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
                        Err(error) => {
                            blind.push(error);
                            continue;
                        }
                    };
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
                    if standing(&one) > standing(&best) || best.reason.is_empty() {
                        best = one;
                    }
                }
            }
        }
        if let Some(one) = unseen(&blind).filter(|one| standing(one) > standing(&best)) {
            best = one;
        }
        if best.reason.is_empty() {
            best.reason.push_str("looked for a signature tag, referrers, and their fallback tag");
        }
        let valid = match best.state {
            Signature::NoneFound => ABSENT,
            Signature::Unreachable => SOON,
            _ => FOUND,
        };
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
