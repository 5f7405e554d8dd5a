//! `wharf inbox`: the person's notices and offers.

use super::output;
use crate::args::Inbox;
use wharf_core::{
    base::{context::Context, error::Result, text},
    portal::Portal,
    request::notice::Notice,
};

/// At most this many notices are listed.
const SHOWN: i64 = 200;

/// Lists the notices, newest first, and the offers that wait for an answer.
pub(crate) async fn run(portal: &Portal, args: &Inbox, json: bool) -> Result<u8> {
    let mut notices = portal.inbox.notices(SHOWN).await?;
    notices.retain(|notice| !args.unread || !notice.seen);
    let (offers, failed) = portal.sharing.offers(&Context::default()).await;
    for (name, error) in &failed {
        output::remark(&format!("{name}: {}", error.why));
    }
    if json {
        output::json(&serde_json::json!({"notices": notices, "offers": offers}))?;
    } else if notices.is_empty() && offers.is_empty() {
        output::line("nothing concerns you right now")?;
    } else {
        let now = text::now();
        for notice in &notices {
            print_notice(notice, now)?;
        }
        for offer in &offers {
            output::line(&format!("• offer {}: {} from {}", offer.id, offer.title, offer.from.label()))?;
        }
    }
    if args.read {
        let unread: Vec<i64> = notices.iter().filter(|notice| !notice.seen).map(|notice| notice.id).collect();
        portal.inbox.mark_read(&unread).await?;
    }
    Ok(0)
}

fn print_notice(notice: &Notice, now: i64) -> Result<()> {
    let sign = if notice.seen { " " } else { "•" };
    let about = notice.request.map(|id| format!("request {id}: ")).unwrap_or_default();
    output::line(&format!("{sign} {about}{} {} · {}", notice.title, notice.words, text::ago(notice.at, now)))?;
    if let Some(warning) = &notice.warning {
        output::line(&format!("    {}", warning.because.join(", ")))?;
        for workload in &warning.workloads {
            output::line(&format!("    launched as {workload}"))?;
        }
        if let Some(fixed) = &warning.fixed {
            output::line(&format!("    wharf launch {fixed}"))?;
        }
    }
    Ok(())
}
