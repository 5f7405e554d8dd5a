//! The receivers of shares.

use std::fmt;

use serde::Serialize;

/// The receiver of a share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Receiver {
    /// A project by name or id; in another place as `HOST/PROJECT` or `CLOUD/PROJECT`.
    Project(String),
    /// Everybody in the cloud who searches for the image or has its id.
    Community,
    /// Everybody in the cloud; the image is in their lists.
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

/// `:community` and `:public`; everything else is a project.
impl From<&str> for Receiver {
    fn from(text: &str) -> Self {
        match text {
            Self::COMMUNITY => Self::Community,
            Self::PUBLIC => Self::Public,
            project => Self::Project(project.to_owned()),
        }
    }
}
