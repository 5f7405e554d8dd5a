//! The rules that both stores keep: rights, orders and spans.

use wharf_core::{
    audit::witness::AuditScope,
    base::{
        error::{Error, Kind, Result},
        text,
    },
    request::{Caller, Decision, Id},
};

/// A delivery that is set up later does not deliver notices that are older than this, in seconds.
pub(super) const OLDEST: i64 = 7 * 86_400;

/// The error that there is no such request.
pub(super) fn no_request(id: Id, what: &str) -> Error {
    Error::not_found(what, format!("there is no request {id}")).hint("'wharf requests' lists yours")
}

/// Fails if this person may not decide on requests.
pub(super) fn may_decide(what: &str, me: &Caller) -> Result<()> {
    if me.approver { Ok(()) } else { Err(Error::new(Kind::NotAllowed, what, "you may not decide")) }
}

/// The order in which audit entries are read, as SQL for both stores, so that one chain cannot crowd out others.
pub(super) fn turn(whose: &AuditScope) -> &'static str {
    match whose {
        AuditScope::Chain(_) => "1",
        AuditScope::Mine => "row_number() OVER (PARTITION BY chain ORDER BY number DESC, id DESC)",
        AuditScope::Everybody => "row_number() OVER (PARTITION BY person ORDER BY id DESC)",
    }
}

/// Fails if this person may not read everybody's audits. With `stewards`, a steward may.
pub(super) fn may_audit(what: &str, me: &Caller, stewards: bool) -> Result<()> {
    if me.approver || (stewards && me.steward) {
        return Ok(());
    }
    Err(Error::new(Kind::NotAllowed, what, "only those who decide, and stewards, may read everybody's")
        .hint("'wharf audit' shows your own"))
}

/// When the approval of a class ends, in seconds since 1970. Fails if this person may not approve it, or the end is
/// missing.
pub(super) fn may_approve_class(what: &str, me: &Caller, decision: &Decision) -> Result<i64> {
    may_decide(what, me)?;
    let until = decision.terms.until.filter(|until| *until > text::now());
    until.ok_or_else(|| Error::usage(what, "the end of a class approval must be in the future").hint("--until 30d"))
}
