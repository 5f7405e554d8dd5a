//! The README's "A site in ten minutes", word for word: its blocks are carried out in their order, by the people whom
//! it names, on a machine whose /etc, /var, /home, /run and /usr/local belong to this test.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use crate::{
    lab::{self, Home},
    scans::alpine_with,
    site::{Mail, free_port, until},
};

/// What to do with a block of the README.
#[derive(Debug, PartialEq, Eq)]
enum Block {
    /// Type it as this person; it ends with this exit code.
    Typed { who: String, lines: String, code: i32 },
    /// Write it as a file.
    File { path: String, text: String },
}

/// The blocks of the section. The first line of each says what to do with it.
fn blocks(readme: &str) -> Vec<Block> {
    let (_, section) = readme.split_once("\n## A site in ten minutes\n").expect("the README has that section");
    let section = section.split("\n## ").next().unwrap();
    let mut found = Vec::new();
    let mut lines = section.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.trim_start().strip_prefix("```") else { continue };
        let indent = line.len() - line.trim_start().len();
        let body: Vec<&str> = lines
            .by_ref()
            .take_while(|line| line.trim() != "```")
            .map(|line| line.get(indent..).unwrap_or_default())
            .collect();
        let head =
            body.first().and_then(|line| line.strip_prefix("# ")).unwrap_or_else(|| panic!("{body:?} says nothing"));
        let text = body.iter().map(|line| format!("{line}\n")).collect::<String>();
        found.push(match (language, head.strip_prefix("as ")) {
            ("sh", Some(who)) => Block::Typed {
                who: who.split(|c: char| !c.is_alphanumeric()).next().unwrap().to_owned(),
                lines: text,
                code: head.split_once("exit code ").map_or(0, |(_, code)| code[..1].parse().unwrap()),
            },
            ("toml" | "ini", None) if head.starts_with('/') => Block::File { path: head.to_owned(), text },
            other => panic!("nobody knows what to do with {other:?}: {text}"),
        });
    }
    found
}

/// What must differ here: this machine builds nothing, has its services at other addresses, no network for a scanner's
/// data, nobody who types a password, and no systemd.
fn substitutions(registry: &str, mail: u16) -> Vec<(&'static str, String)> {
    let program = env!("CARGO_BIN_EXE_wharf");
    vec![
        (
            "apt-get install -y build-essential cmake postgresql bubblewrap",
            "dpkg-query -W postgresql bubblewrap".into(),
        ),
        (
            "cargo build --release --locked",
            format!("mkdir -p target/release && ln -s '{program}' target/release/wharf"),
        ),
        ("wharf login site --user steward", "printf labpass | wharf login site --user lab --password-stdin".into()),
        (
            "TRIVY_CACHE_DIR=~/trivy trivy image --download-db-only",
            "trivy-db ~/trivy && sed -i \"s/2026-01-01T00:00:00Z/$(date -u +%FT%TZ)/g\" ~/trivy/db/metadata.json"
                .into(),
        ),
        ("systemctl enable --now wharf-steward", "true".into()),
        ("smtp://mail.example.org", format!("smtp://127.0.0.1:{mail}")),
        ("https://registry.example.org", format!("http://{registry}")),
        ("registry.example.org", registry.into()),
    ]
}

fn substituted(mut blocks: Vec<Block>, table: &[(&str, String)]) -> Vec<Block> {
    for (written, here) in table {
        let mut times = 0;
        for block in &mut blocks {
            let (Block::Typed { lines: text, .. } | Block::File { text, .. }) = block;
            times += text.matches(written).count();
            *text = text.replace(written, here);
        }
        assert!(times > 0, "the README says no more: {written}");
    }
    blocks
}

/// A separate machine, as far as files and logins matter.
struct Machine {
    holder: Child,
    database: Option<Child>,
    steward: Option<Child>,
    folder: tempfile::TempDir,
}

/// Private layers over the machine's folders; nobody of the README has a login yet, and no server runs.
const FRESH: &str = r#"
T=$1; mount -t tmpfs -o mode=755 tmpfs "$T"
for d in etc var usr/local; do
  mkdir -p "$T/$d" "$T/work/$d"; mount -t overlay overlay -o "lowerdir=/$d,upperdir=$T/$d,workdir=$T/work/$d" "/$d"
done
mount -t tmpfs -o mode=755 tmpfs /home; mount -t tmpfs -o mode=755 tmpfs /run
install -d -m 2775 -o postgres -g postgres /run/postgresql; install -d -m 700 -o postgres "$T/data"
for p in ada bob carol steward; do ! id "$p" >/dev/null 2>&1 || userdel "$p"; done
rm -rf /etc/wharf /var/lib/wharf /usr/local/bin/wharf; mkdir "$T/copy"
touch /usr/local/bin/trivy; mount --bind "$2/trivy" /usr/local/bin/trivy
install -m 755 "$3" /usr/local/bin/trivy-db
echo ready; exec sleep infinity
"#;

/// The unit's restrictions without systemd: the file system is read-only except for its own folders, homes are hidden.
const HARDENED: &str = r#"
install -d -m 700 -o steward -g steward /var/lib/wharf; mount --bind /var/lib/wharf /var/lib/wharf
mount -t tmpfs -o mode=755 tmpfs /home; mount -t tmpfs -o mode=1777 tmpfs /tmp
findmnt -rno TARGET | while read -r at; do
  case "$at" in /proc*|/sys*|/dev*|/tmp*|/var/lib/wharf*) ;; *) mount -o remount,bind,ro "$at" 2>/dev/null || true ;; esac
done
umask 077; exec setpriv --reuid steward --regid steward --init-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"
"#;

impl Machine {
    fn new(trivy: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/trivy-db");
        let mut holder = Command::new("unshare")
            .args(["-m", "--propagation", "private", "bash", "-ec", FRESH, "bash"])
            .args([folder.path(), Path::new(trivy), &script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut said).unwrap();
        assert_eq!(said, "ready\n", "the machine was not made");
        let mut machine = Self { holder, database: None, steward: None, folder };
        machine.start_database();
        machine
    }

    /// A program inside that machine.
    fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-m", "-t", &self.holder.id().to_string(), "--", program]);
        command
    }

    fn path(&self) -> String {
        self.folder.path().display().to_string()
    }

    /// As Debian sets it up: people on this machine by their login, others by password.
    fn start_database(&mut self) {
        let programs = std::fs::read_dir("/usr/lib/postgresql").unwrap();
        let programs = programs.flatten().map(|version| version.path().join("bin")).max().unwrap();
        let data = format!("{}/data", self.path());
        let as_postgres = |program: &str| {
            let mut command = self.inside("setpriv");
            command.args([
                "--reuid",
                "postgres",
                "--regid",
                "postgres",
                "--init-groups",
                "env",
                "-i",
                "LC_ALL=C.UTF-8",
            ]);
            command.arg(programs.join(program)).args(["-D", &data]).current_dir("/");
            command
        };
        let made = as_postgres("initdb")
            .args(["-U", "postgres", "--auth-local=peer", "--auth-host=scram-sha-256", "--no-sync"])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", lab::complained(&made));
        let child = as_postgres("postgres")
            .args(["-k", "/var/run/postgresql", "-c", "listen_addresses=", "-c", "fsync=off"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.database = Some(child);
        until("the database server", || {
            let ready = self.inside("pg_isready").args(["-q", "-h", "/var/run/postgresql"]).status();
            ready.is_ok_and(|status| status.success())
        });
    }

    /// Runs lines as this person, after signing in.
    fn types(&self, who: &str, lines: &str) -> Output {
        let begin = if who == "root" { format!("cd {}/copy\n", self.path()) } else { String::new() };
        let mut command = self.inside("su");
        command.args(["-", who, "-s", "/bin/bash", "-c", "exec bash -e -s"]).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap());
        lab::with_input(command, &format!("{begin}{lines}"))
    }

    /// The same, which must end with this code; gives the output.
    fn done(&self, who: &str, lines: &str, code: i32) -> String {
        let output = self.types(who, lines);
        let (said, complained) = (lab::said(&output), lab::complained(&output));
        assert_eq!(output.status.code(), Some(code), "as {who}:\n{lines}\n{said}{complained}");
        format!("{said}{complained}")
    }

    /// Writes a file, as the owner of the home that it is in.
    fn writes(&self, path: &str, text: &str) {
        let owner = match path.strip_prefix("/home/") {
            Some(rest) => rest.split('/').next().unwrap(),
            None if path.starts_with("/var/lib/wharf/") => "steward",
            None => "root",
        };
        self.done(owner, &format!("cat >'{path}' <<'END OF FILE'\n{text}END OF FILE\n"), 0);
    }

    /// Starts a unit as systemd would; a line that is not understood here fails.
    fn starts(&mut self, unit: &str) {
        let (mut argv, mut environment) = (Vec::new(), Vec::new());
        let mut asked = Vec::new();
        for line in unit.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '['])) {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            match (key, value) {
                ("ExecStart", command) => argv = command.split(' ').map(str::to_owned).collect(),
                ("Environment", all) => environment.extend(all.split(' ').map(str::to_owned)),
                ("Description" | "Wants" | "After" | "Restart" | "RestartSec" | "WantedBy", _) => {}
                _ => asked.push(line),
            }
        }
        asked.sort_unstable();
        let by_hand = [
            "CapabilityBoundingSet=",
            "NoNewPrivileges=yes",
            "PrivateTmp=yes",
            "ProtectHome=yes",
            "ProtectSystem=strict",
            "StateDirectory=wharf",
            "StateDirectoryMode=0700",
            "UMask=0077",
            "User=steward",
        ];
        assert_eq!(asked, by_hand);
        // This machine has no network to fetch data from.
        environment.extend(
            ["TRIVY_SKIP_DB_UPDATE=true", "TRIVY_OFFLINE_SCAN=true", "TRIVY_SKIP_VERSION_CHECK=true"]
                .map(str::to_owned),
        );
        let child = self
            .inside("unshare")
            .args(["-m", "--propagation", "private", "bash", "-ec", HARDENED, "bash", "env", "-i"])
            .args(environment)
            .args(argv)
            .current_dir("/")
            .stdout(std::fs::File::create(self.folder.path().join("steward.log")).unwrap())
            .spawn()
            .unwrap();
        self.steward = Some(child);
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Some(mut steward) = self.steward.take() {
            let _ = steward.kill();
            let _ = steward.wait();
        }
        if let Some(mut database) = self.database.take() {
            // "Immediate" mode: its helper processes end with it.
            let _ = Command::new("kill").args(["-QUIT", &database.id().to_string()]).status();
            let _ = database.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

/// A registry of this test that everybody may read and only `lab` may write; the lab's token server signs people in.
struct Registry {
    child: Child,
    host: String,
}

impl Registry {
    fn new(folder: &Path) -> Self {
        let lab = std::env::var("WHARF_LAB").unwrap();
        let port = free_port();
        let text = std::fs::read_to_string(format!("{lab}/token.yml")).unwrap();
        let auth = text.lines().find(|line| line.starts_with("auth:")).unwrap();
        let file = folder.join("registry.yml");
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{port}', secret: lab}}\n{auth}\n",
            folder.join("registry").display()
        );
        std::fs::File::create(&file).unwrap().write_all(text.as_bytes()).unwrap();
        let quiet = Stdio::null;
        let child =
            Command::new("docker-registry").arg("serve").arg(&file).stdout(quiet()).stderr(quiet()).spawn().unwrap();
        until("the registry", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { child, host: format!("127.0.0.1:{port}") }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whoever_follows_the_readme_word_for_word_has_a_site_that_works() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("left out: needs root to make a machine of its own");
    }
    let parts = ["TOKEN", "TRIVY", "MAIL", "POSTGRES"].map(|name| lab::part(&format!("WHARF_LAB_{name}")));
    let [Some(_), Some(trivy), Some(_), Some(_)] = parts else { return };
    let folder = tempfile::tempdir().unwrap();
    let registry = Registry::new(folder.path());
    let mut mail = Mail::new(folder.path());
    mail.start();
    // Two images that their maker has pushed: one that will be requested, and one that nobody checks.
    let maker = Home::new();
    let image = format!("{}/physics/gromacs:2024.1", registry.host);
    let forged = format!("{}/admitted/physics/forged:1", registry.host);
    let mut login = maker.wharf(&["login", &registry.host, "--user", "lab", "--password-stdin"]);
    login.env("WHARF_REGISTRIES", format!("http://{}", registry.host));
    assert!(lab::with_input(login, "labpass").status.success());
    for (to, version) in [(&image, "1.2.3-r4"), (&forged, "1.2.3-r5")] {
        let layout = alpine_with(folder.path(), &[("musl", version)], Some(Path::new("/bin/busybox")));
        let mut push = maker.wharf(&["push", &format!("{}:1", layout.display()), to]);
        let pushed = push.env("WHARF_REGISTRIES", format!("http://{}", registry.host)).output().unwrap();
        assert!(pushed.status.success(), "{}", lab::complained(&pushed));
    }

    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let written = blocks(&readme);
    assert!(written.len() >= 15, "{written:#?}");
    let table = substitutions(&registry.host, mail.port);
    let mut machine = Machine::new(&trivy);
    let (mut unit, mut last) = (None, String::new());
    let starts = "systemctl enable --now wharf-steward";
    let to_start: Vec<bool> =
        written.iter().map(|block| matches!(block, Block::Typed { lines, .. } if lines.contains(starts))).collect();
    for (block, start) in substituted(written, &table).into_iter().zip(to_start) {
        match block {
            Block::Typed { who, lines, code } => last = machine.done(&who, &lines, code),
            Block::File { path, text } => {
                if path.ends_with("/wharf-steward.service") {
                    unit = Some(text.clone());
                }
                machine.writes(&path, &text);
            }
        }
        if start {
            machine.starts(unit.as_deref().expect("the unit comes before it is started"));
        }
    }
    // The last block ends with ada's doctor: everything that she needs works.
    assert!(last.contains("store of requests: PostgreSQL") && last.contains("as ada (wharf_user)"), "{last}");
    let pid = machine.steward.as_ref().unwrap().id();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains("NoNewPrivs:\t1") && status.contains("CapBnd:\t0000000000000000"), "{status}");

    // Another person with a login.
    machine.done("root", "useradd --create-home bob\n", 0);
    machine.done("postgres", "psql wharf -c 'CREATE ROLE bob LOGIN IN ROLE wharf_user'\n", 0);
    for (who, must) in [
        ("ada", &["admitted", "you may read it"][..]),
        ("bob", &["as bob (wharf_user)"]),
        ("carol", &["approver's key: the key in /home/carol/carol.key", "wharf_approver"]),
        ("steward", &["steward's key: the key in /var/lib/wharf/steward.key", "write ", "✓ mail"]),
    ] {
        // The steward's account has the environment of its unit.
        let lines = "export TRIVY_CACHE_DIR=/var/lib/wharf/trivy; wharf doctor\n";
        let said = machine.done(who, if who == "steward" { lines } else { "wharf doctor\n" }, 0);
        assert!(!said.contains('✗') && said.contains("✓ steward: steward on"), "{who}: {said}");
        assert!(must.iter().all(|words| said.contains(words)), "{who}: {said}");
    }
    let admitted = image.replace("/physics/", "/admitted/physics/");
    let runs =
        machine.done("bob", &format!("wharf launch {admitted} --on local -f -- /bin/busybox echo 'it runs'\n"), 0);
    assert!(runs.contains("it runs"), "{runs}");
    let verified = machine.done("bob", &format!("wharf verify {admitted}\n"), 0);
    assert!(verified.contains("approved by carol"), "{verified}");
    // What nobody has signed does not run, wherever it is; and people who may not decide cannot.
    for unsigned in [&image, &forged] {
        let refused =
            machine.done("bob", &format!("wharf launch {unsigned} --on local -f -- /bin/busybox echo 'it runs'\n"), 3);
        assert!(!refused.contains("it runs\n") && refused.contains("needs approval"), "{refused}");
    }
    machine.done("bob", "wharf approve 1 --reason 'I say so'\n", 7);
    until("a letter to those who decide", || !mail.letters("images@example.org").is_empty());
    until("a letter to ada", || !mail.letters("ada@example.org").is_empty());
    for (path, mode) in [
        ("/var/lib/wharf/steward.key", "600 steward"),
        ("/home/carol/carol.key", "600 carol"),
        ("/var/lib/wharf", "700 steward"),
    ] {
        assert_eq!(machine.done("root", &format!("stat -c '%a %U' {path}\n"), 0).trim(), mode, "{path}");
    }
}

#[test]
fn a_block_that_says_nothing_of_who_does_it_fails() {
    let of =
        |block: &str| std::panic::catch_unwind(|| blocks(&format!("\n## A site in ten minutes\n{block}\n## Next\n")));
    let typed = of("   ```sh\n   # as ada: exit code 3 means\n   wharf x\n   ```\n").unwrap();
    assert_eq!(
        typed,
        [Block::Typed { who: "ada".into(), lines: "# as ada: exit code 3 means\nwharf x\n".into(), code: 3 }]
    );
    let file = of("```ini\n# /etc/x\n[Unit]\n```\n").unwrap();
    assert_eq!(file, [Block::File { path: "/etc/x".into(), text: "# /etc/x\n[Unit]\n".into() }]);
    assert!(of("```sh\nwharf x\n```\n").is_err() && of("```\nwharf x\n```\n").is_err());
}
