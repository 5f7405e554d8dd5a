//! The one error: what failed, where, why, and what to do.

use std::fmt;

use super::clean;

/// Characters of a reason, an advice or a task at most: the words of a library may hold whole blocks of foreign bytes.
const MOST: usize = 2000;

/// What sort of failure it was; decides the exit code and how a screen marks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something went wrong that is none of the others.
    Failed,
    /// The person asked for something that cannot be understood.
    Usage,
    /// The verdict asks for an approval first.
    NeedsApproval,
    /// The policy refuses it; nobody can approve it here.
    Denied,
    /// Nothing was checked, so nothing can be said.
    Undecided,
    /// It is not there.
    NotFound,
    /// Not signed in, or signed in without the right.
    NotAllowed,
    /// A source or backend did not answer, or not in time.
    Unavailable,
    /// Bytes do not have the digest they should have.
    Integrity,
    /// The place cannot do this at all.
    Unsupported,
    /// The person cancelled it.
    Cancelled,
}

impl Kind {
    /// The process exit code of product.md.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Failed | Self::Integrity | Self::Unsupported | Self::Cancelled => 1,
            Self::Usage => 2,
            Self::NeedsApproval => 3,
            Self::Denied => 4,
            Self::Undecided => 5,
            Self::NotFound => 6,
            Self::NotAllowed => 7,
            Self::Unavailable => 8,
        }
    }

    /// The word used in `--json` output.
    pub fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NeedsApproval => "needs-approval",
            Self::Denied => "denied",
            Self::Undecided => "undecided",
            Self::NotFound => "not-found",
            Self::NotAllowed => "not-allowed",
            Self::Unavailable => "unavailable",
            Self::Integrity => "integrity",
            Self::Unsupported => "unsupported",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A failure as a person needs it. Shown as `what: why: what to do`.
///
/// Every way to make one cleans and cuts its words: names and bytes of foreign content get into them by many ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The sort of failure.
    pub kind: Kind,
    /// What was being done, with the place in it: `list registry.example.org`.
    pub what: String,
    /// Why it failed, in words.
    pub why: String,
    /// What the person can do about it; may be empty.
    pub hint: String,
    /// The host that wants a sign-in, where that is the reason.
    pub sign_in: Option<String>,
}

/// What every fallible call of Wharf returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` while doing `what`, because of `why`.
    pub fn new(kind: Kind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: words(what), why: words(why), hint: String::new(), sign_in: None }
    }

    /// An error of kind [`Kind::Failed`], without a hint.
    pub fn failed(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, what, why.to_string())
    }

    /// A request that makes no sense as written.
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, why)
    }

    /// Something that is not there.
    pub fn not_found(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what, why)
    }

    /// Something this place cannot do.
    pub fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, what, why)
    }

    /// The person cancelled `what`.
    pub fn cancelled(what: impl Into<String>) -> Self {
        Self::new(Kind::Cancelled, what, "cancelled")
    }

    /// The same error with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = words(hint);
        self
    }

    /// The same error, which a sign-in at `host` may heal.
    #[must_use]
    pub fn sign_in_at(mut self, host: Option<String>) -> Self {
        self.sign_in = host;
        self
    }

    /// In full, to be read: what failed and why, and on a line of its own what to do.
    pub fn told(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n  → {}", self.hint) };
        format!("✗ {}: {}{hint}", self.what, self.why)
    }

    /// The same error as seen from an outer task: `what` replaces the inner one.
    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.what = words(what);
        self
    }
}

/// Words that may be shown: one clean line of bounded length.
fn words(text: impl Into<String>) -> String {
    let text = text.into();
    if text.len() <= MOST && matches!(clean::line(&text), std::borrow::Cow::Borrowed(_)) {
        return text;
    }
    clean::short(&text, MOST)
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, ": {}", self.hint) }
    }
}

/// Turns a foreign error into ours, naming what was being done.
pub trait During<T> {
    /// Names the task that failed; the foreign error becomes the reason.
    fn during(self, what: impl Into<String>) -> Result<T>;
}

impl<T, E: fmt::Display> During<T> for std::result::Result<T, E> {
    fn during(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|error| Error::failed(what, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_bytes_in_an_error_reach_nobody_as_they_came() {
        let foreign = "\u{1b}]0;a title\u{7}\u{1b}[2J\u{9b}31m\u{202e}";
        let result: Result<(), String> = Err(foreign.repeat(1000));
        let error = result.during(foreign).unwrap_err().hint(foreign);
        let shown =
            [error.to_string(), error.clone().during(foreign).to_string(), Error::new(Kind::Usage, "x", foreign).why];
        assert!(shown.iter().all(|text| !text.contains(['\u{1b}', '\u{7}', '\u{9b}', '\u{202e}'])), "{shown:?}");
        assert!(error.why.chars().count() <= MOST);
    }
}
