//! Real inputs: archives of every builder, engines of other versions, settings written by other programs.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    path::Path,
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};
use wharf::core::base::digest::Digest;

use crate::lab::{self, Home};

fn append(builder: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o644);
    builder.append_data(&mut header, name, bytes).unwrap();
}

fn link(builder: &mut tar::Builder<Vec<u8>>, kind: tar::EntryType, name: &str, target: &str) {
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    header.set_entry_type(kind);
    builder.append_link(&mut header, name, target).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A layer with one file.
fn layer(name: &str) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    append(&mut builder, name, name.as_bytes());
    builder.into_inner().unwrap()
}

fn config(layers: &[&[u8]]) -> Vec<u8> {
    let ids: Vec<String> = layers.iter().map(|layer| Digest::of(layer).to_string()).collect();
    let whole = json!({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["x"]},
        "rootfs": {"type": "layers", "diff_ids": ids}});
    whole.to_string().into_bytes()
}

/// The layers of the image in an archive, as `show` has them; the archive is also copied whole.
fn shown(home: &Home, archive: &Path, tag: &str) -> Value {
    let reference = format!("file:{}{tag}", archive.display());
    let shown = home.run(&["show", &reference, "--json"]);
    assert_eq!(shown.status.code(), Some(0), "{}", lab::complained(&shown));
    // Every blob is read, and its digest compared.
    let to = home.path(&lab::fresh("copy"));
    let copied = home.run(&["copy", &reference, &format!("file:{}", to.display())]);
    assert_eq!(copied.status.code(), Some(0), "{}", lab::complained(&copied));
    serde_json::from_slice(&shown.stdout).unwrap()
}

#[test]
fn saved_images_are_read_with_links_compressed_layers_and_several_names() {
    let home = Home::new();
    let (one, two) = (layer("one"), layer("two"));
    // Docker before 25: a layer that occurs twice is there once, under a link by its path or by the archive's own root.
    for (kind, target) in [(tar::EntryType::Symlink, "../b/layer.tar"), (tar::EntryType::Link, "b/layer.tar")] {
        let config = config(&[&one, &two, &two]);
        let mut builder = tar::Builder::new(Vec::new());
        append(&mut builder, "a/layer.tar", &one);
        link(&mut builder, kind, "c/layer.tar", target);
        append(&mut builder, "b/layer.tar", &two);
        append(&mut builder, "config.json", &config);
        let manifest = json!([{"Config": "config.json", "RepoTags": ["app:1", "app:2"],
            "Layers": ["a/layer.tar", "b/layer.tar", "c/layer.tar"]}]);
        append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
        let archive = home.path("linked.tar");
        std::fs::write(&archive, builder.into_inner().unwrap()).unwrap();
        for tag in ["", ":1", ":2"] {
            if tag.is_empty() {
                continue;
            }
            assert_eq!(shown(&home, &archive, tag)["layers"].as_array().unwrap().len(), 3, "{kind:?} {tag}");
        }
    }
    // Other builders store layers compressed; and the whole archive may be compressed, whatever its name is.
    let stored = gzip(&one);
    let config = config(&[&one]);
    let mut builder = tar::Builder::new(Vec::new());
    let name = format!("{}.tar.gz", Digest::of(&stored).hex());
    append(&mut builder, &name, &stored);
    append(&mut builder, "sha256:c", &config);
    let manifest = json!([{"Config": "sha256:c", "RepoTags": null, "Layers": [name]}]);
    append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
    let plain = builder.into_inner().unwrap();
    for (name, bytes) in
        [("crane.tar", plain.clone()), ("crane.tar.gz", gzip(&plain)), ("crane", gzip(&plain)), ("saved", plain)]
    {
        let archive = home.path(name);
        std::fs::write(&archive, bytes).unwrap();
        let image = shown(&home, &archive, "");
        assert_eq!(image["layers"][0]["digest"], Digest::of(&stored).to_string(), "{name}");
        assert!(image["layers"][0]["media_type"].as_str().unwrap().ends_with("+gzip"), "{name}");
    }
    // The decompressed copy is removed.
    assert_eq!(std::fs::read_dir(home.path("cache/archives")).unwrap().count(), 0);
}

#[test]
fn a_link_that_leads_nowhere_or_in_circles_is_a_layer_that_is_missing() {
    let home = Home::new();
    let one = layer("one");
    let mut builder = tar::Builder::new(Vec::new());
    link(&mut builder, tar::EntryType::Symlink, "a/layer.tar", "../b/layer.tar");
    link(&mut builder, tar::EntryType::Symlink, "b/layer.tar", "../a/layer.tar");
    append(&mut builder, "config.json", &config(&[&one]));
    let manifest = json!([{"Config": "config.json", "Layers": ["a/layer.tar"]}]);
    append(&mut builder, "manifest.json", manifest.to_string().as_bytes());
    let archive = home.path("circle.tar");
    std::fs::write(&archive, builder.into_inner().unwrap()).unwrap();
    let shown = home.run(&["show", &format!("file:{}", archive.display())]);
    assert!(lab::complained(&shown).contains("layer a/layer.tar is missing"), "{}", lab::complained(&shown));
}

/// An engine that supports only these API versions (Docker Engine API, "Versioning"). Gives its address and the
/// requests.
fn engine(newest: &'static str, oldest: &'static str) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = asked.clone();
    let number =
        |version: &str| version.split_once('.').map(|(a, b)| (a.parse::<u32>().unwrap(), b.parse::<u32>().unwrap()));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let Some(path) = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)) else { continue };
            for _ in lines.by_ref().take_while(|line| !line.is_empty()) {}
            log.lock().unwrap().push(path.clone());
            let versioned = path.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
            let (version, rest) =
                versioned.map_or((None, path.trim_start_matches('/')), |(version, rest)| (number(version), rest));
            let fits = version.is_none_or(|version| Some(version) >= number(oldest) && Some(version) <= number(newest));
            let (status, body) = match rest.split('?').next() {
                _ if !fits => ("400 Bad Request", json!({"message": "client version is not supported"})),
                Some("version") => ("200 OK", json!({"ApiVersion": newest, "MinAPIVersion": oldest, "Version": "99"})),
                Some("containers/json") => (
                    "200 OK",
                    json!([{"Id": "c".repeat(64), "Names": ["/web"], "Image": "app:1",
                    "Created": 1, "State": "running", "Status": "Up"}]),
                ),
                _ => ("404 Not Found", json!({"message": "page not found"})),
            };
            let body = body.to_string();
            let mut stream = stream;
            let _ = write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
        }
    });
    (address, asked)
}

#[test]
fn an_engine_is_asked_in_a_version_that_it_serves_or_it_is_said_that_there_is_none() {
    let workloads = |address: &str| {
        let home = Home::new();
        let file = home.path("wharf.toml");
        std::fs::write(&file, format!("[[source]]\nname = \"eng\"\ntype = \"engine\"\nurl = \"tcp://{address}\"\n"))
            .unwrap();
        home.wharf(&["workloads"]).env("WHARF_CONFIG", &file).output().unwrap()
    };
    // One that no longer supports common old versions, one that supports no newer ones, and a future one.
    for (newest, oldest) in [("1.52", "1.44"), ("1.41", "1.12"), ("1.99", "1.50")] {
        let (address, asked) = engine(newest, oldest);
        let done = workloads(&address);
        assert!(lab::said(&done).contains("web"), "{newest}: {} {:?}", lab::complained(&done), asked.lock().unwrap());
    }
    for (newest, oldest) in [("1.30", "1.12"), ("2.10", "2.0")] {
        let (address, _) = engine(newest, oldest);
        let done = workloads(&address);
        assert!(lab::complained(&done).contains("this program speaks"), "{newest}: {}", lab::complained(&done));
        assert!(
            !lab::said(&done).contains("nothing runs;"),
            "of what was not asked nobody knows: {}",
            lab::said(&done)
        );
        assert_eq!(done.status.code(), Some(8), "{newest}");
    }
}

#[test]
fn a_registry_that_a_site_has_blocked_is_not_asked_and_the_file_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let host = listener.local_addr().unwrap().to_string();
    for (file, text) in [
        (".config/containers/registries.conf", format!("[[registry]]\nlocation = \"{host}\"\nblocked = true\n")),
        (
            ".config/containers/registries.conf.d/50-site.conf",
            format!("[[registry]]\nprefix = \"{host}/a\"\nblocked = true\n"),
        ),
    ] {
        let home = Home::new();
        let path = home.path(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        let shown = home.run(&["show", &format!("{host}/a/b:1")]);
        assert_eq!(shown.status.code(), Some(7), "{}", lab::complained(&shown));
        let said = lab::complained(&shown);
        assert!(said.contains("is blocked by") && said.contains(file.rsplit('/').next().unwrap()), "{said}");
    }
}
