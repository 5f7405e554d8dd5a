//! The places that hold images: found by their name, or by a reference into them.

use std::sync::Arc;

use futures_util::{StreamExt, stream};

use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    image::{
        model::{Health, Image, Platform},
        reference::ImageRef,
        short_names::ShortNames,
    },
    ports::{Catalog, Content, Disks, Sharer, Upkeep, cannot},
    transfer::copy::Place,
};

/// How an image is called that is copied to a source.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Copies {
    /// Nothing is copied there.
    #[default]
    Refused,
    /// By its repository in the registry at this `host[:port]`; its projects are who it can be shared with.
    Registry(String),
    /// By its whole name, that of its registry included, among the images of an engine.
    Engine,
    /// As a folder of its own in the folder that is the source's address.
    Folder,
}

/// What a source is good for beyond the ports that it has, as its adapter says. Whoever wants to know asks this, never which
/// adapter it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Whether images can be copied there, and how they are called then.
    pub copies: Copies,
    /// Whether it answers without an account: who has none is anonymous there.
    pub answers_anyone: bool,
    /// Whether it is this machine's own: nobody else means anything by a name in it.
    pub is_local: bool,
    /// Where its images are changed and removed, if not through Wharf; empty where nobody knows.
    pub changed_at: &'static str,
}

impl Abilities {
    /// `host[:port]` of the registry whose images the source holds, if it is one.
    pub fn registry(&self) -> Option<&str> {
        match &self.copies {
            Copies::Registry(host) => Some(host),
            _ => None,
        }
    }
}

/// One configured place that holds images.
#[derive(Clone)]
pub struct Source {
    /// Its name in lists and filters.
    pub name: String,
    /// Which adapter serves it: for people to read. What it is good for, [`Source::abilities`] says.
    pub adapter: &'static str,
    /// Its address, in words.
    pub address: String,
    /// Where it was found: a file, a socket, built in.
    pub origin: String,
    /// The account that somebody wrote down for it.
    pub user: Option<String>,
    /// What it is good for.
    pub abilities: Abilities,
    /// Lists and describes.
    pub catalog: Arc<dyn Catalog>,
    /// Reads and writes manifests and blobs.
    pub content: Option<Arc<dyn Content>>,
    /// Grants images to projects.
    pub sharer: Option<Arc<dyn Sharer>>,
    /// Sends and fetches disk images.
    pub disks: Option<Arc<dyn Disks>>,
    /// Gives images more tags, and removes them.
    pub upkeep: Option<Arc<dyn Upkeep>>,
}

/// Makes a source for a reference that no configured source owns.
pub type Opener = Box<dyn Fn(&ImageRef) -> Result<Source> + Send + Sync>;

/// Something in a cloud of this name, to ask which one that is.
fn in_cloud(name: &str) -> ImageRef {
    ImageRef::Glance { cloud: name.to_owned(), image: String::new() }
}

/// All sources, and a way to those that nobody has configured.
pub struct Sources {
    all: Vec<Source>,
    open: Opener,
    short_names: ShortNames,
}

impl Sources {
    /// These, in the order in which they are shown.
    pub(crate) fn new(all: Vec<Source>, open: Opener, short_names: ShortNames) -> Self {
        Self { all, open, short_names }
    }

    /// The configured ones, in the order in which they are shown.
    pub fn all(&self) -> &[Source] {
        &self.all
    }

    /// The source with this name; not found, with the known names, where there is none.
    pub fn called(&self, name: &str) -> Result<&Source> {
        let own = self.all.iter().find(|source| source.name == name);
        own.or_else(|| self.cloud_called(name)).ok_or_else(|| {
            let known: Vec<_> = self.all.iter().map(|source| source.name.as_str()).collect();
            Error::not_found(format!("source '{name}'"), "there is no such source")
                .hint(format!("known: {}", known.join(", ")))
        })
    }

    /// The source that holds `reference`: a configured one, else one made for its address. Not found where it is in a cloud
    /// that nobody has configured.
    pub fn of(&self, reference: &ImageRef) -> Result<Source> {
        if let Some(source) = self.all.iter().find(|source| source.catalog.owns(reference)) {
            return Ok(source.clone());
        }
        if let ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. } = reference {
            let clouds = self.all.iter().filter(|source| source.catalog.owns(&in_cloud(&source.name)));
            let names: Vec<&str> = clouds.map(|source| source.name.as_str()).collect();
            let error = Error::not_found(format!("open {reference}"), format!("no cloud is called '{cloud}' here"));
            return Err(match names.as_slice() {
                [] => error.hint("none is known: put clouds.yaml into ~/.config/openstack"),
                names => error.hint(format!("clouds here: {}", names.join(", "))),
            });
        }
        (self.open)(reference)
    }

    /// The cloud that people call so, whatever its name is here.
    fn cloud_called(&self, name: &str) -> Option<&Source> {
        let image = in_cloud(name);
        self.all.iter().find(|source| source.catalog.owns(&image))
    }

    /// The port through which an image is shared; unsupported where its source grants nothing.
    pub(crate) fn sharer(&self, reference: &ImageRef) -> Result<Arc<dyn Sharer>> {
        let source = self.of(reference)?;
        source.sharer.ok_or_else(|| cannot(&source.name, "share from"))
    }

    /// The port through which disk images of a cloud are moved; unsupported where its source has none.
    ///
    /// `what` is what that source cannot do then, as in "upload to".
    pub(crate) fn disks(&self, reference: &ImageRef, what: &str) -> Result<Arc<dyn Disks>> {
        let source = self.of(reference)?;
        source.disks.ok_or_else(|| cannot(&source.name, what))
    }

    /// Where the bytes of `reference` are; unsupported where its source does not let them be read.
    pub fn place(&self, reference: &ImageRef) -> Result<Place> {
        let source = self.of(reference)?;
        let content = source.content.ok_or_else(|| cannot(&source.name, "read the bytes of"))?;
        Ok(Place { content, at: reference.clone() })
    }

    /// The image behind a reference, pinned.
    pub async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        let source = self.of(reference)?;
        cx.run(&format!("show {reference}"), source.catalog.image(cx, reference, platform)).await
    }

    /// Health of every source by its name and adapter, asked at the same time.
    pub async fn health(&self, cx: &Context) -> Vec<(String, &'static str, Result<Health>)> {
        let asked: Vec<_> = self.all.iter().map(|source| ask_health(cx, source.clone())).collect();
        stream::iter(asked).buffered(64).collect().await
    }

    /// Tags of an image.
    pub async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        let source = self.of(reference)?;
        cx.run(&format!("list versions of {reference}"), source.catalog.tags(cx, reference)).await
    }

    /// The image that somebody typed the name of. A short name may be in several registries: then it is the first that is
    /// there, as for Podman.
    pub async fn named(&self, text: &str) -> Result<ImageRef> {
        let candidates = self.short_names.candidates(text)?;
        if let [only] = candidates.as_slice() {
            return Ok(only.clone());
        }
        let what = format!("find '{text}'");
        let mut told = Vec::new();
        for reference in candidates {
            let found = async { self.place(&reference)?.content.manifest(&Context::default(), &reference).await };
            match found.await {
                Ok(_) => return Ok(reference),
                Err(error) => told.push(format!("{}: {}", reference.spoken(), error.why)),
            }
        }
        Err(Error::not_found(what, format!("no registry here has it: {}", told.join("; ")))
            .hint("write its whole name"))
    }
}

async fn ask_health(cx: &Context, source: Source) -> (String, &'static str, Result<Health>) {
    let answer = cx.run(&format!("ask {}", source.name), source.catalog.health(cx)).await;
    (source.name, source.adapter, answer)
}
