//! A disk image of the person's own project is lent to the steward's project before it is requested; the audit records
//! that.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::mpsc;
use wharf::{
    adapters::store::audit::AuditFile,
    core::{
        audit,
        base::{
            context::Context,
            error::{Error, Kind, Result},
            secret::Secret,
        },
        catalog::rows::Row,
        config::{Config, Requests},
        image::{
            model::{Health, Image, ImageKind, Platform},
            reference::ImageRef,
        },
        portal::{Abilities, Portal, PortalParts, Source, requests::RequestDetails},
        ports::{Catalog, Extent, Sharer},
        sharing::{
            offer::{Offer, Project, Share, SharePlan, ShareStatus, VolumeTransfer},
            receiver::Receiver,
        },
    },
};

/// A cloud with one disk image, of the project `lab`; it grants images unless it is set to refuse.
#[derive(Default)]
struct Cloud {
    refuses: bool,
    granted: Mutex<Vec<String>>,
}

fn project(name: &str) -> Project {
    Project { name: name.to_owned(), id: format!("id-of-{name}") }
}

fn unused<T>() -> Result<T> {
    Err(Error::failed("this story", "nobody asks for that"))
}

#[async_trait]
impl Catalog for Cloud {
    async fn list(&self, _cx: &Context, _query: Option<&str>, _pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        Ok(Extent::Whole)
    }
    fn reference(&self, name: &str, _tag: Option<&str>) -> Result<ImageRef> {
        Ok(ImageRef::Glance { cloud: "site".into(), image: name.to_owned() })
    }
    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Glance { cloud, .. } if cloud == "site")
    }
    async fn image(&self, _cx: &Context, reference: &ImageRef, _platform: Option<&Platform>) -> Result<Image> {
        let mut image = Image { kind: ImageKind::Vm, ..crate::fake::image(reference.clone()) };
        if let Some(pinned) = &mut image.pinned {
            pinned.reference = reference.clone();
        }
        let facts = [("owner", "lab (this project)"), ("visibility", "private"), ("name", "debian")];
        image.annotations = facts.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        Ok(image)
    }
    async fn tags(&self, _cx: &Context, _reference: &ImageRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn health(&self, _cx: &Context) -> Result<Health> {
        Ok(Health::default())
    }
}

#[async_trait]
impl Sharer for Cloud {
    async fn projects(&self, _cx: &Context) -> Result<Vec<Project>> {
        unused()
    }
    async fn own(&self, _cx: &Context) -> Result<Project> {
        Ok(project("lab"))
    }
    async fn plan(&self, _cx: &Context, _reference: &ImageRef, _to: &Receiver) -> Result<SharePlan> {
        unused()
    }
    async fn share(&self, _cx: &Context, reference: &ImageRef, to: &Receiver) -> Result<Share> {
        if self.refuses {
            return Err(Error::new(Kind::NotAllowed, "share", "the cloud lets you share nothing"));
        }
        self.granted.lock().unwrap().push(to.to_string());
        Ok(Share {
            id: "1".into(),
            reference: reference.clone(),
            project: project("steward"),
            standing: ShareStatus::Pending,
            created: None,
        })
    }
    async fn image_to_share(&self, _cx: &Context, reference: &ImageRef) -> Result<ImageRef> {
        Ok(reference.clone())
    }
    async fn shares(&self, _cx: &Context, _reference: &ImageRef) -> Result<Vec<Share>> {
        unused()
    }
    async fn revoke(&self, _cx: &Context, _share: &str) -> Result<()> {
        unused()
    }
    async fn offers(&self, _cx: &Context) -> Result<Vec<Offer>> {
        unused()
    }
    async fn create_transfer(&self, _cx: &Context, _reference: &ImageRef) -> Result<VolumeTransfer> {
        unused()
    }
    async fn accept_transfer(&self, _cx: &Context, _offer: &str, _key: &Secret) -> Result<ImageRef> {
        unused()
    }
    async fn answer(&self, _cx: &Context, _offer: &str, _accept: bool) -> Result<()> {
        unused()
    }
}

/// Requests the cloud's image at a site whose steward works in `steward_project`. Gives whether that was accepted, to
/// whom the image was granted, and the audit's entries: action, subject, outcome.
async fn asked(refuses: bool, steward_project: &str) -> (bool, Vec<String>, Vec<(String, String, String)>) {
    let folder = tempfile::tempdir().unwrap();
    let cloud = Arc::new(Cloud { refuses, ..Cloud::default() });
    let parts = crate::fake::parts(&[]);
    let source = Source {
        name: "site".into(),
        adapter: "openstack",
        address: "https://cloud.example/".into(),
        origin: "test".into(),
        user: None,
        abilities: Abilities::default(),
        catalog: cloud.clone(),
        content: None,
        sharer: Some(cloud.clone()),
        disks: None,
        upkeep: None,
    };
    let requests = Requests { cloud: "site".into(), cloud_project: steward_project.to_owned(), ..Requests::default() };
    let portal = Portal::new(PortalParts {
        config: Config { requests, ..parts.config },
        sources: vec![source],
        audit: Arc::new(AuditFile::new(folder.path().join("audit.jsonl"))),
        ..parts
    });
    let asking = RequestDetails { reason: "for a course".into(), ..RequestDetails::default() };
    let done = portal.requests.ask_for(&Context::default(), "glance://site/debian", &asking).await;
    let written = audit::read(&portal.journal.written().await.unwrap());
    let entries =
        written.lines.into_iter().map(|(_, line)| (line.entry.action, line.entry.subject, line.entry.outcome));
    (done.is_ok(), cloud.granted.lock().unwrap().clone(), entries.collect())
}

#[tokio::test]
async fn a_disk_image_is_lent_to_the_steward_and_that_is_written_down() {
    let (done, granted, entries) = asked(false, "steward").await;
    assert!(done);
    assert_eq!(granted, ["steward"]);
    let short: Vec<(&str, &str)> =
        entries.iter().map(|(action, subject, _)| (action.as_str(), subject.as_str())).collect();
    assert_eq!(
        short,
        [("share", "glance://site/debian with steward"), ("request", "glance://site/debian for glance://site/debian")]
    );
}

#[tokio::test]
async fn a_disk_image_that_cannot_be_lent_is_not_asked_for_and_that_is_written_down() {
    let (done, granted, entries) = asked(true, "steward").await;
    assert!(!done && granted.is_empty());
    let [(action, _, outcome)] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((action.as_str(), outcome.as_str()), ("share", "not-allowed: the cloud lets you share nothing"));
}

#[tokio::test]
async fn a_disk_image_of_the_stewards_own_project_needs_no_loan() {
    for own in ["lab", "id-of-lab"] {
        let (done, granted, entries) = asked(false, own).await;
        assert!(done && granted.is_empty());
        assert_eq!(entries.iter().map(|(action, ..)| action.as_str()).collect::<Vec<_>>(), ["request"]);
    }
}
