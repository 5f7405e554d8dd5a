//! The columns of the list of workloads, as data.

use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr;

use crate::{
    kit::{
        plot::gauge::gauge,
        table::{Column, Width, number_cell, text_cell},
        theme::Theme,
        widgets::{fit, fit_path, state_role},
    },
    usage::charts::Measured,
};
use wharf_core::{
    base::text,
    launch::{
        plan::{State, Workload},
        usage::{UNTOLD, Usage},
    },
};

/// What is known of the use of a workload.
#[derive(Clone, Copy)]
pub(super) enum Used<'a> {
    /// The measurements of the workload.
    Told(Measured<'a>),
    /// Its backend does not measure, failed, or has measured nothing of it.
    Untold,
    /// It was not measured yet.
    Unknown,
}

impl Used<'_> {
    fn label(self, words: impl Fn(&Usage) -> String) -> String {
        match self {
            Self::Told(measured) => words(measured.usage),
            Self::Untold => UNTOLD.to_owned(),
            Self::Unknown => String::new(),
        }
    }
}

/// What the columns say about a workload.
pub(super) struct WorkloadRow<'a> {
    pub workload: &'a Workload,
    pub used: Used<'a>,
    /// The time in seconds since 1970.
    pub now: i64,
}

/// The heads of columns that are left out where they would say nothing.
pub(super) const BACKEND: &str = "BACKEND";
pub(super) const ADDRESS: &str = "ADDRESS";

/// Columns of the pane from which the use is also drawn.
pub(super) const PLOTS_FROM: u16 = 60;
/// The columns of the plots before the numbers.
const PLOT: usize = 8;

/// The columns in their order; with `plots`, the use is drawn beside its numbers.
pub(super) const fn columns<'a>(plots: bool) -> [Column<WorkloadRow<'a>>; 8] {
    let (cpu_width, memory_width) = if plots { (PLOT as u16 + 7, PLOT as u16 + 11) } else { (7, 10) };
    [
        Column { head: "NAME", width: Width::Fill(8), goes: 0, right: false, cell: name },
        Column { head: "STATE", width: Width::Fixed(12), goes: 0, right: false, cell: state },
        Column { head: BACKEND, width: Width::Fixed(9), goes: 5, right: false, cell: backend },
        Column { head: "CPU", width: Width::Fixed(cpu_width), goes: 1, right: true, cell: cpu },
        Column { head: "MEMORY", width: Width::Fixed(memory_width), goes: 2, right: true, cell: memory },
        Column { head: "AGE", width: Width::Fixed(7), goes: 3, right: false, cell: age },
        Column { head: "IMAGE", width: Width::Fill(12), goes: 4, right: false, cell: image },
        Column { head: ADDRESS, width: Width::Fixed(25), goes: 6, right: false, cell: address },
    ]
}

fn name(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.name, width, "text", theme)
}

fn state(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let (sign, word) = row.workload.state.label();
    let words = format!("{sign} {word}");
    // The column of the memory says why.
    let short = row.workload.state == State::OutOfMemory && words.width() > width;
    let words = if short { format!("{sign} killed") } else { words };
    text_cell(&words, width, state_role(&row.workload.state), theme)
}

fn backend(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.backend, width, "dim", theme)
}

fn cpu(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let Some(room) = width.checked_sub(PLOT).filter(|_| width > PLOT) else {
        return number_cell(&row.used.label(Usage::cpu_words), width, "text", theme);
    };
    let short = |usage: &Usage| {
        usage.cpu_percent.map_or_else(|| UNTOLD.to_owned(), |percent| format!("{}%", text::three_digits(percent)))
    };
    let spark = match row.used {
        Used::Told(measured) => measured.cpu_spark(PLOT, theme),
        Used::Untold | Used::Unknown => Span::raw(""),
    };
    // The newest value is beside the number.
    let gap = " ".repeat(PLOT.saturating_sub(spark.width()));
    let words = fit(&format!("{:>room$}", row.used.label(short)), room);
    Line::from(vec![Span::raw(gap), spark, Span::styled(words, theme.style("text"))])
}

fn memory(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    if row.workload.state == State::OutOfMemory {
        return number_cell(if width < 13 { "used up" } else { "out of memory" }, width, "bad", theme);
    }
    let full = matches!(row.used, Used::Told(measured) if measured.usage.is_nearly_full());
    let role = if full { "bad" } else { "text" };
    let sign = if full { "! " } else { "" };
    let limited = match row.used {
        Used::Told(measured) => measured.usage.memory.zip(measured.usage.memory_limit),
        Used::Untold | Used::Unknown => None,
    };
    match (limited, width.checked_sub(PLOT).filter(|_| width > PLOT + 4)) {
        (Some((used, limit)), Some(room)) => {
            let mut line = gauge(used, limit, PLOT, theme);
            let words = format!("{:>room$}", format!("{sign}{}", text::short_size_of(used, limit)));
            line.spans.push(Span::styled(fit(&words, room), theme.style(role)));
            line
        }
        _ => number_cell(&format!("{sign}{}", row.used.label(Usage::memory_words)), width, role, theme),
    }
}

fn age(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let age = row.workload.created.map(|created| text::age(created, row.now)).unwrap_or_default();
    text_cell(&age, width, "dim", theme)
}

fn image(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    let image = row.workload.image_words();
    // The end of an image's name distinguishes it best.
    let last = image.rsplit('/').next().unwrap_or_default();
    let shown = if width < 20 && image.width() > width { fit(last, width) } else { fit_path(&image, width).0 };
    Line::styled(shown, theme.style("text"))
}

fn address(row: &WorkloadRow<'_>, width: usize, theme: &Theme) -> Line<'static> {
    text_cell(&row.workload.reached(), width, "dim", theme)
}
