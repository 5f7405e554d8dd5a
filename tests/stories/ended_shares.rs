//! Shares with an end: links end by themselves; grants and copies are shown as past their end, and taken back in one go.

use serde_json::Value;

use crate::{
    clouds::{Person, disk},
    lab::{self, Home, need},
};

/// Puts the ends of all shares into the past, as if the time had gone by.
fn end_all(home: &Home) {
    let file = home.path("state/shares.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let all = kept["all"].as_array_mut().unwrap();
    assert!(!all.is_empty());
    all.iter_mut().for_each(|one| one["until"] = 1.into());
    std::fs::write(file, kept.to_string()).unwrap();
}

fn json(said: &std::process::Output) -> Value {
    assert_eq!(said.status.code(), Some(0), "{}", lab::complained(said));
    serde_json::from_slice(&said.stdout).unwrap_or_else(|_| panic!("{}", lab::said(said)))
}

#[test]
fn a_copy_that_is_past_its_end_is_removed_unless_somebody_has_put_another_image_there() {
    let host = need!("WHARF_LAB_OPEN");
    let home = Home::new();
    let (name, project) = (lab::fresh("ended"), lab::fresh("zz-ended"));
    let at = format!("{host}/zz/{name}:1");
    let theirs = format!("{host}/{project}/{name}:1");
    json(&home.run(&["copy", &format!("{host}/physics/gromacs:2024.1"), &at, "--json"]));
    let planned = home.run(&["share", &at, "--to", &project, "--until", "7d", "--plan"]);
    assert!(lab::said(&planned).contains("note its end, 20"), "{}", lab::said(&planned));
    json(&home.run(&["share", &at, "--to", &project, "--until", "7d", "--json"]));
    let shared = json(&home.run(&["shared", "--json"]));
    assert!(shared[0]["until"].is_string() && shared[0]["copy"].is_string(), "{shared}");
    assert!(lab::said(&home.run(&["shared"])).contains("until 20"), "{}", lab::said(&home.run(&["shared"])));
    // One that is shared again without an end has none.
    let again = lab::fresh("zz-no-end");
    for until in [&["--until", "1h"][..], &[]] {
        json(&home.run(&[&["share", &at, "--to", &again, "--json"], until].concat()));
    }
    assert!(json(&home.run(&["shared", "--json"]))[0]["until"].is_null());
    // Before the end, nothing is taken back.
    let early = home.run(&["shared", "--take-back-ended"]);
    assert!(lab::said(&early).contains("nothing that you have shared is past its end"), "{}", lab::said(&early));
    assert_eq!(home.run(&["show", &theirs]).status.code(), Some(0));
    end_all(&home);
    let listed = home.run(&["shared"]);
    assert!(lab::said(&listed).contains("! past its end, there"), "{}", lab::said(&listed));
    assert!(lab::complained(&listed).contains("1 share is past the end"), "{}", lab::complained(&listed));
    // Somebody has put another image under that name meanwhile: it stays.
    json(&home.run(&["copy", &format!("{host}/physics/lammps:stable"), &theirs, "--json"]));
    let left = home.run(&["shared", "--take-back-ended"]);
    assert!(lab::said(&left).contains("means another image there by now"), "{}", lab::said(&left));
    assert_eq!(home.run(&["show", &theirs]).status.code(), Some(0));
    // What somebody else has put there before it was shared is not this person's to take back.
    let (bob, before) = (Home::new(), lab::fresh("zz-before"));
    json(&bob.run(&["copy", &at, &format!("{host}/{before}/{name}:1"), "--json"]));
    let had = home.run(&["share", &at, "--to", &before, "--until", "7d"]);
    assert_eq!(had.status.code(), Some(0), "{}", lab::complained(&had));
    assert!(lab::complained(&had).contains("no end is noted"), "{}", lab::complained(&had));
    assert!(json(&home.run(&["shared", "--json"]))[0]["until"].is_null());
    // What this person has shared without an end gets one.
    json(&home.run(&["share", &at, "--to", &project, "--json"]));
    json(&home.run(&["share", &at, "--to", &project, "--until", "7d", "--json"]));
    end_all(&home);
    let taken = home.run(&["shared", "--take-back-ended"]);
    assert_eq!(taken.status.code(), Some(0), "{}", lab::complained(&taken));
    assert!(lab::said(&taken).contains(&format!("from {project} back")), "{}", lab::said(&taken));
    assert_eq!(home.run(&["show", &theirs]).status.code(), Some(6), "the copy is gone");
    assert_eq!(home.run(&["show", &at]).status.code(), Some(0), "and the image is not");
    assert!(lab::said(&home.run(&["shared"])).contains("gone"), "{}", lab::said(&home.run(&["shared"])));
}

#[test]
fn grants_of_a_cloud_that_are_past_their_end_are_revoked_also_those_to_everybody() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let (alice, bob) = (Person::new("alice", &clouds), Person::new("bob", &clouds));
    let file = alice.home.path("ended.raw");
    disk(&file);
    let (one, all) = (lab::fresh("ended"), lab::fresh("ended-for-all"));
    for (name, receiver) in [(&one, &["--to", bob.project().as_str()][..]), (&all, &["--community"])] {
        let named = format!("glance://site/{name}");
        alice.json(&["push", file.to_str().unwrap(), &named]);
        alice.json(&[&["share", &named, "--until", "1h"], receiver].concat());
    }
    let shared = alice.json(&["shared"]);
    assert!(shared.as_array().unwrap().iter().all(|one| one["until"].is_string()), "{shared}");
    end_all(&alice.home);
    let taken = alice.json(&["shared", "--take-back-ended"]);
    assert_eq!(taken.as_array().unwrap().len(), 2, "{taken}");
    for name in [&one, &all] {
        assert_eq!(alice.json(&["shares", &format!("glance://site/{name}")]), serde_json::json!([]), "{name}");
    }
    assert!(lab::said(&alice.run(&["shared"])).matches("taken back").count() == 2);
    // One that is taken back by hand has no end any more: whoever grants it anew says when that ends.
    let named = format!("glance://site/{one}");
    let again = alice.json(&["share", &named, "--to", &bob.project(), "--until", "1h"]);
    let id = again[0]["share"]["id"].as_str().unwrap_or_else(|| panic!("{again}")).to_owned();
    assert_eq!(alice.run(&["revoke", &id]).status.code(), Some(0));
    let kept = std::fs::read_to_string(alice.home.path("state/shares.json")).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap()["all"], serde_json::json!([]), "{kept}");
}
