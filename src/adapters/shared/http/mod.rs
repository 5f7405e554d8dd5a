//! HTTP for all adapters: a server and what may be sent to it ([`Server`]), limits for answers and lists, and errors in
//! words. No other module makes a client (`tests/house.rs`), so secrets are attached and redirects followed only here.

mod https;
mod origin;
mod pages;
mod reach;
mod server;
mod tls;

use std::{path::Path, time::Duration};

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt;
use reqwest::{Client, Response, StatusCode, redirect};

pub use self::{
    https::https_client,
    origin::{Origin, address},
    pages::{Allowance, Part, next_link, next_page},
    reach::Reach,
    server::{Next, Place, Request, Server, Visitor, sent_elsewhere},
    tls::Tls,
};
use wharf_core::{
    base::{
        clean,
        error::{During, Error, Kind, Result},
    },
    ports::ByteStream,
};

/// A client for a socket on this machine; it follows no redirects.
pub fn local_client(socket: &Path, what: &str) -> Result<Client> {
    Client::builder()
        .unix_socket(socket)
        .connect_timeout(Duration::from_secs(5))
        .redirect(redirect::Policy::none())
        .no_proxy()
        .build()
        .during(what)
}

/// The text of an error and those of its causes, the innermost last.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    std::iter::successors(Some(error), |error| error.source())
        .map(|error| match (error.to_string(), error.downcast_ref::<reqwest::Error>()) {
            // An address may hold secrets, like a signature, so it is left out.
            (text, Some(_)) => text.split_once(" for url (").map_or(text.clone(), |(text, _)| text.to_owned()),
            (text, None) => text,
        })
        .collect()
}

const CLIENT_CERTIFICATE: &str = "try again; if your site gave you a certificate, name it as 'client_certificate' and \
     'client_key' for this source, or put it into certs.d";

/// The error for a request without an answer, with reason and remedy in words.
pub fn no_answer(what: &str, error: &reqwest::Error) -> Error {
    let (why, hint) = why_none(&causes(error), error.is_timeout());
    let proxy = proxy_variable(std::env::vars().map(|(name, _)| name)).filter(|_| error.is_connect());
    Error::new(Kind::Unavailable, what, why).hint(match proxy {
        // The address may be that of a proxy, with a password: only its variable is named.
        Some(variable) => format!("{hint}; or the proxy that {variable} names (NO_PROXY goes around it)"),
        None => hint.to_owned(),
    })
}

/// Why a request had no answer, from the texts of its error and causes; and what to do.
pub fn why_none(causes: &[String], timed_out: bool) -> (String, &'static str) {
    let all = causes.join(": ").to_lowercase();
    let last = causes.last().map_or_else(String::new, |text| clean::short(text, 200));
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    if says(&["fatal alert"]) && says(&["certificate", "unknownca", "accessdenied"]) {
        (format!("it wants a client certificate that it trusts ({last})"), CLIENT_CERTIFICATE)
    } else if says(&[
        "unknownissuer",
        "unknown issuer",
        "self-signed",
        "selfsigned",
        "self signed",
        "notvalidforname",
        "certificate",
    ]) {
        (
            format!("its TLS certificate is not trusted ({last})"),
            "if it is your site's own authority, name its PEM file as 'ca' for this source, or put it into certs.d",
        )
    } else if says(&["invalidcontenttype", "corrupt message", "wrong version number"]) {
        ("it does not speak TLS".to_owned(), "if you mean plain http, configure the source with url = \"http://…\"")
    } else if says(&["dns", "lookup", "name or service not known", "name resolution"]) {
        ("its name is not known".to_owned(), "check the spelling, the network or the proxy")
    } else if says(&["connection refused"]) {
        ("nothing listens at that address".to_owned(), "check the port, and whether the service runs")
    } else if timed_out || says(&["timed out", "deadline"]) {
        ("it did not answer in time".to_owned(), "check the address and the network, then try again")
    } else if says(&["connection reset", "closed before", "incomplete", "unexpected eof", "broken pipe"]) {
        ("the connection broke".to_owned(), "try again")
    } else if says(&["connection closed", "channel closed", "connection was not ready"]) {
        // This also happens if the server closes the connection while it asks for a client certificate.
        ("it closed the connection".to_owned(), CLIENT_CERTIFICATE)
    } else {
        (last, "check the address and the network, then try again")
    }
}

/// The environment variable that names a proxy, if one does.
fn proxy_variable(mut names: impl Iterator<Item = String>) -> Option<String> {
    names.find(|name| matches!(name.to_ascii_uppercase().as_str(), "HTTP_PROXY" | "HTTPS_PROXY" | "ALL_PROXY"))
}

/// The error for a status, with the server's message, cleaned and cut.
pub fn refused(what: &str, status: StatusCode, said: &str) -> Error {
    let said = clean::short(said.trim(), 200);
    let because = |words: &str| if said.is_empty() { words.to_owned() } else { format!("{words} ({said})") };
    match status.as_u16() {
        401 => Error::new(Kind::NotAllowed, what, because("it wants you to sign in"))
            .hint("run 'wharf login' for this source"),
        403 => Error::new(Kind::NotAllowed, what, because("you are not allowed to"))
            .hint("ask the project's owner for the right, or sign in with another account"),
        404 => Error::new(Kind::NotFound, what, because("it is not there, or hidden from you"))
            .hint("check the name and the tag, or sign in"),
        429 => Error::new(Kind::Unavailable, what, because("too many requests for now"))
            .hint("wait a while; signing in usually raises the limit"),
        500..=599 => Error::new(Kind::Unavailable, what, because(&format!("the server failed with {status}")))
            .hint("try again later, or tell its administrators"),
        _ => Error::new(Kind::Failed, what, because(&format!("the server answered {status}"))),
    }
}

/// Reads an answer; fails before it takes more than `limit` bytes.
pub async fn body(response: Response, limit: usize, what: &str) -> Result<Bytes> {
    let too_long = || {
        Error::new(Kind::Integrity, what, format!("the answer is longer than {} MiB", limit >> 20))
            .hint("no real answer is; tell the administrators of the source")
    };
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_long());
    }
    let mut bytes = BytesMut::new();
    let mut stream = response.bytes_stream();
    while let Some(chunk) = stream.try_next().await.map_err(|error| no_answer(what, &error))? {
        if bytes.len() + chunk.len() > limit {
            return Err(too_long());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

/// The answer as a stream with Wharf's errors.
pub fn stream(response: Response, what: String) -> ByteStream {
    Box::pin(response.bytes_stream().map_err(move |error| no_answer(&what, &error)))
}

/// Longest JSON answer that is read, in bytes.
const JSON_LIMIT: usize = 32 << 20;

/// Reads a JSON answer of at most 32 MiB.
pub async fn json<T: serde::de::DeserializeOwned>(response: Response, what: &str) -> Result<T> {
    counted_json(response, what).await.map(|(read, _)| read)
}

/// Reads a JSON answer like [`json`], and returns its length in bytes too.
pub async fn counted_json<T: serde::de::DeserializeOwned>(response: Response, what: &str) -> Result<(T, usize)> {
    let bytes = body(response, JSON_LIMIT, what).await?;
    Ok((parse(&bytes, what)?, bytes.len()))
}

/// Parses JSON. The error tells the position but repeats no content, because an answer may hold a secret.
pub fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8], what: &str) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| {
        let page = bytes.trim_ascii_start().starts_with(b"<");
        let why = match error.classify() {
            _ if page => "a web page, not JSON".to_owned(),
            serde_json::error::Category::Data => {
                format!("JSON of another form than it should be, in line {}, column {}", error.line(), error.column())
            }
            _ => format!("not the JSON it should be, from line {}, column {} on", error.line(), error.column()),
        };
        Error::failed(what, format!("the answer is {why}"))
            .hint("check that the address is that service and not a web page or a proxy's notice")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_cannot_be_read_is_not_repeated() {
        #[derive(Debug, serde::Deserialize)]
        #[expect(dead_code, reason = "only its form matters")]
        struct Wanted {
            token: u32,
        }
        for text in [r#"{"token": "hunter2"}"#, r#"{"token": hunter2}"#, "hunter2", "<p>hunter2", r#"{"hunter2": 1"#] {
            let error = parse::<Wanted>(text.as_bytes(), "read it").unwrap_err();
            assert!(!format!("{error:?}").contains("hunter2"), "{error}");
        }
    }
}
