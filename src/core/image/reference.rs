//! References: how people name images, and parsing such names strictly.
//!
//! `oci://host[:port]/repo[:tag][@digest]` (bare `host/repo:tag` or `repo:tag` means this),
//! `engine://NAME/repo:tag`, `glance://CLOUD/ID`, `volume://CLOUD/ID`, `file:PATH[:tag]`; with any other scheme
//! `scheme://PLACE/PATH[@digest]`, which an adapter opens.
//! The grammar of names and tags is that of the OCI Distribution Specification, section "Pull".

pub use super::other::OtherName;
pub use crate::base::digest::is_tag;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::base::{
    clean,
    digest::Digest,
    error::{Error, Result},
};

/// The registry of names without a host.
pub const DOCKER_HUB: &str = "docker.io";
/// Other host names of Docker Hub.
const HUB_NAMES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// The schemes whose references are read here; with any other, a reference is an [`OtherName`].
pub const OWN_SCHEMES: [&str; 5] = ["oci", "engine", "glance", "volume", "file"];

/// A reference to an image, as a person names it.
///
/// ```
/// use wharf_core::image::reference::ImageRef;
///
/// let image: ImageRef = "registry.example.org/physics/gromacs:2024.1".parse()?;
/// assert_eq!(image.to_string(), "oci://registry.example.org/physics/gromacs:2024.1");
/// // A name without a registry is Docker Hub's.
/// let short: ImageRef = "alpine:3.20".parse()?;
/// assert_eq!(short.to_string(), "oci://docker.io/library/alpine:3.20");
/// // What is no name of an image says why.
/// assert!("registry.example.org/UPPER".parse::<ImageRef>().is_err());
/// # Ok::<(), wharf_core::base::error::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ImageRef {
    /// An image in a registry.
    Oci(Name),
    /// A local image of an engine; `Name::host` is the engine's name.
    Engine(Name),
    /// A disk image in a cloud: the cloud, and the image's id or name.
    Glance { cloud: String, image: String },
    /// A volume in a cloud: the cloud, and the volume's id or name.
    Volume { cloud: String, volume: String },
    /// A file or an OCI layout; `tag` names an image inside a layout.
    File { path: String, tag: Option<String>, digest: Option<Digest> },
    /// An image in a kind of place that only an adapter knows.
    Other(OtherName),
}

/// A name of the form `host/repository[:tag][@digest]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name {
    /// The registry's host with port, or the engine's name.
    pub host: String,
    /// The path of the repository, in lower case.
    pub repository: String,
    /// The tag, if one is named.
    pub tag: Option<String>,
    /// The digest, if the name is pinned.
    pub digest: Option<Digest>,
}

impl Name {
    /// The digest or tag to ask a registry for; `latest` if neither is given.
    pub fn selector(&self) -> &str {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.as_str(),
            (None, Some(tag)) => tag,
            (None, None) => "latest",
        }
    }

    /// The first part of the repository, which registries treat as project or organisation.
    pub fn project(&self) -> &str {
        self.repository.split_once('/').map_or("", |(project, _)| project)
    }

    /// `host/repository`, without tag and digest.
    pub fn bare(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    /// The last part of the repository.
    pub fn base(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    fn parse(text: &str, what: &str) -> Result<Self> {
        let bad = |why: &str| {
            Error::usage(what, why.to_owned()).hint("write host/repository:tag or host/repository@sha256:…")
        };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (host, path) = rest.split_once('/').ok_or_else(|| bad("no repository after the host"))?;
        let (repository, tag) = match path.rsplit_once(':') {
            Some((repository, tag)) => (repository, Some(tag.to_owned())),
            None => (path, None),
        };
        if !host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
        {
            return Err(bad("the host has characters that no host has"));
        }
        if !is_repository(repository) {
            return Err(bad("a repository is lower-case letters, digits and . _ - between slashes"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("a tag is at most 128 letters, digits and . _ -"));
        }
        Ok(Self { host: host.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

/// Whether `text` is a path of a repository by the distribution specification.
pub fn is_repository(text: &str) -> bool {
    let part_ok = |part: &str| {
        let bytes = part.as_bytes();
        let alnum = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        bytes.first().is_some_and(alnum)
            && bytes.last().is_some_and(alnum)
            && bytes.iter().all(|b| alnum(b) || b"._-".contains(b))
            && !part.contains("..")
    };
    !text.is_empty() && text.len() <= 255 && text.split('/').all(part_ok)
}

/// Whether a text is a web address and no reference.
pub fn is_on_the_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

impl ImageRef {
    /// A registry reference from its parts.
    pub fn oci(host: impl Into<String>, repository: impl Into<String>, tag: Option<String>) -> Self {
        Self::Oci(Name { host: host.into(), repository: repository.into(), tag, digest: None })
    }

    /// A reference in a kind of place that only an adapter knows, from its parts and not pinned.
    ///
    /// # Errors
    /// [`Kind::Usage`](crate::base::error::Kind::Usage) for a part that is not of the grammar, and for a scheme that is
    /// read here.
    pub fn other(scheme: &str, place: &str, path: &str) -> Result<Self> {
        OtherName::new(scheme, place, path)?.to_string().parse().and_then(|read| match read {
            Self::Other(_) => Ok(read),
            _ => Err(Error::usage(format!("name {read}"), format!("'{scheme}' is a scheme of its own"))),
        })
    }

    /// The word before `://` that names the kind of place.
    pub fn scheme(&self) -> &str {
        match self {
            Self::Oci(_) => "oci",
            Self::Engine(_) => "engine",
            Self::Glance { .. } => "glance",
            Self::Volume { .. } => "volume",
            Self::File { .. } => "file",
            Self::Other(name) => name.scheme(),
        }
    }

    /// The name in a registry or engine; `None` for other kinds.
    pub fn name(&self) -> Option<&Name> {
        match self {
            Self::Oci(name) | Self::Engine(name) => Some(name),
            _ => None,
        }
    }

    /// The path of the image in its registry, engine or other place, without a version; `None` for clouds and files.
    pub fn repository(&self) -> Option<&str> {
        match self {
            Self::Oci(name) | Self::Engine(name) => Some(&name.repository),
            Self::Other(name) => Some(name.path()),
            Self::Glance { .. } | Self::Volume { .. } | Self::File { .. } => None,
        }
    }

    /// The tag, as it is written.
    pub fn tag(&self) -> Option<&str> {
        match self {
            Self::Oci(name) | Self::Engine(name) => name.tag.as_deref(),
            Self::File { tag, .. } => tag.as_deref(),
            _ => None,
        }
    }

    /// The digest that it is pinned to.
    pub fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Oci(name) | Self::Engine(name) => name.digest.as_ref(),
            Self::File { digest, .. } => digest.as_ref(),
            Self::Other(name) => name.digest.as_ref(),
            Self::Glance { .. } | Self::Volume { .. } => None,
        }
    }

    /// The reference with another tag.
    #[must_use]
    pub fn with_tag(&self, new: &str) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Oci(name) | Self::Engine(name) => {
                name.tag = Some(new.to_owned());
                name.digest = None;
            }
            Self::File { tag, digest, .. } => {
                *tag = Some(new.to_owned());
                *digest = None;
            }
            _ => {}
        }
        other
    }

    /// The reference with a digest; its tag is kept and only tells where the image was found.
    #[must_use]
    pub fn with_digest(&self, new: &Digest) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Oci(name) | Self::Engine(name) => name.digest = Some(new.clone()),
            Self::File { digest, .. } => *digest = Some(new.clone()),
            Self::Other(name) => name.digest = Some(new.clone()),
            Self::Glance { .. } | Self::Volume { .. } => {}
        }
        other
    }

    /// The reference without tag and digest.
    #[must_use]
    pub fn without_version(&self) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Oci(name) | Self::Engine(name) => (name.tag, name.digest) = (None, None),
            Self::File { tag, digest, .. } => (*tag, *digest) = (None, None),
            Self::Other(name) => name.digest = None,
            Self::Glance { .. } | Self::Volume { .. } => {}
        }
        other
    }

    /// The reference in messages: without scheme and digest.
    pub fn short_text(&self) -> String {
        let mut plain = self.clone();
        if let Self::Oci(name) | Self::Engine(name) = &mut plain {
            name.digest = None;
        }
        let text = plain.to_string();
        let cut = ["@sha256:", "@sha512:"].iter().find_map(|digest| text.split_once(digest));
        let text = cut.map_or(text.as_str(), |(before, _)| before);
        text.trim_start_matches("oci://").to_owned()
    }

    /// A short name for titles: the last part of the path with its tag.
    pub fn title(&self) -> String {
        let (base, tag) = match self {
            Self::Oci(name) | Self::Engine(name) => (name.base(), name.tag.as_deref()),
            Self::Glance { image, .. } => (image.as_str(), None),
            Self::Volume { volume, .. } => (volume.as_str(), None),
            Self::File { path, tag, .. } => (path.rsplit('/').next().unwrap_or(path), tag.as_deref()),
            Self::Other(name) => (name.base(), None),
        };
        tag.map_or_else(|| base.to_owned(), |tag| format!("{base}:{tag}"))
    }
}

impl FromStr for ImageRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let what = format!("reference '{}'", clean::short(text, 120));
        let bad = |why: &str| Error::usage(what.clone(), why.to_owned());
        // No repository's path begins like this.
        let is_path = ["/", "./", "../"].iter().any(|begin| text.starts_with(begin));
        if is_path {
            return Self::file(text).ok_or_else(|| bad("no path"));
        }
        // Clouds allow any text as name; white space at its end would be lost when a line is read.
        let in_cloud = ["glance://", "volume://"].iter().any(|begin| text.starts_with(begin));
        let space = |c: char| c.is_control() || c.is_whitespace() && !(in_cloud && c == ' ');
        let cut_off = in_cloud && text.trim_end() != text;
        if text.is_empty() || (text.chars().any(space) || cut_off) && !text.starts_with("file:") {
            return Err(bad("empty, or with white space in it").hint("write host/repository:tag"));
        }
        if let Some(rest) = text.strip_prefix("file:") {
            return Self::file(rest).ok_or_else(|| bad("no path after file:"));
        }
        let cloud = |rest: &str| match rest.split_once('/') {
            Some((cloud, id)) if !cloud.is_empty() && !id.is_empty() => Ok((cloud.to_owned(), id.to_owned())),
            _ => Err(bad("expected CLOUD/ID")),
        };
        match text.split_once("://") {
            Some(("oci", rest)) => Ok(Self::Oci(normalize_hub_name(Name::parse(rest, &what)?))),
            Some(("engine", rest)) => {
                let (engine, repository) =
                    rest.split_once('/').ok_or_else(|| bad("expected engine://NAME/repository:tag"))?;
                // A local name may itself begin with a registry's host and port.
                Name::parse_local(engine, repository, &what).map(Self::Engine)
            }
            Some(("glance", rest)) => cloud(rest).map(|(cloud, image)| Self::Glance { cloud, image }),
            Some(("volume", rest)) => cloud(rest).map(|(cloud, volume)| Self::Volume { cloud, volume }),
            Some((scheme, _)) if is_on_the_web(text) => Err(bad(&format!("'{scheme}://' is not a kind of image"))
                .hint("use oci://, engine://, glance://, volume:// or file:")),
            Some((scheme, rest)) => OtherName::parse(scheme, rest, &what).map(Self::Other),
            None => Ok(Self::Oci(normalize_hub_name(Name::parse(&bare(text), &what)?))),
        }
    }
}

impl Name {
    /// `repository[:tag][@digest]` in an engine's own list, where the repository may begin with a host and port.
    fn parse_local(engine: &str, text: &str, what: &str) -> Result<Self> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse()?)),
            None => (text, None),
        };
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-/:".contains(&b);
        if engine.is_empty()
            || repository.is_empty()
            || repository.len() > 255
            || !repository.bytes().all(fits)
            || repository.contains("..")
        {
            return Err(Error::usage(what, "not an engine's image name").hint("write engine://NAME/repository:tag"));
        }
        if tag.as_deref().is_some_and(|tag| !is_tag(tag)) {
            return Err(Error::usage(what, "a tag is at most 128 letters, digits and . _ -"));
        }
        Ok(Self { host: engine.to_owned(), repository: repository.to_owned(), tag, digest })
    }
}

impl ImageRef {
    fn file(rest: &str) -> Option<Self> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        // Several slashes begin a path like a single one, but two would be read as the beginning of a host.
        let trimmed = rest.trim_start_matches('/');
        let rest = if rest.len() > trimmed.len() { &rest[rest.len() - trimmed.len() - 1..] } else { rest };
        // An `@` may be part of a file's name: it begins a digest only if one follows.
        let (rest, digest) = match rest.rsplit_once('@').map(|(rest, digest)| (rest, digest.parse())) {
            Some((rest, Ok(digest))) => (rest, Some(digest)),
            _ => (rest, None),
        };
        let (path, tag) = match rest.rsplit_once(':') {
            Some((path, tag)) if is_tag(tag) && !path.is_empty() => (path, Some(tag.to_owned())),
            _ => (rest, None),
        };
        // A path that cannot be printed, or ends with white space, would not be read back the same.
        let prints = !path.chars().any(char::is_control) && path.trim_end() == path;
        (!path.is_empty() && prints).then(|| Self::File { path: path.to_owned(), tag, digest })
    }
}

fn is_host(part: &str) -> bool {
    part.contains(['.', ':']) || part == "localhost"
}

/// The repository in an engine's local name, which may begin with a registry's host and end with a digest.
pub fn within_registry(local: &str) -> &str {
    let local = local.split('@').next().unwrap_or(local);
    local.split_once('/').filter(|(first, _)| is_host(first)).map_or(local, |(_, rest)| rest)
}

/// Docker's rule for names without a scheme: a first part with a dot or colon, or `localhost`, is a host; otherwise the
/// image is on Docker Hub, and a single word is in its `library`.
fn bare(text: &str) -> String {
    match text.split_once('/') {
        Some((first, _)) if is_host(first) => text.to_owned(),
        Some(_) => format!("{DOCKER_HUB}/{text}"),
        None => format!("{DOCKER_HUB}/library/{text}"),
    }
}

/// The name without a registry in a typed text, without tag and digest; `None` if the text is no such name.
pub fn short_name(text: &str) -> Option<&str> {
    let is_other = text.contains("://") || text.starts_with(['.', '/']) || text.starts_with("file:");
    let bare = text.split('@').next().unwrap_or(text);
    let (name, _) = bare.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')).unwrap_or((bare, ""));
    let named = bare.split_once('/').is_some_and(|(first, _)| is_host(first));
    (!is_other && !named && !name.is_empty()).then_some(name)
}

/// Docker Hub's images under its one name, as engines read them: it has had other hosts, and single words are in
/// `library`.
fn normalize_hub_name(mut name: Name) -> Name {
    if HUB_NAMES.contains(&name.host.as_str()) {
        DOCKER_HUB.clone_into(&mut name.host);
    }
    if name.host == DOCKER_HUB && !name.repository.contains('/') {
        name.repository.insert_str(0, "library/");
    }
    name
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Oci(name) => write!(f, "oci://{name}"),
            Self::Engine(name) => write!(f, "engine://{name}"),
            Self::Glance { cloud, image } => write!(f, "glance://{cloud}/{image}"),
            Self::Volume { cloud, volume } => write!(f, "volume://{cloud}/{volume}"),
            Self::File { path, tag, digest } => {
                write!(f, "file:{path}")?;
                tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))?;
                digest.as_ref().map_or(Ok(()), |digest| write!(f, "@{digest}"))
            }
            Self::Other(name) => name.fmt(f),
        }
    }
}

impl TryFrom<String> for ImageRef {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<ImageRef> for String {
    fn from(reference: ImageRef) -> Self {
        reference.to_string()
    }
}

/// The reference without tag and digest; the text itself if it is no reference.
pub fn without_version(reference: &str) -> String {
    reference.parse::<ImageRef>().map_or_else(|_| reference.to_owned(), |known| known.without_version().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bare_names_follow_dockers_rule() {
        for (text, whole) in [
            ("alpine", "oci://docker.io/library/alpine"),
            ("alpine:3.19", "oci://docker.io/library/alpine:3.19"),
            ("me/tool:v1", "oci://docker.io/me/tool:v1"),
            ("localhost/tool", "oci://localhost/tool"),
            ("127.0.0.1:5006/physics/gromacs:2024.1", "oci://127.0.0.1:5006/physics/gromacs:2024.1"),
            ("registry.example.org/a/b/c", "oci://registry.example.org/a/b/c"),
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), whole);
        }
    }

    #[test]
    fn every_kind_reads_back_as_it_is_written() {
        for text in [
            "oci://h:5000/a/b:t@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "engine://docker/127.0.0.1:5006/physics/gromacs:latest",
            "engine://podman/localhost/x",
            "glance://lab/0b5f3a70-1111-2222-3333-444455556666",
            "volume://lab/data",
            "glance://lab/Ubuntu 24.04 LTS",
            "glance://lab/debian:12",
            "glance://lab/in:a, b",
            "volume://lab/my data",
            "file:/home/me/images/layout:v1",
            "file:disk.qcow2",
            "file:/odd@name:v1@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_refused_with_a_reason() {
        for bad in [
            "",
            "a b",
            "oci://host",
            "oci://host/UPPER",
            "oci://host/../etc",
            "http://x/y",
            "oci://h/a:b:c",
            "engine://x",
            "glance://x",
            "glance://x/ends in a space ",
            "glance://x/two\nlines",
            "oci://h/a@sha256:12",
            "file:",
            "file:two\nlines",
            "h.example/a\u{1b}[0m",
        ] {
            let error = bad.parse::<ImageRef>().unwrap_err();
            assert_eq!(error.kind, crate::base::error::Kind::Usage, "{bad}");
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4000))]
        #[test]
        fn what_is_printed_reads_back_the_same(text in "(file:/{0,4}|oci://|engine://|glance://|volume://|board://)?[a-c0-2/:@._-]{1,24}(@sha256:[0-9a-f]{64})?") {
            if let Ok(reference) = text.parse::<ImageRef>() {
                proptest::prop_assert_eq!(reference.to_string().parse::<ImageRef>().unwrap(), reference);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn reading_any_text_never_panics_and_what_reads_is_stable(text in "\\PC{0,60}") {
            if let Ok(reference) = text.parse::<ImageRef>() {
                let again: ImageRef = reference.to_string().parse().unwrap();
                proptest::prop_assert_eq!(again, reference);
            }
        }
    }

    #[test]
    fn docker_hub_has_one_name_and_single_words_are_in_its_library() {
        for (written, read) in [
            ("tool:1", "oci://docker.io/library/tool:1"),
            ("docker.io/tool:1", "oci://docker.io/library/tool:1"),
            ("index.docker.io/tool", "oci://docker.io/library/tool"),
            ("index.docker.io/library/tool:1", "oci://docker.io/library/tool:1"),
            ("registry-1.docker.io/a/b", "oci://docker.io/a/b"),
            ("oci://docker.io/tool", "oci://docker.io/library/tool"),
            ("a/b", "oci://docker.io/a/b"),
            ("r.example/tool", "oci://r.example/tool"),
        ] {
            let found: ImageRef = written.parse().unwrap();
            assert_eq!(found.to_string(), read, "{written}");
            assert_eq!(found.to_string().parse::<ImageRef>().unwrap(), found);
        }
    }

    #[test]
    fn a_repository_is_told_from_the_registry_that_an_engine_keeps_beside_it() {
        for (local, repository) in [
            ("127.0.0.1:5000/physics/gromacs", "physics/gromacs"),
            ("localhost/tool", "tool"),
            ("r.example/a@sha256:00", "a"),
            ("[::1]:5000/a", "a"),
            ("physics/gromacs", "physics/gromacs"),
            ("tool", "tool"),
        ] {
            assert_eq!(within_registry(local), repository, "{local}");
        }
    }
}
