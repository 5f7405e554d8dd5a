//! The questions of Apptainer as a backend, and the risks of their answers.

use std::path::Path;

use crate::shared::{apptainer::Installation, private};
use wharf_core::{
    image::model::{Image, ImageKind},
    launch::{
        form::{Answers, Field, FieldKind, Section},
        plan::Risk,
        questions,
    },
};

/// The key of the question whether GPUs are given to it.
pub(super) const GPU: &str = "gpu";

/// The kind of GPUs that this machine has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gpu {
    /// Those of NVIDIA.
    Nvidia,
    /// Those of AMD, with ROCm.
    Rocm,
}

impl Gpu {
    /// What there is on this machine.
    pub(super) fn here() -> Option<Self> {
        match () {
            () if Path::new("/dev/nvidiactl").exists() => Some(Self::Nvidia),
            () if Path::new("/dev/kfd").exists() => Some(Self::Rocm),
            () => None,
        }
    }

    /// The option with which Apptainer passes them on.
    pub(super) fn flag(self) -> &'static str {
        match self {
            Self::Nvidia => "--nv",
            Self::Rocm => "--rocm",
        }
    }
}

/// The sections of the form, with careful defaults for this image.
pub(super) fn questions(image: &Image) -> Vec<Section> {
    let title = image.reference.title();
    let name = title.split(':').next().unwrap_or_default().trim_end_matches(".sif");
    let basics = vec![
        questions::name("what the workload is called", name),
        questions::command(&image.config),
        questions::runs(),
        questions::environment(),
    ];
    let network = vec![questions::own_network(), questions::mounts()];
    let writable = "let it write where the image lets you, in memory only";
    let mut advanced = vec![Field::new("writable", "Writable", writable, FieldKind::Flag, "no")];
    if Gpu::here().is_some() {
        advanced.push(Field::new(GPU, "GPU", "give it this machine's GPUs", FieldKind::Flag, "no"));
    }
    vec![
        questions::basics(basics),
        questions::network("whom it can reach, and which of your files it sees", network),
        questions::advanced(advanced),
    ]
}

/// The risk lines of a launch.
pub(super) fn risks(image: &Image, answers: &Answers, installed: &Installation) -> Vec<Risk> {
    let mut risks = vec![if private::is_root() {
        Risk::danger("you are root: it runs as root of this machine, though without capabilities")
    } else {
        Risk::harmless("runs as you, inside and outside: it can do nothing that you cannot")
    }];
    let user = &image.config.user;
    if image.kind == ImageKind::Container && !user.is_empty() {
        risks.push(Risk::caution(format!("the image asks for the user {user}: Apptainer runs it as you")));
    }
    risks.push(questions::no_rights());
    let host = answers.get("network") == "host";
    risks.push(if host { questions::host_network() } else { questions::no_network() });
    risks.extend(questions::mount_risks(answers));
    risks.push(Risk::harmless("it sees neither your home nor your environment, nor folders that the site adds"));
    risks.push(if answers.is("writable") {
        Risk::harmless("what it writes into the image is in memory, and gone afterwards")
    } else {
        Risk::harmless("the image's files cannot be changed; /tmp and /var/tmp can, and are gone afterwards")
    });
    if answers.is(GPU) {
        risks.push(Risk::caution("it can use the GPUs of this machine, and their drivers in the kernel"));
    }
    risks.push(Risk::caution(
        "no limits of memory and processors: Apptainer needs systemd's control groups for them; the backend local has some",
    ));
    risks.push(match installed.setuid {
        Some(false) => Risk::harmless("Apptainer is installed without setuid: it has no rights that you lack"),
        Some(true) => Risk::caution(
            "Apptainer is installed setuid root: its starter has root's rights before the image's program begins",
        ),
        None => Risk::caution("whether Apptainer is installed setuid root is unknown"),
    });
    risks.push(Risk::caution("isolation is Apptainer's namespaces: the kernel is shared with this host"));
    risks
}
