//! Signatures in SIF files: by a real gpg, by the real apptainer of the lab, and by an emulated one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use wharf::core::base::digest::Digest;

use crate::lab::{self, Home, need};

struct Signer {
    home: Home,
    fingerprint: String,
}

impl Signer {
    /// A person with a PGP key; `None` if gpg is not installed.
    fn new() -> Option<Self> {
        let home = Home::new();
        let signer = Self { home, fingerprint: String::new() };
        std::fs::create_dir_all(signer.home.path(".gnupg")).unwrap();
        let made = signer.gpg(&["--quick-generate-key", "Ada <ada@example.org>", "ed25519", "sign", "never"], "")?;
        assert!(made.status.success(), "{}", lab::complained(&made));
        let listed = signer.gpg(&["--list-keys", "--with-colons"], "")?;
        let text = lab::said(&listed);
        let fingerprint = text.lines().find_map(|line| line.strip_prefix("fpr:")).unwrap().trim_matches(':').to_owned();
        Some(Self { fingerprint, ..signer })
    }

    fn gpg(&self, arguments: &[&str], input: &str) -> Option<std::process::Output> {
        let mut command = Command::new("gpg");
        command.args(["--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase", ""]).args(arguments);
        command.env("GNUPGHOME", self.home.path(".gnupg"));
        let there =
            std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|p| p.join("gpg").is_file()));
        there.then(|| lab::with_input(command, input))
    }

    /// A SIF of a recipe and a file system, signed with `signed` as the bytes of the second one.
    fn sif(&self, name: &str, data: &[u8], signed: Option<&[u8]>) -> PathBuf {
        let recipe = b"bootstrap: docker\nfrom: alpine:3.19\n".as_slice();
        let message = signed.map(|signed| {
            let object = |id: u32, bytes: &[u8]| {
                format!(
                    r#"{{"relativeId":{id},"descriptorDigest":"sha256:00","objectDigest":"{}"}}"#,
                    Digest::of(bytes)
                )
            };
            let text = format!(
                r#"{{"version":1,"header":{{"digest":"sha256:00"}},"objects":[{},{}]}}"#,
                object(0, recipe),
                object(1, signed)
            );
            self.gpg(&["--clearsign"], &text).unwrap().stdout
        });
        let group = 0xf000_0001_u32;
        let mut objects: Vec<(i32, u32, u32, &[u8])> = vec![(0x4001, group, 0, recipe), (0x4004, group, 0, data)];
        if let Some(message) = &message {
            objects.push((0x4005, 0, group, message));
        }
        let (begin, mut body, mut descriptors) = (128 + 585 * objects.len(), Vec::new(), Vec::new());
        for (number, (kind, group, linked, bytes)) in objects.iter().enumerate() {
            let mut raw = kind.to_le_bytes().to_vec();
            raw.push(1);
            for word in [number as u32 + 1, *group, *linked] {
                raw.extend(word.to_le_bytes());
            }
            for long in [(begin + body.len()) as i64, bytes.len() as i64] {
                raw.extend(long.to_le_bytes());
            }
            raw.resize(585, 0);
            descriptors.extend(raw);
            body.extend_from_slice(bytes);
        }
        let mut head = vec![0; 128];
        head[..31].copy_from_slice(b"#!/usr/bin/env run-singularity\n");
        head[32..42].copy_from_slice(b"SIF_MAGIC\0");
        head[42..47].copy_from_slice(b"01\x0002");
        for (at, value) in
            [(80, 0), (88, objects.len()), (96, 128), (104, descriptors.len()), (112, begin), (120, body.len())]
        {
            head[at..at + 8].copy_from_slice(&(value as u64).to_le_bytes());
        }
        let path = self.home.path(name);
        std::fs::write(&path, [head, descriptors, body].concat()).unwrap();
        path
    }

    fn trusting(&self, trusted: bool) {
        let folder = self.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let keys = if trusted { format!("[{:?}]", self.fingerprint) } else { "[]".to_owned() };
        std::fs::write(folder.join("wharf.toml"), format!("[policy.signature]\npgp = {keys}\n")).unwrap();
    }

    /// State, reason, and the whole output.
    fn verify(&self, path: &Path, more_path: Option<&Path>) -> (String, String) {
        let file = path.display().to_string();
        let mut command = self.home.wharf(&["verify", &file, "--again", "--json"]);
        command.env("GNUPGHOME", self.home.path(".gnupg"));
        if let Some(more) = more_path {
            command.env("PATH", format!("{}:{}", more.display(), std::env::var("PATH").unwrap()));
        }
        let output = command.output().unwrap();
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let mut states =
            said["records"].as_array().unwrap().iter().filter_map(|one| one["outcome"]["signature"]["state"].as_str());
        (states.next().unwrap_or("none").to_owned(), said.to_string())
    }
}

#[test]
fn a_signature_in_a_sif_is_verified_by_gpg_and_what_is_signed_is_compared() {
    let Some(ada) = Signer::new() else { return eprintln!("left out: gpg is not installed") };
    ada.trusting(true);
    let bare = ada.sif("bare.sif", b"file system", None);
    assert_eq!(ada.verify(&bare, None).0, "none-found");
    let good = ada.sif("good.sif", b"file system", Some(b"file system"));
    let (state, said) = ada.verify(&good, None);
    assert_eq!((state.as_str(), said.contains(&ada.fingerprint)), ("verified", true), "{said}");
    // The image that it was made from is shown; its badge is not inherited.
    let shown = lab::said(&ada.home.run(&["show", &good.display().to_string()]));
    assert!(shown.contains("docker alpine:3.19"), "{shown}");
    let changed = ada.sif("changed.sif", b"other system", Some(b"file system"));
    let (state, said) = ada.verify(&changed, None);
    assert_eq!((state.as_str(), said.contains("object 2 is not the one")), ("invalid", true), "{said}");
    ada.trusting(false);
    assert_eq!(ada.verify(&good, None).0, "untrusted");
    let bob = Signer::new().unwrap();
    bob.trusting(true);
    let (state, said) = bob.verify(&good, None);
    assert_eq!((state.as_str(), said.contains("recv-keys")), ("no-key", true), "{said}");
}

#[test]
fn where_apptainer_is_installed_it_verifies() {
    let Some(ada) = Signer::new() else { return eprintln!("left out: gpg is not installed") };
    ada.trusting(true);
    let file = ada.sif("good.sif", b"x", Some(b"x"));
    let bin = ada.home.path("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let apptainer = |script: String| {
        use std::os::unix::fs::PermissionsExt;
        std::fs::write(
            bin.join("apptainer"),
            format!("#!/bin/sh\n[ \"$1 $2\" = 'verify --json' ] || exit 9\n{script}\n"),
        )
        .unwrap();
        std::fs::set_permissions(bin.join("apptainer"), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for (script, wanted) in [
        (
            format!(
                "echo '{{\"Signatures\":1,\"SignerKeys\":[{{\"Signer\":{{\"Fingerprint\":\"{}\",\"KeyCheck\":true,\"DataCheck\":true}}}}]}}'",
                ada.fingerprint
            ),
            "verified",
        ),
        ("echo 'FATAL: Failed to verify container: signature not found' >&2; exit 255".to_owned(), "none-found"),
        (
            "echo 'FATAL: Failed to verify container: integrity: object 2: data object hash mismatch' >&2; exit 255"
                .to_owned(),
            "invalid",
        ),
    ] {
        apptainer(script);
        let (state, said) = ada.verify(&file, Some(&bin));
        assert_eq!(state, wanted, "{said}");
    }
}

#[test]
fn what_apptainer_signs_it_verifies_with_the_keys_that_are_here() {
    let bin = PathBuf::from(need!("WHARF_LAB_APPTAINER"));
    let Some(ada) = Signer::new() else { return eprintln!("left out: gpg is not installed") };
    let apptainer = |arguments: &[&str]| {
        let mut command = Command::new(bin.join("apptainer"));
        command
            .args(arguments)
            .env_clear()
            .env("HOME", ada.home.path("."))
            .env("PATH", std::env::var_os("PATH").unwrap());
        let output = command.current_dir(ada.home.path(".")).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}{}", lab::said(&output), lab::complained(&output));
        lab::said(&output)
    };
    let layout = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/starter/layout");
    apptainer(&["build", "plain.sif", &format!("oci:{}", layout.display())]);
    let path = |name: &str| ada.home.path(name);
    assert_eq!(ada.verify(&path("plain.sif"), Some(&bin)).0, "none-found");
    apptainer(&[
        "key",
        "newpair",
        "--name",
        "Ada",
        "--email",
        "ada@example.org",
        "--comment",
        "",
        "--password",
        "",
        "--push=false",
    ]);
    std::fs::copy(path("plain.sif"), path("signed.sif")).unwrap();
    apptainer(&["sign", "signed.sif"]);
    let (state, said) = ada.verify(&path("signed.sif"), Some(&bin));
    assert_eq!(state, "untrusted", "{said}");
    let told: serde_json::Value =
        serde_json::from_str(&apptainer(&["verify", "--json", "--local", "signed.sif"])).unwrap();
    let key = told["SignerKeys"][0]["Signer"]["Fingerprint"].as_str().unwrap().to_ascii_uppercase();
    assert!(said.contains(&key), "{said}");
    let trusting = Signer { fingerprint: key, ..ada };
    trusting.trusting(true);
    assert_eq!(trusting.verify(&trusting.home.path("signed.sif"), Some(&bin)).0, "verified");
    // Without apptainer, gpg does not know the key, and says so.
    assert_eq!(trusting.verify(&trusting.home.path("signed.sif"), None).0, "no-key");
    // One byte of the file system is another.
    let mut bytes = std::fs::read(trusting.home.path("signed.sif")).unwrap();
    let magic = bytes.windows(4).position(|four| four == b"hsqs").unwrap();
    bytes[magic + 200] ^= 1;
    std::fs::write(trusting.home.path("changed.sif"), bytes).unwrap();
    assert_eq!(trusting.verify(&trusting.home.path("changed.sif"), Some(&bin)).0, "invalid");
}
