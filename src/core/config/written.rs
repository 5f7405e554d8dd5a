//! Sources and backends as the configuration names them: a name, a type, and settings that only the adapter of that
//! type reads.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;

use crate::base::{
    clean,
    error::{Error, Result},
    mistakes::Mistake,
};

/// The two lists of a configuration whose entries belong to adapters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum List {
    /// `[[source]]`: places that hold images.
    Source,
    /// `[[backend]]`: what launches images.
    Backend,
}

impl List {
    /// The list's key in the files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Backend => "backend",
        }
    }
}

/// One entry of `[[source]]` or `[[backend]]`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ConfigEntry {
    /// The name in lists.
    pub name: String,
    /// The `type`: which adapter reads the settings.
    pub kind: String,
    /// All other settings of the entry.
    pub settings: toml::Table,
    /// Where the entry is, in words: a file or a variable.
    pub origin: String,
    /// The folder that relative paths in it start from; empty is the working directory.
    pub base: PathBuf,
    /// The line of its first setting in the file, from 1; 0 where it is in no file.
    pub line: usize,
    /// The line of each setting.
    pub lines: BTreeMap<String, usize>,
}

impl ConfigEntry {
    /// An entry that is in no file, such as one that was discovered.
    pub fn new(name: &str, kind: &str, origin: &str, settings: toml::Table) -> Self {
        let (name, kind, origin) = (name.to_owned(), kind.to_owned(), origin.to_owned());
        Self { name, kind, settings, origin, ..Self::default() }
    }

    /// A string setting; `None` where it is missing or not a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.settings.get(key)?.as_str()
    }

    /// A path of a setting, resolved relative to the file that it is written in.
    pub fn path(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// A mistake in a setting, at its line; at the line of the entry where that setting is missing.
    pub fn mistake(&self, key: &str, words: impl Into<String>) -> Mistake {
        Mistake { line: self.lines.get(key).copied().unwrap_or(self.line), words: words.into() }
    }

    /// The settings as the adapter's type. `T` must accept an empty table: required settings are checked afterwards, so
    /// that each setting can be tried separately and all mistakes are reported at once.
    ///
    /// # Errors
    /// Every setting that `T` does not know or that has another type, with its line.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Vec<Mistake>> {
        let alone = |(key, value): (&String, &toml::Value)| {
            let table = toml::Table::from_iter([(key.clone(), value.clone())]);
            let why = table.try_into::<T>().err()?;
            let why = clean::line(why.message()).into_owned();
            let words = if why.contains(&format!("`{key}`")) { why } else { format!("{}: {why}", clean::line(key)) };
            Some(self.mistake(key, words))
        };
        let wrong: Vec<Mistake> = self.settings.iter().filter_map(alone).collect();
        if !wrong.is_empty() {
            return Err(wrong);
        }
        let whole = self.settings.clone().try_into::<T>();
        whole.map_err(|why| vec![self.mistake("", clean::line(why.message()).into_owned())])
    }

    /// The error that lists these mistakes of this one entry.
    pub fn refused(&self, list: List, mistakes: &[Mistake]) -> Error {
        let words: Vec<&str> = mistakes.iter().map(|mistake| mistake.words.as_str()).collect();
        let line = mistakes.first().map_or(0, |mistake| mistake.line);
        let place = if line == 0 { self.origin.clone() } else { format!("{}:{line}", self.origin) };
        Error::usage(format!("{place}: {} '{}'", list.key(), self.name), words.join("; "))
    }
}

/// Hosts that an entry names. A steward connects to these and to no others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// Addresses of servers, as people write them: `https://host[:port]` or `host[:port]`.
    pub servers: Vec<String>,
    /// Where those servers keep blobs: `host[:port]`, or `*.domain` for all hosts below a domain; over TLS only.
    pub storage: Vec<String>,
}

/// Reads the settings of an entry: gives the hosts that it names, or all mistakes in it.
pub type ReadSettings = fn(&ConfigEntry) -> Result<Hosts, Vec<Mistake>>;

/// Makes an entry of an address that somebody typed, with a name and settings; `None` where the address is of no such
/// place. It is not asked whether the place is there.
pub type EntryFromAddress = fn(&str) -> Option<ConfigEntry>;

/// A type of source or backend that an adapter adds to the configuration.
#[derive(Debug, Clone, Copy, Default)]
pub struct EntryKind {
    /// The value of `type`.
    pub name: &'static str,
    /// Reads an entry of `[[source]]`; `None` where it cannot be a source.
    pub source: Option<ReadSettings>,
    /// Reads an entry of `[[backend]]`; `None` where it cannot be a backend.
    pub backend: Option<ReadSettings>,
    /// The setting for the address of a registry; only for a type that needs nothing but that address.
    pub address: Option<&'static str>,
    /// Makes an entry of an address; `None` for a type that is not added so.
    pub from_address: Option<EntryFromAddress>,
}

impl EntryKind {
    /// A type for sources only.
    pub const fn source(read: ReadSettings) -> Self {
        Self { name: "", source: Some(read), backend: None, address: None, from_address: None }
    }

    /// A type for backends only.
    pub const fn backend(read: ReadSettings) -> Self {
        Self { name: "", source: None, backend: Some(read), address: None, from_address: None }
    }

    /// A type that is a source and a backend at once: one entry, in either list, makes both.
    pub const fn both(read: ReadSettings) -> Self {
        Self { name: "", source: Some(read), backend: Some(read), address: None, from_address: None }
    }

    /// The same with this value of `type`.
    #[must_use]
    pub const fn with_name(self, name: &'static str) -> Self {
        Self { name, ..self }
    }

    /// The same, for a registry that needs nothing but the address in this setting.
    #[must_use]
    pub const fn of_address(self, setting: &'static str) -> Self {
        Self { address: Some(setting), ..self }
    }

    /// The same, for a type whose entries can be made of an address that somebody types.
    #[must_use]
    pub const fn typed(self, from_address: EntryFromAddress) -> Self {
        Self { from_address: Some(from_address), ..self }
    }

    fn reader(&self, list: List) -> Option<ReadSettings> {
        match list {
            List::Source => self.source,
            List::Backend => self.backend,
        }
    }
}

/// The kinds of all adapters.
#[derive(Debug, Clone, Default)]
pub struct EntryKinds(pub Vec<EntryKind>);

impl EntryKinds {
    /// Reads an entry with the reader of its type.
    ///
    /// # Errors
    /// All mistakes in it, each with its line: a type that this list does not take (with those that it takes), or
    /// settings that the adapter does not know.
    pub fn parse(&self, list: List, written: &ConfigEntry) -> Result<Hosts, Vec<Mistake>> {
        match self.0.iter().find(|kind| kind.name == written.kind).and_then(|kind| kind.reader(list)) {
            Some(read) => read(written),
            None => Err(vec![written.mistake("type", self.unknown(list, &written.kind))]),
        }
    }

    fn unknown(&self, list: List, word: &str) -> String {
        let taken: Vec<&str> = self.0.iter().filter(|kind| kind.reader(list).is_some()).map(|kind| kind.name).collect();
        let elsewhere = match list {
            List::Source => List::Backend,
            List::Backend => List::Source,
        };
        let there = self.0.iter().any(|kind| kind.name == word && kind.reader(elsewhere).is_some());
        let there = if there { format!(", but of {}", elsewhere.key()) } else { String::new() };
        let word = clean::short(word, 40);
        format!("'{word}' is not a type of {}{there}; use one of {}", list.key(), taken.join(", "))
    }

    /// An entry of each type for which this address may be one, in the order of the types. None has been asked.
    pub fn from_address(&self, typed: &str) -> Vec<ConfigEntry> {
        let entry = |kind: &EntryKind| Some(ConfigEntry { kind: kind.name.to_owned(), ..kind.from_address?(typed)? });
        self.0.iter().filter_map(entry).collect()
    }

    /// The type that needs only the address of a registry, and the setting for it.
    pub fn of_address(&self) -> Option<(&'static str, &'static str)> {
        self.0.iter().find_map(|kind| Some((kind.name, kind.address?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Registry {
        url: String,
        storage: Vec<String>,
    }

    fn parse(written: &ConfigEntry) -> Result<Hosts, Vec<Mistake>> {
        written.parse::<Registry>().map(|registry| Hosts { servers: vec![registry.url], storage: registry.storage })
    }

    fn kinds() -> EntryKinds {
        EntryKinds(vec![
            EntryKind { name: "registry", source: Some(parse), address: Some("url"), ..EntryKind::default() },
            EntryKind { name: "scheduler", backend: Some(parse), ..EntryKind::default() },
        ])
    }

    fn written(kind: &str, settings: &str) -> ConfigEntry {
        let mut written = ConfigEntry::new("site", kind, "wharf.toml", toml::from_str(settings).unwrap());
        written.line = 3;
        written.lines =
            settings.lines().zip(5..).map(|(line, at)| (line.split(' ').next().unwrap().into(), at)).collect();
        written
    }

    #[test]
    fn all_mistakes_of_an_entry_are_told_each_with_its_line() {
        let mistakes =
            kinds().parse(List::Source, &written("registry", "urI = 'x'\nurl = 'y'\nstorage = 3\n")).unwrap_err();
        let told: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.words.as_str())).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().any(|(line, words)| *line == 5 && words.contains("urI")), "{told:?}");
        assert!(told.iter().any(|(line, words)| *line == 7 && words.starts_with("storage: ")), "{told:?}");
    }

    #[test]
    fn a_type_is_refused_with_the_words_that_this_list_takes() {
        let words = |list, kind: &str| kinds().parse(list, &written(kind, "")).unwrap_err()[0].words.clone();
        assert_eq!(words(List::Source, "regestry"), "'regestry' is not a type of source; use one of registry");
        assert_eq!(
            words(List::Source, "scheduler"),
            "'scheduler' is not a type of source, but of backend; use one of registry"
        );
        assert!(words(List::Backend, "registry").ends_with("use one of scheduler"));
    }
}
