//! The form with which a browser brings a token (Keystone, "Setup Web Single Sign-On": `sso_callback_template.html`),
//! and the answers to it. Pure functions.

use wharf_core::base::secret::Secret;

/// The path that clouds have in their settings (`trusted_dashboard`).
pub(super) const PATH: &str = "/auth/websso/";
/// The longest head of a request, and the longest form, in bytes: tokens have some hundred characters.
pub(super) const LONGEST_HEAD: usize = 32 << 10;
const LONGEST: usize = 64 << 10;

/// The form that this program waits for.
#[derive(Clone)]
pub(super) struct Form {
    /// The port of this machine that it arrives at.
    pub port: u16,
    /// The origin of the cloud's page that sends it.
    pub from: String,
}

/// Why a request was not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The HTTP status for the browser.
    pub status: &'static str,
    /// A sentence for the person, if they should know.
    pub told: Option<String>,
}

fn refused(status: &'static str) -> Refusal {
    Refusal { status, told: None }
}

impl Form {
    /// The address of this machine that the browser is led to.
    pub(super) fn address(&self) -> String {
        format!("http://localhost:{}{PATH}", self.port)
    }

    /// The length in bytes of the form after this head of a request; every other request is refused.
    pub(super) fn length(&self, head: &[u8]) -> Result<usize, Refusal> {
        let text = std::str::from_utf8(head).map_err(|_| refused("400 Bad Request"))?;
        let mut lines = text.split("\r\n");
        let first: Vec<&str> = lines.next().unwrap_or("").split(' ').collect();
        let [method, target, "HTTP/1.1" | "HTTP/1.0"] = first.as_slice() else {
            return Err(refused("400 Bad Request"));
        };
        let fields: Option<Vec<(&str, &str)>> =
            lines.map(|line| line.split_once(':').map(|(name, value)| (name, value.trim()))).collect();
        let fields = fields.ok_or_else(|| refused("400 Bad Request"))?;
        let field = |name: &str| {
            let mut all = fields.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| *value);
            match (all.next(), all.next()) {
                (_, Some(_)) => Err(refused("400 Bad Request")),
                (one, None) => Ok(one),
            }
        };
        // A page that uses another name for this machine is not the cloud's.
        let is_here = field("host")?.is_some_and(|host| {
            [format!("localhost:{}", self.port), format!("127.0.0.1:{}", self.port)]
                .contains(&host.to_ascii_lowercase())
        });
        if !is_here || target.split('?').next() != Some(PATH) {
            return Err(refused("404 Not Found"));
        }
        if *method != "POST" {
            return Err(refused("405 Method Not Allowed"));
        }
        // Only a navigation to a page is accepted, as the cloud's page makes it; hidden requests of other pages are
        // refused.
        let is_led = |name: &str, value: &str| field(name).map(|said| said.is_none_or(|said| said == value));
        if !is_led("sec-fetch-mode", "navigate")? || !is_led("sec-fetch-dest", "document")? {
            return Err(Refusal {
                status: "403 Forbidden",
                told: Some("a page in the browser has sent something from behind".to_owned()),
            });
        }
        // From an encrypted page to this one, browsers send "null" (Fetch, "append a request Origin header").
        if let Some(origin) = field("origin")?.filter(|origin| *origin != "null" && *origin != self.from) {
            return Err(Refusal {
                status: "403 Forbidden",
                told: Some(format!("a page of {origin} has sent something, and the cloud is at {}", self.from)),
            });
        }
        let kind = field("content-type")?.unwrap_or("").split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(refused("415 Unsupported Media Type"));
        }
        let length = field("content-length")?.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        match (length.and_then(|text| text.parse::<usize>().ok()), field("transfer-encoding")?) {
            (Some(length), None) if length <= LONGEST => Ok(length),
            (Some(_), None) => Err(refused("413 Content Too Large")),
            _ => Err(refused("411 Length Required")),
        }
    }
}

/// The token in a form: exactly one, of characters that a header may have.
pub(super) fn token(body: &[u8]) -> Result<Secret, Refusal> {
    let mut all = url::form_urlencoded::parse(body).filter(|(key, _)| key == "token").map(|(_, value)| value);
    match (all.next(), all.next()) {
        (Some(token), None) if !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()) => {
            Ok(Secret::new(token))
        }
        _ => Err(refused("400 Bad Request")),
    }
}

/// The page that the browser shows: success, or the status of a refusal.
pub(super) fn page(refused: Option<&str>) -> String {
    let words = match refused {
        None => "The sign-in has reached Wharf. Go back to it: it asks whether the account is yours.",
        Some(_) => "This is where Wharf waits for a sign-in, and what came is none.",
    };
    let body = format!("<!DOCTYPE html><title>Wharf</title><p>{words}</p>\n");
    let allow = if refused.is_some_and(|status| status.starts_with("405")) { "Allow: POST\r\n" } else { "" };
    format!(
        "HTTP/1.1 {}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\n\
         Referrer-Policy: no-referrer\r\n{allow}Connection: close\r\n\r\n{body}",
        refused.unwrap_or("200 OK"),
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "POST /auth/websso/ HTTP/1.1\r\nHost: localhost:9990\r\nOrigin: http://c.example:5000\r\n\
                        Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 7\r\nSec-Fetch-Mode: navigate";

    fn argument(head: &str) -> Result<usize, &'static str> {
        let form = Form { port: 9990, from: "http://c.example:5000".into() };
        form.length(head.as_bytes()).map_err(|refusal| refusal.status)
    }

    #[test]
    fn the_form_of_the_clouds_page_is_taken_and_nothing_else() {
        assert_eq!(argument(GOOD), Ok(7));
        for (from, to, status) in [
            ("POST", "GET", "405"),
            ("POST", "OPTIONS", "405"),
            ("/auth/websso/", "/auth/websso", "404"),
            ("localhost:9990", "evil.example:9990", "404"),
            ("localhost:9990", "localhost:9991", "404"),
            ("http://c.example:5000", "http://evil.example", "403"),
            ("navigate", "no-cors", "403"),
            ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", "403"),
            ("application/x-www-form-urlencoded", "text/plain", "415"),
            ("Length: 7", "Length: 65537", "413"),
            ("Length: 7", "Length: -7", "411"),
            ("Length: 7", "Length: 7\r\nTransfer-Encoding: chunked", "411"),
            ("Length: 7", "Length: 7\r\nContent-Length: 8", "400"),
            ("HTTP/1.1", "HTTP/9", "400"),
            ("Host: localhost:9990", "Host", "400"),
        ] {
            let refused = argument(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(refused.starts_with(status), "{to}: {refused}");
        }
        assert_eq!(argument(&GOOD.replace("http://c.example:5000", "null")), Ok(7));
        assert_eq!(argument(&GOOD.replace("Origin: http://c.example:5000\r\n", "")), Ok(7));
    }

    #[test]
    fn one_token_is_in_it_that_a_header_can_hold() {
        assert_eq!(token(b"token=gAAA-_%3D&x=1").unwrap().reveal(), "gAAA-_=");
        for wrong in ["", "token=", "token=a&token=b", "token=a%0d%0ab", "token=a+b", "other=1"] {
            assert!(token(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
