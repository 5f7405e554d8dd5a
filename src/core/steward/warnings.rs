//! Who must be warned of a finding, and the text of the warning.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    base::{digest::Digest, text},
    config::{Config, Supplier},
    image::model::Image,
    ports::store::{Use, UseKind, Watched},
    request::notice::{APPROVERS, Notice, Topic, Warning},
};

/// Whether a supplier answers for an image: by its name, or by its source's name if it is an admitted image.
fn supplies(supplier: &Supplier, reference: &str, admitted: &str) -> bool {
    let bare = reference.split("://").last().unwrap_or(reference);
    let wanted = supplier.repository.trim_start_matches("oci://");
    // The name of an admitted image contains the host of its source, unless that is the same registry.
    let host = admitted.split('/').next().unwrap_or("");
    let from = bare.strip_prefix(admitted).and_then(|rest| rest.strip_prefix('/'));
    let of_other = from.is_some_and(|from| from.starts_with(&wanted.replace(':', "-").to_lowercase()));
    let of_same = from
        .zip(wanted.strip_prefix(host))
        .is_some_and(|(from, wanted)| from.starts_with(wanted.trim_start_matches('/')));
    !wanted.is_empty() && (bare.starts_with(wanted) || of_other || of_same && !host.is_empty())
}

/// One warning for each person concerned: the image's users, its suppliers, and the approvers if it is `admitted`.
pub(super) fn warnings(
    config: &Config,
    image: &Image,
    watched: &Watched,
    about: &[(String, String, String)],
    fixed: Option<&str>,
    users: Vec<Use>,
    admitted: bool,
) -> Vec<Notice> {
    let mut people: BTreeMap<String, (BTreeSet<&'static str>, Vec<String>)> = BTreeMap::new();
    if admitted {
        people.entry(APPROVERS.to_owned()).or_default().0.insert("you decide what is admitted here");
    }
    for used in users {
        let (how, places) = people.entry(used.person).or_default();
        how.insert(used.how.because());
        if used.how == UseKind::Launched && !places.contains(&used.place) {
            places.push(used.place);
        }
    }
    for supplier in &config.suppliers {
        if supplies(supplier, &watched.reference, &config.requests.admitted) {
            people.entry(supplier.person.clone()).or_default().0.insert(UseKind::Supplied.because());
        }
    }
    let ids: Vec<&str> = about.iter().map(|(id, ..)| id.as_str()).collect();
    let key = Digest::of(format!("{} {} {}", watched.digest, ids.join(" "), fixed.unwrap_or("")).as_bytes());
    let notice = |(person, (because, workloads)): (String, (BTreeSet<&'static str>, Vec<String>))| {
        let warning = Warning {
            reference: watched.reference.clone(),
            digest: watched.digest.clone(),
            findings: about.to_vec(),
            fixed: fixed.map(str::to_owned),
            workloads,
            because: because.into_iter().map(str::to_owned).collect(),
        };
        Notice {
            id: 0,
            at: text::now(),
            to: person,
            topic: Topic::Vulnerability,
            key: format!("vulnerability {}", key.short()),
            title: image.title(),
            words: warning.describe(),
            request: None,
            warning: Some(warning),
            seen: false,
        }
    };
    people.into_iter().map(notice).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supplier_answers_for_an_image_wherever_it_was_admitted() {
        let of = |repository: &str| Supplier { repository: repository.into(), ..Supplier::default() };
        let admitted = "r.example:5000/admitted";
        assert!(supplies(&of("r.example:5000/physics/"), "oci://r.example:5000/physics/a@sha256:1", admitted));
        assert!(supplies(&of("r.example:5000/physics/"), "oci://r.example:5000/admitted/physics/a@sha256:1", admitted));
        assert!(supplies(&of("q.example:1/lab"), "oci://r.example:5000/admitted/q.example-1/lab/a@sha256:1", admitted));
        assert!(!supplies(
            &of("q.example:1/other"),
            "oci://r.example:5000/admitted/q.example-1/lab/a@sha256:1",
            admitted
        ));
        assert!(!supplies(&of(""), "oci://r.example:5000/admitted/a@sha256:1", admitted));
    }
}
