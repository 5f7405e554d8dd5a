//! The process outside of a sandbox that answers for the image mounted in it: `wharf __image PROGRAM OFFSET UID GID
//! NAME`, which becomes `squashfuse`.
//!
//! It reads bytes that strangers have made. So before it becomes that program, it gives up what the program does not
//! need: rights, sockets, all other files and processes, memory without end. It ends with the mount, and with the keeper.

use std::{
    ffi::OsString,
    fs::File,
    io::Read,
    mem::MaybeUninit,
    os::{
        fd::{AsRawFd, OwnedFd},
        unix::{net::UnixStream, process::CommandExt},
    },
    path::Path,
    process::{Child, Command, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    fs::{CWD, Mode, OFlags},
    io::FdFlags,
    net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags},
    process::{Pid, Resource, Rlimit, Signal},
};

use super::{
    confine::{self, Limits},
    mounted::MountedImage,
    reading::Needed,
    sealed,
};
use crate::{
    keeper::running::RunningProgram,
    shared::{exec, private},
};
use wharf_core::base::{
    clean,
    error::{During, Error, Result},
};

/// The inner verb of the command line.
pub(super) const VERB: &str = "__image";
/// The folder, in a workload's folder, with the note of this process.
const NOTED: &str = "image-server";
/// The most memory that it may have: of the image it keeps blocks only.
const MEMORY: u64 = 2 << 30;
/// How long it has to end after the sandbox.
const ENDS: Duration = Duration::from_secs(2);
/// The most bytes of its complaints that are kept.
const COMPLAINTS: u64 = 1 << 10;
/// How this process finds the image's file, which is its standard output.
const IMAGE: &str = "/proc/self/fd/1";

/// The process, as its keeper has started it.
pub(super) struct ImageServer {
    child: Child,
    complaints: Option<JoinHandle<String>>,
}

impl ImageServer {
    /// Starts it for the image that is open as `file`. Gives also the end of the connection that process 1 of the sandbox
    /// gets as its standard input. `who` are the numbers of user and group inside, `ourselves` this program.
    ///
    /// # Errors
    /// Where the program is missing, or cannot be started.
    pub(super) fn start(
        image: &MountedImage,
        file: File,
        who: (u32, u32),
        limits: &Limits,
        ourselves: &File,
    ) -> Result<(Self, Stdio)> {
        let what = "mount the image";
        let program = exec::on_path(&image.program).ok_or_else(|| {
            Error::unsupported(what, format!("{} is not on the path of this machine", image.program))
                .hint("install squashfuse, or launch it again: it is unpacked then")
        })?;
        let (own, theirs) = UnixStream::pair().during(what)?;
        confine::limit_processors(limits, what)?;
        let mut command = Command::new(sealed::path(ourselves));
        command.arg0("wharf").arg(VERB).arg(program);
        command.args([image.offset.to_string(), who.0.to_string(), who.1.to_string(), image.program.clone()]);
        command.env_clear().stdin(OwnedFd::from(own)).stdout(file).stderr(Stdio::piped());
        let mut child = command.spawn().during(what)?;
        let complaints = child.stderr.take().map(|mut from| {
            std::thread::spawn(move || {
                let mut text = Vec::new();
                let _ = (&mut from).take(COMPLAINTS).read_to_end(&mut text);
                // A full pipe would stop it.
                let _ = std::io::copy(&mut from, &mut std::io::sink());
                String::from_utf8_lossy(&text).into_owned()
            })
        });
        Ok((Self { child, complaints }, OwnedFd::from(theirs).into()))
    }

    /// Notes where it is, so that [`end_noted`] finds it.
    pub(super) fn note(&self, folder: &Path) -> Result<()> {
        let folder = folder.join(NOTED);
        private::folder(&folder)?;
        RunningProgram::of(self.child.id(), ()).write(&folder)
    }

    /// What it complained of, if it has failed.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten().filter(|status| !status.success())?;
        let text = self.complaints.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let first = clean::short(text.lines().last().unwrap_or_default(), 200);
        Some(if first.is_empty() { format!("it ended with {status}") } else { first })
    }

    /// Waits until it has ended; it is ended if it takes long.
    pub(super) fn end(mut self) {
        let end = Instant::now() + ENDS;
        while self.child.try_wait().is_ok_and(|status| status.is_none()) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Ends the process that answers for the image of the workload in a folder, if it is there: what waits for an answer
/// cannot be ended otherwise.
pub(super) fn end_noted(folder: &Path) {
    let Some(server) = RunningProgram::<()>::find(&folder.join(NOTED)) else { return };
    if let Some(pid) = i32::try_from(server.pid).ok().and_then(Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Waits for the device of the mount, and becomes the program that answers through it. Its standard input is the
/// connection with the sandbox, its standard output the image. Returns where the sandbox has ended before, or on failure.
pub(super) fn serve(words: &[OsString]) -> Result<u8> {
    let what = "read the image";
    let usage = || Error::usage(what, "it is called by Wharf only");
    let [program, offset, uid, gid, name] = words else { return Err(usage()) };
    let text = |word: &OsString| word.to_str().map(str::to_owned).ok_or_else(usage);
    let number = |word: &OsString| text(word)?.parse::<u32>().map_err(|_| usage());
    let offset = text(offset)?.parse().map_err(|_| usage())?;
    let image = MountedImage { program: text(name)?, offset, prepared: None };
    let who = (number(uid)?, number(gid)?);
    sealed::hide(what)?;
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).during(what)?;
    confine::close_others(what)?;
    // Found out while the sandbox is made.
    let needed = Needed::by(Path::new(program));
    let Some(device) = received(what)? else { return Ok(0) };
    let nothing = rustix::fs::openat(CWD, "/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).during(what)?;
    rustix::stdio::dup2_stdin(&nothing).during(what)?;
    rustix::io::fcntl_setfd(&device, FdFlags::empty()).during(what)?;
    let mut command = Command::new(program);
    command.args(image.words(IMAGE, device.as_raw_fd(), who)).env_clear();
    confine::give_up_all(std::io::stdout(), &needed, what)?;
    let most = Rlimit { current: Some(MEMORY), maximum: Some(MEMORY) };
    rustix::process::setrlimit(Resource::As, most).during(what)?;
    Err(Error::failed(what, command.exec()))
}

/// The open device that process 1 sends; `None` where it has ended before.
fn received(what: &str) -> Result<Option<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut message = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let mut bytes = [std::io::IoSliceMut::new(&mut byte)];
    rustix::net::recvmsg(rustix::stdio::stdin(), &mut bytes, &mut message, RecvFlags::CMSG_CLOEXEC).during(what)?;
    let files = message.drain().find_map(|part| match part {
        RecvAncillaryMessage::ScmRights(mut files) => files.next(),
        _ => None,
    });
    Ok(files)
}
