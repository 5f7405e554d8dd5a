//! Transfers and other jobs, running and ended: copies, shares, launches, stops.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    kit::{
        action::Action,
        list::{ScrollArea, Scrollable},
        nothing::Nothing,
        plot::{gauge::gauge, spark::sparkline},
        theme::Theme,
        widgets::{fit, put, row, select},
    },
    model::{Job, Model},
    msg::{Effect, Slot, TransferEffect},
    popups::{Confirmation, Popup},
};
use unicode_width::UnicodeWidthStr;
use wharf_core::{
    base::{context::Part, error::Kind, text},
    ports::transfer_record::TransferState,
};

/// The seconds that the line of blocks shows.
const BLOCKS: usize = 10;

/// The screen has no state of its own: the jobs are in the model, because every screen's header counts them.
#[derive(Debug, Default)]
pub struct Page;

/// Draws the list of jobs, two lines each.
fn view(frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
    let (rows, now) = (&model.jobs, model.now);
    if rows.count() == 0 {
        let when = "Copies, shares, launches and uploads show here with their speed and end; they go on after a break.";
        return Nothing::new("Nothing is on its way.", when)
            .key(&model.keymap, "catalog", Action::CopyTo, "on an image copies it")
            .key(&model.keymap, "catalog", Action::Import, "among the images brings a disk image from the web")
            .draw(frame, area, theme);
    }
    let width = area.width as usize;
    let height = area.height as usize / 2;
    let top = rows.window(height);
    for (number, job) in rows.iter().enumerate().skip(top).take(height) {
        let (sign, role) = sign(job);
        let facts = facts(job, width, now);
        let room = width.saturating_sub(facts.width() + 5);
        let line = Line::from(vec![
            Span::styled(format!(" {sign} "), theme.style(role)),
            Span::styled(fit(&job.title, room), theme.style("text")),
            Span::styled(format!(" {facts}"), theme.style("dim")),
        ]);
        let place = ((number - top) * 2) as u16;
        put(frame, row(area, place), select(line, rows.selected_index() == Some(number), theme));
        put(frame, row(area, place + 1), below_title(job, width, now, theme));
    }
}

/// The sign and the theme's role of a job's state.
fn sign(job: &Job) -> (&'static str, &'static str) {
    match &job.ended {
        _ if job.waits() => ("‖", "warning"),
        None => ("⇅", "text"),
        Some(Ok(_)) => ("✓", "good"),
        Some(Err(error)) if error.kind == Kind::Cancelled => ("■", "dim"),
        Some(Err(_)) => ("✗", "bad"),
    }
}

/// The right end of a job's first line: how fast it is, or since when it runs. The last ten seconds are a line of blocks.
fn facts(job: &Job, width: usize, now: i64) -> String {
    if !job.runs() {
        return format!("begun {}", text::ago(job.started, now));
    }
    match job.speed.recent() {
        Some(rate) => {
            let blocks = if width >= 60 { sparkline(job.speed.samples(), None, BLOCKS) } else { String::new() };
            format!("{blocks} {:>12}", text::rate(rate as u64, 1.0))
        }
        None => text::age(job.started, now),
    }
}

/// A job's second line: a gauge, how much is done and how long the rest takes; or how it ended.
fn below_title(job: &Job, width: usize, now: i64, theme: &Theme) -> Line<'static> {
    if let Some(words) = waiting(job) {
        return Line::styled(format!("   {}", fit(&words, width.saturating_sub(3))), theme.style("text"));
    }
    let words = match &job.ended {
        None => match job.note.total.filter(|total| *total > 0) {
            Some(total) => return gauge_line(job, total, width, theme),
            None => progress(job, now),
        },
        Some(Ok(words)) => words.clone(),
        Some(Err(error)) if error.kind == Kind::Cancelled => "cancelled".to_owned(),
        Some(Err(error)) => error.to_string(),
    };
    Line::styled(format!("   {}", fit(&words, width.saturating_sub(3))), theme.style("dim"))
}

/// How far a transfer is that waits, and why; `None` for other jobs.
fn waiting(job: &Job) -> Option<String> {
    let kept = job.kept.as_ref().filter(|_| job.waits())?;
    let progress = &kept.record.progress;
    let far = match progress.total.filter(|total| *total > 0) {
        Some(total) => format!(" at {}", text::size_of(progress.done.min(total), total)),
        None => String::new(),
    };
    Some(match &kept.record.state {
        TransferState::Broken { why, .. } => format!("failed{far}: {why}"),
        TransferState::Paused => format!("paused{far}"),
        _ => format!("interrupted{far}: its program ended"),
    })
}

/// A gauge with its percents, the bytes, what is being done, and at the right end the time that is left.
fn gauge_line(job: &Job, total: u64, width: usize, theme: &Theme) -> Line<'static> {
    let note = &job.note;
    let done = note.done.min(total);
    // Only the whole is 100 %.
    let percent = u128::from(done) * 100 / u128::from(total);
    let left = job.speed.left(total - done).filter(|_| done < total);
    let left = left.map(|seconds| format!("{} left", text::duration(seconds))).unwrap_or_default();
    let columns = (width / 4).clamp(4, 30);
    let mut spans = vec![Span::raw("   ")];
    spans.extend(gauge(done, total, columns, theme).spans);
    let spared = if note.spared > 0 { format!(" · {} was here", text::size(note.spared)) } else { String::new() };
    let phase = match note.parts {
        (there, all) if all > 1 && there < all => format!(" · {there} of {all} layers"),
        _ if note.phase.is_empty() => String::new(),
        _ => format!(" · {}", note.phase),
    };
    let words = format!(" {percent:>3} %  {}{phase}{spared}", text::size_of(done, total));
    let room = width.saturating_sub(columns + 3 + left.width() + 2);
    spans.push(Span::styled(fit(&words, room), theme.style("text")));
    spans.push(Span::styled(format!(" {left}"), theme.style("text")));
    Line::from(spans)
}

/// A job in full: what it does, when it began, how far it is or how it ended.
fn job_text(job: &Job, now: i64) -> String {
    let how = match &job.ended {
        _ if job.waits() => match job.ended.as_ref() {
            Some(Err(error)) if error.kind != Kind::Cancelled => error.full_text(),
            _ => format!("‖ {}", waiting(job).unwrap_or_default()),
        },
        None => format!("… {}", progress(job, now)),
        Some(Ok(words)) => format!("✓ {words}"),
        Some(Err(error)) if error.kind == Kind::Cancelled => "■ cancelled".to_owned(),
        Some(Err(error)) => error.full_text(),
    };
    let layers: String = job.note.moving.iter().filter(|_| job.runs()).map(layer).collect();
    let id = job.transfer().map(|id| format!("transfer {id}\n")).unwrap_or_default();
    format!("{}\n{id}begun {}\n\n{how}{layers}", job.title, text::ago(job.started, now))
}

/// A layer that is being moved, as a line of its own.
fn layer(part: &Part) -> String {
    let percent = u128::from(part.done) * 100 / u128::from(part.size.max(1));
    format!("\n  layer {}  {percent:>3} %  {}", part.name, text::size_of(part.done, part.size))
}

/// How far a running job is, in words.
fn progress(job: &Job, now: i64) -> String {
    let note = &job.note;
    match note.total.filter(|total| *total > 0) {
        Some(total) => {
            let left = job.speed.left(total.saturating_sub(note.done));
            let left = left.map(|seconds| format!(" · {} left", text::duration(seconds))).unwrap_or_default();
            format!("{} of {} · {}{left}", text::size(note.done), text::size(total), note.phase)
        }
        None => {
            let phase = if note.phase.is_empty() { "starting" } else { &note.phase };
            let done = if note.done > 0 { format!(" · {}", text::size(note.done)) } else { String::new() };
            format!("{phase}{done} · {}", text::age(job.started, now))
        }
    }
}

/// What runs, and how fast all of it is together.
fn summary(model: &Model) -> String {
    let running = model.jobs.iter().filter(|job| job.runs()).count();
    let rate: f64 = model.jobs.iter().filter(|job| job.runs()).filter_map(|job| job.speed.recent()).sum();
    let all = if rate >= 1.0 { format!(" · {} in all", text::rate(rate as u64, 1.0)) } else { String::new() };
    let waits = match model.waiting_transfers() {
        0 => String::new(),
        some => format!(" · {some} waiting"),
    };
    format!("{running} running{waits}{all}")
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "transfers"
    }

    fn header(&self, model: &Model) -> (String, String) {
        ("Transfers".to_owned(), summary(model))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        view(frame, area, theme, model);
    }

    fn offered(&self) -> &'static [Action] {
        &[Action::Open, Action::Stop, Action::Start, Action::Remove, Action::Catalog, Action::Back, Action::Help]
    }

    fn label(&self, action: Action, model: &Model) -> &'static str {
        let transfer = model.jobs.selected().is_none_or(|job| job.transfer().is_some());
        match action {
            Action::Stop if transfer => "pause",
            Action::Start => "go on",
            Action::Remove => "cancel",
            other => other.words(),
        }
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let Some(job) = model.jobs.selected() else {
            let needs_one = matches!(action, Action::Stop | Action::Start | Action::Remove | Action::Open);
            return needs_one.then(|| "nothing is selected".to_owned());
        };
        let why = match action {
            Action::Stop => (!job.runs()).then_some("it does not run"),
            Action::Start if job.runs() => Some("it runs"),
            Action::Start => (!job.waits()).then_some("only a transfer that waits goes on"),
            Action::Remove => (!job.runs() && !job.waits()).then_some("it is at its end"),
            _ => None,
        };
        why.map(str::to_owned)
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let area = model.body();
        Some(ScrollArea { each: 2, ..ScrollArea::new(&mut model.jobs, area) })
    }

    fn read_again(&self) -> Vec<Effect> {
        vec![Effect::Transfer(TransferEffect::Follow)]
    }

    fn leave(&self) -> &'static [Slot] {
        &[Slot::Transfers]
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Stop | Action::Start | Action::Remove => {
                let seen = model.jobs.seen_one();
                let Some(seen) = model.act_on(seen) else { return Vec::new() };
                let job = model.jobs.selected().filter(|job| job.id == *seen.id());
                let Some(id) = job.and_then(Job::transfer).map(str::to_owned) else {
                    // A job that is no transfer can only be cancelled.
                    return if action == Action::Start { Vec::new() } else { vec![Effect::Cancel(seen)] };
                };
                let effect = match action {
                    Action::Stop => {
                        model.say("pausing it where it can go on");
                        TransferEffect::Pause(id)
                    }
                    Action::Remove => {
                        let title = job.map(|job| job.title.clone()).unwrap_or_default();
                        let question = format!("Cancel '{title}'? What was moved so far is removed.");
                        model.popups.push(Popup::Confirm { question, sure: Confirmation::CancelTransfer(id) });
                        return Vec::new();
                    }
                    _ => {
                        let title = job.map(|job| job.title.clone()).unwrap_or_default();
                        TransferEffect::Resume { job: model.job(title), id }
                    }
                };
                vec![Effect::Transfer(effect)]
            }
            Action::Open => {
                if let Some(text) = model.jobs.selected().map(|job| job_text(job, model.now)) {
                    model.popups.push(Popup::text("Transfer", text));
                }
                Vec::new()
            }
            _ => Vec::new(),
        }
    }
}
