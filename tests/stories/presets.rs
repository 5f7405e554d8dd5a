//! What a site says of the forms of backends, and presets of the site and of a person.

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Output};

use serde_json::Value;
use wharf::adapters::local::SandboxProgram;

use crate::lab::{self, Home, complained, said};

/// A home whose site has this file.
struct Site(Home, PathBuf);

impl Site {
    fn new(text: &str) -> Option<Self> {
        if SandboxProgram::find().is_none() {
            eprintln!("left out: bwrap and unshare are missing");
            return None;
        }
        let home = Home::new();
        let file = home.path("site.toml");
        fs::write(&file, text).unwrap();
        Some(Self(home, file))
    }

    fn run(&self, more: &[&str]) -> Output {
        let starter = lab::starter();
        let arguments = [&["launch", starter.as_str(), "--on", "local"], more].concat();
        self.0.wharf(&arguments).env("WHARF_SITE", &self.1).output().unwrap()
    }

    fn plan(&self, more: &[&str]) -> Value {
        let output = self.run(&[more, &["--plan=json"]].concat());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", complained(&output)))
    }
}

#[test]
fn what_a_site_fixes_hides_and_bounds_holds_for_every_launch() {
    let text = "[[form]]\nbackend = \"local\"\nfield.network = { fixed = \"none\" }\nfield.writable = { hide = true }\n\
                field.cpus = { most = 1 }\nfield.memory = { most = \"1G\", default = \"512M\" }\n";
    let Some(site) = Site::new(text) else { return };
    let plan = site.plan(&[]);
    let answers = &plan["answers"];
    assert_eq!((&answers["network"], &answers["cpus"]), (&"none".into(), &"1".into()), "{plan}");
    assert_eq!((&answers["memory"], &answers["writable"]), (&"512M".into(), &"no".into()));
    let form = plan["form"].to_string();
    assert!(!form.contains("\"writable\"") && form.contains("\"choice\":[\"none\"]"), "{form}");
    assert_eq!(site.plan(&["--set", "memory=1024M"])["answers"]["memory"], "1024M");
    for odd in ["network=host", "writable=yes", "cpus=2", "memory=2G", "memory="] {
        let refused = site.run(&["--set", odd]);
        assert_eq!(refused.status.code(), Some(2), "{odd}: {}", said(&refused));
        assert!(complained(&refused).contains("site.toml:1"), "{odd}: {}", complained(&refused));
    }
    // A person's own file cannot loosen it.
    let own = site.0.path("own.toml");
    fs::write(&own, "[[form]]\nbackend = \"local\"\nfield.network = { fixed = \"host\" }\n").unwrap();
    let refused = site.run(&["--config", own.to_str().unwrap()]);
    assert!(
        refused.status.code() == Some(2) && complained(&refused).contains("own.toml:1"),
        "{}",
        complained(&refused)
    );
}

#[test]
fn a_rule_that_fits_no_field_is_refused_by_its_line() {
    for (text, at) in [
        ("mouse = true\n[[form]]\nbackend = \"local\"\nfield.netwrk = { fixed = \"none\" }\n", "site.toml:2"),
        ("[[form]]\nbackend = \"local\"\nfield.network = { fixd = \"none\" }\n", "site.toml:3"),
        ("[[form]]\nbackend = \"local\"\nfield.network = { fixed = \"some\" }\n", "site.toml:1"),
        ("mouse = true\n\n[[preset]]\nname = \"a b\"\n", "site.toml:3"),
    ] {
        let Some(site) = Site::new(text) else { return };
        let refused = site.run(&["--plan"]);
        assert_eq!(refused.status.code(), Some(2), "{text}");
        assert!(complained(&refused).contains(at), "{text}: {}", complained(&refused));
    }
    let Some(site) = Site::new("[[form]]\nbackend = \"elsewhere\"\nfield.x = { fixed = \"1\" }\n") else { return };
    let doctor = site.0.wharf(&["doctor"]).env("WHARF_SITE", &site.1).output().unwrap();
    assert!(said(&doctor).contains("no backend 'elsewhere' here"), "{}", said(&doctor));
}

#[test]
fn presets_are_the_sites_and_those_of_launches_that_went_well() {
    let text = "[[preset]]\nname = \"quick\"\nbackend = \"local\"\nanswers = { cpus = 1, memory = \"64M\" }\n\
                [[preset]]\nname = \"other\"\nimage = \"lab.example/*\"\nanswers = { cpus = 1 }\n";
    let Some(site) = Site::new(text) else { return };
    let plan = site.plan(&["--preset", "quick", "--set", "memory=128M"]);
    assert_eq!((&plan["answers"]["cpus"], &plan["answers"]["memory"]), (&"1".into(), &"128M".into()));
    let offered = plan["form"]["presets"].as_array().unwrap();
    assert_eq!(offered.len(), 1, "only those for this image: {offered:?}");
    for (name, code, why) in [("gone", 6, "quick"), ("other", 2, "lab.example/*")] {
        let refused = site.run(&["--preset", name]);
        assert_eq!(refused.status.code(), Some(code));
        assert!(complained(&refused).contains(why), "{}", complained(&refused));
    }
    assert_eq!(site.run(&["--save-preset", "mine"]).status.code(), Some(2), "there is nothing to keep");
    assert_eq!(site.run(&["--save-preset", "a b", "--set", "memory=32M"]).status.code(), Some(2));
    let kept = site.run(&["--set", "memory=32M", "--set", "name=once", "--save-preset", "mine"]);
    assert_eq!(kept.status.code(), Some(0), "{}", complained(&kept));
    let file = site.0.path("state/presets.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let answers = site.plan(&["--preset", "mine"])["answers"].clone();
    assert_eq!(answers["memory"], "32M");
    assert_ne!(answers["name"], "once");
    assert!(site.plan(&[])["form"]["presets"].to_string().contains("mine"));
}
