//! The rule of the house: who may import whom. Reads the sources and fails on a wrong `use`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    reason = "a test that fails should say so"
)]

use std::{
    fs,
    path::{Path, PathBuf},
};

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, all)
        } else if path.extension().is_some_and(|e| e == "rs") {
            all.push(path)
        }
    }
}

/// Which rooms a file may reach with `crate::`, and which crates it must not name.
fn rule(file: &str) -> (Vec<String>, &'static [&'static str]) {
    const EFFECTS: &[&str] = &["ratatui", "crossterm", "reqwest", "sqlx", "bollard", "std::process", "tokio::process"];
    let rooms = |rooms: &[&str]| rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shared = ["core", "adapters::shared", "adapters::formats", "adapters::parts"];
    match file.split('/').collect::<Vec<_>>().as_slice() {
        ["core", ..] => (rooms(&["core"]), EFFECTS),
        ["config", ..] => (rooms(&["core"]), &["ratatui", "reqwest"]),
        ["args.rs"] => (rooms(&[]), &["ratatui", "reqwest"]),
        ["cli", ..] => (rooms(&["core", "args"]), &["ratatui", "reqwest", "sqlx", "bollard"]),
        ["tui", "screens", name, ..] => (
            [rooms(&["core", "tui"]), vec![format!("tui::screens::{}", name.trim_end_matches(".rs"))]].concat(),
            &["reqwest", "sqlx", "bollard", "std::process"],
        ),
        ["tui", ..] => (rooms(&["core", "tui", "config"]), &["reqwest", "sqlx", "bollard", "std::process"]),
        ["adapters", "mod.rs"] => (rooms(&["core", "adapters"]), &["ratatui", "crossterm"]),
        ["adapters", name, ..] => (
            [rooms(&shared), vec![format!("adapters::{}", name.trim_end_matches(".rs"))]].concat(),
            &["ratatui", "crossterm"],
        ),
        _ => (rooms(&["core", "adapters", "cli", "tui", "config", "args"]), &[]),
    }
}

/// Every path after `crate::` in a file, nested `use` groups spread out.
fn paths(text: &str) -> Vec<String> {
    paths_after("crate::", text)
}

fn paths_after(root: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let code: String =
        text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect();
    for piece in code.split(root).skip(1) {
        spread(String::new(), piece, &mut found);
    }
    found
}

fn spread(prefix: String, rest: &str, found: &mut Vec<String>) {
    let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(rest.len());
    let path = format!("{prefix}{}", &rest[..end]);
    if !rest[end..].starts_with('{') || !path.ends_with("::") && !path.is_empty() {
        return found.push(path.trim_end_matches(':').to_owned());
    }
    let (mut depth, mut start) = (0, 1);
    let inside = &rest[end..];
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && c == ',' || depth == 0 {
            let item = inside[start..at].trim();
            if !item.is_empty() {
                spread(path.clone(), item, found);
            }
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
}

#[test]
fn nested_groups_are_spread_out() {
    assert_eq!(paths("use crate::{core::{a, b::C}, tui};"), ["core::a", "core::b::C", "tui"]);
    assert_eq!(paths("crate::core::text::now()"), ["core::text::now"]);
}

#[test]
fn nobody_imports_what_the_house_forbids() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 60, "the sources were not found");
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(&file).unwrap();
        let (rooms, crates) = rule(&name);
        for path in paths(&text) {
            let within = rooms.iter().any(|room| path == *room || path.starts_with(&format!("{room}::")));
            // A screen may reach the tui room and what every screen has to be, but no other screen.
            let other_screen = name.starts_with("tui/screens/")
                && name != "tui/screens/mod.rs"
                && path.starts_with("tui::screens::")
                && !path.starts_with("tui::screens::page")
                && !rooms.iter().any(|room| room.starts_with("tui::screens::") && path.starts_with(room.as_str()));
            if !within || other_screen {
                wrong.push(format!("{name} uses crate::{path}"));
            }
        }
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for forbidden in crates {
                if line.contains(&format!("{forbidden}::")) {
                    wrong.push(format!("{name} names {forbidden}: {}", line.trim()));
                }
            }
        }
        // Inside core and a screen, `super::` must not climb out of the room.
        if text.contains("super::super::") {
            wrong.push(format!("{name} climbs with super::super::"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The floors of the screens' room, from the ground up. Whatever stands on one imports from floors below it, and from its
/// own folder; so nothing that a screen or a flow needs can call back into what opened it.
const SCREENS_ROOM: &[&[&str]] = &[
    &["kit"],
    &["rows", "kept", "ending", "suspend"],
    &["msg"],
    &["popups"],
    &["model"],
    &["jobs"],
    &["screens"],
    &["state"],
    &["hints", "told"],
    &["flows", "view"],
    &["update"],
    &["mod"],
];

/// The floors of the core, from the ground up: each room imports from rooms below it, and from itself.
const CORE: &[&[&str]] = &[
    &["base"],
    &["image"],
    &["audit"],
    &["catalog", "launch", "sharing"],
    &["evidence"],
    &["policy"],
    &["request"],
    &["config"],
    &["ports"],
    &["transfer"],
    &["portal"],
    &["steward"],
    &["mod"],
];

#[test]
fn the_screens_room_imports_downwards_only() {
    downwards("tui", SCREENS_ROOM);
}

#[test]
fn the_core_imports_downwards_only() {
    downwards("core", CORE);
}

/// Fails where a file of a room imports from its own floor or one above.
fn downwards(room: &str, floors: &[&[&str]]) {
    let floor = |of: &str| floors.iter().position(|floor| floor.contains(&of));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(room);
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let own = name.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(here) = floor(own) else {
            wrong.push(format!("{name} stands on no floor: add it to the list above"));
            continue;
        };
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        let from_root =
            paths(code).into_iter().filter_map(|path| path.strip_prefix(&format!("{room}::")).map(str::to_owned));
        // For a file of the room, and for a folder's `mod.rs`, `super` is the room itself.
        let in_room = !name.contains('/') || name == format!("{own}/mod.rs");
        let from_super = if in_room && own != "mod" { paths_after("super::", code) } else { Vec::new() };
        for path in from_root.chain(from_super) {
            let other = path.split("::").next().unwrap();
            if other != own && floor(other).is_some_and(|there| there >= here) {
                wrong.push(format!("{name} imports {path}, which is not below it"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    // A room's longer tests are in a file of that name.
    for file in files.into_iter().filter(|file| !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("#[cfg(test)]").next().unwrap();
        for bad in [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("] {
            assert!(!code.contains(bad), "{} has {bad}", file.display());
        }
    }
}

/// What makes a request or follows a redirect is in one folder: so a secret can be attached there only.
#[test]
fn only_the_shared_http_makes_clients() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| !file.starts_with(root.join("adapters/shared/http"))) {
        let text = fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let makes = ["Client::builder", "Client::new()", "RequestBuilder", "basic_auth(", "bearer_auth("]
                .iter()
                .any(|word| line.contains(word))
                || (line.contains("reqwest::{") && line.contains("Client"));
            if makes {
                wrong.push(format!("{}:{}: {}", file.display(), number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "use adapters::shared::http::Server:\n{}", wrong.join("\n"));
}
