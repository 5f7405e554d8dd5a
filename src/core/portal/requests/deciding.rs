//! Deciding on requests and on classes of them, and revoking admissions.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{ApproverDecision, REASON, Requests, admitted_place, destination};
use crate::{
    audit::Entry,
    base::{
        clean,
        context::Context,
        error::{Error, Result},
        text,
    },
    portal::signatures::signed_by,
    ports::Asker,
    request::{Decision, Dossier, Event, Id, Request, RequestFilter, Stage, Terms, statement::Statement},
};

/// How many requests are read at a time.
const PAGE: i64 = 200;

/// The rules and findings that an approval accepts: all that hold the image back and were shown. An approver who names
/// findings must name all of these, because one left out would still hold the image back.
fn accepted_terms(what: &str, request: &Request, said: Terms) -> Result<Terms> {
    let (rules, findings) = request.dossier.as_ref().map(Dossier::to_take).unwrap_or_default();
    if said.exceptions.is_empty() {
        return Ok(Terms { rules, exceptions: findings, ..said });
    }
    let left: Vec<&str> =
        findings.iter().filter(|one| !said.exceptions.contains(one)).map(String::as_str).take(5).collect();
    if left.is_empty() {
        return Ok(Terms { rules, ..said });
    }
    Err(Error::usage(what, format!("it is held back by {}, too", left.join(", ")))
        .hint("name these as well, or name none: then all that hold it back are taken"))
}

impl Requests {
    /// Decides on a request. With a key, the approval is signed here: that signature is what admits the image.
    pub async fn decide(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        ruling: &ApproverDecision,
    ) -> Result<Request> {
        let verb = if ruling.approve { "approve" } else { "reject" };
        let what = format!("{verb} request {id}");
        if !ruling.approve && ruling.reason.trim().is_empty() {
            return Err(Error::usage(what, "a reason is needed: the requester reads it").hint("--reason TEXT"));
        }
        let request = cx.run(&what, self.store.request(id)).await?;
        let entry = self.journal.entry(verb, format!("request {id}"));
        let deciding = async {
            let me = self.store.caller().await?;
            // Checked before the key is opened: a person who may not decide need not type a PIN.
            let mut decision = Decision {
                by: me.person.clone(),
                at: text::now(),
                approve: ruling.approve,
                reason: clean::short(ruling.reason.trim(), REASON),
                // Without an end of its own, the approval ends when the requester's need does.
                terms: Terms { until: ruling.terms.until.or_else(|| request.needed_until()), ..ruling.terms.clone() },
                digest: request.asked.digest.clone(),
                payload: String::new(),
                signature: String::new(),
            };
            request.clone().follow(&Event::Decide(decision.clone()), &me, text::now())?;
            if ruling.approve {
                destination::check(&self.config.requests, &what, &request)?;
                decision.terms = accepted_terms(&what, &request, decision.terms)?;
            }
            if ruling.approve {
                let statement = || Statement::for_approval(&request, &decision, text::now());
                let signed = self.stated(&what, ruling.key.as_deref(), asker, statement).await?;
                (decision.payload, decision.signature) = signed;
            }
            cx.run(&what, self.store.apply_event(id, &Event::Decide(decision))).await
        };
        let told = |entry: &mut Entry, request: &Request| {
            entry.subject = format!("{}: {} for {}", request.called(), request.asked.from, request.destination);
            entry.digest = request.asked.digest.parse().ok();
            entry.verdict = request.dossier.as_ref().map(|dossier| dossier.verdict.name().to_owned());
        };
        self.journal.recorded_with(entry, deciding, told).await
    }

    /// The payload and the signature of a decision, by the key that the approver names, or that of the configuration.
    /// Both are empty if there is no key.
    async fn stated(
        &self,
        what: &str,
        key: Option<&str>,
        asker: Arc<dyn Asker>,
        statement: impl FnOnce() -> Result<Statement>,
    ) -> Result<(String, String)> {
        let key = key.unwrap_or(&self.config.requests.approver_key);
        if key.is_empty() {
            return Ok(Default::default());
        }
        let statement = statement()?;
        let signer = (self.signers.open)(key, asker).await?;
        let signature = STANDARD.encode(signed_by(what, &statement, &*signer).await?);
        Ok((statement.text().to_owned(), signature))
    }

    /// Approves everything that one rule blocks on one base image, until a day; it also counts for later requests.
    pub async fn approve_class(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        (base, rule): (&str, &str),
        ruling: &ApproverDecision,
    ) -> Result<Id> {
        let what = format!("approve the class '{rule}'");
        let mut terms = ruling.terms.clone();
        if !terms.rules.iter().any(|one| one == rule) {
            terms.rules.push(rule.to_owned());
        }
        let subject = format!("what '{rule}' blocks on '{base}' {}", terms.describe());
        let approving = async {
            let statement = || Ok(Statement::class_author(base, rule, &terms));
            let (payload, signature) = self.stated(&what, ruling.key.as_deref(), asker, statement).await?;
            let decision = Decision {
                by: self.config.person.clone(),
                at: text::now(),
                approve: true,
                reason: clean::short(ruling.reason.trim(), REASON),
                terms: terms.clone(),
                digest: String::new(),
                payload,
                signature,
            };
            cx.run(&what, self.store.approve_class(base, rule, &decision)).await
        };
        self.journal.recorded(self.journal.entry("approve class", subject), approving).await
    }

    /// Revokes an admission: from now on the image is denied, and a steward signs that beside the image.
    pub async fn revoke(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        reason: &str,
        key: Option<&str>,
    ) -> Result<Request> {
        let what = format!("take back the admission of request {id}");
        let reason = clean::short(reason.trim(), REASON);
        if reason.is_empty() {
            return Err(Error::usage(what, "a reason is needed: everybody who uses it reads it").hint("--reason TEXT"));
        }
        let request = cx.run(&what, self.store.request(id)).await?;
        let entry = self.journal.entry("take back", format!("the admission of request {id}"));
        let taking_back = async {
            let me = self.store.caller().await?;
            let mut decision = Decision {
                by: me.person.clone(),
                at: text::now(),
                approve: false,
                reason,
                terms: Terms::default(),
                digest: request.asked.digest.clone(),
                payload: String::new(),
                signature: String::new(),
            };
            // Checked before the key is opened: a person who may not decide need not type a PIN.
            request.clone().follow(&Event::Revoke(decision.clone()), &me, text::now())?;
            let statement = || {
                let (place, digest) = admitted_place(&what, &request)?;
                let by = (decision.by.as_str(), decision.reason.as_str());
                Ok(Statement::for_revocation(&place, &digest, id, by, text::now()))
            };
            let signed = self.stated(&what, key, asker, statement).await?;
            (decision.payload, decision.signature) = signed;
            cx.run(&what, self.store.apply_event(id, &Event::Revoke(decision))).await
        };
        let told = |entry: &mut Entry, request: &Request| {
            entry.subject = format!("{}: {}", request.called(), request.admitted_at());
            entry.digest = request.asked.digest.parse().ok();
        };
        self.journal.recorded_with(entry, taking_back, told).await
    }

    /// Ends the approval of a class; what it admitted stays admitted. With `reason`, these admissions are revoked too,
    /// and their requests are returned.
    pub async fn end_class(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        reason: Option<&str>,
    ) -> Result<Vec<Id>> {
        let what = format!("end the approval of class {id}");
        let entry = self.journal.entry("end class", format!("class {id}"));
        self.journal.recorded(entry, cx.run(&what, self.store.end_class(id))).await?;
        let Some(reason) = reason else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        let mut skip = 0;
        loop {
            let page = cx.run(&what, self.store.requests(RequestFilter::All, skip, PAGE)).await?;
            let by_it = |request: &&Request| {
                let by = request.decision.as_ref().is_some_and(|decision| decision.class() == Some(id));
                by && request.stage == Stage::Admitted
            };
            for request in page.iter().filter(by_it) {
                self.revoke(cx, asker.clone(), request.id, reason, None).await?;
                taken.push(request.id);
            }
            if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(taken);
            }
            skip += PAGE;
        }
    }
}
