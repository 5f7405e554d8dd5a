//! Transfers of volumes between projects (Block Storage API v3, "Volume transfers"): everybody with the key can accept
//! one, and no list shows the key.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    Images,
    service::{Body, Request, Service},
    volumes::time,
};
use wharf_core::{
    base::{
        clean,
        error::{Error, Kind, Result},
        secret::Secret,
    },
    image::reference::ImageRef,
    sharing::offer::{Offer, Project, VolumeTransfer},
};

/// The microversion from which snapshots go along with a volume.
const WITH_SNAPSHOTS: &str = "3.55";
/// The microversion from which encrypted volumes can be transferred.
const WITH_KEYS: &str = "3.70";

/// A transfer. Only the answer to its creation has the key.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
struct Transfer {
    id: String,
    name: Option<String>,
    volume_id: String,
    created_at: Option<String>,
    auth_key: Option<Key>,
}

/// A key that is not printed by accident.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
struct Key(Secret);

impl From<String> for Key {
    fn from(text: String) -> Self {
        Self(Secret::new(text))
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, Deserialize)]
struct TransferAnswer {
    transfer: Transfer,
}

#[derive(Debug, Deserialize)]
struct Transfers {
    #[serde(default)]
    transfers: Vec<Transfer>,
}

impl Images {
    /// Creates a transfer of a volume. When it is accepted, this project loses the volume.
    pub async fn create_transfer(&self, what: &str, reference: &ImageRef) -> Result<VolumeTransfer> {
        let ImageRef::Volume { volume, .. } = reference else {
            return Err(
                Error::usage(what, "only volumes are given away").hint("share an image: wharf share REF --to PROJECT")
            );
        };
        if volume.contains('/') {
            return Err(Error::usage(what, "snapshots and backups go along with their volume, not alone"));
        }
        let found = self.find_block(what, "volumes", volume).await?;
        if found.status == "awaiting-transfer" {
            return Err(Error::usage(what, "it is being given away already").hint(
                "'wharf offers' shows it; 'wharf offers cancel ID' takes it back, and then a new key can be made",
            ));
        }
        if found.status != "available" {
            return Err(Error::usage(
                what,
                format!("it is {}: only an available volume can be given", clean::short(&found.status, 30)),
            )
            .hint("stop the server that uses it and detach it first"));
        }
        let body = Body::Json(json!({"transfer": {"volume_id": found.id, "name": found.title()}}));
        // The key of an encrypted volume goes along only from that microversion on.
        let version = if found.encrypted { WITH_KEYS } else { WITH_SNAPSHOTS };
        let request = Request::new(Method::POST, "volume-transfers", body).at(version);
        let made: TransferAnswer = self.cloud.json(what, Service::Volume, request).await?;
        let key = made.transfer.auth_key.ok_or_else(|| Error::failed(what, "the cloud tells no key"))?;
        Ok(VolumeTransfer {
            id: format!("{}/transfer/{}", self.cloud.name, made.transfer.id),
            transfer: made.transfer.id,
            title: found.title(),
            key: key.0,
        })
    }

    /// The transfers of this project that have not been accepted yet.
    pub async fn given(&self, what: &str, project: &Project) -> Result<Vec<Offer>> {
        let request = Request::get("volume-transfers/detail").at(WITH_SNAPSHOTS);
        let answer: Result<Transfers> = self.cloud.json(what, Service::Volume, request).await;
        let found = match answer {
            Ok(found) => found.transfers,
            // Without block storage, or with an old version of it, there are no transfers.
            Err(error) if matches!(error.kind, Kind::Unsupported | Kind::NotFound) => Vec::new(),
            Err(error) => return Err(error),
        };
        let offer = |transfer: Transfer| Offer {
            id: format!("{}/transfer/{}", self.cloud.name, transfer.id),
            source: self.cloud.name.clone(),
            title: clean::short(transfer.name.as_deref().unwrap_or("volume"), 100),
            reference: ImageRef::Volume { cloud: self.cloud.name.clone(), volume: transfer.volume_id },
            from: project.clone(),
            since: time(transfer.created_at.as_deref()),
            note: "volume, given by this project".into(),
            ignored: "it stays here and cannot be used; clouds let such an offer stand for ever".into(),
            outgoing: true,
        };
        Ok(found.into_iter().map(offer).collect())
    }

    /// Accepts a transfer of a volume with the key that its giver has sent.
    pub async fn accept_transfer(&self, what: &str, transfer: &str, key: &Secret) -> Result<ImageRef> {
        let path = format!("volume-transfers/{transfer}/accept");
        let body = Body::Json(json!({"accept": {"auth_key": key.reveal()}}));
        let request = Request::new(Method::POST, &path, body).at(WITH_SNAPSHOTS);
        let taken: Result<TransferAnswer> = self.cloud.json(what, Service::Volume, request).await;
        match taken {
            Ok(taken) => Ok(ImageRef::Volume { cloud: self.cloud.name.clone(), volume: taken.transfer.volume_id }),
            Err(error) if error.why.contains("auth_key") || error.why.contains("auth key") => {
                Err(Error::new(Kind::NotAllowed, what, "the key does not fit")
                    .hint("ask the giver for the key; it was shown once, when the volume was given"))
            }
            Err(error) if error.kind == Kind::NotFound => {
                Err(error.hint("check the id; it may have been taken or taken back"))
            }
            Err(error) => Err(error),
        }
    }

    /// Cancels a transfer; it is no error if it does not exist.
    pub async fn cancel_transfer(&self, what: &str, transfer: &str) -> Result<()> {
        let path = format!("volume-transfers/{transfer}");
        let request = Request::new(Method::DELETE, &path, Body::None).at(WITH_SNAPSHOTS);
        match self.cloud.send(what, Service::Volume, request).await {
            Err(error) if error.kind == Kind::NotFound => Ok(()),
            other => other.map(|_| ()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfers_key_does_not_show_in_debug_output() {
        let transfer: Transfer = serde_json::from_str(r#"{"id": "x", "auth_key": "46ca709f313b07a8"}"#).unwrap();
        assert!(!format!("{transfer:?}").contains("46ca"));
    }
}
