//! Reading the configuration: defaults < site file < user file < environment < flags.
//!
//! Nothing is needed. Every error names file, line and key. Nothing is ever written.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::core::{
    base::{
        error::{Error, Kind, Result},
        mistakes,
    },
    config::{Config, Notify, Requests, SourceConfig, Supplier},
    policy::Policy,
};

/// A configuration file as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    person: Option<String>,
    theme: Option<String>,
    keymap: Option<PathBuf>,
    mouse: Option<bool>,
    discover: Option<bool>,
    secret_file: Option<bool>,
    image_folders: Option<Vec<PathBuf>>,
    cache_dir: Option<PathBuf>,
    state_dir: Option<PathBuf>,
    filters: BTreeMap<String, String>,
    source: Vec<Written>,
    policy: Option<Policy>,
    requests: Option<Requests>,
    notify: Option<Notify>,
    supplier: Vec<Supplier>,
    mail: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    #[serde(rename = "type")]
    adapter: String,
    #[serde(default)]
    url: String,
    user: Option<String>,
    ca: Option<PathBuf>,
    client_certificate: Option<PathBuf>,
    client_key: Option<PathBuf>,
    #[serde(default)]
    notary: String,
    #[serde(default)]
    token_server: String,
    #[serde(default)]
    storage: Vec<String>,
    #[serde(default)]
    scanner: String,
    #[serde(default)]
    repositories: Vec<String>,
}

/// What the command line may override.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// Instead of the user's file.
    pub config: Option<PathBuf>,
    /// Theme.
    pub theme: Option<String>,
}

/// One row of the table of settings, for the README.
pub struct Setting {
    /// Key in the files.
    pub key: &'static str,
    /// Environment variable, or empty.
    pub variable: &'static str,
    /// What it is.
    pub words: &'static str,
}

/// Every setting.
pub const SETTINGS: &[Setting] = &[
    Setting { key: "person", variable: "WHARF_PERSON", words: "your name in links; default: your login" },
    Setting {
        key: "theme",
        variable: "WHARF_THEME",
        words: "a built-in theme, or NAME.toml in the themes folder beside the user file",
    },
    Setting { key: "keymap", variable: "WHARF_KEYMAP", words: "a file with keys that differ from the built-in ones" },
    Setting { key: "mouse", variable: "WHARF_MOUSE", words: "use the mouse at start: true or false" },
    Setting {
        key: "discover",
        variable: "WHARF_DISCOVER",
        words: "look for engines, registries and folders: true or false",
    },
    Setting {
        key: "secret_file",
        variable: "WHARF_SECRET_FILE",
        words: "agree to keep secrets in a file that only you can read",
    },
    Setting {
        key: "image_folders",
        variable: "WHARF_IMAGE_FOLDERS",
        words: "folders of images, in the variable with : between them",
    },
    Setting { key: "cache_dir", variable: "WHARF_CACHE_DIR", words: "folder for what can be fetched again" },
    Setting {
        key: "state_dir",
        variable: "WHARF_STATE_DIR",
        words: "folder for local workloads, logs and the secret file",
    },
    Setting {
        key: "[policy]",
        variable: "",
        words: "what may be launched; wharf policy show --commented prints every key",
    },
    Setting {
        key: "[requests]",
        variable: "",
        words: "how images are asked for and admitted: store, admitted, projects, quarantine, cloud, cloud_project, visibility, disk_key, certificate, key, approver_key, approvers, self_approval, signed_decisions, watch_hours",
    },
    Setting {
        key: "[requests] web",
        variable: "",
        words: "hosts from which the cloud may fetch disk images that people ask for: \"host[:port]\" for https, \"http://host[:port]\" for plain http; default: none",
    },
    Setting {
        key: "[requests] parallel",
        variable: "",
        words: "requests that one steward works on at a time, and images of its watch; default: 4",
    },
    Setting {
        key: "[requests] per_person",
        variable: "",
        words: "requests of one person that all stewards together work on at a time; default: 2",
    },
    Setting {
        key: "[requests] request_seconds",
        variable: "",
        words: "how long a steward works on one request; default: 3600",
    },
    Setting {
        key: "[requests] watch_seconds",
        variable: "",
        words: "how long a steward looks at one image of the watch; default: 600",
    },
    Setting {
        key: "[requests] largest_mib",
        variable: "",
        words: "the largest image or disk that is taken, in MiB; default: 51200",
    },
    Setting {
        key: "[requests] slowest_kib",
        variable: "",
        words: "how fast each layer or disk must come, in KiB a second; default: 16",
    },
    Setting {
        key: "[requests] grace_seconds",
        variable: "",
        words: "how long one may come more slowly than that, in seconds; default: 30",
    },
    Setting {
        key: "[notify]",
        variable: "",
        words: "how people are told: mail, from, domain, approvers, webhook, webhook_secret",
    },
    Setting { key: "[[supplier]]", variable: "", words: "who answers for images: repository, person, mail" },
    Setting { key: "mail", variable: "WHARF_MAIL", words: "where you get mail about what concerns you" },
    Setting { key: "[filters]", variable: "", words: "named filters: NAME = \"words\"" },
    Setting {
        key: "[[source]]",
        variable: "WHARF_REGISTRIES",
        words: "sources: name, type, url, user, ca, client_certificate, client_key, token_server, storage, notary, scanner, repositories; the variable has registry URLs with spaces between them",
    },
];

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads all layers.
pub fn load(flags: &Flags) -> Result<Config> {
    let folders = directories::ProjectDirs::from("", "", "wharf")
        .ok_or_else(|| Error::usage("find your folders", "HOME is not set").hint("set HOME"))?;
    let home = variable("HOME").map(PathBuf::from).unwrap_or_default();
    let mut config = Config {
        discover: true,
        person: variable("USER").or_else(|| variable("LOGNAME")).unwrap_or_default(),
        theme: "default".into(),
        themes_dir: Some(folders.config_dir().join("themes")),
        mouse: true,
        image_folders: vec![home.join("images"), folders.data_dir().join("images")],
        cache_dir: folders.cache_dir().to_owned(),
        state_dir: folders.state_dir().unwrap_or_else(|| folders.data_local_dir()).to_owned(),
        ..Config::default()
    };
    let named = variable("WHARF_SITE").map(PathBuf::from);
    let site = named.clone().unwrap_or_else(|| PathBuf::from("/etc/wharf/site.toml"));
    if named.is_some() || may_be_there(&site) {
        apply(&mut config, &site).map_err(|error| of_the_site(error, named.is_some()))?;
    }
    let written = flags.config.clone().or_else(|| variable("WHARF_CONFIG").map(PathBuf::from));
    let user = written.clone().unwrap_or_else(|| folders.config_dir().join("wharf.toml"));
    if written.is_some() || may_be_there(&user) {
        apply(&mut config, &user)?;
    }
    environment(&mut config)?;
    if let Some(theme) = &flags.theme {
        config.theme.clone_from(theme);
    }
    Ok(config)
}

/// Whether a file is there, or might be: only one that does not exist at all says nothing. A link whose target is gone
/// and a folder that may not be entered are told, when it is read.
fn may_be_there(path: &Path) -> bool {
    let absent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    match path.symlink_metadata() {
        Ok(_) => true,
        Err(error) if absent(&error) => {
            // A folder above it may be such a link.
            let above = path.ancestors().skip(1).find(|above| above.symlink_metadata().is_ok());
            above.is_some_and(|above| above.metadata().is_err())
        }
        Err(_) => true,
    }
}

/// What cannot be read of the site's file is no absence of its policy.
fn of_the_site(error: Error, named: bool) -> Error {
    let whose = if named { "the site's file that WHARF_SITE names" } else { "the site's file" };
    let hint = format!("{}; nothing is done without {whose}, because its policy may be in it", error.hint);
    error.hint(hint)
}

/// Everything that is wrong in a file, at once.
fn read(text: &str, path: &Path) -> Result<File> {
    let (file, mistakes) = mistakes::read::<File>(text);
    let Some(first) = mistakes.first() else { return Ok(file.unwrap_or_default()) };
    let more = mistakes.iter().skip(1).map(|mistake| format!("; line {}: {}", mistake.line, mistake.words));
    let why = format!("{}{}", first.words, more.collect::<String>());
    let lines = if mistakes.len() == 1 { "correct that line" } else { "correct these lines" };
    Err(Error::new(Kind::Usage, format!("{}:{}", path.display(), first.line), why)
        .hint(format!("{lines}; 'wharf --help' names the manual page with all settings")))
}

fn apply(config: &mut Config, path: &Path) -> Result<()> {
    let what = format!("read {}", path.display());
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::new(Kind::Usage, &what, error.to_string()).hint("check the path and its rights"))?;
    let file = read(&text, path)?;
    let base = path.parent().unwrap_or(Path::new("."));
    let absolute = |relative: PathBuf| if relative.is_absolute() { relative } else { base.join(relative) };
    set(&mut config.person, file.person);
    set(&mut config.theme, file.theme);
    set(&mut config.mouse, file.mouse);
    set(&mut config.discover, file.discover);
    set(&mut config.secret_file, file.secret_file);
    set(&mut config.image_folders, file.image_folders.map(|folders| folders.into_iter().map(absolute).collect()));
    set(&mut config.cache_dir, file.cache_dir.map(absolute));
    set(&mut config.state_dir, file.state_dir.map(absolute));
    config.keymap = file.keymap.map(absolute).or(config.keymap.take());
    set(&mut config.mail, file.mail);
    if let Some(mut requests) = file.requests {
        if !requests.store.is_empty() && !requests.store.contains("://") {
            requests.store = absolute(PathBuf::from(&requests.store)).display().to_string();
        }
        for key in [&mut requests.key, &mut requests.disk_key, &mut requests.approver_key] {
            if !key.is_empty() && !key.contains(':') {
                *key = absolute(PathBuf::from(&*key)).display().to_string();
            }
        }
        over(&mut config.requests, requests);
    }
    if let Some(mut notify) = file.notify {
        notify.webhook_secret = notify.webhook_secret.map(absolute);
        config.notify = notify;
    }
    config.suppliers.extend(file.supplier);
    config.filters.extend(file.filters);
    for written in file.source {
        let what = format!("{}: source '{}'", path.display(), written.name);
        if written.name.is_empty()
            || written.name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/' || c == ':')
        {
            return Err(Error::usage(what, "a source's name is a word without spaces, / and :"));
        }
        let client_certificate = match (written.client_certificate, written.client_key) {
            (Some(certificate), Some(key)) => Some((absolute(certificate), absolute(key))),
            (None, None) => None,
            _ => return Err(Error::usage(what, "client_certificate and client_key go together")),
        };
        // The user's source of a name replaces the site's.
        config.sources.retain(|known| known.name != written.name);
        config.sources.push(SourceConfig {
            name: written.name,
            adapter: written.adapter,
            url: written.url,
            user: written.user,
            ca: written.ca.map(absolute),
            client_certificate,
            unchecked: false,
            notary: written.notary,
            token_server: written.token_server,
            storage: written.storage,
            scanner: written.scanner,
            repositories: written.repositories,
            origin: path.display().to_string(),
        });
    }
    if let Some(mut policy) = file.policy {
        policy.signature.keys = policy.signature.keys.into_iter().map(absolute).collect();
        policy.signature.admission_keys = policy.signature.admission_keys.into_iter().map(absolute).collect();
        policy.signature.authorities = policy.signature.authorities.into_iter().map(absolute).collect();
        for named in &mut policy.signature.certificate {
            named.file = absolute(std::mem::take(&mut named.file));
        }
        policy.signature.trusted_root = policy.signature.trusted_root.map(absolute);
        policy.scan.exploited_lists = policy.scan.exploited_lists.into_iter().map(absolute).collect();
        policy.check(&format!("{}: policy", path.display()))?;
        // The first file is the site's, if there is one: the second can only make it stricter.
        let before = config.policy_written.then(|| config.policy.clone());
        config.policy = before.map_or(policy.clone(), |site| site.tightened_by(&policy));
        config.policy_written = true;
    }
    config.files.push(path.to_owned());
    Ok(())
}

/// What a later file says of requests is laid over the site's, key by key. What the site wants stricter stays so.
fn over(below: &mut Requests, above: Requests) {
    let text = |below: &mut String, above: String| {
        if !above.is_empty() {
            *below = above;
        }
    };
    text(&mut below.store, above.store);
    text(&mut below.admitted, above.admitted);
    text(&mut below.quarantine, above.quarantine);
    text(&mut below.cloud, above.cloud);
    text(&mut below.cloud_project, above.cloud_project);
    text(&mut below.visibility, above.visibility);
    text(&mut below.disk_key, above.disk_key);
    text(&mut below.certificate, above.certificate);
    text(&mut below.key, above.key);
    text(&mut below.approver_key, above.approver_key);
    below.projects.extend(above.projects);
    if below.approvers.is_empty() {
        below.approvers = above.approvers;
    }
    below.self_approval = below.self_approval.or(above.self_approval);
    below.signed_decisions |= above.signed_decisions;
    below.web.extend(above.web);
    for (below, above) in [
        (&mut below.watch_hours, above.watch_hours),
        (&mut below.parallel, above.parallel),
        (&mut below.per_person, above.per_person),
        (&mut below.request_seconds, above.request_seconds),
        (&mut below.watch_seconds, above.watch_seconds),
        (&mut below.largest_mib, above.largest_mib),
        (&mut below.slowest_kib, above.slowest_kib),
        (&mut below.grace_seconds, above.grace_seconds),
    ] {
        *below = above.or(*below);
    }
}

fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
}

fn environment(config: &mut Config) -> Result<()> {
    let flag = |name: &str| -> Result<Option<bool>> {
        match variable(name).map(|value| value.to_lowercase()).as_deref() {
            None => Ok(None),
            Some("1" | "true" | "yes" | "on") => Ok(Some(true)),
            Some("0" | "false" | "no" | "off") => Ok(Some(false)),
            Some(other) => Err(Error::usage(format!("{name}={other}"), "not yes or no")),
        }
    };
    set(&mut config.person, variable("WHARF_PERSON"));
    set(&mut config.mail, variable("WHARF_MAIL"));
    set(&mut config.theme, variable("WHARF_THEME"));
    set(&mut config.mouse, flag("WHARF_MOUSE")?);
    set(&mut config.discover, flag("WHARF_DISCOVER")?);
    set(&mut config.secret_file, flag("WHARF_SECRET_FILE")?);
    set(&mut config.cache_dir, variable("WHARF_CACHE_DIR").map(PathBuf::from));
    set(&mut config.state_dir, variable("WHARF_STATE_DIR").map(PathBuf::from));
    config.keymap = variable("WHARF_KEYMAP").map(PathBuf::from).or(config.keymap.take());
    set(
        &mut config.image_folders,
        variable("WHARF_IMAGE_FOLDERS").map(|folders| std::env::split_paths(&folders).collect()),
    );
    for url in variable("WHARF_REGISTRIES").unwrap_or_default().split_whitespace() {
        let host = url.split_once("://").map_or(url, |(_, rest)| rest).trim_end_matches('/');
        // The user's own entry for that registry knows more than the variable.
        if config.sources.iter().any(|known| known.url.trim_end_matches('/') == url.trim_end_matches('/')) {
            continue;
        }
        config.sources.push(SourceConfig {
            name: host.to_owned(),
            adapter: "oci".into(),
            url: url.to_owned(),
            origin: "WHARF_REGISTRIES".into(),
            ..SourceConfig::default()
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn configured(text: &str) -> Result<Config> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wharf.toml");
        std::fs::write(&path, text).unwrap();
        let mut config = Config::default();
        apply(&mut config, &path)?;
        Ok(config)
    }

    #[test]
    fn a_wrong_key_is_named_with_file_and_line() {
        let error = configured("theme = \"light\"\ncolour = 3\n").unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.what.ends_with("wharf.toml:2") && error.why.contains("colour"), "{error}");
        let error = configured("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurI = \"x\"\n").unwrap_err();
        assert!(error.what.ends_with(":4") && error.why.contains("urI"), "{error}");
    }

    #[test]
    fn sources_keep_their_order_and_a_later_file_replaces_by_name() {
        let config = configured("[[source]]\nname=\"a\"\ntype=\"oci\"\nurl=\"1\"\n[[source]]\nname=\"b\"\ntype=\"oci\"\n[[source]]\nname=\"a\"\ntype=\"oci\"\nurl=\"2\"\n").unwrap();
        assert_eq!(
            config.sources.iter().map(|source| (source.name.as_str(), source.url.as_str())).collect::<Vec<_>>(),
            [("b", ""), ("a", "2")]
        );
    }

    #[test]
    fn every_mistake_of_a_file_is_told_at_once() {
        let error = configured("theme = \"light\"\ncolour = 3\nmouse = \"maybe\"\n").unwrap_err();
        assert!(error.what.ends_with(":2") && error.why.contains("colour"), "{error}");
        assert!(error.why.contains("line 3"), "{error}");
    }

    #[test]
    fn only_a_file_that_does_not_exist_at_all_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), "").unwrap();
        std::os::unix::fs::symlink("/nowhere/at/all", at("link")).unwrap();
        assert!(!may_be_there(&at("none/site.toml")) && !may_be_there(&at("none")));
        for there in ["file", "link", "link/site.toml", "file/site.toml"] {
            assert!(may_be_there(&at(there)), "{there}");
        }
    }

    #[test]
    fn half_a_client_certificate_is_refused() {
        assert!(
            configured("[[source]]\nname=\"a\"\ntype=\"oci\"\nclient_key=\"k\"\n")
                .unwrap_err()
                .why
                .contains("go together")
        );
    }
}
