//! What a server uses: clouds tell everybody what it was given, and most tell only administrators what it takes.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use super::{
    Images,
    answers::{Diagnostics, DiagnosticsAnswer, Given, GivenAnswer},
    servers,
    service::{Request, Service},
};
use crate::core::{
    base::error::{Kind, Result},
    launch::usage::{self, Usage},
};

/// From it on a server tells what its flavor was when it was made.
const GIVEN: &str = "2.47";
/// From it on figures have the same names on every hypervisor.
const DIAGNOSTICS: &str = "2.48";
/// Servers that are remembered at most.
const REMEMBERED: usize = 1000;

/// What is known of servers from earlier readings.
#[derive(Debug, Default)]
pub struct Readings(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    /// The cloud does not let this person have figures.
    closed: bool,
    given: HashMap<String, Given>,
    used: HashMap<String, (u64, Instant)>,
}

impl Readings {
    fn with<T>(&self, work: impl FnOnce(&mut Kept) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Images {
    /// What a server was given and, where the cloud tells, what it takes. A cloud that refuses is asked once.
    pub async fn figures(&self, id: &str) -> Result<Option<Usage>> {
        let what = format!("measure {id}");
        let path = servers::path(&what, id)?;
        let (closed, known) = self.readings.with(|kept| (kept.closed, kept.given.get(id).copied()));
        let given = match known {
            Some(given) => given,
            None => {
                let answer: GivenAnswer =
                    self.cloud.json(&what, Service::Compute, Request::get(&path).at(GIVEN)).await?;
                let given = answer.server.flavor;
                self.readings.with(|kept| {
                    if kept.given.len() >= REMEMBERED {
                        kept.given.clear();
                    }
                    kept.given.insert(id.to_owned(), given)
                });
                given
            }
        };
        let mut told = given_usage(given);
        if !closed {
            let path = format!("{path}/diagnostics");
            let request = Request::get(&path).at(DIAGNOSTICS);
            match self.cloud.json::<DiagnosticsAnswer>(&what, Service::Compute, request).await {
                Ok(answer) => self.taken(id, &answer.diagnostics(), &mut told),
                Err(error) if error.kind == Kind::NotAllowed => self.readings.with(|kept| kept.closed = true),
                // A server that is shut off, or a hypervisor that has no such figures.
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

fn given_usage(given: Given) -> Usage {
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
        let told = given_usage(Given { vcpus: 2, ram: 4096 });
        assert_eq!(told, Usage { processors: Some(2), memory_limit: Some(4 << 30), ..Usage::default() });
        assert_eq!(given_usage(Given::default()), Usage::default());
    }
}
