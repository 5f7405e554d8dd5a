//! What a hostile image can do in the daemonless backend, launched by a person without rights, with both runtimes.

use std::{
    os::unix::fs::{MetadataExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use wharf::{adapters::local::SandboxProgram, core::base::digest::Digest};

use crate::{
    lab::{self, complained, need, said},
    pty::Screen,
};

const PRIVATE: [&str; 3] = ["--mount", "--propagation", "private"];
const BOTH: [SandboxProgram; 2] = [SandboxProgram::Bwrap, SandboxProgram::Unshare];

/// A person with a home and their own copy of the program; without rights, if the tests have some to give up.
struct Person {
    folder: tempfile::TempDir,
    uid: Option<u32>,
    runtime: SandboxProgram,
}

impl Person {
    /// `None` if the runtime is not installed.
    fn new(runtime: SandboxProgram) -> Option<Self> {
        if wharf::adapters::shared::exec::on_path(runtime.name()).is_none() {
            eprintln!("left out: {} is not installed", runtime.name());
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        // High numbers that no account of a machine has, different for each test.
        let uid = rustix::process::geteuid().is_root().then(|| {
            let fresh = lab::fresh("");
            600_000_000 + fresh.bytes().fold(0, |sum: u32, byte| (sum * 31 + u32::from(byte)) % 100_000_000)
        });
        let person = Self { folder, uid, runtime };
        for name in ["bin", "home", "images"] {
            std::fs::create_dir(person.path(name)).unwrap();
        }
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), person.path("bin/wharf")).unwrap();
        for program in [runtime.name(), "cp"] {
            symlink(wharf::adapters::shared::exec::on_path(program).unwrap(), person.path("bin").join(program))
                .unwrap();
        }
        for name in ["", "bin", "home", "images", "bin/wharf"] {
            person.own(&person.path(name));
        }
        Some(person)
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.folder.path().to_owned() } else { self.folder.path().join(name) }
    }

    fn own(&self, path: &Path) {
        if let Some(uid) = self.uid {
            std::os::unix::fs::chown(path, Some(uid), Some(uid)).unwrap();
        }
    }

    fn wharf(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        // The session has a file open that no program inside may have.
        command.args(["-c", "exec 9</etc/passwd; exec \"$0\" \"$@\""]);
        if let Some(uid) = self.uid {
            command.arg(wharf::adapters::shared::exec::on_path("setpriv").unwrap());
            command.args([&format!("--reuid={uid}"), &format!("--regid={uid}"), "--clear-groups", "--inh-caps=-all"]);
        }
        command
            .arg(self.path("bin/wharf"))
            .args(arguments)
            .env_clear()
            // Without bwrap on the path, unshare is used.
            .env("PATH", self.path("bin"))
            .env("HOME", self.path("home"))
            .env("SECRET_TOKEN", "hunter2")
            .env("WHARF_CACHE_DIR", self.path("home/cache"))
            .env("WHARF_STATE_DIR", self.path("home/state"))
            .env("WHARF_DISCOVER", "no")
            .env("WHARF_SITE", crate::lab::NO_SITE)
            .current_dir("/");
        command
    }

    /// The same in namespaces of the test, which the machine does not see, after `before`, which has the rights of the
    /// tests.
    fn apart(&self, kinds: &[&str], before: &str, arguments: &[&str]) -> Command {
        let wharf = self.wharf(arguments);
        let mut command = Command::new(wharf::adapters::shared::exec::on_path("unshare").unwrap());
        let tools = std::env::var("PATH").unwrap();
        let script = format!("own=$PATH; PATH={tools}\n{before}\nPATH=$own; exec \"$0\" \"$@\"");
        command
            .args(kinds)
            .args(["/bin/sh", "-c", &script])
            .arg(wharf.get_program())
            .args(wharf.get_args())
            .env_clear();
        command.envs(wharf.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command
    }

    /// The same on the screens.
    fn on_screen(&self, arguments: &[&str]) -> Screen {
        let wharf = self.wharf(arguments);
        let words = |words: &mut dyn Iterator<Item = &std::ffi::OsStr>| -> Vec<String> {
            words.map(|word| word.to_string_lossy().into_owned()).collect()
        };
        let argv = words(&mut std::iter::once(wharf.get_program()).chain(wharf.get_args()));
        let (names, values): (Vec<_>, Vec<_>) =
            wharf.get_envs().filter_map(|(name, value)| Some((name, value?))).unzip();
        let (names, values) = (words(&mut names.into_iter()), words(&mut values.into_iter()));
        let variables: Vec<_> = names.iter().map(String::as_str).zip(values.iter().map(String::as_str)).collect();
        Screen::run(&argv.iter().map(String::as_str).collect::<Vec<_>>(), 120, 40, &variables)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.wharf(arguments).output().unwrap()
    }

    /// Launches an image and follows it to its end.
    fn follow(&self, image: &str, more: &[&str]) -> (String, Option<i32>) {
        let output = self.run(&[&["launch", image, "--on", "local", "--follow"], more].concat());
        (said(&output) + &complained(&output), output.status.code())
    }

    /// Launches an image and leaves it running; gives its id.
    fn start(&self, image: &str, more: &[&str]) -> String {
        let output = self.run(&[&["launch", image, "--on", "local", "--json"], more].concat());
        let workload: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)));
        workload["id"].as_str().unwrap().to_owned()
    }

    /// An image with these files on top of the lab's Alpine. Targets of links begin with `->`.
    fn image(&self, name: &str, files: &[(&str, &str)], config: &Value) -> String {
        let folder = self.path("images").join(name);
        let open = std::env::var("WHARF_LAB_OPEN").unwrap();
        let copied = lab::Home::new()
            .wharf(&["copy", &format!("{open}/library/alpine:latest"), &format!("file:{}:1", folder.display())])
            .env("WHARF_REGISTRIES", format!("http://{open}"))
            .output()
            .unwrap();
        assert!(copied.status.success(), "{}", complained(&copied));
        let read = |path: &Path| -> Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
        let blob = |digest: &Value| folder.join("blobs").join(digest.as_str().unwrap().replace(':', "/"));
        let put = |bytes: &[u8]| -> Value {
            let digest = Digest::of(bytes).to_string();
            std::fs::write(folder.join("blobs").join(digest.replace(':', "/")), bytes).unwrap();
            json!({"digest": digest, "size": bytes.len()})
        };
        let mut index = read(&folder.join("index.json"));
        let mut manifest = read(&blob(&index["manifests"][0]["digest"]));
        while let Some(inner) = manifest["manifests"].as_array() {
            let wanted = wharf::core::image::model::Platform::host().architecture;
            let ours = inner.iter().find(|one| one["platform"]["architecture"] == wanted.as_str()).unwrap();
            manifest = read(&blob(&ours["digest"]));
        }
        let mut whole = read(&blob(&manifest["config"]["digest"]));
        whole["config"] = config.clone();
        let mut builder = tar::Builder::new(Vec::new());
        for (name, text) in files {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o755);
            if let Some(target) = text.strip_prefix("->") {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_size(0);
                builder.append_link(&mut header, name, target).unwrap();
            } else {
                header.set_size(text.len() as u64);
                builder.append_data(&mut header, name, text.as_bytes()).unwrap();
            }
        }
        let layer = put(&builder.into_inner().unwrap());
        whole["rootfs"]["diff_ids"].as_array_mut().unwrap().push(layer["digest"].clone());
        let with = |mut descriptor: Value, kind: &str| {
            descriptor["mediaType"] = kind.into();
            descriptor
        };
        let layers = manifest["layers"].as_array_mut().unwrap();
        layers.push(with(layer, "application/vnd.oci.image.layer.v1.tar"));
        manifest["config"] =
            with(put(&serde_json::to_vec(&whole).unwrap()), "application/vnd.oci.image.config.v1+json");
        manifest["mediaType"] = "application/vnd.oci.image.manifest.v1+json".into();
        let mut top = with(put(&serde_json::to_vec(&manifest).unwrap()), "application/vnd.oci.image.manifest.v1+json");
        top["annotations"] = index["manifests"][0]["annotations"].clone();
        index["manifests"] = json!([top]);
        std::fs::write(folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        format!("file:{}:1", folder.display())
    }

    fn state(&self, id: &str) -> String {
        let all: Value = serde_json::from_slice(&self.run(&["workloads", "--json"]).stdout).unwrap();
        let one = all.as_array().unwrap().iter().find(|one| one["id"] == id).cloned().unwrap_or_default();
        format!("{} {}", one["state"].as_str().unwrap_or("gone"), one["detail"])
    }

    fn until(&self, id: &str, wanted: &str) {
        let began = Instant::now();
        while !self.state(id).contains(wanted) {
            assert!(began.elapsed() < Duration::from_secs(60), "it is not {wanted} but {}", self.state(id));
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    fn folder_of(&self, id: &str) -> PathBuf {
        self.path("home/state/local").join(id)
    }
}

/// Tries everything that must not be possible, and prints `LEAK` and what was possible.
const HOSTILE: &str = r#"#!/bin/sh
leak() { echo "LEAK: $*"; }
try() { what=$1; shift; ( "$@" ) >/dev/null 2>&1 && leak "$what"; }
env | grep -q SECRET_TOKEN && leak own environment
for p in /proc/[0-9]*; do
  tr '\0' '\n' <$p/environ 2>/dev/null | grep -q SECRET_TOKEN && leak "environment of $p"
  tr '\0' '\n' <$p/cmdline 2>/dev/null | grep -q 'sits in the environment' && leak "command line of $p"
done
try "environment of process 1" cat /proc/1/environ
for f in /proc/1/fd/0 /proc/1/fd/1 /proc/1/fd/3 /proc/1/fd/4 /proc/1/fd/5; do
  try "files of process 1" readlink $f
  try "files of process 1" sh -c ": <$f"
done
try "memory of process 1" cat /proc/1/maps
try "program of process 1: link" readlink /proc/1/exe
before=$(stat -L -c %a /proc/1/exe 2>/dev/null)
try "program of process 1: mode" chmod 4777 /proc/1/exe
try "program of process 1: write" sh -c ': >>/proc/1/exe'
try "remount the root" mount -o remount,rw,bind /
try "remount /proc/sys" mount -o remount,rw,bind /proc/sys
try "unmount" umount /tmp
try "mount" mount -t tmpfs none /mnt
try "new user namespace" unshare -U true
try "new mount namespace" unshare -m true
try "write the image" touch /etc/changed
try "write the image through a process" touch /proc/self/root/etc/changed
try "kernel settings" sh -c ': >>/proc/sys/kernel/core_pattern'
try "magic keys" sh -c ': >>/proc/sysrq-trigger'
try "keys" grep -q . /proc/keys
try "terminal" sh -c ': </dev/tty'
try "host name" hostname other
try "system folder" test -e /sys/kernel
try "home" ls -d @HOME@
try "chroot" chroot / true
try "device" mknod /tmp/device c 1 3
[ "$(ls /proc/self/fd | sort -n | tail -n 1)" -le 3 ] || leak "open files $(ls -l /proc/self/fd)"
grep -E '^(CapInh|CapPrm|CapEff|CapBnd|CapAmb):' /proc/self/status | grep -vE ':\s+0+$' && leak capabilities
grep -qE '^NoNewPrivs:\s+1' /proc/self/status || leak new privileges
grep -qE '^Seccomp:\s+2' /proc/self/status || leak system calls
grep -E '^[0-9]+ .* / ' /proc/self/mountinfo | grep -vE ' ro,.*nosuid|/ (/proc|/dev|/tmp|/run)' | grep ' / / ' && leak "root: $(head -n 1 /proc/self/mountinfo)"
echo "processes $(sed -n 's/Max processes *//p' /proc/self/limits) memory $(ulimit -v) umask $(umask)"
kill -9 1 2>/dev/null; kill -STOP 1 2>/dev/null
echo "ended as itself"
"#;

/// Checks everything that a program printed about what it could do.
fn holds(person: &Person, where_: &str, text: &str) {
    let runtime = person.runtime.name();
    assert!(!text.contains("LEAK"), "{where_} on {runtime}:\n{text}");
    assert!(text.contains("ended as itself"), "{where_} on {runtime}:\n{text}");
    let limits = text.lines().find(|line| line.starts_with("processes ")).unwrap_or_default();
    assert!(!limits.contains("unlimited"), "{where_} on {runtime}: {limits}");
}

#[test]
fn a_program_in_a_sandbox_reaches_nothing_of_the_person() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let hostile = HOSTILE.replace("@HOME@", &person.path("home").display().to_string());
        let image = person.image(
            "hostile",
            &[("hostile", &hostile)],
            &json!({"Cmd": ["/hostile"], "Env": ["NOTE=sits in the environment"]}),
        );
        let limits = ["--set", "memory=1G", "--set", "processes=100"];
        let before = std::fs::metadata(person.path("bin/wharf")).unwrap();
        let (text, code) = person.follow(&image, &limits);
        holds(&person, "launched", &text);
        assert_eq!(code, Some(0), "{text}");
        // With this machine's network and a copy that it may change, everything else still holds.
        let (text, _) = person.follow(&image, &[&limits[..], &["--set", "network=host"]].concat());
        holds(&person, "with the network", &text);
        // Programs that the person starts in the running sandbox have no more rights than the workload.
        let id = person.start(&image, &[&limits[..], &["--", "sleep", "300"]].concat());
        person.until(&id, "running");
        let inside = person.run(&["exec", &id, "--", "/hostile"]);
        holds(&person, "entered", &(said(&inside) + &complained(&inside)));
        let launched = text.lines().find(|line| line.starts_with("processes ")).unwrap().to_owned();
        assert!(said(&inside).contains(launched.split(" memory").nth(1).unwrap()), "{}", said(&inside));
        let other = person.run(&["exec", &id, "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert_eq!((said(&other).as_str(), other.status.code()), ("out\nerr\n", Some(7)));
        let gone = person.run(&["exec", &id, "--", "/no/such/program"]);
        assert_eq!(gone.status.code(), Some(127), "{}{}", said(&gone), complained(&gone));
        let after = std::fs::metadata(person.path("bin/wharf")).unwrap();
        assert_eq!((before.mode(), before.len(), before.mtime()), (after.mode(), after.len(), after.mtime()));
        // From outside, too: process 1 is no file of the person's, and the workload's task is on no command line.
        let listed = processes_of(&person);
        assert!(!listed.iter().any(|(_, words)| words.contains("sits in the environment")), "{listed:?}");
        let ours: Vec<_> = listed.iter().filter(|(_, words)| words.contains("__inside")).collect();
        assert!(!ours.is_empty(), "{listed:?}");
        if person.uid.is_some() {
            for (pid, _) in listed.iter().filter(|(_, words)| words.starts_with("/proc/self/fd/")) {
                let program = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
                assert!(program.starts_with("/memfd:wharf (deleted)"), "{}", program.display());
                let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
                let names = String::from_utf8_lossy(&environment).replace('\0', " ");
                assert!(["", "PWD=/ "].contains(&names.as_str()), "{names}");
            }
        }
        assert_eq!(person.run(&["remove", &id]).status.code(), Some(0));
    }
}

#[test]
fn a_program_that_root_has_installed_is_not_copied_and_cannot_be_changed_either() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new).filter(|person| person.uid.is_some()) {
        let program = person.path("bin/wharf");
        std::os::unix::fs::chown(&program, Some(0), Some(0)).unwrap();
        let before = std::fs::metadata(&program).unwrap();
        let hostile = HOSTILE.replace("@HOME@", &person.path("home").display().to_string());
        let image = person.image("hostile", &[("hostile", &hostile)], &json!({"Cmd": ["/hostile"]}));
        let limits = ["--set", "memory=1G", "--set", "processes=100"];
        // Root inside is no owner of the file either.
        for more in [&[][..], &["--set", "network=host"]] {
            let (text, code) = person.follow(&image, &[&limits[..], more].concat());
            holds(&person, "launched", &text);
            assert_eq!(code, Some(0), "{text}");
        }
        let id = person.start(&image, &[&limits[..], &["--", "sleep", "300"]].concat());
        person.until(&id, "running");
        let inside = person.run(&["exec", &id, "--", "/hostile"]);
        holds(&person, "entered", &(said(&inside) + &complained(&inside)));
        let listed = processes_of(&person);
        let ours: Vec<_> = listed.iter().filter(|(_, words)| words.contains("__inside")).collect();
        assert!(!ours.is_empty(), "{listed:?}");
        for (pid, _) in ours {
            let link = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap();
            assert!(!link.starts_with("/memfd:wharf"), "{}", link.display());
        }
        let after = std::fs::metadata(&program).unwrap();
        assert_eq!((before.mode(), before.len(), before.mtime()), (after.mode(), after.len(), after.mtime()));
        assert_eq!(person.run(&["remove", &id]).status.code(), Some(0));
    }
}

/// Numbers and command lines of a person's processes.
fn processes_of(person: &Person) -> Vec<(u32, String)> {
    let uid = std::fs::metadata(person.path("home")).unwrap().uid();
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let status = std::fs::read_to_string(entry.path().join("status")).ok()?;
            let own = status.lines().find_map(|line| line.strip_prefix("Uid:"))?.split_whitespace().next()?
                == uid.to_string();
            let words = std::fs::read(entry.path().join("cmdline")).ok()?;
            own.then(|| (pid, String::from_utf8_lossy(&words).replace('\0', " ")))
        })
        .collect()
}

#[test]
fn a_shell_in_a_sandbox_has_its_own_terminal_and_no_rights() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let hostile = HOSTILE.replace("@HOME@", &person.path("home").display().to_string());
        let image = person.image(
            "hostile",
            // Here it has a terminal, which was made for it.
            &[("hostile", &hostile.replace("try \"terminal\"", "true"))],
            &json!({"Cmd": ["sleep", "300"]}),
        );
        let id = person.start(&image, &["--set", "processes=100"]);
        person.until(&id, "running");
        let mut screen = person.on_screen(&["exec", "-t", &id, "--", "/hostile"]);
        screen.until("ended as itself");
        screen.ended();
        assert!(!screen.text().contains("LEAK"), "{}", screen.text());
        person.run(&["remove", &id]);
    }
}

#[test]
fn mounts_are_what_the_plan_says_with_all_below_them() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let Some(_) = person.uid else { return eprintln!("left out: only root can make a mount below a folder") };
        let image =
            person.image("plain", &[("link", "->/home/outside"), ("var/run", "->/run")], &json!({"Cmd": ["true"]}));
        let data = person.path("data");
        for name in ["", "sub", "strict"] {
            std::fs::create_dir(data.join(name)).unwrap();
            person.own(&data.join(name));
        }
        std::fs::write(data.join("file"), "from the host").unwrap();
        let data = data.display().to_string();
        let here = format!(
            "mount -t tmpfs -o mode=1777 none {data}/sub; echo below >{data}/sub/file
             mount -t tmpfs -o mode=1777,nosuid,nodev,noexec none {data}/strict; echo strict >{data}/strict/file"
        );
        let run = |mounts: &str, script: &str| {
            let mounts = format!("mounts={mounts}");
            let arguments = ["launch", &image, "--on", "local", "--follow", "--set", &mounts, "--", "sh", "-c", script];
            let output = person.apart(&PRIVATE, &here, &arguments).output().unwrap();
            said(&output) + &complained(&output)
        };
        let read = "cat /in/file; cat /in/sub/file; for at in /in/x /in/sub/x /in/strict/x; do touch $at 2>/dev/null && echo WROTE $at; done; grep ' /in' /proc/self/mountinfo";
        let text = run(&format!("{data}:/in"), read);
        assert!(text.contains("from the host") && text.contains("below"), "{text}");
        assert!(!text.contains("WROTE"), "{}: {text}", person.runtime.name());
        let flags: Vec<&str> = text.lines().filter(|line| line.contains(" /in")).collect();
        assert!(flags.len() == 3 && flags.iter().all(|line| line.contains(" ro,nosuid,nodev")), "{flags:#?}");
        // A mount that is stricter already stays so; one that may be written is.
        let text = run(
            &format!("{data}/strict:/in {data}:/out:rw"),
            "cat /in/file; touch /out/made && echo wrote; touch /out/sub/made && echo wrote below; grep -c ' /out.* rw,nosuid,nodev' /proc/self/mountinfo",
        );
        assert!(text.contains("strict\nwrote\nwrote below\n3"), "{}: {text}", person.runtime.name());
        // Below the folders that a sandbox has for itself, and over single files.
        let text = run(
            &format!("{data}:/tmp/x/y {data}/file:/run/x {data}/file:/var/run/z {data}:/new/deep"),
            "cat /tmp/x/y/file /run/x /var/run/z /new/deep/file",
        );
        assert_eq!(text, "from the host".repeat(4), "{}", person.runtime.name());
        // A place that the image lacks is made beside everything that the image has there, and for this workload alone.
        let text = run(
            &format!("{data}:/etc/new {data}/file:/newer"),
            "cat /etc/new/file /newer; ls -d /bin/sh /etc/new /etc/passwd /newer; touch /x /etc/x 2>/dev/null && echo WROTE",
        );
        let expected = "from the hostfrom the host/bin/sh\n/etc/new\n/etc/passwd\n/newer\n";
        assert_eq!(text, expected, "{}", person.runtime.name());
        let entries = std::fs::read_dir(person.path("home/cache/roots")).unwrap();
        let trees: Vec<PathBuf> =
            entries.map(|entry| entry.unwrap().path().join("root")).filter(|tree| tree.is_dir()).collect();
        assert_eq!(trees.len(), 1, "{trees:?}");
        for place in ["new", "newer", "etc/new"] {
            assert!(!trees[0].join(place).exists(), "{place} is in the image that all workloads share");
        }
        // If a link in the image leads elsewhere, the place is inside, or it is refused; nothing is made outside.
        let text = run(&format!("{data}:/link/x"), "ls -d /link/x");
        assert!(!text.contains("from the host") && !Path::new("/home/outside").exists(), "{text}");
        for bad in ["/", "/proc/x", "/proc", "/dev"] {
            let text = run(&format!("{data}:{bad}"), "echo STARTED");
            assert!(!text.contains("STARTED"), "{bad}: {text}");
        }
        // A cache on a file system that forbids devices and setuid programs works, too.
        let strict = person.path("strict");
        std::fs::create_dir(&strict).unwrap();
        let here = format!("mount -t tmpfs -o mode=1777,nosuid,nodev none {}", strict.display());
        let launch = ["launch", &image, "--on", "local", "--follow", "--", "echo", "it runs"];
        let output =
            person.apart(&PRIVATE, &here, &launch).env("WHARF_CACHE_DIR", strict.join("cache")).output().unwrap();
        assert_eq!(said(&output), "it runs\n", "{}", complained(&output));
    }
}

#[test]
fn links_of_an_image_lead_to_no_file_of_the_host() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        for (number, target) in ["/dev/zero", "/etc/passwd", "/proc/self/environ"].into_iter().enumerate() {
            let image = person.image(
                &format!("link{number}"),
                &[("etc/passwd", &format!("->{target}"))],
                &json!({"Cmd": ["echo", "it runs"], "User": "games"}),
            );
            let began = Instant::now();
            let (text, code) = person.follow(&image, &[]);
            assert!(code != Some(0) && began.elapsed() < Duration::from_secs(60), "{target}: {text}");
            assert!(text.contains("no user 'games'") || text.contains("regular"), "{target}: {text}");
            let left: Vec<_> = std::fs::read_dir(person.path("home/state/local")).unwrap().flatten().collect();
            assert!(left.is_empty(), "{left:?}");
        }
        // A number needs no list.
        let image = person.image(
            "number",
            &[("etc/passwd", "->/dev/zero")],
            &json!({"Cmd": ["sh", "-c", "grep ^Uid: /proc/self/status; echo $HOME"], "User": "1234"}),
        );
        assert_eq!(person.follow(&image, &[]).0, "Uid:\t1234\t1234\t1234\t1234\n/\n");
        // A working folder behind a link that leads outside.
        let image = person.image(
            "folder",
            &[("work", "->/home/outside")],
            &json!({"Cmd": ["pwd"], "WorkingDir": "/work/deep"}),
        );
        let (text, _) = person.follow(&image, &[]);
        assert!(!Path::new("/home/outside").exists(), "{text}");
    }
}

#[test]
fn what_runs_is_byte_for_byte_what_the_image_says() {
    need!("WHARF_LAB_OPEN");
    let odd = "a\nb\tc\u{1b}[1m\u{202e}\u{9b} ROOT UID-OF:x";
    for person in BOTH.into_iter().filter_map(Person::new) {
        let script = "for word in \"$@\" \"$ODD\"; do printf '<%s>' \"$word\"; done; pwd";
        let image = person.image(
            "odd",
            &[],
            &json!({"Entrypoint": ["sh", "-c", script, "sh"], "Cmd": [odd, "ROOT", ""], "Env": [format!("ODD={odd}")], "WorkingDir": "/w\n\u{1b}x"}),
        );
        let (text, code) = person.follow(&image, &[]);
        assert_eq!(
            (text, code),
            (format!("<{odd}><ROOT><><{odd}>/w\n\u{1b}x\n"), Some(0)),
            "{}",
            person.runtime.name()
        );
        // Shown, it controls nobody's terminal; in JSON it is complete.
        for arguments in
            [vec!["show", &image], vec!["launch", &image, "--on", "local", "--plan"], vec!["show", &image, "--json"]]
        {
            let text = said(&person.run(&arguments));
            assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{9b}']) && !text.is_empty(), "{arguments:?}");
        }
        let plan: Value =
            serde_json::from_slice(&person.run(&["launch", &image, "--on", "local", "--plan", "--json"]).stdout)
                .unwrap();
        let spec: Value = serde_json::from_str(plan["steps"][1]["text"].as_str().unwrap()).unwrap();
        assert_eq!(spec["inside"]["argv"][4], odd);
    }
}

#[test]
fn a_workload_belongs_to_its_node_and_others_say_so() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let Some(_) = person.uid else { return eprintln!("left out: only root can make another node of this machine") };
        let image = person.image("plain", &[], &json!({"Cmd": ["sleep", "300"]}));
        let id = person.start(&image, &[]);
        person.until(&id, "running");
        // The same home with other processes: a second node, as far as that matters here.
        let elsewhere = |arguments: &[&str]| {
            let kinds = ["--pid", "--fork", "--mount-proc", "--uts"];
            person.apart(&kinds, "hostname node2", arguments).output().unwrap()
        };
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let listed = said(&elsewhere(&["workloads"]));
        assert!(listed.contains(&format!("on node {host}")) && !listed.contains("lost"), "{listed}");
        for arguments in [vec!["stop", &id], vec!["remove", &id], vec!["exec", &id, "--", "true"]] {
            let refused = elsewhere(&arguments);
            assert!(!refused.status.success(), "{arguments:?}: {}", said(&refused));
            assert!(complained(&refused).contains(&host), "{arguments:?}: {}", complained(&refused));
        }
        assert!(person.state(&id).contains("running"), "{}", person.state(&id));
        assert_eq!(said(&person.run(&["exec", &id, "--", "echo", "alive"])), "alive\n");
        assert_eq!(person.run(&["exec", &id, "--", "no-such-program"]).status.code(), Some(127));
        let audit = said(&person.run(&["audit"]));
        let ended = audit.lines().find(|line| line.contains("no-such-program")).unwrap_or_default();
        assert!(ended.contains("exit code 127") && !ended.contains("done"), "{audit}");
        assert_eq!(person.run(&["stop", &id]).status.code(), Some(0));
        // What has ended has ended everywhere.
        assert_eq!(elsewhere(&["remove", &id]).status.code(), Some(0));
    }
}

/// In a container that was entered from outside, the session leader and the parent have the number 0
/// (pid_namespaces(7)).
#[test]
fn a_sandbox_is_launched_and_entered_where_ones_own_session_is_led_from_outside() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let Some(_) = person.uid else { return eprintln!("left out: only root makes namespaces here") };
        let image = person.image("plain", &[], &json!({"Cmd": ["sleep", "300"]}));
        let said_by = |arguments: &[&str]| {
            let wharf = person.wharf(arguments);
            let words = std::iter::once(wharf.get_program()).chain(wharf.get_args());
            words.map(|word| format!("'{}'", word.to_str().unwrap())).collect::<Vec<_>>().join(" ")
        };
        let script = format!(
            r#"id=$({} | sed -n 's/.*"id": *"\([^"]*\)".*/\1/p'); for _ in $(seq 600); do {} | grep -q running && break; sleep 0.1; done"#,
            said_by(&["launch", &image, "--on", "local", "--json"]),
            said_by(&["workloads"]),
        );
        let enter = said_by(&["exec", "ID", "--", "echo", "alive"]).replace("'ID'", "\"$id\"");
        let before = format!("{script}\n{enter}\nexit $?");
        let output = person.apart(&["--pid", "--fork", "--mount-proc"], &before, &["--version"]).output().unwrap();
        assert_eq!(said(&output), "alive\n", "{}", complained(&output));
    }
}

#[test]
fn a_log_is_bounded_and_a_full_disk_costs_output_but_no_exit_code() {
    need!("WHARF_LAB_OPEN");
    for person in BOTH.into_iter().filter_map(Person::new) {
        let image = person.image("plain", &[], &json!({"Cmd": ["true"]}));
        let script = "echo first; yes 'a line of sixty characters or so, again and again and again' | head -c 150000000; echo last; exit 9";
        let id = person.start(&image, &["--", "sh", "-c", script]);
        person.until(&id, "exited");
        assert_eq!(person.state(&id), "exited 9");
        let kept: u64 = std::fs::read_dir(person.folder_of(&id))
            .unwrap()
            .flatten()
            .map(|file| file.metadata().unwrap().len())
            .sum();
        assert!(kept < 70 << 20, "{kept} bytes");
        let text = said(&person.run(&["logs", &id]));
        assert!(text.trim_start().starts_with("[wharf: older output was dropped"), "{:?}", text.get(..100));
        assert!(text.ends_with("again\nlast\n") || text.ends_with("last\n"));
        let Some(_) = person.uid else { return eprintln!("left out: only root can make a small disk") };
        let small = person.path("small");
        std::fs::create_dir(&small).unwrap();
        let script = "yes 'a line of sixty characters or so, again and again and again' | head -c 30000000; exit 11";
        // Both in one mount namespace: the disk disappears with it.
        let here = format!("mount -t tmpfs -o mode=1777,size=4m none {}", small.display());
        let launch = ["launch", &image, "--on", "local", "--follow", "--", "sh", "-c", script];
        let follow =
            person.apart(&PRIVATE, &here, &launch).env("WHARF_STATE_DIR", small.join("state")).output().unwrap();
        assert_eq!(follow.status.code(), Some(11), "{}", complained(&follow));
        assert!(follow.stdout.len() < 4 << 20);
    }
}

#[test]
fn output_of_a_workload_commands_no_terminal_unless_raw_is_said() {
    need!("WHARF_LAB_OPEN");
    let Some(person) = BOTH.into_iter().find_map(Person::new) else { return };
    let evil = "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}[2J\u{1b}[31mred\u{1b}[0m\u{1b}]0;title\u{7}plain";
    let image = person.image("loud", &[], &json!({"Cmd": ["sh", "-c", "printf '%s\\nend\\n' \"$0\"", evil]}));
    let id = person.start(&image, &[]);
    person.until(&id, "exited");
    assert_eq!(said(&person.run(&["logs", &id])), format!("{evil}\nend\n"), "a pipe gets the bytes");
    for (arguments, raw) in [
        (vec!["logs", &id], false),
        (vec!["logs", "--raw", &id], true),
        (vec!["launch", &image, "--on", "local", "-f"], false),
    ] {
        let mut screen = person.on_screen(&arguments);
        screen.until("end");
        screen.ended();
        let bytes = screen.bytes();
        let has = |part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        assert_eq!((has("\u{1b}]52"), has("\u{1b}]0;title"), has("\u{1b}[2J")), (raw, raw, raw), "{arguments:?}");
        assert!(has("\u{1b}[31mred"), "colours stay");
    }
}
