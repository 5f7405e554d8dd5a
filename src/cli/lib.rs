//! The command line: one file for each group of verbs, all on the same `Portal` as the screens.

mod again;
pub mod args;
mod ask;
mod audit;
mod cache;
mod contacts;
mod copy;
mod diff;
mod doctor;
mod fetch;
mod images;
mod inbox;
mod key;
mod launch;
mod linked;
mod lock;
mod mirror;
mod near;
mod offers;
mod output;
mod plans;
mod policy;
mod progress;
mod requests;
mod revoke;
mod set;
mod share;
mod shell;
mod show;
mod sign;
mod sources;
mod steward;
mod times;
mod transfers;
mod upkeep;
mod verify;
mod workloads;

use std::sync::Arc;

use crate::args::{Cli, Verb};
use wharf_core::{
    base::{
        context::Context,
        error::{Error, Result},
    },
    portal::{Portal, sign_in::SignIn},
};

pub use output::report;

/// Carries out a verb that needs no portal; `None` for the others.
pub fn alone(verb: &Verb, json: bool) -> Option<Result<()>> {
    match verb {
        Verb::Completions { shell } => Some(shell::completions(*shell, json)),
        Verb::Man => Some(shell::man(json)),
        _ => None,
    }
}

/// An error of the command line's parser (clap) as an error of Wharf: the reason first, then the usage.
pub fn misused(said: &str) -> Error {
    let (why, usage) = said.split_once("Usage:").unwrap_or((said, ""));
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let usage = words(usage.split("\n\n").next().unwrap_or_default());
    let hint =
        if usage.is_empty() { "'wharf --help' lists the verbs".to_owned() } else { format!("write it as: {usage}") };
    Error::usage("read the command line", words(why.trim_start_matches("error:"))).hint(hint)
}

/// Carries out a verb and returns the exit code. If it fails for want of an account, a person at a terminal is asked to
/// sign in, and the verb is carried out again.
pub async fn run(portal: &Arc<Portal>, cli: &Cli) -> Result<u8> {
    let verb = cli.verb.as_ref().ok_or_else(|| Error::usage("wharf", "no verb"))?;
    let done = signed_in(portal, verb, cli.json).await;
    portal.journal.troubles().iter().for_each(|trouble| output::remark(trouble));
    match (done, image_of(verb)) {
        (Err(error), Some(typed)) => Err(near::with_near_names(portal, typed, error).await),
        (Ok(code), _) => {
            portal.launches.settle().await;
            Ok(code)
        }
        (done, _) => done,
    }
}

/// The image that a verb is about, as it was typed.
fn image_of(verb: &Verb) -> Option<&str> {
    Some(match verb {
        Verb::Show(args) => &args.reference,
        Verb::Verify(args) => &args.reference,
        Verb::Launch(args) => args.reference.as_deref()?,
        Verb::Shares(args) => &args.reference,
        Verb::Pull(args) => &args.reference,
        Verb::Copy(args) => &args.reference,
        Verb::Sign(args) => &args.reference,
        Verb::Request(args) => &args.reference,
        _ => return None,
    })
}

async fn signed_in(portal: &Arc<Portal>, verb: &Verb, json: bool) -> Result<u8> {
    let first = carry_out(portal, verb, json).await;
    let Err(error) = &first else { return first };
    let Some(source) =
        portal.accounts.sign_in_for(error).filter(|_| ask::is_there() && !matches!(verb, Verb::Login(_)))
    else {
        return first;
    };
    output::remark(&format!("{}: {}", error.what, error.why));
    portal.accounts.sign_in(&Context::default(), ask::asker(), SignIn { source, ..SignIn::default() }).await?;
    carry_out(portal, verb, json).await
}

async fn carry_out(portal: &Arc<Portal>, verb: &Verb, json: bool) -> Result<u8> {
    match verb {
        Verb::Images(args) => images::run(portal, args, json).await,
        Verb::Show(args) => show::show(portal, args, json).await,
        Verb::Diff(args) => diff::run(portal, args, json).await,
        Verb::Verify(args) => verify::run(portal, args, json).await,
        Verb::Policy(args) => policy::run(portal, args, json).await,
        Verb::Key(args) => key::run(portal, args, json).await,
        Verb::Lock(args) => lock::run(portal, args, json).await,
        Verb::Contacts(args) => contacts::run(portal, args, json).await,
        Verb::Sign(args) => sign::run(portal, args, json).await,
        Verb::Audit(args) => audit::run(portal, args, json).await,
        Verb::Launch(args) => launch::run(portal, args, json).await,
        Verb::Workloads(args) => workloads::list(portal, args, json).await,
        Verb::Logs(args) => workloads::logs(portal, args, json).await,
        Verb::Exec(args) => workloads::exec(portal, args, json).await,
        Verb::Console(_) if json => Err(workloads::no_json()),
        Verb::Console(args) => workloads::console(portal, &args.id, None).await,
        Verb::Stop(args) => workloads::stop(portal, &args.id, json).await,
        Verb::Start(args) => workloads::start(portal, &args.id, false, json).await,
        Verb::Restart(args) => workloads::start(portal, &args.id, true, json).await,
        Verb::Snapshot(args) => workloads::snapshot(portal, args, json).await,
        Verb::Resize(args) => workloads::resize(portal, args, json).await,
        Verb::Attach(args) => workloads::attach(portal, args, true, json).await,
        Verb::Detach(args) => workloads::attach(portal, args, false, json).await,
        Verb::Remove(args) => workloads::remove(portal, &args.id, json).await,
        Verb::Cache(args) => cache::run(portal, args, json).await,
        Verb::Share(args) => share::share(portal, args, json).await,
        Verb::Shares(args) => offers::shares(portal, &args.reference, json).await,
        Verb::Shared(args) => offers::shared(portal, args, json).await,
        Verb::Revoke(args) => revoke::run(portal, args, json).await,
        Verb::Offers(args) => offers::run(portal, args, json).await,
        Verb::Open(args) => share::open(portal, args, json).await,
        Verb::Copy(args) => copy::run(portal, args, json).await,
        Verb::Mirror(args) => mirror::run(portal, args, json).await,
        Verb::Transfers(args) => transfers::run(portal, args, json).await,
        Verb::Pull(args) => copy::pull(portal, args, json).await,
        Verb::Fetch(args) => fetch::run(portal, args, json).await,
        Verb::Push(args) => {
            copy::copy(portal, &copy::file_reference(&args.file), &args.reference, &args.options, json).await
        }
        Verb::Request(args) => requests::ask(portal, args, json).await,
        Verb::Requests(args) => requests::run(portal, args, json).await,
        Verb::Approve(args) => requests::approve(portal, args, json).await,
        Verb::Reject(args) => requests::reject(portal, args, json).await,
        Verb::Steward(args) => steward::run(portal, args, json).await,
        Verb::Inbox(args) => inbox::run(portal, args, json).await,
        Verb::Tag(args) => upkeep::tag(portal, args, json).await,
        Verb::RemoveImage(args) => upkeep::remove(portal, args, json).await,
        Verb::Prune(args) => upkeep::prune(portal, args, json).await,
        Verb::Sources(args) => sources::run(portal, args, json).await,
        Verb::Login(args) => sources::login(portal, args, json).await,
        Verb::Logout(args) => sources::logout(portal, &args.source, json).await,
        Verb::Doctor => doctor::run(portal, json).await,
        Verb::Completions { .. } | Verb::Man => Ok(0),
    }
}
