//! `wharf launch`.

use super::{output, workloads};
use crate::{
    args::Launch,
    core::{
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
            form::{Answers, join_words},
            plan::Plan,
        },
        portal::{Portal, launches::workloads::Given},
    },
};

/// Plans, and unless `--plan` was said, carries the plan out.
pub async fn run(portal: &Portal, args: &Launch, json: bool) -> Result<u8> {
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let cx = Context::default();
    let image = if args.reference.trim_start().starts_with("wharf:") {
        linked(portal, &cx, args.reference.parse()?, platform).await?
    } else {
        portal.sources.image(&cx, &portal.sources.named(&args.reference).await?, platform.as_ref()).await?
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
    let plan = match &args.on {
        Some(backend) => portal.launches.plan(&cx, backend, &image, &answers).await?,
        None => any_plan(portal, &cx, &image, &answers).await?,
    };
    let launcher = portal.launches.launcher(Some(&plan.backend), None)?;
    if args.plan {
        print(&plan, json)?;
        return Ok(0);
    }
    let workload = portal.launches.launch(&output::context(), &plan, args.because.as_deref()).await?;
    if args.follow {
        workloads::follow(&launcher, &workload.id, args.raw).await?;
        let (_, ended) = portal.launches.find_workload(&cx, &workload.id, Given::Whole).await?;
        return Ok(match ended.state {
            crate::core::launch::plan::State::Exited(code) => u8::try_from(code).unwrap_or(Kind::Failed.exit_code()),
            _ => 0,
        });
    }
    if json {
        output::json(&workload)?;
    } else {
        output::line(&format!(
            "{}  {} on {}  ({})",
            workload.id,
            workload.name,
            workload.backend,
            workload.state.words().1
        ))?;
    }
    Ok(0)
}

/// What a link is pinned to: for the platform that was said, else the one that the sender looked at.
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

/// A plan of the first backend that is there and can.
async fn any_plan(portal: &Portal, cx: &Context, image: &Image, answers: &Answers) -> Result<Plan> {
    // Says why, when none accepts the image at all.
    portal.launches.launcher(None, Some(image))?;
    let mut gone = None;
    for backend in portal.launches.backends_for(image) {
        match portal.launches.plan(cx, backend, image, answers).await {
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

fn print(plan: &Plan, json: bool) -> Result<()> {
    if json {
        return output::json_as_sent(plan);
    }
    let mut page = output::Page::default();
    page.line(&format!("on {}: {}", plan.backend, plan.image.reference));
    for (number, step) in plan.steps.iter().enumerate() {
        page.line(&format!("{}. {step}", number + 1));
    }
    page.request(&plan.request);
    plan.risks.iter().for_each(|risk| page.line(&format!("{} {}", risk.weight.sign(), risk.text)));
    page.print()
}
