//! Lock files: launches in a folder use the bytes that it names, and a change is looked at before it is taken.

use std::{os::unix::fs::PermissionsExt, process::Stdio};

use wharf::{
    core::launch::lock::{LockedHere, LockedImage},
    tui::{
        msg::{Effect, ImageNews, Msg, RunEffect, RunNews},
        state::{Screen, State},
        update::update,
    },
};

use crate::{
    fake,
    keys::{launching, press, state},
    lab::{self, Home, complained, need, said},
    pty, screens,
};

/// A home with the lab's registry, and an image there that runs: the starter.
fn with_an_image(open: &str) -> (Home, String) {
    let home = Home::configured(&format!("[[source]]\nname = \"lab\"\ntype = \"oci\"\nurl = \"http://{open}\"\n"));
    let at = format!("{open}/{}:1", lab::fresh("zz/locks/image"));
    let pushed = home.run(&["push", &lab::starter(), &at]);
    assert_eq!(pushed.status.code(), Some(0), "{}", complained(&pushed));
    (home, at)
}

struct Project {
    home: Home,
    folder: std::path::PathBuf,
}

impl Project {
    fn new(home: Home) -> Self {
        let folder = home.path("paper");
        std::fs::create_dir_all(folder.join(".git")).unwrap();
        std::fs::create_dir_all(folder.join("analysis/deep")).unwrap();
        Self { home, folder }
    }

    fn run(&self, below: &str, words: &[&str]) -> std::process::Output {
        self.home.wharf(words).current_dir(self.folder.join(below)).output().unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.run("", words);
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", complained(&output));
        said(&output)
    }

    fn file(&self) -> std::path::PathBuf {
        self.folder.join("wharf.lock")
    }
}

#[test]
fn a_launch_uses_the_bytes_that_are_locked_until_somebody_has_looked_at_others() {
    let open = need!("WHARF_LAB_OPEN");
    let (home, at) = with_an_image(&open);
    let project = Project::new(home);
    assert!(project.done(&["lock"]).contains("there is no wharf.lock here"));
    let added = project.done(&["lock", "add", &at]);
    assert!(added.contains("wharf.lock"), "{added}");
    let text = std::fs::read_to_string(project.file()).unwrap();
    let digest =
        text.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_end_matches('"').to_owned();
    assert!(text.contains(&format!("name = \"oci://{at}\"")) && text.contains("link = \"wharf:oci://"), "{text}");
    // The tag means something else from now on.
    project.done(&["copy", &format!("{open}/library/alpine:latest"), &at]);
    let planned = |below: &str, more: &[&str]| {
        let mut words = vec!["launch", &at, "--on", "local", "--plan"];
        words.extend(more);
        project.run(below, &words)
    };
    for below in ["", "analysis/deep"] {
        let plan = planned(below, &[]);
        assert_eq!(plan.status.code(), Some(0), "{}", complained(&plan));
        assert!(said(&plan).contains(&digest) && said(&plan).contains("these are the bytes that"), "{}", said(&plan));
        assert!(complained(&plan).contains("wharf.lock"), "{}", complained(&plan));
    }
    // Whoever wants the other one says so, and is told.
    let unlocked = planned("", &["--unlocked"]);
    assert!(said(&unlocked).contains("NOT the bytes that"), "{} {}", said(&unlocked), complained(&unlocked));
    let checked = project.done(&["lock", "check"]);
    assert!(checked.contains("its tag has moved since"), "{checked}");
    // Without a terminal nobody can say yes: nothing is taken.
    let refused = project.run("", &["lock", "update", "--quick"]);
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("verdict"), "{}", said(&refused));
    assert_eq!(std::fs::read_to_string(project.file()).unwrap(), text);
    let taken = project.done(&["lock", "update", "--quick", "--yes"]);
    assert!(taken.contains("->"), "{taken}");
    assert!(!std::fs::read_to_string(project.file()).unwrap().contains(&digest));
    assert!(project.done(&["lock", "update", "--quick"]).contains("is the same"));
    project.done(&["lock", "remove", &at]);
    let denied = planned("", &["--locked"]);
    assert_eq!(denied.status.code(), Some(4), "{}", complained(&denied));
    // Nor by a digest, nor by a link, where the file names others.
    project.done(&["lock", "add", &at]);
    let name = at.trim_end_matches(":1");
    let link = project.done(&["share", &at, "--link"]).trim().to_owned();
    for (named, code) in [(format!("{name}@{digest}"), 4), (link, 0), (at.clone(), 0)] {
        let planned = project.run("", &["launch", &named, "--on", "local", "--plan", "--locked"]);
        assert_eq!(planned.status.code(), Some(code), "{named}: {}", complained(&planned));
    }
}

/// What a lock file says that names other bytes than the tag has now.
fn locked_here() -> LockedHere {
    let digest: wharf::core::base::digest::Digest = format!("sha256:{}", "5a".repeat(32)).parse().unwrap();
    let at = format!("oci://lab.example/physics/gromacs@{digest}");
    let mut image = fake::image(at.parse().unwrap());
    if let Some(pinned) = &mut image.pinned {
        pinned.digest = digest.clone();
    }
    let locked = LockedImage {
        name: "oci://lab.example/physics/gromacs:latest".into(),
        digest,
        platform: None,
        verdict: "allow".into(),
        locked: "2026-11-30T00:00:00Z".into(),
        link: format!("wharf:{at}?tag=latest"),
    };
    LockedHere { path: "/home/ada/paper/wharf.lock".into(), locked, image }
}

/// The digest that the shown launch screen would launch.
fn launched(state: &State) -> String {
    let Screen::Launch(page) = state.screen() else { panic!("not launching") };
    page.image.pinned.as_ref().unwrap().digest.to_string()
}

#[test]
fn a_launch_screen_has_the_bytes_of_the_lock_file_unless_the_person_wants_others() {
    let mut state = state();
    press(&mut state, "j l");
    let image = fake::image("lab.example/physics/gromacs:latest".parse().unwrap());
    let asked = update(&mut state, Msg::Image(ImageNews::Image(Box::new(Ok(image)))));
    let reads_lock = |effects: &[Effect]| {
        let form = effects.iter().find_map(|one| match one {
            Effect::Run(RunEffect::Form { lock, .. }) => Some(lock.is_some()),
            _ => None,
        });
        form.expect("a form is asked for")
    };
    assert!(reads_lock(&asked), "{asked:?}");
    let (tag, locked) = (format!("sha256:{}", "4f".repeat(32)), format!("sha256:{}", "5a".repeat(32)));
    update(&mut state, Msg::Run(RunNews::Locked(Box::new(Ok(Some(locked_here()))))));
    assert_eq!(launched(&state), locked);
    let shown = screens::draw(&mut state, (140, 50));
    for part in ["Version", "as in wharf.lock", "by /home/ada/paper/wharf.lock", "the tag has moved since"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(!reads_lock(&press(&mut state, "j right")));
    assert_eq!(launched(&state), tag);
    let shown = screens::draw(&mut state, (140, 50));
    assert!(shown.contains("as it is now") && shown.contains("! not by"), "{shown}");
    press(&mut state, "right");
    assert_eq!(launched(&state), locked);
    // Where the file cannot be used nothing is launched, unless the person says so.
    let refused = || Err(wharf::core::base::error::Error::failed("read wharf.lock", "others could have written it"));
    let mut state = crate::keys::state();
    launching(&mut state);
    update(&mut state, Msg::Run(RunNews::Locked(Box::new(refused()))));
    let shown = screens::draw(&mut state, (140, 50));
    assert!(shown.contains("others could have written it"), "{shown}");
    assert!(!reads_lock(&press(&mut state, "j right")), "the person has said so");
    assert!(reads_lock(&press(&mut state, "right")), "it is read again");
}

#[test]
fn the_screens_launch_what_is_locked_in_the_folder_that_they_were_started_in() {
    let open = need!("WHARF_LAB_OPEN");
    let (home, at) = with_an_image(&open);
    let here = |words: &[&str]| {
        let output = home.wharf(words).current_dir(home.folder.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words:?}: {}", complained(&output));
    };
    here(&["lock", "add", &at]);
    here(&["copy", &format!("{open}/library/alpine:latest"), &at]);
    let name = at.rsplit('/').next().unwrap().trim_end_matches(":1").to_owned();
    // A terminal that names no folder begins in the home folder.
    let argv = [env!("CARGO_BIN_EXE_wharf")];
    let mut screen = pty::Screen::at_home(home, &argv, 120, 40, &[("WHARF_DISCOVER", "no")]);
    screen.until("Images");
    screen.keys(&format!("/{name}\r"));
    screen.until(" 1 of ");
    screen.keys("l");
    screen.until("as in wharf.lock");
    screen.until("the tag has moved since");
    screen.until("these are the bytes that");
    screen.keys("j\u{1b}[C");
    screen.until("as it is now");
    screen.until("NOT the bytes that");
}

#[test]
fn two_who_add_to_one_lock_file_from_different_folders_lose_nothing() {
    let open = need!("WHARF_LAB_OPEN");
    let (home, at) = with_an_image(&open);
    let project = Project::new(home);
    project.done(&["lock", "add", &at]);
    let names: Vec<String> = (0..4).map(|number| format!("{}-{number}:1", at.trim_end_matches(":1"))).collect();
    for name in &names {
        project.done(&["copy", &at, name]);
    }
    let below = ["analysis", "analysis/deep", "", "analysis"];
    let add = |(folder, name): (&str, &String)| {
        let mut one = project.home.wharf(&["lock", "add", name]);
        one.current_dir(project.folder.join(folder)).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let all: Vec<_> = below.into_iter().zip(&names).map(add).collect();
    for mut one in all {
        assert!(one.wait().unwrap().success());
    }
    let text = std::fs::read_to_string(project.file()).unwrap();
    for name in &names {
        assert!(text.contains(&format!("name = \"oci://{name}\"")), "{name} is lost: {text}");
    }
    assert!(!project.folder.join("analysis/wharf.lock").exists());
}

#[test]
fn a_lock_file_that_somebody_else_could_have_written_or_changed_is_not_used() {
    let open = need!("WHARF_LAB_OPEN");
    let (home, at) = with_an_image(&open);
    let project = Project::new(home);
    project.done(&["lock", "add", &at]);
    let launch = || project.run("", &["launch", &at, "--on", "local", "--plan"]);
    let text = std::fs::read_to_string(project.file()).unwrap();
    std::fs::set_permissions(project.file(), std::fs::Permissions::from_mode(0o666)).unwrap();
    assert!(complained(&launch()).contains("others could have written it"), "{}", complained(&launch()));
    std::fs::set_permissions(project.file(), std::fs::Permissions::from_mode(0o644)).unwrap();
    let digest = text.lines().find_map(|line| line.strip_prefix("digest = \"")).unwrap().trim_end_matches('"');
    let other = format!("sha256:{}", "0".repeat(64));
    for (broken, code) in [
        (text.replacen(&format!("\"{digest}\""), &format!("\"{other}\""), 1), 1),
        (text.replace(digest, &other), 6),
        // Another repository under the name, which no tag and no registry ever had there.
        (text.replacen(&format!("wharf:oci://{open}/zz"), &format!("wharf:oci://{open}/yy"), 1), 1),
        ("version = 1\n[[image]]\n".to_owned(), 2),
        ("not TOML".to_owned(), 2),
    ] {
        std::fs::write(project.file(), &broken).unwrap();
        let refused = launch();
        assert_eq!(refused.status.code(), Some(code), "{broken}: {}", complained(&refused));
    }
    // A folder above the project is nobody's.
    std::fs::write(project.file(), &text).unwrap();
    std::fs::rename(project.file(), project.home.path("wharf.lock")).unwrap();
    assert!(!complained(&launch()).contains("wharf.lock"), "{}", complained(&launch()));
}
