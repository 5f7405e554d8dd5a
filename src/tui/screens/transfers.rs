//! Transfers and other jobs, running and ended: copies, shares, launches, stops.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};

use crate::{
    kit::{
        action::Action,
        list::{Rows, ScrollArea, Scrollable},
        theme::Theme,
        widgets::{bar, fit, put, row, select},
    },
    model::{Job, Model},
    msg::Effect,
    popups::Popup,
};
use wharf_core::base::{error::Kind, text};

/// The screen has no state of its own: the jobs are in the model, because every screen's header counts them.
#[derive(Debug, Default)]
pub struct Page;

/// Draws the list of jobs, two lines each.
fn view(frame: &mut Frame<'_>, area: Rect, rows: &Rows<Job>, theme: &Theme, now: i64) {
    if rows.count() == 0 {
        put(frame, row(area, 1), Line::styled("  nothing has been sent or launched yet", theme.style("text")));
        return put(
            frame,
            row(area, 2),
            Line::styled("  shares, copies and launches show here with their progress", theme.style("dim")),
        );
    }
    let width = area.width as usize;
    let height = area.height as usize / 2;
    let top = rows.window(height);
    for (number, job) in rows.iter().enumerate().skip(top).take(height) {
        let (sign, role, words) = match &job.ended {
            None => ("…", "text", progress(job, width, now)),
            Some(Ok(words)) => ("✓", "good", words.clone()),
            Some(Err(error)) if error.kind == Kind::Cancelled => ("■", "dim", "cancelled".to_owned()),
            Some(Err(error)) => ("✗", "bad", error.to_string()),
        };
        let line = Line::from(vec![
            Span::styled(format!(" {sign} "), theme.style(role)),
            Span::styled(fit(&job.title, width.saturating_sub(4)), theme.style("text")),
        ]);
        let place = ((number - top) * 2) as u16;
        put(frame, row(area, place), select(line, rows.selected_index() == Some(number), theme));
        put(
            frame,
            row(area, place + 1),
            Line::styled(
                format!("   {}", fit(&words, width.saturating_sub(3))),
                theme.style(if role == "text" { "bar" } else { "dim" }),
            ),
        );
    }
}

/// A job in full: what it does, when it began, how far it is or how it ended.
fn job_text(job: &Job, now: i64) -> String {
    let how = match &job.ended {
        None => format!("… {}", progress(job, 0, now).trim()),
        Some(Ok(words)) => format!("✓ {words}"),
        Some(Err(error)) if error.kind == Kind::Cancelled => "■ cancelled".to_owned(),
        Some(Err(error)) => error.full_text(),
    };
    format!("{}\nbegun {}\n\n{how}", job.title, text::ago(job.started, now))
}

fn progress(job: &Job, width: usize, now: i64) -> String {
    let note = &job.note;
    let seconds = (now - job.started).max(1) as f64;
    match note.total {
        Some(total) if total > 0 => {
            let moved = note.done.saturating_sub(note.spared);
            format!(
                "{} {} of {} · {} · {}",
                bar(note.done, total, (width / 5).min(24)),
                text::size(note.done),
                text::size(total),
                text::rate(moved, seconds),
                note.phase
            )
        }
        _ => format!(
            "{} · {}",
            if note.phase.is_empty() { "starting" } else { &note.phase },
            text::age(job.started, now)
        ),
    }
}

impl super::page::Page for Page {
    fn scope(&self) -> &'static str {
        "transfers"
    }

    fn header(&self, model: &Model) -> (String, String) {
        ("Transfers".to_owned(), format!("{} running", model.running()))
    }

    fn draw(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        view(frame, area, &model.jobs, theme, model.now);
    }

    fn offered(&self) -> &'static [Action] {
        &[Action::Open, Action::Stop, Action::Catalog, Action::Back, Action::Help]
    }

    fn disabled(&self, action: Action, model: &Model) -> Option<String> {
        let ended = model.jobs.selected().is_none_or(|job| job.ended.is_some());
        (action == Action::Stop && ended).then(|| "it does not run".to_owned())
    }

    fn list<'a>(&'a mut self, model: &'a mut Model) -> Option<ScrollArea<'a>> {
        let area = model.body();
        Some(ScrollArea { each: 2, ..ScrollArea::new(&mut model.jobs, area) })
    }

    fn act(&mut self, action: Action, model: &mut Model) -> Vec<Effect> {
        match action {
            Action::Stop => {
                let seen = model.jobs.seen_one();
                model.act_on(seen).map(Effect::Cancel).into_iter().collect()
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
