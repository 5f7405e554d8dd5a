//! Which containers were killed because they had used up their memory. An engine's list does not tell; the container
//! itself does (`State.OOMKilled`).

use std::{sync::PoisonError, time::Duration};

use futures_util::{StreamExt, stream};
use serde::Deserialize;

use super::Engine;
use wharf_core::launch::plan::{State, Workload};

/// The exit code after SIGKILL, with which the kernel ends what has no memory left.
const KILLED: State = State::Exited(137);
/// How many containers are asked at a time, and how long one may take.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(1);

/// A container as both engines describe it (`GET /containers/ID/json`).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Described {
    state: Option<Ended>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Ended {
    #[serde(rename = "OOMKilled")]
    used_up: Option<bool>,
}

impl Engine {
    /// Sets the state of those killed containers that had used up their memory. Each is asked once, until it runs again;
    /// one that does not answer stays as it is.
    pub(super) async fn tell_memory(&self, workloads: &mut [Workload]) {
        let killed: Vec<String> =
            workloads.iter().filter(|one| one.state == KILLED).map(|one| one.id.clone()).collect();
        let unknown: Vec<String> = {
            let mut known = self.used_up.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|id, _| killed.contains(id));
            killed.iter().filter(|id| !known.contains_key(*id)).cloned().collect()
        };
        let asked = stream::iter(unknown).map(|id| async move { Some((self.has_used_up(&id).await?, id)) });
        let told: Vec<Option<(bool, String)>> = asked.buffer_unordered(AT_ONCE).collect().await;
        let mut known = self.used_up.lock().unwrap_or_else(PoisonError::into_inner);
        known.extend(told.into_iter().flatten().map(|(used_up, id)| (id, used_up)));
        for workload in workloads.iter_mut().filter(|one| one.state == KILLED) {
            if known.get(&workload.id) == Some(&true) {
                workload.state = State::OutOfMemory;
            }
        }
    }

    async fn has_used_up(&self, id: &str) -> Option<bool> {
        let what = format!("ask why {id} has ended");
        let path = format!("/containers/{id}/json");
        let asked = self.read::<Described>(&path, &what);
        Some(tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?.has_used_up())
    }
}

impl Described {
    fn has_used_up(&self) -> bool {
        self.state.as_ref().and_then(|state| state.used_up).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_says_itself_that_its_memory_was_used_up() {
        for (answer, used_up) in [
            (r#"{"Id":"a","State":{"Status":"exited","OOMKilled":true,"ExitCode":137}}"#, true),
            (r#"{"Id":"a","State":{"Status":"stopped","OOMKilled":false,"ExitCode":137}}"#, false),
            (r#"{"Id":"a","State":{"Status":"exited"}}"#, false),
            (r#"{"Id":"a"}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<Described>(answer).unwrap().has_used_up(), used_up, "{answer}");
        }
    }
}
