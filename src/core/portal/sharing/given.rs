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
        receiver::in_registry,
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
    /// The id by which a grant is taken back.
    pub id: Option<String>,
    /// The copy that was made, if it is there and is still the image that was shared: it is taken back by removing it.
    pub copy: Option<ImageRef>,
}

/// What a place says of a share.
#[derive(Default)]
struct Standing {
    words: Option<String>,
    pulled: Option<LastPull>,
    id: Option<String>,
    copy: Option<ImageRef>,
}

impl Standing {
    fn words(words: &str) -> Self {
        Self { words: Some(words.to_owned()), ..Self::default() }
    }
}

impl SharedByMe {
    /// How it stands, and when it was last pulled, in words.
    pub fn words(&self, now: i64) -> String {
        let standing = self.standing.as_deref().unwrap_or("not told");
        let pulled = match self.pulled {
            None => String::new(),
            Some(LastPull::Never) => ", not pulled yet".to_owned(),
            Some(LastPull::At(at)) => format!(", pulled {}", text::ago(at, now)),
        };
        let end = match self.given.until {
            Some(_) if self.is_overdue(now) => "! past its end, ".to_owned(),
            Some(until) if until <= now => "ended, ".to_owned(),
            Some(until) => format!("until {}, ", text::timestamp(until).get(..10).unwrap_or_default()),
            None => String::new(),
        };
        format!("{end}{standing}{pulled}")
    }

    /// Whether its end has passed and it still stands, so that it waits to be taken back.
    pub fn is_overdue(&self, now: i64) -> bool {
        self.given.is_past(now) && self.can_be_taken_back()
    }

    /// Whether it is something that can be taken back: a grant, or a copy that is there.
    pub fn can_be_taken_back(&self) -> bool {
        self.id.is_some() || self.copy.is_some()
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
        let standing = match reference {
            Some(reference) if self.shares_by_grant(&reference) && in_registry(&given.to).is_none() => {
                self.granted(cx, &reference, &given.to).await
            }
            Some(reference) => self.copied_there(cx, &reference, &given).await.unwrap_or_default(),
            None => Standing::default(),
        };
        let Standing { words, pulled, id, copy } = standing;
        SharedByMe { given, standing: words, pulled, id, copy }
    }

    /// How a grant stands: what its receiver has answered, or that it was taken back.
    async fn granted(&self, cx: &Context, reference: &ImageRef, to: &str) -> Standing {
        // Everybody has the same id at its place as in the name of the receiver.
        let to = to.strip_prefix(':').unwrap_or(to);
        match self.shares(cx, reference).await {
            Ok(shares) => match shares.iter().find(|share| share.project.name == to || share.project.id == to) {
                Some(share) => Standing { id: Some(share.id.clone()), ..Standing::words(share.standing.label().1) },
                // A project of another cloud got a copy.
                None if to.contains('/') => Standing::default(),
                None => Standing::words("taken back"),
            },
            Err(error) if error.kind == Kind::NotFound => Standing::words("the image is gone"),
            Err(_) => Standing::default(),
        }
    }

    /// Whether the copy that was made is still there, and when it was last pulled; `None` where that cannot be told.
    async fn copied_there(&self, cx: &Context, reference: &ImageRef, given: &Given) -> Option<Standing> {
        let (project, named) = match given.to.split_once(" as ") {
            Some((project, named)) => (project, Some(named.parse().ok()?)),
            None => (given.to.as_str(), None),
        };
        let (there, is_same_bytes) = match self.place_in_registry(cx, reference, project).await.ok()? {
            Some((there, _)) => (there, false),
            None => (Self::destination(reference, project, named.as_ref()).ok()?, true),
        };
        let place = self.sources.place(&there).ok()?;
        match cx.run("look for a copy", place.content.digest(cx, &there)).await {
            // One platform of it, or what somebody else has put there since: that is not taken back by itself.
            Ok(digest) if is_same_bytes && given.digest.as_ref().is_some_and(|shared| *shared != digest) => {
                Some(Standing::words(&format!("its name means {} there", digest.short())))
            }
            Ok(_) => {
                let source = self.sources.source(&there).ok()?;
                let pulled = cx.run("ask when it was pulled", source.catalog.last_pull(cx, &there)).await;
                let pulled = pulled.ok().flatten();
                // Of what was made of a cloud's image, the digest that it got is not known here.
                let copy = (is_same_bytes && given.digest.is_some()).then_some(there);
                Some(Standing { pulled, copy, ..Standing::words("there") })
            }
            Err(error) if error.kind == Kind::NotFound => Some(Standing::words("gone")),
            Err(_) => None,
        }
    }
}
