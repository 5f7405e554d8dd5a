//! Abstract sockets have a name but no file: all processes of a network see them, including those of the desktop's
//! message bus and X server, which obey every process of the person. From Linux 6.12 on, Landlock separates them
//! (landlock(7)).

use landlock::{CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetError, Scope};

use wharf_core::base::error::{During, Result};

fn rules(level: CompatLevel) -> Result<Ruleset, RulesetError> {
    Ruleset::default().set_compatibility(level).scope(Scope::AbstractUnixSocket)
}

/// Whether this kernel can separate them.
pub(super) fn can_be_divided() -> bool {
    rules(CompatLevel::HardRequirement).is_ok()
}

/// Limits this process and everything that it starts to abstract sockets made among themselves, for good. Does nothing
/// on a kernel that cannot.
pub(super) fn divide(what: &str) -> Result<()> {
    if !can_be_divided() {
        return Ok(());
    }
    rules(CompatLevel::HardRequirement)
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(|_| ())
        .during(what)
}

#[cfg(test)]
mod tests {
    use std::os::{
        linux::net::SocketAddrExt,
        unix::net::{SocketAddr, UnixListener, UnixStream},
    };

    use super::*;

    #[test]
    fn abstract_sockets_of_others_are_out_of_reach_and_own_ones_are_not() {
        if !can_be_divided() {
            return eprintln!("left out: this kernel cannot divide abstract sockets");
        }
        let name = |kind: &str| SocketAddr::from_abstract_name(format!("wharf-{kind}-{}", std::process::id())).unwrap();
        let _theirs = UnixListener::bind_addr(&name("theirs")).unwrap();
        assert!(UnixStream::connect_addr(&name("theirs")).is_ok());
        // It applies to the calling thread and what that starts.
        std::thread::spawn(move || {
            divide("test").unwrap();
            let error = UnixStream::connect_addr(&name("theirs")).unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
            let _own = UnixListener::bind_addr(&name("own")).unwrap();
            assert!(UnixStream::connect_addr(&name("own")).is_ok());
        })
        .join()
        .unwrap();
    }
}
