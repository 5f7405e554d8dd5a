//! Podman's settings of registries (containers-registries.conf(5)): which files are read, and what they say.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use wharf_core::base::small_file;
use wharf_core::image::short_names::{Mode, ShortNames};

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct RegistryToml {
    registry: Vec<Registry>,
    unqualified_search_registries: Option<Vec<String>>,
    short_name_mode: String,
    aliases: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Registry {
    location: String,
    prefix: String,
    insecure: bool,
    blocked: bool,
    mirror: Vec<MirrorToml>,
    mirror_by_digest_only: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct MirrorToml {
    location: String,
    insecure: bool,
    pull_from_mirror: String,
}

/// A `[[registry]]` entry, and the file that it is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The beginning of the names that it is for: `host[:port][/path]`, or `*.domain`.
    pub prefix: String,
    /// What replaces the prefix for pulling; empty if nothing does.
    pub location: String,
    /// Whether the registry uses plain http or a certificate that cannot be verified.
    pub insecure: bool,
    /// Whether pulling from it is forbidden.
    pub blocked: bool,
    /// The mirrors that are asked before it, in their order.
    pub mirrors: Vec<Mirror>,
    /// The file that holds the entry.
    pub file: PathBuf,
}

/// A mirror of an entry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mirror {
    /// What replaces the entry's prefix.
    pub location: String,
    /// Whether the mirror uses plain http or a certificate that cannot be verified.
    pub insecure: bool,
    /// Whether it is asked for images that are named by tag.
    pub tags: bool,
    /// Whether it is asked for images that are named by digest.
    pub digests: bool,
}

impl Entry {
    /// How many bytes of `host/repository[:tag][@digest]` the prefix covers; `None` if it does not fit.
    pub(super) fn fit(&self, name: &str) -> Option<usize> {
        let end = match self.prefix.strip_prefix('*') {
            // `*.example.com` fits every host below that domain, with all its repositories.
            Some(domain) => {
                let host = name.split('/').next().unwrap_or_default();
                let host = host.split([':', '@']).next().unwrap_or_default();
                host.strip_suffix(domain).filter(|below| !below.is_empty())?;
                host.len()
            }
            None => name.strip_prefix(self.prefix.as_str()).map(|_| self.prefix.len())?,
        };
        let rest = name.get(end..)?;
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(end)
    }

    /// The entry with the longest prefix that fits the name.
    pub(super) fn longest_match<'a>(all: &'a [Self], name: &str) -> Option<&'a Self> {
        all.iter().filter(|entry| entry.fit(name).is_some()).max_by_key(|entry| entry.prefix.len())
    }
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn below(named: &str, home: &str) -> PathBuf {
    variable(named).unwrap_or_else(|| variable("HOME").unwrap_or_default().join(home)).join("containers")
}

/// The `.conf` files of these folders, sorted by name; of equal names that in the first folder.
fn drop_ins(folders: &[PathBuf]) -> Vec<PathBuf> {
    let mut found = BTreeMap::new();
    for folder in folders {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        for path in entries.filter(|path| path.extension().is_some_and(|ending| ending == "conf")) {
            found.entry(path.file_name().map(ToOwned::to_owned)).or_insert(path);
        }
    }
    found.into_values().collect()
}

/// The files in order; later ones override earlier ones.
fn files() -> Vec<PathBuf> {
    let own = below("XDG_CONFIG_HOME", ".config");
    let (etc, vendor) = (PathBuf::from("/etc/containers"), PathBuf::from("/usr/share/containers"));
    let mut files = match variable("CONTAINERS_REGISTRIES_CONF") {
        Some(named) => vec![named],
        None => {
            let first = [&own, &etc, &vendor].map(|folder| folder.join("registries.conf"));
            let first = first.into_iter().find(|path| path.is_file());
            let user = rustix::process::getuid();
            let of = |folder: &Path| {
                let who = if user.is_root() {
                    vec![folder.join("registries.rootful.conf.d")]
                } else {
                    let all = folder.join("registries.rootless.conf.d");
                    vec![all.join(user.as_raw().to_string()), all]
                };
                [who, vec![folder.join("registries.conf.d")]].concat()
            };
            let folders = [vec![own.join("registries.conf.d")], of(&etc), of(&vendor)].concat();
            first.into_iter().chain(drop_ins(&folders)).collect()
        }
    };
    files.extend(variable("CONTAINERS_REGISTRIES_CONF_OVERRIDE"));
    files
}

/// The file in which Podman notes which registry a person chose for a short name.
fn chosen_file() -> PathBuf {
    if rustix::process::getuid().is_root() {
        "/var/cache/containers/short-name-aliases.conf".into()
    } else {
        below("XDG_CACHE_HOME", ".cache").join("short-name-aliases.conf")
    }
}

fn read(file: &Path) -> Result<RegistryToml, String> {
    match small_file::text(file) {
        Ok(text) => toml::from_str(&text).map_err(|error| error.message().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(RegistryToml::default()),
        Err(error) => Err(error.to_string()),
    }
}

fn mirror(written: &MirrorToml, digests_only: bool) -> Option<Mirror> {
    let (tags, digests) = match written.pull_from_mirror.as_str() {
        _ if digests_only => (false, true),
        "" | "all" => (true, true),
        "digest-only" => (false, true),
        "tag-only" => (true, false),
        _ => return None,
    };
    let location = written.location.trim_end_matches('/').to_owned();
    (!location.is_empty()).then_some(Mirror { location, insecure: written.insecure, tags, digests })
}

fn entry(written: &Registry, file: &Path) -> Option<Entry> {
    let location = written.location.trim_end_matches('/').to_owned();
    let prefix = written.prefix.trim_end_matches('/');
    let prefix = if prefix.is_empty() { location.clone() } else { prefix.to_owned() };
    let mirrors = written.mirror.iter().filter_map(|one| mirror(one, written.mirror_by_digest_only)).collect();
    let (insecure, blocked, file) = (written.insecure, written.blocked, file.to_owned());
    (!prefix.is_empty()).then_some(Entry { prefix, location, insecure, blocked, mirrors, file })
}

/// All entries; if files have the same prefix, that of the last file is used.
pub(super) fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for file in files() {
        for entry in read(&file).unwrap_or_default().registry.iter().filter_map(|written| entry(written, &file)) {
            all.retain(|known| known.prefix != entry.prefix || known.file == entry.file);
            all.push(entry);
        }
    }
    all
}

/// What short names mean on this machine.
pub fn short_names() -> ShortNames {
    let mut names = ShortNames::default();
    for file in files() {
        let written = read(&file).unwrap_or_default();
        names.search = written.unqualified_search_registries.unwrap_or(names.search);
        names.mode = match written.short_name_mode.as_str() {
            "enforcing" => Mode::Enforcing,
            "permissive" | "disabled" => Mode::InOrder,
            _ => names.mode,
        };
        names.aliases.extend(written.aliases);
    }
    names.aliases.extend(read(&chosen_file()).unwrap_or_default().aliases);
    // An empty alias removes that of another file.
    names.aliases.retain(|_, name| !name.is_empty());
    names
}

/// The files that exist but cannot be read, with the reasons.
pub(super) fn broken() -> Vec<(PathBuf, String)> {
    files().into_iter().filter_map(|file| read(&file).err().map(|why| (file, why))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_prefix_that_ends_where_a_part_of_the_name_ends_is_taken() {
        let all = ["r.example", "r.example/a", "r.example:5000", "*.wild.example", "r.example/a/b:1"]
            .map(|prefix| Entry { prefix: prefix.into(), ..Entry::default() });
        let found = |name: &str| Entry::longest_match(&all, name).map(|entry| entry.prefix.as_str());
        for (name, prefix) in [
            ("r.example/a/b", Some("r.example/a")),
            ("r.example/a/b:1", Some("r.example/a/b:1")),
            ("r.example/a/b:10", Some("r.example/a")),
            ("r.example/a@sha256:00", Some("r.example/a")),
            ("r.example/ab", Some("r.example")),
            ("r.example:5000/a", Some("r.example:5000")),
            ("r.example.org/a", None),
            ("x.wild.example/a", Some("*.wild.example")),
            ("y.x.wild.example:5000", Some("*.wild.example")),
            ("wild.example/a", None),
            (".wild.example/a", None),
            ("other.example/x.wild.example", None),
        ] {
            assert_eq!(found(name), prefix, "{name}");
        }
        assert_eq!(all[3].fit("y.wild.example:5000/a"), Some("y.wild.example".len()), "the port is left as it is");
    }

    #[test]
    fn mirrors_are_for_tags_for_digests_or_for_both() {
        let text = r#"
            [[registry]]
            location = "r.example/"
            [[registry.mirror]]
            location = "all.example/"
            [[registry.mirror]]
            location = "digests.example"
            pull-from-mirror = "digest-only"
            insecure = true
            [[registry.mirror]]
            location = "tags.example"
            pull-from-mirror = "tag-only"
            [[registry.mirror]]
            location = "odd.example"
            pull-from-mirror = "sometimes"
            [[registry]]
            prefix = "d.example"
            location = "r.example"
            mirror-by-digest-only = true
            [[registry.mirror]]
            location = "m.example"
            proxy = "http://proxy.example:1"
        "#;
        let written: RegistryToml = toml::from_str(text).unwrap();
        let entries: Vec<Entry> = written.registry.iter().filter_map(|one| entry(one, Path::new("f"))).collect();
        let of = |entry: &Entry| -> Vec<(String, bool, bool, bool)> {
            let one = |mirror: &Mirror| (mirror.location.clone(), mirror.tags, mirror.digests, mirror.insecure);
            entry.mirrors.iter().map(one).collect()
        };
        assert_eq!(
            of(&entries[0]),
            [
                ("all.example".to_owned(), true, true, false),
                ("digests.example".to_owned(), false, true, true),
                ("tags.example".to_owned(), true, false, false)
            ]
        );
        assert_eq!(of(&entries[1]), [("m.example".to_owned(), false, true, false)]);
        assert_eq!((entries[0].prefix.as_str(), entries[1].location.as_str()), ("r.example", "r.example"));
    }
}
