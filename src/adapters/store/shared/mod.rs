//! The shared store of requests: SQLite for one person or one machine, PostgreSQL for a cluster.

mod address;
pub mod postgres;
pub mod spool;
pub mod sqlite;

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    sync::Arc,
};

use serde::de::DeserializeOwned;

use wharf_core::{
    audit::witness::Whose,
    base::{
        clean,
        error::{During, Error, Kind, Result},
        text,
    },
    config::Config,
    ports::store::Store,
    request::{Decision, Id, Me},
};

/// A delivery that is set up later does not deliver notices that are older than this, in seconds.
const OLDEST: i64 = 7 * 86_400;

/// The store that the configuration names.
pub fn of(config: &Config) -> Result<Arc<dyn Store>> {
    let wanted = &config.requests.store;
    let worker = worker();
    if wanted.starts_with("postgres://") || wanted.starts_with("postgresql://") {
        return Ok(Arc::new(postgres::Postgres::new(wanted, worker)?));
    }
    let path = if wanted.is_empty() { config.state_dir.join("requests.db") } else { wanted.into() };
    let rules = &config.requests;
    let alone = rules.approvers.is_empty();
    // A name that a person gives proves nothing. Where decisions need signatures, the signature says who decided.
    let said = alone || rules.signed_decisions;
    let person = if said { config.person.clone() } else { address::login().unwrap_or_default() };
    let me = Me {
        approver: alone || rules.approvers.contains(&person),
        person,
        steward: true,
        own: rules.self_approval.unwrap_or(alone),
    };
    Ok(Arc::new(sqlite::SqliteStore::new(path, me, worker).of_one_group(said)))
}

/// The host name of this machine.
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A name that no other worker has: machine, process and a random number.
fn worker() -> String {
    let host = host();
    // Seeded by the system. The cryptography library's random numbers would cost 30 ms at every start for its self
    // test.
    let number = RandomState::new().build_hasher().finish();
    format!("{host}/{}/{number:016x}", std::process::id())
}

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
fn readable<T>(found: Result<T>, what: &str) -> Option<T> {
    found.map_err(|error| tracing::warn!(%error, "left out: {what}")).ok()
}

/// The error that there is no such request.
fn no_request(id: Id, what: &str) -> Error {
    Error::not_found(what, format!("there is no request {id}")).hint("'wharf requests' lists yours")
}

/// Fails if this person may not decide on requests.
fn may_decide(what: &str, me: &Me) -> Result<()> {
    if me.approver { Ok(()) } else { Err(Error::new(Kind::NotAllowed, what, "you may not decide")) }
}

/// The order in which audit entries are read, as SQL for both stores, so that one chain cannot crowd out others.
fn turn(whose: &Whose) -> &'static str {
    match whose {
        Whose::Chain(_) => "1",
        Whose::Mine => "row_number() OVER (PARTITION BY chain ORDER BY number DESC, id DESC)",
        Whose::Everybody => "row_number() OVER (PARTITION BY person ORDER BY id DESC)",
    }
}

/// Fails if this person may not read everybody's audits. With `stewards`, a steward may.
fn may_audit(what: &str, me: &Me, stewards: bool) -> Result<()> {
    if me.approver || (stewards && me.steward) {
        return Ok(());
    }
    Err(Error::new(Kind::NotAllowed, what, "only those who decide, and stewards, may read everybody's")
        .hint("'wharf audit' shows your own"))
}

/// When the approval of a class ends, in seconds since 1970. Fails if this person may not approve it, or the end is
/// missing.
fn may_approve_class(what: &str, me: &Me, decision: &Decision) -> Result<i64> {
    may_decide(what, me)?;
    let until = decision.terms.until.filter(|until| *until > text::now());
    until.ok_or_else(|| Error::usage(what, "the end of a class approval must be in the future").hint("--until 30d"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wharf_core::config::Requests;

    #[test]
    fn nobodys_words_pass_for_lines_of_the_program() {
        let kept = r#"{"reason": "fine\nallow by the policy site", "diff": "+ a\n- b", "all": ["x\n✓ verified \u001b[2J"], "payload": "a\nb"}"#;
        let read: serde_json::Value = read(kept, "test").unwrap();
        assert_eq!(read["reason"], "fine allow by the policy site");
        assert_eq!(read["all"][0], "x ✓ verified \u{fffd}[2J");
        assert_eq!((read["diff"].as_str(), read["payload"].as_str()), (Some("+ a\n- b"), Some("a\nb")));
    }

    #[tokio::test]
    async fn where_approvers_are_named_nobody_says_who_they_are_without_a_signature() {
        let folder = tempfile::tempdir().unwrap();
        let me = async |approvers: &[&str], signed_decisions| {
            let approvers = approvers.iter().map(|name| (*name).to_owned()).collect();
            let requests = Requests { approvers, signed_decisions, ..Requests::default() };
            let config =
                Config { state_dir: folder.path().to_owned(), person: "carol".into(), requests, ..Config::default() };
            of(&config).unwrap().me().await.unwrap()
        };
        let login = address::login().unwrap();
        let claimed = me(&["carol"], false).await;
        assert_eq!((claimed.person.as_str(), claimed.approver), (login.as_str(), false));
        assert!(me(&["carol", &login], false).await.approver);
        assert!(me(&["carol"], true).await.approver, "a signature says who it was");
        assert!(me(&[], false).await.approver, "alone");
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
