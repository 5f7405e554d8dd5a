//! Verbs for evidence: verify, policy, signatures, keys, audit log.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};

/// The arguments of `wharf verify`: which image, and which of its checks to run again.
#[derive(Debug, Args)]
pub struct Verify {
    /// The image.
    pub reference: String,
    /// Platform, like linux/arm64; default: this machine's.
    #[arg(long)]
    pub platform: Option<String>,
    /// Check again, even where results are known.
    #[arg(long)]
    pub again: bool,
    /// Read all data of a cloud's image, to verify the signature over it.
    #[arg(long)]
    pub data: bool,
}

/// The arguments of `wharf policy`: print the policy, or try another.
#[derive(Debug, Args)]
pub struct Policy {
    /// What to do.
    #[command(subcommand)]
    pub verb: PolicyVerb,
}

/// What `wharf policy` does.
#[derive(Debug, Subcommand)]
pub enum PolicyVerb {
    /// Print the policy in force, as a configuration file has it.
    Show {
        /// Print the built-in policy instead: every key with its default and its meaning.
        #[arg(long)]
        commented: bool,
    },
    /// Print the verdicts that another policy would change, of the images that were verified or launched recently.
    Test {
        /// The other policy: a file of its own, or a configuration file with a policy in it.
        file: PathBuf,
        /// How many days to look back.
        #[arg(long, default_value_t = 30)]
        days: u32,
    },
}

/// The arguments of `wharf sign`: which image, with which key.
#[derive(Debug, Args)]
pub struct Sign {
    /// The image, in a registry. Its present digest is signed.
    pub reference: String,
    /// A file with a private key (PEM); keyring:NAME for one in the secret store (wharf key new NAME); or
    /// pkcs11:token=NAME;object=KEY?module-path=LIBRARY for one in hardware. A passphrase or PIN is asked for.
    #[arg(long, value_name = "FILE|keyring:NAME|pkcs11:URI")]
    pub key: String,
}

/// The arguments of `wharf key`: what to do with which key.
#[derive(Debug, Args)]
pub struct Key {
    /// What to do; without it, your portal key is printed, which signs the links that you send. It is made at first use.
    #[command(subcommand)]
    pub verb: Option<KeyVerb>,
}

/// What `wharf key` does.
#[derive(Debug, Subcommand)]
pub enum KeyVerb {
    /// Create a key in a file or in the secret store, and print its public half.
    New {
        /// A path (with a / in it, or ending in .key or .pem) is a file that only you can read, with FILE.pub beside it;
        /// anything else is a name in the secret store.
        #[arg(value_name = "FILE|NAME", value_hint = ValueHint::FilePath)]
        name: String,
        /// The curve of the key; clouds verify signatures of disk images by p384.
        #[arg(long = "type", value_name = "p256|p384", default_value = "p256", value_parser = ["p256", "p384"])]
        curve: String,
        /// Protect the key with a passphrase: asked for twice now, and once for each signature.
        #[arg(long)]
        passphrase: bool,
    },
    /// Copy the private key of a file into the secret store, and print its public half.
    Import {
        /// The name of the key in the secret store.
        name: String,
        /// The file (PEM).
        #[arg(value_hint = ValueHint::FilePath)]
        file: PathBuf,
    },
    /// Print the public half of a key, as the policy takes it (signature.keys).
    Show {
        /// The key: a file, keyring:NAME or pkcs11:URI.
        key: String,
    },
    /// Delete a key from the secret store.
    Forget {
        /// The name of the key in the secret store.
        name: String,
    },
}

/// The arguments of `wharf audit`: which entries to show or verify.
#[derive(Debug, Args)]
pub struct Audit {
    /// verify: check the chain of hashes and print its last one, to be kept elsewhere. export: print the file as it is.
    #[arg(value_name = "verify|export", value_parser = ["verify", "export"])]
    pub what: Option<String>,
    /// The same as verify.
    #[arg(long)]
    pub verify: bool,
    /// Show everybody's entries from the shared store. For approvers and stewards.
    #[arg(long, conflicts_with_all = ["what", "verify"])]
    pub site: bool,
    /// With --site: how many of the newest entries.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(i64).range(1..=50_000))]
    pub limit: i64,
}
