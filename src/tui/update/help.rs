//! The help: all keys that work on the shown screen, by what one wants to do; and the palette, which finds them.

use unicode_width::UnicodeWidthStr;

use crate::{
    hints,
    kit::{
        action::Action,
        aim::{Aim, verb},
        keymap::{Key, Keymap},
        widgets::{fit, wrap},
    },
    popups::pick::{Item, Pick, Purpose},
    state::State,
};

/// The columns of the keys of an action.
const KEYS: usize = 13;
/// The columns of a text of two columns; a narrower terminal has one.
const TWO: usize = 106;
/// The columns between two columns.
const GAP: usize = 4;

/// The keys of a scope by what they are for, in two columns where `columns` of the terminal have room for them.
pub fn keys(keymap: &Keymap, scope: &str, columns: u16) -> String {
    let two = usize::from(columns) >= TWO + 4;
    let width = if two { (TWO - GAP) / 2 } else { usize::from(columns).saturating_sub(4).clamp(30, TWO) };
    let blocks: Vec<Vec<String>> =
        Aim::ALL.into_iter().map(|aim| block(keymap, scope, aim, width)).filter(|block| !block.is_empty()).collect();
    if !two {
        return blocks.concat().join("\n").trim_end().to_owned();
    }
    let all: usize = blocks.iter().map(Vec::len).sum();
    let (mut left, mut right): (Vec<String>, Vec<String>) = (Vec::new(), Vec::new());
    for block in blocks {
        // The left column ends where it is nearest to half of all lines; what follows stays in order.
        if right.is_empty() && (left.is_empty() || left.len() + block.len() / 2 <= all / 2) {
            left.extend(block);
        } else {
            right.extend(block);
        }
    }
    let lines = left.len().max(right.len());
    let line = |number: usize| {
        let of = |column: &Vec<String>| column.get(number).cloned().unwrap_or_default();
        format!("{}{}{}", fit(&of(&left), width), " ".repeat(GAP), of(&right)).trim_end().to_owned()
    };
    (0..lines).map(line).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

/// The keys for one aim with a heading and an empty line after them; nothing if there are none.
fn block(keymap: &Keymap, scope: &str, aim: Aim, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for action in Action::ALL.iter().copied().filter(|action| Aim::of(*action) == aim) {
        let labels: Vec<String> = keymap.keys(scope, action).map(Key::label).collect();
        if labels.is_empty() {
            continue;
        }
        let labels = labels.join(" ");
        let room = width.saturating_sub(KEYS + 3).max(10);
        for (number, part) in wrap(action.help(), room).into_iter().enumerate() {
            let labels = if number == 0 { labels.as_str() } else { "" };
            let labels = if labels.width() > KEYS { labels.to_owned() } else { fit(labels, KEYS) };
            lines.push(format!("  {labels} {part}"));
        }
    }
    if !lines.is_empty() {
        lines.insert(0, aim.title().to_owned());
        lines.push(String::new());
    }
    lines
}

/// The palette: all actions that have a key here, with the verb of the command line that does the same. What the shown
/// screen offers comes first, movement last.
pub fn palette(state: &State) -> Pick {
    let scope = state.scope();
    let here: Vec<Action> = state.keymap.bindings(scope).into_iter().map(|(action, _)| action).collect();
    let mut all: Vec<(Action, String)> = Action::ALL
        .iter()
        .filter_map(|action| state.keymap.key(scope, *action).map(|key| (*action, key.label())))
        .collect();
    all.sort_by_key(|(action, _)| (Aim::of(*action) == Aim::Move, !here.contains(action)));
    let item = |(action, key): (Action, String)| {
        let verb = verb(action).map_or_else(String::new, |verb| format!("wharf {verb}"));
        Item {
            label: action.help().to_owned(),
            note: format!("{verb:<20}{key:>8}"),
            value: action.name().to_owned(),
            disabled: hints::disabled(state, action),
        }
    };
    Pick::new("Commands", Purpose::Command, all.into_iter().map(item).collect())
}
