//! A policy that demands isolation, and gVisor that gives it: without a daemon to a person without rights, and under
//! Docker.

use std::{
    os::unix::fs::{chown, symlink},
    path::PathBuf,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;
use wharf::{
    adapters::shared::exec,
    core::{
        base::{context::Context, error::Kind},
        launch::{form::Answers, isolation::Isolation, plan::State},
        policy::{Consequence, Policy},
        portal::Portal,
    },
};

use crate::{
    lab::{self, Home, complained, need, said},
    launchers::answers,
    pty::Screen,
};

/// A site that lets everybody launch strangers' images behind gVisor's kernel.
const SITE: &str = "[policy]\nname = \"site\"\nenforce = true\n\
    [policy.signature]\nmissing = { isolation = \"gvisor\" }\n[policy.scan]\nmissing = \"allow\"\n";

/// A person without rights, with a path that has `runsc`.
struct Person {
    folder: tempfile::TempDir,
    uid: Option<u32>,
    registry: String,
}

impl Person {
    fn new(runsc: &str, registry: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A high number that no account of a machine has, different for each test.
        let fresh = lab::fresh("").bytes().fold(0, |sum: u32, byte| (sum * 31 + u32::from(byte)) % 100_000_000);
        let uid = rustix::process::geteuid().is_root().then_some(700_000_000 + fresh);
        let person = Self { folder, uid, registry: registry.to_owned() };
        for name in ["bin", "home", "data"] {
            std::fs::create_dir(person.path(name)).unwrap();
        }
        std::fs::copy(env!("CARGO_BIN_EXE_wharf"), person.path("bin/wharf")).unwrap();
        symlink(runsc, person.path("bin/runsc")).unwrap();
        for program in ["bwrap", "unshare", "cp"] {
            if let Some(path) = exec::on_path(program) {
                symlink(path, person.path("bin").join(program)).unwrap();
            }
        }
        std::fs::write(person.path("site.toml"), SITE).unwrap();
        std::fs::write(person.path("data/note"), "from outside\n").unwrap();
        for name in ["", "bin", "home", "data", "data/note"] {
            chown(person.path(name), person.uid, person.uid).unwrap();
        }
        person
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn image(&self) -> String {
        format!("{}/library/alpine:latest", self.registry)
    }

    fn words(&self, arguments: &[&str]) -> Vec<String> {
        let rights = self.uid.map(|uid| {
            let setpriv = exec::on_path("setpriv").unwrap().display().to_string();
            let ids = [format!("--reuid={uid}"), format!("--regid={uid}")];
            [vec![setpriv], ids.to_vec(), vec!["--clear-groups".to_owned()]].concat()
        });
        let own = std::iter::once(self.path("bin/wharf").display().to_string());
        rights.into_iter().flatten().chain(own).chain(arguments.iter().map(ToString::to_string)).collect()
    }

    fn variables(&self) -> Vec<(String, String)> {
        let at = |name: &str| self.path(name).display().to_string();
        [
            ("PATH", at("bin")),
            ("HOME", at("home")),
            ("WHARF_CACHE_DIR", at("home/cache")),
            ("WHARF_STATE_DIR", at("home/state")),
            ("WHARF_DISCOVER", "no".to_owned()),
            ("WHARF_SITE", at("site.toml")),
            ("WHARF_REGISTRIES", format!("http://{}", self.registry)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let words = self.words(arguments);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.variables()).current_dir("/").output().unwrap()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)))
    }

    /// Launches the image in the background, waits until it prints "ready", and gives its id.
    fn start(&self, script: &str, more: &[&str]) -> String {
        let image = self.image();
        let arguments = [&["launch", &image, "--on", "local", "--json"], more, &["--", "sh", "-c", script]].concat();
        let id = self.json(&arguments)["id"].as_str().unwrap().to_owned();
        let began = Instant::now();
        while !said(&self.run(&["logs", &id])).contains("ready") {
            assert!(began.elapsed() < Duration::from_secs(20), "{}", said(&self.run(&["logs", &id])));
            std::thread::park_timeout(Duration::from_millis(50));
        }
        id
    }

    fn state(&self, id: &str) -> Value {
        let all = self.json(&["workloads", "--json"]);
        all.as_array().unwrap().iter().find(|one| one["id"] == id).unwrap().clone()
    }
}

#[test]
fn a_strangers_image_is_refused_with_the_hosts_kernel_and_runs_behind_gvisor() {
    let (runsc, open) = (need!("WHARF_LAB_RUNSC"), need!("WHARF_LAB_OPEN"));
    let person = Person::new(&runsc, &open);
    let image = person.image();
    let verified = person.run(&["verify", &image]);
    assert_eq!(verified.status.code(), Some(9), "{}", said(&verified));
    assert!(said(&verified).contains("needs isolation by the policy 'site'"), "{}", said(&verified));
    let judged = person.json(&["verify", &image, "--json"]);
    let judgement = &judged["judgement"];
    assert_eq!((&judgement["verdict"], &judgement["isolation"]), (&"needs-isolation".into(), &"gvisor".into()));
    let script = "uname -r; dmesg | head -1; echo x > /etc/evil; exit 5";
    let launch = |more: &[&str]| {
        let first = ["launch", &image, "--on", "local", "--follow"];
        person.run(&[&first[..], more, &["--", "sh", "-c", script]].concat())
    };
    let refused = launch(&["--set", "isolation=shared"]);
    assert_eq!(refused.status.code(), Some(9), "{}", complained(&refused));
    for told in ["needs isolation", "gVisor", "--set isolation=gvisor"] {
        assert!(complained(&refused).contains(told), "{}", complained(&refused));
    }
    assert_eq!(said(&refused), "");
    // The form and the plan have chosen what the policy demands.
    let plan = person.json(&["launch", &image, "--on", "local", "--plan", "--json"]);
    assert_eq!((&plan["isolation"], &plan["answers"]["isolation"]), (&"gvisor".into(), &"gvisor".into()), "{plan:#}");
    let steps = plan["steps"].as_array().unwrap();
    let written = steps.iter().find(|step| step["step"] == "write").and_then(|step| step["text"].as_str()).unwrap();
    let written: serde_json::Value = serde_json::from_str(written).unwrap();
    assert_eq!((&written["argv"][0], &plan["form"]["gate"]["verdict"]), (&"runsc".into(), &"allow".into()));
    let ran = launch(&[]);
    let text = said(&ran) + &complained(&ran);
    assert_eq!(ran.status.code(), Some(5), "{text}");
    assert!(text.contains("4.4.0") && text.contains("gVisor"), "{text}");
    assert!(text.contains("Read-only file system"), "the image cannot be changed: {text}");
    let audit = said(&person.run(&["audit"]));
    assert!(audit.contains("needs-isolation") && audit.contains("allow with isolation gvisor"), "{audit}");
    // A copy would be launched as somebody else likes.
    let copied = person.run(&["copy", &image, &format!("{open}/zz/isolated:{}", lab::fresh("t"))]);
    assert_eq!(copied.status.code(), Some(3), "{}", complained(&copied));
}

#[test]
fn the_form_has_chosen_what_the_policy_demands_and_the_screen_says_what_less_means() {
    let (runsc, open) = (need!("WHARF_LAB_RUNSC"), need!("WHARF_LAB_OPEN"));
    let person = Person::new(&runsc, &open);
    // What the evidence is, is known already.
    assert_eq!(person.run(&["verify", &person.image()]).status.code(), Some(9));
    let (words, variables) = (person.words(&[]), person.variables());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let mut screen = Screen::run(&words, 80, 24, &variables);
    screen.until("library/alpine");
    screen.keys("/library/alpine\r");
    screen.until(" of ");
    screen.keys("\r");
    screen.until("Reference");
    screen.keys("l");
    screen.until("Isolation     gvisor");
    screen.until("L launches now");
    screen.keys("jjjjj");
    screen.until("‹ gvisor ›");
    screen.keys("\u{1b}[D");
    screen.until("‹ shared ›");
    screen.until("held back unless isolation is gvisor");
    screen.keys("L");
    screen.until("✗ launch");
    // The first key closes the message, and does nothing else. The key that makes it safer begins with what the policy
    // demands.
    screen.keys("L");
    screen.until("held back unless isolation is gvisor");
    screen.keys("!");
    screen.until("‹ gvisor ›");
    screen.until("L launches now");
    screen.keys("L");
    let began = Instant::now();
    let launched = loop {
        let all = person.json(&["workloads", "--json"]);
        if let Some(one) = all.as_array().unwrap().first() {
            break one.clone();
        }
        assert!(began.elapsed() < Duration::from_secs(20), "{}", screen.text());
        std::thread::park_timeout(Duration::from_millis(100));
    };
    assert_eq!(launched["facts"][0], serde_json::json!(["isolation", "gvisor"]), "{launched:#}");
}

#[test]
fn a_workload_behind_gvisor_is_entered_measured_stopped_and_removed() {
    let (runsc, open) = (need!("WHARF_LAB_RUNSC"), need!("WHARF_LAB_OPEN"));
    let person = Person::new(&runsc, &open);
    let data = person.path("data").display().to_string();
    // Two places that the image lacks, one of them in a folder that each sandbox has anew.
    let mounts = format!("mounts={data}:/given:rw {data}:/tmp/given");
    let script = "trap 'echo tidied; exit 7' TERM; cat /given/note; cp /given/note /given/copy; \
        cp /given/note /tmp/given/other || echo refused; wget -T 2 -q http://127.0.0.1/ || echo alone; echo ready; \
        while :; do sleep 0.1; done";
    let id = person.start(script, &["--set", "name=nap", "--set", &mounts, "--set", "memory=64M"]);
    let logs = said(&person.run(&["logs", &id]));
    for told in ["from outside", "refused", "alone"] {
        assert!(logs.contains(told), "{told}: {logs}");
    }
    assert!(person.path("data/copy").is_file() && !person.path("data/other").exists());
    let inside = person.run(&["exec", &id, "--", "sh", "-c", "uname -r; hostname; cat /proc/self/status; exit 4"]);
    assert_eq!(inside.status.code(), Some(4), "{}", complained(&inside));
    let text = said(&inside);
    assert!(text.contains("4.4.0\nnap\n") && text.contains("CapEff:\t0000000000000000"), "{text}");
    let too_much = person.run(&["exec", &id, "--", "sh", "-c", "head -c 100000000 /dev/zero | tail > /dev/null"]);
    assert_ne!(too_much.status.code(), Some(0), "64 MiB are the limit of each process");
    let state = person.state(&id);
    assert_eq!((&state["state"], &state["facts"][0][1]), (&"running".into(), &"gvisor".into()), "{state:#}");
    let usage = &state["usage"];
    let counted = usage["processes"].as_u64().unwrap();
    assert!((1..20).contains(&counted), "processes of the workload, not of gVisor: {usage}");
    assert!(usage["memory"].as_u64().unwrap() < 200 << 20, "not that of this machine: {usage}");
    assert_eq!(person.run(&["stop", &id]).status.code(), Some(0));
    let state = person.state(&id);
    assert_eq!(
        (&state["state"], &state["detail"]),
        (&"exited".into(), &7.into()),
        "it was asked, not killed: {state:#}"
    );
    assert!(said(&person.run(&["logs", &id])).contains("tidied"));
    // The shared image has not become other than it was: it is used again without unpacking.
    let plain = person.run(&["launch", &person.image(), "--on", "local", "--follow", "--", "ls", "/"]);
    assert!(!said(&plain).contains("given"), "{}", said(&plain));
    let stubborn = person.start("trap '' TERM; echo ready; while :; do sleep 0.1; done", &[]);
    assert_eq!(person.run(&["stop", &stubborn]).status.code(), Some(0));
    assert_eq!(person.state(&stubborn)["detail"], 137, "it was killed");
    assert_eq!(person.run(&["remove", &id]).status.code(), Some(0));
    assert!(!person.json(&["workloads", "--json"]).to_string().contains(&id));
}

/// A portal over Docker with gVisor, for a site that demands it of what nobody signed.
fn with_docker(home: &Home, docker: &str, registry: &str) -> Portal {
    let mut policy = Policy { name: "site".into(), enforce: true, ..Policy::default() };
    policy.signature.missing = Consequence::isolated(Isolation::UserSpaceKernel);
    policy.scan.missing = Consequence::ALLOW;
    policy.privileged = Consequence::ALLOW;
    let sources = vec![lab::registry("lab", registry), lab::engine("docker", docker)];
    wharf::adapters::build(wharf::core::config::Config { sources, policy, ..home.config() }).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_runs_what_nobody_signed_with_the_runtime_of_gvisor_only() {
    let (docker, open) = (need!("WHARF_LAB_GVISOR_DOCKER"), need!("WHARF_LAB_OPEN"));
    let home = Home::new();
    let portal = with_docker(&home, &docker, &open);
    let cx = Context::default();
    let reference = format!("oci://{open}/library/alpine:latest").parse().unwrap();
    let image = portal.sources.image(&cx, &reference, None).await.unwrap();
    let form = portal.launches.form(&cx, "docker", &image).await.unwrap();
    assert_eq!(form.isolation_of(&Answers::default()), Isolation::UserSpaceKernel, "the policy's demand is chosen");
    assert_eq!(form.field("isolation").unwrap().refuse("own").as_deref(), Some("choose one of shared, gvisor"));
    let base = [("network", "none"), ("command", "sh -c 'uname -r; sleep 300'")];
    let shared = [&base[..], &[("isolation", "shared")]].concat();
    let plain = portal.launches.plan(&cx, "docker", &image, &answers(&shared)).await.unwrap();
    assert_eq!(plain.isolation, Isolation::SharedKernel);
    assert!(!plain.shown().contains("Runtime"), "{}", plain.shown());
    let refused = portal.launches.launch(&cx, &plain, None).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NeedsIsolation, "{refused}");
    assert!(refused.hint.contains("--set isolation=gvisor"), "{refused}");
    // A reason does not replace isolation.
    let refused = portal.launches.launch(&cx, &plain, Some("it is Friday")).await.unwrap_err();
    assert_eq!(refused.kind, Kind::NeedsIsolation, "{refused}");
    let plan = portal.launches.plan(&cx, "docker", &image, &answers(&base)).await.unwrap();
    assert!(plan.shown().contains("\"Runtime\": \"runsc\""), "{}", plan.shown());
    assert!(plan.risks.iter().any(|risk| risk.text.contains("kernel in user space")), "{:?}", plan.risks);
    assert!(plan.risks.iter().any(|risk| risk.text.contains("no control groups")), "{:?}", plan.risks);
    let workload = portal.launches.launch(&cx, &plan, None).await.unwrap();
    assert_eq!(workload.state, State::Running);
    let command = vec!["uname".into(), "-r".into()];
    let (output, _) = portal.launches.exec(&cx, "docker", &workload.id, command).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output).trim(), "4.4.0");
    let usages = portal.launches.usages(std::slice::from_ref(&workload), Duration::from_secs(20)).await;
    let usage = usages[&workload.key()];
    assert_eq!((usage.memory, usage.processes), (None, None), "the figures would be those of the whole machine");
    portal.launches.remove(&cx, "docker", &workload.id).await.unwrap();
}
