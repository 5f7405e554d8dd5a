//! Kubernetes' numbers of resources: `500m`, `2`, `4Gi`, `1e3` (the API's `Quantity`).

/// The thousandths of a quantity, rounded up; `None` for what is none, or larger than any machine.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let text = text.trim();
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let end = digits.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(digits.len());
    let (number, suffix) = digits.split_at(end);
    if negative || number.is_empty() {
        return None;
    }
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.contains('.') || (whole.is_empty() && part.is_empty()) {
        return None;
    }
    let (up, binary): (i32, u32) = match suffix {
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "" => (0, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        exponent => (exponent.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|up| up.abs() <= 18)?, 0),
    };
    // Nobody needs more than nine digits behind the point.
    let part: String = part.chars().take(9).collect();
    let all: u128 = format!("{whole}{part}").parse().ok()?;
    let shift = up + 3 - i32::try_from(part.len()).ok()?;
    let all = all.checked_mul(1_u128 << binary)?;
    let ten = |count: i32| 10_u128.checked_pow(count.unsigned_abs());
    let scaled = if shift >= 0 { all.checked_mul(ten(shift)?)? } else { all.div_ceil(ten(shift)?) };
    u64::try_from(scaled).ok()
}

/// The whole number of a quantity, rounded up.
pub(super) fn whole(text: &str) -> Option<u64> {
    thousandths(text).map(|all| all.div_ceil(1000))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, wanted) in [
            ("2", 2000),
            ("500m", 500),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1000),
            ("100u", 1),
            ("1n", 1),
            ("0", 0),
            ("1k", 1_000_000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("12e-1", 1200),
            ("4Gi", 4_294_967_296_000),
            ("1.5Gi", 1_610_612_736_000),
            ("+3", 3000),
        ] {
            assert_eq!(thousandths(text), Some(wanted), "{text}");
        }
        for bad in ["", "-1", "m", "1x", "1.2.3", "1e99", "Gi", "99999Ei", "1 2", "e3"] {
            assert_eq!(thousandths(bad), None, "{bad}");
        }
        assert_eq!((whole("1500m"), whole("4Gi")), (Some(2), Some(4 << 30)));
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in "\\PC{0,20}") {
            let _ = whole(&text);
        }

        #[test]
        fn thousandths_and_whole_numbers_agree(number in 0_u32..1_000_000) {
            prop_assert_eq!(thousandths(&number.to_string()), thousandths(&format!("{}m", u64::from(number) * 1000)));
        }
    }
}
