//! The entries of `clouds.yaml`. Each is read separately, so that a faulty one does not affect the others.

use std::collections::BTreeMap;

use super::{
    model::{Entry, Remote, Settings, page},
    regions::{self, Region, RegionChoice},
    spelling, vendors,
    yaml::{Node, Value},
};
use wharf_core::base::clean;

/// What the shell's variables say about the clouds of a file.
#[derive(Default, Clone, Copy)]
pub(super) struct ShellVariables<'a> {
    /// The cloud that `OS_CLOUD` names, and the other variables.
    pub about: Option<(&'a str, &'a BTreeMap<String, String>)>,
    /// The region that `OS_REGION_NAME` names.
    pub region: Option<&'a str>,
}

impl<'a> ShellVariables<'a> {
    fn variables(self, cloud: &str) -> Option<&'a BTreeMap<String, String>> {
        self.about.filter(|(about, _)| *about == cloud).map(|(_, said)| said)
    }

    /// The region that the shell names for a cloud. A file's only cloud is meant even without `OS_CLOUD`.
    fn wish(self, cloud: &str, alone: bool) -> Option<RegionChoice<'a>> {
        match self.about {
            Some((about, _)) => self.region.filter(|_| about == cloud).map(RegionChoice::Must),
            None if alone => self.region.map(RegionChoice::Must),
            None => self.region.map(RegionChoice::May),
        }
    }
}

/// The entries under `clouds:`, combined with `secure.yaml`, one for each region.
pub(super) fn clouds(
    file: &Node,
    secure: Option<&Node>,
    public: Option<&Node>,
    origin: &str,
    shell: ShellVariables<'_>,
) -> Vec<Entry> {
    let merged = secure.map_or_else(|| file.clone(), |secure| merged(file.clone(), secure));
    let Some(Node { value: Value::Map(pairs), .. }) = merged.get("clouds") else { return Vec::new() };
    let alone = pairs.len() == 1;
    let of_one = |(cloud, node): &(String, Node)| {
        let origin = format!("{origin}, line {}", node.line);
        one_per_region(
            cloud,
            &origin,
            settings(node, public, &origin, shell.variables(cloud), shell.wish(cloud, alone)),
        )
    };
    pairs.iter().flat_map(of_one).collect()
}

/// An entry for each region. The first has the cloud's name, because openstackclient uses it if no region is named.
fn one_per_region(cloud: &str, origin: &str, regions: Vec<Settings>) -> Vec<Entry> {
    let named = regions.into_iter().enumerate().map(|(at, settings)| Entry {
        name: match settings.region() {
            Some(region) if at > 0 => format!("{cloud}-{region}"),
            _ => cloud.to_owned(),
        },
        cloud: cloud.to_owned(),
        is_further: at > 0,
        settings,
        origin: origin.to_owned(),
    });
    named.collect()
}

/// The settings in the shell's variables: `OS_AUTH_URL` is `auth_url`.
pub(super) fn environment(variables: &BTreeMap<String, String>) -> Settings {
    let region = variables.get("OS_REGION_NAME").filter(|name| !name.is_empty());
    Raw::default().with_variables(Some(variables)).settings(region.cloned())
}

/// Combines two nodes; `over` takes precedence, key by key (openstacksdk, `_util.merge_clouds`).
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

/// Settings that were collected but not normalized yet.
#[derive(Default, Clone)]
pub(super) struct Raw {
    auth: BTreeMap<String, String>,
    options: BTreeMap<String, String>,
    methods: Vec<String>,
    regions: Vec<Region>,
    interfaces: Vec<String>,
    remote: Option<Box<Remote>>,
}

/// The settings of an entry in each of its regions; a faulty entry gives settings that say why.
fn settings(
    node: &Node,
    public: Option<&Node>,
    origin: &str,
    shell: Option<&BTreeMap<String, String>>,
    wish: Option<RegionChoice<'_>>,
) -> Vec<Settings> {
    let broken = |(line, why): BadValue| Settings::broken(format!("{why} ({}, line {line})", file_name(origin)));
    let mut raw = Raw::default();
    let mut read = || {
        for key in ["profile", "cloud"] {
            let Some(Value::Text(profile)) = node.get(key).map(|node| &node.value) else { continue };
            match public.and_then(|public| public.get("public-clouds")?.get(profile)) {
                Some(known) => raw.put(known)?,
                None => match page(profile) {
                    Some(url) => {
                        let region = wish.map(|(RegionChoice::Must(name) | RegionChoice::May(name))| name.to_owned());
                        raw.remote = Some(Box::new(Remote { url, entry: node.clone(), said: shell.cloned(), region }));
                    }
                    None => raw.put_vendor(profile),
                },
            }
            break;
        }
        raw.put(node)?;
        regions::shown(std::mem::take(&mut raw.regions), wish).map_err(|why| (node.line, why))
    };
    match read() {
        Err(why) => vec![broken(why)],
        Ok(regions) if regions.is_empty() => vec![raw.with_variables(shell).settings(None)],
        Ok(regions) => {
            // A region with faulty values does not affect the others.
            let of_one = |Region { name, values }: Region| {
                let mut raw = raw.clone();
                let put = values.map_or(Ok(()), |values| raw.put(&values));
                let region = Some(name.clone());
                let broken = |why| Settings { region: Some(name), ..broken(why) };
                put.map_or_else(broken, |()| raw.with_variables(shell).settings(region))
            };
            regions.into_iter().map(of_one).collect()
        }
    }
}

/// The settings in the region that the entry names, else in the one that the shell names, else in the first.
pub(super) fn in_region(
    mut raw: Raw,
    own: Option<&str>,
    named: Option<&str>,
    said: Option<&BTreeMap<String, String>>,
) -> Result<Settings, String> {
    let wish = own.map(RegionChoice::Must).or(named.map(RegionChoice::May));
    let region = regions::shown(std::mem::take(&mut raw.regions), wish)?.into_iter().next();
    if let Some(values) = region.as_ref().and_then(|region| region.values.as_ref()) {
        raw.put(values).map_err(|(line, why)| format!("{why} (line {line})"))?;
    }
    Ok(raw.with_variables(said).settings(region.map(|region| region.name)))
}

/// The file in a place like `FILE, line 3`.
fn file_name(origin: &str) -> &str {
    origin.rsplit_once(", line ").map_or(origin, |(file, _)| file)
}

type BadValue = (usize, String);

fn odd(node: &Node, key: &str, wanted: &str) -> BadValue {
    (node.line, format!("'{}' is not {wanted}", clean::short(key, 60)))
}

fn words(node: &Node, key: &str) -> Result<Vec<String>, BadValue> {
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
    /// Adds an entry's values, replacing those that exist.
    pub(super) fn put(&mut self, node: &Node) -> Result<(), BadValue> {
        let pairs = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Nothing => return Ok(()),
            _ => {
                return Err((node.line, "it is not an entry of a cloud, with auth: and what belongs to it".to_owned()));
            }
        };
        let is_list = pairs.iter().any(|(name, node)| name == "regions" && node.value != Value::Nothing);
        for (name, node) in pairs {
            let key = name.replace('-', "_");
            match (key.as_str(), &node.value) {
                ("profile" | "cloud", _) => {}
                ("auth", Value::Map(pairs)) => {
                    for (name, node) in pairs {
                        let key = name.replace('-', "_");
                        match &node.value {
                            // A list of several methods means a sign-in with several factors.
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
                // An empty value counts as absent; a list takes precedence over a name.
                ("regions" | "region_name", Value::Nothing) => {}
                ("region_name", _) if is_list => {}
                ("regions" | "region_name", _) => self.regions = regions::read(node)?,
                (_, Value::Text(text)) => {
                    self.options.insert(key, text.clone());
                }
                // Other nested values are for other programs, like the networks of a cloud.
                _ => {}
            }
        }
        Ok(())
    }

    pub(super) fn put_vendor(&mut self, profile: &str) {
        if let Some(vendor) = vendors::known(profile) {
            self.auth.insert("auth_url".to_owned(), vendor.auth_url.to_owned());
            let region = |name: &&str| Region { name: (*name).to_owned(), values: None };
            self.regions = vendor.regions.iter().map(region).collect();
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
                // This selects one of the file's regions.
                "region_name" => {}
                _ => {
                    self.options.insert(key, value.clone());
                }
            }
        }
    }

    /// Adds the variables, which take precedence over the file.
    fn with_variables(mut self, said: Option<&BTreeMap<String, String>>) -> Self {
        if let Some(said) = said {
            self.put_variables(said);
        }
        self
    }

    /// The normalized settings for a region.
    fn settings(mut self, region: Option<String>) -> Settings {
        spelling::corrected(&mut self.auth, &mut self.options);
        // A placeholder like `https://{region_name}.example` is filled in as openstackclient does it.
        if let Some(url) = self.auth.get_mut("auth_url") {
            *url = url.trim().replace("{region_name}", region.as_deref().unwrap_or(""));
        }
        if self.interfaces.is_empty() {
            self.interfaces.push("public".to_owned());
        }
        Settings {
            auth: self.auth,
            options: self.options,
            methods: self.methods,
            region,
            interfaces: self.interfaces,
            remote: self.remote,
            broken: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::settings::yaml;

    fn of(text: &str) -> Vec<Entry> {
        clouds(&yaml::read(text).unwrap(), None, None, "clouds.yaml", ShellVariables::default())
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
        let all = clouds(&file, Some(&secure), None, "f", ShellVariables::default());
        assert_eq!((all[0].settings.auth("username"), all[0].settings.auth("password")), (Some("u"), Some("new")));
        assert_eq!(all[1].name, "b");
    }

    #[test]
    fn a_profile_is_below_the_entry_and_a_regions_own_values_are_above_it() {
        let public =
            yaml::read("public-clouds: {v: {auth: {auth_url: 'https://v', username: x}, region_name: R}}").unwrap();
        let file = yaml::read("clouds: {a: {profile: v, auth: {username: u}}}").unwrap();
        let read = clouds(&file, None, Some(&public), "f", ShellVariables::default()).remove(0).settings;
        assert_eq!((read.auth("auth_url"), read.auth("username")), (Some("https://v"), Some("u")));
        assert_eq!(read.region(), Some("R"));
        let own = yaml::read("clouds: {a: {profile: v, region_name: S}}").unwrap();
        assert_eq!(clouds(&own, None, Some(&public), "f", ShellVariables::default())[0].settings.region(), Some("S"));
    }

    /// Follows openstacksdk, `loader.py`: `get_all`, `_get_known_regions`, `get_one`.
    #[test]
    fn each_region_is_a_cloud_of_its_own_with_its_own_values_above_the_entry() {
        let values = "clouds: {a: {cacert: x, auth: {auth_url: u, username: n}, region_name: Z, regions: [{name: A, \
                      values: {cacert: y, auth: {auth_url: z}, region_name: Q}}, B, {name: C, values: {auth: 3}}]}}";
        let all = of(values);
        assert_eq!(all.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["a", "a-B", "a-C"]);
        assert_eq!(all.iter().map(|entry| entry.cloud.as_str()).collect::<Vec<_>>(), ["a"; 3]);
        let (a, b, c) = (&all[0].settings, &all[1].settings, &all[2].settings);
        let said = |one: &Settings| {
            let text = |text: Option<&str>| text.unwrap_or("").to_owned();
            [text(one.region()), text(one.option("cacert")), text(one.auth("auth_url")), text(one.auth("username"))]
        };
        assert_eq!(
            (said(a), said(b)),
            (["A", "y", "z", "n"].map(str::to_owned), ["B", "x", "u", "n"].map(str::to_owned))
        );
        assert!(c.broken.is_some() && c.region() == Some("C") && b.broken.is_none());
        let names = |text: &str| of(text).into_iter().map(|entry| entry.name).collect::<Vec<_>>();
        assert_eq!(names("clouds: {a: {region_name: 'A,B'}}"), ["a", "a-B"]);
        assert_eq!(names("clouds: {a: {region_name: A}}"), ["a"]);
        assert_eq!(names("clouds: {a: {profile: catalyst}}"), ["a", "a-nz_wlg_2"]);
        assert_eq!(one("clouds: {a: {region_name: A, regions: }}").region(), Some("A"));
        let sites = of("clouds: {a: {profile: conoha}}");
        assert_eq!(sites[1].settings.auth("auth_url"), Some("https://identity.sjc1.conoha.io"));
    }

    #[test]
    fn the_shell_names_one_region_of_the_cloud_that_it_is_about() {
        let file = yaml::read("clouds: {a: {regions: [A, B]}, b: {regions: [B, C]}, c: {region_name: C}}").unwrap();
        let said = BTreeMap::new();
        let regions = |shell: ShellVariables<'_>| {
            let all = clouds(&file, None, None, "f", shell).into_iter();
            all.map(|entry| format!("{} {}", entry.name, entry.settings.region().unwrap_or("?"))).collect::<Vec<_>>()
        };
        let about = |cloud, region| ShellVariables { about: Some((cloud, &said)), region: Some(region) };
        assert_eq!(regions(about("a", "B")), ["a B", "b B", "b-C C", "c C"]);
        assert_eq!(regions(ShellVariables { about: None, region: Some("B") }), ["a B", "b B", "c C"]);
        let wrong = &clouds(&file, None, None, "f", about("c", "B"))[4].settings;
        assert!(wrong.broken.as_ref().unwrap().contains("none of its regions: C (f, line 1)"), "{:?}", wrong.broken);
        let alone = yaml::read("clouds: {a: {regions: [A, B]}}").unwrap();
        let wrong = clouds(&alone, None, None, "f", ShellVariables { about: None, region: Some("X") });
        assert!(wrong.len() == 1 && wrong[0].settings.broken.is_some());
    }

    #[test]
    fn variables_beside_the_name_of_a_cloud_count_before_its_file() {
        let file = yaml::read("clouds: {a: {auth: {username: u, password: old}}, b: {auth: {username: u}}}").unwrap();
        let said = [("OS_PASSWORD", "new"), ("OS_USER_DOMAIN_NAME", "D")];
        let said = said.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
        let all = clouds(&file, None, None, "f", ShellVariables { about: Some(("a", &said)), region: None });
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
