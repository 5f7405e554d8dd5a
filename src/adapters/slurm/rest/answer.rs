//! Reading what slurmrestd answers, in every version of its interface.

use serde_json::Value;

use wharf_core::base::{
    clean,
    error::{Error, Kind, Result},
};

/// What to do about a token that is missing or no longer good.
pub(super) const NEW_TOKEN: &str =
    "get a new one with 'scontrol token', and set SLURM_JWT or token_file of this backend";
/// The error numbers of Slurm (slurm_errno.h) for a job that the controller or accounting does not know, and for one that
/// is over.
const NO_JOB: [i64; 2] = [2017, 9003];
const OVER: i64 = 2021;
/// That of an error without a number of its own.
const UNSPECIFIED: i64 = -1;
/// Those for a controller or a database that does not answer, and for a person who may not.
const AWAY: [i64; 4] = [1800, 1803, 7000, 7003];
const DENIED: [i64; 4] = [2002, 2010, 1007, 1000];

/// An answer: its status and what it holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The status.
    pub status: u16,
    /// The answer.
    pub value: Value,
}

/// A number: bare, or set in `{set, infinite, number}`; `None` where it is not set, or infinite.
pub(super) fn number(value: &Value) -> Option<i64> {
    let is = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or(false);
    match value {
        Value::Object(_) if is("set") && !is("infinite") => value.get("number").and_then(number),
        // Some versions write whole numbers with a point.
        Value::Number(number) => number.as_i64().or_else(|| Some(number.as_f64()? as i64)),
        _ => None,
    }
}

/// A word: a text, or the first of a list.
pub(super) fn word(value: &Value) -> Option<String> {
    words(value).into_iter().next()
}

/// Words: a list, or one text.
pub(super) fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(all) => all.iter().filter_map(|one| Some(one.as_str()?.to_owned())).collect(),
        Value::String(text) if !text.is_empty() => vec![text.clone()],
        _ => Vec::new(),
    }
}

/// The words of a text with commas between, or of a list.
pub(super) fn listed(value: &Value) -> Vec<String> {
    let all = words(value);
    let split = all.iter().flat_map(|text| text.split(','));
    split.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

/// What is at a path of keys; `Null` where there is nothing.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> &'a Value {
    path.iter().fold(value, |value, key| value.get(*key).unwrap_or(&Value::Null))
}

impl Answer {
    /// The entries of a list; empty where there is none.
    pub(super) fn list(&self, key: &str) -> &[Value] {
        self.value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// Slurm's release, cleaned; empty where it is not told.
    pub(super) fn release(&self) -> String {
        let meta = at(&self.value, &["meta"]);
        let told = ["slurm", "Slurm"].iter().find_map(|key| at(meta, &[key, "release"]).as_str());
        told.map(|release| clean::short(release, 40)).unwrap_or_default()
    }

    /// The same answer, if it tells of no error. Errors are in `errors`, and in `status` for each job that was asked for.
    pub(super) fn checked(self, what: &str) -> Result<Self> {
        let told = self.list("errors").iter();
        let each = self.list("status").iter().filter_map(|one| one.get("error"));
        let first = told.chain(each).find_map(|error| {
            let number = ["error_number", "error_code", "errno", "code"]
                .iter()
                .find_map(|key| error.get(*key).and_then(number).filter(|number| *number != 0));
            let text = ["error", "message", "string", "description"]
                .iter()
                .find_map(|key| error.get(*key).and_then(Value::as_str).filter(|text| !text.is_empty()));
            (number.is_some() || text.is_some_and(|text| text != "No error"))
                .then(|| (number.unwrap_or(0), clean::short(text.unwrap_or_default(), 300)))
        });
        match first {
            Some((number, text)) => Err(refused(what, number, &text)),
            None if self.status >= 400 => Err(by_status(what, self.status)),
            None => Ok(self),
        }
    }
}

/// The error of an error number of Slurm and its text.
fn refused(what: &str, number: i64, text: &str) -> Error {
    match number {
        _ if NO_JOB.contains(&number) => Error::not_found(what, "Slurm knows no such job"),
        OVER => Error::failed(what, "the job is already completed"),
        // Slurm 22.05 tells a token that is no longer good like this.
        UNSPECIFIED => Error::new(
            Kind::NotAllowed,
            what,
            "Slurm does not say why (Unspecified error); older versions answer so to a token that is not good",
        )
        .hint(NEW_TOKEN),
        _ if AWAY.contains(&number) => {
            Error::new(Kind::Unavailable, what, format!("Slurm's controller does not answer: {text}"))
                .hint("try again later")
        }
        _ if DENIED.contains(&number) => {
            Error::new(Kind::NotAllowed, what, format!("Slurm says: {text}")).hint(NEW_TOKEN)
        }
        _ => Error::failed(what, format!("Slurm says: {text}")),
    }
}

/// The error of an answer that has only a status.
fn by_status(what: &str, status: u16) -> Error {
    match status {
        401 | 511 => {
            Error::new(Kind::NotAllowed, what, "slurmrestd does not take the token, or wants one").hint(NEW_TOKEN)
        }
        404 => Error::not_found(what, "slurmrestd knows nothing of that name"),
        500..=599 => Error::new(Kind::Unavailable, what, format!("slurmrestd answered {status}, without a reason"))
            .hint("try again later"),
        _ => Error::failed(what, format!("slurmrestd answered {status}, without a reason")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, text: &str) -> Result<Answer> {
        Answer { status, value: serde_json::from_str(text).unwrap() }.checked("ask lab")
    }

    #[test]
    fn numbers_and_words_are_read_in_both_forms() {
        assert_eq!(number(&json!(5)), Some(5));
        assert_eq!(number(&json!({"set": true, "infinite": false, "number": 5})), Some(5));
        for none in
            [json!(null), json!({"set": false, "number": 5}), json!({"set": true, "infinite": true, "number": 0})]
        {
            assert_eq!(number(&none), None, "{none}");
        }
        assert_eq!(
            (word(&json!("UP")), word(&json!(["UP"])), word(&json!([]))),
            (Some("UP".into()), Some("UP".into()), None)
        );
        assert_eq!(listed(&json!("a,b")), ["a", "b"]);
    }

    #[test]
    fn what_three_versions_refuse_has_its_kind() {
        let kind = |status: u16, text: &str| answer(status, text).map(drop).map_err(|error| error.kind);
        for (version, status) in [
            (include_str!("../../../../tests/fixtures/slurm/22.05/rest/job-none.json"), 500),
            (include_str!("../../../../tests/fixtures/slurm/24.11/rest/job-none.json"), 404),
            (include_str!("../../../../tests/fixtures/slurm/26.05/rest/job-none.json"), 404),
        ] {
            assert_eq!(kind(status, version), Err(Kind::NotFound));
        }
        for text in [
            include_str!("../../../../tests/fixtures/slurm/22.05/rest/bad-token-jobs.json"),
            include_str!("../../../../tests/fixtures/slurm/24.11/rest/bad-token-jobs.json"),
            include_str!("../../../../tests/fixtures/slurm/26.05/rest/bad-token-jobs.json"),
        ] {
            assert_eq!(kind(511, text), Err(Kind::NotAllowed));
        }
        // Status 200, and the error is told of the one job.
        assert_eq!(
            kind(200, include_str!("../../../../tests/fixtures/slurm/26.05/rest/cancel-none.json")),
            Err(Kind::NotFound)
        );
        let again = answer(200, include_str!("../../../../tests/fixtures/slurm/26.05/rest/cancel-again.json"));
        assert!(again.unwrap_err().why.contains("already complet"));
        let refused =
            answer(422, include_str!("../../../../tests/fixtures/slurm/26.05/rest/submit-bad-partition.json"));
        assert!(refused.unwrap_err().why.contains("artition"));
        assert_eq!(kind(401, "null"), Err(Kind::NotAllowed));
        assert_eq!(kind(502, "null"), Err(Kind::Unavailable));
        assert_eq!(kind(200, "{\"errors\": []}"), Ok(()));
    }
}
