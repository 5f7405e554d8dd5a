//! Verbs for sources, and for signing in to them.

use clap::{Args, Subcommand};

/// The arguments of `wharf sources`: what to do besides listing them.
#[derive(Debug, Args)]
pub struct Sources {
    /// What to do; without it, sources and backends are listed.
    #[command(subcommand)]
    pub what: Option<SourcesVerb>,
}

/// What `wharf sources` does besides listing them. What is chosen is kept in Wharf's own state folder: your configuration
/// is never written.
#[derive(Debug, Subcommand)]
pub enum SourcesVerb {
    /// Try an address, and add it as a source if it works and you agree.
    Add {
        /// A registry like registry.example.org, a folder, or a cloud's name in clouds.yaml.
        address: String,
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
    /// Remove a source that was added so. Its images stay where they are.
    Remove {
        /// The source's name.
        name: String,
    },
    /// Leave a source out of lists of images.
    Hide {
        /// The source's name.
        name: String,
    },
    /// Show a source in lists of images again.
    Show {
        /// The source's name.
        name: String,
    },
}

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
