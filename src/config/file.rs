//! One configuration file: its format, and how it is laid over what is known already.

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

pub(super) fn apply(config: &mut Config, path: &Path) -> Result<()> {
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

/// Puts a value in the place of another, where there is one.
pub(super) fn set<T>(target: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *target = value;
    }
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
    fn half_a_client_certificate_is_refused() {
        assert!(
            configured("[[source]]\nname=\"a\"\ntype=\"oci\"\nclient_key=\"k\"\n")
                .unwrap_err()
                .why
                .contains("go together")
        );
    }
}
