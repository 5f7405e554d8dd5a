//! What a badge may claim. Unknown is never green, and a missing part never improves a verdict.
//!
//! The words and their order are fixed here, so that every screen and the command line say the same.

use serde::{Deserialize, Serialize};

/// How a badge is coloured. The sign and the word carry the meaning; colour only repeats it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// It was checked and is as it should be.
    Good,
    /// Known, wants a look.
    Caution,
    /// It was checked and is not as it should be.
    Bad,
    /// Nothing is known; never shown as good.
    Unknown,
}

/// Sign, word and tone, always together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Badge {
    /// A sign of one column, so that the badge reads without colour.
    pub sign: &'static str,
    /// The state in words.
    pub word: &'static str,
    /// Which colour role repeats what sign and word say.
    pub tone: Tone,
}

macro_rules! states {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $variant:ident = $sign:literal, $word:literal, $tone:ident;)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }
        impl $name {
            /// Sign, word and tone of this state.
            pub fn badge(self) -> Badge {
                match self { $(Self::$variant => Badge { sign: $sign, word: $word, tone: Tone::$tone },)+ }
            }
            /// Every state, for tables and tests.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
        }
    };
}

states! {
    /// What is known of signatures over one digest.
    Signature {
        /// Nobody has looked for signatures yet.
        #[default]
        NotChecked = "·", "not checked", Unknown;
        /// Looked everywhere, nothing there.
        NoneFound = "○", "unsigned", Caution;
        /// There is one, and no key to check it with.
        NoKey = "?", "signed, no key configured", Unknown;
        /// Valid, by somebody the site does not trust.
        Untrusted = "?", "signed, signer not trusted", Caution;
        /// Valid, by a trusted key or identity.
        Verified = "✓", "verified", Good;
        /// The index that lists this platform is signed.
        CoveredByIndex = "✓", "covered by a signed index", Good;
        /// The signature does not fit the bytes.
        Invalid = "✗", "signature FAILED", Bad;
        /// It was valid once.
        Expired = "!", "signature expired", Caution;
        /// The check could not run.
        Unreachable = "?", "could not check", Unknown;
        /// Valid, and made for another repository than the one it was found in.
        Elsewhere = "!", "signed for another place", Caution;
        /// It was admitted, and that was taken back.
        TakenBack = "✗", "approval taken back", Bad;
        /// It says it is signed; nobody here has read all its bytes yet.
        Claimed = "?", "claimed, data not checked", Unknown;
    }
}

impl Signature {
    /// Whether it is of these bytes, and by somebody who is trusted.
    pub fn is_good(self) -> bool {
        matches!(self, Self::Verified | Self::CoveredByIndex)
    }

    /// How much it counts beside other signatures over the same bytes: one that fails outweighs all, a good one
    /// outweighs those that say less, and not to have been able to look outweighs having found nothing.
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
    /// What is known of vulnerabilities in one digest.
    Scan {
        /// Nobody has scanned it yet.
        #[default]
        NotScanned = "·", "not scanned", Unknown;
        /// A scanner has it in its queue or under way.
        Running = "…", "scanning", Unknown;
        /// Packages were seen and none has a known vulnerability.
        Clean = "✓", "clean", Good;
        /// The scanner found known vulnerabilities.
        Findings = "!", "findings", Bad;
        /// The scan or its database is too old.
        Stale = "!", "scan is stale", Caution;
        /// The scanner saw no packages it knows: not clean.
        Unsupported = "?", "nothing the scanner knows", Caution;
        /// Nothing was found, and nobody says in how many packages it was looked for.
        Partial = "?", "nothing found, coverage unknown", Caution;
        /// The scan did not end with a result.
        Failed = "?", "scan failed", Unknown;
    }
}

states! {
    /// Who is said to have made it, and who says so. Not that it is safe.
    Publisher {
        /// The source does not say who made it.
        #[default]
        Unknown = "·", "publisher unknown", Unknown;
        /// On the site's list.
        SiteApproved = "✓", "site-approved", Good;
        /// The source vouches for the vendor.
        VendorVerified = "◆", "verified publisher", Caution;
        /// Part of the source's official set.
        Official = "◆", "official", Caution;
        /// Open source sponsored by the source.
        Sponsored = "◆", "sponsored open source", Caution;
        /// Somebody in a project of yours.
        ProjectMember = "◇", "project member", Caution;
    }
}

/// What policy makes of the evidence for one person, backend and moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing was checked yet, so nothing can be said.
    #[default]
    Undecided,
    /// It may be launched, shared and copied.
    Allow,
    /// Somebody has to say yes first.
    NeedsApproval,
    /// It may not be launched; no approval helps.
    Deny,
}

impl Verdict {
    /// How strict it is beside others: of several, the strictest counts.
    pub fn strictness(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::NeedsApproval => 1,
            // Where nothing at all is known, not even an approval has something to stand on.
            Self::Undecided => 2,
            Self::Deny => 3,
        }
    }

    /// The words for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::Allow => "allow",
            Self::NeedsApproval => "needs approval",
            Self::Deny => "deny",
        }
    }

    /// The verdict of this word.
    pub fn named(word: &str) -> Option<Self> {
        [Self::Undecided, Self::Allow, Self::NeedsApproval, Self::Deny].into_iter().find(|one| one.word() == word)
    }

    /// Sign, word and tone.
    pub fn badge(self) -> Badge {
        let (sign, tone) = match self {
            Self::Undecided => ("?", Tone::Unknown),
            Self::Allow => ("✓", Tone::Good),
            Self::NeedsApproval => ("!", Tone::Caution),
            Self::Deny => ("✗", Tone::Bad),
        };
        Badge { sign, word: self.word(), tone }
    }

    /// What `wharf verify` exits with.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Allow => 0,
            Self::NeedsApproval => 3,
            Self::Deny => 4,
            Self::Undecided => 5,
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
