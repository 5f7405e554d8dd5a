//! Admitting: by digest into the admitted project, signed there, the tag last. Everyone's badge is the signature.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::Tools;
use crate::core::{
    copy::{self, Options},
    digest::Digest,
    error::{Error, Kind, Result},
    evidence::{Signature, Verdict},
    portal::Portal,
    progress::Context,
    record::{Kind as RecordKind, Outcome, best},
    reference::{ImageRef, Name},
    request::{Admission, Class, Decision, Request},
    requests::{stated, statement_of},
    sign::Signatures,
    text,
};

/// That it cannot be done whatever is tried.
fn never(what: &str, why: &str) -> Error {
    Error::new(Kind::Denied, what, why)
}

impl Portal {
    /// The id of the policy's key that signed a decision.
    pub(super) fn signer_of(&self, decision: &Decision) -> Option<String> {
        let signature = STANDARD.decode(&decision.signature).ok().filter(|signature| !signature.is_empty())?;
        (self.signers.trusted)(decision.payload.as_bytes(), &signature)
    }

    /// Whether a decision may be carried out: by the policy, or by a person whose signature counts where there is one.
    ///
    /// `fresh` is that this steward has asked the policy a moment ago.
    async fn decision_counts(&self, cx: &Context, what: &str, request: &Request, fresh: bool) -> Result<Decision> {
        let decision = request.decision.clone().filter(|decision| decision.approve);
        let decision = decision.ok_or_else(|| never(what, "nobody has approved it"))?;
        if decision.digest != request.asked.digest {
            return Err(never(what, "it was approved for another digest"));
        }
        if decision.is_of_policy() {
            if fresh {
                return Ok(decision);
            }
            // What a row says the policy decided, the policy must decide: it is asked again, with the evidence of now.
            let (now, _) = self.examine(cx, request).await?;
            return if now.verdict == Verdict::Allow {
                Ok(decision)
            } else {
                Err(never(what, &format!("the policy does not allow it: {}", now.why())))
            };
        }
        if decision.signature.is_empty() {
            return if self.config.requests.signed_decisions {
                Err(never(what, "its approval is not signed, and this site wants that"))
            } else {
                Ok(decision)
            };
        }
        let about_this = if Class::is_statement(&decision.payload) {
            let (base, rule) = (request.base(), request.rule());
            [base, ""].iter().any(|base| Class::statement(base, rule, &decision.terms) == decision.payload)
        } else {
            // A key that signed something else has not approved this.
            statement_of(request, &decision) == decision.payload
        };
        if !about_this {
            return Err(never(what, "its approval's signature is about something else"));
        }
        if self.signer_of(&decision).is_none() {
            return Err(never(what, "its approval is signed by no key of the policy"));
        }
        Ok(decision)
    }

    /// Copies, signs, checks, and only then tags. Whatever of it is done already is found done.
    pub(super) async fn admit_request(
        &self,
        cx: &Context,
        tools: &Tools,
        request: &Request,
        fresh: bool,
    ) -> Result<Admission> {
        let what = format!("admit {}", request.called());
        self.is_destination(&what, request)?;
        let decision = self.decision_counts(cx, &what, request, fresh).await?;
        if request.destination.starts_with("glance:") {
            return self.admit_disk(cx, tools, request, &decision).await;
        }
        let ImageRef::Oci(name) = request.destination.parse::<ImageRef>()? else {
            return Err(never(&what, "its destination is no registry"));
        };
        let approved = !decision.signature.is_empty() && !Class::is_statement(&decision.payload);
        if tools.signer.is_none() && !approved {
            return Err(Error::new(Kind::NotAllowed, what, "there is no key to sign with")
                .hint("name the steward's: [requests] key = \"keyring:steward\""));
        }
        let digest: Digest = request.asked.digest.parse()?;
        let to = ImageRef::Oci(Name { tag: None, digest: Some(digest.clone()), ..name.clone() });
        let from = self.bytes_of(request, &digest)?;
        let (from, place) = (self.place(&from)?, self.place(&to)?);
        let copied = copy::copy(cx, &from, &place, &Options::default()).await?;
        digest.matches(&copied.digest, &what)?;
        let mut signers = Vec::new();
        let signatures = Signatures { cx, what: &what, content: &*place.content, name: &name, digest: &digest };
        if approved {
            let signature = STANDARD.decode(&decision.signature).unwrap_or_default();
            let key = self.signer_of(&decision).unwrap_or_default();
            signatures.add(&decision.payload, &signature, &key).await?;
            signers.push(format!("{} with key {}", decision.by, key.get(..16).unwrap_or(&key)));
        }
        if let Some(signer) = &tools.signer {
            let payload = stated(request, &decision).payload(&name.bare(), &digest);
            signatures.sign(&payload, &**signer).await?;
            signers.push(format!("the steward with {}", signer.describe()));
        }
        self.is_trusted(cx, &what, &to).await?;
        if let Some(tag) = request.tag() {
            let manifest = cx.run(&what, place.content.manifest(cx, &to)).await?;
            cx.run(&what, place.content.put_manifest(cx, &to, Some(tag), &manifest)).await?;
        }
        let tagged = request.tag().map_or_else(|| to.clone(), |tag| to.with_tag(tag).with_digest(&digest));
        Ok(Admission { reference: tagged.to_string(), digest: digest.to_string(), signers, at: text::now() })
    }

    /// Where the bytes are that were judged; where they came from, if the quarantine was lost.
    fn bytes_of(&self, request: &Request, digest: &Digest) -> Result<ImageRef> {
        let quarantine = request.dossier.as_ref().map(|dossier| dossier.quarantine.as_str()).unwrap_or_default();
        match quarantine.parse::<ImageRef>() {
            Ok(ImageRef::File { path, .. }) if !std::path::Path::new(&path).is_dir() => request.asked.from.parse(),
            Ok(ImageRef::Oci(name)) => Ok(ImageRef::Oci(Name { digest: Some(digest.clone()), ..name })),
            Ok(place) => Ok(place),
            Err(_) => request.asked.from.parse(),
        }
    }

    /// Whether those who will look at it trust it: their badge is all that counts.
    pub(super) async fn is_trusted(&self, cx: &Context, what: &str, at: &ImageRef) -> Result<()> {
        let image = self.image(cx, at, None).await?;
        let records = self.gather(cx, &image, true, true).await?;
        let state = match best(&records, RecordKind::Signature, text::now()).map(|record| &record.outcome) {
            Some(Outcome::Signature { state, .. }) => *state,
            _ => Signature::NotChecked,
        };
        if state.is_good() {
            return Ok(());
        }
        Err(Error::new(Kind::NotAllowed, what, format!("it is signed, and the policy sees: {}", state.badge().word))
            .hint("name the public half of the key in [policy.signature] keys: wharf key show KEY"))
    }
}
