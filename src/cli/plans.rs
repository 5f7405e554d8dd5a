//! Printing plans: for people, as a script, as JSON.

use serde::Serialize;

use super::output;
use crate::args::PlanFormat;
use wharf_core::{
    base::error::Result,
    launch::{form::Form, plan::Plan, script},
};

/// A plan, and beside it what is good to know: the questions, the room there is, the policy's gate.
#[derive(Serialize)]
struct PlanJson<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'a Form>,
}

/// Prints a plan in this format.
pub(crate) fn print(plan: &Plan, form: Option<&Form>, format: PlanFormat) -> Result<()> {
    match format {
        PlanFormat::Json => return output::json_as_sent(&PlanJson { plan, form }),
        PlanFormat::Script => return output::script(&script::script(plan)?),
        PlanFormat::Text => {}
    }
    let mut page = output::Page::default();
    page.line(&format!("on {}: {}", plan.backend, plan.image.reference));
    plan.steps.iter().enumerate().for_each(|(at, step)| page.step(at + 1, step));
    plan.risks.iter().for_each(|risk| page.line(&format!("{} {}", risk.weight.sign(), risk.text)));
    if let Some(form) = form {
        answers(&mut page, form, plan);
    }
    page.print()
}

/// The answers by section, the room there is, and whether the policy lets the launch pass.
fn answers(page: &mut output::Page, form: &Form, plan: &Plan) {
    for section in &form.sections {
        page.line(&format!("{}:", section.title));
        for field in &section.fields {
            let answer = plan.answers.get(field.key);
            page.line(&format!("  {:<14} {}", field.key, if answer.is_empty() { "–" } else { answer }));
        }
    }
    if !form.room.is_empty() {
        page.line("Room:");
        form.room.iter().for_each(|room| page.line(&format!("  {:<14} {}", room.label, room.describe())));
    }
    if let Some(gate) = form.gate.as_ref().map(|gate| gate.with(plan.isolation)) {
        page.line(&format!("{} {}", gate.verdict.badge().sign, gate.describe()));
    }
}
