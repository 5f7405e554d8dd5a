//! Real engines behind TLS with client certificates, found as Docker's own client finds them: by `DOCKER_CERT_PATH`,
//! and in a context.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use serde_json::{Value, json};
use wharf::core::base::digest::Digest;

use crate::lab::{self, Home, complained, need, said};

/// A TLS server in front of a socket, which passes everything on. One thread does all of it: Python's connections over
/// TLS may not be read and written by two threads at a time.
const FRONT: &str = r#"
import asyncio, ssl, sys
cert, key, ca, path = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(cert, key); context.load_verify_locations(ca); context.verify_mode = ssl.CERT_REQUIRED
async def pump(source, target):
    try:
        while data := await source.read(65536): target.write(data); await target.drain()
    except OSError: pass
    # What ends on one side ends on the other.
    target.close()
async def serve(near, to_near):
    far, to_far = await asyncio.open_unix_connection(path)
    await asyncio.gather(pump(near, to_far), pump(far, to_near))
async def front():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    print(server.sockets[0].getsockname()[1], flush=True)
    # The end of the test is the end of this.
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(front())
"#;

/// A TLS server that ends with its test.
struct Front {
    child: Child,
    address: String,
}

impl Front {
    fn new(ca: &Path, socket: &str) -> Self {
        let file = |name: &str| ca.with_file_name(name).display().to_string();
        let mut child = Command::new("python3")
            .args(["-c", FRONT, &file("tls.crt"), &file("tls.key"), &ca.display().to_string()])
            .arg(socket.trim_start_matches("unix://"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut port).unwrap();
        Self { child, address: format!("127.0.0.1:{}", port.trim()) }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Certificates under the file names that Docker's client looks for.
fn certificates(folder: &Path, ca: &Path, client: &str) {
    std::fs::create_dir_all(folder).unwrap();
    for (from, to) in [
        (ca.display().to_string(), "ca.pem"),
        (format!("{client}.cert"), "cert.pem"),
        (format!("{client}.key"), "key.pem"),
    ] {
        std::fs::copy(from, folder.join(to)).unwrap();
    }
}

/// Lists, pulls into and out of the engine, launches, enters and removes, each over TLS.
fn uses(run: &dyn Fn(&[&str]) -> Output, engine: &str, home: &Home, registry: &str) {
    let fine = |arguments: &[&str]| {
        let output = run(arguments);
        assert!(output.status.success(), "{engine} {arguments:?}: {}", complained(&output));
        said(&output)
    };
    let image = format!("engine://{engine}/tls.example/{}:1", lab::fresh("image"));
    fine(&["copy", &lab::starter(), &image]);
    let rows = fine(&["images", "--source", engine, "--json"]);
    assert!(rows.contains(image.rsplit('/').next().unwrap().trim_end_matches(":1")), "{rows}");
    let target = home.path(&lab::fresh("pulled"));
    fine(&["pull", &image, &format!("file:{}:1", target.display())]);
    assert!(target.join("index.json").is_file());
    // From a registry, from which the engine pulls without Wharf.
    let from = format!("{registry}/library/alpine:latest");
    let launched = run(&["launch", &from, "--on", engine, "--set", "network=none", "--json", "--", "sleep", "300"]);
    assert!(launched.status.success(), "{engine}: {}", complained(&launched));
    let workload: Value = serde_json::from_slice(&launched.stdout).unwrap();
    let id = workload["id"].as_str().unwrap();
    assert!(fine(&["workloads", "--json"]).contains(id));
    let inside = fine(&["exec", id, "--", "echo", "inside"]);
    assert!(inside.contains("inside"), "{inside}");
    fine(&["stop", id]);
    fine(&["logs", id]);
    fine(&["remove", id]);
}

#[test]
fn an_engine_behind_tls_is_used_with_the_certificates_of_its_environment_or_its_context() {
    let (ca, client) = (need!("WHARF_LAB_CA"), need!("WHARF_LAB_CLIENT"));
    let (docker, podman, registry) = (need!("WHARF_LAB_DOCKER"), need!("WHARF_LAB_PODMAN"), need!("WHARF_LAB_OPEN"));
    let ca = Path::new(&ca);
    // From the environment, like Docker's own client.
    let front = Front::new(ca, &docker);
    let home = Home::new();
    certificates(&home.path("certificates"), ca, &client);
    let asked = |home: &Home, arguments: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.wharf(arguments);
        command.env("WHARF_DISCOVER", "yes").env("WHARF_REGISTRIES", format!("http://{registry}"));
        command.env("XDG_RUNTIME_DIR", home.folder.path());
        command.envs(variables.iter().copied()).output().unwrap()
    };
    let host = format!("tcp://{}", front.address);
    let folder = home.path("certificates").display().to_string();
    let variables = [("DOCKER_HOST", &*host), ("DOCKER_TLS_VERIFY", "1"), ("DOCKER_CERT_PATH", &*folder)];
    uses(&|arguments| asked(&home, arguments, &variables), "docker", &home, &registry);
    // Without certificates the connection is refused, and the reason is given.
    let refused =
        asked(&home, &["images", "--source", "docker"], &[("DOCKER_HOST", &host), ("DOCKER_TLS_VERIFY", "1")]);
    let words = complained(&refused);
    assert!(!refused.status.success() && words.contains("certificate"), "{words}");
    // From a context.
    let front = Front::new(ca, &podman);
    let home = Home::new();
    let id = Digest::of(b"far").hex().to_owned();
    certificates(&home.path(&format!(".docker/contexts/tls/{id}/docker")), ca, &client);
    let meta = home.path(&format!(".docker/contexts/meta/{id}"));
    std::fs::create_dir_all(&meta).unwrap();
    let context = json!({"Name": "far", "Metadata": {}, "Endpoints": {"docker": {"Host": format!("tcp://{}", front.address),
        "SkipTLSVerify": false}}});
    std::fs::write(meta.join("meta.json"), context.to_string()).unwrap();
    uses(&|arguments| asked(&home, arguments, &[]), "far", &home, &registry);
}
