//! The `[[source]]` and `[[backend]]` entries of a file. Name and type are read here, everything else by their adapter.

use std::{collections::BTreeMap, path::Path};

use toml::de::{DeTable, DeValue};

use wharf_core::{
    base::{mistakes::Mistake, text::line_of},
    config::{Kinds, List, Written},
};

/// All entries of one list in a file's text, in their order, and all mistakes in them. Text that is not TOML gives
/// neither: reading the rest of the file reports that.
pub(super) fn entries(text: &str, path: &Path, list: List, kinds: &Kinds) -> (Vec<Written>, Vec<Mistake>) {
    let (mut all, mut mistakes) = (Vec::new(), Vec::new());
    let (Ok(values), Ok(places)) = (toml::from_str::<toml::Table>(text), DeTable::parse(text)) else {
        return (all, mistakes);
    };
    let Some(tables) = values.get(list.word()).and_then(toml::Value::as_array) else { return (all, mistakes) };
    let places = places.get_ref().iter().find(|(key, _)| key.get_ref() == list.word());
    let places = places.and_then(|(_, value)| value.get_ref().as_array()).into_iter().flatten();
    for (table, place) in tables.iter().zip(places) {
        let (Some(table), DeValue::Table(keys)) = (table.as_table(), place.get_ref()) else { continue };
        let line = |at: usize| line_of(text, Some(at));
        let lines: BTreeMap<String, usize> =
            keys.iter().map(|(key, _)| (key.get_ref().to_string(), line(key.span().start))).collect();
        let mut written = Written {
            settings: table.clone(),
            origin: path.display().to_string(),
            base: path.parent().unwrap_or(Path::new(".")).to_owned(),
            line: line(place.span().start),
            lines,
            ..Written::default()
        };
        let mut wrong = Vec::new();
        written.name = word_of(&mut written, "name", &mut wrong);
        written.kind = word_of(&mut written, "type", &mut wrong);
        if written.name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':') {
            let words = format!("name: the name of a {} is a word without spaces, / and :", list.word());
            wrong.push(written.mistake("name", words));
        }
        if !written.kind.is_empty() {
            wrong.extend(kinds.read(list, &written).err().into_iter().flatten());
        }
        mistakes.extend(wrong);
        all.push(written);
    }
    (all, mistakes)
}

/// Takes a setting out of an entry; it must be there and be a string that is not empty.
fn word_of(written: &mut Written, key: &str, wrong: &mut Vec<Mistake>) -> String {
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
