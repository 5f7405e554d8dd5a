//! Addresses of registries as people type them.

use super::http::{Origin, address};
use wharf_core::{
    config::ConfigEntry,
    image::reference::{DOCKER_HUB, is_repository},
};

/// Other names of Docker Hub, under which its pages and its registry are.
const HUB_NAMES: [&str; 4] = ["hub.docker.com", "www.docker.com", "index.docker.io", "registry-1.docker.io"];

/// A registry whose address somebody typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedRegistry {
    /// `host[:port]`, as references name it.
    pub host: String,
    /// `http` or `https`, if it was typed.
    pub scheme: Option<&'static str>,
    /// A repository there, if one was typed behind the host.
    pub repository: Option<String>,
}

impl TypedRegistry {
    /// Reads an address: `host[:port]`, a URL of one of its pages, or a reference of an image there. `None` for words that
    /// name no host, such as a path or a single word.
    pub fn parse(typed: &str) -> Option<Self> {
        let (scheme, bare) = match typed.split_once("://") {
            Some(("https", bare)) => (Some("https"), bare),
            Some(("http", bare)) => (Some("http"), bare),
            Some(("oci", bare)) => (None, bare),
            Some(_) => return None,
            None => (None, typed),
        };
        let first = bare.split('/').next().unwrap_or_default();
        let names_host = scheme.is_some() || first == "localhost" || first.contains(['.', ':']);
        if !names_host || first.starts_with(['.', '~', '-']) || bare.contains(char::is_whitespace) {
            return None;
        }
        // Without its scheme, the usual port of http would be lost.
        let written = format!("{}://{bare}", scheme.unwrap_or("https"));
        let host = Origin::from_url(&address(&written).ok()?)?.host_and_port();
        let host = if HUB_NAMES.contains(&host.as_str()) { DOCKER_HUB.to_owned() } else { host };
        let path = bare.split_once('/').map_or("", |(_, path)| path.trim_end_matches('/'));
        let path = path.split('@').next().unwrap_or(path);
        let name = path.rsplit_once(':').map_or(path, |(name, _)| name);
        // Behind https:// stands the path of a page, not a name.
        let repository = Some(name.to_owned()).filter(|name| scheme.is_none() && is_repository(name));
        Some(Self { host, scheme, repository })
    }

    /// The entry for it, with `scheme` where none was typed.
    pub fn entry(&self, scheme: &str) -> ConfigEntry {
        let url = format!("{}://{}", self.scheme.unwrap_or(scheme), self.host);
        ConfigEntry::new(&self.host, "", "typed", toml::Table::from_iter([("url".to_owned(), url.into())]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(typed: &str) -> Option<(String, Option<&'static str>, Option<String>)> {
        TypedRegistry::parse(typed).map(|found| (found.host, found.scheme, found.repository))
    }

    #[test]
    fn hosts_pages_and_references_name_a_registry() {
        let host = |host: &str| Some((host.to_owned(), None, None));
        assert_eq!(read("registry.example.org"), host("registry.example.org"));
        assert_eq!(read("localhost:5000"), host("localhost:5000"));
        assert_eq!(read("[::1]:5000"), host("[::1]:5000"));
        assert_eq!(read("hub.docker.com"), host("docker.io"));
        let page = read("https://harbor.example.org/harbor/projects");
        assert_eq!(page, Some(("harbor.example.org".into(), Some("https"), None)));
        assert_eq!(read("http://10.0.0.1"), Some(("10.0.0.1".into(), Some("http"), None)));
        let image = read("ghcr.io/physics/gromacs:2024");
        assert_eq!(image, Some(("ghcr.io".into(), None, Some("physics/gromacs".into()))));
    }

    #[test]
    fn paths_and_words_are_no_registry() {
        for typed in
            ["", "cloud1", "/srv/images", "./images", "../images", "~/images", "ftp://r.example", "a b.example"]
        {
            assert_eq!(read(typed), None, "{typed}");
        }
    }
}
