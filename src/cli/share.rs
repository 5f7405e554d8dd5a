//! `wharf share` and `wharf open`.

use super::{ask, copy, offers, output, progress, show};
use crate::args::{OpenLink, Share};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    image::{link::Link, reference::ImageRef},
    portal::{
        OpenedLink, Portal,
        evidence::{Freshness, Verified},
        sharing::ShareResult,
    },
    sharing::{
        letter::plain_lines,
        receiver::{Receiver, Terms},
    },
    transfer::copy::Options,
};

/// Shares an image with projects, plans that, makes a link, or gives a volume away.
pub(crate) async fn share(portal: &Portal, args: &Share, json: bool) -> Result<u8> {
    let reference = portal.sources.resolve(&args.reference).await?;
    if args.link {
        return link(portal, args, &reference, json).await;
    }
    if args.give {
        return offers::create_transfer(portal, &reference, json).await;
    }
    let everybody = args.community.then_some(Receiver::Community).or(args.public.then_some(Receiver::Public));
    let mut receivers = Vec::new();
    for typed in &args.to {
        receivers.push(portal.sharing.receiver(&Context::default(), &reference, typed).await?);
    }
    receivers.extend(everybody);
    let until = args.until.as_deref().map(text::parse_future_time).transpose()?;
    let terms = Terms { until, ends: until, named: None };
    let options = copy::options(&args.options)?;
    let mut results = output::Results::new(json);
    // One after the other: several at once would only wait for each other in the cloud.
    for to in receivers {
        let name = to.to_string();
        let answer = if args.plan {
            plan(portal, &reference, (&to, &terms), &options, json).await
        } else {
            if let Some(words) = portal.sharing.begins_again(&reference, &to).filter(|_| !json) {
                output::remark(&words);
            }
            let cx = copy::paced(&args.options.pace)?.asking(ask::asker());
            let shared = portal.sharing.share_to(&cx, &reference, &to, &terms, &options).await;
            shared.and_then(|shared| print_share(&shared, json).map(|()| result(&name, &shared)))
        };
        results.add(&name, answer);
    }
    results.finish()
}

/// Prints what was done, in one line.
pub(crate) fn print_share(shared: &ShareResult, json: bool) -> Result<()> {
    if json {
        return Ok(());
    }
    output::line(&shared.describe())?;
    if let ShareResult::Handed { link, .. } = shared {
        output::exact(link)?;
    }
    if let ShareResult::Shared(copied) = shared {
        copied.outcome.left.iter().for_each(|left| output::remark(&format!("left behind: {left}")));
    }
    Ok(())
}

/// The JSON object for one receiver: its project and what was done.
pub(crate) fn result(project: &str, shared: &ShareResult) -> serde_json::Value {
    let mut result = serde_json::json!({"project": project});
    if let (Some(result), Ok(serde_json::Value::Object(shared))) =
        (result.as_object_mut(), serde_json::to_value(shared))
    {
        result.extend(shared);
    }
    result
}

/// Prints how the image would be shared with a receiver.
async fn plan(
    portal: &Portal,
    reference: &ImageRef,
    (to, terms): (&Receiver, &Terms),
    options: &Options,
    json: bool,
) -> Result<serde_json::Value> {
    let platform = options.platforms.as_deref().and_then(<[_]>::first);
    let plan = portal.sharing.share_plan(&progress::context(), reference, platform, to, terms).await?;
    if !json {
        output::line(&format!("{to}: {}", plan.cost))?;
        output::line(&format!("   needs {}", plan.rights))?;
        output::line(&format!("   the receiver {}", plan.receiver))?;
        plan.steps.iter().enumerate().try_for_each(|(at, step)| output::line(&format!("   {}. {step}", at + 1)))?;
    }
    Ok(serde_json::json!({"project": to.to_string(), "plan": plan}))
}

async fn link(portal: &Portal, args: &Share, reference: &ImageRef, json: bool) -> Result<u8> {
    let until = args.until.as_deref().map(text::parse_future_time).transpose()?;
    let platform = args.options.platform.first().map(|platform| platform.parse()).transpose()?;
    let cx = Context::default().asking(ask::asker());
    let image = portal.sources.image(&cx, reference, platform.as_ref()).await?;
    let (link, kind) = (portal.catalog.link(&cx, &image, platform.as_ref(), until).await?, image.kind);
    for to in args.mail.iter().map(String::as_str).chain(args.post.then_some("")) {
        portal.senders.send(&Context::default(), &portal.senders.letter(&link, kind, to)).await?;
        output::remark(&format!("sent to {}", if to.is_empty() { "the site's webhook" } else { to }));
    }
    if json {
        output::json(
            &serde_json::json!({"link": link.to_string(), "reference": link.reference, "tag": link.tag, "until": link.until.map(text::timestamp)}),
        )?;
    } else {
        output::exact(&link.to_string())?;
        for line in plain_lines(&link, kind) {
            output::remark(&format!("without Wharf: {line}"));
        }
    }
    if args.qr {
        output::exact(&link.code(true)?)?;
    }
    Ok(0)
}

/// Shows what a link points to.
pub(crate) async fn open(portal: &Portal, args: &OpenLink, json: bool) -> Result<u8> {
    let link: Link = args.link.parse()?;
    let opened = portal.catalog.open_link(&Context::default(), &link).await?;
    // Who opens a link decides by it: what the policy says now counts, and where nobody can say, that is told.
    let verified = portal.evidence.verify_image(&progress::context(), &opened.image, Freshness::Now, true).await;
    if json {
        output::json(&opened_object(&opened, &verified)?)?;
        return Ok(0);
    }
    output::line(&format!("{:<12} {}", "sender", opened.proof.words(link.sender.as_deref())))?;
    if !opened.proof.advice().is_empty() {
        output::remark(opened.proof.advice());
    }
    if let (Some(tag), Some(moved)) = (&link.tag, opened.moved) {
        let state = if moved {
            format!("has moved since, to {}", opened.now_at.as_ref().map(ToString::to_string).unwrap_or_default())
        } else {
            "still points here".into()
        };
        output::line(&format!("{:<12} {tag} {state}", "tag"))?;
    } else if let Some(tag) = &link.tag {
        output::line(&format!("{:<12} {tag} is gone", "tag"))?;
    }
    if let Some(until) = &opened.until {
        let past = if opened.expired { ": it is past its date" } else { "" };
        output::line(&format!("{:<12} {until}{past}", "until"))?;
    }
    print_verdict(&verified)?;
    for (label, value) in show::facts(&opened.image) {
        output::line(&format!("{label:<12} {value}"))?;
    }
    Ok(0)
}

/// Prints what the policy says of the image of a link, with its grounds, or why nobody can say.
fn print_verdict(verified: &Result<Verified>) -> Result<()> {
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return output::line(&format!("{:<12} not known: {}", "verdict", error.why)),
    };
    output::line(&format!("{:<12} {}", "verdict", verified.verdict_line()))?;
    let reasons = &verified.judgement.reasons;
    reasons.iter().try_for_each(|reason| output::line(&format!("{:<12} {} [{}]", "", reason.words, reason.rule)))
}

/// What a link points to as JSON, with the policy's judgement; `null` with the reason where nobody can say.
fn opened_object(opened: &OpenedLink, verified: &Result<Verified>) -> Result<serde_json::Value> {
    let failed = |error| Error::failed("write what the link points to", error);
    let mut object = serde_json::to_value(opened).map_err(failed)?;
    let judgement = verified.as_ref().ok().map(|verified| &verified.judgement);
    if let Some(object) = object.as_object_mut() {
        object.insert("judgement".to_owned(), serde_json::to_value(judgement).map_err(failed)?);
        if let Err(error) = verified {
            object.insert("judgement_unknown".to_owned(), error.why.clone().into());
        }
    }
    Ok(object)
}
