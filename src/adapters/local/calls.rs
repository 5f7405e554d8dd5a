//! System calls that programs in a sandbox may not make: those that reach what namespaces do not separate (the kernel's
//! keyrings, input of other terminals), and those that offer more ways to attack the kernel.
//!
//! All other calls are allowed. The filter is a program of the classic Berkeley packet filter (seccomp(2)), made from
//! tables.

use seccompiler::sock_filter;

use wharf_core::base::error::{During, Result};

/// The numbers of system calls in one of a processor's calling conventions.
struct Calls {
    /// The constant `AUDIT_ARCH_*` from `linux/audit.h`.
    architecture: u32,
    /// `clone`, whose flags are checked.
    clone: u32,
    /// `ioctl`, whose request is checked.
    ioctl: u32,
    /// `socket`, whose address family is checked.
    socket: u32,
    /// Calls that are refused by their number.
    refused: &'static [u32],
    /// Calls that reach into other processes.
    others: &'static [u32],
    /// `tgkill`, with which a program ends itself: only this process is reached.
    tgkill: u32,
    /// `prlimit64`, with which a program asks for its own limits: only those are reached.
    prlimit: u32,
    /// `fcntl`, in all its forms, which can choose who gets signals of an open file.
    fcntl: &'static [u32],
}

/// Whom a filter is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Callers {
    /// Programs in a sandbox, which see no processes outside.
    Sandbox,
    /// A program outside of every sandbox that only reads open files: also without sockets, and without other processes.
    Reader,
}

/// Calls with the same numbers everywhere: `open_tree` to `fspick`, other calls that mount, `io_uring_*`.
const NEW: [u32; 11] = [425, 426, 427, 428, 429, 430, 431, 432, 433, 442, 467];
/// Calls with the same numbers everywhere that reach into other processes: pidfd_send_signal, pidfd_open, pidfd_getfd,
/// process_madvise, process_mrelease.
const NEW_OTHERS: [u32; 5] = [424, 434, 438, 440, 448];
/// The flags of `clone3` are in memory, where a filter cannot look; programs use `clone` if it is missing.
const CLONE3: u32 = 435;

// `others` in this order: ptrace, process_vm_readv, process_vm_writev, kcmp, kill, migrate_pages, move_pages, tkill,
// rt_sigqueueinfo, rt_tgsigqueueinfo. Kernels before 6.12 do not keep signals in by other means (landlock(7)).
// `refused` in this order: add_key, request_key, keyctl, mount, umount2, pivot_root, setns, unshare, bpf, perf_event_open,
// userfaultfd, kexec_load, kexec_file_load, init_module, finit_module, delete_module, open_by_handle_at, syslog (and
// the old umount).
#[cfg(target_arch = "x86_64")]
const OURS: &[Calls] = &[
    Calls {
        architecture: 0xC000_003E,
        clone: 56,
        ioctl: 16,
        socket: 41,
        refused: &[248, 249, 250, 165, 166, 155, 308, 272, 321, 298, 323, 246, 320, 175, 313, 176, 304, 103],
        others: &[101, 310, 311, 312, 62, 256, 279, 200, 129, 297],
        tgkill: 234,
        prlimit: 302,
        fcntl: &[72],
    },
    Calls {
        architecture: 0x4000_0003,
        clone: 120,
        ioctl: 54,
        socket: 359,
        refused: &[286, 287, 288, 21, 52, 217, 346, 310, 357, 336, 374, 283, 128, 350, 129, 342, 103, 22],
        others: &[26, 347, 348, 349, 37, 294, 317, 238, 178, 335],
        tgkill: 270,
        prlimit: 340,
        fcntl: &[55, 221],
    },
];
#[cfg(target_arch = "aarch64")]
const OURS: &[Calls] = &[
    Calls {
        architecture: 0xC000_00B7,
        clone: 220,
        ioctl: 29,
        socket: 198,
        refused: &[217, 218, 219, 40, 39, 41, 268, 97, 280, 241, 282, 104, 294, 105, 273, 106, 265, 116],
        others: &[117, 270, 271, 272, 129, 238, 239, 130, 138, 240],
        tgkill: 131,
        prlimit: 261,
        fcntl: &[25],
    },
    Calls {
        architecture: 0x4000_0028,
        clone: 120,
        ioctl: 54,
        socket: 281,
        refused: &[309, 310, 311, 21, 52, 218, 375, 337, 386, 364, 388, 347, 401, 128, 379, 129, 371, 103],
        others: &[26, 376, 377, 378, 37, 400, 344, 238, 178, 363],
        tgkill: 268,
        prlimit: 369,
        fcntl: &[55, 221],
    },
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const OURS: &[Calls] = &[];

/// The address family of sockets between virtual machines and their host, which no namespace separates (vsock(7)).
const AF_VSOCK: u32 = 40;
const CLONE_NEWUSER: u32 = 0x1000_0000;
/// The ioctl requests that type into a terminal or change its selection.
const TYPING: [u32; 2] = [0x5412, 0x541C];
/// The requests of `fcntl` and of `ioctl` that choose who gets the signals of an open file: F_SETOWN, F_SETOWN_EX;
/// FIOSETOWN, SIOCSPGRP.
const OWNERS: [u32; 2] = [8, 15];
const OWNERS_BY_IOCTL: [u32; 2] = [0x8901, 0x8902];
/// The bit of x86's x32 calls, whose numbers would pass all tables.
const X32: u32 = 0x4000_0000;

// `struct seccomp_data`: number, architecture, instruction pointer, six arguments.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST: u32 = 16;
const SECOND: u32 = 24;

const ALLOW: u32 = 0x7FFF_0000;
const KILL: u32 = 0x8000_0000;
const EPERM: u32 = 0x0005_0001;
const ENOSYS: u32 = 0x0005_0026;

const fn step(code: u16, k: u32, jt: u8, jf: u8) -> sock_filter {
    sock_filter { code, jt, jf, k }
}
/// Loads a word of the call.
const fn load(at: u32) -> sock_filter {
    step(0x20, at, 0, 0)
}
/// Ends the filter with a verdict.
const fn end(verdict: u32) -> sock_filter {
    step(0x06, verdict, 0, 0)
}
/// Continues if the word is equal, else skips `skip` steps.
const fn equal(value: u32, skip: u8) -> sock_filter {
    step(0x15, value, 0, skip)
}
/// Continues if a bit is set, else skips `skip` steps.
const fn has(bits: u32, skip: u8) -> sock_filter {
    step(0x45, bits, 0, skip)
}

/// Whether there is a filter for this processor.
pub(super) fn known() -> bool {
    !OURS.is_empty()
}

fn filter(callers: Callers) -> Vec<sock_filter> {
    let sockets = callers == Callers::Sandbox;
    let own_process = std::process::id();
    let mut all = vec![load(ARCHITECTURE)];
    // What needs no sockets needs no other calling convention either.
    for calls in OURS.iter().take(if sockets { OURS.len() } else { 1 }) {
        let mut own = vec![load(NUMBER)];
        if calls.architecture == 0xC000_003E {
            own.extend([has(X32, 1), end(ENOSYS)]);
        }
        for number in calls.refused.iter().chain(&NEW) {
            own.extend([equal(*number, 1), end(EPERM)]);
        }
        if callers == Callers::Reader {
            for number in calls.others.iter().chain(&NEW_OTHERS) {
                own.extend([equal(*number, 1), end(EPERM)]);
            }
            for (number, process) in [(calls.tgkill, own_process), (calls.prlimit, 0)] {
                own.extend([equal(number, 4), load(FIRST), equal(process, 1), end(ALLOW), end(EPERM)]);
            }
            for number in calls.fcntl {
                own.extend([equal(*number, 6), load(SECOND)]);
                own.extend(OWNERS.iter().flat_map(|request| [equal(*request, 1), end(EPERM)]));
                own.push(end(ALLOW));
            }
        }
        own.extend([equal(CLONE3, 1), end(ENOSYS)]);
        own.extend([equal(calls.clone, 4), load(FIRST), has(CLONE_NEWUSER, 1), end(EPERM), end(ALLOW)]);
        own.extend(if sockets {
            vec![equal(calls.socket, 4), load(FIRST), equal(AF_VSOCK, 1), end(EPERM), end(ALLOW)]
        } else {
            vec![equal(calls.socket, 1), end(EPERM)]
        });
        let owners = if sockets { [].as_slice() } else { &OWNERS_BY_IOCTL };
        let requests: Vec<_> =
            TYPING.iter().chain(owners).flat_map(|request| [equal(*request, 1), end(EPERM)]).collect();
        own.extend([equal(calls.ioctl, requests.len() as u8 + 1), load(SECOND)]);
        own.extend(requests);
        own.push(end(ALLOW));
        // For another architecture the whole table is skipped, which is too long for a short jump.
        all.extend([step(0x15, calls.architecture, 1, 0), step(0x05, own.len() as u32, 0, 0)]);
        all.extend(own);
    }
    all.push(end(KILL));
    all
}

/// Refuses these calls to this process and everything that it starts, for good.
pub(super) fn refuse(callers: Callers, what: &str) -> Result<()> {
    if known() { seccompiler::apply_filter(&filter(callers)).during(what) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn verdict(architecture: u32, number: u32, first: u32, second: u32) -> u32 {
        decide(Callers::Sandbox, architecture, number, first, second)
    }

    fn decide(callers: Callers, architecture: u32, number: u32, first: u32, second: u32) -> u32 {
        let program = filter(callers);
        let (mut at, mut value) = (0, 0);
        loop {
            let step = &program[at];
            at += 1;
            let jump = |yes: bool| usize::from(if yes { step.jt } else { step.jf });
            match step.code {
                0x20 => {
                    value = match step.k {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST => first,
                        SECOND => second,
                        other => panic!("no word at {other}"),
                    }
                }
                0x15 => at += jump(value == step.k),
                0x45 => at += jump(value & step.k != 0),
                0x05 => at += step.k as usize,
                0x06 => return step.k,
                other => panic!("no step {other:#x}"),
            }
        }
    }

    #[test]
    fn keyrings_new_users_and_typing_into_terminals_are_refused_in_every_way_to_call() {
        for calls in OURS {
            let says = |number, first, second| verdict(calls.architecture, number, first, second);
            for number in calls.refused.iter().chain(&NEW) {
                assert_eq!(says(*number, 0, 0), EPERM, "{:#x} {number}", calls.architecture);
            }
            assert_eq!(says(calls.clone, CLONE_NEWUSER | 0x11, 0), EPERM);
            assert_eq!(says(calls.clone, 17, 0), ALLOW);
            assert_eq!(says(CLONE3, 0, 0), ENOSYS);
            assert_eq!(says(calls.ioctl, 0, 0x5412), EPERM);
            assert_eq!((says(calls.socket, 40, 1), says(calls.socket, 1, 1)), (EPERM, ALLOW));
            assert_eq!(says(calls.ioctl, 0, 0x541C), EPERM);
            assert_eq!(says(calls.ioctl, 0, 0x5401), ALLOW);
            assert_eq!(says(1, 0, 0), ALLOW);
        }
        assert_eq!(verdict(0x1234, 1, 0, 0), KILL);
        #[cfg(target_arch = "x86_64")]
        assert_eq!(verdict(0xC000_003E, X32 | 0xfa, 0, 0), ENOSYS);
    }

    #[test]
    fn a_reader_reaches_no_other_process_and_makes_no_socket() {
        for (number, calls) in OURS.iter().enumerate() {
            let says = |call, first| decide(Callers::Reader, calls.architecture, call, first, 0);
            if number > 0 {
                assert_eq!(says(1, 0), KILL, "there is one way to call");
                continue;
            }
            for call in calls.others.iter().chain(&NEW_OTHERS).chain(&[calls.socket]) {
                assert_eq!(says(*call, 1), EPERM, "{call}");
                assert!(*call == calls.socket || verdict(calls.architecture, *call, 1, 0) == ALLOW, "{call}");
            }
            assert_eq!((says(1, 0), says(calls.clone, 17)), (ALLOW, ALLOW));
            let own = std::process::id();
            assert_eq!((says(calls.tgkill, own), says(calls.tgkill, own + 1)), (ALLOW, EPERM), "it may end itself");
            assert_eq!((says(calls.prlimit, 0), says(calls.prlimit, own + 1)), (ALLOW, EPERM));
            let asks = |call, request| decide(Callers::Reader, calls.architecture, call, 3, request);
            for (request, verdict) in [(1, ALLOW), (2, ALLOW), (8, EPERM), (15, EPERM)] {
                assert!(calls.fcntl.iter().all(|call| asks(*call, request) == verdict), "{request}");
            }
            assert_eq!((asks(calls.ioctl, 0x8901), asks(calls.ioctl, 0x5412)), (EPERM, EPERM));
            assert_eq!((asks(calls.ioctl, 0x5401), says(calls.socket, 1)), (ALLOW, EPERM));
        }
    }
}
