//! Where secrets are kept: a real Secret Service, the real kernel keyring, a file after asking, or only in memory.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use crate::lab::{self, Home, need};

/// Signs in with the password on standard input; gives what `sources` and `doctor` say about it.
fn sign_in(home: &Home, auth: &str, wrap: &[&str], variables: &[(&str, &str)]) -> String {
    let wharf = env!("CARGO_BIN_EXE_wharf");
    let script = format!(
        "'{wharf}' login {auth} --user lab --password-stdin; echo \"code $?\"; '{wharf}' sources; '{wharf}' doctor | grep 'secret store'; \
         '{wharf}' logout {auth} && '{wharf}' sources"
    );
    let mut words: Vec<&str> = wrap.to_vec();
    words.extend(["sh", "-c", &script]);
    let mut child = Command::new(words[0])
        .args(&words[1..])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", home.folder.path())
        .env("WHARF_CACHE_DIR", home.path("cache"))
        .env("WHARF_STATE_DIR", home.path("state"))
        .env("WHARF_DISCOVER", "no")
        .env("WHARF_SITE", crate::lab::NO_SITE)
        .env("WHARF_REGISTRIES", format!("http://{auth}"))
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"labpass\n").unwrap();
    let output = child.wait_with_output().unwrap();
    format!("{}{}", lab::said(&output), lab::complained(&output))
}

fn works(said: &str, store: &str) {
    assert!(said.contains("code 0") && said.contains(store), "{said}");
    assert!(said.contains("answers  lab"), "the next program finds it: {said}");
    assert!(said.contains("✗ failed"), "after the logout it is gone: {said}");
    assert!(!said.contains("labpass"));
}

#[test]
fn a_secret_service_keeps_them_where_a_bus_answers() {
    let (auth, bus) = (need!("WHARF_LAB_AUTH"), need!("WHARF_LAB_BUS"));
    let home = Home::new();
    let said = sign_in(&home, &auth, &[], &[("DBUS_SESSION_BUS_ADDRESS", &bus)]);
    works(&said, "Secret Service");
    assert!(!home.path("state/secrets").exists(), "nothing beside it");
}

#[test]
fn the_kernel_keeps_them_where_there_is_a_session() {
    let auth = need!("WHARF_LAB_AUTH");
    if wharf::adapters::shared::exec::on_path("keyctl").is_none() {
        return eprintln!("left out: keyctl is not installed");
    }
    let home = Home::new();
    let said = sign_in(&home, &auth, &["keyctl", "session", "-"], &[]);
    works(&said, "kernel keyring");
}

#[test]
fn a_bus_that_never_answers_costs_a_second() {
    let home = Home::new();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bus");
    // It accepts connections and never answers.
    let _listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let began = std::time::Instant::now();
    let doctor = home
        .wharf(&["doctor"])
        .env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}", path.display()))
        .output()
        .unwrap();
    let said = lab::said(&doctor);
    assert!(said.contains("Secret Service: no answer within 1 s"), "{said}");
    assert!(began.elapsed() < std::time::Duration::from_secs(10));
}

#[test]
fn without_any_store_and_without_anybody_to_ask_nothing_is_kept_and_that_is_an_error() {
    let auth = need!("WHARF_LAB_AUTH");
    let home = Home::new();
    if lab::keyring_lasts() {
        return;
    }
    let said = sign_in(&home, &auth, &[], &[]);
    assert!(
        said.contains("code 1") && said.contains("nothing was kept") && said.contains("WHARF_SECRET_FILE"),
        "{said}"
    );
    assert!(!home.path("state/secrets").exists());
}
