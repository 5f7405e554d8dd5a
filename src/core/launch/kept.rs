//! Images that a backend keeps unpacked or prepared, so that the next launch fetches nothing: what they are, and which of
//! them go by a rule.

use serde::Serialize;

use crate::base::text;

/// An image that a backend keeps ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct KeptImage {
    /// The name of the backend.
    pub backend: String,
    /// Its name there, by which it is removed.
    pub id: String,
    /// The digest of its manifest; empty if that is not known.
    pub digest: String,
    /// The reference that it was made from; empty if that is not known. It is not cleaned.
    pub source: String,
    /// Its form, in words: `squashfs` or `folder`.
    pub form: String,
    /// Where it is.
    pub place: String,
    /// The bytes that it takes.
    pub size: u64,
    /// When it was made, in seconds since 1970, if known.
    pub made: Option<i64>,
    /// When a launch last used it, in seconds since 1970, if known.
    pub used: Option<i64>,
    /// Who uses it now, in words; `None` if nobody does.
    pub busy: Option<String>,
}

impl KeptImage {
    /// When it was last of use: used, or made.
    pub fn last(&self) -> i64 {
        self.used.max(self.made).unwrap_or(0)
    }
}

/// Which kept images go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClearRule {
    /// Those that were not used for longer than this, in seconds; `None` for any age.
    pub older_than: Option<i64>,
    /// The least recently used, until the others take at most so many bytes; `None` for any size.
    pub keep_under: Option<u64>,
}

/// An image that stays, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// The image.
    pub image: KeptImage,
    /// Why it stays, in words.
    pub why: String,
}

/// What a rule does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Clearing {
    /// Those that go, the least recently used first.
    pub goes: Vec<KeptImage>,
    /// Those that stay.
    pub stays: Vec<Stays>,
}

impl ClearRule {
    /// Which of these images go at the time `now`. One that is in use never goes; without a rule, all others do.
    pub fn clearing(&self, mut all: Vec<KeptImage>, now: i64) -> Clearing {
        all.sort_by(|a, b| (a.last(), &a.place).cmp(&(b.last(), &b.place)));
        let mut left = all.iter().map(|image| image.size).fold(0, u64::saturating_add);
        let mut clearing = Clearing::default();
        for image in all {
            let age = now.saturating_sub(image.last());
            let old = self.older_than.is_some_and(|most| age > most);
            let much = self.keep_under.is_some_and(|most| left > most);
            let no_rule = self.older_than.is_none() && self.keep_under.is_none();
            if let Some(who) = image.busy.clone() {
                clearing.stays.push(Stays { image, why: format!("in use: {who}") });
            } else if old || much || no_rule {
                left = left.saturating_sub(image.size);
                clearing.goes.push(image);
            } else {
                let why = format!("last used {}", text::ago(image.last(), now));
                clearing.stays.push(Stays { image, why });
            }
        }
        clearing
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, size: u64, used: i64, busy: bool) -> KeptImage {
        let busy = busy.then(|| "job 7".to_owned());
        KeptImage { id: id.into(), size, made: Some(used - 5), used: Some(used), busy, ..KeptImage::default() }
    }

    fn goes(rule: ClearRule) -> Vec<String> {
        let all = vec![image("new", 10, 90, false), image("old", 20, 10, false), image("busy", 40, 1, true)];
        rule.clearing(all, 100).goes.into_iter().map(|image| image.id).collect()
    }

    #[test]
    fn what_is_in_use_stays_and_the_least_used_goes_first() {
        assert_eq!(goes(ClearRule::default()), ["old", "new"]);
        assert_eq!(goes(ClearRule { older_than: Some(50), keep_under: None }), ["old"]);
        assert_eq!(goes(ClearRule { older_than: None, keep_under: Some(70) }), Vec::<String>::new());
        assert_eq!(goes(ClearRule { older_than: None, keep_under: Some(55) }), ["old"]);
        assert_eq!(goes(ClearRule { older_than: None, keep_under: Some(1) }), ["old", "new"]);
        let clearing = ClearRule::default().clearing(vec![image("busy", 1, 1, true)], 100);
        assert_eq!(clearing.stays[0].why, "in use: job 7");
    }

    proptest::proptest! {
        #[test]
        fn nothing_in_use_ever_goes_and_nothing_is_lost(
            all in proptest::collection::vec((0_u64..100, 0_i64..1000, proptest::prelude::any::<bool>()), 0..12),
            older in proptest::option::of(0_i64..1000),
            under in proptest::option::of(0_u64..600),
        ) {
            let images: Vec<_> = all.iter().enumerate()
                .map(|(at, (size, used, busy))| image(&at.to_string(), *size, *used, *busy)).collect();
            let rule = ClearRule { older_than: older, keep_under: under };
            let clearing = rule.clearing(images.clone(), 1000);
            proptest::prop_assert!(clearing.goes.iter().all(|image| image.busy.is_none()));
            proptest::prop_assert_eq!(clearing.goes.len() + clearing.stays.len(), images.len());
            let free: u64 = clearing.stays.iter().filter(|one| one.image.busy.is_none()).map(|one| one.image.size).sum();
            let busy: u64 = images.iter().filter(|image| image.busy.is_some()).map(|image| image.size).sum();
            if let Some(under) = under {
                proptest::prop_assert!(free == 0 || free + busy <= under);
            }
        }
    }
}
