//! Attaching volumes to servers of a real cloud.

use std::time::{Duration, Instant};

use crate::{
    clouds::{Person, disk, openstack},
    lab::{self, need},
};

#[test]
fn a_volume_goes_into_a_server_and_out_again_and_what_a_server_was_given_is_told() {
    let clouds = need!("WHARF_LAB_CLOUDS");
    let alice = Person::new("alice", &clouds);
    let file = alice.home.path("attach.raw");
    disk(&file);
    let (image, server, volume) =
        (lab::fresh("attach-image"), lab::fresh("attach-server"), lab::fresh("attach-volume"));
    let named = format!("glance://site/{image}");
    alice.json(&["push", &file.display().to_string(), &named]);
    let made = openstack(&clouds, "alice", &["volume", "create", "--size", "1", &volume]);
    let id = made["id"].as_str().unwrap();
    let status = || alice.json(&["show", &format!("volume://site/{id}")])["annotations"]["status"].clone();
    let began = Instant::now();
    while status() != "available" {
        assert!(began.elapsed() < Duration::from_secs(60), "{}", status());
    }
    let launched = alice.json(&["launch", &named, "--on", "site", "--set", &format!("name={server}")]);
    let id_of_server = launched["id"].as_str().unwrap();
    let listed = alice.json(&["workloads"]);
    let shown = listed.as_array().unwrap().iter().find(|one| one["id"] == id_of_server).unwrap();
    assert!(shown["usage"]["memory_limit"].as_u64().unwrap() > 0, "its flavor is told: {shown}");
    assert!(shown["usage"]["memory"].is_null(), "what it takes of it is not: {shown}");
    let inside = || {
        let there = openstack(&clouds, "alice", &["server", "volume", "list", id_of_server]);
        there.as_array().unwrap().iter().any(|one| one["Volume ID"] == id)
    };
    // Both can be repeated.
    for _ in 0..2 {
        let done = alice.json(&["attach", &volume, &server]);
        assert_eq!(
            (&done["done"], done["volume"].as_str()),
            (&"attached".into(), Some(format!("volume://site/{volume}").as_str()))
        );
        assert!(inside() && status() == "in-use");
    }
    let other = alice.run(&["attach", "volume://elsewhere/x", &server]);
    assert_eq!(other.status.code(), Some(2), "{}", lab::complained(&other));
    let part = alice.run(&["detach", &volume, &server[..server.len() - 3]]);
    assert_eq!(part.status.code(), Some(6), "a beginning is not enough: {}", lab::complained(&part));
    for _ in 0..2 {
        assert_eq!(alice.json(&["detach", &format!("volume://site/{id}"), &server])["done"], "detached");
        assert!(!inside() && status() == "available");
    }
    let refused = alice.run(&["logs", "--timestamps", &server]);
    assert!(lab::complained(&refused).contains("without times"), "{}", lab::complained(&refused));
    assert_eq!(alice.run(&["remove", &server]).status.code(), Some(0));
}
