//! Who is sent what: a password, a token and a client certificate go to one server only, whatever an answer says;
//! endless lists are cut, and that is reported. The servers here answer as no honest one does.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::lab::{self, Home, complained, need, said};

/// The password that must not appear anywhere else.
const SECRET: &str = "hunter2-hunter2";

/// A request as it arrived.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub method: String,
    pub target: String,
    pub headers: String,
    pub body: String,
}

impl Asked {
    fn signed(&self) -> bool {
        self.headers.to_lowercase().contains("\r\nauthorization:")
    }
}

/// A server whose answers a test sets, and which remembers the requests.
#[derive(Clone)]
pub(crate) struct Server {
    pub address: String,
    log: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(crate) async fn start(answer: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Self { address: listener.local_addr().unwrap().to_string(), log: Arc::default() };
        let (log, answer) = (server.log.clone(), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (log, answer) = (log.clone(), answer.clone());
                tokio::spawn(async move {
                    let mut bytes = Vec::new();
                    let mut piece = vec![0; 64 << 10];
                    loop {
                        let Ok(count @ 1..) = stream.read(&mut piece).await else { return };
                        bytes.extend_from_slice(&piece[..count]);
                        let text = String::from_utf8_lossy(&bytes).into_owned();
                        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
                        let length = head.to_lowercase();
                        let length = length.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
                        let length: usize = length.and_then(|text| text.trim().parse().ok()).unwrap_or(0);
                        let chunked = head.to_lowercase().contains("transfer-encoding: chunked");
                        if body.len() < length || (chunked && !body.ends_with("0\r\n\r\n")) {
                            continue;
                        }
                        let mut words = head.split(' ');
                        let mut word = || words.next().unwrap_or("").to_owned();
                        let (method, target) = (word(), word());
                        let asked = Asked { method, target, headers: head.to_owned(), body: body.to_owned() };
                        let said = answer(&asked);
                        log.lock().unwrap().push(asked);
                        let _ = stream.write_all(said.as_bytes()).await;
                        return;
                    }
                });
            }
        });
        server
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }
}

pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len())
}

const MANIFEST: &str = "Content-Type: application/vnd.oci.image.manifest.v1+json\r\n";
const BASIC: &str = "WWW-Authenticate: Basic realm=\"x\"\r\n";

/// An image without layers, whose configuration is `{}`.
fn manifest() -> String {
    let config = wharf::core::base::digest::Digest::of(b"{}");
    format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config}","size":2}},"layers":[]}}"#
    )
}

/// A home whose Docker signs in to `host`.
fn signed_in(host: &str, entry: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.path(".docker")).unwrap();
    std::fs::write(home.path(".docker/config.json"), format!(r#"{{"auths":{{"{host}":{entry}}}}}"#)).unwrap();
    home
}

/// `ada` with the secret, as Docker keeps it.
fn password() -> String {
    use base64::Engine as _;
    let pair = base64::engine::general_purpose::STANDARD.encode(format!("ada:{SECRET}"));
    format!(r#"{{"auth":"{pair}"}}"#)
}

/// Runs a program in a thread, so that the test's servers can answer meanwhile.
pub(crate) async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// All that a program printed and wrote into its home, except Docker's own file.
fn everything(home: &Home, output: &Output) -> String {
    let mut all = said(output) + &complained(output);
    let mut folders = vec![home.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with(".docker/config.json") && !path.ends_with("secrets") {
                all += &String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default());
            }
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_on_another_server_is_read_without_a_password_and_its_sign_in_is_nobodys() {
    let storage = Server::start(|_| answer("200 OK", "", "{}")).await;
    let other = storage.address.clone();
    let registry = Server::start(move |asked| match asked.target.as_str() {
        _ if !asked.signed() => answer("401 Unauthorized", BASIC, ""),
        target if target.contains("/manifests/sha256-") || target.contains("/referrers/") => {
            answer("404 Not Found", "", "")
        }
        target if target.contains("/manifests/") => answer("200 OK", MANIFEST, &manifest()),
        _ => answer("307 Temporary Redirect", &format!("Location: http://account:pass@{other}/blob?sig=x\r\n"), ""),
    })
    .await;
    let home = signed_in(&registry.address, &password());
    let show = |home: &Home| {
        let mut command = home.wharf(&["show", &format!("{}/a/b:c", registry.address)]);
        command.env("WHARF_REGISTRIES", format!("http://{}", registry.address));
        command
    };
    let shown = run(show(&home)).await;
    assert_eq!(shown.status.code(), Some(0), "{}", complained(&shown));
    assert!(registry.asked().iter().any(Asked::signed));
    let seen = storage.asked();
    assert!(!seen.is_empty() && !seen.iter().any(Asked::signed), "{seen:?}");
    // Another server that requires a sign-in gets none, not even through its own token server.
    let realm = Server::start(|_| answer("200 OK", "", r#"{"token":"t"}"#)).await;
    let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/t\"\r\n", realm.address);
    let hostile = Server::start(move |_| answer("401 Unauthorized", &challenge, "")).await;
    let other = hostile.address.clone();
    let registry = Server::start(move |asked| {
        if asked.signed() {
            answer("302 Found", &format!("Location: http://{other}/v2/\r\n"), "")
        } else {
            answer("401 Unauthorized", BASIC, "")
        }
    })
    .await;
    let home = signed_in(&registry.address, &password());
    let mut command = home.wharf(&["show", &format!("{}/a/b:c", registry.address)]);
    command.env("WHARF_REGISTRIES", format!("http://{}", registry.address));
    let refused = run(command).await;
    assert_eq!(refused.status.code(), Some(7), "{}", complained(&refused));
    assert!(complained(&refused).contains("wants a sign-in of its own"), "{}", complained(&refused));
    assert!(!hostile.asked().is_empty() && realm.asked().is_empty());
    assert!(!hostile.asked().iter().any(Asked::signed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_never_sent_on_to_another_server() {
    let layout = lab::starter();
    for status in
        ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect", "202 Accepted"]
    {
        let other = Server::start(|_| answer("201 Created", "", "")).await;
        // By another name: an address at the same host is one that a registry behind a proxy names wrongly.
        let named = other.address.replace("127.0.0.1", "localhost");
        let elsewhere = format!("Location: http://{named}/v2/n/x/blobs/uploads/1\r\n");
        let registry = Server::start(move |asked| match asked.method.as_str() {
            _ if !asked.signed() => answer("401 Unauthorized", BASIC, ""),
            "HEAD" | "GET" => answer("404 Not Found", "", ""),
            _ => answer(status, &elsewhere, ""),
        })
        .await;
        let home = signed_in(&registry.address, &password());
        let mut command = home.wharf(&["push", &layout, &format!("{}/n/x:1", registry.address)]);
        command.env("WHARF_REGISTRIES", format!("http://{}", registry.address));
        let pushed = run(command).await;
        assert_eq!(pushed.status.code(), Some(7), "{status}: {}", complained(&pushed));
        let words = complained(&pushed);
        assert!(words.contains(&registry.address) && words.contains("another server"), "{status}: {words}");
        assert!(words.contains(&named), "both are named: {words}");
        assert!(other.asked().is_empty(), "{status}: {:?}", other.asked());
    }
}

/// Two servers with TLS: a registry that redirects to storage at another port. Prints who presented a certificate.
const STORAGE: &str = r#"
import http.server, json, ssl, sys, threading
cert, key, ca, manifest = sys.argv[1:]
def serve(handler, wants):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(cert, key); c.load_verify_locations(ca); c.verify_mode = wants
    s.socket = c.wrap_socket(s.socket, server_side=True); threading.Thread(target=s.serve_forever, daemon=True).start(); return s.server_port
class Base(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def reply(self, code, body=b"", **headers):
        self.send_response(code)
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def note(self, who): print(who, "certificate" if self.connection.getpeercert() else "nobody", self.headers.get("Authorization", "-"), flush=True)
class Storage(Base):
    def do_GET(self): self.note("storage"); self.reply(200, b"{}")
class Registry(Base):
    def do_HEAD(self): self.reply(404)
    def do_GET(self):
        self.note("registry")
        if "/manifests/1" in self.path: self.reply(200, manifest.encode(), Content_Type="application/vnd.oci.image.manifest.v1+json")
        elif "/blobs/" in self.path: self.reply(307, Location=self.target())
        else: self.reply(404)
    def target(self): return f"https://127.0.0.1:{storage}/blob" if "plain" not in self.path else f"http://127.0.0.1:{storage}/blob"
storage = serve(Storage, ssl.CERT_OPTIONAL)
print(serve(Registry, ssl.CERT_REQUIRED), storage, flush=True)
sys.stdin.read()
"#;

/// A program that ends with its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_client_certificate_is_shown_to_its_own_server_and_nothing_goes_down_to_plain_http() {
    let (ca, client) = (need!("WHARF_LAB_CA"), need!("WHARF_LAB_CLIENT"));
    let folder = std::path::Path::new(&ca).parent().unwrap().to_owned();
    let file = |name: &str| folder.join(name).display().to_string();
    let child = Command::new("python3")
        .args(["-c", STORAGE, &file("tls.crt"), &file("tls.key"), &ca, &manifest()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut server = Running(child.unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ports = lines.next().unwrap();
    let host = format!("127.0.0.1:{}", ports.split(' ').next().unwrap());
    let home = Home::new();
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    std::fs::write(
        home.path(".config/wharf/wharf.toml"),
        format!("[[source]]\nname=\"r\"\ntype=\"oci\"\nurl=\"https://{host}\"\nca=\"{ca}\"\nclient_certificate=\"{client}.cert\"\nclient_key=\"{client}.key\"\n"),
    )
    .unwrap();
    let shown = home.run(&["show", &format!("{host}/a/b:1")]);
    assert_eq!(shown.status.code(), Some(0), "{}", complained(&shown));
    let down = home.run(&["show", &format!("{host}/plain/b:1")]);
    assert_eq!(down.status.code(), Some(7), "{}", complained(&down));
    assert!(complained(&down).contains("unencrypted"), "{}", complained(&down));
    drop(server);
    let seen: Vec<String> = lines.collect();
    assert!(seen.iter().any(|line| line.starts_with("registry certificate")), "{seen:?}");
    assert_eq!(seen.iter().filter(|line| line.starts_with("storage")).collect::<Vec<_>>(), ["storage nobody -"]);
}

/// A registry and a token server with TLS, at the given names; prints what the token server received.
const REALM: &str = r#"
import http.server, ssl, sys, threading
cert, key, realm = sys.argv[1:]
def serve(handler):
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    c = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER); c.load_cert_chain(cert, key)
    s.socket = c.wrap_socket(s.socket, server_side=True); threading.Thread(target=s.serve_forever, daemon=True).start(); return s.server_port
class Base(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def reply(self, code, body=b"", **headers):
        self.send_response(code)
        for k, v in headers.items(): self.send_header(k.replace("_", "-"), v)
        self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
class Realm(Base):
    def do_GET(self): print("realm", self.headers.get("Authorization", "-"), flush=True); self.reply(200, b'{"token":"good"}')
class Registry(Base):
    def do_GET(self):
        if self.headers.get("Authorization") == "Bearer good": self.reply(200, b"{}")
        else: self.reply(401, WWW_Authenticate=f'Bearer realm="https://{realm}:{port}/t",service="s"')
port = serve(Realm)
print(serve(Registry), port, flush=True)
sys.stdin.read()
"#;

#[test]
fn a_password_goes_to_another_sites_token_server_only_after_the_person_was_shown_it() {
    let ca = need!("WHARF_LAB_CA");
    let folder = std::path::Path::new(&ca).parent().unwrap().join("notary");
    let file = |name: &str| folder.join(name).display().to_string();
    // Its certificate is for 127.0.0.1 and localhost: two hosts, one machine.
    let child = Command::new("python3")
        .args(["-c", REALM, &file("tls.crt"), &file("tls.key"), "localhost"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut server = Running(child.unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let ports = lines.next().unwrap();
    let (registry, realm) = ports.split_once(' ').unwrap();
    let host = format!("127.0.0.1:{registry}");
    let home = signed_in(&host, &password());
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    let configure = |more: &str| {
        let text = format!("[[source]]\nname=\"r\"\ntype=\"oci\"\nurl=\"https://{host}\"\nca=\"{ca}\"\n{more}");
        std::fs::write(home.path(".config/wharf/wharf.toml"), text).unwrap();
    };
    let sources = || -> serde_json::Value { serde_json::from_slice(&home.run(&["sources", "--json"]).stdout).unwrap() };
    configure("");
    let refused = sources();
    let why = refused[0]["error"]["why"].as_str().unwrap_or_default();
    assert!(why.contains(&host) && why.contains(&format!("https://localhost:{realm}")), "{refused}");
    // Without anybody to agree, nothing is sent, and the message says what to do.
    let login = |home: &Home| lab::with_input(home.wharf(&["login", "r", "--user", "ada", "--password-stdin"]), SECRET);
    let alone = login(&home);
    assert_eq!(alone.status.code(), Some(7), "{}", complained(&alone));
    assert!(complained(&alone).contains("token_server"), "{}", complained(&alone));
    // The author of the source's entry has named it.
    configure(&format!("token_server=\"https://localhost:{realm}\"\n"));
    assert_eq!(sources()[0]["health"]["reachable"], true, "{}", sources());
    let named = login(&home);
    assert_eq!(named.status.code(), Some(0), "{}", complained(&named));
    assert!(said(&named).contains(&format!("the sign-in is at https://localhost:{realm}")), "{}", said(&named));
    configure("token_server=\"https://localhost:1\"\n");
    assert!(sources()[0]["error"].is_object(), "another port is another server");
    drop(server);
    let sent: Vec<String> = lines.collect();
    assert!(sent.len() >= 2 && sent.iter().all(|line| line.starts_with("realm Basic")), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_as_the_specification_says_it() {
    // "This query parameter should be specified multiple times"; a POST takes "a single scope field" with spaces.
    let realm = Server::start(|asked| {
        if asked.method == "POST" {
            answer("200 OK", "", r#"{"access_token":"good","scope":"","expires_in":900,"refresh_token":"newer"}"#)
        } else {
            answer("200 OK", "", r#"{"token":"good"}"#)
        }
    })
    .await;
    let at = realm.address.clone();
    let registry = Server::start(move |asked| {
        if asked.headers.contains("Bearer good") {
            return match asked.target.as_str() {
                target if target.contains("/manifests/") => answer("200 OK", MANIFEST, &manifest()),
                _ => answer("200 OK", "", "{}"),
            };
        }
        let challenge = format!(
            "WWW-Authenticate: Negotiate, Bearer realm=\"http://{at}/t?x=1\",service=\"a, b\",scope=\"repository:tenant/a/b:pull,push\",unknown=1\r\n"
        );
        answer("401 Unauthorized", &challenge, "")
    })
    .await;
    let show = async |entry: &str| {
        let home = signed_in(&registry.address, entry);
        let mut command = home.wharf(&["show", &format!("{}/a/b:c", registry.address)]);
        command.env("WHARF_REGISTRIES", format!("http://{}", registry.address)).env("WHARF_LOG", "trace");
        let shown = run(command).await;
        assert_eq!(shown.status.code(), Some(0), "{}", complained(&shown));
        let all = everything(&home, &shown);
        for secret in [SECRET, "good", "newer"] {
            assert!(!all.contains(secret), "'{secret}' was written down");
        }
    };
    show(&password()).await;
    let asked = realm.asked();
    assert_eq!(
        asked[0].target,
        "/t?x=1&service=a%2C+b&scope=repository%3Aa%2Fb%3Apull&scope=repository%3Atenant%2Fa%2Fb%3Apull"
    );
    assert!(asked[0].signed());
    show(&format!(r#"{{"auth":"YWRhOg==","identitytoken":"{SECRET}"}}"#)).await;
    let asked = realm.asked();
    let posted = asked.iter().find(|asked| asked.method == "POST").unwrap();
    let form: Vec<(String, String)> = url::form_urlencoded::parse(posted.body.as_bytes()).into_owned().collect();
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    assert_eq!(field("grant_type"), Some("refresh_token"));
    assert_eq!(
        (field("service"), field("client_id"), field("refresh_token")),
        (Some("a, b"), Some("wharf"), Some(SECRET))
    );
    assert_eq!(field("scope"), Some("repository:a/b:pull repository:tenant/a/b:pull"));
    assert!(!posted.signed());
    // "never with a resource provider": a registry that asks for Basic does not get an identity token.
    let basic = Server::start(|_| answer("401 Unauthorized", BASIC, "")).await;
    let home = signed_in(&basic.address, &format!(r#"{{"identitytoken":"{SECRET}"}}"#));
    let mut command = home.wharf(&["show", &format!("{}/a/b:c", basic.address)]);
    command.env("WHARF_REGISTRIES", format!("http://{}", basic.address));
    assert_eq!(run(command).await.status.code(), Some(7));
    assert!(!basic.asked().iter().any(Asked::signed));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusing_token_server_is_told_without_a_word_of_its_answer() {
    for (status, body) in [
        ("401 Unauthorized", format!(r#"{{"errors":[{{"code":"UNAUTHORIZED","message":"{SECRET} is wrong"}}]}}"#)),
        ("400 Bad Request", format!(r#"{{"error":"invalid_request","error_description":"{SECRET}"}}"#)),
        ("200 OK", format!(r#"{{"token":["{SECRET}"]}}"#)),
        ("200 OK", SECRET.to_owned()),
        ("200 OK", format!(r#"{{"token":"{SECRET} {SECRET}"}}"#)),
        ("302 Found", String::new()),
    ] {
        let realm = Server::start(move |_| answer(status, "Location: http://127.0.0.1:1/t\r\n", &body)).await;
        let challenge = format!("WWW-Authenticate: Bearer realm=\"http://{}/t\"\r\n", realm.address);
        let registry = Server::start(move |_| answer("401 Unauthorized", &challenge, "")).await;
        let home = signed_in(&registry.address, &password());
        let mut command = home.wharf(&["show", &format!("{}/a/b:c", registry.address), "--json"]);
        command.env("WHARF_REGISTRIES", format!("http://{}", registry.address)).env("WHARF_LOG", "trace");
        let refused = run(command).await;
        assert_ne!(refused.status.code(), Some(0));
        let all = everything(&home, &refused);
        assert!(!all.contains(SECRET), "{status}: {}{}", said(&refused), complained(&refused));
        assert!(complained(&refused).contains(&realm.address) || said(&refused).contains(&realm.address), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_never_ends_is_cut_says_so_and_fits_the_memory() {
    let number = std::sync::atomic::AtomicUsize::new(0);
    let registry = Server::start(move |asked| {
        let page = number.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        if asked.target.starts_with("/v2/_catalog") {
            let names: Vec<String> = (0..20_000).map(|row| format!("\"p{page}/{}{row}\"", "n".repeat(60))).collect();
            let next = format!("Link: </v2/_catalog?last={page}>; rel=\"next\"\r\n");
            return answer("200 OK", &next, &format!(r#"{{"repositories":[{}]}}"#, names.join(",")));
        }
        answer("404 Not Found", "", "")
    })
    .await;
    let home = Home::new();
    // The address space limit of 1.5 GB is more than it needs, and less than the list.
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let mut command = home.wharf(&[]);
    let mut limited = Command::new("sh");
    limited.args(["-c", &format!("ulimit -v 1500000; exec '{wharf}' images")]).env_clear();
    limited.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    limited.env("WHARF_REGISTRIES", format!("http://{}", registry.address)).stdout(Stdio::piped());
    command = limited;
    let listed = run(command).await;
    assert_eq!(listed.status.code(), Some(1), "{}", complained(&listed));
    assert!(complained(&listed).contains("the list is not complete"), "{}", complained(&listed));
    assert!(said(&listed).lines().count() > 100_000, "what came is shown");
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_lead_in_a_circle_end_and_versions_that_never_end_are_refused_in_words() {
    let registry = Server::start(|asked| {
        let step = |from: &str, to: &str| {
            (asked.target == from).then(|| {
                answer("200 OK", &format!("Link: <{to}>; rel=\"next\"\r\n"), r#"{"repositories":["a/b"],"tags":["1"]}"#)
            })
        };
        step("/v2/_catalog?n=1000", "/v2/_catalog?last=1")
            .or_else(|| step("/v2/_catalog?last=1", "/v2/_catalog?last=2"))
            .or_else(|| step("/v2/_catalog?last=2", "/v2/_catalog?last=1"))
            .or_else(|| step("/v2/a/b/tags/list", "/v2/a/b/tags/list?last=1"))
            .or_else(|| step("/v2/a/b/tags/list?last=1", "/v2/a/b/tags/list"))
            .unwrap_or_else(|| answer("404 Not Found", "", ""))
    })
    .await;
    let home = Home::new();
    let mut command = home.wharf(&["images", "--json"]);
    command.env("WHARF_REGISTRIES", format!("http://{}", registry.address));
    let listed = run(command).await;
    assert_eq!(listed.status.code(), Some(1));
    assert!(complained(&listed).contains("circle"), "{}", complained(&listed));
    assert!(said(&listed).contains("not all versions"), "{}", said(&listed));
    assert!(registry.asked().len() < 12, "{}", registry.asked().len());
}

#[test]
fn an_address_with_a_password_is_refused_without_repeating_it() {
    for (kind, key) in [("oci", "url"), ("harbor", "url"), ("oci", "notary"), ("oci", "scanner"), ("hub", "url")] {
        let home = Home::new();
        std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
        let address = format!("https://ada:{SECRET}@registry.example.org/");
        let url = if key == "url" { String::new() } else { "url=\"https://registry.example.org\"\n".to_owned() };
        let text = format!("[[source]]\nname=\"r\"\ntype=\"{kind}\"\n{url}{key}=\"{address}\"\n");
        std::fs::write(home.path(".config/wharf/wharf.toml"), text).unwrap();
        let refused = home.wharf(&["sources"]).env("WHARF_LOG", "trace").output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{kind} {key}: {}", complained(&refused));
        assert!(complained(&refused).contains("no password"), "{kind} {key}: {}", complained(&refused));
        let all = said(&refused) + &complained(&refused);
        assert!(!all.contains(SECRET), "{kind} {key}: {all}");
    }
}
