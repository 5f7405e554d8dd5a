//! Requests as people make and decide them: what `wharf request`, `requests`, `approve` and `reject` do, and the screens.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;

use super::{Portal, give_away::Receiver};
use crate::core::{
    base::{
        clean,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        model::Image,
        names::{is_disk_name, name_of_url},
        reference::{ImageRef, Name, is_on_the_web},
    },
    ports::Asker,
    request::{
        Asked, Decision, Dossier, Event, Id, Pace, RemarkKind, Request, Stage, Terms, Which, Wish, admission::Place,
        statement::Statement,
    },
    steward::reach::{WebAddress, is_quarantined},
    transfer::signatures::signed_by,
};

/// Requests that are looked at in one go.
const PAGE: i64 = 200;
/// How long a reason may be.
const REASON: usize = 2000;

/// What somebody says who asks for an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asking {
    /// Why.
    pub reason: String,
    /// Until when it is needed.
    pub until: Option<i64>,
    /// Whether others who may not decide see it.
    pub private: bool,
    /// A project other than the site's admitted one.
    pub project: Option<String>,
}

/// A request that was submitted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Submitted {
    /// The request.
    pub request: Request,
    /// Whether nobody had asked for it before.
    pub new: bool,
    /// How long others waited.
    pub pace: Pace,
    /// How many are before it.
    pub ahead: i64,
}

/// A verdict of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ruling {
    /// Whether it may be admitted.
    pub approve: bool,
    /// Why.
    pub reason: String,
    /// On which conditions.
    pub terms: Terms,
    /// The key to sign with; that of the configuration without one.
    pub key: Option<String>,
}

/// That nothing can be admitted here.
fn no_place(what: &str, key: &str) -> Error {
    Error::unsupported(what, format!("the site has no place for admitted images ([requests] {key})"))
        .hint("whoever runs the site names it in /etc/wharf/site.toml; alone, you do in your own wharf.toml")
}

/// What people call an image in lists: without its host, with its tag.
fn title(reference: &ImageRef) -> String {
    match reference {
        ImageRef::Oci(Name { repository, tag: Some(tag), .. }) => format!("{repository}:{tag}"),
        ImageRef::Oci(name) => name.repository.clone(),
        other => other.title(),
    }
}

/// What an approval takes: everything that holds the image back and was shown to whoever decides. Where they name the
/// findings that they take, these must be all: what they left out would hold it back as before.
fn taking(what: &str, request: &Request, said: Terms) -> Result<Terms> {
    let (rules, findings) = request.dossier.as_ref().map(Dossier::to_take).unwrap_or_default();
    if said.exceptions.is_empty() {
        return Ok(Terms { rules, exceptions: findings, ..said });
    }
    let left: Vec<&str> =
        findings.iter().filter(|one| !said.exceptions.contains(one)).map(String::as_str).take(5).collect();
    if left.is_empty() {
        return Ok(Terms { rules, ..said });
    }
    Err(Error::usage(what, format!("it is held back by {}, too", left.join(", ")))
        .hint("name these as well, or name none: then all that hold it back are taken"))
}

impl Portal {
    /// Whether a request wants an image where images from there are admitted: whoever wrote it may have written anything.
    pub(in crate::core) fn is_destination(&self, what: &str, request: &Request) -> Result<()> {
        let from = &request.asked.from;
        let projects = self.config.requests.projects.iter().map(|project| Some(project.as_str()));
        let fits = if is_on_the_web(from) {
            request.destination == format!("glance://{}/{}", self.config.requests.cloud, name_of_url(from))
        } else if from.starts_with("glance:") {
            let own = format!("glance://{}/", self.config.requests.cloud);
            request.destination.strip_prefix(&own).is_some_and(is_disk_name)
        } else {
            let from: ImageRef = from.parse()?;
            std::iter::once(None)
                .chain(projects)
                .filter_map(|project| self.admitted_as(what, &from, project).ok())
                .any(|place| place.to_string() == request.destination)
        };
        if fits {
            return Ok(());
        }
        let why = format!("'{}' is no place where images from there are admitted", request.destination);
        Err(Error::new(Kind::Denied, what, why).hint("ask for it with wharf request"))
    }

    /// Where an image from `reference` is admitted, without a version.
    ///
    /// What is admitted is not asked for again where it is: its conditions would be lost on the way.
    fn admitted_as(&self, what: &str, reference: &ImageRef, project: Option<&str>) -> Result<ImageRef> {
        let rules = &self.config.requests;
        match reference {
            ImageRef::Oci(name) if self.is_admitted_place(name) || is_quarantined(rules, name) => {
                let why = format!("{} is a place where this site admits images itself", name.bare());
                Err(Error::usage(what, why).hint("ask for the image that it was made from, at its own place"))
            }
            ImageRef::Oci(name) => {
                let (host, admitted) = rules.admitted.split_once('/').ok_or_else(|| no_place(what, "admitted"))?;
                let project = match project {
                    None => admitted,
                    Some(project) if project == admitted => admitted,
                    Some(project) => {
                        rules.projects.iter().map(String::as_str).find(|one| *one == project).ok_or_else(|| {
                            let known: Vec<&str> =
                                std::iter::once(admitted).chain(rules.projects.iter().map(String::as_str)).collect();
                            Error::usage(what, format!("'{project}' is no project that images are admitted into"))
                                .hint(format!("known: {}", known.join(", ")))
                        })?
                    }
                };
                // Of another registry, its host stands in the name: two of them may have the same repository.
                let from = if name.host == host { String::new() } else { format!("{}/", name.host.replace(':', "-")) };
                Ok(ImageRef::oci(host, format!("{project}/{}{}", from.to_lowercase(), name.repository), None))
            }
            ImageRef::Glance { .. } if rules.cloud.is_empty() => Err(no_place(what, "cloud")),
            ImageRef::Glance { .. } => Ok(ImageRef::Glance { cloud: rules.cloud.clone(), image: reference.title() }),
            _ => Err(Error::unsupported(what, "a steward on another machine cannot read it")
                .hint("put it into a registry or a cloud first: wharf push")),
        }
    }

    /// Asks for an image: it is pinned now, and asked for until somebody withdraws.
    pub async fn ask_for(&self, cx: &Context, image: &str, asking: &Asking) -> Result<Submitted> {
        let what = format!("request {}", clean::short(image, 200));
        let reason = clean::short(asking.reason.trim(), REASON);
        if reason.is_empty() {
            return Err(Error::usage(what, "a reason is needed: whoever decides reads it").hint("--reason TEXT"));
        }
        let (asked, destination) = if is_on_the_web(image) {
            self.asked_on_the_web(&what, image)?
        } else {
            let reference = self.named(image).await?;
            self.admitted_as(&what, &reference, asking.project.as_deref())?;
            let found = self.image(cx, &reference, None).await?;
            self.let_steward_see(cx, &found).await?;
            self.asked(&what, &found, asking.project.as_deref())?
        };
        let wish = Wish {
            person: self.config.person.clone(),
            reason,
            until: asking.until,
            since: text::now(),
            private: asking.private,
            withdrawn: false,
        };
        let store = &self.store;
        let sent = async {
            if !self.config.mail.is_empty() {
                store.introduce(&self.config.mail).await?;
            }
            let (id, new) = store.submit(&asked, &destination, &wish).await?;
            let (pace, ahead) = (self.pace().await, store.ahead(id).await.unwrap_or(0));
            Ok(Submitted { request: store.request(id).await?, new, pace, ahead })
        };
        let submitted = cx.run(&what, sent).await;
        let mut entry = self.journal.entry("request", format!("{} for {destination}", asked.from));
        entry.digest = asked.digest.parse().ok();
        self.journal.note(entry, &submitted).await;
        submitted
    }

    /// A disk image of one's own project is lent to the steward's: it could not be read there otherwise.
    async fn let_steward_see(&self, cx: &Context, image: &Image) -> Result<()> {
        let project = &self.config.requests.cloud_project;
        let Some(pinned) = &image.pinned else { return Ok(()) };
        let fact = |key: &str| image.annotations.get(key).map_or("", String::as_str);
        let own = fact("owner").ends_with("(this project)") && matches!(fact("visibility"), "private" | "shared");
        if project.is_empty() || !own {
            return Ok(());
        }
        let source = self.source_of(&pinned.reference)?;
        let Some(sharer) = &source.sharer else { return Ok(()) };
        let what = format!("lend {} to the steward's project", pinned.reference);
        let to = Receiver::Project(project.clone());
        match cx.run(&what, sharer.share(cx, &pinned.reference, &to)).await {
            // The steward's own project needs no grant.
            Err(error) if error.kind != Kind::Usage => Err(error),
            _ => Ok(()),
        }
    }

    fn asked(&self, what: &str, image: &Image, project: Option<&str>) -> Result<(Asked, String)> {
        let pinned = image.pinned.as_ref().ok_or_else(|| {
            Error::unsupported(what, "it has no digest or hash that it could be pinned to")
                .hint("only what is pinned can be judged and admitted")
        })?;
        let mut destination = self.admitted_as(what, &pinned.reference, project)?;
        if let (ImageRef::Glance { image: name, .. }, Some(known)) = (&mut destination, image.annotations.get("name")) {
            if !is_disk_name(known) {
                return Err(Error::unsupported(
                    what,
                    format!("'{}' is no name it could be admitted under", clean::short(known, 60)),
                )
                .hint("rename it in its cloud: letters, digits, spaces and . _ - + : @ ( ) [ ] , ~"));
            }
            name.clone_from(known);
        }
        let destination = destination.to_string();
        let tag = pinned.reference.tag().or(image.reference.tag()).map(str::to_owned);
        let seen = tag.as_deref().map_or_else(|| pinned.reference.clone(), |tag| image.reference.with_tag(tag));
        let title = if matches!(seen, ImageRef::Oci(_)) { title(&seen) } else { image.title() };
        let asked = Asked {
            from: pinned.reference.to_string(),
            title,
            tag,
            digest: pinned.digest.to_string(),
            platforms: image
                .platforms
                .iter()
                .filter(|entry| entry.platform.os != "unknown")
                .map(|entry| (entry.platform.clone(), entry.digest.clone()))
                .collect(),
            size: Some(image.size),
        };
        Ok((asked, destination))
    }

    fn asked_on_the_web(&self, what: &str, url: &str) -> Result<(Asked, String)> {
        let cloud = &self.config.requests.cloud;
        if cloud.is_empty() {
            return Err(no_place(what, "cloud"));
        }
        WebAddress::of(&self.config.requests, what, url)?;
        let name = name_of_url(url);
        let asked = Asked { from: url.to_owned(), title: name.clone(), digest: url.to_owned(), ..Asked::default() };
        Ok((asked, format!("glance://{cloud}/{name}")))
    }

    /// Asks for another version instead: the old request is withdrawn once the new one stands.
    pub async fn ask_again(&self, cx: &Context, id: Id, image: Option<&str>) -> Result<Submitted> {
        let old = self.store.request(id).await?;
        let me = self.store.me().await?;
        let wish = old.wishes.iter().find(|wish| wish.person == me.person).ok_or_else(|| {
            Error::new(Kind::NotAllowed, format!("ask again for {}", old.called()), "you did not ask for it")
        })?;
        let from = match image {
            Some(image) => image.to_owned(),
            None if is_on_the_web(&old.asked.from) => old.asked.from.clone(),
            // What the tag means now.
            None => {
                let pinned: ImageRef = old.asked.from.parse()?;
                let bare = pinned.without_version();
                old.asked.tag.as_deref().map_or(bare.clone(), |tag| bare.with_tag(tag)).to_string()
            }
        };
        let asking = Asking { reason: wish.reason.clone(), until: wish.until, private: wish.private, project: None };
        let submitted = self.ask_for(cx, &from, &asking).await?;
        if submitted.request.id != id && !old.stage.is_over() {
            self.speak(cx, id, &Event::Withdraw).await?;
        }
        Ok(submitted)
    }

    /// Everything that is known of a request, as text.
    pub async fn request_told(&self, id: Id) -> Result<(Request, String)> {
        let store = &self.store;
        let (request, history) = (store.request(id).await?, store.history(id).await?);
        let (pace, ahead) = (self.pace().await, store.ahead(id).await.unwrap_or(0));
        let text = request.told(&history, pace, ahead, text::now());
        Ok((request, text))
    }

    /// Lets somebody say something about a request, answer, ask back or withdraw.
    pub async fn speak(&self, cx: &Context, id: Id, event: &Event) -> Result<Request> {
        let what = format!("{} request {id}", event.verb());
        let done = cx.run(&what, self.store.happen(id, event)).await;
        let mut entry = self.journal.entry(event.verb(), format!("request {id}"));
        if let Ok(request) = &done {
            entry.subject = format!("request {id}: {}", request.called());
            entry.digest = request.asked.digest.parse().ok();
        }
        self.journal.note(entry, &done).await;
        done
    }

    /// Adds something to a request; an answer, where one is waited for and I asked for it.
    pub async fn add_to(&self, cx: &Context, id: Id, words: &str) -> Result<Request> {
        let (request, me) = (self.store.request(id).await?, self.store.me().await?);
        let answers = request.stage == Stage::Asked && request.is_of(&me.person);
        let kind = if answers { RemarkKind::Answer } else { RemarkKind::Note };
        self.speak(cx, id, &Event::Remark(kind, clean::short(words.trim(), REASON))).await
    }

    /// Decides on a request. With a key, the approval is signed here: that signature is what admits the image.
    pub async fn decide(&self, cx: &Context, asker: Arc<dyn Asker>, id: Id, ruling: &Ruling) -> Result<Request> {
        let decided = self.decided(cx, asker, id, ruling).await;
        let mut entry = self.journal.entry(if ruling.approve { "approve" } else { "reject" }, format!("request {id}"));
        if let Ok(request) = &decided {
            entry.subject = format!("{}: {} for {}", request.called(), request.asked.from, request.destination);
            entry.digest = request.asked.digest.parse().ok();
            entry.verdict = request.dossier.as_ref().map(|dossier| dossier.verdict.word().to_owned());
        }
        self.journal.note(entry, &decided).await;
        decided
    }

    async fn decided(&self, cx: &Context, asker: Arc<dyn Asker>, id: Id, ruling: &Ruling) -> Result<Request> {
        let what = format!("{} request {id}", if ruling.approve { "approve" } else { "reject" });
        let request = cx.run(&what, self.store.request(id)).await?;
        let me = self.store.me().await?;
        if !ruling.approve && ruling.reason.trim().is_empty() {
            return Err(Error::usage(what, "a reason is needed: whoever asked reads it").hint("--reason TEXT"));
        }
        // Before a key is asked for: whoever may not decide need not type a PIN.
        let mut decision = Decision {
            by: me.person.clone(),
            at: text::now(),
            approve: ruling.approve,
            reason: clean::short(ruling.reason.trim(), REASON),
            // Who says nothing of an end means that which was wished for.
            terms: Terms { until: ruling.terms.until.or_else(|| request.needed_until()), ..ruling.terms.clone() },
            digest: request.asked.digest.clone(),
            payload: String::new(),
            signature: String::new(),
        };
        request.clone().follow(&Event::Decide(decision.clone()), &me, text::now())?;
        if ruling.approve {
            self.is_destination(&what, &request)?;
            decision.terms = taking(&what, &request, decision.terms)?;
        }
        if ruling.approve {
            let statement = || Statement::of_approval(&request, &decision, text::now());
            let signed = self.stated(&what, ruling.key.as_deref(), asker, statement).await?;
            (decision.payload, decision.signature) = signed;
        }
        cx.run(&what, self.store.happen(id, &Event::Decide(decision))).await
    }

    /// The payload and the signature of somebody's decision: by the key that they name, or else that of the configuration.
    /// Both empty where there is neither.
    async fn stated(
        &self,
        what: &str,
        key: Option<&str>,
        asker: Arc<dyn Asker>,
        statement: impl FnOnce() -> Result<Statement>,
    ) -> Result<(String, String)> {
        let key = key.unwrap_or(&self.config.requests.approver_key);
        if key.is_empty() {
            return Ok(Default::default());
        }
        let statement = statement()?;
        let signer = (self.signers.open)(key, asker).await?;
        let signature = STANDARD.encode(signed_by(what, &statement, &*signer).await?);
        Ok((statement.text().to_owned(), signature))
    }

    /// Approves everything that one rule blocks on one base until a day, also what is asked for later.
    pub async fn approve_class(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        (base, rule): (&str, &str),
        ruling: &Ruling,
    ) -> Result<Id> {
        let what = format!("approve the class '{rule}'");
        let mut terms = ruling.terms.clone();
        if !terms.rules.iter().any(|one| one == rule) {
            terms.rules.push(rule.to_owned());
        }
        let statement = || Ok(Statement::of_class(base, rule, &terms));
        let (payload, signature) = self.stated(&what, ruling.key.as_deref(), asker, statement).await?;
        let decision = Decision {
            by: self.config.person.clone(),
            at: text::now(),
            approve: true,
            reason: clean::short(ruling.reason.trim(), REASON),
            terms: terms.clone(),
            digest: String::new(),
            payload,
            signature,
        };
        let approved = cx.run(&what, self.store.approve_class(base, rule, &decision)).await;
        let subject = format!("what '{rule}' blocks on '{base}' {}", terms.words());
        self.journal.note(self.journal.entry("approve class", subject), &approved).await;
        approved
    }

    /// Takes an admission back: from now on nobody's verdict lets it pass, and a steward signs that beside the image.
    pub async fn take_back(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        reason: &str,
        key: Option<&str>,
    ) -> Result<Request> {
        let done = self.taken_back(cx, asker, id, reason, key).await;
        let mut entry = self.journal.entry("take back", format!("the admission of request {id}"));
        if let Ok(request) = &done {
            entry.subject = format!("{}: {}", request.called(), request.admitted_at());
            entry.digest = request.asked.digest.parse().ok();
        }
        self.journal.note(entry, &done).await;
        done
    }

    async fn taken_back(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        reason: &str,
        key: Option<&str>,
    ) -> Result<Request> {
        let what = format!("take back the admission of request {id}");
        let reason = clean::short(reason.trim(), REASON);
        if reason.is_empty() {
            return Err(Error::usage(what, "a reason is needed: everybody who uses it reads it").hint("--reason TEXT"));
        }
        let request = cx.run(&what, self.store.request(id)).await?;
        let me = self.store.me().await?;
        let mut decision = Decision {
            by: me.person.clone(),
            at: text::now(),
            approve: false,
            reason,
            terms: Terms::default(),
            digest: request.asked.digest.clone(),
            payload: String::new(),
            signature: String::new(),
        };
        // Before a key is asked for: whoever may not need not type a PIN.
        request.clone().follow(&Event::Revoke(decision.clone()), &me, text::now())?;
        let statement = || {
            let (place, digest) = admitted_place(&what, &request)?;
            let by = (decision.by.as_str(), decision.reason.as_str());
            Ok(Statement::of_taken_back(&place, &digest, id, by, text::now()))
        };
        let signed = self.stated(&what, key, asker, statement).await?;
        (decision.payload, decision.signature) = signed;
        cx.run(&what, self.store.happen(id, &Event::Revoke(decision))).await
    }

    /// Ends the approval of a class; what was admitted by it stays admitted. With `reason`, that is taken back, too: gives
    /// the requests for which it was.
    pub async fn end_class(
        &self,
        cx: &Context,
        asker: Arc<dyn Asker>,
        id: Id,
        reason: Option<&str>,
    ) -> Result<Vec<Id>> {
        let what = format!("end the approval of class {id}");
        let ended = cx.run(&what, self.store.end_class(id)).await;
        self.journal.note(self.journal.entry("end class", format!("class {id}")), &ended).await;
        ended?;
        let Some(reason) = reason else { return Ok(Vec::new()) };
        let mut taken = Vec::new();
        let mut skip = 0;
        loop {
            let page = cx.run(&what, self.store.requests(Which::All, skip, PAGE)).await?;
            let by_it = |request: &&Request| {
                let by = request.decision.as_ref().is_some_and(|decision| decision.class() == Some(id));
                by && request.stage == Stage::Admitted
            };
            for request in page.iter().filter(by_it) {
                self.take_back(cx, asker.clone(), request.id, reason, None).await?;
                taken.push(request.id);
            }
            if page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(taken);
            }
            skip += PAGE;
        }
    }
}

/// Where a request was admitted, and which bytes.
pub(in crate::core) fn admitted_place(what: &str, request: &Request) -> Result<(Place, Digest)> {
    let admitted = request.admitted.as_ref().ok_or_else(|| Error::failed(what, "it was never admitted"))?;
    let place = match admitted.reference.parse()? {
        ImageRef::Oci(name) => Place::Repository(Name { tag: None, digest: None, ..name }),
        ImageRef::Glance { image, .. } => Place::Disk(image),
        other => return Err(Error::failed(what, format!("nothing is admitted as {other}"))),
    };
    Ok((place, admitted.digest.parse()?))
}
