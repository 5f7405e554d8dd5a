//! A registry in memory that answers as the specification says, except where a test wants other answers. Real ones
//! cannot be made to answer so.

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wharf::core::base::digest::Digest;

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// A request that arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ask {
    pub method: String,
    pub path: String,
    pub query: HashMap<String, String>,
    /// Header values by name in lower case.
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Ask {
    /// Method and path of the request.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// An answer of the registry.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Whether the answer has a `Content-Length`.
    pub length: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), length: true }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::new(status, body.to_string()).with("Content-Type", "application/json")
    }

    pub(crate) fn error(status: u16, code: &str) -> Self {
        Self::json(status, &json!({"errors": [{"code": code, "message": code.to_lowercase(), "detail": null}]}))
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The same answer without a header.
    #[must_use]
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(known, _)| !known.eq_ignore_ascii_case(name));
        self
    }
}

#[derive(Default)]
struct Kept {
    blobs: HashMap<String, Vec<u8>>,
    manifests: HashMap<(String, String), (String, Vec<u8>)>,
    uploads: HashMap<String, Vec<u8>>,
    begun: usize,
    asked: Vec<Ask>,
}

type Hook = Arc<dyn Fn(&Ask) -> Option<Reply> + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Scripted {
    /// The address as `host:port`.
    pub address: String,
    kept: Arc<Mutex<Kept>>,
    hook: Arc<Mutex<Hook>>,
}

impl Scripted {
    pub(crate) fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let nothing: Hook = Arc::new(|_| None);
        let registry = Self { address, kept: Arc::default(), hook: Arc::new(Mutex::new(nothing)) };
        let served = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || served.serve(stream));
            }
        });
        registry
    }

    /// From now on, `hook` answers the requests for which it gives an answer.
    pub(crate) fn answers(&self, hook: impl Fn(&Ask) -> Option<Reply> + Send + Sync + 'static) {
        *self.hook.lock().unwrap() = Arc::new(hook);
    }

    /// The requests since this was last called.
    pub(crate) fn asked(&self) -> Vec<Ask> {
        std::mem::take(&mut self.kept.lock().unwrap().asked)
    }

    /// The same as lines of method and path.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Ask::line).collect()
    }

    pub(crate) fn kept_manifest(&self, repository: &str, selector: &str) -> Option<Vec<u8>> {
        let key = (repository.to_owned(), selector.to_owned());
        self.kept.lock().unwrap().manifests.get(&key).map(|(_, bytes)| bytes.clone())
    }

    pub(crate) fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.kept.lock().unwrap().blobs.insert(digest.to_string(), bytes.to_vec());
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Keeps a manifest as written; gives its descriptor.
    pub(crate) fn raw(&self, repository: &str, tag: Option<&str>, kind: &str, text: &str) -> Value {
        let digest = Digest::of(text.as_bytes()).to_string();
        let mut kept = self.kept.lock().unwrap();
        for name in [Some(digest.as_str()), tag].into_iter().flatten() {
            let key = (repository.to_owned(), name.to_owned());
            kept.manifests.insert(key, (kind.to_owned(), text.as_bytes().to_vec()));
        }
        json!({"mediaType": kind, "digest": digest, "size": text.len()})
    }

    pub(crate) fn put(&self, repository: &str, tag: Option<&str>, document: &Value) -> Value {
        let kind = document["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
        self.raw(repository, tag, &kind, &document.to_string())
    }

    /// An image with one small layer, which `word` makes different from others.
    pub(crate) fn image(&self, repository: &str, tag: Option<&str>, word: &str) -> Value {
        let layer = self.blob("application/vnd.oci.image.layer.v1.tar", format!("{word:x<1024}").as_bytes());
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": [word]},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        self.put(repository, tag, &document)
    }

    fn serve(&self, stream: TcpStream) {
        let mut writer = stream.try_clone().unwrap();
        let Some(ask) = read(&mut BufReader::new(stream)) else { return };
        self.kept.lock().unwrap().asked.push(ask.clone());
        let hook = self.hook.lock().unwrap().clone();
        let reply = hook(&ask).unwrap_or_else(|| self.usual(&ask));
        let mut head = format!("HTTP/1.1 {} Told\r\nConnection: close\r\n", reply.status);
        reply.headers.iter().for_each(|(name, value)| head += &format!("{name}: {value}\r\n"));
        if reply.length {
            head += &format!("Content-Length: {}\r\n", reply.body.len());
        }
        let _ = writer.write_all(format!("{head}\r\n").as_bytes());
        if ask.method != "HEAD" {
            let _ = writer.write_all(&reply.body);
        }
    }

    /// The answer that the specification requires.
    pub(crate) fn usual(&self, ask: &Ask) -> Reply {
        let path = ask.path.strip_prefix("/v2/").unwrap_or_default();
        if path.is_empty() {
            return Reply::json(200, &json!({}));
        }
        if path == "_catalog" {
            let kept = self.kept.lock().unwrap();
            let mut names: Vec<&String> = kept.manifests.keys().map(|(name, _)| name).collect();
            names.sort();
            names.dedup();
            return Reply::json(200, &json!({"repositories": names}));
        }
        if let Some(name) = path.strip_suffix("/tags/list") {
            let kept = self.kept.lock().unwrap();
            let named = kept.manifests.keys().filter(|(known, tag)| known == name && !tag.contains(':'));
            let mut tags: Vec<&String> = named.map(|(_, tag)| tag).collect();
            tags.sort();
            return Reply::json(200, &json!({"name": name, "tags": tags}));
        }
        if let Some((name, selector)) = path.split_once("/manifests/") {
            return self.manifest(ask, name, selector);
        }
        if let Some((name, id)) = path.split_once("/blobs/uploads/") {
            return self.upload(ask, name, id);
        }
        match path.split_once("/blobs/") {
            Some((_, digest)) => match self.kept.lock().unwrap().blobs.get(digest) {
                Some(bytes) => Reply::new(200, bytes.clone()).with("Content-Type", "application/octet-stream"),
                None => Reply::error(404, "BLOB_UNKNOWN"),
            },
            None => Reply::error(404, "NOT_FOUND"),
        }
    }

    fn manifest(&self, ask: &Ask, name: &str, selector: &str) -> Reply {
        if ask.method == "PUT" {
            let text = String::from_utf8(ask.body.clone()).unwrap();
            let tag = Some(selector).filter(|selector| !selector.contains(':'));
            let found = self.raw(name, tag, ask.header("content-type"), &text);
            return Reply::new(201, "")
                .with("Location", ask.path.clone())
                .with("Docker-Content-Digest", found["digest"].as_str().unwrap());
        }
        let key = (name.to_owned(), selector.to_owned());
        match self.kept.lock().unwrap().manifests.get(&key) {
            Some((kind, bytes)) => Reply::new(200, bytes.clone())
                .with("Content-Type", kind.clone())
                .with("Docker-Content-Digest", Digest::of(bytes).to_string()),
            None => Reply::error(404, "MANIFEST_UNKNOWN"),
        }
    }

    fn upload(&self, ask: &Ask, name: &str, id: &str) -> Reply {
        let mut kept = self.kept.lock().unwrap();
        let place = |id: &str| format!("/v2/{name}/blobs/uploads/{id}?state=begun");
        match ask.method.as_str() {
            "POST" => {
                kept.begun += 1;
                let id = format!("u{}", kept.begun);
                kept.uploads.insert(id.clone(), Vec::new());
                Reply::new(202, "").with("Location", place(&id)).with("Range", "0-0")
            }
            "PATCH" => {
                let Some(bytes) = kept.uploads.get_mut(id) else { return Reply::error(404, "BLOB_UPLOAD_UNKNOWN") };
                bytes.extend_from_slice(&ask.body);
                let last = bytes.len().saturating_sub(1);
                Reply::new(202, "").with("Location", place(id)).with("Range", format!("0-{last}"))
            }
            "PUT" => {
                let Some(mut bytes) = kept.uploads.remove(id) else {
                    return Reply::error(404, "BLOB_UPLOAD_UNKNOWN");
                };
                bytes.extend_from_slice(&ask.body);
                let digest = Digest::of(&bytes).to_string();
                if digest != ask.value("digest") {
                    return Reply::error(400, "DIGEST_INVALID");
                }
                kept.blobs.insert(digest.clone(), bytes);
                Reply::new(201, "").with("Location", format!("/v2/{name}/blobs/{digest}"))
            }
            "DELETE" => Reply::new(204, ""),
            _ => Reply::error(405, "UNSUPPORTED"),
        }
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> Option<Ask> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut parts = line.split(' ');
    let (method, target) = (parts.next()?.to_owned(), parts.next()?.to_owned());
    let (path, query) = target.split_once('?').unwrap_or((&target, ""));
    let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if headers.get("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).ok()?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; size + 2];
            stream.read_exact(&mut chunk).ok()?;
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    } else if let Some(size) = headers.get("content-length").and_then(|value| value.parse().ok()) {
        body = vec![0; size];
        stream.read_exact(&mut body).ok()?;
    }
    Some(Ask { method, path: path.to_owned(), query, headers, body })
}
