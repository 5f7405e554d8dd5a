//! Dialogs that need more than a line: sharing, copying, narrowing the list, signing in.

use super::{
    commands::pick,
    msg::{Effect, Target},
    popups::{
        Popup,
        pick::{Item, Pick, Purpose},
    },
    state::{Screen, SourceLine, State},
};
use crate::core::{error::Result, ports::Listing, reference::ImageRef, share::Project, text};

/// The share dialog: projects known from the source's list, or any that is typed.
pub fn share(state: &mut State, target: Target, platform: Option<String>) -> Vec<Effect> {
    let source = match &target {
        Target::Row { source, .. } => source.clone(),
        Target::Reference(ImageRef::Oci(name)) => state
            .sources
            .iter()
            .find(|source| source.address.contains(&name.host))
            .map(|source| source.name.clone())
            .unwrap_or_default(),
        Target::Reference(_) => String::new(),
    };
    if let Some(cloud) = cloud_of(state, &target) {
        let name = match state.screen() {
            Screen::Image(page) => page.title(),
            _ => target.words(),
        };
        let title = format!("Share {name}: no bytes move, they accept it");
        let mut dialog = Pick::new(title, Purpose::Share(target, None), Vec::new());
        dialog.several = true;
        dialog.free = true;
        pick(state, dialog);
        return vec![Effect::Projects(cloud)];
    }
    let is_registry = state.sources.iter().any(|known| known.name == source && known.adapter == "oci");
    if !is_registry {
        state.say("only images in registries are shared into projects: copy it to one first (wharf copy)");
        return Vec::new();
    }
    let mut items: Vec<Item> = state
        .catalog
        .projects(&source)
        .into_iter()
        .map(|project| Item::plain(project, format!("on {source}")))
        .collect();
    let others: Vec<String> = state
        .sources
        .iter()
        .filter(|other| other.adapter == "oci" && other.name != source)
        .map(|other| other.name.clone())
        .collect();
    for other in others {
        let host = state.sources.iter().find(|known| known.name == other).map_or("", SourceLine::host).to_owned();
        items.extend(state.catalog.projects(&other).into_iter().map(|project| Item {
            label: project.clone(),
            note: format!("on {other}"),
            value: format!("{host}/{project}"),
            disabled: None,
        }));
    }
    let title = format!("Share {}{} into", target.words(), only(platform.as_deref()));
    let mut dialog = Pick::new(title, Purpose::Share(target, platform), items);
    dialog.several = true;
    dialog.free = true;
    pick(state, dialog)
}

/// That one platform of an image is meant.
fn only(platform: Option<&str>) -> String {
    platform.map_or_else(String::new, |platform| format!(" ({platform} only)"))
}

/// The cloud that an image is in, if it is in one.
fn cloud_of(state: &State, target: &Target) -> Option<String> {
    match target {
        Target::Row { source, .. } => {
            let known = state.sources.iter().find(|known| known.name == *source)?;
            known.grants.then(|| source.clone())
        }
        Target::Reference(ImageRef::Glance { cloud, .. }) => Some(cloud.clone()),
        Target::Reference(_) => None,
    }
}

/// Projects for the share dialog, if it is still open.
pub fn projects_arrived(state: &mut State, source: &str, projects: Result<Vec<Project>>) {
    let clouds: Vec<Option<String>> = state
        .popups
        .iter()
        .map(|popup| match popup {
            Popup::Pick(Pick { purpose: Purpose::Share(target, _), .. }) => cloud_of(state, target),
            _ => None,
        })
        .collect();
    let Ok(projects) = projects else { return };
    for (popup, cloud) in state.popups.iter_mut().zip(clouds) {
        if let (Popup::Pick(dialog), Some(cloud)) = (popup, cloud) {
            if cloud == source && dialog.items.is_empty() {
                let item = |project: &Project| Item {
                    label: project.name.clone(),
                    note: project.id.clone(),
                    value: project.id.clone(),
                    disabled: None,
                };
                dialog.items = projects.iter().map(item).collect();
                dialog.narrow();
            }
        }
    }
}

/// Where an image can be copied to: engines, image folders, the other registries; any reference that is typed.
pub fn copy_to(state: &mut State, target: Target, platform: Option<String>) -> Vec<Effect> {
    let (host, name, tag) = match &target {
        Target::Row { source, name, tag } => {
            let line = state.sources.iter().find(|known| known.name == *source);
            let host = line.filter(|line| line.adapter == "oci").map_or("", SourceLine::host);
            (host.to_owned(), name.clone(), tag.clone())
        }
        Target::Reference(reference) => match reference.name() {
            Some(at) => (at.host.clone(), at.repository.clone(), at.tag.clone()),
            None => {
                let title = reference.title();
                let (name, tag) = title.split_once(':').unwrap_or((&title, ""));
                (String::new(), name.to_owned(), Some(tag.to_owned()))
            }
        },
    };
    let tag = tag.filter(|tag| !tag.is_empty()).unwrap_or_else(|| "latest".to_owned());
    let base = name.rsplit('/').next().unwrap_or(&name).to_owned();
    let of_source = |source: &SourceLine| {
        let (words, value) = match source.adapter.as_str() {
            "engine" => {
                let full = if host.is_empty() { format!("localhost/{name}") } else { format!("{host}/{name}") };
                (format!("into {}", source.name), format!("engine://{}/{full}:{tag}", source.name))
            }
            "files" if source.name != "starter" => {
                (format!("into the folder {}", source.address), format!("file:{}/{base}:{tag}", source.address))
            }
            "oci" if source.host() != host => {
                (format!("to {}", source.name), format!("oci://{}/{name}:{tag}", source.host()))
            }
            _ => return None,
        };
        Some(Item { label: words, note: value.clone(), value, disabled: None })
    };
    let here = format!("file:./{base}:{tag}");
    let here = Item { label: "into a folder here".into(), note: here.clone(), value: here, disabled: None };
    let items = state.sources.iter().filter_map(of_source).chain([here]).collect();
    let title = format!("Copy {}{} (or type where to)", target.words(), only(platform.as_deref()));
    let mut dialog = Pick::new(title, Purpose::CopyTo(target, platform), items);
    dialog.free = true;
    pick(state, dialog)
}

/// Opens the choice of what to narrow the list by.
pub fn facets(state: &mut State, counted: Vec<(String, usize)>) {
    if !matches!(state.screen(), Screen::Catalog) || !state.popups.is_empty() {
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

/// Chooses where to sign in.
pub fn sign_in(state: &mut State) -> Vec<Effect> {
    let refused = |name: &str| {
        state
            .catalog
            .feeds
            .iter()
            .any(|feed| feed.source == name && feed.error.as_ref().is_some_and(|error| error.sign_in.is_some()))
    };
    let mut sources: Vec<&SourceLine> = state.sources.iter().filter(|source| source.signs_in).collect();
    // Those that asked for it come first.
    sources.sort_by_key(|source| !refused(&source.name));
    let items: Vec<Item> = sources
        .iter()
        .map(|source| {
            let note = if refused(&source.name) { "wants you to sign in" } else { source.address.as_str() };
            Item::plain(source.name.clone(), note)
        })
        .collect();
    match items.as_slice() {
        [only] => sign_in_to(state, only.value.clone()),
        _ => pick(state, Pick::new("Sign in to", Purpose::SignIn, items)),
    }
}

/// Starts a sign-in; its questions come as popups.
pub fn sign_in_to(state: &mut State, source: String) -> Vec<Effect> {
    let job = state.job(format!("sign in to {source}"));
    state.changing.push((job, source.clone()));
    vec![Effect::SignIn { job, source }]
}

/// A sign-in or an answer changed what a source lists: it is asked again.
pub fn after_change(state: &mut State, source: &str) -> Vec<Effect> {
    let mut effects = Vec::new();
    if state.sources.iter().any(|known| known.name == source && known.listing != Listing::SearchOnly) {
        state.catalog.loading(source);
        effects.push(Effect::List { source: source.to_owned(), query: None });
    }
    if matches!(state.screen(), Screen::Sources(_)) {
        effects.push(Effect::Health);
    }
    effects
}
