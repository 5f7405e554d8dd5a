//! Fetching images from a real web server and a real FTP server, compared with checksums that a real gpg has signed.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::lab::{self, Home, need};

/// A publisher with a folder on the lab's servers and a key, and a person who fetches.
struct Stage {
    home: Home,
    /// The folder of this test, and its name on the servers.
    folder: PathBuf,
    name: String,
    web: String,
    /// The fingerprint of the publisher's key.
    key: String,
}

impl Stage {
    fn new(web: String) -> Self {
        let name = lab::fresh("files");
        let folder = PathBuf::from(std::env::var("WHARF_LAB_WEB_FILES").unwrap()).join(&name);
        std::fs::create_dir_all(&folder).unwrap();
        let mut stage = Self { home: Home::new(), folder, name, web, key: String::new() };
        std::fs::create_dir_all(stage.home.path(".gnupg")).unwrap();
        stage.gpg(&["--quick-generate-key", "Publisher <p@example.org>", "ed25519", "sign", "never"], "");
        let listed = lab::said(&stage.gpg(&["--list-keys", "--with-colons"], ""));
        let line = listed.lines().find(|line| line.starts_with("fpr:")).unwrap();
        stage.key = line.split(':').nth(9).unwrap().to_owned();
        stage
    }

    fn gpg(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--passphrase", "", "--pinentry-mode", "loopback"]).args(arguments);
        command.env("GNUPGHOME", self.home.path(".gnupg"));
        let output = lab::with_input(command, input);
        assert!(output.status.success(), "{arguments:?}: {}", lab::complained(&output));
        output
    }

    /// Puts a file there; gives its address.
    fn put(&self, name: &str, bytes: &[u8]) -> String {
        std::fs::write(self.folder.join(name), bytes).unwrap();
        format!("http://{}/{}/{name}", self.web, self.name)
    }

    /// A list of checksums of this file, signed apart.
    fn signed_list(&self, name: &str, bytes: &[u8]) {
        let list = format!("{}  other.img\n{} *{name}\n", "0".repeat(64), hex(bytes));
        self.put("SHA256SUMS", list.as_bytes());
        let signature = self.gpg(&["--detach-sign", "--output", "-"], &list);
        self.put("SHA256SUMS.gpg", &signature.stdout);
    }

    /// Makes the policy name the publisher's key.
    fn trust(&self) {
        let folder = self.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("wharf.toml"), format!("[policy.signature]\npgp = [\"{}\"]\n", self.key)).unwrap();
    }

    fn fetch(&self, arguments: &[&str]) -> Output {
        let mut command = self.home.wharf(&[&["fetch"], arguments].concat());
        command.env("GNUPGHOME", self.home.path(".gnupg")).current_dir(self.home.folder.path());
        command.output().unwrap()
    }

    fn fetched(&self, arguments: &[&str]) -> Value {
        let output = self.fetch(&[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{}", lab::complained(&output));
        serde_json::from_str(&lab::said(&output)).unwrap()
    }
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A disk with a boot sector; `seed` makes its bytes differ from those of others.
fn disk(seed: u8) -> Vec<u8> {
    let mut disk: Vec<u8> = (0..3_000_000u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8 ^ seed).collect();
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// What is in a folder besides images that are complete.
fn left(folder: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().into_string().unwrap()).filter(|name| name.starts_with('.')).collect()
}

#[test]
fn a_file_is_compared_with_the_signed_list_beside_it() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let bytes = disk(1);
    let url = stage.put("noble.img", &bytes);
    stage.signed_list("noble.img", &bytes);
    std::fs::create_dir(stage.home.path("images")).unwrap();
    let first = stage.fetched(&[&url]);
    let at = stage.home.path("images/noble.img");
    assert_eq!(std::fs::read(&at).unwrap(), bytes, "it goes into the first folder of images");
    assert_eq!((first["compared"].as_str(), first["trusted"].as_bool()), (Some("signed"), Some(false)), "{first}");
    assert_eq!((first["key"].as_str(), first["disk"]["format"].as_str()), (Some(stage.key.as_str()), Some("raw")));
    let cautions = first["cautions"].to_string();
    assert!(
        cautions.contains("not in your policy") && cautions.contains("connection that others can change"),
        "{cautions}"
    );
    assert_eq!(stage.fetched(&[&url])["there"], true, "again is the same");
    stage.trust();
    let trusted = stage.fetched(&[&url, "copy.img"]);
    assert_eq!(
        (trusted["trusted"].as_bool(), trusted["cautions"].as_array().map(Vec::len)),
        (Some(true), Some(0)),
        "{trusted}"
    );
    let audit = lab::said(&stage.home.run(&["audit"]));
    assert!(audit.contains("fetch") && audit.contains("noble.img"), "{audit}");
    let shown = lab::said(&stage.home.run(&["show", at.to_str().unwrap()]));
    assert!(shown.contains(&url), "it is told where it is from: {shown}");
}

#[test]
fn a_list_with_its_signature_inside_counts_only_within_it() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    stage.trust();
    let bytes = disk(2);
    let url = stage.put("fedora.raw", &bytes);
    let list = format!("# fedora.raw: {} bytes\nSHA256 (fedora.raw) = {}\n", bytes.len(), hex(&bytes));
    let signed = lab::said(&stage.gpg(&["--clearsign"], &list));
    stage.put("fedora.raw.CHECKSUM", signed.as_bytes());
    assert_eq!(stage.fetched(&[&url, "a.raw"])["trusted"], true);
    // Another sum around the signed part, which gpg does not see.
    let other = disk(3);
    stage.put("fedora.raw", &other);
    let forged = format!("{}  fedora.raw", hex(&other));
    for list in [
        format!("{forged}\n{signed}"),
        format!("{signed}{forged}\n"),
        format!("x-----BEGIN PGP SIGNED MESSAGE-----\n\n{forged}\nx-----BEGIN PGP SIGNATURE-----\n\n{signed}"),
        format!("-----BEGIN PGP SIGNED MESSAGE-----\n\n{forged}\n-----BEGIN PGP SIGNATURE-----\n\n{signed}"),
    ] {
        stage.put("fedora.raw.CHECKSUM", list.as_bytes());
        let refused = stage.fetch(&[&url, "b.raw"]);
        assert_eq!(refused.status.code(), Some(1), "{list}: {}", lab::complained(&refused));
    }
    assert!(
        !stage.home.path("b.raw").exists() && left(stage.home.folder.path()).iter().all(|name| !name.contains("b.raw"))
    );
}

#[test]
fn what_is_wrong_is_refused_and_nothing_of_it_stays() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let (bytes, other) = (disk(4), disk(5));
    let url = stage.put("a.img", &bytes);
    stage.signed_list("a.img", &other);
    let refused = |arguments: &[&str], code: i32, words: &str| {
        let output = stage.fetch(arguments);
        let said = lab::complained(&output);
        assert!(output.status.code() == Some(code) && said.contains(words), "{arguments:?}: {said}");
        assert!(!stage.home.path("out.img").exists());
    };
    refused(&[&url, "out.img"], 1, "digest");
    assert!(left(stage.home.folder.path()).iter().all(|name| !name.contains("out.img")), "it is forgotten");
    // The list was changed after it was signed.
    stage.put("SHA256SUMS", format!("{}  a.img\n", hex(&bytes)).as_bytes());
    refused(&[&url, "out.img"], 1, "the signature");
    refused(&[&url, "out.img", "--digest", &"a".repeat(64)], 1, "digest");
    refused(&[&url, "out.img", "--digest", "abc"], 2, "digest");
    refused(&[&url, "out.img", "--digest", &hex(&bytes), "--at-most", "1M"], 2, "at most");
    refused(&[&format!("{url}.old"), "out.img", "--digest", &hex(&bytes)], 6, "no such file");
    let address = url.replace("http://", "");
    for bad in
        [&address, &format!("http://ada:secret@{address}"), &format!("file:///{address}"), "http://127.0.0.1/.bashrc"]
    {
        refused(&[bad, "out.img"], 2, "");
    }
    let secret = lab::complained(&stage.fetch(&[&format!("http://ada:hunter2@{address}"), "out.img"]));
    assert!(!secret.contains("hunter2"), "{secret}");
    // A header that names a file of whoever starts it.
    let mut names = vec![0; 4096];
    names[..8].copy_from_slice(b"QFI\xfb\0\0\0\x03");
    names[8..16].copy_from_slice(&1024u64.to_be_bytes());
    names[16..20].copy_from_slice(&11u32.to_be_bytes());
    names[1024..1035].copy_from_slice(b"/etc/shadow");
    let hostile = stage.put("hostile.qcow2", &names);
    refused(&[&hostile, "out.img", "--digest", &hex(&names)], 1, "names other files");
    // What is there is not written over.
    std::fs::write(stage.home.path("out.img"), "mine").unwrap();
    let output = stage.fetch(&[&url, "out.img", "--digest", &hex(&bytes)]);
    assert!(lab::complained(&output).contains("is there already"));
    assert_eq!(std::fs::read(stage.home.path("out.img")).unwrap(), b"mine");
}

#[test]
fn without_a_list_it_is_fetched_and_that_is_said() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let url = stage.put("alone.img", &disk(6));
    let output = stage.fetch(&[&url, "alone.img"]);
    assert!(output.status.success());
    let said = lab::complained(&output);
    assert!(
        said.contains("compared with nothing") && said.contains(&"no checksum lies beside it".to_owned()),
        "{said}"
    );
}

/// Two at once, and one after the other with the files that groups share: what is in its place is never written to.
#[test]
fn several_fetch_the_same_file_and_one_has_it() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let bytes = disk(11);
    let url = stage.put("shared.img", &bytes);
    let digest = hex(&bytes);
    let (slow, _) = cutting(&stage.web, 1_000_000);
    let slow = url.replace(&stage.web, &slow);
    let start = |url: &str| {
        let mut command = Command::new("sh");
        let program = env!("CARGO_BIN_EXE_wharf");
        command.args(["-c", "umask 002; exec \"$@\"", "sh", program, "fetch", url, "shared.img", "--digest", &digest]);
        let whole = stage.home.wharf(&[]);
        command.env_clear().envs(whole.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(stage.home.folder.path()).stdout(std::process::Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = [&slow, &url, &slow].map(|url| start(url)).into();
    let codes: Vec<Option<i32>> = all.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert!(codes.contains(&Some(0)), "{codes:?}");
    assert_eq!(std::fs::read(stage.home.path("shared.img")).unwrap(), bytes);
    assert!(left(stage.home.folder.path()).iter().all(|name| !name.contains("shared.img")));
}

/// A server in front of another that ends each connection after so many bytes; gives its address, and counts what passes.
fn cutting(server: &str, after: usize) -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let (server, passed) = (server.to_owned(), Arc::new(AtomicU64::new(0)));
    let count = passed.clone();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (mut client, server, count) = (client.unwrap(), server.clone(), count.clone());
            std::thread::spawn(move || {
                let mut upstream = TcpStream::connect(&server).unwrap();
                let (mut from, mut to) = (client.try_clone().unwrap(), upstream.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
                let (mut buffer, mut sent) = (vec![0; 16 << 10], 0);
                while let Ok(read @ 1..) = upstream.read(&mut buffer) {
                    let part = read.min(after - sent);
                    count.fetch_add(part as u64, Ordering::Relaxed);
                    if client.write_all(&buffer[..part]).is_err() {
                        break;
                    }
                    sent += part;
                    if sent == after {
                        break;
                    }
                }
                let _ = client.shutdown(std::net::Shutdown::Both);
                let _ = upstream.shutdown(std::net::Shutdown::Both);
            });
        }
    });
    (at, passed)
}

#[test]
fn a_broken_connection_is_taken_up_where_it_broke() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let bytes = disk(7);
    let url = stage.put("long.img", &bytes);
    let (at, passed) = cutting(&stage.web, bytes.len() / 10);
    let broken = url.replace(&stage.web, &at);
    let fetched = stage.fetched(&[&broken, "long.img", "--digest", &hex(&bytes)]);
    assert_eq!(std::fs::read(stage.home.path("long.img")).unwrap(), bytes);
    let moved = passed.load(Ordering::Relaxed) as f64 / bytes.len() as f64;
    assert!(moved < 1.05, "{moved} of it moved: {fetched}");
    // What an earlier attempt has left is used, and that of another version is not.
    for (name, version, resumed) in [("same.img", None, true), ("other.img", Some(disk(8)), false)] {
        let (tight, _) = cutting(&stage.web, 300_000);
        let killed = url.replace(&stage.web, &tight);
        let mut child =
            stage.home.wharf(&["fetch", &killed, stage.home.path(name).to_str().unwrap(), "--digest", &hex(&bytes)]);
        let mut child = child.spawn().unwrap();
        let partial = stage.home.path(&format!(".{name}.arriving"));
        while partial.metadata().map_or(0, |meta| meta.len()) < 500_000 {
            assert!(child.try_wait().unwrap().is_none(), "it ended before it was killed");
            std::thread::yield_now();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        if let Some(other) = &version {
            stage.put("long.img", other);
        }
        let wanted = version.as_ref().unwrap_or(&bytes);
        let fetched = stage.fetched(&[&killed, name, "--digest", &hex(wanted)]);
        assert_eq!(fetched["resumed"].as_u64().unwrap() > 0, resumed, "{fetched}");
        assert_eq!(&std::fs::read(stage.home.path(name)).unwrap(), wanted);
    }
}

#[test]
fn an_ftp_server_is_read_like_the_web() {
    let (web, ftp) = (need!("WHARF_LAB_WEB"), need!("WHARF_LAB_FTP"));
    let stage = Stage::new(web);
    let bytes = disk(9);
    let url = stage.put("old.img", &bytes).replace(&stage.web, &ftp).replace("http://", "ftp://");
    stage.signed_list("old.img", &bytes);
    stage.trust();
    let fetched = stage.fetched(&[&url, "old.img"]);
    assert_eq!(
        (fetched["trusted"].as_bool(), fetched["size"].as_u64()),
        (Some(true), Some(bytes.len() as u64)),
        "{fetched}"
    );
    assert_eq!(std::fs::read(stage.home.path("old.img")).unwrap(), bytes);
    let missing = stage.fetch(&[&format!("{url}.gone"), "x.img", "--digest", &hex(&bytes)]);
    assert_eq!(missing.status.code(), Some(6), "{}", lab::complained(&missing));
}

#[test]
fn the_sites_list_names_images_and_vouches_for_none() {
    let stage = Stage::new(need!("WHARF_LAB_WEB"));
    let bytes = disk(10);
    let url = stage.put("known.img", &bytes);
    let site = stage.home.path("site.toml");
    std::fs::write(&site, format!("[[fetch]]\nname = \"known\"\nurl = \"{url}\"\n")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = stage.home.wharf(arguments);
        command.env("WHARF_SITE", &site).current_dir(stage.home.folder.path()).output().unwrap()
    };
    assert!(lab::said(&run(&["fetch"])).contains(&url));
    let output = run(&["fetch", "known", "known.img"]);
    assert!(output.status.success(), "{}", lab::complained(&output));
    assert!(lab::complained(&output).contains("compared with nothing"));
    assert_eq!(std::fs::read(stage.home.path("known.img")).unwrap(), bytes);
    std::fs::write(&site, "[[fetch]]\nname = \"a b\"\nurl = \"x\"\n").unwrap();
    let said = lab::complained(&run(&["fetch"]));
    assert!(said.contains("name is one word") && said.contains("url is the address"), "{said}");
}
