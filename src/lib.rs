//! Wharf: a terminal portal for container and VM images. This page is the map of the house.
//!
//! ```text
//! main     parse, log, load the configuration, build the portal; no verb opens the screens, a verb runs it
//! config   defaults < site < user < environment < flags
//! core     knows no terminal, no HTTP, no process. Rooms, each on those before it:
//!          base (errors, texts, digests) · image (names, documents) · audit · catalog (rows, filter) · launch (form, plan)
//!          · sharing (shares, offers) · evidence (records, findings) · policy · request (its life) · config
//!          · ports (the traits that adapters implement) · transfer (copying) · portal (the use cases) · steward
//! adapters `lib.rs` holds `adapters! { files, local, engine, oci, hub, harbor, openstack }` and `checkers! { cosign, notary,
//!          data_signature, sif, attached_reports, registry_scanners, local_scanners }`, a folder or file each; `parts`: what
//!          they are given and add to; `shared` (http, programs), `formats` (files), `signing`, `store`, `vault`, `notify`
//! cli      `args` (the command line's types) and one file for each group of verbs
//! tui      kit, msg, popups, model, jobs, screens, state, flows, update: each floor on those before it
//! ```
//!
//! # Who may import whom
//!
//! `core`, `adapters`, `tui` and `cli` are crates (`wharf-core` and so on, each in its folder of `src`), so the compiler holds
//! what they may name; this crate is `main`, `config` and the names of the others.
//! `main -> cli, tui, adapters, config`; `cli -> core`; `tui -> core`;
//! `adapters/x -> core, adapters::{shared, formats, parts}`; `config -> core`; `core ->` nothing of ours, and never
//! a terminal, HTTP or database crate. A screen never imports another screen, an adapter never another adapter.
//! `tests/house.rs` reads the rooms inside of each crate and fails on a wrong `use`, and on a change that writes no entry of the audit.
//!
//! # How data flows
//!
//! A key becomes an [`Action`](tui::kit::action::Action) by the key map, or text. [`update`](tui::update::update) takes a
//! [`Msg`](tui::msg::Msg), changes the [`State`](tui::state::State) and gives [`Effect`](tui::msg::Effect)s; it is a
//! plain function. The loop in [`tui`] draws once for every drained batch. [`Jobs`](tui::jobs::Jobs) carries effects
//! out over the same [`Portal`](core::portal::Portal) that the command line awaits. A read lives in a slot, where the
//! newest wins; a write is a job that only a person cancels.
//!
//! # The way of a request
//!
//! ```text
//!  wharf request ─ portal.requests ─ Store::submit ┐            core::request: its life, as pure functions
//!                                                  ▼
//!  wharf steward ─ core::steward: claim ─ quarantine (copy by digest) ─ evidence ─ policy ─┬─ allow ─────────────┐
//!                                                                                          ├─ deny: the fix named │
//!  wharf approve ─ portal.requests.decide, signed by the approver's key ◄─ needs approval ─┘                      ▼
//!                                                        copy into the admitted project, sign there, check, tag last
//!  everybody:  the signature is the badge; the scan that it states spares them the scanner; its conditions bind
//! ```
//!
//! Each step of a steward can be done again, so that whoever goes on after a crash finds what was done. A claim is a lease
//! of one worker; only its holder goes on. What people used (`core::portal::uses`) is judged again when the scanners' data
//! changes (`core::steward::watch`); notices are rows with a key, so that nobody is told twice, and each way of delivery
//! keeps what it has sent.
//!
//! A site sets this up in ten minutes: README, "A site in ten minutes" (site.toml, roles, service unit).
//!
//! # Decisions
//!
//! - **A row is a repository, not a tag.** People look for names; tags are searched along with them and shown as
//!   versions. Rows are packed ([`core::catalog::rows`]): one string and one table for a source, written to SQLite as one value.
//! - **A use case reaches what it needs, and nothing else** ([`core::portal::Portal`]): each subject is a struct with private
//!   fields over the floors below it, from the ground up: `sources`, `journal`; `keys`, `accounts`, `inbox`, `signing`;
//!   `catalog`, `evidence`; `transfers`, `launches`, `upkeep`; `sharing`; `requests`; `doctor`. The steward is made of the
//!   parts that [`core::portal::stewardship`] hands on, and built the same way. What changes something runs inside
//!   [`core::portal::journal`], which writes its entry, also of what was refused.
//! - **What is written of a source is its adapter's to read** ([`core::config::written`]), and what can be done with it its
//!   adapter says ([`core::portal::Abilities`]): nobody else knows an adapter's name.
//! - **The first frame needs no database** ([`adapters::store`]): the first rows of each list are small files of their own.
//! - **The fuzzy matcher scores, it does not scan** ([`core::catalog::search`]): a letter mask rejects most rows, a byte scan
//!   ranks the rest, `fuzzy-matcher` orders the best thousand.
//! - **Our own registry client** ([`adapters::oci`]): `oci-client` cannot list or mount on registries with a token server.
//! - **Credential files are read by our own code**: a credential helper must have a deadline, which `docker_credential`
//!   does not give it.
//! - **An engine that cannot pull is given the image** ([`adapters::engine`]): the bytes are copied into it and compared.
//! - **What is looked at is measured, and nothing else** ([`core::launch::usage`]): rows first, readings afterwards; the use of
//!   processors is that between two readings, so that no backend is asked to wait for a second one.
//! - **A form is data for every front end** ([`core::launch::form`]): its sections, the room there is and the policy's gate stand
//!   in it, so that the screen and `wharf launch --plan` show the same. A backend says what it can do
//!   ([`core::ports::Ability`]): what it cannot do is not offered, and is refused before it is asked.
//! - **A runtime gives words, and a backend lets them run** ([`core::ports::runtime`]): the image is unpacked once into a shared
//!   folder, all that a process is told is in a folder of its own, and the words become the process, with nobody between it
//!   and a scheduler's signals. The local backend starts its workloads by the same steps.
//! - **Container lists are read leniently**: bollard's models refuse Podman's state `stopped`, and with it the list.
//! - **The daemonless backend mounts the unpacked image read-only**, so that a workload cannot change what the next one
//!   gets; one that wants to write gets its own copy. `bwrap` and `unshare` make namespaces only: process 1 is this program
//!   again, from sealed memory and hidden from what it starts. It makes the mounts, and one last step
//!   ([`adapters::local`]) confines every program, whether it was launched or entered later.
//! - **Text of an image has a type** ([`core::image::model::Foreign`]): it runs as it is and is shown cleaned; there is no third way.
//! - **No session keyring is joined** for the kernel's secret store: a keyring that Wharf joins ends with Wharf.
//! - **A person's agreement to the secret file is that file**: it is made when they say yes, and nothing else is written.
//! - **A registry forgets what it learnt when somebody signs in** ([`core::ports::Vault::generation`]).
//! - **What a look at a row tells is kept in the list** ([`core::catalog::learnt`]): registries list names and tags only.
//! - **An upload that broke starts anew where the registry cannot go back into it**: docker-registry before 3.0 cannot.
//! - **A screen is a page** ([`tui::screens::page`]): it is handed the model, knows no other screen, and gives back as data
//!   where it wants to go on; `update` carries that out in its own queue. `screens! { … }` is the only list of them.
//! - **Keys wait for the search they follow** ([`tui::update`]): a key never means a row that is about to go.
//! - **Deciding is deciding on what was shown** ([`tui::kit::list`]): one stands on a row by its id; what cannot be undone takes
//!   a [`Seen`](tui::kit::list::Seen), and only a row that the last drawn frame showed to be meant becomes one. What opens by
//!   itself takes no keys of its first moment, and waits where somebody types ([`tui::popups`]).
//! - **What others wrote is quoted** ([`core::base::quote`]): our texts are made line by line, foreign words can begin none of them.
//! - **Evidence is a record of one digest** ([`core::evidence::record`]), a verdict a pure function of it ([`core::policy`]); a launch
//!   is gated by the verdict of exactly what it pins ([`core::portal::evidence`]). Without a site's policy only what is denied is
//!   held back: nobody is there who could approve.
//! - **Signatures are verified with the library that TLS brings** (`aws-lc-rs`): it reads keys as they are written.
//! - **An approval is a signature, and what it says is signed too** ([`core::evidence::terms`]): its end, the place it is
//!   bound to, the findings that were taken, and how the scan stood stand in cosign's `optional` part. Whoever forges a
//!   row in a database gains nothing; cosign verifies the same signature.
//! - **A key signs statements, and text never becomes one** ([`core::request::statement`]): an admission is made only from a
//!   decision that counts and from bytes that were hashed ([`core::request::admission`]). Each kind has a type of its own, which
//!   is no other's; a steward states again only what it has stated itself and the store still has as admitted.
//! - **A signature counts in the repository that it names**, unless it is an admission, whose own conditions say where it
//!   counts, or the policy names a mirror: the same bytes under another name may be meant to deceive.
//! - **Who made a check is a type** ([`core::evidence::record::By`]): no name that a report or an image gives itself decides.
//! - **An approval takes what was shown**: rules by their key in the policy, findings one by one. A rule about findings is
//!   never taken as such.
//! - **A verdict that somebody acts on looks again** at what can be looked at in a moment, and asks the shared store what the
//!   site knows; lists show what is kept. A store that does not answer is a check that could not run.
//! - **A request is a value that pure functions change** ([`core::request::stage`]); SQLite stores what they make of it,
//!   PostgreSQL checks the same in functions of its own, because there the rights must hold against `psql` too. One
//!   contract story is held against both.
//! - **A database's functions and rights are made anew whenever it is set up**: what `schema.sql` says is what holds, whatever
//!   an older version or somebody's hand has left. Tables are changed in steps; what values look like is data (`shapes.sql`).
//! - **Programs hand time spans to the store, never times**: its own clock writes them, so that a steward whose clock is off
//!   neither loses its lease nor keeps others from working.
//! - **Every image that an index lists is judged**, also a second one for a platform, and the strictest verdict is that of
//!   the image: its signature covers them all, and whoever runs it may choose another entry than Wharf. What Wharf launches
//!   is the manifest that was judged, never an index of which an engine would choose.
//! - **One digest has one reading** ([`core::image::document`], [`core::base::json`]): a manifest or configuration that engines, whose
//!   JSON reader takes no notice of case and the last of equal keys, would read otherwise is refused where it is read.
//! - **"Unsigned" is said only where every place was looked at** ([`core::evidence::attachments`]): what could not be read is kept
//!   beside what was found. Whoever may push may attach anything: a signature of another image is none of this one, and one
//!   that fails takes nothing from a good one beside it.
//! - **A steward's statement over the hash that a cloud keeps** is what everybody's badge of a disk image comes from; the
//!   signature over its data, which Nova checks, is added where the site has a key (P-384) for it: reading all data of
//!   every image on every machine would be the slow way.
//! - **A steward checks that its own signature is trusted before it tags**: a key that the policy does not name would
//!   admit images that nobody may launch.
//! - **Letters carry the number of their notice as Message-ID**: the moment between a server's "250" and our note of it
//!   cannot be closed, and a server that is given the same letter twice can tell.
//! - **`lettre` for mail**: SMTP with TLS is not ours to write; a login node often has only `sendmail`, which it speaks too.
//! - **An unpacked image is sealed, not hashed again** ([`adapters::local`]): change times, which nobody can set, say in the
//!   time of reading names whether anything in it was changed. Reading all bytes at every launch would be the slow way.
//! - **Our own reader of layers** ([`adapters::formats::layer`]): the `tar` crate reads names and records of any length whole.
//! - **The audit's file is the spool of what the store is told of it** ([`core::audit::witness`]): the store says what it knows last.
//! - **A local program is not process 1 of its sandbox**: the kernel gives that one no polite signal.
//! - **Clouds are read and signed in to by our own code** ([`adapters::openstack`]): `openstack_sdk` reads numbers into ids,
//!   knows no merge keys and gives up on a catalogue for one odd service in it. What openstackclient takes is the measure.
//! - **Each region of a cloud is a source, and all share one account** (`openstack::account`): a token is fetched once, a wrong
//!   secret shown once, also where each region has an identity service of its own.
//! - **A browser that comes back is believed as little as possible** (`openstack::landing`): the table of connections says
//!   whose it is, the cloud whose its token is, and the person whether that is them: any page may send a form.
//! - **A share is planned before it is made** ([`core::portal::sharing`]): steps, cost, rights, what the receiver does.
//! - **A volume is shared as one image of it**: block storage knows no sharing, only giving away.
//! - **A broken upload to a cloud is sent again**: Glance cannot go back into one; a download goes on where it was.
//! - **A cloud's list is read from both ends**, in pages of 1000; offers that nobody accepted are asked for apart.
//! - **A question of the core is a message with a number** ([`tui::jobs::prompter`]): messages stay plain data.
//! - **One task reads the terminal's events**: polled with another waker, crossterm's stream never wakes again.
//!
//! # Refused
//!
//! Engines behind `ssh://` (forward the socket instead); a password in an environment variable or argument;
//! following links that nobody pinned; hiding a failing source.

pub mod config;

pub use wharf_adapters as adapters;
pub use wharf_cli as cli;
pub use wharf_cli::args;
pub use wharf_core as core;
pub use wharf_tui as tui;
