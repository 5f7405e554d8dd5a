//! Keeping the person's own images in order: tags set and moved, images removed, old versions pruned.
//!
//! The lab's registry deletes by digest only; one that deletes tags as the specification says, and one that deletes
//! nothing, are made here.

use std::{process::Output, sync::Arc};

use serde_json::{Value, json};

use crate::{
    clouds::{Person, disk, openstack},
    lab::{self, Home, need},
    scripted::Scripted,
    site,
};

/// A person who uses this registry.
struct Owner {
    home: Home,
    host: String,
    repository: String,
}

impl Owner {
    fn at(host: &str) -> Self {
        Self { home: Home::new(), host: host.to_owned(), repository: format!("{host}/team/{}", lab::fresh("tool")) }
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.home.run(arguments)
    }

    /// The output in JSON of a call that must succeed.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[&["--json"], arguments].concat());
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", lab::complained(&output));
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {}", lab::said(&output)))
    }

    fn named(&self, version: &str) -> String {
        format!("{}{version}", self.repository)
    }

    fn copy(&self, from: &str, tag: &str) {
        self.json(&["copy", from, &self.named(tag)]);
    }

    fn digest(&self, reference: &str) -> Option<String> {
        let shown = self.run(&["show", reference, "--json"]);
        let shown: Value = serde_json::from_slice(&shown.stdout).ok()?;
        shown["pinned"]["digest"].as_str().map(str::to_owned)
    }

    /// The tags, as the registry itself lists them.
    async fn tags(&self) -> Vec<String> {
        let path = self.repository.split_once('/').unwrap().1;
        let url = format!("http://{}/v2/{path}/tags/list", self.host);
        let answer: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        let mut tags: Vec<String> =
            answer["tags"].as_array().into_iter().flatten().map(|tag| tag.as_str().unwrap().to_owned()).collect();
        tags.sort();
        tags
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_is_given_moved_only_when_asked_for_and_taken_away_without_its_image() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    owner.copy(&format!("{open}/physics/gromacs:2024.1"), ":1.0");
    owner.copy(&format!("{open}/physics/lammps:stable"), ":2.0");
    let (one, two) = (owner.digest(&owner.named(":1.0")).unwrap(), owner.digest(&owner.named(":2.0")).unwrap());
    let tagged = owner.json(&["tag", &owner.named(":1.0"), "latest"]);
    assert_eq!((&tagged["digest"], &tagged["before"]), (&one.as_str().into(), &Value::Null));
    assert_eq!(owner.json(&["tag", &owner.named(":1.0"), "latest"])["before"], one.as_str(), "again is the same");
    // It means another image: the tag is moved only if that is requested.
    let refused = owner.run(&["tag", &owner.named(":2.0"), ":latest"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(lab::complained(&refused).contains("--move"), "{}", lab::complained(&refused));
    assert_eq!(owner.digest(&owner.named(":latest")), Some(one.clone()));
    assert_eq!(owner.json(&["tag", &owner.named(":2.0"), "latest", "--move"])["before"], one.as_str());
    assert_eq!(owner.digest(&owner.named(":latest")), Some(two.clone()));
    // The plan first; without anybody to ask and without --yes nothing is done.
    let plan = owner.json(&["remove-image", &owner.named(":latest"), "--plan"]);
    assert_eq!(plan[0]["plan"]["title"], "the tag latest");
    assert!(plan[0]["plan"]["stays"][0].as_str().unwrap().ends_with("as 2.0"), "{plan}");
    assert_eq!(owner.run(&["remove-image", &owner.named(":latest")]).status.code(), Some(2));
    assert_eq!(owner.tags().await.iter().filter(|tag| *tag == "latest").count(), 1);
    assert_eq!(owner.json(&["remove-image", &owner.named(":latest"), "--yes"])[0]["done"], "removed");
    assert_eq!(owner.digest(&owner.named(":2.0")), Some(two), "its other tag stays");
    assert_eq!(owner.digest(&owner.named(":latest")), None);
    assert_eq!(owner.run(&["remove-image", &owner.named(":latest"), "--yes"]).status.code(), Some(6));
    // All of it is in the audit.
    let audit = lab::said(&owner.run(&["audit"]));
    assert!(audit.contains("remove-image") && audit.contains("tag "), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_last_tag_an_image_goes_with_what_is_attached_to_it() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    // The lab has an SBOM attached to this one.
    owner.copy(&format!("{open}/physics/gromacs:2024.1"), ":1.0");
    owner.json(&["tag", &owner.named(":1.0"), "old"]);
    assert!(owner.tags().await.iter().any(|tag| tag.starts_with("sha256-")), "its attachments are listed under a tag");
    let digest = owner.digest(&owner.named(":1.0")).unwrap();
    let plan = owner.json(&["remove-image", &owner.named(":1.0"), &owner.named(":old"), "--plan"]);
    assert_eq!(plan[0]["plan"]["title"], "the tag 1.0");
    assert_eq!(plan[1]["plan"]["title"], "the image, with its last tag old", "{plan}");
    let by_digest = owner.json(&["remove-image", &format!("{}@{digest}", owner.repository), "--plan"]);
    let along = by_digest[0]["plan"]["along"].to_string();
    assert!(along.contains("its tags 1.0, old") || along.contains("its tags old, 1.0"), "{along}");
    assert!(along.contains("attached to it: 1 software list"), "{along}");
    owner.json(&["remove-image", &owner.named(":1.0"), &owner.named(":old"), "--yes"]);
    assert_eq!(owner.tags().await, Vec::<String>::new());
    assert_eq!(owner.digest(&format!("{}@{digest}", owner.repository)), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_platform_of_an_image_and_a_whole_repository_are_not_removed_by_accident() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    owner.copy(&format!("{open}/library/alpine:latest"), ":1.0");
    let shown = owner.json(&["show", &owner.named(":1.0")]);
    let inner = shown["platforms"][0]["digest"].as_str().unwrap();
    assert_ne!(Some(inner), shown["pinned"]["digest"].as_str(), "{shown}");
    let refused = owner.run(&["remove-image", &format!("{}@{inner}", owner.repository), "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(lab::complained(&refused).contains("one platform of 1.0"), "{}", lab::complained(&refused));
    let refused = owner.run(&["remove-image", &owner.repository, "--yes"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(lab::complained(&refused).contains("all versions"), "{}", lab::complained(&refused));
    let file = owner.home.path("disk.raw");
    std::fs::write(&file, "x").unwrap();
    let refused = owner.run(&["remove-image", file.to_str().unwrap(), "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(file.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_deletes_nothing_keeps_its_tags() {
    need!("WHARF_LAB_OPEN");
    let folder = tempfile::tempdir().unwrap();
    let mut registry = site::Registry::new(folder.path());
    registry.deletes = false;
    registry.start();
    let owner = Owner::at(&registry.host());
    owner.copy(&lab::starter(), ":1.0");
    owner.json(&["tag", &owner.named(":1.0"), "2.0"]);
    let digest = owner.digest(&owner.named(":1.0"));
    for what in [owner.named(":2.0"), format!("{}@{}", owner.repository, digest.clone().unwrap())] {
        let refused = owner.run(&["remove-image", &what, "--yes"]);
        assert_eq!(refused.status.code(), Some(1), "{what}");
        assert!(lab::complained(&refused).contains("ask its administrators"), "{}", lab::complained(&refused));
    }
    assert_eq!(owner.digest(&owner.named(":2.0")), digest, "it means what it meant");
    assert_eq!(owner.tags().await, ["1.0", "2.0"]);
}

/// A registry that deletes tags as distribution specification 1.1 says ("Deleting tags"), in front of the lab's. Gives
/// its address and what was deleted.
async fn by_the_specification(behind: &str) -> (String, Arc<std::sync::Mutex<Vec<String>>>) {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let deleted: Arc<std::sync::Mutex<Vec<String>>> = Arc::default();
    let (log, behind) = (deleted.clone(), behind.to_owned());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (log, behind) = (log.clone(), behind.clone());
            tokio::spawn(async move {
                let (read, mut write) = stream.into_split();
                let mut lines = BufReader::new(read);
                let mut head = String::new();
                while lines.read_line(&mut head).await.unwrap_or(0) > 2 {}
                let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
                let tag = path.rsplit('/').next().unwrap_or_default().to_owned();
                let gone = log.lock().unwrap().contains(&tag);
                if head.starts_with("DELETE") && !tag.contains(':') {
                    log.lock().unwrap().push(tag);
                    let _ = write
                        .write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .await;
                    return;
                }
                if gone {
                    let _ = write
                        .write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                        .await;
                    return;
                }
                let mut far = tokio::net::TcpStream::connect(&behind).await.unwrap();
                let head = head.replacen("\r\n", "\r\nConnection: close\r\n", 1);
                far.write_all(head.as_bytes()).await.unwrap();
                let mut answer = Vec::new();
                let _ = far.read_to_end(&mut answer).await;
                let _ = write.write_all(&answer).await;
            });
        }
    });
    (address, deleted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_deletes_tags_is_asked_for_that_alone() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    owner.copy(&format!("{open}/physics/lammps:stable"), ":1.0");
    owner.json(&["tag", &owner.named(":1.0"), "2.0"]);
    let (address, deleted) = by_the_specification(&open).await;
    let there = owner.named(":2.0").replacen(&open, &address, 1);
    owner.json(&["remove-image", &there, "--yes"]);
    assert_eq!(*deleted.lock().unwrap(), ["2.0"]);
    assert_eq!(owner.tags().await, ["1.0", "2.0"], "nothing was put in its place");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_changed_since_it_was_told_is_left_alone() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    owner.copy(&format!("{open}/physics/lammps:stable"), ":1.0");
    owner.copy(&format!("{open}/physics/gromacs:2024.1"), ":2.0");
    owner.json(&["tag", &owner.named(":1.0"), "latest"]);
    let portal = lab::portal(&owner.home, vec![lab::registry("open", &open)]);
    let cx = wharf::core::base::context::Context::default();
    let reference = owner.named(":latest").parse().unwrap();
    let told = portal.upkeep.removals(&cx, std::slice::from_ref(&reference)).await.remove(0).unwrap();
    // Somebody moves the tag meanwhile.
    owner.json(&["tag", &owner.named(":2.0"), "latest", "--move"]);
    let done = portal.upkeep.remove_images(&cx, &[told]).await.remove(0);
    assert!(done.unwrap_err().why.contains("changed since"));
    assert_eq!(owner.digest(&owner.named(":latest")), owner.digest(&owner.named(":2.0")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harbor_says_what_is_immutable_and_keeps_the_other_tags() {
    let (harbor, open) = (need!("WHARF_LAB_HARBOR"), need!("WHARF_LAB_OPEN"));
    let mut owner = Owner::at(&open);
    owner.copy(&format!("{open}/physics/lammps:stable"), ":1.0");
    owner.json(&["tag", &owner.named(":1.0"), "release-1"]);
    owner.json(&["tag", &owner.named(":1.0"), "wip"]);
    let folder = owner.home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let source = format!("[[source]]\nname = \"site\"\ntype = \"harbor\"\nurl = \"http://{harbor}\"\n");
    std::fs::write(folder.join("wharf.toml"), source).unwrap();
    owner.repository = owner.repository.replacen(&open, &harbor, 1);
    let whole = format!("{}@{}", owner.repository, owner.digest(&owner.named(":1.0")).unwrap());
    for what in [owner.named(":release-1"), whole] {
        let refused = owner.run(&["remove-image", &what, "--yes"]);
        assert_eq!(refused.status.code(), Some(1), "{what}");
        assert!(lab::complained(&refused).contains("release-1 is immutable"), "{}", lab::complained(&refused));
    }
    owner.json(&["remove-image", &owner.named(":wip"), "--yes"]);
    assert_eq!(owner.tags().await, ["1.0", "release-1"]);
    // It may say so only when the removal is requested.
    assert_eq!(owner.json(&["tag", &owner.named(":1.0"), "wip"])["before"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_engines_image_goes_with_its_last_name_unless_a_container_uses_it() {
    for (name, socket) in [("docker", need!("WHARF_LAB_DOCKER")), ("podman", need!("WHARF_LAB_PODMAN"))] {
        let owner = Owner::at("localhost");
        let folder = owner.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let source = format!("[[source]]\nname = \"{name}\"\ntype = \"engine\"\nurl = \"{socket}\"\n");
        std::fs::write(folder.join("wharf.toml"), source).unwrap();
        // A separate image: an image that is copied into an engine twice is one image there.
        let (base, own) = (format!("engine://{name}/localhost/{}:1", lab::fresh("base")), lab::fresh("tool"));
        owner.json(&["copy", &lab::starter(), &base]);
        let run = |image: &str| {
            let launched =
                owner.json(&["launch", image, "--on", name, "--set", "remove=no", "--", "/bin/sh", "-c", "true"]);
            launched["id"].as_str().unwrap().to_owned()
        };
        let id = run(&base);
        owner.json(&["snapshot", &id, &format!("{own}:1.0")]);
        assert_eq!(owner.run(&["remove", &id]).status.code(), Some(0), "{name}");
        // Other tests may be running containers of the same image at this moment: then it stays.
        owner.run(&["remove-image", &base, "--yes"]);
        let one = format!("engine://{name}/localhost/{own}");
        let first = format!("{one}:1.0");
        // An engine keeps an image under any name.
        let other = format!("engine://{name}/localhost/{}:x", lab::fresh("other"));
        owner.json(&["tag", &first, &other]);
        owner.json(&["tag", &first, "1.1"]);
        let names = owner.json(&["remove-image", &format!("{one}:1.1"), "--yes"]);
        assert_eq!(names[0]["done"], "removed", "{name}");
        assert!(owner.digest(&first).is_some() && owner.digest(&other).is_some(), "{name}");
        // Used by a container that has ended: it stays.
        owner.json(&["remove-image", &other, "--yes"]);
        let id = run(&first);
        let refused = owner.run(&["remove-image", &first, "--yes"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(lab::complained(&refused).contains("uses it"), "{name}: {}", lab::complained(&refused));
        assert_eq!(owner.run(&["remove", &id]).status.code(), Some(0), "{name}");
        let told = owner.json(&["remove-image", &first, "--plan"]);
        assert!(
            told[0]["plan"]["title"].as_str().unwrap().starts_with("the image, with its last name"),
            "{name}: {told}"
        );
        owner.json(&["remove-image", &first, "--yes"]);
        assert_eq!(owner.digest(&first), None, "{name}");
        assert_eq!(owner.run(&["remove-image", &first, "--yes"]).status.code(), Some(6), "{name}");
    }
}

#[test]
fn a_clouds_image_goes_with_its_members_named_unless_it_is_protected_or_not_ones_own() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let file = alice.home.path("disk.raw");
    disk(&file);
    let name = lab::fresh("upkeep");
    let pushed = alice.json(&["push", file.to_str().unwrap(), &format!("glance://site/{name}")]);
    assert!(pushed["outcome"]["moved"].as_u64().unwrap() > 0, "{pushed}");
    let id = alice.json(&["show", &format!("glance://site/{name}")])["reference"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let image = format!("glance://site/{id}");
    alice.json(&["share", &image, "--to", &bob.project()]);
    let refused = bob.run(&["remove-image", &image, "--yes"]);
    assert_eq!(refused.status.code(), Some(7));
    assert!(lab::complained(&refused).contains("another project"), "{}", lab::complained(&refused));
    openstack_quiet(&clouds, "alice", &["image", "set", "--protected", &id]);
    let refused = alice.run(&["remove-image", &image, "--yes"]);
    assert!(lab::complained(&refused).contains("protected"), "{}", lab::complained(&refused));
    openstack_quiet(&clouds, "alice", &["image", "set", "--unprotected", &id]);
    let plan = alice.json(&["remove-image", &format!("glance://site/{name}"), "--plan"]);
    assert!(plan[0]["plan"]["along"].to_string().contains("loses it (pending)"), "{plan}");
    assert_eq!(plan[0]["plan"]["removes"], json!([image]), "named exactly: by its id");
    alice.json(&["remove-image", &format!("glance://site/{name}"), "--yes"]);
    assert_eq!(alice.run(&["show", &image]).status.code(), Some(6));
}

/// Runs an `openstack` command that changes something and prints nothing.
fn openstack_quiet(clouds: &str, cloud: &str, arguments: &[&str]) {
    let home = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new("/usr/bin/openstack");
    command.env_clear().env("PATH", "/usr/bin:/bin").env("OS_CLIENT_CONFIG_FILE", clouds).env("HOME", home.path());
    let output = command.args(["--os-cloud", cloud]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", lab::complained(&output));
}

#[test]
fn a_volume_goes_after_its_snapshots() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let name = lab::fresh("upkeep");
    let volume = openstack(&clouds, "alice", &["volume", "create", "--size", "1", &name]);
    let volume = volume["id"].as_str().unwrap().to_owned();
    let here = format!("volume://site/{volume}");
    site::until("the volume", || alice.json(&["show", &here])["annotations"]["status"] == "available");
    let snapshot = openstack(&clouds, "alice", &["volume", "snapshot", "create", "--volume", &volume, &name]);
    let snapshot = format!("volume://site/snapshots/{}", snapshot["id"].as_str().unwrap());
    site::until("the snapshot", || alice.json(&["show", &snapshot])["annotations"]["status"] == "available");
    let refused = alice.run(&["remove-image", &here, "--yes"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(lab::complained(&refused).contains("it has snapshots"), "{}", lab::complained(&refused));
    alice.json(&["remove-image", &snapshot, "--yes"]);
    alice.json(&["remove-image", &format!("volume://site/{name}"), "--yes"]);
    assert_eq!(alice.run(&["show", &here]).status.code(), Some(6));
}

#[tokio::test(flavor = "multi_thread")]
async fn old_versions_are_cleared_out_by_a_rule_and_the_plan_comes_first() {
    let open = need!("WHARF_LAB_OPEN");
    let owner = Owner::at(&open);
    // Layouts with dates of their own: four images, one of them without a date.
    let year = 365 * 24 * 60 * 60;
    for (tag, age) in [("1.0", Some(3 * year)), ("1.1", Some(2 * year)), ("2.0", Some(60)), ("repro", None)] {
        let layout = owner.home.path(tag);
        dated_layout(&layout, age.map(|age| wharf::core::base::text::now() - age));
        owner.json(&["copy", &format!("file:{}", layout.display()), &owner.named(&format!(":{tag}"))]);
    }
    owner.json(&["tag", &owner.named(":1.1"), "stable"]);
    let repository = owner.repository.clone();
    // A mirror is behind: the digest that it has for a tag is not the one that is removed.
    let mirror = Scripted::new();
    let (host, path) = repository.trim_start_matches("oci://").split_once('/').unwrap();
    let behind = mirror.image(path, Some("1.0"), "behind");
    let conf = owner.home.path(".config/containers/registries.conf");
    std::fs::create_dir_all(conf.parent().unwrap()).unwrap();
    let conf_text = crate::mirrors::entry(host, host, "", &[(&mirror.address, "")]);
    std::fs::write(&conf, conf_text).unwrap();
    assert_eq!(
        owner.digest(&owner.named(":1.0")).as_deref(),
        behind["digest"].as_str(),
        "it is pulled from the mirror"
    );
    let told = owner.json(&["prune", &repository, "--keep", "1", "--older-than", "90d", "--plan"]);
    let going: Vec<String> = told["goes"].as_array().unwrap().iter().map(|one| one["tags"].to_string()).collect();
    assert_eq!(going, [r#"["1.0"]"#, r#"["stable","1.1"]"#], "{told}");
    let why = |tag: &str| {
        told["kept"].as_array().unwrap().iter().find(|kept| kept["tag"] == tag).unwrap()["why"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(why("2.0"), "one of the newest 1");
    assert_eq!(why("repro"), "its creation time is unknown");
    let five = owner.json(&["prune", &repository, "--keep", "5", "--plan"]);
    assert_eq!(five["goes"], json!([]));
    assert_eq!(owner.run(&["prune", &repository]).status.code(), Some(2), "without a rule nothing is cleared out");
    assert_eq!(owner.run(&["prune", &repository, "--keep", "1"]).status.code(), Some(2), "nobody can be asked");
    assert_eq!(owner.run(&["prune", &owner.named(":1.0"), "--keep", "1"]).status.code(), Some(2));
    assert_eq!(owner.tags().await, ["1.0", "1.1", "2.0", "repro", "stable"]);
    let done = owner.json(&["prune", &repository, "--keep", "1", "--older-than", "90d", "--yes"]);
    assert_eq!(done.as_array().unwrap().len(), 2, "{done}");
    assert_eq!(owner.tags().await, ["2.0", "repro"]);
}

/// An OCI layout of one image that was built at this time.
fn dated_layout(folder: &std::path::Path, created: Option<i64>) {
    use wharf::core::base::digest::Digest;
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8], kind: &str| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    };
    let layer = vec![0; 1024];
    let mut config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"], "Labels": {"of": folder.display().to_string()}},
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]}});
    if let Some(created) = created {
        config["created"] = wharf::core::base::text::timestamp(created).into();
    }
    let config = put(config.to_string().as_bytes(), "application/vnd.oci.image.config.v1+json");
    let layer = put(&layer, "application/vnd.oci.image.layer.v1.tar");
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": [layer]});
    let entry = put(manifest.to_string().as_bytes(), kind);
    let index =
        json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]});
    std::fs::write(folder.join("index.json"), index.to_string()).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

#[test]
fn an_account_without_the_right_is_told_so_and_not_asked_to_sign_in_again() {
    let (open, token) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_TOKEN"));
    let owner = Owner::at(&token);
    let folder = owner.home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    let source = format!("[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://{token}\"\n");
    std::fs::write(folder.join("wharf.toml"), source).unwrap();
    let sign_in = |name: &str, password: &str| {
        let login = owner.home.wharf(&["login", "site", "--user", name, "--password-stdin"]);
        assert_eq!(lab::with_input(login, password).status.code(), Some(0), "{name}");
    };
    sign_in("lab", "labpass");
    owner.copy(&format!("{open}/physics/lammps:stable"), ":1.0");
    owner.json(&["tag", &owner.named(":1.0"), "2.0"]);
    sign_in("reader", "readpass");
    for arguments in [vec!["tag", ":1.0", "3.0"], vec!["remove-image", "--yes", ":2.0"]] {
        let named: Vec<String> = arguments
            .iter()
            .map(|word| if word.starts_with(':') { owner.named(word) } else { (*word).to_owned() })
            .collect();
        let refused = owner.run(&named.iter().map(String::as_str).collect::<Vec<_>>());
        assert_eq!(refused.status.code(), Some(7), "{arguments:?}");
        let said = lab::complained(&refused);
        assert!(said.contains("the account 'reader' has no right") && !said.contains("sign in:"), "{said}");
    }
    sign_in("lab", "labpass");
    assert_eq!(owner.json(&["remove-image", &owner.named(":2.0"), "--yes"])[0]["done"], "removed");
}
