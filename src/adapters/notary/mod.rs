//! Docker Content Trust: what a Notary server (version 1) says that a tag means. Off unless a source names a server.
//!
//! Trust begins with the root keys that the policy pins. A root without a pinned key is shown, but not trusted.

mod files;
pub mod tuf;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use async_trait::async_trait;

use self::{
    files::Server,
    tuf::{Chain, ChainFault, Targets, Versions, Watch},
};
use super::{
    parts::{Parts, Surroundings},
    shared::private,
};
use wharf_core::{
    base::{
        badge::Signature,
        context::Context,
        digest::Digest,
        error::{Kind as ErrorKind, Result},
        small_file, text,
    },
    config::Config,
    evidence::record::{CheckedBy, Kind, Outcome, Record, tool},
    image::{
        model::Image,
        reference::{ImageRef, Name},
    },
    policy::NotaryRoots,
    portal::doctor::State,
    ports::{Checker, Supply},
};

/// How long a signature that was found, and the absence of one, stay valid evidence, in seconds.
const FOUND: i64 = 86_400;
const ABSENT: i64 = 3_600;
/// At most this many older roots are read to find one with a pinned key.
const OLDER: u64 = 16;
/// At most this many delegated roles are read.
const DELEGATIONS: usize = 16;

/// The checker for Notary servers.
pub struct Notary {
    /// The Notary servers by the host of their registry.
    servers: BTreeMap<String, Server>,
    roots: Vec<NotaryRoots>,
    /// The folder that remembers the versions of the files that were seen, to detect a rollback.
    seen: PathBuf,
}

/// The result of a check; `until` is when it ends, in seconds since 1970.
struct Found {
    state: Signature,
    signer: String,
    reason: String,
    until: i64,
}

impl Notary {
    fn pins(&self, gun: &str) -> Vec<String> {
        let fits = self.roots.iter().filter(|pinned| gun.starts_with(pinned.repository.as_str()));
        fits.flat_map(|pinned| pinned.keys.clone()).collect()
    }

    fn memory(&self, gun: &str) -> PathBuf {
        self.seen.join(format!("{}.json", Digest::of(gun.as_bytes()).hex()))
    }

    /// Reads and verifies all files of a repository, beginning with the newest `root`.
    async fn chain(
        &self,
        cx: &Context,
        server: &Server,
        root: &[u8],
        watch: &Watch<'_>,
    ) -> Result<std::result::Result<(Chain, String, Vec<Targets>), ChainFault>> {
        let older = self.older(cx, server, root, watch).await?;
        let (mut chain, pin) = match tuf::trusted(root, &older, watch) {
            Ok(trusted) => trusted,
            Err(fault) => return Ok(Err(fault)),
        };
        macro_rules! checked {
            ($step:expr) => {
                match $step {
                    Ok(value) => value,
                    Err(fault) => return Ok(Err(fault)),
                }
            };
        }
        let missing = |role: &str| ChainFault::Wrong(format!("the server has no {role} file"));
        let Some(bytes) = server.file(cx, watch.gun, "timestamp").await? else { return Ok(Err(missing("timestamp"))) };
        let meta = checked!(chain.timestamp(&bytes, watch));
        let Some(bytes) = server.file(cx, watch.gun, "snapshot").await? else { return Ok(Err(missing("snapshot"))) };
        let snapshot = checked!(chain.snapshot(&bytes, &meta, root, watch));
        let Some(bytes) = server.file(cx, watch.gun, "targets").await? else { return Ok(Err(missing("targets"))) };
        let own = checked!(chain.targets(&bytes, &snapshot, watch));
        let mut all = Vec::new();
        for name in own.signs().into_iter().filter(|name| snapshot.has(name)).take(DELEGATIONS) {
            let Some(bytes) = server.file(cx, watch.gun, &name).await? else { return Ok(Err(missing(&name))) };
            all.push(checked!(chain.delegated(&bytes, &name, &own, &snapshot, watch)));
        }
        // Docker searches `targets/releases` first, then the owner's own targets, then the other delegations.
        all.insert(all.iter().take_while(|targets| targets.role == "targets/releases").count(), own);
        Ok(Ok((chain, pin, all)))
    }

    /// The roots before the newest one, newest first, if the newest has no pinned key.
    async fn older(&self, cx: &Context, server: &Server, root: &[u8], watch: &Watch<'_>) -> Result<Vec<Vec<u8>>> {
        let mut older = Vec::new();
        let unpinned = matches!(tuf::trusted(root, &[], watch), Err(ChainFault::Untrusted(_)));
        let Ok(newest) = tuf::Root::read(root) else { return Ok(older) };
        let first = newest.version().saturating_sub(OLDER).max(1);
        for version in (first..newest.version()).rev().filter(|_| unpinned && !watch.pins.is_empty()) {
            match server.file(cx, watch.gun, &format!("{version}.root")).await? {
                Some(bytes) => older.push(bytes),
                None => break,
            }
        }
        Ok(older)
    }

    async fn found(&self, cx: &Context, server: &Server, name: &Name, digest: &Digest, length: u64) -> Result<Found> {
        let gun = name.bare();
        let now = text::now();
        let none = |state, reason: String, until| Found { state, signer: String::new(), reason, until };
        let Some(root) = server.file(cx, &gun, "root").await? else {
            let reason = format!("{} has no trust data of it", server.address());
            return Ok(none(Signature::NoneFound, reason, now + ABSENT));
        };
        let pins = self.pins(&gun);
        let memory = self.memory(&gun);
        let seen: Versions =
            small_file::bytes(&memory).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let watch = Watch { gun: &gun, pins: &pins, seen: &seen, now };
        let at = server.address();
        let (chain, pin, all) = match self.chain(cx, server, &root, &watch).await? {
            Ok(whole) => whole,
            Err(ChainFault::Wrong(why)) => return Ok(none(Signature::Invalid, format!("{why} ({at})"), now + FOUND)),
            Err(ChainFault::Expired(why)) => {
                return Ok(none(Signature::Expired, format!("{why} ({at})"), now + ABSENT));
            }
            Err(ChainFault::Untrusted(why)) => {
                let state = if pins.is_empty() { Signature::NoKey } else { Signature::Untrusted };
                return Ok(none(state, format!("{why} ({at})"), now + ABSENT));
            }
        };
        remember(&memory, &chain.versions);
        let until = chain.expires.min(now + FOUND);
        let tag = name.tag.as_deref();
        let said = all.iter().find_map(|targets| targets.tag_means(tag, digest, length).map(|fits| (targets, fits)));
        let short = |id: &str| id.get(..16).unwrap_or(id).to_owned();
        Ok(match said {
            Some((targets, true)) => Found {
                state: Signature::Verified,
                signer: format!("key {} under root {}", short(&targets.key), short(&pin)),
                reason: format!("{}, {at}", targets.role),
                until,
            },
            Some((targets, false)) => {
                let reason = format!("the signed tag means other bytes ({}, {at})", targets.role);
                none(Signature::Invalid, reason, now + ABSENT)
            }
            None => {
                let others = all.iter().map(Targets::len).sum::<usize>();
                let reason = format!("this tag is not signed, {others} others are ({at})");
                none(Signature::NoneFound, reason, now + ABSENT)
            }
        })
    }
}

/// Saves the versions that were seen, so that an older file is recognized later. A failure is only logged.
fn remember(path: &std::path::Path, versions: &Versions) {
    let bytes = serde_json::to_vec(versions).unwrap_or_default();
    let written = private::folder(path.parent().unwrap_or(path)).and_then(|()| private::write(path, &bytes));
    if let Err(error) = written {
        tracing::warn!(%error, "versions of trust data were not kept");
    }
}

#[async_trait]
impl Checker for Notary {
    fn name(&self) -> &'static str {
        "notary"
    }

    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn inputs(&self) -> Vec<String> {
        self.roots.iter().flat_map(|pinned| pinned.keys.clone()).collect()
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>> {
        let (Some(pinned), Some(content)) = (&image.pinned, &supply.content) else { return Ok(Vec::new()) };
        let ImageRef::Oci(name) = &pinned.reference else { return Ok(Vec::new()) };
        let Some(server) = self.servers.get(&name.host) else { return Ok(Vec::new()) };
        let top = content.manifest(cx, &pinned.reference.with_digest(&pinned.digest)).await?;
        let found = self.found(cx, server, name, &pinned.digest, top.bytes.len() as u64).await;
        let found = match found {
            Err(error) if error.kind == ErrorKind::Cancelled => return Err(error),
            other => other?,
        };
        let outcome = Outcome::Signature { state: found.state, signer: found.signer };
        Ok(vec![Record {
            inputs: self.inputs(),
            valid_until: found.until,
            reason: found.reason,
            ..Record::now(pinned, CheckedBy::Wharf, tool("notary"), outcome, 0)
        }])
    }
}

/// Registers the checker if a source names a Notary server.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let mut servers = BTreeMap::new();
    for registry in parts.registries.iter().filter(|registry| !registry.settings.notary.is_empty()) {
        servers.insert(registry.settings.host().to_owned(), Server::new(registry, around.reach.clone())?);
    }
    if servers.is_empty() {
        return Ok(());
    }
    let roots = config.policy.signature.notary.clone();
    parts.note(
        "content trust",
        if roots.is_empty() { State::Caution } else { State::Good },
        if roots.is_empty() { "no root key is pinned" } else { "root keys are pinned" },
        "pin the root keys of your Notary server: [[policy.signature.notary]]",
    );
    parts.checkers.push(Arc::new(Notary { servers, roots, seen: around.state_dir.join("notary") }));
    Ok(())
}
