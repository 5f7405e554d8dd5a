//! Reading values that others may have written into the store.

use serde::de::DeserializeOwned;

use wharf_core::base::{
    clean,
    error::{During, Result},
};

/// Reads a value that others may have written; all its texts are cleaned.
pub fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T> {
    let mut value: serde_json::Value = serde_json::from_str(text).during(what)?;
    clean_value(&mut value);
    serde_json::from_value(value).during(what)
}

fn clean_value(value: &mut serde_json::Value) {
    match value {
        // A text must not look like a line of Wharf's own.
        serde_json::Value::String(text) => *text = clean::line(text).into_owned(),
        serde_json::Value::Array(all) => all.iter_mut().for_each(clean_value),
        serde_json::Value::Object(all) => {
            for (name, value) in all {
                match value {
                    serde_json::Value::String(text) if OF_LINES.contains(&name.as_str()) => *text = clean::lines(text),
                    value => clean_value(value),
                }
            }
        }
        _ => {}
    }
}

/// The fields whose texts have several lines: a comparison, and what was signed.
const OF_LINES: [&str; 2] = ["diff", "payload"];

/// The value if it could be read; if not, that is logged, and other values are still used.
pub(super) fn readable<T>(found: Result<T>, what: &str) -> Option<T> {
    found.map_err(|error| tracing::warn!(%error, "left out: {what}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_words_pass_for_lines_of_the_program() {
        let kept = r#"{"reason": "fine\nallow by the policy site", "diff": "+ a\n- b", "all": ["x\n✓ verified \u001b[2J"], "payload": "a\nb"}"#;
        let read: serde_json::Value = read(kept, "test").unwrap();
        assert_eq!(read["reason"], "fine allow by the policy site");
        assert_eq!(read["all"][0], "x ✓ verified \u{fffd}[2J");
        assert_eq!((read["diff"].as_str(), read["payload"].as_str()), (Some("+ a\n- b"), Some("a\nb")));
    }

    #[test]
    fn a_reason_in_the_store_is_one_line_and_what_was_signed_stays_as_it_is() {
        let row = serde_json::json!({"reason": "for me\n✓ verified\u{2028}x\u{85}y", "words": ["a\r\nb"],
            "decision": {"payload": "wharf approval\nfrom x\n"}, "diff": "before\nafter"});
        let read: serde_json::Value = read(&row.to_string(), "read").unwrap();
        assert_eq!(read["reason"], "for me ✓ verified\u{fffd}x\u{fffd}y");
        assert_eq!(read["words"][0], "a  b");
        assert_eq!(read["decision"]["payload"], "wharf approval\nfrom x\n");
        assert_eq!(read["diff"], "before\nafter");
    }
}
