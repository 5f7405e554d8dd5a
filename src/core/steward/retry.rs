//! Whether and when what failed is tried again.

use std::time::Duration;

use crate::base::{
    budget::Exceeded,
    error::{Error, Kind},
};

/// After how many failures a request is given up.
const TRIES: i64 = 8;

/// The same for requests that used up their budget, because each try takes long.
const LONG_TRIES: i64 = 3;

/// The wait before such a request is tried again.
const LATER: Duration = Duration::from_secs(3600);

/// The wait before the next try: 5, 10, 20 seconds and so on, at most ten minutes.
pub fn backoff(tries: i64) -> Duration {
    Duration::from_secs(5_u64.saturating_mul(1 << tries.clamp(0, 7)).min(600))
}

/// Whether trying again may help.
fn may_pass(error: &Error) -> bool {
    matches!(error.kind, Kind::Unavailable | Kind::Failed | Kind::NotAllowed | Kind::Cancelled)
}

/// The wait before a failed request is tried again; `None` if it is given up.
pub(super) fn again(error: &Error, exceeded: Option<Exceeded>, tries: i64) -> Option<Duration> {
    match exceeded {
        // The image will be as large at the next try.
        Some(Exceeded::Size) => None,
        Some(Exceeded::Time | Exceeded::Rate) => (tries + 1 < LONG_TRIES).then_some(LATER),
        None => (may_pass(error) && tries + 1 < TRIES).then(|| backoff(tries)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_given_up_and_what_came_too_slowly_is_not_tried_again_at_once() {
        let error = Error::failed("x", "y");
        assert_eq!(again(&error, Some(Exceeded::Size), 0), None);
        for exceeded in [Exceeded::Time, Exceeded::Rate] {
            assert_eq!(again(&error, Some(exceeded), 0), Some(LATER));
            assert_eq!(again(&error, Some(exceeded), 2), None);
        }
        assert_eq!((again(&error, None, 0), again(&error, None, 7)), (Some(Duration::from_secs(5)), None));
        assert_eq!(again(&Error::new(Kind::Denied, "x", "y"), None, 0), None);
    }
}
