//! Output without the sequences that only a terminal understands.

/// Removes the escape sequences with which programs colour their output (ECMA-48, CSI and OSC), and what a program has
/// overwritten with a carriage return.
pub(super) fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('\u{1b}', Some('[')) => {
                while chars.next().is_some_and(|c| !('\u{40}'..='\u{7e}').contains(&c) || c == '[') {}
            }
            ('\u{1b}', Some(']')) => while chars.next().is_some_and(|c| c != '\u{7}' && c != '\u{1b}') {},
            ('\r', Some(_)) => out.clear(),
            (c, _) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_titles_and_overwritten_progress_are_left_out() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m"), "red");
        assert_eq!(plain("\u{1b}]0;title\u{7}text"), "text");
        assert_eq!(plain("10 %\r20 %"), "20 %");
    }
}
