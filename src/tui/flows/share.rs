//! Sharing on the screens: choosing receivers, showing the plan; giving and taking volumes; snapshots and their
//! receivers.

use crate::{
    kit::{input::Input, list::SeenRow},
    model::SourceLine,
    msg::{Effect, ImageTarget, RunEffect, ShareEffect},
    popups::{
        Ask, Confirmation, Popup,
        agree::{self, Agree},
        pick::{Item, Pick, Purpose},
    },
    rows::WorkloadId,
    state::{Screen, State},
};
use wharf_core::{
    base::{error::Result, secret::Secret, text},
    image::{model::ImageKind, reference::ImageRef},
    ports::Listing,
    sharing::{
        offer::{Project, SharePlan, TransferKey, VolumeTransfer},
        receiver::Receiver,
    },
};

/// The value of the choice that gives a volume away.
const GIVE: &str = ":give";
/// The value of the choice that shares a snapshot with nobody.
const NOBODY: &str = ":nobody";

fn item(label: &str, note: &str, value: &str) -> Item {
    Item { label: label.to_owned(), note: note.to_owned(), value: value.to_owned(), disabled: None }
}

/// The kind of what is shared, as far as the list or the reference tells.
fn kind(state: &State, target: &ImageTarget) -> ImageKind {
    match target {
        ImageTarget::Row { source, name, .. } => state.catalog.kind(source, name).unwrap_or_default(),
        ImageTarget::Reference(ImageRef::Volume { volume, .. }) if volume.starts_with("snapshots/") => {
            ImageKind::Snapshot
        }
        ImageTarget::Reference(ImageRef::Volume { volume, .. }) if volume.starts_with("backups/") => ImageKind::Backup,
        ImageTarget::Reference(ImageRef::Volume { .. }) => ImageKind::Volume,
        ImageTarget::Reference(ImageRef::Glance { .. }) => ImageKind::Vm,
        ImageTarget::Reference(_) => ImageKind::Container,
    }
}

/// The name of the cloud that an image is in, if it is in one.
fn cloud(state: &State, target: &ImageTarget) -> Option<String> {
    match target {
        ImageTarget::Row { source, .. } => {
            let known = state.sources.iter().find(|known| known.name == *source)?;
            known.grants.then(|| source.clone())
        }
        ImageTarget::Reference(ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. }) => Some(cloud.clone()),
        ImageTarget::Reference(_) => None,
    }
}

/// Clouds other than this one, as choices.
fn other_clouds(state: &State, cloud: &str) -> Vec<Item> {
    let others = state.sources.iter().filter(|known| known.grants && known.name != cloud);
    let there = |known: &SourceLine| {
        item(&format!("copy to {}", known.name), "into your project there", &format!("{}/", known.name))
    };
    others.map(there).collect()
}

/// The image's name for titles.
fn title(state: &State, target: &ImageTarget) -> String {
    match state.screen() {
        Screen::Image(page) => page.title(),
        _ => target.label(),
    }
}

/// Opens the choice of receivers: projects, everybody, other clouds, or any project that is typed.
pub fn share(state: &mut State, target: ImageTarget, platform: Option<String>) -> Vec<Effect> {
    let Some(cloud) = cloud(state, &target) else { return share_by_copy(state, target, platform) };
    let kind = kind(state, &target);
    if matches!(kind, ImageKind::Snapshot | ImageKind::Backup) {
        state.say("snapshots and backups are not shared: make a volume of it, or share the volume itself");
        return Vec::new();
    }
    let community = "community: found by words or id, in no list";
    let mut items = vec![item("everybody who looks for it", community, &Receiver::Community.to_string())];
    if kind == ImageKind::Volume {
        items.insert(0, item("give it away", "you lose it; its key is shown once", GIVE));
    } else {
        let public = "public: needs a role that few have";
        items.push(item("everybody, in their lists", public, &Receiver::Public.to_string()));
    }
    items.extend(other_clouds(state, &cloud));
    let mut title = format!("Share {} with", title(state, &target));
    if kind == ImageKind::Volume {
        title.push_str(" (projects get an image of it)");
    }
    let mut dialog = Pick::new(title, Purpose::Share(target, None), items);
    dialog.several = true;
    dialog.free = true;
    state.pick(dialog);
    vec![Effect::Share(ShareEffect::Projects(cloud))]
}

/// A remark that only one platform is shared; empty for all platforms.
pub fn platform_remark(platform: Option<&str>) -> String {
    platform.map_or_else(String::new, |platform| format!(" ({platform} only)"))
}

/// Opens the choice of projects of registries, as known from their lists, or any that is typed.
fn share_by_copy(state: &mut State, target: ImageTarget, platform: Option<String>) -> Vec<Effect> {
    let home = match &target {
        ImageTarget::Row { source, .. } => state.sources.iter().find(|known| known.name == *source),
        ImageTarget::Reference(ImageRef::Oci(name)) => {
            state.sources.iter().find(|known| known.registry() == Some(name.host.as_str()))
        }
        ImageTarget::Reference(_) => None,
    };
    let own = match (home.and_then(SourceLine::registry), &target) {
        (Some(host), _) => host.to_owned(),
        // The reference may be in a registry that is not configured.
        (None, ImageTarget::Reference(ImageRef::Oci(name))) => name.host.clone(),
        (None, _) => {
            let why = state.unshared(&target).unwrap_or("no registry is known for this image");
            state.say(why);
            return Vec::new();
        }
    };
    // Results of a search are other people's projects.
    let listed = state.sources.iter().filter(|known| known.listing != Listing::SearchOnly);
    let mut registries: Vec<(&str, &SourceLine)> =
        listed.filter_map(|known| Some((known.registry()?, known))).collect();
    // The projects of the image's own registry come first.
    registries.sort_by_key(|(host, _)| *host != own);
    let mut items: Vec<Item> = Vec::new();
    for (host, known) in registries {
        for project in state.catalog.projects(&known.name) {
            let value = if host == own { project.clone() } else { format!("{host}/{project}") };
            // Two sources may be the same registry: its projects are offered once.
            if !items.iter().any(|item| item.value == value) {
                items.push(item(&project, &format!("on {}", known.name), &value));
            }
        }
    }
    let title = format!("Share {}{} into", target.label(), platform_remark(platform.as_deref()));
    let mut dialog = Pick::new(title, Purpose::Share(target, platform), items);
    dialog.several = true;
    dialog.free = true;
    state.pick(dialog)
}

/// Adds a source's projects to the dialog that waits for them, if it is still open.
pub fn projects_arrived(state: &mut State, source: &str, projects: Result<Vec<Project>>) {
    let clouds: Vec<Option<String>> = state
        .popups
        .iter()
        .map(|popup| match popup {
            Popup::Pick(Pick { purpose: Purpose::Share(target, _), .. }) => cloud(state, target),
            Popup::Pick(Pick { purpose: Purpose::Snapshot(workload, _), .. }) => Some(workload.id().0.clone()),
            _ => None,
        })
        .collect();
    let Ok(projects) = projects else { return };
    for (popup, cloud) in state.popups.news().zip(clouds) {
        let Popup::Pick(dialog) = popup else { continue };
        if cloud.as_deref() != Some(source) {
            continue;
        }
        let known: Vec<String> = dialog.items.iter().map(|item| item.value.clone()).collect();
        let new = projects.iter().filter(|project| !known.contains(&project.id));
        let new: Vec<Item> = new.map(|project| item(&project.name, &project.id, &project.id)).collect();
        // Projects come first, as most people look for them. Marked choices stay marked.
        dialog.put_first(new);
    }
}

/// Receivers were chosen: makes the plans, to be shown.
pub fn chosen(state: &mut State, target: ImageTarget, platform: Option<String>, values: &[String]) -> Vec<Effect> {
    if values.iter().any(|value| value == GIVE) {
        let title = title(state, &target);
        let question = format!("Give {title} away? You lose it, with its snapshots, when it is taken.");
        state.popups.push(Popup::Confirm { question, sure: Confirmation::Give(target) });
        return Vec::new();
    }
    let to: Vec<Receiver> = values.iter().map(|value| Receiver::from(value.as_str())).collect();
    let title = format!("Share {}{}?", title(state, &target), platform_remark(platform.as_deref()));
    let agree = Agree { title, target: target.clone(), platform, plans: None, top: 0 };
    state.popups.push(Popup::Agree(Box::new(agree)));
    vec![Effect::Share(ShareEffect::SharePlans(target, to))]
}

/// Shows the plans in the popup that waits for them.
pub fn planned(state: &mut State, target: &ImageTarget, plans: Vec<(Receiver, Result<SharePlan>)>) {
    let waiting = state.popups.news().rev().find_map(|popup| match popup {
        Popup::Agree(agree) if agree.target == *target && agree.plans.is_none() => Some(agree),
        _ => None,
    });
    if let Some(agree) = waiting {
        agree.plans = Some(plans);
    }
}

/// The plans were confirmed: shares the image, as jobs.
pub fn plans_confirmed(
    state: &mut State,
    target: &ImageTarget,
    platform: Option<&str>,
    to: Vec<Receiver>,
) -> Vec<Effect> {
    let words = target.label();
    state.say_begun("sharing");
    to.into_iter()
        .map(|to| {
            let job = state.job(format!("share {words} with {}", agree::name(&to)));
            Effect::Share(ShareEffect::Share { job, target: target.clone(), platform: platform.map(str::to_owned), to })
        })
        .collect()
}

/// Creates a transfer of a volume, as a job.
pub fn create_transfer(state: &mut State, target: ImageTarget) -> Vec<Effect> {
    let job = state.job(format!("give {} away", target.label()));
    if let Some(cloud) = cloud(state, &target) {
        state.changing.push((job, cloud));
    }
    vec![Effect::Share(ShareEffect::Give { job, target })]
}

/// Shows the key of a transfer, this one time.
pub fn given(state: &mut State, given: &VolumeTransfer) {
    let sent = given.line();
    let text = format!(
        "Whoever has both of these takes {}; it is yours until then.\nThe key is shown this once.\n\n  transfer  {}\n  key       {}\n\n\
         Send the line that c copies. It is pasted into the offers (5, t), or typed\nwhere 'wharf offers accept {}' asks for it.\n\
         Until somebody takes it, the offers (5, x) take it back.",
        given.title,
        given.transfer,
        given.key.reveal(),
        given.id
    );
    state.open_unasked(Popup::Text {
        title: "The key of your gift".into(),
        text,
        copy: Some(sent),
        top: 0,
        link: None,
    });
}

/// Asks for the text that the giver of a volume has sent.
pub fn ask_for_transfer(state: &mut State) -> Vec<Effect> {
    state.popups.push(Popup::line("Paste what the giver sent (transfer … key …)", Ask::Transfer));
    Vec::new()
}

/// The giver's text was pasted: finds the transfer and its key in it.
pub fn transfer_pasted(state: &mut State, sent: &str) -> Vec<Effect> {
    let Some(TransferKey { transfer, key, cloud }) = TransferKey::parse(sent) else {
        state.say("there is no transfer in it: ask the giver for the whole line");
        return Vec::new();
    };
    let clouds: Vec<String> =
        state.sources.iter().filter(|source| source.grants).map(|source| source.name.clone()).collect();
    let named = cloud.filter(|cloud| clouds.contains(cloud));
    match (named, clouds.as_slice()) {
        (Some(cloud), _) => accept_transfer(state, &cloud, &transfer, key),
        (None, [only]) => accept_transfer(state, only, &transfer, key),
        (None, []) => {
            state.say("no cloud is configured here");
            Vec::new()
        }
        (None, several) => {
            let items = several.iter().map(|cloud| Item::plain(cloud.clone(), "")).collect();
            state.pick(Pick::new("In which cloud is it?", Purpose::TakeAt(transfer, key), items))
        }
    }
}

/// The cloud of the transfer is known: accepts the volume, or asks for the key first if it is missing.
pub fn accept_transfer(state: &mut State, cloud: &str, transfer: &str, key: Option<Secret>) -> Vec<Effect> {
    let Some(key) = key else {
        let ask = Ask::TransferKey(cloud.to_owned(), transfer.to_owned());
        let title = format!("Key of the transfer {}", transfer.get(..8).unwrap_or(transfer));
        state.popups.push(Popup::line(title, ask));
        return Vec::new();
    };
    let job = state.job(format!("take a volume on {cloud}"));
    state.changing.push((job, cloud.to_owned()));
    vec![Effect::Share(ShareEffect::Take { job, offer: format!("{cloud}/transfer/{transfer}"), key })]
}

/// Asks for the name of the workload's image. The same name again continues what was begun.
pub fn snapshot(state: &mut State, name: &str, workload: SeenRow<WorkloadId>) -> Vec<Effect> {
    let day = text::timestamp(state.now);
    let input = Input::new(format!("{name}-{}", day.split('T').next().unwrap_or_default()));
    let title = format!("Name of the image of {}", workload.called());
    let about = vec!["One that was begun under this name goes on.".to_owned()];
    state.popups.push(Popup::Line { title, about, input, ask: Ask::SnapshotName(workload) });
    Vec::new()
}

/// Asks who gets the workload's image.
pub fn snapshot_named(state: &mut State, workload: SeenRow<WorkloadId>, name: String) -> Vec<Effect> {
    let backend = workload.id().0.clone();
    let grants = state.sources.iter().any(|source| source.name == backend && source.grants);
    if !grants {
        return snapshot_for(state, workload, name, &[]);
    }
    let items = vec![item("nobody", "it stays in your project", NOBODY)];
    let mut dialog = Pick::new(format!("Share {name} with"), Purpose::Snapshot(workload, name), items);
    dialog.several = true;
    dialog.free = true;
    state.pick(dialog);
    vec![Effect::Share(ShareEffect::Projects(backend))]
}

/// Makes an image of the workload and shares it, as a job.
pub fn snapshot_for(state: &mut State, workload: SeenRow<WorkloadId>, name: String, to: &[String]) -> Vec<Effect> {
    let to: Vec<Receiver> =
        to.iter().filter(|value| *value != NOBODY).map(|value| Receiver::from(value.as_str())).collect();
    let job = state.job(format!("make the image {name} of {}", workload.called()));
    state.changing.push((job, workload.id().0.clone()));
    state.say_begun("making the image");
    vec![Effect::Run(RunEffect::Snapshot { job, workload, name, to })]
}
