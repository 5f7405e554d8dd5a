//! Tagging and removing local images. Nothing is forced: an image that a container uses stays.

use async_trait::async_trait;
use bollard::query_parameters::{RemoveImageOptions, TagImageOptionsBuilder};
use serde::Deserialize;

use super::{Engine, catalog::spelled};
use wharf_core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    image::reference::{ImageRef, Name},
    ports::{Catalog, Upkeep, upkeep::Removal},
};

/// A container in the engine's list, as far as it is needed here.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Container {
    id: Option<String>,
    names: Option<Vec<String>>,
    #[serde(rename = "ImageID")]
    image_id: Option<String>,
}

impl Container {
    fn describe(&self) -> String {
        let name = self.names.iter().flatten().next().map(|name| name.trim_start_matches('/'));
        let id = self.id.as_deref().unwrap_or_default();
        clean::short(name.unwrap_or(id.get(..12).unwrap_or(id)), 60)
    }
}

/// An image id with its algorithm; Podman sends it without.
fn id(said: &str) -> Result<Digest> {
    if said.contains(':') { said.parse() } else { format!("sha256:{said}").parse() }
}

impl Engine {
    /// The id of a local image, and all its tags in the engine's spelling.
    async fn known(&self, cx: &Context, name: &Name, what: &str) -> Result<(Digest, Vec<String>)> {
        let image = cx.run(what, self.inspect(name, what)).await?;
        let own = id(&image.id.unwrap_or_default()).map_err(|error| error.during(what))?;
        let tags =
            image.repo_tags.unwrap_or_default().into_iter().filter(|tag| !tag.contains('@') && !tag.contains("<none>"));
        Ok((own, tags.collect()))
    }

    /// The containers that were created from an image, running or not.
    async fn users(&self, cx: &Context, image: &Digest, what: &str) -> Result<Vec<String>> {
        let all: Vec<Container> = cx.run(what, self.read("/containers/json?all=true", what)).await?;
        let uses =
            |one: &&Container| one.image_id.as_deref().is_some_and(|used| id(used).is_ok_and(|used| used == *image));
        Ok(all.iter().filter(uses).map(Container::describe).collect())
    }

    /// What removing an image would do; `before` are the images that will have been removed by then.
    async fn removal(&self, cx: &Context, reference: &ImageRef, before: &[&Name]) -> Result<Removal> {
        let what = format!("remove {reference}");
        let name = self.local(reference)?;
        let (own, tags) = self.known(cx, name, &what).await?;
        let named = name.digest.is_none().then(|| spelled(name)).filter(|full| tags.contains(full));
        let gone = |tag: &String| before.iter().any(|name| name.digest.is_none() && spelled(name) == *tag);
        let others: Vec<String> =
            tags.iter().filter(|tag| Some(*tag) != named.as_ref() && !gone(tag)).cloned().collect();
        let clean = |tags: &[String]| tags.iter().map(|tag| clean::short(tag, 200)).collect::<Vec<_>>().join(", ");
        if let (Some(tag), false) = (&named, others.is_empty()) {
            return Ok(Removal {
                reference: reference.clone(),
                title: format!("the name {}", clean::short(tag, 200)),
                digest: Some(own),
                removes: vec![reference.clone()],
                along: Vec::new(),
                stays: vec![format!("the image itself, as {}", clean(&others))],
            });
        }
        let users = self.users(cx, &own, &what).await?;
        if !users.is_empty() {
            let (noun, verb) = if users.len() == 1 { ("workload", "uses") } else { ("workloads", "use") };
            let why = format!("the {noun} {} {verb} it", users.join(", "));
            return Err(Error::failed(what, why).hint("remove them first: wharf remove NAME"));
        }
        let mut removes: Vec<ImageRef> = Vec::new();
        for tag in named.iter().chain(&others) {
            let (repository, tag) = tag.rsplit_once(':').unwrap_or((tag, "latest"));
            removes.push(self.reference(repository, Some(tag)).map_err(|error| error.during(&what))?);
        }
        // With its last name removed, one engine removes the image, and the other keeps it without a name.
        removes.push(ImageRef::Engine(Name { tag: None, digest: Some(own.clone()), ..name.clone() }));
        let title = match &named {
            Some(tag) => format!("the image, with its last name {}", clean::short(tag, 200)),
            None => format!("the image {}", own.short()),
        };
        let along = if others.is_empty() { Vec::new() } else { vec![format!("its names: {}", clean(&others))] };
        let stays = vec!["layers that other images here use".to_owned()];
        Ok(Removal { reference: reference.clone(), title, digest: Some(own), removes, along, stays })
    }
}

#[async_trait]
impl Upkeep for Engine {
    async fn digest(&self, cx: &Context, reference: &ImageRef) -> Result<Digest> {
        Ok(self.known(cx, self.local(reference)?, &format!("look at {reference}")).await?.0)
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
        let name = self.local(reference)?;
        let removed = cx.run(&what, async {
            let docker = self.docker().await?;
            let done = docker.remove_image(&spelled(name), None::<RemoveImageOptions>, None).await;
            done.map(|_| ()).map_err(|error| self.library_error(&what, &error))
        });
        match removed.await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other,
        }
    }

    async fn tag(&self, cx: &Context, image: &ImageRef, tag: &ImageRef) -> Result<()> {
        let what = format!("tag {image}");
        let (from, to) = (self.local(image)?, self.local(tag)?);
        cx.run(&what, async {
            let named = to.tag.as_deref().unwrap_or("latest");
            let options = TagImageOptionsBuilder::default().repo(&to.repository).tag(named).build();
            let tagged = self.docker().await?.tag_image(&spelled(from), Some(options)).await;
            tagged.map_err(|error| self.library_error(&what, &error))
        })
        .await
    }
}
