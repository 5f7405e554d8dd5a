//! Reading an image from where it is pulled, which may be another registry than its name says.
//!
//! A mirror is never the last place: if it lacks the image, sends wrong bytes or does not answer, the next place is
//! asked after a short wait.

use std::{
    sync::{Arc, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, TryStreamExt};

use super::{
    content::Part,
    lanes::Lanes,
    pulls::{self, Pull},
    source::{Oci, OtherRegistries},
    trust,
};
use wharf_core::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    evidence::attachments::Attachments,
    image::{
        manifest::{Descriptor, RawManifest},
        reference::{ImageRef, Name},
    },
    ports::ByteStream,
};

/// How long a mirror may take to answer.
const PATIENCE: Duration = Duration::from_secs(4);
/// Blobs of up to this many bytes are read from a mirror completely and verified before they are used.
const CHECKED: u64 = 8 << 20;

/// What mirrors without the image have answered, to be added to the error of the last place.
#[derive(Default)]
struct TriedMirrors(Vec<String>);

impl TriedMirrors {
    fn add_tried(&self, error: Error) -> Error {
        if self.0.is_empty() || error.kind == Kind::Cancelled {
            return error;
        }
        let hint = [error.hint.as_str(), &format!("its mirrors did not have it either: {}", self.0.join("; "))]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        error.hint(hint)
    }
}

impl Oci {
    /// The registry at which something is pulled.
    fn at(&self, what: &str, pull: &Pull) -> Result<Arc<Self>> {
        let key = (pull.name.host.clone(), pull.insecure);
        let mut opened = self.elsewhere.opened.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = opened.get(&key) {
            return Ok(known.clone());
        }
        let registry = if key.0 == self.registry.host {
            self.registry.clone()
        } else {
            Arc::new(self.registry.mirror_client(what, &key.0, pull.insecure)?)
        };
        let (name, elsewhere) = (self.name.clone(), Self::none());
        let lanes = Lanes::default();
        let there = Arc::new(Self { registry, name, repositories: Vec::new(), elsewhere, lanes });
        opened.insert(key, there.clone());
        Ok(there)
    }

    fn none() -> Arc<OtherRegistries> {
        Arc::default()
    }

    /// The place that a name is pulled from if no mirror has it.
    pub(super) fn final_place(&self, what: &str, name: &Name) -> Result<(Arc<Self>, Name)> {
        let asked = trust::check(&self.registry.entries, &name.bare(), what);
        let pull = pulls::for_name(&self.registry.entries, name).place.ok_or_else(|| {
            Error::failed(what, "registries.conf leads to what is no name of an image").hint("mend its 'location'")
        })?;
        asked?;
        Ok((self.at(what, &pull)?, pull.name))
    }

    /// The mirrors of a name, without those that failed recently.
    fn mirrors(&self, what: &str, name: &Name) -> Vec<(Arc<Self>, Name)> {
        let mut all = pulls::for_name(&self.registry.entries, name).mirrors;
        if let Some(digest) = &name.digest {
            // A mirror that gave a tag's image also gives its parts, even if it is not set up for digests.
            let tagged = Name { digest: None, ..name.clone() };
            for pull in pulls::for_name(&self.registry.entries, &tagged).mirrors {
                let pull = Pull { name: Name { digest: Some(digest.clone()), ..pull.name }, ..pull };
                if self.elsewhere.serves(&name.bare(), &pull.name.host) && !all.contains(&pull) {
                    all.push(pull);
                }
            }
        }
        all.into_iter()
            .filter(|pull| !self.elsewhere.is_resting(&pull.name.host))
            .filter_map(|pull| match self.at(what, &pull) {
                Ok(there) => Some((there, pull.name)),
                Err(error) => {
                    tracing::info!(%error, "a mirror is not asked");
                    None
                }
            })
            .collect()
    }

    /// Notes that a mirror does not have something; fails only if the person has cancelled.
    fn note_failure(&self, mirror: &Name, error: Error, tried: &mut TriedMirrors) -> Result<()> {
        if error.kind == Kind::Cancelled {
            return Err(error);
        }
        tracing::info!(%error, mirror = mirror.host, "a mirror does not have it");
        if matches!(error.kind, Kind::Unavailable | Kind::Integrity) {
            self.elsewhere.leave_alone(&mirror.host);
        }
        tried.0.push(format!("{}: {}", mirror.host, error.why));
        Ok(())
    }

    /// The manifest that a name means, from a mirror or from its own place.
    pub(super) async fn pulled_manifest(&self, cx: &Context, name: &Name, what: &str) -> Result<RawManifest> {
        let mut tried = TriedMirrors::default();
        for (mirror, there) in self.mirrors(what, name) {
            let short = cx.clone().with_deadline(cx.deadline.min(PATIENCE));
            match mirror.manifest_here(&short, &there, what).await {
                Ok(found) => {
                    if name.digest.is_none() {
                        self.elsewhere.note_serving(name.bare(), there.host);
                    }
                    return Ok(found);
                }
                Err(error) => self.note_failure(&there, error, &mut tried)?,
            }
        }
        let (place, there) = self.final_place(what, name)?;
        place.manifest_here(cx, &there, what).await.map_err(|error| tried.add_tried(error))
    }

    /// A blob from a mirror or from the image's own place. A large blob from a mirror is verified only at its end.
    pub(super) async fn pulled_blob(
        &self,
        cx: &Context,
        name: &Name,
        blob: &Descriptor,
        part: Part,
        what: &str,
    ) -> Result<ByteStream> {
        // Blobs are named by digest, however the image is named.
        let mut tried = TriedMirrors::default();
        for (mirror, there) in self.mirrors(what, name) {
            let short = cx.clone().with_deadline(cx.deadline.min(PATIENCE));
            let found = match mirror.blob_here(&short, &there, blob, part, what).await {
                Ok(stream) if part.until.is_some() => Ok(stream),
                Ok(stream) if part.from == 0 && blob.size <= CHECKED => whole(cx, stream, blob, what).await,
                Ok(stream) => Ok(self.watch_stream(stream, there.host.clone(), blob, part.from)),
                Err(error) => Err(error),
            };
            match found {
                Ok(stream) => return Ok(stream),
                Err(error) => self.note_failure(&there, error, &mut tried)?,
            }
        }
        let (place, there) = self.final_place(what, name)?;
        place.blob_here(cx, &there, blob, part, what).await.map_err(|error| tried.add_tried(error))
    }

    /// A mirror's stream; if it breaks or its bytes are wrong, the mirror is not asked for a while.
    fn watch_stream(&self, stream: ByteStream, host: String, blob: &Descriptor, from: u64) -> ByteStream {
        let elsewhere = self.elsewhere.clone();
        let (digest, size) = (blob.digest.clone(), blob.size.saturating_sub(from));
        let mut hasher = (from == 0).then(|| blob.digest.hasher());
        let mut seen = 0_u64;
        Box::pin(stream.inspect(move |chunk| {
            let wrong = match chunk {
                Ok(chunk) => {
                    seen = seen.saturating_add(chunk.len() as u64);
                    if let Some(hasher) = &mut hasher {
                        hasher.update(chunk);
                    }
                    let ended = seen == size;
                    let finished = if ended { hasher.take() } else { None };
                    seen > size || finished.is_some_and(|hasher| hasher.finish() != digest)
                }
                Err(_) => true,
            };
            if wrong {
                elsewhere.leave_alone(&host);
            }
        }))
    }

    /// What is attached to a digest: at its own place, and if that cannot be read, at its mirrors.
    pub(super) async fn pulled_attachments(&self, cx: &Context, name: &Name, digest: &Digest) -> Result<Attachments> {
        let what = format!("look for what is attached to {}", digest.short());
        let mut found = match self.final_place(&what, name) {
            Ok((place, there)) => place.attachments(cx, &there, digest).await?,
            Err(error) => Attachments { unseen: vec![error], ..Attachments::default() },
        };
        let named = Name { tag: None, digest: Some(digest.clone()), ..name.clone() };
        // A mirror may be behind, so it is not believed that nothing is attached.
        if found.found.is_empty() && !found.unseen.is_empty() {
            for (mirror, there) in self.mirrors(&what, &named) {
                let short = cx.clone().with_deadline(cx.deadline.min(PATIENCE));
                let others = mirror.attachments(&short, &there, digest).await?;
                found.extend(Attachments { unseen: Vec::new(), ..others });
            }
        }
        // Wherever attachments were found, they belong to the image's own name.
        for one in &mut found.found {
            if let ImageRef::Oci(at) = &mut one.at {
                (at.host, at.repository) = (name.host.clone(), name.repository.clone());
            }
        }
        Ok(found)
    }
}

/// Reads a small blob completely and verifies its size and digest.
async fn whole(cx: &Context, mut stream: ByteStream, blob: &Descriptor, what: &str) -> Result<ByteStream> {
    let bytes = cx
        .run(what, async {
            let mut bytes = Vec::new();
            while let Some(chunk) = stream.try_next().await? {
                if (bytes.len() + chunk.len()) as u64 > blob.size {
                    return Err(Error::new(Kind::Integrity, what, "more bytes came than the manifest says"));
                }
                bytes.extend_from_slice(&chunk);
            }
            blob.digest.check(&bytes, what)?;
            Ok(bytes)
        })
        .await?;
    Ok(Box::pin(futures_util::stream::once(std::future::ready(Ok(bytes.into())))))
}
