//! The sources, found by their name or by a reference.

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};

use super::{
    answers::{HealthAnswer, ask},
    described::Described,
};
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    config::Config,
    image::{
        link::Link,
        model::{Image, Pinned, Platform},
        reference::{ImageRef, short_name},
        short_names::ShortNames,
    },
    ports::{Catalog, Content, Disks, Listing, Sharer, Upkeep, cannot},
    transfer::copy::CopyEnd,
};

/// How images that are copied to a source are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Copies {
    /// The source takes no copies.
    #[default]
    Refused,
    /// By their repository, in the registry at this `host[:port]`; images are shared with its projects.
    Registry(String),
    /// By their whole name with its registry, among the images of an engine.
    Engine,
    /// As a folder of their own, below the folder that is the source's address.
    Folder,
}

/// What a source can be used for besides its ports, as its adapter says. Code asks this, never which adapter it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Whether images can be copied there, and how they are named then.
    pub copies: Copies,
    /// Whether it answers without an account, to anonymous users.
    pub answers_anyone: bool,
    /// Whether it is on this machine only, so that its names mean nothing on others.
    pub is_local: bool,
    /// Where its images are changed and removed if Wharf cannot; empty if unknown.
    pub changed_at: &'static str,
}

impl Abilities {
    /// `host[:port]` of the registry whose images the source holds, if it is a registry.
    pub fn registry(&self) -> Option<&str> {
        match &self.copies {
            Copies::Registry(host) => Some(host),
            _ => None,
        }
    }
}

/// A source of images, with the ports that its adapter implements: what adapters hand over. The use cases keep it to
/// themselves, and front ends get [`SourceFacts`].
#[derive(Clone)]
pub struct Source {
    /// The name in lists and filters.
    pub name: String,
    /// The name of its adapter, for people to read only; what it can be used for is in [`Source::abilities`].
    pub adapter: &'static str,
    /// The address, in words.
    pub address: String,
    /// Where it was configured or found: a file, a socket, built in.
    pub origin: String,
    /// The account that the configuration names for it.
    pub user: Option<String>,
    /// What it can be used for besides its ports.
    pub abilities: Abilities,
    /// Lists and describes its images.
    pub catalog: Arc<dyn Catalog>,
    /// Reads and writes manifests and blobs, if it can.
    pub content: Option<Arc<dyn Content>>,
    /// Grants images to projects, if it can.
    pub sharer: Option<Arc<dyn Sharer>>,
    /// Sends and fetches disk images, if it can.
    pub disks: Option<Arc<dyn Disks>>,
    /// Tags and removes images, if it can.
    pub upkeep: Option<Arc<dyn Upkeep>>,
}

/// What front ends are told of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// The name in lists and filters.
    pub name: String,
    /// The name of its adapter, for people to read only.
    pub adapter: &'static str,
    /// The address, in words.
    pub address: String,
    /// Where it was configured or found.
    pub origin: String,
    /// How it can be listed.
    pub listing: Listing,
    /// Whether describing one image is cheap, so that rows on the screen may be described.
    pub describes_cheaply: bool,
    /// Whether people sign in there.
    pub signs_in: bool,
    /// Whether it grants images to projects.
    pub grants: bool,
    /// Whether it holds disk images that can be sent and fetched.
    pub holds_disks: bool,
    /// Whether a disk image that is sent there begins again after a break.
    pub begins_again: bool,
    /// What it can be used for besides.
    pub abilities: Abilities,
    /// Whether the person added it from within Wharf.
    pub added: bool,
    /// Whether the person leaves it out of lists.
    pub hidden: bool,
}

impl Source {
    /// What front ends are told of it, besides what the person chose about it. Contacts nobody.
    fn facts(&self) -> SourceFacts {
        SourceFacts {
            name: self.name.clone(),
            adapter: self.adapter,
            address: self.address.clone(),
            origin: self.origin.clone(),
            listing: self.catalog.listing(),
            describes_cheaply: self.catalog.describes_cheaply(),
            signs_in: self.catalog.sign_in_place().is_some(),
            grants: self.sharer.is_some(),
            holds_disks: self.disks.is_some(),
            begins_again: self.disks.as_ref().is_some_and(|disks| !disks.goes_on()),
            abilities: self.abilities.clone(),
            added: false,
            hidden: false,
        }
    }
}

/// Opens a source for a reference that no configured source owns.
pub type Opener = Box<dyn Fn(&ImageRef) -> Result<Source> + Send + Sync>;

/// A reference into the cloud of this name, with which sources are asked whether they are that cloud.
pub(crate) fn in_cloud(name: &str) -> ImageRef {
    ImageRef::Glance { cloud: name.to_owned(), image: String::new() }
}

/// All configured sources, and opening others for references.
pub struct Sources {
    all: Vec<Source>,
    open: Opener,
    short_names: ShortNames,
    /// The names of the sources that the person added from within Wharf.
    added: Vec<String>,
    /// The names of those that they leave out of lists.
    hidden: Vec<String>,
    described: Described,
}

impl Sources {
    /// These sources, in the order in which they are shown.
    pub(crate) fn new(all: Vec<Source>, open: Opener, short_names: ShortNames) -> Self {
        Self { all, open, short_names, added: Vec::new(), hidden: Vec::new(), described: Described::default() }
    }

    /// The same, with what the person chose about sources.
    pub(crate) fn chosen_by_person(self, config: &Config) -> Self {
        Self { added: config.added.clone(), hidden: config.hidden.clone(), ..self }
    }

    /// What is known of all configured sources, in the order in which they are shown. Contacts nobody.
    pub fn facts(&self) -> Vec<SourceFacts> {
        self.all.iter().map(|source| self.facts_about(source)).collect()
    }

    /// The same of the sources that lists show.
    pub fn listed(&self) -> Vec<SourceFacts> {
        self.facts().into_iter().filter(|source| !source.hidden).collect()
    }

    fn facts_about(&self, source: &Source) -> SourceFacts {
        let is_in = |names: &[String]| names.contains(&source.name);
        SourceFacts { added: is_in(&self.added), hidden: is_in(&self.hidden), ..source.facts() }
    }

    /// What is known of the source with this name; `NotFound`, with the known names, if there is none.
    pub fn facts_of(&self, name: &str) -> Result<SourceFacts> {
        self.called(name).map(|source| self.facts_about(source))
    }

    /// What to know before a disk image is sent to `to`, where its place cannot go on after a break. Contacts nobody.
    pub fn begins_again(&self, from: &ImageRef, to: &ImageRef) -> Option<String> {
        let in_cloud = matches!(to, ImageRef::Glance { .. } | ImageRef::Volume { .. });
        let source = self.source(to).ok().filter(|_| in_cloud)?;
        // What is in that cloud already is not sent.
        let is_sent = !source.catalog.owns(from) && source.facts().begins_again;
        is_sent.then(|| format!("if this breaks, it begins again: {} takes an image in one piece", source.name))
    }

    /// The reference of a row in a source's list, with `tag` where one is given. `NotFound` if there is no such source,
    /// `Usage` for a name that no image can have.
    pub fn row(&self, source: &str, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        self.called(source)?.catalog.reference(name, tag)
    }

    /// The configured sources, in the order in which they are shown.
    pub(crate) fn all(&self) -> &[Source] {
        &self.all
    }

    /// The source with this name; `NotFound`, with the known names, if there is none.
    pub(crate) fn called(&self, name: &str) -> Result<&Source> {
        let own = self.all.iter().find(|source| source.name == name);
        own.or_else(|| self.cloud_called(name)).ok_or_else(|| {
            let known: Vec<_> = self.all.iter().map(|source| source.name.as_str()).collect();
            Error::not_found(format!("source '{name}'"), "there is no such source")
                .hint(format!("known: {}", known.join(", ")))
        })
    }

    /// The source that holds `reference`: a configured one, otherwise one opened for its address. `NotFound` for a
    /// cloud that is not configured.
    pub(crate) fn source(&self, reference: &ImageRef) -> Result<Source> {
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

    /// The source that answers to this name of a cloud, whatever its own name is here.
    fn cloud_called(&self, name: &str) -> Option<&Source> {
        let image = in_cloud(name);
        self.all.iter().find(|source| source.catalog.owns(&image))
    }

    /// The port for sharing an image; `Unsupported` if its source grants nothing.
    pub(crate) fn sharer(&self, reference: &ImageRef) -> Result<Arc<dyn Sharer>> {
        let source = self.source(reference)?;
        source.sharer.ok_or_else(|| {
            cannot(&source.name, "share from").hint(
                "only clouds grant images to projects; an image of a registry is shared by a copy of it: wharf share REF --to PROJECT",
            )
        })
    }

    /// The port for moving disk images of a cloud; `Unsupported` if its source has none.
    ///
    /// `what` is the verb for the error, as in "upload to".
    pub(crate) fn disks(&self, reference: &ImageRef, what: &str) -> Result<Arc<dyn Disks>> {
        let source = self.source(reference)?;
        source.disks.ok_or_else(|| cannot(&source.name, what))
    }

    /// A whole reference that was typed. `Usage` for a text that is none, or of a kind that nothing here opens.
    pub fn reference(&self, text: &str) -> Result<ImageRef> {
        let reference = text.parse()?;
        self.is_known(&reference).map(|()| reference)
    }

    /// Fails for a reference of a kind that no adapter opens, with the kinds that are known here.
    fn is_known(&self, reference: &ImageRef) -> Result<()> {
        match reference {
            ImageRef::Other(_) => self.source(reference).map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The place of the bytes of `reference`; `Unsupported` if its source does not let them be read.
    pub(crate) fn place(&self, reference: &ImageRef) -> Result<CopyEnd> {
        let source = self.source(reference)?;
        let content = source.content.ok_or_else(|| cannot(&source.name, "read the bytes of"))?;
        Ok(CopyEnd { content, at: reference.clone() })
    }

    /// The image behind a reference.
    pub async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        let source = self.source(reference)?;
        let image = cx.run(&format!("show {reference}"), source.catalog.image(cx, reference, platform)).await?;
        self.described.remember(&image, text::now());
        Ok(image)
    }

    /// A link to an image without sender, end and signature: it only says which bytes are meant.
    ///
    /// # Errors
    /// `Unsupported` where the image has no digest.
    pub fn link_to(&self, image: &Image) -> Result<Link> {
        let reference = &image.reference;
        let pinned = image.pinned.as_ref().ok_or_else(|| {
            Error::unsupported(format!("link to {reference}"), "its digest is unknown, so it cannot be pinned")
        })?;
        let cloud = self.source(reference)?.catalog.cloud_place();
        Ok(Link::to(pinned, cloud, None, None))
    }

    /// The image of a plan, by its digest. What a registry has under a digest cannot change, so it is not read again where
    /// it was read for the plan just before.
    pub async fn planned_image(&self, cx: &Context, planned: &Pinned) -> Result<Image> {
        match self.described.recall(planned, text::now()) {
            Some(image) => Ok(Image { reference: planned.reference.clone(), ..image }),
            None => self.image(cx, &planned.reference, planned.platform.as_ref()).await,
        }
    }

    /// The questions to every source whether it works, in their order.
    pub(super) fn health_questions<'a>(&'a self, cx: &'a Context) -> Vec<BoxFuture<'a, HealthAnswer>> {
        let question =
            |source: &'a Source| ask(cx, (source.name.clone(), source.adapter), source.catalog.health(cx)).boxed();
        self.all.iter().map(question).collect()
    }

    /// The tags of an image's repository.
    pub async fn tags(&self, cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        let source = self.source(reference)?;
        cx.run(&format!("list versions of {reference}"), source.catalog.tags(cx, reference)).await
    }

    /// The reference of a destination that was typed. Nothing is written to Docker Hub by mistake: a name without a
    /// registry is refused if it begins with the name of a source here, or has only one part.
    ///
    /// # Errors
    /// `Usage` for what is no reference, or for such a name, with what to write instead.
    pub fn destination(&self, text: &str) -> Result<ImageRef> {
        let reference = self.reference(text)?;
        let (Some(short), Some(name)) = (short_name(text), reference.name()) else { return Ok(reference) };
        let what = format!("destination '{text}'");
        let hub = format!("for Docker Hub write {}", name.bare());
        let Some((first, rest)) = short.split_once('/') else {
            return Err(Error::usage(what, "a word alone does not say where")
                .hint(format!("for a file or folder write ./{short}, {hub}")));
        };
        let Some(source) = self.all.iter().find(|source| source.name == first) else { return Ok(reference) };
        let there = match &source.abilities.copies {
            Copies::Registry(host) => format!("{host}/{rest}"),
            Copies::Engine => format!("engine://{first}/{rest}"),
            Copies::Folder => format!("file:{}/{rest}", source.address),
            Copies::Refused if source.disks.is_some() => format!("glance://{first}/{rest}"),
            Copies::Refused => return Err(cannot(first, "copy to").hint(hub)),
        };
        let why = format!("'{first}' is a source here, and a name without a registry is one of Docker Hub");
        Err(Error::usage(what, why).hint(format!("for {first} write {there}, {hub}")))
    }

    /// The reference for a name that was typed; `Usage` as in [`reference`](Self::reference). A short name may exist in
    /// several registries: the first that has it is used, as Podman does.
    pub async fn resolve(&self, text: &str) -> Result<ImageRef> {
        let candidates = self.short_names.candidates(text)?;
        if let [only] = candidates.as_slice() {
            return self.is_known(only).map(|()| only.clone());
        }
        let what = format!("find '{text}'");
        let mut told = Vec::new();
        for reference in candidates {
            let found = async { self.place(&reference)?.content.manifest(&Context::default(), &reference).await };
            match found.await {
                Ok(_) => return Ok(reference),
                Err(error) => told.push(format!("{}: {}", reference.short_text(), error.why)),
            }
        }
        Err(Error::not_found(what, format!("no registry here has it: {}", told.join("; ")))
            .hint("write its whole name"))
    }
}
