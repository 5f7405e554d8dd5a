//! The places that hold images: found by their name, or by a reference into them.

use std::sync::Arc;

use crate::core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    image::{
        model::{Image, Platform},
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
    pub(in crate::core) fn new(all: Vec<Source>, open: Opener, short_names: ShortNames) -> Self {
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
