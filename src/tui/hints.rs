//! The key hints of the bottom line, from the key map in use. A key that cannot be used now has the reason with it.

use super::{kit::action::Action, state::State};

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

/// Why an action cannot be used on the shown screen now; `None` if it can.
pub fn disabled(state: &State, action: Action) -> Option<String> {
    state.shown().disabled(action, &state.model)
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
        Some(Hint { action: *action, key, words: page.label(*action), disabled: disabled(state, *action) })
    };
    page.offered().iter().filter(|action| !page.hides(**action, &state.model)).filter_map(hint).collect()
}
