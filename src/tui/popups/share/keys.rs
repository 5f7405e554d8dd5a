//! Keys and clicks in the dialog that shares an image.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;

use super::{
    dialog::{Link, Part, Sharing, Target, Way, turned},
    lines::folded,
    regions::regions,
};
use crate::{
    kit::{action::Action, list::Scrollable},
    popups::scroll::scrolled,
};
use wharf_core::sharing::receiver::{Receiver, in_registry};

/// What the dialog's owner has to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; the dialog stays open.
    Stay,
    /// Close the dialog and share nothing.
    Close,
    /// Other receivers are marked: plan for them.
    Plan,
    /// Another platform is chosen: plan anew, and give up a link that is being made.
    OtherPlatform,
    /// Share with these receivers, whose plans were shown.
    Go(Vec<Receiver>),
    /// Give the volume away.
    Give,
    /// Make the link.
    Link,
    /// Another end is chosen: make the link anew, and plan anew for persons.
    OtherEnd,
    /// Copy the link.
    Copy(String),
    /// Take the selected share back.
    TakeBack,
}

impl Sharing {
    /// Handles a key.
    pub fn key(&mut self, key: &KeyEvent, screen: Rect) -> Outcome {
        self.remark.clear();
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Tab => return self.turn(true),
            KeyCode::BackTab => return self.turn(false),
            KeyCode::Enter => return self.enter(screen),
            _ => {}
        }
        match self.part {
            Part::To => self.receivers_key(key),
            Part::How => self.how_key(key),
            Part::Plan => {
                self.top = scrolled(self.top, self.below(screen), key).unwrap_or(self.top);
                self.read = self.read.max(usize::from(self.top));
                Outcome::Stay
            }
            Part::Link => self.link_key(key),
            Part::Holders => self.holders_key(key),
        }
    }

    /// Gives the keys to the plan and shows its next lines, if there are any that were not on the screen yet.
    fn read_on(&mut self, screen: Rect) -> bool {
        if self.read >= self.below(screen) {
            return false;
        }
        let from = usize::from(self.top) + if self.part == Part::Plan { self.page(screen) } else { 0 };
        // With the keys it gets more lines.
        self.part = Part::Plan;
        self.top = u16::try_from(from.min(self.below(screen))).unwrap_or(u16::MAX);
        self.read = self.read.max(usize::from(self.top));
        true
    }

    /// How many lines of the plan are on the screen.
    fn page(&self, screen: Rect) -> usize {
        let parts = regions(self, screen);
        let plan = parts.panes.iter().find(|(part, _)| *part == Part::Plan);
        plan.map_or(0, |(_, area)| usize::from(area.height).saturating_sub(2)).max(1)
    }

    /// How many lines the plan can be scrolled.
    pub(super) fn below(&self, screen: Rect) -> usize {
        let parts = regions(self, screen);
        let (Some(plans), Some((_, area))) = (&self.plans, parts.panes.iter().find(|(part, _)| *part == Part::Plan))
        else {
            return 0;
        };
        let count = folded(plans, |to| self.called(to), usize::from(area.width.saturating_sub(2))).len();
        // The first line of the place is its rule; `scrolled` keeps one line in sight.
        (count + 2).saturating_sub(usize::from(area.height))
    }

    fn turn(&mut self, forward: bool) -> Outcome {
        let parts = self.parts();
        let at = parts.iter().position(|part| *part == self.part).unwrap_or(0);
        match parts.get(turned(at, parts.len(), forward)) {
            Some(part) => self.focus(*part),
            None => Outcome::Stay,
        }
    }

    /// Gives the keys to a part. The link is made when somebody looks at it.
    pub fn focus(&mut self, part: Part) -> Outcome {
        self.part = part;
        let makes = part == Part::Link && matches!(self.link, Link::None | Link::Failed(_));
        if makes { Outcome::Link } else { Outcome::Stay }
    }

    fn receivers_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Down => _ = self.at.go(Action::Down, self.count(), 1),
            KeyCode::Up => _ = self.at.go(Action::Up, self.count(), 1),
            KeyCode::PageDown => _ = self.at.go(Action::PageDown, self.count(), 10),
            KeyCode::PageUp => _ = self.at.go(Action::PageUp, self.count(), 10),
            KeyCode::Char(' ') => return self.mark(),
            KeyCode::Left | KeyCode::Right if self.input.text.is_empty() => return self.choose(key),
            _ => {
                if self.input.key(key) {
                    self.narrow();
                }
            }
        }
        Outcome::Stay
    }

    /// Edits the name of a copy, or chooses another platform where there are several.
    fn how_key(&mut self, key: &KeyEvent) -> Outcome {
        let chooses = self.platforms.len() > 1 && matches!(key.code, KeyCode::Left | KeyCode::Right);
        if chooses || !self.copies() {
            return self.choose(key);
        }
        let before = self.wished.text.clone();
        if !self.wished.key(key) || self.wished.text == before {
            return Outcome::Stay;
        }
        self.renamed();
        if self.marked.is_empty() { Outcome::Stay } else { Outcome::Plan }
    }

    /// Chooses another platform: what was planned was for the one before.
    fn choose(&mut self, key: &KeyEvent) -> Outcome {
        if self.platforms.len() < 2 || !matches!(key.code, KeyCode::Left | KeyCode::Right) {
            return Outcome::Stay;
        }
        self.platform = turned(self.platform, self.platforms.len(), key.code == KeyCode::Right);
        (self.plans, self.top, self.read) = (None, 0, 0);
        // A link, too, was for the platform before, also one that is still being made.
        self.link = Link::None;
        Outcome::OtherPlatform
    }

    fn link_key(&mut self, key: &KeyEvent) -> Outcome {
        match key.code {
            KeyCode::Left | KeyCode::Right => {
                self.ends = self.ends.turned(key.code == KeyCode::Right);
                self.ends_all = true;
                if !self.to().is_empty() {
                    (self.plans, self.top, self.read) = (None, 0, 0);
                    return Outcome::OtherEnd;
                }
                Outcome::Link
            }
            KeyCode::Char('y' | 'c') => match &self.link {
                Link::Made { text, .. } => Outcome::Copy(text.clone()),
                _ => Outcome::Stay,
            },
            _ => Outcome::Stay,
        }
    }

    fn holders_key(&mut self, key: &KeyEvent) -> Outcome {
        let Some(Ok(holders)) = &mut self.holders else { return Outcome::Stay };
        match key.code {
            KeyCode::Char('j') | KeyCode::Down => _ = holders.go(Action::Down, 1),
            KeyCode::Char('k') | KeyCode::Up => _ = holders.go(Action::Up, 1),
            KeyCode::Char('x') if holders.selected().is_some() => return Outcome::TakeBack,
            _ => {}
        }
        Outcome::Stay
    }

    /// Marks the selected receiver, or takes its mark away; what is typed becomes a receiver.
    fn mark(&mut self) -> Outcome {
        let value = match self.selected() {
            Some(target) if target.way == Way::Give => return Outcome::Give,
            Some(target) => target.value.clone(),
            None => {
                let Some(typed) = self.typed().map(str::to_owned) else { return Outcome::Stay };
                let to = match self.meant(&typed) {
                    Ok(to) => to,
                    Err(error) => {
                        self.remark = format!("{}: {}", error.what, error.why);
                        return Outcome::Stay;
                    }
                };
                let way = match &self.cloud {
                    _ if to.is_person() => Way::Link,
                    Some(_) if typed.contains('/') => Way::Copy,
                    Some(_) if !self.keeps_holders => Way::AsImage,
                    Some(_) => Way::Grant,
                    None if in_registry(&typed).is_some() => Way::Copy,
                    None => Way::Mount,
                };
                let note = "as typed".to_owned();
                let value = to.to_string();
                self.receivers.push(Target { label: typed, note, value: value.clone(), way, named: false });
                value
            }
        };
        match self.marked.iter().position(|marked| *marked == value) {
            Some(at) => _ = self.marked.remove(at),
            None => self.marked.push(value.clone()),
        }
        if self.input.text.is_empty() {
            self.at.go(Action::Down, self.count(), 1);
        } else {
            // The whole list is there again, with the selection on what was found in it.
            self.input = crate::kit::input::Input::default();
            self.narrow();
            let is = |at: &usize| self.receivers.get(*at).is_some_and(|target| target.value == value);
            self.at.selected = self.shown.iter().position(is).unwrap_or(0);
        }
        (self.plans, self.top, self.read) = (None, 0, 0);
        Outcome::Plan
    }

    /// Shares if the plan on the screen is for exactly what is marked. Where nothing is marked yet, it marks.
    fn enter(&mut self, screen: Rect) -> Outcome {
        let found = self.part == Part::To && !self.input.text.trim().is_empty() && self.count() > 0;
        if found || (self.part == Part::To && self.marked.is_empty()) {
            return self.mark();
        }
        if let (Err(error), false) = (self.copy_name(), matches!(self.part, Part::Link | Part::Holders)) {
            self.remark = format!("{}: {}", error.why, error.hint);
            return Outcome::Stay;
        }
        match self.possible() {
            // The plan may be hidden behind these.
            _ if matches!(self.part, Part::Link | Part::Holders) => "tab goes to the receivers: enter shares there",
            None if self.marked.is_empty() => "mark who gets it first",
            None => "not yet: its plan is being made",
            Some(none) if none.is_empty() => "it can be shared with none of them",
            Some(_) if self.read_on(screen) => "read on: enter shares it at the end of the plan",
            Some(receivers) => return Outcome::Go(receivers),
        }
        .clone_into(&mut self.remark);
        Outcome::Stay
    }

    /// Handles a click: it marks a receiver, or gives the keys to a part.
    pub fn click(&mut self, column: u16, line: u16, whole: Rect) -> Outcome {
        let parts = regions(self, whole);
        let place = (column, line).into();
        if parts.list.contains(place) {
            self.part = Part::To;
            let at = self.at.window(self.count(), usize::from(parts.list.height)) + usize::from(line - parts.list.y);
            if at >= self.count() {
                return Outcome::Stay;
            }
            self.at.selected = at;
            return self.mark();
        }
        match parts.panes.iter().find(|(_, area)| area.contains(place)) {
            Some((part, _)) => self.focus(*part),
            None => Outcome::Stay,
        }
    }
}
