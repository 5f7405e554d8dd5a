//! The policy of a site: from evidence, launch and time to a verdict with its reasons. Plain functions.
//!
//! A missing part never improves a verdict; of several reasons, the strictest counts. A rule may demand a least isolation
//! instead of an approval; of several demands, the highest counts.

mod consequence;
mod judge;
mod judgement;
mod remedy;
mod written;

pub use self::{
    consequence::{Agreement, Consequence},
    judgement::{Facts, Judgement, LaunchFacts, Reason, Site},
    remedy::asks,
    written::{
        Denied, Exception, Identity, ImageRules, Mirror, NamedCertificate, NotaryRoots, Overriding, Policy, Published,
        ScanRules, SignatureRules,
    },
};

use serde::Deserialize;

use super::{
    base::{
        badge::{Publisher, Verdict},
        clean,
        error::{Error, Result},
        text,
    },
    image::model::Platform,
    launch::isolation::Isolation,
};

/// The policy that is used if a site has none.
pub const BUILT_IN: &str = include_str!("../../../assets/policy.toml");

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
    pub fn parse(text: &str, name: &str) -> Result<Self> {
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
            Err(_) => Self::parse(text, name),
        }
    }

    /// Whether a person may proceed with a reason in spite of this verdict.
    pub fn may_override(&self, verdict: Verdict) -> bool {
        self.overriding == Overriding::Anyone && verdict != Verdict::Deny
    }

    /// Whether one of its rules demands isolation.
    pub fn demands_isolation(&self) -> bool {
        let (signature, scan, image) = (&self.signature, &self.scan, &self.image);
        let rules = [
            self.unreachable,
            self.privileged,
            signature.missing,
            signature.invalid,
            scan.missing,
            scan.asserted,
            scan.fixable_critical,
            scan.known_exploited,
            scan.over_limit,
            image.other_platform,
            image.old,
        ];
        rules.iter().any(|rule| rule.isolation > Isolation::SharedKernel)
    }

    /// The publisher's class for a reference: as this policy says, else as the source says.
    pub fn publisher(&self, name: &str, said: Publisher) -> Publisher {
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
            unreachable: self.unreachable.and(other.unreachable),
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
                missing: self.signature.missing.and(other.signature.missing),
                invalid: self.signature.invalid.and(other.signature.invalid),
            },
            publishers: both(&self.publishers, &other.publishers),
            publisher: self.publisher.clone(),
            scan: ScanRules {
                fresh_days: self.scan.fresh_days.min(other.scan.fresh_days),
                stale_days: self.scan.stale_days.min(other.scan.stale_days),
                missing: self.scan.missing.and(other.scan.missing),
                asserted: self.scan.asserted.and(other.scan.asserted),
                fixable_critical: self.scan.fixable_critical.and(other.scan.fixable_critical),
                // A person's own server could hide findings, so the site's setting counts, also if it names none.
                trivy_server: self.scan.trivy_server.clone(),
                exploited_lists: [self.scan.exploited_lists.clone(), other.scan.exploited_lists.clone()].concat(),
                known_exploited: self.scan.known_exploited.and(other.scan.known_exploited),
                most_critical: least(self.scan.most_critical, other.scan.most_critical),
                most_high: least(self.scan.most_high, other.scan.most_high),
                most_medium: least(self.scan.most_medium, other.scan.most_medium),
                over_limit: self.scan.over_limit.and(other.scan.over_limit),
            },
            privileged: self.privileged.and(other.privileged),
            image: ImageRules {
                platforms: platforms(self.image.platforms.as_ref(), other.image.platforms.as_ref()),
                other_platform: self.image.other_platform.and(other.image.other_platform),
                old_days: least(self.image.old_days, other.image.old_days),
                old: self.image.old.and(other.image.old),
            },
            overriding: self.overriding.max(other.overriding),
            deny: self.deny.iter().chain(&other.deny).cloned().collect(),
            exception: self.exception.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
