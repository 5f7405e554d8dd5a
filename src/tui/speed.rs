//! How fast a job moves bytes: samples of its last seconds, from the notes that it sends anyway.

/// The most samples that are kept, one a second.
const SAMPLES: usize = 60;
/// The samples whose mean is the present speed.
const RECENT: usize = 10;
/// The shortest time between two samples, in milliseconds.
const SECOND: u64 = 1000;

/// The samples of one job. Its times are milliseconds of the loop's clock.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Speed {
    /// When the last sample was taken, and how many bytes had been moved then.
    last: Option<(u64, u64)>,
    /// Bytes a second, the newest last.
    samples: Vec<f64>,
}

impl Speed {
    /// Takes a note of a job: so many bytes have been moved in all at this time.
    pub fn note(&mut self, clock: u64, moved: u64) {
        let Some((then, before)) = self.last else {
            self.last = Some((clock, moved));
            return;
        };
        let passed = clock.saturating_sub(then);
        if passed < SECOND {
            return;
        }
        // A retry may begin again with fewer bytes.
        let rate = moved.saturating_sub(before) as f64 * 1000.0 / passed as f64;
        // Each second in which no note came has its place, so that a line of samples is a line of time.
        let seconds = usize::try_from(passed / SECOND).unwrap_or(SAMPLES).min(SAMPLES);
        self.samples.extend(std::iter::repeat_n(rate, seconds));
        let old = self.samples.len().saturating_sub(SAMPLES);
        self.samples.drain(..old);
        self.last = Some((clock, moved));
    }

    /// Bytes a second, the newest last.
    pub fn samples(&self) -> &[f64] {
        &self.samples
    }

    /// The mean of the last ten seconds in bytes a second; `None` in the first second.
    pub fn recent(&self) -> Option<f64> {
        let from = self.samples.len().saturating_sub(RECENT);
        let recent = self.samples.get(from..).filter(|recent| !recent.is_empty())?;
        Some(recent.iter().sum::<f64>() / recent.len() as f64)
    }

    /// The seconds that so many bytes still take at this speed; `None` if nothing moves.
    pub fn left(&self, bytes: u64) -> Option<i64> {
        let rate = self.recent().filter(|rate| *rate >= 1.0)?;
        Some((bytes as f64 / rate).ceil() as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_speed_is_the_mean_of_the_last_ten_seconds() {
        let mut speed = Speed::default();
        assert_eq!((speed.recent(), speed.left(10)), (None, None));
        for second in 0..=10 {
            speed.note(second * 1000, second * 100);
            speed.note(second * 1000 + 300, second * 100 + 1);
        }
        assert_eq!((speed.samples().len(), speed.recent(), speed.left(250)), (10, Some(100.0), Some(3)));
        // Three seconds without a note are three samples, and a retry is no negative speed.
        speed.note(13_000, 1000);
        speed.note(14_000, 10);
        assert_eq!(speed.samples().get(10..), Some(&[0.0; 4][..]));
        assert_eq!(speed.recent(), Some(60.0));
        for second in 15..200 {
            speed.note(second * 1000, second * 100);
        }
        assert_eq!(speed.samples().len(), SAMPLES);
    }
}
