//! Private keys behind a passphrase: PKCS#8 as openssl encrypts it (PBES2), and cosign's own form (scrypt and NaCl's
//! secretbox). What is inside is PKCS#8.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use pkcs8::EncryptedPrivateKeyInfoRef;
use serde::Deserialize;

use crate::core::secret::Secret;

/// Costs above this would be a trap, not a protection: cosign writes 2^15 to 2^16.
const MOST_COST: u64 = 1 << 20;

#[derive(Deserialize)]
struct Sealed {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Derivation {
    name: String,
    params: Parameters,
    salt: String,
}

#[derive(Deserialize)]
struct Parameters {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Whether a PEM's kind says that it is locked.
pub fn is_locked(kind: &str) -> bool {
    kind.starts_with("ENCRYPTED ")
}

/// Opens it; `None` with a wrong passphrase, or where the form is not understood.
pub fn unlock(kind: &str, der: &[u8], passphrase: &Secret) -> Option<Vec<u8>> {
    if kind == "ENCRYPTED PRIVATE KEY" {
        let sealed = EncryptedPrivateKeyInfoRef::try_from(der).ok()?;
        return Some(sealed.decrypt(passphrase.reveal()).ok()?.as_bytes().to_vec());
    }
    let sealed: Sealed = serde_json::from_slice(der).ok()?;
    let Parameters { n, r, p } = sealed.kdf.params;
    let understood = sealed.kdf.name == "scrypt" && sealed.cipher.name == "nacl/secretbox";
    if !understood || !n.is_power_of_two() || !(2..=MOST_COST).contains(&n) || r > 32 || p > 16 {
        return None;
    }
    let parameters = scrypt::Params::new(u8::try_from(n.trailing_zeros()).ok()?, r, p).ok()?;
    let mut key = [0; 32];
    scrypt::scrypt(passphrase.reveal().as_bytes(), &STANDARD.decode(sealed.kdf.salt).ok()?, &parameters, &mut key)
        .ok()?;
    let nonce: [u8; 24] = STANDARD.decode(sealed.cipher.nonce).ok()?.try_into().ok()?;
    let text = STANDARD.decode(sealed.ciphertext).ok()?;
    XSalsa20Poly1305::new(&key.into()).decrypt(&Nonce::from(nonce), text.as_slice()).ok()
}
