//! The list of the images of all sources.

mod actions;
mod columns;
mod facet_column;
mod facets;
mod held;
mod older;
mod peek;
mod peeks;
mod preview;
mod regions;
mod used;
mod view;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crossterm::event::KeyEvent;

use self::{facet_column::FacetColumn, peeks::Peeks, used::OlderFilters};
use crate::{
    kit::{input::Input, list::ListCursor, widgets::aged},
    model::SourceLine,
    msg::{Effect, Ids, ImageTarget, ListEffect, SharedIds, SharedRowSets, SharedSets},
};
use wharf_core::{
    base::{digest::Digest, error::Error, text},
    catalog::{
        marks::Marks,
        query::Query,
        rows::{RowSet, RowView},
        search::{Known, RowId, Sort},
    },
    evidence::record::Subject,
    image::model::{ImageKind, Version},
    portal::evidence::brief::Brief,
    ports::{CachedRows, Listing},
};

/// The list of one source, and how far it has been read.
#[derive(Debug, Clone)]
pub struct SourceFeed {
    /// The name of the source.
    pub source: String,
    /// The source's rows; while it is being listed again, the old ones.
    pub rows: Arc<RowSet>,
    /// Rows that the source found by the typed words, beside those it lists.
    pub more: Arc<RowSet>,
    /// How many rows the list has, while only its beginning has been read.
    pub total: usize,
    /// When the rows were fetched, in seconds since 1970; `None` if there are none or they are still arriving.
    pub fetched: Option<i64>,
    /// Whether the source is being asked.
    pub loading: bool,
    /// Why the source could not be listed or searched.
    pub error: Option<Error>,
    /// Whether the source can be listed as a whole, searched, or both.
    pub listing: Listing,
}

/// How many rows are looked up to find those whose marks the filter asks for.
const LOOKED_AT: usize = 100;

/// Age of the lists in seconds after which the next key makes the sources be asked again.
const OLD: i64 = 300;

/// The state of the list of images.
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about the list")]
pub struct Catalog {
    /// The list of each source.
    pub feeds: Vec<SourceFeed>,
    /// The filter, as it was typed.
    pub input: Input,
    /// Whether keys are typed into the filter.
    pub typing: bool,
    /// The order of the rows.
    pub sort: Sort,
    /// The selection in the list.
    pub at: ListCursor,
    /// The marked rows: source and name.
    pub marked: BTreeSet<(String, String)>,
    /// The saved filters: name and text.
    pub saved: Vec<(String, String)>,
    /// Whether the lists kept on disk have been read.
    pub begun: bool,
    /// When all sources were last asked, in seconds since 1970.
    refreshed: Option<i64>,
    /// The words for which the searching sources were last asked.
    pub asked: String,
    sets: SharedRowSets,
    order: Option<Ids>,
    hits: Ids,
    /// The rows that the search found, before `hits` narrows them by badge.
    found: Ids,
    hits_of: Query,
    number: u64,
    /// The filter as it was read for the newest search: with each change of the text there is one.
    query: Query,
    keep: Option<(String, String)>,
    /// The facets beside the list.
    facets: FacetColumn,
    /// The filters that were used earlier.
    older: OlderFilters,
    /// Whether the person has pressed a key or used the mouse since Wharf started.
    pub touched: bool,
    /// Keys that were pressed before the search answered; they are handled after that, on the rows that it found.
    pub waiting: Vec<KeyEvent>,
    searching: bool,
    looks: HashMap<(String, String), Option<Version>>,
    looking: Vec<(String, String, String)>,
    /// The marks by repository and digest: the same bytes may be admitted in one place and unsigned in another.
    marks: HashMap<(String, Digest), Marks>,
    /// What the marks rest on, by repository and digest.
    briefs: HashMap<(String, Digest), Brief>,
    /// What the store knows about the images that were selected last.
    peeks: Peeks,
    /// The repository of each row (source and name) as `marks` names it.
    places: HashMap<(String, String), String>,
}

impl Catalog {
    /// A list with no rows yet, of these sources.
    pub fn new(sources: &[SourceLine]) -> Self {
        let feed = |source: &SourceLine| SourceFeed {
            source: source.name.clone(),
            rows: Arc::default(),
            more: Arc::default(),
            total: 0,
            fetched: None,
            loading: false,
            error: None,
            listing: source.listing,
        };
        Self {
            feeds: sources.iter().filter(|source| !source.hidden).map(feed).collect(),
            input: Input::default(),
            typing: false,
            sort: Sort::default(),
            at: ListCursor::default(),
            marked: BTreeSet::new(),
            saved: Vec::new(),
            begun: false,
            refreshed: None,
            asked: String::new(),
            sets: Arc::default(),
            order: None,
            hits: Arc::default(),
            found: Arc::default(),
            hits_of: Query::default(),
            number: 0,
            query: Query::default(),
            keep: None,
            facets: FacetColumn::default(),
            older: OlderFilters::default(),
            touched: false,
            waiting: Vec::new(),
            searching: false,
            looks: HashMap::new(),
            looking: Vec::new(),
            marks: HashMap::new(),
            briefs: HashMap::new(),
            peeks: Peeks::default(),
            places: HashMap::new(),
        }
    }

    /// Asks all sources again if that was done more than five minutes ago. Called for each key, so that nothing is
    /// asked while the person is away, and the list is up to date when they return.
    pub fn refresh_old(&mut self, sources: &[SourceLine], now: i64) -> Vec<Effect> {
        match self.refreshed {
            Some(refreshed) if now - refreshed >= OLD => self.refresh(sources, now),
            _ => Vec::new(),
        }
    }

    /// Asks all sources that can be listed again, and forgets details of rows.
    pub fn refresh(&mut self, sources: &[SourceLine], now: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.refreshed = Some(now);
        self.looks.clear();
        self.looking.clear();
        for source in sources.iter().filter(|source| source.listing != Listing::SearchOnly && !source.hidden) {
            self.loading(&source.name);
            effects.push(Effect::List(ListEffect::List { source: source.name.clone(), query: None }));
        }
        effects
    }

    /// Asks the sources that can be searched for the typed words.
    pub fn ask_searchers(&mut self) -> Vec<Effect> {
        let words = self.query.words.join(" ");
        if words.len() < 2 || words == self.asked {
            return Vec::new();
        }
        self.asked.clone_from(&words);
        let searchers: Vec<String> =
            self.feeds.iter().filter(|feed| feed.listing != Listing::Whole).map(|feed| feed.source.clone()).collect();
        searchers
            .into_iter()
            .map(|source| {
                self.loading(&source);
                Effect::List(ListEffect::List { source, query: Some(words.clone()) })
            })
            .collect()
    }

    /// Marks a source as being asked.
    pub fn loading(&mut self, source: &str) {
        if let Some(feed) = self.feeds.iter_mut().find(|feed| feed.source == source) {
            feed.loading = true;
        }
    }

    /// Takes the lists kept on disk; those that a source has sent meanwhile are newer and stay.
    pub fn cached(&mut self, lists: Vec<CachedRows>) -> Vec<Effect> {
        self.begun = true;
        for list in lists {
            // The beginning of a list is always replaced by the whole one.
            let newer =
                |feed: &SourceFeed| feed.rows.is_empty() || feed.fetched.is_some() && feed.rows.len() < feed.total;
            if let Some(feed) = self.feeds.iter_mut().find(|feed| feed.source == list.source && newer(feed)) {
                feed.rows = list.rows;
                feed.total = list.total;
                feed.fetched = Some(list.fetched);
            }
        }
        self.rebuild()
    }

    /// Takes the rows of a source that is being listed, unless older rows of it are shown meanwhile.
    pub fn growing(&mut self, source: &str, rows: Arc<RowSet>) -> Vec<Effect> {
        match self.feeds.iter_mut().find(|feed| feed.source == source && feed.fetched.is_none()) {
            Some(feed) => {
                feed.rows = rows;
                self.rebuild()
            }
            None => Vec::new(),
        }
    }

    /// Takes the whole list of a source, or why it could not be listed; older rows then stay.
    pub fn listed(&mut self, source: &str, result: Result<Arc<RowSet>, Error>, now: i64) -> Vec<Effect> {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.source == source) else { return Vec::new() };
        feed.loading = false;
        match result {
            Ok(rows) => {
                feed.total = rows.len();
                feed.rows = rows;
                feed.fetched = Some(now);
                feed.error = None;
                self.rebuild()
            }
            Err(error) => {
                feed.error = Some(error);
                Vec::new()
            }
        }
    }

    /// Takes the rows that a source found by the typed words, or why it could not be searched.
    pub fn more(&mut self, source: &str, result: Result<Arc<RowSet>, Error>) -> Vec<Effect> {
        let Some(feed) = self.feeds.iter_mut().find(|feed| feed.source == source) else { return Vec::new() };
        feed.loading = false;
        match result {
            Ok(rows) if rows.is_empty() && feed.more.is_empty() => Vec::new(),
            Ok(rows) => {
                feed.more = rows;
                self.rebuild()
            }
            Err(error) => {
                feed.error = Some(error);
                Vec::new()
            }
        }
    }

    fn rebuild(&mut self) -> Vec<Effect> {
        // Until the first key the person has selected nothing: the selection stays at the top of the list.
        let chosen = self.selected().filter(|_| self.touched);
        self.keep = chosen.map(|(source, view)| (source.to_owned(), view.name.to_owned()));
        self.sets = Arc::new(
            self.feeds
                .iter()
                .flat_map(|feed| [(feed.source.clone(), feed.rows.clone()), (feed.source.clone(), feed.more.clone())])
                .filter(|(_, rows)| !rows.is_empty())
                .collect(),
        );
        self.peeks.lists_changed();
        self.order = None;
        // Row numbers of the old sets mean nothing in the new ones.
        (self.hits, self.found) = (Arc::default(), Arc::default());
        self.hits_of = Query::default();
        vec![self.search()]
    }

    /// Searches again after the filter has changed.
    pub fn typed(&mut self) -> Vec<Effect> {
        self.keep = None;
        self.offer_completions();
        vec![self.search()]
    }

    /// Sorts the list by the next order.
    pub fn resort(&mut self) -> Vec<Effect> {
        self.sort = self.sort.next();
        self.order = None;
        (self.hits, self.found) = (Arc::default(), Arc::default());
        vec![self.search()]
    }

    fn search(&mut self) -> Effect {
        self.number += 1;
        self.query = Query::parse(&self.input.text);
        let narrows = self.order.is_some() && !self.hits_of.is_empty() && self.query.narrows(&self.hits_of);
        self.searching = true;
        Effect::List(ListEffect::Search {
            number: self.number,
            sets: SharedSets(self.sets.clone()),
            query: self.query.clone(),
            sort: self.sort,
            order: self.order.clone().map(SharedIds),
            from: narrows.then(|| SharedIds(self.found.clone())),
            // Only an order by marks needs them: what the filter asks of marks is looked at afterwards.
            known: Box::new(if self.sort.is_by_mark() { self.known() } else { Known::default() }),
        })
    }

    /// Takes the result of the newest search; results of older ones are dropped. The selected row stays selected.
    pub fn found(&mut self, number: u64, order: Option<Ids>, hits: Ids) {
        if number != self.number {
            return;
        }
        self.searching = false;
        if order.is_some() {
            self.order = order;
        }
        self.found.clone_from(&hits);
        self.hits = hits;
        self.hits_of = self.query.clone();
        self.narrow_by_marks();
        let kept = self.keep.take().and_then(|(source, name)| {
            let set = self.sets.iter().position(|(known, _)| *known == source)?;
            let row = self.sets.get(set)?.1.find(&name)?;
            let id = RowId { set: set as u32, row: row as u32 };
            self.hits.iter().position(|hit| *hit == id)
        });
        self.at.selected =
            kept.unwrap_or(if self.keep.is_none() && self.input.text.is_empty() { self.at.selected } else { 0 });
        self.at.clamp(self.hits.len());
    }

    /// Whether the typed filter has not been answered by the search yet.
    pub fn is_searching(&self) -> bool {
        self.searching
    }

    /// The number of rows that fit the filter.
    pub fn count(&self) -> usize {
        self.hits.len()
    }

    fn row_view(&self, position: usize) -> Option<(&str, RowView<'_>)> {
        self.row(*self.hits.get(position)?)
    }

    fn row(&self, id: RowId) -> Option<(&str, RowView<'_>)> {
        let (source, rows) = self.sets.get(id.set as usize)?;
        Some((source, rows.get(id.row as usize)?))
    }

    /// The selected row and the name of its source.
    pub fn selected(&self) -> Option<(&str, RowView<'_>)> {
        self.row_view(self.at.selected)
    }

    /// The selected image, with the tag that the filter names, else with the row's favourite tag.
    pub fn target(&self) -> Option<ImageTarget> {
        let (source, view) = self.selected()?;
        let asked = self.asked_tag(&view);
        Some(ImageTarget::Row {
            source: source.to_owned(),
            name: view.name.to_owned(),
            tag: asked.or(view.favourite_tag()).map(str::to_owned),
        })
    }

    /// The tag of a row that the filter names.
    fn asked_tag<'a>(&self, view: &RowView<'a>) -> Option<&'a str> {
        view.tags.split(' ').find(|tag| self.query.tags().any(|wanted| tag.to_lowercase() == *wanted))
    }

    /// Whether the filter names another tag of a row than the one that was looked at: what is known is not about it.
    pub(in crate::screens::catalog) fn names_another_tag(&self, view: &RowView<'_>) -> bool {
        self.asked_tag(view).is_some_and(|asked| Some(asked) != view.favourite_tag())
    }

    /// The marked images, or the selected one if none is marked.
    pub fn targets(&self) -> Vec<ImageTarget> {
        if self.marked.is_empty() {
            return self.target().into_iter().collect();
        }
        let tag = |source: &str, name: &str| {
            let (_, rows) = self.sets.iter().find(|(known, _)| known == source)?;
            rows.get(rows.find(name)?)?.favourite_tag().map(str::to_owned)
        };
        self.marked
            .iter()
            .map(|(source, name)| ImageTarget::Row {
                source: source.clone(),
                name: name.clone(),
                tag: tag(source, name),
            })
            .collect()
    }

    /// Marks the selected row, or removes its mark, and selects the next row.
    pub fn mark(&mut self) {
        let Some(key) = self.selected().map(|(source, view)| (source.to_owned(), view.name.to_owned())) else { return };
        if !self.marked.remove(&key) {
            self.marked.insert(key);
        }
        self.at.go(crate::kit::action::Action::Down, self.count(), 1);
    }

    /// Fetches details of the shown rows that their source's list does not tell, unless that has begun already.
    pub fn wants_looks(&mut self, sources: &[SourceLine], height: usize) -> Option<Effect> {
        let top = self.at.window(self.hits.len(), height);
        // If the filter asks for marks, rows are looked up that may fit, not only those shown.
        let (rows, from, most) = if self.hits_of.marks.is_empty() {
            (&self.hits, top, height)
        } else {
            (&self.found, 0, LOOKED_AT.max(height))
        };
        let wanted: Vec<(String, String, String)> = rows
            .iter()
            .skip(from)
            .take(most)
            .filter_map(|id| self.row(*id))
            .filter(|(source, _)| sources.iter().any(|known| known.name == *source && known.cheap))
            .filter_map(|(source, view)| {
                Some((source.to_owned(), view.name.to_owned(), view.favourite_tag()?.to_owned()))
            })
            .filter(|(source, name, _)| !self.is_known(source, name))
            .collect();
        if wanted.iter().all(|one| self.looking.contains(one)) {
            return None;
        }
        self.looking.clone_from(&wanted);
        Some(Effect::List(ListEffect::Look(wanted)))
    }

    /// Whether details and badge of a row are known, as far as a quick look can tell.
    fn is_known(&self, source: &str, name: &str) -> bool {
        let row = (source.to_owned(), name.to_owned());
        match self.looks.get(&row) {
            None => false,
            Some(version) => version.as_ref().and_then(|version| version.digest.as_ref()).is_none_or(|digest| {
                let place = self.places.get(&row);
                place.is_some_and(|place| self.marks.contains_key(&(place.clone(), digest.clone())))
            }),
        }
    }

    /// Takes the list of a source with details that were fetched, unless the source is being listed again.
    pub fn learnt(&mut self, source: &str, rows: Arc<RowSet>) -> Vec<Effect> {
        match self.feeds.iter_mut().find(|feed| feed.source == source && !feed.loading) {
            Some(feed) if feed.rows.len() == rows.len() => {
                feed.rows = rows;
                self.rebuild()
            }
            _ => Vec::new(),
        }
    }

    /// Takes the marks of an image in its repository. An order by marks is made again with the next search.
    /// `brief` is what the marks rest on.
    pub fn marked_as(&mut self, subject: &Subject, marks: Marks, brief: Brief) {
        self.set_brief((subject.name.clone(), subject.digest.clone()), brief);
        self.marks.insert((subject.name.clone(), subject.digest.clone()), marks);
        if self.sort.is_by_mark() {
            self.order = None;
        }
    }

    /// Keeps the found rows that have the marks which the filter asks for, as far as marks are known.
    pub fn narrow_by_marks(&mut self) {
        if self.hits_of.marks.is_empty() {
            return;
        }
        let on = self.hits.get(self.at.selected).copied();
        let fits = |id: &&RowId| {
            self.row(**id).is_some_and(|(source, view)| {
                let marks = self.marks_of(source, &view).unwrap_or_default();
                self.hits_of.matches_marks(&marks.with_publisher(view.publisher))
            })
        };
        let hits: Vec<RowId> = self.found.iter().filter(fits).copied().collect();
        self.at.selected = on.and_then(|on| hits.iter().position(|id| *id == on)).unwrap_or(self.at.selected);
        self.hits = Arc::new(hits);
        self.at.clamp(self.hits.len());
    }

    /// Takes the repository of a row's image.
    pub fn set_repository(&mut self, source: String, name: String, subject: &Subject) {
        self.places.insert((source, name), subject.name.clone());
    }

    /// The marks of a row, if they are known: by its repository and the digest that was fetched, or by a cloud's own
    /// hash.
    pub fn marks_of(&self, source: &str, view: &RowView<'_>) -> Option<Marks> {
        let row = (source.to_owned(), view.name.to_owned());
        let look = self.looks.get(&row).and_then(Option::as_ref);
        if let Some(digest) = look.and_then(|version| version.digest.clone()) {
            return self.marks.get(&(self.places.get(&row)?.clone(), digest)).copied();
        }
        let told: Digest = (view.kind != ImageKind::Container).then(|| view.digest.parse().ok()).flatten()?;
        self.marks.iter().find(|((_, digest), _)| *digest == told).map(|(_, marks)| *marks)
    }

    /// The marks of all rows that were looked at, for a search or a count of facets.
    fn known(&self) -> Known {
        let marks = self.looks.keys().flat_map(|(source, name)| {
            self.sets.iter().enumerate().filter(move |(_, (known, _))| known == source).filter_map(
                move |(set, (_, rows))| {
                    let row = rows.find(name)?;
                    let marks = self.marks_of(source, &rows.get(row)?)?;
                    Some((RowId { set: set as u32, row: row as u32 }, marks))
                },
            )
        });
        Known { marks: marks.collect(), ..Known::default() }
    }

    /// Takes the details of a row; `None` if they could not be read.
    pub fn set_details(&mut self, source: String, name: String, version: Option<Version>) {
        self.looks.insert((source, name), version);
    }

    /// What kind of image a row is: container, disk image or volume.
    pub fn kind(&self, source: &str, name: &str) -> Option<ImageKind> {
        let of = |(_, rows): &(String, Arc<RowSet>)| rows.find(name).map(|row| rows.kind(row));
        self.sets.iter().filter(|(known, _)| known == source).find_map(of)
    }

    /// The projects that the rows of a source name, for the share dialog.
    pub fn projects(&self, source: &str) -> Vec<String> {
        let Some((_, rows)) = self.sets.iter().find(|(known, _)| known == source) else { return Vec::new() };
        let all: BTreeSet<&str> = (0..rows.len())
            .map(|at| wharf_core::catalog::rows::project_of(rows.name(at)))
            .filter(|project| !project.is_empty())
            .collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Gives the keys to the list again.
    pub fn leave_facets(&mut self) {
        self.facets.focused = false;
    }

    /// Adds a facet to the filter, or removes it.
    pub fn toggle(&mut self, facet: &str) {
        let mut words: Vec<&str> = self.input.text.split_whitespace().collect();
        match words.iter().position(|word| *word == facet) {
            Some(at) => _ = words.remove(at),
            None => {
                // A filter has one facet of each kind; only sources can be several.
                let key = facet.split_once(':').map_or("", |(key, _)| key);
                words.retain(|word| key == "source" || !word.starts_with(&format!("{key}:")));
                words.push(facet);
            }
        }
        self.input = Input::new(words.join(" "));
    }

    /// The number of images in all lists.
    pub fn total(&self) -> usize {
        self.feeds.iter().map(|feed| feed.total.max(feed.rows.len())).sum()
    }

    /// The number of sources that did not answer.
    pub fn failing(&self) -> usize {
        self.feeds.iter().filter(|feed| feed.error.is_some()).count()
    }

    /// The header's words: how many images, from how many sources, how old the oldest list is.
    pub fn summary(&self, now: i64) -> String {
        let loading = self.feeds.iter().filter(|feed| feed.loading).count();
        let mut parts = vec![
            text::plural(self.total() as u64, "image", "images"),
            text::plural(self.feeds.len() as u64, "source", "sources"),
        ];
        if let Some(oldest) =
            self.feeds.iter().filter(|feed| !feed.rows.is_empty()).filter_map(|feed| feed.fetched).min()
        {
            parts.push(aged(oldest, now));
        }
        if loading > 0 {
            parts.push(format!("asking {loading}…"));
        }
        parts.join(" · ")
    }
}
