//! The ways to sign in to a cloud, and their requests (Identity API v3, "Password authentication" and the following;
//! OpenID Connect for the grants). Pure functions: requests are built here and sent elsewhere.

use serde_json::{Map, Value, json};

use super::settings::Settings;

/// A proof of identity that the cloud itself checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Password,
    Totp,
    Token,
    Application,
}

/// A grant for which an identity provider outside of the cloud gives a token (RFC 6749).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Grant {
    Password,
    ClientCredentials,
    Code,
    /// The settings contain the provider's token.
    AccessToken,
    /// The person agrees in a browser on any machine (RFC 8628).
    Device,
}

/// A way to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum SignInMethod {
    /// By the cloud itself, with these proofs.
    Methods(Vec<Method>),
    /// By an identity provider (OpenID Connect).
    OpenId(Grant),
    /// By the cloud's pages in a browser on this machine.
    Browser,
    /// By a way that is not supported; with its name.
    Unknown(String),
}

const TOKEN_INSTEAD: &str = "make an application credential in the cloud's dashboard and use its clouds.yaml, or put the \
     output of 'openstack token issue' there: auth_type: v3token and token";

/// The way that an entry names, or that its settings imply.
pub(super) fn method(settings: &Settings) -> SignInMethod {
    let named = settings.option("auth_type").unwrap_or("").to_ascii_lowercase();
    if let Some(grant) = grant(&named) {
        return SignInMethod::OpenId(grant);
    }
    match named.as_str() {
        "" | "none" if settings.auth("auth_url").is_some() || settings.remote.is_some() => implied_method(settings),
        "v3websso" => SignInMethod::Browser,
        "v3multifactor" | "multifactor" => {
            let methods: Vec<_> = settings.methods.iter().map(|name| method_by_name(name).ok_or(name)).collect();
            match methods.iter().find_map(|method| method.err()) {
                Some(unknown) => SignInMethod::Unknown(unknown.clone()),
                None if methods.is_empty() => SignInMethod::Unknown("v3multifactor without auth_methods".to_owned()),
                None => SignInMethod::Methods(methods.into_iter().flatten().collect()),
            }
        }
        name => method_by_name(name)
            .map_or_else(|| SignInMethod::Unknown(name.to_owned()), |method| SignInMethod::Methods(vec![method])),
    }
}

fn grant(name: &str) -> Option<Grant> {
    match name {
        "v3oidcpassword" => Some(Grant::Password),
        "v3oidcclientcredentials" => Some(Grant::ClientCredentials),
        "v3oidcauthcode" => Some(Grant::Code),
        "v3oidcaccesstoken" => Some(Grant::AccessToken),
        "v3oidcdeviceauthz" => Some(Grant::Device),
        _ => None,
    }
}

fn method_by_name(name: &str) -> Option<Method> {
    match name.to_ascii_lowercase().as_str() {
        // Version 2 is gone, but its entries name user, password and project too.
        "password" | "v3password" | "v2password" => Some(Method::Password),
        "token" | "v3token" | "v2token" => Some(Method::Token),
        "totp" | "v3totp" => Some(Method::Totp),
        // Keystone's OAuth 2.0 client credentials are application credentials.
        "application_credential" | "applicationcredential" | "v3applicationcredential" | "v3oauth2clientcredential" => {
            Some(Method::Application)
        }
        _ => None,
    }
}

/// The way that the settings imply if they name none.
fn implied_method(settings: &Settings) -> SignInMethod {
    let has = |keys: &[&str]| settings.first_auth(keys).is_some();
    if has(&["application_credential_id", "application_credential_name"]) {
        return SignInMethod::Methods(vec![Method::Application]);
    }
    if has(&["identity_provider"]) {
        if has(&["access_token"]) {
            return SignInMethod::OpenId(Grant::AccessToken);
        }
        if has(&["discovery_endpoint", "access_token_endpoint"]) {
            let by_person = has(&["username", "password"]);
            return SignInMethod::OpenId(if by_person { Grant::Password } else { Grant::ClientCredentials });
        }
    }
    if has(&["token"]) && !has(&["password"]) {
        return SignInMethod::Methods(vec![Method::Token]);
    }
    if has(&["passcode"]) {
        let second = Some(Method::Totp);
        let first = Some(Method::Password).filter(|_| has(&["password"]));
        return SignInMethod::Methods(first.into_iter().chain(second).collect());
    }
    SignInMethod::Methods(vec![Method::Password])
}

/// A way in words.
pub(super) fn describe(way: &SignInMethod) -> String {
    let proof = |method: &Method| match method {
        Method::Password => "a password",
        Method::Totp => "a one-time passcode",
        Method::Token => "a token",
        Method::Application => "an application credential",
    };
    match way {
        SignInMethod::Methods(methods) => methods.iter().map(proof).collect::<Vec<_>>().join(" and "),
        SignInMethod::OpenId(Grant::Password) => "a password at the identity provider".to_owned(),
        SignInMethod::OpenId(Grant::ClientCredentials) => "a client's secret at the identity provider".to_owned(),
        SignInMethod::OpenId(Grant::Code) => "a code of the identity provider".to_owned(),
        SignInMethod::OpenId(Grant::AccessToken) => "a token of the identity provider".to_owned(),
        SignInMethod::OpenId(Grant::Device) => "a sign-in in any browser, by a code".to_owned(),
        SignInMethod::Browser => "a sign-in in a browser that comes back to this machine".to_owned(),
        SignInMethod::Unknown(name) => format!("'{name}', which Wharf does not know"),
    }
}

/// What to do about a way that is not supported.
pub(super) fn advice(name: &str) -> String {
    match name {
        "admin_token" | "token_endpoint" | "none" | "http_basic" | "noauth" => {
            "that is for services without Keystone; name auth_url and a user, or an application credential".to_owned()
        }
        _ => TOKEN_INSTEAD.to_owned(),
    }
}

/// The names of the secrets that a way needs; the entry may lack some.
pub(super) fn secrets(settings: &Settings, way: &SignInMethod) -> Vec<&'static str> {
    let of = |method: &Method| match method {
        Method::Password => "password",
        Method::Totp => "passcode",
        Method::Token => "token",
        Method::Application => "application_credential_secret",
    };
    match way {
        SignInMethod::Methods(methods) => methods
            .iter()
            .map(of)
            .filter(|key| *key != "application_credential_secret" || settings.auth("oauth2_client_secret").is_none())
            .collect(),
        SignInMethod::OpenId(Grant::Password) => {
            let once = settings.auth("idp_otp_key").map(|_| "passcode");
            std::iter::once("password").chain(once).collect()
        }
        SignInMethod::OpenId(Grant::ClientCredentials) => vec!["client_secret"],
        SignInMethod::OpenId(Grant::Code) => vec!["code"],
        SignInMethod::OpenId(Grant::AccessToken) => vec!["access_token"],
        SignInMethod::OpenId(Grant::Device) | SignInMethod::Browser | SignInMethod::Unknown(_) => Vec::new(),
    }
}

/// Whether a way needs a user name that the entry lacks.
pub(super) fn wants_user(settings: &Settings, way: &SignInMethod) -> bool {
    let by_user = match way {
        SignInMethod::Methods(methods) => {
            methods.iter().any(|method| matches!(method, Method::Password | Method::Totp))
        }
        SignInMethod::OpenId(grant) => *grant == Grant::Password,
        SignInMethod::Browser | SignInMethod::Unknown(_) => false,
    };
    by_user && settings.first_auth(&["username", "user_id"]).is_none()
}

/// The body of `POST /v3/auth/tokens`.
pub(super) fn body(settings: &Settings, methods: &[Method]) -> Value {
    let mut identity = Map::new();
    let mut names: Vec<&str> = Vec::new();
    for method in methods {
        let text = |key: &str| settings.auth(key).unwrap_or("");
        let (name, proof) = match method {
            Method::Password => ("password", json!({"user": with(user(settings), "password", text("password"))})),
            Method::Totp => ("totp", json!({"user": with(user(settings), "passcode", text("passcode"))})),
            Method::Token => ("token", json!({"id": text("token")})),
            Method::Application => ("application_credential", application(settings)),
        };
        names.push(name);
        identity.insert(name.to_owned(), proof);
    }
    identity.insert("methods".to_owned(), json!(names));
    let mut auth = json!({"identity": identity});
    // An application credential belongs to its project, and Keystone refuses any scope with it.
    if !methods.contains(&Method::Application) {
        if let (Some(scope), Some(auth)) = (scope(settings), auth.as_object_mut()) {
            auth.insert("scope".to_owned(), scope);
        }
    }
    json!({"auth": auth})
}

fn with(mut user: Map<String, Value>, key: &str, secret: &str) -> Map<String, Value> {
    user.insert(key.to_owned(), json!(secret));
    user
}

/// The user in a request: by id, else by name and domain.
fn user(settings: &Settings) -> Map<String, Value> {
    let mut user = Map::new();
    if let Some(id) = settings.auth("user_id") {
        user.insert("id".to_owned(), json!(id));
        return user;
    }
    user.insert("name".to_owned(), json!(settings.auth("username").unwrap_or("")));
    let named = domain(settings, "user").or_else(|| default_domain(settings));
    user.insert("domain".to_owned(), named.unwrap_or_else(|| json!({"id": "default"})));
    user
}

fn domain(settings: &Settings, whose: &str) -> Option<Value> {
    let id = settings.auth(&format!("{whose}_domain_id")).map(|id| json!({"id": id}));
    id.or_else(|| settings.auth(&format!("{whose}_domain_name")).map(|name| json!({"name": name})))
}

fn default_domain(settings: &Settings) -> Option<Value> {
    domain(settings, "default").or_else(|| settings.option("default_domain").map(|id| json!({"id": id})))
}

fn application(settings: &Settings) -> Value {
    let secret = settings.first_auth(&["application_credential_secret", "oauth2_client_secret"]).unwrap_or("");
    let id = settings.first_auth(&["application_credential_id", "oauth2_client_id"]);
    match (id, settings.auth("application_credential_name")) {
        (Some(id), _) => json!({"id": id, "secret": secret}),
        (None, name) => json!({"name": name.unwrap_or(""), "secret": secret, "user": user(settings)}),
    }
}

/// The scope of the session: a domain, project, trust or the whole system. `None` leaves it to the cloud.
pub(super) fn scope(settings: &Settings) -> Option<Value> {
    let auth = |key: &str| settings.auth(key);
    if let Some(id) = auth("project_id") {
        return Some(json!({"project": {"id": id}}));
    }
    if let Some(name) = auth("project_name") {
        let domain = domain(settings, "project").or_else(|| default_domain(settings));
        return Some(json!({"project": {"name": name, "domain": domain.unwrap_or_else(|| json!({"id": "default"}))}}));
    }
    if let Some(id) = auth("domain_id") {
        return Some(json!({"domain": {"id": id}}));
    }
    if let Some(name) = auth("domain_name") {
        return Some(json!({"domain": {"name": name}}));
    }
    if let Some(id) = auth("trust_id") {
        return Some(json!({"OS-TRUST:trust": {"id": id}}));
    }
    auth("system_scope").map(|_| json!({"system": {"all": true}}))
}

/// The form that is sent to the identity provider for its token, without the client's name and secret.
pub(super) fn grant_form(settings: &Settings, grant: Grant) -> Vec<(String, String)> {
    let text = |key: &str| settings.auth(key).unwrap_or("").to_owned();
    let scope = settings.auth("openid_scope").unwrap_or("openid profile").to_owned();
    let mut form = vec![("scope".to_owned(), scope)];
    let mut add = |key: &str, value: String| form.push((key.to_owned(), value));
    match grant {
        Grant::Password => {
            add("grant_type", "password".to_owned());
            add("username", text("username"));
            add("password", text("password"));
            if let Some(key) = settings.auth("idp_otp_key") {
                add(key, text("passcode"));
            }
        }
        Grant::ClientCredentials => add("grant_type", "client_credentials".to_owned()),
        Grant::Code => {
            add("grant_type", "authorization_code".to_owned());
            add("redirect_uri", text("redirect_uri"));
            add("code", text("code"));
        }
        Grant::AccessToken | Grant::Device => {}
    }
    form
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::openstack::settings::read_one;

    fn made(entry: &str) -> Value {
        let settings = read_one(entry);
        match method(&settings) {
            SignInMethod::Methods(methods) => body(&settings, &methods)["auth"].clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_request_is_that_of_the_interface_for_each_method() {
        let password = made(
            "{auth: {auth_url: u, username: n, password: p, user_domain_name: D, project_name: x, project_domain_id: d}}",
        );
        assert_eq!(
            password["identity"]["password"]["user"],
            json!({"name": "n", "domain": {"name": "D"}, "password": "p"})
        );
        assert_eq!(password["scope"], json!({"project": {"name": "x", "domain": {"id": "d"}}}));
        let by_id = made(
            "{auth_type: v3applicationcredential, auth: {auth_url: u, application_credential_id: i, application_credential_secret: s, project_id: x}}",
        );
        let proof =
            json!({"methods": ["application_credential"], "application_credential": {"id": "i", "secret": "s"}});
        assert_eq!((by_id["identity"].clone(), by_id.get("scope")), (proof, None));
        let by_name = made(
            "{auth: {auth_url: u, application_credential_name: a, application_credential_secret: s, username: n, user_domain_id: d}}",
        );
        assert_eq!(by_name["identity"]["application_credential"]["user"], json!({"name": "n", "domain": {"id": "d"}}));
        let token = made("{auth: {auth_url: u, token: t, project_id: x}}");
        assert_eq!(token["identity"], json!({"methods": ["token"], "token": {"id": "t"}}));
        let totp = made("{auth_type: v3totp, auth: {auth_url: u, user_id: i, passcode: '012345'}}");
        assert_eq!(totp["identity"]["totp"], json!({"user": {"id": "i", "passcode": "012345"}}));
        let two = made(
            "{auth_type: v3multifactor, auth_methods: [v3password, v3totp], auth: {auth_url: u, user_id: i, password: p, passcode: '1'}}",
        );
        assert_eq!(two["identity"]["methods"], json!(["password", "totp"]));
    }

    #[test]
    fn the_keys_tell_the_way_where_none_is_named() {
        for (keys, wanted) in [
            ("username: n, password: p", SignInMethod::Methods(vec![Method::Password])),
            ("token: t", SignInMethod::Methods(vec![Method::Token])),
            ("application_credential_id: i", SignInMethod::Methods(vec![Method::Application])),
            ("username: n, password: p, passcode: '1'", SignInMethod::Methods(vec![Method::Password, Method::Totp])),
            ("identity_provider: i, protocol: o, access_token: t", SignInMethod::OpenId(Grant::AccessToken)),
            ("identity_provider: i, discovery_endpoint: d, username: n", SignInMethod::OpenId(Grant::Password)),
            (
                "identity_provider: i, discovery_endpoint: d, client_id: c",
                SignInMethod::OpenId(Grant::ClientCredentials),
            ),
        ] {
            assert_eq!(method(&read_one(&format!("{{auth: {{auth_url: u, {keys}}}}}"))), wanted, "{keys}");
        }
        assert_eq!(
            method(&read_one("{auth_type: v3websso, auth: {auth_url: u, identity_provider: i}}")),
            SignInMethod::Browser
        );
        for unknown in ["v3kerberos", "v3samlpassword", "v3adfspassword"] {
            let named = method(&read_one(&format!("{{auth_type: {unknown}, auth: {{auth_url: u}}}}")));
            assert_eq!(named, SignInMethod::Unknown(unknown.to_owned()));
            assert!(advice(unknown).contains("application credential"));
        }
    }

    #[test]
    fn each_way_says_what_it_does() {
        for (entry, wanted) in [
            ("{auth: {auth_url: u, username: n, password: p, passcode: '1'}}", "a password and a one-time passcode"),
            ("{auth: {auth_url: u, application_credential_id: i}}", "an application credential"),
            ("{auth_type: v3oidcdeviceauthz, auth: {auth_url: u}}", "a sign-in in any browser, by a code"),
            ("{auth_type: v3kerberos, auth: {auth_url: u}}", "'v3kerberos', which Wharf does not know"),
        ] {
            assert_eq!(describe(&method(&read_one(entry))), wanted);
        }
    }

    #[test]
    fn one_signs_in_to_what_is_named() {
        for (keys, wanted) in [
            ("domain_id: d", json!({"domain": {"id": "d"}})),
            ("trust_id: t", json!({"OS-TRUST:trust": {"id": "t"}})),
            ("system_scope: all", json!({"system": {"all": true}})),
            ("tenant_id: '01'", json!({"project": {"id": "01"}})),
        ] {
            assert_eq!(scope(&read_one(&format!("{{auth: {{auth_url: u, {keys}}}}}"))), Some(wanted), "{keys}");
        }
        assert_eq!(scope(&read_one("{auth: {auth_url: u, username: n}}")), None);
    }
}
