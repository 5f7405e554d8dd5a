//! Parse, log, load the configuration, build the portal; no verb opens the screens, a verb runs it.

use std::{io::IsTerminal, path::Path, process::ExitCode, sync::Arc};

use clap::Parser;
use tracing::Level;
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};
use wharf::{
    adapters,
    args::{self, Cli, Verb},
    cli,
    config::{self, Flags},
    core::{
        base::error::{During, Error, Result},
        config::Config,
        portal::Portal,
        ports::Vault,
    },
    tui,
};

fn main() -> ExitCode {
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(done) = adapters::inner(&words) {
        return ended(done, false);
    }
    match Cli::try_parse_from(args::prepared(words.clone())) {
        Ok(cli) => ended(run(&cli), cli.json),
        Err(told) => misused(&told, &words),
    }
}

fn run(cli: &Cli) -> Result<u8> {
    if let Some(done) = cli.verb.as_ref().and_then(|verb| cli::alone(verb, cli.json)) {
        return done.map(|()| 0);
    }
    if cli.verb.is_none() && (cli.json || !std::io::stdout().is_terminal()) {
        let why = if cli.json { "the portal has no JSON" } else { "standard output is no terminal" };
        return Err(
            Error::usage("open the portal", why).hint("give a verb, like 'wharf images'; 'wharf --help' lists them")
        );
    }
    let config = configured(cli)?;
    log(&config.state_dir);
    let vault = adapters::vault(&config);
    let portal = match cli.verb {
        // Whoever works for others goes where the site says, whatever is on this machine.
        Some(Verb::Steward(_)) => adapters::build_for_stewards(config),
        _ => adapters::build_with(config, &vault),
    }?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().during("start the runtime")?;
    let code = match cli.verb {
        Some(_) => {
            let portal = Arc::new(portal);
            let code = runtime.block_on(cli::run(&portal, cli));
            // Connections that are closed want the runtime they were made in.
            let _inside = runtime.enter();
            drop(portal);
            code
        }
        None => open(&runtime, portal, cli, &vault),
    };
    // A blocked thread (a hung bus, a read of the keyboard) must not hold up the end.
    runtime.shutdown_background();
    code
}

/// The configuration in force now, whose state folder is closed to others.
fn configured(cli: &Cli) -> Result<Config> {
    let flags = Flags { config: cli.config.clone(), theme: cli.theme.clone(), plain: cli.plain };
    let mut config = config::load(&flags, &adapters::kinds())?;
    if matches!(cli.verb, None | Some(Verb::Doctor)) {
        config.warnings.extend(tui::mistakes(&config));
    }
    adapters::shared::private::home(&config.state_dir)?;
    Ok(config)
}

/// Opens the screens. A portal that is built again knows the secrets of the one before it.
fn open(runtime: &tokio::runtime::Runtime, portal: Portal, cli: &Cli, vault: &Arc<dyn Vault>) -> Result<u8> {
    runtime.block_on(tui::run(portal, || adapters::build_with(configured(cli)?, vault))).map(|()| 0)
}

/// Logs to a file, and only when asked: `WHARF_LOG=info`.
fn log(state_dir: &Path) {
    let Ok(filter) = std::env::var("WHARF_LOG") else { return };
    let path = state_dir.join("wharf.log");
    let Ok(file) = adapters::shared::private::open(&path, |options| options.create(true).append(true)) else { return };
    // Libraries print what they send, secrets too where they do not know them for such: of them, only warnings.
    let ours = filter_fn(|about| about.target().starts_with("wharf") || *about.level() <= Level::WARN);
    let writer = std::sync::Mutex::new(file);
    let lines = tracing_subscriber::fmt::layer().with_ansi(false).with_writer(writer).with_filter(ours);
    let _ = tracing_subscriber::registry().with(EnvFilter::new(filter)).with(lines).try_init();
}

/// Help where it was asked for; else why the words make no sense, as every other error.
fn misused(told: &clap::Error, words: &[std::ffi::OsString]) -> ExitCode {
    let json = words.iter().take_while(|word| *word != "--").any(|word| word == "--json");
    if told.use_stderr() && json {
        return ended(Err(cli::misused(&told.to_string())), true);
    }
    // Where nobody reads it, nothing is to be done about it.
    let _ = told.print();
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(2))
}

fn ended(result: Result<u8>, json: bool) -> ExitCode {
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            cli::report(&error, json);
            ExitCode::from(error.kind.exit_code())
        }
    }
}
