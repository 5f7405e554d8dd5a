//! How long a transfer goes on trying: as long as it gets further.

use std::time::Duration;

/// How often something is tried again that gets no further.
const TRIES: u32 = 6;
/// The longest pause before it is tried again.
const LONGEST: Duration = Duration::from_secs(10);

/// Counts the breaks of one part of a transfer. A break after which it got further than ever before costs no patience.
#[derive(Debug, Default)]
pub struct Patience {
    furthest: u64,
    broken: u32,
}

impl Patience {
    /// It broke after `bytes` bytes: how long to wait before it is tried again; `None` when it has been tried enough.
    pub fn after(&mut self, bytes: u64) -> Option<Duration> {
        if bytes > self.furthest {
            (self.furthest, self.broken) = (bytes, 0);
        }
        self.broken += 1;
        let pause = Duration::from_millis(300).saturating_mul(1 << (self.broken - 1).min(8));
        (self.broken <= TRIES).then_some(pause.min(LONGEST))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_gets_further_may_break_as_often_as_it_does() {
        let mut patience = Patience::default();
        assert!((1..100).all(|bytes| patience.after(bytes) == Some(Duration::from_millis(300))));
    }

    #[test]
    fn what_gets_no_further_ends_after_some_tries_with_growing_pauses() {
        let mut patience = Patience::default();
        let pauses: Vec<u128> = std::iter::from_fn(|| patience.after(5)).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [300, 600, 1200, 2400, 4800, 9600]);
        assert_eq!(patience.after(4), None);
    }
}
