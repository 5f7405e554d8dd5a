//! The key hints of the bottom line, from the key map in use. A key that cannot be used now has the reason with it.

use unicode_width::UnicodeWidthStr;

use super::{
    kit::{action::Action, layout::Alone},
    state::State,
};

/// A key of the bottom line and what it does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The action that the key carries out.
    pub action: Action,
    /// The key in words, like `ctrl-s`.
    pub key: String,
    /// What the action is called on this screen, in a word or two.
    pub words: &'static str,
    /// Why the action cannot be used now; `None` if it can.
    pub disabled: Option<String>,
}

impl Hint {
    /// How many columns the key and its words take.
    pub fn width(&self) -> u16 {
        (self.key.width() + self.words.width() + 1) as u16
    }
}

/// Why an action cannot be used on the shown screen now; `None` if it can.
pub fn disabled(state: &State, action: Action) -> Option<String> {
    if action == Action::OnePane && state.shown().panes_alone(&state.model).is_empty() {
        return Some("there is one pane only".to_owned());
    }
    state.shown().disabled(action, &state.model)
}

/// The keys that lead to all others; they are never cut off.
const PINNED: [Action; 2] = [Action::Palette, Action::Help];

/// The hints with their columns on a line of `width` columns: those that fit, and at the right end the keys that lead
/// to all others.
pub fn placed(state: &State, width: u16) -> Vec<(u16, Hint)> {
    let mut hints = shown_hints(state);
    let typing = state.is_typing() || state.shown().takes_all_keys();
    let mut pinned: Vec<Hint> = Vec::new();
    if !typing && width >= 30 {
        let hint = |action: Action| {
            let key = state.keymap.key(state.scope(), action)?.label();
            let words = if action == Action::Palette { "all" } else { "keys" };
            Some(Hint { action, key, words, disabled: None })
        };
        pinned.extend(PINNED.into_iter().filter_map(hint));
        hints.retain(|hint| !PINNED.contains(&hint.action));
    }
    let end: u16 = pinned.iter().map(|hint| hint.width() + 2).sum();
    let room = width.saturating_sub(end);
    let mut at = 1;
    let mut placed = Vec::new();
    for hint in hints {
        if at + hint.width() > room {
            break;
        }
        let next = at + hint.width() + 2;
        placed.push((at, hint));
        at = next;
    }
    let mut at = width.saturating_sub(end).saturating_add(1);
    for hint in pinned {
        let next = at + hint.width() + 2;
        placed.push((at, hint));
        at = next;
    }
    placed
}

/// The action of the hint at a column; `None` if none is there.
pub fn clicked(state: &State, column: u16) -> Option<Action> {
    let inside = |(at, hint): &(u16, Hint)| (*at..at + hint.width()).contains(&column);
    placed(state, state.size.0).into_iter().find(inside).map(|(_, hint)| hint.action)
}

/// The hints of the shown screen, the most useful first; while text is typed, those of the text field.
pub fn shown_hints(state: &State) -> Vec<Hint> {
    let page = state.shown();
    if state.is_typing() || page.takes_all_keys() {
        let (action, hints) = page.typing_hints();
        return hints.iter().map(|(key, words)| Hint { action, key: (*key).into(), words, disabled: None }).collect();
    }
    let hint = |action: &Action| {
        let key = state.keymap.key(page.scope(), *action)?.label();
        Some(Hint {
            action: *action,
            key,
            words: page.label(*action, &state.model),
            disabled: disabled(state, *action),
        })
    };
    // Where one pane has the screen, the key that leads back to the others is named first.
    let alone = state.views.of(page.scope()).alone != Alone::None && !page.panes_alone(&state.model).is_empty();
    let back = alone.then_some(&Action::OnePane).into_iter();
    let offered = page.offered().iter().filter(|action| !page.hides(**action, &state.model));
    back.chain(offered).filter_map(hint).collect()
}
