//! When something that grows steadily reaches its limit.

/// How long back readings count, in seconds.
const WINDOW: f64 = 600.0;
/// Over how many seconds, and how many readings, at least: a program that starts grows, too.
const LEAST_SECONDS: f64 = 60.0;
const LEAST_READINGS: usize = 20;
/// How much of the readings' change a straight line must explain (the coefficient of determination).
const STEADY: f64 = 0.9;
/// The furthest time that is told, in seconds: a week.
const FURTHEST: f64 = 7.0 * 86_400.0;

/// In how many seconds the limit is reached, from the slope of the last ten minutes. `readings` are times in seconds and
/// values, the newest last. `None` where they do not grow, not steadily, or not for a week.
pub fn full_in(readings: &[(f64, f64)], limit: f64) -> Option<i64> {
    let (newest, value) = *readings.last()?;
    let recent: Vec<(f64, f64)> = readings.iter().copied().filter(|(at, _)| newest - at <= WINDOW).collect();
    let begin = recent.first()?.0;
    if recent.len() < LEAST_READINGS || newest - begin < LEAST_SECONDS || value >= limit {
        return None;
    }
    let count = recent.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| recent.iter().map(of).sum::<f64>() / count;
    let (middle, average) = (mean(|(at, _)| *at), mean(|(_, value)| *value));
    let sum =
        |of: &dyn Fn(f64, f64) -> f64| recent.iter().map(|(at, value)| of(at - middle, value - average)).sum::<f64>();
    let (spread, change, both) = (sum(&|at, _| at * at), sum(&|_, value| value * value), sum(&|at, value| at * value));
    let slope = both / spread;
    let explained = both * both / (spread * change);
    let left = (limit - value) / slope;
    let told = slope > 0.0 && explained >= STEADY && left <= FURTHEST;
    told.then_some(left as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(count: u32, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
        (0..count).map(|at| f64::from(at) * 2.0).map(|at| (at, value(at))).collect()
    }

    #[test]
    fn a_steady_growth_is_continued_to_the_limit() {
        let grows = readings(100, |at| 1000.0 + at);
        assert_eq!(full_in(&grows, 1198.0 + 3600.0), Some(3600));
        // What came before the last ten minutes does not count.
        let calm = readings(600, |at| if at < 500.0 { 0.0 } else { at });
        assert_eq!(full_in(&calm, 1198.0 + 60.0), Some(60));
    }

    #[test]
    fn nothing_is_told_of_what_is_unsteady_or_falls_or_is_new() {
        let limit = 1e6;
        assert_eq!(full_in(&[], limit), None);
        assert_eq!(full_in(&readings(19, |at| at), limit), None, "too few");
        assert_eq!(full_in(&readings(100, |_| 5.0), limit), None, "it stays");
        assert_eq!(full_in(&readings(100, |at| 500.0 - at), limit), None, "it falls");
        assert_eq!(full_in(&readings(100, |at| (at * 7.0) % 100.0), limit), None, "it goes up and down");
        assert_eq!(full_in(&readings(100, |at| at), 100.0), None, "it is full");
        assert_eq!(full_in(&readings(100, |at| at), 1e12), None, "not within a week");
    }
}
