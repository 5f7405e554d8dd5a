//! A steward cannot be blocked and cannot be sent anywhere: requesters, and people with `psql`, try.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Child, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use wharf::core::base::digest::Digest;

use crate::{
    lab,
    site::{Person, Registry, Site, until},
    stores::Database,
};

/// A site with a database, whose steward has these additional settings.
async fn site(more: &str) -> Option<Site> {
    let parts = ["OPEN", "TOKEN", "POSTGRES", "TRIVY"].map(|name| lab::part(&format!("WHARF_LAB_{name}")));
    let [Some(upstream), Some(admitted), Some(database), Some(_)] = parts else { return None };
    Some(Site::new(&upstream, &admitted, Some(Database::new(&database).await), more))
}

/// Adds settings to the steward's own file.
fn set(steward: &Person<'_>, settings: &str) {
    let file = steward.home.path(".config/wharf/wharf.toml");
    let known = std::fs::read_to_string(&file).unwrap();
    std::fs::write(file, format!("{known}{settings}\n")).unwrap();
}

/// A steward that works until it is dropped.
struct Working(Child);

impl Working {
    fn start(steward: &Person<'_>) -> Self {
        let mut command = steward.wharf(&["steward"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    /// The number of its threads at this moment.
    fn threads(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/task", self.0.id())).unwrap().count()
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A server on this machine that counts connections, and answers with what `answer` makes of a path.
struct Server {
    host: String,
    connections: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
}

type Answer = dyn Fn(&str, &mut TcpStream, &AtomicBool) + Send + Sync;

impl Server {
    fn start(answer: impl Fn(&str, &mut TcpStream, &AtomicBool) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let (connections, over) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
        let (counted, ended, answer): (_, _, Arc<Answer>) = (connections.clone(), over.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                counted.fetch_add(1, Ordering::Relaxed);
                let (answer, over) = (answer.clone(), ended.clone());
                std::thread::spawn(move || serve(stream, &*answer, &over));
            }
        });
        Self { host, connections, over }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.host);
    }
}

/// Handles the requests of one connection, until it is closed.
fn serve(stream: TcpStream, answer: &Answer, over: &AtomicBool) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let path = line.split(' ').nth(1).unwrap_or("").to_owned();
        let method = line.split(' ').next().unwrap_or("").to_owned();
        while line.len() > 2 {
            line.clear();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
        }
        let mut stream = reader.get_ref().try_clone().unwrap();
        answer(&format!("{method} {path}"), &mut stream, over);
    }
}

fn reply(stream: &mut TcpStream, status: &str, kind: &str, body: &[u8], head_only: bool) {
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = stream.write_all(head.as_bytes());
    if !head_only {
        let _ = stream.write_all(body);
    }
}

/// A registry whose one layer claims `size` bytes, and sends one byte every `pause`.
fn dripping(size: u64, pause: Duration) -> Server {
    let config = br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let layer = Digest::of(b"a layer that never ends");
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{size}}}]}}"#,
        Digest::of(config),
        config.len()
    );
    Server::start(move |line, stream, over| {
        let (method, path) = line.split_once(' ').unwrap();
        let head_only = method == "HEAD";
        // Every repository is another image.
        let name = path.trim_start_matches("/v2/").split('/').next().unwrap_or("");
        let manifest = manifest
            .replace("\"schemaVersion\":2", &format!("\"schemaVersion\":2,\"annotations\":{{\"name\":\"{name}\"}}"));
        if path == "/v2/" {
            reply(stream, "200 OK", "application/json", b"{}", head_only);
        } else if path.contains("/manifests/sha256-") || path.contains("/referrers/") {
            reply(stream, "404 Not Found", "application/json", b"{}", head_only);
        } else if path.contains("/manifests/") {
            reply(stream, "200 OK", "application/vnd.oci.image.manifest.v1+json", manifest.as_bytes(), head_only);
        } else if path.contains(&Digest::of(config).to_string()) {
            reply(stream, "200 OK", "application/octet-stream", config, head_only);
        } else {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
            let _ = stream.write_all(head.as_bytes());
            while !head_only && !over.load(Ordering::Relaxed) && stream.write_all(b"x").is_ok() {
                std::thread::park_timeout(pause);
            }
        }
    })
}

/// One more source for the site's file.
fn source(name: &str, host: &str) -> String {
    format!("[[source]]\nname = \"{name}\"\ntype = \"oci\"\nurl = \"http://{host}\"\n")
}

#[tokio::test]
async fn bytes_that_drip_cost_their_own_request_and_nobody_else_waits_for_them() {
    let drip = dripping(1 << 30, Duration::from_millis(100));
    let Some(site) = site(&source("drip", &drip.host)).await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    // Three of ada's at once: one of them is worked on, which leaves a hand free for bob's.
    set(&steward, "parallel = 2\nper_person = 1\ngrace_seconds = 3\nslowest_kib = 1");
    let slow: Vec<i64> = (0..3).map(|number| ada.ask(&format!("{}/slow{number}:1", drip.host), "it drips")).collect();
    let working = Working::start(&steward);
    until("the first is being fetched", || ada.request(slow[0])["stage"] == "gathering");
    let honest = site.image(&bob, "honest", &[("musl", "2.0-r0")], true);
    let honest = bob.ask(&honest, "for the paper");
    until("the honest one", || bob.request(honest)["stage"] == "admitted");
    // Each of the others fails with a reason, and is not tried again at once.
    until("all of them have failed", || slow.iter().all(|id| ada.request(*id)["tries"] == 1));
    let now = wharf::core::base::text::now();
    for id in slow {
        let request = ada.request(id);
        let failure = request["failure"].as_str().unwrap();
        assert!(failure.contains("too slowly") && failure.contains("1.00 KiB a second"), "{request:#}");
        let retry = request["retry"].as_str().and_then(wharf::core::base::text::parse_timestamp);
        assert!(retry.is_some_and(|retry| retry > now + 1800), "{request:#}");
    }
    drop(working);
}

#[tokio::test]
async fn what_takes_too_long_or_is_too_large_fails_with_a_reason() {
    // Fast enough for the least rate, but it would go on for years.
    let drip = dripping(1 << 50, Duration::from_millis(20));
    let Some(site) = site(&source("drip", &drip.host)).await else { return };
    let (ada, steward) = (site.person("ada"), site.steward());
    set(&steward, "request_seconds = 3\nslowest_kib = 0\nlargest_mib = 4294967295");
    let endless = ada.ask(&format!("{}/endless:1", drip.host), "it never ends");
    steward.run(&["steward", "--once"]);
    let request = ada.request(endless);
    assert!(request["failure"].as_str().unwrap().contains("takes longer than 3 s"), "{request:#}");
    assert_eq!((&request["stage"], &request["tries"]), (&"gathering".into(), &1.into()), "{request:#}");
    // What is too large is refused before any of it is fetched, and for good.
    let steward = site.steward();
    set(&steward, "largest_mib = 1024");
    let large = ada.ask(&format!("{}/large:1", drip.host), "it is large");
    steward.run(&["steward", "--once"]);
    let request = ada.request(large);
    assert_eq!(request["stage"], "failed", "{request:#}");
    assert!(request["failure"].as_str().unwrap().contains("more than 1.00 GiB are not taken"), "{request:#}");
}

#[tokio::test]
async fn what_people_say_they_use_sends_a_steward_nowhere_and_keeps_nobody_waiting() {
    let Some(site) = site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let database = site.database.as_ref().unwrap();
    let elsewhere = Server::start(|_, stream, _| reply(stream, "200 OK", "text/plain", b"secret", false));
    let fifo = site.folder.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let honest = site.image(&bob, "beside", &[("musl", "2.1-r0")], true);
    ada.ask(&honest, "so that the store is there");
    steward.run(&["steward", "--once"]);
    let working = Working::start(&steward);
    let threads = working.threads();
    // Written by somebody who avoided every check.
    let mut rows = Vec::new();
    for number in 0..26 {
        let reference = match number % 4 {
            0 => format!("file:{}", fifo.display()),
            1 | 2 => format!("oci://{}/x/y@sha256:{:064x}", elsewhere.host, number),
            _ => format!("http://{}/x", elsewhere.host),
        };
        rows.push(format!("('ada', 'launched', 'sha256:{number:064x}', '{reference}', 'x{number}', 1)"));
    }
    let insert =
        format!("INSERT INTO wharf.used (person, how, digest, reference, place, at) VALUES {}", rows.join(", "));
    let (went, said) = database.psql("postgres", &database.name, &insert);
    assert!(went, "{said}");
    let begin = Instant::now();
    let image = site.image(&bob, "meanwhile", &[("musl", "2.2-r0")], true);
    let asked = bob.ask(&image, "for the paper");
    until("the honest one", || {
        let request = bob.request(asked);
        assert_ne!(request["stage"], "waiting", "{request:#}");
        request["stage"] == "admitted"
    });
    assert!(begin.elapsed() < Duration::from_secs(45), "{:?}", begin.elapsed());
    // References to a registry were tried, refused, and wait for their turn; the store gives nothing else to anybody.
    let refused = "SELECT count(*) FROM wharf.watched WHERE body->>'failed' = '1'";
    until("all are refused", || database.psql("postgres", &database.name, refused).1.trim() == "13");
    assert_eq!(elsewhere.connections(), 0, "nobody went there");
    assert!(working.threads() < threads + 16, "no thread waits for a file: {} and {threads}", working.threads());
}

#[tokio::test]
async fn a_request_cannot_send_a_steward_to_an_address_that_the_site_has_not_configured() {
    let Some(site) = site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let database = site.database.as_ref().unwrap();
    let elsewhere = Server::start(|_, stream, _| reply(stream, "200 OK", "text/plain", b"secret", false));
    let image = site.image(&bob, "sent-away", &[("musl", "2.3-r0")], true);
    let asked = ada.request(ada.ask(&image, "honest"))["asked"].clone();
    let digest = asked["digest"].as_str().unwrap();
    let host = elsewhere.host.replace(':', "-");
    let admitted = format!("{}/admitted", site.admitted);
    for (from, destination) in [
        (format!("oci://{}/x@{digest}", elsewhere.host), format!("oci://{admitted}/{host}/x")),
        (
            format!("oci://localhost:{}/x@{digest}", elsewhere.host.split(':').nth(1).unwrap()),
            format!("oci://{admitted}/{}/x", host.replace("127.0.0.1", "localhost")),
        ),
        (format!("http://{}/disk.qcow2", elsewhere.host), "glance://site/disk.qcow2".to_owned()),
        ("file:/etc/passwd".to_owned(), format!("oci://{admitted}/x")),
        ("glance://mine/4f0e4f0e-0000-4000-8000-000000000001".to_owned(), "glance://site/x".to_owned()),
    ] {
        let mut forged = asked.clone();
        forged["from"] = from.clone().into();
        let sql = format!("SELECT id FROM wharf.submit('{forged}', '{destination}', 'dishonest', NULL, false)");
        let (went, said) = database.psql("ada", &database.name, &sql);
        // The database may refuse it as well.
        if went {
            steward.run(&["steward", "--once"]);
            let request = ada.request(said.trim().parse().unwrap());
            assert!(!request["failure"].as_str().unwrap().is_empty(), "{from}: {request:#}");
            assert_ne!(request["stage"], "admitted", "{from}");
        }
    }
    assert_eq!(elsewhere.connections(), 0, "nobody went there");
}

#[tokio::test]
async fn an_older_request_that_is_approved_later_does_not_take_the_tag_of_a_newer_one() {
    let Some(site) = site("").await else { return };
    let (ada, bob, carol, steward) = (site.person("ada"), site.person("bob"), site.person("carol"), site.steward());
    let image = format!("{}/{}:1", site.upstream, lab::fresh("vendor/tool"));
    let push = |version: &str, signed: bool| {
        let layout = crate::scans::alpine_with(site.folder.path(), &[("musl", version)], None);
        let pushed = bob.run(&["push", &format!("{}:1", layout.display()), &image]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        if signed {
            let key = site.folder.path().join("vendor.key");
            assert_eq!(bob.run(&["sign", &image, "--key", key.to_str().unwrap()]).status.code(), Some(0));
        }
    };
    let round = || drop(steward.run(&["steward", "--once"]));
    // The first two wait for a decision; the third is admitted by the policy.
    push("3.0-r0", false);
    let old = ada.ask(&image, "the old one");
    round();
    push("3.1-r0", false);
    let middle = ada.ask(&image, "the one between");
    round();
    push("3.2-r0", true);
    let new = ada.ask(&image, "the new one");
    round();
    let newest = ada.request(new);
    assert_eq!(newest["stage"], "admitted", "{newest:#}");
    let tagged = newest["admitted"]["reference"].as_str().unwrap().split('@').next().unwrap().to_owned();
    let means = || ada.json(0, &["show", &tagged])["pinned"]["digest"].clone();
    assert_eq!(means(), newest["asked"]["digest"]);
    let approve = |id: i64| {
        let approved = carol.run(&["approve", &id.to_string(), "--reason", "needed"]);
        assert_eq!(approved.status.code(), Some(0), "{}", lab::complained(&approved));
        round();
        let request = ada.request(id);
        assert_eq!(request["stage"], "admitted", "{request:#}");
        assert_eq!(means(), newest["asked"]["digest"], "the tag stays where it was");
        let said = lab::said(&ada.run(&["requests", "show", &id.to_string()]));
        assert!(said.contains("the tag 1 was not moved to it") && said.contains("wharf copy oci://"), "{said}");
        said
    };
    let said = approve(old);
    assert!(said.contains("at its source it means"), "{said}");
    // Even if the source has gone back: a person decides that.
    push("3.1-r0", false);
    let said = approve(middle);
    assert!(said.contains(&format!("request {new}, which was made later")), "{said}");
}

/// Entries of a folder by name.
fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.'))
        .collect()
}

#[tokio::test]
async fn the_quarantine_is_the_stewards_alone_and_is_emptied_of_what_is_over() {
    let (Some(upstream), Some(_)) = (lab::part("WHARF_LAB_OPEN"), lab::part("WHARF_LAB_TRIVY")) else { return };
    let place = tempfile::tempdir().unwrap();
    let mut registry = Registry::new(place.path());
    registry.start();
    let site = Site::new(&upstream, &registry.host(), None, "");
    let ada = site.person("ada");
    let reject = |id: i64| assert_eq!(ada.run(&["reject", &id.to_string(), "--reason", "no"]).status.code(), Some(0));
    let round = || drop(ada.run(&["steward", "--once"]));
    // In a registry: it has its own repository until it is decided.
    let image = site.image(&ada, "swept", &[("musl", "4.0-r0")], false);
    let id = ada.ask(&image, "to be refused");
    round();
    let request = ada.request(id);
    assert_eq!(request["stage"], "waiting", "{request:#}");
    let kept = request["dossier"]["quarantine"].as_str().unwrap().to_owned();
    assert!(kept.contains(&format!("/quarantine/request-{id}/")), "{kept}");
    assert_eq!(ada.run(&["show", &kept]).status.code(), Some(0));
    reject(id);
    round();
    assert_eq!(ada.run(&["show", &kept]).status.code(), Some(6), "it is gone");
    // On this machine.
    let file = ada.home.path("site.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let own = text.lines().filter(|line| !line.starts_with("quarantine")).collect::<Vec<_>>().join("\n");
    std::fs::write(&file, own).unwrap();
    let folder = ada.home.path("state/quarantine");
    let second = ada.ask(&site.image(&ada, "swept", &[("musl", "4.1-r0")], false), "to be refused, too");
    let third = ada.ask(&site.image(&ada, "swept", &[("musl", "4.2-r0")], false), "still waits");
    round();
    assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o777, 0o700);
    let mut both = names(&folder);
    both.sort();
    assert_eq!(both, [format!("request-{second}"), format!("request-{third}")]);
    // Unknown files are removed after a day; files that may still be in use stay.
    for name in ["unknown.disk", "request-99999.4711.partial", "fresh.partial"] {
        std::fs::write(folder.join(name), "x").unwrap();
    }
    for name in ["unknown.disk", "request-99999.4711.partial"] {
        let touched = std::process::Command::new("touch").args(["-d", "2 days ago"]).arg(folder.join(name)).status();
        assert!(touched.unwrap().success());
    }
    reject(second);
    round();
    let mut left = names(&folder);
    left.sort();
    assert_eq!(left, ["fresh.partial".to_owned(), format!("request-{third}")]);
}

#[tokio::test]
async fn two_stewards_whose_clocks_are_ten_minutes_apart_do_everything_once() {
    let fake = Path::new("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1");
    if !fake.exists() {
        return eprintln!("left out: libfaketime is not here (tests/lab/install)");
    }
    let Some(site) = site("").await else { return };
    let (ada, bob, steward) = (site.person("ada"), site.person("bob"), site.steward());
    let database = site.database.as_ref().unwrap();
    let start = |shift: &str| {
        let mut command = steward.wharf(&["steward"]);
        command.env("LD_PRELOAD", fake).env("FAKETIME", shift).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Working(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    };
    let images: Vec<String> = (0..5)
        .map(|number| site.image(&bob, &format!("apart-{number}"), &[("musl", &format!("5.{number}-r0"))], true))
        .collect();
    let ids: Vec<i64> = images.iter().map(|image| ada.ask(image, "for the paper")).collect();
    let mut ahead = start("+10m");
    let _behind = start("-10m");
    until("one is admitted", || ids.iter().any(|id| ada.request(*id)["stage"] == "admitted"));
    // The faster one is killed in the middle of its work: its leases end by the database's clock.
    let _ = ahead.0.kill();
    let long = "SELECT count(*) FROM wharf.request WHERE lease > wharf.now() + 120";
    assert_eq!(database.psql("postgres", &database.name, long).1.trim(), "0");
    // Here nobody waits for a minute: they end at once.
    assert!(database.psql("postgres", &database.name, "UPDATE wharf.request SET lease = 0 WHERE lease > 0").0);
    until("all are admitted", || ids.iter().all(|id| ada.request(*id)["stage"] == "admitted"));
    for id in ids {
        let shown = ada.json(0, &["requests", "show", &id.to_string()]);
        let admitted =
            shown["history"].as_array().unwrap().iter().filter(|change| change["what"] == "admitted").count();
        assert_eq!(admitted, 1, "{shown:#}");
    }
}
