//! Servers and files that misbehave: each gives a clear error, and nothing is left behind.
//!
//! No real registry misbehaves on purpose, so a few lines of TCP stand in for one.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use wharf::core::{
    base::{
        context::Context,
        error::{Error, Kind},
    },
    image::reference::ImageRef,
    transfer::copy::Options,
};

use crate::lab::{self, Home};

/// Answers every request with what `answer` says for its path; `None` never answers.
async fn server(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let answer = std::sync::Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 16 << 10];
                let Ok(count) = stream.read(&mut head).await else { return };
                let text = String::from_utf8_lossy(&head[..count]).into_owned();
                let path = text.split(' ').nth(1).unwrap_or("").to_owned();
                match answer(&path) {
                    Some(bytes) => _ = stream.write_all(&bytes).await,
                    None => tokio::time::sleep(Duration::from_secs(600)).await,
                }
            });
        }
    });
    address
}

fn http(status: &str, headers: &str, body: &str) -> Option<Vec<u8>> {
    Some(
        format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
            .into_bytes(),
    )
}

async fn show(host: &str) -> Error {
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("bad", host)]);
    let reference: ImageRef = format!("{host}/a/b:c").parse().unwrap();
    let error = portal
        .sources
        .image(&Context::default().with_deadline(Duration::from_secs(3)), &reference, None)
        .await
        .unwrap_err();
    assert!(error.what.contains(host), "it names the source: {error}");
    assert!(!error.hint.is_empty(), "it says what to do: {error}");
    error
}

#[tokio::test]
async fn refusals_are_told_apart_in_words() {
    for (status, kind, word) in [
        ("401 Unauthorized", Kind::NotAllowed, "sign in"),
        ("403 Forbidden", Kind::NotAllowed, "not allowed"),
        ("404 Not Found", Kind::NotFound, "not there"),
        ("429 Too Many Requests", Kind::Unavailable, "too many requests"),
        ("500 Internal Server Error", Kind::Unavailable, "server failed"),
    ] {
        let host =
            server(move |_| http(status, "Retry-After: 3600\r\n", r#"{"errors":[{"message":"said \u001b[31mso"}]}"#))
                .await;
        let error = show(&host).await;
        assert_eq!(error.kind, kind, "{status}: {error}");
        assert!(error.to_string().contains(word) && !error.to_string().contains('\u{1b}'), "{status}: {error}");
    }
}

#[tokio::test]
async fn a_hung_host_is_given_up_at_the_deadline() {
    let host = server(|_| None).await;
    let began = Instant::now();
    let error = show(&host).await;
    assert_eq!(error.kind, Kind::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn a_dead_host_and_a_wrong_name_are_told_apart() {
    assert!(show("127.0.0.1:1").await.why.contains("nothing listens"));
    let error = show("no-such-host.invalid").await;
    assert!(error.why.contains("name"), "{error}");
}

#[tokio::test]
async fn answers_that_are_no_answers() {
    let html =
        server(|_| http("200 OK", "Content-Type: text/html\r\n", "<html>please sign in to the guest network")).await;
    assert!(show(&html).await.why.contains("manifest"));
    let cut = server(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n{\"schema".to_vec())).await;
    assert_eq!(show(&cut).await.kind, Kind::Unavailable);
    let huge = server(|_| Some(b"HTTP/1.1 200 OK\r\nContent-Length: 2147483648\r\nContent-Type: application/vnd.oci.image.manifest.v1+json\r\n\r\n".to_vec())).await;
    assert!(show(&huge).await.why.contains("longer than"));
}

#[tokio::test]
async fn an_answer_without_a_length_cannot_fill_the_memory() {
    let endless = server(|_| {
        let mut bytes = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_vec();
        bytes.resize(6 << 20, b' ');
        Some(bytes)
    })
    .await;
    assert!(show(&endless).await.why.contains("longer than"));
}

#[tokio::test]
async fn bytes_with_another_digest_are_refused_and_nothing_is_written() {
    let config = "{}";
    let wrong = format!("sha256:{}", "0".repeat(64));
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{wrong}","size":{}}},"layers":[]}}"#,
        config.len()
    );
    let host = server(move |path| {
        if path.contains("/manifests/") {
            http("200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", &manifest)
        } else if path.contains("/referrers/") {
            http("404 Not Found", "", "")
        } else {
            http("200 OK", "", config)
        }
    })
    .await;
    let error = show(&host).await;
    assert_eq!(error.kind, Kind::Integrity, "{error}");
    let home = Home::new();
    std::fs::create_dir(home.path("images")).unwrap();
    let mut config = home.config();
    config.sources = vec![lab::registry("bad", &host)];
    config.image_folders = vec![home.path("images")];
    let portal = wharf::adapters::build(config).unwrap();
    let to = format!("file:{}:x", home.path("images/out").display());
    let error = portal
        .transfers
        .copy(&Context::default(), &format!("{host}/a/b:c").parse().unwrap(), &to.parse().unwrap(), &Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.kind, Kind::Integrity, "{error}");
    assert!(!home.path("images/out/index.json").exists(), "no half image");
    assert!(!home.path(&format!("images/out/blobs/sha256/{}", "0".repeat(64))).exists(), "no wrong blob");
    // A manifest asked for by digest must have it.
    let pinned: ImageRef = format!("{host}/a/b@{wrong}").parse().unwrap();
    let error = portal.sources.image(&Context::default(), &pinned, None).await.unwrap_err();
    assert_eq!(error.kind, Kind::Integrity, "{error}");
}

#[tokio::test]
async fn a_broken_download_is_taken_up_where_it_stopped() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let blob = "0123456789".repeat(1000);
    let digest = wharf::core::base::digest::Digest::of(blob.as_bytes()).to_string();
    // It names a program, so that nobody looks into its layer for a disk.
    let text =
        r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["x"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
    let (config, length) = (wharf::core::base::digest::Digest::of(text.as_bytes()).to_string(), text.len());
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":{length}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{digest}","size":10000}}]}}"#
    );
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counter = asked.clone();
    let wanted = digest.clone();
    let host = server(move |path| {
        if path.contains("/manifests/sha256-") || path.contains("/referrers/") {
            return http("404 Not Found", "", "");
        }
        if path.contains("/manifests/") {
            return http("200 OK", "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n", &manifest);
        }
        if !path.contains(&wanted) {
            return http("200 OK", "", text);
        }
        match counter.fetch_add(1, Ordering::SeqCst) {
            // The first answer ends in the middle.
            0 => Some(
                format!("HTTP/1.1 200 OK\r\nContent-Length: 10000\r\nConnection: close\r\n\r\n{}", &blob[..4000])
                    .into_bytes(),
            ),
            _ => Some(
                format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Length: 6000\r\nConnection: close\r\n\r\n{}",
                    &blob[4000..]
                )
                .into_bytes(),
            ),
        }
    })
    .await;
    let home = Home::new();
    std::fs::create_dir(home.path("images")).unwrap();
    let mut settings = home.config();
    settings.sources = vec![lab::registry("flaky", &host)];
    settings.image_folders = vec![home.path("images")];
    let portal = wharf::adapters::build(settings).unwrap();
    let to = format!("file:{}:x", home.path("images/out").display());
    portal
        .transfers
        .copy(
            &Context::default(),
            &format!("{host}/a/b:c").parse().unwrap(),
            &to.parse().unwrap(),
            &Options { attachments: false, ..Options::default() },
        )
        .await
        .unwrap();
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    assert_eq!(
        std::fs::read(home.path(&format!("images/out/blobs/sha256/{}", digest.trim_start_matches("sha256:"))))
            .unwrap()
            .len(),
        10_000
    );
}

#[tokio::test]
async fn a_password_never_shows_in_an_error() {
    let host = server(|path| {
        if path.contains("token") {
            http("403 Forbidden", "", "no")
        } else {
            http("401 Unauthorized", "WWW-Authenticate: Basic realm=\"x\"\r\n", "no")
        }
    })
    .await;
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("bad", &host)]);
    lab::vault(&home).set(&host, "ada", &wharf::core::base::secret::Secret::new("hunter2")).unwrap();
    let error =
        portal.sources.image(&Context::default(), &format!("{host}/a/b:c").parse().unwrap(), None).await.unwrap_err();
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_busy_registry_is_asked_again_when_it_says_and_its_limits_are_shown() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = AtomicUsize::new(0);
    let host = server(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => http("429 Too Many Requests", "Retry-After: 1\r\n", ""),
        _ => http("200 OK", "RateLimit-Limit: 100;w=21600\r\nRateLimit-Remaining: 76;w=21600\r\n", "{}"),
    })
    .await;
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("busy", &host)]);
    let health = portal.doctor.health(&Context::default()).await.remove(0).answer.unwrap();
    assert!(health.note.contains("76 of 100 pulls left"), "{}", health.note);
}

#[tokio::test]
async fn limits_that_are_told_only_after_the_sign_in_are_shown_too() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let asked = AtomicUsize::new(0);
    let realm =
        server(|_| http("200 OK", "Content-Type: application/json\r\n", r#"{"token":"t","expires_in":300}"#)).await;
    let host = server(move |_| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => http(
            "401 Unauthorized",
            &format!("WWW-Authenticate: Bearer realm=\"http://{realm}/token\",service=\"x\"\r\n"),
            "",
        ),
        _ => http("200 OK", "RateLimit-Limit: 200;w=21600\r\nRateLimit-Remaining: 199;w=21600\r\n", "{}"),
    })
    .await;
    let home = Home::new();
    let portal = lab::portal(&home, vec![lab::registry("hublike", &host)]);
    let health = portal.doctor.health(&Context::default()).await.remove(0).answer.unwrap();
    assert!(health.note.contains("199 of 200 pulls left"), "{}", health.note);
}

/// Hub's search as its API is published; Hub itself is not available in a test. Gives its address.
pub(crate) async fn hub() -> String {
    let answer = r#"{"count":2,"results":[
        {"repo_name":"alpine","short_description":"A minimal \u001b[31mimage","star_count":11000,"pull_count":1000000000,"is_official":true,"is_automated":false},
        {"repo_name":"bitnami/redis","short_description":"","star_count":3,"pull_count":7,"is_official":false,"badge":"verified_publisher"},
        {"repo_name":"../evil","short_description":"x","star_count":0,"pull_count":0,"is_official":false}]}"#;
    server(move |path| {
        let asked = path.strip_prefix("/v2/search/repositories/?query=").unwrap_or_default();
        if ["alp", "redis"].iter().any(|word| asked.starts_with(word)) {
            http("200 OK", "Content-Type: application/json\r\n", answer)
        } else {
            http("404 Not Found", "", "")
        }
    })
    .await
}

#[tokio::test]
async fn hub_answers_searches_with_publishers_and_counts() {
    let host = hub().await;
    let home = Home::new();
    let hub = lab::written("hub", "hub", &format!("http://{host}/"));
    let portal = lab::portal(&home, vec![hub]);
    let list = async |query: Option<&str>| {
        let (out, _) = tokio::sync::mpsc::channel(1);
        portal.catalog.list(&Context::default(), "hub", query, out).await.unwrap().rows
    };
    assert!(list(None).await.is_empty(), "without words nothing is asked");
    let rows = list(Some("alp")).await;
    let row = |at: usize| rows.get(at).unwrap();
    assert_eq!((rows.len(), row(0).name, row(1).name), (2, "bitnami/redis", "library/alpine"));
    assert_eq!((row(1).publisher.badge().word, row(0).publisher.badge().word), ("official", "verified publisher"));
    assert!(row(1).note.contains("★11,000") && !row(1).note.contains('\u{1b}'), "{}", row(1).note);
    assert_eq!(
        portal.sources.row("hub", "library/alpine", Some("3.19")).unwrap().to_string(),
        "oci://docker.io/library/alpine:3.19"
    );
}
