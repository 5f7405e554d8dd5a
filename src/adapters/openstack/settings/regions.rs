//! The regions of an entry, each of which is a cloud of its own (openstacksdk, `loader.py`: `_expand_regions`,
//! `_get_known_regions`, `_get_region`).

use super::yaml::{Node, Value};
use wharf_core::base::clean;

/// A region with its own values, which take precedence over those of the entry.
#[derive(Clone)]
pub(super) struct Region {
    pub name: String,
    pub values: Option<Node>,
}

/// A region that the shell names, and whether the entry must have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RegionChoice<'a> {
    /// The shell's variables are about this entry, which must have the region.
    Must(&'a str),
    /// The shell's variables are about any entry that has the region.
    May(&'a str),
}

/// The regions under `regions:` or `region_name:`, which may list several, separated by commas.
pub(super) fn read(node: &Node) -> Result<Vec<Region>, (usize, String)> {
    match &node.value {
        Value::Nothing => Ok(Vec::new()),
        Value::Text(text) => Ok(text.split(',').filter_map(|name| named(name, None)).collect()),
        Value::List(list) => {
            let all: Result<Vec<_>, _> = list.iter().map(one).collect();
            Ok(all?.into_iter().flatten().collect())
        }
        Value::Map(_) => Err((node.line, "'regions' is not a list of names of regions".to_owned())),
    }
}

fn one(node: &Node) -> Result<Option<Region>, (usize, String)> {
    let odd = |why: &str| Err((node.line, format!("a region in 'regions' {why}")));
    match &node.value {
        Value::Text(name) => Ok(named(name, None)),
        Value::Map(pairs) => {
            if let Some((key, _)) = pairs.iter().find(|(key, _)| !matches!(key.as_str(), "name" | "values")) {
                return odd(&format!("has 'name' and 'values' only, not '{}'", clean::short(key, 60)));
            }
            match node.get("name").map(|name| &name.value) {
                Some(Value::Text(name)) => Ok(named(name, node.get("values").cloned())),
                _ => odd("names no 'name'"),
            }
        }
        _ => odd("is neither a name nor a group of 'name' and 'values'"),
    }
}

/// A region; `None` for an empty name, which leaves the choice to the cloud.
fn named(name: &str, values: Option<Node>) -> Option<Region> {
    let name = name.trim().to_owned();
    (!name.is_empty()).then_some(Region { name, values })
}

/// The regions to show: all, each once, or the one that the shell names. Of equal names the first counts. An entry
/// without regions uses the shell's.
pub(super) fn shown(all: Vec<Region>, wish: Option<RegionChoice<'_>>) -> Result<Vec<Region>, String> {
    let mut known: Vec<Region> = Vec::new();
    for region in all {
        if known.iter().all(|before| before.name != region.name) {
            known.push(region);
        }
    }
    let (name, must) = match wish {
        None => return Ok(known),
        Some(RegionChoice::Must(name)) => (name, true),
        Some(RegionChoice::May(name)) => (name, false),
    };
    match known.iter().find(|region| region.name == name) {
        Some(region) => Ok(vec![region.clone()]),
        None if !must => Ok(known),
        None if known.is_empty() => Ok(vec![Region { name: name.to_owned(), values: None }]),
        None => {
            let names: Vec<String> = known.iter().map(|region| clean::short(&region.name, 60)).collect();
            let name = clean::short(name, 60);
            Err(format!("OS_REGION_NAME says {name}, which is none of its regions: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::settings::yaml;

    fn names(text: &str) -> Result<Vec<String>, (usize, String)> {
        read(&yaml::read(text).unwrap()).map(|all| all.into_iter().map(|region| region.name).collect())
    }

    #[test]
    fn regions_are_words_or_groups_of_a_name_and_values_and_nothing_else() {
        assert_eq!(names("[A, {name: B, values: {cacert: x}}, {name: C}, 7]").unwrap(), ["A", "B", "C", "7"]);
        assert_eq!(names("A, B").unwrap(), ["A", "B"]);
        assert_eq!(names("[]").unwrap(), [""; 0]);
        for (wrong, why) in [
            ("[A, {values: {}}]", "names no 'name'"),
            ("[{name: A, auth: {}}]", "not 'auth'"),
            ("[[A]]", "neither"),
            ("{A: B}", "not a list"),
        ] {
            assert!(names(wrong).unwrap_err().1.contains(why), "{wrong}: {:?}", names(wrong));
        }
        assert_eq!(names("\n- A\n- {}\n").unwrap_err().0, 3);
    }

    #[test]
    fn the_shell_names_one_of_them_by_its_exact_name() {
        let shown = |text: &str, wish: Option<RegionChoice<'_>>| {
            let all = read(&yaml::read(text).unwrap()).unwrap();
            shown(all, wish).map(|all| all.into_iter().map(|region| region.name).collect::<Vec<_>>())
        };
        assert_eq!(shown("[A, B, A]", None).unwrap(), ["A", "B"]);
        assert_eq!(shown("[A, B]", Some(RegionChoice::Must("B"))).unwrap(), ["B"]);
        assert_eq!(shown("[A, B]", Some(RegionChoice::May("B"))).unwrap(), ["B"]);
        assert_eq!(shown("[A, B]", Some(RegionChoice::May("C"))).unwrap(), ["A", "B"]);
        assert_eq!(shown("[]", Some(RegionChoice::Must("C"))).unwrap(), ["C"]);
        assert_eq!(shown("[]", Some(RegionChoice::May("C"))).unwrap(), [""; 0]);
        assert!(shown("[A, B]", Some(RegionChoice::Must("b"))).unwrap_err().ends_with("none of its regions: A, B"));
    }
}
