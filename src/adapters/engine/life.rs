//! A container after its launch: starting it again, and making an image of it.

use bollard::{
    models::ContainerConfig,
    query_parameters::{CommitContainerOptionsBuilder, RestartContainerOptionsBuilder, StartContainerOptions},
};

use super::Engine;
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
};

/// Seconds that a program has to end before it is killed.
const END_AFTER: i32 = 10;
/// How long making an image may take, which copies everything that the container has written.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(600);

/// The comment in an image that was made of a container.
fn origin(id: &str) -> String {
    format!("snapshot of {id}")
}

impl Engine {
    /// Starts a container. A running one stays as it is, or is restarted with `again`.
    pub(super) async fn start_container(&self, cx: &Context, id: &str, again: bool) -> Result<()> {
        let what = format!("{} {id}", if again { "restart" } else { "start" });
        let patient = cx.clone().with_deadline(std::time::Duration::from_secs(40));
        let started = patient
            .run(&what, async {
                let docker = self.docker().await?;
                let done = if again {
                    let options = RestartContainerOptionsBuilder::default().t(END_AFTER).build();
                    docker.restart_container(id, Some(options)).await
                } else {
                    docker.start_container(id, None::<StartContainerOptions>).await
                };
                done.map_err(|error| self.library_error(&what, &error))
            })
            .await;
        match started {
            // 304: it runs already.
            Err(error) if error.why.contains("304") || error.why.is_empty() => Ok(()),
            other => other,
        }
    }

    /// Makes an image of a container. For the same container and name, it is the same image again.
    pub(super) async fn commit(&self, cx: &Context, id: &str, name: &str) -> Result<ImageRef> {
        let what = format!("make an image of {id}");
        let (repository, tag) = name.split_once(':').unwrap_or((name, "latest"));
        let repository = match repository.to_ascii_lowercase() {
            plain if plain.contains('/') => plain,
            plain => format!("localhost/{plain}"),
        };
        // Parsing the reference checks its grammar.
        let reference = format!("engine://{}/{repository}:{tag}", self.name);
        let reference: ImageRef = reference.parse().map_err(|error: Error| error.during(&what))?;
        let full = format!("{repository}:{tag}");
        let patient = cx.clone().with_deadline(PATIENCE);
        patient
            .run(&what, async {
                let docker = self.docker().await?;
                match docker.inspect_image(&full).await {
                    Ok(image) if image.comment.as_deref() == Some(&origin(id)) => return Ok(()),
                    Ok(_) => {
                        return Err(Error::new(Kind::Failed, &what, format!("{full} is another image already"))
                            .hint("choose another name"));
                    }
                    Err(_) => {}
                }
                let options = CommitContainerOptionsBuilder::default()
                    .container(id)
                    .repo(&repository)
                    .tag(tag)
                    .comment(&origin(id))
                    .build();
                let made = docker.commit_container(options, ContainerConfig::default()).await;
                made.map(|_| ()).map_err(|error| self.library_error(&what, &error))
            })
            .await?;
        Ok(reference)
    }
}
