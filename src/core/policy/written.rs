//! A policy as it is written in a file.

use serde::{Deserialize, Serialize};

use super::consequence::Consequence;
use crate::{
    base::{badge::Publisher, digest::Digest},
    image::model::Platform,
};

/// A policy as it is written. The built-in one contains every key with an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The policy's name in reasons and in the audit.
    pub name: String,
    /// Whether what needs approval is held back; else it is only said.
    pub enforce: bool,
    /// What happens to a launch if checks could not run.
    pub unreachable: Consequence,
    /// The rules about signatures.
    pub signature: SignatureRules,
    /// The classes of publishers that count like a signature.
    pub publishers: Vec<Publisher>,
    /// The classes that this site gives to publishers by repository, whatever the source says.
    pub publisher: Vec<Published>,
    /// The rules about vulnerability scans.
    pub scan: ScanRules,
    /// What happens to a launch with root rights on the host.
    pub privileged: Consequence,
    /// The rules about platforms and age.
    pub image: ImageRules,
    /// Who may launch without the approval that is needed. What is denied stays denied.
    #[serde(rename = "override")]
    pub overriding: Overriding,
    /// The digests that nobody may launch.
    pub deny: Vec<Denied>,
    /// The findings that somebody has examined and accepted.
    pub exception: Vec<Exception>,
}

/// The class of the publisher of some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// The beginning of the repositories' references.
    pub repository: String,
    /// The class of their publisher.
    pub class: Publisher,
}

/// Who may launch without the approval that is needed. It is recorded with their reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Overriding {
    /// Everybody who gives a reason.
    Anyone,
    /// Nobody: a missing approval always holds the launch back.
    #[default]
    Nobody,
}

/// The rules about platforms and age.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageRules {
    /// The platforms that may be launched; all if there is no list.
    pub platforms: Option<Vec<Platform>>,
    /// What happens to images for other platforms.
    pub other_platform: Consequence,
    /// Days after which an image counts as old; never if `None`.
    pub old_days: Option<u32>,
    /// What happens to older images, and to those that do not say when they were built.
    pub old: Consequence,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "built in".into(),
            enforce: false,
            unreachable: Consequence::NEEDS_APPROVAL,
            signature: SignatureRules::default(),
            publishers: vec![Publisher::SiteApproved],
            publisher: Vec::new(),
            scan: ScanRules::default(),
            privileged: Consequence::NEEDS_APPROVAL,
            image: ImageRules::default(),
            overriding: Overriding::Nobody,
            deny: Vec::new(),
            exception: Vec::new(),
        }
    }
}

impl Default for ImageRules {
    fn default() -> Self {
        Self {
            platforms: None,
            other_platform: Consequence::NEEDS_APPROVAL,
            old_days: None,
            old: Consequence::NEEDS_APPROVAL,
        }
    }
}

/// The rules about signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureRules {
    /// Files with public keys (PEM) whose signatures count.
    pub keys: Vec<std::path::PathBuf>,
    /// Those of the keys that belong to stewards and approvers: only these may state scans and accept findings and
    /// rules. Without the list it is all keys; name it if suppliers' keys are among them.
    pub admission_keys: Vec<std::path::PathBuf>,
    /// Where images were signed that are now in other places: copies and mirrors.
    pub mirror: Vec<Mirror>,
    /// The identities whose keyless signatures count, with the issuers that vouch for them.
    pub identity: Vec<Identity>,
    /// The trusted root of a Sigstore instance (`trusted_root.json`); that of the public instance if `None`.
    pub trusted_root: Option<std::path::PathBuf>,
    /// Whether keyless signatures must be in the transparency log; a private instance may have timestamps only.
    pub transparency_log: bool,
    /// Files with certificates (PEM) of authorities or signers that are trusted for the data of disk images.
    pub authorities: Vec<std::path::PathBuf>,
    /// Certificates that clouds name by an id in their key manager.
    pub certificate: Vec<NamedCertificate>,
    /// The fingerprints of PGP keys whose signatures in SIF files count.
    pub pgp: Vec<String>,
    /// The root keys of Docker Content Trust that count.
    pub notary: Vec<NotaryRoots>,
    /// What happens to an image without a valid signature that counts.
    pub missing: Consequence,
    /// What happens to an image with a signature that is not valid.
    pub invalid: Consequence,
}

/// Says that images in some repositories were signed in others: otherwise a signature counts only in the repository
/// that it names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// The beginning of the repositories that they are in: `registry.example.org/mirror/`.
    pub repository: String,
    /// The beginning of the repositories that they were signed in: `docker.io/vendor/`.
    pub signed: String,
}

impl SignatureRules {
    /// The files of all keys whose signatures count.
    pub fn all_keys(&self) -> Vec<std::path::PathBuf> {
        let more = self.admission_keys.iter().filter(|file| !self.keys.contains(file));
        self.keys.iter().chain(more).cloned().collect()
    }

    /// The files of the keys that may admit images.
    pub fn admitting(&self) -> &[std::path::PathBuf] {
        if self.admission_keys.is_empty() { &self.keys } else { &self.admission_keys }
    }

    /// Whether a signature made in one repository counts for an image in another; both without a tag.
    pub fn covers<'a>(&self, signed: &'a str, repository: &'a str) -> bool {
        // Only whole parts of names are compared: `mirror/` does not match `mirror-of-somebody/`.
        let below = |name: &'a str, begin: &str| {
            name.strip_prefix(begin.trim_end_matches('/')).filter(|rest| rest.starts_with('/') && !begin.is_empty())
        };
        let moved = |mirror: &Mirror| {
            let (here, there) = (below(repository, &mirror.repository), below(signed, &mirror.signed));
            here.zip(there).is_some_and(|(here, there)| here == there)
        };
        signed == repository || self.mirror.iter().any(moved)
    }
}

/// An identity whose keyless signatures count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The identity in the certificate: a mail address, or the URI of a job. A `*` at its end matches everything after
    /// it.
    pub identity: String,
    /// The exact address of the OpenID Connect issuer that vouched for it.
    pub issuer: String,
}

impl Identity {
    /// Whether this identity and issuer are meant.
    pub fn names(&self, identity: &str, issuer: &str) -> bool {
        let fits = match self.identity.strip_suffix('*') {
            Some(begin) => !begin.is_empty() && identity.starts_with(begin),
            None => identity == self.identity,
        };
        fits && !identity.is_empty() && issuer == self.issuer
    }
}

/// A certificate that clouds name by an id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NamedCertificate {
    /// The id in the property `img_signature_certificate_uuid`.
    pub id: String,
    /// The file (PEM) with the signer's certificate, followed by those up to its authority.
    pub file: std::path::PathBuf,
}

/// The root keys of Docker Content Trust that count for some repositories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotaryRoots {
    /// The beginning of the repositories: `registry.example.org/physics/`.
    pub repository: String,
    /// The ids of the root keys in hexadecimal, as `notary key list` shows them.
    pub keys: Vec<String>,
}

/// The rules about scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanRules {
    /// Days for which a scan is fresh.
    pub fresh_days: u32,
    /// Days after which a scan counts as missing.
    pub stale_days: u32,
    /// What happens to an image without a scan, or with one that is stale or knows nothing of it.
    pub missing: Consequence,
    /// What happens to an image with a scan that was only attached to it, which its maker may have done.
    pub asserted: Consequence,
    /// What happens to an image with a critical finding for which there is a fix.
    pub fixable_critical: Consequence,
    /// The address of a trivy server that does the scanning; empty for this machine. It is taken from the policy in use
    /// only, never from the environment.
    pub trivy_server: String,
    /// Files that list vulnerabilities known to be exploited: CISA's JSON, or one identifier per line.
    pub exploited_lists: Vec<std::path::PathBuf>,
    /// What happens to an image with a finding known to be exploited.
    pub known_exploited: Consequence,
    /// The most critical findings that an image may have; no limit if `None`.
    pub most_critical: Option<u64>,
    /// The most high findings that an image may have; no limit if `None`.
    pub most_high: Option<u64>,
    /// The most medium findings that an image may have; no limit if `None`.
    pub most_medium: Option<u64>,
    /// What happens to an image with more findings than these.
    pub over_limit: Consequence,
}

impl Default for SignatureRules {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            admission_keys: Vec::new(),
            mirror: Vec::new(),
            identity: Vec::new(),
            trusted_root: None,
            transparency_log: true,
            authorities: Vec::new(),
            certificate: Vec::new(),
            pgp: Vec::new(),
            notary: Vec::new(),
            missing: Consequence::NEEDS_APPROVAL,
            invalid: Consequence::DENY,
        }
    }
}

impl Default for ScanRules {
    fn default() -> Self {
        Self {
            fresh_days: 7,
            stale_days: 30,
            missing: Consequence::NEEDS_APPROVAL,
            asserted: Consequence::NEEDS_APPROVAL,
            fixable_critical: Consequence::NEEDS_APPROVAL,
            trivy_server: String::new(),
            exploited_lists: Vec::new(),
            known_exploited: Consequence::NEEDS_APPROVAL,
            most_critical: None,
            most_high: None,
            most_medium: None,
            over_limit: Consequence::NEEDS_APPROVAL,
        }
    }
}

/// A digest that nobody may launch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Denied {
    /// The digest of an index or of one platform's manifest.
    pub digest: Digest,
    /// The reason that people are told.
    pub reason: String,
}

/// A finding that was examined and is accepted for some images until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// The exception's name in reasons and in the audit.
    pub id: String,
    /// The vulnerability's identifier, like `CVE-2024-3094`.
    pub vulnerability: String,
    /// The only digest that it is for, if it is for one.
    pub digest: Option<Digest>,
    /// The beginning of the repositories that it is for, if it is for some.
    pub repository: Option<String>,
    /// The person responsible for it.
    pub owner: String,
    /// Why the finding is accepted.
    pub reason: String,
    /// When the exception ends, as RFC 3339.
    pub expires: String,
}
