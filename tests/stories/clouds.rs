//! A real cloud: alice (physics) and bob (biology) share, accept, launch and snapshot; both sides see the same.
//!
//! The program itself, in a home of its own, against the OpenStack of `tests/lab/openstack`.

use std::{
    path::Path,
    process::{Command, Output},
};

use crate::lab::{self, Home, need};

/// One person's program: only their cloud is configured.
pub(crate) struct Person<'a> {
    pub home: Home,
    clouds: &'a str,
}

impl<'a> Person<'a> {
    pub(crate) fn new(cloud: &str, clouds: &'a str) -> Self {
        let home = Home::new();
        let folder = home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let person = Self { home, clouds };
        std::fs::write(folder.join("wharf.toml"), "").unwrap();
        person.with("site", cloud)
    }

    /// The same person at one more cloud.
    fn with(self, name: &str, cloud: &str) -> Self {
        let file = self.home.path(".config/wharf/wharf.toml");
        let source = format!("[[source]]\nname = \"{name}\"\ntype = \"openstack\"\nurl = \"{cloud}\"\n");
        std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + &source).unwrap();
        self
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.wharf(arguments);
        command.env("OS_CLIENT_CONFIG_FILE", self.clouds);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Output in JSON of a call that must succeed.
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", lab::complained(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", lab::said(&output)))
    }

    fn names(&self) -> Vec<String> {
        let all = self.json(&["images", "--source", "site"]);
        all.as_array().unwrap().iter().map(|image| image["name"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn project(&self) -> String {
        // On a busy machine the lab's cloud may take longer than a question about its health may.
        let mut asked = 0;
        loop {
            let sources = self.json(&["sources"]);
            if let Some(note) = sources[0]["health"]["note"].as_str() {
                return note.split(' ').nth(2).unwrap().to_owned();
            }
            asked += 1;
            assert!(asked < 8, "{sources}");
        }
    }
}

/// Output of `openstack` itself, to see that both sides agree.
pub(crate) fn openstack(clouds: &str, cloud: &str, arguments: &[&str]) -> serde_json::Value {
    try_openstack(clouds, cloud, arguments).unwrap_or_else(|complaint| panic!("{arguments:?}: {complaint}"))
}

fn try_openstack(clouds: &str, cloud: &str, arguments: &[&str]) -> Result<serde_json::Value, String> {
    // Debian's own Python: the packages are not installed for any other.
    let home = tempfile::tempdir().unwrap();
    let mut command = Command::new("/usr/bin/openstack");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("OS_CLIENT_CONFIG_FILE", clouds).env("HOME", home.path());
    let output = command.args(["--os-cloud", cloud]).args(arguments).args(["-f", "json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).map_err(|_| lab::complained(&output))
}

/// A new application credential of alice. Keystone was once seen to answer under load that she does not have a role that
/// her token has; such an answer, and no other, is asked again.
fn application_credential(clouds: &str, name: &str) -> serde_json::Value {
    let create = || try_openstack(clouds, "alice", &["application", "credential", "create", name]);
    let mut made = create();
    for _ in 0..4 {
        match &made {
            Err(complaint) if complaint.contains("Could not find role assignment") => made = create(),
            _ => break,
        }
    }
    made.unwrap_or_else(|complaint| panic!("{complaint}"))
}

/// A disk with a boot sector, and different bytes in each run.
pub(crate) fn disk(path: &Path) {
    let mut bytes = vec![0; 3 << 20];
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    let stamp = format!("{:?}", std::time::SystemTime::now());
    bytes[1024..1024 + stamp.len()].copy_from_slice(stamp.as_bytes());
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn an_image_is_uploaded_shared_accepted_launched_and_its_snapshot_comes_back() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let file = alice.home.path("story.raw");
    disk(&file);
    let file = file.display().to_string();
    let (name, server_name) = (lab::fresh("story"), lab::fresh("story-server"));
    let (named, snapshot_name) = (format!("glance://site/{name}"), lab::fresh("story-snapshot"));
    // Uploaded once, however often it is pushed.
    let first = alice.json(&["push", &file, &named]);
    let warned = alice.run(&["push", &file, &named]);
    assert!(lab::complained(&warned).contains("if this breaks, it begins again"), "{}", lab::complained(&warned));
    let again = alice.json(&["push", &file, &named]);
    assert_eq!((&again["outcome"]["digest"], &again["outcome"]["moved"]), (&first["outcome"]["digest"], &0.into()));
    let shown = alice.json(&["show", &named]);
    assert_eq!(shown["pinned"]["digest"], first["outcome"]["digest"], "the cloud's hash is ours");
    assert_eq!((&shown["kind"], &shown["annotations"]["visibility"]), (&"vm".into(), &"private".into()));
    let id = shown["reference"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
    // Before it is shared bob sees nothing of it.
    let hidden = bob.run(&["show", &format!("glance://site/{id}")]);
    assert_eq!(hidden.status.code(), Some(6), "{}", lab::complained(&hidden));
    assert!(!bob.names().contains(&name));
    // The plan says what will be done and does nothing.
    let biology = bob.project();
    let planned = alice.run(&["share", &named, "--to", &biology, "--plan"]);
    assert!(lab::said(&planned).contains("private → shared") && lab::said(&planned).contains("no bytes move"));
    assert_eq!(alice.json(&["shares", &named]), serde_json::json!([]));
    // Shared with two projects, of which one cannot be named: a result for each.
    let shared = alice.run(&["share", &named, "--to", &biology, "no-such-project", "--json"]);
    assert_eq!(shared.status.code(), Some(6), "{}", lab::complained(&shared));
    let results: serde_json::Value = serde_json::from_slice(&shared.stdout).unwrap();
    assert_eq!(
        (&results[0]["share"]["standing"], &results[1]["error"]["kind"]),
        (&"pending".into(), &"not-found".into())
    );
    // An offer for bob, in his list and marked; he accepts.
    let offers = bob.json(&["offers"]);
    let offer = offers.as_array().unwrap().iter().find(|offer| offer["title"] == name.as_str()).unwrap();
    assert!(bob.names().contains(&name));
    let accepted = bob.run(&["offers", "accept", offer["id"].as_str().unwrap()]);
    assert_eq!(accepted.status.code(), Some(0), "{}", lab::complained(&accepted));
    assert!(!bob.json(&["offers"]).as_array().unwrap().iter().any(|offer| offer["title"] == name.as_str()));
    let members = openstack(&clouds, "alice", &["image", "member", "list", &id]);
    assert_eq!((&members[0]["Member ID"], &members[0]["Status"]), (&biology.as_str().into(), &"accepted".into()));
    assert_eq!(alice.json(&["shares", &named])[0]["standing"], "accepted");
    // Bob launches it: the plan names the hash and the quota, the server runs, its console is read.
    let image = format!("glance://site/{id}");
    let plan = bob.json(&["launch", &image, "--on", "site", "--plan"]);
    assert_eq!(plan["image"]["digest"], first["outcome"]["digest"]);
    assert_eq!(
        (&plan["steps"][1]["body"]["server"]["networks"], &plan["answers"]["flavor"]),
        (&"none".into(), &"tiny".into())
    );
    assert!(plan["risks"].as_array().unwrap().iter().any(|risk| risk["text"].as_str().unwrap().contains("quota")));
    let server = bob.json(&["launch", &image, "--on", "site", "--set", &format!("name={server_name}")]);
    assert_eq!(server["state"], "running", "{server}");
    let server = server["id"].as_str().unwrap();
    let shown = openstack(&clouds, "bob", &["server", "show", server]);
    assert_eq!((&shown["status"], &shown["name"]), (&"ACTIVE".into(), &server_name.as_str().into()));
    assert!(lab::said(&bob.run(&["logs", server])).contains("CONSOLE"));
    let entered = bob.run(&["exec", server, "--", "ls"]);
    assert!(lab::complained(&entered).contains("ssh"), "{}", lab::complained(&entered));
    // Another size, which is confirmed; asked for once more, nothing happens.
    assert!(lab::said(&bob.run(&["resize", server])).starts_with("flavor      tiny"));
    for _ in 0..2 {
        let resized = bob.run(&["resize", server, "--set", "flavor=small"]);
        assert_eq!(resized.status.code(), Some(0), "{}", lab::complained(&resized));
    }
    let shown = openstack(&clouds, "bob", &["server", "show", server]);
    assert!(shown["status"] == "ACTIVE" && shown["flavor"].as_str().unwrap().starts_with("small"), "{shown}");
    assert_eq!(bob.run(&["resize", server, "--set", "memory=1G"]).status.code(), Some(2), "a cloud has flavors");
    // Stopped, started, and a snapshot that is shared with alice; requested twice, it is one image.
    assert_eq!(bob.run(&["stop", server]).status.code(), Some(0));
    assert!(lab::said(&bob.run(&["workloads"])).contains("stopped"));
    assert_eq!(bob.run(&["start", server]).status.code(), Some(0));
    let physics = alice.project();
    let snapshot = bob.json(&["snapshot", server, &snapshot_name, "--to", &physics]);
    let repeated = bob.json(&["snapshot", server, &snapshot_name, "--to", &physics]);
    assert_eq!(snapshot["image"], repeated["image"]);
    let lineage = bob.json(&["show", snapshot["image"].as_str().unwrap()]);
    assert_eq!(lineage["annotations"]["made from image"], id.as_str());
    assert!(alice.json(&["offers"]).as_array().unwrap().iter().any(|offer| offer["title"] == snapshot_name.as_str()));
    // Revoked; and the downloaded bytes are those that were uploaded.
    let back = alice.home.path("back.raw");
    alice.json(&["pull", &image, back.to_str().unwrap()]);
    assert_eq!(std::fs::read(&back).unwrap(), std::fs::read(&file).unwrap());
    // Once more is once; and no other file is written over.
    assert_eq!(alice.json(&["pull", &image, back.to_str().unwrap()])["outcome"]["moved"], 0);
    std::fs::write(&back, "precious").unwrap();
    let refused = alice.run(&["pull", &image, back.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{}", lab::complained(&refused));
    assert_eq!(std::fs::read(&back).unwrap(), b"precious");
    let share = alice.json(&["shares", &named])[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(alice.run(&["revoke", &share]).status.code(), Some(0));
    assert_eq!(alice.run(&["revoke", &share]).status.code(), Some(0), "taken back is taken back");
    assert_eq!(bob.run(&["show", &image]).status.code(), Some(6));
    assert_eq!(bob.run(&["remove", server]).status.code(), Some(0));
    assert_eq!(bob.run(&["remove", server]).status.code(), Some(6), "it is in no list any more");
}

#[test]
fn community_images_are_found_by_words_and_shared_with_nobody() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    assert!(!alice.names().contains(&"alpine-3.19-community".to_owned()), "they are not in the plain list");
    let found = alice.json(&["images", "alpine", "--source", "site"]);
    assert!(found.as_array().unwrap().iter().any(|image| image["name"] == "alpine-3.19-community"), "{found}");
    let refused = alice.run(&["share", "glance://site/debian-12", "--to", &alice.project()]);
    assert!(lab::complained(&refused).contains("public already"), "{}", lab::complained(&refused));
}

#[test]
fn a_disk_that_names_other_files_is_not_sent_to_a_cloud() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let mut head = vec![0; 1 << 16];
    head[..4].copy_from_slice(b"QFI\xfb");
    head[4..8].copy_from_slice(&3_u32.to_be_bytes());
    head[8..16].copy_from_slice(&200_u64.to_be_bytes());
    head[16..20].copy_from_slice(&11_u32.to_be_bytes());
    head[24..32].copy_from_slice(&(1_u64 << 30).to_be_bytes());
    head[200..211].copy_from_slice(b"/etc/passwd");
    let file = alice.home.path("evil.qcow2");
    std::fs::write(&file, head).unwrap();
    let refused = alice.run(&["push", file.to_str().unwrap(), "glance://site/evil"]);
    assert_eq!(refused.status.code(), Some(4), "{}", lab::complained(&refused));
    assert!(lab::complained(&refused).contains("/etc/passwd"));
    assert!(!alice.names().contains(&"evil".to_owned()));
}

#[test]
fn a_wrong_secret_and_a_cloud_that_does_not_answer_are_told_apart() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let home = tempfile::tempdir().unwrap();
    let change = |from: &str, to: &str| {
        let text = std::fs::read_to_string(&clouds).unwrap().replace(from, to);
        let path = home.path().join("clouds.yaml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let written = std::fs::read_to_string(&clouds).unwrap();
    let line = |key: &str| written.lines().find(|line| line.trim_start().starts_with(key)).unwrap().to_owned();
    let ask = |clouds: &str| {
        let sources = Person::new("alice", clouds).json(&["sources"]);
        sources[0]["error"].clone()
    };
    let wrong = ask(&change(&line("password:"), "      password: wrong"));
    assert_eq!(wrong["kind"], "not-allowed", "{wrong}");
    assert!(!wrong.to_string().contains("wrong\""), "the secret is not shown: {wrong}");
    let dead = ask(&change(&line("auth_url:"), "      auth_url: http://127.0.0.1:1/v3"));
    assert_eq!(dead["kind"], "unavailable", "{dead}");
    // A broken file is reported and does not end the program.
    let broken = home.path().join("broken.yaml");
    std::fs::write(&broken, "clouds: [\n").unwrap();
    let home = Home::new();
    let mut doctor = home.wharf(&["doctor"]);
    let said = lab::said(&doctor.env("OS_CLIENT_CONFIG_FILE", &broken).output().unwrap());
    assert!(said.contains("✗ OpenStack clouds"), "{said}");
}

#[test]
fn a_secret_that_clouds_yaml_lacks_is_kept_by_login_and_used_from_then_on() {
    use std::io::Write;
    let clouds = need!("WHARF_LAB_CLOUDS");
    let written = std::fs::read_to_string(&clouds).unwrap();
    let secret = written.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("clouds.yaml").display().to_string();
    // Neither the secret nor the account is written there.
    let lacks = |line: &&str| !["password:", "username:"].iter().any(|key| line.trim_start().starts_with(key));
    std::fs::write(&path, written.lines().filter(lacks).collect::<Vec<_>>().join("\n")).unwrap();
    let alice = Person::new("alice", &path);
    let asked = alice.json(&["sources"])[0]["error"].clone();
    assert!(asked["hint"].as_str().unwrap().contains("wharf login site"), "{asked}");
    let login = |secret: &str| {
        let mut command = alice.command(&["login", "site", "--user", "alice", "--password-stdin"]);
        let pipe = std::process::Stdio::piped;
        let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{secret}").unwrap();
        child.wait_with_output().unwrap()
    };
    assert_eq!(login("wrong").status.code(), Some(7));
    let done = login(&secret);
    assert_eq!(done.status.code(), Some(0), "{}", lab::complained(&done));
    assert_eq!(alice.json(&["sources"])[0]["health"]["reachable"], true);
}

#[test]
fn no_token_is_left_on_disk() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    alice.names();
    fn all(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { all(&entry.path(), found) } else { found.push(entry.path()) }
        }
    }
    let mut files = Vec::new();
    all(alice.home.folder.path(), &mut files);
    for file in files {
        let bytes = std::fs::read(&file).unwrap();
        // Fernet tokens begin like this.
        assert!(!bytes.windows(6).any(|part| part == b"gAAAAA"), "{}", file.display());
    }
}

#[test]
fn a_volume_goes_from_one_project_to_the_other_with_a_key_that_is_shown_once() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let made = openstack(&clouds, "alice", &["volume", "create", "--size", "1", "story-volume"]);
    let id = made["id"].as_str().unwrap();
    let volume = format!("volume://site/{id}");
    let began = std::time::Instant::now();
    while alice.json(&["show", &volume])["annotations"]["status"] != "available" {
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
    }
    assert!(alice.names().contains(&"story-volume".to_owned()), "volumes are rows too");
    let given = alice.json(&["share", &volume, "--give"]);
    let (key, transfer) = (given["key"].as_str().unwrap(), given["transfer"].as_str().unwrap());
    let again = alice.run(&["share", &volume, "--give"]);
    assert!(lab::complained(&again).contains("given away already"), "{}", lab::complained(&again));
    let offers = lab::said(&alice.run(&["offers", "--json"]));
    assert!(offers.contains(transfer) && !offers.contains(key), "the key is in no list: {offers}");
    let take = |key: &str| {
        use std::io::Write;
        let mut command = bob.command(&["offers", "accept", &format!("site/transfer/{transfer}"), "--json"]);
        let pipe = std::process::Stdio::piped;
        let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
        writeln!(child.stdin.take().unwrap(), "{key}").unwrap();
        child.wait_with_output().unwrap()
    };
    let wrong = take("0123456789abcdef");
    assert_eq!(wrong.status.code(), Some(7), "{}", lab::complained(&wrong));
    let taken = take(key);
    assert_eq!(taken.status.code(), Some(0), "{}", lab::complained(&taken));
    assert_eq!(openstack(&clouds, "bob", &["volume", "show", id])["name"], "story-volume");
    assert_eq!(alice.run(&["show", &volume]).status.code(), Some(6), "the giver has lost it");
    // Given and taken back: the key no longer works.
    let given = bob.json(&["share", &volume, "--give"]);
    let offer = given["id"].as_str().unwrap();
    assert_eq!(bob.run(&["offers", "cancel", offer]).status.code(), Some(0));
    assert_eq!(bob.run(&["offers", "cancel", offer]).status.code(), Some(0));
    assert_eq!(bob.json(&["show", &volume])["annotations"]["status"], "available");
}

#[test]
fn an_encrypted_volume_is_given_with_its_key_and_is_not_made_into_an_image() {
    use std::io::Write;
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let name = lab::fresh("locked");
    let made = openstack(&clouds, "alice", &["volume", "create", "--size", "1", "--type", "luks", &name]);
    let id = made["id"].as_str().unwrap();
    let volume = format!("volume://site/{id}");
    let began = std::time::Instant::now();
    while alice.json(&["show", &volume])["annotations"]["status"] != "available" {
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
    }
    assert_eq!(alice.json(&["show", &volume])["annotations"]["encrypted"], "yes");
    let refused = alice.run(&["share", &volume, "--to", &bob.project(), "--plan"]);
    assert!(lab::complained(&refused).contains("give the volume itself"), "{}", lab::complained(&refused));
    let given = alice.json(&["share", &volume, "--give"]);
    let (transfer, key) = (given["transfer"].as_str().unwrap(), given["key"].as_str().unwrap());
    let mut command = bob.command(&["offers", "accept", &format!("site/transfer/{transfer}"), "--json"]);
    let pipe = std::process::Stdio::piped;
    let mut child = command.stdin(pipe()).stdout(pipe()).stderr(pipe()).spawn().unwrap();
    // The whole line as the giver sends it.
    writeln!(child.stdin.take().unwrap(), "transfer {transfer} key {key}").unwrap();
    let taken = child.wait_with_output().unwrap();
    assert_eq!(taken.status.code(), Some(0), "{}", lab::complained(&taken));
    assert_eq!(openstack(&clouds, "bob", &["volume", "show", id])["name"], name.as_str());
}

#[test]
fn everybody_is_a_way_to_share_with_a_plan_and_a_way_back() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let file = alice.home.path("all.raw");
    disk(&file);
    let name = lab::fresh("everybody");
    let named = format!("glance://site/{name}");
    alice.json(&["push", file.to_str().unwrap(), &named]);
    let found = |bob: &Person| {
        let all = bob.json(&["images", &name, "--source", "site"]);
        all.as_array().unwrap().iter().any(|image| image["name"] == name.as_str())
    };
    assert!(!found(&bob));
    let plan = lab::said(&alice.run(&["share", &named, "--community", "--plan"]));
    for words in ["no bytes move", "private → community", "needs a membership", "by searching"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    let shared = alice.json(&["share", &named, "--community"]);
    let share = shared[0]["share"]["id"].as_str().unwrap_or_else(|| panic!("{shared}")).to_owned();
    assert_eq!(
        alice.json(&["share", &named, "--community"])[0]["share"]["id"],
        share.as_str(),
        "again changes nothing"
    );
    assert!(found(&bob) && !bob.names().contains(&name), "found by words, in no plain list");
    assert_eq!(alice.json(&["shares", &named])[0]["project"]["name"], "everybody");
    assert_eq!(alice.run(&["revoke", &share]).status.code(), Some(0));
    assert!(!found(&bob));
    // Members may not publish: the cloud says no, in words.
    let refused = alice.run(&["share", &named, "--public"]);
    assert_eq!(refused.status.code(), Some(7), "{}", lab::complained(&refused));
    assert!(lab::complained(&refused).contains("roles on site do not allow"), "{}", lab::complained(&refused));
}

#[test]
fn a_volume_is_shared_with_many_projects_as_one_image() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let name = lab::fresh("data");
    let made = openstack(&clouds, "alice", &["volume", "create", "--size", "1", &name]);
    let volume = format!("volume://site/{}", made["id"].as_str().unwrap());
    let began = std::time::Instant::now();
    while alice.json(&["show", &volume])["annotations"]["status"] != "available" {
        assert!(began.elapsed() < std::time::Duration::from_secs(60));
    }
    let admin = openstack(&clouds, "admin", &["project", "show", "admin"]);
    let (biology, admin) = (bob.project(), admin["id"].as_str().unwrap().to_owned());
    let plan = lab::said(&alice.run(&["share", &volume, "--to", &biology, "--plan"]));
    assert!(plan.contains("copies 1 GiB once") && plan.contains("os-volume_upload_image"), "{plan}");
    let shared = alice.json(&["share", &volume, "--to", &biology, &admin]);
    let again = alice.json(&["share", &volume, "--to", &biology]);
    let image = |result: &serde_json::Value| result["share"]["reference"].as_str().unwrap().to_owned();
    assert_eq!(image(&shared[0]), image(&shared[1]), "one image for all: {shared}");
    assert_eq!(image(&shared[0]), image(&again[0]), "and no second one later");
    let offers = bob.json(&["offers"]);
    let titled = |offer: &&serde_json::Value| offer["title"].as_str().unwrap().starts_with(&name);
    assert!(offers.as_array().unwrap().iter().any(|offer| titled(&offer)), "{offers}");
    // A project that cannot be named is reported before anything is made.
    let other = openstack(&clouds, "alice", &["volume", "create", "--size", "1", &lab::fresh("other")]);
    let other = format!("volume://site/{}", other["id"].as_str().unwrap());
    let unknown = alice.run(&["share", &other, "--to", "nobody-knows"]);
    assert_eq!(unknown.status.code(), Some(6), "{}", lab::complained(&unknown));
}

#[test]
fn an_image_goes_into_another_cloud_and_its_hash_is_the_same_there() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    // Two sign-ins of two people stand for two clouds: only the name shows that they are the same.
    let alice = Person::new("alice", &clouds).with("other", "bob");
    let bob = Person::new("bob", &clouds);
    let file = alice.home.path("far.raw");
    disk(&file);
    let name = lab::fresh("far");
    let named = format!("glance://site/{name}");
    let sent = alice.json(&["push", file.to_str().unwrap(), &named]);
    let plan = lab::said(&alice.run(&["share", &named, "--to", "other/", "--plan"]));
    assert!(plan.contains("move through this machine") && plan.contains("compare its hash"), "{plan}");
    assert!(plan.contains("if this breaks, it begins again: other takes an image in one piece"), "{plan}");
    let there = alice.json(&["share", &named, "--to", "other/"]);
    let reference = there[0]["elsewhere"]["reference"].as_str().unwrap_or_else(|| panic!("{there}")).to_owned();
    assert!(reference.starts_with("glance://other/"), "{reference}");
    let shown = alice.json(&["show", &reference]);
    assert_eq!(shown["pinned"]["digest"], sent["outcome"]["digest"]);
    assert!(bob.names().contains(&name));
    let again = alice.json(&["share", &named, "--to", "other/"]);
    assert_eq!(again[0]["elsewhere"]["reference"], reference.as_str(), "sent again, it is not sent twice");
    assert_eq!(again[0]["elsewhere"]["outcome"]["moved"], 0);
    // A share with a project there; nothing is left on this machine.
    let further = alice.json(&["share", &named, "--to", &format!("other/{}", alice.project())]);
    assert_eq!(further[0]["elsewhere"]["share"]["standing"], "pending", "{further}");
    // Into a project of a registry: an image there that is the same disk.
    if let Some(registry) = lab::part("WHARF_LAB_OPEN") {
        let project = format!("{registry}/{}", lab::fresh("zz-disks"));
        let plan = lab::said(&alice.run(&["share", &named, "--to", &project, "--plan"]));
        assert!(plan.contains("compare its hash") && plan.contains(&format!("put it into oci://{project}/")), "{plan}");
        let shared = alice.json(&["share", &named, "--to", &project]);
        let copy = shared[0]["elsewhere"]["reference"].as_str().unwrap_or_else(|| panic!("{shared}")).to_owned();
        let shown = alice.json(&["show", &copy]);
        assert_eq!(
            (shown["kind"].as_str(), shown["annotations"]["org.wharf.disk.format"].as_str()),
            (Some("vm"), Some("raw")),
            "{shown}"
        );
        assert!(lab::said(&alice.run(&["show", &copy])).contains("made from"));
    }
    let left = std::fs::read_dir(alice.home.path("cache/moving")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
}

#[test]
fn a_cloud_fetches_an_image_from_the_web_and_a_dangerous_one_is_refused() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let file = alice.home.path("web.raw");
    disk(&file);
    let good = std::fs::read(&file).unwrap();
    let mut evil = vec![0; 1 << 16];
    evil[..4].copy_from_slice(b"QFI\xfb");
    evil[4..8].copy_from_slice(&3_u32.to_be_bytes());
    evil[8..16].copy_from_slice(&200_u64.to_be_bytes());
    evil[16..20].copy_from_slice(&11_u32.to_be_bytes());
    evil[24..32].copy_from_slice(&(1_u64 << 30).to_be_bytes());
    evil[200..211].copy_from_slice(b"/etc/passwd");
    // The lab's Glance fetches from these ports only.
    let Some(web) = (8081..=8084).find_map(|port| serve(port, good.clone(), evil.clone())) else {
        return eprintln!("left out: no port that the image service may fetch from is free");
    };
    let name = lab::fresh("web");
    let named = format!("glance://site/{name}");
    let got = alice.json(&["push", &format!("{web}/good.raw"), &named]);
    assert_eq!(got["outcome"]["moved"], good.len(), "{got}");
    let back = alice.home.path("web-back.raw");
    alice.json(&["pull", &named, back.to_str().unwrap()]);
    assert_eq!(std::fs::read(back).unwrap(), good);
    let again = alice.json(&["push", &format!("{web}/good.raw"), &named]);
    assert_eq!(again["outcome"]["moved"], 0, "it is not fetched twice");
    let refused = alice.run(&["push", &format!("{web}/evil.qcow2"), "glance://site/evil-web"]);
    assert_eq!(refused.status.code(), Some(4), "{}", lab::complained(&refused));
    // A server that gives the cloud other bytes than this machine is noticed, and nothing of it stays.
    let refused = alice.run(&["push", &format!("{web}/turns"), "glance://site/turns-web"]);
    assert_eq!(refused.status.code(), Some(4), "{}", lab::complained(&refused));
    let missing = alice.run(&["push", &format!("{web}/none.raw"), "glance://site/none-web"]);
    assert_eq!(missing.status.code(), Some(6), "{}", lab::complained(&missing));
    let secret = alice.run(&["push", "https://ada:hunter2@images.example/x.raw", &named]);
    assert_eq!(secret.status.code(), Some(2), "{}", lab::complained(&secret));
    let names = alice.names();
    assert!(!names.iter().any(|name| name.starts_with("evil-web") || name.starts_with("turns-web")), "{names:?}");
}

/// A web server with a good disk and an evil one; `/turns` is good at first and evil from then on.
fn serve(port: u16, good: Vec<u8>, evil: Vec<u8>) -> Option<String> {
    use std::io::{Read, Write};
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).ok()?;
    std::thread::spawn(move || {
        let mut turned = false;
        for connection in listener.incoming().flatten() {
            let mut connection = connection;
            let mut asked = [0; 4096];
            let count = connection.read(&mut asked).unwrap_or(0);
            let asked = String::from_utf8_lossy(&asked[..count]).into_owned();
            let body = match asked.split(' ').nth(1) {
                Some("/good.raw") => Some(&good),
                Some("/evil.qcow2") => Some(&evil),
                Some("/turns") if turned => Some(&evil),
                Some("/turns") => {
                    turned = true;
                    Some(&good)
                }
                _ => None,
            };
            let head = |status: &str, length: usize| {
                format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
            };
            let _ = match body {
                Some(body) => connection.write_all(&[head("200 OK", body.len()).as_bytes(), body].concat()),
                None => connection.write_all(head("404 Not Found", 0).as_bytes()),
            };
        }
    });
    Some(format!("http://127.0.0.1:{port}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_whose_connection_breaks_goes_on_both_ways() {
    use crate::wire::{self, Fault};
    let clouds = need!("WHARF_LAB_CLOUDS");
    let catalog = openstack(&clouds, "alice", &["catalog", "show", "glance"]);
    let endpoint = catalog.to_string();
    let address = endpoint.split("http://").nth(1).unwrap().split(['/', '"', '\\']).next().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let through = |wire: &str| {
        let text = std::fs::read_to_string(&clouds).unwrap();
        let line = "    region_name:";
        let text = text.replace(line, &format!("    image_endpoint_override: http://{wire}/v2\n{line}"));
        let path = folder.path().join(format!("{}.yaml", wire.replace(':', "-")));
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let file = folder.path().join("broken.raw");
    disk(&file);
    let name = lab::fresh("broken");
    let (file, named) = (file.display().to_string(), format!("glance://site/{name}"));
    let up = wire::to(&address, Fault::Cut { after: 1 << 20, times: 2 }).await;
    let clouds_up = through(&up.address);
    let (sent, also) = (file.clone(), named.clone());
    let pushed = tokio::task::spawn_blocking(move || Person::new("alice", &clouds_up).json(&["push", &sent, &also]));
    let pushed = pushed.await.unwrap();
    assert_eq!(up.cuts.load(std::sync::atomic::Ordering::SeqCst), 2, "the connection was cut twice");
    assert_eq!(pushed["outcome"]["moved"], 3 << 20);
    let down = wire::to(&address, Fault::CutBack { after: 1 << 20, times: 2 }).await;
    let clouds_down = through(&down.address);
    let back = folder.path().join("back.raw");
    let target = back.display().to_string();
    let pulled =
        tokio::task::spawn_blocking(move || Person::new("alice", &clouds_down).json(&["pull", &named, &target]));
    pulled.await.unwrap();
    assert_eq!(down.cuts.load(std::sync::atomic::Ordering::SeqCst), 2);
    assert_eq!(std::fs::read(back).unwrap(), std::fs::read(&file).unwrap());
}

#[test]
fn certificates_that_must_have_signed_an_image_go_to_the_cloud() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let file = alice.home.path("signed.raw");
    disk(&file);
    let named = format!("glance://site/{}", lab::fresh("signed"));
    alice.json(&["push", file.to_str().unwrap(), &named]);
    let certificate = "certificates=0b5d2c72-12cc-4ba6-a8d7-3ff5cc1d8cb8";
    let plan = alice.json(&["launch", &named, "--on", "site", "--set", certificate, "--plan"]);
    let asked = &plan["steps"][1]["body"]["server"]["trusted_image_certificates"];
    assert_eq!(asked, &serde_json::json!(["0b5d2c72-12cc-4ba6-a8d7-3ff5cc1d8cb8"]));
    assert!(plan["steps"].to_string().contains("2.63"), "{plan}");
    let name = lab::fresh("signed-server");
    let server =
        alice.json(&["launch", &named, "--on", "site", "--set", certificate, "--set", &format!("name={name}")]);
    let id = server["id"].as_str().unwrap();
    let shown = openstack(&clouds, "alice", &["--os-compute-api-version", "2.63", "server", "show", id]);
    assert!(shown.to_string().contains("0b5d2c72"), "the cloud keeps it: {shown}");
    assert_eq!(alice.run(&["remove", id]).status.code(), Some(0));
    let both = alice.run(&["launch", &named, "--on", "site", "--set", certificate, "--set", "volume=1", "--plan"]);
    assert_eq!(both.status.code(), Some(2), "{}", lab::complained(&both));
}

#[test]
fn a_signature_over_a_disks_data_is_a_claim_until_all_of_it_was_read() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let folder = alice.home.path(".config/wharf");
    let shell = |script: &str| {
        let done = Command::new("sh").arg("-ec").arg(script).current_dir(&folder).output().unwrap();
        assert!(done.status.success(), "{}", lab::complained(&done));
        lab::said(&done).trim().to_owned()
    };
    // An authority, and a signer under it for each kind of key.
    shell(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=site-ca -keyout ca.key -out ca.pem 2>/dev/null
        openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out rsa.key 2>/dev/null
        openssl ecparam -name secp384r1 -genkey -noout -out p384.key; openssl ecparam -name secp521r1 -genkey -noout -out p521.key
        for k in rsa p384 p521; do openssl req -new -key $k.key -subj /CN=builder-$k -out $k.csr
        printf 'basicConstraints=CA:FALSE\n' >leaf.ext
        openssl x509 -req -in $k.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 30 -extfile leaf.ext -out $k.pem 2>/dev/null; done",
    );
    let id = |kind: &str| format!("00000000-0000-0000-0000-{:0>12}", kind.replace(['r', 's', 'a', 'p'], ""));
    let policy = |authority: bool| {
        let mut text = format!("authorities = [{}]\n", if authority { "\"ca.pem\"" } else { "" });
        for kind in ["rsa", "p384", "p521"] {
            text.push_str(&format!("[[policy.signature.certificate]]\nid = \"{}\"\nfile = \"{kind}.pem\"\n", id(kind)));
        }
        let source = "[[source]]\nname = \"site\"\ntype = \"openstack\"\nurl = \"alice\"\n[policy.signature]\n";
        std::fs::write(folder.join("wharf.toml"), format!("{source}{text}")).unwrap();
    };
    policy(true);
    let state = |named: &str, more: &[&str]| {
        let output = alice.run(&[&["verify", named, "--json"], more].concat());
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let records = said["records"].as_array().unwrap().iter().filter(|one| !one["outcome"]["signature"].is_null());
        let states: Vec<_> =
            records.map(|one| one["outcome"]["signature"]["state"].as_str().unwrap().to_owned()).collect();
        (output.status.code(), states, said.to_string())
    };
    for (kind, key_type, hash, sign) in [
        ("rsa", "RSA-PSS", "SHA-256", "-sha256 -sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:max"),
        ("p384", "ECC_SECP384R1", "SHA-384", "-sha384"),
        ("p521", "ECC_SECP521R1", "SHA-512", "-sha512"),
    ] {
        let (file, name) = (folder.join(format!("{kind}.raw")), lab::fresh("signed"));
        disk(&file);
        let named = format!("glance://site/{name}");
        alice.json(&["push", file.to_str().unwrap(), &named]);
        assert_eq!(state(&named, &["--again"]).1, ["none-found"]);
        let set = |signature: &str| {
            let mut command = Command::new("/usr/bin/openstack");
            command.env_clear().env("PATH", "/usr/bin:/bin").env("OS_CLIENT_CONFIG_FILE", &clouds).env("HOME", &folder);
            command.args(["--os-cloud", "alice", "image", "set", &name]);
            for (property, value) in [
                ("img_signature", signature),
                ("img_signature_hash_method", hash),
                ("img_signature_key_type", key_type),
                ("img_signature_certificate_uuid", &id(kind)),
            ] {
                command.args(["--property", &format!("{property}={value}")]);
            }
            let done = command.output().unwrap();
            assert!(done.status.success(), "{}", lab::complained(&done));
        };
        set(&shell(&format!("openssl dgst {sign} -sign {kind}.key {kind}.raw | base64 -w0")));
        let (_, states, said) = state(&named, &["--again"]);
        assert_eq!((states, said.contains(&format!("builder-{kind}"))), (vec!["claimed".to_owned()], true), "{said}");
        // Under another authority, or none, the signature is nobody's.
        policy(false);
        assert_eq!(state(&named, &["--again"]).1, ["untrusted"]);
        policy(true);
        let (_, states, said) = state(&named, &["--data"]);
        assert!(states.contains(&"verified".to_owned()), "{kind}: {said}");
        // A copy keeps its signature. This cloud has no key manager, so that it refuses the certificate's name: that is told.
        let copied = alice.json(&["copy", &named, &format!("{named}-copy")]);
        assert!(copied["outcome"]["left"].to_string().contains("the certificate of its signature"), "{copied}");
        let shown = openstack(&clouds, "alice", &["image", "show", &format!("{name}-copy")]);
        assert!(shown["properties"]["img_signature"].is_string(), "{shown}");
        // From then on the result is known; and a download checks it as well.
        assert!(state(&named, &[]).1.contains(&"verified".to_owned()));
        let down = folder.join(format!("down-{kind}.raw"));
        let pulled = alice.run(&["pull", &named, down.to_str().unwrap()]);
        assert_eq!(pulled.status.code(), Some(0), "{}", lab::complained(&pulled));
        // A signature over other bytes fails, and such a download is removed.
        set(&shell(&format!("printf other | openssl dgst {sign} -sign {kind}.key | base64 -w0")));
        let (code, states, said) = state(&named, &["--data"]);
        assert_eq!((code, states.contains(&"invalid".to_owned())), (Some(4), true), "{said}");
        let wrong = folder.join("wrong.raw");
        let pulled = alice.run(&["pull", &named, wrong.to_str().unwrap()]);
        assert_ne!(pulled.status.code(), Some(0), "{}", lab::said(&pulled));
        assert!(!wrong.exists());
    }
}

/// A disk image is requested, judged from its own bytes, admitted into another project's cloud and published.
#[test]
fn a_disk_image_is_asked_for_judged_signed_and_let_to_others() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).display().to_string();
    for (name, curve) in [("steward", "prime256v1"), ("disk", "secp384r1")] {
        let script = "openssl ecparam -genkey -name $2 -noout | openssl pkcs8 -topk8 -nocrypt -out $1.key; chmod 600 $1.key; \
            openssl pkey -in $1.key -pubout -out $1.pub; openssl req -x509 -new -key $1.key -subj /CN=steward -days 30 -out $1.crt";
        let made = Command::new("sh").args(["-ec", script, "sh", &at(name), curve]).output().unwrap();
        assert!(made.status.success(), "{}", lab::complained(&made));
    }
    let id = "4f0e4f0e-0000-4000-8000-000000000001";
    let project = Person::new("bob", &clouds).project();
    // The cloud may fetch from these ports, of which one is free later.
    let web = (8081..=8084).map(|port| format!("\"http://127.0.0.1:{port}\"")).collect::<Vec<_>>().join(", ");
    let site = format!(
        "[requests]\nstore = \"{}\"\ncloud = \"site\"\ncloud_project = \"{project}\"\napprovers = [\"carol\"]\nsigned_decisions = true\n\
         web = [{web}]\n[policy]\nname = \"site\"\nenforce = true\n[policy.scan]\nmissing = \"allow\"\n[policy.signature]\nkeys = [\"{}\"]\n\
         authorities = [\"{}\"]\n[[policy.signature.certificate]]\nid = \"{id}\"\nfile = \"{}\"\n",
        at("requests.db"),
        at("steward.pub"),
        at("disk.crt"),
        at("disk.crt"),
    );
    std::fs::write(at("site.toml"), site).unwrap();
    let run = |person: &Person<'_>, name: &str, words: &[&str]| {
        let mut command = person.command(words);
        command.env("WHARF_SITE", at("site.toml")).env("WHARF_PERSON", name);
        command.output().unwrap()
    };
    let json = |person: &Person<'_>, name: &str, words: &[&str]| -> serde_json::Value {
        let output = run(person, name, &[words, &["--json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{words:?}: {}", lab::complained(&output)))
    };
    let (alice, steward, bob) =
        (Person::new("alice", &clouds), Person::new("carol-biology", &clouds), Person::new("bob", &clouds));
    let own = steward.home.path(".config/wharf/wharf.toml");
    let keys = format!(
        "[requests]\nkey = \"{}\"\ndisk_key = \"{}\"\ncertificate = \"{id}\"\n",
        at("steward.key"),
        at("disk.key")
    );
    std::fs::write(&own, std::fs::read_to_string(&own).unwrap() + &keys).unwrap();
    // Alice's own image, which only her project sees: she requests it, and it is lent to the steward's project.
    let file = folder.path().join("disk.raw");
    disk(&file);
    let name = lab::fresh("asked-for");
    let pushed = json(&alice, "alice", &["push", file.to_str().unwrap(), &format!("glance://site/{name}")]);
    let asked = json(&alice, "alice", &["request", &format!("glance://site/{name}"), "--reason", "for the cluster"]);
    let request = asked["request"]["id"].as_i64().unwrap_or_else(|| panic!("{asked} {pushed}")).to_string();
    let round = run(&steward, "steward", &["steward", "--once"]);
    assert_eq!(round.status.code(), Some(0), "{}", lab::complained(&round));
    let shown = json(&alice, "alice", &["requests", "show", &request])["request"].clone();
    assert_eq!(shown["stage"], "waiting", "{shown:#}");
    let evidence = shown["dossier"]["evidence"].to_string();
    assert!(evidence.contains("raw by its own header") && evidence.contains("sha512:"), "{evidence}");
    let approved = run(&bob, "carol", &["approve", &request, "--reason", "known", "--key", &at("steward.key")]);
    assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
    let round = run(&steward, "steward", &["steward", "--once"]);
    assert_eq!(round.status.code(), Some(0), "{}", lab::complained(&round));
    let shown = json(&alice, "alice", &["requests", "show", &request])["request"].clone();
    assert_eq!(shown["stage"], "admitted", "{shown:#}");
    // Everybody sees it under its name, and its badge comes from the steward's signature over the hash.
    let admitted = shown["admitted"]["reference"].as_str().unwrap().to_owned();
    let verified = run(&alice, "alice", &["verify", &admitted]);
    assert_eq!(verified.status.code(), Some(0), "{}{}", lab::said(&verified), lab::complained(&verified));
    assert!(lab::said(&verified).contains("approved by carol"), "{}", lab::said(&verified));
    let told = openstack(&clouds, "alice", &["image", "show", admitted.rsplit('/').next().unwrap()]);
    assert_eq!((&told["visibility"], &told["name"]), (&"community".into(), &name.as_str().into()), "{told}");
    let properties = told["properties"].to_string();
    assert!(properties.contains("ECC_SECP384R1") && properties.contains("wharf_statement"), "{properties}");
    // The signature over its data is good, too: a download checks it.
    let pulled = run(&alice, "alice", &["pull", &admitted, folder.path().join("back.raw").to_str().unwrap()]);
    assert_eq!(pulled.status.code(), Some(0), "{}", lab::complained(&pulled));
    assert_eq!(std::fs::read(folder.path().join("back.raw")).unwrap(), std::fs::read(&file).unwrap());
    // A disk whose header names another file is refused because of its bytes, whatever format the cloud was told.
    let evil = folder.path().join("evil.qcow2");
    let words = ["create", "-q", "-f", "qcow2", "-b", "/etc/passwd", "-F", "raw", evil.to_str().unwrap(), "1M"];
    let made = Command::new("qemu-img").args(words).output().unwrap();
    assert!(made.status.success(), "{}", lab::complained(&made));
    let name = lab::fresh("evil");
    let words = [
        "image",
        "create",
        "--disk-format",
        "raw",
        "--container-format",
        "bare",
        "--file",
        evil.to_str().unwrap(),
        &name,
    ];
    openstack(&clouds, "alice", &words);
    let asked = json(&alice, "alice", &["request", &format!("glance://site/{name}"), "--reason", "looks fine"]);
    let request = asked["request"]["id"].as_i64().unwrap().to_string();
    run(&steward, "steward", &["steward", "--once"]);
    let shown = json(&alice, "alice", &["requests", "show", &request])["request"].clone();
    assert_eq!(shown["stage"], "rejected", "{shown:#}");
    // From the web: the cloud fetches it, its bytes are inspected, its hash is recorded. The bytes differ from those
    // above, because the same bytes would be the same image.
    disk(&file);
    let good = std::fs::read(&file).unwrap();
    let Some(web) = (8081..=8084).find_map(|port| serve(port, good.clone(), Vec::new())) else {
        return eprintln!("left out: no port is free that the cloud fetches from");
    };
    let url = format!("{web}/good.raw");
    let asked = json(&alice, "alice", &["request", &url, "--reason", "the project's own"]);
    let request = asked["request"]["id"].as_i64().unwrap_or_else(|| panic!("{asked}")).to_string();
    run(&steward, "steward", &["steward", "--once"]);
    assert_eq!(run(&bob, "carol", &["approve", &request, "--key", &at("steward.key")]).status.code(), Some(0));
    run(&steward, "steward", &["steward", "--once"]);
    let shown = json(&alice, "alice", &["requests", "show", &request])["request"].clone();
    assert_eq!(shown["stage"], "admitted", "{shown:#}");
    assert!(shown["admitted"]["digest"].as_str().unwrap().starts_with("sha512:"));
}

/// An entry for clouds.yaml that signs in to the same cloud in another way.
fn entry(clouds: &str, kind: &str, auth: &str) -> String {
    let written = std::fs::read_to_string(clouds).unwrap();
    let url =
        written.lines().find_map(|line| line.trim().strip_prefix("auth_url: ")).unwrap().trim_matches('"').to_owned();
    format!(
        "clouds:\n  other:\n    auth_type: {kind}\n    region_name: RegionOne\n    auth:\n      auth_url: {url}\n{auth}"
    )
}

#[test]
fn application_credentials_and_tokens_sign_in_as_the_client_takes_them() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let name = lab::fresh("story-credential");
    let made = application_credential(&clouds, &name);
    let text = |key: &str| made[key].as_str().unwrap_or_else(|| panic!("{made}")).to_owned();
    let issued = openstack(&clouds, "alice", &["token", "issue"]);
    let token = issued["id"].as_str().unwrap();
    let by_id = format!(
        "      application_credential_id: {}\n      application_credential_secret: {}\n",
        text("id"),
        text("secret")
    );
    let by_name = format!(
        "      application_credential_name: {name}\n      application_credential_secret: {}\n      username: alice\n      user_domain_name: Default\n",
        text("secret")
    );
    let folder = tempfile::tempdir().unwrap();
    let project = Person::new("alice", &clouds).project();
    for (kind, auth) in [
        ("v3applicationcredential", by_id),
        ("v3applicationcredential", by_name),
        ("v3token", format!("      token: {token}\n")),
        ("v3token", format!("      token: {token}\n      project_id: {project}\n")),
    ] {
        let path = folder.path().join("clouds.yaml").display().to_string();
        std::fs::write(&path, entry(&clouds, kind, &auth)).unwrap();
        let person = Person::new("other", &path);
        assert_eq!(person.project(), project, "{kind}");
        let listed = person.run(&["images", "--source", "site"]);
        assert_eq!(listed.status.code(), Some(0), "{kind}: {}", lab::complained(&listed));
    }
    let gone = Command::new("/usr/bin/openstack")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("OS_CLIENT_CONFIG_FILE", &clouds)
        .args(["--os-cloud", "alice", "application", "credential", "delete", &name])
        .output()
        .unwrap();
    assert_eq!(gone.status.code(), Some(0), "{}", lab::complained(&gone));
}
