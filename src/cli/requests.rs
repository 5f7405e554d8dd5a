//! `wharf request`, `requests`, `approve` and `reject`.

use super::{ask, output, progress};
use crate::args::{Approve, Reject, Request as Wanted, Requests, RequestsVerb};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    portal::{
        Portal,
        requests::{ApproverDecision, RequestDetails, Submitted},
    },
    request::{Event, Pace, QueueOverview, RemarkKind, Request, RequestFilter, Stage, Terms},
};

/// At most this many requests are listed, also with `--json`.
const LISTED: i64 = 500;

/// The exit code for a request's stage.
fn code(stage: Stage) -> u8 {
    match stage {
        Stage::Rejected => Kind::Denied.exit_code(),
        Stage::Waiting | Stage::Asked => Kind::NeedsApproval.exit_code(),
        Stage::Failed => 1,
        _ => 0,
    }
}

/// Requests the admission of an image; with `--wait`, the exit code says how the request ended.
pub(crate) async fn ask(portal: &Portal, args: &Wanted, json: bool) -> Result<u8> {
    let asking = RequestDetails {
        reason: args.reason.clone(),
        until: args.until.as_deref().map(text::parse_future_time).transpose()?,
        private: args.private,
        project: args.to.clone(),
    };
    let cx = progress::context();
    let mut submitted = portal.requests.ask_for(&cx, &args.reference, &asking).await?;
    if args.wait {
        while submitted.request.stage.is_for_steward() {
            cx.progress.phase(submitted.request.standing(submitted.pace, text::now()));
            cx.unless_cancelled("wait for the steward", async {
                // The store reports changes; where it cannot, it is asked every two seconds.
                let _ = tokio::time::timeout(std::time::Duration::from_secs(2), portal.requests.changed()).await;
                submitted.request = portal.requests.one(submitted.request.id).await?;
                Ok(())
            })
            .await?;
        }
    }
    print_submitted(&submitted, json)?;
    Ok(if args.wait { code(submitted.request.stage) } else { 0 })
}

fn print_submitted(submitted: &Submitted, json: bool) -> Result<()> {
    if json {
        return output::json(submitted);
    }
    let request = &submitted.request;
    let others = request.open_wishes().count().saturating_sub(1) as u64;
    let with = if others == 0 { String::new() } else { format!(", with {}", text::plural(others, "other", "others")) };
    output::line(&format!("request {}: {} for {}{with}", request.id, request.asked.title, request.destination))?;
    output::line(&format!("{} {}", request.stage.sign(), request.standing(submitted.pace, text::now())))?;
    if let Some(place) = request.queue_position(submitted.ahead) {
        output::line(&format!("  {place}"))?;
    }
    if !request.stage.is_over() {
        output::line(&format!(
            "'wharf requests show {}' tells how far it is; 'wharf inbox' when it is done",
            request.id
        ))?;
    }
    Ok(())
}

/// Lists, shows or changes requests.
pub(crate) async fn run(portal: &Portal, args: &Requests, json: bool) -> Result<u8> {
    let cx = progress::context();
    match &args.what {
        None => list(portal, args, json).await,
        Some(RequestsVerb::Show { id }) => show(portal, *id, json).await,
        Some(RequestsVerb::Add { id, words }) => done(&portal.requests.add_to(&cx, *id, words).await?, json),
        Some(RequestsVerb::Ask { id, words }) => {
            let question = Event::Remark(RemarkKind::Question, words.clone());
            done(&portal.requests.speak(&cx, *id, &question).await?, json)
        }
        Some(RequestsVerb::Withdraw { id }) => done(&portal.requests.speak(&cx, *id, &Event::Withdraw).await?, json),
        Some(RequestsVerb::Renew { id, reference }) => {
            print_submitted(&portal.requests.ask_again(&cx, *id, reference.as_deref()).await?, json).map(|()| 0)
        }
        Some(RequestsVerb::Overview) => overview(&cx, portal, json).await,
        Some(RequestsVerb::Classes) => classes(portal, json).await,
        Some(RequestsVerb::EndClass { id }) => {
            portal.requests.end_class(&cx, ask::asker(), *id, None).await?;
            if json {
                output::json(&serde_json::json!({"ended": id}))?;
            } else {
                output::line(&format!("class {id} has ended; what it admitted stays admitted"))?;
            }
            Ok(0)
        }
    }
}

fn done(request: &Request, json: bool) -> Result<u8> {
    if json {
        output::json(request)?;
    } else {
        let standing = request.standing(Pace::default(), text::now());
        let (title, sign) = (&request.asked.title, request.stage.sign());
        output::line(&format!("request {}: {title}: {sign} {standing}", request.id))?;
    }
    Ok(0)
}

async fn list(portal: &Portal, args: &Requests, json: bool) -> Result<u8> {
    let which = match (args.queue, args.all) {
        (true, _) => RequestFilter::Queue,
        (_, true) => RequestFilter::All,
        _ => RequestFilter::Mine,
    };
    let all = portal.requests.list(which, 0, LISTED).await?;
    if json {
        output::json(&all)?;
        return Ok(0);
    }
    if all.is_empty() {
        output::line(match which {
            RequestFilter::Queue => "nothing waits for a decision",
            RequestFilter::All => "there are no requests yet",
            RequestFilter::Mine => "you have asked for nothing yet: wharf request REF --reason TEXT",
        })?;
        return Ok(0);
    }
    let (pace, now) = (portal.requests.pace().await, text::now());
    let row = |request: &Request| {
        let standing = request.standing(pace, now);
        vec![
            request.id.to_string(),
            request.asked.title.clone(),
            format!("{} {}", request.stage.sign(), request.stage.name()),
            text::age(request.since, now),
            request.open_wishes().map(|wish| wish.person.as_str()).collect::<Vec<_>>().join(" "),
            standing.chars().take(100).collect(),
        ]
    };
    let head = ["NR", "IMAGE", "STAGE", "AGE", "BY", "HOW IT STANDS"];
    if which != RequestFilter::Queue {
        output::table(&head, &all.iter().map(row).collect::<Vec<_>>())?;
        return Ok(0);
    }
    for group in portal.requests.groups().await? {
        let base = if group.base.is_empty() { String::new() } else { format!(" on {}", group.base) };
        output::line(&format!(
            "{}{base}: {}",
            group.rule,
            text::plural(group.count.unsigned_abs(), "request", "requests")
        ))?;
        let rows: Vec<_> =
            all.iter().filter(|one| one.rule() == group.rule && one.base() == group.base).map(row).collect();
        output::table(&head, &rows)?;
    }
    Ok(0)
}

/// Prints everything known about a request; the screens show the same text.
pub(crate) async fn show(portal: &Portal, id: i64, json: bool) -> Result<u8> {
    if json {
        output::json(&portal.requests.followed(id).await?)?;
        return Ok(0);
    }
    let (_, text) = portal.requests.request_with_text(id).await?;
    output::text(&text)?;
    Ok(0)
}

/// Prints how requests went lately, and which approvals end soon: what the screens draw below the queue.
async fn overview(cx: &Context, portal: &Portal, json: bool) -> Result<u8> {
    let known = cx.run("ask how requests went lately", portal.requests.overview()).await?;
    if json {
        output::json(&known)?;
        return Ok(0);
    }
    let (asked, decided, days) = (text::count(known.asked()), text::count(known.decided()), known.days.len());
    output::line(&format!("in {days} days (UTC): {asked} asked for, {decided} decided"))?;
    let busy = known.days.iter().filter(|day| day.asked + day.decided > 0);
    let rows: Vec<Vec<String>> =
        busy.map(|day| vec![day.day.clone(), text::count(day.asked), text::count(day.decided)]).collect();
    if !rows.is_empty() {
        output::table(&["DAY", "ASKED", "DECIDED"], &rows)?;
    }
    let approvals = text::plural(known.ending_in_all, "approval ends", "approvals end");
    output::line(&format!("in the next {} days: {approvals}", QueueOverview::SOON))?;
    let now = text::now();
    let rows: Vec<Vec<String>> = known
        .ending
        .iter()
        .map(|one| vec![one.request.to_string(), one.title.clone(), one.ends(now), one.news(), one.reference.clone()])
        .collect();
    if !rows.is_empty() {
        output::table(&["NR", "IMAGE", "ENDS", "WHAT IS NEW", "ADMITTED AS"], &rows)?;
    }
    Ok(0)
}

async fn classes(portal: &Portal, json: bool) -> Result<u8> {
    let all = portal.requests.classes().await?;
    if json {
        output::json(&all)?;
        return Ok(0);
    }
    if all.is_empty() {
        output::line("no class is approved: wharf approve --rule RULE --base BASE --until 90d")?;
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|class| {
            let decision = &class.decision;
            let base = if class.base.is_empty() { "any".to_owned() } else { class.base.clone() };
            vec![
                class.id.to_string(),
                class.rule.clone(),
                base,
                decision.terms.describe(),
                decision.by.clone(),
                decision.reason.clone(),
            ]
        })
        .collect();
    output::table(&["NR", "RULE", "BASE", "CONDITIONS", "BY", "WHY"], &rows)?;
    Ok(0)
}

/// Decides on requests one after the other; the exit code is that of the first failure.
async fn decide(portal: &Portal, ids: &[i64], ruling: &ApproverDecision, json: bool) -> Result<u8> {
    let mut first: Option<Error> = None;
    let mut all = Vec::new();
    for id in ids {
        match portal.requests.decide(&progress::context(), ask::asker(), *id, ruling).await {
            Ok(request) if json => all.push(serde_json::json!(request)),
            Ok(request) => {
                done(&request, false)?;
                let terms = request.decision.as_ref().map(|decision| decision.terms.describe()).unwrap_or_default();
                if !terms.is_empty() {
                    output::line(&format!("  approved {terms}"))?;
                }
            }
            Err(error) => {
                output::report(&error, json);
                first.get_or_insert(error);
            }
        }
    }
    if json {
        output::json(&all)?;
    }
    Ok(first.map_or(0, |error| error.kind.exit_code()))
}

/// Approves requests, or all requests of a class.
pub(crate) async fn approve(portal: &Portal, args: &Approve, json: bool) -> Result<u8> {
    let terms = Terms {
        until: args.until.as_deref().map(text::parse_future_time).transpose()?,
        only: args.only,
        exceptions: args.exceptions.clone(),
        rules: Vec::new(),
    };
    let ruling = ApproverDecision { approve: true, reason: args.reason.clone(), terms, key: args.key.clone() };
    let Some(rule) = &args.rule else { return decide(portal, &args.ids, &ruling, json).await };
    let class = portal.requests.approve_class(&progress::context(), ask::asker(), (&args.base, rule), &ruling).await?;
    if json {
        output::json(&serde_json::json!({"class": class}))?;
    } else {
        output::line(&format!(
            "class {class} is approved: what '{rule}' blocks is admitted {}",
            ruling.terms.describe()
        ))?;
        output::line(&format!("'wharf requests end-class {class}' ends it"))?;
    }
    Ok(0)
}

/// Rejects requests, with the given reason.
pub(crate) async fn reject(portal: &Portal, args: &Reject, json: bool) -> Result<u8> {
    let ruling = ApproverDecision { approve: false, reason: args.reason.clone(), ..ApproverDecision::default() };
    decide(portal, &args.ids, &ruling, json).await
}
