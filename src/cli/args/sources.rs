//! Verbs for signing in.

use clap::Args;

/// The arguments of `wharf login`: which source, with which account.
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

/// The arguments of `wharf logout`: which source to forget the secret of.
#[derive(Debug, Args)]
pub struct Logout {
    /// A source's name or a registry's host.
    pub source: String,
}
