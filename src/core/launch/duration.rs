//! Time spans as schedulers and people write them, such as the most time that a job may take.

/// Seconds of a minute, an hour and a day.
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// How to write a time span, for help and errors.
pub const WRITTEN: &str = "a time like 90m, 2h, 3d, or as Slurm writes it: 30 (minutes), 2:00:00, 1-12:00:00";

/// The seconds of a time span; `None` if it is not one, or does not fit into 64 bits.
///
/// It accepts `90m`, `2h`, `3d` and `45s`, and what sbatch(1) documents for `--time`: `MINUTES`, `MINUTES:SECONDS`,
/// `HOURS:MINUTES:SECONDS`, `DAYS-HOURS`, `DAYS-HOURS:MINUTES`, `DAYS-HOURS:MINUTES:SECONDS`. Only the first part may
/// exceed its unit: `90:00` is an hour and a half, `1:90` is refused.
pub fn parse_duration(text: &str) -> Option<u64> {
    let text = text.trim();
    let unit = match text.chars().last()? {
        's' => Some(1),
        'm' => Some(MINUTE),
        'h' => Some(HOUR),
        'd' => Some(DAY),
        _ => None,
    };
    if let Some(unit) = unit {
        return number(text.get(..text.len() - 1)?)?.checked_mul(unit);
    }
    let (days, rest) = match text.split_once('-') {
        Some((days, rest)) => (Some(number(days)?), rest),
        None => (None, text),
    };
    let parts = rest.split(':').map(number).collect::<Option<Vec<u64>>>()?;
    let within = |parts: &[u64]| parts.iter().all(|part| *part < 60);
    let (hours, minutes, seconds) = match (days, parts.as_slice()) {
        (None, [minutes]) => (0, *minutes, 0),
        (None, [minutes, seconds]) if within(&[*seconds]) => (0, *minutes, *seconds),
        (None, [hours, minutes, seconds]) if within(&[*minutes, *seconds]) => (*hours, *minutes, *seconds),
        (Some(_), [hours, rest @ ..]) if *hours < 24 && rest.len() <= 2 && within(rest) => {
            (*hours, rest.first().copied().unwrap_or(0), rest.get(1).copied().unwrap_or(0))
        }
        _ => return None,
    };
    let all = [(days.unwrap_or(0), DAY), (hours, HOUR), (minutes, MINUTE), (seconds, 1)];
    all.into_iter().try_fold(0_u64, |sum, (count, unit)| sum.checked_add(count.checked_mul(unit)?))
}

/// Seconds as sbatch(1) takes them: `HOURS:MINUTES:SECONDS`, with `DAYS-` before it from one day on.
pub fn format_duration(seconds: u64) -> String {
    let (days, rest) = (seconds / DAY, seconds % DAY);
    let clock = format!("{:02}:{:02}:{:02}", rest / HOUR, rest % HOUR / MINUTE, rest % MINUTE);
    if days == 0 { clock } else { format!("{days}-{clock}") }
}

/// A whole number of decimal digits, without a sign.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_sbatch_to_write_a_time_is_read() {
        for (text, seconds) in [
            ("90m", 90 * MINUTE),
            ("2h", 2 * HOUR),
            ("3d", 3 * DAY),
            ("45s", 45),
            ("30", 30 * MINUTE),
            ("90:30", 90 * MINUTE + 30),
            ("2:00:00", 2 * HOUR),
            ("36:05:09", 36 * HOUR + 5 * MINUTE + 9),
            ("1-12", DAY + 12 * HOUR),
            ("1-12:30", DAY + 12 * HOUR + 30 * MINUTE),
            ("1-12:30:15", DAY + 12 * HOUR + 30 * MINUTE + 15),
            (" 0 ", 0),
        ] {
            assert_eq!(parse_duration(text), Some(seconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "-",
            "h",
            "1:90",
            "1:60:00",
            "1-24",
            "1-2:3:4:5",
            "1:2:3:4",
            "-5",
            "+5",
            "1.5h",
            "2 h",
            "1-",
            "1-2-3",
            "forever",
            "PT2H",
            "99999999999999999999d",
            "213503982334602d",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn what_is_written_is_read_back(seconds in 0_u64..4_000_000_000) {
            proptest::prop_assert_eq!(parse_duration(&format_duration(seconds)), Some(seconds));
        }

        #[test]
        fn no_text_breaks_it(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
        }
    }
}
