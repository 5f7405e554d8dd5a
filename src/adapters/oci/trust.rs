//! What Docker's and Podman's own files say of registries: which are on plain http, and which a site has blocked
//! (containers-registries.conf(5), version 2; `daemon.json`).
//!
//! Mirrors, rewritten locations and aliases of short names are not followed: an image is asked for where its name says.

use std::path::{Path, PathBuf};

use serde::Deserialize;

fn home(rest: &str) -> PathBuf {
    std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default().join(rest)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Registries {
    registry: Vec<Written>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    location: String,
    prefix: String,
    insecure: bool,
    blocked: bool,
}

/// One entry, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What references begin with that it is for: `host[:port][/path]`, or `*.domain`.
    pub prefix: String,
    /// Where it is: the same, unless it is written otherwise.
    pub location: String,
    /// Whether it is on plain http, or shows a certificate that nobody knows.
    pub insecure: bool,
    /// Whether it must not be used.
    pub blocked: bool,
    /// The file.
    pub file: PathBuf,
}

impl Entry {
    /// How much of a name it is for; `None` if the name is of another.
    fn fit(&self, name: &str) -> Option<usize> {
        let rest = match self.prefix.strip_prefix("*.") {
            // `*.example.com` is every host below, and what is in it.
            Some(domain) => {
                let host = name.split('/').next().unwrap_or_default();
                let host = host.split(':').next().unwrap_or_default();
                return host.strip_suffix(domain)?.ends_with('.').then_some(self.prefix.len());
            }
            None => name.strip_prefix(self.prefix.as_str())?,
        };
        (rest.is_empty() || rest.starts_with(['/', ':', '@'])).then_some(self.prefix.len())
    }
}

/// The files that Podman reads, each later one counting before those that come first: the one of `CONTAINERS_REGISTRIES_CONF`,
/// else one's own, else the system's; then the folders of drop-ins, each in the order of its names.
fn files() -> Vec<PathBuf> {
    let named = std::env::var_os("CONTAINERS_REGISTRIES_CONF").filter(|name| !name.is_empty()).map(PathBuf::from);
    let own = Some(home(".config/containers/registries.conf")).filter(|path| path.is_file());
    let first = named.or(own).unwrap_or_else(|| "/etc/containers/registries.conf".into());
    let drop_ins = |folder: PathBuf| {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "conf"))
            .collect();
        files.sort();
        files
    };
    let folders = ["/etc/containers/registries.conf.d".into(), home(".config/containers/registries.conf.d")];
    std::iter::once(first).chain(folders.into_iter().flat_map(drop_ins)).collect()
}

fn read(file: &Path) -> Result<Vec<Entry>, String> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let registries: Registries = toml::from_str(&text).map_err(|error| error.message().to_owned())?;
    let entry = |written: Written| {
        let prefix = if written.prefix.is_empty() { written.location.clone() } else { written.prefix };
        let location = if written.location.is_empty() { prefix.clone() } else { written.location };
        let (prefix, location) = (prefix.trim_end_matches('/').to_owned(), location.trim_end_matches('/').to_owned());
        let (insecure, blocked) = (written.insecure, written.blocked);
        (!prefix.is_empty()).then(|| Entry { prefix, location, insecure, blocked, file: file.to_owned() })
    };
    Ok(registries.registry.into_iter().filter_map(entry).collect())
}

/// All entries: of one prefix that of the file that counts most.
pub fn entries() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    for file in files() {
        for entry in read(&file).unwrap_or_default() {
            all.retain(|known| known.prefix != entry.prefix || known.file == entry.file);
            all.push(entry);
        }
    }
    all
}

/// Files that are there and cannot be read, and why.
pub fn broken() -> Vec<(PathBuf, String)> {
    files().into_iter().filter_map(|file| read(&file).err().map(|why| (file, why))).collect()
}

/// The entry for `host/repository`: the one with the longest prefix.
fn entry_for<'a>(all: &'a [Entry], name: &str) -> Option<&'a Entry> {
    all.iter()
        .filter_map(|entry| Some((entry.fit(name)?, entry)))
        .max_by_key(|(length, _)| *length)
        .map(|(_, entry)| entry)
}

/// The file that blocks what is named `host/repository` (or `host`), if one of these entries does.
pub fn blocked<'a>(all: &'a [Entry], name: &str) -> Option<&'a Path> {
    entry_for(all, name).filter(|entry| entry.blocked).map(|entry| entry.file.as_path())
}

/// Whether a person wrote down, for Docker or Podman, that this registry is on plain http.
pub fn is_plain(host: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Daemon {
        insecure_registries: Vec<String>,
    }
    let docker = || {
        std::fs::read("/etc/docker/daemon.json")
            .ok()
            .and_then(|text| serde_json::from_slice::<Daemon>(&text).ok())
            .unwrap_or_default()
    };
    let all = entries();
    let written = all.iter().find(|entry| entry.prefix == host || entry.location == host).or(entry_for(&all, host));
    match written {
        Some(entry) => entry.insecure,
        None => docker().insecure_registries.iter().any(|entry| entry == host),
    }
}

/// The same, or it is at this machine's own address and speaks nothing else, as engines take it without a word. That is
/// tried out: a person's program may, a steward's goes nowhere that a request names.
pub fn is_plain_here(host: &str) -> bool {
    is_plain(host) || (entry_for(&entries(), host).is_none() && loopback::is_plain(host))
}

/// What listens at this machine's own addresses.
mod loopback {
    use std::{
        collections::BTreeMap,
        io::{Read, Write},
        net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream},
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    /// Nothing on the way takes time.
    const PATIENCE: Duration = Duration::from_millis(700);

    fn address(host: &str) -> Option<SocketAddr> {
        let (name, port) = match host.rsplit_once(':') {
            Some((name, port)) if !name.ends_with(':') => (name, port.parse().ok()?),
            _ => (host, 80),
        };
        let ip = match name {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            name => name.trim_matches(['[', ']']).parse().ok()?,
        };
        ip.is_loopback().then(|| SocketAddr::new(ip, port))
    }

    /// What was found in this run.
    static TRIED: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

    /// Whether it is there and answers in plain http. It is tried once.
    pub(super) fn is_plain(host: &str) -> bool {
        let Some(address) = address(host) else { return false };
        let mut tried = TRIED.lock().unwrap_or_else(PoisonError::into_inner);
        *tried.entry(host.to_owned()).or_insert_with(|| try_out(host, address))
    }

    /// A server that wants TLS says so in plain http, too.
    fn try_out(host: &str, address: SocketAddr) -> bool {
        let ask = || -> std::io::Result<Vec<u8>> {
            let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            stream.set_write_timeout(Some(PATIENCE))?;
            write!(stream, "GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
            let mut head = [0; 512];
            let count = stream.read(&mut head)?;
            Ok(head[..count].to_vec())
        };
        ask().is_ok_and(|head| head.starts_with(b"HTTP/1.") && !head[8..].starts_with(b" 400"))
    }

    #[cfg(test)]
    mod tests {
        #[test]
        fn only_addresses_of_this_machine_are_tried() {
            for own in ["localhost:5000", "127.0.0.1:5000", "127.8.9.1:1", "[::1]:5000", "localhost"] {
                assert!(super::address(own).is_some(), "{own}");
            }
            for other in
                ["r.example:5000", "192.0.2.1:5000", "localhost.example:1", "127.0.0.1.example", "[2001:db8::1]:5"]
            {
                assert!(super::address(other).is_none(), "{other}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(prefix: &str) -> Entry {
        Entry { prefix: prefix.into(), location: prefix.into(), insecure: false, blocked: true, file: PathBuf::new() }
    }

    #[test]
    fn the_longest_prefix_that_ends_where_a_part_of_the_name_ends_is_taken() {
        let all = ["r.example", "r.example/a", "r.example:5000", "*.wild.example"].map(entry);
        let found = |name: &str| entry_for(&all, name).map(|entry| entry.prefix.clone());
        assert_eq!(found("r.example/a/b").as_deref(), Some("r.example/a"));
        assert_eq!(found("r.example/ab").as_deref(), Some("r.example"));
        assert_eq!(found("r.example:5000/a").as_deref(), Some("r.example:5000"));
        assert_eq!(found("r.example.org/a"), None);
        assert_eq!(found("x.wild.example/a").as_deref(), Some("*.wild.example"));
        assert_eq!(found("y.x.wild.example:5000").as_deref(), Some("*.wild.example"));
        assert_eq!(found("wild.example/a"), None);
    }
}
