//! Drawing the requests: the list, all about the selected one, and what the keys decide.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    Page,
    columns::{RequestRow, any, queue},
    dossier::told,
    lines::{ListLine, are_alike},
    regions::Regions,
};
use crate::{
    kit::{
        action::Action,
        nothing::Nothing,
        panel::{self, Window},
        reading::Reading,
        table::{self, TableRow},
        theme::Theme,
        widgets::{failed_below, fit, put, row, select, vanished_message, wrap},
    },
    model::Model,
};
use wharf_core::{
    base::{clean, quote::inline, text},
    request::{Pace, Request, RequestFilter},
};

impl Page {
    /// Draws the list, all about the selected request beside or below it, and what the keys decide.
    pub fn view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        let parts = self.regions(area, model.views.of("requests").alone);
        let area = failed_below(frame, area, self.error.as_ref(), theme);
        let Some(all) = self.rows.all() else {
            let words = if self.error.is_some() { "" } else { "  reading…" };
            return put(frame, row(area, 1), Line::styled(words, theme.style("dim")));
        };
        if all.is_empty() {
            let (lately, above) = self.lately_alone(area);
            self.empty(frame, above, theme, model);
            return self.lately_view(frame, &lately, theme, model.now);
        }
        if !parts.head.is_empty() {
            self.list_view(frame, &parts, theme, model.now);
        }
        self.waiting_view(frame, parts.waiting, theme);
        self.lately_view(frame, &parts.lately, theme, model.now);
        self.dossier_view(frame, &parts, theme, model.now);
        self.decision_view(frame, parts.decision, theme, model);
    }

    fn pace(&self) -> Pace {
        self.me.as_ref().map(|(_, pace)| *pace).unwrap_or_default()
    }

    fn list_view(&self, frame: &mut Frame<'_>, parts: &Regions, theme: &Theme, now: i64) {
        let all = self.rows.all().unwrap_or_default();
        let lines = self.lines();
        let height = usize::from(parts.rows.height);
        let top = self.first_line(&lines, height);
        let (of_queue, of_any) = (queue(), any());
        let columns = if self.decides() { &of_queue[..] } else { &of_any[..] };
        let asked = all.iter().any(|one| one.question().is_some());
        let scanned = all.iter().any(|one| one.dossier.as_ref().is_some_and(|dossier| dossier.scan.is_some()));
        let wanted = |column: &table::Column<RequestRow<'_>>| match column.head {
            "STAGE" => !self.decides() || asked,
            "SCAN" => scanned,
            // Where all about a request stands beside the list, a sentence about each would say it twice.
            "HOW IT STANDS" => !parts.beside,
            _ => true,
        };
        let shown = table::fitting(columns, parts.rows.width, wanted);
        let pace = self.pace();
        let rows = lines.iter().skip(top).take(height).map(|line| {
            let request = match line {
                ListLine::Group(_) => None,
                ListLine::Request(index) => all.get(*index),
            };
            let marked = request.is_some_and(|one| self.rows.marked().contains(&one.id));
            let standing = request.map(|one| one.standing(pace, now)).unwrap_or_default();
            TableRow { row: RequestRow { request, standing, now }, marked }
        });
        let selected = self.selected_line(&lines).and_then(|at| at.checked_sub(top)).filter(|at| *at < height);
        table::draw(frame, parts.head.union(parts.rows), (columns, &shown), rows, (selected, true), "", theme);
        for (place, line) in lines.iter().skip(top).take(height).enumerate() {
            if let (ListLine::Group(index), Ok(place)) = (line, u16::try_from(place)) {
                let Some(one) = all.get(*index) else { continue };
                let is_on = self.selected_group().is_some_and(|on| are_alike(on, one));
                let (lead, sign) = (if is_on { "▌" } else { "" }, if self.is_folded(one) { "▸" } else { "▾" });
                let words = fit(&format!("{lead}{sign} {}", self.group_words(one)), usize::from(parts.rows.width));
                put(frame, row(parts.rows, place), select(Line::styled(words, theme.style("title")), is_on, theme));
            }
        }
        if parts.beside {
            let (pane, window) = (parts.dossier, Window { top, shown: height, count: lines.len() });
            panel::divider(frame, pane.x.saturating_sub(1), pane, Some(window), theme);
        }
    }

    /// What a group has in common, and how many of it wait.
    fn group_words(&self, one: &Request) -> String {
        let base = match one.base() {
            "" => String::new(),
            base => format!(" · built on {}", inline(base)),
        };
        let marked = self.members(one).filter(|other| self.rows.marked().contains(&other.id)).count();
        let marked = if marked == 0 { String::new() } else { format!(" · {marked} marked") };
        format!("{}{base} · {} waiting{marked}", clean::line(one.rule()), self.group_size(one))
    }

    /// How many requests wait that the same rule blocks on the same base image.
    fn group_size(&self, one: &Request) -> usize {
        let known =
            self.groups.iter().find(|group| (group.rule.as_str(), group.base.as_str()) == (one.rule(), one.base()));
        let read = self.rows.iter().filter(|other| are_alike(one, other)).count();
        known.and_then(|group| usize::try_from(group.count).ok()).unwrap_or(read).max(read)
    }

    fn dossier_view(&self, frame: &mut Frame<'_>, parts: &Regions, theme: &Theme, now: i64) {
        let area = parts.dossier;
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let Some(one) = self.rows.selected() else {
            let inner = panel::titled(frame, area, "", "", false, theme);
            let words = self.rows.vanished().map(vanished_message).unwrap_or_default();
            for (number, line) in wrap(&words, width.saturating_sub(3).max(8)).into_iter().enumerate() {
                put(frame, row(inner, number as u16), Line::styled(format!(" {line}"), theme.style("text")));
            }
            return;
        };
        if let Some(group) = self.selected_group() {
            return self.group_view(frame, area, group, theme, now);
        }
        let title = format!("{} {}", one.id, clean::line(&one.asked.title));
        let inner = panel::titled(frame, area, &title, &text::age(one.since, now), false, theme);
        let told = told(one, self.pace(), now, area.width, parts.beside, self.decides());
        told.text.draw(frame, inner, "enter shows all of it", theme);
    }

    /// What the selected group is, and the requests that were read of it.
    fn group_view(&self, frame: &mut Frame<'_>, area: Rect, group: &Request, theme: &Theme, now: i64) {
        let facts = format!("{} waiting", self.group_size(group));
        let inner = panel::titled(frame, area, "Group", &facts, false, theme);
        let mut told = Reading::new(area.width);
        told.say(&format!("the rule “{}” blocks all of them", clean::line(group.rule())), "text");
        match group.base() {
            "" => told.say("what they are built on is not known", "dim"),
            base => told.say(&format!("all of them are built on {}", inline(base)), "text"),
        }
        told.section("Requests", "");
        for one in self.members(group) {
            let sign = if self.rows.marked().contains(&one.id) { "●" } else { "·" };
            let people: Vec<&str> = one.open_wishes().map(|wish| wish.person.as_str()).collect();
            let words =
                format!("{} {} · {} · {}", one.id, one.asked.title, people.join(" "), text::age(one.since, now));
            told.signed(sign, "key", &words);
        }
        told.draw(frame, inner, "the list has them all", theme);
    }

    /// Whether all that an approval of this request takes is on the screen, so that a key alone may approve it.
    pub(super) fn shows_what_is_taken(&self, one: &Request, model: &Model) -> bool {
        let parts = self.regions(model.body(), model.views.of("requests").alone);
        let roomy = parts.beside;
        let told = told(one, self.pace(), 0, parts.dossier.width, roomy, self.decides());
        // The rule above the pane, and the line that says that there is more.
        told.taken.is_some_and(|lines| lines + 2 <= usize::from(parts.dossier.height))
    }

    /// What the keys decide, and for how many: marked requests are decided on together.
    fn decision_view(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        if area.height < 2 {
            return;
        }
        let width = usize::from(area.width);
        let title = match self.rows.marked().len() {
            0 => "Decide".to_owned(),
            marked => format!("Decide on {marked} marked"),
        };
        put(frame, row(area, 0), panel::rule(width, &title, "", true, theme));
        let Some(selected) = self.rows.selected() else {
            let words = self.rows.vanished().map(vanished_message).unwrap_or_default();
            return put(frame, row(area, 1), Line::styled(fit(&format!(" {words}"), width), theme.style("text")));
        };
        let key = |action: Action| model.keymap.label("requests", action);
        let group = self.selected_group().is_some();
        let chosen = match self.rows.marked().len() {
            0 if group => "the group".to_owned(),
            0 => selected.id.to_string(),
            marked => format!("{marked} marked"),
        };
        let mut parts: Vec<(Action, String)> = vec![
            (Action::Approve, "approve".to_owned()),
            (Action::Conditions, "on conditions".to_owned()),
            (Action::Refuse, "reject".to_owned()),
        ];
        let alike = self.group_size(selected);
        let one = vec![
            (Action::AskBack, "ask back".to_owned()),
            (Action::ApproveClass, format!("the class ({alike} waiting)")),
        ];
        if group && self.rows.marked().is_empty() {
            parts = vec![(Action::MarkGroup, "mark all of it".to_owned())];
        }
        let mut spans = vec![Span::styled(format!(" {chosen}: "), theme.style("title"))];
        let several = !self.rows.marked().is_empty();
        let mut used = chosen.width() + 3;
        let first = parts.len();
        parts.extend(one);
        for (number, (action, words)) in parts.into_iter().enumerate() {
            let other = if group { "the group".to_owned() } else { selected.id.to_string() };
            let lead = if several && number == first { format!("  {other}: ") } else { "  ".to_owned() };
            let label = key(action);
            let columns = lead.width() + label.width() + words.width() + 1;
            if used + columns > width {
                break;
            }
            used += columns;
            let refused = self.refuses(action).is_some();
            spans.push(Span::styled(lead, theme.style("title")));
            spans.push(Span::styled(label, theme.style(if refused { "dim" } else { "key" })));
            spans.push(Span::styled(format!(" {words}"), theme.style(if refused { "dim" } else { "text" })));
        }
        put(frame, row(area, 1), Line::from(spans));
    }

    fn empty(&self, frame: &mut Frame<'_>, area: Rect, theme: &Theme, model: &Model) {
        if !model.requests {
            let how = "With one, an image that the policy holds back is asked for here, and decided here. \
                       Administrators name it: [requests] admitted = \"HOST/PROJECT\" (README: A site in ten minutes).";
            return Nothing::new("This site has no place for admitted images yet.", how).draw(frame, area, theme);
        }
        let (what, when) = match self.which {
            RequestFilter::Mine => {
                ("You have asked for nothing.", "An image that the policy holds back can be asked for.")
            }
            RequestFilter::Queue => (
                "Nothing waits for a decision.",
                "What the policy does not allow by itself shows here, with its evidence.",
            ),
            RequestFilter::All => ("There are no requests yet.", "They show here, with what became of them."),
        };
        let next = match self.which {
            RequestFilter::Mine => "shows what others asked for",
            RequestFilter::Queue => "shows all, also those that are decided",
            RequestFilter::All => "shows yours",
        };
        Nothing::new(what, when)
            .key(&model.keymap, "image", Action::Request, "on an image asks for it")
            .key(&model.keymap, "requests", Action::NextPane, next)
            .draw(frame, area, theme);
    }
}
