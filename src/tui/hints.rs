//! The keys that matter right now, from the real key map; a key that cannot be used says why.

use super::{
    kit::{action::Action, list::Walk},
    screens::image::Pane,
    state::{Screen, State},
};
use crate::core::{
    image::{model::ImageKind, reference::ImageRef},
    launch::plan::State as WorkloadState,
};

/// One hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// What it does.
    pub action: Action,
    /// The key.
    pub key: String,
    /// What it does, in a word or two.
    pub words: &'static str,
    /// Why it cannot be used now.
    pub disabled: Option<String>,
}

/// Actions of a screen, the most useful first.
fn offered(state: &State) -> &'static [Action] {
    use Action as A;
    match state.screen() {
        Screen::Catalog => &[
            A::Open,
            A::Filter,
            A::Launch,
            A::Share,
            A::Link,
            A::Facets,
            A::Workloads,
            A::CopyTo,
            A::Sort,
            A::Mark,
            A::OpenLink,
            A::Explain,
            A::Request,
            A::RemoveImage,
            A::Tag,
            A::Inbox,
            A::Requests,
            A::Import,
            A::Sources,
            A::Palette,
            A::Help,
            A::Quit,
        ],
        Screen::Image(_) => &[
            A::NextPane,
            A::Launch,
            A::Share,
            A::Link,
            A::CopyTo,
            A::Platform,
            A::Verify,
            A::Request,
            A::Explain,
            A::Filter,
            A::Sort,
            A::Compare,
            A::Revoke,
            A::RemoveImage,
            A::Tag,
            A::CopyReference,
            A::Open,
            A::Refresh,
            A::Back,
            A::Help,
        ],
        Screen::Launch(_) => &[A::Confirm, A::Open, A::Right, A::NextPane, A::Back, A::Help],
        Screen::Workloads(_) => &[
            A::Open,
            A::Shell,
            A::Attach,
            A::Stop,
            A::Start,
            A::Remove,
            A::Snapshot,
            A::Restart,
            A::Catalog,
            A::Back,
            A::Help,
        ],
        Screen::Workload(page) if page.output.searches() => {
            &[A::NextMatch, A::PreviousMatch, A::Search, A::Back, A::Times, A::Last, A::Shell, A::Stop, A::Help]
        }
        Screen::Workload(_) => &[
            A::Shell,
            A::Attach,
            A::Stop,
            A::Start,
            A::Remove,
            A::Search,
            A::Times,
            A::Snapshot,
            A::Restart,
            A::Last,
            A::Back,
            A::Help,
        ],
        Screen::Transfers => &[A::Open, A::Stop, A::Catalog, A::Back, A::Help],
        Screen::Offers(_) => &[A::Accept, A::Reject, A::Take, A::Open, A::Refresh, A::Catalog, A::Back, A::Help],
        Screen::Requests(page) if page.decides() => &[
            A::Open,
            A::Approve,
            A::Refuse,
            A::Conditions,
            A::AskBack,
            A::NextPane,
            A::Mark,
            A::MarkGroup,
            A::ApproveClass,
            A::Sort,
            A::Back,
            A::Help,
        ],
        Screen::Requests(_) => &[
            A::Open,
            A::NextPane,
            A::Launch,
            A::AddTo,
            A::Refuse,
            A::Renew,
            A::Revoke,
            A::Refresh,
            A::Catalog,
            A::Back,
            A::Help,
        ],
        Screen::Inbox(_) => &[A::Open, A::Launch, A::MarkRead, A::Requests, A::Refresh, A::Catalog, A::Back, A::Help],
        Screen::Sources(_) => &[A::Refresh, A::SignIn, A::Catalog, A::Back, A::Help],
        Screen::Console(_) => &[],
    }
}

/// Why an action cannot be used now.
pub fn disabled(state: &State, action: Action) -> Option<String> {
    let no = |why: &str| Some(why.to_owned());
    match (state.screen(), action) {
        (
            Screen::Catalog,
            Action::Open
            | Action::Launch
            | Action::Share
            | Action::Link
            | Action::CopyTo
            | Action::CopyReference
            | Action::Explain
            | Action::Tag
            | Action::RemoveImage
            | Action::Mark,
        ) if state.catalog.selected().is_none() => no("no image is selected"),
        (Screen::Image(page), Action::Launch | Action::Share | Action::Link | Action::CopyTo | Action::Platform)
            if page.image.is_none() =>
        {
            no("the image has not arrived")
        }
        (Screen::Image(page), Action::Platform)
            if page.image.as_ref().is_some_and(|image| image.platforms.len() < 2) =>
        {
            no("it is built for one platform only")
        }
        (Screen::Image(page), Action::Compare) if page.selected_tag().is_none() => {
            no("choose a version in the Versions pane first")
        }
        (Screen::Image(page), Action::Filter | Action::Sort) if !matches!(page.pane, Pane::Scan | Pane::Software) => {
            no("for the Scan and Software panes")
        }
        (Screen::Image(page), Action::Revoke) if page.selected_share().is_none() => {
            no("choose a share in the Shares pane first")
        }
        (Screen::Offers(page), Action::Accept) if page.rows.selected().is_some_and(|offer| offer.outgoing) => {
            no("it is your own: x takes it back")
        }
        (Screen::Offers(page), Action::Accept | Action::Reject | Action::Open) if page.rows.selected().is_none() => {
            no(if page.rows.count() == 0 {
                "nothing waits for an answer"
            } else {
                "nothing is selected: ↑ ↓ choose one"
            })
        }
        (Screen::Image(page), Action::CopyTo)
            if page.image.as_ref().is_some_and(|image| image.disk.is_some() && image.kind != ImageKind::Vm) =>
        {
            no("only disk images of machines are copied; s shares a volume as an image")
        }
        (Screen::Offers(_), Action::Take) | (Screen::Catalog, Action::Import)
            if !state.sources.iter().any(|source| source.grants) =>
        {
            no("no cloud is configured here")
        }
        (Screen::Catalog | Screen::Sources(_), Action::SignIn)
            if !state.sources.iter().any(|source| source.signs_in) =>
        {
            no("no source here takes a sign-in")
        }
        (Screen::Image(page), Action::Verify)
            if page.image.as_ref().is_none_or(|image| {
                // The bytes of a file are read when somebody asks.
                image.pinned.is_none() && !matches!(image.reference, ImageRef::File { .. })
            }) =>
        {
            no("it has no digest that could be checked")
        }
        (Screen::Image(page), Action::Launch | Action::Link)
            if page.image.as_ref().is_some_and(|image| image.pinned.is_none()) =>
        {
            no("it has no digest to pin to")
        }
        (Screen::Image(page), Action::Launch) if page.image.as_ref().is_some_and(|image| image.artifact.is_some()) => {
            no("it is no image that runs")
        }
        (Screen::Image(page), Action::Open) if page.pane != Pane::Versions => {
            no("open works on a version: tab goes there")
        }
        (Screen::Launch(page), Action::Confirm) if page.job.is_some() => no("it is being launched"),
        (Screen::Launch(page), Action::Confirm) if page.plan.is_none() => no("there is no plan yet"),
        (
            Screen::Workloads(page),
            Action::Open | Action::Remove | Action::Start | Action::Restart | Action::Snapshot,
        ) if page.rows.selected().is_none() => no("nothing is selected: ↑ ↓ choose one"),
        (Screen::Workloads(page), Action::Start)
            if page.rows.selected().is_some_and(|workload| workload.state == WorkloadState::Running) =>
        {
            no("it runs already: R starts it anew")
        }
        (Screen::Workload(page), Action::NextMatch | Action::PreviousMatch) if !page.output.searches() => {
            no("nothing is looked for: / begins a search")
        }
        (Screen::Workload(page), Action::Start) if page.workload.state == WorkloadState::Running => {
            no("it runs already: R starts it anew")
        }
        (Screen::Workloads(page), Action::Shell | Action::Attach | Action::Stop)
            if !page.rows.selected().is_some_and(|workload| workload.state.is_live()) =>
        {
            no("it does not run")
        }
        (Screen::Workload(page), Action::Shell | Action::Attach | Action::Stop) if !page.workload.state.is_live() => {
            no("it does not run")
        }
        (Screen::Transfers, Action::Stop) if state.jobs.selected().is_none_or(|job| job.ended.is_some()) => {
            no("it does not run")
        }
        (Screen::Catalog | Screen::Image(_), Action::Request) if !state.requests => {
            no("the site has no place for admitted images: [requests] admitted")
        }
        (Screen::Catalog, Action::Request) if state.catalog.selected().is_none() => no("no image is selected"),
        (Screen::Image(page), Action::Request) if page.image.as_ref().is_none_or(|image| image.pinned.is_none()) => {
            no("it has no digest to pin to")
        }
        (Screen::Requests(page), action) => page.disabled(action).map(str::to_owned),
        (Screen::Inbox(page), action) => page.disabled(action).map(str::to_owned),
        _ => None,
    }
}

/// The hints of the shown screen.
pub fn of(state: &State) -> Vec<Hint> {
    if state.catalog.typing && matches!(state.screen(), Screen::Catalog) && state.popups.is_empty() {
        let hint = |key: &str, words| Hint { action: Action::Filter, key: key.into(), words, disabled: None };
        return vec![
            hint("enter", "done"),
            hint("esc", "clear"),
            hint("↑ ↓", "move"),
            hint("tag: kind: source: trust: scan:", "narrow"),
            hint("project: label: platform: verdict:", "too"),
            hint("-", "leaves out"),
        ];
    }
    if matches!(state.screen(), Screen::Console(_)) {
        // Every other key goes to what runs there.
        return vec![Hint { action: Action::Back, key: "ctrl-]".into(), words: "leave", disabled: None }];
    }
    if state.is_typing() && matches!(state.screen(), Screen::Workload(_)) {
        let hint = |key: &str, words| Hint { action: Action::Search, key: key.into(), words, disabled: None };
        return vec![hint("enter", "done"), hint("esc", "leave it"), hint("↑ ↓", "match before, next match")];
    }
    if state.is_typing() {
        let hint = |key: &str, words| Hint { action: Action::Open, key: key.into(), words, disabled: None };
        return vec![hint("enter", "take it"), hint("esc", "leave it")];
    }
    let scope = state.scope();
    // Images that are shared by copy have no shares to take back.
    let fits = |action: &&Action| match state.screen() {
        // Only who decides takes admissions back.
        // Nothing is promised that is not there.
        Screen::Inbox(page) => {
            **action != Action::Launch || page.selected().is_some_and(|one| one.launchable().is_some())
        }
        Screen::Requests(page) => **action != Action::Revoke || page.is_approver(),
        Screen::Image(page) => match action {
            Action::Revoke => page.panes().contains(&Pane::Shares),
            // They are for some panes only: elsewhere they would only take room.
            Action::Filter | Action::Sort => matches!(page.pane, Pane::Scan | Pane::Software),
            Action::Compare => page.pane == Pane::Versions,
            _ => true,
        },
        _ => true,
    };
    offered(state)
        .iter()
        .filter(fits)
        .filter_map(|action| {
            let key = state.keymap.key(scope, *action)?.words();
            let words = match (state.screen(), action) {
                (Screen::Requests(page), Action::Refuse) if !page.decides() => "take back",
                (Screen::Workload(page), Action::Back) if page.output.searches() => "end search",
                (Screen::Requests(_), Action::NextPane) => "other list",
                (Screen::Requests(_), Action::Revoke) => "end admission",
                (Screen::Inbox(page), Action::Launch) if page.selected().is_some_and(|one| one.warning.is_some()) => {
                    "launch the fixed one"
                }
                _ => action.words(),
            };
            Some(Hint { action: *action, key, words, disabled: disabled(state, *action) })
        })
        .collect()
}
