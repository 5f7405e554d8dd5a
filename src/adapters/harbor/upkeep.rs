//! Tagging and removal through Harbor's own API, which knows immutable tags and attachments.

use async_trait::async_trait;
use reqwest::Method;

use super::{Harbor, answers::Artifact, api::artifact_path};
use wharf_core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::reference::{ImageRef, Name},
    ports::{Upkeep, cannot, upkeep::Removal},
};

fn name_of<'a>(reference: &'a ImageRef, what: &str) -> Result<&'a Name> {
    match reference {
        ImageRef::Oci(name) => Ok(name),
        _ => Err(Error::usage(what, "it is in no registry")),
    }
}

impl Harbor {
    async fn artifact(&self, cx: &Context, name: &Name, what: &str) -> Result<Artifact> {
        let path = artifact_path(name, name.selector()).ok_or_else(|| Error::usage(what, "it is in no project"))?;
        let with = "with_tag=true&with_accessory=true&with_immutable_status=true";
        self.api.get(cx, what, &format!("{path}?{with}")).await
    }

    async fn removal(&self, cx: &Context, reference: &ImageRef, before: &[&Name]) -> Result<Removal> {
        let what = format!("remove {reference}");
        let name = name_of(reference, &what)?;
        let artifact = self.artifact(cx, name, &what).await?;
        let digest: Digest = artifact.digest.parse().map_err(|error: Error| error.during(&what))?;
        let named = name.tag.as_deref().filter(|_| name.digest.is_none());
        let gone = |tag: &str| {
            before.iter().any(|other| {
                other.repository == name.repository && other.digest.is_none() && other.tag.as_deref() == Some(tag)
            })
        };
        let tags: Vec<_> = artifact.tags.unwrap_or_default().into_iter().filter(|tag| !gone(&tag.name)).collect();
        let others: Vec<String> =
            tags.iter().filter(|tag| Some(tag.name.as_str()) != named).map(|tag| tag.name.clone()).collect();
        let alone = named.filter(|_| !others.is_empty());
        let fixed = tags.iter().find(|tag| tag.immutable && alone.is_none_or(|named| named == tag.name));
        if let Some(tag) = fixed {
            let why = format!("the tag {} is immutable by a rule of its project", clean::short(&tag.name, 128));
            return Err(Error::failed(what, why).hint("ask the administrators of the project to change that rule"));
        }
        if let Some(tag) = alone {
            return Ok(Removal::for_tag(reference, tag, digest, &others));
        }
        let mut removal = Removal::for_image(reference, named, digest, &others);
        let kinds: Vec<String> =
            artifact.accessories.unwrap_or_default().iter().map(|one| clean::short(&one.r#type, 60)).collect();
        if !kinds.is_empty() {
            removal.along.push(format!(
                "{}: {}",
                text::plural(kinds.len() as u64, "attachment", "attachments"),
                kinds.join(", ")
            ));
        }
        Ok(removal)
    }
}

#[async_trait]
impl Upkeep for Harbor {
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest> {
        let upkeep = self.registry.upkeep.as_ref().ok_or_else(|| cannot(&self.name, "look up a tag of"))?;
        upkeep.digest(cx, reference).await
    }

    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>> {
        let mut removals = Vec::new();
        for (at, reference) in references.iter().enumerate() {
            let before: Vec<&Name> = references.iter().take(at).filter_map(ImageRef::name).collect();
            removals.push(self.removal(cx, reference, &before).await);
        }
        removals
    }

    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        let what = format!("remove {reference}");
        let name = name_of(reference, &what)?;
        let bad = || Error::usage(&what, "it is in no project");
        let path = match (&name.digest, &name.tag) {
            (Some(digest), _) => artifact_path(name, digest.as_str()).ok_or_else(bad)?,
            (None, Some(tag)) => format!("{}/tags/{tag}", artifact_path(name, tag).ok_or_else(bad)?),
            (None, None) => return Err(Error::usage(what, "it names all versions")),
        };
        match self.api.send(cx, &what, Method::DELETE, &path).await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            // Harbor answers 412 (PRECONDITION) for an immutable tag, or an image that an index lists.
            Err(error) if error.kind == Kind::Failed && error.why.contains("412") => Err(error
                .hint("an immutable tag, or one platform of another image, is not removed: see its project's rules")),
            other => other,
        }
    }

    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()> {
        let upkeep = self.registry.upkeep.as_ref().ok_or_else(|| cannot(&self.name, "give a tag in"))?;
        upkeep.tag(cx, image, tag).await
    }
}
