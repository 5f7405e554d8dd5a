//! A site as its administrators set it up: a store, an upstream and an admitted registry, keys, a scanner whose
//! database the tests change, a mail server; and people with homes of their own.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Output},
    time::{Duration, Instant},
};

use crate::{
    lab::{self, Home},
    scans::alpine_with,
    stores::Database,
};

/// The policy of all sites in the tests.
const POLICY: &str = "[policy]\nname = \"site\"\nenforce = true\n[policy.scan]\nfresh_days = 4000\nstale_days = 4000\nfixable_critical = \"deny\"\n";

/// Advisories that the scanner knows from the beginning.
const ADVISORIES: &str = r#"{"id": "CVE-2022-37434", "platform": "alpine 3.17", "pkg": "zlib", "fixed": "1.2.12-r4", "severity": "CRITICAL", "title": "zlib: heap-based buffer over-read", "cvss": 9.8}"#;

pub(crate) struct Site {
    pub folder: tempfile::TempDir,
    pub upstream: String,
    pub admitted: String,
    pub database: Option<Database>,
    pub mail: Option<Mail>,
}

/// A mail server and the letters that it received.
pub(crate) struct Mail {
    pub port: u16,
    pub folder: PathBuf,
    child: Option<Child>,
}

/// A port that nobody listens on at this moment.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until a condition holds; panics with `what` if it never does.
pub(crate) fn until(what: &str, so: impl FnMut() -> bool) {
    until_within(what, Duration::from_secs(60), so);
}

/// The same for what has much to do on a busy machine.
pub(crate) fn until_within(what: &str, most: Duration, mut so: impl FnMut() -> bool) {
    let end = Instant::now() + most;
    while !so() {
        assert!(Instant::now() < end, "{what}: it did not come to be");
        std::thread::yield_now();
        std::thread::park_timeout(Duration::from_millis(20));
    }
}

/// A registry of one test.
pub(crate) struct Registry {
    port: u16,
    folder: PathBuf,
    child: Option<Child>,
    /// Whether it allows deleting.
    pub deletes: bool,
}

impl Registry {
    pub(crate) fn new(folder: &Path) -> Self {
        Self { port: free_port(), folder: folder.to_owned(), child: None, deletes: true }
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn start(&mut self) {
        let (file, data) = (self.folder.join("registry.yml"), self.folder.join("registry"));
        let text = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: {}}}}}\nhttp: {{addr: '{}', secret: lab}}\n",
            data.display(),
            self.deletes,
            self.host()
        );
        std::fs::write(&file, text).unwrap();
        let quiet = std::process::Stdio::null;
        let child =
            Command::new("docker-registry").arg("serve").arg(file).stdout(quiet()).stderr(quiet()).spawn().unwrap();
        self.child = Some(child);
        until("the registry", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Mail {
    /// A server that is not started yet.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { port: free_port(), folder: folder.join("letters"), child: None }
    }

    pub(crate) fn start(&mut self) {
        let path = lab::part("WHARF_LAB_MAIL").unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/mail");
        let child = Command::new("python3")
            .arg(script)
            .args([self.port.to_string().as_str(), self.folder.to_str().unwrap()])
            .env("PYTHONPATH", path)
            .spawn()
            .unwrap();
        self.child = Some(child);
        until("the mail server", || std::net::TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }

    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Letters to a person, as text.
    pub(crate) fn letters(&self, to: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mine = entries.flatten().filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.ends_with(to) && !name.ends_with(".part")
        });
        let mut mine: Vec<PathBuf> = mine.map(|entry| entry.path()).collect();
        mine.sort();
        mine.iter()
            .map(|path| std::fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("\r\n", "\n"))
            .collect()
    }
}

impl Drop for Mail {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Writes annotations into the one manifest of a layout.
fn annotate(layout: &Path, annotations: &[(&str, &str)]) {
    use wharf::core::base::digest::Digest;
    let read = |path: &Path| -> serde_json::Value { serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap() };
    let index = layout.join("index.json");
    let mut all = read(&index);
    let blobs = layout.join("blobs/sha256");
    let old = all["manifests"][0]["digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let mut manifest = read(&blobs.join(old));
    for (name, value) in annotations {
        manifest["annotations"][*name] = (*value).into();
    }
    let bytes = manifest.to_string().into_bytes();
    let digest = Digest::of(&bytes);
    std::fs::write(blobs.join(digest.hex()), &bytes).unwrap();
    all["manifests"][0]["digest"] = digest.to_string().into();
    all["manifests"][0]["size"] = bytes.len().into();
    std::fs::write(index, all.to_string()).unwrap();
}

impl Site {
    /// A site with these registries; `more` is added to its file.
    pub(crate) fn new(upstream: &str, admitted: &str, database: Option<Database>, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let site = Self {
            mail: Some(Mail::new(folder.path())),
            folder,
            upstream: upstream.to_owned(),
            admitted: admitted.to_owned(),
            database,
        };
        let at = site.folder.path();
        for key in ["steward", "vendor"] {
            let key = at.join(format!("{key}.key"));
            let made = Command::new("sh")
                .args(["-ec", "openssl ecparam -genkey -name prime256v1 -noout | openssl pkcs8 -topk8 -nocrypt -out \"$1\"; chmod 600 \"$1\"; openssl pkey -in \"$1\" -pubout -out \"${1%.key}.pub\"", "sh"])
                .arg(&key)
                .output()
                .unwrap();
            assert!(made.status.success(), "{}", lab::complained(&made));
        }
        let store = match &site.database {
            Some(database) => database.address("WHO"),
            None => at.join("requests.db").display().to_string(),
        };
        let hardware = lab::part("WHARF_LAB_HSM").map(|hsm| format!(", \"{hsm}/site.pub\"")).unwrap_or_default();
        let mail = site.mail.as_ref().unwrap().port;
        let text = format!(
            "[[source]]\nname = \"upstream\"\ntype = \"oci\"\nurl = \"http://{upstream}\"\n\
             [[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://{admitted}\"\n\
             [requests]\nstore = \"{store}\"\nadmitted = \"{admitted}/admitted\"\nquarantine = \"{admitted}/quarantine\"\nprojects = [\"physics\"]\n\
             [notify]\nmail = \"smtp://127.0.0.1:{mail}\"\nfrom = \"wharf@site.example\"\ndomain = \"site.example\"\napprovers = \"admins@site.example\"\n\
             {POLICY}[policy.signature]\nkeys = [\"steward.pub\", \"vendor.pub\"{hardware}]\n{more}"
        );
        std::fs::write(at.join("site.toml"), text).unwrap();
        site.advise(&[]);
        site
    }

    /// Adds advisories to those that the scanner knows from the beginning.
    pub(crate) fn advise(&self, more: &[&str]) {
        let file = self.folder.path().join("advisories.json");
        std::fs::write(&file, format!("[{}]", [&[ADVISORIES], more].concat().join(","))).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/trivy-db");
        let cache = self.folder.path().join("trivy");
        let made = Command::new("python3").arg(script).arg(cache).arg(file).output().unwrap();
        assert!(made.status.success(), "{}", lab::complained(&made));
    }

    /// A person of this site.
    pub(crate) fn person<'a>(&'a self, name: &str) -> Person<'a> {
        let person = Person { site: self, name: name.to_owned(), home: Home::new() };
        let own = std::fs::read_to_string(self.folder.path().join("site.toml")).unwrap();
        // Each signs in to the database as themselves.
        std::fs::write(person.home.path("site.toml"), own.replace("//WHO@", &format!("//{name}@"))).unwrap();
        for file in ["steward.pub", "vendor.pub"] {
            std::fs::copy(self.folder.path().join(file), person.home.path(file)).unwrap();
        }
        person
    }

    /// The steward: only it has the steward's key, and may write where images are admitted.
    pub(crate) fn steward(&self) -> Person<'_> {
        self.steward_of(true)
    }

    /// The same; for a registry that everybody may write to, it needs no sign-in.
    pub(crate) fn steward_of(&self, signs_in: bool) -> Person<'_> {
        let steward = self.person("steward");
        let folder = steward.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let key = self.folder.path().join("steward.key");
        std::fs::write(folder.join("wharf.toml"), format!("[requests]\nkey = \"{}\"\n", key.display())).unwrap();
        if !signs_in {
            return steward;
        }
        let signed =
            lab::with_input(steward.wharf(&["login", "site", "--user", "lab", "--password-stdin"]), "labpass\n");
        assert!(signed.status.success(), "{}", lab::complained(&signed));
        steward
    }

    /// An unsigned image upstream, with these packages and annotations. Gives its reference.
    pub(crate) fn image_that_says(
        &self,
        by: &Person<'_>,
        name: &str,
        packages: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> String {
        let layout = alpine_with(self.folder.path(), packages, None);
        annotate(&layout, annotations);
        let image = format!("{}/{}:1", self.upstream, lab::fresh(&format!("vendor/{name}")));
        let pushed = by.run(&["push", &format!("{}:1", layout.display()), &image]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        image
    }

    /// An image upstream, with these packages; signed by its vendor or not. Gives its reference.
    pub(crate) fn image(&self, by: &Person<'_>, name: &str, packages: &[(&str, &str)], signed: bool) -> String {
        let busybox = Path::new("/bin/busybox");
        let layout = alpine_with(self.folder.path(), packages, busybox.exists().then_some(busybox));
        let image = format!("{}/{}:1", self.upstream, lab::fresh(&format!("vendor/{name}")));
        let pushed = by.run(&["push", &format!("{}:1", layout.display()), &image]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        if signed {
            let key = self.folder.path().join("vendor.key");
            let signed = by.run(&["sign", &image, "--key", key.to_str().unwrap()]);
            assert_eq!(signed.status.code(), Some(0), "{}", lab::complained(&signed));
        }
        image
    }
}

pub(crate) struct Person<'a> {
    pub site: &'a Site,
    pub name: String,
    pub home: Home,
}

impl Person<'_> {
    /// The program as this person runs it.
    pub(crate) fn wharf(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.wharf(arguments);
        for (name, value) in self.variables() {
            command.env(name, value);
        }
        command
    }

    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let trivy = lab::part("WHARF_LAB_TRIVY").unwrap_or_default();
        let text = |path: PathBuf| path.display().to_string();
        let pairs = [
            ("WHARF_SITE", text(self.home.path("site.toml"))),
            ("WHARF_PERSON", self.name.clone()),
            ("HOME", text(self.home.folder.path().to_owned())),
            ("WHARF_CACHE_DIR", text(self.home.path("cache"))),
            ("WHARF_STATE_DIR", text(self.home.path("state"))),
            ("PATH", format!("{trivy}:{}", std::env::var("PATH").unwrap())),
            ("TRIVY_CACHE_DIR", text(self.site.folder.path().join("trivy"))),
            ("TRIVY_SKIP_DB_UPDATE", "true".into()),
            ("TRIVY_OFFLINE_SCAN", "true".into()),
            ("TRIVY_SKIP_VERSION_CHECK", "true".into()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.wharf(arguments).output().unwrap()
    }

    /// Its output in JSON; it must end with this exit code.
    pub(crate) fn json(&self, code: i32, arguments: &[&str]) -> serde_json::Value {
        let output = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(
            output.status.code(),
            Some(code),
            "{arguments:?}: {}{}",
            lab::said(&output),
            lab::complained(&output)
        );
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Requests an image; gives the request's number.
    pub(crate) fn ask(&self, image: &str, reason: &str) -> i64 {
        self.json(0, &["request", image, "--reason", reason])["request"]["id"].as_i64().unwrap()
    }

    /// A request as this person sees it.
    pub(crate) fn request(&self, id: i64) -> serde_json::Value {
        self.json(0, &["requests", "show", &id.to_string()])["request"].clone()
    }
}
