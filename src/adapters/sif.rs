//! The checker for signatures in SIF files. They are verified by `apptainer` if it is installed, else by `gpg`, with
//! the signed hashes compared here; without both it is only said that there are signatures.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde::Deserialize;

use super::{
    formats::{
        disk_header,
        sif::{self as format, GROUP, Kind as Object},
        sif_file,
    },
    parts::{Parts, Surroundings},
    shared::{exec, gpg},
};
use wharf_core::{
    base::{
        badge::Signature,
        blocking::blocking,
        clean,
        context::Context,
        digest::Hasher,
        error::{During, Result},
        text,
    },
    config::Config,
    evidence::record::{CheckedBy, Kind, Outcome, Record, tool},
    image::{
        model::{Image, ImageKind},
        reference::ImageRef,
    },
    ports::{Checker, Supply},
};

/// Hashing a large file takes a while.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long a result stays valid evidence, in seconds.
const VALID: i64 = 86_400;
/// The tool name in this checker's records.
const TOOL: &str = "sif";

/// The checker for SIF files.
pub struct Sif {
    /// The folder for copies of files that others could change while they are checked.
    store: PathBuf,
    apptainer: Option<PathBuf>,
    gpg: Option<PathBuf>,
    /// The fingerprints of the trusted keys, in capital letters.
    trusted: Vec<String>,
}

/// The state of the signature, the signer, and the reason.
type Found = (Signature, String, String);

/// What is signed (SIF integrity, version 1), as far as it is compared here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    objects: Vec<SignedObject>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SignedObject {
    relative_id: u32,
    object_digest: String,
}

impl Sif {
    /// Verifies with gpg: the signature over the hashes, then the hashes of the objects.
    async fn by_gpg(&self, program: &Path, path: &Path) -> Result<Found> {
        let what = format!("verify {}", path.display());
        let file = path.to_owned();
        let objects = blocking(move || format::objects(&file)).await.during(&what)??;
        let Some(signature) = objects.iter().find(|object| object.kind == Object::Signature) else {
            return Ok((Signature::NoneFound, String::new(), "no signature is in it".to_owned()));
        };
        let sealed = format::small(path, signature)?;
        let (state, key) = gpg::inside(program, &sealed, &self.trusted).await?;
        let signer = if key.is_empty() { String::new() } else { format!("PGP key {}", clean::short(&key, 40)) };
        if !matches!(state, Signature::Verified | Signature::Untrusted) {
            let reason = match state {
                Signature::NoKey => "gpg does not have the signer's key: gpg --recv-keys",
                Signature::Expired => "its key is past its date, or was taken back",
                _ => "it does not fit what is signed",
            };
            return Ok((state, signer, reason.to_owned()));
        }
        let text = String::from_utf8_lossy(&sealed).replace('\r', "");
        let listed: Option<Signed> = gpg::message(&text).and_then(|body| serde_json::from_str(body).ok());
        let Some(listed) = listed else {
            return Ok((
                Signature::Unreachable,
                signer,
                "what is signed is of a form that is not understood".to_owned(),
            ));
        };
        let group = signature.linked;
        let members: Vec<format::Object> = objects
            .iter()
            .filter(|object| object.kind != Object::Signature)
            .filter(|object| if group & GROUP == GROUP { object.group == group } else { object.id == group })
            .cloned()
            .collect();
        let hashes: BTreeMap<u32, String> =
            listed.objects.into_iter().map(|object| (object.relative_id, object.object_digest)).collect();
        let file = path.to_owned();
        let count = members.len();
        let misfit = blocking(move || misfit(&file, &members, &hashes)).await.during(&what)??;
        Ok(match misfit {
            Some(why) => (Signature::Invalid, signer, why),
            None if count == 0 => (Signature::Invalid, signer, "it signs nothing that is in the file".to_owned()),
            None => {
                let objects = text::plural(count as u64, "object", "objects");
                (state, signer, format!("gpg, and the data of {objects}; apptainer compares their descriptors too"))
            }
        })
    }

    async fn by_apptainer(&self, apptainer: &Path, path: &Path) -> Result<Found> {
        let (program, file) = (apptainer.display().to_string(), path.display().to_string());
        // Only with keys that are here: it would ask a key server on the net for others.
        let argv = [program.as_str(), "verify", "--json", "--local", file.as_str()];
        let said = exec::run(&argv, b"", 4 << 20, PATIENCE).await?;
        let signed = signers(&said.stdout, &self.trusted);
        let name = |key: &str| if key.is_empty() { String::new() } else { format!("PGP key {key}") };
        if said.code == 0 {
            return Ok(match signed {
                Some((state, key)) => (state, name(&key), "apptainer verify".to_owned()),
                None => (Signature::Unreachable, String::new(), "apptainer's answer names no signer".to_owned()),
            });
        }
        let (out, signer) = (said.stderr.to_lowercase(), signed.map(|(_, key)| name(&key)).unwrap_or_default());
        let says = |words: &[&str]| words.iter().any(|word| out.contains(word));
        let why = clean::short(said.stderr.trim().lines().next_back().unwrap_or(""), 160);
        Ok(if says(&["signature not found", "no signatures", "not signed"]) {
            (Signature::NoneFound, signer, "no signature is in it".to_owned())
        } else if says(&["key not found", "unknown entity", "no key", "key material not found"]) {
            (Signature::NoKey, signer, "apptainer does not have the signer's key: apptainer key pull".to_owned())
        } else if says(&["integrity:"]) {
            (Signature::Invalid, signer, format!("apptainer: {why}"))
        } else {
            // It could not read the file at all, whether it is signed or not.
            (Signature::Unreachable, signer, format!("apptainer: {why}"))
        })
    }
}

/// What `apptainer verify --json` says.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    signer_keys: Option<Vec<SignerKey>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignerKey {
    signer: SignedPart,
}

/// One object, and a key that signed it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SignedPart {
    #[serde(default)]
    partition: String,
    #[serde(default)]
    fingerprint: String,
    #[serde(default)]
    key_check: bool,
    #[serde(default)]
    data_check: bool,
}

/// The state and the key's fingerprint in that answer: of a trusted key if one signed every object that is signed, else of
/// another that did. `None` if no signer is named.
fn signers(answer: &[u8], trusted: &[String]) -> Option<(Signature, String)> {
    let parts: Vec<SignedPart> =
        serde_json::from_slice::<Answer>(answer).ok()?.signer_keys?.into_iter().map(|key| key.signer).collect();
    let objects: BTreeSet<&str> = parts.iter().map(|part| part.partition.as_str()).collect();
    let is_key = |key: &str| key.len() >= 40 && key.chars().all(|c| c.is_ascii_hexdigit());
    let keys: BTreeSet<String> =
        parts.iter().map(|part| part.fingerprint.to_ascii_uppercase()).filter(|key| is_key(key)).collect();
    let signs_all = |key: &String| {
        let own = parts.iter().filter(|part| part.fingerprint.eq_ignore_ascii_case(key));
        let sound: Vec<&SignedPart> = own.collect();
        sound.iter().all(|part| part.key_check && part.data_check)
            && sound.iter().map(|part| part.partition.as_str()).collect::<BTreeSet<_>>() == objects
    };
    let whole: Vec<&String> = keys.iter().filter(|key| signs_all(key)).collect();
    match (whole.iter().find(|key| trusted.contains(key)), whole.first(), keys.first()) {
        (Some(key), ..) => Some((Signature::Verified, (*key).clone())),
        (None, Some(key), _) => Some((Signature::Untrusted, (*key).clone())),
        (None, None, key) => key.map(|key| (Signature::Invalid, key.clone())),
    }
}

/// Why an object is not the one that was signed; `None` if all are.
fn misfit(path: &Path, members: &[format::Object], wanted_by_id: &BTreeMap<u32, String>) -> Result<Option<String>> {
    use std::io::{Read, Seek, SeekFrom};
    let what = format!("hash {}", path.display());
    let first = members.iter().map(|object| object.id).min().unwrap_or(0);
    for object in members {
        let Some(wanted) = wanted_by_id.get(&(object.id - first)) else {
            return Ok(Some(format!("object {} is not signed", object.id)));
        };
        let mut file = disk_header::open(path)?;
        file.seek(SeekFrom::Start(object.offset)).during(&what)?;
        let algorithm = wanted.split(':').next().unwrap_or("");
        if !matches!(algorithm, "sha256" | "sha512") {
            return Ok(Some(format!("{} is no hash that is understood", clean::short(algorithm, 20))));
        }
        let mut hasher = Hasher::of(algorithm);
        hasher.update_from(file.take(object.size)).during(&what)?;
        if hasher.finish().as_str() != wanted {
            return Ok(Some(format!("object {} is not the one that was signed", object.id)));
        }
    }
    Ok(None)
}

#[async_trait]
impl Checker for Sif {
    fn name(&self) -> &'static str {
        TOOL
    }

    fn kind(&self) -> Kind {
        Kind::Signature
    }

    fn inputs(&self) -> Vec<String> {
        self.trusted.clone()
    }

    async fn check(&self, cx: &Context, image: &Image, supply: &Supply) -> Result<Vec<Record>> {
        let (Some(pinned), ImageKind::Sif) = (&image.pinned, image.kind) else { return Ok(Vec::new()) };
        let ImageRef::File { .. } = &pinned.reference else { return Ok(Vec::new()) };
        // What is checked are the bytes that were pinned, whatever is under this name now.
        let file = sif_file::open(cx, supply, &self.store).await?;
        let path = &sif_file::inherited(&file)?;
        cx.progress.phase("looking at its signature");
        let (state, signer, reason) = match (&self.apptainer, &self.gpg) {
            (Some(apptainer), _) => self.by_apptainer(apptainer, path).await?,
            (None, Some(gpg)) => self.by_gpg(gpg, path).await?,
            (None, None) => {
                let there = format::objects(path)?.iter().any(|object| object.kind == Object::Signature);
                let state = if there { Signature::NoKey } else { Signature::NoneFound };
                (state, String::new(), "neither apptainer nor gpg is installed here".to_owned())
            }
        };
        let outcome = Outcome::Signature { state, signer };
        let inputs = self.inputs();
        Ok(vec![Record { inputs, reason, ..Record::now(pinned, CheckedBy::Wharf, tool(TOOL), outcome, VALID) }])
    }
}

/// Registers the checker, with `apptainer` and `gpg` if they are installed.
pub fn register(config: &Config, around: &Surroundings, parts: &mut Parts) -> Result<()> {
    let apptainer = exec::on_path("apptainer").or_else(|| exec::on_path("singularity"));
    let trusted = gpg::fingerprints(&config.policy.signature.pgp);
    let store = sif_file::store(&around.cache_dir);
    parts.checkers.push(Arc::new(Sif { store, apptainer, gpg: exec::on_path("gpg"), trusted }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Apptainer 1.4.5 writes it.
    fn answer(parts: &[(&str, &str, bool)]) -> Vec<u8> {
        let part = |(partition, key, sound): &(&str, &str, bool)| {
            serde_json::json!({"Signer": {"Partition": partition, "Name": "Ada <ada@example.org>", "Fingerprint": key,
                "KeyLocal": true, "KeyCheck": true, "DataCheck": sound}})
        };
        let keys: Vec<_> = parts.iter().map(part).collect();
        serde_json::json!({"Signatures": 1, "SignerKeys": keys}).to_string().into_bytes()
    }

    #[test]
    fn a_trusted_key_must_have_signed_every_object() {
        let (ada, bob) = ("f2b36a19c1111cc12124f75941897a0eb9ce0a8e", "0123456789abcdef0123456789abcdef01234567");
        let trusted = [ada.to_ascii_uppercase()];
        let state = |parts: &[(&str, &str, bool)]| signers(&answer(parts), &trusted).map(|(state, _)| state);
        assert_eq!(state(&[("Def.FILE", ada, true), ("FS", ada, true)]), Some(Signature::Verified));
        assert_eq!(state(&[("Def.FILE", bob, true), ("FS", bob, true)]), Some(Signature::Untrusted));
        // The trusted key signed only a part, and another one the rest.
        assert_eq!(state(&[("Def.FILE", ada, true), ("FS", bob, true)]), Some(Signature::Invalid));
        assert_eq!(state(&[("FS", ada, true), ("FS", bob, true)]), Some(Signature::Verified));
        assert_eq!(state(&[("Def.FILE", ada, true), ("FS", ada, false)]), Some(Signature::Invalid));
        assert_eq!(state(&[]), None);
        assert_eq!(signers(br#"{"Signatures":0,"SignerKeys":null}"#, &trusted), None);
    }
}
