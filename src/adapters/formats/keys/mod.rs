//! Public keys (PEM, `SubjectPublicKeyInfo`) and verifying signatures: ECDSA on P-256 and P-384, RSA, Ed25519.

pub mod pem;

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use base64::{Engine as _, engine::general_purpose::STANDARD};

use wharf_core::base::{
    digest::Digest,
    error::{During, Error, Result},
    small_file,
};

/// The object identifiers of key types and curves, as DER (RFC 5480, RFC 8017, RFC 8410).
const P256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const P384: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
const RSA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const ED25519: &[u8] = &[0x06, 0x03, 0x2b, 0x65, 0x70];
/// The identifier is within this many first bytes of a key.
const HEAD: usize = 40;

/// A public key that signatures are verified with.
#[derive(Clone)]
pub struct Key {
    /// SHA-256 of the key's DER in hexadecimal, by which evidence names the key.
    pub id: String,
    /// The id as bytes.
    hash: Vec<u8>,
    /// The key as `SubjectPublicKeyInfo` (DER).
    der: Vec<u8>,
    /// The signature algorithms that the key may have been used with.
    algorithms: &'static [&'static dyn VerificationAlgorithm],
}

/// The keys in some files, read when they are first needed. A key that cannot be read verifies nothing; the checkers
/// that use it report that at start.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    files: Vec<PathBuf>,
    read: OnceLock<Vec<Key>>,
}

impl Keys {
    /// The keys in these files, not read yet.
    pub fn new(files: &[PathBuf]) -> Self {
        Self { files: files.to_vec(), read: OnceLock::new() }
    }

    /// All keys that can be read.
    pub fn all(&self) -> &[Key] {
        self.read.get_or_init(|| self.files.iter().filter_map(|file| Key::load(file).ok()).collect())
    }

    /// The key that has made `signature` over `message`, if one of them has.
    pub fn signer(&self, message: &[u8], signature: &[u8]) -> Option<&Key> {
        self.all().iter().find(|key| key.verifies(message, signature))
    }
}

/// The `SubjectPublicKeyInfo` for a bare RSA key (RFC 8017, appendix A.1; RFC 3279, section 2.3.1).
fn rsa_info(key: &[u8]) -> Option<Vec<u8>> {
    let wrapped = |tag: u8, body: &[u8]| {
        let length = u16::try_from(body.len()).ok()?.to_be_bytes();
        let length = match length {
            [0, short @ 0..=127] => vec![short],
            [0, long] => vec![0x81, long],
            both => [&[0x82][..], &both].concat(),
        };
        Some([&[tag][..], &length, body].concat())
    };
    let bits = wrapped(0x03, &[&[0][..], key].concat())?;
    let kind = wrapped(0x30, &[RSA, &[0x05, 0x00]].concat())?;
    wrapped(0x30, &[kind, bits].concat())
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.id)
    }
}

impl Key {
    /// Reads the key in a file; fails if it holds no key of a supported kind.
    pub fn load(path: &Path) -> Result<Self> {
        let what = format!("read the key {}", path.display());
        let text = small_file::bytes(path).during(&what)?;
        let text = String::from_utf8_lossy(&text);
        Self::parse(&text).ok_or_else(|| {
            if pem::read(&text).iter().any(|block| block.label.ends_with("PRIVATE KEY")) {
                return Error::usage(what, "it is a private key")
                    .hint("name its public half: openssl pkey -in FILE -pubout writes it");
            }
            Error::usage(what, "it is no public key that is understood")
                .hint("write it as PEM ('BEGIN PUBLIC KEY'): P-256, P-384, RSA or Ed25519")
        })
    }

    /// Reads the first key of a PEM text, as `SubjectPublicKeyInfo` or as bare RSA key (PKCS#1).
    pub fn parse(text: &str) -> Option<Self> {
        pem::read(text).into_iter().find_map(|block| match block.label.as_str() {
            "PUBLIC KEY" => Self::from_der(block.der),
            "RSA PUBLIC KEY" => Self::from_der(rsa_info(&block.der)?),
            _ => None,
        })
    }

    /// The key in a `SubjectPublicKeyInfo` (DER); `None` if its kind is not supported.
    pub fn from_der(der: Vec<u8>) -> Option<Self> {
        let head = der.get(..der.len().min(HEAD))?;
        let says = |oid: &[u8]| head.windows(oid.len()).any(|part| part == oid);
        let algorithms: &'static [&'static dyn VerificationAlgorithm] = if says(P256) {
            &[&signature::ECDSA_P256_SHA256_ASN1]
        } else if says(P384) {
            // Older signers used SHA-256 with every curve.
            &[&signature::ECDSA_P384_SHA384_ASN1, &signature::ECDSA_P384_SHA256_ASN1]
        } else if says(RSA) {
            &[&signature::RSA_PKCS1_2048_8192_SHA256, &signature::RSA_PSS_2048_8192_SHA256]
        } else if says(ED25519) {
            &[&signature::ED25519]
        } else {
            return None;
        };
        let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &der).as_ref().to_vec();
        Some(Self { id: Digest::of(&der).hex().to_owned(), hash, der, algorithms })
    }

    /// The signer's name for signatures by this key: `key 0123456789abcdef`.
    pub fn label(&self) -> String {
        format!("key {}", self.id.get(..16).unwrap_or(&self.id))
    }

    /// The kind of key in words: `P-256`.
    pub fn sort(&self) -> &'static str {
        let head = self.der.get(..self.der.len().min(HEAD)).unwrap_or_default();
        let says = |oid: &[u8]| head.windows(oid.len()).any(|part| part == oid);
        [(P256, "P-256"), (P384, "P-384"), (RSA, "RSA"), (ED25519, "Ed25519")]
            .into_iter()
            .find_map(|(oid, word)| says(oid).then_some(word))
            .unwrap_or("")
    }

    /// The key as a PEM text.
    pub fn pem(&self) -> String {
        pem::write("PUBLIC KEY", &self.der)
    }

    /// The key in its shortest form: the compressed point of a key on P-256 or P-384 (SEC 1, 2.3.3), or the 32 bytes of an
    /// Ed25519 key; `None` for others.
    pub fn short(&self) -> Option<Vec<u8>> {
        let size = match self.sort() {
            "P-256" => 32,
            "P-384" => 48,
            "Ed25519" => return self.der.get(self.der.len().checked_sub(32)?..).map(<[u8]>::to_vec),
            _ => return None,
        };
        let whole = self.der.get(self.der.len().checked_sub(2 * size + 1)?..)?;
        match whole.split_first()? {
            (0x04, numbers) => {
                let (across, up) = numbers.split_at(size);
                Some([&[0x02 | (up.last()? & 1)], across].concat())
            }
            _ => None,
        }
    }

    /// The key of this shortest form.
    pub fn from_short(bytes: &[u8]) -> Option<Self> {
        /// The DER before a point in `SubjectPublicKeyInfo` (RFC 5480).
        const P256_BEFORE: &[u8] = &[
            0x30, 0x39, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
            0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x22, 0x00,
        ];
        const P384_BEFORE: &[u8] = &[
            0x30, 0x46, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04,
            0x00, 0x22, 0x03, 0x32, 0x00,
        ];
        let before = match (bytes.len(), bytes.first()?) {
            (32, _) => return Self::from_ed25519(bytes),
            (33, 0x02 | 0x03) => P256_BEFORE,
            (49, 0x02 | 0x03) => P384_BEFORE,
            _ => return None,
        };
        Self::from_der([before, bytes].concat())
    }

    /// The Ed25519 key with these 32 bytes.
    pub fn from_ed25519(raw: &[u8]) -> Option<Self> {
        /// The DER before the key's bytes in `SubjectPublicKeyInfo` (RFC 8410).
        const BEFORE: &[u8] = &[0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        (raw.len() == 32).then(|| Self::from_der([BEFORE, raw].concat()))?
    }

    /// Whether this key has made `signature` over `message` with a method of Notary's, whose ECDSA signatures are the
    /// two numbers one after the other.
    pub fn verifies_as(&self, method: &str, message: &[u8], signature: &[u8]) -> bool {
        let head = self.der.get(..self.der.len().min(HEAD)).unwrap_or_default();
        let says = |oid: &[u8]| head.windows(oid.len()).any(|part| part == oid);
        let algorithm: &dyn VerificationAlgorithm = match method {
            "ecdsa" if says(P256) => &signature::ECDSA_P256_SHA256_FIXED,
            "ecdsa" if says(P384) => &signature::ECDSA_P384_SHA384_FIXED,
            "rsapss" if says(RSA) => &signature::RSA_PSS_2048_8192_SHA256,
            "rsapkcs1v15" if says(RSA) => &signature::RSA_PKCS1_2048_8192_SHA256,
            "eddsa" if says(ED25519) => &signature::ED25519,
            _ => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.der).verify(message, signature).is_ok()
    }

    /// Whether this key has made `signature` over `message` with one of its algorithms.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.algorithms
            .iter()
            .any(|algorithm| UnparsedPublicKey::new(*algorithm, &self.der).verify(message, signature).is_ok())
    }

    /// Whether the hint in a bundle means this key: base64 of the SHA-256 of its DER.
    pub fn is_hinted(&self, hint: &str) -> bool {
        STANDARD.decode(hint).is_ok_and(|bytes| bytes == self.hash)
    }
}
