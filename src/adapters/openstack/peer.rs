//! Which user's program is at the other end of a local connection, from the kernel's table of connections (proc(5),
//! `/proc/net/tcp`).

use std::net::{IpAddr, SocketAddr};

use wharf_core::base::small_file;

/// The state of an established connection.
const OPEN: &str = "01";

/// Whether the program at `peer`, connected to `own`, runs as this user; `false` if the table cannot be read.
pub(super) fn is_own(peer: SocketAddr, own: SocketAddr) -> bool {
    let table = if peer.is_ipv4() { "/proc/net/tcp" } else { "/proc/net/tcp6" };
    let table = small_file::text(table).unwrap_or_default();
    owner(&table, peer, own) == Some(rustix::process::geteuid().as_raw())
}

/// The user id of the connection from `peer` to `own`; `None` if its program has closed it.
fn owner(table: &str, peer: SocketAddr, own: SocketAddr) -> Option<u32> {
    let (from, to) = (written(peer), written(own));
    table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [_, local, remote, state, _, _, _, user, _, inode, ..] = words.as_slice() else { return None };
        let is_it = *local == from && *remote == to && *state == OPEN && *inode != "0";
        if is_it { user.parse().ok() } else { None }
    })
}

/// An address as in the table: words in the machine's byte order, and the port.
fn written(address: SocketAddr) -> String {
    let word = |bytes: &[u8; 4]| format!("{:08X}", u32::from_ne_bytes(*bytes));
    let host = match address.ip() {
        IpAddr::V4(ip) => word(&ip.octets()),
        IpAddr::V6(ip) => ip.octets().as_chunks::<4>().0.iter().map(word).collect(),
    };
    format!("{host}:{:04X}", address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn a_connection_is_that_of_the_user_who_holds_its_other_end_open() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:2706 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 11 1 0 100 0 0 10 0\n\
             1: 0100007F:2706 0100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 12 1 0 20 4 30 10 -1\n\
             2: 0100007F:C350 0100007F:2706 01 00000000:00000000 00:00000000 00000000  1001        0 13 1 0 20 4 30 10 -1\n\
             3: 0100007F:C351 0100007F:2706 06 00000000:00000000 03:00001770 00000000     0        0 0 3 0\n\
             4: 0100007F:C352 0100007F:2706 05 00000000:00000000 00:00000000 00000000     0        0 14 3 0\n\
             5: nonsense\n";
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let own = at("127.0.0.1:9990");
        assert_eq!(owner(table, at("127.0.0.1:50000"), own), Some(1001));
        for left in ["127.0.0.1:50001", "127.0.0.1:50002", "127.0.0.1:50003", "127.0.0.2:50000"] {
            assert_eq!(owner(table, at(left), own), None, "{left}");
        }
        assert_eq!(written(at("[::1]:9990")), "00000000000000000000000001000000:2706");
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_programs_own_connection_is_its_own() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = std::net::TcpListener::bind(address) else { continue };
            let own = listener.local_addr().unwrap();
            let client = std::net::TcpStream::connect(own).unwrap();
            let (_stream, peer) = listener.accept().unwrap();
            assert!(is_own(peer, own), "{address}");
            drop(client);
            assert!(!is_own(peer, own), "what has gone is nobody's");
        }
    }
}
