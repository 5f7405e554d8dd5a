//! A site's mirror: images of another registry, by digest and with what is attached to them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::{
    lab::{self, Home, complained, need, said},
    proxy::{self, Action},
    scripted::{Ask, INDEX, Scripted},
    transfers::layout,
};

fn home(hosts: &[&str], list: &str) -> Home {
    let source = |host: &&str| {
        format!("[[source]]\nname = \"{}\"\ntype = \"oci\"\nurl = \"http://{host}\"\n", host.replace(':', "-"))
    };
    let home = Home::configured(&hosts.iter().map(source).collect::<String>());
    std::fs::write(home.path("mirror.toml"), list).unwrap();
    home
}

fn round(home: &Home) -> (Option<i32>, Vec<serde_json::Value>) {
    let list = home.path("mirror.toml").display().to_string();
    let output = home.run(&["mirror", &list, "--once", "--json"]);
    let lines = said(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code(), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_round_copies_what_has_changed_with_its_attachments_and_nothing_else() {
    let open = need!("WHARF_LAB_OPEN");
    let outside = proxy::before(&open, |_| Action::Pass).await;
    let (repository, project) = (lab::fresh("zz/outside/tool"), lab::fresh("zz/mirror"));
    let list = format!(
        "into = \"{open}/{project}\"\n[[image]]\nname = \"{}/{repository}\"\ntags = [\"1\", \"2\"]\nto = \"tool\"\n",
        outside.address
    );
    let home = home(&[&open, &outside.address], &list);
    let from = layout(&home, 2 << 20).to_string();
    for tag in ["1", "2"] {
        assert_eq!(home.run(&["push", &from, &format!("{open}/{repository}:{tag}")]).status.code(), Some(0));
    }
    let key = home.path("own.key").display().to_string();
    assert_eq!(home.run(&["key", "new", &key]).status.code(), Some(0));
    let signed = home.run(&["sign", &format!("{open}/{repository}:1"), "--key", &key]);
    assert_eq!(signed.status.code(), Some(0), "{}", complained(&signed));
    let (code, first) = round(&home);
    assert_eq!((code, first.len()), (Some(0), 2), "{first:?}");
    assert!(first.iter().all(|one| one["mirrored"]["result"] == "copied"), "{first:?}");
    assert!(first.iter().any(|one| one["mirrored"]["outcome"]["attachments"] == 1), "{first:?}");
    let shown = home.run(&["show", &format!("{open}/{project}/tool:1")]);
    assert_eq!(shown.status.code(), Some(0), "{}", complained(&shown));
    // Where nothing has changed, no manifest is read outside: registries count those.
    let before = outside.count("GET", "/manifests/");
    let (code, second) = round(&home);
    assert_eq!(code, Some(0));
    assert!(second.iter().all(|one| one["mirrored"]["result"] == "same"), "{second:?}");
    assert_eq!(outside.count("GET", "/manifests/"), before);
    // What is signed after the round is signed here after the next one.
    let other = home.path("other.key").display().to_string();
    assert_eq!(home.run(&["key", "new", &other]).status.code(), Some(0));
    let signed = home.run(&["sign", &format!("{open}/{repository}:2"), "--key", &other]);
    assert_eq!(signed.status.code(), Some(0), "{}", complained(&signed));
    let (_, later) = round(&home);
    let two = later.iter().find(|one| one["from"].as_str().unwrap().ends_with(":2")).unwrap();
    assert_eq!(two["mirrored"]["outcome"]["attachments"], 1, "{two}");
    // A tag that moves is followed.
    let newer = layout(&home, 3 << 20).to_string();
    assert_eq!(home.run(&["push", &newer, &format!("{open}/{repository}:2")]).status.code(), Some(0));
    let (_, third) = round(&home);
    let results: Vec<&str> = third.iter().map(|one| one["mirrored"]["result"].as_str().unwrap()).collect();
    assert_eq!(results.iter().filter(|one| **one == "copied").count(), 1, "{third:?}");
}

#[test]
fn a_steward_keeps_the_mirror_when_that_is_due_and_the_store_knows_who_is_left_alone() {
    let [outside, inside] = [Scripted::new(), Scripted::new()];
    outside.image("out/tool", Some("1"), "one");
    let list = format!(
        "into = \"{}/mirror\"\n[[image]]\nname = \"{}/out/tool\"\ntags = [\"1\"]\nto = \"tool\"\n",
        inside.address, outside.address
    );
    let site = || {
        let home = home(&[&inside.address, &outside.address], &list);
        let file = home.path(".config/wharf/wharf.toml");
        let known = std::fs::read_to_string(&file).unwrap();
        let mirror = format!("[mirror]\nlist = \"{}\"\n", home.path("mirror.toml").display());
        std::fs::write(file, known + &mirror).unwrap();
        home
    };
    let works = |home: &Home| {
        let output = home.run(&["steward", "--once", "--json"]);
        let round: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)));
        round["mirrored"].as_array().unwrap().iter().map(|line| line.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let busy = site();
    let doctor = |home: &Home| {
        let findings: Vec<serde_json::Value> = serde_json::from_str(&said(&home.run(&["doctor", "--json"]))).unwrap();
        let mirror = findings.iter().find(|one| one["what"] == "mirror").unwrap();
        mirror["found"].as_str().unwrap().to_owned()
    };
    assert!(doctor(&busy).contains("no steward has gone through the list yet"));
    outside.answers(|_| Some(crate::scripted::Reply::error(429, "TOOMANYREQUESTS").with("Retry-After", "3600")));
    let lines = works(&busy);
    assert!(lines.len() == 1 && lines[0].contains("later: ") && lines[0].contains("asked again at"), "{lines:?}");
    assert!(doctor(&busy).contains("1 later"), "{}", doctor(&busy));
    // Another steward of the site does not ask either, and neither does this one after a restart.
    outside.answers(|_| None);
    outside.asked();
    assert!(works(&busy).is_empty());
    assert!(outside.asked().is_empty(), "it wants to be left alone");
    let well = site();
    let lines = works(&well);
    assert!(lines.len() == 1 && lines[0].contains("copied"), "{lines:?}");
    assert!(inside.kept_manifest("mirror/tool", "1").is_some());
    outside.asked();
    assert!(works(&well).is_empty());
    assert!(outside.asked().is_empty(), "the next round is not due yet");
    assert!(doctor(&well).contains("1 copied"), "{}", doctor(&well));
}

#[test]
fn where_few_pulls_are_left_people_keep_them() {
    let [outside, inside] = [Scripted::new(), Scripted::new()];
    outside.image("out/tool", Some("1"), "one");
    outside.image("out/tool", Some("2"), "two");
    let list = |tags: &str| {
        format!(
            "into = \"{}/mirror\"\n[[image]]\nname = \"{}/out/tool\"\ntags = [{tags}]\nto = \"tool\"\n",
            inside.address, outside.address
        )
    };
    let home = home(&[&inside.address, &outside.address], &list("\"1\""));
    assert_eq!(round(&home).0, Some(0));
    let says = |left: &'static str| {
        let usual = outside.clone();
        outside.answers(move |ask: &Ask| {
            let reply = usual.usual(ask).with("RateLimit-Limit", "100;w=21600");
            Some(reply.with("RateLimit-Remaining", left))
        });
    };
    says("20;w=21600");
    std::fs::write(home.path("mirror.toml"), list("\"1\", \"2\"")).unwrap();
    outside.asked();
    let (code, results) = round(&home);
    let result =
        |of: &str| results.iter().find(|one| one["from"].as_str().unwrap().ends_with(of)).unwrap()["mirrored"].clone();
    // What is there already is seen by small questions; nothing is pulled.
    assert_eq!((code, result(":1")["result"].as_str()), (Some(1), Some("same")));
    assert_eq!(result(":2")["result"], "later", "{results:?}");
    assert!(result(":2")["why"].as_str().unwrap().contains("20 of 100 pulls left"), "{results:?}");
    let read = outside.asked();
    assert!(!read.iter().any(|ask| ask.method == "GET" && ask.path.contains("/manifests/")), "{read:?}");
    says("80;w=21600");
    let (code, results) = round(&home);
    assert_eq!(code, Some(0), "{results:?}");
}

#[test]
fn of_chosen_platforms_a_later_run_knows_what_the_copy_was_made_of() {
    let [outside, inside] = [Scripted::new(), Scripted::new()];
    let index = |version: &str| {
        let entries: Vec<_> = ["amd64", "arm64", "ppc64le"]
            .map(|architecture| {
                let mut image = outside.image("out/tool", None, &format!("{architecture} {version}"));
                image["platform"] = serde_json::json!({"os": "linux", "architecture": architecture});
                image
            })
            .into();
        outside.put(
            "out/tool",
            Some("1"),
            &serde_json::json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}),
        );
        entries
    };
    let list = |platforms: &str| {
        format!(
            "into = \"{}/mirror\"\n[[image]]\nname = \"{}/out/tool\"\ntags = [\"1\"]\nto = \"tool\"\nplatforms = [{platforms}]\n",
            inside.address, outside.address
        )
    };
    let entries = index("old");
    let home = home(&[&inside.address, &outside.address], &list("\"linux/amd64\""));
    let results = |home: &Home| {
        let (code, results) = round(home);
        assert_eq!(code, Some(0), "{results:?}");
        results[0]["mirrored"]["result"].as_str().unwrap().to_owned()
    };
    assert_eq!(results(&home), "copied");
    // The tag is an index that lists this platform alone, by the digest that it has outside.
    let kept = inside.kept_manifest("mirror/tool", "1").unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["manifests"].as_array().unwrap().len(), 1, "{kept}");
    assert_eq!(kept["manifests"][0]["digest"], entries[0]["digest"]);
    // Another run asks small questions outside, reads no manifest there, and writes nothing here.
    outside.asked();
    inside.asked();
    assert_eq!(results(&home), "same");
    let read = outside.asked();
    assert!(!read.iter().any(|ask| ask.method == "GET" && ask.path.contains("/manifests/")), "{read:?}");
    assert!(!inside.asked().iter().any(|ask| ask.method == "PUT"), "nothing was written");
    // A tag that moves is followed, and so are platforms that are chosen later.
    index("new");
    assert_eq!((results(&home), results(&home)), ("copied".to_owned(), "same".to_owned()));
    std::fs::write(home.path("mirror.toml"), list("\"linux/amd64\", \"linux/arm64\"")).unwrap();
    assert_eq!((results(&home), results(&home)), ("copied".to_owned(), "same".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_asked_too_often_is_left_alone_and_a_large_image_is_not_taken() {
    let open = need!("WHARF_LAB_OPEN");
    let (asked, busy) = (std::sync::Arc::new(AtomicUsize::new(0)), std::sync::Arc::new(AtomicBool::new(true)));
    let (count, shut) = (asked.clone(), busy.clone());
    let outside = proxy::before(&open, move |_| {
        count.fetch_add(1, Ordering::SeqCst);
        if shut.load(Ordering::SeqCst) {
            return Action::Answer("429 Too Many Requests\r\nRetry-After: 3600".to_owned());
        }
        Action::Pass
    })
    .await;
    let (repository, project) = (lab::fresh("zz/outside/busy"), lab::fresh("zz/mirror"));
    let tags: Vec<String> = (0..40).map(|tag| format!("\"{tag}\"")).collect();
    let list = format!(
        "into = \"{open}/{project}\"\nlargest_mib = 1\n[[image]]\nname = \"{}/{repository}\"\ntags = [{}]\n",
        outside.address,
        tags.join(", ")
    );
    let home = home(&[&open, &outside.address], &list);
    let from = layout(&home, 2 << 20).to_string();
    assert_eq!(home.run(&["push", &from, &format!("{open}/{repository}:0")]).status.code(), Some(0));
    let (code, results) = round(&home);
    assert_eq!(code, Some(1));
    assert!(results.iter().all(|one| one["mirrored"]["result"] == "later"), "{results:?}");
    // It is left alone as long as it asked for.
    let now = wharf::core::base::text::now();
    let again = |one: &serde_json::Value| one["mirrored"]["again"].as_i64().unwrap() - now;
    assert!(results.iter().all(|one| (3500..=3600).contains(&again(one))), "{results:?}");
    // Only those that were under way already ask; the other 36 do not.
    let requests = asked.load(Ordering::SeqCst);
    assert!(requests <= 4 * 6, "{requests} requests to a registry that wants none");
    busy.store(false, Ordering::SeqCst);
    let (_, results) = round(&home);
    let large = results.iter().find(|one| one["from"].as_str().unwrap().ends_with(":0")).unwrap();
    assert_eq!(large["mirrored"]["result"], "failed", "{large}");
    assert!(large["mirrored"]["why"].as_str().unwrap().contains("are not taken"), "{large}");
}
