//! Attaching volumes to servers (Compute API v2.1, "Servers with volume attachments").

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::{
    Images,
    answers::AttachmentsAnswer,
    servers,
    service::{Body, Request, Service},
    volumes::Block,
};
use wharf_core::{
    base::{
        clean,
        context::Context,
        error::{Error, Kind, Result},
    },
    image::reference::ImageRef,
};

/// The time between two looks at a volume whose status changes, and the number of looks.
const LOOK: Duration = Duration::from_millis(500);
const LOOKS: usize = 120;

impl Images {
    /// A volume of this cloud, and whether it is attached to the server.
    async fn volume_in(&self, what: &str, server: &str, volume: &ImageRef) -> Result<(Block, bool)> {
        let name = match volume {
            ImageRef::Volume { cloud, volume } if *cloud == self.cloud.name => volume,
            _ => return Err(Error::usage(what, "it is no volume of the cloud that the server is in")),
        };
        if name.contains('/') {
            return Err(Error::unsupported(what, "only volumes go into servers, not snapshots and backups")
                .hint("make a volume of it first"));
        }
        let path = format!("{}/os-volume_attachments", servers::path(what, server)?);
        let found = self.find_block(what, "volumes", name).await?;
        let there: AttachmentsAnswer = self.cloud.json(what, Service::Compute, Request::get(&path)).await?;
        let inside = there.volumes().any(|id| id == found.id);
        Ok((found, inside))
    }

    /// Attaches a volume to a server, and waits until it is attached. It is no error if it is already.
    pub async fn put_in(&self, cx: &Context, server: &str, volume: &ImageRef) -> Result<()> {
        let what = format!("attach {volume} to {server}");
        let (found, inside) = self.volume_in(&what, server, volume).await?;
        if inside && found.status == "in-use" {
            return Ok(());
        }
        if !inside {
            may_go(&found, &what)?;
            let path = format!("{}/os-volume_attachments", servers::path(&what, server)?);
            let body = Body::Json(json!({"volumeAttachment": {"volumeId": found.id}}));
            self.cloud.send(&what, Service::Compute, Request::new(Method::POST, &path, body)).await?;
        }
        let gave_up = |status: &str| status == "available" || status.starts_with("error");
        self.until_volume(cx, &what, &found.id, "in-use", gave_up).await
    }

    /// Detaches a volume from a server, and waits until it is free. It is no error if it is not attached.
    pub async fn detach(&self, cx: &Context, server: &str, volume: &ImageRef) -> Result<()> {
        let what = format!("detach {volume} from {server}");
        let (found, inside) = self.volume_in(&what, server, volume).await?;
        if !inside {
            return Ok(());
        }
        let path = format!("{}/os-volume_attachments/{}", servers::path(&what, server)?, found.id);
        self.cloud.send(&what, Service::Compute, Request::new(Method::DELETE, &path, Body::None)).await?;
        let shared = found.servers().len() > 1;
        let wanted = if shared { "in-use" } else { "available" };
        self.until_volume(cx, &what, &found.id, wanted, |status| status.starts_with("error")).await
    }

    async fn until_volume(
        &self,
        cx: &Context,
        what: &str,
        id: &str,
        wanted: &str,
        gave_up: impl Fn(&str) -> bool,
    ) -> Result<()> {
        let mut left = false;
        for _ in 0..LOOKS {
            let status = self.find_block(what, "volumes", id).await?.status;
            cx.progress.phase(format!("the volume is {}", clean::short(&status, 30)));
            if status == wanted {
                return Ok(());
            }
            // A failure returns to the status before: only after it has left that status can it have returned to it.
            if left && gave_up(&status) {
                return Err(Error::failed(what, "the cloud gave up on it").hint("try again, or ask its administrators"));
            }
            left |= !gave_up(&status);
            tokio::time::sleep(LOOK).await;
        }
        Err(Error::new(Kind::Unavailable, what, format!("the volume does not become {wanted}"))
            .hint("look again in a while: wharf show on the volume tells where it is"))
    }
}

/// Fails if the volume cannot be attached to another server.
fn may_go(volume: &Block, what: &str) -> Result<()> {
    match volume.status.as_str() {
        "available" => Ok(()),
        "in-use" if volume.goes_into_many() => Ok(()),
        "in-use" => Err(Error::usage(what, format!("it is in use by server {}", volume.servers().join(", ")))
            .hint("take it out of there first: wharf detach")),
        other => Err(Error::usage(what, format!("it is {}", clean::short(other, 30)))
            .hint("only a volume at rest goes into a server")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_volume_at_rest_goes_into_a_server_or_one_that_many_may_have() {
        let volume = |text: &str| serde_json::from_str::<Block>(text).unwrap();
        assert!(may_go(&volume(r#"{"status": "available"}"#), "w").is_ok());
        assert!(may_go(&volume(r#"{"status": "in-use", "multiattach": true}"#), "w").is_ok());
        let used = may_go(&volume(r#"{"status": "in-use", "attachments": [{"server_id": "s1"}]}"#), "w").unwrap_err();
        assert!(used.why.contains("in use by server s1"), "{used}");
        assert_eq!(may_go(&volume(r#"{"status": "creating"}"#), "w").unwrap_err().why, "it is creating");
    }
}
