//! The rules for imports: who may import whom. Reads the sources and fails on a wrong `use`.
#![expect(
    clippy::unwrap_used,
    clippy::pedantic,
    clippy::disallowed_methods,
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

/// The members of the workspace: each is a folder of `src`, and the crate `wharf_NAME`.
const CRATES: [&str; 4] = ["core", "adapters", "tui", "cli"];

/// All sources, by their path below `src`, as if they were one crate: paths of every member begin with `crate::` and
/// its name, and its `lib.rs` is the `mod.rs` of its folder. The compiler checks what a member may name; these tests
/// check the rooms inside each member.
fn house() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 60, "the sources were not found");
    let read = |file: &PathBuf| {
        let name = file.strip_prefix(&root).unwrap().display().to_string();
        let text = fs::read_to_string(file).unwrap();
        in_one_crate(&name, &text)
    };
    files.iter().map(read).collect()
}

fn in_one_crate(file: &str, text: &str) -> (String, String) {
    let member = CRATES.into_iter().find(|member| file.starts_with(&format!("{member}/")));
    let mut text = match member {
        Some(member) => text.replace("crate::", &format!("crate::{member}::")),
        None => text.to_owned(),
    };
    for member in CRATES {
        text = text.replace(&format!("wharf_{member}::"), &format!("crate::{member}::"));
    }
    let top = member.filter(|member| file == format!("{member}/lib.rs"));
    (top.map_or_else(|| file.to_owned(), |member| format!("{member}/mod.rs")), text)
}

/// The rooms that a file may import with `crate::`, and the crates that it must not name.
fn rule(file: &str) -> (Vec<String>, &'static [&'static str]) {
    const EFFECTS: &[&str] = &["ratatui", "crossterm", "reqwest", "sqlx", "bollard", "std::process", "tokio::process"];
    let rooms = |rooms: &[&str]| rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shared = ["core", "adapters::shared", "adapters::formats", "adapters::parts"];
    match file.split('/').collect::<Vec<_>>().as_slice() {
        ["core", ..] => (rooms(&["core"]), EFFECTS),
        ["config", ..] => (rooms(&["core"]), &["ratatui", "reqwest"]),
        ["cli", "args", ..] => (rooms(&["cli::args"]), &["ratatui", "reqwest"]),
        ["cli", ..] => (rooms(&["core", "cli"]), &["ratatui", "reqwest", "sqlx", "bollard"]),
        ["tui", "screens", name, ..] => (
            [rooms(&["core", "tui"]), vec![format!("tui::screens::{}", name.trim_end_matches(".rs"))]].concat(),
            &["reqwest", "sqlx", "bollard", "std::process"],
        ),
        ["tui", ..] => (rooms(&["core", "tui"]), &["reqwest", "sqlx", "bollard", "std::process"]),
        ["adapters", "mod.rs"] => (rooms(&["core", "adapters"]), &["ratatui", "crossterm"]),
        ["adapters", name, ..] => (
            [rooms(&shared), vec![format!("adapters::{}", name.trim_end_matches(".rs"))]].concat(),
            &["ratatui", "crossterm"],
        ),
        _ => (rooms(&["core", "adapters", "cli", "tui", "config"]), &[]),
    }
}

/// Every path after `crate::` in a file, with nested `use` groups expanded.
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
    let mut wrong = Vec::new();
    for (name, text) in house() {
        let (rooms, crates) = rule(&name);
        for path in paths(&text) {
            let within = rooms.iter().any(|room| path == *room || path.starts_with(&format!("{room}::")));
            // A screen may import the tui room and what all screens share, but no other screen.
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
        // Inside core and a screen, `super::` must not lead out of the room.
        if text.contains("super::super::") {
            wrong.push(format!("{name} climbs with super::super::"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The layers of the screens' room, lowest first. A file imports from lower layers and from its own folder, so that
/// nothing which a screen or a flow needs can call back into its caller.
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

/// The layers of the core, lowest first: each room imports from lower rooms and from itself.
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

/// The layers of the use cases, lowest first: each subject knows the lower ones. `doctor` checks all of them; the
/// steward works with the parts in `stewardship`.
const PORTAL: &[&[&str]] = &[
    &["secrets", "sources", "journal"],
    &["keys", "sign_in", "inbox", "uses", "signatures"],
    &["catalog", "evidence"],
    &["disks", "stewardship"],
    &["transfers", "launches", "upkeep"],
    &["sharing"],
    &["requests"],
    &["doctor"],
    &["mod"],
];

#[test]
fn the_screens_room_imports_downwards_only() {
    downwards("tui", SCREENS_ROOM);
}

#[test]
fn the_use_cases_import_downwards_only() {
    downwards("core::portal", PORTAL);
}

#[test]
fn the_core_imports_downwards_only() {
    downwards("core", CORE);
}

/// Fails if a file of a room imports from its own layer or a higher one. A type in the room's `mod.rs` belongs to
/// `mod`.
fn downwards(room: &str, floors: &[&[&str]]) {
    let floor = |of: &str| {
        let of = if room != "tui" && of.starts_with(char::is_uppercase) { "mod" } else { of };
        floors.iter().position(|floor| floor.contains(&of))
    };
    let folder = format!("{}/", room.replace("::", "/"));
    let mut wrong = Vec::new();
    for (file, text) in house() {
        let Some(name) = file.strip_prefix(&folder).map(str::to_owned) else { continue };
        let own = name.split('/').next().unwrap().trim_end_matches(".rs");
        let Some(here) = floor(own) else {
            wrong.push(format!("{name} stands on no floor: add it to the list above"));
            continue;
        };
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

/// The modules that a call of this macro names in braces: `adapters! { files, oci }`, `screens! { image = Image, "…";
/// }`.
fn macro_words(text: &str, name: &str) -> Vec<String> {
    let text = format!("\n{text}");
    let inside = text.split_once(&format!("\n{name}! {{")).and_then(|(_, rest)| rest.split('}').next());
    let Some(inside) = inside else { return Vec::new() };
    let between = if inside.contains(';') { ';' } else { ',' };
    // `ground catalog = Catalog, "…"` makes the module `catalog`.
    let word = |entry: &str| entry.split('=').next()?.split_whitespace().last().map(str::to_owned);
    inside.split(between).filter_map(word).collect()
}

/// The part of a room that a file is in, by its path in the room: `oci` for `oci/client.rs`, `mod` for the room's own
/// `mod.rs`.
fn part_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// Which parts of a room import which: by `crate::` and `super::` paths, and by macros that declare modules and call
/// each. `files` are all sources with their text; `room` is a folder.
fn imports(files: &[(String, String)], room: &str) -> Vec<(String, String)> {
    let inside: Vec<(&str, &str)> = files
        .iter()
        .filter_map(|(file, text)| Some((file.strip_prefix(&format!("{room}/"))?, text.as_str())))
        .collect();
    let parts: Vec<&str> = inside.iter().map(|(file, _)| part_of(file)).collect();
    // A name that is no part is defined in the room's `mod.rs`.
    let part = |path: &str| {
        let first = path.split("::").next().unwrap();
        parts.iter().find(|part| **part == first).map_or("mod", |part| part).to_owned()
    };
    let mut found = Vec::new();
    for (file, text) in &inside {
        let here = part_of(file);
        let code = text.split("#[cfg(test)]").next().unwrap();
        let module = format!("{}::", room.replace('/', "::"));
        let whole = paths(code).into_iter().filter_map(|path| path.strip_prefix(&module).map(part));
        // `super` means the room only in files that are directly in it.
        let is_direct = !file.contains('/') || *file == format!("{here}/mod.rs");
        let relative = match (here, is_direct) {
            ("mod", _) => paths_after("self::", code),
            (_, true) => paths_after("super::", code),
            (_, false) => Vec::new(),
        };
        let made = MAKES_MODULES.iter().filter(|_| here == "mod").flat_map(|name| macro_words(text, name));
        let others = whole.chain(relative.iter().map(|path| part(path))).chain(made.map(|word| part(&word)));
        found.extend(others.filter(|other| other != here).map(|other| (here.to_owned(), other)));
    }
    found.sort();
    found.dedup();
    found
}

/// Macros that declare modules from a list of words and call something in each.
const MAKES_MODULES: &[&str] = &["adapters", "checkers", "screens"];

/// The parts that can be reached from themselves: import cycles.
fn circles(arrows: &[(String, String)]) -> Vec<String> {
    let reaches = |from: &str| {
        let mut seen: Vec<&str> = Vec::new();
        let mut next = vec![from];
        while let Some(here) = next.pop() {
            for (_, to) in arrows.iter().filter(|(from, _)| from == here) {
                if !seen.contains(&to.as_str()) {
                    seen.push(to);
                    next.push(to);
                }
            }
        }
        seen.contains(&from)
    };
    let mut all: Vec<String> = arrows.iter().map(|(from, _)| from.clone()).collect();
    all.dedup();
    all.retain(|part| reaches(part));
    all
}

fn tree(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_circle_is_found_also_through_a_macro_that_makes_modules() {
    let straight = tree(&[
        ("adapters/mod.rs", "use self::parts::Parts;\nadapters! { files, oci }\n"),
        ("adapters/parts.rs", "use crate::core::Source;"),
        ("adapters/files/mod.rs", "use super::parts::Parts;"),
        ("adapters/files/scan.rs", "use super::Files;"),
        ("adapters/oci/mod.rs", "use super::{parts::{Parts, Around}, shared::http};"),
        ("adapters/shared.rs", ""),
        ("core/mod.rs", ""),
    ]);
    let with = |at: usize, text: &str| {
        let mut tree = straight.clone();
        tree[at].1 = text.to_owned();
        circles(&imports(&tree, "adapters"))
    };
    assert_eq!(circles(&imports(&straight, "adapters")), Vec::<String>::new());
    assert!(imports(&straight, "adapters").contains(&("mod".to_owned(), "oci".to_owned())));
    assert_eq!(with(4, "use super::build;"), ["mod", "oci"], "only the macro names oci in mod.rs");
    assert_eq!(
        with(3, "use crate::adapters::build;"),
        ["files", "mod"],
        "a file below the folder counts as the folder"
    );
    assert_eq!(with(5, "use super::oci::Oci;"), ["oci", "shared"]);
}

#[test]
fn the_modules_that_a_macro_makes_are_read() {
    assert_eq!(macro_words("x\nadapters! { files, oci }\n", "adapters"), ["files", "oci"]);
    let screens = "macro_rules! screens {}\nscreens! {\n    ground catalog = Catalog, \"All, sorted.\";\n    image = Image, \"One.\";\n}\n";
    assert_eq!(macro_words(screens, "screens"), ["catalog", "image"]);
    assert_eq!(macro_words("adapters! { files }", "screens"), Vec::<String>::new());
}

#[test]
fn nothing_imports_what_imports_it() {
    let files = house();
    for name in MAKES_MODULES {
        assert!(files.iter().any(|(_, text)| !macro_words(text, name).is_empty()), "there is no {name}! {{ … }}");
    }
    for room in ["core", "adapters", "tui", "tui/screens", "cli"] {
        let arrows = imports(&files, room);
        assert!(arrows.len() > 5, "{room} was not read: {arrows:?}");
        let found = circles(&arrows);
        let among = arrows.iter().filter(|(from, to)| found.contains(from) && found.contains(to));
        let among: Vec<String> = among.map(|(from, to)| format!("{from} -> {to}")).collect();
        assert!(found.is_empty(), "parts of {room} import each other in a circle:\n{}", among.join("\n"));
    }
}

/// Only adapters know which adapter serves a source: all other code asks a source's abilities, so that a new adapter
/// needs no change elsewhere.
#[test]
fn no_adapter_is_named_outside_the_adapters() {
    let files = house();
    let list = files.iter().find(|(file, _)| file == "adapters/mod.rs").map(|(_, text)| macro_words(text, "adapters"));
    let names = list.unwrap_or_default();
    assert!(names.len() > 5, "the list of adapters was not found: {names:?}");
    let mut wrong = Vec::new();
    // The schemes of references have names of their own, two of which adapters have, too.
    let others = files.iter().filter(|(file, _)| !file.starts_with("adapters/") && file != "core/image/reference.rs");
    for (file, text) in others {
        let code = text.split("#[cfg(test)]").next().unwrap();
        for (number, line) in code.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for name in names.iter().filter(|name| line.contains(&format!("\"{name}\""))) {
                wrong.push(format!("{file}:{} names {name}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "ask what a source is good for (core::portal::Abilities):\n{}", wrong.join("\n"));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    // Longer tests of a room are in a file of that name.
    for (file, text) in house().into_iter().filter(|(file, _)| !file.ends_with("/tests.rs")) {
        let code = text.split("#[cfg(test)]").next().unwrap();
        // Examples in the documentation are tests.
        let code: String = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for bad in [".unwrap()", ".expect(", "panic!(", "todo!(", "unimplemented!("] {
            assert!(!code.contains(bad), "{file} has {bad}");
        }
    }
}

/// Everything that makes a request or follows a redirect is in one folder: only there can a secret be attached.
#[test]
fn only_the_shared_http_makes_clients() {
    let mut wrong = Vec::new();
    for (file, text) in house().iter().filter(|(file, _)| !file.starts_with("adapters/shared/http/")) {
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            let makes = ["Client::builder", "Client::new()", "RequestBuilder", "basic_auth(", "bearer_auth("]
                .iter()
                .any(|word| line.contains(word))
                || (line.contains("reqwest::{") && line.contains("Client"));
            if makes {
                wrong.push(format!("{file}:{}: {}", number + 1, line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "use adapters::shared::http::Server:\n{}", wrong.join("\n"));
}

/// Calls that change something through a port: the methods of `Sharer`, `Upkeep`, `Content`, `Disks`, `Launcher`,
/// `Checker` and `Store` that write, and copies, signatures and secrets.
const WRITES: &[&str] = &[
    ".share(cx",
    ".revoke(cx",
    ".give(cx",
    ".take(cx",
    ".answer(cx",
    ".remove(cx",
    ".tag(cx",
    ".put_blob(cx",
    ".put_manifest(cx",
    ".mount(cx",
    ".forget(cx",
    ".upload(cx",
    ".import(cx",
    ".publish(cx",
    ".launch(cx",
    ".stop(cx",
    ".start(cx",
    ".exec(cx",
    ".terminal(cx",
    ".attach(cx",
    ".detach(cx",
    ".snapshot(cx",
    "copy::copy(cx",
    "signatures.sign(",
    "signatures.add(",
    "secrets.set(",
    "secrets.delete(",
    "store.submit(",
    "store.happen(",
    "store.approve_class(",
    "store.end_class(",
    "store.set_up(",
];

/// The calls that write an entry of the audit.
const RECORDS: &[&str] = &[".recorded(", ".recorded_as(", ".told_by("];

/// Functions that change something and write no entry themselves, and why.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("portal/disks.rs", "copy", "transfers and sharing write down every copy"),
    ("portal/evidence/mod.rs", "check", "it asks a registry to scan: no image is changed"),
    ("portal/sharing/share.rs", "share_as_fits", "its only caller, `share_to`, writes it down"),
    ("portal/sharing/share.rs", "copy_into", "its only caller is `share_as_fits`"),
    ("portal/sharing/share.rs", "share_elsewhere", "its only caller is `share_as_fits`"),
    ("portal/sharing/share.rs", "snapshot", "`Launches::snapshot` writes it down"),
    ("portal/sign_in.rs", "agree_to_server", "its only caller, `sign_in`, writes it down"),
    ("portal/signatures.rs", "put", "whoever signs writes it down: `Signing`, and the steward"),
    ("portal/upkeep/removal.rs", "remove_as_told", "its only caller, `remove_images`, writes it down"),
    ("steward/admit.rs", "admit", "`Steward::admit` writes it down"),
    ("steward/disk.rs", "admit", "`Steward::admit` writes it down"),
    ("steward/disk.rs", "fetch", "it fills the quarantine, which is swept"),
    ("steward/examine.rs", "examine", "it fills the quarantine, which is swept"),
    ("steward/mod.rs", "bring_on", "the store keeps the history of a request"),
    ("steward/mod.rs", "hold", "the store keeps the history of a request"),
    ("steward/mod.rs", "work_on", "the store keeps the history of a request"),
    ("steward/revoke.rs", "take_back", "`Steward::bring_on` writes it down"),
    ("steward/sweep.rs", "clear_cloud", "it empties the quarantine"),
    ("steward/sweep.rs", "clear_registry", "it empties the quarantine"),
    ("steward/tag.rs", "put", "the tag is part of an admission"),
    ("steward/watch.rs", "state_scan", "what was admitted stays so: its statement is renewed after each scan"),
];

/// The functions of a formatted file, each with its text.
fn functions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let bare = line.trim_start();
        let words = bare.split("fn ").collect::<Vec<_>>();
        let is_head = words.len() > 1
            && words[0]
                .split_whitespace()
                .all(|word| word.starts_with("pub") || ["async", "in", "const"].contains(&word) || word.ends_with(')'));
        if !is_head {
            continue;
        }
        let name: String = words[1].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = format!("{}}}", &line[..line.len() - bare.len()]);
        let body = lines[at..].iter().take_while(|line| **line != end).copied().collect::<Vec<_>>();
        found.push((name, body.join("\n")));
    }
    found
}

#[test]
fn functions_are_found_with_their_text() {
    let text = "impl A {\n    pub(super) async fn a(&self) {\n        b(|| fn_c());\n    }\n\n    fn d() {\n    }\n}\n";
    let found = functions(text);
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["a", "d"]);
    assert!(found[0].1.ends_with("b(|| fn_c());"));
}

/// Every change is recorded in the audit: the call is in a function that writes an entry, or on the list above.
#[test]
fn what_changes_something_writes_an_entry() {
    let (mut wrong, mut used) = (Vec::new(), Vec::new());
    let in_core = |(file, text): (String, String)| Some((file.strip_prefix("core/")?.to_owned(), text));
    let changes = |name: &str| name.starts_with("portal/") || name.starts_with("steward/");
    for (name, text) in house().into_iter().filter_map(in_core).filter(|(name, _)| changes(name)) {
        for (function, body) in functions(text.split("#[cfg(test)]").next().unwrap()) {
            // A call may be broken after its dot.
            let code: String = body.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).collect();
            let Some(write) = WRITES.iter().find(|write| code.contains(**write)) else { continue };
            if let Some(known) = ELSEWHERE.iter().find(|known| (known.0, known.1) == (name.as_str(), function.as_str()))
            {
                used.push(known);
            } else if !RECORDS.iter().any(|records| code.contains(*records)) {
                wrong.push(format!("{name}: {function} calls {write}…) and writes no entry"));
            }
        }
    }
    wrong
        .extend(ELSEWHERE.iter().filter(|known| !used.contains(known)).map(|known| format!("{known:?} is not needed")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Front ends change workloads through the use cases, never through a backend: so the audit records it.
#[test]
fn front_ends_change_nothing_behind_the_use_cases() {
    let mut wrong = Vec::new();
    for (file, text) in house().iter().filter(|(file, _)| file.starts_with("cli/") || file.starts_with("tui/")) {
        let code: String = text.lines().map(str::trim_start).collect();
        let writes = ["launch", "stop", "start", "exec", "terminal", "attach", "detach", "snapshot", "remove"];
        for write in writes.iter().map(|write| format!("launcher.{write}(")).filter(|write| code.contains(write)) {
            wrong.push(format!("{file} calls {write}…)"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The only stories that sleep, each once, and why.
const SLEEPS: &[(&str, &str)] = &[
    ("bad_input.rs", "a server that never answers"),
    ("launchers.rs", "between two looks at a condition"),
    ("stores.rs", "between two looks at a condition"),
    ("wire.rs", "a wire that is slow"),
];

/// Stories wait on conditions: one that sleeps instead is slow on a fast machine, and fails on a slow one.
#[test]
fn stories_wait_on_conditions_and_do_not_sleep() {
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stories"), &mut files);
    let mut found: Vec<String> = Vec::new();
    for file in &files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let sleeps = fs::read_to_string(file).unwrap().matches("::sleep(").count();
        found.extend(std::iter::repeat_n(name.to_owned(), sleeps));
    }
    found.sort();
    assert_eq!(found, SLEEPS.iter().map(|(file, _)| *file).collect::<Vec<_>>(), "wait on a condition instead");
}
