//! What this person has shared, and what has become of it.

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::Sharing;
use crate::{
    audit,
    base::{
        context::Context,
        error::{Kind, Result},
        text,
    },
    image::{model::LastPull, reference::ImageRef},
    sharing::{
        given::{Given, Way, given},
        receiver::{Receiver, in_registry},
    },
};

/// How many places are asked at the same time.
const AT_ONCE: usize = 4;
/// The most shares whose standing is asked for: the newest.
const MOST: usize = 200;

/// Something that was shared, and how that stands today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SharedByMe {
    /// What was shared, with whom and since when.
    #[serde(flatten)]
    pub given: Given,
    /// How it stands, in words; `None` where that cannot be told.
    pub standing: Option<String>,
    /// When it was last pulled, where the place of the copy keeps that.
    pub pulled: Option<LastPull>,
    /// The id by which it is taken back, where it has one.
    pub id: Option<String>,
}

impl SharedByMe {
    /// How it stands, and when it was last pulled, in words.
    pub fn words(&self, now: i64) -> String {
        let standing = self.standing.as_deref().unwrap_or("not told");
        match self.pulled {
            None => standing.to_owned(),
            Some(LastPull::Never) => format!("{standing}, not pulled yet"),
            Some(LastPull::At(at)) => format!("{standing}, pulled {}", text::ago(at, now)),
        }
    }
}

impl Sharing {
    /// What this person has shared with Wharf here, the newest first, and how each stands at its place.
    ///
    /// # Errors
    /// Where the audit cannot be read. A place that does not answer only costs the standing.
    pub async fn shared_by_me(&self, cx: &Context) -> Result<Vec<SharedByMe>> {
        let all = given(&audit::read(&self.journal.written().await?));
        let looks: Vec<_> = all.into_iter().take(MOST).map(|given| self.standing(cx, given)).collect();
        Ok(stream::iter(looks).buffered(AT_ONCE).collect().await)
    }

    async fn standing(&self, cx: &Context, given: Given) -> SharedByMe {
        let reference = given.reference.clone().filter(|_| given.way == Way::Share);
        let mut pulled = None;
        let (standing, id) = match reference {
            Some(reference) if self.shares_by_grant(&reference) && in_registry(&given.to).is_none() => {
                self.granted(cx, &reference, &given.to).await
            }
            Some(reference) => {
                let (there, last) = self.copied_there(cx, &reference, &given.to).await.unzip();
                pulled = last.flatten();
                (there, None)
            }
            None => (None, None),
        };
        SharedByMe { given, standing, pulled, id }
    }

    /// How a grant stands: what its receiver has answered, or that it was taken back.
    async fn granted(&self, cx: &Context, reference: &ImageRef, to: &str) -> (Option<String>, Option<String>) {
        if !matches!(Receiver::from(to), Receiver::Project(_)) {
            return (None, None);
        }
        match self.shares(cx, reference).await {
            Ok(shares) => match shares.iter().find(|share| share.project.name == to || share.project.id == to) {
                Some(share) => (Some(share.standing.label().1.to_owned()), Some(share.id.clone())),
                // A project of another cloud got a copy.
                None if to.contains('/') => (None, None),
                None => (Some("taken back".to_owned()), None),
            },
            Err(error) if error.kind == Kind::NotFound => (Some("the image is gone".to_owned()), None),
            Err(_) => (None, None),
        }
    }

    /// Whether the copy that was made is still there, and when it was last pulled.
    async fn copied_there(&self, cx: &Context, reference: &ImageRef, to: &str) -> Option<(String, Option<LastPull>)> {
        let (project, named) = match to.split_once(" as ") {
            Some((project, named)) => (project, Some(named.parse().ok()?)),
            None => (to, None),
        };
        let there = match self.place_in_registry(cx, reference, project).await.ok()? {
            Some((there, _)) => there,
            None => Self::destination(reference, project, named.as_ref()).ok()?,
        };
        let place = self.sources.place(&there).ok()?;
        match cx.run("look for a copy", place.content.digest(cx, &there)).await {
            Ok(_) => {
                let source = self.sources.source(&there).ok()?;
                let pulled = cx.run("ask when it was pulled", source.catalog.last_pull(cx, &there)).await;
                Some(("there".to_owned(), pulled.ok().flatten()))
            }
            Err(error) if error.kind == Kind::NotFound => Some(("gone".to_owned(), None)),
            Err(_) => None,
        }
    }
}
