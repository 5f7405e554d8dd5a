//! Folders and files of the host inside a workload, and what each gives away.

use std::{
    fmt,
    path::{Component, Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::risk::Risk;
use crate::base::error::{Error, Result};

/// Folders with sockets of engines and services, devices and settings of the kernel: reading rights do not hold them back.
const HOLDS_SOCKETS: [&str; 5] = ["/run", "/var/run", "/dev", "/proc", "/sys"];

/// A folder or file of the host inside a workload: `/host:/inside[:rw]`, read-only unless written out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The path on the host.
    pub host: PathBuf,
    /// The path inside the workload.
    pub inside: PathBuf,
    /// Whether the workload may write to it.
    pub writes: bool,
}

impl Mount {
    /// Parses one word of the form's answer: `/host:/inside[:rw]`.
    ///
    /// # Errors
    /// `Usage` where it is not written like that.
    pub fn parse(word: &str) -> Result<Self> {
        let parts: Vec<&str> = word.split(':').collect();
        match parts.as_slice() {
            [host, inside] | [host, inside, "ro" | "rw"] if host.starts_with('/') && inside.starts_with('/') => {
                let climbs = Path::new(inside).components().any(|part| part == Component::ParentDir);
                if climbs || Path::new(inside).parent().is_none() {
                    return Err(Error::usage(format!("mount '{word}'"), "its path inside is / or has .. in it")
                        .hint("name a folder below /, like /data"));
                }
                Ok(Self { host: host.into(), inside: inside.into(), writes: parts.get(2) == Some(&"rw") })
            }
            _ => Err(Error::usage(format!("mount '{word}'"), "not a mount")
                .hint("write /host/path:/inside/path, with :rw to let it write")),
        }
    }

    /// The risk of one word of the form's answer; a word that cannot be parsed is a caution.
    pub fn risk(word: &str) -> Risk {
        Self::parse(word)
            .map_or_else(|_| Risk::caution(format!("mount '{word}' is not understood")), |mount| mount.exposure())
    }

    /// What it gives away, in words. Looks at the name alone, so that a plan can be made of another machine's paths.
    pub fn exposure(&self) -> Risk {
        let host = self.host.display();
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.parent().is_some());
        let how = if self.writes { "read and change" } else { "read" };
        let below_home = home.as_deref().and_then(|home| self.host.strip_prefix(home).ok());
        let hidden = below_home
            .and_then(|path| path.components().next())
            .is_some_and(|first| first.as_os_str().to_string_lossy().starts_with('.'));
        if self.host.extension().is_some_and(|ending| ending == "sock") {
            Risk::danger(format!("it can use the socket {host}: through an engine's socket it owns the host"))
        } else if self.host == Path::new("/") {
            Risk::danger(format!("it can {how} this whole machine, as far as you can"))
        } else if home.as_ref().is_some_and(|home| home.starts_with(&self.host)) {
            Risk::danger(format!("it can {how} your whole home folder, keys and tokens included"))
        } else if hidden {
            Risk::danger(format!("it can {how} {host}: hidden folders hold keys, tokens and settings"))
        } else if HOLDS_SOCKETS
            .iter()
            .any(|folder| self.host.starts_with(folder) || Path::new(folder).starts_with(&self.host))
        {
            Risk::danger(format!("it can use sockets and devices below {host}, also if it may only read"))
        } else if self.writes {
            Risk::caution(format!("it can {how} everything under {host}"))
        } else {
            Risk::harmless(format!("it can {how} {host}"))
        }
    }
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.host.display(), self.inside.display(), if self.writes { "rw" } else { "ro" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::risk::Weight;

    #[test]
    fn what_a_mount_gives_away_is_said_by_where_it_is() {
        for (word, weight) in [
            ("/srv/data:/data", Weight::Fine),
            ("/srv/data:/data:rw", Weight::Caution),
            ("/:/x", Weight::Danger),
            ("/run:/x", Weight::Danger),
            ("/var:/x", Weight::Danger),
            ("/run/user/1000/bus:/x", Weight::Danger),
            ("/proc:/x", Weight::Danger),
            ("/srv/engine.sock:/x", Weight::Danger),
        ] {
            assert_eq!(Mount::risk(word).weight, weight, "{word}: {}", Mount::risk(word).text);
        }
    }
}
