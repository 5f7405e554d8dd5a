//! Publishing that an admission was revoked: signed and put beside the image, in place of the steward's earlier
//! statement.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{decision::Decisions, tools::StewardKeys};
use crate::{
    base::{
        context::Context,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    image::{model, reference::ImageRef},
    portal::{
        Sources,
        requests::admitted_place,
        signatures::{Signatures, signed_by},
        stewardship::Stewardship,
    },
    ports::{cannot, disks::Published},
    request::{
        Request,
        admission::AdmissionPlace,
        statement::{Payload, Statement},
    },
};

/// Signs revocations of admissions.
pub(super) struct Revoker {
    config: Arc<Config>,
    sources: Arc<Sources>,
    decisions: Arc<Decisions>,
}

impl Revoker {
    /// Revocations at the steward's site.
    pub(super) fn new(parts: &Stewardship, decisions: Arc<Decisions>) -> Self {
        Self { config: parts.config.clone(), sources: parts.sources.clone(), decisions }
    }

    /// Signs that an admission was revoked. The store says so at once; the signature is for people who do not ask the
    /// store.
    pub(super) async fn sign_revocation(&self, cx: &Context, tools: &StewardKeys, request: &Request) -> Result<()> {
        let what = format!("take back {}", request.called());
        let (place, digest) = admitted_place(&what, request)?;
        let decision = request.decision.as_ref().ok_or_else(|| Error::failed(&what, "there is no decision"))?;
        let by = (decision.by.as_str(), decision.reason.as_str());
        let statement = Statement::for_revocation(&place, &digest, request.id, by, text::now());
        let signer = tools.signer.as_ref().ok_or_else(|| {
            Error::new(Kind::NotAllowed, &what, "there is no key to sign with")
                .hint("name the steward's: [requests] key = \"keyring:steward\"")
        })?;
        match &place {
            AdmissionPlace::Repository(name) if self.config.requests.admits_into(name) => {
                let content = self.sources.place(&ImageRef::Oci(name.clone()))?.content;
                let signatures = Signatures { cx, what: &what, content: &*content, name, digest: &digest };
                let by_approver = STANDARD.decode(&decision.signature).ok().filter(|signature| !signature.is_empty());
                let is_this = matches!(Payload::parse(decision.payload.as_bytes()),
                    Some(Payload::TakenBack { digest: of, .. }) if of == digest.as_str());
                if let Some(signature) = by_approver.filter(|_| is_this && self.decisions.signer_id(decision).is_some())
                {
                    signatures.add(&decision.payload, &signature).await?;
                }
                signatures.sign(&statement, &**signer).await.map(|_| ())
            }
            AdmissionPlace::Repository(_) => {
                Err(Error::new(Kind::Denied, what, "it is in no place where images are admitted"))
            }
            AdmissionPlace::Disk(id) => {
                let cloud = self.sources.called(&self.config.requests.cloud)?;
                let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "publish on"))?;
                let at = ImageRef::Glance { cloud: cloud.name.clone(), image: id.clone() };
                let name =
                    self.sources.image(cx, &at, None).await?.annotations.get("name").cloned().unwrap_or_default();
                let signature = STANDARD.encode(signed_by(&what, &statement, &**signer).await?);
                let [words, proof] = model::Statement::PROPERTIES.map(str::to_owned);
                let properties = vec![(words, statement.text().to_owned()), (proof, signature)];
                disks.publish(cx, &at, &Published { name, visibility: "private".to_owned(), properties }).await
            }
        }
    }
}
