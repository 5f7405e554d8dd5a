//! Errors of requests in words: no answer, or a refusal.

use reqwest::StatusCode;

use wharf_core::base::{
    clean,
    error::{Error, Kind},
};

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
    let (why, hint) = why_no_answer(&causes(error), error.is_timeout());
    let proxy = proxy_variable(std::env::vars().map(|(name, _)| name)).filter(|_| error.is_connect());
    Error::new(Kind::Unavailable, what, why).hint(match proxy {
        // The address may be that of a proxy, with a password: only its variable is named.
        Some(variable) => format!("{hint}; or the proxy that {variable} names (NO_PROXY goes around it)"),
        None => hint.to_owned(),
    })
}

/// Why a request had no answer, from the texts of its error and causes; and what to do.
pub fn why_no_answer(causes: &[String], timed_out: bool) -> (String, &'static str) {
    let all = causes.join(": ").to_lowercase();
    let last = causes.last().map_or_else(String::new, |text| clean::short(&in_words(text), 200));
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

/// The text of rustls without its names of types: `only valid for DnsName("a.example")` is `only valid for a.example`.
fn in_words(text: &str) -> String {
    let names = [("DnsName(\"", "\")"), ("IpAddress(", ")")];
    names.iter().fold(text.to_owned(), |text, (before, after)| {
        let mut parts = text.split(before);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |words, part| words + &part.replacen(after, "", 1))
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_certificate_is_for_is_told_without_names_of_types() {
        let text =
            r#"certificate is only valid for DnsName("a.example"), DnsName("b.example") or IpAddress(127.0.0.1)"#;
        assert_eq!(in_words(text), "certificate is only valid for a.example, b.example or 127.0.0.1");
        assert_eq!(in_words("connection refused"), "connection refused");
    }
}
