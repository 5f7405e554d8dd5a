//! A person's own choices about sources: adding one from an address, which is tried first, removing it, and leaving any
//! source out of lists. What was chosen is in force for a portal that is built afterwards.

use crate::base::blocking::blocking;
use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::join_all;

use super::{
    journal::Journal,
    sources::{Source, Sources},
};
use crate::{
    base::{
        clean,
        context::Context,
        error::{During, Error, Kind, Result},
    },
    config::{Config, ConfigEntry, SourceChoice},
    image::model::Health,
    ports::SourceChoices,
};

/// The longest name of a source, in characters, as configuration files take it.
const LONGEST: usize = 60;

/// Makes an entry of each type for which a typed address may be one; contacts nobody but this machine.
pub type EntriesFromAddress = Arc<dyn Fn(&str) -> Vec<ConfigEntry> + Send + Sync>;

/// Makes the source of an entry, as a portal that is built with it would have it. Contacts nobody.
pub type MakeSource = Box<dyn Fn(&ConfigEntry) -> Result<Source> + Send + Sync>;

/// What adapters hand over for adding sources.
pub struct AddingParts {
    /// Makes entries of a typed address.
    pub entries: EntriesFromAddress,
    /// Makes a source of an entry, to try it.
    pub make: MakeSource,
    /// Keeps what was chosen.
    pub choices: Arc<dyn SourceChoices>,
}

/// What an address turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The entry that would be kept.
    pub entry: ConfigEntry,
    /// The address of its source, in words.
    pub address: String,
    /// What it answered.
    pub answer: TrialAnswer,
}

/// What a source that is tried answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialAnswer {
    /// It works: the account in use, and what it tells of itself.
    Works(Health),
    /// It is there and wants a sign-in first: the reason in words.
    WantsSignIn(String),
}

impl Trial {
    /// What it is and who the person is there, as one sentence.
    pub fn describe(&self) -> String {
        let kind = clean::short(&self.entry.kind, 40);
        match &self.answer {
            TrialAnswer::Works(health) => {
                let who = match health.account.as_str() {
                    "" => String::new(),
                    account => format!(", as {}", clean::short(account, 60)),
                };
                let note = if health.note.is_empty() { String::new() } else { format!(" ({})", health.note) };
                format!("{} answers as {kind}{who}{note}", self.address)
            }
            TrialAnswer::WantsSignIn(why) => format!("{} is there as {kind}, but {why}", self.address),
        }
    }
}

/// A person's own choices about sources.
pub struct OwnSources {
    config: Arc<Config>,
    sources: Arc<Sources>,
    journal: Arc<Journal>,
    parts: AddingParts,
}

impl OwnSources {
    /// Choices beside this configuration, tried and kept with these parts.
    pub(super) fn new(config: Arc<Config>, sources: Arc<Sources>, journal: Arc<Journal>, parts: AddingParts) -> Self {
        Self { config, sources, journal, parts }
    }

    /// The entries of the sources that were added, in the order of the lists.
    pub fn added(&self) -> Vec<&ConfigEntry> {
        let added = |entry: &&ConfigEntry| self.config.added.contains(&entry.name);
        self.config.sources.iter().filter(added).collect()
    }

    /// Tries an address that was typed: a registry, a folder, or the name of a cloud. Everything that it may be is asked
    /// at the same time, each with the deadline of `cx`; of what answers, the type counts that tells most. Keeps nothing.
    ///
    /// # Errors
    /// [`Kind::Usage`] for words that are no address, and for what is a source already; else why nothing answered.
    pub async fn try_address(&self, cx: &Context, typed: &str) -> Result<Trial> {
        let typed = typed.trim();
        if typed.contains('@') {
            // The address may hold a password, so it is not repeated.
            return Err(Error::usage("add a source", "an address holds no account and no password")
                .hint("leave them out, and sign in afterwards (i)"));
        }
        let what = format!("add {}", clean::short(typed, 80));
        let (entries, words) = (self.parts.entries.clone(), typed.to_owned());
        // Whether an address of this machine speaks TLS is tried out, which blocks.
        let entries = blocking(move || entries(&words)).await.during(&what)?;
        let mut made = Vec::new();
        for mut entry in entries {
            entry.name = self.free_name(&entry.name);
            let source = (self.parts.make)(&entry).map_err(|error| error.during(&what))?;
            made.push((entry, source));
        }
        if made.is_empty() {
            return Err(Error::usage(what, "it is neither the address of a registry, nor a folder, nor a cloud here")
                .hint("write it like registry.example.org, /srv/images, or as clouds.yaml names the cloud"));
        }
        if let Some(known) = made.iter().find_map(|(_, source)| self.same(source)) {
            let error = Error::usage(what, format!("it is a source here already: {}", known.name));
            let hidden = self.config.hidden.contains(&known.name);
            return Err(if hidden { error.hint("it is left out of lists: d in Sources shows it") } else { error });
        }
        let asked = made.iter().map(|(_, source)| async { cx.run(&what, source.catalog.health(cx)).await });
        let answers = join_all(asked).await;
        chosen(made.into_iter().zip(answers).collect()).map_err(|error| error.during(what))
    }

    /// The source that is the same place as this one, whatever it is called.
    fn same(&self, one: &Source) -> Option<&Source> {
        let address = |source: &Source| source.address.trim_end_matches('/').to_owned();
        let registry = one.abilities.registry();
        self.sources.all().iter().find(|known| {
            (registry.is_some() && known.abilities.registry() == registry)
                || (known.adapter == one.adapter && address(known) == address(one))
        })
    }

    /// A name that no other source or backend has, made of the given one.
    fn free_name(&self, name: &str) -> String {
        let name = readable_name(name);
        let taken: BTreeSet<&str> = self.sources.all().iter().map(|source| source.name.as_str()).collect();
        let is_taken = |name: &str| taken.contains(name) || self.config.names(name);
        if !is_taken(&name) {
            return name;
        }
        let numbered = (2..1000).map(|number| format!("{name}-{number}")).find(|name| !is_taken(name));
        numbered.unwrap_or(name)
    }

    /// Keeps a source that was tried.
    ///
    /// # Errors
    /// Those of [`SourceChoice::applied_to`], and why the file cannot be written.
    pub async fn add(&self, entry: ConfigEntry) -> Result<()> {
        let address = entry.text("url").or_else(|| entry.text("cloud")).unwrap_or_default();
        let subject = format!("{} {}", entry.name, clean::short(address, 200)).trim_end().to_owned();
        self.keep(SourceChoice::Add(entry), subject).await
    }

    /// Removes a source that was added. Its images stay where they are, and so does a kept account.
    ///
    /// # Errors
    /// As for [`add`](Self::add); [`Kind::NotFound`] for a source that was not added.
    pub async fn remove(&self, name: &str) -> Result<()> {
        self.keep(SourceChoice::Remove(name.to_owned()), name.to_owned()).await
    }

    /// Leaves a source out of lists, or shows it in them again.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for hiding what is no source here; and as for [`add`](Self::add).
    pub async fn set_hidden(&self, name: &str, hidden: bool) -> Result<()> {
        if hidden {
            self.sources.called(name)?;
        }
        let choice = if hidden { SourceChoice::Hide(name.to_owned()) } else { SourceChoice::Show(name.to_owned()) };
        self.keep(choice, name.to_owned()).await
    }

    async fn keep(&self, choice: SourceChoice, subject: String) -> Result<()> {
        let (choices, what) = (self.parts.choices.clone(), format!("{} {subject}", choice.verb()));
        let entry = self.journal.entry(choice.verb(), subject);
        let work = blocking(move || choices.keep_choice(&choice));
        self.journal.recorded(entry, async { work.await.during(what)? }).await
    }
}

/// What a source is, of all that an address may be: the last that works, because a type that adds something to another
/// one comes after it; else the first that wants a sign-in.
fn chosen(tried: Vec<((ConfigEntry, Source), Result<Health>)>) -> Result<Trial> {
    let mut refused = None;
    let mut failed = None;
    let mut works = None;
    for ((entry, source), answer) in tried {
        let address = source.address;
        match answer {
            Ok(health) => works = Some(Trial { entry, address, answer: TrialAnswer::Works(health) }),
            Err(error) if error.kind == Kind::NotAllowed && error.sign_in.is_some() => {
                refused.get_or_insert(Trial { entry, address, answer: TrialAnswer::WantsSignIn(error.why) });
            }
            Err(error) => {
                failed.get_or_insert(error);
            }
        }
    }
    let nothing = || Error::failed("add a source", "nothing was tried");
    works.or(refused).ok_or_else(|| failed.unwrap_or_else(nothing))
}

/// A name as files and commands take it, made of any text: what may not be in one becomes a hyphen.
fn readable_name(text: &str) -> String {
    let odd = |c: char| c.is_whitespace() || matches!(c, '/' | ':' | '@' | '\u{fffd}');
    let clean = clean::line(text);
    let name: String = clean.chars().map(|c| if odd(c) { '-' } else { c }).take(LONGEST - 4).collect();
    match name.trim_matches('-') {
        "" => "added".to_owned(),
        name => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_made_of_any_address() {
        assert_eq!(readable_name("registry.example.org"), "registry.example.org");
        assert_eq!(readable_name("localhost:5000"), "localhost-5000");
        assert_eq!(readable_name("/srv/my images/"), "srv-my-images");
        assert_eq!(readable_name("--"), "added");
        assert!(readable_name(&"x".repeat(100)).len() < LONGEST, "a number still fits behind it");
    }
}
