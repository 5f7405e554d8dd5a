//! Listing and describing the local images of an engine.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use bollard::models::ImageInspect;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::Engine;
use wharf_core::{
    base::{
        badge::Publisher,
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    catalog::rows::Row,
    image::{
        model::{Foreign, Health, Image, ImageKind, Layer, Pinned, Platform, PlatformEntry, RunConfig},
        reference::{ImageRef, Name},
    },
    ports::{Catalog, Extent},
};

#[async_trait]
impl Catalog for Engine {
    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let what = format!("list {}", self.name);
        let images = cx.run(&what, self.summaries(&what)).await?;
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        let shared = shared(&images);
        for image in images {
            for (repository, tag) in image.names() {
                // If the repository alone does not tell which image is meant, its digest is added.
                let repository = match image.digest_of(&repository).filter(|_| tag.is_none()) {
                    Some(digest) if shared.contains(&repository) => format!("{repository}@{digest}"),
                    _ => repository,
                };
                let row = rows.entry(repository.clone()).or_insert_with(|| Row { name: repository, ..Row::default() });
                row.tags.extend(tag);
                row.size = row.size.max(u64::try_from(image.size).ok());
                row.updated = row.updated.max(Some(image.created).filter(|created| *created > 0));
                row.digest = row.digest.take().or_else(|| image.id.parse().ok());
                row.labels.extend(
                    image
                        .labels
                        .iter()
                        .flatten()
                        .take(20)
                        .map(|(key, value)| format!("{}={}", clean::short(key, 60), clean::short(value, 60))),
                );
            }
        }
        for row in rows.values_mut() {
            row.tags.sort();
            row.tags.dedup();
        }
        let _ = pages.send(rows.into_values().collect()).await;
        Ok(Extent::Whole)
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        let tag = tag.map_or_else(String::new, |tag| format!(":{tag}"));
        format!("engine://{}/{name}{tag}", self.name).parse()
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Engine(name) if name.host == self.name)
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, _platform: Option<&Platform>) -> Result<Image> {
        let what = format!("show {reference}");
        let name = self.local(reference)?;
        cx.run(&what, async {
            let docker = self.docker().await?;
            let image = self.inspect(name, &what).await?;
            let asked = image.id.clone().unwrap_or_default();
            let history = docker.image_history(&asked).await.map_err(|error| self.library_error(&what, &error))?;
            // Engines list the newest step first; the page shows them in the order of building.
            let steps: Vec<(String, u64)> = history
                .iter()
                .rev()
                .map(|step| (clean::short(&step.created_by, 2000), u64::try_from(step.size).unwrap_or(0)))
                .collect();
            describe(reference, &image, steps, &what)
        })
        .await
    }

    async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        let what = format!("list versions of {reference}");
        let name = self.local(reference)?;
        cx.run(&what, async {
            let images = self.summaries(&what).await?;
            let all = images.iter().flat_map(Summary::names);
            let mut tags: Vec<String> =
                all.filter(|(repository, _)| *repository == name.repository).filter_map(|(_, tag)| tag).collect();
            tags.sort();
            tags.dedup();
            Ok(tags)
        })
        .await
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let facts = cx.run(&format!("ask {}", self.name), self.facts()).await?;
        let account = if facts.rootless {
            "you (rootless)"
        } else if facts.remapped {
            "root on this host, containers remapped"
        } else {
            "root on this host, in effect"
        };
        Ok(Health {
            reachable: true,
            account: account.into(),
            credentials: self.address.clone(),
            note: facts.version.clone(),
        })
    }
}

/// An image in the engine's list; engines may leave out any field.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Summary {
    id: String,
    repo_tags: Option<Vec<String>>,
    repo_digests: Option<Vec<String>>,
    created: i64,
    size: i64,
    labels: Option<BTreeMap<String, String>>,
}

/// The repositories that several images share, one of which has no tag.
fn shared(images: &[Summary]) -> BTreeSet<String> {
    let mut ids: BTreeMap<String, (BTreeSet<&str>, bool)> = BTreeMap::new();
    for image in images {
        for (repository, tag) in image.names() {
            let (known, untagged) = ids.entry(repository).or_default();
            known.insert(&image.id);
            *untagged |= tag.is_none();
        }
    }
    ids.into_iter().filter(|(_, (known, untagged))| *untagged && known.len() > 1).map(|(name, _)| name).collect()
}

impl Summary {
    /// The digest by which the image was pulled from this repository.
    fn digest_of(&self, repository: &str) -> Option<Digest> {
        let all = self.repo_digests.iter().chain(&self.repo_tags).flatten();
        all.filter_map(|full| full.split_once('@'))
            .find(|(name, _)| {
                name.strip_prefix(repository).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
            })
            .and_then(|(_, digest)| digest.parse().ok())
    }

    fn names(&self) -> Vec<(String, Option<String>)> {
        names(self.repo_tags.as_deref().unwrap_or_default(), self.repo_digests.as_deref().unwrap_or_default())
    }
}

impl Engine {
    /// All local images, as the engine lists them.
    async fn summaries(&self, what: &str) -> Result<Vec<Summary>> {
        // The first request agrees on the API version, and says in words why an engine does not answer.
        self.docker().await?;
        self.read("/images/json", what).await
    }

    /// The local name in a reference of this engine; fails for another engine's.
    pub(super) fn local<'a>(&self, reference: &'a ImageRef) -> Result<&'a Name> {
        match reference {
            ImageRef::Engine(name) if name.host == self.name => Ok(name),
            _ => Err(Error::usage(format!("read {reference}"), format!("it is not in {}", self.name))),
        }
    }
}

impl Engine {
    /// What the engine knows about a local image. An image that was pulled by digest has no tag and is found by its
    /// repository.
    pub(super) async fn inspect(&self, name: &Name, what: &str) -> Result<ImageInspect> {
        let docker = self.docker().await?;
        let inspected = docker.inspect_image(&spelled(name)).await.map_err(|error| self.library_error(what, &error));
        match inspected {
            // An image that was pulled by digest is found by its repository and that digest.
            Err(error) if error.kind == Kind::NotFound && name.tag.is_none() => {
                let images = self.summaries(what).await?;
                let ours = |image: &&Summary| {
                    let digest = image.digest_of(&name.repository);
                    digest.is_some() && (name.digest.is_none() || digest == name.digest)
                };
                let Some(found) = images.iter().find(ours) else { return Err(error) };
                docker.inspect_image(&found.id).await.map_err(|error| self.library_error(what, &error))
            }
            other => other,
        }
    }
}

/// The engine's own spelling of a local name. Images without a name are listed and found by id.
pub(super) fn spelled(name: &Name) -> String {
    if let Some(digest) = &name.digest {
        return digest.to_string();
    }
    match (name.repository.strip_prefix("id/"), &name.tag) {
        (Some(id), _) => id.to_owned(),
        (None, Some(tag)) => format!("{}:{tag}", name.repository),
        (None, None) => format!("{}:latest", name.repository),
    }
}

/// The names of a local image as `(repository, tag)`; a name with a digest only gives its repository.
///
/// Podman lists `repository@sha256:…` of an image that was pulled by digest among its tags, though it is no tag.
fn names(tags: &[String], digests: &[String]) -> Vec<(String, Option<String>)> {
    let split = |full: &String| {
        let (repository, tag) = full.rsplit_once(':').filter(|_| !full.contains('@'))?;
        (!tag.contains('/') && repository != "<none>")
            .then(|| (clean::short(repository, 255), Some(clean::short(tag, 128))))
    };
    let tagged: Vec<_> = tags.iter().filter_map(split).collect();
    if !tagged.is_empty() {
        return tagged;
    }
    digests
        .iter()
        .chain(tags)
        .filter_map(|full| full.split_once('@'))
        // A name with tag and digest means its repository.
        .map(|(name, _)| match name.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => repository,
            _ => name,
        })
        .map(|repository| (clean::short(repository, 255), None))
        .filter(|(repository, _)| repository != "<none>")
        .take(1)
        .collect()
}

fn describe(reference: &ImageRef, image: &ImageInspect, steps: Vec<(String, u64)>, what: &str) -> Result<Image> {
    let id: Digest = {
        let id = image.id.clone().unwrap_or_default();
        // Podman sends the id without the algorithm.
        if id.contains(':') { id } else { format!("sha256:{id}") }.parse().map_err(|error: Error| error.during(what))?
    };
    let platform = Platform {
        os: clean::short(image.os.as_deref().unwrap_or("linux"), 32),
        architecture: clean::short(image.architecture.as_deref().unwrap_or("unknown"), 32),
        variant: image
            .variant
            .as_deref()
            .filter(|variant| !variant.is_empty())
            .map(|variant| clean::short(variant, 16)),
    };
    let list = |items: &Option<Vec<String>>| {
        items.iter().flatten().map(|item| clean::line(item).into_owned()).collect::<Vec<_>>()
    };
    let raw = |items: &Option<Vec<String>>| items.iter().flatten().map(Foreign::new).collect::<Vec<_>>();
    let config = image.config.as_ref().map_or_else(RunConfig::default, |config| RunConfig {
        entrypoint: raw(&config.entrypoint),
        command: raw(&config.cmd),
        user: Foreign::new(config.user.as_deref().unwrap_or("")),
        environment: raw(&config.env),
        ports: list(&config.exposed_ports),
        volumes: list(&config.volumes),
        working_dir: Foreign::new(config.working_dir.as_deref().unwrap_or("")),
        labels: config
            .labels
            .iter()
            .flatten()
            .map(|(key, value)| (clean::short(key, 200), clean::short(value, 4000)))
            .collect(),
        unread: Vec::new(),
    });
    let layers: Vec<Layer> = {
        let ids = image.root_fs.as_ref().and_then(|root| root.layers.clone()).unwrap_or_default();
        let mut sized = steps.iter().filter(|(_, size)| *size > 0);
        ids.iter()
            .map(|id| {
                let (created_by, size) = sized.next().cloned().unwrap_or_default();
                Layer { digest: id.parse().ok(), size, media_type: "local layer".into(), created_by }
            })
            .collect()
    };
    let mut annotations = BTreeMap::new();
    for (index, digest) in image.repo_digests.iter().flatten().enumerate().take(20) {
        annotations.insert(format!("pulled as {}", index + 1), clean::short(digest, 400));
    }
    Ok(Image {
        reference: reference.clone(),
        kind: ImageKind::Container,
        pinned: Some(Pinned {
            reference: reference.with_digest(&id),
            digest: id.clone(),
            platform: Some(platform.clone()),
            manifest: id.clone(),
        }),
        media_type: "local image".into(),
        created: image.created.as_ref().and_then(|created| text::parse_timestamp(created)),
        platforms: vec![PlatformEntry { platform, digest: id }],
        config,
        annotations,
        size: image.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
        layers,
        history: steps.into_iter().map(|(step, _)| step).collect(),
        disk: None,
        signed: None,
        statement: None,
        artifact: None,
        publisher: Publisher::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(id: &str, tags: &[&str], digests: &[&str]) -> Summary {
        let owned = |all: &[&str]| Some(all.iter().map(ToString::to_string).collect());
        Summary { id: id.to_owned(), repo_tags: owned(tags), repo_digests: owned(digests), ..Summary::default() }
    }

    #[test]
    fn an_image_that_was_pulled_by_digest_is_named_by_its_repository_in_every_spelling() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        let full = format!("r.example:5000/a/b@{digest}");
        let tagged = format!("r.example:5000/a/b:1.0@{digest}");
        let expected = vec![("r.example:5000/a/b".to_owned(), None)];
        // Docker then has no tags; Podman has the same name among its tags.
        for (tags, digests) in
            [(vec![], vec![full.as_str()]), (vec![full.as_str()], vec![full.as_str()]), (vec![tagged.as_str()], vec![])]
        {
            let image = summary("1", &tags, &digests);
            assert_eq!(image.names(), expected, "{tags:?} {digests:?}");
            assert_eq!(image.digest_of("r.example:5000/a/b").unwrap().to_string(), digest);
            assert_eq!(image.digest_of("r.example:5000/a"), None);
        }
        assert_eq!(summary("1", &["<none>:<none>"], &["<none>@<none>"]).names(), vec![]);
        assert_eq!(
            summary("1", &["r.example:5000/a/b:1"], &[&full]).names(),
            vec![("r.example:5000/a/b".to_owned(), Some("1".to_owned()))]
        );
    }

    #[test]
    fn several_images_of_one_repository_are_told_apart_where_one_has_no_tag() {
        let digest = |pair: &str| format!("a/b@sha256:{}", pair.repeat(32));
        let one = summary("1", &[], &[&digest("aa")]);
        let other = summary("2", &[], &[&digest("bb")]);
        let tagged = summary("3", &["a/b:1"], &[&digest("cc")]);
        assert!(shared(std::slice::from_ref(&one)).is_empty());
        assert_eq!(shared(&[one, other]).len(), 1);
        assert!(shared(&[tagged]).is_empty());
    }
}
