//! Versions on a line of dates.

use ratatui::text::Line;
use unicode_width::UnicodeWidthStr;

use crate::kit::theme::Theme;
use wharf_core::base::text;

/// A version and when it was made, in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// Its name, as a tag has it.
    pub name: String,
    /// When it was made.
    pub made: i64,
}

/// Three lines of at most `width` columns: the years, the line with `●` for each version, and the names below it. Names
/// that would collide are left out; the newest is placed first. Nothing without versions or on fewer than 12 columns.
pub fn dates(versions: &[Dated], width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let (Some(first), Some(last)) =
        (versions.iter().map(|one| one.made).min(), versions.iter().map(|one| one.made).max())
    else {
        return Vec::new();
    };
    if width < 12 {
        return Vec::new();
    }
    let place = |made: i64| {
        // The line goes on after the newest version, so that its end is not taken for today.
        let room = i128::from(u32::try_from(width - 4).unwrap_or(u32::MAX));
        let span = (i128::from(last) - i128::from(first)).max(1);
        let at = if last == first { room } else { (i128::from(made) - i128::from(first)) * room / span };
        1 + usize::try_from(at.clamp(0, room)).unwrap_or(0)
    };
    let mut line: Vec<&str> = vec!["─"; width];
    let mut years = Labels::new(width);
    let ticks = new_years(first, last);
    if ticks.is_empty() {
        let day = |time: i64| text::timestamp(time).get(..10).unwrap_or_default().to_owned();
        years.put_centred(place(last), &day(last));
        years.put_centred(place(first), &day(first));
    }
    for (year, begins) in ticks.iter().rev() {
        line[place(*begins)] = "┼";
        years.put_centred(place(*begins), year);
    }
    let mut names = Labels::new(width);
    let mut newest: Vec<&Dated> = versions.iter().collect();
    newest.sort_by_key(|one| std::cmp::Reverse(one.made));
    for one in newest {
        line[place(one.made)] = "●";
        names.put_centred(place(one.made), &one.name);
    }
    line[width - 1] = "▸";
    vec![
        Line::styled(years.text(), theme.style("dim")),
        Line::styled(line.concat(), theme.style("bar")),
        Line::styled(names.text(), theme.style("text")),
    ]
}

/// The years that begin between two times, each with the time at which it does.
fn new_years(first: i64, last: i64) -> Vec<(String, i64)> {
    let year = |time: i64| text::timestamp(time).get(..4).and_then(|year| year.parse::<i32>().ok());
    let (Some(from), Some(to)) = (year(first), year(last)) else { return Vec::new() };
    let begins = |year: i32| Some((year.to_string(), text::parse_timestamp(&format!("{year:04}-01-01T00:00:00Z"))?));
    (from.saturating_add(1)..=to).filter_map(begins).collect()
}

/// Words placed on a line without touching each other.
struct Labels {
    width: usize,
    placed: Vec<(usize, String)>,
}

impl Labels {
    fn new(width: usize) -> Self {
        Self { width, placed: Vec::new() }
    }

    /// Places a word with its middle at a column, moved inwards at the ends; leaves it out where it would touch another.
    fn put_centred(&mut self, column: usize, word: &str) {
        let size = word.width();
        if size == 0 || size > self.width {
            return;
        }
        let begin = column.saturating_sub(size / 2).min(self.width - size);
        let touches = |(at, other): &(usize, String)| begin <= at + other.width() && *at <= begin + size;
        if !self.placed.iter().any(touches) {
            self.placed.push((begin, word.to_owned()));
        }
    }

    fn text(mut self) -> String {
        self.placed.sort();
        self.placed.into_iter().fold(String::new(), |line, (at, word)| {
            let gap = " ".repeat(at.saturating_sub(line.width()));
            format!("{line}{gap}{word}")
        })
    }
}
