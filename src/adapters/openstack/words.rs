//! What went wrong in a cloud, in words: which cloud, which service, why, and what to do.

use openstack_sdk::{OpenStackError, RestError, api::ApiError};

use super::{
    asking::{NOT_KNOWN, word_of},
    cloud::Cloud,
    service::Service,
};
use crate::{
    adapters::http,
    core::{
        clean,
        error::{Error, Kind},
    },
};

/// A sign-in that did not work.
pub fn of_sign_in(cloud: &str, error: &OpenStackError) -> Error {
    let what = format!("sign in to {cloud}");
    if let Some(answer) = transport_of(error) {
        return http::no_answer(&what, answer);
    }
    let causes = http::causes(error);
    let all = causes.join(": ").to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| all.contains(word));
    if says(&["401", "unauthorized", "requires authentication", "no authentication information"]) {
        return Error::new(Kind::NotAllowed, what, "the cloud does not take this account and secret")
            .hint("check the account, the secret and the project in clouds.yaml")
            .sign_in_at(Some(Cloud::place(cloud)));
    }
    if let Some(key) = all.split_once(NOT_KNOWN).and_then(|(_, key)| key.split_whitespace().next()) {
        let word = word_of(key);
        return Error::new(Kind::NotAllowed, what, format!("it asks for the {word}, which nobody has given"))
            .hint(format!("run 'wharf login {cloud}', or put the secret into secure.yaml"))
            .sign_in_at(Some(Cloud::place(cloud)));
    }
    if says(&["auth helper", "auth_helper", "unknown error in the authentication helper"]) {
        return Error::new(Kind::NotAllowed, what, "clouds.yaml has no secret for it")
            .hint(format!("run 'wharf login {cloud}', or put the secret into secure.yaml"))
            .sign_in_at(Some(Cloud::place(cloud)));
    }
    if says(&["discovery", "version document"]) {
        return Error::new(Kind::Unavailable, what, "its identity service does not answer as one")
            .hint("check auth_url in clouds.yaml, and whether the cloud runs");
    }
    let last = causes.last().map_or_else(String::new, |text| clean::short(text, 200));
    Error::failed(what, last).hint("check this cloud's entry in clouds.yaml")
}

fn transport_of(error: &OpenStackError) -> Option<&reqwest::Error> {
    let first: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(first), |error| error.source()).find_map(|error| error.downcast_ref())
}

/// A service that is not in the catalogue.
pub fn of_catalog(what: &str, service: Service, cloud: &str, error: &ApiError<RestError>) -> Error {
    match error {
        ApiError::Catalog { .. } => {
            Error::unsupported(what, format!("{cloud} offers no {} service in this region", service.word()))
                .hint("check region_name in clouds.yaml, or ask whoever runs the cloud")
        }
        other => of_transport(what, other),
    }
}

/// A request without an answer.
pub fn of_transport(what: &str, error: &ApiError<RestError>) -> Error {
    match error {
        ApiError::Client { source: RestError::Communication { source } } => http::no_answer(what, source),
        other => Error::new(Kind::Unavailable, what, clean::short(&other.to_string(), 200))
            .hint("try again, or tell whoever runs the cloud"),
    }
}

/// An answer that is a refusal.
pub fn of_refusal(what: &str, cloud: &str, service: Service, status: u16, body: &[u8]) -> Error {
    let said = said(body);
    let because = |words: String| if said.is_empty() { words } else { format!("{words} ({said})") };
    let name = service.word();
    match status {
        401 => Error::new(Kind::NotAllowed, what, because(format!("{cloud} no longer takes this sign-in")))
            .hint("try again; if it stays, check the secret in clouds.yaml")
            .sign_in_at(Some(Cloud::place(cloud))),
        403 if said.to_lowercase().contains("quota") => {
            Error::new(Kind::NotAllowed, what, because(format!("the project's quota on {cloud} is used up")))
                .hint("remove something, or ask for more quota")
        }
        403 => Error::new(Kind::NotAllowed, what, because(format!("your roles on {cloud} do not allow it")))
            .hint("ask the owner of the image or the project's administrator"),
        404 => {
            Error::new(Kind::NotFound, what, because(format!("the {name} service of {cloud} does not show it to you")))
                .hint("check the name or id, and that this is the right project")
        }
        406 => Error::unsupported(what, because(format!("the {name} service of {cloud} is too old for it")))
            .hint("ask whoever runs the cloud for a newer release"),
        409 => Error::new(Kind::Failed, what, because("something else is in the way".into()))
            .hint("look at its state, then try again"),
        413 | 429 => {
            Error::new(Kind::Unavailable, what, because(format!("{cloud} asks for patience, or a quota is used up")))
                .hint("wait a while; look at the project's quota")
        }
        500..=599 => {
            Error::new(Kind::Unavailable, what, because(format!("the {name} service of {cloud} failed with {status}")))
                .hint("try again later, or tell whoever runs the cloud")
        }
        _ => Error::new(Kind::Failed, what, because(format!("the {name} service of {cloud} answered {status}"))),
    }
}

/// What a refusal says: Nova and Cinder wrap `{"name": {"message"}}`, Keystone `{"error"}`, Glance answers a page.
fn said(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(16 << 10)).unwrap_or(body));
    if let Ok(serde_json::Value::Object(outer)) = serde_json::from_str(&text) {
        let message = outer.values().find_map(|inner| inner.get("message").and_then(serde_json::Value::as_str));
        return clean::short(message.unwrap_or(""), 200);
    }
    // The page's own words stand behind its last heading.
    let page = text.rsplit("</h1>").next().unwrap_or("");
    let mut plain = String::new();
    let mut inside = false;
    for c in page.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => plain.push(c),
            _ => {}
        }
    }
    clean::short(&plain.split_whitespace().collect::<Vec<_>>().join(" "), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, body: &str) -> Error {
        of_refusal("list images", "site", Service::Image, status, body.as_bytes())
    }

    #[test]
    fn each_service_says_why_in_its_own_form() {
        let page = "<html><head><title>404 Not Found</title></head><body><h1>404 Not Found</h1>\n  No image found with ID x<br /><br />\n</body></html>";
        assert!(refusal(404, page).why.ends_with("(No image found with ID x)"), "{}", refusal(404, page));
        assert!(
            refusal(403, r#"{"forbidden": {"code": 403, "message": "Quota exceeded for cores"}}"#)
                .why
                .contains("quota")
        );
        assert!(
            refusal(403, r#"{"error": {"message": "You are \u001b[31mnot allowed"}}"#).why.contains("roles on site")
        );
        for status in [401, 403, 404, 406, 409, 413, 503] {
            let error = refusal(status, "");
            assert!(!error.hint.is_empty() && !error.to_string().contains('\u{1b}'), "{error}");
        }
    }
}
