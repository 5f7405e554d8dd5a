//! The rules for imports: who may import whom. Reads the sources and fails on a wrong `use`.
#![expect(
    clippy::unwrap_used,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test that fails should say so"
)]

#[path = "house/imports.rs"]
mod imports;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use imports::{
    Arrows, MAKES_MODULES, between_files, between_parts, circles, code, macro_words, part_of, paths, without_comments,
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

/// Which file of the house imports which.
fn imports_of_the_house() -> &'static Arrows {
    static READ: LazyLock<Arrows> = LazyLock::new(|| between_files(&house()));
    &READ
}

/// The rooms that a file may import with `crate::`, and the crates that it must not name.
fn rule(file: &str) -> (Vec<String>, &'static [&'static str]) {
    const EFFECTS: &[&str] = &["ratatui", "crossterm", "reqwest", "sqlx", "bollard", "std::process", "tokio::process"];
    let rooms = |rooms: &[&str]| rooms.iter().map(ToString::to_string).collect::<Vec<_>>();
    let shared = [
        "core",
        "adapters::shared",
        "adapters::formats",
        "adapters::keeper",
        "adapters::machines",
        "adapters::parts",
        "adapters::prepared",
    ];
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

#[test]
fn nested_groups_are_spread_out() {
    assert_eq!(paths("use crate::{core::{a, b::C}, tui};"), ["crate::core::a", "crate::core::b::C", "crate::tui"]);
    assert_eq!(paths("pub use self::{\n    a::*,\n    b::{self, C},\n};"), ["self::a", "self::b::self", "self::b::C"]);
    assert_eq!(
        paths("let x = f(super::super::text::now(), Vec::<self::X>::new(), a.b);"),
        ["super::super::text::now", "Vec", "self::X"]
    );
    assert_eq!(paths("pub(in crate::core) fn f() {}"), Vec::<String>::new());
}

#[test]
fn nobody_imports_what_the_house_forbids() {
    let mut wrong = Vec::new();
    for (name, text) in house() {
        let (rooms, crates) = rule(&name);
        for path in paths(&without_comments(&text)).iter().filter_map(|path| path.strip_prefix("crate::")) {
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
    &["rows", "kept", "speed", "ending", "suspend", "workload_keys", "usage", "output"],
    &["msg"],
    &["popups"],
    &["model"],
    &["jobs"],
    &["screens"],
    &["state"],
    &["hints", "message", "bar"],
    &["told"],
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
    &["answers", "described"],
    &["secrets", "sources", "journal"],
    &["keys", "sign_in", "inbox", "uses", "seen", "signatures", "own_sources", "locks"],
    &["senders"],
    &["catalog", "evidence"],
    &["kept_transfers"],
    &["disks"],
    &["transfers", "launches", "upkeep"],
    &["sharing", "fetching", "mirroring"],
    &["requests", "resuming", "stewardship", "mirror_round"],
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

/// Fails if a file of a room imports from its own layer or a higher one. What the room's `mod.rs` holds belongs to
/// `mod`.
fn downwards(room: &str, floors: &[&[&str]]) {
    let floor = |of: &str| floors.iter().position(|floor| floor.contains(&of));
    let folder = format!("{}/", room.replace("::", "/"));
    let files = house();
    let inside = |file: &str| file.strip_prefix(&folder).map(str::to_owned);
    let mut wrong = Vec::new();
    for name in files.iter().filter_map(|(file, _)| inside(file)).filter(|name| floor(part_of(name)).is_none()) {
        wrong.push(format!("{name} stands on no floor: add it to the list above"));
    }
    for (from, to) in imports_of_the_house() {
        let (Some(from), Some(to)) = (inside(from), inside(to)) else { continue };
        let (here, there) = (part_of(&from), part_of(&to));
        if here != there && floor(there) >= floor(here) {
            wrong.push(format!("{from} imports {to}, which is not below it"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn tree(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn a_circle_of_parts_is_found_also_through_a_macro_that_makes_modules() {
    let straight = tree(&[
        ("adapters/mod.rs", "use self::parts::Parts;\nadapters! { files, oci }\n"),
        ("adapters/parts.rs", "use crate::core::Source;"),
        ("adapters/files/mod.rs", "use super::parts::Parts;"),
        ("adapters/files/scan.rs", "use super::Files;"),
        ("adapters/oci/mod.rs", "use super::{parts::{Parts, Around}, shared::http};"),
        ("adapters/shared.rs", ""),
        ("core/mod.rs", ""),
    ]);
    let parts = |tree: &[(String, String)]| between_parts(&between_files(tree), "adapters");
    let with = |at: usize, text: &str| {
        let mut tree = straight.clone();
        tree[at].1 = text.to_owned();
        circles(&parts(&tree)).concat()
    };
    assert_eq!(circles(&parts(&straight)).concat(), Vec::<String>::new());
    assert!(parts(&straight).contains(&("mod".to_owned(), "oci".to_owned())));
    assert_eq!(with(4, "use super::build;"), ["mod", "oci"], "only the macro names oci in mod.rs");
    assert_eq!(
        with(3, "use crate::adapters::build;"),
        ["files", "mod"],
        "a file below the folder counts as the folder"
    );
    assert_eq!(with(5, "use super::oci::Oci;"), ["oci", "shared"]);
}

#[test]
fn a_circle_of_files_is_found_however_the_imports_are_written() {
    let straight = tree(&[
        ("core/mod.rs", "pub mod image;\npub mod policy;"),
        ("core/image/mod.rs", "mod model;\npub mod read;\npub use self::model::{Image, Layer};"),
        ("core/image/model.rs", "/// As crate::core::image::Image.\npub struct Image;"),
        ("core/image/read.rs", "use super::{Image, model::Layer};"),
        ("core/policy/mod.rs", "use crate::core::{image::{Image, Layer}};\nmod judge;"),
        (
            "core/policy/judge.rs",
            "pub(in crate::core::policy) fn judge() {}\n#[cfg(test)]\nmod tests {\n    use super::super::x;\n}\n",
        ),
    ]);
    assert_eq!(circles(&between_files(&straight)), Vec::<Vec<String>>::new());
    let with = |file: &str, more: &str| {
        let mut tree = straight.clone();
        let found = tree.iter_mut().find(|(name, _)| name == file).unwrap();
        found.1 = format!("{}\n{more}", found.1);
        circles(&between_files(&tree))
    };
    for import in
        ["use super::*;", "use super::Layer;", "use crate::core::{image::{Layer, x}};", "fn f(of: &super::Layer) {}"]
    {
        assert_eq!(with("core/image/model.rs", import), [["core/image/mod.rs", "core/image/model.rs"]], "{import}");
    }
    // A declaration alone is no import, and a module below needs no `self::`.
    assert_eq!(with("core/image/read.rs", "use super::model::Layer;"), Vec::<Vec<String>>::new());
    for call in ["fn f() { read::image() }", "use read::image;", "pub use self::{read::image, x};", "screens! { read }"]
    {
        assert_eq!(with("core/image/mod.rs", call), [["core/image/mod.rs", "core/image/read.rs"]], "{call}");
    }
    // A way back over several files is found, and only what is in it is named.
    let long = with("core/image/model.rs", "use super::super::policy::judge;");
    assert_eq!(long, Vec::<Vec<String>>::new());
    let long = with("core/image/model.rs", "use super::super::policy::Policy;");
    assert_eq!(long, [["core/image/mod.rs", "core/image/model.rs", "core/policy/mod.rs"]]);
}

#[test]
fn what_only_tests_have_is_no_code() {
    let text = "use a::b;\n#[cfg(test)]\nuse a::c;\n#[cfg(test)]\n#[path = \"x.rs\"]\nmod x;\nimpl A {\n    #[cfg(test)]\n    fn d() {\n        a::d();\n    }\n    fn e() {}\n}\n";
    let kept = code(text);
    assert_eq!(
        kept.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>(),
        ["use a::b;", "impl A {", "    fn e() {}", "}"]
    );
    assert_eq!(kept.lines().count(), text.lines().count(), "each line keeps its number");
}

#[test]
fn the_modules_that_a_macro_makes_are_read() {
    assert_eq!(macro_words("x\nadapters! { files, oci }\n", "adapters"), ["files", "oci"]);
    let screens = "macro_rules! screens {}\nscreens! {\n    ground catalog = Catalog, \"All, sorted.\";\n    image = Image, \"One.\";\n}\n";
    assert_eq!(macro_words(screens, "screens"), ["catalog", "image"]);
    assert_eq!(macro_words("adapters! { files }", "screens"), Vec::<String>::new());
}

/// Fails if there is a circle; `among` says what is in it.
fn no_circle(among: &str, arrows: &Arrows) {
    assert!(arrows.len() > 5, "{among} were not read: {arrows:?}");
    let found: Vec<String> =
        circles(arrows).iter().map(|circle| [circle.join(" -> "), circle[0].clone()].join(" -> ")).collect();
    assert!(found.is_empty(), "{among} import each other in a circle:\n{}", found.join("\n"));
}

#[test]
fn nothing_imports_what_imports_it() {
    let files = house();
    for name in MAKES_MODULES {
        assert!(files.iter().any(|(_, text)| !macro_words(text, name).is_empty()), "there is no {name}! {{ … }}");
    }
    let arrows = imports_of_the_house();
    for room in ["core", "adapters", "tui", "tui/screens", "cli"] {
        no_circle(&format!("parts of {room}"), &between_parts(arrows, room));
    }
}

#[test]
fn no_file_imports_in_a_circle() {
    let arrows = imports_of_the_house();
    assert!(arrows.len() > 1000, "most imports were not read: {}", arrows.len());
    no_circle("files", arrows);
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
        for (number, line) in code(text).lines().enumerate() {
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
        // Examples in the documentation are tests.
        let code: String = code(&text).lines().collect();
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
    ".create_transfer(cx",
    ".accept_transfer(cx",
    ".answer(cx",
    ".remove(cx",
    ".remove_kept_image(cx",
    ".tag(cx",
    ".put_blob(cx",
    ".put_manifest(cx",
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
    "secrets.add(",
    "secrets.set(",
    "secrets.delete(",
    "store.submit(",
    "store.apply_event(",
    "store.approve_class(",
    "store.end_class(",
    "store.set_up(",
    "choices.keep_choice(",
];

/// The calls that write an entry of the audit.
const RECORDS: &[&str] = &[".recorded(", ".recorded_as(", ".recorded_with("];

/// Functions that change something and write no entry themselves, and why.
const ELSEWHERE: &[(&str, &str, &str)] = &[
    ("portal/disks.rs", "send_file", "transfers and sharing write down every copy"),
    ("portal/transfers.rs", "moved", "`copy_with` writes it down"),
    ("portal/disks.rs", "bytes", "whoever copies a disk writes the entry"),
    ("portal/evidence/mod.rs", "check", "it asks a registry to scan: no image is changed"),
    ("portal/sharing/share.rs", "share_as_fits", "its only caller, `share_kept`, writes it down"),
    ("portal/sharing/share.rs", "share_elsewhere", "its only caller is `share_as_fits`"),
    ("portal/sharing/share.rs", "snapshot", "`Launches::snapshot` writes it down"),
    ("portal/sign_in.rs", "agree_to_server", "its only caller, `sign_in`, writes it down"),
    ("portal/signatures.rs", "put", "whoever signs writes it down: `Signing`, and the steward"),
    ("portal/upkeep/removal.rs", "remove_as_told", "its only caller, `remove_images`, writes it down"),
    ("steward/admit.rs", "admit", "`Steward::admit` writes it down"),
    ("steward/disk.rs", "admit", "`Steward::admit` writes it down"),
    ("steward/disk.rs", "fetch", "it fills the quarantine, which is swept"),
    ("steward/examine.rs", "examine", "it fills the quarantine, which is swept"),
    ("steward/mod.rs", "next_step", "the store keeps the history of a request"),
    ("steward/mod.rs", "hold", "the store keeps the history of a request"),
    ("steward/mod.rs", "work_on", "the store keeps the history of a request"),
    ("steward/revoke.rs", "sign_revocation", "`Steward::next_step` writes it down"),
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
    let (mut wrong, mut used, mut called) = (Vec::new(), Vec::new(), BTreeSet::<&str>::new());
    let in_core = |(file, text): (String, String)| Some((file.strip_prefix("core/")?.to_owned(), text));
    let changes = |name: &str| name.starts_with("portal/") || name.starts_with("steward/");
    for (name, text) in house().into_iter().filter_map(in_core).filter(|(name, _)| changes(name)) {
        for (function, body) in functions(&code(&text)) {
            // A call may be broken after its dot.
            let code: String = body.lines().map(str::trim_start).filter(|line| !line.starts_with("//")).collect();
            called.extend(WRITES.iter().chain(RECORDS).copied().filter(|call| code.contains(*call)));
            let Some(write) = WRITES.iter().find(|write| code.contains(**write)) else { continue };
            if let Some(known) = ELSEWHERE.iter().find(|known| (known.0, known.1) == (name.as_str(), function.as_str()))
            {
                used.push(known);
            } else if !RECORDS.iter().any(|records| code.contains(*records)) {
                wrong.push(format!("{name}: {function} calls {write}…) and writes no entry"));
            }
        }
    }
    let never = WRITES.iter().chain(RECORDS).filter(|call| !called.contains(**call));
    wrong.extend(never.map(|call| format!("nothing calls {call}…): it has another name now")));
    wrong
        .extend(ELSEWHERE.iter().filter(|known| !used.contains(known)).map(|known| format!("{known:?} is not needed")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Front ends reach sources and backends through the use cases, never through a port: so the audit records what they do.
#[test]
fn front_ends_hold_no_port() {
    const PORTS: [&str; 6] = ["Catalog", "Content", "Disks", "Launcher", "Sharer", "Upkeep"];
    let is_port = |path: &str| {
        path == "core::portal::Source" || path.strip_prefix("core::ports::").is_some_and(|name| PORTS.contains(&name))
    };
    let mut wrong = Vec::new();
    for (file, text) in house().iter().filter(|(file, _)| file.starts_with("cli/") || file.starts_with("tui/")) {
        wrong.extend(paths(text).into_iter().filter(|path| is_port(path)).map(|path| format!("{file} names {path}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The only stories that sleep, each once, and why.
const SLEEPS: &[(&str, &str)] = &[
    ("bad_input.rs", "a server that never answers"),
    ("launchers.rs", "between two looks at a condition"),
    ("proxy.rs", "a server that answers late"),
    ("slurm.rs", "between two looks at a condition"),
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
