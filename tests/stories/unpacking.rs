//! Unpacked images and private folders: nobody else can change what is launched, hostile layers do no harm, and nothing
//! incomplete stays.

use std::{
    os::unix::{ffi::OsStrExt, fs::PermissionsExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use wharf::core::base::digest::Digest;

use crate::{
    lab::{self, Home},
    site::until,
};

/// Whether a daemonless launch is possible here.
fn can_launch() -> bool {
    let can = wharf::adapters::local::SandboxProgram::find().is_some();
    if !can {
        eprintln!("left out: neither bwrap nor unshare");
    }
    can
}

/// An entry of a layer: type, name, mode, data.
type Entry<'a> = (u8, &'a [u8], u32, &'a [u8]);

fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut layer = Vec::new();
    for (kind, name, mode, data) in entries {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name);
        header.set_mode(*mode);
        header.set_size(data.len() as u64);
        header.as_mut_bytes()[156] = *kind;
        header.set_cksum();
        layer.extend_from_slice(header.as_bytes());
        layer.extend_from_slice(data);
        layer.resize(layer.len().next_multiple_of(512), 0);
    }
    layer
}

/// The starter's image with more layers on top; its reference, and its digest.
fn image(folder: &Path, more: &[Vec<u8>]) -> (String, Digest) {
    let layout = folder.join(lab::fresh("layout"));
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let blob = |bytes: &[u8], kind: &str| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        serde_json::json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest.to_string(), "size": bytes.len()})
    };
    let starter = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/starter/layout/blobs/sha256");
    let look = std::fs::read(starter.join("661aa7ccc780ca249e8664952a582b3418dd61bad234f13ed8d314fd6c603186")).unwrap();
    let ids: Vec<String> = std::iter::once(&look).chain(more).map(|layer| Digest::of(layer).to_string()).collect();
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/look"]},
        "rootfs": {"type": "layers", "diff_ids": ids}});
    let config = blob(config.to_string().as_bytes(), "config.v1+json");
    let layers: Vec<_> = std::iter::once(&look).chain(more).map(|layer| blob(layer, "layer.v1.tar")).collect();
    let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": layers});
    let mut entry = blob(manifest.to_string().as_bytes(), "manifest.v1+json");
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "1"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    (format!("file:{}:1", layout.display()), Digest::of(manifest.to_string().as_bytes()))
}

fn launched(home: &Home, image: &str) {
    let launch = home.run(&["launch", image, "--on", "local", "--follow"]);
    assert_eq!(launch.status.code(), Some(0), "{}", lab::complained(&launch));
    assert!(lab::said(&launch).contains("look: what a program here can see"), "{}", lab::said(&launch));
}

fn mode(path: &Path) -> u32 {
    path.symlink_metadata().unwrap().permissions().mode() & 0o7777
}

/// Everything below a folder, except the content of unpacked images.
fn all_below(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        let in_image = path.file_name().is_some_and(|name| name == "root");
        if path.is_dir() && !path.is_symlink() && !in_image {
            all_below(&path, all);
        }
        if !in_image {
            all.push(path);
        }
    }
}

#[test]
fn what_is_kept_is_for_its_owner_alone_whatever_the_umask() {
    let home = Home::new();
    let (image, _) = image(home.folder.path(), &[]);
    let run = |arguments: &[&str]| {
        let wharf = home.wharf(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", "umask 0; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wharf")]).args(arguments).env_clear();
        for (name, value) in wharf.get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        command.env("WHARF_LOG", "debug").output().unwrap()
    };
    // As an earlier version may have left them.
    for name in ["cache", "state"] {
        std::fs::create_dir(home.path(name)).unwrap();
        std::fs::set_permissions(home.path(name), PermissionsExt::from_mode(0o777)).unwrap();
    }
    std::fs::write(home.path("state/wharf.log"), "").unwrap();
    assert_eq!(run(&["images"]).status.code(), Some(0));
    if can_launch() {
        let launch = run(&["launch", &image, "--on", "local", "--follow"]);
        assert_eq!(launch.status.code(), Some(0), "{}", lab::complained(&launch));
    }
    let mut all = vec![home.path("cache"), home.path("state")];
    all_below(&home.path("cache"), &mut all);
    all_below(&home.path("state"), &mut all);
    for name in ["cache/cache.db", "state/wharf.log"] {
        assert!(all.contains(&home.path(name)), "{name}: {all:?}");
    }
    for path in all.iter().filter(|path| !path.is_symlink()) {
        assert_eq!(mode(path) & 0o077, 0, "{} is {:o}", path.display(), mode(path));
    }
}

#[test]
fn folders_that_others_own_or_could_exchange_are_refused() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("left out: only root makes folders of others");
    }
    let home = Home::new();
    for (name, prepare) in [
        (
            "state",
            Box::new(|path: &Path| std::os::unix::fs::chown(path, Some(4242), None).unwrap()) as Box<dyn Fn(&Path)>,
        ),
        ("cache", Box::new(|path: &Path| std::os::unix::fs::chown(path, Some(4242), None).unwrap())),
    ] {
        let path = home.path(name);
        std::fs::create_dir(&path).unwrap();
        prepare(&path);
        let refused = home.run(&["images"]);
        assert_eq!(refused.status.code(), Some(7), "{}", lab::complained(&refused));
        let said = lab::complained(&refused);
        assert!(
            said.contains("belongs to user 4242") && said.contains(name) && said.contains("WHARF_CACHE_DIR"),
            "{said}"
        );
        std::fs::remove_dir(&path).unwrap();
    }
    let open = home.path("open");
    std::fs::create_dir(&open).unwrap();
    std::fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    let refused = home.wharf(&["images"]).env("WHARF_STATE_DIR", open.join("state")).output().unwrap();
    assert_eq!(refused.status.code(), Some(7), "{}", lab::complained(&refused));
    assert!(lab::complained(&refused).contains("others may write to"), "{}", lab::complained(&refused));
}

#[test]
fn an_unpacked_image_is_closed_to_others_and_one_that_was_changed_is_not_run() {
    if !can_launch() {
        return;
    }
    let home = Home::new();
    let more = layer(&[
        (b'5', b"opt", 0o777, b""),
        (b'0', b"opt/app", 0o777, b"as it should be"),
        (b'5', b"sticky", 0o1777, b""),
        (b'0', b"na\xefve\xff", 0o644, b"bytes"),
    ]);
    let (image, digest) = image(home.folder.path(), &[more]);
    launched(&home, &image);
    let kept = home.path("cache/roots").join(digest.hex());
    let root = kept.join("root");
    // The image's own modes, inside a closed folder.
    assert_eq!((mode(&root.join("opt")), mode(&root.join("sticky")), mode(&kept)), (0o777, 0o1777, 0o700));
    assert!(root.join(std::ffi::OsStr::from_bytes(b"na\xefve\xff")).is_file(), "names are bytes");
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(home.folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let app = root.join("opt/app").display().to_string();
        let written = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "sh", "-c", &format!("echo evil > {app}")])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!written.success(), "others cannot write there");
    }
    // It is the same tree as long as nobody changes it.
    let inode = |path: &Path| std::os::unix::fs::MetadataExt::ino(&path.metadata().unwrap());
    let before = inode(&root);
    launched(&home, &image);
    assert_eq!(inode(&root), before);
    // As an earlier workload might have done, if it could: another content with the old time; and an additional file.
    let app = root.join("opt/app");
    let time = app.metadata().unwrap().modified().unwrap();
    for change in 0..3 {
        match change {
            0 => {
                std::fs::write(&app, "as it shouldn't").unwrap();
                std::fs::File::options().write(true).open(&app).unwrap().set_modified(time).unwrap();
            }
            1 => std::fs::write(root.join("more"), "").unwrap(),
            _ => std::fs::write(kept.join("done"), "").unwrap(),
        }
        launched(&home, &image);
        assert_eq!(std::fs::read_to_string(&app).unwrap(), "as it should be", "change {change}");
        assert!(!root.join("more").exists());
    }
    assert_eq!(leftovers(&home, "partial"), 0);
}

fn leftovers(home: &Home, ending: &str) -> usize {
    let Ok(entries) = std::fs::read_dir(home.path("cache/roots")) else { return 0 };
    entries.flatten().filter(|entry| entry.path().extension().is_some_and(|found| found == ending)).count()
}

#[test]
fn mount_points_that_an_image_lacks_leave_it_sound() {
    if !can_launch() {
        return;
    }
    let home = Home::new();
    let (image, digest) = image(home.folder.path(), &[]);
    launched(&home, &image);
    let root = home.path("cache/roots").join(digest.hex()).join("root");
    let inode = std::os::unix::fs::MetadataExt::ino(&root.metadata().unwrap());
    let mount = format!("mounts={}:/data/deep", home.folder.path().display());
    for _ in 0..2 {
        let launch = home.run(&["launch", &image, "--on", "local", "--set", &mount, "--follow"]);
        assert_eq!(launch.status.code(), Some(0), "{}", lab::complained(&launch));
    }
    launched(&home, &image);
    assert_eq!(std::os::unix::fs::MetadataExt::ino(&root.metadata().unwrap()), inode, "it was not unpacked again");
}

/// Bytes that cannot be compressed, so that a layer is as large as it says.
fn noise(count: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut all = Vec::with_capacity(count);
    while all.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend_from_slice(&state.to_le_bytes());
    }
    all
}

#[test]
fn an_unpacking_that_is_cancelled_or_killed_leaves_nothing() {
    if !can_launch() {
        return;
    }
    let home = Home::new();
    let data = noise(8 << 20);
    let names: Vec<String> = (0..40).map(|number| format!("file-{number}")).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| (b'0', name.as_bytes(), 0o644, &*data)).collect();
    let (image, _) = image(home.folder.path(), &[layer(&entries)]);
    for (signal, left) in [("INT", 0), ("KILL", 1)] {
        let mut command = home.wharf(&["launch", &image, "--on", "local"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let began = Instant::now();
        while leftovers(&home, "partial") == 0 {
            assert!(child.try_wait().unwrap().is_none(), "it was too fast to be cancelled");
            assert!(began.elapsed() < Duration::from_secs(60));
            std::thread::park_timeout(Duration::from_millis(1));
        }
        assert!(Command::new("kill").args([format!("-{signal}"), child.id().to_string()]).status().unwrap().success());
        assert_ne!(child.wait().unwrap().code(), Some(0));
        assert_eq!(leftovers(&home, "partial"), left, "{signal}");
    }
    // The next launch removes it.
    launched(&home, &image);
    assert_eq!(leftovers(&home, "partial"), 0);
}

#[test]
fn several_at_once_unpack_one_image_and_none_takes_the_others_half() {
    if !can_launch() {
        return;
    }
    let home = Home::new();
    let data = noise(1 << 20);
    let names: Vec<String> = (0..60).map(|number| format!("file-{number}")).collect();
    let entries: Vec<Entry<'_>> = names.iter().map(|name| (b'0', name.as_bytes(), 0o644, &*data)).collect();
    let (image, digest) = image(home.folder.path(), &[layer(&entries)]);
    let launch = || {
        let mut command = home.wharf(&["launch", &image, "--on", "local", "--follow"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..3).map(|_| launch()).collect();
    for child in all {
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", lab::complained(&output));
    }
    let root = home.path("cache/roots").join(digest.hex()).join("root");
    assert!(names.iter().all(|name| root.join(name).metadata().unwrap().len() == 1 << 20));
    assert_eq!((leftovers(&home, "partial"), leftovers(&home, "aside")), (0, 0));
}

#[test]
fn a_few_megabytes_never_become_gigabytes_of_memory() {
    if !can_launch() {
        return;
    }
    use std::io::Write;
    let packed = |bytes: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    };
    // 4 GiB in 4096 members of a kilobyte each.
    let data = packed(&vec![b'a'; 1 << 20]).repeat(4096);
    assert!(data.len() < 6 << 20);
    let claiming = |kind: u8, size: u64| {
        let mut header = tar::Header::new_gnu();
        header.as_mut_bytes()[..4].copy_from_slice(b"bomb");
        header.set_mode(0o644);
        header.set_size(size);
        header.as_mut_bytes()[156] = kind;
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let home = Home::new();
    for kind in [b'L', b'K', b'x', b'g'] {
        let (image, _) = image(home.folder.path(), &[[packed(&claiming(kind, 4 << 30)), data.clone()].concat()]);
        let began = Instant::now();
        let mut command = Command::new("sh");
        // An eighth of the memory that is claimed.
        command.args(["-c", "ulimit -v 4000000; exec \"$0\" \"$@\"", env!("CARGO_BIN_EXE_wharf")]);
        command.args(["launch", &image, "--on", "local"]).env_clear();
        for (name, value) in home.wharf(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))) {
            command.env(name, value);
        }
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{}: {}", kind as char, lab::complained(&refused));
        let said = lab::complained(&refused);
        assert!(said.contains("Wharf accepts"), "{}: {said}", kind as char);
        assert!(began.elapsed() < Duration::from_secs(60));
        assert_eq!(leftovers(&home, "partial"), 0);
    }
    until("nothing is left", || leftovers(&home, "partial") == 0);
}

/// The tree that a layer of this tar unpacks to, by the program; and the tar.
fn unpacked(folder: &Path, tar: &[u8]) -> PathBuf {
    let root = folder.join(lab::fresh("root"));
    std::fs::create_dir(&root).unwrap();
    let mut unpacking = wharf::adapters::prepared::unpack::Root::new(&root).unwrap();
    unpacking.apply(tar, Some(&Digest::of(tar)), "unpack").unwrap();
    root
}

#[test]
fn files_with_holes_in_every_form_and_times_are_as_gnu_tar_has_them() {
    use std::os::unix::fs::{FileExt, MetadataExt};
    let home = tempfile::tempdir().unwrap();
    let from = home.path().join("from");
    std::fs::create_dir_all(from.join("folder")).unwrap();
    for (name, parts) in [("a", vec![0_u64, 1 << 20, 5 << 20]), ("b", vec![3 << 20]), ("none", vec![])] {
        let file = std::fs::File::create(from.join("folder").join(name)).unwrap();
        file.set_len(6 << 20).unwrap();
        parts.iter().for_each(|at| file.write_all_at(&[7; 5000], *at).unwrap());
    }
    std::os::unix::fs::symlink("a", from.join("folder/link")).unwrap();
    let times = ["folder/a", "folder/b", "folder/link", "folder"];
    for (number, name) in times.iter().enumerate() {
        let time = format!("@{}.123456789", 1_000_000 + number);
        let set = Command::new("touch").args(["--no-dereference", "--date", &time]).arg(from.join(name)).status();
        assert!(set.unwrap().success());
    }
    for form in [
        vec!["--format=gnu"],
        vec!["--format=posix", "--sparse-version=0.0"],
        vec!["--format=posix", "--sparse-version=0.1"],
        vec!["--format=posix", "--sparse-version=1.0"],
    ] {
        let tar = Command::new("tar")
            .args(&form)
            .args(["--sparse", "-C"])
            .arg(&from)
            .args(["-cf", "-", "folder"])
            .output()
            .unwrap();
        assert!(tar.status.success() && tar.stdout.len() < 2 << 20, "{form:?}");
        let root = unpacked(home.path(), &tar.stdout);
        for name in ["folder/a", "folder/b", "folder/none"] {
            assert_eq!(
                std::fs::read(root.join(name)).unwrap(),
                std::fs::read(from.join(name)).unwrap(),
                "{form:?} {name}"
            );
        }
        assert!(root.join("folder/b").metadata().unwrap().blocks() * 512 < 1 << 20, "holes stay holes: {form:?}");
        for name in times {
            let (was, is) = (from.join(name).symlink_metadata().unwrap(), root.join(name).symlink_metadata().unwrap());
            assert_eq!(was.mtime(), is.mtime(), "{form:?} {name}");
            if form[0] == "--format=posix" {
                assert_eq!(was.mtime_nsec(), is.mtime_nsec(), "{form:?} {name}");
            }
        }
    }
}

#[test]
fn a_layer_that_unpacks_to_other_bytes_than_its_image_says_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let tar = [layer(&[(b'0', b"a", 0o644, b"x")]), vec![0; 1024]].concat();
    let mut root = wharf::adapters::prepared::unpack::Root::new(home.path()).unwrap();
    let error = root.apply(&*tar, Some(&Digest::of(b"other")), "unpack").unwrap_err();
    assert_eq!(error.kind, wharf::core::base::error::Kind::Integrity, "{error}");
    assert!(error.why.contains("diff_ids"), "{error}");
    // What follows the end of the archive belongs to the layer's bytes.
    let padded = [tar, vec![0; 9000]].concat();
    root.apply(&*padded, Some(&Digest::of(&padded)), "unpack").unwrap();
}
