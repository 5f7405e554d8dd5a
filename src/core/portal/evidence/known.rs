//! What is known of an image of which only the name and the digest are given, as of what a workload was launched from.

use std::collections::BTreeMap;

use super::{Evidence, Verified};
use crate::{
    base::{digest::Digest, error::Result, text},
    evidence::record::{Record, Subject},
    image::reference::ImageRef,
    policy::{Facts, Site},
};

impl Evidence {
    /// The verdict on the image that a reference names and that has this digest, from kept evidence and from what the
    /// site's store knows; of several manifests the strictest. Runs no checks and contacts no source. `None` where nothing
    /// is known of it.
    ///
    /// # Errors
    /// Where the kept evidence cannot be read.
    pub async fn known_of(&self, reference: &ImageRef, digest: &Digest) -> Result<Option<Verified>> {
        let now = text::now();
        let name = reference.without_version().to_string();
        let mut manifests: BTreeMap<Digest, Vec<Record>> = BTreeMap::new();
        for record in self.kept_of(&name, digest, now).await? {
            manifests.entry(record.subject.manifest.clone()).or_default().push(record);
        }
        let mut digests = vec![digest.to_string()];
        digests.extend(manifests.keys().filter(|manifest| *manifest != digest).map(ToString::to_string));
        let site = self.site_knows(digests, &name).await;
        if manifests.is_empty() {
            if matches!(site, Site::Silent | Site::Away) {
                return Ok(None);
            }
            manifests.insert(digest.clone(), Vec::new());
        }
        let judged = manifests.into_iter().map(|(manifest, records)| {
            let platform = records.iter().find_map(|record| record.subject.platform.clone());
            let tag = reference.tag().map(str::to_owned);
            let subject = Subject { name: name.clone(), tag, digest: digest.clone(), platform, manifest };
            let facts = Facts {
                records: &records,
                digests: vec![subject.digest.clone(), subject.manifest.clone()],
                name: &subject.name,
                platform: subject.platform.as_ref(),
                // Evidence does not tell when an image was built, so its age is not judged here.
                created: Some(now),
                site: site.clone(),
                ..Facts::default()
            };
            let judgement = self.config.policy.judge(&facts, now);
            Verified { subject, records, judgement }
        });
        Ok(judged.max_by_key(|one| one.judgement.verdict.strictness()))
    }
}
