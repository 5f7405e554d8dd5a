//! What is known of the findings besides their scan, and how far it was read.

use wharf_core::{base::error::Result, portal::evidence::about::AboutFindings};

/// How far what is known besides the scan was read.
#[derive(Debug, Default)]
pub enum Besides {
    /// Nobody has looked at the findings yet.
    #[default]
    Unread,
    /// It is being read.
    Reading,
    /// It is there, or could not be read.
    Read(Result<AboutFindings>),
}

impl Besides {
    /// What is known, once it is there.
    pub fn known(&self) -> Option<&AboutFindings> {
        match self {
            Self::Read(Ok(about)) => Some(about),
            _ => None,
        }
    }

    /// What is told of it, or that it is still read, or why it could not be.
    pub fn words(&self, tell: impl FnOnce(&AboutFindings) -> String) -> String {
        match self {
            Self::Read(Ok(about)) => tell(about),
            Self::Read(Err(error)) => format!("not known: {}", error.why),
            Self::Unread | Self::Reading => "reading…".to_owned(),
        }
    }
}
