//! `wharf launch`: launches an image.

use std::time::Duration;

use super::{again, linked, lock, output, plans, progress, set, workloads};
use crate::args::{Launch, PlanFormat};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
    },
    image::{
        link::{Link, is_link},
        model::{Image, Platform},
    },
    launch::{
        form::{Answers, Form, join_words},
        ledger::LaunchRecord,
        plan::{Plan, State, Workload},
        preset::{self, Preset},
    },
    portal::{Portal, launches::workloads::IdMatch},
};

/// How often it is asked how a followed workload has ended, and the pause between.
const LOOKS: u32 = 6;
const PAUSE: Duration = Duration::from_millis(500);

/// Makes a plan and, without `--plan`, carries it out.
pub(crate) async fn run(portal: &Portal, args: &Launch, json: bool) -> Result<u8> {
    let before = match args.again.as_deref() {
        Some("") => return again::list(portal, json).await,
        Some(id) => Some(portal.launches.kept_launch(id).await?),
        None if args.latest => {
            return Err(Error::usage("launch the latest", "--latest goes with --again")
                .hint("an image that is named by its tag is the latest"));
        }
        None => None,
    };
    if let (Some(folder), Some(backend)) = (&args.prepare, &args.on) {
        let image = image(portal, args, None).await?;
        let because = args.because.as_deref();
        portal.launches.prepare(&progress::context(), backend, &image, folder, because).await?;
        return Ok(0);
    }
    let mut asked = given(args)?;
    if let Some(name) = &args.save_preset {
        // Told before the launch, not after it.
        preset::keepable(name, &asked)?;
    }
    let plan = match before.as_ref().filter(|record| may_finish(record, args, &asked)) {
        // The same key: what was made the first time is found.
        Some(record) => {
            portal.launches.still_fits(&Context::default(), &record.plan).await?;
            record.plan.clone()
        }
        None => {
            if let Some(record) = &before {
                asked = again::answers(record, asked);
            }
            let (plan, form) = plan(portal, args, before.as_ref(), &mut asked).await?;
            if let Some(record) = &before {
                again::tell_differences(record, &plan);
                if !args.latest {
                    again::tell_tag(portal, record).await;
                }
            }
            if let Some(format) = args.plan {
                plans::print(&plan, form.as_ref(), if json { PlanFormat::Json } else { format })?;
                return Ok(0);
            }
            plan
        }
    };
    let code = carry_out(portal, args, &plan, asked.get("name"), json).await?;
    if let Some(name) = args.save_preset.as_deref().filter(|_| code == 0) {
        // Two workloads of one preset must not have the same name.
        asked.0.remove("name");
        let preset = Preset::of_launch(name, &plan.image.reference, &plan.backend, &asked);
        portal.launches.keep_preset(preset).await?;
        output::remark(&format!("kept: wharf launch REF --preset {name}"));
    }
    Ok(code)
}

/// Whether the plan of a launch that had no answer is carried out once more, unchanged.
fn may_finish(record: &LaunchRecord, args: &Launch, asked: &Answers) -> bool {
    record.is_open() && args.plan.is_none() && !args.latest && args.on.is_none() && asked.0.is_empty()
}

/// The answers on the command line.
fn given(args: &Launch) -> Result<Answers> {
    let mut answers = set::answers(&args.set)?;
    if !args.command.is_empty() {
        answers.0.insert("command".to_owned(), join_words(&args.command));
    }
    Ok(answers)
}

/// The image that is named, or that was launched before.
async fn image(portal: &Portal, args: &Launch, before: Option<&LaunchRecord>) -> Result<Image> {
    let image = named_image(portal, args, before).await?;
    if args.locked {
        lock::must_be_locked(portal, &image).await?;
    }
    Ok(image)
}

async fn named_image(portal: &Portal, args: &Launch, before: Option<&LaunchRecord>) -> Result<Image> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let cx = Context::default();
    let reference = args.reference.as_deref().unwrap_or_default();
    match before {
        Some(record) => portal.launches.image_again(&cx, record, args.latest).await,
        None if is_link(reference) => linked(portal, &cx, reference.parse()?, platform).await,
        None => {
            let reference = portal.sources.resolve(reference).await?;
            match lock::locked(portal, &cx, &reference, args, platform.as_ref()).await? {
                Some(image) => Ok(image),
                None => portal.sources.image(&cx, &reference, platform.as_ref()).await,
            }
        }
    }
}

/// The plan of these answers, to which those of a preset are added, and if it is only shown, the form.
async fn plan(
    portal: &Portal,
    args: &Launch,
    before: Option<&LaunchRecord>,
    answers: &mut Answers,
) -> Result<(Plan, Option<Form>)> {
    let cx = Context::default();
    let (image, ()) = tokio::join!(image(portal, args, before), portal.evidence.open());
    let image = image?;
    let mut preferred = before.map(|record| record.plan.backend.clone());
    if let Some(name) = &args.preset {
        let preset = portal.launches.preset(name, &image.reference).await?;
        let given = std::mem::replace(answers, preset.answers());
        answers.0.extend(given.0);
        preferred = Some(preset.backend).filter(|backend| !backend.is_empty());
    }
    let shown = args.plan.is_some();
    match args.on.as_deref().or(preferred.as_deref()) {
        Some(backend) => planned(portal, &cx, backend, &image, answers, shown).await,
        None => any_plan(portal, &cx, &image, answers, shown).await,
    }
}

/// Carries out a plan, and tells what was made. `asked` is the name that was asked for; it may be empty.
async fn carry_out(portal: &Portal, args: &Launch, plan: &Plan, asked: &str, json: bool) -> Result<u8> {
    let workload = portal.launches.launch(&progress::context(), plan, args.because.as_deref()).await?;
    if !asked.is_empty() && workload.name != asked {
        output::remark(&format!(
            "it is called '{}': '{asked}' cannot be a name on {}",
            workload.name, workload.backend
        ));
    }
    if args.follow {
        workloads::follow(portal, &workload, args.raw).await?;
        let ended = ended(portal, &workload.full_id()).await?;
        if is_lost(&ended.state) {
            output::remark(&format!("{} {}", workload.full_id(), clean::line(&ended.state.label().1)));
        }
        return Ok(exit_code(&ended.state));
    }
    if json {
        output::json(&workload)?;
    } else {
        let (facts, state) = (workload.facts_words(), workload.state.label().1);
        let facts = if facts.is_empty() { facts } else { format!("  {facts}") };
        output::line(&format!("{}  {} on {}  ({state}){facts}", workload.full_id(), workload.name, workload.backend))?;
    }
    Ok(0)
}

/// A workload whose output has ended. How it ended is told a moment later: it is asked for again for a while.
async fn ended(portal: &Portal, id: &str) -> Result<Workload> {
    let mut left = LOOKS;
    loop {
        let found = portal.launches.find_workload(&Context::default(), id, IdMatch::Whole).await?;
        left -= 1;
        if left == 0 || matches!(found.state, State::Exited(_) | State::OutOfMemory | State::Failed(_)) {
            return Ok(found);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether it could not run, or nobody knows how it ended.
fn is_lost(state: &State) -> bool {
    matches!(state, State::Failed(_) | State::Other(_))
}

/// The exit code of Wharf after a workload whose output was followed to its end.
fn exit_code(state: &State) -> u8 {
    match state {
        State::Exited(code) => u8::try_from(*code).unwrap_or(Kind::Failed.exit_code()),
        // As shells tell a program that the kernel has killed.
        State::OutOfMemory => 137,
        state if is_lost(state) => Kind::Failed.exit_code(),
        // Its output has ended before it has.
        _ => 0,
    }
}

/// The image that a link pins, for the given platform, else for the one that the sender looked at. Fails if the link
/// has expired.
async fn linked(portal: &Portal, cx: &Context, mut link: Link, platform: Option<Platform>) -> Result<Image> {
    let opened = linked::opened(portal, cx, "launch", &link).await?;
    if platform.is_none() || platform == link.platform {
        return Ok(opened.image);
    }
    // The sender signed what they looked at; here another platform of the same image is wanted.
    link.platform = platform;
    portal.catalog.linked(cx, &link).await
}

/// A backend's plan, and with `shown` its form, which is left out if the backend cannot tell it.
async fn planned(
    portal: &Portal,
    cx: &Context,
    backend: &str,
    image: &Image,
    answers: &Answers,
    shown: bool,
) -> Result<(Plan, Option<Form>)> {
    // The form comes first: a backend plans with what it has told there, so that it is asked only once.
    let form = if shown { portal.launches.form(cx, backend, image).await.ok() } else { None };
    Ok((portal.launches.plan(cx, backend, image, answers).await?, form))
}

/// The plan of the first backend that answers and takes the image, and with `shown` its form.
async fn any_plan(
    portal: &Portal,
    cx: &Context,
    image: &Image,
    answers: &Answers,
    shown: bool,
) -> Result<(Plan, Option<Form>)> {
    // Fails with the reason if no backend takes the image.
    portal.launches.some_takes(image)?;
    let mut gone = None;
    for backend in portal.launches.backends_for(image) {
        match planned(portal, cx, backend, image, answers, shown).await {
            Err(error) if error.kind == Kind::Unavailable => {
                output::remark(&format!("{backend}: {}", error.why));
                gone = Some(error);
            }
            other => return other,
        }
    }
    Err(gone.unwrap_or_else(|| {
        Error::unsupported("choose a backend", "none was found").hint("'wharf doctor' says what is missing")
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_followed_tells_whether_it_ended_well() {
        for (state, code) in [
            (State::Exited(0), 0),
            (State::Exited(3), 3),
            (State::Exited(-1), 1),
            (State::OutOfMemory, 137),
            (State::Failed("no node".into()), 1),
            (State::Other("lost (its keeper was ended)".into()), 1),
            (State::Running, 0),
        ] {
            assert_eq!(exit_code(&state), code, "{state:?}");
        }
    }
}
