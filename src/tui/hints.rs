//! The keys that matter right now, from the real key map; a key that cannot be used says why.

use super::{kit::action::Action, state::State};

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

/// Why an action cannot be used now.
pub fn disabled(state: &State, action: Action) -> Option<String> {
    state.shown().disabled(action, &state.model)
}

/// The hints of the shown screen.
pub fn of(state: &State) -> Vec<Hint> {
    let page = state.shown();
    if state.is_typing() || page.takes_all_keys() {
        let (action, hints) = page.typing_hints();
        return hints.iter().map(|(key, words)| Hint { action, key: (*key).into(), words, disabled: None }).collect();
    }
    let hint = |action: &Action| {
        let key = state.keymap.key(page.scope(), *action)?.words();
        Some(Hint { action: *action, key, words: page.words(*action), disabled: disabled(state, *action) })
    };
    page.offered().iter().filter(|action| !page.hides(**action)).filter_map(hint).collect()
}
