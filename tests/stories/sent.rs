//! The whole way of a machine from one project to another, by registry and signed link: ada makes an image of a running
//! machine, pushes it, and sends a link; bob, whose clouds have other names, opens it, copies it into his cloud and boots it.
//! The connection is cut on the way, once in each direction.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    clouds::{Person, disk, openstack},
    lab::{self, complained, need, said},
    proxy::{self, Action, Proxy, Request},
};

/// Somebody whose only cloud is `entry` of the lab, under this name, with these registries.
fn person(entry: &str, name: &str, clouds: &str, registries: &[&str]) -> Person<'static> {
    let person = Person::new(entry, "");
    let file = person.home.path(".config/wharf/wharf.toml");
    let mut text = format!("[[source]]\nname = \"{name}\"\ntype = \"openstack\"\ncloud = \"{name}\"\n");
    for host in registries {
        text +=
            &format!("[[source]]\nname = \"{}\"\ntype = \"oci\"\nurl = \"http://{host}\"\n", host.replace(':', "-"));
    }
    std::fs::write(file, text).unwrap();
    let all = std::fs::read_to_string(clouds).unwrap();
    let body = all.lines().skip_while(|line| *line != format!("  {entry}:")).skip(1);
    let body: Vec<&str> = body.take_while(|line| line.starts_with("    ")).collect();
    let folder = person.home.path(".config/openstack");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("clouds.yaml"), format!("clouds:\n  {name}:\n{}\n", body.join("\n"))).unwrap();
    person
}

fn run(person: &Person<'_>, as_whom: &str, words: &[&str]) -> std::process::Output {
    let mut command = person.home.wharf(words);
    command.env("WHARF_PERSON", as_whom).output().unwrap()
}

fn done(person: &Person<'_>, as_whom: &str, words: &[&str]) -> String {
    let output = run(person, as_whom, words);
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}", complained(&output));
    said(&output)
}

fn json(person: &Person<'_>, as_whom: &str, words: &[&str]) -> serde_json::Value {
    serde_json::from_str(&done(person, as_whom, &[words, &["--json"]].concat())).unwrap()
}

/// A rule that cuts the first large upload and the first large download.
fn cut_once_each_way() -> impl Fn(&Request) -> Action + Send + Sync {
    let (up, down) = (AtomicUsize::new(0), AtomicUsize::new(0));
    move |request| {
        let large = request.path.contains("/blobs/");
        if request.method == "PATCH" && large && request.length > 1 << 20 && up.fetch_add(1, Ordering::SeqCst) == 0 {
            return Action::CutRequest(1 << 20);
        }
        // The first look at a layer is at its beginning alone.
        if request.method == "GET" && large && request.before == 1 && down.fetch_add(1, Ordering::SeqCst) == 0 {
            return Action::CutAnswer(1 << 20);
        }
        Action::Pass
    }
}

async fn registry(front: &str) -> Proxy {
    proxy::before(front, cut_once_each_way()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_goes_from_adas_project_to_bobs_by_a_registry_and_a_signed_link() {
    let (clouds, front) = (need!("WHARF_LAB_CLOUDS"), need!("WHARF_LAB_FRONT"));
    let proxy = registry(&front).await;
    let ada = person("alice", "physics", &clouds, &[&proxy.address]);
    let bob = person("bob", "home-cloud", &clouds, &[&proxy.address]);
    // A machine of ada's, and an image of it while it runs.
    let file = ada.home.path("machine.raw");
    disk(&file);
    let name = lab::fresh("sent");
    done(&ada, "ada", &["push", &file.display().to_string(), &format!("glance://physics/{name}")]);
    let launched = json(
        &ada,
        "ada",
        &["launch", &format!("glance://physics/{name}"), "--on", "physics", "--set", &format!("name={name}-server")],
    );
    let server = launched["id"].as_str().unwrap().to_owned();
    let made = json(&ada, "ada", &["snapshot", &server, &format!("{name}-snapshot")]);
    let snapshot = made["image"].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    assert!(done(&ada, "ada", &["show", &snapshot]).contains("made from"), "its lineage is told");
    // Into the registry, over a connection that breaks, and a link to it.
    let at = format!("{}/{}:1", proxy.address, lab::fresh("zz/sent/machine"));
    let pushed = json(&ada, "ada", &["copy", &snapshot, &at]);
    let link = done(&ada, "ada", &["share", &at, "--link", "--until", "7d"]).trim().to_owned();
    assert!(link.len() <= 500, "{} characters: {link}", link.len());
    // Bob knows ada's key from her; her clouds he does not know.
    let key = done(&ada, "ada", &["key"]);
    done(&bob, "bob", &["contacts", "add", "Ada", key.trim()]);
    let opened = done(&bob, "bob", &["open", &link]);
    assert!(opened.contains("from Ada (signed with their key)") && opened.contains("still points here"), "{opened}");
    assert!(opened.contains("made from") && opened.contains("until"), "{opened}");
    let verdict = run(&bob, "bob", &["verify", &at]);
    assert!(said(&verdict).contains("by the policy"), "{} {}", said(&verdict), complained(&verdict));
    // Into his cloud, over a connection that breaks, and booted there.
    let copy = format!("glance://home-cloud/{}", lab::fresh("from-ada"));
    let copied = json(&bob, "bob", &["copy", &link, &copy]);
    assert!(copied["outcome"]["moved"].as_u64().unwrap() >= 3 << 20, "{copied}");
    let running = json(&bob, "bob", &["launch", &copy, "--on", "home-cloud", "--set", &format!("name={name}-bobs")]);
    assert_eq!(running["state"], "running", "{running}");
    let shown = openstack(&clouds, "bob", &["server", "show", running["id"].as_str().unwrap()]);
    assert_eq!(shown["status"], "ACTIVE", "{shown}");
    // Both cuts have happened, and nothing waits.
    let cuts = |method: &str| proxy.count(method, "/blobs/");
    assert!(cuts("PATCH") > 1 && cuts("GET") > 2, "{} {} {pushed}", cuts("PATCH"), cuts("GET"));
    for (person, name) in [(&ada, "ada"), (&bob, "bob")] {
        assert!(done(person, name, &["transfers"]).contains("no transfer runs or waits"));
    }
    // The same bytes at every place: the layer of the registry and the hash of both clouds.
    let hash =
        |person: &Person<'_>, name: &str, image: &str| json(person, name, &["show", image])["pinned"]["digest"].clone();
    assert_eq!(hash(&ada, "ada", &snapshot), hash(&bob, "bob", &copy));
}
