//! What can be told about a key without opening it: no passphrase or PIN is asked for, and nothing is signed.

use std::{os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use futures_util::future::BoxFuture;

use super::{file, pkcs11, short};
use crate::formats::{certificates, keys::Key};
use wharf_core::{
    base::{
        blocking::blocking,
        error::{During, Error, Kind, Result},
        secret::Secret,
        small_file,
    },
    policy::SignatureRules,
    portal::keys::{KEYRING, vault_key},
    ports::{
        Vault,
        signer::{KeyInfo, NamedKey},
    },
};

/// Largest key file that is read, in bytes.
const LONGEST: u64 = 64 << 10;

/// The keys that the policy names, also those in its certificates, as far as they can be read.
pub fn named(rules: &SignatureRules) -> Vec<NamedKey> {
    let keys = rules.keys.iter().filter_map(|path| Key::load(path).ok());
    let keys = keys.map(|key| NamedKey { id: key.id, certificate: false });
    let certificates = rules.certificate.iter().filter_map(|named| {
        let text = small_file::text(&named.file).ok()?;
        Key::from_der(certificates::ParsedCertificate::from_pem(&text)?.spki)
    });
    keys.chain(certificates.map(|key| NamedKey { id: key.id, certificate: true })).collect()
}

/// Looks at the key that `--key` names.
pub fn describe_key(key: String, vault: Arc<dyn Vault>) -> BoxFuture<'static, Result<KeyInfo>> {
    Box::pin(async move {
        let what = format!("look at {key}");
        blocking(move || look_at(&key, &*vault)).await.during(what)?
    })
}

fn look_at(key: &str, vault: &dyn Vault) -> Result<KeyInfo> {
    let what = format!("look at {key}");
    if key.starts_with("pkcs11:") {
        return pkcs11::describe_key(key);
    }
    if let Some(name) = key.strip_prefix(KEYRING) {
        let Some((_, pem)) = vault.get(&vault_key(name))? else {
            return Err(Error::not_found(what, "the secret store has no key of that name")
                .hint(format!("make one: wharf key new FOLDER/{name}.key, and name that file")));
        };
        let place = format!("the key '{name}' in the {}", vault.describe());
        return Ok(key_info(place, file::public_half(&what, &pem)?));
    }
    let path = Path::new(key);
    let pem = text(path, &what)?;
    let place = format!("the key in {}", path.display());
    let found = key_info(place, file::public_half(&what, &pem)?);
    // The public half of an encrypted key may be in a file beside it.
    match (found.locked, Key::load(&path.with_added_extension("pub"))) {
        (true, Ok(public)) => Ok(KeyInfo { locked: true, ..key_info(found.place, Some(public)) }),
        _ => Ok(found),
    }
}

fn key_info(place: String, public: Option<Key>) -> KeyInfo {
    let curve = public.as_ref().map_or("", Key::sort);
    let short = public.as_ref().and_then(short::of_key);
    KeyInfo { place, locked: public.is_none(), curve, short, id: public.map(|key| key.id) }
}

/// The text of a key file; fails if other users may read it.
fn text(path: &Path, what: &str) -> Result<Secret> {
    let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
    let meta = std::fs::metadata(path).map_err(|error| missing(what, &error, path, &folder))?;
    if !meta.is_file() || meta.len() > LONGEST {
        return Err(Error::usage(what, "it is no file that holds a key").hint("name a key file (PEM)"));
    }
    if meta.permissions().mode() & 0o077 != 0 {
        return Err(Error::usage(what, "others may read it").hint(format!("chmod 600 {}", path.display())));
    }
    small_file::bytes(path)
        .map(|bytes| Secret::new(String::from_utf8_lossy(&bytes)))
        .map_err(|error| missing(what, &error, path, Path::new("")))
}

fn missing(what: &str, error: &std::io::Error, path: &Path, folder: &Path) -> Error {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::NotFound => {
            Error::not_found(what, "there is no such file").hint(format!("make it: wharf key new {}", path.display()))
        }
        ErrorKind::PermissionDenied => Error::new(Kind::NotAllowed, what, "you may not read it").hint(format!(
            "it has to be yours, mode 600{}",
            if folder.as_os_str().is_empty() {
                String::new()
            } else {
                format!(", in a folder that you may enter ({})", folder.display())
            }
        )),
        _ => Error::failed(what, error),
    }
}
