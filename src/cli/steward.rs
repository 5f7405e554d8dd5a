//! `wharf steward`: works on requests without a screen, until a signal ends it.

use std::sync::Arc;

use super::{ask, output};
use crate::args;
use wharf_core::{
    base::{
        context::Context,
        error::{During, Result},
        text,
    },
    portal::Portal,
    steward::{Round, Steward},
};

/// Works on requests, one round or until a signal; a later run continues what was begun. Also sets up the store.
pub(crate) async fn run(portal: &Arc<Portal>, args: &args::Steward, json: bool) -> Result<u8> {
    if args.set_up {
        output::line(&portal.requests.set_up_store().await?)?;
        return Ok(0);
    }
    // Files written while judging an image are readable by this user only.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    let steward = Arc::new(Steward::new(&portal.stewardship));
    let tools = steward.tools(ask::asker()).await?;
    if tools.signer.is_none() {
        output::remark("no key to sign with: only what approvers sign themselves can be admitted ([requests] key)");
    }
    let keys = &portal.config().requests;
    for key in [&keys.key, &keys.disk_key] {
        if let Some(warning) = portal.keys.passing(key).await {
            output::remark(&format!("! {warning}"));
        }
    }
    let cx = Context::default();
    let cancel = cx.cancel.clone();
    let mut ended =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).during("watch for signals")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = ended.recv() => {}
        }
        cancel.cancel();
    });
    if args.once {
        let round = steward.round(&cx, &tools).await?;
        print_round(&round, json);
        return Ok(u8::from(!round.failed.is_empty()));
    }
    if !json {
        output::line(&format!("steward of {}; ctrl-c ends it", portal.requests.store_name()))?;
    }
    let from = portal.clone();
    let tell = move |round: &Round| {
        print_round(round, json);
        from.journal.troubles().iter().for_each(|trouble| output::remark(trouble));
    };
    steward.work(&cx, &tools, Arc::new(tell)).await?;
    Ok(0)
}

/// Prints a line for everything that happened, with its time: a service's journal shows this.
fn print_round(round: &Round, json: bool) {
    if json {
        let _ = output::json_line(round);
        return;
    }
    let at = text::timestamp(text::now());
    for (id, standing) in &round.requests {
        let _ = output::line(&format!("{at} request {id}: {standing}"));
    }
    if round.watched > 0 {
        let _ = output::line(&format!("{at} judged again: {}", text::plural(round.watched as u64, "image", "images")));
    }
    if round.delivered > 0 {
        let _ = output::line(&format!("{at} delivered: {}", text::plural(round.delivered as u64, "notice", "notices")));
    }
    for mirrored in &round.mirrored {
        let _ = output::line(&format!("{at} mirror: {mirrored}"));
    }
    for failed in &round.failed {
        output::remark(&format!("{at} {failed}"));
    }
}
