//! Signatures in a real registry: signed, unsigned, by a stranger, of another image; and what that means for a launch.

use std::{path::Path, process::Command};

use crate::lab::{self, Home, need};

/// A person whose policy trusts some keys, and an image of their own in the registry.
struct Signing {
    home: Home,
    host: String,
    repository: String,
}

impl Signing {
    fn new(host: &str, policy: &str) -> Self {
        let signing = Self { home: Home::new(), host: host.to_owned(), repository: lab::fresh("zz/signed-look") };
        let folder = signing.home.path(".config/wharf");
        std::fs::create_dir_all(&folder).unwrap();
        let source = format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{host}\"\n");
        std::fs::write(folder.join("wharf.toml"), format!("{source}[policy]\nname = \"test\"\n{policy}")).unwrap();
        let pushed = signing.home.run(&["push", &lab::starter(), &format!("{host}/{}:1", signing.repository)]);
        assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
        signing
    }

    fn image(&self) -> String {
        format!("{}/{}:1", self.host, self.repository)
    }

    /// Signs as cosign does; `kind` of key, and `-b` for a bundle.
    fn sign(&self, key: &str, kind: &str, bundle: bool) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/cosign-sign");
        let key = self.home.path(".config/wharf").join(key);
        let mut command = Command::new(script);
        if bundle {
            command.arg("-b");
        }
        let done = command
            .arg(key)
            .args([&format!("http://{}", self.host), &self.repository, "1"])
            .env("KIND", kind)
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", lab::complained(&done));
    }

    /// The exit code of the verdict, the signature's state, and the whole output.
    fn verify(&self) -> (Option<i32>, String, serde_json::Value) {
        let output = self.home.run(&["verify", &self.image(), "--again", "--json"]);
        let said: serde_json::Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", lab::complained(&output)));
        let records = said["records"].as_array().unwrap();
        let state = records.iter().find_map(|record| record["outcome"]["signature"]["state"].as_str());
        (output.status.code(), state.unwrap_or("none").to_owned(), said.clone())
    }
}

/// Missing scans do not matter in these tests.
const UNSCANNED: &str = "[policy.scan]\nmissing = \"allow\"\nfixable_critical = \"allow\"\n";

#[test]
fn every_kind_of_key_and_both_forms_of_signature_are_verified() {
    let open = need!("WHARF_LAB_OPEN");
    for kind in ["prime256v1", "secp384r1", "rsa", "ed25519"] {
        for bundle in [false, true] {
            let signing = Signing::new(&open, &format!("[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
            let (code, state, _) = signing.verify();
            assert_eq!((code, state.as_str()), (Some(3), "none-found"), "unsigned");
            signing.sign("site", kind, bundle);
            let (code, state, said) = signing.verify();
            // The tag is an index: its signature covers the platform that it lists.
            assert_eq!((code, state.as_str()), (Some(0), "covered-by-index"), "{kind} {bundle}: {said}");
            let signer = said["records"][0]["outcome"]["signature"]["signer"].as_str().unwrap();
            assert!(signer.starts_with("key "), "{signer}");
        }
    }
}

#[test]
fn a_stranger_a_missing_key_and_a_signature_of_another_image_are_told_apart() {
    let open = need!("WHARF_LAB_OPEN");
    let no_keys = Signing::new(&open, UNSCANNED);
    no_keys.sign("other", "prime256v1", false);
    assert_eq!(no_keys.verify().1, "no-key");
    let signing = Signing::new(&open, &format!("[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
    signing.sign("stranger", "prime256v1", false);
    // The site's own key is there, and has signed nothing here.
    let elsewhere = Signing::new(&open, UNSCANNED);
    elsewhere.sign("site", "prime256v1", false);
    let key = |home: &Home| home.path(".config/wharf/site.pub");
    std::fs::copy(key(&elsewhere.home), key(&signing.home)).unwrap();
    let (code, state, _) = signing.verify();
    assert_eq!((code, state.as_str()), (Some(3), "untrusted"));
    // The signature of another image in this one's place: by the right key, but of the wrong bytes.
    let digest = |signing: &Signing| {
        let said = signing.verify().2;
        said["subject"]["digest"].as_str().unwrap().replace(':', "-")
    };
    let wrong = Signing::new(&open, &format!("enforce = true\n[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
    std::fs::copy(key(&elsewhere.home), key(&wrong.home)).unwrap();
    // Another image: one platform of the same layout has a digest of its own.
    let image = format!("{open}/{}:one", wrong.repository);
    let pushed = wrong.home.run(&["push", &lab::starter(), &image, "--platform", "linux/amd64"]);
    assert_eq!(pushed.status.code(), Some(0), "{}", lab::complained(&pushed));
    let from = format!("docker://{open}/{}:{}.sig", elsewhere.repository, digest(&elsewhere));
    let verify = |again: &[&str]| wrong.home.run(&[&["verify", &image, "--json"], again].concat());
    let said: serde_json::Value = serde_json::from_slice(&verify(&[]).stdout).unwrap();
    let place = said["subject"]["digest"].as_str().unwrap().replace(':', "-");
    let to = format!("docker://{open}/{}:{place}.sig", wrong.repository);
    let copied = Command::new("skopeo")
        .args(["copy", "-q", "--src-tls-verify=false", "--dest-tls-verify=false", &from, &to])
        .output()
        .unwrap();
    assert!(copied.status.success(), "{}", lab::complained(&copied));
    // It does not count for this image, nor as a failed one: anybody who may push could put it there to have the image
    // denied.
    let refused = verify(&["--again"]);
    assert_eq!(refused.status.code(), Some(3), "{}", lab::said(&refused));
    for told in ["\"none-found\"", "something else is attached", "another image"] {
        assert!(lab::said(&refused).contains(told), "{told}: {}", lab::said(&refused));
    }
    // And it is not launched, which is recorded.
    if wharf::adapters::local::SandboxProgram::find().is_some() {
        let launch = wrong.home.run(&["launch", &image, "--on", "local"]);
        assert_eq!(launch.status.code(), Some(3), "{}", lab::complained(&launch));
        assert!(lab::complained(&launch).contains("unsigned"), "{}", lab::complained(&launch));
        assert!(!lab::said(&wrong.home.run(&["workloads", "--json"])).contains("running"));
        let audit = lab::said(&wrong.home.run(&["audit"]));
        assert!(audit.contains("launch") && audit.contains("needs-approval"), "{audit}");
    }
}

#[test]
fn an_enforcing_policy_holds_back_what_nobody_signed_and_the_audit_cannot_be_changed() {
    let open = need!("WHARF_LAB_OPEN");
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let policy = format!("enforce = true\n[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}");
    let signing = Signing::new(&open, &policy);
    let launch = |signing: &Signing| signing.home.run(&["launch", &signing.image(), "--on", "local", "--follow"]);
    let held = launch(&signing);
    assert_eq!(held.status.code(), Some(3), "{}", lab::complained(&held));
    assert!(lab::complained(&held).contains("unsigned"), "{}", lab::complained(&held));
    signing.sign("site", "prime256v1", false);
    assert_eq!(signing.verify().0, Some(0));
    let allowed = launch(&signing);
    assert_eq!(allowed.status.code(), Some(0), "{}", lab::complained(&allowed));
    let entries: serde_json::Value = serde_json::from_slice(&signing.home.run(&["audit", "--json"]).stdout).unwrap();
    let told: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["action"].as_str().unwrap(), &entry["verdict"]))
        .collect();
    assert_eq!(
        told,
        [("copy", &"own image".into()), ("launch", &serde_json::Value::Null), ("launch", &"allow".into())],
        "{entries}"
    );
    assert_eq!(signing.home.run(&["audit", "verify"]).status.code(), Some(0));
    let exported = lab::said(&signing.home.run(&["audit", "export"]));
    assert_eq!(
        exported.trim_end(),
        std::fs::read_to_string(signing.home.path("state/audit.jsonl")).unwrap().trim_end()
    );
    let file = signing.home.path("state/audit.jsonl");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("needs-approval", "done", 1)).unwrap();
    let broken = signing.home.run(&["audit", "--verify"]);
    assert_eq!(broken.status.code(), Some(1), "{}", lab::said(&broken));
    assert!(lab::complained(&broken).contains("line 2"), "{}", lab::complained(&broken));
}

#[test]
fn shares_and_copies_ask_the_policy_and_go_on_only_with_a_reason_that_is_written_down() {
    let open = need!("WHARF_LAB_OPEN");
    let held = Signing::new(&open, &format!("enforce = true\n{UNSCANNED}"));
    // Pushing the person's own file is allowed, because only then can it be checked.
    let share = |signing: &Signing, more: &[&str]| {
        signing.home.run(&[&["share", &signing.image(), "--to", "zz/shared-on"], more].concat())
    };
    let copy = |signing: &Signing, more: &[&str]| {
        let to = format!("{open}/zz/copied-on:1");
        signing.home.run(&[&["copy", &signing.image(), &to], more].concat())
    };
    for done in [share(&held, &[]), copy(&held, &[]), share(&held, &["--because", "it is Friday"])] {
        assert_eq!(done.status.code(), Some(3), "{}", lab::complained(&done));
        assert!(lab::complained(&done).contains("unsigned"), "{}", lab::complained(&done));
    }
    let may = Signing::new(&open, &format!("enforce = true\noverride = \"anyone\"\n{UNSCANNED}"));
    let refused = copy(&may, &[]);
    assert!(lab::complained(&refused).contains("--because"), "{}", lab::complained(&refused));
    for done in [share(&may, &["--because", "it is Friday"]), copy(&may, &["--because", "deadline"])] {
        assert_eq!(done.status.code(), Some(0), "{}", lab::complained(&done));
    }
    let audit = lab::said(&may.home.run(&["audit"]));
    for told in ["needs approval, overridden: it is Friday", "overridden: deadline", "own image", "needs-approval"] {
        assert!(audit.contains(told), "{told}: {audit}");
    }
    // What is denied is denied to everybody.
    let digest = may.verify().2["subject"]["digest"].as_str().unwrap().to_owned();
    let file = may.home.path(".config/wharf/wharf.toml");
    let policy = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{policy}[[policy.deny]]\ndigest = \"{digest}\"\nreason = \"miner\"\n")).unwrap();
    let denied = copy(&may, &["--because", "deadline"]);
    assert_eq!(denied.status.code(), Some(4), "{}", lab::complained(&denied));
    assert!(lab::complained(&denied).contains("miner"), "{}", lab::complained(&denied));
    let pushed = may.home.run(&["push", &lab::starter(), &may.image(), "--because", "deadline"]);
    assert_eq!(pushed.status.code(), Some(4), "one's own is no exception: {}", lab::complained(&pushed));
}

#[test]
fn what_wharf_signs_with_a_file_it_verifies_and_signs_once() {
    let open = need!("WHARF_LAB_OPEN");
    for kind in ["prime256v1", "secp384r1", "rsa", "ed25519"] {
        let signing = Signing::new(&open, &format!("[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
        // The script makes the keys; what it signs is another image.
        let other = Signing::new(&open, UNSCANNED);
        other.sign("site", kind, false);
        let key = |home: &Home, ending: &str| home.path(&format!(".config/wharf/site.{ending}"));
        for ending in ["pub", "key"] {
            std::fs::copy(key(&other.home, ending), key(&signing.home, ending)).unwrap();
        }
        let file = key(&signing.home, "key");
        // A person who looked before it was signed sees the signature a moment later, without `--again`.
        let verify = || lab::said(&signing.home.run(&["verify", &signing.image()]));
        assert!(verify().contains("unsigned"), "{}", verify());
        let sign = || signing.home.run(&["sign", &signing.image(), "--key", file.to_str().unwrap(), "--json"]);
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(lab::complained(&sign()).contains("chmod 600"), "{}", lab::complained(&sign()));
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let done = sign();
        assert_eq!(done.status.code(), Some(0), "{kind}: {}", lab::complained(&done));
        let said: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(said["already"], false);
        assert!(verify().contains("covered by a signed index"), "{}", verify());
        assert_eq!(serde_json::from_slice::<serde_json::Value>(&sign().stdout).unwrap()["already"], true, "{kind}");
        let (code, state, verified) = signing.verify();
        assert_eq!((code, state.as_str()), (Some(0), "covered-by-index"), "{kind}: {verified}");
        let signer = verified["records"][0]["outcome"]["signature"]["signer"].as_str().unwrap().to_owned();
        assert!(said["key"].as_str().unwrap().starts_with(signer.trim_start_matches("key ")), "{signer}");
        // A second signer adds a signature and removes none.
        signing.sign("second", "prime256v1", true);
        assert_eq!(signing.verify().1, "covered-by-index");
        assert!(lab::said(&signing.home.run(&["audit"])).contains("sign"));
    }
}

#[test]
fn another_policy_is_rehearsed_over_what_was_looked_at_and_launched() {
    let open = need!("WHARF_LAB_OPEN");
    let signing = Signing::new(&open, &format!("[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
    signing.sign("site", "prime256v1", false);
    assert_eq!(signing.verify().0, Some(0));
    if wharf::adapters::local::SandboxProgram::find().is_some() {
        let launched = signing.home.run(&["launch", &signing.image(), "--on", "local", "--follow"]);
        assert_eq!(launched.status.code(), Some(0), "{}", lab::complained(&launched));
    }
    // The policy in force is printed in the format of a file, and that changes nothing. People with only a binary have
    // no source tree in which to look the keys up.
    let every_key = lab::said(&signing.home.run(&["policy", "show", "--commented"]));
    let built_in = wharf::core::policy::Policy::read_file(&every_key, "built in").unwrap();
    assert_eq!(built_in, wharf::core::policy::Policy::default());
    assert!(every_key.lines().filter(|line| line.starts_with('#')).count() > 20, "{every_key}");
    let shown = lab::said(&signing.home.run(&["policy", "show"]));
    let same = signing.home.path("same.toml");
    std::fs::write(&same, &shown).unwrap();
    let test = |file: &Path| signing.home.run(&["policy", "test", file.to_str().unwrap()]);
    assert!(lab::said(&test(&same)).contains("would change nothing"), "{}", lab::complained(&test(&same)));
    // A stricter policy wants a scan of what was launched without.
    let strict = signing.home.path("strict.toml");
    std::fs::write(&strict, "[policy]\nname = \"strict\"\n[policy.scan]\nmissing = \"deny\"\n").unwrap();
    let said = lab::said(&test(&strict));
    assert!(said.contains("deny") && said.contains("not scanned") && said.contains("allow"), "{said}");
    assert!(said.contains("1 of 1 image"), "{said}");
    std::fs::write(&strict, "missing = 3\n").unwrap();
    assert_eq!(test(&strict).status.code(), Some(2));
}

#[test]
fn a_signature_without_a_key_counts_by_who_made_it_and_who_vouched_for_them() {
    let open = need!("WHARF_LAB_OPEN");
    let identity = "https://github.com/physics/gromacs/.github/workflows/release.yml@refs/tags/v1";
    let issuer = "https://token.actions.githubusercontent.com";
    let keyless = |rules: &str| {
        let root = "[policy.signature]\ntrusted_root = \"sigstore/trusted_root.json\"\ntransparency_log = false\n";
        let signing = Signing::new(&open, &format!("{root}{rules}{UNSCANNED}"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lab/keyless-sign");
        let done = Command::new(script)
            .arg(signing.home.path(".config/wharf/sigstore"))
            .args([&format!("http://{open}"), &signing.repository, "1", identity, issuer])
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", lab::complained(&done));
        signing
    };
    let rule = |identity: &str, issuer: &str| {
        format!("[[policy.signature.identity]]\nidentity = \"{identity}\"\nissuer = \"{issuer}\"\n")
    };
    let workflows = "https://github.com/physics/gromacs/.github/workflows/*";
    for (rules, wanted) in [
        (String::new(), "no-key"),
        (rule(identity, issuer), "covered-by-index"),
        (rule(workflows, issuer), "covered-by-index"),
        (rule(workflows, "https://accounts.example"), "untrusted"),
        (rule("https://github.com/evil/*", issuer), "untrusted"),
    ] {
        let signing = keyless(&rules);
        let (_, state, said) = signing.verify();
        assert_eq!(state, wanted, "{rules}: {said}");
        assert!(said.to_string().contains("release.yml@refs/tags/v1 vouched for by"), "{said}");
    }
    // Another instance's root: the certificate is not trusted.
    let signing = keyless(&rule(identity, issuer));
    let other = keyless("");
    let root = |signing: &Signing| signing.home.path(".config/wharf/sigstore/trusted_root.json");
    std::fs::copy(root(&other), root(&signing)).unwrap();
    let (code, state, said) = signing.verify();
    assert_ne!(code, Some(0), "{said}");
    assert!(matches!(state.as_str(), "untrusted" | "invalid"), "{state}: {said}");
}

#[test]
fn a_key_of_the_secret_store_signs_and_one_behind_a_passphrase_is_opened_at_a_terminal_only() {
    let open = need!("WHARF_LAB_OPEN");
    let signing = Signing::new(&open, &format!("[policy.signature]\nkeys = [\"site.pub\"]\n{UNSCANNED}"));
    let run = |arguments: &[&str]| signing.home.wharf(arguments).env("WHARF_SECRET_FILE", "yes").output().unwrap();
    let missing = run(&["sign", &signing.image(), "--key", "keyring:steward"]);
    assert!(lab::complained(&missing).contains("wharf key new steward"), "{}", lab::complained(&missing));
    let made = run(&["key", "new", "steward"]);
    assert_eq!(made.status.code(), Some(0), "{}", lab::complained(&made));
    assert!(!lab::said(&made).contains("PRIVATE"), "only its public half is shown");
    assert_eq!(run(&["key", "new", "steward"]).status.code(), Some(2), "one that is there is never replaced");
    let shown = run(&["key", "show", "keyring:steward"]);
    std::fs::write(signing.home.path(".config/wharf/site.pub"), &shown.stdout).unwrap();
    let signed = run(&["sign", &signing.image(), "--key", "keyring:steward"]);
    assert_eq!(signed.status.code(), Some(0), "{}", lab::complained(&signed));
    let (code, state, said) = signing.verify();
    assert_eq!((code, state.as_str()), (Some(0), "covered-by-index"), "{said}");
    assert_eq!(run(&["key", "forget", "steward"]).status.code(), Some(0));
    assert_eq!(run(&["key", "show", "keyring:steward"]).status.code(), Some(6));
    let audit = lab::said(&run(&["audit"]));
    assert!(audit.contains("keep-key") && audit.contains("forget-key") && !audit.contains("BEGIN"), "{audit}");
    // A key from a file is kept unchanged, with its passphrase: nobody is here to type it.
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/keys/cosign.key");
    let locked = run(&["key", "import", "locked", file.to_str().unwrap()]);
    assert_eq!(locked.status.code(), Some(7), "{}", lab::complained(&locked));
    assert!(lab::complained(&locked).contains("passphrase"), "{}", lab::complained(&locked));
}
