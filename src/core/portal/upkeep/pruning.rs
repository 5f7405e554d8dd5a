//! Pruning old versions of a repository by a rule, with a plan first.

use futures_util::{StreamExt, stream};

use super::{
    Upkeep,
    prune::{Candidate, KeptTag, PruneRemoval, PruneRule, Pruning, sorted},
};
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::reference::ImageRef,
    ports,
};

/// How many versions are described at a time.
const AT_ONCE: usize = 8;

/// The digest that a tag means, and when that image was built (seconds since 1970).
type Dated = (Digest, Option<i64>);

impl Upkeep {
    /// What pruning a repository by a rule would do. Changes nothing. Images that may not be removed are listed as
    /// kept.
    pub async fn pruning(&self, cx: &Context, repository: &ImageRef, rule: &PruneRule) -> Result<Pruning> {
        let what = format!("clear out {repository}");
        match repository {
            ImageRef::Oci(name) if name.tag.is_none() && name.digest.is_none() => {}
            ImageRef::Oci(_) => {
                return Err(Error::usage(what, "it names one version").hint("write host/repository, without a tag"));
            }
            _ => {
                return Err(Error::unsupported(what, "only repositories of registries are cleared out by a rule")
                    .hint("name what is to go: wharf remove-image REF..."));
            }
        }
        let upkeep = &*self.port(repository, &what)?;
        let tags = self.sources.tags(cx, repository).await?;
        cx.progress.phase("looking at the versions");
        let looked: Vec<(String, Result<Dated>)> = stream::iter(tags)
            .map(|tag| async move {
                let looked = self.dated(cx, upkeep, &repository.with_tag(&tag)).await;
                (tag, looked)
            })
            .buffered(AT_ONCE)
            .collect()
            .await;
        let (mut candidates, mut unseen) = (Vec::<Candidate>::new(), Vec::new());
        for (tag, looked) in looked {
            match looked {
                Ok((digest, created)) => match candidates.iter_mut().find(|one| one.digest == digest) {
                    Some(known) => known.tags.push(tag),
                    None => candidates.push(Candidate { digest, tags: vec![tag], created }),
                },
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                Err(error) => unseen.push(KeptTag { tag, why: format!("it could not be looked at: {}", error.why) }),
            }
        }
        let (go, mut kept) = sorted(rule, candidates, text::now());
        kept.extend(unseen);
        let references: Vec<ImageRef> = go.iter().map(|one| repository.with_digest(&one.digest)).collect();
        let planned = self.removals(cx, &references).await;
        let mut goes = Vec::new();
        for (one, removal) in go.into_iter().zip(planned) {
            match removal {
                Ok(removal) => {
                    let created = one.created.map(text::timestamp).unwrap_or_default();
                    goes.push(PruneRemoval { tags: one.tags, created, removal });
                }
                Err(error) if error.kind == Kind::Cancelled => return Err(error),
                Err(error) => kept.extend(one.tags.into_iter().map(|tag| KeptTag { tag, why: error.why.clone() })),
            }
        }
        Ok(Pruning { goes, kept })
    }

    /// The digest of a tag, as the registry itself says: a mirror that images are pulled from may be behind.
    async fn dated(&self, cx: &Context, upkeep: &dyn ports::Upkeep, at: &ImageRef) -> Result<Dated> {
        let digest = cx.run("look at a version", upkeep.digest(cx, at)).await?;
        let at = &at.with_digest(&digest);
        let version = cx.run("look at a version", self.sources.source(at)?.catalog.version(cx, at)).await?;
        Ok((digest, version.created))
    }
}
