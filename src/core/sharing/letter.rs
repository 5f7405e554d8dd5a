//! A link as it is sent to somebody, also to somebody without Wharf.

use super::sender::fingerprint;
use crate::{
    base::text,
    image::{link::Link, model::ImageKind, reference::ImageRef},
};

/// A letter about a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The address that it goes to; empty where the way of sending has one of its own.
    pub to: String,
    /// The address that answers go to; may be empty.
    pub answers: String,
    /// What it is about, in a line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The link.
    pub link: String,
}

/// Commands that fetch what a link names, for somebody without Wharf: by digest where the program can.
pub fn plain_lines(link: &Link, kind: ImageKind) -> Vec<String> {
    match (&link.reference, kind) {
        (ImageRef::Oci(name), ImageKind::Sif) => {
            vec![format!("apptainer pull oras://{}", at(name.host.as_str(), &name.repository, link))]
        }
        (ImageRef::Oci(name), kind) => {
            let at = at(&name.host, &name.repository, link);
            let mut lines = vec![format!("podman pull {at}"), format!("docker pull {at}")];
            if kind == ImageKind::Container {
                lines.push(format!("apptainer pull docker://{at}"));
            }
            lines
        }
        (ImageRef::Glance { image, .. }, _) => {
            let at = link.cloud.as_ref().map(|cloud| format!(" --os-auth-url {}", cloud.address)).unwrap_or_default();
            vec![format!("openstack{at} image save --file {image}.img {image}")]
        }
        _ => Vec::new(),
    }
}

fn at(host: &str, repository: &str, link: &Link) -> String {
    link.digest().map_or_else(|| format!("{host}/{repository}"), |digest| format!("{host}/{repository}@{digest}"))
}

impl Letter {
    /// The letter about a link from this person.
    pub fn new(link: &Link, kind: ImageKind, person: &str, (to, answers): (&str, &str)) -> Self {
        let title = link.reference.title();
        let tag = link.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let name = format!("{}{}", title.trim_end_matches(&tag), tag);
        let mut text = format!("{person} sends you {name}.\n\n{link}\n\n");
        text.push_str("Open it with:    wharf open LINK\nLaunch it with:  wharf launch LINK\n");
        if let Some(digest) = link.digest() {
            text.push_str(&format!("\nIt is pinned to {digest}.\n"));
        }
        if let Some(until) = link.until {
            text.push_str(&format!("It is good until {}.\n", text::timestamp(until)));
        }
        if let Some(key) = &link.key {
            text.push_str(&format!("It is signed with the key {}.\n", fingerprint(key)));
        }
        let lines = plain_lines(link, kind);
        if !lines.is_empty() {
            text.push_str("\nWithout Wharf:\n");
            for line in lines {
                text.push_str(&format!("  {line}\n"));
            }
        }
        let subject = format!("{person} sends you {name}");
        Self { to: to.to_owned(), answers: answers.to_owned(), subject, text, link: link.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn somebody_without_wharf_gets_a_line_that_names_the_same_bytes() {
        let link: Link = format!("wharf:oci://r.example:5000/bio/blast@{DIGEST}?tag=2.15&from=ada").parse().unwrap();
        let at = format!("r.example:5000/bio/blast@{DIGEST}");
        assert_eq!(
            plain_lines(&link, ImageKind::Container),
            [format!("podman pull {at}"), format!("docker pull {at}"), format!("apptainer pull docker://{at}")]
        );
        assert_eq!(plain_lines(&link, ImageKind::Sif), [format!("apptainer pull oras://{at}")]);
        let letter = Letter::new(&link, ImageKind::Container, "ada", ("bob@x.example", ""));
        assert_eq!(letter.subject, "ada sends you blast:2.15");
        assert!(letter.text.contains(&link.to_string()) && letter.text.contains(DIGEST), "{}", letter.text);
        let cloud = "https%3A%2F%2Fc.example%3A5000%2Fv3";
        let link: Link =
            format!("wharf:glance://c.example/0b5f3a70?hash={DIGEST}&at={cloud}&from=ada").parse().unwrap();
        assert_eq!(
            plain_lines(&link, ImageKind::Vm),
            ["openstack --os-auth-url https://c.example:5000/v3 image save --file 0b5f3a70.img 0b5f3a70"]
        );
    }
}
