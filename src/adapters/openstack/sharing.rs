//! Sharing a cloud's images by membership (Image API v2, "Sharing"): the owner adds projects, and each of them answers.

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Images,
    answers::{GlanceImage, Member, Members},
    service::{Body, Request, Service},
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
        secret::Secret,
        text,
    },
    image::reference::ImageRef,
    ports::Sharer,
    sharing::{
        offer::{Offer, Project, Share, SharePlan, ShareStatus, VolumeTransfer},
        receiver::Receiver,
    },
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

/// Clouds grant images to projects; people are sent links.
fn no_person(what: &str) -> Error {
    Error::unsupported(what, "clouds share images with projects, not with persons")
}

impl Images {
    /// The reference of an image in this cloud.
    pub fn image_ref(&self, id: &str) -> ImageRef {
        ImageRef::Glance { cloud: self.cloud.name.clone(), image: id.to_owned() }
    }

    /// An image of this cloud that can be shared and is not shared with this receiver yet.
    async fn shareable(&self, what: &str, reference: &ImageRef, to: &Receiver) -> Result<GlanceImage> {
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let found = self.find(what, image).await?;
        let already = match to {
            Receiver::Project(_) => matches!(found.visibility.as_str(), "public" | "community"),
            Receiver::Community => found.visibility == "public",
            Receiver::Public | Receiver::Person(_) | Receiver::Contact(_) => false,
        };
        if already {
            return Err(Error::usage(
                what,
                format!("it is {} already: every project of {} may use it", found.visibility, self.cloud.name),
            )
            .hint("send its name or a link instead"));
        }
        Ok(found)
    }

    /// Sets the visibility of an image.
    async fn set_visibility(&self, what: &str, image: &GlanceImage, visibility: &str) -> Result<()> {
        if image.visibility == visibility {
            return Ok(());
        }
        let change = json!([{"op": "replace", "path": "/visibility", "value": visibility}]);
        let path = format!("images/{}", image.id);
        let request = Request::new(Method::PATCH, &path, Body::ImagePatch(change));
        self.cloud.send(what, Service::Image, request).await.map(|_| ())
    }

    /// The share of an image that everybody can see.
    fn share_of_everybody(&self, image: &str, visibility: &str) -> Share {
        Share {
            id: format!("{}/{image}/{visibility}", self.cloud.name),
            reference: self.image_ref(image),
            project: Project { name: "everybody".to_owned(), id: visibility.to_owned() },
            standing: ShareStatus::Accepted,
            created: None,
        }
    }

    /// Adds a project to an image's members; a project that is a member already stays as it is.
    async fn add_member(&self, what: &str, image: &GlanceImage, project: Project) -> Result<Share> {
        if image.owner.as_deref() == Some(&project.id) {
            return Err(Error::usage(what, "it belongs to that project"));
        }
        self.set_visibility(what, image, "shared").await?;
        let path = format!("images/{}/members", image.id);
        let body = Body::Json(json!({"member": project.id}));
        let made: Result<Member> = self.cloud.json(what, Service::Image, Request::new(Method::POST, &path, body)).await;
        let member = match made {
            Ok(member) => member,
            // It is a member already (409 is the only plain failure here), and its status is what was asked for.
            Err(error) if error.kind == Kind::Failed => {
                let path = format!("images/{}/members/{}", image.id, project.id);
                let known: Result<Member> = self.cloud.json(what, Service::Image, Request::get(&path)).await;
                known.map_err(|_| error)?
            }
            Err(error) => return Err(error),
        };
        Ok(self.share_from_member(&image.id, &member, &[project]))
    }

    /// The steps that share an image of this visibility; `image` is its id, or the name it will have.
    async fn steps(
        &self,
        cx: &Context,
        what: &str,
        image: &str,
        visibility: &str,
        to: &Receiver,
    ) -> Result<(Vec<String>, &'static str)> {
        let turn = |wanted: &str| format!("PATCH /v2/images/{image}: visibility {visibility} → {wanted}");
        Ok(match to {
            Receiver::Project(wanted) => {
                let project = self.project_named(cx, what, wanted).await?;
                let mut steps = Vec::new();
                if visibility != "shared" {
                    steps.push(turn("shared"));
                }
                steps.push(format!("POST /v2/images/{image}/members: {}", project.id));
                (steps, "may use it by its id at once, and accepts it to see it in its list")
            }
            Receiver::Community => {
                (vec![turn("community")], "finds it by searching for it, or by its id; it is in no list by itself")
            }
            Receiver::Public => (vec![turn("public")], "has it in its list at once, as every project has"),
            Receiver::Person(_) | Receiver::Contact(_) => return Err(no_person(what)),
        })
    }

    /// The project with this name or id; fails if several have that name.
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

    fn share_from_member(&self, image: &str, member: &Member, names: &[Project]) -> Share {
        let name =
            names.iter().find(|project| project.id == member.member_id).map_or("", |project| project.name.as_str());
        Share {
            id: format!("{}/{image}/{}", self.cloud.name, member.member_id),
            reference: self.image_ref(image),
            project: Project { name: name.to_owned(), id: clean::short(&member.member_id, 80) },
            standing: ShareStatus::from(member.status.as_str()),
            created: member.created_at.as_deref().and_then(text::parse_timestamp),
        }
    }
}

/// Whether a text is an id of Keystone: 32 hexadecimal digits.
fn is_project_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The image and the project in `CLOUD/IMAGE[/PROJECT]`.
fn parts<'a>(id: &'a str, what: &str) -> Result<(&'a str, Option<&'a str>)> {
    let mut parts = id.split('/').skip(1);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(image), project, None) if text::is_uuid(image) => Ok((image, project)),
        _ => Err(Error::usage(what, "not an id that Wharf gave out").hint("copy it from the list")),
    }
}

/// The transfer's id in `CLOUD/transfer/ID`.
fn transfer_id<'a>(offer: &'a str, what: &str) -> Result<&'a str> {
    match offer.split('/').collect::<Vec<_>>().as_slice() {
        [_, "transfer", id] if text::is_uuid(id) => Ok(id),
        _ => Err(Error::usage(what, "not the id of a volume that is given").hint("write CLOUD/transfer/ID")),
    }
}

#[async_trait]
impl Sharer for Images {
    async fn projects(&self, _cx: &Context) -> Result<Vec<Project>> {
        let what = format!("list projects of {}", self.cloud.name);
        // Ordinary users may see their own projects only; administrators see all.
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

    async fn own(&self, _cx: &Context) -> Result<Project> {
        let (id, name) = self.cloud.project().await?;
        Ok(Project { name, id })
    }

    async fn plan(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<SharePlan> {
        let what = format!("plan a share of {reference}");
        let mut rights = match to {
            Receiver::Public => "the role that may publish images, usually an administrator's".to_owned(),
            _ => "a membership of the project that owns it".to_owned(),
        };
        let (before, name, visibility, cost) = if let ImageRef::Volume { .. } = reference {
            let (steps, name, cost) = self.plan_of_image(&what, reference).await?;
            (steps, name, "private".to_owned(), cost)
        } else {
            let image = self.shareable(&what, reference, to).await?;
            let (own, _) = self.cloud.project().await?;
            if image.owner.as_deref().is_some_and(|owner| owner != own) {
                rights.push_str("; it belongs to another project than yours: the cloud will refuse it to members");
            }
            (Vec::new(), image.id.clone(), image.visibility.clone(), "no bytes move".to_owned())
        };
        let (steps, receiver) = self.steps(cx, &what, &name, &visibility, to).await?;
        Ok(SharePlan { steps: [before, steps].concat(), cost, rights, receiver: receiver.to_owned() })
    }

    async fn share(&self, cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share> {
        let what = format!("share {reference} to '{to}'");
        // The receiver must be known before anything is created for it.
        let project = match to {
            Receiver::Project(wanted) => Some(self.project_named(cx, &what, wanted).await?),
            Receiver::Person(_) | Receiver::Contact(_) => return Err(no_person(&what)),
            Receiver::Community | Receiver::Public => None,
        };
        let reference = self.image_to_share(cx, reference).await?;
        let image = self.shareable(&what, &reference, to).await?;
        let visibility = match (to, project) {
            (_, Some(project)) => return self.add_member(&what, &image, project).await,
            (Receiver::Public, None) => "public",
            (Receiver::Community, None) => "community",
            (_, None) => return Err(no_person(&what)),
        };
        self.set_visibility(&what, &image, visibility).await?;
        Ok(self.share_of_everybody(&image.id, visibility))
    }

    async fn image_to_share(&self, cx: &Context, reference: &ImageRef) -> Result<ImageRef> {
        match reference {
            ImageRef::Volume { .. } => {
                self.image_of_volume(cx, &format!("make an image of {reference}"), reference).await
            }
            _ => Ok(reference.clone()),
        }
    }

    async fn shares(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<Share>> {
        let what = format!("list shares of {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return Err(Error::usage(what, "it is not an image of a cloud"));
        };
        let image = self.find(&what, image).await?;
        match image.visibility.as_str() {
            "shared" => {}
            everybody @ ("community" | "public") => return Ok(vec![self.share_of_everybody(&image.id, everybody)]),
            _ => return Ok(Vec::new()),
        }
        let path = format!("images/{}/members", image.id);
        let found: Members = self.cloud.json(&what, Service::Image, Request::get(&path)).await?;
        let names = self.projects(cx).await.unwrap_or_default();
        Ok(found.members.iter().map(|member| self.share_from_member(&image.id, member, &names)).collect())
    }

    async fn revoke(&self, _cx: &Context, share: &str) -> Result<()> {
        let what = format!("revoke {share}");
        let (image, Some(project)) = parts(share, &what)? else {
            return Err(Error::usage(what, "it names no project").hint("'wharf shares REF' shows the whole id"));
        };
        if matches!(project, "community" | "public") {
            // Projects that it was shared with before keep their shares.
            let found = match self.find(&what, image).await {
                Err(error) if error.kind == Kind::NotFound => return Ok(()),
                found => found?,
            };
            return match found.visibility.as_str() {
                "community" | "public" => self.set_visibility(&what, &found, "shared").await,
                _ => Ok(()),
            };
        }
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
                reference: self.image_ref(&image.id),
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

    async fn create_transfer(&self, _cx: &Context, reference: &ImageRef) -> Result<VolumeTransfer> {
        self.create_transfer(&format!("give {reference}"), reference).await
    }

    async fn accept_transfer(&self, _cx: &Context, offer: &str, key: &Secret) -> Result<ImageRef> {
        let what = format!("take {offer}");
        self.accept_transfer(&what, transfer_id(offer, &what)?, key).await
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
            return self.cancel_transfer(&what, transfer_id(offer, &what)?).await;
        }
        let (image, _) = parts(offer, &what)?;
        let (project, _) = self.cloud.project().await?;
        let path = format!("images/{image}/members/{project}");
        let body = Body::Json(json!({"status": status}));
        self.cloud.send(&what, Service::Image, Request::new(Method::PUT, &path, body)).await.map(|_| ())
    }
}
