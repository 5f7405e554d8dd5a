//! Reading which file imports which, from the text of the sources, and finding circles in that.
//!
//! A file is named by its path below `src`, with the text of one crate: `core/mod.rs`, `crate::core::…`.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Which names import which, as pairs; sorted, each once.
pub(super) type Arrows = BTreeSet<(String, String)>;

/// Macros that declare modules from a list of words and call something in each.
pub(super) const MAKES_MODULES: &[&str] = &["adapters", "checkers", "screens"];

/// A text with empty lines in place of comments that fill a line.
pub(super) fn without_comments(text: &str) -> String {
    let kept = |line: &str| if line.trim_start().starts_with("//") { "\n".to_owned() } else { format!("{line}\n") };
    text.lines().map(kept).collect()
}

/// The code of a formatted file: with empty lines in place of comments that fill a line, and of the items that only
/// tests have.
pub(super) fn code(text: &str) -> String {
    let text = without_comments(text);
    let (mut lines, mut code) = (text.lines(), String::new());
    while let Some(line) = lines.next() {
        if line.trim() != "#[cfg(test)]" {
            code.push_str(line);
            code.push('\n');
            continue;
        }
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let mut is_first = true;
        code.push('\n');
        for line in lines.by_ref() {
            code.push('\n');
            if is_first && line.trim_start().starts_with("#[") {
                continue;
            }
            if is_first && line.ends_with([';', ',', '}']) || line.trim_end_matches(';') == end {
                break;
            }
            is_first = false;
        }
    }
    code
}

/// All paths in a text that have at least two parts: those of `use` with nested groups spread
/// out, and those in the code. A path that only says who may see something (`pub(in crate::x)`) is none.
pub(super) fn paths(text: &str) -> Vec<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(begin) = text[at..].find(is_word).map(|begin| at + begin) {
        let rest = &text[begin..];
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if !rest[word..].starts_with("::") || text[..begin].ends_with("::") || text[..begin].ends_with("(in ") {
            at = begin + word;
            continue;
        }
        at = begin + spread("", rest, &mut found);
    }
    found
}

/// Adds the paths with which a text begins to `found`, each after `prefix`; gives the length of what was read.
fn spread(prefix: &str, text: &str, found: &mut Vec<String>) -> usize {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let path = format!("{prefix}{}", &text[..end]);
    if !text[end..].starts_with('{') || !path.ends_with("::") && !path.is_empty() {
        found.push(path.trim_end_matches(':').to_owned());
        return end;
    }
    let (mut depth, mut start) = (0, end + 1);
    for (at, c) in text[end..].char_indices().map(|(at, c)| (end + at, c)) {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 1 && c == ',' || depth == 0 {
            let item = text[start..at].trim();
            if !item.is_empty() {
                spread(&path, item, found);
            }
            start = at + 1;
        }
        if depth == 0 {
            return at + 1;
        }
    }
    text.len()
}

/// The modules that a call of this macro names in braces: `adapters! { files, oci }`, `screens! { image = Image, "…";
/// }`.
pub(super) fn macro_words(text: &str, name: &str) -> Vec<String> {
    let text = format!("\n{text}");
    let inside = text.split_once(&format!("\n{name}! {{")).and_then(|(_, rest)| rest.split('}').next());
    let Some(inside) = inside else { return Vec::new() };
    let between = if inside.contains(';') { ';' } else { ',' };
    // `ground catalog = Catalog, "…"` makes the module `catalog`.
    let word = |entry: &str| entry.split('=').next()?.split_whitespace().last().map(str::to_owned);
    inside.split(between).filter_map(word).collect()
}

/// The parts of the path of a file's module: `core`, `image`, `model` for `core/image/model.rs`.
fn module(file: &str) -> Vec<&str> {
    let bare = file.trim_end_matches(".rs");
    let bare = bare.strip_suffix("mod").map_or(bare, |folder| folder.trim_end_matches('/'));
    bare.split('/').filter(|part| !part.is_empty()).collect()
}

/// The module that a path leads to from `here`: what `crate`, `self` and `super` mean, else a module below.
fn target<'a>(here: &[&'a str], path: &'a str) -> Vec<&'a str> {
    let mut rest: Vec<&str> = path.split("::").collect();
    let mut from = here.to_vec();
    match rest.first() {
        Some(&"crate") => {
            from.clear();
            rest.remove(0);
        }
        Some(&"self") => _ = rest.remove(0),
        _ => {}
    }
    while rest.first() == Some(&"super") {
        from.pop();
        rest.remove(0);
    }
    [from, rest].concat()
}

/// Which file imports which: by `use`, by paths in the code, and by macros that declare modules and call each. A
/// declaration (`mod x;`) alone is no import.
pub(super) fn between_files(files: &[(String, String)]) -> Arrows {
    let by_module: BTreeMap<Vec<&str>, &str> = files.iter().map(|(file, _)| (module(file), file.as_str())).collect();
    let mut found = Arrows::new();
    for (file, text) in files {
        let (here, code) = (module(file), code(text));
        let made = MAKES_MODULES.iter().flat_map(|name| macro_words(text, name)).map(|word| format!("self::{word}"));
        for path in paths(&code).into_iter().chain(made) {
            let is_rooted = path.split("::").next().is_some_and(|root| ["crate", "self", "super"].contains(&root));
            let to = target(&here, &path);
            // A path without a root names a module below, or something that was imported, which was read there.
            let least = if is_rooted { 1 } else { here.len() + 1 };
            let file_of = |length: usize| by_module.get(to.get(..length)?).copied();
            if let Some(other) = (least..=to.len()).rev().find_map(file_of).filter(|other| *other != file) {
                found.insert((file.clone(), other.to_owned()));
            }
        }
    }
    found
}

/// The part of a room that a file is in, by its path in the room: `oci` for `oci/client.rs`, `mod` for the room's own
/// `mod.rs`.
pub(super) fn part_of(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

/// Which parts of a room import which. `room` is a folder.
pub(super) fn between_parts(files: &Arrows, room: &str) -> Arrows {
    let part = |file: &str| file.strip_prefix(&format!("{room}/")).map(|inside| part_of(inside).to_owned());
    let parts = files.iter().filter_map(|(from, to)| Some((part(from)?, part(to)?)));
    parts.filter(|(from, to)| from != to).collect()
}

/// Circles of imports, each as the names in it in the order of the imports. Every name that is in a circle is in one of
/// them.
pub(super) fn circles(arrows: &Arrows) -> Vec<Vec<String>> {
    let mut left: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in arrows {
        left.entry(from).or_default().insert(to);
    }
    // What imports nothing that is left is in no circle.
    loop {
        let names: BTreeSet<&str> = left.keys().copied().collect();
        left.values_mut().for_each(|imported| imported.retain(|name| names.contains(name)));
        let before = left.len();
        left.retain(|_, imported| !imported.is_empty());
        if left.len() == before {
            break;
        }
    }
    let mut found: Vec<Vec<String>> = Vec::new();
    for name in left.keys() {
        if !found.iter().flatten().any(|known| known == name) {
            found.extend(shortest(&left, name));
        }
    }
    found
}

/// The shortest way from a name back to itself.
fn shortest(imports: &BTreeMap<&str, BTreeSet<&str>>, name: &str) -> Option<Vec<String>> {
    let mut seen = BTreeSet::new();
    let mut ways = VecDeque::from([vec![name]]);
    while let Some(way) = ways.pop_front() {
        for next in imports.get(way.last()?)? {
            if *next == name {
                return Some(way.into_iter().map(str::to_owned).collect());
            }
            if seen.insert(*next) {
                ways.push_back([way.clone(), vec![*next]].concat());
            }
        }
    }
    None
}
