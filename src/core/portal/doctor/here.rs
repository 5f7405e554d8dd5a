//! The checks of this machine: files, secret store, sources and backends, scanners.

use futures_util::{Future, FutureExt, future::join_all};

use super::{super::answers::HealthAnswer, Doctor, Finding, PATIENCE, SiteRole, State};
use crate::ports::checker::CheckTool;
use crate::{
    base::{
        context::{Context, timed_out},
        error::{Error, Kind},
        text,
    },
    image::model::Health,
    launch::ledger::LaunchRecord,
    policy::ScanRules,
    ports::Keeps,
};

const DAY: i64 = 86_400;

impl Doctor {
    pub(super) async fn configuration(&self) -> Vec<Finding> {
        let files: Vec<String> = self.config.files.iter().map(|file| file.display().to_string()).collect();
        let files = if files.is_empty() { "no file; none is needed".to_owned() } else { files.join(", ") };
        let cache = self.config.cache_dir.display().to_string();
        let cache = match self.cache.heads().await {
            Ok(_) => Finding::works("cache", cache),
            Err(error) => Finding::new(
                "cache",
                State::Bad,
                format!("{cache}: {}", error.why),
                "check that the folder can be written",
            ),
        };
        let warned = self.config.warnings.iter();
        let warned = warned.map(|warning| Finding::new("configuration", State::Bad, warning.clone(), "correct it"));
        [Finding::works("configuration", files), cache].into_iter().chain(warned).collect()
    }

    pub(super) async fn secret_store(&self, cx: &Context) -> Vec<Finding> {
        let what = "secret store";
        // The secret store is asked over a message bus, which may hang.
        let Ok(Some((store, refused, keeps))) = tokio::time::timeout(cx.deadline, self.secrets.standing()).await else {
            let late = timed_out("ask the secret store", PATIENCE);
            return vec![Finding::failed(what, State::Caution, &late)];
        };
        let first = match keeps {
            Keeps::ForGood => Finding::works(what, store),
            // A person can sign in again after a restart; a service cannot.
            Keeps::ForNow(_) if self.config.requests.key.is_empty() => Finding::works(what, store),
            Keeps::ForNow(_) => Finding::new(
                what,
                State::Caution,
                store,
                "a steward's sign-in must last: secret_file = true, then sign in again",
            ),
            Keeps::UntilTheEnd => Finding::new(
                what,
                State::Caution,
                store,
                "'wharf login' asks whether a file that only you can read may keep them",
            ),
        };
        let refused = refused.into_iter().map(|why| Finding::works(what, format!("not used: {why}")));
        std::iter::once(first).chain(refused).collect()
    }

    /// The launches that were sent and never answered: nobody knows whether they made a workload.
    pub(super) async fn unanswered_launches(&self) -> Vec<Finding> {
        let now = text::now();
        let told = |one: &LaunchRecord| {
            let (image, backend) = (one.plan.image.reference.short_text(), &one.plan.backend);
            let found = format!("{image} was sent to {backend} {}, and no answer came", text::ago(one.began, now));
            let advice = format!("'wharf launch --again {}' finds what it made, or makes it", one.key());
            Finding::new(format!("launch {}", one.key()), State::Caution, found, advice)
        };
        self.launches.unanswered().await.iter().map(told).collect()
    }

    /// Checks sources and backends. What is configured must work; what was discovered may not be meant for this person.
    pub(super) async fn places(&self, cx: &Context) -> Vec<Finding> {
        let written = |name: &str| self.config.names(name);
        let mut told: Vec<(String, Option<Error>)> = Vec::new();
        let mut all = Vec::new();
        for HealthAnswer { name, kind, answer, .. } in self.health(cx).await {
            // An engine is both a source and a backend: one line is enough if both answer the same.
            let failure = answer.as_ref().err().cloned();
            if told.iter().any(|(known, said)| *known == name && said.is_some() == failure.is_some()) {
                continue;
            }
            told.push((name.clone(), failure));
            all.push(place_finding(&name, kind, written(&name), answer));
        }
        all
    }

    pub(super) async fn tools(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let asked = self.checkers.iter().map(|checker| async move {
            let what = format!("ask {}", checker.name());
            cx.run(&what, checker.ready(cx).map(Ok)).await.unwrap_or_else(|error| Some(Err(error)))
        });
        let (answers, role) = tokio::join!(join_all(asked), role);
        let rules = &self.config.policy.scan;
        let ready: Vec<Finding> =
            answers.into_iter().flatten().map(|answer| scanner(answer, role, rules, text::now())).collect();
        if !ready.is_empty() {
            return ready;
        }
        let advice = "install trivy or grype, so that images can be scanned for known vulnerabilities";
        vec![match (role.steward, self.has_requests()) {
            (true, _) => Finding::new("scanner", State::Bad, "none: what is asked for cannot be scanned", advice),
            (false, true) if !role.alone => Finding::works("scanner", "none here; the steward scans what is admitted"),
            _ => Finding::new("scanner", State::Caution, "none", advice),
        }]
    }
}

fn place_finding(name: &str, kind: &str, written: bool, answer: Result<Health, Error>) -> Finding {
    let what = format!("{kind} {name}");
    match answer {
        Ok(health) => {
            let parts = [health.account, health.note].into_iter().filter(|part| !part.is_empty());
            let found = parts.collect::<Vec<_>>().join(", ");
            Finding::works(what, if found.is_empty() { "it answers".to_owned() } else { found })
        }
        // A source that answers and requires a sign-in is not broken.
        Err(error) if !written || error.kind == Kind::NotAllowed && error.sign_in.is_some() => {
            Finding::failed(what, State::Caution, &error)
        }
        Err(error) => Finding::failed(what, State::Bad, &error),
    }
}

fn scanner(answer: Result<CheckTool, Error>, role: SiteRole, rules: &ScanRules, now: i64) -> Finding {
    let what = "scanner";
    let worst = if role.steward { State::Bad } else { State::Caution };
    let ready = match answer {
        Ok(ready) => ready,
        Err(error) => return Finding::failed(what, worst, &error),
    };
    let tool = &ready.tool;
    let Some(made) = ready.database else {
        return if ready.served {
            Finding::works(what, tool.clone())
        } else {
            Finding::new(what, worst, format!("{tool} has no data of vulnerabilities"), ready.renew)
        };
    };
    let found = format!("{tool}, its data is of {}", text::ago(made, now));
    let days = (now - made).max(0) / DAY;
    let state = match days {
        days if days > i64::from(rules.stale_days) => worst,
        days if days > i64::from(rules.fresh_days) => State::Caution,
        _ => return Finding::works(what, found),
    };
    Finding::new(what, state, format!("{found}: scans by it count for little or nothing"), ready.renew)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_down_must_work_and_what_was_found_may_not_be_for_everybody() {
        let refused = || Error::new(Kind::NotAllowed, "ask docker", "you may not use the socket").hint("join");
        let (found, written) = (
            place_finding("docker", "engine", false, Err(refused())),
            place_finding("docker", "engine", true, Err(refused())),
        );
        assert_eq!((found.state, written.state), (State::Caution, State::Bad));
        let sign_in = refused().sign_in_at(Some("r.example".into()));
        assert_eq!(place_finding("site", "oci", true, Err(sign_in)).state, State::Caution);
        assert_eq!(place_finding("site", "oci", true, Ok(Health::default())).found, "it answers");
    }

    #[test]
    fn a_scanner_is_as_good_as_its_data_and_matters_to_whoever_scans() {
        let rules = ScanRules { fresh_days: 7, stale_days: 30, ..ScanRules::default() };
        let (steward, user) = (SiteRole { steward: true, alone: false }, SiteRole::default());
        let of = |days: Option<i64>, role| {
            let ready = CheckTool {
                tool: "trivy 0.70".into(),
                served: false,
                database: days.map(|days| 1_000_000_000 - days * DAY),
                renew: "fetch it",
            };
            scanner(Ok(ready), role, &rules, 1_000_000_000).state
        };
        assert_eq!(
            [of(Some(1), steward), of(Some(8), steward), of(Some(31), steward)],
            [State::Good, State::Caution, State::Bad]
        );
        assert_eq!(
            [of(None, steward), of(None, user), of(Some(31), user)],
            [State::Bad, State::Caution, State::Caution]
        );
    }
}
