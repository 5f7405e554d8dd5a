//! `wharf workloads`, `logs`, `exec`, `console`, `stop`, `attach`, `detach`, `resize`, `remove`.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use futures_util::TryStreamExt;
use serde::Serialize;
use tokio::io::AsyncReadExt;

use super::{again, output, progress, set, share};
use crate::args::{Exec, Logs, Resize, Snapshot, VolumeIn, Workloads};
use wharf_core::{
    base::{
        context::Context,
        error::{During, Error, Kind as ErrorKind, Result},
        text,
    },
    launch::{
        form::FieldKind,
        listing::ListScope,
        logs::LogRange,
        plan::{State, Workload},
        usage::{UNTOLD, Usage},
    },
    portal::{Portal, launches::workloads::IdMatch},
    ports::Ability,
    sharing::receiver::Receiver,
};

/// The columns of the list.
const COLUMNS: [&str; 10] = ["ID", "NAME", "BACKEND", "STATE", "CPU", "MEMORY", "AGE", "IMAGE", "ADDRESS", "NOTE"];
/// How long the list waits for measurements.
const MEASURED: Duration = Duration::from_secs(1);

/// A workload as JSON, with what it uses if that is known.
#[derive(Serialize)]
struct WorkloadJson<'a> {
    #[serde(flatten)]
    workload: &'a Workload,
    usage: Option<&'a Usage>,
}

/// Lists the workloads of all backends and what they use.
pub(crate) async fn list(portal: &Portal, args: &Workloads, json: bool) -> Result<u8> {
    let scope = ListScope { everybody: args.everybody, since: args.since.as_deref().map(text::since).transpose()? };
    let (all, failed) = portal.launches.workloads(&Context::default(), scope).await;
    for (name, error) in &failed {
        output::remark(&format!("{name}: {}", error.why));
    }
    again::tell_unanswered(portal).await;
    let code = incomplete(portal, &failed);
    let known = portal.launches.usages(&all, MEASURED).await;
    if json {
        let told = |workload| WorkloadJson { workload, usage: known.get(&workload.key()) };
        output::json(&all.iter().map(told).collect::<Vec<_>>())?;
        return Ok(code);
    }
    if all.is_empty() {
        // What runs on a backend that did not answer is not known, so it is not said to be empty.
        let answered = portal.launches.backends().into_iter().filter(|name| !failed.iter().any(|(of, _)| of == name));
        let answered: Vec<&str> = answered.collect();
        match (failed.is_empty(), answered.is_empty()) {
            (true, _) => output::line("nothing runs; 'wharf launch REF' starts something")?,
            (false, false) => output::line(&format!("nothing runs on {}", answered.join(", ")))?,
            (false, true) => {}
        }
        return Ok(code);
    }
    let now = text::now();
    // Columns without any value are left out.
    let measured = !known.is_empty();
    let reached = all.iter().any(|one| !one.reached().is_empty());
    let shown = |column: &str| match column {
        "CPU" | "MEMORY" => measured,
        "ADDRESS" => reached,
        _ => true,
    };
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|one| {
            let usage = known.get(&one.key());
            let live = |words: Option<String>| {
                words.unwrap_or_else(|| if one.state.is_live() { UNTOLD } else { "" }.to_owned())
            };
            let (sign, word) = one.state.label();
            let age = one.created.map(|created| text::age(created, now)).unwrap_or_default();
            let cells = [
                one.full_id(),
                one.name.clone(),
                one.backend.clone(),
                format!("{sign} {word}"),
                live(usage.map(Usage::cpu_words)),
                live(usage.map(Usage::memory_of_words)),
                age,
                one.image_words(),
                one.reached(),
                [one.note.clone(), one.facts_words()]
                    .into_iter()
                    .filter(|words| !words.is_empty())
                    .collect::<Vec<_>>()
                    .join(" · "),
            ];
            COLUMNS.iter().zip(cells).filter(|(column, _)| shown(column)).map(|(_, cell)| cell).collect()
        })
        .collect();
    output::table(&COLUMNS.into_iter().filter(|column| shown(column)).collect::<Vec<_>>(), &rows)?;
    Ok(code)
}

/// The exit code of a list when some backends did not answer. A socket that this user may not open is no failure if
/// other backends answer: login nodes usually have such a socket.
fn incomplete(portal: &Portal, failed: &[(String, Error)]) -> u8 {
    let nobody = failed.len() >= portal.launches.backends().len();
    let matters = failed.iter().find(|(_, error)| nobody || error.kind != ErrorKind::NotAllowed);
    matters.map_or(0, |(_, error)| if error.kind == ErrorKind::NotAllowed { error.kind.exit_code() } else { 8 })
}

/// The workload that is meant. Where `needs` is something that its backend cannot do with it, that is
/// refused with what to do instead: before anybody is asked where no backend here can, else before that one is asked to.
async fn find(portal: &Portal, id: &str, given: IdMatch, needs: Option<Ability>) -> Result<Workload> {
    if let Some(ability) = needs {
        portal.launches.some_can(ability, id)?;
    }
    let workload = portal.launches.find_workload(&Context::default(), id, given).await?;
    if let Some(ability) = needs {
        portal.launches.must(&workload.backend, ability, &workload.id)?;
    }
    Ok(workload)
}

/// Prints the output so far; with `follow`, more as it arrives. As JSON it is one object, or one for each piece of
/// output.
pub(crate) async fn logs(portal: &Portal, args: &Logs, json: bool) -> Result<u8> {
    let workload = find(portal, &args.id, IdMatch::Begun, Some(Ability::Logs)).await?;
    let since = args.since.as_deref().map(text::since).transpose()?;
    let wanted = LogRange { follow: args.follow, times: args.timestamps, since, last: None };
    let mut stream = portal.launches.logs(&Context::default(), &workload.backend, &workload.id, wanted).await?;
    if !json {
        copy_out(stream, args.raw).await?;
        return Ok(0);
    }
    let object = |output: &[u8]| {
        let output = String::from_utf8_lossy(output);
        serde_json::json!({"id": workload.id, "name": workload.name, "backend": workload.backend, "output": output})
    };
    let mut all = Vec::new();
    while let Some(bytes) = stream.try_next().await? {
        all.extend_from_slice(&bytes);
        if args.follow {
            // An incomplete UTF-8 character at the end is kept until the rest of it arrives.
            let whole = all.utf8_chunks().last().map_or(0, |last| {
                let partial = std::str::from_utf8(last.invalid()).is_err_and(|error| error.error_len().is_none());
                all.len() - if partial { last.invalid().len() } else { 0 }
            });
            output::json_line(&object(&all.drain(..whole).collect::<Vec<_>>()))?;
        }
    }
    if !args.follow || !all.is_empty() {
        output::json_line(&object(&all))?;
    }
    Ok(0)
}

/// Prints output until the workload ends; `raw`: not cleaned, even on a terminal.
pub(crate) async fn follow(portal: &Portal, workload: &Workload, raw: bool) -> Result<()> {
    let cx = Context::default();
    copy_out(portal.launches.logs(&cx, &workload.backend, &workload.id, LogRange::following()).await?, raw).await
}

async fn copy_out(mut stream: wharf_core::ports::ByteStream, raw: bool) -> Result<()> {
    let mut out = output::Foreign::new(raw);
    while let Some(bytes) = stream.try_next().await? {
        out.print(&bytes)?;
    }
    Ok(())
}

/// The error that a terminal cannot be shown as JSON.
pub(crate) fn no_json() -> Error {
    Error::usage("attach your terminal", "a terminal has no JSON")
        .hint("leave --json out, or use 'wharf exec ID -- COMMAND'")
}

/// Runs a command in a workload and exits with the command's exit code.
pub(crate) async fn exec(portal: &Portal, args: &Exec, json: bool) -> Result<u8> {
    if args.terminal && json {
        return Err(no_json());
    }
    if args.terminal {
        return console(portal, &args.id, Some(args.command.clone())).await;
    }
    let workload = find(portal, &args.id, IdMatch::Whole, Some(Ability::Exec)).await?;
    let (said, code) =
        portal.launches.exec(&progress::context(), &workload.backend, &workload.id, args.command.clone()).await?;
    if json {
        let output = String::from_utf8_lossy(&said);
        output::json(
            &serde_json::json!({"id": workload.id, "backend": workload.backend, "exit_code": code, "output": output}),
        )?;
    } else {
        output::Foreign::new(args.raw).print(&said)?;
    }
    Ok(u8::try_from(code).unwrap_or(1))
}

/// Connects this terminal to a terminal in the workload. Ctrl-] leaves it; the workload continues.
pub(crate) async fn console(portal: &Portal, id: &str, command: Option<Vec<String>>) -> Result<u8> {
    const LEAVE: u8 = 0x1d;
    let needs = if command.is_some() { Ability::Terminal } else { Ability::Attach };
    let workload = find(portal, id, IdMatch::Begun, Some(needs)).await?;
    let size = crossterm::terminal::size().unwrap_or((80, 24));
    let at = (workload.backend.as_str(), workload.id.as_str());
    let mut terminal = portal.launches.terminal(&Context::default(), at, command, size).await?;
    output::remark("ctrl-] leaves");
    crossterm::terminal::enable_raw_mode().during("use the terminal")?;
    let restore = Restore;
    let mut stdin = tokio::io::stdin();
    let mut typed = [0; 1024];
    let mut resized =
        tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change()).during("watch the window")?;
    loop {
        tokio::select! {
            output = terminal.output.try_next() => match output? {
                Some(bytes) => {
                    let mut out = std::io::stdout().lock();
                    out.write_all(&bytes).and_then(|()| out.flush()).during("write to the terminal")?;
                }
                None => break,
            },
            count = stdin.read(&mut typed) => {
                let keys = typed.get(..count.during("read the keyboard")?).unwrap_or_default();
                if keys.is_empty() || keys.contains(&LEAVE) {
                    break;
                }
                let _ = terminal.input.send(Bytes::copy_from_slice(keys)).await;
            }
            _ = resized.recv() => {
                let _ = terminal.resize.try_send(crossterm::terminal::size().unwrap_or(size));
            }
        }
    }
    drop(restore);
    // A read of the keyboard cannot be interrupted, so the process exits without waiting for it.
    let _ = std::io::stdout().write_all(b"\n");
    std::process::exit(0)
}

struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        let _ = crossterm::terminal::disable_raw_mode();
    }
}

/// Stops a workload, which is given by its whole name or its id; one that has ended is told to have been stopped.
pub(crate) async fn stop(portal: &Portal, id: &str, json: bool) -> Result<u8> {
    let workload = find(portal, id, IdMatch::Whole, None).await?;
    if workload.state.has_ended() {
        if json {
            let (id, backend) = (&workload.id, &workload.backend);
            output::json(&serde_json::json!({"id": id, "backend": backend, "done": "stopped", "already": true}))?;
        } else {
            // The exit codes that shells give after SIGTERM and SIGKILL.
            let was_stopped = matches!(workload.state, State::Exited(143 | 137));
            let ended = if was_stopped { "was stopped already" } else { "has ended already" };
            output::line(&format!("{} on {} {ended}", workload.name, workload.backend))?;
        }
        return Ok(0);
    }
    portal.launches.stop(&Context::default(), &workload.backend, &workload.id).await?;
    print_workload(&workload, "stopped", json)
}

/// Starts a stopped workload, or with `again` restarts a running one.
pub(crate) async fn start(portal: &Portal, id: &str, again: bool, json: bool) -> Result<u8> {
    let workload = find(portal, id, IdMatch::Whole, Some(Ability::Start)).await?;
    portal.launches.start(&Context::default(), &workload.backend, &workload.id, again).await?;
    print_workload(&workload, if again { "restarted" } else { "started" }, json)
}

/// Makes an image of a workload, then shares it. Each step can be repeated: the same call continues after a crash.
pub(crate) async fn snapshot(portal: &Portal, args: &Snapshot, json: bool) -> Result<u8> {
    let workload = find(portal, &args.id, IdMatch::Whole, Some(Ability::Snapshot)).await?;
    let to: Vec<Receiver> = args.to.iter().map(|project| Receiver::Project(project.clone())).collect();
    let (image, shares) =
        portal.sharing.snapshot(&progress::context(), &workload.backend, &workload.id, &args.name, &to).await?;
    let line = |text: &str| if json { Ok(()) } else { output::line(text) };
    line(&format!("✓ {} is {image}", args.name))?;
    let mut results = output::Results::new(json);
    for (project, shared) in args.to.iter().zip(shares) {
        let said = shared.and_then(|shared| line(&shared.describe()).map(|()| share::result(project, &shared)));
        results.add(project, said);
    }
    let (shares, code) = results.taken();
    if json {
        output::json(&serde_json::json!({"image": image, "name": args.name, "shares": shares}))?;
    }
    Ok(code)
}

/// Attaches a volume to a server, or detaches it.
pub(crate) async fn attach(portal: &Portal, args: &VolumeIn, there: bool, json: bool) -> Result<u8> {
    let server = find(portal, &args.server, IdMatch::Whole, Some(Ability::Volumes)).await?;
    let volume = portal.launches.attach(&progress::context(), &server.backend, &server.id, &args.volume, there).await?;
    let done = if there { "attached" } else { "detached" };
    if json {
        let (id, backend) = (&server.id, &server.backend);
        output::json(&serde_json::json!({"id": id, "backend": backend, "volume": volume, "done": done}))?;
    } else {
        let way = if there { "to" } else { "from" };
        output::line(&format!("{done} {volume} {way} {} on {}", server.name, server.backend))?;
    }
    Ok(0)
}

/// Shows the size of a workload, or gives it another one.
pub(crate) async fn resize(portal: &Portal, args: &Resize, json: bool) -> Result<u8> {
    let workload = find(portal, &args.id, IdMatch::Whole, Some(Ability::Resize)).await?;
    let (cx, backend, id) = (progress::context(), &workload.backend, &workload.id);
    if !args.set.is_empty() {
        portal.launches.resize(&cx, backend, id, &set::answers(&args.set)?).await?;
        return print_workload(&workload, "resized", json);
    }
    let form = portal.launches.sizes(&cx, backend, id).await?;
    if json {
        output::json(&form)?;
        return Ok(0);
    }
    for field in form.fields() {
        let choices = match &field.kind {
            FieldKind::Choice(choices) => format!(": {}", choices.join(", ")),
            _ => String::new(),
        };
        output::line(&format!("{:<12}{}  ({}{choices})", field.key, field.default, field.help))?;
    }
    output::line(&format!("change it with: wharf resize {} --set KEY=VALUE", args.id))?;
    Ok(0)
}

/// Stops a workload if it runs, and removes it.
pub(crate) async fn remove(portal: &Portal, id: &str, json: bool) -> Result<u8> {
    let workload = find(portal, id, IdMatch::Whole, Some(Ability::Remove)).await?;
    portal.launches.remove(&Context::default(), &workload.backend, &workload.id).await?;
    print_workload(&workload, "removed", json)
}

fn print_workload(workload: &Workload, what: &str, json: bool) -> Result<u8> {
    if json {
        output::json(&serde_json::json!({"id": workload.id, "backend": workload.backend, "done": what}))?;
    } else {
        output::line(&format!("{what} {} on {}", workload.name, workload.backend))?;
    }
    Ok(0)
}
