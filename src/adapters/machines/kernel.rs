//! Machines that start a kernel by themselves, without a disk: unikernels, and Linux with a first file system in memory.

use std::path::{Path, PathBuf};

use super::ask;
use wharf_core::{
    base::error::{During, Error, Result},
    image::model::{BootProtocol, Image},
    launch::{
        form::{Answers, Field, FieldKind, Section},
        plan::Risk,
        questions,
    },
};

/// The memory of a machine for a kernel unless another amount is asked for.
const MEMORY: &str = "256M";
/// The kinds of machines: a usual one, and one with hardly any devices, which starts faster.
const MACHINES: [&str; 2] = ["q35", "microvm"];

/// A kernel as it is to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// Its file.
    pub file: PathBuf,
    /// Its command line.
    pub arguments: String,
    /// The first file system of Linux, a file of the person's own.
    pub initrd: Option<PathBuf>,
    /// Whether the machine has hardly any devices.
    pub is_micro: bool,
    /// Whether it is Linux, which listens to the power button of a usual machine.
    pub is_linux: bool,
}

impl Kernel {
    /// The kernel in `file` of this protocol, as these answers want it started.
    ///
    /// # Errors
    /// `Usage` for a first file system that is no file here.
    pub fn new(file: &Path, protocol: BootProtocol, answers: &Answers) -> Result<Self> {
        let named = answers.get("initrd").trim();
        let initrd = if named.is_empty() { None } else { Some(checked(Path::new(named))?) };
        Ok(Self {
            file: file.to_owned(),
            arguments: answers.get("arguments").trim().to_owned(),
            initrd,
            is_micro: answers.get("machine") == MACHINES[1],
            is_linux: protocol == BootProtocol::Linux,
        })
    }
}

/// The first file system, as its absolute path.
fn checked(named: &Path) -> Result<PathBuf> {
    let what = format!("load {} with the kernel", named.display());
    let path = std::path::absolute(named).during(&what)?;
    if path.is_file() {
        return Ok(path);
    }
    Err(Error::usage(what, "there is no such file").hint("name a file here, or leave the question empty"))
}

/// The sections of the form for a kernel.
pub(super) fn questions(image: &Image, protocol: BootProtocol) -> Vec<Section> {
    let arguments = "for the kernel: its command line";
    // Without it, nothing of what Linux writes is seen.
    let (console, is_linux) = match protocol {
        BootProtocol::Linux => ("console=ttyS0", true),
        _ => ("", false),
    };
    let mut basics = vec![
        questions::name("what the machine is called", &ask::name(image)),
        Field::new("arguments", "Arguments", arguments, FieldKind::Text, console),
    ];
    if is_linux {
        let initrd = "a file here with the first file system; empty for none";
        basics.push(Field::new("initrd", "Initrd", initrd, FieldKind::Text, ""));
    }
    let kinds = "q35 is a usual machine; microvm has hardly any devices, and starts faster";
    let resources = vec![
        questions::memory("how much it has", MEMORY),
        ask::processors(),
        Field::new("machine", "Machine", kinds, questions::choice(&MACHINES), MACHINES[0]),
    ];
    vec![questions::basics(basics), questions::resources(resources), ask::network("")]
}

/// The risk lines of a kernel.
pub(super) fn risks(answers: &Answers) -> Vec<Risk> {
    let mut risks = vec![Risk::harmless("it has no disk: what it writes is gone when it ends")];
    let initrd = answers.get("initrd").trim();
    if !initrd.is_empty() {
        risks.push(Risk::caution(format!("{initrd} is loaded with it as it is: it is no part of the image")));
    }
    risks
}
