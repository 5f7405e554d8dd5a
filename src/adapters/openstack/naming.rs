//! The names under which clouds are shown: usable in a reference, and unique.

use wharf_core::base::clean;

/// A name for each cloud, in order. Own names are kept where possible, first those that people gave; those of further
/// regions (marked `true`) were generated.
pub(super) fn unique_names(clouds: &[(&str, bool)], taken: &[String]) -> Vec<String> {
    let mut used: Vec<String> = taken.to_vec();
    let mut names: Vec<Option<String>> = vec![None; clouds.len()];
    for (own, further) in [(true, false), (false, false), (true, true), (false, true)] {
        let these = names.iter_mut().zip(clouds).filter(|(name, (_, is))| name.is_none() && *is == further);
        for (name, (cloud, _)) in these {
            let plain = writable(cloud);
            let fits = |name: &String| !used.contains(name);
            let free = if own {
                Some(plain).filter(|plain| plain == cloud && fits(plain))
            } else {
                let others = std::iter::once(format!("{plain}-cloud")).chain((2..).map(|n| format!("{plain}-{n}")));
                std::iter::once(plain.clone()).chain(others).find(fits)
            };
            used.extend(free.clone());
            *name = free;
        }
    }
    names.into_iter().flatten().collect()
}

/// The name without characters that would end it in a reference.
fn writable(name: &str) -> String {
    let plain: String = clean::short(name, 60)
        .chars()
        .map(|c| if c.is_whitespace() || matches!(c, '/' | ':' | '?' | '#' | '@') { '-' } else { c })
        .collect();
    if plain.is_empty() { "cloud".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cloud_has_a_name_of_its_own_and_none_is_dropped() {
        let taken = ["hub".to_owned(), "local".to_owned()];
        let clouds = ["a b", "a-b", "a/b", "hub", "local", "hub-cloud", "openstack", "openstack", ""];
        let names = unique_names(&clouds.map(|cloud| (cloud, false)), &taken);
        assert_eq!(names.len(), clouds.len());
        assert_eq!((names[1].as_str(), names[5].as_str(), names[6].as_str()), ("a-b", "hub-cloud", "openstack"));
        let all: std::collections::BTreeSet<_> = names.iter().chain(&taken).collect();
        assert_eq!(all.len(), names.len() + taken.len(), "{names:?}");
    }
    #[test]
    fn a_further_region_takes_no_name_that_somebody_gave() {
        let clouds = [("a", false), ("a-B", true), ("a-B C", true), ("a-B", false)];
        assert_eq!(unique_names(&clouds, &[]), ["a", "a-B-cloud", "a-B-C", "a-B"]);
    }
}
