//! Sharing a cloud's images by membership (Image API v2, "Sharing"): the owner adds projects, each project answers.

use async_trait::async_trait;
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Images,
    answers::{GlanceImage, Member, Members},
    cloud::{Body, Request, Service},
};
use crate::core::{
    clean,
    error::{Error, Kind, Result},
    ports::Sharer,
    progress::Context,
    reference::ImageRef,
    secret::Secret,
    share::{Given, Offer, Project, Share, SharePlan, Standing},
    text,
};

#[derive(Debug, Deserialize)]
struct Projects {
    #[serde(default)]
    projects: Vec<KeystoneProject>,
}

#[derive(Debug, Deserialize)]
struct KeystoneProject {
    id: String,
    #[serde(default)]
    name: String,
}

impl Images {
    /// An image of this cloud that is ours to share.
    async fn shareable(&self, what: &str, reference: &ImageRef) -> Result<GlanceImage> {
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let found = self.find(what, image).await?;
        match found.visibility.as_str() {
            "public" | "community" => Err(Error::usage(
                what,
                format!("it is {} already: every project of {} may use it", found.visibility, self.cloud.name),
            )
            .hint("send its name or a link instead")),
            _ => Ok(found),
        }
    }

    /// The project that a name or an id means.
    async fn project_named(&self, cx: &Context, what: &str, wanted: &str) -> Result<Project> {
        let known = self.projects(cx).await.unwrap_or_default();
        let fits: Vec<&Project> =
            known.iter().filter(|project| project.id == wanted || project.name == wanted).collect();
        match fits.as_slice() {
            [one] => Ok((*one).clone()),
            [] if is_project_id(wanted) => Ok(Project { name: String::new(), id: wanted.to_owned() }),
            [] => Err(Error::not_found(
                what,
                format!("you may not see a project called '{wanted}' on {}", self.cloud.name),
            )
            .hint("ask the other project for its id ('wharf sources' shows it to its members) and give that")),
            _ => Err(Error::usage(what, format!("several projects are called '{wanted}'")).hint("give its id")),
        }
    }

    fn share_of(&self, image: &str, member: &Member, names: &[Project]) -> Share {
        let name =
            names.iter().find(|project| project.id == member.member_id).map_or("", |project| project.name.as_str());
        Share {
            id: format!("{}/{image}/{}", self.cloud.name, member.member_id),
            reference: ImageRef::Glance { cloud: self.cloud.name.clone(), image: image.to_owned() },
            project: Project { name: name.to_owned(), id: clean::short(&member.member_id, 80) },
            standing: Standing::from(member.status.as_str()),
            created: member.created_at.as_deref().and_then(text::parse_timestamp),
        }
    }
}

/// Keystone's ids: 32 hexadecimal figures.
fn is_project_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The parts of `CLOUD/IMAGE[/PROJECT]`.
fn parts<'a>(id: &'a str, what: &str) -> Result<(&'a str, Option<&'a str>)> {
    let mut parts = id.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(image), project, None) if super::catalog::is_id(image) => Ok((image, project)),
        _ => Err(Error::usage(what, "not an id that Wharf gave out").hint("copy it from the list")),
    }
}

/// The cloud's id in `CLOUD/transfer/ID`.
fn transfer_of<'a>(offer: &'a str, what: &str) -> Result<&'a str> {
    match offer.split('/').collect::<Vec<_>>().as_slice() {
        [_, "transfer", id] if super::catalog::is_id(id) => Ok(id),
        _ => Err(Error::usage(what, "not the id of a volume that is given").hint("write CLOUD/transfer/ID")),
    }
}

#[async_trait]
impl Sharer for Images {
    async fn projects(&self, _cx: &Context) -> Result<Vec<Project>> {
        let what = format!("list projects of {}", self.cloud.name);
        // Ordinary members may only see the projects they are in; administrators see all.
        let all: Result<Projects> = self.cloud.json(&what, Service::Identity, Request::get("projects")).await;
        let seen = match all {
            Ok(all) => all,
            Err(error) if error.kind == Kind::NotAllowed => {
                self.cloud.json(&what, Service::Identity, Request::get("auth/projects")).await?
            }
            Err(error) => return Err(error),
        };
        let mut projects: Vec<Project> = seen
            .projects
            .into_iter()
            .map(|project| Project { name: clean::short(&project.name, 100), id: clean::short(&project.id, 80) })
            .collect();
        projects.sort();
        Ok(projects)
    }

    async fn plan(&self, cx: &Context, reference: &ImageRef, project: &str) -> Result<SharePlan> {
        let what = format!("plan a share of {reference}");
        let image = self.shareable(&what, reference).await?;
        let project = self.project_named(cx, &what, project).await?;
        let mut steps = Vec::new();
        if image.visibility != "shared" {
            steps.push(format!("PATCH /v2/images/{}: visibility {} → shared", image.id, image.visibility));
        }
        steps.push(format!("POST /v2/images/{}/members: {}", image.id, project.id));
        Ok(SharePlan {
            steps,
            cost: "no bytes move".into(),
            receiver: "may use it by its id at once, and accepts it to see it in its list".into(),
        })
    }

    async fn share(&self, cx: &Context, reference: &ImageRef, project: &str) -> Result<Share> {
        let what = format!("share {reference} to '{project}'");
        let image = self.shareable(&what, reference).await?;
        let project = self.project_named(cx, &what, project).await?;
        if image.owner.as_deref() == Some(&project.id) {
            return Err(Error::usage(what, "it belongs to that project"));
        }
        if image.visibility != "shared" {
            let change = json!([{"op": "replace", "path": "/visibility", "value": "shared"}]);
            let path = format!("images/{}", image.id);
            self.cloud
                .send(&what, Service::Image, Request::new(Method::PATCH, &path, Body::ImagePatch(change)))
                .await?;
        }
        let path = format!("images/{}/members", image.id);
        let body = Body::Json(json!({"member": project.id}));
        let made: Result<Member> =
            self.cloud.json(&what, Service::Image, Request::new(Method::POST, &path, body)).await;
        let member = match made {
            Ok(member) => member,
            // It is a member already: how it stands is what was asked for. (409 is the only plain failure here.)
            Err(error) if error.kind == Kind::Failed => {
                let path = format!("images/{}/members/{}", image.id, project.id);
                let known: Result<Member> = self.cloud.json(&what, Service::Image, Request::get(&path)).await;
                known.map_err(|_| error)?
            }
            Err(error) => return Err(error),
        };
        Ok(self.share_of(&image.id, &member, &[project]))
    }

    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>> {
        let what = format!("list shares of {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let image = self.find(&what, image).await?;
        if image.visibility != "shared" {
            return Ok(Vec::new());
        }
        let path = format!("images/{}/members", image.id);
        let found: Members = self.cloud.json(&what, Service::Image, Request::get(&path)).await?;
        let names = self.projects(cx).await.unwrap_or_default();
        Ok(found.members.iter().map(|member| self.share_of(&image.id, member, &names)).collect())
    }

    async fn revoke(&self, _cx: &Context, share: &str) -> Result<()> {
        let what = format!("revoke {share}");
        let (image, Some(project)) = parts(share, &what)? else {
            return Err(Error::usage(what, "it names no project").hint("'wharf shares REF' shows the whole id"));
        };
        let path = format!("images/{image}/members/{project}");
        match self.cloud.send(&what, Service::Image, Request::new(Method::DELETE, &path, Body::None)).await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn offers(&self, cx: &Context) -> Result<Vec<Offer>> {
        let what = format!("list offers of {}", self.cloud.name);
        let images = self.offered(&what).await?;
        let names = if images.is_empty() { Vec::new() } else { self.projects(cx).await.unwrap_or_default() };
        let offer = |image: GlanceImage| {
            let owner = clean::short(image.owner.as_deref().unwrap_or(""), 80);
            let name = names.iter().find(|project| project.id == owner).map_or("", |project| project.name.as_str());
            Offer {
                id: format!("{}/{}", self.cloud.name, image.id),
                source: self.cloud.name.clone(),
                title: image.title(),
                reference: ImageRef::Glance { cloud: self.cloud.name.clone(), image: image.id.clone() },
                from: Project { name: name.to_owned(), id: owner },
                since: image.updated_at.as_deref().and_then(text::parse_timestamp),
                note: format!(
                    "{} {}",
                    clean::short(image.disk_format.as_deref().unwrap_or(""), 20),
                    image.size.map(text::size).unwrap_or_default()
                ),
                ignored: "it stays usable by its id, and is in no list".into(),
                outgoing: false,
            }
        };
        let (id, name) = self.cloud.project().await?;
        let given = self.given(&what, &Project { name, id }).await?;
        Ok(images.into_iter().map(offer).chain(given).collect())
    }

    async fn give(&self, _cx: &Context, reference: &ImageRef) -> Result<Given> {
        self.give_volume(&format!("give {reference}"), reference).await
    }

    async fn take(&self, _cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef> {
        let what = format!("take {offer}");
        self.take_volume(&what, transfer_of(offer, &what)?, key).await
    }

    async fn answer(&self, _cx: &Context, offer: &str, accept: bool) -> Result<()> {
        let status = if accept { "accepted" } else { "rejected" };
        let what = format!("{} {offer}", if accept { "accept" } else { "reject" });
        if offer.contains("/transfer/") {
            if accept {
                return Err(
                    Error::usage(what, "a volume is taken with its key").hint("wharf offers accept asks for it")
                );
            }
            return self.cancel_transfer(&what, transfer_of(offer, &what)?).await;
        }
        let (image, _) = parts(offer, &what)?;
        let (project, _) = self.cloud.project().await?;
        let path = format!("images/{image}/members/{project}");
        let body = Body::Json(json!({"status": status}));
        self.cloud.send(&what, Service::Image, Request::new(Method::PUT, &path, body)).await.map(|_| ())
    }
}
