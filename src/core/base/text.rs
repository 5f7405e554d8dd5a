//! Sizes, ages, rates and times in few words, folding of text, and what kind of word a text is.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::error::{Error, Result};

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The bytes of hexadecimal digits; pairs that are none are left out.
pub fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks_exact(2).filter_map(|pair| std::str::from_utf8(pair).ok());
    pairs.filter_map(|pair| u8::from_str_radix(pair, 16).ok()).collect()
}

/// Whether a text looks like an id of OpenStack: a UUID.
pub fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-')
}

/// Bytes in binary units with three significant digits: `1.21 GiB`.
///
/// ```
/// use wharf_core::base::text;
///
/// assert_eq!(text::size(3 << 20), "3.00 MiB");
/// assert_eq!(text::span("12h"), Some(12 * 3600));
/// ```
pub fn size(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let (value, unit) = scaled(bytes);
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {}", UNITS[unit])
}

const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

/// Bytes in the largest unit that leaves at most three digits before the point, and the place of that unit in `UNITS`.
fn scaled(bytes: u64) -> (f64, usize) {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    (value, unit)
}

/// By how many bits a binary unit of bytes shifts: 10 for `k`, `kb` and `kib`, up to 50 for `p`; 0 without a unit. Units
/// are in lower case; `None` for other words.
pub fn binary_shift(unit: &str) -> Option<u32> {
    match unit.trim_end_matches("ib").trim_end_matches('b') {
        "" => Some(0),
        "k" => Some(10),
        "m" => Some(20),
        "g" => Some(30),
        "t" => Some(40),
        "p" => Some(50),
        _ => None,
    }
}

/// The bytes that `512M`, `2G`, `2GiB` or `1024` mean, in binary units; `None` if it is no size.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text.get(..digits)?.parse().ok()?;
    // Nothing that is launched or kept has petabytes.
    let shift = binary_shift(&text.get(digits..)?.trim().to_ascii_lowercase()).filter(|shift| *shift <= 40)?;
    number.checked_mul(1 << shift)
}

/// A number with three significant digits, without zeros at its end: `22.1`, `32`, `0.25`.
pub fn three_digits(value: f64) -> String {
    let digits = match value.abs() {
        size if size < 9.995 => 2,
        size if size < 99.95 => 1,
        _ => 0,
    };
    let text = format!("{value:.digits$}");
    if digits == 0 { text } else { text.trim_end_matches('0').trim_end_matches('.').to_owned() }
}

/// Bytes for a narrow column, with three significant digits and one letter for the unit: `22.1G`, `512M`, `12B`.
pub fn short_size(bytes: u64) -> String {
    let (value, unit) = scaled(bytes);
    format!("{}{}", three_digits(value), UNITS[unit].get(..1).unwrap_or_default())
}

/// A part of a limit, both in bytes: `22.1 of 32 GiB`, and with two units where the part is small: `456 KiB of 256 MiB`.
pub fn size_of(part: u64, whole: u64) -> String {
    let unit = scaled(whole).1;
    let in_unit = |bytes: u64| bytes as f64 / 1024f64.powi(i32::try_from(unit).unwrap_or(0));
    let whole = format!("{} {}", three_digits(in_unit(whole)), UNITS[unit]);
    if part == 0 || in_unit(part) >= 1.0 {
        return format!("{} of {whole}", three_digits(in_unit(part)));
    }
    let (value, unit) = scaled(part);
    format!("{} {} of {whole}", three_digits(value), UNITS[unit])
}

/// A part of a limit for a narrow column, both in bytes: `22.1/32G`, and with two units where the part is small:
/// `456K/256M`.
pub fn short_size_of(part: u64, whole: u64) -> String {
    let in_unit = part as f64 / 1024f64.powi(i32::try_from(scaled(whole).1).unwrap_or(0));
    let part = if part == 0 || in_unit >= 1.0 { three_digits(in_unit) } else { short_size(part) };
    format!("{part}/{}", short_size(whole))
}

/// The age in one unit: `3 min`, `5 d`. `then` and `now` in seconds since 1970.
pub fn age(then: i64, now: i64) -> String {
    let seconds = now.saturating_sub(then);
    match seconds {
        i64::MIN..=-61 => "in the future".into(),
        -60..=4 => "now".into(),
        5..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min", seconds / 60),
        3600..=86_399 => format!("{} h", seconds / 3600),
        86_400..=5_183_999 => format!("{} d", seconds / 86_400),
        5_184_000..=63_071_999 => format!("{} months", seconds / 2_629_800),
        _ => format!("{} years", seconds / 31_557_600),
    }
}

/// A duration in one unit: `4 s`, `12 min`, `3 d`.
pub fn duration(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..=99 => format!("{seconds} s"),
        seconds @ 100..=5_999 => format!("{} min", seconds / 60),
        seconds @ 6_000..=172_799 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// The age in a sentence: `3 min ago`, `just now`.
pub fn ago(then: i64, now: i64) -> String {
    match age(then, now).as_str() {
        "now" => "just now".into(),
        "in the future" => "in the future".into(),
        age => format!("{age} ago"),
    }
}

/// Folds text into lines of at most `width` columns, at a space if one is near; at least one line.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns > width.max(1) {
            let rest = match line.rfind(' ') {
                Some(at) if at * 3 > line.len() => line.split_off(at + 1),
                _ => String::new(),
            };
            lines.push(std::mem::replace(&mut line, rest).trim_end().to_owned());
            used = line.width();
        }
        line.push(c);
        used += columns;
    }
    lines.push(line);
    lines
}

/// Folds text at spaces only, so that a longer reference or link stays in one piece.
pub fn wrap_words(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = vec![String::new()];
    for word in text.split(' ') {
        let fits = |line: &String| line.is_empty() || line.width() + 1 + word.width() <= width;
        match lines.last_mut() {
            Some(line) if fits(line) => {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Bytes per second: `12.3 MiB/s`.
pub fn rate(bytes: u64, seconds: f64) -> String {
    if seconds <= 0.0 {
        return String::from("–");
    }
    format!("{}/s", size((bytes as f64 / seconds) as u64))
}

/// A number with separators: `100,000`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The text with the digests in it cut to their first twelve letters: whole ones would fill a line, and leave no room
/// for the reason.
///
/// ```
/// let text = format!("launch lab/app@sha256:{}: refused", "0f".repeat(32));
/// assert_eq!(wharf_core::base::text::with_short_digests(&text), "launch lab/app@sha256:0f0f0f0f0f0f…: refused");
/// ```
pub fn with_short_digests(text: &str) -> String {
    const ALGORITHM: &str = "sha256:";
    let mut parts = text.split(ALGORITHM);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(ALGORITHM);
        let letters = part.bytes().take_while(u8::is_ascii_hexdigit).count();
        match (part.get(..12), part.get(letters..)) {
            (Some(short), Some(rest)) if letters == 64 => {
                out.push_str(short);
                out.push('…');
                out.push_str(rest);
            }
            _ => out.push_str(part),
        }
    }
    out
}

/// A number and its noun: `one` for 1, else `many`.
pub fn plural(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// The line (from 1) of a byte position in `text`; without a position, the first.
pub fn line_of(text: &str, at: Option<usize>) -> usize {
    at.and_then(|at| text.get(..at)).map_or(1, |before| before.matches('\n').count() + 1)
}

/// A time as RFC 3339 in UTC; `seconds` since 1970.
pub fn timestamp(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

/// Seconds since 1970 of an RFC 3339 time; `None` for anything else and for Docker's zero date.
pub fn parse_timestamp(text: &str) -> Option<i64> {
    let seconds = text.parse::<jiff::Timestamp>().ok()?.as_second();
    (seconds > 0).then_some(seconds)
}

/// Seconds of a time span: `30min`, `12h`, `90d`, `2w`; `None` for anything else.
pub fn span(given: &str) -> Option<i64> {
    let digits = given.find(|c: char| !c.is_ascii_digit()).unwrap_or(given.len());
    let (number, unit) = given.split_at(digits);
    let seconds = match unit {
        "min" => 60,
        "h" => 3600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()?.saturating_mul(seconds))
}

/// A time in the future, in seconds since 1970: from now by `7d`, `12h`, `30min`, or RFC 3339.
///
/// # Errors
/// `Usage` for what is no time, is past already, or is so late that no date can be written for it (after the year 9999).
pub fn parse_future_time(given: &str) -> Result<i64> {
    future_time(given, now())
}

fn future_time(given: &str, now: i64) -> Result<i64> {
    let wrong = |why| Error::usage(format!("--until {given}"), why).hint("write 7d, 12h or 2030-01-31T12:00:00Z");
    let dated = |given: &str| given.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
    let time = span(given).map(|span| now.saturating_add(span)).or_else(|| dated(given));
    let time = time.ok_or_else(|| wrong("not a time"))?;
    if time <= now {
        return Err(wrong("that is past already"));
    }
    if parse_timestamp(&timestamp(time)) != Some(time) {
        return Err(wrong("that is too far away to be written as a date"));
    }
    Ok(time)
}

/// A time in the past, in seconds since 1970: `7d`, `12h` or `30min` ago, or RFC 3339.
pub fn since(given: &str) -> Result<i64> {
    span(given).map(|span| now().saturating_sub(span)).or_else(|| parse_timestamp(given)).ok_or_else(|| {
        Error::usage(format!("--since {given}"), "not a time").hint("write 7d, 12h, 30min or 2030-01-31T12:00:00Z")
    })
}

/// Seconds since 1970, by the system clock.
pub fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_lies_ahead_and_can_be_written_as_a_date() {
        let now = 1_800_000_000;
        for (given, after) in [("30min", 1800), ("7d", 604_800), ("2030-01-31T12:00:00Z", 96_091_200)] {
            assert_eq!(future_time(given, now).unwrap(), now + after, "{given}");
        }
        for given in ["", "0d", "0min", "2020-01-01T00:00:00Z", "999999w", "99999999999999999999d", "-1d", "soon", "7"]
        {
            assert_eq!(future_time(given, now).unwrap_err().kind, crate::base::error::Kind::Usage, "{given}");
        }
    }

    #[test]
    fn sizes_keep_three_figures() {
        for (bytes, shown) in
            [(0, "0 B"), (1023, "1023 B"), (1536, "1.50 KiB"), (10_485_760, "10.0 MiB"), (1_073_741_824, "1.00 GiB")]
        {
            assert_eq!(size(bytes), shown);
        }
    }

    #[test]
    fn a_part_of_a_limit_has_three_digits_and_the_unit_once() {
        const GIB: u64 = 1 << 30;
        for (part, whole, shown) in [
            (22_100 * GIB / 1000, 32 * GIB, "22.1 of 32 GiB"),
            (GIB, 2 * GIB, "1 of 2 GiB"),
            (456 << 10, 256 << 20, "456 KiB of 256 MiB"),
            (0, 4 * GIB, "0 of 4 GiB"),
            (5 * GIB, 4 * GIB, "5 of 4 GiB"),
            (100, 0, "100 of 0 B"),
        ] {
            assert_eq!(size_of(part, whole), shown);
        }
        for (bytes, shown) in [(12, "12B"), (720 << 20, "720M"), (22_100 * GIB / 1000, "22.1G"), (1023 << 20, "1G")] {
            assert_eq!(short_size(bytes), shown);
        }
        for (value, shown) in [(9.996, "10"), (0.254, "0.25"), (100.0, "100"), (1412.4, "1412"), (0.0, "0")] {
            assert_eq!(three_digits(value), shown);
        }
    }

    #[test]
    fn ages_use_one_unit() {
        for (seconds, shown) in
            [(0, "now"), (59, "59 s"), (61, "1 min"), (7200, "2 h"), (172_800, "2 d"), (8_000_000, "3 months")]
        {
            assert_eq!(age(0, seconds), shown);
        }
    }

    #[test]
    fn long_values_wrap_at_a_space_where_one_is_near() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("sha256:abcdef", 8), ["sha256:a", "bcdef"]);
        assert_eq!(wrap("日本語", 4), ["日本", "語"]);
        assert_eq!(wrap("", 4), [""]);
        assert_eq!(wrap("ab", 0), ["a", "b"]);
    }

    #[test]
    fn counts_are_grouped() {
        assert_eq!(count(100_000), "100,000");
        assert_eq!(count(12), "12");
        assert_eq!(plural(1, "image", "images"), "1 image");
    }
}
