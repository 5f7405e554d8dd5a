//! The files of openstackclient: only the first one that is found is read.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
};

use super::{
    entry,
    model::{Entry, Settings, SettingsFault},
    recover,
    yaml::Node,
};
use wharf_core::base::clean;

/// Largest file that is read, in bytes.
const LONGEST: u64 = 4 << 20;
/// The name of the cloud in the shell's variables if they give it none.
const OF_SHELL: &str = "openstack";

/// The folders to search and the environment.
pub(super) struct SearchEnvironment {
    /// The folders in the order of searching.
    folders: Vec<PathBuf>,
    /// The variables with names `OS_…` that are not empty.
    variables: BTreeMap<String, String>,
}

impl SearchEnvironment {
    fn from_process() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let own = std::env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
        let usual = home.map(|home| home.join(".config"));
        let site = std::env::var("XDG_CONFIG_DIRS").unwrap_or_default();
        let site = site.split(':').next().filter(|folder| !folder.is_empty()).unwrap_or("/etc/xdg").into();
        let configured = [own, usual, Some(site), Some("/etc".into())].into_iter().flatten();
        let folders = std::env::current_dir().into_iter().chain(configured.map(|folder| folder.join("openstack")));
        let texts =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let variables = texts.filter(|(key, value)| key.starts_with("OS_") && !value.is_empty());
        Self { folders: folders.collect(), variables: variables.collect() }
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }
}

/// All clouds that the files and the environment name, sorted by name, and what cannot be used of them.
pub(crate) fn all() -> (Vec<Entry>, Vec<SettingsFault>) {
    found(&SearchEnvironment::from_process())
}

fn found(around: &SearchEnvironment) -> (Vec<Entry>, Vec<SettingsFault>) {
    let mut troubles = Vec::new();
    let mut file =
        |name: &str, first: Option<&str>, group: &str| first_existing(around, name, first, group, &mut troubles);
    let clouds = file("clouds", around.variable("OS_CLIENT_CONFIG_FILE"), "clouds");
    let secure = file("secure", around.variable("OS_CLIENT_SECURE_FILE"), "clouds");
    let public = file("clouds-public", None, "public-clouds");
    let shell = around.variable("OS_AUTH_URL").is_some();
    let about = around.variable("OS_CLOUD").filter(|_| !shell).map(|name| (name, &around.variables));
    let said = entry::ShellVariables { about, region: around.variable("OS_REGION_NAME").filter(|_| !shell) };
    let mut entries = Vec::new();
    let secure = secure.map(|(_, node)| node);
    if let Some((path, node)) = clouds.or_else(|| secure.clone().map(|node| ("secure.yaml".to_owned(), node))) {
        if node.get("clouds").is_none() {
            troubles.push(SettingsFault { place: path.clone(), why: "it has no 'clouds:'".to_owned(), cloud: None });
        }
        let public = public.map(|(_, node)| node);
        entries = entry::clouds(&node, secure.as_ref(), public.as_ref(), &path, said);
        // A file that is no YAML is shown as a cloud with that fault, not left out.
        for trouble in &troubles {
            let name = trouble.cloud.clone().filter(|name| !entries.iter().any(|known: &Entry| known.cloud == *name));
            entries.extend(name.map(|name| Entry {
                cloud: name.clone(),
                name,
                is_further: false,
                settings: Settings::broken(format!("{} ({})", trouble.why, trouble.place)),
                origin: trouble.place.clone(),
            }));
        }
        entries.sort_by(|one, other| one.cloud.cmp(&other.cloud));
    }
    if shell {
        let name = around.variable("OS_CLOUD_NAME").unwrap_or(OF_SHELL).to_owned();
        entries.push(Entry {
            cloud: name.clone(),
            name,
            is_further: false,
            settings: entry::environment(&around.variables),
            origin: "OS_AUTH_URL".to_owned(),
        });
    }
    (entries, troubles)
}

/// The path and content of the first existing file with this name. JSON is read as YAML, of which it is a part.
fn first_existing(
    around: &SearchEnvironment,
    name: &str,
    first: Option<&str>,
    group: &str,
    troubles: &mut Vec<SettingsFault>,
) -> Option<(String, Node)> {
    let usual = around
        .folders
        .iter()
        .flat_map(|folder| ["yaml", "yml", "json"].map(|extension| folder.join(format!("{name}.{extension}"))));
    for path in first.map(at_home).into_iter().chain(usual) {
        let place = clean::short(&path.display().to_string(), 200);
        match read_text(&path) {
            Ok(None) => {}
            Ok(Some(text)) => {
                let (node, wrong) = recover::read(&text, &place, group);
                troubles.extend(wrong);
                if let Some(node) = node {
                    return Some((place, node));
                }
            }
            Err(why) => troubles.push(SettingsFault { place, why, cloud: None }),
        }
    }
    None
}

/// The content of a file; `None` if it does not exist.
fn read_text(path: &Path) -> Result<Option<String>, String> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let mut bytes = Vec::new();
    match file.take(LONGEST + 1).read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => return Ok(None),
        other => other.map_err(|error| error.to_string())?,
    };
    if bytes.len() as u64 > LONGEST {
        return Err("it is longer than any list of clouds".to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
    Ok(Some(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text)))
}

/// A path in which `~` is replaced by the home folder.
pub(crate) fn at_home(path: &str) -> PathBuf {
    match (path.strip_prefix("~/"), std::env::var_os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn around(folder: &Path, variables: &[(&str, &str)]) -> SearchEnvironment {
        let pairs = variables.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        SearchEnvironment { folders: vec![folder.join("one"), folder.join("two")], variables: pairs.collect() }
    }

    fn names(around: &SearchEnvironment) -> Vec<String> {
        found(around).0.into_iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn the_first_file_that_is_there_counts_alone() {
        let folder = tempfile::tempdir().unwrap();
        for (name, cloud) in [("one/clouds.yml", "b"), ("two/clouds.yaml", "c"), ("other.yaml", "a")] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, format!("clouds: {{{cloud}: {{}}}}")).unwrap();
        }
        let named = |name: &str| folder.path().join(name).display().to_string();
        assert_eq!(names(&around(folder.path(), &[])), ["b"]);
        assert_eq!(names(&around(folder.path(), &[("OS_CLIENT_CONFIG_FILE", &named("other.yaml"))])), ["a"]);
        assert_eq!(names(&around(folder.path(), &[("OS_CLIENT_CONFIG_FILE", &named("missing"))])), ["b"]);
        std::fs::write(folder.path().join("one/clouds.yml"), "clouds: [").unwrap();
        let (entries, troubles) = found(&around(folder.path(), &[]));
        assert_eq!((entries[0].name.as_str(), troubles.len()), ("c", 1));
        std::fs::write(folder.path().join("one/clouds.yml"), "clouds:\n  bad: [\n  good: {}\n").unwrap();
        let (entries, _) = found(&around(folder.path(), &[]));
        assert_eq!(entries.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["bad", "good"]);
        assert!(entries[0].settings.broken.is_some() && entries[1].settings.broken.is_none());
        std::fs::write(folder.path().join("one/clouds.yml"), r#"{"clouds": {"j": {"auth": {"auth_url": "u"}}}}"#)
            .unwrap();
        assert_eq!(names(&around(folder.path(), &[])), ["j"]);
    }

    #[test]
    fn an_openrc_and_a_file_both_count() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("one")).unwrap();
        std::fs::write(folder.path().join("one/clouds.yaml"), "clouds: {openstack: {}}").unwrap();
        assert_eq!(names(&around(folder.path(), &[("OS_AUTH_URL", "u")])), ["openstack", "openstack"]);
        assert_eq!(
            names(&around(folder.path(), &[("OS_AUTH_URL", "u"), ("OS_CLOUD_NAME", "mine")])),
            ["openstack", "mine"]
        );
        assert_eq!(names(&around(folder.path(), &[("OS_PASSWORD", "x")])), ["openstack"]);
    }
}
