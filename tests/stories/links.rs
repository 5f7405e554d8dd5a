//! Links: every kind is pinned or refused, a cloud is found by its public address, and the image of a link can be
//! launched.

use crate::lab::{self, Home, complained, need, said};

#[test]
fn a_link_that_is_not_pinned_or_leads_to_a_pipe_is_refused_at_once() {
    let home = Home::new();
    let pipe = home.path("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let digest = format!("sha256:{}", "0".repeat(64));
    let begun = std::time::Instant::now();
    for (link, code) in [
        (format!("wharf:file:{}", pipe.display()), 2),
        ("wharf:file:/dev/zero".to_owned(), 2),
        ("wharf:glance://site/0b5f3a70-1111-2222-3333-444455556666".to_owned(), 2),
        ("wharf:volume://site/data".to_owned(), 2),
        // Pinned, but not a regular file.
        (format!("wharf:file:{}@{digest}", pipe.display()), 2),
        (format!("wharf:file:/dev/zero@{digest}"), 2),
    ] {
        for verb in ["open", "launch"] {
            let refused = home.run(&[verb, &link]);
            assert_eq!(refused.status.code(), Some(code), "{verb} {link}: {}", complained(&refused));
        }
    }
    // The same without a link: a pipe among a person's images makes nobody wait.
    assert_eq!(home.run(&["show", &format!("file:{}", pipe.display())]).status.code(), Some(2));
    let images = home.path("images");
    std::fs::create_dir_all(&images).unwrap();
    std::fs::rename(&pipe, images.join("disk.img")).unwrap();
    let mut listing = home.wharf(&["images", "--source", "local-files"]);
    let _ = listing.env("WHARF_IMAGE_FOLDERS", &images).env("WHARF_DISCOVER", "yes").output().unwrap();
    assert!(begun.elapsed().as_secs() < 15, "nothing was waited for");
}

#[test]
fn a_file_that_was_exchanged_is_not_what_its_link_is_pinned_to() {
    let home = Home::new();
    let file = home.path("disk.raw");
    std::fs::write(&file, vec![7; 4096]).unwrap();
    let digest = wharf::core::base::digest::Digest::of(&[7; 4096]);
    let link = format!("wharf:file:{}@{digest}", file.display());
    let opened = home.run(&["open", &link]);
    assert_eq!(opened.status.code(), Some(0), "{}", complained(&opened));
    std::fs::write(&file, vec![8; 4096]).unwrap();
    let refused = home.run(&["open", &link]);
    assert_eq!(refused.status.code(), Some(1), "{}", said(&refused));
    assert!(complained(&refused).contains("not what the link is pinned to"), "{}", complained(&refused));
}

#[test]
fn a_link_is_launched_as_it_is_opened_and_says_who_sent_it_until_when() {
    let home = Home::new();
    let run = |words: &[&str]| home.wharf(words).env("WHARF_PERSON", "ada").output().unwrap();
    let shared = run(&["share", &lab::starter(), "--link", "--until", "7d"]);
    assert_eq!(shared.status.code(), Some(0), "{}", complained(&shared));
    let link = said(&shared).trim().to_owned();
    let opened = run(&["open", &link, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&opened.stdout).unwrap();
    let until = told["until"].as_str().unwrap();
    assert!(until.ends_with('Z') && until.contains('T'), "{until}");
    assert_eq!(told["from"], "ada", "{told}");
    let plan = run(&["launch", &link, "--on", "local", "--plan"]);
    assert_eq!(plan.status.code(), Some(0), "{}", complained(&plan));
    assert!(complained(&plan).contains("from ada (not proven"), "{}", complained(&plan));
    assert!(said(&plan).contains("@sha256:"), "{}", said(&plan));
    let (before, after) = link.split_once("until=").unwrap();
    let past = format!("{before}until=2001{}", &after[4..]);
    let refused = run(&["launch", &past, "--on", "local", "--plan"]);
    assert_eq!(refused.status.code(), Some(4), "{}", complained(&refused));
    assert!(complained(&refused).contains("past its date"), "{}", complained(&refused));
    assert_eq!(run(&["open", &past]).status.code(), Some(0), "whoever looks is told");
}

/// Clouds of the lab, under names that the other person does not use.
fn clouds(home: &Home, file: &str, entry: &str, name: &str) {
    let text = std::fs::read_to_string(file).unwrap();
    let mut lines = text.lines().skip_while(|line| *line != format!("  {entry}:")).skip(1);
    let body: Vec<&str> = lines.by_ref().take_while(|line| line.starts_with("    ")).collect();
    assert!(!body.is_empty(), "{entry} is not in {text}");
    let folder = home.path(".config/openstack");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("clouds.yaml"), format!("clouds:\n  {name}:\n{}\n", body.join("\n"))).unwrap();
}

#[test]
fn a_clouds_link_is_opened_by_somebody_who_calls_the_cloud_otherwise_and_only_with_the_same_hash() {
    let file = need!("WHARF_LAB_CLOUDS");
    let (sender, receiver) = (Home::new(), Home::new());
    clouds(&sender, &file, "alice", "mine");
    clouds(&receiver, &file, "alice", "theirs");
    let run = |home: &Home, words: &[&str]| home.wharf(words).env("WHARF_DISCOVER", "yes").output().unwrap();
    let disk = sender.path("disk.raw");
    std::fs::write(&disk, lab::fresh("a disk")).unwrap();
    let name = lab::fresh("linked");
    let pushed = run(&sender, &["push", &disk.display().to_string(), &format!("glance://mine/{name}")]);
    assert_eq!(pushed.status.code(), Some(0), "{}", complained(&pushed));
    let shared = run(&sender, &["share", &format!("glance://mine/{name}"), "--link"]);
    let link = said(&shared).trim().to_owned();
    assert!(!link.contains("mine") && link.contains("hash=sha512%3A") && link.contains("at=http"), "{link}");
    let opened = run(&receiver, &["open", &link, "--json"]);
    assert_eq!(opened.status.code(), Some(0), "{}", complained(&opened));
    assert!(said(&opened).contains("glance://theirs/"), "{}", said(&opened));
    // Another hash, another cloud.
    let (before, after) = link.split_once("hash=sha512%3A").unwrap();
    let flipped = if after.starts_with('0') { "1" } else { "0" };
    let other = format!("{before}hash=sha512%3A{flipped}{}", &after[1..]);
    let refused = run(&receiver, &["open", &other]);
    assert_eq!(refused.status.code(), Some(1), "{}", complained(&refused));
    assert!(complained(&refused).contains("not what the link is pinned to"), "{}", complained(&refused));
    let nowhere = link.replace("at=http", "at=https");
    let unknown = run(&receiver, &["open", &nowhere]);
    assert_eq!(unknown.status.code(), Some(6), "{}", complained(&unknown));
    assert!(complained(&unknown).contains("none of your clouds"), "{}", complained(&unknown));
}
