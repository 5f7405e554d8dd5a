//! Giving an image another tag.

use super::{
    Upkeep,
    tag::{Move, TagResult},
};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
    ports::{Question, QuestionKind},
};

impl Upkeep {
    /// Tags an image. A tag that means another image is moved only if `moves` allows it.
    pub async fn tag(&self, cx: &Context, reference: &ImageRef, new: &ImageRef, moves: Move) -> Result<TagResult> {
        let what = format!("tag {reference} as {}", new.tag().unwrap_or_default());
        let entry = self.journal.entry("tag", format!("{reference} as {new}"));
        let tagging = async {
            let upkeep = self.port(reference, &what)?;
            let digest = cx.run(&what, upkeep.digest(cx, reference)).await?;
            let before = match cx.run(&what, upkeep.digest(cx, new)).await {
                Ok(digest) => Some(digest),
                Err(error) if error.kind == Kind::NotFound => None,
                Err(error) => return Err(error),
            };
            if before.as_ref() == Some(&digest) {
                return Ok(TagResult { reference: new.clone(), digest, before });
            }
            let moved = match (&before, moves) {
                (None, _) | (_, Move::Always) => true,
                (Some(_), Move::Never) => false,
                (Some(before), Move::Ask(asker)) => {
                    let words = format!(
                        "{} means {} now. Let it mean {} from now on?",
                        new.short_text(),
                        before.short(),
                        digest.short()
                    );
                    let answer = asker.ask(Question { words, kind: QuestionKind::Confirm }).await?;
                    answer.reveal() == "yes"
                }
            };
            if let (Some(before), false) = (&before, moved) {
                return Err(Error::usage(what, format!("that tag means another image: {}", before.short()))
                    .hint("choose another tag; --move lets it mean this one from now on"));
            }
            cx.run(&what, upkeep.tag(cx, &reference.with_digest(&digest), new)).await?;
            Ok(TagResult { reference: new.clone(), digest, before })
        };
        self.journal.recorded_with(entry, tagging, |entry, tagged| entry.digest = Some(tagged.digest.clone())).await
    }
}
