//! The sign that turns while somebody waits for an answer in front of them.

use std::time::Duration;

/// How long each sign is shown.
pub const STEP: Duration = Duration::from_millis(200);

const SIGNS: [&str; 4] = ["◐", "◓", "◑", "◒"];

/// The sign at a time of the loop's clock, in milliseconds.
pub fn sign(clock: u64) -> &'static str {
    SIGNS[(u128::from(clock) / STEP.as_millis() % 4) as usize]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_shows_the_next_sign() {
        let step = u64::try_from(STEP.as_millis()).unwrap();
        let signs: Vec<&str> = (0..5).map(|count| sign(count * step)).collect();
        assert_eq!(signs, ["◐", "◓", "◑", "◒", "◐"]);
    }
}
