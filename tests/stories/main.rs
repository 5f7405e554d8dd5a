//! Stories: what people do, against the real services of `tests/lab` where they run.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::pedantic,
    clippy::disallowed_methods,
    reason = "a test that fails should say so"
)]

mod again;
mod apptainer;
mod attached;
mod attaching;
mod audits;
mod bad_input;
mod charliecloud;
mod cli;
mod cloud_answers;
mod clouds;
mod cluster_day;
#[path = "../examples/source.rs"]
#[expect(unreachable_pub, reason = "elsewhere it is a crate of its own")]
#[expect(dead_code, reason = "what only the list of adapters in the program reads")]
mod corkboard;
mod deciding;
mod dialogs;
mod disks;
mod doctor;
mod editing;
mod ended_shares;
mod engine_tls;
mod everywhere;
mod executed;
mod fake;
mod fetching;
mod findings;
mod following;
mod forged;
mod gate;
mod harbor;
mod help;
mod hostile;
mod inputs;
mod isolation;
mod kernels;
mod key_files;
mod keys;
mod kubernetes;
mod lab;
mod launchers;
mod layers;
mod lending;
mod libvirt;
mod links;
mod locks;
mod machine_faults;
mod mirroring;
mod mirrors;
mod mistyped;
mod mounted;
mod network;
mod older_filters;
mod other_schemes;
mod overview;
mod own_sources;
mod panes;
#[path = "../examples/backend.rs"]
#[expect(unreachable_pub, reason = "elsewhere it is a crate of its own")]
#[expect(dead_code, reason = "what only the list of adapters in the program reads")]
mod pinboard;
mod places;
mod plan_scripts;
mod podman;
mod podman_service;
mod prepared;
mod presets;
mod proxy;
mod psql;
mod pty;
mod qemu;
mod queue_groups;
mod reach;
mod readme;
mod readme_site;
mod relaunch;
mod requests;
mod running;
mod same_launches;
mod same_trees;
mod sandbox;
mod scans;
mod screens;
mod scripted;
mod secrets;
mod seed;
mod sent;
mod sharing;
mod sif;
mod sign_in;
mod signatures;
mod site;
mod slurm;
mod slurm_faults;
mod slurm_rest;
mod source_answers;
mod spec;
mod steward;
mod stores;
mod transfer_faults;
mod transfers;
mod trust;
mod typing;
mod unpacking;
mod upkeep;
mod watching;
mod websso;
mod welcome;
mod wire;
mod workload_keys;

/// Adds the sources and backends that only these tests have, as `adapters! { … }` adds those of the program.
use corkboard::register as register_sources;
use pinboard::register as register_backends;
