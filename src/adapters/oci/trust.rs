//! How registries are contacted: which use plain http, and which are blocked (containers-registries.conf(5);
//! `daemon.json`).

use std::path::Path;

use serde::Deserialize;

use super::registries::{Entry, entries};
use wharf_core::base::error::{Error, Kind, Result};
use wharf_core::base::small_file;

/// Fails if one of these entries blocks `host/repository` (or `host`).
pub(super) fn check(all: &[Entry], name: &str, what: &str) -> Result<()> {
    match blocked(all, name) {
        None => Ok(()),
        Some(file) => Err(Error::new(Kind::NotAllowed, what, format!("{name} is blocked by {}", file.display()))
            .hint("this machine's administrators decided so: ask them")),
    }
}

/// The file of the entry that blocks `host/repository` (or `host`), if one does.
pub(super) fn blocked<'a>(all: &'a [Entry], name: &str) -> Option<&'a Path> {
    Entry::longest_match(all, name).filter(|entry| entry.blocked).map(|entry| entry.file.as_path())
}

/// How a registry is contacted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ContactMode {
    /// With TLS and a verified certificate.
    Tls,
    /// With TLS, without verifying the certificate, because a configuration says so.
    Unchecked,
    /// With plain http, without encryption.
    Plain,
}

/// How to contact a registry: with TLS, unless Docker's or Podman's files or an `insecure` entry say otherwise. `here`:
/// whether this machine's own addresses may be tried.
pub(super) fn manner(host: &str, insecure: bool, here: bool) -> ContactMode {
    if insecure || is_plain(host) {
        // "Unencrypted HTTP as well as TLS connections with untrusted certificates are allowed."
        return if tried::speaks_tls(host) { ContactMode::Unchecked } else { ContactMode::Plain };
    }
    if here && is_plain_here(host) { ContactMode::Plain } else { ContactMode::Tls }
}

/// Whether Docker's or Podman's configuration says that this registry uses plain http.
pub(super) fn is_plain(host: &str) -> bool {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    struct Daemon {
        insecure_registries: Vec<String>,
    }
    let docker = || {
        small_file::bytes("/etc/docker/daemon.json")
            .ok()
            .and_then(|text| serde_json::from_slice::<Daemon>(&text).ok())
            .unwrap_or_default()
    };
    let all = entries();
    let written =
        all.iter().find(|entry| entry.prefix == host || entry.location == host).or(Entry::longest_match(&all, host));
    match written {
        Some(entry) => entry.insecure,
        None => docker().insecure_registries.iter().any(|entry| entry == host),
    }
}

/// Whether a registry is at this machine's own address, so that what is sent to it stays here.
pub(super) fn is_here(host: &str) -> bool {
    tried::address(host).is_some()
}

/// Like [`is_plain`], and true for a registry on this machine's own address that speaks only plain http, which engines
/// use without asking. That is tried out only by a person's program, never by a steward.
fn is_plain_here(host: &str) -> bool {
    is_plain(host) || (Entry::longest_match(&entries(), host).is_none() && tried::is_plain(host))
}

/// Trying out whether a registry speaks TLS or plain http.
mod tried {
    use std::{
        collections::BTreeMap,
        io::{Read, Write},
        net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs},
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    /// Short, because the registry is on this machine or nearby.
    const PATIENCE: Duration = Duration::from_millis(700);

    pub(super) fn address(host: &str) -> Option<SocketAddr> {
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

    /// The results of this run, by host.
    static PLAIN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    static TLS: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

    /// Whether the registry is there and answers plain http; tried once for each host.
    pub(super) fn is_plain(host: &str) -> bool {
        let Some(address) = address(host) else { return false };
        let mut tried = PLAIN.lock().unwrap_or_else(PoisonError::into_inner);
        *tried.entry(host.to_owned()).or_insert_with(|| {
            let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            // A server that requires TLS also answers plain http, with an error.
            let head = ask(address, request.as_bytes());
            head.is_ok_and(|head| head.starts_with(b"HTTP/1.") && !head[8..].starts_with(b" 400"))
        })
    }

    /// Whether the registry answers TLS; tried once for each host. A server answers this greeting with an alert (RFC
    /// 8446, section 6).
    pub(super) fn speaks_tls(host: &str) -> bool {
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:443")
        };
        let mut tried = TLS.lock().unwrap_or_else(PoisonError::into_inner);
        *tried.entry(host.to_owned()).or_insert_with(|| {
            let address = with_port.to_socket_addrs().ok().and_then(|mut all| all.next());
            // The empty lines make a server of plain http answer at once.
            let head = address.map(|address| ask(address, b"\x16\x03\x01\x00\x04\x00\x00\x00\x00\r\n\r\n"));
            head.is_some_and(|head| head.is_ok_and(|head| matches!(head.first(), Some(0x15 | 0x16))))
        })
    }

    /// The first bytes of the answer to these bytes.
    fn ask(address: SocketAddr, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.write_all(bytes)?;
        let mut head = [0; 512];
        let count = stream.read(&mut head)?;
        Ok(head[..count].to_vec())
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
