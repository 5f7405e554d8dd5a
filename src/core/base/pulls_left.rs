//! What a registry has said is left of the pulls that it allows.

use std::fmt;

/// The part of its pulls that programs leave to people: the last fifth.
const PART: u64 = 5;
/// What they leave where the registry does not say how many pulls it allows.
const FEW: u64 = 5;

/// What is left of the pulls that a registry allows an account or an address (Docker Hub's `ratelimit-remaining` and
/// `ratelimit-limit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PullsLeft {
    /// How many pulls are left.
    pub left: u64,
    /// How many it allows in all, if it says.
    pub of: Option<u64>,
}

impl PullsLeft {
    /// Reads the values of both headers, each a number and perhaps a time: `76;w=21600`. `None` without a number.
    pub fn parse(remaining: &str, limit: Option<&str>) -> Option<Self> {
        let number = |text: &str| text.split(';').next().unwrap_or(text).trim().parse().ok();
        Some(Self { left: number(remaining)?, of: limit.and_then(number) })
    }

    /// Whether so few are left that they are left to people.
    pub fn is_scarce(self) -> bool {
        match self.of {
            Some(of) => self.left.saturating_mul(PART) <= of,
            None => self.left <= FEW,
        }
    }
}

impl fmt::Display for PullsLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.left)?;
        self.of.map_or(Ok(()), |of| write!(f, " of {of}"))?;
        f.write_str(" pulls left")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_pulls_are_left_to_people() {
        let scarce =
            |remaining: &str, limit: Option<&str>| PullsLeft::parse(remaining, limit).map(PullsLeft::is_scarce);
        for (remaining, limit, expected) in [
            ("76;w=21600", Some("100;w=21600"), Some(false)),
            ("21;w=21600", Some("100;w=21600"), Some(false)),
            ("20;w=21600", Some("100;w=21600"), Some(true)),
            ("0", Some("10"), Some(true)),
            ("3", Some("10"), Some(false)),
            ("6", None, Some(false)),
            ("5", None, Some(true)),
            ("5", Some("many"), Some(true)),
            ("", Some("100"), None),
            ("-1", None, None),
        ] {
            assert_eq!(scarce(remaining, limit), expected, "{remaining} of {limit:?}");
        }
        let words = |remaining, limit| PullsLeft::parse(remaining, limit).unwrap().to_string();
        assert_eq!(words("76;w=21600", Some("100;w=21600")), "76 of 100 pulls left");
        assert_eq!(words("7", None), "7 pulls left");
    }
}
