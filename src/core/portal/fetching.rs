//! Fetching images from the web and from FTP servers: compared with the checksums that lie beside them, whose signature is
//! verified where there is one.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{journal::Journal, sources::Sources, transfers::Transfers};
use crate::{
    base::{
        badge::Signature,
        blocking::blocking,
        context::Context,
        digest::{Digest, Hasher},
        error::{During, Error, Kind, Result},
    },
    config::Config,
    image::{model::DiskFacts, reference::ImageRef},
    ports::web::{Arrived, Web, shown_address},
    transfer::{copy::Options, sums},
};

/// The most bytes of a file, unless the person says otherwise.
pub const MOST: u64 = 64 << 30;
/// The schemes of addresses that are fetched.
const SCHEMES: [&str; 4] = ["https", "http", "ftp", "ftps"];

/// What is to be fetched.
#[derive(Debug, Clone, Default)]
pub struct FetchOrder {
    /// The address of the file, or the name of one in the site's list.
    pub url: String,
    /// A file, a folder, `oci://HOST/NAME` or `glance://CLOUD/NAME`; by default the first folder of images.
    pub to: Option<String>,
    /// The address of a list of checksums; by default those beside the file are looked for.
    pub sums: Option<String>,
    /// The SHA-256 or SHA-512 that it must have.
    pub digest: Option<Digest>,
    /// The most bytes that it may have.
    pub most: u64,
}

/// With what a file was compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "compared")]
pub enum Compared {
    /// With the digest that was given.
    Given,
    /// With a list that was signed by a key.
    Signed { list: String, key: String, trusted: bool },
    /// With a list: why its signature says nothing.
    Listed { list: String, unsigned: String },
    /// With nothing: there is no list.
    Nothing,
}

/// A file that was fetched.
#[derive(Debug, Clone, Serialize)]
pub struct Fetched {
    /// Where it is now.
    pub reference: ImageRef,
    /// Its SHA-256.
    pub digest: Digest,
    /// Its bytes.
    pub size: u64,
    /// How many bytes had arrived in an earlier attempt.
    pub resumed: u64,
    /// Whether it was there already.
    pub there: bool,
    /// With what it was compared.
    #[serde(flatten)]
    pub compared: Compared,
    /// What its header says.
    pub disk: Option<DiskFacts>,
    /// What is to be considered.
    pub cautions: Vec<String>,
}

/// Fetches images from the web.
pub struct Fetching {
    config: Arc<Config>,
    web: Arc<dyn Web>,
    sources: Arc<Sources>,
    transfers: Arc<Transfers>,
    journal: Arc<Journal>,
}

/// Where a file goes.
enum Target {
    File(PathBuf),
    /// Into a cloud or a registry, by a file that is removed afterwards.
    Away(PathBuf, ImageRef),
}

/// What a file must be equal to.
struct Expected {
    digest: Option<Digest>,
    compared: Compared,
}

impl Fetching {
    pub(super) fn new(
        config: Arc<Config>,
        web: Arc<dyn Web>,
        sources: Arc<Sources>,
        transfers: Arc<Transfers>,
        journal: Arc<Journal>,
    ) -> Self {
        Self { config, web, sources, transfers, journal }
    }

    /// The site's list of images that are fetched by name: name and address.
    pub fn known(&self) -> impl Iterator<Item = (&str, &str)> {
        self.config.fetches.iter().map(|known| (known.name.as_str(), known.url.as_str()))
    }

    /// Fetches a file, compares it and puts it into its place.
    ///
    /// # Errors
    /// `Usage` for an address that is none, `Integrity` where it is not what the list says, the signature of the list is
    /// wrong, or its header names other files; else those of fetching and of copying it.
    pub async fn fetch(&self, cx: &Context, order: &FetchOrder) -> Result<Fetched> {
        let order = self.resolved(order);
        let what = format!("fetch {}", shown_address(&order.url));
        let name = file_name(&order.url, &what)?;
        let target = self.target(&order, &name, &what)?;
        let (Target::File(path) | Target::Away(path, _)) = &target;
        cx.progress.phase("looking for checksums");
        let expected = self.expected(cx, &order, &name).await?;
        match &target {
            Target::File(path) if path.exists() => return self.there(cx, &order, path, expected, &what).await,
            // What an earlier attempt has left on its way.
            Target::Away(path, _) if path.exists() => tokio::fs::remove_file(path).await.during(&what)?,
            _ => {}
        }
        let place = match &target {
            Target::File(path) => path.display().to_string(),
            Target::Away(_, reference) => reference.to_string(),
        };
        let entry = self.journal.open_entry("fetch", format!("{} into {place}", shown_address(&order.url)));
        let fetching = async {
            let arrived = self.web.fetch(cx, &order.url, path, order.most).await?;
            entry.set_digest(&arrived.digests[0]);
            let disk = match self.judge(cx, &arrived, &expected, &what).await {
                Ok(disk) => disk,
                Err(error) => {
                    // Wrong bytes are wrong again after another attempt to go on.
                    if error.kind == Kind::Integrity {
                        self.web.forget(&arrived).await;
                    }
                    return Err(error);
                }
            };
            match self.web.put(&arrived, path, &order.url).await {
                // Somebody else had it first.
                Err(error) if error.kind == Kind::Usage => {
                    self.web.forget(&arrived).await;
                    Err(error)
                }
                Err(error) => Err(error),
                Ok(()) => Ok((arrived, disk)),
            }
        };
        let (arrived, disk) = match self.journal.recorded_as(&entry, fetching).await {
            Err(error) if error.kind == Kind::Usage && path.exists() => {
                return self.there(cx, &order, path, expected, &what).await;
            }
            other => other?,
        };
        let mut reference = file_reference(path);
        if let Target::Away(path, place) = target {
            let options = Options { parallel: 1, ..Options::default() };
            let copied = self.transfers.copy(cx, &reference, &place, &options).await;
            let _ = tokio::fs::remove_file(&path).await;
            copied?;
            reference = place;
        }
        let cautions = cautions(&order.url, &expected.compared, disk.as_ref());
        let [digest, _] = arrived.digests;
        let (size, resumed, compared) = (arrived.size, arrived.resumed, expected.compared);
        Ok(Fetched { reference, digest, size, resumed, there: false, compared, disk, cautions })
    }

    /// The order with the address of the site's list, where it names an entry of that.
    fn resolved(&self, order: &FetchOrder) -> FetchOrder {
        let known = self.config.fetches.iter().find(|known| known.name == order.url);
        known.map_or_else(
            || order.clone(),
            |known| FetchOrder {
                url: known.url.clone(),
                sums: order.sums.clone().or_else(|| known.sums.clone()),
                ..order.clone()
            },
        )
    }

    fn target(&self, order: &FetchOrder, name: &str, what: &str) -> Result<Target> {
        let Some(to) = &order.to else {
            let folders = &self.config.image_folders;
            let folder = folders.iter().find(|folder| folder.is_dir()).or(folders.first());
            let folder =
                folder.ok_or_else(|| Error::usage(what, "there is no folder of images").hint("name a file"))?;
            return Ok(Target::File(folder.join(name)));
        };
        if to.contains("://") {
            return match self.sources.destination(to)? {
                place @ (ImageRef::Glance { .. } | ImageRef::Oci(_)) => {
                    Ok(Target::Away(self.config.cache_dir.join("fetched").join(name), place))
                }
                other => Err(Error::unsupported(what, format!("{other} takes no disk images from the web"))
                    .hint("name a file, a folder, oci://HOST/NAME or glance://CLOUD/NAME")),
            };
        }
        let path = PathBuf::from(to.strip_prefix("file:").unwrap_or(to));
        Ok(Target::File(if path.is_dir() || to.ends_with('/') { path.join(name) } else { path }))
    }

    /// What the file must be equal to: the digest that was given, else that of the first list which has it.
    async fn expected(&self, cx: &Context, order: &FetchOrder, name: &str) -> Result<Expected> {
        if let Some(digest) = &order.digest {
            return Ok(Expected { digest: Some(digest.clone()), compared: Compared::Given });
        }
        if let Some(list) = &order.sums {
            let found = self.listed(cx, list, name, false).await?;
            return found.ok_or_else(|| {
                Error::not_found(format!("look for the checksum of {name}"), format!("{list} does not have it"))
            });
        }
        for list in sums::LISTS {
            let beside = beside(&order.url, &list.replace("{}", name));
            if let Some(found) = self.listed(cx, &beside, name, list.contains("{}")).await? {
                return Ok(found);
            }
        }
        Ok(Expected { digest: None, compared: Compared::Nothing })
    }

    /// The sum in one list, and who signed that; `None` where there is no list, or it has no sum of the file.
    async fn listed(&self, cx: &Context, list: &str, name: &str, alone: bool) -> Result<Option<Expected>> {
        let Some(document) = self.web.document(cx, list).await? else { return Ok(None) };
        if sums::find(&String::from_utf8_lossy(&document), name, alone)?.is_none() {
            return Ok(None);
        }
        let mut signature = None;
        if !document.windows(MARK.len()).any(|window| window == MARK) {
            for ending in sums::SIGNATURES {
                signature = self.web.document(cx, &format!("{list}{ending}")).await?;
                if signature.is_some() {
                    break;
                }
            }
            if signature.is_none() {
                let digest = sums::find(&String::from_utf8_lossy(&document), name, alone)?;
                let compared = Compared::Listed { list: list.to_owned(), unsigned: "it is not signed".into() };
                return Ok(Some(Expected { digest, compared }));
            }
        }
        let signer = self.web.signer(&document, signature.as_deref()).await?;
        // Only what was signed counts.
        let digest = sums::find(&signer.text, name, alone)?;
        let what = format!("look for the checksum of {name}");
        let Some(digest) = digest else {
            return Err(Error::new(Kind::Integrity, what, format!("what is signed in {list} does not have it")));
        };
        let compared = match signer.state {
            Signature::Verified | Signature::Untrusted => Compared::Signed {
                list: list.to_owned(),
                key: signer.key,
                trusted: signer.state == Signature::Verified,
            },
            Signature::Invalid => {
                return Err(Error::new(Kind::Integrity, what, format!("the signature of {list} is wrong"))
                    .hint("do not use the file; tell its publisher"));
            }
            Signature::NoKey => unsigned(list, format!("its signer's key is not here: gpg --recv-keys {}", signer.key)),
            Signature::Expired => unsigned(list, format!("the key that signed it ({}) is past its date", signer.key)),
            _ => unsigned(list, "nobody here can verify its signature: install gpg".to_owned()),
        };
        Ok(Some(Expected { digest: Some(digest), compared }))
    }

    /// Compares what has arrived, and looks at its header.
    async fn judge(
        &self,
        cx: &Context,
        arrived: &Arrived,
        expected: &Expected,
        what: &str,
    ) -> Result<Option<DiskFacts>> {
        if let Some(wanted) = &expected.digest {
            let has = arrived.digests.iter().find(|digest| digest.algorithm() == wanted.algorithm());
            let has = has.ok_or_else(|| Error::unsupported(what, format!("{wanted} is a digest of another kind")))?;
            wanted.matches(has, what)?;
        }
        let at = file_reference(&arrived.partial);
        let image = self.sources.source(&at)?.catalog.image(cx, &at, None).await?;
        acceptable(image.disk, what)
    }

    /// A file that is there already: the same one is fine.
    async fn there(
        &self,
        cx: &Context,
        order: &FetchOrder,
        path: &Path,
        expected: Expected,
        what: &str,
    ) -> Result<Fetched> {
        let at = file_reference(path);
        let image = self.sources.source(&at)?.catalog.image(cx, &at, None).await?;
        let digest = match &expected.digest {
            Some(wanted) => {
                let (file, algorithm, task) = (path.to_owned(), wanted.algorithm().to_owned(), what.to_owned());
                let hashing = blocking(move || {
                    let mut hasher = Hasher::of(&algorithm);
                    hasher.update_from(std::fs::File::open(file).during(&task)?).during(&task)?;
                    Ok::<_, Error>(hasher.finish())
                });
                let found = cx.unless_cancelled(what, async { hashing.await.during(what)? }).await?;
                Some(found).filter(|found| found == wanted)
            }
            None => None,
        };
        let Some(digest) = digest else {
            return Err(Error::usage(what, format!("{} is there already", path.display()))
                .hint("remove it, or name another file"));
        };
        let disk = acceptable(image.disk, what)?;
        let cautions = cautions(&order.url, &expected.compared, disk.as_ref());
        let (size, compared) = (image.size, expected.compared);
        Ok(Fetched { reference: at, digest, size, resumed: 0, there: true, compared, disk, cautions })
    }
}

/// The disk in a file, unless its header names other files.
fn acceptable(disk: Option<DiskFacts>, what: &str) -> Result<Option<DiskFacts>> {
    match disk {
        Some(disk) if disk.refers => {
            let why = format!("its header names other files ({})", disk.warnings.join("; "));
            Err(Error::new(Kind::Integrity, what, why).hint("do not use it: tell its publisher"))
        }
        disk => Ok(disk),
    }
}

/// The beginning of a document with its signature inside.
const MARK: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

fn unsigned(list: &str, why: String) -> Compared {
    Compared::Listed { list: list.to_owned(), unsigned: why }
}

fn file_reference(path: &Path) -> ImageRef {
    ImageRef::File { path: path.display().to_string(), tag: None, digest: None }
}

/// The name of the file at an address.
///
/// # Errors
/// `Usage` for what is no address of a file, or has an account in it.
fn file_name(url: &str, what: &str) -> Result<String> {
    let refused = |why: &str| Error::usage(what, why).hint("write https://host/path/file (or http, ftp)");
    let (scheme, rest) =
        url.split_once("://").ok_or_else(|| refused("it is no address, and no name of the site's list"))?;
    if !SCHEMES.contains(&scheme) || url.contains(char::is_whitespace) || url.contains(char::is_control) {
        return Err(refused("it is no address of a file on the web"));
    }
    let (authority, path) = rest.split_once('/').ok_or_else(|| refused("it names no file"))?;
    if authority.contains('@') || authority.is_empty() {
        return Err(refused("an address with a host, and without an account or password, is needed"));
    }
    let name = path.split(['?', '#']).next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
    let valid = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '~');
    if name.is_empty() || name.starts_with(['.', '-']) || name.len() > 200 || !name.chars().all(valid) {
        return Err(refused("its last part is no name of a file"));
    }
    Ok(name.to_owned())
}

/// The address of another file in the same folder.
fn beside(url: &str, name: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    match path.rsplit_once('/') {
        Some((folder, _)) => format!("{folder}/{name}"),
        None => name.to_owned(),
    }
}

/// What is to be considered about a file.
fn cautions(url: &str, compared: &Compared, disk: Option<&DiskFacts>) -> Vec<String> {
    let mut all = Vec::new();
    let open = url.starts_with("http://") || url.starts_with("ftp://");
    let vouched = matches!(compared, Compared::Given | Compared::Signed { trusted: true, .. });
    if open && !vouched {
        all.push("it came over a connection that others can change, and so did what it was compared with".to_owned());
    }
    match compared {
        Compared::Nothing => all.push("no checksum lies beside it: it was compared with nothing".to_owned()),
        Compared::Listed { unsigned, .. } => all.push(format!("its checksum is not vouched for: {unsigned}")),
        Compared::Signed { key, trusted: false, .. } => {
            all.push(format!("the key that signed its checksum is not in your policy (signature.pgp): {key}"));
        }
        Compared::Given | Compared::Signed { trusted: true, .. } => {}
    }
    all.extend(disk.iter().flat_map(|disk| disk.warnings.clone()));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_an_address_is_the_name_of_the_file() {
        for (url, name) in [
            ("https://cloud.example/12/debian-12.qcow2", "debian-12.qcow2"),
            ("ftp://ftp.example/pub/a.img?x=1#y", "a.img"),
            ("http://[::1]:8080/a.raw", "a.raw"),
        ] {
            assert_eq!(file_name(url, "fetch").unwrap(), name);
        }
        for bad in [
            "debian-12",
            "https://host",
            "https://host/",
            "https://host/..",
            "https://host/.bashrc",
            "https://host/-x",
            "https://ada:secret@host/a.img",
            "https:///a.img",
            "file:///etc/passwd",
            "https://host/a b",
            "https://host/a%2fb",
            "https://host/a\u{1b}b",
        ] {
            assert!(file_name(bad, "fetch").is_err(), "{bad}");
        }
        assert_eq!(beside("https://h/a/b.img?x=/y", "SHA256SUMS"), "https://h/a/SHA256SUMS");
    }

    #[test]
    fn what_nobody_vouches_for_is_said() {
        let list = || "https://h/SHA256SUMS".to_owned();
        let signed = |trusted| Compared::Signed { list: list(), key: "AB".into(), trusted };
        assert!(cautions("https://h/a", &signed(true), None).is_empty());
        assert!(cautions("http://h/a", &signed(true), None).is_empty());
        assert_eq!(cautions("https://h/a", &signed(false), None).len(), 1);
        assert_eq!(cautions("http://h/a", &signed(false), None).len(), 2);
        assert_eq!(cautions("ftp://h/a", &Compared::Nothing, None).len(), 2);
        assert_eq!(cautions("ftp://h/a", &Compared::Given, None).len(), 0);
    }
}
