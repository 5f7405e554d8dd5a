//! The server that a secret is for: scheme, host and port (RFC 6454, section 4).

use std::{fmt, net::IpAddr};

use url::{Host, ParseError, Url};

/// An address as people write it: a URL, or `host[:port]`, which means https.
///
/// # Errors
/// Those of [`Url::parse`], whose words do not repeat the address: it may hold a password.
pub fn address(text: &str) -> Result<Url, ParseError> {
    if text.contains("://") { Url::parse(text) } else { Url::parse(&format!("https://{text}")) }
}

/// Scheme, host and port of a server. Addresses belong to the same server only if all three are equal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    secure: bool,
    host: String,
    port: u16,
}

impl Origin {
    /// The origin of an address; `None` if it is not `http` or `https`, or has no host.
    pub fn from_url(url: &Url) -> Option<Self> {
        let secure = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()? {
            // `host.` is the same machine but another name for certificates, so it is another origin.
            Host::Domain(name) => name.to_ascii_lowercase(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => format!("[{address}]"),
        };
        Some(Self { secure, host, port: url.port_or_known_default()? })
    }

    /// The origin of an address as people write it; `None` as for [`Origin::from_url`], or if it cannot be read.
    pub fn written(text: &str) -> Option<Self> {
        Self::from_url(&address(text).ok()?)
    }

    /// The host without the port; an IPv6 address in brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// `host`, or `host:port` if the port is not the usual one; so references name a registry.
    pub fn host_and_port(&self) -> String {
        if self.has_usual_port() { self.host.clone() } else { format!("{}:{}", self.host, self.port) }
    }

    /// Whether what is sent there is encrypted.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Whether what is sent there stays on this machine.
    pub fn is_this_machine(&self) -> bool {
        let address = self.host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        self.host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    }

    /// Whether both servers are probably run by the same people: the hosts are equal, one is below the other, or both
    /// are directly below a registered domain (`registry-1.docker.io` and `auth.docker.io`).
    ///
    /// There is no list of public suffixes here: a domain that might be one (`co.uk`, `github.io`) counts as one, and
    /// then the person is asked.
    pub fn is_family_of(&self, other: &Self) -> bool {
        let below = |one: &str, above: &str| {
            !is_address(one) && above.contains('.') && !may_be_suffix(above) && one.ends_with(&format!(".{above}"))
        };
        let (one, two) = (self.host.as_str(), other.host.as_str());
        let parent = |host: &'_ str| host.split_once('.').map(|(_, parent)| parent.to_owned());
        one == two
            || below(one, two)
            || below(two, one)
            || parent(one).is_some_and(|above| parent(two).as_ref() == Some(&above) && below(one, &above))
    }

    fn has_usual_port(&self) -> bool {
        self.port == if self.secure { 443 } else { 80 }
    }
}

fn is_address(host: &str) -> bool {
    host.starts_with('[') || host.parse::<IpAddr>().is_ok()
}

/// Second-level domains of countries (`co.uk`), and hosting domains below which anybody may have a name.
fn may_be_suffix(name: &str) -> bool {
    const SHARED: &[&str] = &[
        "amazonaws.com",
        "azurecr.io",
        "azurewebsites.net",
        "cloudfront.net",
        "fly.dev",
        "github.io",
        "gitlab.io",
        "herokuapp.com",
        "netlify.app",
        "pages.dev",
        "run.app",
        "vercel.app",
        "web.app",
        "windows.net",
        "workers.dev",
    ];
    let Some((second, top)) = name.split_once('.') else { return true };
    if SHARED.iter().any(|shared| name == *shared || name.ends_with(&format!(".{shared}"))) {
        return true;
    }
    // A name of three or more parts is below one of two.
    !top.contains('.') && top.len() == 2 && second.len() <= 3
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.secure { "https" } else { "http" }, self.host_and_port())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(text: &str) -> Origin {
        Origin::from_url(&Url::parse(text).unwrap()).unwrap()
    }

    #[test]
    fn scheme_host_and_port_make_an_origin_and_nothing_else_does() {
        assert_eq!(origin("https://R.example/v2/"), origin("https://user:secret@r.example:443/other?x#y"));
        for other in ["http://r.example", "https://r.example:8443", "https://r.example.", "https://s.example"] {
            assert_ne!(origin("https://r.example"), origin(other), "{other}");
        }
        assert_ne!(origin("http://127.0.0.1"), origin("http://localhost"));
        assert!(Origin::from_url(&Url::parse("file:///etc/passwd").unwrap()).is_none());
        assert!(Origin::from_url(&Url::parse("ftp://r.example/").unwrap()).is_none());
    }

    #[test]
    fn an_origin_is_written_without_what_an_address_holds_beside_it() {
        assert_eq!(origin("https://user:secret@r.example:8443/a?token=secret").to_string(), "https://r.example:8443");
        assert_eq!(origin("https://r.example/").host_and_port(), "r.example");
        assert_eq!(origin("http://[::1]:5000/").host_and_port(), "[::1]:5000");
    }

    #[test]
    fn names_below_one_registered_name_are_a_family() {
        for (one, two) in [
            ("https://registry-1.docker.io", "https://auth.docker.io"),
            ("https://registry.gitlab.com", "https://gitlab.com"),
            ("https://r.example.org", "https://r.example.org:8443"),
            ("https://images.hpc.example.co.uk", "https://login.hpc.example.co.uk"),
            ("http://127.0.0.1:5000", "http://127.0.0.1:5001"),
        ] {
            assert!(origin(one).is_family_of(&origin(two)) && origin(two).is_family_of(&origin(one)), "{one} {two}");
        }
        for (one, two) in [
            ("https://r.example.org", "https://r.example.com"),
            ("https://good.co.uk", "https://evil.co.uk"),
            ("https://good.github.io", "https://evil.github.io"),
            ("https://good.org", "https://evil.org"),
            ("https://r.example.org", "https://evilexample.org"),
            ("https://one.fra.amazonaws.com", "https://two.fra.amazonaws.com"),
            ("http://127.0.0.1", "http://10.0.0.1"),
            ("http://10.0.0.1", "http://0.0.1"),
            ("http://registry", "http://auth"),
        ] {
            assert!(!origin(one).is_family_of(&origin(two)), "{one} {two}");
        }
    }

    #[test]
    fn this_machine_is_told_by_its_name_or_a_loopback_address() {
        for here in ["http://localhost:1", "http://127.8.0.1", "http://[::1]"] {
            assert!(origin(here).is_this_machine(), "{here}");
        }
        assert!(!origin("http://localhost.evil.example").is_this_machine());
    }
}
