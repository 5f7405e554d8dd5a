//! Harbor by its published API, in front of a real registry: lists, scans, signatures, quotas.

use crate::lab::{self, Home, need};

/// A person whose only source is a Harbor.
fn person(host: &str) -> Home {
    let home = Home::new();
    let folder = home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let source = format!("[[source]]\nname = \"site\"\ntype = \"harbor\"\nurl = \"http://{host}\"\n");
    std::fs::write(folder.join("wharf.toml"), source).unwrap();
    home
}

fn json(home: &Home, arguments: &[&str]) -> serde_json::Value {
    let output = home.run(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", lab::complained(&output)))
}

#[test]
fn projects_repositories_and_artifacts_are_listed_page_by_page() {
    let host = need!("WHARF_LAB_HARBOR");
    let home = person(&host);
    let all = json(&home, &["images", "--source", "site"]);
    let named = |name: &str| all.as_array().unwrap().iter().find(|row| row["name"] == name).cloned();
    // Three pages of a project with 230 repositories.
    assert!(named("bulk/tool000").is_some() && named("bulk/tool229").is_some());
    let gromacs = named("physics/gromacs").unwrap();
    assert!(gromacs["tags"].as_array().unwrap().contains(&"2024.1".into()), "{gromacs}");
    assert!(gromacs["size"].as_u64().unwrap() > 100_000 && gromacs["note"].as_str().unwrap().starts_with("7 pulls"));
    // A name of several parts is one part of a path in Harbor's API.
    let deep = named("team/nested/deep/tool").unwrap();
    assert_eq!(deep["tags"], serde_json::json!(["v1"]));
    let shown = json(&home, &["show", &format!("{host}/physics/gromacs:2024.1")]);
    assert_eq!(shown["kind"], "container");
    // First without an account; then signed in, with the quota of the project.
    let about = json(&home, &["sources"])[0]["health"].clone();
    assert_eq!((&about["account"], about["note"].as_str().unwrap()), (&"".into(), "Harbor v2.12.0-lab"));
    let mut login = home.wharf(&["login", "site", "--user", "lab", "--password-stdin"]);
    login.env("WHARF_SECRET_FILE", "yes");
    let done = lab::with_input(login, "labpass");
    assert_eq!(done.status.code(), Some(0), "{}", lab::complained(&done));
    let mut sources = home.wharf(&["sources", "--json"]);
    let said = sources.env("WHARF_SECRET_FILE", "yes").output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(said[0]["health"]["account"], "lab", "{said}");
    assert!(said[0]["health"]["note"].as_str().unwrap().contains("zz 3.00 GiB of 10.0 GiB"), "{said}");
}

#[test]
fn what_it_says_of_scans_and_signatures_is_asserted_by_the_source_and_a_scan_can_be_asked_for() {
    let host = need!("WHARF_LAB_HARBOR");
    let home = person(&host);
    // Evidence is about bytes, whatever their name is: these are two images.
    let other = format!("{host}/library/busybox:single");
    for (name, from, state) in [("zz/harbored", lab::starter(), "findings"), ("zz/harbored-clean", other, "partial")] {
        let image = format!("{host}/{}:1", lab::fresh(name));
        let pushed = home.run(&["copy", &from, &image]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        let records = |said: &serde_json::Value| -> Vec<serde_json::Value> {
            let all = said["records"].as_array().unwrap().iter();
            all.filter(|one| one["tool"].as_str().unwrap().starts_with("harbor")).cloned().collect()
        };
        // What the project's settings let pass is known at once; nobody has scanned this image yet.
        let mut verify = home.wharf(&["verify", &image, "--json"]);
        let first = verify.env("PATH", "/usr/bin:/bin").output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
        assert!(records(&said).iter().all(|one| one["outcome"]["scan"].is_null()), "{said}");
        assert!(said.to_string().contains("let_pass"), "{said}");
        // Requested again, Harbor is told to scan, and the result is awaited.
        let said = json(&home, &["verify", &image, "--again"]);
        let scan = records(&said).into_iter().find(|one| !one["outcome"]["scan"].is_null()).unwrap();
        assert_eq!((&scan["outcome"]["scan"]["state"], &scan["by"]), (&state.into(), &"source".into()), "{said}");
        assert_eq!(scan["tool"], "harbor Trivy v0.61.0");
        if state == "findings" {
            assert_eq!(scan["outcome"]["scan"]["counts"]["fixable_critical"], 1);
            assert!(!said.to_string().contains("\\u001b"), "text of a report is cleaned");
        }
        let words = lab::said(&home.run(&["verify", &image]));
        assert!(words.contains("asserted by the source"), "{words}");
    }
}

#[test]
fn what_was_shared_says_when_it_was_last_pulled() {
    let host = need!("WHARF_LAB_HARBOR");
    let (ada, bob) = (person(&host), person(&host));
    let (name, project) = (lab::fresh("pulled"), lab::fresh("zz-given"));
    let at = format!("{host}/zz/{name}:1");
    for words in [&["copy", &lab::starter(), &at][..], &["share", &at, "--to", &project]] {
        let done = ada.run(words);
        assert_eq!(done.status.code(), Some(0), "{words:?}: {}", lab::complained(&done));
    }
    let said = || lab::said(&ada.run(&["shared"]));
    // Looking at it pulls nothing, however often.
    for _ in 0..2 {
        assert!(said().contains("there, not pulled yet"), "{}", said());
    }
    assert_eq!(json(&ada, &["shared"])[0]["pulled"], "never");
    let pulled = bob.run(&["pull", &format!("{host}/{project}/{name}:1"), &bob.path("copy").display().to_string()]);
    assert_eq!(pulled.status.code(), Some(0), "{}", lab::complained(&pulled));
    assert!(said().contains("there, pulled just now"), "{}", said());
    let shared = json(&ada, &["shared"]);
    assert!(shared[0]["pulled"]["at"].as_str().unwrap().starts_with("20"), "{shared}");
}
