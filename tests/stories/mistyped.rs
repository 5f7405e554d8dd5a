//! What people write wrongly, in settings and on the command line: each mistake says where it is, and what to write.

use crate::lab::{self, Home, complained, said};

/// What is said of these settings, which start at the first line of a file.
fn refusal(settings: &str) -> (String, String) {
    let home = Home::new();
    let file = home.path("wharf.toml");
    std::fs::write(&file, settings).unwrap();
    let done = home.wharf(&["sources"]).env("WHARF_CONFIG", &file).output().unwrap();
    assert_eq!(done.status.code(), Some(2), "{settings}\n{}{}", said(&done), complained(&done));
    (complained(&done), file.display().to_string())
}

#[test]
fn a_setting_that_cannot_be_used_says_file_line_key_and_remedy() {
    let cloud = "[[source]]\nname = \"lab\"\ntype = \"openstack\"\ncloud = \"nowhere\"\n";
    let local = "[[backend]]\nname = \"one\"\ntype = \"local\"\n[[backend]]\nname = \"two\"\ntype = \"local\"\n";
    let ca = "[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"https://r.example\"\nca = \"lost.pem\"\n";
    let engine = "[[source]]\nname = \"e\"\ntype = \"engine\"\nurl = \"unix://~/podman.sock\"\n";
    for (settings, line, words) in [
        (cloud, 4, ["cloud: ", "nowhere", "clouds.yaml"]),
        (&cloud.replace("source", "backend"), 4, ["cloud: ", "nowhere", "clouds.yaml"]),
        (local, 6, ["type: ", "'one'", "leave one entry"]),
        (ca, 5, ["ca: ", "lost.pem", "correct the path"]),
        ("image_folders = [\"~/images\"]\n", 1, ["image_folders: ", "'~'", "whole path"]),
        (engine, 4, ["url: ", "'~'", "whole path"]),
    ] {
        let (told, file) = refusal(settings);
        assert!(told.contains(&format!("{file}:{line}")), "line {line}: {told}");
        for word in words {
            assert!(told.contains(word), "{word}: {told}");
        }
    }
}

#[test]
fn a_cache_folder_that_cannot_be_written_is_said_instead_of_an_empty_list_alone() {
    let home = Home::new();
    let listed = home.wharf(&["images"]).env("WHARF_CACHE_DIR", "/proc/nothing").output().unwrap();
    assert!(complained(&listed).contains("/proc/nothing cannot be written"), "{}", complained(&listed));
    let doctor = home.wharf(&["doctor"]).env("WHARF_CACHE_DIR", "/proc/nothing").output().unwrap();
    assert!(said(&doctor).contains("/proc/nothing cannot be written"), "{}", said(&doctor));
}

#[test]
fn a_destination_means_docker_hub_only_where_that_was_written() {
    let home = Home::new();
    let file = home.path("wharf.toml");
    let settings = "[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://127.0.0.1:1\"\n";
    std::fs::write(&file, settings).unwrap();
    let copy = |to: &str| {
        let done = home.wharf(&["copy", &lab::starter(), to]).env("WHARF_CONFIG", &file).output().unwrap();
        (done.status.code(), complained(&done))
    };
    for (to, instead) in [("lab/x/y:1", "127.0.0.1:1/x/y"), ("somewhere", "./somewhere"), ("lab/x", "docker.io/lab/x")]
    {
        let (code, told) = copy(to);
        assert!(code == Some(2) && told.contains(instead), "{to}: {told}");
    }
    // An address means itself: nobody listens there.
    let (code, told) = copy("127.0.0.1:1/x:1");
    assert!(code != Some(2) && told.contains("127.0.0.1:1"), "{told}");
}

#[test]
fn a_word_that_nearly_names_an_image_here_gets_its_name() {
    let home = Home::new();
    let launched = home
        .wharf(&["show", "lok"])
        .env("WHARF_DISCOVER", "yes")
        .env("DOCKER_HOST", "unix:///nowhere")
        // Nothing answers for Docker Hub.
        .env("HTTPS_PROXY", "http://127.0.0.1:1")
        .output()
        .unwrap();
    assert!(complained(&launched).contains("nearly that name: file:"), "{}", complained(&launched));
    let shares = home.run(&["shares", "127.0.0.1:1/x"]);
    assert!(complained(&shares).contains("wharf share REF --to PROJECT"), "{}", complained(&shares));
}

#[test]
fn what_a_workload_became_is_told_when_it_is_stopped_again_and_in_the_audit() {
    if wharf::adapters::local::SandboxProgram::find().is_none() {
        return eprintln!("left out: neither bwrap nor unshare");
    }
    let home = Home::new();
    let launched = home.run(&["launch", &lab::starter(), "--on", "local", "--set", "name=My Job", "--follow"]);
    assert!(complained(&launched).contains("it is called 'my-job'"), "{}", complained(&launched));
    let listed: serde_json::Value = serde_json::from_slice(&home.run(&["workloads", "--json"]).stdout).unwrap();
    let id = listed[0]["id"].as_str().unwrap();
    let stopped = home.run(&["stop", id]);
    assert_eq!((stopped.status.code(), said(&stopped).contains("has ended already")), (Some(0), true));
    let stopped: serde_json::Value = serde_json::from_slice(&home.run(&["stop", id, "--json"]).stdout).unwrap();
    assert_eq!(stopped["already"], true);
    let audit = said(&home.run(&["audit"]));
    assert!(audit.contains(&format!("my-job ({id})")), "{audit}");
}
