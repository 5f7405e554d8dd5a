//! What a person has shared, by their own audit: with whom, how and since when.

use serde::Serialize;

use crate::{
    audit::Reading,
    base::{digest::Digest, text},
    image::reference::ImageRef,
};

/// How something was shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// A project, or everybody, may use it.
    Share,
    /// A link was sent.
    Letter,
}

/// Something that was shared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Given {
    /// The image or volume; a link where one was sent.
    pub what: String,
    /// The image, where its reference can still be read.
    pub reference: Option<ImageRef>,
    /// With whom.
    pub to: String,
    /// How.
    pub way: Way,
    /// When that was done last, in seconds since 1970.
    pub since: i64,
    /// The digest of the image, where it was known.
    pub digest: Option<Digest>,
}

/// What an audit says was shared, the newest first; what was shared with the same receiver again counts once.
pub fn given(reading: &Reading) -> Vec<Given> {
    let mut all: Vec<Given> = Vec::new();
    let done = reading.lines.iter().map(|(_, line)| &line.entry).filter(|entry| entry.outcome == "done");
    for entry in done {
        let (way, between) = match entry.action.as_str() {
            "share" => (Way::Share, " with "),
            "send-link" => (Way::Letter, " to "),
            _ => continue,
        };
        let Some((what, to)) = entry.subject.rsplit_once(between) else { continue };
        let Some(since) = text::parse_timestamp(&entry.at) else { continue };
        all.retain(|known| (known.what.as_str(), known.to.as_str(), known.way) != (what, to, way));
        let reference = (way == Way::Share).then(|| what.parse().ok()).flatten();
        all.push(Given {
            what: what.to_owned(),
            reference,
            to: to.to_owned(),
            way,
            since,
            digest: entry.digest.clone(),
        });
    }
    all.reverse();
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{self, Entry};

    #[test]
    fn what_was_shared_twice_counts_once_and_what_failed_not_at_all() {
        let mut text = String::new();
        let mut last = None;
        for (action, subject, outcome) in [
            ("share", "oci://r.example/a:1 with biology", "done"),
            ("share", "oci://r.example/a:1 with chemistry as other:2", "done"),
            ("share", "glance://site/x with nobody", "not-found: there is no such project"),
            ("launch", "oci://r.example/a:1 on local", "done"),
            ("share", "oci://r.example/a:1 with biology", "done"),
            ("send-link", "wharf:oci://r.example/a@sha256:1 to bob@example.org", "done"),
        ] {
            let entry = Entry { outcome: outcome.into(), ..Entry::new("ada", action, subject) };
            let line = audit::next(last.as_ref(), entry).unwrap();
            text.push_str(&serde_json::to_string(&line).unwrap());
            text.push('\n');
            last = Some(line);
        }
        let all = given(&audit::read(&text));
        let pairs: Vec<(&str, &str)> = all.iter().map(|one| (one.what.as_str(), one.to.as_str())).collect();
        assert_eq!(
            pairs,
            [
                ("wharf:oci://r.example/a@sha256:1", "bob@example.org"),
                ("oci://r.example/a:1", "biology"),
                ("oci://r.example/a:1", "chemistry as other:2"),
            ]
        );
        assert!(all[0].reference.is_none() && all[1].reference.is_some());
    }
}
