//! Sources that a person added from within Wharf, and those that they leave out of lists: what the file of these choices
//! holds, and how a choice changes it. The file is Wharf's own; a person's configuration is never written.

use serde::Deserialize;

use super::written::ConfigEntry;
use crate::base::{
    clean,
    error::{Error, Kind, Result},
};

/// The name of the file in the state folder.
pub const FILE: &str = "sources.toml";

/// The largest such file that is read or written, in bytes.
pub const LARGEST: usize = 256 << 10;

/// The most sources that can be added, and the most that can be left out of lists.
pub const MOST: usize = 200;

/// The first lines of the file.
const HEAD: &str = "# Written by Wharf: sources that you added in it, and sources that you left out of lists.\n\
                    # 'wharf sources' prints the added ones for your own configuration.\n";

/// What the file holds. Each entry of `source` is one of a configuration's `[[source]]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OwnSources {
    /// The names of sources that are left out of lists.
    pub hidden: Vec<String>,
    /// The added sources: name, type and the settings of that type.
    pub source: Vec<toml::Table>,
}

/// A choice about sources that is kept for the next start.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceChoice {
    /// Add this source.
    Add(ConfigEntry),
    /// Remove the added source of this name.
    Remove(String),
    /// Leave the source of this name out of lists.
    Hide(String),
    /// Show the source of this name in lists again.
    Show(String),
}

/// An entry as a configuration file has it: four lines or more, of which the last ends.
pub fn entry_text(entry: &ConfigEntry) -> String {
    let mut table = entry.settings.clone();
    table.insert("name".to_owned(), entry.name.clone().into());
    table.insert("type".to_owned(), entry.kind.clone().into());
    table_text(&table)
}

/// An entry with its name and type first.
fn table_text(table: &toml::Table) -> String {
    let first = ["name", "type"].into_iter().filter_map(|key| Some((key, table.get(key)?)));
    let rest =
        table.iter().map(|(key, value)| (key.as_str(), value)).filter(|(key, _)| !["name", "type"].contains(key));
    let lines = first.chain(rest).map(|(key, value)| format!("{} = {value}\n", written_key(key)));
    std::iter::once("[[source]]\n".to_owned()).chain(lines).collect()
}

/// A key as TOML takes it: bare where that is allowed, else quoted.
fn written_key(key: &str) -> String {
    let bare = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    if bare { key.to_owned() } else { toml::Value::from(key).to_string() }
}

impl OwnSources {
    /// The file's text.
    fn text(&self) -> String {
        let hidden = toml::Value::from(self.hidden.clone());
        let entries: Vec<String> = self.source.iter().map(|table| format!("\n{}", table_text(table))).collect();
        format!("{HEAD}hidden = {hidden}\n{}", entries.concat())
    }

    fn has(&self, name: &str) -> bool {
        self.source.iter().any(|table| is_named(table, name))
    }
}

fn is_named(table: &toml::Table, name: &str) -> bool {
    table.get("name").and_then(toml::Value::as_str) == Some(name)
}

impl SourceChoice {
    /// What is done, as a verb for the audit and for messages.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Add(_) => "add source",
            Self::Remove(_) => "remove source",
            Self::Hide(_) => "hide source",
            Self::Show(_) => "show source",
        }
    }

    /// The name of the source that it is about.
    pub fn name(&self) -> &str {
        match self {
            Self::Add(entry) => &entry.name,
            Self::Remove(name) | Self::Hide(name) | Self::Show(name) => name,
        }
    }

    /// The text of the file after this choice; `text` is the file's text before, empty if there is no file.
    ///
    /// # Errors
    /// [`Kind::Usage`] where the text is no such file, which is then left as it is; where a source of the name is added
    /// already; and where there are [`MOST`] already, or the file would become longer than [`LARGEST`].
    /// [`Kind::NotFound`] for removing what was not added.
    pub fn applied_to(&self, text: &str) -> Result<String> {
        let what = format!("{} {}", self.verb(), clean::short(self.name(), 60));
        let mut own: OwnSources = toml::from_str(text).map_err(|error| {
            Error::new(Kind::Usage, &what, format!("its file {FILE} cannot be read: {}", clean::line(error.message())))
                .hint("correct that file in the state folder, or move it away")
        })?;
        let full = || {
            let why = format!("{MOST} are kept already, which is the most");
            Error::usage(&what, why).hint("take some over into your configuration, or remove some")
        };
        let name = self.name();
        match self {
            Self::Add(entry) => {
                if own.has(name) {
                    return Err(Error::usage(&what, "a source of this name was added already"));
                }
                if own.source.len() >= MOST {
                    return Err(full());
                }
                let mut table = entry.settings.clone();
                table.insert("name".to_owned(), name.into());
                table.insert("type".to_owned(), entry.kind.as_str().into());
                own.source.push(table);
                own.hidden.retain(|hidden| hidden != name);
            }
            Self::Remove(_) => {
                if !own.has(name) {
                    return Err(Error::not_found(&what, "no source of this name was added in Wharf")
                        .hint("others are configured or were found: leave one out of lists instead"));
                }
                own.source.retain(|table| !is_named(table, name));
                own.hidden.retain(|hidden| hidden != name);
            }
            Self::Hide(_) if own.hidden.iter().any(|hidden| hidden == name) => {}
            Self::Hide(_) if own.hidden.len() >= MOST => return Err(full()),
            Self::Hide(_) => own.hidden.push(name.to_owned()),
            Self::Show(_) => own.hidden.retain(|hidden| hidden != name),
        }
        let after = own.text();
        // What is too large would not be read at the next start. Taking something away is always possible.
        if after.len() > LARGEST && after.len() > text.len() {
            let why = format!("its file {FILE} would become larger than {} KiB, which is the most", LARGEST >> 10);
            return Err(Error::usage(&what, why).hint("take some over into your configuration, or remove some"));
        }
        Ok(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> ConfigEntry {
        let settings = toml::from_str("url = \"https://r.example\"\nrepositories = [\"a/b\"]").unwrap();
        ConfigEntry::new(name, "oci", "test", settings)
    }

    #[test]
    fn choices_are_kept_and_taken_back() {
        let added = SourceChoice::Add(entry("r.example")).applied_to("").unwrap();
        assert!(added.contains("[[source]]\nname = \"r.example\"\ntype = \"oci\"\n"), "{added}");
        assert!(added.ends_with(&entry_text(&entry("r.example"))), "{added}");
        let hidden = SourceChoice::Hide("hub".into()).applied_to(&added).unwrap();
        let own: OwnSources = toml::from_str(&hidden).unwrap();
        assert_eq!((own.hidden.as_slice(), own.source.len()), (&["hub".to_owned()][..], 1));
        assert_eq!(SourceChoice::Show("hub".into()).applied_to(&hidden).unwrap(), added);
        let removed = SourceChoice::Remove("r.example".into()).applied_to(&hidden).unwrap();
        assert_eq!(toml::from_str::<OwnSources>(&removed).unwrap().source, Vec::<toml::Table>::new());
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let added = SourceChoice::Add(entry("a")).applied_to("").unwrap();
        assert_eq!(SourceChoice::Add(entry("a")).applied_to(&added).unwrap_err().kind, Kind::Usage);
        assert_eq!(SourceChoice::Remove("b".into()).applied_to(&added).unwrap_err().kind, Kind::NotFound);
        assert!(SourceChoice::Show("b".into()).applied_to("[[source").unwrap_err().why.contains(FILE));
        let mut large = entry("large");
        large.settings.insert("repositories".into(), vec!["a/".repeat(LARGEST / 2)].into());
        let error = SourceChoice::Add(large).applied_to(&added).unwrap_err();
        assert!(error.kind == Kind::Usage && error.why.contains("256 KiB"), "{error}");
        let mut text = String::new();
        for number in 0..MOST {
            text = SourceChoice::Hide(format!("s{number}")).applied_to(&text).unwrap();
        }
        assert!(SourceChoice::Hide("one-more".into()).applied_to(&text).unwrap_err().why.contains("the most"));
    }
}
