//! What people shared and launched in 2016, and what became of it: each row of that list is a test, in its order, as somebody
//! does it at the command line. The other stories have the details.

use std::process::{Command, Output};

use serde_json::Value;

use crate::{
    clouds::{self, openstack},
    lab::{self, Home, need},
    pty::Screen,
    requests,
    scans::{self, Scanning},
    site,
    trust::Trust,
};

/// Somebody with a configuration, and perhaps with more programs and variables.
struct Person {
    home: Home,
    more: Vec<(String, String)>,
}

impl Person {
    fn new(config: &str) -> Self {
        Self { home: Home::configured(config), more: Vec::new() }
    }

    /// Somebody with the lab's open registry.
    fn with_registry() -> Self {
        Self::new(&registry(&open()))
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.more.push((name.to_owned(), value.to_owned()));
        self
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = self.home.wharf(words);
        command.envs(self.more.iter().map(|(name, value)| (name, value))).current_dir(self.home.folder.path());
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    /// What a command prints that must succeed.
    fn does(&self, words: &[&str]) -> String {
        let output = self.run(words);
        let (said, complained) = (lab::said(&output), lab::complained(&output));
        assert_eq!(output.status.code(), Some(0), "{words:?}: {said}{complained}");
        said
    }

    fn json(&self, words: &[&str]) -> Value {
        serde_json::from_str(&self.does(&[words, &["--json"]].concat())).unwrap()
    }

    /// What a command says that is refused with this exit code.
    fn refused(&self, words: &[&str], code: i32) -> String {
        let output = self.run(words);
        let told = lab::said(&output) + &lab::complained(&output);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {told}");
        told
    }
}

fn open() -> String {
    std::env::var("WHARF_LAB_OPEN").unwrap()
}

fn registry(host: &str) -> String {
    format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{host}\"\n")
}

/// An image with a shell.
fn alpine() -> String {
    format!("{}/library/alpine:latest", open())
}

/// An image that says hello, under a new name in the lab's registry.
fn starter(name: &str) -> String {
    let image = format!("{}/{}:1", open(), lab::fresh(name));
    Person::with_registry().does(&["push", &lab::starter(), &image]);
    image
}

/// Docker Hub: everybody searches, and the words of its answer are those of all sources.
#[tokio::test(flavor = "multi_thread")]
async fn docker_hub() {
    let host = crate::bad_input::hub().await;
    let ada = Person::new(&format!("[[source]]\nname = \"hub\"\ntype = \"hub\"\nurl = \"http://{host}/\"\n"));
    let found = ada.json(&["images", "alp", "--source", "hub"]);
    let names: Vec<&str> = found.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["library/alpine"], "{found}");
    assert!(found.to_string().contains("oci://docker.io/library/alpine"), "its name is the one that everybody uses");
}

/// Sharing is sending a link or a name; whoever gets it starts it with one command.
#[test]
fn link() {
    need!("WHARF_LAB_OPEN");
    let (ada, bob) = (Person::with_registry().with("WHARF_PERSON", "ada"), Person::with_registry());
    let image = starter("zz/linked");
    let link = ada.does(&["share", &image, "--link"]);
    assert!(link.contains("sha256") && link.len() < 500, "{link}");
    let opened = bob.json(&["open", link.trim()]);
    assert_eq!((&opened["from"], &opened["moved"]), (&"ada".into(), &false.into()), "{opened}");
    let said = bob.does(&["launch", link.trim(), "--on", "local", "--follow"]);
    assert!(!said.is_empty());
}

/// Official and other repositories: who publishes an image is a word, and never "safe".
#[tokio::test(flavor = "multi_thread")]
async fn official() {
    let host = crate::bad_input::hub().await;
    let ada = Person::new(&format!("[[source]]\nname = \"hub\"\ntype = \"hub\"\nurl = \"http://{host}/\"\n"));
    let found = ada.json(&["images", "alp", "--source", "hub"]);
    assert_eq!(found[0]["publisher"], "official", "{found}");
    assert!(found[0]["verdict"].is_null() && found[0]["trust"].is_null(), "a publisher is no verdict: {found}");
    let other = ada.json(&["images", "redis", "--source", "hub"]);
    assert_eq!(other[0]["publisher"], "verified publisher", "{other}");
}

/// An internal registry of what was admitted: an image gets there by a copy, byte for byte, and is started from there.
#[test]
fn internal_registry() {
    let site = need!("WHARF_LAB_TOKEN");
    need!("WHARF_LAB_OPEN");
    let config = format!("{}[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://{site}\"\n", registry(&open()));
    let ada = Person::new(&config);
    let login = ada.command(&["login", "site", "--user", "lab", "--password-stdin"]);
    let done = lab::with_input(login, "labpass\n");
    assert!(done.status.success(), "{}", lab::complained(&done));
    let there = format!("{site}/admitted/{}:1", lab::fresh("alpine"));
    ada.does(&["copy", &alpine(), &there]);
    let digest = |image: &str| ada.json(&["show", image])["pinned"]["digest"].clone();
    assert_eq!(digest(&alpine()), digest(&there));
    let said = ada.does(&["launch", &there, "--on", "local", "--follow", "--", "sh", "-c", "echo from the site"]);
    assert!(said.contains("from the site"), "{said}");
}

/// Every image is scanned: what is wrong is named, with the version in which it is fixed.
#[test]
fn scanning() {
    let open = need!("WHARF_LAB_OPEN");
    need!("WHARF_LAB_TRIVY");
    let scanning = Scanning::new(&open, scans::ANY_AGE);
    let folder = tempfile::tempdir().unwrap();
    scanning.push(&scans::alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let (code, scan, said) = scanning.verify();
    assert_eq!((code, &scan["state"]), (Some(3), &"findings".into()), "{said}");
    assert_eq!((&scan["worst"][0]["id"], &scan["worst"][0]["fixed"]), (&"CVE-2022-37434".into(), &"1.2.12-r4".into()));
}

/// A hook on what is done with images: whatever one does, the same policy is asked, and what it said is written down.
#[test]
fn hooks() {
    need!("WHARF_LAB_OPEN");
    let image = starter("zz/hooked");
    let policy = "[policy]\nname = \"hook\"\nenforce = true\n[policy.signature]\nmissing = \"deny\"\n";
    let ada = Person::new(&format!("{}{policy}", registry(&open())));
    let (copy, file) = (format!("{}/{}:1", open(), lab::fresh("zz/copied")), lab::starter());
    for words in [
        &["verify", &image][..],
        &["launch", &image, "--on", "local"],
        &["copy", &image, &copy],
        &["pull", &image, "layout"],
        &["push", &file, &copy],
    ] {
        let told = ada.refused(words, 4);
        assert!(told.contains("hook") || told.contains("signature"), "{words:?}: {told}");
    }
    let audit = ada.does(&["audit"]);
    assert_eq!(audit.matches("the policy 'hook' says deny").count(), 4, "all but the look are written down: {audit}");
}

/// User namespaces: root in the container is the person outside, who gains nothing by it.
#[test]
fn user_namespaces() {
    let open = need!("WHARF_LAB_OPEN");
    lab::as_person("seed::a_person_is_root_inside_only", &[("WHARF_LAB_OPEN", &open)]);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_is_root_inside_only() {
    let ada = Person::with_registry();
    let script = "cat /proc/self/uid_map; grep CapEff /proc/self/status; touch /etc/x || echo cannot change the image";
    let said = ada.does(&["launch", &alpine(), "--on", "local", "--follow", "--", "sh", "-c", script]);
    let own = rustix::process::getuid().as_raw().to_string();
    let map: Vec<&str> = said.lines().next().unwrap().split_whitespace().collect();
    assert_eq!((map[0], map[1], map[2]), ("0", own.as_str(), "1"), "only this person is there: {said}");
    assert!(said.contains("CapEff:\t0000000000000000"), "{said}");
    let doctor = lab::said(&ada.run(&["doctor"]));
    assert!(doctor.contains("backend local: you,"), "nobody else runs it: {doctor}");
}

/// Singularity: an image becomes one file that names what it was made from, and runs without a daemon.
#[test]
fn singularity() {
    let (open, bin) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_APPTAINER"));
    lab::as_person("seed::a_person_makes_a_sif", &[("WHARF_LAB_OPEN", &open), ("WHARF_LAB_APPTAINER", &bin)]);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_makes_a_sif() {
    let path = format!("{}:{}", std::env::var("WHARF_LAB_APPTAINER").unwrap(), std::env::var("PATH").unwrap());
    let ada = Person::with_registry().with("PATH", &path).with("WHARF_DISCOVER", "yes");
    ada.does(&["pull", &alpine(), "tools.sif"]);
    let shown = ada.json(&["show", "./tools.sif"]);
    assert_eq!(shown["kind"], "sif");
    assert!(shown["annotations"]["made from"].as_str().unwrap().contains("library/alpine"), "{shown}");
    for backend in ["apptainer", "local"] {
        let said = ada.does(&["launch", "./tools.sif", "--on", backend, "--follow", "--", "sh", "-c", "echo one file"]);
        assert!(said.contains("one file"), "{backend}: {said}");
    }
}

/// Clair: what the scanner of a registry found is evidence, under its own name.
#[test]
fn clair() {
    let open = need!("WHARF_LAB_OPEN");
    let (_server, port) = scans::served(&open);
    let scanner = format!("scanner = \"http://127.0.0.1:{port}\"\n");
    let ada = Person::new(&format!("{}{scanner}[policy.signature]\nmissing = \"allow\"\n", registry(&open)));
    let folder = tempfile::tempdir().unwrap();
    let (layout, image) = (scans::alpine(folder.path(), &[("zlib", "1.2.12-r1")]), lab::fresh("zz/clair"));
    let image = format!("{open}/{image}:1");
    ada.does(&["push", &format!("{}:1", layout.display()), &image]);
    let told = ada.refused(&["verify", &image], 3);
    assert!(told.contains("served by Clair, asserted by the source") && told.contains("1.2.12-r4"), "{told}");
}

/// Whoever launched an image is told when it turns out to be vulnerable, without asking.
#[tokio::test]
async fn notified() {
    let Some(site) = requests::site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let image = site.image(&bob, "noticed", &[("musl", "1.2.3-r4"), ("openssl", "3.0.9-r0")], true);
    let number = ada.ask(&image, "for the paper");
    steward.run(&["steward", "--once"]);
    let admitted = ada.request(number)["admitted"]["reference"].as_str().unwrap().to_owned();
    let launched = ada.run(&["launch", &admitted, "--on", "local", "--follow"]);
    assert_eq!(launched.status.code(), Some(0), "{}", lab::complained(&launched));
    let advisory = r#"{"id": "CVE-2026-0007", "platform": "alpine 3.17", "pkg": "openssl", "fixed": "3.0.9-r1", "severity": "CRITICAL", "title": "openssl", "cvss": 9}"#;
    site.advise(&[advisory]);
    site::until("the warning", || {
        steward.run(&["steward", "--once"]);
        let told = ada.json(0, &["inbox", "--unread"]).to_string();
        told.contains("CVE-2026-0007") && told.contains("3.0.9-r1")
    });
}

/// Docker Content Trust: a tag is what its publisher signed, and one that was moved is not.
#[test]
fn content_trust() {
    let (open, notary) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_NOTARY"));
    let trust = Trust::new(&open, &notary);
    let root = trust.sign("1", &[]);
    trust.pinned(&[&root[0]]);
    assert_eq!(trust.verify("1").0, "verified");
    trust.push("1", &["--platform", "linux/amd64"]);
    assert_eq!(trust.verify("1").0, "invalid", "it means other bytes now");
}

/// A hardware key signs; its PIN is asked for at the terminal, and the key never leaves it.
#[test]
fn hardware_key() {
    let hsm = need!("WHARF_LAB_HSM");
    need!("WHARF_LAB_OPEN");
    let image = starter("zz/hardware");
    let policy = format!("[policy.signature]\nkeys = [\"{hsm}/site.pub\"]\n[policy.scan]\nmissing = \"allow\"\n");
    let ada = Person::new(&format!("{}{policy}", registry(&open())));
    ada.refused(&["verify", &image], 3);
    let uri = "pkcs11:token=wharf%20lab;object=site?module-path=/usr/lib/softhsm/libsofthsm2.so";
    let config = ada.home.path(".config/wharf/wharf.toml").display().to_string();
    let argv = [env!("CARGO_BIN_EXE_wharf"), "--config", &config, "sign", &image, "--key", uri];
    let conf = format!("{hsm}/softhsm2.conf");
    let mut screen = Screen::run(&argv, 140, 24, &[("WHARF_DISCOVER", "no"), ("SOFTHSM2_CONF", &conf)]);
    screen.until("PIN of wharf lab");
    screen.keys("1234\r");
    screen.until("is signed");
    assert_eq!(screen.ended(), 0);
    ada.does(&["verify", &image, "--again"]);
}

/// A unikernel is one more kind of image: it is its own machine, from a folder, without a cloud.
#[test]
fn unikernel() {
    let guest = need!("WHARF_LAB_QEMU");
    lab::as_person("seed::a_person_starts_a_unikernel", &[("WHARF_LAB_QEMU", &guest)]);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_starts_a_unikernel() {
    let ada = Person::new("[[backend]]\nname = \"qemu\"\ntype = \"qemu\"\n");
    let guest = std::env::var("WHARF_LAB_QEMU").unwrap();
    std::fs::copy(format!("{guest}/unikernel"), ada.home.path("hello.elf")).unwrap();
    let shown = ada.json(&["show", "./hello.elf"]);
    assert_eq!((&shown["kind"], &shown["disk"]["format"]), (&"vm".into(), &"kernel".into()));
    let words =
        ["launch", "./hello.elf", "--on", "qemu", "--follow", "--set", "arguments=for=ada", "--set", "memory=16M"];
    let output = ada.run(&words);
    // It ends with twice what it wrote to the port at which it ends, and one.
    assert_eq!(output.status.code(), Some(33), "{}", lab::complained(&output));
    assert!(
        lab::said(&output).contains("hello from a unikernel; arguments: ") && lab::said(&output).contains("for=ada")
    );
}

/// What became of Hyper: a container behind a kernel of its own, chosen with the same question on every backend.
#[test]
fn hypers_successors() {
    let (open, runsc) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_RUNSC"));
    lab::as_person("seed::a_person_isolates", &[("WHARF_LAB_OPEN", &open), ("WHARF_LAB_RUNSC", &runsc)]);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_isolates() {
    let runsc = std::env::var("WHARF_LAB_RUNSC").unwrap();
    let folder = std::path::Path::new(&runsc).parent().unwrap().display().to_string();
    let ada = Person::with_registry().with("PATH", &format!("{folder}:{}", std::env::var("PATH").unwrap()));
    let kernel = |isolation: &str| {
        let set = format!("isolation={isolation}");
        ada.does(&["launch", &alpine(), "--on", "local", "--follow", "--set", &set, "--", "uname", "-r"])
            .trim()
            .to_owned()
    };
    let (shared, own) = (kernel("shared"), kernel("gvisor"));
    assert_eq!(own, "4.4.0", "gVisor's own kernel answers");
    assert_ne!(shared, own);
}

/// Images by web and FTP: fetched once, compared with the checksums beside them, and images like any other from then on.
#[test]
fn web_and_ftp() {
    let (web, ftp) = (need!("WHARF_LAB_WEB"), need!("WHARF_LAB_FTP"));
    let (name, files) = (lab::fresh("seed"), std::env::var("WHARF_LAB_WEB_FILES").unwrap());
    let folder = std::path::Path::new(&files).join(&name);
    std::fs::create_dir_all(&folder).unwrap();
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    std::fs::write(folder.join("disk.img"), &disk).unwrap();
    let sum = wharf::core::base::digest::Digest::of(&disk);
    std::fs::write(folder.join("SHA256SUMS"), format!("{}  disk.img\n", sum.hex())).unwrap();
    let ada = Person::new("");
    for (number, server) in [format!("http://{web}"), format!("ftp://{ftp}")].iter().enumerate() {
        let file = format!("fetched-{number}.img");
        let told = ada.json(&["fetch", &format!("{server}/{name}/disk.img"), &file]);
        assert_eq!(told["compared"], "listed", "{told}");
        assert_eq!(ada.json(&["show", &format!("./{file}")])["kind"], "vm");
    }
    std::fs::write(folder.join("SHA256SUMS"), format!("{}  disk.img\n", "0".repeat(64))).unwrap();
    ada.refused(&["fetch", &format!("http://{web}/{name}/disk.img"), "wrong.img"], 1);
    assert!(!ada.home.path("wrong.img").exists());
}

/// A project of OpenStack: who is in it sees its images, and nobody else does.
#[test]
fn project() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (clouds::Person::new("alice", &clouds), clouds::Person::new("bob", &clouds));
    assert_ne!(alice.project(), bob.project(), "each sees in which project they are");
    let (file, name) = (alice.home.path("own.raw"), lab::fresh("own"));
    clouds::disk(&file);
    alice.json(&["push", &file.display().to_string(), &format!("glance://site/{name}")]);
    let sees =
        |person: &clouds::Person<'_>| person.json(&["images", &name, "--source", "site"]).as_array().unwrap().len();
    assert_eq!((sees(&alice), sees(&bob)), (1, 0));
}

/// Glance: a snapshot of a machine is an image, shared with a project, accepted there, and started.
#[test]
fn glance() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (clouds::Person::new("alice", &clouds), clouds::Person::new("bob", &clouds));
    let (file, names) = (alice.home.path("base.raw"), ["base", "server", "snapshot", "theirs"].map(lab::fresh));
    clouds::disk(&file);
    let base = format!("glance://site/{}", names[0]);
    alice.json(&["push", &file.display().to_string(), &base]);
    let server = alice.json(&["launch", &base, "--on", "site", "--set", &format!("name={}", names[1])]);
    let id = server["id"].as_str().unwrap();
    let made = alice.json(&["snapshot", id, &names[2], "--to", &bob.project()]);
    let image = made["image"].as_str().unwrap();
    let offers = bob.json(&["offers"]);
    let offer = offers.as_array().unwrap().iter().find(|offer| offer["title"] == names[2].as_str()).unwrap();
    assert!(bob.run(&["offers", "accept", offer["id"].as_str().unwrap()]).status.success());
    let theirs = bob.json(&["launch", image, "--on", "site", "--set", &format!("name={}", names[3])]);
    assert_eq!(theirs["state"], "running", "{theirs}");
    for (person, server) in [(&alice, id), (&bob, theirs["id"].as_str().unwrap())] {
        assert!(person.run(&["remove", server]).status.success());
    }
}

/// Cinder: a volume is shared with many projects as one image.
#[test]
fn cinder() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (clouds::Person::new("alice", &clouds), clouds::Person::new("bob", &clouds));
    let (volume, name) = volume(&alice, &clouds);
    let plan = lab::said(&alice.run(&["share", &volume, "--to", &bob.project(), "--plan"]));
    assert!(plan.contains("copies 1 GiB once"), "{plan}");
    alice.json(&["share", &volume, "--to", &bob.project()]);
    let offers = bob.json(&["offers"]);
    let offered = |offer: &Value| offer["title"].as_str().unwrap().starts_with(&name);
    assert!(offers.as_array().unwrap().iter().any(offered), "{offers}");
}

/// A volume transfer: offered with a key that is shown once, and accepted; the giver has lost it.
#[test]
fn transfer() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (clouds::Person::new("alice", &clouds), clouds::Person::new("bob", &clouds));
    let (volume, _) = volume(&alice, &clouds);
    let given = alice.json(&["share", &volume, "--give"]);
    let accept = bob.command(&["offers", "accept", &format!("site/transfer/{}", given["transfer"].as_str().unwrap())]);
    let taken = lab::with_input(accept, &format!("{}\n", given["key"].as_str().unwrap()));
    assert!(taken.status.success(), "{}", lab::complained(&taken));
    assert_eq!(alice.run(&["show", &volume]).status.code(), Some(6), "it is bob's now");
    assert_eq!(bob.json(&["show", &volume])["annotations"]["status"], "available");
}

/// A new volume of a person, and its name.
fn volume(person: &clouds::Person<'_>, clouds: &str) -> (String, String) {
    let name = lab::fresh("volume");
    let made = openstack(clouds, "alice", &["volume", "create", "--size", "1", &name]);
    let volume = format!("volume://site/{}", made["id"].as_str().unwrap());
    site::until("the volume", || person.json(&["show", &volume])["annotations"]["status"] == "available");
    (volume, name)
}
