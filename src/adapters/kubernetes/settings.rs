//! The settings of a cluster, and the contexts of a person's kubeconfig.

use std::path::{Path, PathBuf};

use kube::config::Kubeconfig;
use serde::Deserialize;

use crate::shared::settings::{self, AdapterEntry};
use wharf_core::{
    base::{
        clean,
        error::{Error, Result},
    },
    config::ConfigEntry,
};

/// The most contexts that are offered: each of them is a backend.
const MOST: usize = 50;
/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 << 20;

/// The settings of one cluster.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Settings {
    /// The context of the kubeconfig; empty for its current one.
    pub context: String,
    /// The kubeconfig; without it `KUBECONFIG`, or `~/.kube/config`.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace; empty for that of the context.
    pub namespace: String,
    /// Whether the images that run there are listed among all others; by default they are.
    pub images: Option<bool>,
    /// What tells two entries apart.
    #[serde(skip)]
    place: String,
}

impl settings::Settings for Settings {
    fn address(&self) -> &str {
        &self.place
    }

    fn files(&self) -> Vec<(&'static str, &PathBuf)> {
        self.kubeconfig.iter().map(|file| ("kubeconfig", file)).collect()
    }

    fn wrong(&self) -> Option<(&'static str, String)> {
        let odd = !self.namespace.is_empty() && !is_name(&self.namespace);
        odd.then(|| ("namespace", "a namespace has lower-case letters, digits and '-'".to_owned()))
    }

    fn resolve(&mut self, written: &ConfigEntry) {
        settings::resolve(written, [&mut self.kubeconfig]);
        self.place = self.key();
    }
}

impl Settings {
    fn key(&self) -> String {
        let file = self.kubeconfig.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
        format!("{file} {} {}", self.context, self.namespace)
    }

    /// The kubeconfig that these settings name, or that of this person.
    ///
    /// # Errors
    /// What cannot be read, with the file.
    pub(super) fn read(&self) -> Result<Kubeconfig> {
        match &self.kubeconfig {
            Some(file) => read(file),
            None => merged(&files()),
        }
    }
}

/// Whether this is a name that Kubernetes gives to objects (RFC 1123: a subdomain).
pub(super) fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253 && text.chars().all(inside) && text.starts_with(edge) && text.ends_with(edge)
}

/// The files of `KUBECONFIG`, or the usual one, that are there.
fn files() -> Vec<PathBuf> {
    let named = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let all: Vec<PathBuf> = match named {
        Some(named) => std::env::split_paths(&named).collect(),
        None => std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".kube/config")).into_iter().collect(),
    };
    all.into_iter().filter(|file| file.is_file()).collect()
}

fn read(file: &Path) -> Result<Kubeconfig> {
    let what = format!("read {}", file.display());
    if file.metadata().is_ok_and(|meta| !meta.is_file() || meta.len() > LARGEST) {
        return Err(Error::failed(what, "it is no file of less than 16 MiB"));
    }
    Kubeconfig::read_from(file).map_err(|error| {
        Error::failed(what, clean::short(&error.to_string(), 300)).hint("'kubectl config view' says what is wrong")
    })
}

fn merged(files: &[PathBuf]) -> Result<Kubeconfig> {
    let mut all = Kubeconfig::default();
    for file in files {
        let more = read(file)?;
        all = all.merge(more).map_err(|error| {
            Error::failed(format!("read {}", file.display()), clean::short(&error.to_string(), 300))
        })?;
    }
    Ok(all)
}

/// A context's name as the name of a backend: one word, of what follows the last slash.
fn word(context: &str) -> String {
    let last = context.rsplit('/').find(|part| !part.is_empty()).unwrap_or(context);
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let word: String = last.chars().map(plain).take(40).collect();
    let word = word.trim_matches('-');
    if word.is_empty() { "kubernetes".to_owned() } else { word.to_owned() }
}

/// The contexts of the person's kubeconfig, the current one first.
///
/// # Errors
/// Those of reading it.
pub(super) fn discover() -> Result<Vec<AdapterEntry<Settings>>> {
    let files = files();
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let config = merged(&files)?;
    let origin = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>().join(", ");
    let mut names: Vec<&str> = config.contexts.iter().map(|context| context.name.as_str()).collect();
    names.sort_by_key(|name| Some(*name) != config.current_context.as_deref());
    let mut found: Vec<AdapterEntry<Settings>> = Vec::new();
    for name in names.into_iter().take(MOST) {
        let base = word(name);
        let is_taken = |word: &str| found.iter().any(|one| one.name == word);
        let free = std::iter::once(base.clone()).chain((2..100).map(|number| format!("{base}-{number}")));
        let Some(name_here) = free.into_iter().find(|word| !is_taken(word)) else { continue };
        // Contexts are often many, and some lead nowhere: the images of the current one are listed by themselves.
        let images = Some(config.current_context.as_deref() == Some(name));
        let mut settings = Settings { context: name.to_owned(), images, ..Settings::default() };
        settings.place = settings.key();
        found.push(AdapterEntry { name: name_here, origin: format!("a context of {origin}"), settings });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_context_becomes_one_word() {
        for (context, name) in [
            ("lab", "lab"),
            ("gke_site_europe-west1_prod", "gke_site_europe-west1_prod"),
            ("arn:aws:eks:eu-west-1:123456:cluster/prod", "prod"),
            ("default/api-site-example:6443/ada", "ada"),
            ("my own cluster", "my-own-cluster"),
            ("\u{1b}[31m", "31m"),
            ("///", "kubernetes"),
        ] {
            assert_eq!(word(context), name);
        }
    }

    #[test]
    fn names_of_objects_are_those_of_rfc_1123() {
        for good in ["a", "physics", "blast-1a2b", "a.b", "1"] {
            assert!(is_name(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a/b", "a?b", "a b", "..", "a\n", "é", &"a".repeat(254)] {
            assert!(!is_name(bad), "{bad}");
        }
    }
}
