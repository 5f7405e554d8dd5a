//! Dialogs of several steps: copying, importing, narrowing the list, signing in.

use std::path::Path;

use super::share;
use crate::{
    model::SourceLine,
    msg::{Effect, ImageEffect, ImageTarget, ListEffect},
    popups::{
        Popup,
        pick::{Item, Pick, Purpose},
    },
    state::{Screen, State},
};
use wharf_core::{
    base::{digest::is_tag, text},
    image::names,
    image::{
        model::ImageKind,
        reference::{ImageRef, within_registry},
    },
    portal::Copies,
    ports::Listing,
};

/// Opens the choice of where to copy an image: engines, image folders, registries, or a reference that is typed.
pub fn copy_to(state: &mut State, target: ImageTarget, platform: Option<String>) -> Vec<Effect> {
    let (host, name, tag) = match &target {
        ImageTarget::Row { source, name, tag } => {
            let line = state.sources.iter().find(|known| known.name == *source);
            let host = line.and_then(SourceLine::registry).unwrap_or_default();
            (host.to_owned(), name.clone(), tag.clone())
        }
        ImageTarget::Reference(reference) => match reference.name() {
            // The host of such a reference is the name of the engine, not of a registry.
            Some(at) if matches!(reference, ImageRef::Engine(_)) => {
                (String::new(), at.repository.clone(), at.tag.clone())
            }
            Some(at) => (at.host.clone(), at.repository.clone(), at.tag.clone()),
            None => {
                let title = reference.title();
                let (name, tag) = title.split_once(':').unwrap_or((&title, ""));
                (String::new(), name.to_owned(), Some(tag.to_owned()))
            }
        },
    };
    if let Some(items) = disk_destinations(state, &target, &name, tag.as_deref()) {
        let chosen = share::platform_remark(platform.as_deref());
        let title = format!("Copy {}{chosen} (or type where to)", target.label());
        let mut dialog = Pick::new(title, Purpose::CopyTo(target, platform), items);
        dialog.free = true;
        return state.pick(dialog);
    }
    let tag = tag.filter(|tag| !tag.is_empty()).unwrap_or_else(|| "latest".to_owned());
    let base = within_registry(&name).rsplit('/').next().unwrap_or(&name).to_owned();
    let of_source = |source: &SourceLine| {
        let (words, value) = match &source.abilities.copies {
            Copies::Engine => {
                // The name in another engine contains the registry already.
                let full = match (host.as_str(), within_registry(&name) == name) {
                    (_, false) => name.split('@').next().unwrap_or(&name).to_owned(),
                    ("", true) => format!("localhost/{name}"),
                    (host, true) => format!("{host}/{name}"),
                };
                (format!("into {}", source.name), format!("engine://{}/{full}:{tag}", source.name))
            }
            Copies::Folder => {
                (format!("into the folder {}", source.address), format!("file:{}/{base}:{tag}", source.address))
            }
            Copies::Registry(other) if *other != host => {
                let repository = within_registry(&name);
                (format!("to {}", source.name), format!("oci://{other}/{repository}:{tag}"))
            }
            Copies::Registry(_) | Copies::Refused => return None,
        };
        Some(Item { label: words, note: value.clone(), value, disabled: None })
    };
    let here = format!("file:./{base}:{tag}");
    let here = Item { label: "into a folder here".into(), note: here.clone(), value: here, disabled: None };
    // A source that is only searched belongs to everybody: it is never offered first.
    let (searched, listed): (Vec<&SourceLine>, Vec<&SourceLine>) =
        state.sources.iter().partition(|source| source.listing == Listing::SearchOnly);
    let destinations = |sources: Vec<&SourceLine>| sources.into_iter().filter_map(of_source).collect::<Vec<_>>();
    let mut items: Vec<Item> = Vec::new();
    for item in destinations(listed).into_iter().chain([here]).chain(destinations(searched)) {
        // Two sources may be the same registry: it is offered once.
        if !items.iter().any(|known| known.value == item.value) {
            items.push(item);
        }
    }
    let title = format!("Copy {}{} (or type where to)", target.label(), share::platform_remark(platform.as_deref()));
    let mut dialog = Pick::new(title, Purpose::CopyTo(target, platform), items);
    dialog.free = true;
    state.pick(dialog)
}

/// Where a disk image can be copied: clouds and registries other than its own, and a file. `None` for other images.
fn disk_destinations(state: &State, target: &ImageTarget, name: &str, tag: Option<&str>) -> Option<Vec<Item>> {
    let page = match state.screen() {
        Screen::Image(page) => page.image.as_ref(),
        _ => None,
    };
    let (kind, home) = match target {
        ImageTarget::Row { source, name, .. } => {
            (state.catalog.kind(source, name)?, state.sources.iter().find(|known| known.name == *source))
        }
        ImageTarget::Reference(ImageRef::Glance { cloud, .. }) => {
            (ImageKind::Vm, state.sources.iter().find(|known| known.name == *cloud))
        }
        ImageTarget::Reference(at @ (ImageRef::File { .. } | ImageRef::Oci(_))) => (page?.kind, state.source_of(at)),
        ImageTarget::Reference(_) => return None,
    };
    if kind != ImageKind::Vm {
        return None;
    }
    let home_name = home.map(|home| home.name.as_str());
    let name = page
        .and_then(|image| image.annotations.get("name").cloned())
        .unwrap_or_else(|| name.rsplit('/').next().unwrap_or(name).to_owned());
    let is_file = names::is_disk_file(Path::new(&name));
    let stem = name.rsplit_once('.').filter(|_| is_file).map_or(name.as_str(), |(stem, _)| stem);
    let to_cloud = |known: &SourceLine| {
        let value = format!("glance://{}/{stem}", known.name);
        let again = if known.begins_again { "; if it breaks, it begins again" } else { "" };
        let note = format!("{value}{again}");
        Item { label: format!("to the cloud {}", known.name), note, value, disabled: None }
    };
    let clouds = state.sources.iter().filter(|known| known.holds_disks && Some(known.name.as_str()) != home_name);
    let mut items: Vec<Item> = clouds.map(to_cloud).collect();
    let is_local = home.is_some_and(|home| home.abilities.is_local)
        || matches!(target, ImageTarget::Reference(ImageRef::File { .. }));
    // What is a file here already needs no other one.
    if !is_local {
        let in_registry = home.is_some_and(|home| home.registry().is_some())
            || matches!(target, ImageTarget::Reference(ImageRef::Oci(_)));
        // By its ending the file is a disk, and no folder with an image in it.
        let format = page.and_then(|image| image.disk.as_ref()).map(|disk| disk.format.as_str());
        let ending = match format {
            _ if !in_registry || is_file => "",
            Some("qcow2") => ".qcow2",
            _ => ".img",
        };
        let value = format!("file:./{name}{ending}");
        items.push(Item { label: "into a file here".into(), note: value.clone(), value, disabled: None });
    }
    // The lists of clouds name their formats and rights where registries have tags.
    let tag = tag.filter(|_| home.is_none_or(|home| home.registry().is_some()));
    let tag = tag.filter(|tag| is_tag(tag)).unwrap_or("latest");
    items.extend(registries_for_disk(state, home_name, stem, tag));
    Some(items)
}

/// The registries that a disk of another place can be put into, below their projects where these are known.
fn registries_for_disk(state: &State, home: Option<&str>, stem: &str, tag: &str) -> Vec<Item> {
    let repository = names::as_repository(stem);
    let mut items = Vec::new();
    let listed = |known: &&SourceLine| Some(known.name.as_str()) != home && known.listing != Listing::SearchOnly;
    for known in state.sources.iter().filter(listed) {
        let Copies::Registry(host) = &known.abilities.copies else { continue };
        let projects = state.catalog.projects(&known.name);
        let mut offer = |label: String, value: String| {
            items.push(Item { label, note: value.clone(), value, disabled: None });
        };
        if projects.is_empty() {
            offer(format!("to {}", known.name), format!("oci://{host}/{repository}:{tag}"));
        }
        for project in projects {
            offer(format!("to {}, {project}", known.name), format!("oci://{host}/{project}/{repository}:{tag}"));
        }
    }
    items
}

/// A URL was typed: opens the choice of the cloud that fetches it.
pub fn import_into(state: &mut State, url: String) -> Vec<Effect> {
    let name = names::name_of_url(&url);
    let items: Vec<Item> = state
        .sources
        .iter()
        .filter(|source| source.holds_disks)
        .map(|source| {
            let value = format!("glance://{}/{name}", source.name);
            Item { label: source.name.clone(), note: value.clone(), value, disabled: None }
        })
        .collect();
    let mut dialog = Pick::new("Into which cloud (or type glance://CLOUD/NAME)", Purpose::Import(url), items);
    dialog.free = true;
    state.pick(dialog)
}

/// Makes a cloud fetch an image from a URL, as a job.
pub fn import(state: &mut State, url: String, destination: String) -> Vec<Effect> {
    let job = state.job(format!("fetch {}", names::name_of_url(&url)));
    let cloud = destination.split("://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or("").to_owned();
    state.changing.push((job, cloud));
    state.say_begun("the cloud fetches it");
    vec![Effect::Image(ImageEffect::Import { job, url, destination })]
}

/// Copies an image, as a job; the list that it is in then is read again.
pub fn copy(state: &mut State, target: ImageTarget, platform: Option<String>, destination: String) -> Vec<Effect> {
    let job = state.job(format!("copy {} to {destination}", target.label()));
    if let Some(source) = source_of(state, &destination) {
        state.changing.push((job, source));
    }
    state.say_begun("copying");
    vec![Effect::Image(ImageEffect::CopyTo { job, target, platform, destination })]
}

/// The name of the source that a reference is in.
fn source_of(state: &State, typed: &str) -> Option<String> {
    let in_folder = |source: &&SourceLine, path: &str| {
        source.abilities.copies == Copies::Folder && Path::new(path).starts_with(&source.address)
    };
    let found = match typed.parse().ok()? {
        ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. } => return Some(cloud),
        ImageRef::Engine(name) => return Some(name.host),
        at @ ImageRef::Oci(_) => state.source_of(&at),
        ImageRef::File { path, .. } => state.sources.iter().find(|source| in_folder(source, &path)),
        ImageRef::Other(_) => None,
    };
    found.map(|source| source.name.clone())
}

/// Opens the choice of facets by which the list can be narrowed.
pub fn facets(state: &mut State, counted: Vec<(String, usize)>) {
    if !matches!(state.screen(), Screen::Catalog) || !state.popups.is_empty() || state.is_typing() {
        return;
    }
    let items = counted
        .into_iter()
        .map(|(facet, count)| Item::plain(facet, text::plural(count as u64, "image", "images")))
        .collect();
    let mut facets = Pick::new("Narrow by", Purpose::Facet, items);
    facets.several = true;
    state.popups.push(Popup::Pick(facets));
}

/// Opens the choice of where to sign in.
pub fn sign_in(state: &mut State) -> Vec<Effect> {
    // On the screen of sources one is selected already.
    let selected = match state.screen() {
        Screen::Sources(page) if page.signs_in_to(&state.model).is_some() => Some(page.seen(&state.model)),
        _ => None,
    };
    if let Some(seen) = selected {
        return state.act_on(seen).map_or_else(Vec::new, |name| sign_in_to(state, name));
    }
    let refused = |name: &str| {
        state
            .catalog
            .feeds
            .iter()
            .any(|feed| feed.source == name && feed.error.as_ref().is_some_and(|error| error.sign_in.is_some()))
    };
    let mut sources: Vec<&SourceLine> = state.sources.iter().filter(|source| source.signs_in).collect();
    // Sources that refused access come first.
    sources.sort_by_key(|source| !refused(&source.name));
    let items: Vec<Item> = sources
        .iter()
        .map(|source| {
            let note = if refused(&source.name) { "wants you to sign in" } else { source.address.as_str() };
            Item::plain(source.name.clone(), note)
        })
        .collect();
    match items.as_slice() {
        // A single source is signed in to without a choice only if it refused access.
        [only] if refused(&only.value) => sign_in_to(state, only.value.clone()),
        _ => state.pick(Pick::new("Sign in to", Purpose::SignIn, items)),
    }
}

/// Starts a sign-in, as a job; its questions come as popups.
pub fn sign_in_to(state: &mut State, source: String) -> Vec<Effect> {
    let job = state.job(format!("sign in to {source}"));
    state.changing.push((job, source.clone()));
    vec![Effect::SignIn { job, source }]
}

/// A job has changed what a source lists: reads the list again.
pub fn after_change(state: &mut State, source: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.sources.iter().any(|known| known.name == source && known.listing != Listing::SearchOnly) {
        state.catalog.loading(source);
        effects.push(Effect::List(ListEffect::List { source: source.to_owned(), query: None }));
    }
    if matches!(state.screen(), Screen::Sources(_)) {
        effects.push(Effect::Health);
    }
    effects
}
