//! What the dialog that shares an image knows: receivers, marks, their plans, the link, who has the image.

use crossterm::event::KeyCode;
use fuzzy_matcher::{FuzzyMatcher, skim::SkimMatcherV2};

use super::lines::{Planned, name};
use crate::{
    kit::{
        input::Input,
        list::{ListCursor, Rows},
    },
    msg::{ImageTarget, LinkWish},
};
use wharf_core::{
    base::{
        badge::Badge,
        error::{Error, Result},
    },
    sharing::{
        meant::Meant,
        naming::CopyName,
        offer::Share,
        receiver::{Receiver, Terms},
        sender::Contacts,
    },
};

/// A part of the dialog, which the keys go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The receivers, and the line that narrows them.
    To,
    /// What the person may choose.
    How,
    /// The plan of what is marked.
    Plan,
    /// The link.
    Link,
    /// Who has the image already.
    Holders,
}

/// How a receiver gets the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Its blobs are mounted inside the registry: no bytes move.
    Mount,
    /// It is copied to another place.
    Copy,
    /// The receiver is given a right to use it.
    Grant,
    /// An image of the volume is made, which the receiver is given a right to use.
    AsImage,
    /// Everybody may use it.
    Publish,
    /// The volume itself is given away.
    Give,
    /// A person is sent a link.
    Link,
}

impl Way {
    /// The way in two words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Mount => "by mount",
            Self::Copy => "by copy",
            Self::Grant => "by grant",
            Self::AsImage => "as image",
            Self::Publish => "published",
            Self::Give => "given",
            Self::Link => "by link",
        }
    }

    /// What the way means, in a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::Mount => "no bytes move; a copy under their name",
            Self::Copy => "its bytes move through this machine",
            Self::Grant => "no bytes move; it can be taken back",
            Self::AsImage => "the cloud makes an image of it, once, and grants that",
            Self::Publish => "no bytes move; everybody in the cloud may use it",
            Self::Give => "you lose it; its key is shown once",
            Self::Link => "a signed link; it gives no right to read it",
        }
    }
}

/// A receiver that can be marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The name that is shown and searched.
    pub label: String,
    /// What stands beside it until it is planned: where it is, or what is particular about it.
    pub note: String,
    /// The receiver as the core understands it.
    pub value: String,
    /// How it gets the image.
    pub way: Way,
    /// Whether it has something of this name already.
    pub named: bool,
}

/// How long a link can be good: the words, and the days; `None` without an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends(pub usize);

impl Ends {
    const ALL: [(&'static str, Option<i64>); 5] =
        [("without end", None), ("1 day", Some(1)), ("7 days", Some(7)), ("30 days", Some(30)), ("90 days", Some(90))];

    /// The words of the choice.
    pub fn words(self) -> &'static str {
        Self::ALL.get(self.0).map_or("", |end| end.0)
    }

    /// The link's end from now on, in seconds since 1970.
    pub fn until(self, now: i64) -> Option<i64> {
        Self::ALL.get(self.0)?.1.map(|days| now.saturating_add(days * 86_400))
    }

    /// The choice before or after this one, around the end.
    #[must_use]
    pub fn turned(self, forward: bool) -> Self {
        Self(turned(self.0, Self::ALL.len(), forward))
    }
}

/// The place before or after `at` among so many, around the end.
pub fn turned(at: usize, count: usize, forward: bool) -> usize {
    (at + if forward { 1 } else { count.saturating_sub(1) }) % count.max(1)
}

/// How far the link is.
#[derive(Debug, Clone, Default)]
pub enum Link {
    /// It is not asked for.
    #[default]
    None,
    /// It is being made.
    Asked(LinkWish),
    /// It is there.
    Made {
        /// What is sent.
        text: String,
        /// Its QR code.
        code: String,
        /// Whether it is signed.
        is_signed: bool,
    },
    /// It cannot be made.
    Failed(Error),
}

/// What is known of the shared image when the dialog opens; nothing is asked for it.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Its digest; empty if it is not known.
    pub digest: String,
    /// Its trust and, where there is no verdict, its scan.
    pub badges: Vec<Badge>,
    /// The policy's verdict, and what it means for whoever gets the image.
    pub verdict: Option<(Badge, String)>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

/// The dialog.
#[derive(Debug)]
pub struct Sharing {
    /// The heading, which names what is shared.
    pub title: String,
    /// The image or volume that is shared.
    pub target: ImageTarget,
    /// What the image is called at a receiver, behind the project; empty where it keeps its own id.
    pub name: String,
    /// What a copy is to be called there: that name, unless the person has typed another one.
    pub wished: Input,
    /// The cloud that grants the image; `None` where it is shared by a copy.
    pub cloud: Option<String>,
    /// Whether somebody knows who has it: clouds, of images.
    pub keeps_holders: bool,
    /// Whether the cloud has told its projects.
    pub knows_projects: bool,
    /// Whether the contacts are among the receivers.
    pub knows_contacts: bool,
    /// What is known of the image already.
    pub known: Facts,
    /// The platforms to choose from; `None` is all of them.
    pub platforms: Vec<Option<String>>,
    /// The chosen platform's place among them.
    pub platform: usize,
    /// All receivers, in their order.
    pub receivers: Vec<Target>,
    /// The typed text that narrows them.
    pub input: Input,
    /// The indices of the receivers that fit the typed text, the best first.
    pub shown: Vec<usize>,
    /// The selection among the shown receivers.
    pub at: ListCursor,
    /// The values of the marked receivers, in the order of marking.
    pub marked: Vec<String>,
    /// The plans of what is marked; `None` until they are made.
    pub plans: Option<Vec<Planned>>,
    /// The first visible line of the plan.
    pub top: u16,
    /// The last such line so far: how far the plan was read.
    pub read: usize,
    /// The part that the keys go to.
    pub part: Part,
    /// When the dialog was opened, in seconds since 1970: links to persons end so long after it.
    pub opened: i64,
    /// How long the link is good.
    pub ends: Ends,
    /// The contacts, by which what is typed is understood.
    pub contacts: Contacts,
    /// Whether the person has chosen the end, so that it is that of projects, too: theirs have none by themselves.
    pub ends_all: bool,
    /// The link.
    pub link: Link,
    /// Who has the image; `None` until it is known, and where nobody keeps that.
    pub holders: Option<Result<Rows<Share>>>,
    /// What a key was refused for.
    pub remark: String,
}

impl Sharing {
    /// A dialog with these receivers, none of them marked.
    pub fn new(title: String, target: ImageTarget, cloud: Option<String>, receivers: Vec<Target>) -> Self {
        Self {
            title,
            target,
            name: String::new(),
            wished: Input::default(),
            cloud,
            keeps_holders: false,
            knows_projects: false,
            knows_contacts: false,
            known: Facts::default(),
            platforms: vec![None],
            platform: 0,
            shown: (0..receivers.len()).collect(),
            receivers,
            input: Input::default(),
            at: ListCursor::default(),
            marked: Vec::new(),
            plans: None,
            top: 0,
            read: 0,
            part: Part::To,
            opened: 0,
            ends: Ends(3),
            ends_all: false,
            contacts: Contacts::default(),
            link: Link::None,
            holders: None,
            remark: String::new(),
        }
    }

    /// The parts, in the order of `tab`.
    pub fn parts(&self) -> Vec<Part> {
        // The link is last: it is one `shift-tab` away from the receivers.
        let holders = self.keeps_holders.then_some(Part::Holders);
        [Part::To, Part::How, Part::Plan].into_iter().chain(holders).chain([Part::Link]).collect()
    }

    /// Whether the receivers get a copy, whose name can be chosen.
    pub fn copies(&self) -> bool {
        self.cloud.is_none() && !self.name.is_empty()
    }

    /// The name that the person has chosen for a copy; `None` if it keeps that of the image.
    ///
    /// # Errors
    /// Where what was typed is no name.
    pub fn copy_name(&self) -> Result<Option<CopyName>> {
        if !self.copies() || self.wished.text.trim() == self.name {
            return Ok(None);
        }
        self.wished.text.parse().map(Some)
    }

    /// What was chosen besides the receivers: the same as long as nothing is chosen anew, so that the plan that was read
    /// is what is done.
    ///
    /// # Errors
    /// Where what was typed is no name for a copy.
    pub fn terms(&self) -> Result<Terms> {
        let until = self.ends.until(self.opened);
        Ok(Terms { named: self.copy_name()?, until, ends: until.filter(|_| self.ends_all) })
    }

    /// The name of a copy was edited: what was planned was for the one before.
    pub(super) fn renamed(&mut self) {
        (self.plans, self.top, self.read) = (None, 0, 0);
    }

    /// Pastes text into the field for the name of a copy, if the keys go there, and says so; else into the line that narrows.
    ///
    /// # Errors
    /// Where it is too long, with the reason.
    pub fn paste(&mut self, text: &str) -> std::result::Result<bool, String> {
        if self.part == Part::How && self.copies() {
            self.wished.paste(text)?;
            self.renamed();
            return Ok(true);
        }
        self.part = Part::To;
        self.input.paste(text)?;
        self.narrow();
        Ok(false)
    }

    /// Whether a key is typed into a field and decides nothing.
    pub fn types(&self, key: KeyCode) -> bool {
        match self.part {
            // Space marks whoever is selected.
            Part::To => key != KeyCode::Char(' '),
            Part::How => self.copies(),
            _ => false,
        }
    }

    /// The chosen platform; `None` for all.
    pub fn chosen_platform(&self) -> Option<&str> {
        self.platforms.get(self.platform)?.as_deref()
    }

    /// The marked receivers, as the core understands them.
    pub fn to(&self) -> Vec<Receiver> {
        self.marked.iter().map(|value| Receiver::from(value.as_str())).collect()
    }

    /// Takes the plans, if they are for exactly what is marked: an answer to an older question is none.
    pub fn planned(&mut self, plans: Vec<Planned>) {
        if plans.iter().map(|(to, _)| to).eq(self.to().iter()) {
            self.plans = Some(plans);
        }
    }

    /// The receivers that it can be shared with; `None` until the plans are made.
    pub fn possible(&self) -> Option<Vec<Receiver>> {
        let plans = self.plans.as_ref()?;
        Some(plans.iter().filter(|(_, plan)| plan.is_ok()).map(|(receiver, _)| receiver.clone()).collect())
    }

    /// The typed text, if no receiver is exactly that.
    pub fn typed(&self) -> Option<&str> {
        let text = self.input.text.trim();
        let value = self.meant(text).map(|to| to.to_string()).unwrap_or_default();
        let is = |target: &Target| target.label == text || target.value == text || target.value == value;
        (!text.is_empty() && !self.receivers.iter().any(is)).then_some(text)
    }

    /// Who is meant by what was typed. A name is that of a project: contacts are in the list by theirs.
    ///
    /// # Errors
    /// `NotFound` where a contact is meant that there is not, `Usage` for a key that cannot be read.
    pub(super) fn meant(&self, text: &str) -> Result<Receiver> {
        Ok(match Meant::typed(text, &self.contacts)? {
            Meant::One(to) => to,
            Meant::Called { name, .. } => Receiver::Project(name),
        })
    }

    /// The number of lines to choose from: the receivers that fit, and the typed text.
    pub fn count(&self) -> usize {
        self.shown.len() + usize::from(self.typed().is_some())
    }

    /// The selected receiver.
    pub fn selected(&self) -> Option<&Target> {
        self.receivers.get(*self.shown.get(self.at.selected)?)
    }

    /// A receiver's name: that of the list, if it is in it.
    pub fn called(&self, to: &Receiver) -> String {
        let value = to.to_string();
        let listed = self.receivers.iter().find(|target| target.value == value);
        listed.map_or_else(|| name(to), |target| target.label.clone())
    }

    /// Narrows the receivers to those that fit the typed text.
    pub fn narrow(&mut self) {
        let words = self.input.text.trim();
        let matcher = SkimMatcherV2::default();
        let score = |target: &Target| {
            let label = matcher.fuzzy_match(&target.label, words);
            label.max(matcher.fuzzy_match(&target.value, words))
        };
        let mut scored: Vec<(i64, usize)> = self
            .receivers
            .iter()
            .enumerate()
            .filter_map(|(index, target)| Some((if words.is_empty() { 0 } else { score(target)? }, index)))
            .collect();
        scored.sort_by_key(|(score, index)| (std::cmp::Reverse(*score), *index));
        self.shown = scored.into_iter().map(|(_, index)| index).collect();
        self.at = ListCursor::default();
        // Somebody whose address only looks like the typed one is somebody else.
        let person = Receiver::typed(words);
        if matches!(person, Receiver::Person(_)) {
            let value = person.to_string();
            let is = |at: &usize| self.receivers.get(*at).is_some_and(|target| target.value == value);
            self.at.selected = self.shown.iter().position(is).unwrap_or(self.shown.len());
        }
    }

    /// Adds receivers that arrived later behind the others. Marks stay, and so does the selection.
    pub fn put_last(&mut self, new: &[Target]) {
        // Whoever was typed has a name now.
        let typed = |target: &Target| receivers_have(new, &target.value);
        let known = self.receivers.iter().filter(|target| !typed(target));
        self.arrange(known.chain(new).cloned().collect());
    }

    /// Adds receivers that arrived later before the others. Marks stay, and so does the selection.
    pub fn put_first(&mut self, new: Vec<Target>) {
        let known = self.receivers.iter();
        // One that was typed has its name now.
        let late: Vec<Target> = known.filter(|old| !receivers_have(&new, &old.value)).cloned().collect();
        self.arrange(new.into_iter().chain(late).collect());
    }

    /// Shows other receivers; the selection stays on the same one.
    fn arrange(&mut self, receivers: Vec<Target>) {
        let stood = self.selected().map(|target| target.value.clone()).filter(|_| self.at.selected > 0);
        let typed = self.at.selected >= self.shown.len() && self.typed().is_some();
        self.receivers = receivers;
        self.narrow();
        let place = |value: String| self.shown.iter().position(|at| self.receivers[*at].value == value);
        if let Some(at) = stood.and_then(place) {
            self.at.selected = at;
        } else if typed && self.typed().is_some() && !self.shown.is_empty() {
            self.at.selected = self.shown.len();
        }
    }

    /// Whether a receiver has been granted the image, in words.
    pub fn held(&self, target: &Target) -> Option<String> {
        // What people were sent is no grant.
        if target.way == Way::Link {
            return None;
        }
        if let Some(Ok(holders)) = &self.holders {
            let is = |share: &&Share| share.project.id == target.value || share.project.name == target.value;
            if let Some(share) = holders.iter().find(is) {
                return Some(match share.standing.label().1 {
                    "accepted" => "has it already".to_owned(),
                    standing => format!("offered: {standing}"),
                });
            }
        }
        let keeps = self.wished.text.trim() == self.name;
        (target.named && keeps).then(|| "same name there".to_owned())
    }

    /// A frame has shown the dialog.
    pub fn drawn(&mut self) {
        // Where the keys are elsewhere it may be hidden.
        let shown = self.part == Part::Holders;
        if let (true, Some(Ok(holders))) = (shown, &mut self.holders) {
            crate::kit::list::Scrollable::drawn(holders);
        }
    }
}

fn receivers_have(receivers: &[Target], value: &str) -> bool {
    receivers.iter().any(|target| target.value == value)
}
