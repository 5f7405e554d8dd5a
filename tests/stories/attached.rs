//! What is attached to an image, and that a digest has only one reading. Real registries cannot be made to answer like
//! this: a small one in memory stands in for them.

use std::{
    collections::HashMap,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use wharf::core::base::digest::{Digest, Hasher};

use crate::{
    lab::{self, Home, need},
    site::Site,
};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const PAYLOAD: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// An answer: status, content type, further headers, body.
#[derive(Clone)]
struct Answer(u16, String, String, Vec<u8>);

fn answer(status: u16, kind: &str, body: impl AsRef<[u8]>) -> Answer {
    Answer(status, kind.to_owned(), String::new(), body.as_ref().to_vec())
}

#[derive(Default)]
struct Inner {
    content: HashMap<String, Answer>,
    rules: Vec<(String, Answer)>,
    slow: HashMap<String, std::time::Duration>,
    asked: Vec<String>,
}

/// A registry in memory whose answers a test can set.
struct Told {
    address: String,
    inner: Arc<Mutex<Inner>>,
}

impl Told {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let told = Self { address: listener.local_addr().unwrap().to_string(), inner: Arc::default() };
        let inner = told.inner.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let inner = inner.clone();
                std::thread::spawn(move || serve(stream, &inner));
            }
        });
        told
    }

    fn image(&self) -> String {
        format!("{}/a/b:1", self.address)
    }

    /// Sets the answer to requests whose method and path begin with `begin`.
    fn says(&self, begin: &str, answer: Answer) {
        self.inner.lock().unwrap().rules.push((begin.to_owned(), answer));
    }

    /// Delays the answer to this request line.
    fn slow(&self, line: &str, time: std::time::Duration) {
        self.inner.lock().unwrap().slow.insert(line.to_owned(), time);
    }

    fn forget_rules(&self) {
        self.inner.lock().unwrap().rules.clear();
    }

    /// The request lines since this was last called.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.inner.lock().unwrap().asked)
    }

    fn keep(&self, path: String, answer: Answer) {
        self.inner.lock().unwrap().content.insert(path, answer);
    }

    fn blob(&self, kind: &str, bytes: &[u8]) -> Value {
        let digest = Digest::of(bytes);
        self.keep(format!("/v2/a/b/blobs/{digest}"), answer(200, "application/octet-stream", bytes));
        json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
    }

    /// Keeps a manifest as written, by digest and under a tag; gives its descriptor.
    fn raw(&self, tag: Option<&str>, kind: &str, text: &str) -> Value {
        let digest = Digest::of(text.as_bytes());
        for name in [Some(digest.as_str()), tag].into_iter().flatten() {
            self.keep(format!("/v2/a/b/manifests/{name}"), answer(200, kind, text));
        }
        json!({"mediaType": kind, "digest": digest, "size": text.len()})
    }

    fn put(&self, tag: Option<&str>, kind: &str, document: &Value) -> Value {
        self.raw(tag, kind, &document.to_string())
    }

    /// An image without layers that would run this command.
    fn plain(&self, tag: Option<&str>, command: &str) -> Value {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": [command]},
            "rootfs": {"type": "layers", "diff_ids": []}});
        let config = self.blob(CONFIG, config.to_string().as_bytes());
        self.put(tag, MANIFEST, &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": []}))
    }

    /// An artifact of a type with these layers.
    fn artifact(&self, tag: Option<&str>, kind: &str, layers: &[Value]) -> Value {
        let config = self.blob("application/vnd.oci.empty.v1+json", b"{}");
        let document = json!({"schemaVersion": 2, "mediaType": MANIFEST, "artifactType": kind, "config": config,
            "layers": layers});
        let mut entry = self.put(tag, MANIFEST, &document);
        entry["artifactType"] = kind.into();
        entry
    }

    /// Lists these entries as attached.
    fn lists(&self, entries: &[Value]) {
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
        self.says("GET /v2/a/b/referrers/", answer(200, INDEX, list.to_string()));
    }
}

fn serve(mut stream: TcpStream, inner: &Mutex<Inner>) {
    let mut head = Vec::new();
    let mut byte = [0; 1];
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 << 10 {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let line = text.split(" HTTP/").next().unwrap_or_default().to_owned();
    let (method, path) = line.split_once(' ').unwrap_or_default();
    let time = inner.lock().unwrap().slow.get(&line).copied();
    if let Some(time) = time {
        std::thread::park_timeout(time);
    }
    let found = {
        let mut inner = inner.lock().unwrap();
        inner.asked.push(line.clone());
        let rule = inner.rules.iter().rev().find(|(begin, _)| line.starts_with(begin.as_str()));
        rule.map(|(_, answer)| answer.clone()).or_else(|| inner.content.get(path).cloned())
    };
    let none = || answer(404, "application/json", r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"not here"}]}"#);
    let Answer(status, kind, more, body) = found.unwrap_or_else(none);
    let head = format!(
        "HTTP/1.1 {status} Told\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{more}\r\n",
        body.len()
    );
    let _ = stream.write_all(head.as_bytes());
    if method != "HEAD" {
        let _ = stream.write_all(&body);
    }
}

/// A person whose policy trusts one key, which they have.
struct Person {
    home: Home,
}

impl Person {
    fn new(told: &Told) -> Self {
        let home = Home::new();
        let folder = home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let made = Command::new("sh")
            .args(["-ec", "openssl ecparam -genkey -name prime256v1 -noout -out site.key; openssl pkey -in site.key -pubout -out site.pub; openssl ecparam -genkey -name prime256v1 -noout -out other.key"])
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", lab::complained(&made));
        let text = format!(
            "[[source]]\nname = \"told\"\ntype = \"oci\"\nurl = \"http://{}\"\n[policy.signature]\nkeys = [\"site.pub\"]\n",
            told.address
        );
        std::fs::write(folder.join("wharf.toml"), text).unwrap();
        Self { home }
    }

    /// State and reason of the signature, checked again.
    fn signature(&self, image: &str) -> (String, String) {
        let output = self.home.run(&["verify", image, "--again", "--json"]);
        let said: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let records = said["records"].as_array().unwrap();
        let record = records.iter().find(|one| one["outcome"]["signature"].is_object()).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&record["outcome"]["signature"]["state"]), text(&record["reason"]))
    }

    fn sign(&self, key: &str, message: &[u8]) -> String {
        let folder = self.home.path(".config/wharf");
        let file = folder.join(lab::fresh("message"));
        std::fs::write(&file, message).unwrap();
        let signed = Command::new("openssl")
            .args(["dgst", "-sha256", "-sign", &format!("{key}.key")])
            .arg(&file)
            .current_dir(&folder)
            .output()
            .unwrap();
        assert!(signed.status.success(), "{}", lab::complained(&signed));
        STANDARD.encode(signed.stdout)
    }

    /// A layer with a classic signature over `of`.
    fn classic(&self, told: &Told, key: &str, of: &Value) -> Value {
        let payload = json!({"critical": {"identity": {"docker-reference": format!("{}/a/b", told.address)},
            "image": {"docker-manifest-digest": of["digest"]}, "type": "cosign container image signature"}, "optional": null});
        let payload = payload.to_string();
        let mut layer = told.blob(PAYLOAD, payload.as_bytes());
        layer["annotations"] = json!({"dev.cosignproject.cosign/signature": self.sign(key, payload.as_bytes())});
        layer
    }

    /// A layer with a bundle over `of`; its hint is the trusted key's, whichever key made it.
    fn bundle(&self, told: &Told, key: &str, of: &Value) -> Value {
        let digest: Digest = of["digest"].as_str().unwrap().parse().unwrap();
        let statement = json!({"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest.hex()}}],
            "predicateType": "https://sigstore.dev/cosign/sign/v1", "predicate": {}});
        let statement = statement.to_string();
        let kind = "application/vnd.in-toto+json";
        let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
        let hint = Command::new("sh")
            .args(["-ec", "openssl pkey -pubin -in site.pub -outform DER | openssl dgst -sha256 -binary | base64 -w0"])
            .current_dir(self.home.path(".config/wharf"))
            .output()
            .unwrap();
        let bundle = json!({"mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": lab::said(&hint)}},
            "dsseEnvelope": {"payload": STANDARD.encode(&statement), "payloadType": kind,
                "signatures": [{"sig": self.sign(key, message.as_bytes())}]}});
        told.blob(BUNDLE, bundle.to_string().as_bytes())
    }
}

fn tag_of(of: &Value, ending: &str) -> String {
    format!("{}{ending}", of["digest"].as_str().unwrap().replace(':', "-"))
}

#[test]
fn unsigned_is_said_only_where_every_place_was_looked_at() {
    let told = Told::new();
    let person = Person::new(&told);
    let image = told.plain(Some("1"), "look");
    let referrers = "GET /v2/a/b/referrers/".to_owned();
    let (signature, fallback) = (tag_of(&image, ".sig"), tag_of(&image, ""));
    let tag = |tag: &str| format!("HEAD /v2/a/b/manifests/{tag}");
    let page = "<html><body>Please sign in to the network</body></html>";
    let json_error = r#"{"errors":[]}"#;
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let linked =
        |link: &str| Answer(200, INDEX.into(), format!("Link: <{link}>; rel=\"next\"\r\n"), list.clone().into());
    let next = format!("/v2/a/b/referrers/{}?page=2", image["digest"].as_str().unwrap());
    let elsewhere = format!("http://127.0.0.1:9/v2/a/b/referrers/{}", image["digest"].as_str().unwrap());
    let too_long = format!(r#"{{"schemaVersion":2,"manifests":[],"x":"{}"}}"#, "x".repeat(5 << 20));
    let mut cases: Vec<(String, Answer, &str, &str)> = Vec::new();
    // The referrers API is missing or lists nothing: the tags say the rest.
    for status in [404, 400, 405, 501] {
        cases.push((referrers.clone(), answer(status, "application/json", json_error), "none-found", ""));
    }
    cases.push((referrers.clone(), answer(404, "text/plain", "404 page not found"), "none-found", ""));
    cases.push((referrers.clone(), answer(404, "text/html", page), "none-found", ""));
    cases.push((referrers.clone(), answer(200, "text/html", page), "none-found", ""));
    cases.push((referrers.clone(), answer(200, INDEX, &list), "none-found", ""));
    for empty in [json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": null}), json!({"mediaType": INDEX})] {
        cases.push((referrers.clone(), answer(200, INDEX, empty.to_string()), "none-found", ""));
    }
    // A tag of somebody else's content is there: it is no list, and hides nothing.
    cases.push((tag(&fallback), answer(404, "", ""), "none-found", ""));
    // Nobody could look.
    for status in [401, 403, 429, 500, 503] {
        for place in [referrers.clone(), tag(&signature), tag(&fallback)] {
            let named = if place == referrers { "the referrers interface" } else { "the tag sha256-" };
            cases.push((place, answer(status, "application/json", json_error), "unreachable", named));
        }
    }
    for broken in ["", "{", r#"{"manifests":["#, r#"{"manifests":"x"}"#, r#"{"manifests":[],"manifests":[]}"#] {
        cases.push((referrers.clone(), answer(200, INDEX, broken), "unreachable", "the referrers interface"));
    }
    let unread = json!({"mediaType": INDEX, "manifests": [{"mediaType": MANIFEST, "digest": "blake3:aa", "size": 1}]});
    cases.push((referrers.clone(), answer(200, INDEX, unread.to_string()), "unreachable", "cannot be read"));
    cases.push((referrers.clone(), answer(200, INDEX, too_long), "unreachable", "longer than"));
    cases.push((referrers.clone(), linked(&next), "unreachable", "leads to itself"));
    cases.push((referrers.clone(), linked(&elsewhere), "unreachable", "at another address"));
    for (place, said, state, words) in cases {
        let Answer(status, kind, ..) = &said;
        let case = format!("{place} answers {status} {kind}");
        told.forget_rules();
        told.says("HEAD /v2/a/b/manifests/sha256-", answer(404, "application/json", ""));
        told.says(&place, said.clone());
        let found = person.signature(&told.image());
        assert_eq!(found.0, state, "{case}: {}", found.1);
        assert!(found.1.contains(words), "{case}: {}", found.1);
    }
    // A proxy's page for every address does not mean that a tag is missing.
    told.forget_rules();
    for method in ["HEAD", "GET"] {
        told.says(&format!("{method} /v2/a/b/manifests/sha256-"), answer(404, "text/html", page));
    }
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    assert!(found.1.contains("a web page answered"), "{}", found.1);
    // A second page that cannot be read, and one that never ends.
    told.forget_rules();
    told.says(&referrers, linked(&next));
    told.says(&format!("GET {next}"), answer(500, "application/json", json_error));
    assert_eq!(person.signature(&told.image()).0, "unreachable");
    told.says(&format!("GET {next}"), answer(200, INDEX, &list));
    assert_eq!(person.signature(&told.image()).0, "none-found", "two pages, and nothing on both");
    for number in 0..200 {
        told.says(&format!("GET {next}{number}"), linked(&format!("{next}{}", number + 1)));
    }
    told.says(&referrers, linked(&format!("{next}0")));
    told.says(&format!("GET {next}"), linked(&format!("{next}0")));
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    // A good signature counts, even if other places could not be read.
    told.forget_rules();
    told.says(&referrers, answer(500, "application/json", json_error));
    told.artifact(Some(&signature), "", &[person.classic(&told, "site", &image)]);
    assert_eq!(person.signature(&told.image()).0, "verified");
}

#[test]
fn signatures_are_found_in_every_place_and_on_every_page() {
    let told = Told::new();
    let person = Person::new(&told);
    let image = told.plain(Some("1"), "look");
    let unsigned = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": []}).to_string();
    let list = |entries: &[Value]| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
    let bundle = told.artifact(None, BUNDLE, &[person.bundle(&told, "site", &image)]);
    // On the second page.
    let next = format!("/v2/a/b/referrers/{}?page=2", image["digest"].as_str().unwrap());
    let first = Answer(200, INDEX.into(), format!("Link: <{next}>; rel=\"next\"\r\n"), unsigned.clone().into());
    told.says("GET /v2/a/b/referrers/", first);
    told.says(&format!("GET {next}"), answer(200, INDEX, list(std::slice::from_ref(&bundle))));
    assert_eq!(person.signature(&told.image()).0, "verified");
    // Under the fallback tag: without the referrers API, and beside one that lists nothing.
    told.put(Some(&tag_of(&image, "")), INDEX, &serde_json::from_str(&list(std::slice::from_ref(&bundle))).unwrap());
    for interface in
        [answer(404, "application/json", "{}"), answer(200, INDEX, &unsigned), answer(200, "text/html", "<html>")]
    {
        told.forget_rules();
        told.says("GET /v2/a/b/referrers/", interface);
        assert_eq!(person.signature(&told.image()).0, "verified");
    }
    // Listed without its type, as older programs do.
    let mut bare = bundle.clone();
    bare.as_object_mut().unwrap().remove("artifactType");
    told.put(Some(&tag_of(&image, "")), INDEX, &serde_json::from_str(&list(&[bare])).unwrap());
    assert_eq!(person.signature(&told.image()).0, "verified");
    // A classic signature that is attached as an artifact.
    let classic = "application/vnd.dev.cosign.artifact.sig.v1+json";
    let classic = told.artifact(None, classic, &[person.classic(&told, "site", &image)]);
    told.put(Some(&tag_of(&image, "")), INDEX, &serde_json::from_str(&list(&[classic])).unwrap());
    assert_eq!(person.signature(&told.image()).0, "verified");
}

#[test]
fn junk_hides_no_signature_and_denies_nobody_an_image() {
    let told = Told::new();
    let person = Person::new(&told);
    let (image, other) = (told.plain(Some("1"), "look"), told.plain(None, "other"));
    let junk = |number: usize, kind: &str| {
        json!({"mediaType": MANIFEST, "size": 100, "artifactType": kind,
        "digest": Digest::of(format!("junk {number}").as_bytes())})
    };
    // Thousands of other things, none of which is fetched; the signature comes last.
    let bundle = told.artifact(None, BUNDLE, &[person.bundle(&told, "site", &image)]);
    let mut entries: Vec<Value> = (0..3_000).map(|number| junk(number, "application/vnd.example.junk")).collect();
    entries.push(bundle.clone());
    told.lists(&entries);
    told.asked();
    assert_eq!(person.signature(&told.image()).0, "verified");
    let asked = told.asked();
    assert!(asked.len() < 40, "{} requests: {:?}", asked.len(), &asked[..40]);
    // More than is read: signatures are requested separately. A registry that filters answers with them; another one
    // with the same list, and then it is reported that the list was not read to its end.
    let many: Vec<Value> = (0..5_100).map(|number| junk(number, "application/vnd.example.junk")).collect();
    told.forget_rules();
    told.lists(&many);
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    let filtered = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [bundle]}).to_string();
    let digest = image["digest"].as_str().unwrap();
    let begin = format!("GET /v2/a/b/referrers/{digest}?artifactType=application%2Fvnd.dev.sigstore");
    told.says(&begin, Answer(200, INDEX.into(), "OCI-Filters-Applied: artifactType\r\n".into(), filtered.into()));
    assert_eq!(person.signature(&told.image()).0, "verified");
    // So many alleged signatures that not all are read: that is reported, and never "unsigned".
    told.forget_rules();
    told.lists(&(0..300).map(|number| junk(number, BUNDLE)).collect::<Vec<_>>());
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    assert!(found.1.contains("too many attachments"), "{}", found.1);
    // The tag is read first, however long the list is.
    let tag = tag_of(&image, ".sig");
    told.artifact(Some(&tag), "", &[person.classic(&told, "site", &image)]);
    assert_eq!(person.signature(&told.image()).0, "verified");
    // A signature of another image, by the trusted key, does not count for this one.
    told.forget_rules();
    let misplaced = person.classic(&told, "site", &other);
    told.artifact(Some(&tag), "", std::slice::from_ref(&misplaced));
    let found = person.signature(&told.image());
    assert_eq!(found.0, "none-found", "{}", found.1);
    assert!(found.1.contains("something else is attached"), "{}", found.1);
    assert_eq!(person.home.run(&["verify", &told.image(), "--again"]).status.code(), Some(3), "not denied");
    // Beside a good signature it changes nothing, nor does any other content in the same place.
    let huge = json!({"mediaType": PAYLOAD, "digest": other["digest"], "size": 1_u64 << 40});
    let gone = json!({"mediaType": PAYLOAD, "digest": Digest::of(b"gone"), "size": 3});
    let text = told.blob(PAYLOAD, b"no payload");
    let stranger = person.classic(&told, "other", &image);
    let failed = person.bundle(&told, "other", &image);
    let good = person.classic(&told, "site", &image);
    let mut layers = vec![misplaced, huge, gone, text, stranger, failed.clone(), good];
    for _ in 0..layers.len() {
        told.artifact(Some(&tag), "", &layers);
        let found = person.signature(&told.image());
        assert_eq!(found.0, "verified", "{}", found.1);
        layers.rotate_left(1);
    }
    // A signature that claims this image and a trusted key, but does not fit, is a failed one unless there is a good
    // one.
    told.artifact(Some(&tag), "", &[failed]);
    let found = person.signature(&told.image());
    assert_eq!(found.0, "invalid", "{}", found.1);
    assert_eq!(person.home.run(&["verify", &told.image(), "--again"]).status.code(), Some(4));
}

#[test]
fn a_signature_for_another_tag_is_no_failed_one() {
    let told = Told::new();
    let person = Person::new(&told);
    let image = told.plain(Some("1"), "look");
    let payload = json!({"critical": {"identity": {"docker-reference": format!("{}/a/b:2", told.address)},
        "image": {"docker-manifest-digest": image["digest"]}, "type": "cosign container image signature"}, "optional": null});
    let payload = payload.to_string();
    let mut layer = told.blob(PAYLOAD, payload.as_bytes());
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": person.sign("site", payload.as_bytes())});
    told.artifact(Some(&tag_of(&image, ".sig")), "", &[layer]);
    let found = person.signature(&told.image());
    assert!(!matches!(found.0.as_str(), "verified" | "invalid"), "{found:?}");
    assert!(found.1.contains("made for the tag 2, not 1"), "{found:?}");
    assert_eq!(person.home.run(&["verify", &told.image(), "--again"]).status.code(), Some(3));
}

#[test]
fn a_digest_has_one_reading_or_the_image_is_refused() {
    let told = Told::new();
    let person = Person::new(&told);
    let image = told.plain(None, "good");
    let config = told
        .blob(CONFIG, br#"{"architecture":"amd64","os":"linux","config":{},"rootfs":{"type":"layers","diff_ids":[]}}"#);
    let own = format!(r#""schemaVersion":2,"config":{config},"layers":[]"#);
    let listed = format!(r#""manifests":[{image}]"#);
    let platform = r#","platform":{"os":"linux","architecture":"amd64"}"#;
    let entry = |from: &str, to: &str| {
        let text = image.to_string().replace(from, to);
        format!(r#"{{"schemaVersion":2,"manifests":[{}{platform}}}]}}"#, text.trim_end_matches('}'))
    };
    let size = format!(r#""size":{}"#, image["size"]);
    for (kind, text) in [
        // An index and an image at once.
        (MANIFEST, format!("{{{own},{listed}}}")),
        (INDEX, format!("{{{own},{listed}}}")),
        ("application/json", format!("{{{own},{listed}}}")),
        // It was sent with another type than it states.
        (INDEX, format!(r#"{{"mediaType":"{MANIFEST}",{own}}}"#)),
        (MANIFEST, format!(r#"{{"mediaType":"{INDEX}","schemaVersion":2,{listed}}}"#)),
        (MANIFEST, format!(r#"{{"schemaVersion":2,{listed}}}"#)),
        // Keys that other programs read, or read last.
        (MANIFEST, format!(r#"{{{own},"Layers":[{{"mediaType":"x","digest":"{}","size":1}}]}}"#, Digest::of(b"x"))),
        (MANIFEST, format!(r#"{{"layers":[],{own}}}"#)),
        // A child with another size or type than its index states.
        (INDEX, entry(&size, r#""size":3"#)),
        (INDEX, entry(MANIFEST, "application/vnd.docker.distribution.manifest.v2+json")),
        // Its configuration: an engine would run the other command.
        (MANIFEST, {
            let config = r#"{"architecture":"amd64","os":"linux","config":{"Cmd":["a"],"cmd":["b"]},"rootfs":{"type":"layers","diff_ids":[]}}"#;
            format!(r#"{{"schemaVersion":2,"config":{},"layers":[]}}"#, told.blob(CONFIG, config.as_bytes()))
        }),
    ] {
        told.raw(Some("1"), kind, &text);
        for arguments in [&["show"][..], &["verify"], &["launch", "--on", "local"]] {
            let done = person.home.run(&[&[arguments[0], &told.image()], &arguments[1..]].concat());
            let said = lab::complained(&done);
            assert_eq!(done.status.code(), Some(1), "{arguments:?} {kind} {text}: {said}");
            let words = ["more than one way", "is said to"];
            assert!(words.iter().any(|word| said.contains(word)), "{text}: {said}");
        }
    }
    // A manifest that states no type is read.
    told.raw(Some("1"), "application/json", &entry("", ""));
    let shown = person.home.run(&["show", &told.image()]);
    assert_eq!(shown.status.code(), Some(0), "{}", lab::complained(&shown));
}

#[test]
fn longer_digests_name_images_layers_and_attachments() {
    let told = Told::new();
    let person = Person::new(&told);
    let long = |bytes: &[u8]| {
        let mut hasher = Hasher::of("sha512");
        hasher.update(bytes);
        hasher.finish()
    };
    let image = told.plain(Some("1"), "look");
    let text = told.inner.lock().unwrap().content["/v2/a/b/manifests/1"].3.clone();
    let digest = long(&text);
    told.keep(format!("/v2/a/b/manifests/{digest}"), answer(200, MANIFEST, &text));
    let by_digest = format!("{}/a/b@{digest}", told.address);
    let shown = person.home.run(&["show", &by_digest, "--json"]);
    assert_eq!(shown.status.code(), Some(0), "{}", lab::complained(&shown));
    // The tag of its attachments is shortened as the specification says; cosign's tag would be too long and is not
    // requested.
    told.asked();
    assert_eq!(person.signature(&by_digest).0, "none-found");
    let asked = told.asked();
    let tag = format!("HEAD /v2/a/b/manifests/sha512-{}", &digest.hex()[..64]);
    assert!(asked.contains(&tag), "{asked:?}");
    assert!(!asked.iter().any(|line| line.contains(".sig")), "{asked:?}");
    // Other bytes than its name says are refused.
    told.keep(
        format!("/v2/a/b/manifests/{digest}"),
        answer(200, MANIFEST, format!("{} ", String::from_utf8_lossy(&text))),
    );
    let refused = person.home.run(&["show", &by_digest]);
    assert!(lab::complained(&refused).contains("the bytes have digest sha512:"), "{}", lab::complained(&refused));
    assert_ne!(image["digest"].as_str().unwrap(), digest.as_str());
}

#[test]
fn a_copy_says_which_attachments_could_not_be_read() {
    let told = Told::new();
    let person = Person::new(&told);
    told.plain(Some("1"), "look");
    told.says("GET /v2/a/b/referrers/", answer(403, "application/json", "{}"));
    let to = format!("file:{}:1", person.home.path("out").display());
    let copied = person.home.run(&["copy", &told.image(), &to]);
    assert_eq!(copied.status.code(), Some(0), "{}", lab::complained(&copied));
    let said = lab::complained(&copied);
    assert!(said.contains("attachments could not be read") && said.contains("referrers"), "{said}");
    // A place that does not answer now may have signatures: the copy waits for it, and nothing has the tag until then.
    told.says("GET /v2/a/b/referrers/", answer(503, "application/json", "{}"));
    let later = format!("file:{}:1", person.home.path("later").display());
    let waits = person.home.run(&["copy", &told.image(), &later]);
    let said = lab::complained(&waits);
    assert_eq!(waits.status.code(), Some(8), "{said}");
    assert!(said.contains("wharf transfers resume") && said.contains("--bare"), "{said}");
    assert!(!person.home.path("later/index.json").exists());
    told.forget_rules();
    let resumed = person.home.run(&["transfers", "resume"]);
    assert_eq!(resumed.status.code(), Some(0), "{}", lab::complained(&resumed));
    assert!(person.home.path("later/index.json").exists());
}

/// Puts bytes into a real registry.
fn upload(host: &str, repository: &str, kind: &str, bytes: &[u8], tag: Option<&str>) -> Value {
    let digest = Digest::of(bytes);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), bytes).unwrap();
    let run = |script: &str| {
        let done = Command::new("sh")
            .args([
                "-ec",
                script,
                "sh",
                &format!("http://{host}/v2/{repository}"),
                digest.as_str(),
                kind,
                tag.unwrap_or(digest.as_str()),
            ])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", lab::complained(&done));
    };
    if [MANIFEST, INDEX].contains(&kind) {
        run("curl -sfX PUT -H \"Content-Type: $3\" --data-binary @\"$5\" \"$1/manifests/$4\"");
    } else {
        run(
            "to=$(curl -sf -D - -o /dev/null -X POST \"$1/blobs/uploads/\" | tr -d '\\r' | sed -n 's/^[Ll]ocation: //p'); \
             curl -sfX PUT -H 'Content-Type: application/octet-stream' --data-binary @\"$5\" \"$to&digest=$2\"",
        );
    }
    json!({"mediaType": kind, "digest": digest, "size": bytes.len()})
}

/// Images of one layer in a real registry, with different annotations, for this machine's platform.
fn variants(host: &str, repository: &str, marks: &[&str]) -> Vec<Value> {
    let mut root = tar::Builder::new(Vec::new());
    let busybox = std::fs::read("/bin/busybox").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_size(busybox.len() as u64);
    header.set_mode(0o755);
    root.append_data(&mut header, "echo", &*busybox).unwrap();
    let root = root.into_inner().unwrap();
    let layer = upload(host, repository, "application/vnd.oci.image.layer.v1.tar", &root, None);
    let image = |mark: &&str| {
        let config = json!({"architecture": wharf::core::image::platform::Platform::host().architecture, "os": "linux",
            "config": {"Cmd": ["/echo", mark]}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}});
        let config = upload(host, repository, CONFIG, config.to_string().as_bytes(), None);
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]});
        upload(host, repository, MANIFEST, manifest.to_string().as_bytes(), None)
    };
    marks.iter().map(image).collect()
}

fn index_of(host: &str, repository: &str, entries: &[Value]) -> Value {
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    upload(host, repository, INDEX, index.to_string().as_bytes(), Some("1"))
}

#[test]
fn what_is_launched_is_the_manifest_that_was_judged_and_not_another_one_of_its_index() {
    let open = need!("WHARF_LAB_OPEN");
    if !Path::new("/bin/busybox").exists() {
        return eprintln!("left out: no busybox");
    }
    let repository = lab::fresh("zz/two-for-one");
    let mut both = variants(&open, &repository, &["first", "second"]);
    let platform = wharf::core::image::platform::Platform::host();
    for entry in &mut both {
        entry["platform"] = json!({"os": platform.os, "architecture": platform.architecture});
    }
    // Podman prefers an image that is compressed like this, or claims to be.
    both[1]["annotations"] = json!({"io.github.containers.compression.zstd": "true"});
    index_of(&open, &repository, &both);
    let image = format!("{open}/{repository}:1");
    for (name, socket) in [("docker", lab::part("WHARF_LAB_DOCKER")), ("podman", lab::part("WHARF_LAB_PODMAN"))] {
        let Some(socket) = socket else { continue };
        let home = Home::new();
        let folder = home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let text = format!(
            "[[source]]\nname = \"open\"\ntype = \"oci\"\nurl = \"http://{open}\"\n[[source]]\nname = \"{name}\"\ntype = \"engine\"\nurl = \"{socket}\"\n"
        );
        std::fs::write(folder.join("wharf.toml"), text).unwrap();
        let shown: Value = serde_json::from_slice(&home.run(&["show", &image, "--json"]).stdout).unwrap();
        assert_eq!(shown["config"]["command"], json!(["/echo", "first"]));
        let launched = home.run(&["launch", &image, "--on", name, "--follow"]);
        let said = lab::said(&launched);
        assert_eq!(launched.status.code(), Some(0), "{name}: {}", lab::complained(&launched));
        assert!(said.contains("first") && !said.contains("second"), "{name}: {said} {}", lab::complained(&launched));
        let workloads: Value = serde_json::from_slice(&home.run(&["workloads", "--json"]).stdout).unwrap();
        let ours = |one: &&Value| one.to_string().contains(&repository);
        let id = workloads.as_array().unwrap().iter().find(ours).unwrap()["id"].as_str().unwrap().to_owned();
        let removed = home.run(&["remove", &id]);
        assert_eq!(removed.status.code(), Some(0), "{}", lab::complained(&removed));
    }
}

#[test]
fn every_image_that_an_index_lists_is_judged() {
    let (Some(upstream), Some(_)) = (lab::part("WHARF_LAB_OPEN"), lab::part("WHARF_LAB_TRIVY")) else { return };
    if !Path::new("/bin/busybox").exists() {
        return eprintln!("left out: no busybox");
    }
    let repository = lab::fresh("vendor/hidden");
    let mut all = variants(&upstream, &repository, &["first", "second", "unnamed", "unknown"]);
    let platform = |architecture: &str| json!({"os": "linux", "architecture": architecture});
    let host = wharf::core::image::platform::Platform::host().architecture;
    (all[0]["platform"], all[1]["platform"]) = (platform(&host), platform(&host));
    all[3]["platform"] = json!({"os": "unknown", "architecture": "unknown"});
    // It claims to be a statement about the first one, and is an image.
    all[3]["annotations"] = json!({"vnd.docker.reference.type": "attestation-manifest",
        "vnd.docker.reference.digest": all[0]["digest"]});
    let denied = |digest: &Value| format!("[[policy.deny]]\ndigest = {digest}\nreason = \"miner\"\n");
    let inner = all.split_off(1);
    let nested = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": inner});
    all.push(upload(&upstream, &repository, INDEX, nested.to_string().as_bytes(), None));
    index_of(&upstream, &repository, &all);
    // Each of those after the first is denied: a look at this platform alone would not show it.
    for (number, hidden) in inner.iter().enumerate() {
        let site = Site::new(&upstream, &upstream, None, &denied(&hidden["digest"]));
        let steward = site.steward_of(false);
        let id = steward.ask(&format!("{upstream}/{repository}:1"), "it is fine");
        steward.run(&["steward", "--once"]);
        let request = steward.request(id);
        assert_eq!(request["stage"], "rejected", "{number}: {request:#}");
        assert!(request.to_string().contains("miner"), "{number}: {request:#}");
    }
}

#[test]
fn a_layer_that_cannot_be_read_hides_no_other_and_is_told() {
    let told = Told::new();
    let person = Person::new(&told);
    let image = told.plain(Some("1"), "look");
    let odd = json!({"mediaType": PAYLOAD, "digest": image["digest"], "size": 3, "annotations": {"a": 7}});
    let tag = tag_of(&image, ".sig");
    told.artifact(Some(&tag), "", &[odd.clone(), person.classic(&told, "site", &image)]);
    assert_eq!(person.signature(&told.image()).0, "verified");
    told.artifact(Some(&tag), "", &[odd]);
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    // More layers than are read: the good signature may come after them.
    let text = told.blob(PAYLOAD, b"no payload");
    told.artifact(Some(&tag), "", &vec![text; 300]);
    let found = person.signature(&told.image());
    assert_eq!(found.0, "unreachable", "{}", found.1);
    assert!(found.1.contains("too many"), "{}", found.1);
}

#[test]
fn a_registry_that_answers_slowly_holds_nobody_up_for_ever() {
    let told = Told::new();
    let home = Home::new();
    let image = told.plain(Some("1"), "look");
    let entries: Vec<Value> = (0..100)
        .map(|number| told.artifact(None, BUNDLE, &[told.blob(BUNDLE, format!("{number}").as_bytes())]))
        .collect();
    told.lists(&entries);
    // Each answer takes half of the time limit: all of them together would take minutes.
    for entry in &entries {
        let path = format!("/v2/a/b/manifests/{}", entry["digest"].as_str().unwrap());
        told.slow(&format!("GET {path}"), std::time::Duration::from_millis(1_000));
    }
    let portal = lab::portal(&home, vec![lab::registry("told", &told.address)]);
    let begin = std::time::Instant::now();
    let state = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let cx = wharf::core::base::context::Context::default().with_deadline(std::time::Duration::from_secs(2));
        let verified = portal.evidence.verify(&cx, &told.image().parse().unwrap(), None, true).await.unwrap();
        serde_json::to_string(&verified.records).unwrap()
    });
    assert!(begin.elapsed() < std::time::Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(state.contains("unreachable") && state.contains("no answer within"), "{state}");
    assert!(image["digest"].is_string());
}
