//! The error type of Wharf: what failed, where, why, and what to do.

use std::fmt;

use super::clean;

/// Most characters of a reason, hint or task: messages of libraries may contain long foreign text.
const MOST: usize = 2000;

/// The kind of a failure, which decides the exit code and how screens show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A failure of no other kind.
    Failed,
    /// The person's input cannot be understood.
    Usage,
    /// The verdict requires an approval first.
    NeedsApproval,
    /// The verdict requires a launch that is isolated better.
    NeedsIsolation,
    /// The policy denies it, and nobody can approve it.
    Denied,
    /// Nothing was checked, so there is no verdict.
    Undecided,
    /// Something does not exist.
    NotFound,
    /// Not signed in, or signed in without the right.
    NotAllowed,
    /// A source or backend did not answer, or not in time.
    Unavailable,
    /// Bytes do not have the expected digest.
    Integrity,
    /// The place does not support this.
    Unsupported,
    /// The person cancelled it.
    Cancelled,
}

impl Kind {
    /// The exit code of the program.
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
            Self::NeedsIsolation => 9,
        }
    }

    /// The word used in `--json` output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Usage => "usage",
            Self::NeedsApproval => "needs-approval",
            Self::NeedsIsolation => "needs-isolation",
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

/// A failure in the words for a person, shown as `what: why: what to do`.
///
/// All constructors clean and cut their texts, because foreign text gets into them in many ways.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Error {
    /// The sort of failure.
    pub kind: Kind,
    /// What was being done, including the place: `list registry.example.org`.
    pub what: String,
    /// Why it failed, in words.
    pub why: String,
    /// What the person can do about it; may be empty.
    pub hint: String,
    /// The host to sign in at, if that may help.
    pub sign_in: Option<String>,
    /// After how many seconds the server asks to be asked again, if it said so.
    pub again_after: Option<u32>,
}

/// The result of every fallible call of Wharf.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` while doing `what`, because of `why`.
    pub fn new(kind: Kind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            kind,
            what: one_line(what),
            why: without_numbers(one_line(why)),
            hint: String::new(),
            sign_in: None,
            again_after: None,
        }
    }

    /// An error of kind [`Kind::Failed`], without a hint.
    pub fn failed(what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self::new(Kind::Failed, what, why.to_string())
    }

    /// A usage error: the input makes no sense as it is.
    pub fn usage(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what, why)
    }

    /// The error that something does not exist.
    pub fn not_found(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, what, why)
    }

    /// The error that a place does not support something.
    pub fn unsupported(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, what, why)
    }

    /// The error that the person has cancelled `what`.
    pub fn cancelled(what: impl Into<String>) -> Self {
        Self::new(Kind::Cancelled, what, "cancelled")
    }

    /// The error with a hint what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = one_line(hint);
        self
    }

    /// The error with the host at which signing in may help.
    #[must_use]
    pub fn sign_in_at(mut self, host: Option<String>) -> Self {
        self.sign_in = host;
        self
    }

    /// The error in full: what failed and why, and on a second line what to do.
    pub fn full_text(&self) -> String {
        let hint = if self.hint.is_empty() { String::new() } else { format!("\n  → {}", self.hint) };
        format!("✗ {}: {}{hint}", self.what, self.why)
    }

    /// The error of an outer task: `what` replaces the inner one.
    #[must_use]
    pub fn during(mut self, what: impl Into<String>) -> Self {
        self.what = one_line(what);
        self
    }
}

/// The text cleaned to one line of limited length.
fn one_line(text: impl Into<String>) -> String {
    let text = text.into();
    if text.len() <= MOST && matches!(clean::line(&text), std::borrow::Cow::Borrowed(_)) {
        return text;
    }
    clean::short(&text, MOST)
}

/// The text without the numbers that the standard library adds to what the system says: `No such file or directory (os
/// error 2)`.
fn without_numbers(text: String) -> String {
    const MARK: &str = " (os error ";
    if !text.contains(MARK) {
        return text;
    }
    let mut parts = text.split(MARK);
    let mut short = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')').filter(|(number, _)| number.parse::<u32>().is_ok()) {
            Some((_, rest)) => short.push_str(rest),
            None => short.extend([MARK, part]),
        }
    }
    short
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)?;
        if self.hint.is_empty() { Ok(()) } else { write!(f, ": {}", self.hint) }
    }
}

/// Turns foreign errors into errors of Wharf, with the task that failed.
pub trait During<T> {
    /// Names the task that failed; the foreign error is the reason.
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
    fn what_the_system_says_is_told_without_its_number() {
        let missing = std::io::Error::from_raw_os_error(2);
        assert_eq!(Error::failed("read x", &missing).why, "No such file or directory");
        let twice = format!("{missing}: then {missing}");
        let both = "No such file or directory: then No such file or directory";
        assert_eq!(Error::failed("read x", twice).why, both);
        for kept in ["a (os error x) b", "a (os error 2", "(os error 2)"] {
            assert_eq!(Error::failed("read x", kept).why, kept);
        }
    }

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
