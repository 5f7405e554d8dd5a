//! Which other servers an answer may lead to: by a redirect, or as a registry's token server.

use std::{fmt, sync::Arc};

use super::origin::Origin;
use wharf_core::{
    base::error::{Error, Kind, Result},
    config::{Hosts, Requests},
};

/// Which other servers an answer may send us to. A person's program may be sent anywhere, with nothing of theirs; one that
/// works for others (a steward) only to servers that its configuration names.
#[derive(Clone, Default)]
pub struct AllowedServers(Option<Arc<Allowed>>);

type Allowed = dyn Fn(&Origin) -> bool + Send + Sync;

impl AllowedServers {
    /// Only servers for which `allowed` is true.
    pub fn only(allowed: impl Fn(&Origin) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(allowed)))
    }

    /// Only servers of the site's configuration: sources, their token servers, storage, notaries and scanners, names of
    /// the same registered domains, and the hosts that disk images may come from.
    pub fn for_site(requests: &Requests, named: &[Hosts]) -> Self {
        let servers: Vec<Origin> = named
            .iter()
            .flat_map(|hosts| &hosts.servers)
            .chain(&requests.web)
            .filter_map(|address| Origin::written(address))
            .collect();
        let storage: Vec<String> =
            named.iter().flat_map(|hosts| &hosts.storage).map(|host| host.to_ascii_lowercase()).collect();
        let places: Vec<String> = [&requests.admitted, &requests.quarantine]
            .into_iter()
            .filter_map(|place| place.split('/').next())
            .filter(|host| !host.is_empty())
            .map(str::to_ascii_lowercase)
            .collect();
        Self::only(move |to| {
            servers.iter().any(|one| may_follow(one, to))
                || to.is_secure() && storage.iter().any(|host| fits(host, to))
                || places.contains(&to.host_and_port())
        })
    }

    /// Whether all servers may be contacted, as in a person's own program.
    pub fn is_anywhere(&self) -> bool {
        self.0.is_none()
    }

    /// Fails if the server `to`, which `from` named, may not be contacted.
    pub fn check(&self, what: &str, from: &Origin, to: &Origin) -> Result<()> {
        if self.0.as_ref().is_none_or(|allowed| allowed(to)) {
            return Ok(());
        }
        Err(Error::new(Kind::NotAllowed, what, format!("{from} sends us on to {to}, which is no configured source"))
            .hint("if it is right, name its host in the source of the site's configuration: storage = [\"HOST\"]"))
    }
}

impl fmt::Debug for AllowedServers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "only what is configured" } else { "anywhere" })
    }
}

/// Whether a server that the site named may lead there: to its own host, or over TLS within its registered domain.
fn may_follow(named: &Origin, to: &Origin) -> bool {
    let as_safe = to.is_secure() || !named.is_secure();
    as_safe && named.host() == to.host() || to.is_secure() && named.is_family_of(to)
}

/// Whether a server is the named one: `host`, `host:port`, or `*.domain` for every host below a domain.
fn fits(named: &str, to: &Origin) -> bool {
    match named.strip_prefix("*.") {
        Some(domain) => to.host().strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        None => named == to.host_and_port(),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn at(address: &str) -> Origin {
        Origin::from_url(&Url::parse(address).unwrap()).unwrap()
    }

    #[test]
    fn whoever_works_for_others_is_sent_only_to_what_the_site_names() {
        let hosts = |servers: &[&str], storage: &[&str]| Hosts {
            servers: servers.iter().map(ToString::to_string).collect(),
            storage: storage.iter().map(ToString::to_string).collect(),
        };
        let registry = ["https://registry.example.org:5000", "https://login.other.example"];
        let mut named = vec![
            hosts(&registry, &["blobs.example.net", "*.store.example.net"]),
            hosts(&["http://plain.example.edu"], &[]),
        ];
        let requests = Requests {
            admitted: "127.0.0.1:5001/admitted".into(),
            web: vec!["disks.example.com".into()],
            ..Requests::default()
        };
        let reach = AllowedServers::for_site(&requests, &named);
        let from = at("https://registry.example.org:5000");
        for (to, allowed) in [
            ("https://registry.example.org:5000", true),
            ("https://auth.example.org", true),
            ("http://auth.example.org", false),
            ("https://login.other.example", true),
            ("https://blobs.example.net", true),
            ("https://blobs.example.net:8443", false),
            ("http://blobs.example.net", false),
            ("https://a.store.example.net", true),
            ("https://store.example.net", false),
            ("https://evilstore.example.net", false),
            ("http://127.0.0.1:5001", true),
            ("http://127.0.0.1:5002", false),
            ("http://registry.example.org:5000", false),
            ("http://plain.example.edu:81", true),
            ("http://169.254.169.254", false),
            ("https://169.254.169.254", false),
            ("https://disks.example.com", true),
            ("https://registry-1.docker.io", false),
        ] {
            assert_eq!(reach.check("test", &from, &at(to)).is_ok(), allowed, "{to}");
        }
        assert!(AllowedServers::default().check("test", &from, &at("https://anywhere.example")).is_ok());
        named.push(hosts(&[], &["*.docker.com"]));
        let reach = AllowedServers::for_site(&requests, &named);
        assert!(reach.check("test", &from, &at("https://production.cloudflare.docker.com")).is_ok());
    }
}
