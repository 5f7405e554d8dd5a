//! Passwords and tokens that cannot be printed by accident.

use std::fmt;

/// A secret, which `Debug` and `Display` never show.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// A secret with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text of the secret, for the place that sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

/// How to sign in at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Account name; empty with an identity token.
    pub username: String,
    /// Password, token or identity token.
    pub secret: Secret,
    /// Whether `secret` is an OAuth2 refresh ("identity") token.
    pub identity_token: bool,
    /// Where they came from, in words.
    pub origin: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show_in_debug_output() {
        let credentials = Credentials {
            username: "ada".into(),
            secret: Secret::new("hunter2"),
            identity_token: false,
            origin: "test".into(),
        };
        assert!(!format!("{credentials:?}").contains("hunter2"));
    }
}
