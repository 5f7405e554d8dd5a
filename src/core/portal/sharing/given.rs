//! What this person has shared, and what has become of it.

use futures_util::{StreamExt, stream};
use serde::Serialize;

use super::Sharing;
use crate::{
    audit,
    base::{
        context::Context,
        digest::Digest,
        error::{Kind, Result},
        text,
    },
    image::{model::LastPull, reference::ImageRef},
    sharing::{
        ending::{Endings, Takeable},
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
    /// When it is to end, where that was said.
    pub until: Option<i64>,
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
    /// The copy, and what its name means now.
    there: Option<(ImageRef, Digest)>,
    /// Whether that is the image that was shared.
    is_same: bool,
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
        let end = match self.until {
            Some(until) if until <= now => "! past its end, ".to_owned(),
            Some(until) => format!("until {}, ", text::timestamp(until).get(..10).unwrap_or_default()),
            None => String::new(),
        };
        format!("{end}{standing}{pulled}")
    }

    /// Whether its end has passed, so that it waits to be taken back.
    pub fn is_overdue(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
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
        let endings = self.endings().await?;
        let looks: Vec<_> = all.into_iter().take(MOST).map(|given| self.standing(cx, given, &endings)).collect();
        Ok(stream::iter(looks).buffered(AT_ONCE).collect().await)
    }

    async fn standing(&self, cx: &Context, given: Given, endings: &Endings) -> SharedByMe {
        let reference = given.reference.clone().filter(|_| given.way == Way::Share);
        let standing = match reference {
            Some(reference) if self.shares_by_grant(&reference) && in_registry(&given.to).is_none() => {
                self.granted(cx, &reference, &given.to).await
            }
            Some(reference) => self.copied_there(cx, &reference, &given).await.unwrap_or_default(),
            None => Standing::default(),
        };
        let Standing { words, pulled, id, there, is_same } = standing;
        let by = id.clone().map(Takeable::Grant).or_else(|| {
            let (at, digest) = there.clone()?;
            Some(Takeable::Copy { at, digest })
        });
        let until = by.and_then(|by| endings.end_of(&by));
        let copy = there.filter(|_| is_same).map(|(at, _)| at);
        SharedByMe { given, standing: words, pulled, until, id, copy }
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
            Ok(digest) => {
                // One platform of it, or what somebody else has put there since, is another digest; of what was made of a
                // cloud's image, the digest is not known here.
                let is_same = is_same_bytes && given.digest.as_ref() == Some(&digest);
                let is_other = is_same_bytes && given.digest.is_some() && !is_same;
                let source = self.sources.source(&there).ok()?;
                let pulled = cx.run("ask when it was pulled", source.catalog.last_pull(cx, &there)).await;
                let pulled = pulled.ok().flatten();
                let words = if is_other { format!("its name means {} there", digest.short()) } else { "there".into() };
                Some(Standing { pulled, there: Some((there, digest)), is_same, ..Standing::words(&words) })
            }
            Err(error) if error.kind == Kind::NotFound => Some(Standing::words("gone")),
            Err(_) => None,
        }
    }
}
