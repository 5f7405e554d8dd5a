//! Signatures with PGP keys, as gpg verifies them with the keys that this person has.

use std::{path::Path, time::Duration};

use super::exec;
use wharf_core::base::{badge::Signature, error::Result};

/// How long gpg may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The most bytes of its answer.
const OUTPUT: usize = 1 << 20;
/// The most bytes of a document that is verified.
pub const DOCUMENT: usize = 4 << 20;

/// The lines between which a message and its signature stand.
const MESSAGE: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";

/// The message in a document that has its signature inside; `None` unless nothing stands around it and it is the only one:
/// gpg skips what is around a message, and says of several only that one of them is right.
pub fn message(text: &str) -> Option<&str> {
    let count = |mark: &str| text.lines().filter(|line| line.contains(mark)).count();
    if count(MESSAGE) != 1 || count(SIGNATURE) != 1 {
        return None;
    }
    let rest = text.strip_prefix(MESSAGE)?.strip_prefix('\n')?;
    let (body, _) = rest.split_once(&format!("\n{SIGNATURE}\n"))?;
    body.split_once("\n\n").map(|(_, body)| body.trim())
}

/// The fingerprints of a policy, as gpg writes them.
pub fn fingerprints(written: &[String]) -> Vec<String> {
    written.iter().map(|key| key.replace(' ', "").to_ascii_uppercase()).collect()
}

/// Who signed a document with its signature inside; never asks a key server. `trusted` are fingerprints.
///
/// # Errors
/// Where gpg cannot be run.
pub async fn inside(gpg: &Path, document: &[u8], trusted: &[String]) -> Result<(Signature, String)> {
    let program = gpg.display().to_string();
    let argv = [program.as_str(), "--batch", "--no-auto-key-retrieve", "--status-fd", "1", "--verify", "-"];
    let said = exec::run(&argv, document, OUTPUT, PATIENCE).await?;
    Ok(judged(&String::from_utf8_lossy(&said.stdout), trusted))
}

/// The same for a signature in a file of its own.
///
/// # Errors
/// Where gpg cannot be run.
pub async fn apart(gpg: &Path, document: &[u8], signature: &Path, trusted: &[String]) -> Result<(Signature, String)> {
    let (program, file) = (gpg.display().to_string(), signature.display().to_string());
    let argv = [&program, "--batch", "--no-auto-key-retrieve", "--status-fd", "1", "--verify", &file, "-"];
    let said = exec::run(&argv.map(AsRef::as_ref), document, OUTPUT, PATIENCE).await?;
    Ok(judged(&String::from_utf8_lossy(&said.stdout), trusted))
}

/// The state and the key's fingerprint in gpg's status lines.
pub fn judged(status: &str, trusted: &[String]) -> (Signature, String) {
    let line = |word: &str| {
        let mut lines = status.lines().filter_map(|line| line.strip_prefix("[GNUPG:] "));
        lines.find_map(|line| line.strip_prefix(word).map(|rest| rest.trim().to_owned()))
    };
    if line("BADSIG").is_some() {
        return (Signature::Invalid, String::new());
    }
    let valid = line("VALIDSIG").unwrap_or_default();
    // The fingerprint of the primary key comes last.
    let fingerprint = valid.split(' ').next_back().unwrap_or("").to_owned();
    if fingerprint.is_empty() {
        return (Signature::NoKey, line("NO_PUBKEY").unwrap_or_default());
    }
    if ["EXPKEYSIG", "REVKEYSIG", "EXPSIG"].iter().any(|word| line(word).is_some()) {
        return (Signature::Expired, fingerprint);
    }
    let known = trusted.contains(&fingerprint);
    (if known { Signature::Verified } else { Signature::Untrusted }, fingerprint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gpg_says_is_told_apart() {
        let key = "0123456789ABCDEF0123456789ABCDEF01234567";
        let valid = format!("[GNUPG:] GOODSIG X Ada\n[GNUPG:] VALIDSIG {key} 2026-01-01 1 0 4 0 1 8 01 {key}\n");
        assert_eq!(judged(&valid, &[key.to_owned()]), (Signature::Verified, key.to_owned()));
        assert_eq!(judged(&valid, &[]).0, Signature::Untrusted);
        assert_eq!(judged(&valid.replace("GOODSIG", "EXPKEYSIG"), &[key.to_owned()]).0, Signature::Expired);
        assert_eq!(judged("[GNUPG:] BADSIG X Ada\n", &[]).0, Signature::Invalid);
        assert_eq!(judged("[GNUPG:] ERRSIG X\n[GNUPG:] NO_PUBKEY ABC\n", &[]), (Signature::NoKey, "ABC".to_owned()));
    }

    #[test]
    fn a_message_counts_only_where_nothing_stands_around_it() {
        let signed = "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nwithin\n-----BEGIN PGP SIGNATURE-----\nx\n";
        assert_eq!(message(signed), Some("within"));
        for odd in [
            format!("before\n{signed}"),
            format!("x-----BEGIN PGP SIGNED MESSAGE-----\n\nother\nx-----BEGIN PGP SIGNATURE-----\n\n{signed}"),
            format!("{signed}{signed}"),
            format!("{signed}-----BEGIN PGP SIGNED MESSAGE-----\n\nother\n"),
            signed.replace("-----BEGIN PGP SIGNATURE-----\nx", "x"),
            "within".to_owned(),
            String::new(),
        ] {
            assert_eq!(message(&odd), None, "{odd}");
        }
    }
}
