//! A plan as a shell script: a real shell does exactly what the plan says.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use proptest::prelude::{Strategy, any, prop};
use wharf::core::{
    image::model::Pinned,
    launch::{
        form::Answers,
        plan::{Call, Plan, Step},
        script,
    },
};

fn plan(steps: Vec<Step>) -> Plan {
    let digest = format!("sha256:{}", "4f".repeat(32));
    Plan {
        backend: "docker".into(),
        image: Pinned {
            reference: format!("oci://lab.example/physics/gromacs@{digest}").parse().unwrap(),
            digest: digest.parse().unwrap(),
            platform: None,
            manifest: digest.parse().unwrap(),
        },
        answers: Answers([("command".to_owned(), "echo 'it is'\nover".to_owned())].into()),
        steps,
        risks: Vec::new(),
        privileged: false,
        isolation: wharf::core::launch::isolation::Isolation::SharedKernel,
        idempotency_key: "key".into(),
    }
}

/// Runs the script of these steps by sh, with these variables and `folder` first on the path.
fn run(steps: Vec<Step>, folder: &Path, variables: &[(&str, &str)]) -> Output {
    let text = script::script(&plan(steps)).unwrap();
    let file = folder.join("script.sh");
    fs::write(&file, &text).unwrap();
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut command = Command::new("sh");
    command.arg(&file).env_clear().env("PATH", path).envs(variables.iter().copied()).current_dir(folder);
    let done = command.output().unwrap();
    assert!(done.status.success(), "{text}\n{done:?}");
    done
}

/// A program that writes each of its arguments, ended by a null character, into a file.
fn shim(folder: &Path, name: &str, more: &str) -> String {
    let at = folder.join(name);
    let text = format!("#!/bin/sh\nfor word; do printf '%s\\0' \"$word\"; done >\"${{0%/*}}/{name}.told\"\n{more}\n");
    fs::write(&at, text).unwrap();
    fs::set_permissions(&at, fs::Permissions::from_mode(0o755)).unwrap();
    at.display().to_string()
}

fn told(folder: &Path, name: &str) -> Vec<String> {
    let bytes = fs::read(folder.join(format!("{name}.told"))).unwrap();
    let mut words: Vec<String> = String::from_utf8(bytes).unwrap().split('\0').map(str::to_owned).collect();
    words.pop();
    words
}

/// Words with what shells read in ways of their own.
fn odd_words() -> impl Strategy<Value = String> {
    let odd =
        prop::sample::select(vec!["\n", "'", "\"", "$HOME", "`id`", "\\", "-", "--", " ", "*", "~", "#", "WHARF_END"]);
    prop::collection::vec(prop::strategy::Union::new([odd.prop_map(str::to_owned).boxed(), "[^\0]{0,4}".boxed()]), 0..6)
        .prop_map(|parts| parts.concat())
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]
    #[test]
    fn a_shell_runs_and_writes_exactly_what_the_plan_says(
        words in prop::collection::vec(odd_words(), 0..5),
        text in odd_words(),
        ended in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let program = shim(folder.path(), "program", "");
        let text = if ended { format!("{text}\n") } else { text };
        let path = folder.path().join("a folder's/file $x");
        let argv = std::iter::once(program).chain(words.iter().cloned()).collect();
        let steps = vec![
            Step::write(path.display().to_string(), text.clone()),
            Step::Run { argv, environment: vec!["PATH".into()] },
        ];
        run(steps, folder.path(), &[]);
        proptest::prop_assert_eq!(told(folder.path(), "program"), words.iter().map(String::as_str).collect::<Vec<_>>());
        proptest::prop_assert_eq!(fs::read_to_string(&path).unwrap(), text);
        proptest::prop_assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn a_line_that_begins_like_the_end_of_a_text_is_written_as_it_is() {
    // Some shells lose a byte of it, wherever the two differ.
    let mark = "WHARF_END";
    let lines: Vec<String> = (0..=mark.len()).map(|count| format!("{}¡\n", &mark[..count])).collect();
    let all: String = ('A'..='Z').map(|letter| format!("{letter}é\n")).collect();
    for text in lines.iter().chain([&all]) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        run(vec![Step::write(path.display().to_string(), text.clone())], folder.path(), &[]);
        assert_eq!(fs::read_to_string(&path).unwrap(), *text);
    }
}

#[test]
fn a_program_gets_the_environment_of_the_plan_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let environment = ["PATH", "HOME", "UNSET", "SLURM_CONF=/a b/$HOME"].map(str::to_owned).to_vec();
    let argv = ["sh", "-c", "env >seen"].map(str::to_owned).to_vec();
    run(vec![Step::Run { argv, environment }], folder.path(), &[("HOME", "/home/o'neil"), ("SECRET", "x")]);
    let seen = fs::read_to_string(folder.path().join("seen")).unwrap();
    for line in ["HOME=/home/o'neil", "SLURM_CONF=/a b/$HOME"] {
        assert!(seen.lines().any(|one| one == line), "{seen}");
    }
    assert!(!seen.contains("SECRET") && !seen.contains("UNSET") && !seen.contains("WHARF"), "{seen}");
}

#[test]
fn a_request_is_sent_by_curl_with_the_token_from_the_environment() {
    let folder = tempfile::tempdir().unwrap();
    let more = "cat >\"${0%/*}/standard-input\"\ncat <&3 >\"${0%/*}/body\" 2>/dev/null || true\necho '{\"server\": {\"id\": \"a1-b2\"}}'";
    shim(folder.path(), "curl", more);
    let body = serde_json::json!({"server": {"name": "it's $HOME\n`x`"}});
    let create = Call { token: "X-Auth-Token".into(), ..Call::new("POST", "https://cloud/v2.1/", "servers") };
    run(vec![Step::Send(create.body(body.clone()))], folder.path(), &[("WHARF_TOKEN", "gAAAA-secret_1==")]);
    let words = told(folder.path(), "curl");
    assert!(words.iter().any(|word| word == "https://cloud/v2.1/servers"), "{words:?}");
    assert!(!words.concat().contains("secret"), "{words:?}");
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(read("standard-input"), "header = \"X-Auth-Token: gAAAA-secret_1==\"\n");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&read("body")).unwrap(), body);
    assert!(!read("script.sh").contains("secret"), "the token is in no file");
    // The id of an answer is put into the next path.
    let start = Call::new("POST", "unix:///run/docker.sock", "/containers/{id}/start");
    let create = Call::new("POST", "unix:///run/docker.sock", "/containers/create").body(body);
    run(vec![Step::Send(create), Step::Send(start)], folder.path(), &[]);
    let words = told(folder.path(), "curl");
    assert!(words.iter().any(|word| word == "http://localhost/containers/a1-b2/start"), "{words:?}");
    assert!(words.windows(2).any(|two| two == ["--unix-socket", "/run/docker.sock"]), "{words:?}");
}

#[test]
fn a_step_that_needs_wharf_says_so_and_uses_it() {
    let folder = tempfile::tempdir().unwrap();
    shim(folder.path(), "wharf", "");
    let prepare = Step::Prepare { what: "the image".into(), to: "ROOT".into(), bytes: Some(1), by: Vec::new() };
    let steps = vec![prepare, Step::write("/nowhere/at/all", "x\n")];
    assert!(
        script::script(&plan(steps.clone()))
            .unwrap()
            .contains("# This needs Wharf: nothing else can prepare the image")
    );
    run(steps, folder.path(), &[]);
    let words = told(folder.path(), "wharf");
    assert_eq!(words[0], "launch");
    assert!(words[1].ends_with(&"4f".repeat(32)), "it names the digest: {words:?}");
    assert_eq!(words[2..], ["--on", "docker", "--set", "command=echo 'it is'\nover"]);
}
