//! Errors of a cloud in words: which cloud, which service, why, and what to do.

use super::{service::Service, vault_key::place};
use wharf_core::base::{
    clean,
    error::{Error, Kind},
};

/// The error for a sign-in that the cloud has refused.
pub(super) fn sign_in_error(what: &str, cloud: &str, status: u16, body: &[u8]) -> Error {
    let said = message(body);
    let lower = said.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let sign_in = Some(place(cloud));
    // Keystone's general message adds nothing.
    let plain = said.is_empty() || says(&["requires authentication"]);
    let because = |words: &str| if plain { words.to_owned() } else { format!("{words} ({said})") };
    match status {
        401 if says(&["password is expired", "password has expired", "password expired"]) => {
            Error::new(Kind::NotAllowed, what, because("the password has expired"))
                .hint("change it in the cloud's dashboard, then in clouds.yaml or by 'wharf login'")
                .sign_in_at(sign_in)
        }
        401 if says(&["locked", "disabled"]) => {
            Error::new(Kind::NotAllowed, what, because("the account is locked or disabled"))
                .hint("wait until it is unlocked, or ask the administrators of the cloud")
        }
        401 | 403 if says(&["project"]) => {
            Error::new(Kind::NotAllowed, what, because("the cloud does not let this account into the project"))
                .hint("check project_name and its domain in clouds.yaml")
                .sign_in_at(sign_in)
        }
        401 => Error::new(Kind::NotAllowed, what, because("the cloud does not take this account and secret"))
            .hint("check the account, the secret and the project in clouds.yaml")
            .sign_in_at(sign_in),
        403 => Error::new(Kind::NotAllowed, what, because("the cloud forbids it"))
            .hint("ask the administrators of the cloud")
            .sign_in_at(sign_in),
        404 => Error::new(Kind::Unavailable, what, because("there is no identity service at that address"))
            .hint("check auth_url in clouds.yaml"),
        429 => {
            Error::new(Kind::Unavailable, what, because("the cloud wants fewer sign-ins for now")).hint("wait a while")
        }
        500..=599 => {
            Error::new(Kind::Unavailable, what, because(&format!("the identity service failed with {status}")))
                .hint("try again later, or tell the administrators of the cloud")
        }
        200..=299 => Error::new(Kind::Unavailable, what, "its identity service answers without a token")
            .hint("check auth_url in clouds.yaml, and whether a proxy stands before it"),
        _ => Error::new(Kind::Failed, what, because(&format!("the identity service answered {status}")))
            .hint("check this cloud's entry in clouds.yaml"),
    }
}

/// The error with advice for `clouds.yaml`, where these settings of a cloud are.
pub(super) fn in_clouds_yaml(error: Error) -> Error {
    if error.hint.contains("'ca'") {
        error.hint("if it is your site's own authority, name its PEM file as cacert in clouds.yaml")
    } else if error.hint.contains("'client_certificate'") {
        error
            .hint("try again; if your site gave you a certificate, name it as cert, and its key as key, in clouds.yaml")
    } else {
        error
    }
}

/// The error for a refusal of a service.
pub(super) fn service_error(what: &str, cloud: &str, service: Service, status: u16, body: &[u8]) -> Error {
    let said = message(body);
    let because = |words: String| if said.is_empty() { words } else { format!("{words} ({said})") };
    let name = service.name();
    match status {
        401 => Error::new(Kind::NotAllowed, what, because(format!("{cloud} no longer takes this sign-in")))
            .hint("try again; if it stays, check the secret in clouds.yaml")
            .sign_in_at(Some(place(cloud))),
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
            .hint("ask the administrators of the cloud for a newer release"),
        409 => Error::new(Kind::Failed, what, because("something else is in the way".into()))
            .hint("look at its state, then try again"),
        413 | 429 => {
            Error::new(Kind::Unavailable, what, because(format!("{cloud} asks for patience, or a quota is used up")))
                .hint("wait a while; look at the project's quota")
        }
        500..=599 => {
            Error::new(Kind::Unavailable, what, because(format!("the {name} service of {cloud} failed with {status}")))
                .hint("try again later, or tell the administrators of the cloud")
        }
        _ => Error::new(Kind::Failed, what, because(format!("the {name} service of {cloud} answered {status}"))),
    }
}

/// The message in a refusal: Nova and Cinder send `{"name": {"message"}}`, Keystone `{"error"}`, Glance an HTML page.
fn message(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body.get(..body.len().min(16 << 10)).unwrap_or(body));
    if let Ok(serde_json::Value::Object(outer)) = serde_json::from_str(&text) {
        let message = outer.values().find_map(|inner| inner.get("message").and_then(serde_json::Value::as_str));
        return clean::short(message.unwrap_or(""), 200);
    }
    // The page's own text comes after its last heading.
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
        service_error("list images", "site", Service::Image, status, body.as_bytes())
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
