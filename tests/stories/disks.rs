//! Disks of machines in registries: listed as what they are, and started.

use std::{io::Write, sync::Arc};

use sha2::{Digest as _, Sha256};
use wharf::{
    adapters::qemu::Qemu,
    core::{
        base::context::Context,
        image::model::{Image, ImageKind},
        launch::{logs::LogRange, plan::Step},
        portal::Portal,
        ports::Launcher,
    },
};

use crate::{
    clouds::Person,
    lab::{self, Home, complained, need, said},
    launchers::{answers, supply, until_it_says},
};

/// The text of a `clouds.yaml`, for the person without rights.
pub(crate) const CLOUDS: &str = "CLOUDS";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A blob and its media type.
pub(crate) struct Blob<'a>(pub(crate) &'a [u8], pub(crate) &'a str);

/// Puts an image with one layer into the lab's registry; gives its reference.
pub(crate) async fn put(name: &str, layer: Blob<'_>, config: Blob<'_>, artifact: Option<&str>) -> String {
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    let (client, base) = (reqwest::Client::new(), format!("http://{open}/v2/{name}"));
    for Blob(bytes, _) in [&layer, &config] {
        let begun = client.post(format!("{base}/blobs/uploads/")).send().await.unwrap();
        let at = begun.headers()["location"].to_str().unwrap().to_owned();
        let at = if at.starts_with('/') { format!("http://{open}{at}") } else { at };
        let joint = if at.contains('?') { '&' } else { '?' };
        let sent =
            client.put(format!("{at}{joint}digest={}", digest(bytes))).body(bytes.to_vec()).send().await.unwrap();
        assert!(sent.status().is_success(), "{}", sent.status());
    }
    let described = |Blob(bytes, kind): &Blob<'_>| serde_json::json!({ "mediaType": kind, "digest": digest(bytes), "size": bytes.len() });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut manifest = serde_json::json!({ "schemaVersion": 2, "mediaType": kind, "config": described(&config), "layers": [described(&layer)] });
    if let Some(artifact) = artifact {
        manifest["artifactType"] = artifact.into();
    }
    let sent = client.put(format!("{base}/manifests/1")).header("content-type", kind).body(manifest.to_string());
    let status = sent.send().await.unwrap().status();
    assert!(status.is_success(), "{status}");
    format!("oci://{open}/{name}:1")
}

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The layer of a containerDisk: one file below `/disk`, as KubeVirt documents it.
pub(crate) fn layer_with(name: &str, disk: &[u8]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_ustar();
    header.set_size(disk.len() as u64);
    header.set_mode(0o440);
    header.set_uid(107);
    header.set_cksum();
    archive.append_data(&mut header, name, disk).unwrap();
    archive.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(crate) fn config_of(layer: &[u8]) -> String {
    serde_json::json!({ "architecture": "amd64", "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(layer)] } })
    .to_string()
}

/// The same bytes as a qcow2 disk whose header names a file of its host.
fn naming_a_file(disk: &[u8]) -> Vec<u8> {
    let mut disk = disk.to_vec();
    disk[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    disk[8..16].copy_from_slice(&1024u64.to_be_bytes());
    disk[16..20].copy_from_slice(&11u32.to_be_bytes());
    disk[1024..1035].copy_from_slice(b"/etc/passwd");
    disk
}

/// A raw disk that only its boot sector makes one.
fn raw() -> Vec<u8> {
    let mut disk = vec![0; 1 << 20];
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// A container image with a disk, in the lab's registry.
pub(crate) async fn container_disk() -> String {
    let layer = layer_with("disk/disk.img", &raw());
    put(&lab::fresh("container-disk"), Blob(&layer, LAYER), Blob(config_of(&layer).as_bytes(), CONFIG), None).await
}

pub(crate) async fn shown(portal: &Portal, reference: &str) -> Image {
    portal.sources.image(&Context::default(), &reference.parse().unwrap(), None).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_in_a_registry_is_listed_as_one_whatever_it_is_called() {
    let open = need!("WHARF_LAB_OPEN");
    let portal = lab::portal(&Home::new(), vec![lab::registry("open", &open)]);
    let qcow2 =
        [&b"QFI\xfb\0\0\0\x03"[..], &[0; 12], &16u32.to_be_bytes(), &(1u64 << 30).to_be_bytes(), &[0; 4064]].concat();
    let tar = layer_with("disk/a.qcow2", &qcow2);
    let packed = gzip(&tar);
    let config = config_of(&tar);
    let image =
        put(&lab::fresh("disk"), Blob(&packed, &format!("{LAYER}+gzip")), Blob(config.as_bytes(), CONFIG), None).await;
    let found = shown(&portal, &image).await;
    let disk = found.disk.unwrap();
    assert_eq!(
        (found.kind, disk.format.as_str(), disk.virtual_size, disk.in_image),
        (ImageKind::Vm, "qcow2", Some(1 << 30), true)
    );
    // A media type that says gzip where nothing is compressed, as one publisher writes it.
    let lies = "application/vnd.diskimage.qcow2.gzip";
    let file =
        put(&lab::fresh("disk"), Blob(&qcow2, lies), Blob(b"{}", EMPTY), Some("application/vnd.unknown.artifact.v1"))
            .await;
    let found = shown(&portal, &file).await;
    let disk = found.disk.unwrap();
    assert_eq!((found.kind, disk.format.as_str(), disk.in_image), (ImageKind::Vm, "qcow2", false));
    let text = vec![b'x'; 8192];
    let other = put(&lab::fresh("text"), Blob(&text, lies), Blob(b"{}", EMPTY), Some("application/x")).await;
    assert_eq!(shown(&portal, &other).await.kind, ImageKind::Artifact, "its bytes are no disk");
    let names = naming_a_file(&qcow2);
    let hostile = put(&lab::fresh("disk"), Blob(&names, lies), Blob(b"{}", EMPTY), Some("application/x")).await;
    let found = shown(&portal, &hostile).await;
    let home = Home::new();
    let refused = Qemu::new("qemu".into(), &home.path("state"), &home.path("images")).accepts(&found).unwrap_err();
    assert!(refused.why.contains("names other files"), "{refused}");
}

#[test]
fn a_disk_from_a_registry_starts() {
    let (guest, open) = (need!("WHARF_LAB_QEMU"), need!("WHARF_LAB_OPEN"));
    lab::as_person("disks::a_person_starts_one", &[("WHARF_LAB_QEMU", &guest), ("WHARF_LAB_OPEN", &open)]);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test runs it as a person without rights"]
async fn a_person_starts_one() {
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("open", &std::env::var("WHARF_LAB_OPEN").unwrap())]);
    let guest = format!("{}/disk.qcow2", std::env::var("WHARF_LAB_QEMU").unwrap());
    let disk = std::fs::read(guest).unwrap();
    let layer = layer_with("disk/guest.qcow2", &disk);
    let (packed, config) = (gzip(&layer), config_of(&layer));
    let name = lab::fresh("guest");
    let reference = put(&name, Blob(&packed, &format!("{LAYER}+gzip")), Blob(config.as_bytes(), CONFIG), None).await;
    let backend = Qemu::new("qemu".into(), &home.path("state"), &home.path("images"));
    let launcher: Arc<dyn Launcher> = Arc::new(backend.kept_by(env!("CARGO_BIN_EXE_wharf").into()));
    let (cx, image) = (Context::default(), shown(&portal, &reference).await);
    let bytes = async || {
        let plan = launcher.plan(&cx, &image, &answers(&[("memory", "256M"), ("cpus", "1")])).await.unwrap();
        let moved = plan.steps.iter().find_map(|step| match step {
            Step::Prepare { bytes, .. } => *bytes,
            _ => None,
        });
        (plan, moved)
    };
    let (plan, moved) = bytes().await;
    assert_eq!(moved, Some(image.size), "what is fetched is told");
    let made = launcher.launch(&cx, &plan, &supply(&portal, &image).await).await.unwrap();
    let mut output = launcher.logs(&cx, &made.id, LogRange::following()).await.unwrap();
    until_it_says(&mut output, "guest: ready").await;
    assert_eq!(bytes().await.1, Some(0), "a second machine of it fetches nothing");
    let kept = launcher.kept_images(&cx).await.unwrap();
    let file = home.path("state/disks").join(&kept[0].id);
    assert!(std::fs::read(&file).unwrap() == disk, "the disk is the one that was packed");
    let names: Vec<_> =
        std::fs::read_dir(home.path("state/disks")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), 1, "nothing else is left: {names:?}");
    launcher.remove(&cx, &made.id).await.unwrap();
}

#[test]
fn a_disk_of_a_cloud_starts_here() {
    let (guest, clouds) = (need!("WHARF_LAB_QEMU"), need!("WHARF_LAB_CLOUDS"));
    // Only its owner may read the file of the lab.
    let clouds = std::fs::read_to_string(clouds).unwrap();
    let variables = [("WHARF_LAB_QEMU", guest.as_str()), (CLOUDS, &clouds)];
    lab::as_person("disks::a_person_starts_one_of_a_cloud", &variables);
}

#[test]
#[ignore = "another test runs it as a person without rights"]
fn a_person_starts_one_of_a_cloud() {
    let folder = tempfile::tempdir().unwrap();
    let clouds = folder.path().join("clouds.yaml").display().to_string();
    std::fs::write(&clouds, std::env::var(CLOUDS).unwrap()).unwrap();
    let alice = Person::new("alice", &clouds);
    let (file, entry) =
        (alice.home.path(".config/wharf/wharf.toml"), "[[backend]]\nname = \"qemu\"\ntype = \"qemu\"\n");
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap() + entry).unwrap();
    let guest = format!("{}/disk.qcow2", std::env::var("WHARF_LAB_QEMU").unwrap());
    let image = format!("glance://site/{}", lab::fresh("guest"));
    let pushed = alice.json(&["push", &guest, &image]);
    // The cloud itself comes first; on this machine it starts where it is asked for there.
    let plan = alice.json(&["launch", &image, "--plan=json"]);
    assert_eq!(plan["backend"], "site", "{plan}");
    let words = ["launch", &image, "--on", "qemu", "--set", "memory=256M", "--set", "cpus=1", "--set", "network=none"];
    let made = alice.json(&words);
    let id = made["id"].as_str().unwrap_or_else(|| panic!("{made}"));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !lab::said(&alice.run(&["logs", id])).contains("guest: ready") {
        assert!(std::time::Instant::now() < until, "{}", lab::said(&alice.run(&["logs", id])));
    }
    let hash = pushed["outcome"]["digest"].as_str().unwrap().replace(':', "-");
    let kept = alice.home.path(&format!("state/disks/{hash}.qcow2"));
    assert!(std::fs::read(&kept).unwrap() == std::fs::read(&guest).unwrap(), "compared with the cloud's hash");
    assert!(alice.run(&["remove", id]).status.success());
}

/// The beginning of the layer of this person's disk, as the program packs it.
fn layer_head(home: &Home) -> Vec<u8> {
    wharf::adapters::formats::container_disk::pack(&home.path("disk.img"), "pack").unwrap().head.to_vec()
}

/// Somebody with the lab's registry, and a disk.
fn with_a_disk() -> (Home, String, Vec<u8>) {
    let open = std::env::var("WHARF_LAB_OPEN").unwrap();
    let home = Home::configured(&format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n"));
    let stamp = lab::fresh("a disk of its own");
    let mut disk = raw();
    disk[4096..4096 + stamp.len()].copy_from_slice(stamp.as_bytes());
    std::fs::write(home.path("disk.img"), &disk).unwrap();
    (home, open, disk)
}

fn json(home: &Home, words: &[&str]) -> serde_json::Value {
    let output = home.wharf(&[words, &["--json"]].concat()).current_dir(home.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{words:?}: {}{}", lab::said(&output), lab::complained(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn refused(home: &Home, words: &[&str], code: i32) -> String {
    let output = home.wharf(words).current_dir(home.folder.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{words:?}: {}{}", lab::said(&output), lab::complained(&output));
    lab::complained(&output)
}

#[test]
fn a_disk_goes_to_a_registry_and_comes_back_the_same() {
    need!("WHARF_LAB_OPEN");
    let (home, open, disk) = with_a_disk();
    let image = format!("{open}/{}:1", lab::fresh("zz/pushed-disk"));
    let first = json(&home, &["push", "./disk.img", &image]);
    let again = json(&home, &["push", "./disk.img", &image]);
    assert_eq!((&again["outcome"]["digest"], &again["outcome"]["moved"]), (&first["outcome"]["digest"], &0.into()));
    // The registry has it as what it is, with what a list needs to know.
    let shown = json(&home, &["show", &image]);
    assert_eq!((&shown["kind"], &shown["disk"]["in_image"]), (&"vm".into(), &true.into()), "{shown}");
    assert_eq!(shown["disk"]["virtual_size"], disk.len());
    let own = digest(&disk);
    assert_eq!(shown["annotations"]["org.wharf.disk.sha256"], own.split_once(':').unwrap().1);
    // The file does not tell its processor: this machine's is not claimed for it.
    assert_eq!((&shown["platforms"], &shown["disk"]["architecture"]), (&serde_json::json!([]), &().into()), "{shown}");
    // A list calls it a container until it was looked at, and a disk from then on.
    let name = image.trim_start_matches(&format!("{open}/")).trim_end_matches(":1").to_owned();
    let listed = json(&home, &["images", &name]);
    assert_eq!((&listed[0]["kind"], &listed[0]["note"]), (&"vm".into(), &"disk image (raw)".into()), "{listed}");
    let disks = json(&home, &["images", &name, "--kind", "vm"]);
    assert_eq!(disks[0]["name"], name.as_str(), "{disks}");
    let kept = json(&home, &["images", &name, "--kind", "container", "--cached"]);
    assert_eq!(kept, serde_json::json!([]), "it is no container");
    // It comes back, and once more is once.
    json(&home, &["pull", &image, "back.img"]);
    assert!(std::fs::read(home.path("back.img")).unwrap() == disk);
    assert_eq!(json(&home, &["pull", &image, "back.img"])["outcome"]["moved"], 0);
    // What an earlier try has left is taken up; where it is of something else, all of it is fetched.
    let begun = home.path("begun.img.partial");
    std::fs::write(&begun, vec![b'x'; 2048]).unwrap();
    json(&home, &["pull", &image, "begun.img"]);
    assert!(std::fs::read(home.path("begun.img")).unwrap() == disk && !begun.exists());
    std::fs::remove_file(home.path("begun.img")).unwrap();
    std::fs::write(&begun, &layer_head(&home)[..512]).unwrap();
    json(&home, &["pull", &image, "begun.img"]);
    assert!(std::fs::read(home.path("begun.img")).unwrap() == disk && !begun.exists());
    std::fs::write(home.path("other.img"), "another file").unwrap();
    assert!(refused(&home, &["pull", &image, "other.img"], 2).contains("another file of that name"));
    let names = std::fs::read_dir(home.folder.path()).unwrap();
    let left: Vec<String> = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|name| name.contains("partial") || name.contains("making")), "{left:?}");
    // What is no disk is none, in both directions.
    let alpine = format!("{open}/library/alpine:latest");
    assert!(refused(&home, &["pull", &alpine, "alpine.qcow2"], 1).contains("no disk of a machine"));
    std::fs::write(home.path("notes"), vec![b'x'; 4096]).unwrap();
    refused(&home, &["push", "./notes", &image], 6);
    let hostile = naming_a_file(&vec![0; 4096]);
    std::fs::write(home.path("hostile.qcow2"), hostile).unwrap();
    let told = refused(&home, &["push", "./hostile.qcow2", &image], 4);
    assert!(told.contains("names other files"), "{told}");
}

#[test]
fn a_disk_goes_between_a_registry_and_a_cloud() {
    need!("WHARF_LAB_OPEN");
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (home, open, disk) = with_a_disk();
    let alice = Person::new("alice", &clouds);
    let file = alice.home.path(".config/wharf/wharf.toml");
    let both =
        [&file, &home.path(".config/wharf/wharf.toml")].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&file, both).unwrap();
    let from = home.path("disk.img").display().to_string();
    let (image, named) =
        (format!("{open}/{}:1", lab::fresh("zz/cloudy")), format!("glance://site/{}", lab::fresh("cloudy")));
    alice.json(&["push", &from, &image]);
    alice.json(&["copy", &image, &named]);
    let back = format!("{open}/{}:1", lab::fresh("zz/cloudy-back"));
    alice.json(&["copy", &named, &back]);
    let there = |image: &str| alice.json(&["show", image])["layers"][0]["digest"].clone();
    assert_eq!(there(&image), there(&back), "one disk is one layer, whichever way it came");
    let file = alice.home.path("again.img").display().to_string();
    alice.json(&["pull", &back, &file]);
    assert!(std::fs::read(&file).unwrap() == disk);
    let left = std::fs::read_dir(alice.home.path("cache/moving")).map_or(0, Iterator::count);
    assert_eq!(left, 0);
    // What it was made of is told at each place, also beside the file.
    let made_from = |image: &str| {
        said(&alice.run(&["show", image])).lines().find(|line| line.starts_with("made from")).map(str::to_owned)
    };
    let in_cloud = made_from(&named).unwrap();
    assert!(in_cloud.contains("wharf:oci://") && in_cloud.contains(image.trim_end_matches(":1")), "{in_cloud}");
    assert!(made_from(&back).unwrap().contains("wharf:glance://"), "{:?}", made_from(&back));
    // A link with the hash that Glance keeps is longer than a property: it comes through whole.
    let twice = format!("glance://site/{}", lab::fresh("cloudy-twice"));
    alice.json(&["copy", &named, &twice]);
    let told = &alice.json(&["show", &twice])["annotations"];
    let words = |key: &str| told[key].as_str().unwrap_or_default();
    let link = [words("wharf_from"), words("wharf_from_1"), words("wharf_from_2")].concat();
    let link: wharf::core::image::link::Link = link.parse().unwrap();
    assert!(link.hash.is_some() && link.cloud.is_some(), "{link}");
    if let Some(beside) = made_from(&format!("file:{file}")) {
        assert!(beside.contains(back.trim_end_matches(":1")), "{beside}");
    }
}

#[test]
fn what_a_disk_needs_goes_with_it_and_it_becomes_a_volume() {
    need!("WHARF_LAB_OPEN");
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (home, open, _) = with_a_disk();
    let alice = Person::new("alice", &clouds);
    let config = alice.home.path(".config/wharf/wharf.toml");
    let both = [&config, &home.path(".config/wharf/wharf.toml")].map(|file| std::fs::read_to_string(file).unwrap());
    std::fs::write(&config, both.concat()).unwrap();
    let (name, disk) = (lab::fresh("needs"), home.path("disk.img").display().to_string());
    let made = crate::clouds::openstack(
        &clouds,
        "alice",
        &[
            "image",
            "create",
            "--disk-format",
            "raw",
            "--container-format",
            "bare",
            "--file",
            &disk,
            "--min-disk",
            "1",
            "--min-ram",
            "64",
            "--property",
            "hw_firmware_type=uefi",
            "--property",
            "architecture=aarch64",
            &name,
        ],
    );
    let id = made["id"].as_str().unwrap().to_owned();
    let image = format!("{open}/{}:1", lab::fresh("zz/needs"));
    alice.json(&["copy", &format!("glance://site/{id}"), &image]);
    let shown = alice.json(&["show", &image]);
    let annotation =
        |key: &str| shown["annotations"][format!("org.wharf.disk.{key}")].as_str().unwrap_or("").to_owned();
    assert_eq!(
        (annotation("min-disk"), annotation("min-memory")),
        ((1_u64 << 30).to_string(), (64_u64 << 20).to_string())
    );
    assert_eq!((annotation("firmware"), annotation("architecture")), ("uefi".to_owned(), "arm64".to_owned()));
    // The configuration says it too, whichever processor this machine has.
    assert_eq!(shown["platforms"][0]["platform"], "linux/arm64", "{shown}");
    assert_eq!(shown["disk"]["architecture"], "arm64", "{shown}");
    assert_eq!(
        (&shown["disk"]["least_disk"], &shown["disk"]["least_memory"]),
        (&(1_u64 << 30).into(), &(64_u64 << 20).into())
    );
    // The hash that the cloud keeps is in what it was made from.
    let hash = made["properties"]["os_hash_value"].as_str().map_or_else(
        || {
            crate::clouds::openstack(&clouds, "alice", &["image", "show", &id])["properties"]["os_hash_value"]
                .as_str()
                .unwrap()
                .to_owned()
        },
        str::to_owned,
    );
    assert!(annotation("from").contains(&format!("hash=sha512%3A{hash}")), "{}", annotation("from"));
    let again = format!("glance://site/{}", lab::fresh("needs-again"));
    alice.json(&["copy", &image, &again]);
    let there = alice.json(&["show", &again]);
    assert_eq!(
        (&there["disk"]["least_disk"], &there["disk"]["least_memory"]),
        (&(1_u64 << 30).into(), &(64_u64 << 20).into())
    );
    assert_eq!((&there["annotations"]["firmware"], &there["disk"]["architecture"]), (&"uefi".into(), &"arm64".into()));
    // A file keeps it too, where its file system does, as long as it is the same disk.
    let file = alice.home.path("needs.img").display().to_string();
    alice.json(&["pull", &image, &file]);
    let noted = alice.json(&["show", &format!("file:{file}")]);
    if noted["annotations"]["fetched from"].is_string() {
        assert_eq!(
            (&noted["disk"]["least_memory"], &noted["disk"]["architecture"]),
            (&(64_u64 << 20).into(), &"arm64".into()),
            "{noted}"
        );
        let pushed = format!("{open}/{}:1", lab::fresh("zz/needs-pushed"));
        alice.json(&["push", &file, &pushed]);
        let shown = alice.json(&["show", &pushed]);
        assert_eq!(shown["annotations"]["org.wharf.disk.firmware"], "uefi", "{shown}");
        let mut other = std::fs::read(&file).unwrap();
        other[8192] ^= 1;
        std::fs::write(&file, other).unwrap();
        let changed = alice.json(&["show", &format!("file:{file}")]);
        assert_eq!((&changed["disk"]["least_memory"], &changed["disk"]["architecture"]), (&0.into(), &().into()));
    }
    // A volume of what is in a registry; the image between them is not left in the cloud.
    let volume = lab::fresh("from-registry");
    let copied = alice.json(&["copy", &image, &format!("volume://site/{volume}")]);
    assert!(copied["outcome"]["moved"].as_u64().unwrap() > 0, "{copied}");
    let shown = alice.json(&["show", &format!("volume://site/{volume}")]);
    assert_eq!(shown["annotations"]["status"], "available", "{shown}");
    let images = crate::clouds::openstack(&clouds, "alice", &["image", "list", "--name", &volume]);
    assert_eq!(images.as_array().unwrap().len(), 0, "{images}");
    let twice = alice.run(&["copy", &image, &format!("volume://site/{volume}")]);
    assert_eq!(twice.status.code(), Some(2), "{}", complained(&twice));
    alice.json(&["copy", &format!("glance://site/{id}"), &format!("volume://site/{volume}-own")]);
}

#[test]
fn a_disk_is_written_as_an_artifact_with_the_file_itself_and_read_back() {
    need!("WHARF_LAB_OPEN");
    let (home, open, disk) = with_a_disk();
    let image = format!("{open}/{}:1", lab::fresh("zz/as-file"));
    let from = home.path("disk.img").display().to_string();
    json(&home, &["push", &from, &image, "--as", "file"]);
    let shown = json(&home, &["show", &image]);
    assert_eq!((&shown["kind"], &shown["disk"]["format"]), (&"vm".into(), &"raw".into()), "{shown}");
    // The layer is the file: whoever reads it needs no archive.
    assert_eq!(shown["layers"][0]["digest"], digest(&disk), "{shown}");
    let back = home.path("back.img").display().to_string();
    json(&home, &["pull", &image, &back]);
    assert!(std::fs::read(&back).unwrap() == disk);
    let refused = refused(&home, &["push", &lab::starter(), &image, "--as", "file"], 1);
    assert!(refused.contains("only disks"), "{refused}");
}

#[test]
fn a_disk_is_fetched_from_the_web_into_a_registry() {
    let web = need!("WHARF_LAB_WEB");
    need!("WHARF_LAB_OPEN");
    let (home, open, disk) = with_a_disk();
    let (name, files) = (lab::fresh("into-registry"), std::env::var("WHARF_LAB_WEB_FILES").unwrap());
    let folder = std::path::Path::new(&files).join(&name);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("disk.img"), &disk).unwrap();
    let image = format!("oci://{open}/{}:1", lab::fresh("zz/fetched"));
    let told = json(&home, &["fetch", &format!("http://{web}/{name}/disk.img"), &image]);
    assert_eq!(told["reference"], image.as_str(), "{told}");
    json(&home, &["pull", &image, "fetched.raw"]);
    assert!(std::fs::read(home.path("fetched.raw")).unwrap() == disk);
}
