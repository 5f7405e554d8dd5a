//! Delivery of notices: each once in each way, again later where a server is down.

use std::time::Duration;

use super::backoff;
use crate::core::{
    error::{Kind, Result},
    portal::Portal,
    progress::Context,
};

/// For so long a notice is in one steward's hands.
const LEASE: Duration = Duration::from_secs(120);
/// Notices that are delivered in one round: requests must not wait behind a flood of letters.
const ROUND: usize = 100;

impl Portal {
    /// Delivers what is due. Gives how many, and what failed.
    pub(super) async fn deliver_round(&self, cx: &Context) -> Result<(usize, Vec<String>)> {
        let (mut delivered, mut failed) = (0, Vec::new());
        for notifier in &self.notifiers {
            let way = notifier.way();
            for _ in 0..ROUND {
                let Some(due) = self.store.due(way, LEASE).await? else { break };
                let sent = cx.run(&format!("deliver a notice by {way}"), notifier.deliver(cx, &due)).await;
                let again = match &sent {
                    Ok(_) => None,
                    Err(error) if error.kind == Kind::Usage => None,
                    Err(_) => Some(backoff(due.tries)),
                };
                self.store.delivered(way, due.notice.id, again).await?;
                match sent {
                    Ok(true) => delivered += 1,
                    Ok(false) => {}
                    Err(error) => {
                        failed.push(format!("{way}: {error}"));
                        // Where one did not get through, the others wait too.
                        if again.is_some() {
                            break;
                        }
                    }
                }
            }
        }
        Ok((delivered, failed))
    }
}
