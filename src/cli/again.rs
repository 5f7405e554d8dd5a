//! `wharf launch --again`: the launches that are kept, and what differs when one is made again.

use super::output;
use wharf_core::{
    base::{clean, context::Context, error::Result, text},
    launch::{
        form::Answers,
        ledger::{self, LaunchRecord},
        plan::Plan,
    },
    portal::Portal,
};

/// How many launches are listed.
const LISTED: usize = 30;

/// Lists the last launches; as JSON all that are kept, with their plans.
pub(crate) async fn list(portal: &Portal, json: bool) -> Result<u8> {
    let all = portal.launches.kept().await?;
    if json {
        output::json(&all)?;
        return Ok(0);
    }
    if all.is_empty() {
        output::line("no launch is kept yet; 'wharf launch REF' makes one")?;
        return Ok(0);
    }
    let now = text::now();
    let row = |one: &LaunchRecord| {
        let image = one.plan.image.reference.short_text();
        let became = clean::short(&one.outcome_words(), 100);
        vec![one.key().to_owned(), text::age(one.began, now), one.plan.backend.clone(), image, became]
    };
    let rows: Vec<Vec<String>> = all.iter().take(LISTED).map(row).collect();
    output::table(&["LAUNCH", "AGE", "BACKEND", "IMAGE", "BECAME"], &rows)?;
    Ok(0)
}

/// The answers of a launch, with those that were given now in their place.
pub(crate) fn answers(record: &LaunchRecord, given: Answers) -> Answers {
    let mut answers = record.answers();
    answers.0.extend(given.0);
    answers
}

/// Tells beside the output what differs from the launch before, before anything is sent.
pub(crate) fn tell_differences(record: &LaunchRecord, plan: &Plan) {
    let differ = ledger::differences(&record.plan, plan);
    if differ.is_empty() {
        output::remark(&format!("the plan is that of launch {}", record.key()));
        return;
    }
    output::remark(&format!("what differs from launch {} (- was, + is):", record.key()));
    for line in differ {
        output::remark(&line);
    }
}

/// Tells beside the output what has become of the tag of the launch before.
pub(crate) async fn tell_tag(portal: &Portal, record: &LaunchRecord) {
    if let Some(words) = portal.launches.tag_today(&Context::default(), record).await {
        output::remark(&clean::line(&words));
    }
}

/// Tells beside the output of launches without an answer.
pub(crate) async fn tell_unanswered(portal: &Portal) {
    for one in portal.launches.unanswered().await {
        output::remark(&format!(
            "launch {} of {} on {}: {}; 'wharf launch --again {}' finds what it made, or makes it",
            one.key(),
            one.plan.image.reference.short_text(),
            one.plan.backend,
            clean::short(&one.outcome_words(), 100),
            one.key()
        ));
    }
}
