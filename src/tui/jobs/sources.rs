//! Carrying out effects about sources that the person adds or leaves out of lists.

use super::Jobs;
use crate::msg::{Msg, Slot, SourceEffect, SourceNews};
use wharf_core::base::context::Context;

impl Jobs {
    /// Starts an effect about sources and returns at once.
    pub(super) fn start_sources(&mut self, effect: SourceEffect) {
        let portal = self.portal.clone();
        match effect {
            SourceEffect::Try { address } => self.read(Slot::Trial, move |post| async move {
                let cx = Context::default().with_deadline(super::effects::ANSWER);
                let told = portal.own_sources.try_address(&cx, &address).await;
                post.send(Msg::Source(SourceNews::Tried(address, Box::new(told)))).await;
            }),
            SourceEffect::Add { job, entry } => self.write(job, move |_| async move {
                let name = entry.name.clone();
                portal.own_sources.add(*entry).await?;
                Ok((format!("added {name}; wharf sources prints its lines for a configuration"), None))
            }),
            SourceEffect::Remove { job, name } => self.write(job, move |_| async move {
                portal.own_sources.remove(&name).await?;
                Ok((format!("removed {name}; its images stay where they are"), None))
            }),
            SourceEffect::Hide { job, name, hidden } => self.write(job, move |_| async move {
                portal.own_sources.set_hidden(&name, hidden).await?;
                let words =
                    if hidden { "is left out of lists until it is shown again" } else { "is in the lists again" };
                Ok((format!("{name} {words}"), None))
            }),
        }
    }
}
