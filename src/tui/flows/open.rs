//! Opening screens: what is put on the stack, and what is read for it first.

use crate::{
    msg::{Effect, ImageEffect, ImageTarget, RunEffect},
    popups::share::Facts,
    screens::{console, image, launch, workload},
    state::{Screen, State},
};
use wharf_core::{
    base::text,
    image::{link::Link, model::Image},
    launch::plan::{Plan, Workload},
};

/// Puts a screen on the stack and returns the effect that reads what it shows.
pub fn open(state: &mut State, screen: Screen, effect: Effect) -> Vec<Effect> {
    // A screen that is opened from itself replaces itself, so that screens do not pile up.
    let same = std::mem::discriminant(state.screen()) == std::mem::discriminant(&screen);
    if same {
        state.stack.pop();
    }
    state.stack.push(screen);
    vec![effect]
}

/// Opens the page of an image; with `launch_next`, its launch screen opens as soon as the image has arrived.
pub fn open_image(state: &mut State, target: ImageTarget, platform: Option<String>, launch_next: bool) -> Vec<Effect> {
    let page = image::Page { launch_next, platform: platform.clone(), ..image::Page::new(target.clone()) };
    state.stack.push(Screen::Image(Box::new(page)));
    vec![Effect::Image(ImageEffect::Image { target, platform })]
}

/// Opens the launch screen of an image, for one platform if that was chosen, and asks the first backend for its form.
pub fn launch(state: &mut State, image: Image, platform: Option<String>) -> Vec<Effect> {
    let page = launch::Page::new(image, state.backends.clone()).by_lock_file(platform);
    let asks = page.ask_form();
    state.stack.push(Screen::Launch(Box::new(page)));
    vec![asks]
}

/// Opens the image that a `wharf:` link names; a link that cannot be read is told as an error.
pub fn link(state: &mut State, written: &str) -> Vec<Effect> {
    match written.parse::<Link>() {
        Ok(link) => {
            let mut page = image::Page::new(ImageTarget::Reference(link.reference.clone()));
            page.from_link = vec![(true, "opened from a link".to_owned())];
            page.link = Some(link.clone());
            if let Some(until) = link.until {
                let past = link.is_expired(state.now);
                let when = text::timestamp(until);
                let words = if past { "its date is past" } else { "it is good until" };
                page.from_link.push((!past, format!("{words}: {when}")));
            }
            page.remember_row(&link, &listed(state, &link));
            state.stack.push(Screen::Image(Box::new(page)));
            vec![Effect::Image(ImageEffect::OpenLink(link))]
        }
        Err(error) => {
            state.fail(&error);
            Vec::new()
        }
    }
}

/// What the lists know of the image of a link.
fn listed(state: &State, link: &Link) -> Facts {
    match (state.source_of(&link.reference), link.reference.name()) {
        (Some(source), Some(name)) => state.catalog.facts_of(&source.name, &name.repository, link.tag.as_deref()),
        _ => Facts::default(),
    }
}

/// Opens the page of a workload, and begins to follow its state and its output.
pub fn workload(state: &mut State, workload: Workload) -> Vec<Effect> {
    let times = state.switches.times;
    let logs = Effect::Run(RunEffect::Logs { backend: workload.backend.clone(), id: workload.id.clone(), times });
    let page = workload::Page { asked: state.clock, ..workload::Page::new(workload, state.switches) };
    state.stack.push(Screen::Workload(Box::new(page)));
    vec![logs]
}

/// Opens a terminal in a workload: with `shell` a new `/bin/sh`, else the workload's console.
pub fn console(state: &mut State, workload: &Workload, shell: bool) -> Vec<Effect> {
    let command = shell.then(|| vec!["/bin/sh".to_owned()]);
    let (backend, id, size) = (workload.backend.clone(), workload.id.clone(), state.size);
    let path = format!("Workloads › {} › Terminal", workload.name);
    let page = console::Page::new(path, format!("{} · ctrl-] leaves; what runs goes on", workload.name), size);
    state.stack.push(Screen::Console(Box::new(page)));
    vec![Effect::Run(RunEffect::Terminal { backend, id, command, size: console::inner(size) })]
}

/// Opens the text of a plan in the person's editor.
pub fn editor(state: &mut State, plan: Box<Plan>) -> Vec<Effect> {
    let size = state.size;
    let path = format!("Images › {} › Launch › Script", plan.image.reference.title());
    let page =
        console::Page::new(path, "your editor: save and quit to use it · ctrl-] leaves without".to_owned(), size);
    state.stack.push(Screen::Console(Box::new(page)));
    vec![Effect::Run(RunEffect::Edit { plan, size: console::inner(size) })]
}
