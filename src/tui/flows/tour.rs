//! The tour of one minute: which screen each card shows, and what it says of it.

use crate::{
    kit::{action::Action, keymap::Keymap},
    msg::{Effect, Navigation},
    popups::{
        Popup,
        tour::{Card, Outcome, Tour},
    },
    state::State,
};

/// A key of a screen, and what it does.
type Hint = (&'static str, Action, &'static str);

/// A card: the screen that is shown with it, its title, what it says, and keys.
struct Step(Action, &'static str, &'static str, &'static [Hint]);

const STEPS: [Step; 8] = [
    Step(
        Action::Catalog,
        "Images",
        "All that your registries, clouds and folders hold is in one list. TRUST says who signed an image, SCAN what is \
         known to be vulnerable in it, VERDICT whether it may run here.",
        &[
            ("catalog", Action::Filter, "finds by words; enter opens what is selected"),
            ("catalog", Action::LaunchAllowed, "launches the nearest version that may run"),
        ],
    ),
    Step(
        Action::Catalog,
        "Launch",
        "Before anything runs you see what it may do, what room there is, and all that will be sent. Nothing is sent \
         before you have seen it.",
        &[
            ("catalog", Action::Launch, "on an image asks where and how"),
            ("launch", Action::Safer, "there makes it safer, one answer at a time"),
            ("launch", Action::Confirm, "there launches"),
        ],
    ),
    Step(
        Action::Workloads,
        "Workloads",
        "What you launched, on every engine, cloud and cluster: its state, its use, and its output beside it.",
        &[
            ("workloads", Action::Shell, "opens a shell in one"),
            ("workloads", Action::Stop, "stops it"),
            ("workloads", Action::Again, "launches the same again, and says what differs"),
        ],
    ),
    Step(
        Action::Transfers,
        "Transfers",
        "Copies, shares, uploads and launches with their speed and their end.",
        &[("catalog", Action::CopyTo, "on an image copies it to an engine, a registry, a cloud or a file")],
    ),
    Step(
        Action::Sources,
        "Sources",
        "Where images come from and where they run, what is missing on this machine, and what to do about it.",
        &[("sources", Action::AddSource, "adds a registry, a folder or a cloud by its address")],
    ),
    Step(
        Action::Offers,
        "Offers",
        "What other projects share with yours waits here for your answer.",
        &[
            ("catalog", Action::Share, "on an image shares it"),
            ("catalog", Action::Link, "on an image makes a link to send"),
        ],
    ),
    Step(
        Action::Requests,
        "Requests",
        "What the policy holds back can be asked for. Most is answered by the policy itself; the rest is decided by \
         people, who see its evidence here.",
        &[("catalog", Action::Request, "on an image asks for it")],
    ),
    Step(
        Action::Inbox,
        "Inbox",
        "You are told here when something that you run, downloaded or were given becomes vulnerable.",
        &[
            ("global", Action::Help, "says what each key of a screen does"),
            ("global", Action::Palette, "finds everything by words, this tour, too"),
        ],
    ),
];

/// Begins the tour.
pub fn begin(state: &mut State) -> Vec<Effect> {
    show(state, 0)
}

/// Goes to another card, or ends the tour and goes back to the images.
pub fn goes(state: &mut State, outcome: Outcome) -> Vec<Effect> {
    state.popups.pop();
    match outcome {
        Outcome::Go(number) => show(state, number),
        Outcome::Leave => vec![Effect::Go(Navigation::Do(Action::Catalog))],
    }
}

fn show(state: &mut State, number: usize) -> Vec<Effect> {
    let Some(Step(screen, title, words, hints)) = STEPS.get(number) else { return Vec::new() };
    let keys = hints.iter().filter_map(|hint| labelled(&state.keymap, hint)).collect();
    let card = Card { title: (*title).to_owned(), words, keys };
    state.popups.push(Popup::Tour(Box::new(Tour { card, place: (number, STEPS.len()) })));
    vec![Effect::Go(Navigation::Do(*screen))]
}

/// The key of a hint as it is called now; `None` if the person has taken it away.
fn labelled(keymap: &Keymap, (scope, action, does): &Hint) -> Option<(String, &'static str)> {
    Some((keymap.key(scope, *action)?.label(), *does))
}
