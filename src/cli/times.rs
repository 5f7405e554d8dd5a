//! Times in JSON: RFC 3339. Kept values hold seconds since 1970, for databases and signatures; people's programs get dates.

use serde_json::Value;

use crate::core::base::text;

/// Names of our values that are moments. Foreign data is text: a number under such a name is ours.
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
    "updated",
    "valid_until",
];

/// The same value with dates.
pub fn dated(mut value: Value) -> Value {
    date(&mut value);
    value
}

fn date(value: &mut Value) {
    match value {
        Value::Array(all) => all.iter_mut().for_each(date),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field.as_i64().filter(|_| MOMENTS.contains(&name.as_str())) {
                    // No moment is that early: it is "never", or "not yet".
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
