//! Where a name is pulled from (containers-registries.conf(5), "Remapping and mirroring registries"). This changes
//! neither the image's name nor where it is pushed to.

use super::registries::Entry;
use wharf_core::image::reference::{ImageRef, Name};

/// A place that a name is pulled from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pull {
    /// The image's name at this place.
    pub name: Name,
    /// Whether the place uses plain http or a certificate that cannot be verified.
    pub insecure: bool,
}

/// The places that a name is pulled from: the mirrors in their order, then its own place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pulls {
    /// The mirrors, which may have the image.
    pub mirrors: Vec<Pull>,
    /// The last place to ask; `None` if the configuration leads to an invalid name.
    pub place: Option<Pull>,
}

/// The places for a name, by the entries of Podman's configuration.
pub(super) fn for_name(entries: &[Entry], name: &Name) -> Pulls {
    let whole = name.to_string();
    let Some((entry, fit)) = Entry::longest_match(entries, &whole).and_then(|entry| Some((entry, entry.fit(&whole)?)))
    else {
        return Pulls { mirrors: Vec::new(), place: Some(Pull { name: name.clone(), insecure: false }) };
    };
    let at = |location: &str, insecure: bool| {
        let written = if location.is_empty() { whole.clone() } else { format!("{location}{}", &whole[fit..]) };
        match format!("oci://{written}").parse() {
            Ok(ImageRef::Oci(name)) => Some(Pull { name, insecure }),
            _ => None,
        }
    };
    let asked = entry.mirrors.iter().filter(|mirror| if name.digest.is_some() { mirror.digests } else { mirror.tags });
    Pulls {
        mirrors: asked.filter_map(|mirror| at(&mirror.location, mirror.insecure)).collect(),
        place: at(&entry.location, entry.insecure),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::registries::Mirror;

    fn entry(prefix: &str, location: &str, mirrors: &[(&str, bool, bool)]) -> Entry {
        let mirror = |(location, tags, digests): &(&str, bool, bool)| Mirror {
            location: (*location).to_owned(),
            tags: *tags,
            digests: *digests,
            insecure: false,
        };
        Entry {
            prefix: prefix.into(),
            location: location.into(),
            mirrors: mirrors.iter().map(mirror).collect(),
            ..Entry::default()
        }
    }

    fn pulled(entries: &[Entry], reference: &str) -> Vec<String> {
        let ImageRef::Oci(name) = reference.parse().unwrap() else { panic!("{reference}") };
        let pulls = for_name(entries, &name);
        pulls.mirrors.into_iter().chain(pulls.place).map(|pull| pull.name.to_string()).collect()
    }

    #[test]
    fn a_name_is_pulled_from_mirrors_in_their_order_and_then_from_its_place() {
        let all = [
            entry(
                "example.com/foo",
                "internal.example/bar",
                &[("m0.example/mirror-for-foo", true, true), ("m1.example:5000/mirrors/foo", true, true)],
            ),
            entry("docker.io", "docker.io", &[("hub.example/hub", true, false), ("digests.example", false, true)]),
            entry("docker.io/library/alpine", "site.example/alpine", &[]),
        ];
        let digest = format!("sha256:{}", "0".repeat(64));
        for (reference, places) in [
            (
                "example.com/foo/image:latest",
                vec![
                    "m0.example/mirror-for-foo/image:latest",
                    "m1.example:5000/mirrors/foo/image:latest",
                    "internal.example/bar/image:latest",
                ],
            ),
            ("example.com/food:1", vec!["example.com/food:1"]),
            (
                "example.com/foo:1",
                vec!["m0.example/mirror-for-foo:1", "m1.example:5000/mirrors/foo:1", "internal.example/bar:1"],
            ),
            ("debian:12", vec!["hub.example/hub/library/debian:12", "docker.io/library/debian:12"]),
            ("alpine:3", vec!["site.example/alpine:3"]),
            ("docker.io/library/alpine", vec!["site.example/alpine"]),
        ] {
            assert_eq!(pulled(&all, reference), places, "{reference}");
        }
        let debian = format!("debian@{digest}");
        assert_eq!(
            pulled(&all, &debian),
            [format!("digests.example/library/{debian}"), format!("docker.io/library/{debian}")]
        );
    }

    #[test]
    fn of_a_wildcard_the_host_alone_is_replaced_and_nothing_without_a_location() {
        let all = [entry("*.example.com", "", &[("m.example", true, true)]), entry("*.other.com", "in.example/x", &[])];
        assert_eq!(pulled(&all, "a.b.example.com/foo:1"), ["m.example/foo:1", "a.b.example.com/foo:1"]);
        assert_eq!(pulled(&all, "a.other.com/foo:1"), ["in.example/x/foo:1"]);
        assert_eq!(pulled(&all, "other.com/foo:1"), ["other.com/foo:1"]);
    }

    #[test]
    fn a_place_that_no_reference_can_name_is_none() {
        let all = [entry("a.example", "https://b.example", &[("UPPER CASE", true, true)])];
        assert!(pulled(&all, "a.example/x:1").is_empty());
    }
}
