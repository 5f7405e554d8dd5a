//! Times in JSON output. Wharf keeps seconds since 1970, as databases and signatures do; JSON output has RFC 3339
//! dates.

use serde_json::Value;

use wharf_core::base::text;

/// Names of Wharf's fields that are times. Data from outside holds no numbers under these names.
const MOMENTS: &[&str] = &[
    "at",
    "changed",
    "checked",
    "created",
    "database",
    "made",
    "retry",
    "scanned",
    "seen",
    "since",
    "until",
    "used",
    "updated",
    "valid_until",
];

/// The value with the seconds in these fields replaced by dates.
pub(crate) fn dated(mut value: Value) -> Value {
    date(&mut value);
    value
}

fn date(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(date),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_i64().filter(|_| MOMENTS.contains(&name.as_str())) {
                    // 0 means "never" or "not yet", and becomes null.
                    Some(0) => *field = Value::Null,
                    Some(seconds) => *field = Value::String(text::timestamp(seconds)),
                    None => date(field),
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_become_dates_wherever_they_stand_and_other_numbers_stay() {
        let value =
            serde_json::json!({"created": 86_400, "size": 3, "all": [{"since": 0, "until": null, "at": "text"}]});
        let expected = serde_json::json!({"created": "1970-01-02T00:00:00Z", "size": 3,
            "all": [{"since": null, "until": null, "at": "text"}]});
        assert_eq!(dated(value), expected);
    }
}
