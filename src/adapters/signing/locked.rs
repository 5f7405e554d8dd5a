//! Private keys that are encrypted with a passphrase: PKCS#8 as OpenSSL does it (PBES2), and cosign's own format
//! (scrypt and NaCl's secretbox). The decrypted key is PKCS#8.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305, aead::Aead};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef,
    pkcs5::{self, pbes2::Parameters as Scheme},
};
use serde::Deserialize;

use wharf_core::base::secret::Secret;

/// The PEM label of encrypted PKCS#8 (RFC 7468).
pub(super) const KIND: &str = "ENCRYPTED PRIVATE KEY";
/// Highest accepted cost of scrypt: more would only waste time. cosign uses 2^15 to 2^16.
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

/// Whether a PEM label says that the key is encrypted.
pub(super) fn is_locked(kind: &str) -> bool {
    kind.starts_with("ENCRYPTED ")
}

/// Encrypts PKCS#8 with a passphrase: PBES2 with scrypt and AES-256 (RFC 8018, RFC 7914), which OpenSSL reads.
pub(super) fn lock(der: &[u8], passphrase: &Secret) -> Option<Vec<u8>> {
    let (mut salt, mut iv) = ([0; 16], [0; 16]);
    aws_lc_rs::rand::fill(&mut salt).ok()?;
    aws_lc_rs::rand::fill(&mut iv).ok()?;
    // The highest cost (16 MiB) that OpenSSL accepts by default.
    let cost = scrypt::Params::new(14, 8, 1).ok()?;
    let scheme = Scheme::generate_scrypt_aes256cbc(cost, &salt, iv).ok()?;
    let key = PrivateKeyInfoRef::try_from(der).ok()?;
    Some(key.encrypt_with_params(scheme, passphrase.reveal()).ok()?.as_bytes().to_vec())
}

/// Why an encrypted key cannot be decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UnlockFailure {
    /// The passphrase is wrong.
    Passphrase,
    /// The encryption is not supported: an outdated cipher or hash.
    Form,
}

/// Decrypts a key with this PEM label; returns PKCS#8.
pub(super) fn unlock(kind: &str, der: &[u8], passphrase: &Secret) -> Result<Vec<u8>, UnlockFailure> {
    if kind == KIND {
        let sealed = EncryptedPrivateKeyInfoRef::try_from(der).map_err(|_| UnlockFailure::Form)?;
        return match sealed.decrypt(passphrase.reveal()) {
            Ok(open) => Ok(open.as_bytes().to_vec()),
            Err(pkcs8::Error::EncryptedPrivateKey(pkcs5::Error::DecryptFailed) | pkcs8::Error::Asn1(_)) => {
                Err(UnlockFailure::Passphrase)
            }
            Err(_) => Err(UnlockFailure::Form),
        };
    }
    unlock_cosign(der, passphrase).ok_or(UnlockFailure::Passphrase)
}

fn unlock_cosign(der: &[u8], passphrase: &Secret) -> Option<Vec<u8>> {
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
