//! The checks of what a site has set up for requests: the store and its stewards, keys, mail, the registry, the cloud.

use futures_util::{Future, future::join_all};

use super::{Doctor, Finding, PATIENCE, SiteRole, State};
use crate::ports::signer::{KeyInfo, NamedKey};
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    config::Requests,
    image::reference::ImageRef,
    ports::store::{Steward, StoreStatus},
    request::RequestFilter,
};

/// A repository that does not exist: rights to read and write below a project are tried with it, and nothing is left
/// there.
const PROBE: &str = "wharf-doctor";
/// How many requests are searched for one that was admitted.
const LATEST: i64 = 50;

impl Doctor {
    pub(super) async fn shared_store(
        &self,
        cx: &Context,
        standing: impl Future<Output = Result<StoreStatus>>,
    ) -> Vec<Finding> {
        let what = "store of requests";
        let place = self.store.describe();
        let shared = self.config.requests.store.contains("://");
        // All are asked at the same time, so that a store that does not answer costs one wait only.
        let (standing, stewards, named) =
            tokio::join!(standing, cx.run("look for stewards", self.store.stewards()), self.named_keys(cx));
        let standing = match standing {
            Ok(standing) => standing,
            Err(error) => return vec![Finding::new(what, State::Bad, format!("{place}: {}", error.why), error.hint)],
        };
        let mut all = vec![store_finding(&standing, &place, shared, &self.config.requests)];
        match stewards {
            Ok(stewards) => all.push(stewards_finding(&stewards, shared, named.ok().as_deref())),
            // If the store cannot be used, the line above says why.
            Err(_) if standing.why_unusable().is_some() => {}
            Err(error) => all.push(Finding::failed("steward", State::Caution, &error)),
        }
        all
    }

    async fn named_keys(&self, cx: &Context) -> Result<Vec<NamedKey>> {
        let named = self.signers.named.clone();
        let read =
            async { blocking(move || named()).await.map_err(|error| Error::failed("read the policy's keys", error)) };
        cx.run("read the policy's keys", read).await
    }

    pub(super) async fn signing_keys(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let rules = &self.config.requests;
        let wanted = [
            (Use::Steward, rules.key.as_str()),
            (Use::Approver, rules.approver_key.as_str()),
            (Use::Disks, rules.disk_key.as_str()),
        ];
        let wanted = wanted.into_iter().filter(|(_, key)| !key.is_empty());
        let looked = join_all(wanted.map(|(of, key)| async move {
            let looked = cx.run(&format!("look at {key}"), (self.signers.look)(key)).await;
            (of, key, looked, self.keys.passing(key).await)
        }));
        let (looked, named, role) = tokio::join!(looked, self.named_keys(cx), role);
        let named = named.unwrap_or_default();
        let mut all: Vec<Finding> = looked
            .into_iter()
            .map(|(of, key, looked, passing)| key_finding(of, key, looked, passing, &named))
            .collect();
        if role.steward && rules.key.is_empty() {
            all.push(Finding::new(
                Use::Steward.name(),
                State::Caution,
                "none: only what approvers sign themselves can be admitted",
                "make one (wharf key new FOLDER/steward.key) and name it: [requests] key = \"FOLDER/steward.key\"",
            ));
        }
        if !rules.disk_key.is_empty() && rules.certificate.is_empty() {
            let advice =
                "put its certificate into the cloud's key store, and name its id: [requests] certificate = \"ID\"";
            all.push(Finding::new(
                Use::Disks.name(),
                State::Bad,
                "its certificate is not named: no cloud can check it",
                advice,
            ));
        }
        all
    }

    pub(super) async fn notifiers(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let asked = self.notifiers.iter().map(|way| async move {
            let answer = cx.run(&format!("try {}", way.name()), way.ready(cx)).await;
            (way.name(), answer)
        });
        let (answers, role) = tokio::join!(join_all(asked), role);
        let told = |(way, answer): (&str, Result<String>)| match answer {
            Ok(found) => Some(Finding::works(way, found)),
            // Only the steward may read the secret: that others cannot is right.
            Err(error) if way == "webhook" && role.for_steward() != State::Bad && error.kind == Kind::NotAllowed => {
                None
            }
            Err(error) => Some(Finding::failed(way, role.for_steward(), &error)),
        };
        answers.into_iter().filter_map(told).collect()
    }

    /// The projects of the registry: a steward must be able to write to them, everybody to read what is admitted.
    pub(super) async fn admitted(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let rules = &self.config.requests;
        let Some((host, project)) = rules.admitted.split_once('/') else { return Vec::new() };
        let what = format!("admitted {}", rules.admitted);
        let here = ImageRef::oci(host, format!("{project}/{PROBE}"), None);
        let known = self.sources.all().iter().any(|source| source.catalog.owns(&here));
        let others = rules.projects.iter().map(|project| format!("{host}/{project}"));
        let places = [rules.admitted.clone(), rules.quarantine.clone()].into_iter().chain(others);
        let places = places.filter(|place| place.contains('/'));
        let write = async {
            if role.await.steward { Some(join_all(places.map(|place| self.writable(cx, place))).await) } else { None }
        };
        // The store may be slow to tell whether this person is a steward; reading is tried meanwhile.
        let (readable, written) = tokio::join!(cx.run(&what, self.readable(cx, here)), write);
        let mut all = Vec::new();
        if !known {
            let advice =
                format!("add to the site's file: [[source]] name = \"site\" type = \"oci\" url = \"https://{host}\"");
            all.push(Finding::new(
                &what,
                State::Bad,
                format!("no source is {host}: people will not see what is admitted"),
                advice,
            ));
        }
        all.extend(written.unwrap_or_else(|| {
            vec![match readable {
                Ok(()) => Finding::works(what.clone(), "you may read it"),
                Err(error) => Finding::new(what.clone(), State::Bad, error.why, error.hint),
            }]
        }));
        all
    }

    async fn writable(&self, cx: &Context, place: String) -> Finding {
        let what = format!("write {place}");
        let tried = async {
            let (host, project) = place.split_once('/').unwrap_or((&place, ""));
            let at = ImageRef::oci(host, format!("{project}/{PROBE}"), None);
            let content = self.sources.place(&at)?.content;
            cx.run(&what, content.may_write(cx, &at)).await
        };
        match tried.await {
            Ok(()) => Finding::works(what, "you may"),
            Err(error) => {
                let host = place.split('/').next().unwrap_or(&place);
                let advice = if error.kind == Kind::NotAllowed {
                    format!("sign in with an account that may write there: wharf login {host}")
                } else {
                    error.hint.clone()
                };
                Finding::new(what, State::Bad, error.why, advice)
            }
        }
    }

    /// Reads an admitted image. If none is known, asks for an image that does not exist: the answer "not found" shows
    /// that reading is allowed.
    async fn readable(&self, cx: &Context, nothing: ImageRef) -> Result<()> {
        // The store gets half of the time: if it does not answer, the rest is enough to ask the registry.
        let latest = tokio::time::timeout(PATIENCE / 2, self.store.requests(RequestFilter::All, 0, LATEST)).await;
        let latest = latest.ok().and_then(Result::ok).unwrap_or_default();
        let admitted = latest.into_iter().filter_map(|request| request.admitted?.reference.parse().ok());
        let at =
            admitted.into_iter().find(|at| matches!(at, ImageRef::Oci(_))).unwrap_or_else(|| nothing.with_tag("none"));
        let place = self.sources.place(&at)?;
        match cx.run(&format!("read {at}"), place.content.manifest(cx, &at)).await {
            Err(error) if error.kind != Kind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// The cloud whose project takes disk images, with the steward's sign-in.
    pub(super) async fn cloud(&self, cx: &Context, role: impl Future<Output = SiteRole>) -> Vec<Finding> {
        let rules = &self.config.requests;
        if rules.cloud.is_empty() || !role.await.steward {
            return Vec::new();
        }
        let what = format!("cloud {}", rules.cloud);
        let Some(source) = self.sources.all().iter().find(|source| source.name == rules.cloud) else {
            let advice = "write it into the clouds.yaml of this account (~/.config/openstack/clouds.yaml)";
            return vec![Finding::new(
                what,
                State::Bad,
                "no cloud of that name is here: disk images cannot be admitted",
                advice,
            )];
        };
        let Some(sharer) = &source.sharer else {
            return vec![Finding::new(
                what,
                State::Bad,
                "it is no cloud",
                "name one of type openstack: [requests] cloud",
            )];
        };
        vec![match cx.run(&format!("ask {}", rules.cloud), sharer.own(cx)).await {
            Ok(own) if rules.cloud_project.is_empty() || [&own.id, &own.name].contains(&&rules.cloud_project) => {
                Finding::works(what, format!("disk images are admitted into its project {}", own.label()))
            }
            Ok(own) => Finding::new(
                what,
                State::Bad,
                format!(
                    "you are signed in to its project {}, and images are lent to {}",
                    own.label(),
                    rules.cloud_project
                ),
                "sign in to that project, or correct [requests] cloud_project",
            ),
            Err(error) => Finding::failed(what, State::Bad, &error),
        }]
    }
}

/// The purpose of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Steward,
    Approver,
    Disks,
}

impl Use {
    fn name(self) -> &'static str {
        match self {
            Self::Steward => "steward's key",
            Self::Approver => "approver's key",
            Self::Disks => "key for disk images",
        }
    }
}

fn key_finding(of: Use, key: &str, looked: Result<KeyInfo>, passing: Option<String>, named: &[NamedKey]) -> Finding {
    let what = of.name();
    let looked = match looked {
        Ok(looked) => looked,
        Err(error) => return Finding::new(what, State::Bad, format!("{key}: {}", error.why), error.hint),
    };
    let mut found = looked.place.clone();
    if !looked.curve.is_empty() {
        found.push_str(&format!(", {}", looked.curve));
    }
    if looked.locked {
        found.push_str(", behind a passphrase or PIN");
    }
    let bad = |why: &str, advice: String| Finding::new(what, State::Bad, format!("{found}: {why}"), advice);
    if of == Use::Disks && !looked.curve.is_empty() && looked.curve != "P-384" {
        return bad("clouds do not verify such a key", "make one: wharf key new FILE --type p384".to_owned());
    }
    let trusted = looked.id.as_ref().map(|id| {
        let short = id.get(..16).unwrap_or(id);
        found.push_str(&format!(", id {short}"));
        named.iter().any(|known| known.id == *id && known.certificate == (of == Use::Disks))
    });
    if trusted == Some(false) {
        return match of {
            // Clouds verify with the key's certificate, even if the policy does not name it.
            Use::Disks => Finding::new(
                what,
                State::Caution,
                format!("{found}: no certificate of the policy is for it"),
                "name its certificate: [[policy.signature.certificate]]",
            ),
            _ => Finding::new(
                what,
                State::Bad,
                format!("{found}: the policy does not trust it, so its signatures do not count"),
                format!(
                    "put its public half (wharf key show {}) where the site's file names it: [policy.signature] keys",
                    quoted(key)
                ),
            ),
        };
    }
    if let Some(passing) = passing {
        return Finding::new(
            what,
            State::Caution,
            passing,
            "then let the policy trust the new one, before this one is gone",
        );
    }
    if of == Use::Steward && looked.locked {
        let advice = "it is asked for when the steward starts; a service cannot ask";
        return Finding::new(what, State::Caution, found, advice);
    }
    Finding::works(what, found)
}

fn quoted(key: &str) -> String {
    if key.contains(|c: char| " ;?'\"".contains(c)) { format!("'{key}'") } else { key.to_owned() }
}

fn store_finding(standing: &StoreStatus, place: &str, shared: bool, rules: &Requests) -> Finding {
    let what = "store of requests";
    if let Some((why, advice)) = standing.why_unusable() {
        return Finding::new(what, State::Bad, format!("{place}: {why}"), advice);
    }
    if !shared {
        return Finding::works(what, place);
    }
    let groups = standing.groups();
    let person = &standing.me.person;
    let layout = standing.layout.unwrap_or_default();
    let found = format!("{place}, as {person} ({}), layout {layout}", groups.join(", "));
    let lacking = [
        (!standing.user, "wharf_user", "ask for images"),
        (!rules.key.is_empty() && !standing.me.steward, "wharf_steward", "work as steward"),
        (!rules.approver_key.is_empty() && !standing.me.approver, "wharf_approver", "decide"),
    ];
    match lacking.into_iter().find(|(lacks, ..)| *lacks) {
        None => Finding::works(what, found),
        Some((_, group, deed)) => Finding::new(
            what,
            State::Bad,
            format!("{found}: you may not {deed}"),
            format!("the owner of the database has to run: GRANT {group} TO {person}"),
        ),
    }
}

fn stewards_finding(stewards: &[Steward], shared: bool, named: Option<&[NamedKey]>) -> Finding {
    let what = "steward";
    let worst = if shared { State::Bad } else { State::Caution };
    let advice = "start one: systemctl start wharf-steward, or wharf steward";
    let alive: Vec<&Steward> = stewards.iter().filter(|steward| steward.is_alive()).collect();
    let about = |steward: &Steward| {
        format!("{} on {}, heard of {} ago", steward.person, steward.host, text::duration(steward.ago.max(0)))
    };
    let Some(first) = alive.first() else {
        return match stewards.first() {
            None => Finding::new(what, worst, "none was ever heard of: nothing that is asked for goes on", advice),
            Some(last) => Finding::new(what, worst, format!("none lives; the last was {}", about(last)), advice),
        };
    };
    let strange = alive.iter().find(|steward| {
        let unknown = |named: &[NamedKey]| !named.iter().any(|known| known.id == steward.key && !known.certificate);
        !steward.key.is_empty() && named.is_some_and(unknown)
    });
    if let Some(steward) = strange {
        return Finding::new(
            what,
            worst,
            format!(
                "{} signs with a key that the policy does not trust: {}",
                about(steward),
                steward.key.get(..16).unwrap_or(&steward.key)
            ),
            "put the public half of its key where the site's file names it: [policy.signature] keys",
        );
    }
    let more = if alive.len() > 1 { format!("; {} more", alive.len() - 1) } else { String::new() };
    Finding::works(what, format!("{}{more}", about(first)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Caller;

    #[expect(clippy::unnecessary_wraps, reason = "what is looked at is a result")]
    fn key_info(id: Option<&str>, curve: &'static str, locked: bool) -> Result<KeyInfo> {
        Ok(KeyInfo { place: "the key in k".into(), id: id.map(str::to_owned), short: None, curve, locked })
    }

    #[test]
    fn a_key_is_red_where_nobody_would_trust_it_and_yellow_where_it_will_be_lost() {
        let named = [NamedKey { id: "ab".into(), certificate: false }, NamedKey { id: "cd".into(), certificate: true }];
        let of =
            |of, looked, passing: Option<&str>| key_finding(of, "k", looked, passing.map(str::to_owned), &named).state;
        assert_eq!(of(Use::Steward, key_info(Some("ab"), "P-256", false), None), State::Good);
        assert_eq!(of(Use::Steward, key_info(Some("ef"), "P-256", false), None), State::Bad);
        assert_eq!(
            of(Use::Approver, key_info(Some("cd"), "P-256", false), None),
            State::Bad,
            "a certificate is no key"
        );
        assert_eq!(of(Use::Steward, key_info(Some("ab"), "P-256", false), Some("it is gone")), State::Caution);
        assert_eq!(of(Use::Steward, key_info(Some("ab"), "P-256", true), None), State::Caution, "nobody types it");
        assert_eq!(of(Use::Approver, key_info(Some("ab"), "P-256", true), None), State::Good);
        assert_eq!(
            of(Use::Approver, key_info(None, "", true), None),
            State::Good,
            "a token shows nothing without its PIN"
        );
        assert_eq!(of(Use::Disks, key_info(Some("cd"), "P-384", false), None), State::Good);
        assert_eq!(of(Use::Disks, key_info(Some("cd"), "P-256", false), None), State::Bad);
        assert_eq!(of(Use::Disks, key_info(Some("ef"), "P-384", false), None), State::Caution);
        assert_eq!(of(Use::Steward, Err(Error::not_found("x", "it is not there")), None), State::Bad);
    }

    #[test]
    fn a_store_is_red_where_one_may_not_do_what_one_is_set_up_for() {
        let me = |approver, steward| Caller { person: "ada".into(), approver, steward, own: false };
        let standing = |user, me: Caller| StoreStatus { me, user, layout: Some(2), needed: 2 };
        let keys = |key: &str, approver: &str| Requests {
            key: key.into(),
            approver_key: approver.into(),
            ..Requests::default()
        };
        let of = |standing: &StoreStatus, rules: &Requests| store_finding(standing, "PostgreSQL", true, rules);
        assert_eq!(of(&standing(true, me(false, false)), &keys("", "")).state, State::Good);
        let found = of(&standing(true, me(false, false)), &keys("k", ""));
        assert!(found.state == State::Bad && found.advice.contains("GRANT wharf_steward TO ada"), "{found:?}");
        let found = of(&standing(false, me(true, false)), &keys("", "k"));
        assert!(found.state == State::Bad && found.advice.contains("GRANT wharf_user TO ada"), "{found:?}");
        let old = StoreStatus { layout: Some(1), ..standing(true, me(false, false)) };
        assert!(of(&old, &keys("", "")).found.contains("older"));
    }

    #[test]
    fn a_steward_that_is_not_heard_of_any_more_is_red_where_others_wait_for_it() {
        let steward = |ago, key: &str| Steward {
            worker: "w".into(),
            person: "steward".into(),
            host: "node1".into(),
            key: key.into(),
            version: "0.1.0".into(),
            seen: 0,
            ago,
        };
        let named = [NamedKey { id: "ab".into(), certificate: false }];
        let of = |all: &[Steward], shared| stewards_finding(all, shared, Some(&named)).state;
        assert_eq!(of(&[], true), State::Bad);
        assert_eq!(of(&[], false), State::Caution);
        assert_eq!(of(&[steward(1000, "ab")], true), State::Bad);
        assert_eq!(of(&[steward(5, "ab"), steward(1000, "zz")], true), State::Good);
        assert_eq!(of(&[steward(5, "zz")], true), State::Bad, "what it signs counts for nobody");
    }
}
