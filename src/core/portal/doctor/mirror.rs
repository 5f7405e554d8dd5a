//! The check of the mirror that the site's stewards keep.

use futures_util::Future;

use super::{Doctor, Finding, SiteRole, State};
use crate::{
    base::{context::Context, text},
    portal::mirror_round::MirrorRound,
    ports::store::{JobStatus, MIRROR_JOB},
    transfer::mirror::MirrorList,
};

/// The name of the check.
const WHAT: &str = "mirror";

impl Doctor {
    pub(super) async fn mirror(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let Some(file) = &self.config.mirror.list else { return Vec::new() };
        let stands = cx.run("look how the mirror stands", self.store.job(MIRROR_JOB));
        let (list, stands, role) = tokio::join!(MirrorList::read(file), stands, role);
        vec![match (list, stands) {
            (Err(error), _) => Finding::failed(WHAT, role.for_steward(), &error),
            (_, Err(error)) => Finding::failed(WHAT, State::Caution, &error),
            (Ok(list), Ok(stands)) => mirror_finding(&list, stands.as_ref(), text::now()),
        }]
    }
}

/// How the mirror stands: whether stewards go through its list, and what became of its images.
fn mirror_finding(list: &MirrorList, stands: Option<&JobStatus>, now: i64) -> Finding {
    let images = text::plural(list.images.len() as u64, "image", "images");
    let Some(stands) = stands else {
        let found = format!("{images}; no steward has gone through the list yet");
        return Finding::new(WHAT, State::Caution, found, "start one: wharf steward");
    };
    let round: MirrorRound = serde_json::from_str(&stands.notes).unwrap_or_default();
    let when = text::duration(stands.ago);
    let begin = if stands.busy { "a steward goes through them".to_owned() } else { format!("last round {when} ago") };
    let found = format!("{images}; {begin}: {}", round.describe(now));
    match round.failures.first() {
        Some(failure) => Finding::new(WHAT, State::Caution, found, failure.clone()),
        // Two rounds may be missing.
        None if !stands.busy && stands.ago > list.every.saturating_mul(3) => {
            Finding::new(WHAT, State::Caution, found, "see whether a steward runs: wharf steward")
        }
        None => Finding::works(WHAT, found),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_is_well_where_a_steward_has_gone_through_it_lately_and_nothing_failed() {
        let list = MirrorList::parse(
            "into = \"r.example/mirror\"\nevery = \"6h\"\n[[image]]\nname = \"debian\"\ntags = [\"12\"]\n",
            "read",
        )
        .unwrap();
        let status =
            |ago, round: &MirrorRound, busy| JobStatus { notes: serde_json::to_string(round).unwrap(), ago, busy };
        let state = |stands: Option<&JobStatus>| mirror_finding(&list, stands, 0).state;
        let well = MirrorRound { copied: 1, ..MirrorRound::default() };
        assert_eq!(state(None), State::Caution);
        assert_eq!(state(Some(&status(3600, &well, false))), State::Good);
        assert_eq!(state(Some(&status(3 * 86_400, &well, false))), State::Caution);
        assert_eq!(state(Some(&status(3 * 86_400, &well, true))), State::Good);
        let bad = MirrorRound { failed: 1, failures: vec!["debian: no".into()], ..MirrorRound::default() };
        let found = mirror_finding(&list, Some(&status(3600, &bad, false)), 0);
        assert_eq!((found.state, found.advice.as_str()), (State::Caution, "debian: no"));
        assert!(found.found.contains("1 failed"), "{found:?}");
    }
}
