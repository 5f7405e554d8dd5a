//! The chain of Docker Content Trust (Notary v1, TUF): root, timestamp, snapshot, targets, delegations.
//!
//! Read-only and pure: bytes, pinned keys, versions seen and the moment go in. Every file must be signed by as many keys
//! of its role as the root asks for, be of age, be no older than one that was seen, and be the one that the file before
//! it names by length and hash.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{
    adapters::formats::{certificates, keys::Key},
    core::base::{clean, digest::Digest, text},
};

/// Signatures of one file that are looked at.
const MOST_SIGNATURES: usize = 64;

/// Why a chain does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It was changed, rolled back, or is not signed as it must be.
    Wrong(String),
    /// It is past its date.
    Expired(String),
    /// It is whole, and nobody here trusts its root.
    Untrusted(String),
}

type Result<T> = std::result::Result<T, Fault>;

fn wrong<T>(words: impl Into<String>) -> Result<T> {
    Err(Fault::Wrong(words.into()))
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    signed: &'a RawValue,
    #[serde(default)]
    signatures: Vec<SignatureOf>,
}

#[derive(Deserialize)]
struct SignatureOf {
    #[serde(default)]
    keyid: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    sig: String,
}

/// What every file has.
#[derive(Deserialize)]
struct Common {
    #[serde(rename = "_type")]
    kind: String,
    expires: String,
    version: u64,
}

#[derive(Debug, Clone, Deserialize)]
struct WrittenKey {
    keytype: String,
    keyval: KeyValue,
}

#[derive(Debug, Clone, Deserialize)]
struct KeyValue {
    public: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Role {
    #[serde(default)]
    keyids: Vec<String>,
    #[serde(default)]
    threshold: usize,
}

#[derive(Deserialize)]
struct RootBody {
    #[serde(default)]
    keys: BTreeMap<String, WrittenKey>,
    #[serde(default)]
    roles: BTreeMap<String, Role>,
}

/// Which bytes a file is, as another one names them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// Hashes in base64, by algorithm.
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    /// How many bytes.
    #[serde(default)]
    length: u64,
}

#[derive(Deserialize)]
struct MetaBody {
    #[serde(default)]
    meta: BTreeMap<String, Meta>,
}

#[derive(Deserialize)]
struct TargetsBody {
    #[serde(default)]
    targets: BTreeMap<String, Meta>,
    #[serde(default)]
    delegations: Delegations,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Delegations {
    #[serde(default)]
    keys: BTreeMap<String, WrittenKey>,
    #[serde(default)]
    roles: Vec<DelegatedRole>,
}

#[derive(Debug, Clone, Deserialize)]
struct DelegatedRole {
    name: String,
    #[serde(flatten)]
    role: Role,
    #[serde(default)]
    paths: Vec<String>,
}

/// Versions of the files that were seen last, by role: an older one is a rollback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions(pub BTreeMap<String, u64>);

/// What is checked with.
pub struct Watch<'a> {
    /// The name that the root's certificate must have: `host/repository`.
    pub gun: &'a str,
    /// Ids of root keys that are trusted for it.
    pub pins: &'a [String],
    /// What was seen before.
    pub seen: &'a Versions,
    /// Seconds since 1970.
    pub now: i64,
}

/// A root that is signed by itself.
pub struct Root {
    body: RootBody,
    version: u64,
    /// Seconds since 1970.
    expires: i64,
    /// Keys of the root role that signed it, by the ids that may be pinned.
    signers: BTreeSet<String>,
}

/// The chain as far as it was checked.
pub struct Chain {
    root: Root,
    /// Versions of everything that was read.
    pub versions: Versions,
    /// When the first of its files ends, seconds since 1970.
    pub expires: i64,
}

/// The files that a snapshot names.
pub struct Snapshot(BTreeMap<String, Meta>);

/// What a role signed: names and the bytes they mean.
pub struct Targets {
    /// `targets`, `targets/releases`.
    pub role: String,
    /// The key that signed it.
    pub key: String,
    names: BTreeMap<String, Meta>,
    delegations: Delegations,
}

/// The id of a key as Notary makes it: SHA-256 of its canonical JSON.
fn key_id(kind: &str, public: &str) -> String {
    let body = format!(r#"{{"keytype":"{kind}","keyval":{{"private":null,"public":"{public}"}}}}"#);
    Digest::of(body.as_bytes()).hex().to_owned()
}

impl WrittenKey {
    fn id(&self) -> String {
        key_id(&self.keytype, &self.keyval.public)
    }

    fn certificate(&self) -> Option<certificates::Read> {
        let pem = STANDARD.decode(&self.keyval.public).ok()?;
        certificates::Read::of_pem(&String::from_utf8(pem).ok()?)
    }

    fn key(&self) -> Option<Key> {
        match self.keytype.as_str() {
            "ecdsa-x509" | "rsa-x509" => self.certificate()?.key(),
            "ecdsa" | "rsa" => Key::of_der(STANDARD.decode(&self.keyval.public).ok()?),
            "ed25519" => Key::of_ed25519(&STANDARD.decode(&self.keyval.public).ok()?),
            _ => None,
        }
    }

    /// Ids that a person may pin it by: its own, and of a certificate that of its bare key, which is what
    /// `notary key list` shows.
    fn pin_ids(&self) -> Vec<String> {
        let bare = self.certificate().map(|certificate| {
            let kind = self.keytype.trim_end_matches("-x509");
            key_id(kind, &STANDARD.encode(&certificate.spki))
        });
        std::iter::once(self.id()).chain(bare).collect()
    }
}

/// Who signed the raw bytes `signed`: ids of keys of a role. A key counts once, whatever it is called.
fn signers(envelope: &Envelope<'_>, keys: &BTreeMap<String, WrittenKey>, role: &Role) -> BTreeSet<String> {
    let message = envelope.signed.get().as_bytes();
    let mut found = BTreeSet::new();
    for signature in envelope.signatures.iter().take(MOST_SIGNATURES) {
        let Some(written) = keys.get(&signature.keyid).filter(|_| role.keyids.contains(&signature.keyid)) else {
            continue;
        };
        // An id that is not the key's own would let one key stand for many.
        if written.id() != signature.keyid {
            continue;
        }
        let (Some(key), Ok(bytes)) = (written.key(), STANDARD.decode(&signature.sig)) else { continue };
        if key.verifies_as(&signature.method, message, &bytes) {
            found.insert(signature.keyid.clone());
        }
    }
    found
}

fn parsed<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).or_else(|_| wrong(format!("the {what} file cannot be read")))
}

/// Type, date and version, which every file has.
fn common(envelope: &Envelope<'_>, role: &str) -> Result<(u64, i64)> {
    let common: Common = parsed(envelope.signed.get().as_bytes(), role)?;
    let wanted = role.split('/').next().unwrap_or(role);
    if !common.kind.eq_ignore_ascii_case(wanted) {
        return wrong(format!("the {role} file says it is a '{}'", clean::short(&common.kind, 20)));
    }
    let expires = text::parse_timestamp(&common.expires);
    let Some(expires) = expires else { return wrong(format!("the {role} file has no date that can be read")) };
    Ok((common.version, expires))
}

impl Root {
    /// Reads a root, which must be signed by as many of its own keys as it asks for.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let envelope: Envelope<'_> = parsed(bytes, "root")?;
        let body: RootBody = parsed(envelope.signed.get().as_bytes(), "root")?;
        let (version, expires) = common(&envelope, "root")?;
        let Some(role) = body.roles.get("root") else { return wrong("the root names no root keys") };
        let signed = signers(&envelope, &body.keys, role);
        if role.threshold == 0 || signed.len() < role.threshold {
            return wrong(format!("the root is signed by {} of {} keys", signed.len(), role.threshold.max(1)));
        }
        let signers = signed.iter().filter_map(|id| body.keys.get(id)).flat_map(WrittenKey::pin_ids).collect();
        Ok(Self { body, version, expires, signers })
    }

    /// Its version.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn pinned<'a>(&self, watch: &Watch<'a>) -> Option<&'a str> {
        watch.pins.iter().find(|pin| self.signers.contains(*pin)).map(String::as_str)
    }

    /// Whether this root's own keys signed the next one: so keys are changed.
    fn hands_over_to(&self, next: &[u8]) -> bool {
        let (Ok(envelope), Some(role)) = (parsed::<Envelope<'_>>(next, "root"), self.body.roles.get("root")) else {
            return false;
        };
        role.threshold > 0 && signers(&envelope, &self.body.keys, role).len() >= role.threshold
    }

    /// Whether a certificate of the root keys is for this name and of age.
    fn names(&self, watch: &Watch<'_>) -> Result<()> {
        let role = self.body.roles.get("root").cloned().unwrap_or_default();
        for written in role.keyids.iter().filter_map(|id| self.body.keys.get(id)) {
            if let Some(certificate) = written.certificate() {
                if certificate.name != watch.gun {
                    return wrong(format!("the root's certificate is for '{}'", clean::short(&certificate.name, 100)));
                }
                if !certificate.is_valid(watch.now) {
                    return Err(Fault::Expired("the root's certificate is past its date".into()));
                }
            }
        }
        Ok(())
    }
}

/// A root that is trusted: a pinned key signed it, or one before it (`older`, the newest first) from which every step
/// was signed by the keys of the step before.
///
/// `bytes` are those of `root`.
pub fn trusted(bytes: &[u8], older: &[Vec<u8>], watch: &Watch<'_>) -> Result<(Chain, String)> {
    let root = Root::read(bytes)?;
    if watch.seen.0.get("root").is_some_and(|seen| *seen > root.version) {
        return wrong(format!("the root was rolled back to version {}", root.version));
    }
    let mut pin = root.pinned(watch).map(str::to_owned);
    let mut next = (bytes, root.version);
    for before in older {
        if pin.is_some() {
            break;
        }
        let earlier = Root::read(before)?;
        if earlier.version + 1 != next.1 || !earlier.hands_over_to(next.0) {
            return wrong("a change of root keys is not signed by the keys before it");
        }
        pin = earlier.pinned(watch).map(str::to_owned);
        next = (before, earlier.version);
    }
    root.names(watch)?;
    if root.expires <= watch.now {
        return Err(Fault::Expired("the root is past its date".into()));
    }
    let versions = Versions([("root".to_owned(), root.version)].into());
    let (expires, signers) = (root.expires, root.signers.clone());
    let chain = Chain { root, versions, expires };
    match pin {
        Some(pin) => Ok((chain, pin)),
        None => {
            let id = signers.first().map_or("", String::as_str);
            Err(Fault::Untrusted(format!("its root key {} is pinned nowhere", id.get(..16).unwrap_or(id))))
        }
    }
}

impl Meta {
    /// Whether these are the bytes.
    fn fits(&self, bytes: &[u8]) -> bool {
        let hash = self.hashes.get("sha256").and_then(|text| STANDARD.decode(text).ok());
        let digest = Digest::of(bytes);
        self.length == bytes.len() as u64 && hash.is_some_and(|hash| text::hex(&hash) == digest.hex())
    }

    /// Whether it names a manifest of this digest and length.
    fn is(&self, digest: &Digest, length: u64) -> bool {
        let hash = self.hashes.get(digest.algorithm()).and_then(|text| STANDARD.decode(text).ok());
        self.length == length && hash.is_some_and(|hash| text::hex(&hash) == digest.hex())
    }
}

impl Chain {
    /// Checks a file of a role: its signatures, its date, its version. Gives the key that signed it.
    fn file(
        &mut self,
        bytes: &[u8],
        role_name: &str,
        keys: &BTreeMap<String, WrittenKey>,
        role: &Role,
        watch: &Watch<'_>,
    ) -> Result<String> {
        let envelope: Envelope<'_> = parsed(bytes, role_name)?;
        let signed = signers(&envelope, keys, role);
        if role.threshold == 0 || signed.len() < role.threshold {
            let wanted = role.threshold.max(1);
            return wrong(format!("the {role_name} file is signed by {} of {wanted} keys", signed.len()));
        }
        let (version, expires) = common(&envelope, role_name)?;
        if watch.seen.0.get(role_name).is_some_and(|seen| *seen > version) {
            return wrong(format!("the {role_name} file was rolled back to version {version}"));
        }
        if expires <= watch.now {
            return Err(Fault::Expired(format!("the {role_name} file is past its date")));
        }
        self.versions.0.insert(role_name.to_owned(), version);
        self.expires = self.expires.min(expires);
        Ok(signed.first().cloned().unwrap_or_default())
    }

    fn role(&self, name: &str) -> Result<(BTreeMap<String, WrittenKey>, Role)> {
        match self.root.body.roles.get(name) {
            Some(role) => Ok((self.root.body.keys.clone(), role.clone())),
            None => wrong(format!("the root names no {name} keys")),
        }
    }

    /// The timestamp: gives what it says of the snapshot.
    pub fn timestamp(&mut self, bytes: &[u8], watch: &Watch<'_>) -> Result<Meta> {
        let (keys, role) = self.role("timestamp")?;
        self.file(bytes, "timestamp", &keys, &role, watch)?;
        let envelope: Envelope<'_> = parsed(bytes, "timestamp")?;
        let body: MetaBody = parsed(envelope.signed.get().as_bytes(), "timestamp")?;
        body.meta.get("snapshot").cloned().map_or_else(|| wrong("the timestamp names no snapshot"), Ok)
    }

    /// The snapshot, which must be the one that the timestamp names and must name this root.
    pub fn snapshot(&mut self, bytes: &[u8], meta: &Meta, root: &[u8], watch: &Watch<'_>) -> Result<Snapshot> {
        if !meta.fits(bytes) {
            return wrong("the snapshot is not the one that the timestamp names");
        }
        let (keys, role) = self.role("snapshot")?;
        self.file(bytes, "snapshot", &keys, &role, watch)?;
        let envelope: Envelope<'_> = parsed(bytes, "snapshot")?;
        let body: MetaBody = parsed(envelope.signed.get().as_bytes(), "snapshot")?;
        if !body.meta.get("root").is_some_and(|meta| meta.fits(root)) {
            return wrong("the root is not the one that the snapshot names");
        }
        Ok(Snapshot(body.meta))
    }

    /// What the owner of the repository signed.
    pub fn targets(&mut self, bytes: &[u8], snapshot: &Snapshot, watch: &Watch<'_>) -> Result<Targets> {
        let (keys, role) = self.role("targets")?;
        self.signed_targets(bytes, "targets", &keys, &role, snapshot, watch)
    }

    /// What somebody signed to whom the owner handed it over.
    pub fn delegated(
        &mut self,
        bytes: &[u8],
        name: &str,
        from: &Targets,
        snapshot: &Snapshot,
        watch: &Watch<'_>,
    ) -> Result<Targets> {
        let Some(delegated) = from.delegations.roles.iter().find(|role| role.name == name) else {
            return wrong(format!("nobody handed anything over to {name}"));
        };
        let (role, paths) = (delegated.role.clone(), delegated.paths.clone());
        let mut targets = self.signed_targets(bytes, name, &from.delegations.keys, &role, snapshot, watch)?;
        // It may sign only names that begin like this.
        targets.names.retain(|target, _| paths.iter().any(|path| target.starts_with(path.as_str())));
        Ok(targets)
    }

    fn signed_targets(
        &mut self,
        bytes: &[u8],
        name: &str,
        keys: &BTreeMap<String, WrittenKey>,
        role: &Role,
        snapshot: &Snapshot,
        watch: &Watch<'_>,
    ) -> Result<Targets> {
        if !snapshot.0.get(name).is_some_and(|meta| meta.fits(bytes)) {
            return wrong(format!("the {name} file is not the one that the snapshot names"));
        }
        let key = self.file(bytes, name, keys, role, watch)?;
        let envelope: Envelope<'_> = parsed(bytes, name)?;
        let body: TargetsBody = parsed(envelope.signed.get().as_bytes(), name)?;
        Ok(Targets { role: name.to_owned(), key, names: body.targets, delegations: body.delegations })
    }
}

impl Snapshot {
    /// Whether it names a file of this role.
    pub fn has(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }
}

impl Targets {
    /// Roles that the owner hands names over to.
    pub fn hands_over_to(&self) -> Vec<String> {
        self.delegations.roles.iter().map(|role| role.name.clone()).filter(|name| is_role(name)).collect()
    }

    /// How many names are signed.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What it says of a tag, or without one of any: `None` if nothing, `Some(false)` if the tag means other bytes.
    pub fn says(&self, tag: Option<&str>, digest: &Digest, length: u64) -> Option<bool> {
        match tag {
            Some(tag) => self.names.get(tag).map(|meta| meta.is(digest, length)),
            None => self.names.values().any(|meta| meta.is(digest, length)).then_some(true),
        }
    }
}

/// `targets/…` of letters, figures and the like: it becomes part of an address.
fn is_role(name: &str) -> bool {
    name.strip_prefix("targets/").is_some_and(|rest| {
        !rest.is_empty() && rest.len() < 128 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b))
    })
}
