//! Web addresses from which the site lets its cloud fetch disk images.

use crate::{
    base::error::{Error, Kind, Result},
    config::Requests,
};

/// A web address from which the site lets its cloud fetch disk images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress(String);

impl WebAddress {
    /// Accepts `address` if `[requests] web` names its host, it holds no account, and plain http is listed as such.
    pub fn parse(rules: &Requests, what: &str, address: &str) -> Result<Self> {
        let denied = |why: String| {
            Error::new(Kind::Denied, what, why)
                .hint("the site's administrators name the host in site.toml: [requests] web = [\"host\"]")
        };
        let (scheme, rest) = address.split_once("://").unwrap_or_default();
        let scheme = scheme.to_ascii_lowercase();
        let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() || host.contains('@') || !matches!(scheme.as_str(), "http" | "https") {
            return Err(denied("an address without an account or password is needed".to_owned()));
        }
        // Characters that programs read in different ways are refused.
        if !address.chars().all(|c| c.is_ascii_graphic() && !"\\\"<>^`{|}".contains(c)) {
            return Err(denied("an address holds letters, figures and -._~:/?#[]@!$&'()*+,;=% only".to_owned()));
        }
        let named = |allowed: &String| {
            let (of, name) = allowed.split_once("://").unwrap_or(("https", allowed));
            let usual = if scheme == "https" { ":443" } else { ":80" };
            let bare = |host: &str| host.trim_end_matches('/').trim_end_matches(usual).to_ascii_lowercase();
            of == scheme && bare(name) == bare(&host)
        };
        if rules.web.iter().any(named) {
            return Ok(Self(address.to_owned()));
        }
        Err(denied(format!("the site does not let its cloud fetch images from {scheme}://{host}")))
    }

    /// The address as text.
    pub fn get(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cloud_fetches_only_from_hosts_that_are_named_and_on_plain_http_only_where_that_is_written() {
        let rules =
            Requests { web: vec!["Images.example.org".into(), "http://10.0.0.7:8080".into()], ..Requests::default() };
        let of = |address: &str| WebAddress::parse(&rules, "import", address).is_ok();
        for fine in [
            "https://images.example.org/a.qcow2",
            "https://images.example.org:443/a",
            "HTTPS://IMAGES.example.org/a?b#c",
            "http://10.0.0.7:8080/a",
        ] {
            assert!(of(fine), "{fine}");
        }
        for refused in [
            "http://images.example.org/a",
            "https://images.example.org:8443/a",
            "https://images.example.org@evil.example/a",
            "https://evil.example/images.example.org",
            "https://images.example.org.evil.example/",
            "https://evil.example\\@images.example.org/a",
            "https://images.example.org\\@evil.example/a b",
            "https://10.0.0.7:8080/a",
            "http://10.0.0.7/a",
            "file:///etc/passwd",
            "ftp://images.example.org/a",
            "https://",
            "",
        ] {
            assert!(!of(refused), "{refused}");
        }
        assert!(WebAddress::parse(&Requests::default(), "import", "https://images.example.org/a").is_err());
    }
}
