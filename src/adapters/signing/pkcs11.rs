//! A key in hardware (a YubiKey, a site's HSM, SoftHSM) through PKCS#11, named by a URI (RFC 7512).

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use cryptoki::{
    context::{CInitializeArgs, CInitializeFlags, Pkcs11},
    error::RvError,
    mechanism::Mechanism,
    object::{Attribute, AttributeType, ObjectClass, ObjectHandle},
    session::{Session, UserType},
    types::AuthPin,
};

use super::short;
use crate::formats::keys::Key;
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Kind, Result},
        secret::Secret,
    },
    ports::{Asker, Question, QuestionKind, Signer, signer::KeyInfo},
    request::statement::Statement,
};

/// The DER before the point of a key on P-256 and on P-384 (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
const P384: &[u8] = &[
    0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00,
    0x22, 0x03, 0x62, 0x00,
];

/// The parts of a PKCS#11 URI.
#[derive(Debug, Default, PartialEq, Eq)]
struct Uri {
    token: Option<String>,
    object: Option<String>,
    module: Option<String>,
}

/// A key of a token with an open session.
struct HardwareKey {
    session: Arc<Mutex<Session>>,
    private: ObjectHandle,
    public: Key,
    /// Whether the key is on an elliptic curve; else it is an RSA key.
    curve: bool,
    name: String,
}

fn read(uri: &str) -> Option<Uri> {
    let body = uri.strip_prefix("pkcs11:")?;
    let mut read = Uri::default();
    for part in body.split([';', '?', '&']).filter(|part| !part.is_empty()) {
        let (name, value) = part.split_once('=')?;
        // A plus sign means itself in these URIs: only percent signs are escapes.
        let value = value.replace('+', "%2B");
        let value = url::form_urlencoded::parse(format!("v={value}").as_bytes()).next()?.1.into_owned();
        match name {
            "token" => read.token = Some(value),
            "object" => read.object = Some(value),
            "module-path" => read.module = Some(value),
            // A PIN in an argument is visible to all users of the machine.
            "pin-value" => return None,
            _ => {}
        }
    }
    Some(read)
}

/// Opens the key; `asker` asks for its PIN.
pub(super) async fn open(uri: &str, asker: &dyn Asker) -> Result<Arc<dyn Signer>> {
    let what = format!("open {}", clean::short(uri, 100));
    let (read, module) = named(&what, uri)?;
    let token = read.token.clone().unwrap_or_else(|| "the token".to_owned());
    let question = Question { words: format!("PIN of {}", clean::short(&token, 60)), kind: QuestionKind::Secret };
    let pin = asker.ask(question).await?;
    let task = what.clone();
    let key = blocking(move || unlock(&task, &module, &read, &pin)).await.during(&what)??;
    Ok(Arc::new(key))
}

/// What can be told about a key without its PIN: most tokens show public keys to everybody.
pub(super) fn describe_key(uri: &str) -> Result<KeyInfo> {
    let what = format!("look at {}", clean::short(uri, 100));
    let (read, module) = named(&what, uri)?;
    let session = session(&what, &module, &read)?;
    let public = public_half(&what, &session, &read, None).ok().map(|(public, _)| public);
    let token = clean::short(read.token.as_deref().unwrap_or("the token"), 60);
    Ok(KeyInfo {
        place: format!("the key {} of {token}", clean::short(read.object.as_deref().unwrap_or("in hardware"), 60)),
        curve: public.as_ref().map_or("", Key::sort),
        short: public.as_ref().and_then(short::of_key),
        id: public.map(|key| key.id),
        locked: true,
    })
}

/// The parts of a URI, and the module that it or `PKCS11_MODULE` names.
fn named(what: &str, uri: &str) -> Result<(Uri, String)> {
    let read = read(uri).ok_or_else(|| {
        Error::usage(what, "not a PKCS#11 URI, or one with a PIN in it")
            .hint("write pkcs11:token=NAME;object=KEY?module-path=/usr/lib/…/lib.so; the PIN is asked for")
    })?;
    let module = read.module.clone().or_else(|| std::env::var("PKCS11_MODULE").ok()).ok_or_else(|| {
        Error::usage(what, "it names no module")
            .hint("add ?module-path=/usr/lib/…/lib.so, or set PKCS11_MODULE to the library of your token")
    })?;
    Ok((read, module))
}

fn failed(what: &str, error: &cryptoki::error::Error) -> Error {
    let said = clean::short(&error.to_string(), 160);
    if said.to_lowercase().contains("pin") {
        return Error::new(Kind::NotAllowed, what, said).hint("too many wrong PINs lock a token");
    }
    Error::failed(what, said).hint("check the module and that the token is there: pkcs11-tool --list-slots")
}

/// A session with the token, not signed in yet.
fn session(what: &str, module: &str, uri: &Uri) -> Result<Session> {
    let failed = |error: cryptoki::error::Error| failed(what, &error);
    let library = Pkcs11::new(module).map_err(failed)?;
    match library.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(cryptoki::error::Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(failed(error)),
    }
    let slots = library.get_slots_with_initialized_token().map_err(failed)?;
    let named = |slot: &cryptoki::slot::Slot| {
        let label = library.get_token_info(*slot).map(|token| token.label().to_owned()).unwrap_or_default();
        uri.token.as_ref().is_none_or(|wanted| label.trim_end() == wanted)
    };
    let slot = slots.into_iter().find(named).ok_or_else(|| {
        Error::not_found(what, "no token of that name is there").hint("pkcs11-tool --list-slots shows them")
    })?;
    library.open_ro_session(slot).map_err(failed)
}

fn find(what: &str, session: &Session, uri: &Uri, class: ObjectClass, id: Option<Vec<u8>>) -> Result<ObjectHandle> {
    let mut template = vec![Attribute::Class(class)];
    template.extend(uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes())));
    template.extend(id.map(Attribute::Id));
    let found = session.find_objects(&template).map_err(|error| failed(what, &error))?;
    found.into_iter().next().ok_or_else(|| {
        Error::not_found(what, "the token shows no such key").hint("pkcs11-tool --login --list-objects shows them")
    })
}

/// The public key, and whether it is on an elliptic curve.
fn public_half(what: &str, session: &Session, uri: &Uri, id: Option<Vec<u8>>) -> Result<(Key, bool)> {
    let public = find(what, session, uri, ObjectClass::PUBLIC_KEY, id)?;
    let wanted = [AttributeType::EcPoint, AttributeType::Modulus, AttributeType::PublicExponent];
    let (mut point, mut modulus, mut exponent) = (None, None, None);
    for attribute in session.get_attributes(public, &wanted).map_err(|error| failed(what, &error))? {
        match attribute {
            Attribute::EcPoint(value) => point = Some(value),
            Attribute::Modulus(value) => modulus = Some(value),
            Attribute::PublicExponent(value) => exponent = Some(value),
            _ => {}
        }
    }
    let der = match (point, modulus, exponent) {
        (Some(point), ..) => curve_key(&point),
        (None, Some(modulus), Some(exponent)) => Some(rsa_key(&modulus, &exponent)),
        _ => None,
    };
    let curve = der.as_ref().is_some_and(|der| der.starts_with(P256) || der.starts_with(P384));
    let public = der.and_then(Key::from_der).ok_or_else(|| {
        Error::unsupported(what, "its public key is of no kind that is understood").hint("P-256, P-384 or RSA")
    })?;
    Ok((public, curve))
}

fn unlock(what: &str, module: &str, uri: &Uri, pin: &Secret) -> Result<HardwareKey> {
    let failed = |error: cryptoki::error::Error| failed(what, &error);
    let session = session(what, module, uri)?;
    let secret = AuthPin::new(pin.reveal().to_owned().into());
    session.login(UserType::User, Some(&secret)).map_err(failed)?;
    let private = find(what, &session, uri, ObjectClass::PRIVATE_KEY, None)?;
    // Keys may have the same label; the two halves of a key have the same id.
    let id =
        session.get_attributes(private, &[AttributeType::Id]).map_err(failed)?.into_iter().find_map(|one| match one {
            Attribute::Id(id) if !id.is_empty() => Some(id),
            _ => None,
        });
    let (public, curve) = public_half(what, &session, uri, id)?;
    let name = format!("the key {} of a token", uri.object.as_deref().unwrap_or("in hardware"));
    Ok(HardwareKey { session: Arc::new(Mutex::new(session)), private, public, curve, name: clean::short(&name, 100) })
}

/// The `SubjectPublicKeyInfo` of a point, which PKCS#11 wraps in an octet string; some modules do not.
fn curve_key(point: &[u8]) -> Option<Vec<u8>> {
    let bare = match point {
        [0x04, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        bare => bare,
    };
    let prefix = match bare.len() {
        65 => P256,
        97 => P384,
        _ => return None,
    };
    Some([prefix, bare].concat())
}

/// The `SubjectPublicKeyInfo` of a modulus and exponent (RFC 8017, RFC 5280).
fn rsa_key(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    fn wrapped(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = body.len();
        let mut out = vec![tag];
        match length {
            0..=0x7f => out.push(length as u8),
            0x80..=0xff => out.extend([0x81, length as u8]),
            _ => out.extend([0x82, (length >> 8) as u8, length as u8]),
        }
        out.extend_from_slice(body);
        out
    }
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        let bare = bytes.get(start..).unwrap_or_default();
        // A first bit that is set would make the number negative.
        let body = if bare.first().is_none_or(|byte| byte & 0x80 != 0) { [&[0], bare].concat() } else { bare.to_vec() };
        wrapped(0x02, &body)
    };
    let key = wrapped(0x30, &[number(modulus), number(exponent)].concat());
    let algorithm = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let bits = wrapped(0x03, &[&[0], key.as_slice()].concat());
    wrapped(0x30, &[algorithm.as_slice(), &bits].concat())
}

/// A raw ECDSA signature (two numbers) as DER.
fn signature_der(raw: &[u8]) -> Vec<u8> {
    let number = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len().saturating_sub(1));
        let bare = bytes.get(start..).unwrap_or_default();
        let pad = bare.first().is_some_and(|byte| byte & 0x80 != 0);
        let mut out = vec![0x02, (bare.len() + usize::from(pad)) as u8];
        out.extend(pad.then_some(0));
        out.extend_from_slice(bare);
        out
    };
    let (r, s) = raw.split_at(raw.len() / 2);
    let body = [number(r), number(s)].concat();
    [&[0x30, body.len() as u8], body.as_slice()].concat()
}

#[async_trait]
impl Signer for HardwareKey {
    fn describe(&self) -> String {
        self.name.clone()
    }

    fn key_id(&self) -> String {
        self.public.id.clone()
    }

    fn public_pem(&self) -> String {
        self.public.pem()
    }

    fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.public.verifies(message, signature)
    }

    async fn sign(&self, statement: &Statement) -> Result<Vec<u8>> {
        let what = format!("sign with {}", self.name);
        let (session, key, curve, message) =
            (self.session.clone(), self.private, self.curve, statement.bytes().to_vec());
        let task = what.clone();
        // A token may wait for a touch.
        let made = blocking(move || {
            let session = session.lock().unwrap_or_else(PoisonError::into_inner);
            let made = if curve {
                let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &message);
                session.sign(&Mechanism::Ecdsa, key, hash.as_ref()).map(|raw| signature_der(&raw))
            } else {
                session.sign(&Mechanism::Sha256RsaPkcs, key, &message)
            };
            made.map_err(|error| Error::failed(task, clean::short(&error.to_string(), 160)))
        });
        made.await.during(&what)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_token_key_and_module_and_never_a_pin() {
        let uri = read("pkcs11:token=My%20Token;object=site+1?module-path=/usr/lib/x.so").unwrap();
        let wanted =
            Uri { token: Some("My Token".into()), object: Some("site+1".into()), module: Some("/usr/lib/x.so".into()) };
        assert_eq!(uri, wanted);
        assert_eq!(read("pkcs11:token=t?pin-value=1234"), None);
        assert_eq!(read("file:x"), None);
    }

    #[test]
    fn raw_signatures_become_der_with_numbers_that_are_positive_and_short() {
        let raw = [[0x80; 32], [0x01; 32]].concat();
        let der = signature_der(&raw);
        assert_eq!(der[..5], [0x30, 0x45, 0x02, 0x21, 0x00]);
        assert_eq!(der[37..39], [0x02, 0x20]);
        let mut small = [0; 64];
        (small[31], small[63]) = (5, 6);
        assert_eq!(signature_der(&small), [0x30, 0x06, 0x02, 0x01, 0x05, 0x02, 0x01, 0x06]);
        assert!(curve_key(&[0x04; 10]).is_none());
    }
}
