//! Scans by a real trivy with a small database: findings, clean, unknown; old, excepted, fixed.

use std::path::{Path, PathBuf};

use wharf::core::base::digest::Digest;

use crate::lab::{self, Home, need};

pub(crate) struct Scanning {
    pub(crate) home: Home,
    host: String,
    repository: String,
    trivy: String,
    cache: String,
}

/// An Alpine image of one layer, with these packages, as an OCI layout.
pub(crate) fn alpine(folder: &Path, packages: &[(&str, &str)]) -> PathBuf {
    alpine_with(folder, packages, None)
}

/// The same; with a program in it, so that it can be launched.
pub(crate) fn alpine_with(folder: &Path, packages: &[(&str, &str)], program: Option<&Path>) -> PathBuf {
    let layout = folder.join(lab::fresh("layout"));
    let blobs = layout.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let mut layer = tar::Builder::new(Vec::new());
    let installed: String =
        packages.iter().map(|(name, version)| format!("P:{name}\nV:{version}\nA:x86_64\no:{name}\n\n")).collect();
    let release = "ID=alpine\nVERSION_ID=3.17.3\nPRETTY_NAME=\"Alpine\"\n";
    for (path, text) in
        [("etc/os-release", release), ("etc/alpine-release", "3.17.3\n"), ("lib/apk/db/installed", installed.as_str())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(text.len() as u64);
        header.set_mode(0o644);
        layer.append_data(&mut header, path, text.as_bytes()).unwrap();
    }
    if let Some(program) = program {
        layer.append_path_with_name(program, "bin/busybox").unwrap();
    }
    let layer = layer.into_inner().unwrap();
    let run =
        if program.is_some() { serde_json::json!({"Cmd": ["/bin/busybox", "true"]}) } else { serde_json::json!({}) };
    let blob = |bytes: &[u8], kind: &str| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        serde_json::json!({"mediaType": format!("application/vnd.oci.image.{kind}"), "digest": digest.to_string(), "size": bytes.len()})
    };
    let config = serde_json::json!({"architecture": "amd64", "os": "linux", "config": run,
        "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer).to_string()]}});
    let manifest = serde_json::json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": blob(config.to_string().as_bytes(), "config.v1+json"), "layers": [blob(&layer, "layer.v1.tar")]});
    let mut entry = blob(manifest.to_string().as_bytes(), "manifest.v1+json");
    entry["annotations"] = serde_json::json!({"org.opencontainers.image.ref.name": "1"});
    let index = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(layout.join("index.json"), index.to_string()).unwrap();
    std::fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    layout
}

/// Like `oras attach`: an artifact whose subject is the image, found by its fallback tag.
const ATTACH: &str = r#"
import hashlib, json, sys, urllib.error, urllib.request
host, repo, kind, report = sys.argv[1:]
base = f"http://{host}/v2/{repo}"
def put(url, data, kind):
    return urllib.request.urlopen(urllib.request.Request(url, data=data, method="PUT", headers={"Content-Type": kind}))
def blob(data):
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    start = urllib.request.urlopen(urllib.request.Request(base + "/blobs/uploads/", data=b"", method="POST"))
    put(start.headers["Location"] + "&digest=" + digest, data, "application/octet-stream")
    return {"digest": digest, "size": len(data)}
M = "application/vnd.oci.image.manifest.v1+json"
top = urllib.request.urlopen(urllib.request.Request(base + "/manifests/1", headers={"Accept": M}))
body = top.read(); subject = "sha256:" + hashlib.sha256(body).hexdigest()
layer = {"mediaType": kind, **blob(report.encode())}
config = {"mediaType": "application/vnd.oci.empty.v1+json", **blob(b"{}")}
doc = json.dumps({"schemaVersion": 2, "mediaType": M, "artifactType": kind, "config": config,
    "layers": [layer], "subject": {"mediaType": M, "digest": subject, "size": len(body)}}).encode()
digest = "sha256:" + hashlib.sha256(doc).hexdigest()
put(base + "/manifests/" + digest, doc, M)
I = "application/vnd.oci.image.index.v1+json"
place = base + "/manifests/" + subject.replace(":", "-")
try:
    known = json.load(urllib.request.urlopen(urllib.request.Request(place, headers={"Accept": I})))["manifests"]
except urllib.error.HTTPError:
    known = []
known.append({"mediaType": M, "digest": digest, "size": len(doc), "artifactType": kind})
put(place, json.dumps({"schemaVersion": 2, "mediaType": I, "manifests": known}).encode(), I)
"#;

/// Attaches a document to what the tag 1 of a repository means.
pub(crate) fn attach_to(image: &str, kind: &str, document: &str) {
    let (host, repository) = image.trim_end_matches(":1").split_once('/').unwrap();
    let done = std::process::Command::new("python3").args(["-c", ATTACH, host, repository, kind, document]).output();
    let done = done.unwrap();
    assert!(done.status.success(), "{}", lab::complained(&done));
}

impl Scanning {
    /// Attaches a document to the image.
    fn attach(&self, kind: &str, document: &str) {
        attach_to(&self.image(), kind, document);
    }

    pub(crate) fn new(host: &str, policy: &str) -> Self {
        let scanning = Self {
            home: Home::new(),
            host: host.to_owned(),
            repository: lab::fresh("zz/scanned"),
            trivy: lab::part("WHARF_LAB_TRIVY").unwrap_or_default(),
            cache: lab::part("WHARF_LAB_TRIVY_CACHE").unwrap_or_default(),
        };
        let folder = scanning.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let source = format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{host}\"\n");
        let policy = format!("[policy]\n{policy}[policy.signature]\nmissing = \"allow\"\n");
        std::fs::write(folder.join("wharf.toml"), source + &policy).unwrap();
        scanning
    }

    pub(crate) fn image(&self) -> String {
        format!("{}/{}:1", self.host, self.repository)
    }

    pub(crate) fn push(&self, layout: &Path) {
        let pushed = self.home.run(&["push", &format!("{}:1", layout.display()), &self.image()]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    }

    /// A command that finds trivy and its small database.
    fn with_trivy<'a>(&self, command: &'a mut std::process::Command) -> &'a mut std::process::Command {
        let path = format!("{}:{}", self.trivy, std::env::var("PATH").unwrap());
        command.env("PATH", path).env("TRIVY_CACHE_DIR", &self.cache);
        command.env("TRIVY_SKIP_DB_UPDATE", "true").env("TRIVY_OFFLINE_SCAN", "true");
        command.env("TRIVY_SKIP_VERSION_CHECK", "true")
    }

    /// The exit code, the scan's outcome, and the output.
    pub(crate) fn verify(&self) -> (Option<i32>, serde_json::Value, String) {
        let mut command = self.home.wharf(&["verify", &self.image(), "--again", "--json"]);
        let output = self.with_trivy(&mut command).output().unwrap();
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let records = said["records"].as_array().unwrap();
        let scan = records.iter().map(|record| record["outcome"]["scan"].clone()).find(|scan| !scan.is_null());
        (output.status.code(), scan.unwrap_or_default(), said.to_string())
    }
}

/// The lab's database has a fixed date: its age does not matter in most of these tests.
pub(crate) const ANY_AGE: &str = "[policy.scan]\nfresh_days = 100000\nstale_days = 100000\n";

#[test]
fn findings_a_clean_image_and_one_that_the_scanner_does_not_know_are_three_things() {
    let open = need!("WHARF_LAB_OPEN");
    let _ = need!("WHARF_LAB_TRIVY");
    let folder = tempfile::tempdir().unwrap();
    let bad = Scanning::new(&open, ANY_AGE);
    bad.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1"), ("musl", "1.2.3-r4")]));
    let (code, scan, said) = bad.verify();
    assert_eq!((code, &scan["state"]), (Some(3), &"findings".into()), "{said}");
    assert_eq!((&scan["packages"], &scan["counts"]["fixable_critical"]), (&2.into(), &1.into()), "{said}");
    assert_eq!(scan["worst"][0]["id"], "CVE-2022-37434");
    assert_eq!(scan["worst"][0]["fixed"], "1.2.12-r4");
    assert!(said.contains("critical finding could be fixed"), "{said}");
    let good = Scanning::new(&open, ANY_AGE);
    good.push(&alpine(folder.path(), &[("zlib", "1.2.12-r9")]));
    let (code, scan, said) = good.verify();
    assert_eq!((code, &scan["state"]), (Some(0), &"clean".into()), "{said}");
    // A static program has no packages: that is unknown, not clean.
    let unknown = Scanning::new(&open, ANY_AGE);
    let pushed = unknown.home.run(&["push", &lab::starter(), &unknown.image()]);
    assert_eq!(pushed.status.code(), Some(0));
    let (code, scan, said) = unknown.verify();
    assert_eq!((code, &scan["state"]), (Some(3), &"unsupported".into()), "{said}");
    // Nor is the layer around a disk asked about the disk.
    let disk = Scanning::new(&open, ANY_AGE);
    let file = disk.home.path("disk.raw");
    crate::clouds::disk(&file);
    let pushed = disk.home.run(&["push", file.to_str().unwrap(), &disk.image()]);
    assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    let (code, scan, said) = disk.verify();
    assert_eq!((code, &scan["state"]), (Some(3), &"unsupported".into()), "{said}");
    assert!(said.contains("does not look into disks"), "{said}");
}

#[test]
fn an_old_database_makes_a_scan_stale_and_an_exception_takes_a_finding_until_its_day() {
    let open = need!("WHARF_LAB_OPEN");
    let _ = need!("WHARF_LAB_TRIVY");
    let folder = tempfile::tempdir().unwrap();
    let layout = alpine(folder.path(), &[("zlib", "1.2.12-r1")]);
    let clean = Scanning::new(&open, "");
    clean.push(&alpine(folder.path(), &[("musl", "1.2.3-r4")]));
    let (code, _, said) = clean.verify();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("days old"), "scanned today with a database of long ago: {said}");
    for (expires, wanted) in [("2099-01-01T00:00:00Z", Some(0)), ("2020-01-01T00:00:00Z", Some(3))] {
        let exception = format!(
            "[[policy.exception]]\nid = \"EX-7\"\nvulnerability = \"CVE-2022-37434\"\nrepository = \"oci://{open}/zz/\"\n\
             owner = \"ada\"\nreason = \"not started\"\nexpires = \"{expires}\"\n"
        );
        let excepted = Scanning::new(&open, &format!("{exception}{ANY_AGE}"));
        excepted.push(&layout);
        let (code, _, said) = excepted.verify();
        assert_eq!(code, wanted, "{said}");
        assert_eq!(said.contains("EX-7"), wanted == Some(0), "{said}");
    }
}

#[test]
fn a_report_that_somebody_attached_is_shown_as_asserted_and_gives_way_to_a_scan_made_here() {
    let open = need!("WHARF_LAB_OPEN");
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, ANY_AGE);
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let report = r#"{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"Other","rules":[{"id":"CVE-9","properties":{"security-severity":"5.0"}}]}},"results":[{"ruleId":"CVE-9","message":{"text":"x"}}]}]}"#;
    scanning.attach("application/sarif+json", report);
    // Without a scanner: only an attached report, which allows nothing on its own.
    let said = lab::said(&scanning.home.run(&["verify", &scanning.image()]));
    assert!(said.contains("asserted by the source") && said.contains("SARIF of Other"), "{said}");
    assert!(said.contains("was attached to it and not checked"), "{said}");
    if lab::part("WHARF_LAB_TRIVY").is_some() {
        let (_, _, said) = scanning.verify();
        assert!(said.contains("CVE-2022-37434") && !said.contains("was attached to it and not checked"), "{said}");
    }
}

#[test]
fn a_software_list_and_statements_are_shown_and_two_versions_are_compared() {
    let open = need!("WHARF_LAB_OPEN");
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, ANY_AGE);
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let list = |version: &str| {
        format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.5","components":[{{"type":"library","name":"zlib","version":"{version}","purl":"pkg:apk/alpine/zlib@{version}"}}]}}"#
        )
    };
    let report = r#"{"SchemaVersion":2,"CreatedAt":"2026-11-20T06:00:00Z","Results":[{"Type":"alpine","Packages":[{"Name":"zlib"}],"Vulnerabilities":[{"VulnerabilityID":"CVE-2022-37434","PkgName":"zlib","Severity":"MEDIUM"}]}]}"#;
    scanning.attach("application/vnd.cyclonedx+json", &list("1.2.12-r1"));
    scanning.attach("application/vnd.aquasec.trivy.report+json", report);
    scanning.attach(
        "application/vnd.openvex+json",
        r#"{"@context":"https://openvex.dev/ns/v0.2.0","author":"Ada","timestamp":"2026-11-20T06:00:00Z","statements":[{"vulnerability":{"name":"CVE-2022-37434"},"status":"not_affected","justification":"vulnerable_code_not_present"}]}"#,
    );
    // The list of exploited vulnerabilities is the site's own.
    let file = scanning.home.path(".config/wharf/wharf.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let with =
        |lists: &str| std::fs::write(&file, text.replace("fresh_days", &format!("{lists}\nfresh_days"))).unwrap();
    std::fs::write(scanning.home.path(".config/wharf/kev.json"), r#"{"vulnerabilities":[{"cveID":"CVE-2022-37434"}]}"#)
        .unwrap();
    with("exploited_lists = [\"kev.json\"]");
    let verified = scanning.home.run(&["verify", &scanning.image(), "--again"]);
    let said = lab::said(&verified);
    assert_eq!(verified.status.code(), Some(3), "{said}");
    for told in ["1 finding is known to be exploited", "1 statement by Ada", "CycloneDX 1.5", "asserted by the source"]
    {
        assert!(said.contains(told), "{told}: {said}");
    }
    // The next version: another zlib, nothing found.
    let first = scanning.image();
    let next = format!("{}/{}:2", scanning.host, scanning.repository);
    let layout = alpine(folder.path(), &[("zlib", "1.2.12-r9")]);
    let pushed = scanning.home.run(&["push", &format!("{}:1", layout.display()), &next]);
    assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    let diff = |args: &[&str]| scanning.home.run(&[&["diff", &first, ":2"], args].concat());
    let said = lab::said(&diff(&["--quick"]));
    assert!(said.contains("one of them has no list of its software") && said.contains("was not scanned"), "{said}");
    assert!(said.contains("settings are the same"), "{said}");
    if lab::part("WHARF_LAB_TRIVY").is_some() {
        let mut command = scanning.home.wharf(&["diff", &first, ":2", "--json"]);
        let said: serde_json::Value =
            serde_json::from_slice(&scanning.with_trivy(&mut command).output().unwrap().stdout).unwrap();
        assert_eq!(said["findings"]["fixed"][0]["id"], "CVE-2022-37434", "{said}");
        assert_eq!(said["software"]["changed"][0]["after"], "1.2.12-r9", "{said}");
    }
    let same = scanning.home.run(&["diff", &first, ":1", "--quick"]);
    assert!(lab::said(&same).contains("the same bytes"), "{}", lab::complained(&same));
}

/// grype is in no package registry: a program that answers like it (its JSON of version 0.90), and records how it was
/// called.
const GRYPE: &str = r#"#!/bin/sh
echo "$@ http=$GRYPE_REGISTRY_INSECURE_USE_HTTP" >>"$CALLED"
cat <<'J'
{"matches":[{"vulnerability":{"id":"CVE-2022-37434","severity":"Critical","namespace":"alpine:distro:alpine:3.17","fix":{"versions":["1.2.12-r4"],"state":"fixed"}},"artifact":{"name":"zlib","version":"1.2.12-r1","type":"apk"}}],
"descriptor":{"name":"grype","version":"0.90.0","timestamp":"2026-11-20T06:00:00Z","db":{"status":{"built":"2026-11-19T00:00:00Z"}}}}
J
"#;

#[test]
fn where_only_grype_is_installed_it_scans() {
    let open = need!("WHARF_LAB_OPEN");
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, ANY_AGE);
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let program = folder.path().join("grype");
    std::fs::write(&program, GRYPE).unwrap();
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let called = folder.path().join("called");
    std::fs::write(&program, GRYPE.replace("$CALLED", &called.display().to_string())).unwrap();
    let mut command = scanning.home.wharf(&["verify", &scanning.image(), "--json"]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
    let output = command.output().unwrap();
    let said = lab::said(&output);
    assert_eq!(output.status.code(), Some(3), "{said} {}", lab::complained(&output));
    assert!(said.contains("grype 0.90.0") && said.contains("1 critical finding could be fixed"), "{said}");
    let called = std::fs::read_to_string(called).unwrap();
    assert!(called.contains(&format!("registry:{open}/{}@sha256:", scanning.repository)), "{called}");
    assert!(called.trim_end().ends_with("http=true"), "{called}");
}

/// Quay and Clair are not available here: their published answers, from a server of Python's standard library.
const SERVED: &str = r#"
import http.client, http.server, json, sys
class H(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_HEAD(self): self.do_GET()
    def do_GET(self):
        if self.path.startswith("/v2/"):
            c = http.client.HTTPConnection(sys.argv[1]); c.request(self.command, self.path, headers={"Accept": self.headers.get("Accept", "")})
            a = c.getresponse(); body = a.read(); self.send_response(a.status)
            for k in ("Content-Type", "Docker-Content-Digest"):
                if a.getheader(k): self.send_header(k, a.getheader(k))
            self.send_header("Content-Length", a.getheader("Content-Length") or str(len(body))); self.end_headers(); self.wfile.write(body)
            return
        found = {"Name": "CVE-2022-37434", "Severity": "Critical", "FixedBy": "1.2.12-r4", "NamespaceName": "alpine:v3.17"}
        feature = {"Name": "zlib", "Version": "1.2.12-r1", "VersionFormat": "apk", "Vulnerabilities": [found]}
        if self.path.startswith("/api/v1/repository/"):
            status = "queued" if "queued" in self.path else "unsupported" if "unsupported" in self.path else "scanned"
            answer = {"status": status, "data": {"Layer": {"Features": [feature]}} if status == "scanned" else None}
        elif self.path.startswith("/matcher/api/v1/vulnerability_report/sha256:"):
            answer = {"packages": {"1": {"name": "zlib", "version": "1.2.12-r1", "kind": "binary"}}, "package_vulnerabilities": {"1": ["2"]},
                "vulnerabilities": {"2": {"name": "CVE-2022-37434", "normalized_severity": "Critical", "fixed_in_version": "1.2.12-r4"}}}
        else: return self.send_error(404)
        body = json.dumps(answer).encode()
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H); print(s.server_port, flush=True); s.serve_forever()
"#;

/// A server that ends with its test, even if that panics.
pub(crate) struct Running(std::process::Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the servers of Clair and Quay; gives their port.
pub(crate) fn served(open: &str) -> (Running, String) {
    use std::io::{BufRead, BufReader};
    let mut command = std::process::Command::new("python3");
    let child = command.args(["-c", SERVED, open]).stdout(std::process::Stdio::piped()).spawn();
    let mut server = Running(child.unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    (server, port.trim().to_owned())
}

#[test]
fn quay_and_clair_are_asked_where_a_source_names_them() {
    let open = need!("WHARF_LAB_OPEN");
    let (_server, port) = served(&open);
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, "");
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let file = scanning.home.path(".config/wharf/wharf.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let scanner = format!("type = \"oci\"\nscanner = \"http://127.0.0.1:{port}\"");
    std::fs::write(&file, text.replacen("type = \"oci\"", &scanner, 1)).unwrap();
    let said = lab::said(&scanning.home.run(&["verify", &scanning.image()]));
    for told in ["served by Clair, asserted by the source", "1 critical finding could be fixed", "1.2.12-r4"] {
        assert!(said.contains(told), "{told}: {said}");
    }
    // Quay's API is at the address of its registry: here one in front of the real one.
    let quay = format!("127.0.0.1:{port}");
    let source = format!("[[source]]\nname = \"quay\"\ntype = \"oci\"\nurl = \"http://{quay}\"\nscanner = \"quay\"\n");
    std::fs::write(&file, source).unwrap();
    let at = |name: &str| {
        let to = format!("{open}/{}:1", lab::fresh(name));
        let layout = alpine(folder.path(), &[("zlib", &lab::fresh("1.2.12-r1"))]);
        let pushed = scanning
            .home
            .wharf(&["push", &format!("{}:1", layout.display()), &to])
            .env("WHARF_REGISTRIES", format!("http://{open}"))
            .output()
            .unwrap();
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        lab::said(&scanning.home.run(&["verify", &to.replace(&open, &quay)]))
    };
    for (name, told) in [
        ("zz/done", "served by Quay, asserted by the source"),
        ("zz/done", "zlib"),
        ("zz/queued", "scan        … scanning"),
        ("zz/unsupported", "nothing the scanner knows"),
    ] {
        let said = at(name);
        assert!(said.contains(told), "{told}: {said}");
    }
}

#[test]
fn with_a_trivy_server_the_scan_needs_no_database_here_and_is_as_old_as_the_servers() {
    let open = need!("WHARF_LAB_OPEN");
    let _ = need!("WHARF_LAB_TRIVY");
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, ANY_AGE);
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let child = std::process::Command::new(format!("{}/trivy", scanning.trivy))
        .args(["server", "--skip-db-update", "--listen", &free.to_string(), "--cache-dir", &scanning.cache])
        .stderr(std::process::Stdio::null())
        .spawn();
    let server = Running(child.unwrap());
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(free).is_err() {
        assert!(begun.elapsed().as_secs() < 20, "the server did not come up");
        std::thread::yield_now();
    }
    let file = scanning.home.path(".config/wharf/wharf.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(
        &file,
        text.replacen("[policy.scan]\n", &format!("[policy.scan]\ntrivy_server = \"http://{free}\"\n"), 1),
    )
    .unwrap();
    let mut command = scanning.home.wharf(&["verify", &scanning.image(), "--again", "--json"]);
    scanning.with_trivy(&mut command).env("TRIVY_CACHE_DIR", folder.path().join("empty"));
    command.env_remove("TRIVY_OFFLINE_SCAN");
    let output = command.output().unwrap();
    drop(server);
    let said = lab::said(&output);
    assert_eq!(output.status.code(), Some(3), "{said} {}", lab::complained(&output));
    assert!(said.contains("database of 2026-01-01T00:00:00Z") && said.contains("CVE-2022-37434"), "{said}");
}

#[test]
fn a_scan_finds_the_same_whatever_lies_in_the_folder_the_home_and_the_environment() {
    let open = need!("WHARF_LAB_OPEN");
    let _ = need!("WHARF_LAB_TRIVY");
    let folder = tempfile::tempdir().unwrap();
    let scanning = Scanning::new(&open, ANY_AGE);
    scanning.push(&alpine(folder.path(), &[("zlib", "1.2.12-r1")]));
    let hide = "CVE-2022-37434\n";
    let vex = r#"{"@context":"https://openvex.dev/ns/v0.2.0","@id":"x","author":"x","timestamp":"2026-01-01T00:00:00Z","version":1,"statements":[]}"#;
    let own = "severity: [LOW]\nignorefile: .trivyignore\nexit-code: 1\nvulnerability:\n  ignore-unfixed: true\n";
    for place in [folder.path().to_owned(), scanning.home.path("")] {
        for (name, text) in [
            (".trivyignore", hide),
            (".trivyignore.yaml", "vulnerabilities:\n  - id: CVE-2022-37434\n"),
            ("trivy.yaml", own),
            (".grype.yaml", "ignore:\n  - vulnerability: CVE-2022-37434\n"),
            ("vex.json", vex),
            ("ignore.rego", "package trivy\ndefault ignore = true\n"),
        ] {
            std::fs::write(place.join(name), text).unwrap();
        }
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let cases: Vec<(&str, String)> = vec![
        ("HARMLESS", String::new()),
        ("TRIVY_SEVERITY", "LOW".into()),
        ("TRIVY_IGNORE_UNFIXED", "true".into()),
        ("TRIVY_IGNORE_STATUS", "fixed,affected".into()),
        ("TRIVY_IGNOREFILE", path(".trivyignore")),
        ("TRIVY_IGNORE_POLICY", path("ignore.rego")),
        ("TRIVY_CONFIG", path("trivy.yaml")),
        ("TRIVY_VEX", path("vex.json")),
        ("TRIVY_EXIT_CODE", "1".into()),
        ("TRIVY_SKIP_DIRS", "/lib".into()),
        ("TRIVY_SKIP_FILES", "lib/apk/db/installed".into()),
        ("TRIVY_PKG_TYPES", "library".into()),
        ("TRIVY_VULN_TYPE", "library".into()),
        ("TRIVY_SCANNERS", "secret".into()),
        ("TRIVY_FORMAT", "table".into()),
        ("TRIVY_OUTPUT", path("out")),
        ("TRIVY_TEMPLATE", "x".into()),
        ("TRIVY_TIMEOUT", "1ns".into()),
        ("TRIVY_PLATFORM", "linux/s390x".into()),
        ("TRIVY_SERVER", "http://127.0.0.1:1".into()),
        ("TRIVY_USERNAME", "somebody".into()),
        ("TRIVY_QUIET", "false".into()),
        ("TRIVY_DEBUG", "true".into()),
        ("DOCKER_CONFIG", path("nowhere")),
        ("XDG_CONFIG_HOME", path("nowhere")),
    ];
    // All at once; and each separately, if something differs.
    let scan = |variables: &[&(&str, String)]| {
        let mut command = scanning.home.wharf(&["verify", &scanning.image(), "--again", "--json"]);
        let command = scanning.with_trivy(&mut command).current_dir(folder.path());
        // Wharf's own file stays at the home's place.
        command.env("WHARF_CONFIG", scanning.home.path(".config/wharf/wharf.toml"));
        let output = command.envs(variables.iter().map(|(name, value)| (name, value))).output().unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let scans = said["records"].as_array().cloned().unwrap_or_default();
        let scan = scans.iter().map(|record| record["outcome"]["scan"].clone()).find(|scan| !scan.is_null());
        (scan.unwrap_or_default()["counts"].clone(), lab::complained(&output))
    };
    let (plain, words) = scan(&[&cases[0]]);
    assert_eq!(plain["fixable_critical"], 1, "{plain} {words}");
    let all: Vec<&(&str, String)> = cases.iter().collect();
    if scan(&all).0 != plain {
        for case in &cases {
            let (found, words) = scan(&[case]);
            assert_eq!(found, plain, "{case:?}: {words}");
        }
        panic!("all of them together change what is found");
    }
    let left: Vec<_> = std::fs::read_dir(scanning.home.path("cache")).unwrap().flatten().collect();
    assert!(!left.iter().any(|entry| entry.file_name().to_string_lossy().starts_with("scan-")), "nothing is left");
}

#[test]
fn a_scanner_that_others_may_change_is_not_used_and_doctor_says_why() {
    use std::os::unix::fs::PermissionsExt;
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("trivy");
    std::fs::write(&program, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o777)).unwrap();
    let doctor = || {
        let mut command = home.wharf(&["doctor"]);
        lab::said(&command.env("PATH", folder.path()).output().unwrap())
    };
    let told = doctor();
    assert!(told.contains("is not used: others may write to") && told.contains("→ let only root"), "{told}");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let fine = doctor();
    assert!(fine.contains("scanner") && !fine.contains("is not used"), "{fine}");
}

/// A registry with a password, and a database elsewhere: the password is for the registry only.
#[test]
fn a_scanner_gets_the_password_of_the_registry_for_that_registry_only() {
    use std::os::unix::fs::PermissionsExt;
    let auth = need!("WHARF_LAB_AUTH");
    let scanning = Scanning::new(&auth, ANY_AGE);
    let folder = tempfile::tempdir().unwrap();
    let layout = alpine(folder.path(), &[("zlib", "1.2.12-r1")]);
    let login = lab::with_input(scanning.home.wharf(&["login", "lab", "--user", "lab", "--password-stdin"]), "labpass");
    assert_eq!(login.status.code(), Some(0), "{}", lab::complained(&login));
    scanning.push(&layout);
    let program = folder.path().join("trivy");
    let seen = folder.path().join("seen");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = image ] && {{ env; echo ARGS \"$@\"; pwd; cat \"$DOCKER_CONFIG/config.json\"; stat -c %a . config.json; }} >'{}'\necho '{{}}'\n",
        seen.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = scanning.home.wharf(&["verify", &scanning.image()]);
    command
        .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
        .env("OS_PASSWORD", "cloudpw")
        .output()
        .unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    assert!(seen.contains(&format!("\"auths\":{{\"{auth}\"")) && seen.contains("700\n600\n"), "{seen}");
    let before = seen.split("{\"auths\"").next().unwrap();
    assert!(!before.contains("labpass") && !seen.contains("cloudpw") && !before.contains("USERNAME"), "{seen}");
}
