//! Ports of this machine that lead into a machine.

use std::net::{Ipv4Addr, TcpListener};

use serde::{Deserialize, Serialize};

use crate::shared::private;
use wharf_core::{
    base::error::{During, Error, Result},
    launch::published::Published,
};

/// The port of a machine by which people sign in.
pub const SSH: u16 = 22;

/// What an answer about ports looks like.
pub const HELP: &str = "ports inside, like 22 or 80; 8080:80 names the port here. Only this machine reaches them";

/// A port of this machine that leads into a machine, as it is noted with a launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// The port here, at which only this machine listens.
    pub here: u16,
    /// The port inside.
    pub inside: u16,
}

impl From<&Published> for Port {
    fn from(port: &Published) -> Self {
        Self { here: port.port, inside: port.inside }
    }
}

/// A way into a machine: inside from here, on this machine only.
fn published(here: u16, inside: u16) -> Published {
    Published { address: Ipv4Addr::LOCALHOST.to_string(), port: here, inside, protocol: "tcp".to_owned() }
}

/// The ports of a machine as they are listed, and the fact how to sign in by ssh, if one of them leads there. `user` is the
/// account in it; empty for the image's own.
pub fn ways_in(ports: &[Port], user: &str) -> (Vec<Published>, Option<(String, String)>) {
    let user = if user.is_empty() { String::new() } else { format!("{user}@") };
    let ssh = ports.iter().find(|port| port.inside == SSH);
    let line = ssh.map(|port| ("sign in".to_owned(), format!("ssh -p {} {user}127.0.0.1", port.here)));
    (ports.iter().map(|port| published(port.here, port.inside)).collect(), line)
}

/// The ports in an answer, each with the one here. Where none is named, one that is free at this moment.
///
/// # Errors
/// `Usage` for a word that names no ports, or the same port twice.
pub fn forwards(words: &[String]) -> Result<Vec<Published>> {
    let mut all: Vec<Published> = Vec::new();
    for word in words {
        let refused = |why: &str| Error::usage(format!("forward the port {word}"), why).hint(HELP);
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (here, inside) = match word.split_once(':') {
            Some((here, inside)) => (number(here).map(Some), number(inside)),
            None => (Some(None), number(word)),
        };
        let (Some(here), Some(inside)) = (here, inside) else { return Err(refused("it is no port")) };
        if here.is_some_and(|port| port < 1024) && !private::is_root() {
            return Err(refused("only root may use ports below 1024 here"));
        }
        let port = here.map_or_else(free, Ok)?;
        if all.iter().any(|other| other.port == port || other.inside == inside) {
            return Err(refused("it is named twice"));
        }
        all.push(published(port, inside));
    }
    Ok(all)
}

/// A port of this machine that nobody listens on at this moment.
fn free() -> Result<u16> {
    let what = "find a free port";
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).during(what)?.local_addr().during(what)?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports(text: &str) -> Result<Vec<(u16, u16)>> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Ok(forwards(&words)?.iter().map(|port| (port.port, port.inside)).collect())
    }

    #[test]
    fn a_port_is_named_or_chosen_and_never_twice() {
        assert_eq!(ports("8080:80 2222:22").unwrap(), [(8080, 80), (2222, 22)]);
        assert_eq!(ports("").unwrap(), []);
        let chosen = ports("22").unwrap();
        assert!(chosen[0].0 >= 1024 && chosen[0].1 == 22);
        for wrong in ["0", "80:", ":80", "x", "70000", "8080:80 8080:81", "8080:80 8081:80", "-1:80", "1:2:3"] {
            assert!(ports(wrong).is_err(), "{wrong}");
        }
    }
}
