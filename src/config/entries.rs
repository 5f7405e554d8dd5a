//! The `[[source]]` and `[[backend]]` entries of a file. Name and type are read here, everything else by their adapter.

use std::{collections::BTreeMap, path::Path};

use toml::de::{DeTable, DeValue};

use wharf_core::{
    base::{
        clean,
        mistakes::{MOST, Mistake},
    },
    config::{ConfigEntry, EntryKinds, List},
};

/// The longest name of a source or backend, in characters: names are a column of every list.
const LONGEST: usize = 60;

/// What a name must be.
pub(super) const NAME_RULE: &str =
    "a name has no spaces, '/', ':' or '@', begins with no '-', and is at most 60 visible characters long";

/// Whether a text may be the name of a source or a backend.
pub(super) fn is_name(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '@');
    !text.is_empty()
        && !text.starts_with('-')
        && text.chars().count() <= LONGEST
        && !text.contains(odd)
        // What cleaning would change cannot be seen, or turns what is around it.
        && clean::line(text) == text
}

/// All entries of one list in a file's text, in their order, and all mistakes in them. Text that is not TOML gives
/// neither: reading the rest of the file reports that.
pub(super) fn entries(text: &str, path: &Path, list: List, kinds: &EntryKinds) -> (Vec<ConfigEntry>, Vec<Mistake>) {
    let (mut all, mut mistakes) = (Vec::new(), Vec::new());
    let (Ok(values), Ok(places)) = (toml::from_str::<toml::Table>(text), DeTable::parse(text)) else {
        return (all, mistakes);
    };
    let Some(tables) = values.get(list.key()).and_then(toml::Value::as_array) else { return (all, mistakes) };
    let places = places.get_ref().iter().find(|(key, _)| key.get_ref() == list.key());
    let places = places.and_then(|(_, value)| value.get_ref().as_array()).into_iter().flatten();
    // Where each line ends: an entry asks for many lines, and a text may have many entries.
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at).collect();
    for (table, place) in tables.iter().zip(places) {
        let (Some(table), DeValue::Table(keys)) = (table.as_table(), place.get_ref()) else { continue };
        let line = |at: usize| ends.partition_point(|end| *end < at) + 1;
        let lines: BTreeMap<String, usize> =
            keys.iter().map(|(key, _)| (key.get_ref().to_string(), line(key.span().start))).collect();
        let mut written = ConfigEntry {
            settings: table.clone(),
            origin: path.display().to_string(),
            base: path.parent().unwrap_or(Path::new(".")).to_owned(),
            line: line(place.span().start),
            lines,
            ..ConfigEntry::default()
        };
        let mut wrong = Vec::new();
        // No more are told than anybody mends at once.
        if mistakes.len() > MOST {
            break;
        }
        written.name = required_word(&mut written, "name", &mut wrong);
        written.kind = required_word(&mut written, "type", &mut wrong);
        if !is_name(&written.name) && !written.name.is_empty() {
            wrong.push(written.mistake("name", format!("name: {NAME_RULE}")));
        }
        let first = all.iter().find(|other: &&ConfigEntry| !other.name.is_empty() && other.name == written.name);
        if let Some(first) = first {
            let words = format!(
                "name: '{}' is the name of the {} in line {} already",
                clean::line(&written.name),
                list.key(),
                first.line
            );
            wrong.push(written.mistake("name", words));
        }
        if !written.kind.is_empty() {
            wrong.extend(kinds.parse(list, &written).err().into_iter().flatten());
        }
        mistakes.extend(wrong);
        all.push(written);
    }
    (all, mistakes)
}

/// Takes a setting out of an entry; it must be there and be a string that is not empty.
fn required_word(written: &mut ConfigEntry, key: &str, wrong: &mut Vec<Mistake>) -> String {
    match written.settings.remove(key) {
        Some(toml::Value::String(word)) if !word.is_empty() => return word,
        Some(toml::Value::String(_)) => wrong.push(written.mistake(key, format!("{key}: it is empty"))),
        Some(other) => {
            wrong.push(written.mistake(key, format!("{key}: invalid type: {}, expected a string", other.type_str())));
        }
        None => wrong.push(written.mistake(key, format!("missing field `{key}`"))),
    }
    String::new()
}
