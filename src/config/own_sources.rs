//! The layer of sources that a person added from within Wharf, and of those that they leave out of lists. Mistakes in it
//! are warnings: Wharf has written it, and must start to mend it.

use std::{io::ErrorKind, path::Path};

use super::entries::{entries, is_name};
use wharf_core::{
    base::{mistakes, small_file},
    config::{
        Config, ConfigEntry, EntryKinds, List,
        own_sources::{FILE, LARGEST, MOST, OwnSources},
    },
};

/// Adds the sources of the file in this state folder to those that are configured. What the site or the person
/// configured counts more: an added source of such a name is left out.
pub(super) fn apply(config: &mut Config, state: &Path, kinds: &EntryKinds) {
    let path = state.join(FILE);
    let text = match small_file::text(&path) {
        Ok(text) if text.len() <= LARGEST => text,
        Ok(_) => return warn(config, &path, None, &format!("it is larger than {} KiB", LARGEST >> 10)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return,
        Err(error) => return warn(config, &path, None, &error.to_string()),
    };
    let (own, mut wrong) = mistakes::parse::<OwnSources>(&text);
    let (sources, of_sources) = entries(&text, &path, List::Source, kinds);
    wrong.extend(of_sources);
    for mistake in wrong {
        warn(config, &path, Some(mistake.line), &mistake.words);
    }
    config.hidden = own.unwrap_or_default().hidden;
    config.hidden.truncate(MOST);
    for entry in sources.into_iter().take(MOST) {
        if is_name(&entry.name) && kinds.parse(List::Source, &entry).is_ok() {
            add(config, entry, &path);
        }
    }
}

fn add(config: &mut Config, entry: ConfigEntry, path: &Path) {
    let in_files = config.sources.iter().chain(&config.backends).find(|known| known.name == entry.name);
    let Some(known) = in_files else {
        config.added.push(entry.name.clone());
        return config.sources.push(entry);
    };
    // Whoever took it over into their own file has it twice, which is as it should be.
    if known.kind != entry.kind || known.settings != entry.settings {
        let words = format!("{} has a source or backend called {}, which counts instead", known.origin, entry.name);
        warn(config, path, Some(entry.line), &words);
    }
}

fn warn(config: &mut Config, path: &Path, line: Option<usize>, why: &str) {
    let line = line.map_or_else(String::new, |line| format!(":{line}"));
    config.warnings.push(format!("{}{line}: {why}; correct or remove it", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::config::{EntryKind, Hosts};

    fn kinds() -> EntryKinds {
        let read = |written: &ConfigEntry| match written.settings.keys().find(|key| *key != "url") {
            Some(key) => Err(vec![written.mistake(key, format!("unknown field `{key}`"))]),
            None => Ok(Hosts::default()),
        };
        EntryKinds(vec![EntryKind { name: "oci", source: Some(read), ..EntryKind::default() }])
    }

    fn read(text: &str, before: Config) -> Config {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(FILE), text).unwrap();
        let mut config = before;
        apply(&mut config, folder.path(), &kinds());
        config
    }

    fn source(name: &str) -> String {
        format!("[[source]]\nname = \"{name}\"\ntype = \"oci\"\nurl = \"https://{name}\"\n")
    }

    #[test]
    fn added_sources_follow_the_configured_ones() {
        let config = read(&format!("hidden = [\"hub\"]\n{}", source("r.example")), Config::default());
        assert_eq!((config.added, config.hidden), (vec!["r.example".to_owned()], vec!["hub".to_owned()]));
        assert!(config.sources[0].origin.ends_with(FILE) && config.warnings.is_empty(), "{:?}", config.warnings);
        let nothing = tempfile::tempdir().unwrap();
        let mut config = Config::default();
        apply(&mut config, nothing.path(), &kinds());
        assert_eq!(config, Config::default());
    }

    #[test]
    fn mistakes_are_warnings_and_the_rest_counts() {
        let text =
            format!("{}colour = 3\n\n{}\n[[source]]\nname = \"c d\"\ntype = \"oci\"\n", source("a"), source("b"));
        let config = read(&text, Config::default());
        assert_eq!(config.added, ["b"], "{:?}", config.warnings);
        assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
        assert!(config.warnings[0].contains("sources.toml:5: ") && config.warnings[0].contains("colour"));
        let broken = read("[[source", Config::default());
        assert!(broken.added.is_empty() && broken.warnings.len() == 1, "{:?}", broken.warnings);
        let huge = read(&format!("#{}\n{}", "x".repeat(LARGEST), source("a")), Config::default());
        assert!(huge.added.is_empty() && huge.warnings[0].contains("larger"), "{:?}", huge.warnings);
    }

    #[test]
    fn what_is_configured_counts_more() {
        let mut before = Config::default();
        let settings = toml::from_str("url = \"https://a\"").unwrap();
        before.sources.push(ConfigEntry::new("a", "oci", "wharf.toml", settings));
        before.backends.push(ConfigEntry::new("b", "local", "wharf.toml", toml::Table::new()));
        let config = read(&format!("{}{}", source("a"), source("b")), before);
        assert!(config.added.is_empty() && config.sources.len() == 1);
        assert!(config.warnings.len() == 1 && config.warnings[0].contains("called b"), "{:?}", config.warnings);
    }
}
