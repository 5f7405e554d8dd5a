//! What happens to an image that breaks a rule.

use std::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, MapAccess, Visitor, value::MapAccessDeserializer},
    ser::SerializeStruct,
};

use crate::{base::badge::Verdict, launch::isolation::Isolation};

/// What happens to an image that breaks a rule: who must agree, and how it must be isolated where it is launched.
///
/// In a policy it is one word (`"needs-approval"`), or a table with the least isolation of a launch:
/// `{ isolation = "gvisor" }`, or with both: `{ verdict = "needs-approval", isolation = "own" }`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    /// Who must agree.
    pub agreement: Agreement,
    /// The least isolation of a launch.
    pub isolation: Isolation,
}

/// Who must agree to an image that breaks a rule, from the mildest to the strictest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum Agreement {
    /// Nobody: it is allowed nevertheless, and the reason is only shown.
    #[default]
    Allow,
    /// An approver.
    NeedsApproval,
    /// It is denied; no approval helps.
    Deny,
}

impl Consequence {
    /// It is allowed nevertheless; the reason is only shown.
    pub const ALLOW: Self = Self { agreement: Agreement::Allow, isolation: Isolation::SharedKernel };
    /// An approver has to agree.
    pub const NEEDS_APPROVAL: Self = Self { agreement: Agreement::NeedsApproval, isolation: Isolation::SharedKernel };
    /// It is denied; no approval helps.
    pub const DENY: Self = Self { agreement: Agreement::Deny, isolation: Isolation::SharedKernel };

    /// It may be launched with at least this isolation.
    pub const fn isolated(isolation: Isolation) -> Self {
        Self { agreement: Agreement::Allow, isolation }
    }

    /// What satisfies both consequences: the stricter agreement and the higher isolation.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { agreement: self.agreement.max(other.agreement), isolation: self.isolation.max(other.isolation) }
    }

    /// The verdict on an image that breaks the rule, before its isolation is looked at.
    pub(super) fn verdict(self) -> Verdict {
        match self.agreement {
            Agreement::Allow => Verdict::Allow,
            Agreement::NeedsApproval => Verdict::NeedsApproval,
            Agreement::Deny => Verdict::Deny,
        }
    }
}

impl Serialize for Consequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.isolation == Isolation::SharedKernel {
            return self.agreement.serialize(serializer);
        }
        let agreed = self.agreement == Agreement::Allow;
        let mut table = serializer.serialize_struct("Consequence", if agreed { 1 } else { 2 })?;
        if !agreed {
            table.serialize_field("verdict", &self.agreement)?;
        }
        table.serialize_field("isolation", &self.isolation)?;
        table.end()
    }
}

impl<'de> Deserialize<'de> for Consequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// The table; a word is read by the visitor itself, so that a wrong one is named with those that fit.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            #[serde(default)]
            verdict: Agreement,
            isolation: Isolation,
        }
        struct WordOrTable;
        impl<'de> Visitor<'de> for WordOrTable {
            type Value = Consequence;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("allow, needs-approval, deny or a table like { isolation = \"gvisor\" }")
            }

            fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<Consequence, E> {
                match word {
                    "allow" => Ok(Consequence::ALLOW),
                    "needs-approval" => Ok(Consequence::NEEDS_APPROVAL),
                    "deny" => Ok(Consequence::DENY),
                    _ => Err(E::unknown_variant(word, &["allow", "needs-approval", "deny"])),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Consequence, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map)).map_err(A::Error::custom)?;
                Ok(Consequence { agreement: table.verdict, isolation: table.isolation })
            }
        }
        deserializer.deserialize_any(WordOrTable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Rule {
        missing: Consequence,
    }

    #[test]
    fn a_consequence_is_a_word_or_a_table() {
        let own = Consequence { isolation: Isolation::OwnKernel, ..Consequence::NEEDS_APPROVAL };
        for (text, wanted) in [
            ("missing = \"allow\"", Consequence::ALLOW),
            ("missing = \"deny\"", Consequence::DENY),
            ("missing = { isolation = \"gvisor\" }", Consequence::isolated(Isolation::UserSpaceKernel)),
            ("missing = { verdict = \"needs-approval\", isolation = \"own\" }", own),
        ] {
            let rule: Rule = toml::from_str(text).unwrap();
            assert_eq!(rule.missing, wanted, "{text}");
            assert_eq!(toml::from_str::<Rule>(&toml::to_string(&rule).unwrap()).unwrap(), rule, "{text}");
        }
        for (text, told) in [
            ("missing = \"maybe\"", "needs-approval"),
            ("missing = { isolation = \"runc\" }", "gvisor"),
            ("missing = { isolation = \"own\", other = 1 }", "other"),
            ("missing = {}", "isolation"),
            ("missing = 3", "isolation"),
        ] {
            let error = toml::from_str::<Rule>(text).unwrap_err().to_string();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn two_consequences_together_are_as_strict_as_each() {
        let gvisor = Consequence::isolated(Isolation::UserSpaceKernel);
        let both = gvisor.and(Consequence::NEEDS_APPROVAL);
        assert_eq!((both.agreement, both.isolation), (Agreement::NeedsApproval, Isolation::UserSpaceKernel));
        assert_eq!(gvisor.and(Consequence::isolated(Isolation::OwnKernel)).isolation, Isolation::OwnKernel);
    }
}
