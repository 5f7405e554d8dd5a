//! Arrays of a job as sbatch(1) writes them: `1-100%4`, `0,6,16-32:4`.

/// How many tasks an array has; `None` if this is none. What is behind a `%` says how many may run at once.
pub(super) fn tasks(text: &str) -> Option<u64> {
    let (ranges, at_once) = text.split_once('%').map_or((text, None), |(ranges, most)| (ranges, Some(most)));
    if at_once.is_some_and(|most| number(most).is_none_or(|most| most == 0)) {
        return None;
    }
    ranges.split(',').try_fold(0_u64, |sum, range| sum.checked_add(length(range)?))
}

/// How many numbers are in `7`, `3-9` or `0-100:4`.
fn length(range: &str) -> Option<u64> {
    let Some((first, rest)) = range.split_once('-') else { return number(range).map(|_| 1) };
    let (last, step) = rest.split_once(':').map_or((rest, Some(1)), |(last, step)| (last, number(step)));
    let (first, last, step) = (number(first)?, number(last)?, step.filter(|step| *step > 0)?);
    last.checked_sub(first)?.checked_div(step)?.checked_add(1)
}

fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tasks_of_an_array_are_counted() {
        for (text, count) in
            [("1-10", 10), ("0", 1), ("1-10%4", 10), ("1,7-9", 4), ("0-100:4", 26), ("0,6,16-32:4%2", 7)]
        {
            assert_eq!(tasks(text), Some(count), "{text}");
        }
        for none in ["", "1-", "-3", "9-1", "1-x", "1-10%0", "1-10%", "1-10:0", "1 2", "1,,2", "1-5\n#SBATCH --x"] {
            assert_eq!(tasks(none), None, "{none:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_breaks_it(text in "[0-9,:%x-]{0,40}") {
            let _ = tasks(&text);
        }
    }
}
