//! The clouds of what was read: each entry by itself, so that a bad one costs only that one.

use std::collections::BTreeMap;

use super::{
    Entry, Settings, spelling, vendors,
    yaml::{Node, Value},
};
use crate::core::base::clean;

/// What variables of this shell say beside `OS_CLOUD`, and of which cloud.
pub type Override<'a> = Option<(&'a str, &'a BTreeMap<String, String>)>;

/// What stands under `clouds:` of the file, each with what `secure.yaml` adds.
pub fn clouds(
    file: &Node,
    secure: Option<&Node>,
    public: Option<&Node>,
    origin: &str,
    shell: Override<'_>,
) -> Vec<Entry> {
    let merged = secure.map_or_else(|| file.clone(), |secure| merged(file.clone(), secure));
    let Some(Node { value: Value::Map(pairs), .. }) = merged.get("clouds") else { return Vec::new() };
    let all = pairs.iter().map(|(name, node)| Entry {
        name: name.clone(),
        settings: settings(node, public, origin, shell.filter(|(cloud, _)| cloud == name).map(|(_, said)| said)),
        origin: format!("{origin}, line {}", node.line),
    });
    all.collect()
}

/// What the variables of this shell say of a cloud: `OS_AUTH_URL` is `auth_url`.
pub fn environment(variables: &BTreeMap<String, String>) -> Settings {
    let mut raw = Raw::default();
    raw.put_variables(variables);
    raw.settings()
}

/// `over` counts before `under`, key by key (openstacksdk, `_util.merge_clouds`).
fn merged(mut under: Node, over: &Node) -> Node {
    match (&mut under.value, &over.value) {
        (Value::Map(known), Value::Map(more)) => {
            for (key, node) in more {
                match known.iter_mut().find(|(name, _)| name == key) {
                    Some((_, old)) => *old = merged(old.clone(), node),
                    None => known.push((key.clone(), node.clone())),
                }
            }
            under
        }
        (_, Value::Nothing) => under,
        _ => Node { line: under.line, value: over.value.clone() },
    }
}

/// What was gathered, as it is written.
#[derive(Default)]
struct Raw {
    auth: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    methods: Vec<String>,
    regions: Vec<String>,
    interfaces: Vec<String>,
}

/// The settings of one entry; one that is no entry says why.
fn settings(node: &Node, public: Option<&Node>, origin: &str, shell: Option<&BTreeMap<String, String>>) -> Settings {
    let mut raw = Raw::default();
    let mut read = || {
        for key in ["profile", "cloud"] {
            let Some(Value::Text(profile)) = node.get(key).map(|node| &node.value) else { continue };
            match public.and_then(|public| public.get("public-clouds")?.get(profile)) {
                Some(known) => raw.put(known)?,
                None => raw.put_vendor(profile),
            }
            break;
        }
        raw.put(node)
    };
    match read() {
        Ok(()) => {
            // They count before the file.
            if let Some(said) = shell {
                raw.put_variables(said);
            }
            raw.settings()
        }
        Err((line, why)) => Settings::broken(format!("{why} ({origin}, line {line})")),
    }
}

type Odd = (usize, String);

fn odd(node: &Node, key: &str, wanted: &str) -> Odd {
    (node.line, format!("'{}' is not {wanted}", clean::short(key, 60)))
}

fn words(node: &Node, key: &str) -> Result<Vec<String>, Odd> {
    match &node.value {
        Value::Nothing => Ok(Vec::new()),
        Value::Text(text) => Ok(text.split(',').map(|word| word.trim().to_owned()).filter(|w| !w.is_empty()).collect()),
        Value::List(list) => list
            .iter()
            .map(|node| match &node.value {
                Value::Text(text) => Ok(text.clone()),
                _ => Err(odd(node, key, "a list of words")),
            })
            .collect(),
        Value::Map(_) => Err(odd(node, key, "a list of words")),
    }
}

impl Raw {
    /// Puts an entry over what is there.
    fn put(&mut self, node: &Node) -> Result<(), Odd> {
        let pairs = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Nothing => return Ok(()),
            _ => {
                return Err((node.line, "it is not an entry of a cloud, with auth: and what belongs to it".to_owned()));
            }
        };
        let mut values_of_region = None;
        for (name, node) in pairs {
            let key = name.replace('-', "_");
            match (key.as_str(), &node.value) {
                ("profile" | "cloud", _) => {}
                ("auth", Value::Map(pairs)) => {
                    for (name, node) in pairs {
                        let key = name.replace('-', "_");
                        match &node.value {
                            // Several methods in one list belong to a sign-in of several factors.
                            _ if key == "auth_methods" => self.methods = words(node, name)?,
                            Value::Text(text) => {
                                self.auth.insert(key, text.clone());
                            }
                            Value::Nothing => {}
                            _ => return Err(odd(node, name, "a word or a text")),
                        }
                    }
                }
                ("auth", Value::Nothing) => {}
                ("auth", _) => return Err(odd(node, name, "a group of keys, each on a line of its own")),
                ("auth_methods", _) => self.methods = words(node, name)?,
                ("interface" | "endpoint_type", _) => self.interfaces = words(node, name)?,
                ("region_name", _) if pairs.iter().all(|(name, _)| name != "regions") => {
                    self.regions = words(node, name)?
                }
                ("region_name", _) => {}
                ("regions", Value::List(list)) => {
                    self.regions.clear();
                    for (at, node) in list.iter().enumerate() {
                        match (&node.value, node.get("name").map(|node| &node.value)) {
                            (Value::Text(region), _) => self.regions.push(region.clone()),
                            (_, Some(Value::Text(region))) => {
                                self.regions.push(region.clone());
                                values_of_region = values_of_region.or(node.get("values").filter(|_| at == 0));
                            }
                            _ => return Err(odd(node, name, "a list of names of regions")),
                        }
                    }
                }
                ("regions", _) => self.regions = words(node, name)?,
                (_, Value::Text(text)) => {
                    self.options.insert(key, text.clone());
                }
                // What else is nested is for other programs, the networks of a cloud for example.
                _ => {}
            }
        }
        match values_of_region {
            // A region's own values name no further regions.
            Some(values) => {
                let regions = self.regions.clone();
                self.put(values)?;
                self.regions = regions;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn put_vendor(&mut self, profile: &str) {
        if let Some(vendor) = vendors::known(profile) {
            self.auth.insert("auth_url".to_owned(), vendor.auth_url.to_owned());
            self.regions = vendor.regions.iter().map(|region| (*region).to_owned()).collect();
            let default = |key: &str| vendor.default_domain.map(|domain| (key.to_owned(), domain.to_owned()));
            self.auth.extend(default("default_domain_id"));
        } else {
            self.options.insert("unknown_profile".to_owned(), profile.to_owned());
        }
    }

    fn put_variables(&mut self, variables: &BTreeMap<String, String>) {
        for (name, value) in variables.iter().filter(|(_, value)| !value.is_empty()) {
            let Some(key) = name.strip_prefix("OS_").map(str::to_ascii_lowercase) else { continue };
            let list = || value.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect();
            match key.as_str() {
                "cloud" | "cloud_name" | "client_config_file" | "client_secure_file" => {}
                "auth_methods" => self.methods = list(),
                "interface" | "endpoint_type" => self.interfaces = list(),
                // One region of those that the file names.
                "region_name" => self.regions = vec![value.clone()],
                _ => {
                    self.options.insert(key, value.clone());
                }
            }
        }
    }

    fn settings(mut self) -> Settings {
        spelling::corrected(&mut self.auth, &mut self.options);
        // `https://{region_name}.example`: as the client fills it in.
        if let Some(url) = self.auth.get_mut("auth_url") {
            let region = self.regions.first().map_or("", String::as_str);
            *url = url.trim().replace("{region_name}", region);
        }
        if self.interfaces.is_empty() {
            self.interfaces.push("public".to_owned());
        }
        Settings {
            auth: self.auth,
            options: self.options,
            methods: self.methods,
            regions: self.regions,
            interfaces: self.interfaces,
            broken: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::openstack::settings::yaml;

    fn of(text: &str) -> Vec<Entry> {
        clouds(&yaml::read(text).unwrap(), None, None, "clouds.yaml", None)
    }

    fn one(text: &str) -> Settings {
        of(text).remove(0).settings
    }

    #[test]
    fn hyphens_and_the_clouds_own_level_are_read_as_the_client_reads_them() {
        let read =
            one("clouds: {a: {auth-type: v3token, auth: {auth-url: 'https://c/v3'}, token: t, project-id: '007'}}");
        assert_eq!((read.auth("auth_url"), read.auth("token")), (Some("https://c/v3"), Some("t")));
        assert_eq!((read.auth("project_id"), read.option("auth_type")), (Some("007"), Some("v3token")));
    }

    #[test]
    fn a_bad_entry_costs_only_itself_and_names_its_line() {
        let all = of("clouds:\n  good: {auth: {auth_url: u}}\n  bad:\n    auth: [1]\n  worse: text\n  empty:\n");
        assert_eq!(all.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["good", "bad", "worse", "empty"]);
        assert!(all[0].settings.broken.is_none());
        assert!(all[1].settings.broken.as_ref().unwrap().contains("line 4"), "{:?}", all[1].settings.broken);
        assert!(all[2].settings.broken.as_ref().unwrap().contains("line 5"));
    }

    #[test]
    fn what_secure_yaml_says_counts_and_leaves_the_rest() {
        let file = yaml::read("clouds: {a: {auth: {username: u, password: old}}}").unwrap();
        let secure = yaml::read("clouds: {a: {auth: {password: new}}, b: {auth: {auth_url: x}}}").unwrap();
        let all = clouds(&file, Some(&secure), None, "f", None);
        assert_eq!((all[0].settings.auth("username"), all[0].settings.auth("password")), (Some("u"), Some("new")));
        assert_eq!(all[1].name, "b");
    }

    #[test]
    fn a_profile_is_below_the_entry_and_a_regions_own_values_are_above_it() {
        let public =
            yaml::read("public-clouds: {v: {auth: {auth_url: 'https://v', username: x}, region_name: R}}").unwrap();
        let file = yaml::read("clouds: {a: {profile: v, auth: {username: u}}}").unwrap();
        let read = clouds(&file, None, Some(&public), "f", None).remove(0).settings;
        assert_eq!((read.auth("auth_url"), read.auth("username")), (Some("https://v"), Some("u")));
        assert_eq!(read.region(), Some("R"));
        let values = "clouds: {a: {cacert: x, regions: [{name: A, values: {cacert: y, auth: {auth_url: z}}}, B]}}";
        let read = one(values);
        assert_eq!(
            (read.regions.join(" ").as_str(), read.option("cacert"), read.auth("auth_url")),
            ("A B", Some("y"), Some("z"))
        );
    }

    #[test]
    fn variables_beside_the_name_of_a_cloud_count_before_its_file() {
        let file = yaml::read("clouds: {a: {auth: {username: u, password: old}}, b: {auth: {username: u}}}").unwrap();
        let said = [("OS_PASSWORD", "new"), ("OS_USER_DOMAIN_NAME", "D")];
        let said = said.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let all = clouds(&file, None, None, "f", Some(("a", &said)));
        assert_eq!((all[0].settings.auth("password"), all[1].settings.auth("password")), (Some("new"), None));
        assert_eq!(
            (all[0].settings.auth("user_domain_id"), all[0].settings.auth("user_domain_name")),
            (None, Some("D"))
        );
    }

    #[test]
    fn variables_that_are_empty_are_not_set() {
        let variables =
            [("OS_AUTH_URL", "u"), ("OS_PROJECT_ID", ""), ("OS_USER_DOMAIN_NAME", "D"), ("OS_USERNAME", "n")];
        let variables = variables.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let read = environment(&variables);
        assert_eq!(
            (read.auth("auth_url"), read.auth("project_id"), read.auth("user_domain_id")),
            (Some("u"), None, None)
        );
    }
}
