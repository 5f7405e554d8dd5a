//! The states that badges show. An unknown state is never green, and a missing part never improves a verdict.
//!
//! Words and order are fixed here, so that all screens and the command line say the same.

use serde::{Deserialize, Serialize};

/// The colour of a badge. Sign and word carry the meaning; the colour only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It was checked and is as it should be.
    Good,
    /// It is known and deserves a look.
    Caution,
    /// It was checked and is not as it should be.
    Bad,
    /// Nothing is known; never shown as good.
    Unknown,
}

/// Sign, word and tone, always together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    /// A sign one column wide, so that the badge can be read without colour.
    pub sign: &'static str,
    /// The state in words.
    pub word: &'static str,
    /// Which colour role repeats what sign and word say.
    pub tone: Tone,
}

macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $sign:literal, $short:literal, $word:literal, $tone:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }
        impl $name {
            /// Sign, word and tone of this state.
            pub fn badge(self) -> Badge {
                match self { $(Self::$variant => Badge { sign: $sign, word: $word, tone: Tone::$tone },)+ }
            }
            /// The state in one short word for a column: at most nine columns wide, and no other state has it.
            pub fn short(self) -> &'static str {
                match self { $(Self::$variant => $short,)+ }
            }
            /// Every state, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}

states! {
    /// What is known about the signatures of a digest.
    Signature {
        /// Nobody has looked for signatures yet.
        #[default]
        NotChecked = "·", "unchecked", "not checked", Unknown;
        /// Every place was looked at, and there is no signature.
        NoneFound = "○", "unsigned", "unsigned", Caution;
        /// There is a signature, but no key to verify it with.
        NoKey = "?", "no key", "signed, no key configured", Unknown;
        /// A valid signature by a signer that the policy does not trust.
        Untrusted = "?", "other key", "signed, signer not trusted", Caution;
        /// A valid signature by a trusted key or identity.
        Verified = "✓", "verified", "verified", Good;
        /// The index that lists this platform is signed.
        CoveredByIndex = "✓", "index", "covered by a signed index", Good;
        /// The signature is not valid for these bytes.
        Invalid = "✗", "FAILED", "signature FAILED", Bad;
        /// The signature was valid, but has ended.
        Expired = "!", "expired", "signature expired", Caution;
        /// The check could not run.
        Unreachable = "?", "no answer", "could not check", Unknown;
        /// A valid signature that was made for another repository.
        Elsewhere = "!", "elsewhere", "signed for another place", Caution;
        /// The image was admitted, and the admission was revoked.
        TakenBack = "✗", "revoked", "approval taken back", Bad;
        /// It claims to be signed, but not all its bytes have been read and verified yet.
        Claimed = "?", "claimed", "claimed, data not checked", Unknown;
    }
}

impl Signature {
    /// Whether the signature is valid and its signer trusted.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::CoveredByIndex)
    }

    /// How much it counts among signatures of the same bytes: a failed one outweighs all others, a valid one outweighs
    /// those that say less, and a failed look outweighs having found nothing.
    pub fn weight(self) -> u8 {
        match self {
            Self::Invalid => 11,
            Self::TakenBack => 10,
            Self::Verified => 9,
            Self::CoveredByIndex => 8,
            Self::Expired => 7,
            Self::Elsewhere => 6,
            Self::Untrusted => 5,
            Self::Unreachable => 4,
            Self::NoKey => 3,
            Self::Claimed => 2,
            Self::NoneFound => 1,
            Self::NotChecked => 0,
        }
    }
}

states! {
    /// What is known about the vulnerabilities of a digest.
    Scan {
        /// Nobody has scanned it yet.
        #[default]
        NotScanned = "·", "unscanned", "not scanned", Unknown;
        /// The image is waiting for a scanner, or being scanned.
        Running = "…", "scanning", "scanning", Unknown;
        /// Packages were seen and none has a known vulnerability.
        Clean = "✓", "clean", "clean", Good;
        /// The scanner found known vulnerabilities.
        Findings = "!", "findings", "findings", Bad;
        /// The scan or the scanner's database is too old.
        Stale = "!", "stale", "scan is stale", Caution;
        /// The scanner saw no packages that it knows, which is not clean.
        Unsupported = "?", "no data", "nothing the scanner knows", Caution;
        /// Nothing was found, but it is not known in how many packages.
        Partial = "?", "partial", "nothing found, coverage unknown", Caution;
        /// The scan did not end with a result.
        Failed = "?", "failed", "scan failed", Unknown;
    }
}

impl Scan {
    /// Whether a scanner has looked at the image and its findings were counted.
    pub fn has_result(self) -> bool {
        !matches!(self, Self::NotScanned | Self::Running | Self::Failed)
    }
}

states! {
    /// Who made the image, as its source says. It does not mean that the image is safe.
    Publisher {
        /// The source does not say who made it.
        #[default]
        Unknown = "·", "unknown", "publisher unknown", Unknown;
        /// The site's policy approves the publisher.
        SiteApproved = "✓", "site", "site-approved", Good;
        /// The source vouches for the vendor.
        VendorVerified = "◆", "vendor", "verified publisher", Caution;
        /// The image belongs to the source's official images.
        Official = "◆", "official", "official", Caution;
        /// Open source sponsored by the source.
        Sponsored = "◆", "sponsored", "sponsored open source", Caution;
        /// A member of a project of yours.
        ProjectMember = "◇", "project", "project member", Caution;
    }
}

/// What the policy makes of the evidence, for one launch at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was checked yet, so nothing can be said.
    #[default]
    Undecided,
    /// It may be launched, shared and copied.
    Allow,
    /// It may be launched where it is kept apart from its host's kernel well enough; for all else it needs an approval.
    NeedsIsolation,
    /// An approver has to agree first.
    NeedsApproval,
    /// It may not be launched; no approval helps.
    Deny,
}

impl Verdict {
    /// All verdicts, as people filter by them.
    pub const ALL: [Self; 5] = [Self::Allow, Self::NeedsIsolation, Self::NeedsApproval, Self::Deny, Self::Undecided];

    /// The rank of the verdict: of several, the strictest counts.
    pub fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::NeedsIsolation => 1,
            Self::NeedsApproval => 2,
            // Where nothing is known, an approval would have no basis either.
            Self::Undecided => 3,
            Self::Deny => 4,
        }
    }

    /// The verdict in words, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Allow => "allow",
            Self::NeedsIsolation => "needs isolation",
            Self::NeedsApproval => "needs approval",
            Self::Deny => "deny",
        }
    }

    /// The verdict in one short word for a column: at most nine columns wide.
    pub fn short(self) -> &'static str {
        match self {
            Self::Undecided => "unsure",
            Self::Allow => "allow",
            Self::NeedsIsolation => "isolate",
            Self::NeedsApproval => "ask",
            Self::Deny => "deny",
        }
    }

    /// The verdict with this word; `None` if there is none.
    pub fn from_name(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == word)
    }

    /// Sign, word and tone.
    pub fn badge(self) -> Badge {
        let (sign, tone) = match self {
            Self::Undecided => ("?", Tone::Unknown),
            Self::Allow => ("✓", Tone::Good),
            Self::NeedsIsolation | Self::NeedsApproval => ("!", Tone::Caution),
            Self::Deny => ("✗", Tone::Bad),
        };
        Badge { sign, word: self.name(), tone }
    }

    /// The exit code of `wharf verify`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::NeedsApproval => 3,
            Self::Deny => 4,
            Self::Undecided => 5,
            Self::NeedsIsolation => 9,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_says_not_or_could_not_is_never_green() {
        let all = Signature::ALL
            .iter()
            .map(|s| s.badge())
            .chain(Scan::ALL.iter().map(|s| s.badge()))
            .chain(Publisher::ALL.iter().map(|s| s.badge()));
        for badge in all {
            let unknown = ["not", "no ", "could", "unknown", "failed", "stale", "nothing", "unsigned"]
                .iter()
                .any(|word| badge.word.contains(word));
            assert!(!(unknown && badge.tone == Tone::Good), "{badge:?}");
            assert_eq!(badge.sign.chars().count(), 1);
        }
    }

    #[test]
    fn the_default_of_every_check_is_unknown() {
        assert_eq!(Signature::default().badge().tone, Tone::Unknown);
        assert_eq!(Scan::default().badge().tone, Tone::Unknown);
        assert_eq!(Publisher::default().badge().tone, Tone::Unknown);
        assert_eq!(Verdict::default(), Verdict::Undecided);
    }
}
