//! A process in a prepared image, as data: what a plan shows, and what the launch is made of.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::prepared::{Form, squashfs};
use wharf_core::{
    base::{
        blocking::blocking,
        clean,
        error::{During, Error, Result},
    },
    image::model::{Foreign, Image, ImageKind, Platform},
    launch::{
        command,
        form::{Answers, Field, Section},
        mount::Mount,
        plan::Risk,
        questions::{self, choice},
    },
};

/// Stands for the prepared image in a plan that has not been carried out.
pub(super) const IMAGE: &str = "IMAGE";
/// Stands for the folder of one process.
pub(super) const PLACE: &str = "PLACE";

/// A process in a prepared image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ImageProcess {
    /// In which form the image is prepared.
    pub form: Form,
    /// The program of the image and its arguments.
    pub argv: Vec<Foreign>,
    /// The environment, as `NAME=value`.
    pub environment: Vec<Foreign>,
    /// The mounted folders and files of the node.
    pub mounts: Vec<Mount>,
    /// The folder in the image in which the program starts.
    pub working_dir: Foreign,
    /// Whether it shares the node's network.
    pub network: bool,
    /// Whether GPUs are reserved for it.
    #[serde(default)]
    pub gpus: bool,
    /// Whether a part of the runtime begins as root, where it is known that it does or does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub setuid: Option<bool>,
    /// The command line of the runtime, for people: `IMAGE` is the prepared image, `PLACE` the folder of one process.
    pub command: Vec<String>,
}

impl ImageProcess {
    /// The process of an image with these answers, without the runtime's command line.
    ///
    /// # Errors
    /// `Usage` where no program is named, or a mount is not there.
    pub(super) async fn read(image: &Image, answers: &Answers, what: &'static str) -> Result<Self> {
        let (image, answers) = (image.clone(), answers.clone());
        // Reads paths of the host, which may be on a slow file system.
        blocking(move || Self::new(&image, &answers, what)).await.during(what)?
    }

    fn new(image: &Image, answers: &Answers, what: &str) -> Result<Self> {
        let mut mounts = questions::mounts_from(answers)?;
        for mount in &mut mounts {
            // A plan shows what is really mounted.
            mount.host = mount.host.canonicalize().during(format!("mount {}", mount.host.display()))?;
        }
        let folder = image.config.working_dir.raw();
        Ok(Self {
            form: if squashfs::is_there() { Form::Squashfs } else { Form::Folder },
            argv: command::argv(&image.config, answers, what)?,
            environment: command::environment(&image.config, answers),
            mounts,
            working_dir: Foreign::new(if folder.starts_with('/') { folder.to_owned() } else { format!("/{folder}") }),
            network: answers.get("network") == "host",
            gpus: questions::has_gpus(answers),
            setuid: None,
            command: Vec::new(),
        })
    }

    /// The variables, each once: the last of a name counts.
    ///
    /// # Errors
    /// `Usage` for a word that is no `NAME=value`.
    pub(super) fn variables(&self, what: &str) -> Result<Vec<(&str, &str)>> {
        let mut all: Vec<(&str, &str)> = Vec::new();
        for pair in &self.environment {
            let Some((name, value)) = pair.raw().split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(Error::usage(what, format!("'{}' is no NAME=value", clean::short(pair.raw(), 60)))
                    .hint("tell the publisher of the image, or correct the answer to env"));
            };
            all.retain(|(known, _)| *known != name);
            all.push((name, value));
        }
        Ok(all)
    }
}

/// The questions of every runtime for prepared images; `network` are the choices it has, the careful one first.
pub(super) fn questions(image: &Image, network: &[&str], mounts: Field) -> Vec<Section> {
    let title = image.reference.title().split(':').next().unwrap_or("").to_owned();
    let basics = vec![
        questions::name("what the workload is called", &title),
        questions::command(&image.config),
        questions::environment(),
    ];
    let help = "none cannot talk to anyone; host shares the node's network";
    let first = network.first().copied().unwrap_or_default();
    let reach = vec![Field::new("network", "Network", help, choice(network), first), mounts];
    vec![questions::basics(basics), questions::network("whom it can reach, and which of your files it sees", reach)]
}

/// Fails if an image is not one that can be prepared for this machine.
///
/// # Errors
/// `Unsupported` with the reason.
pub(super) fn accepts(image: &Image, runtime: &str) -> Result<()> {
    let what = format!("run {} with {runtime}", image.reference);
    let Some(pinned) = image.pinned.as_ref().filter(|_| image.kind == ImageKind::Container) else {
        return Err(Error::unsupported(what, format!("a {} image is not a root file system", image.kind.name())));
    };
    match &pinned.platform {
        Some(platform) if !platform.serves(&Platform::host()) => {
            Err(Error::unsupported(what, format!("it is built for {platform}, this machine is {}", Platform::host())))
        }
        _ => Ok(()),
    }
}

/// The risk lines that all these runtimes share.
pub(super) fn risks(image: &Image, process: &ImageProcess) -> Vec<Risk> {
    let user = image.config.user_words();
    let mut risks = vec![
        Risk::harmless(format!(
            "runs as you inside and outside ({user} in the image): it can do nothing that you cannot"
        )),
        questions::no_rights(),
        if process.network { questions::host_network() } else { questions::no_network() },
    ];
    if process.mounts.is_empty() {
        risks.push(questions::nothing_mounted());
    }
    risks.extend(process.mounts.iter().map(Mount::exposure));
    risks.push(match process.form {
        Form::Squashfs => Risk::harmless(
            "the image is prepared as one read-only file; the node compares its sha256 before anything of it runs",
        ),
        Form::Folder => Risk::caution(
            "mksquashfs is not here: the image is prepared as a folder, which the node cannot compare before it runs",
        ),
    });
    risks
}

/// Fails for text that a line of a file, or a word for the runtime, cannot hold.
///
/// # Errors
/// `Usage` that names the text.
pub(super) fn one_line<'a>(text: &'a str, what: &str, named: &str) -> Result<&'a str> {
    if text.contains(char::is_control) {
        let why = format!("{named} has a line break or another control character in it: '{}'", clean::short(text, 60));
        return Err(Error::usage(what, why).hint("leave it out, or choose another runtime or backend"));
    }
    Ok(text)
}

/// A path as one line of text.
///
/// # Errors
/// `Usage` for a path that is not text, or has a control character in it.
pub(super) fn path_text<'a>(path: &'a Path, what: &str) -> Result<&'a str> {
    let text = path.to_str().ok_or_else(|| {
        Error::usage(what, format!("the path {} is not text", path.display())).hint("choose another folder")
    })?;
    one_line(text, what, "a path")
}
