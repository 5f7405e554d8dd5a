//! Platforms (operating system and processor), and which image fits a platform that is asked for.

use std::{fmt, str::FromStr, sync::OnceLock};

use serde::{Deserialize, Serialize};

use crate::base::error::{Error, Result};

/// Operating system and processor (OCI image specification, image index).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Platform {
    /// The operating system in Go's words: `linux`, `windows`.
    pub os: String,
    /// The processor in Go's words: `amd64`, `arm64`, …
    pub architecture: String,
    /// The variant of the processor: `v7`, `v8`.
    pub variant: Option<String>,
}

/// The level of `amd64` that every machine has, and the highest one known.
const LOWEST: u8 = 1;
const HIGHEST: u8 = 4;
/// What `arm` without a variant means.
const ARM: u8 = 7;

impl Platform {
    /// A platform from its parts, in the words of the specification.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Self {
        let (architecture, implied) = match architecture.to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" => ("amd64".to_owned(), None),
            "aarch64" => ("arm64".to_owned(), None),
            "i386" => ("386".to_owned(), None),
            "armhf" => ("arm".to_owned(), Some("v7")),
            "armel" => ("arm".to_owned(), Some("v6")),
            other => (other.to_owned(), None),
        };
        let variant = variant.filter(|variant| !variant.is_empty()).or(implied).map(str::to_ascii_lowercase);
        Self { os: os.to_ascii_lowercase(), architecture, variant }
    }

    /// The platform that this program runs on.
    pub fn host() -> Self {
        let architecture = match std::env::consts::ARCH {
            "powerpc64" => "ppc64le",
            other => other,
        };
        Self::new("linux", architecture, None)
    }

    /// Whether it is the platform of an image that runs; indexes use `unknown` for statements about images.
    pub fn is_known(&self) -> bool {
        self.os != "unknown" && self.architecture != "unknown"
    }

    /// Whether an image built for `self` runs where `wanted` is asked for, on this machine's processor.
    pub fn serves(&self, wanted: &Self) -> bool {
        self.fit(wanted, processor_level()).is_some()
    }

    /// Whether it is one of the platforms that `allowed` means, on whatever machine.
    pub fn is_within(&self, allowed: &Self) -> bool {
        self.fit(allowed, HIGHEST).is_some()
    }

    /// How well an image built for `self` fits where `wanted` is asked for: smaller is better, `None` if it does not
    /// run there. `level` is the level of an `amd64` processor (1 to 4), used if `wanted` names none.
    ///
    /// `amd64` without a level runs everywhere and comes first; `arm` means `v7`, on which older variants run too;
    /// `arm64` and `arm64/v8` are the same.
    ///
    /// ```
    /// use wharf_core::image::platform::Platform;
    ///
    /// let baseline = Platform::new("linux", "amd64", None);
    /// let newer = Platform::new("linux", "amd64", Some("v3"));
    /// assert_eq!(baseline.fit(&newer, 1), Some(2), "a newer processor runs older programs");
    /// assert_eq!(newer.fit(&baseline, 1), None);
    /// assert_eq!(newer.fit(&baseline, 3), Some(2));
    /// ```
    pub fn fit(&self, wanted: &Self, level: u8) -> Option<u8> {
        if self.os != wanted.os || self.architecture != wanted.architecture {
            return None;
        }
        let (own, asked) = (self.variant.as_deref(), wanted.variant.as_deref());
        let number = |variant: Option<&str>, least: u8, none: u8| match variant {
            None => Some(none),
            Some(variant) => variant.strip_prefix('v').and_then(|v| v.parse().ok()).filter(|v: &u8| *v >= least),
        };
        match self.architecture.as_str() {
            // Without a level it is the lowest.
            "amd64" => {
                let own = number(own, LOWEST, LOWEST).filter(|own| *own <= HIGHEST)?;
                match asked {
                    None => (own <= level).then_some(own - LOWEST),
                    Some(_) => number(asked, LOWEST, LOWEST)?.checked_sub(own),
                }
            }
            "arm" => number(asked, 5, ARM)?.checked_sub(number(own, 5, ARM)?),
            "arm64" => {
                let plain = |variant: Option<&str>| variant.filter(|variant| *variant != "v8").map(str::to_owned);
                match (plain(own), plain(asked)) {
                    (own, asked) if own == asked => Some(0),
                    (None, Some(_)) => Some(1),
                    _ => None,
                }
            }
            // Variants of other processors have no order here: the same variant is best, else an image that needs none.
            _ => match (own, asked) {
                (own, asked) if own == asked => Some(0),
                (None, Some(_)) | (Some(_), None) => Some(1),
                _ => None,
            },
        }
    }
}

/// The level of this machine's processor (x86-64 psABI, "Micro-Architecture Levels"); 1 for other processors.
pub fn processor_level() -> u8 {
    static LEVEL: OnceLock<u8> = OnceLock::new();
    *LEVEL.get_or_init(|| {
        #[cfg(target_arch = "x86_64")]
        {
            macro_rules! has {
                ($($feature:tt),+) => { $(std::arch::is_x86_feature_detected!($feature))&&+ };
            }
            let two = has!("cmpxchg16b", "popcnt", "sse3", "sse4.1", "sse4.2", "ssse3");
            let three = two && has!("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave");
            let four = three && has!("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl");
            LOWEST + u8::from(two) + u8::from(three) + u8::from(four)
        }
        #[cfg(not(target_arch = "x86_64"))]
        LOWEST
    })
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        self.variant.as_ref().map_or(Ok(()), |variant| write!(f, "/{variant}"))
    }
}

impl FromStr for Platform {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let mut parts = text.split('/');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(os), Some(architecture), variant, None) if !os.is_empty() && !architecture.is_empty() => {
                Ok(Self::new(os, architecture, variant))
            }
            _ => Err(Error::usage(format!("platform '{text}'"), "expected os/architecture[/variant]")
                .hint("for example linux/amd64")),
        }
    }
}

impl TryFrom<String> for Platform {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Platform> for String {
    fn from(platform: Platform) -> Self {
        platform.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best<'a>(offered: &[&'a str], wanted: &str, level: u8) -> Option<&'a str> {
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        let fits = |one: &&str| platform(one).fit(&platform(wanted), level);
        offered.iter().filter(|one| fits(one).is_some()).min_by_key(|one| fits(one)).copied()
    }

    #[test]
    fn the_one_is_taken_that_runs_and_needs_no_more_than_it_must() {
        for (offered, wanted, level, taken) in [
            (&["linux/amd64/v4", "linux/amd64/v2", "linux/amd64"][..], "linux/amd64", 4, Some("linux/amd64")),
            (&["linux/amd64/v4", "linux/amd64/v3", "linux/amd64/v2"], "linux/amd64", 3, Some("linux/amd64/v2")),
            (&["linux/amd64/v4", "linux/amd64/v3"], "linux/amd64", 2, None),
            (&["linux/amd64", "linux/amd64/v3", "linux/amd64/v4"], "linux/amd64/v3", 1, Some("linux/amd64/v3")),
            (&["linux/amd64", "linux/amd64/v2"], "linux/amd64/v3", 1, Some("linux/amd64/v2")),
            (&["linux/amd64/v1", "linux/amd64"], "linux/amd64", 1, Some("linux/amd64/v1")),
            (&["linux/amd64/strange"], "linux/amd64", 4, None),
            (&["linux/arm/v5", "linux/arm/v7", "linux/arm/v6"], "linux/arm", 1, Some("linux/arm/v7")),
            (&["linux/arm/v8", "linux/arm/v5"], "linux/arm", 1, Some("linux/arm/v5")),
            (&["linux/arm/v7", "linux/arm/v6"], "linux/arm/v6", 1, Some("linux/arm/v6")),
            (&["linux/arm/v7"], "linux/arm/v6", 1, None),
            (&["linux/arm64/v8"], "linux/arm64", 1, Some("linux/arm64/v8")),
            (&["linux/arm64"], "linux/arm64/v8", 1, Some("linux/arm64")),
            (&["linux/arm64", "linux/arm64/v9"], "linux/arm64/v9", 1, Some("linux/arm64/v9")),
            (&["linux/arm64/v9"], "linux/arm64", 1, None),
            (&["linux/arm64"], "linux/amd64", 1, None),
            (&["windows/amd64"], "linux/amd64", 4, None),
            (&["linux/riscv64/rva20u64"], "linux/riscv64", 1, Some("linux/riscv64/rva20u64")),
        ] {
            assert_eq!(best(offered, wanted, level), taken, "{offered:?} for {wanted} on level {level}");
        }
    }

    #[test]
    fn other_names_of_the_same_platform_are_that_platform() {
        for (written, meant) in [
            ("linux/x86_64", "linux/amd64"),
            ("Linux/AMD64", "linux/amd64"),
            ("linux/aarch64/v8", "linux/arm64/v8"),
            ("linux/armhf", "linux/arm/v7"),
            ("linux/armel", "linux/arm/v6"),
            ("linux/amd64/", "linux/amd64"),
        ] {
            assert_eq!(written.parse::<Platform>().unwrap().to_string(), meant);
        }
        for bad in ["linux", "/amd64", "linux/", "a/b/c/d"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
        assert!((LOWEST..=HIGHEST).contains(&processor_level()));
    }
}
