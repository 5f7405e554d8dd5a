//! What a server uses. Clouds tell every user what it was given, but most tell only administrators what it uses.

use std::time::Instant;

use super::{
    Images,
    answers::{Diagnostics, DiagnosticsAnswer, FlavorServerAnswer, ServerFlavor},
    servers,
    service::{Request, Service},
};
use wharf_core::{
    base::error::{Kind, Result},
    launch::usage::{self, Usage},
};

/// The microversion from which a server tells the flavor that it was created with.
pub(super) const GIVEN: &str = "2.47";
/// The microversion from which figures have the same names on every hypervisor.
const DIAGNOSTICS: &str = "2.48";
/// Most servers that are remembered.
const REMEMBERED: usize = 1000;

impl Images {
    /// What a server was given and, if the cloud tells it, what it uses. A cloud that refuses is not asked again.
    pub async fn figures(&self, id: &str) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let path = servers::path(&what, id)?;
        let (closed, known) = self.readings.with(|kept| (kept.closed, kept.given.get(id).cloned()));
        let given = match known {
            Some(given) => given,
            None => {
                let answer: FlavorServerAnswer =
                    self.cloud.json(&what, Service::Compute, Request::get(&path).at(GIVEN)).await?;
                let given = answer.server.flavor;
                self.readings.with(|kept| {
                    if kept.given.len() >= REMEMBERED {
                        kept.given.clear();
                    }
                    kept.given.insert(id.to_owned(), given.clone())
                });
                given
            }
        };
        let mut told = flavor_usage(&given);
        if !closed {
            let path = format!("{path}/diagnostics");
            let request = Request::get(&path).at(DIAGNOSTICS);
            match self.cloud.json::<DiagnosticsAnswer>(&what, Service::Compute, request).await {
                Ok(answer) => self.taken(id, &answer.diagnostics(), &mut told),
                Err(error) if error.kind == Kind::NotAllowed => self.readings.with(|kept| kept.closed = true),
                // The server is shut off, or its hypervisor has no figures.
                Err(error) => tracing::info!(%error, "the cloud has no figures"),
            }
        }
        Ok(Some(told).filter(|told| *told != Usage::default()))
    }

    fn taken(&self, id: &str, now: &Diagnostics, told: &mut Usage) {
        told.network = now.network;
        let Some(used) = now.processor_time else { return };
        let at = Instant::now();
        let before = self.readings.with(|kept| {
            if kept.used.len() >= REMEMBERED {
                kept.used.clear();
            }
            kept.used.insert(id.to_owned(), (used, at))
        });
        told.cpu_percent =
            before.and_then(|(then, when)| usage::percent(then, used, at.duration_since(when).as_nanos() as f64));
    }
}

fn flavor_usage(given: &ServerFlavor) -> Usage {
    Usage {
        processors: Some(given.vcpus).filter(|count| *count > 0),
        memory_limit: usage::limit(given.ram.checked_mul(1 << 20)),
        ..Usage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flavor_says_what_a_server_was_given_and_nothing_of_what_it_takes() {
        let told = flavor_usage(&ServerFlavor { vcpus: 2, ram: 4096, ..ServerFlavor::default() });
        assert_eq!(told, Usage { processors: Some(2), memory_limit: Some(4 << 30), ..Usage::default() });
        assert_eq!(flavor_usage(&ServerFlavor::default()), Usage::default());
    }
}
