//! The names of this machine and of this program as a worker on it.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The host name of this machine.
pub(super) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A name that no other worker has: machine, process and a random number.
pub(super) fn worker() -> String {
    let host = host();
    // Seeded by the system. The cryptography library's random numbers would cost 30 ms at every start for its self
    // test.
    let number = RandomState::new().build_hasher().finish();
    format!("{host}/{}/{number:016x}", std::process::id())
}
