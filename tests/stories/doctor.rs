//! `wharf doctor` reports the state of everything, red where it is bad, within two seconds, and leaves nothing behind.

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::{
    lab::{self, Home},
    requests::site,
    site::{Person, free_port, until},
};

/// Its findings, its exit code and how long it took.
fn doctor(mut command: Command) -> (Vec<Value>, i32, Duration) {
    let began = Instant::now();
    let output = command.args(["doctor", "--json"]).output().unwrap();
    let found = serde_json::from_slice(&output.stdout);
    let found = found.unwrap_or_else(|error| panic!("{error}: {}{}", lab::said(&output), lab::complained(&output)));
    (found, output.status.code().unwrap(), began.elapsed())
}

/// The single finding about `what`: its state and all its text.
fn of<'a>(found: &'a [Value], what: &str) -> (&'a str, String) {
    let mut fitting = found.iter().filter(|one| one["what"].as_str().unwrap().starts_with(what));
    let one = fitting.next().unwrap_or_else(|| panic!("{what} is missing: {found:#?}"));
    (
        one["state"].as_str().unwrap(),
        format!("{} → {}", one["found"].as_str().unwrap(), one["advice"].as_str().unwrap()),
    )
}

fn red(found: &[Value]) -> Vec<&str> {
    found.iter().filter(|one| one["state"] == "bad").map(|one| one["what"].as_str().unwrap()).collect()
}

/// A home with this configuration file.
fn configured(text: &str) -> Home {
    let home = Home::new();
    std::fs::create_dir_all(home.path(".config/wharf")).unwrap();
    std::fs::write(home.path(".config/wharf/wharf.toml"), text).unwrap();
    home
}

/// A steward that ends with its test, even if that panics.
struct Working(std::process::Child);

impl Working {
    fn end(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server that accepts connections and never answers.
fn silent() -> (std::net::TcpListener, u16) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn own(person: &Person<'_>, text: &str) {
    let folder = person.home.path(".config/wharf");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("wharf.toml"), text).unwrap();
}

#[test]
fn what_does_not_answer_is_red_with_its_reason_and_all_are_asked_at_once() {
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let home = configured("");
    let key = home.path("steward.key");
    assert_eq!(home.run(&["key", "new", key.to_str().unwrap()]).status.code(), Some(0));
    let text = |store: u16, mail: u16, registry: u16| {
        format!(
            "[requests]\nstore = \"postgres://ada@127.0.0.1:{store}/wharf\"\nadmitted = \"127.0.0.1:{registry}/admitted\"\n\
             quarantine = \"127.0.0.1:{registry}/quarantine\"\nkey = \"{}\"\n\
             [notify]\nmail = \"smtp://127.0.0.1:{mail}\"\nfrom = \"wharf@site.example\"\n\
             [[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://127.0.0.1:{registry}\"\n\
             [policy.signature]\nkeys = [\"{}.pub\"]\n",
            key.display(),
            key.display()
        )
    };
    // Nobody listens: that is the reason given.
    std::fs::write(home.path(".config/wharf/wharf.toml"), text(ports[0], ports[1], ports[2])).unwrap();
    let (found, code, took) = doctor(home.wharf(&[]));
    assert_eq!(code, 1);
    for what in ["store of requests", "mail"] {
        let (state, said) = of(&found, what);
        assert!(state == "bad" && said.to_lowercase().contains("connection refused"), "{what}: {said}");
    }
    for what in ["oci site", "write 127.0.0.1"] {
        assert_eq!(of(&found, what).0, "bad", "{what}: {found:#?}");
    }
    assert_eq!(of(&found, "steward's key").0, "good", "{found:#?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    // Servers listen and are silent: each takes two seconds, and all together do.
    let all: Vec<_> = (0..3).map(|_| silent()).collect();
    std::fs::write(home.path(".config/wharf/wharf.toml"), text(all[0].1, all[1].1, all[2].1)).unwrap();
    let (found, code, took) = doctor(home.wharf(&[]));
    assert_eq!(code, 1);
    for what in ["store of requests", "mail", "oci site", "write 127.0.0.1"] {
        let (state, said) = of(&found, what);
        assert!(state == "bad" && (said.contains("within") || said.contains("in time")), "{what}: {said}");
    }
    assert!(took < Duration::from_millis(4000), "{took:?}");
    // The same for people: a sign, what, why, and what to do.
    let said = lab::said(&home.run(&["doctor"]));
    assert!(said.contains("✗ store of requests: PostgreSQL wharf on 127.0.0.1"), "{said}");
    assert!(!said.contains("✓ requests"), "{said}");
}

#[test]
fn a_key_that_is_missing_readable_by_others_or_trusted_by_nobody_is_red() {
    let home = configured("");
    let path = |name: &str| home.path(name).display().to_string();
    for name in ["known.key", "strange.key", "open.key"] {
        assert_eq!(home.run(&["key", "new", &path(name)]).status.code(), Some(0));
    }
    std::fs::set_permissions(home.path("open.key"), std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(home.path("text.key"), "no key").unwrap();
    std::fs::set_permissions(home.path("text.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    assert!(Command::new("mkfifo").args(["-m", "600", &path("fifo.key")]).status().unwrap().success());
    let locked = Command::new("openssl")
        .args(["pkcs8", "-topk8", "-passout", "pass:x", "-in", &path("known.key"), "-out", &path("locked.key")])
        .status();
    assert!(locked.unwrap().success());
    std::fs::set_permissions(home.path("locked.key"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let look = |setting: &str, name: &str, what: &str| {
        let text = format!(
            "[requests]\nadmitted = \"127.0.0.1:1/admitted\"\n{setting} = \"{}\"\n[policy.signature]\nkeys = [\"{}\"]\n",
            path(name),
            path("known.key.pub")
        );
        std::fs::write(home.path(".config/wharf/wharf.toml"), text).unwrap();
        let (found, _, took) = doctor(home.wharf(&[]));
        assert!(took < Duration::from_secs(4), "{name}: {took:?}");
        let (state, said) = of(&found, what);
        (state.to_owned(), said)
    };
    for (name, state, words) in [
        ("known.key", "good", "P-256"),
        ("strange.key", "bad", "does not trust it"),
        ("open.key", "bad", "chmod 600"),
        ("none.key", "bad", "wharf key new"),
        ("text.key", "bad", "no private key"),
        ("fifo.key", "bad", "no file that holds a key"),
        ("locked.key", "caution", "passphrase"),
    ] {
        for (setting, what) in [("key", "steward's key"), ("approver_key", "approver's key")] {
            // An approver sits at a terminal, so a passphrase is fine there.
            let wanted = if name == "locked.key" && setting == "approver_key" { "good" } else { state };
            let (state, said) = look(setting, name, what);
            assert!(state == wanted && said.contains(words), "{setting} {name}: {state} {said}");
        }
    }
    std::fs::copy(home.path("strange.key.pub"), home.path("locked.key.pub")).unwrap();
    assert_eq!(look("approver_key", "locked.key", "approver's key").0, "bad", "the half beside it is not trusted");
    let (state, said) = look("disk_key", "known.key", "key for disk images");
    assert!(state == "bad" && said.contains("p384"), "{said}");
    if let Some(hsm) = lab::part("WHARF_LAB_HSM") {
        let uri = "pkcs11:token=wharf%20lab;object=site?module-path=/usr/lib/softhsm/libsofthsm2.so";
        let text = format!(
            "[requests]\nadmitted = \"127.0.0.1:1/admitted\"\napprover_key = \"{uri}\"\n[policy.signature]\nkeys = [\"{hsm}/site.pub\"]\n"
        );
        std::fs::write(home.path(".config/wharf/wharf.toml"), text).unwrap();
        let mut command = home.wharf(&[]);
        command.env("SOFTHSM2_CONF", format!("{hsm}/softhsm2.conf"));
        let (found, ..) = doctor(command);
        let (state, said) = of(&found, "approver's key");
        assert!(state == "good" && said.contains("the key site of wharf lab, P-256") && said.contains("PIN"), "{said}");
        let mut command = home.wharf(&[]);
        command.env("SOFTHSM2_CONF", lab::nowhere());
        let (found, ..) = doctor(command);
        assert_eq!(of(&found, "approver's key").0, "bad", "{found:#?}");
    }
}

#[test]
fn an_engine_that_one_may_not_use_is_not_said_to_be_there() {
    let home = Home::new();
    let socket = home.path("docker.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    if rustix::process::geteuid().is_root() {
        std::fs::set_permissions(home.folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let program = home.path("wharf");
    std::fs::copy(env!("CARGO_BIN_EXE_wharf"), &program).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .arg("doctor")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path("none"))
        .env("WHARF_CACHE_DIR", home.path("none/cache"))
        .env("WHARF_SITE", lab::NO_SITE)
        .env("DOCKER_HOST", format!("unix://{}", socket.display()))
        .output()
        .unwrap();
    let said = lab::said(&output);
    assert!(said.contains("you may not use the socket"), "{said}{}", lab::complained(&output));
    let about: Vec<&str> = said.lines().filter(|line| line.contains("engine")).collect();
    assert!(about.iter().all(|line| !line.starts_with('✓')), "{said}");
}

#[tokio::test]
async fn everybody_of_a_site_that_works_is_green_and_a_site_that_does_not_is_red_for_whom_it_concerns() {
    let Some(mut site) = site("").await else { return };
    site.mail.as_mut().unwrap().start();
    let (ada, steward) = (site.person("ada"), site.steward());
    // No steward works yet.
    let (found, code, _) = doctor(ada.wharf(&[]));
    let (state, said) = of(&found, "steward");
    assert!(code == 1 && state == "bad" && said.contains("none was ever heard of"), "{said}");
    let working = steward.wharf(&["steward"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut working = Working(working);
    until("a steward says that it lives", || of(&doctor(ada.wharf(&[])).0, "steward").0 == "good");
    let before = uploads();
    let (found, code, took) = doctor(ada.wharf(&[]));
    assert_eq!((code, red(&found)), (0, vec![]), "{found:#?}");
    let (_, said) = of(&found, "store of requests");
    assert!(said.contains("as ada (wharf_user)") && said.contains("layout"), "{said}");
    assert_eq!(of(&found, "admitted").0, "good");
    assert!(took < Duration::from_secs(4), "{took:?}");
    let (found, code, _) = doctor(steward.wharf(&[]));
    assert_eq!((code, red(&found)), (0, vec![]), "{found:#?}");
    for what in ["write ", "steward's key", "mail", "scanner"] {
        assert_eq!(of(&found, what).0, "good", "{what}: {found:#?}");
    }
    assert_eq!(found.iter().filter(|one| one["what"].as_str().unwrap().starts_with("write ")).count(), 3, "{found:#?}");
    assert!(of(&found, "store of requests").1.contains("wharf_steward"));
    assert!(of(&found, "scanner").1.contains("trivy"), "{found:#?}");
    assert_eq!(uploads(), before, "nothing stays of what was tried");
    // The mail server goes away: red for the steward, who sends; a note for others.
    let port = site.mail.as_ref().unwrap().port;
    let file = |person: &Person<'_>| {
        let text = std::fs::read_to_string(person.home.path("site.toml")).unwrap();
        std::fs::write(person.home.path("site.toml"), text.replace(&format!(":{port}"), &format!(":{}", free_port())))
            .unwrap();
    };
    file(&ada);
    file(&steward);
    let (found, code, _) = doctor(steward.wharf(&[]));
    assert_eq!((code, red(&found)), (1, vec!["mail"]), "{found:#?}");
    let (found, code, _) = doctor(ada.wharf(&[]));
    assert_eq!((code, of(&found, "mail").0), (0, "caution"), "{found:#?}");
    // An account that may only read, and a scanner without data.
    assert_eq!(steward.run(&["logout", "site"]).status.code(), Some(0));
    let reader = steward.wharf(&["login", "site", "--user", "reader", "--password-stdin"]);
    assert_eq!(lab::with_input(reader, "readpass\n").status.code(), Some(0));
    let mut without = steward.wharf(&[]);
    without.env("TRIVY_CACHE_DIR", steward.home.path("empty"));
    let (found, _, _) = doctor(without);
    let (state, said) = of(&found, "write ");
    assert!(state == "bad" && said.contains("wharf login"), "{said}");
    let (state, said) = of(&found, "scanner");
    assert!(state == "bad" && said.contains("--download-db-only"), "{said}");
    // A person in the wrong group, and a person whom the database does not know.
    own(&ada, "[requests]\napprover_key = \"none.key\"\n");
    let (found, _, _) = doctor(ada.wharf(&[]));
    let (state, said) = of(&found, "store of requests");
    assert!(state == "bad" && said.contains("GRANT wharf_approver TO ada"), "{said}");
    for (person, words) in [("nobody", "you may not read it"), ("eve", "role \"eve\" does not exist")] {
        let (found, code, _) = doctor(site.person(person).wharf(&[]));
        let (state, said) = of(&found, "store of requests");
        assert!(code == 1 && state == "bad" && said.contains(words), "{person}: {said}");
    }
    // A steward that was killed is missed, by the store's clock: so the rows are made old.
    working.end();
    let database = site.database.as_ref().unwrap();
    let aged = database.psql("postgres", &database.name, "UPDATE wharf.steward SET seen = seen - 1000");
    assert!(aged.0, "{}", aged.1);
    let bob = site.person("bob");
    let (found, code, _) = doctor(bob.wharf(&[]));
    let (state, said) = of(&found, "steward");
    assert!(code == 1 && state == "bad" && said.contains("none lives"), "{said}");
}

/// Uploads that were tried and are still open at the lab's registry of admitted images.
fn uploads() -> usize {
    let Ok(lab) = std::env::var("WHARF_LAB") else { return 0 };
    let words = [&format!("{lab}/token"), "-path", "*wharf-doctor/_uploads/*/startedat"];
    lab::said(&Command::new("find").args(words).output().unwrap()).lines().count()
}

#[test]
fn a_webhook_whose_secret_is_the_stewards_alone_is_no_fault_of_others() {
    let Some(database) = lab::part("WHARF_LAB_POSTGRES") else { return };
    let home = configured("");
    std::fs::write(home.path("webhook.secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let text = |secret: &str, key: &str| {
        format!(
            "[requests]\nstore = \"postgres://ada@{database}/none?sslmode=disable\"\n{key}\n[notify]\nwebhook = \"https://chat.site.example/hook\"\nwebhook_secret = \"{}\"\n",
            home.path(secret).display()
        )
    };
    let key = format!("key = \"{}\"", home.path("none/steward.key").display());
    let key = key.as_str();
    for (secret, key, state) in [("webhook.secret", key, "good"), ("none", key, "bad"), ("none", "", "caution")] {
        std::fs::write(home.path(".config/wharf/wharf.toml"), text(secret, key)).unwrap();
        let (found, ..) = doctor(home.wharf(&[]));
        assert_eq!(of(&found, "webhook").0, state, "{secret} {key}: {found:#?}");
    }
}

#[test]
fn where_nothing_is_set_up_nothing_is_red() {
    let home = Home::new();
    let (found, code, _) = doctor(home.wharf(&[]));
    assert_eq!((code, red(&found)), (0, vec![]), "{found:#?}");
}
