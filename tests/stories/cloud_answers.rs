//! Answers of clouds that the lab's own does not give: further proofs, identity providers, short pages, odd rows.

use std::process::Output;

use serde_json::{Value, json};

use crate::{
    lab::{Home, complained, said},
    network::{Asked, Server, answer, run},
    pty::Screen,
};

const PROJECT: &str = "0123456789abcdef0123456789abcdef";

/// The address that a request was sent to.
fn base(asked: &Asked) -> String {
    let host = asked.headers.lines().find_map(|line| line.to_lowercase().strip_prefix("host: ").map(str::to_owned));
    format!("http://{}", host.unwrap())
}

pub(crate) fn sent(status: &str, headers: &str, body: &Value) -> String {
    answer(status, &format!("Content-Type: application/json\r\n{headers}"), &body.to_string())
}

/// The answer to correct credentials.
fn token(asked: &Asked) -> String {
    let at = |path: &str| json!([{"interface": "public", "region": "R", "region_id": "R", "url": base(asked) + path}]);
    let catalog =
        json!([{"type": "image", "endpoints": at("/image")}, {"type": "compute", "endpoints": at("/compute/v2.1")}]);
    let project = json!({"id": PROJECT, "name": "physics", "domain": {"id": "default"}});
    let body = json!({"token": {"expires_at": "2099-01-01T00:00:00Z", "project": project, "catalog": catalog}});
    sent("201 Created", "X-Subject-Token: good\r\n", &body)
}

fn image(number: usize) -> Value {
    json!({"id": format!("00000000-0000-4000-8000-{number:012}"), "name": format!("image-{number}"), "status": "active"})
}

/// A cloud with one image, except for requests that `own` answers.
pub(crate) fn cloud(asked: &Asked, own: impl Fn(&Asked, &str) -> Option<String>) -> String {
    let path = asked.target.split('?').next().unwrap_or("");
    if let Some(said) = own(asked, path) {
        return said;
    }
    match (asked.method.as_str(), path) {
        ("GET", "/v3/") => {
            let link = json!([{"rel": "self", "href": base(asked) + "/v3/"}]);
            sent("200 OK", "", &json!({"version": {"id": "v3.14", "links": link}}))
        }
        ("POST", "/v3/auth/tokens") => token(asked),
        ("GET", "/image/v2/images") if asked.target.contains("marker=") => sent("200 OK", "", &json!({"images": []})),
        ("GET", "/image/v2/images") => sent("200 OK", "", &json!({"images": [image(1)]})),
        _ => sent("404 Not Found", "", &json!({"error": {"message": format!("nothing at {path}")}})),
    }
}

/// Lists the images of a cloud with this entry (`URL` is its address).
pub(crate) async fn listed(server: &Server, entry: &str) -> Output {
    asked_of(server, entry, &["images", "--source", "site"]).await
}

/// Runs these arguments on a cloud with this entry.
async fn asked_of(server: &Server, entry: &str, arguments: &[&str]) -> Output {
    let home = Home::new();
    let folder = home.path(".config/openstack");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("clouds:\n  site: {}\n", entry.replace("URL", &format!("http://{}/v3", server.address)));
    std::fs::write(folder.join("clouds.yaml"), &text).unwrap();
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    let source = "[[source]]\nname = \"site\"\ntype = \"openstack\"\nurl = \"site\"\n";
    std::fs::write(home.path(".config/wharf/wharf.toml"), source).unwrap();
    let mut command = home.wharf(arguments);
    command.env("OS_CLIENT_CONFIG_FILE", folder.join("clouds.yaml"));
    run(command).await
}

pub(crate) fn proofs(server: &Server) -> Vec<Value> {
    let posts = server.asked().into_iter().filter(|asked| asked.target == "/v3/auth/tokens" && asked.method == "POST");
    posts.map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

#[tokio::test]
async fn a_cloud_that_wants_a_second_proof_gets_it_with_the_receipt_of_the_first() {
    let server = Server::start(|asked| {
        cloud(asked, |asked, path| {
            let first =
                path == "/v3/auth/tokens" && !asked.headers.to_lowercase().contains("openstack-auth-receipt: r1");
            let wanted = json!({"receipt": {"methods": ["password"]}, "required_auth_methods": [["password", "totp"]]});
            first.then(|| sent("401 Unauthorized", "Openstack-Auth-Receipt: r1\r\n", &wanted))
        })
    })
    .await;
    let entry =
        "{auth: {auth_url: URL, username: ada, password: p, passcode: '012345', project_id: x}, auth_type: v3password}";
    let output = listed(&server, entry).await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert!(said(&output).contains("image-1"));
    let proofs = proofs(&server);
    assert_eq!(proofs.len(), 2);
    assert_eq!(proofs[1]["auth"]["identity"]["methods"], json!(["totp"]));
    assert_eq!(proofs[1]["auth"]["identity"]["totp"]["user"]["passcode"], "012345");
}

#[tokio::test]
async fn a_token_of_an_identity_provider_is_exchanged_for_one_of_the_project() {
    let server = Server::start(|asked| {
        cloud(asked, |asked, path| match path {
            "/idp/.well-known/openid-configuration" => {
                Some(sent("200 OK", "", &json!({"token_endpoint": base(asked) + "/idp/token?p=x"})))
            }
            "/idp/token" => Some(sent("200 OK", "", &json!({"access_token": "theirs"}))),
            "/v3/OS-FEDERATION/identity_providers/acme/protocols/openid/auth" => {
                let body = json!({"token": {"expires_at": "2099-01-01T00:00:00Z"}});
                Some(sent("201 Created", "X-Subject-Token: first\r\n", &body))
            }
            _ => None,
        })
    })
    .await;
    let entry = format!(
        "{{auth_type: v3oidcpassword, identity_provider: acme, protocol: openid, client_id: c, client_secret: s, \
         discovery_endpoint: 'http://{}/idp/.well-known/openid-configuration', \
         auth: {{auth_url: URL, username: ada, password: 'p&q', project_name: physics, project_domain_id: default}}}}",
        server.address
    );
    let output = listed(&server, &entry).await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    let asked = server.asked();
    let grant = asked.iter().find(|asked| asked.target == "/idp/token?p=x").unwrap();
    assert!(grant.body.contains("grant_type=password") && grant.body.contains("password=p%26q"), "{}", grant.body);
    assert!(grant.headers.to_lowercase().contains("authorization: basic"));
    let exchanged = asked.iter().find(|asked| asked.target.contains("OS-FEDERATION")).unwrap();
    assert!(exchanged.headers.contains("Bearer theirs"));
    let proof = &proofs(&server)[0]["auth"];
    assert_eq!(
        (&proof["identity"]["token"]["id"], &proof["scope"]["project"]["name"]),
        (&"first".into(), &"physics".into())
    );
}

/// Runs these arguments with the sources `one` and `two`, which are regions of one entry of clouds.yaml.
async fn asked_of_regions(server: &Server, entry: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let home = Home::new();
    let file = home.path("clouds.yaml");
    let text = format!("clouds:\n  site: {}\n", entry.replace("URL", &format!("http://{}/v3", server.address)));
    std::fs::write(&file, &text).unwrap();
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    let source =
        |name: &str, url: &str| format!("[[source]]\nname = \"{name}\"\ntype = \"openstack\"\nurl = \"{url}\"\n");
    if variables.is_empty() {
        let both = source("one", "site") + &source("two", "site-Two");
        std::fs::write(home.path(".config/wharf/wharf.toml"), both).unwrap();
    }
    let mut command = home.wharf(arguments);
    command.env("OS_CLIENT_CONFIG_FILE", file).envs(variables.iter().copied());
    run(command).await
}

/// A cloud of two regions, each with an image of its own: 1 in One, 2 in Two.
fn two_regions(asked: &Asked, own: impl Fn(&Asked, &str) -> Option<String>) -> String {
    cloud(asked, |asked, path| {
        own(asked, path).or_else(|| match (asked.method.as_str(), path) {
            ("POST", "/v3/auth/tokens") => {
                let at = |region: &str, path: &str| {
                    json!({"interface": "public", "region": region, "region_id": region, "url": base(asked) + path})
                };
                let images = json!([at("One", "/one"), at("Two", "/two")]);
                let project = json!({"id": PROJECT, "name": "physics", "domain": {"id": "default"}});
                let catalog = json!([{"type": "image", "endpoints": images}]);
                let body =
                    json!({"token": {"expires_at": "2099-01-01T00:00:00Z", "project": project, "catalog": catalog}});
                Some(sent("201 Created", "X-Subject-Token: good\r\n", &body))
            }
            ("GET", path) => {
                let (region, rest) = path.strip_prefix('/')?.split_once('/')?;
                let number = ["one", "two"].iter().position(|name| *name == region)? + 1;
                let mut found = image(number);
                found["os_hash_algo"] = "sha256".into();
                found["os_hash_value"] = number.to_string().repeat(64).into();
                let id = found["id"].as_str().unwrap().to_owned();
                match rest.strip_prefix("v2/images")? {
                    "" if asked.target.contains("marker=") || asked.target.contains("member_status") => {
                        Some(sent("200 OK", "", &json!({"images": []})))
                    }
                    "" => Some(sent("200 OK", "", &json!({"images": [found]}))),
                    one if one == format!("/{id}") => Some(sent("200 OK", "", &found)),
                    _ => None,
                }
            }
            _ => None,
        })
    })
}

const TWO: &str = "{auth: {auth_url: URL, username: ada, password: p, project_id: x}, regions: [One, {name: Two, values: {image_api_version: 2}}]}";

#[tokio::test]
async fn every_region_is_a_source_and_all_share_one_sign_in() {
    let server = Server::start(|asked| two_regions(asked, |_, _| None)).await;
    let output = asked_of_regions(&server, TWO, &["images"], &[]).await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert!(said(&output).contains("image-1") && said(&output).contains("image-2"), "{}", said(&output));
    assert_eq!(proofs(&server).len(), 1);
    let second = "00000000-0000-4000-8000-000000000002";
    let reference = format!("glance://two/{second}");
    let shown = asked_of_regions(&server, TWO, &["show", &reference], &[]).await;
    assert!(said(&shown).contains("image-2"), "{}{}", said(&shown), complained(&shown));
    // By the names that they have without a configuration.
    let found = [("WHARF_DISCOVER", "yes")];
    let listed = asked_of_regions(&server, TWO, &["images", "--source", "site-Two", "--json"], &found).await;
    assert!(said(&listed).contains("image-2") && !said(&listed).contains("image-1"), "{}", complained(&listed));
    let link =
        asked_of_regions(&server, TWO, &["share", &reference.replace("two/", "site-Two/"), "--link"], &found).await;
    let link = said(&link).trim().to_owned();
    assert!(link.contains("region=Two"), "{link}");
    let opened = asked_of_regions(&server, TWO, &["open", &link], &[]).await;
    assert!(said(&opened).contains("image-2"), "{}{}", said(&opened), complained(&opened));
    let one = [("WHARF_DISCOVER", "yes"), ("OS_REGION_NAME", "Two")];
    let listed = asked_of_regions(&server, TWO, &["images", "--source", "site", "--json"], &one).await;
    assert!(said(&listed).contains("image-2") && !said(&listed).contains("image-1"), "{}", complained(&listed));
    let wrong = [("WHARF_DISCOVER", "yes"), ("OS_REGION_NAME", "Three")];
    let listed = asked_of_regions(&server, TWO, &["images", "--source", "site"], &wrong).await;
    assert!(complained(&listed).contains("none of its regions: One, Two"), "{}", complained(&listed));
}

#[tokio::test]
async fn a_wrong_secret_is_shown_once_for_all_regions_also_where_each_has_its_identity_service() {
    let of_each = "{auth: {auth_url: URL, username: ada, password: p, project_id: x}, regions: [One, \
                   {name: Two, values: {auth: {auth_url: 'http://SERVER/two/v3'}}}]}";
    for (entry, refused, shown) in [(TWO, true, 1), (of_each, true, 1), (of_each, false, 2)] {
        let server = Server::start(move |asked| {
            two_regions(asked, |asked, path| {
                let told =
                    json!({"error": {"code": 401, "message": "The request you have made requires authentication."}});
                match (asked.method.as_str(), path) {
                    ("POST", "/v3/auth/tokens" | "/two/v3/auth/tokens") if refused => {
                        Some(sent("401 Unauthorized", "", &told))
                    }
                    ("POST", "/two/v3/auth/tokens") => {
                        Some(two_regions(&Asked { target: "/v3/auth/tokens".into(), ..asked.clone() }, |_, _| None))
                    }
                    ("GET", "/two/v3/") => Some(sent("200 OK", "", &json!({"version": {"id": "v3.14"}}))),
                    _ => None,
                }
            })
        })
        .await;
        let entry = entry.replace("SERVER", &server.address);
        let output = asked_of_regions(&server, &entry, &["images"], &[]).await;
        let posts =
            server.asked().into_iter().filter(|asked| asked.method == "POST" && asked.target.ends_with("/auth/tokens"));
        assert_eq!(posts.count(), shown, "{}", complained(&output));
        assert_eq!(output.status.success(), !refused, "{}", complained(&output));
        if refused {
            assert!(complained(&output).contains("does not take this account and secret"), "{}", complained(&output));
        }
    }
}

/// openstacksdk, `config/vendors/__init__.py`: `get_profile`.
#[tokio::test]
async fn a_profile_at_an_address_is_fetched_when_its_cloud_is_asked_and_costs_no_other() {
    const OTHER: &str = "\n  site-Two: {auth: {auth_url: URL, username: ada, password: p, project_id: x}}";
    let asked_for =
        |server: &Server| server.asked().iter().filter(|asked| asked.target == "/.well-known/openstack/api").count();
    for (answered, told) in
        [("good", ""), ("gone", "404"), ("away", "sends us on to"), ("odd", "no profile"), ("long", "")]
    {
        let server = Server::start(move |asked| {
            cloud(asked, |asked, path| {
                let profile =
                    json!({"auth": {"auth_url": base(asked) + "/v3"}, "region_name": "R", "message": "hello"});
                (path == "/.well-known/openstack/api").then(|| match answered {
                    "good" => sent("200 OK", "", &json!({"name": "acme", "profile": profile})),
                    "gone" => sent("404 Not Found", "", &json!({})),
                    "away" => answer("302 Found", "Location: http://192.0.2.1/profile\r\n", ""),
                    "odd" => sent("200 OK", "", &json!({"name": "acme"})),
                    _ => answer("200 OK", "", &" ".repeat(1 << 20)),
                })
            })
        })
        .await;
        let entry = format!(
            "{{profile: 'http://{}/any', auth: {{username: ada, password: p, project_id: x}}}}{}",
            server.address,
            OTHER.replace("URL", &format!("http://{}/v3", server.address))
        );
        let other = asked_of_regions(&server, &entry, &["images", "--source", "two"], &[]).await;
        assert_eq!((other.status.code(), asked_for(&server)), (Some(0), 0), "{}", complained(&other));
        let output = asked_of_regions(&server, &entry, &["images"], &[]).await;
        assert!(said(&output).contains("image-1"), "{answered}: {}", complained(&output));
        assert!(complained(&output).contains(told), "{answered}: {}", complained(&output));
        assert_eq!(
            complained(&output).contains("its profile at http://"),
            answered != "good",
            "{}",
            complained(&output)
        );
        assert!(asked_for(&server) > 0);
    }
}

/// RFC 8628: 3.2 (the codes), 3.4 (the questions whether it is done), 3.5 (pending, slower, refused, too late).
#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_browser_anywhere_and_types_a_code_there() {
    for (last, done) in [("", true), ("access_denied", false), ("expired_token", false)] {
        let polls = std::sync::atomic::AtomicUsize::new(0);
        let server = Server::start(move |asked| {
            cloud(asked, |asked, path| match path {
                "/idp/page" => Some(sent(
                    "200 OK",
                    "",
                    &json!({"token_endpoint": base(asked) + "/idp/token", "device_authorization_endpoint": base(asked) + "/idp/device"}),
                )),
                "/idp/device" => Some(sent(
                    "200 OK",
                    "",
                    &json!({"device_code": "secret-of-the-device", "user_code": "WDJB-MJHT", "interval": 1,
                        "verification_uri": "https://idp.example/device", "expires_in": 600}),
                )),
                "/idp/token" => {
                    let first = polls.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
                    Some(match last {
                        _ if first => sent("400 Bad Request", "", &json!({"error": "authorization_pending"})),
                        "" => sent("200 OK", "", &json!({"access_token": "theirs", "token_type": "Bearer"})),
                        error => sent("400 Bad Request", "", &json!({"error": error})),
                    })
                }
                "/v3/OS-FEDERATION/identity_providers/acme/protocols/openid/auth" => {
                    let body = json!({"token": {"expires_at": "2099-01-01T00:00:00Z"}});
                    Some(sent("201 Created", "X-Subject-Token: first\r\n", &body))
                }
                _ => None,
            })
        })
        .await;
        let entry = format!(
            "{{auth_type: v3oidcdeviceauthz, identity_provider: acme, protocol: openid, client_id: c, \
             discovery_endpoint: 'http://{}/idp/page', auth: {{auth_url: URL, project_name: physics, project_domain_id: default}}}}",
            server.address
        );
        // If nobody can be asked, the message says how to sign in.
        let output = listed(&server, &entry).await;
        assert_eq!(output.status.code(), Some(7), "{}", complained(&output));
        assert!(complained(&output).contains("wharf login site"), "{}", complained(&output));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clouds.yaml");
        let text = format!("clouds:\n  site: {}\n", entry.replace("URL", &format!("http://{}/v3", server.address)));
        std::fs::write(&file, text).unwrap();
        let variables = [("OS_CLIENT_CONFIG_FILE", file.to_str().unwrap())];
        let verb = [env!("CARGO_BIN_EXE_wharf"), "images", "--source", "site"];
        let mut screen = Screen::run(&verb, 120, 24, &variables);
        screen.until("https://idp.example/device");
        screen.until("WDJB-MJHT");
        screen.keys("y\r");
        screen.until(if done { "image-1" } else { "sign in again" });
        assert_eq!(screen.ended(), if done { 0 } else { 7 }, "{last}: {}", screen.text());
        assert!(!screen.text().contains("secret-of-the-device"), "{}", screen.text());
        let polled: Vec<_> = server.asked().into_iter().filter(|asked| asked.target == "/idp/token").collect();
        assert_eq!(polled.len(), 2, "{last}");
        assert!(polled[0].body.contains("grant-type%3Adevice_code") && polled[0].body.contains("client_id=c"));
    }
}

#[tokio::test]
async fn a_token_without_anything_to_sign_in_to_is_used_as_it_is() {
    let server = Server::start(|asked| {
        cloud(asked, |asked, path| {
            (asked.method == "GET" && path == "/v3/auth/tokens")
                .then(|| token(asked).replacen("201 Created", "200 OK", 1))
        })
    })
    .await;
    let output = listed(&server, "{auth_type: v3token, auth: {auth_url: URL, token: mine}}").await;
    assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
    assert!(proofs(&server).is_empty());
    let list = server.asked().into_iter().find(|asked| asked.target.starts_with("/image")).unwrap();
    assert!(list.headers.to_lowercase().contains("x-auth-token: mine"), "{}", list.headers);
}

#[tokio::test]
async fn short_pages_are_followed_to_the_end_and_rows_that_cannot_be_read_are_said() {
    let server = Server::start(|asked| {
        cloud(asked, |asked, path| {
            if path != "/image/v2/images" || asked.target.contains("member_status") {
                return None;
            }
            let oldest = asked.target.contains("sort_dir=asc");
            let mut all: Vec<usize> = (1..=7).collect();
            if !oldest {
                all.reverse();
            }
            let marker: Option<usize> =
                asked.target.split("marker=").nth(1).and_then(|text| text.rsplit('-').next()?.parse().ok());
            let rest: Vec<usize> = match marker {
                Some(marker) => all.into_iter().skip_while(|number| *number != marker).skip(1).collect::<Vec<_>>(),
                None => all,
            };
            let mut rows: Vec<Value> = rest.into_iter().take(2).map(image).collect();
            if marker.is_none() {
                rows.push(json!({"name": "no id"}));
            }
            Some(sent("200 OK", "", &json!({"images": rows})))
        })
    })
    .await;
    let output = listed(&server, "{auth: {auth_url: URL, username: ada, password: p, project_id: x}}").await;
    for number in 1..=7 {
        assert!(said(&output).contains(&format!("image-{number}")), "{}", said(&output));
    }
    assert!(complained(&output).contains("one row of it is not what it should be"), "{}", complained(&output));
    assert_ne!(output.status.code(), Some(0));
}

#[tokio::test]
async fn a_list_that_is_capped_is_whole_though_the_next_page_forgets_how_it_was_sorted() {
    const ALL: usize = 300;
    const CAP: usize = 60;
    let server = Server::start(|asked| {
        cloud(asked, |asked, path| {
            let query = asked.target.split('?').nth(1).unwrap_or("");
            if path != "/image/v2/images" || query.contains("member_status") {
                return None;
            }
            // The ids do not follow the images' dates.
            let made = |number: &usize| number * 37 % ALL;
            let mut all: Vec<usize> = (0..ALL).collect();
            if query.contains("sort_key=created_at") {
                all.sort_by_key(made);
            }
            if query.contains("sort_dir=desc") {
                all.reverse();
            }
            let marker: Option<usize> =
                query.split("marker=").nth(1).and_then(|text| text.rsplit('-').next()?.parse().ok());
            let begin = marker.map_or(0, |marker| all.iter().position(|number| *number == marker).unwrap() + 1);
            let limit =
                query.split("limit=").nth(1).and_then(|text| text.split('&').next()?.parse().ok()).unwrap_or(25);
            let page: Vec<usize> = all[begin..].iter().take(CAP.min(limit)).copied().collect();
            let mut body = json!({"images": page.iter().map(|number| image(*number)).collect::<Vec<_>>()});
            if let Some(last) = page.last() {
                // Glance names its next page with the last of several equal keys only.
                let direction = if query.contains("sort_dir=desc") { "desc" } else { "asc" };
                let id = image(*last)["id"].as_str().unwrap().to_owned();
                let next = format!("/v2/images?limit={limit}&sort_key=id&sort_dir={direction}&marker={id}");
                body["next"] = next.into();
            }
            Some(sent("200 OK", "", &body))
        })
    })
    .await;
    let output = listed(&server, "{auth: {auth_url: URL, username: ada, password: p, project_id: x}}").await;
    let said = said(&output);
    let missing: Vec<usize> = (0..ALL).filter(|number| !said.contains(&format!("image-{number} "))).collect();
    assert_eq!(missing, [0; 0], "{}", complained(&output));
}

#[tokio::test]
async fn a_sign_in_of_no_project_names_those_that_the_account_has() {
    let server = Server::start(|asked| {
        cloud(asked, |_, path| match path {
            "/v3/auth/tokens" => {
                Some(sent("201 Created", "X-Subject-Token: t\r\n", &json!({"token": {"expires_at": null}})))
            }
            "/v3/auth/projects" => {
                Some(sent("200 OK", "", &json!({"projects": [{"name": "physics"}, {"name": null}, 3]})))
            }
            _ => None,
        })
    })
    .await;
    let output = listed(&server, "{auth: {auth_url: URL, username: ada, password: p}}").await;
    let told = complained(&output);
    assert!(told.contains("this sign-in is of no project: set project_name"), "{told}");
    assert!(told.contains("this account has physics"), "{told}");
}

#[tokio::test]
async fn why_an_account_is_refused_is_said_and_the_proof_is_shown_once() {
    for (message, words) in [
        ("The password is expired and needs to be changed for user: 1.", "the password has expired"),
        ("The account is locked for user: 1.", "locked"),
        ("The request you have made requires authentication.", "does not take this account and secret"),
    ] {
        let server = Server::start(move |asked| {
            cloud(asked, |_, path| {
                let refused = json!({"error": {"code": 401, "message": message, "title": "Unauthorized"}});
                (path == "/v3/auth/tokens").then(|| sent("401 Unauthorized", "", &refused))
            })
        })
        .await;
        let output = listed(&server, "{auth: {auth_url: URL, username: ada, password: wrong, project_id: x}}").await;
        assert!(complained(&output).contains(words), "{}", complained(&output));
        // Images, offers, volumes and volume types all wait for one sign-in.
        assert_eq!(proofs(&server).len(), 1);
    }
}

/// A server as clouds list it.
fn compute(number: usize) -> Value {
    json!({"id": format!("00000000-0000-4000-8000-{number:012}"), "name": format!("server-{number}"), "status": "ACTIVE",
        "metadata": null, "addresses": null, "image": "", "OS-EXT-STS:task_state": 7})
}

#[tokio::test]
async fn a_server_or_a_page_that_cannot_be_read_costs_only_itself_and_is_told() {
    let pages = |broken: &'static str| {
        move |asked: &Asked, path: &str| {
            let first = !asked.target.contains("marker=");
            (path == "/compute/v2.1/servers/detail").then(|| match (first, broken) {
                (true, "row") => {
                    sent("200 OK", "", &json!({"servers": [compute(1), null, {"name": "no id"}, compute(2)]}))
                }
                (true, _) => sent("200 OK", "", &json!({"servers": [compute(1), compute(2)]})),
                (false, "page") => sent("500 Internal Server Error", "", &json!({"computeFault": {"message": "gone"}})),
                (false, "form") => sent("200 OK", "", &json!({"servers": "none"})),
                (false, _) => sent("200 OK", "", &json!({"servers": null})),
            })
        }
    };
    for (broken, words) in
        [("row", "2 rows of it"), ("page", "failed with 500"), ("form", "is not what it should be"), ("", "")]
    {
        let server = Server::start(move |asked| cloud(asked, pages(broken))).await;
        let entry = "{auth: {auth_url: URL, username: ada, password: p, project_id: x}}";
        for json in [false, true] {
            let words_of_command: &[&str] = if json { &["workloads", "--json"] } else { &["workloads"] };
            let output = asked_of(&server, entry, words_of_command).await;
            let (out, err) = (said(&output), complained(&output));
            assert!(out.contains("server-1") && out.contains("server-2"), "{broken}: {out}{err}");
            assert_eq!(output.status.code(), Some(if broken.is_empty() { 0 } else { 8 }), "{broken}: {err}");
            assert!(err.contains(words), "{broken}: {err}");
            assert_eq!(err.contains("is not complete"), !broken.is_empty(), "{broken}: {err}");
        }
    }
}
