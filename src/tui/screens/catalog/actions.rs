//! The list of images as a [`Page`]: its actions and keys.

use crossterm::event::{KeyCode, KeyEvent};
use ratatui::{Frame, layout::Rect};

use super::Catalog;
use crate::{
    kit::{
        action::Action,
        input::{fits, is_command, leaves},
        keymap::Key,
        layout::Alone,
        list::{CursorLines, ScrollArea},
        theme::Theme,
        widgets::below,
    },
    model::Model,
    msg::{Effect, ImageEffect, ImageTarget, LinkWish, Navigation},
    popups::{
        Ask, Popup,
        pick::{Item, Pick, Purpose},
    },
    screens::page::Page,
};
use wharf_core::{base::error::Error, image::link::is_link};

impl Catalog {
    fn use_filter(&self, model: &mut Model) -> Vec<Effect> {
        if self.saved.is_empty() {
            let key = model.keymap.label("catalog", Action::SaveFilter);
            model.say(format!("no filter is saved yet: type one, then {key} keeps it"));
            return Vec::new();
        }
        let item = |(name, filter): &(String, String)| Item {
            label: name.clone(),
            note: filter.clone(),
            value: filter.clone(),
            disabled: None,
        };
        model.pick(Pick::new("Saved filters", Purpose::Filter, self.saved.iter().map(item).collect()))
    }

    fn keep_filter(&self, model: &mut Model) {
        if self.input.text.is_empty() {
            return model.say("type a filter first, then keep it");
        }
        model.popups.push(Popup::line(format!("Keep '{}' as", self.input.text), Ask::FilterName));
    }

    /// The effect of an action on the selected image.
    fn with_target(action: Action, target: ImageTarget, model: &mut Model) -> Effect {
        Effect::Go(match action {
            Action::Open | Action::Launch => {
                Navigation::Image { target, platform: None, launch: action == Action::Launch }
            }
            Action::Request => Navigation::Ask(target),
            Action::Tag => Navigation::Tag(target),
            Action::CopyTo => Navigation::Copy(target, None),
            Action::Link => return Effect::Image(ImageEffect::Link(LinkWish { target, platform: None, until: None })),
            Action::CopyReference => return Effect::CopyReference(target),
            _ => {
                model.say("looking at its evidence…");
                return Effect::Image(ImageEffect::Explain(target));
            }
        })
    }

    /// Whether keys go to the facets beside the list.
    fn in_facets(&self, model: &Model) -> bool {
        self.facets.focused && self.regions(model.body(), model.views.of("catalog")).facets.is_some()
    }

    /// Leaves the filter field and clears the filter.
    fn clear_typed(&mut self) -> Vec<Effect> {
        self.typing = false;
        if self.input.text.is_empty() { Vec::new() } else { self.clear_filter() }
    }
}

impl Page for Catalog {
    fn scope(&self) -> &'static str {
        "catalog"
    }

    fn header(&self, model: &Model) -> (String, String) {
        ("Images".to_owned(), self.summary(model.now))
    }

    fn place(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.filter_line(frame, area, theme, model);
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        use Action as A;
        &[
            A::Open,
            A::Filter,
            A::Launch,
            A::LaunchAllowed,
            A::Share,
            A::Link,
            A::Facets,
            A::Workloads,
            A::CopyTo,
            A::Sort,
            A::Mark,
            A::Preview,
            A::OpenLink,
            A::Explain,
            A::Request,
            A::RemoveImage,
            A::Tag,
            A::Inbox,
            A::Requests,
            A::Import,
            A::Sources,
            A::Palette,
            A::Help,
            A::Quit,
        ]
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::Mark | Action::Open if self.facets.focused => "choose",
            Action::Facets if self.facets.focused => "all of them",
            _ => action.words(),
        }
    }

    fn hides(&self, action: Action, _model: &Model) -> bool {
        action == Action::LaunchAllowed && self.way_out().is_none()
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let none = self.selected().is_none();
        let why = match action {
            Action::Open | Action::Mark if self.in_facets(model) => return None,
            Action::Open
            | Action::Launch
            | Action::Share
            | Action::Link
            | Action::CopyTo
            | Action::CopyReference
            | Action::Explain
            | Action::Tag
            | Action::RemoveImage
            | Action::Mark
                if none =>
            {
                "no image is selected"
            }
            Action::LaunchAllowed => return self.no_way_out().map(str::to_owned),
            Action::Share => {
                let targets = self.targets();
                let refused: Vec<&str> = targets.iter().filter_map(|target| model.unshared(target)).collect();
                return refused.first().filter(|_| refused.len() == targets.len()).map(|why| (*why).to_owned());
            }
            Action::Import if !model.sources.iter().any(|source| source.grants) => "no cloud is configured here",
            Action::SignIn if !model.sources.iter().any(|source| source.signs_in) => "no source here takes a sign-in",
            Action::Request if !model.requests => "the site has no place for admitted images: [requests] admitted",
            Action::Request if none => "no image is selected",
            _ => return None,
        };
        Some(why.to_owned())
    }

    fn is_typing(&self) -> bool {
        self.typing
    }

    fn typing_hints(&self) -> (Action, &'static [(&'static str, &'static str)]) {
        let hints = &[
            ("enter", "done"),
            ("esc", "clear"),
            ("tab", "complete"),
            ("↑ ↓", "move"),
            ("tag: kind: source: trust: scan:", "narrow"),
            ("project: label: platform: verdict:", "too"),
            ("-", "leaves out"),
        ];
        (Action::Filter, hints)
    }

    fn panes_alone(&self, model: &Model) -> &'static [Alone] {
        if self.in_facets(model) { &[Alone::Focused] } else { &Alone::BOTH }
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let regions = self.regions(model.body(), model.views.of("catalog"));
        if let Some(area) = regions.facets.filter(|_| self.facets.focused) {
            let count = self.facets.count();
            return Some(ScrollArea::new(CursorLines(&mut self.facets.at, count), below(area, 1)));
        }
        let count = self.count();
        // Without the list on the screen, nothing of it is to be kept in sight.
        let chosen = !regions.panes.main.is_empty();
        Some(ScrollArea { chosen, ..ScrollArea::new(CursorLines(&mut self.at, count), regions.rows) })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Mark | Action::Open if self.in_facets(model) => return self.toggle_selected_facet(),
            Action::Facets
                if self.regions(model.body(), model.views.of("catalog")).facets.is_some() && !self.facets.focused =>
            {
                self.facets.focused = true;
            }
            Action::Filter => self.typing = true,
            Action::Sort => return self.resort(),
            Action::Mark => self.mark(),
            Action::Refresh => return self.refresh(&model.sources, model.now),
            Action::Facets => return vec![self.count_facets(true)],
            Action::SavedFilters => return self.use_filter(model),
            Action::SaveFilter => self.keep_filter(model),
            Action::Share => {
                let targets = self.targets();
                return targets.into_iter().rev().map(|target| Effect::Go(Navigation::Share(target, None))).collect();
            }
            Action::LaunchAllowed => {
                let target = self.way_out().map(|(_, reference)| ImageTarget::Reference(reference.clone()));
                let go = target.map(|target| Effect::Go(Navigation::Image { target, platform: None, launch: true }));
                return go.into_iter().collect();
            }
            Action::RemoveImage => return vec![Effect::Go(Navigation::Remove(self.targets()))],
            Action::Import => {
                let title = "URL of a disk image (the cloud fetches it by itself)";
                model.popups.push(Popup::line(title, Ask::Web));
            }
            Action::Open
            | Action::Launch
            | Action::Request
            | Action::Explain
            | Action::Tag
            | Action::CopyTo
            | Action::Link
            | Action::CopyReference => {
                return self.target().map(|target| Self::with_target(action, target, model)).into_iter().collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn type_key(&mut self, key: &KeyEvent, model: &mut Model) -> Vec<Effect> {
        let walk = match key.code {
            _ if leaves(key) => return self.clear_typed(),
            KeyCode::Enter => {
                self.typing = false;
                let used = self.filter_used();
                return self.ask_searchers().into_iter().chain(used).collect();
            }
            KeyCode::Down => Action::Down,
            KeyCode::Up => Action::Up,
            KeyCode::Tab => {
                self.older.leave();
                return self.complete();
            }
            KeyCode::PageDown => Action::PageDown,
            KeyCode::PageUp => Action::PageUp,
            _ => {
                let before = self.input.text.clone();
                if !self.input.key(key) && is_command(key) {
                    let action = model.keymap.action("catalog", Key::from_event(key));
                    return action.map(|action| Effect::Go(Navigation::Do(action))).into_iter().collect();
                }
                if self.input.text == before {
                    // What tab completes is the word at the cursor, which has moved.
                    self.offer_completions();
                    return Vec::new();
                }
                self.older.leave();
                return self.typed();
            }
        };
        if let Some(effects) = self.walk_older(walk) {
            return effects;
        }
        self.older.leave();
        self.walk(walk, model);
        Vec::new()
    }

    fn paste(&mut self, text: &str, _model: &mut Model) -> Result<Vec<Effect>, String> {
        if is_link(text) {
            fits(text)?;
            return Ok(vec![Effect::Go(Navigation::Link(text.trim().to_owned()))]);
        }
        self.input.paste(text)?;
        self.older.leave();
        self.typing = true;
        Ok(self.typed())
    }

    fn wants(&mut self, model: &Model) -> Vec<Effect> {
        let regions = self.regions(model.body(), model.views.of("catalog"));
        // Without the column keys go to the list again, whatever took the column away.
        self.facets.focused &= regions.facets.is_some();
        // Also without the list, the selected row is looked at.
        let height = usize::from(regions.rows.height).max(1);
        let facets = self.wants_facets(regions.facets.is_some());
        self.wants_looks(&model.sources, height).into_iter().chain(self.wants_peek()).chain(facets).collect()
    }

    fn handle_back(&mut self) -> bool {
        std::mem::take(&mut self.facets.focused)
    }

    fn clicked(&mut self, column: u16, line: u16, model: &Model) -> bool {
        let area = self.regions(model.body(), model.views.of("catalog")).facets;
        self.facets.focused = area.is_some_and(|area| area.contains((column, line).into()));
        self.facets.focused && area.is_some_and(|area| line == area.y)
    }

    fn failures(&self) -> Vec<String> {
        self.feeds.iter().filter_map(|feed| feed.error.as_ref()).map(Error::full_text).collect()
    }
}
