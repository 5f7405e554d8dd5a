//! What a person has shared, by their own audit: with whom, how and since when.

use serde::Serialize;

use crate::{
    audit::Reading,
    base::{digest::Digest, text},
    image::reference::ImageRef,
};

/// Before the end of a share, in the subject of its entry.
const UNTIL: &str = " until ";

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
    /// When it is to end, in seconds since 1970; `None` where no end was said.
    pub until: Option<i64>,
    /// The digest of the image, where it was known.
    pub digest: Option<Digest>,
}

impl Given {
    /// Whether its end has passed.
    pub fn is_past(&self, now: i64) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The subject of the entry of a share; [`given`] reads it.
pub fn subject(reference: &ImageRef, to: &str, until: Option<i64>) -> String {
    let end = until.map(|until| format!("{UNTIL}{}", text::timestamp(until))).unwrap_or_default();
    format!("{reference} with {to}{end}")
}

/// What stands before the end in a subject, and the end.
fn with_end(subject: &str) -> (&str, Option<i64>) {
    let ending = subject.rsplit_once(UNTIL).and_then(|(rest, end)| Some((rest, text::parse_timestamp(end)?)));
    ending.map_or((subject, None), |(rest, end)| (rest, Some(end)))
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
        let (subject, until) = with_end(&entry.subject);
        let Some((what, to)) = subject.rsplit_once(between) else { continue };
        let Some(since) = text::parse_timestamp(&entry.at) else { continue };
        all.retain(|known| (known.what.as_str(), known.to.as_str(), known.way) != (what, to, way));
        let reference = (way == Way::Share).then(|| what.parse().ok()).flatten();
        all.push(Given {
            what: what.to_owned(),
            reference,
            to: to.to_owned(),
            way,
            since,
            until,
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
    fn the_subject_of_a_share_reads_back_with_its_end() {
        let reference: ImageRef = "oci://r.example/a:1".parse().unwrap();
        for (to, until) in
            [("biology", Some(1_896_091_200)), ("a project until then", None), ("x with y", Some(1_896_091_200))]
        {
            let subject = subject(&reference, to, until);
            assert_eq!(with_end(&subject), (format!("{reference} with {to}").as_str(), until));
        }
    }

    #[test]
    fn what_was_shared_twice_counts_once_and_what_failed_not_at_all() {
        let mut text = String::new();
        let mut last = None;
        for (action, subject, outcome) in [
            ("share", "oci://r.example/a:1 with biology", "done"),
            ("share", "oci://r.example/a:1 with chemistry as other:2", "done"),
            ("share", "glance://site/x with nobody", "not-found: there is no such project"),
            ("launch", "oci://r.example/a:1 on local", "done"),
            ("share", "oci://r.example/a:1 with biology until 2030-01-31T12:00:00Z", "done"),
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
        assert_eq!(all.iter().map(|one| one.until).collect::<Vec<_>>(), [None, Some(1_896_091_200), None]);
        assert!(all[1].is_past(1_896_091_200) && !all[1].is_past(1_896_091_199) && !all[2].is_past(i64::MAX));
    }
}
