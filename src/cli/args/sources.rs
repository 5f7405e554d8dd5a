//! Verbs for signing in.

use clap::Args;

/// `wharf login`.
#[derive(Debug, Args)]
pub struct Login {
    /// A source's name or a registry's host.
    pub source: String,
    /// The account; asked for when left out.
    #[arg(long, short)]
    pub user: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    pub password_stdin: bool,
}

/// `wharf logout`.
#[derive(Debug, Args)]
pub struct Logout {
    /// A source's name or a registry's host.
    pub source: String,
}
