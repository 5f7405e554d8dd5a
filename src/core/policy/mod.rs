//! What a site allows: evidence, the launch and the moment go in, a verdict with its reasons comes out. Pure.
//!
//! A missing part never improves a verdict, and several reasons combine to the worst of them.

mod judge;

pub use self::judge::asks;

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

/// The policy that is in force where no site has written one.
pub const BUILT_IN: &str = include_str!("../../../assets/policy.toml");

/// A policy as written. Every key is in the built-in one, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policy {
    /// What it is called in reasons and in the audit.
    pub name: String,
    /// Whether what needs approval is held back; else it is only said.
    pub enforce: bool,
    /// What becomes of a launch whose checks could not run.
    pub unreachable: Held,
    /// Rules about signatures.
    pub signature: SignatureRules,
    /// Publishers that count like a signature.
    pub publishers: Vec<Publisher>,
    /// Who publishes what is below a name: a class that this site gives, whatever the source says.
    pub publisher: Vec<Published>,
    /// Rules about scans.
    pub scan: ScanRules,
    /// A runtime with root rights on the host.
    pub privileged: Held,
    /// What images may be.
    pub image: ImageRules,
    /// Who may go on all the same where an approval is needed; what is denied stays denied.
    #[serde(rename = "override")]
    pub overriding: Overriding,
    /// Digests that nobody may launch.
    pub deny: Vec<Denied>,
    /// Findings that somebody has looked at and taken.
    pub exception: Vec<Exception>,
}

/// Who publishes what is below a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// Names that begin like this.
    pub repository: String,
    /// What their publisher is.
    pub class: Publisher,
}

/// Who may go on without the approval that is needed. It is written down with their reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Overriding {
    /// Whoever gives a reason.
    Anyone,
    /// Nobody; a missing approval always holds back.
    #[default]
    Nobody,
}

/// What images may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageRules {
    /// Platforms that may be launched; without the list, any.
    pub platforms: Option<Vec<Platform>>,
    /// What becomes of others.
    pub other_platform: Held,
    /// Days after its build for which an image is young enough; none is for ever.
    pub old_days: Option<u32>,
    /// What becomes of older ones, and of those that do not say when they were built.
    pub old: Held,
}

impl Default for ImageRules {
    fn default() -> Self {
        Self { platforms: None, other_platform: Held::NeedsApproval, old_days: None, old: Held::NeedsApproval }
    }
}

/// What is done with something that is not as it should be, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Held {
    /// It is allowed.
    Allow,
    /// Somebody has to say yes.
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

/// What is wanted of signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SignatureRules {
    /// Files with public keys (PEM) whose signatures count.
    pub keys: Vec<std::path::PathBuf>,
    /// Of these, the ones of stewards and approvers: what their signatures state of a scan, and which findings and rules
    /// they take, is believed. Without the list, that of all keys is. Name it where suppliers' keys are among them.
    pub admission_keys: Vec<std::path::PathBuf>,
    /// Where images were signed that are found elsewhere now: copies and mirrors.
    pub mirror: Vec<Mirror>,
    /// Whose signatures without a key count: persons and jobs, and who vouches for them.
    pub identity: Vec<Identity>,
    /// The root of a Sigstore instance (`trusted_root.json`); without one, that of the public instance.
    pub trusted_root: Option<std::path::PathBuf>,
    /// Whether such signatures must be in the instance's transparency log; a private one may have timestamps alone.
    pub transparency_log: bool,
    /// Files with certificates (PEM) that are trusted for the data of disk images: of authorities, or of signers.
    pub authorities: Vec<std::path::PathBuf>,
    /// Certificates that clouds name by an id of their key manager.
    pub certificate: Vec<NamedCertificate>,
    /// Fingerprints of PGP keys whose signatures in SIF files count.
    pub pgp: Vec<String>,
    /// Root keys of Docker Content Trust that count.
    pub notary: Vec<NotaryRoots>,
    /// What becomes of an image without a signature that counts.
    pub missing: Held,
    /// What becomes of one whose signature does not fit.
    pub invalid: Held,
}

/// That images below one name were signed below another: a signature names the repository it was made in, and counts
/// nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mirror {
    /// Where they are: names that begin like this, `registry.example.org/mirror/`.
    pub repository: String,
    /// Where they were signed: `docker.io/vendor/`.
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

    /// Whether a signature that was made in one repository counts for an image in another: names without a tag.
    pub fn is_of<'a>(&self, signed: &'a str, repository: &'a str) -> bool {
        // Whole parts of names: `mirror/` is no beginning of `mirror-of-somebody/`.
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

/// Whose signatures without a key count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Identity {
    /// The name in the certificate: a mail address, or the URI of a job. With `*` at its end, names that begin so.
    pub identity: String,
    /// Who vouched for it: the address of an OpenID Connect issuer, exactly.
    pub issuer: String,
}

impl Identity {
    /// Whether it names them.
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
    /// The id, as it stands in `img_signature_certificate_uuid`.
    pub id: String,
    /// The file (PEM): the signer's certificate, then those between it and its authority.
    pub file: std::path::PathBuf,
}

/// Root keys of Docker Content Trust that count below a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotaryRoots {
    /// Names that begin like this: `registry.example.org/physics/`.
    pub repository: String,
    /// Ids of root keys, in hexadecimal, as `notary key list` shows them.
    pub keys: Vec<String>,
}

/// What is wanted of scans.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScanRules {
    /// Days for which a scan counts as fresh.
    pub fresh_days: u32,
    /// Days after which it counts no more than none.
    pub stale_days: u32,
    /// What becomes of an image that was not scanned, or whose scan is stale or saw nothing it knows.
    pub missing: Held,
    /// What becomes of one whose scan is only what somebody attached to it: whoever made the image may have.
    pub asserted: Held,
    /// What becomes of one with a critical finding for which there is a fix.
    pub fixable_critical: Held,
    /// A trivy server that does the work (`trivy server`), by its address; empty is this machine. Only the file that is
    /// in force says it: nobody's environment does.
    pub trivy_server: String,
    /// Files that list what is known to be exploited: CISA's JSON, or an identifier a line.
    pub exploited_lists: Vec<std::path::PathBuf>,
    /// What becomes of one with a finding that is known to be exploited.
    pub known_exploited: Held,
    /// The most findings that an image may have, by severity; none is no limit.
    pub most_critical: Option<u64>,
    /// The same of high ones.
    pub most_high: Option<u64>,
    /// The same of medium ones.
    pub most_medium: Option<u64>,
    /// What becomes of one with more.
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
    /// The digest, of an index or of one platform.
    pub digest: Digest,
    /// Why nobody may launch it, as people are told.
    pub reason: String,
}

/// A finding that somebody has looked at and taken, for an image, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exception {
    /// What it is called in reasons and in the audit.
    pub id: String,
    /// The vulnerability's identifier, like `CVE-2024-3094`.
    pub vulnerability: String,
    /// Only for this digest.
    pub digest: Option<Digest>,
    /// Only for names that begin like this.
    pub repository: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why it is taken.
    pub reason: String,
    /// When it ends, RFC 3339.
    pub expires: String,
}

/// What is known of an image and of the launch when it is judged.
#[derive(Debug, Clone, Default)]
pub struct Facts<'a> {
    /// Evidence of it, of every kind and age.
    pub records: &'a [Record],
    /// Digests it goes by: of its index and of its platform.
    pub digests: Vec<Digest>,
    /// Its name without a tag.
    pub name: &'a str,
    /// Who is said to have made it.
    pub publisher: Publisher,
    /// The platform that was chosen.
    pub platform: Option<&'a Platform>,
    /// Seconds since 1970 when it was built, if it says.
    pub created: Option<i64>,
    /// Whether the launch has root rights on the host; `None` where nothing is launched.
    pub privileged: Option<bool>,
    /// Whether its header names other files, or is not what it claims.
    pub broken_format: bool,
    /// What the site's store knows of it.
    pub site: Site,
}

/// What a site's store knows of an image: what stewards saw when they judged it the last time, and whether its admission
/// was taken back.
///
/// Ordered by how much it weighs, the last most.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// Nothing; or there is no store.
    #[default]
    Silent,
    /// The store could not be asked.
    Away,
    /// A steward judged it.
    Judged {
        /// The verdict of the last judgement.
        verdict: Verdict,
        /// Findings that people were warned of and that are still in it.
        findings: Vec<String>,
        /// When, seconds since 1970.
        at: i64,
    },
    /// Its admission was taken back.
    TakenBack {
        /// Who took it back.
        by: String,
        /// Why, in their words.
        reason: String,
        /// When, seconds since 1970.
        at: i64,
    },
}

/// One reason of a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// What it makes of the launch alone.
    pub verdict: Verdict,
    /// The rule, by its key in the policy.
    pub rule: &'static str,
    /// The reason as a sentence.
    pub words: String,
    /// The cheapest step that would mend it; empty where it is fine.
    pub step: String,
    /// The findings that it is about, by identifier; empty where it is about none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<String>,
}

/// A verdict with its reasons, the worst first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Judgement {
    /// The worst of the reasons.
    pub verdict: Verdict,
    /// Every reason that was found, also those that allow.
    pub reasons: Vec<Reason>,
    /// Exceptions that were used.
    pub exceptions: Vec<String>,
    /// The policy it was judged by.
    pub policy: String,
    /// Whether this policy holds back what needs approval.
    pub enforced: bool,
}

impl Judgement {
    /// Why the verdict is what it is: its own reasons, without those that weigh less.
    pub fn grounds(&self) -> String {
        let own = self.reasons.iter().filter(|reason| reason.verdict == self.verdict);
        own.map(|reason| reason.words.as_str()).collect::<Vec<_>>().join("; ")
    }

    /// The same for a request: what was taken back once needs a person's approval, and is not denied for ever.
    #[must_use]
    pub fn reconsidered(mut self) -> Self {
        for reason in self.reasons.iter_mut().filter(|reason| reason.rule == "revoked") {
            reason.verdict = Verdict::NeedsApproval;
        }
        self.reasons.sort_by_key(|reason| std::cmp::Reverse(reason.verdict.strictness()));
        self.verdict = self.reasons.first().map_or(Verdict::Undecided, |reason| reason.verdict);
        self
    }

    /// Whether a launch may go ahead without anybody being asked.
    pub fn lets_pass(&self) -> bool {
        match self.verdict {
            Verdict::Allow => true,
            Verdict::NeedsApproval | Verdict::Undecided => !self.enforced,
            Verdict::Deny => false,
        }
    }
}

/// The smaller limit; none is no limit.
fn least<T: Ord + Copy>(ours: Option<T>, theirs: Option<T>) -> Option<T> {
    ours.into_iter().chain(theirs).min()
}

/// Platforms that both allow.
fn platforms(ours: Option<&Vec<Platform>>, theirs: Option<&Vec<Platform>>) -> Option<Vec<Platform>> {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => Some(ours.iter().filter(|one| theirs.contains(one)).cloned().collect()),
        (ours, theirs) => ours.or(theirs).cloned(),
    }
}

impl Policy {
    /// Reads a policy; what it leaves out is as in the built-in one.
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

    /// Reads a policy from a file of its own, or from a configuration that has one below `[policy]`.
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

    /// Whether a person may go on with a reason after this verdict.
    pub fn lets_override(&self, verdict: Verdict) -> bool {
        self.overriding == Overriding::Anyone && verdict != Verdict::Deny
    }

    /// The class that this policy gives to what is below a name; else what the source says.
    pub fn publisher_of(&self, name: &str, said: Publisher) -> Publisher {
        let given = self.publisher.iter().filter(|given| name.starts_with(given.repository.as_str()));
        given.max_by_key(|given| given.repository.len()).map_or(said, |given| given.class)
    }

    /// Refuses what can be read and makes no sense.
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

    /// This policy made stricter by another: neither can loosen what the other wants.
    #[must_use]
    pub fn tightened_by(&self, other: &Self) -> Self {
        let both = |ours: &[Publisher], theirs: &[Publisher]| {
            ours.iter().copied().filter(|publisher| theirs.contains(publisher)).collect()
        };
        // A key that only one of them knows makes an image verified for nobody but the one who knows it: the lower
        // layer's keys are the site's, and only those count.
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
                // A server of one's own could find nothing: the site's counts, and that it has none.
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
