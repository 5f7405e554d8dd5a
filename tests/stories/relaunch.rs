//! Launches that are kept: listed, made again, and finished where no answer came. Ids with their backends.

use std::{fs, os::unix::fs::PermissionsExt, process::Output};

use serde_json::Value;
use wharf::adapters::local::SandboxProgram;

use crate::lab::{self, Home, complained, said};

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}{}", said(output), complained(output)))
}

/// A home in which the starter image was launched; and the id of that workload.
fn launched() -> Option<(Home, String)> {
    if SandboxProgram::find().is_none() {
        eprintln!("left out: bwrap and unshare are missing");
        return None;
    }
    let home = Home::new();
    let made = json(&home.run(&["launch", &lab::starter(), "--on", "local", "--set", "name=first", "--json"]));
    Some((home, made["id"].as_str().unwrap().to_owned()))
}

#[test]
fn a_launch_is_kept_and_made_again_with_what_differs_shown_before() {
    let Some((home, id)) = launched() else { return };
    let listed = said(&home.run(&["launch", "--again"]));
    assert!(listed.contains(&format!("local:{id} first")), "{listed}");
    let all = json(&home.run(&["launch", "--again", "--json"]));
    let [record] = all.as_array().unwrap().as_slice() else { panic!("{all}") };
    assert_eq!((record["format"].as_u64(), record["outcome"]["outcome"].as_str()), (Some(1), Some("made")));
    let file = home.path("state/launches").join(format!("{id}.json"));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // A plan of the same sends nothing; another answer is told as a difference.
    let same = home.run(&["launch", "--again", &id, "--plan"]);
    assert!(complained(&same).contains("the plan is that of launch"), "{}", complained(&same));
    let other = home.run(&["launch", "--again", "first", "--set", "network=host", "--plan"]);
    let told = complained(&other);
    assert!(told.contains("- ") && told.contains("+ ") && told.contains("shares this machine's network"), "{told}");
    assert_eq!(json(&home.run(&["launch", "--again", "--json"])).as_array().unwrap().len(), 1);
    let again = json(&home.run(&["launch", "--again", &format!("local:{id}"), "--json"]));
    assert_ne!(again["id"], id.as_str());
    assert_eq!((&again["name"], &again["digest"]), (&"first".into(), &record["plan"]["image"]["digest"]));
    for (arguments, code) in [
        (vec!["launch", "--again", "nothing-like-it"], 6),
        (vec!["launch", "--again", &id, "image"], 2),
        (vec!["launch", &id, "--latest"], 2),
        (vec!["launch"], 2),
    ] {
        assert_eq!(home.run(&arguments).status.code(), Some(code), "{arguments:?}");
    }
}

#[test]
fn a_launch_without_an_answer_is_told_of_and_found_again() {
    let Some((home, id)) = launched() else { return };
    // As if Wharf had been killed while it sent the launch, an hour ago.
    let file = home.path("state/launches").join(format!("{id}.json"));
    let mut record: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    record["outcome"] = serde_json::json!({"outcome": "begun"});
    record["began"] = (record["began"].as_i64().unwrap() - 3600).into();
    fs::write(&file, record.to_string()).unwrap();
    let told = complained(&home.run(&["workloads"]));
    assert!(told.contains(&format!("wharf launch --again {id}")), "{told}");
    let doctor = said(&home.run(&["doctor"]));
    let line = doctor.lines().find(|line| line.contains(&format!("launch {id}: "))).unwrap_or_default();
    assert!(line.starts_with("! ") && line.contains("was sent to local"), "{doctor}");
    assert!(doctor.contains(&format!("→ 'wharf launch --again {id}' finds what it made")), "{doctor}");
    let found = json(&home.run(&["launch", "--again", &id, "--json"]));
    assert_eq!(found["id"], id.as_str(), "no second workload is made");
    assert!(!said(&home.run(&["doctor"])).contains(&id), "its end is known now");
    assert!(!complained(&home.run(&["workloads"])).contains("--again"), "its end is known now");
    // What cannot be read is left out, and a record of a later format left alone.
    record["format"] = 99.into();
    fs::write(&file, record.to_string()).unwrap();
    fs::write(home.path("state/launches/odd.json"), "{").unwrap();
    assert_eq!(json(&home.run(&["launch", "--again", "--json"])), serde_json::json!([]));
}

#[test]
fn an_id_with_its_backend_is_printed_and_accepted_everywhere() {
    let Some((home, id)) = launched() else { return };
    let whole = format!("local:{id}");
    assert!(said(&home.run(&["workloads"])).contains(&whole));
    assert!(said(&home.run(&["logs", &whole, "--follow"])).contains("look: what a program here can see"));
    assert!(said(&home.run(&["logs", "local:first"])).contains("look: what a program here can see"));
    assert_eq!(home.run(&["logs", "other:first"]).status.code(), Some(6));
    let second = said(&home.run(&["launch", &lab::starter(), "--on", "local", "--set", "name=first"]));
    let second = second.split_whitespace().next().unwrap().to_owned();
    assert!(second.starts_with("local:"), "{second}");
    let several = home.run(&["remove", "first"]);
    assert_eq!(several.status.code(), Some(2));
    let told = complained(&several);
    assert!(told.contains(&whole) && told.contains(&second), "both are named: {told}");
    for one in [&whole, &second] {
        assert_eq!(home.run(&["remove", one]).status.code(), Some(0));
    }
}
