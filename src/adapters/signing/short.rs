//! Keys and signatures in their short form, for links.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::formats::keys::Key;
use wharf_core::ports::signer::ShortKeys;

/// The most characters that are read of a key or a signature.
const LONGEST: usize = 200;

/// The functions for short forms.
pub const SHORT: ShortKeys = ShortKeys { of, is_key, signature, verifies };

fn decoded(text: &str) -> Option<Vec<u8>> {
    (text.len() <= LONGEST).then(|| URL_SAFE_NO_PAD.decode(text).ok())?
}

fn of(pem: &str) -> Option<String> {
    of_key(&Key::parse(pem)?)
}

/// The short form of a key, if it has one.
pub(super) fn of_key(key: &Key) -> Option<String> {
    key.short().map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
}

fn is_key(text: &str) -> bool {
    decoded(text).is_some_and(|bytes| Key::from_short(&bytes).is_some())
}

fn signature(key: &str, made: &[u8]) -> Option<String> {
    let size = decoded(key)?.len();
    // A compressed point has one byte more than each of the two numbers of a signature.
    let bytes = if size == 32 { made.to_vec() } else { two_numbers(made, size - 1)? };
    Some(URL_SAFE_NO_PAD.encode(bytes))
}

fn verifies(key: &str, message: &[u8], signature: &str) -> bool {
    let (Some(bytes), Some(signature)) = (decoded(key), decoded(signature)) else { return false };
    let method = if bytes.len() == 32 { "eddsa" } else { "ecdsa" };
    Key::from_short(&bytes).is_some_and(|key| key.verifies_as(method, message, &signature))
}

/// The two numbers of an ECDSA signature (RFC 3279, 2.2.3), each with this many bytes.
fn two_numbers(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let (0x30, rest) = (*der.first()?, der.get(1..)?) else { return None };
    let (length, mut rest) = (usize::from(*rest.first()?), rest.get(1..)?);
    // Up to P-384 the length has one byte.
    if length > 0x7f || rest.len() != length {
        return None;
    }
    let mut numbers = Vec::with_capacity(2 * size);
    for _ in 0..2 {
        let (0x02, length) = (*rest.first()?, usize::from(*rest.get(1)?)) else { return None };
        let number = rest.get(2..2 + length)?;
        rest = rest.get(2 + length..)?;
        let bare = number.iter().position(|byte| *byte != 0).map_or(&[][..], |at| &number[at..]);
        numbers.extend(std::iter::repeat_n(0, size.checked_sub(bare.len())?));
        numbers.extend_from_slice(bare);
    }
    rest.is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::keys::pem;
    use aws_lc_rs::{
        encoding::AsDer,
        rand::SystemRandom,
        signature::{
            ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA384_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        },
    };

    #[test]
    fn a_signature_survives_its_short_form_and_a_changed_message_does_not() {
        for algorithm in [&ECDSA_P256_SHA256_ASN1_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING] {
            // Numbers with leading zeros are among so many.
            for round in 0..300_u32 {
                let pair = EcdsaKeyPair::generate(algorithm).unwrap();
                let public = pem::write("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref());
                let message = round.to_be_bytes();
                let made = pair.sign(&SystemRandom::new(), &message).unwrap();
                let key = of(&public).unwrap();
                let short = signature(&key, made.as_ref()).unwrap();
                assert!(verifies(&key, &message, &short), "{public}");
                assert!(!verifies(&key, b"another", &short));
            }
        }
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let short = signature(&key, pair.sign(b"m").as_ref()).unwrap();
        assert!(verifies(&key, b"m", &short) && !verifies(&key, b"n", &short));
    }

    #[test]
    fn text_that_is_no_key_or_no_signature_verifies_nothing() {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let key = of(&pem::write("PUBLIC KEY", pair.public_key().as_der().unwrap().as_ref())).unwrap();
        for wrong in ["", "AAAA", "!", &"A".repeat(43), &"A".repeat(44), &"A".repeat(1000)] {
            assert!(!verifies(wrong, b"m", wrong) && !verifies(&key, b"m", wrong), "{wrong}");
        }
        for der in [&b""[..], b"\x30", b"\x30\x06\x02\x01\x01\x02\x01", b"\x30\x80\x02\x01\x01"] {
            assert_eq!(signature(&key, der), None);
        }
        assert_eq!(of("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), None);
    }
}
