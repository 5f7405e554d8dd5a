//! Where a workload can be reached: its published ports.

use std::fmt;

use serde::Serialize;

/// A port of the host that leads into a workload.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Published {
    /// The host's address that it listens on; empty means every address.
    pub address: String,
    /// The port on the host.
    pub port: u16,
    /// The port inside the workload.
    pub inside: u16,
    /// The protocol: `tcp` or `udp`.
    pub protocol: String,
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, port, inside, protocol } = self;
        match address.as_str() {
            "" => write!(f, "*:{port}")?,
            wide if wide.contains(':') => write!(f, "[{wide}]:{port}")?,
            narrow => write!(f, "{narrow}:{port}")?,
        }
        write!(f, " → {inside}/{protocol}")
    }
}

/// Sorted and without duplicates. "Every address", which engines write in several ways, becomes one entry.
pub fn tidy(ports: impl IntoIterator<Item = Published>) -> Vec<Published> {
    let every = |address: &str| matches!(address, "" | "0.0.0.0" | "::");
    let mut all: Vec<Published> = ports
        .into_iter()
        .map(|port| if every(&port.address) { Published { address: String::new(), ..port } } else { port })
        .collect();
    all.sort();
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_said_once_and_with_the_address_that_they_are_open_on() {
        let port =
            |address: &str, port, inside| Published { address: address.into(), port, inside, protocol: "tcp".into() };
        let all =
            tidy([port("0.0.0.0", 443, 8443), port("::", 443, 8443), port("127.0.0.1", 8080, 80), port("::1", 9, 9)]);
        let words: Vec<String> = all.iter().map(ToString::to_string).collect();
        assert_eq!(words, ["*:443 → 8443/tcp", "127.0.0.1:8080 → 80/tcp", "[::1]:9 → 9/tcp"]);
    }
}
