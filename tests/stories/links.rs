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
    // What the policy says is told with it, as 'wharf verify' says it.
    assert!(told["judgement"]["verdict"].is_string() && told["judgement_unknown"].is_null(), "{told}");
    let words = said(&run(&["open", &link]));
    assert!(words.lines().any(|line| line.starts_with("verdict ") && line.contains("by the policy '")), "{words}");
    let plan = run(&["launch", &link, "--on", "local", "--plan"]);
    assert_eq!(plan.status.code(), Some(0), "{}", complained(&plan));
    assert!(complained(&plan).contains("from yourself (signed with your key)"), "{}", complained(&plan));
    assert!(said(&plan).contains("@sha256:"), "{}", said(&plan));
    let (before, after) = link.split_once("until=").unwrap();
    let past = format!("{before}until=2001{}", &after[4..]);
    // Whoever changes the date breaks the signature: without one it is a link that nobody has signed.
    let broken = run(&["launch", &past, "--on", "local", "--plan"]);
    assert_eq!(broken.status.code(), Some(4), "{}", complained(&broken));
    let past = past.split_once("&by=").unwrap().0.to_owned();
    let refused = run(&["launch", &past, "--on", "local", "--plan"]);
    assert_eq!(refused.status.code(), Some(4), "{}", complained(&refused));
    assert!(complained(&refused).contains("past its date"), "{}", complained(&refused));
    assert_eq!(run(&["open", &past]).status.code(), Some(0), "whoever looks is told");
}

/// A signed link to the starter image, from somebody of this name.
fn sent(home: &Home, person: &str) -> String {
    let shared = home.wharf(&["share", &lab::starter(), "--link"]).env("WHARF_PERSON", person).output().unwrap();
    assert_eq!(shared.status.code(), Some(0), "{}", complained(&shared));
    assert!(
        complained(&shared).contains("without Wharf") || said(&shared).contains("file:"),
        "{}",
        complained(&shared)
    );
    said(&shared).trim().to_owned()
}

#[test]
fn a_sender_is_known_once_their_key_was_added_and_nobody_else_can_use_their_name() {
    let (ada, bob, eve) = (Home::new(), Home::new(), Home::new());
    let link = sent(&ada, "ada");
    assert!(link.len() <= 500, "{} characters: {link}", link.len());
    assert_eq!(sent(&ada, "ada").split_once("&sig=").unwrap().0, link.split_once("&sig=").unwrap().0, "one key");
    let open = |link: &str| bob.run(&["open", link]);
    let first = open(&link);
    assert_eq!(first.status.code(), Some(0), "{}", complained(&first));
    assert!(said(&first).contains("a key that you do not know"), "{}", said(&first));
    assert!(complained(&first).contains("wharf contacts add"), "{}", complained(&first));
    // What ada tells by another way is what the link shows.
    let key = ada.wharf(&["key"]).env("WHARF_PERSON", "ada").output().unwrap();
    let line = said(&key).trim().to_owned();
    assert!(line.starts_with("wharf-key:") && line.ends_with(" ada"), "{line}");
    let print =
        said(&first).lines().find_map(|line| line.split_once("know: ").map(|(_, print)| print.to_owned())).unwrap();
    assert!(complained(&key).contains(&print), "{print} in {}", complained(&key));
    let added = bob.run(&["contacts", "add", "Ada", &line]);
    assert_eq!(added.status.code(), Some(0), "{}", complained(&added));
    assert!(said(&open(&link)).contains("from Ada (signed with their key)"), "{}", said(&open(&link)));
    assert!(said(&bob.run(&["contacts"])).contains(&print));
    // She has no address here: the link is made, and handed over. By a key it is the same.
    for to in ["Ada", "contact:ada", line.as_str()] {
        let handed = bob.run(&["share", &lab::starter(), "--to", to]);
        assert_eq!(handed.status.code(), Some(0), "{to}: {}", complained(&handed));
        let words = said(&handed);
        assert!(words.contains("Ada: the link is made, and you hand it over"), "{words}");
        assert!(words.lines().any(|line| line.starts_with("wharf:file:") && line.contains("&sig=")), "{words}");
    }
    let planned = bob.run(&["share", &lab::starter(), "--to", "Ada", "--plan"]);
    assert!(said(&planned).contains("no mail address of Ada is known"), "{} {}", said(&planned), complained(&planned));
    let nobody = bob.run(&["share", &lab::starter(), "--to", "contact:zoe"]);
    assert_eq!(nobody.status.code(), Some(6), "{}", complained(&nobody));
    // Somebody else in her name, with a link that is right in itself.
    let forged = sent(&eve, "ADA");
    for verb in [vec!["open"], vec!["launch"], vec!["pull"]] {
        let mut words = verb.clone();
        words.push(&forged);
        let refused = bob.run(&words);
        assert_eq!(refused.status.code(), Some(4), "{verb:?}: {}", complained(&refused));
        assert!(
            complained(&refused).contains("NOT signed with the key of your contact Ada"),
            "{}",
            complained(&refused)
        );
    }
    let replaced = bob.run(&["contacts", "add", "ada", &forged]);
    assert_eq!(replaced.status.code(), Some(2), "{}", complained(&replaced));
    assert!(complained(&replaced).contains("with another key"), "{}", complained(&replaced));
    // Any change of a signed link is seen: a field changed, added or left out.
    let (before, after) = link.split_once("from=ada").unwrap();
    for changed in
        [format!("{before}from=adam{after}"), link.replace("&by=", "&more=x&by="), link.replace("from=ada&", "")]
    {
        let refused = open(&changed);
        assert_eq!(refused.status.code(), Some(1), "{changed}: {}", said(&refused));
        assert!(complained(&refused).contains("CHANGED"), "{}", complained(&refused));
    }
    let unsigned = link.split_once("&by=").unwrap().0;
    // Without the signature it is not hers either; from somebody whose key nobody knows it is just not proven.
    let stripped = open(unsigned);
    assert_eq!(stripped.status.code(), Some(4), "{}", said(&stripped));
    assert!(complained(&stripped).contains("NOT signed, and you know the key of Ada"), "{}", complained(&stripped));
    // A name that looks like hers: in Cyrillic, in wide letters, with a letter more that is not seen.
    for like in ["%D0%90da", "%EF%BD%81%EF%BD%84%EF%BD%81", "a%E2%80%8Bda"] {
        let refused = open(&unsigned.replace("from=ada", &format!("from={like}")));
        assert_eq!(refused.status.code(), Some(4), "{like}: {}", said(&refused));
    }
    let stranger = unsigned.replace("from=ada", "from=zoe");
    assert!(said(&open(&stranger)).contains("not proven"), "{}", said(&open(&stranger)));
    assert_eq!(bob.run(&["contacts", "remove", "ada"]).status.code(), Some(0));
    assert!(said(&open(&link)).contains("a key that you do not know"));
}

#[test]
fn the_configured_key_is_ones_own_before_it_has_signed_and_after_it_was_changed() {
    let (home, other) = (Home::new(), Home::new());
    let configured = |home: &Home, name: &str, words: &[&str]| {
        let config = home.path(&format!("{name}.toml"));
        std::fs::write(&config, format!("link_key = \"{}\"\n", home.path(name).display())).unwrap();
        home.run(&[&["--config", &config.display().to_string()], words].concat())
    };
    for name in ["first.key", "second.key"] {
        assert_eq!(home.run(&["key", "new", &home.path(name).display().to_string()]).status.code(), Some(0));
    }
    let shared = configured(&home, "first.key", &["share", &lab::starter(), "--link"]);
    let link = said(&shared).trim().to_owned();
    assert!(link.contains("&sig="), "{}", complained(&shared));
    for name in ["first.key", "second.key"] {
        let opened = said(&configured(&home, name, &["open", &link]));
        assert!(opened.contains("from yourself"), "{name}: {opened}");
        let refused = configured(&home, name, &["contacts", "add", "Ada", &link]);
        assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
        assert!(complained(&refused).contains("your own key"), "{}", complained(&refused));
    }
    // On another machine, to which only the key was taken.
    std::fs::copy(home.path("first.key"), other.path("first.key")).unwrap();
    assert!(said(&configured(&other, "first.key", &["open", &link])).contains("from yourself"));
    assert_eq!(configured(&other, "first.key", &["contacts", "add", "Ada", &link]).status.code(), Some(2));
    assert!(said(&other.run(&["open", &link])).contains("a key that you do not know"));
}

#[test]
fn of_several_first_links_at_once_all_are_signed_with_the_same_key() {
    let home = Home::new();
    let share = || {
        let mut one = home.wharf(&["share", &lab::starter(), "--link"]);
        one.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let all: Vec<_> = (0..4).map(|_| share()).collect();
    let keys: std::collections::BTreeSet<String> = all
        .into_iter()
        .map(|one| {
            let output = one.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", complained(&output));
            let link = said(&output).trim().to_owned();
            link.split_once("&by=").map(|(_, key)| key.split('&').next().unwrap().to_owned()).unwrap_or_default()
        })
        .collect();
    // Where no store keeps a key for good, none is signed.
    assert_eq!(keys.len(), 1, "{keys:?}");
    assert_eq!(home.run(&["key"]).status.success(), keys.iter().all(|key| !key.is_empty()));
    let key = said(&home.run(&["key"]));
    assert!(keys.iter().all(|one| key.contains(one.as_str())), "{keys:?} {key}");
}

#[test]
fn a_link_is_copied_and_pulled_by_whoever_gets_it() {
    let open = need!("WHARF_LAB_OPEN");
    let source = format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n");
    let (ada, bob) = (Home::configured(&source), Home::configured(&source));
    let at = format!("{open}/{}:1", lab::fresh("zz/links/copied"));
    assert_eq!(ada.run(&["push", &lab::starter(), &at]).status.code(), Some(0));
    let shared = ada.wharf(&["share", &at, "--link", "--until", "1h"]).env("WHARF_PERSON", "ada").output().unwrap();
    let link = said(&shared).trim().to_owned();
    assert!(link.len() <= 500, "{} characters: {link}", link.len());
    let digest = link.split_once('@').unwrap().1.split_once('?').unwrap().0;
    // Somebody without Wharf gets a line for the same bytes.
    assert!(
        complained(&shared).contains(&format!("podman pull {}@{digest}", at.trim_end_matches(":1"))),
        "{}",
        complained(&shared)
    );
    let folder = bob.path("got").display().to_string();
    let pulled = bob.run(&["pull", &link, &folder]);
    assert_eq!(pulled.status.code(), Some(0), "{}", complained(&pulled));
    assert!(said(&pulled).contains(digest) && complained(&pulled).contains("it says that it is from ada"));
    // Another platform than the sender's is no change of the link.
    let planned = bob.run(&["launch", &link, "--platform", "linux/amd64", "--on", "local", "--plan"]);
    assert!(!complained(&planned).contains("CHANGED"), "{}", complained(&planned));
    let copied = bob.run(&["copy", &link, &format!("{open}/{}", lab::fresh("zz/links/again"))]);
    assert_eq!(copied.status.code(), Some(0), "{}", complained(&copied));
    assert!(said(&copied).contains(":1\n") && said(&copied).contains(digest), "{}", said(&copied));
}

#[test]
fn a_link_goes_out_by_the_sites_mail_with_lines_for_somebody_without_wharf() {
    let _mail = need!("WHARF_LAB_MAIL");
    let open = need!("WHARF_LAB_OPEN");
    let home = Home::configured("");
    let mut server = crate::site::Mail::new(home.folder.path());
    server.start();
    let config = format!(
        "mail = \"ada@site.example\"\n[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n[notify]\nmail = \"smtp://127.0.0.1:{}\"\nfrom = \"wharf@site.example\"\n",
        server.port
    );
    std::fs::write(home.path(".config/wharf/wharf.toml"), config).unwrap();
    let at = format!("{open}/{}:1", lab::fresh("zz/links/mailed"));
    assert_eq!(home.run(&["push", &lab::starter(), &at]).status.code(), Some(0));
    let sent =
        |to: &str| home.wharf(&["share", &at, "--link", "--mail", to]).env("WHARF_PERSON", "ada").output().unwrap();
    let mailed = sent("bob@site.example");
    assert_eq!(mailed.status.code(), Some(0), "{}", complained(&mailed));
    let link = said(&mailed).trim().to_owned();
    let letters = server.letters("bob@site.example");
    let letter = letters.first().unwrap().replace("=3D", "=");
    assert!(letter.contains("Subject: ada sends you") && letter.contains("Reply-To: ada@site.example"), "{letter}");
    assert!(letter.contains(&link) && letter.contains("podman pull"), "{letter}");
    // The same among the receivers of a share: with a plan, beside a project, each with its own result.
    let at_all = |words: &[&str]| {
        let arguments = [&["share", at.as_str(), "--to", "carol@site.example", "zz-others", "--json"], words].concat();
        home.wharf(&arguments).env("WHARF_PERSON", "ada").output().unwrap()
    };
    let planned = at_all(&["--until", "7d", "--plan"]);
    assert_eq!(planned.status.code(), Some(0), "{}", complained(&planned));
    assert!(
        said(&planned).contains("by the site's mail") && said(&planned).contains("good until"),
        "{}",
        said(&planned)
    );
    assert!(server.letters("carol@site.example").is_empty(), "a plan sends nothing");
    let shared = at_all(&["--until", "7d"]);
    assert_eq!(shared.status.code(), Some(0), "{}", complained(&shared));
    let letters = server.letters("carol@site.example");
    assert!(letters.first().unwrap().contains("It is good until"), "{letters:?}");
    assert!(said(&home.run(&["shared"])).contains("carol@site.example"), "{}", said(&home.run(&["shared"])));
    let to_project = home.run(&["share", &at, "--to", "zz-others", "--until", "7d"]);
    assert_eq!(to_project.status.code(), Some(0), "{}", complained(&to_project));
    // The policy is asked before anything is sent; a link that nobody can know for hers is not sent either.
    let before = server.letters("carol@site.example").len();
    let file = home.path(".config/wharf/wharf.toml");
    let open_site = std::fs::read_to_string(&file).unwrap();
    let strict = "[policy]\nname = \"site\"\nenforce = true\n[policy.signature]\nmissing = \"deny\"\n";
    std::fs::write(&file, format!("{open_site}{strict}")).unwrap();
    let denied = home.run(&["share", &at, "--to", "carol@site.example"]);
    assert_eq!(denied.status.code(), Some(4), "{}", complained(&denied));
    std::fs::write(&file, format!("link_key = \"{}\"\n{open_site}", home.path("no.key").display())).unwrap();
    let unsigned = home.run(&["share", &at, "--to", "carol@site.example"]);
    assert_ne!(unsigned.status.code(), Some(0), "{}", complained(&unsigned));
    assert_eq!(server.letters("carol@site.example").len(), before);
    std::fs::write(&file, open_site).unwrap();
    // Nothing that is typed there becomes a header of its own.
    for wrong in ["bob@site.example\nBcc: eve@site.example", "bob", "a@b.example, c@d.example"] {
        let refused = sent(wrong);
        assert_eq!(refused.status.code(), Some(2), "{wrong}: {}", complained(&refused));
    }
    assert!(server.letters("eve@site.example").is_empty());
}

#[test]
fn where_no_store_keeps_a_key_a_link_is_made_without_a_signature_and_says_so() {
    let home = Home::new();
    let without = |words: &[&str]| home.wharf(words).env("WHARF_SECRET_FILE", "no").output().unwrap();
    let shared = without(&["share", &lab::starter(), "--link"]);
    assert_eq!(shared.status.code(), Some(0), "{}", complained(&shared));
    if !said(&shared).contains("&sig=") {
        assert!(complained(&shared).contains("the link is not signed"), "{}", complained(&shared));
        // A key of one's own serves, too.
        let key = home.path("own.key").display().to_string();
        assert_eq!(home.run(&["key", "new", &key]).status.code(), Some(0));
        let config = home.path("with-key.toml");
        std::fs::write(&config, format!("link_key = \"{key}\"\n")).unwrap();
        let signed = without(&["--config", &config.display().to_string(), "share", &lab::starter(), "--link"]);
        assert!(said(&signed).contains("&sig="), "{}", complained(&signed));
    }
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
    assert!(link.len() <= 500, "{} characters: {link}", link.len());
    assert!(!link.contains("mine") && link.contains("hash=sha512%3A") && link.contains("at=http"), "{link}");
    let opened = run(&receiver, &["open", &link, "--json"]);
    assert_eq!(opened.status.code(), Some(0), "{}", complained(&opened));
    assert!(said(&opened).contains("glance://theirs/"), "{}", said(&opened));
    // Another hash, another cloud.
    let (before, after) = link.split_once("hash=sha512%3A").unwrap();
    let flipped = if after.starts_with('0') { "1" } else { "0" };
    // Without the signature, which would show that it was changed.
    let after = after.split_once("&by=").unwrap().0;
    let other = format!("{before}hash=sha512%3A{flipped}{}", &after[1..]);
    let refused = run(&receiver, &["open", &other]);
    assert_eq!(refused.status.code(), Some(1), "{}", complained(&refused));
    assert!(complained(&refused).contains("not what the link is pinned to"), "{}", complained(&refused));
    let nowhere = link.split_once("&by=").unwrap().0.replace("at=http", "at=https");
    let unknown = run(&receiver, &["open", &nowhere]);
    assert_eq!(unknown.status.code(), Some(6), "{}", complained(&unknown));
    assert!(complained(&unknown).contains("none of your clouds"), "{}", complained(&unknown));
}

#[test]
fn what_was_shared_is_listed_with_how_it_stands_today() {
    let open = need!("WHARF_LAB_OPEN");
    let source = format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n");
    let home = Home::configured(&source);
    let shared = || -> Vec<serde_json::Value> {
        let listed = home.run(&["shared", "--json"]);
        assert_eq!(listed.status.code(), Some(0), "{}", complained(&listed));
        serde_json::from_slice(&listed.stdout).unwrap()
    };
    assert!(said(&home.run(&["shared"])).contains("you have shared nothing"));
    let (name, project) = (lab::fresh("given"), lab::fresh("zz-biology"));
    let at = format!("{open}/zz/{name}:1");
    assert_eq!(home.run(&["push", &lab::starter(), &at]).status.code(), Some(0));
    for _ in 0..2 {
        let done = home.run(&["share", &at, "--to", &project]);
        assert_eq!(done.status.code(), Some(0), "{}", complained(&done));
    }
    let all = shared();
    assert_eq!(all.len(), 1, "twice with the same project is once: {all:?}");
    assert_eq!((&all[0]["to"], &all[0]["standing"]), (&project.as_str().into(), &"there".into()), "{all:?}");
    let copy = format!("{open}/{project}/{name}:1");
    let removed = home.run(&["remove-image", &copy, "--yes"]);
    assert_eq!(removed.status.code(), Some(0), "{}", complained(&removed));
    assert_eq!(shared()[0]["standing"], "gone");
    let table = said(&home.run(&["shared"]));
    assert!(table.contains("SHARED") && table.contains(&project), "{table}");
}
