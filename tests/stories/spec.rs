//! The clauses of the OCI distribution specification 1.1 about clients, and how registries differ from it. No real
//! registry answers in all these ways.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use wharf::core::base::digest::Digest;

use crate::{
    lab::{self, Home},
    scripted::{Ask, MANIFEST, Reply, Scripted},
};

/// A home with this registry as its source.
fn home(registry: &Scripted) -> Home {
    let home = Home::new();
    let folder = home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let text = format!("[[source]]\nname = \"told\"\ntype = \"oci\"\nurl = \"http://{}\"\n", registry.address);
    std::fs::write(folder.join("wharf.toml"), text).unwrap();
    home
}

fn json_of(output: &std::process::Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(output)))
}

/// The names in a list.
fn listed(home: &Home) -> Vec<String> {
    let rows = json_of(&home.run(&["images", "--json"]));
    let rows = rows.as_array().or_else(|| rows["images"].as_array()).cloned().unwrap_or_default();
    let mut names: Vec<String> = rows.iter().map(|row| row["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn a_list_is_read_to_its_end_however_its_pages_are_linked() {
    // The address of the next page, in the ways in which registries write it.
    for link in [
        "</v2/_catalog?last=b&n=2>; rel=\"next\"",
        "<http://elsewhere.invalid/v2/_catalog?last=b&n=2>; rel=\"next\"",
        "<?last=b&n=2>; rel=next",
        "<_catalog?last=b&n=2>; REL=\"next\"; title=\"x\"",
        "/v2/_catalog?last=b&n=2; rel=next",
    ] {
        let registry = Scripted::new();
        registry.answers(move |ask: &Ask| {
            (ask.path == "/v2/_catalog").then(|| match ask.value("last") {
                "" => Reply::json(200, &json!({"repositories": ["a", "b"]})).with("Link", link),
                _ => Reply::json(200, &json!({"repositories": ["b", "c", null]})),
            })
        });
        assert_eq!(listed(&home(&registry)), ["a", "b", "c"], "{link}");
    }
    // An empty page is not the end if another one follows; `null` is an empty page.
    let registry = Scripted::new();
    registry.answers(|ask: &Ask| {
        (ask.path == "/v2/_catalog").then(|| match ask.value("last") {
            "" => Reply::json(200, &json!({"repositories": null})).with("Link", "</v2/_catalog?last=x>; rel=\"next\""),
            _ => Reply::json(200, &json!({"repositories": ["z"]})),
        })
    });
    assert_eq!(listed(&home(&registry)), ["z"]);
}

#[test]
fn a_registry_may_ignore_or_refuse_the_number_that_it_is_asked_for() {
    let names = |range: std::ops::Range<usize>| range.map(|number| format!("r{number:05}")).collect::<Vec<_>>();
    // It ignores `n` and `last`, and gives everything each time.
    let all = names(0..1500);
    let registry = Scripted::new();
    let given = all.clone();
    registry.answers(move |ask: &Ask| {
        (ask.path == "/v2/_catalog").then(|| Reply::json(200, &json!({"repositories": given})))
    });
    assert_eq!(listed(&home(&registry)), all);
    assert!(registry.lines().iter().filter(|line| *line == "GET /v2/_catalog").count() <= 2);
    // It supports both, but gives no links.
    let registry = Scripted::new();
    let given = all.clone();
    registry.answers(move |ask: &Ask| {
        (ask.path == "/v2/_catalog").then(|| {
            let many = ask.value("n").parse().unwrap_or(100);
            let after = ask.value("last").to_owned();
            let page: Vec<&String> = given.iter().filter(|name| **name > after).take(many).collect();
            Reply::json(200, &json!({"repositories": page}))
        })
    });
    assert_eq!(listed(&home(&registry)), all);
    // It refuses any number, in one way or another.
    for status in [400, 416, 422] {
        let registry = Scripted::new();
        registry.answers(move |ask: &Ask| {
            (ask.path == "/v2/_catalog").then(|| {
                if ask.query.contains_key("n") {
                    Reply::error(status, "PAGINATION_NUMBER_INVALID")
                } else {
                    Reply::json(200, &json!({"repositories": ["only"]}))
                }
            })
        });
        assert_eq!(listed(&home(&registry)), ["only"], "{status}");
    }
}

#[test]
fn a_list_of_tags_may_hold_nulls_and_say_a_tag_twice() {
    for tags in [json!(["1", null, "2", "1"]), json!(null), json!([])] {
        let registry = Scripted::new();
        registry.image("a/b", Some("1"), "one");
        let given = tags.clone();
        registry.answers(move |ask: &Ask| {
            ask.path.ends_with("/tags/list").then(|| Reply::json(200, &json!({"name": "a/b", "tags": given})))
        });
        let home = home(&registry);
        let rows = json_of(&home.run(&["images", "--json"]));
        let rows = rows.as_array().or_else(|| rows["images"].as_array()).cloned().unwrap();
        let wanted = if tags[1].is_null() && tags[0].is_string() { json!(["1", "2"]) } else { json!([]) };
        assert_eq!(rows[0]["tags"], wanted, "{tags}");
    }
}

/// Pushes a copy of the starter image.
fn pushed(registry: &Scripted) -> Result<(), String> {
    let home = home(registry);
    let output = home.run(&["push", &lab::starter(), &format!("{}/c/d:1", registry.address)]);
    if output.status.success() { Ok(()) } else { Err(lab::complained(&output)) }
}

#[test]
fn an_upload_goes_on_wherever_the_last_answer_said() {
    // Relative, absolute, with its own query, and another one after each step.
    for form in 0..4 {
        let registry = Scripted::new();
        let (inner, step) = (registry.clone(), Arc::new(AtomicUsize::new(0)));
        registry.answers(move |ask: &Ask| {
            if !ask.path.contains("/blobs/uploads/") || ask.method == "DELETE" {
                return None;
            }
            let mut ask = ask.clone();
            // Only the address of the last step is valid.
            let wanted = step.load(Ordering::SeqCst).to_string();
            if ask.method != "POST" && form == 3 && ask.value("step") != wanted {
                return Some(Reply::error(404, "BLOB_UPLOAD_UNKNOWN"));
            }
            ask.path = ask.path.replace("/moved/", "/");
            let reply = inner.usual(&ask);
            let place = reply.headers.iter().find(|(name, _)| name == "Location").map(|(_, value)| value.clone());
            let Some(place) = place.filter(|place| place.contains("/uploads/")) else { return Some(reply) };
            let moved = match form {
                0 => place,
                1 => format!("http://{}{place}&token=a%2Fb%3D", inner.address),
                2 => place.rsplit_once("/v2/").map(|(_, rest)| format!("/v2/{rest}&x=%20")).unwrap(),
                _ => format!("{place}&step={}", step.fetch_add(1, Ordering::SeqCst) + 1),
            };
            Some(reply.without("Location").with("Location", moved))
        });
        if form == 3 {
            // Parallel uploads would change each other's step: one blob at a time.
            let home = home(&registry);
            let place = format!("{}/c/d:1", registry.address);
            let output = home.run(&["push", &lab::starter(), &place, "--parallel", "1"]);
            assert!(output.status.success(), "{}", lab::complained(&output));
        } else {
            pushed(&registry).unwrap_or_else(|said| panic!("{form}: {said}"));
        }
        assert!(registry.kept_manifest("c/d", "1").is_some(), "{form}");
    }
    // An upload that should continue at another server fails: nothing is sent there.
    let [registry, other] = [Scripted::new(), Scripted::new()];
    let elsewhere = other.address.replace("127.0.0.1", "localhost");
    registry.answers(move |ask: &Ask| {
        (ask.method == "POST")
            .then(|| Reply::new(202, "").with("Location", format!("http://{elsewhere}/v2/c/d/blobs/uploads/u1")))
    });
    let said = pushed(&registry).unwrap_err();
    assert!(said.contains("another server") && other.asked().is_empty(), "{said}");
}

#[test]
fn an_upload_may_be_answered_with_other_words_than_the_usual_ones() {
    // 201 or 204 where 202 is usual, 202 or 200 where 201 is, and no `Location` after a step.
    let registry = Scripted::new();
    let inner = registry.clone();
    registry.answers(move |ask: &Ask| {
        let uploads = ask.path.contains("/blobs/uploads/") && ask.method != "DELETE";
        let reply = uploads.then(|| inner.usual(ask))?;
        Some(match ask.method.as_str() {
            "PATCH" => Reply { status: 204, ..reply }.without("Location"),
            "PUT" => Reply { status: 202, ..reply }.without("Location"),
            // A client that sends chunks must make them as large as this: here a blob is always sent whole.
            _ => Reply { status: 201, ..reply }.with("OCI-Chunk-Min-Length", "16777216"),
        })
    });
    pushed(&registry).unwrap();
    let lines = registry.lines();
    let count =
        |method: &str| lines.iter().filter(|line| line.starts_with(method) && line.contains("/uploads/")).count();
    assert!(count("PATCH") > 0 && count("PATCH") == count("PUT"), "{lines:?}");
    // A registry that rewrites a manifest keeps another image.
    let registry = Scripted::new();
    registry.answers(|ask: &Ask| {
        (ask.method == "PUT" && ask.path.contains("/manifests/"))
            .then(|| Reply::new(201, "").with("Docker-Content-Digest", Digest::of(b"another").to_string()))
    });
    assert!(pushed(&registry).unwrap_err().contains("digest"));
}

#[test]
fn a_mount_that_is_refused_or_ignored_costs_the_bytes_and_nothing_else() {
    for mount in ["created", "accepted", "refused", "unknown"] {
        let registry = Scripted::new();
        registry.image("a/b", Some("1"), "mounted");
        let inner = registry.clone();
        registry.answers(move |ask: &Ask| {
            // Blobs belong to their repository, as the specification has it.
            if ask.method == "HEAD" && ask.path.starts_with("/v2/c/d/blobs/") {
                return Some(Reply::error(404, "BLOB_UNKNOWN"));
            }
            if !ask.query.contains_key("mount") {
                return None;
            }
            Some(match mount {
                "created" => Reply::new(201, "").with("Location", format!("/v2/c/d/blobs/{}", ask.value("mount"))),
                "accepted" => inner.usual(ask),
                "refused" => Reply::error(405, "UNSUPPORTED"),
                _ => Reply::error(404, "NAME_UNKNOWN"),
            })
        });
        let home = home(&registry);
        let (from, to) = (format!("{}/a/b:1", registry.address), format!("{}/c/d:1", registry.address));
        let output = home.run(&["copy", &from, &to]);
        assert!(output.status.success(), "{mount}: {}", lab::complained(&output));
        let lines = registry.lines();
        let sent = lines.iter().any(|line| line.starts_with("PATCH"));
        assert_eq!(sent, mount != "created", "{mount}: {lines:?}");
        let given_back = lines.iter().any(|line| line.starts_with("DELETE /v2/c/d/blobs/uploads/"));
        assert_eq!(given_back, mount == "accepted", "{mount}: {lines:?}");
    }
}

#[test]
fn a_manifest_is_what_it_says_whatever_its_head_leaves_out() {
    let registry = Scripted::new();
    let image = registry.image("a/b", Some("1"), "here");
    let home = home(&registry);
    let name = format!("{}/a/b:1", registry.address);
    let shown = || home.run(&["show", &name, "--json"]);
    let inner = registry.clone();
    for kind in [
        None,
        Some("application/json"),
        Some("text/plain; charset=utf-8"),
        Some("application/octet-stream"),
        Some(&*format!("{MANIFEST}; charset=utf-8")),
        Some(&*MANIFEST.to_uppercase().replace("APPLICATION", "Application")),
    ]
    .map(|kind| kind.map(str::to_owned))
    {
        let inner = inner.clone();
        let told = kind.clone();
        registry.answers(move |ask: &Ask| {
            let reply = ask.path.contains("/manifests/").then(|| inner.usual(ask))?;
            let reply = reply.without("Content-Type").without("Docker-Content-Digest");
            let reply = Reply { length: false, ..reply };
            Some(match &told {
                Some(kind) => reply.with("Content-Type", kind.clone()),
                None => reply,
            })
        });
        let shown = json_of(&shown());
        assert_eq!(shown["pinned"]["digest"], image["digest"], "{kind:?}");
    }
    // A digest that the bytes do not have is no honest answer.
    let broken = inner.clone();
    registry.answers(move |ask: &Ask| {
        let reply = ask.path.contains("/manifests/").then(|| broken.usual(ask))?;
        Some(reply.without("Docker-Content-Digest").with("Docker-Content-Digest", Digest::of(b"x").to_string()))
    });
    let output = shown();
    assert!(!output.status.success() && lab::complained(&output).contains("digest"), "{}", lab::complained(&output));
    // An unknown algorithm says nothing.
    registry.answers(move |ask: &Ask| {
        let reply = ask.path.contains("/manifests/").then(|| inner.usual(ask))?;
        Some(reply.without("Docker-Content-Digest").with("Docker-Content-Digest", "blake3:aa"))
    });
    assert!(shown().status.success());
}

#[test]
fn whoever_is_told_to_wait_waits_and_a_long_wait_is_told() {
    let registry = Scripted::new();
    registry.image("a/b", Some("1"), "here");
    let home = home(&registry);
    let name = format!("{}/a/b:1", registry.address);
    for (status, wait) in [(429, "1"), (429, "Wed, 21 Oct 2015 07:28:00 GMT"), (503, "0"), (502, "")] {
        let left = Arc::new(AtomicUsize::new(1));
        registry.answers(move |ask: &Ask| {
            let first = ask.path.contains("/manifests/") && left.swap(0, Ordering::SeqCst) == 1;
            first.then(|| match wait {
                "" => Reply::error(status, "UNAVAILABLE"),
                wait => Reply::error(status, "TOOMANYREQUESTS").with("Retry-After", wait),
            })
        });
        let output = home.run(&["show", &name]);
        assert!(output.status.success(), "{status} {wait}: {}", lab::complained(&output));
    }
    registry.answers(|ask: &Ask| {
        ask.path.contains("/manifests/").then(|| Reply::error(429, "TOOMANYREQUESTS").with("Retry-After", "3600"))
    });
    registry.asked();
    let output = home.run(&["show", &name]);
    assert_eq!(output.status.code(), Some(8));
    let said = lab::complained(&output);
    assert!(said.contains("toomanyrequests") && said.contains("3600 s"), "{said}");
    assert_eq!(registry.lines().len(), 1, "nobody asks again before");
}

#[test]
fn a_refusal_is_shown_in_the_registrys_words() {
    let registry = Scripted::new();
    let home = home(&registry);
    for (status, body, words) in [
        (404, json!({"errors": [{"code": "NAME_UNKNOWN", "message": "no such repository"}]}), "no such repository"),
        (403, json!({"errors": [{"code": "DENIED", "message": null, "detail": null}]}), "DENIED"),
        (400, json!({"errors": [{"code": "X", "message": "bad", "detail": "tag is \u{1b}[31mred"}]}), "bad: tag is"),
        (500, json!({"message": "out of order"}), "out of order"),
    ] {
        registry.answers(move |ask: &Ask| ask.path.contains("/manifests/").then(|| Reply::json(status, &body)));
        let said = lab::complained(&home.run(&["show", &format!("{}/a/b:1", registry.address)]));
        assert!(said.contains(words) && !said.contains('\u{1b}'), "{status}: {said}");
    }
}

#[test]
fn challenges_are_read_in_every_form() {
    let token = |ask: &Ask, wanted: &'static str| {
        let fits = ask.value("service") == "reg, istry" && ask.value("scope").contains("repository:a/b:pull");
        Reply::json(200, &json!({"token": if fits { wanted } else { "poor" }}))
    };
    for form in 0..4 {
        let registry = Scripted::new();
        registry.image("a/b", Some("1"), "here");
        let address = registry.address.clone();
        registry.answers(move |ask: &Ask| {
            if ask.path == "/token" {
                return Some(token(ask, "good"));
            }
            if ask.header("authorization") == "Bearer good" {
                return None;
            }
            let bearer = format!(
                r#"realm="http://{address}/token",service="reg, istry",scope="repository:a/b:pull",error="invalid_token""#
            );
            let refused = Reply::error(401, "UNAUTHORIZED");
            Some(match form {
                0 => refused.with("www-authenticate", format!("bEaReR {bearer}")),
                1 => refused.with("WWW-Authenticate", format!("Basic realm=\"x, y\", Bearer {bearer}")),
                2 => refused
                    .with("WWW-Authenticate", "Negotiate")
                    .with("WWW-Authenticate", "Basic realm=\"x\"")
                    .with("WWW-Authenticate", format!("Bearer {bearer}")),
                _ => {
                    let spaced = bearer.replace("\",", "\" ,\t").replace('=', " = ");
                    refused.with("WWW-Authenticate", format!("Bearer {spaced}"))
                }
            })
        });
        let output = home(&registry).run(&["show", &format!("{}/a/b:1", registry.address)]);
        assert!(output.status.success(), "{form}: {}", lab::complained(&output));
    }
}

#[test]
fn what_is_no_image_is_named_for_what_it_is_and_is_not_launched() {
    let registry = Scripted::new();
    let home = home(&registry);
    let empty = registry.blob("application/vnd.oci.empty.v1+json", b"{}");
    let helm = registry.blob("application/vnd.cncf.helm.config.v1+json", b"{\"name\":\"app\",\"version\":\"1.0.0\"}");
    let layer = |kind: &str| registry.blob(kind, kind.as_bytes());
    for (name, config, kind, content, word) in [
        ("chart", &helm, None, "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "Helm chart"),
        ("sbom", &empty, Some("application/vnd.cyclonedx+json"), "application/vnd.cyclonedx+json", "SBOM (CycloneDX)"),
        ("disk", &empty, Some("application/x-qcow2"), "application/octet-stream", "disk image"),
        ("odd", &empty, Some("application/vnd.example"), "text/plain", "artifact of type application/vnd.example"),
    ] {
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config,
            "layers": [layer(content)], "annotations": null});
        registry.put(name, Some("1"), &document);
        let at = format!("{}/{name}:1", registry.address);
        let shown = json_of(&home.run(&["show", &at, "--json"]));
        assert_eq!((&shown["kind"], &shown["artifact"]["name"]), (&json!("artifact"), &json!(word)), "{shown}");
        let said = lab::said(&home.run(&["show", &at]));
        assert!(said.contains(word) && !said.contains("root"), "{said}");
        let launched = home.run(&["launch", &at, "--plan"]);
        let said = lab::complained(&launched);
        assert!(!launched.status.success() && said.contains(word), "{name}: {said}");
        let file = home.path(name);
        let pulled = home.run(&["pull", &at, &format!("file:{}", file.display())]);
        assert!(pulled.status.success(), "{name}: {}", lab::complained(&pulled));
    }
    registry.image("app", Some("1"), "runs");
    let shown = json_of(&home.run(&["show", &format!("{}/app:1", registry.address), "--json"]));
    assert_eq!((&shown["kind"], &shown["artifact"]), (&json!("container"), &Value::Null));
}

#[test]
fn of_an_index_images_alone_are_offered_and_the_one_that_fits_is_taken() {
    let registry = Scripted::new();
    let home = home(&registry);
    let entry = |repository: &str, word: &str, platform: Value| {
        let mut entry = registry.image(repository, None, word);
        entry["platform"] = platform;
        entry
    };
    let linux = |architecture: &str, variant: Value| json!({"os": "linux", "architecture": architecture, "variant": variant, "os.features": null});
    let mut statement = entry("a/b", "statement", json!({"os": "unknown", "architecture": "unknown"}));
    statement["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest"});
    let unnamed = registry.image("a/b", None, "unnamed");
    let unknown = json!({"mediaType": "application/vnd.example.v1+json", "size": 2, "digest": Digest::of(b"{}"),
        "platform": {"os": "linux", "architecture": "amd64"}});
    let inner = json!({"schemaVersion": 2, "mediaType": crate::scripted::INDEX, "manifests": [
        entry("a/b", "v6", linux("arm", json!("v6"))), entry("a/b", "v7", linux("arm", json!("v7")))]});
    let inner = registry.put("a/b", None, &inner);
    let index = json!({"schemaVersion": 2, "mediaType": crate::scripted::INDEX, "manifests": [
        statement, unknown, entry("a/b", "amd64", linux("amd64", Value::Null)), inner, unnamed]});
    registry.put("a/b", Some("1"), &index);
    let show = |platform: &str| {
        json_of(&home.run(&["show", &format!("{}/a/b:1", registry.address), "--platform", platform, "--json"]))
    };
    for (platform, word) in
        [("linux/amd64", "amd64"), ("linux/arm/v7", "v7"), ("linux/arm/v6", "v6"), ("linux/arm", "v7")]
    {
        let shown = show(platform);
        assert_eq!(shown["config"]["command"], json!([word]), "{platform}: {shown}");
        let offered: Vec<&str> =
            shown["platforms"].as_array().unwrap().iter().map(|one| one["platform"].as_str().unwrap()).collect();
        assert!(offered.iter().all(|one| !one.contains("unknown")), "{offered:?}");
        assert!(offered.contains(&"linux/arm/v6"), "those of an index within it, too: {offered:?}");
    }
}
