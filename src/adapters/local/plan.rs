//! The form of the daemonless backend, and the plan that is made of the answers.

use std::path::{Path, PathBuf};

use super::{
    calls, gvisor,
    inside::{SandboxLayout, Text},
    mounted::{self, MountedImage},
    sandbox_program::SandboxProgram,
    sif_root, sockets,
    spec::KEEP,
};
use crate::{
    keeper::start,
    prepared::{
        below::{MountPoint, RootFolder},
        people::ImageUser,
    },
};
use wharf_core::{
    base::{
        error::{During, Error, Result},
        small_file,
    },
    image::{
        model::{Foreign, Image, ImageKind, RunConfig},
        reference::ImageRef,
    },
    launch::{
        command::{self, has},
        form::{Answers, Field, FieldKind, Section},
        plan::{Mount, Risk, Step},
        questions,
    },
};

/// Stands for the root folder in a plan that has not been carried out.
pub(super) const ROOT: &str = "ROOT";
/// Stands for the workload's own folder, in a plan that has not been carried out.
const FOLDER: &str = "FOLDER";
/// The resolver's configuration, which a program with this machine's network uses, as on engines.
const NAMES: &str = "/etc/resolv.conf";
/// The largest `/etc/hosts` of this machine that is passed on, in bytes.
const MOST_HOSTS: usize = 64 << 10;

/// The sections of the form, with careful defaults for this image.
pub(super) fn questions(image: &Image) -> Vec<Section> {
    let processors = std::thread::available_parallelism().map_or(1, |count| count.get() as u64);
    let basics = vec![
        questions::name("what the workload is called", image.reference.title().split(':').next().unwrap_or("")),
        questions::command(&image.config),
        questions::environment(),
    ];
    let limits = vec![
        questions::memory("at most for each process, like 512M or 2G; empty for no limit", ""),
        questions::processors(processors),
        questions::processes(),
    ];
    let network = vec![questions::own_network(), questions::mounts()];
    let writable = "give it its own copy of the image to change";
    let mut basics = basics;
    if image.kind == ImageKind::Sif {
        basics.push(questions::runs());
    }
    vec![
        questions::basics(basics),
        questions::resources(limits),
        questions::network("whom it can reach, and which of your files it sees", network),
        questions::advanced(vec![Field::new("writable", "Writable", writable, FieldKind::Flag, "no")]),
    ]
}

/// The image as it is run: a SIF states neither user nor program, so they are those that Apptainer would take.
pub(super) fn as_run(image: &Image, answers: &Answers) -> Image {
    let mut image = image.clone();
    if image.kind == ImageKind::Sif {
        image.config = sif_root::run_config();
        if !questions::runs_command(answers) {
            image.config.entrypoint.push(Foreign::new(sif_root::RUNSCRIPT));
        }
    }
    image
}

/// Fails if a SIF image lacks the shell that its scripts need.
pub(super) fn must_start(inside: &SandboxLayout, root: &RootFolder) -> Result<()> {
    let shell = MountPoint { path: "/bin/sh".into(), folder: false };
    let needs = inside.argv.get(2).is_some_and(|word| word.raw() == sif_root::SCRIPT);
    if !needs || root.find(&shell)?.is_some() {
        return Ok(());
    }
    Err(Error::unsupported("launch on local", "the image has no /bin/sh, which its scripts need")
        .hint("launch it on apptainer, which brings one"))
}

/// The sandbox as data, from the image and the answers. Resolves links in the mounts' host paths.
pub(super) fn inside(image: &Image, answers: &Answers, root: &Path, name: &str) -> Result<SandboxLayout> {
    if questions::runs_command(answers) && answers.split_words("command").is_empty() {
        return Err(Error::usage("plan on local", "no command is given").hint("give one: --set command='…'"));
    }
    let argv = command::argv(&image.config, answers, "plan on local")?;
    let mut environment = command::environment(&image.config, answers);
    // As all engines do; image and answers take precedence.
    if !has(&environment, "HOSTNAME") {
        environment.push(Foreign::new(format!("HOSTNAME={name}")));
    }
    let mut mounts = questions::mounts_from(answers)?;
    for mount in &mut mounts {
        mount.host = real(&mount.host)?;
    }
    let network = answers.get("network") == "host";
    let taken = |at: &str| mounts.iter().any(|mount| mount.inside == Path::new(at));
    let mut texts = texts(name, network);
    texts.retain(|text| !taken(&text.at.display().to_string()));
    if network && !taken(NAMES) {
        let found = Path::new(NAMES).canonicalize().ok();
        mounts.extend(found.map(|host| Mount { host, inside: NAMES.into(), writes: false }));
    }
    Ok(SandboxLayout {
        root: root.to_owned(),
        writable: answers.is("writable"),
        mounts,
        texts,
        argv,
        environment,
        working_dir: image.config.working_dir.clone(),
        hostname: name.to_owned(),
        network,
    })
}

/// The paths that every unpacked image gets, as from engines: they depend on the image alone.
pub(super) fn usual_points(run: &RunConfig) -> Vec<MountPoint> {
    let files = ["/etc/hosts", "/etc/hostname", NAMES].map(|path| MountPoint { path: path.into(), folder: false });
    let folder = Path::new("/").join(run.working_dir.raw().trim_start_matches('/'));
    files.into_iter().chain([MountPoint { path: folder, folder: true }]).collect()
}

/// Files that engines write for each workload: `/etc/hosts` and `/etc/hostname` (hosts(5), hostname(5)).
fn texts(name: &str, network: bool) -> Vec<Text> {
    let machine = network.then(|| small_file::text("/etc/hosts").ok()).flatten();
    let known = machine.filter(|text| text.len() <= MOST_HOSTS);
    let known = known.unwrap_or_else(|| "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned());
    let hosts = format!("{}\n127.0.1.1\t{name}\n", known.trim_end());
    vec![Text { at: "/etc/hosts".into(), text: hosts }, Text { at: "/etc/hostname".into(), text: format!("{name}\n") }]
}

/// The path of the host without links: a plan must show what is really mounted.
fn real(path: &Path) -> Result<PathBuf> {
    path.canonicalize().during(format!("mount {}", path.display()))
}

/// The paths that must exist in the sandbox: mount points, written files, the working folder.
pub(super) fn points(inside: &SandboxLayout) -> Vec<MountPoint> {
    let mut points: Vec<MountPoint> = inside
        .mounts
        .iter()
        .map(|mount| MountPoint { path: mount.inside.clone(), folder: mount.host.is_dir() })
        .collect();
    points.extend(inside.texts.iter().map(|text| MountPoint { path: text.at.clone(), folder: false }));
    let folder = Path::new("/").join(inside.working_dir.raw().trim_start_matches('/'));
    // Below a mount, the path belongs to the host.
    if !points.iter().any(|point| folder.starts_with(&point.path)) {
        points.push(MountPoint { path: folder, folder: true });
    }
    points
}

/// The same paths with all links of the unpacked image resolved, whether or not it has them.
pub(super) fn placed(inside: &SandboxLayout, root: &RootFolder) -> Result<Vec<MountPoint>> {
    let point = |point: MountPoint| Ok(MountPoint { path: root.place(&point)?, ..point });
    points(inside).into_iter().map(point).collect()
}

/// Completes the sandbox for the unpacked image: replaces mount points by paths without links, and sets `HOME`.
pub(super) fn complete(inside: &mut SandboxLayout, who: &ImageUser, root: &RootFolder) -> Result<()> {
    for mount in &mut inside.mounts {
        let what = format!("mount at {}", mount.inside.display());
        let point = MountPoint { path: mount.inside.clone(), folder: mount.host.is_dir() };
        mount.inside = root.place(&point)?;
        let at = &mount.inside;
        if at == Path::new("/") || at == Path::new("/dev") || at.starts_with("/proc") {
            return Err(Error::usage(what, "the sandbox has its own there"));
        }
    }
    for text in &mut inside.texts {
        text.at = root.place(&MountPoint { path: text.at.clone(), folder: false })?;
    }
    set_home(&mut inside.environment, who);
    Ok(())
}

/// Sets `HOME` where it is not set. An empty value counts as unset, as for runc.
pub(super) fn set_home(environment: &mut Vec<Foreign>, who: &ImageUser) {
    if !has(environment, "HOME") || environment.iter().any(|pair| pair.raw() == "HOME=") {
        environment.retain(|pair| pair.raw() != "HOME=");
        environment.push(Foreign::new(format!("HOME={}", who.home)));
    }
}

/// The user and the group inside, as arguments of the sandbox program.
pub(super) struct Ids {
    uid: String,
    gid: String,
}

impl Ids {
    /// The ids as far as they are known before the image is unpacked.
    pub(super) fn from_user(user: &Foreign) -> Self {
        let user = if user.is_empty() { "0".to_owned() } else { user.to_string() };
        let (uid, gid) = user.split_once(':').unwrap_or((&user, &user));
        let word = |name: &str, kind: &str| {
            if name.parse::<u32>().is_ok() { name.to_owned() } else { format!("{kind} OF {name}") }
        };
        Self { uid: word(uid, "USER"), gid: word(gid, "GROUP") }
    }
}

impl From<ImageUser> for Ids {
    fn from(who: ImageUser) -> Self {
        Self { uid: who.uid.to_string(), gid: who.gid.to_string() }
    }
}

/// The command line of the sandbox program. It makes the namespaces and starts this program as process 1 in them, with
/// the number of the open file that holds its task. Process 1 does the rest.
pub(super) fn argv(
    runtime: SandboxProgram,
    inside: &SandboxLayout,
    ids: &Ids,
    ourselves: &str,
    told: &str,
) -> Vec<String> {
    let (uid, gid) = (ids.uid.as_str(), ids.gid.as_str());
    let mut argv = match runtime {
        SandboxProgram::Runsc => return gvisor::argv(FOLDER, inside.network),
        SandboxProgram::Unshare => {
            let ids = ["unshare", "--user", "--map-user", uid, "--map-group", gid, "--keep-caps"];
            let kinds = ["--mount", "--pid", "--fork", "--ipc", "--uts", "--cgroup", "--kill-child"];
            [ids, kinds].concat()
        }
        SandboxProgram::Bwrap => {
            let kinds =
                ["bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--as-pid-1"];
            // The rights are only over its own namespaces, and process 1 gives them up.
            let rest = ["--cap-add", "ALL", "--uid", uid, "--gid", gid, "--dev-bind", "/", "/"];
            [&kinds[..], &rest[..]].concat()
        }
    };
    match (runtime, inside.network) {
        (SandboxProgram::Unshare, false) => argv.push("--net"),
        (SandboxProgram::Bwrap, true) => argv.push("--share-net"),
        _ => {}
    }
    argv.extend(["--", ourselves, "__inside", told]);
    argv.into_iter().map(str::to_owned).collect()
}

/// The steps of the launch: the image is unpacked, the workload described, and its keeper started. `text` is the
/// description, `folder` where it is kept. A `mounted` image is not unpacked.
pub(super) fn steps(
    image: &Image,
    root: &Path,
    folder: &Path,
    text: String,
    mounted: Option<&MountedImage>,
) -> Result<Vec<Step>> {
    let prepared = mounted.and_then(|mounted| mounted.prepared.as_ref());
    let mounted = mounted.is_some();
    let what = if let Some(file) = prepared {
        format!("{}, compared with what was prepared and mounted,", file.display())
    } else if mounted {
        "the SIF file, compared with its digest and mounted,".to_owned()
    } else if image.kind == ImageKind::Sif {
        "the SIF file, compared with its digest and unpacked,".to_owned()
    } else {
        format!("the image, {}", wharf_core::base::text::plural(image.layers.len() as u64, "layer", "layers"))
    };
    let is_there = if mounted {
        prepared.is_some() || matches!(image.reference, ImageRef::File { .. })
    } else {
        root.join("done").is_file()
    };
    let bytes = if is_there { 0 } else { image.size };
    let to = if mounted {
        let (at, own) = (folder.join(mounted::PLACE), folder.join(mounted::UNPACKED));
        format!(
            "ROOT = {}, read-only and in the sandbox alone; where mounting fails, unpacked into {}",
            at.display(),
            own.display()
        )
    } else {
        format!("ROOT = {}, once for all workloads", root.display())
    };
    let completed = ["ROOT", "who", "created", "node", "links below ROOT"];
    let completed = completed.into_iter().chain(mounted.then_some("offset")).map(str::to_owned).collect();
    let path = folder.join("spec.json").display().to_string();
    let argv = start::words(KEEP, folder, "plan on local")?;
    Ok(vec![
        Step::Prepare { what, to, bytes: Some(bytes), by: Vec::new() },
        Step::Write { path, text, mode: 0o600, completed },
        Step::Run { argv, environment: vec!["PATH".to_owned()] },
    ])
}

/// The risk lines of the launch, with the bytes of memory that the machine has, as far as known.
pub(super) fn risks(
    image: &Image,
    answers: &Answers,
    inside: &SandboxLayout,
    (runtime, memory): (SandboxProgram, Option<u64>),
) -> Vec<Risk> {
    let user = match &image.config {
        config if config.hides_user() => "nobody knows whom".to_owned(),
        config if config.user.is_empty() => "root".to_owned(),
        config => config.user.to_string(),
    };
    let mut risks = vec![
        Risk::harmless(format!("runs as {user} inside and as you outside: it can do nothing that you cannot")),
        questions::no_rights(),
        if inside.network { questions::host_network() } else { questions::no_network() },
    ];
    let gvisor = runtime == SandboxProgram::Runsc;
    if inside.network && (gvisor || sockets::can_be_divided()) {
        risks.push(Risk::harmless("it cannot reach programs of yours that listen on abstract sockets"));
    } else if inside.network {
        risks.push(Risk::danger(
            "with this machine's network it also reaches programs of yours that listen without a file, on abstract sockets: \
             a desktop's X server or message bus may obey it as if it were you",
        ));
    }
    let (names, mounts): (Vec<&Mount>, Vec<&Mount>) =
        inside.mounts.iter().partition(|mount| inside.network && mount.inside == Path::new(NAMES));
    if mounts.is_empty() {
        risks.push(questions::nothing_mounted());
    }
    risks.extend(mounts.iter().map(|mount| mount.exposure()));
    risks.extend(names.iter().map(|mount| mount.exposure()));
    risks.push(if inside.writable {
        Risk::harmless("it may change its own copy of the image")
    } else {
        Risk::harmless("the image's files cannot be changed; /tmp and /run can, and are gone afterwards")
    });
    risks.extend(gvisor.then(|| owned_by_root(image, inside)).flatten());
    risks.push(if gvisor || calls::known() {
        Risk::harmless("it cannot use the kernel's keyrings, where passwords may be, nor make sandboxes of its own")
    } else {
        Risk::caution("for this processor there is no filter of system calls: it can use your kernel keyrings")
    });
    risks.extend(questions::has_gpus(answers).then(questions::no_drivers));
    risks.push(Risk::harmless(format!("at most {} processors", answers.get("cpus"))));
    risks.push(if gvisor {
        Risk::harmless(format!("at most {} processes", answers.get("processes")))
    } else if rustix::process::geteuid().is_root() {
        Risk::caution("no limit of processes: the kernel lets root have any number")
    } else {
        Risk::harmless(format!("at most {} processes more than you have now", answers.get("processes")))
    });
    risks.push(questions::memory_limit(answers, memory));
    risks.push(match runtime {
        SandboxProgram::Runsc => questions::isolated(runtime.isolation(), runtime.name()),
        program => questions::isolated(program.isolation(), &format!("a user namespace ({})", program.name())),
    });
    risks
}

/// The risk line that what the program may write belongs to somebody else for it: behind gVisor, files of this person
/// belong to root inside.
fn owned_by_root(image: &Image, inside: &SandboxLayout) -> Option<Risk> {
    let writes = inside.writable || inside.mounts.iter().any(|mount| mount.writes);
    let words = format!("for {} inside, your files belong to root: it may be unable to write them", image.config.user);
    (writes && !image.config.runs_as_root()).then(|| Risk::caution(words))
}
