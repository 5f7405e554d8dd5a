//! Sharing on the screens: choosing receivers, showing the plan; giving and taking volumes; snapshots and their
//! receivers.

use crate::{
    kit::{
        input::Input,
        list::{Rows, SeenRow},
    },
    model::SourceLine,
    msg::{Effect, ImageEffect, ImageTarget, LinkWish, RunEffect, ShareEffect, Slot},
    popups::{
        Ask, Confirmation, Popup,
        pick::{Item, Pick, Purpose},
        share::{Facts, Link, Part, Sharing, Target, WIDE, Way, lines},
    },
    rows::WorkloadId,
    state::{Screen, State},
};
use wharf_core::{
    base::{error::Result, secret::Secret, text},
    image::{model::ImageKind, names, reference::ImageRef},
    ports::Listing,
    sharing::{
        meant,
        offer::{Project, Share, SharePlan, TransferKey, VolumeTransfer},
        receiver::{Receiver, Terms},
        sender::{Contact, Contacts},
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

/// Clouds other than this one, as receivers.
fn other_clouds(state: &State, cloud: &str) -> Vec<Target> {
    let others = state.sources.iter().filter(|known| known.grants && known.name != cloud);
    let there = |known: &SourceLine| {
        let (label, value) = (format!("copy to {}", known.name), format!("{}/", known.name));
        receiver(&label, "into your project there", &value, Way::Copy)
    };
    others.map(there).collect()
}

fn receiver(label: &str, note: &str, value: &str, way: Way) -> Target {
    Target { label: label.to_owned(), note: note.to_owned(), value: value.to_owned(), way, named: false }
}

/// The image's name for titles.
fn title(state: &State, target: &ImageTarget) -> String {
    match state.screen() {
        Screen::Image(page) => page.title(),
        _ => target.label(),
    }
}

/// Opens the dialog: projects, everybody, other clouds, or any project that is typed.
pub fn share(state: &mut State, target: ImageTarget, platform: Option<String>) -> Vec<Effect> {
    let Some(cloud) = cloud(state, &target) else { return share_by_copy(state, target, platform) };
    let kind = kind(state, &target);
    if matches!(kind, ImageKind::Snapshot | ImageKind::Backup) {
        state.say("snapshots and backups are not shared: make a volume of it, or share the volume itself");
        return Vec::new();
    }
    let community = "all may use it, in no list";
    let everybody = Receiver::Community.to_string();
    let mut receivers = vec![receiver("community", community, &everybody, Way::Publish)];
    if kind == ImageKind::Volume {
        receivers.insert(0, receiver("give it away", "you lose it; its key is shown once", GIVE, Way::Give));
    } else {
        let public = "in all lists; few may do this";
        receivers.push(receiver("public", public, &Receiver::Public.to_string(), Way::Publish));
    }
    receivers.extend(other_clouds(state, &cloud));
    if kind != ImageKind::Volume {
        receivers.extend(registry_projects(state, "", &names::as_repository(&title(state, &target))));
    }
    let mut title = format!("Share {}", title(state, &target));
    if kind == ImageKind::Volume {
        title.push_str(" (projects get an image of it)");
    }
    let mut dialog = Sharing::new(title, target.clone(), Some(cloud.clone()), receivers);
    dialog.keeps_holders = kind != ImageKind::Volume;
    // A volume has no digest that a link could pin.
    dialog.knows_contacts = kind == ImageKind::Volume;
    let mut effects = vec![Effect::Share(ShareEffect::Projects(cloud))];
    effects.extend(dialog.keeps_holders.then(|| Effect::Share(ShareEffect::Holders(target))));
    effects.extend(open(state, dialog));
    effects
}

/// Opens the dialog; beside the receivers is room for the link on a wide screen.
fn open(state: &mut State, mut dialog: Sharing) -> Vec<Effect> {
    dialog.known = match state.screen() {
        Screen::Image(page) if page.target() == dialog.target => page.facts_of(state.now),
        _ => match &dialog.target {
            ImageTarget::Row { source, name, tag } => state.catalog.facts_of(source, name, tag.as_deref()),
            ImageTarget::Reference(_) => Facts::default(),
        },
    };
    dialog.opened = state.now;
    let asks_people = !dialog.knows_contacts;
    state.popups.push(Popup::Share(Box::new(dialog)));
    let mut effects: Vec<Effect> = asks_people.then_some(Effect::Share(ShareEffect::Contacts)).into_iter().collect();
    effects.extend(link_where_seen(state));
    effects
}

/// Makes the link if the open dialog has a place for it on the screen, and none was asked for.
pub fn link_where_seen(state: &mut State) -> Vec<Effect> {
    let wide = state.size.0 >= WIDE;
    match state.popups.last() {
        Some(Popup::Share(dialog)) if (wide || dialog.part == Part::Link) && matches!(dialog.link, Link::None) => {
            make_link(state)
        }
        _ => Vec::new(),
    }
}

/// A dialog has gone: the one below it asks for what it waits for, as one dialog's reads replace another's.
pub fn next(state: &mut State) -> Vec<Effect> {
    let mut effects = vec![Effect::Leave(&READS)];
    let Some(Popup::Share(dialog)) = state.popups.last_mut() else { return effects };
    if let Link::Asked(_) = dialog.link {
        dialog.link = Link::None;
    }
    if let Some(cloud) = dialog.cloud.clone().filter(|_| !dialog.knows_projects) {
        effects.push(Effect::Share(ShareEffect::Projects(cloud)));
    }
    if dialog.keeps_holders && dialog.holders.is_none() {
        effects.push(Effect::Share(ShareEffect::Holders(dialog.target.clone())));
    }
    effects.extend((!dialog.knows_contacts).then_some(Effect::Share(ShareEffect::Contacts)));
    effects.extend(link_where_seen(state));
    effects
}

/// A remark that only one platform is shared; empty for all platforms.
pub fn platform_remark(platform: Option<&str>) -> String {
    platform.map_or_else(String::new, |platform| format!(" ({platform} only)"))
}

/// Opens the dialog with the projects of registries, as known from their lists.
fn share_by_copy(state: &mut State, target: ImageTarget, platform: Option<String>) -> Vec<Effect> {
    let home = match &target {
        ImageTarget::Row { source, .. } => state.sources.iter().find(|known| known.name == *source),
        ImageTarget::Reference(reference) => state.source_of(reference),
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
    let label = target.label();
    let name = label.rsplit('/').next().unwrap_or(&label).to_owned();
    let base = name.split([':', '@']).next().unwrap_or(&name).to_owned();
    let mut dialog = Sharing::new(String::new(), target, None, registry_projects(state, &own, &base));
    dialog.title = format!("Share {label}{}", platform_remark(platform.as_deref()));
    dialog.wished = Input::new(name.clone());
    dialog.name = name;
    if let Screen::Image(page) = state.screen() {
        let all = page.image.iter().flat_map(|image| &image.platforms);
        dialog.platforms.extend(all.map(|one| Some(one.platform.to_string())));
    }
    if platform.is_some() && !dialog.platforms.contains(&platform) {
        dialog.platforms.push(platform);
        dialog.platform = dialog.platforms.len() - 1;
    } else {
        dialog.platform = dialog.platforms.iter().position(|one| *one == platform).unwrap_or(0);
    }
    open(state, dialog)
}

/// The projects of all registries, those of the image's own one first.
fn registry_projects(state: &State, own: &str, base: &str) -> Vec<Target> {
    // Results of a search are other people's projects.
    let listed = state.sources.iter().filter(|known| known.listing != Listing::SearchOnly);
    let mut registries: Vec<(&str, &SourceLine)> =
        listed.filter_map(|known| Some((known.registry()?, known))).collect();
    registries.sort_by_key(|(host, _)| *host != own);
    let mut receivers: Vec<Target> = Vec::new();
    for (host, known) in registries {
        for project in state.catalog.projects(&known.name) {
            let (value, way) =
                if host == own { (project.clone(), Way::Mount) } else { (format!("{host}/{project}"), Way::Copy) };
            // Two sources may be the same registry: its projects are offered once.
            if !receivers.iter().any(|target| target.value == value) {
                let named = state.catalog.kind(&known.name, &format!("{project}/{base}")).is_some();
                let note = format!("? not asked, on {}", known.name);
                receivers.push(Target { named, ..receiver(&project, &note, &value, way) });
            }
        }
    }
    receivers
}

/// What the dialog reads; it ends with it.
pub const READS: [Slot; 5] = [Slot::SharePlans, Slot::Holders, Slot::Link, Slot::Projects, Slot::Contacts];

/// The open dialog.
fn dialog(state: &mut State) -> Option<&mut Sharing> {
    state.popups.news().rev().find_map(|popup| match popup {
        Popup::Share(dialog) => Some(&mut **dialog),
        _ => None,
    })
}

/// The open dialog, to read it.
fn seen(state: &State) -> Option<&Sharing> {
    state.popups.iter().rev().find_map(|popup| match popup {
        Popup::Share(dialog) => Some(&**dialog),
        _ => None,
    })
}

/// Adds a source's projects to the dialog that waits for them, if it is still open.
pub fn projects_arrived(state: &mut State, source: &str, projects: Result<Vec<Project>>) {
    let Ok(projects) = projects else { return };
    for popup in state.popups.news() {
        match popup {
            Popup::Share(dialog) if dialog.cloud.as_deref() == Some(source) => {
                let way = if dialog.keeps_holders { Way::Grant } else { Way::AsImage };
                let named = |name: &str| projects.iter().filter(|project| project.name == name).count();
                let project = |project: &Project| match named(&project.name) {
                    1 => receiver(&project.name, "", &project.id, way),
                    // Only the ids tell them apart.
                    _ => receiver(&project.label(), "", &project.id, way),
                };
                dialog.knows_projects = true;
                dialog.put_first(projects.iter().map(project).collect());
            }
            Popup::Pick(dialog) => {
                let Purpose::Snapshot(workload, _) = &dialog.purpose else { continue };
                if workload.id().0 != source {
                    continue;
                }
                let known: Vec<String> = dialog.items.iter().map(|item| item.value.clone()).collect();
                let new = projects.iter().filter(|project| !known.contains(&project.id));
                let new: Vec<Item> = new.map(|project| item(&project.name, &project.id, &project.id)).collect();
                // Projects come first, as most people look for them. Marked choices stay marked.
                dialog.put_first(new);
            }
            _ => {}
        }
    }
}

/// Adds the people whose keys are known behind the other receivers.
pub fn contacts_arrived(state: &mut State, contacts: Result<Contacts>) {
    let (Ok(contacts), Some(dialog)) = (contacts, dialog(state)) else { return };
    let person = |contact: &Contact| {
        let note = contact.mail.as_deref().unwrap_or("no mail address");
        receiver(&format!("{} (person)", contact.name), note, &meant::receiver(contact).to_string(), Way::Link)
    };
    dialog.knows_contacts = true;
    dialog.put_last(&contacts.others.iter().map(person).collect::<Vec<_>>());
    dialog.contacts = contacts;
}

/// Takes who has the image.
pub fn holders_arrived(state: &mut State, target: &ImageTarget, holders: Result<Vec<Share>>) {
    if seen(state).is_none_or(|dialog| dialog.target != *target) {
        return;
    }
    let Some(dialog) = dialog(state) else { return };
    match (&mut dialog.holders, holders) {
        (Some(Ok(rows)), Ok(shares)) => rows.set(shares),
        (holders, result) => *holders = Some(result.map(Rows::new)),
    }
}

/// After a job the open dialog reads again who has its image.
pub fn after_job(state: &State) -> Option<Effect> {
    let dialog = seen(state)?;
    dialog.keeps_holders.then(|| Effect::Share(ShareEffect::Holders(dialog.target.clone())))
}

/// Other receivers are marked: asks for their plans, or leaves those that were asked for.
pub fn marked(dialog: &Sharing) -> Vec<Effect> {
    if dialog.marked.is_empty() {
        return vec![Effect::Leave(&[Slot::SharePlans])];
    }
    // Without a name that could be used there is nothing to plan.
    let Ok(terms) = dialog.terms() else { return vec![Effect::Leave(&[Slot::SharePlans])] };
    let platform = dialog.chosen_platform().map(str::to_owned);
    vec![Effect::Share(ShareEffect::SharePlans(dialog.target.clone(), platform, dialog.to(), terms))]
}

/// Shows the plans in the dialog that waits for them.
pub fn planned(state: &mut State, target: &ImageTarget, plans: Vec<(Receiver, Result<SharePlan>)>) {
    if let Some(dialog) = dialog(state).filter(|dialog| dialog.target == *target) {
        dialog.planned(plans);
    }
}

/// Makes the link that the open dialog shows.
pub fn make_link(state: &mut State) -> Vec<Effect> {
    let now = state.now;
    let Some(Popup::Share(dialog)) = state.popups.last_mut() else { return Vec::new() };
    let platform = dialog.chosen_platform().map(str::to_owned);
    let wish = LinkWish { target: dialog.target.clone(), platform, until: dialog.ends.until(now) };
    dialog.link = Link::Asked(wish.clone());
    vec![Effect::Image(ImageEffect::Link(wish))]
}

/// Whether the open dialog waits for this link.
pub fn waits_for_link(state: &State, made: &LinkWish) -> bool {
    seen(state).is_some_and(|dialog| matches!(&dialog.link, Link::Asked(wish) if wish == made))
}

/// Shows the link in the dialog that waits for it.
pub fn link_made(state: &mut State, answer: Result<(wharf_core::image::link::Link, String)>) {
    let Some(dialog) = dialog(state) else { return };
    dialog.link = match answer {
        Ok((link, code)) => Link::Made { text: link.to_string(), code, is_signed: link.signature.is_some() },
        Err(error) => Link::Failed(error),
    };
}

/// Asks whether the selected share is taken back.
pub fn take_back(state: &mut State) -> Vec<Effect> {
    let seen = match state.popups.last() {
        Some(Popup::Share(dialog)) => dialog.holders.as_ref().and_then(|rows| Some(rows.as_ref().ok()?.seen_one())),
        _ => None,
    };
    if let Some(share) = seen.and_then(|seen| state.act_on(seen)) {
        let question = format!("Take it back from {}? What it launched keeps running.", share.called());
        state.popups.push(Popup::Confirm { question, sure: Confirmation::Revoke(share) });
    }
    Vec::new()
}

/// Asks whether a volume is given away.
pub fn ask_to_give(state: &mut State, target: ImageTarget) -> Vec<Effect> {
    let title = title(state, &target);
    let question = format!("Give {title} away? You lose it, with its snapshots, when it is taken.");
    // The dialog that is below this question is served meanwhile.
    let effects = next(state);
    state.popups.push(Popup::Confirm { question, sure: Confirmation::Give(target) });
    effects
}

/// The plans were confirmed: shares the image, as jobs.
pub fn plans_confirmed(
    state: &mut State,
    target: &ImageTarget,
    platform: Option<&str>,
    terms: &Terms,
    to: Vec<Receiver>,
) -> Vec<Effect> {
    let words = target.label();
    state.say_begun("sharing");
    to.into_iter()
        .map(|to| {
            let job = state.job(format!("share {words} with {}", lines::name(&to)));
            if let Some(source) = gets_a_copy(state, target, &to) {
                state.changing.push((job, source));
            }
            let (target, platform, terms) = (target.clone(), platform.map(str::to_owned), terms.clone());
            Effect::Share(ShareEffect::Share { job, target, platform, to, terms })
        })
        .collect()
}

/// The name of the source that has a copy more after such a share.
fn gets_a_copy(state: &State, target: &ImageTarget, to: &Receiver) -> Option<String> {
    let Receiver::Project(project) = to else { return None };
    let there = project.split_once('/').map(|(place, _)| place);
    let named = |known: &&SourceLine| there.is_some_and(|there| known.name == there || known.registry() == Some(there));
    if let Some(known) = state.sources.iter().find(named) {
        return Some(known.name.clone());
    }
    let own = match target {
        ImageTarget::Row { source, .. } => state.sources.iter().find(|known| known.name == *source)?,
        ImageTarget::Reference(reference) => state.source_of(reference)?,
    };
    own.registry().map(|_| own.name.clone())
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

/// Shows the link that was made for a contact, to be handed over.
pub fn handed(state: &mut State, person: &str, link: String) {
    let text = format!("{person} has no mail address here: hand this link over to them, which c copies.\n\n{link}");
    let title = format!("The link for {person}");
    state.open_unasked(Popup::Text { title, text, copy: Some(link), top: 0, link: None });
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
