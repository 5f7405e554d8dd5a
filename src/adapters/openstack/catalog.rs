//! Listing and describing the images of a cloud.

use std::{collections::HashSet, sync::Arc};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::mpsc;

use super::{
    Images,
    answers::{GlanceImage, Member, UniqueNames},
    pages::{self, Page},
    service::{Request, Service},
};
use crate::shared::http::{Allowance, encoded};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    catalog::rows::Row,
    image::{
        link::CloudPlace,
        model::{Health, Image, Platform},
        reference::ImageRef,
    },
    ports::{Asker, Catalog, Extent, Listing},
};

/// The first page is small so that rows appear soon; the others are as large as Glance allows.
const FIRST: usize = 50;
const PAGE: usize = 1000;
/// The end of the list that a cursor starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListEnd {
    Newest,
    Oldest,
}

impl Images {
    /// The page of images for this query.
    async fn page(&self, what: &str, asked: &str) -> Result<Page<GlanceImage>> {
        self.cloud.page(what, Service::Image, "images", "images", asked).await
    }

    /// All images that fit a filter: first a small page, then from both ends until the cursors meet.
    async fn all(&self, what: &str, filter: &str, names: &Naming, pages: &mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let first = self.page(what, &asked(ListEnd::Newest, FIRST, filter)).await?;
        let (full, last) = (first.rows.len() + first.odd >= FIRST, first.rows.last().map(|image| image.id.clone()));
        let more = first.next.is_some() || last.is_some();
        names.add_unreadable(first.odd);
        let _ = pages.send(names.named(&first.rows, false)).await;
        if !more {
            return Ok(names.extent());
        }
        let down = match (first.next, last) {
            // Glance's link repeats the small limit; the following pages are larger.
            (_, Some(last)) => pages::after(&asked(ListEnd::Newest, PAGE, filter), &last),
            (Some(next), None) => next,
            (None, None) => asked(ListEnd::Newest, PAGE, filter),
        };
        let mut down = Box::pin(self.walk(what, down, ListEnd::Newest, filter, names, pages));
        if !full {
            return down.await;
        }
        let mut up =
            Box::pin(self.walk(what, asked(ListEnd::Oldest, PAGE, filter), ListEnd::Oldest, filter, names, pages));
        // The first cursor that meets what the other has sent ends both. If one fails, the other reads the rest.
        tokio::select! {
            done = &mut down => match done { Ok(extent) => Ok(extent), Err(error) => up.await.map_err(|_| error) },
            done = &mut up => match done { Ok(extent) => Ok(extent), Err(error) => down.await.map_err(|_| error) },
        }
    }

    async fn walk(
        &self,
        what: &str,
        mut asking: String,
        end: ListEnd,
        filter: &str,
        names: &Naming,
        pages: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Extent> {
        let allowance = Allowance::default();
        loop {
            let page = self.page(what, &asking).await?;
            names.add_unreadable(page.odd);
            let fresh: Vec<GlanceImage> = page.rows.iter().filter(|image| !names.knows(&image.id)).cloned().collect();
            let met = fresh.len() < page.rows.len();
            let last = page.rows.last().map(|image| image.id.clone());
            let _ = pages.send(names.named(&fresh, false)).await;
            asking = match (page.next, last) {
                _ if met => return Ok(names.extent()),
                // Glance's link to the next page has only the last of several sort keys.
                (_, Some(last)) => pages::after(&asked(end, PAGE, filter), &last),
                (Some(next), None) if next != asking => next,
                _ => return Ok(names.extent()),
            };
            // The first cursor that ends stops both, so each may use half of the allowance.
            if let Some(why) = allowance.count_page((fresh.len() + page.odd) * 2, page.bytes * 2) {
                return Ok(Extent::Cut(why));
            }
        }
    }

    /// Community images of other projects whose names contain the words.
    async fn community(
        &self,
        cx: &Context,
        what: &str,
        words: &str,
        names: &Naming,
        pages: &mpsc::Sender<Vec<Row>>,
    ) -> Result<Extent> {
        let (sender, mut found) = mpsc::channel::<Vec<Row>>(16);
        // The project's own images are in the list already.
        let own = format!("owner={}", self.cloud.project().await?.0);
        let list = async {
            // The sender is dropped at the end of the list, which closes the channel.
            let sender = sender;
            self.all(what, "&visibility=community", names, &sender).await
        };
        let forward = async {
            while let Some(rows) = found.recv().await {
                let fits = |row: &Row| {
                    !row.labels.contains(&own) && words.split(' ').all(|word| row.name.to_lowercase().contains(word))
                };
                let _ = pages.send(rows.into_iter().filter(fits).collect()).await;
            }
        };
        tokio::join!(cx.unless_cancelled(what, list), forward).0
    }

    /// Images that were offered to this project and not answered yet. Administrators see all offers, and everybody sees
    /// their own shared images: only those with this project as member count.
    pub async fn offered(&self, what: &str) -> Result<Vec<GlanceImage>> {
        let filter = "&visibility=shared&member_status=pending";
        let (project, _) = self.cloud.project().await?;
        let candidates = self.page(what, &asked(ListEnd::Newest, PAGE, filter)).await?.rows;
        let asked = candidates.into_iter().filter(|image| image.owner.as_deref() != Some(&project)).map(|image| {
            let path = format!("images/{}/members/{project}", image.id);
            async move {
                let member: Result<Member> = self.cloud.json(what, Service::Image, Request::get(&path)).await;
                member.is_ok_and(|member| member.status == "pending").then_some(image)
            }
        });
        Ok(stream::iter(asked).buffered(8).filter_map(std::future::ready).collect().await)
    }

    /// The images with this name; `more` is added to the query.
    pub async fn named(&self, what: &str, name: &str, more: &str) -> Result<Vec<GlanceImage>> {
        // Glance takes a text before a colon as an operator.
        let exact = if name.contains(':') { format!("eq:{name}") } else { name.to_owned() };
        Ok(self.page(what, &format!("{more}&name={}", encoded(&exact))).await?.rows)
    }

    /// The image that a reference means, by its id, else by its name. Fails if several have that name.
    pub async fn find(&self, what: &str, wanted: &str) -> Result<GlanceImage> {
        if text::is_uuid(wanted) {
            return self.cloud.json(what, Service::Image, Request::get(&format!("images/{wanted}"))).await;
        }
        let mut found = self.named(what, wanted, "limit=3&visibility=all").await?;
        if found.is_empty() {
            // Hidden images are in no list, but can be named.
            found = self.named(what, wanted, "limit=3&visibility=all&os_hidden=true").await.unwrap_or_default();
        }
        match found.as_slice() {
            [one] => Ok(one.clone()),
            [] => Err(Error::not_found(what, format!("{} shows no image of that name", self.cloud.name))
                .hint("check the name, or name it by its id")),
            several => {
                let ids: Vec<&str> = several.iter().map(|image| image.id.as_str()).collect();
                Err(Error::usage(what, "several images have that name")
                    .hint(format!("name one by its id: {}", ids.join(", "))))
            }
        }
    }
}

/// The query for a page from one end of the list.
fn asked(end: ListEnd, limit: usize, filter: &str) -> String {
    let direction = if end == ListEnd::Newest { "desc" } else { "asc" };
    // Sorted by id too, so that both cursors see the same order of images of one second.
    format!("limit={limit}&sort_key=created_at&sort_dir={direction}&sort_key=id&sort_dir={direction}{filter}")
}

/// The ids and names of the images that were sent to the list.
#[derive(Default)]
struct Naming(std::sync::Mutex<(HashSet<String>, UniqueNames)>, std::sync::atomic::AtomicUsize);

impl Naming {
    /// Adds to the number of rows that could not be read.
    fn add_unreadable(&self, count: usize) {
        self.1.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
    }

    /// Whether the list is complete: it is not if rows could not be read.
    fn extent(&self) -> Extent {
        pages::odd_words(self.1.load(std::sync::atomic::Ordering::Relaxed)).map_or(Extent::Whole, Extent::Cut)
    }

    fn knows(&self, id: &str) -> bool {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).0.contains(id)
    }

    /// The rows of those images that were not sent before.
    fn named(&self, images: &[GlanceImage], pending: bool) -> Vec<Row> {
        let mut known = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (ids, names) = &mut *known;
        let mut rows = Vec::new();
        for image in images {
            if !ids.insert(image.id.clone()) {
                continue;
            }
            rows.push(image.row(names.unique(image.title(), &image.id), pending));
        }
        rows
    }
}

#[async_trait]
impl Catalog for Images {
    /// Community images are only searched for: clouds may have thousands, and few are of interest to this project.
    fn listing(&self) -> Listing {
        Listing::WholeAndMore
    }

    async fn list(&self, cx: &Context, query: Option<&str>, pages: mpsc::Sender<Vec<Row>>) -> Result<Extent> {
        let what = format!("list images of {}", self.cloud.name);
        let naming = Naming::default();
        if let Some(query) = query {
            return Box::pin(self.community(cx, &what, &query.to_lowercase(), &naming, &pages)).await;
        }
        // Offers that were not accepted are only in a list of their own. All three lists are read at the same time.
        let offered = async {
            let offered = cx.run(&what, self.offered(&what)).await?;
            let _ = pages.send(naming.named(&offered, true)).await;
            Ok(())
        };
        let images = self.all(&what, "", &naming, &pages);
        let (offered, images, missing) = tokio::join!(offered, images, self.blocks(&what, &pages));
        let extent = images?;
        offered?;
        Ok(match (extent, missing) {
            (Extent::Whole, Some(why)) => Extent::Cut(why),
            (extent, _) => extent,
        })
    }

    fn reference(&self, name: &str, tag: Option<&str>) -> Result<ImageRef> {
        if let Some(block) = tag.and_then(|tag| self.block_reference(tag)) {
            return Ok(block);
        }
        // A row's tag is the id of its image, which names it exactly.
        Ok(ImageRef::Glance { cloud: self.cloud.name.clone(), image: tag.unwrap_or(name).to_owned() })
    }

    fn cloud_place(&self) -> Option<CloudPlace> {
        self.cloud.place_of_cloud()
    }

    fn owns(&self, reference: &ImageRef) -> bool {
        matches!(reference, ImageRef::Glance { cloud, .. } | ImageRef::Volume { cloud, .. } if self.cloud.is_called(cloud))
    }

    async fn image(&self, _cx: &Context, reference: &ImageRef, _platform: Option<&Platform>) -> Result<Image> {
        let what = format!("show {reference}");
        let ImageRef::Glance { image, .. } = reference else {
            return self.block(&what, reference).await;
        };
        let found = self.find(&what, image).await?;
        let (project, _) = self.cloud.project().await?;
        Ok(found.image(&self.cloud.name, &project))
    }

    async fn tags(&self, _cx: &Context, _reference: &ImageRef) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn sign_in_place(&self) -> Option<String> {
        Some(self.cloud.account().vault_key())
    }

    fn keeps_a_secret(&self) -> bool {
        self.cloud.account().wants_secret()
    }

    async fn sign_in(&self, _cx: &Context, asker: Arc<dyn Asker>) -> Result<()> {
        self.cloud.account().sign_in(Some(asker)).await.map(|_| ())
    }

    async fn health(&self, cx: &Context) -> Result<Health> {
        let what = format!("ask {}", self.cloud.name);
        let (id, project) = cx.run(&what, self.cloud.project()).await?;
        cx.run(&what, self.page(&what, "limit=1")).await?;
        let (until, region) = (self.cloud.signed_in_until().await, self.cloud.region_words().await);
        // Without this remark, a list without volumes would look as if there were none.
        let volumes: Result<serde_json::Value> =
            cx.run(&what, self.cloud.json(&what, Service::Volume, Request::get("volumes?limit=1"))).await;
        let volumes = volumes.err().filter(|error| error.kind != Kind::Unsupported);
        let volumes = volumes.map(|error| format!("volumes are not shown: {}", error.why));
        Ok(Health {
            reachable: true,
            account: self.cloud.account().signed_in_as().await?,
            credentials: self.cloud.account().credentials(),
            // Others need the project's id to share something with it.
            note: [Some(format!("project {project} {id}")).filter(|_| !id.is_empty()), region, until, volumes]
                .into_iter()
                .flatten()
                .collect::<Vec<_>>()
                .join(" · "),
        })
    }
}
