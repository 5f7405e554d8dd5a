//! The list of images of all sources.

mod actions;
mod view;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use crossterm::event::KeyEvent;

use crate::{
    core::{
        base::{badge::Badge, digest::Digest, error::Error, text},
        catalog::{
            query::Query,
            rows::{RowSet, RowView},
            search::{RowId, Sort},
            standing::Standing,
        },
        evidence::record::Subject,
        image::model::{ImageKind, Version},
        ports::{CachedRows, Listing},
    },
    tui::{
        kit::{input::Input, list::Position, widgets::aged},
        model::SourceLine,
        msg::{Effect, Ids, ListEffect, Sets, SharedIds, SharedSets, Target},
    },
};

/// How a source's list stands.
#[derive(Debug, Clone)]
pub struct Feed {
    /// The source.
    pub source: String,
    /// Its rows, perhaps old ones.
    pub rows: Arc<RowSet>,
    /// Rows that it found by words, beside those it lists.
    pub more: Arc<RowSet>,
    /// How many there are in all, while only the first have been read.
    pub total: usize,
    /// Seconds since 1970 when they were fetched; `None` for none or for growing ones.
    pub fetched: Option<i64>,
    /// Whether it is being asked.
    pub loading: bool,
    /// Why it could not be listed.
    pub error: Option<Error>,
    /// How it can be listed.
    pub listing: Listing,
}

/// Rows that are looked at where the filter asks how they stand.
const LOOKED_AT: usize = 100;

/// Seconds after which the lists are asked for again by themselves.
const OLD: i64 = 300;

/// The screen's state.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about the list")]
pub struct Catalog {
    /// One for every source.
    pub feeds: Vec<Feed>,
    /// What was typed.
    pub input: Input,
    /// Whether keys go into the filter.
    pub typing: bool,
    /// The order.
    pub sort: Sort,
    /// Where one stands.
    pub at: Position,
    /// Marked rows: source and name.
    pub marked: BTreeSet<(String, String)>,
    /// Filters kept under a name.
    pub saved: Vec<(String, String)>,
    /// Whether the kept lists have been read.
    pub begun: bool,
    /// When all sources were last asked, in seconds since 1970.
    refreshed: Option<i64>,
    /// What the search-only sources were last asked.
    pub asked: String,
    sets: Sets,
    order: Option<Ids>,
    hits: Ids,
    /// What the search found, whether it stands as the filter wants or not.
    found: Ids,
    hits_of: Query,
    number: u64,
    pending: Query,
    keep: Option<(String, String)>,
    /// Whether a key was pressed since Wharf began.
    pub touched: bool,
    /// Keys that came before the search had answered: they mean rows that are not there yet.
    pub waiting: Vec<KeyEvent>,
    searching: bool,
    looks: HashMap<(String, String), Option<Version>>,
    looking: Vec<(String, String, String)>,
    /// Badges of digests that rows show.
    /// By place and digest: the same bytes may be admitted here and unsigned there.
    badges: HashMap<(String, Digest), Standing>,
    /// The places of rows, as badges have them.
    places: HashMap<(String, String), String>,
}

impl Catalog {
    /// An empty list.
    pub fn new(sources: &[SourceLine]) -> Self {
        let feed = |source: &SourceLine| Feed {
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
            feeds: sources.iter().map(feed).collect(),
            input: Input::default(),
            typing: false,
            sort: Sort::default(),
            at: Position::default(),
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
            pending: Query::default(),
            keep: None,
            touched: false,
            waiting: Vec::new(),
            searching: false,
            looks: HashMap::new(),
            looking: Vec::new(),
            badges: HashMap::new(),
            places: HashMap::new(),
        }
    }

    /// Asks all sources again if that was last done some minutes ago. Done when a key is pressed, so that nothing is asked
    /// while nobody is there, and whoever comes back finds the list as it is now.
    pub fn refresh_old(&mut self, sources: &[SourceLine], now: i64) -> Vec<Effect> {
        match self.refreshed {
            Some(refreshed) if now - refreshed >= OLD => self.refresh(sources, now),
            _ => Vec::new(),
        }
    }

    /// Asks all sources again.
    pub fn refresh(&mut self, sources: &[SourceLine], now: i64) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.refreshed = Some(now);
        self.looks.clear();
        self.looking.clear();
        for source in sources.iter().filter(|source| source.listing != Listing::SearchOnly) {
            self.loading(&source.name);
            effects.push(Effect::List(ListEffect::List { source: source.name.clone(), query: None }));
        }
        effects
    }

    /// Asks the sources that only search for what is typed now.
    pub fn ask_searchers(&mut self) -> Vec<Effect> {
        let words = Query::parse(&self.input.text).words.join(" ");
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

    /// Takes the kept lists in; what a source has sent meanwhile is newer.
    pub fn cached(&mut self, lists: Vec<CachedRows>) -> Vec<Effect> {
        self.begun = true;
        for list in lists {
            // A head gives way to the whole list, whenever that was fetched.
            let newer = |feed: &Feed| feed.rows.is_empty() || feed.fetched.is_some() && feed.rows.len() < feed.total;
            if let Some(feed) = self.feeds.iter_mut().find(|feed| feed.source == list.source && newer(feed)) {
                feed.rows = list.rows;
                feed.total = list.total;
                feed.fetched = Some(list.fetched);
            }
        }
        self.rebuild()
    }

    /// Takes a growing list in, unless there is an old one to show meanwhile.
    pub fn growing(&mut self, source: &str, rows: Arc<RowSet>) -> Vec<Effect> {
        match self.feeds.iter_mut().find(|feed| feed.source == source && feed.fetched.is_none()) {
            Some(feed) => {
                feed.rows = rows;
                self.rebuild()
            }
            None => Vec::new(),
        }
    }

    /// Takes a whole list in, or why there is none; old rows stay.
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

    /// Takes in what a source found by words, beside what it lists.
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
        // Until somebody has pressed a key, the selection is nobody's choice: the list stays at its top.
        let chosen = self.selected().filter(|_| self.touched);
        self.keep = chosen.map(|(source, view)| (source.to_owned(), view.name.to_owned()));
        self.sets = Arc::new(
            self.feeds
                .iter()
                .flat_map(|feed| [(feed.source.clone(), feed.rows.clone()), (feed.source.clone(), feed.more.clone())])
                .filter(|(_, rows)| !rows.is_empty())
                .collect(),
        );
        self.order = None;
        // Row numbers of the old sets mean nothing in the new ones.
        (self.hits, self.found) = (Arc::default(), Arc::default());
        self.hits_of = Query::default();
        vec![self.search()]
    }

    /// What was typed has changed.
    pub fn typed(&mut self) -> Vec<Effect> {
        self.keep = None;
        vec![self.search()]
    }

    /// Goes to the next order.
    pub fn resort(&mut self) -> Vec<Effect> {
        self.sort = self.sort.next();
        self.order = None;
        (self.hits, self.found) = (Arc::default(), Arc::default());
        vec![self.search()]
    }

    fn search(&mut self) -> Effect {
        self.number += 1;
        let query = Query::parse(&self.input.text);
        let narrows = self.order.is_some() && !self.hits_of.is_empty() && query.narrows(&self.hits_of);
        self.pending = query.clone();
        self.searching = true;
        Effect::List(ListEffect::Search {
            number: self.number,
            sets: SharedSets(self.sets.clone()),
            query,
            sort: self.sort,
            order: self.order.clone().map(SharedIds),
            from: narrows.then(|| SharedIds(self.found.clone())),
        })
    }

    /// Takes the result of the newest search in; late ones are dropped.
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
        self.hits_of = self.pending.clone();
        self.narrow_by_standing();
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

    /// Whether what was typed has not been searched yet.
    pub fn is_searching(&self) -> bool {
        self.searching
    }

    /// How many rows fit.
    pub fn count(&self) -> usize {
        self.hits.len()
    }

    fn view_of(&self, position: usize) -> Option<(&str, RowView<'_>)> {
        self.row(*self.hits.get(position)?)
    }

    fn row(&self, id: RowId) -> Option<(&str, RowView<'_>)> {
        let (source, rows) = self.sets.get(id.set as usize)?;
        Some((source, rows.get(id.row as usize)?))
    }

    /// The selected row and its source.
    pub fn selected(&self) -> Option<(&str, RowView<'_>)> {
        self.view_of(self.at.selected)
    }

    /// The selected image, with the tag that was asked for, else its favourite.
    pub fn target(&self) -> Option<Target> {
        let (source, view) = self.selected()?;
        let query = Query::parse(&self.input.text);
        let asked = view.tags.split(' ').find(|tag| query.tags().any(|wanted| tag.to_lowercase() == *wanted));
        Some(Target::Row {
            source: source.to_owned(),
            name: view.name.to_owned(),
            tag: asked.or(view.favourite_tag()).map(str::to_owned),
        })
    }

    /// The marked images, or the selected one.
    pub fn targets(&self) -> Vec<Target> {
        if self.marked.is_empty() {
            return self.target().into_iter().collect();
        }
        let tag = |source: &str, name: &str| {
            let (_, rows) = self.sets.iter().find(|(known, _)| known == source)?;
            rows.get(rows.find(name)?)?.favourite_tag().map(str::to_owned)
        };
        self.marked
            .iter()
            .map(|(source, name)| Target::Row { source: source.clone(), name: name.clone(), tag: tag(source, name) })
            .collect()
    }

    /// Marks or unmarks the selected row.
    pub fn mark(&mut self) {
        let Some(key) = self.selected().map(|(source, view)| (source.to_owned(), view.name.to_owned())) else { return };
        if !self.marked.remove(&key) {
            self.marked.insert(key);
        }
        self.at.go(crate::tui::kit::action::Action::Down, self.count(), 1);
    }

    /// The lists as they are, to count what they can be narrowed by.
    pub fn facets(&self) -> Effect {
        Effect::List(ListEffect::Facets(SharedSets(self.sets.clone())))
    }

    /// Rows on the screen that only a look can tell more about, unless they are being looked at.
    pub fn wants_looks(&mut self, sources: &[SourceLine], height: usize) -> Option<Effect> {
        let top = self.at.window(self.hits.len(), height);
        // Where the filter asks how rows stand, those are looked at that it may show.
        let (rows, from, most) = if self.hits_of.standing.is_empty() {
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

    /// Whether all was told of a row that a look and a quick check can tell.
    fn is_known(&self, source: &str, name: &str) -> bool {
        let row = (source.to_owned(), name.to_owned());
        match self.looks.get(&row) {
            None => false,
            Some(version) => version.as_ref().and_then(|version| version.digest.as_ref()).is_none_or(|digest| {
                let place = self.places.get(&row);
                place.is_some_and(|place| self.badges.contains_key(&(place.clone(), digest.clone())))
            }),
        }
    }

    /// Takes in a list that knows more than the one that is shown, unless that one is being asked for anew.
    pub fn learnt(&mut self, source: &str, rows: Arc<RowSet>) -> Vec<Effect> {
        match self.feeds.iter_mut().find(|feed| feed.source == source && !feed.loading) {
            Some(feed) if feed.rows.len() == rows.len() => {
                feed.rows = rows;
                self.rebuild()
            }
            _ => Vec::new(),
        }
    }

    /// Takes in the badge of an image in its place.
    pub fn marked_as(&mut self, subject: &Subject, standing: Standing) {
        self.badges.insert((subject.name.clone(), subject.digest.clone()), standing);
    }

    /// Shows only the rows that stand as the filter wants, by what is known of them.
    pub fn narrow_by_standing(&mut self) {
        if self.hits_of.standing.is_empty() {
            return;
        }
        let on = self.hits.get(self.at.selected).copied();
        let fits = |id: &&RowId| {
            self.row(**id).is_some_and(|(source, view)| {
                let standing = self.standing(source, &view).unwrap_or_default();
                self.hits_of.stands_well(&standing, view.publisher)
            })
        };
        let hits: Vec<RowId> = self.found.iter().filter(fits).copied().collect();
        self.at.selected = on.and_then(|on| hits.iter().position(|id| *id == on)).unwrap_or(self.at.selected);
        self.hits = Arc::new(hits);
        self.at.clamp(self.hits.len());
    }

    /// Takes in where the image of a row is.
    pub fn placed(&mut self, source: String, name: String, subject: &Subject) {
        self.places.insert((source, name), subject.name.clone());
    }

    /// The badge of a row, where one is known: by its place and the digest that a look has just told, or a cloud's own hash.
    pub fn badge(&self, source: &str, view: &RowView<'_>) -> Option<Badge> {
        self.standing(source, view).map(|standing| standing.badge)
    }

    fn standing(&self, source: &str, view: &RowView<'_>) -> Option<Standing> {
        let row = (source.to_owned(), view.name.to_owned());
        let look = self.looks.get(&row).and_then(Option::as_ref);
        if let Some(digest) = look.and_then(|version| version.digest.clone()) {
            return self.badges.get(&(self.places.get(&row)?.clone(), digest)).copied();
        }
        let told: Digest = (view.kind != ImageKind::Container).then(|| view.digest.parse().ok()).flatten()?;
        self.badges.iter().find(|((_, digest), _)| *digest == told).map(|(_, standing)| *standing)
    }

    /// Takes in what a look told.
    pub fn looked(&mut self, source: String, name: String, version: Option<Version>) {
        self.looks.insert((source, name), version);
    }

    /// What sort of thing a row is.
    pub fn kind_of(&self, source: &str, name: &str) -> Option<ImageKind> {
        let of = |(_, rows): &(String, Arc<RowSet>)| rows.find(name).map(|row| rows.kind(row));
        self.sets.iter().filter(|(known, _)| known == source).find_map(of)
    }

    /// Projects of a source, for the share dialog.
    pub fn projects(&self, source: &str) -> Vec<String> {
        let Some((_, rows)) = self.sets.iter().find(|(known, _)| known == source) else { return Vec::new() };
        let all: BTreeSet<&str> = (0..rows.len())
            .map(|at| crate::core::catalog::rows::project_of(rows.name(at)))
            .filter(|project| !project.is_empty())
            .collect();
        all.into_iter().map(str::to_owned).collect()
    }

    /// Adds a facet to the filter, or removes it.
    pub fn toggle(&mut self, facet: &str) {
        let mut words: Vec<&str> = self.input.text.split_whitespace().collect();
        match words.iter().position(|word| *word == facet) {
            Some(at) => _ = words.remove(at),
            None => {
                // One kind and one project at a time; sources add up.
                let key = facet.split_once(':').map_or("", |(key, _)| key);
                words.retain(|word| key == "source" || !word.starts_with(&format!("{key}:")));
                words.push(facet);
            }
        }
        self.input = Input::new(words.join(" "));
    }

    /// Words for the header: how many, from where, how old.
    pub fn summary(&self, now: i64) -> String {
        let total: usize = self.feeds.iter().map(|feed| feed.total.max(feed.rows.len())).sum();
        let loading = self.feeds.iter().filter(|feed| feed.loading).count();
        let mut parts = vec![
            text::plural(total as u64, "image", "images"),
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
