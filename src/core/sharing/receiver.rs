//! Who an image is shared with.

use std::fmt;

use serde::Serialize;

/// To whom something is shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// A project, by name or id; one of another place as `HOST/PROJECT` or `CLOUD/PROJECT`.
    Project(String),
    /// Everybody of the cloud who looks for it, or has its id.
    Community,
    /// Everybody of the cloud, in their lists.
    Public,
}

impl Receiver {
    const COMMUNITY: &'static str = ":community";
    const PUBLIC: &'static str = ":public";
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Project(name) => name,
            Self::Community => Self::COMMUNITY,
            Self::Public => Self::PUBLIC,
        })
    }
}

/// `:community`, `:public`, anything else is a project.
impl From<&str> for Receiver {
    fn from(text: &str) -> Self {
        match text {
            Self::COMMUNITY => Self::Community,
            Self::PUBLIC => Self::Public,
            project => Self::Project(project.to_owned()),
        }
    }
}
