//! The bar: all screens with their numbers and counts, and where the person is. Drawn and clicked from the same data.

use ratatui::{
    Frame,
    layout::Rect,
    text::{Line, Span},
};
use unicode_width::UnicodeWidthStr;

use super::{
    kit::{
        action::Action,
        theme::Theme,
        widgets::{fit, put},
    },
    state::State,
};
use wharf_core::base::text;

/// A screen in the bar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tab {
    /// The action that opens it.
    pub action: Action,
    /// The text, with the brackets of the shown screen.
    pub text: String,
    /// The first column.
    pub column: u16,
    /// Whether it is shown.
    pub active: bool,
    /// Whether something there is as it should not be.
    pub failing: bool,
}

/// A screen, its scopes in the key map, its word, and the sign of its count.
type Place = (Action, &'static [&'static str], &'static str, &'static str);

/// The screens in the order of their numbers.
const PLACES: [Place; 7] = [
    (Action::Catalog, &["catalog", "image", "launch", "welcome"], "Images", ""),
    (Action::Workloads, &["workloads", "workload"], "Workloads", "●"),
    (Action::Transfers, &["transfers"], "Transfers", "⇅"),
    (Action::Sources, &["sources"], "Sources", "✗"),
    (Action::Offers, &["offers"], "Offers", "◇"),
    (Action::Requests, &["requests"], "Requests", "◷"),
    (Action::Inbox, &["inbox"], "Inbox", "•"),
];

/// The columns of the program's name, before the first screen.
const NAME: u16 = 9;

/// The screens in the bar of a terminal of so many columns. Where there is no room for all words, the shown screen has
/// its word, then those that have something to say, then the others from the left; numbers and counts are always there.
pub fn tabs(state: &State, columns: u16) -> Vec<Tab> {
    let scope = state.shown().scope();
    let mut worded = [false; PLACES.len()];
    let shown = |at: &usize| PLACES[*at].1.contains(&scope);
    let tells = |at: &usize| count(state, PLACES[*at].0) > 0;
    let mut order: Vec<usize> = (0..PLACES.len()).collect();
    order.sort_by_key(|at| (!shown(at), !tells(at)));
    for at in order {
        worded[at] = true;
        if end(&laid_out(state, scope, &worded, 0, Gap::One)) > columns {
            worded[at] = false;
        }
    }
    let all = worded.iter().all(|word| *word);
    let named = all.then(|| laid_out(state, scope, &worded, NAME, Gap::Two));
    let wide =
        named.into_iter().chain([laid_out(state, scope, &worded, 0, Gap::Two)]).find(|tabs| end(tabs) <= columns);
    wide.unwrap_or_else(|| laid_out(state, scope, &worded, 0, Gap::One))
}

/// The column after the last screen.
fn end(tabs: &[Tab]) -> u16 {
    tabs.last().map_or(0, |last| last.column.saturating_add(last.text.width() as u16))
}

/// How many blanks are between two screens.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    One,
    Two,
}

/// The screens from a column on, with words for some of them.
fn laid_out(state: &State, scope: &str, worded: &[bool], mut column: u16, gap: Gap) -> Vec<Tab> {
    let tab = |((action, scopes, word, sign), worded): (&Place, &bool)| {
        let key = state.keymap.label(scope, *action);
        let active = scopes.contains(&scope);
        let count = count(state, *action);
        let word = if *worded { *word } else { "" };
        let told = if count > 0 { format!("{sign}{}", text::count(count)) } else { String::new() };
        let words: Vec<&str> = [key.as_str(), word, &told].into_iter().filter(|part| !part.is_empty()).collect();
        let words = words.join(" ");
        let words = if active { format!("[{words}]") } else { words };
        let text = match gap {
            Gap::Two if active => words,
            Gap::Two => format!(" {words} "),
            Gap::One if column == 0 => words,
            Gap::One => format!(" {words}"),
        };
        let begin = column;
        column = column.saturating_add(text.width() as u16);
        Tab { action: *action, text, column: begin, active, failing: *action == Action::Sources && count > 0 }
    };
    PLACES.iter().zip(worded).map(tab).collect()
}

/// What a screen counts: images, running workloads and jobs, failing sources, offers, requests that wait for this
/// person, unread notices. 0 is not shown.
fn count(state: &State, action: Action) -> u64 {
    let count = match action {
        Action::Catalog => state.catalog.total(),
        Action::Workloads => state.model.lists.live(),
        Action::Transfers => state.running() + state.model.waiting_transfers(),
        Action::Sources => state.catalog.failing(),
        Action::Offers => state.offered,
        Action::Requests => state.model.to_decide,
        Action::Inbox => usize::try_from(state.unread).unwrap_or(0),
        _ => 0,
    };
    count as u64
}

/// Whether an action opens a screen of the bar.
pub fn opens(action: Action) -> bool {
    PLACES.iter().any(|place| place.0 == action)
}

/// The action of the screen at a column of the bar; `None` if none is there.
pub fn clicked(state: &State, column: u16) -> Option<Action> {
    let inside = |tab: &Tab| (tab.column..tab.column.saturating_add(tab.text.width() as u16)).contains(&column);
    tabs(state, state.size.0).into_iter().find(inside).map(|tab| tab.action)
}

/// Draws the bar.
pub fn view(state: &State, frame: &mut Frame<'_>, area: Rect, theme: &Theme) {
    let tabs = tabs(state, area.width);
    let mut spans = Vec::new();
    let mut used = 0;
    if tabs.first().is_some_and(|first| first.column > 0) {
        spans.push(Span::styled(" wharf ", theme.style("title")));
        spans.push(Span::styled("│ ", theme.style("border")));
        used += 9;
    }
    for tab in tabs {
        let role = match (tab.active, tab.failing) {
            (true, _) => "tab.selected",
            (false, true) => "bad",
            (false, false) => "text",
        };
        used += tab.text.width();
        spans.push(Span::styled(tab.text, theme.style(role)));
    }
    let who = &state.model.person;
    let room = usize::from(area.width).saturating_sub(used);
    if !who.is_empty() && room > who.width() + 2 {
        spans.push(Span::raw(" ".repeat(room - who.width() - 1)));
        spans.push(Span::styled(fit(who, who.width()), theme.style("dim")));
    }
    put(frame, area, Line::from(spans));
}
