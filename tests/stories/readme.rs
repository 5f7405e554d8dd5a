//! The tables of the README come from the program; this fails if they are outdated.

use wharf::{
    config::SETTINGS,
    core::base::error::Kind,
    tui::kit::{
        action::Action,
        keymap::Keymap,
        theme::{FINER_ROLES, ROLES},
    },
};

fn tables() -> String {
    let mut text = String::from("## Keys\n\n| where | key | what it does |\n|---|---|---|\n");
    let map = Keymap::load(None);
    for scope in wharf::tui::kit::keymap::SCOPES {
        for (action, keys) in map.bindings(scope) {
            let keys = keys.iter().map(|key| format!("`{}`", key.label())).collect::<Vec<_>>().join(" ");
            text.push_str(&format!("| {scope} | {keys} | {} |\n", action.help()));
        }
    }
    text.push_str("\nA file of your own (`keymap = \"keys.toml\"`) is a patch on `assets/keymap.toml`.\n\n## Exit codes\n\n| code | meaning |\n|---|---|\n| 0 | done |\n");
    let kinds = [
        (Kind::Failed, "failed"),
        (Kind::Usage, "usage"),
        (Kind::NeedsApproval, "needs approval"),
        (Kind::Denied, "denied by policy"),
        (Kind::Undecided, "undecided"),
        (Kind::NotFound, "not found"),
        (Kind::NotAllowed, "not allowed (credentials)"),
        (Kind::Unavailable, "a source or backend did not answer"),
        (Kind::NeedsIsolation, "needs a launch that is isolated better"),
    ];
    for (kind, words) in kinds {
        text.push_str(&format!("| {} | {words} |\n", kind.exit_code()));
    }
    text.push_str("\n## Settings\n\n| key | environment | meaning |\n|---|---|---|\n");
    for setting in SETTINGS {
        let variable = if setting.variable.is_empty() { String::new() } else { format!("`{}`", setting.variable) };
        text.push_str(&format!("| `{}` | {variable} | {} |\n", setting.key, setting.words));
    }
    text.push_str("\n## Theme roles\n\n| role | colours |\n|---|---|\n");
    for (role, words) in ROLES {
        text.push_str(&format!("| `{role}` | {words} |\n"));
    }
    text.push_str(
        "\nFiner roles, each drawn as its last part where a theme does not name it:\n\n| role | colours |\n|---|---|\n",
    );
    for (role, words) in FINER_ROLES {
        text.push_str(&format!("| `{role}` | {words} |\n"));
    }
    text
}

#[test]
fn readme_tables_are_those_of_the_program() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (before, rest) = text.split_once("TABLES=write cargo test readme -->\n").unwrap();
    let (_, after) = rest.split_once("<!-- /tables -->").unwrap();
    let fresh = format!("{before}TABLES=write cargo test readme -->\n{}<!-- /tables -->{after}", tables());
    if std::env::var("TABLES").is_ok_and(|value| value == "write") {
        std::fs::write(path, &fresh).unwrap();
    }
    assert_eq!(std::fs::read_to_string(path).unwrap(), fresh, "run: TABLES=write cargo test readme");
}

#[test]
fn every_action_has_a_key_or_is_found_in_no_scope_by_mistake() {
    let map = Keymap::load(None);
    let bound: Vec<Action> = wharf::tui::kit::keymap::SCOPES
        .iter()
        .flat_map(|scope| map.bindings(scope))
        .map(|(action, _)| action)
        .collect();
    for action in Action::ALL {
        assert!(bound.contains(action), "{} has no key", action.name());
    }
}
