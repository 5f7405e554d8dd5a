//! Lists that are read page by page: where the next page is, and limits for all of them.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use reqwest::{Response, header};

use super::server::{Server, ServerAddress};
use wharf_core::base::error::{Error, Result};

/// Most rows of a list that are read: twice as many as the largest registry of the benchmark has.
const MOST_ROWS: usize = 200_000;
/// Most bytes of all pages of a list.
const MOST_BYTES: usize = 128 << 20;
/// Most pages of a list.
const MOST_PAGES: usize = 20_000;
/// Longest time for all pages of a list.
const MOST_TIME: Duration = Duration::from_secs(180);

/// What is left of the limits of one list. Parallel requests share it.
#[derive(Debug)]
pub struct Allowance {
    rows: AtomicUsize,
    bytes: AtomicUsize,
    pages: AtomicUsize,
    until: Instant,
}

impl Default for Allowance {
    fn default() -> Self {
        Self::new(MOST_ROWS, MOST_BYTES)
    }
}

/// The rows of a list that were read, and why the rest was not.
#[derive(Debug)]
pub struct Part<T> {
    /// The rows that were read.
    pub rows: Vec<T>,
    /// Why the list is incomplete, in words; `None` if it is complete.
    pub cut: Option<String>,
}

impl<T> Part<T> {
    /// All rows; fails if the list is incomplete.
    pub fn whole(self, what: &str) -> Result<Vec<T>> {
        match self.cut {
            None => Ok(self.rows),
            Some(why) => Err(Error::failed(what, format!("the list is not complete: {why}"))
                .hint("tell the administrators of the source (no real list is as long)")),
        }
    }
}

impl Allowance {
    /// An allowance of so many rows and bytes.
    pub fn new(rows: usize, bytes: usize) -> Self {
        Self { rows: rows.into(), bytes: bytes.into(), pages: MOST_PAGES.into(), until: Instant::now() + MOST_TIME }
    }

    /// Counts a page with so many rows and bytes. Returns why no further page may be read, if that is so.
    pub fn count_page(&self, rows: usize, bytes: usize) -> Option<String> {
        let take = |left: &AtomicUsize, count: usize| {
            let less = |left: usize| Some(left.saturating_sub(count));
            left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok_and(|before| before <= count)
        };
        // All limits are counted, whichever ends first.
        let ended = [take(&self.rows, rows), take(&self.bytes, bytes), take(&self.pages, 1)];
        let why = match ended {
            [true, ..] => "it has more rows than Wharf reads of one list",
            [_, true, _] => "its rows are longer than Wharf reads of one list",
            [.., true] => "it has more pages than Wharf reads of one list",
            _ if Instant::now() >= self.until => "it takes longer than Wharf waits for one list",
            _ => return None,
        };
        Some(why.to_owned())
    }

    /// Why no further page may be read, if that is so.
    pub fn ended(&self) -> Option<String> {
        let empty = |left: &AtomicUsize| left.load(Ordering::Relaxed) == 0;
        (empty(&self.rows) || empty(&self.bytes) || empty(&self.pages) || Instant::now() >= self.until)
            .then(|| "there is more than Wharf reads of one list".to_owned())
    }
}

/// The next page of a list, from `Link: </v2/_catalog?last=x&n=100>; rel="next"` (RFC 8288; distribution specification,
/// "Listing Tags"), relative or absolute. It is always read from the same server, whatever host the link names.
pub fn next_page(server: &Server, response: &Response, current: &ServerAddress) -> Option<ServerAddress> {
    server.rebased(current, &next_link(response)?)
}

/// The target of the link to the next page in an answer's headers, as it is written there.
pub fn next_link(response: &Response) -> Option<String> {
    let lines = response.headers().get_all(header::LINK);
    lines.iter().filter_map(|line| line.to_str().ok()).find_map(next_link_target)
}

/// The target of the link with the relation `next` in a header line.
fn next_link_target(line: &str) -> Option<String> {
    if !line.contains('<') {
        // Some servers leave out the brackets; a line with a single link can be read nevertheless.
        let (target, parameters) = line.split_once(';')?;
        let is_next = relations(parameters).any(|relation| relation.eq_ignore_ascii_case("next"));
        return Some(target.trim().to_owned()).filter(|target| is_next && !target.is_empty());
    }
    let mut rest = line;
    loop {
        let (_, after) = rest.split_once('<')?;
        let (target, after) = after.split_once('>')?;
        let (parameters, further) = split_link(after);
        if relations(parameters).any(|relation| relation.eq_ignore_ascii_case("next")) {
            return Some(target.trim().to_owned());
        }
        rest = further;
    }
}

/// The parameters of a link, and what follows the comma after it. Commas inside quotes are part of a parameter.
fn split_link(text: &str) -> (&str, &str) {
    let mut quoted = false;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ',' if !quoted => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// The relations that a link's parameters name; the first `rel` counts (RFC 8288, section 3.3).
fn relations(parameters: &str) -> impl Iterator<Item = &str> {
    let rel = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("rel").then(|| value.trim().trim_matches('"'))
    });
    rel.unwrap_or_default().split_ascii_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_all_that_a_line_may_hold() {
        for (line, target) in [
            (r#"</v2/_catalog?last=a&n=1>; rel="next""#, Some("/v2/_catalog?last=a&n=1")),
            ("</v2/_catalog?last=a>;rel=next", Some("/v2/_catalog?last=a")),
            (r#"</a?n=1>; rel="prev", </b,c?n=1>; title="x, <y>"; REL="last Next""#, Some("/b,c?n=1")),
            (r#"</about>; rel="describedby"; title="next""#, None),
            (r#"</a>; rel="nextish""#, None),
            (r#"</a>; rel="prev"; rel="next""#, None),
            ("/v2/_catalog?last=a&n=1; rel=next", Some("/v2/_catalog?last=a&n=1")),
            ("/v2/_catalog?last=a; rel=prev", None),
            ("<?last=a&n=1>; rel=next", Some("?last=a&n=1")),
            (
                r#"<https://other.example/v2/_catalog?last=a>; rel="next""#,
                Some("https://other.example/v2/_catalog?last=a"),
            ),
            ("nonsense", None),
            ("; rel=next", None),
            ("<unclosed", None),
            ("", None),
        ] {
            assert_eq!(next_link_target(line).as_deref(), target, "{line}");
        }
    }

    #[test]
    fn a_list_is_cut_by_rows_bytes_and_pages_and_says_so() {
        assert!(Allowance::default().count_page(1000, 1 << 20).is_none());
        let rows = Allowance::new(10, MOST_BYTES);
        assert!(rows.count_page(9, 0).is_none() && rows.ended().is_none());
        assert!(rows.count_page(5, 0).unwrap().contains("rows") && rows.ended().is_some());
        assert!(Allowance::default().count_page(1, MOST_BYTES).unwrap().contains("longer"));
        let pages = Allowance::default();
        assert!(
            (1..MOST_PAGES).all(|_| pages.count_page(0, 0).is_none())
                && pages.count_page(0, 0).unwrap().contains("pages")
        );
    }

    proptest::proptest! {
        #[test]
        fn any_line_is_read_without_a_panic(line in "\\PC{0,80}") { let _ = next_link_target(&line); }
    }
}
