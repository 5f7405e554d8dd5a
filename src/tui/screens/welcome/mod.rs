//! The first page that a newcomer sees: what was found here, and the keys to go on with. It is shown over the list while
//! there are few images, until somebody has launched, added a source or closed it.

mod findings;
mod regions;
mod view;

use ratatui::{Frame, layout::Rect};

use self::findings::{FOUND, Found, Mend, findings};
use crate::{
    kit::{
        action::Action,
        list::{CursorLines, ListCursor, ScrollArea},
        theme::Theme,
    },
    model::Model,
    msg::{Effect, ImageTarget, Navigation},
};

/// The images from which the list says enough by itself.
pub const MANY: usize = 10;

/// The state of the page.
#[derive(Debug)]
pub struct Page {
    /// The image that Wharf carries along to be launched, if it is there.
    starter: Option<ImageTarget>,
    at: ListCursor,
}

impl Page {
    /// The page with the image to try.
    pub fn new(starter: Option<ImageTarget>) -> Self {
        Self { starter, at: ListCursor::default() }
    }

    fn selected(&self, model: &Model) -> Option<Found> {
        findings(model, self.starter.is_some()).into_iter().nth(self.at.selected)
    }

    /// What launches the image to try.
    fn launch(&self) -> Vec<Effect> {
        let target = self.starter.clone();
        target
            .map(|target| Effect::Go(Navigation::Image { target, platform: None, launch: true }))
            .into_iter()
            .collect()
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "welcome"
    }

    fn header(&self, _model: &Model) -> (String, String) {
        ("Welcome to Wharf".to_owned(), "find an image, see whether it is safe, run it, share it".to_owned())
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        self.view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Launch,
            Action::Tour,
            Action::AddSource,
            Action::OpenLink,
            Action::SignIn,
            Action::Sources,
            Action::Back,
            Action::Help,
        ]
    }

    fn label(&self, action: Action, _model: &Model) -> &'static str {
        match action {
            Action::Open => "do it",
            Action::Launch => "try it",
            Action::Sources => "what is missing",
            Action::Back => "to the list",
            action => action.words(),
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        match action {
            Action::Launch if self.starter.is_none() => Some("the image to try is not here".to_owned()),
            Action::Launch if model.backends.is_empty() => Some("nothing here launches images".to_owned()),
            _ => None,
        }
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let area = regions::rows(model.body());
        Some(ScrollArea { each: 2, ..ScrollArea::new(CursorLines(&mut self.at, FOUND), area) })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Launch => self.launch(),
            // The filter belongs to the list, which is below this page.
            Action::Filter => [Action::Catalog, Action::Filter].map(|one| Effect::Go(Navigation::Do(one))).into(),
            Action::Open => match self.selected(model).map(|found| found.mends) {
                Some(Mend::Launch) => self.launch(),
                Some(Mend::Do(action)) => vec![Effect::Go(Navigation::Do(action))],
                Some(Mend::Read(title, words)) => {
                    vec![Effect::Go(Navigation::Read(title.to_owned(), words.to_owned()))]
                }
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}
