//! The command line: its output and exit codes.

use crate::lab::{self, Home, complained, need, said};

#[test]
fn every_verb_explains_itself() {
    let home = Home::new();
    let help = said(&home.run(&["--help"]));
    for verb in [
        "images",
        "show",
        "verify",
        "launch",
        "workloads",
        "logs",
        "exec",
        "console",
        "stop",
        "share",
        "open",
        "copy",
        "pull",
        "push",
        "sources",
        "login",
        "logout",
        "doctor",
        "completions",
        "man",
    ] {
        assert!(help.contains(verb), "{verb} is missing");
        assert_eq!(home.run(&[verb, "--help"]).status.code(), Some(0), "{verb}");
    }
    assert!(said(&home.run(&["man"])).contains(".SH"));
    assert!(said(&home.run(&["completions", "bash"])).contains("wharf"));
}

#[test]
fn errors_end_with_the_codes_of_the_contract_and_say_what_to_do() {
    let home = Home::new();
    for (arguments, code) in [
        (&["show", "not a reference"][..], 2),
        (&["frobnicate"], 2),
        (&["show", "file:/nonexistent"], 6),
        (&["show", "127.0.0.1:1/a/b"], 8),
        (&["stop", "nothing"], 6),
        (&["open", "http://x"], 2),
        (&["images", "--source", "nowhere"], 6),
        (&["verify", &lab::starter()], 5),
        (&["launch", &lab::starter(), "--on", "nowhere"], 6),
    ] {
        let output = home.run(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", complained(&output));
    }
    let object: serde_json::Value =
        serde_json::from_slice(&home.run(&["show", "127.0.0.1:1/a/b", "--json"]).stderr).unwrap();
    assert_eq!(object["error"]["kind"], "unavailable");
}

#[test]
fn a_configuration_with_a_wrong_key_names_file_line_and_key() {
    let home = Home::new();
    let file = home.path("wharf.toml");
    std::fs::write(&file, "theme = \"light\"\n\n[[source]]\nname = \"lab\"\ntype = \"oci\"\nadress = \"x\"\n").unwrap();
    let output = home.run(&["--config", file.to_str().unwrap(), "sources"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        complained(&output).contains("wharf.toml:6") && complained(&output).contains("adress"),
        "{}",
        complained(&output)
    );
    std::fs::write(&file, "[[source]]\nname = \"lab\"\ntype = \"ocy\"\n").unwrap();
    let output = home.run(&["--config", file.to_str().unwrap(), "sources"]);
    assert!(complained(&output).contains("ocy") && complained(&output).contains("oci"), "{}", complained(&output));
}

#[test]
fn each_list_takes_the_types_that_belong_there_and_all_mistakes_are_told_with_their_lines() {
    let home = Home::new();
    let file = home.path("wharf.toml");
    let refused = |text: &str, verb: &[&str], words: &[&str]| {
        std::fs::write(&file, text).unwrap();
        let output = home.run(&[&["--config", file.to_str().unwrap()], verb].concat());
        assert_eq!(output.status.code(), Some(2), "{text}: {}", complained(&output));
        // A message folds where the line ends.
        let told = complained(&output).split_whitespace().collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(told.contains(word), "'{word}' is not in: {told}");
        }
    };
    refused(
        "[[source]]\nname = \"a\"\ntype = \"local\"\n",
        &["sources"],
        &[
            "wharf.toml:3",
            "'local' is not a type of source, but of backend",
            "use one of files, engine, oci, hub, harbor, openstack",
        ],
    );
    refused(
        "[[backend]]\nname = \"a\"\ntype = \"hub\"\n",
        &["sources"],
        &[
            "wharf.toml:3",
            "'hub' is not a type of backend, but of source",
            "use one of local, apptainer, engine, openstack",
        ],
    );
    refused(
        "[[source]]\nname = \"a\"\ntype = \"files\"\nurl = \"x\"\nnotary = \"y\"\n\n[[backend]]\nname = \"b c\"\n\
         type = \"engine\"\nurl = 7\n\n[[source]]\nname = \"d\"\ntype = \"oci\"\n",
        &["sources"],
        &["wharf.toml:5", "notary", "line 8: name", "line 10: url: invalid type", "url: it is missing"],
    );
    let engine = "name = \"box\"\ntype = \"engine\"\nurl = \"unix:///nowhere\"\n";
    refused(
        &format!("[[source]]\n{engine}[[backend]]\n{engine}"),
        &["sources"],
        &["wharf.toml:6", "box", "there is a source of this name"],
    );
    let here = |name: &str| format!("[[backend]]\nname = \"{name}\"\ntype = \"local\"\n");
    refused(&(here("a") + &here("b")), &["sources"], &["backend 'b'", "this machine is the backend 'a' already"]);
    // Names are for sources and backends alike, those that Wharf brings along included.
    refused(
        "[[source]]\nname = \"local\"\ntype = \"engine\"\nurl = \"unix:///nowhere\"\n",
        &["sources"],
        &["wharf.toml:2", "another source or backend here has this name", "choose another name"],
    );
    refused(
        "[[source]]\nname = \"a\"\ntype = \"oci\"\nurl = \"https://r.example\"\nnotary = \"http://u:secret@r.example\"\n",
        &["sources"],
        &["wharf.toml:5", "notary: an address holds no account and no password"],
    );
}

#[test]
fn a_pipe_an_endless_file_and_a_password_in_the_environment_are_refused_at_once() {
    let home = Home::new();
    let pipe = home.path("pipe.toml");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
    for file in [pipe.to_str().unwrap(), "/dev/zero"] {
        let output = home.run(&["--config", file, "sources"]);
        assert_eq!(output.status.code(), Some(2), "{file}: {}", complained(&output));
        assert!(complained(&output).contains("not a regular file"), "{file}: {}", complained(&output));
    }
    let output = home.wharf(&["sources"]).env("WHARF_REGISTRIES", "https://u:secret@r.example").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(!complained(&output).contains("secret"), "{}", complained(&output));
}

#[test]
fn a_backend_of_the_configuration_is_listed_by_its_name_and_the_users_replaces_the_sites() {
    let home = Home::new();
    let (site, user) = (home.path("site.toml"), home.path("wharf.toml"));
    std::fs::write(
        &site,
        "[[backend]]\nname = \"box\"\ntype = \"engine\"\nurl = \"unix:///nowhere/site.sock\"\n\
         [[backend]]\nname = \"here\"\ntype = \"local\"\n",
    )
    .unwrap();
    std::fs::write(&user, "[[backend]]\nname = \"box\"\ntype = \"engine\"\nurl = \"unix:///nowhere/mine.sock\"\n")
        .unwrap();
    let mut command = home.wharf(&["--config", user.to_str().unwrap(), "sources"]);
    let output = command.env("WHARF_SITE", &site).output().unwrap();
    let told = said(&output) + &complained(&output);
    assert!(told.contains("here") && told.contains("mine.sock"), "{told}");
    assert!(!told.contains("site.sock"), "{told}");
}

#[test]
fn without_anything_there_is_the_starter_image() {
    let home = Home::new();
    let output = home.wharf(&["images", "--source", "starter"]).env("WHARF_DISCOVER", "yes").output().unwrap();
    assert!(said(&output).contains("look"), "{}{}", said(&output), complained(&output));
}

#[test]
fn json_can_be_read_and_carries_bytes_and_times() {
    let home = Home::new();
    let image: serde_json::Value =
        serde_json::from_slice(&home.run(&["show", &lab::starter(), "--json"]).stdout).unwrap();
    assert!(image["size"].as_u64().unwrap() > 1000);
    assert_eq!(image["platforms"].as_array().unwrap().len(), 2);
}

#[test]
fn pull_push_share_and_link_round_trip() {
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let run = |arguments: &[&str]| {
        let output = home
            .wharf(arguments)
            .env("WHARF_REGISTRIES", format!("http://{open}"))
            .env("WHARF_IMAGE_FOLDERS", home.folder.path())
            .env("WHARF_PERSON", "ada")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", complained(&output));
        said(&output)
    };
    let reference = format!("{open}/physics/gromacs:2024.1");
    let folder = home.path("gromacs");
    run(&["pull", &reference, folder.to_str().unwrap()]);
    run(&["push", &format!("{}:2024.1", folder.display()), &format!("{open}/pushed/gromacs:2024.1")]);
    assert!(run(&["show", &format!("{open}/pushed/gromacs:2024.1")]).contains("/opt/gromacs"));
    assert!(run(&["share", &reference, "--to", "chemistry", "geology"]).matches('✓').count() == 2);
    let link = run(&["share", &reference, "--link", "--until", "7d"]);
    assert!(
        link.starts_with("wharf:oci://")
            && link.contains("tag=2024.1")
            && link.contains("from=ada")
            && link.contains("until="),
        "{link}"
    );
    assert!(run(&["open", link.trim()]).contains("still points here"));
    assert!(run(&["images", "chemistry"]).contains("chemistry/gromacs"));
    let launched = run(&["launch", &reference, "--on", "local", "--plan"]);
    assert!(launched.contains("no capabilities, and it cannot gain privileges"), "{launched}");
}

#[test]
fn login_is_tried_before_it_is_kept_and_never_shows() {
    let host = need!("WHARF_LAB_AUTH");
    let home = Home::new();
    let login = |password: &str| {
        let mut command = home.wharf(&["login", &host, "--user", "lab", "--password-stdin"]);
        command.env("WHARF_REGISTRIES", format!("http://{host}"));
        crate::lab::with_input(command, password)
    };
    let wrong = login("wrong");
    assert_eq!(wrong.status.code(), Some(7), "{}", complained(&wrong));
    let right = login("labpass");
    assert_eq!(right.status.code(), Some(0), "{}", complained(&right));
    assert!(!said(&right).contains("labpass") && !complained(&right).contains("labpass"));
    let sources = home.wharf(&["sources"]).env("WHARF_REGISTRIES", format!("http://{host}")).output().unwrap();
    assert!(said(&sources).contains("answers") && said(&sources).contains("lab"), "{}", said(&sources));
    assert_eq!(
        home.wharf(&["logout", &host])
            .env("WHARF_REGISTRIES", format!("http://{host}"))
            .output()
            .unwrap()
            .status
            .code(),
        Some(0)
    );
}
