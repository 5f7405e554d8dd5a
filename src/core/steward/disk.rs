//! Requests for disk images: fetched into the steward's project of a cloud, where nobody else sees them; inspected from
//! their own bytes; signed over the hash that the cloud keeps, and over their data if the site has a key for that; then
//! published.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    decision::{Decisions, policy_id},
    quarantine::{Quarantine, disk_name},
    reach::ReachableSources,
    tools::StewardKeys,
};
use crate::portal::requests::web_address::WebAddress;
use crate::{
    base::{
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    image::{
        lineage::DiskNeeds,
        model::{DiskFacts, Image, ImageKind},
        reference::{ImageRef, is_on_the_web},
    },
    portal::{
        Source, Sources,
        evidence::{Evidence, Freshness},
        signatures::signed_by,
        stewardship::Stewardship,
    },
    ports::{
        cannot,
        disks::{Import, Published, Upload},
    },
    request::{
        Admission, Dossier, Request,
        admission::{AdmissionPlace, AdmissionToSign, Decided},
        event::PolicyOutcome,
        statement::Statement,
        stored_reasons,
    },
};

/// The visibility of admitted disk images if the site sets none.
const VISIBILITY: &str = "community";
/// The visibility of disk images while they are judged.
const PRIVATE: &str = "private";

/// Handles requests for disk images.
pub(super) struct DiskRequests {
    config: Arc<Config>,
    sources: Arc<Sources>,
    evidence: Arc<Evidence>,
    reach: Arc<ReachableSources>,
    quarantine: Arc<Quarantine>,
    decisions: Arc<Decisions>,
}

impl DiskRequests {
    /// Requests for disk images at the steward's site.
    pub(super) fn new(
        parts: &Stewardship,
        reach: Arc<ReachableSources>,
        quarantine: Arc<Quarantine>,
        decisions: Arc<Decisions>,
    ) -> Self {
        let (config, sources, evidence) = (parts.config.clone(), parts.sources.clone(), parts.evidence.clone());
        Self { config, sources, evidence, reach, quarantine, decisions }
    }

    /// The cloud that takes disk images; fails if it is not configured.
    fn cloud(&self, what: &str) -> Result<&Source> {
        let name = &self.config.requests.cloud;
        if name.is_empty() {
            return Err(Error::unsupported(what, "the site has no cloud for disk images ([requests] cloud)"));
        }
        self.sources.called(name)
    }

    /// Fetches a disk image: gives the image as described, as it is in the steward's project, and the file with its
    /// bytes. Steps that were done before are not repeated.
    async fn fetch(&self, cx: &Context, request: &Request) -> Result<(Image, Image, PathBuf)> {
        let what = format!("fetch {}", request.asked.title);
        let cloud = self.cloud(&what)?;
        let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "upload to"))?;
        let file = self.quarantine.disk_file(request);
        let name = disk_name(request);
        self.quarantine.make_private().await?;
        let (origin, kept) = if is_on_the_web(&request.asked.from) {
            let url = WebAddress::parse(&self.config.requests, &what, &request.asked.from)?.get().to_owned();
            let (kept, imported) = disks.import(cx, &Import { name, url }).await?;
            // Before the cloud has fetched it, nobody knows its size.
            if let Err(error) = cx.budget.expects(&what, imported.moved.saturating_add(imported.spared)) {
                disks.forget(cx, &kept).await?;
                return Err(error);
            }
            disks.download(cx, &kept, &file).await?;
            (kept.clone(), kept)
        } else {
            let origin = self.reach.resolve(&what, &request.asked.from)?.get().clone();
            let source = self.sources.source(&origin)?;
            let from = source.disks.clone().ok_or_else(|| cannot(&source.name, "download from"))?;
            let wanted: Digest = request.asked.digest.parse()?;
            let asked = self.sources.image(cx, &origin, None).await?;
            cx.budget.expects(&what, asked.size)?;
            let fetched = from.download(cx, &origin, &file).await?;
            wanted.matches(&fetched.digest, &what)?;
            let header = self.describe_file(cx, &file).await?;
            let format = header.disk.as_ref().map_or("raw", |disk| disk.format.as_str()).to_owned();
            // What it was made of is not passed on: the admission says where it was asked for.
            let needs = DiskNeeds::of(&asked, String::new());
            let upload = Upload { name, file: file.clone(), format, size: header.size, needs, signed: None };
            let (kept, _) = disks.upload(cx, &upload).await?;
            (origin, kept)
        };
        let (origin, kept) = (self.sources.image(cx, &origin, None).await?, self.sources.image(cx, &kept, None).await?);
        Ok((origin, kept, file))
    }

    /// Describes a disk image from the bytes of a file.
    async fn describe_file(&self, cx: &Context, file: &std::path::Path) -> Result<Image> {
        let at = ImageRef::File { path: file.display().to_string(), tag: None, digest: None };
        let image = self.sources.image(cx, &at, None).await?;
        if image.kind == ImageKind::Vm {
            Ok(image)
        } else {
            Err(Error::unsupported(format!("inspect {at}"), "its bytes are no disk image")
                .hint("ask for a qcow2, raw or vmdk"))
        }
    }

    /// Examines a disk image: gives all that a decision needs, and the policy's next step.
    pub(super) async fn examine(&self, cx: &Context, request: &Request) -> Result<(Dossier, PolicyOutcome)> {
        let (origin, kept, file) = self.fetch(cx, request).await?;
        let found = self.describe_file(cx, &file).await?.disk.unwrap_or_default();
        let said = origin.disk.clone().unwrap_or_default();
        // If the cloud holds a qcow2 as "raw", it would open it as something else than was inspected.
        let wrong = !said.format.is_empty() && said.format != found.format && said.format != "no format";
        let facts = DiskFacts { refers: found.refers || wrong, ..found.clone() };
        let judged = Image { disk: Some(facts), ..origin.clone() };
        let records = self.evidence.gather(cx, &judged, Freshness::Now, false).await?;
        let judgement = self.decisions.judge_request(&judged, &records).await;
        let hash = kept.pinned.as_ref().map(|pinned| pinned.digest.to_string()).unwrap_or_default();
        let mut evidence = vec![format!("format: {} by its own header, {}", found.format, text::size(kept.size))];
        if wrong {
            evidence.push(format!("format: the cloud was told {}, and it is {}", said.format, found.format));
        }
        evidence.extend(found.warnings.iter().map(|warning| format!("header: {warning}")));
        evidence.push(format!("hash: {hash}"));
        let system = origin.annotations.get("operating system").cloned().unwrap_or_default();
        let now = text::now();
        let dossier = Dossier {
            verdict: judgement.verdict,
            policy: policy_id(&self.config.policy),
            grounds: stored_reasons(&judgement),
            evidence,
            base: if system.is_empty() { found.format } else { system },
            diff: String::new(),
            fixes: Vec::new(),
            quarantine: kept.reference.to_string(),
            scan: None,
            tag: None,
            at: now,
        };
        let next = self.decisions.next(request, &dossier, now).await?;
        Ok((dossier, next))
    }

    /// Signs a disk image where it was judged, checks the signature, and publishes the image last.
    pub(super) async fn admit(
        &self,
        cx: &Context,
        tools: &StewardKeys,
        request: &Request,
        decided: &Decided,
    ) -> Result<Admission> {
        let what = format!("admit {}", request.called());
        let Some(signer) = &tools.signer else {
            return Err(Error::new(Kind::NotAllowed, what, "there is no key to sign with")
                .hint("name the steward's: [requests] key = \"keyring:steward\""));
        };
        let cloud = self.cloud(&what)?;
        let disks = cloud.disks.clone().ok_or_else(|| cannot(&cloud.name, "publish on"))?;
        let quarantine = request.dossier.as_ref().map(|dossier| dossier.quarantine.as_str()).unwrap_or_default();
        let at: ImageRef = quarantine.parse()?;
        let ImageRef::Glance { cloud: kept_in, image: id } = &at else {
            return Err(Error::new(Kind::Denied, what, "it was not judged in the site's cloud"));
        };
        let image = self.sources.image(cx, &at, None).await?;
        // The database says where it was judged: that must be this project, with an image of the request's own name.
        if *kept_in != cloud.name || image.annotations.get("name").is_none_or(|name| !self.is_name_of(request, name)) {
            return Err(Error::new(Kind::Denied, what, "what was judged is not where it was kept"));
        }
        let pinned = image.pinned.ok_or_else(|| Error::failed(&what, "the cloud keeps no hash of it"))?;
        let admitting = AdmissionToSign::new(request, decided, AdmissionPlace::Disk(id.clone()), &pinned.digest)?;
        let name = request.destination.rsplit('/').next().unwrap_or_default().to_owned();
        let statement = Statement::for_admission(&admitting, None, text::now());
        let signature = STANDARD.encode(signed_by(&what, &statement, &**signer).await?);
        let [words, proof] = crate::image::model::Statement::PROPERTIES.map(str::to_owned);
        let mut properties = vec![(words, statement.text().to_owned()), (proof, signature)];
        let mut signers = vec![format!("the steward with {}", signer.describe())];
        if let Some(data) = self.sign_data(cx, tools, request, &at).await? {
            properties.extend([
                ("img_signature".to_owned(), data.signature),
                ("img_signature_hash_method".to_owned(), data.hash),
                ("img_signature_key_type".to_owned(), data.key_type),
                ("img_signature_certificate_uuid".to_owned(), self.config.requests.certificate.clone()),
            ]);
            signers.push("its data, as clouds verify it".to_owned());
        }
        // Signed while private, checked as everybody will see it, and only then published.
        let private = Published { name: disk_name(request), visibility: PRIVATE.to_owned(), properties };
        disks.publish(cx, &at, &private).await?;
        self.decisions.is_trusted(cx, &what, &at).await?;
        let visibility = match self.config.requests.visibility.as_str() {
            "" => VISIBILITY.to_owned(),
            wanted => wanted.to_owned(),
        };
        disks.publish(cx, &at, &Published { name, visibility, ..private }).await?;
        let _ = tokio::fs::remove_file(self.quarantine.disk_file(request)).await;
        Ok(Admission {
            reference: at.to_string(),
            digest: pinned.digest.to_string(),
            signers,
            at: text::now(),
            untagged: String::new(),
        })
    }

    /// Whether `name` is that of the request's image: while it is judged, or once it is published, so that a stopped
    /// steward can go on.
    fn is_name_of(&self, request: &Request, name: &str) -> bool {
        name == disk_name(request) || request.destination.rsplit('/').next() == Some(name)
    }

    /// The signature over the data, if the site has a key and a certificate for that.
    async fn sign_data(
        &self,
        cx: &Context,
        tools: &StewardKeys,
        request: &Request,
        at: &ImageRef,
    ) -> Result<Option<crate::image::model::DataSignature>> {
        let Some(signer) = tools.disks.as_ref().filter(|_| !self.config.requests.certificate.is_empty()) else {
            return Ok(None);
        };
        let file = self.quarantine.disk_file(request);
        if !file.exists() {
            let source = self.sources.source(at)?;
            let disks = source.disks.clone().ok_or_else(|| cannot(&source.name, "download from"))?;
            disks.download(cx, at, &file).await?;
        }
        let made = signer.sign_data(&file).await?;
        made.map(Some).ok_or_else(|| {
            Error::unsupported(format!("sign the data of {at}"), "clouds do not take signatures of such a key")
                .hint("disk_key must be P-384, in a file or the secret store: openssl ecparam -genkey -name secp384r1")
        })
    }
}
