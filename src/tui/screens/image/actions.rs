//! The page of an image as a [`page::Page`]: its actions and keys, and the answers that it takes.

use ratatui::{Frame, layout::Rect};

use super::{Besides, Page, Pane, related_effect};
use crate::{
    kit::{
        action::Action,
        input::Input,
        layout::Alone,
        list::{CursorLines, DrawnItem, ListCursor, ScrollArea},
        theme::Theme,
        widgets::below,
    },
    model::Model,
    msg::{Effect, ImageEffect, ImageTarget, LinkWish, Navigation, Slot},
    popups::{
        Ask, Confirmation, Popup,
        pick::{Item, Pick, Purpose},
    },
    screens::page,
};
use wharf_core::{
    base::{
        badge::Verdict,
        digest::Digest,
        error::{Error, Result},
        text,
    },
    evidence::record::Kind,
    image::{
        model::{Image, ImageKind, Platform},
        reference::ImageRef,
    },
    portal::{
        OpenedLink,
        evidence::{Verified, about::AboutFindings, mending::Mend},
    },
};

/// How many versions the overview puts on a line of dates.
const DATED: usize = 8;

/// Answers that arrive for the page.
impl Page {
    /// Takes the image, or why it could not be read; returns what to read next.
    pub fn arrived(&mut self, result: Result<Image>) -> Vec<Effect> {
        let image = match result {
            Ok(image) => image,
            Err(error) => {
                self.error = Some(error);
                return Vec::new();
            }
        };
        let mut effects: Vec<Effect> = related_effect(&image).into_iter().collect();
        self.verified = None;
        self.mends.clear();
        self.allowed = None;
        self.besides = Besides::Unread;
        if image.pinned.is_some() {
            effects.push(Effect::Image(ImageEffect::Verify { image: Box::new(image.clone()), anew: false }));
        }
        self.image = Some(image);
        self.error = None;
        if !self.panes().contains(&self.pane) {
            self.pane = Pane::Overview;
        }
        if std::mem::take(&mut self.launch_next) {
            effects.push(Effect::Go(Navigation::Do(Action::Launch)));
        }
        effects
    }

    /// Takes the image that the opened link names, and says whether its tag has moved since.
    pub fn open_from_link(&mut self, opened: OpenedLink) -> Vec<Effect> {
        let words = match opened.moved {
            Some(true) => {
                let now = opened.now_at.as_ref().map_or("", |digest| digest.short());
                (false, format!("the tag has moved since, to {now}"))
            }
            Some(false) => (true, "the tag still points here".to_owned()),
            None => (false, "the tag is gone, or there was none".to_owned()),
        };
        let (proof, from) = (&opened.proof, opened.from.as_deref());
        self.from_link.push((proof.is_known(), proof.words(from)));
        if !proof.advice().is_empty() {
            self.from_link.push((false, proof.advice().to_owned()));
        }
        self.from_link.push(words);
        // The sender may use another name for the registry or cloud: the image's reference here is used from now on.
        self.target = ImageTarget::Reference(opened.image.reference.clone());
        let offers = self.reads_offers(&opened.image.reference);
        self.arrived(Ok(opened.image)).into_iter().chain(offers).collect()
    }

    /// Takes the evidence, unless it is that of another image.
    ///
    /// Returns whether the person has asked for the checks, and is to be told what came of them.
    pub fn judged(&mut self, result: Result<Verified>) -> bool {
        let of_this = match (&result, &self.image) {
            (Ok(verified), Some(image)) => {
                // A file has no digest until all of it was read: it is recognized by its reference.
                let named = image.reference.without_version().to_string() == verified.subject.name;
                let pinned = image.pinned.as_ref();
                pinned.map_or(named, |pinned| pinned.manifest == verified.subject.manifest)
            }
            // It is of an image that was left meanwhile.
            (Ok(_), None) => false,
            (Err(_), _) => true,
        };
        if of_this {
            self.verified = Some(result.map(Box::new));
            self.besides = Besides::Unread;
        }
        matches!(self.verified, Some(Ok(_))) && of_this && std::mem::take(&mut self.checking)
    }

    /// What came of the checks: their badges, and why there may be none. `sources` is the key of the screen that shows what
    /// is on this machine.
    pub fn checked_words(&self, now: i64, sources: &str) -> String {
        let of = |kind| self.record(kind, now).map(|record| record.badge().word.to_owned());
        let signature = of(Kind::Signature).unwrap_or_else(|| "no signature is looked for in such a place".to_owned());
        let scan =
            of(Kind::Scan).unwrap_or_else(|| format!("no scanner has looked at it: {sources} shows which are here"));
        format!("checked: {signature} · {scan}")
    }
}

/// Actions of the page.
impl Page {
    /// Takes the versions that would mend the image, unless they are those of another image.
    pub fn mended_by(&mut self, digest: &Digest, mends: Vec<Mend>, allowed: Option<(Mend, ImageRef)>) {
        let shown = self.image.as_ref().and_then(|image| image.pinned.as_ref());
        if shown.is_some_and(|pinned| pinned.digest == *digest) {
            (self.mends, self.allowed) = (mends, allowed);
        }
    }

    /// The nearest version that is allowed, where the shown one is not; else why there is none to launch instead.
    pub(super) fn way_out(&self) -> std::result::Result<&(Mend, ImageRef), &'static str> {
        match &self.verified {
            None => Err("its evidence has not arrived"),
            Some(Ok(verified)) if verified.judgement.verdict == Verdict::Allow => {
                Err("the policy allows this version: launch it as it is")
            }
            Some(_) => self.allowed.as_ref().ok_or("no scanned version of this image is known to be allowed"),
        }
    }

    /// Takes what is known of the findings besides their scan, unless it is about another image.
    pub fn besides_read(&mut self, manifest: &Digest, about: Result<AboutFindings>) {
        let shown = matches!(&self.verified, Some(Ok(verified)) if verified.subject.manifest == *manifest);
        if shown {
            self.besides = Besides::Read(about);
        }
    }

    /// Reads what is known of the findings besides their scan, once somebody looks at them.
    fn reads_besides(&mut self, now: i64) -> Option<Effect> {
        let unread = self.pane == Pane::Scan && matches!(self.besides, Besides::Unread) && self.has_findings(now);
        let Some(Ok(verified)) = self.verified.as_ref().filter(|_| unread) else { return None };
        self.besides = Besides::Reading;
        Some(Effect::Image(ImageEffect::AboutFindings(verified.clone())))
    }

    /// Whether findings are listed, with a pane about the selected one.
    fn lists_findings(&self, now: i64) -> bool {
        self.pane == Pane::Scan && self.image.is_some() && self.has_findings(now)
    }

    /// The tag of the version after the shown one, or with `older` of the one before it; else why there is none.
    fn neighbour(&self, older: bool) -> std::result::Result<&str, &'static str> {
        let Some(Ok(tags)) = &self.tags else { return Err("its versions have not arrived") };
        let tag = self.image.as_ref().and_then(|image| image.reference.tag()).ok_or("it has no tag")?;
        let at = tags.iter().position(|known| known == tag).ok_or("its tag is not among the versions")?;
        // The newest tag comes first.
        let beside = if older { at.checked_add(1) } else { at.checked_sub(1) };
        let none = if older { "there is no version before it" } else { "there is no version after it" };
        beside.and_then(|beside| tags.get(beside)).map(String::as_str).ok_or(none)
    }

    /// Shows a neighbouring version in the same pane.
    fn go_to_neighbour(&mut self, older: bool) -> Vec<Effect> {
        let (Ok(tag), ImageTarget::Reference(reference)) = (self.neighbour(older), self.target()) else {
            return Vec::new();
        };
        let target = ImageTarget::Reference(reference.without_version().with_tag(tag));
        let (platform, pane, order) = (self.platform.take(), self.pane, self.order);
        let (tags, versions) = (self.tags.take(), std::mem::take(&mut self.versions));
        let version_marks = std::mem::take(&mut self.version_marks);
        *self = Self { tags, versions, version_marks, pane, platform, order, ..Self::new(target) };
        vec![Effect::Leave(&[Slot::Verify, Slot::AboutFindings]), self.fetch()]
    }

    /// Whether the image's source describes versions without being asked for much.
    fn is_cheap(&self, model: &Model) -> bool {
        let ImageTarget::Reference(reference) = self.target() else { return false };
        model.source_of(&reference).is_some_and(|source| source.cheap)
    }

    /// Whether the shown pane lists findings or packages, which can be narrowed and sorted.
    fn lists(&self) -> bool {
        matches!(self.pane, Pane::Scan | Pane::Software)
    }

    /// Opens the selected version as a page of its own.
    fn open_version(&self) -> Vec<Effect> {
        let (Some(tag), ImageTarget::Reference(reference)) = (self.selected_tag(), self.target()) else {
            return Vec::new();
        };
        let target = ImageTarget::Reference(reference.with_tag(tag));
        vec![Effect::Go(Navigation::Image { target, platform: None, launch: false })]
    }

    fn choose_among_platforms(&self, model: &mut Model) -> Vec<Effect> {
        let host = Platform::host();
        let entries = self.image.iter().flat_map(|image| &image.platforms);
        let items = entries
            .map(|entry| {
                let note = if entry.platform.serves(&host) { "this machine" } else { "" };
                Item::plain(entry.platform.to_string(), note)
            })
            .collect();
        model.pick(Pick::new("Platform", Purpose::Platform, items))
    }

    fn explain(&self, model: &mut Model) {
        match &self.verified {
            Some(Ok(verified)) => model.popups.open_unasked(Popup::text("Why", verified.explain(model.now))),
            _ => model.say("its evidence has not arrived"),
        }
    }

    fn verify(&mut self) -> Vec<Effect> {
        let Some(image) = self.image.clone() else { return Vec::new() };
        self.verified = None;
        self.checking = true;
        if !matches!(self.pane, Pane::Trust | Pane::Scan) {
            self.pane = Pane::Trust;
            self.at = ListCursor::default();
        }
        vec![Effect::Image(ImageEffect::Verify { image: Box::new(image), anew: true })]
    }

    fn compare(&self, model: &mut Model) -> Vec<Effect> {
        let (Some(tag), Some(image)) = (self.selected_tag(), &self.image) else { return Vec::new() };
        let after = image.reference.with_tag(tag);
        let (before, platform) = (image.reference.clone(), self.platform.clone());
        model.say("comparing…");
        vec![Effect::Image(ImageEffect::Compare { before, after, platform })]
    }

    fn revoke(&self, model: &mut Model) {
        if let Some(share) = model.act_on(self.seen_share()) {
            let question = format!("Take it back from {}? What it launched keeps running.", share.called());
            model.popups.push(Popup::Confirm { question, sure: Confirmation::Revoke(share) });
        }
    }

    /// Why nothing is done with what the link names that the page was opened from, where it is past its date. It can be looked
    /// at all the same.
    fn past_link(&self, action: Action, now: i64) -> Option<String> {
        let verb = match action {
            Action::Launch => "launch",
            Action::CopyTo => "copy",
            Action::Share | Action::Link => "share",
            Action::Request => "request",
            Action::Accept => "accept",
            _ => return None,
        };
        let error = self.link.as_ref()?.not_past(verb, now).err()?;
        Some(format!("{}: {}", error.why, error.hint))
    }

    /// Why an action that needs the image cannot be used with it; `None` if it can.
    fn refuses(&self, action: Action) -> Option<&'static str> {
        let image = self.image.as_ref();
        let is_file = image.is_some_and(|image| matches!(image.reference, ImageRef::File { .. }));
        let unpinned = image.is_some_and(|image| image.pinned.is_none());
        match action {
            Action::Launch | Action::Share | Action::Link | Action::CopyTo | Action::Platform if image.is_none() => {
                Some("the image has not arrived")
            }
            Action::Platform if image.is_some_and(|image| image.platforms.len() < 2) => {
                Some("it is built for one platform only")
            }
            Action::CopyTo if image.is_some_and(|image| image.disk.is_some() && image.kind != ImageKind::Vm) => {
                Some("only disk images of machines are copied; a volume is shared as an image")
            }
            // A file is read and hashed only when the person asks for its checks.
            Action::Verify if image.is_none() || unpinned && !is_file => Some("it has no digest that could be checked"),
            // The plan of a launch reads a file and hashes it, too.
            Action::Launch if unpinned && !is_file => Some("its digest is unknown, so it cannot be pinned"),
            Action::Link if unpinned => Some("its digest is unknown, so it cannot be pinned"),
            Action::Launch if image.is_some_and(|image| image.artifact.is_some()) => Some("it is no image that runs"),
            Action::Request if image.is_none_or(|image| image.pinned.is_none()) => {
                Some("its digest is unknown, so it cannot be pinned")
            }
            _ => None,
        }
    }
}

impl page::Page for Page {
    fn scope(&self) -> &'static str {
        "image"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        let digest =
            self.image.as_ref().and_then(|image| image.pinned.as_ref()).map(|pinned| pinned.digest.to_string());
        let digest = digest.map(|digest| text::with_short_digests(&digest)).unwrap_or_default();
        (format!("Images › {}", self.title()), digest)
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[
            A::NextPane,
            A::Launch,
            A::LaunchAllowed,
            A::Accept,
            A::Share,
            A::Link,
            A::CopyTo,
            A::Platform,
            A::Verify,
            A::Request,
            A::Explain,
            A::Filter,
            A::Sort,
            A::Preview,
            A::OlderVersion,
            A::NewerVersion,
            A::Compare,
            A::Revoke,
            A::RemoveImage,
            A::Tag,
            A::CopyReference,
            A::Open,
            A::Refresh,
            A::Back,
            A::Help,
        ]
    }

    fn hides(&self, action: Action, model: &Model) -> bool {
        match action {
            // Images that are shared by copying have no shares to revoke.
            Action::Revoke => !self.panes().contains(&Pane::Shares),
            Action::Filter | Action::Sort => !self.lists(),
            Action::Preview => !self.lists_findings(model.now),
            Action::LaunchAllowed => self.way_out().is_err(),
            Action::Accept => self.offer_words().is_none(),
            Action::OlderVersion => self.neighbour(true).is_err(),
            Action::NewerVersion => self.neighbour(false).is_err(),
            Action::Compare => self.pane != Pane::Versions,
            _ => false,
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        if let Some(why) = self.past_link(action, model.now) {
            return Some(why);
        }
        let why = match action {
            Action::Compare if self.selected_tag().is_none() => Some("choose a version in the Versions pane first"),
            Action::Filter | Action::Sort if !self.lists() => Some("for the Scan and Software panes"),
            Action::Preview if !self.lists_findings(model.now) => Some("for findings, in the Scan pane"),
            Action::Revoke if self.selected_share().is_none() => Some("choose a share in the Shares pane first"),
            Action::LaunchAllowed => self.way_out().err(),
            Action::Accept if self.offer_words().is_none() => Some("no link was opened here to what is offered to you"),
            Action::OlderVersion => self.neighbour(true).err(),
            Action::NewerVersion => self.neighbour(false).err(),
            Action::Open if self.pane != Pane::Versions => Some("open works on a version, in the Versions pane"),
            Action::Request if !model.requests => {
                Some("the site has no place for admitted images: [requests] admitted")
            }
            Action::Share => self.refuses(action).or_else(|| model.unshared(&self.target())),
            _ => self.refuses(action),
        };
        why.map(str::to_owned)
    }

    fn panes_alone(&self, model: &Model) -> &'static [Alone] {
        let overview = self.pane == Pane::Overview && self.image.is_some();
        if overview || self.lists_findings(model.now) { &Alone::BOTH } else { &[] }
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let (view, now) = (model.views.of("image"), model.now);
        let count = self.count(view.alone, model);
        let rows = below(model.body(), 3);
        let findings =
            if self.lists_findings(now) { self.scan_regions(below(model.body(), 2), view, now) } else { None };
        if let Some(parts) = findings {
            let chosen = parts.has_list();
            return Some(ScrollArea { chosen, ..ScrollArea::new(CursorLines(&mut self.at, count), parts.rows) });
        }
        Some(match (self.pane, &mut self.shares) {
            (Pane::Shares, Some(Ok(shares))) => ScrollArea::new(shares, rows),
            (pane, _) => {
                ScrollArea { chosen: pane == Pane::Versions, ..ScrollArea::new(CursorLines(&mut self.at, count), rows) }
            }
        })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        let go = match action {
            Action::NextPane => {
                self.turn_pane(1);
                return Vec::new();
            }
            Action::PreviousPane => {
                self.turn_pane(self.panes().len().saturating_sub(1));
                return Vec::new();
            }
            Action::Refresh if self.link.is_some() => {
                let Some(link) = self.link.take() else { return Vec::new() };
                return vec![Effect::Go(Navigation::Back), Effect::Go(Navigation::Link(link.to_string()))];
            }
            // A link that was refused names nothing that could be used.
            _ if self.link.is_some() && self.image.is_none() => {
                model.say("the link is not opened: there is nothing to do that with");
                return Vec::new();
            }
            Action::Refresh => {
                let platform = self.platform.take();
                *self = Self { platform, ..Self::new(self.target()) };
                return vec![self.fetch()];
            }
            Action::Open => return self.open_version(),
            Action::OlderVersion => return self.go_to_neighbour(true),
            Action::NewerVersion => return self.go_to_neighbour(false),
            Action::Launch => match &self.image {
                Some(image) => Navigation::Launch(Box::new(image.clone()), self.platform.clone()),
                None => return Vec::new(),
            },
            Action::LaunchAllowed => {
                let Ok((_, reference)) = self.way_out() else { return Vec::new() };
                let target = ImageTarget::Reference(reference.clone());
                return vec![Effect::Go(Navigation::Image { target, platform: self.platform.clone(), launch: true })];
            }
            Action::Accept => return self.accept(model),
            Action::Share => Navigation::Share(self.target(), self.platform.clone()),
            Action::CopyTo => Navigation::Copy(self.target(), self.platform.clone()),
            Action::Tag => Navigation::Tag(self.action_target()),
            Action::RemoveImage => Navigation::Remove(vec![self.action_target()]),
            Action::Request => Navigation::Ask(self.target()),
            Action::Platform => return self.choose_among_platforms(model),
            Action::Explain => {
                self.explain(model);
                return Vec::new();
            }
            Action::Verify => return self.verify(),
            Action::Filter => {
                let input = Input::new(self.narrowed.clone());
                let title = "Words, a severity, fixable, exploited".to_owned();
                model.popups.push(Popup::Line { title, about: Vec::new(), input, ask: Ask::Narrow });
                return Vec::new();
            }
            Action::Sort => {
                self.order = self.order.next();
                model.say(self.order.label());
                return Vec::new();
            }
            Action::Compare => return self.compare(model),
            Action::Revoke => {
                self.revoke(model);
                return Vec::new();
            }
            Action::Link => {
                let wish = LinkWish { target: self.target(), platform: self.platform.clone(), until: None };
                return vec![Effect::Image(ImageEffect::Link(wish))];
            }
            Action::CopyReference => return vec![Effect::CopyReference(self.target())],
            _ => return Vec::new(),
        };
        vec![Effect::Go(go)]
    }

    fn clicked(&mut self, column: u16, line: u16, model: &Model) -> bool {
        let tab = if line == model.body().y { self.pane_at(column, model.size.0, model.now) } else { None };
        if let Some(pane) = tab {
            self.pane = pane;
            self.at = ListCursor::default();
        }
        tab.is_some()
    }

    fn drawn(&mut self, _model: &Model) {
        // What is offered stands in the overview.
        self.offer.iter_mut().filter(|_| self.pane == Pane::Overview).for_each(DrawnItem::drawn);
    }

    fn after_job(&self, changed: bool) -> Vec<Effect> {
        let tags = self
            .image
            .as_ref()
            .filter(|_| changed)
            .map(|image| Effect::Image(ImageEffect::Tags(image.reference.clone())));
        let offers = self.offer.as_ref().and_then(|offer| self.reads_offers(&offer.reference));
        self.reads_shares().into_iter().chain(tags).chain(offers).collect()
    }

    fn wants(&mut self, model: &Model) -> Vec<Effect> {
        let unknown = match self.pane {
            Pane::Versions => self.unknown_tags(model.page()),
            // The line of dates: only where it costs the source little.
            Pane::Overview if self.image.is_some() && self.is_cheap(model) => self.unknown(0, DATED),
            _ => return self.reads_besides(model.now).into_iter().collect(),
        };
        // What is on its way is not asked for again: a new read ends the one before it.
        let is_asked = unknown.iter().all(|tag| self.asked.contains(tag));
        let (false, ImageTarget::Reference(reference)) = (is_asked, self.target()) else { return Vec::new() };
        self.asked.clone_from(&unknown);
        vec![Effect::Image(ImageEffect::Versions(reference, unknown))]
    }

    fn failures(&self) -> Vec<String> {
        self.error.iter().map(Error::full_text).collect()
    }

    fn leave(&self) -> &'static [Slot] {
        use Slot as S;
        &[S::Image, S::Tags, S::Versions, S::Shares, S::Offers, S::Link, S::Verify, S::AboutFindings]
    }
}
