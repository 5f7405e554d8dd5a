//! Transfers to a real registry that are cut, cancelled, or slow.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use wharf::core::{
    base::{
        context::{Context, Progress},
        digest::Digest,
        error::Kind,
    },
    image::reference::ImageRef,
    portal::Portal,
    transfer::copy::Options,
};

use crate::{
    lab::{self, Home, need},
    wire::{self, Fault},
};

/// A layout with one incompressible layer of `size` bytes that no registry has.
pub(crate) fn layout(home: &Home, size: usize) -> ImageRef {
    let folder = home.path("big");
    let blobs = folder.join("blobs/sha256");
    std::fs::create_dir_all(&blobs).unwrap();
    let put = |bytes: &[u8]| {
        let digest = Digest::of(bytes);
        std::fs::write(blobs.join(digest.hex()), bytes).unwrap();
        digest
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut state = u64::try_from(now.as_nanos()).unwrap() | 1;
    let mut layer = Vec::with_capacity(size);
    while layer.len() < size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        layer.extend_from_slice(&state.to_le_bytes());
    }
    let layer_digest = put(&layer);
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let config_digest = put(config);
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer_digest}","size":{}}}]}}"#,
        config.len(),
        layer.len()
    );
    let manifest_digest = put(manifest.as_bytes());
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{manifest_digest}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"1"}}}}]}}"#,
        manifest.len()
    );
    std::fs::write(folder.join("index.json"), index).unwrap();
    std::fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    format!("file:{}:1", folder.display()).parse().unwrap()
}

fn portal(home: &Home, hosts: &[&str]) -> std::sync::Arc<Portal> {
    lab::portal(home, hosts.iter().map(|host| lab::registry(host, host)).collect())
}

/// A context that is cancelled when some bytes have been sent and most have not.
fn cancelled_in_the_middle() -> Context {
    let (progress, mut notes) = Progress::channel();
    let cx = Context { progress, ..Context::default() };
    let cancel = cx.cancel.clone();
    tokio::spawn(async move {
        while notes.changed().await.is_ok() {
            if notes.borrow_and_update().done > 1 << 20 {
                cancel.cancel();
            }
        }
    });
    cx
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_upload_is_taken_up_again() {
    let open = need!("WHARF_LAB_OPEN");
    let wire = wire::to(&open, Fault::Cut { after: 9 << 20, times: 2 }).await;
    let home = Home::new();
    let from = layout(&home, 24 << 20);
    let portal = portal(&home, &[&wire.address, &open]);
    let repository = lab::fresh("cut/upload");
    let to: ImageRef = format!("{}/{repository}:1", wire.address).parse().unwrap();
    let outcome = portal.transfers.copy(&Context::default(), &from, &to, &Options::default()).await.unwrap();
    assert_eq!(wire.cuts.load(Ordering::SeqCst), 2, "it was cut twice");
    let there: ImageRef = format!("{open}/{repository}:1").parse().unwrap();
    let image = portal.sources.image(&Context::default(), &there, None).await.unwrap();
    assert_eq!(image.pinned.unwrap().digest, outcome.digest);
    // Debian's registry cannot resume a broken upload: each cut costs what was sent before it, and nothing else.
    let sent = wire.sent.load(Ordering::SeqCst);
    assert!(sent < 2 * (24 << 20), "{sent} bytes were sent");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_copy_ends_at_once_and_leaves_no_image() {
    let open = need!("WHARF_LAB_OPEN");
    let wire = wire::to(&open, Fault::Slow(1 << 10)).await;
    let home = Home::new();
    let from = layout(&home, 32 << 20);
    let portal = portal(&home, &[&wire.address, &open]);
    let repository = lab::fresh("cancelled/copy");
    let to: ImageRef = format!("{}/{repository}:1", wire.address).parse().unwrap();
    let cx = cancelled_in_the_middle();
    let began = std::time::Instant::now();
    let error = portal.transfers.copy(&cx, &from, &to, &Options::default()).await.unwrap_err();
    assert_eq!(error.kind, Kind::Cancelled, "{error}");
    assert!(began.elapsed() < Duration::from_secs(20), "32 MiB at that rate take more than 30 s");
    let there: ImageRef = format!("{open}/{repository}:1").parse().unwrap();
    let error = portal.sources.image(&Context::default(), &there, None).await.unwrap_err();
    assert_eq!(error.kind, Kind::NotFound, "{error}");
    // Another try on a working connection completes the copy.
    portal.transfers.copy(&Context::default(), &from, &there, &Options::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_download_leaves_no_image_and_goes_on_from_there() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let from = layout(&home, 32 << 20);
    let portal = portal(&home, &[&open]);
    let there: ImageRef = format!("{open}/cancelled/download:1").parse().unwrap();
    portal.transfers.copy(&Context::default(), &from, &there, &Options::default()).await.unwrap();
    let folder: PathBuf = home.path("down");
    let to: ImageRef = format!("file:{}:1", folder.display()).parse().unwrap();
    let cx = cancelled_in_the_middle();
    match portal.transfers.copy(&cx, &there, &to, &Options::default()).await {
        Err(error) => {
            assert_eq!(error.kind, Kind::Cancelled, "{error}");
            assert!(!folder.join("index.json").exists(), "no half image");
        }
        // A fast disk may be done before the progress is read.
        Ok(_) => assert!(folder.join("index.json").exists()),
    }
    portal.transfers.copy(&Context::default(), &there, &to, &Options::default()).await.unwrap();
    let place = lab::place(&portal, &to);
    assert!(place.content.manifest(&Context::default(), &to).await.is_ok());
}

/// A registry that can resume an upload, as the distribution specification has it ("Resuming an upload"). Debian's
/// cannot: it answers 404 to an upload that stopped in the middle. This one keeps what arrived and cuts the first
/// upload short.
mod resuming {
    use std::sync::{Arc, Mutex};

    use tokio::{
        io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
        net::{TcpListener, TcpStream},
    };

    #[derive(Default)]
    pub(super) struct Seen {
        pub bytes: Vec<u8>,
        pub ranges: Vec<String>,
        cut: bool,
    }

    pub(super) async fn server(cut_at: usize) -> (String, Arc<Mutex<Seen>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let shared = seen.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, shared.clone(), cut_at));
            }
        });
        (address, seen)
    }

    async fn serve(stream: TcpStream, seen: Arc<Mutex<Seen>>, cut_at: usize) -> Option<()> {
        let mut stream = BufReader::new(stream);
        loop {
            let mut head = Vec::new();
            loop {
                let mut line = String::new();
                if stream.read_line(&mut line).await.ok()? == 0 {
                    return None;
                }
                if line == "\r\n" {
                    break;
                }
                head.push(line.trim_end().to_owned());
            }
            let request = head.first()?.clone();
            let value = |name: &str| {
                head.iter().find_map(|line| {
                    let (key, value) = line.split_once(": ")?;
                    key.eq_ignore_ascii_case(name).then(|| value.to_owned())
                })
            };
            let chunked = value("transfer-encoding").is_some();
            let is_upload = request.starts_with("PATCH");
            if let (true, Some(range)) = (is_upload, value("content-range")) {
                seen.lock().unwrap().ranges.push(range);
            }
            let length = value("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
            assert!(!chunked, "uploads tell their length");
            let is_cut = is_upload && !std::mem::replace(&mut seen.lock().unwrap().cut, true);
            if is_cut {
                // The bytes that arrived are kept; the connection is not.
                let part = read(&mut stream, cut_at).await?;
                seen.lock().unwrap().bytes.extend_from_slice(&part);
                return None;
            }
            let body = read(&mut stream, length).await?;
            if is_upload {
                seen.lock().unwrap().bytes.extend_from_slice(&body);
            }
            let have = seen.lock().unwrap().bytes.len();
            let answer = if request.starts_with("POST") && !request.contains("mount=") {
                "202 Accepted\r\nLocation: /v2/r/x/blobs/uploads/1\r\nRange: 0-0".to_owned()
            } else if request.starts_with("POST") {
                "202 Accepted\r\nLocation: /v2/r/x/blobs/uploads/2".to_owned()
            } else if is_upload {
                format!("202 Accepted\r\nLocation: /v2/r/x/blobs/uploads/1\r\nRange: 0-{}", have - 1)
            } else if request.starts_with("GET") && request.contains("/uploads/") {
                format!("204 No Content\r\nLocation: /v2/r/x/blobs/uploads/1\r\nRange: 0-{}", have.saturating_sub(1))
            } else if request.starts_with("PUT") || request.starts_with("DELETE") {
                "201 Created".to_owned()
            } else if request.starts_with("GET /v2/ ") {
                "200 OK".to_owned()
            } else {
                "404 Not Found".to_owned()
            };
            let ending = if answer.starts_with("204") { "\r\n\r\n" } else { "\r\nContent-Length: 0\r\n\r\n" };
            stream.get_mut().write_all(format!("HTTP/1.1 {answer}{ending}").as_bytes()).await.ok()?;
        }
    }

    async fn read(stream: &mut BufReader<TcpStream>, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        stream.read_exact(&mut bytes).await.ok()?;
        Some(bytes)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_can_resume_is_sent_only_the_rest() {
    let (host, seen) = resuming::server(3 << 20).await;
    let home = Home::new();
    let from = layout(&home, 10 << 20);
    let portal = portal(&home, &[&host]);
    let place = lab::place(&portal, &from);
    let at: ImageRef = format!("{host}/r/x:1").parse().unwrap();
    let (_, layers) = {
        let manifest = place.content.manifest(&Context::default(), &from).await.unwrap();
        match manifest.parsed().clone() {
            wharf::core::image::manifest::Manifest::Image { config, layers, .. } => (config, layers),
            other => panic!("{other:?}"),
        }
    };
    let source = wharf::core::transfer::copy::VerifiedBlob::new(&Context::default(), &place, &layers[0]);
    let to = lab::place(&portal, &at);
    to.content.put_blob(&Context::default(), &at, &layers[0], &source).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(Digest::of(&seen.bytes), layers[0].digest, "every byte came once and in order");
    // "Pushing a blob in chunks": each chunk says which bytes it has; the second one begins where the first was cut.
    assert_eq!(seen.ranges, ["0-5242879", "3145728-8388607", "8388608-10485759"]);
}
