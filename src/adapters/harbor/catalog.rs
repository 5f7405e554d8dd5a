//! Listing a Harbor: the projects that the account sees, their repositories, and the artifacts with their tags.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::mpsc;

use super::{
    Harbor,
    answers::{Artifact, Project, Quota, Repository, SystemInfo, User},
    api::{artifact_path, encode_twice, split},
};
use crate::shared::{
    http::{Allowance, Part},
    in_front::Front,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    catalog::rows::Row,
    image::{
        model::{Health, LastPull},
        reference::{self, ImageRef},
    },
    ports::{Catalog, Extent, Listing},
};

/// How many projects and repositories are read at the same time.
const AT_ONCE: usize = 16;
/// With more repositories than this, tags are read only when a person opens an image.
const TAGS_OF_AT_MOST: usize = 5_000;
/// Most bytes that the versions in a list of repositories may take.
const MOST_OF_VERSIONS: usize = 256 << 20;
/// At most this many quotas are shown.
const QUOTAS: usize = 4;

impl Harbor {
    async fn repositories(&self, cx: &Context, project: &Project, allowance: &Allowance) -> Result<Part<Repository>> {
        if project.repo_count == 0 {
            return Ok(Part { rows: Vec::new(), cut: None });
        }
        let what = format!("list the repositories of {} in {}", clean::short(&project.name, 60), self.name);
        self.api.all(cx, &what, &format!("projects/{}/repositories", encode_twice(&project.name)), allowance).await
    }

    /// The row of a repository with its tags, and with size and date of its newest artifact. A repository whose
    /// artifacts cannot be read still has a row.
    async fn row(&self, cx: &Context, repository: Repository, with_tags: bool, allowance: &Allowance) -> Result<Row> {
        let mut row = Row {
            note: note(&repository),
            updated: text::parse_timestamp(&repository.update_time),
            name: repository.name,
            ..Row::default()
        };
        let Some((project, rest)) = split(&row.name).filter(|_| with_tags) else { return Ok(row) };
        let what = format!("list versions of {} in {}", row.name, self.name);
        let path =
            format!("projects/{}/repositories/{}/artifacts?with_tag=true", encode_twice(project), encode_twice(rest));
        match self.api.all::<Artifact>(cx, &what, &path, allowance).await {
            Ok(Part { rows: artifacts, cut }) => {
                if let Some(why) = cut {
                    row.note = format!("not all versions: {why}");
                }
                let mut tags: Vec<(String, String, u64)> = Vec::new();
                for artifact in artifacts {
                    let named = artifact.tags.unwrap_or_default().into_iter();
                    tags.extend(named.map(|tag| (tag.push_time, tag.name, artifact.size)));
                }
                tags.retain(|(_, name, _)| reference::is_tag(name));
                tags.sort();
                row.size = tags.last().map(|(.., size)| *size);
                row.tags = tags.into_iter().map(|(_, name, _)| name).collect();
            }
            Err(error) if matches!(error.kind, Kind::Unavailable | Kind::Cancelled) => return Err(error),
            Err(error) => row.note = error.why,
        }
        Ok(row)
    }
}

impl Harbor {
    async fn quotas(&self, cx: &Context, what: &str) -> Result<Vec<Quota>> {
        self.api.get(cx, what, &format!("quotas?reference=project&page_size={QUOTAS}")).await
    }
}

fn note(repository: &Repository) -> String {
    let pulls = text::plural(repository.pull_count, "pull", "pulls");
    let words = clean::short(&repository.description, 160);
    if words.is_empty() { pulls } else { format!("{pulls} · {words}") }
}

/// How much of a project's quota is used, in words.
fn filled(quota: &Quota) -> String {
    let name = clean::short(&quota.r#ref.name, 40);
    let used = text::size(quota.used.storage.max(0).unsigned_abs());
    match u64::try_from(quota.hard.storage) {
        Ok(hard) => format!("{name} {used} of {}", text::size(hard)),
        Err(_) => format!("{name} {used}"),
    }
}

#[async_trait]
impl Front for Arc<Harbor> {
    fn registry(&self) -> &dyn Catalog {
        &*self.registry.catalog
    }

    fn listing(&self) -> Listing {
        Listing::Whole
    }

    async fn list(&self, cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        // All projects share one allowance, so that together they cannot fill the memory.
        let allowance = Allowance::default();
        let projects: Part<Project> = self.api.all(cx, &format!("list {}", self.name), "projects", &allowance).await?;
        let asked: Vec<_> = projects.rows.iter().map(|project| self.repositories(cx, project, &allowance)).collect();
        let found: Vec<Part<Repository>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
        let mut cut = projects.cut;
        let mut repositories: Vec<Repository> = Vec::new();
        for part in found {
            cut = cut.or(part.cut);
            repositories.extend(part.rows.into_iter().filter(|one| reference::is_repository(&one.name)));
        }
        let first = repositories.iter().map(|one| Row { name: one.name.clone(), note: note(one), ..Row::default() });
        let _ = pages.send(first.collect()).await;
        let with_tags = repositories.len() <= TAGS_OF_AT_MOST;
        let versions = Allowance::new(usize::MAX, MOST_OF_VERSIONS);
        let rows: Vec<_> = repositories.into_iter().map(|one| self.row(cx, one, with_tags, &versions)).collect();
        let mut rows = stream::iter(rows).buffer_unordered(AT_ONCE).chunks(64);
        while let Some(chunk) = rows.next().await {
            let _ = pages.send(chunk.into_iter().collect::<Result<Vec<Row>>>()?).await;
        }
        drop(rows);
        Ok(Extent::cut_short(cut.or(versions.ended().filter(|_| with_tags))))
    }

    fn describes_cheaply(&self) -> bool {
        true
    }

    async fn last_pull(&self, cx: &Context, reference: &ImageRef) -> Result<Option<LastPull>> {
        let path = reference.name().and_then(|name| artifact_path(name, name.selector()));
        let Some(path) = path else { return Ok(None) };
        let artifact: Artifact = self.api.get(cx, &format!("ask when {reference} was pulled"), &path).await?;
        Ok(Some(text::parse_timestamp(&artifact.pull_time).map_or(LastPull::Never, LastPull::At)))
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.name);
        let about: SystemInfo = self.api.get(cx, &what, "systeminfo").await?;
        if about.auth_mode.is_empty() && about.harbor_version.is_empty() {
            return Err(Error::new(Kind::Unavailable, what, "it does not answer as a Harbor does")
                .hint("if it is another registry, configure it as type = \"oci\""));
        }
        let host = self.api.host().to_owned();
        let account = self.registry.catalog.credentials(&ImageRef::oci(&host, "library/any", None)).await;
        // Without an account nobody is signed in, which is no failure. Robot accounts have no user.
        let user: User = match self.api.get(cx, &what, "users/current").await {
            Ok(user) => user,
            Err(error) if account.is_none() && error.kind == Kind::NotAllowed => User::default(),
            Err(error) if error.kind == Kind::NotFound => User::default(),
            Err(error) => return Err(error),
        };
        let quotas: Vec<Quota> = match account {
            Some(_) => self.quotas(cx, &what).await.unwrap_or_default(),
            None => Vec::new(),
        };
        let mut note = format!("Harbor {}", clean::short(&about.harbor_version, 40));
        for quota in quotas.iter().take(QUOTAS) {
            note.push_str(&format!(" · {}", filled(quota)));
        }
        let name = if user.username.is_empty() {
            account.as_ref().map(|account| account.username.clone()).unwrap_or_default()
        } else {
            clean::short(&user.username, 60)
        };
        Ok(Health {
            reachable: true,
            account: name,
            credentials: account.map(|account| account.origin).unwrap_or_default(),
            note,
        })
    }
}
