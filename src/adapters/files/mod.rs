//! Images in folders: OCI layouts (folders or archives), disk images, SIF files; and the starter catalog.

mod content;
mod disk_file;
mod gathering;
mod last;
mod layout;
mod scan;
mod sif_image;
mod starter;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::mpsc;

use self::{last::Last, layout::Layout};
use super::{
    formats::{container_disk::Packed, disk_header, sif},
    parts::{Parts, Surroundings},
    shared::{
        origin,
        settings::{self, AdapterEntry},
    },
};
use wharf_core::{
    base::{
        badge::Publisher,
        blocking::blocking,
        clean,
        context::Context,
        digest::{Digest, Hasher},
        error::{During, Error, Result},
    },
    catalog::rows::Row,
    config::{Config, ConfigEntry, EntryKind},
    image::{
        lineage::DiskNeeds,
        model::{Health, Image, ImageKind, Pinned, Platform, RunConfig},
        reference::ImageRef,
    },
    portal::{Abilities, Copies, Source, doctor::State},
    ports::{Catalog, Extent},
    transfer::fetch,
};

/// A folder of images, or the source of all `file:` references.
pub struct Files {
    name: String,
    root: PathBuf,
    /// Whether it also reads and writes files outside of the folder.
    everything: bool,
    /// The folder into which compressed archives are decompressed.
    scratch: PathBuf,
    /// The archive that was opened last, because opening one takes as long as reading all of it.
    opened: Last<Arc<Layout>>,
    known: Arc<Known>,
}

/// What was made of files that took long to read.
#[derive(Default)]
struct Known {
    /// The file that was hashed last.
    hashed: Last<Digest>,
    /// The disk file that was described as an image last.
    packed: Last<Arc<Packed>>,
}

/// A source for a folder. With `everything` it also takes paths outside of the folder.
pub fn source(name: &str, folder: &Path, origin: &str, everything: bool, around: &Surroundings) -> Source {
    source_of(Files::new(name, folder, everything, &around.cache_dir), origin)
}

fn source_of(files: Files, origin: &str) -> Source {
    let files = Arc::new(files);
    Source {
        name: files.name.clone(),
        adapter: "files",
        address: files.root.display().to_string(),
        origin: origin.to_owned(),
        user: None,
        abilities: Abilities { copies: Copies::Folder, is_local: true, ..Abilities::default() },
        catalog: files.clone(),
        content: Some(files),
        sharer: None,
        disks: None,
        upkeep: None,
    }
}

/// The starter catalog: a few kilobytes in the program, written to a folder in the cache on first use.
pub fn starter(around: &Surroundings) -> Result<Source> {
    let folder = starter::lay_out(&around.cache_dir)?;
    let mut starter = source("starter", &folder, "built in", false, around);
    // It is written again whenever it differs from the copy in the program.
    starter.abilities.copies = Copies::Refused;
    Ok(starter)
}

impl Files {
    fn new(name: &str, root: &Path, everything: bool, cache: &Path) -> Self {
        Self {
            name: name.to_owned(),
            root: root.to_owned(),
            everything,
            scratch: cache.join("archives"),
            opened: Last::default(),
            known: Arc::default(),
        }
    }

    fn path<'a>(&self, reference: &'a ImageRef) -> Result<(&'a Path, Option<&'a str>)> {
        match reference {
            ImageRef::File { path, tag, .. } => Ok((Path::new(path), tag.as_deref())),
            _ => Err(Error::usage(format!("read {reference}"), "it is not a file")),
        }
    }

    async fn layout(&self, path: &Path) -> Result<Arc<Layout>> {
        let (file, scratch) = (path.to_owned(), self.scratch.clone());
        let what = format!("read {}", path.display());
        let open = async { Ok(Arc::new(blocking(move || Layout::open(&file, &scratch)).await.during(what)??)) };
        self.opened.of(path, open).await
    }
}

/// The hash of a file.
async fn hash(path: &Path, what: &str) -> Result<Digest> {
    let (file, task) = (path.to_owned(), what.to_owned());
    let work = blocking(move || {
        let mut hasher = Hasher::default();
        hasher.update_from(disk_header::open(&file)?).during(task)?;
        Ok::<_, Error>(hasher.finish())
    });
    work.await.during(what)?
}

#[async_trait]
impl Catalog for Files {
    async fn list(&self, _cx: &Context, _query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let root = self.root.clone();
        let (rows, extent) = blocking(move || scan::rows(&root)).await.during(format!("list {}", self.name))??;
        let _ = pages.send(rows).await;
        Ok(extent)
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        Ok(ImageRef::File {
            path: self.root.join(name).display().to_string(),
            tag: tag.map(str::to_owned),
            digest: None,
        })
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::File { path, .. } if self.everything || Path::new(path).starts_with(&self.root))
    }

    async fn image(&self, cx: &Context, reference: &ImageRef, platform: Option<&Platform>) -> Result<Image> {
        let what = format!("show {reference}");
        let (path, _) = self.path(reference)?;
        if !path.exists() {
            return Err(Error::not_found(
                what,
                format!("{} is not there", clean::short(&path.display().to_string(), 200)),
            )
            .hint("check the path"));
        }
        if layout::is_layout(path) {
            return fetch::image(cx, self, reference, platform).await;
        }
        let path = path.to_owned();
        let read = move || {
            let mut facts = disk_header::inspect(&path)?;
            if facts.kind == ImageKind::Sif {
                let lineage = sif::lineage(&path);
                facts.details.extend(lineage.map(|from| ("made from".to_owned(), from)));
            }
            if facts.kind == ImageKind::Vm {
                facts.details.extend(origin::needs_of(&path));
            }
            facts.details.extend(origin::of(&path).map(|from| ("fetched from".to_owned(), from)));
            Ok::<_, Error>(facts)
        };
        let facts = blocking(read).await.during(&what)??;
        Ok(disk(reference, facts))
    }

    async fn pin(&self, _cx: &Context, image: &Image) -> Result<Image> {
        let what = format!("hash {}", image.reference);
        let (path, _) = self.path(&image.reference)?;
        if image.pinned.is_some() || !path.is_file() {
            return Ok(image.clone());
        }
        let digest = self.file_digest(path, &what).await?;
        let reference = image.reference.clone();
        let pinned = Pinned { reference, digest: digest.clone(), platform: None, manifest: digest };
        Ok(Image { pinned: Some(pinned), ..image.clone() })
    }

    async fn tags(&self, _cx: &Context, reference: &ImageRef) -> Result<Vec<String>> {
        let (path, _) = self.path(reference)?;
        if !layout::is_layout(path) {
            return Ok(Vec::new());
        }
        Ok(self.layout(path).await?.tags())
    }

    async fn health(&self, _cx: &Context) -> Result<Health> {
        std::fs::read_dir(&self.root).map_err(|error| {
            Error::not_found(format!("read {}", self.root.display()), error.to_string())
                .hint("make the folder, or name another one in the configuration")
        })?;
        Ok(Health { reachable: true, note: self.root.display().to_string(), ..Health::default() })
    }
}

fn disk(reference: &ImageRef, facts: disk_header::Facts) -> Image {
    let annotations = facts.details.clone();
    Image {
        reference: reference.clone(),
        kind: facts.kind,
        pinned: None,
        media_type: facts.format.clone(),
        created: facts.modified,
        platforms: Vec::new(),
        config: RunConfig::default(),
        layers: Vec::new(),
        history: Vec::new(),
        size: facts.size,
        disk: Some(DiskNeeds::add_to(facts.into_disk(), &annotations)),
        annotations,
        signed: None,
        statement: None,
        artifact: None,
        publisher: Publisher::Unknown,
    }
}

/// The settings of a folder of images in the configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The path of the folder, relative to the file that names it.
    url: PathBuf,
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        self.url.to_str().unwrap_or_default()
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        settings::missing(self.address(), "/srv/images")
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        self.url = written.path(&self.url);
    }
}

/// How a configuration's entries for folders of images are read.
pub const KIND: EntryKind = EntryKind::source(settings::hosts::<Settings>).typed(from_address);

/// The entry of a folder whose path somebody typed: absolute, or beginning with `~/`, `./` or `../`.
fn from_address(typed: &str) -> Option<ConfigEntry> {
    let typed = typed.strip_prefix("file:").unwrap_or(typed);
    let path = match typed.strip_prefix('~') {
        Some(below) => PathBuf::from(std::env::var_os("HOME")?).join(below.strip_prefix('/')?),
        None if typed.starts_with(['/', '.']) => std::path::absolute(typed).ok()?,
        None => return None,
    };
    let path = path.canonicalize().unwrap_or(path);
    let url = path.to_str()?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("images");
    Some(ConfigEntry::new(name, "", "typed", toml::Table::from_iter([("url".to_owned(), url.into())])))
}

/// Registers the starter catalog, the configured folders of images, and `file:` references.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    // A path is its own address: no folder needs to be configured for it.
    // What is opened one after the other knows the same.
    let known = Arc::<Known>::default();
    parts.opens("file", move |_, around| {
        let files = Files { known: known.clone(), ..Files::new("file", Path::new("."), true, &around.cache_dir) };
        Ok(source_of(files, "named in a reference"))
    });
    match starter(around) {
        Ok(source) if config.discover => parts.sources.push(source),
        Ok(_) => {}
        Err(error) => {
            parts.note("starter catalog", State::Caution, error.why, "check that the cache folder can be written")
        }
    }
    for AdapterEntry { name, origin, settings } in parts.wanted::<Settings>(config, "files", Vec::new)? {
        parts.sources.push(source(&name, &settings.url, &origin, false, around));
    }
    let there: Vec<&PathBuf> = config.image_folders.iter().filter(|folder| folder.is_dir()).collect();
    let names = config.image_folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", ");
    parts.note(
        "image folders",
        if there.is_empty() { State::Caution } else { State::Good },
        if there.is_empty() { "none".into() } else { names.clone() },
        &format!("put disk images, SIF files or OCI layouts into {names}"),
    );
    let last = there
        .last()
        .map_or_else(|| config.image_folders.last().cloned().unwrap_or_default(), |folder| (*folder).clone());
    for (number, folder) in there.iter().enumerate() {
        let name = if number + 1 == there.len() { "files".to_owned() } else { format!("files-{}", number + 1) };
        parts.sources.push(source(&name, folder, "your image folder", **folder == last, around));
    }
    Ok(())
}
