//! The policy of a site: from evidence, launch and time to a verdict with its reasons. Plain functions.
//!
//! A missing part never improves a verdict; of several reasons, the strictest counts.

mod judge;
mod remedy;

pub use self::remedy::asks;

use serde::{Deserialize, Serialize};

use super::{
    base::{
        badge::{Publisher, Verdict},
        clean,
        digest::Digest,
        error::{Error, Result},
        text,
    },
    evidence::record::Record,
    image::model::Platform,
};

/// The policy that is used if a site has none.
pub const BUILT_IN: &str = include_str!("../../../assets/policy.toml");

/// A policy as it is written. The built-in one contains every key with an explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// The policy's name in reasons and in the audit.
    pub name: String,
    /// Whether what needs approval is held back; else it is only said.
    pub enforce: bool,
    /// What happens to a launch if checks could not run.
    pub unreachable: Held,
    /// The rules about signatures.
    pub signature: SignatureRules,
    /// The classes of publishers that count like a signature.
    pub publishers: Vec<Publisher>,
    /// The classes that this site gives to publishers by repository, whatever the source says.
    pub publisher: Vec<Published>,
    /// The rules about vulnerability scans.
    pub scan: ScanRules,
    /// What happens to a launch with root rights on the host.
    pub privileged: Held,
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
    pub other_platform: Held,
    /// Days after which an image counts as old; never if `None`.
    pub old_days: Option<u32>,
    /// What happens to older images, and to those that do not say when they were built.
    pub old: Held,
}

impl Default for ImageRules {
    fn default() -> Self {
        Self { platforms: None, other_platform: Held::NeedsApproval, old_days: None, old: Held::NeedsApproval }
    }
}

/// What happens to an image that breaks a rule, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// It is allowed nevertheless; the reason is only shown.
    Allow,
    /// An approver has to agree.
    #[default]
    NeedsApproval,
    /// It is denied; no approval helps.
    Deny,
}

impl Held {
    fn verdict(self) -> Verdict {
        match self {
            Self::Allow => Verdict::Allow,
            Self::NeedsApproval => Verdict::NeedsApproval,
            Self::Deny => Verdict::Deny,
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
    pub missing: Held,
    /// What happens to an image with a signature that is not valid.
    pub invalid: Held,
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
    pub fn is_of<'a>(&self, signed: &'a str, repository: &'a str) -> bool {
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
    pub missing: Held,
    /// What happens to an image with a scan that was only attached to it, which its maker may have done.
    pub asserted: Held,
    /// What happens to an image with a critical finding for which there is a fix.
    pub fixable_critical: Held,
    /// The address of a trivy server that does the scanning; empty for this machine. It is taken from the policy in use
    /// only, never from the environment.
    pub trivy_server: String,
    /// Files that list vulnerabilities known to be exploited: CISA's JSON, or one identifier per line.
    pub exploited_lists: Vec<std::path::PathBuf>,
    /// What happens to an image with a finding known to be exploited.
    pub known_exploited: Held,
    /// The most critical findings that an image may have; no limit if `None`.
    pub most_critical: Option<u64>,
    /// The most high findings that an image may have; no limit if `None`.
    pub most_high: Option<u64>,
    /// The most medium findings that an image may have; no limit if `None`.
    pub most_medium: Option<u64>,
    /// What happens to an image with more findings than these.
    pub over_limit: Held,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            name: "built in".into(),
            enforce: false,
            unreachable: Held::NeedsApproval,
            signature: SignatureRules::default(),
            publishers: vec![Publisher::SiteApproved],
            publisher: Vec::new(),
            scan: ScanRules::default(),
            privileged: Held::NeedsApproval,
            image: ImageRules::default(),
            overriding: Overriding::Nobody,
            deny: Vec::new(),
            exception: Vec::new(),
        }
    }
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
            missing: Held::NeedsApproval,
            invalid: Held::Deny,
        }
    }
}

impl Default for ScanRules {
    fn default() -> Self {
        Self {
            fresh_days: 7,
            stale_days: 30,
            missing: Held::NeedsApproval,
            asserted: Held::NeedsApproval,
            fixable_critical: Held::NeedsApproval,
            trivy_server: String::new(),
            exploited_lists: Vec::new(),
            known_exploited: Held::NeedsApproval,
            most_critical: None,
            most_high: None,
            most_medium: None,
            over_limit: Held::NeedsApproval,
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

/// What is known about an image and its launch when it is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// The image's evidence of every kind and age.
    pub records: &'a [Record],
    /// The digests of its index and of the platform's manifest.
    pub digests: Vec<Digest>,
    /// The reference without a tag.
    pub name: &'a str,
    /// Who made it, as the source says.
    pub publisher: Publisher,
    /// The platform that was chosen.
    pub platform: Option<&'a Platform>,
    /// When it was built, in seconds since 1970, if it says so.
    pub created: Option<i64>,
    /// Whether the launch has root rights on the host; `None` if nothing is launched.
    pub privileged: Option<bool>,
    /// Whether its header names other files, or it is no image of the stated format.
    pub broken_format: bool,
    /// What the site's store knows about it.
    pub site: Site,
}

/// What a site's store knows about an image: the stewards' last verdict, and whether its admission was revoked.
///
/// In the order of strictness, the strictest last.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// The store knows nothing of it, or there is no store.
    #[default]
    Silent,
    /// The store did not answer.
    Away,
    /// A steward has judged it.
    Judged {
        /// The steward's last verdict.
        verdict: Verdict,
        /// The findings of which people were warned and that it still has.
        findings: Vec<String>,
        /// When it was judged, in seconds since 1970.
        at: i64,
    },
    /// Its admission was revoked.
    TakenBack {
        /// The person who revoked it.
        by: String,
        /// The reason in that person's words.
        reason: String,
        /// When it was revoked, in seconds since 1970.
        at: i64,
    },
}

/// A reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The verdict for this reason alone.
    pub verdict: Verdict,
    /// The rule's key in the policy.
    pub rule: &'static str,
    /// The reason as a sentence.
    pub words: String,
    /// The simplest remedy; empty if none is needed.
    pub step: String,
    /// The identifiers of the findings that it is about; empty if it is about none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// A verdict with its reasons, the strictest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The strictest verdict of the reasons.
    pub verdict: Verdict,
    /// All reasons, including those that allow.
    pub reasons: Vec<Reason>,
    /// The names of the exceptions that were applied.
    pub exceptions: Vec<String>,
    /// The name of the policy.
    pub policy: String,
    /// Whether this policy holds back what needs approval.
    pub enforced: bool,
}

impl Judgement {
    /// The reasons that decide the verdict, in words.
    pub fn grounds(&self) -> String {
        let own = self.reasons.iter().filter(|reason| reason.verdict == self.verdict);
        own.map(|reason| reason.words.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The judgement for a new request: a revoked admission then needs a person's approval, and is not denied for ever.
    #[must_use]
    pub fn reconsidered(mut self) -> Self {
        for reason in self.reasons.iter_mut().filter(|reason| reason.rule == "revoked") {
            reason.verdict = Verdict::NeedsApproval;
        }
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        self.verdict = self.reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        self
    }

    /// Whether a launch may proceed without an approval.
    pub fn lets_pass(&self) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::NeedsApproval | Verdict::Undecided => !self.enforced,
            Verdict::Deny => false,
        }
    }
}

/// The smaller of two limits; `None` is no limit.
fn least<T: Ord + Copy>(ours: Option<T>, theirs: Option<T>) -> Option<T> {
    ours.into_iter().chain(theirs).min()
}

/// The platforms that both lists allow; no list allows all.
fn platforms(ours: Option<&Vec<Platform>>, theirs: Option<&Vec<Platform>>) -> Option<Vec<Platform>> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.iter().filter(|one| theirs.contains(one)).cloned().collect()),
        (ours, theirs) => ours.or(theirs).cloned(),
    }
}

impl Policy {
    /// Reads a policy; keys that it leaves out are as in the built-in one.
    pub fn read(text: &str, name: &str) -> Result<Self> {
        let what = format!("read the policy {name}");
        let policy: Self = toml::from_str(text).map_err(|error| {
            let line = text::line_of(text, error.span().map(|span| span.start));
            Error::usage(what.clone(), format!("line {line}: {}", clean::line(error.message())))
                .hint("correct it; nothing is launched under a policy that cannot be read")
        })?;
        policy.check(&what)?;
        Ok(policy)
    }

    /// Reads a policy from a file of its own, or from a configuration with `[policy]`.
    pub fn read_file(text: &str, name: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Configuration {
            policy: Policy,
        }
        match toml::from_str::<Configuration>(text) {
            Ok(configuration) => {
                configuration.policy.check(&format!("read the policy {name}"))?;
                Ok(configuration.policy)
            }
            Err(_) => Self::read(text, name),
        }
    }

    /// Whether a person may proceed with a reason in spite of this verdict.
    pub fn lets_override(&self, verdict: Verdict) -> bool {
        self.overriding == Overriding::Anyone && verdict != Verdict::Deny
    }

    /// The publisher's class for a reference: as this policy says, else as the source says.
    pub fn publisher_of(&self, name: &str, said: Publisher) -> Publisher {
        let given = self.publisher.iter().filter(|given| name.starts_with(given.repository.as_str()));
        given.max_by_key(|given| given.repository.len()).map_or(said, |given| given.class)
    }

    /// Fails if the policy contradicts itself or has invalid values.
    pub fn check(&self, what: &str) -> Result<()> {
        for exception in &self.exception {
            if exception.digest.is_none() && exception.repository.is_none() {
                return Err(Error::usage(
                    what,
                    format!("exception '{}' is for no digest and no repository", exception.id),
                )
                .hint("an exception is for one image, or for the names that begin like this"));
            }
            if text::parse_timestamp(&exception.expires).is_none() {
                return Err(Error::usage(
                    what,
                    format!("exception '{}': '{}' is no time", exception.id, exception.expires),
                )
                .hint("write it like 2027-01-31T00:00:00Z"));
            }
        }
        Ok(())
    }

    /// This policy combined with another: of each rule the stricter one counts.
    #[must_use]
    pub fn tightened_by(&self, other: &Self) -> Self {
        let both = |ours: &[Publisher], theirs: &[Publisher]| {
            ours.iter().copied().filter(|publisher| theirs.contains(publisher)).collect()
        };
        // Signatures count only with keys of the lower layer, which is the site's: a key in the upper layer alone adds
        // no trust.
        Self {
            name: format!("{} and {}", self.name, other.name),
            enforce: self.enforce || other.enforce,
            unreachable: self.unreachable.max(other.unreachable),
            signature: SignatureRules {
                keys: self.signature.keys.clone(),
                admission_keys: self.signature.admission_keys.clone(),
                mirror: self.signature.mirror.clone(),
                identity: self.signature.identity.clone(),
                trusted_root: self.signature.trusted_root.clone(),
                transparency_log: self.signature.transparency_log || other.signature.transparency_log,
                authorities: self.signature.authorities.clone(),
                certificate: self.signature.certificate.clone(),
                pgp: self.signature.pgp.clone(),
                notary: self.signature.notary.clone(),
                missing: self.signature.missing.max(other.signature.missing),
                invalid: self.signature.invalid.max(other.signature.invalid),
            },
            publishers: both(&self.publishers, &other.publishers),
            publisher: self.publisher.clone(),
            scan: ScanRules {
                fresh_days: self.scan.fresh_days.min(other.scan.fresh_days),
                stale_days: self.scan.stale_days.min(other.scan.stale_days),
                missing: self.scan.missing.max(other.scan.missing),
                asserted: self.scan.asserted.max(other.scan.asserted),
                fixable_critical: self.scan.fixable_critical.max(other.scan.fixable_critical),
                // A person's own server could hide findings, so the site's setting counts, also if it names none.
                trivy_server: self.scan.trivy_server.clone(),
                exploited_lists: [self.scan.exploited_lists.clone(), other.scan.exploited_lists.clone()].concat(),
                known_exploited: self.scan.known_exploited.max(other.scan.known_exploited),
                most_critical: least(self.scan.most_critical, other.scan.most_critical),
                most_high: least(self.scan.most_high, other.scan.most_high),
                most_medium: least(self.scan.most_medium, other.scan.most_medium),
                over_limit: self.scan.over_limit.max(other.scan.over_limit),
            },
            privileged: self.privileged.max(other.privileged),
            image: ImageRules {
                platforms: platforms(self.image.platforms.as_ref(), other.image.platforms.as_ref()),
                other_platform: self.image.other_platform.max(other.image.other_platform),
                old_days: least(self.image.old_days, other.image.old_days),
                old: self.image.old.max(other.image.old),
            },
            overriding: self.overriding.max(other.overriding),
            deny: self.deny.iter().chain(&other.deny).cloned().collect(),
            exception: self.exception.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
