//! Removing images, volumes, snapshots and backups of a project (Image API v2, Block Storage API v3).

use std::time::Duration;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;

use super::{
    Images,
    answers::{self, GlanceImage},
    disks::PAUSE,
    service::{Body, Request, Service},
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
    ports::{Disks, Sharer, Upkeep, cannot, upkeep::Removal},
    sharing::offer::ShareStatus,
};

/// How long removing a volume may take, because some drivers overwrite it.
const PATIENCE: Duration = Duration::from_secs(600);
/// At most this many servers or snapshots are named.
const NAMED: usize = 20;

/// Anything with an id and a name.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct NamedObject {
    #[serde(deserialize_with = "answers::lenient")]
    id: String,
    #[serde(deserialize_with = "answers::lenient")]
    name: Option<String>,
}

fn describe(all: &[NamedObject]) -> String {
    all.iter().map(|one| answers::title(one.name.as_deref(), &one.id)).collect::<Vec<_>>().join(", ")
}

/// The snapshots of volumes that an image of a server is based on.
fn base_snapshots(image: &GlanceImage) -> Vec<String> {
    #[derive(Deserialize)]
    struct Mapped {
        #[serde(default)]
        snapshot_id: Option<String>,
    }
    let mapping = image.properties.get("block_device_mapping");
    let mapped: Vec<Mapped> = match mapping {
        Some(serde_json::Value::String(text)) => serde_json::from_str(text).unwrap_or_default(),
        Some(other) => serde_json::from_value(other.clone()).unwrap_or_default(),
        None => Vec::new(),
    };
    mapped.into_iter().filter_map(|one| one.snapshot_id).filter(|id| wharf_core::base::text::is_uuid(id)).collect()
}

impl Images {
    async fn named_objects(&self, what: &str, service: Service, list: &str, filter: &str) -> Result<Vec<NamedObject>> {
        Ok(self.cloud.page(what, service, list, list, &format!("{filter}&limit={NAMED}")).await?.rows)
    }

    async fn removal_of_image(&self, cx: &Context, what: &str, wanted: &str) -> Result<Removal> {
        let image = self.find(what, wanted).await?;
        let (project, _) = self.cloud.project().await?;
        if image.owner.as_deref().is_some_and(|owner| owner != project) {
            return Err(Error::new(Kind::NotAllowed, what, "it belongs to another project")
                .hint("an offer that you accepted is taken out of your list by 'wharf offers reject'"));
        }
        if image.protected {
            return Err(Error::failed(what, "it is protected against that")
                .hint(format!("if you are sure: openstack image set --unprotected {}", image.id)));
        }
        let reference = self.image_ref(&image.id);
        let mut along = Vec::new();
        for share in self.shares(cx, &reference).await? {
            if share.standing != ShareStatus::Rejected {
                along.push(format!("{} loses it ({})", share.project.label(), share.standing.label().1));
            }
        }
        let mut removes = vec![reference.clone()];
        for id in base_snapshots(&image) {
            match self.find_block(what, "snapshots", &id).await {
                Ok(block) => {
                    along.push(format!("the snapshot of a volume that it stands on: {}", block.title()));
                    removes.push(self.block_ref(&format!("snapshots/{id}")));
                }
                Err(error) if error.kind == Kind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        // Without a compute service there are no servers that use it.
        let servers = match self.named_objects(what, Service::Compute, "servers", &format!("image={}", image.id)).await
        {
            Err(error) if matches!(error.kind, Kind::Unsupported | Kind::NotAllowed | Kind::NotFound) => Vec::new(),
            other => other?,
        };
        let stays = match servers.as_slice() {
            [] => Vec::new(),
            all => {
                vec![format!(
                    "servers that were launched from it, and can no longer be rebuilt from it: {}",
                    describe(all)
                )]
            }
        };
        let digest = image.digest();
        Ok(Removal { reference, title: format!("the image {}", image.title()), digest, removes, along, stays })
    }

    async fn removal_of_block(&self, what: &str, volume: &str) -> Result<Removal> {
        let (list, wanted) = volume.split_once('/').unwrap_or(("volumes", volume));
        let found = self.find_block(what, list, wanted).await?;
        let reference =
            self.block_ref(&if list == "volumes" { found.id.clone() } else { format!("{list}/{}", found.id) });
        let title = format!("the {} {} with its data", list.trim_end_matches('s'), found.title());
        let refused = |why: String, hint: &str| Err(Error::failed(what, why).hint(hint));
        let servers = found.servers();
        if !servers.is_empty() {
            return refused(
                format!("the server {} uses it", servers.join(", ")),
                "detach it, or remove the server first",
            );
        }
        match found.status.as_str() {
            "available" => {}
            "deleting" => return Err(Error::not_found(what, "it is being removed already")),
            "awaiting-transfer" => {
                return refused("it is being given away".to_owned(), "take that back first: wharf offers");
            }
            failed if failed.starts_with("error") => {}
            busy => return refused(format!("it is {} just now", clean::short(busy, 40)), "wait until that is over"),
        }
        if list == "volumes" {
            let snapshots =
                self.named_objects(what, Service::Volume, "snapshots", &format!("volume_id={}", found.id)).await?;
            if !snapshots.is_empty() {
                return refused(format!("it has snapshots: {}", describe(&snapshots)), "remove those first");
            }
        }
        if found.has_dependents() {
            return refused("later backups build on it".to_owned(), "remove those first, the latest at first");
        }
        Ok(Removal {
            removes: vec![reference.clone()],
            reference,
            title,
            digest: None,
            along: Vec::new(),
            stays: Vec::new(),
        })
    }

    fn block_ref(&self, volume: &str) -> ImageRef {
        ImageRef::Volume { cloud: self.cloud.name.clone(), volume: volume.to_owned() }
    }

    /// Removes a volume, snapshot or backup, and waits until it is gone.
    async fn remove_block(&self, cx: &Context, what: &str, volume: &str) -> Result<()> {
        let (list, id) = volume.split_once('/').unwrap_or(("volumes", volume));
        let path = format!("{list}/{id}");
        let asked = self.cloud.send(what, Service::Volume, Request::new(Method::DELETE, &path, Body::None)).await;
        match asked {
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            other => other.map(|_| ())?,
        }
        let gone = async {
            loop {
                match self.find_block(what, list, id).await {
                    Err(error) if error.kind == Kind::NotFound => return Ok(()),
                    Err(error) => return Err(error),
                    Ok(block) if block.status.starts_with("error") => {
                        return Err(Error::failed(what, "the cloud could not remove it")
                            .hint("tell the administrators of the cloud"));
                    }
                    Ok(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        };
        cx.progress.phase("the cloud removes it");
        cx.clone().with_deadline(PATIENCE).run(what, gone).await
    }
}

#[async_trait]
impl Upkeep for Images {
    async fn digest(&self, _cx: &Context, reference: &ImageRef) -> Result<Digest> {
        Err(cannot(&reference.to_string(), "find a tag of"))
    }

    async fn removals(&self, cx: &Context, references: &[ImageRef]) -> Vec<Result<Removal>> {
        let mut removals = Vec::new();
        for reference in references {
            let what = format!("remove {reference}");
            removals.push(match reference {
                ImageRef::Glance { image, .. } => self.removal_of_image(cx, &what, image).await,
                ImageRef::Volume { volume, .. } => self.removal_of_block(&what, volume).await,
                _ => Err(Error::usage(what, "it is not in a cloud")),
            });
        }
        removals
    }

    async fn remove(&self, cx: &Context, reference: &ImageRef) -> Result<()> {
        match reference {
            ImageRef::Volume { volume, .. } => self.remove_block(cx, &format!("remove {reference}"), volume).await,
            _ => Disks::forget(self, cx, reference).await,
        }
    }

    async fn tag(&self, _cx: &Context, image: &ImageRef, _tag: &ImageRef) -> Result<()> {
        Err(cannot(&image.to_string(), "give a tag to"))
    }
}
