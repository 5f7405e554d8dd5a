//! Keys in files: created with the right permissions, never over an existing file, readable by openssl; and warnings
//! about keys that will be lost.

use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

use crate::{
    lab::{self, Home},
    pty::Screen,
};

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

/// The public half as openssl derives it from the private one.
fn by_openssl(key: &Path, passphrase: &str) -> String {
    let made = Command::new("openssl")
        .args(["pkey", "-pubout", "-passin", &format!("pass:{passphrase}"), "-in"])
        .arg(key)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", lab::complained(&made));
    lab::said(&made)
}

#[test]
fn a_key_file_is_for_its_owner_alone_and_openssl_reads_it() {
    let home = Home::new();
    for (name, curve, words) in
        [("steward.key", "p256", "prime256v1"), ("disks.pem", "p384", "secp384r1"), ("./bare", "p256", "P-256")]
    {
        let path = home.path(name.trim_start_matches("./"));
        // Whatever the umask is, too open or too strict.
        for umask in ["000", "777"] {
            let mut make = Command::new("sh");
            make.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh", env!("CARGO_BIN_EXE_wharf")]);
            let wharf = home.wharf(&[]);
            for (name, value) in wharf.get_envs() {
                make.env(name, value.unwrap_or_default());
            }
            let made =
                make.args(["key", "new", name, "--type", curve]).current_dir(home.folder.path()).output().unwrap();
            assert_eq!(made.status.code(), Some(0), "{}", lab::complained(&made));
            let public = home.path(&format!("{}.pub", path.file_name().unwrap().to_str().unwrap()));
            assert_eq!((mode(&path), mode(&public)), (0o600, 0o644), "{name} {umask}");
            let half = std::fs::read_to_string(&public).unwrap();
            assert_eq!(by_openssl(&path, ""), half);
            let shown = Command::new("openssl").args(["pkey", "-noout", "-text", "-in"]).arg(&path).output().unwrap();
            assert!(lab::said(&shown).contains(words), "{}", lab::said(&shown));
            let said = lab::said(&made);
            assert!(said.contains(&public.display().to_string()), "the path of the public half: {said}");
            let next = lab::complained(&made);
            assert!(next.contains("[policy.signature] keys = [\"/") && next.contains("[requests] key = \"/"), "{next}");
            let show = home.run(&["key", "show", path.to_str().unwrap()]);
            assert_eq!(lab::said(&show), half);
            assert!(!said.contains("PRIVATE") && !next.contains("PRIVATE"));
            std::fs::remove_file(&path).unwrap();
            std::fs::remove_file(&public).unwrap();
        }
    }
}

#[test]
fn a_passphrase_is_asked_for_twice_and_openssl_opens_the_key_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("carol.key");
    let argv = [env!("CARGO_BIN_EXE_wharf"), "key", "new", key.to_str().unwrap(), "--passphrase"];
    let mut wrong = Screen::run(&argv, 120, 30, &[]);
    wrong.until("passphrase of the new key");
    wrong.keys("hunter2\r");
    wrong.until("once more");
    wrong.keys("hunter3\r");
    assert_eq!(wrong.ended(), 2);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is made");
    let mut right = Screen::run(&argv, 120, 30, &[]);
    right.until("passphrase of the new key");
    right.keys("hunter2\r");
    right.until("once more");
    right.keys("hunter2\r");
    assert_eq!(right.ended(), 0, "{}", right.text());
    assert!(!right.text().contains("hunter"), "{}", right.text());
    let text = std::fs::read_to_string(&key).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");
    assert_eq!(by_openssl(&key, "hunter2"), std::fs::read_to_string(folder.path().join("carol.key.pub")).unwrap());
    let parsed = Command::new("openssl").args(["asn1parse", "-in"]).arg(&key).output().unwrap();
    assert!(lab::said(&parsed).contains("scrypt"), "{}", lab::said(&parsed));
    // Without anybody to ask, nothing is made.
    let home = Home::new();
    let alone = home.run(&["key", "new", home.path("x.key").to_str().unwrap(), "--passphrase"]);
    assert_eq!(alone.status.code(), Some(7), "{}", lab::complained(&alone));
    assert!(!home.path("x.key").exists());
}

#[test]
fn a_key_file_is_never_written_over_anything_and_says_where_it_may_not() {
    let home = Home::new();
    let new = |path: &str| home.run(&["key", "new", path]);
    for (there, wanted) in [("a.key", "a.key"), ("b.key.pub", "b.key")] {
        std::fs::write(home.path(there), "mine").unwrap();
        let refused = new(home.path(wanted).to_str().unwrap());
        assert_eq!(refused.status.code(), Some(2), "{}", lab::complained(&refused));
        assert_eq!(std::fs::read_to_string(home.path(there)).unwrap(), "mine");
    }
    assert!(!home.path("b.key").exists(), "no half of a pair stays");
    // A link to a missing target also counts as an existing file.
    std::os::unix::fs::symlink(home.path("elsewhere"), home.path("c.key")).unwrap();
    assert_eq!(new(home.path("c.key").to_str().unwrap()).status.code(), Some(2));
    assert!(!home.path("elsewhere").exists());
    let missing = new(home.path("none/d.key").to_str().unwrap());
    assert_eq!(missing.status.code(), Some(6));
    assert!(lab::complained(&missing).contains("mkdir"), "{}", lab::complained(&missing));
    for odd in ["pkcs11:token=t;object=o?module-path=/x.so", "keyring:../x", "folder/"] {
        assert_eq!(new(odd).status.code(), Some(2), "{odd}");
    }
}

#[test]
fn a_folder_of_somebody_else_and_a_full_disk_leave_no_half_a_key() {
    if !rustix::process::geteuid().is_root() {
        return eprintln!("left out: needs root to be somebody else and to mount");
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let program = folder.path().join("wharf");
    std::fs::copy(env!("CARGO_BIN_EXE_wharf"), &program).unwrap();
    let key = folder.path().join("x.key");
    let refused = Command::new("setpriv")
        .args([
            "--reuid",
            "65534",
            "--regid",
            "65534",
            "--clear-groups",
            "env",
            "-i",
            "HOME=/nonexistent",
            "WHARF_SITE=/dev/null",
        ])
        .args([program.to_str().unwrap(), "key", "new", key.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(7), "{}", lab::complained(&refused));
    assert!(lab::complained(&refused).contains("you may not write into"), "{}", lab::complained(&refused));
    // Room for nothing, and for the private half alone.
    for room in [0, 1] {
        let script = format!(
            "mount -t tmpfs -o size=16k tmpfs \"$1\"; dd if=/dev/zero of=\"$1/fill\" bs=4096 count={} 2>/dev/null; \
             \"$2\" key new \"$1/x.key\"; echo \"code $?\"; ls \"$1\"",
            4 - room
        );
        let home = Home::new();
        let mount = home.path("mount");
        std::fs::create_dir(&mount).unwrap();
        let full = Command::new("unshare")
            .args(["-m", "sh", "-c", &script, "sh", mount.to_str().unwrap(), env!("CARGO_BIN_EXE_wharf")])
            .env("HOME", home.folder.path())
            .env("WHARF_SITE", crate::lab::NO_SITE)
            .output()
            .unwrap();
        let (said, why) = (lab::said(&full), lab::complained(&full));
        assert_eq!(said, "code 1\nfill\n", "{room}: {why}");
        assert!(why.contains("No space left") && why.contains("nothing was left behind"), "{why}");
    }
}

#[test]
fn a_key_in_a_store_that_forgets_says_so_when_it_is_made_and_when_a_steward_starts() {
    if wharf::adapters::shared::exec::on_path("keyctl").is_none() {
        return eprintln!("left out: keyctl is not installed");
    }
    let home = Home::new();
    let name = lab::fresh("steward");
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    std::fs::write(home.path(".config/wharf/wharf.toml"), format!("[requests]\nkey = \"keyring:{name}\"\n")).unwrap();
    let run = |agreed: &str| {
        let script = format!(
            "'{wharf}' key new {name} && '{wharf}' steward --once; echo \"code $?\"; '{wharf}' key forget {name}",
            wharf = env!("CARGO_BIN_EXE_wharf")
        );
        let mut command = Command::new("keyctl");
        for (name, value) in home.wharf(&[]).get_envs() {
            command.env(name, value.unwrap_or_default());
        }
        let output =
            command.args(["session", "-", "sh", "-c", &script]).env("WHARF_SECRET_FILE", agreed).output().unwrap();
        format!("{}{}", lab::said(&output), lab::complained(&output))
    };
    let said = run("no");
    let warned = said.matches(&format!("the key '{name}' is gone after a restart")).count();
    assert!(said.contains("code 0") && warned == 2, "when it is made, and when the steward starts: {said}");
    assert!(said.contains("wharf key new FOLDER/"), "{said}");
    // A file that the person has agreed to keeps it for good, even where the kernel's keyring would have been used.
    let said = run("yes");
    assert!(said.contains("code 0") && !said.contains("is gone"), "{said}");
}

/// What openssl makes of a script in a folder.
fn openssl(folder: &std::path::Path, script: &str) {
    let made = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    assert!(made.status.success(), "{script}: {}", lab::complained(&made));
}

/// Every format in which openssl writes a key pair; `b` is the public half.
const FORMS: [(&str, &str); 12] = [
    (
        "SEC 1, its curve before it",
        "openssl ecparam -name prime256v1 -genkey -out a; openssl pkey -in a -pubout -out b",
    ),
    ("SEC 1 alone", "openssl ecparam -name secp384r1 -genkey -noout -out a; openssl pkey -in a -pubout -out b"),
    (
        "PKCS#8",
        "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out a; openssl pkey -in a -pubout -out b",
    ),
    ("Ed25519", "openssl genpkey -algorithm ed25519 -out a; openssl pkey -in a -pubout -out b"),
    (
        "RSA, PKCS#8",
        "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out a; openssl pkey -in a -pubout -out b",
    ),
    ("RSA, PKCS#1 both", "openssl genrsa -traditional -out a 2048; openssl rsa -in a -RSAPublicKey_out -out b"),
    ("RSA, PKCS#1 of 4096", "openssl genrsa -traditional -out a 4096; openssl rsa -in a -RSAPublicKey_out -out b"),
    (
        "text before and between",
        "openssl ecparam -name prime256v1 -genkey -noout -out k; (echo 'a key of ada'; openssl pkey -in k -text; echo end) >a; (openssl pkey -in k -pubout -text) >b",
    ),
    (
        "ends of lines of Windows",
        "openssl ecparam -name prime256v1 -genkey -out k; openssl pkey -in k -pubout -out p; sed 's/$/\\r/' k >a; sed 's/$/\\r/' p >b",
    ),
    (
        "a mark of byte order",
        "openssl ecparam -name prime256v1 -genkey -noout -out k; openssl pkey -in k -pubout -out p; printf '\\357\\273\\277' | cat - k >a; printf '\\357\\273\\277' | cat - p >b",
    ),
    (
        "several blocks, and others first",
        "openssl ecparam -name prime256v1 -genkey -noout -out k; openssl req -x509 -new -key k -subj /CN=x -out c; cat c k >a; openssl pkey -in k -pubout -out p; cat c p >b",
    ),
    (
        "one long line",
        "openssl genpkey -algorithm ed25519 -out k; openssl pkey -in k -pubout -out p; for n in k p; do sed -n '2,$p' $n | sed '$d' | tr -d '\\n' >$n.body; (head -n1 $n; cat $n.body; echo; tail -n1 $n) >$n.line; done; cp k.line a; cp p.line b",
    ),
];

#[test]
fn keys_are_read_in_every_form_that_openssl_writes() {
    let home = Home::new();
    for (number, (form, script)) in FORMS.iter().enumerate() {
        let folder = home.path(&format!("form{number}"));
        std::fs::create_dir(&folder).unwrap();
        openssl(&folder, &format!("{script}; chmod 600 a"));
        let told = home.wharf(&["key", "show", folder.join("a").to_str().unwrap()]).output().unwrap();
        assert!(told.status.success(), "{form}: {}", lab::complained(&told));
        // The public half is the same key.
        let public = wharf::adapters::formats::keys::Key::load(&folder.join("b"))
            .unwrap_or_else(|error| panic!("{form}: {error}"));
        let shown = lab::said(&told) + &lab::complained(&told);
        assert!(shown.contains(&public.id) || shown.contains(public.pem().trim()), "{form}: {shown}");
    }
    // A private key is not accepted as a public one, and an unreadable file gives advice.
    let folder = home.path("refused");
    std::fs::create_dir(&folder).unwrap();
    openssl(
        &folder,
        "openssl ecparam -name prime256v1 -genkey -out a; openssl ec -in a -aes256 -passout pass:x -out old; chmod 600 a old",
    );
    let error = wharf::adapters::formats::keys::Key::load(&folder.join("a")).unwrap_err();
    assert!(error.why.contains("private key"), "{error}");
    let old = home.wharf(&["key", "show", folder.join("old").to_str().unwrap()]).output().unwrap();
    assert!(lab::complained(&old).contains("old form"), "{}", lab::complained(&old));
}

#[test]
fn certificates_are_read_whatever_stands_around_them() {
    let home = Home::new();
    let folder = home.folder.path();
    openssl(
        folder,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -subj /CN=site -days 9 -out plain 2>/dev/null; \
        openssl x509 -in plain -text -out text; sed 's/$/\\r/' plain >windows; printf '\\357\\273\\277' | cat - plain >mark; \
        cat k plain >behind; (cat plain; echo trailing) >trailing",
    );
    let read = |name: &str| {
        let text = String::from_utf8_lossy(&std::fs::read(folder.join(name)).unwrap()).into_owned();
        wharf::adapters::formats::certificates::all_from_pem(&text)
    };
    let plain = read("plain");
    for form in ["text", "windows", "mark", "behind", "trailing"] {
        let found = read(form);
        assert!(found.len() == 1 && found[0].der == plain[0].der, "{form}");
    }
}

/// An asker that knows a passphrase.
struct Knows(&'static str);

#[async_trait::async_trait]
impl wharf::core::ports::Asker for Knows {
    async fn ask(
        &self,
        _: wharf::core::ports::Question,
    ) -> wharf::core::base::error::Result<wharf::core::base::secret::Secret> {
        Ok(wharf::core::base::secret::Secret::new(self.0))
    }
}

#[tokio::test]
async fn a_locked_key_opens_or_it_is_said_whether_the_passphrase_or_the_form_is_the_reason() {
    let home = Home::new();
    let folder = home.folder.path();
    openssl(folder, "openssl ecparam -name prime256v1 -genkey -noout -out k");
    let open = async |passphrase: &'static str| {
        let key = folder.join("locked").display().to_string();
        let vault = std::sync::Arc::new(crate::fake::NoVault);
        wharf::adapters::signing::open(key, std::sync::Arc::new(Knows(passphrase)), vault).await
    };
    for (form, opens) in [
        ("-v2 aes-256-cbc", true),
        ("-v2 aes-128-cbc -iter 100000", true),
        ("-v2 aes-256-cbc -v2prf hmacWithSHA512", true),
        ("-scrypt", true),
        ("-v2 des3", false),
        ("-v2 aes-256-cbc -v2prf hmacWithSHA1", false),
        ("-v1 PBE-SHA1-3DES", false),
    ] {
        openssl(
            folder,
            &format!(
                "rm -f locked; openssl pkcs8 -topk8 {form} -in k -passout pass:wharf -out locked; chmod 600 locked"
            ),
        );
        match open("wharf").await {
            Ok(_) => assert!(opens, "{form}"),
            Err(error) => assert!(!opens && error.why.contains("old form"), "{form}: {error}"),
        }
        if opens {
            let error = open("other").await.err().unwrap();
            assert!(error.why.contains("does not open it"), "{form}: {error}");
        }
    }
}
