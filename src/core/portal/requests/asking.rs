//! Requesting an image, and talking about the request.

use super::web_address::WebAddress;
use super::{REASON, RequestDetails, Requests, Submitted, destination};
use crate::{
    audit::Entry,
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        model::Image,
        names::{is_disk_name, name_of_url},
        reference::{ImageRef, Name, is_on_the_web},
    },
    request::{Event, Id, RemarkKind, Request, RequestedImage, RequestedUse, Stage},
};

/// The image's short name for lists: without its host, with its tag.
fn title(reference: &ImageRef) -> String {
    match reference {
        ImageRef::Oci(Name { repository, tag: Some(tag), .. }) => format!("{repository}:{tag}"),
        ImageRef::Oci(name) => name.repository.clone(),
        other => other.title(),
    }
}

impl Requests {
    /// Requests an image. It is pinned now, and stays requested until the person withdraws.
    pub async fn ask_for(&self, cx: &Context, image: &str, asking: &RequestDetails) -> Result<Submitted> {
        let what = format!("request {}", clean::short(image, 200));
        let reason = clean::short(asking.reason.trim(), REASON);
        if reason.is_empty() {
            return Err(Error::usage(what, "a reason is needed: approvers read it").hint("--reason TEXT"));
        }
        let (asked, destination) = if is_on_the_web(image) {
            self.asked_on_the_web(&what, image)?
        } else {
            let reference = self.sources.resolve(image).await?;
            let place = destination::resolve(&self.config.requests, &what, &reference, asking.project.as_deref())?;
            // What is admitted into a registry is copied there, so its source must let its bytes be read.
            if matches!(place, ImageRef::Oci(_)) {
                self.sources.place(&reference)?;
            }
            let found = self.sources.image(cx, &reference, None).await?;
            self.lend_to_steward(cx, &found).await?;
            self.requested_image(&what, &found, asking.project.as_deref())?
        };
        let wish = RequestedUse {
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
        let mut entry = self.journal.entry("request", format!("{} for {destination}", asked.from));
        entry.digest = asked.digest.parse().ok();
        self.journal.recorded(entry, cx.run(&what, sent)).await
    }

    /// Lends a disk image of the person's own project to the steward's project, which could not read it otherwise.
    async fn lend_to_steward(&self, cx: &Context, image: &Image) -> Result<()> {
        let project = &self.config.requests.cloud_project;
        let Some(pinned) = &image.pinned else { return Ok(()) };
        let fact = |key: &str| image.annotations.get(key).map_or("", String::as_str);
        let own = fact("owner").ends_with("(this project)") && matches!(fact("visibility"), "private" | "shared");
        if project.is_empty() || !own {
            return Ok(());
        }
        self.sharing.lend(cx, pinned, project).await
    }

    fn requested_image(&self, what: &str, image: &Image, project: Option<&str>) -> Result<(RequestedImage, String)> {
        let pinned = image.pinned.as_ref().ok_or_else(|| {
            Error::unsupported(what, "it has no digest or hash that it could be pinned to")
                .hint("only what is pinned can be judged and admitted")
        })?;
        let mut destination = destination::resolve(&self.config.requests, what, &pinned.reference, project)?;
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
        let asked = RequestedImage {
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

    fn asked_on_the_web(&self, what: &str, url: &str) -> Result<(RequestedImage, String)> {
        let cloud = &self.config.requests.cloud;
        if cloud.is_empty() {
            return Err(destination::no_place(what, "cloud"));
        }
        WebAddress::parse(&self.config.requests, what, url)?;
        let name = name_of_url(url);
        let asked = RequestedImage {
            from: url.to_owned(),
            title: name.clone(),
            digest: url.to_owned(),
            ..RequestedImage::default()
        };
        Ok((asked, format!("glance://{cloud}/{name}")))
    }

    /// Requests another version instead: the old request is withdrawn once the new one is made.
    pub async fn ask_again(&self, cx: &Context, id: Id, image: Option<&str>) -> Result<Submitted> {
        let old = self.store.request(id).await?;
        let me = self.store.caller().await?;
        let wish = old.wishes.iter().find(|wish| wish.person == me.person).ok_or_else(|| {
            Error::new(Kind::NotAllowed, format!("renew the request for {}", old.called()), "you did not request it")
        })?;
        let from = match image {
            Some(image) => image.to_owned(),
            None if is_on_the_web(&old.asked.from) => old.asked.from.clone(),
            // Without a name, the image that the tag means now.
            None => {
                let pinned: ImageRef = old.asked.from.parse()?;
                let bare = pinned.without_version();
                old.asked.tag.as_deref().map_or(bare.clone(), |tag| bare.with_tag(tag)).to_string()
            }
        };
        let asking =
            RequestDetails { reason: wish.reason.clone(), until: wish.until, private: wish.private, project: None };
        let submitted = self.ask_for(cx, &from, &asking).await?;
        if submitted.request.id != id && !old.stage.is_over() {
            self.speak(cx, id, &Event::Withdraw).await?;
        }
        Ok(submitted)
    }

    /// Adds a remark, an answer, a question or a withdrawal to a request.
    pub async fn speak(&self, cx: &Context, id: Id, event: &Event) -> Result<Request> {
        let what = format!("{} request {id}", event.verb());
        let entry = self.journal.entry(event.verb(), format!("request {id}"));
        let happening = cx.run(&what, self.store.apply_event(id, event));
        let told = |entry: &mut Entry, request: &Request| {
            entry.subject = format!("request {id}: {}", request.called());
            entry.digest = request.asked.digest.parse().ok();
        };
        self.journal.recorded_with(entry, happening, told).await
    }

    /// Adds a text to a request: as the answer, if the person is the requester and a question is open; otherwise as a
    /// remark.
    pub async fn add_to(&self, cx: &Context, id: Id, words: &str) -> Result<Request> {
        let (request, me) = (self.store.request(id).await?, self.store.caller().await?);
        let answers = request.stage == Stage::Asked && request.is_wanted_by(&me.person);
        let kind = if answers { RemarkKind::Answer } else { RemarkKind::Note };
        self.speak(cx, id, &Event::Remark(kind, clean::short(words.trim(), REASON))).await
    }
}
