//! Wharf: a terminal portal for container and VM images. This page is the map of its source code.
//!
//! ```text
//! main     parse, log, load the configuration, build the portal; no verb opens the screens, a verb runs it
//! config   defaults < site < user < added in Wharf < environment < flags
//! core     knows no terminal, no HTTP, no process. Rooms, each on those before it:
//!          base (errors, texts, digests) · image (names, documents) · audit · catalog (rows, filter) · launch (form, plan)
//!          · sharing (shares, offers) · evidence (records, findings) · policy · request (its life) · config
//!          · ports (the traits that adapters implement) · transfer (copying) · portal (the use cases) · steward
//! adapters `lib.rs` holds `adapters! { files, local, runtimes, apptainer, engine, oci, hub, harbor, openstack, slurm, charliecloud, qemu, libvirt, kubernetes }` and `checkers! { cosign,
//!          notary, data_signature, sif, attached_reports, registry_scanners, local_scanners }`, a folder or file each; `parts`:
//!          what they are given and add to; `shared` (http, programs), `formats` (files), `prepared` (images), `machines` (disks), `keeper`
//!          (programs that outlive Wharf), `signing`, `store`, `vault`, `notify`
//! cli      `args` (the command line's types) and one file for each group of verbs
//! tui      kit, usage, output, msg, popups, model, jobs, screens, state, hints and bar, flows, update: each floor on those before it
//! ```
//!
//! # Who may import whom
//!
//! `core`, `adapters`, `tui` and `cli` are crates (`wharf-core` and so on, each in its folder of `src`), so the
//! compiler checks what they may name; this crate is `main` and `config`, and re-exports the others.
//! `main -> cli, tui, adapters, config`; `cli -> core`; `tui -> core`;
//! `adapters/x -> core, adapters::{shared, formats, keeper, machines, prepared, parts}`; `config -> core`; `core ->` nothing of ours, and never
//! a terminal, HTTP or database crate. A screen never imports another screen, an adapter never another adapter.
//! No file imports what imports it, not even over others: what two files need is in a third one below both.
//! `tests/house.rs` reads the rooms (modules) and the files of each crate. It fails on a wrong `use`, on a circle of
//! imports, and on a change that writes no entry of the audit.
//!
//! # How data flows
//!
//! The key map turns a key into an [`Action`](tui::kit::action::Action), or it is text. [`update`](tui::update::update)
//! takes a [`Msg`](tui::msg::Msg), changes the [`State`](tui::state::State) and returns
//! [`Effect`](tui::msg::Effect)s; it is a plain function. The loop in [`tui`] draws once after all waiting messages.
//! [`Jobs`](tui::jobs::Jobs) carries effects out through the same [`Portal`](core::portal::Portal) that the command
//! line uses. A read has a slot, in which a newer read replaces the older one; a write is a job that only a person
//! cancels.
//!
//! # The life of a request
//!
//! ```text
//!  wharf request ─ portal.requests ─ Store::submit ┐            core::request: its life, as pure functions
//!                                                  ▼
//!  wharf steward ─ core::steward: claim ─ quarantine (copy by digest) ─ evidence ─ policy ─┬─ allow ─────────────┐
//!                                                                                          ├─ deny: the fix named │
//!  wharf approve ─ portal.requests.decide, signed by the approver's key ◄─ needs approval ─┘                      ▼
//!                                                        copy into the admitted project, sign there, check, tag last
//!  everybody:  the signature is the badge; the scan that it states replaces a scan of their own; its conditions bind
//! ```
//!
//! Each step of a steward can be repeated, so that after a crash another steward finds what was done. A claim is a
//! lease of one worker; only its holder goes on. Images that people used (`core::portal::uses`) are judged again when
//! the scanners' data changes (`core::steward::watch`). Notices are rows with a key, so that nobody is notified twice,
//! and each way of delivery records what it has sent.
//!
//! A site sets this up in ten minutes: README, "A site in ten minutes" (site.toml, roles, service unit).
//!
//! # Decisions
//!
//! - **One geometry** ([`tui::kit::layout`]): a page says once where its rows are, and drawing, clicking and paging use
//!   that. Columns are data ([`tui::kit::table`]): which goes first in a narrow terminal is written beside its width.
//! - **A list shows kept evidence only** ([`core::catalog::marks`]): nothing is verified or scanned because somebody
//!   looks at it, and what is unknown is never green.
//! - **Code that hands on what networks say is not optimised** (`Cargo.toml`): a first build takes half the time, and the
//!   frames, which are drawn by `tui` and `core`, stay as fast.
//! - **A row is a repository, not a tag.** People look for names; tags are searched along with them and shown as
//!   versions. Rows are packed ([`core::catalog::rows`]): one string and one table for a source, written to SQLite as
//!   one value.
//! - **A use case gets what it needs, and nothing else** ([`core::portal::Portal`]): each subject is a struct with
//!   private fields over the layers below it, from the lowest: `sources`, `journal`; `keys`, `accounts`, `inbox`,
//!   `own_sources`, `signing`; `catalog`, `evidence`; `transfers`, `launches`, `upkeep`; `sharing`; `requests`; `doctor`. The steward
//!   is made of the parts in [`core::portal::stewardship`], and built the same way. What changes something runs inside
//!   [`core::portal::journal`], which writes its entry, also if it was refused.
//! - **Only its adapter reads the settings of a source** ([`core::config::written`]), and only its adapter says what
//!   can be done with it ([`core::portal::Abilities`]): no other code knows an adapter's name.
//! - **The first frame needs no database** ([`adapters::store`]): the first rows of each list are small files of their
//!   own.
//! - **The fuzzy matcher scores, it does not scan** ([`core::catalog::search`]): a letter mask rejects most rows, a
//!   byte scan ranks the rest, `fuzzy-matcher` orders the best thousand.
//! - **Our own registry client** ([`adapters::oci`]): `oci-client` cannot list or mount on registries with a token
//!   server.
//! - **Our own code reads credential files**: a credential helper must have a deadline, which `docker_credential` does
//!   not give it.
//! - **An engine that cannot pull an image is given it** ([`adapters::engine`]): the bytes are copied into it and
//!   compared.
//! - **Only what is looked at is listed, each backend by itself** ([`core::portal::launches`]): when it tells of a change
//!   (events of engines, files of keepers), after a change of the person, otherwise at its own pace. A backend that does not
//!   answer delays no rows of another.
//! - **Only what is on the screen is measured** ([`core::launch::usage`]): rows first, measurements afterwards.
//!   Processor use is that between two measurements, so that no backend has to wait for a second one. Of the selected
//!   workload alone the last lines of output are followed, once the selection rests, while somebody looks.
//! - **A form is data for every front end** ([`core::launch::form`]): it holds the sections, the free capacity and the
//!   policy's gate, so that the screen and `wharf launch --plan` show the same. A backend lists its abilities
//!   ([`core::ports::Ability`]): anything else is not offered, and is refused before the backend is asked.
//! - **A runtime gives a command line, and a backend runs it** ([`core::ports::runtime`]): the image is unpacked once
//!   into a shared folder, everything that a process is told is in a folder of its own, and the command line becomes
//!   the process, with no process between it and a scheduler's signals. The local backend starts its workloads by the
//!   same steps.
//! - **A cluster's image is one file that is made once** ([`adapters::prepared`]): a squashfs file runs under every
//!   runtime of a cluster, and the same image gives the same bytes. Its hash is in the launch's own folder, and the node
//!   compares it before it runs the file. The lease under which it is made needs no locks, which network file systems
//!   lack, and only spares work: what is made is moved into place complete.
//! - **A plan is its steps** ([`core::launch::step`]): backends carry out what the steps hold, the screens, the script and
//!   the JSON show the same, and nothing is kept beside them. What is only known later is named in the step.
//! - **A launch is written down before it is sent** ([`core::launch::ledger`]): its key finds what was made of it, so that a
//!   launch without an answer is carried out again instead of a second time.
//! - **What a site says of a form is applied in the core** ([`core::launch::rules`]), to the form that people see and again to
//!   the answers that a backend has planned with: no backend knows of it.
//! - **A batch script is the whole plan** ([`adapters::slurm`]): it holds the process in the runtime's own format as a
//!   comment, so that what is launched is what was shown. Its path and its comment name the launch: after a crash the job is
//!   found by them. A job that was sent twice nevertheless ends itself, because the first has left its number.
//! - **What a cluster allows is kept for all processes of a person** ([`adapters::slurm`]): its database of accounts takes a
//!   third of a second, and changes some times a month. What is kept never refuses anything: the cluster is asked again before
//!   that, and `wharf doctor` reads it anew.
//! - **Slurm's trial of a job is left out only where a node is known that takes it** ([`adapters::slurm`]): besides that no node
//!   does, Slurm tells nothing on trial that it does not tell when the job is sent.
//! - **Fields of Slurm's answers are ended by control characters** that it is asked to write: a job's name may hold line
//!   breaks and everything else. Of accounting, whose records end at a line, no field with foreign text is asked.
//! - **Container lists are read leniently**: bollard's models refuse Podman's state `stopped`, and with it the whole
//!   list.
//! - **The daemonless backend mounts the unpacked image read-only**, so that a workload cannot change what the next one
//!   gets; a workload that must write gets its own copy, and a place for a mount that the image lacks is made in the
//!   sandbox alone. `bwrap` and `unshare` only make namespaces: process 1 is this program again, hidden from what it starts
//!   and from where nobody inside can change it: the site's file, or where the person could write it, sealed memory. It
//!   makes the mounts, and one last step ([`adapters::local`]) confines every program, whether it was launched or entered
//!   later.
//! - **A SIF is mounted where that is possible** ([`adapters::local`]), and so is a file that was prepared for a cluster:
//!   process 1 mounts it in the sandbox's own namespace, where nobody else sees it, and a process outside answers through the
//!   open device, without rights, sockets, other files or other processes. The kernel removes the mount with the sandbox's
//!   last process, so that nothing has to be tidied up. Only process 1 knows whether the mount has failed, and leaves a note:
//!   then the keeper unpacks the image, and the program, which has not begun, starts there.
//! - **Isolation is one question everywhere** ([`core::launch::isolation`]): backends say which levels they have, and a policy
//!   names the least one instead of a program. A demand is enforced also where approvals are only recommended, because
//!   whoever launches can satisfy it; a copy or an admission has no isolation, so there it counts as an approval.
//! - **gVisor is given the unpacked image itself** ([`adapters::local`]): it makes places for mounts in the image on the host,
//!   so that an image that lacks one is copied for that workload.
//! - **A reference of an unknown scheme is a name all the same** ([`core::image::other`]): it is pinned, kept and printed
//!   by the core, and only the adapter that registered the scheme knows what it means. It is refused where no adapter did.
//! - **Front ends never hold a port**: they get facts of sources and names of backends ([`core::portal::SourceFacts`]), and
//!   ask use cases for the rest.
//! - **Text of an image has a type** ([`core::image::model::Foreign`]): it is run unchanged and shown cleaned; there is
//!   no third way.
//! - **No session keyring is joined** for the kernel's secret store: a keyring that Wharf joins ends with Wharf.
//! - **A person's agreement to the secret file is that file**: it is created when they agree, and nothing else is
//!   written.
//! - **A registry's cached answers are dropped when somebody signs in** ([`core::ports::Vault::generation`]).
//! - **Details of a row that were read once are kept in the list** ([`core::catalog::learnt`]): registries list names
//!   and tags only.
//! - **Sources that a person adds are kept in a file of Wharf's own** ([`core::config::own_sources`]): a configuration is
//!   never written. Where one of them cannot be made, it is left out and told of, because only a Wharf that starts can
//!   remove it. The screens start again with a portal that is built anew, so that every source is made in one way. A steward
//!   uses none of them.
//! - **A broken upload starts again if the registry cannot resume it**: docker-registry before 3.0 cannot.
//! - **A screen is a page** ([`tui::screens::page`]): it is given the model, knows no other screen, and returns as data
//!   where it wants to go; `update` carries that out in its own queue. `screens! { … }` is the only list of them.
//! - **Keys wait for the search that they follow** ([`tui::update`]): a key never means a row that is about to
//!   disappear.
//! - **A decision is about what was shown** ([`tui::kit::list`]): the selection is a row's id; what cannot be undone
//!   takes a [`SeenRow`](tui::kit::list::SeenRow), and only a row that the last drawn frame showed becomes one. A popup that
//!   opens without a key ignores keys of its first moment, and waits while somebody types ([`tui::popups`]).
//! - **Foreign words are quoted** ([`core::base::quote`]): our texts are made line by line, and no line begins with
//!   foreign words.
//! - **Evidence is a record of one digest** ([`core::evidence::record`]), and a verdict is a pure function of it
//!   ([`core::policy`]). A launch is gated by the verdict on exactly what it pins ([`core::portal::evidence`]). Without
//!   a site's policy only what is denied is held back, because nobody could approve it.
//! - **Signatures are verified with the library that TLS needs anyway** (`aws-lc-rs`): it reads keys in their usual
//!   formats.
//! - **An approval is a signature, and its conditions are signed too** ([`core::evidence::terms`]): its end, the place
//!   it is bound to, the accepted findings and the state of the scan are in cosign's `optional` part. Forging a row in
//!   a database gains nothing; cosign verifies the same signature.
//! - **A key signs statements, and text never becomes one** ([`core::request::statement`]): an admission is made only
//!   from a decision that counts and from bytes that were hashed ([`core::request::admission`]). Each kind of statement
//!   has its own type; a steward states again only what it has stated itself and the store still has as admitted.
//! - **A signature counts in the repository that it names**, unless it is an admission, whose own conditions say where
//!   it counts, or the policy names a mirror: the same bytes under another name may be meant to deceive.
//! - **Who made a check is a type** ([`core::evidence::record::CheckedBy`]): no name that a report or an image gives itself
//!   decides.
//! - **An approval accepts what was shown**: rules by their key in the policy, findings one by one. A rule about
//!   findings is never accepted as a whole.
//! - **A list shows what is kept of a digest** ([`core::catalog::marks`]): trust, scan and verdict, each a sign and a short
//!   word. Looking at a list scans and verifies nothing.
//! - **What a tag means is written down when a look sees it** ([`core::catalog::tags`]): only so can its moves be told, and
//!   the versions that would mend an image be found without asking its source.
//! - **A verdict that somebody acts on is based on a new look** at everything that can be read in a moment, and the
//!   shared store is asked what the site knows; lists show what is kept. A store that does not answer is a check that
//!   could not run.
//! - **A request is a value that pure functions change** ([`core::request::event`]); SQLite stores their result,
//!   PostgreSQL checks the same in its own functions, because there the rights must hold against `psql` too. Both must
//!   pass the same contract test.
//! - **A database's functions and rights are replaced at every set-up**: `schema.sql` alone decides, whatever an older
//!   version or somebody's hand has left. Tables are changed in steps; the format of values is data (`shapes.sql`).
//! - **Programs pass time spans to the store, never times**: its own clock writes them, so that a steward with a wrong
//!   clock neither loses its lease nor keeps others from working.
//! - **Every image in an index is judged**, also a second one for a platform, and the strictest verdict is that of the
//!   image: its signature covers them all, and an engine may choose another entry than Wharf. Wharf launches the
//!   manifest that was judged, never an index from which an engine would choose.
//! - **A digest has one reading** ([`core::image::document`], [`core::base::json`]): a manifest or configuration that
//!   engines would read differently is refused where it is read, as their JSON reader ignores case and takes the last
//!   of equal keys.
//! - **"Unsigned" is said only if every place could be read** ([`core::evidence::attachments`]): what could not be read
//!   is kept beside what was found. Anybody who may push may attach anything: a signature of another image does not
//!   count, and a failed one does not spoil a good one beside it.
//! - **A steward's statement over the hash that a cloud keeps** gives everybody the badge of a disk image; the
//!   signature over its data, which Nova checks, is added if the site has a key (P-384) for it: reading all data of
//!   every image on every machine would be slow.
//! - **A steward checks that its own signature is trusted before it tags**: a key that the policy does not name would
//!   admit images that nobody may launch.
//! - **Mail carries the number of its notice as Message-ID**: a program can fail between the server's "250" and
//!   recording it; a server that gets the same mail twice can notice.
//! - **`lettre` for mail**: SMTP with TLS is not ours to write; a login node often has only `sendmail`, which it
//!   supports too.
//! - **An unpacked image is sealed, not hashed again** ([`adapters::local`]): change times, which programs cannot set,
//!   show whether anything in it was changed, in the time of reading names. Reading all bytes at every launch would be
//!   slow.
//! - **Our own reader of layers** ([`adapters::formats::layer`]): the `tar` crate reads names and records of any length
//!   whole.
//! - **The audit's file is also the queue of what the store must be told** ([`core::audit::witness`]): the store says
//!   what it knows last.
//! - **A local program is not process 1 of its sandbox**: the kernel does not deliver process 1 signals that it has no
//!   handler for.
//! - **Our own code reads cloud settings and signs in** ([`adapters::openstack`]): `openstack_sdk` reads numbers into
//!   ids, knows no merge keys and gives up on a catalogue for one odd service in it. What openstackclient accepts is
//!   the measure.
//! - **Each region of a cloud is a source, and all share one account** (`openstack::account`): a token is fetched once
//!   and a wrong secret is sent once, even if each region has its own identity service.
//! - **A browser that comes back is trusted as little as possible** (`openstack::landing`): the table of connections
//!   says whose program it is, the cloud whose token it is, and the person whether that is them: any page may send a
//!   form.
//! - **A share is planned before it is made** ([`core::portal::sharing`]): steps, cost, rights, what the receiver does.
//! - **A volume is shared as an image of it**: block storage knows no sharing, only giving away.
//! - **A broken upload to a cloud is sent again**: Glance cannot resume one; a download is resumed where it was.
//! - **A cloud's list is read from both ends**, in pages of 1000; offers that were not accepted are read separately.
//! - **A question of the core is a message with a number** ([`tui::jobs::prompter`]): messages stay plain data.
//! - **One task reads the terminal's events**: polled with another waker, crossterm's stream never wakes again.
//!
//! # Refused
//!
//! Engines behind `ssh://` (forward the socket instead); a password in an environment variable or argument;
//! following links that are not pinned; hiding a failing source.

pub mod config;

pub use wharf_adapters as adapters;
pub use wharf_cli as cli;
pub use wharf_cli::args;
pub use wharf_core as core;
pub use wharf_tui as tui;
