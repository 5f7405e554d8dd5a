//! The popup that shows how an image would be shared before that is done: its cost, the rights it needs, what receivers
//! do.

use crossterm::event::{KeyCode, KeyEvent};

use super::scroll::scrolled;
use crate::msg::ImageTarget;
use wharf_core::{
    base::error::Result,
    sharing::{offer::SharePlan, receiver::Receiver},
};

/// With at most this many alike receivers, the steps for each are shown; with more, those for the first.
const FEW: usize = 3;

/// The popup with its plans.
#[derive(Debug)]
pub struct Agree {
    /// The heading, which names what is shared.
    pub title: String,
    /// The image or volume that is shared.
    pub target: ImageTarget,
    /// The chosen platform; `None` for all.
    pub platform: Option<String>,
    /// The plan for each receiver, or why there is none; `None` until they are made.
    pub plans: Option<Vec<(Receiver, Result<SharePlan>)>>,
    /// The index of the first visible line.
    pub top: u16,
}

/// What a line says; decides its colour and indentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The receivers that the next lines are about.
    Head,
    /// What sharing costs, needs, or asks of the receiver.
    Fact,
    /// A numbered step of the plan.
    Step,
    /// A receiver that it cannot be shared with, and why.
    Failed,
}

/// What the popup's owner has to do after a key.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing; the popup stays open.
    Stay,
    /// Close the popup and share nothing.
    Close,
    /// Close the popup and share with these receivers.
    Go(Vec<Receiver>),
}

impl Agree {
    /// Handles a key: enter agrees, j and k scroll, esc closes.
    pub fn key(&mut self, key: &KeyEvent) -> Outcome {
        if let Some(top) = scrolled(self.top, self.lines().len(), key) {
            self.top = top;
            return Outcome::Stay;
        }
        match key.code {
            KeyCode::Enter | KeyCode::Char('y' | 'Y') => match self.possible() {
                None => Outcome::Stay,
                Some(none) if none.is_empty() => Outcome::Close,
                Some(receivers) => Outcome::Go(receivers),
            },
            _ => Outcome::Close,
        }
    }

    /// The receivers that it can be shared with; `None` until the plans are made.
    pub fn possible(&self) -> Option<Vec<Receiver>> {
        let plans = self.plans.as_ref()?;
        Some(plans.iter().filter(|(_, plan)| plan.is_ok()).map(|(receiver, _)| receiver.clone()).collect())
    }

    /// The popup's lines. Receivers with the same cost, rights and duties are shown together.
    pub fn lines(&self) -> Vec<(Role, String)> {
        let Some(plans) = &self.plans else { return vec![(Role::Fact, "working out the cheapest way…".to_owned())] };
        let mut lines = Vec::new();
        let mut groups: Vec<(&SharePlan, Vec<(&Receiver, &SharePlan)>)> = Vec::new();
        for (receiver, plan) in plans.iter().filter_map(|(receiver, plan)| Some((receiver, plan.as_ref().ok()?))) {
            let alike = |first: &SharePlan| {
                (&first.cost, &first.rights, &first.receiver) == (&plan.cost, &plan.rights, &plan.receiver)
            };
            match groups.iter_mut().find(|(first, _)| alike(first)) {
                Some((_, members)) => members.push((receiver, plan)),
                None => groups.push((plan, vec![(receiver, plan)])),
            }
        }
        for (plan, members) in groups {
            let names: Vec<String> = members.iter().map(|(receiver, _)| name(receiver)).collect();
            lines.push((Role::Head, names.join(", ")));
            lines.push((Role::Fact, format!("costs     {}", plan.cost)));
            lines.push((Role::Fact, format!("needs     {}", plan.rights)));
            lines.push((Role::Fact, format!("receiver  {}", plan.receiver)));
            let shown = if members.len() <= FEW { members.len() } else { 1 };
            let mut steps: Vec<&String> = Vec::new();
            for step in members.iter().take(shown).flat_map(|(_, plan)| &plan.steps) {
                if !steps.contains(&step) {
                    steps.push(step);
                }
            }
            lines.extend(steps.iter().enumerate().map(|(at, step)| (Role::Step, format!("{}. {step}", at + 1))));
            if members.len() > shown {
                lines.push((Role::Step, format!("and the last step for the other {}", members.len() - shown)));
            }
        }
        for (receiver, error) in plans.iter().filter_map(|(receiver, plan)| Some((receiver, plan.as_ref().err()?))) {
            lines.push((Role::Failed, format!("✗ {}: {}: {}", name(receiver), error.why, error.hint)));
        }
        lines
    }
}

/// The receiver in the words of the popups.
pub fn name(receiver: &Receiver) -> String {
    match receiver {
        Receiver::Project(project) => project.strip_suffix('/').unwrap_or(project).to_owned(),
        Receiver::Community => "everybody who looks for it".to_owned(),
        Receiver::Public => "everybody, in their lists".to_owned(),
    }
}
