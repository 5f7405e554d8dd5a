//! Cleaning up the quarantine.
//!
//! A request that is over leaves nothing behind: no folder or disk on this machine, no repository in the quarantine's
//! registry as far as that allows deleting manifests, and no image in the steward's project of the cloud. What belongs
//! to no request is removed after a day.

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::quarantine::{Quarantine, disk_name};
use crate::{
    base::{
        blocking::blocking,
        context::Context,
        digest::Digest,
        error::{During, Error, Kind, Result},
        small_file,
    },
    config::Config,
    image::reference::ImageRef,
    portal::{Sources, stewardship::Stewardship},
    ports::store::Store,
    request::{Id, Request, Stage},
    transfer::copy::CopyEnd,
};

/// The age from which files of no known request are removed: younger ones may still be in use.
const ORPHAN: Duration = Duration::from_secs(24 * 3600);
/// How many requests are read at a time.
const PAGE: i64 = 200;

/// The request that a file or folder belongs to: `request-12`, `request-12.disk`, `request-12.77.partial`.
fn owner(name: &str) -> Option<Id> {
    name.strip_prefix("request-")?.split('.').next()?.parse().ok()
}

/// Whether something has not been changed for a day. A time in the future does not count as old.
fn is_old(path: &Path) -> bool {
    let touched = path.symlink_metadata().and_then(|known| known.modified());
    touched.is_ok_and(|touched| SystemTime::now().duration_since(touched).is_ok_and(|age| age > ORPHAN))
}

/// Removes a file, a link or a folder with all that is in it.
fn remove(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata()?.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) }
}

/// The entries of a folder: name and path.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect()
}

/// Cleans up the quarantine on this machine, in the registry and in the cloud.
pub(super) struct Sweeper {
    config: Arc<Config>,
    sources: Arc<Sources>,
    store: Arc<dyn Store>,
    quarantine: Arc<Quarantine>,
}

impl Sweeper {
    /// Cleans up the quarantine of the steward's site.
    pub(super) fn new(parts: &Stewardship, quarantine: Arc<Quarantine>) -> Self {
        let (config, sources, store) = (parts.config.clone(), parts.sources.clone(), parts.store.clone());
        Self { config, sources, store, quarantine }
    }

    /// Removes what is over; gives what failed, in words. If several stewards share the folder, one of them does it.
    pub(super) async fn sweep(&self, cx: &Context) -> Result<Vec<String>> {
        self.quarantine.make_private().await?;
        let folder = self.quarantine.folder();
        let what = "sweep the quarantine";
        let lock = File::options().create(true).truncate(false).write(true).open(folder.join(".lock")).during(what)?;
        if lock.try_lock().is_err() {
            return Ok(Vec::new());
        }
        let mut failed = Vec::new();
        for (name, path) in entries(&folder) {
            if matches!(name.as_str(), ".lock" | ".swept") {
                continue;
            }
            let done = match owner(&name) {
                Some(id) => match self.store.request(id).await {
                    Ok(request) => request.stage.is_over() || is_old(&path) && name.ends_with(".partial"),
                    Err(error) if error.kind == Kind::NotFound => is_old(&path),
                    Err(error) if error.kind == Kind::Unavailable => return Err(error),
                    Err(_) => is_old(&path),
                },
                None => is_old(&path),
            };
            if done {
                let gone = path.clone();
                let removed = blocking(move || remove(&gone)).await.during(what)?;
                failed.extend(removed.err().map(|error| format!("remove {}: {error}", path.display())));
            }
        }
        self.sweep_elsewhere(cx, &folder.join(".swept"), &mut failed).await?;
        drop(lock);
        Ok(failed)
    }

    /// Cleans up the registry and the cloud after requests that have ended since the last time.
    async fn sweep_elsewhere(&self, cx: &Context, mark: &Path, failed: &mut Vec<String>) -> Result<()> {
        let rules = &self.config.requests;
        if rules.quarantine.is_empty() && rules.cloud.is_empty() {
            return Ok(());
        }
        let known = small_file::text(mark).ok().and_then(|text| text.trim().parse().ok());
        let (mut since, mut last): (i64, Id) = (known.unwrap_or(0), 0);
        while !cx.cancel.is_cancelled() {
            let page = self.store.ended(since, last, PAGE).await?;
            let Some(end) = page.last().map(|request| (request.changed, request.id)) else { break };
            for request in &page {
                match self.clear(cx, request).await {
                    Ok(()) => {}
                    // The store or registry is away: it is tried again next time.
                    Err(error) if error.kind == Kind::Unavailable => return Err(error),
                    Err(error) => failed.push(error.to_string()),
                }
            }
            (since, last) = end;
            let text = since.to_string();
            std::fs::write(mark, text).during("note how far the quarantine is swept")?;
        }
        Ok(())
    }

    /// Removes everything that was kept of a request that is over.
    pub(super) async fn clear(&self, cx: &Context, request: &Request) -> Result<()> {
        let id = request.id;
        let folder = self.quarantine.folder();
        let own = move || {
            entries(&folder).into_iter().filter(|(name, _)| owner(name) == Some(id)).for_each(|(_, path)| {
                let _ = remove(&path);
            })
        };
        let _ = blocking(own).await;
        if request.destination.starts_with("glance:") {
            return self.clear_cloud(cx, request).await;
        }
        let (Ok(from), Ok(digest)) = (request.asked.from.parse::<ImageRef>(), request.asked.digest.parse::<Digest>())
        else {
            return Ok(());
        };
        let Some(name) = from.repository().map(str::to_owned) else { return Ok(()) };
        match self.quarantine.place(id, &digest, &name) {
            at @ ImageRef::Oci(_) => self.clear_registry(cx, &at).await,
            _ => Ok(()),
        }
    }

    /// Deletes all manifests of a request's own repository. A registry that cannot delete keeps them; removing its
    /// blobs is left to the registry.
    async fn clear_registry(&self, cx: &Context, at: &ImageRef) -> Result<()> {
        let what = format!("clear the quarantine of {at}");
        let CopyEnd { content, .. } = self.sources.place(at)?;
        let mut all = match content.manifest(cx, at).await {
            Ok(manifest) => listed(&manifest.bytes),
            Err(error) if error.kind == Kind::NotFound => Vec::new(),
            Err(error) => return Err(error.during(what)),
        };
        let bare = at.without_version();
        let source = self.sources.source(at)?;
        let tags = match cx.run(&what, source.catalog.tags(cx, &bare)).await {
            Ok(tags) => tags,
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        for tag in tags {
            let manifest = match content.manifest(cx, &bare.with_tag(&tag)).await {
                Ok(manifest) => manifest,
                Err(error) if error.kind == Kind::NotFound => continue,
                Err(error) => return Err(error.during(what)),
            };
            all.insert(0, manifest.digest);
        }
        for digest in all {
            if !cx.run(&what, content.forget(cx, &bare.with_digest(&digest))).await? {
                tracing::info!(%at, "its registry lets nothing be deleted");
                break;
            }
        }
        Ok(())
    }

    /// Deletes the judged image in the steward's project, unless it was admitted: then it has another name.
    async fn clear_cloud(&self, cx: &Context, request: &Request) -> Result<()> {
        let cloud = &self.config.requests.cloud;
        if cloud.is_empty() || request.stage == Stage::Admitted {
            return Ok(());
        }
        let name = disk_name(request);
        let at = ImageRef::Glance { cloud: cloud.clone(), image: name.clone() };
        let image = match self.sources.image(cx, &at, None).await {
            Ok(image) => image,
            Err(error) if error.kind == Kind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let fact = |key: &str| image.annotations.get(key).map_or("", String::as_str);
        if fact("name") != name || !fact("owner").ends_with("(this project)") {
            return Err(Error::failed(format!("delete {at}"), "what has this name is not the steward's own"));
        }
        let source = self.sources.called(cloud)?;
        match (&source.disks, &image.pinned) {
            (Some(disks), Some(pinned)) => disks.forget(cx, &pinned.reference).await,
            _ => Ok(()),
        }
    }
}

/// The digests of the manifests in an index.
fn listed(bytes: &[u8]) -> Vec<Digest> {
    let document: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    let entries = document.get("manifests").and_then(serde_json::Value::as_array);
    let digest = |entry: &serde_json::Value| entry.get("digest")?.as_str()?.parse().ok();
    entries.map(|entries| entries.iter().filter_map(digest).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_quarantine_are_told_by_their_request() {
        for (name, id) in [("request-12", 12), ("request-12.disk", 12), ("request-7.4711.partial", 7)] {
            assert_eq!(owner(name), Some(id), "{name}");
        }
        for name in ["request-", "request-x.disk", "12", "wharf-quarantine-ab.disk", ".lock"] {
            assert_eq!(owner(name), None, "{name}");
        }
    }
}
