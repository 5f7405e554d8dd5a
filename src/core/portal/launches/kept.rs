//! Images that backends keep unpacked or prepared: listing them, and removing them.

use futures_util::{StreamExt, stream};

use super::Launches;
use crate::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    launch::kept::KeptImage,
};

impl Launches {
    /// The images that every backend keeps, and the errors of those that cannot tell.
    pub async fn kept_images(&self, cx: &Context) -> (Vec<KeptImage>, Vec<(String, Error)>) {
        let asked: Vec<_> = self
            .launchers
            .iter()
            .map(|launcher| async move {
                let name = launcher.name().to_owned();
                let answer =
                    cx.unless_cancelled(&format!("list images that {name} keeps"), launcher.kept_images(cx)).await;
                (name, answer)
            })
            .collect();
        let answers: Vec<(String, Result<Vec<KeptImage>>)> = stream::iter(asked).buffered(8).collect().await;
        let (mut all, mut failed) = (Vec::new(), Vec::new());
        for (name, answer) in answers {
            match answer {
                Ok(images) => all.extend(images),
                Err(error) => failed.push((name, error)),
            }
        }
        (all, failed)
    }

    /// Removes an image that a backend keeps; one that is gone counts as removed.
    ///
    /// # Errors
    /// `Usage` where it is in use.
    pub async fn remove_kept_image(&self, cx: &Context, image: &KeptImage) -> Result<()> {
        let launcher = self.launcher(Some(&image.backend), None)?;
        let entry = self.journal.entry("clear-cache", format!("{} of {}", image.id, image.backend));
        self.journal.recorded(entry, launcher.remove_kept_image(cx, &image.id)).await
    }
}
