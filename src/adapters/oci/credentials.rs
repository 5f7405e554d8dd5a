//! Credentials as Docker and Podman keep them, and those in Wharf's own vault.
//!
//! The order: the vault (`wharf login`), `REGISTRY_AUTH_FILE`, Podman's files, Docker's file with its helpers
//! (docker-credential-helpers protocol). Wharf reads them itself, because helpers need a deadline.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;

use crate::shared::exec;
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        secret::{Credentials, Secret},
        small_file,
    },
    image::reference::DOCKER_HUB,
    ports::Vault,
};

/// The content of a credentials file. `null` counts as absent, and an unreadable entry does not affect the others.
#[derive(Debug, Default)]
struct AuthFile {
    auths: BTreeMap<String, AuthEntry>,
    cred_helpers: BTreeMap<String, String>,
    creds_store: String,
}

#[derive(Debug, Default)]
struct AuthEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl AuthFile {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        // Some editors put a byte order mark before the text.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        if bytes.trim_ascii().is_empty() {
            return Ok(Self::default());
        }
        let whole: Value = serde_json::from_slice(bytes)
            .map_err(|error| format!("it is not JSON from line {}, column {} on", error.line(), error.column()))?;
        let Value::Object(whole) = whole else { return Err("it is not a JSON object".to_owned()) };
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        let map = |name: &str| whole.get(name).and_then(Value::as_object).into_iter().flatten();
        let entry = |(key, value): (&String, &Value)| {
            let field = |name: &str| text(value.get(name));
            let entry = AuthEntry {
                auth: field("auth"),
                username: field("username"),
                password: field("password"),
                identitytoken: field("identitytoken"),
            };
            value.is_object().then(|| (key.clone(), entry))
        };
        let helper = |(key, value): (&String, &Value)| {
            Some((key.clone(), text(Some(value)))).filter(|(_, name)| !name.is_empty())
        };
        Ok(Self {
            auths: map("auths").filter_map(entry).collect(),
            cred_helpers: map("credHelpers").filter_map(helper).collect(),
            creds_store: text(whole.get("credsStore")),
        })
    }
}

/// How long a credential helper may take.
const HELPER: Duration = Duration::from_secs(10);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperAnswer {
    username: String,
    secret: String,
}

/// The files that may hold credentials, in the order in which they are read.
pub fn files() -> Vec<PathBuf> {
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut files = Vec::new();
    files.extend(variable("REGISTRY_AUTH_FILE"));
    // Without a session folder, as for root, Podman uses one of its own (containers-auth.json(5)).
    let user = rustix::process::getuid().as_raw();
    let session = variable("XDG_RUNTIME_DIR").map(|folder| folder.join("containers"));
    files.push(session.unwrap_or_else(|| PathBuf::from(format!("/run/containers/{user}"))).join("auth.json"));
    files.push(variable("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config")).join("containers/auth.json"));
    files.push(variable("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")).join("config.json"));
    files
}

/// The hosts that these files name, for finding registries.
pub fn known_hosts() -> Vec<(String, PathBuf)> {
    let mut hosts: Vec<(String, PathBuf)> = Vec::new();
    for path in files() {
        let Some(file) = read(&path) else { continue };
        for key in file.auths.into_keys().chain(file.cred_helpers.into_keys()) {
            let host = normalize_host(&key).to_owned();
            if !hosts.iter().any(|(known, _)| *known == host) {
                hosts.push((host, path.clone()));
            }
        }
    }
    hosts
}

fn read(path: &PathBuf) -> Option<AuthFile> {
    AuthFile::read(&small_file::bytes(path).ok()?).ok()
}

/// The files that exist but cannot be read, with the reasons.
pub fn broken() -> Vec<(PathBuf, String)> {
    let why = |path: PathBuf| match small_file::bytes(&path) {
        Ok(bytes) => AuthFile::read(&bytes).err().map(|why| (path, why)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => Some((path, error.to_string())),
    };
    files().into_iter().filter_map(why).collect()
}

/// Why credentials may be missing although a person has signed in: an unreadable file, a helper without an answer.
pub fn why_unreadable(host: &str) -> Option<String> {
    let files = broken().into_iter().map(|(path, why)| format!("{} cannot be read: {why}", path.display()));
    let helpers =
        lock(&HELPED).values().filter(|one| one.host == host).filter_map(|one| one.failed.clone()).collect::<Vec<_>>();
    let all: Vec<String> = files.chain(helpers).collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// The answers of helpers in this run: each is asked once for each registry.
static HELPED: Mutex<BTreeMap<(String, String), HelperCredentials>> = Mutex::new(BTreeMap::new());
/// Helpers may ask the person or a server far away, so only one is asked at a time.
static ASKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

struct HelperCredentials {
    host: String,
    found: Option<Credentials>,
    failed: Option<String>,
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The host that a key in such a file means. Docker writes Docker Hub as a URL.
pub fn normalize_host(key: &str) -> &str {
    let bare = key.trim_start_matches("https://").trim_start_matches("http://");
    let host = bare.split('/').next().unwrap_or(bare);
    if host == "index.docker.io" || host == "registry-1.docker.io" { DOCKER_HUB } else { host }
}

/// The credentials for a repository on a host, if any are found.
pub async fn find(vault: &Arc<dyn Vault>, host: &str, repository: &str) -> Option<Credentials> {
    // Secret stores may block, so they are read outside of the runtime's threads.
    let (store, place) = (vault.clone(), host.to_owned());
    let kept = blocking(move || store.get(&place).ok().flatten()).await.ok().flatten();
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
    let helper =
        file.cred_helpers.iter().find(|(key, _)| normalize_host(key) == host).map(|(_, helper)| helper.as_str());
    if let Some(helper) = helper.or(Some(file.creds_store.as_str())).filter(|helper| !helper.is_empty()) {
        let keys: &[&str] = if host == DOCKER_HUB { &["https://index.docker.io/v1/", host] } else { &[host] };
        for key in keys {
            if let Some(found) = ask_helper_once(helper, key, host).await {
                return Some(found);
            }
        }
    }
    // Podman's keys may have a path: the longest one that fits is used.
    let whole = format!("{host}/{repository}");
    let fits = |key: &str| {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        normalize_host(key) == host
            && (!bare.contains('/')
                || bare.ends_with("/v1")
                || bare.ends_with("/v2")
                || whole == bare
                || whole.starts_with(&format!("{bare}/")))
    };
    // Keys are compared without their scheme, by the length of their path.
    let path = |key: &str| {
        let bare = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        let whole_host = bare.ends_with("/v1") || bare.ends_with("/v2") || !bare.contains('/');
        if whole_host { 0 } else { bare.len() }
    };
    let (_, entry) = file.auths.iter().filter(|(key, _)| fits(key)).max_by_key(|(key, _)| path(key))?;
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

async fn ask_helper_once(helper: &str, key: &str, host: &str) -> Option<Credentials> {
    let asked = (helper.to_owned(), key.to_owned());
    let known = || lock(&HELPED).get(&asked).map(|one| one.found.clone());
    if let Some(found) = known() {
        return found;
    }
    let _turn = ASKING.lock().await;
    if let Some(found) = known() {
        return found;
    }
    let (found, failed) = match ask_helper(helper, key).await {
        Ok(found) => (found, None),
        Err(why) => {
            tracing::warn!(helper, why, "a credential helper gave no answer");
            (None, Some(format!("docker-credential-{helper}: {why}")))
        }
    };
    lock(&HELPED).insert(asked, HelperCredentials { host: host.to_owned(), found: found.clone(), failed });
    found
}

/// Asks a helper for a registry's credentials; the error says in words why it did not answer.
async fn ask_helper(helper: &str, key: &str) -> Result<Option<Credentials>, String> {
    // The helper's name comes from a file: it must be a name, not a path.
    if !helper.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
        return Err("its name is not one of a program".to_owned());
    }
    let program = format!("docker-credential-{helper}");
    let asked = exec::run(&[&program, "get"], key.as_bytes(), 64 << 10, HELPER).await;
    let output = asked.map_err(|error| clean::short(&error.why, 200))?;
    if output.code != 0 {
        // "credentials not found in native keychain" and similar mean that there are none, which is an answer.
        let said = String::from_utf8_lossy(&output.stdout);
        let none = said.contains("not found");
        return if none { Ok(None) } else { Err(format!("it failed with {}", output.code)) };
    }
    let answer: HelperAnswer =
        serde_json::from_slice(&output.stdout).map_err(|_| "its answer cannot be read".to_owned())?;
    let identity_token = answer.username == "<token>";
    let secret = Secret::new(answer.secret);
    Ok(Some(Credentials { username: answer.username, secret, identity_token, origin: program }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> AuthFile {
        AuthFile::read(text.as_bytes()).unwrap()
    }

    #[tokio::test]
    async fn the_longest_path_that_fits_wins() {
        // Base64 of "ada:one" and "bob:two".
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

    #[test]
    fn what_is_null_or_odd_is_absent_and_hides_nothing_else() {
        let good = r#""r.example":{"auth":"YWRhOm9uZQ=="}"#;
        for text in [
            format!(r#"{{"auths":{{{good}}},"credsStore":null,"credHelpers":null}}"#),
            format!(r#"{{"auths":{{{good},"other.example":null,"third.example":7}}}}"#),
            format!(r#"{{"auths":{{{good}}},"credHelpers":{{"x":null}},"credsStore":3}}"#),
            format!("\u{feff}{{\"auths\":{{{good}}}}}"),
            r#"{"auths":{"r.example":{"auth":"YWRhOm9uZQ==","identitytoken":null,"email":1}}}"#.to_owned(),
        ] {
            let file = AuthFile::read(text.as_bytes()).unwrap();
            assert_eq!(file.auths["r.example"].auth, "YWRhOm9uZQ==", "{text}");
            assert!(file.creds_store.is_empty() && file.cred_helpers.is_empty(), "{text}");
        }
        assert!(AuthFile::read(b"").unwrap().auths.is_empty());
        for broken in ["{broken", "[]", "null", "7"] {
            assert!(AuthFile::read(broken.as_bytes()).is_err(), "{broken}");
        }
    }

    #[tokio::test]
    async fn a_scheme_or_a_version_in_a_key_makes_it_no_longer() {
        // Base64 of "ada:one" and "bob:two".
        let file = file(
            r#"{"auths":{"https://r.example/v1/":{"auth":"YWRhOm9uZQ=="},"r.example/a":{"auth":"Ym9iOnR3bw=="}}}"#,
        );
        let find = async |repository: &str| {
            from_file(&file, std::path::Path::new("f"), "r.example", repository).await.unwrap().username
        };
        assert_eq!(find("a/b").await, "bob");
        assert_eq!(find("c").await, "ada");
    }
}
