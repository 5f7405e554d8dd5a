//! cosign's signatures: classic `.sig` tags and Sigstore bundles, found by tag, by the referrers API and by its
//! fallback tag, and verified with the policy's keys. Only the image's own registry is contacted.

pub mod keyless;
pub mod payload;

use std::{collections::BTreeSet, sync::OnceLock};

use async_trait::async_trait;

use self::{
    keyless::{Answer, Keyless},
    payload::{Bundle, PayloadMismatch},
};
use super::{
    formats::keys::Key,
    parts::{Parts, Surroundings},
    shared::attachments::{self, AttachmentQuery, Clock, Layer},
};
use wharf_core::{
    base::{
        badge::Signature,
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind as ErrorKind, Result},
        text,
    },
    config::Config,
    evidence::{
        record::{CheckedBy, Kind, Outcome, Record, tool},
        terms::{AttestedScan, SignatureClaims},
    },
    image::{
        model::{Image, Pinned},
        reference::{ImageRef, Name},
    },
    policy::SignatureRules,
    portal::{
        doctor::State,
        signatures::{ANNOTATION, PAYLOAD},
    },
    ports::{Checker, Content, Supply},
    request::{Terms, statement::Payload},
};

/// Largest payload or bundle that is read, in bytes.
const LIMIT: usize = 2 << 20;
/// How long a signature that was found, and the absence of one, stay valid evidence, in seconds.
const FOUND: i64 = 3_600;
const ABSENT: i64 = 3_600;
/// How long a failed look stays on record, in seconds.
const SOON: i64 = 60;
/// Beginning of the media type of a Sigstore bundle and of its layer.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle";
/// The artifact type of a classic signature that is attached as an artifact.
const CLASSIC_ARTIFACT: &str = "application/vnd.dev.cosign.artifact.sig.v1+json";
/// What attachments hold signatures. The tags of attestations have another ending (`.att`).
const SIGNATURES: AttachmentQuery = AttachmentQuery {
    words: "signatures",
    tags: &[".sig"],
    kind: |kind| kind == CLASSIC_ARTIFACT || is_signature(kind),
    layer: is_signature,
};

fn is_signature(media_type: &str) -> bool {
    media_type == PAYLOAD || media_type.starts_with(BUNDLE)
}

/// The checker for cosign's signatures.
pub struct Cosign {
    keys: Vec<Key>,
    /// The ids of the keys that may admit images.
    admitting: BTreeSet<String>,
    rules: SignatureRules,
    /// Created when the first certificate is seen, because reading roots takes a while.
    keyless: OnceLock<Result<Keyless>>,
}

/// The result of verifying one signature.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    state: Signature,
    signer: String,
    reason: String,
    stated: SignatureClaims,
    /// The id of the policy's key that verified it.
    key: Option<String>,
}

impl Found {
    fn new(state: Signature, signer: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { state, signer: signer.into(), reason: reason.into(), stated: SignatureClaims::default(), key: None }
    }
}

impl Cosign {
    /// Verifies signatures over a message that is known to be about this image.
    fn judged(&self, message: &[u8], signatures: &[Vec<u8>], hint: &str, place: &str) -> Found {
        let fits = |key: &&Key| signatures.iter().any(|signature| key.verifies(message, signature));
        if let Some(key) = self.keys.iter().find(fits) {
            return Found { key: Some(key.id.clone()), ..Found::new(Signature::Verified, key.label(), place) };
        }
        let none = |state, reason: &str| Found::new(state, "", format!("{reason} ({place})"));
        if self.keys.iter().any(|key| key.is_hinted(hint)) {
            return none(Signature::Invalid, "it says it was made by a trusted key, and does not fit");
        }
        if self.keys.is_empty() {
            return none(Signature::NoKey, "the policy names no key to check it with");
        }
        none(Signature::Untrusted, "it fits none of the policy's keys")
    }

    /// Completes a valid signature with its statement. It counts only in the repository that it was made for, and while
    /// its conditions are met. What else it states is believed only of keys that may admit images.
    fn bound(&self, mut found: Found, payload: &[u8], at: &ImageRef) -> Found {
        if !found.state.is_good() {
            return found;
        }
        let name = at.name().map(Name::bare).unwrap_or_default();
        let (signed_in, stated) = match Payload::parse(payload) {
            Some(Payload::Image { repository, stated, .. }) => (repository, stated),
            _ => (String::new(), SignatureClaims::default()),
        };
        let may_admit = found.key.as_ref().is_some_and(|key| self.admitting.contains(key));
        found.stated = if may_admit { stated } else { stated.conditions() };
        let signed_in = payload::repository(&signed_in);
        if let Some(why) = found.stated.why_ended(text::now()) {
            found.state = Signature::Expired;
            found.reason = format!("{why} ({})", found.reason);
        } else if let Some(why) = found.stated.is_elsewhere(&name) {
            found.state = Signature::Elsewhere;
            found.reason = format!("{why} ({})", found.reason);
        } else if !signed_in.is_empty() && !self.rules.covers(&signed_in, &name) {
            // This goes for admissions too: in another repository, an admission would survive its revocation.
            found.state = Signature::Elsewhere;
            found.reason = format!("it was made for {} ({})", clean::short(&signed_in, 80), found.reason);
        }
        found.signer = found.stated.signer(found.signer);
        found
    }

    /// The result for a signature with a certificate.
    fn certified(&self, ask: impl FnOnce(&Keyless) -> Answer, place: &str) -> Found {
        let found = |state, signer: String, reason: String| {
            Found::new(state, signer, if reason.is_empty() { place.to_owned() } else { format!("{reason} ({place})") })
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

    /// The revocation of this digest's admission in this repository, if a key that may admit images has signed one.
    fn revocation(&self, bytes: &[u8], signatures: &[Vec<u8>], digest: &Digest, at: &ImageRef) -> Option<Found> {
        let Some(Payload::TakenBack { digest: of, place, stated, reason }) = Payload::parse(bytes) else { return None };
        let here = at.name().map(Name::bare).unwrap_or_default();
        let key = self.keys.iter().find(|key| signatures.iter().any(|signature| key.verifies(bytes, signature)))?;
        let counts = of == digest.as_str() && place == here && self.admitting.contains(&key.id);
        counts.then(|| Found {
            key: Some(key.id.clone()),
            stated: stated.clone(),
            ..Found::new(
                Signature::TakenBack,
                key.label(),
                format!(
                    "by {} on {}: {}",
                    clean::short(&stated.approver, 60),
                    text::timestamp(stated.at),
                    clean::short(&reason, 200)
                ),
            )
        })
    }

    /// A valid signature from a bundle, which counts only in the repositories that its statement names, if it names
    /// any.
    fn made_here(&self, mut found: Found, repositories: &[String], at: &ImageRef) -> Found {
        let name = at.name().map(Name::bare).unwrap_or_default();
        let here = repositories.is_empty() || repositories.iter().any(|one| self.rules.covers(one, &name));
        if found.state.is_good() && !here {
            found.state = Signature::Elsewhere;
            found.reason = format!("it was made for {} ({})", clean::short(&repositories.join(", "), 80), found.reason);
        }
        found
    }

    /// The result for a layer of an attached manifest about `digest`; `None` if the layer is no signature. An error
    /// means that the layer could not be read.
    ///
    /// Everybody who may push can attach anything. So a signature of another image is ignored and not a failed one:
    /// failed is only a signature that claims this digest and a trusted key, and is not valid.
    async fn layer_result(
        &self,
        cx: &Context,
        content: &dyn Content,
        at: &ImageRef,
        layer: &Layer,
        digest: &Digest,
        tag: Option<&str>,
    ) -> Result<Option<Found>> {
        let classic = layer.media_type == PAYLOAD;
        let place = at.short_text();
        let other = |why: String| {
            let reason = format!("none of this image: something else is attached: {why} ({place})");
            Found::new(Signature::NoneFound, "", reason)
        };
        let bytes = layer.read(cx, content, at, LIMIT).await?;
        if classic {
            let text = layer.annotations.get(ANNOTATION).map_or("", String::as_str);
            let signatures: Vec<Vec<u8>> = payload::base64(text).into_iter().collect();
            if let Some(taken) = self.revocation(&bytes, &signatures, digest, at) {
                return Ok(Some(taken));
            }
            return Ok(match payload::classic_misses(&bytes, digest, tag) {
                Some(PayloadMismatch::Other(_)) => None,
                Some(PayloadMismatch::Wrong(why)) => Some(other(why)),
                miss => {
                    let by_key = self.bound(self.judged(&bytes, &signatures, "", &place), &bytes, at);
                    let by_key = for_tag(by_key, miss.as_ref());
                    if by_key.key.is_some() || !layer.annotations.contains_key(keyless::CERTIFICATE) {
                        return Ok(Some(by_key));
                    }
                    let ask = |keyless: &Keyless| {
                        let none = || Answer::Unknown("it has no certificate".to_owned());
                        keyless.classic(&bytes, text, &layer.annotations).unwrap_or_else(none)
                    };
                    Some(for_tag(self.bound(self.certified(ask, &place), &bytes, at), miss.as_ref()))
                }
            });
        }
        let Some(bundle) = Bundle::read(&bytes) else { return Ok(None) };
        Ok(match bundle.misses(digest) {
            Some(PayloadMismatch::Other(_)) => None,
            Some(PayloadMismatch::Wrong(why) | PayloadMismatch::Tag(why)) => Some(other(why)),
            None => {
                let found = if bundle.is_keyless() {
                    Some(self.certified(|keyless| keyless.bundle(&bytes, digest), &place))
                } else {
                    let judged = |(message, signatures): (Vec<u8>, Vec<Vec<u8>>)| {
                        self.judged(&message, &signatures, bundle.hint(), &place)
                    };
                    bundle.signed().map(judged)
                };
                found.map(|found| self.made_here(found, &bundle.repositories(digest), at))
            }
        })
    }
}

/// The order in which signatures decide the badge: the best state first; of valid ones, the one with fewer conditions,
/// then the one that states more.
///
/// A failed signature outweighs all but a valid one: everybody who may push could otherwise attach a bad signature to
/// block an image.
fn standing(found: &Found) -> (u8, bool, bool) {
    let bound = found.stated.terms.until.is_some() || found.stated.only.is_some();
    let weight = match found.state {
        Signature::Invalid => 2 * Signature::CoveredByIndex.weight() - 1,
        state => 2 * state.weight(),
    };
    (weight, !bound, !found.stated.request.is_empty())
}

/// A valid signature that was made for another tag does not count for this one.
fn for_tag(mut found: Found, miss: Option<&PayloadMismatch>) -> Found {
    if let (true, Some(PayloadMismatch::Tag(why))) = (found.state.is_good(), miss) {
        found.state = Signature::Expired;
        found.reason = format!("{why} ({})", found.reason);
    }
    found
}

/// The result if something could not be looked at: the image may be signed there, so its state is unknown.
fn unseen(errors: &[Error]) -> Option<Found> {
    let words = attachments::unseen_words(errors);
    (!words.is_empty()).then(|| Found::new(Signature::Unreachable, "", words))
}

#[async_trait]
impl Checker for Cosign {
    fn name(&self) -> &'static str {
        "cosign"
    }

    fn kind(&self) -> Kind {
        Kind::Signature
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
        let (mut all, mut blind): (Vec<Found>, Vec<Error>) = (Vec::new(), Vec::new());
        let clock = Clock::start(cx);
        // The platform's own manifest comes first, then the index, whose signature covers the manifests that it lists.
        let listed = image.platforms.iter().any(|entry| entry.digest == pinned.manifest);
        let index = (pinned.digest != pinned.manifest && listed).then_some(&pinned.digest);
        for digest in std::iter::once(&pinned.manifest).chain(index) {
            let looked = attachments::find(cx, supply, digest, &SIGNATURES).await?;
            blind.extend(looked.unseen);
            for attached in &looked.attached {
                for layer in &attached.layers {
                    let looked = self.layer_result(cx, &**content, &attached.at, layer, digest, tag);
                    let mut one = match clock.run(looked).await {
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
                    all.push(one);
                }
            }
        }
        all.extend(unseen(&blind));
        Ok(self.combined(pinned, all))
    }
}

impl Cosign {
    /// The records of all signatures together: the signature that decides, and the scan that one of them states.
    fn combined(&self, pinned: &Pinned, mut all: Vec<Found>) -> Vec<Record> {
        // A revoked admission does not count, unless the image was admitted again later.
        let taken_back = all.iter().filter(|one| one.state == Signature::TakenBack).map(|one| one.stated.at).max();
        let newest = all.iter().filter(|one| one.state.is_good() && one.stated.admits()).map(|one| one.stated.at).max();
        match (taken_back, newest) {
            (Some(back), Some(newest)) if newest > back => all.retain(|one| one.state != Signature::TakenBack),
            (Some(_), _) => all.retain(|one| !one.stated.admits() || one.state == Signature::TakenBack),
            _ => {}
        }
        let good = || all.iter().filter(|one| one.state.is_good());
        let scan = good()
            .filter_map(|one| Some((one.key.clone()?, one.stated.scan.clone()?)))
            .max_by_key(|(_, scan)| scan.database.unwrap_or(scan.scanned).min(scan.scanned));
        // Findings that one valid signature has accepted are accepted, even if another one states nothing.
        let taking = |one: &&Found| !one.stated.terms.exceptions.is_empty() || !one.stated.terms.rules.is_empty();
        let words = |of: fn(&Terms) -> &Vec<String>| -> Vec<String> {
            let all: BTreeSet<String> = good().flat_map(|one| of(&one.stated.terms).iter().cloned()).collect();
            all.into_iter().collect()
        };
        let (exceptions, rules) = (words(|terms| &terms.exceptions), words(|terms| &terms.rules));
        let ends = good().filter(taking).filter_map(|one| one.stated.terms.until).min().unwrap_or(i64::MAX);
        let none = || Found::new(Signature::NoneFound, "", "");
        let mut best = all.into_iter().max_by_key(standing).unwrap_or_else(none);
        if best.reason.is_empty() {
            best.reason.push_str("looked for a signature tag, referrers, and their fallback tag");
        }
        let valid = match best.state {
            Signature::NoneFound => ABSENT,
            Signature::Unreachable => SOON,
            _ => FOUND,
        };
        let outcome = Outcome::Signature { state: best.state, signer: best.signer };
        let signed = Record::now(pinned, CheckedBy::Wharf, tool("cosign"), outcome, valid);
        let own_end = best.stated.terms.until.filter(|_| best.state.is_good()).unwrap_or(i64::MAX);
        let terms = Some(Terms { exceptions, rules, ..best.stated.terms }).filter(|terms| !terms.is_empty());
        let valid_until = signed.valid_until.min(ends).min(own_end);
        let mut records = vec![Record { inputs: self.inputs(), reason: best.reason, terms, valid_until, ..signed }];
        records.extend(scan.map(|(key, scan)| self.stated(pinned, key, scan)));
        records
    }

    /// The scan that a valid signature states, as evidence made by a key that may admit images.
    fn stated(&self, pinned: &Pinned, key: String, scan: AttestedScan) -> Record {
        let outcome = Outcome::Scan {
            state: scan.state,
            counts: scan.counts,
            packages: scan.packages,
            scanned: Some(scan.scanned),
            database: scan.database,
            worst: scan.named,
        };
        let record = Record::now(pinned, CheckedBy::Signer(key), clean::short(&scan.tool, 60), outcome, FOUND);
        let reason = "it is part of what is signed".to_owned();
        Record { at: scan.scanned.min(record.at), inputs: self.inputs(), reason, ..record }
    }
}

/// Registers the checker with the policy's keys. A key that cannot be read becomes a finding, and verifies nothing.
pub fn register(config: &Config, _around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut keys = Vec::new();
    let admits = config.policy.signature.admitting();
    let mut admitting = BTreeSet::new();
    for path in &config.policy.signature.all_keys() {
        match Key::load(path) {
            Ok(key) => {
                if admits.contains(path) {
                    admitting.insert(key.id.clone());
                }
                parts.note("signature key", State::Good, format!("{} ({})", path.display(), &key.id[..16]), "");
                keys.push(key);
            }
            Err(error) => {
                parts.note("signature key", State::Bad, format!("{}: {}", error.what, error.why), &error.hint)
            }
        }
    }
    parts.checkers.push(std::sync::Arc::new(Cosign {
        keys,
        admitting,
        rules: config.policy.signature.clone(),
        keyless: OnceLock::new(),
    }));
    Ok(())
}
