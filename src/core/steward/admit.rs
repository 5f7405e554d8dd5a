//! Admitting an image: copied by digest into the admitted project, signed there, tagged last. The signature is
//! everybody's badge.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    decision::Decisions,
    disk::DiskRequests,
    examine::Examiner,
    platforms::Platforms,
    reach::ReachableSources,
    scan::{is_worse, own_scan},
    tag::Tags,
    tools::StewardKeys,
};
use crate::{
    base::{
        badge::Verdict,
        context::Context,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    config::Config,
    evidence::terms::AttestedScan,
    image::reference::{ImageRef, Name},
    portal::{Sources, evidence::Evidence, requests::destination, signatures::Signatures, stewardship::Stewardship},
    ports::store::Store,
    request::{
        Admission, Request,
        admission::{AdmissionPlace, AdmissionToSign, Decided, KnownDecision},
        statement::Statement,
    },
    transfer::copy::{self, Options},
};

/// Admits images that were decided to be admitted.
pub(super) struct Admitter {
    config: Arc<Config>,
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    evidence: Arc<Evidence>,
    reach: Arc<ReachableSources>,
    platforms: Arc<Platforms>,
    decisions: Arc<Decisions>,
    disks: Arc<DiskRequests>,
    examiner: Arc<Examiner>,
    tags: Arc<Tags>,
}

/// The parts of a steward that an admitter uses.
pub(super) struct AdmitterParts {
    pub reach: Arc<ReachableSources>,
    pub platforms: Arc<Platforms>,
    pub decisions: Arc<Decisions>,
    pub disks: Arc<DiskRequests>,
    pub examiner: Arc<Examiner>,
    pub tags: Arc<Tags>,
}

impl Admitter {
    /// An admitter for the steward's site.
    pub(super) fn new(parts: &Stewardship, ground: AdmitterParts) -> Self {
        let AdmitterParts { reach, platforms, decisions, disks, examiner, tags } = ground;
        Self {
            config: parts.config.clone(),
            sources: parts.sources.clone(),
            store: parts.store.clone(),
            evidence: parts.evidence.clone(),
            reach,
            platforms,
            decisions,
            disks,
            examiner,
            tags,
        }
    }

    /// Checks that a request's decision counts; if it names the policy, the policy is asked again.
    ///
    /// `fresh` says that this steward has just asked the policy.
    async fn decided_on(&self, cx: &Context, request: &Request, fresh: bool) -> Result<Decided> {
        let decision = request.decision.as_ref();
        let policy = match decision {
            Some(decision) if decision.is_of_policy() && !fresh => {
                Some(self.examiner.examine(cx, request).await?.0.verdict)
            }
            Some(decision) if decision.is_of_policy() => Some(Verdict::Allow),
            _ => None,
        };
        let known = KnownDecision {
            policy,
            key: decision.and_then(|decision| self.decisions.signer_id(decision)),
            signed: self.config.requests.signed_decisions,
            own: self.store.caller().await?.own,
        };
        Decided::new(request, &known)
    }

    /// Copies, signs, checks the signature, and only then tags. Steps that were done before are found and not repeated.
    pub(super) async fn admit(
        &self,
        cx: &Context,
        tools: &StewardKeys,
        request: &Request,
        fresh: bool,
    ) -> Result<Admission> {
        let what = format!("admit {}", request.called());
        destination::check(&self.config.requests, &what, request)?;
        let decided = self.decided_on(cx, request, fresh).await?;
        if request.destination.starts_with("glance:") {
            return self.disks.admit(cx, tools, request, &decided).await;
        }
        let ImageRef::Oci(name) = request.destination.parse::<ImageRef>()? else {
            return Err(Error::new(Kind::Denied, what, "its destination is no registry"));
        };
        let decision = decided.decision();
        if tools.signer.is_none() && !decided.is_signed() {
            return Err(Error::new(Kind::NotAllowed, what, "there is no key to sign with")
                .hint("name the steward's: [requests] key = \"keyring:steward\""));
        }
        let digest: Digest = request.asked.digest.parse()?;
        let to = ImageRef::Oci(Name { tag: None, digest: Some(digest.clone()), ..name.clone() });
        let from = self.bytes_place(request, &digest)?;
        let (from, place) = (self.sources.place(&from)?, self.sources.place(&to)?);
        let copied = copy::copy(cx, &from, &place, &Options::default()).await?;
        let repository = AdmissionPlace::Repository(Name { tag: None, digest: None, ..name.clone() });
        let admitting = AdmissionToSign::new(request, &decided, repository, &copied.digest)?;
        let mut signers = Vec::new();
        let signatures = Signatures { cx, what: &what, content: &*place.content, name: &name, digest: &digest };
        if decided.is_signed() {
            let signature = STANDARD.decode(&decision.signature).unwrap_or_default();
            let key = self.decisions.signer_id(decision).unwrap_or_default();
            signatures.add(&decision.payload, &signature).await?;
            signers.push(format!("{} with key {}", decision.by, key.get(..16).unwrap_or(&key)));
        }
        if let Some(signer) = &tools.signer {
            let scan = self.own_scan(cx, &to).await?;
            signatures.sign(&Statement::for_admission(&admitting, scan, text::now()), &**signer).await?;
            signers.push(format!("the steward with {}", signer.describe()));
        }
        self.decisions.is_trusted(cx, &what, &to).await?;
        let called = self.tags.tag_admitted(cx, &what, request, (&place, &digest)).await?;
        let (reference, untagged) = (called.reference.to_string(), called.untagged);
        Ok(Admission { reference, digest: digest.to_string(), signers, at: text::now(), untagged })
    }

    /// The worst scan of all platforms of an image, from scans of this steward; `None` unless it has scanned all. A
    /// scan from the database or an attachment is not put into a signature.
    pub(super) async fn own_scan(&self, cx: &Context, at: &ImageRef) -> Result<Option<AttestedScan>> {
        let image = self.sources.image(cx, at, None).await?;
        let mut worst: Option<AttestedScan> = None;
        for one in self.platforms.each(cx, image).await? {
            let records = self.evidence.kept(&one).await.unwrap_or_default();
            let Some(scan) = own_scan(&records, text::now()) else { return Ok(None) };
            worst = Some(match worst.take() {
                Some(known) if !is_worse(&scan, &known) => known,
                _ => scan,
            });
        }
        Ok(worst)
    }

    /// The place of the bytes that were judged; if the quarantine was lost, the place where they came from.
    fn bytes_place(&self, request: &Request, digest: &Digest) -> Result<ImageRef> {
        let quarantine = request.dossier.as_ref().map(|dossier| dossier.quarantine.as_str()).unwrap_or_default();
        let origin = || Ok(self.reach.resolve("fetch it again", &request.asked.from)?.get().with_digest(digest));
        match quarantine.parse::<ImageRef>() {
            Ok(ImageRef::File { path, .. }) if !std::path::Path::new(&path).is_dir() => origin(),
            Ok(ImageRef::Oci(name)) => Ok(ImageRef::Oci(Name { digest: Some(digest.clone()), ..name })),
            Ok(place) => Ok(place),
            Err(_) => origin(),
        }
    }
}
