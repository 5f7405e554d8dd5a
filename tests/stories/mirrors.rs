//! Mirrors of registries and the meaning of short names, as a machine configures them in registries.conf.

use std::{net::TcpListener, sync::Arc, time::Duration};

use serde_json::Value;

use crate::{
    lab::{self, Home},
    scripted::{Ask, Reply, Scripted},
};

/// A home with this registries.conf.
fn home(conf: &str) -> Home {
    let home = Home::new();
    let file = home.path(".config/containers/registries.conf");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(file, conf).unwrap();
    home
}

/// An entry of registries.conf with its mirrors.
pub(crate) fn entry(prefix: &str, location: &str, more: &str, mirrors: &[(&str, &str)]) -> String {
    let mut text = format!("[[registry]]\nprefix = \"{prefix}\"\nlocation = \"{location}\"\ninsecure = true\n{more}\n");
    for (location, more) in mirrors {
        text += &format!("[[registry.mirror]]\nlocation = \"{location}\"\ninsecure = true\n{more}\n");
    }
    text
}

/// What is shown of an image, and the command that it runs.
fn command(home: &Home, reference: &str) -> (String, String) {
    let output = home.run(&["show", reference, "--json"]);
    let image: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&image["reference"]), text(&image["config"]["command"][0]))
}

#[test]
fn mirrors_are_asked_in_their_order_and_the_name_stays() {
    let [poor, good, place] = [Scripted::new(), Scripted::new(), Scripted::new()];
    good.image("copy/b", Some("1"), "mirrored");
    place.image("a/b", Some("1"), "original");
    place.image("a/c", Some("1"), "original");
    let name = format!("{}/a", place.address);
    let conf =
        entry(&name, &name, "", &[(&format!("{}/x", poor.address), ""), (&format!("{}/copy", good.address), "")]);
    let home = home(&conf);
    let (reference, runs) = command(&home, &format!("{name}/b:1"));
    assert_eq!((reference.as_str(), runs.as_str()), (&*format!("oci://{name}/b:1"), "mirrored"));
    let asked = poor.lines();
    assert_eq!(asked[0], "GET /v2/x/b/manifests/1", "{asked:?}");
    let asked = place.lines();
    assert!(asked.is_empty(), "what a mirror has is not asked for again: {asked:?}");
    assert!(good.lines().iter().all(|line| line.starts_with("GET /v2/copy/b/")));
    // What no mirror has is read from the registry itself.
    assert_eq!(command(&home, &format!("{name}/c:1")).1, "original");
    assert!(!poor.lines().is_empty() && !good.lines().is_empty());
    // An image that is nowhere is not found; the mirrors' answers are reported.
    let missing = home.run(&["show", &format!("{name}/none:1")]);
    assert_eq!(missing.status.code(), Some(6), "{}", lab::complained(&missing));
    assert!(lab::complained(&missing).contains(&poor.address), "{}", lab::complained(&missing));
}

#[test]
fn a_mirror_for_digests_or_tags_is_asked_for_these_alone() {
    let [mirror, place] = [Scripted::new(), Scripted::new()];
    let image = place.image("a/b", Some("1"), "original");
    mirror.image("a/b", Some("1"), "original");
    let digest = image["digest"].as_str().unwrap();
    let address = &place.address;
    let manifests = |lines: Vec<String>| lines.iter().filter(|line| line.contains("/manifests/")).count();
    for (whole, each, by_tag, by_digest) in [
        ("", "pull-from-mirror = \"all\"", 1, 1),
        ("", "pull-from-mirror = \"digest-only\"", 0, 1),
        ("", "pull-from-mirror = \"tag-only\"", 1, 0),
        ("mirror-by-digest-only = true", "", 0, 1),
    ] {
        let home = home(&entry(address, address, whole, &[(&mirror.address, each)]));
        assert_eq!(command(&home, &format!("{address}/a/b:1")).1, "original");
        assert_eq!(manifests(mirror.lines()), by_tag, "{whole}{each} by tag");
        assert_eq!(command(&home, &format!("{address}/a/b@{digest}")).1, "original");
        assert_eq!(manifests(mirror.lines()), by_digest, "{whole}{each} by digest");
    }
}

#[test]
fn a_mirror_that_gave_what_a_tag_means_gives_what_is_in_it() {
    let [mirror, place] = [Scripted::new(), Scripted::new()];
    let mut image = mirror.image("a/b", None, "mirrored");
    image["platform"] = serde_json::json!({"os": "linux", "architecture": "amd64"});
    let index = serde_json::json!({"schemaVersion": 2, "mediaType": crate::scripted::INDEX, "manifests": [image]});
    mirror.put("a/b", Some("1"), &index);
    let address = &place.address;
    let home = home(&entry(address, address, "", &[(&mirror.address, "pull-from-mirror = \"tag-only\"")]));
    let shown = home.run(&["show", &format!("{address}/a/b:1"), "--platform", "linux/amd64"]);
    assert!(shown.status.success(), "{}", lab::complained(&shown));
    assert!(lab::said(&shown).contains("mirrored"));
}

#[test]
fn what_a_mirror_gives_wrongly_is_not_taken() {
    let [mirror, place] = [Scripted::new(), Scripted::new()];
    let image = place.image("a/b", Some("1"), "original");
    mirror.image("a/b", Some("1"), "original");
    let address = &place.address;
    let home = home(&entry(address, address, "", &[(&mirror.address, "")]));
    let pinned = format!("{address}/a/b@{}", image["digest"].as_str().unwrap());
    // Another manifest, other blobs, or blobs that never end.
    for begin in ["/v2/a/b/manifests/", "/v2/a/b/blobs/"] {
        for wrong in [Vec::from(*b"{}"), vec![b'x'; 1 << 20], Vec::new()] {
            mirror.answers(move |ask: &Ask| ask.path.starts_with(begin).then(|| Reply::new(200, wrong.clone())));
            assert_eq!(command(&home, &pinned).1, "original", "{begin}");
            let target = home.path(&lab::fresh("pulled"));
            let pulled = home.run(&["pull", &pinned, &format!("file:{}:1", target.display())]);
            assert!(pulled.status.success(), "{begin}: {}", lab::complained(&pulled));
            assert!(!mirror.lines().is_empty(), "it was asked");
        }
    }
}

#[test]
fn a_mirror_that_is_dead_or_silent_costs_one_short_wait() {
    let place = Scripted::new();
    place.image("a/b", Some("1"), "original");
    let address = &place.address;
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
    let (log, there) = (asked.clone(), silent.local_addr().unwrap().to_string());
    std::thread::spawn(move || {
        // Every connection is kept open and never answered.
        for stream in silent.incoming().flatten() {
            log.lock().unwrap().push(stream);
        }
    });
    let home = home(&entry(address, address, "", &[(&dead, ""), (&there, "")]));
    let begun = std::time::Instant::now();
    assert_eq!(command(&home, &format!("{address}/a/b:1")).1, "original");
    assert!(begun.elapsed() < Duration::from_secs(12), "{:?}", begun.elapsed());
    // One request to learn the authentication, and one for the manifest.
    assert!(asked.lock().unwrap().len() <= 2, "it is left alone after that");
}

#[test]
fn a_name_is_read_at_its_location_and_written_where_it_says() {
    let [place, own] = [Scripted::new(), Scripted::new()];
    place.image("in/b", Some("1"), "inside");
    let home = home(&format!(
        "{}{}",
        entry("name.invalid/a", &format!("{}/in", place.address), "", &[]),
        entry(&own.address, &own.address, "", &[(&place.address, "")]),
    ));
    let (reference, runs) = command(&home, "name.invalid/a/b:1");
    assert_eq!((reference.as_str(), runs.as_str()), ("oci://name.invalid/a/b:1", "inside"));
    let pushed = home.run(&["push", &lab::starter(), &format!("{}/c/d:1", own.address)]);
    assert!(pushed.status.success(), "{}", lab::complained(&pushed));
    assert!(own.kept_manifest("c/d", "1").is_some() && place.kept_manifest("c/d", "1").is_none());
    assert!(place.asked().iter().all(|ask| ask.method == "GET" || ask.method == "HEAD"), "nothing is written there");
}

#[test]
fn of_a_blocked_registry_a_mirror_may_still_be_read() {
    let [mirror, place] = [Scripted::new(), Scripted::new()];
    mirror.image("a/b", Some("1"), "mirrored");
    let address = &place.address;
    let home = home(&entry(address, address, "blocked = true", &[(&mirror.address, "")]));
    assert_eq!(command(&home, &format!("{address}/a/b:1")).1, "mirrored");
    let missing = home.run(&["show", &format!("{address}/a/c:1")]);
    assert_eq!(missing.status.code(), Some(7), "{}", lab::complained(&missing));
    assert!(lab::complained(&missing).contains("is blocked by"), "{}", lab::complained(&missing));
    assert!(place.lines().is_empty(), "what is blocked is not asked");
}

#[test]
fn a_short_name_means_what_it_means_to_podman() {
    let [first, second] = [Scripted::new(), Scripted::new()];
    second.image("tool", Some("1"), "second");
    second.image("other/thing", Some("1"), "aliased");
    let search = format!("unqualified-search-registries = [\"{}\", \"{}\"]\n", first.address, second.address);
    let alias = format!("[aliases]\n\"thing\" = \"{}/other/thing\"\n", second.address);
    let registries = [&first, &second].map(|one| entry(&one.address, &one.address, "", &[])).concat();
    let seen = home(&format!("{search}{registries}{alias}"));
    assert_eq!(command(&seen, "thing:1"), (format!("oci://{}/other/thing:1", second.address), "aliased".to_owned()));
    assert!(first.lines().is_empty(), "an alias counts before every registry");
    assert_eq!(command(&seen, "tool:1"), (format!("oci://{}/tool:1", second.address), "second".to_owned()));
    assert_eq!(first.lines(), ["GET /v2/tool/manifests/1"]);
    let none = seen.run(&["show", "nothing:1"]);
    assert_eq!(none.status.code(), Some(6), "{}", lab::complained(&none));
    // If guessing is not allowed, all possible meanings are listed.
    let strict = home(&format!("{search}short-name-mode = \"enforcing\"\n{registries}"));
    let asked = strict.run(&["show", "tool:1"]);
    assert_eq!(asked.status.code(), Some(2), "{}", lab::complained(&asked));
    let said = lab::complained(&asked);
    assert!(said.contains(&format!("{}/tool:1 or {}/tool:1", first.address, second.address)), "{said}");
}
