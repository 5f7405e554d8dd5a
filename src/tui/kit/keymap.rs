//! Which key carries out which action, by scope. The built-in key map is a file; the user's file changes parts of it.

use std::{collections::BTreeMap, path::Path};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::action::Action;
use wharf_core::base::mistakes;
use wharf_core::base::small_file;

/// The built-in key map (TOML).
pub const BUILT_IN: &str = include_str!("../../../assets/keymap.toml");

/// The scopes of keys: one for each screen. Keys that a scope does not name are looked up in `list`, then in `global`.
pub const SCOPES: [&str; 13] = [
    "global",
    "list",
    "catalog",
    "welcome",
    "image",
    "launch",
    "workloads",
    "workload",
    "transfers",
    "offers",
    "requests",
    "inbox",
    "sources",
];

type File = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// The keys in use: the built-in ones with the user's changes.
#[derive(Debug, Clone, Default)]
pub struct Keymap {
    scopes: BTreeMap<String, Vec<(Key, Action)>>,
    /// What could not be used of the user's file, one sentence each.
    pub warnings: Vec<String>,
}

/// A key with control and alt. Shift is part of the character, except for shift-tab.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(KeyCode, KeyModifiers);

impl Key {
    /// The key of a terminal event.
    pub fn from_event(event: &KeyEvent) -> Self {
        let modifiers = event.modifiers & (KeyModifiers::CONTROL | KeyModifiers::ALT);
        match event.code {
            KeyCode::Tab if event.modifiers.contains(KeyModifiers::SHIFT) => Self(KeyCode::BackTab, modifiers),
            code => Self(code, modifiers),
        }
    }

    /// Reads a key's name like `ctrl-c`, `enter`, `G`, `f9`; `None` if there is no such key.
    pub fn parse(text: &str) -> Option<Self> {
        let (modifiers, name) = match text.split_once('-') {
            Some(("ctrl", name)) => (KeyModifiers::CONTROL, name),
            Some(("alt", name)) => (KeyModifiers::ALT, name),
            _ => (KeyModifiers::NONE, text),
        };
        let mut chars = name.chars();
        let code = match (chars.next(), chars.next()) {
            (Some(c), None) => KeyCode::Char(c),
            _ => match name {
                "enter" => KeyCode::Enter,
                "esc" => KeyCode::Esc,
                "space" => KeyCode::Char(' '),
                "tab" => KeyCode::Tab,
                "backtab" => KeyCode::BackTab,
                "backspace" => KeyCode::Backspace,
                "delete" => KeyCode::Delete,
                "up" => KeyCode::Up,
                "down" => KeyCode::Down,
                "left" => KeyCode::Left,
                "right" => KeyCode::Right,
                "home" => KeyCode::Home,
                "end" => KeyCode::End,
                "pageup" => KeyCode::PageUp,
                "pagedown" => KeyCode::PageDown,
                _ => KeyCode::F(name.strip_prefix('f')?.parse().ok()?),
            },
        };
        Some(Self(code, modifiers))
    }

    /// The key's name as short as a hint needs, like `ctrl-c` or `↑`.
    pub fn label(self) -> String {
        let name = match self.0 {
            KeyCode::Char(' ') => "space".into(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Enter => "enter".into(),
            KeyCode::Esc => "esc".into(),
            KeyCode::Up => "↑".into(),
            KeyCode::Down => "↓".into(),
            KeyCode::Left => "←".into(),
            KeyCode::Right => "→".into(),
            KeyCode::BackTab => "shift-tab".into(),
            KeyCode::F(number) => format!("f{number}"),
            other => format!("{other:?}").to_lowercase(),
        };
        if self.1.contains(KeyModifiers::CONTROL) {
            format!("ctrl-{name}")
        } else if self.1.contains(KeyModifiers::ALT) {
            format!("alt-{name}")
        } else {
            name
        }
    }
}

impl Keymap {
    /// The built-in keys with the changes of the user's file. What cannot be read of it becomes a warning.
    pub fn load(user: Option<&Path>) -> Self {
        let mut map = Self::default();
        map.apply(BUILT_IN, "the built-in keys");
        if let Some(path) = user {
            let name = path.display().to_string();
            match small_file::text(path) {
                Ok(text) => map.apply(&text, &name),
                Err(error) => map.warnings.push(format!("{name}: {error}: the built-in keys are used")),
            }
        }
        map
    }

    fn apply(&mut self, text: &str, name: &str) {
        let (file, mistakes) = mistakes::parse::<File>(text);
        let without = if file.is_none() { ": the built-in keys are used" } else { "" };
        let told = mistakes.iter().map(|mistake| format!("{name}:{}: {}{without}", mistake.line, mistake.words));
        self.warnings.extend(told);
        let Some(file) = file else { return };
        for (scope, actions) in file {
            if !SCOPES.contains(&scope.as_str()) {
                self.warnings.push(format!("{name}: [{scope}] is no scope of keys"));
                continue;
            }
            // First all keys of the named actions are removed, so that two actions may exchange their keys.
            let entries = self.scopes.entry(scope.clone()).or_default();
            entries.retain(|(_, action)| !actions.contains_key(action.name()));
            for (action, keys) in actions {
                let Some(found) = Action::named(&action) else {
                    self.warnings.push(format!("{name}: [{scope}] {action} is no action"));
                    continue;
                };
                for key in keys {
                    match Key::parse(&key) {
                        None => self.warnings.push(format!("{name}: [{scope}] {action}: '{key}' is no key")),
                        Some(parsed) => match entries.iter().find(|(known, _)| *known == parsed) {
                            Some((_, other)) => self.warnings.push(format!(
                                "{name}: [{scope}] '{key}' is bound twice, to {} and {action}: the first is used",
                                other.name()
                            )),
                            None => entries.push((parsed, found)),
                        },
                    }
                }
            }
        }
    }

    /// The action of a key in a scope, looking in `list` and `global` where the scope does not name the key.
    pub fn action(&self, scope: &str, key: Key) -> Option<Action> {
        [scope, "list", "global"].iter().find_map(|scope| {
            self.scopes.get(*scope)?.iter().find(|(known, _)| *known == key).map(|(_, action)| *action)
        })
    }

    /// The first key of an action in a scope, for hints. The built-in map names letters before arrows.
    pub fn key(&self, scope: &str, action: Action) -> Option<Key> {
        self.keys(scope, action).next()
    }

    /// The first key of an action in a scope, as it is shown; empty if it has none.
    pub fn label(&self, scope: &str, action: Action) -> String {
        self.key(scope, action).map_or_else(String::new, Key::label)
    }

    /// All keys of an action in a scope.
    pub fn keys<'a>(&'a self, scope: &'a str, action: Action) -> impl Iterator<Item = Key> + 'a {
        // A key that means something else in the scope itself is none of this action's here.
        let bound = [scope, "list", "global"].into_iter().filter_map(|of| self.scopes.get(of)).flatten();
        let of_it = move |(key, known): &&(Key, Action)| *known == action && self.action(scope, *key) == Some(action);
        bound.filter(of_it).map(|(key, _)| *key)
    }

    /// The actions of a scope with all their keys, in the order of [`Action::ALL`].
    pub fn bindings(&self, scope: &str) -> Vec<(Action, Vec<Key>)> {
        let entries = self.scopes.get(scope).map(Vec::as_slice).unwrap_or_default();
        let keys = |action: Action| {
            entries.iter().filter(|(_, known)| *known == action).map(|(key, _)| *key).collect::<Vec<_>>()
        };
        Action::ALL.iter().map(|action| (*action, keys(*action))).filter(|(_, keys)| !keys.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(text: &str) -> Keymap {
        let mut map = Keymap::load(None);
        map.apply(text, "keys.toml");
        map
    }

    #[test]
    fn the_built_in_keys_are_all_understood() {
        assert_eq!(Keymap::load(None).warnings, Vec::<String>::new());
    }

    #[test]
    fn a_patch_replaces_what_it_names_and_keeps_the_rest() {
        let map = patched("[global]\nquit = [\"ctrl-q\"]\n");
        assert!(map.warnings.is_empty());
        assert_eq!(map.action("catalog", Key::parse("ctrl-q").unwrap()), Some(Action::Quit));
        assert_eq!(map.action("catalog", Key::parse("q").unwrap()), None);
        assert_eq!(map.action("catalog", Key::parse("?").unwrap()), Some(Action::Help));
    }

    #[test]
    fn mistakes_are_named_and_the_rest_still_works() {
        let map = patched("[global]\nquit = [\"?\"]\nfly = [\"x\"]\nhelp = [\"hyper-z\"]\n[nowhere]\n");
        let all = map.warnings.join("\n");
        for part in ["[nowhere]", "fly", "hyper-z"] {
            assert!(all.contains(part), "{all}");
        }
        assert!(patched("[catalog]\nlink = [\"s\"]\n").warnings.join("").contains("bound twice"));
        let broken = patched("[global\n");
        assert!(broken.warnings[0].starts_with("keys.toml:1"));
        assert_eq!(broken.action("catalog", Key::parse("q").unwrap()), Some(Action::Quit));
    }
}
