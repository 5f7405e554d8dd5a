//! Which containers were killed because they had used up their memory. An engine's list does not tell; the container
//! itself does (`State.OOMKilled`).

use std::{
    collections::{HashMap, HashSet},
    pin::pin,
    sync::{MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};

use super::{
    Engine,
    ended::{Ended, KnownEnd},
};
use wharf_core::{
    base::text,
    launch::plan::{State, Workload},
};

/// The exit code after SIGKILL, with which the kernel ends what has no memory left.
const KILLED: State = State::Exited(137);
/// How many containers are asked at a time, and how long all may take: a list must not wait for them.
const AT_ONCE: usize = 8;
const PATIENCE: Duration = Duration::from_secs(1);

/// A container as both engines describe it (`GET /containers/ID/json`).
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Described {
    state: Option<DescribedState>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DescribedState {
    #[serde(rename = "OOMKilled")]
    used_up: Option<bool>,
}

impl Engine {
    /// Sets the state of those killed containers that had used up their memory. Each is asked once for each time that it
    /// ended; one that does not answer soon stays as it is, and is asked again with the next list.
    pub(super) async fn tell_memory(&self, workloads: &mut [Workload]) {
        let now = text::now();
        let killed: HashMap<String, Option<Ended>> = workloads
            .iter()
            .filter(|one| one.state == KILLED)
            .map(|one| (one.id.clone(), Ended::parse(&one.note, now)))
            .collect();
        let unknown = unknown(&mut self.known_ends(), &killed);
        let asked = stream::iter(unknown).map(|id| async move { Some((self.has_used_up(&id).await?, id)) });
        let (mut told, end) = (pin!(asked.buffer_unordered(AT_ONCE)), Instant::now() + PATIENCE);
        while let Ok(Some(answer)) = timeout_at(end, told.next()).await {
            // Kept at once: this list may be given up before the last answer.
            if let Some((used_up, id)) = answer {
                let when = killed.get(&id).copied().flatten();
                self.known_ends().insert(id, KnownEnd { when, used_up });
            }
        }
        let known = self.known_ends();
        for workload in workloads.iter_mut().filter(|one| one.state == KILLED) {
            if known.get(&workload.id).is_some_and(|end| end.used_up) {
                workload.state = State::OutOfMemory;
            }
        }
    }

    fn known_ends(&self) -> MutexGuard<'_, HashMap<String, KnownEnd>> {
        self.used_up.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn has_used_up(&self, id: &str) -> Option<bool> {
        let what = format!("ask why {id} has ended");
        let path = format!("/containers/{id}/json");
        let asked = self.read::<Described>(&path, &what);
        Some(asked.await.ok()?.has_used_up())
    }
}

/// The killed containers of which is not known how they ended this time. What is known of others, and of earlier times, is
/// forgotten.
fn unknown(known: &mut HashMap<String, KnownEnd>, killed: &HashMap<String, Option<Ended>>) -> HashSet<String> {
    known.retain(|id, end| match (killed.get(id), end.when) {
        (None, _) => false,
        (Some(Some(now)), Some(before)) => {
            // What was learnt of the time holds for the next look.
            end.when = before.and(*now);
            end.when.is_some()
        }
        (Some(_), _) => true,
    });
    killed.keys().filter(|id| !known.contains_key(*id)).cloned().collect()
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

    #[test]
    fn a_container_that_was_killed_again_is_asked_again() {
        let at = |words: &str, now| (["a".to_owned()], words.to_owned(), now);
        let mut known = HashMap::new();
        let mut asks = |(ids, words, now): ([String; 1], String, i64)| {
            let killed = ids.into_iter().map(|id| (id, Ended::parse(&words, now))).collect();
            let asked = unknown(&mut known, &killed);
            for id in &asked {
                known.insert(id.clone(), KnownEnd { when: killed[id], used_up: true });
            }
            !asked.is_empty()
        };
        assert!(asks(at("Exited (137) 10 seconds ago", 1000)));
        assert!(!asks(at("Exited (137) 40 seconds ago", 1030)));
        assert!(!asks(at("Exited (137) 2 minutes ago", 1140)), "the same time, in other words");
        assert!(asks(at("Exited (137) 3 seconds ago", 1150)), "it was started in between");
        assert!(!asks(at("Exited (137) About a minute ago", 1215)));
        assert!(!asks(at("killed", 1215)), "unknown words tell nothing");
    }
}
