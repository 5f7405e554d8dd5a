//! The orders of the list of findings.

/// The order of the findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    /// Those known to be exploited first, then by severity.
    #[default]
    Severity,
    /// By the name of the package.
    Package,
    /// By identifier, the newest first.
    Newest,
    /// Those with a fixed version first.
    Fixable,
}

impl Order {
    /// The order after this one, which the sort key changes to.
    #[must_use]
    pub fn next(self) -> Self {
        match self {
            Self::Severity => Self::Package,
            Self::Package => Self::Newest,
            Self::Newest => Self::Fixable,
            Self::Fixable => Self::Severity,
        }
    }

    /// The order in words, as the pane names it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Severity => "the worst first",
            Self::Package => "by package",
            Self::Newest => "the newest first",
            Self::Fixable => "those with a fix first",
        }
    }
}
