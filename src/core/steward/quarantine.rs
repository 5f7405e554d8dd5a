//! The quarantine: where images are kept while they are judged, readable by the steward alone.

use std::{
    fs::{DirBuilder, Permissions},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    base::{
        blocking::blocking,
        digest::Digest,
        error::{During, Result},
    },
    config::Config,
    image::reference::ImageRef,
    portal::stewardship::Stewardship,
    request::{Id, Request},
};

/// Creates a folder that only its owner can enter, or restricts an existing one.
fn make_private(folder: &Path) -> Result<()> {
    let what = format!("make the folder {}", folder.display());
    DirBuilder::new().recursive(true).mode(0o700).create(folder).during(&what)?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o700)).during(what)
}

/// The name of a disk image while it is judged; always the same for the same request.
pub(super) fn disk_name(request: &Request) -> String {
    let short: String = Digest::of(request.asked.digest.as_bytes()).hex().chars().take(12).collect();
    format!("wharf-quarantine-{}-{short}", request.id)
}

/// The places where images are kept while they are judged.
pub(super) struct Quarantine {
    config: Arc<Config>,
}

impl Quarantine {
    /// The quarantine of a steward's site.
    pub(super) fn new(parts: &Stewardship) -> Self {
        Self { config: parts.config.clone() }
    }

    /// The quarantine's folder on this machine.
    pub(super) fn folder(&self) -> PathBuf {
        self.config.state_dir.join("quarantine")
    }

    /// Creates that folder, for the steward alone.
    pub(super) async fn make_private(&self) -> Result<()> {
        let folder = self.folder();
        blocking(move || make_private(&folder)).await.during("make the quarantine")?
    }

    /// The place of a request's image while it is judged.
    ///
    /// Each request has its own place, so that it can be cleared when the request is over.
    pub(super) fn place(&self, request: Id, digest: &Digest, name: &str) -> ImageRef {
        let short: String = digest.hex().chars().take(12).collect();
        match self.config.requests.quarantine.split_once('/') {
            Some((host, project)) => {
                let repository = format!("{project}/request-{request}/{name}");
                ImageRef::oci(host, repository, Some(format!("q-{short}"))).with_digest(digest)
            }
            None => {
                let folder = self.folder().join(format!("request-{request}"));
                ImageRef::File { path: folder.display().to_string(), tag: Some(format!("q-{short}")), digest: None }
            }
        }
    }

    /// The file of a disk image on this machine while it is judged.
    pub(super) fn disk_file(&self, request: &Request) -> PathBuf {
        self.folder().join(format!("request-{}.disk", request.id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_is_made_private_also_where_it_was_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("quarantine");
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        make_private(&folder).unwrap();
        assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    }
}
