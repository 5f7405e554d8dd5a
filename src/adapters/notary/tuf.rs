//! The chain of Docker Content Trust (Notary version 1, TUF): root, timestamp, snapshot, targets, delegations.
//!
//! Plain functions without I/O: the files' bytes, the pinned keys, the versions seen and the time go in. Each file must
//! be signed by as many keys of its role as the root requires, must not have expired, must not be older than one that
//! was seen, and must have the length and hash that the file before it names.

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::formats::{certificates, keys::Key};
use wharf_core::base::{clean, digest::Digest, text};

/// At most this many signatures of a file are looked at.
const MOST_SIGNATURES: usize = 64;

/// Why a chain is not valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChainFault {
    /// A file was changed, rolled back, or does not have the required signatures.
    Wrong(String),
    /// A file has expired.
    Expired(String),
    /// The chain is valid, but its root has no pinned key.
    Untrusted(String),
}

type Result<T> = std::result::Result<T, ChainFault>;

fn wrong<T>(words: impl Into<String>) -> Result<T> {
    Err(ChainFault::Wrong(words.into()))
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

/// The fields that every file has.
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

/// Length and hashes of a file, as another file names them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Meta {
    /// The hashes in base64, by the name of their algorithm.
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    /// The length in bytes.
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

/// The newest version seen of each role's file: an older one is a rollback.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions(pub BTreeMap<String, u64>);

/// What a chain is verified against.
pub struct Watch<'a> {
    /// The name that the root's certificate must have: `host/repository`.
    pub gun: &'a str,
    /// The ids of the root keys that the policy pins for this name.
    pub pins: &'a [String],
    /// The versions that were seen before.
    pub seen: &'a Versions,
    /// The time against which expiry is checked, in seconds since 1970.
    pub now: i64,
}

/// A root file that its own keys have signed.
pub struct Root {
    body: RootBody,
    version: u64,
    /// When it expires, in seconds since 1970.
    expires: i64,
    /// The keys of the root role that have signed it, by the ids that may be pinned.
    signers: BTreeSet<String>,
}

/// The chain as far as it has been verified.
pub struct Chain {
    root: Root,
    /// The version of every file that was read.
    pub versions: Versions,
    /// When the first of the files expires, in seconds since 1970.
    pub expires: i64,
}

/// The hashes of all files, as a snapshot names them.
pub struct Snapshot(BTreeMap<String, Meta>);

/// The tags that a role has signed, with the bytes that they mean.
pub struct Targets {
    /// The role's name: `targets`, `targets/releases` or another delegation.
    pub role: String,
    /// The id of the key that has signed it.
    pub key: String,
    names: BTreeMap<String, Meta>,
    delegations: Delegations,
}

/// A key's id as Notary computes it: SHA-256 of its canonical JSON.
fn key_id(kind: &str, public: &str) -> String {
    let body = format!(r#"{{"keytype":"{kind}","keyval":{{"private":null,"public":"{public}"}}}}"#);
    Digest::of(body.as_bytes()).hex().to_owned()
}

impl WrittenKey {
    fn id(&self) -> String {
        key_id(&self.keytype, &self.keyval.public)
    }

    fn certificate(&self) -> Option<certificates::ParsedCertificate> {
        let pem = STANDARD.decode(&self.keyval.public).ok()?;
        certificates::ParsedCertificate::from_pem(&String::from_utf8(pem).ok()?)
    }

    fn key(&self) -> Option<Key> {
        match self.keytype.as_str() {
            "ecdsa-x509" | "rsa-x509" => self.certificate()?.key(),
            "ecdsa" | "rsa" => Key::from_der(STANDARD.decode(&self.keyval.public).ok()?),
            "ed25519" => Key::from_ed25519(&STANDARD.decode(&self.keyval.public).ok()?),
            _ => None,
        }
    }

    /// The ids by which the key may be pinned: its own, and for a certificate that of its bare key, which `notary key
    /// list` shows.
    fn pin_ids(&self) -> Vec<String> {
        let bare = self.certificate().map(|certificate| {
            let kind = self.keytype.trim_end_matches("-x509");
            key_id(kind, &STANDARD.encode(&certificate.spki))
        });
        std::iter::once(self.id()).chain(bare).collect()
    }
}

/// The ids of a role's keys that have signed the file's `signed` bytes. A key counts once, even under several ids.
fn signers(envelope: &Envelope<'_>, keys: &BTreeMap<String, WrittenKey>, role: &Role) -> BTreeSet<String> {
    let message = envelope.signed.get().as_bytes();
    let mut found = BTreeSet::new();
    for signature in envelope.signatures.iter().take(MOST_SIGNATURES) {
        let Some(written) = keys.get(&signature.keyid).filter(|_| role.keyids.contains(&signature.keyid)) else {
            continue;
        };
        // If ids were not computed from the keys, one key could count as several.
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

/// Checks the type of a file and returns its version and expiry time.
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
    /// Reads a root, which must be signed by as many of its own keys as it requires.
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

    /// The version number, which grows with every new root.
    pub fn version(&self) -> u64 {
        self.version
    }

    fn pinned<'a>(&self, watch: &Watch<'a>) -> Option<&'a str> {
        watch.pins.iter().find(|pin| self.signers.contains(*pin)).map(String::as_str)
    }

    /// Whether this root's keys have signed the next root, which is how root keys are changed.
    fn signs(&self, next: &[u8]) -> bool {
        let (Ok(envelope), Some(role)) = (parsed::<Envelope<'_>>(next, "root"), self.body.roles.get("root")) else {
            return false;
        };
        role.threshold > 0 && signers(&envelope, &self.body.keys, role).len() >= role.threshold
    }

    /// Checks that the certificates of the root keys are for this name and have not expired.
    fn names(&self, watch: &Watch<'_>) -> Result<()> {
        let role = self.body.roles.get("root").cloned().unwrap_or_default();
        for written in role.keyids.iter().filter_map(|id| self.body.keys.get(id)) {
            if let Some(certificate) = written.certificate() {
                if certificate.name != watch.gun {
                    return wrong(format!("the root's certificate is for '{}'", clean::short(&certificate.name, 100)));
                }
                if !certificate.is_valid(watch.now) {
                    return Err(ChainFault::Expired("the root's certificate is past its date".into()));
                }
            }
        }
        Ok(())
    }
}

/// A trusted root: a pinned key has signed it, or an older root (`older`, newest first) from which each next root was
/// signed by the keys of the one before it.
///
/// `bytes` is the file of the newest root. Returns the chain and the pinned key's id.
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
        if earlier.version + 1 != next.1 || !earlier.signs(next.0) {
            return wrong("a change of root keys is not signed by the keys before it");
        }
        pin = earlier.pinned(watch).map(str::to_owned);
        next = (before, earlier.version);
    }
    root.names(watch)?;
    if root.expires <= watch.now {
        return Err(ChainFault::Expired("the root is past its date".into()));
    }
    let versions = Versions([("root".to_owned(), root.version)].into());
    let (expires, signers) = (root.expires, root.signers.clone());
    let chain = Chain { root, versions, expires };
    match pin {
        Some(pin) => Ok((chain, pin)),
        None => {
            let id = signers.first().map_or("", String::as_str);
            Err(ChainFault::Untrusted(format!("its root key {} is pinned nowhere", id.get(..16).unwrap_or(id))))
        }
    }
}

impl Meta {
    /// Whether the bytes have this length and hash.
    fn fits(&self, bytes: &[u8]) -> bool {
        let hash = self.hashes.get("sha256").and_then(|text| STANDARD.decode(text).ok());
        let digest = Digest::of(bytes);
        self.length == bytes.len() as u64 && hash.is_some_and(|hash| text::hex(&hash) == digest.hex())
    }

    /// Whether this means a manifest with that digest and length.
    fn is(&self, digest: &Digest, length: u64) -> bool {
        let hash = self.hashes.get(digest.algorithm()).and_then(|text| STANDARD.decode(text).ok());
        self.length == length && hash.is_some_and(|hash| text::hex(&hash) == digest.hex())
    }
}

impl Chain {
    /// Verifies a role's file: signatures, expiry, version. Returns the id of the key that has signed it.
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
            return Err(ChainFault::Expired(format!("the {role_name} file is past its date")));
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

    /// Verifies the timestamp; returns what it says about the snapshot.
    pub fn timestamp(&mut self, bytes: &[u8], watch: &Watch<'_>) -> Result<Meta> {
        let (keys, role) = self.role("timestamp")?;
        self.file(bytes, "timestamp", &keys, &role, watch)?;
        let envelope: Envelope<'_> = parsed(bytes, "timestamp")?;
        let body: MetaBody = parsed(envelope.signed.get().as_bytes(), "timestamp")?;
        body.meta.get("snapshot").cloned().map_or_else(|| wrong("the timestamp names no snapshot"), Ok)
    }

    /// Verifies the snapshot, which must be the one that the timestamp names, and must name this root.
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

    /// Verifies the tags that the owner of the repository has signed.
    pub fn targets(&mut self, bytes: &[u8], snapshot: &Snapshot, watch: &Watch<'_>) -> Result<Targets> {
        let (keys, role) = self.role("targets")?;
        self.signed_targets(bytes, "targets", &keys, &role, snapshot, watch)
    }

    /// Verifies the tags of a role to which the owner has delegated signing.
    pub fn delegated(
        &mut self,
        bytes: &[u8],
        name: &str,
        from: &Targets,
        snapshot: &Snapshot,
        watch: &Watch<'_>,
    ) -> Result<Targets> {
        let Some(delegated) = from.delegations.roles.iter().find(|role| role.name == name) else {
            return wrong(format!("no role delegates to {name}"));
        };
        let (role, paths) = (delegated.role.clone(), delegated.paths.clone());
        let mut targets = self.signed_targets(bytes, name, &from.delegations.keys, &role, snapshot, watch)?;
        // A delegated role may sign only names with the delegated prefixes.
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
    /// Whether the snapshot names a file of this role.
    pub fn has(&self, role: &str) -> bool {
        self.0.contains_key(role)
    }
}

impl Targets {
    /// The roles to which this one delegates names.
    pub fn signs(&self) -> Vec<String> {
        self.delegations.roles.iter().map(|role| role.name.clone()).filter(|name| is_role(name)).collect()
    }

    /// The number of signed names.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether no name is signed.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// What it says about a tag, or about any tag if `None`: `None` if nothing, `Some(false)` if the tag means other
    /// bytes.
    pub fn tag_means(&self, tag: Option<&str>, digest: &Digest, length: u64) -> Option<bool> {
        match tag {
            Some(tag) => self.names.get(tag).map(|meta| meta.is(digest, length)),
            None => self.names.values().any(|meta| meta.is(digest, length)).then_some(true),
        }
    }
}

/// Whether this is a valid name of a delegation, which becomes part of an address: `targets/…` with safe characters
/// only.
fn is_role(name: &str) -> bool {
    name.strip_prefix("targets/").is_some_and(|rest| {
        !rest.is_empty() && rest.len() < 128 && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/".contains(&b))
    })
}
