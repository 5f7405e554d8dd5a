//! A profile at an address (`profile: https://cloud.example`), over which the entry's own values take precedence
//! (openstacksdk, `config/vendors/__init__.py`: `get_profile`). Plain functions; it is fetched elsewhere.

use super::{
    entry::{self, Raw},
    model::{Remote, Settings},
    vendors,
    yaml::{Node, Value},
};
use wharf_core::base::clean;

/// Values that the provider does not decide: the certificates that are trusted, and files of this person.
const OWN: [&str; 5] = ["cacert", "cert", "key", "verify", "insecure"];

impl Settings {
    /// The settings combined with the fetched profile, or why it cannot be used.
    pub(crate) fn combined_with(&self, remote: &Remote, answer: &str) -> Result<Self, String> {
        let odd = || "what it answers is no profile".to_owned();
        let page = serde_json::from_str(answer).map(node).map_err(|_| odd())?;
        let Some(profile) = page.get("profile").filter(|profile| matches!(profile.value, Value::Map(_))) else {
            return Err(odd());
        };
        let text = |key: &str| match profile.get(key).map(|node| &node.value) {
            Some(Value::Text(text)) => clean::short(text, 200),
            _ => String::new(),
        };
        match text("status").as_str() {
            "shutdown" => return Err(format!("it says that the cloud was shut down: {}", text("message"))),
            "deprecated" => tracing::warn!(message = text("message"), "a profile is deprecated"),
            _ => {}
        }
        if remote.url.scheme() == "https" {
            if let Some(url) = unencrypted(profile) {
                return Err(format!("it came encrypted and names {}, which is not", clean::short(url, 100)));
            }
        }
        let mut raw = Raw::default();
        raw.put(&without(profile, &OWN)).map_err(|(_, why)| format!("what it answers is odd: {why}"))?;
        // What is known here about a provider of that name takes precedence over what it says.
        if let Some(Value::Text(name)) = page.get("name").map(|name| &name.value) {
            if vendors::known(name).is_some() {
                raw.put_vendor(name);
            }
        }
        raw.put(&remote.entry).map_err(|(line, why)| format!("{why} (line {line})"))?;
        entry::in_region(raw, self.region(), remote.region.as_deref(), remote.said.as_ref())
    }
}

/// JSON as a YAML node.
fn node(json: serde_json::Value) -> Node {
    use serde_json::Value as Json;
    let value = match json {
        Json::Null => Value::Nothing,
        Json::Bool(flag) => Value::Text(flag.to_string()),
        Json::Number(number) => Value::Text(number.to_string()),
        Json::String(text) => Value::Text(text),
        Json::Array(list) => Value::List(list.into_iter().map(node).collect()),
        Json::Object(pairs) => Value::Map(pairs.into_iter().map(|(key, value)| (key, node(value))).collect()),
    };
    Node { line: 1, value }
}

fn without(profile: &Node, keys: &[&str]) -> Node {
    let Value::Map(pairs) = &profile.value else { return profile.clone() };
    let kept = pairs.iter().filter(|(key, _)| !keys.contains(&key.replace('-', "_").as_str())).cloned();
    Node { line: profile.line, value: Value::Map(kept.collect()) }
}

/// The first unencrypted address in a profile.
fn unencrypted(node: &Node) -> Option<&str> {
    match &node.value {
        Value::Nothing => None,
        Value::Text(text) => Some(text.as_str()).filter(|text| text.trim().to_ascii_lowercase().starts_with("http:")),
        Value::List(list) => list.iter().find_map(unencrypted),
        Value::Map(pairs) => pairs.iter().find_map(|(_, node)| unencrypted(node)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::settings::{model::page, read_one};

    const ENTRY: &str = "{profile: 'https://c.example/x?y#z', auth: {username: ada, password: p}}";

    fn combined_with(entry: &str, answer: &str) -> Result<Settings, String> {
        let settings = read_one(entry);
        let remote = settings.remote.clone().unwrap();
        settings.combined_with(&remote, answer)
    }

    #[test]
    fn a_profile_stands_at_one_page_of_its_server() {
        let at = |profile: &str| page(profile).map(|url| url.to_string());
        let wanted = Some("https://c.example:8443/.well-known/openstack/api".to_owned());
        assert_eq!(at("https://u:p@c.example:8443/a/b?c#d"), wanted);
        assert!(["vexxhost", "ftp://c.example", "https:", "/etc/passwd"].iter().all(|no| at(no).is_none()));
        assert_eq!(read_one(ENTRY).remote.unwrap().url.path(), "/.well-known/openstack/api");
        assert!(!format!("{:?}", read_one(ENTRY)).contains("ada"));
    }

    #[test]
    fn what_it_says_is_below_the_entry() {
        let answer = r#"{"name": "c", "profile": {"profile": "other", "auth": {"auth_url": "https://{region_name}.c/v3", "username": "x"},
            "verify": false, "cert": "/etc/passwd", "regions": ["A", "B"], "interface": "internal"}}"#;
        let known = combined_with(ENTRY, answer).unwrap();
        assert_eq!((known.auth("auth_url"), known.auth("username")), (Some("https://A.c/v3"), Some("ada")));
        assert_eq!((known.region(), known.interfaces.join(" ").as_str()), (Some("A"), "internal"));
        assert_eq!((known.flag("verify"), known.option("cert")), (None, None));
        let other = "{profile: 'https://c.example', region_name: B, auth: {username: ada}}";
        assert_eq!(combined_with(other, answer).unwrap().auth("auth_url"), Some("https://B.c/v3"));
        let named =
            combined_with(ENTRY, r#"{"name": "zetta", "profile": {"auth": {"auth_url": "https://old.example"}}}"#)
                .unwrap();
        assert_eq!(named.auth("auth_url"), Some("https://identity.api.zetta.io/v3"));
    }

    #[test]
    fn a_profile_that_cannot_be_used_says_why() {
        for (answer, why) in [
            ("<html>", "no profile"),
            ("[]", "no profile"),
            (r#"{"name": "c"}"#, "no profile"),
            (r#"{"profile": {"auth": 3}}"#, "odd"),
            (r#"{"profile": {"auth": {"auth_url": "http://c.example"}}}"#, "which is not"),
            (r#"{"profile": {"status": "shutdown", "message": "moved\u001b[2J away"}}"#, "was shut down: moved"),
        ] {
            let told = combined_with(ENTRY, answer).unwrap_err();
            assert!(told.contains(why) && !told.contains('\u{1b}'), "{answer}: {told}");
        }
    }
}
