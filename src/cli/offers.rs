//! `wharf shares` and `wharf offers`.

use super::{ask, linked, output};
use crate::args::{Answer, Offers, Shared};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
        text,
    },
    image::{
        link::{Link, is_link},
        reference::ImageRef,
    },
    portal::{Portal, sharing::given::SharedByMe},
    ports::{Question, QuestionKind},
    sharing::{ending::Takeable, offer::TransferKey},
};

/// Lists the projects that an image is shared with.
pub(crate) async fn shares(portal: &Portal, reference: &str, json: bool) -> Result<u8> {
    let found = portal.sharing.shares(&Context::default(), &portal.sources.resolve(reference).await?).await?;
    if json {
        output::json(&found)?;
        return Ok(0);
    }
    if found.is_empty() {
        output::line("it is shared with no project")?;
        return Ok(0);
    }
    let now = text::now();
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|share| {
            let (sign, word) = share.standing.label();
            let age = share.created.map(|created| text::ago(created, now)).unwrap_or_default();
            vec![share.project.label(), format!("{sign} {word}"), age, share.id.clone()]
        })
        .collect();
    output::table(&["PROJECT", "STANDS", "SINCE", "ID"], &rows)?;
    Ok(0)
}

/// Lists what this person has shared, or takes back what is past its end.
pub(crate) async fn shared(portal: &Portal, args: &Shared, json: bool) -> Result<u8> {
    if args.take_back_ended {
        return take_back_ended(portal, json).await;
    }
    let all = portal.sharing.shared_by_me(&Context::default()).await?;
    if json {
        output::json(&all)?;
        return Ok(0);
    }
    if all.is_empty() {
        output::line(
            "you have shared nothing with Wharf here: 'wharf share REF --to PROJECT' does, '--link' makes a link",
        )?;
        return Ok(0);
    }
    let now = text::now();
    let row = |one: &SharedByMe| {
        let given = &one.given;
        let what = text::with_short_digests(&given.what);
        vec![what, given.to.clone(), text::ago(given.since, now), one.words(now), one.id.clone().unwrap_or_default()]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    output::fitting_table(&[("SHARED", 2), ("WITH", 1), ("SINCE", 0), ("STANDS", 0), ("ID", 1)], &rows)?;
    output::remark("'wharf revoke ID' takes a share back; a copy is removed with 'wharf remove-image' where it is");
    let overdue = portal.sharing.ended(now).await?.len() as u64;
    if overdue > 0 {
        let which = text::plural(overdue, "share is", "shares are");
        output::remark(&format!("{which} past the end: 'wharf shared --take-back-ended' takes them back"));
    }
    Ok(0)
}

/// Takes back what is past its end, each with a result of its own.
async fn take_back_ended(portal: &Portal, json: bool) -> Result<u8> {
    let cx = Context::default();
    let mut results = output::Results::under_key(json, "shared");
    for one in portal.sharing.ended(text::now()).await? {
        let name = format!("{} from {}", text::with_short_digests(&one.what), one.to);
        let taken = async {
            let is_taken = match &one.given {
                Takeable::Grant(id) => portal.sharing.revoke(&cx, id).await.map(|()| true)?,
                Takeable::Copy { at, digest } => {
                    let is_removed = portal.upkeep.remove_copy(&cx, at, digest).await?;
                    portal.sharing.forget_end(one.given.clone()).await?;
                    is_removed
                }
            };
            if !json {
                output::line(&if is_taken {
                    format!("✓ took {name} back")
                } else {
                    format!("· left {name}: its name means another image there by now")
                })?;
            }
            let done = if is_taken { "taken-back" } else { "another-image" };
            Ok(serde_json::json!({"shared": one.what, "with": one.to, "done": done}))
        };
        results.add(&name, taken.await);
    }
    if !json && results.is_empty() {
        output::line("nothing that you have shared is past its end")?;
    }
    results.finish()
}

/// Lists the offers that wait for an answer, or accepts, rejects or cancels one.
pub(crate) async fn run(portal: &Portal, args: &Offers, json: bool) -> Result<u8> {
    let cx = Context::default();
    match &args.answer {
        None => list(portal, &cx, json).await,
        Some(Answer::Accept { id }) if id.contains("/transfer/") => accept_transfer(portal, &cx, id, json).await,
        Some(Answer::Accept { id }) if is_link(id) => {
            let id = offer_of(portal, &cx, &id.parse()?).await?;
            answer(portal, &cx, &id, true, json).await
        }
        Some(Answer::Accept { id }) => answer(portal, &cx, id, true, json).await,
        Some(Answer::Cancel { id }) => cancel(portal, &cx, id, json).await,
        Some(Answer::Reject { id }) => answer(portal, &cx, id, false, json).await,
    }
}

/// The id of the offer whose image a link names. The link's sender is told, and who offers it is in the list of offers.
async fn offer_of(portal: &Portal, cx: &Context, link: &Link) -> Result<String> {
    let image = linked::opened(portal, cx, "accept", link).await?.image;
    let (offers, _) = portal.sharing.offers(cx).await;
    offers.iter().find(|offer| offer.is_of(&image.reference)).map(|offer| offer.id.clone()).ok_or_else(|| {
        Error::not_found("accept a link", format!("{} is not offered to your project now", image.reference))
            .hint("it may be in your list already; 'wharf offers' shows what is offered")
    })
}

/// Accepts a volume with the transfer key that its giver has sent.
async fn accept_transfer(portal: &Portal, cx: &Context, id: &str, json: bool) -> Result<u8> {
    let key = if ask::is_there() {
        let question = Question { words: format!("key of {id}"), kind: QuestionKind::Secret };
        ask::asker().ask(question).await?
    } else {
        ask::piped("read the key")?
    };
    let key = TransferKey::key_in(&key);
    let volume = portal.sharing.accept_transfer(cx, id, &key).await?;
    if json {
        output::json(&serde_json::json!({"offer": id, "done": "accepted", "volume": volume}))?;
    } else {
        output::line(&format!("{volume} is your project's now"))?;
    }
    Ok(0)
}

/// Creates a transfer of a volume; its key is printed only this once.
pub(crate) async fn create_transfer(portal: &Portal, reference: &ImageRef, json: bool) -> Result<u8> {
    let given = portal.sharing.create_transfer(&Context::default(), reference).await?;
    if json {
        let object = serde_json::json!({"id": given.id, "transfer": given.transfer, "title": given.title, "key": given.key.reveal()});
        output::json(&object)?;
        return Ok(0);
    }
    output::line(&format!(
        "{} waits until a project accepts it with this key; this project then loses it",
        given.title
    ))?;
    output::line(&format!("transfer  {}", given.transfer))?;
    output::line(&format!("key       {}", given.key.reveal()))?;
    output::line(
        "The key is shown this once. Its taker runs the following, or presses t in the offers, and gives both:",
    )?;
    output::line(&format!("wharf offers accept CLOUD/transfer/{}", given.transfer))?;
    output::line(&format!("wharf offers cancel {} takes it back", given.id))?;
    Ok(0)
}

async fn cancel(portal: &Portal, cx: &Context, id: &str, json: bool) -> Result<u8> {
    portal.sharing.answer_offer(cx, id, false).await?;
    if json {
        output::json(&serde_json::json!({"offer": id, "done": "cancelled"}))?;
    } else {
        output::line(&format!("took {id} back: its key opens nothing any more"))?;
    }
    Ok(0)
}

async fn answer(portal: &Portal, cx: &Context, id: &str, accept: bool, json: bool) -> Result<u8> {
    portal.sharing.answer_offer(cx, id, accept).await?;
    let done = if accept { "accepted" } else { "rejected" };
    if json {
        output::json(&serde_json::json!({"offer": id, "done": done}))?;
    } else {
        let after = if accept { "it is in your project's list now" } else { "it stays usable by its id" };
        output::line(&format!("{done} {id}: {after}"))?;
    }
    Ok(0)
}

async fn list(portal: &Portal, cx: &Context, json: bool) -> Result<u8> {
    let (offers, failed) = portal.sharing.offers(cx).await;
    for (name, error) in &failed {
        output::remark(&format!("{name}: {}", error.why));
    }
    if json {
        output::json(&offers)?;
    } else if offers.is_empty() {
        output::line("nothing waits for an answer")?;
    } else {
        let now = text::now();
        let rows: Vec<Vec<String>> = offers
            .iter()
            .map(|offer| {
                let age = offer.since.map(|since| text::ago(since, now)).unwrap_or_default();
                let from = if offer.outgoing { "you".to_owned() } else { offer.from.label() };
                vec![offer.title.clone(), from, age, offer.note.clone(), offer.id.clone()]
            })
            .collect();
        output::table(&["IMAGE", "FROM", "SINCE", "WHAT", "ID"], &rows)?;
        output::line("wharf offers accept ID puts one into your list; without an answer it stays usable by its id")?;
    }
    match failed.into_iter().next() {
        Some((_, error)) if offers.is_empty() => Err(error),
        _ => Ok(0),
    }
}
