//! How registries are spoken to: which are on plain http, and which a site has blocked (containers-registries.conf(5);
//! `daemon.json`).

use std::path::Path;

use serde::Deserialize;

use super::registries::{Entry, entries};
use crate::core::base::error::{Error, Kind, Result};

/// An error where what is named `host/repository` (or `host`) is blocked by one of these entries.
pub fn check(all: &[Entry], name: &str, what: &str) -> Result<()> {
    match blocked(all, name) {
        None => Ok(()),
        Some(file) => Err(Error::new(Kind::NotAllowed, what, format!("{name} is blocked by {}", file.display()))
            .hint("whoever runs this machine has decided so: ask them")),
    }
}

/// The file that blocks what is named `host/repository` (or `host`), if one of these entries does.
pub fn blocked<'a>(all: &'a [Entry], name: &str) -> Option<&'a Path> {
    Entry::of(all, name).filter(|entry| entry.blocked).map(|entry| entry.file.as_path())
}

/// How a registry is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// With TLS.
    Tls,
    /// With TLS, whatever certificate it shows: somebody wrote that down.
    Unchecked,
    /// In plain http.
    Plain,
}

/// How to speak to a registry: with TLS, but where Docker's or Podman's files say otherwise, or an entry does that is
/// `insecure`. `here` is whether this machine's own addresses may be tried out.
pub fn manner(host: &str, insecure: bool, here: bool) -> Manner {
    if insecure || is_plain(host) {
        // "Unencrypted HTTP as well as TLS connections with untrusted certificates are allowed."
        return if tried::speaks_tls(host) { Manner::Unchecked } else { Manner::Plain };
    }
    if here && is_plain_here(host) { Manner::Plain } else { Manner::Tls }
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
    let written = all.iter().find(|entry| entry.prefix == host || entry.location == host).or(Entry::of(&all, host));
    match written {
        Some(entry) => entry.insecure,
        None => docker().insecure_registries.iter().any(|entry| entry == host),
    }
}

/// The same, or it is at this machine's own address and speaks nothing else, as engines take it without a word. That is
/// tried out: a person's program may, a steward's goes nowhere that a request names.
fn is_plain_here(host: &str) -> bool {
    is_plain(host) || (Entry::of(&entries(), host).is_none() && tried::is_plain(host))
}

/// What is tried out: whether a registry speaks TLS or plain http.
mod tried {
    use std::{
        collections::BTreeMap,
        io::{Read, Write},
        net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream, ToSocketAddrs},
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
    static PLAIN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    static TLS: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());

    /// Whether it is there and answers in plain http. It is tried once.
    pub(super) fn is_plain(host: &str) -> bool {
        let Some(address) = address(host) else { return false };
        let mut tried = PLAIN.lock().unwrap_or_else(PoisonError::into_inner);
        *tried.entry(host.to_owned()).or_insert_with(|| {
            let request = format!("GET /v2/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
            // A server that wants TLS says so in plain http, too.
            let head = ask(address, request.as_bytes());
            head.is_ok_and(|head| head.starts_with(b"HTTP/1.") && !head[8..].starts_with(b" 400"))
        })
    }

    /// Whether it answers in TLS. It is tried once: a server complains of this greeting with an alert (RFC 8446, section 6).
    pub(super) fn speaks_tls(host: &str) -> bool {
        let with_port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            host.to_owned()
        } else {
            format!("{host}:443")
        };
        let mut tried = TLS.lock().unwrap_or_else(PoisonError::into_inner);
        *tried.entry(host.to_owned()).or_insert_with(|| {
            let address = with_port.to_socket_addrs().ok().and_then(|mut all| all.next());
            // The empty lines are for a server of plain http, which then answers at once.
            let head = address.map(|address| ask(address, b"\x16\x03\x01\x00\x04\x00\x00\x00\x00\r\n\r\n"));
            head.is_some_and(|head| head.is_ok_and(|head| matches!(head.first(), Some(0x15 | 0x16))))
        })
    }

    /// The beginning of what is answered to these bytes.
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
