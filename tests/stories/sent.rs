//! The whole way of a machine from one project to another, by registry and signed link: ada makes an image of a running
//! machine, pushes it, and sends a link; bob, whose clouds have other names, opens it, copies it into his cloud and boots it.
//! The connection is cut on the way, once in each direction.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{
    clouds::{Person, disk, openstack},
    lab::{self, complained, need, said},
    proxy::{self, Action, Proxy, Request},
    pty::Screen,
    site::Mail,
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
    done(&ada, "ada", &["remove", &server]);
    done(&bob, "bob", &["remove", running["id"].as_str().unwrap()]);
}

/// The screens of a person, as they are at their desk.
fn screens(person: Person<'_>, as_whom: &str) -> Screen {
    // The folders that the command line has, too.
    let [cache, state] = ["cache", "state"].map(|name| person.home.path(name).display().to_string());
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(format!("{state}/welcome"), "closed\n").unwrap();
    let variables = [
        ("WHARF_DISCOVER", "no"),
        ("WHARF_SECRET_FILE", "yes"),
        ("WHARF_PERSON", as_whom),
        ("WHARF_CACHE_DIR", cache.as_str()),
        ("WHARF_STATE_DIR", state.as_str()),
    ];
    let screen = Screen::at_home(person.home, &[env!("CARGO_BIN_EXE_wharf")], 100, 30, &variables);
    screen.until("Images");
    screen
}

/// Narrows the list of images to the only one that these words fit.
fn find(screen: &mut Screen, words: &str) {
    screen.keys("1");
    screen.until("[1 Images");
    screen.keys(&format!("/\u{15}{words}\r"));
    screen.until(&format!("/ {words}"));
    screen.until(" 1 of ");
}

/// Moves down to the row that begins with these words: others run here, too.
fn select(screen: &mut Screen, words: &str) {
    for _ in 0..100 {
        if screen.text().contains(&format!("▌ {words}")) {
            return;
        }
        let before = screen.text();
        screen.keys("j");
        screen.read("", |text| (text != before).then_some(()));
    }
    panic!("'{words}' is no row:\n{}", screen.text());
}

/// The link in a letter, whose lines are folded for mail (RFC 2045, 6.7).
fn link_in(letter: &str) -> String {
    let whole = letter.replace("=\r\n", "").replace("=\n", "").replace("=3D", "=");
    let at = whole.find("wharf:oci://").unwrap_or_else(|| panic!("no link in it: {letter}"));
    whole[at..].split_whitespace().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_way_by_keys_in_two_terminals() {
    let (clouds, front) = (need!("WHARF_LAB_CLOUDS"), need!("WHARF_LAB_FRONT"));
    let _mail = need!("WHARF_LAB_MAIL");
    let proxy = registry(&front).await;
    let ada = person("alice", "physics", &clouds, &[&proxy.address]);
    let bob = person("bob", "home-cloud", &clouds, &[&proxy.address]);
    let mut server = Mail::new(ada.home.folder.path());
    server.start();
    let file = ada.home.path(".config/wharf/wharf.toml");
    let mail = format!("[notify]\nmail = \"smtp://127.0.0.1:{}\"\nfrom = \"wharf@site.example\"\n", server.port);
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &mail).unwrap();
    // A machine of ada's runs, and bob has her key.
    let (disk_file, name) = (ada.home.path("machine.raw"), lab::fresh("keys"));
    disk(&disk_file);
    let own = format!("glance://physics/{name}");
    done(&ada, "ada", &["push", &disk_file.display().to_string(), &own]);
    // Short, so that no column cuts it.
    let machine = format!("ada-{}", &name[name.len() - 9..]);
    done(&ada, "ada", &["launch", &own, "--on", "physics", "--set", &format!("name={machine}")]);
    let key = done(&ada, "ada", &["key"]);
    done(&bob, "bob", &["contacts", "add", "Ada", key.trim()]);
    // Ada makes an image of it, copies that into the registry, and sends a link to bob.
    let mut ada = screens(ada, "ada");
    ada.keys("2");
    ada.until("[2 Workloads");
    ada.until(&machine);
    select(&mut ada, &machine);
    ada.answers("I");
    ada.until("Name of the image of");
    ada.answers(&format!("\u{15}{name}-image\r"));
    ada.until("nobody  it stays in your project");
    ada.answers("\r");
    ada.until("is glance://physics/");
    find(&mut ada, &format!("{name}-image"));
    ada.answers("C");
    ada.until("into a file here");
    ada.until(", biology  oci://");
    let repository = lab::fresh("zz/sent/by-keys");
    ada.answers(&format!("{}/{repository}:1\r", proxy.address));
    ada.until("MiB moved");
    find(&mut ada, &repository);
    ada.answers("s");
    ada.until("1 To whom");
    ada.answers("bob@site.example\r");
    ada.until("✓ can be done");
    ada.until("by the site's mail");
    ada.answers("\r");
    ada.until("the link was sent");
    let link = link_in(server.letters("bob@site.example").first().unwrap());
    assert!(link.len() <= 500 && link.contains("&sig="), "{link}");
    // Bob opens it, sees who sent it and what the policy says, copies it into his cloud, and boots it.
    let mut bob = screens(bob, "bob");
    bob.keys("p");
    bob.until("Paste a link");
    bob.answers(&format!("\u{1b}[200~{link}\u{1b}[201~\r"));
    bob.until("from Ada (signed with their key)");
    bob.until("the tag still points here");
    bob.until("Verdict");
    bob.answers("C");
    bob.until("to the cloud home-cloud");
    let copy = lab::fresh("from-ada");
    bob.answers(&format!("glance://home-cloud/{copy}\r"));
    bob.until("MiB moved");
    find(&mut bob, &format!("source:home-cloud {copy}"));
    bob.answers("l");
    bob.until("What happens");
    bob.until("L launch now");
    bob.answers("L");
    bob.until("● running on home-cloud");
    let servers = openstack(&clouds, "bob", &["server", "list", "--name", &copy]);
    assert_eq!(servers[0]["Status"], "ACTIVE", "{servers}");
    let cuts = |method: &str| proxy.count(method, "/blobs/");
    assert!(cuts("PATCH") > 1 && cuts("GET") > 2, "{} {}", cuts("PATCH"), cuts("GET"));
    // Both remove what they have started: from its page, and from the list.
    bob.answers("x");
    bob.until("with its");
    bob.answers("y");
    bob.until("removed");
    ada.keys("2");
    ada.until("[2 Workloads");
    select(&mut ada, &machine);
    ada.answers("x");
    ada.until("with its");
    ada.answers("y");
    ada.until("removed");
}
