//! Credentials as Docker and Podman keep them, plus Wharf's own vault.
//!
//! Order: the vault (`wharf login`), `REGISTRY_AUTH_FILE`, Podman's files, Docker's file with its helpers
//! (docker-credential-helpers protocol). Read by hand because a helper must have a deadline.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

use crate::{
    adapters::exec,
    core::{
        ports::Vault,
        reference::DOCKER_HUB,
        secret::{Credentials, Secret},
    },
};

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct AuthFile {
    auths: BTreeMap<String, AuthEntry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct AuthEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// Files that may hold credentials, in the order in which they are asked.
pub fn files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut files = Vec::new();
    files.extend(variable("REGISTRY_AUTH_FILE"));
    files.extend(variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
    files.push(variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("containers/auth.json"));
    files.push(variable("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")).join("config.json"));
    files
}

/// Hosts that those files name, for discovery.
pub fn known_hosts() -> Vec<(String, PathBuf)> {
    let mut hosts: Vec<(String, PathBuf)> = Vec::new();
    for path in files() {
        let Some(file) = read(&path) else { continue };
        for key in file.auths.into_keys().chain(file.cred_helpers.into_keys()) {
            let host = host_of(&key).to_owned();
            if !hosts.iter().any(|(known, _)| *known == host) {
                hosts.push((host, path.clone()));
            }
        }
    }
    hosts
}

fn read(path: &PathBuf) -> Option<AuthFile> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// The host a key of such a file stands for; Docker writes its own hub as a URL.
pub fn host_of(key: &str) -> &str {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    if host == "index.docker.io" || host == "registry-1.docker.io" { DOCKER_HUB } else { host }
}

/// The credentials for `repository` on `host`, if anybody has some.
pub async fn find(vault: &Arc<dyn Vault>, host: &str, repository: &str) -> Option<Credentials> {
    // Secret stores may block on a bus: keep them off the runtime's threads.
    let (store, place) = (vault.clone(), host.to_owned());
    let kept = tokio::task::spawn_blocking(move || store.get(&place).ok().flatten()).await.ok().flatten();
    if let Some((username, secret)) = kept {
        return Some(Credentials { username, secret, identity_token: false, origin: "wharf login".into() });
    }
    for path in files() {
        let Some(file) = read(&path) else { continue };
        if let Some(found) = from_file(&file, &path, host, repository).await {
            return Some(found);
        }
    }
    None
}

async fn from_file(file: &AuthFile, path: &std::path::Path, host: &str, repository: &str) -> Option<Credentials> {
    let origin = path.display().to_string();
    let helper = file.cred_helpers.iter().find(|(key, _)| host_of(key) == host).map(|(_, helper)| helper.as_str());
    if let Some(helper) = helper.or(Some(file.creds_store.as_str())).filter(|helper| !helper.is_empty()) {
        let keys: &[&str] = if host == DOCKER_HUB { &["https://index.docker.io/v1/", host] } else { &[host] };
        for key in keys {
            if let Some(found) = ask_helper(helper, key).await {
                return Some(found);
            }
        }
    }
    // Podman narrows keys by path: the longest that fits wins.
    let whole = format!("{host}/{repository}");
    let fits = |key: &str| {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        host_of(key) == host
            && (!bare.contains('/')
                || bare.ends_with("/v1")
                || bare.ends_with("/v2")
                || whole == bare
                || whole.starts_with(&format!("{bare}/")))
    };
    let (_, entry) = file.auths.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| key.len())?;
    let (username, password) = if entry.auth.is_empty() {
        (entry.username.clone(), entry.password.clone())
    } else {
        let decoded = String::from_utf8(STANDARD.decode(entry.auth.trim()).ok()?).ok()?;
        let (username, password) = decoded.split_once(':')?;
        (username.to_owned(), password.trim_end_matches('\0').to_owned())
    };
    if !entry.identitytoken.is_empty() {
        return Some(Credentials { username, secret: Secret::new(&entry.identitytoken), identity_token: true, origin });
    }
    (!username.is_empty()).then(|| Credentials {
        username,
        secret: Secret::new(password),
        identity_token: false,
        origin,
    })
}

async fn ask_helper(helper: &str, key: &str) -> Option<Credentials> {
    // A helper's name comes from a file: it is a name, not a path.
    if !helper.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return None;
    }
    let program = format!("docker-credential-{helper}");
    let output = exec::run(&[&program, "get"], key.as_bytes(), 64 << 10, Duration::from_secs(10)).await.ok()?;
    if output.code != 0 {
        return None;
    }
    let answer: HelperAnswer = serde_json::from_slice(&output.stdout).ok()?;
    let identity_token = answer.username == "<token>";
    Some(Credentials { username: answer.username, secret: Secret::new(answer.secret), identity_token, origin: program })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        serde_json::from_str(text).unwrap()
    }

    #[tokio::test]
    async fn the_longest_path_that_fits_wins() {
        // "ada:one", "bob:two"
        let file =
            file(r#"{"auths":{"r.example":{"auth":"YWRhOm9uZQ=="},"r.example/physics":{"auth":"Ym9iOnR3bw=="}}}"#);
        let find = async |repository: &str| {
            from_file(&file, std::path::Path::new("f"), "r.example", repository).await.unwrap().username
        };
        assert_eq!(find("physics/gromacs").await, "bob");
        assert_eq!(find("biology/samtools").await, "ada");
        assert!(from_file(&file, std::path::Path::new("f"), "other.example", "x").await.is_none());
    }

    #[tokio::test]
    async fn dockers_own_spelling_of_its_hub_is_known() {
        let file = file(r#"{"auths":{"https://index.docker.io/v1/":{"auth":"YWRhOm9uZQ=="}}}"#);
        assert!(from_file(&file, std::path::Path::new("f"), DOCKER_HUB, "library/alpine").await.is_some());
    }
}
