//! Wharf: a terminal portal for container and VM images. This page is the map of the house.
//!
//! ```text
//! main     parse, log, load the configuration, build the portal; no verb opens the screens, a verb runs it
//! args     the command line's types                 config   defaults < site < user < environment < flags
//! core     knows no terminal, no HTTP, no process: words, rules, ports, and the use cases (`portal`)
//! adapters one folder for each technology; `mod.rs` holds `adapters! { files, engine, local, oci, hub, harbor, openstack }` and
//!          `checkers! { cosign, notary, glance, sif, attached, served, scanners }`, and the helpers they share: `http`, `exec`, `archive`, `header`,
//!          `keys`, `certificates`, `attachments`, `reports`, `exploited`, `sif_format`
//! cli      one file for each group of verbs         tui      state, update, effects, jobs, screens
//! ```
//!
//! # Who may import whom
//!
//! `main -> cli, tui, adapters, config, args`; `cli -> core, args`; `tui -> core, config`;
//! `adapters/x -> core, adapters::{the shared helpers}`; `config -> core`; `core ->` nothing of ours, and never
//! a terminal, HTTP or database crate. A screen never imports another screen, an adapter never another adapter.
//! `tests/house.rs` reads the sources and fails on a wrong `use`.
//!
//! # How data flows
//!
//! A key becomes an [`Action`](tui::action::Action) by the key map, or text. [`update`](tui::update::update) takes a
//! [`Msg`](tui::msg::Msg), changes the [`State`](tui::state::State) and gives [`Effect`](tui::msg::Effect)s; it is a
//! plain function. The loop in [`tui`] draws once for every drained batch. [`Jobs`](tui::jobs::Jobs) carries effects
//! out over the same [`Portal`](core::portal::Portal) that the command line awaits. A read lives in a slot, where the
//! newest wins; a write is a job that only a person cancels.
//!
//! # Decisions
//!
//! - **A row is a repository, not a tag.** People look for names; tags are searched along with them and shown as
//!   versions. Rows are packed ([`core::rows`]): one string and one table for a source, written to SQLite as one value.
//! - **The first frame needs no database** ([`adapters::store`]): the first rows of each list are small files of their own.
//! - **The fuzzy matcher scores, it does not scan** ([`core::search`]): a letter mask rejects most rows, a byte scan
//!   ranks the rest, `fuzzy-matcher` orders the best thousand.
//! - **Our own registry client** ([`adapters::oci`]): `oci-client` cannot list or mount on registries with a token server.
//! - **Credential files are read by our own code**: a credential helper must have a deadline, which `docker_credential`
//!   does not give it.
//! - **An engine that cannot pull is given the image** ([`adapters::engine`]): the bytes are copied into it and compared.
//! - **Container lists are read leniently**: bollard's models refuse Podman's state `stopped`, and with it the list.
//! - **The daemonless backend mounts the unpacked image read-only**, so that a workload cannot change what the next one
//!   gets; one that wants to write gets its own copy. `unshare` needs a helper inside: that is this program again.
//! - **No session keyring is joined** for the kernel's secret store: a keyring that Wharf joins ends with Wharf.
//! - **A person's agreement to the secret file is that file**: it is made when they say yes, and nothing else is written.
//! - **A registry forgets what it learnt when somebody signs in** ([`core::ports::Vault::generation`]).
//! - **What a look at a row tells is kept in the list** ([`core::details`]): registries list names and tags only.
//! - **An upload that broke starts anew where the registry cannot go back into it**: docker-registry before 3.0 cannot.
//! - **Keys wait for the search they follow** ([`tui::update`]): a key never means a row that is about to go.
//! - **Evidence is a record of one digest** ([`core::record`]), a verdict a pure function of it ([`core::policy`]); a launch
//!   is gated by the verdict of exactly what it pins ([`core::verify`]). Without a site's policy only what is denied is
//!   held back: nobody is there who could approve.
//! - **Signatures are verified with the library that TLS brings** (`aws-lc-rs`): it reads keys as they are written.
//! - **A local program is not process 1 of its sandbox**: the kernel gives that one no polite signal.
//! - **Of `openstack_sdk` only sign-in and discovery** ([`adapters::openstack`]): its pager ends on addresses without a
//!   name, and its generated calls would be most of our build.
//! - **A share is planned before it is made** ([`core::ways`]): steps, cost, rights, what the receiver does.
//! - **A volume is shared as one image of it**: block storage knows no sharing, only giving away.
//! - **A broken upload to a cloud is sent again**: Glance cannot go back into one; a download goes on where it was.
//! - **A cloud's list is read from both ends**, in pages of 1000; offers that nobody accepted are asked for apart.
//! - **A question of the core is a message with a number** ([`tui::prompter`]): messages stay plain data.
//! - **One task reads the terminal's events**: polled with another waker, crossterm's stream never wakes again.
//!
//! # Refused
//!
//! Engines behind `ssh://` (forward the socket instead); a password in an environment variable or argument;
//! following links that nobody pinned; hiding a failing source.

pub mod adapters;
pub mod args;
pub mod cli;
pub mod config;
pub mod core;
pub mod tui;
