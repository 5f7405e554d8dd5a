//! Makes the pictures of the README anew, from real runs: `cargo run --example pictures` while the lab is up (see
//! `tests/lab/up`; its `env` must be in the environment). It starts Wharf in a terminal, types keys, waits for words,
//! and writes what is on the screen as `assets/*.svg`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a tool that fails should say so"
)]

mod film;
mod svg;
mod terminal;

use std::path::{Path, PathBuf};

use self::{
    svg::{DARK, LIGHT, Palette, Shot},
    terminal::{Person, Screen},
};

/// A site with one registry, a key of its own, and a policy that wants every image signed. Gives its file.
fn site(folder: &Path, registry: &str) -> PathBuf {
    let text = format!(
        "[[source]]\nname = \"site\"\ntype = \"oci\"\nurl = \"http://{registry}\"\n\
         [requests]\nstore = \"{}\"\nadmitted = \"{registry}/admitted\"\nquarantine = \"{registry}/quarantine\"\n\
         approvers = [\"grace\"]\nkey = \"{}\"\n\
         [policy]\nname = \"our site\"\nenforce = true\n[policy.scan]\nfresh_days = 3650\nstale_days = 3650\n[policy.signature]\nkeys = [\"site.key.pub\"]\n",
        folder.join("requests.db").display(),
        folder.join("site.key").display(),
    );
    let file = folder.join("site.toml");
    std::fs::write(&file, text).unwrap();
    file
}

fn main() {
    let registry = std::env::var("WHARF_LAB_OPEN").expect("the lab is not up: tests/lab/up STATE; . STATE/env");
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("site.key").display().to_string();
    std::fs::write(folder.path().join("none.toml"), "").unwrap();
    Person::new("ada", &folder.path().join("none.toml")).run(&["key", "new", &key]);
    let file = site(folder.path(), &registry);
    let (mut ada, grace) = (Person::new("ada", &file), Person::new("grace", &file));
    let signed = format!("{registry}/biology/samtools:latest");
    grace.run(&["sign", &signed, "--key", &key]);
    film::make(&ada, &grace);

    for (theme, palette, name) in [("dark", &DARK, "images"), ("light", &LIGHT, "images-light")] {
        ada.theme = theme;
        picture(name, "The list of images, and what is known of the selected one", &[images(&ada)], palette);
    }
    ada.theme = "dark";
    ada.run(&["verify", &signed]);
    picture("image", "All about one image", &[image(&ada)], &DARK);
    picture("launch", "The launch of an image, before anything is sent", &[launch(&ada)], &DARK);
    grace.run(&["sign", &format!("{registry}/library/busybox:1.35"), "--key", &key]);
    picture("workloads", "What runs, and the selected one", &[workloads(&ada, &registry)], &DARK);

    let asked = [(&ada, "physics/gromacs:2024.1"), (&ada, "physics/lammps:stable"), (&ada, "physics/lammps:edge")];
    for (by, image) in asked {
        by.run(&["request", &format!("{registry}/{image}"), "--reason", "for the thesis"]);
    }
    grace.run(&["steward", "--once"]);
    let mut screen = Screen::open(&grace, 120, 30);
    screen.until("alpine").type_keys("6").until("Requests").type_keys("\t").until("[to decide]").until("lammp");
    picture("requests", "The queue of requests, with all about the selected one", &[screen.shot()], &DARK);
}

fn images(ada: &Person) -> Shot {
    let mut screen = Screen::open(ada, 120, 30);
    screen.until("alpine").until("just now").until("verified").until("trivy").shot()
}

fn image(ada: &Person) -> Shot {
    let mut screen = Screen::open(ada, 120, 36);
    screen.until("alpine").type_keys("/biology sam -admitted\r").until("1 of").type_keys("\r").until("Overview");
    screen.until("✓ scanned").until("packages").until("Versions ─").shot()
}

fn launch(ada: &Person) -> Shot {
    let mut screen = Screen::open(ada, 120, 46);
    screen.until("alpine").type_keys("/biology sam -admitted\r").until("1 of").type_keys("l");
    screen.until("What will be sent").until("launch now").shot()
}

/// Three workloads of `local`: one runs, one has ended, one has failed.
fn workloads(ada: &Person, registry: &str) -> Shot {
    let image = format!("{registry}/library/busybox:1.35");
    for (name, command) in [
        ("fit-model", "i=0; while true; do i=$((i+1)); echo step $i: energy -$((i*37%911)).$((i%10)); sleep 1; done"),
        ("convert", "echo 12 files converted"),
        ("broken", "echo no input file >&2; exit 3"),
    ] {
        let name = format!("name={name}");
        ada.run(&[
            "launch",
            &image,
            "--on",
            "local",
            "--set",
            &name,
            "--because",
            "for a picture",
            "--",
            "sh",
            "-c",
            command,
        ]);
    }
    let mut screen = Screen::open(ada, 120, 34);
    screen.until("alpine").type_keys("2").until("fit-model").until("step 5").shot()
}

fn picture(name: &str, title: &str, shots: &[Shot], palette: &Palette) {
    written(name, &svg::picture(title, shots, palette));
}

fn written(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets").join(format!("{name}.svg"));
    std::fs::write(&file, text).unwrap();
    println!("{}", file.display());
}
