//! Transfers that are cut, killed, refused and lied to on their way: nothing visible that is not whole, nothing lost,
//! nothing left behind.

use std::{
    path::Path,
    process::{Child, Stdio},
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::{Duration, Instant},
};

use wharf::core::{
    base::{
        context::Context,
        error::{Error, Kind},
        secret::Secret,
    },
    image::reference::ImageRef,
    ports::content::Outcome,
    transfer::copy::Options,
};

use crate::{
    lab::{self, Home, complained, need, said},
    proxy::{self, Action, Proxy, Request},
    transfers::layout,
};

const MIB: u64 = 1 << 20;
/// The smallest chunk of an upload.
const CHUNK: u64 = 5 * MIB;

fn to_cut(request: &Request, method: &str) -> bool {
    request.method == method && request.path.contains("/blobs/")
}

/// A rule that cuts a request of this method each time another tenth of `size` has moved.
fn at_each_tenth(size: u64, method: &'static str) -> impl Fn(&Request) -> Action + Send + Sync {
    let next = AtomicU64::new(1);
    move |request| {
        let tenth = next.load(Ordering::SeqCst);
        let at = size / 10 * tenth;
        // A chunk that goes over the mark, or an answer that will.
        let length = if method == "GET" { size } else { request.length };
        if tenth < 10 && to_cut(request, method) && request.moved + length > at && length > 4096 {
            next.store(tenth + 1, Ordering::SeqCst);
            let most = at.saturating_sub(request.moved);
            return if method == "GET" { Action::CutAnswer(most) } else { Action::CutRequest(most) };
        }
        Action::Pass
    }
}

async fn copied(home: &Home, hosts: &[&str], from: &ImageRef, to: &ImageRef) -> Result<Outcome, Error> {
    let portal = lab::portal(home, hosts.iter().map(|host| lab::registry(host, host)).collect());
    portal.transfers.copy(&Context::default(), from, to, &Options::default()).await
}

async fn is_there(home: &Home, host: &str, repository: &str) -> bool {
    let portal = lab::portal(home, vec![lab::registry(host, host)]);
    let at: ImageRef = format!("{host}/{repository}:1").parse().unwrap();
    match portal.sources.image(&Context::default(), &at, None).await {
        Ok(_) => true,
        Err(error) if error.kind == Kind::NotFound => false,
        Err(error) => panic!("{error}"),
    }
}

/// Files below a folder whose names end so.
fn left(folder: &Path, ending: &str) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else if entry.path().to_string_lossy().ends_with(ending) {
                all.push(entry.path());
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_cut_at_every_tenth_loses_a_chunk_each_time_and_no_more() {
    // A registry behind a server that keeps each request until it has all of it, as sites have it.
    let front = need!("WHARF_LAB_FRONT");
    let home = Home::new();
    let size = 64 * MIB;
    let from = layout(&home, usize::try_from(size).unwrap());
    let proxy = proxy::before(&front, at_each_tenth(size, "PATCH")).await;
    let repository = lab::fresh("zz/faults/tenths");
    let to: ImageRef = format!("{}/{repository}:1", proxy.address).parse().unwrap();
    copied(&home, &[&proxy.address], &from, &to).await.unwrap();
    let up = proxy.up.load(Ordering::SeqCst);
    assert!(up > size + 9 && up < size + 9 * CHUNK, "{up} bytes for {size}");
    assert_eq!(proxy.count("POST", "/uploads/?mount"), 0, "nothing was there to mount");
    assert!(is_there(&home, &front, &repository).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_at_every_tenth_moves_each_byte_once() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let size = 64 * MIB;
    let from = layout(&home, usize::try_from(size).unwrap());
    let there: ImageRef = format!("{open}/{}:1", lab::fresh("zz/faults/down")).parse().unwrap();
    copied(&home, &[&open], &from, &there).await.unwrap();
    let proxy = proxy::before(&open, at_each_tenth(size, "GET")).await;
    let at: ImageRef = there.to_string().replace(&open, &proxy.address).parse().unwrap();
    let to: ImageRef = format!("file:{}:1", home.path("down").display()).parse().unwrap();
    copied(&home, &[&proxy.address], &at, &to).await.unwrap();
    let down = proxy.down.load(Ordering::SeqCst);
    assert!(down < size + size / 50, "{down} bytes for {size}");
    assert!(left(&home.path("down"), ".partial").is_empty());
}

/// Ends as soon as a transfer of this home has moved so much.
fn until_it_has(home: &Home, bytes: u64) -> serde_json::Value {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let listed = home.run(&["transfers", "--all", "--json"]);
        let all: Vec<serde_json::Value> = serde_json::from_slice(&listed.stdout).unwrap();
        let running = all.iter().find(|one| one["word"] == "running");
        if let Some(one) = running.filter(|one| one["progress"]["done"].as_u64().unwrap() >= bytes) {
            return one.clone();
        }
        assert!(Instant::now() < end, "{}", said(&listed));
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

fn begun(home: &Home, arguments: &[&str]) -> Child {
    home.wharf(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// A registry as the program's own configuration names it, over plain HTTP.
fn home_with(hosts: &[&str]) -> Home {
    let source = |host: &&str| {
        format!("[[source]]\nname = \"{}\"\ntype = \"oci\"\nurl = \"http://{host}\"\n", host.replace(':', "-"))
    };
    Home::configured(&hosts.iter().map(source).collect::<String>())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_upload_goes_on_where_it_was_in_another_program() {
    let front = need!("WHARF_LAB_FRONT");
    let proxy = proxy::before(&front, |_| Action::Pass).await;
    let home = home_with(&[&proxy.address]);
    let from = layout(&home, 48 << 20);
    let repository = lab::fresh("zz/faults/killed-up");
    let to = format!("{}/{repository}:1", proxy.address);
    let (from, rate) = (from.to_string(), "12M");
    let mut child = begun(&home, &["copy", &from, &to, "--rate", rate]);
    let one = until_it_has(&home, 20 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
    let id = one["id"].as_str().unwrap().to_owned();
    let limits = (serde_json::json!((12 * MIB).to_string()), serde_json::Value::Null);
    assert_eq!((&one["rate"], &one["hours"]), (&limits.0, &limits.1), "what was said is kept for whoever goes on");
    let listed = home.run(&["transfers"]);
    assert!(said(&listed).contains("interrupted"), "{}", said(&listed));
    assert!(!is_there(&home, &proxy.address, &repository).await, "nothing visible that is not whole");
    let before = proxy.up.load(Ordering::SeqCst);
    let resumed = home.run(&["transfers", "resume", &id[..4], "--json"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    let answer: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    let (moved, spared) = (&answer[0]["outcome"]["moved"], &answer[0]["outcome"]["spared"]);
    let again = proxy.up.load(Ordering::SeqCst) - before;
    assert!(again < 48 * MIB - 12 * MIB, "{again} bytes of 48 MiB were sent again: {answer}");
    assert!(spared.as_u64().unwrap() >= 12 * MIB && moved.as_u64().unwrap() < 36 * MIB, "{answer}");
    assert!(is_there(&home, &proxy.address, &repository).await);
    assert!(said(&home.run(&["transfers", "--all"])).contains("done"));
    let ended = home.run(&["transfers", "--all", "--json"]);
    let ended: Vec<serde_json::Value> = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!(ended.iter().find(|one| one["id"] == id.as_str()).unwrap()["rate"], limits.0, "it went on at its rate");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_share_goes_on_as_that_share() {
    let (open, front) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_FRONT"));
    let proxy = proxy::before(&front, |_| Action::Pass).await;
    let home = home_with(&[&proxy.address, &open]);
    let (from, repository) = (layout(&home, 48 << 20).to_string(), lab::fresh("zz/faults/shared"));
    let image = format!("{open}/{repository}:1");
    let up = home.run(&["push", &from, &image]);
    assert_eq!(up.status.code(), Some(0), "{}", complained(&up));
    let project = format!("{}/{}", proxy.address, lab::fresh("zz/faults/project"));
    let mut child = begun(&home, &["share", &image, "--to", &project, "--rate", "12M"]);
    let id = until_it_has(&home, 8 * MIB)["id"].as_str().unwrap().to_owned();
    child.kill().unwrap();
    child.wait().unwrap();
    let shares = |home: &Home| {
        let lines = said(&home.run(&["audit"]));
        lines.lines().filter(|line| line.contains("share") && line.contains(&project)).count()
    };
    assert_eq!(shares(&home), 0);
    let resumed = home.run(&["transfers", "resume", &id, "--rate", "1G", "--json"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    let answer: serde_json::Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!(answer[0]["shared"]["shared"]["project"], project.as_str(), "{answer}");
    assert_eq!(shares(&home), 1, "{}", said(&home.run(&["audit"])));
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&home.run(&["transfers", "--all", "--json"]).stdout).unwrap();
    assert!(listed.iter().all(|one| one["word"] == "done"), "{listed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_download_goes_on_where_it_was_in_another_program() {
    let open = need!("WHARF_LAB_OPEN");
    let proxy = proxy::before(&open, |_| Action::Pass).await;
    let home = home_with(&[&proxy.address, &open]);
    let from = layout(&home, 48 << 20).to_string();
    let repository = lab::fresh("zz/faults/killed-down");
    let up = home.run(&["push", &from, &format!("{open}/{repository}:1")]);
    assert_eq!(up.status.code(), Some(0), "{}", complained(&up));
    let at = format!("{}/{repository}:1", proxy.address);
    let folder = home.path("down").display().to_string();
    let mut child = begun(&home, &["pull", &at, &folder, "--rate", "12M"]);
    until_it_has(&home, 20 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!home.path("down/index.json").exists());
    let before = proxy.down.load(Ordering::SeqCst);
    // The same command again is as good as `transfers resume`.
    let again = home.run(&["pull", &at, &folder]);
    assert_eq!(again.status.code(), Some(0), "{}", complained(&again));
    let came = proxy.down.load(Ordering::SeqCst) - before;
    assert!(came < 32 * MIB, "{came} bytes of 48 MiB came again");
    assert!(left(&home.path("down"), ".partial").is_empty());
    let listed: Vec<serde_json::Value> =
        serde_json::from_slice(&home.run(&["transfers", "--all", "--json"]).stdout).unwrap();
    let words: Vec<&str> = listed.iter().map(|one| one["word"].as_str().unwrap()).collect();
    assert_eq!(words, ["done", "done"], "one for the push, one for the pull and its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_program_pauses_and_cancels_what_another_carries_out() {
    let front = need!("WHARF_LAB_FRONT");
    let proxy = proxy::before(&front, |_| Action::Pass).await;
    let home = home_with(&[&proxy.address]);
    let from = layout(&home, 48 << 20).to_string();
    let repository = lab::fresh("zz/faults/paused");
    let to = format!("{}/{repository}:1", proxy.address);
    let child = begun(&home, &["copy", &from, &to, "--rate", "12M"]);
    let id = until_it_has(&home, 8 * MIB)["id"].as_str().unwrap().to_owned();
    let paused = home.run(&["transfers", "pause", &id]);
    assert_eq!(said(&paused), format!("{id} is paused\n"), "{}", complained(&paused));
    let ended = child.wait_with_output().unwrap();
    assert_ne!(ended.status.code(), Some(0));
    assert!(complained(&ended).contains(&format!("wharf transfers resume {id}")), "{}", complained(&ended));
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&home.run(&["transfers", "--json"]).stdout).unwrap();
    let paused_at = listed[0]["progress"]["done"].as_u64().unwrap();
    // It stopped where a chunk ended, so it goes on without a byte twice.
    let before = proxy.up.load(Ordering::SeqCst);
    let child = begun(&home, &["transfers", "resume", &id, "--rate", "4M"]);
    until_it_has(&home, paused_at + 4 * MIB);
    let cancelled = home.run(&["transfers", "cancel", &id]);
    assert_eq!(said(&cancelled), format!("{id} is cancelled\n"), "{}", complained(&cancelled));
    let ended = child.wait_with_output().unwrap();
    assert_ne!(ended.status.code(), Some(0));
    let went = proxy.up.load(Ordering::SeqCst) - before;
    assert!(went < 48 * MIB - paused_at, "it went on: {went} after {paused_at}");
    assert_eq!(proxy.count("DELETE", "/uploads/"), 1, "the registry keeps no upload of it");
    assert!(!is_there(&home, &proxy.address, &repository).await);
    let again = home.run(&["transfers", "resume", &id]);
    assert!(complained(&again).contains("cancelled already"), "{}", complained(&again));
    assert_eq!(said(&home.run(&["transfers"])), "no transfer runs or waits; --all lists those that have ended\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_download_leaves_no_file_and_no_folder() {
    let open = need!("WHARF_LAB_OPEN");
    let home = home_with(&[&open]);
    let from = layout(&home, 32 << 20).to_string();
    let at = format!("{open}/{}:1", lab::fresh("zz/faults/cancelled"));
    assert_eq!(home.run(&["push", &from, &at]).status.code(), Some(0));
    for (file, name) in [("down", "down"), ("down.tar", "down.tar.partial")] {
        let mut child = begun(&home, &["pull", &at, &home.path(file).display().to_string(), "--rate", "8M"]);
        let id = until_it_has(&home, 8 * MIB)["id"].as_str().unwrap().to_owned();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!left(&home.path(name), ".partial").is_empty());
        let cancelled = home.run(&["transfers", "cancel", &id]);
        assert_eq!(cancelled.status.code(), Some(0), "{}", complained(&cancelled));
        assert!(!home.path(name).exists(), "{:?}", left(&home.path(name), ""));
        assert!(!home.path(file).exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_is_not_gathered_where_others_could_have_put_something() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let open = need!("WHARF_LAB_OPEN");
    let home = home_with(&[&open]);
    let from = layout(&home, 1 << 20).to_string();
    let at = format!("{open}/{}:1", lab::fresh("zz/faults/planted"));
    assert_eq!(home.run(&["push", &from, &at]).status.code(), Some(0));
    let (planted, keys, file) = (home.path("down.tar.partial"), home.path("keys"), home.path("down.tar"));
    for folder in [&planted, &keys] {
        std::fs::create_dir(folder).unwrap();
    }
    std::fs::write(keys.join("id"), "a secret of this person").unwrap();
    symlink(&keys, planted.join("k")).unwrap();
    std::fs::set_permissions(&planted, PermissionsExt::from_mode(0o777)).unwrap();
    let refused = home.run(&["pull", &at, &file.display().to_string()]);
    assert!(complained(&refused).contains("others could put something there"), "{}", complained(&refused));
    assert!(!file.exists());
    // In one that is this person's alone, what the image does not consist of stays out of the archive all the same.
    std::fs::set_permissions(&planted, PermissionsExt::from_mode(0o700)).unwrap();
    let pulled = home.run(&["pull", &at, &file.display().to_string()]);
    assert_eq!(pulled.status.code(), Some(0), "{}", complained(&pulled));
    let archive = std::fs::read(&file).unwrap();
    assert!(!archive.windows(8).any(|window| window == b"a secret"));
    assert!(keys.join("id").exists() && !planted.exists());
}

/// A rule that answers the second request of a kind once with this, and passes all others.
fn once(method: &'static str, part: &'static str, answer: &'static str) -> impl Fn(&Request) -> Action + Send + Sync {
    let seen = AtomicUsize::new(0);
    move |request| {
        let is_meant = request.method == method && request.path.contains(part);
        if is_meant && seen.fetch_add(1, Ordering::SeqCst) == 1 {
            return Action::Answer(answer.to_owned());
        }
        Action::Pass
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_busy_or_broken_for_a_moment_costs_a_pause() {
    let front = need!("WHARF_LAB_FRONT");
    for answer in [
        "429 Too Many Requests\r\nRetry-After: 1",
        "500 Internal Server Error",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "408 Request Timeout",
    ] {
        let home = Home::new();
        let from = layout(&home, 12 << 20);
        let proxy = proxy::before(&front, once("PATCH", "/blobs/uploads/", answer)).await;
        let repository = lab::fresh("zz/faults/busy");
        let to: ImageRef = format!("{}/{repository}:1", proxy.address).parse().unwrap();
        let copied = copied(&home, &[&proxy.address], &from, &to).await;
        assert!(copied.is_ok(), "{answer}: {}", copied.unwrap_err());
        assert!(is_there(&home, &front, &repository).await, "{answer}");
    }
}

/// The registry's own words where a token is wanted, with those for one that has ended (RFC 6750, section 3.1).
async fn token_has_ended(host: &str) -> String {
    let answer = reqwest::get(format!("http://{host}/v2/")).await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
    let challenge = answer.headers()["www-authenticate"].to_str().unwrap().to_owned();
    format!("401 Unauthorized\r\nWWW-Authenticate: {challenge},error=\"invalid_token\"")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_in_the_middle_is_renewed_in_both_directions() {
    let token = need!("WHARF_LAB_TOKEN");
    let home = Home::new();
    let from = layout(&home, 12 << 20);
    let repository = lab::fresh("zz/faults/token");
    let ended: &'static str = Box::leak(token_has_ended(&token).await.into_boxed_str());
    let signed_in = |proxy: &Proxy| {
        lab::vault(&home).set(&proxy.address, "lab", &Secret::new("labpass")).unwrap();
        format!("{}/{repository}:1", proxy.address).parse::<ImageRef>().unwrap()
    };
    let up = proxy::before(&token, once("PATCH", "/blobs/uploads/", ended)).await;
    copied(&home, &[&up.address], &from, &signed_in(&up)).await.unwrap();
    assert!(up.count("PATCH", "/blobs/uploads/") > 3, "one of three chunks was refused: {:?}", up.seen.lock().unwrap());
    assert_eq!(up.count("DELETE", "/blobs/uploads/"), 0, "the upload goes on, and is not begun again");
    let down = proxy::before(&token, once("GET", "/blobs/", ended)).await;
    let to: ImageRef = format!("file:{}:1", home.path("down").display()).parse().unwrap();
    copied(&home, &[&down.address], &signed_in(&down), &to).await.unwrap();
    assert!(home.path("down/index.json").exists() && left(&home.path("down"), ".partial").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_of_which_all_has_arrived_is_completed_without_a_byte_more() {
    let front = need!("WHARF_LAB_FRONT");
    let closed = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let shut = closed.clone();
    // The registry takes every chunk, and then cannot complete the upload.
    let proxy = proxy::before(&front, move |request| {
        let completes = request.method == "PUT" && request.path.contains("/uploads/");
        if completes && shut.load(Ordering::SeqCst) {
            return Action::Answer("503 Service Unavailable".to_owned());
        }
        Action::Pass
    })
    .await;
    // The source is a registry, too: nothing is asked of it behind its last byte.
    let source = proxy::before(&front, |_| Action::Pass).await;
    let home = home_with(&[&proxy.address, &source.address, &front]);
    let from = layout(&home, 12 << 20).to_string();
    let repository = lab::fresh("zz/faults/whole-source");
    assert_eq!(home.run(&["push", &from, &format!("{front}/{repository}:1")]).status.code(), Some(0));
    let (at, to) = (format!("{}/{repository}:1", source.address), format!("{}/{repository}-copy:1", proxy.address));
    let refused = home.run(&["copy", &at, &to]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(complained(&refused).contains("wharf transfers resume"), "{}", complained(&refused));
    closed.store(false, Ordering::SeqCst);
    let before = proxy.up.load(Ordering::SeqCst);
    let resumed = home.run(&["transfers", "resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    let again = proxy.up.load(Ordering::SeqCst) - before;
    assert!(again < MIB, "{again} bytes were sent again");
    assert!(is_there(&home, &proxy.address, &format!("{repository}-copy")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_taken_up_with_chunks_that_are_refused_begins_again() {
    let front = need!("WHARF_LAB_FRONT");
    let (stage, refused) = (std::sync::Arc::new(AtomicU64::new(0)), std::sync::Arc::new(AtomicU64::new(0)));
    let (now, count) = (stage.clone(), refused.clone());
    // The registry fails after a chunk; later it takes none of that size for the upload that it has begun.
    let proxy = proxy::before(&front, move |request| {
        let chunk = request.method == "PATCH" && request.length > 4096;
        match now.load(Ordering::SeqCst) {
            0 if chunk => now.store(1, Ordering::SeqCst),
            1 if chunk => return Action::Answer("503 Service Unavailable".to_owned()),
            2 if chunk && count.fetch_add(1, Ordering::SeqCst) == 0 => {
                return Action::Answer("400 Bad Request".to_owned());
            }
            _ => {}
        }
        Action::Pass
    })
    .await;
    let home = home_with(&[&proxy.address, &front]);
    let from = layout(&home, 24 << 20).to_string();
    let repository = lab::fresh("zz/faults/chunk-size");
    let broken = home.run(&["copy", &from, &format!("{}/{repository}:1", proxy.address)]);
    assert!(complained(&broken).contains("wharf transfers resume"), "{}", complained(&broken));
    stage.store(2, Ordering::SeqCst);
    let resumed = home.run(&["transfers", "resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    assert!(refused.load(Ordering::SeqCst) > 1, "a chunk was refused, and others came after it");
    assert!(is_there(&home, &proxy.address, &repository).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_away_for_long_costs_the_upload_nothing() {
    let front = need!("WHARF_LAB_FRONT");
    let away = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let gone = away.clone();
    let source = proxy::before(&front, move |request| {
        let is_layer = to_cut(request, "GET") && gone.load(Ordering::SeqCst);
        match request.before {
            // The first look at the layer is at its beginning alone; then it breaks in the middle, and stays away.
            1 if is_layer => Action::CutAnswer(12 * MIB),
            2.. if is_layer => Action::Answer("503 Service Unavailable".to_owned()),
            _ => Action::Pass,
        }
    })
    .await;
    let target = proxy::before(&front, |_| Action::Pass).await;
    let home = home_with(&[&source.address, &target.address, &front]);
    let from = layout(&home, 24 << 20).to_string();
    let repository = lab::fresh("zz/faults/away");
    assert_eq!(home.run(&["push", &from, &format!("{front}/{repository}:1")]).status.code(), Some(0));
    let (at, to) = (format!("{}/{repository}:1", source.address), format!("{}/{repository}-copy:1", target.address));
    let broken = home.run(&["copy", &at, &to]);
    assert_ne!(broken.status.code(), Some(0));
    assert_eq!(target.count("DELETE", "/uploads/"), 0, "the upload is kept");
    away.store(false, Ordering::SeqCst);
    let before = target.up.load(Ordering::SeqCst);
    let resumed = home.run(&["transfers", "resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    let again = target.up.load(Ordering::SeqCst) - before;
    assert!(again < 17 * MIB, "{again} of 24 MiB were sent again");
}

#[test]
fn a_transfer_goes_on_from_another_folder_and_into_the_same_place() {
    let open = need!("WHARF_LAB_OPEN");
    let home = home_with(&[&open]);
    let from = layout(&home, 24 << 20).to_string();
    let at = format!("{open}/{}:1", lab::fresh("zz/faults/folder"));
    assert_eq!(home.run(&["push", &from, &at]).status.code(), Some(0));
    let (first, second) = (home.path("first"), home.path("second"));
    std::fs::create_dir_all(&first).unwrap();
    std::fs::create_dir_all(&second).unwrap();
    let mut pull = home.wharf(&["pull", &at, "image", "--rate", "8M"]);
    let mut child = pull.current_dir(&first).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_it_has(&home, 4 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
    let resumed = home.wharf(&["transfers", "resume"]).current_dir(&second).output().unwrap();
    assert_eq!(resumed.status.code(), Some(0), "{}", complained(&resumed));
    assert!(first.join("image/index.json").exists() && !second.join("image").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_takes_no_chunks_gets_the_blob_in_one_piece() {
    // As Google's Artifact Registry answers (containers/skopeo, issue 1101).
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let size = 12 * MIB;
    let from = layout(&home, usize::try_from(size).unwrap());
    let refuses = move |request: &Request| {
        if request.method == "PATCH" && request.length > 4096 && request.length < size {
            return Action::Answer("400 Bad Request".to_owned());
        }
        Action::Pass
    };
    let proxy = proxy::before(&open, refuses).await;
    let repository = lab::fresh("zz/faults/whole");
    let to: ImageRef = format!("{}/{repository}:1", proxy.address).parse().unwrap();
    copied(&home, &[&proxy.address], &from, &to).await.unwrap();
    assert!(is_there(&home, &open, &repository).await);
    assert_eq!(proxy.count("DELETE", "/uploads/"), 1, "the upload in chunks was cancelled");
}

async fn pulled_through(
    rule: impl Fn(&Request) -> Action + Send + Sync + 'static,
) -> (Home, Proxy, Result<Outcome, Error>) {
    let open = lab::part("WHARF_LAB_OPEN").unwrap();
    let home = Home::new();
    let from = layout(&home, 8 << 20);
    let there: ImageRef = format!("{open}/{}:1", lab::fresh("zz/faults/pulled")).parse().unwrap();
    copied(&home, &[&open], &from, &there).await.unwrap();
    let proxy = proxy::before(&open, rule).await;
    let at: ImageRef = there.to_string().replace(&open, &proxy.address).parse().unwrap();
    let to: ImageRef = format!("file:{}:1", home.path("down").display()).parse().unwrap();
    let outcome = copied(&home, &[&proxy.address], &at, &to).await;
    (home, proxy, outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_not_those_of_the_digest_are_refused_and_not_kept() {
    need!("WHARF_LAB_OPEN");
    let (home, _proxy, outcome) =
        pulled_through(|request| if to_cut(request, "GET") { Action::Corrupt(77) } else { Action::Pass }).await;
    let error = outcome.unwrap_err();
    assert_eq!(error.kind, Kind::Integrity, "{error}");
    assert!(!home.path("down/index.json").exists(), "nothing visible that is not whole");
    assert!(left(&home.path("down"), ".partial").is_empty(), "wrong bytes are not gone on with");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_ends_too_early_is_fetched_from_there_on() {
    need!("WHARF_LAB_OPEN");
    let (_home, proxy, outcome) = pulled_through(|request| {
        // The first bytes of a layer are looked at before: it is asked for twice.
        if to_cut(request, "GET") && request.before < 2 { Action::CutAnswer(100) } else { Action::Pass }
    })
    .await;
    outcome.unwrap();
    assert!(proxy.down.load(Ordering::SeqCst) < 8 * MIB + 8192);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_and_a_delay_are_followed() {
    let open = need!("WHARF_LAB_OPEN");
    let elsewhere = open.clone();
    let (_home, proxy, outcome) = pulled_through(move |request| {
        if to_cut(request, "GET") {
            return Action::Answer(format!("307 Temporary Redirect\r\nLocation: http://{elsewhere}{}", request.path));
        }
        Action::Delay(Duration::from_millis(30))
    })
    .await;
    outcome.unwrap();
    let down = proxy.down.load(Ordering::SeqCst);
    assert!(down < MIB, "the blobs came from elsewhere: {down} {:?}", proxy.seen.lock().unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_moves_between_two_calls_changes_nothing_of_a_copy() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let repository = lab::fresh("zz/faults/moved");
    let at: ImageRef = format!("{open}/{repository}:1").parse().unwrap();
    let first = copied(&home, &[&open], &layout(&home, 1 << 20), &at).await.unwrap().digest;
    let other: ImageRef = format!("{open}/{repository}:2").parse().unwrap();
    let home_of_other = Home::new();
    let second = copied(&home_of_other, &[&open], &layout(&home_of_other, 2 << 20), &other).await.unwrap().digest;
    assert_ne!(first, second);
    // The tag means one image in the first call, and another one from then on.
    let moved = move |request: &Request| {
        let is_tag = request.path.ends_with("/manifests/1") && request.method == "GET";
        if is_tag && request.before > 0 {
            return Action::Answer(format!(
                "307 Temporary Redirect\r\nLocation: {}",
                request.path.replace("/manifests/1", &format!("/manifests/{second}"))
            ));
        }
        Action::Pass
    };
    let proxy = proxy::before(&open, moved).await;
    let through: ImageRef = format!("{}/{repository}:1", proxy.address).parse().unwrap();
    let to: ImageRef = format!("file:{}:1", home.path("down").display()).parse().unwrap();
    assert_eq!(copied(&home, &[&proxy.address], &through, &to).await.unwrap().digest, first);
}

#[test]
fn a_disk_that_is_full_at_any_write_leaves_nothing_visible_and_the_rest_comes_later() {
    let open = need!("WHARF_LAB_OPEN");
    let home = home_with(&[&open]);
    let from = layout(&home, 8 << 20).to_string();
    let at = format!("{open}/{}:1", lab::fresh("zz/faults/full"));
    assert_eq!(home.run(&["push", &from, &at]).status.code(), Some(0));
    // Files may have so many KiB at most: writes behind that fail, as on a file system that is full.
    for most in [64, 1024, 7 * 1024] {
        let name = format!("down-{most}");
        let mut command = home.wharf(&[]);
        let limited = format!("trap '' XFSZ; ulimit -f {most}; exec \"$0\" pull {at} {}", home.path(&name).display());
        let program = command.get_program().to_owned();
        let environment: Vec<_> =
            command.get_envs().filter_map(|(key, value)| Some((key.to_owned(), value?.to_owned()))).collect();
        command = std::process::Command::new("bash");
        command.env_clear().envs(environment).args(["-c", &limited]).arg(program);
        let refused = command.output().unwrap();
        assert_ne!(refused.status.code(), Some(0));
        assert!(complained(&refused).contains("space left"), "{most}: {}", complained(&refused));
        assert!(!home.path(&name).join("index.json").exists());
        let later = home.run(&["pull", &at, &home.path(&name).display().to_string()]);
        assert_eq!(later.status.code(), Some(0), "{}", complained(&later));
        assert!(left(&home.path(&name), ".partial").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_transfers_of_one_blob_to_one_folder_make_one_whole_image() {
    let open = need!("WHARF_LAB_OPEN");
    let proxy = proxy::before(&open, |_| Action::Pass).await;
    let home = home_with(&[&open, &proxy.address]);
    let from = layout(&home, 24 << 20).to_string();
    let repository = lab::fresh("zz/faults/both");
    assert_eq!(home.run(&["push", &from, &format!("{open}/{repository}:1")]).status.code(), Some(0));
    let at = format!("{}/{repository}:1", proxy.address);
    let folder = home.path("down").display().to_string();
    let pulls = [(), ()].map(|()| begun(&home, &["pull", &at, &folder, "--rate", "24M"]));
    for pull in pulls {
        let ended = pull.wait_with_output().unwrap();
        assert!(ended.status.success(), "{}", complained(&ended));
    }
    assert!(left(&home.path("down"), ".partial").is_empty());
    let shown = home.run(&["show", &format!("file:{folder}:1")]);
    assert!(shown.status.success(), "{}", complained(&shown));
    assert!(proxy.down.load(Ordering::SeqCst) < 30 * MIB, "the second one waited for the first");
}

#[tokio::test(flavor = "multi_thread")]
async fn several_destinations_get_one_read() {
    let (open, front) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_FRONT"));
    let proxy = proxy::before(&open, |_| Action::Pass).await;
    let home = home_with(&[&open, &front, &proxy.address]);
    let from = layout(&home, 32 << 20).to_string();
    let repository = lab::fresh("zz/faults/many");
    assert_eq!(home.run(&["push", &from, &format!("{open}/{repository}:1")]).status.code(), Some(0));
    let at = format!("{}/{repository}:1", proxy.address);
    let targets = [
        format!("{front}/{repository}-one:1"),
        format!("{front}/{repository}-two:1"),
        format!("file:{}:1", home.path("down").display()),
        // A host that nobody answers at does not keep the others from being copied to.
        format!("127.0.0.1:{}/x:1", lab::free_port()),
    ];
    let mut arguments = vec!["copy", &at];
    arguments.extend(targets.iter().map(String::as_str));
    let copied = home.run(&arguments);
    assert_ne!(copied.status.code(), Some(0), "one of them failed");
    for (target, whole) in targets.iter().zip([true, true, true, false]) {
        assert_eq!(said(&copied).contains(target), whole, "{target}: {}", said(&copied));
        assert_eq!(home.run(&["show", target]).status.success(), whole, "{target}");
    }
    let down = proxy.down.load(Ordering::SeqCst);
    assert!(down < 33 * MIB, "{}{down} bytes were read for three copies of 32 MiB", complained(&copied));
    let waits: Vec<serde_json::Value> = serde_json::from_slice(&home.run(&["transfers", "--json"]).stdout).unwrap();
    assert_eq!(waits.len(), 1, "the one that failed can go on: {waits:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_written_down_for_another_place_is_not_gone_on_with() {
    // Whoever can write the list of transfers could name any address: only uploads of the same repository are asked for.
    let (open, front) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_FRONT"));
    let elsewhere = proxy::before(&open, |_| Action::Answer("204 No Content\r\nRange: 0-99999999".to_owned())).await;
    let home = home_with(&[&front]);
    let from = layout(&home, 24 << 20).to_string();
    let repository = lab::fresh("zz/faults/elsewhere");
    let to = format!("{front}/{repository}:1");
    let mut child = begun(&home, &["copy", &from, &to, "--rate", "8M"]);
    let one = until_it_has(&home, 8 * MIB);
    child.kill().unwrap();
    child.wait().unwrap();
    let parts = home.path(&format!("state/transfers/{}.parts", one["id"].as_str().unwrap()));
    let text = std::fs::read_to_string(&parts).unwrap();
    assert!(text.contains(&front), "{text}");
    std::fs::write(&parts, text.replace(&front, &elsewhere.address)).unwrap();
    let again = home.run(&["transfers", "resume"]);
    assert!(again.status.success(), "{}", complained(&again));
    assert_eq!(elsewhere.seen.lock().unwrap().len(), 0, "nothing was asked of the other place");
    assert!(is_there(&home, &front, &repository).await);
}

#[test]
fn a_rate_holds_for_all_that_a_program_moves() {
    let open = need!("WHARF_LAB_OPEN");
    let home = home_with(&[&open]);
    let from = layout(&home, 8 << 20).to_string();
    let began = Instant::now();
    let copied = home.run(&["copy", &from, &format!("{open}/{}:1", lab::fresh("zz/faults/rate")), "--rate", "4M"]);
    assert!(copied.status.success(), "{}", complained(&copied));
    assert!(began.elapsed() > Duration::from_millis(1900), "8 MiB at 4 MiB a second take two seconds");
    for (option, value) in [("--rate", "fast"), ("--hours", "20-06")] {
        let refused = home.run(&["copy", &from, &format!("{open}/x:1"), option, value]);
        assert_eq!(refused.status.code(), Some(2), "{}", complained(&refused));
        assert!(complained(&refused).contains(value), "{}", complained(&refused));
    }
}
