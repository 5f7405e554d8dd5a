//! The answer to the one question by which a store gives the overview for those who decide.

use serde::Deserialize;
use serde_json::Value;

use super::values::readable;
use wharf_core::{
    base::error::{During, Result},
    ports::store::Watched,
    request::{EndingApproval, Id, QueueOverview},
};

/// What both stores answer, as one value.
#[derive(Debug, Default, Deserialize)]
pub(super) struct StoredOverview {
    /// The time by the store's clock, in seconds since 1970.
    now: i64,
    /// Days since 1970, each with how many requests were asked for and decided on it.
    days: Vec<(i64, i64, i64)>,
    ending: Vec<StoredEnding>,
    ending_in_all: i64,
}

/// An approval that ends soon. What the stewards keep of its image may be anything.
#[derive(Debug, Deserialize)]
struct StoredEnding {
    request: Id,
    title: Option<String>,
    reference: Option<String>,
    until: i64,
    judged: Value,
}

impl StoredOverview {
    /// The overview that it means.
    pub(super) fn told(self, what: &str) -> QueueOverview {
        let number = |count: i64| u64::try_from(count).unwrap_or_default();
        let counts: Vec<(i64, u64, u64)> =
            self.days.into_iter().map(|(day, asked, decided)| (day, number(asked), number(decided))).collect();
        let mut ending: Vec<EndingApproval> = self.ending.into_iter().map(|one| one.told(what)).collect();
        ending.sort_by_key(|one| (one.until, one.request));
        QueueOverview::new(self.now, &counts, ending, number(self.ending_in_all))
    }
}

impl StoredEnding {
    fn told(self, what: &str) -> EndingApproval {
        // Where no steward has judged it, there is nothing to read.
        let is_judged = self.judged.get("judged").and_then(Value::as_bool) == Some(true);
        let judged: Result<Option<Watched>> =
            if is_judged { serde_json::from_value(self.judged).during(what) } else { Ok(None) };
        let judged = readable(judged, what).flatten();
        EndingApproval {
            request: self.request,
            title: self.title.unwrap_or_default(),
            reference: self.reference.unwrap_or_default(),
            until: self.until,
            new_findings: judged.map(|watched| watched.told.into_iter().map(|(id, ..)| id).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_steward_has_judged_is_told_and_anything_else_costs_itself_alone() {
        let new = |judged: Value| {
            let ending =
                serde_json::json!({"request": 1, "title": null, "reference": "r", "until": 5, "judged": judged});
            serde_json::from_value::<StoredEnding>(ending).unwrap().told("test").new_findings
        };
        let told = serde_json::json!([["CVE-1", "openssl", "3.1"]]);
        assert_eq!(new(serde_json::json!({"judged": true, "told": told})), Some(vec!["CVE-1".to_owned()]));
        assert_eq!(new(serde_json::json!({"judged": true, "told": []})), Some(Vec::new()));
        assert_eq!(new(serde_json::json!({"judged": false, "told": told})), None);
        for other in [Value::Null, serde_json::json!(7), serde_json::json!({"judged": null, "told": null})] {
            assert_eq!(new(other), None);
        }
    }
}
