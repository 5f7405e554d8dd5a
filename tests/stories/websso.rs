//! Signing in to a cloud with a browser that returns to this machine: Keystone's pages as its documents have them ("Web
//! Single Sign-On"), and other programs that connect to the open port meanwhile.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    process::Command,
};

use serde_json::json;

use crate::{
    cloud_answers::{cloud, listed, proofs, sent},
    lab::complained,
    network::{Server, answer},
    pty::Screen,
};

/// A cloud whose own pages sign people in: everybody who signs in there is ada; mallory has a token already.
async fn federated() -> Server {
    Server::start(|asked| {
        cloud(asked, |asked, path| match (asked.method.as_str(), path) {
            ("GET", "/v3/auth/OS-FEDERATION/identity_providers/acme/protocols/openid/websso") => {
                // keystone/etc/sso_callback_template.html
                let back = asked.target.split("origin=").nth(1).unwrap();
                let page = format!(
                    "<form id=\"sso\" name=\"sso\" action=\"{back}\" method=\"post\">Please wait...<br/>\
                     <input type=\"hidden\" name=\"token\" id=\"token\" value=\"gAAA-of-ada\"/></form>"
                );
                Some(answer("200 OK", "Content-Type: text/html\r\n", &page))
            }
            ("GET", "/v3/auth/tokens") => {
                let headers = asked.headers.to_lowercase();
                let name = headers.split("x-subject-token: gaaa-of-").nth(1)?.split("\r\n").next()?.to_owned();
                let user = json!({"id": "1", "name": name, "domain": {"id": "f", "name": "Federated"}});
                let body =
                    json!({"token": {"methods": ["mapped"], "expires_at": "2099-01-01T00:00:00Z", "user": user}});
                (name == "ada" || name == "mallory").then(|| sent("200 OK", "", &body))
            }
            _ => None,
        })
    })
    .await
}

fn entry(port: u16) -> String {
    format!(
        "{{auth_type: v3websso, identity_provider: acme, protocol: openid, redirect_port: {port}, \
         auth: {{auth_url: URL, project_name: physics, project_domain_id: default}}}}"
    )
}

/// A port that nobody uses.
fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Wharf at a terminal, listing the images of a cloud with this entry, and the folder of its file.
fn at_a_terminal(server: &Server, entry: &str) -> (Screen, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clouds.yaml");
    let text = format!("clouds:\n  site: {}\n", entry.replace("URL", &format!("http://{}/v3", server.address)));
    std::fs::write(&file, text).unwrap();
    let variables = [("OS_CLIENT_CONFIG_FILE", file.to_str().unwrap())];
    let screen = Screen::run(&[env!("CARGO_BIN_EXE_wharf"), "images", "--source", "site"], 400, 24, &variables);
    (screen, folder)
}

/// The answer to these bytes; empty if the other end closes at once.
fn heard(address: &str, bytes: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let _ = stream.write_all(bytes.as_bytes());
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn post(port: u16, headers: &str, body: &str) -> String {
    format!(
        "POST /auth/websso/ HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    )
}

/// The browser: opens the page whose address the screen shows and sends its form.
fn browser(screen: &Screen) -> String {
    let text = screen.text().replace('\n', "");
    let address = text.split("Open ").nth(1).unwrap().split(' ').next().unwrap();
    let rest = address.strip_prefix("http://").unwrap();
    let (host, path) = rest.split_once('/').unwrap();
    let page = heard(host, &format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    let value = |name: &str| page.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    let back = value("action");
    let port: u16 =
        back.strip_prefix("http://localhost:").unwrap().strip_suffix("/auth/websso/").unwrap().parse().unwrap();
    let headers = format!("Origin: http://{host}\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n");
    heard(&format!("127.0.0.1:{port}"), &post(port, &headers, &format!("token={}", value("value"))))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_with_a_browser_that_comes_back_and_says_whether_it_is_them() {
    let server = federated().await;
    let output = listed(&server, &entry(free())).await;
    assert_eq!(output.status.code(), Some(7), "{}", complained(&output));
    assert!(complained(&output).contains("wharf login site"), "{}", complained(&output));
    for is_them in [true, false] {
        let (mut screen, _folder) = at_a_terminal(&server, &entry(free()));
        screen.until("Have you");
        let said = browser(&screen);
        assert!(said.starts_with("HTTP/1.1 200 ") && said.contains("reached Wharf"), "{said}");
        screen.keys("y\r");
        screen.until("as ada of Federated. Is that you");
        screen.keys(if is_them { "y\r" } else { "n\r" });
        screen.until(if is_them { "image-1" } else { "which is not you" });
        assert_eq!(screen.ended(), if is_them { 0 } else { 7 }, "{}", screen.text());
        assert!(!screen.text().contains("gAAA"), "{}", screen.text());
    }
    let proofs = proofs(&server);
    assert_eq!(proofs.len(), 1, "one that is not theirs is used for nothing");
    assert_eq!(proofs[0]["auth"]["identity"]["token"]["id"], "gAAA-of-ada");
    assert_eq!(proofs[0]["auth"]["scope"]["project"]["name"], "physics");
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_else_knocks_meanwhile_is_refused_and_ends_nothing() {
    let server = federated().await;
    let port = free();
    let here = format!("127.0.0.1:{port}");
    let (mut screen, _folder) = at_a_terminal(&server, &entry(port));
    screen.until("Have you");
    let theirs = "token=gAAA-of-mallory";
    let good = post(port, "", theirs);
    for (bytes, status) in [
        (good.replacen("POST", "GET", 1), "405"),
        (good.replacen("POST", "OPTIONS", 1), "405"),
        (good.replacen("/auth/websso/", "/", 1), "404"),
        (good.replacen("localhost", "evil.example", 1), "404"),
        (good.replacen("x-www-form-urlencoded", "json", 1), "415"),
        (post(port, "Origin: http://evil.example\r\n", theirs), "403"),
        (post(port, "Sec-Fetch-Mode: no-cors\r\n", theirs), "403"),
        (good.replacen(&format!("Length: {}", theirs.len()), "Length: 1000000000", 1), "413"),
        (post(port, "", "token="), "400"),
        ("nonsense\r\n\r\n".to_owned(), "400"),
        // A token that the cloud does not know is no sign-in.
        (post(port, "", "token=gAAA-of-nobody"), "200"),
    ] {
        let said = heard(&here, &bytes);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {bytes}: {said}");
    }
    // A head without an end, a missing body and a closed connection prevent nobody else.
    let mut endless = TcpStream::connect(&here).unwrap();
    let _ = endless.write_all("x".repeat(40 << 10).as_bytes());
    let mut slow = TcpStream::connect(&here).unwrap();
    slow.write_all(&good.as_bytes()[..good.len() - 5]).unwrap();
    let mut gone = TcpStream::connect(&here).unwrap();
    gone.write_all(&good.as_bytes()[..good.len() - 5]).unwrap();
    gone.shutdown(Shutdown::Both).unwrap();
    if rustix::process::geteuid().is_root() {
        let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port}; printf %s \"$1\" >&3; cat <&3");
        let other = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash", "-c", &script, "-", &good];
        let said = Command::new("setpriv").args(other).output().unwrap();
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        assert!(said.starts_with("HTTP/1.1 403 "), "{said}");
    } else {
        eprintln!("left out: another user of this machine (only root becomes one)");
    }
    assert!(browser(&screen).starts_with("HTTP/1.1 200 "));
    screen.keys("y\r");
    screen.until("Is that you");
    assert!(screen.text().contains("as ada of") && !screen.text().contains("mallory"), "{}", screen.text());
    screen.keys("y\r");
    screen.until("image-1");
    assert_eq!(screen.ended(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_else_holds_is_told_and_no_address_is_shown() {
    let server = federated().await;
    for host in ["127.0.0.1:0", "[::1]:0"] {
        let Ok(held) = TcpListener::bind(host) else { continue };
        let (mut screen, _folder) = at_a_terminal(&server, &entry(held.local_addr().unwrap().port()));
        screen.until("which another program holds");
        assert_ne!(screen.ended(), 0);
        assert!(screen.text().contains("redirect_port") && !screen.text().contains("/websso"), "{}", screen.text());
    }
    let (mut screen, _folder) = at_a_terminal(&server, &entry(free()));
    screen.until("Have you");
    screen.keys("n\r");
    assert_ne!(screen.ended(), 0, "{}", screen.text());
}
