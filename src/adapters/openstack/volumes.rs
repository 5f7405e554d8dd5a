//! Volumes, their snapshots and backups (Block Storage API v3): listing them, and making images of volumes.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::mpsc;

use super::{
    Images,
    answers::{self, GlanceImage, Listed, UniqueNames},
    service::{Body, Request, Service},
};
use crate::shared::http::{Part, encoded};
use wharf_core::{
    base::{
        badge::Publisher,
        clean,
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    catalog::rows::Row,
    image::{
        model::{DiskFacts, Image, ImageKind, RunConfig},
        reference::ImageRef,
    },
    transfer::patience::Patience,
};

/// The part of a transfer that is a volume of this cloud.
pub(super) const VOLUME: &str = "volume";
/// The part of a transfer that is a volume whose id the cloud may not have told yet: the transfer's id and its name.
pub(super) const ASKED_FOR: &str = "volume-asked-for";
/// The entry in the metadata of a volume that says which transfer has begun it.
const BEGUN_BY: &str = "wharf_transfer";
/// The pause between looks at a volume whose status changes.
const PAUSE: Duration = Duration::from_millis(500);
/// How long to wait until a volume that is begun can be removed.
const REMOVING: Duration = Duration::from_secs(120);

/// A volume, snapshot or backup; `size` is in GiB.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Block {
    #[serde(deserialize_with = "answers::lenient")]
    pub id: String,
    #[serde(deserialize_with = "answers::lenient")]
    name: Option<String>,
    #[serde(deserialize_with = "answers::lenient")]
    pub status: String,
    #[serde(deserialize_with = "answers::lenient")]
    size: u64,
    #[serde(deserialize_with = "answers::lenient")]
    created_at: Option<String>,
    #[serde(deserialize_with = "answers::lenient")]
    updated_at: Option<String>,
    #[serde(deserialize_with = "answers::lenient")]
    volume_type: Option<String>,
    #[serde(deserialize_with = "answers::lenient")]
    bootable: String,
    #[serde(deserialize_with = "answers::lenient")]
    pub encrypted: bool,
    #[serde(deserialize_with = "answers::lenient")]
    multiattach: bool,
    #[serde(deserialize_with = "answers::lenient")]
    attachments: Vec<Attachment>,
    /// Set for snapshots and backups: the volume that they were made of.
    #[serde(deserialize_with = "answers::lenient")]
    volume_id: Option<String>,
    /// Set for a volume that was made of a snapshot or volume.
    #[serde(deserialize_with = "answers::lenient")]
    snapshot_id: Option<String>,
    #[serde(deserialize_with = "answers::lenient")]
    source_volid: Option<String>,
    /// Set for a backup on which later ones are based.
    #[serde(deserialize_with = "answers::lenient")]
    has_dependent_backups: bool,
    #[serde(deserialize_with = "answers::lenient")]
    volume_image_metadata: BTreeMap<String, serde_json::Value>,
    #[serde(deserialize_with = "answers::lenient")]
    metadata: BTreeMap<String, serde_json::Value>,
}

impl Listed for Block {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An attachment of a volume to a server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Attachment {
    server_id: String,
}

/// The three lists of block storage, which have the same form.
const LISTS: [(&str, ImageKind); 3] =
    [("volumes", ImageKind::Volume), ("snapshots", ImageKind::Snapshot), ("backups", ImageKind::Backup)];

/// A time of Cinder in seconds since 1970; its times are in UTC without saying so.
pub(super) fn time(text: Option<&str>) -> Option<i64> {
    let text = text?;
    let whole = if text.ends_with('Z') || text.contains('+') { text.to_owned() } else { format!("{text}Z") };
    text::parse_timestamp(&whole)
}

impl Block {
    pub fn title(&self) -> String {
        answers::title(self.name.as_deref(), &self.id)
    }

    /// Whether this transfer has begun it, and nobody removes it.
    fn is_begun_by(&self, transfer: &str) -> bool {
        self.status != "deleting" && self.metadata.get(BEGUN_BY).and_then(serde_json::Value::as_str) == Some(transfer)
    }

    /// The ids of the servers that it is attached to, cleaned.
    pub fn servers(&self) -> Vec<String> {
        self.attachments.iter().map(|one| clean::short(&one.server_id, 80)).collect()
    }

    /// Whether it can be attached to several servers at the same time.
    pub fn goes_into_many(&self) -> bool {
        self.multiattach
    }

    /// Whether other backups are based on it.
    pub fn has_dependents(&self) -> bool {
        self.has_dependent_backups
    }

    fn row(&self, kind: ImageKind, list: &str, name: String) -> Row {
        let mut note = vec![format!("{} GiB {}", self.size, clean::short(&self.status, 30))];
        if self.bootable == "true" {
            note.push("bootable".into());
        }
        if !self.attachments.is_empty() {
            note.push("in use".into());
        }
        Row {
            name,
            kind,
            tags: vec![format!("{list}/{}", self.id)],
            labels: vec![format!("status={}", clean::short(&self.status, 30))],
            size: self.size.checked_mul(1 << 30),
            updated: time(self.updated_at.as_deref()).or(time(self.created_at.as_deref())),
            note: note.join(" · "),
            ..Row::default()
        }
    }

    fn image(&self, reference: ImageRef, kind: ImageKind) -> Image {
        let mut facts: BTreeMap<String, String> = BTreeMap::new();
        let mut add = |key: &str, value: String| {
            if !value.is_empty() {
                facts.insert(key.to_owned(), value);
            }
        };
        let text = |value: &Option<String>| clean::short(value.as_deref().unwrap_or(""), 100);
        let yes = |flag: bool| if flag { "yes".to_owned() } else { String::new() };
        add("name", self.title());
        add("status", clean::short(&self.status, 40));
        add("type", text(&self.volume_type));
        add("bootable", yes(self.bootable == "true"));
        add("encrypted", yes(self.encrypted));
        add("may be in several servers", yes(self.multiattach));
        add("of volume", text(&self.volume_id));
        add("made from snapshot", text(&self.snapshot_id));
        add("made from volume", text(&self.source_volid));
        add("in use by server", self.servers().join(", "));
        let image = |key: &str| {
            let value = self.volume_image_metadata.get(key).and_then(serde_json::Value::as_str);
            clean::short(value.unwrap_or(""), 100)
        };
        add("made from image", [image("image_name"), image("image_id")].join(" ").trim().to_owned());
        let size = self.size.saturating_mul(1 << 30);
        Image {
            reference,
            kind,
            pinned: None,
            media_type: "block storage".into(),
            created: time(self.created_at.as_deref()),
            platforms: Vec::new(),
            config: RunConfig::default(),
            annotations: facts,
            layers: Vec::new(),
            history: Vec::new(),
            size,
            disk: Some(DiskFacts {
                format: kind.name().to_owned(),
                virtual_size: Some(size),
                warnings: Vec::new(),
                refers: false,
                ..DiskFacts::default()
            }),
            signed: None,
            statement: None,
            artifact: None,
            publisher: Publisher::Unknown,
        }
    }
}

impl Images {
    /// Lists the project's volumes, snapshots and backups; returns why some are missing. A cloud without block storage,
    /// or without access to it for this project, has none.
    pub async fn blocks(&self, what: &str, pages: &mpsc::Sender<Vec<Row>>) -> Option<String> {
        let asked = LISTS.map(|(list, kind)| async move {
            let path = format!("{list}/detail");
            let found: Result<Part<Block>> = self.cloud.part(what, Service::Volume, &path, list).await;
            let Part { rows, cut } = match found {
                Ok(part) => part,
                Err(error) => {
                    tracing::info!(%error, list, "left out of the list");
                    let known = matches!(error.kind, Kind::Unsupported | Kind::NotAllowed | Kind::NotFound);
                    Part { rows: Vec::new(), cut: Some(error.why).filter(|_| !known) }
                }
            };
            let mut names = UniqueNames::default();
            let row_of = |block: Block| block.row(kind, list, names.unique(block.title(), &block.id));
            let _ = pages.send(rows.into_iter().map(row_of).collect::<Vec<Row>>()).await;
            cut.map(|why| format!("not all {list} are shown: {why}"))
        });
        futures_util::future::join_all(asked).await.into_iter().flatten().next()
    }

    /// The reference for the tag of a row of block storage; `None` for other rows.
    pub fn block_reference(&self, tag: &str) -> Option<ImageRef> {
        let (list, id) = tag.split_once('/')?;
        let volume = if list == "volumes" { id.to_owned() } else { tag.to_owned() };
        LISTS
            .iter()
            .any(|(known, _)| *known == list)
            .then(|| ImageRef::Volume { cloud: self.cloud.name.clone(), volume })
    }

    /// Describes what a reference to block storage means: by id, or a volume by its name.
    pub async fn block(&self, what: &str, reference: &ImageRef) -> Result<Image> {
        let ImageRef::Volume { volume, .. } = reference else {
            return Err(Error::usage(what, "it is not on block storage"));
        };
        let (list, id) = volume.split_once('/').unwrap_or(("volumes", volume));
        let kind = LISTS.iter().find(|(known, _)| *known == list).map(|(_, kind)| *kind);
        let Some(kind) = kind else {
            return Err(Error::usage(what, "not a kind of block storage").hint("use volumes/, snapshots/ or backups/"));
        };
        let found = self.find_block(what, list, id).await?;
        let volume = if list == "volumes" { found.id.clone() } else { format!("{list}/{}", found.id) };
        Ok(found.image(ImageRef::Volume { cloud: self.cloud.name.clone(), volume }, kind))
    }

    pub async fn find_block(&self, what: &str, list: &str, wanted: &str) -> Result<Block> {
        let one = list.trim_end_matches('s');
        let read = |value: Option<serde_json::Value>| {
            serde_json::from_value::<Block>(value.unwrap_or_default()).map_err(|error| Error::failed(what, error))
        };
        if text::is_uuid(wanted) {
            let path = format!("{list}/{wanted}");
            let mut answer: BTreeMap<String, serde_json::Value> =
                self.cloud.json(what, Service::Volume, Request::get(&path)).await?;
            return read(answer.remove(one));
        }
        let path = format!("{list}/detail?limit=3&name={}", encoded(wanted));
        let mut answer: BTreeMap<String, Vec<serde_json::Value>> = self
            .cloud
            .json::<BTreeMap<String, serde_json::Value>>(what, Service::Volume, Request::get(&path))
            .await?
            .into_iter()
            .filter_map(|(key, value)| Some((key, value.as_array()?.clone())))
            .collect();
        let mut all = answer.remove(list).unwrap_or_default();
        match all.len() {
            1 => read(all.pop()),
            0 => Err(Error::not_found(what, format!("{} shows no {one} of that name", self.cloud.name))
                .hint("check the name, or name it by its id")),
            _ => Err(Error::usage(what, format!("several {list} have that name")).hint("name one by its id")),
        }
    }

    /// A volume that an image can be made of, and the name of that image.
    async fn volume_to_copy(&self, what: &str, reference: &ImageRef) -> Result<(Block, String)> {
        let ImageRef::Volume { volume, .. } = reference else { return Err(Error::usage(what, "it is no volume")) };
        if volume.contains('/') {
            return Err(Error::unsupported(what, "only volumes are made into images")
                .hint("make a volume of the snapshot or backup first"));
        }
        let found = self.find_block(what, "volumes", volume).await?;
        if found.encrypted {
            return Err(Error::unsupported(what, "it is encrypted: no other project could read an image of it")
                .hint("give the volume itself: its key goes along"));
        }
        if found.status != "available" {
            let why = format!("it is {}: only a volume at rest is copied whole", clean::short(&found.status, 30));
            return Err(Error::usage(what, why).hint("stop the server that uses it and detach it first"));
        }
        let name = format!("{} of volume {}", found.title(), found.id.get(..8).unwrap_or(&found.id));
        Ok((found, name))
    }

    /// Makes a volume of so many GiB of an image (Block Storage API v3, "Create a volume"), and waits until it is there.
    pub async fn volume_of(
        &self,
        cx: &Context,
        what: &str,
        (image, size): (&str, u64),
        name: &str,
    ) -> Result<ImageRef> {
        let id = match cx.checkpoints.last(VOLUME).await {
            // An earlier run has begun it.
            Some(reached) => reached.at,
            None => self.begun_volume(cx, what, (image, size), name).await?,
        };
        cx.checkpoints.keep(VOLUME, &id, 0).await;
        cx.checkpoints.forget(ASKED_FOR).await;
        let waited = cx.unless_cancelled(what, self.until_available(cx, what, &id)).await;
        // One that is gone, or that the cloud gave up on, is not waited for again.
        if waited.as_ref().is_err_and(|error| matches!(error.kind, Kind::NotFound | Kind::Failed)) {
            cx.checkpoints.forget(VOLUME).await;
        }
        waited?;
        cx.checkpoints.forget(VOLUME).await;
        Ok(ImageRef::Volume { cloud: self.cloud.name.clone(), volume: id })
    }

    /// Begins a volume; gives its id. One that this transfer has begun before is taken up: the answer may have been lost.
    async fn begun_volume(&self, cx: &Context, what: &str, (image, size): (&str, u64), name: &str) -> Result<String> {
        let transfer = cx.progress.note().transfer;
        let known = cx.run(what, self.volumes_called(what, name)).await?;
        let is_ours = |one: &&Block| transfer.as_ref().is_some_and(|transfer| one.is_begun_by(transfer));
        // One that the cloud gave up on does not come any more: it makes room for another one.
        let (broken, begun): (Vec<&Block>, Vec<&Block>) =
            known.iter().filter(is_ours).partition(|one| one.status.starts_with("error"));
        for one in &broken {
            self.remove_begun_volume(what, &one.id).await?;
        }
        if let Some(begun) = begun.first() {
            return Ok(begun.id.clone());
        }
        // A copy that is repeated must not make a second one.
        if known.len() > broken.len() {
            return Err(Error::usage(what, format!("there is a volume called '{}'", clean::short(name, 60)))
                .hint("choose another name"));
        }
        let mut volume = json!({"size": size, "name": name, "imageRef": image});
        if let Some(transfer) = transfer {
            volume["metadata"] = json!({BEGUN_BY: transfer});
            cx.checkpoints.keep(ASKED_FOR, &format!("{transfer}/{name}"), 0).await;
        }
        let request = Request::new(Method::POST, "volumes", Body::Json(json!({"volume": volume})));
        let making = self.cloud.json::<BTreeMap<String, Block>>(what, Service::Volume, request);
        let made = cx.run(what, making).await?.remove("volume");
        let id = made.map(|made| made.id).filter(|id| text::is_uuid(id));
        id.ok_or_else(|| Error::failed(what, "the cloud names no volume"))
    }

    /// The first volumes of this name.
    async fn volumes_called(&self, what: &str, name: &str) -> Result<Vec<Block>> {
        let path = format!("volumes/detail?limit=20&name={}", encoded(name));
        let mut answer: BTreeMap<String, serde_json::Value> =
            self.cloud.json(what, Service::Volume, Request::get(&path)).await?;
        let volumes = answer.remove("volumes").unwrap_or_default();
        serde_json::from_value(volumes).map_err(|error| Error::failed(what, error))
    }

    /// Removes the volume that a transfer has asked for, if the cloud has made it; `asked` is kept as a checkpoint.
    pub async fn remove_asked_for(&self, cx: &Context, what: &str, asked: &str) -> Result<()> {
        let Some((transfer, name)) = asked.split_once('/') else { return Ok(()) };
        for volume in cx.run(what, self.volumes_called(what, name)).await? {
            if volume.is_begun_by(transfer) {
                self.remove_begun_volume(what, &volume.id).await?;
            }
        }
        Ok(())
    }

    async fn until_available(&self, cx: &Context, what: &str, id: &str) -> Result<()> {
        let mut patience = Patience::default();
        loop {
            let now = match self.find_block(what, "volumes", id).await {
                Ok(now) => now,
                Err(error) => {
                    let pause = patience.after(0).filter(|_| error.kind == Kind::Unavailable);
                    tokio::time::sleep(pause.ok_or(error)?).await;
                    continue;
                }
            };
            cx.progress.phase(format!("the volume is {}", clean::short(&now.status, 20)));
            match now.status.as_str() {
                "available" => return Ok(()),
                "creating" | "downloading" => tokio::time::sleep(PAUSE).await,
                other => {
                    let why = format!("the cloud gave up on it: it is {}", clean::short(other, 30));
                    return Err(Error::failed(what, why)
                        .hint(format!("remove it: wharf remove-image volume://{}/{id}", self.cloud.name)));
                }
            }
        }
    }

    /// Removes a volume that was begun and shall not be; while the cloud copies it, it cannot be removed.
    pub async fn remove_begun_volume(&self, what: &str, id: &str) -> Result<()> {
        let end = tokio::time::Instant::now() + REMOVING;
        loop {
            match self.find_block(what, "volumes", id).await {
                Err(error) if error.kind == Kind::NotFound => return Ok(()),
                Ok(now) if !matches!(now.status.as_str(), "creating" | "downloading") => break,
                _ if tokio::time::Instant::now() > end => break,
                _ => tokio::time::sleep(PAUSE).await,
            }
        }
        let path = format!("volumes/{id}");
        let request = Request::new(Method::DELETE, &path, Body::None);
        match self.cloud.send(what, Service::Volume, request).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The steps that make an image of a volume, its name in quotes, and the cost.
    pub async fn plan_of_image(&self, what: &str, reference: &ImageRef) -> Result<(Vec<String>, String, String)> {
        let (found, name) = self.volume_to_copy(what, reference).await?;
        let step = format!("POST /v3/volumes/{}/action: os-volume_upload_image, as '{name}'", found.id);
        let cost = format!("the cloud copies {} GiB once, however many projects get it", found.size);
        Ok((vec![step, "wait until the image is whole".to_owned()], format!("'{name}'"), cost))
    }

    /// Makes an image of a volume. For the same volume it is the same image again, even while it is being made.
    pub async fn image_of_volume(&self, cx: &Context, what: &str, reference: &ImageRef) -> Result<ImageRef> {
        let id = {
            // Many projects at the same time need only one image.
            let _one = self.making.lock().await;
            let ImageRef::Volume { volume, .. } = reference else { return Err(Error::usage(what, "it is no volume")) };
            let known = self.image_made_before(what, volume).await?;
            match known {
                Some(id) => id,
                None => {
                    let (found, name) = self.volume_to_copy(what, reference).await?;
                    let action = json!({"os-volume_upload_image":
                        {"image_name": name, "container_format": "bare", "disk_format": "qcow2", "force": false}});
                    let path = format!("volumes/{}/action", found.id);
                    let request = Request::new(Method::POST, &path, Body::Json(action));
                    let made: serde_json::Value = self.cloud.json(what, Service::Volume, request).await?;
                    let id = made.pointer("/os-volume_upload_image/image_id").and_then(serde_json::Value::as_str);
                    let id = id.unwrap_or("").to_owned();
                    if !text::is_uuid(&id) {
                        return Err(Error::failed(what, "the cloud names no image for it"));
                    }
                    id
                }
            }
        };
        self.until_whole(cx, what, &id).await
    }

    /// The image that was made of a volume before, unless that failed.
    async fn image_made_before(&self, what: &str, volume: &str) -> Result<Option<String>> {
        let found = self.find_block(what, "volumes", volume).await?;
        let name = format!("{} of volume {}", found.title(), found.id.get(..8).unwrap_or(&found.id));
        let (project, _) = self.cloud.project().await?;
        let known = self.named(what, &name, "limit=20").await?;
        let usable = |image: &GlanceImage| {
            image.owner.as_deref() == Some(&project)
                && matches!(image.status.as_str(), "active" | "queued" | "saving" | "uploading")
        };
        Ok(known.into_iter().find(usable).map(|image| image.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_volume_tells_which_transfer_has_begun_it() {
        let volume = |text: &str| serde_json::from_str::<Block>(text).unwrap();
        let begun = volume(r#"{"id": "x", "status": "creating", "metadata": {"wharf_transfer": "ab12"}}"#);
        assert!(begun.is_begun_by("ab12") && !begun.is_begun_by("ab13") && !begun.is_begun_by(""));
        assert!(!volume(r#"{"status": "deleting", "metadata": {"wharf_transfer": "ab12"}}"#).is_begun_by("ab12"));
        for other in [r#"{"metadata": {}}"#, r#"{"metadata": null}"#, r#"{"metadata": {"wharf_transfer": 1}}"#, "{}"] {
            assert!(!volume(other).is_begun_by("ab12"), "{other}");
        }
    }

    #[test]
    fn cinders_times_are_in_utc_though_they_do_not_say_so() {
        assert_eq!(time(Some("2026-11-24T07:57:22.382779")), time(Some("2026-11-24T07:57:22Z")));
        assert_eq!((time(None), time(Some("soon"))), (None, None));
    }
}
