//! Turning old and alternative names in `clouds.yaml` into the present ones.

use std::collections::BTreeMap;

/// The options of all ways to sign in (keystoneauth1, the options of its plugins).
const AUTH: &[&str] = &[
    "access_token",
    "access_token_endpoint",
    "access_token_type",
    "application_credential_id",
    "application_credential_name",
    "application_credential_secret",
    "auth_url",
    "client_id",
    "client_secret",
    "code",
    "default_domain_id",
    "default_domain_name",
    "discovery_endpoint",
    "domain_id",
    "domain_name",
    "identity_provider",
    "idp_otp_key",
    "oauth2_client_id",
    "oauth2_client_secret",
    "oauth2_endpoint",
    "openid_scope",
    "passcode",
    "password",
    "project_domain_id",
    "project_domain_name",
    "project_id",
    "project_name",
    "protocol",
    "redirect_port",
    "redirect_uri",
    "system_scope",
    "token",
    "trust_id",
    "user_domain_id",
    "user_domain_name",
    "user_id",
    "username",
];

/// Old names and the present ones. If both are set, the present one counts.
const OLD: &[(&str, &str)] = &[
    ("tenant_id", "project_id"),
    ("tenant_name", "project_name"),
    ("auth_token", "token"),
    ("user_name", "username"),
    ("authorization_code", "code"),
    ("scope", "openid_scope"),
];

type Values = BTreeMap<String, String>;

/// Moves the options of signing in to `auth`, under their present names. Values on the entry's own level take
/// precedence: they may be variables that override the file.
pub(super) fn corrected(auth: &mut Values, options: &mut Values) {
    rename(auth, OLD);
    rename(options, &OLD[..5]);
    rename(options, &[("auth_plugin", "auth_type"), ("endpoint_type", "interface")]);
    let old: Vec<String> = options.keys().filter(|key| key.ends_with("_endpoint_type")).cloned().collect();
    for key in old {
        if let Some(value) = options.remove(&key) {
            options.entry(key.replace("endpoint_type", "interface")).or_insert(value);
        }
    }
    for key in AUTH {
        if let Some(value) = options.remove(*key).filter(|value| !value.is_empty()) {
            auth.insert((*key).to_owned(), value);
        }
    }
    auth.retain(|_, value| !value.is_empty());
    domains(auth, options);
}

fn rename(values: &mut Values, names: &[(&str, &str)]) {
    for (old, new) in names {
        if let Some(value) = values.remove(*old).filter(|value| !value.is_empty()) {
            if values.get(*new).is_none_or(String::is_empty) {
                values.insert((*new).to_owned(), value);
            }
        }
    }
}

/// A single domain stands for those of user and project; it is the scope only if no project is named.
fn domains(auth: &mut Values, options: &Values) {
    let of_project = auth.contains_key("project_id") || auth.contains_key("project_name");
    let of_user = auth.contains_key("username");
    for (key, user, project) in [
        ("domain_id", "user_domain_id", "project_domain_id"),
        ("domain_name", "user_domain_name", "project_domain_name"),
    ] {
        let Some(domain) = auth.get(key).cloned() else { continue };
        if !has_domain(auth, "user") && of_user {
            auth.insert(user.to_owned(), domain.clone());
        }
        if of_project {
            if !has_domain(auth, "project") {
                auth.insert(project.to_owned(), domain);
            }
            auth.remove(key);
        }
    }
    let default = |auth: &Values| {
        let given = |key: &str| auth.get(key).cloned();
        let old = options.get("default_domain").filter(|domain| !domain.is_empty()).cloned();
        match (given("default_domain_id"), given("default_domain_name")) {
            (Some(id), _) => ("id", id),
            (None, Some(name)) => ("name", name),
            // openstackclient's default.
            (None, None) => ("id", old.unwrap_or_else(|| "default".to_owned())),
        }
    };
    for (wanted, whose) in [(of_user, "user"), (auth.contains_key("project_name"), "project")] {
        if wanted && !has_domain(auth, whose) {
            let (kind, domain) = default(auth);
            auth.insert(format!("{whose}_domain_{kind}"), domain);
        }
    }
}

fn has_domain(auth: &Values, whose: &str) -> bool {
    ["id", "name"].iter().any(|kind| auth.contains_key(&format!("{whose}_domain_{kind}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Values {
        let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
        pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn after(auth: &str, options: &str) -> String {
        let (mut auth, mut options) = (values(auth), values(options));
        corrected(&mut auth, &mut options);
        auth.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn old_names_are_read_and_new_ones_count_before_them() {
        assert_eq!(after("tenant_id=a auth_token=t", ""), "project_id=a token=t");
        assert_eq!(after("tenant_id=a project_id=b", ""), "project_id=b");
        assert_eq!(after("user_name=u user_domain_id=d", "password=p"), "password=p user_domain_id=d username=u");
    }

    #[test]
    fn what_stands_on_the_clouds_own_level_counts_first_and_nothing_empty_does() {
        assert_eq!(after("password=file", "password=shell"), "password=shell");
        assert_eq!(after("password=file user_id=", "password= project_id="), "password=file");
    }

    #[test]
    fn one_domain_is_that_of_user_and_project_and_what_one_signs_in_to_only_without_a_project() {
        assert_eq!(
            after("username=u project_name=p domain_id=d", ""),
            "project_domain_id=d project_name=p user_domain_id=d username=u"
        );
        assert_eq!(after("username=u domain_name=d", ""), "domain_name=d user_domain_name=d username=u");
        assert_eq!(
            after("username=u project_name=p user_domain_name=x", "default_domain=d"),
            "project_domain_id=d project_name=p user_domain_name=x username=u"
        );
        assert_eq!(
            after("username=u project_name=p default_domain_name=n", ""),
            "default_domain_name=n project_domain_name=n project_name=p user_domain_name=n username=u"
        );
        assert_eq!(after("username=u", ""), "user_domain_id=default username=u");
    }

    #[test]
    fn interfaces_have_two_names() {
        let (mut auth, mut options) = (Values::new(), values("endpoint_type=adminURL image_endpoint_type=internal"));
        corrected(&mut auth, &mut options);
        assert_eq!(options, values("interface=adminURL image_interface=internal"));
    }
}
