//! What is carried out is what the plan has shown: recorded requests and processes are compared with the plan's steps.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::Value;
use wharf::{adapters::local::SandboxProgram, core::launch::step::ID};

use crate::lab::{self, Home, complained, need, said};

/// A socket before an engine's, which passes everything on and keeps what was sent to the engine.
struct Recorder {
    url: String,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Recorder {
    fn new(at: &Path, engine: &str) -> Self {
        let listener = UnixListener::bind(at).unwrap();
        let sent: Arc<Mutex<Vec<Vec<u8>>>> = Arc::default();
        let (kept, engine) = (sent.clone(), engine.trim_start_matches("unix://").to_owned());
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = UnixStream::connect(&engine) else { continue };
                let number = {
                    let mut all = kept.lock().unwrap();
                    all.push(Vec::new());
                    all.len() - 1
                };
                let (mut answers, mut back) = (far.try_clone().unwrap(), near.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut back);
                    let _ = back.shutdown(std::net::Shutdown::Both);
                });
                let (kept, mut near, mut far) = (kept.clone(), near, far);
                std::thread::spawn(move || {
                    let mut part = [0; 16 << 10];
                    while let Ok(count @ 1..) = near.read(&mut part) {
                        kept.lock().unwrap()[number].extend_from_slice(&part[..count]);
                        if far.write_all(&part[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = far.shutdown(std::net::Shutdown::Write);
                });
            }
        });
        Self { url: format!("unix://{}", at.display()), sent }
    }

    /// The requests that change something: method, path without the API's version, body.
    fn changes(&self) -> Vec<(String, String, Option<Value>)> {
        let all = self.sent.lock().unwrap();
        let mut found = Vec::new();
        for bytes in all.iter() {
            let mut rest = bytes.as_slice();
            while let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&rest[..end]).into_owned();
                rest = &rest[end + 4..];
                let length = head.lines().find_map(|line| {
                    let (name, value) = line.split_once(':')?;
                    name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
                });
                let (body, next) = rest.split_at(length.unwrap_or(0).min(rest.len()));
                rest = next;
                let mut words = head.split(' ');
                let (method, path) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
                if method == "GET" || method == "HEAD" {
                    continue;
                }
                let path = path
                    .strip_prefix("/v")
                    .and_then(|path| path.split_once('/'))
                    .map_or(path.clone(), |(_, rest)| format!("/{rest}"));
                found.push((method, path, serde_json::from_slice(body).ok()));
            }
        }
        found
    }
}

/// The plan of a launch, as JSON.
fn plan(run: &dyn Fn(&[&str]) -> std::process::Output, launch: &[&str]) -> Value {
    let output = run(&[launch, &["--plan=json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)))
}

/// The plan without what is different in each: its key, and the name that is made from it.
fn without_key(plan: &Value) -> Value {
    let key = plan["idempotency_key"].as_str().unwrap();
    let name = plan["answers"]["name"].as_str().unwrap();
    let text = plan.to_string().replace(key, "KEY");
    serde_json::from_str(&if name.is_empty() { text } else { text.replace(name, "NAME") }).unwrap()
}

/// What the ledger has kept of the only launch of this home.
fn kept(home: &Home) -> Value {
    let files: Vec<_> = fs::read_dir(home.path("state/launches")).unwrap().flatten().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    serde_json::from_slice(&fs::read(files[0].path()).unwrap()).unwrap()
}

#[test]
fn an_engine_is_sent_exactly_the_requests_of_the_plan() {
    let (docker, open) = (need!("WHARF_LAB_DOCKER"), need!("WHARF_LAB_OPEN"));
    let home = Home::new();
    let recorder = Recorder::new(&home.path("engine.sock"), &docker);
    let folder = home.path(".config/wharf");
    fs::create_dir_all(&folder).unwrap();
    let text = format!(
        "[[source]]\nname = \"open\"\ntype = \"oci\"\nurl = \"http://{open}\"\n[[source]]\nname = \"docker\"\ntype = \"engine\"\nurl = \"{}\"\n",
        recorder.url
    );
    fs::write(folder.join("wharf.toml"), text).unwrap();
    let image = format!("{open}/library/alpine:latest");
    let launch = ["launch", &image, "--on", "docker", "--set", "network=none", "--set", "ports=18080:80", "--", "true"];
    let at = launch.len() - 2;
    let with = |more: &[&str]| home.run(&[&launch[..at], more, &launch[at..]].concat());
    let planned = with(&["--plan=json"]);
    let planned: Value = serde_json::from_slice(&planned.stdout).unwrap_or_else(|_| panic!("{}", complained(&planned)));
    assert_eq!(recorder.changes(), [], "a plan sends nothing that changes anything");
    assert_eq!(
        planned["steps"][1]["body"]["ExposedPorts"],
        serde_json::json!({"80/tcp": {}}),
        "it shows all that is sent"
    );
    let launched = with(&["--json"]);
    let launched: Value =
        serde_json::from_slice(&launched.stdout).unwrap_or_else(|_| panic!("{}", complained(&launched)));
    let plan = kept(&home)["plan"].clone();
    assert_eq!(without_key(&plan)["steps"][1], without_key(&planned)["steps"][1], "it is what was shown before");
    let steps = plan["steps"].as_array().unwrap();
    let pull = steps[0]["by"].as_array().unwrap().iter();
    let id = launched["id"].as_str().unwrap();
    let changes = recorder.changes();
    let whole = changes.iter().find_map(|(_, path, _)| path.strip_prefix("/containers/")?.strip_suffix("/start"));
    assert!(whole.unwrap().starts_with(id), "{changes:?}");
    let wanted = pull.chain(&steps[1..]).map(|step| {
        let path = step["path"].as_str().unwrap().replace(ID, whole.unwrap());
        (step["method"].as_str().unwrap().to_owned(), path, step.get("body").cloned())
    });
    // The engine has the image already, where an earlier story has pulled it.
    let wanted: Vec<_> = wanted
        .filter(|(_, path, _)| changes.iter().any(|one| one.1 == *path) || !path.starts_with("/images/"))
        .collect();
    assert_eq!(changes, wanted);
    // The same digest and answers again: the plan is the same, and the workload is another one.
    let again = home.run(&["launch", "--again", &format!("docker:{id}"), "--json"]);
    let made: Value = serde_json::from_slice(&again.stdout).unwrap_or_else(|_| panic!("{}", complained(&again)));
    // What the policy says may have changed: the first launch has looked for signatures.
    let told = complained(&again);
    let differs = |line: &&str| line.contains("wharf: - ") || line.contains("wharf: + ");
    assert!(told.lines().filter(differs).all(|line| line.contains("policy: ")), "{told}");
    assert_ne!(made["id"], launched["id"]);
    for one in [id, made["id"].as_str().unwrap()] {
        let removed = home.run(&["remove", &format!("docker:{one}")]);
        assert_eq!(removed.status.code(), Some(0), "{}", complained(&removed));
    }
}

#[test]
fn this_machine_runs_exactly_the_program_of_the_plan() {
    if SandboxProgram::find().is_none() {
        return eprintln!("left out: bwrap and unshare are missing");
    }
    let home = Home::new();
    let launch = ["launch", &lab::starter(), "--on", "local", "--set", "name=look"];
    let planned = plan(&|arguments| home.run(arguments), &launch);
    let launched = home.run(&[&launch[..], &["--follow"]].concat());
    assert!(said(&launched).contains("look: what a program here can see"), "{}", complained(&launched));
    let plan = kept(&home)["plan"].clone();
    let (shown, carried_out) = (without_key(&planned), without_key(&plan));
    let after_the_image = |plan: &Value| plan["steps"].as_array().unwrap()[1..].to_vec();
    assert_eq!(after_the_image(&carried_out), after_the_image(&shown));
    // The description is what was shown, but for what the plan says is filled in.
    let step = &plan["steps"][1];
    let written: Value = serde_json::from_slice(&fs::read(step["path"].as_str().unwrap()).unwrap()).unwrap();
    let described: Value = serde_json::from_str(step["text"].as_str().unwrap()).unwrap();
    for field in ["name", "reference", "digest", "key", "memory", "processors", "processes", "user", "runtime"] {
        assert_eq!(written[field], described[field], "{field}");
    }
    assert_eq!(written["inside"]["argv"], described["inside"]["argv"]);
    let argv = plan["steps"][2]["argv"].as_array().unwrap();
    assert_eq!(
        (argv[1].as_str(), argv[2].as_str()),
        (Some("__keep"), Path::new(step["path"].as_str().unwrap()).parent().unwrap().to_str())
    );
}
