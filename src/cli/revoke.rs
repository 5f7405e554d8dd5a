//! `wharf revoke`: revokes a share, an admission, or the approval of a class.

use super::{ask, output, progress};
use crate::args::Revoke;
use wharf_core::{base::error::Result, portal::Portal};

/// What is revoked: the id of a share, or the number of a request or class.
enum RevokeTarget<'a> {
    Share(&'a str),
    Admission(i64),
    Class(i64),
}

/// `class:7` is a class; a number is a request, because no share has a number for an id; all else is a share.
fn parse_target(text: &str) -> RevokeTarget<'_> {
    let class = text.strip_prefix("class:").and_then(|number| number.parse().ok()).map(RevokeTarget::Class);
    class.or_else(|| text.parse().ok().map(RevokeTarget::Admission)).unwrap_or(RevokeTarget::Share(text))
}

/// Revokes a share, an admission or a class.
pub(crate) async fn run(portal: &Portal, args: &Revoke, json: bool) -> Result<u8> {
    let cx = progress::context();
    let (value, line) = match parse_target(&args.what) {
        RevokeTarget::Share(share) => {
            portal.sharing.revoke(&cx, share).await?;
            let line = format!("revoked {share}; workloads that use it keep running");
            (serde_json::json!({"share": share, "done": "revoked"}), line)
        }
        RevokeTarget::Admission(id) => {
            let request = portal.requests.revoke(&cx, ask::asker(), id, &args.reason, args.key.as_deref()).await?;
            let line = format!(
                "revoked: {} (request {id}); it is denied from now on; workloads that use it keep running",
                request.admitted_at()
            );
            (serde_json::json!({"request": request, "done": "revoked"}), line)
        }
        RevokeTarget::Class(id) => {
            let reason = args.admitted.then_some(args.reason.as_str());
            let taken = portal.requests.end_class(&cx, ask::asker(), id, reason).await?;
            let more =
                if taken.is_empty() { String::new() } else { format!("; taken back: requests {}", id_list(&taken)) };
            (
                serde_json::json!({"class": id, "requests": taken, "done": "revoked"}),
                format!("class {id} is no longer approved{more}"),
            )
        }
    };
    if json {
        output::json(&value)?
    } else {
        output::line(&line)?
    }
    Ok(0)
}

fn id_list(ids: &[i64]) -> String {
    ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
