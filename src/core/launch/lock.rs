//! A lock file: which bytes the images of a folder are, so that a launch there means the same next year.
//!
//! It is TOML, and lies in the folder of a project beside what it is published with. An image is kept as a link without
//! sender: it means the same to everybody, also where clouds and registries have other names.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::{
    base::{
        clean,
        digest::Digest,
        error::{Error, Kind, Result},
        text,
    },
    image::{link::Link, model::Image, reference::ImageRef},
};

/// The file's name.
pub const NAME: &str = "wharf.lock";
/// The version of the format that this program reads and writes.
pub const VERSION: u32 = 1;
/// The largest file that is read, in bytes.
pub const LARGEST: u64 = 1 << 20;
/// The most images in a file.
const MOST: usize = 1000;
const HEAD: &str = "# Which bytes the images of this folder are. 'wharf launch' uses them here; 'wharf lock update' shows what has\n# changed since, before it takes it. Publish it with what uses these images.\n\n";

/// The images of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// The version of the format: [`VERSION`].
    pub version: u32,
    /// The images, by name.
    #[serde(default, rename = "image")]
    pub images: Vec<LockedImage>,
}

/// An image whose bytes are fixed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedImage {
    /// The name by which it is launched, without a digest.
    pub name: String,
    /// The digest that it has.
    pub digest: Digest,
    /// The platform, if one was chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<String>,
    /// The policy's verdict when it was locked, in a word.
    #[serde(default)]
    pub verdict: String,
    /// When it was locked (RFC 3339).
    pub locked: String,
    /// What it is, as a link without sender.
    pub link: String,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, images: Vec::new() }
    }
}

/// The name of an image in a lock file: its reference without a digest.
pub fn name_of(reference: &ImageRef) -> String {
    let mut bare = reference.clone();
    match &mut bare {
        ImageRef::Oci(name) | ImageRef::Engine(name) => {
            name.digest = None;
            // What has no tag means this one.
            name.tag.get_or_insert_with(|| "latest".to_owned());
        }
        ImageRef::File { digest, .. } => *digest = None,
        _ => {}
    }
    bare.to_string()
}

impl Lock {
    /// Reads a lock file.
    ///
    /// # Errors
    /// `Usage` with the line of the mistake, and for a version that a newer Wharf has written.
    pub fn parse(written: &str, what: &str) -> Result<Self> {
        let lock: Self = toml::from_str(written).map_err(|error| {
            let line = text::line_of(written, error.span().map(|span| span.start));
            Error::usage(what, format!("line {line}: {}", clean::short(error.message(), 200)))
                .hint("mend it, or take it back from where it was published")
        })?;
        if lock.version != VERSION {
            return Err(Error::usage(what, format!("it has version {}, and this Wharf knows {VERSION}", lock.version))
                .hint("use a newer Wharf"));
        }
        if lock.images.len() > MOST {
            return Err(Error::usage(what, format!("it has more than {MOST} images")));
        }
        for image in &lock.images {
            image.link(what)?;
        }
        Ok(lock)
    }

    /// The text of the file.
    ///
    /// # Errors
    /// `Failed` where it cannot be written as TOML.
    pub fn text(&self) -> Result<String> {
        let body = toml::to_string(self).map_err(|error| Error::failed("write a lock file", error))?;
        Ok(format!("{HEAD}{body}"))
    }

    /// The image of this name, if it is locked.
    pub fn find(&self, reference: &ImageRef) -> Option<&LockedImage> {
        let name = name_of(reference);
        self.images.iter().find(|image| image.name == name)
    }

    /// Adds an image, in place of one of the same name.
    pub fn put(&mut self, image: LockedImage) {
        self.images.retain(|known| known.name != image.name);
        self.images.push(image);
        self.images.sort_by(|one, other| one.name.cmp(&other.name));
    }

    /// Removes an image; `false` where it is not locked.
    pub fn remove(&mut self, reference: &ImageRef) -> bool {
        let (name, before) = (name_of(reference), self.images.len());
        self.images.retain(|image| image.name != name);
        self.images.len() < before
    }
}

impl LockedImage {
    /// Which bytes the file at `path` names, and what has become of the tag, where it is known what that means `today`.
    fn words(&self, path: &Path, today: Option<&Digest>) -> String {
        let words = format!("by {}: {}, locked {}", path.display(), self.digest, clean::short(&self.locked, 40));
        match today {
            Some(now) if *now != self.digest => format!("{words}; the tag has moved since, to {now}"),
            Some(_) => format!("{words}; the tag still means it"),
            None => words,
        }
    }

    /// The link by which it is found, which leads to the digest that is written beside it.
    ///
    /// # Errors
    /// `Usage` where it does not: such a file was changed by hand.
    pub fn link(&self, what: &str) -> Result<Link> {
        let name = clean::short(&self.name, 100);
        let link: Link = self.link.parse().map_err(|error: Error| error.during(format!("{what}: {name}")))?;
        // Who wrote the file decides which bytes of a repository are used, not which repository. A cloud's image has its id
        // in the link and its name in the file, so only the place is compared: a cloud.
        let leads_there = match &link.reference {
            ImageRef::Glance { .. } => self.name.parse().is_ok_and(|name| matches!(name, ImageRef::Glance { .. })),
            other => name_of(other) == self.name,
        };
        if !leads_there {
            return Err(Error::new(Kind::Integrity, what, format!("{name}: its link leads to another image"))
                .hint("take the file back from where it was published, or add the image again"));
        }
        if link.digest() == Some(&self.digest) && link.signature.is_none() {
            return Ok(link);
        }
        Err(Error::new(Kind::Integrity, what, format!("{name}: its link and its digest are not of the same image"))
            .hint("take the file back from where it was published, or add the image again"))
    }
}

/// What the lock file of this folder says of an image that was named by its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedHere {
    /// The lock file.
    pub path: PathBuf,
    /// What it says.
    pub locked: LockedImage,
    /// The image that it names.
    pub image: Image,
}

impl LockedHere {
    /// Which bytes are used and why; with `today`, the digest that the tag has now, also what has become of the tag.
    pub fn words(&self, today: Option<&Digest>) -> String {
        self.locked.words(&self.path, today)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn locked(name: &str) -> LockedImage {
        LockedImage {
            name: format!("oci://r.example/{name}"),
            digest: DIGEST.parse().unwrap(),
            platform: None,
            verdict: "allow".into(),
            locked: "2026-11-30T00:00:00Z".into(),
            link: format!("wharf:oci://r.example/{}@{DIGEST}?tag=1", name.trim_end_matches(":1")),
        }
    }

    #[test]
    fn a_lock_file_reads_back_and_an_image_is_found_by_its_name_alone() {
        let mut lock = Lock::default();
        lock.put(locked("b:1"));
        lock.put(locked("a:1"));
        lock.put(LockedImage { verdict: "ask".into(), ..locked("a:1") });
        let text = lock.text().unwrap();
        assert!(text.starts_with("# Which bytes") && text.contains("[[image]]"), "{text}");
        assert_eq!(Lock::parse(&text, "read").unwrap(), lock);
        let at = |text: &str| text.parse::<ImageRef>().unwrap();
        assert_eq!(lock.find(&at(&format!("r.example/a:1@{DIGEST}"))).unwrap().verdict, "ask");
        assert!(lock.find(&at("r.example/a:2")).is_none());
        lock.put(locked("c:latest"));
        assert!(lock.find(&at("r.example/c")).is_some(), "without a tag it is the latest");
        assert!(lock.remove(&at("r.example/a:1")) && !lock.remove(&at("r.example/a:1")));
    }

    #[test]
    fn what_is_launched_by_a_lock_file_is_said_with_what_became_of_the_tag() {
        let words = |today: Option<&str>| {
            let today = today.map(|today| today.parse().unwrap());
            locked("a:1").words(Path::new("/home/ada/paper/wharf.lock"), today.as_ref())
        };
        let by = format!("by /home/ada/paper/wharf.lock: {DIGEST}, locked 2026-11-30T00:00:00Z");
        assert_eq!(words(None), by);
        assert_eq!(words(Some(DIGEST)), format!("{by}; the tag still means it"));
        let other = DIGEST.replace("e3b0", "0000");
        assert_eq!(words(Some(&other)), format!("{by}; the tag has moved since, to {other}"));
    }

    #[test]
    fn a_file_that_says_two_things_is_refused() {
        let other = DIGEST.replace("e3b0", "0000");
        for (change, to, kind) in [
            (format!("\"{DIGEST}\""), format!("\"{other}\""), Kind::Integrity),
            ("wharf:oci://r.example/a@".to_owned(), "wharf:oci://evil.example/a@".to_owned(), Kind::Integrity),
            ("wharf:oci://r.example/a@".to_owned(), "wharf:oci://r.example/b@".to_owned(), Kind::Integrity),
            ("wharf:oci://r.example/a@".to_owned(), "wharf:file:a@".to_owned(), Kind::Integrity),
            ("wharf:oci://r.example/a@".to_owned(), "wharf:docker://engine/a@".to_owned(), Kind::Integrity),
            ("version = 1".to_owned(), "version = 2".to_owned(), Kind::Usage),
            ("locked = ".to_owned(), "lucked = ".to_owned(), Kind::Usage),
            ("wharf:oci".to_owned(), "http:oci".to_owned(), Kind::Usage),
        ] {
            let mut lock = Lock::default();
            lock.put(locked("a:1"));
            let text = lock.text().unwrap().replacen(&change, &to, 1);
            assert_eq!(Lock::parse(&text, "read").unwrap_err().kind, kind, "{text}");
        }
    }
}
