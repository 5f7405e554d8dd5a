//! `wharf launch`: launches an image.

use serde::Serialize;

use super::{output, progress, workloads};
use crate::args::Launch;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    image::{
        link::Link,
        model::{Image, Platform},
    },
    launch::{
        form::{Answers, Form, join_words},
        plan::Plan,
    },
    portal::{Portal, launches::workloads::IdMatch},
};

/// Makes a plan and, without `--plan`, carries it out.
pub(crate) async fn run(portal: &Portal, args: &Launch, json: bool) -> Result<u8> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let cx = Context::default();
    let image = if args.reference.trim_start().starts_with("wharf:") {
        linked(portal, &cx, args.reference.parse()?, platform).await?
    } else {
        portal.sources.image(&cx, &portal.sources.resolve(&args.reference).await?, platform.as_ref()).await?
    };
    let mut answers = Answers::default();
    for pair in &args.set {
        let (key, value) =
            pair.split_once('=').ok_or_else(|| Error::usage(format!("--set {pair}"), "expected KEY=VALUE"))?;
        answers.0.insert(key.to_owned(), value.to_owned());
    }
    if !args.command.is_empty() {
        answers.0.insert("command".to_owned(), join_words(&args.command));
    }
    let (plan, form) = match &args.on {
        Some(backend) => planned(portal, &cx, backend, &image, &answers, args.plan).await?,
        None => any_plan(portal, &cx, &image, &answers, args.plan).await?,
    };
    if args.plan {
        print(&plan, form.as_ref(), json)?;
        return Ok(0);
    }
    let workload = portal.launches.launch(&progress::context(), &plan, args.because.as_deref()).await?;
    let asked = answers.get("name");
    if !asked.is_empty() && workload.name != asked {
        output::remark(&format!(
            "it is called '{}': '{asked}' cannot be a name on {}",
            workload.name, workload.backend
        ));
    }
    if args.follow {
        workloads::follow(portal, &workload, args.raw).await?;
        let ended = portal.launches.find_workload(&cx, &workload.id, IdMatch::Whole).await?;
        return Ok(match ended.state {
            wharf_core::launch::plan::State::Exited(code) => u8::try_from(code).unwrap_or(Kind::Failed.exit_code()),
            _ => 0,
        });
    }
    if json {
        output::json(&workload)?;
    } else {
        let (facts, state) = (workload.facts_words(), workload.state.label().1);
        let facts = if facts.is_empty() { facts } else { format!("  {facts}") };
        output::line(&format!("{}  {} on {}  ({state}){facts}", workload.id, workload.name, workload.backend))?;
    }
    Ok(0)
}

/// The image that a link pins, for the given platform, else for the one that the sender looked at. Fails if the link
/// has expired.
async fn linked(portal: &Portal, cx: &Context, mut link: Link, platform: Option<Platform>) -> Result<Image> {
    if link.is_expired(text::now()) {
        let until = link.until.map(text::timestamp).unwrap_or_default();
        return Err(Error::new(Kind::Denied, "launch a link", format!("it is past its date, {until}"))
            .hint(format!("ask the sender for a new one, or launch what it names: {}", link.reference)));
    }
    link.platform = platform.or(link.platform);
    let opened = portal.catalog.open_link(cx, &link).await?;
    if let Some(from) = &opened.from {
        output::remark(&format!("the link says that it is from {from} (not proven: links are not signed yet)"));
    }
    Ok(opened.image)
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

/// A plan, and beside it what is good to know: the questions, the room there is, the policy's gate.
#[derive(Serialize)]
struct PlanJson<'a> {
    #[serde(flatten)]
    plan: &'a Plan,
    #[serde(skip_serializing_if = "Option::is_none")]
    form: Option<&'a Form>,
}

fn print(plan: &Plan, form: Option<&Form>, json: bool) -> Result<()> {
    if json {
        return output::json_as_sent(&PlanJson { plan, form });
    }
    let mut page = output::Page::default();
    page.line(&format!("on {}: {}", plan.backend, plan.image.reference));
    for (number, step) in plan.steps.iter().enumerate() {
        page.line(&format!("{}. {step}", number + 1));
    }
    page.request(&plan.request);
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
