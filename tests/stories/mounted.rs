//! SIF images without Apptainer that are mounted in their sandbox, launched by a person without rights: what is mounted,
//! what hostile images try, and that nothing is left.

use std::{
    os::unix::fs::{chown, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;
use wharf::{adapters::shared::exec, core::image::model::Platform};

use crate::lab::{self, complained, need, said};

/// A person with a home and their own copy of the program; without rights, if the tests have some to give up.
struct Person {
    folder: tempfile::TempDir,
    uid: u32,
}

impl Person {
    /// `None` where images cannot be mounted or made here.
    fn new() -> Option<Self> {
        let missing =
            ["bwrap", "squashfuse", "unsquashfs", "mksquashfs"].into_iter().find(|p| exec::on_path(p).is_none());
        if let Some(missing) = missing.or((!Path::new("/dev/fuse").exists()).then_some("/dev/fuse")) {
            eprintln!("left out: there is no {missing}");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let fresh = lab::fresh("").bytes().fold(0, |sum: u32, byte| (sum * 31 + u32::from(byte)) % 100_000_000);
        let own = rustix::process::geteuid();
        let uid = if own.is_root() { 800_000_000 + fresh } else { own.as_raw() };
        let person = Self { folder, uid };
        for name in ["bin", "home"] {
            std::fs::create_dir(person.path(name)).unwrap();
        }
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), person.path("bin/wharf")).unwrap();
        for program in ["bwrap", "squashfuse", "unsquashfs", "cp"] {
            symlink(exec::on_path(program).unwrap(), person.path("bin").join(program)).unwrap();
        }
        for name in ["", "bin", "home"] {
            person.own(&person.path(name));
        }
        Some(person)
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    fn own(&self, path: &Path) {
        chown(path, Some(self.uid), Some(self.uid)).unwrap();
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.run_with(arguments, &[])
    }

    fn run_with(&self, arguments: &[&str], more: &[(&str, &str)]) -> Output {
        let mut command = Command::new(exec::on_path("setpriv").unwrap());
        if rustix::process::geteuid().is_root() {
            command.args([&format!("--reuid={}", self.uid), &format!("--regid={}", self.uid), "--clear-groups"]);
        }
        command.arg(self.path("bin/wharf")).args(arguments).env_clear().current_dir("/");
        command.env("PATH", self.path("bin")).env("HOME", self.path("home"));
        command.env("WHARF_CACHE_DIR", self.path("home/cache")).env("WHARF_STATE_DIR", self.path("home/state"));
        command.env("WHARF_DISCOVER", "no").env("WHARF_SITE", lab::NO_SITE).envs(more.iter().copied()).output().unwrap()
    }

    /// A SIF file with the lab's small image, which `more` has changed; `script` is its program.
    fn sif(&self, name: &str, script: &str, more: &[&str]) -> PathBuf {
        let (made, root) = (self.path("made"), self.path("made/root"));
        let ready =
            Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/small-image")).arg(&made).status();
        assert!(ready.is_ok_and(|status| status.success()), "the lab makes its small image");
        std::fs::create_dir_all(root.join(".singularity.d/env")).unwrap();
        std::fs::write(root.join(".singularity.d/runscript"), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::write(root.join(".singularity.d/env/10-own.sh"), "export OF_THE_IMAGE=set\n").unwrap();
        let scripts = Command::new("chmod").args(["-R", "a+rx"]).arg(root.join(".singularity.d")).status();
        assert!(scripts.is_ok_and(|status| status.success()));
        let file = self.path("squashfs");
        let mut make = Command::new("mksquashfs");
        make.arg(&root).arg(&file).args(["-all-root", "-noappend", "-quiet", "-no-progress"]).args(more);
        let done = make.output().unwrap();
        assert!(done.status.success(), "{}", complained(&done));
        let path = self.path("home").join(name);
        std::fs::write(&path, sif_of(&std::fs::read(file).unwrap())).unwrap();
        self.own(&path);
        path
    }

    /// Launches an image and follows it to its end.
    fn follow(&self, image: &Path, more: &[&str]) -> (String, Option<i32>) {
        let image = image.display().to_string();
        let output = self.run(&[&["launch", &image, "--on", "local", "--follow"], more].concat());
        (said(&output) + &complained(&output), output.status.code())
    }

    /// Launches an image, and waits until it prints "ready".
    fn start(&self, image: &Path) -> String {
        let output = self.run(&["launch", &image.display().to_string(), "--on", "local", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)));
        let id = told["id"].as_str().unwrap().to_owned();
        until(|| said(&self.run(&["logs", &id])).contains("ready"), "it prints that it is ready");
        id
    }

    /// The numbers of this person's processes whose command line has this word.
    fn processes(&self, word: &str) -> Vec<i32> {
        let owns = |status: &str| {
            status
                .lines()
                .any(|line| line.strip_prefix("Uid:\t").is_some_and(|ids| ids.starts_with(&self.uid.to_string())))
        };
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let all = entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let words = std::fs::read(entry.path().join("cmdline")).ok()?;
            (owns(&status) && String::from_utf8_lossy(&words).contains(word)).then_some(pid)
        });
        all.collect()
    }

    /// Waits until nothing of this person runs any more, and nothing is mounted.
    fn nothing_is_left(&self) {
        until(|| self.processes("").is_empty(), "all processes end");
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert!(!mounts.contains("squashfuse"), "nobody outside has seen the mount: {mounts}");
    }

    fn signal(&self, pid: i32, signal: rustix::process::Signal) {
        rustix::process::kill_process(rustix::process::Pid::from_raw(pid).unwrap(), signal).unwrap();
    }
}

/// Waits for something, for at most 30 seconds.
fn until(wanted: impl Fn() -> bool, what: &str) {
    let began = Instant::now();
    while !wanted() {
        assert!(began.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A SIF file whose root file system is this one.
fn sif_of(squashfs: &[u8]) -> Vec<u8> {
    const BEGIN: usize = 4096;
    let code = match Platform::host().architecture.as_str() {
        "arm64" => b"04\0",
        _ => b"02\0",
    };
    let mut descriptor = 0x4004_i32.to_le_bytes().to_vec();
    descriptor.push(1);
    for word in [1_u32, 0xf000_0001, 0] {
        descriptor.extend(word.to_le_bytes());
    }
    for long in [BEGIN as u64, squashfs.len() as u64] {
        descriptor.extend(long.to_le_bytes());
    }
    descriptor.resize(201, 0);
    // A squashfs, the primary partition, and its processor.
    descriptor.extend(1_i32.to_le_bytes().iter().chain(&2_i32.to_le_bytes()).chain(code));
    descriptor.resize(585, 0);
    let mut file = vec![0; 128];
    file[..31].copy_from_slice(b"#!/usr/bin/env run-singularity\n");
    file[32..42].copy_from_slice(b"SIF_MAGIC\0");
    file[42..47].copy_from_slice(b"01\x0002");
    for (at, value) in [(80, 0), (88, 1), (96, 128), (104, 585), (112, BEGIN), (120, squashfs.len())] {
        file[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
    }
    file.extend(descriptor);
    file.resize(BEGIN, 0);
    file.extend(squashfs);
    file
}

#[test]
fn a_sif_is_mounted_in_its_sandbox_and_entered_there() {
    need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    let told = "echo $OF_THE_IMAGE $HOME; ls -ln /bin/busybox; touch /made || echo refused; touch /tmp/made && echo own; exit 3";
    let image = person.sif("it.sif", told, &[]);
    let plan = said(&person.run(&["launch", &image.display().to_string(), "--on", "local", "--plan"]));
    assert!(plan.contains("mounted") && plan.contains("in the sandbox alone"), "{plan}");
    let (text, code) = person.follow(&image, &[]);
    assert_eq!(code, Some(3), "{text}");
    for part in ["set /\n", &format!(" {0} {0} ", person.uid), "refused", "own"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let roots = std::fs::read_dir(person.path("home/cache/roots")).into_iter().flatten().flatten();
    assert!(roots.filter(|one| one.path().join("root").exists()).count() == 0, "nothing was unpacked");
    // The same, unpacked.
    let (unpacked, code) = person.follow(&image, &["--set", "unpack=yes"]);
    assert_eq!((code, unpacked.contains("set /\n")), (Some(3), true), "{unpacked}");
    let (changed, code) = person.follow(&image, &["--set", "writable=yes"]);
    assert_eq!((code, changed.contains("refused")), (Some(3), false), "its own copy can be changed: {changed}");
    let lasting = person.sif("lasting.sif", "echo ready; while :; do sleep 0.1; done", &[]);
    let id = person.start(&lasting);
    let inside =
        person.run(&["exec", &id, "--", "sh", "-c", "echo home is $HOME; cat /.singularity.d/runscript; exit 4"]);
    assert_eq!(inside.status.code(), Some(4), "{}", complained(&inside));
    assert!(said(&inside).contains("home is /\n") && said(&inside).contains("echo ready"), "{}", said(&inside));
    assert!(!person.processes("squashfuse").is_empty());
    assert_eq!(person.run(&["stop", &id]).status.code(), Some(0));
    person.nothing_is_left();
}

#[test]
fn a_hostile_squashfs_gives_neither_devices_nor_rights_and_a_broken_one_an_error() {
    need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    let script = "grep squashfuse /proc/mounts | cut -d' ' -f4; head -c 1 /device && echo device; \
        ls -l /id; /id -u; ls -ld /pipe; ls /proc | grep -c '^[0-9]'; \
        for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline | grep squashfuse && echo seen; done; echo end";
    let hostile = ["-p", "device c 666 0 0 1 5", "-p", "id f 4755 0 0 cat /bin/busybox", "-p", "pipe i 666 0 0 f"];
    let image = person.sif("hostile.sif", script, &hostile);
    let (text, code) = person.follow(&image, &[]);
    assert!(code == Some(0) && text.contains("end\n"), "{text}");
    let options = text.lines().find(|line| line.starts_with("ro,")).unwrap_or_default();
    assert!(options.contains("nosuid") && options.contains("nodev"), "{text}");
    assert!(!text.contains("device\n") && !text.contains("seen"), "{text}");
    let own = person.uid.to_string();
    assert!(text.contains("-rwsr-xr-x") && text.lines().any(|line| line == own), "no program gains rights: {text}");
    // The file system says that its tables are elsewhere: whoever reads it says so, and nothing waits.
    let good = std::fs::read(&image).unwrap();
    for (name, at, bytes) in [("tables", 4096 + 64, [0xff; 24].as_slice()), ("magic", 4096, b"none"), ("cut", 0, b"")] {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        if name == "cut" {
            bad.truncate(good.len() - 8192);
            // The header must agree with the file, else it is refused before.
            let left = (bad.len() - 4096) as u64;
            bad[128 + 25..128 + 33].copy_from_slice(&left.to_le_bytes());
        }
        let path = person.path("home").join(format!("{name}.sif"));
        std::fs::write(&path, bad).unwrap();
        person.own(&path);
        let (text, code) = person.follow(&path, &[]);
        assert!(
            code != Some(0) && text.contains("mount the image") && text.contains("unpacked instead"),
            "{name} {code:?}: {text}"
        );
    }
    person.nothing_is_left();
}

#[test]
fn an_image_that_hangs_or_is_changed_and_a_keeper_that_is_killed_leave_nothing() {
    use rustix::process::Signal;
    need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    let script = "echo ready; while :; do for f in /opt/*; do cat $f >/dev/null || echo broken; done; sleep 0.1; done";
    let image = person.sif("it.sif", script, &["-p", "opt/large f 644 0 0 head -c 20000000 /dev/urandom"]);
    // Nobody answers any more.
    let id = person.start(&image);
    let [server] = person.processes("squashfuse")[..] else { panic!("one process reads the image") };
    person.signal(server, Signal::STOP);
    assert_eq!(person.run(&["stop", &id]).status.code(), Some(0));
    person.nothing_is_left();
    // Another file takes its place: what runs is what was compared.
    let id = person.start(&image);
    std::fs::rename(&image, person.path("home/away.sif")).unwrap();
    std::fs::write(&image, "nothing").unwrap();
    let inside = person.run(&["exec", &id, "--", "cat", "/.singularity.d/runscript"]);
    assert!(said(&inside).contains("echo ready"), "{}", complained(&inside));
    // It is cut short by its owner: reading fails, and nothing hangs.
    std::fs::File::options().write(true).open(person.path("home/away.sif")).unwrap().set_len(8192).unwrap();
    let cut = person.run(&["exec", &id, "--", "sh", "-c", "cat /opt/large | wc -c"]);
    assert!(!said(&cut).contains("20000000"), "{}", said(&cut));
    assert_eq!(person.run(&["stop", &id]).status.code(), Some(0));
    person.nothing_is_left();
    let image = person.sif("other.sif", script, &[]);
    person.start(&image);
    for keeper in person.processes("__keep") {
        person.signal(keeper, Signal::KILL);
    }
    person.nothing_is_left();
}

#[test]
fn a_workload_whose_image_is_unpacked_instead_can_be_stopped_and_leaves_no_process() {
    use rustix::process::Signal;
    need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    let sleep = exec::on_path("sleep").unwrap();
    for (name, script) in
        [("squashfuse", "exit 1".to_owned()), ("unsquashfs", format!("exec {} 6543", sleep.display()))]
    {
        let program = person.path("bin").join(name);
        std::fs::remove_file(&program).unwrap();
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }
    let image = person.sif("it.sif", "echo it began", &[]);
    let launch = || {
        let output = person.run(&["launch", &image.display().to_string(), "--on", "local", "--json"]);
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)));
        until(|| !person.processes("6543").is_empty(), "its image is being unpacked");
        told["id"].as_str().unwrap().to_owned()
    };
    let id = launch();
    let stopped = person.run(&["stop", &id]);
    assert_eq!(stopped.status.code(), Some(0), "{}", complained(&stopped));
    let (text, listed) = (said(&person.run(&["logs", &id])), said(&person.run(&["workloads", "--json"])));
    assert!(text.contains("it was stopped before its program began") && !text.contains("it began\n"), "{text}");
    let listed: Value = serde_json::from_str(&listed).unwrap_or_else(|_| panic!("{listed}"));
    assert!(listed.to_string().contains(r#""detail":143"#), "{listed}");
    person.nothing_is_left();
    launch();
    for keeper in person.processes("__keep") {
        person.signal(keeper, Signal::KILL);
    }
    person.nothing_is_left();
}

/// A program in the place of squashfuse that tries to reach what is not the image, and tells in its last line what it could
/// do.
const PROBE: &str = r#"
use std::fs;
fn main() {
    let words: Vec<String> = std::env::args().collect();
    let image = &words[words.len() - 2];
    let own = std::process::id().to_string();
    let others = fs::read_dir("/proc").map(|all| all.count()).unwrap_or(0);
    let tried = [
        ("image", fs::read(image).is_ok()),
        ("secret", fs::read(env!("SECRET")).is_ok()),
        ("passwd", fs::read("/etc/passwd").is_ok()),
        ("folder", fs::read_dir(env!("HOME_OF_PERSON")).is_ok()),
        ("device", fs::File::open("/dev/fuse").is_ok()),
        ("memory", fs::File::open(format!("/proc/{own}/mem")).is_ok()),
        ("processes", others > 0),
        ("written", fs::write(env!("SECRET"), "x").is_ok()),
        ("made", fs::write("/tmp/made-by-a-probe", "x").is_ok()),
        ("started", std::process::Command::new("/bin/sh").arg("-c").arg("true").status().is_ok()),
        ("socket", std::os::unix::net::UnixDatagram::unbound().is_ok()),
    ];
    let could: Vec<&str> = tried.iter().filter(|(_, could)| *could).map(|(name, _)| *name).collect();
    eprintln!("the probe could: {}", could.join(" "));
    std::process::exit(1);
}
"#;

#[test]
fn who_reads_the_image_can_read_nothing_else_and_a_mount_that_fails_is_replaced_by_unpacking() {
    need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    let Some(compiler) = exec::on_path("rustc") else { return eprintln!("left out: there is no rustc") };
    let (source, secret) = (person.path("probe.rs"), person.path("home/secret"));
    std::fs::write(&source, PROBE).unwrap();
    std::fs::write(&secret, "secret").unwrap();
    person.own(&secret);
    let probe = person.path("bin/squashfuse");
    std::fs::remove_file(&probe).unwrap();
    let built = Command::new(compiler)
        .args(["--edition=2024", "-o"])
        .args([&probe, &source])
        .env("SECRET", &secret)
        .env("HOME_OF_PERSON", person.path("home"))
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", complained(&built));
    let image = person.sif("it.sif", "echo here it is; exit 3", &[]);
    let planned = said(&person.run(&["launch", &image.display().to_string(), "--on", "local", "--plan"]));
    assert!(planned.contains("where mounting fails, unpacked into"), "{planned}");
    let limited = planned.contains("it can open no other file of yours");
    let (text, code) = person.follow(&image, &[]);
    assert!(code == Some(3) && text.contains("here it is\n"), "its program runs all the same: {text}");
    assert!(text.contains("the image is unpacked instead"), "{text}");
    let could =
        text.lines().find_map(|line| line.split_once("the probe could: ")).unwrap_or_else(|| panic!("{text}")).1;
    if limited {
        assert_eq!(could, "image", "{text}");
    } else {
        eprintln!("left out: this kernel cannot limit what is read");
    }
    assert_eq!(std::fs::read_to_string(&secret).unwrap(), "secret");
    person.nothing_is_left();
}

#[test]
fn what_was_prepared_for_a_cluster_is_mounted_here_and_unpacked_where_it_was_changed() {
    let open = need!("WHARF_LAB_OPEN");
    let Some(person) = Person::new() else { return };
    // A cluster whose folder has the image.
    let (site, cluster) = (person.path("site.toml"), person.path("home/cluster"));
    let backend = "[[backend]]\nname = \"cluster\"\ntype = \"slurm\"\nurl = \"http://127.0.0.1:9\"\n";
    std::fs::write(&site, format!("{backend}folder = \"{}\"\n", cluster.display())).unwrap();
    let registries = format!("http://{open}");
    let variables = [("WHARF_SITE", site.to_str().unwrap()), ("WHARF_REGISTRIES", registries.as_str())];
    let image = format!("{open}/physics/gromacs:2024.1");
    let launch = |more: &[&str]| {
        let told =
            "grep -q fuse.squashfuse /proc/mounts && echo mounted; cat /prepared; ls -ln /bin/busybox; id -u; exit 3";
        let words = ["launch", &image, "--on", "local"];
        let command = ["--", "/bin/busybox", "sh", "-c", told];
        person.run_with(&[&words[..], more, &command[..]].concat(), &variables)
    };
    let planned = launch(&["--plan=json"]);
    let plan: Value = serde_json::from_slice(&planned.stdout).unwrap_or_else(|_| panic!("{}", complained(&planned)));
    let manifest = plan["image"]["manifest"].as_str().unwrap_or_else(|| panic!("{plan}")).to_owned();
    let made = person.path("made");
    let ready = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/small-image")).arg(&made).status();
    assert!(ready.is_ok_and(|status| status.success()), "the lab makes its small image");
    std::fs::write(made.join("root/prepared"), "from the prepared file\n").unwrap();
    let folder = cluster.join("images").join(manifest.replace(':', "-"));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("image.sqfs");
    let packed = Command::new("mksquashfs")
        .args([&made.join("root"), &file])
        .args(["-all-root", "-noappend", "-quiet", "-no-progress"])
        .output()
        .unwrap();
    assert!(packed.status.success(), "{}", complained(&packed));
    let bytes = std::fs::read(&file).unwrap();
    let mut facts = serde_json::json!({
        "format": 1, "source": image, "manifest": manifest, "form": "squashfs", "size": bytes.len(), "made": 1,
        "sha256": wharf::core::base::digest::Digest::of(&bytes).to_string(), "tool": "mksquashfs",
    });
    std::fs::write(folder.join("facts.json"), facts.to_string()).unwrap();
    for path in [&cluster, &cluster.join("images"), &folder, &file, &folder.join("facts.json")] {
        person.own(path);
    }
    let planned = said(&launch(&["--plan"]));
    assert!(planned.contains(&format!("{}, compared", file.display())), "{planned}");
    let ran = launch(&["--follow"]);
    let text = said(&ran) + &complained(&ran);
    assert_eq!(ran.status.code(), Some(3), "{text}");
    assert!(text.contains("mounted\nfrom the prepared file\n"), "{text}");
    let owner = |text: &str| {
        let line = text.lines().find(|line| line.contains("/bin/busybox")).unwrap_or_default();
        line.split_whitespace().skip(2).take(2).collect::<Vec<_>>().join(":")
    };
    assert_eq!(owner(&text), "0:0", "{text}");
    // The numbers of a user who is only in the image's lists are noted where it was prepared.
    facts["user"] = serde_json::json!({ "uid": 7, "gid": 8, "home": "/home/app" });
    std::fs::write(folder.join("facts.json"), facts.to_string()).unwrap();
    let ran = launch(&["--follow"]);
    let text = said(&ran) + &complained(&ran);
    assert!(text.contains("mounted\n") && text.contains("\n7\n") && owner(&text) == "7:8", "{text}");
    let unpacked = || std::fs::read_dir(person.path("home/cache/roots")).into_iter().flatten().flatten().count();
    assert_eq!(unpacked(), 0, "nothing was fetched or unpacked");
    // What was changed since is not used: the layers are.
    std::fs::write(&file, [&bytes[..], b"more"].concat()).unwrap();
    let ran = launch(&["--follow"]);
    let text = said(&ran) + &complained(&ran);
    assert!(
        ran.status.code() == Some(3) && !text.contains("mounted\n") && !text.contains("from the prepared file"),
        "{text}"
    );
    assert!(unpacked() > 0);
    person.nothing_is_left();
}
