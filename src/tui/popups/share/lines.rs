//! What sharing would do, in lines: its cost, the rights it needs, what receivers do.

use wharf_core::{
    base::{error::Result, text::wrap},
    sharing::{offer::SharePlan, receiver::Receiver},
};

/// With at most this many alike receivers, the steps for each are shown; with more, those for the first.
const FEW: usize = 3;

/// The plan for a receiver, or why there is none.
pub type Planned = (Receiver, Result<SharePlan>);

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

/// The lines of the plans, folded to this width and indented. `called` names a receiver.
pub fn folded(plans: &[Planned], called: impl Fn(&Receiver) -> String, width: usize) -> Vec<(Role, String)> {
    let mut drawn = Vec::new();
    for (role, words) in lines(plans, called) {
        let indent = usize::from(matches!(role, Role::Fact | Role::Step));
        for (number, part) in wrap(&words, width.saturating_sub(indent + 2)).into_iter().enumerate() {
            let more = if number > 0 { 2 } else { 0 };
            drawn.push((role, format!("{}{part}", " ".repeat(indent + more))));
        }
    }
    drawn.push((Role::Step, "the policy is asked before anything is sent".to_owned()));
    drawn
}

/// The lines of the plans. Receivers with the same cost, rights and duties are shown together.
fn lines(plans: &[Planned], called: impl Fn(&Receiver) -> String) -> Vec<(Role, String)> {
    let mut lines = Vec::new();
    // What cannot be done comes first: it must not be out of sight.
    for (receiver, error) in plans.iter().filter_map(|(receiver, plan)| Some((receiver, plan.as_ref().err()?))) {
        lines.push((Role::Failed, format!("✗ {}: {}: {}", called(receiver), error.why, error.hint)));
    }
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
        let names: Vec<String> = members.iter().map(|(receiver, _)| called(receiver)).collect();
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
    lines
}

/// The receiver in the words of the popups.
pub fn name(receiver: &Receiver) -> String {
    match receiver {
        Receiver::Person(called) | Receiver::Contact(called) => called.clone(),
        Receiver::Project(project) => project.strip_suffix('/').unwrap_or(project).to_owned(),
        Receiver::Community => "community".to_owned(),
        Receiver::Public => "public".to_owned(),
    }
}
