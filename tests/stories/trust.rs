//! Docker Content Trust with a real notary-server: signed, unsigned, moved, delegated, keys rotated, rolled back.

use std::{path::PathBuf, process::Command};

use wharf::adapters::notary::tuf::{self, ChainFault, Versions, Watch};

use crate::lab::{self, Home, need};

/// A person with an image in the registry, and a signer of the site.
pub(crate) struct Trust {
    pub(crate) home: Home,
    host: String,
    notary: String,
    repository: String,
}

impl Trust {
    pub(crate) fn new(host: &str, notary: &str) -> Self {
        let trust =
            Self { home: Home::new(), host: host.into(), notary: notary.into(), repository: lab::fresh("zz/trusted") };
        trust.pinned(&[]);
        trust.push("1", &[]);
        trust
    }

    fn gun(&self) -> String {
        format!("{}/{}", self.host, self.repository)
    }

    pub(crate) fn push(&self, tag: &str, more: &[&str]) {
        let to = format!("{}:{tag}", self.gun());
        let pushed = self.home.run(&[&["push", &lab::starter(), &to], more].concat());
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    }

    /// Pins these root keys in the policy.
    pub(crate) fn pinned(&self, keys: &[&str]) {
        let folder = self.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let (host, notary) = (&self.host, &self.notary);
        let source = format!(
            "[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{host}\"\nnotary = \"http://{notary}\"\n"
        );
        let pins = if keys.is_empty() {
            String::new()
        } else {
            format!("[[policy.signature.notary]]\nrepository = \"{host}/zz/\"\nkeys = {keys:?}\n")
        };
        std::fs::write(folder.join("wharf.toml"), source + &pins).unwrap();
    }

    /// The bytes that a tag means now, in a file.
    fn manifest(&self, tag: &str) -> PathBuf {
        let file = self.home.path(format!("manifest-{tag}").as_str());
        let url = format!("http://{}/v2/{}/manifests/{tag}", self.host, self.repository);
        let accept = "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json";
        let got = Command::new("curl").args(["-sf", "-H", accept, &url, "-o"]).arg(&file).status().unwrap();
        assert!(got.success());
        file
    }

    /// Runs a command as the owner of the repository; gives the ids of root keys.
    fn owner(&self, args: &[&str]) -> Vec<String> {
        let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/notary-sign");
        let keys = self.home.path("notary");
        let done = Command::new(script).arg(&keys).arg(&self.notary).arg(self.gun()).args(args).output().unwrap();
        assert!(done.status.success(), "{}", lab::complained(&done));
        lab::said(&done).lines().map(str::to_owned).collect()
    }

    pub(crate) fn sign(&self, tag: &str, more: &[&str]) -> Vec<String> {
        let file = self.manifest(tag);
        self.owner(&[&["sign", tag, file.to_str().unwrap()], more].concat())
    }

    /// State, signer and reason of what the server says about a tag.
    pub(crate) fn verify(&self, tag: &str) -> (String, String, String) {
        let output = self.home.run(&["verify", &format!("{}:{tag}", self.gun()), "--again", "--json"]);
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let records = said["records"].as_array().unwrap().iter();
        let record = records.clone().find(|record| record["tool"].as_str().unwrap().ends_with(" notary"));
        let record = record.unwrap_or_else(|| panic!("{said}"));
        let signature = &record["outcome"]["signature"];
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&signature["state"]), text(&signature["signer"]), text(&record["reason"]))
    }

    fn file(&self, role: &str) -> Vec<u8> {
        let url = format!("http://{}/v2/{}/_trust/tuf/{role}.json", self.notary, self.gun());
        Command::new("curl").args(["-sf", &url]).output().unwrap().stdout
    }
}

#[test]
fn a_tag_is_verified_under_a_pinned_root_and_a_moved_one_fails() {
    let (open, notary) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_NOTARY"));
    let trust = Trust::new(&open, &notary);
    assert_eq!(trust.verify("1").0, "none-found");
    let root = trust.sign("1", &[]);
    let (state, _, reason) = trust.verify("1");
    assert_eq!(state, "no-key", "nobody trusts a root at first sight: {reason}");
    trust.pinned(&["0".repeat(64).as_str()]);
    assert_eq!(trust.verify("1").0, "untrusted");
    trust.pinned(&[&root[0]]);
    let (state, signer, reason) = trust.verify("1");
    assert_eq!(state, "verified", "{reason}");
    assert!(
        signer.contains(&format!("under root {}", &root[0][..16])) && reason.starts_with("targets,"),
        "{signer} {reason}"
    );
    // Another tag of the same bytes is not signed; and a signed tag that was moved is wrong.
    trust.push("2", &[]);
    let (state, _, reason) = trust.verify("2");
    assert_eq!((state.as_str(), reason.contains("1 others are")), ("none-found", true), "{reason}");
    trust.push("1", &["--platform", "linux/amd64"]);
    let (state, _, reason) = trust.verify("1");
    assert_eq!((state.as_str(), reason.contains("other bytes")), ("invalid", true), "{reason}");
    let denied = trust.home.run(&["verify", &format!("{}:1", trust.gun())]);
    assert_eq!(denied.status.code(), Some(4), "{}", lab::said(&denied));
}

#[test]
fn names_are_handed_over_and_root_keys_are_changed_without_losing_trust() {
    let (open, notary) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_NOTARY"));
    let trust = Trust::new(&open, &notary);
    let root = trust.sign("1", &[]);
    trust.pinned(&[&root[0]]);
    trust.owner(&["delegate", "targets/releases"]);
    trust.push("2", &[]);
    trust.sign("2", &["targets/releases"]);
    let (state, _, reason) = trust.verify("2");
    assert_eq!((state.as_str(), reason.starts_with("targets/releases")), ("verified", true), "{reason}");
    let keys = trust.owner(&["rotate"]);
    assert_eq!(keys.len(), 2);
    // The old key is still pinned: it signed the new one.
    let (state, signer, reason) = trust.verify("1");
    assert_eq!(state, "verified", "{reason}");
    assert!(signer.contains(&root[0][..16]), "{signer}");
    let new = keys.iter().find(|key| **key != root[0]).unwrap();
    trust.pinned(&[new]);
    assert_eq!(trust.verify("1").0, "verified");
    // Files older than those that were seen before are a rollback.
    let memory = trust.home.path("state/notary");
    let file = std::fs::read_dir(&memory).unwrap().flatten().next().unwrap().path();
    std::fs::write(&file, r#"{"timestamp":9999}"#).unwrap();
    let (state, _, reason) = trust.verify("1");
    assert_eq!((state.as_str(), reason.contains("rolled back")), ("invalid", true), "{reason}");
}

#[test]
fn every_file_that_is_changed_exchanged_or_out_of_date_is_noticed() {
    let (open, notary) = (need!("WHARF_LAB_OPEN"), need!("WHARF_LAB_NOTARY"));
    let trust = Trust::new(&open, &notary);
    let pins = trust.sign("1", &[]);
    let other = Trust::new(&open, &notary);
    other.sign("1", &[]);
    let roles = ["root", "timestamp", "snapshot", "targets"];
    let files = |trust: &Trust| roles.map(|role| trust.file(role));
    let seen = Versions::default();
    let now = wharf::core::base::text::now();
    let check = |files: &[Vec<u8>; 4], gun: &str, now: i64| {
        let watch = Watch { gun, pins: &pins, seen: &seen, now };
        let (mut chain, _) = tuf::trusted(&files[0], &[], &watch)?;
        let meta = chain.timestamp(&files[1], &watch)?;
        let snapshot = chain.snapshot(&files[2], &meta, &files[0], &watch)?;
        chain.targets(&files[3], &snapshot, &watch).map(|targets| targets.len())
    };
    let own = files(&trust);
    assert_eq!(check(&own, &trust.gun(), now), Ok(1));
    let wrong = |result: Result<usize, ChainFault>| matches!(result, Err(ChainFault::Wrong(_)));
    for at in 0..4 {
        // One digit of the signed part, and one of the signatures.
        let text = String::from_utf8(own[at].clone()).unwrap();
        for (from, to) in
            [("\"version\":", "\"version\":1"), ("\"sig\":\"", "\"sig\":\"A"), ("{\"signed\"", "{\"sign\"")]
        {
            let mut changed = own.clone();
            changed[at] = text.replacen(from, to, 1).into_bytes();
            assert!(wrong(check(&changed, &trust.gun(), now)), "{} {from}", roles[at]);
        }
        let mut exchanged = own.clone();
        exchanged[at] = other.file(roles[at]);
        assert!(check(&exchanged, &trust.gun(), now).is_err(), "{} of another repository", roles[at]);
    }
    assert!(wrong(check(&own, &other.gun(), now)), "the certificate is for another name");
    let later = now + 40 * 365 * 86_400;
    assert!(matches!(check(&own, &trust.gun(), later), Err(ChainFault::Expired(_))));
    // The timestamp ends first, after two weeks.
    assert!(
        matches!(check(&own, &trust.gun(), now + 20 * 86_400), Err(ChainFault::Expired(why)) if why.contains("timestamp"))
    );
}
